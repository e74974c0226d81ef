/*
 * lazy: versions that are published before they are durable.
 *
 *   D ........... v-2   v-1   v          D: the newest durable version, v: the one being made
 *   [ manifests of all these in v's tail ]
 *
 * With sync = lazy or off a commit is published without a barrier. The file then holds the durable
 * version D, which stays whole (it is pinned, and so is its slot), and newer ones of which power
 * loss may take any part. So a slot answers for more than its own commit: its digest goes over all
 * pages that were born after D and are still reached, and its tail holds the manifests of all
 * versions after D, which name them. A checkpoint makes the newest version durable.
 *
 *   (Z1) what a slot answers for is at most 1 MiB and all its manifests are in the tail: before
 *        either would be broken, the base is made durable;
 *   (Z2) a page born after D that died again is left out: it may be used anew;
 *   (Z3) after a barrier over what others may have written, the version is read back past the
 *        cache: their failed sync, told once and to them, may have left pages clean, not written;
 *
 *   (Z4) a large version is durable before it is published: the pages that its slot does not answer
 *        for could be used anew by the second commit after it.
 *
 * With sync = off there are no checkpoints. A version that answers for more than 1 MiB is marked as
 * if it had been synced: after a power loss its damaged pages are told as such.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/plant.h"
#include "store/inside.h"

/* ---- what a slot answers for ---- */

static int digest_compare(const void *a, const void *b)
{
    const struct mn_digest *x = a, *y = b;

    return x->page < y->page ? -1 : x->page > y->page;
}

static void digests_remove(struct mn_digests *list, uint64_t start, uint64_t pages)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (list->list[i].page - start >= pages) list->list[kept++] = list->list[i];
    }
    list->count = kept;
}

static enum mn_status digests_add(struct mn_digests *list, uint64_t page, uint64_t hash)
{
    if (!mn_grow(&list->list, &list->capacity, list->count + 1, sizeof *list->list)) {
        return mn_fail_nomem();
    }
    list->list[list->count++] = (struct mn_digest){page, hash};
    return MN_OK;
}

uint64_t mn_digests_word(struct mn_digests *list)
{
    uint64_t word = 0;

    if (list->count > 1 && !MN_PLANT(DIGEST_UNSORTED))
        qsort(list->list, list->count, sizeof *list->list, digest_compare);
    for (size_t i = 0; i < list->count; i++) word = mn_hash_mix(word, list->list[i].hash);
    return word;
}

/* One manifest after D: its dead pages leave the list, those born in it enter (Z2). */
static enum mn_status live_follow(const struct mn_manifest *manifest, uint64_t most,
                                  struct mn_digests *live)
{
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < manifest->dead.count && live->count > 0 && !MN_PLANT(LAZY_DEAD_STAY);
         i++) {
        digests_remove(live, manifest->dead.list[i].start, manifest->dead.list[i].pages);
    }
    for (size_t i = 0; i < manifest->born.count && !status; i++) {
        const struct mn_extent *one = &manifest->born.list[i];

        if (one->pages > most - live->count) {
            return mn_fail(MN_CORRUPT, "a slot answers for too many pages");
        }
        for (uint64_t p = 0; p < one->pages && !status; p++) {
            status = digests_add(live, one->start + p, 0);
        }
    }
    return status;
}

/* The pages that the slot answers for over what was durable, without their hashes. */
static enum mn_status live_pages(const struct mn_store *store, const struct mn_meta *meta,
                                 uint64_t durable, struct mn_digests *live)
{
    const uint8_t *at = meta->tail, *end = meta->tail + meta->tail_bytes;
    struct mn_manifest manifest = {0};
    uint64_t reached = durable;
    enum mn_status status = MN_OK;

    live->count = 0;
    while (at < end && !status) {
        status = mn_manifest_decode(&at, end, &manifest);
        if (status || manifest.version <= durable) continue;
        if (manifest.parent != reached) {
            status = mn_fail(MN_CORRUPT, "the tail of a slot misses a manifest");
            break;
        }
        status = live_follow(&manifest, MN_LARGE_BYTES >> store->page_shift, live);
        reached = manifest.version;
    }
    mn_manifest_release(&manifest);
    if (!status && reached != meta->version) {
        status = mn_fail(MN_CORRUPT, "the slot of version %" PRIu64 " lacks its manifest",
                         meta->version);
    }
    return status;
}

enum mn_status mn_answers_for(const struct mn_store *store, const struct mn_meta *meta,
                              struct mn_extents *pages)
{
    struct mn_digests live = {0};
    enum mn_status status = live_pages(store, meta, meta->durable, &live);

    pages->count = 0;
    (void)mn_digests_word(&live); /* sorts */
    for (size_t i = 0; i < live.count && !status; i++) {
        status = mn_extents_add(pages, live.list[i].page, 1);
    }
    mn_dealloc(live.list);
    return status;
}

/* ---- the writer's account ---- */

