/*
 * crash_world: runs a workload's operations on a simulated machine, and knows what must hold.
 *
 *   p put   d delete   z delete all   b put a value of more than 1 MiB
 *     with a second digit a part of it, of three values
 *   m the last transaction's changes once more
 *   c commit   a abort   s savepoint   r roll back to the innermost   l release it
 *   v pin the newest version   u unpin the oldest pin   o close a handle and open it again
 *   w the other handle writes from here on   q many small commits that are not explored
 *   f a sync of the next commit fails   e a write of it fails   k the writer dies in it
 *     the second digit of f: nothing arrives (0), all (1), some (2), the oldest (3); of k: not 0,
 *     within a write, after about so many 18ths of it
 *     with a second digit from `i` on they wait until the file grows; with 9 to h the process
 *     whose sync failed dies of it
 *   g the armed fault meets a commit that makes the file longer: unexplored ones until then
 *   x in the midst of the next operation the other handle commits, reads, or opens again
 *   n a handle reads the newest version   y what was committed is made durable
 *   j commit with a sync, where commits are without
 *   i the file's first commits are explored too, from when it gets its name (of raw pages and of
 *     definitions)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"
#include "support/crash_world.h"

enum {
    FATAL = 9, /* a fault's second digit from here on */
    GROWTH_COMMITS = 60,
    BIG_BYTES = 1060000,
    SMALL_MAP = 4 << 20,
    LARGE_MAP = 16 << 20
};

static uint64_t fresh(struct world *w)
{
    w->random = w->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (w->random >> 11) | 1;
}

static void pins_check(struct world *w)
{
    for (uint32_t i = 0; i < w->pin_count && !w->x->finding.invariant; i++) {
        struct cells cells;

        if (w->handles[w->pins[i].handle].layer->read_view(w->pins[i].view, &cells)) {
            world_broken(w, 5, "a pinned version cannot be read");
        } else if (!cells_same(&cells, &w->pins[i].cells)) {
            explorer_found(w->x, 5, "a pinned version changed");
        }
    }
}

/*
 * Every handle sees the acknowledged state; after an uncertain commit, one of two. Where the other
 * handle commits while this one reads, it sees what was newest at the begin, or at the end.
 */
static void newest_check(struct world *w, int handle)
{
    struct handle *h = &w->handles[handle];
    struct cells cells, before = w->acked;

    if (!h->store) return;
    if (h->layer->read(h, &cells)) {
        world_broken(w, 1, "the newest version cannot be read");
    } else if (cells.ghost) {
        explorer_found(w->x, 3, "%u rows and index entries do not agree", cells.ghost);
    } else if (w->uncertain && cells_same(&cells, &w->flying)) {
        /* It is published: what somebody has seen, nothing may take back. */
        record_note(w->record, REC_SETTLE, cells_print(&cells));
        w->acked = w->flying;
    } else if (!cells_same(&cells, &w->acked) && !cells_same(&cells, &before)) {
        explorer_found(w->x, 1, "a handle reads what was not acknowledged");
    }
}

/* (I8): what the writer's own map calls free or pending is what the log says. */
static void account_check(struct world *w)
{
    struct mn_store *store = world_writer(w)->store;
    struct mn_store_stats stats;
    const struct mn_space *space;

    if (!store || w->in_txn || w->uncertain) return;
    space = &store->writer.space;
    if (mn_store_stat(store, &stats)) {
        world_broken(w, 1, "no figures");
    } else if (space->version == stats.version && space->page_count == stats.page_count &&
               space->free_pages + space->pending_pages != stats.free_pages + stats.pending_pages) {
        explorer_found(
            w->x, 8, "the writer counts %" PRIu64 " pages free or pending, the log %" PRIu64,
            space->free_pages + space->pending_pages, stats.free_pages + stats.pending_pages);
    }
}

/* ---- transactions ---- */

static bool txn_need(struct world *w)
{
    struct handle *h = world_writer(w);

    if (w->in_txn) return true;
    if (h->layer->begin(h)) {
        world_broken(w, 7, "cannot begin to write");
        return false;
    }
    w->flying = w->acked;
    w->in_txn = true;
    w->saves = 0;
    w->form = h->layer->form ? h->layer->form(h) : 0;
    return true;
}

