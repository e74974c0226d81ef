/*
 * Tests of query/regexp: against the C library's expressions, and in bounded time.
 */
#include "query/regexp.h"

#include <regex.h>
#include <string.h>
#include <time.h>

#include "support/test.h"

static bool found(const char *pattern, const char *text)
{
    struct mn_regexp *regexp;
    struct mn_arena arena;
    bool match, again;

    mn_arena_init(&arena, 0);
    if (mn_regexp_new(&arena, pattern, strlen(pattern), &regexp) != MN_OK) {
        fail_msg("%s: %s", pattern, mn_error_last()->message);
    }
    assert_int_equal(mn_regexp_match(regexp, text, strlen(text), &match), MN_OK);
    assert_int_equal(mn_regexp_match(regexp, text, strlen(text), &again), MN_OK);
    assert_int_equal(match, again);
    mn_arena_release(&arena);
    return match;
}

static void patterns_mean_what_they_say(void **state)
{
    (void)state;
    assert_true(found("", ""));
    assert_true(found("b+", "abbc"));
    assert_true(found("^a.c$", "abc"));
    assert_false(found("^a.c$", "xabc"));
    assert_false(found("a.c", "a\nc"));
    assert_true(found("a.c", "a\xe2\x82\xac"
                             "c"));
    assert_true(found("^[^a-c]+$", "xyz\xc3\xa9"));
    assert_false(found("^[^a-c]+$", "xbz"));
    assert_true(found("^(ab|cd){2}$", "abcd"));
    assert_false(found("^(ab|cd){2}$", "abcdab"));
    assert_true(found("^a{2,3}$", "aaa"));
    assert_false(found("^a{2,3}$", "aaaa"));
    assert_true(found("^a{2,}$", "aaaaa"));
    assert_true(found("\\bdock\\b", "the dock is"));
    assert_false(found("\\bdock\\b", "docking"));
    assert_true(found("dock\\B", "docking"));
    assert_true(found("^\\d+-\\w+\\s\\S$", "42-ab_c x"));
    assert_true(found("[\\d.]+", "1.5"));
    assert_true(found("^[]a-]+$", "]-a"));
    assert_true(found("a\\.b\\*", "a.b*"));
    assert_true(found("(?i)^\xc3\x84pfel [a-z]$", "\xc3\xa4PFEL Q"));
    assert_false(found("^(?:x|)$", "y"));
    assert_true(found("^(?:x|)$", ""));
    assert_true(found("(a*)*b", "aaab"));
    assert_true(found("x*?y", "xxy"));
}

static void wrong_patterns_are_refused(void **state)
{
    static const char *const wrong[] = {"(",     ")",   "a)", "[a",    "*a", "a{3,2}",
                                        "[z-a]", "\\q", "\\", "(?=a)", "a|*"};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct mn_regexp *regexp;
        struct mn_arena arena;

        mn_arena_init(&arena, 0);
        if (mn_regexp_new(&arena, wrong[i], strlen(wrong[i]), &regexp) != MN_ERROR)
            fail_msg("%s", wrong[i]);
        mn_arena_release(&arena);
    }
}

/* POSIX reads these in another way: a lazy repetition, an empty group, a repeated border. */
static bool is_read_alike(const char *pattern)
{
    static const char *const odd[] = {"*?", "+?", "??", "}?", "()", "(|", "||", "|)",
                                      "^*", "^+", "^?", "^{", "$*", "$+", "$?", "${"};

    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        if (strstr(pattern, odd[i])) return false;
    }
    return true;
}

/* Patterns that both read the same way, with the C library as the judge. */
static void random_patterns_agree_with_the_c_library(void **state)
{
    static const char *const pieces[] = {"a", "b", ".", "[ab]", "[^a]", "(",   ")",    "|",
                                         "*", "+", "?", "^",    "$",    "{2}", "{1,2}"};
    uint64_t random = test_seed();
    int compared = 0;

    (void)state;
    for (int round = 0; round < 40000; round++) {
        char pattern[64] = "", text[8] = "";
        struct mn_regexp *regexp;
        struct mn_arena arena;
        regex_t judge;

        for (uint64_t n = (test_random(&random) >> 40) % 8; n > 0; n--) {
            strcat(pattern, pieces[(test_random(&random) >> 40) % 15]);
        }
        for (uint64_t n = (test_random(&random) >> 40) % 7, i = 0; i < n; i++) {
            text[i] = "ab"[test_random(&random) >> 40 & 1];
        }
        mn_arena_init(&arena, 0);
        if (mn_regexp_new(&arena, pattern, strlen(pattern), &regexp) == MN_OK &&
            is_read_alike(pattern) && regcomp(&judge, pattern, REG_EXTENDED | REG_NOSUB) == 0) {
            bool want = regexec(&judge, text, 0, NULL, 0) == 0, got;

            assert_int_equal(mn_regexp_match(regexp, text, strlen(text), &got), MN_OK);
            if (got != want) fail_msg("'%s' in '%s'", pattern, text);
            regfree(&judge);
            compared++;
        }
        mn_arena_release(&arena);
    }
    assert_true(compared > 5000);
}

/* What brings a backtracking matcher down takes a moment here; what is too large is refused. */
static void time_and_size_are_bounded(void **state)
{
    static const char *const evil[] = {"(a*)*c", "(a|aa)+$c", "(a?){50}a{50}c",
                                       "(.*)(.*)(.*)(.*)c"};
    static char text[20000];
    struct mn_regexp *regexp;
    struct mn_arena arena;
    clock_t begin = clock();

    (void)state;
    memset(text, 'a', sizeof text - 1);
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) assert_false(found(evil[i], text));
    assert_true(clock() - begin < 20 * CLOCKS_PER_SEC);
    mn_arena_init(&arena, 0);
    assert_int_equal(mn_regexp_new(&arena, "((a{100}){100}){100}", 20, &regexp), MN_TOOBIG);
    mn_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_mean_what_they_say),
        cmocka_unit_test(wrong_patterns_are_refused),
        cmocka_unit_test(random_patterns_agree_with_the_c_library),
        cmocka_unit_test(time_and_size_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
