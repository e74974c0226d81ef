/*
 * grammar: the door to the parser that lemon makes of grammar/query.y.
 */
#ifndef MN_QUERY_GRAMMAR_H
#define MN_QUERY_GRAMMAR_H

#include "query/scan.h"

struct mn_parser;

/* The parser proper: memory of mn_grammar_size bytes, set up once, then fed with tokens; its
 * actions report to the mn_parser (query/make.h). */
size_t mn_grammar_size(void);
void mn_grammarInit(void *grammar);
void mn_grammar(void *grammar, int code, struct mn_token token, struct mn_parser *parser);

enum { MN_GRAMMAR_DEPTH_MAX = 3000 };

/* The same grammar without actions: the states after the tokens so far. */
struct mn_grammar_states {
    uint32_t depth; /* 0: before the first token */
    uint16_t at[MN_GRAMMAR_DEPTH_MAX];
};

/* Takes one token (0: the end). False: it is not accepted here, and the states are of no use any
 * more. *as_itself tells whether a keyword was taken as a keyword, not as a name; may be NULL. */
bool mn_grammar_advance(struct mn_grammar_states *states, uint16_t token, bool *as_itself);

/* Codes of tokens are below this number. */
uint16_t mn_grammar_tokens(void);
/* True for keywords that are names where they are not keywords. */
bool mn_grammar_is_word(uint16_t token);

#endif
