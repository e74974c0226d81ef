/*
 * mn_nearest: what it finds is what NEAREST finds, in snapshots, transactions
 * and by any key.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/api.h"
#include "support/test.h"

enum { DIMS = 9, ROWS = 3000, MOST = 50 };

static mn_db *db;
static uint64_t seed;

/* Whole numbers, so that many rows are equally near. */
static void vector_draw(float *vector)
{
    for (int i = 0; i < DIMS; i++) vector[i] = (float)(test_random(&seed) % 4) + 1;
}

static void rows_put(const char *table, bool text_keys)
{
    static const char *const names[] = {"id", "v"};
    float vector[DIMS];
    char text[16];
    mn_datum values[2] = {{.type = MN_TYPE_INT},
                          {.type = MN_TYPE_VECTOR, .length = DIMS, .as.p = vector}};
    mn_fields row = {sizeof row, 2, names, values};

    api_exec(db, "BEGIN WRITE");
    for (int i = 0; i < ROWS; i++) {
        vector_draw(vector);
        values[0].as.i = i * 7 % ROWS;
        if (text_keys) {
            snprintf(text, sizeof text, "k%d", (int)(i * 7 % ROWS));
            values[0] = api_of_text(text);
        }
        api_expect(db, mn_put(db, table, &row, NULL), MN_OK);
    }
    api_exec(db, "COMMIT");
}

static mn_nearest_list list_of(const float *query, size_t k, mn_datum *keys, double *distances)
{
    return (mn_nearest_list){.size = sizeof(mn_nearest_list),
                             .query = query,
                             .dims = DIMS,
                             .capacity = k,
                             .keys = keys,
                             .distances = distances};
}

struct answer {
    size_t count;
    char keys[MOST][16];
    double distances[MOST];
};

static void statement_ask(const char *table, mn_snap *snap, const mn_nearest_list *list,
                          struct answer *answer)
{
    char sql[200], how[40] = "";
    mn_stmt *stmt;
    int step;

    if (list->effort) snprintf(how, sizeof how, "EFFORT %d", (int)list->effort);
    if (list->exact) strcpy(how, "EXACT");
    snprintf(sql, sizeof sql, "SELECT id::TEXT, distance FROM %s NEAREST %zu BY v TO $1 %s%s%s",
             table, list->capacity, how, list->metric ? " METRIC " : "",
             list->metric ? list->metric : "");
    api_expect(db, mn_prepare(db, sql, MN_ALL, &stmt, NULL), MN_OK);
    if (snap) api_expect(db, mn_use_snapshot(stmt, snap), MN_OK);
    mn_bind_vector(stmt, 1, list->query, list->dims, MN_STATIC);
    answer->count = 0;
    while ((step = mn_step(stmt)) == MN_ROW) {
        size_t length;
        const char *text = mn_col_text(stmt, 0, &length);

        assert_true(answer->count < MOST);
        snprintf(answer->keys[answer->count], 16, "%.*s", (int)length, text);
        answer->distances[answer->count++] = mn_col_float(stmt, 1);
    }
    assert_int_equal(step, MN_DONE);
    mn_finalize(stmt);
}

/* The statement's answer beside the call's. */
static void compare(const char *table, mn_snap *snap, mn_nearest_list *list)
{
    struct answer want;

    statement_ask(table, snap, list, &want);
    api_expect(db, mn_nearest(db, snap, table, list), MN_OK);
    assert_int_equal(list->count, want.count);
    for (size_t i = 0; i < want.count; i++) {
        const mn_datum *key = &list->keys[i];
        char text[16];

        if (key->type == MN_TYPE_TEXT)
            snprintf(text, sizeof text, "%.*s", (int)key->length, (const char *)key->as.p);
        else
            snprintf(text, sizeof text, "%lld", (long long)key->as.i);
        assert_string_equal(text, want.keys[i]);
        assert_true(list->distances[i] == want.distances[i]);
    }
}

static void tables_open(void)
{
    seed = test_seed();
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(db, "CREATE TABLE plain (id INT PRIMARY KEY, v VECTOR(9));"
                 "CREATE TABLE coded (id INT PRIMARY KEY, v VECTOR(9));"
                 "CREATE TABLE named (id TEXT PRIMARY KEY, v VECTOR(9));"
                 "CREATE INDEX i ON coded (v) USING vector WITH (metric = l2);"
                 "CREATE INDEX j ON named (v) USING vector WITH (metric = cosine)");
    rows_put("plain", false);
    rows_put("coded", false);
    rows_put("named", true);
}

