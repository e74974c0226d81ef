/*
 * Random changes and questions against a model that is an array of rows.
 *
 * The model knows nothing of trees, indexes or plans: it changes and scans its array, and sorts by
 * its own comparison. Transactions and savepoints are copies of the whole array.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/test.h"

enum { ROWS_MAX = 400, IDS = 120, DEPTH = 4 };

struct row {
    int64_t id, n, k, at; /* -1: NULL, for k and at */
};

struct model {
    struct row rows[ROWS_MAX];
    int count;
};

struct world {
    mn_db *db;
    uint64_t random;
    struct model now;
    struct model saved[DEPTH]; /* 0: at BEGIN; then savepoints s1, s2, ... */
    int depth;                 /* 0: no transaction */
    char sql[2048];
};

static int64_t draw(struct world *w, int64_t below)
{
    return (int64_t)(test_random(&w->random) % (uint64_t)below);
}

static void broken(struct world *w, const char *what)
{
    print_error("seed %llu: %s\n  %s\n  %s\n", (unsigned long long)test_seed(), what, w->sql,
                mn_errmsg(w->db));
    fail();
}

static int run(struct world *w)
{
    return mn_exec(w->db, w->sql, NULL, NULL);
}

static void run_expect(struct world *w, int code, int64_t changes)
{
    if (run(w) != code) broken(w, "another code than the model's");
    if (code == MN_OK && changes >= 0 && mn_changes(w->db) != changes) {
        broken(w, "another number of changes than the model's");
    }
}

static int row_find(const struct model *m, int64_t id)
{
    for (int i = 0; i < m->count; i++) {
        if (m->rows[i].id == id) return i;
    }
    return -1;
}

static int key_find(const struct model *m, int64_t k)
{
    for (int i = 0; i < m->count; i++) {
        if (k >= 0 && m->rows[i].k == k) return i;
    }
    return -1;
}

static void row_remove(struct model *m, int at)
{
    m->rows[at] = m->rows[--m->count];
}

/* ---- changes ---- */

static const char *nullable(int64_t value, const char *format, char text[64])
{
    if (value < 0) return "NULL";
    snprintf(text, 64, format, (long long)value);
    return text;
}

static struct row row_draw(struct world *w)
{
    struct row row = {.id = draw(w, IDS), .n = draw(w, 10), .k = draw(w, 90), .at = draw(w, 50)};

    if (draw(w, 4) == 0) row.k = -1;
    if (draw(w, 5) == 0) row.at = -1;
    return row;
}

static void insert_write(struct world *w, const struct row *row, const char *verb, const char *tail)
{
    char k[64], at[64];

    snprintf(w->sql, sizeof w->sql, "%s INTO t (id, n, k, at) VALUES (%lld, %lld, %s, %s)%s", verb,
             (long long)row->id, (long long)row->n, nullable(row->k, "'k%lld'", k),
             nullable(row->at, "'1970-01-01'::timestamp + %lld * 1s", at), tail);
}

static void do_insert(struct world *w)
{
    struct row row = row_draw(w);
    bool clash = row_find(&w->now, row.id) >= 0 || key_find(&w->now, row.k) >= 0;

    if (w->now.count == ROWS_MAX) return;
    if (draw(w, 3) == 0) {
        insert_write(w, &row, "INSERT", " ON CONFLICT DO NOTHING");
        run_expect(w, MN_OK, clash ? 0 : 1);
    } else {
        insert_write(w, &row, "INSERT", "");
        run_expect(w, clash ? MN_CONSTRAINT : MN_OK, 1);
    }
    if (!clash) w->now.rows[w->now.count++] = row;
}

static void do_upsert(struct world *w)
{
    struct row row = row_draw(w);
    int at = row_find(&w->now, row.id), other = key_find(&w->now, row.k);
    bool clash = other >= 0 && other != at;

    if (w->now.count == ROWS_MAX) return;
    insert_write(w, &row, "UPSERT", "");
    run_expect(w, clash ? MN_CONSTRAINT : MN_OK, 1);
    if (clash) return;
    if (at < 0) at = w->now.count++;
    w->now.rows[at] = row;
}

