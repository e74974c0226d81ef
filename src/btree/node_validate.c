/*
 * node_validate: is this page a node? For bytes from the disk, once a page, before anybody reads
 * it.
 *
 * A checksum proves that a page is what somebody wrote; who wrote a hostile file can compute
 * checksums too. After this check every accessor of node.h stays inside the page.
 *
 * Most leaves lie as they were built: cells one below the other in the order of their keys, without
 * runs. They are seen to be sound in one pass; any other page takes the long way, which also says
 * what is wrong.
 */
#include <inttypes.h>
#include <string.h>

#include "btree/dense.h"
#include "btree/short.h"

enum { HEADS_AT = MN_PAGE_HEADER };

static enum mn_status bad(const uint8_t *page, const char *what, uint32_t index)
{
    return mn_fail(MN_CORRUPT, "page %" PRIu64 " is no node: %s (entry %u)", mn_page_number(page),
                   what, index);
}

/* The bytes of entry `index` in the heap, or 0 where they do not lie in it. */
static size_t cell_size(const uint8_t *page, uint32_t size, uint32_t index)
{
    const uint8_t *slot = page + HEADS_AT + 4 * ((size_t)mn_node_count(page) + index);
    size_t from_end = mn_get_u16(slot), length = mn_get_u16(slot + 2), bytes;
    const uint8_t *at = page + size - from_end;

    if (from_end > mn_node_heap(page)) return 0;
    bytes = length & MN_SUFFIX_MASK;
    if (length & MN_CELL_TAIL) bytes += MN_TAIL_BYTES;
    if (mn_node_is_leaf(page)) {
        if (bytes + 2 > from_end) return 0;
        if (mn_get_u16(at + bytes) > mn_node_inline_max(size)) return 0;
        bytes += 2 + (size_t)mn_get_u16(at + bytes);
        if (length & MN_CELL_RUN) bytes += MN_RUN_BYTES;
    } else if (length & MN_CELL_RUN) {
        return 0;
    }
    if (bytes > from_end) return 0;
    if (from_end - bytes < mn_node_prefix_len(page)) return 0;
    return bytes;
}

/* Which bytes of the heap belong to a cell already, by their distance from the page's end. */
struct cover {
    uint64_t words[MN_PAGE_SIZE_MAX / 64 + 1];
};

/* False: one of the bytes [start, end) was taken before. */
static bool cover_take(struct cover *cover, size_t start, size_t end)
{
    while (start < end) {
        size_t word = start / 64, bits = 64 - start % 64;
        uint64_t mask = UINT64_MAX;

        if (bits > end - start) bits = end - start;
        if (bits < 64) mask = ((UINT64_C(1) << bits) - 1) << start % 64;
        if (cover->words[word] & mask) return false;
        cover->words[word] |= mask;
        start += bits;
    }
    return true;
}

static int suffix_compare(const struct mn_cell *a, const struct mn_cell *b)
{
    size_t common = a->suffix.len < b->suffix.len ? a->suffix.len : b->suffix.len;
    int order = common ? memcmp(a->suffix.data, b->suffix.data, common) : 0;

    if (order != 0) return order;
    if (a->suffix.len == b->suffix.len) {
        if (b->tail) return -1; /* two tails: only a reader of runs can tell */
        return a->tail ? 1 : 0;
    }
    return a->suffix.len < b->suffix.len ? -1 : 1;
}

static bool run_is_sound(const struct mn_run *run)
{
    return run->page != 0 && !(run->page & MN_PAGE_DIRTY) && run->size_bytes != 0;
}

static bool cell_is_sound(const struct mn_node *node, const struct mn_cell *cell, uint32_t index)
{
    uint8_t four[4] = {0};
    uint32_t stored = (uint32_t)(cell->prefix.len + cell->suffix.len);
    uint32_t inline_max = mn_node_inline_max(node->size);

    if (cell->suffix.len > 0) {
        memcpy(four, cell->suffix.data, cell->suffix.len < 4 ? cell->suffix.len : 4);
    }
    if (mn_get_u32(node->page + HEADS_AT + 4 * (size_t)index) != mn_get_u32_be(four)) return false;
    if (stored > inline_max) return false;
    if (cell->tail) {
        struct mn_run run = mn_run_unpack(cell->tail + 4);
        uint32_t whole = mn_get_u32(cell->tail);

        if (stored != inline_max || whole <= stored || whole > MN_TREE_KEY_BYTES_MAX) return false;
        if (!run_is_sound(&run) || run.size_bytes != whole - stored) return false;
    }
    if (cell->run) {
        struct mn_run run;

        mn_cell_value(cell, &run);
        if (!run_is_sound(&run)) return false;
    }
    return true;
}

/* Equal heads: the suffixes decide, of which `common` bytes are there in both. */
static bool suffixes_ascend(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t common = a_len < b_len ? a_len : b_len;
    int order = common ? memcmp(a, b, common) : 0;

    return order ? order < 0 : a_len < b_len;
}

/* The first four bytes of a suffix as a number, zeros behind a shorter one. `at` has four bytes. */
static uint32_t head_of(const uint8_t *at, size_t length)
{
    uint32_t four = mn_get_u32_be(at);

    return length < 4 ? four & (uint32_t)(UINT64_C(0xFFFFFFFF00000000) >> 8 * length) : four;
}

/*
 * True: a sound leaf without runs, its cells in order and without gaps. False says nothing. What
 * would lead out of the page ends it at once; all other doubts are gathered, so that the processor
 * need not wait for one entry before it looks at the next.
 */
