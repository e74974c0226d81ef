/*
 * meta: the ring of four slots (layout and invariants in meta.h).
 */
#include "store/meta.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/plant.h"

#define META_MAGIC UINT64_C(0x3174656D656E6D8A) /* 8A "mnemet1" */

enum {
    AT_MAGIC = 8,
    AT_VERSION = 16,
    AT_PARENT = 24,
    AT_DURABLE = 32,
    AT_TIME = 40,
    AT_PAGE_COUNT = 48,
    AT_DIGEST = 56,
    AT_CHAIN = 64,
    AT_LOG = 72,
    AT_LOG_PAGES = 84,
    AT_LOG_BYTES = 88,
    AT_CHECKPOINT = 96,
    AT_FLAGS = 108,
    AT_CHECKPOINT_VERSION = 112,
    AT_CHECKPOINT_BYTES = 120,
    AT_ROOT_COUNT = 128,
    AT_TAIL_BYTES = 130,
    AT_PAGE_SIZE = 132,
    AT_SECRET = 136,
    AT_UUID = 144,
    AT_CREATED = 160,
    AT_COUNTERS = 192,
    AT_ROOTS = 256,
    AT_TAIL = 1024,
    SECTOR = 512,
    ROOT_BYTES = 32
};
static_assert(AT_COUNTERS + 8 * MN_COUNTERS == AT_ROOTS, "counters end where roots begin");
static_assert(AT_ROOTS + ROOT_BYTES * MN_ROOTS_INLINE == AT_TAIL,
              "roots end where the tail begins");
static_assert(AT_TAIL + MN_META_TAIL == MN_META_BYTES, "the tail ends the slot");

enum { WING_UNITS = 8, UNITS_BEFORE = 3, RING_UNITS = 3 };

static uint64_t unit_of(uint32_t page_size)
{
    return page_size > MN_META_BYTES ? page_size : MN_META_BYTES;
}

struct mn_layout mn_meta_layout(uint32_t page_size)
{
    uint64_t unit = unit_of(page_size), wing = page_size > MN_META_BYTES ? 0 : WING_UNITS;
    struct mn_layout layout = {.first = UNITS_BEFORE * unit / page_size};

    layout.ring = layout.first + wing * unit / page_size;
    layout.ring_end = layout.ring + RING_UNITS * unit / page_size;
    layout.plain = layout.ring_end + wing * unit / page_size;
    return layout;
}

uint64_t mn_meta_slot_at(uint32_t page_size, uint32_t slot)
{
    uint64_t unit = unit_of(page_size);

    if (slot >= 2) return (slot - 1) * unit;
    return mn_meta_layout(page_size).ring * page_size + (slot == 0 ? 0 : 2 * unit);
}

uint64_t mn_meta_notice_at(uint32_t page_size)
{
    return mn_meta_layout(page_size).ring * page_size + unit_of(page_size);
}

static uint64_t checksum(const uint8_t *bytes, uint64_t secret)
{
    if (MN_PLANT(SLOT_HALF_CHECKED)) return mn_hash(bytes + AT_MAGIC, AT_TAIL - AT_MAGIC, secret);
    return mn_hash(bytes + AT_MAGIC, MN_META_BYTES - AT_MAGIC, secret);
}

/*
 * Bytes behind the first sector are stored under a mask of the version, so that no sector of one
 * slot is ever equal to a sector of another: a tear over a tear must not put a rejected slot
 * together.
 */
static void mask(uint8_t *bytes, uint64_t version, uint64_t secret)
{
    uint64_t word = mn_hash_mix(secret, version);

    for (size_t at = SECTOR; at < MN_META_BYTES; at += 8) {
        mn_put_u64(bytes + at, mn_get_u64(bytes + at) ^ word);
    }
}

static void root_encode(const struct mn_root *root, uint8_t *at)
{
    mn_put_u64(at, root->tree);
    mn_put_ref(at + 8, root->ref);
    mn_put_u64(at + 20, root->entries);
    mn_put_u32(at + 28, root->height);
}

