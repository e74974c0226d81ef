/*
 * balance: nodes that are too full are split, thin ones merged, empty ones dropped.
 *
 * A leaf is split where both halves weigh the same, except when the new entry is the last or the
 * first: then it stands alone in its own node, so that keys that come in order leave full nodes
 * behind them. Before a leaf is split for any other entry it shares with a neighbour that is at
 * most four fifths full: that writes as many pages as a split and leaves one fewer. A node below
 * half of its page is merged with a neighbour if both fit into 19 twentieths. Under random changes
 * leaves are so about three quarters full instead of three fifths.
 */
#include "btree/inside.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/plant.h"

/* The cells of a node, borrowed from a copy of its page; returns how many. */
static uint32_t cells_of(const struct mn_node *node, uint8_t *copy, struct mn_cell *cells)
{
    struct mn_node from = {copy, node->size, node->view};
    uint32_t count = mn_node_count(node->page);

    memcpy(copy, node->page, node->size);
    for (uint32_t i = 0; i < count; i++) cells[i] = mn_node_cell(&from, i);
    return count;
}

static size_t weight(const struct mn_cell *cell)
{
    return cell->prefix.len + cell->suffix.len + (cell->tail ? MN_TAIL_BYTES : 0) +
           cell->value.len + (cell->run ? MN_RUN_BYTES : 0) + 10;
}

static bool halves_fit(const struct mn_node *node, uint32_t count, uint32_t at,
                       const struct mn_cell *cells)
{
    bool leaf = mn_node_is_leaf(node->page);

    return at > 0 && at < count && mn_node_size_of(node, cells, at, leaf) <= node->size &&
           mn_node_size_of(node, cells + at, count - at, leaf) <= node->size;
}

/* How many of the cells go left so that both sides weigh about the same; 0: no way fits. */
static uint32_t split_even(const struct mn_node *node, const struct mn_cell *cells, uint32_t count)
{
    size_t total = 0, left = 0;
    uint32_t middle = 0;

    for (uint32_t i = 0; i < count; i++) total += weight(&cells[i]);
    while (middle < count && left + weight(&cells[middle]) / 2 < total / 2) {
        left += weight(&cells[middle++]);
    }
    for (uint32_t away = 0; away < count; away++) {
        if (middle >= away && halves_fit(node, count, middle - away, cells)) return middle - away;
        if (halves_fit(node, count, middle + away, cells)) return middle + away;
    }
    return 0;
}

/* How many of the cells go left, when the one at `fresh` is the new one. */
static uint32_t split_choose(const struct mn_node *node, const struct mn_cell *cells,
                             uint32_t count, uint32_t fresh)
{
    uint32_t at;

    if (fresh == count - 1 && halves_fit(node, count, fresh, cells)) return fresh;
    if (fresh == 0 && halves_fit(node, count, 1, cells)) return 1;
    at = split_even(node, cells, count);
    /* No entry is larger than half a node, so some split fits. */
    MN_ASSERT(at > 0);
    return at;
}

/*
 * Does b stand at or after a, as far as their stored bytes tell? Each page of a hostile file may be
 * a sound node and hold keys that its parent does not allow (N3), which only shows when cells of
 * two pages come together. A node built of keys that do not ascend would have no common prefix.
 */
static enum mn_status seam_check(const struct mn_node *node, const struct mn_cell *a,
                                 const struct mn_cell *b)
{
    size_t common = 0, length = mn_cell_stored_len(a) < mn_cell_stored_len(b)
                                    ? mn_cell_stored_len(a)
                                    : mn_cell_stored_len(b);

    while (common < length && mn_cell_stored_byte(a, common) == mn_cell_stored_byte(b, common))
        common++;
    if (common == mn_cell_stored_len(a)) return MN_OK;
    if (common < mn_cell_stored_len(b) &&
        mn_cell_stored_byte(a, common) < mn_cell_stored_byte(b, common))
        return MN_OK;
    return mn_fail(MN_CORRUPT, "page %" PRIu64 ": a key of it or its children is out of bounds",
                   mn_page_number(node->page));
}

