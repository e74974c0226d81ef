/*
 * test: what every test program includes: cmocka with what it leans on, and the world outside.
 */
#ifndef MN_TESTS_SUPPORT_TEST_H
#define MN_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The seed of this run (-Dseed); a test that draws numbers prints it when it fails. */
uint64_t test_seed(void);

/* True for the long form of a test (-Ddeep). */
bool test_is_deep(void);

/* The path of a file of the data sets; NULL when it is absent: then call skip(). Static. */
const char *test_data(const char *relative);

/* The path of a file of the source tree. Static. */
const char *test_source(const char *relative);

/* The folder where library, header and shell are installed; NULL when it is not known. */
const char *test_prefix(void);

/* The shell that was built like this test, NULL when there is none. */
const char *test_shell(void);

/* A new empty folder, removed with all in it when the program exits. Static. */
const char *test_folder(void);

/* A small generator with one word of state, xorshift64*: the same numbers on every machine. */
uint64_t test_random(uint64_t *state);

#endif
