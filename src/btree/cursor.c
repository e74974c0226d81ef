/*
 * cursor: a place in a tree, and its neighbours.
 *
 * The place is a path of pages and indexes. In a view that only reads it stays true for ever. In a
 * writer's view the tree may change under it: the cursor keeps the key it stands on, sees by the
 * tree's count of changes that the path is stale, and finds its place again by the key.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "btree/inside.h"

enum { KEY_ROOM = 128, KEY_SLACK = 8 };

struct mn_cursor {
    struct mn_view *view;
    uint64_t tree, changes;
    struct mn_root root;
    struct mn_path path;
    uint32_t page_size;
    bool placed;   /* the path ends at an entry */
    bool writable; /* the key under the cursor is kept */
    bool key_known;
    bool walks;                 /* it has come from one leaf to the next */
    const uint8_t *prefix_page; /* a reader's: the leaf whose prefix `key` begins with; or NULL */
    size_t key_len, key_capacity;
    uint8_t *key; /* room, or from the heap */
    uint8_t room[KEY_ROOM];
};

enum mn_status mn_cursor_open(struct mn_view *view, uint64_t tree, struct mn_cursor **cursor)
{
    struct mn_cursor *c = mn_alloc(sizeof *c);
    enum mn_status status;

    *cursor = NULL;
    if (!c) return mn_fail_nomem();
    c->view = view;
    c->tree = tree;
    c->changes = 0;
    c->placed = c->key_known = c->walks = false;
    c->prefix_page = NULL;
    c->writable = mn_view_writable(view);
    c->page_size = mn_view_page_size(view);
    c->key = c->room;
    c->key_len = 0;
    c->key_capacity = sizeof c->room;
    status = mn_root_get(view, tree, &c->root);
    if (status != MN_OK) {
        mn_dealloc(c);
        return status;
    }
    *cursor = c;
    return MN_OK;
}

void mn_cursor_close(struct mn_cursor *cursor)
{
    if (!cursor) return;
    if (cursor->key != cursor->room) mn_dealloc(cursor->key);
    mn_dealloc(cursor);
}

/* -- the key under the cursor ------------------------------------------------------------------ */

static enum mn_status key_reserve(struct mn_cursor *c, size_t length)
{
    uint8_t *grown;

    c->prefix_page = NULL;
    if (length <= c->key_capacity) return MN_OK;
    grown = mn_alloc(length);
    if (!grown) return mn_fail_nomem();
    if (c->key != c->room) mn_dealloc(c->key);
    c->key = grown;
    c->key_capacity = length;
    return MN_OK;
}

static struct mn_cell cell_under(const struct mn_cursor *c)
{
    struct mn_node leaf = mn_path_node(&c->path, c->path.depth - 1);

    return mn_node_cell(&leaf, c->path.step[c->path.depth - 1].index);
}

static enum mn_status key_keep(struct mn_cursor *c)
{
    struct mn_node leaf = mn_path_node(&c->path, c->path.depth - 1);
    struct mn_cell cell = cell_under(c);
    size_t length = mn_cell_key_len(&cell);
    enum mn_status status = key_reserve(c, length);

    if (status == MN_OK) status = mn_cell_key_copy(&leaf, &cell, c->key);
    c->key_known = status == MN_OK;
    c->key_len = length;
    return status;
}

/* The cursor has come to an entry, or to none. */
static enum mn_status arrive(struct mn_cursor *c, bool placed, bool *found)
{
    c->placed = placed;
    c->key_known = false;
    *found = placed;
    return placed && c->writable ? key_keep(c) : MN_OK;
}

/* -- moving over pages ------------------------------------------------------------------------- */

/* From the child that step[level].index names down to the first or last entry below it. */
static enum mn_status descend(struct mn_cursor *c, uint32_t level, bool last)
{
    for (; level + 1 < c->path.depth; level++) {
        struct mn_step *below = &c->path.step[level + 1];
        enum mn_status status = mn_path_down(&c->path, level);

        if (status != MN_OK) return status;
        below->index = last ? mn_node_count(below->page) - 1 : 0;
    }
    return MN_OK;
}

/* A walk will come to the next leaf soon. One that is longer than a leaf reads all of it, so the
 * memory is asked for all of it while this leaf is read. It has just left a leaf for another, so
 * there is a branch above. */