/* Of commits that others made, or this handle did before it was last opened. */
static enum mn_status unsynced_load(struct mn_store *store)
{
    struct mn_writer *writer = &store->writer;
    struct mn_digests *list = &writer->unsynced;
    uint8_t *bytes = mn_alloc(store->page_size);
    enum mn_status status = bytes ? MN_OK : mn_fail_nomem();

    list->version = 0;
    if (!status) status = live_pages(store, &writer->base, writer->durable, list);
    for (size_t i = 0; i < list->count && !status; i++) {
        struct mn_digest *one = &list->list[i];
        struct mn_range at = {one->page << store->page_shift, store->page_size};

        status = mn_file_read(store->file, bytes, at, "a page");
        if (!status) one->hash = mn_digest_word(store, one->page, bytes);
    }
    mn_dealloc(bytes);
    if (!status) list->version = writer->base.version;
    return status;
}

/* Adds the commit to the list: what dies in it leaves, its own pages enter. */
enum mn_status mn_unsynced_follow(struct mn_store *store)
{
    struct mn_writer *writer = &store->writer;
    struct mn_digests *list = &writer->unsynced;
    enum mn_status status = MN_OK;

    if (writer->durable == writer->base.version) {
        list->count = 0;
    } else if (list->version != writer->base.version &&
               !(MN_PLANT(UNSYNCED_STALE) && list->count > 0)) {
        status = unsynced_load(store);
    }
    list->version = 0; /* until the commit is published */
    for (size_t i = 0; i < writer->deaths.count && !status && list->count > 0; i++) {
        digests_remove(list, writer->deaths.list[i].start, writer->deaths.list[i].pages);
    }
    for (size_t i = 0; i < writer->digest_count && !status; i++) {
        status = digests_add(list, writer->digests[i].page, writer->digests[i].hash);
    }
    return status;
}

/* ---- checkpoints ---- */

enum mn_status mn_sync_failed(struct mn_store *store, uint64_t version)
{
    struct mn_error first = *mn_error_last();
    struct mn_notice notice = {0};
    bool good = false;

    store->poisoned = true;
    /* Published versions may not exist on the device: readers go on, nobody writes until all have
     * closed the file and the next open has settled it. */
    if (!MN_PLANT(FAILED_UNSAID) && mn_notice_read(store, &notice, &good) == MN_OK && good &&
        notice.durable < notice.published) {
        notice.failed = 1;
        (void)mn_notice_write(store, &notice);
    }
    (void)mn_fail(MN_UNCERTAIN, "the commit of version %" PRIu64 " is uncertain: %.400s", version,
                  first.message);
    return mn_hint("close the file and open it again: the next open tells whether it is there");
}

/* (Z3) The slot of that version, as the device has it, and all that it answers for. */
static enum mn_status read_back(struct mn_store *store, uint64_t version)
{
    bool whole = false;
    enum mn_status status = mn_version_on_device(store, version, &whole);

    if (!status && !whole) {
        status = mn_fail(MN_IOERR, "version %" PRIu64 " did not reach the device", version);
    }
    return status;
}

enum mn_status mn_barrier(struct mn_store *store, uint64_t version, bool others)
{
    enum mn_status status = store->file->ops->sync(store->file);

    if (status && MN_PLANT(SYNC_RETRIED)) status = store->file->ops->sync(store->file);
    if (MN_PLANT(SYNC_ERROR_IGNORED)) status = MN_OK;
    store->writer.synced_us = store->os->ops->tick_us(store->os);
    return !status && others && !MN_PLANT(READ_BACK_SKIPPED) ? read_back(store, version) : status;
}

enum mn_status mn_checkpoint(struct mn_store *store, uint64_t version)
{
    struct mn_notice notice = {version, version, 0};
    enum mn_status status = MN_OK;

    if (MN_PLANT(CHECKPOINT_EARLY)) (void)mn_notice_write(store, &notice);
    status = mn_barrier(store, version, true);
    if (!status) status = mn_notice_write(store, &notice);
    if (status) return mn_sync_failed(store, version);
    if (!MN_PLANT(CHECKPOINT_UNTOLD)) store->writer.durable = version;
    return MN_OK;
}

enum mn_status mn_store_sync(struct mn_store *store)
{
    struct mn_notice notice;
    struct mn_view *view;
    bool good = false;
    enum mn_status status;

    if (store->file->forked) return mn_store_refuse_forked();
    if (store->readonly) return MN_OK;
    status = mn_notice_read(store, &notice, &good);
    if (!status && good && !notice.failed && notice.durable == notice.published) return MN_OK;
    if (!status) status = mn_write_begin(store, 0, &view);
    if (status) return status;
    if (store->writer.durable != store->writer.base.version) {
        status = mn_checkpoint(store, store->writer.base.version);
    }
    mn_write_abort(view);
    return status;
}

void mn_store_set_sync(struct mn_store *store, enum mn_sync_mode mode)
{
    __atomic_store_n(&store->sync, mode, __ATOMIC_RELAXED);
}

enum mn_sync_mode mn_store_get_sync(const struct mn_store *store)
{
    return __atomic_load_n(&store->sync, __ATOMIC_RELAXED);
}
