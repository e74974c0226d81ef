/*
 * txn: begin, commit and abort of a write transaction. Read this file first.
 *
 *   begin    take the turn, lock W, settle what a dead writer left; base := the published version
 *   change   dirty nodes in memory (node.c), savepoints (savepoint.c)
 *   commit   place the dirty nodes, write their pages, write the manifest into the slot, sync,
 *            publish, wake, release; or, while other threads wait, leave that to them (turn.c)
 *   abort    give the pages back, release
 *
 * What a crash leaves, step by step: before the slot is written, nothing that anybody reads was
 * touched (T1). Between slot and sync the device may have the slot, the pages, both or parts:
 * recovery verifies the pages that the slot's manifest names and takes all or nothing (T2). After
 * the sync the commit is durable, and the next writer or opener finds and publishes it, if we did
 * not (T3). It is acknowledged only after it was published (T4).
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/plant.h"
#include "store/inside.h"

/* ---- begin ---- */

/*
 * Nobody committed, or tried to, since this handle did: a slot that was written since has another
 * head. Then the ring need not be read and proven again.
 */
static bool base_is_known(const struct mn_store *store, const struct mn_notice *notice)
{
    const struct mn_writer *writer = &store->writer;

    if (!writer->known || !store->map || notice->published != writer->base.version) {
        return false;
    }
    for (uint32_t i = 0; i < MN_META_SLOTS && !MN_PLANT(HEADS_IGNORED); i++) {
        if (memcmp(store->map + mn_slot_offset(store, i), writer->heads[i], MN_SLOT_HEAD) != 0) {
            return false;
        }
    }
    return true;
}

/* After a commit: what it made is the base of the next. */
static void base_remember(struct mn_store *store)
{
    struct mn_writer *writer = &store->writer;

    writer->base = writer->next;
    if (!store->map) return;
    for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
        memcpy(writer->heads[i], store->map + mn_slot_offset(store, i), MN_SLOT_HEAD);
    }
    writer->ring.version[writer->wing.slot] = writer->next.version;
    writer->known = true;
}

/*
 * A rejected version's slot goes before any page is written: a page of the next commit, torn over a
 * torn page of the rejected one, could make that whole again. The first sector stays, with the
 * number that must not be used again.
 */
static enum mn_status rejected_wipe(struct mn_store *store, struct mn_writer *writer)
{
    enum { SECTOR = 512 };
    static const uint8_t zeros[MN_META_BYTES - SECTOR];
    struct mn_ring *ring = &writer->ring;
    enum mn_status status = MN_OK;
    bool wiped = false;

    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        uint64_t at = mn_slot_offset(store, i) + SECTOR;

        if (ring->version[i] <= writer->base.version) continue;
        if (ring->claimed < ring->version[i]) ring->claimed = ring->version[i];
        ring->version[i] = 0;
        if (MN_PLANT(REJECTED_STAYS)) continue;
        status = mn_file_write(store->file, at, zeros, sizeof zeros);
        wiped = true;
    }
    if (status || !wiped || MN_PLANT(REJECTED_UNSYNCED)) return status;
    status = store->file->ops->sync(store->file);
    if (!status) return MN_OK;
    store->poisoned = true; /* what a failed sync leaves is for the next opener to find out */
    return mn_hint("close the file and open it again");
}

/*
 * A slot is newer than what is published: its writer was killed, or its sync failed. Where nobody
 * reads what may not be durable, recovery decides; else nothing that was published may be taken
 * back, so the newest version is made durable, or nobody writes any more.
 */
static enum mn_status doubt_settle(struct mn_store *store, const struct mn_notice *notice)
{
    struct mn_writer *writer = &store->writer;
    enum mn_status status;

    writer->space.version = 0;
    if (notice->durable == notice->published) {
        status = mn_settle(store, &writer->base);
        writer->durable = writer->base.version;
    } else {
        uint64_t newest = mn_ring_newest(&writer->ring);

        status = mn_checkpoint(store, newest);
        if (!status && store->map) {
            store->file->ops->wake(store->file, store->map + mn_notice_offset(store));
        }
        writer->base.version = newest;
    }
    if (!status) {
        status = mn_ring_read(store, &writer->ring, writer->base.version, &writer->base);
    }
    if (status || writer->base.version == 0) return status;
    return rejected_wipe(store, writer);
}

