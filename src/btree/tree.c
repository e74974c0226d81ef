/*
 * tree: finding, putting and deleting one entry.
 *
 * A change first finds its place on the pages as they are, and only then makes the path to it
 * writable; a put that finds its key taken, and a delete that finds nothing, leave every page
 * clean.
 */
#include "btree/inside.h"

#include <string.h>

enum mn_status mn_tree_get(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                           struct mn_bytes *value, bool *found)
{
    struct mn_root root;
    struct mn_path path;
    struct mn_bytes run;
    struct mn_node node;
    struct mn_cell cell;
    enum mn_status status = mn_root_get(view, tree, &root);

    *found = false;
    *value = mn_bytes_of(NULL, 0);
    if (status == MN_OK) status = mn_path_root(&path, view, &root);
    if (status == MN_OK) status = mn_path_find(&path, key, found);
    if (status != MN_OK || !*found) return status;
    node = mn_path_node(&path, path.depth - 1);
    if (mn_node_plain(&node, path.step[path.depth - 1].index, &run, value)) return MN_OK;
    cell = mn_node_cell(&node, path.step[path.depth - 1].index);
    status = mn_cell_read(view, &cell, value, &run);
    if (value->len == 0 && run.len > 0) *value = run;
    return status;
}

enum mn_status mn_tree_count(struct mn_view *view, uint64_t tree, uint64_t *entries)
{
    struct mn_root root;
    enum mn_status status = mn_root_get(view, tree, &root);

    *entries = status == MN_OK ? root.entries : 0;
    return status;
}

enum mn_status mn_tree_rank(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                            uint64_t *below)
{
    struct mn_root root;
    struct mn_path path;
    bool exact;
    enum mn_status status = mn_root_get(view, tree, &root);

    *below = 0;
    if (status == MN_OK) status = mn_path_root(&path, view, &root);
    if (status == MN_OK) status = mn_path_find(&path, key, &exact);
    if (status != MN_OK) return status;
    for (uint32_t level = 0; level < path.depth; level++) {
        const struct mn_step *step = &path.step[level];

        if (level + 1 == path.depth) {
            *below += step->index;
        } else {
            for (uint32_t i = 0; i < step->index; i++) {
                *below += mn_node_child_entries(step->page, i);
            }
        }
    }
    return MN_OK;
}

/* -- changes ----------------------------------------------------------------------------------- */

/* What every change begins with: the scratch, room in memory, the path to the key. */
struct change {
    struct mn_view *view;
    struct mn_root root;
    struct mn_path path;
    struct mn_scratch *scratch;
    bool exact;
};

static enum mn_status change_begin(struct change *c, struct mn_view *view, uint64_t tree,
                                   struct mn_bytes key)
{
    enum mn_status status = mn_key_check(key);

    c->view = view;
    if (!mn_view_writable(view)) {
        return mn_fail(MN_READONLY_DB, "this transaction only reads");
    }
    if (status == MN_OK) status = mn_scratch_get(view, &c->scratch);
    if (status == MN_OK) status = mn_root_get(view, tree, &c->root);
    if (status == MN_OK) status = mn_path_root(&c->path, view, &c->root);
    if (status == MN_OK) status = mn_path_find(&c->path, key, &c->exact);
    return status;
}

static enum mn_status change_end(struct change *c)
{
    c->scratch->changes[c->root.tree & 63]++;
    return mn_root_set(c->view, &c->root);
}

/*
 * Past the memory limit the dirty nodes go to their places. Only here, where every root is known
 * and the caller holds no run to write to; a change of the master tree may be a step of another
 * tree's change.
 */
static enum mn_status change_end_spill(struct change *c)
{
    enum mn_status status = change_end(c);

    if (status == MN_OK && c->root.tree != MN_TREE_MASTER && mn_view_is_heavy(c->view)) {
        status = mn_forest_seal(c->view);
    }
    return status;
}

static struct mn_node leaf_of(const struct change *c)
{
    return mn_path_node(&c->path, c->path.depth - 1);
}

static uint32_t index_of(const struct change *c)
{
    return c->path.step[c->path.depth - 1].index;
}

/* The first entry of an empty tree. */
static enum mn_status root_plant(struct change *c)
{
    struct mn_step *step = &c->path.step[0];
    enum mn_status status = mn_page_new(c->view, MN_PAGE_LEAF, &step->ref, &step->page);

    if (status != MN_OK) return status;
    mn_page_set_label(step->page, c->root.tree);
    step->index = 0;
    c->path.depth = 1;
    c->root.ref = step->ref;
    c->root.height = 1;
    return MN_OK;
}