static void neighbour_prefetch(struct mn_cursor *c)
{
    const struct mn_step *parent = &c->path.step[c->path.depth - 2];
    struct mn_ref next;

    if (parent->index + 1 >= mn_node_count(parent->page)) return;
    next = mn_node_child(parent->page, parent->index + 1);
    if (c->walks) {
        mn_page_prefetch_whole(c->view, next);
    } else {
        mn_page_prefetch(c->view, next);
    }
    c->walks = true;
}

static enum mn_status step_forward(struct mn_cursor *c, bool *found)
{
    for (uint32_t level = c->path.depth; level-- > 0;) {
        struct mn_step *step = &c->path.step[level];
        enum mn_status status;

        if (step->index + 1 >= mn_node_count(step->page)) continue;
        step->index++;
        /* Before this one is read, which may be to verify all of it; unless the parent comes first.
         */
        if (level + 2 == c->path.depth) neighbour_prefetch(c);
        status = descend(c, level, false);
        if (level + 2 < c->path.depth) neighbour_prefetch(c);
        return status == MN_OK ? arrive(c, true, found) : status;
    }
    return arrive(c, false, found);
}

static enum mn_status step_back(struct mn_cursor *c, bool *found)
{
    for (uint32_t level = c->path.depth; level-- > 0;) {
        struct mn_step *step = &c->path.step[level];
        enum mn_status status;

        if (step->index == 0) continue;
        step->index--;
        status = descend(c, level, true);
        return status == MN_OK ? arrive(c, true, found) : status;
    }
    return arrive(c, false, found);
}

static enum mn_status start(struct mn_cursor *c)
{
    enum mn_status status = MN_OK;

    c->placed = c->walks = false;
    if (c->writable) {
        c->changes = mn_tree_changes(c->view, c->tree);
        status = mn_root_get(c->view, c->tree, &c->root);
    }
    return status == MN_OK ? mn_path_root(&c->path, c->view, &c->root) : status;
}

static enum mn_status end_find(struct mn_cursor *c, bool last, bool *found)
{
    enum mn_status status = start(c);

    *found = false;
    if (status != MN_OK || c->path.depth == 0) return status;
    c->path.step[0].index = last ? mn_node_count(c->path.step[0].page) - 1 : 0;
    status = descend(c, 0, last);
    return status == MN_OK ? arrive(c, true, found) : status;
}

enum mn_status mn_cursor_first(struct mn_cursor *cursor, bool *found)
{
    return end_find(cursor, false, found);
}

enum mn_status mn_cursor_last(struct mn_cursor *cursor, bool *found)
{
    return end_find(cursor, true, found);
}

enum mn_status mn_cursor_seek(struct mn_cursor *cursor, struct mn_bytes key, enum mn_seek how,
                              bool *found)
{
    struct mn_step *leaf;
    bool exact, there;
    enum mn_status status = start(cursor);

    *found = false;
    if (status != MN_OK || cursor->path.depth == 0) return status;
    status = mn_path_find(&cursor->path, key, &exact);
    if (status != MN_OK) return status;
    leaf = &cursor->path.step[cursor->path.depth - 1];
    if (how == MN_SEEK_LT || (how == MN_SEEK_LE && !exact)) return step_back(cursor, found);
    if (how == MN_SEEK_GT && exact) return step_forward(cursor, found);
    there = leaf->index < mn_node_count(leaf->page);
    if (there) return arrive(cursor, true, found);
    leaf->index = mn_node_count(leaf->page) - 1;
    return step_forward(cursor, found);
}

/* A few entries ahead in the leaf, by their heads alone; false where those do not decide. */
static bool near_by_heads(struct mn_step *step, uint32_t page_size, struct mn_bytes key)
{
    enum { STEPS = 6, HEAD_BYTES = 4 };
    size_t prefix = mn_node_prefix_len(step->page);
    const uint8_t *heads = step->page + MN_PAGE_HEADER;
    uint32_t want = 0, count = mn_node_count(step->page);

    if (key.len < prefix || mn_node_is_dense(step->page)) return false;
    if (memcmp(key.data, step->page + page_size - prefix, prefix) != 0) return false;
    for (size_t i = prefix; i < prefix + HEAD_BYTES; i++) {
        want = want << 8 | (i < key.len ? key.data[i] : 0);
    }
    if (mn_get_u32(heads + HEAD_BYTES * (size_t)step->index) >= want) return false;
    for (uint32_t i = step->index; i + 1 < count && i < step->index + STEPS; i++) {
        uint32_t head = mn_get_u32(heads + HEAD_BYTES * (size_t)(i + 1));

        if (head == want) return false;
        if (head < want) continue;
        step->index = i;
        return true;
    }
    return false;
}

