/*
 * pack: rewriting a tree bit by bit, so that it takes fewer and lower pages. Its entries stay.
 *
 *             parent of leaves                    A step takes some children of one such branch:
 *      ... | a | b | c | d | ...
 *      fill    leaves of three quarters are built anew as fewer full ones
 *      move    pages at or behind `end`, and the runs of their entries, get new places: in a view
 *              that places low (mn_view_pack) those are before it
 *
 *   (P1) between two steps the tree is an ordinary tree, and others may change it: a step begins at
 *        a key, not at a page.
 *   (P2) a step writes about as many pages as it is allowed, plus one path.
 */
#include <string.h>

#include "base/arena.h"
#include "btree/inside.h"

enum { GROUP_MAX = 128 }; /* leaves looked at together */

struct packing {
    struct mn_view *view;
    struct mn_pack *pack;
    struct mn_root root;
    struct mn_path path;
    struct mn_scratch *scratch;
    struct mn_arena arena; /* cells and separators of one group */
    bool changed;
};

/* Children first .. first + count of the branch at `level`, all of them leaves. */
struct group {
    uint32_t level, first, count;
    struct mn_node leaf[GROUP_MAX];
    struct mn_ref ref[GROUP_MAX];
    uint64_t used; /* bytes, without page headers */
};

static void spend(struct packing *p, uint64_t pages)
{
    p->pack->pages -= pages < p->pack->pages ? pages : p->pack->pages;
    p->pack->moved += pages;
    p->changed = true;
}

static bool is_high(const struct packing *p, uint64_t page, uint64_t pages)
{
    return !(page & MN_PAGE_DIRTY) && page + pages > p->pack->end;
}

/* ---- moving ---- */

static bool run_is_high(const struct packing *p, const uint8_t *packed)
{
    struct mn_run run;

    if (!packed) return false;
    run = mn_run_unpack(packed);
    return is_high(p, run.page, mn_run_pages(p->view, run.size_bytes));
}

static enum mn_status run_move(struct packing *p, uint8_t *packed)
{
    struct mn_run run;
    uint8_t *bytes;
    enum mn_status status;

    if (!run_is_high(p, packed)) return MN_OK;
    run = mn_run_unpack(packed);
    status = mn_run_edit(p->view, &run, &bytes);
    if (status == MN_OK) mn_run_pack(packed, &run);
    spend(p, mn_run_pages(p->view, run.size_bytes));
    return status;
}

static bool node_has_high_runs(const struct packing *p, const struct mn_node *node)
{
    for (uint32_t i = 0; i < mn_node_count(node->page); i++) {
        if (run_is_high(p, mn_node_tail_run(node, i))) return true;
        if (mn_node_is_leaf(node->page) && run_is_high(p, mn_node_value_run(node, i))) return true;
    }
    return false;
}

/* The runs of a writable node. */
static enum mn_status runs_move(struct packing *p, const struct mn_node *node)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < mn_node_count(node->page) && status == MN_OK; i++) {
        status = run_move(p, mn_node_tail_run(node, i));
        if (status == MN_OK && mn_node_is_leaf(node->page)) {
            status = run_move(p, mn_node_value_run(node, i));
        }
    }
    return status;
}

/* Makes the branches of the path writable, down to `level`. */
static enum mn_status branches_edit(struct packing *p, uint32_t level)
{
    for (uint32_t i = 0; i <= level; i++) {
        struct mn_step *step = &p->path.step[i];
        struct mn_ref before = step->ref;
        enum mn_status status = mn_page_edit(p->view, &step->ref, MN_PAGE_BRANCH, &step->page);

        if (status != MN_OK) return status;
        if (mn_ref_equal(before, step->ref)) continue;
        spend(p, 1);
        if (i == 0) {
            p->root.ref = step->ref;
        } else {
            uint8_t *parent = p->path.step[i - 1].page;
            uint32_t index = p->path.step[i - 1].index;

            mn_node_child_set(parent, index, step->ref, mn_node_child_entries(parent, index));
        }
    }
    return MN_OK;
}

/* Branches of the path that lie high, or whose separators do. */
static enum mn_status branches_move(struct packing *p, uint32_t level)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i <= level && status == MN_OK; i++) {
        struct mn_node node = mn_path_node(&p->path, i);
        bool runs = node_has_high_runs(p, &node);

