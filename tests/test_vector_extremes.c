/*
 * Vectors at the ends of f32 in indexes of each metric, clusters and a flat list: zeros, denormals,
 * the largest numbers, copies of one another. Answers are compared with distances in double.
 *
 *   (E1) EXACT gives the k least distances, ties by primary key
 *   (E2) the index gives k rows, each once, in order, at their distances
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/test.h"

enum { DIMS = 5, MANY = 17500, FEW = 700, K = 12, QUESTIONS = 90 };
enum metric { COSINE, L2, IP, METRICS };
static const char *const metric_names[METRICS] = {"cosine", "l2", "ip"};

static mn_db *db;
static float vectors[MANY][DIMS];

static void run(const char *sql)
{
    if (mn_exec(db, sql, NULL, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
}

/* Powers of two times a number of [-1, 1]: the largest of f32, ones whose squares do not fit f32,
 * ordinary ones, ones whose squares vanish in it, denormals. */
static void vector_draw(float *vector, uint64_t *seed)
{
    static const int powers[] = {127, 90, 63, 0, 0, 0, 0, 3, -63, -90, -126, -135, -149};
    int power = powers[test_random(seed) % (sizeof powers / sizeof *powers)];

    for (int i = 0; i < DIMS; i++) {
        double unit = (double)(int64_t)(test_random(seed) >> 11) * 0x1p-52 - 1;

        vector[i] = (float)ldexp(unit, power);
    }
}

static void vectors_make(uint64_t *seed)
{
    for (int id = 0; id < MANY; id++) {
        vector_draw(vectors[id], seed);
        if (id % 97 == 5) memset(vectors[id], 0, sizeof vectors[id]);
        if (id % 11 == 7) memcpy(vectors[id], vectors[id / 2], sizeof vectors[id]);
    }
}

static void table_make(enum metric metric, int rows)
{
    char sql[200];
    mn_stmt *insert;

    snprintf(sql, sizeof sql, "CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(%d))", DIMS);
    run(sql);
    run("BEGIN");
    assert_int_equal(mn_prepare(db, "INSERT INTO t VALUES ($1, $2)", MN_ALL, &insert, NULL), MN_OK);
    for (int id = 0; id < rows; id++) {
        mn_bind_int(insert, 1, id);
        mn_bind_vector(insert, 2, vectors[id], DIMS, MN_STATIC);
        assert_int_equal(mn_step(insert), MN_DONE);
        mn_reset(insert);
    }
    mn_finalize(insert);
    run("COMMIT");
    snprintf(sql, sizeof sql, "CREATE INDEX ON t (v) USING vector WITH (metric = %s)",
             metric_names[metric]);
    run(sql);
}

/* ---- the model ---- */

struct row {
    double distance;
    int id;
};

static double distance_of(enum metric metric, const float *query, int id)
{
    double dot = 0, own = 0, asked = 0, apart = 0;

    for (int i = 0; i < DIMS; i++) {
        double x = (double)vectors[id][i], q = (double)query[i];

        dot += x * q;
        own += x * x;
        asked += q * q;
        apart += (x - q) * (x - q);
    }
    if (metric == L2) return sqrt(apart);
    if (metric == IP) return -dot;
    return own > 0 ? 1 - dot / sqrt(own) / sqrt(asked) : 1;
}

static int row_order(const void *x, const void *y)
{
    const struct row *a = x, *b = y;

    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return a->id - b->id;
}

/* The same but for the order of additions. */
static bool is_same(double a, double b, enum metric metric)
{
    double size = metric == COSINE ? 1 : fmax(fabs(a), fabs(b));

    return fabs(a - b) <= 1e-12 * size;
}

/* ---- questions ---- */

static void answer_check(enum metric metric, const float *query, int rows, bool exact)
{
    static struct row model[MANY];
    static bool given[MANY];
    struct row last = {-INFINITY, -1};
    mn_stmt *ask;
    char sql[100];

    for (int id = 0; id < rows; id++) {
        model[id] = (struct row){distance_of(metric, query, id), id};
    }
    qsort(model, (size_t)rows, sizeof *model, row_order);
    memset(given, 0, sizeof given);
    snprintf(sql, sizeof sql, "SELECT id, distance FROM t NEAREST %d TO $1%s", K,
             exact ? " EXACT" : "");
    assert_int_equal(mn_prepare(db, sql, MN_ALL, &ask, NULL), MN_OK);
    mn_bind_vector(ask, 1, query, DIMS, MN_STATIC);
    for (int i = 0; i < K; i++) {
        struct row row;

        assert_int_equal(mn_step(ask), MN_ROW);
        row = (struct row){mn_col_float(ask, 1), (int)mn_col_int(ask, 0)};
        assert_in_range(row.id, 0, rows - 1);
        assert_false(given[row.id]);
        given[row.id] = true;
        assert_true(is_same(row.distance, distance_of(metric, query, row.id), metric));
        if (exact) assert_true(is_same(row.distance, model[i].distance, metric));
        assert_true(row_order(&last, &row) < 0);
        last = row;
    }
    assert_int_equal(mn_step(ask), MN_DONE);
    mn_finalize(ask);
    if (!exact) return;
    /* Of those as far away as the last, the first by their keys. */
    for (int id = 0; id < last.id; id++) {
        if (memcmp(vectors[id], vectors[last.id], sizeof vectors[id]) == 0) assert_true(given[id]);
    }
}

static void finding_report(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

static void questions_ask(enum metric metric, int rows, uint64_t *seed)
{
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    table_make(metric, rows);
    for (int i = 0; i < QUESTIONS; i++) {
        float query[DIMS];

        vector_draw(query, seed);
        if (i % 3 == 0) memcpy(query, vectors[test_random(seed) % (uint64_t)rows], sizeof query);
        for (int j = 0; j < DIMS && metric == COSINE; j++) {
            if (query[j] != 0) break;
            if (j == DIMS - 1)
                query[0] = 1; /* zeros have no direction: an error, tested elsewhere */
        }
        answer_check(metric, query, rows, true);
        answer_check(metric, query, rows, false);
    }
    assert_int_equal(mn_check(db, finding_report, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_flat_list_holds_them(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    vectors_make(&seed);
    for (int metric = 0; metric < METRICS; metric++) {
        questions_ask((enum metric)metric, FEW, &seed);
    }
}

static void clusters_hold_them(void **state)
{
    uint64_t seed = test_seed() + 1;

    (void)state;
    vectors_make(&seed);
    for (int metric = 0; metric < METRICS; metric++) {
        questions_ask((enum metric)metric, MANY, &seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flat_list_holds_them),
        cmocka_unit_test(clusters_hold_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
