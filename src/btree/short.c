/*
 * short: branches whose keys have at most 3 bytes behind the prefix.
 *
 * A child costs 22 bytes here and 26 and its key's in any other branch: with pages of 4 KiB 184 of
 * them lie in one, where there were about 140. The key lies in the head as a whole, so a search
 * reads nothing else before it reads the child.
 */
#include "btree/short.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/plant.h"

enum { FLAGS_AT = 23, COUNT_AT = 24, PREFIX_AT = 26, HEAP_AT = 28, GARBAGE_AT = 30 };
enum { HEAD_BYTES = 4, LENGTH_AT = 3 };

static uint8_t *heads_of(uint8_t *page)
{
    return page + MN_PAGE_HEADER;
}

static uint8_t *child_at(uint8_t *page, uint32_t index)
{
    return (uint8_t *)(uintptr_t)mn_node_child_at(page, index);
}

static bool suffix_fits(const struct mn_cell *cell, size_t prefix)
{
    size_t most = MN_PLANT(SHORT_TOO_LONG) ? UINT8_MAX : MN_SHORT_KEY_BYTES;

    return !cell->tail && mn_cell_stored_len(cell) - prefix <= most;
}

bool mn_short_takes(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix)
{
    if (!node->view || !mn_store_has_short_branches(mn_view_store(node->view))) return false;
    for (uint32_t i = 1; i < count; i++) {
        if (!suffix_fits(&cells[i], prefix)) return false;
    }
    return true;
}

/* `cell` is NULL for the first entry, which has no key. */
static void head_write(uint8_t *at, const struct mn_cell *cell, size_t prefix)
{
    size_t length = cell ? mn_cell_stored_len(cell) - prefix : 0;

    if (MN_PLANT(SHORT_TOO_LONG) && length > MN_SHORT_KEY_BYTES) length = MN_SHORT_KEY_BYTES;
    memset(at, 0, HEAD_BYTES);
    for (size_t i = 0; i < length; i++) at[i] = mn_cell_stored_byte(cell, prefix + i);
    at[LENGTH_AT] = (uint8_t)length;
    if (MN_PLANT(SHORT_LENGTH) && cell) at[LENGTH_AT] = MN_SHORT_KEY_BYTES;
}

/* Zeros between the children and the prefix: what was there is nobody's. */
static void free_clear(const struct mn_node *node)
{
    uint8_t *from = child_at(node->page, mn_node_count(node->page));

    memset(from, 0, (size_t)(node->page + node->size - mn_node_prefix_len(node->page) - from));
}

void mn_short_build(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix)
{
    uint8_t *page = node->page;

    page[FLAGS_AT] = MN_BRANCH_SHORT;
    mn_put_u16(page + COUNT_AT, (uint16_t)count);
    mn_put_u16(page + PREFIX_AT, (uint16_t)prefix);
    mn_put_u16(page + HEAP_AT, (uint16_t)prefix);
    mn_put_u16(page + GARBAGE_AT, 0);
    for (size_t i = 0; i < prefix; i++) {
        page[node->size - prefix + i] = mn_cell_stored_byte(&cells[1], i);
    }
    for (uint32_t i = 0; i < count; i++) {
        head_write(heads_of(page) + HEAD_BYTES * (size_t)i, i > 0 ? &cells[i] : NULL, prefix);
        memcpy(child_at(page, i), cells[i].child, MN_CHILD_BYTES);
    }
    free_clear(node);
}

struct mn_cell mn_short_cell(const struct mn_node *node, uint32_t index)
{
    size_t prefix = mn_node_prefix_len(node->page);
    const uint8_t *head = heads_of(node->page) + HEAD_BYTES * (size_t)index;
    struct mn_cell cell = {.suffix = mn_bytes_of(head, head[LENGTH_AT])};

    cell.prefix = mn_bytes_of(node->page + node->size - prefix, index > 0 ? prefix : 0);
    memcpy(cell.child, child_at(node->page, index), MN_CHILD_BYTES);
    return cell;
}

/* The key's head. A longer key than any of a short branch counts as one of 4 bytes: behind that of
 * its first three. */
static inline uint32_t want_of(struct mn_bytes rest)
{
    uint32_t want;

    if (rest.len > MN_SHORT_KEY_BYTES) {
        return (mn_get_u32_be(rest.data) & ~UINT32_C(0xFF)) | HEAD_BYTES;
    }
    want = (uint32_t)rest.len;
    for (size_t i = 0; i < rest.len; i++) want |= (uint32_t)rest.data[i] << (24 - 8 * i);
    return want;
}

