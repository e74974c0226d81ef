/*
 * idiom: what users of other systems write, and what to write here.
 *
 * A row tells the refused token, the one or two tokens before it, and a word that stands anywhere
 * before; empty patterns match anything. Patterns are words and signs as they are written, several
 * of them apart by blanks, or classes: %name %int %text %param %value (any of these) %end %first
 * (nothing stands before). The first row that matches wins, so rows with more conditions stand
 * before those with fewer.
 */
#include <string.h>

#include "query.h"
#include "query/hint.h"

struct idiom {
    const char *token, *before, *before2, *has, *hint;
};

#define KEYS_FIRST "select the keys in a subquery: WHERE id IN (SELECT ...)"
#define WINDOWS \
    "window functions are not supported; LATEST n BY col gives the newest per group, " \
    "first() and last() the ends"
#define NEAREST_FORM "NEAREST k [BY column] TO vector"
#define UPSERTS "write UPSERT INTO t ..., or INSERT ... ON CONFLICT DO NOTHING"
#define INTERVALS "write 7d or INTERVAL '7 days'"
#define PARAMETERS "parameters are written $name, $1 or ?"

static const struct idiom idioms[] = {
    {"OUTER JOIN", "FULL", "", "", "FULL JOIN is not supported; UNION ALL two LEFT JOINs"},
    {"FULL", "", "", "", "FULL JOIN is not supported; UNION ALL two LEFT JOINs"},
    {"RIGHT", "", "", "", "RIGHT JOIN is not supported; swap the tables and write LEFT JOIN"},
    {"NATURAL", "", "", "", "NATURAL JOIN is not supported; write JOIN t USING (column, ...)"},
    {"ASOF", "", "", "",
     "ASOF JOIN is not supported; use LATERAL, or a subquery with ORDER BY at DESC LIMIT 1"},

    /* intervals and times */
    {"%int", "INTERVAL", "", "", INTERVALS},
    {"DAY DAYS HOUR HOURS MINUTE MINUTES SECOND SECONDS WEEK WEEKS MONTH YEAR", "%int", "", "",
     INTERVALS},
    {"DAY DAYS HOUR HOURS MINUTE MINUTES SECOND SECONDS WEEK WEEKS MONTH YEAR", "%text", "", "",
     INTERVALS},
    {"TIME", "AT", "", "", "times are UTC; add an offset: at + 2h"},
    {"AT", "", "", "", "times are UTC; add an offset: at + 2h"},
    {"FROM", "%name", "(", "EXTRACT", "write date_part('hour', at)"},
    {"SYSTEM_TIME", "", "", "", "write AS OF TIMESTAMP '...'"},
    {"FOR", "", "", "",
     "write AS OF TIMESTAMP '...' after the table's name; there is no FOR UPDATE, for writers take "
     "turns"},
    {"%text", "TIME", "SYSTEM", "", "write AS OF (now() - 10s)"},
    {"TIME", "SYSTEM", "", "", "write AS OF TIMESTAMP '...'"},

    /* patterns */
    {"MATCH", "OPTIONAL", "", "", "write LEFT JOIN MATCH (...)"},
    {"OPTIONAL", "", "", "", "write LEFT JOIN MATCH (...)"},
    {"MATCH", "%first", "", "",
     "a pattern stands in FROM: SELECT ... FROM MATCH (a)-[:r]->(b) WHERE ..."},
    {"MATCH", "", "", "FROM", "put a comma before MATCH, or JOIN MATCH, LEFT JOIN MATCH"},
    {"MATCH", "", "", "",
     "a pattern stands in FROM: SELECT ... FROM MATCH (a)-[:r]->(b) WHERE ..."},
    {"RETURN", "", "", "", "write SELECT ... FROM MATCH ...; there is no RETURN"},
    {"{", "", "", "MATCH", "write a condition: (m:memory WHERE m.id = 3)"},
    {"*", "", "", "MATCH", "the quantifier follows the arrow: -[:r]->{1,3}, -[:r]->*"},
    {"?", "", "", "MATCH", "write {0,1} for an optional edge"},
    {"COST", "", "", "MATCH", "COST goes inside the edge: -[r:door COST r.metres]->"},
    {"%name", "(", ",", "MATCH", "separate patterns in FROM MATCH with AND"},
    {": )", "(", ",", "MATCH", "separate patterns in FROM MATCH with AND"},
    {": )", "%name", "(", "MATCH", "separate patterns in FROM MATCH with AND"},
    {"BETWEEN", "", "", "RELATION", "CREATE RELATION name FROM table TO table (columns)"},
    {"(", "%name", "RELATION", "", "CREATE RELATION name FROM table TO table (columns)"},

    /* changes */
    {"OR", "INSERT", "", "", UPSERTS},
    {"OR", "CREATE", "", "", "write DROP ... IF EXISTS before CREATE"},
    {"REPLACE", "", "", "", UPSERTS},
    {"IGNORE", "INSERT", "", "", UPSERTS},
    {"MERGE", "%first", "", "", "write UPSERT INTO t (...) SELECT ..."},
    {"DUPLICATE", "", "", "", "write UPSERT, or ON CONFLICT (key) DO UPDATE SET a = excluded.a"},
    {"%name", "DELETE", "", "", "write DELETE FROM"},
    {"TRUNCATE", "%first", "", "", "write DELETE FROM t"},
    {"ORDER LIMIT NEAREST LATEST", "", "", "DELETE", KEYS_FIRST},
    {"ORDER LIMIT NEAREST LATEST", "", "", "UPDATE", KEYS_FIRST},
    {".", "%name", "SET", "", "a column in SET has no table before it"},
    {".", "%name", ",", "SET", "a column in SET has no table before it"},
    {"DEFAULT", "", "", "", "DEFAULT stands alone: SET column = DEFAULT, VALUES (1, DEFAULT)"},

    /* commas */
    {"FROM WHERE GROUP ORDER LIMIT NEAREST LATEST ) ] %end", ",", "", "",
     "remove the trailing comma"},
    {",", "%value", "LIMIT", "", "write LIMIT n OFFSET m"},
    {",", "%value", "(", "",
     "row values are not supported; compare the columns one by one with "
     "AND"},

    /* limits and order of clauses */
    {"%int", "TOP", "", "", "write LIMIT n at the end"},
    {"FETCH", "", "", "", "write LIMIT n"},
    {"FIRST NEXT", "FETCH", "", "", "write LIMIT n"},
    {"ROWS ROW", "", "", "OFFSET", "write LIMIT n OFFSET m"},
    {"WHERE", "", "", "NEAREST",
     "WHERE goes before NEAREST; to filter the found rows use a subquery"},
    {"WHERE", "", "", "LATEST",
     "WHERE goes before LATEST; to filter the found rows use a subquery"},
    {"WHERE", "", "", "LIMIT", "WHERE goes before ORDER BY and LIMIT"},
    {"WHERE", "", "", "GROUP", "WHERE goes before GROUP BY; groups are filtered by HAVING"},
    {"GROUP", "", "", "ORDER", "GROUP BY goes before ORDER BY"},
    {"ORDER", "", "", "LIMIT", "ORDER BY goes before LIMIT"},
    {"NEAREST", "", "", "LATEST",
     "one of NEAREST and LATEST in a SELECT; put the first in a subquery"},
    {"LATEST", "", "", "NEAREST",
     "one of NEAREST and LATEST in a SELECT; put the first in a subquery"},
    {"EXACT", "", "", "", "EXACT goes last: NEAREST k TO v EXACT"},
    {"WITHIN", "", "", "", "WITHIN goes last: NEAREST k TO v WITHIN 0.3"},
    {"%value [", "%value", "NEAREST", "", NEAREST_FORM},
    {"TO BY", "NEAREST", "", "", NEAREST_FORM},
    {"(", "OVER", "", "", WINDOWS},
    {"OVER WINDOW PARTITION", "", "", "", WINDOWS},
    {"ON", "DISTINCT", "", "", "DISTINCT ON is not supported; write LATEST BY col"},
    {"ROLLUP CUBE GROUPING", "", "", "", "not supported; UNION ALL the totals"},
    {"WITH", "", "", "GROUP", "not supported; UNION ALL the totals"},

    /* parameters, operators, quotes */
    {":", "%int", "[", "", "slices are not supported; index one element: x[1]"},
    {":", "[", "", "", "slices are not supported; index one element: x[1]"},
    {"@>", "", "", "", "test JSON with -> and ->>"},
    {"@@", "", "", "", "write body MATCH 'words', or NEAREST k BY body TO 'words'"},
    {": % @", "", "", "", PARAMETERS},
    {"~ !~", "", "", "", "write regexp(text, 'pattern') or LIKE"},
    {"&&", "", "", "", "write AND"},
    {"!", "", "", "", "write NOT"},
    {"^", "", "", "", "write pow(x, y)"},
    {"&", "", "", "", "bits have no operators"},
    {"`", "", "", "", "quote names with \"...\""},
    {"#", "", "", "", "comments start with --"},

    /* definitions */
    {"EXTENSION", "CREATE", "", "", "nothing to install: VECTOR is built in"},
    {"VIEW MATERIALIZED", "", "", "", "views are not supported; use WITH name AS (...)"},
    {"TRIGGER FUNCTION PROCEDURE", "CREATE", "", "", "there are no triggers and no procedures"},
    {"SCHEMA DATABASE", "CREATE", "", "", "a file is a database; open another file"},
    {"SEQUENCE", "CREATE", "", "", "an INT PRIMARY KEY counts by itself"},
    {"TEMP TEMPORARY", "", "", "",
     "temporary tables are not supported; open a MN_MEMORY database or use WITH"},
    {"AS", "", "", "CREATE", "write CREATE TABLE with its columns, then INSERT INTO ... SELECT"},
    {"(", "INDEX", "", "CREATE", "write CREATE INDEX ON t (col) after the table"},
    {"INDEX KEY", "", "", "CREATE", "write CREATE INDEX ON t (col) after the table"},
    {"ALTER MODIFY", "", "", "ALTER",
     "a column's type cannot be changed; add a column, UPDATE, drop the old one"},
    {"+ - * / % || ::", "", "", "DEFAULT", "put the default in parentheses: DEFAULT (now() + 7d)"},

    /* commands */
    {"SHOW", "%first", "", "", "SELECT * FROM tables(), or columns('t')"},
    {"DESCRIBE DESC", "%first", "", "", "SELECT * FROM columns('t')"},
    {"SET", "%first", "", "", "write PRAGMA name = value"},
    {"VACUUM", "%first", "", "", "run: mneme compact FILE"},
    {"START", "%first", "", "", "write BEGIN"},
    {"IMMEDIATE EXCLUSIVE", "BEGIN", "", "", "write BEGIN WRITE"},
    {"DEFERRED WORK", "BEGIN", "", "", "write BEGIN"},
    {"ABORT", "%first", "", "", "write ROLLBACK"},
    {"USE ATTACH", "%first", "", "", "a file is a database; open another file"},
    {"GRANT REVOKE", "%first", "", "", "there are no users; the file's permissions hold"},
    {"ANALYZE", "(", "EXPLAIN", "", "write EXPLAIN [ANALYZE] statement"},
    {"(", "EXPLAIN", "", "", "write EXPLAIN [ANALYZE] statement"},
};

