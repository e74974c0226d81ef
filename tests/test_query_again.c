/*
 * Tests of a prepared NEAREST that runs again and again: with the same filter and other vectors,
 * with other values, after changes, inside a transaction. The truth is a scan of the model.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/test.h"

enum { ROWS = 3000, DIMS = 8, K = 7, NAMES = 5 };

struct row {
    bool there;
    int n;
    float vector[DIMS];
};

static mn_db *db;
static uint64_t seed;
static struct row rows[ROWS];
static const char *const names[NAMES] = {"ant", "bee", "cat", "dog", "eel"};

static void run(const char *sql)
{
    if (mn_exec(db, sql, NULL, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
}

static void vector_draw(float *vector)
{
    for (int i = 0; i < DIMS; i++) vector[i] = (float)(test_random(&seed) % 2000) / 1000 - 1;
}

static mn_stmt *prepare(const char *sql)
{
    mn_stmt *stmt;

    if (mn_prepare(db, sql, MN_ALL, &stmt, NULL) != MN_OK) fail_msg("%s: %s", sql, mn_errmsg(db));
    return stmt;
}

static void row_store(int id, const char *sql)
{
    mn_stmt *stmt = prepare(sql);

    rows[id].there = true;
    rows[id].n = (int)(test_random(&seed) % 1000);
    vector_draw(rows[id].vector);
    mn_bind_int(stmt, 1, id);
    mn_bind_int(stmt, 2, rows[id].n);
    mn_bind_text(stmt, 3, names[rows[id].n % NAMES], MN_ALL, MN_STATIC);
    mn_bind_vector(stmt, 4, rows[id].vector, DIMS, MN_STATIC);
    if (mn_step(stmt) != MN_DONE) fail_msg("%s: %s", sql, mn_errmsg(db));
    mn_finalize(stmt);
}

static int rows_open(void **state)
{
    (void)state;
    seed = test_seed();
    if (mn_open(NULL, MN_MEMORY, &db) != MN_OK) return -1;
    run("CREATE TABLE t (id INT PRIMARY KEY, n INT, name TEXT, v VECTOR(8)); "
        "CREATE INDEX ON t (n); CREATE TABLE a (id INT PRIMARY KEY, n INT, v VECTOR(8)); BEGIN");
    for (int i = 0; i < ROWS; i++) row_store(i, "INSERT INTO t VALUES ($1, $2, $3, $4)");
    run("COMMIT");
    return 0;
}

static int rows_close(void **state)
{
    (void)state;
    return mn_close(db) == MN_OK ? 0 : -1;
}

/* ---- the truth ---- */

typedef bool (*passes)(const struct row *row, int low, int high);

