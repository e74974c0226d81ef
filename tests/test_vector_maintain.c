/*
 * Tests of PRAGMA maintain: chunks that deletes left half empty are packed, answers stay as they
 * are, a second time there is nothing to do, and ROLLBACK brings the old lists back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/vector/ann.h"
#include "mneme.h"
#include "support/api.h"
#include "support/test.h"

enum { DIMS = 12, ROWS = 6000, K = 10, QUESTIONS = 30 };

static mn_db *db;
static uint64_t seed;
static int64_t answers[QUESTIONS][K];

static mn_stmt *prepare(const char *sql)
{
    mn_stmt *stmt;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
    return stmt;
}

static int64_t maintain(void)
{
    mn_stmt *stmt = prepare("PRAGMA maintain");
    int64_t packed;

    if (mn_step(stmt) != MN_ROW) fail_msg("PRAGMA maintain: %s", mn_errmsg(db));
    packed = mn_col_int(stmt, 0);
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    return packed;
}

static void vector_draw(float *vector)
{
    for (int i = 0; i < DIMS; i++) vector[i] = (float)(test_random(&seed) % 2000) / 1000 - 1;
}

static void row_put(mn_stmt *insert, int64_t id)
{
    float vector[DIMS];

    vector_draw(vector);
    mn_bind_int(insert, 1, id);
    mn_bind_int(insert, 2, id % 7);
    mn_bind_vector(insert, 3, vector, DIMS, MN_STATIC);
    if (mn_step(insert) != MN_DONE) fail_msg("insert: %s", mn_errmsg(db));
    mn_reset(insert);
}

/* Twice as many rows as stay, whose odd half goes. */
static void rows_churn(void)
{
    mn_stmt *insert = prepare("INSERT INTO t VALUES ($1, $2, $3)");

    api_exec(db, "BEGIN");
    for (int64_t id = 0; id < ROWS; id++) row_put(insert, id);
    api_exec(db, "COMMIT; DELETE FROM t WHERE id % 3 > 0");
    mn_finalize(insert);
}

static void questions(bool compare)
{
    mn_stmt *stmt = prepare("SELECT id FROM t NEAREST 10 BY v TO $1 METRIC l2 EXACT");
    uint64_t kept = seed;

    seed = 77;
    for (int q = 0; q < QUESTIONS; q++) {
        float vector[DIMS];

        vector_draw(vector);
        mn_bind_vector(stmt, 1, vector, DIMS, MN_STATIC);
        for (int i = 0; i < K; i++) {
            assert_int_equal(mn_step(stmt), MN_ROW);
            if (compare) assert_int_equal(mn_col_int(stmt, 0), answers[q][i]);
            answers[q][i] = mn_col_int(stmt, 0);
        }
        mn_reset(stmt);
    }
    mn_finalize(stmt);
    seed = kept;
}

static uint64_t used_pages(void)
{
    mn_stats stats = {.size = sizeof stats};

    assert_int_equal(mn_stat(db, &stats), MN_OK);
    return stats.page_count - stats.free_pages;
}

static void report(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

static void check(void)
{
    if (mn_check(db, report, NULL) != MN_OK) fail_msg("check: %s", mn_errmsg(db));
}

/* `loose`: so long are the lists that the statements cannot have packed all of them. */
static void walk(const char *index, bool loose)
{
    uint64_t before;
    int64_t packed;

    seed = test_seed();
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, part INT, v VECTOR(12))");
    assert_int_equal(maintain(), 0); /* no index */
    api_exec(db, index);
    assert_int_equal(maintain(), 0); /* no rows */
    rows_churn();
    questions(false);
    before = used_pages();
    api_exec(db, "BEGIN WRITE");
    packed = maintain();
    assert_true(packed > 0 || !loose);
    questions(true);
    api_exec(db, "ROLLBACK");
    questions(true);
    check();
    assert_int_equal(maintain(), packed);
    assert_int_equal(maintain(), 0);
    questions(true);
    check();
    assert_true(used_pages() <= before);
    for (int64_t id = ROWS; id < ROWS + 500; id++) {
        mn_stmt *insert = prepare("INSERT INTO t VALUES ($1, $2, $3)");

        row_put(insert, id);
        mn_finalize(insert);
    }
    check(); /* full chunks take rows as others do */
    assert_int_equal(mn_close(db), MN_OK);
}

static void flat_lists(void **state)
{
    (void)state;
    mn_ann_limits.flat_max = 16384;
    walk("CREATE INDEX i ON t (v) USING vector WITH (metric = l2)", true);
}

static void partitions(void **state)
{
    (void)state;
    mn_ann_limits.flat_max = 16384;
    walk("CREATE INDEX i ON t (v) USING vector WITH (metric = l2, partition = (part))", true);
}

static void clusters(void **state)
{
    (void)state;
    mn_ann_limits.flat_max = 1000;
    walk("CREATE INDEX i ON t (v) USING vector WITH (metric = l2)", false);
}

static void a_handle_that_reads_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(db, "CREATE TABLE t (id INT PRIMARY KEY); BEGIN READ");
    assert_int_equal(mn_exec(db, "PRAGMA maintain", NULL, NULL), MN_READONLY_DB);
    api_exec(db, "COMMIT");
    assert_int_equal(mn_exec(db, "PRAGMA maintain = 3", NULL, NULL), MN_ERROR);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_lists),
        cmocka_unit_test(partitions),
        cmocka_unit_test(clusters),
        cmocka_unit_test(a_handle_that_reads_is_refused),
    };

    return cmocka_run_group_tests_name("vector/maintain", tests, NULL, NULL);
}