static bool leaf_is_in_order(const uint8_t *page, uint32_t size)
{
    uint32_t count = mn_node_count(page), inline_max = mn_node_inline_max(size);
    size_t prefix = mn_node_prefix_len(page), heap = mn_node_heap(page), end = prefix;
    const uint8_t *heads = page + HEADS_AT, *slots = heads + 4 * (size_t)count;
    const uint8_t *before = NULL;
    size_t before_len = 0;
    uint32_t before_head = 0;
    bool doubt = false;

    for (uint32_t i = 0; i < count; i++) {
        size_t from_end = mn_get_u16(slots + 4 * (size_t)i);
        size_t suffix = mn_get_u16(slots + 4 * (size_t)i + 2), value;
        const uint8_t *at = page + size - from_end;
        uint32_t head = mn_get_u32(heads + 4 * (size_t)i);

        /* Runs and tails are flags above every length, so they fail here too. */
        if (from_end > heap || from_end < 4 || suffix + prefix > inline_max ||
            from_end < end + suffix + 2) {
            return false;
        }
        value = mn_get_u16(at + suffix);
        doubt |= value > inline_max || from_end != end + suffix + 2 + value;
        doubt |= head != head_of(at, suffix);
        if (head <= before_head && i > 0) {
            if (head < before_head || !suffixes_ascend(before, before_len, at, suffix))
                return false;
        }
        end = from_end;
        before = at;
        before_len = suffix;
        before_head = head;
    }
    return !doubt && end == heap && mn_get_u16(page + 30) == 0;
}

static enum mn_status children_validate(const uint8_t *page)
{
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        struct mn_ref ref = mn_node_child(page, i);

        if (ref.page == 0 || mn_ref_is_dirty(ref)) return bad(page, "a child that is no page", i);
    }
    return MN_OK;
}

static enum mn_status cells_validate(const struct mn_node *node)
{
    const uint8_t *page = node->page;
    struct mn_cell before = {.tail = NULL};
    size_t sum = mn_node_prefix_len(page);
    struct cover cover;

    memset(cover.words, 0, (node->size / 64 + 1) * sizeof *cover.words);
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        size_t bytes = cell_size(page, node->size, i);
        struct mn_cell cell;

        if (bytes == 0 && (mn_node_is_leaf(page) || i > 0)) {
            const uint8_t *slot = page + HEADS_AT + 4 * ((size_t)mn_node_count(page) + i);
            bool empty = mn_get_u16(slot + 2) == 0 && !mn_node_is_leaf(page);

            if (!empty) return bad(page, "a cell outside of the heap", i);
        }
        sum += bytes;
        if (bytes > 0) {
            size_t from_end = mn_get_u16(page + HEADS_AT + 4 * ((size_t)mn_node_count(page) + i));

            if (!cover_take(&cover, from_end - bytes, from_end)) {
                return bad(page, "two cells in one place", i);
            }
        }
        cell = mn_node_cell(node, i);
        if (!mn_node_is_leaf(page) && i == 0) {
            if (cell.suffix.len > 0 || cell.tail) return bad(page, "a first key in a branch", i);
            if (mn_get_u16(page + HEADS_AT + 4 * (size_t)mn_node_count(page)) > mn_node_heap(page))
                return bad(page, "a cell outside of the heap", i);
            if (mn_get_u32(page + HEADS_AT) != 0) return bad(page, "a wrong head", i);
            continue;
        }
        if (!cell_is_sound(node, &cell, i)) return bad(page, "a wrong head, key or run", i);
        if (i > (mn_node_is_leaf(page) ? 0u : 1u) && suffix_compare(&before, &cell) >= 0) {
            return bad(page, "keys that do not ascend", i);
        }
        before = cell;
    }
    if (sum + mn_get_u16(page + 30) != mn_node_heap(page))
        return bad(page, "a heap that does not add up", 0);
    return MN_OK;
}

enum mn_status mn_node_validate(const uint8_t *page, uint32_t size, uint8_t kind)
{
    struct mn_node node = {(uint8_t *)(uintptr_t)page, size, NULL};
    size_t entry = kind == MN_PAGE_LEAF ? 8 : 8 + MN_CHILD_BYTES;
    enum mn_status status;

    if (mn_page_kind(page) != kind) return bad(page, "another kind of page", 0);
    if (kind == MN_PAGE_LEAF && mn_page_flags(page) == MN_LEAF_DENSE) {
        return mn_dense_validate(page, size);
    }
    if (kind == MN_PAGE_BRANCH && mn_page_flags(page) == MN_BRANCH_SHORT) {
        status = mn_short_validate(page, size);
        return status == MN_OK ? children_validate(page) : status;
    }
    if (mn_page_flags(page) != 0) return bad(page, "unknown flags", 0);
    if (mn_node_count(page) == 0) return bad(page, "no entries", 0);
    if (MN_PAGE_HEADER + mn_node_count(page) * entry + mn_node_heap(page) > size) {
        return bad(page, "more than a page of entries", 0);
    }
    if (mn_node_prefix_len(page) > mn_node_heap(page))
        return bad(page, "a prefix out of the heap", 0);
    if (kind == MN_PAGE_LEAF && leaf_is_in_order(page, size)) return MN_OK;
    status = cells_validate(&node);
    if (status == MN_OK && kind == MN_PAGE_BRANCH) status = children_validate(page);
    return status;
}
