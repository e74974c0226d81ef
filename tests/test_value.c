/*
 * Tests of catalog/value and cast: comparison, sameness and hash, and what becomes what.
 */
#include "catalog/value.h"

#include <math.h>
#include <string.h>

#include "catalog/json.h"
#include "catalog/list.h"
#include "support/test.h"
#include "support/values.h"

static struct mn_arena arena;

static int arena_open(void **state)
{
    (void)state;
    mn_arena_init(&arena, 0);
    return 0;
}

static int arena_close(void **state)
{
    (void)state;
    mn_arena_release(&arena);
    return 0;
}

static struct mn_value json(const char *text)
{
    assert_int_equal(mn_json_check(text, strlen(text)), MN_OK);
    return mn_bytes_value(MN_TYPE_JSON, text, strlen(text));
}

static struct mn_value list(uint8_t elem, const char *text)
{
    struct mn_kind kind = {.type = MN_TYPE_LIST, .elem = elem};
    struct mn_value value;

    assert_int_equal(mn_value_parse(&kind, text, strlen(text), &arena, &value), MN_OK);
    return value;
}

static int compare(struct mn_value a, struct mn_value b)
{
    int order;

    assert_int_equal(mn_value_compare(&a, &b, &order), MN_OK);
    return order;
}

static bool same(struct mn_value a, struct mn_value b)
{
    bool answer, back;
    uint64_t x, y;

    assert_int_equal(mn_value_same(&a, &b, &answer), MN_OK);
    assert_int_equal(mn_value_same(&b, &a, &back), MN_OK);
    assert_int_equal(answer, back);
    assert_int_equal(mn_value_hash(&a, 7, &x), MN_OK);
    assert_int_equal(mn_value_hash(&b, 7, &y), MN_OK);
    if (answer) assert_true(x == y);
    return answer;
}

static void ints_compare_with_floats_exactly(void **state)
{
    (void)state;
    assert_int_equal(compare(mn_int(1), mn_float(1.0)), 0);
    assert_int_equal(compare(mn_int(INT64_C(9007199254740993)), mn_float(9007199254740992.0)), 1);
    assert_int_equal(compare(mn_float(9007199254740992.0), mn_int(INT64_C(9007199254740993))), -1);
    assert_int_equal(compare(mn_int(INT64_MAX), mn_float(0x1p63)), -1);
    assert_int_equal(compare(mn_int(INT64_MIN), mn_float(-0x1p63)), 0);
    assert_int_equal(compare(mn_int(INT64_MIN), mn_float(-(double)INFINITY)), 1);
    assert_int_equal(compare(mn_int(3), mn_float(3.5)), -1);
    assert_int_equal(compare(mn_int(-3), mn_float(-3.5)), 1);
    assert_int_equal(compare(mn_int(INT64_MAX), mn_float((double)NAN)), -1);
    assert_true(same(mn_int(5), mn_float(5.0)));
    assert_false(same(mn_int(INT64_MAX), mn_float(0x1p63)));
    assert_true(same(mn_int(INT64_MIN), mn_float(-0x1p63)));
}

static void nan_is_one_value_above_all(void **state)
{
    uint64_t other_bits = UINT64_C(0xfff8000000000001);
    double other;

    (void)state;
    memcpy(&other, &other_bits, sizeof other);
    assert_int_equal(compare(mn_float((double)NAN), mn_float(other)), 0);
    assert_int_equal(compare(mn_float((double)NAN), mn_float((double)INFINITY)), 1);
    assert_int_equal(compare(mn_float(-0.0), mn_float(0.0)), 0);
    assert_true(same(mn_float((double)NAN), mn_float(other)));
    assert_true(same(mn_float(-0.0), mn_float(0.0)));
    assert_true(same(mn_float(-0.0), mn_int(0)));
}

static void nulls_make_the_answer_unknown(void **state)
{
    (void)state;
    assert_int_equal(compare(mn_null(), mn_int(1)), MN_ORDER_UNKNOWN);
    assert_int_equal(compare(mn_null(), mn_null()), MN_ORDER_UNKNOWN);
    assert_int_equal(compare(list(MN_TYPE_INT, "[1,null]"), list(MN_TYPE_INT, "[1,2]")),
                     MN_ORDER_UNKNOWN);
    assert_int_equal(compare(list(MN_TYPE_INT, "[1,null]"), list(MN_TYPE_INT, "[2,null]")), -1);
    assert_true(same(mn_null(), mn_null()));
    assert_false(same(mn_null(), mn_int(0)));
    assert_true(same(list(MN_TYPE_INT, "[1,null]"), list(MN_TYPE_INT, "[1,null]")));
}

