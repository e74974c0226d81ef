/*
 * txn: begin, commit and abort of a write transaction. Read this file first.
 *
 *   begin    take the turn -> lock W -> settle what a dead writer left -> base := the published
 * version change   dirty nodes in memory (node.c), savepoints (savepoint.c) commit   place the
 * dirty nodes -> write their pages -> write the manifest into the slot -> sync -> publish -> wake
 * -> release abort    give the pages back -> release
 *
 * What a crash leaves, step by step: before the slot is written, nothing that anybody reads was
 * touched (T1). Between slot and sync the device may have the slot, the pages, both or parts:
 * recovery verifies the pages that the slot's manifest names and takes all or nothing (T2). After
 * the sync the commit is durable, and the next writer or opener finds and publishes it, if we did
 * not (T3). It is acknowledged only after it was published (T4).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "os/clock.h"
#include "store/inside.h"

/* ---- the writer's turn ---- */

static enum mn_status turn_take(struct mn_store *store, int64_t wait_us)
{
    int64_t until = store->os->ops->tick_us(store->os) + wait_us, left = wait_us;
    enum mn_status status = MN_OK;

    pthread_mutex_lock(&store->turn);
    while (store->writing && left > 0) {
        int64_t wall = mn_clock_wall_us() + left;
        struct timespec limit = {.tv_sec = wall / 1000000, .tv_nsec = wall % 1000000 * 1000};

        pthread_cond_timedwait(&store->turn_free, &store->turn, &limit);
        left = until - store->os->ops->tick_us(store->os);
    }
    if (store->writing) {
        status = mn_fail(MN_BUSY, "another transaction of this handle is writing");
    } else {
        store->writing = true;
    }
    pthread_mutex_unlock(&store->turn);
    return status;
}

static void turn_give(struct mn_store *store)
{
    pthread_mutex_lock(&store->turn);
    store->writing = false;
    pthread_cond_signal(&store->turn_free);
    pthread_mutex_unlock(&store->turn);
}

static enum mn_status writer_lock(struct mn_store *store)
{
    int64_t wait_us = __atomic_load_n(&store->busy_ms, __ATOMIC_RELAXED) * 1000;
    int64_t start = store->os->ops->tick_us(store->os);
    enum mn_status status = turn_take(store, wait_us);

    if (status) return status;
    wait_us -= store->os->ops->tick_us(store->os) - start;
    status = store->file->ops->lock(store->file, mn_lock_byte(MN_LOCK_WRITER), MN_LOCK_EXCLUSIVE,
                                    wait_us > 0 ? wait_us : 0);
    if (status == MN_BUSY) (void)mn_fail(MN_BUSY, "another process is writing to the file");
    if (status) turn_give(store);
    return status;
}

static void writer_unlock(struct mn_store *store)
{
    (void)store->file->ops->lock(store->file, mn_lock_byte(MN_LOCK_WRITER), MN_LOCK_NONE, 0);
    turn_give(store);
}

/* ---- begin ---- */

/* The published version's slot, after whatever a killed or failed writer left was settled. */
static enum mn_status base_find(struct mn_store *store, struct mn_writer *writer)
{
    struct mn_notice notice;
    bool good = false;
    enum mn_status status = mn_notice_read(store, &notice, &good);

    if (!status && (!good || notice.failed)) {
        (void)mn_fail(MN_IOERR, "an earlier sync failed, so nobody may write to the file");
        return mn_hint("close every handle of the file and open it again");
    }
    if (!status) status = mn_ring_read(store, &writer->ring, notice.published, &writer->base);
    if (!status && notice.durable != notice.published) {
        return mn_fail(MN_UNSUPPORTED, "the file is being written without syncs: that comes later");
    }
    if (!status && mn_ring_newest(&writer->ring) > notice.published) {
        status = mn_settle(store, &writer->base);
        if (!status) {
            status = mn_ring_read(store, &writer->ring, writer->base.version, &writer->base);
        }
        writer->space.version = 0;
    }
    if (status) return status;
    if (writer->base.version == 0) {
        return mn_fail(MN_CORRUPT, "the slot of the published version %" PRIu64 " is damaged",
                       notice.published);
    }
    return MN_OK;
}

