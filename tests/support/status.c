/*
 * status: what must succeed in a test.
 */
#include "support/status.h"

#include "support/test.h"

void test_ok_at(enum mn_status status, const char *file, int line)
{
    if (status == MN_OK) return;
    print_error("%s:%d: %s: %s\n", file, line, mn_status_name(status), mn_error_last()->message);
    fail();
}
