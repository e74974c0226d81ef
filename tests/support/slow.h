/*
 * slow: a simulated machine whose syncs take as long as those of a real device, so that threads
 * meanwhile wait for their turn.
 */
#ifndef MN_TESTS_SUPPORT_SLOW_H
#define MN_TESTS_SUPPORT_SLOW_H

#include "os/sim.h"

/* To be freed with mn_machine_free. No memory fails the test. */
struct mn_os *slow_machine_new(void);

#endif