/* The next version, as it is before any change. */
static enum mn_status next_init(struct mn_store *store, struct mn_writer *writer)
{
    uint64_t pages = 0, newest = mn_ring_newest(&writer->ring);
    enum mn_status status = store->file->ops->size(store->file, &store->file_bytes);

    pages = store->file_bytes >> store->page_shift;
    if (!status) status = mn_meta_validate(&writer->base, store->first_page, pages);
    if (status) return status;
    writer->next = writer->base;
    writer->next.parent = writer->base.version;
    if (newest < writer->base.version) newest = writer->base.version;
    if (newest < writer->ring.claimed) newest = writer->ring.claimed;
    writer->next.version = newest + 1;
    writer->next.durable = writer->base.version;
    mn_meta_copy_superblock(&writer->next, &store->superblock);
    if (writer->next.version >= MN_PAGE_DIRTY) {
        return mn_fail(MN_FULL, "the file format holds 2^47 versions");
    }
    return MN_OK;
}

static void writer_clear(struct mn_writer *writer, struct mn_store *store)
{
    mn_nodes_clear(writer, store);
    writer->deaths.count = writer->taken.count = writer->given.count = 0;
    writer->reserve.count = writer->reserve_at = writer->digest_count = 0;
    writer->placed_bytes = 0;
    writer->space_ready = writer->changed = writer->digest_void = writer->grew = false;
    writer->pack = writer->checkpoint = writer->cut = false;
    /* One large transaction must not keep its lists for ever. */
    if (writer->digest_capacity > MN_LARGE_BYTES / MN_PAGE_SIZE_MIN) {
        mn_dealloc(writer->digests);
        writer->digests = NULL;
        writer->digest_capacity = 0;
    }
}

static enum mn_status writer_start(struct mn_store *store, uint64_t expect, struct mn_view *view)
{
    struct mn_writer *writer = &store->writer;
    enum mn_status status = base_find(store, writer);

    if (!status && expect && writer->base.version != expect) {
        status = mn_fail(MN_BUSY, "version %" PRIu64 " was committed since this one began",
                         writer->base.version);
    }
    if (!status) status = next_init(store, writer);
    if (status) return status;
    writer_clear(writer, store);
    view->writer = writer;
    view->meta = &writer->next;
    view->page_limit = view->front.mapped_pages = writer->base.page_count;
    if (view->front.mapped_pages > store->map_pages) view->front.mapped_pages = store->map_pages;
    return MN_OK;
}

enum mn_status mn_write_begin(struct mn_store *store, uint64_t expect_version, struct mn_view **out)
{
    struct mn_view *view;
    enum mn_status status;

    *out = NULL;
    if (store->file->forked) return mn_store_refuse_forked();
    if (store->readonly) return mn_fail(MN_READONLY_DB, "the file is open for reading only");
    view = mn_alloc(sizeof *view);
    if (!view) return mn_fail_nomem();
    mn_view_init(view, store);
    status = writer_lock(store);
    if (!status && store->poisoned) {
        (void)mn_fail(MN_IOERR, "an earlier commit of this handle could not be synced");
        status = mn_hint("close the file and open it again");
        writer_unlock(store);
    } else if (!status) {
        status = writer_start(store, expect_version, view);
        if (status) writer_unlock(store);
    }
    if (status) {
        mn_dealloc(view);
        return status;
    }
    *out = view;
    return MN_OK;
}

/* ---- commit ---- */

