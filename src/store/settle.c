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
#include "base/plant.h"
#include "store/inside.h"

enum { NOTICE_TRIES = 1000, NOTICE_NAP_US = 50, CLAIM_REACH = 1000 };
enum { PIECE_BYTES = 256 << 10 }; /* read at a time: more would be fresh memory again and again */
enum { RING_SPAN_MAX = 64 << 10 };
enum { COMPARE_BYTES = 32 << 10 }; /* few enough to stay in the processor's cache */

uint64_t mn_slot_offset(const struct mn_store *store, uint32_t slot)
{
    return mn_meta_slot_at(store->page_size, slot);
}

uint64_t mn_notice_offset(const struct mn_store *store)
{
    return mn_meta_notice_at(store->page_size);
}

enum mn_status mn_file_size(struct mn_store *store, uint64_t *size_bytes)
{
    enum mn_status status = store->file->ops->size(store->file, size_bytes);

    if (status || *size_bytes >= store->layout.plain << store->page_shift) return status;
    return mn_fail(MN_CORRUPT, "the file was cut: it ends in page %" PRIu64 " of its head",
                   *size_bytes >> store->page_shift);
}

enum mn_status mn_file_pages(struct mn_store *store, uint64_t *pages)
{
    uint64_t bytes = 0;
    enum mn_status status = mn_file_size(store, &bytes);

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

/* A stretch of the file read past the cache, aligned as the device wants it; read again and again
 * into the same memory. Begins as {0}. */
struct device_piece {
    uint8_t *memory, *content;
    size_t capacity;
    struct mn_range at;
};

static void piece_release(struct device_piece *piece)
{
    mn_dealloc(piece->memory);
}

static uint8_t *piece_reserve(struct device_piece *piece, size_t size_bytes)
{
    uintptr_t start;

    if (size_bytes > piece->capacity) {
        mn_dealloc(piece->memory);
        piece->memory = mn_alloc(size_bytes + MN_DEVICE_BLOCK);
        piece->capacity = piece->memory ? size_bytes : 0;
    }
    if (!piece->memory) return NULL;
    start = (uintptr_t)piece->memory + MN_DEVICE_BLOCK - 1;
    return (uint8_t *)(start / MN_DEVICE_BLOCK * MN_DEVICE_BLOCK);
}

/* The ways to read through the cache are planted. */
static bool is_cached(const struct mn_store *store, struct mn_range want)
{
    bool ring = want.start < store->layout.plain << store->page_shift;

    return MN_PLANT(SETTLE_CACHED) || (MN_PLANT(SETTLE_RING_CACHED) && ring) ||
           (MN_PLANT(SETTLE_PAGES_CACHED) && !ring);
}

static enum mn_status piece_read(struct mn_store *store, struct mn_range want,
                                 struct device_piece *piece)
{
    uint64_t start = want.start / MN_DEVICE_BLOCK * MN_DEVICE_BLOCK;
    uint64_t end = (want.start + want.length + MN_DEVICE_BLOCK - 1) / MN_DEVICE_BLOCK;
    uint8_t *bytes;
    size_t got;
    enum mn_status status;

    piece->at = (struct mn_range){start, end * MN_DEVICE_BLOCK - start};
    bytes = piece_reserve(piece, piece->at.length);
    if (!bytes) return mn_fail_nomem();
    piece->content = bytes + (want.start - start);
    status = is_cached(store, want)
                 ? store->file->ops->pread(store->file, bytes, piece->at, &got)
                 : store->file->ops->read_device(store->file, bytes, piece->at, &got);
    if (!status && got < want.start - start + want.length) {
        status = mn_fail(MN_CORRUPT, "the file ends inside page %" PRIu64,
                         want.start >> store->page_shift);
    }
    return status;
}

/* The digest goes on over these pages. */
static void digest_more(const struct mn_store *store, struct mn_range at, const uint8_t *bytes,
                        uint64_t *digest)
{
    for (uint64_t i = 0; i < at.length; i += store->page_size) {
        uint64_t page = (at.start + i) >> store->page_shift;

        *digest = mn_hash_mix(*digest, mn_digest_word(store, page, bytes + i));
    }
}

/* The next piece of a range of pages behind `done` bytes of it. */
static struct mn_range piece_next(const struct mn_store *store, struct mn_range all, uint64_t done)
{
    uint64_t left = all.length - done;
    uint64_t most = store->page_size > PIECE_BYTES ? store->page_size : PIECE_BYTES;