static double distance_of(const float *a, const float *b)
{
    double sum = 0;

    for (int i = 0; i < DIMS; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sqrt(sum);
}

/* The ids of the nearest, by (distance, id); how many. */
static int truth_make(const float *query, passes pass, int low, int high, int *ids)
{
    static double distances[ROWS];
    static bool used[ROWS];
    int count = 0;

    for (int i = 0; i < ROWS; i++) {
        used[i] = !rows[i].there || !pass(&rows[i], low, high);
        distances[i] = distance_of(query, rows[i].vector);
    }
    for (; count < K; count++) {
        int best = -1;

        for (int i = 0; i < ROWS; i++) {
            if (!used[i] && (best < 0 || distances[i] < distances[best])) best = i;
        }
        if (best < 0) break;
        used[best] = true;
        ids[count] = best;
    }
    return count;
}

static bool n_in_range(const struct row *row, int low, int high)
{
    return row->n >= low && row->n < high;
}

static bool name_is(const struct row *row, int low, int high)
{
    (void)high;
    return row->n % NAMES == low;
}

static bool n_is_odd(const struct row *row, int low, int high)
{
    (void)low, (void)high;
    return row->n % 2 == 1;
}

static void answer_compare(mn_stmt *stmt, const int *ids, int count)
{
    for (int i = 0; i < count; i++) {
        if (mn_step(stmt) != MN_ROW) fail_msg("row %d of %d: %s", i, count, mn_errmsg(db));
        assert_int_equal(mn_col_int(stmt, 0), ids[i]);
    }
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_reset(stmt);
}

/* ---- statements ---- */

static void range_ask(mn_stmt *stmt, int low, int high)
{
    float query[DIMS];
    int ids[K];

    vector_draw(query);
    mn_bind_vector(stmt, 1, query, DIMS, MN_COPY);
    mn_bind_int(stmt, 2, low);
    mn_bind_int(stmt, 3, high);
    int count = truth_make(query, n_in_range, low, high, ids);
    answer_compare(stmt, ids, count);
}

static void row_change(void)
{
    int id = (int)(test_random(&seed) % ROWS);
    char sql[80];

    if (rows[id].there && test_random(&seed) % 2) {
        snprintf(sql, sizeof sql, "DELETE FROM t WHERE id = %d", id);
        run(sql);
        rows[id].there = false;
        return;
    }
    row_store(id, "UPSERT INTO t (id, n, name, v) VALUES ($1, $2, $3, $4)");
}

static void ranges_walk(const char *sql)
{
    static struct row before[ROWS];
    mn_stmt *stmt = prepare(sql);

    for (int round = 0; round < 60; round++) {
        int low = (int)(test_random(&seed) % 900), wide = round % 3 ? 30 : 400;

        for (int i = 0; i < 5; i++) range_ask(stmt, low, low + wide);
        row_change();
        for (int i = 0; i < 4; i++) range_ask(stmt, low, low + wide);
        range_ask(stmt, low, low); /* nothing passes */
        range_ask(stmt, low, low);
        range_ask(stmt, low, low);
        range_ask(stmt, low, low + wide);
    }
    memcpy(before, rows, sizeof before);
    for (int i = 0; i < 3; i++) range_ask(stmt, 100, 300);
    run("BEGIN WRITE");
    for (int i = 0; i < 20; i++) {
        row_change();
        range_ask(stmt, 100, 300);
        range_ask(stmt, 100, 300);
    }
    run("ROLLBACK");
    memcpy(rows, before, sizeof before);
    for (int i = 0; i < 3; i++) range_ask(stmt, 100, 300);
    mn_finalize(stmt);
}

static void the_same_filter_again(void **state)
{
    (void)state;
    ranges_walk("SELECT id FROM t WHERE n >= $2 AND n < $3 NEAREST 7 TO $1 METRIC l2");
}

static void the_same_filter_in_order_by(void **state)
{
    (void)state;
    ranges_walk("SELECT id FROM t WHERE n >= $2 AND n < $3 ORDER BY v <-> $1 LIMIT 7");
}

static void names_and_numbers(void **state)
{
    mn_stmt *by_name = prepare("SELECT id FROM t WHERE name = $2 NEAREST 7 TO $1 METRIC l2");
    mn_stmt *odd = prepare("SELECT id FROM t WHERE n % 2 = 1 NEAREST 7 TO $1 METRIC l2");
    float query[DIMS];
    int ids[K];

    (void)state;
    for (int round = 0; round < 60; round++) {
        int name = round / 4 % NAMES;

        vector_draw(query);
        mn_bind_vector(by_name, 1, query, DIMS, MN_STATIC);
        mn_bind_text(by_name, 2, names[name], MN_ALL, MN_STATIC);
        answer_compare(by_name, ids, truth_make(query, name_is, name, 0, ids));
        mn_bind_vector(odd, 1, query, DIMS, MN_STATIC);
        answer_compare(odd, ids, truth_make(query, n_is_odd, 0, 0, ids));
        if (round % 10 == 9) row_change();
    }
    mn_finalize(by_name);
    mn_finalize(odd);
}

/* The filter reads a row of another table: nothing of it may be kept. */
static void a_filter_of_each_row(void **state)
{
    mn_stmt *stmt;
    static float queries[40][DIMS];
    char sql[200];

    (void)state;
    for (int i = 0; i < 40; i++) {
        mn_stmt *insert = prepare("INSERT INTO a VALUES ($1, $2, $3)");

        vector_draw(queries[i]);
        mn_bind_int(insert, 1, i);
        mn_bind_int(insert, 2, i / 4 * 50);
        mn_bind_vector(insert, 3, queries[i], DIMS, MN_STATIC);
        assert_int_equal(mn_step(insert), MN_DONE);
        mn_finalize(insert);
    }
    snprintf(sql, sizeof sql,
             "SELECT x.id FROM a, LATERAL (SELECT t.id FROM t WHERE t.n >= a.n AND "
             "t.n < a.n + 200 NEAREST 1 TO a.v METRIC l2) x ORDER BY a.id");
    stmt = prepare(sql);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            int ids[K], low = i / 4 * 50;

            assert_true(truth_make(queries[i], n_in_range, low, low + 200, ids) > 0);
            assert_int_equal(mn_step(stmt), MN_ROW);
            assert_int_equal(mn_col_int(stmt, 0), ids[0]);
        }
        assert_int_equal(mn_step(stmt), MN_DONE);
        mn_reset(stmt);
    }
    mn_finalize(stmt);
}

