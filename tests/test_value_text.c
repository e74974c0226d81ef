/*
 * Tests of catalog: the text of values and back: numbers, times, durations, uuids, lists, vectors.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "catalog/list.h"
#include "catalog/text.h"
#include "catalog/value.h"
#include "support/test.h"

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

static const char *text_of(const struct mn_value *value)
{
    static char text[4096];
    struct mn_buf buf = {0};

    assert_int_equal(mn_value_format(value, &buf), MN_OK);
    assert_true(buf.len < sizeof text);
    memcpy(text, buf.data, buf.len);
    text[buf.len] = '\0';
    mn_buf_release(&buf);
    return text;
}

static const char *json_of(const struct mn_value *value)
{
    static char text[4096];
    struct mn_buf buf = {0};

    assert_int_equal(mn_value_format_json(value, &buf), MN_OK);
    assert_true(buf.len < sizeof text);
    memcpy(text, buf.data, buf.len);
    text[buf.len] = '\0';
    mn_buf_release(&buf);
    return text;
}

static enum mn_status parse(enum mn_type type, const char *text, struct mn_value *value)
{
    struct mn_kind kind = {.type = (uint8_t)type};

    return mn_value_parse(&kind, text, strlen(text), &arena, value);
}

/* ---- floats ---- */

static void floats_print_shortest(void **state)
{
    static const struct {
        double f;
        const char *text;
    } known[] = {{0.0, "0.0"},
                 {-0.0, "-0.0"},
                 {1.0, "1.0"},
                 {-2.5, "-2.5"},
                 {0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {100.0, "100.0"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "1e+16"},
                 {1.5e300, "1.5e+300"},
                 {5e-324, "5e-324"},
                 {2.2250738585072014e-308, "2.2250738585072014e-308"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"},
                 {5.684341886080802e-14, "5.684341886080802e-14"},
                 {9007199254740993.0, "9007199254740992.0"},
                 {0.00001, "0.00001"},
                 {0.000001, "1e-06"},
                 {123456.789, "123456.789"},
                 {(double)NAN, "NaN"},
                 {(double)INFINITY, "Infinity"},
                 {-(double)INFINITY, "-Infinity"}};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char text[32];
        size_t length = mn_float_format(known[i].f, text);

        assert_string_equal(text, known[i].text);
        assert_int_equal(length, strlen(text));
    }
}

/* Whatever the bits, the text reads back as the same bits, and no shorter text does. */
static void floats_read_back_bit_for_bit(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = test_random(&seed);
        char text[32], shorter[40];
        double f, back;
        float single, single_back;
        int digits = 0;

        if (i % 4 == 0) bits &= ~((UINT64_C(1) << (bits >> 58 & 51)) - 1); /* few digits */
        if (i % 64 == 1) bits &= UINT64_C(0x7ff) << 52;                    /* powers of two */
        memcpy(&f, &bits, sizeof f);
        if (!isfinite(f)) continue;
        assert_int_equal(mn_float_parse(text, mn_float_format(f, text), &back), MN_OK);
        if (memcmp(&f, &back, sizeof f) != 0) fail_msg("%a prints as %s", f, text);
        for (const char *at = text; *at && *at != 'e'; at++) {
            digits += (*at >= '0' && *at <= '9') && (digits || *at != '0');
        }
        if (digits == 17 && !strstr(text, ".0")) {
            snprintf(shorter, sizeof shorter, "%.15e", f);
            if (strtod(shorter, NULL) == f) fail_msg("%s is not the shortest", text);
        }
        single = (float)(int64_t)(bits >> 40) / 1024.0F;
        assert_int_equal(mn_float_parse(text, mn_float32_format(single, text), &back), MN_OK);
        single_back = (float)back;
        assert_memory_equal(&single, &single_back, sizeof single);
        assert_true(strlen(text) <= 18);
    }
}

