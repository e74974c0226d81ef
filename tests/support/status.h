/*
 * status: what must succeed in a test of the rooms below the API.
 */
#ifndef MN_TESTS_SUPPORT_STATUS_H
#define MN_TESTS_SUPPORT_STATUS_H

#include "base/status.h"

/* Fails the test, with the line, the code and its message, unless the status is MN_OK. */
#define ok(expression) test_ok_at((expression), __FILE__, __LINE__)
void test_ok_at(enum mn_status status, const char *file, int line);

#endif
