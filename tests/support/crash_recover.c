/*
 * crash_recover: handles of the world are opened and closed, and somebody goes on after a failure.
 *
 * With syncs an uncertain commit is decided by whoever writes next. Without them a failed sync may
 * have taken versions that were published: if the process lives it says so, and nobody writes until
 * every handle is closed; if it dies of it, the next checkpoint finds out.
 */
#include <inttypes.h>
#include <string.h>

#include "support/crash_world.h"

void world_broken(struct world *w, int invariant, const char *what)
{
    explorer_found(w->x, invariant, "%s: %s", what, mn_error_last()->message);
}

void world_since_add(struct world *w)
{
    if (w->since_count == SINCE_MAX) {
        memmove(w->since, w->since + 1, (SINCE_MAX - 1) * sizeof *w->since);
        w->since_count--;
    }
    w->since[w->since_count++] = w->acked;
}

static bool since_has(const struct world *w, const struct cells *cells)
{
    for (uint32_t i = 0; i < w->since_count; i++) {
        if (cells_print(&w->since[i]) == cells_print(cells)) return true;
    }
    return false;
}

/* What is acknowledged is durable. */
void world_promised(struct world *w)
{
    record_note(w->record, REC_PROMISE, cells_print(&w->acked));
    w->since_count = 0;
    w->lost = false;
    world_since_add(w);
}

/* What nobody may write over now: the newest version, twice while it is durable too, and pins. */
void world_guards_set(struct world *w)
{
    struct record *record = w->record;
    uint64_t durable = w->published;

    /* Commits that nobody waits for: the notice says which version is durable. */
    if (world_is_unsynced(w)) {
        (void)mn_sim_peek(w->place.os, "walk", 12 * UNIT + 8, &durable, sizeof durable);
    }
    record->guarded_count = 0;
    record->guarded[record->guarded_count++] = durable;
    record->guarded[record->guarded_count++] = w->published;
    for (uint32_t i = 0; i < w->pin_count; i++) {
        record->guarded[record->guarded_count++] = mn_view_version(w->pins[i].view);
    }
}

/* ---- opening and closing ---- */

/* Without syncs in commits a file may say that it is damaged once a sync took some of it. */
static bool may_be_damaged(const struct world *w, enum mn_status status)
{
    return status == MN_CORRUPT && w->lost && w->workload->sync == MN_STORE_OFF;
}

void world_handle_open(struct world *w, int number)
{
    struct handle *h = &w->handles[number];

    enum mn_status status;

    *h = (struct handle){.layer = w->workload->layer};
    status = h->layer->open(&w->place, h);
    if (may_be_damaged(w, status)) w->over = true;
    /* In the midst of another's step the file may be locked; nobody waits. */
    if (status && !w->over && !(status == MN_BUSY && w->inside)) world_broken(w, 1, "cannot open");
}

/* While a pin ends or begins, the other handle may close, and its pins leave the list. */
void world_pin_end(struct world *w, uint32_t at)
{
    struct mn_view *view = w->pins[at].view;

    mn_view_end(view);
    for (at = 0; w->pins[at].view != view;) at++;
    w->pin_count--;
    memmove(&w->pins[at], &w->pins[at + 1], (w->pin_count - at) * sizeof *w->pins);
    world_guards_set(w); /* before the operation ends the other handle may write over what it saw */
}

static void pins_end(struct world *w, int handle)
{
    uint32_t at = 0;

    while (at < w->pin_count) {
        if (w->pins[at].handle != handle) {
            at++;
            continue;
        }
        world_pin_end(w, at);
        at = 0;
    }
}

void world_handle_close(struct world *w, int number)
{
    struct handle *h = &w->handles[number];
    uint32_t versions = w->record->version_count;

    pins_end(w, number);
    if (h->store) {
        h->layer->close(h);
        /* The last to close makes all durable. */
        if (w->workload->sync == MN_STORE_LAZY && !w->handles[!number].store && !w->uncertain &&
            !w->record->died && !w->lost) {
            world_promised(w);
        }
    }
    if (w->uncertain) return; /* in the midst of a commit a version is not whole yet */
    record_versions(w->record);
    /* The last handle may have said farewell by an empty commit. */
    if (w->record->version_count > versions) w->published = record_newest(w->record);
}

