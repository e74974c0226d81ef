/*
 * Tests of PRAGMA compact and `mneme compact`: the file ends near the size of a backup, which is
 * the same rows loaded in one go, while others read and write, and whenever it is ended early
 * nothing is lost. Crashes inside it are walked in test_sim_trees.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mneme.h"
#include "support/process.h"
#include "support/test.h"

enum { ROWS = 6000, DIMS = 32 };

static char path[4096], copy[4096];

static void must(mn_db *db, int status)
{
    if (status == MN_OK || status == MN_DONE || status == MN_ROW) return;
    fail_msg("%d: %s", status, mn_errmsg(db));
}

static void run(mn_db *db, const char *sql)
{
    must(db, mn_exec(db, sql, NULL, NULL));
}

static int64_t number(mn_db *db, const char *sql)
{
    mn_stmt *stmt;
    int64_t value;

    must(db, mn_prepare(db, sql, MN_ALL, &stmt, NULL));
    must(db, mn_step(stmt));
    value = mn_col_int(stmt, 0);
    mn_finalize(stmt);
    return value;
}

static uint64_t size_of(const char *name)
{
    struct stat about;

    assert_int_equal(stat(name, &about), 0);
    return (uint64_t)about.st_size;
}

static void rows_insert(mn_db *db)
{
    static char body[3000];
    float v[DIMS];
    mn_stmt *stmt;

    run(db, "BEGIN WRITE");
    must(db, mn_prepare(db, "INSERT INTO memory VALUES (?, ?, ?, ?)", MN_ALL, &stmt, NULL));
    for (int id = 1; id <= ROWS; id++) {
        size_t length = id % 50 == 0 ? 2900 : 60 + (size_t)(id * 7 % 90);

        memset(body, 'a' + id % 26, length);
        for (int d = 0; d < DIMS; d++) v[d] = (float)((id * (d + 3)) % 19) - 9.0f;
        must(db, mn_bind_int(stmt, 1, id));
        must(db, mn_bind_int(stmt, 2, id * 31 % ROWS));
        must(db, mn_bind_text(stmt, 3, body, length, MN_STATIC));
        must(db, mn_bind_vector(stmt, 4, v, DIMS, MN_STATIC));
        must(db, mn_step(stmt));
        must(db, mn_reset(stmt));
    }
    mn_finalize(stmt);
    run(db, "COMMIT");
}

/* A file with rows, long texts, vectors, an index and a relation, half of it deleted at random. */
static mn_db *file_make(const char *name)
{
    mn_db *db;

    (void)snprintf(path, sizeof path, "%s/%s.mneme", test_folder(), name);
    (void)snprintf(copy, sizeof copy, "%s/%s.copy", test_folder(), name);
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    run(db, "CREATE TABLE memory (id INT PRIMARY KEY, key INT UNIQUE, body TEXT, v VECTOR(32));"
            "CREATE INDEX memory_body ON memory (body);"
            "CREATE RELATION after FROM memory TO memory");
    rows_insert(db);
    run(db, "INSERT INTO after (src, dst) SELECT id, id % 6000 + 1 FROM memory");
    for (int i = 0; i < 40; i++) {
        char sql[200];

        (void)snprintf(sql, sizeof sql,
                       "DELETE FROM after WHERE src %% 97 = %d OR dst %% 97 = %d;"
                       "DELETE FROM memory WHERE id %% 97 = %d",
                       i * 2, i * 2, i * 2);
        run(db, sql);
    }
    return db;
}

/* The answers that must not change. */
static uint64_t fingerprint(mn_db *db)
{
    static const char *const sums[] = {
        "SELECT count(*) FROM memory",
        "SELECT sum(id * key) FROM memory",
        "SELECT sum(length(body)) FROM memory",
        "SELECT count(*) FROM after",
        "SELECT sum(src * 3 + dst) FROM after",
        "SELECT sum(id) FROM memory NEAREST 50 TO (SELECT v FROM memory WHERE id = 1)"};
    uint64_t print = 7;

    for (size_t i = 0; i < sizeof sums / sizeof sums[0] - 1; i++) {
        print = print * 1000003 + (uint64_t)number(db, sums[i]);
    }
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    return print;
}

static void comes_near_the_size_of_a_backup(void **state)
{
    mn_db *db = file_make("near");
    uint64_t before = size_of(path), print = fingerprint(db), after, loaded;
    mn_stmt *stmt;

    (void)state;
    must(db, mn_prepare(db, "PRAGMA compact", MN_ALL, &stmt, NULL));
    assert_int_equal(mn_col_count(stmt), 4);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), (int64_t)before);
    after = size_of(path);
    assert_int_equal(mn_col_int(stmt, 1), (int64_t)after);
    assert_true(mn_col_is_null(stmt, 3));
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    assert_true(fingerprint(db) == print);
    must(db, mn_backup(db, copy, NULL, NULL, NULL));
    loaded = size_of(copy);
    printf("compact: %llu -> %llu bytes, the backup has %llu (%.3f)\n", (unsigned long long)before,
           (unsigned long long)after, (unsigned long long)loaded, (double)after / (double)loaded);
    assert_true(after <= loaded / 10 * 11);
    must(db, mn_close(db));
    assert_true(size_of(path) <= after);
}

struct busy {
    mn_db *writer, *reader;
    int64_t added;
    int calls, end_at; /* 0: never */
};

