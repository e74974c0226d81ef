/*
 * Tests of the coded vector index through the language: against brute force, while rows come, go
 * and change, statements fail and transactions are rolled back, in both regimes and with
 * partitions. The sizes of lists are made small, so that splits and merges are common.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/vector/ann.h"
#include "index/vector/distance.h"
#include "mneme.h"
#include "support/api.h"
#include "support/near.h"
#include "support/test.h"

enum { DIMS = 12, IDS = 1600, K = 10 };

static mn_db *db;
static uint64_t seed;

struct row {
    bool there, has_vector;
    int64_t part, value;
    float vector[DIMS];
};

/* The model: what the transaction sees, and what it goes back to. */
static struct row now[IDS + 1], saved[IDS + 1], begun[IDS + 1];

static uint64_t chance(uint64_t n)
{
    return test_random(&seed) % n;
}

static void vector_draw(float *vector)
{
    uint64_t kind = chance(20), heap = chance(12);

    for (int i = 0; i < DIMS; i++) {
        float unit = (float)((double)(test_random(&seed) >> 11) * 0x1p-52 - 1.0);

        /* heaps, so that clusters have sense */
        vector[i] = (float)((heap * 7 + (uint64_t)i * heap) % 5) - 2 + unit * 0.6f;
        if (kind == 0) vector[i] = 0;
        if (kind == 1) vector[i] = (float)((int)(heap % 3) + i % 2);
        if (kind == 2) vector[i] *= 1e20f;
        if (kind == 3) vector[i] *= 1e-41f;
    }
}

static const char *vector_text(const float *vector)
{
    static char text[DIMS * 20];
    int length = 0;

    for (int i = 0; i < DIMS; i++) {
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%.9g", i ? "," : "[",
                           (double)vector[i]);
    }
    snprintf(text + length, sizeof text - (size_t)length, "]");
    return text;
}

static void row_write(bool update)
{
    int64_t id = 1 + (int64_t)chance(IDS);
    struct row *row = &now[id];
    char sql[1024];

    if (update && !row->there) return;
    row->has_vector = chance(15) != 0;
    vector_draw(row->vector);
    if (!update || chance(3) == 0) {
        row->part = (int64_t)chance(3);
        row->value = (int64_t)chance(100);
    }
    row->there = true;
    snprintf(sql, sizeof sql, "UPSERT INTO t (id, part, value, e) VALUES (%lld, %lld, %lld, %s)",
             (long long)id, (long long)row->part, (long long)row->value,
             row->has_vector ? vector_text(row->vector) : "NULL");
    api_exec(db, sql);
}

static void row_delete(void)
{
    int64_t id = 1 + (int64_t)chance(IDS);
    char sql[100];

    snprintf(sql, sizeof sql, "DELETE FROM t WHERE id = %lld", (long long)id);
    api_exec(db, sql);
    now[id].there = false;
}

/* A statement that changes rows and then fails leaves nothing. */
static void statement_fail(void)
{
    int64_t id = 0;

    for (int64_t i = IDS; i >= 1 && !id; i--) {
        if (now[i].there) id = i;
    }
    if (!id) return;
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO t (id, part, value, e) SELECT id + 100000 - 100000 * (id = %lld)::INT, "
             "part, value, e FROM t",
             (long long)id);
    assert_int_not_equal(mn_exec(db, sql, NULL, NULL), MN_OK);
}

static void id_move(void)
{
    int64_t from = 1 + (int64_t)chance(IDS), to = 1 + (int64_t)chance(IDS);
    char sql[100];

    if (!now[from].there || now[to].there) return;
    snprintf(sql, sizeof sql, "UPDATE t SET id = %lld WHERE id = %lld", (long long)to,
             (long long)from);
    api_exec(db, sql);
    now[to] = now[from];
    now[from].there = false;
}

/* ---- questions ---- */

static bool passes(const struct row *row, int filter, int64_t x)
{
    switch (filter) {
    case 1: return row->part == x % 3;
    case 2: return row->value < x % 100;
    case 3: return row->part == x % 3 && row->value >= x % 100;
    case 4: return row->value == x % 100;
    default: return true;
    }
}

