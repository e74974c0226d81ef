/*
 * ndjson: the tokens of JSON on one line.
 */
#include "query/copy_scan.h"

void mn_copy_json_scan(const uint8_t **at, struct mn_copy_lexeme *lexeme)
{
    const uint8_t *cursor = *at, *marker = cursor, *start;

#define FOUND(kind) \
    { \
        lexeme->token = (kind); \
        lexeme->text = start; \
        lexeme->length = (size_t)(cursor - start); \
        lexeme->escaped = false; \
        *at = cursor; \
        return; \
    }
#define FOUND_STRING(with_escapes) \
    { \
        lexeme->token = MN_COPY_STRING; \
        lexeme->text = start + 1; \
        lexeme->length = (size_t)(cursor - start) - 2; \
        lexeme->escaped = (with_escapes); \
        *at = cursor; \
        return; \
    }

again:
    start = cursor;
    /*!re2c
        re2c:define:YYCTYPE = "uint8_t";
        re2c:define:YYCURSOR = "cursor";
        re2c:define:YYMARKER = "marker";
        re2c:yyfill:enable = 0;

        integer = "-"? ("0" | [1-9][0-9]*);
        plain = [^"\\\x00-\x1f];
        escape = "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4});

        [ \t\r]+ { goto again; }
        [\n\x00] {
            cursor--;
            FOUND(MN_COPY_END)
        }
        "{" { FOUND(MN_COPY_OBJECT_OPEN) }
        "}" { FOUND(MN_COPY_OBJECT_CLOSE) }
        "[" { FOUND(MN_COPY_ARRAY_OPEN) }
        "]" { FOUND(MN_COPY_ARRAY_CLOSE) }
        "," { FOUND(MN_COPY_COMMA) }
        ":" { FOUND(MN_COPY_COLON) }
        "true" { FOUND(MN_COPY_TRUE) }
        "false" { FOUND(MN_COPY_FALSE) }
        "null" { FOUND(MN_COPY_NULL) }
        integer { FOUND(MN_COPY_INTEGER) }
        integer ("." [0-9]+)? ([eE] [-+]? [0-9]+)? { FOUND(MN_COPY_FRACTION) }
        integer [0-9a-zA-Z_.]+ { FOUND(MN_COPY_BAD) }
        "\"" plain* "\"" { FOUND_STRING(false) }
        "\"" (plain | escape)* "\"" { FOUND_STRING(true) }
        "\"" (plain | escape)* [\n\x00] {
            cursor--;
            FOUND(MN_COPY_UNCLOSED)
        }
        [a-zA-Z0-9_]+ { FOUND(MN_COPY_BAD) }
        * { FOUND(MN_COPY_BAD) }
    */
#undef FOUND
#undef FOUND_STRING
}
