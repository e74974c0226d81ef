/*
 * explore: an application's own rule, checked in the states that a crash may leave.
 *
 *   for each round, with more numbers than the one before
 *     for each position of the log, for each kind
 *       a state  ->  its bytes were not seen before  ->  opened, checked, closed
 *
 * Rounds, because the bounds may end it at any time: until then each position had its share.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/sim.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "os/clock.h"
#include "os/sim_walk.h"

enum { FIRST_NUMBERS = 4, SECONDS_DEFAULT = 10, KINDS = 5, SEEN_LEAST = 1024 };
#define STATES_DEFAULT UINT64_C(1000000)

static const struct {
    enum mn_sim_kind kind;
    char letter; /* in tokens */
    const char *words;
} kinds[KINDS] = {{MN_SIM_SUBSET, 's', "power was lost"},
                  {MN_SIM_TEAR, 't', "power was lost and a write torn"},
                  {MN_SIM_GARBAGE, 'g', "power was lost and a sector was garbage"},
                  {MN_SIM_KILL, 'k', "the process ended"},
                  {MN_SIM_RECOVERY, 'r', "power was lost, and again in recovery"}};

struct point {
    int kind; /* in `kinds` */
    size_t position;
    uint64_t number;
};

struct seen {
    uint64_t *keys; /* 0: free */
    size_t mask, count;
};

struct explore {
    mn_vfs *vfs;
    mn_sim_check_fn check;
    void *context;
    mn_sim_options options;
    mn_options open;
    mn_sim_report report;
    struct mn_sim_walk walk;
    struct seen seen;
    int64_t until_us;
    struct point point;
    uint64_t acked;
    char token[MN_SIM_TOKEN_BYTES];
};

static uint32_t print_short(const struct mn_sim_log *log, size_t position)
{
    uint64_t print = mn_sim_log_print(log, position);

    return (uint32_t)(print ^ print >> 32);
}

static void token_write(struct explore *x)
{
    (void)snprintf(x->token, sizeof x->token, "sim1-%" PRIx64 "-%c-%zu-%" PRIu64 "-%08" PRIx32,
                   x->vfs->seed, kinds[x->point.kind].letter, x->point.position, x->point.number,
                   print_short(&x->vfs->log, x->point.position));
}

static enum mn_status token_read(struct explore *x, const char *token)
{
    uint64_t seed;
    uint32_t print;
    char letter;
    int end = 0;

    if (sscanf(token, "sim1-%" SCNx64 "-%c-%zu-%" SCNu64 "-%8" SCNx32 "%n", &seed, &letter,
               &x->point.position, &x->point.number, &print, &end) == 5 &&
        token[end] == '\0') {
        for (int i = 0; i < KINDS; i++) {
            if (kinds[i].letter != letter) continue;
            x->point.kind = i;
            if (seed != x->vfs->seed) {
                return mn_fail(MN_NOTFOUND, "the token is of a run with the seed %" PRIu64, seed);
            }
            if (x->point.position > x->vfs->log.count ||
                print_short(&x->vfs->log, x->point.position) != print) {
                mn_fail(MN_NOTFOUND, "the token is of a run that did something else");
                return mn_hint("threads, random numbers and times make runs differ");
            }
            return MN_OK;
        }
    }
    return mn_fail(MN_MISUSE, "not a token: %.100s", token);
}

static uint64_t *seen_place(const struct seen *seen, uint64_t key)
{
    size_t at = (size_t)(key >> 7) & seen->mask;

    while (seen->keys[at] && seen->keys[at] != key) at = (at + 1) & seen->mask;
    return &seen->keys[at];
}

