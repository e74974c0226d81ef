/*
 * node: reading, searching and changing the bytes of one node.
 */
#include "btree/node.h"

#include <string.h>

#include "base/assert.h"
#include "btree/dense.h"
#include "btree/short.h"

enum { FLAGS_AT = 23, COUNT_AT = 24, PREFIX_AT = 26, HEAP_AT = 28, GARBAGE_AT = 30 };

static uint8_t *head_at(const uint8_t *page, uint32_t index)
{
    return (uint8_t *)(uintptr_t)(page + MN_PAGE_HEADER + 4 * (size_t)index);
}

static uint8_t *slot_at(const uint8_t *page, uint32_t index)
{
    return head_at(page, mn_node_count(page)) + 4 * (size_t)index;
}

static uint32_t entry_bytes(const uint8_t *page)
{
    if (mn_node_is_dense(page)) return MN_DENSE_KEY_BYTES - mn_node_prefix_len(page) + 2;
    if (mn_node_is_short(page)) return MN_SHORT_ENTRY_BYTES;
    return mn_node_is_leaf(page) ? 8 : 8 + MN_CHILD_BYTES;
}

static uint32_t arrays_end(const uint8_t *page)
{
    return MN_PAGE_HEADER + mn_node_count(page) * entry_bytes(page);
}

uint32_t mn_node_used(const uint8_t *page)
{
    return arrays_end(page) + mn_node_heap(page) - mn_get_u16(page + GARBAGE_AT);
}

void mn_node_child_set(uint8_t *page, uint32_t index, struct mn_ref ref, uint64_t entries)
{
    uint8_t *at = (uint8_t *)(uintptr_t)mn_node_child_at(page, index);

    mn_put_ref(at, ref);
    mn_put_u48(at + MN_REF_BYTES, entries);
}

uint64_t mn_node_entries(const uint8_t *page)
{
    uint64_t sum = 0;

    if (mn_node_is_leaf(page)) return mn_node_count(page);
    for (uint32_t i = 0; i < mn_node_count(page); i++) sum += mn_node_child_entries(page, i);
    return sum;
}

/* -- cells ------------------------------------------------------------------------------------- */

void mn_run_pack(uint8_t at[MN_RUN_BYTES], const struct mn_run *run)
{
    mn_put_u48(at, run->page);
    mn_put_u48(at + 6, run->birth);
    mn_put_u48(at + 12, run->size_bytes);
    mn_put_u64(at + 18, run->sum64);
}

struct mn_run mn_run_unpack(const uint8_t *at)
{
    return (struct mn_run){.page = mn_get_u48(at),
                           .birth = mn_get_u48(at + 6),
                           .size_bytes = mn_get_u48(at + 12),
                           .sum64 = mn_get_u64(at + 18)};
}

static uint8_t *cell_at(const struct mn_node *node, uint32_t index)
{
    return node->page + node->size - mn_get_u16(slot_at(node->page, index));
}

struct mn_cell mn_node_cell(const struct mn_node *node, uint32_t index)
{
    const uint8_t *page = node->page, *at;
    uint32_t prefix = mn_node_prefix_len(page);
    struct mn_cell cell = {.tail = NULL};
    uint16_t length;

    if (mn_node_is_dense(page)) return mn_dense_cell(node, index);
    if (mn_node_is_short(page)) return mn_short_cell(node, index);
    at = cell_at(node, index);
    length = mn_get_u16(slot_at(page, index) + 2);
    cell.prefix = mn_bytes_of(page + node->size - prefix, prefix);
    cell.suffix = mn_bytes_of(at, length & MN_SUFFIX_MASK);
    at += cell.suffix.len;
    if (length & MN_CELL_TAIL) {
        cell.tail = at;
        at += MN_TAIL_BYTES;
    }
    if (mn_node_is_leaf(page)) {
        cell.value = mn_bytes_of(at + 2, mn_get_u16(at));
        if (length & MN_CELL_RUN) cell.run = at + 2 + cell.value.len;
    } else {
        memcpy(cell.child, mn_node_child_at(page, index), MN_CHILD_BYTES);
        if (index == 0) cell.prefix.len = 0;
    }
    return cell;
}

struct mn_bytes mn_cell_value(const struct mn_cell *cell, struct mn_run *run)
{
    *run = (struct mn_run){0};
    if (cell->run) *run = mn_run_unpack(cell->run);
    return cell->value;
}

