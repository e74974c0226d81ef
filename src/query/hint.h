/*
 * hint: what a wrong statement should have been.
 *
 * Three sources, in this order: a table of idioms that other systems have and of common mistakes
 * (hint.c); keywords that would have been accepted and are spelled almost so; keywords that were
 * meant as names.
 */
#ifndef MN_QUERY_HINT_H
#define MN_QUERY_HINT_H

#include "query/grammar.h"

/* Edits (insert, drop, change, swap of neighbours; case does not count) between two words. */
uint32_t mn_hint_distance(const char *a, size_t a_length, const char *b, size_t b_length);

/* The word most like this one, if it is like enough to be meant; NULL otherwise. NULLs in the list
 * are passed over. For tables, columns, functions and types. */
const char *mn_hint_nearest(const char *word, size_t length, const char *const *words,
                            size_t count);

/* As mn_hint_nearest, one candidate at a time: zeroed but for word and length, then offered each
 * candidate, it holds the best so far (NULL: none is like enough). */
struct mn_hint_search {
    const char *word;
    size_t length;
    const char *best;
    uint32_t best_distance;
};
void mn_hint_offer(struct mn_hint_search *search, const char *candidate);

/* A token as it is written ("SELECT", "->"), or its kind ("a name", "a number"); NULL for codes
 * that no text yields. */
const char *mn_token_text(uint16_t token);

/* A statement that was refused. */
struct mn_mistake {
    const char *text; /* spans count from here */
    size_t length;
    const struct mn_token *tokens; /* of the statement, the refused one last */
    uint32_t count;                /* at least 1 */
    bool bare;                     /* the last is a keyword that stands as an alias without AS */
};

/* Records MN_SYNTAX with message, place and hint. */
enum mn_status mn_mistake_fail(const struct mn_mistake *mistake);

/* The hint of the table of idioms; NULL: none. */
const char *mn_idiom_hint(const struct mn_mistake *mistake);

#endif
