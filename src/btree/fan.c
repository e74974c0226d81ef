/*
 * fan: the keys behind many prefixes, whose pages are fetched side by side.
 *
 *   lane 0   root -> branch -> leaf        all lanes take a level of branches before any takes the
 *   lane 1   root -> branch -> leaf        next: while one searches its page, the pages of the
 *   lane 2   root -> branch -> leaf        others are on their way from memory
 *
 * A seek ends with the leaves asked for. They are searched, and the cells asked for, when the lanes
 * are read, some lanes before their turn: so a caller who seeks with a second fan before he reads
 * the first waits for neither.
 *
 * A lane is a path like a cursor's, without what a cursor needs to survive changes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "btree/inside.h"

enum { LINE_BYTES = 64, HEAD_LINES = 10, CELLS_ASKED = 16, LANES_AHEAD = 4 };

struct lane {
    struct mn_path path;
    bool on; /* the path ends at the next key to give */
    uint8_t prefix[MN_FAN_PREFIX_MAX];
};

struct mn_fan {
    struct mn_view *view;
    uint64_t tree;
    uint32_t page_size, count;
    uint32_t depth;    /* of the tree */
    uint32_t searched; /* lanes that have found their place in the leaf */
    uint32_t asked;    /* lanes whose cells were asked for */
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

/* A prefix in one leaf: what of it lies in the leaf's own prefix, and what in the keys. */
struct leaf_prefix {
    size_t common;       /* bytes of the leaf's prefix */
    size_t rest;         /* of the wanted prefix behind that */
    size_t suffix_bytes; /* of a key of the right length */
    const uint8_t *want; /* the rest */
};

static inline const uint8_t *slot_of(const struct mn_node *leaf, uint32_t index)
{
    return leaf->page + MN_PAGE_HEADER + 4 * ((size_t)mn_node_count(leaf->page) + index);
}

/* memcmp reads 32 bytes where it can, and at the end of a page that costs a look at the next. */
static inline bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
    for (; length >= 8; a += 8, b += 8, length -= 8) {
        if (mn_get_u64(a) != mn_get_u64(b)) return false;
    }
    if (length >= 4) {
        return mn_get_u32(a) == mn_get_u32(b) &&
               mn_get_u32(a + length - 4) == mn_get_u32(b + length - 4);
    }
    for (; length > 0; a++, b++, length--) {
        if (*a != *b) return false;
    }
    return true;
}

static enum mn_status refuse_length(const struct mn_node *leaf, const struct mn_tail_query *query)
{
    return mn_fail(MN_CORRUPT, "page %" PRIu64 ": a key that is not of %zu bytes",
                   mn_page_number(leaf->page), query->prefix.len + query->tail_bytes);
}

/* How many of the entries [first, first + most) begin with the rest of the prefix, by their heads:
 * all of it, where it is no longer than a head. */
static uint32_t heads_equal(const struct mn_node *leaf, const struct leaf_prefix *at,
                            uint32_t first, uint32_t most)
{
    const uint8_t *heads = leaf->page + MN_PAGE_HEADER + 4 * (size_t)first;
    uint32_t shift = at->rest >= 4 ? 0 : 32 - 8 * (uint32_t)at->rest, head = 0, n = 0;

    if (at->rest == 0) return most;
    for (size_t i = 0; i < 4; i++) head = head << 8 | (i < at->rest ? at->want[i] : 0);
    while (n < most && (mn_get_u32(heads + 4 * (size_t)n) ^ head) >> shift == 0) n++;
    return n;
}

/* The same for all of a longer rest. */
static uint32_t rests_equal(const struct mn_node *leaf, const struct leaf_prefix *at,
                            uint32_t first, uint32_t most)
{
    uint32_t n = 0;

    for (; n < most; n++) {
        const uint8_t *slot = slot_of(leaf, first + n);
        const uint8_t *suffix = leaf->page + leaf->size - mn_get_u16(slot);

        if (mn_get_u16(slot + 2) != at->suffix_bytes) return n + 1; /* to be refused */
        if (!bytes_equal(suffix + 4, at->want + 4, at->rest - 4)) break;
    }
    return n;
}

/* The kept bytes of a key whose leaf's prefix reaches beyond the wanted one. */
static void tail_join(const struct mn_node *leaf, const uint8_t *suffix, size_t joined,
                      struct mn_bytes into)
{
    size_t first = joined < into.len ? joined : into.len;
    uint8_t *to = (uint8_t *)(uintptr_t)into.data;

    memcpy(to, leaf->page + leaf->size - joined, first);
    memcpy(to + first, suffix, into.len - first);
}

