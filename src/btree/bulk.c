/*
 * bulk: appending sorted entries with full leaves, each page written once.
 *
 * The path to the rightmost leaf stays open and writable; an entry is appended to the leaf without
 * a search. Where it does not fit, the ordinary insert splits the leaf behind its last entry, and
 * what then lies left of the path is full for good: it goes to its place in the file at once. So a
 * bulk build keeps one path in memory, whatever its size.
 */
#include <string.h>

#include "base/alloc.h"
#include "btree/inside.h"

struct mn_bulk {
    struct mn_view *view;
    struct mn_scratch *scratch;
    struct mn_root root;
    struct mn_path path;       /* rightmost and writable; depth 0: the tree is empty */
    uint64_t pending;          /* entries appended to the leaf and not yet counted above it */
    uint64_t seals, rollbacks; /* of the scratch when the path was taken */
    uint8_t *last;             /* the last key, to check the order */
    size_t last_len, last_capacity;
    bool any;
};

static enum mn_status last_keep(struct mn_bulk *bulk, struct mn_bytes key)
{
    if (!mn_grow(&bulk->last, &bulk->last_capacity, key.len, 1)) return mn_fail_nomem();
    if (key.len) memcpy(bulk->last, key.data, key.len);
    bulk->last_len = key.len;
    bulk->any = true;
    return MN_OK;
}

/* Takes the path anew, from the root down the last children. */
static enum mn_status rightmost_open(struct mn_bulk *bulk)
{
    struct mn_path *path = &bulk->path;
    enum mn_status status = mn_path_root(path, bulk->view, &bulk->root);

    for (uint32_t level = 0; status == MN_OK && level < path->depth; level++) {
        path->step[level].index = mn_node_count(path->step[level].page) - 1;
        if (level + 1 < path->depth) status = mn_path_down(path, level);
    }
    bulk->seals = bulk->scratch->seals;
    if (status == MN_OK) status = mn_path_edit(path, &bulk->root);
    /* The root is kept where a seal finds it, if another tree's change makes one. */
    return status == MN_OK ? mn_root_set(bulk->view, &bulk->root) : status;
}

/* Takes the path anew where another tree's change sealed it; entries are counted here alone. */
static enum mn_status path_refresh(struct mn_bulk *bulk)
{
    uint64_t entries = bulk->root.entries;
    enum mn_status status;

    if (bulk->rollbacks != bulk->scratch->rollbacks) {
        return mn_fail(MN_MISUSE, "a bulk build does not survive the rollback of a savepoint");
    }
    if (bulk->seals == bulk->scratch->seals) return MN_OK;
    status = mn_root_get(bulk->view, bulk->root.tree, &bulk->root);
    bulk->root.entries = entries;
    return status == MN_OK ? rightmost_open(bulk) : status;
}

static enum mn_status last_read(struct mn_bulk *bulk)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    bool found = false;
    enum mn_status status = mn_cursor_open(bulk->view, bulk->root.tree, &cursor);

    if (status != MN_OK) return status;
    status = mn_cursor_last(cursor, &found);
    if (status == MN_OK && found) status = mn_cursor_item(cursor, &item);
    if (status == MN_OK && found) status = last_keep(bulk, item.key);
    mn_cursor_close(cursor);
    return status;
}

static void bulk_free(struct mn_bulk *bulk)
{
    mn_dealloc(bulk->last);
    mn_dealloc(bulk);
}

enum mn_status mn_bulk_begin(struct mn_view *view, uint64_t tree, struct mn_bulk **out)
{
    struct mn_bulk *bulk;
    enum mn_status status;

    *out = NULL;
    if (!mn_view_writable(view)) {
        return mn_fail(MN_READONLY_DB, "this transaction only reads");
    }
    bulk = mn_zalloc(sizeof *bulk);
    if (!bulk) return mn_fail_nomem();
    bulk->view = view;
    status = mn_scratch_get(view, &bulk->scratch);
    if (status == MN_OK) bulk->rollbacks = bulk->scratch->rollbacks;
    if (status == MN_OK) status = mn_root_get(view, tree, &bulk->root);
    if (status == MN_OK) status = last_read(bulk);
    if (status == MN_OK) status = rightmost_open(bulk);
    if (status != MN_OK) {
        bulk_free(bulk);
        return status;
    }
    *out = bulk;
    return MN_OK;
}

static enum mn_status plant(struct mn_bulk *bulk)
{
    struct mn_step *step = &bulk->path.step[0];
    enum mn_status status = mn_page_new(bulk->view, MN_PAGE_LEAF, &step->ref, &step->page);

    if (status != MN_OK) return status;
    mn_page_set_label(step->page, bulk->root.tree);
    step->index = 0;
    bulk->path.depth = 1;
    bulk->root.ref = step->ref;
    bulk->root.height = 1;
    return mn_root_set(bulk->view, &bulk->root);
}

