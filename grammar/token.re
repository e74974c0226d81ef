/*
 * token: the words and signs of the language.
 *
 * Keywords are looked up by the scanner itself. What begins like a token and is none is one bad
 * token with a reason of its own (query/scan.h), so `7q` is never read as two good ones.
 */
#include "query/scan.h"

#include "query.h"

static void line_skip(const struct mn_scan *scan, const uint8_t **cursor)
{
    while (*cursor < scan->end && **cursor != '\n') (*cursor)++;
}

static bool next_is(const struct mn_scan *scan, const uint8_t *cursor, char sign)
{
    return cursor < scan->end && *cursor == (uint8_t)sign;
}

void mn_scan_next(struct mn_scan *scan, struct mn_token *token)
{
    const uint8_t *cursor = scan->at, *marker = cursor, *start;

    (void)marker;
#define FOUND(found) \
    { \
        scan->at = cursor; \
        token->code = (found); \
        token->span.offset = (uint32_t)(start - scan->text); \
        token->span.length = (uint32_t)(cursor - start); \
        return; \
    }
again:
    start = cursor;
    /*!re2c
        re2c:define:YYCTYPE = "uint8_t";
        re2c:flags:input = custom;
        re2c:api:style = free-form;
        re2c:define:YYPEEK = "(cursor < scan->end ? *cursor : 0)";
        re2c:define:YYSKIP = "cursor += cursor < scan->end;";
        re2c:define:YYBACKUP = "marker = cursor;";
        re2c:define:YYRESTORE = "cursor = marker;";
        re2c:yyfill:enable = 0;

        two = [\xc3-\xdf] [\x80-\xbf];
        three = ("\xe0" | "\xe1" | [\xe3-\xef]) [\x80-\xbf]{2};
        four = [\xf0-\xf4] [\x80-\xbf]{3};
        letter = [a-zA-Z_] | two | three | four;
        id = letter (letter | [0-9])*;
        digits = [0-9]+;
        exponent = [eE] [-+]? digits;
        unit = "us" | "ms" | "s" | "m" | "h" | "d" | "w";

        "\x00" {
            if (start < scan->end) FOUND(MN_SCAN_BAD)
            FOUND(0)
        }
        [ \t\r\n\f]+ { goto again; }
        "--" {
            if (next_is(scan, cursor, '>')) FOUND(MN_SCAN_DASHES)
            line_skip(scan, &cursor);
            goto again;
        }
        "<--" { FOUND(MN_SCAN_DASHES) }
        ")--" {
            if (next_is(scan, cursor, '(') || next_is(scan, cursor, '>')) {
                start++;
                FOUND(MN_SCAN_DASHES)
            }
            cursor -= 2;
            FOUND(TK_RP)
        }
        "/*" ([^*\x00] | "*"+ [^*/\x00])* "*"+ "/" { goto again; }
        "/*" { FOUND(MN_SCAN_OPEN_COMMENT) }

        (digits unit)+ { FOUND(TK_DURATION) }
        digits | "0" [xX] [0-9a-fA-F]+ { FOUND(TK_INTEGER) }
        digits "." [0-9]* exponent? { FOUND(TK_FLOAT) }
        "." digits exponent? { FOUND(TK_FLOAT) }
        digits exponent { FOUND(TK_FLOAT) }
        [0-9] [a-zA-Z0-9_.\x80-\xff]* { FOUND(MN_SCAN_BAD_NUMBER) }

        "'" ([^'\x00] | "''")* "'" { FOUND(TK_STRING) }
        "'" ([^'\x00] | "''")* { FOUND(MN_SCAN_OPEN_TEXT) }
        [xX] "'" ([0-9a-fA-F]{2})* "'" { FOUND(TK_BLOB) }
        [xX] "'" [^'\x00]* "'"? { FOUND(MN_SCAN_BAD_BLOB) }
        "\"" ([^"\x00] | "\"\"")+ "\"" { FOUND(TK_ID) }
        "\"" ([^"\x00] | "\"\"")* { FOUND(MN_SCAN_OPEN_NAME) }
        "\"\"" { FOUND(MN_SCAN_BAD) }
        "\xc2" [\x80-\xbf] | "\xe2" [\x80-\xbf]{2} { FOUND(MN_SCAN_TYPOGRAPHIC) }
        "$" (id | digits) | "?" [0-9]* { FOUND(TK_PARAM) }

        'ALL' { FOUND(TK_ALL) }
        'ANALYZE' { FOUND(TK_ANALYZE) }
        'ANY' { FOUND(TK_ANY) }
        'BEGIN' { FOUND(TK_BEGIN) }
        'BY' { FOUND(TK_BY) }
        'CASCADE' { FOUND(TK_CASCADE) }
        'CHEAPEST' { FOUND(TK_CHEAPEST) }
        'COMMIT' { FOUND(TK_COMMIT) }
        'CONFLICT' { FOUND(TK_CONFLICT) }
        'COPY' { FOUND(TK_COPY) }
        'COST' { FOUND(TK_COST) }
        'DO' { FOUND(TK_DO) }
        'EXACT' { FOUND(TK_EXACT) }
        'EXPLAIN' { FOUND(TK_EXPLAIN) }
        'FIRST' { FOUND(TK_FIRST) }
        'FOR' { FOUND(TK_FOR) }
        'FUSE' { FOUND(TK_FUSE) }
        'IF' { FOUND(TK_IF) }
        'INDEX' { FOUND(TK_INDEX) }
        'KEY' { FOUND(TK_KEY) }
        'LAST' { FOUND(TK_LAST) }
        'LINK' { FOUND(TK_LINK) }
        'NOTHING' { FOUND(TK_NOTHING) }
        'NULLS' { FOUND(TK_NULLS) }
        'OF' { FOUND(TK_OF) }
        'PRAGMA' { FOUND(TK_PRAGMA) }
        'READ' { FOUND(TK_READ) }
        'RELATION' { FOUND(TK_RELATION) }
        'RELEASE' { FOUND(TK_RELEASE) }
        'RENAME' { FOUND(TK_RENAME) }
        'REPLACE' { FOUND(TK_REPLACE) }
        'ROLLBACK' { FOUND(TK_ROLLBACK) }
        'SAVEPOINT' { FOUND(TK_SAVEPOINT) }
        'SHORTEST' { FOUND(TK_SHORTEST) }
        'SIMPLE' { FOUND(TK_SIMPLE) }
        'SINCE' { FOUND(TK_SINCE) }
        'SNAPSHOT' { FOUND(TK_SNAPSHOT) }
        'TRAIL' { FOUND(TK_TRAIL) }
        'TRANSACTION' { FOUND(TK_TRANSACTION) }
        'TYPE' { FOUND(TK_TYPE) }
        'UNLINK' { FOUND(TK_UNLINK) }
        'UPSERT' { FOUND(TK_UPSERT) }
        'VALUES' { FOUND(TK_VALUES) }
        'VERSION' { FOUND(TK_VERSION) }
        'WATCH' { FOUND(TK_WATCH) }
        'WITHIN' { FOUND(TK_WITHIN) }
        'WRITE' { FOUND(TK_WRITE) }
        'ADD' { FOUND(TK_ADD) }
        'COLUMN' { FOUND(TK_COLUMN) }
        'TEMP' { FOUND(TK_TEMP) }
        'EFFORT' { FOUND(TK_EFFORT) }
        'RECURSIVE' { FOUND(TK_RECURSIVE) }
        'WEIGHT' { FOUND(TK_WEIGHT) }
        'OR' { FOUND(TK_OR) }
        'AND' { FOUND(TK_AND) }
        'NOT' { FOUND(TK_NOT) }
        'IS' { FOUND(TK_IS) }
        'MATCH' { FOUND(TK_MATCH) }
        'LIKE' { FOUND(TK_LIKE) }
        'ILIKE' { FOUND(TK_ILIKE) }
        'BETWEEN' { FOUND(TK_BETWEEN) }
        'IN' { FOUND(TK_IN) }
        'CREATE' { FOUND(TK_CREATE) }
        'TABLE' { FOUND(TK_TABLE) }
        'FROM' { FOUND(TK_FROM) }
        'TO' { FOUND(TK_TO) }
        'ON' { FOUND(TK_ON) }
        'DROP' { FOUND(TK_DROP) }
        'ALTER' { FOUND(TK_ALTER) }
        'EXISTS' { FOUND(TK_EXISTS) }
        'UNIQUE' { FOUND(TK_UNIQUE) }
        'USING' { FOUND(TK_USING) }
        'WITH' { FOUND(TK_WITH) }
        'PRIMARY' { FOUND(TK_PRIMARY) }
        'CHECK' { FOUND(TK_CHECK) }
        'NULL' { FOUND(TK_NULL) }
        'DEFAULT' { FOUND(TK_DEFAULT) }
        'REFERENCES' { FOUND(TK_REFERENCES) }
        'DELETE' { FOUND(TK_DELETE) }
        'SET' { FOUND(TK_SET) }
        'INSERT' { FOUND(TK_INSERT) }
        'INTO' { FOUND(TK_INTO) }
        'UPDATE' { FOUND(TK_UPDATE) }
        'AS' { FOUND(TK_AS) }
        'RETURNING' { FOUND(TK_RETURNING) }
        'UNION' { FOUND(TK_UNION) }
        'EXCEPT' { FOUND(TK_EXCEPT) }
        'INTERSECT' { FOUND(TK_INTERSECT) }
        'SELECT' { FOUND(TK_SELECT) }
        'DISTINCT' { FOUND(TK_DISTINCT) }
        'JOIN' { FOUND(TK_JOIN) }
        'INNER' { FOUND(TK_INNER) }
        'LEFT' { FOUND(TK_LEFT) }
        'OUTER' { FOUND(TK_OUTER) }
        'CROSS' { FOUND(TK_CROSS) }
        'GRAPH_TABLE' { FOUND(TK_GRAPH_TABLE) }
        'COLUMNS' { FOUND(TK_COLUMNS) }
        'WHERE' { FOUND(TK_WHERE) }
        'NEAREST' { FOUND(TK_NEAREST) }
        'LATEST' { FOUND(TK_LATEST) }
        'GROUP' { FOUND(TK_GROUP) }
        'HAVING' { FOUND(TK_HAVING) }
        'ORDER' { FOUND(TK_ORDER) }
        'ASC' { FOUND(TK_ASC) }
        'DESC' { FOUND(TK_DESC) }
        'LIMIT' { FOUND(TK_LIMIT) }
        'OFFSET' { FOUND(TK_OFFSET) }
        'TRUE' { FOUND(TK_TRUE) }
        'FALSE' { FOUND(TK_FALSE) }
        'CASE' { FOUND(TK_CASE) }
        'END' { FOUND(TK_END) }
        'CAST' { FOUND(TK_CAST) }
        'WHEN' { FOUND(TK_WHEN) }
        'THEN' { FOUND(TK_THEN) }
        'ELSE' { FOUND(TK_ELSE) }
        'ARRAY' { FOUND(TK_ARRAY) }
        'ASOF' { FOUND(TK_ASOF) }
        'AUTOINCREMENT' { FOUND(TK_AUTOINCREMENT) }
        'CONSTRAINT' { FOUND(TK_CONSTRAINT) }
        'ESCAPE' { FOUND(TK_ESCAPE) }
        'FETCH' { FOUND(TK_FETCH) }
        'FILTER' { FOUND(TK_FILTER) }
        'FOREIGN' { FOUND(TK_FOREIGN) }
        'FULL' { FOUND(TK_FULL) }
        'LATERAL' { FOUND(TK_LATERAL) }
        'METRIC' { FOUND(TK_METRIC) }
        'NATURAL' { FOUND(TK_NATURAL) }
        'OVER' { FOUND(TK_OVER) }
        'PRECISION' { FOUND(TK_PRECISION) }
        'RETURN' { FOUND(TK_RETURN) }
        'RIGHT' { FOUND(TK_RIGHT) }
        'WINDOW' { FOUND(TK_WINDOW) }
        id { FOUND(TK_ID) }

        "<->" | "<=>" | "<#>" | "<+>" { FOUND(TK_VDIST) }
        "->>" { FOUND(TK_ARROW2) }
        "->" { FOUND(TK_ARROW) }
        "::" { FOUND(TK_DCOLON) }
        "[" [ \t\r\n]* "]" { FOUND(TK_EMPTYLIST) }
        "<=" { FOUND(TK_LE) }
        ">=" { FOUND(TK_GE) }
        "<>" | "!=" { FOUND(TK_NE) }
        "=" | "==" { FOUND(TK_EQ) }
        "<" { FOUND(TK_LT) }
        ">" { FOUND(TK_GT) }
        "||" { FOUND(TK_CONCAT) }
        "|" { FOUND(TK_PIPE) }
        "(" { FOUND(TK_LP) }
        ")" { FOUND(TK_RP) }
        "[" { FOUND(TK_LBRACKET) }
        "]" { FOUND(TK_RBRACKET) }
        "{" { FOUND(TK_LBRACE) }
        "}" { FOUND(TK_RBRACE) }
        "," { FOUND(TK_COMMA) }
        ";" { FOUND(TK_SEMI) }
        "." { FOUND(TK_DOT) }
        ":" { FOUND(TK_COLON) }
        "+" { FOUND(TK_PLUS) }
        "-" { FOUND(TK_MINUS) }
        "*" { FOUND(TK_STAR) }
        "/" { FOUND(TK_SLASH) }
        "%" { FOUND(TK_REM) }
        * { FOUND(MN_SCAN_BAD) }
    */
#undef FOUND
}