static void finds_what_nearest_finds(void **state)
{
    static const char *const tables[] = {"plain", "coded", "named"};
    static const char *const metrics[] = {NULL, "cosine", "l2", "dot"};
    static mn_datum keys[MOST];
    static double distances[MOST];
    float query[DIMS];

    (void)state;
    tables_open();
    for (int i = 0; i < 300; i++) {
        mn_nearest_list list = list_of(query, test_random(&seed) % MOST, keys, distances);

        vector_draw(query);
        list.metric = metrics[test_random(&seed) % 4];
        list.exact = i % 3 == 0;
        list.effort = i % 3 == 1;
        compare(tables[i % 3], NULL, &list);
    }
    assert_int_equal(mn_close(db), MN_OK);
}

static void snapshots_and_transactions_see_their_rows(void **state)
{
    mn_datum keys[5];
    double distances[5];
    float query[DIMS];
    mn_snap *snap;

    (void)state;
    tables_open();
    vector_draw(query);
    mn_nearest_list list = list_of(query, 5, keys, distances);
    api_expect(db, mn_snapshot(db, 0, &snap), MN_OK);
    api_exec(db, "BEGIN WRITE; DELETE FROM coded WHERE id < 2900");
    compare("coded", NULL, &list);
    compare("coded", snap, &list);
    assert_int_equal(list.count, 5);
    api_exec(db, "DELETE FROM coded WHERE id < 2998");
    compare("coded", NULL, &list);
    assert_int_equal(list.count, 2);
    api_exec(db, "ROLLBACK");
    compare("coded", NULL, &list);
    compare("coded", snap, &list);
    mn_snapshot_end(snap);
    assert_int_equal(mn_close(db), MN_OK);
}

static void mistakes_are_told(void **state)
{
    float query[DIMS] = {1}, zero[DIMS] = {0};
    mn_datum keys[3];
    mn_nearest_list list = list_of(query, 3, keys, NULL), other = list;

    (void)state;
    tables_open();
    api_exec(db, "CREATE TABLE two (id INT PRIMARY KEY, v VECTOR(9), w VECTOR(9));"
                 "CREATE TABLE none (id INT PRIMARY KEY)");
    api_expect(db, mn_nearest(db, NULL, "plain", &list), MN_OK);
    assert_int_equal(list.count, 3);
    api_expect(db, mn_nearest(db, NULL, "gone", &list), MN_SCHEMA);
    api_expect(db, mn_nearest(db, NULL, "none", &list), MN_SCHEMA);
    api_expect(db, mn_nearest(db, NULL, "two", &list), MN_SCHEMA);
    other.column = "w";
    api_expect(db, mn_nearest(db, NULL, "two", &other), MN_OK);
    assert_int_equal(other.count, 0);
    other.column = "id";
    api_expect(db, mn_nearest(db, NULL, "two", &other), MN_TYPE);
    other.column = "x";
    api_expect(db, mn_nearest(db, NULL, "two", &other), MN_SCHEMA);
    other = list;
    other.dims = 8;
    api_expect(db, mn_nearest(db, NULL, "plain", &other), MN_TYPE);
    other = list;
    other.metric = "sine";
    api_expect(db, mn_nearest(db, NULL, "plain", &other), MN_RANGE);
    other = list;
    other.query = zero;
    api_expect(db, mn_nearest(db, NULL, "plain", &other), MN_RANGE);
    other.metric = "l2";
    api_expect(db, mn_nearest(db, NULL, "plain", &other), MN_OK);
    query[3] = NAN;
    api_expect(db, mn_nearest(db, NULL, "plain", &list), MN_RANGE);
    list.query = NULL;
    api_expect(db, mn_nearest(db, NULL, "plain", &list), MN_MISUSE);
    list.capacity = 0;
    api_expect(db, mn_nearest(db, NULL, "plain", &list), MN_OK);
    list.size = 8;
    api_expect(db, mn_nearest(db, NULL, "plain", &list), MN_MISUSE);
    api_expect(db, mn_nearest(db, NULL, "plain", NULL), MN_MISUSE);
    assert_int_equal(mn_nearest(NULL, NULL, "plain", &other), MN_MISUSE);
    api_exec(db, "CREATE INDEX a ON plain (v) USING vector WITH (metric = l2);"
                 "CREATE INDEX b ON plain (v) USING vector WITH (metric = cosine)");
    query[3] = 1;
    other = list_of(query, 3, keys, NULL);
    api_expect(db, mn_nearest(db, NULL, "plain", &other), MN_SCHEMA);
    other.metric = "cosine";
    api_expect(db, mn_nearest(db, NULL, "plain", &other), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_nearest_finds),
        cmocka_unit_test(snapshots_and_transactions_see_their_rows),
        cmocka_unit_test(mistakes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
