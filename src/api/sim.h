/*
 * sim: a simulated disk, with a database on it and a log of what was done.
 *
 *   mn_sim_new      a disk; what is done on it goes into its log         (sim.c, os/sim_log)
 *   mn_sim_explore  states of the log, each a disk of its own            (explore.c, os/sim_walk)
 *
 *   (V1) a disk lives as long as its caller or a handle on it: `uses` counts them.
 *   (V2) while a disk is explored nothing is done on it: handles and mn_sim_ack are refused.
 */
#ifndef MN_API_SIM_H
#define MN_API_SIM_H

#include "os/sim_log.h"

struct mn_vfs {
    pthread_mutex_t mutex;
    struct mn_os *os;
    uint64_t seed;
    uint32_t uses;
    bool exploring;
    char *path; /* of the database, as the first open named it; NULL: none yet */
    struct mn_sim_log log;
};

/* A disk over a machine, which it takes over, also when it fails. NULL: no memory. */
struct mn_vfs *mn_vfs_new(struct mn_os *os, uint64_t seed);

#endif