static void floats_round_half_to_even_as_ints(void **state)
{
    int64_t i = 0;

    (void)state;
    assert_int_equal(mn_float_to_int(0.5, &i), MN_OK);
    assert_int_equal(i, 0);
    assert_int_equal(mn_float_to_int(1.5, &i), MN_OK);
    assert_int_equal(i, 2);
    assert_int_equal(mn_float_to_int(-2.5, &i), MN_OK);
    assert_int_equal(i, -2);
    assert_int_equal(mn_float_to_int(0x1p63, &i), MN_RANGE);
    assert_int_equal(mn_float_to_int(-0x1p63, &i), MN_OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(mn_float_to_int((double)NAN, &i), MN_RANGE);
    assert_int_equal(mn_float_to_int((double)INFINITY, &i), MN_RANGE);
}

/* ---- times ---- */

static void timestamps_are_read_as_decided(void **state)
{
    static const struct {
        const char *text, *same;
    } known[] = {{"2026-11-20", "2026-11-20T00:00:00.000000Z"},
                 {"2026-11-20 08:30", "2026-11-20T08:30:00.000000Z"},
                 {"2026-11-20T08:30:15", "2026-11-20T08:30:15.000000Z"},
                 {"2026-11-20t08:30:15.25z", "2026-11-20T08:30:15.250000Z"},
                 {"2026-11-20T08:30:15+01:00", "2026-11-20T07:30:15.000000Z"},
                 {"2026-11-20T00:10:00-0530", "2026-11-20T05:40:00.000000Z"},
                 {"2026-11-20T00:10:00+02", "2026-11-19T22:10:00.000000Z"},
                 {"2026-11-20T00:00:00 UTC", "2026-11-20T00:00:00.000000Z"},
                 {"1999-12-31T23:59:59.9999995Z", "2000-01-01T00:00:00.000000Z"},
                 {"1999-12-31T23:59:59.9999994Z", "1999-12-31T23:59:59.999999Z"},
                 {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
                 {"2000-02-29", "2000-02-29T00:00:00.000000Z"},
                 {"0001-01-01", "0001-01-01T00:00:00.000000Z"},
                 {"-0044-03-15", "-0044-03-15T00:00:00.000000Z"},
                 {" 2026-11-20 ", "2026-11-20T00:00:00.000000Z"}};
    static const struct {
        const char *text;
        enum mn_status status;
    } wrong[] = {{"2026-11-20T08:30:60Z", MN_RANGE},
                 {"2026-11-20T24:00:00", MN_RANGE},
                 {"2026-02-29", MN_RANGE},
                 {"1900-02-29", MN_RANGE},
                 {"2026-13-01", MN_RANGE},
                 {"2026-00-10", MN_RANGE},
                 {"2026-01-00", MN_RANGE},
                 {"2026-11-20T08:30:00+16:00", MN_RANGE},
                 {"2026-11-20T08:60:00", MN_RANGE},
                 {"999999-01-01", MN_RANGE},
                 {"2026-11-20T", MN_TYPE},
                 {"2026-11-2", MN_TYPE},
                 {"20261120", MN_TYPE},
                 {"yesterday", MN_TYPE},
                 {"", MN_TYPE},
                 {"2026-11-20T08:30:15.", MN_TYPE},
                 {"2026-11-20Z", MN_TYPE},
                 {"2026-11-20T08", MN_TYPE}};
    struct mn_value value;

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (parse(MN_TYPE_TIMESTAMP, known[i].text, &value) != MN_OK) fail_msg("%s", known[i].text);
        assert_string_equal(text_of(&value), known[i].same);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (parse(MN_TYPE_TIMESTAMP, wrong[i].text, &value) != wrong[i].status) {
            fail_msg("%s", wrong[i].text);
        }
    }
}

/* Every day of 800 years and any moment at all reads back; days follow each other as the calendar
 * says. */
static void timestamps_read_back(void **state)
{
    uint64_t seed = test_seed();
    char text[MN_TIMESTAMP_TEXT], before[MN_TIMESTAMP_TEXT] = "";
    int64_t back;

    (void)state;
    for (int64_t day = -150000; day < 150000; day++) {
        int64_t us = day * INT64_C(86400000000);
        size_t length = mn_timestamp_format(us, text);

        assert_true(strcmp(before, text) < 0);
        assert_int_equal(mn_timestamp_parse(text, length, &back), MN_OK);
        assert_true(back == us);
        memcpy(before, text, sizeof text);
    }
    for (int i = 0; i < 20000; i++) {
        int64_t us = (int64_t)test_random(&seed) >> (i % 12);
        size_t length = mn_timestamp_format(us, text);

        if (mn_timestamp_parse(text, length, &back) != MN_OK) fail_msg("%s", text);
        assert_true(back == us);
    }
    for (int i = 0; i < 2; i++) {
        int64_t us = i ? INT64_MAX : INT64_MIN;

        assert_int_equal(mn_timestamp_parse(text, mn_timestamp_format(us, text), &back), MN_OK);
        assert_true(back == us);
    }
}

static void durations_are_read_as_decided(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
        const char *same;
    } known[] = {{"7d", INT64_C(604800000000), "7d"},
                 {"1w", INT64_C(604800000000), "7d"},
                 {"1h30m", INT64_C(5400000000), "1h30m"},
                 {"90m", INT64_C(5400000000), "1h30m"},
                 {"250ms", 250000, "250ms"},
                 {"1s500us", 1000500, "1s500us"},
                 {"0s", 0, "0s"},
                 {"-1h30m", -INT64_C(5400000000), "-1h30m"},
                 {"7 days", INT64_C(604800000000), "7d"},
                 {"1 hour 30 minutes", INT64_C(5400000000), "1h30m"},
                 {"2 weeks", INT64_C(1209600000000), "14d"}};
    static const char *const wrong[] = {"30m1h", "1h1h", "7", "d",   "1.5h",     "7q",   "1 month",
                                        "1y",    "",     "-", "1h-", "7 days 1", "1h 30"};
    int64_t us;

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char text[MN_DURATION_TEXT];

        if (mn_interval_parse(known[i].text, strlen(known[i].text), &us) != MN_OK) {
            fail_msg("%s", known[i].text);
        }
        assert_true(us == known[i].us);
        mn_duration_format(us, text);
        assert_string_equal(text, known[i].same);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (mn_interval_parse(wrong[i], strlen(wrong[i]), &us) != MN_TYPE) fail_msg("%s", wrong[i]);
    }
    assert_int_equal(mn_duration_parse("7 days", 6, &us), MN_TYPE);
    assert_int_equal(mn_duration_parse("999999999999d", 13, &us), MN_RANGE);
    assert_int_equal(mn_duration_parse("99999999999999999999us", 22, &us), MN_RANGE);
}