/* ---- matching ------------------------------------------------------------------------------ */

static bool text_is(const struct mn_mistake *m, const struct mn_token *token, const char *word,
                    size_t length)
{
    const char *text = m->text + token->span.offset;

    if (token->span.length != length) return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (c >= 'a' && c <= 'z') c = (char)(c - ('a' - 'A'));
        if (c != word[i]) return false;
    }
    return true;
}

static bool class_is(const struct mn_token *token, const char *word, size_t length)
{
    uint16_t code = token->code;
    bool name = code == TK_ID || (code < MN_SCAN_BAD && mn_grammar_is_word(code));
    bool number = code == TK_INTEGER || code == TK_FLOAT || code == TK_DURATION;

    if (length == 4 && memcmp(word, "%end", 4) == 0) return code == 0;
    if (length == 4 && memcmp(word, "%int", 4) == 0) return code == TK_INTEGER;
    if (length == 5 && memcmp(word, "%text", 5) == 0) return code == TK_STRING;
    if (length == 6 && memcmp(word, "%param", 6) == 0) return code == TK_PARAM;
    if (length == 5 && memcmp(word, "%name", 5) == 0) return name;
    if (length == 6 && memcmp(word, "%value", 6) == 0) {
        return name || number || code == TK_STRING || code == TK_PARAM;
    }
    return false;
}