/* What lies left of the path under the same parents is full: it goes to its place. */
static enum mn_status left_place(struct mn_bulk *bulk)
{
    struct mn_path *path = &bulk->path;
    enum mn_status status = MN_OK;

    for (uint32_t level = path->depth - 1; status == MN_OK && level-- > 0;) {
        const struct mn_step *step = &path->step[level];
        struct mn_ref ref;

        if (step->index == 0) continue;
        ref = mn_node_child(step->page, step->index - 1);
        if (!mn_ref_is_dirty(ref)) continue;
        status = mn_node_seal(bulk->view, &ref, path->depth - 1 - level);
        mn_node_child_set(step->page, step->index - 1, ref,
                          mn_node_child_entries(step->page, step->index - 1));
    }
    return status;
}

static void pending_count(struct mn_bulk *bulk)
{
    if (bulk->pending > 0) mn_path_count(&bulk->path, (int64_t)bulk->pending);
    bulk->pending = 0;
}

static enum mn_status entry_append(struct mn_bulk *bulk, const struct mn_entry *entry)
{
    struct mn_path *path = &bulk->path;
    struct mn_node leaf;
    uint32_t count;
    enum mn_status status = path->depth == 0 ? plant(bulk) : MN_OK;

    if (status != MN_OK) return status;
    leaf = mn_path_node(path, path->depth - 1);
    count = mn_node_count(leaf.page);
    bulk->root.entries++;
    bulk->pending++;
    path->step[path->depth - 1].index = count;
    if (mn_node_insert(&leaf, count, &entry->cell)) return MN_OK;
    pending_count(bulk);
    status = mn_path_insert(path, &bulk->root, &entry->cell);
    if (status == MN_OK) status = rightmost_open(bulk);
    return status == MN_OK ? left_place(bulk) : status;
}

static enum mn_status entry_begin(struct mn_bulk *bulk, struct mn_bytes key)
{
    size_t common = bulk->last_len < key.len ? bulk->last_len : key.len;
    int order = common ? memcmp(bulk->last, key.data, common) : 0;

    if (order == 0) order = bulk->last_len < key.len ? -1 : 1;
    if (bulk->any && order >= 0) {
        return mn_fail(MN_MISUSE, "a bulk build takes keys in ascending order");
    }
    if (mn_key_check(key) != MN_OK) return MN_TOOBIG;
    return path_refresh(bulk);
}

/* Builds the cell, its value already in the payload, and appends it. */
static enum mn_status entry_end(struct mn_bulk *bulk, struct mn_entry *entry, struct mn_bytes key)
{
    struct mn_bytes payload = entry->cell.payload;
    uint16_t flags = entry->cell.flags;
    enum mn_status status = mn_entry_key(entry, bulk->view, key);

    entry->cell.payload = payload;
    entry->cell.flags = flags;
    if (status == MN_OK) status = entry_append(bulk, entry);
    return status == MN_OK ? last_keep(bulk, key) : status;
}

enum mn_status mn_bulk_add(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value)
{
    struct mn_entry entry = {.payload = bulk->scratch->payload};
    enum mn_status status = entry_begin(bulk, key);

    if (status == MN_OK) status = mn_entry_store(&entry, bulk->view, value);
    return status == MN_OK ? entry_end(bulk, &entry, key) : status;
}

enum mn_status mn_bulk_add_run(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value,
                               uint64_t run_bytes, uint8_t **run)
{
    struct mn_entry entry = {.payload = bulk->scratch->payload};
    struct mn_run made;
    enum mn_status status = entry_begin(bulk, key);

    *run = NULL;
    if (status != MN_OK) return status;
    if (value.len == 0 || value.len > mn_node_inline_max(mn_view_page_size(bulk->view)) ||
        run_bytes == 0) {
        return mn_fail(MN_MISUSE, "a run needs an inline part of 1 to %u bytes beside it",
                       mn_node_inline_max(mn_view_page_size(bulk->view)));
    }
    status = mn_run_new(bulk->view, run_bytes, &made, run);
    if (status != MN_OK) return status;
    mn_entry_value(&entry, value, &made);
    status = entry_end(bulk, &entry, key);
    /* The tail of the key is a run too: making it may have moved this one out of memory. */
    return status == MN_OK ? mn_run_edit(bulk->view, &made, run) : status;
}

enum mn_status mn_bulk_end(struct mn_bulk *bulk)
{
    enum mn_status status;

    if (!bulk) return MN_OK;
    status = path_refresh(bulk);
    if (status == MN_OK) {
        if (bulk->path.depth > 0) pending_count(bulk);
        bulk->scratch->changes[bulk->root.tree & 63]++;
        status = mn_root_set(bulk->view, &bulk->root);
    }
    bulk_free(bulk);
    return status;
}
