/*
 * fuzz_sql: statements of any making, run on a database that holds a little of everything.
 *
 * Inputs are changed word by word, so that most of them still parse. Every statement answers, by
 * rows or by an error with a message and a place inside its text; the transaction around it can be
 * rolled back, and the database is then what it was. COPY is left out: it writes files.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "mneme.h"

enum { TEXT_MAX = 4000, WORDS_MAX = 400, CHECK_EVERY = 64, STEPS_MAX = 2000, CALLS_MAX = 20 };

static mn_db *db;
static int progress_calls;

static const char setup[] =
    "CREATE TABLE t (id INT PRIMARY KEY, a TEXT UNIQUE, b FLOAT DEFAULT 1.5 CHECK (b > 0),"
    " v VECTOR(3), at TIMESTAMP, tags TEXT[], j JSON, d DURATION, ok BOOL, x BLOB, u UUID);"
    "CREATE INDEX t_b_at ON t (b, at DESC); CREATE INDEX t_at ON t (at);"
    "CREATE INDEX t_v ON t (v) USING vector WITH (metric = cosine, cover = (b, ok), time = at);"
    "CREATE TABLE s (k TEXT, n INT, m INT NOT NULL DEFAULT 3, PRIMARY KEY (k, n));"
    "CREATE RELATION r FROM t TO t (w FLOAT);"
    "CREATE RELATION q FROM t TO t (n INT) WITH (multi);"
    "INSERT INTO t SELECT g, 'a' || g, g / 2 + 1, CASE WHEN g % 4 = 0 THEN NULL ELSE [g, 1, 2] END,"
    " CASE WHEN g % 5 = 0 THEN NULL ELSE '2026-01-01'::timestamp + g * 1h END, ['x', 'y'],"
    " '{\"k\": [1, null]}', 1h, g % 2 = 0, x'00ff', NULL FROM generate_series(1, 24) g;"
    "INSERT INTO s SELECT 'k' || (g % 3), g, g FROM generate_series(1, 12) g;"
    "INSERT INTO r SELECT g, g % 24 + 1, g * 0.5 FROM generate_series(1, 24) g;"
    "INSERT INTO q SELECT 1, g, g FROM generate_series(1, 6) g;";

static const char *const words[] = {"SELECT",
                                    "FROM",
                                    "WHERE",
                                    "GROUP",
                                    "BY",
                                    "HAVING",
                                    "ORDER",
                                    "LIMIT",
                                    "OFFSET",
                                    "DISTINCT",
                                    "INSERT",
                                    "INTO",
                                    "VALUES",
                                    "UPDATE",
                                    "SET",
                                    "DELETE",
                                    "UPSERT",
                                    "RETURNING",
                                    "ON",
                                    "CONFLICT",
                                    "DO",
                                    "NOTHING",
                                    "JOIN",
                                    "LEFT",
                                    "USING",
                                    "UNION",
                                    "ALL",
                                    "EXCEPT",
                                    "INTERSECT",
                                    "WITH",
                                    "AS",
                                    "EXISTS",
                                    "IN",
                                    "NOT",
                                    "AND",
                                    "OR",
                                    "IS",
                                    "NULL",
                                    "LIKE",
                                    "BETWEEN",
                                    "CASE",
                                    "WHEN",
                                    "THEN",
                                    "ELSE",
                                    "END",
                                    "CAST",
                                    "LATEST",
                                    "NEAREST",
                                    "TO",
                                    "MATCH",
                                    "LINK",
                                    "UNLINK",
                                    "LATERAL",
                                    "DESC",
                                    "EXPLAIN",
                                    "ANALYZE",
                                    "CREATE",
                                    "TABLE",
                                    "INDEX",
                                    "RELATION",
                                    "DROP",
                                    "CASCADE",
                                    "UNIQUE",
                                    "PRIMARY",
                                    "KEY",
                                    "DEFAULT",
                                    "CHECK",
                                    "SAVEPOINT",
                                    "ROLLBACK",
                                    "BEGIN",
                                    "COMMIT",
                                    "PRAGMA",
                                    "t",
                                    "s",
                                    "r",
                                    "q",
                                    "z",
                                    "id",
                                    "a",
                                    "b",
                                    "v",
                                    "at",
                                    "tags",
                                    "j",
                                    "d",
                                    "ok",
                                    "x",
                                    "u",
                                    "k",
                                    "n",
                                    "m",
                                    "w",
                                    "src",
                                    "dst",
                                    "rowid",
                                    "t.id",
                                    "z.id",
                                    "s.n",
                                    "r.src",
                                    "excluded.b",
                                    "*",
                                    "count(*)",
                                    "sum(b)",
                                    "max(at)",
                                    "list(a)",
                                    "avg(v)",
                                    "first(a, at)",
                                    "now()",
                                    "uuid7()",
                                    "random()",
                                    "1",
                                    "0",
                                    "-1",
                                    "7",
                                    "2.5",
                                    "9223372036854775807",
                                    "'a1'",
                                    "'k1'",
                                    "''",
                                    "'2026-01-01'",
                                    "1h",
                                    "[1, 2, 3]",
                                    "'[1,2,3]'",
                                    "x'00'",
                                    "true",
                                    "false",
                                    "(",
                                    ")",
                                    ",",
                                    "=",
                                    "<>",
                                    "<",
                                    ">=",
                                    "+",
                                    "-",
                                    "*",
                                    "/",
                                    "%",
                                    "||",
                                    "->",
                                    "->>",
                                    "<=>",
                                    "<->",
                                    "::",
                                    "::INT",
                                    "::TEXT",
                                    "::TIMESTAMP",
                                    "[1]",
                                    ";",
                                    "generate_series(1, 5)",
                                    "tables()",
                                    "columns('t')",
                                    "(SELECT 1)",
                                    "(SELECT id FROM t)",
                                    "(SELECT z.id FROM t z WHERE z.id = t.id)",
                                    "(a:t)-[r]->(b:t)",
                                    "{1,3}",
                                    "distance",
                                    "INT",
                                    "TEXT",
                                    "VECTOR(3)",
                                    "FOR",
                                    "$1",
                                    "?",
                                    "length(a)",
                                    "coalesce(b, 1)"};

static int progress_stop(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return ++progress_calls > CALLS_MAX;
}

static int64_t digest(void)
{
    static const char sql[] = "SELECT (SELECT sum(id) FROM t) * 1000 + (SELECT sum(n) FROM s) * 10 "
                              "+ (SELECT count(*) FROM r) + (SELECT count(*) FROM q)";
    mn_stmt *stmt;
    int64_t answer;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) abort();
    if (mn_step(stmt) != MN_ROW) abort();
    answer = mn_col_int(stmt, 0);
    mn_finalize(stmt);
    return answer;
}

static void error_check(size_t length)
{
    if (mn_errcode(db) == MN_OK || mn_errmsg(db)[0] == '\0') abort();
    if (mn_errcode(db) == MN_CORRUPT) abort();
    if (mn_error_offset(db) >= 0 && mn_error_length(db) >= 0 &&
        (size_t)mn_error_offset(db) + (size_t)mn_error_length(db) > length + 1) {
        abort();
    }
}

static void row_read(mn_stmt *stmt)
{
    char *json = mn_row_json(stmt);

    for (int c = 0; c < mn_col_count(stmt); c++) (void)mn_col_text(stmt, c, NULL);
    if (!json) abort();
    mn_free(json);
}

static void statement_run(const char *text, size_t length, const char **tail)
{
    mn_stmt *stmt;
    int code;

    if (mn_prepare(db, text, length, &stmt, tail) != MN_OK) {
        error_check(length);
        *tail = text + length;
        return;
    }
    if (!stmt) return;
    for (int i = 1; i <= mn_param_count(stmt); i++) {
        if (mn_bind_int(stmt, i, 3) != MN_OK) (void)mn_bind_text(stmt, i, "a1", MN_ALL, MN_COPY);
    }
    progress_calls = 0;
    for (int i = 0; (code = mn_step(stmt)) == MN_ROW && i < STEPS_MAX; i++) row_read(stmt);
    if (code != MN_ROW && code != MN_DONE) error_check(length);
    mn_finalize(stmt);
}

static bool has_copy(const char *text)
{
    for (; *text; text++) {
        if (strncasecmp(text, "copy", 4) == 0) return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned runs;
    static int64_t before;
    char text[TEXT_MAX + 1];
    const char *at = text, *end;

    if (size > TEXT_MAX) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    end = text + size;
    if (has_copy(text) || strcasestr(text, "commit") || strcasestr(text, "pragma")) return 0;
    if (!db) {
        if (mn_open(NULL, MN_MEMORY, &db) != MN_OK) abort();
        if (mn_exec(db, setup, NULL, NULL) != MN_OK) abort();
        if (mn_progress(db, progress_stop, NULL, 2) != MN_OK) abort();
        before = digest();
    }
    if (mn_begin(db, MN_BEGIN_WRITE) != MN_OK) abort();
    while (at < end && mn_in_transaction(db)) {
        const char *tail = end;

        statement_run(at, (size_t)(end - at), &tail);
        if (tail == at) break;
        at = tail;
    }
    if (mn_in_transaction(db) && mn_rollback(db) != MN_OK) abort();
    if (digest() != before) abort();
    if (++runs % CHECK_EVERY == 0 && mn_check(db, NULL, NULL) != MN_OK) abort();
    return 0;
}

/* ---- changes word by word ---- */