static void durations_read_back(void **state)
{
    uint64_t seed = test_seed();
    static const int64_t ends[] = {INT64_MIN, INT64_MAX, -1, 1};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t us = i < 4 ? ends[i] : (int64_t)test_random(&seed) >> (i % 60), back;
        char text[MN_DURATION_TEXT];

        assert_int_equal(mn_duration_parse(text, mn_duration_format(us, text), &back), MN_OK);
        assert_true(back == us);
    }
}

/* ---- uuids ---- */

static void uuids_read_back_and_ascend(void **state)
{
    uint64_t seed = test_seed();
    uint8_t uuid[16], before[16] = {0}, back[16];
    char text[MN_UUID_TEXT];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t words[2] = {test_random(&seed), test_random(&seed)};
        int64_t now_us = INT64_C(1763712000000000) + (i % 7) * 1000; /* goes back and stands */

        assert_int_equal(mn_uuid7(now_us, (const uint8_t *)words, uuid), MN_OK);
        assert_true(memcmp(before, uuid, 16) < 0);
        assert_int_equal(uuid[6] >> 4, 7);
        assert_int_equal(uuid[8] >> 6, 2);
        assert_int_equal(mn_uuid_parse(text, mn_uuid_format(uuid, text), back), MN_OK);
        assert_memory_equal(uuid, back, 16);
        memcpy(before, uuid, 16);
    }
    assert_int_equal(mn_uuid_parse("{00112233-4455-6677-8899-AABBCCDDEEFF}", 38, uuid), MN_OK);
    assert_int_equal(uuid[15], 0xff);
    assert_int_equal(mn_uuid_parse("00112233445566778899aabbccddeeff", 32, uuid), MN_OK);
    assert_int_equal(mn_uuid_parse("00112233445566778899aabbccddeef", 31, uuid), MN_TYPE);
    assert_int_equal(mn_uuid_parse("00112233445566778899aabbccddeeffg", 33, uuid), MN_TYPE);
    assert_int_equal(mn_uuid_parse("00112233445566778899aabbccddeeff-", 33, uuid), MN_TYPE);
    assert_int_equal(mn_uuid_parse("", 0, uuid), MN_TYPE);
}

/* ---- lists, vectors, blobs ---- */

