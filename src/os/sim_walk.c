/*
 * sim_walk: the crash states of a log, each by name (see sim_walk.h).
 */
#include "os/sim_walk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "os/sim_inode.h"

enum {
    SUBSET_BITS = 12,
    SUBSETS_RANDOM = 512,
    TEARS_EACH = 24,
    GARBAGE_EACH = 8,
    RECOVERIES = 16,
    STRIDE = 1000003 /* a prime beyond all counts of subsets: visits each once, far apart */
};

/* Where the clock of a machine goes on after a crash: a second later. */
#define CLOCK_STEP_US INT64_C(1000000)

/* What a number of a kind means at this position. */
static uint64_t dice_of(const struct mn_sim_walk *walk, enum mn_sim_kind kind, uint64_t number)
{
    uint64_t hash = mn_hash_mix(walk->seed, (uint64_t)kind);

    return mn_hash_mix(mn_hash_mix(hash, walk->position), number);
}

static size_t pending_of(struct mn_os *os, const char *path)
{
    return mn_sim_pending(os, path);
}

static bool each_need(struct mn_sim_walk *walk, size_t count)
{
    if (!mn_grow(&walk->each, &walk->room, count + 1, 1)) return false;
    memset(walk->each, 0, count);
    return true;
}

/* ---- going to a position ---- */

static uint64_t room_of(const struct mn_sim_log *log)
{
    uint64_t most = log->base_bytes;

    for (size_t i = 0; i < log->count; i++) {
        const struct mn_sim_entry *entry = &log->entries[i];

        if (entry->offset + entry->size_bytes > most) most = entry->offset + entry->size_bytes;
    }
    return most + most / 2 + (UINT64_C(16) << 20); /* a check may write, too */
}

static void machine_drop(struct mn_sim_walk *walk)
{
    if (walk->file) walk->file->ops->close(walk->file);
    mn_machine_free(walk->os);
    walk->file = NULL;
    walk->os = NULL;
}

static enum mn_status machine_make(struct mn_sim_walk *walk)
{
    const struct mn_sim_log *log = walk->log;
    enum mn_status status;

    machine_drop(walk);
    walk->position = walk->fresh = 0;
    walk->os = mn_machine_new(walk->seed, room_of(log));
    if (!walk->os) return mn_fail_nomem();
    status = mn_sim_put(walk->os, walk->path, log->base, log->base_bytes);
    return status ? status : walk->os->ops->open(walk->os, walk->path, 0, &walk->file);
}

enum mn_status mn_sim_walk_begin(struct mn_sim_walk *walk, const struct mn_sim_log *log,
                                 const char *path, uint64_t seed)
{
    memset(walk, 0, sizeof *walk);
    walk->log = log;
    walk->path = path;
    walk->seed = seed;
    return machine_make(walk);
}

void mn_sim_walk_end(struct mn_sim_walk *walk)
{
    machine_drop(walk);
    mn_dealloc(walk->each);
}

enum mn_status mn_sim_walk_go(struct mn_sim_walk *walk, size_t position)
{
    enum mn_status status = position < walk->position ? machine_make(walk) : MN_OK;

    while (!status && walk->position < position) {
        walk->fresh = pending_of(walk->os, walk->path);
        status = mn_sim_log_redo(walk->log, walk->position, walk->file);
        walk->position++;
    }
    return status;
}

/* ---- how many states there are ---- */

static const struct mn_sim_entry *last_entry(const struct mn_sim_walk *walk)
{
    return walk->position ? &walk->log->entries[walk->position - 1] : NULL;
}

static bool last_is(const struct mn_sim_walk *walk, enum mn_sim_entry_kind kind)
{
    const struct mn_sim_entry *entry = last_entry(walk);

    return entry && entry->kind == kind;
}

/* Pieces before the ones of which a subset must have one to be new at this position. */
static size_t old_pieces(const struct mn_sim_walk *walk, size_t pending)
{
    bool wrote = last_is(walk, MN_ENTRY_WRITE) || last_is(walk, MN_ENTRY_RESIZE);

    return wrote && walk->fresh < pending ? walk->fresh : 0;
}

static uint64_t subset_count(size_t pending, size_t old)
{
    if (pending > SUBSET_BITS) return 3 * pending + 1 + SUBSETS_RANDOM;
    return old ? ((UINT64_C(1) << (pending - old)) - 1) << old : UINT64_C(1) << pending;
}

uint64_t mn_sim_walk_count(const struct mn_sim_walk *walk, enum mn_sim_kind kind)
{
    size_t pending = pending_of(walk->os, walk->path);

    switch (kind) {
    case MN_SIM_SUBSET: return subset_count(pending, old_pieces(walk, pending));
    case MN_SIM_TEAR: return (uint64_t)pending * TEARS_EACH;
    case MN_SIM_GARBAGE: return (uint64_t)pending * GARBAGE_EACH;
    case MN_SIM_KILL: return last_is(walk, MN_ENTRY_WRITE) && pending > walk->fresh + 1 ? 2 : 1;
    case MN_SIM_RECOVERY: return RECOVERIES;
    }
    return 0;
}

/* ---- making one ---- */

