/*
 * sim_inode: one file's content on a simulated machine, before and after a power loss.
 *
 *   cache   ---- what reads and the map show
 *   pending ---- pieces and sizes written since the last sync, oldest first
 *   disk    ---- what is left when power goes; some of what is pending may have arrived by then
 */
#include "os/sim_inode.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

enum { BLOCK = 4096, SECTOR = 512 };
#define MEMORY_MAP_MIN (UINT64_C(1) << 24)

uint64_t mn_sim_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9E3779B97F4A7C15);
    return mn_hash(seed, sizeof *seed, 7);
}

/* ---- marks ---- */

void mn_inode_touch(struct mn_inode *inode, uint64_t offset, uint64_t size_bytes)
{
    struct mn_mark *mark = inode->mark;

    if (!mark || size_bytes == 0) return;
    for (uint64_t i = offset / BLOCK; i <= (offset + size_bytes - 1) / BLOCK && i < mark->blocks;
         i++) {
        if (mark->flags[i]) continue;
        mark->flags[i] = 1;
        mark->changed[mark->count++] = (uint32_t)i;
    }
}

static void mark_free(struct mn_mark *mark)
{
    if (!mark) return;
    mn_dealloc(mark->bytes);
    mn_dealloc(mark->flags);
    mn_dealloc(mark->changed);
    mn_dealloc(mark);
}

static struct mn_mark *mark_new(const struct mn_inode *inode)
{
    struct mn_mark *mark = mn_zalloc(sizeof *mark);

    if (!mark) return NULL;
    mark->blocks = (inode->capacity + BLOCK - 1) / BLOCK;
    mark->bytes = mn_zalloc(mark->blocks * BLOCK);
    mark->flags = mn_zalloc(mark->blocks);
    mark->changed = mn_alloc(mark->blocks * sizeof *mark->changed);
    if (mark->bytes && mark->flags && mark->changed) return mark;
    mark_free(mark);
    return NULL;
}

/* How much of a block lies in a file of that size. */
static uint64_t block_bytes(uint64_t block, uint64_t size)
{
    uint64_t left = block * BLOCK < size ? size - block * BLOCK : 0;

    return left < BLOCK ? left : BLOCK;
}

enum mn_status mn_inode_mark(struct mn_inode *inode)
{
    if (inode->pending_count || inode->memory) return mn_fail(MN_MISUSE, "writes are pending");
    if (!inode->mark) {
        inode->mark = mark_new(inode);
        if (!inode->mark) return mn_fail_nomem();
        memcpy(inode->mark->bytes, inode->cache, inode->size);
    }
    for (size_t i = 0; i < inode->mark->count; i++) {
        uint64_t block = inode->mark->changed[i], have = block_bytes(block, inode->size);
        uint8_t *to = inode->mark->bytes + block * BLOCK;

        memset(to + have, 0, BLOCK - have);
        if (have) memcpy(to, inode->cache + block * BLOCK, have);
        inode->mark->flags[block] = 0;
    }
    inode->mark->count = 0;
    inode->mark->size = inode->size;
    return MN_OK;
}

void mn_inode_rewind(struct mn_inode *inode)
{
    struct mn_mark *mark = inode->mark;

    if (!mark) return;
    mn_inode_forget(inode);
    for (size_t i = 0; i < mark->count; i++) {
        uint64_t block = mark->changed[i], have = block_bytes(block, inode->capacity);

        memcpy(inode->cache + block * BLOCK, mark->bytes + block * BLOCK, have);
        have = block_bytes(block, mark->size);
        if (have) memcpy(inode->disk + block * BLOCK, mark->bytes + block * BLOCK, have);
        mark->flags[block] = 0;
    }
    mark->count = 0;
    inode->size = inode->disk_size = mark->size;
}

/* ---- content ---- */

/* Whole words at a time, so that a reader of the map sees each either old or new. */
void mn_inode_show(uint8_t *to, const uint8_t *from, size_t size_bytes)
{
    size_t at = 0;

    for (; at < size_bytes && (uintptr_t)(to + at) % 8 != 0; at++) {
        __atomic_store_n(to + at, from[at], __ATOMIC_RELEASE);
    }
    for (; at + 8 <= size_bytes; at += 8) {
        uint64_t word;

        memcpy(&word, from + at, 8);
        __atomic_store_n((uint64_t *)(void *)(to + at), word, __ATOMIC_RELEASE);
    }
    for (; at < size_bytes; at++) __atomic_store_n(to + at, from[at], __ATOMIC_RELEASE);
}