struct condition {
    int kind;
    int64_t low, high;
};

static bool row_meets(const struct row *row, const struct condition *c)
{
    switch (c->kind) {
    case 0: return row->id >= c->low && row->id < c->high;
    case 1: return row->n == c->low;
    case 2: return row->at >= 0 && row->at >= c->low && row->at <= c->high;
    case 3: return row->n == c->low && row->at >= 0 && row->at > c->high;
    case 4: return row->k == c->low;
    case 5: return row->at < 0;
    case 6: return row->id == c->low || row->id == c->high;
    case 7: return (row->n == c->low || row->n == c->high) && row->at >= 0 && row->at < 25;
    default: return row->n != c->low && row->id % 3 == 0;
    }
}

static struct condition condition_draw(struct world *w, char text[256])
{
    static const char *const forms[] = {
        "id >= %lld AND id < %lld",
        "n = %lld",
        "at BETWEEN '1970-01-01'::timestamp + %lld * 1s AND '1970-01-01'::timestamp + %lld * 1s",
        "n = %lld AND at > '1970-01-01'::timestamp + %lld * 1s",
        "k = 'k%lld'",
        "at IS NULL",
        "id IN (%lld, %lld)",
        "n IN (%lld, %lld) AND at < '1970-01-01T00:00:25Z'",
        "n <> %lld AND id %% 3 = 0"};
    struct condition c = {.kind = (int)draw(w, 9)};

    c.low = draw(w, c.kind == 0 || c.kind == 6 ? IDS : c.kind == 2 ? 50 : c.kind == 4 ? 90 : 10);
    c.high = c.kind == 0 ? c.low + draw(w, 30) : draw(w, c.kind == 6 ? IDS : c.kind == 7 ? 10 : 50);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, 256, forms[c.kind], (long long)c.low, (long long)c.high);
#pragma GCC diagnostic pop
    return c;
}

static void do_update(struct world *w)
{
    char text[256];
    struct condition c = condition_draw(w, text);
    int64_t changed = 0;

    if (draw(w, 2) == 0) {
        snprintf(w->sql, sizeof w->sql, "UPDATE t SET n = (n + 1) %% 10, at = at + 1s WHERE %s",
                 text);
        for (int i = 0; i < w->now.count; i++) {
            struct row *row = &w->now.rows[i];

            if (!row_meets(row, &c)) continue;
            row->n = (row->n + 1) % 10;
            if (row->at >= 0) row->at++;
            changed++;
        }
        run_expect(w, MN_OK, changed);
        return;
    }
    snprintf(w->sql, sizeof w->sql, "UPDATE t SET k = NULL WHERE %s", text);
    for (int i = 0; i < w->now.count; i++) {
        if (!row_meets(&w->now.rows[i], &c)) continue;
        w->now.rows[i].k = -1;
        changed++;
    }
    run_expect(w, MN_OK, changed);
}

static void do_delete(struct world *w)
{
    char text[256];
    struct condition c = condition_draw(w, text);
    int64_t changed = 0;

    snprintf(w->sql, sizeof w->sql, "DELETE FROM t WHERE %s", text);
    for (int i = 0; i < w->now.count;) {
        if (row_meets(&w->now.rows[i], &c)) {
            row_remove(&w->now, i);
            changed++;
        } else {
            i++;
        }
    }
    run_expect(w, MN_OK, changed);
}

/* ---- transactions ---- */

