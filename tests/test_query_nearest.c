/*
 * Tests of NEAREST and ORDER BY a distance through the public header, against sorted lists.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/api.h"
#include "support/test.h"

enum { ROWS = 2000, DIMS = 5 };

/* Row i has the key of key_of(i), the vector that vector_make gives, or none at all. */
static mn_db *db;
static float vectors[ROWS][DIMS];
static bool has[ROWS];
static const float query[DIMS] = {0.3f, -1, 0.5f, 2, 0.1f};

/* Keys do not ascend with row ids, so that ties show which of the two breaks them. */
static int key_of(int i)
{
    return i * 7919 % 10007;
}

/* Every 10th row has no vector, every 13th a zero one, every 7th that of the row before it; part of
 * the rows, with group 1, lies near the query. */
static void vectors_make(uint64_t *seed)
{
    for (int i = 0; i < ROWS; i++) {
        has[i] = i % 10 != 0;
        for (int j = 0; j < DIMS; j++) {
            double unit = (double)(test_random(seed) >> 11) * 0x1p-52 - 1.0;
            vectors[i][j] = (float)(unit + (i % 20 == 1 ? 4 * (double)query[j] : 0));
        }
        if (i % 13 == 12) memset(vectors[i], 0, sizeof vectors[i]);
        if (i % 7 == 6) memcpy(vectors[i], vectors[i - 1], sizeof vectors[i]);
    }
}

static int rows_open(void **state)
{
    uint64_t seed = test_seed();
    mn_stmt *stmt;

    (void)state;
    vectors_make(&seed);
    if (mn_open(NULL, MN_MEMORY, &db) != MN_OK) return -1;
    api_exec(db, "CREATE TABLE t (key TEXT PRIMARY KEY, n INT NOT NULL, v VECTOR(5)); BEGIN");
    if (mn_prepare(db, "INSERT INTO t VALUES ($key, $n, $v)", MN_ALL, &stmt, NULL) != MN_OK) {
        return -1;
    }
    for (int i = 0; i < ROWS; i++) {
        char key[16];

        snprintf(key, sizeof key, "k%05d", key_of(i));
        mn_bind_text(stmt, 1, key, MN_ALL, MN_COPY);
        mn_bind_int(stmt, 2, i);
        mn_bind_vector(stmt, 3, vectors[i], DIMS, MN_STATIC);
        if (!has[i]) mn_bind_null(stmt, 3);
        if (mn_step(stmt) != MN_DONE) return -1;
        mn_reset(stmt);
    }
    mn_finalize(stmt);
    api_exec(db, "COMMIT");
    return 0;
}

static int rows_close(void **state)
{
    (void)state;
    return mn_close(db) == MN_OK ? 0 : -1;
}

/* ---- the model ---- */

struct row {
    double distance; /* INFINITY: it has none */
    int n;
};

static struct row model[ROWS];
static int model_count;

static double distance_of(int metric, int i)
{
    double dot = 0, rows = 0, asked = 0, apart = 0;

    for (int j = 0; j < DIMS; j++) {
        double x = (double)vectors[i][j], q = (double)query[j];

        dot += x * q;
        rows += x * x;
        asked += q * q;
        apart += (x - q) * (x - q);
    }
    if (metric == 1) return sqrt(apart);
    if (metric == 2) return -dot;
    return rows > 0 ? 1 - dot / sqrt(rows * asked) : 1;
}

static int row_order(const void *x, const void *y)
{
    const struct row *a = x, *b = y;

    if (fabs(a->distance - b->distance) > 1e-12 || (isinf(a->distance) != isinf(b->distance))) {
        return a->distance < b->distance ? -1 : 1;
    }
    return key_of(a->n) - key_of(b->n);
}

/* Rows with n % modulo == rest, nearest first; without a vector last, or not at all. */
static void model_make(int metric, int modulo, int rest, bool keep_lost)
{
    model_count = 0;
    for (int i = rest; i < ROWS; i += modulo) {
        if (!has[i] && !keep_lost) continue;
        model[model_count++] = (struct row){has[i] ? distance_of(metric, i) : (double)INFINITY, i};
    }
    qsort(model, (size_t)model_count, sizeof *model, row_order);
}