/* What only the filter reads is not read for the rows that come out, and is NULL to nobody. */
static void columns_of_the_filter_alone(void **state)
{
    mn_stmt *stmt = prepare("SELECT * FROM (SELECT id, n AS m FROM t WHERE name = 'cat' AND "
                            "n < 900 NEAREST 5 TO $1 METRIC l2) ORDER BY m, id");
    float query[DIMS];
    int rows_seen = 0;

    (void)state;
    vector_draw(query);
    mn_bind_vector(stmt, 1, query, DIMS, MN_STATIC);
    for (int64_t last = -1; mn_step(stmt) == MN_ROW; rows_seen++) {
        int64_t id = mn_col_int(stmt, 0), m = mn_col_int(stmt, 1);

        assert_true(id >= 0 && id < ROWS && rows[id].there && rows[id].n == m && m >= last);
        last = m;
    }
    assert_int_equal(rows_seen, 5);
    mn_finalize(stmt);
}

/* The WHERE of a query inside reads columns of rows that come out: they are read for it, whatever
 * the WHERE around it reads too. */
static void columns_for_a_filter_inside(void **state)
{
    static const char *const values[] = {
        "(SELECT max(a.n) FROM a WHERE a.id = t.n)",
        "CASE WHEN EXISTS (SELECT 1 FROM a WHERE a.id = t.n) THEN t.id * 0 + 1000000 + t.n END",
        "(SELECT sum(b.n) FROM a AS b WHERE b.id IN (SELECT c.id FROM a AS c WHERE c.id = t.n))",
    };
    char sql[512];
    float query[DIMS];

    (void)state;
    run("DELETE FROM a; INSERT INTO a (id, n) SELECT g, g + 1000000 FROM "
        "generate_series(0, 999) AS s(g)");
    vector_draw(query);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        for (int filtered = 0; filtered < 2; filtered++) {
            const char *where = filtered ? "WHERE n >= 10 AND name <> 'ant'" : "";
            mn_stmt *stmt;
            int count = 0;

            snprintf(sql, sizeof sql, "SELECT id, %s FROM t %s NEAREST 9 TO $1 METRIC l2",
                     values[i], where);
            stmt = prepare(sql);
            mn_bind_vector(stmt, 1, query, DIMS, MN_STATIC);
            for (; mn_step(stmt) == MN_ROW; count++) {
                int64_t id = mn_col_int(stmt, 0);

                assert_true(id >= 0 && id < ROWS && rows[id].there);
                assert_int_equal(mn_col_int(stmt, 1), 1000000 + rows[id].n);
            }
            assert_int_equal(count, 9);
            mn_finalize(stmt);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_filter_again),
        cmocka_unit_test(the_same_filter_in_order_by),
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(a_filter_of_each_row),
        cmocka_unit_test(columns_of_the_filter_alone),
        cmocka_unit_test(columns_for_a_filter_inside),
    };

    return cmocka_run_group_tests_name("query/again", tests, rows_open, rows_close);
}