/* Another handle writes and reads between the commits. */
static int on_progress(void *context, uint64_t done, uint64_t total)
{
    struct busy *busy = context;
    char sql[160];

    assert_true(done <= total);
    busy->calls++;
    if (busy->writer) {
        (void)snprintf(sql, sizeof sql, "INSERT INTO memory VALUES (%lld, %lld, 'new', NULL)",
                       (long long)(100000 + busy->added), (long long)(200000 + busy->added));
        run(busy->writer, sql);
        busy->added++;
        assert_int_equal(number(busy->reader, "SELECT count(*) FROM memory WHERE id >= 100000"),
                         busy->added);
    }
    return busy->end_at && busy->calls >= busy->end_at;
}

static void others_read_and_write_meanwhile(void **state)
{
    mn_db *db = file_make("busy");
    struct busy busy = {.added = 0};
    int64_t count = number(db, "SELECT count(*) FROM memory");

    (void)state;
    must(db, mn_open(path, 0, &busy.writer));
    must(db, mn_open(path, MN_READONLY, &busy.reader));
    must(db, mn_progress(db, on_progress, &busy, 1));
    run(db, "PRAGMA compact");
    must(db, mn_progress(db, NULL, NULL, 0));
    assert_true(busy.added > 1);
    assert_int_equal(number(db, "SELECT count(*) FROM memory"), count + busy.added);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    must(NULL, mn_close(busy.writer));
    must(NULL, mn_close(busy.reader));
    must(NULL, mn_close(db));
}

static void ends_early_without_harm(void **state)
{
    mn_db *db = file_make("early");
    struct busy busy = {.end_at = 2};
    uint64_t print = fingerprint(db);

    (void)state;
    must(db, mn_progress(db, on_progress, &busy, 1));
    assert_int_equal(mn_exec(db, "PRAGMA compact", NULL, NULL), MN_INTERRUPT);
    must(db, mn_progress(db, NULL, NULL, 0));
    assert_true(fingerprint(db) == print);
    run(db, "PRAGMA compact");
    assert_true(fingerprint(db) == print);
    must(NULL, mn_close(db));
}

/* A snapshot that is held keeps its pages: the file hardly grows, and the answer says who held. */
static void a_held_snapshot_is_named(void **state)
{
    mn_db *db = file_make("held"), *other;
    uint64_t print = fingerprint(db), before = size_of(path), version = mn_current_version(db);
    mn_stmt *stmt;

    (void)state;
    must(db, mn_open(path, MN_READONLY, &other));
    run(other, "BEGIN READ");
    assert_true(number(other, "SELECT count(*) FROM memory") > 0);
    must(db, mn_prepare(db, "PRAGMA compact", MN_ALL, &stmt, NULL));
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 3), (int64_t)version);
    mn_finalize(stmt);
    assert_true(size_of(path) <= before + (3 << 20));
    assert_true(fingerprint(other) == print);
    run(other, "COMMIT");
    must(db, mn_prepare(db, "PRAGMA compact", MN_ALL, &stmt, NULL));
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_true(mn_col_is_null(stmt, 3));
    mn_finalize(stmt);
    must(db, mn_backup(db, copy, NULL, NULL, NULL));
    assert_true(size_of(path) <= size_of(copy) / 10 * 11);
    assert_true(fingerprint(db) == print);
    must(NULL, mn_close(other));
    must(NULL, mn_close(db));
}

static void refuses_where_it_cannot_commit(void **state)
{
    mn_db *db = file_make("refuses"), *other;

    (void)state;
    run(db, "BEGIN");
    assert_int_equal(mn_exec(db, "PRAGMA compact", NULL, NULL), MN_ERROR);
    assert_non_null(strstr(mn_error_hint(db), "COMMIT"));
    run(db, "ROLLBACK");
    assert_int_equal(mn_exec(db, "PRAGMA compact = 1", NULL, NULL), MN_ERROR);
    must(db, mn_open(path, MN_READONLY, &other));
    assert_int_equal(mn_exec(other, "PRAGMA compact", NULL, NULL), MN_READONLY_DB);
    must(NULL, mn_close(other));
    must(NULL, mn_close(db));
    must(NULL, mn_open(":memory:", MN_CREATE, &db));
    run(db, "PRAGMA compact");
    must(NULL, mn_close(db));
}

static void the_shell_compacts(void **state)
{
    mn_db *db = file_make("shell");
    const struct process_result *result;
    uint64_t before;

    (void)state;
    if (!test_shell()) skip();
    must(NULL, mn_close(db));
    before = size_of(path);
    result =
        process_run((const char *const[]){test_shell(), "compact", path, NULL}, test_folder(), "");
    assert_string_equal(result->err, "");
    assert_int_equal(result->status, 0);
    assert_non_null(strstr(result->out, "bytes before"));
    assert_true(size_of(path) < before);
    result = process_run((const char *const[]){test_shell(), "compact", "/nowhere/x", NULL},
                         test_folder(), "");
    assert_int_equal(result->status, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_near_the_size_of_a_backup),
        cmocka_unit_test(others_read_and_write_meanwhile),
        cmocka_unit_test(ends_early_without_harm),
        cmocka_unit_test(a_held_snapshot_is_named),
        cmocka_unit_test(refuses_where_it_cannot_commit),
        cmocka_unit_test(the_shell_compacts),
    };

    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
