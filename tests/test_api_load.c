/*
 * Loads of a program's own rows, and batches of columns: mn_load_*, mn_fetch.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support/api.h"
#include "support/test.h"

enum { ROWS = 5000 };

static const char *const setup =
    "CREATE TABLE t (id INT PRIMARY KEY, s TEXT UNIQUE, f FLOAT DEFAULT 1.5, v VECTOR(2),"
    "  c INT CHECK (c < 1000000)); CREATE INDEX t_f ON t (f);"
    "CREATE TABLE plain (id INT PRIMARY KEY, s TEXT)";

static mn_load *load_begin(mn_db *db, const char *table, const char *const *names, size_t count)
{
    mn_load *load;

    api_expect(db, mn_load_begin(db, table, names, count, &load), MN_OK);
    assert_non_null(load);
    return load;
}

/* Row i of ROWS, in the order of the load. */
static int64_t id_of(int64_t i, bool sorted)
{
    return sorted ? i : i * 2731 % ROWS;
}

static void rows_load(mn_db *db, bool sorted)
{
    static const char *const names[] = {"s", "id", "v", "c"};
    mn_load *load = load_begin(db, "t", names, 4);

    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id = id_of(i, sorted);
        float vector[2] = {(float)id, 1};
        char text[20];
        mn_datum values[4];

        snprintf(text, sizeof text, "s%d", (int)id);
        values[0] = api_of_text(text);
        values[1] = api_of_int(id);
        values[2] = (mn_datum){.type = MN_TYPE_VECTOR, .length = 2, .as.p = vector};
        values[3] = i % 3 ? api_of_int(i) : api_null();
        api_expect(db, mn_load_row(load, values), MN_OK);
    }
    assert_int_equal(api_int(db, "SELECT count(*) FROM t"), 0); /* another snapshot */
    api_expect(db, mn_load_end(load, 1), MN_OK);
    assert_int_equal(mn_changes(db), ROWS);
}

static void rows_are_there(mn_db *db)
{
    char sql[300];

    assert_int_equal(api_int(db, "SELECT count(*) FROM t"), ROWS);
    assert_int_equal(api_int(db, "SELECT sum(id) FROM t"), (int64_t)ROWS * (ROWS - 1) / 2);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM t WHERE f = 1.5 AND s = 's' || id AND v = [id, 1]");
    assert_int_equal(api_int(db, sql), ROWS);
    assert_int_equal(api_int(db, "SELECT count(*) FROM t WHERE c IS NULL"), (ROWS + 2) / 3);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
}

static void loaded_rows_are_as_inserted_ones(void **state)
{
    (void)state;
    for (int sorted = 0; sorted < 2; sorted++) {
        mn_db *db = api_open(setup);

        rows_load(db, sorted);
        rows_are_there(db);
        assert_int_equal(mn_close(db), MN_OK);
    }
}

static void plain_load(mn_db *db, mn_load *load, int64_t from, int64_t to)
{
    for (int64_t id = from; id < to; id++) {
        mn_datum values[2] = {api_of_int(id), api_of_text("body")};

        api_expect(db, mn_load_row(load, values), MN_OK);
    }
}