/* The statement gives (n, distance) in the order of the model, from `skip` on, at most k rows. */
static void compare(const char *sql, int skip, int k)
{
    mn_stmt *stmt;
    int status, at = 0, count = model_count - skip < k ? model_count - skip : k;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
    mn_bind_vector(stmt, 1, query, DIMS, MN_STATIC);
    for (; (status = mn_step(stmt)) == MN_ROW; at++) {
        const struct row *want = &model[skip + at];

        if (at >= count) fail_msg("%s: more than %d rows", sql, count);
        if (mn_col_int(stmt, 0) != want->n) {
            fail_msg("%s: place %d is row %lld at %.12f, want %d at %.12f", sql, at,
                     (long long)mn_col_int(stmt, 0), mn_col_float(stmt, 1), want->n,
                     want->distance);
        }
        if (isinf(want->distance))
            assert_true(mn_col_is_null(stmt, 1));
        else
            assert_true(fabs(mn_col_float(stmt, 1) - want->distance) <= 1e-9);
    }
    if (status != MN_DONE) fail_msg("%s: %s", sql, mn_errmsg(db));
    if (at != count) fail_msg("%s: %d rows, want %d", sql, at, count);
    mn_finalize(stmt);
}

static const char *const metrics[] = {"cosine", "l2", "dot"}, *const ops[] = {"<=>", "<->", "<#>"};

static void filters_come_before_k(void **state)
{
    static const int modulos[] = {1, 2, 10, 20, 100, 1000};
    char sql[200];

    (void)state;
    for (size_t m = 0; m < sizeof modulos / sizeof *modulos; m++) {
        for (int metric = 0; metric < 3; metric++) {
            int rest = modulos[m] == 20 ? 1 : modulos[m] / 2; /* 20, 1: near to the query */

            model_make(metric, modulos[m], rest, false);
            for (int k = 0; k < 3000; k = k * 5 + 1) {
                snprintf(sql, sizeof sql,
                         "SELECT n, distance FROM t WHERE n %% %d = %d NEAREST %d TO $q METRIC %s",
                         modulos[m], rest, k, metrics[metric]);
                compare(sql, 0, k);
            }
        }
    }
    model_make(0, 1, 0, false);
    compare("SELECT n, distance FROM t NEAREST 10 TO $q", 0, 10);
    compare("SELECT n, distance FROM t NEAREST 5000 TO $q EXACT", 0, 5000);
}

static void order_by_keeps_rows_without_a_vector(void **state)
{
    char sql[200];

    (void)state;
    for (int metric = 0; metric < 3; metric++) {
        model_make(metric, 1, 0, true);
        for (int k = 1; k < 4000; k *= 9) {
            snprintf(sql, sizeof sql,
                     "SELECT n, distance FROM t ORDER BY v %s $q LIMIT %d OFFSET 3", ops[metric],
                     k);
            compare(sql, 3, k);
            snprintf(sql, sizeof sql, "SELECT n, v %s $q AS d FROM t ORDER BY d LIMIT %d",
                     ops[metric], k);
            compare(sql, 0, k);
        }
        model_make(metric, 100, 50, true);
        snprintf(sql, sizeof sql,
                 "SELECT n, $q %s v FROM t WHERE n %% 100 = 50 ORDER BY 2 LIMIT 30", ops[metric]);
        compare(sql, 0, 30);
    }
    model_make(0, 1, 0, true);
    compare("SELECT n, distance FROM t ORDER BY 1 - (v <=> $q) DESC LIMIT 2000", 0, 2000);
    compare("SELECT n, distance FROM t ORDER BY v <=> $q", 0, ROWS);
}

static void any_rows_can_be_searched(void **state)
{
    (void)state;
    model_make(1, 4, 2, false);
    compare(
        "SELECT n, distance FROM (SELECT n, key, v FROM t WHERE n % 4 = 2 ORDER BY key LIMIT 9999) "
        "AS few NEAREST 10 TO $q METRIC l2",
        0, 10);
    compare("SELECT a.n, a.distance FROM t a JOIN t b ON a.n = b.n WHERE b.n % 4 = 2 "
            "NEAREST 25 BY a.v TO $q METRIC l2",
            0, 25);
    compare("SELECT n, d FROM (SELECT n, distance AS d FROM t WHERE n % 4 = 2 NEAREST 12 TO $q "
            "METRIC l2) AS near",
            0, 12);
    compare("WITH few AS (SELECT n, key, v FROM t WHERE n % 4 = 2) "
            "SELECT n, distance FROM few NEAREST 1 TO $q METRIC l2",
            0, 1);
    model_make(0, 1, 0, false);
    model_count = 7;
    qsort(model, 7, sizeof *model, row_order);
    compare("SELECT n, distance FROM t NEAREST 7 TO $q ORDER BY score DESC, key", 0, 7);
}