static const char *const filters[] = {"", "WHERE part = $x % 3", "WHERE value < $x % 100",
                                      "WHERE part = $x % 3 AND value >= $x % 100",
                                      "WHERE value = $x % 100"};

static size_t brute(enum mn_metric metric, const float *query, int filter, int64_t x,
                    struct near *out)
{
    size_t count = 0;

    for (int64_t id = 1; id <= IDS; id++) {
        if (!now[id].there || !now[id].has_vector || !passes(&now[id], filter, x)) continue;
        out[count++] = (struct near){mn_distance(metric, query, now[id].vector, DIMS), id};
    }
    near_sort(out, count);
    return count;
}

static int effort; /* 0: the default */
static uint64_t asked, found_hits, found_wanted;

static void ask(enum mn_metric metric, bool exact)
{
    static struct near want[IDS];
    int filter = (int)chance(5);
    int64_t x = (int64_t)chance(1000);
    size_t k = 1 + chance(K), got = 0, hits = 0;
    float query[DIMS];
    char sql[300], how[24] = "";
    mn_stmt *stmt;

    if (exact) strcpy(how, "EXACT");

    do vector_draw(query);
    while (metric == MN_METRIC_COSINE && mn_vector_norm2(query, DIMS) == 0);
    size_t passing = brute(metric, query, filter, x, want);
    if (effort && !exact) snprintf(how, sizeof how, "EFFORT %d", effort);
    snprintf(sql, sizeof sql, "SELECT id, distance FROM t %s NEAREST %zu BY e TO $q %s METRIC %s",
             filters[filter], k, how, mn_metric_name(metric));
    if (mn_prepare(db, sql, strlen(sql), &stmt, NULL) != MN_OK) fail_msg("%s", mn_errmsg(db));
    assert_int_equal(mn_bind_vector(stmt, mn_param_index(stmt, "q"), query, DIMS, MN_COPY), MN_OK);
    if (filter) assert_int_equal(mn_bind_int(stmt, mn_param_index(stmt, "x"), x), MN_OK);
    size_t wanted = passing < k ? passing : k;
    int step;
    while ((step = mn_step(stmt)) == MN_ROW) {
        int64_t id = mn_col_int(stmt, 0);
        double distance = mn_col_float(stmt, 1);

        assert_true(got < wanted);
        if (exact) {
            if (id != want[got].id || distance != want[got].distance) {
                fail_msg("%s: place %zu: row %lld at %.17g, want %lld at %.17g", sql, got,
                         (long long)id, distance, (long long)want[got].id, want[got].distance);
            }
        }
        assert_true(id >= 1 && id <= IDS && now[id].there && passes(&now[id], filter, x));
        assert_true(distance == mn_distance(metric, query, now[id].vector, DIMS));
        hits += distance <= want[wanted - 1].distance;
        got++;
    }
    if (step != MN_DONE) fail_msg("%s: %s", sql, mn_errmsg(db));
    if (got != wanted) fail_msg("%s: %zu rows, %zu pass and %zu are asked", sql, got, passing, k);
    mn_finalize(stmt);
    asked++;
    found_hits += hits;
    found_wanted += wanted;
}

