/*
 * Tests of the COPY statement: files into tables and relations, and out of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mneme.h"
#include "support/copy_case.h"
#include "support/test.h"

static mn_db *db;

static int database_open(void **state)
{
    (void)state;
    /* Files are named without their folder in the statements below. */
    if (chdir(copy_case_folder()) != 0) return -1;
    return mn_open(NULL, MN_MEMORY, &db);
}

static int database_close(void **state)
{
    (void)state;
    return mn_close(db);
}

static void file(const char *name, const char *text)
{
    (void)copy_case_file(name, text, strlen(text));
}

static void run(const char *sql)
{
    if (mn_exec(db, sql, NULL, NULL) != MN_OK) {
        fail_msg("%s: %s (%s)", sql, mn_errmsg(db), mn_error_hint(db));
    }
}

/* The statement fails with this code and exactly this message. */
static void refuse(const char *sql, int code, const char *message)
{
    int got = mn_exec(db, sql, NULL, NULL);

    if (got != code || strcmp(mn_errmsg(db), message) != 0) {
        fail_msg("%s: %d %s, not %d %s", sql, got, mn_errmsg(db), code, message);
    }
}

/* The rows of a query: values by |, a ; behind each row. */
static void ask(const char *sql, const char *expected)
{
    static char text[65536];
    size_t length = 0;
    mn_stmt *stmt = NULL;
    int code = mn_prepare(db, sql, MN_ALL, &stmt, NULL);

    text[0] = '\0';
    while (code == MN_OK || code == MN_ROW) {
        code = mn_step(stmt);
        for (int i = 0; code == MN_ROW && i < mn_col_count(stmt); i++) {
            const char *value = mn_col_is_null(stmt, i) ? "NULL" : mn_col_text(stmt, i, NULL);
            length +=
                (size_t)snprintf(text + length, sizeof text - length, "%s%s", i ? "|" : "", value);
        }
        if (code == MN_ROW) length += (size_t)snprintf(text + length, sizeof text - length, ";");
    }
    if (code != MN_DONE) fail_msg("%s: %s", sql, mn_errmsg(db));
    mn_finalize(stmt);
    assert_string_equal(text, expected);
}

static void rows_take_defaults_for_what_is_missing(void **state)
{
    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, body TEXT NOT NULL DEFAULT 'none', x FLOAT DEFAULT "
        "0.5)");
    file("a.csv", "id,x\n1,\n2,1.5\n");
    run("COPY t FROM 'a.csv'");
    assert_int_equal(mn_changes(db), 2);
    file("a.ndjson", "{\"id\":3,\"body\":null}\n{\"id\":4,\"x\":2}\n");
    run("COPY t FROM 'a.ndjson'");
    ask("SELECT * FROM t ORDER BY id", "1|none|NULL;2|none|1.5;3|none|0.5;4|none|2.0;");
    file("a.tsv", "5\tfive\n");
    run("COPY t (id, body) FROM 'a.tsv'");
    ask("SELECT * FROM t WHERE id = 5", "5|five|0.5;");
    file("n.csv", "body\nx\n");
    run("COPY t FROM 'n.csv'");
    ask("SELECT id FROM t WHERE body = 'x'", "6;");
}

static void one_bad_row_takes_all_back(void **state)
{
    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, body TEXT UNIQUE, x INT CHECK (x > 0))");
    run("INSERT INTO t VALUES (7, 'seven', 7)");
    file("b.csv", "id,body,x\n1,a,1\n2,b,x\n");
    refuse("COPY t FROM 'b.csv'", MN_TYPE, "b.csv line 3, column x: 'x' is not INT");
    file("b.csv", "id,body,x\n1,a,1\n2,b,0\n");
    refuse("COPY t FROM 'b.csv'", MN_CONSTRAINT, "b.csv line 3: t: CHECK is not met: x > 0");
    file("b.csv", "id,body,x\n1,\"a\nb\",1\n\n2,b,2\n3,b,3\n");
    assert_int_equal(mn_exec(db, "COPY t FROM 'b.csv'", NULL, NULL), MN_CONSTRAINT);
    assert_memory_equal(mn_errmsg(db), "b.csv line 6: ", 14);
    file("b.csv", "id,body,x\n1,a,1\n7,b,2\n");
    assert_int_equal(mn_exec(db, "COPY t FROM 'b.csv'", NULL, NULL), MN_CONSTRAINT);
    assert_memory_equal(mn_errmsg(db), "b.csv line 3: ", 14);
    ask("SELECT * FROM t", "7|seven|7;");
    /* Inside a transaction only the statement is taken back. */
    run("BEGIN; INSERT INTO t VALUES (8, 'eight', 8)");
    assert_int_equal(mn_exec(db, "COPY t FROM 'b.csv'", NULL, NULL), MN_CONSTRAINT);
    run("COMMIT");
    ask("SELECT id FROM t ORDER BY id", "7;8;");
}

