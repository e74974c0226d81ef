/*
 * words: how each token of the grammar is written.
 */
#include "query.h"
#include "query/hint.h"

#define WORD(name) [TK_##name] = #name

static const char *const texts[] = {
    WORD(ALL), WORD(ANALYZE), WORD(ANY), WORD(BEGIN), WORD(BY), WORD(CASCADE), WORD(CHEAPEST),
    WORD(COMMIT), WORD(CONFLICT), WORD(COPY), WORD(COST), WORD(DO), WORD(EXACT), WORD(EXPLAIN),
    WORD(FIRST), WORD(FOR), WORD(FUSE), WORD(IF), WORD(INDEX), WORD(KEY), WORD(LAST), WORD(LINK),
    WORD(NOTHING), WORD(NULLS), WORD(OF), WORD(PRAGMA), WORD(READ), WORD(RELATION),
    WORD(RELEASE), WORD(RENAME), WORD(REPLACE), WORD(ROLLBACK), WORD(SAVEPOINT), WORD(SHORTEST),
    WORD(SIMPLE), WORD(SINCE), WORD(SNAPSHOT), WORD(TRAIL), WORD(TRANSACTION), WORD(TYPE),
    WORD(UNLINK), WORD(UPSERT), WORD(VALUES), WORD(VERSION), WORD(WATCH), WORD(WITHIN),
    WORD(WRITE), WORD(ADD), WORD(COLUMN), WORD(TEMP), WORD(EFFORT), WORD(RECURSIVE),
    WORD(WEIGHT), WORD(OR), WORD(AND), WORD(NOT), WORD(IS), WORD(MATCH), WORD(LIKE), WORD(ILIKE),
    WORD(BETWEEN), WORD(IN), WORD(CREATE), WORD(TABLE), WORD(FROM), WORD(TO), WORD(ON),
    WORD(DROP), WORD(ALTER), WORD(EXISTS), WORD(UNIQUE), WORD(USING), WORD(WITH), WORD(PRIMARY),
    WORD(CHECK), WORD(NULL), WORD(DEFAULT), WORD(REFERENCES), WORD(DELETE), WORD(SET),
    WORD(INSERT), WORD(INTO), WORD(UPDATE), WORD(AS), WORD(RETURNING), WORD(UNION), WORD(EXCEPT),
    WORD(INTERSECT), WORD(SELECT), WORD(DISTINCT), WORD(JOIN), WORD(INNER), WORD(LEFT),
    WORD(OUTER), WORD(CROSS), WORD(GRAPH_TABLE), WORD(COLUMNS), WORD(WHERE), WORD(NEAREST),
    WORD(LATEST), WORD(GROUP), WORD(HAVING), WORD(ORDER), WORD(ASC), WORD(DESC), WORD(LIMIT),
    WORD(OFFSET), WORD(TRUE), WORD(FALSE), WORD(CASE), WORD(END), WORD(CAST), WORD(WHEN),
    WORD(THEN), WORD(ELSE), WORD(ARRAY), WORD(ASOF), WORD(AUTOINCREMENT), WORD(CONSTRAINT),
    WORD(ESCAPE), WORD(FETCH), WORD(FILTER), WORD(FOREIGN), WORD(FULL), WORD(LATERAL),
    WORD(METRIC), WORD(NATURAL), WORD(OVER), WORD(PRECISION), WORD(RETURN), WORD(RIGHT),
    WORD(WINDOW),
    [TK_ID] = "a name",
    [TK_INTEGER] = "a whole number",
    [TK_FLOAT] = "a number",
    [TK_STRING] = "a text",
    [TK_BLOB] = "x'..'",
    [TK_DURATION] = "a duration",
    [TK_PARAM] = "a parameter",
    [TK_VDIST] = "<=>",
    [TK_ARROW2] = "->>",
    [TK_ARROW] = "->",
    [TK_DCOLON] = "::",
    [TK_EMPTYLIST] = "[]",
    [TK_LE] = "<=",
    [TK_GE] = ">=",
    [TK_NE] = "<>",
    [TK_EQ] = "=",
    [TK_LT] = "<",
    [TK_GT] = ">",
    [TK_CONCAT] = "||",
    [TK_PIPE] = "|",
    [TK_LP] = "(",
    [TK_RP] = ")",
    [TK_LBRACKET] = "[",
    [TK_RBRACKET] = "]",
    [TK_LBRACE] = "{",
    [TK_RBRACE] = "}",
    [TK_COMMA] = ",",
    [TK_DOT] = ".",
    [TK_COLON] = ":",
    [TK_PLUS] = "+",
    [TK_MINUS] = "-",
    [TK_STAR] = "*",
    [TK_SLASH] = "/",
    [TK_REM] = "%",
};

const char *mn_token_text(uint16_t token)
{
    if (token == 0) return "the end";
    return token < sizeof texts / sizeof texts[0] ? texts[token] : NULL;
}