static void a_load_is_part_of_its_transaction(void **state)
{
    mn_db *db = api_open(setup);
    mn_load *load;

    (void)state;
    api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    api_exec(db, "INSERT INTO plain VALUES (-1, 'before')");
    api_expect(db, mn_savepoint(db, "s"), MN_OK);
    load = load_begin(db, "plain", NULL, 0);
    plain_load(db, load, 0, 3000);
    api_expect(db, mn_commit(db), MN_MISUSE);
    api_expect(db, mn_savepoint(db, "x"), MN_MISUSE);
    api_expect(db, mn_rollback_to(db, "s"), MN_MISUSE);
    api_expect(db, mn_release(db, "s"), MN_MISUSE);
    api_expect(db, mn_exec(db, "SELECT count(*) FROM plain", NULL, NULL), MN_MISUSE);
    api_expect(db, mn_exec(db, "DELETE FROM plain", NULL, NULL), MN_MISUSE);
    api_expect(db, mn_load_end(load, 1), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM plain"), 3001);
    load = load_begin(db, "plain", NULL, 0);
    plain_load(db, load, 4000, 7000);
    api_expect(db, mn_load_end(load, 0), MN_OK); /* taken back */
    assert_int_equal(api_int(db, "SELECT count(*) FROM plain"), 3001);
    api_expect(db, mn_rollback_to(db, "s"), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM plain"), 1);
    load = load_begin(db, "plain", NULL, 0);
    plain_load(db, load, 0, 10);
    api_expect(db, mn_rollback(db), MN_OK); /* the load is over, but for its handle */
    {
        mn_datum values[2] = {api_of_int(1), api_null()};

        api_expect(db, mn_load_row(load, values), MN_ERROR);
    }
    assert_int_equal(api_int(db, "SELECT count(*) FROM plain"), 0);
    api_expect(db, mn_close(db), MN_MISUSE);
    api_expect(db, mn_load_end(load, 1), MN_ERROR);
    assert_int_equal(api_int(db, "SELECT count(*) FROM plain"), 0);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_load_alone_keeps_writers_of_its_thread_off(void **state)
{
    mn_db *db = api_open(setup);
    mn_load *load = load_begin(db, "plain", NULL, 0), *second = (mn_load *)1;

    (void)state;
    api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_MISUSE);
    api_expect(db, mn_exec(db, "INSERT INTO plain VALUES (1, 'x')", NULL, NULL), MN_MISUSE);
    api_expect(db, mn_load_begin(db, "t", NULL, 0, &second), MN_MISUSE);
    assert_null(second);
    plain_load(db, load, 0, 10);
    api_expect(db, mn_load_end(load, 0), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM plain"), 0);
    api_exec(db, "INSERT INTO plain VALUES (1, 'x')");
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_broken_rule_takes_all_back(void **state, bool inside)
{
    static const char *const names[] = {"id", "s", "c"};
    const mn_datum bad[][3] = {
        {api_of_int(1), api_of_text("new"), api_null()},           /* the key is there */
        {api_of_int(77), api_of_text("there"), api_null()},        /* UNIQUE */
        {api_of_int(78), api_of_text("new"), api_of_int(1000000)}, /* CHECK */
        {api_of_int(79), api_of_int(3), api_null()},               /* a type */
        {api_of_int(80), api_of_text("\xff"), api_null()},
    };
    mn_db *db = api_open(setup);

    (void)state;
    api_exec(db, "INSERT INTO t (id, s) VALUES (1, 'there')");
    if (inside) api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mn_load *load = load_begin(db, "t", names, 3);
        mn_datum good[3] = {api_of_int(50), api_of_text("fifty"), api_of_int(1)};
        int code, wanted = i < 3 ? MN_CONSTRAINT : MN_TYPE;

        api_expect(db, mn_load_row(load, good), MN_OK);
        code = mn_load_row(load, bad[i]);
        if (code != MN_OK) {
            api_expect(db, code, wanted);
            assert_non_null(strstr(mn_errmsg(db), "row 1 of the load"));
            api_expect(db, mn_load_row(load, good), wanted); /* the same failure */
        }
        api_expect(db, mn_load_end(load, 1), wanted);
        assert_non_null(strstr(mn_errmsg(db), "row 1 of the load"));
        assert_int_equal(mn_in_transaction(db), inside);
        assert_int_equal(api_int(db, "SELECT sum(id) FROM t"), 1);
    }
    if (inside) api_expect(db, mn_commit(db), MN_OK);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_broken_rule_takes_all_back_outside(void **state)
{
    a_broken_rule_takes_all_back(state, false);
}

static void a_broken_rule_takes_all_back_inside(void **state)
{
    a_broken_rule_takes_all_back(state, true);
}

static void edges_are_loaded_too(void **state)
{
    mn_db *db = api_open("CREATE TABLE n (name TEXT PRIMARY KEY); CREATE RELATION r FROM n TO n"
                         " (w FLOAT); INSERT INTO n VALUES ('a'), ('b'), ('c')");
    mn_load *load = load_begin(db, "r", NULL, 0);
    mn_datum edge[3] = {api_of_text("b"), api_of_text("a"), api_of_int(2)};

    (void)state;
    api_expect(db, mn_load_row(load, edge), MN_OK);
    edge[0] = api_of_text("a");
    edge[1] = api_of_text("c");
    api_expect(db, mn_load_row(load, edge), MN_OK);
    api_expect(db, mn_load_end(load, 1), MN_OK);
    assert_int_equal(api_int(db, "SELECT count(*) FROM MATCH (x:n)-[:r]->(y:n) WHERE x.name = 'b'"),
                     1);
    load = load_begin(db, "r", NULL, 0);
    edge[1] = api_of_text("nobody");
    api_expect(db, mn_load_row(load, edge), MN_CONSTRAINT);
    api_expect(db, mn_load_end(load, 1), MN_CONSTRAINT);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- batches ---- */

static const char *const wide =
    "CREATE TABLE w (id INT PRIMARY KEY, b BOOL, f FLOAT, s TEXT, at TIMESTAMP, u UUID,"
    "  v VECTOR(16), l INT[], j JSON);"
    "INSERT INTO w SELECT g, g % 2 = 0, g / 4.0, CASE WHEN g % 5 > 0 THEN 'text ' || g END,"
    "  '2026-01-01'::timestamp + g * 1s, '00112233-4455-6677-8899-aabbccddeeff',"
    "  [g,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15], [g, NULL], '{\"a\":1}'"
    "  FROM generate_series(1, 2500) g";

static void batch_is_right(const mn_batch *batch, int64_t first)
{
    const mn_array *c = batch->columns;

    assert_int_equal(batch->count, 9);
    for (size_t r = 0; r < batch->rows; r++) {
        int64_t id = first + (int64_t)r;
        const mn_datum *list = c[7].pointers[r];
        char text[20];

        assert_int_equal(((const int64_t *)c[0].values)[r], id);
        assert_int_equal(((const uint8_t *)c[1].values)[r], id % 2 == 0);
        assert_true(((const double *)c[2].values)[r] == (double)id / 4);
        assert_int_equal(c[3].nulls[r], id % 5 == 0);
        snprintf(text, sizeof text, "text %d", (int)id);
        if (id % 5 == 0) {
            assert_null(c[3].pointers[r]);
            assert_int_equal(c[3].lengths[r], 0);
        } else {
            assert_int_equal(c[3].lengths[r], strlen(text));
            assert_memory_equal(c[3].pointers[r], text, strlen(text));
        }
        assert_int_equal(((const int64_t *)c[4].values)[r],
                         INT64_C(1767225600000000) + id * 1000000);
        assert_int_equal(((const uint8_t *)c[5].values)[r * c[5].stride + 1], 0x11);
        assert_true(((const float *)c[6].pointers[r])[0] == (float)id);
        if (c[6].values) {
            const uint8_t *at = (const uint8_t *)c[6].values + r * c[6].stride;

            assert_ptr_equal(at, c[6].pointers[r]);
        }
        assert_int_equal(c[7].lengths[r], 2);
        assert_int_equal(list[0].as.i, id);
        assert_int_equal(list[1].type, MN_TYPE_NULL);
        assert_memory_equal(c[8].pointers[r], "{\"a\":1}", 7);
    }
    assert_int_equal(c[6].dims, 16);
    assert_null(c[0].nulls);
}

static void fetch_all(mn_db *db, const char *sql)
{
    mn_stmt *stmt = api_prepare(db, sql);
    mn_batch batch = {.size = sizeof batch};

    for (int again = 0; again < 2; again++) {
        int64_t next = 1;
        int code;

        while ((code = mn_fetch(stmt, &batch)) == MN_ROW) {
            assert_true(batch.rows >= 1 && batch.rows <= MN_BATCH_ROWS);
            batch_is_right(&batch, next);
            next += (int64_t)batch.rows;
            assert_int_equal(mn_col_is_null(stmt, 0), 1); /* no row for mn_col_* */
        }
        api_expect(db, code, MN_DONE);
        assert_int_equal(batch.rows, 0);
        assert_int_equal(next, 2501);
    }
    mn_finalize(stmt);
}

static void batches_hold_what_steps_give(void **state)
{
    mn_db *db = api_open(wide);

    (void)state;
    fetch_all(db, "SELECT * FROM w");
    fetch_all(db, "SELECT * FROM w WHERE id > 0 ORDER BY at");
    fetch_all(db, "SELECT w.* FROM w JOIN w x ON x.id = w.id ORDER BY w.id");
    fetch_all(db, "SELECT id, b, f, lower(upper(s)), at, u, v, l, j FROM w WHERE f < 1e9");
    api_expect(db, mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    api_exec(db, "UPDATE w SET b = b");
    fetch_all(db, "SELECT * FROM w");
    api_expect(db, mn_commit(db), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void steps_and_fetches_take_turns(void **state)
{
    mn_db *db = api_open(wide);
    mn_stmt *stmt = api_prepare(db, "SELECT id FROM w");
    mn_batch batch = {.size = sizeof batch};

    (void)state;
    api_expect(db, mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), 1);
    api_expect(db, mn_fetch(stmt, &batch), MN_ROW);
    assert_int_equal(((const int64_t *)batch.columns[0].values)[0], 2);
    api_expect(db, mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), 2 + (int64_t)batch.rows);
    api_expect(db, mn_reset(stmt), MN_OK);
    api_expect(db, mn_fetch(stmt, &batch), MN_ROW);
    assert_int_equal(((const int64_t *)batch.columns[0].values)[0], 1);
    mn_finalize(stmt);
    stmt = api_prepare(db, "DELETE FROM w WHERE id <= 3 RETURNING id, s");
    api_expect(db, mn_fetch(stmt, &batch), MN_ROW);
    assert_int_equal(batch.rows, 3);
    api_expect(db, mn_fetch(stmt, &batch), MN_DONE);
    mn_finalize(stmt);
    stmt = api_prepare(db, "CREATE TABLE x (a INT)");
    api_expect(db, mn_fetch(stmt, &batch), MN_DONE);
    mn_finalize(stmt);
    stmt = api_prepare(db, "SELECT id / (id - 2000) FROM w");
    api_expect(db, mn_fetch(stmt, &batch), MN_ROW);
    assert_int_equal(mn_fetch(stmt, &batch), MN_RANGE);
    assert_int_equal(batch.rows, 0);
    mn_finalize(stmt);
    stmt = api_prepare(db, "SELECT NULL, s FROM w WHERE s IS NULL");
    api_expect(db, mn_fetch(stmt, &batch), MN_ROW);
    assert_int_equal(batch.columns[0].type, MN_TYPE_NULL);
    assert_int_equal(batch.columns[1].type, MN_TYPE_TEXT); /* as prepared */
    assert_int_equal(batch.columns[1].nulls[0], 1);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

/* What mn_fetch gives, mn_load_batch takes. */
static void batches_are_loaded_as_they_were_fetched(void **state)
{
    mn_db *db = api_open(wide), *other;
    mn_stmt *stmt = api_prepare(db, "SELECT * FROM w");
    mn_batch batch = {.size = sizeof batch};
    mn_load *load;

    (void)state;
    other = api_open("CREATE TABLE w (id INT PRIMARY KEY, b BOOL, f FLOAT, s TEXT, at TIMESTAMP,"
                     "  u UUID, v VECTOR(16), l INT[], j JSON)");
    load = load_begin(other, "w", NULL, 0);
    while (mn_fetch(stmt, &batch) == MN_ROW) {
        api_expect(other, mn_load_batch(load, &batch), MN_OK);
    }
    batch.rows = 1;
    batch.count = 3;
    api_expect(other, mn_load_batch(load, &batch), MN_MISUSE); /* the load goes on */
    api_expect(other, mn_load_batch(load, NULL), MN_MISUSE);
    api_expect(other, mn_load_end(load, 1), MN_OK);
    mn_finalize(stmt);
    fetch_all(other, "SELECT * FROM w");
    assert_int_equal(mn_close(other), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- misuse, threads and memory ---- */

static void *foreign_row(void *context)
{
    mn_datum values[2] = {api_of_int(1), api_null()};

    return (void *)(intptr_t)mn_load_row(context, values);
}

static void misuse_is_answered(void **state)
{
    static const char *const names[] = {"id", "zz"}, *const holes[] = {NULL};
    mn_db *db = api_open(setup);
    mn_stmt *stmt = api_prepare(db, "SELECT 1");
    mn_batch batch = {.size = 1};
    mn_array array = {.size = sizeof array, .type = MN_TYPE_INT}, two[2] = {array, array};
    mn_load *load = (mn_load *)1;
    pthread_t thread;
    void *answer;

    (void)state;
    assert_int_equal(mn_load_begin(NULL, "t", NULL, 0, &load), MN_MISUSE);
    assert_null(load);
    api_expect(db, mn_load_begin(db, "t", NULL, 0, NULL), MN_MISUSE);
    api_expect(db, mn_load_begin(db, NULL, NULL, 0, &load), MN_MISUSE);
    api_expect(db, mn_load_begin(db, "nope", NULL, 0, &load), MN_SCHEMA);
    api_expect(db, mn_load_begin(db, "t", names, 2, &load), MN_SCHEMA);
    api_expect(db, mn_load_begin(db, "t", holes, 1, &load), MN_MISUSE);
    api_expect(db, mn_load_begin(db, "t", NULL, 1, &load), MN_MISUSE);
    assert_null(load);
    assert_int_equal(mn_load_row(NULL, NULL), MN_MISUSE);
    assert_int_equal(mn_load_batch(NULL, &batch), MN_MISUSE);
    assert_int_equal(mn_load_end(NULL, 1), MN_MISUSE);
    assert_int_equal(mn_fetch(NULL, &batch), MN_MISUSE);
    api_expect(db, mn_fetch(stmt, &batch), MN_MISUSE);
    api_expect(db, mn_fetch(stmt, NULL), MN_MISUSE);
    mn_finalize(stmt);
    load = load_begin(db, "plain", NULL, 0);
    api_expect(db, mn_load_row(load, NULL), MN_MISUSE);
    api_expect(db, mn_load_batch(load, &batch), MN_MISUSE); /* its size */
    batch = (mn_batch){.size = sizeof batch, .rows = 1, .count = 2, .columns = two};
    api_expect(db, mn_load_batch(load, &batch), MN_MISUSE); /* no values */
    two[0].size = 8;
    api_expect(db, mn_load_batch(load, &batch), MN_MISUSE);
    pthread_create(&thread, NULL, foreign_row, load);
    pthread_join(thread, &answer);
    assert_int_equal((intptr_t)answer, MN_MISUSE);
    plain_load(db, load, 0, 5);
    mn_interrupt(db);
    plain_load(db, load, 5, 1023);
    {
        mn_datum values[2] = {api_of_int(2000), api_null()};

        api_expect(db, mn_load_row(load, values), MN_INTERRUPT);
    }
    api_expect(db, mn_load_end(load, 1), MN_INTERRUPT);
    assert_int_equal(api_int(db, "SELECT count(*) FROM plain"), 0);
    assert_int_equal(mn_close(db), MN_OK);
}

/* All rows are given when it comes: merging what was sorted, and making codes, sees it. */
static void the_end_of_a_load_can_be_interrupted(void **state)
{
    static const char *const tables[] = {
        "CREATE TABLE e (id INT PRIMARY KEY, v VECTOR(2))", /* ids out of order */
        "CREATE TABLE e (v VECTOR(2), id INT); CREATE INDEX e_id ON e (id)",
        "CREATE TABLE e (v VECTOR(2), id INT); CREATE INDEX e_v ON e (v) USING vector",
        /* codes one by one */
        ("CREATE TABLE e (v VECTOR(2), id INT); CREATE INDEX e_v ON e (v) USING vector;"
         "INSERT INTO e SELECT [g, 2], 5000 FROM generate_series(1, 1001) g"),
    };
    static const char *const names[] = {"id", "v"};

    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        mn_db *db = api_open(tables[t]);

        for (int interrupted = 1; interrupted >= 0; interrupted--) {
            mn_load *load = load_begin(db, "e", names, 2);

            for (int64_t i = 0; i < 1000; i++) { /* too few for a look while they come */
                float vector[2] = {(float)i, 1};
                mn_datum values[2] = {api_of_int(i * 7 % 1009),
                                      {.type = MN_TYPE_VECTOR, .length = 2, .as.p = vector}};

                api_expect(db, mn_load_row(load, values), MN_OK);
            }
            if (interrupted) mn_interrupt(db);
            api_expect(db, mn_load_end(load, 1), interrupted ? MN_INTERRUPT : MN_OK);
            assert_int_equal(api_int(db, "SELECT count(*) FROM e WHERE id < 2000"),
                             interrupted ? 0 : 1000);
            assert_int_equal(api_int(db, "SELECT count(*) FROM e WHERE id < 500"),
                             interrupted ? 0 : 500);
        }
        assert_int_equal(mn_close(db), MN_OK);
    }
}

static int starving_work(void *context)
{
    mn_db *db = context;
    mn_load *load = NULL;
    int code = mn_load_begin(db, "t", NULL, 0, &load), ended;

    for (int64_t i = 0; i < 300 && code == MN_OK; i++) {
        char text[20];
        mn_datum values[5] = {api_of_int(1000 - i * 3), api_of_text(text), api_of_float(1),
                              api_null(), api_null()};

        snprintf(text, sizeof text, "s%d", (int)i);
        values[1].length = (uint32_t)strlen(text);
        code = mn_load_row(load, values);
    }
    if (!load) return code;
    ended = mn_load_end(load, 0);
    return code == MN_OK ? ended : code;
}

static int starving_fetch(void *context)
{
    mn_db *db = context;
    mn_batch batch = {.size = sizeof batch};
    mn_stmt *stmt;
    int code = mn_prepare(db, "SELECT id, s || 'x', v FROM t", MN_ALL, &stmt, NULL);

    if (code != MN_OK) return code;
    while ((code = mn_fetch(stmt, &batch)) == MN_ROW) {
    }
    mn_finalize(stmt);
    return code == MN_DONE ? MN_OK : code;
}

static void starving_settle(void *context, int code)
{
    mn_db *db = context;

    (void)code;
    assert_int_equal(api_int(db, "SELECT count(*) FROM t"), 2);
}

static void every_allocation_may_fail(void **state)
{
    mn_db *db = api_open(setup);

    (void)state;
    api_exec(db, "INSERT INTO t (id, s, v) VALUES (-1, 'a', [1, 2]), (-2, 'b', [3, 4])");
    assert_true(api_starve(starving_work, starving_settle, db) > 10);
    assert_true(api_starve(starving_fetch, starving_settle, db) > 5);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_rows_are_as_inserted_ones),
        cmocka_unit_test(a_load_is_part_of_its_transaction),
        cmocka_unit_test(a_load_alone_keeps_writers_of_its_thread_off),
        cmocka_unit_test(a_broken_rule_takes_all_back_outside),
        cmocka_unit_test(a_broken_rule_takes_all_back_inside),
        cmocka_unit_test(edges_are_loaded_too),
        cmocka_unit_test(batches_hold_what_steps_give),
        cmocka_unit_test(steps_and_fetches_take_turns),
        cmocka_unit_test(batches_are_loaded_as_they_were_fetched),
        cmocka_unit_test(misuse_is_answered),
        cmocka_unit_test(the_end_of_a_load_can_be_interrupted),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
