/*
 * path: from a root down to a leaf, and the same pages made writable.
 */
#include <inttypes.h>

#include "base/plant.h"
#include "btree/guess.h"
#include "btree/inside.h"
#include "btree/short.h"

enum mn_status mn_path_root(struct mn_path *path, struct mn_view *view, const struct mn_root *root)
{
    const uint8_t *page;
    enum mn_status status;
    uint8_t kind = root->height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH;

    path->view = view;
    path->depth = 0;
    if (root->ref.page == 0) return MN_OK;
    if (root->height == 0 || root->height > MN_TREE_DEPTH_MAX) {
        return mn_fail(MN_CORRUPT, "tree %" PRIu64 ": a height of %u", root->tree, root->height);
    }
    status = mn_page_read(view, root->ref, kind, &page);
    if (status != MN_OK) return status;
    path->depth = root->height;
    path->step[0] = (struct mn_step){root->ref, (uint8_t *)(uintptr_t)page, 0};
    return MN_OK;
}

/* The lines of a dirty node that a search reads first, as mn_page_prefetch does for clean ones. */
static inline void dirty_prefetch(const uint8_t *page, uint32_t size)
{
    __builtin_prefetch(page + 64);
    __builtin_prefetch(page + 128);
    __builtin_prefetch(page + 192);
    __builtin_prefetch(page + 256);
    __builtin_prefetch(page + size - 64);
}

enum { LINE_BYTES = 64, LINES_ASKED = 5, LINES_MOST = 20 };
enum { LEAVES_BELOW = 3 }; /* from the parent of the branches above leaves */

/* The lines of a clean node's heads behind those that mn_page_prefetch asks for. */
static inline void heads_prefetch(const struct mn_view *view, struct mn_ref ref, uint64_t entries)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;
    uint64_t lines = (MN_PAGE_HEADER + 4 * entries) / LINE_BYTES + 1;
    uint64_t most = (UINT64_C(1) << front->page_shift) / LINE_BYTES;
    const uint8_t *at;

    if (ref.page >= front->mapped_pages) return;
    if (most > LINES_MOST) most = LINES_MOST;
    if (lines > most) lines = most;
    at = front->map + (ref.page << front->page_shift);
    for (uint64_t i = LINES_ASKED; i < lines; i++) __builtin_prefetch(at + LINE_BYTES * i);
}

enum mn_status mn_path_down(struct mn_path *path, uint32_t level)
{
    struct mn_step *step = &path->step[level];
    struct mn_ref ref = mn_node_child(step->page, step->index);
    uint8_t kind = level + 2 == path->depth ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    uint64_t entries;
    const uint8_t *page;
    enum mn_status status;

    mn_page_prefetch(path->view, ref);
    /* The parent knows how many entries a leaf has; of a branch they are those of a full one. */
    if (kind == MN_PAGE_BRANCH) {
        entries = mn_view_page_size(path->view) / MN_SHORT_ENTRY_BYTES;
    } else {
        entries = mn_node_child_entries(step->page, step->index);
    }
    heads_prefetch(path->view, ref, entries);
    status = mn_page_read(path->view, ref, kind, &page);
    if (status != MN_OK) return status;
    if (mn_ref_is_dirty(ref)) dirty_prefetch(page, mn_view_page_size(path->view));
    path->step[level + 1] = (struct mn_step){ref, (uint8_t *)(uintptr_t)page, 0};
    return MN_OK;
}

/*
 * The lines of a clean leaf where the value for a number probably lies, if the numbers between two
 * neighbours in the branch above are spread evenly and the values are of one length, as in most
 * tables they are: they come with those of the leaf's head instead of after them.
 */
static inline void value_prefetch(const struct mn_path *path, uint32_t level, struct mn_bytes key)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)path->view;
    const struct mn_step *step = &path->step[level];
    uint64_t size = UINT64_C(1) << front->page_shift, entries, from_end;
    struct mn_ref ref;
    const uint8_t *end;
    uint32_t place;

    if (!mn_guess_place(step, key, &place)) return;
    ref = mn_node_child(step->page, step->index);
    entries = mn_node_child_entries(step->page, step->index);
    if (ref.page >= front->mapped_pages || entries == 0 || entries > size) return;
    from_end = ((place * entries >> MN_GUESS_BITS) + 1) * ((size - 64) / entries);
    if (from_end > size) return;
    end = front->map + ((ref.page + 1) << front->page_shift);
    __builtin_prefetch(end - from_end);
    __builtin_prefetch(end - from_end + 64);
}

enum mn_status mn_path_find(struct mn_path *path, struct mn_bytes key, bool *exact)
{
    struct mn_guess guess = {.entry = NULL};

    *exact = false;
    for (uint32_t level = 0; level < path->depth; level++) {
        struct mn_step *step = &path->step[level];
        struct mn_node node = mn_path_node(path, level);
        enum mn_status status = mn_node_search(&node, key, &step->index, exact);

        if (status != MN_OK || level + 1 == path->depth) return status;
        if (level + LEAVES_BELOW == path->depth) mn_guess_begin(&guess, path->view, step, key);
        if (level + 2 == path->depth) value_prefetch(path, level, key);
        status = mn_path_down(path, level);
        if (status != MN_OK) return status;
        if (level + LEAVES_BELOW == path->depth) mn_guess_child(&guess, step[1].page);
        if (level + 2 == path->depth) mn_guess_end(&guess, step, step[1].ref.page);
    }
    return MN_OK;
}

enum mn_status mn_path_edit(struct mn_path *path, struct mn_root *root)
{
    for (uint32_t level = 0; level < path->depth; level++) {
        struct mn_step *step = &path->step[level];
        struct mn_ref before = step->ref;
        uint8_t kind = level + 1 == path->depth ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
        enum mn_status status = mn_page_edit(path->view, &step->ref, kind, &step->page);

        if (status != MN_OK) return status;
        if (mn_ref_equal(before, step->ref)) continue;
        mn_page_set_label(step->page, root->tree);
        if (level == 0) {
            root->ref = step->ref;
        } else {
            uint8_t *parent = path->step[level - 1].page;
            uint32_t index = path->step[level - 1].index;

            mn_node_child_set(parent, index, step->ref, mn_node_child_entries(parent, index));
        }
    }
    return MN_OK;
}

void mn_path_count(struct mn_path *path, int64_t delta)
{
    if (MN_PLANT(TREE_COUNT_STALE) && delta < 0) return;
    for (uint32_t level = 0; level + 1 < path->depth; level++) {
        uint8_t *page = path->step[level].page;
        uint32_t index = path->step[level].index;
        uint64_t entries = mn_node_child_entries(page, index) + (uint64_t)delta;

        mn_node_child_set(page, index, mn_node_child(page, index), entries);
    }
}