enum mn_status mn_inode_resize(struct mn_inode *inode, uint64_t size_bytes)
{
    if (size_bytes > inode->capacity) {
        return mn_fail(MN_FULL, "the simulated disk holds %" PRIu64 " bytes", inode->capacity);
    }
    if (size_bytes < inode->size) {
        mn_inode_touch(inode, size_bytes, inode->size - size_bytes);
        memset(inode->cache + size_bytes, 0, inode->size - size_bytes);
    }
    inode->size = size_bytes;
    return MN_OK;
}

enum mn_status mn_inode_disk_resize(struct mn_inode *inode, uint64_t size_bytes)
{
    if (size_bytes > inode->disk_size) {
        if (!mn_grow(&inode->disk, &inode->disk_capacity, size_bytes, 1)) return mn_fail_nomem();
        mn_inode_touch(inode, inode->disk_size, size_bytes - inode->disk_size);
        memset(inode->disk + inode->disk_size, 0, size_bytes - inode->disk_size);
    } else if (size_bytes < inode->disk_size) {
        mn_inode_touch(inode, size_bytes, inode->disk_size - size_bytes);
    }
    inode->disk_size = size_bytes;
    return MN_OK;
}

/* Remembers a write piece by piece: blocks reach a device each on its own. */
enum mn_status mn_inode_remember(struct mn_inode *inode, uint64_t offset, const uint8_t *bytes,
                                 uint64_t size_bytes)
{
    do {
        uint64_t piece = bytes ? BLOCK - offset % BLOCK : size_bytes;
        struct mn_pending *last;

        if (piece > size_bytes) piece = size_bytes;
        if (!mn_grow(&inode->pending, &inode->pending_capacity, inode->pending_count + 1,
                     sizeof *inode->pending)) {
            return mn_fail_nomem();
        }
        last = &inode->pending[inode->pending_count];
        *last = (struct mn_pending){.offset = offset, .size_bytes = piece};
        if (bytes) {
            last->bytes = mn_alloc(piece);
            if (!last->bytes) return mn_fail_nomem();
            memcpy(last->bytes, bytes, piece);
            bytes += piece;
        }
        inode->pending_count++;
        offset += piece;
        size_bytes -= piece;
    } while (bytes && size_bytes > 0);
    return MN_OK;
}

void mn_inode_forget(struct mn_inode *inode)
{
    for (size_t i = 0; i < inode->pending_count; i++) mn_dealloc(inode->pending[i].bytes);
    inode->pending_count = 0;
}

/* What of a torn piece arrives: bytes of `fresh` laid over `old`, both of the piece's size. */
static void tear(uint8_t *old, const struct mn_pending *piece, const struct mn_sim_loss *loss)
{
    uint64_t seed = loss->seed, sectors = (piece->size_bytes + SECTOR - 1) / SECTOR;
    uint64_t bits = mn_sim_random(&seed),
             cut = mn_sim_random(&seed) % (piece->size_bytes / 8 + 1) * 8;

    for (uint64_t i = 0; i < sectors; i++) {
        uint64_t from = i * SECTOR, length = piece->size_bytes - from;

        if (length > SECTOR) length = SECTOR;
        switch (loss->tear) {
        case MN_SIM_TEAR_NONE: break;
        case MN_SIM_TEAR_512:
            if (!(bits >> i % 64 & 1)) continue;
            break;
        case MN_SIM_TEAR_8:
            if (from >= cut) continue;
            if (length > cut - from) length = cut - from;
            break;
        case MN_SIM_TEAR_GARBAGE:
            if (i == bits % sectors) {
                for (uint64_t b = 0; b < length; b++) old[from + b] = (uint8_t)mn_sim_random(&seed);
                continue;
            }
            break;
        }
        memcpy(old + from, piece->bytes + from, length);
    }
}

static enum mn_status arrive(struct mn_inode *inode, size_t number, const struct mn_sim_loss *loss)
{
    const struct mn_pending *piece = &inode->pending[number];
    uint64_t length = piece->size_bytes;