/* What waits to be sorted is merged whenever it passes memory_limit: the line that is named is that
 * of the twin, not the one that was read then; and what is good is all there. */
static void short_memory_names_the_same_line(void **state)
{
    enum { ROWS = 3000, BAD = 50 };
    static char text[ROWS * 16] = "id,body\n";
    size_t head = strlen(text), at = head;

    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, body TEXT UNIQUE)");
    for (int i = 0; i < ROWS; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%d,b%d\n", i * 7 % 3001, i);
    }
    file("m.csv", text);
    run("PRAGMA memory_limit = 65536; COPY t FROM 'm.csv'");
    ask("SELECT count(*), sum(id), min(body), max(body) FROM t WHERE id >= 0",
        "3000|4498506|b0|b999;");
    run("PRAGMA memory_limit = 268435456");
    ask("PRAGMA integrity_check", "ok;");
    run("DELETE FROM t; PRAGMA memory_limit = 65536");
    for (int twin = 0; twin < 2; twin++) {
        at = head;
        for (int i = 0; i < ROWS; i++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%d,b%d\n",
                                   !twin && i == BAD ? 21 : i * 7 % 3001, twin && i == BAD ? 3 : i);
        }
        file("m.csv", text);
        assert_int_equal(mn_exec(db, "COPY t FROM 'm.csv'", NULL, NULL), MN_CONSTRAINT);
        assert_memory_equal(mn_errmsg(db), "m.csv line 52: ", 15);
        ask("SELECT count(*) FROM t", "0;");
    }
}

enum { MERGED_ROWS = 50000 };

static int stop_behind_the_rows(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    assert_int_equal(total, 0); /* of a CSV nobody knows how many there are */
    return done == MERGED_ROWS;
}

/* The callback ends the statement also when all rows are read and what was sorted is merged. */
static void merging_can_be_ended(void **state)
{
    static char text[MERGED_ROWS * 16] = "id,x\n";
    size_t at = strlen(text);

    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, x INT); CREATE INDEX t_x ON t (x)");
    for (int i = 0; i < MERGED_ROWS; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%d,%d\n", i, i * 7919 % 50021);
    }
    file("e.csv", text);
    assert_int_equal(mn_progress(db, stop_behind_the_rows, NULL, 1), MN_OK);
    refuse("COPY t FROM 'e.csv'", MN_INTERRUPT, "ended by the progress callback");
    assert_int_equal(mn_progress(db, NULL, NULL, 0), MN_OK);
    ask("SELECT count(*) FROM t", "0;");
    run("COPY t FROM 'e.csv'");
    ask("SELECT count(*) FROM t WHERE x < 1000", "1000;");
}

static void bad_rows_can_be_skipped(void **state)
{
    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, body TEXT NOT NULL)");
    file("s.csv", "id,body\n1,a\nx,b\n1,again\n2,\n3,c,d\n4,d\n");
    run("COPY t FROM 's.csv' WITH (errors = skip)");
    assert_int_equal(mn_changes(db), 2);
    ask("SELECT * FROM t ORDER BY id", "1|a;4|d;");
    run("DELETE FROM t");
    run("COPY t FROM 's.csv' WITH (errors = skip, max_errors = 4)");
    run("DELETE FROM t");
    assert_int_equal(
        mn_exec(db, "COPY t FROM 's.csv' WITH (errors = skip, max_errors = 3)", NULL, NULL),
        MN_TYPE);
    ask("SELECT count(*) FROM t", "0;");
}

static void upsert_keeps_what_is_not_mentioned(void **state)
{
    (void)state;
    run("CREATE TABLE t (k TEXT PRIMARY KEY, a INT DEFAULT 1, b TEXT, e VECTOR(2))");
    run("INSERT INTO t VALUES ('x', 5, 'old', '[1,2]'), ('y', 6, 'old', '[3,4]')");
    file("u.ndjson", "{\"k\":\"x\",\"b\":\"new\"}\n{\"k\":\"z\"}\n{\"k\":\"z\",\"a\":9}\n");
    run("COPY t FROM 'u.ndjson' WITH (upsert)");
    assert_int_equal(mn_changes(db), 3);
    ask("SELECT * FROM t ORDER BY k", "x|5|new|[1,2];y|6|old|[3,4];z|9|NULL|NULL;");
    file("u.csv", "b\nq\n");
    refuse("COPY t FROM 'u.csv' WITH (upsert)", MN_CONSTRAINT,
           "u.csv line 2: t: upsert needs the key column k");
}

