/*
 * Tests of a file that is taken away under an open handle: nothing more is written into the void.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mneme.h"
#include "support/test.h"

static char path[4096], other[4096];

static mn_db *made(const char *name, int rows)
{
    char sql[128];
    mn_db *db;

    assert_int_equal(mn_open(name, MN_CREATE, &db), MN_OK);
    (void)snprintf(
        sql, sizeof sql,
        "CREATE TABLE t (a INT); INSERT INTO t SELECT i FROM generate_series(1, %d) g(i)", rows);
    assert_int_equal(mn_exec(db, sql, NULL, NULL), MN_OK);
    return db;
}

static void is_refused(mn_db *db, const char *sql)
{
    assert_int_equal(mn_exec(db, sql, NULL, NULL), MN_IOERR);
    assert_non_null(strstr(mn_errmsg(db), "removed"));
    assert_non_null(strstr(mn_error_hint(db), "open it again"));
}

static int64_t rows_of(const char *name)
{
    mn_stmt *stmt;
    mn_db *db;
    int64_t rows;

    assert_int_equal(mn_open(name, 0, &db), MN_OK);
    assert_int_equal(mn_prepare(db, "SELECT count(*) FROM t", MN_ALL, &stmt, NULL), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    rows = mn_col_int(stmt, 0);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
    return rows;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/file.mneme", test_folder());
    (void)snprintf(other, sizeof other, "%s/other.mneme", test_folder());
    return 0;
}

static void another_file_in_its_place_is_noticed(void **state)
{
    mn_db *db = made(path, 3), *second, *reader;

    (void)state;
    assert_int_equal(mn_close(made(other, 7)), MN_OK);
    assert_int_equal(mn_open(path, 0, &second), MN_OK);
    assert_int_equal(mn_open(path, MN_READONLY, &reader), MN_OK);
    assert_int_equal(mn_exec(second, "INSERT INTO t VALUES (4)", NULL, NULL), MN_OK);
    assert_int_equal(rename(other, path), 0);
    is_refused(db, "INSERT INTO t VALUES (5)");
    is_refused(second, "SELECT count(*) FROM t");
    is_refused(reader, "SELECT count(*) FROM t");
    assert_int_equal(rows_of(path), 7);
    assert_int_equal(mn_close(db), MN_OK);
    assert_int_equal(mn_close(second), MN_OK);
    assert_int_equal(mn_close(reader), MN_OK);
    assert_int_equal(rows_of(path), 7);
}

static void a_removed_file_is_noticed(void **state)
{
    mn_db *db = made(other, 2);

    (void)state;
    assert_int_equal(unlink(other), 0);
    is_refused(db, "INSERT INTO t VALUES (5)");
    is_refused(db, "SELECT count(*) FROM t");
    assert_int_equal(mn_close(db), MN_OK);
    assert_int_not_equal(access(other, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_file_in_its_place_is_noticed),
        cmocka_unit_test(a_removed_file_is_noticed),
    };

    return cmocka_run_group_tests_name("api replaced", tests, setup, NULL);
}