/* Gives every dirty node its place: the layer above walks its trees, children first. */
static enum mn_status nodes_place(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    enum mn_status status = MN_OK;

    if (writer->savepoint_count) mn_savepoint_release(view, 1);
    if (writer->live_nodes) status = mn_room_reserve(view, writer->live_nodes);
    if (!status && view->store->hooks.seal) status = view->store->hooks.seal(view);
    if (!status) status = mn_room_reserve(view, 0); /* what was not needed goes back */
    for (uint32_t i = 0; i < writer->next.roots.count; i++) {
        MN_ASSERT(status || !mn_ref_is_dirty(writer->next.roots.list[i].ref));
    }
    return status;
}

/* Pages that were born in this version and left it again are free, not dead. */
static enum mn_status own_deaths_give(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    struct mn_deaths *deaths = &writer->deaths;
    enum mn_status status = MN_OK;
    size_t kept = 0;

    for (size_t i = 0; i < deaths->count && !status; i++) {
        const struct mn_death one = deaths->list[i];

        if (one.birth != writer->next.version) {
            deaths->list[kept++] = one;
        } else {
            status = mn_space_prepare(view);
            if (!status) status = mn_room_give(writer, one.start, one.pages);
        }
    }
    if (!status) deaths->count = kept;
    return status;
}

/* Two pointers of a damaged file may name one page: no page may die twice, nor die when it is free.
 */
static enum mn_status deaths_check(struct mn_writer *writer)
{
    struct mn_space *space = &writer->space;
    enum mn_status status = MN_OK;
    size_t marked = 0;

    for (; marked < writer->deaths.count && !status; marked++) {
        const struct mn_death *one = &writer->deaths.list[marked];

        if (!mn_space_is_used(space, one->start, one->pages)) {
            status = mn_fail(MN_CORRUPT, "page %" PRIu64 " is reached twice, or counts as free",
                             one->start);
            break;
        }
        mn_space_free(space, one->start, one->pages);
    }
    while (marked > 0) {
        marked--;
        mn_space_take(space, writer->deaths.list[marked].start, writer->deaths.list[marked].pages);
    }
    return status;
}

static int digest_compare(const void *a, const void *b)
{
    const struct mn_digest *x = a, *y = b;

    return x->page < y->page ? -1 : x->page > y->page;
}

/* One word over the pages in manifest order, and the chain of these words over all versions. */
static void digest_set(struct mn_writer *writer)
{
    struct mn_meta *next = &writer->next;

    if (writer->placed_bytes > MN_LARGE_BYTES || writer->digest_void || writer->grew) {
        next->flags |= MN_META_LARGE;
    }
    next->digest = 0;
    if (!(next->flags & MN_META_LARGE)) {
        if (writer->digest_count > 1) {
            qsort(writer->digests, writer->digest_count, sizeof *writer->digests, digest_compare);
        }
        for (size_t i = 0; i < writer->digest_count; i++) {
            next->digest = mn_hash_mix(next->digest, writer->digests[i].hash);
        }
    }
    next->chain = mn_hash_mix(mn_hash_mix(writer->base.chain, next->version), next->digest);
}

/* PROTOCOL, SYNC FAILED: nothing is tried again, nothing is published, this handle writes no more.
 */
static enum mn_status sync_failed(struct mn_store *store, uint64_t version)
{
    struct mn_error first = *mn_error_last();

    store->poisoned = true;
    (void)mn_fail(MN_UNCERTAIN, "the commit of version %" PRIu64 " is uncertain: %.400s", version,
                  first.message);
    return mn_hint("close the file and open it again: the next open tells whether it is there");
}

static enum mn_status slot_write(struct mn_view *view)
{
    struct mn_store *store = view->store;
    struct mn_writer *writer = view->writer;
    uint64_t published = writer->base.version;
    uint32_t slot = mn_ring_choose(&writer->ring, published, published);
    uint8_t bytes[MN_META_BYTES];

    mn_meta_encode(&writer->next, store->superblock.secret, bytes);
    return mn_file_write(store->file, mn_slot_offset(store, slot), bytes, sizeof bytes);
}