/* Sets walk->each to the subset of that number. */
static void subset_choose(struct mn_sim_walk *walk, size_t pending, size_t old, uint64_t number)
{
    uint64_t count = subset_count(pending, old);
    uint8_t *each = walk->each;

    if (pending <= SUBSET_BITS) {
        uint64_t mask = number * STRIDE % count;

        if (old) {
            mask = (mask & ((UINT64_C(1) << old) - 1)) | (((mask >> old) + 1) << old);
        }
        for (size_t i = 0; i < pending; i++) each[i] = mask >> i & 1;
    } else if (number <= pending) { /* prefixes */
        memset(each, 1, number);
    } else if (number <= 2 * pending) { /* all but one */
        memset(each, 1, pending);
        each[number - pending - 1] = 0;
    } else if (number <= 3 * pending) { /* only one */
        each[number - 2 * pending - 1] = 1;
    } else {
        uint64_t seed = dice_of(walk, MN_SIM_SUBSET, number);

        for (size_t i = 0; i < pending; i++) each[i] = mn_sim_random(&seed) >> 17 & 1;
    }
}

/* A torn piece among all others, among those before it, and among a random part of them. */
static void others_choose(struct mn_sim_walk *walk, size_t pending, size_t torn, uint64_t dice)
{
    switch (dice % 3) {
    case 0: memset(walk->each, 1, pending); break;
    case 1: memset(walk->each, 1, torn); break;
    default:
        for (size_t i = 0; i < pending; i++) walk->each[i] = mn_sim_random(&dice) >> 17 & 1;
    }
}

static void tear_choose(struct mn_sim_walk *walk, enum mn_sim_kind kind, uint64_t number,
                        struct mn_sim_loss *loss)
{
    size_t pending = pending_of(walk->os, walk->path);
    uint64_t dice = dice_of(walk, kind, number);

    loss->torn = pending - 1 - number % pending;
    loss->tear = kind == MN_SIM_GARBAGE ? MN_SIM_TEAR_GARBAGE
                 : number / pending % 2 ? MN_SIM_TEAR_8
                                        : MN_SIM_TEAR_512;
    others_choose(walk, pending, loss->torn, dice >> 8);
}

static void kill_choose(struct mn_sim_walk *walk, size_t pending, uint64_t number)
{
    size_t last = pending - walk->fresh;

    memset(walk->each, 1, pending);
    if (number) memset(walk->each + walk->fresh + last / 2, 0, last - last / 2);
}

/* The machine after the loss; its clock goes on where the log is. */
static enum mn_status machine_crash(struct mn_sim_walk *walk, struct mn_os *os,
                                    const struct mn_sim_loss *loss, int64_t later_us,
                                    struct mn_os **out)
{
    const struct mn_sim_entry *entry = last_entry(walk);

    *out = mn_sim_crash(os, loss);
    if (!*out) return mn_fail_nomem();
    mn_sim_set_clock(*out, (entry ? entry->now_us : os->ops->now_us(os)) + later_us);
    return MN_OK;
}

enum mn_status mn_sim_walk_take(struct mn_sim_walk *walk, enum mn_sim_kind kind, uint64_t number,
                                struct mn_os **out)
{
    size_t pending = pending_of(walk->os, walk->path), old = old_pieces(walk, pending);
    struct mn_sim_loss loss = {.seed = dice_of(walk, kind, number)};

    *out = NULL;
    if (!each_need(walk, pending)) return mn_fail_nomem();
    loss.each = walk->each;
    switch (kind) {
    case MN_SIM_SUBSET: subset_choose(walk, pending, old, number); break;
    case MN_SIM_TEAR:
    case MN_SIM_GARBAGE: tear_choose(walk, kind, number, &loss); break;
    case MN_SIM_KILL: kill_choose(walk, pending, number); break;
    case MN_SIM_RECOVERY:
        subset_choose(walk, pending, old, loss.seed % subset_count(pending, old));
        break;
    }
    return machine_crash(walk, walk->os, &loss, CLOCK_STEP_US, out);
}

/* Some subset of what is pending on that machine, or a tear of one piece. */
static enum mn_status loss_draw(struct mn_sim_walk *walk, struct mn_os *os, uint64_t dice,
                                struct mn_sim_loss *loss)
{
    size_t pending = pending_of(os, walk->path);

    *loss = (struct mn_sim_loss){.seed = dice};
    if (!each_need(walk, pending)) return mn_fail_nomem();
    loss->each = walk->each;
    for (size_t i = 0; i < pending; i++) walk->each[i] = mn_sim_random(&dice) >> 17 & 1;
    if (pending && dice >> 9 & 1) {
        loss->tear = dice >> 10 & 1 ? MN_SIM_TEAR_512 : MN_SIM_TEAR_8;
        loss->torn = mn_sim_random(&dice) % pending;
    }
    return MN_OK;
}

static enum mn_status redo_until(struct mn_sim_walk *walk, struct mn_os *os,
                                 const struct mn_sim_log *after, size_t position)
{
    struct mn_file *file;
    enum mn_status status = os->ops->open(os, walk->path, 0, &file);

    if (status) return status;
    for (size_t i = 0; i < position && !status; i++) status = mn_sim_log_redo(after, i, file);
    file->ops->close(file);
    return status;
}

enum mn_status mn_sim_walk_again(struct mn_sim_walk *walk, uint64_t number,
                                 const struct mn_sim_log *after, struct mn_os **out)
{
    uint64_t dice = dice_of(walk, MN_SIM_RECOVERY, number);
    struct mn_sim_loss loss;
    struct mn_os *first;
    enum mn_status status;

    *out = NULL;
    if (after->count == 0) return MN_OK;
    status = mn_sim_walk_take(walk, MN_SIM_RECOVERY, number, &first);
    if (status) return status;
    status = redo_until(walk, first, after, 1 + mn_sim_random(&dice) % after->count);
    if (!status) status = loss_draw(walk, first, dice, &loss);
    if (!status) status = machine_crash(walk, first, &loss, 2 * CLOCK_STEP_US, out);
    mn_machine_free(first);
    return status;
}