/* Copies the tails of `count` entries; false: one of them is of another length. */
static inline bool tails_copy(const struct mn_node *leaf, uint32_t first, uint32_t count,
                              const struct leaf_prefix *at, size_t kept, uint8_t *to)
{
    const uint8_t *slot = slot_of(leaf, first), *end = leaf->page + leaf->size;

    for (uint32_t i = 0; i < count; i++, slot += 4, to += kept) {
        if (mn_get_u16(slot + 2) != at->suffix_bytes) return false;
        memcpy(to, end - mn_get_u16(slot) + at->rest, kept);
    }
    return true;
}

static bool tails_join(const struct mn_node *leaf, uint32_t first, uint32_t count,
                       const struct leaf_prefix *at, const struct mn_tail_query *query, uint8_t *to)
{
    size_t joined = at->common - query->prefix.len, kept = query->kept_bytes;

    for (uint32_t i = 0; i < count; i++, to += kept) {
        const uint8_t *slot = slot_of(leaf, first + i);

        if (mn_get_u16(slot + 2) != at->suffix_bytes) return false;
        tail_join(leaf, leaf->page + leaf->size - mn_get_u16(slot), joined, mn_bytes_of(to, kept));
    }
    return true;
}

enum mn_status mn_leaf_tails(const struct mn_node *leaf, uint32_t *index,
                             const struct mn_tail_query *query, struct mn_tails *out)
{
    const size_t common = mn_node_prefix_len(leaf->page), wanted = query->prefix.len;
    const size_t shared = common < wanted ? common : wanted, kept = query->kept_bytes;
    const struct leaf_prefix at = {common, wanted - shared, wanted + query->tail_bytes - common,
                                   query->prefix.data + shared};
    const uint32_t left = mn_node_count(leaf->page) - *index;
    const uint32_t most =
        left < out->capacity - out->count ? left : (uint32_t)(out->capacity - out->count);
    uint8_t *to = out->bytes + out->count * kept;
    uint32_t count;
    bool right;

    if (mn_node_is_dense(leaf->page)) return refuse_length(leaf, query);
    out->ended = !bytes_equal(query->prefix.data, leaf->page + leaf->size - common, shared);
    if (out->ended) return MN_OK;
    count = heads_equal(leaf, &at, *index, most);
    if (at.rest > 4) count = rests_equal(leaf, &at, *index, count);
    if (common > wanted + query->tail_bytes && count > 0) return refuse_length(leaf, query);
    if (common > wanted) {
        right = tails_join(leaf, *index, count, &at, query, to);
    } else if (kept == 16) { /* constants: registers, no call */
        right = tails_copy(leaf, *index, count, &at, 16, to);
    } else if (kept == 8) {
        right = tails_copy(leaf, *index, count, &at, 8, to);
    } else {
        right = tails_copy(leaf, *index, count, &at, kept, to);
    }
    if (!right) return refuse_length(leaf, query);
    out->ended = count < most;
    out->count += count;
    *index += count;
    return MN_OK;
}

/* ---- down, level by level ---- */

/*
 * Asks for a line of a page's arrays, into the second cache: pages lie at the same place of the
 * first one, which has room there for eight, and those of later lanes would drive out those of
 * earlier ones before they are read.
 */
static inline void line_ask(const uint8_t *at)
{
    __builtin_prefetch(at, 0, 2);
}

/* What a search in this page reads first: header and heads, and the prefix at the end. */
static void page_ask(const struct mn_fan *fan, struct mn_ref ref)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)fan->view;
    const uint8_t *at;

    if (ref.page >= front->mapped_pages) return;
    at = front->map + (ref.page << front->page_shift);
    line_ask(&front->seen[ref.page]);
    for (size_t i = 0; i < HEAD_LINES; i++) line_ask(at + LINE_BYTES * i);
    line_ask(at + fan->page_size - LINE_BYTES);
}

/* The cells of the lane's next keys. */
static void cells_ask(const struct mn_fan *fan, const struct lane *lane)
{
    const struct mn_step *step = &lane->path.step[lane->path.depth - 1];
    struct mn_node leaf = {step->page, fan->page_size, fan->view};
    size_t common = mn_node_prefix_len(leaf.page), bytes = fan->prefix_bytes;
    struct leaf_prefix at = {0};
    uint32_t left = mn_node_count(leaf.page) - step->index, count;

    if (mn_node_is_dense(leaf.page)) return; /* whoever reads it is told */
    at.rest = common < bytes ? bytes - common : 0;
    at.want = lane->prefix + bytes - at.rest;
    count = heads_equal(&leaf, &at, step->index, left < CELLS_ASKED ? left : CELLS_ASKED);
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(leaf.page + leaf.size - mn_get_u16(slot_of(&leaf, step->index + i)));
    }
}

/* The lane's place in its page of that level. */
static inline enum mn_status lane_search(struct mn_fan *fan, struct lane *lane, uint32_t level)
{
    struct mn_step *step = &lane->path.step[level];
    struct mn_node node = {step->page, fan->page_size, fan->view};
    bool exact;

    return mn_node_search(&node, mn_bytes_of(lane->prefix, fan->prefix_bytes), &step->index,
                          &exact);
}