        if (!runs && !is_high(p, p->path.step[i].ref.page, 1)) continue;
        status = branches_edit(p, i);
        node = mn_path_node(&p->path, i);
        if (status == MN_OK) status = runs_move(p, &node);
    }
    return status;
}

static enum mn_status leaf_move(struct packing *p, struct group *g, uint32_t at)
{
    struct mn_node *leaf = &g->leaf[at];
    struct mn_ref ref = g->ref[at];
    enum mn_status status;

    if (!is_high(p, ref.page, 1) && !node_has_high_runs(p, leaf)) return MN_OK;
    status = branches_edit(p, g->level);
    if (status == MN_OK) status = mn_page_edit(p->view, &ref, MN_PAGE_LEAF, &leaf->page);
    if (status != MN_OK) return status;
    spend(p, 1);
    mn_node_child_set(p->path.step[g->level].page, g->first + at, ref, mn_node_entries(leaf->page));
    return runs_move(p, leaf);
}

/* ---- filling ---- */

struct filling {
    struct mn_cell *cells; /* of all leaves of the group */
    uint32_t cell_count;
    uint32_t start[GROUP_MAX + 1]; /* the first cell of each new leaf, and the end */
    uint32_t leaves;
    struct mn_cell *branch; /* the parent's cells as they will be */
    uint32_t branch_count;
};

