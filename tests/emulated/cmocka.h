/*
 * cmocka: as much of it as the tests need that also run as a program for another machine, under an
 * emulator, where the library is not installed. A check that fails ends the program.
 */
#ifndef MN_TESTS_EMULATED_CMOCKA_H
#define MN_TESTS_EMULATED_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(function) \
    { \
#function, function \
    }
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    emulated_run((tests), sizeof(tests) / sizeof *(tests))

#define print_message(...) printf(__VA_ARGS__)
#define fail_msg(...) \
    (printf(__VA_ARGS__), printf("\n%s:%d: failed\n", __FILE__, __LINE__), exit(1))
#define assert_true(it) \
    do { \
        if (!(it)) fail_msg("not so: %s", #it); \
    } while (0)
#define assert_non_null(it) assert_true((it) != NULL)
#define assert_null(it) assert_true((it) == NULL)
#define assert_ptr_equal(a, b) assert_true((a) == (b))
#define assert_string_equal(a, b) assert_true(strcmp((a), (b)) == 0)

/* Prints what cmocka prints, for whoever counts. */
static inline int emulated_run(const struct CMUnitTest *tests, size_t count)
{
    printf("[==========] Running %zu test(s).\n", count);
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;

        tests[i].run(&state);
        printf("[       OK ] %s\n", tests[i].name);
    }
    printf("[==========] %zu test(s) run.\n", count);
    return 0;
}

#endif