/* A separator must stand between its new neighbours; in a leaf the search has seen to that. */
static enum mn_status place_check(const struct mn_node *node, uint32_t index,
                                  const struct mn_cell *cell)
{
    enum mn_status status = MN_OK;

    if (mn_node_is_leaf(node->page)) return MN_OK;
    if (index > 1) {
        struct mn_cell before = mn_node_cell(node, index - 1);

        status = seam_check(node, &before, cell);
    }
    if (status == MN_OK && index < mn_node_count(node->page)) {
        struct mn_cell after = mn_node_cell(node, index);

        status = seam_check(node, cell, &after);
    }
    return status;
}

/* The tail of a separator: as much of the right key's as tells it from the left one's. */
static enum mn_status separator_tail(struct mn_view *view, const struct mn_cell *left,
                                     const struct mn_cell *right, uint8_t tail[MN_TAIL_BYTES])
{
    struct mn_run run = mn_run_unpack(right->tail + 4), less, made;
    const uint8_t *bytes, *less_bytes = NULL;
    size_t common = 0, less_len = 0;
    uint8_t *into;
    enum mn_status status = mn_run_read(view, &run, &bytes);

    if (status == MN_OK && left->tail) {
        less = mn_run_unpack(left->tail + 4);
        less_len = less.size_bytes;
        status = mn_run_read(view, &less, &less_bytes);
    }
    if (status != MN_OK) return status;
    while (common < less_len && common < run.size_bytes && bytes[common] == less_bytes[common]) {
        common++;
    }
    if (common == run.size_bytes) return mn_fail(MN_CORRUPT, "two keys of a leaf are equal");
    status = mn_run_new(view, common + 1, &made, &into);
    if (status != MN_OK) return status;
    /* run_new may have moved older runs to their places: read again. */
    status = mn_run_read(view, &run, &bytes);
    if (status != MN_OK) return status;
    memcpy(into, bytes, common + 1);
    mn_put_u32(tail, (uint32_t)(mn_cell_stored_len(right) + common + 1));
    mn_run_pack(tail + 4, &made);
    return MN_OK;
}

/*
 * The shortest key above `left` and at or below `right`, two neighbours in a leaf. In a branch the
 * right one's key itself moves up, its tail with it.
 */
static enum mn_status separator_make(struct mn_scratch *scratch, uint32_t level,
                                     const struct mn_cell *pair, const struct mn_node *node,
                                     struct mn_cell *separator)
{
    const struct mn_cell *left = &pair[0], *right = &pair[1];
    bool leaf = mn_node_is_leaf(node->page);
    uint8_t *into = scratch->separator[level & 1], *tail = scratch->tail[level & 1];
    size_t length = mn_cell_stored_len(right), common = 0;
    enum mn_status status = MN_OK;

    *separator = (struct mn_cell){.tail = NULL};
    while (leaf && common < mn_cell_stored_len(left) && common < length &&
           mn_cell_stored_byte(left, common) == mn_cell_stored_byte(right, common)) {
        common++;
    }
    if (leaf && common < length) {
        length = common + (MN_PLANT(TREE_SEPARATOR_SHORT) ? 0 : 1);
    } else if (right->tail) {
        if (leaf) {
            status = separator_tail(node->view, left, right, tail);
        } else {
            memcpy(tail, right->tail, MN_TAIL_BYTES);
        }
        separator->tail = tail;
    }
    for (size_t i = 0; i < length; i++) into[i] = mn_cell_stored_byte(right, i);
    separator->suffix = mn_bytes_of(into, length);
    return status;
}

static enum mn_status tail_drop(const struct mn_node *node, uint32_t index)
{
    uint8_t *at = mn_node_tail_run(node, index);
    struct mn_run run;

    if (!at) return MN_OK;
    run = mn_run_unpack(at);
    return mn_run_drop(node->view, &run);
}

static void child_fill(struct mn_cell *cell, struct mn_ref ref, uint64_t entries)
{
    mn_put_ref(cell->child, ref);
    mn_put_u48(cell->child + MN_REF_BYTES, entries);
}