static void lists_and_bytes_compare_in_turn(void **state)
{
    (void)state;
    assert_int_equal(compare(list(MN_TYPE_INT, "[1,2]"), list(MN_TYPE_INT, "[1,2,0]")), -1);
    assert_int_equal(compare(list(MN_TYPE_INT, "[2]"), list(MN_TYPE_INT, "[1,9]")), 1);
    assert_int_equal(compare(list(MN_TYPE_INT, "[]"), list(MN_TYPE_INT, "[]")), 0);
    assert_int_equal(compare(list(MN_TYPE_INT, "[1]"), list(MN_TYPE_FLOAT, "[1.0]")), 0);
    assert_true(same(list(MN_TYPE_INT, "[1]"), list(MN_TYPE_FLOAT, "[1.0]")));
    assert_int_equal(compare(mn_text("a", 1), mn_text("ab", 2)), -1);
    assert_int_equal(compare(mn_text("Z", 1), mn_text("a", 1)), -1);
    assert_int_equal(compare(mn_text("\xc3\xa9", 2), mn_text("z", 1)), 1);
    assert_int_equal(compare(mn_text("", 0), mn_text("", 0)), 0);
}

static void unlike_types_do_not_compare(void **state)
{
    struct mn_value a = mn_int(1), b = mn_text("1", 1);
    int order;

    (void)state;
    assert_int_equal(mn_value_compare(&a, &b, &order), MN_TYPE);
    assert_non_null(strstr(mn_error_last()->message, "INT does not compare with TEXT"));
    assert_false(same(a, b));
    assert_true(mn_value_order(&a, &b) == -mn_value_order(&b, &a));
}

/* For any three values: a total order, which hash and sameness follow. */
static void order_is_total(void **state)
{
    uint64_t random = test_seed();
    static const struct mn_kind kinds[] = {{.type = MN_TYPE_INT},
                                           {.type = MN_TYPE_FLOAT},
                                           {.type = MN_TYPE_TEXT},
                                           {.type = MN_TYPE_LIST, .elem = MN_TYPE_FLOAT},
                                           {.type = MN_TYPE_VECTOR, .dims = 2}};

    (void)state;
    for (int round = 0; round < 30000; round++) {
        struct mn_arena scratch;
        struct mn_value v[3];
        size_t which = (test_random(&random) >> 40) % 5;

        mn_arena_init(&scratch, 0);
        for (int i = 0; i < 3; i++) {
            if (which < 2) which = test_random(&random) >> 50 & 1;
            v[i] = test_value(&scratch, &kinds[which], true, &random);
        }
        assert_int_equal(mn_value_order(&v[0], &v[0]), 0);
        assert_int_equal(mn_value_order(&v[0], &v[1]), -mn_value_order(&v[1], &v[0]));
        if (mn_value_order(&v[0], &v[1]) <= 0 && mn_value_order(&v[1], &v[2]) <= 0) {
            assert_true(mn_value_order(&v[0], &v[2]) <= 0);
        }
        assert_int_equal(same(v[0], v[1]), mn_value_order(&v[0], &v[1]) == 0);
        mn_arena_release(&scratch);
    }
}

/* ---- JSON ---- */

static void json_is_checked(void **state)
{
    static const char *const good[] = {
        "1",  "-0.5e+10", "\"\"",     "\"\\u00e9\\ud83d\\ude00\\n\"",
        "[]", "{}",       " [1 , 2]", "{\"a\":{\"b\":[null,true,false]}}",
        "0",  "1E400",    "[[[]]]"};
    static const char *const bad[] = {
        "",           "01",      "1.",       ".5",      "+1",        "nul",         "[1,]",
        "{,}",        "{\"a\"}", "[1 2]",    "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\u0000\"",
        "'a'",        "[1",      "1 2",      "{1:2}",   "\"\xff\"",  "\"\n\"",      "NaN",
        "{\"a\":1,}", "]",       "{\"a\":1]"};
    char deep[2 * MN_JSON_DEPTH_LIMIT + 4];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (mn_json_check(good[i], strlen(good[i])) != MN_OK) fail_msg("%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (mn_json_check(bad[i], strlen(bad[i])) != MN_TYPE) fail_msg("%s", bad[i]);
    }
    assert_int_equal(mn_json_check("[1, x]", 6), MN_TYPE);
    assert_string_equal(mn_error_last()->message, "JSON wants a value at byte 4");
    memset(deep, '[', MN_JSON_DEPTH_LIMIT + 1);
    memset(deep + MN_JSON_DEPTH_LIMIT, ']', MN_JSON_DEPTH_LIMIT);
    assert_int_equal(mn_json_check(deep, 2 * MN_JSON_DEPTH_LIMIT), MN_OK);
    memset(deep, '[', MN_JSON_DEPTH_LIMIT + 1);
    memset(deep + MN_JSON_DEPTH_LIMIT + 1, ']', MN_JSON_DEPTH_LIMIT + 1);
    assert_int_equal(mn_json_check(deep, 2 * MN_JSON_DEPTH_LIMIT + 2), MN_TOOBIG);
}

