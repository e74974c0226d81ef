/*
 * Tests of aggregates over a few rows, and over none.
 *
 *   i     f      t      at       d     v         b
 *   3     0.5    'b'    00:03    3m    [1, 2]    true
 *   NULL  NULL   NULL   00:01    NULL  NULL      NULL
 *   1     1e100  'a'    00:04    1m    [3, 4]    true
 *   3     1.0    'c'    00:02    5m    [5, 6]    false
 *   2     -1e100 'b'    NULL     1m    NULL      true
 */
#include "query/agg.h"

#include <stdio.h>
#include <string.h>

#include "query/agg_state.h"
#include "query/parse.h"
#include "support/test.h"

enum { SLOTS = 7, ROWS = 5 };

static const char *const names[SLOTS] = {"i", "f", "t", "at", "d", "v", "b"};
static struct mn_kind kinds[SLOTS] = {
    {.type = MN_TYPE_INT},       {.type = MN_TYPE_FLOAT},    {.type = MN_TYPE_TEXT},
    {.type = MN_TYPE_TIMESTAMP}, {.type = MN_TYPE_DURATION}, {.type = MN_TYPE_VECTOR, .dims = 2},
    {.type = MN_TYPE_BOOL}};
static struct mn_value rows[ROWS][SLOTS];
static struct mn_arena arena;

static void row_set(int row, int64_t i, double f, const char *t)
{
    rows[row][0] = mn_int(i);
    rows[row][1] = mn_float(f);
    rows[row][2] = mn_text(t, 1);
}

static int begin(void **state)
{
    static const float vectors[3][2] = {{1, 2}, {3, 4}, {5, 6}};
    const int64_t minute = 60000000;

    (void)state;
    mn_arena_init(&arena, 0);
    for (int r = 0; r < ROWS; r++) {
        for (int s = 0; s < SLOTS; s++) rows[r][s] = mn_null();
    }
    row_set(0, 3, 0.5, "b");
    row_set(2, 1, 1e100, "a");
    row_set(3, 3, 1.0, "c");
    row_set(4, 2, -1e100, "b");
    rows[0][3] = mn_timestamp(3 * minute);
    rows[1][3] = mn_timestamp(1 * minute);
    rows[2][3] = mn_timestamp(4 * minute);
    rows[3][3] = mn_timestamp(2 * minute);
    rows[0][4] = mn_duration(3 * minute);
    rows[2][4] = mn_duration(1 * minute);
    rows[3][4] = mn_duration(5 * minute);
    rows[4][4] = mn_duration(1 * minute);
    rows[0][5] = mn_vector(vectors[0], 2);
    rows[2][5] = mn_vector(vectors[1], 2);
    rows[3][5] = mn_vector(vectors[2], 2);
    rows[0][6] = rows[2][6] = rows[4][6] = mn_bool(true);
    rows[3][6] = mn_bool(false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    mn_arena_release(&arena);
    return 0;
}

static enum mn_status resolve(void *context, const struct mn_scope *scope,
                              const struct mn_ast_expr *ast, struct mn_expr **out)
{
    (void)context;
    if (ast->kind != MN_AST_COLUMN) return MN_OK;
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (strcmp(names[i], ast->column.name.text) == 0) {
            *out = mn_expr_slot(scope->arena, i, &kinds[i], ast->span);
        }
    }
    return MN_OK;
}

static enum mn_status run(const char *text, int row_count, struct mn_value *out)
{
    const struct mn_scope scope = {.arena = &arena, .hook = resolve};
    struct mn_eval eval = {.scratch = &arena};
    struct mn_ast_expr *ast;
    struct mn_agg_call *call;
    enum mn_status status = mn_parse_expression(&arena, text, strlen(text), &ast);
    void *state;

    if (status == MN_OK) status = mn_agg_build(&scope, ast, &call);
    if (status != MN_OK) return status;
    state = mn_arena_alloc(&arena, mn_agg_state_bytes(call));
    assert_non_null(state);
    mn_agg_begin(call, state);
    for (int r = 0; r < row_count && status == MN_OK; r++) {
        eval.slots = rows[r];
        status = mn_agg_step(call, state, &eval, &arena);
    }
    if (status == MN_OK) status = mn_agg_result(call, state, &eval, out);
    if (status == MN_OK && !mn_is_null(out)) {
        assert_int_equal(out->type, mn_agg_kind(call).type);
    }
    return status;
}

static void expect(const char *text, int row_count, const char *wanted)
{
    struct mn_value value;
    struct mn_buf out = {0};

    if (run(text, row_count, &value) != MN_OK) fail_msg("%s: %s", text, mn_error_last()->message);
    if (mn_is_null(&value))
        mn_buf_text(&out, "NULL");
    else
        mn_value_format(&value, &out);
    mn_buf_byte(&out, 0);
    if (strcmp((char *)out.data, wanted) != 0) {
        fail_msg("%s is %s, not %s", text, (char *)out.data, wanted);
    }
    mn_buf_release(&out);
}

static void is(const char *text, const char *wanted)
{
    expect(text, ROWS, wanted);
}

static void fails(const char *text, enum mn_status status)
{
    struct mn_value value;

    assert_int_equal(run(text, ROWS, &value), status);
    assert_true(mn_error_last()->offset >= 0);
}