static enum mn_status run_drop_at(struct mn_view *view, const uint8_t *packed)
{
    struct mn_run run;

    if (!packed) return MN_OK;
    run = mn_run_unpack(packed);
    return mn_run_drop(view, &run);
}

/* Puts the payload of the entry in the place of the one under the path; the key stays. */
static enum mn_status entry_replace(struct change *c, struct mn_entry *entry)
{
    struct mn_node leaf = leaf_of(c);
    uint32_t index = index_of(c);
    struct mn_cell old = mn_node_cell(&leaf, index);

    if (old.value.len == entry->cell.value.len && !old.run == !entry->cell.run) {
        uint8_t *value = (uint8_t *)(uintptr_t)old.value.data;

        if (old.value.len) memcpy(value, entry->cell.value.data, old.value.len);
        if (old.run) memcpy((uint8_t *)(uintptr_t)old.run, entry->cell.run, MN_RUN_BYTES);
        return MN_OK;
    }
    if (old.tail) {
        memcpy(entry->tail, old.tail, MN_TAIL_BYTES);
        entry->cell.tail = entry->tail;
    }
    mn_node_remove(&leaf, index);
    return mn_path_insert(&c->path, &c->root, &entry->cell);
}

static enum mn_status entry_insert(struct change *c, struct mn_entry *entry, struct mn_bytes key)
{
    enum mn_status status = mn_entry_key(entry, c->view, key);

    if (status != MN_OK) return status;
    mn_path_count(&c->path, 1);
    c->root.entries++;
    return mn_path_insert(&c->path, &c->root, &entry->cell);
}

/* Makes the path writable, with a leaf at its end that takes an entry of this key. */
static enum mn_status path_ready(struct change *c, struct mn_bytes key)
{
    bool cut = false;
    enum mn_status status = MN_OK;

    if (c->path.depth == 0) return root_plant(c);
    status = mn_path_edit(&c->path, &c->root);
    if (status == MN_OK && !c->exact) status = mn_path_cut(&c->path, &c->root, key, &cut);
    if (status != MN_OK || !cut) return status;
    status = mn_path_root(&c->path, c->view, &c->root);
    if (status == MN_OK) status = mn_path_find(&c->path, key, &c->exact);
    return status == MN_OK ? mn_path_edit(&c->path, &c->root) : status;
}

/* With a key, the part of a cell that an entry of this node stores; the tail is kept by replace. */
static void entry_key_stored(struct mn_entry *entry, struct mn_view *view, struct mn_bytes key)
{
    uint32_t inline_max = mn_node_inline_max(mn_view_page_size(view));

    entry->cell.prefix = mn_bytes_of(NULL, 0);
    entry->cell.suffix = mn_bytes_of(key.data, key.len < inline_max ? key.len : inline_max);
}

enum mn_status mn_tree_put(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                           struct mn_bytes value, unsigned flags)
{
    struct change c;
    struct mn_entry entry;
    enum mn_status status = change_begin(&c, view, tree, key);

    if (status != MN_OK) return status;
    if (c.exact && (flags & MN_PUT_INSERT)) return MN_EXISTS;
    entry = (struct mn_entry){.payload = c.scratch->payload};
    status = mn_entry_store(&entry, view, value);
    if (status == MN_OK) status = path_ready(&c, key);
    if (status != MN_OK) return status;
    if (c.exact) {
        struct mn_node leaf = leaf_of(&c);

        status = run_drop_at(view, mn_node_value_run(&leaf, index_of(&c)));
        entry_key_stored(&entry, view, key);
        if (status == MN_OK) status = entry_replace(&c, &entry);
    } else {
        status = entry_insert(&c, &entry, key);
    }
    return status == MN_OK ? change_end_spill(&c) : status;
}

/* The run of the entry under the path if it has one of that size, writable; else a new one. */
static enum mn_status run_ready(struct change *c, uint64_t run_bytes, struct mn_run *run,
                                uint8_t **bytes)
{
    struct mn_node leaf;
    const uint8_t *packed = NULL;

    if (c->exact) {
        leaf = leaf_of(c);
        packed = mn_node_value_run(&leaf, index_of(c));
    }
    if (packed) {
        enum mn_status status;

        *run = mn_run_unpack(packed);
        if (run->size_bytes == run_bytes) return mn_run_edit(c->view, run, bytes);
        status = mn_run_drop(c->view, run);
        if (status != MN_OK) return status;
    }
    return mn_run_new(c->view, run_bytes, run, bytes);
}