static void json_is_equal_by_value(void **state)
{
    static const char *const equal[][2] = {
        {"1", "1.0"},
        {"100", "1e2"},
        {"0.001", "1E-3"},
        {"-0", "0"},
        {"12345678901234567890123", "1.2345678901234567890123e22"},
        {"{\"a\":1,\"b\":[2]}", " { \"b\" : [2.0] , \"a\":1e0 }"},
        {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
        {"\"\\u0061\\/\"", "\"a/\""},
        {"{\"\\u0061\":null}", "{\"a\":null}"},
        {"{}", "{ }"}};
    static const char *const unequal[][2] = {{"1", "\"1\""},
                                             {"[1,2]", "[2,1]"},
                                             {"{\"a\":1}", "{\"a\":1,\"b\":null}"},
                                             {"null", "false"},
                                             {"{}", "[]"},
                                             {"12345678901234567890123", "12345678901234567890124"},
                                             {"1e5", "1e6"},
                                             {"1", "-1"}};

    (void)state;
    for (size_t i = 0; i < sizeof equal / sizeof equal[0]; i++) {
        if (!same(json(equal[i][0]), json(equal[i][1]))) fail_msg("%s", equal[i][0]);
        assert_int_equal(compare(json(equal[i][0]), json(equal[i][1])), 0);
    }
    for (size_t i = 0; i < sizeof unequal / sizeof unequal[0]; i++) {
        if (same(json(unequal[i][0]), json(unequal[i][1]))) fail_msg("%s", unequal[i][0]);
        assert_int_equal(compare(json(unequal[i][0]), json(unequal[i][1])), 1);
    }
}

static const char *shown(const struct mn_value *value)
{
    static char text[256];
    struct mn_buf buf = {0};

    if (mn_is_null(value)) return "NULL";
    assert_int_equal(mn_value_format(value, &buf), MN_OK);
    assert_true(buf.len < sizeof text);
    if (buf.len) memcpy(text, buf.data, buf.len);
    text[buf.len] = '\0';
    mn_buf_release(&buf);
    return text;
}

static void json_is_asked_by_key_and_index(void **state)
{
    struct mn_value doc = json("{\"a\": [10, {\"b\": \"x\\ny\"}, null], \"a b\": 1, \"n\": null,"
                               " \"d\": 1, \"d\": 2, \"\\u00e9\": true}");
    struct mn_value part, text;

    (void)state;
    assert_int_equal(mn_json_get_key(&doc, "a", 1, &part), MN_OK);
    assert_string_equal(shown(&part), "[10, {\"b\": \"x\\ny\"}, null]");
    assert_string_equal(mn_json_type(&part), "array");
    assert_int_equal(mn_json_get_index(&part, 1, &text), MN_OK);
    assert_int_equal(mn_json_get_key(&text, "b", 1, &text), MN_OK);
    assert_string_equal(shown(&text), "\"x\\ny\"");
    assert_int_equal(mn_json_text(&text, &arena, &text), MN_OK);
    assert_string_equal(shown(&text), "x\ny");
    assert_int_equal(mn_json_get_index(&part, -1, &text), MN_OK);
    assert_string_equal(shown(&text), "null");
    assert_int_equal(mn_json_text(&text, &arena, &text), MN_OK);
    assert_true(mn_is_null(&text));
    assert_int_equal(mn_json_get_index(&part, 3, &text), MN_OK);
    assert_true(mn_is_null(&text));
    assert_int_equal(mn_json_get_index(&part, -4, &text), MN_OK);
    assert_true(mn_is_null(&text));
    assert_int_equal(mn_json_get_index(&part, INT64_MIN, &text), MN_OK);
    assert_true(mn_is_null(&text));
    assert_int_equal(mn_json_get_key(&doc, "d", 1, &text), MN_OK);
    assert_string_equal(shown(&text), "2");
    assert_int_equal(mn_json_get_key(&doc, "\xc3\xa9", 2, &text), MN_OK);
    assert_string_equal(shown(&text), "true");
    assert_int_equal(mn_json_get_key(&doc, "none", 4, &text), MN_OK);
    assert_true(mn_is_null(&text));
    assert_int_equal(mn_json_get_key(&part, "a", 1, &text), MN_OK);
    assert_true(mn_is_null(&text));
}

static void json_is_walked(void **state)
{
    struct mn_value doc = json("{\"a\":1,\"b\\n\":[2]}"), key, value;
    struct mn_json_each each;
    bool found;

    (void)state;
    mn_json_each_begin(&each, &doc);
    assert_int_equal(mn_json_each_next(&each, &arena, &key, &value, &found), MN_OK);
    assert_true(found);
    assert_string_equal(shown(&key), "a");
    assert_int_equal(mn_json_each_next(&each, &arena, &key, &value, &found), MN_OK);
    assert_string_equal(shown(&key), "b\n");
    assert_string_equal(shown(&value), "[2]");
    assert_int_equal(mn_json_each_next(&each, &arena, &key, &value, &found), MN_OK);
    assert_false(found);
    mn_json_each_begin(&each, &value);
    assert_int_equal(mn_json_each_next(&each, &arena, &key, &value, &found), MN_OK);
    assert_int_equal(key.i, 0);
    doc = json("7");
    mn_json_each_begin(&each, &doc);
    assert_int_equal(mn_json_each_next(&each, &arena, &key, &value, &found), MN_OK);
    assert_false(found);
}

static void json_is_changed_at_a_path(void **state)
{
    static const struct {
        const char *doc, *path, *value, *want; /* NULL: MN_TYPE */
    } known[] = {{"{\"a\":1}", "a", "2", "{\"a\":2}"},
                 {"{\"a\":1}", "$.b", "2", "{\"a\":1,\"b\":2}"},
                 {"{}", "b", "[]", "{\"b\":[]}"},
                 {"{\"a\":{\"b\":[1,2]}}", "$.a.b[1]", "null", "{\"a\":{\"b\":[1,null]}}"},
                 {"{\"a\":[ ]}", "a[0]", "1", "{\"a\":[ 1]}"},
                 {"[1]", "$[1]", "2", "[1,2]"},
                 {"{}", "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1}}}"},
                 {"{\"x.y\":1}", "[\"x.y\"]", "2", "{\"x.y\":2}"},
                 {"5", "$", "6", "6"},
                 {"5", "a", "6", NULL},
                 {"{\"a\":[1]}", "a.b", "6", NULL},
                 {"{\"a\":1}", "a..b", "6", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct mn_value doc = json(known[i].doc), value = json(known[i].value), out;
        enum mn_status status =
            mn_json_set(&doc, known[i].path, strlen(known[i].path), &value, &arena, &out);

        assert_int_equal(status, known[i].want ? MN_OK : MN_TYPE);
        if (known[i].want) assert_string_equal(shown(&out), known[i].want);
    }
}

/* Damaged JSON, as a file may hold it, gives an answer or MN_CORRUPT. */
static void damaged_json_is_survived(void **state)
{
    static const char text[] = "{\"a\":[1,{\"b\":\"x\\u00e9\"}],\"c\":{\"d\":null,\"d\":1.5e3}}";
    uint64_t random = test_seed();

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)(test_random(&random) % sizeof text);
        char *copy = test_malloc(size + 1);
        struct mn_value value = mn_bytes_value(MN_TYPE_JSON, copy, size), part;
        struct mn_buf canonical = {0};
        struct mn_arena scratch;
        enum mn_status status;

        mn_arena_init(&scratch, 0);
        memcpy(copy, text, size);
        if (size)
            copy[test_random(&random) % size] = "{}[]\",:\\u0"[(test_random(&random) >> 40) % 10];
        mn_json_type(&value);
        status = mn_json_get_key(&value, "c", 1, &part);
        assert_true(status == MN_OK || status == MN_CORRUPT);
        status = mn_json_get_index(&value, -1, &part);
        assert_true(status == MN_OK || status == MN_CORRUPT);
        status = mn_json_text(&value, &scratch, &part);
        assert_true(status == MN_OK || status == MN_CORRUPT);
        status = mn_json_canonical(copy, size, &canonical);
        assert_true(status == MN_OK || status == MN_CORRUPT);
        mn_buf_release(&canonical);
        mn_arena_release(&scratch);
        test_free(copy);
    }
}