bool mn_node_entry_run(const struct mn_node *node, uint32_t index, struct mn_run_entry *entry)
{
    struct mn_cell cell = mn_node_cell(node, index);

    if (!cell.run || cell.tail) return false;
    entry->prefix = cell.prefix;
    entry->suffix = cell.suffix;
    entry->value = mn_cell_value(&cell, &entry->run);
    return true;
}

uint8_t *mn_node_tail_run(const struct mn_node *node, uint32_t index)
{
    uint16_t length;

    if (mn_page_flags(node->page) != 0) return NULL; /* dense or short: no key has one */
    length = mn_get_u16(slot_at(node->page, index) + 2);
    if (!(length & MN_CELL_TAIL)) return NULL;
    return cell_at(node, index) + (length & MN_SUFFIX_MASK) + 4;
}

uint8_t *mn_node_value_run(const struct mn_node *node, uint32_t index)
{
    struct mn_cell cell = mn_node_cell(node, index);

    return (uint8_t *)(uintptr_t)cell.run;
}

size_t mn_cell_key_len(const struct mn_cell *cell)
{
    return cell->tail ? mn_get_u32(cell->tail) : mn_cell_stored_len(cell);
}

static enum mn_status tail_read(const struct mn_node *node, const uint8_t *tail,
                                struct mn_bytes *bytes)
{
    struct mn_run run = mn_run_unpack(tail + 4);

    bytes->len = run.size_bytes;
    return mn_run_read(node->view, &run, &bytes->data);
}

enum mn_status mn_cell_key_copy(const struct mn_node *node, const struct mn_cell *cell,
                                uint8_t *into)
{
    struct mn_bytes tail;
    enum mn_status status;

    if (cell->prefix.len) memcpy(into, cell->prefix.data, cell->prefix.len);
    if (cell->suffix.len) memcpy(into + cell->prefix.len, cell->suffix.data, cell->suffix.len);
    if (!cell->tail) return MN_OK;
    status = tail_read(node, cell->tail, &tail);
    if (status != MN_OK) return status;
    if (tail.len != mn_get_u32(cell->tail) - mn_cell_stored_len(cell)) {
        return mn_fail(MN_CORRUPT, "page %llu: the tail of a key has the wrong length",
                       (unsigned long long)mn_page_number(node->page));
    }
    memcpy(into + mn_cell_stored_len(cell), tail.data, tail.len);
    return MN_OK;
}

/* -- search ------------------------------------------------------------------------------------ */

/* The first 4 bytes, zero-padded, as one number. Of three bytes or fewer the first, the middle and
 * the last are all there are, and no loop over a length that nobody can guess is needed. */
static inline uint32_t head_of(const uint8_t *bytes, size_t length)
{
    size_t middle = length / 2;

    if (length >= 4) return mn_get_u32_be(bytes);
    if (length == 0) return 0;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[middle] << (24 - 8 * middle) |
           (uint32_t)bytes[length - 1] << (32 - 8 * length);
}

static inline int word_order(uint64_t x, uint64_t y)
{
    return (x > y) - (x < y);
}

/* memcmp for the few bytes that are left of a key: a call would cost more than the comparison, and
 * one that reads past the end of a page into another costs most. Words may overlap: where they do
 * the bytes are equal. */
static inline int bytes_order(const uint8_t *a, const uint8_t *b, size_t length)
{
    size_t at = 0;

    if (length >= 8) {
        for (; at + 8 < length; at += 8) {
            uint64_t x = mn_get_u64_be(a + at), y = mn_get_u64_be(b + at);

            if (x != y) return x < y ? -1 : 1;
        }
        return word_order(mn_get_u64_be(a + length - 8), mn_get_u64_be(b + length - 8));
    }
    if (length >= 4) {
        uint64_t x = (uint64_t)mn_get_u32_be(a) << 32 | mn_get_u32_be(a + length - 4);
        uint64_t y = (uint64_t)mn_get_u32_be(b) << 32 | mn_get_u32_be(b + length - 4);

        return word_order(x, y);
    }
    return word_order(head_of(a, length), head_of(b, length));
}