    return (struct mn_range){all.start + done, left < most ? left : most};
}

static struct mn_range extent_range(const struct mn_store *store, const struct mn_extent *extent)
{
    return (struct mn_range){extent->start << store->page_shift,
                             extent->pages << store->page_shift};
}

/* Does the cache show what the device has? Whatever is wrong with it is told by range_agree. */
static enum mn_status piece_compare(struct mn_store *store, struct mn_range at,
                                    const struct device_piece *device, struct device_piece *cache,
                                    bool *same)
{
    uint8_t *bytes = piece_reserve(cache, COMPARE_BYTES);
    enum mn_status status = bytes ? MN_OK : mn_fail_nomem();

    for (uint64_t done = 0; done < at.length && *same && !status; done += COMPARE_BYTES) {
        uint64_t left = at.length - done;
        struct mn_range part = {at.start + done, left < COMPARE_BYTES ? left : COMPARE_BYTES};

        status = mn_file_read(store->file, bytes, part, "a page");
        *same = !status && memcmp(bytes, device->content + done, part.length) == 0;
    }
    return status == MN_CORRUPT ? MN_OK : status;
}

/* The digest over these pages as the device has them; and, each piece being at hand, whether the
 * cache shows the same (NULL: nobody asks). */
static enum mn_status device_digest(struct mn_store *store, const struct mn_extents *born,
                                    uint64_t *digest, bool *same)
{
    struct device_piece piece = {0}, cache = {0};
    enum mn_status status = MN_OK;

    *digest = 0;
    for (size_t i = 0; i < born->count && !status; i++) {
        struct mn_range all = extent_range(store, &born->list[i]), at;

        for (uint64_t done = 0; done < all.length && !status; done += at.length) {
            at = piece_next(store, all, done);
            status = piece_read(store, at, &piece);
            if (!status) digest_more(store, at, piece.content, digest);
            if (!status && same && *same) status = piece_compare(store, at, &piece, &cache, same);
        }
    }
    piece_release(&piece);
    piece_release(&cache);
    return status;
}

/*
 * Are the pages that the slot vouches for on the device? A large commit's were synced before its
 * slot. A mismatch is an answer (*whole = false); only a failing device or memory is an error.
 * *same: the cache shows them as they are there; NULL: nobody asks.
 */
static enum mn_status manifest_holds(struct mn_store *store, const struct mn_meta *meta,
                                     struct mn_manifest *manifest, bool *whole, bool *same)
{
    uint64_t digest = 0;
    enum mn_status status;

    *whole = false;
    if (same) *same = true;
    manifest->born.count = 0;
    if (MN_PLANT(SETTLE_READS_ALL)) {
        struct device_piece all = {0};

        status =
            piece_read(store, (struct mn_range){0, meta->page_count << store->page_shift}, &all);
        piece_release(&all);
    }
    if (meta->flags & MN_META_LARGE) {
        *whole = true;
        return MN_OK;
    }
    status = mn_answers_for(store, meta, &manifest->born);
    if (!status) status = device_digest(store, &manifest->born, &digest, same);
    if (status == MN_CORRUPT) return MN_OK;
    *whole = !status && (digest == meta->digest || MN_PLANT(DIGEST_IGNORED));
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

/* The ring as the device has it, and the notice in its midst. */
struct device_ring {
    struct mn_meta metas[MN_META_SLOTS]; /* version 0: not whole */
    uint8_t bytes[MN_META_SLOTS][MN_SLOT_BYTES];
    uint8_t notice[MN_NOTICE_BYTES];
};

/* Each request of the device costs more than the bytes between the slots. */
static enum mn_status ring_read_at_once(struct mn_store *store, struct device_ring *ring)
{
    struct mn_range all = {mn_slot_offset(store, 0), 0};
    struct device_piece piece = {0};
    uint64_t end = 0;
    enum mn_status status;

    for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
        uint64_t at = mn_slot_offset(store, i);