/* ---- casts ---- */

static struct mn_kind kind_of(const char *name)
{
    struct mn_kind kind;
    size_t length = strcspn(name, "[");

    assert_true(mn_kind_find(name, length, &kind));
    if (name[length]) kind = (struct mn_kind){.type = MN_TYPE_LIST, .elem = kind.type};
    return kind;
}

static void casts_do_as_decided(void **state)
{
    static const struct {
        const char *from, *text, *to, *want; /* want NULL: an error */
        enum mn_status status;
    } known[] = {{"float", "2.5", "int", "2", MN_OK},
                 {"float", "3.5", "int", "4", MN_OK},
                 {"float", "1e30", "int", NULL, MN_RANGE},
                 {"int", "5", "float", "5.0", MN_OK},
                 {"int", "5", "bool", "true", MN_OK},
                 {"bool", "true", "int", "1", MN_OK},
                 {"int", "1500000", "timestamp", "1970-01-01T00:00:01.500000Z", MN_OK},
                 {"timestamp", "1970-01-01T00:00:01Z", "int", "1000000", MN_OK},
                 {"duration", "1s", "int", "1000000", MN_OK},
                 {"int", "1000", "duration", "1ms", MN_OK},
                 {"text", " 42 ", "int", "42", MN_OK},
                 {"text", "4x", "int", NULL, MN_TYPE},
                 {"text", "99999999999999999999", "int", NULL, MN_RANGE},
                 {"text", "yes", "bool", "true", MN_OK},
                 {"text", "7 days", "duration", "7d", MN_OK},
                 {"text", "[1,2]", "vector", "[1,2]", MN_OK},
                 {"text", "{\"a\": 1}", "json", "{\"a\": 1}", MN_OK},
                 {"text", "{", "json", NULL, MN_TYPE},
                 {"text", "[\"a\"]", "text[]", "[\"a\"]", MN_OK},
                 {"text", "\\x00ff", "blob", "\\x00ff", MN_OK},
                 {"json", "5", "int", "5", MN_OK},
                 {"json", "5.5", "int", "6", MN_OK},
                 {"json", "\"2026-11-20\"", "timestamp", "2026-11-20T00:00:00.000000Z", MN_OK},
                 {"json", "null", "int", "NULL", MN_OK},
                 {"json", "[1,2]", "int[]", "[1,2]", MN_OK},
                 {"json", "[1,2]", "vector", "[1,2]", MN_OK},
                 {"json", "{}", "int", NULL, MN_TYPE},
                 {"json", "\"x\"", "text", "\"x\"", MN_OK},
                 {"int[]", "[1,null]", "text[]", "[\"1\",null]", MN_OK},
                 {"float[]", "[1.5,2.5]", "int[]", "[2,2]", MN_OK},
                 {"int[]", "[1,2]", "vector", "[1,2]", MN_OK},
                 {"int[]", "[1,null]", "vector", NULL, MN_TYPE},
                 {"vector", "[1,2.5]", "float[]", "[1.0,2.5]", MN_OK},
                 {"int", "1", "uuid", NULL, MN_TYPE},
                 {"float", "1.5", "timestamp", NULL, MN_TYPE},
                 {"text[]", "[\"a\"]", "vector", NULL, MN_TYPE},
                 {"timestamp", "2026-11-20", "json", "\"2026-11-20T00:00:00.000000Z\"", MN_OK},
                 {"int[]", "[1]", "json", "[1]", MN_OK}};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct mn_kind from = kind_of(known[i].from), to = kind_of(known[i].to);
        struct mn_value value, out = mn_null();
        enum mn_status status;

        assert_int_equal(
            mn_value_parse(&from, known[i].text, strlen(known[i].text), &arena, &value), MN_OK);
        status = mn_value_cast(&value, &to, &arena, &out);
        if (status != known[i].status) fail_msg("%s::%s", known[i].text, known[i].to);
        if (status == MN_OK) {
            struct mn_kind got = mn_value_kind(&out);

            assert_true(mn_cast_exists(&from, &to));
            assert_string_equal(shown(&out), known[i].want);
            if (!mn_is_null(&out)) assert_int_equal(got.type, to.type);
        }
    }
}

