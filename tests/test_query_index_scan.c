/*
 * Rows that an index alone can give, in its order, some at a time: against an array that is
 * filtered and sorted by this program.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/test.h"

enum { ROWS = 4000, QUESTIONS = 1500, NONE = -1 };

struct row {
    int64_t id, k, at, u; /* at: NONE is NULL */
};

static struct row rows[ROWS];
static mn_db *db;

static void must(int status)
{
    if (status != MN_OK) fail_msg("%s (%s)", mn_errmsg(db), mn_error_hint(db));
}

/* Four kinds, times that repeat and some that are NULL; ids on both sides of zero. */
static void rows_make(uint64_t *seed)
{
    mn_stmt *insert;

    must(mn_exec(db,
                 "CREATE TABLE t (id INT PRIMARY KEY, k INT, at INT, u INT, s TEXT, b INT);"
                 "CREATE INDEX t_k_at ON t (k, at); CREATE INDEX t_s ON t (s, at DESC);"
                 "CREATE UNIQUE INDEX t_u ON t (u); CREATE INDEX t_b ON t (b); BEGIN",
                 NULL, NULL));
    must(
        mn_prepare(db, "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $3 % 2)", MN_ALL, &insert, NULL));
    for (int i = 0; i < ROWS; i++) {
        struct row *row = &rows[i];
        char text[8];

        row->id = i - ROWS / 3;
        row->k = (int64_t)(test_random(seed) % 4);
        row->at = test_random(seed) % 50 ? (int64_t)(test_random(seed) % 1000) : NONE;
        row->u = i * INT64_C(7919) % ROWS;
        must(mn_bind_int(insert, 1, row->id));
        must(mn_bind_int(insert, 2, row->k));
        must(row->at == NONE ? mn_bind_null(insert, 3) : mn_bind_int(insert, 3, row->at));
        must(mn_bind_int(insert, 4, row->u));
        (void)snprintf(text, sizeof text, "s%d", (int)row->k);
        must(mn_bind_text(insert, 5, text, MN_ALL, MN_COPY));
        assert_int_equal(mn_step(insert), MN_DONE);
        must(mn_reset(insert));
    }
    mn_finalize(insert);
    must(mn_exec(db, "COMMIT", NULL, NULL));
}

/* One question: rows of k = `k` (or all), low <= field < high, by field and id. */
struct question {
    int64_t k, low, high, limit, offset;
    bool by_u, backward, nulls, odd;
};

static bool question_takes(const struct question *q, const struct row *row)
{
    int64_t field = q->by_u ? row->u : row->at;

    if (!q->by_u && row->k != q->k) return false;
    if (q->odd && field % 2 != 1) return false;
    if (!q->by_u && row->at == NONE) return q->nulls;
    return q->nulls || (field >= q->low && field < q->high);
}

static const struct question *sorting;

/* NULLs last both ways; equal times by id, backward from the last id. */
static int row_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int64_t left = sorting->by_u ? x->u : x->at, right = sorting->by_u ? y->u : y->at;
    int order = (left > right) - (left < right);

    if (left != right && (left == NONE || right == NONE)) return left == NONE ? 1 : -1;
    if (order == 0) order = (x->id > y->id) - (x->id < y->id);
    return sorting->backward ? -order : order;
}

static size_t question_answer(const struct question *q, struct row *out)
{
    size_t count = 0;

    for (int i = 0; i < ROWS; i++) {
        if (question_takes(q, &rows[i])) out[count++] = rows[i];
    }
    sorting = q;
    qsort(out, count, sizeof *out, row_compare);
    return count;
}

static struct question question_draw(uint64_t *seed)
{
    struct question q = {.k = (int64_t)(test_random(seed) % 5), .by_u = test_random(seed) % 4 == 0};
    int64_t span = q.by_u ? ROWS : 1000;

    q.low = (int64_t)(test_random(seed) % (uint64_t)span) - 5;
    q.high = q.low + (int64_t)(test_random(seed) % (uint64_t)(test_random(seed) % 2 ? span : 20));
    q.nulls = test_random(seed) % 3 == 0;
    q.odd = !q.nulls && test_random(seed) % 4 == 0;
    q.backward = test_random(seed) % 2;
    q.limit = test_random(seed) % 2 ? (int64_t)(test_random(seed) % 100) : ROWS;
    q.offset = test_random(seed) % 4 ? 0 : (int64_t)(test_random(seed) % 30);
    return q;
}

