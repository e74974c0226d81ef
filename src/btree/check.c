/*
 * check: is every tree what it should be? The walk of `mneme check`.
 *
 * Pages are read as a reader would, so checksums are proven on the way; here follows what a
 * checksum cannot know: that nodes are nodes, that keys ascend across nodes, that every key lies
 * between the separators above it, that counts add up and that no page belongs to two places.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "btree/inside.h"

/* A child of a branch: its keys lie at or above separator `index` and below the next. */
struct bound {
    struct mn_node branch;
    uint32_t index;
};

struct walk {
    struct mn_view *view;
    struct mn_store_check *check;
    mn_report report;
    void *context;
    uint64_t tree;
    const struct bound *bound; /* what the first key of the next leaf must obey; NULL: nothing */
    uint8_t *last;             /* the key before, across leaves */
    size_t last_len, last_capacity;
    bool any;
};

static void found_fault(struct walk *w, uint64_t page, const char *what)
{
    char text[160];

    snprintf(text, sizeof text, "tree %" PRIu64 ": %s", w->tree, what);
    w->report(w->context, page, text);
}

/* Reports the failure of the thread's last call and goes on; only memory and I/O end the walk. */
static enum mn_status fault_or_end(struct walk *w, uint64_t page, enum mn_status status)
{
    if (status != MN_CORRUPT) return status;
    found_fault(w, page, mn_error_last()->message);
    return MN_OK;
}

/* Makes the next read prove the checksum again, whatever this process saw there before. */
static void unsee(const struct mn_view *view, uint64_t page, uint64_t pages)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;

    for (uint64_t i = page; i < page + pages && i < front->mapped_pages; i++) {
        __atomic_store_n(&front->seen[i], 0, __ATOMIC_RELEASE);
    }
}

static enum mn_status run_check(struct walk *w, const uint8_t *packed, uint64_t at)
{
    struct mn_run run;
    const uint8_t *bytes;
    enum mn_status status;

    if (!packed) return MN_OK;
    run = mn_run_unpack(packed);
    if (!mn_store_check_mark(w->check, run.page, mn_run_pages(w->view, run.size_bytes))) {
        return MN_OK;
    }
    unsee(w->view, run.page, 1);
    status = mn_run_read(w->view, &run, &bytes);
    return fault_or_end(w, at, status);
}

/* The key of an entry against the one before it, and against the bounds from above. */
static enum mn_status key_check(struct walk *w, const struct mn_node *leaf, uint32_t index)
{
    struct mn_cell cell = mn_node_cell(leaf, index);
    size_t length = mn_cell_key_len(&cell), common;
    uint64_t page = mn_page_number(leaf->page);
    uint8_t *key;
    int order;
    enum mn_status status;

    if (length > MN_TREE_KEY_BYTES_MAX) {
        found_fault(w, page, "a key that is too long");
        return MN_OK;
    }
    key = mn_alloc(length);
    if (!key) return mn_fail_nomem();
    status = mn_cell_key_copy(leaf, &cell, key);
    if (status == MN_OK) {
        common = length < w->last_len ? length : w->last_len;
        order = common ? memcmp(w->last, key, common) : 0;
        if (order == 0) order = w->last_len < length ? -1 : 1;
        if (w->any && order >= 0) found_fault(w, page, "keys that do not ascend");
        if (!mn_grow(&w->last, &w->last_capacity, length, 1)) {
            status = mn_fail_nomem();
        } else {
            if (length) memcpy(w->last, key, length);
            w->last_len = length;
            w->any = true;
        }
    }
    mn_dealloc(key);
    return fault_or_end(w, page, status);
}

/* The key last seen must belong to child `index` of the branch, or to one before where `below`. */
static enum mn_status side_check(struct walk *w, const struct bound *bound, bool below)
{
    uint32_t at;
    bool exact;
    uint64_t page = mn_page_number(bound->branch.page);
    enum mn_status status;

    if (!w->any) return MN_OK;
    status = mn_node_search(&bound->branch, mn_bytes_of(w->last, w->last_len), &at, &exact);
    if (status == MN_OK && (below ? at >= bound->index : at != bound->index)) {
        found_fault(w, page, "a key on the wrong side of a separator");
    }
    return fault_or_end(w, page, status);
}

