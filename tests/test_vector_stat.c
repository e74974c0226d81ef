/*
 * Tests of PRAGMA vector_stat: its counts beside those of the table, its recall beside the same
 * measured here by statements, its bounds on both sides, and rows that cannot be asked for.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/vector/ann_stat.h"
#include "mneme.h"
#include "support/api.h"
#include "support/near.h"
#include "support/test.h"

enum { DIMS = 16, ROWS = 6000, K = 10 };

enum {
    INDEX,
    TABLE,
    COLUMN,
    METRIC,
    COUNT,
    PARTITIONS,
    CLUSTERS,
    LEAST,
    MEAN,
    MOST,
    CODE_BYTES,
    VECTOR_BYTES,
    RECALL,
    QUERIES,
    COMPARED
};

static mn_db *db;
static uint64_t seed;

static mn_stmt *prepare(const char *sql)
{
    mn_stmt *stmt;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
    return stmt;
}

static void begin(const char *index)
{
    seed = test_seed();
    mn_ann_limits = near_limits_small;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, part INT, v VECTOR(16))");
    api_exec(db, index);
}

static void vector_draw(float *vector)
{
    for (int i = 0; i < DIMS; i++) vector[i] = (float)(test_random(&seed) % 2000) / 1000 - 1;
}

static void rows_put(int64_t first, int64_t count)
{
    mn_stmt *insert = prepare("INSERT INTO t VALUES ($1, $2, $3)");
    bool alone = !mn_in_transaction(db);

    if (alone) api_exec(db, "BEGIN");
    for (int64_t id = first; id < first + count; id++) {
        float vector[DIMS];

        vector_draw(vector);
        mn_bind_int(insert, 1, id);
        mn_bind_int(insert, 2, id % 3);
        mn_bind_vector(insert, 3, vector, DIMS, MN_STATIC);
        if (mn_step(insert) != MN_DONE) fail_msg("insert: %s", mn_errmsg(db));
        mn_reset(insert);
    }
    mn_finalize(insert);
    if (alone) api_exec(db, "COMMIT");
}

/* The first row of the answer, which stands until the statement is finalized. */
static mn_stmt *stat_read(void)
{
    mn_stmt *stmt = prepare("PRAGMA vector_stat");

    if (mn_step(stmt) != MN_ROW) fail_msg("PRAGMA vector_stat: %s", mn_errmsg(db));
    return stmt;
}

static void stat_end(mn_stmt *stmt)
{
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
}

/* The nearest rows to the vector of row `id` but itself, and their distances. */
static int nearest(mn_stmt *stmt, int64_t id, int64_t *ids, double *distances)
{
    int count = 0;

    mn_bind_int(stmt, 1, id);
    while (mn_step(stmt) == MN_ROW) {
        if (mn_col_int(stmt, 0) == id || count == K) continue;
        ids[count] = mn_col_int(stmt, 0);
        distances[count++] = mn_col_float(stmt, 1);
    }
    assert_int_equal(mn_errcode(db), MN_OK);
    mn_reset(stmt);
    return count;
}

/* Recall as the documentation says it is taken: ids are 0 .. rows - 1, none without a vector. */
static double recall_measure(int64_t rows, int64_t queries)
{
    mn_stmt *quick = prepare("SELECT id, distance FROM t NEAREST 11 BY v TO "
                             "(SELECT v FROM t WHERE id = $1)");
    mn_stmt *exact = prepare("SELECT id, distance FROM t NEAREST 11 BY v TO "
                             "(SELECT v FROM t WHERE id = $1) EXACT");
    double sum = 0;

    for (int64_t q = 0; q < queries; q++) {
        int64_t id = (2 * q + 1) * rows / (2 * queries), found[K], truth[K];
        double far[K], true_far[K];
        int count = nearest(quick, id, found, far), hits = 0;

        assert_int_equal(count, nearest(exact, id, truth, true_far));
        for (int i = 0; i < count; i++) {
            for (int j = 0; j < count; j++) hits += found[i] == truth[j];
        }
        sum += (double)hits / count;
    }
    mn_finalize(quick);
    mn_finalize(exact);
    return sum / (double)queries;
}