static void within_caps_the_distance(void **state)
{
    char sql[200];
    int all, near = 0;

    (void)state;
    model_make(1, 1, 0, false);
    for (all = model_count; near < all && model[near].distance <= 2.5;) near++;
    model_count = near;
    assert_in_range(near, 10, ROWS - 10);
    snprintf(sql, sizeof sql, "SELECT n, distance FROM t NEAREST %d TO $q METRIC l2 WITHIN 2.5",
             all);
    compare(sql, 0, all);
    model_count = 0;
    compare("SELECT n, distance FROM t NEAREST 3 TO $q METRIC l2 WITHIN (-1)", 0, 3);
    compare("SELECT n, distance FROM t NEAREST 0 TO $q", 0, 0);
}

static void the_index_names_the_metric(void **state)
{
    (void)state;
    api_exec(db, "CREATE INDEX t_v ON t (v) USING vector WITH (metric = l2)");
    model_make(1, 1, 0, false);
    compare("SELECT n, distance FROM t NEAREST 10 TO $q", 0, 10);
    api_exec(db, "CREATE INDEX t_w ON t (v) USING vector WITH (metric = dot)");
    mn_stmt *stmt;
    assert_int_equal(mn_prepare(db, "SELECT n FROM t NEAREST 1 TO $q", MN_ALL, &stmt, NULL),
                     MN_SCHEMA);
    api_exec(db, "DROP INDEX t_v; DROP INDEX t_w");
}

/* What a statement answers, with the vector bound if it has a parameter. */
static int answer(const char *sql, const float *vector, size_t dims)
{
    mn_stmt *stmt;
    int status = mn_prepare(db, sql, MN_ALL, &stmt, NULL);

    if (status != MN_OK) return status;
    if (mn_param_count(stmt) > 0) status = mn_bind_vector(stmt, 1, vector, dims, MN_STATIC);
    if (status == MN_OK) status = mn_step(stmt);
    mn_finalize(stmt);
    return status;
}

static void bad_questions_are_refused(void **state)
{
    static const float zero[DIMS], bad[DIMS] = {1, NAN, 0, 0, 0};

    (void)state;
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 TO $q", zero, DIMS), MN_RANGE);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 TO $q METRIC l2", zero, DIMS), MN_ROW);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 TO $q METRIC dot", bad, DIMS), MN_RANGE);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 TO $q", query, DIMS - 1), MN_TYPE);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 TO [1, 2]", NULL, 0), MN_TYPE);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 TO NULL", NULL, 0), MN_DONE);
    assert_int_equal(answer("SELECT n FROM t NEAREST (-1) TO $q", query, DIMS), MN_RANGE);
    assert_int_equal(answer("SELECT n FROM t NEAREST NULL TO $q", query, DIMS), MN_RANGE);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 BY key TO 'x'", NULL, 0), MN_UNSUPPORTED);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 BY n TO $q", query, DIMS), MN_TYPE);
    assert_int_equal(answer("SELECT distance FROM t", NULL, 0), MN_SCHEMA);
    assert_int_equal(answer("SELECT n FROM t NEAREST 1 TO $q", query, DIMS), MN_ROW);
}

static void a_writer_finds_what_it_wrote(void **state)
{
    (void)state;
    api_exec(db,
             "BEGIN; UPDATE t SET v = [9, 9, 9, 9, 9] WHERE n = 50; DELETE FROM t WHERE n = 51;");
    mn_stmt *stmt;
    assert_int_equal(mn_prepare(db,
                                "SELECT n, distance, rank FROM t NEAREST 1 TO [8, 9, 9, 9, 9] "
                                "METRIC l2",
                                MN_ALL, &stmt, NULL),
                     MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), 50);
    assert_true(mn_col_float(stmt, 1) == 1 && mn_col_int(stmt, 2) == 1);
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    api_exec(db, "ROLLBACK");
    model_make(1, 1, 0, false);
    compare("SELECT n, distance FROM t NEAREST 2000 TO $q METRIC l2", 0, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_come_before_k),
        cmocka_unit_test(order_by_keeps_rows_without_a_vector),
        cmocka_unit_test(any_rows_can_be_searched),
        cmocka_unit_test(within_caps_the_distance),
        cmocka_unit_test(the_index_names_the_metric),
        cmocka_unit_test(bad_questions_are_refused),
        cmocka_unit_test(a_writer_finds_what_it_wrote),
    };

    return cmocka_run_group_tests_name("query/nearest", tests, rows_open, rows_close);
}
