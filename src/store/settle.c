/*
 * settle: the only place that decides what a crash, a kill or a failed sync left.
 *
 * The device is asked, never the cache: slots and the pages in their manifests are read past it.
 * The newest version that is wholly there wins; what the cache shows otherwise is dropped from it.
 * Then the notice says so, before anybody pins or allocates. Nothing durable is ever written again
 * in place.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "store/inside.h"

enum { NOTICE_TRIES = 1000, NOTICE_NAP_US = 50, CLAIM_REACH = 1000 };

uint64_t mn_slot_offset(const struct mn_store *store, uint32_t slot)
{
    return mn_meta_slot_at(store->page_size, slot);
}

uint64_t mn_notice_offset(const struct mn_store *store)
{
    return mn_meta_notice_at(store->page_size);
}

enum mn_status mn_file_pages(struct mn_store *store, uint64_t *pages)
{
    uint64_t bytes = 0;
    enum mn_status status = store->file->ops->size(store->file, &bytes);

    *pages = bytes >> store->page_shift;
    return status;
}

/* ---- the notice ---- */

static uint64_t notice_check(const struct mn_store *store, const struct mn_notice *notice)
{
    uint64_t hash = mn_hash_mix(store->superblock.secret, notice->published);

    return mn_hash_mix(mn_hash_mix(hash, notice->durable), notice->failed) | 1;
}

bool mn_notice_parse(const struct mn_store *store, const uint8_t *bytes, struct mn_notice *notice)
{
    notice->published = mn_get_u64(bytes);
    notice->durable = mn_get_u64(bytes + 8);
    notice->failed = mn_get_u64(bytes + 16);
    return mn_get_u64(bytes + 24) == notice_check(store, notice);
}

enum mn_status mn_notice_read(struct mn_store *store, struct mn_notice *notice, bool *good)
{
    uint8_t bytes[MN_NOTICE_BYTES];
    struct mn_range at = {mn_notice_offset(store), MN_NOTICE_BYTES};
    enum mn_status status = mn_file_read(store->file, bytes, at, "the notice");

    *good = !status && mn_notice_parse(store, bytes, notice);
    return status;
}

enum mn_status mn_notice_write(struct mn_store *store, const struct mn_notice *notice)
{
    uint8_t bytes[MN_NOTICE_BYTES];

    mn_put_u64(bytes, notice->published);
    mn_put_u64(bytes + 8, notice->durable);
    mn_put_u64(bytes + 16, notice->failed);
    mn_put_u64(bytes + 24, notice_check(store, notice));
    return mn_file_write(store->file, mn_notice_offset(store), bytes, sizeof bytes);
}

static bool notice_mapped(struct mn_store *store, struct mn_notice *notice)
{
    const uint64_t *words = (const uint64_t *)(const void *)(store->map + mn_notice_offset(store));

    notice->published = __atomic_load_n(&words[0], __ATOMIC_ACQUIRE);
    notice->durable = __atomic_load_n(&words[1], __ATOMIC_ACQUIRE);
    notice->failed = __atomic_load_n(&words[2], __ATOMIC_ACQUIRE);
    return __atomic_load_n(&words[3], __ATOMIC_ACQUIRE) == notice_check(store, notice);
}

enum mn_status mn_notice_now(struct mn_store *store, struct mn_notice *notice, bool *good)
{
    *good = store->map && notice_mapped(store, notice);
    return *good ? MN_OK : mn_notice_read(store, notice, good);
}

enum mn_status mn_notice_published(struct mn_store *store, uint64_t *version)
{
    struct mn_notice notice = {0};
    enum mn_status status;
    bool good = false;

    for (int i = 0; i < NOTICE_TRIES; i++) {
        if (store->map && i < NOTICE_TRIES / 2) {
            good = notice_mapped(store, &notice);
        } else {
            status = mn_notice_read(store, &notice, &good);
            if (status) return status;
        }
        *version = notice.published;
        if (good) return MN_OK;
        if (i > NOTICE_TRIES / 4) store->os->ops->sleep_us(store->os, NOTICE_NAP_US);
    }
    (void)mn_fail(MN_CORRUPT, "page %" PRIu64 ", the notice, is damaged",
                  mn_notice_offset(store) >> store->page_shift);
    return mn_hint("close every handle of the file and open it again");
}