static void lists_read_back(void **state)
{
    static const struct {
        uint8_t elem;
        const char *text, *same;
    } known[] = {{MN_TYPE_INT, "[1, 2,-3]", "[1,2,-3]"},
                 {MN_TYPE_INT, "[]", "[]"},
                 {MN_TYPE_INT, " [ null , 4 ] ", "[null,4]"},
                 {MN_TYPE_FLOAT, "[1, 0.5, NaN, -Infinity]", "[1.0,0.5,NaN,-Infinity]"},
                 {MN_TYPE_TEXT, "[\"a\", \"b\\n\\u00e9\"]", "[\"a\",\"b\\n\xc3\xa9\"]"},
                 {MN_TYPE_BOOL, "[true,false]", "[true,false]"},
                 {MN_TYPE_BLOB, "[\"\\\\x00ff\"]", "[\"\\\\x00ff\"]"},
                 {MN_TYPE_TIMESTAMP, "[\"2026-11-20\"]", "[\"2026-11-20T00:00:00.000000Z\"]"},
                 {MN_TYPE_DURATION, "[\"1h\", null]", "[\"1h\",null]"},
                 {MN_TYPE_JSON, "[{\"a\":[1,2]},3]", "[{\"a\":[1,2]},3]"}};
    static const char *const wrong[] = {"[1",      "1]",    "[1,]", "[,1]",
                                        "[\"a\"]", "[1] 2", "",     "[1 2]"};
    struct mn_kind kind = {.type = MN_TYPE_LIST};
    struct mn_value value;

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        kind.elem = known[i].elem;
        if (mn_value_parse(&kind, known[i].text, strlen(known[i].text), &arena, &value) != MN_OK) {
            fail_msg("%s", known[i].text);
        }
        assert_true(mn_list_check(value.p, value.size, kind.elem));
        assert_string_equal(text_of(&value), known[i].same);
    }
    kind.elem = MN_TYPE_INT;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (mn_value_parse(&kind, wrong[i], strlen(wrong[i]), &arena, &value) != MN_TYPE) {
            fail_msg("%s", wrong[i]);
        }
    }
}

/* A list whose bytes are changed anywhere is refused, or every element lies inside it. */
static void damaged_lists_stay_inside(void **state)
{
    uint64_t seed = test_seed();
    struct mn_value texts[5] = {mn_text("one", 3), mn_null(), mn_text("", 0), mn_text("three", 5),
                                mn_text("4", 1)};
    struct mn_value list;

    (void)state;
    assert_int_equal(mn_list_make(&arena, MN_TYPE_TEXT, texts, 5, &list), MN_OK);
    for (int i = 0; i < 50000; i++) {
        uint32_t size = i % 2 ? list.size : (uint32_t)(test_random(&seed) % (list.size + 1));
        uint8_t *copy = malloc(size ? size : 1);
        struct mn_value value = mn_bytes_value(MN_TYPE_LIST, copy, size);

        assert_non_null(copy);
        if (size) memcpy(copy, list.p, size);
        for (int n = 0; size && n < 2; n++) {
            copy[test_random(&seed) % size] = (uint8_t)(test_random(&seed) >> 40);
        }
        if (mn_list_check(copy, size, MN_TYPE_TEXT)) {
            for (uint32_t k = 0; k < mn_list_count(&value) && k < 1000; k++) {
                struct mn_value element = mn_list_get(&value, k);

                if (element.size == 0) continue;
                assert_true((const uint8_t *)element.p >= copy);
                assert_true((const uint8_t *)element.p + element.size <= copy + size);
            }
        }
        free(copy);
    }
}

static void vectors_are_read_and_refused(void **state)
{
    struct mn_kind three = {.type = MN_TYPE_VECTOR, .dims = 3}, any = {.type = MN_TYPE_VECTOR};
    struct mn_value value, blob;
    const float bytes[2] = {1.0F, 0.25F}, bad[1] = {NAN};

    (void)state;
    assert_int_equal(mn_value_parse(&three, "[0.1, -2, 3e4]", 14, &arena, &value), MN_OK);
    assert_string_equal(text_of(&value), "[0.1,-2,30000]");
    assert_string_equal(json_of(&value), "[0.1,-2,30000]");
    assert_int_equal(mn_value_parse(&three, "[1,2]", 5, &arena, &value), MN_TYPE);
    assert_int_equal(mn_value_parse(&any, "[1,NaN]", 7, &arena, &value), MN_RANGE);
    assert_int_equal(mn_value_parse(&any, "[1e39]", 6, &arena, &value), MN_RANGE);
    assert_int_equal(mn_value_parse(&any, "[]", 2, &arena, &value), MN_RANGE);
    assert_int_equal(mn_value_parse(&any, "[1,null]", 8, &arena, &value), MN_TYPE);
    assert_int_equal(mn_value_parse(&any, "1,2", 3, &arena, &value), MN_TYPE);
    blob = mn_bytes_value(MN_TYPE_BLOB, bytes, sizeof bytes);
    assert_int_equal(mn_vector_make(&arena, &blob, &value), MN_OK);
    assert_string_equal(text_of(&value), "[1,0.25]");
    blob = mn_bytes_value(MN_TYPE_BLOB, bytes, 7);
    assert_int_equal(mn_vector_make(&arena, &blob, &value), MN_TYPE);
    blob = mn_bytes_value(MN_TYPE_BLOB, bad, sizeof bad);
    assert_int_equal(mn_vector_make(&arena, &blob, &value), MN_RANGE);
}