/* From here on failures leave doubt: the device may have all of the commit, parts, or nothing. */
static enum mn_status make_durable(struct mn_view *view)
{
    struct mn_store *store = view->store;
    struct mn_meta *next = &view->writer->next;
    struct mn_notice notice = {next->version, next->version, 0};
    enum mn_status status = MN_OK;

    if (next->flags & MN_META_LARGE) status = store->file->ops->sync(store->file);
    if (!status) status = slot_write(view);
    if (!status) status = store->file->ops->sync(store->file); /* (T2) */
    if (!status) status = mn_notice_write(store, &notice);     /* (T3) */
    if (status) return sync_failed(store, next->version);
    if (store->map) store->file->ops->wake(store->file, store->map + store->unit);
    return MN_OK; /* (T4) */
}

/* The space map follows what was published. If there is no memory for it, it is rebuilt when
 * needed. */
static void space_follow_commit(struct mn_writer *writer)
{
    struct mn_space *space = &writer->space;

    for (size_t i = 0; i < writer->deaths.count; i++) {
        if (mn_space_die(space, writer->base.version, writer->deaths.list[i])) {
            space->version = 0;
            return;
        }
    }
    if (space->version) space->version = writer->next.version;
}

/* Pages taken by a transaction that ends without a commit are free again. */
static void space_abandon(struct mn_writer *writer)
{
    struct mn_extents net = {0};

    if (writer->space_ready && writer->space.version && writer->taken.count) {
        if (mn_extents_net(&writer->taken, &writer->given, &net)) writer->space.version = 0;
        for (size_t i = 0; i < net.count && writer->space.version; i++) {
            mn_space_free(&writer->space, net.list[i].start, net.list[i].pages);
        }
        if (writer->space.version) mn_space_trim(&writer->space, writer->base.page_count);
    }
    mn_extents_release(&net);
}

static enum mn_status write_pages(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    struct mn_manifest manifest = {0};
    enum mn_status status = nodes_place(view);

    if (!status) status = own_deaths_give(view);
    if (!status) status = mn_space_prepare(view);
    if (!status) status = deaths_check(writer);
    if (!status) status = mn_log_write(view, &manifest);
    if (!status) status = mn_queue_flush(view); /* (T1) */
    mn_manifest_release(&manifest);
    if (status) return status;
    mn_space_trim(&writer->space, 0);
    writer->next.page_count = writer->space.page_count;
    writer->next.time_us = view->store->os->ops->now_us(view->store->os);
    digest_set(writer);
    return MN_OK;
}

/* The view and the turn are given back. What goes wrong with that is nobody's answer: the caller is
 * told how the commit went. */
static void write_end(struct mn_view *view)
{
    struct mn_store *store = view->store;
    struct mn_error told = *mn_error_last();

    mn_view_release(view);
    writer_clear(&store->writer, store);
    writer_unlock(store);
    *mn_error_last() = told;
}

enum mn_status mn_write_commit(struct mn_view *view, uint64_t *version)
{
    struct mn_store *store = view->store;
    struct mn_writer *writer = view->writer;
    enum mn_status status = MN_OK;

    MN_ASSERT(writer);
    if (version) *version = writer->base.version;
    if (writer->changed) {
        status = write_pages(view);
        if (status) {
            space_abandon(writer);
        } else {
            status = make_durable(view);
        }
        if (!status) {
            space_follow_commit(writer);
            mn_shrink_after_commit(store);
            store->wrote = true;
            if (version) *version = writer->next.version;
        }
    }
    write_end(view);
    return status;
}

void mn_write_abort(struct mn_view *view)
{
    if (!view) return;
    MN_ASSERT(view->writer);
    space_abandon(view->writer);
    write_end(view);
}

enum mn_status mn_write_farewell(struct mn_store *store)
{
    struct mn_view *view;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return status;
    view->writer->changed = true;
    return mn_write_commit(view, NULL);
}
