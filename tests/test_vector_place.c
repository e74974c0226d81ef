/*
 * Tests of how the code of a row is found again: by its vector, where no places are kept; by its
 * place in files of the first builds; among many equal vectors, whose clusters are all equally
 * near. And of what a commit of one row takes of the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "index/vector/ann.h"
#include "mneme.h"
#include "store/inside.h"
#include "support/api.h"
#include "support/near.h"
#include "support/test.h"

enum { DIMS = 12, WIDE_DIMS = 100, ROWS = 1500 };

static mn_db *db;
static uint64_t seed;

static void report(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

static void check(void)
{
    if (mn_check(db, report, NULL) != MN_OK) fail_msg("check: %s", mn_errmsg(db));
}

static int64_t number(const char *sql)
{
    mn_stmt *stmt;
    int64_t value;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
    assert_int_equal(mn_step(stmt), MN_ROW);
    value = mn_col_int(stmt, 0);
    mn_finalize(stmt);
    return value;
}

/* Small clusters, in a file as this build makes them or as the first ones did. */
static void begin(bool places, int dims, const char *with)
{
    char sql[200];

    seed = test_seed();
    mn_ann_limits = near_limits_tiny;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    if (places) db->store->superblock.ro_compatible &= ~(uint64_t)MN_FEATURE_UNPLACED;
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (id INT PRIMARY KEY, part INT, v VECTOR(%d));"
             "CREATE INDEX i ON t (v) USING vector WITH (metric = l2%s)",
             dims, with);
    api_exec(db, sql);
}

/* A row; one of `kinds` vectors, 0: any. */
static void row_put(int64_t id, uint64_t kinds, size_t dims)
{
    float vector[WIDE_DIMS];
    uint64_t kind = kinds ? test_random(&seed) % kinds : 0;
    mn_stmt *insert;

    for (size_t i = 0; i < dims; i++) {
        vector[i] = kinds ? (float)((kind * 31 + i * 7) % 11)
                          : (float)(test_random(&seed) % 2000) / 1000 - 1;
    }
    assert_int_equal(mn_prepare(db, "UPSERT INTO t VALUES ($1, $2, $3)", MN_ALL, &insert, NULL),
                     MN_OK);
    mn_bind_int(insert, 1, id);
    mn_bind_int(insert, 2, id % 3);
    mn_bind_vector(insert, 3, vector, dims, MN_STATIC);
    if (mn_step(insert) != MN_DONE) fail_msg("insert: %s", mn_errmsg(db));
    mn_finalize(insert);
}

/* Rows come in order and anew, change, and go in another order, until none is left. */
static void walk(bool places, uint64_t kinds, const char *with)
{
    char sql[100];

    begin(places, DIMS, with);
    api_exec(db, "BEGIN");
    for (int64_t id = 0; id < ROWS; id++) row_put(id, kinds, DIMS);
    for (int i = 0; i < ROWS / 3; i++) {
        row_put((int64_t)(test_random(&seed) % ROWS), kinds, DIMS);
    }
    api_exec(db, "COMMIT");
    check();
    assert_int_equal(number("SELECT count(*) FROM t"), ROWS);
    for (int64_t i = 0; i < ROWS; i++) {
        snprintf(sql, sizeof sql, "DELETE FROM t WHERE id = %lld", (long long)(i * 7 % ROWS));
        api_exec(db, sql);
        assert_int_equal(mn_changes(db), 1);
        if (i % 300 == 299) check();
    }
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
    check();
    assert_int_equal(mn_close(db), MN_OK);
}

static void by_the_vector(void **state)
{
    (void)state;
    walk(false, 0, "");
}

static void by_the_place(void **state)
{
    (void)state;
    walk(true, 0, "");
}

static void among_equal_vectors(void **state)
{
    (void)state;
    walk(false, 1, "");
    walk(false, 3, "");
    walk(true, 3, "");
}

static void in_partitions(void **state)
{
    (void)state;
    walk(false, 0, ", partition = (part)");
    walk(true, 2, ", partition = (part)");
}

static uint64_t used_pages(void)
{
    mn_stats stats = {.size = sizeof stats};

    assert_int_equal(mn_stat(db, &stats), MN_OK);
    return stats.page_count - stats.free_pages;
}

/* Table, slabs and codes: a root, a leaf, and of the last two a page of vectors and one of codes;
 * what is over that are joined tails and the log. */
static void a_commit_of_one_row_takes_few_pages(void **state)
{
    enum { BEFORE = 3000, COMMITS = 200, PAGES = 9 };
    static mn_snap *kept[COMMITS];
    uint64_t used;

    (void)state;
    begin(false, WIDE_DIMS, "");
    mn_ann_limits.flat_max = 16384;
    api_exec(db, "BEGIN");
    for (int64_t id = 0; id < BEFORE; id++) row_put(id, 0, WIDE_DIMS);
    api_exec(db, "COMMIT");
    used = used_pages();
    for (int i = 0; i < COMMITS; i++) {
        row_put(BEFORE + i, 0, WIDE_DIMS);
        assert_int_equal(mn_snapshot(db, mn_current_version(db), &kept[i]), MN_OK);
    }
    used = used_pages() - used;
    print_message("%.2f pages a commit\n", (double)used / (double)COMMITS);
    assert_true(used <= (uint64_t)PAGES * COMMITS);
    for (int i = 0; i < COMMITS; i++) mn_snapshot_end(kept[i]);
    check();
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_the_vector),
        cmocka_unit_test(by_the_place),
        cmocka_unit_test(among_equal_vectors),
        cmocka_unit_test(in_partitions),
        cmocka_unit_test(a_commit_of_one_row_takes_few_pages),
    };

    return cmocka_run_group_tests_name("vector/place", tests, NULL, NULL);
}