static bool seen_grow(struct seen *seen)
{
    struct seen grown = {.mask = seen->keys ? seen->mask * 2 + 1 : SEEN_LEAST - 1,
                         .count = seen->count};

    if (seen->keys && seen->count * 2 < seen->mask) return true;
    grown.keys = mn_zalloc((grown.mask + 1) * sizeof *grown.keys);
    if (!grown.keys) return false;
    for (size_t i = 0; seen->keys && i <= seen->mask; i++) {
        if (seen->keys[i]) *seen_place(&grown, seen->keys[i]) = seen->keys[i];
    }
    mn_dealloc(seen->keys);
    *seen = grown;
    return true;
}

/* Is this the first state with these bytes, the same number told, and the same way of ending? */
static enum mn_status state_is_new(struct explore *x, struct mn_os *os, bool *fresh)
{
    const char *path = x->vfs->path;
    uint64_t key = mn_hash(mn_sim_content(os, path), mn_sim_size(os, path), 1), *place;

    if (!seen_grow(&x->seen)) return mn_fail_nomem();
    key = mn_hash_mix(mn_hash_mix(key, x->acked), kinds[x->point.kind].kind == MN_SIM_KILL) | 1;
    place = seen_place(&x->seen, key);
    *fresh = *place == 0;
    if (*fresh) x->seen.count++;
    *place = key;
    return MN_OK;
}

/* ---- one state ---- */

static enum mn_status violation(struct explore *x, enum mn_status code, const char *what)
{
    memcpy(x->report.token, x->token, sizeof x->token);
    return mn_fail(code, "%s at step %zu of %zu, %" PRIu64 " acknowledged: %s; token %s",
                   kinds[x->point.kind].words, x->point.position, x->vfs->log.count, x->acked, what,
                   x->token);
}

/* Opens the database on that disk, checks and closes it. */
static enum mn_status disk_check(struct explore *x, struct mn_vfs *disk)
{
    mn_sim_state state = {sizeof state, (unsigned)kinds[x->point.kind].kind, x->acked, x->token};
    mn_options open = x->open;
    char what[MN_MESSAGE_BYTES];
    mn_db *db;
    int answer;

    open.vfs = disk;
    answer = mn_open_with(x->vfs->path, &open, &db);
    if (answer != MN_OK) {
        struct mn_error error = *mn_error_last();

        /* No memory, or options that no file could be opened with, are not the crash's doing. */
        if (answer == MN_NOMEM || answer == MN_MISUSE) return (enum mn_status)answer;
        (void)snprintf(what, sizeof what, "cannot be opened: %.300s", error.message);
        return violation(x, (enum mn_status)answer, what);
    }
    answer = x->check(x->context, db, &state);
    if (mn_close(db) == MN_MISUSE) {
        return mn_fail(MN_MISUSE, "the check left a statement, snapshot or load of its handle");
    }
    if (answer != 0) {
        (void)snprintf(what, sizeof what, "the check answered %d", answer);
        return violation(x, MN_ERROR, what);
    }
    x->report.good++;
    return MN_OK;
}

static void kind_count(struct explore *x)
{
    uint64_t *counts[KINDS] = {&x->report.subsets, &x->report.tears, &x->report.garbage,
                               &x->report.kills, &x->report.recoveries};

    x->report.distinct++;
    ++*counts[x->point.kind];
}

/* A disk of a state: what is done to it is recorded from the first call on, without its base. Takes
 * the machine over. */
static struct mn_vfs *disk_new(const struct explore *x, struct mn_os *os)
{
    struct mn_vfs *disk = mn_vfs_new(os, x->vfs->seed);

    if (disk) disk->log.begun = true;
    return disk;
}

/* A state that was seen is checked no more. Takes the machine over. */
static enum mn_status state_visit(struct explore *x, struct mn_os *os)
{
    struct mn_vfs *disk = disk_new(x, os);
    bool fresh = false;
    enum mn_status status = disk ? state_is_new(x, os, &fresh) : MN_NOMEM;

    x->report.states++;
    if (status == MN_OK && fresh) {
        kind_count(x);
        status = disk_check(x, disk);
    }
    mn_vfs_release(disk);
    return status;
}