static void rows_and_values_are_counted(void **state)
{
    (void)state;
    is("count(*)", "5");
    is("count(i)", "4");
    is("count(DISTINCT i)", "3");
    is("count(DISTINCT t)", "3");
    is("count(*) FILTER (WHERE i > 1)", "3");
    is("count(t) FILTER (WHERE i > 100)", "0");
}

static void sums_are_exact_or_compensated(void **state)
{
    (void)state;
    is("sum(i)", "9");
    is("sum(DISTINCT i)", "6");
    is("sum(f)", "1.5"); /* the great numbers cancel, and the small ones are not lost */
    is("sum(d)", "10m");
    is("avg(i)", "2.25");
    is("avg(d)", "2m30s");
    is("avg(v)", "[3,4]");
    is("sum(i) FILTER (WHERE i > 100)", "NULL");
    fails("sum(i + 9223372036854775000)", MN_RANGE);
    fails("sum(f * f * 1e108)", MN_RANGE);
    fails("sum(t)", MN_TYPE);
}

static void extremes_and_ends_are_found(void **state)
{
    (void)state;
    is("min(i)", "1");
    is("max(t)", "c");
    is("min(at)", "1970-01-01T00:01:00.000000Z");
    is("max(d)", "5m");
    is("first(t, at)", "c");
    is("last(t, at)", "a");
    is("last(i, d)", "3");
    fails("min(v)", MN_TYPE);
}

static void lists_keep_an_order(void **state)
{
    (void)state;
    is("list(i)", "[3,1,3,2]");
    is("list(t ORDER BY at DESC)", "[\"a\",\"b\",\"c\",\"b\"]");
    is("list(t ORDER BY at NULLS FIRST)", "[\"b\",\"c\",\"b\",\"a\"]");
    is("list(DISTINCT i ORDER BY i)", "[1,2,3]");
    is("group_concat(t)", "b,a,c,b");
    is("string_agg(DISTINCT t, ' + ' ORDER BY t)", "a + b + c");
    is("group_concat(i, '')", "3132");
    fails("list(v)", MN_TYPE);
}

static void quantiles_lie_between_their_neighbours(void **state)
{
    (void)state;
    is("median(i)", "2.5");
    is("quantile(i, 0)", "1.0");
    is("quantile(i, 1)", "3.0");
    is("quantile(i, 0.25)", "1.75");
    is("median(d)", "2m");
    is("median(at)", "1970-01-01T00:02:30.000000Z");
    fails("quantile(i, 1.5)", MN_RANGE);
    fails("quantile(t, 0.5)", MN_TYPE);
}

static void spreads_need_two_rows(void **state)
{
    (void)state;
    is("variance(i * 2)", "3.6666666666666665");
    expect("stddev(i)", 1, "NULL");
    expect("variance(i)", 0, "NULL");
    is("stddev(i - i)", "0.0");
}

static void truth_is_gathered(void **state)
{
    (void)state;
    is("bool_and(b)", "false");
    is("bool_or(b)", "true");
    is("bool_and(b) FILTER (WHERE i < 3)", "true");
    expect("bool_or(b)", 0, "NULL");
}

static void no_rows_give_null_and_no_count(void **state)
{
    (void)state;
    expect("count(*)", 0, "0");
    expect("sum(i)", 0, "NULL");
    expect("list(i)", 0, "NULL");
    expect("group_concat(t)", 0, "NULL");
    expect("median(i)", 0, "NULL");
    expect("first(t, at)", 0, "NULL");
    expect("avg(v)", 0, "NULL");
}

static void many_distinct_values_are_told_apart(void **state)
{
    const struct mn_scope scope = {.arena = &arena, .hook = resolve};
    static const char text[] = "count(DISTINCT i)";
    struct mn_eval eval = {.slots = rows[0], .scratch = &arena};
    struct mn_ast_expr *ast;
    struct mn_agg_call *call;
    struct mn_value out;
    void *own;

    (void)state;
    assert_int_equal(mn_parse_expression(&arena, text, strlen(text), &ast), MN_OK);
    assert_int_equal(mn_agg_build(&scope, ast, &call), MN_OK);
    own = mn_arena_alloc(&arena, mn_agg_state_bytes(call));
    mn_agg_begin(call, own);
    for (int64_t n = 0; n < 30000; n++) {
        rows[0][0] = n % 2 ? mn_int(n % 10007) : mn_float((double)(n % 10007));
        assert_int_equal(mn_agg_step(call, own, &eval, &arena), MN_OK);
    }
    assert_int_equal(mn_agg_result(call, own, &eval, &out), MN_OK);
    assert_int_equal(out.i, 10007);
}

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    fails("sum(*)", MN_SCHEMA);
    fails("first(i)", MN_SCHEMA);
    fails("count(i, i)", MN_SCHEMA);
    fails("sum(i) FILTER (WHERE i)", MN_TYPE);
    assert_true(mn_agg_exists("string_agg", 10));
    assert_false(mn_agg_exists("lower", 5));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_and_values_are_counted),
        TEST(sums_are_exact_or_compensated),
        TEST(extremes_and_ends_are_found),
        TEST(lists_keep_an_order),
        TEST(quantiles_lie_between_their_neighbours),
        TEST(spreads_need_two_rows),
        TEST(truth_is_gathered),
        TEST(no_rows_give_null_and_no_count),
        TEST(many_distinct_values_are_told_apart),
        TEST(wrong_calls_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