/* The key, behind the stored part of entry `index`, against the entry's tail. */
static enum mn_status tail_compare(const struct mn_node *node, const uint8_t *at,
                                   struct mn_bytes rest, int *order)
{
    struct mn_bytes tail;
    enum mn_status status = tail_read(node, at, &tail);
    size_t common;

    if (status != MN_OK) return status;
    common = rest.len < tail.len ? rest.len : tail.len;
    *order = common ? memcmp(rest.data, tail.data, common) : 0;
    if (*order == 0) *order = (rest.len > tail.len) - (rest.len < tail.len);
    return MN_OK;
}

/* The key, without the node's prefix, against entry `index` of an equal head: below 0, 0 or above
 * 0. */
static enum mn_status entry_compare(const struct mn_node *node, uint32_t index,
                                    struct mn_bytes rest, int *order)
{
    const uint8_t *slot = slot_at(node->page, index), *at = cell_at(node, index);
    uint16_t length = mn_get_u16(slot + 2);
    size_t suffix = length & MN_SUFFIX_MASK;
    size_t common = rest.len < suffix ? rest.len : suffix;

    /* Equal heads are equal bytes, as far as both keys go. */
    *order = common > 4 ? bytes_order(rest.data + 4, at + 4, common - 4) : 0;
    if (*order != 0) return MN_OK;
    if (!(length & MN_CELL_TAIL) || rest.len < suffix) {
        *order = (rest.len > suffix) - (rest.len < suffix);
        return MN_OK;
    }
    return tail_compare(node, at + suffix, mn_bytes_of(rest.data + suffix, rest.len - suffix),
                        order);
}

/* Heads of the first `count` that are below the head (above: or equal). No branch in the loop. */
static inline uint32_t heads_below(const uint8_t *heads, uint32_t count, uint32_t head, bool above)
{
    const uint8_t *base = heads;

    if (count == 0) return 0;
    while (count > 1) {
        uint32_t half = count / 2, value = mn_get_u32(base + 4 * (size_t)half - 4);
        size_t right = mn_unguessed(above ? value <= head : value < head);

        base += (0 - right) & (4 * (size_t)half);
        count -= half;
    }
    return (uint32_t)((size_t)(base - heads) / 4) +
           (above ? mn_get_u32(base) <= head : mn_get_u32(base) < head);
}

/* Entries of [first, count) below the key; *exact whether the next one is the key. */
static enum mn_status rest_search(const struct mn_node *node, uint32_t first, struct mn_bytes rest,
                                  struct mn_range *out)
{
    const uint8_t *page = node->page;
    uint32_t count = mn_node_count(page), head, low, high;
    /* A head never holds bytes of a tail: those of the key beyond the inline part do not count. */
    size_t stored = mn_node_inline_max(node->size) - mn_node_prefix_len(page);

    head = head_of(rest.data, rest.len < stored ? rest.len : stored);

    low = first + heads_below(head_at(page, first), count - first, head, false);
    high = low;
    if (low < count && mn_get_u32(head_at(page, low)) == head) {
        /* Most often the next head is another one already. */
        high = low + 1;
        if (high < count && mn_get_u32(head_at(page, high)) == head) {
            high += heads_below(head_at(page, high), count - high, head, true);
        }
    }
    out->length = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order;
        enum mn_status status = entry_compare(node, middle, rest, &order);

