/*
 * dense: leaves whose keys have 8 bytes and nearly all of them in common.
 *
 * A row of 100 bytes costs 3 or 4 more here and 11 in any other leaf. The cells lie without gaps in
 * the order of their keys, so that a value needs no length; a change moves what lies below it.
 */
#include "btree/dense.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"

enum { FLAGS_AT = 23, COUNT_AT = 24, PREFIX_AT = 26, HEAP_AT = 28, GARBAGE_AT = 30 };

static size_t cell_bytes(const struct mn_cell *cell)
{
    return cell->value.len + (cell->run ? MN_RUN_BYTES : 0);
}

static size_t width_of(const uint8_t *page)
{
    return MN_DENSE_KEY_BYTES - mn_node_prefix_len(page);
}

static uint8_t *suffixes_of(uint8_t *page)
{
    return page + MN_PAGE_HEADER;
}

static uint8_t *slots_of(uint8_t *page)
{
    return suffixes_of(page) + width_of(page) * mn_node_count(page);
}

bool mn_dense_takes(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix)
{
    if (count > mn_dense_count_max(node->size) || !mn_node_may_be_dense(node)) return false;
    if (prefix + MN_DENSE_SUFFIX_BYTES < MN_DENSE_KEY_BYTES) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (cells[i].tail || mn_cell_stored_len(&cells[i]) != MN_DENSE_KEY_BYTES) return false;
    }
    return true;
}

size_t mn_dense_size_of(const struct mn_cell *cells, uint32_t count, size_t prefix)
{
    size_t bytes = MN_PAGE_HEADER + prefix + count * (MN_DENSE_KEY_BYTES - prefix + 2);

    for (uint32_t i = 0; i < count; i++) bytes += cell_bytes(&cells[i]);
    return bytes;
}

void mn_dense_begin(const struct mn_node *node, uint32_t count, size_t prefix)
{
    node->page[FLAGS_AT] = MN_LEAF_DENSE;
    mn_put_u16(node->page + COUNT_AT, (uint16_t)count);
    mn_put_u16(node->page + PREFIX_AT, (uint16_t)prefix);
    mn_put_u16(node->page + GARBAGE_AT, 0);
}

void mn_dense_end(const struct mn_node *node, size_t heap)
{
    uint8_t *arrays_end = slots_of(node->page) + 2 * (size_t)mn_node_count(node->page);

    mn_put_u16(node->page + HEAP_AT, (uint16_t)heap);
    memset(arrays_end, 0, (size_t)(node->page + node->size - heap - arrays_end));
}

/* The cell's bytes, and the word for its slot. */
static uint16_t cell_write(const struct mn_node *node, const struct mn_cell *cell, size_t from_end)
{
    uint8_t *at = node->page + node->size - from_end;

    if (cell->value.len) memcpy(at, cell->value.data, cell->value.len);
    if (!cell->run) return (uint16_t)from_end;
    memcpy(at + cell->value.len, cell->run, MN_RUN_BYTES);
    return (uint16_t)(from_end | MN_DENSE_RUN);
}

void mn_dense_build(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix)
{
    size_t width = MN_DENSE_KEY_BYTES - prefix, heap = prefix;
    uint8_t *suffix = suffixes_of(node->page), *slot = suffix + width * count;

    mn_dense_begin(node, count, prefix);
    for (size_t i = 0; i < prefix; i++) {
        node->page[node->size - prefix + i] = mn_cell_stored_byte(&cells[0], i);
    }
    for (uint32_t i = 0; i < count; i++, slot += 2) {
        for (size_t b = prefix; b < MN_DENSE_KEY_BYTES; b++)
            *suffix++ = mn_cell_stored_byte(&cells[i], b);
        heap += cell_bytes(&cells[i]);
        mn_put_u16(slot, cell_write(node, &cells[i], heap));
    }
    mn_dense_end(node, heap);
}

struct mn_cell mn_dense_cell(const struct mn_node *node, uint32_t index)
{
    struct mn_dense_cell at = mn_dense_cell_at(node, index);
    size_t prefix = mn_node_prefix_len(node->page), bytes = (size_t)(at.end - at.start);
    struct mn_cell cell = {.suffix = at.suffix};

    cell.prefix = mn_bytes_of(node->page + node->size - prefix, prefix);
    if (at.has_run) {
        bytes -= MN_RUN_BYTES;
        cell.run = at.start + bytes;
    }
    cell.value = mn_bytes_of(at.start, bytes);
    return cell;
}

/* ---- search ---- */