static unsigned random_next(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    static char out[TEXT_MAX * 2];
    const char *pieces[WORDS_MAX];
    size_t lengths[WORDS_MAX], count = 0, at = 0, made = 0;
    size_t which, other;
    unsigned action = random_next(&seed) % 5;
    const char *word = words[random_next(&seed) % (sizeof words / sizeof words[0])];

    while (at < size && count < WORDS_MAX) {
        size_t begin;

        while (at < size && (data[at] == ' ' || data[at] == '\n')) at++;
        begin = at;
        while (at < size && data[at] != ' ' && data[at] != '\n') at++;
        if (at > begin) {
            pieces[count] = (const char *)data + begin;
            lengths[count++] = at - begin;
        }
    }
    which = count ? random_next(&seed) % count : 0;
    other = count ? random_next(&seed) % count : 0;
    for (size_t i = 0; i < count || (i == 0 && count == 0); i++) {
        bool here = i == which;
        const char *piece = count ? pieces[i] : word;
        size_t length = count ? lengths[i] : strlen(word);

        if (here && action == 0) continue; /* left out */
        if (here && action == 1) {         /* another word in its place */
            piece = word;
            length = strlen(word);
        } else if (here && action == 2) { /* a word before it */
            if (made + strlen(word) + 2 >= sizeof out) break;
            made += (size_t)sprintf(out + made, "%s ", word);
        } else if (here && action == 3) { /* a word from elsewhere in its place */
            piece = pieces[other];
            length = lengths[other];
        }
        if (made + 2 * length + 4 >= sizeof out) break;
        memcpy(out + made, piece, length);
        made += length;
        out[made++] = ' ';
        if (here && action == 4) { /* twice */
            memcpy(out + made, piece, length);
            made += length;
            out[made++] = ' ';
        }
    }
    if (made > size_max) made = size_max;
    memcpy(data, out, made);
    return made;
}