static void report(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

static void all_check(void)
{
    if (mn_check(db, report, NULL) != MN_OK) fail_msg("check: %s", mn_errmsg(db));
}

/* ---- the walk ---- */

static void transaction_run(void)
{
    int steps = (int)chance(60) + 1;
    bool savepoint = false;

    memcpy(begun, now, sizeof now);
    api_exec(db, "BEGIN WRITE");
    for (int i = 0; i < steps; i++) {
        switch (chance(12)) {
        case 0: statement_fail(); break;
        case 1: id_move(); break;
        case 2:
        case 3: row_delete(); break;
        case 4:
            api_exec(db, "SAVEPOINT s");
            memcpy(saved, now, sizeof now);
            savepoint = true;
            break;
        case 5:
            if (!savepoint) break;
            api_exec(db, "ROLLBACK TO s");
            memcpy(now, saved, sizeof now);
            break;
        case 6: ask((enum mn_metric)chance(3), chance(2) != 0); break;
        default: row_write(chance(3) == 0); break;
        }
    }
    if (chance(5) == 0) {
        api_exec(db, "ROLLBACK");
        memcpy(now, begun, sizeof now);
    } else {
        api_exec(db, "COMMIT");
    }
}

static void begin(const char *index)
{
    memset(now, 0, sizeof now);
    seed = test_seed();
    asked = found_hits = found_wanted = 0;
    mn_ann_limits = near_limits_tiny;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, part INT, value INT, e VECTOR(12))");
    api_exec(db, index);
}

static void walk(const char *index, enum mn_metric metric)
{
    begin(index);
    for (int i = 0; i < 400; i++) row_write(false);
    for (int round = 0; round < 60; round++) {
        transaction_run();
        for (int i = 0; i < 6; i++) ask(metric, i % 2 == 0);
        if (round % 20 == 19) all_check();
    }
    for (int i = 0; i < 1000; i++) ask(metric, false);
    api_exec(db, "DROP INDEX v");
    all_check();
    api_exec(db, index); /* built over rows */
    all_check();
    for (int i = 0; i < 100; i++) ask(metric, i % 2 == 0);
    api_exec(db, "DELETE FROM t WHERE value < 60");
    for (int64_t id = 1; id <= IDS; id++) now[id].there = now[id].there && now[id].value >= 60;
    all_check();
    for (int i = 0; i < 100; i++) ask(metric, i % 2 == 0);
    api_exec(db, "DELETE FROM t");
    memset(now, 0, sizeof now);
    all_check();
    ask(metric, true);
    print_message("%llu questions, recall %.3f\n", (unsigned long long)asked,
                  (double)found_hits / (double)found_wanted);
    assert_true((double)found_hits >= 0.9 * (double)found_wanted);
    assert_int_equal(mn_close(db), MN_OK);
}

static void model_cosine(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (e) USING vector WITH (metric = cosine)", MN_METRIC_COSINE);
}

static void model_l2(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (e) USING vector WITH (metric = l2)", MN_METRIC_L2);
}

static void model_dot(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (e) USING vector WITH (metric = ip)", MN_METRIC_DOT);
}

static void model_partitions(void **state)
{
    (void)state;
    walk("CREATE INDEX v ON t (e) USING vector WITH (metric = l2, partition = (part))",
         MN_METRIC_L2);
}

/* ---- churn ---- */

static double recall_now(enum mn_metric metric)
{
    found_hits = found_wanted = 0;
    for (int i = 0; i < 300; i++) ask(metric, false);
    return (double)found_hits / (double)found_wanted;
}