/* The published version's slot, after whatever a killed or failed writer left was settled. */
static enum mn_status base_find(struct mn_store *store, struct mn_writer *writer)
{
    struct mn_notice notice;
    bool good = false;
    enum mn_status status = mn_file_size(store, &store->file_bytes);

    if (!status) status = mn_notice_now(store, &notice, &good);
    if (!status && (!good || (notice.failed && !MN_PLANT(FAILED_UNHEARD)))) {
        (void)mn_fail(MN_IOERR, "an earlier sync failed, so nobody may write to the file");
        return mn_hint("close every handle of the file and open it again");
    }
    writer->durable = MN_PLANT(LAZY_BASE_TRUSTED) ? notice.published : notice.durable;
    if (!status && base_is_known(store, &notice)) return MN_OK;
    writer->known = false;
    if (!status) status = mn_ring_read(store, &writer->ring, notice.published, &writer->base);
    if (!status && MN_PLANT(SIZE_TRUSTED)) {
        status = store->file->ops->size(store->file, &store->durable_bytes);
    } else if (!status && store->durable_since != writer->base.version &&
               !(MN_PLANT(OTHERS_CUT_UNSEEN) && store->durable_bytes)) {
        store->durable_bytes = writer->base.page_count << store->page_shift;
    }
    if (writer->ring.claimed && MN_PLANT(RING_REFUSES_TORN))
        return mn_fail(MN_CORRUPT, "a torn slot");
    if (!status && mn_ring_newest(&writer->ring) > notice.published &&
        !(MN_PLANT(DOUBT_SKIPPED) && notice.durable != notice.published) &&
        !MN_PLANT(WRITER_NO_SETTLE)) {
        status = doubt_settle(store, &notice);
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
    uint64_t newest = mn_ring_newest(&writer->ring);
    enum mn_status status = mn_meta_validate(&writer->base, store->layout.plain,
                                             store->file_bytes >> store->page_shift);

    if (status) return status;
    writer->next = writer->base;
    writer->next.parent = writer->base.version;
    if (newest < writer->base.version) newest = writer->base.version;
    if (newest < writer->ring.claimed && !MN_PLANT(CLAIM_IGNORED)) newest = writer->ring.claimed;
    writer->next.version = newest + 1;
    writer->next.durable = writer->durable;
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
    writer->taken_sorted.count = writer->taken_known = 0;
    writer->reserve.count = writer->reserve_at = writer->digest_count = 0;
    mn_wing_clear(writer, store);
    writer->wing.from = writer->wing.to = 0;
    writer->placed_bytes = 0;

    writer->space_ready = writer->changed = writer->digest_void = false;
    writer->give_failed = false;
    writer->pack = writer->checkpoint = writer->cut = writer->make_durable = false;
    /* One large transaction must not keep its lists for ever. */
    if (writer->digest_capacity > MN_LARGE_BYTES / MN_PAGE_SIZE_MIN) {
        mn_dealloc(writer->digests);
        writer->digests = NULL;
        writer->digest_capacity = 0;
    }
    if (writer->unsynced.capacity > MN_LARGE_BYTES / MN_PAGE_SIZE_MIN) {
        mn_dealloc(writer->unsynced.list);
        writer->unsynced = (struct mn_digests){0};
    }
}

static enum mn_status writer_start(struct mn_store *store, uint64_t expect, struct mn_view *view)
{
    struct mn_writer *writer = &store->writer;
    enum mn_status status = base_find(store, writer);

    writer->begin_each = UINT64_MAX;
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

/* The view of the transaction that this thread now has: its own, or one that was left to it. */
static enum mn_status view_begin(struct mn_store *store, uint64_t expect, struct mn_view *own,
                                 struct mn_view *left)
{
    uint32_t savepoint;
    enum mn_status status;

    if (left) { /* what goes wrong from here on is not to undo what others did (G2) */
        status = mn_savepoint_begin(left, &savepoint);
        if (status) mn_write_abort(left);
        return status;
    }
    if (store->poisoned) {
        (void)mn_fail(MN_IOERR, "an earlier commit of this handle could not be synced");
        status = mn_hint("close the file and open it again");
    } else {
        status = writer_start(store, expect, own);
    }
    if (status) mn_turn_give(store);
    return status;
}

static enum mn_status write_begin(struct mn_store *store, uint64_t expect, bool brief,
                                  struct mn_view **out)
{
    struct mn_view *own, *left = NULL;
    enum mn_status status;