uint32_t mn_short_search(const uint8_t *page, struct mn_bytes rest)
{
    uint32_t want = want_of(rest) - (MN_PLANT(SHORT_ORDER) ? 1 : 0), count = mn_node_count(page);
    const uint8_t *heads = page + MN_PAGE_HEADER, *base = heads;

    /* The first entry's head is 0 and at or below every other, so one is always found. */
    while (count > 1) {
        uint32_t half = count / 2;
        size_t right = mn_unguessed(mn_get_u32_be(base + HEAD_BYTES * (size_t)half) <= want);

        base += (0 - right) & (HEAD_BYTES * (size_t)half);
        count -= half;
    }
    return (uint32_t)((size_t)(base - heads) / HEAD_BYTES);
}

/* ---- changes ---- */

bool mn_short_insert(const struct mn_node *node, uint32_t index, const struct mn_cell *cell)
{
    uint8_t *page = node->page, *heads = heads_of(page), *children = child_at(page, 0);
    uint32_t count = mn_node_count(page);
    size_t prefix = mn_node_prefix_len(page), before = MN_CHILD_BYTES * (size_t)index;

    MN_ASSERT(index > 0 && index <= count);
    if (!suffix_fits(cell, prefix)) return false;
    if (MN_PAGE_HEADER + (count + 1) * MN_SHORT_ENTRY_BYTES + prefix > node->size) return false;
    memmove(children + HEAD_BYTES + before + MN_CHILD_BYTES, children + before,
            MN_CHILD_BYTES * (size_t)(count - index));
    if (!MN_PLANT(SHORT_CHILD_STAYS)) memmove(children + HEAD_BYTES, children, before);
    heads += HEAD_BYTES * (size_t)index;
    memmove(heads + HEAD_BYTES, heads, HEAD_BYTES * (size_t)(count - index));
    head_write(heads, cell, prefix);
    mn_put_u16(page + COUNT_AT, (uint16_t)(count + 1));
    memcpy(child_at(page, index), cell->child, MN_CHILD_BYTES);
    return true;
}

void mn_short_remove(const struct mn_node *node, uint32_t index)
{
    uint8_t *page = node->page, *heads = heads_of(page), *children = child_at(page, 0);
    uint32_t count = mn_node_count(page), behind = count - index - 1;
    size_t before = MN_CHILD_BYTES * (size_t)index;
    uint8_t *head = heads + HEAD_BYTES * (size_t)index;

    MN_ASSERT(index < count);
    memmove(head, head + HEAD_BYTES, HEAD_BYTES * (size_t)behind);
    memmove(children - HEAD_BYTES, children, before);
    memmove(children - HEAD_BYTES + before, children + before + MN_CHILD_BYTES,
            MN_CHILD_BYTES * (size_t)behind);
    mn_put_u16(page + COUNT_AT, (uint16_t)(count - 1));
    if (count > 1) {
        head_write(heads, NULL, 0); /* who is the first now has no key */
        return;
    }
    page[FLAGS_AT] = 0;
    mn_put_u16(page + HEAP_AT, 0);
    mn_put_u16(page + PREFIX_AT, 0);
}

/* ---- bytes from the disk ---- */

static enum mn_status bad(const uint8_t *page, const char *what, uint32_t index)
{
    return mn_fail(MN_CORRUPT, "page %" PRIu64 " is no short branch: %s (entry %u)",
                   mn_page_number(page), what, index);
}

enum mn_status mn_short_validate(const uint8_t *page, uint32_t size)
{
    uint32_t count = mn_node_count(page), prefix = mn_node_prefix_len(page), before = 0;
    const uint8_t *heads = page + MN_PAGE_HEADER;

    if (count == 0) return bad(page, "no entries", 0);
    if (mn_node_heap(page) != prefix || mn_get_u16(page + GARBAGE_AT) != 0) {
        return bad(page, "a heap of more than the prefix", 0);
    }
    if (MN_PAGE_HEADER + count * MN_SHORT_ENTRY_BYTES + prefix > size) {
        return bad(page, "more than a page of entries", 0);
    }
    if (mn_get_u32_be(heads) != 0) return bad(page, "a first key in a branch", 0);
    for (uint32_t i = 1; i < count; i++) {
        uint32_t head = mn_get_u32_be(heads + HEAD_BYTES * (size_t)i), length = head & 0xFF;

        if (length > MN_SHORT_KEY_BYTES || prefix + length > mn_node_inline_max(size)) {
            return bad(page, "a key too long", i);
        }
        if ((head & (UINT32_C(0xFFFFFF00) >> 8 * length) & ~UINT32_C(0xFF)) != 0) {
            return bad(page, "bytes behind a key", i);
        }
        if (i > 1 && head <= before) return bad(page, "keys that do not ascend", i);
        before = head;
    }
    return MN_OK;
}