static inline enum mn_status lane_read(struct mn_fan *fan, struct lane *lane, uint32_t level)
{
    struct mn_step *step = &lane->path.step[level];
    uint8_t kind = level + 1 == fan->depth ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    const uint8_t *page = NULL;
    enum mn_status status = mn_page_read(fan->view, step->ref, kind, &page);

    step->page = (uint8_t *)(uintptr_t)page;
    return status;
}

/* One level of branches for all lanes: in each what they ask for is used by the next loop only. */
static enum mn_status level_down(struct mn_fan *fan, uint32_t count, uint32_t level)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < count && status == MN_OK; i++) {
        struct mn_step *step = &fan->lanes[i].path.step[level];
        const uint8_t *child;

        if (level > 0) status = lane_read(fan, &fan->lanes[i], level);
        if (status == MN_OK) status = lane_search(fan, &fan->lanes[i], level);
        if (status != MN_OK) return status;
        child = mn_node_child_at(step->page, step->index);
        __builtin_prefetch(child);
        __builtin_prefetch(child + MN_REF_BYTES - 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct mn_step *step = &fan->lanes[i].path.step[level];

        step[1].ref = mn_node_child(step->page, step->index);
        page_ask(fan, step[1].ref);
    }
    return status;
}

enum mn_status mn_fan_seek(struct mn_fan *fan, const uint8_t *prefixes, size_t prefix_bytes,
                           uint32_t count)
{
    struct mn_root root;
    struct mn_path *first = &fan->lanes[0].path;
    enum mn_status status = mn_root_get(fan->view, fan->tree, &root);

    MN_ASSERT(count <= MN_FAN_WIDTH && prefix_bytes <= MN_FAN_PREFIX_MAX);
    fan->count = fan->searched = fan->asked = 0;
    fan->prefix_bytes = prefix_bytes;
    if (status == MN_OK) status = mn_path_root(first, fan->view, &root);
    if (status != MN_OK) return status;
    fan->depth = first->depth;
    for (uint32_t i = 0; i < count; i++) {
        struct lane *lane = &fan->lanes[i];

        lane->path.view = fan->view;
        lane->path.depth = fan->depth;
        if (fan->depth > 0) lane->path.step[0] = first->step[0];
        memcpy(lane->prefix, prefixes + prefix_bytes * i, prefix_bytes);
        lane->on = fan->depth > 0;
    }
    for (uint32_t level = 0; level + 1 < fan->depth && status == MN_OK; level++) {
        status = level_down(fan, count, level);
    }
    if (status == MN_OK) fan->count = count;
    return status;
}

/* The lane's place in the leaf; the slots from there on are asked for. */
static enum mn_status leaf_find(struct mn_fan *fan, struct lane *lane)
{
    const struct mn_step *step = &lane->path.step[fan->depth - 1];
    enum mn_status status = fan->depth > 1 ? lane_read(fan, lane, fan->depth - 1) : MN_OK;
    const uint8_t *slot;

    if (status == MN_OK) status = lane_search(fan, lane, fan->depth - 1);
    if (status != MN_OK) return status;
    slot = step->page + MN_PAGE_HEADER + 4 * ((size_t)mn_node_count(step->page) + step->index);
    __builtin_prefetch(slot);
    __builtin_prefetch(slot + 4 * CELLS_ASKED / 2);
    return MN_OK;
}

/* Leaves are searched, and cells asked for, some lanes before their turn. */
static enum mn_status look_ahead(struct mn_fan *fan, uint32_t index)
{
    enum mn_status status = MN_OK;

    if (fan->depth == 0) return MN_OK;
    while (fan->searched < fan->count && fan->searched <= index + 2 * LANES_AHEAD) {
        status = leaf_find(fan, &fan->lanes[fan->searched]);
        if (status != MN_OK) return status;
        fan->searched++;
    }
    for (; fan->asked < fan->searched && fan->asked <= index + LANES_AHEAD; fan->asked++) {
        cells_ask(fan, &fan->lanes[fan->asked]);
    }
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

static enum mn_status lane_next(struct mn_fan *fan, uint32_t index, size_t kept_bytes,
                                struct mn_tails *out)
{
    struct lane *lane = &fan->lanes[index];
    const struct mn_tail_query query = {
        {lane->prefix, fan->prefix_bytes}, out->tail_bytes, kept_bytes};
    enum mn_status status = MN_OK;

    MN_ASSERT(index < fan->count);
    out->count = 0;
    status = look_ahead(fan, index);
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

enum mn_status mn_fan_next(struct mn_fan *fan, uint32_t index, struct mn_tails *out)
{
    return lane_next(fan, index, out->tail_bytes, out);
}

enum mn_status mn_fan_next_words(struct mn_fan *fan, uint32_t index, struct mn_tails *out)
{
    MN_ASSERT(out->tail_bytes >= 8);
    return lane_next(fan, index, 8, out);
}
