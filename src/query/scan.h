/*
 * scan: one token after the other; the scanner itself is grammar/token.re.
 */
#ifndef MN_QUERY_SCAN_H
#define MN_QUERY_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "query/ast.h"

/* The codes of tokens are those of the grammar, 0 is the end. Above them, what is no token. */
enum mn_scan_error {
    MN_SCAN_BAD = 1000,   /* a character that begins no token */
    MN_SCAN_DASHES,       /* --> or )--( or <--: a comment where an edge was meant */
    MN_SCAN_OPEN_COMMENT, /* without its end, as the next two */
    MN_SCAN_OPEN_TEXT,
    MN_SCAN_OPEN_NAME,
    MN_SCAN_BAD_NUMBER,
    MN_SCAN_BAD_BLOB,
    MN_SCAN_TYPOGRAPHIC /* a curly quote, a no-break space and the like */
};

struct mn_token {
    uint16_t code;
    struct mn_span span;
};

struct mn_scan {
    const uint8_t *text, *at, *end;
};

/* Blanks and comments are skipped. At the end the token has code 0 and length 0. Never fails. */
void mn_scan_next(struct mn_scan *scan, struct mn_token *token);

#endif
