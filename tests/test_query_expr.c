/*
 * Tests of expressions: what each computes, in the written form of its value, and what is refused.
 *
 * Names stand for slots: i = 7 (INT), f = 2.5 (FLOAT), t = 'Dock' (TEXT), at = 2026-11-20T10:30Z,
 * d = 90m, b = true, n = NULL (INT), j (JSON), l = [1, NULL, 3], v = [3, 4] (VECTOR(2)).
 */
#include "query/expr.h"

#include <stdio.h>
#include <string.h>

#include "catalog/json.h"
#include "catalog/list.h"
#include "query/parse.h"
#include "support/test.h"

enum { SLOTS = 10, PARAMS = 3 };

static struct mn_arena arena;
static struct mn_value slots[SLOTS];
static struct mn_kind kinds[SLOTS], param_kinds[PARAMS];
static struct mn_value params[PARAMS];
static const char *const names[SLOTS] = {"i", "f", "t", "at", "d", "b", "n", "j", "l", "v"};

static const int64_t now_us = INT64_C(1795257000000000); /* 2026-11-21T10:30:00Z */

static int begin(void **state)
{
    static const float vector[] = {3, 4};
    static const char json[] = "{\"a\":{\"b\":[10,20]},\"s\":\"x\",\"z\":null}";
    struct mn_value items[3] = {mn_int(1), mn_null(), mn_int(3)};

    (void)state;
    mn_arena_init(&arena, 0);
    slots[0] = mn_int(7);
    slots[1] = mn_float(2.5);
    slots[2] = mn_text("Dock", 4);
    slots[3] = mn_timestamp(now_us - INT64_C(86400000000));
    slots[4] = mn_duration(INT64_C(5400000000));
    slots[5] = mn_bool(true);
    slots[6] = mn_null();
    slots[7] = mn_bytes_value(MN_TYPE_JSON, json, sizeof json - 1);
    assert_int_equal(mn_list_make(&arena, MN_TYPE_INT, items, 3, &slots[8]), MN_OK);
    slots[9] = mn_vector(vector, 2);
    for (int i = 0; i < SLOTS; i++) kinds[i] = mn_value_kind(&slots[i]);
    kinds[6].type = MN_TYPE_INT;
    memset(param_kinds, 0, sizeof param_kinds);
    for (int i = 0; i < PARAMS; i++) params[i] = mn_null();
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
        if (strcmp(names[i], ast->column.name.text) != 0) continue;
        *out = mn_expr_slot(scope->arena, i, &kinds[i], ast->span);
        return *out ? MN_OK : mn_fail_nomem();
    }
    return MN_OK;
}

static const struct mn_scope scope = {
    .arena = &arena, .param_kinds = param_kinds, .param_count = PARAMS, .hook = resolve};

/* As a statement, for an expression by itself has no parameters. */
static enum mn_status build(const char *text, struct mn_expr **out)
{
    char sql[2000];
    struct mn_statement *statement;
    const char *tail;
    enum mn_status status;

    snprintf(sql, sizeof sql, "SELECT %s", text);
    status = mn_parse(&arena, sql, strlen(sql), &statement, &tail);
    if (status != MN_OK) return status;
    return mn_expr_build(&scope, statement->query->body->select.columns.first->expr, out);
}

static enum mn_status evaluate(const char *text, struct mn_value *value)
{
    struct mn_eval eval = {
        .slots = slots, .params = params, .scratch = &arena, .now_us = now_us, .os = NULL};
    struct mn_expr *expr = NULL;
    enum mn_status status = build(text, &expr);

    if (status != MN_OK) return status;
    status = mn_expr_eval(expr, &eval, value);
    if (status != MN_OK) return status;
    /* What was promised before the run holds. */
    if (!mn_is_null(value) && expr->kind.type != MN_TYPE_NULL) {
        assert_int_equal(value->type, expr->kind.type);
    }
    if (expr->not_null) assert_false(mn_is_null(value));
    return MN_OK;
}

