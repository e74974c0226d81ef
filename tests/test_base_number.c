/*
 * Tests of base/number: decimal text to numbers.
 */
#include "base/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void integers_at_the_edges(void **state)
{
    int64_t value = 0;

    (void)state;
    assert_int_equal(mn_number_int("9223372036854775807", 19, &value), MN_NUMBER_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(mn_number_int("-9223372036854775808", 20, &value), MN_NUMBER_OK);
    assert_true(value == INT64_MIN);
    assert_int_equal(mn_number_int("9223372036854775808", 19, &value), MN_NUMBER_RANGE);
    assert_int_equal(mn_number_int("-9223372036854775809", 20, &value), MN_NUMBER_RANGE);
    assert_int_equal(mn_number_int("99999999999999999999999", 23, &value), MN_NUMBER_RANGE);
    assert_int_equal(mn_number_int("", 0, &value), MN_NUMBER_BAD);
    assert_int_equal(mn_number_int("-", 1, &value), MN_NUMBER_BAD);
    assert_int_equal(mn_number_int("1.0", 3, &value), MN_NUMBER_BAD);
    assert_int_equal(mn_number_int(" 1", 2, &value), MN_NUMBER_BAD);
    assert_int_equal(mn_number_int("+007", 4, &value), MN_NUMBER_OK);
    assert_true(value == 7);
}

static void words_that_are_no_numbers(void **state)
{
    static const char *const bad[] = {"",   "-",  ".",    "e5",  "1e",   "1e+", "1.5x", "0x10",
                                      "1 ", " 1", "1..2", "--1", "nanx", "in",  "1,5",  "+"};
    double value;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mn_number_double(bad[i], strlen(bad[i]), &value), MN_NUMBER_BAD);
    }
    assert_int_equal(mn_number_double("1e400", 5, &value), MN_NUMBER_RANGE);
    assert_int_equal(mn_number_double("1e-400", 6, &value), MN_NUMBER_OK);
    assert_true(value == 0);
    assert_int_equal(mn_number_double("-Infinity", 9, &value), MN_NUMBER_OK);
    assert_true(isinf(value) && value < 0);
    assert_int_equal(mn_number_double("NaN", 3, &value), MN_NUMBER_OK);
    assert_true(isnan(value));
}

/* The C library's own conversion is the judge; both zeros and all bits must agree. */
static void same_double(const char *text)
{
    double mine = 1, theirs = strtod(text, NULL);
    float narrow = 1, narrow_theirs = strtof(text, NULL);
    enum mn_number how = mn_number_double(text, strlen(text), &mine);

    if (how != (isfinite(theirs) ? MN_NUMBER_OK : MN_NUMBER_RANGE)) fail_msg("%s: %d", text, how);
    if (memcmp(&mine, &theirs, sizeof mine) != 0) fail_msg("%s: %a, not %a", text, mine, theirs);
    how = mn_number_float(text, strlen(text), &narrow);
    assert_int_equal(how, isfinite(narrow_theirs) ? MN_NUMBER_OK : MN_NUMBER_RANGE);
    if (memcmp(&narrow, &narrow_theirs, sizeof narrow) != 0) {
        fail_msg("%s: %a, not %a", text, (double)narrow, (double)narrow_theirs);
    }
}

static void every_spelling_gives_the_nearest_double(void **state)
{
    static const char *const hard[] = {"0",
                                       "-0",
                                       "-0.0",
                                       "1",
                                       "0.1",
                                       ".5",
                                       "5.",
                                       "1e22",
                                       "1e23",
                                       "123456789012345678901234567890",
                                       "0.00000000000000000000000000000000000000000000000000001",
                                       "2.2250738585072011e-308",
                                       "4.9e-324",
                                       "9007199254740993",
                                       "9007199254740992.99999999999999999999999999",
                                       "1.7976931348623157e308",
                                       "1000000000000000000000000000000000000000000e-42",
                                       "00000000000000000000000012.5",
                                       "0.000001e-5",
                                       "3.4028235e38",
                                       "3.4028236e38",
                                       "1.40129846e-45",
                                       "1.00000005960464477539062500000001"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++) same_double(hard[i]);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = random_word();
        double wide;
        float narrow;
        memcpy(&wide, &bits, sizeof wide);
        memcpy(&narrow, &bits, sizeof narrow);
        if (isfinite(wide)) {
            (void)snprintf(text, sizeof text, "%.*g", 1 + (int)(bits % 20), wide);
            same_double(text);
        }
        if (isfinite(narrow)) {
            (void)snprintf(text, sizeof text, "%.9g", (double)narrow);
            same_double(text);
        }
        int places = (int)(bits >> 8 & 0xff) % 20;
        uint64_t whole = random_word() >> (bits & 63);
        (void)snprintf(text, sizeof text, "%llu.%0*d", (unsigned long long)whole, places + 1,
                       (int)(bits >> 41 & 0x3fffff));
        same_double(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_at_the_edges),
        cmocka_unit_test(words_that_are_no_numbers),
        cmocka_unit_test(every_spelling_gives_the_nearest_double),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