        if (at < all.start) all.start = at;
        if (at + MN_SLOT_BYTES > end) end = at + MN_SLOT_BYTES;
    }
    all.length = end - all.start;
    status = all.length > RING_SPAN_MAX ? MN_UNSUPPORTED : piece_read(store, all, &piece);
    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        memcpy(ring->bytes[i], piece.content + (mn_slot_offset(store, i) - all.start),
               MN_SLOT_BYTES);
    }
    if (!status) {
        memcpy(ring->notice, piece.content + (mn_notice_offset(store) - all.start),
               MN_NOTICE_BYTES);
    }
    piece_release(&piece);
    return status;
}

/* Slots far apart, or a device that cannot read what lies between them. */
static enum mn_status ring_read_each(struct mn_store *store, struct device_ring *ring)
{
    struct device_piece piece = {0};
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        struct mn_range at = {mn_slot_offset(store, i), MN_SLOT_BYTES};

        status = piece_read(store, at, &piece);
        if (!status) memcpy(ring->bytes[i], piece.content, MN_SLOT_BYTES);
        if (status == MN_CORRUPT) status = MN_OK; /* the file ends before: zeros */
    }
    if (!status) {
        struct mn_range at = {mn_notice_offset(store), MN_NOTICE_BYTES};

        status = piece_read(store, at, &piece);
        if (!status) memcpy(ring->notice, piece.content, MN_NOTICE_BYTES);
        if (status == MN_CORRUPT) status = MN_OK;
    }
    piece_release(&piece);
    return status;
}

/* *out is freed by mn_dealloc, whatever the answer. */
static enum mn_status device_ring_read(struct mn_store *store, struct device_ring **out)
{
    struct device_ring *ring = *out = mn_alloc(sizeof *ring);
    enum mn_status status;

    if (!ring) return mn_fail_nomem();
    status = ring_read_at_once(store, ring);
    if (status) {
        memset(ring->bytes, 0, sizeof ring->bytes);
        memset(ring->notice, 0, sizeof ring->notice);
        status = ring_read_each(store, ring);
    }
    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        if (!slot_parse(store, ring->bytes[i], &ring->metas[i])) ring->metas[i].version = 0;
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

/* Drops from the cache what differs from the device in the chosen slot and its pages. */
static enum mn_status chosen_agree(struct mn_store *store, const struct device_ring *ring,
                                   uint32_t slot, const struct mn_manifest *manifest, bool same)
{
    struct mn_range at = {mn_slot_offset(store, slot), MN_SLOT_BYTES};
    uint8_t cached[MN_SLOT_BYTES];
    enum mn_status status = mn_file_read(store->file, cached, at, "a slot");

    if (MN_PLANT(SETTLE_NOT_DROPPED)) return status;
    if (!status && memcmp(cached, ring->bytes[slot], sizeof cached) != 0) {
        status = range_agree(store, at);
    }
    for (size_t i = 0; !same && i < manifest->born.count && !status; i++) {
        status = range_agree(store, extent_range(store, &manifest->born.list[i]));
    }
    return status;
}

enum mn_status mn_version_on_device(struct mn_store *store, uint64_t version, bool *whole)
{
    struct device_ring *ring;
    struct mn_manifest manifest = {0};
    enum mn_status status = device_ring_read(store, &ring);

    *whole = false;
    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        if (ring->metas[i].version == version) {
            status = manifest_holds(store, &ring->metas[i], &manifest, whole, NULL);
            if (MN_PLANT(READ_BACK_SLOT)) *whole = true;
        }
    }
    mn_manifest_release(&manifest);
    mn_dealloc(ring);
    return status;
}

/* Versions that were tried are none any more in `ring`. */
static enum mn_status newest_whole(struct mn_store *store, struct device_ring *ring,
                                   struct mn_meta *chosen)
{
    struct mn_manifest manifest = {0};
    uint64_t file_pages = 0;
    enum mn_status status = mn_file_pages(store, &file_pages);
    bool whole = false, same = true;