    *out = NULL;
    if (store->file->forked) return mn_store_refuse_forked();
    if (store->readonly) return mn_fail(MN_READONLY_DB, "the file is open for reading only");
    own = mn_alloc(sizeof *own);
    if (!own) return mn_fail_nomem();
    mn_view_init(own, store);
    status = mn_turn_take(store, brief ? &left : NULL);
    if (!status) status = view_begin(store, expect, own, left);
    if (status || left) mn_dealloc(own);
    if (status) return status;
    store->held = true;
    *out = left ? left : own;
    return MN_OK;
}

enum mn_status mn_write_begin(struct mn_store *store, uint64_t expect_version, struct mn_view **out)
{
    return write_begin(store, expect_version, false, out);
}

enum mn_status mn_write_begin_brief(struct mn_store *store, struct mn_view **out)
{
    return write_begin(store, 0, true, out);
}

/* ---- commit ---- */

/* Gives every dirty node its place: the layer above walks its trees, children first. */
static enum mn_status nodes_place(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    uint64_t busy;
    enum mn_status status;

    if (writer->savepoint_count) mn_savepoint_release(view, 1);
    status = mn_wing_begin(view, MN_SMALL_PAGES, &busy);
    if (!status && writer->live_nodes > busy) {
        status = mn_room_reserve(view, writer->live_nodes - busy);
    }
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

/* Has this commit done what the tail of a slot must still tell of the versions before it? (Z1) */
static bool tail_was_cut(const struct mn_writer *writer)
{
    if (MN_PLANT(TAIL_LOST)) return false;
    return writer->next.checkpoint_version == writer->next.version ||
           writer->next.log_pages != writer->base.log_pages;
}

/* Over versions that are not durable: what the slot answers for, or first a checkpoint of them. */
static enum mn_status unsynced_add(struct mn_view *view, enum mn_sync_mode mode)
{
    struct mn_store *store = view->store;
    struct mn_writer *writer = view->writer;
    bool bounded = !(writer->next.flags & MN_META_LARGE) && !tail_was_cut(writer);
    enum mn_status status = bounded ? mn_unsynced_follow(store) : MN_OK;

    if (status == MN_CORRUPT) bounded = false;
    if (status && status != MN_CORRUPT) return status;
    if (MN_PLANT(TAIL_UNBOUNDED) && bounded) return MN_OK;
    if (bounded && writer->unsynced.count <= (size_t)MN_LARGE_BYTES >> store->page_shift) {
        return MN_OK;
    }
    if (mode == MN_STORE_OFF) {
        writer->next.flags |= MN_META_LARGE;
        return MN_OK;
    }
    status = mn_checkpoint(store, writer->base.version);
    if (!MN_PLANT(DURABLE_STALE)) writer->next.durable = writer->durable;
    return status ? status : mn_unsynced_follow(store);
}

/*
 * Does the version name pages that the file may not have after a power loss? Whoever made it longer
 * may have died, or failed, before a sync.
 */
static bool is_longer(const struct mn_view *view)
{
    const struct mn_store *store = view->store;

    if (MN_PLANT(GREW_IGNORED)) return false;
    return store->writer.next.page_count << store->page_shift > store->durable_bytes;
}

/* A sync is done: the size of now is durable. */
static void size_synced(struct mn_store *store)
{
    store->durable_bytes = store->file_bytes;
    store->durable_since = store->writer.next.version;
}

/* One word over the pages that the slot answers for, and the chain of these words over all
 * versions. */
static enum mn_status digest_set(struct mn_view *view, enum mn_sync_mode mode)
{
    struct mn_writer *writer = view->writer;
    struct mn_meta *next = &writer->next;
    enum mn_status status;

    if (writer->placed_bytes > MN_LARGE_BYTES || (writer->digest_void && !MN_PLANT(DIGEST_STALE)) ||
        is_longer(view)) {
        next->flags |= MN_META_LARGE;
    }
    status = writer->durable == writer->base.version ? mn_unsynced_follow(view->store)
                                                     : unsynced_add(view, mode);
    next->digest = next->flags & MN_META_LARGE ? 0 : mn_digests_word(&writer->unsynced);
    next->chain = mn_hash_mix(mn_hash_mix(writer->base.chain, next->version), next->digest);
    return status;
}

static enum mn_status slot_write(struct mn_view *view)
{
    struct mn_store *store = view->store;
    struct mn_writer *writer = view->writer;
    uint8_t bytes[MN_META_BYTES];

    mn_meta_encode(&writer->next, store->superblock.secret, bytes);
    for (uint32_t i = 0; i < MN_META_SLOTS && MN_PLANT(SLOT_TWICE); i++) {
        if (mn_store_get_sync(store) != MN_STORE_FULL) break; /* slots would run out */
        uint64_t has = writer->ring.version[i];

        if (i == writer->wing.slot || has == writer->durable || has == writer->base.version)
            continue;
        (void)mn_file_write(store->file, mn_slot_offset(store, i), bytes, sizeof bytes);
        writer->ring.version[i] = writer->next.version;
        break;
    }
    return mn_wing_flush(view, bytes);
}

/* From here on failures leave doubt: the device may have all of the commit, parts, or nothing. */
static enum mn_status make_durable(struct mn_view *view, enum mn_sync_mode mode)
{
    struct mn_store *store = view->store;
    struct mn_writer *writer = view->writer;
    uint64_t version = writer->next.version;
    struct mn_notice notice = {version, writer->durable, 0};
    bool large = (writer->next.flags & MN_META_LARGE) != 0, others;
    enum mn_status status = MN_OK;

    /* What a large commit wrote is verified by nobody, so it must not be used anew before the
     * version is durable: that is now (Z4). */
    if (large && mode == MN_STORE_LAZY && !MN_PLANT(LAZY_LARGE_STAYS)) mode = MN_STORE_FULL;
    others = writer->durable != writer->base.version && !MN_PLANT(READ_BACK_COMMIT);
    /* Even without syncs no slot may name more pages than the file has after a power loss. */
    if (large && (mode != MN_STORE_OFF || is_longer(view))) {
        if (!MN_PLANT(LARGE_NO_SYNC)) status = store->file->ops->sync(store->file);
        if (MN_PLANT(LARGE_SYNC_ERROR_IGNORED)) status = MN_OK;
        if (!status) size_synced(store);
    }
    if (MN_PLANT(LARGE_QUEUE_LATE) && !status) status = mn_queue_flush(view);
    if (!status) {
        status = slot_write(view);
        if (MN_PLANT(SLOT_ERROR_DENIED) && status) return status;
        if (MN_PLANT(SLOT_ERROR_IGNORED)) status = MN_OK;
    }
    if (MN_PLANT(PUBLISH_EARLY)) {
        notice.durable = version;
        status = mn_notice_write(store, &notice);
    }
    if (!status && mode == MN_STORE_FULL) { /* (T2) */
        if (!MN_PLANT(COMMIT_NO_SYNC)) status = mn_barrier(store, version, others);
        if (!status) size_synced(store);
        notice.durable = version;
    } else if (!status && MN_PLANT(SIZE_SYNCED_LAZY)) {
        size_synced(store);
    }
    if (!status) {
        status = mn_notice_write(store, &notice); /* (T3) */
        if (MN_PLANT(NOTICE_ERROR_DENIED) && status) return status;
        if (MN_PLANT(NOTICE_ERROR_IGNORED)) status = MN_OK;
    }
    if (status) return mn_sync_failed(store, version);
    writer->durable = notice.durable;
    writer->unsynced.version = large ? 0 : version;
    if (store->map) store->file->ops->wake(store->file, store->map + mn_notice_offset(store));
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

    if (MN_PLANT(ABANDON_LEAKS)) return;
    if (writer->space_ready && writer->space.version && writer->taken.count) {
        if (mn_extents_net(&writer->taken, &writer->given, &net)) writer->space.version = 0;
        for (size_t i = 0; i < net.count && writer->space.version; i++) {
            mn_space_free(&writer->space, net.list[i].start, net.list[i].pages);
        }
        if (writer->space.version) mn_space_trim(&writer->space, writer->base.page_count);
    }
    mn_extents_release(&net);
}

static enum mn_status write_pages(struct mn_view *view, enum mn_sync_mode mode)
{
    struct mn_writer *writer = view->writer;
    struct mn_manifest manifest = {0};
    enum mn_status status = nodes_place(view);

    if (!status && writer->give_failed) status = mn_fail_nomem();
    if (!status) status = own_deaths_give(view);
    if (!status) status = mn_space_prepare(view);
    if (!status) status = deaths_check(writer);
    if (!status) status = mn_log_write(view, &manifest);
    if (!status && !MN_PLANT(LARGE_QUEUE_LATE)) status = mn_queue_flush(view); /* (T1) */
    mn_manifest_release(&manifest);
    if (status) return status;
    mn_space_trim(&writer->space, 0);
    writer->next.page_count = writer->space.page_count;
    writer->next.time_us = view->store->os->ops->now_us(view->store->os);
    status = digest_set(view, mode);
    /* A large commit's pages are synced before its slot is written. */
    if (!status && writer->next.flags & MN_META_LARGE && !MN_PLANT(LARGE_WING_LATE)) {
        status = mn_wing_flush(view, NULL);
    }
    return status;
}

/* A lazy commit is durable when the last one that was is some time ago. */
static enum mn_sync_mode commit_mode(const struct mn_store *store)
{
    enum mn_sync_mode mode = mn_store_get_sync(store);
    int64_t now;

    if (store->writer.make_durable) return MN_STORE_FULL;
    if (mode != MN_STORE_LAZY) return mode;
    now = store->os->ops->tick_us(store->os);
    return now - store->writer.synced_us >= store->lazy_us ? MN_STORE_FULL : MN_STORE_LAZY;
}

/* The view and the turn are given back. What goes wrong with that is nobody's answer: the caller is
 * told how the commit went. */
static void write_end(struct mn_view *view)
{
    struct mn_store *store = view->store;
    struct mn_error told = *mn_error_last();

    mn_view_release(view);
    writer_clear(&store->writer, store);
    mn_turn_give(store);
    *mn_error_last() = told;
}

/* The transaction as it is, with what other threads did in it, and its end. */
static enum mn_status commit(struct mn_view *view, uint64_t *version)
{
    struct mn_store *store = view->store;
    struct mn_writer *writer = view->writer;
    enum mn_sync_mode mode = commit_mode(store);
    enum mn_status status = MN_OK;

    *version = writer->base.version;
    if (writer->changed) {
        if (mode == MN_STORE_FULL) writer->begin_each = MN_BEGIN_BYTES;
        status = write_pages(view, mode);
        if (status) {
            space_abandon(writer);
        } else {
            status = make_durable(view, mode);
        }
        if (!status) {
            space_follow_commit(writer);
            if (writer->durable == writer->next.version || MN_PLANT(CUT_EARLY))
                mn_shrink_after_commit(store);
            base_remember(store);
            store->wrote = true;
            *version = writer->next.version;
        }
    }
    write_end(view);
    return status;
}

/* With pages of 4 KiB half of what one sync may vouch for; docs/API.md names it. */
enum { SHARED_NODES = 128 };

/* May others go on with this transaction? One whose commit is more than a sync, or that moves
 * pages, ends by itself. */
static bool may_be_shared(const struct mn_view *view)
{
    const struct mn_writer *writer = view->writer;

    return writer->changed && commit_mode(view->store) == MN_STORE_FULL &&
           writer->live_nodes <= SHARED_NODES && writer->placed_bytes == 0 && !writer->pack &&
           !writer->checkpoint && !writer->cut;
}

/* This thread's part is done: somebody goes on with the transaction, or it ends now, for all. */
static enum mn_status part_end(struct mn_view *view, uint64_t *version)
{
    struct mn_store *store = view->store;
    struct mn_part mine = {0}, *parts;
    enum mn_status status;

    if (may_be_shared(view) && mn_turn_leave(view, &mine)) {
        *version = mine.version;
        if (mine.status) *mn_error_last() = mine.error;
        return mine.status;
    }
    parts = mn_turn_parts(store);
    status = commit(view, version);
    mn_turn_tell(store, parts, status, *version);
    return status;
}

enum mn_status mn_write_commit(struct mn_view *view, uint64_t *version)
{
    uint64_t made;
    enum mn_status status;

    MN_ASSERT(view->writer);
    status = part_end(view, &made);
    if (version) *version = made;
    return status;
}

void mn_write_abort(struct mn_view *view)
{
    struct mn_error told;
    uint64_t version;

    if (!view) return;
    MN_ASSERT(view->writer);
    if (mn_turn_is_shared(view->store)) {
        told = *mn_error_last();
        mn_savepoint_rollback(view, 1);
        /* Why this part failed may be what others did: the caller is told when that is sure. */
        (void)part_end(view, &version);
        *mn_error_last() = told;
        return;
    }
    space_abandon(view->writer);
    write_end(view);
}

enum mn_status mn_write_farewell(struct mn_store *store)
{
    struct mn_view *view;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return status;
    view->writer->changed = true;
    view->writer->make_durable = !MN_PLANT(FAREWELL_LAZY);
    return mn_write_commit(view, NULL);
}