static enum mn_status leaf_check(struct walk *w, const struct mn_node *leaf)
{
    enum mn_status status = MN_OK;
    uint64_t page = mn_page_number(leaf->page);

    for (uint32_t i = 0; status == MN_OK && i < mn_node_count(leaf->page); i++) {
        status = run_check(w, mn_node_tail_run(leaf, i), page);
        if (status == MN_OK) status = run_check(w, mn_node_value_run(leaf, i), page);
        if (status == MN_OK) status = key_check(w, leaf, i);
        if (status == MN_OK && i == 0 && w->bound) status = side_check(w, w->bound, false);
        w->bound = NULL;
    }
    return status;
}

static enum mn_status node_check(struct walk *w, struct mn_ref ref, uint32_t height,
                                 uint64_t *entries);

static enum mn_status child_check(struct walk *w, struct bound *bound, uint32_t height)
{
    const uint8_t *branch = bound->branch.page;
    uint64_t entries = UINT64_MAX;
    enum mn_status status = MN_OK;

    if (bound->index > 0) {
        status = side_check(w, bound, true);
        w->bound = bound;
    }
    if (status == MN_OK) {
        status = node_check(w, mn_node_child(branch, bound->index), height - 1, &entries);
    }
    if (status != MN_OK || entries == UINT64_MAX) return status;
    if (entries != mn_node_child_entries(branch, bound->index)) {
        found_fault(w, mn_page_number(branch), "a count of entries that does not add up");
    }
    return side_check(w, bound, false);
}

static enum mn_status branch_check(struct walk *w, const struct mn_node *branch, uint32_t height)
{
    struct bound bound = {*branch, 0};
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; status == MN_OK && i < mn_node_count(branch->page); i++) {
        bound.index = i;
        status = run_check(w, mn_node_tail_run(branch, i), mn_page_number(branch->page));
        if (status == MN_OK) status = child_check(w, &bound, height);
        w->bound = NULL;
    }
    return status;
}

/* *entries is UINT64_MAX where the node cannot be read. */
static enum mn_status node_check(struct walk *w, struct mn_ref ref, uint32_t height,
                                 uint64_t *entries)
{
    uint8_t kind = height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    struct mn_node node = {NULL, mn_view_page_size(w->view), w->view};
    const uint8_t *page;
    enum mn_status status;

    *entries = UINT64_MAX;
    if (!mn_store_check_mark(w->check, ref.page, 1)) return MN_OK;
    unsee(w->view, ref.page, 1);
    status = mn_page_read(w->view, ref, kind, &page);
    if (status == MN_OK) status = mn_node_validate(page, node.size, kind);
    if (status != MN_OK) return fault_or_end(w, ref.page, status);
    node.page = (uint8_t *)(uintptr_t)page;
    *entries = mn_node_entries(page);
    return height == 1 ? leaf_check(w, &node) : branch_check(w, &node, height);
}

static enum mn_status tree_check(void *context, const struct mn_root *root)
{
    struct walk *w = context;
    uint64_t entries = 0;
    enum mn_status status = MN_OK;

    w->tree = root->tree;
    w->any = false;
    w->bound = NULL;
    w->last_len = 0;
    if (root->ref.page == 0) {
        if (root->entries != 0) found_fault(w, 0, "an empty tree that counts entries");
        return MN_OK;
    }
    if (root->height == 0 || root->height > MN_TREE_DEPTH_MAX) {
        found_fault(w, root->ref.page, "a height that no tree has");
        return MN_OK;
    }
    status = node_check(w, root->ref, root->height, &entries);
    if (status == MN_OK && entries != UINT64_MAX && entries != root->entries) {
        found_fault(w, root->ref.page, "a root whose count of entries does not add up");
    }
    return status;
}

enum mn_status mn_tree_check_all(struct mn_view *view, struct mn_store_check *check,
                                 mn_report report, void *context)
{
    struct walk w = {.view = view, .check = check, .report = report, .context = context};
    struct mn_root master;
    enum mn_status status = mn_root_get(view, MN_TREE_MASTER, &master);

    if (status == MN_OK) status = tree_check(&w, &master);
    if (status == MN_OK) status = mn_tree_each(view, tree_check, &w);
    mn_dealloc(w.last);
    if (status == MN_CORRUPT) {
        report(context, 0, mn_error_last()->message);
        status = MN_OK;
    }
    return status;
}