/* Power is lost in what the open and the check do to a state. Takes the machine over. */
static enum mn_status state_visit_twice(struct explore *x, struct mn_os *os)
{
    struct mn_vfs *disk = disk_new(x, os);
    struct mn_os *second = NULL;
    enum mn_status status;

    if (!disk) return MN_NOMEM;
    status = disk_check(x, disk);
    if (status == MN_OK && disk->log.status) status = mn_fail_nomem();
    if (status == MN_OK) status = mn_sim_walk_again(&x->walk, x->point.number, &disk->log, &second);
    if (status == MN_OK && second) status = state_visit(x, second);
    mn_vfs_release(disk);
    return status;
}

static enum mn_status point_visit(struct explore *x)
{
    enum mn_sim_kind kind = kinds[x->point.kind].kind;
    struct mn_os *os;
    enum mn_status status = mn_sim_walk_take(&x->walk, kind, x->point.number, &os);

    if (status != MN_OK) return status;
    token_write(x);
    return kind == MN_SIM_RECOVERY ? state_visit_twice(x, os) : state_visit(x, os);
}

/* ---- all of them ---- */

static uint64_t acked_at(const struct mn_sim_log *log, size_t position)
{
    while (position > 0 && log->entries[position - 1].kind != MN_ENTRY_ACK) position--;
    return position ? log->entries[position - 1].number : 0;
}

static enum mn_status position_go(struct explore *x, size_t position)
{
    x->point.position = position;
    x->acked = acked_at(&x->vfs->log, position);
    return mn_sim_walk_go(&x->walk, position);
}

static bool bound_reached(const struct explore *x)
{
    return x->report.states >= x->options.states_max || mn_clock_tick_us() >= x->until_us;
}

/* The numbers from `from` to `to` of each kind at each position; *more: there are greater ones. */
static enum mn_status round_run(struct explore *x, uint64_t from, uint64_t to, bool *more)
{
    enum mn_status status = MN_OK;