static void cell_set(struct world *w, uint32_t cell, uint64_t value, uint32_t bytes)
{
    struct handle *h = world_writer(w);

    if (!txn_need(w)) return;
    if (h->layer->set(h, cell, value, bytes)) {
        world_broken(w, 7, "cannot change a cell");
        return;
    }
    w->flying.value[cell] = value;
    w->flying.bytes[cell] = value ? bytes : 0;
    record_change(w->record, (struct change){value, cell, w->flying.bytes[cell]});
}

static uint32_t size_of(const struct layer *layer, uint32_t cell, uint32_t class)
{
    static const uint32_t sizes[] = {8, 20, 61, 100, 300, 700, 2000, 5000, 9000, 12000};
    uint32_t bytes = sizes[class % 10];

    if (layer->raw && cell < 16) return 0;
    return bytes < layer->run_bytes_max ? bytes : layer->run_bytes_max;
}

/* A sync, a write or the process itself will fail. */
static void fault_arm(struct world *w)
{
    struct record *record = w->record;
    const struct op *op = &w->fault;

    record->sync_failed = false;
    record->waits_growth = op->kind != 0 && op->b >= AFTER_GROWTH;
    if (op->kind == 'f') {
        uint32_t way = op->b % FATAL;

        record->sync_fails = op->a % 2;
        record->sync_mask = way == 0 ? 0 : way == 1 ? UINT64_MAX : fresh(w);
        if (way == 3) record->sync_mask = (UINT64_C(2) << record->sync_mask % 32) - 1;
        record->sync_kills = op->b % AFTER_GROWTH >= FATAL;
    } else if (op->kind == 'e') {
        record->write_fails = op->a % 6;
        record->write_fault = op->b % AFTER_GROWTH % 3;
    } else if (op->kind == 'k') {
        record->victim = world_writer(w)->store->file;
        record->dies = op->a;
        record->dies_within = op->b % AFTER_GROWTH;
    }
}

static void fault_disarm(struct world *w)
{
    w->record->sync_fails = w->record->dies = w->record->write_fails = -1;
    w->record->waits_growth = w->record->sync_kills = false;
    w->fault.kind = 0;
    if (world_is_unsynced(w) && w->record->sync_failed) w->lost = true;
}

/* After what may have left doubt. */
static void doubt_end(struct world *w, bool uncertain)
{
    if (!w->x->finding.invariant && (uncertain || w->record->died)) world_recover(w);
    w->record->victim = NULL;
    w->record->died = false;
}

static void txn_commit(struct world *w)
{
    struct handle *h = world_writer(w);
    char fault = w->fault.kind;
    enum mn_status status;

    if (!w->in_txn) return;
    w->last_first = w->record->change_first;
    w->last_count = w->record->change_count - w->last_first;
    record_begin(w->record, cells_print(&w->flying),
                 h->layer->form && h->layer->form(h) != w->form);
    w->uncertain = true; /* a reader in between may see either */
    fault_arm(w);
    status = h->layer->commit(h);
    w->in_txn = false;
    record_versions(w->record);
    fault_disarm(w);
    if (status == MN_OK) {
        w->uncertain = false;
        w->acked = w->flying;
        w->published = h->version;
        world_since_add(w);
        record_note(w->record, REC_ACK, cells_print(&w->acked));
    } else if (status != MN_UNCERTAIN && !w->record->died && fault == 'e') {
        w->uncertain = false; /* nothing happened, and the handle goes on */
        record_note(w->record, REC_REFUSE, 0);
    } else if (status != MN_UNCERTAIN && !w->record->died) {
        world_broken(w, 7, "a commit fails without a cause");
    }
    doubt_end(w, status == MN_UNCERTAIN);
}

static void txn_abort(struct world *w)
{
    struct handle *h = world_writer(w);

    if (!w->in_txn) return;
    h->layer->abort(h);
    w->in_txn = false;
    w->record->change_first = w->record->change_count;
}

static void savepoint_begin(struct world *w)
{
    struct handle *h = world_writer(w);

    if (w->saves == SAVES_MAX || !txn_need(w)) return;
    if (h->layer->savepoint(h)) {
        world_broken(w, 7, "cannot begin a savepoint");
        return;
    }
    w->saved[w->saves++] = w->flying;
}

