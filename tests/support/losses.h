/*
 * losses: a walk of crash tests: before each write, sync and resize of a simulated machine the
 * power is lost in five ways, and the walk looks at what each leaves.
 */
#ifndef MN_TESTS_SUPPORT_LOSSES_H
#define MN_TESTS_SUPPORT_LOSSES_H

#include "os/sim.h"

struct losses {
    struct mn_os *os;
    const char *path; /* of the machine's file */
    uint64_t random;
    const bool *stop; /* true: no more */
    /* Makes the machine after the loss and looks at it. */
    void (*look)(void *context, const struct mn_sim_loss *loss);
    void *context;
    bool inside;
};

/* From now on; `losses` must live as long as the machine does things. */
void losses_begin(struct losses *losses);

#endif