/* A character that begins no token is one token each: @> and the like lie behind the refused one.
 */
static bool sign_is(const struct mn_mistake *m, const struct mn_token *token, const char *word,
                    size_t length)
{
    const char *text = m->text + token->span.offset;

    return token->code == MN_SCAN_BAD && token->span.offset + length <= m->length &&
           memcmp(text, word, length) == 0;
}

static bool token_matches(const struct mn_mistake *m, const struct mn_token *token,
                          const char *pattern)
{
    while (*pattern) {
        size_t length = strcspn(pattern, " ");

        if (text_is(m, token, pattern, length)) return true;
        if (pattern[0] == '%' && class_is(token, pattern, length)) return true;
        if (length == 2 && sign_is(m, token, pattern, length)) return true;
        pattern += length;
        pattern += strspn(pattern, " ");
    }
    return false;
}

/* The token `back` places before the refused one. */
static bool place_matches(const struct mn_mistake *m, uint32_t back, const char *pattern)
{
    if (pattern[0] == '\0') return true;
    if (strcmp(pattern, "%first") == 0) return m->count == back;
    return m->count > back && token_matches(m, &m->tokens[m->count - 1 - back], pattern);
}

static bool word_stands_before(const struct mn_mistake *m, const char *word)
{
    if (word[0] == '\0') return true;
    for (uint32_t i = 0; i + 1 < m->count; i++) {
        if (text_is(m, &m->tokens[i], word, strlen(word))) return true;
    }
    return false;
}

const char *mn_idiom_hint(const struct mn_mistake *m)
{
    for (size_t i = 0; i < sizeof idioms / sizeof idioms[0]; i++) {
        const struct idiom *idiom = &idioms[i];

        if (place_matches(m, 0, idiom->token) && place_matches(m, 1, idiom->before) &&
            place_matches(m, 2, idiom->before2) && word_stands_before(m, idiom->has)) {
            return idiom->hint;
        }
    }
    return NULL;
}
