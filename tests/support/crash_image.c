/*
 * crash_image: the pages that a version reaches, found in the bytes of a file by FORMAT.md alone.
 *
 * Shares no code with the engine, so that what counts as a distinct state and what nobody may write
 * over does not depend on the engine's opinion.
 */
#include <string.h>

#include "base/hash.h"
#include "support/crash.h"

enum {
    LEAF = 1,
    DEPTH_MAX = 24,
    CHAIN_MAX = 4096,
    RUN_BYTES = 26,
    ROOT_BYTES = 20,
    RAW_LEAF_REFS = 16,
    RAW_RUN_REFS = 4
};

struct marks {
    const struct image *image;
    uint8_t *bits;
    uint64_t pages;
    bool good;
};

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t value = 0;

    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | at[i];
    return value;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B185EBCA87);
    return hash ^ (hash >> 32);
}

static const uint8_t *page_at(struct marks *m, uint64_t page)
{
    if (page < m->pages && (page + 1) * m->image->page_size <= m->image->size) {
        return m->image->bytes + page * m->image->page_size;
    }
    m->good = false;
    return NULL;
}

static void mark(struct marks *m, uint64_t page, uint64_t count)
{
    for (uint64_t i = 0; i < count && page_at(m, page + i); i++) {
        m->bits[(page + i) / 8] |= (uint8_t)(1u << (page + i) % 8);
    }
}

static void run_mark(struct marks *m, uint64_t page, uint64_t bytes)
{
    mark(m, page, (bytes + m->image->page_size - 1) / m->image->page_size);
}

static void raw_root(struct marks *m, const uint8_t *page)
{
    for (int i = 0; i < RAW_LEAF_REFS; i++) {
        uint64_t leaf = number(page + 32 + 12 * i, 6);

        if (leaf) mark(m, leaf, 1);
    }
    for (int i = 0; i < RAW_RUN_REFS; i++) {
        const uint8_t *run = page + 32 + 12 * RAW_LEAF_REFS + 32 * i;

        if (number(run, 8)) run_mark(m, number(run, 8), number(run + 24, 8));
    }
}

static void node(struct marks *m, uint64_t number_of_page, bool master, int depth);

/* The cell's runs; a leaf of the master tree leads to other roots. */
static void cell(struct marks *m, const uint8_t *page, int i, bool leaf, bool master, int depth)
{
    uint32_t size = m->image->page_size, n = (uint32_t)number(page + 24, 2);
    const uint8_t *slot = page + 32 + 4 * n + 4 * (uint32_t)i, *at, *end = page + size;
    uint32_t distance = (uint32_t)number(slot, 2), bits = (uint32_t)number(slot + 2, 2);
    uint64_t inline_bytes;

    if (distance > size - 32) {
        m->good = false;
        return;
    }
    at = end - distance + (bits & 0x3FFF);
    if ((bits & 0x4000) && at + 30 <= end) {
        run_mark(m, number(at + 4, 6), number(at + 16, 6));
        at += 30;
    }
    if (!leaf || at + 2 > end) return;
    inline_bytes = number(at, 2);
    at += 2;
    if (master && inline_bytes == ROOT_BYTES && number(at, 6))
        node(m, number(at, 6), false, depth + 1);
    at += inline_bytes;
    if ((bits & 0x8000) && at + RUN_BYTES <= end) run_mark(m, number(at, 6), number(at + 12, 6));
}

/* A cell ends where the one before it begins, and has nothing but value and run. */
static void dense_leaf(struct marks *m, const uint8_t *page, bool master, int depth)
{
    uint32_t n = (uint32_t)number(page + 24, 2), prefix = (uint32_t)number(page + 26, 2);
    uint32_t slots = 32 + (8 - prefix) * n;
    const uint8_t *end = page + m->image->page_size, *below = end - prefix;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)number(page + slots + 2 * i, 2);
        const uint8_t *at = end - (slot & 0x7FFF), *run = below - RUN_BYTES;
        bool has_run = slot & 0x8000;

        if (at < page + slots + 2 * n || at > below || (has_run && run < at)) {
            m->good = false;
            return;
        }
        if (master && !has_run && below - at == ROOT_BYTES && number(at, 6))
            node(m, number(at, 6), false, depth + 1);
        if (has_run) run_mark(m, number(run, 6), number(run + 12, 6));
        below = at;
    }
}

/* Heads of 4 bytes, and children. */
static void short_branch(struct marks *m, const uint8_t *page, bool master, int depth)
{
    uint32_t n = (uint32_t)number(page + 24, 2);

    if (32 + (uint64_t)n * 22 + number(page + 26, 2) > m->image->page_size) {
        m->good = false;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        node(m, number(page + 32 + 4 * n + 18 * i, 6), master, depth + 1);
    }
}

/* Recursion is bounded by the depth. */
static void node(struct marks *m, uint64_t number_of_page, bool master, int depth)
{
    const uint8_t *page = page_at(m, number_of_page);
    uint32_t n;
    bool leaf;

    if (!page || depth > 2 * DEPTH_MAX) {
        m->good = false;
        return;
    }
    /* Old pages may lead in circles. */
    if (m->bits[number_of_page / 8] >> number_of_page % 8 & 1) return;
    mark(m, number_of_page, 1);
    if (m->image->raw) {
        raw_root(m, page);
        return;
    }
    n = (uint32_t)number(page + 24, 2);
    leaf = page[22] == LEAF;
    if (leaf && page[23] & 1 && number(page + 26, 2) <= 8 && 32 + 10 * n <= m->image->page_size) {
        dense_leaf(m, page, master, depth);
        return;
    }
    if (!leaf && page[23] & 2) {
        short_branch(m, page, master, depth);
        return;
    }
    if (32 + (uint64_t)n * (leaf ? 8 : 26) > m->image->page_size) {
        m->good = false;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        cell(m, page, (int)i, leaf, master, depth);
        if (!leaf) node(m, number(page + 32 + 8 * n + 18 * i, 6), master, depth + 1);
    }
}

static void chain(struct marks *m, uint64_t head)
{
    for (int i = 0; head && i < CHAIN_MAX; i++) {
        const uint8_t *page = page_at(m, head);

        if (!page) return;
        mark(m, head, 1);
        head = number(page + 32, 6);
    }
}

uint64_t image_slot_version(const uint8_t *slot)
{
    return number(slot + 16, 8);
}

bool image_slot_is_whole(const struct image *image, const uint8_t *slot)
{
    uint64_t secret = number(image->bytes + 64, 8);

    return mn_hash(slot + 8, SLOT_BYTES - 8, secret) == number(slot, 8);
}

bool image_reach(const struct image *image, const uint8_t *stored, uint8_t *bits, uint64_t pages)
{
    struct marks m = {.image = image, .bits = bits, .pages = pages, .good = true};
    uint64_t secret = number(image->bytes + 64, 8);
    uint64_t word = mix(secret, image_slot_version(stored));
    uint8_t slot[SLOT_BYTES];

    memcpy(slot, stored, sizeof slot);
    for (int at = 512; at < SLOT_BYTES; at++) slot[at] ^= (uint8_t)(word >> at % 8 * 8);
    memset(bits, 0, (pages + 7) / 8);
    chain(&m, number(slot + 72, 6));
    chain(&m, number(slot + 96, 6));
    for (uint64_t i = 0, count = number(slot + 128, 2); i < count && i < 24; i++) {
        const uint8_t *root = slot + 256 + 32 * i;

        if (number(root + 8, 6)) node(&m, number(root + 8, 6), number(root, 8) == 1, 0);
    }
    return m.good;
}
