/*
 * Each allocation of a script fails once: the call answers MN_NOMEM, nothing is lost or kept, and
 * the same handle answers a correct query.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "mneme.h"
#include "support/test.h"

struct countdown {
    uint64_t left;
    bool hit;
};

static bool allocation_allowed(void *context, size_t size_bytes)
{
    struct countdown *countdown = context;

    (void)size_bytes;
    if (countdown->left == 0) return true;
    if (--countdown->left > 0) return true;
    countdown->hit = true;
    return false;
}

static int64_t int_of(mn_db *db, const char *sql)
{
    mn_stmt *stmt;
    int64_t answer;

    assert_int_equal(mn_prepare(db, sql, MN_ALL, &stmt, NULL), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    answer = mn_col_int(stmt, 0);
    mn_finalize(stmt);
    return answer;
}

static const char *const setup =
    "CREATE TABLE t (id INT PRIMARY KEY, a TEXT UNIQUE, b FLOAT DEFAULT 1.5 CHECK (b > 0),"
    "  v VECTOR(3), at TIMESTAMP, tags TEXT[]);"
    "CREATE INDEX t_at ON t (at);"
    "CREATE RELATION r FROM t TO t (w FLOAT);"
    "INSERT INTO t SELECT g, 'a' || g, g, [g, 1, 2], '2026-01-01'::timestamp + g * 1h, ['x', 'y']"
    "  FROM generate_series(1, 40) g;"
    "INSERT INTO r SELECT g, g + 1, g FROM generate_series(1, 30) g;";

/* Reads and changes of every kind; each leaves the sums below as they were. */
static const char *const scripts[] = {
    "SELECT * FROM t WHERE id IN (1, 5, 9) AND a LIKE 'a%' ORDER BY at DESC",
    "SELECT b > 20, count(*), sum(b), list(a ORDER BY a) FROM t GROUP BY 1 HAVING count(*) > 0",
    "SELECT x.id, y.a FROM t x LEFT JOIN t y ON y.b = x.b + 1 ORDER BY 2 LIMIT 5",
    "SELECT t.id FROM t JOIN r ON r.src = t.id WHERE EXISTS (SELECT 1 FROM r q WHERE q.dst = t.id)",
    "SELECT id FROM t WHERE id IN (SELECT dst FROM r) UNION SELECT 7 ORDER BY 1",
    "SELECT DISTINCT tags FROM t; SELECT id FROM t LATEST 2 BY tags",
    "WITH c AS (SELECT id FROM t) SELECT count(*) FROM c a, c b; SELECT * FROM tables()",
    "BEGIN; UPDATE t SET b = b + 1, v = [1, 2, 3] WHERE id < 10 RETURNING *; ROLLBACK",
    "BEGIN; INSERT INTO t (id, a) VALUES (100, 'z'), (101, 'y') ON CONFLICT (id) DO NOTHING;"
    "  UPSERT INTO t (id, a) VALUES (1, 'b'); DELETE FROM t WHERE id < 5; ROLLBACK",
    "BEGIN; SAVEPOINT s; LINK 1 TO 9 AS r SET w = 2; UNLINK 1 FROM 2 AS r; ROLLBACK TO s; COMMIT",
    "BEGIN; CREATE TABLE u (a INT PRIMARY KEY, b TEXT CHECK (b <> '')); INSERT INTO u VALUES (1, "
    "'x');"
    "  CREATE INDEX u_b ON u (b DESC); DROP TABLE t CASCADE; ROLLBACK",
    "EXPLAIN ANALYZE SELECT count(*) FROM t WHERE at > '2026-01-01'; PRAGMA integrity_check",
};

static void script_starve(mn_db *db, const char *script, uint64_t step)
{
    struct countdown countdown = {0};
    uint64_t nth = 1;
    int code;

    for (;; nth += step) {
        countdown = (struct countdown){.left = nth};
        mn_alloc_set_hook(allocation_allowed, &countdown);
        code = mn_exec(db, script, NULL, NULL);
        mn_alloc_set_hook(NULL, NULL);
        if (code == MN_NOMEM) assert_int_equal(mn_errcode(db), MN_NOMEM);
        if (code != MN_OK && code != MN_NOMEM) {
            print_error("allocation %llu of %s: %d %s\n", (unsigned long long)nth, script, code,
                        mn_errmsg(db));
        }
        assert_true(code == MN_OK || code == MN_NOMEM);
        if (mn_in_transaction(db)) assert_int_equal(mn_rollback(db), MN_OK);
        if (!countdown.hit) break;
        if (nth % 16 == 1) {
            assert_int_equal(int_of(db, "SELECT count(*) FROM t"), 40);
            assert_int_equal(int_of(db, "SELECT count(*) FROM r"), 30);
        }
    }
    assert_int_equal(code, MN_OK);
    assert_true(nth > 20); /* the hook was asked */
    assert_int_equal(int_of(db, "SELECT sum(id) FROM t"), 820);
    assert_int_equal(int_of(db, "SELECT sum(w)::INT FROM r"), 465);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
}

static void every_allocation_may_fail(void **state)
{
    mn_db *db;

    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    assert_int_equal(mn_exec(db, setup, NULL, NULL), MN_OK);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        script_starve(db, scripts[i], test_is_deep() ? 1 : 3);
    }
    assert_int_equal(mn_close(db), MN_OK);
}

static void opening_may_fail_at_any_allocation(void **state)
{
    struct countdown countdown = {0};
    uint64_t nth = 0;

    (void)state;
    do {
        mn_db *db;
        int code;

        countdown = (struct countdown){.left = ++nth};
        mn_alloc_set_hook(allocation_allowed, &countdown);
        code = mn_open(NULL, MN_MEMORY, &db);
        if (code == MN_OK) code = mn_exec(db, "CREATE TABLE t (a INT)", NULL, NULL);
        mn_alloc_set_hook(NULL, NULL);
        assert_true(code == MN_OK || code == MN_NOMEM);
        if (db) assert_int_equal(mn_close(db), MN_OK);
    } while (countdown.hit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(opening_may_fail_at_any_allocation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