/* ---- the ring ---- */

/* Copies slot `number` of the ring out; false: not whole. */
static bool slot_parse(struct mn_store *store, const uint8_t *bytes, struct mn_meta *meta)
{
    return mn_meta_decode(bytes, store->superblock.secret, meta);
}

enum mn_status mn_ring_read(struct mn_store *store, struct mn_ring *ring, uint64_t wanted,
                            struct mn_meta *meta)
{
    uint8_t bytes[MN_META_SLOTS * MN_SLOT_BYTES];
    uint64_t claims[MN_META_SLOTS] = {0};
    struct mn_meta one;
    enum mn_status status = MN_OK;

    meta->version = 0;
    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        struct mn_range at = {mn_slot_offset(store, i), MN_SLOT_BYTES};
        uint8_t *slot = bytes + (size_t)i * MN_SLOT_BYTES;

        status = mn_file_read(store->file, slot, at, "a slot");
        ring->version[i] = !status && slot_parse(store, slot, &one) ? one.version : 0;
        if (!status && ring->version[i] == 0) claims[i] = mn_meta_claim(slot);
        if (wanted && ring->version[i] == wanted) *meta = one;
    }
    /* Garbage may claim anything: only what the next few commits could have been is believed. */
    ring->claimed = 0;
    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        if (claims[i] > ring->claimed && claims[i] <= mn_ring_newest(ring) + CLAIM_REACH) {
            ring->claimed = claims[i];
        }
    }
    return status;
}

/* ---- the choice ---- */

uint64_t mn_digest_word(const struct mn_store *store, uint64_t page, const uint8_t *bytes)
{
    return mn_hash(bytes, store->page_size, store->superblock.secret ^ (page * 2 + 1));
}

/* A stretch of the file read past the cache, with room for alignment. */
struct device_piece {
    uint8_t *bytes, *content;
    struct mn_range at;
};

static enum mn_status piece_read(struct mn_store *store, struct mn_range want,
                                 struct device_piece *piece)
{
    uint64_t start = want.start / MN_DEVICE_BLOCK * MN_DEVICE_BLOCK;
    uint64_t end = (want.start + want.length + MN_DEVICE_BLOCK - 1) / MN_DEVICE_BLOCK;
    size_t got;
    enum mn_status status;

    piece->at = (struct mn_range){start, end * MN_DEVICE_BLOCK - start};
    piece->bytes = mn_zalloc(piece->at.length);
    if (!piece->bytes) return mn_fail_nomem();
    piece->content = piece->bytes + (want.start - start);
    status = store->file->ops->read_device(store->file, piece->bytes, piece->at, &got);
    if (!status && got < want.start - start + want.length) {
        status = mn_fail(MN_CORRUPT, "the file ends inside page %" PRIu64,
                         want.start >> store->page_shift);
    }
    return status;
}

static void piece_release(struct device_piece *piece)
{
    mn_dealloc(piece->bytes);
}

static struct mn_range extent_range(const struct mn_store *store, const struct mn_extent *extent)
{
    return (struct mn_range){extent->start << store->page_shift,
                             extent->pages << store->page_shift};
}

/*
 * Are the pages that the slot vouches for on the device? A large commit's were synced before its
 * slot. A mismatch is an answer (*whole = false); only a failing device or memory is an error.
 */
static enum mn_status manifest_holds(struct mn_store *store, const struct mn_meta *meta,
                                     struct mn_manifest *manifest, bool *whole)
{
    uint64_t digest = 0;
    enum mn_status status;

    *whole = false;
    manifest->born.count = 0;
    if (meta->flags & MN_META_LARGE) {
        *whole = true;
        return MN_OK;
    }
    status = mn_answers_for(store, meta, &manifest->born);
    if (status == MN_CORRUPT) return MN_OK;
    for (size_t i = 0; i < manifest->born.count && !status; i++) {
        const struct mn_extent *extent = &manifest->born.list[i];
        struct device_piece piece = {0};

        status = piece_read(store, extent_range(store, extent), &piece);
        for (uint64_t p = 0; p < extent->pages && !status; p++) {
            const uint8_t *page = piece.content + (p << store->page_shift);

            digest = mn_hash_mix(digest, mn_digest_word(store, extent->start + p, page));
        }
        piece_release(&piece);
    }
    if (status == MN_CORRUPT) return MN_OK;
    *whole = !status && digest == meta->digest;
    return status;
}

