/*
 * mn_nearest_many: to the last bit what as many calls of mn_nearest give, whatever serves them and
 * however few run together; and what it refuses.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/ann_many.h"
#include "support/api.h"
#include "support/near.h"
#include "support/test.h"

enum { DIMS = 12, ROWS = 5000, QUERIES = 600, MOST = 220, STRIDE = DIMS + 3 };

static mn_db *db;
static uint64_t seed;
static float queries[QUERIES * STRIDE];
static mn_datum keys[QUERIES * MOST];
static double distances[QUERIES * MOST];
static size_t counts[QUERIES];

/* Few different values, so that some distances are equal. */
static void vector_draw(float *vector)
{
    for (int i = 0; i < DIMS; i++) vector[i] = (float)(test_random(&seed) % 6) - 2.5f;
}

static void rows_put(const char *table, bool text_keys)
{
    static const char *const names[] = {"id", "part", "v"};
    float vector[DIMS];
    char text[16];
    mn_datum values[3] = {{.type = MN_TYPE_INT},
                          {.type = MN_TYPE_INT},
                          {.type = MN_TYPE_VECTOR, .length = DIMS, .as.p = vector}};
    mn_fields row = {sizeof row, 3, names, values};

    api_exec(db, "BEGIN WRITE");
    for (int i = 0; i < ROWS; i++) {
        vector_draw(vector);
        values[0].as.i = i * 7 % ROWS;
        values[1].as.i = i % 3;
        if (text_keys) {
            snprintf(text, sizeof text, "k%d", i * 7 % ROWS);
            values[0] = api_of_text(text);
        }
        api_expect(db, mn_put(db, table, &row, NULL), MN_OK);
    }
    api_exec(db, "COMMIT");
}

static void tables_open(void)
{
    seed = test_seed();
    mn_ann_limits = near_limits_small;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(db,
             "CREATE TABLE plain (id INT PRIMARY KEY, part INT, v VECTOR(12));"
             "CREATE TABLE near (id INT PRIMARY KEY, part INT, v VECTOR(12));"
             "CREATE TABLE named (id TEXT PRIMARY KEY, part INT, v VECTOR(12));"
             "CREATE TABLE parted (id INT PRIMARY KEY, part INT, v VECTOR(12));"
             "CREATE INDEX i ON near (v) USING vector WITH (metric = l2);"
             "CREATE INDEX j ON named (v) USING vector WITH (metric = cosine);"
             "CREATE INDEX k ON parted (v) USING vector WITH (metric = dot, partition = (part))");
    rows_put("plain", false);
    rows_put("near", false);
    rows_put("named", true);
    rows_put("parted", false);
    for (int i = 0; i < QUERIES; i++) vector_draw(queries + (size_t)i * STRIDE);
}

static mn_nearest_batch batch_of(size_t count, size_t k)
{
    return (mn_nearest_batch){.size = sizeof(mn_nearest_batch),
                              .queries = queries,
                              .query_count = count,
                              .dims = DIMS,
                              .stride = STRIDE,
                              .capacity = k,
                              .keys = keys,
                              .distances = distances,
                              .counts = counts};
}

static void key_compare(const mn_datum *a, const mn_datum *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->length, b->length);
    if (a->type == MN_TYPE_TEXT)
        assert_memory_equal(a->as.p, b->as.p, a->length);
    else
        assert_int_equal(a->as.i, b->as.i);
}

/* The batch beside a call for each of its queries. Keys that are text live until the next call: in
 * a snapshot both stand. */
static void compare(const char *table, mn_snap *snap, mn_nearest_batch *batch)
{
    static mn_datum own[MOST];
    static double near[MOST];

    memset(counts, 0xff, sizeof counts);
    api_expect(db, mn_nearest_many(db, snap, table, batch), MN_OK);
    for (size_t q = 0; q < batch->query_count; q++) {
        mn_nearest_list one = {.size = sizeof one,
                               .metric = batch->metric,
                               .query = batch->queries + q * batch->stride,
                               .dims = DIMS,
                               .exact = batch->exact,
                               .effort = batch->effort,
                               .capacity = batch->capacity,
                               .keys = own,
                               .distances = near};

        api_expect(db, mn_nearest(db, snap, table, &one), MN_OK);
        assert_int_equal(counts[q], one.count);
        for (size_t i = 0; i < one.count; i++) {
            size_t at = q * batch->capacity + i;

            if (distances[at] != near[i]) {
                fail_msg("%s: query %zu, row %zu: %.17g, not %.17g", table, q, i, distances[at],
                         near[i]);
            }
            if (snap) key_compare(&keys[at], &own[i]);
        }
    }
}

