/*
 * crash_world.h: the simulated machine that a workload runs on, between crash_world.c, which runs
 * the operations, and crash_recover.c, which opens, closes and goes on after failures.
 */
#ifndef MN_TESTS_SUPPORT_CRASH_WORLD_H
#define MN_TESTS_SUPPORT_CRASH_WORLD_H

#include "support/crash.h"

enum { HANDLES = 2, PINS_MAX = 6, SAVES_MAX = 3, SINCE_MAX = 160 };

struct pin {
    struct mn_view *view;
    struct cells cells;
    int handle;
};

struct world {
    struct explorer *x;
    const struct workload *workload;
    struct record *record;
    struct place place;
    struct handle handles[HANDLES];
    int writer;
    struct cells acked, flying, saved[SAVES_MAX];
    struct cells since[SINCE_MAX]; /* without syncs: what was committed since the last promise */
    uint32_t since_count;
    bool lost; /* a sync failed since then: versions that were published may not be there */
    bool over; /* the file says that it is damaged, as it may without syncs */
    size_t last_first, last_count; /* changes of the last transaction */
    uint32_t saves;
    bool in_txn, uncertain, inside;
    struct op fault; /* put into the way of the next commit */
    struct pin pins[PINS_MAX];
    uint32_t pin_count;
    uint64_t random;
    uint64_t form;      /* of the layer, when the transaction began */
    uint64_t published; /* the newest version that was acknowledged or settled on */
    uint32_t act;       /* what the other handle does in between */
};

static inline struct handle *world_writer(struct world *w)
{
    return &w->handles[w->writer];
}

static inline bool world_is_unsynced(const struct world *w)
{
    return w->workload->sync != MN_STORE_FULL;
}

static inline bool cells_same(const struct cells *a, const struct cells *b)
{
    return cells_print(a) == cells_print(b);
}

/* What the engine has just said, as a finding. */
void world_broken(struct world *w, int invariant, const char *what);
/* What nobody may write over now: the newest version, twice while it is durable too, and pins. */
void world_guards_set(struct world *w);
/* What is acknowledged was committed since the last promise. */
void world_since_add(struct world *w);
/* What is acknowledged is durable. */
void world_promised(struct world *w);

void world_handle_open(struct world *w, int number);
void world_handle_close(struct world *w, int number);
/* While a pin ends or begins, the other handle may close, and its pins leave the list. */
void world_pin_end(struct world *w, uint32_t at);
/* Every handle is closed; what the first to open finds is durable. */
void world_all_anew(struct world *w);
/* The writer's handle is of no use any more: what it left is settled, and somebody goes on. */
void world_recover(struct world *w);

#endif
