/*
 * parse: text into statements, one at a time, and what a wrong text should have been.
 *
 * The scanner is grammar/token.re, the grammar grammar/query.y. Names are not looked up here; types
 * are, so that a wrong one is reported where it stands. Errors carry the place in the text given to
 * the call, what was expected, and a hint where one is known (hint.h).
 */
#ifndef MN_QUERY_PARSE_H
#define MN_QUERY_PARSE_H

#include "query/ast.h"

enum {
    MN_NESTING_MAX = 100,               /* of parentheses, brackets and CASE */
    MN_STATEMENT_BYTES_MAX = MN_SQL_MAX /* of one statement's text */
};

/* Parses the first statement of the text; empty ones are skipped. *statement is NULL where there is
 * none. *tail is the byte behind its semicolon, or the end of the text. What the tree
 * needs of the text is copied into the arena. MN_SYNTAX, MN_TOOBIG, MN_RANGE (a number),
 * MN_TYPE (a typed literal), MN_SCHEMA (a type's name), MN_NOMEM. */
enum mn_status mn_parse(struct mn_arena *arena, const char *text, size_t length,
                        struct mn_statement **statement, const char **tail);

/* Parses text that is one expression, as the catalogue keeps DEFAULT and CHECK. Parameters are
 * refused. */
enum mn_status mn_parse_expression(struct mn_arena *arena, const char *text, size_t length,
                                   struct mn_ast_expr **expr);

/* The words that can follow the text, for completion: keywords and signs as they are written, and
 * one of the forms "name", "number", "text", "parameter" for tokens with a content. Where the text
 * ends inside a word, that word is not counted. Ends early when the callback answers false. */
typedef bool (*mn_parse_expected_fn)(void *context, const char *word);
enum mn_status mn_parse_expected(const char *text, size_t length, mn_parse_expected_fn expected,
                                 void *context);

/* MN_UNSUPPORTED: "WATCH comes later", at this place. The one form of this message. */
enum mn_status mn_comes_later(struct mn_span span, const char *what);

/* The error just recorded as one line of JSON: {"code":"MN_SYNTAX","message":...,"hint":...,
 * "offset":7,"length":3}; hint is null when there is none. */
enum mn_status mn_error_json_of(const struct mn_error *error, struct mn_buf *out);

#endif
