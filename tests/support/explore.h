/*
 * explore: every schedule of simulated processes within bounds, and what goes wrong in them.
 *
 * A schedule is what happens by default (the running process goes on until it waits or ends, then
 * the lowest one that can) and where it was left: at choice point 17 process 2 goes on instead, at
 * 31 the power goes. Each departure has a cost, and a budget bounds each kind of cost. Schedules
 * are explored by growing number of departures, so the first that fails is a shortest one; a state
 * that was met before with the same budget left ends a run, for its future was explored from there.
 *
 * Tokens: CONFIGURATION:POINT WHAT ..., for instance two:17g2,31o5
 *
 *   gF  fiber F goes on          lF  F's wait for a lock is over       kP  process P is killed
 *   hF  P dies half way through F's write      fF.N  F's sync fails, loss N      oN  power off,
 * loss N
 */
#ifndef MN_TESTS_SUPPORT_EXPLORE_H
#define MN_TESTS_SUPPORT_EXPLORE_H

#include "support/ghost.h"

struct budget {
    uint8_t preempt; /* another one goes on though the running one could */
    uint8_t kill, fail, late, power;
};

struct subject {
    const char *name;
    struct budget budget;
    struct ghost *ghost;
    /* Puts machine and ghost to where they begin and starts the first fibers. */
    void (*begin)(void *context);
    /* Starts the fibers after power loss number `life`; none: it ends there. */
    void (*again)(void *context, unsigned life);
    /* All fibers are over: is the file what it should be? */
    void (*judge)(void *context);
    void *context;
};

struct explored {
    uint64_t runs, steps, states, ends;
    bool whole; /* nothing is left within the budget */
    bool bad;
    char token[512], story[640];
};

/* By number of departures, at most that many runs; then that many random ones. */
void explore(const struct subject *subject, uint64_t runs_max, uint64_t random_runs, uint64_t seed,
             struct explored *out);
/* The run of a token (without the configuration's name), told step by step. False: it fails. */
bool explore_replay(const struct subject *subject, const char *token);

#endif
