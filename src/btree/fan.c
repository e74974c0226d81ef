/*
 * fan: the keys behind many prefixes, whose pages are fetched side by side.
 *
 *   lane 0   root -> branch -> leaf        all lanes take a level before any takes the next: while
 *   lane 1   root -> branch -> leaf        one searches its page, the pages of the others are on
 *   lane 2   root -> branch -> leaf        their way from memory
 *
 * A lane is a path like a cursor's, without what a cursor needs to survive changes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "btree/inside.h"

enum { LINE_BYTES = 64, HEAD_LINES = 10, CELL_LINES = 4 };

struct lane {
    struct mn_path path;
    bool on; /* the path ends at the next key to give */
    uint8_t prefix[MN_FAN_PREFIX_MAX];
};

struct mn_fan {
    struct mn_view *view;
    uint64_t tree;
    uint32_t page_size, count;
    size_t prefix_bytes;
    struct lane lanes[MN_FAN_WIDTH];
};

enum mn_status mn_fan_open(struct mn_view *view, uint64_t tree, struct mn_fan **fan)
{
    struct mn_fan *f = mn_alloc(sizeof *f);

    *fan = NULL;
    if (!f) return mn_fail_nomem();
    f->view = view;
    f->tree = tree;
    f->page_size = mn_view_page_size(view);
    f->count = 0;
    *fan = f;
    return MN_OK;
}

void mn_fan_close(struct mn_fan *fan)
{
    mn_dealloc(fan);
}

/* ---- keys of one leaf ---- */

/* The bytes of one key that lie behind a prefix which ends within the leaf's own. */
static void tail_join(const struct mn_node *leaf, struct mn_bytes suffix, size_t from, uint8_t *out)
{
    size_t prefix = mn_node_prefix_len(leaf->page), joined = prefix - from;

    memcpy(out, leaf->page + leaf->size - joined, joined);
    memcpy(out + joined, suffix.data, suffix.len);
}

enum mn_status mn_leaf_tails(const struct mn_node *leaf, uint32_t *index,
                             const struct mn_tail_query *query, struct mn_tails *out)
{
    const uint8_t *page = leaf->page, *heads = page + MN_PAGE_HEADER;
    const uint32_t count = mn_node_count(page);
    const size_t common = mn_node_prefix_len(page), wanted = query->prefix.len;
    const size_t shared = common < wanted ? common : wanted, rest = wanted - shared;
    const size_t suffix_bytes = wanted + query->tail_bytes - common;
    const uint8_t *want = query->prefix.data + shared;
    uint32_t shift = rest >= 4 ? 0 : 32 - 8 * (uint32_t)rest, head = 0;

    out->ended = memcmp(query->prefix.data, page + leaf->size - common, shared) != 0;
    if (out->ended) return MN_OK;
    for (size_t i = 0; i < 4; i++) head = head << 8 | (i < rest ? want[i] : 0);
    for (; *index < count && out->count < out->capacity; ++*index) {
        uint8_t *to = out->bytes + out->count * query->tail_bytes;
        struct mn_bytes suffix, value;

        if (rest > 0 && (mn_get_u32(heads + 4 * (size_t)*index) ^ head) >> shift != 0) {
            out->ended = true;
            return MN_OK;
        }
        if (!mn_node_plain(leaf, *index, &suffix, &value) || suffix.len != suffix_bytes ||
            common > wanted + query->tail_bytes) {
            return mn_fail(MN_CORRUPT, "page %" PRIu64 ": a key that is not of %zu bytes",
                           mn_page_number(page), wanted + query->tail_bytes);
        }
        if (rest > 4 && memcmp(suffix.data + 4, want + 4, rest - 4) != 0) {
            out->ended = true;
            return MN_OK;
        }
        if (common > wanted) {
            tail_join(leaf, suffix, wanted, to);
        } else if (query->tail_bytes == 16) { /* a constant: two registers, no call */
            memcpy(to, suffix.data + rest, 16);
        } else {
            memcpy(to, suffix.data + rest, query->tail_bytes);
        }
        out->count++;
    }
    return MN_OK;
}

/* ---- down, level by level ---- */

/* What a search in this page reads first: header and heads, and the prefix at the end. */
static void page_prefetch(const struct mn_fan *fan, struct mn_ref ref)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)fan->view;
    const uint8_t *at;

    if (ref.page >= front->mapped_pages) return;
    at = front->map + (ref.page << front->page_shift);
    __builtin_prefetch(&front->seen[ref.page]);
    for (size_t i = 0; i < HEAD_LINES; i++) __builtin_prefetch(at + LINE_BYTES * i);
    __builtin_prefetch(at + fan->page_size - LINE_BYTES);
}

/* The cells of the keys from the lane's place on: of keys that came in order one lies below the
 * other. */
