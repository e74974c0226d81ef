/*
 * json: the tokens of JSON text.
 */
#include "catalog/scan.h"

enum mn_json_token mn_json_lex(const char **cursor, const char *end)
{
    const char *at = *cursor, *mark = at;

    /*!re2c
        re2c:flags:input = custom;
        re2c:api:style = free-form;
        re2c:define:YYCTYPE = "unsigned char";
        re2c:define:YYPEEK = "(at < end ? (unsigned char)*at : 0)";
        re2c:define:YYSKIP = "if (at < end) at++;";
        re2c:define:YYBACKUP = "mark = at;";
        re2c:define:YYRESTORE = "at = mark;";
        re2c:yyfill:enable = 0;

        hex    = [0-9a-fA-F];
        tail   = [\x80-\xbf];
        utf8   = [\xc2-\xdf] tail | "\xe0" [\xa0-\xbf] tail | [\xe1-\xec\xee\xef] tail tail
               | "\xed" [\x80-\x9f] tail | "\xf0" [\x90-\xbf] tail tail | [\xf1-\xf3] tail tail tail
               | "\xf4" [\x80-\x8f] tail tail;
        plain  = [\x20-\x21\x23-\x5b\x5d-\x7f] | utf8;
        low    = "\\u" [dD] [c-fC-F] hex hex;
        high   = "\\u" [dD] [89abAB] hex hex;
        unit   = "\\u" ([1-9abcefABCEF] hex hex hex | "0" [1-9a-fA-F] hex hex | "00" [1-9a-fA-F] hex
               | "000" [1-9a-fA-F] | [dD] [0-7] hex hex);
        escape = "\\" ["\\/bfnrt] | unit | high low;
        int    = "0" | [1-9] [0-9]*;

        [ \t\r\n]+                  { return *cursor = at, MN_JSON_BLANK; }
        "{"                         { return *cursor = at, MN_JSON_OBJECT; }
        "}"                         { return *cursor = at, MN_JSON_OBJECT_END; }
        "["                         { return *cursor = at, MN_JSON_ARRAY; }
        "]"                         { return *cursor = at, MN_JSON_ARRAY_END; }
        ":"                         { return *cursor = at, MN_JSON_COLON; }
        ","                         { return *cursor = at, MN_JSON_COMMA; }
        "null"                      { return *cursor = at, MN_JSON_NULL; }
        "true"                      { return *cursor = at, MN_JSON_TRUE; }
        "false"                     { return *cursor = at, MN_JSON_FALSE; }
        "-"? int ("." [0-9]+)? ([eE] [-+]? [0-9]{1,9})? { return *cursor = at, MN_JSON_NUMBER; }
        ["] plain* ["]              { return *cursor = at, MN_JSON_STRING; }
        ["] (plain | escape)* ["]   { return *cursor = at, MN_JSON_STRING_ESCAPED; }
        *                           { return at == *cursor ? MN_JSON_END : MN_JSON_BAD; }
    */
}