static void savepoint_back(struct world *w)
{
    struct handle *h = world_writer(w);

    if (!w->in_txn || w->saves == 0) return;
    h->layer->rollback(h);
    w->flying = w->saved[--w->saves];
}

static void savepoint_release(struct world *w)
{
    struct handle *h = world_writer(w);

    if (!w->in_txn || w->saves == 0) return;
    h->layer->release(h);
    w->saves--;
}

/* ---- pins and other handles ---- */

static void pin_begin(struct world *w, int handle)
{
    struct pin pin = {.handle = handle};

    if (!w->workload->layer->read_view || w->pin_count == PINS_MAX || w->uncertain) return;
    if (!w->handles[handle].store) world_handle_open(w, handle);
    if (w->x->finding.invariant) return;
    if (mn_view_begin_read(w->handles[handle].store, &pin.view)) {
        world_broken(w, 1, "cannot pin");
        return;
    }
    pin.cells = w->acked;
    w->pins[w->pin_count++] = pin;
    pins_check(w);
}

static void other_commit(struct world *w)
{
    struct handle *other = &w->handles[!w->writer];
    struct cells next = w->acked;
    uint32_t cell = (uint32_t)(fresh(w) % w->workload->layer->cells);

    if (!other->store || other->layer->begin(other)) return; /* the place is taken */
    if (w->uncertain) {
        explorer_found(w->x, 5, "two write at once");
        return;
    }
    next.value[cell] = fresh(w);
    next.bytes[cell] = size_of(other->layer, cell, 2);
    if (other->layer->set(other, cell, next.value[cell], next.bytes[cell])) {
        world_broken(w, 7, "the other handle cannot change a cell");
        return;
    }
    record_begin(w->record, cells_print(&next), false);
    if (other->layer->commit(other)) {
        world_broken(w, 7, "the other handle cannot commit");
        return;
    }
    record_versions(w->record);
    w->acked = next;
    w->published = other->version;
    world_since_add(w);
    record_note(w->record, REC_ACK, cells_print(&next));
    world_guards_set(w);
}

/* Called in the midst of an operation of the writer's handle. */
static void other_acts(void *context)
{
    struct world *w = context;
    struct mn_error error = *mn_error_last();
    int other = !w->writer;

    if (w->inside || w->x->finding.invariant) return;
    w->inside = true;
    switch (w->act % 3) {
    case 0:
        other_commit(w);
        other_commit(w);
        break;
    case 1: newest_check(w, other); break;
    default:
        world_handle_close(w, other);
        world_handle_open(w, other);
        if (!w->x->finding.invariant) newest_check(w, other);
    }
    w->inside = false;
    *mn_error_last() = error;
}

static void interrupt_plan(struct world *w, const struct op *op)
{
    if (!w->handles[!w->writer].store) world_handle_open(w, !w->writer);
    w->record->interrupt = other_acts;
    w->record->interrupt_context = w;
    w->record->interrupt_after = op->a;
    w->act = op->b;
}

/* ---- operations ---- */

static void all_delete(struct world *w)
{
    for (uint32_t i = 0; i < w->workload->layer->cells; i++) {
        if (txn_need(w) && w->flying.value[i]) cell_set(w, i, 0, 0);
    }
}

/* One cell, so that files stay small; parts of a value that is too large go to three. */
static void big_put(struct world *w, const struct op *op)
{
    const struct layer *layer = w->workload->layer;
    uint32_t cell = (layer->raw ? 16 : 3) + (op->b ? op->a % 3 : 0);
    uint32_t bytes = op->b ? BIG_BYTES / 36 * op->b : BIG_BYTES + 4096 * (op->a % 7);

    cell_set(w, cell, fresh(w), bytes);
}

static void last_again(struct world *w)
{
    if (w->in_txn) return;
    for (size_t i = 0; i < w->last_count && !w->x->finding.invariant; i++) {
        struct change change = w->record->changes[w->last_first + i];

        cell_set(w, change.cell, change.value, change.bytes);
    }
}

static void promise(struct world *w)
{
    struct handle *h = world_writer(w);

    enum mn_status status;

    if (w->in_txn || !world_is_unsynced(w)) return;
    fault_arm(w);
    status = mn_store_sync(h->store);
    fault_disarm(w);
    if (status == MN_OK) {
        record_versions(w->record);
        world_promised(w);
    } else if (w->record->died || (status == MN_UNCERTAIN && w->lost)) {
        w->uncertain = true;
        w->flying = w->acked;
        doubt_end(w, true);
    } else {
        world_broken(w, 7, "cannot make a checkpoint");
    }
    if (!w->x->finding.invariant) world_guards_set(w);
}