static void edges_go_by_the_keys_of_their_ends(void **state)
{
    (void)state;
    run("CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (name TEXT PRIMARY KEY)");
    run("CREATE RELATION r FROM a TO b (w FLOAT DEFAULT 1.0)");
    run("INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES ('x'), ('y')");
    file("r.tsv", "1\tx\n2\ty\n1\ty\n");
    run("COPY r (src, dst) FROM 'r.tsv'");
    ask("SELECT * FROM r ORDER BY src, dst", "1|x|1.0;1|y|1.0;2|y|1.0;");
    file("r2.csv", "dst,src,w\ny,1,3.5\nx,2,2\n");
    run("COPY r FROM 'r2.csv' WITH (upsert)");
    ask("SELECT * FROM r ORDER BY src, dst", "1|x|1.0;1|y|3.5;2|x|2.0;2|y|1.0;");
    file("r3.csv", "src,dst\n1,x\n3,x\n");
    run("UNLINK 1 FROM 'x' AS r");
    assert_int_equal(mn_exec(db, "COPY r FROM 'r3.csv'", NULL, NULL), MN_CONSTRAINT);
    assert_memory_equal(mn_errmsg(db), "r3.csv line 3: ", 15);
    ask("SELECT count(*) FROM r", "3;");
    run("COPY r TO 'r4.csv'; DELETE FROM r; COPY r FROM 'r4.csv'");
    ask("SELECT * FROM r ORDER BY src, dst", "1|y|3.5;2|x|2.0;2|y|1.0;");
}

static void vectors_go_to_rows_in_key_order(void **state)
{
    (void)state;
    run("CREATE TABLE t (k TEXT PRIMARY KEY, e VECTOR(2)); CREATE TABLE v (e VECTOR(2))");
    run("INSERT INTO v VALUES ('[1,1]'), ('[2,2]'), ('[3,3]')");
    run("COPY v TO 'v.npy'; COPY v TO 'v.fvecs'; COPY v TO 'h.npy' WITH (type = f16)");
    run("INSERT INTO t (k) VALUES ('c'), ('a'), ('b')");
    run("COPY t (e) FROM 'v.npy' WITH (match_order)");
    assert_int_equal(mn_changes(db), 3);
    ask("SELECT k, e FROM t ORDER BY k", "a|[1,1];b|[2,2];c|[3,3];");
    run("UPDATE t SET e = NULL; COPY t (e) FROM 'h.npy' WITH (match_order)");
    ask("SELECT k, e FROM t ORDER BY k", "a|[1,1];b|[2,2];c|[3,3];");
    run("INSERT INTO t (k) VALUES ('d')");
    refuse("COPY t (e) FROM 'v.fvecs' WITH (match_order)", MN_CONSTRAINT,
           "v.fvecs has 3 vectors, but t has 4 rows");
    run("DELETE FROM t WHERE k > 'b'");
    refuse("COPY t (e) FROM 'v.npy' WITH (match_order)", MN_CONSTRAINT,
           "v.npy has 3 vectors, but t has 2 rows");
    run("DELETE FROM v; COPY v FROM 'v.npy'; COPY v FROM 'v.fvecs'");
    ask("SELECT e FROM v", "[1,1];[2,2];[3,3];[1,1];[2,2];[3,3];");
    refuse("COPY t (k) FROM 'v.npy' WITH (match_order)", MN_TYPE, "v.npy fills one VECTOR column");
}

static void vectors_go_to_rows_that_name_them(void **state)
{
    (void)state;
    run("CREATE TABLE m (id INT PRIMARY KEY, vec INT, e VECTOR(2)); CREATE TABLE v (e VECTOR(2))");
    run("INSERT INTO v VALUES ('[0,1]'), ('[1,1]'), ('[2,1]'); COPY v TO 'm.npy'");
    run("INSERT INTO m (id, vec) VALUES (1, 2), (2, NULL), (3, 0), (4, 2)");
    run("COPY m (e) FROM 'm.npy' WITH (match_column = vec)");
    ask("SELECT id, e FROM m ORDER BY id", "1|[2,1];2|NULL;3|[0,1];4|[2,1];");
    run("INSERT INTO m (id, vec) VALUES (5, 3)");
    refuse("COPY m (e) FROM 'm.npy' WITH (match_column = vec)", MN_RANGE,
           "m.vec is 3, but m.npy has no vector of that number");
    refuse("COPY m (e) FROM 'm.npy' WITH (match_column = vek)", MN_SCHEMA,
           "no column \"vek\" in m");
    refuse("COPY m (e) FROM 'm.npy' WITH (match_column = e)", MN_TYPE,
           "match_column takes an INT column, and m.e is none");
}