/* A new root over the old one and its new right neighbour. */
static enum mn_status root_grow(struct mn_path *path, struct mn_root *root,
                                const struct mn_cell *right)
{
    struct mn_cell cells[2] = {{.tail = NULL}, *right};
    struct mn_node node = mn_path_node(path, 0);
    struct mn_ref ref;
    enum mn_status status;

    if (root->height == MN_TREE_DEPTH_MAX) {
        return mn_fail(MN_FULL, "a tree of more than %d levels", MN_TREE_DEPTH_MAX);
    }
    child_fill(&cells[0], path->step[0].ref, mn_node_entries(node.page));
    status = mn_page_new_bare(path->view, MN_PAGE_BRANCH, &ref, &node.page);
    if (status != MN_OK) return status;
    mn_page_set_label(node.page, root->tree);
    mn_node_build(&node, cells, 2);
    root->ref = ref;
    root->height++;
    return MN_OK;
}

/* Splits a node whose cells, the new one among them, are too many; *up is what its parent must
 * take. */
static enum mn_status node_split(struct mn_path *path, uint32_t level, uint32_t count,
                                 struct mn_cell *up)
{
    struct mn_node node = mn_path_node(path, level), right = node;
    uint8_t kind = mn_page_kind(node.page);
    struct mn_scratch *scratch;
    struct mn_ref ref;
    uint32_t at;
    enum mn_status status = mn_scratch_get(path->view, &scratch);

    if (status != MN_OK) return status;
    at = split_choose(&node, scratch->cells, count, path->step[level].index);
    status = mn_page_new_bare(path->view, kind, &ref, &right.page);
    if (status != MN_OK) return status;
    mn_page_set_label(right.page, mn_page_label(node.page));
    status = separator_make(scratch, level, &scratch->cells[at - 1], &node, up);
    if (status != MN_OK) return status;
    mn_node_build(&node, scratch->cells, at);
    mn_node_build(&right, scratch->cells + at, count - at);
    child_fill(up, ref, mn_node_entries(right.page));
    return MN_OK;
}

/* -- sharing with a neighbour -- */

/* A leaf whose cells, `count` of them in the scratch, are too many, and the neighbour it shares
 * with. */
struct sharing {
    struct mn_path *path;
    struct mn_scratch *scratch;
    uint32_t level, count;
    struct mn_node parent, leaf, neighbour;
    struct mn_ref ref; /* of the neighbour */
    bool right;        /* it stands on the right */
};

/* Has the parent a neighbour with room on that side? Its cells go beside the leaf's if so. */
static enum mn_status neighbour_take(struct sharing *s, bool right, uint32_t *total)
{
    uint32_t index = s->path->step[s->level - 1].index, more;
    struct mn_cell *cells = s->scratch->cells;
    enum mn_status status;

    *total = 0;
    if (right ? index + 1 >= mn_node_count(s->parent.page) : index == 0) return MN_OK;
    s->right = right;
    s->ref = mn_node_child(s->parent.page, right ? index + 1 : index - 1);
    status =
        mn_page_read(s->path->view, s->ref, MN_PAGE_LEAF, (const uint8_t **)&s->neighbour.page);
    if (status != MN_OK || mn_node_used(s->neighbour.page) > s->leaf.size / 5 * 4) return status;
    more = mn_node_count(s->neighbour.page);
    if (right) {
        (void)cells_of(&s->neighbour, s->scratch->page_2, cells + s->count);
    } else {
        memmove(cells + more, cells, s->count * sizeof *cells);
        (void)cells_of(&s->neighbour, s->scratch->page_2, cells);
    }
    *total = s->count + more;
    more = right ? s->count : more; /* where the two meet */
    return seam_check(&s->parent, &cells[more - 1], &cells[more]);
}

/* Moves cells so that both hold about as much; *up is the new cell of the right one, which its
 * parent lost. */
static enum mn_status neighbour_share(struct sharing *s, uint32_t total, uint32_t at,
                                      struct mn_cell *up)
{
    struct mn_step *above = &s->path->step[s->level - 1];
    struct mn_cell *cells = s->scratch->cells;
    struct mn_ref leaf = s->path->step[s->level].ref;
    uint32_t left_index = s->right ? above->index : above->index - 1;
    struct mn_node left, right;
    enum mn_status status = separator_make(s->scratch, s->level, &cells[at - 1], &s->leaf, up);