/* Handles of one file may use different modes: a full commit makes all before it durable. */
static void full_commit(struct world *w)
{
    struct mn_store *store = world_writer(w)->store;
    uint64_t before = w->published;

    if (!w->in_txn) return;
    mn_store_set_sync(store, MN_STORE_FULL);
    txn_commit(w);
    store = world_writer(w)->store;
    if (store) mn_store_set_sync(store, w->place.sync);
    if (!world_is_unsynced(w) || w->x->finding.invariant || w->uncertain || w->lost) return;
    if (w->published != before && !w->record->died) world_promised(w);
}

/* Manifests fill the slot's tail, log pages and, where it is short, the log. */
static void many_commits(struct world *w, uint32_t count)
{
    if (w->in_txn) return;
    record_note(w->record, REC_PAUSE, 0);
    for (uint32_t i = 0; i < count && !w->x->finding.invariant; i++) {
        uint32_t cell = (uint32_t)(fresh(w) % w->workload->layer->cells);

        cell_set(w, cell, fresh(w), size_of(w->workload->layer, cell, 2));
        txn_commit(w);
        world_guards_set(w);
    }
    if (!w->x->finding.invariant) promise(w);
    record_note(w->record, REC_START, cells_print(&w->acked));
}

/* What comes is explored, though of the commits since the last promise any may be durable. */
static void start_unsynced(struct world *w)
{
    for (uint32_t i = 0; i < w->since_count && world_is_unsynced(w); i++) {
        record_note(w->record, REC_OLDER, cells_print(&w->since[i]));
    }
    record_note(w->record, REC_START, cells_print(&w->acked));
}

/*
 * What was armed meets a commit that makes the file longer; the commits until then are not
 * explored, what comes after it is. The other handle is there to go on, and the change is made
 * again, as a program would: it needs the new room too.
 */
static void growth_await(struct world *w)
{
    const struct layer *layer = w->workload->layer;
    struct op fault = w->fault;
    uint64_t before = mn_sim_size(w->place.os, "walk");

    if (w->in_txn || fault.kind == 0 || fault.b < AFTER_GROWTH) return;
    if (!w->handles[!w->writer].store) world_handle_open(w, !w->writer);
    record_note(w->record, REC_PAUSE, 0);
    for (uint32_t i = 0; i < GROWTH_COMMITS && !w->x->finding.invariant; i++) {
        uint32_t cell = (uint32_t)(fresh(w) % layer->cells),
                 bytes = size_of(layer, cell, 5 + i % 5);
        bool longer;

        w->fault = fault;
        cell_set(w, cell, fresh(w), bytes);
        txn_commit(w);
        world_guards_set(w);
        longer = mn_sim_size(w->place.os, "walk") > before;
        if (!longer && i + 1 < GROWTH_COMMITS) continue;
        start_unsynced(w);
        if (!w->x->finding.invariant) cell_set(w, cell, fresh(w), bytes);
        if (!w->x->finding.invariant) txn_commit(w);
        return;
    }
}

static void handle_again(struct world *w, int number)
{
    if (number == w->writer && w->in_txn) txn_abort(w);
    if (w->lost && !w->in_txn && !w->inside) { /* whoever opens first may find less */
        w->uncertain = true;
        w->flying = w->acked;
        world_all_anew(w);
        return;
    }
    if (w->handles[number].store) world_handle_close(w, number);
    world_handle_open(w, number);
}

static void writer_change(struct world *w)
{
    if (w->in_txn) return;
    w->writer = !w->writer;
    if (!w->handles[w->writer].store) world_handle_open(w, w->writer);
}

static void first_pin_end(struct world *w, int handle)
{
    (void)handle;
    world_pin_end(w, 0);
}

/* The other handle does nothing in the midst of its own calls: it holds their locks. */
static void handle_acts(struct world *w, int handle, void (*act)(struct world *, int))
{
    bool inside = w->inside;

    w->inside = inside || handle != w->writer;
    act(w, handle);
    w->inside = inside;
}