/* What the cache shows of a range, compared with the device; a difference is dropped once. */
static enum mn_status range_agree(struct mn_store *store, struct mn_range at)
{
    enum mn_status status = MN_OK;
    struct device_piece piece = {0};
    uint8_t *cached = mn_alloc(at.length);

    if (!cached) return mn_fail_nomem();
    status = piece_read(store, at, &piece);
    for (int tries = 0; !status; tries++) {
        status = mn_file_read(store->file, cached, at, "a page");
        if (status || memcmp(cached, piece.content, at.length) == 0) break;
        if (tries == 2) {
            (void)mn_fail(MN_IOERR,
                          "the page cache holds what never reached the device, at byte %" PRIu64,
                          at.start);
            status = mn_hint("close every handle of the file and open it again");
            break;
        }
        store->file->ops->drop_cached(store->file, piece.at);
    }
    piece_release(&piece);
    mn_dealloc(cached);
    return status;
}

/* The ring as the device has it. */
static enum mn_status slots_read(struct mn_store *store, struct mn_meta *metas)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        struct device_piece piece = {0};
        struct mn_range at = {mn_slot_offset(store, i), MN_SLOT_BYTES};

        metas[i].version = 0;
        status = piece_read(store, at, &piece);
        if (!status && !slot_parse(store, piece.content, &metas[i])) metas[i].version = 0;
        piece_release(&piece);
        if (status == MN_CORRUPT) status = MN_OK;
    }
    return status;
}

static uint32_t newest_of(const struct mn_meta *metas)
{
    uint32_t best = MN_META_SLOTS;

    for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
        if (metas[i].version == 0) continue;
        if (best == MN_META_SLOTS || metas[i].version > metas[best].version) best = i;
    }
    return best;
}

/* Does the cache show the pages whose digest the device has just proven? */
static enum mn_status cache_holds(struct mn_store *store, const struct mn_meta *meta,
                                  const struct mn_manifest *manifest, bool *same)
{
    uint64_t digest = 0;
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < manifest->born.count && !status; i++) {
        const struct mn_extent *extent = &manifest->born.list[i];
        struct mn_range at = extent_range(store, extent);
        uint8_t *cached = mn_alloc(at.length);

        if (!cached) return mn_fail_nomem();
        status = mn_file_read(store->file, cached, at, "a page");
        for (uint64_t p = 0; p < extent->pages && !status; p++) {
            const uint8_t *page = cached + (p << store->page_shift);

            digest = mn_hash_mix(digest, mn_digest_word(store, extent->start + p, page));
        }
        mn_dealloc(cached);
    }
    *same = !status && digest == meta->digest;
    return status;
}

/* Drops from the cache what differs from the device in the chosen slot and its pages. */
static enum mn_status chosen_agree(struct mn_store *store, uint32_t slot,
                                   const struct mn_meta *meta, const struct mn_manifest *manifest)
{
    struct mn_range at = {mn_slot_offset(store, slot), MN_SLOT_BYTES};
    enum mn_status status = range_agree(store, at);
    bool same = manifest->born.count == 0;

    if (!status && !same) status = cache_holds(store, meta, manifest, &same);
    for (size_t i = 0; !same && i < manifest->born.count && !status; i++) {
        status = range_agree(store, extent_range(store, &manifest->born.list[i]));
    }
    return status;
}

enum mn_status mn_version_on_device(struct mn_store *store, uint64_t version, bool *whole)
{
    struct mn_meta *metas = mn_alloc(MN_META_SLOTS * sizeof *metas);
    struct mn_manifest manifest = {0};
    enum mn_status status = metas ? slots_read(store, metas) : mn_fail_nomem();