    if (status == MN_OK) {
        status = mn_page_edit(s->path->view, &s->ref, MN_PAGE_LEAF, &s->neighbour.page);
    }
    if (status != MN_OK) return status;
    left = s->right ? s->leaf : s->neighbour;
    right = s->right ? s->neighbour : s->leaf;
    mn_node_build(&left, cells, at);
    mn_node_build(&right, cells + at, total - at);
    mn_node_child_set(s->parent.page, left_index, s->right ? leaf : s->ref,
                      mn_node_entries(left.page));
    child_fill(up, s->right ? s->ref : leaf, mn_node_entries(right.page));
    above->index = left_index + 1;
    status = tail_drop(&s->parent, above->index);
    if (status == MN_OK) mn_node_remove(&s->parent, above->index);
    return status;
}

/* In place of a split, where a neighbour has room; *done tells, *up is what the parent must take.
 */
static enum mn_status leaf_share(struct mn_path *path, uint32_t level, uint32_t count,
                                 struct mn_cell *up, bool *done)
{
    struct sharing s = {.path = path, .level = level, .count = count};
    uint32_t fresh = path->step[level].index, total = 0, at = 0;
    enum mn_status status = mn_scratch_get(path->view, &s.scratch);

    *done = false;
    s.leaf = s.neighbour = mn_path_node(path, level);
    if (level == 0 || !mn_node_is_leaf(s.leaf.page) || fresh == 0 || fresh == count - 1) {
        return status;
    }
    s.parent = mn_path_node(path, level - 1);
    if (status == MN_OK) status = neighbour_take(&s, true, &total);
    if (status == MN_OK && total == 0) status = neighbour_take(&s, false, &total);
    if (status != MN_OK || total == 0) return status;
    at = split_even(&s.leaf, s.scratch->cells, total);
    if (at == 0) { /* the leaf's own cells, as they were */
        if (!s.right) {
            memmove(s.scratch->cells, s.scratch->cells + (total - count),
                    count * sizeof *s.scratch->cells);
        }
        return MN_OK;
    }
    *done = true;
    return neighbour_share(&s, total, at, up);
}

/* The node at `level` was split, its right half goes up: the parent's pointer to the left one. */
static void left_count(struct mn_path *path, uint32_t level)
{
    struct mn_step *above = &path->step[level - 1];

    mn_node_child_set(above->page, above->index, path->step[level].ref,
                      mn_node_entries(path->step[level].page));
    above->index++;
}

static enum mn_status insert_from(struct mn_path *path, struct mn_root *root, uint32_t level,
                                  const struct mn_cell *cell)
{
    struct mn_scratch *scratch;
    struct mn_cell up[2]; /* what goes up from odd and even levels */
    bool shared;
    enum mn_status status = mn_scratch_get(path->view, &scratch);

    if (status != MN_OK) return status;
    for (;; level--) {
        struct mn_node node = mn_path_node(path, level);
        uint32_t index = path->step[level].index, count;

        status = place_check(&node, index, cell);
        if (status != MN_OK) return status;
        if (mn_node_insert(&node, index, cell)) return MN_OK;
        count = cells_of(&node, scratch->page, scratch->cells);
        memmove(&scratch->cells[index + 1], &scratch->cells[index],
                (count - index) * sizeof *scratch->cells);
        scratch->cells[index] = *cell;
        count++;
        if (mn_node_size_of(&node, scratch->cells, count, mn_node_is_leaf(node.page)) <=
            node.size) {
            mn_node_build(&node, scratch->cells, count);
            return MN_OK;
        }
        status = leaf_share(path, level, count, &up[level & 1], &shared);
        if (status != MN_OK) return status;
        cell = &up[level & 1];
        if (shared) continue;
        status = node_split(path, level, count, &up[level & 1]);
        if (status != MN_OK) return status;
        if (level == 0) return root_grow(path, root, cell);
        left_count(path, level);
    }
}

enum mn_status mn_path_insert(struct mn_path *path, struct mn_root *root,
                              const struct mn_cell *cell)
{
    return insert_from(path, root, path->depth - 1, cell);
}