static void root_decode(const uint8_t *at, struct mn_root *root)
{
    root->tree = mn_get_u64(at);
    root->ref = mn_get_ref(at + 8);
    root->entries = mn_get_u64(at + 20);
    root->height = mn_get_u32(at + 28);
}

void mn_meta_copy_superblock(struct mn_meta *meta, const struct mn_superblock *superblock)
{
    meta->page_size = superblock->page_size;
    memcpy(meta->uuid, superblock->uuid, sizeof meta->uuid);
    meta->created_us = superblock->created_us;
}

void mn_meta_encode(const struct mn_meta *meta, uint64_t secret, uint8_t *bytes)
{
    memset(bytes, 0, MN_META_BYTES);
    mn_put_u64(bytes + AT_MAGIC, META_MAGIC);
    mn_put_u64(bytes + AT_VERSION, meta->version);
    mn_put_u64(bytes + AT_PARENT, meta->parent);
    mn_put_u64(bytes + AT_DURABLE, meta->durable);
    mn_put_u64(bytes + AT_TIME, (uint64_t)meta->time_us);
    mn_put_u64(bytes + AT_PAGE_COUNT, meta->page_count);
    mn_put_u64(bytes + AT_DIGEST, meta->digest);
    mn_put_u64(bytes + AT_CHAIN, meta->chain);
    mn_put_ref(bytes + AT_LOG, meta->log);
    mn_put_u32(bytes + AT_LOG_PAGES, meta->log_pages);
    mn_put_u64(bytes + AT_LOG_BYTES, meta->log_bytes);
    mn_put_ref(bytes + AT_CHECKPOINT, meta->checkpoint);
    mn_put_u32(bytes + AT_FLAGS, meta->flags);
    mn_put_u64(bytes + AT_CHECKPOINT_VERSION, meta->checkpoint_version);
    mn_put_u64(bytes + AT_CHECKPOINT_BYTES, meta->checkpoint_bytes);
    mn_put_u16(bytes + AT_ROOT_COUNT, (uint16_t)meta->roots.count);
    mn_put_u16(bytes + AT_TAIL_BYTES, meta->tail_bytes);
    mn_put_u32(bytes + AT_PAGE_SIZE, meta->page_size);
    mn_put_u64(bytes + AT_SECRET, secret);
    memcpy(bytes + AT_UUID, meta->uuid, sizeof meta->uuid);
    mn_put_u64(bytes + AT_CREATED, (uint64_t)meta->created_us);
    for (size_t i = 0; i < MN_COUNTERS; i++) {
        mn_put_u64(bytes + AT_COUNTERS + 8 * i, meta->roots.counters[i]);
    }
    for (size_t i = 0; i < meta->roots.count; i++) {
        root_encode(&meta->roots.list[i], bytes + AT_ROOTS + ROOT_BYTES * i);
    }
    memcpy(bytes + AT_TAIL, meta->tail, meta->tail_bytes);
    mask(bytes, meta->version, secret);
    mn_put_u64(bytes, checksum(bytes, secret));
}