static inline uint32_t pair_of(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* How many of `count` suffixes, at least one, are below; no branch in the loop. */
static inline uint32_t pairs_below(const uint8_t *pairs, uint32_t count, uint32_t want)
{
    const uint8_t *base = pairs;

    while (count > 1) {
        uint32_t half = count / 2;
        size_t right = mn_unguessed(pair_of(base + 2 * (size_t)half - 2) < want);

        base += (0 - right) & (2 * (size_t)half);
        count -= half;
    }
    return (uint32_t)((size_t)(base - pairs) / 2) + (pair_of(base) < want);
}

static inline uint32_t bytes_below(const uint8_t *bytes, uint32_t count, uint32_t want)
{
    const uint8_t *base = bytes;

    while (count > 1) {
        uint32_t half = count / 2;
        size_t right = mn_unguessed(base[half - 1] < want);

        base += (0 - right) & (size_t)half;
        count -= half;
    }
    return (uint32_t)(base - bytes) + (*base < want);
}

uint32_t mn_dense_search(const struct mn_node *node, struct mn_bytes rest, bool *exact)
{
    const uint8_t *suffixes = node->page + MN_PAGE_HEADER;
    uint32_t count = mn_node_count(node->page), want, at;
    size_t width = width_of(node->page);
    bool equal;

    if (width == 0) { /* one entry, its key the prefix */
        *exact = rest.len == 0;
        return rest.len > 0 ? 1 : 0;
    }
    if (width == 2) {
        want = rest.len >= 2 ? pair_of(rest.data) : rest.len ? (uint32_t)rest.data[0] << 8 : 0;
        at = pairs_below(suffixes, count, want);
        equal = at < count && pair_of(suffixes + 2 * (size_t)at) == want;
    } else {
        want = rest.len ? rest.data[0] : 0;
        at = bytes_below(suffixes, count, want);
        equal = at < count && suffixes[at] == want;
    }
    /* A shorter key comes before the entry that it begins, a longer one behind. */
    *exact = equal && rest.len == width;
    return at + (equal && rest.len > width);
}

/* ---- changes ---- */

/* Adds to the slots from `slot` on. */
static void slots_move(uint8_t *slot, uint32_t count, int32_t bytes)
{
    for (uint32_t i = 0; i < count; i++, slot += 2) {
        mn_put_u16(slot, (uint16_t)(mn_get_u16(slot) + (uint32_t)bytes));
    }
}

bool mn_dense_insert(const struct mn_node *node, uint32_t index, const struct mn_cell *cell)
{
    uint8_t *page = node->page, *end = page + node->size, *suffixes = suffixes_of(page);
    uint8_t *slots = slots_of(page);
    uint32_t count = mn_node_count(page), behind = count - index;
    size_t width = width_of(page), heap = mn_node_heap(page), bytes = cell_bytes(cell), above;

    if (cell->tail || mn_cell_stored_len(cell) != MN_DENSE_KEY_BYTES || width == 0) return false;
    if (count == mn_dense_count_max(node->size)) return false;
    if (MN_PAGE_HEADER + (count + 1) * (width + 2) + heap + bytes > node->size) return false;
    above = mn_node_prefix_len(page);
    if (index > 0) above = mn_get_u16(slots + 2 * (size_t)index - 2) & (MN_DENSE_RUN - 1);
    memmove(end - heap - bytes, end - heap, heap - above);
    memmove(slots + width + 2 * (size_t)index + 2, slots + 2 * (size_t)index, 2 * (size_t)behind);
    memmove(slots + width, slots, 2 * (size_t)index);
    memmove(suffixes + width * (index + 1), suffixes + width * index, width * behind);
    slots += width;
    slots_move(slots + 2 * (size_t)index + 2, behind, (int32_t)bytes);
    for (size_t b = 0; b < width; b++) {
        suffixes[width * index + b] = mn_cell_stored_byte(cell, MN_DENSE_KEY_BYTES - width + b);
    }
    mn_put_u16(slots + 2 * (size_t)index, cell_write(node, cell, above + bytes));
    mn_put_u16(page + COUNT_AT, (uint16_t)(count + 1));
    mn_put_u16(page + HEAP_AT, (uint16_t)(heap + bytes));
    return true;
}

void mn_dense_remove(const struct mn_node *node, uint32_t index)
{
    uint8_t *page = node->page, *end = page + node->size, *suffixes = suffixes_of(page);
    uint8_t *slots = slots_of(page);
    struct mn_dense_cell cell = mn_dense_cell_at(node, index);
    uint32_t count = mn_node_count(page), behind = count - index - 1;
    size_t width = width_of(page), heap = mn_node_heap(page);
    size_t bytes = (size_t)(cell.end - cell.start), below = heap - (size_t)(end - cell.start);

    MN_ASSERT(index < count);
    memmove(end - heap + bytes, end - heap, below);
    memmove(suffixes + width * index, suffixes + width * (index + 1), width * behind);
    memmove(slots - width, slots, 2 * (size_t)index);
    memmove(slots - width + 2 * (size_t)index, slots + 2 * (size_t)index + 2, 2 * (size_t)behind);
    slots_move(slots - width + 2 * (size_t)index, behind, -(int32_t)bytes);
    mn_put_u16(page + COUNT_AT, (uint16_t)(count - 1));
    mn_put_u16(page + HEAP_AT, (uint16_t)(heap - bytes));
    if (count > 1) return;
    page[FLAGS_AT] = 0;
    mn_put_u16(page + HEAP_AT, 0);
    mn_put_u16(page + PREFIX_AT, 0);
}

/* ---- bytes from the disk ---- */

static enum mn_status bad(const uint8_t *page, const char *what, uint32_t index)
{
    return mn_fail(MN_CORRUPT, "page %" PRIu64 " is no dense leaf: %s (entry %u)",
                   mn_page_number(page), what, index);
}

/* Without a call, and looked at to the end: nearly always they ascend. */
static bool suffixes_ascend(const uint8_t *suffixes, uint32_t count, size_t width)
{
    bool wrong = width == 0 && count > 1;

    if (width == 1) {
        for (uint32_t i = 1; i < count; i++) wrong |= suffixes[i - 1] >= suffixes[i];
    } else if (width == 2) {
        for (uint32_t i = 1; i < count; i++) {
            wrong |= pair_of(suffixes + 2 * (size_t)i - 2) >= pair_of(suffixes + 2 * (size_t)i);
        }
    }
    return !wrong;
}

/* Are the slots those of values alone, each right behind the one before it, that make up the heap?
 * Without a branch, so that the compiler takes several at once. */
static bool values_add_up(const uint8_t *slots, uint32_t count, uint32_t prefix, size_t heap,
                          uint32_t value_most)
{
    uint32_t any = mn_get_u16(slots);
    uint32_t wrong = (uint16_t)(any - prefix) > value_most;

    for (uint32_t i = 1; i < count; i++) {
        uint16_t from_end = mn_get_u16(slots + 2 * (size_t)i);
        uint16_t above = mn_get_u16(slots + 2 * (size_t)i - 2);

        wrong |= (uint16_t)(from_end - above) > value_most;
        any |= from_end;
    }
    return !wrong && !(any & MN_DENSE_RUN) && mn_get_u16(slots + 2 * (size_t)count - 2) == heap;
}

static enum mn_status cells_validate(const struct mn_node *node)
{
    const uint8_t *page = node->page;
    size_t width = MN_DENSE_KEY_BYTES - (size_t)mn_node_prefix_len(page);
    size_t above = mn_node_prefix_len(page), heap = mn_node_heap(page);
    uint32_t count = mn_node_count(page), inline_max = mn_node_inline_max(node->size);
    const uint8_t *suffixes = page + MN_PAGE_HEADER, *slot = suffixes + width * count;

    if (!suffixes_ascend(suffixes, count, width)) {
        uint32_t i = 1;

        while (memcmp(suffixes + width * (i - 1), suffixes + width * i, width) < 0) i++;
        return bad(page, "keys that do not ascend", i);
    }
    if (values_add_up(slot, count, (uint32_t)above, heap, inline_max)) return MN_OK;
    for (uint32_t i = 0; i < count; i++, slot += 2) {
        size_t word = mn_get_u16(slot), from_end = word & (MN_DENSE_RUN - 1);
        size_t beside = word & MN_DENSE_RUN ? MN_RUN_BYTES : 0;

        if (from_end > heap || from_end < above + beside) {
            return bad(page, "a cell outside of the heap", i);
        }
        if (from_end - above - beside > inline_max) return bad(page, "a value too long", i);
        if (beside) {
            struct mn_run run = mn_run_unpack(page + node->size - above - beside);

            if (run.page == 0 || (run.page & MN_PAGE_DIRTY) || run.size_bytes == 0) {
                return bad(page, "a run that is none", i);
            }
        }
        above = from_end;
    }
    return above == heap ? MN_OK : bad(page, "a heap that does not add up", 0);
}

enum mn_status mn_dense_validate(const uint8_t *page, uint32_t size)
{
    struct mn_node node = {(uint8_t *)(uintptr_t)page, size, NULL};
    uint32_t count = mn_node_count(page), prefix = mn_node_prefix_len(page);

    if (size > MN_DENSE_PAGE_MAX) return bad(page, "the page is too large for one", 0);
    if (count == 0 || count > mn_dense_count_max(size)) return bad(page, "too many entries", 0);
    if (prefix > MN_DENSE_KEY_BYTES || prefix + MN_DENSE_SUFFIX_BYTES < MN_DENSE_KEY_BYTES) {
        return bad(page, "a prefix too long or too short", 0);
    }
    if (prefix > mn_node_heap(page)) return bad(page, "a prefix out of the heap", 0);
    if (mn_get_u16(page + GARBAGE_AT) != 0) return bad(page, "garbage", 0);
    if (MN_PAGE_HEADER + count * (MN_DENSE_KEY_BYTES - prefix + 2) + mn_node_heap(page) > size) {
        return bad(page, "more than a page of entries", 0);
    }
    return cells_validate(&node);
}