enum mn_status mn_cursor_seek_near(struct mn_cursor *cursor, struct mn_bytes key, bool *found)
{
    if (cursor->placed && !cursor->writable) {
        struct mn_step *step = &cursor->path.step[cursor->path.depth - 1];
        struct mn_node leaf = {step->page, cursor->page_size, cursor->view};
        uint32_t index;
        bool exact;

        if (near_by_heads(step, cursor->page_size, key)) return arrive(cursor, true, found);
        enum mn_status status = mn_node_search(&leaf, key, &index, &exact);
        if (status != MN_OK) return status;
        /* before the first key or behind the last, another leaf may have the answer */
        if (exact || (index > 0 && index < mn_node_count(step->page))) {
            step->index = exact ? index : index - 1;
            return arrive(cursor, true, found);
        }
    }
    return mn_cursor_seek(cursor, key, MN_SEEK_LE, found);
}

/* A stale path is thrown away and the place found again by the key. */
static bool is_stale(const struct mn_cursor *c)
{
    return c->writable && c->changes != mn_tree_changes(c->view, c->tree);
}

/* The key lies in the cursor's own buffer, which the seek may overwrite only after it was used. */
static enum mn_status seek_again(struct mn_cursor *c, enum mn_seek how, bool *found)
{
    return mn_cursor_seek(c, mn_bytes_of(c->key, c->key_len), how, found);
}

enum mn_status mn_cursor_next(struct mn_cursor *cursor, bool *found)
{
    struct mn_step *leaf;

    *found = false;
    if (!cursor->placed) return MN_OK;
    if (is_stale(cursor)) return seek_again(cursor, MN_SEEK_GT, found);
    leaf = &cursor->path.step[cursor->path.depth - 1];
    if (leaf->index + 1 < mn_node_count(leaf->page)) {
        leaf->index++;
        if (cursor->writable) return arrive(cursor, true, found);
        cursor->key_known = false;
        *found = true;
        return MN_OK;
    }
    return step_forward(cursor, found);
}

enum mn_status mn_cursor_prev(struct mn_cursor *cursor, bool *found)
{
    *found = false;
    if (!cursor->placed) return MN_OK;
    if (is_stale(cursor)) return seek_again(cursor, MN_SEEK_LT, found);
    return step_back(cursor, found);
}

enum mn_status mn_cursor_nth(struct mn_cursor *cursor, uint64_t index, bool *found)
{
    enum mn_status status = start(cursor);

    *found = false;
    if (status != MN_OK || index >= cursor->root.entries) return status;
    for (uint32_t level = 0; level < cursor->path.depth; level++) {
        struct mn_step *step = &cursor->path.step[level];
        uint32_t count = mn_node_count(step->page), i = 0;

        if (level + 1 == cursor->path.depth) {
            if (index < count) {
                step->index = (uint32_t)index;
                return arrive(cursor, true, found);
            }
            break;
        }
        while (i < count && index >= mn_node_child_entries(step->page, i)) {
            index -= mn_node_child_entries(step->page, i++);
        }
        if (i == count) break;
        step->index = i;
        status = mn_path_down(&cursor->path, level);
        if (status != MN_OK) return status;
    }
    return mn_fail(MN_CORRUPT, "tree %" PRIu64 ": the counts in its branches do not add up",
                   cursor->tree);
}

/*
 * The whole key of an entry without a tail. Most leaves have a prefix, so a key must be joined; a
 * reader copies the prefix once a leaf.
 */
static enum mn_status key_join(struct mn_cursor *c, const struct mn_node *leaf,
                               struct mn_bytes suffix, struct mn_bytes *key)
{
    size_t prefix = mn_node_prefix_len(leaf->page);