static void op_run(struct world *w, const struct op *op)
{
    int handle = op->a % HANDLES;

    const struct layer *layer = w->workload->layer;
    uint32_t cell = op->a % layer->cells;

    switch (op->kind) {
    case 'p': cell_set(w, cell, fresh(w), size_of(layer, cell, op->b)); break;
    case 'd': cell_set(w, cell, 0, 0); break;
    case 'z': all_delete(w); break;
    case 'b': big_put(w, op); break;
    case 'm': last_again(w); break;
    case 'c': txn_commit(w); break;
    case 'j': full_commit(w); break;
    case 'a': txn_abort(w); break;
    case 's': savepoint_begin(w); break;
    case 'r': savepoint_back(w); break;
    case 'v': handle_acts(w, handle, pin_begin); break;
    case 'u':
        if (w->pin_count) handle_acts(w, w->pins[0].handle, first_pin_end);
        break;
    case 'q': many_commits(w, 4 + 2 * op->a); break;
    case 'g': growth_await(w); break;
    case 'y': promise(w); break;
    case 'o': handle_acts(w, handle, handle_again); break;
    case 'w': writer_change(w); break;
    case 'n':
        if (w->in_txn) break;
        handle_acts(w, handle, newest_check);
        break;
    case 'l': savepoint_release(w); break;
    case 'e':
    case 'f':
    case 'k': w->fault = *op; break;
    case 'x': interrupt_plan(w, op); break;
    default: break;
    }
}

static bool has_op(const struct workload *workload, char kind)
{
    for (uint32_t i = 0; i < workload->op_count; i++) {
        if (workload->ops[i].kind == kind) return true;
    }
    return false;
}

/* A file with a few cells, so that there is an older version, and free pages. */
static void base_make(struct world *w)
{
    struct handle *h = world_writer(w);
    static const struct op ops[] = {{'p', 1, 1}, {'p', 17, 6}, {'p', 4, 3}, {'c', 0, 0},
                                    {'p', 2, 2}, {'p', 17, 5}, {'p', 9, 4}, {'c', 0, 0}};
    bool bare = w->workload->layer->bare;
    size_t count = bare ? 0 : sizeof ops / sizeof *ops;

    w->record->from_name = (w->workload->layer->raw || bare) && has_op(w->workload, 'i');
    w->record->name_print = cells_print(&w->acked);
    world_handle_open(w, 0);
    if (w->x->finding.invariant) return;
    if (h->layer->begin(h) || h->layer->make(h) || h->layer->commit(h)) {
        world_broken(w, 7, "cannot make the file");
    }
    record_versions(w->record);
    w->published = record_newest(w->record);
    world_since_add(w);
    world_guards_set(w);
    for (size_t i = 0; i < count && !w->x->finding.invariant; i++) {
        op_run(w, &ops[i]);
        world_guards_set(w);
    }
    if (!w->x->finding.invariant) promise(w);
    record_note(w->record, REC_START, cells_print(&w->acked));
}

void world_run(struct explorer *x, struct record *record)
{
    const struct workload *workload = x->workload;
    struct world *w = calloc(1, sizeof *w);

    if (!w) abort();
    w->x = x;
    w->workload = workload;
    w->record = record;
    w->random = workload->seed * 2 + 1;
    w->place = (struct place){
        .os = mn_machine_new(workload->seed, has_op(workload, 'b') ? LARGE_MAP : SMALL_MAP),
        .page_size = workload->page_size,
        .sync = workload->sync,
        .seed = workload->seed};
    record_start(record, w->place.os, &w->place, workload->layer->raw);
    base_make(w);
    for (uint32_t i = 0; i < workload->op_count && !x->finding.invariant && !w->over; i++) {
        op_run(w, &workload->ops[i]);
        if (x->finding.invariant || w->over) break;
        if (workload->ops[i].kind == 'x') continue; /* the next one is to meet it, not a check */
        record->interrupt = NULL;
        world_guards_set(w);
        pins_check(w);
        if (!w->in_txn) newest_check(w, w->writer);
        account_check(w);
    }
    record->interrupt = NULL;
    if (record->fault[0]) explorer_found(x, 5, "%s", record->fault);
    if (w->in_txn) txn_abort(w);
    for (int i = 0; i < HANDLES; i++) world_handle_close(w, i);
    record_stop(record);
    mn_machine_free(w->place.os);
    free(w);
}