/* Whatever a value is cast to, its kind is what was asked; and its text gives the value back. */
static void casts_give_the_kind_that_was_asked(void **state)
{
    static const char *const names[] = {"bool",     "int",  "float",  "text", "blob",  "timestamp",
                                        "duration", "uuid", "vector", "json", "int[]", "text[]"};
    uint64_t random = test_seed();
    struct mn_kind text = {.type = MN_TYPE_TEXT};

    (void)state;
    for (int round = 0; round < 30000; round++) {
        struct mn_kind from = kind_of(names[(test_random(&random) >> 40) % 12]);
        struct mn_kind to = kind_of(names[(test_random(&random) >> 40) % 12]);
        struct mn_arena scratch;
        struct mn_value value, out, back;
        enum mn_status status;

        mn_arena_init(&scratch, 0);
        if (from.type == MN_TYPE_VECTOR) from.dims = 3;
        value = test_value(&scratch, &from, false, &random);
        status = mn_value_cast(&value, &to, &scratch, &out);
        if (!mn_cast_exists(&from, &to)) assert_int_equal(status, MN_TYPE);
        if (status == MN_OK && !mn_is_null(&out)) {
            assert_int_equal(out.type, to.type);
            if (to.type == MN_TYPE_LIST) assert_true(mn_list_check(out.p, out.size, to.elem));
        }
        assert_int_equal(mn_value_cast(&value, &text, &scratch, &out), MN_OK);
        assert_int_equal(mn_value_cast(&out, &from, &scratch, &back), MN_OK);
        assert_int_equal(mn_value_order(&value, &back), 0);
        mn_arena_release(&scratch);
    }
}