    if (prefix == 0) {
        *key = suffix;
        return MN_OK;
    }
    if (c->prefix_page != leaf->page) {
        enum mn_status status = key_reserve(c, mn_node_inline_max(leaf->size) + KEY_SLACK);

        if (status != MN_OK) return status;
        memcpy(c->key, leaf->page + leaf->size - prefix, prefix);
        c->prefix_page = leaf->page;
    }
    if (suffix.len <= KEY_SLACK && suffix.data + KEY_SLACK <= leaf->page + leaf->size) {
        memcpy(c->key + prefix, suffix.data, KEY_SLACK);
    } else {
        memcpy(c->key + prefix, suffix.data, suffix.len);
    }
    *key = mn_bytes_of(c->key, prefix + suffix.len);
    return MN_OK;
}

/* Any entry: with a tail, with a run, or under a writer's cursor, which knows its key. */
static enum mn_status item_read(struct mn_cursor *c, struct mn_item *item)
{
    struct mn_cell cell = cell_under(c);
    enum mn_status status = c->key_known ? MN_OK : key_keep(c);

    item->key = mn_bytes_of(c->key, c->key_len);
    if (status == MN_OK) status = mn_cell_read(c->view, &cell, &item->value, &item->run);
    if (status == MN_OK && item->value.len == 0 && item->run.len > 0) {
        item->value = item->run;
        item->run = mn_bytes_of(NULL, 0);
    }
    return status;
}

enum mn_status mn_cursor_item(struct mn_cursor *cursor, struct mn_item *item)
{
    struct mn_bytes suffix;
    struct mn_run_entry entry;

    *item = (struct mn_item){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!cursor->placed) return mn_fail(MN_MISUSE, "the cursor stands on no entry");
    if (is_stale(cursor)) {
        bool found;
        enum mn_status status = seek_again(cursor, MN_SEEK_GE, &found);

        if (status != MN_OK) return status;
        if (!found) return mn_fail(MN_MISUSE, "the entry under the cursor is gone");
    }
    if (!cursor->key_known) {
        struct mn_node leaf = {cursor->path.step[cursor->path.depth - 1].page, cursor->page_size,
                               cursor->view};

        if (mn_node_plain(&leaf, cursor->path.step[cursor->path.depth - 1].index, &suffix,
                          &item->value)) {
            return key_join(cursor, &leaf, suffix, &item->key);
        }
        /* What a slab of vectors is. */
        if (mn_node_entry_run(&leaf, cursor->path.step[cursor->path.depth - 1].index, &entry) &&
            entry.value.len > 0) {
            enum mn_status status = key_join(cursor, &leaf, entry.suffix, &item->key);

            if (status == MN_OK) status = mn_run_read(cursor->view, &entry.run, &item->run.data);
            item->value = entry.value;
            item->run.len = entry.run.size_bytes;
            return status;
        }
    }
    return item_read(cursor, item);
}

enum mn_status mn_cursor_key(struct mn_cursor *cursor, struct mn_bytes *key)
{
    struct mn_item item;

    if (cursor->placed && !cursor->writable && !cursor->key_known) {
        struct mn_step *step = &cursor->path.step[cursor->path.depth - 1];
        struct mn_node leaf = {step->page, cursor->page_size, cursor->view};
        struct mn_bytes suffix;

        if (mn_node_suffix(&leaf, step->index, &suffix)) {
            return key_join(cursor, &leaf, suffix, key);
        }
    }
    enum mn_status status = mn_cursor_item(cursor, &item);
    *key = item.key;
    return status;
}

enum mn_status mn_cursor_tails(struct mn_cursor *cursor, struct mn_bytes prefix,
                               struct mn_tails *out)
{
    const struct mn_tail_query query = {prefix, out->tail_bytes, out->tail_bytes};
    enum mn_status status = MN_OK;
    bool found = cursor->placed;

    out->count = 0;
    out->ended = !cursor->placed;
    if (cursor->placed && is_stale(cursor)) status = seek_again(cursor, MN_SEEK_GE, &found);
    while (status == MN_OK && found && !out->ended && out->count < out->capacity) {
        struct mn_step *step = &cursor->path.step[cursor->path.depth - 1];
        struct mn_node leaf = {step->page, cursor->page_size, cursor->view};

        status = mn_leaf_tails(&leaf, &step->index, &query, out);
        if (status != MN_OK || out->ended) break;
        if (step->index < mn_node_count(step->page)) break;
        step->index--; /* on the leaf's last key, whence a step leads to the next leaf */
        status = step_forward(cursor, &found);
    }
    if (status != MN_OK) return status;
    cursor->key_known = false;
    return found && cursor->writable ? key_keep(cursor) : MN_OK;
}