        if (status != MN_OK) return status;
        if (order == 0) {
            *out = (struct mn_range){middle, 1};
            return MN_OK;
        }
        if (order > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    out->start = low;
    return MN_OK;
}

enum mn_status mn_node_search(const struct mn_node *node, struct mn_bytes key, uint32_t *index,
                              bool *exact)
{
    const uint8_t *page = node->page;
    bool leaf = mn_node_is_leaf(page);
    uint32_t count = mn_node_count(page), prefix = mn_node_prefix_len(page), first = leaf ? 0 : 1;
    size_t common = key.len < prefix ? key.len : prefix;
    struct mn_range at = {first, 0};
    enum mn_status status = MN_OK;
    int order = bytes_order(key.data, page + node->size - prefix, common);

    if (order == 0 && key.len < prefix) order = -1;
    if (order > 0) at.start = count;
    if (order == 0) {
        struct mn_bytes rest = key;

        if (prefix > 0) rest = mn_bytes_of(key.data + prefix, key.len - prefix);
        if (mn_node_is_short(page)) {
            *index = mn_short_search(page, rest);
            *exact = false;
            return MN_OK;
        }
        if (mn_node_is_dense(page)) {
            *index = mn_dense_search(node, rest, exact);
            return MN_OK;
        }
        status = rest_search(node, first < count ? first : count, rest, &at);
    }
    *exact = leaf && at.length > 0;
    *index = (uint32_t)at.start;
    /* A branch: the last entry at or below the key; entry 0 is below all. */
    if (!leaf && at.length == 0) *index -= 1;
    return status;
}

/* -- changes ----------------------------------------------------------------------------------- */

static size_t cell_bytes(const struct mn_cell *cell, size_t prefix, bool leaf)
{
    return mn_cell_stored_len(cell) - prefix + (cell->tail ? MN_TAIL_BYTES : 0) +
           (leaf ? 2 + cell->value.len + (cell->run ? MN_RUN_BYTES : 0) : 0);
}

/* Bytes [from, ...) of the stored key. */
static void stored_copy(const struct mn_cell *cell, size_t from, uint8_t *into)
{
    if (from < cell->prefix.len) {
        memcpy(into, cell->prefix.data + from, cell->prefix.len - from);
        into += cell->prefix.len - from;
        from = cell->prefix.len;
    }
    from -= cell->prefix.len;
    if (cell->suffix.len > from) memcpy(into, cell->suffix.data + from, cell->suffix.len - from);
}

static size_t stored_common(const struct mn_cell *a, const struct mn_cell *b)
{
    size_t length = mn_cell_stored_len(a) < mn_cell_stored_len(b) ? mn_cell_stored_len(a)
                                                                  : mn_cell_stored_len(b),
           n = 0;

    if (a->prefix.data == b->prefix.data && a->prefix.len == b->prefix.len) n = a->prefix.len;
    while (n < length && mn_cell_stored_byte(a, n) == mn_cell_stored_byte(b, n)) n++;
    return n;
}

/* Writes the cell's bytes below the heap, and head and slot of entry `index`. */
static void cell_write(const struct mn_node *node, uint32_t index, const struct mn_cell *cell)
{
    uint8_t *page = node->page, *at;
    bool leaf = mn_node_is_leaf(page);
    size_t prefix = !leaf && index == 0 ? 0 : mn_node_prefix_len(page);
    size_t suffix = mn_cell_stored_len(cell) - prefix, bytes = cell_bytes(cell, prefix, leaf);
    uint32_t heap = mn_node_heap(page) + (uint32_t)bytes;
    uint16_t flags = cell->run ? MN_CELL_RUN : 0;

    at = page + node->size - heap;
    stored_copy(cell, prefix, at);
    mn_put_u32(head_at(page, index), head_of(at, suffix));
    at += suffix;
    if (cell->tail) {
        memcpy(at, cell->tail, MN_TAIL_BYTES);
        at += MN_TAIL_BYTES;
        flags |= MN_CELL_TAIL;
    }
    if (leaf) {
        mn_put_u16(at, (uint16_t)cell->value.len);
        if (cell->value.len) memcpy(at + 2, cell->value.data, cell->value.len);
        if (cell->run) memcpy(at + 2 + cell->value.len, cell->run, MN_RUN_BYTES);
    }
    mn_put_u16(page + HEAP_AT, (uint16_t)heap);
    mn_put_u16(slot_at(page, index), (uint16_t)heap);
    mn_put_u16(slot_at(page, index) + 2, (uint16_t)(suffix | flags));
    if (!leaf) {
        memcpy((uint8_t *)(uintptr_t)mn_node_child_at(page, index), cell->child, MN_CHILD_BYTES);
    }
}

/* Moves the three arrays apart so that entry `index` has room in each; counts it. */
static void arrays_open(uint8_t *page, uint32_t index)
{
    uint32_t count = mn_node_count(page);
    uint8_t *heads = page + MN_PAGE_HEADER, *slots = heads + 4 * (size_t)count;
    uint8_t *children = slots + 4 * (size_t)count;

    if (!mn_node_is_leaf(page)) {
        uint8_t *at = children + (size_t)MN_CHILD_BYTES * index;

        memmove(at + 8 + MN_CHILD_BYTES, at, (size_t)MN_CHILD_BYTES * (count - index));
        memmove(children + 8, children, (size_t)MN_CHILD_BYTES * index);
    }
    memmove(slots + 8 + 4 * (size_t)index, slots + 4 * (size_t)index, 4 * (size_t)(count - index));
    memmove(slots + 4, slots, 4 * (size_t)index);
    memmove(heads + 4 * (size_t)index + 4, heads + 4 * (size_t)index, 4 * (size_t)(count - index));
    mn_put_u16(page + COUNT_AT, (uint16_t)(count + 1));
}

static void arrays_close(uint8_t *page, uint32_t index)
{
    uint32_t count = mn_node_count(page);
    uint8_t *heads = page + MN_PAGE_HEADER, *slots = heads + 4 * (size_t)count;
    uint8_t *children = slots + 4 * (size_t)count;

    memmove(heads + 4 * (size_t)index, heads + 4 * (size_t)index + 4,
            4 * (size_t)(count - index - 1));
    memmove(slots - 4, slots, 4 * (size_t)index);
    memmove(slots - 4 + 4 * (size_t)index, slots + 4 * (size_t)index + 4,
            4 * (size_t)(count - index - 1));
    if (!mn_node_is_leaf(page)) {
        uint8_t *at = children + (size_t)MN_CHILD_BYTES * index;

        memmove(children - 8, children, (size_t)MN_CHILD_BYTES * index);
        memmove(at - 8, at + MN_CHILD_BYTES, (size_t)MN_CHILD_BYTES * (count - index - 1));
    }
    mn_put_u16(page + COUNT_AT, (uint16_t)(count - 1));
}

static bool prefix_fits(const struct mn_node *node, const struct mn_cell *cell)
{
    size_t prefix = mn_node_prefix_len(node->page);
    const uint8_t *at = node->page + node->size - prefix;

    if (mn_cell_stored_len(cell) < prefix) return false;
    for (size_t i = 0; i < prefix; i++) {
        if (mn_cell_stored_byte(cell, i) != at[i]) return false;
    }
    return true;
}

bool mn_node_insert(const struct mn_node *node, uint32_t index, const struct mn_cell *cell)
{
    uint8_t *page = node->page;
    size_t prefix = mn_node_prefix_len(page), need;

    MN_ASSERT(index <= mn_node_count(page));
    if (mn_node_count(page) == 0 || !prefix_fits(node, cell)) return false;
    if (mn_node_is_dense(page)) return mn_dense_insert(node, index, cell);
    if (!mn_node_is_leaf(page) && index == 0) return false;
    if (mn_node_is_short(page)) return mn_short_insert(node, index, cell);
    need = entry_bytes(page) + cell_bytes(cell, prefix, mn_node_is_leaf(page));
    if (arrays_end(page) + need + mn_node_heap(page) > node->size) return false;
    arrays_open(page, index);
    cell_write(node, index, cell);
    return true;
}

void mn_node_remove(const struct mn_node *node, uint32_t index)
{
    uint8_t *page = node->page;
    struct mn_cell cell;
    size_t bytes;

    if (mn_node_is_dense(page)) {
        mn_dense_remove(node, index);
        return;
    }
    if (mn_node_is_short(page)) {
        mn_short_remove(node, index);
        return;
    }
    cell = mn_node_cell(node, index);
    bytes = cell_bytes(&cell, cell.prefix.len, mn_node_is_leaf(page));
    MN_ASSERT(index < mn_node_count(page));
    arrays_close(page, index);
    if (!mn_node_is_leaf(page) && index == 0 && mn_node_count(page) > 0) {
        uint16_t length = mn_get_u16(slot_at(page, 0) + 2);

        bytes += length & MN_SUFFIX_MASK;
        if (length & MN_CELL_TAIL) bytes += MN_TAIL_BYTES;
        mn_put_u16(slot_at(page, 0) + 2, 0);
        mn_put_u32(head_at(page, 0), 0);
    }
    mn_put_u16(page + GARBAGE_AT, (uint16_t)(mn_get_u16(page + GARBAGE_AT) + bytes));
    if (mn_node_count(page) == 0) {
        mn_put_u16(page + GARBAGE_AT, 0);
        mn_put_u16(page + HEAP_AT, 0);
        mn_put_u16(page + PREFIX_AT, 0);
    }
}

/* The prefix of these cells as one node; a branch's first key does not count. */
static size_t cells_prefix(const struct mn_cell *cells, uint32_t count, bool leaf)
{
    uint32_t first = leaf ? 0 : 1;

    if (count <= first) return 0;
    return stored_common(&cells[first], &cells[count - 1]);
}

bool mn_node_may_be_dense(const struct mn_node *node)
{
    return node->size <= MN_DENSE_PAGE_MAX && node->view &&
           mn_store_is_dense(mn_view_store(node->view));
}

size_t mn_node_size_of(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                       bool leaf)
{
    size_t prefix = cells_prefix(cells, count, leaf);
    size_t bytes = MN_PAGE_HEADER + prefix;

    if (leaf && mn_dense_takes(node, cells, count, prefix)) {
        return mn_dense_size_of(cells, count, prefix);
    }
    if (!leaf && mn_short_takes(node, cells, count, prefix)) {
        return bytes + (size_t)count * MN_SHORT_ENTRY_BYTES;
    }
    bytes += (size_t)count * (leaf ? 8 : 8 + MN_CHILD_BYTES);
    for (uint32_t i = leaf ? 0 : 1; i < count; i++) bytes += cell_bytes(&cells[i], prefix, leaf);
    return bytes;
}

void mn_node_build(const struct mn_node *node, const struct mn_cell *cells, uint32_t count)
{
    uint8_t *page = node->page;
    bool leaf = mn_node_is_leaf(page);
    size_t prefix = cells_prefix(cells, count, leaf);
    uint32_t first = leaf ? 0 : 1, at;

    MN_ASSERT(mn_node_size_of(node, cells, count, leaf) <= node->size);
    if (leaf && mn_dense_takes(node, cells, count, prefix)) {
        mn_dense_build(node, cells, count, prefix);
        return;
    }
    if (!leaf && mn_short_takes(node, cells, count, prefix)) {
        mn_short_build(node, cells, count, prefix);
        return;
    }
    page[FLAGS_AT] = 0;
    mn_put_u16(page + COUNT_AT, (uint16_t)count);
    mn_put_u16(page + PREFIX_AT, (uint16_t)prefix);
    mn_put_u16(page + HEAP_AT, (uint16_t)prefix);
    mn_put_u16(page + GARBAGE_AT, 0);
    if (prefix > 0) {
        const struct mn_cell *from = &cells[first];

        for (size_t i = 0; i < prefix; i++)
            page[node->size - prefix + i] = mn_cell_stored_byte(from, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (leaf || i > 0) {
            cell_write(node, i, &cells[i]);
        } else {
            struct mn_cell empty = {.tail = NULL};

            memcpy(empty.child, cells[0].child, MN_CHILD_BYTES);
            cell_write(node, 0, &empty);
        }
    }
    at = arrays_end(page);
    memset(page + at, 0, node->size - mn_node_heap(page) - at);
}

void mn_node_fill(const struct mn_node *node, const uint8_t *buffer, const struct mn_packed *cells,
                  uint32_t count, uint32_t prefix)
{
    uint8_t *page = node->page, *end = page + node->size, *head, *slot;
    uint32_t heap = prefix;

    page[FLAGS_AT] = 0;
    mn_put_u16(page + COUNT_AT, (uint16_t)count);
    mn_put_u16(page + PREFIX_AT, (uint16_t)prefix);
    mn_put_u16(page + GARBAGE_AT, 0);
    if (prefix > 0) memcpy(end - prefix, buffer + cells[0].at, prefix);
    head = head_at(page, 0);
    slot = slot_at(page, 0);
    for (uint32_t i = 0; i < count; i++, head += 4, slot += 4) {
        const uint8_t *suffix = buffer + cells[i].at + prefix;
        uint32_t bytes = cells[i].bytes - prefix, suffix_bytes = cells[i].key_bytes - prefix;

        heap += bytes;
        memcpy(end - heap, suffix, bytes);
        mn_put_u32(head, head_of(suffix, suffix_bytes));
        mn_put_u16(slot, (uint16_t)heap);
        mn_put_u16(slot + 2, (uint16_t)suffix_bytes);
    }
    mn_put_u16(page + HEAP_AT, (uint16_t)heap);
    memset(slot, 0, (size_t)(end - heap - slot));
}