/* The most cells from `at` on that fit one leaf. */
static uint32_t cells_that_fit(const struct packing *p, const struct filling *f, uint32_t at)
{
    const struct mn_node leaf = {NULL, mn_view_page_size(p->view), p->view};
    uint32_t size = leaf.size, low = 1, high = 2, most = f->cell_count - at;

    while (high < most && mn_node_size_of(&leaf, f->cells + at, high, true) <= size) {
        low = high;
        high *= 2;
    }
    if (high > most) high = most;
    while (low < high) { /* `low` fit; more than `high` do not */
        uint32_t middle = low + (high - low + 1) / 2;

        if (mn_node_size_of(&leaf, f->cells + at, middle, true) <= size) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* False: there is nothing to gain, or a key is so long that a part of it lies elsewhere. */
static bool leaves_plan(const struct packing *p, const struct group *g, struct filling *f)
{
    f->leaves = 0;
    for (uint32_t i = 0; i < f->cell_count; i++) {
        if (f->cells[i].tail) return false;
    }
    for (uint32_t at = 0; at < f->cell_count; at += cells_that_fit(p, f, at)) {
        if (f->leaves + 1 >= g->count) return false;
        f->start[f->leaves++] = at;
    }
    f->start[f->leaves] = f->cell_count;
    return f->leaves > 0;
}

/* The shortest key above the cell before `at` and not above the one there. */
static enum mn_status separator_make(struct packing *p, const struct filling *f, uint32_t at,
                                     struct mn_cell *out)
{
    size_t left_len = mn_cell_key_len(&f->cells[at - 1]), len = mn_cell_key_len(&f->cells[at]);
    uint8_t *left = mn_arena_alloc(&p->arena, left_len + 1);
    uint8_t *key = mn_arena_alloc(&p->arena, len + 1);
    struct mn_node none = {NULL, mn_view_page_size(p->view), p->view};
    size_t common = 0;
    enum mn_status status = left && key ? MN_OK : mn_fail_nomem();

    if (status == MN_OK) status = mn_cell_key_copy(&none, &f->cells[at - 1], left);
    if (status == MN_OK) status = mn_cell_key_copy(&none, &f->cells[at], key);
    if (status != MN_OK) return status;
    while (common < left_len && common < len && left[common] == key[common]) common++;
    if (common == len || (common < left_len && left[common] > key[common])) {
        return mn_fail(MN_CORRUPT, "page %llu: keys that do not ascend between two leaves",
                       (unsigned long long)mn_page_number(p->path.step[0].page));
    }
    *out = (struct mn_cell){.suffix = mn_bytes_of(key, common + 1)};
    return MN_OK;
}

/* The parent's cells with the new leaves in the place of the group; their pointers come later. */
static enum mn_status branch_plan(struct packing *p, const struct group *g, struct filling *f,
                                  bool *fits)
{
    struct mn_node parent = mn_path_node(&p->path, g->level);
    struct mn_node copy = {p->scratch->page, parent.size, p->view};
    uint32_t count = mn_node_count(parent.page);
    enum mn_status status = MN_OK;

    *fits = false;
    memcpy(copy.page, parent.page, parent.size);
    f->branch = mn_arena_alloc(&p->arena, (count + 1) * sizeof *f->branch);
    if (!f->branch) return mn_fail_nomem();
    f->branch_count = 0;
    for (uint32_t i = 0; i <= g->first; i++) f->branch[f->branch_count++] = mn_node_cell(&copy, i);
    for (uint32_t i = 1; i < f->leaves && status == MN_OK; i++) {
        status = separator_make(p, f, f->start[i], &f->branch[f->branch_count++]);
    }
    for (uint32_t i = g->first + g->count; i < count && status == MN_OK; i++) {
        f->branch[f->branch_count++] = mn_node_cell(&copy, i);
    }
    *fits = status == MN_OK &&
            mn_node_size_of(&parent, f->branch, f->branch_count, false) <= parent.size;
    return status;
}

static enum mn_status leaves_write(struct packing *p, const struct group *g, struct filling *f)
{
    struct mn_node leaf = {NULL, mn_view_page_size(p->view), p->view};
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < f->leaves && status == MN_OK; i++) {
        uint8_t *child = f->branch[g->first + i].child;
        struct mn_ref ref;

        status = mn_page_new_bare(p->view, MN_PAGE_LEAF, &ref, &leaf.page);
        if (status != MN_OK) break;
        mn_page_set_label(leaf.page, p->root.tree);
        mn_node_build(&leaf, f->cells + f->start[i], f->start[i + 1] - f->start[i]);
        mn_put_ref(child, ref);
        mn_put_u48(child + MN_REF_BYTES, mn_node_entries(leaf.page));
        spend(p, 1);
    }
    for (uint32_t i = 0; i < g->count && status == MN_OK; i++) {
        status = mn_page_drop(p->view, g->ref[i], MN_PAGE_LEAF);
    }
    return status;
}

/* Separators between the old leaves are gone, and what lay elsewhere of them. */
static enum mn_status separators_drop(struct packing *p, const struct group *g)
{
    struct mn_node parent = mn_path_node(&p->path, g->level);
    enum mn_status status = MN_OK;

    for (uint32_t i = g->first + 1; i < g->first + g->count && status == MN_OK; i++) {
        uint8_t *tail = mn_node_tail_run(&parent, i);
        struct mn_run run;

        if (!tail) continue;
        run = mn_run_unpack(tail);
        status = mn_run_drop(p->view, &run);
    }
    return status;
}

static enum mn_status group_fill(struct packing *p, struct group *g)
{
    uint32_t room = mn_view_page_size(p->view) - MN_PAGE_HEADER, entries = 0;
    struct filling f = {0};
    struct mn_node parent;
    bool fits = false;
    enum mn_status status;

    if (g->count < 2 || (g->used + room - 1) / room >= g->count) return MN_OK;
    for (uint32_t i = 0; i < g->count; i++) entries += mn_node_count(g->leaf[i].page);
    f.cells = mn_arena_alloc(&p->arena, entries * sizeof *f.cells);
    if (!f.cells) return mn_fail_nomem();
    for (uint32_t i = 0; i < g->count; i++) {
        for (uint32_t j = 0; j < mn_node_count(g->leaf[i].page); j++) {
            f.cells[f.cell_count++] = mn_node_cell(&g->leaf[i], j);
        }
    }
    if (!leaves_plan(p, g, &f)) return MN_OK;
    status = branch_plan(p, g, &f, &fits);
    if (status != MN_OK || !fits) return status;
    status = branches_edit(p, g->level);
    if (status == MN_OK) status = separators_drop(p, g);
    if (status == MN_OK) status = leaves_write(p, g, &f);
    if (status != MN_OK) return status;
    parent = mn_path_node(&p->path, g->level);
    mn_node_build(&parent, f.branch, f.branch_count);
    return mn_path_shrink_at(&p->path, &p->root, g->level);
}

/* ---- steps ---- */

/* The key at which the next step begins: the separator behind the group, the nearest one above. */
static enum mn_status next_key(struct packing *p, const struct group *g)
{
    uint32_t level = g->level, index = g->first + g->count;

    p->pack->key.len = 0;
    for (;;) {
        struct mn_node node = mn_path_node(&p->path, level);

        if (index < mn_node_count(node.page)) {
            struct mn_cell cell = mn_node_cell(&node, index);
            size_t len = mn_cell_key_len(&cell);
            enum mn_status status = mn_buf_reserve(&p->pack->key, len);

            if (status == MN_OK) status = mn_cell_key_copy(&node, &cell, p->pack->key.data);
            p->pack->key.len = len;
            return status;
        }
        if (level == 0) break;
        level--;
        index = p->path.step[level].index + 1;
    }
    p->pack->done = true;
    return MN_OK;
}

static enum mn_status group_read(struct packing *p, uint32_t level, struct group *g)
{
    const struct mn_step *step = &p->path.step[level];
    uint32_t count = mn_node_count(step->page);

    g->level = level;
    g->first = step->index;
    g->count = 0;
    g->used = 0;
    while (g->first + g->count < count && g->count < GROUP_MAX && g->count < p->pack->pages) {
        struct mn_node leaf = {NULL, mn_view_page_size(p->view), p->view};
        struct mn_ref ref = mn_node_child(step->page, g->first + g->count);
        const uint8_t *page;
        enum mn_status status = mn_page_read(p->view, ref, MN_PAGE_LEAF, &page);

        if (status != MN_OK) return status;
        leaf.page = (uint8_t *)(uintptr_t)page;
        g->leaf[g->count] = leaf;
        g->ref[g->count++] = ref;
        g->used += mn_node_used(page) - MN_PAGE_HEADER;
        p->pack->entries += mn_node_count(page);
    }
    return MN_OK;
}

static enum mn_status group_step(struct packing *p, struct group *g)
{
    enum mn_status status = group_read(p, p->path.depth - 2, g);

    if (status == MN_OK) status = next_key(p, g);
    if (status != MN_OK || p->pack->end == UINT64_MAX) {
        return status != MN_OK ? status : group_fill(p, g);
    }
    status = branches_move(p, g->level);
    for (uint32_t i = 0; i < g->count && status == MN_OK; i++) status = leaf_move(p, g, i);
    return status;
}

/* A tree that is one leaf. */
static enum mn_status root_step(struct packing *p)
{
    struct mn_node leaf = mn_path_node(&p->path, 0);
    enum mn_status status;

    p->pack->done = true;
    p->pack->entries += mn_node_count(leaf.page);
    if (!is_high(p, p->root.ref.page, 1) && !node_has_high_runs(p, &leaf)) return MN_OK;
    status = mn_page_edit(p->view, &p->root.ref, MN_PAGE_LEAF, &leaf.page);
    if (status == MN_OK) status = runs_move(p, &leaf);
    spend(p, 1);
    return status;
}

static enum mn_status step(struct packing *p, struct group *g)
{
    struct mn_bytes key = mn_bytes_of(p->pack->key.data, p->pack->key.len);
    enum mn_status status = mn_path_root(&p->path, p->view, &p->root);

    if (status == MN_OK && p->path.depth == 0) p->pack->done = true;
    if (status != MN_OK || p->path.depth == 0) return status;
    if (p->path.depth == 1) return root_step(p);
    for (uint32_t level = 0; level + 1 < p->path.depth && status == MN_OK; level++) {
        struct mn_node node = mn_path_node(&p->path, level);
        bool exact;

        status = mn_node_search(&node, key, &p->path.step[level].index, &exact);
        if (status == MN_OK && level + 2 < p->path.depth) status = mn_path_down(&p->path, level);
    }
    return status == MN_OK ? group_step(p, g) : status;
}

enum mn_status mn_tree_pack(struct mn_view *view, uint64_t tree, struct mn_pack *pack)
{
    struct packing p = {.view = view, .pack = pack};
    uint64_t least = pack->pages / 4; /* a few leaves alone could hardly be made fewer */
    struct group *g;
    enum mn_status status = mn_root_get(view, tree, &p.root);

    if (status == MN_OK) status = mn_scratch_get(view, &p.scratch);
    if (status != MN_OK) return status;
    mn_arena_init(&p.arena, 0);
    g = mn_arena_alloc(&p.arena, sizeof *g);
    if (!g) status = mn_fail_nomem();
    while (status == MN_OK && !pack->done && pack->pages > least) {
        struct mn_arena_mark mark = mn_arena_mark(&p.arena);

        p.changed = false;
        status = step(&p, g);
        if (status == MN_OK && p.changed) {
            p.scratch->changes[tree & 63]++;
            status = mn_root_set(view, &p.root);
        }
        mn_arena_rewind(&p.arena, mark);
    }
    mn_arena_release(&p.arena);
    return status;
}
