/*
 * slow: syncs of 300 us on a simulated machine.
 */
#include "support/slow.h"

#include <time.h>

#include "support/test.h"

static enum mn_sim_fault slow_sync(void *context, const struct mn_sim_event *event)
{
    (void)context;
    if (event->op == MN_SIM_SYNC) nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    return MN_SIM_PASS;
}

struct mn_os *slow_machine_new(void)
{
    struct mn_os *os = mn_machine_new(test_seed(), 0);

    assert_non_null(os);
    mn_sim_set_hook(os, slow_sync, NULL);
    return os;
}