/* -- many entries ------------------------------------------------------------------------------ */

enum { WIDE_KEY_BYTES = 8 };

/* The prefix of a leaf at the top of a key. */
static uint64_t wide_prefix(const struct mn_node *leaf, size_t length)
{
    uint64_t high = 0;

    for (size_t i = 0; i < length; i++) {
        high |= (uint64_t)leaf->page[leaf->size - length + i] << (56 - 8 * i);
    }
    return high;
}

/* The entries of a dense leaf from `index` on, as far as they have no runs. */
static size_t wide_dense(const struct mn_node *leaf, uint32_t index, uint64_t high,
                         struct mn_wide *entries, size_t capacity)
{
    uint32_t count = mn_node_count(leaf->page);
    size_t width = MN_DENSE_KEY_BYTES - mn_node_prefix_len(leaf->page), n = 0, above;
    const uint8_t *end = leaf->page + leaf->size, *suffix = leaf->page + MN_PAGE_HEADER;
    const uint8_t *slots = suffix + width * count;

    if (capacity > count - index) capacity = count - index;
    above = (size_t)(end - mn_dense_cell_at(leaf, index).end);
    suffix += width * index;
    for (; n < capacity; n++, suffix += width) {
        size_t from_end = mn_get_u16(slots + 2 * (index + n));
        uint64_t low = width == 2 ? (uint64_t)suffix[0] << 8 | suffix[1] : width ? suffix[0] : 0;

        if (from_end & MN_DENSE_RUN) break;
        entries[n].number = (int64_t)(high ^ low);
        entries[n].value = mn_bytes_of(end - from_end, from_end - above);
        above = from_end;
    }
    return n;
}

void mn_cursor_wide(struct mn_cursor *cursor, struct mn_wide *entries, size_t capacity,
                    size_t *count)
{
    *count = 0;
    if (!cursor->placed || cursor->writable) return; /* nowhere there is no leaf to look at */

    struct mn_step *step = &cursor->path.step[cursor->path.depth - 1];
    struct mn_node leaf = {step->page, cursor->page_size, cursor->view};
    size_t prefix = mn_node_prefix_len(leaf.page), want = WIDE_KEY_BYTES - prefix, n = 0;
    uint32_t end = mn_node_count(leaf.page), index = step->index;
    const uint8_t *slots = leaf.page + MN_PAGE_HEADER + 4 * (size_t)end;
    bool dense = mn_node_is_dense(leaf.page);
    uint64_t high;

    if (prefix >= WIDE_KEY_BYTES && !dense) return;
    high = wide_prefix(&leaf, prefix) ^ UINT64_C(1) << 63;
    if (dense) n = wide_dense(&leaf, index, high, entries, capacity);
    for (; !dense && n < capacity && index < end; n++, index++) {
        uint32_t slot = mn_get_u32(slots + 4 * (size_t)index);
        const uint8_t *at = leaf.page + leaf.size - (slot & 0xFFFF);

        /* The length has flags for tails and runs above it. The prefix lies behind every cell, so 8
         * bytes from the suffix on are inside the page. */
        if (slot >> 16 != want) break;
        entries[n].number = (int64_t)(high ^ mn_get_u64_be(at) >> (8 * prefix));
        entries[n].value = mn_bytes_of(at + want + 2, mn_get_u16(at + want));
    }
    if (n == 0) return;
    step->index += (uint32_t)n - 1;
    cursor->key_known = false;
    *count = n;
}

/* The last 8 bytes of a key, or a value of 8 bytes; false: the entry is another. */
static bool end_read(const struct mn_node *leaf, uint32_t index, bool of_values, uint64_t *word)
{
    struct mn_bytes suffix, value;
    uint8_t joined[8];
    size_t before;

    if (!mn_node_plain(leaf, index, &suffix, &value)) return false;
    if (of_values) {
        if (value.len != sizeof joined) return false;
        *word = mn_get_u64_be(value.data);
        return true;
    }
    if (suffix.len >= sizeof joined) {
        *word = mn_get_u64_be(suffix.data + suffix.len - sizeof joined);
        return true;
    }
    before = sizeof joined - suffix.len;
    if (mn_node_prefix_len(leaf->page) < before) return false;
    memcpy(joined, leaf->page + leaf->size - before, before);
    memcpy(joined + before, suffix.data, suffix.len);
    *word = mn_get_u64_be(joined);
    return true;
}