static void json_forms_of_values(void **state)
{
    struct mn_value value = mn_float((double)NAN);
    uint8_t uuid[16] = {0x12};

    (void)state;
    assert_string_equal(json_of(&value), "null");
    value = mn_float((double)INFINITY);
    assert_string_equal(json_of(&value), "null");
    value = mn_int(INT64_MIN);
    assert_string_equal(json_of(&value), "-9223372036854775808");
    value = mn_text("a\"\\\n\x01\xc3\xa9", 7);
    assert_string_equal(json_of(&value), "\"a\\\"\\\\\\n\\u0001\xc3\xa9\"");
    value = mn_bytes_value(MN_TYPE_BLOB, "\x00\xff\x10\x20", 4);
    assert_string_equal(json_of(&value), "\"AP8QIA==\"");
    assert_string_equal(text_of(&value), "\\x00ff1020");
    value = mn_timestamp(0);
    assert_string_equal(json_of(&value), "\"1970-01-01T00:00:00.000000Z\"");
    value = mn_uuid(uuid);
    assert_string_equal(json_of(&value), "\"12000000-0000-0000-0000-000000000000\"");
    value = mn_null();
    assert_string_equal(json_of(&value), "null");
}

/* ---- text ---- */

static void utf8_is_checked_like_the_standard_says(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        int bad; /* -1: good */
    } known[] = {{"", 0, -1},
                 {"plain ascii text, long enough for words", 39, -1},
                 {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, -1},
                 {"0123456789abcde\0f", 17, 15},
                 {"a\0b", 3, 1},
                 {"\xc0\x80", 2, 0},
                 {"\xe0\x80\x80", 3, 0},
                 {"\xed\xa0\x80", 3, 0},
                 {"\xf4\x90\x80\x80", 4, 0},
                 {"\xf5\x80\x80\x80", 4, 0},
                 {"ab\xe2\x82", 4, 2},
                 {"\x80", 1, 0},
                 {"\xef\xbf\xbf\xf4\x8f\xbf\xbf", 7, -1}};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t bad = 99;
        bool good = mn_utf8_check(known[i].text, known[i].length, &bad);

        assert_int_equal(good, known[i].bad < 0);
        if (!good) assert_int_equal(bad, known[i].bad);
    }
}

/* Wherever in a text of whatever length the one wrong byte stands, it is found, there. */
static void the_wrong_byte_is_found(void **state)
{
    static const char wrong[] = {0, (char)0x80, (char)0xff, (char)0xc3};
    char text[300];

    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t length = 0; length <= sizeof text; length++) {
        size_t bad = 999;

        assert_true(mn_utf8_check(text, length, &bad));
        for (size_t at = 0; at < length; at++) {
            text[at] = wrong[(at + length) % sizeof wrong];
            assert_false(mn_utf8_check(text, length, &bad));
            assert_int_equal(bad, at);
            text[at] = 'a';
        }
    }
}

static void case_is_mapped_simply(void **state)
{
    struct mn_buf buf = {0};
    static const char mixed[] = "\xc3\x84pfel STRASSE \xce\xa3\xcf\x82 \xd0\x96 \xc4\xb0 z";

    (void)state;
    assert_int_equal(mn_char_lower('A'), 'a');
    assert_int_equal(mn_char_upper(0xe9), 0xc9);
    assert_int_equal(mn_char_upper(0xdf), 0xdf);
    assert_int_equal(mn_char_lower(0x10400), 0x10428);
    assert_int_equal(mn_char_lower(0x4e00), 0x4e00);
    assert_int_equal(mn_char_fold(0x3c2), mn_char_fold(0x3a3));
    assert_int_equal(mn_text_map(mixed, sizeof mixed - 1, mn_char_lower, &buf), MN_OK);
    assert_int_equal(mn_buf_byte(&buf, 0), MN_OK);
    assert_string_equal((const char *)buf.data,
                        "\xc3\xa4pfel strasse \xcf\x83\xcf\x82 \xd0\xb6 i z");
    mn_buf_release(&buf);
}