/* Rows come and go five times their number; few lists are read, so that recall is to be lost. */
static void churn_keeps_recall(void **state)
{
    const char *index = "CREATE INDEX v ON t (e) USING vector WITH (metric = l2)";

    (void)state;
    begin(index);
    effort = 6;
    for (int i = 0; i < IDS; i++) row_write(false);
    api_exec(db, "BEGIN WRITE");
    for (int i = 0; i < 5 * IDS; i++) {
        if (i % 200 == 199) api_exec(db, "COMMIT; BEGIN WRITE");
        row_delete();
        row_write(false);
    }
    api_exec(db, "COMMIT");
    all_check();
    double churned = recall_now(MN_METRIC_L2);
    api_exec(db, "DROP INDEX v");
    api_exec(db, index);
    double fresh = recall_now(MN_METRIC_L2);
    print_message("recall with 6 lists: %.3f after churn, %.3f built anew\n", churned, fresh);
    assert_true(churned >= fresh - 0.03);
    effort = 0;
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- dimensions and errors ---- */

static void any_dimension(void **state)
{
    static const int dims[] = {1, 2, 3, 7, 8, 9, 63, 65, 100, 1023, 1537, 8191, 8192};
    static float vector[8192], query[8192];

    (void)state;
    begin("CREATE INDEX v ON t (e) USING vector");
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        int rows = dims[d] > 2000 ? 60 : 300;
        mn_stmt *insert, *near;
        char sql[200];

        snprintf(sql, sizeof sql,
                 "CREATE TABLE d%d (id INT PRIMARY KEY, e VECTOR(%d));"
                 "CREATE INDEX ON d%d (e) USING vector WITH (metric = %s)",
                 dims[d], dims[d], dims[d], mn_metric_name((enum mn_metric)(d % 3)));
        api_exec(db, sql);
        snprintf(sql, sizeof sql, "INSERT INTO d%d (id, e) VALUES ($1, $2)", dims[d]);
        assert_int_equal(mn_prepare(db, sql, strlen(sql), &insert, NULL), MN_OK);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < dims[d]; j++) {
                vector[j] = (float)(test_random(&seed) % 2000) / 1000 - 1 + (float)(i % 5);
            }
            if (i == 7) memcpy(query, vector, sizeof query);
            mn_bind_int(insert, 1, i);
            mn_bind_vector(insert, 2, vector, (size_t)dims[d], MN_COPY);
            assert_int_equal(mn_step(insert), MN_DONE);
            mn_reset(insert);
        }
        mn_finalize(insert);
        snprintf(sql, sizeof sql, "SELECT id, distance FROM d%d NEAREST 3 TO $1", dims[d]);
        assert_int_equal(mn_prepare(db, sql, strlen(sql), &near, NULL), MN_OK);
        mn_bind_vector(near, 1, query, (size_t)dims[d], MN_COPY);
        assert_int_equal(mn_step(near), MN_ROW);
        if (d % 3 == 0 && dims[d] > 1) assert_int_equal(mn_col_int(near, 0), 7);
        assert_int_equal(mn_step(near), MN_ROW);
        assert_int_equal(mn_step(near), MN_ROW);
        assert_int_equal(mn_step(near), MN_DONE);
        mn_finalize(near);
    }
    all_check();
    assert_int_equal(mn_close(db), MN_OK);
}

static void refuse(const char *sql, int code, const char *word)
{
    int got = mn_exec(db, sql, NULL, NULL);

    if (got != code || !strstr(mn_errmsg(db), word)) {
        fail_msg("%s: %d %s, want %d and \"%s\"", sql, got, mn_errmsg(db), code, word);
    }
}

static void wrong_input_is_told(void **state)
{
    (void)state;
    begin("CREATE INDEX v ON t (e) USING vector WITH (metric = cosine, partition = (part))");
    for (int i = 0; i < 300; i++) row_write(false);
    refuse("SELECT id FROM t NEAREST 3 TO [0,0,0,0,0,0,0,0,0,0,0,0]", MN_RANGE, "zero");
    refuse("SELECT id FROM t NEAREST 3 TO [1,2]", MN_TYPE, "2 values");
    refuse("SELECT id FROM t NEAREST 3 TO [1,2,3,4,5,6,7,8,9,10,11,12] EFFORT 0", MN_RANGE,
           "EFFORT");
    refuse("CREATE INDEX w ON t (e) USING vector WITH (partition = (gone))", MN_SCHEMA, "gone");
    refuse("CREATE INDEX w ON t (e) USING vector WITH (partition = (e))", MN_SCHEMA, "twice");
    refuse("CREATE INDEX w ON t (e) USING vector WITH (metric = sine)", MN_RANGE, "metric");
    refuse("CREATE TABLE u (id INT PRIMARY KEY) WITH (time = (id))", MN_SCHEMA, "list");
    ask(MN_METRIC_COSINE, true);
    all_check();
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_cosine),        cmocka_unit_test(model_l2),
        cmocka_unit_test(model_dot),           cmocka_unit_test(model_partitions),
        cmocka_unit_test(churn_keeps_recall),  cmocka_unit_test(any_dimension),
        cmocka_unit_test(wrong_input_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