static void is(const char *text, const char *wanted)
{
    struct mn_value value;
    struct mn_buf out = {0};

    if (evaluate(text, &value) != MN_OK) fail_msg("%s: %s", text, mn_error_last()->message);
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

static void fails(const char *text, enum mn_status status)
{
    struct mn_value value;
    enum mn_status got = evaluate(text, &value);

    if (got != status) fail_msg("%s: %s", text, mn_status_name(got));
    assert_int_equal(mn_error_last()->code, status);
    assert_true(mn_error_last()->offset >= 0);
}

static void logic_has_three_values(void **state)
{
    static const char *const values[] = {"true", "false", "n = 1"};
    static const char *const and[] = {"true",  "false", "NULL",  "false", "false",
                                      "false", "NULL",  "false", "NULL"};
    static const char *const or
        [] = {"true", "true", "true", "true", "false", "NULL", "true", "NULL", "NULL"};
    char text[80];

    (void)state;
    for (int a = 0; a < 3; a++) {
        for (int b = 0; b < 3; b++) {
            snprintf(text, sizeof text, "(%s) AND (%s)", values[a], values[b]);
            is(text, and[a * 3 + b]);
            snprintf(text, sizeof text, "(%s) OR (%s)", values[a], values[b]);
            is(text, or [a * 3 + b]);
        }
    }
    is("NOT n = 1", "NULL");
    is("n IS NULL", "true");
    is("i IS NOT NULL AND b IS TRUE AND NOT b IS NOT TRUE", "true");
    is("(n = 1) IS FALSE", "false");
    is("(n = 1) IS NOT FALSE", "true");
    is("n IS DISTINCT FROM 1 AND n IS NOT DISTINCT FROM NULL", "true");
}

static void numbers_are_exact_and_loud(void **state)
{
    (void)state;
    is("7 / 2", "3");
    is("-7 / 2", "-3");
    is("-7 % 3", "-1");
    is("i + f", "9.5");
    is("i * 2 - 1", "13");
    is("1 = 1.0", "true");
    is("9007199254740993 = 9007199254740992.0", "false");
    is("9007199254740993 > 9007199254740992.0", "true");
    is("-9223372036854775807 - 1", "-9223372036854775808");
    is("n + 1", "NULL");
    fails("9223372036854775807 + i", MN_RANGE);
    fails("9223372036854775807 * i", MN_RANGE);
    fails("i / 0", MN_RANGE);
    fails("i % 0", MN_RANGE);
    fails("f / 0.0", MN_RANGE);
    fails("1e308 * f * 10", MN_RANGE);
    fails("(-9223372036854775807 - 1) / -1", MN_RANGE);
    is("(-9223372036854775807 - 1) % -1", "0");
    fails("-(-9223372036854775807 - 1)", MN_RANGE);
    fails("t + 1", MN_TYPE);
    fails("b + 1", MN_TYPE);
}

static void times_and_durations_go_together(void **state)
{
    (void)state;
    is("at + d", "2026-11-20T12:00:00.000000Z");
    is("at - 1d", "2026-11-19T10:30:00.000000Z");
    is("now() - at", "1d");
    is("d * 2 + 1m", "3h1m");
    is("2 * d", "3h");
    is("d * 0.5", "45m");
    is("d / 2", "45m");
    is("d / 30m", "3.0");
    is("-d < 0s", "true");
    is("at < '2026-11-20T10:30:01Z'", "true");
    is("at = TIMESTAMP '2026-11-20 12:30+02'", "true");
    is("at - '1h30m'", "2026-11-20T09:00:00.000000Z");
    is("at BETWEEN '2026-11-20' AND '2026-11-21'", "true");
    is("at IN ('2026-11-20T10:30Z', '2020-01-01')", "true");
    fails("at * 2", MN_TYPE);
    fails("at + at", MN_TYPE);
    fails("at < 'yesterday'", MN_TYPE);
    fails("at = 5", MN_TYPE);
}

static void time_functions_are_in_utc(void **state)
{
    (void)state;
    is("time_bucket(1h, at)", "2026-11-20T10:00:00.000000Z");
    is("time_bucket(1w, at)", "2026-11-16T00:00:00.000000Z");
    is("time_bucket(7m, TIMESTAMP '1969-12-31T23:59:59Z')", "1969-12-31T23:59:00.000000Z");
    is("date_bin(15m, at, TIMESTAMP '2000-01-01T00:05:00Z')", "2026-11-20T10:20:00.000000Z");
    is("date_trunc('month', at)", "2026-11-01T00:00:00.000000Z");
    is("date_trunc('week', at)", "2026-11-16T00:00:00.000000Z");
    is("date_trunc('quarter', at)", "2026-10-01T00:00:00.000000Z");
    is("date_trunc('year', TIMESTAMP '1960-02-29T12:00Z')", "1960-01-01T00:00:00.000000Z");
    is("date_part('hour', at) * 100 + date_part('minute', at)", "1030.0");
    is("date_part('dow', at)", "5.0");
    is("date_part('doy', TIMESTAMP '2024-12-31')", "366.0");
    is("date_part('week', TIMESTAMP '2021-01-03')", "53.0");
    is("date_part('day', TIMESTAMP '2000-02-29')", "29.0");
    is("date_part('year', TIMESTAMP '1600-03-01')", "1600.0");
    is("age(at)", "1d");
    is("epoch(TIMESTAMP '1970-01-02')", "86400.0");
    is("epoch(90s)", "90.0");
    is("to_timestamp(86400) = TIMESTAMP '1970-01-02'", "true");
    is("to_timestamp(0.5)", "1970-01-01T00:00:00.500000Z");
    is("decay(at, 1d)", "0.5");
    is("decay(at, 1d, at)", "1.0");
    is("date_add(at, 1d) = at + 1d", "true");
    is("time_bucket(1h, NULL)", "NULL");
    fails("time_bucket(0s, at)", MN_RANGE);
    fails("date_trunc('moon', at)", MN_ERROR);
    fails("decay(at, 0s)", MN_RANGE);
}

static void texts_are_of_code_points(void **state)
{
    (void)state;
    is("t || ':' || i", "Dock:7");
    is("t || n", "NULL");
    is("lower('ÄB') || upper('ß x')", "äbß X");
    is("length('äöü')", "3");
    is("len(x'00ff')", "2");
    is("substr('äöü', 2, 1)", "ö");
    is("substr('abc', 2)", "bc");
    is("substr('abc', 0, 2)", "a");
    is("trim('  a ')", "a");
    is("replace('aXbX', 'X', '--')", "a--b--");
    is("concat_ws(', ', 'a', n, 'b')", "a, b");
    is("starts_with(t, 'Do') AND ends_with(t, 'ck') AND contains(t, 'oc')", "true");
    is("ends_with('k', 'ck')", "false");
    is("t LIKE 'D%k' AND t NOT LIKE 'd%' AND t ILIKE 'dOC_'", "true");
    is("'a%b' LIKE 'a\\%b'", "true");
    is("'a_b' LIKE 'a!_b' ESCAPE '!'", "true");
    is("t LIKE n::TEXT", "NULL");
    is("t < 'E' AND 'a' > 'Z'", "true");
    fails("i LIKE '7'", MN_TYPE);
    fails("t LIKE 'x\\'", MN_ERROR);
    fails("upper(i)", MN_TYPE);
    fails("i || 7", MN_TYPE);
}

static void regexp_matches_anywhere(void **state)
{
    (void)state;
    is("regexp('dock A is blocked', 'dock [A-C]\\b')", "true");
    is("regexp('dock AA', 'dock [A-C]\\b')", "false");
    is("regexp('abbbc', '^ab{2,3}c$')", "true");
    is("regexp('abbbbc', '^ab{2,3}c$')", "false");
    is("regexp('abc', '^(a|b|c){3}$')", "true");
    is("regexp('', '^(a*)*$')", "true");
    is("regexp('xay', 'b|a|c')", "true");
    is("regexp('xdy', 'b|a|c')", "false");
    is("regexp('ÄÖ', '(?i)äö')", "true");
    is("regexp('a.b', '^a\\.b$')", "true");
    is("regexp('a1 b22', '\\w\\d{2}$')", "true");
    is("regexp('x', '[^a-w]')", "true");
    is("regexp('a]', '[]]')", "true");
    is("regexp('ac', '^ab?c$')", "true");
    is("regexp('abab', '^(?:ab){2,}$')", "true");
    is("regexp('aab', '^a{0}b')", "false");
    is("regexp('1.5', '^\\d+(\\.\\d+)?$')", "true");
    is("regexp('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', '^(a+)+$')", "false");
    is("regexp(t, t)", "true");
    fails("regexp(t, '(')", MN_ERROR);
    fails("regexp(t, '[a')", MN_ERROR);
    fails("regexp(t, '*')", MN_ERROR);
    fails("regexp(t, 'a)')", MN_ERROR);
    fails("regexp(t, '((a{100}){100}){100}')", MN_TOOBIG);
}

static void json_is_taken_apart(void **state)
{
    (void)state;
    is("j -> 'a' -> 'b' -> 0", "10");
    is("j->'a'->'b'->>-1", "20");
    is("j->>'s'", "x");
    is("j->'s'", "\"x\"");
    is("j->'z'", "null");
    is("j->>'z'", "NULL");
    is("j->'missing'", "NULL");
    is("j['a']['b'][1]", "20");
    is("(j->'a'->'b'->>0)::INT + 1", "11");
    is("j = JSON '{\"z\":null, \"s\":\"x\", \"a\":{\"b\":[10,2e1]}}'", "true");
    is("json_set(JSON '{\"a\":1}', 'b', 2)", "{\"a\":1,\"b\":2}");
    is("json_type(j->'a'->'b')", "array");
    fails("j < j", MN_TYPE);
    fails("t -> 'a'", MN_TYPE);
}

static void lists_count_from_one(void **state)
{
    (void)state;
    is("l[1]", "1");
    is("l[2]", "NULL");
    is("l[4]", "NULL");
    is("l[0]", "NULL");
    is("len(l)", "3");
    is("3 = ANY(l)", "true");
    is("5 = ANY(l)", "NULL");
    is("5 <> ALL([1, 2])", "true");
    is("l || [4]", "[1,null,3,4]");
}

static void lists_join_and_compare(void **state)
{
    (void)state;
    is("[1, 2] || [3]", "[1,2,3]");
    is("[1, 2.5]", "[1.0,2.5]");
    is("['a', 'b'][2]", "b");
    is("[1, 2] = [1, 2] AND [1] < [1, 2]", "true");
    is("i IN (1, 7.0)", "true");
    is("i IN (1, NULL)", "NULL");
    is("i NOT IN (1, NULL)", "NULL");
    is("i IN ()", "false");
    is("i NOT IN (1, 2)", "true");
    is("n IN (1)", "NULL");
    fails("[1, 'a']", MN_TYPE);
    fails("[[1]]", MN_TYPE);
    fails("i[1]", MN_TYPE);
}

static void vectors_have_distances(void **state)
{
    (void)state;
    is("v <-> [0, 0]", "5.0");
    is("v <#> [1, 2]", "-11.0");
    is("v <=> [6, 8]", "0.0");
    is("v <=> '[-3,-4]'", "2.0");
    is("norm(v)", "5.0");
    is("normalize(v)", "[0.6,0.8]");
    is("dims(v) + dims('[1,2,3]'::vector)", "5");
    is("l2_distance(v, [0, 0]) - inner_product(v, [1, 0])", "2.0");
    is("cosine_distance(v, [3, 4])", "0.0");
    fails("v <=> [0, 0]", MN_RANGE);
    fails("v <-> [1, 2, 3]", MN_TYPE);
    fails("v <-> t", MN_TYPE);
    fails("v <-> '[1,oops]'", MN_TYPE);
    fails("v < v", MN_TYPE);
}

static void conditions_choose(void **state)
{
    (void)state;
    is("CASE WHEN i > 5 THEN 'big' ELSE 'small' END", "big");
    is("CASE i WHEN 1 THEN 'one' WHEN 7 THEN 'seven' END", "seven");
    is("CASE WHEN n = 1 THEN 1 END", "NULL");
    is("CASE WHEN b THEN 1 ELSE 2.5 END", "1.0");
    is("coalesce(n, NULL, i)", "7");
    is("coalesce(n, 2.5)", "2.5");
    is("nullif(i, 7)", "NULL");
    is("if(b, 'yes', 'no')", "yes");
    is("greatest(1, n, 3.5)", "3.5");
    is("least('b', 'a')", "a");
    fails("CASE WHEN i THEN 1 END", MN_TYPE);
    fails("CASE WHEN b THEN 1 ELSE 'x' END", MN_TYPE);
}

static void casts_do_what_is_asked(void **state)
{
    (void)state;
    is("'42'::INT + 1", "43");
    is("2.5::INT", "2");
    is("3.5::INT", "4");
    is("i::TEXT || '!'", "7!");
    is("'true'::BOOL", "true");
    is("'[1,2]'::vector <-> v", "2.8284271247461903");
    is("CAST('7 days' AS INTERVAL)", "7d");
    is("1000000::TIMESTAMP", "1970-01-01T00:00:01.000000Z");
    is("['1', '2']::INT[]", "[1,2]");
    fails("'x'::INT", MN_TYPE);
    fails("1e30::INT", MN_RANGE);
    fails("b::TIMESTAMP", MN_TYPE);
}

static void mathematics_is_finite(void **state)
{
    (void)state;
    is("abs(-7) + sign(-2.5)", "6.0");
    is("round(2.5) + round(-2.5)", "0.0");
    is("round(2.345, 2)", "2.35");
    is("floor(-2.5)", "-3.0");
    is("ceil(f)", "3.0");
    is("sqrt(16) + pow(2, 3) + ln(exp(1)) + log10(100)", "15.0");
    is("mod(7, 3)", "1");
    fails("sqrt(-1)", MN_RANGE);
    fails("ln(0)", MN_RANGE);
    fails("exp(1000)", MN_RANGE);
    fails("abs(t)", MN_TYPE);
}

/* A parameter takes its type from where it stands; twice of two types is an error. */
static void parameters_are_typed_by_their_place(void **state)
{
    struct mn_expr *expr;

    (void)state;
    assert_int_equal(build("at > $1 AND v <-> $2 < $3", &expr), MN_OK);
    assert_int_equal(param_kinds[0].type, MN_TYPE_TIMESTAMP);
    assert_int_equal(param_kinds[1].type, MN_TYPE_VECTOR);
    assert_int_equal(param_kinds[1].dims, 2);
    assert_int_equal(param_kinds[2].type, MN_TYPE_FLOAT);
    memset(param_kinds, 0, sizeof param_kinds);
    assert_int_equal(build("i = $1 OR t = $1", &expr), MN_TYPE);
    memset(param_kinds, 0, sizeof param_kinds);
    assert_int_equal(build("i IN $1 AND upper($2) = 'X' AND at - $3 < now()", &expr), MN_OK);
    assert_int_equal(param_kinds[0].type, MN_TYPE_LIST);
    assert_int_equal(param_kinds[0].elem, MN_TYPE_INT);
    assert_int_equal(param_kinds[1].type, MN_TYPE_TEXT);
    assert_int_equal(param_kinds[2].type, MN_TYPE_DURATION);
}

/* Nobody reads a number as a pointer because its type was not known before the run. */
static void dynamic_values_meet_their_functions(void **state)
{
    (void)state;
    params[0] = mn_int(3);
    params[1] = mn_text("abc", 3);
    fails("upper($1 * 1h)", MN_TYPE);
    fails("$2 * 1h", MN_TYPE);
    fails("length(($2 || '')::TEXT) + ($2 * 1h)", MN_TYPE);
    fails("b AND ($1 * 1h)", MN_TYPE);
    is("$1 * 1h", "3h");
}

static void unknown_functions_get_a_hint(void **state)
{
    (void)state;
    fails("uper('x')", MN_SCHEMA);
    assert_string_equal(mn_error_last()->hint, "did you mean \"upper\"?");
    fails("ifnull(n, 1)", MN_SCHEMA);
    assert_string_equal(mn_error_last()->hint, "write coalesce(x, y)");
    fails("lower('a', 'b')", MN_TYPE);
    assert_string_equal(mn_error_last()->hint, "lower(text)");
    fails("count(*)", MN_ERROR);
    fails("lower(DISTINCT t)", MN_ERROR);
    fails("wibble", MN_SCHEMA);
}

/* Parts without names are computed once, when the statement is prepared. */
static void constants_are_computed_before(void **state)
{
    struct mn_expr *expr;

    (void)state;
    assert_int_equal(build("1 + 2 * 3", &expr), MN_OK);
    assert_int_equal(expr->form, MN_EXPR_CONSTANT);
    assert_int_equal(expr->value.i, 7);
    assert_int_equal(build("'[1,2]'::vector", &expr), MN_OK);
    assert_int_equal(expr->form, MN_EXPR_CONSTANT);
    assert_int_equal(build("now() - 1h", &expr), MN_OK);
    assert_true(expr->fixed);
    assert_int_not_equal(expr->form, MN_EXPR_CONSTANT);
    assert_int_equal(build("i + 1", &expr), MN_OK);
    assert_false(expr->fixed);
    assert_int_equal(build("uuid7()", &expr), MN_OK);
    assert_true(expr->unsteady && !expr->fixed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(logic_has_three_values),
        TEST(numbers_are_exact_and_loud),
        TEST(times_and_durations_go_together),
        TEST(time_functions_are_in_utc),
        TEST(texts_are_of_code_points),
        TEST(regexp_matches_anywhere),
        TEST(json_is_taken_apart),
        TEST(lists_count_from_one),
        TEST(lists_join_and_compare),
        TEST(vectors_have_distances),
        TEST(conditions_choose),
        TEST(casts_do_what_is_asked),
        TEST(mathematics_is_finite),
        TEST(parameters_are_typed_by_their_place),
        TEST(dynamic_values_meet_their_functions),
        TEST(unknown_functions_get_a_hint),
        TEST(constants_are_computed_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
