/*
 * api: see api.h.
 */
#include "support/api.h"

#include <string.h>

#include "base/alloc.h"
#include "support/test.h"

void api_expect(mn_db *db, int code, int wanted)
{
    if (code != wanted) print_error("%d, not %d: %s\n", code, wanted, mn_errmsg(db));
    assert_int_equal(code, wanted);
    if (code != MN_ROW && code != MN_DONE) assert_int_equal(mn_errcode(db), wanted);
}

mn_db *api_open(const char *script)
{
    mn_db *db;

    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    api_exec(db, script);
    return db;
}

void api_exec(mn_db *db, const char *sql)
{
    api_expect(db, mn_exec(db, sql, NULL, NULL), MN_OK);
}

mn_stmt *api_prepare(mn_db *db, const char *sql)
{
    mn_stmt *stmt;

    api_expect(db, mn_prepare(db, sql, MN_ALL, &stmt, NULL), MN_OK);
    assert_non_null(stmt);
    return stmt;
}

int64_t api_int(mn_db *db, const char *sql)
{
    mn_stmt *stmt = api_prepare(db, sql);
    int64_t answer;

    api_expect(db, mn_step(stmt), MN_ROW);
    answer = mn_col_int(stmt, 0);
    api_expect(db, mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    return answer;
}

struct countdown {
    uint64_t left;
    bool hit;
};

static bool allocation_allowed(void *context, size_t size_bytes)
{
    struct countdown *countdown = context;

    (void)size_bytes;
    if (countdown->left == 0 || --countdown->left > 0) return true;
    countdown->hit = true;
    return false;
}

uint64_t api_starve_some(uint64_t step, int (*work)(void *context),
                         void (*settle)(void *context, int code), void *context)
{
    uint64_t failed = 0;

    for (;;) {
        struct countdown countdown = {.left = failed * step + 1};
        int code;

        mn_alloc_set_hook(allocation_allowed, &countdown);
        code = work(context);
        mn_alloc_set_hook(NULL, NULL);
        if (code != MN_OK && code != MN_NOMEM) print_error("allocation %d\n", (int)failed);
        assert_true(code == MN_OK || (code == MN_NOMEM && countdown.hit));
        settle(context, code);
        if (!countdown.hit) return failed;
        failed++;
    }
}

uint64_t api_starve(int (*work)(void *context), void (*settle)(void *context, int code),
                    void *context)
{
    return api_starve_some(1, work, settle, context);
}

mn_datum api_null(void)
{
    return (mn_datum){.type = MN_TYPE_NULL};
}

mn_datum api_of_int(int64_t i)
{
    return (mn_datum){.type = MN_TYPE_INT, .as.i = i};
}

mn_datum api_of_float(double f)
{
    return (mn_datum){.type = MN_TYPE_FLOAT, .as.f = f};
}

mn_datum api_of_text(const char *text)
{
    return (mn_datum){.type = MN_TYPE_TEXT, .length = (uint32_t)strlen(text), .as.p = text};
}