static void do_transaction(struct world *w)
{
    int64_t what = draw(w, 4);

    if (w->depth == 0) {
        snprintf(w->sql, sizeof w->sql, "%s", what < 2 ? "BEGIN" : "BEGIN WRITE");
        run_expect(w, MN_OK, -1);
        w->saved[w->depth++] = w->now;
    } else if (what == 0 && w->depth < DEPTH) {
        snprintf(w->sql, sizeof w->sql, "SAVEPOINT s%d", w->depth);
        run_expect(w, MN_OK, -1);
        w->saved[w->depth++] = w->now;
    } else if (what == 1 && w->depth > 1) {
        int to = 1 + (int)draw(w, w->depth - 1);

        snprintf(w->sql, sizeof w->sql, "ROLLBACK TO s%d", to);
        run_expect(w, MN_OK, -1);
        w->now = w->saved[to];
        w->depth = to + 1;
    } else if (what == 2) {
        snprintf(w->sql, sizeof w->sql, "ROLLBACK");
        run_expect(w, MN_OK, -1);
        w->now = w->saved[0];
        w->depth = 0;
    } else {
        snprintf(w->sql, sizeof w->sql, "COMMIT");
        run_expect(w, MN_OK, -1);
        w->depth = 0;
    }
}

/* ---- questions ---- */

/* at descending, NULLs last; then id. */
static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->at != y->at) return x->at > y->at ? -1 : 1; /* NULL is -1 */
    return x->id < y->id ? -1 : 1;
}

static void ask_rows(struct world *w)
{
    char text[256];
    struct condition c = condition_draw(w, text);
    struct model wanted = {.count = 0};
    mn_stmt *stmt;
    int at = 0, code;

    for (int i = 0; i < w->now.count; i++) {
        if (row_meets(&w->now.rows[i], &c)) wanted.rows[wanted.count++] = w->now.rows[i];
    }
    qsort(wanted.rows, (size_t)wanted.count, sizeof wanted.rows[0], by_time);
    snprintf(w->sql, sizeof w->sql, "SELECT id, n, k, at FROM t WHERE %s ORDER BY at DESC, id%s",
             text, draw(w, 2) ? " LIMIT 1000" : "");
    if (mn_prepare(w->db, w->sql, MN_ALL, &stmt, NULL) != MN_OK) broken(w, "prepare");
    while ((code = mn_step(stmt)) == MN_ROW) {
        const struct row *row = &wanted.rows[at++];
        char key[32];

        if (at > wanted.count) broken(w, "more rows than the model has");
        snprintf(key, sizeof key, "k%lld", (long long)row->k);
        if (mn_col_int(stmt, 0) != row->id || mn_col_int(stmt, 1) != row->n) {
            broken(w, "another row than the model's");
        }
        if (mn_col_is_null(stmt, 2) != (row->k < 0) ||
            (row->k >= 0 && strcmp(mn_col_text(stmt, 2, NULL), key) != 0)) {
            broken(w, "another key than the model's");
        }
        if (mn_col_is_null(stmt, 3) != (row->at < 0) ||
            (row->at >= 0 && mn_col_time(stmt, 3) != row->at * 1000000)) {
            broken(w, "another time than the model's");
        }
    }
    if (code != MN_DONE) broken(w, "step");
    if (at != wanted.count) broken(w, "fewer rows than the model has");
    mn_finalize(stmt);
}

static void ask_number(struct world *w, int64_t wanted)
{
    mn_stmt *stmt;

    if (mn_prepare(w->db, w->sql, MN_ALL, &stmt, NULL) != MN_OK) broken(w, "prepare");
    if (mn_step(stmt) != MN_ROW) broken(w, "no row");
    if (mn_col_int(stmt, 0) != wanted) {
        print_error("got %lld, the model has %lld\n", (long long)mn_col_int(stmt, 0),
                    (long long)wanted);
        broken(w, "another number than the model's");
    }
    mn_finalize(stmt);
}

