/*
 * sim_log: what a program did to one simulated file, in order, to be done again.
 *
 *   base     the file when it got its name: nothing of it is pending
 *   entries  writes, sizes and syncs since, and what the program told others it had done
 *
 * Recorded by the machine's hook, from any thread. A log is read when nobody records any more.
 */
#ifndef MN_OS_SIM_LOG_H
#define MN_OS_SIM_LOG_H

#include <pthread.h>

#include "os/sim.h"

enum mn_sim_entry_kind { MN_ENTRY_WRITE, MN_ENTRY_RESIZE, MN_ENTRY_SYNC, MN_ENTRY_ACK };

struct mn_sim_entry {
    enum mn_sim_entry_kind kind;
    uint64_t offset, size_bytes; /* of a write; size_bytes alone of a resize */
    uint64_t number;             /* of an acknowledgement */
    size_t at;                   /* of a write: its bytes in `bytes` */
    uint64_t print;              /* hash of the base and all entries up to this one */
    int64_t now_us;              /* by the machine's clock */
};

struct mn_sim_log {
    pthread_mutex_t mutex;
    struct mn_os *os;
    bool begun; /* the file has its name */
    uint8_t *base;
    uint64_t base_bytes;
    struct mn_sim_entry *entries;
    size_t count, capacity;
    uint8_t *bytes;
    size_t used, room;
    enum mn_status status; /* MN_NOMEM: it is not whole */
};

/* Records what is done on the machine from now on; it must live as long. */
void mn_sim_log_begin(struct mn_sim_log *log, struct mn_os *os);
/* Hash of the base and the first `count` entries. */
uint64_t mn_sim_log_print(const struct mn_sim_log *log, size_t count);
void mn_sim_log_release(struct mn_sim_log *log);

enum mn_status mn_sim_log_ack(struct mn_sim_log *log, uint64_t number);
/* Does an entry again on a file of another machine. */
enum mn_status mn_sim_log_redo(const struct mn_sim_log *log, size_t entry, struct mn_file *file);

#endif