enum mn_status mn_tree_put_run(struct mn_view *view, uint64_t tree, struct mn_bytes key,
                               struct mn_bytes value, uint64_t run_bytes, uint8_t **run)
{
    struct change c;
    struct mn_entry entry;
    struct mn_run made;
    enum mn_status status;

    *run = NULL;
    if (value.len == 0 || value.len > mn_node_inline_max(mn_view_page_size(view)) ||
        run_bytes == 0) {
        return mn_fail(MN_MISUSE, "a run needs an inline part of 1 to %u bytes beside it",
                       mn_node_inline_max(mn_view_page_size(view)));
    }
    status = change_begin(&c, view, tree, key);
    if (status == MN_OK) status = path_ready(&c, key);
    if (status == MN_OK) status = run_ready(&c, run_bytes, &made, run);
    if (status != MN_OK) return status;
    entry = (struct mn_entry){.payload = c.scratch->payload};
    mn_entry_value(&entry, value, &made);
    if (c.exact) {
        entry_key_stored(&entry, view, key);
        status = entry_replace(&c, &entry);
    } else {
        status = entry_insert(&c, &entry, key);
    }
    if (status == MN_OK) status = change_end(&c);
    /* Tails of keys are runs too: making them may have moved this one out of memory. */
    return status == MN_OK ? mn_run_edit(view, &made, run) : status;
}

enum mn_status mn_tree_delete(struct mn_view *view, uint64_t tree, struct mn_bytes key, bool *found)
{
    struct change c;
    struct mn_node leaf;
    uint32_t index;
    enum mn_status status = change_begin(&c, view, tree, key);

    if (found) *found = status == MN_OK && c.exact;
    if (status != MN_OK || !c.exact) return status;
    status = mn_path_edit(&c.path, &c.root);
    if (status != MN_OK) return status;
    leaf = leaf_of(&c);
    index = index_of(&c);
    status = run_drop_at(view, mn_node_value_run(&leaf, index));
    if (status == MN_OK) status = run_drop_at(view, mn_node_tail_run(&leaf, index));
    if (status != MN_OK) return status;
    mn_node_remove(&leaf, index);
    mn_path_count(&c.path, -1);
    c.root.entries--;
    status = mn_path_shrink(&c.path, &c.root);
    return status == MN_OK ? change_end_spill(&c) : status;
}

/* -- whole trees ------------------------------------------------------------------------------- */

/*
 * `budget` counts the clean pages that may still come: in a hostile file many pointers may name the
 * same page, and a few levels of that would take for ever.
 */
static enum mn_status node_drop(struct mn_view *view, struct mn_ref ref, uint32_t height,
                                uint64_t *budget)
{
    uint8_t kind = height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    struct mn_node node = {NULL, mn_view_page_size(view), view};
    const uint8_t *page;
    enum mn_status status = mn_page_read(view, ref, kind, &page);

    if (status != MN_OK) return status;
    if (!mn_ref_is_dirty(ref) && (*budget)-- == 0) {
        return mn_fail(MN_CORRUPT, "page %llu: a tree of more pages than the file has",
                       (unsigned long long)ref.page);
    }
    node.page = (uint8_t *)(uintptr_t)page;
    for (uint32_t i = 0; status == MN_OK && i < mn_node_count(page); i++) {
        status = run_drop_at(view, mn_node_tail_run(&node, i));
        if (status == MN_OK && height == 1) {
            status = run_drop_at(view, mn_node_value_run(&node, i));
        } else if (status == MN_OK) {
            status = node_drop(view, mn_node_child(page, i), height - 1, budget);
        }
    }
    return status == MN_OK ? mn_page_drop(view, ref, kind) : status;
}

enum mn_status mn_tree_drop(struct mn_view *view, uint64_t tree)
{
    struct mn_store_stats stats;
    struct mn_root root;
    uint64_t budget = 0;
    enum mn_status status;

    if (!mn_view_writable(view)) {
        return mn_fail(MN_READONLY_DB, "this transaction only reads");
    }
    status = mn_root_get(view, tree, &root);
    if (status == MN_OK) status = mn_store_stat(mn_view_store(view), &stats);
    if (status == MN_OK) budget = stats.file_bytes / stats.page_size;
    if (status == MN_OK && root.ref.page != 0) {
        status = root.height == 0 || root.height > MN_TREE_DEPTH_MAX
                     ? mn_fail(MN_CORRUPT, "a tree of %u levels", root.height)
                     : node_drop(view, root.ref, root.height, &budget);
    }
    return status == MN_OK ? mn_root_remove(view, tree) : status;
}