static void ask_counts(struct world *w)
{
    char text[256];
    struct condition c = condition_draw(w, text);
    int64_t count = 0, sum = 0, groups = 0, pairs = 0;
    bool seen[16] = {false};

    for (int i = 0; i < w->now.count; i++) {
        const struct row *row = &w->now.rows[i];

        if (!row_meets(row, &c)) continue;
        count++;
        sum += row->n;
        if (!seen[row->n]) groups++;
        seen[row->n] = true;
        for (int j = 0; j < w->now.count; j++) pairs += w->now.rows[j].id == row->id + 1;
    }
    snprintf(w->sql, sizeof w->sql, "SELECT count(*) FROM t WHERE %s", text);
    ask_number(w, count);
    snprintf(w->sql, sizeof w->sql, "SELECT coalesce(sum(n), 0) FROM t WHERE %s", text);
    ask_number(w, sum);
    snprintf(w->sql, sizeof w->sql, "SELECT count(*) FROM (SELECT n FROM t WHERE %s GROUP BY n) g",
             text);
    ask_number(w, groups);
    snprintf(w->sql, sizeof w->sql,
             "SELECT count(*) FROM (SELECT id FROM t WHERE %s) a JOIN t b ON b.id = a.id + 1",
             text);
    ask_number(w, pairs);
    snprintf(w->sql, sizeof w->sql,
             "SELECT count(*) FROM t WHERE (%s) AND id + 1 IN (SELECT id FROM t)", text);
    ask_number(w, pairs);
}

static void ask_newest(struct world *w)
{
    mn_stmt *stmt;
    int code;

    snprintf(w->sql, sizeof w->sql, "SELECT n, id FROM t LATEST 1 BY n");
    if (mn_prepare(w->db, w->sql, MN_ALL, &stmt, NULL) != MN_OK) broken(w, "prepare");
    for (int64_t n = 0; n < 10; n++) {
        const struct row *best = NULL;

        for (int i = 0; i < w->now.count; i++) {
            const struct row *row = &w->now.rows[i];

            if (row->n != n || row->at < 0) continue;
            if (!best || row->at > best->at || (row->at == best->at && row->id > best->id)) {
                best = row;
            }
        }
        if (!best) continue;
        if (mn_step(stmt) != MN_ROW) broken(w, "a group is missing");
        if (mn_col_int(stmt, 0) != n || mn_col_int(stmt, 1) != best->id) {
            broken(w, "another newest row than the model's");
        }
    }
    code = mn_step(stmt);
    if (code != MN_DONE) broken(w, "a group too many");
    mn_finalize(stmt);
}

static void changes_and_questions_agree_with_the_model(void **state)
{
    int steps = test_is_deep() ? 100000 : 6000;
    struct world *w = calloc(1, sizeof *w);

    (void)state;
    assert_non_null(w);
    w->random = test_seed() * 2 + 1;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &w->db), MN_OK);
    assert_int_equal(mn_exec(w->db,
                             "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, k TEXT UNIQUE,"
                             " at TIMESTAMP); CREATE INDEX t_n_at ON t (n, at DESC);"
                             "CREATE INDEX t_at ON t (at)",
                             NULL, NULL),
                     MN_OK);
    for (int i = 0; i < steps; i++) {
        int64_t what = draw(w, 20);

        if (what < 6) {
            do_insert(w);
        } else if (what < 8) {
            do_upsert(w);
        } else if (what < 10) {
            do_update(w);
        } else if (what == 10) {
            do_delete(w);
        } else if (what < 13) {
            do_transaction(w);
        } else if (what < 16) {
            ask_rows(w);
        } else if (what < 19) {
            ask_counts(w);
        } else {
            ask_newest(w);
        }
    }
    if (w->depth > 0) assert_int_equal(mn_commit(w->db), MN_OK);
    snprintf(w->sql, sizeof w->sql, "mn_check");
    if (mn_check(w->db, NULL, NULL) != MN_OK) broken(w, "the check");
    assert_int_equal(mn_close(w->db), MN_OK);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_and_questions_agree_with_the_model)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