static void clusters_are_counted_and_recall_is_that_of_statements(void **state)
{
    mn_stmt *stmt;
    double recall;
    int64_t lists;

    (void)state;
    begin("CREATE INDEX i ON t (v) USING vector WITH (metric = l2)");
    rows_put(0, ROWS);
    stmt = stat_read();
    assert_string_equal(mn_col_text(stmt, INDEX, NULL), "i");
    assert_string_equal(mn_col_text(stmt, TABLE, NULL), "t");
    assert_string_equal(mn_col_text(stmt, COLUMN, NULL), "v");
    assert_string_equal(mn_col_text(stmt, METRIC, NULL), "l2");
    assert_int_equal(mn_col_int(stmt, COUNT), ROWS);
    assert_int_equal(mn_col_int(stmt, PARTITIONS), 1);
    lists = mn_col_int(stmt, CLUSTERS);
    assert_true(lists >= ROWS / 64 && lists <= ROWS / 8);
    assert_true(fabs(mn_col_float(stmt, MEAN) - (double)ROWS / (double)lists) < 1e-9);
    assert_true((double)mn_col_int(stmt, LEAST) <= mn_col_float(stmt, MEAN));
    assert_true((double)mn_col_int(stmt, MOST) >= mn_col_float(stmt, MEAN));
    assert_true(mn_col_int(stmt, MOST) <= 2 * (int64_t)near_limits_small.cluster_max);
    assert_int_equal(mn_col_int(stmt, VECTOR_BYTES), ROWS * DIMS * 4);
    assert_true(mn_col_int(stmt, CODE_BYTES) >= ROWS * DIMS / 2);
    assert_int_equal(mn_col_int(stmt, CODE_BYTES) % 4096, 0);
    assert_int_equal(mn_col_int(stmt, QUERIES), MN_STAT_QUERIES);
    assert_int_equal(mn_col_int(stmt, COMPARED), MN_STAT_QUERIES * ROWS);
    recall = recall_measure(ROWS, MN_STAT_QUERIES);
    assert_true(recall > 0.5 && recall < 1);
    if (fabs(mn_col_float(stmt, RECALL) - recall) > 1e-9) {
        fail_msg("recall is %g, and not %g", recall, mn_col_float(stmt, RECALL));
    }
    stat_end(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_flat_list_finds_all(void **state)
{
    mn_stmt *stmt;

    (void)state;
    begin("CREATE INDEX i ON t (v) USING vector WITH (metric = cosine)");
    rows_put(0, 250);
    stmt = stat_read();
    assert_int_equal(mn_col_int(stmt, COUNT), 250);
    assert_int_equal(mn_col_int(stmt, CLUSTERS), 0);
    assert_int_equal(mn_col_int(stmt, LEAST), 250);
    assert_int_equal(mn_col_int(stmt, MOST), 250);
    assert_true(mn_col_float(stmt, RECALL) == 1);
    stat_end(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void partitions_are_counted(void **state)
{
    mn_stmt *stmt;

    (void)state;
    begin("CREATE INDEX i ON t (v) USING vector WITH (partition = (part))");
    rows_put(0, 600);
    api_exec(db, "DELETE FROM t WHERE part = 1 AND id > 30");
    stmt = stat_read();
    assert_int_equal(mn_col_int(stmt, PARTITIONS), 3);
    assert_int_equal(mn_col_int(stmt, CLUSTERS), 0);
    assert_int_equal(mn_col_int(stmt, LEAST), 10);
    assert_int_equal(mn_col_int(stmt, MOST), 200);
    assert_int_equal(mn_col_int(stmt, COUNT), 410);
    assert_true(mn_col_float(stmt, RECALL) == 1);
    stat_end(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

/* No vector, a vector of zeros, one row, none: nothing is asked that has no answer. */
static void rows_that_cannot_be_asked_for(void **state)
{
    mn_stmt *stmt;

    (void)state;
    begin("CREATE INDEX i ON t (v) USING vector WITH (metric = cosine)");
    stmt = stat_read();
    assert_int_equal(mn_col_int(stmt, COUNT), 0);
    assert_int_equal(mn_col_int(stmt, PARTITIONS), 0);
    assert_true(mn_col_float(stmt, MEAN) == 0);
    assert_true(mn_col_is_null(stmt, RECALL));
    stat_end(stmt);
    api_exec(db, "INSERT INTO t VALUES (1, 1, [1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]), (2, 1, NULL)");
    stmt = stat_read();
    assert_int_equal(mn_col_int(stmt, COUNT), 1);
    assert_true(mn_col_is_null(stmt, RECALL));
    assert_int_equal(mn_col_int(stmt, QUERIES), 0);
    stat_end(stmt);
    api_exec(db, "INSERT INTO t VALUES (3, 1, [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])");
    stmt = stat_read();
    assert_int_equal(mn_col_int(stmt, COUNT), 2);
    assert_int_equal(mn_col_int(stmt, QUERIES), 1);
    assert_true(mn_col_float(stmt, RECALL) == 1);
    stat_end(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_transaction_sees_its_own_rows(void **state)
{
    mn_stmt *stmt;

    (void)state;
    begin("CREATE INDEX i ON t (v) USING vector");
    rows_put(0, 100);
    api_exec(db, "BEGIN");
    rows_put(100, 900);
    stmt = stat_read();
    assert_int_equal(mn_col_int(stmt, COUNT), 1000);
    assert_true(mn_col_int(stmt, CLUSTERS) > 0);
    stat_end(stmt);
    api_exec(db, "ROLLBACK; CREATE INDEX e ON t (v) USING vector WITH (metric = l2)");
    stmt = stat_read(); /* in the order of the names */
    assert_string_equal(mn_col_text(stmt, INDEX, NULL), "e");
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_string_equal(mn_col_text(stmt, INDEX, NULL), "i");
    assert_int_equal(mn_col_int(stmt, COUNT), 100);
    stat_end(stmt);
    api_exec(db, "DROP INDEX e; DROP INDEX i");
    stmt = prepare("PRAGMA vector_stat");
    stat_end(stmt);
    assert_int_equal(mn_exec(db, "PRAGMA vector_stat = 3", NULL, NULL), MN_ERROR);
    assert_int_equal(mn_close(db), MN_OK);
}

static void what_is_compared_is_bounded(void **state)
{
    const uint64_t most = MN_STAT_ELEMENTS_MAX / 512 / MN_STAT_QUERIES;
    const uint64_t all = MN_STAT_ELEMENTS_MAX / 512 / MN_STAT_QUERIES_LEAST;

    (void)state;
    assert_int_equal(mn_ann_stat_queries(0, 512), 0);
    assert_int_equal(mn_ann_stat_queries(1, 512), 0);
    assert_int_equal(mn_ann_stat_queries(2, 512), 2);
    assert_int_equal(mn_ann_stat_queries(99, 512), 99);
    assert_int_equal(mn_ann_stat_queries(100, 512), 100);
    assert_int_equal(mn_ann_stat_queries(101, 512), 100);
    assert_int_equal(mn_ann_stat_queries(most, 512), 100);
    assert_true(mn_ann_stat_queries(most + 1, 512) < 100);
    assert_int_equal(mn_ann_stat_queries(all, 512), MN_STAT_QUERIES_LEAST);
    assert_int_equal(mn_ann_stat_queries(all + 1, 512), 0);
    assert_int_equal(mn_ann_stat_queries(UINT64_MAX, 8192), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clusters_are_counted_and_recall_is_that_of_statements),
        cmocka_unit_test(a_flat_list_finds_all),
        cmocka_unit_test(partitions_are_counted),
        cmocka_unit_test(rows_that_cannot_be_asked_for),
        cmocka_unit_test(a_transaction_sees_its_own_rows),
        cmocka_unit_test(what_is_compared_is_bounded),
    };

    return cmocka_run_group_tests_name("vector/stat", tests, NULL, NULL);
}