/* The same rows, with outputs that need nothing, one or both of the index's columns. */
static void question_write(const struct question *q, uint64_t *seed, char *sql, size_t size)
{
    static const char *const outputs[] = {"id", "id, at", "id, k", "id, at + k", "id, u"};
    const char *field = q->by_u ? "u" : "at", *way = q->backward ? " DESC" : "";
    bool by_text = !q->by_u && test_random(seed) % 2;
    int n = snprintf(sql, size, "SELECT %s FROM t WHERE ", outputs[test_random(seed) % 5]);

    if (q->by_u) {
        n += snprintf(sql + n, size - (size_t)n, "true");
    } else if (by_text) {
        n += snprintf(sql + n, size - (size_t)n, "s = 's%" PRId64 "'", q->k);
    } else {
        n += snprintf(sql + n, size - (size_t)n, "k = %" PRId64, q->k);
    }
    if (!q->nulls) {
        n += snprintf(sql + n, size - (size_t)n, " AND %s >= %" PRId64 " AND %s < %" PRId64, field,
                      q->low, field, q->high);
    }
    if (q->odd) n += snprintf(sql + n, size - (size_t)n, " AND %s %% 2 = 1", field);
    n += snprintf(sql + n, size - (size_t)n, " ORDER BY %s%s, id%s LIMIT %" PRId64, field, way, way,
                  q->limit);
    if (q->offset) (void)snprintf(sql + n, size - (size_t)n, " OFFSET %" PRId64, q->offset);
}

static void question_ask(const struct question *q, uint64_t *seed)
{
    static struct row wanted[ROWS];
    size_t count = question_answer(q, wanted), at = (size_t)q->offset, end;
    mn_stmt *stmt;
    char sql[512];
    int status;

    end = at + (size_t)q->limit < count ? at + (size_t)q->limit : count;
    question_write(q, seed, sql, sizeof sql);
    must(mn_prepare(db, sql, MN_ALL, &stmt, NULL));
    while ((status = mn_step(stmt)) == MN_ROW) {
        if (at >= end || mn_col_int(stmt, 0) != wanted[at].id) fail_msg("row %zu of %s", at, sql);
        if (strcmp(mn_col_name(stmt, 0), "id") != 0) fail_msg("%s", sql);
        at++;
    }
    assert_int_equal(status, MN_DONE);
    if (at < end) fail_msg("%zu rows instead of %zu of %s", at, end, sql);
    mn_finalize(stmt);
}

static void gives_what_a_sorted_array_gives(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    rows_make(&seed);
    for (int i = 0; i < QUESTIONS; i++) {
        struct question q = question_draw(&seed);

        if (i % 10 == 0) must(mn_exec(db, "BEGIN WRITE", NULL, NULL));
        question_ask(&q, &seed);
        if (i % 10 == 0) must(mn_exec(db, "ROLLBACK", NULL, NULL));
    }
    must(mn_close(db));
}

static int64_t number_of(const char *sql)
{
    mn_stmt *stmt;
    int64_t number;

    must(mn_prepare(db, sql, MN_ALL, &stmt, NULL));
    assert_int_equal(mn_step(stmt), MN_ROW);
    number = mn_col_int(stmt, 0);
    mn_finalize(stmt);
    return number;
}

/* Columns that only a clause other than the outputs reads are still read. */
static void columns_are_there_where_they_are_read(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    rows_make(&seed);
    assert_int_equal(number_of("SELECT count(*) FROM (SELECT id FROM t WHERE k = 2 AND at >= 0 "
                               "ORDER BY at) AS a"),
                     number_of("SELECT count(*) FROM t WHERE k = 2 AND at IS NOT NULL"));
    assert_int_equal(number_of("SELECT max(n) FROM (SELECT (SELECT max(b.at) FROM t AS b WHERE "
                               "b.k = a.k) - a.at AS n FROM t AS a WHERE a.k = 1 ORDER BY a.at "
                               "LIMIT 1) AS c"),
                     number_of("SELECT max(at) - min(at) FROM t WHERE k = 1"));
    assert_int_equal(number_of("SELECT sum(at) FROM t WHERE k = 3"),
                     number_of("SELECT sum(b.at) FROM t AS a JOIN t AS b ON b.id = a.id WHERE "
                               "a.k = 3"));
    assert_int_equal(number_of("SELECT count(*) FROM (SELECT DISTINCT k FROM t WHERE k >= 0 "
                               "ORDER BY k) AS a"),
                     4);
    assert_int_equal(number_of("SELECT at - k FROM t WHERE k = 3 AND at > 10 ORDER BY at DESC, "
                               "id DESC LIMIT 1"),
                     number_of("SELECT max(at) - 3 FROM t WHERE k = 3"));
    assert_int_equal(number_of("SELECT id FROM t WHERE b = 1 AND at % 3 = 1 ORDER BY id LIMIT 1"),
                     number_of("SELECT min(id) FROM t WHERE at % 2 = 1 AND at % 3 = 1"));
    assert_int_equal(
        number_of("SELECT sum(id) FROM (SELECT id FROM t WHERE b = 1 ORDER BY id) AS a"),
        number_of("SELECT sum(id) FROM t WHERE at % 2 = 1"));
    must(mn_close(db));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_a_sorted_array_gives),
        cmocka_unit_test(columns_are_there_where_they_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