    while (!status && !whole) {
        uint32_t slot = newest_of(ring->metas);
        struct mn_meta *meta = slot < MN_META_SLOTS ? &ring->metas[slot] : NULL;

        if (!meta) {
            status =
                mn_fail(MN_CORRUPT, "no version in the ring is whole: every slot, or a page it "
                                    "vouches for, is damaged");
            break;
        }
        /* A file grows durably before a slot says so: a whole slot that does not fit is damage. */
        status = mn_meta_validate(meta, store->layout.plain, file_pages);
        if (status && MN_PLANT(CUT_TAKES_OLDER)) {
            meta->version = 0;
            status = MN_OK;
            continue;
        }
        if (!status) status = manifest_holds(store, meta, &manifest, &whole, &same);
        if (!status && whole) {
            *chosen = *meta;
            if (MN_PLANT(SETTLE_REWRITES)) {
                uint8_t bytes[MN_META_BYTES];

                mn_meta_encode(chosen, store->superblock.secret, bytes);
                (void)mn_file_write(store->file, mn_slot_offset(store, slot), bytes, sizeof bytes);
            }
            status = chosen_agree(store, ring, slot, &manifest, same);
        }
        meta->version = 0;
    }
    mn_manifest_release(&manifest);
    return status;
}

/*
 * The notice is never believed, but it can accuse: it names a version as durable only after a
 * barrier. If recovery would go behind that version, the file was damaged or the device lied, and
 * the older version would be a silent loss. The accused version is taken as it is if its slot is
 * whole: whoever touches a damaged page of it is told which one. Else the file is refused.
 */
static enum mn_status accusation(struct mn_store *store, const uint8_t *notice_bytes,
                                 enum mn_status found, struct mn_meta *chosen)
{
    struct device_ring *ring = NULL;
    struct mn_notice notice;
    uint64_t file_pages = 0;
    enum mn_status status = MN_OK;
    bool good = mn_notice_parse(store, notice_bytes, &notice) || MN_PLANT(NOTICE_UNCHECKED);
    bool accused =
        good && !MN_PLANT(ACCUSATION_IGNORED) && (found || notice.durable > chosen->version);

    if (MN_PLANT(ACCUSES_PUBLISHED) && good && notice.published > chosen->version) accused = true;
    if (accused) status = device_ring_read(store, &ring);
    if (accused && !status) status = mn_file_pages(store, &file_pages);
    /* The notice on the device may lag: a newer slot that does not fit into the file was durable
     * too. */
    for (uint32_t i = 0; i < MN_META_SLOTS && accused && !status; i++) {
        if (!found || ring->metas[i].version <= notice.durable) continue;
        if (MN_PLANT(ACCUSED_OLDER)) break;
        status = mn_meta_validate(&ring->metas[i], store->layout.plain, file_pages);
    }
    if (accused && !status) {
        status =
            mn_fail(MN_CORRUPT, "the slot of version %" PRIu64 ", which was durable, is damaged",
                    notice.durable);
        for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
            if (ring->metas[i].version != notice.durable) continue;
            status = mn_meta_validate(&ring->metas[i], store->layout.plain, file_pages);
            if (!status) *chosen = ring->metas[i];
            break;
        }
    } else if (!status) {
        status = found; /* with the message that was made where it was found */
    }
    mn_dealloc(ring);
    return status;
}

enum mn_status mn_choose(struct mn_store *store, struct mn_meta *chosen)
{
    struct device_ring *ring;
    enum mn_status status = device_ring_read(store, &ring);

    if (!status) {
        status = newest_whole(store, ring, chosen);
        if (status == MN_OK || status == MN_CORRUPT) {
            status = accusation(store, ring->notice, status, chosen);
        }
    }
    mn_dealloc(ring);
    return status;
}

enum mn_status mn_settle(struct mn_store *store, struct mn_meta *chosen)
{
    struct mn_notice notice = {0};
    enum mn_status status = MN_PLANT(SETTLE_NO_SYNC) ? MN_OK : store->file->ops->sync(store->file);

    if (!status) status = store->file->ops->size(store->file, &store->durable_bytes);
    if (!status) status = mn_choose(store, chosen);
    if (MN_PLANT(SETTLE_NO_NOTICE)) return status;
    if (status) return status;
    store->durable_since = chosen->version;
    notice.published = notice.durable = chosen->version;
    return mn_notice_write(store, &notice);
}
