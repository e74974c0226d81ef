/*
 * Tests of mn_bind_list: a list as a parameter, wherever the language takes one.
 */
#include <string.h>

#include "support/api.h"
#include "support/test.h"

static const char *const script =
    "CREATE TABLE t (id INT PRIMARY KEY, name TEXT, at TIMESTAMP, f FLOAT, tags TEXT[],"
    "  nums FLOAT[], times TIMESTAMP[], v VECTOR(3));"
    "INSERT INTO t (id, name, at, f) SELECT g, 'n' || g, '2026-01-01'::timestamp + g * 1h, g / 2.0"
    "  FROM generate_series(1, 100) g;";

/* The first column of all rows as one text: "3,5". */
static void expect_rows(mn_stmt *stmt, const char *wanted)
{
    char got[400] = "";
    int code;

    while ((code = mn_step(stmt)) == MN_ROW) {
        if (got[0]) strncat(got, ",", sizeof got - strlen(got) - 1);
        strncat(got, mn_col_text(stmt, 0, NULL), sizeof got - strlen(got) - 1);
    }
    assert_int_equal(code, MN_DONE);
    assert_string_equal(got, wanted);
}

static void a_list_stands_behind_in_and_any(void **state)
{
    static const char *const questions[] = {"SELECT id FROM t WHERE id IN $ids ORDER BY id",
                                            "SELECT id FROM t WHERE id = ANY ($ids) ORDER BY id"};
    mn_db *db = api_open(script);
    mn_datum ids[4] = {api_of_int(5), api_of_int(3), api_of_int(777), api_null()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        mn_stmt *stmt = api_prepare(db, questions[i]);

        api_expect(db, mn_bind_list(stmt, 1, ids, 3), MN_OK);
        ids[0].as.i = 8; /* the statement has a copy */
        expect_rows(stmt, "3,5");
        ids[0].as.i = 5;
        api_expect(db, mn_bind_list(stmt, 1, ids, 4), MN_OK);
        expect_rows(stmt, "3,5");
        api_expect(db, mn_bind_list(stmt, 1, NULL, 0), MN_OK);
        expect_rows(stmt, "");
        api_expect(db, mn_bind_list(stmt, 1, NULL, 2), MN_OK); /* NULL, as with text */
        expect_rows(stmt, "");
        api_expect(db, mn_bind_list(stmt, 1, ids, 1), MN_OK);
        expect_rows(stmt, "5");
        mn_finalize(stmt);
    }
    {
        mn_stmt *stmt = api_prepare(db, "SELECT count(*) FROM t WHERE id NOT IN $ids");

        api_expect(db, mn_bind_list(stmt, 1, ids, 3), MN_OK);
        expect_rows(stmt, "98");
        mn_finalize(stmt);
    }
    assert_int_equal(mn_close(db), MN_OK);
}