enum mn_status mn_path_cut(struct mn_path *path, struct mn_root *root, struct mn_bytes key,
                           bool *done)
{
    uint32_t level = path->depth - 1, at = path->step[level].index;
    struct mn_node node = mn_path_node(path, level), right = node;
    uint32_t count = mn_node_count(node.page);
    struct mn_scratch *scratch;
    struct mn_cell up;
    struct mn_ref ref;
    enum mn_status status;

    *done = false;
    if (!mn_node_is_dense(node.page) || key.len == MN_DENSE_KEY_BYTES) return MN_OK;
    if (at == 0 || at == count) return MN_OK;
    status = mn_scratch_get(path->view, &scratch);
    if (status == MN_OK) status = mn_page_new_bare(path->view, MN_PAGE_LEAF, &ref, &right.page);
    if (status != MN_OK) return status;
    mn_page_set_label(right.page, mn_page_label(node.page));
    (void)cells_of(&node, scratch->page, scratch->cells);
    status = separator_make(scratch, level, &scratch->cells[at - 1], &node, &up);
    if (status != MN_OK) return status;
    mn_node_build(&node, scratch->cells, at);
    mn_node_build(&right, scratch->cells + at, count - at);
    child_fill(&up, ref, count - at);
    *done = true;
    if (level == 0) return root_grow(path, root, &up);
    left_count(path, level);
    return insert_from(path, root, level - 1, &up);
}

enum mn_status mn_path_append(struct mn_path *path, struct mn_root *root,
                              const struct mn_cell *cell)
{
    uint32_t level = path->depth - 1;
    struct mn_node node = mn_path_node(path, level), right = node;
    struct mn_cell pair[2] = {mn_node_cell(&node, mn_node_count(node.page) - 1), *cell}, up;
    struct mn_scratch *scratch;
    struct mn_ref ref;
    enum mn_status status = mn_scratch_get(path->view, &scratch);

    if (status == MN_OK) status = mn_page_new_bare(path->view, MN_PAGE_LEAF, &ref, &right.page);
    if (status != MN_OK) return status;
    mn_page_set_label(right.page, mn_page_label(node.page));
    mn_node_build(&right, cell, 1);
    status = separator_make(scratch, level, pair, &node, &up);
    if (status != MN_OK) return status;
    child_fill(&up, ref, 1);
    if (level == 0) return root_grow(path, root, &up);
    left_count(path, level);
    return insert_from(path, root, level - 1, &up);
}

enum mn_status mn_path_turn(struct mn_path *path, const struct mn_cell pair[2], bool *done)
{
    uint32_t level = path->depth - 1;
    struct mn_node leaf = mn_path_node(path, level), parent;
    struct mn_scratch *scratch;
    struct mn_step *above;
    struct mn_cell up;
    enum mn_status status = mn_scratch_get(path->view, &scratch);

    *done = false;
    if (status != MN_OK || level == 0) return status;
    above = &path->step[level - 1];
    parent = mn_path_node(path, level - 1);
    status = separator_make(scratch, level, pair, &leaf, &up);
    if (status != MN_OK) return status;
    child_fill(&up, path->step[level].ref, 1);
    status = place_check(&parent, above->index + 1, &up);
    if (status != MN_OK) return status;
    *done = mn_node_insert(&parent, above->index + 1, &up);
    if (*done) above->index++;
    return MN_OK;
}

/* -- shrinking --------------------------------------------------------------------------------- */

/* Takes child `index` out of a branch; keep_tail: its key lives on elsewhere. */
static enum mn_status child_remove(const struct mn_node *node, uint32_t index, bool keep_tail)
{
    enum mn_status status = MN_OK;

    if (!keep_tail) status = tail_drop(node, index);
    /* The next child becomes the first and loses its key. */
    if (status == MN_OK && index == 0 && mn_node_count(node->page) > 1) {
        status = tail_drop(node, 1);
    }
    if (status == MN_OK) mn_node_remove(node, index);
    return status;
}