static void as_one_by_one(void **state)
{
    static const char *const tables[] = {"plain", "near", "named", "parted"};
    static const char *const metrics[] = {NULL, "cosine", "l2", "dot"};
    mn_snap *snap;

    (void)state;
    tables_open();
    api_expect(db, mn_snapshot(db, 0, &snap), MN_OK);
    for (int round = 0; round < 60; round++) {
        const size_t sizes[] = {1, 2, 17, 60};
        mn_nearest_batch batch = batch_of(sizes[test_random(&seed) % 4], test_random(&seed) % 24);

        batch.queries += STRIDE * (test_random(&seed) % 500);
        batch.metric = metrics[test_random(&seed) % 4];
        batch.exact = round % 5 == 0;
        batch.effort = round % 5 < 3 ? 0 : test_random(&seed) % 40;
        compare(tables[round % 4], snap, &batch);
    }
    mn_snapshot_end(snap);
    assert_int_equal(mn_close(db), MN_OK);
}

/* More than run together; more rows than the lists of the plan have; lists that have become empty.
 */
static void rounds_and_searches_alone(void **state)
{
    mn_snap *snap;
    mn_nearest_batch batch;

    (void)state;
    tables_open();
    api_expect(db, mn_snapshot(db, 0, &snap), MN_OK);
    assert_true(QUERIES > 2 * MN_ANN_MANY);
    batch = batch_of(QUERIES, 5);
    compare("near", snap, &batch);
    batch = batch_of(40, MOST);
    batch.effort = 1;
    compare("near", snap, &batch);
    batch.effort = 4; /* enough for some, too few for others */
    batch.capacity = 130;
    compare("near", snap, &batch);
    batch.effort = 100000;
    compare("near", snap, &batch);
    mn_snapshot_end(snap);
    api_exec(db, "PRAGMA memory_limit = 65536");
    batch = batch_of(40, 5);
    compare("near", NULL, &batch);
    api_exec(db, "PRAGMA memory_limit = 268435456");
    api_exec(db, "DELETE FROM near WHERE id % 3 <> 1");
    compare("near", NULL, &batch);
    batch.effort = 200;
    compare("near", NULL, &batch);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_transaction_sees_its_own_rows(void **state)
{
    mn_nearest_batch batch = batch_of(50, 8);

    (void)state;
    tables_open();
    api_exec(
        db,
        "BEGIN WRITE; DELETE FROM near WHERE id % 2 = 0; UPDATE near SET v = [1,2,3,4,5,6,7,8,9,"
        "10,11,12] WHERE id < 40");
    compare("near", NULL, &batch);
    assert_int_equal(counts[7], 8);
    api_exec(db, "ROLLBACK");
    compare("near", NULL, &batch);
    assert_int_equal(mn_close(db), MN_OK);
}

/* Where lists and slabs lie is kept from call to call: commits, and a snapshot from before them in
 * between, see their own. The table without an index has the same rows. */
static void what_is_kept_follows_commits(void **state)
{
    static double first[40 * 8], now[40 * 8];
    mn_nearest_batch batch = batch_of(40, 8);
    mn_snap *snap;

    (void)state;
    tables_open();
    batch.metric = "l2";
    batch.exact = 1;
    for (int i = 0; i < 6; i++) compare("near", NULL, &batch);
    memcpy(first, distances, sizeof first);
    api_expect(db, mn_snapshot(db, 0, &snap), MN_OK);
    for (int round = 0; round < 6; round++) {
        char sql[400];

        snprintf(sql, sizeof sql,
                 "BEGIN WRITE; DELETE FROM near WHERE id %% 7 = %d; UPDATE near SET v = [%d,2,3,4,"
                 "5,4,3,2,1,0,1,2] WHERE id %% 11 = %d; DELETE FROM plain; INSERT INTO plain (id, "
                 "part, v) SELECT id, part, v FROM near; COMMIT",
                 round, round, round);
        api_exec(db, sql);
        for (int i = 0; i < 3; i++) {
            api_expect(db, mn_nearest_many(db, NULL, "plain", &batch), MN_OK);
            memcpy(now, distances, sizeof now);
            compare("near", NULL, &batch);
            assert_memory_equal(now, distances, sizeof now);
            compare("near", snap, &batch);
            assert_memory_equal(first, distances, sizeof first);
        }
    }
    mn_snapshot_end(snap);
    assert_int_equal(mn_close(db), MN_OK);
}

static void what_is_refused(void **state)
{
    mn_nearest_batch batch = batch_of(20, 4);

    (void)state;
    tables_open();
    memset(queries + 7 * STRIDE, 0, DIMS * sizeof(float));
    counts[0] = 9;
    api_expect(db, mn_nearest_many(db, NULL, "named", &batch), MN_RANGE);
    assert_int_equal(strncmp(mn_errmsg(db), "query 7: ", 9), 0);
    assert_string_equal(mn_error_hint(db), "METRIC l2 or dot accept it");
    assert_int_equal(counts[0], 0);
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_OK);
    queries[7 * STRIDE] = NAN;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_RANGE);
    assert_int_equal(strncmp(mn_errmsg(db), "query 7: ", 9), 0);
    batch.query_count = 7;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_OK);
    batch.stride = DIMS - 1;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_MISUSE);
    batch.stride = 0; /* they lie side by side: the last three of the first are not looked at */
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_OK);
    batch.dims = DIMS - 1;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_TYPE);
    batch = batch_of(3, 4);
    batch.counts = NULL;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_MISUSE);
    batch.query_count = 0;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_OK);
    batch = batch_of(3, 4);
    batch.keys = NULL;
    batch.distances = NULL;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_OK);
    assert_int_equal(counts[2], 4);
    batch.capacity = 0;
    batch.queries = NULL;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_OK);
    assert_int_equal(counts[2], 0);
    batch.capacity = 4;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_MISUSE);
    batch = batch_of(3, 4);
    batch.size = 8;
    api_expect(db, mn_nearest_many(db, NULL, "near", &batch), MN_MISUSE);
    api_expect(db, mn_nearest_many(db, NULL, "near", NULL), MN_MISUSE);
    batch = batch_of(3, 4);
    api_expect(db, mn_nearest_many(db, NULL, "nowhere", &batch), MN_SCHEMA);
    assert_int_equal(mn_nearest_many(NULL, NULL, "near", &batch), MN_MISUSE);
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- each allocation fails once ---- */

static int many_call(void *context)
{
    return mn_nearest_many(db, NULL, "near", context);
}

static void many_settle(void *context, int code)
{
    const mn_nearest_batch *batch = context;

    assert_int_equal(counts[batch->query_count - 1], code == MN_OK ? batch->capacity : 0);
}

static int stat_call(void *context)
{
    (void)context;
    return mn_exec(db, "PRAGMA vector_stat", NULL, NULL);
}

static void stat_settle(void *context, int code)
{
    (void)context;
    (void)code;
}

static void every_allocation_may_fail(void **state)
{
    mn_nearest_batch batch = batch_of(4, 8);

    (void)state;
    tables_open();
    assert_true(api_starve(many_call, many_settle, &batch) > 20);
    assert_true(api_starve_some(97, stat_call, stat_settle, NULL) > 1);
    compare("near", NULL, &batch);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_one_by_one),
        cmocka_unit_test(rounds_and_searches_alone),
        cmocka_unit_test(a_transaction_sees_its_own_rows),
        cmocka_unit_test(what_is_kept_follows_commits),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("api/nearest_many", tests, NULL, NULL);
}