/* The plain recursive meaning of LIKE, over bytes, for texts without escapes. */
static bool like_model(const char *pattern, const char *text)
{
    if (*pattern == '\0') return *text == '\0';
    if (*pattern == '%')
        return like_model(pattern + 1, text) || (*text && like_model(pattern, text + 1));
    return *text && (*pattern == '_' || *pattern == *text) && like_model(pattern + 1, text + 1);
}

static bool like(const char *pattern, const char *text, bool fold)
{
    struct mn_like_options options = {.escape = MN_LIKE_ESCAPE, .fold = fold};
    struct mn_value p = mn_text(pattern, strlen(pattern)), t = mn_text(text, strlen(text));
    struct mn_like *prepared;
    bool match;

    assert_int_equal(mn_like_prepare(&arena, &p, &options, &prepared), MN_OK);
    assert_int_equal(mn_like_match(prepared, &t, &match), MN_OK);
    return match;
}

static void like_agrees_with_its_plain_meaning(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char pattern[10] = "", text[12] = "";
        size_t p = test_random(&seed) % 8, t = test_random(&seed) % 10;

        for (size_t k = 0; k < p; k++) pattern[k] = "ab%_"[test_random(&seed) >> 33 & 3];
        for (size_t k = 0; k < t; k++) text[k] = "ab"[test_random(&seed) >> 33 & 1];
        if (like(pattern, text, false) != like_model(pattern, text)) {
            fail_msg("'%s' LIKE '%s', seed %llu", text, pattern, (unsigned long long)test_seed());
        }
        if (i % 1000 == 0) {
            mn_arena_release(&arena);
            mn_arena_init(&arena, 0);
        }
    }
    assert_true(like("a\\%b", "a%b", false));
    assert_false(like("a\\%b", "axb", false));
    assert_true(like("%\\_", "x_", false));
    assert_true(like("_", "\xe2\x82\xac", false));
    assert_true(like("%_", "\xe2\x82\xac", false));
    assert_false(like("__", "\xe2\x82\xac", false));
    assert_true(like("\xc3\x84PFEL%", "\xc3\xa4pfelmus", true));
    assert_false(like("\xc3\x84PFEL%", "\xc3\xa4pfelmus", false));
}

static void like_tells_its_prefix(void **state)
{
    struct mn_like_options options = {.escape = MN_LIKE_ESCAPE};
    struct mn_value pattern = mn_text("ab\\%c%d", 7), prefix;
    struct mn_like *prepared;
    bool exact;

    (void)state;
    assert_int_equal(mn_like_prepare(&arena, &pattern, &options, &prepared), MN_OK);
    prefix = mn_like_prefix(prepared, &exact);
    assert_false(exact);
    assert_int_equal(prefix.size, 4);
    assert_memory_equal(prefix.p, "ab%c", 4);
    pattern = mn_text("abc", 3);
    assert_int_equal(mn_like_prepare(&arena, &pattern, &options, &prepared), MN_OK);
    prefix = mn_like_prefix(prepared, &exact);
    assert_true(exact);
    pattern = mn_text("abc\\", 4);
    assert_int_equal(mn_like_prepare(&arena, &pattern, &options, &prepared), MN_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_print_shortest),
        cmocka_unit_test(floats_read_back_bit_for_bit),
        cmocka_unit_test(floats_round_half_to_even_as_ints),
        cmocka_unit_test(timestamps_are_read_as_decided),
        cmocka_unit_test(timestamps_read_back),
        cmocka_unit_test(durations_are_read_as_decided),
        cmocka_unit_test(durations_read_back),
        cmocka_unit_test(uuids_read_back_and_ascend),
        cmocka_unit_test(lists_read_back),
        cmocka_unit_test(damaged_lists_stay_inside),
        cmocka_unit_test(vectors_are_read_and_refused),
        cmocka_unit_test(json_forms_of_values),
        cmocka_unit_test(utf8_is_checked_like_the_standard_says),
        cmocka_unit_test(the_wrong_byte_is_found),
        cmocka_unit_test(case_is_mapped_simply),
        cmocka_unit_test(like_agrees_with_its_plain_meaning),
        cmocka_unit_test(like_tells_its_prefix),
    };

    return cmocka_run_group_tests(tests, arena_open, arena_close);
}