static void assignment_is_narrower_than_casts(void **state)
{
    struct mn_kind three = {.type = MN_TYPE_VECTOR, .dims = 3};
    struct mn_kind time = {.type = MN_TYPE_TIMESTAMP}, integer = {.type = MN_TYPE_INT};
    struct mn_kind real = {.type = MN_TYPE_FLOAT}, text = {.type = MN_TYPE_TEXT};
    struct mn_value value = mn_text("2026-11-20", 10), out;

    (void)state;
    assert_int_equal(mn_value_assign(&value, &time, true, &arena, &out), MN_OK);
    assert_int_equal(mn_value_assign(&value, &time, false, &arena, &out), MN_TYPE);
    value = mn_text("1", 1);
    assert_int_equal(mn_value_assign(&value, &integer, true, &arena, &out), MN_TYPE);
    assert_string_equal(mn_error_last()->message, "TEXT is given where INT is wanted");
    value = mn_int(1);
    assert_int_equal(mn_value_assign(&value, &real, false, &arena, &out), MN_OK);
    assert_true(out.f == 1.0);
    assert_int_equal(mn_value_assign(&value, &text, true, &arena, &out), MN_TYPE);
    value = mn_float(1.0);
    assert_int_equal(mn_value_assign(&value, &integer, true, &arena, &out), MN_TYPE);
    value = list(MN_TYPE_INT, "[1,2,3]");
    assert_int_equal(mn_value_assign(&value, &three, false, &arena, &out), MN_OK);
    value = list(MN_TYPE_INT, "[1,2]");
    assert_int_equal(mn_value_assign(&value, &three, false, &arena, &out), MN_TYPE);
    assert_string_equal(mn_error_last()->message, "VECTOR(3) wanted, the value has 2 values");
    value = mn_null();
    assert_int_equal(mn_value_assign(&value, &three, false, &arena, &out), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ints_compare_with_floats_exactly),
        cmocka_unit_test(nan_is_one_value_above_all),
        cmocka_unit_test(nulls_make_the_answer_unknown),
        cmocka_unit_test(lists_and_bytes_compare_in_turn),
        cmocka_unit_test(unlike_types_do_not_compare),
        cmocka_unit_test(order_is_total),
        cmocka_unit_test(json_is_checked),
        cmocka_unit_test(json_is_equal_by_value),
        cmocka_unit_test(json_is_asked_by_key_and_index),
        cmocka_unit_test(json_is_walked),
        cmocka_unit_test(json_is_changed_at_a_path),
        cmocka_unit_test(damaged_json_is_survived),
        cmocka_unit_test(casts_do_as_decided),
        cmocka_unit_test(casts_give_the_kind_that_was_asked),
        cmocka_unit_test(assignment_is_narrower_than_casts),
    };

    return cmocka_run_group_tests(tests, arena_open, arena_close);
}