bool mn_meta_decode(const uint8_t *stored, uint64_t secret, struct mn_meta *meta)
{
    uint8_t bytes[MN_META_BYTES];

    if (mn_get_u64(stored + AT_MAGIC) != META_MAGIC) return false;
    if (mn_get_u64(stored) != checksum(stored, secret) && !MN_PLANT(SLOT_UNCHECKED)) return false;
    memcpy(bytes, stored, sizeof bytes);
    mask(bytes, mn_get_u64(bytes + AT_VERSION), secret);
    meta->version = mn_get_u64(bytes + AT_VERSION);
    meta->parent = mn_get_u64(bytes + AT_PARENT);
    meta->durable = mn_get_u64(bytes + AT_DURABLE);
    meta->time_us = (int64_t)mn_get_u64(bytes + AT_TIME);
    meta->page_count = mn_get_u64(bytes + AT_PAGE_COUNT);
    meta->digest = mn_get_u64(bytes + AT_DIGEST);
    meta->chain = mn_get_u64(bytes + AT_CHAIN);
    meta->log = mn_get_ref(bytes + AT_LOG);
    meta->log_pages = mn_get_u32(bytes + AT_LOG_PAGES);
    meta->log_bytes = mn_get_u64(bytes + AT_LOG_BYTES);
    meta->checkpoint = mn_get_ref(bytes + AT_CHECKPOINT);
    meta->flags = mn_get_u32(bytes + AT_FLAGS);
    meta->checkpoint_version = mn_get_u64(bytes + AT_CHECKPOINT_VERSION);
    meta->checkpoint_bytes = mn_get_u64(bytes + AT_CHECKPOINT_BYTES);
    meta->roots.count = mn_get_u16(bytes + AT_ROOT_COUNT);
    meta->tail_bytes = mn_get_u16(bytes + AT_TAIL_BYTES);
    meta->page_size = mn_get_u32(bytes + AT_PAGE_SIZE);
    memcpy(meta->uuid, bytes + AT_UUID, sizeof meta->uuid);
    meta->created_us = (int64_t)mn_get_u64(bytes + AT_CREATED);
    if (meta->roots.count > MN_ROOTS_INLINE || meta->tail_bytes > MN_META_TAIL) return false;
    for (size_t i = 0; i < MN_COUNTERS; i++) {
        meta->roots.counters[i] = mn_get_u64(bytes + AT_COUNTERS + 8 * i);
    }
    for (size_t i = 0; i < meta->roots.count; i++) {
        root_decode(bytes + AT_ROOTS + ROOT_BYTES * i, &meta->roots.list[i]);
    }
    memcpy(meta->tail, bytes + AT_TAIL, meta->tail_bytes);
    return meta->version != 0 && meta->version < MN_PAGE_DIRTY;
}

bool mn_meta_secret(const uint8_t *stored, uint64_t *secret)
{
    *secret = mn_get_u64(stored + AT_SECRET);
    return mn_get_u64(stored + AT_MAGIC) == META_MAGIC &&
           mn_get_u64(stored) == checksum(stored, *secret);
}

uint64_t mn_meta_claim(const uint8_t *bytes)
{
    return mn_get_u64(bytes + AT_MAGIC) == META_MAGIC ? mn_get_u64(bytes + AT_VERSION) : 0;
}

enum mn_status mn_meta_validate(const struct mn_meta *meta, uint64_t least_pages,
                                uint64_t file_pages)
{
    if (meta->flags & ~(uint32_t)MN_META_KNOWN_FLAGS) {
        return mn_fail(MN_VERSION, "version %" PRIu64 " uses slot flags unknown to this build",
                       meta->version);
    }
    if (meta->page_count < least_pages || meta->page_count >= MN_PAGE_DIRTY ||
        meta->parent >= meta->version || meta->durable >= meta->version) {
        return mn_fail(MN_CORRUPT, "the meta slot of version %" PRIu64 " contradicts itself",
                       meta->version);
    }
    for (size_t i = 0; i < meta->roots.count; i++) {
        if (!mn_ref_is_dirty(meta->roots.list[i].ref)) continue;
        return mn_fail(MN_CORRUPT,
                       "the meta slot of version %" PRIu64
                       " has a root without a place, of tree %" PRIu64,
                       meta->version, meta->roots.list[i].tree);
    }
    if (meta->page_count > file_pages) {
        return mn_fail(MN_CORRUPT,
                       "the file is cut: version %" PRIu64 " has %" PRIu64
                       " pages, the file holds %" PRIu64,
                       meta->version, meta->page_count, file_pages);
    }
    return MN_OK;
}

uint64_t mn_ring_newest(const struct mn_ring *ring)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < MN_META_SLOTS; i++) {
        if (ring->version[i] > newest) newest = ring->version[i];
    }
    return newest;
}

uint32_t mn_ring_choose(const struct mn_ring *ring, uint64_t durable, uint64_t published)
{
    uint32_t best = MN_META_SLOTS;

    for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
        uint64_t version = ring->version[i];

        if (MN_PLANT(SLOT_OF_PUBLISHED) && version == published) return i;
        if (version == 0 || version > published) return i;
        if (version == durable || version == published) continue;
        if (best == MN_META_SLOTS) best = i;
    }
    MN_ASSERT(best < MN_META_SLOTS);
    return best;
}