static void cells_prefetch(const struct mn_fan *fan, const struct lane *lane)
{
    const struct mn_step *leaf = &lane->path.step[lane->path.depth - 1];
    uint32_t count = mn_node_count(leaf->page);
    const uint8_t *slot = leaf->page + MN_PAGE_HEADER + 4 * ((size_t)count + leaf->index);
    const uint8_t *cell;

    if (leaf->index >= count) return;
    cell = leaf->page + fan->page_size - mn_get_u16(slot);
    for (ptrdiff_t i = 0; i < CELL_LINES; i++) __builtin_prefetch(cell - LINE_BYTES * i);
}

/* One level for one lane: the page is read and searched, and what it leads to is asked for. */
static enum mn_status lane_step(struct mn_fan *fan, struct lane *lane, uint32_t level)
{
    struct mn_step *step = &lane->path.step[level];
    struct mn_node node;
    bool exact;
    enum mn_status status = MN_OK;

    if (level > 0) {
        struct mn_ref ref = mn_node_child(step[-1].page, step[-1].index);
        uint8_t kind = level + 1 == lane->path.depth ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
        const uint8_t *page;

        status = mn_page_read(fan->view, ref, kind, &page);
        if (status != MN_OK) return status;
        *step = (struct mn_step){ref, (uint8_t *)(uintptr_t)page, 0};
    }
    node = (struct mn_node){step->page, fan->page_size, fan->view};
    status =
        mn_node_search(&node, mn_bytes_of(lane->prefix, fan->prefix_bytes), &step->index, &exact);
    if (status != MN_OK) return status;
    if (level + 1 < lane->path.depth) {
        page_prefetch(fan, mn_node_child(step->page, step->index));
    } else {
        const uint8_t *slots = step->page + MN_PAGE_HEADER + 4 * (size_t)mn_node_count(step->page);

        __builtin_prefetch(slots + 4 * (size_t)step->index);
    }
    return MN_OK;
}

enum mn_status mn_fan_seek(struct mn_fan *fan, const uint8_t *prefixes, size_t prefix_bytes,
                           uint32_t count)
{
    struct mn_root root;
    struct mn_path *first = &fan->lanes[0].path;
    enum mn_status status = mn_root_get(fan->view, fan->tree, &root);
    uint32_t depth = 0;

    MN_ASSERT(count <= MN_FAN_WIDTH && prefix_bytes <= MN_FAN_PREFIX_MAX);
    fan->count = 0;
    fan->prefix_bytes = prefix_bytes;
    if (status == MN_OK) status = mn_path_root(first, fan->view, &root);
    if (status == MN_OK) depth = first->depth;
    for (uint32_t i = 0; i < count && status == MN_OK; i++) {
        struct lane *lane = &fan->lanes[i];

        lane->path.view = fan->view;
        lane->path.depth = depth;
        if (depth > 0) lane->path.step[0] = first->step[0];
        memcpy(lane->prefix, prefixes + prefix_bytes * i, prefix_bytes);
        lane->on = depth > 0;
    }
    for (uint32_t level = 0; level < depth; level++) {
        for (uint32_t i = 0; i < count && status == MN_OK; i++) {
            status = lane_step(fan, &fan->lanes[i], level);
        }
    }
    if (status != MN_OK) return status;
    for (uint32_t i = 0; i < count && depth > 0; i++) cells_prefetch(fan, &fan->lanes[i]);
    fan->count = count;
    return MN_OK;
}

/* ---- along ---- */

/* From behind the last key of a leaf to the first of the next. */
static enum mn_status leaf_next(struct lane *lane)
{
    struct mn_path *path = &lane->path;
    uint32_t level = path->depth - 1;

    while (level-- > 0) {
        if (path->step[level].index + 1 >= mn_node_count(path->step[level].page)) continue;
        path->step[level].index++;
        for (; level + 1 < path->depth; level++) {
            enum mn_status status = mn_path_down(path, level);

            if (status != MN_OK) return status;
        }
        return MN_OK;
    }
    lane->on = false;
    return MN_OK;
}

enum mn_status mn_fan_next(struct mn_fan *fan, uint32_t index, struct mn_tails *out)
{
    struct lane *lane = &fan->lanes[index];
    const struct mn_tail_query query = {{lane->prefix, fan->prefix_bytes}, out->tail_bytes};
    enum mn_status status = MN_OK;

    MN_ASSERT(index < fan->count);
    out->count = 0;
    while (lane->on && out->count < out->capacity && status == MN_OK) {
        struct mn_step *step = &lane->path.step[lane->path.depth - 1];
        struct mn_node leaf = {step->page, fan->page_size, fan->view};

        if (step->index >= mn_node_count(step->page)) {
            status = leaf_next(lane);
            continue;
        }
        status = mn_leaf_tails(&leaf, &step->index, &query, out);
        if (out->ended) lane->on = false;
    }
    return status;
}