    if (!piece->bytes) return mn_inode_disk_resize(inode, length);
    /* A write past the size that the device knows is lost with the size. */
    if (piece->offset >= inode->disk_size) return MN_OK;
    mn_inode_touch(inode, piece->offset, length);
    if (loss && loss->tear != MN_SIM_TEAR_NONE && loss->torn == number &&
        length <= inode->disk_size - piece->offset) {
        tear(inode->disk + piece->offset, piece, loss);
        return MN_OK;
    }
    if (length > inode->disk_size - piece->offset) length = inode->disk_size - piece->offset;
    memcpy(inode->disk + piece->offset, piece->bytes, length);
    return MN_OK;
}

static bool piece_arrives(size_t number, const struct mn_sim_loss *loss, uint64_t *seed)
{
    uint64_t chance = mn_sim_random(seed);

    if (loss->tear != MN_SIM_TEAR_NONE && loss->torn == number) return true;
    if (loss->each) return loss->each[number] != 0;
    if (number >= 64 && loss->rest_lost) return false;
    if (loss->random || number >= 64) return (chance >> 7 & 1) != 0;
    return (loss->keep >> number & 1) != 0;
}

enum mn_status mn_inode_lose(struct mn_inode *inode, const struct mn_sim_loss *loss)
{
    uint64_t seed = loss->seed ^ 0x1055;

    for (size_t i = 0; i < inode->pending_count; i++) {
        /* Sizes are the file system's own affair: a failed sync of data does not lose them. */
        if (piece_arrives(i, loss, &seed) || (loss->sizes && !inode->pending[i].bytes)) {
            enum mn_status status = arrive(inode, i, loss);

            if (status) return status;
        }
    }
    return MN_OK;
}

enum mn_status mn_inode_sync(struct mn_inode *inode)
{
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < inode->pending_count && !status; i++) status = arrive(inode, i, NULL);
    return status;
}

/* What the device would answer once all dirty pages are written back: without the failed sync's
 * lies. */
void mn_inode_device(const struct mn_inode *inode, uint8_t *bytes, struct mn_range at)
{
    uint64_t have = at.start < inode->disk_size ? inode->disk_size - at.start : 0;

    memset(bytes, 0, at.length);
    if (have) memcpy(bytes, inode->disk + at.start, have < at.length ? have : at.length);
    for (size_t i = 0; i < inode->pending_count; i++) {
        const struct mn_pending *piece = &inode->pending[i];
        uint64_t from, to;

        if (!piece->bytes) continue;
        from = piece->offset > at.start ? piece->offset : at.start;
        to = piece->offset + piece->size_bytes;
        if (to > at.start + at.length) to = at.start + at.length;
        if (from < to) {
            memcpy(bytes + (from - at.start), piece->bytes + (from - piece->offset), to - from);
        }
    }
}

void mn_inode_free(struct mn_inode *inode)
{
    mn_inode_forget(inode);
    mn_dealloc(inode->pending);
    mn_dealloc(inode->locks);
    mn_dealloc(inode->disk);
    mark_free(inode->mark);
    mn_unreserve(inode->cache, inode->capacity);
    mn_dealloc(inode->path);
    mn_dealloc(inode);
}

struct mn_inode *mn_inode_new(const char *path, uint64_t capacity, bool memory)
{
    struct mn_inode *inode = mn_zalloc(sizeof *inode);

    if (!inode) return NULL;
    inode->memory = memory;
    inode->path = mn_alloc(strlen(path) + 1);
    if (inode->path) memcpy(inode->path, path, strlen(path) + 1);
    inode->capacity = capacity;
    do {
        inode->cache = mn_reserve(inode->capacity);
        if (inode->cache) break;
        inode->capacity /= 4;
    } while (inode->capacity >= MEMORY_MAP_MIN);
    if (!inode->path || !inode->cache) {
        mn_inode_free(inode);
        return NULL;
    }
    return inode;
}

/* The disk of `from` and what arrives of its pending pieces become the whole of `to`. */
enum mn_status mn_inode_survive(struct mn_inode *to, const struct mn_inode *from,
                                const struct mn_sim_loss *loss)
{
    enum mn_status status = mn_inode_disk_resize(to, from->disk_size);

    if (!status && from->disk_size) memcpy(to->disk, from->disk, from->disk_size);
    if (!status) {
        to->pending = from->pending;
        to->pending_count = from->pending_count;
        status = mn_inode_lose(to, loss);
        to->pending = NULL;
        to->pending_count = 0;
    }
    if (!status) status = mn_inode_resize(to, to->disk_size);
    if (!status && to->size) memcpy(to->cache, to->disk, to->size);
    return status;
}
