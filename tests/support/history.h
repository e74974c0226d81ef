/*
 * history: what many workers did and saw, and whether it could have happened one after the other.
 *
 * A worker runs random transactions over one tree and records each: when it began and ended, the
 * version it read, the version it made, the value it met under each key. The tree has registers,
 * whose value names the transaction that wrote it last, and lists, to which each writer appends its
 * name. The checker orders the writes by version and applies them to a plain array:
 *
 *   (H1) each write transaction began from the version before its own: none was lost, none skipped;
 *   (H2) what it read is the state of that version, with what those did before it that made the
 *        same version: brief transactions may go on with another's (store/turn.c), others may not;
 *   (H3) each read transaction saw exactly the state of its version, under every key it read;
 *        it read each twice;
 *   (H4) a transaction that began after another one was acknowledged read its version or a later
 *        one;
 *   (H5) what was aborted or rolled back to a savepoint is nowhere.
 *
 * A transaction whose process was killed inside its commit is taken as made if somebody read its
 * version.
 */
#ifndef MN_TESTS_SUPPORT_HISTORY_H
#define MN_TESTS_SUPPORT_HISTORY_H

#include "store/store.h"

enum {
    HISTORY_KEYS = 96, /* the first third are lists */
    HISTORY_LISTS = HISTORY_KEYS / 3,
    HISTORY_LIST_MAX = 40,
    HISTORY_OPS = 6
};

enum history_state { HISTORY_NONE, HISTORY_READ, HISTORY_DOUBT, HISTORY_DONE, HISTORY_DROPPED };

struct history_op {
    uint64_t value; /* hash of what was read, 0: nothing there */
    uint16_t key;
    bool write; /* and then written by this transaction */
};

struct history_record {
    int64_t began, ended;   /* ticks, the same clock for all */
    int64_t turn;           /* when a writer had the writer's place */
    uint64_t base, version; /* read; made */
    uint64_t name;          /* of a write transaction, unique */
    uint64_t scan;          /* hash of the whole tree as read, 0: it was not scanned */
    uint32_t state;         /* enum history_state; set last, for a record may stay unfinished */
    uint8_t count;
    bool brief; /* it may have gone on with another's transaction */
    struct history_op ops[HISTORY_OPS];
};

/* The records of one worker, in memory that outlives it. */
struct history {
    uint32_t worker;
    uint32_t count, capacity;
    uint64_t mismatches; /* a second look at a snapshot showed something else */
    char message[256];   /* the first call that failed */
    struct history_record records[];
};

size_t history_bytes(uint32_t capacity);
void history_init(struct history *history, uint32_t worker, uint32_t capacity);

/* Makes the tree; once, before all workers. */
enum mn_status history_prepare(struct mn_store *store);
/* One transaction. False: it failed (message), or there is no room for its record. */
bool history_write(struct history *history, struct mn_store *store, uint64_t *random);
/* The same in a brief one, which other threads of the handle may share. */
bool history_brief(struct history *history, struct mn_store *store, uint64_t *random);
bool history_read(struct history *history, struct mn_store *store, uint64_t *random);
/* A read of what was there at an earlier time: of a copy that was made later than that. */
bool history_read_since(struct history *history, struct mn_store *store, uint64_t *random,
                        int64_t since);
int64_t history_tick(void);

struct history_counts {
    uint64_t writes, reads, dropped, doubtful, survived;
    uint64_t shared; /* writes that went on with another's transaction */
};
/* False: the first contradiction is printed. The workers are over. */
bool history_check(struct history *const *histories, unsigned workers,
                   struct history_counts *counts);

#endif