/*
 * A sync of what was published failed, or may have: every handle is closed, the first to open
 * decides, and what it finds is durable.
 */
void world_all_anew(struct world *w)
{
    struct handle *h = &w->handles[0];
    struct cells cells;
    struct mn_view *view;
    enum mn_status status;

    for (int i = 0; i < HANDLES; i++) world_handle_close(w, i);
    w->writer = 0;
    for (int i = 0; i < HANDLES && !w->over; i++) world_handle_open(w, i);
    if (w->over || w->x->finding.invariant) return;
    status = h->layer->read(h, &cells);
    if (may_be_damaged(w, status)) {
        w->over = true;
        return;
    }
    if (status || mn_view_begin_read(h->store, &view)) {
        world_broken(w, 1, "cannot read after a sync that failed");
        return;
    }
    w->published = mn_view_version(view);
    mn_view_end(view);
    if (!since_has(w, &cells) && !cells_same(&cells, &w->flying)) {
        explorer_found(w->x, 1, "after a sync that failed the state is none that was committed");
    }
    w->acked = cells;
    w->acked.ghost = 0;
    w->uncertain = false;
    record_versions(w->record);
    world_promised(w);
}

/* Nobody may write until then, if the one whose sync failed could still say so. */
static bool must_close(struct world *w)
{
    uint64_t notice[3] = {0};
    struct handle *other = &w->handles[!w->writer];

    if (!world_is_unsynced(w) || w->record->died) return false;
    (void)mn_sim_peek(w->place.os, "walk", 12 * UNIT, notice, sizeof notice);
    if (notice[1] == notice[0]) return false;
    if (other->store && other->layer->begin(other) == MN_OK) {
        other->layer->abort(other);
        explorer_found(w->x, 1, "somebody may write over versions whose sync failed");
    }
    return true;
}

/* The uncertain commit is decided by whoever writes next; what it is then, it stays. */
static void settle(struct world *w)
{
    struct handle *h = world_writer(w);
    struct cells cells;
    struct mn_view *view;
    enum mn_status status;

    if (h->layer->begin(h)) {
        if (w->lost) {
            world_all_anew(w);
        } else {
            world_broken(w, 7, "cannot write after a failure");
        }
        return;
    }
    h->layer->abort(h);
    status = h->layer->read(h, &cells);
    if (may_be_damaged(w, status)) {
        w->over = true;
        return;
    }
    if (status || mn_view_begin_read(h->store, &view)) {
        world_broken(w, 1, "cannot read after a failure");
        return;
    }
    w->published = mn_view_version(view);
    mn_view_end(view);
    if (!cells_same(&cells, &w->acked) && !cells_same(&cells, &w->flying) &&
        !(w->lost && since_has(w, &cells))) {
        explorer_found(w->x, 1, "an uncertain commit ended as neither of two states");
    }
    w->acked = cells;
    w->acked.ghost = 0;
    w->uncertain = false;
    world_since_add(w);
    record_note(w->record, REC_SETTLE, cells_print(&cells));
}

/* Nobody has the file open: what a failed sync took is gone, published or not, and its slot with
 * it. Only what was durable before must stay. */
static void lost_unguard(struct world *w)
{
    if (!w->lost) return;
    (void)mn_sim_peek(w->place.os, "walk", 12 * UNIT + 8, &w->published, sizeof w->published);
    world_guards_set(w);
}

/* The handle is of no use any more: it is closed, and the other one, or it itself anew, settles. */
void world_recover(struct world *w)
{
    int failed = w->writer;

    w->in_txn = false;
    if (must_close(w)) {
        world_all_anew(w);
        return;
    }
    world_handle_close(w, failed);
    if (w->handles[!failed].store) {
        w->writer = !failed;
        settle(w);
        if (!w->over && !w->handles[failed].store) world_handle_open(w, failed);
    } else {
        lost_unguard(w);
        world_handle_open(w, failed);
        if (!w->over && !w->x->finding.invariant) settle(w);
    }
}