/* Joins children `left` and left + 1 of the branch at `level` if they fit; *done tells. */
static enum mn_status children_merge(struct mn_path *path, uint32_t level, uint32_t left,
                                     bool *done)
{
    struct mn_node parent = mn_path_node(path, level), a = parent, b = parent;
    struct mn_ref ref = mn_node_child(parent.page, left);
    struct mn_ref gone = mn_node_child(parent.page, left + 1);
    uint8_t kind = level + 2 == path->depth ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    struct mn_cell between = mn_node_cell(&parent, left + 1);
    struct mn_scratch *scratch;
    uint32_t count, more;
    enum mn_status status = mn_scratch_get(path->view, &scratch);

    *done = false;
    if (status == MN_OK) status = mn_page_read(path->view, ref, kind, (const uint8_t **)&a.page);
    if (status == MN_OK) status = mn_page_read(path->view, gone, kind, (const uint8_t **)&b.page);
    if (status != MN_OK) return status;
    if (mn_node_used(a.page) + mn_node_used(b.page) > a.size + a.size / 2) return MN_OK;
    count = cells_of(&a, scratch->page, scratch->cells);
    more = cells_of(&b, scratch->page_2, scratch->cells + count);
    if (kind == MN_PAGE_BRANCH) {
        scratch->cells[count].prefix = between.prefix;
        scratch->cells[count].suffix = between.suffix;
        scratch->cells[count].tail = between.tail;
    }
    if (mn_node_size_of(&a, scratch->cells, count + more, kind == MN_PAGE_LEAF) >
        a.size / 20 * 19) {
        return MN_OK;
    }
    if (kind == MN_PAGE_LEAF || count > 1) {
        status = seam_check(&parent, &scratch->cells[count - 1], &scratch->cells[count]);
    }
    if (status == MN_OK && kind == MN_PAGE_BRANCH && more > 1) {
        status = seam_check(&parent, &scratch->cells[count], &scratch->cells[count + 1]);
    }
    if (status == MN_OK) status = mn_page_edit(path->view, &ref, kind, &a.page);
    if (status != MN_OK) return status;
    mn_node_build(&a, scratch->cells, count + more);
    mn_node_child_set(parent.page, left, ref, mn_node_entries(a.page));
    *done = true;
    status = mn_page_drop(path->view, gone, kind);
    if (status == MN_OK) status = child_remove(&parent, left + 1, kind == MN_PAGE_BRANCH);
    return status;
}

static enum mn_status root_shrink(struct mn_path *path, struct mn_root *root)
{
    uint8_t *page = path->step[0].page;

    if (mn_node_count(page) == 0) {
        enum mn_status status = mn_page_drop(path->view, root->ref, mn_page_kind(page));

        root->ref = (struct mn_ref){0};
        root->height = 0;
        return status;
    }
    while (!mn_node_is_leaf(page) && mn_node_count(page) == 1) {
        struct mn_ref child = mn_node_child(page, 0);
        enum mn_status status = mn_page_drop(path->view, root->ref, MN_PAGE_BRANCH);

        root->ref = child;
        root->height--;
        if (status == MN_OK) {
            uint8_t kind = root->height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH;

            status = mn_page_read(path->view, child, kind, (const uint8_t **)&page);
        }
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

enum mn_status mn_path_shrink(struct mn_path *path, struct mn_root *root)
{
    return mn_path_shrink_at(path, root, path->depth - 1);
}

enum mn_status mn_path_shrink_at(struct mn_path *path, struct mn_root *root, uint32_t level)
{
    for (; level > 0; level--) {
        struct mn_node node = mn_path_node(path, level), parent = mn_path_node(path, level - 1);
        uint32_t index = path->step[level - 1].index;
        bool done = false;
        enum mn_status status = MN_OK;

        if (mn_node_count(node.page) == 0) {
            status = mn_page_drop(path->view, path->step[level].ref, mn_page_kind(node.page));
            if (status == MN_OK) status = child_remove(&parent, index, false);
            if (status != MN_OK) return status;
            continue;
        }
        if (mn_node_used(node.page) >= node.size / 2) return MN_OK;
        if (index + 1 < mn_node_count(parent.page)) {
            status = children_merge(path, level - 1, index, &done);
        }
        if (status == MN_OK && !done && index > 0) {
            status = children_merge(path, level - 1, index - 1, &done);
        }
        if (status != MN_OK || (!done && mn_node_count(parent.page) > 1)) return status;
    }
    return root_shrink(path, root);
}