/* The cells of two entries, and what lies between them, are read soon. */
static void cells_ask(const struct mn_node *leaf, uint32_t one, uint32_t other)
{
    enum { LINE_BYTES = 64 };
    uint32_t low = one < other ? one : other, high = one < other ? other : one;
    const uint8_t *slots = leaf->page + MN_PAGE_HEADER + 4 * (size_t)mn_node_count(leaf->page);
    const uint8_t *from = leaf->page + leaf->size - mn_get_u16(slots + 4 * (size_t)high);
    const uint8_t *end = leaf->page + leaf->size - mn_get_u16(slots + 4 * (size_t)low);

    for (; from <= end; from += LINE_BYTES) __builtin_prefetch(from);
}

/* The ends of many keys of a leaf with slots, from an entry on in steps of 1 or -1; how many could
 * be read. */
static uint32_t keys_read(const struct mn_node *leaf, uint32_t index, int step, uint64_t *words,
                          uint32_t most)
{
    const uint8_t *end = leaf->page + leaf->size;
    const uint8_t *slots = leaf->page + MN_PAGE_HEADER + 4 * (size_t)mn_node_count(leaf->page);
    size_t prefix = mn_node_prefix_len(leaf->page);
    uint64_t high = 0;
    uint32_t n = 0;

    if (most > 1) cells_ask(leaf, index, index + (most - 1) * (uint32_t)step);
    for (size_t i = prefix < 8 ? prefix : 8; i > 0; i--) high = high << 8 | *(end - i);
    for (; n < most; n++, index += (uint32_t)step) {
        uint32_t slot = mn_get_u32(slots + 4 * (size_t)index), length = slot >> 16;
        const uint8_t *at = end - (slot & 0xFFFF);

        if (length & (MN_CELL_RUN | MN_CELL_TAIL)) break;
        if (length >= 8) {
            words[n] = mn_get_u64_be(at + length - 8);
        } else if (length > 0 && length + prefix >= 8) {
            /* the prefix lies behind every cell: 8 bytes are inside the page */
            words[n] = high << 8 * length | mn_get_u64_be(at) >> (64 - 8 * length);
        } else {
            break;
        }
    }
    return n;
}

enum mn_status mn_cursor_ends(struct mn_cursor *cursor, struct mn_key_ends *out)
{
    out->count = 0;
    out->ended = false;
    if (!cursor->placed || cursor->writable) return MN_OK;

    struct mn_step *step = &cursor->path.step[cursor->path.depth - 1];
    struct mn_node leaf = {step->page, cursor->page_size, cursor->view};
    uint32_t count, bound, left, n = 0;
    enum mn_status status = MN_OK;
    bool exact;

    count = mn_node_count(leaf.page);
    bound = out->backward ? 0 : count;
    if (out->bound.data) status = mn_node_search(&leaf, out->bound, &bound, &exact);
    if (status != MN_OK) return status;
    if (out->backward) {
        left = step->index + 1 > bound ? step->index + 1 - bound : 0;
    } else {
        left = bound > step->index ? bound - step->index : 0;
    }
    if (!out->of_values && !mn_node_is_dense(leaf.page)) {
        uint32_t most = left < out->capacity ? left : (uint32_t)out->capacity;

        n = keys_read(&leaf, step->index, out->backward ? -1 : 1, out->words, most);
    }
    while (n < left && n < out->capacity) {
        uint32_t index = out->backward ? step->index - n : step->index + n;

        if (!end_read(&leaf, index, out->of_values, &out->words[n])) break;
        n++;
    }
    out->count = n;
    out->ended = n == left && bound != (out->backward ? 0 : count);
    if (n == 0) return MN_OK;
    step->index = out->backward ? step->index - (n - 1) : step->index + (n - 1);
    cursor->key_known = false;
    return MN_OK;
}