static void queries_are_written(void **state)
{
    FILE *out;
    char text[256];

    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, body TEXT, at TIMESTAMP)");
    run("INSERT INTO t VALUES (1, 'a,b', '2026-11-20'), (2, NULL, NULL)");
    run("COPY (SELECT id AS n, body, id FROM t ORDER BY id DESC) TO 'q.csv'");
    out = fopen("q.csv", "r");
    assert_non_null(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(out);
    assert_string_equal(text, "n,body,id\n2,,2\n1,\"a,b\",1\n");
    run("COPY (SELECT id, id FROM t WHERE id = 1) TO 'q.ndjson'");
    out = fopen("q.ndjson", "r");
    assert_non_null(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(out);
    assert_string_equal(text, "{\"id\":1,\"id_2\":1}\n");
    refuse("COPY (SELECT id FROM t) TO '/nowhere/x.csv'", MN_NOTFOUND,
           "cannot open /nowhere/x.csv: No such file or directory");
}

static void tables_survive_each_format(void **state)
{
    static const char *const copies[][2] = {
        {"COPY t TO 'x.csv'", "COPY t FROM 'x.csv'"},
        {"COPY t TO 'x.ndjson'", "COPY t FROM 'x.ndjson'"},
        {"COPY t TO 'x.tsv' WITH (quote)", "COPY t FROM 'x.tsv' WITH (quote)"},
        {"COPY t TO $file", "COPY t FROM $file"},
    };
    static const char *const rows = "1|true|0.1|t\tx|\\x00ff|2026-11-20T01:02:03.000004Z|1h30m|[0."
                                    "5,-1]|{\"a\": 1}|[\"p\",null];"
                                    "2|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL;";

    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, b BOOL, f FLOAT, s TEXT, z BLOB, at TIMESTAMP, "
        "d DURATION, e VECTOR(2), j JSON, l TEXT[])");
    run("INSERT INTO t VALUES (1, true, 0.1, 't\tx', x'00ff', '2026-11-20T01:02:03.000004Z', "
        "1h30m, "
        "'[0.5,-1]', '{\"a\": 1}', ['p', NULL]); INSERT INTO t (id) VALUES (2)");
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        for (int way = 0; way < 2; way++) {
            mn_stmt *stmt = NULL;
            assert_int_equal(mn_prepare(db, copies[i][way], MN_ALL, &stmt, NULL), MN_OK);
            if (mn_param_count(stmt) == 1) {
                assert_int_equal(mn_bind_text(stmt, 1, "p.csv", MN_ALL, MN_STATIC), MN_OK);
            }
            if (way == 1) run("DELETE FROM t");
            if (mn_step(stmt) != MN_DONE) fail_msg("%s: %s", copies[i][way], mn_errmsg(db));
            mn_finalize(stmt);
        }
        ask("SELECT * FROM t ORDER BY id", rows);
    }
}

static void wrong_statements_are_placed(void **state)
{
    (void)state;
    run("CREATE TABLE t (id INT PRIMARY KEY, body TEXT)");
    file("w.csv", "id\n1\n");
    refuse("COPY t (id, boddy) FROM 'w.csv'", MN_SCHEMA, "no column \"boddy\" in t");
    assert_int_equal(mn_error_offset(db), 12);
    refuse("COPY t FROM 'w.csv' WITH (colour = red)", MN_SCHEMA, "COPY has no option \"colour\"");
    assert_int_equal(mn_error_offset(db), 26);
    refuse("COPY t (id, id) FROM 'w.csv'", MN_SCHEMA, "column id is named twice");
    assert_int_not_equal(mn_exec(db, "COPY nowhere FROM 'w.csv'", NULL, NULL), MN_OK);
    refuse("COPY t FROM 'missing.csv'", MN_NOTFOUND,
           "cannot open missing.csv: No such file or directory");
    refuse("COPY t FROM 'w.xyz'", MN_ERROR, "the format of w.xyz is not known by its suffix");
    ask("SELECT count(*) FROM t", "0;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, database_open, database_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_take_defaults_for_what_is_missing),
        TEST(one_bad_row_takes_all_back),
        TEST(short_memory_names_the_same_line),
        TEST(merging_can_be_ended),
        TEST(bad_rows_can_be_skipped),
        TEST(upsert_keeps_what_is_not_mentioned),
        TEST(edges_go_by_the_keys_of_their_ends),
        TEST(vectors_go_to_rows_in_key_order),
        TEST(vectors_go_to_rows_that_name_them),
        TEST(queries_are_written),
        TEST(tables_survive_each_format),
        TEST(wrong_statements_are_placed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
