/*
 * sim_walk: the crash states of a log, each by name.
 *
 * A state is named by how power or process failed, by the position in the log (so many entries had
 * happened), and by a number below mn_sim_walk_count. Which pending pieces a number means follows
 * from the seed alone, so a name makes the same state for ever.
 *
 *   MN_SIM_SUBSET    any of the pending pieces arrived: all subsets of up to 12 of them, each at
 *                    the first position that has it; of more: prefixes, all but one, only one, and
 *                    some at random
 *   MN_SIM_TEAR      one piece arrived in part, by sectors of 512 bytes or cut at a multiple of 8
 *   MN_SIM_GARBAGE   one piece arrived, one sector of it as garbage
 *   MN_SIM_KILL      all that was written is there; also with half of the last write alone
 *   MN_SIM_RECOVERY  a subset, and then another failure in what is done to that state: two steps
 */
#ifndef MN_OS_SIM_WALK_H
#define MN_OS_SIM_WALK_H

#include "os/sim_log.h"

struct mn_sim_walk {
    const struct mn_sim_log *log;
    const char *path;
    uint64_t seed;
    struct mn_os *os; /* stands at `position` */
    struct mn_file *file;
    size_t position;
    size_t fresh;  /* pieces that were pending before the last entry */
    uint8_t *each; /* pieces that arrive */
    size_t room;
};

enum mn_status mn_sim_walk_begin(struct mn_sim_walk *walk, const struct mn_sim_log *log,
                                 const char *path, uint64_t seed);
void mn_sim_walk_end(struct mn_sim_walk *walk);
/* Goes to a position, from 0 to log->count, forwards or anew from the base. */
enum mn_status mn_sim_walk_go(struct mn_sim_walk *walk, size_t position);
/* How many states of a kind there are here. */
uint64_t mn_sim_walk_count(const struct mn_sim_walk *walk, enum mn_sim_kind kind);
/* A machine in that state; of MN_SIM_RECOVERY the first step. */
enum mn_status mn_sim_walk_take(struct mn_sim_walk *walk, enum mn_sim_kind kind, uint64_t number,
                                struct mn_os **out);
/*
 * The second step: `after` is what was done to the first step's machine. *out is NULL where nothing
 * was done to it.
 */
enum mn_status mn_sim_walk_again(struct mn_sim_walk *walk, uint64_t number,
                                 const struct mn_sim_log *after, struct mn_os **out);

#endif