static void many_elements_are_found(void **state)
{
    enum { COUNT = 50000 };
    static mn_datum ids[COUNT];
    mn_db *db = api_open(script);
    mn_stmt *stmt = api_prepare(db, "SELECT count(*), sum(id) FROM t WHERE id IN $1");

    (void)state;
    for (int i = 0; i < COUNT; i++) ids[i] = api_of_int(2 * i);
    api_expect(db, mn_bind_list(stmt, 1, ids, COUNT), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), 50);
    assert_int_equal(mn_col_int(stmt, 1), 2550);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void elements_take_the_type_that_is_needed(void **state)
{
    mn_db *db = api_open(script);
    mn_datum texts[2] = {api_of_text("n7"), api_of_text("n9")};
    mn_datum times[2] = {api_of_text("2026-01-01T02:00:00Z"), api_of_text("2026-01-01 04:00")};
    mn_datum mixed[3] = {api_of_int(1), api_of_float(1.5), api_null()};
    mn_datum numbers[3] = {api_of_int(3), api_of_float(0.5), api_of_int(-1)};
    mn_stmt *stmt = api_prepare(db, "SELECT id FROM t WHERE name IN $1 ORDER BY id");

    (void)state;
    api_expect(db, mn_bind_list(stmt, 1, texts, 2), MN_OK);
    expect_rows(stmt, "7,9");
    mn_finalize(stmt);
    stmt = api_prepare(db, "SELECT id FROM t WHERE at IN $1 ORDER BY id");
    api_expect(db, mn_bind_list(stmt, 1, times, 2), MN_OK);
    expect_rows(stmt, "2,4");
    mn_finalize(stmt);
    stmt = api_prepare(db, "SELECT id FROM t WHERE f IN $1 ORDER BY id");
    api_expect(db, mn_bind_list(stmt, 1, mixed, 3), MN_OK);
    expect_rows(stmt, "2,3");
    mn_finalize(stmt);

    stmt = api_prepare(db, "UPDATE t SET tags = $a, nums = $b, times = $c, v = $d WHERE id = 1");
    api_expect(db, mn_bind_list(stmt, 1, texts, 2), MN_OK);
    api_expect(db, mn_bind_list(stmt, 2, mixed, 3), MN_OK);
    api_expect(db, mn_bind_list(stmt, 3, times, 2), MN_OK);
    api_expect(db, mn_bind_list(stmt, 4, numbers, 3), MN_OK);
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    stmt = api_prepare(db, "SELECT tags || [$x], nums, times, v FROM t WHERE id = 1");
    mn_bind_text(stmt, 1, "more", MN_ALL, MN_STATIC);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_string_equal(mn_col_text(stmt, 0, NULL), "[\"n7\",\"n9\",\"more\"]");
    assert_string_equal(mn_col_text(stmt, 1, NULL), "[1.0,1.5,null]");
    assert_non_null(strstr(mn_col_text(stmt, 2, NULL), "2026-01-01T04:00:00"));
    assert_string_equal(mn_col_text(stmt, 3, NULL), "[3,0.5,-1]");
    mn_finalize(stmt);

    /* Without a type that is needed: that of the elements; INT among FLOAT is FLOAT. */
    stmt = api_prepare(db, "SELECT $1");
    api_expect(db, mn_bind_list(stmt, 1, mixed, 3), MN_OK);
    expect_rows(stmt, "[1.0,1.5,null]");
    api_expect(db, mn_bind_list(stmt, 1, NULL, 0), MN_OK);
    expect_rows(stmt, "[]");
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_bad_list_is_told(void **state)
{
    mn_db *db = api_open(script);
    mn_stmt *stmt = api_prepare(db, "SELECT count(*) FROM t WHERE id IN $ids");
    mn_datum ids[2] = {api_of_int(1), api_of_text("x")}, inner = {.type = MN_TYPE_LIST};
    mn_datum unknown = {.type = 99};

    (void)state;
    assert_int_equal(mn_bind_list(NULL, 1, ids, 1), MN_MISUSE);
    api_expect(db, mn_bind_list(stmt, 2, ids, 1), MN_MISUSE);
    api_expect(db, mn_bind_list(stmt, 1, ids, 2), MN_TYPE);
    assert_non_null(strstr(mn_errmsg(db), "$ids"));
    api_expect(db, mn_bind_list(stmt, 1, &inner, 1), MN_TYPE);
    assert_non_null(strstr(mn_errmsg(db), "a list within a list"));
    api_expect(db, mn_bind_list(stmt, 1, &unknown, 1), MN_MISUSE);
    api_expect(db, mn_bind_list(stmt, 1, ids, (size_t)1 << 40), MN_TOOBIG);
    api_expect(db, mn_bind_list(stmt, 1, ids, 1), MN_OK);
    expect_rows(stmt, "1");
    mn_finalize(stmt);
    /* Another type than the one that stands there. */
    stmt = api_prepare(db, "SELECT count(*) FROM t WHERE id = $1");
    api_expect(db, mn_bind_list(stmt, 1, ids, 1), MN_TYPE);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

/* A statement whose tables change under it is bound anew, and its list with it. */
static void a_list_outlives_a_change_of_the_schema(void **state)
{
    mn_db *db = api_open(script);
    mn_stmt *stmt = api_prepare(db, "SELECT id FROM t WHERE name IN $1 ORDER BY id");
    mn_datum texts[2] = {api_of_text("n7"), api_of_text("n9")};

    (void)state;
    api_expect(db, mn_bind_list(stmt, 1, texts, 2), MN_OK);
    api_exec(db, "CREATE INDEX t_name ON t (name)");
    expect_rows(stmt, "7,9");
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static int starving(void *context)
{
    mn_datum texts[2] = {api_of_text("n7"), api_of_text("n9")};

    return mn_bind_list(context, 1, texts, 2);
}

static void not_hungry(void *context, int code)
{
    (void)context, (void)code;
}

static void every_allocation_may_fail(void **state)
{
    mn_db *db = api_open(script);
    mn_stmt *stmt = api_prepare(db, "SELECT id FROM t WHERE name IN $1 ORDER BY id");

    (void)state;
    assert_true(api_starve(starving, not_hungry, stmt) > 0);
    expect_rows(stmt, "7,9");
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_stands_behind_in_and_any),
        cmocka_unit_test(many_elements_are_found),
        cmocka_unit_test(elements_take_the_type_that_is_needed),
        cmocka_unit_test(a_bad_list_is_told),
        cmocka_unit_test(a_list_outlives_a_change_of_the_schema),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
