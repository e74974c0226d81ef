/*
 * Each allocation of a COPY fails once: MN_NOMEM, no row stays, no file stays, and the same
 * statement then succeeds on the same handle.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "mneme.h"
#include "support/copy_case.h"
#include "support/test.h"

struct countdown {
    uint64_t left;
};

static bool allocation_allowed(void *context, size_t size_bytes)
{
    struct countdown *countdown = context;

    (void)size_bytes;
    if (countdown->left == 0) return true;
    return --countdown->left > 0;
}

static int64_t int_of(mn_db *db, const char *sql)
{
    mn_stmt *stmt;

    assert_int_equal(mn_prepare(db, sql, MN_ALL, &stmt, NULL), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    int64_t answer = mn_col_int(stmt, 0);
    mn_finalize(stmt);
    return answer;
}

static const char *const copies[] = {
    "COPY t TO 'o.csv'",
    "COPY t TO 'o.ndjson'",
    "COPY t TO 'o.tsv' WITH (quote, header)",
    "COPY (SELECT id, s FROM t ORDER BY s DESC) TO 'o.csv'",
    "COPY (SELECT e FROM t) TO 'o.npy' WITH (type = f16)",
    "COPY (SELECT e FROM t) TO 'o.fvecs'",
    "COPY u FROM 't.csv'",
    "COPY u FROM 't.ndjson'",
    "COPY u FROM 't.tsv' WITH (quote, header)",
    "COPY u FROM 't.csv' WITH (upsert)",
    "COPY u FROM 't.csv' WITH (errors = skip)",
    "COPY u (e) FROM 't.npy' WITH (match_order)",
    "COPY u (e) FROM 't.npy' WITH (match_column = id)",
};

static const char setup[] =
    "CREATE TABLE t (id INT PRIMARY KEY, s TEXT UNIQUE DEFAULT 'd', e VECTOR(3), l TEXT[],"
    "  b BLOB, at TIMESTAMP DEFAULT now(), j JSON, CHECK (id >= 0));"
    "INSERT INTO t SELECT g, 'x\"' || g, [g, 1, 2], ['a', 'b'], x'00ff', now(), '{\"k\": 1}'"
    "  FROM generate_series(0, 30) g;"
    "CREATE TABLE u (id INT PRIMARY KEY, s TEXT UNIQUE DEFAULT 'd', e VECTOR(3), l TEXT[],"
    "  b BLOB, at TIMESTAMP DEFAULT now(), j JSON, CHECK (id >= 0));"
    "CREATE INDEX u_at ON u (at, s);"
    "COPY t TO 't.csv'; COPY t TO 't.ndjson'; COPY t TO 't.tsv' WITH (quote, header);"
    "COPY (SELECT e FROM t) TO 't.npy';";

static bool output_exists(const char *sql)
{
    const char *quote = strchr(sql, '\'');
    char name[32];
    struct stat info;

    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(quote + 1, "'"), quote + 1);
    return stat(name, &info) == 0;
}

static void outputs_remove(void)
{
    static const char *const outputs[] = {"o.csv", "o.tsv", "o.npy", "o.fvecs", "o.ndjson"};

    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) (void)unlink(outputs[i]);
}

static void starve(mn_db *db, const char *sql)
{
    bool writes = strstr(sql, " TO '") != NULL, updates = strstr(sql, "match") != NULL;
    int64_t before = updates ? 31 : 0;

    for (uint64_t nth = 1;; nth++) {
        struct countdown countdown = {.left = nth};
        mn_alloc_set_hook(allocation_allowed, &countdown);
        int code = mn_exec(db, sql, NULL, NULL);
        mn_alloc_set_hook(NULL, NULL);
        if (countdown.left > 0) {
            assert_int_equal(code, MN_OK);
            return;
        }
        if (code != MN_NOMEM && code != MN_OK) {
            fail_msg("%s at allocation %llu: %d %s", sql, (unsigned long long)nth, code,
                     mn_errmsg(db));
        }
        if (code == MN_OK) {
            const char *undo = updates ? "UPDATE u SET e = NULL" : "DELETE FROM u";
            assert_int_equal(mn_exec(db, undo, NULL, NULL), MN_OK);
            outputs_remove();
            continue;
        }
        int64_t after = int_of(db, "SELECT count(*) FROM u");
        if (after != before) {
            fail_msg("%s at allocation %llu: %lld rows, not %lld", sql, (unsigned long long)nth,
                     (long long)after, (long long)before);
        }
        assert_int_equal(int_of(db, "SELECT count(e) FROM u"), 0);
        if (writes) assert_false(output_exists(sql));
    }
}

static void every_allocation_may_fail(void **state)
{
    mn_db *db;

    (void)state;
    assert_int_equal(chdir(copy_case_folder()), 0);
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    if (mn_exec(db, setup, NULL, NULL) != MN_OK) fail_msg("%s", mn_errmsg(db));
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        assert_int_equal(mn_exec(db, "DELETE FROM u", NULL, NULL), MN_OK);
        if (strstr(copies[i], "match")) {
            assert_int_equal(mn_exec(db, "INSERT INTO u (id, s) SELECT id, s FROM t", NULL, NULL),
                             MN_OK);
        }
        outputs_remove();
        starve(db, copies[i]);
    }
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