    *more = false;
    for (size_t p = 0; p <= x->vfs->log.count; p++) {
        status = position_go(x, p);
        for (x->point.kind = 0; x->point.kind < KINDS && status == MN_OK; x->point.kind++) {
            enum mn_sim_kind kind = kinds[x->point.kind].kind;
            uint64_t count = mn_sim_walk_count(&x->walk, kind);

            if (!(x->options.kinds & (unsigned)kind)) continue;
            if (count > to) *more = true;
            for (uint64_t n = from; n < to && n < count && status == MN_OK; n++) {
                if (bound_reached(x)) {
                    *more = true;
                    return MN_OK;
                }
                x->point.number = n;
                status = point_visit(x);
            }
        }
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

static enum mn_status rounds_run(struct explore *x)
{
    uint64_t from = 0, size = FIRST_NUMBERS;
    bool more = true;
    enum mn_status status = MN_OK;

    while (more && status == MN_OK && !bound_reached(x)) {
        status = round_run(x, from, from + size, &more);
        from += size;
        size *= 2;
    }
    x->report.complete = status == MN_OK && !more;
    return status;
}

static enum mn_status replay(struct explore *x)
{
    enum mn_status status = token_read(x, x->options.replay);

    if (status == MN_OK) status = position_go(x, x->point.position);
    if (status != MN_OK) return status;
    if (x->point.number >= mn_sim_walk_count(&x->walk, kinds[x->point.kind].kind)) {
        return mn_fail(MN_NOTFOUND, "the run has no state of that number");
    }
    return point_visit(x);
}

/* ---- the call ---- */

static enum mn_status options_take(struct explore *x, const mn_sim_options *options)
{
    x->options.size = sizeof x->options;
    x->open.size = sizeof x->open;
    if (options) {
        if (options->size < sizeof(size_t) || options->size > 4096) {
            return mn_fail(MN_MISUSE, "options->size must be sizeof(mn_sim_options)");
        }
        memcpy(&x->options, options,
               options->size < sizeof x->options ? options->size : sizeof x->options);
    }
    if (x->options.open) {
        size_t size = x->options.open->size;

        if (size < sizeof(size_t) || size > 4096) {
            return mn_fail(MN_MISUSE, "options->open->size must be sizeof(mn_options)");
        }
        memcpy(&x->open, x->options.open, size < sizeof x->open ? size : sizeof x->open);
        x->open.size = sizeof x->open;
    }
    if (x->options.kinds >> KINDS) {
        return mn_fail(MN_MISUSE, "unknown kinds 0x%x", x->options.kinds >> KINDS << KINDS);
    }
    if (x->options.report && x->options.report->size < sizeof(size_t)) {
        return mn_fail(MN_MISUSE, "report->size must be sizeof(mn_sim_report)");
    }
    if (x->options.kinds == 0) x->options.kinds = (1u << KINDS) - 1;
    if (x->options.states_max == 0) x->options.states_max = STATES_DEFAULT;
    if (x->options.seconds_max == 0) x->options.seconds_max = SECONDS_DEFAULT;
    return MN_OK;
}

/* From here on the disk is ours (V2). */
static enum mn_status disk_take(struct explore *x)
{
    struct mn_vfs *vfs = x->vfs;
    enum mn_status status = MN_OK;

    pthread_mutex_lock(&vfs->mutex);
    if (vfs->exploring) {
        status = mn_fail(MN_MISUSE, "the simulated disk is being explored");
    } else if (vfs->uses > 1) {
        status = mn_fail(MN_MISUSE, "%" PRIu32 " handles on the simulated disk are not closed",
                         vfs->uses - 1);
    } else if (!vfs->log.begun) {
        status = mn_fail(MN_MISUSE, "no database was opened on the simulated disk");
    } else if (vfs->log.status != MN_OK) {
        status = mn_fail_nomem();
    } else {
        vfs->exploring = true;
    }
    pthread_mutex_unlock(&vfs->mutex);
    return status;
}

static void disk_give_back(struct mn_vfs *vfs)
{
    pthread_mutex_lock(&vfs->mutex);
    vfs->exploring = false;
    pthread_mutex_unlock(&vfs->mutex);
}

static void report_give(const struct explore *x)
{
    size_t size;

    if (!x->options.report) return;
    size = x->options.report->size;
    memcpy(x->options.report, &x->report, size < sizeof x->report ? size : sizeof x->report);
    x->options.report->size = size;
}

static enum mn_status explore(struct explore *x)
{
    enum mn_status status = disk_take(x);
    struct mn_error error;

    if (status != MN_OK) return status;
    x->report.steps = x->vfs->log.count;
    x->until_us = mn_clock_tick_us() + (int64_t)x->options.seconds_max * 1000000;
    status = mn_sim_walk_begin(&x->walk, &x->vfs->log, x->vfs->path, x->vfs->seed);
    if (status == MN_OK) status = x->options.replay ? replay(x) : rounds_run(x);
    error = *mn_error_last();
    mn_sim_walk_end(&x->walk);
    mn_dealloc(x->seen.keys);
    disk_give_back(x->vfs);
    mn_error_clear();
    if (status != MN_OK) *mn_error_last() = error;
    return status;
}

int mn_sim_explore(mn_vfs *vfs, mn_sim_check_fn check, void *context, const mn_sim_options *options)
{
    struct explore x = {.vfs = vfs, .check = check, .context = context};
    enum mn_status status;

    mn_error_clear();
    if (!vfs) return (int)mn_fail(MN_MISUSE, "the simulated disk is NULL");
    if (!check) return (int)mn_fail(MN_MISUSE, "there is no check");
    status = options_take(&x, options);
    if (status != MN_OK) return (int)status;
    status = explore(&x);
    report_give(&x);
    return (int)status;
}