    *whole = false;
    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        if (metas[i].version == version) {
            status = manifest_holds(store, &metas[i], &manifest, whole);
        }
    }
    mn_manifest_release(&manifest);
    mn_dealloc(metas);
    return status;
}

static enum mn_status newest_whole(struct mn_store *store, struct mn_meta *chosen)
{
    struct mn_meta *metas = mn_alloc(MN_META_SLOTS * sizeof *metas);
    struct mn_manifest manifest = {0};
    uint64_t file_pages = 0;
    enum mn_status status;
    bool whole = false;

    if (!metas) return mn_fail_nomem();
    status = slots_read(store, metas);
    if (!status) status = mn_file_pages(store, &file_pages);
    while (!status && !whole) {
        uint32_t slot = newest_of(metas);

        if (slot == MN_META_SLOTS) {
            status =
                mn_fail(MN_CORRUPT, "no version in the ring is whole: every slot, or a page it "
                                    "vouches for, is damaged");
            break;
        }
        /* A file grows durably before a slot says so: a whole slot that does not fit is damage. */
        status = mn_meta_validate(&metas[slot], store->layout.plain, file_pages);
        if (!status) status = manifest_holds(store, &metas[slot], &manifest, &whole);
        if (!status && whole) {
            *chosen = metas[slot];
            status = chosen_agree(store, slot, &metas[slot], &manifest);
        }
        metas[slot].version = 0;
    }
    mn_manifest_release(&manifest);
    mn_dealloc(metas);
    return status;
}

/*
 * The notice is never believed, but it can accuse: it names a version as durable only after a
 * barrier. If recovery would go behind that version, the file was damaged or the device lied, and
 * the older version would be a silent loss. The accused version is taken as it is if its slot is
 * whole: whoever touches a damaged page of it is told which one. Else the file is refused.
 */
static enum mn_status accusation(struct mn_store *store, enum mn_status found,
                                 struct mn_meta *chosen)
{
    struct mn_range at = {mn_notice_offset(store), MN_NOTICE_BYTES};
    struct mn_meta *metas = mn_alloc(MN_META_SLOTS * sizeof *metas);
    struct device_piece piece = {0};
    struct mn_notice notice;
    uint64_t file_pages = 0;
    enum mn_status status = metas ? piece_read(store, at, &piece) : mn_fail_nomem();
    bool accused = !status && mn_notice_parse(store, piece.content, &notice) &&
                   (found || notice.durable > chosen->version);

    if (accused) status = slots_read(store, metas);
    if (accused && !status) status = mn_file_pages(store, &file_pages);
    /* The notice on the device may lag: a newer slot that does not fit into the file was durable
     * too. */
    for (uint32_t i = 0; i < MN_META_SLOTS && accused && !status; i++) {
        if (metas[i].version <= notice.durable) continue;
        if (found) status = mn_meta_validate(&metas[i], store->layout.plain, file_pages);
    }
    if (accused && !status) {
        status =
            mn_fail(MN_CORRUPT, "the slot of version %" PRIu64 ", which was durable, is damaged",
                    notice.durable);
        for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
            if (metas[i].version != notice.durable) continue;
            status = mn_meta_validate(&metas[i], store->layout.plain, file_pages);
            if (!status) *chosen = metas[i];
            break;
        }
    } else if (!status) {
        status = found; /* with the message that was made where it was found */
    }
    piece_release(&piece);
    mn_dealloc(metas);
    return status;
}

enum mn_status mn_choose(struct mn_store *store, struct mn_meta *chosen)
{
    enum mn_status status = newest_whole(store, chosen);

    if (status && status != MN_CORRUPT) return status;
    return accusation(store, status, chosen);
}

enum mn_status mn_settle(struct mn_store *store, struct mn_meta *chosen)
{
    struct mn_notice notice = {0};
    enum mn_status status = store->file->ops->sync(store->file);

    if (!status) status = store->file->ops->size(store->file, &store->durable_bytes);
    if (!status) status = mn_choose(store, chosen);
    if (status) return status;
    store->durable_since = chosen->version;
    notice.published = notice.durable = chosen->version;
    return mn_notice_write(store, &notice);
}
