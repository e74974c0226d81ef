/*
 * salvage: the entries of one tree of a damaged file (contract in salvage.h).
 *
 *   walk     leaves that the root reaches, and holes: key ranges below a child that is damaged
 *   fill     sound leaves of the tree that nobody reaches, into the holes where their keys belong
 *   next     the entries of all these leaves, sorted by first key
 */
#include "btree/salvage.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "btree/inside.h"

enum { DOUBT_SHARE = 8 }; /* of the leaves below a guessed root; more that fit: it is none */

struct mn_salvage_forest {
    struct mn_salvage *salvage;
    struct mn_root *roots;
    size_t count, capacity;
};

/* Keys from `low` up to `high`; high.data NULL: no end. */
struct hole {
    struct mn_bytes low, high;
};

struct leaf {
    struct mn_ref ref;
    uint64_t birth;
    struct mn_bytes first, last;
};

struct mn_salvage_cursor {
    struct mn_salvage *salvage;
    struct mn_view *view;
    uint64_t tree, total;
    bool guessed, doubtful; /* the root is a guess; there are signs that it is none */
    struct mn_arena arena;  /* keys of holes and leaves */
    uint8_t *reached;       /* one for each of the salvage's pages */
    struct leaf *leaves;
    size_t leaf_count, leaf_capacity;
    struct hole *holes;
    size_t hole_count, hole_capacity;
    size_t at;      /* the leaf at hand */
    uint32_t index; /* its next entry */
    struct mn_buf key;
};

/* Damage of a page is an answer here; only memory ends a salvage. */
static bool is_fatal(enum mn_status status)
{
    return status == MN_NOMEM;
}

static int bytes_compare(struct mn_bytes a, struct mn_bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* ---- leaves and holes ---- */

static enum mn_status key_keep(struct mn_salvage_cursor *c, const struct mn_node *node,
                               uint32_t index, struct mn_bytes *out)
{
    struct mn_cell cell = mn_node_cell(node, index);
    size_t len = mn_cell_key_len(&cell);
    uint8_t *key;

    if (len > MN_TREE_KEY_BYTES_MAX) return mn_fail(MN_CORRUPT, "a key that is too long");
    key = mn_arena_alloc(&c->arena, len + 1);
    if (!key) return mn_fail_nomem();
    *out = mn_bytes_of(key, len);
    return mn_cell_key_copy(node, &cell, key);
}

static enum mn_status hole_add(struct mn_salvage_cursor *c, struct mn_bytes low,
                               struct mn_bytes high)
{
    if (!mn_grow(&c->holes, &c->hole_capacity, c->hole_count + 1, sizeof *c->holes)) {
        return mn_fail_nomem();
    }
    c->holes[c->hole_count++] = (struct hole){low, high};
    return MN_OK;
}

/* The nearest entries, from either end, whose keys can be read. */
static enum mn_status leaf_bounds(struct mn_salvage_cursor *c, const struct mn_node *node,
                                  struct leaf *leaf)
{
    uint32_t count = mn_node_count(node->page), first = 0, last = count;
    enum mn_status status = MN_CORRUPT;

    while (status != MN_OK && !is_fatal(status) && first < count) {
        status = key_keep(c, node, first++, &leaf->first);
    }
    if (status == MN_OK) status = MN_CORRUPT;
    while (status != MN_OK && !is_fatal(status) && last >= first) {
        status = key_keep(c, node, --last, &leaf->last);
    }
    return status;
}

static enum mn_status leaf_add(struct mn_salvage_cursor *c, const struct leaf *leaf)
{
    if (!mn_grow(&c->leaves, &c->leaf_capacity, c->leaf_count + 1, sizeof *c->leaves)) {
        return mn_fail_nomem();
    }
    c->leaves[c->leaf_count++] = *leaf;
    return MN_OK;
}

static uint8_t *reached_at(struct mn_salvage_cursor *c, const struct mn_salvage_page *page)
{
    size_t count;

    return &c->reached[page - mn_salvage_pages(c->salvage, &count)];
}

static enum mn_status walk(struct mn_salvage_cursor *c, struct mn_ref ref, uint32_t height,
                           const struct hole *range);

static enum mn_status children_walk(struct mn_salvage_cursor *c, const struct mn_node *branch,
                                    uint32_t height, const struct hole *range)
{
    uint32_t count = mn_node_count(branch->page);
    struct hole child = {.low = range->low};
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < count && !is_fatal(status); i++) {
        struct mn_ref ref = mn_node_child(branch->page, i);

        child.high = range->high;
        status = i + 1 < count ? key_keep(c, branch, i + 1, &child.high) : MN_OK;
        if (status == MN_CORRUPT) child.high = range->high; /* its tail is lost */
        if (!is_fatal(status)) status = walk(c, ref, height - 1, &child);
        child.low = child.high.data ? child.high : child.low;
    }
    return is_fatal(status) ? status : MN_OK;
}

/* A page that is not what its parent says is a hole; so is one that was reached before. */
static enum mn_status walk(struct mn_salvage_cursor *c, struct mn_ref ref, uint32_t height,
                           const struct hole *range)
{
    struct mn_salvage_page *known = mn_salvage_find(c->salvage, ref.page);
    struct mn_node node = {NULL, mn_view_page_size(c->view), c->view};
    uint8_t kind = height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH, *own = NULL;
    const uint8_t *page;
    enum mn_status status = MN_CORRUPT;

    if (known && !*reached_at(c, known)) status = mn_page_read(c->view, ref, kind, &page);
    if (is_fatal(status)) return status;
    if (status != MN_OK) return hole_add(c, range->low, range->high);
    *reached_at(c, known) = 1;
    node.page = (uint8_t *)(uintptr_t)page;
    if (height > 1) { /* what is below may forget the copy that this page is */
        own = mn_alloc(node.size);
        if (!own) return mn_fail_nomem();
        memcpy(own, page, node.size);
        node.page = own;
        status = children_walk(c, &node, height, range);
    } else {
        struct leaf leaf = {.ref = ref, .birth = known->birth};

        status = leaf_bounds(c, &node, &leaf);
        if (status == MN_OK) status = leaf_add(c, &leaf);
        if (!is_fatal(status)) status = MN_OK; /* no entry of it is whole */
        mn_salvage_view_forget(c->view);
    }
    mn_dealloc(own);
    return status;
}

/* ---- filling the holes ---- */

static bool hole_holds(const struct hole *hole, const struct leaf *leaf)
{
    return bytes_compare(hole->low, leaf->first) <= 0 &&
           (!hole->high.data || bytes_compare(leaf->last, hole->high) < 0);
}

/* Does it lie between the leaves that were reached? Those are sorted. */
static bool leaf_is_between(const struct mn_salvage_cursor *c, size_t reached,
                            const struct leaf *leaf)
{
    size_t low = 0, high = reached;

    while (low < high) { /* the first that does not end before it */
        size_t middle = low + (high - low) / 2;

        if (bytes_compare(c->leaves[middle].last, leaf->first) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == reached || bytes_compare(leaf->last, c->leaves[low].first) < 0;
}

/* Leaves do not overlap: of two that do, the younger was accepted. */
static bool leaf_fits(const struct mn_salvage_cursor *c, size_t reached, const struct leaf *leaf)
{
    if (c->doubtful && !leaf_is_between(c, reached, leaf)) return false;
    for (size_t i = reached; i < c->leaf_count; i++) {
        if (bytes_compare(leaf->first, c->leaves[i].last) <= 0 &&
            bytes_compare(c->leaves[i].first, leaf->last) <= 0) {
            return false;
        }
    }
    return true;
}

static int younger_first(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;

    return (x->birth < y->birth) - (x->birth > y->birth);
}

static int by_first_key(const void *a, const void *b)
{
    return bytes_compare(((const struct leaf *)a)->first, ((const struct leaf *)b)->first);
}

/* Every sound leaf that may be of this tree and that nobody has reached. */
static enum mn_status strays_find(struct mn_salvage_cursor *c, struct leaf **out, size_t *count)
{
    struct leaf *strays = NULL;
    size_t capacity = 0, pages;
    struct mn_salvage_page *page = mn_salvage_pages(c->salvage, &pages);
    enum mn_status status = MN_OK;

    *count = 0;
    for (size_t i = 0; i < pages && !is_fatal(status); i++) {
        struct mn_node node = {NULL, mn_view_page_size(c->view), c->view};
        struct leaf leaf = {.ref = {page[i].page, page[i].sum}, .birth = page[i].birth};
        const uint8_t *bytes;

        if (page[i].kind != MN_PAGE_LEAF || c->reached[i] || !page[i].used) continue;
        if (page[i].label != (c->tree & 0xFFFF)) continue;
        status = mn_page_read(c->view, leaf.ref, MN_PAGE_LEAF, &bytes);
        if (status != MN_OK) continue;
        node.page = (uint8_t *)(uintptr_t)bytes;
        status = leaf_bounds(c, &node, &leaf);
        if (status != MN_OK) continue;
        if (!mn_grow(&strays, &capacity, *count + 1, sizeof *strays)) status = mn_fail_nomem();
        if (status == MN_OK) strays[(*count)++] = leaf;
        mn_salvage_view_forget(c->view);
    }
    *out = strays;
    return is_fatal(status) ? status : MN_OK;
}

/*
 * A page below a root that is damaged is easily taken for the root. Then many leaves of the tree
 * lie where that one has none: they belong to it, and so may what was deleted there.
 */
static enum mn_status guess_doubt(struct mn_salvage_cursor *c, const struct leaf *strays,
                                  size_t count)
{
    size_t between = 0;

    if (c->leaf_count > 1) qsort(c->leaves, c->leaf_count, sizeof *c->leaves, by_first_key);
    for (size_t i = 0; i < count; i++) between += leaf_is_between(c, c->leaf_count, &strays[i]);
    if (between * DOUBT_SHARE > c->leaf_count) c->doubtful = true;
    if (!c->doubtful) return MN_OK;
    c->hole_count = 0;
    return hole_add(c, mn_bytes_of("", 0), (struct mn_bytes){NULL, 0});
}

static enum mn_status holes_fill(struct mn_salvage_cursor *c)
{
    bool sure = !mn_salvage_facts(c->salvage)->space_lost;
    size_t count = 0, reached = c->leaf_count;
    struct leaf *strays = NULL;
    enum mn_status status = MN_OK;

    if (c->hole_count > 0 || c->guessed) status = strays_find(c, &strays, &count);
    if (status == MN_OK && c->guessed) status = guess_doubt(c, strays, count);
    if (count > 0) qsort(strays, count, sizeof *strays, younger_first);
    for (size_t i = 0; i < count && status == MN_OK; i++) {
        for (size_t h = 0; h < c->hole_count; h++) {
            if (!hole_holds(&c->holes[h], &strays[i])) continue;
            if (!sure && !leaf_fits(c, reached, &strays[i])) break;
            status = leaf_add(c, &strays[i]);
            break;
        }
    }
    mn_dealloc(strays);
    if (c->leaf_count > 1) qsort(c->leaves, c->leaf_count, sizeof *c->leaves, by_first_key);
    return status;
}

/* ---- roots ---- */

static struct mn_root *root_of(struct mn_salvage_forest *forest, uint64_t tree)
{
    for (size_t i = 0; i < forest->count; i++) {
        if (forest->roots[i].tree == tree) return &forest->roots[i];
    }
    return NULL;
}

static enum mn_status root_note(struct mn_salvage_forest *forest, const struct mn_root *root)
{
    if (root_of(forest, root->tree)) return MN_OK;
    if (!mn_grow(&forest->roots, &forest->capacity, forest->count + 1, sizeof *forest->roots)) {
        return mn_fail_nomem();
    }
    forest->roots[forest->count++] = *root;
    return MN_OK;
}

/* Levels below and with this page, by the first child that is sound; 0: none can be told. */
static uint32_t height_of(struct mn_salvage *salvage, const struct mn_salvage_page *page)
{
    struct mn_view *view = mn_salvage_view(salvage);
    uint32_t height = 1;

    while (page->kind == MN_PAGE_BRANCH && height < MN_TREE_DEPTH_MAX) {
        const struct mn_salvage_page *below = NULL;
        const uint8_t *bytes;

        if (mn_page_read(view, (struct mn_ref){page->page, page->sum}, MN_PAGE_BRANCH, &bytes)) {
            return 0;
        }
        for (uint32_t i = 0; i < mn_node_count(bytes) && !below; i++) {
            struct mn_ref child = mn_node_child(bytes, i);

            below = mn_salvage_find(salvage, child.page);
            if (below && below->sum != child.sum) below = NULL;
        }
        if (!below) return 0;
        page = below;
        height++;
    }
    return page->kind == MN_PAGE_LEAF ? height : 0;
}

/* Is it a child of some page of that age? */
static bool has_parent(struct mn_salvage *salvage, const struct mn_salvage_page *page)
{
    size_t count;
    struct mn_salvage_page *all = mn_salvage_pages(salvage, &count);

    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes;

        if (all[i].kind != MN_PAGE_BRANCH || all[i].label != page->label ||
            all[i].birth != page->birth ||
            mn_page_read(mn_salvage_view(salvage), (struct mn_ref){all[i].page, all[i].sum},
                         MN_PAGE_BRANCH, &bytes)) {
            continue;
        }
        for (uint32_t c = 0; c < mn_node_count(bytes); c++) {
            if (mn_node_child(bytes, c).page == page->page) return true;
        }
    }
    return false;
}

/*
 * Without a slot: every change of a tree writes its root anew, so the root is among the tree's
 * youngest pages, and it is the one that none of them points to. Two of those, or an older page
 * that stood higher: the root is damaged, and this is a part of the tree, or the tree was cut.
 */
static bool root_guess(struct mn_salvage *salvage, uint64_t tree, struct mn_root *root,
                       bool *doubtful)
{
    const struct mn_salvage_page *best = NULL;
    uint64_t youngest = 0;
    size_t count;
    struct mn_salvage_page *all = mn_salvage_pages(salvage, &count);

    for (size_t i = 0; i < count; i++) {
        if (all[i].label == (tree & 0xFFFF) && all[i].birth > youngest) youngest = all[i].birth;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t height;

        if (all[i].label != (tree & 0xFFFF) || all[i].birth != youngest) continue;
        height = has_parent(salvage, &all[i]) ? 0 : height_of(salvage, &all[i]);
        *doubtful |= height > 0 && best;
        if (height == 0 || (best && height <= root->height)) continue;
        best = &all[i];
        *root = (struct mn_root){
            .tree = tree, .ref = {best->page, best->sum}, .entries = UINT64_MAX, .height = height};
    }
    for (size_t i = 0; i < count && best && !*doubtful; i++) {
        if (all[i].label != (tree & 0xFFFF) || all[i].kind != MN_PAGE_BRANCH) continue;
        *doubtful = height_of(salvage, &all[i]) > root->height;
    }
    mn_salvage_view_forget(mn_salvage_view(salvage));
    return best != NULL;
}

/* Roots that lie in the master tree. */
static enum mn_status master_read(struct mn_salvage_forest *forest)
{
    struct mn_salvage_cursor *cursor;
    struct mn_item item;
    bool found = false;
    enum mn_status status = mn_salvage_cursor_open(forest, MN_TREE_MASTER, &cursor);

    if (status != MN_OK) return status;
    status = mn_salvage_cursor_next(cursor, &item, &found);
    while (status == MN_OK && found) {
        struct mn_root root;

        if (item.key.len == 8 && mn_root_decode(mn_get_u64_be(item.key.data), item.value, &root)) {
            status = root_note(forest, &root);
        }
        if (status == MN_OK) status = mn_salvage_cursor_next(cursor, &item, &found);
    }
    mn_salvage_cursor_close(cursor);
    return status;
}

enum mn_status mn_salvage_forest_new(struct mn_salvage *salvage, struct mn_salvage_forest **out)
{
    struct mn_salvage_forest *forest = mn_zalloc(sizeof *forest);
    uint32_t count = 0;
    const struct mn_root *roots = mn_view_roots(mn_salvage_view(salvage), &count);
    enum mn_status status = forest ? MN_OK : mn_fail_nomem();

    *out = NULL;
    if (status != MN_OK) return status;
    forest->salvage = salvage;
    for (uint32_t i = 0; i < count && status == MN_OK; i++) status = root_note(forest, &roots[i]);
    if (status == MN_OK) status = master_read(forest);
    if (status != MN_OK) {
        mn_salvage_forest_free(forest);
        return status;
    }
    *out = forest;
    return MN_OK;
}

void mn_salvage_forest_free(struct mn_salvage_forest *forest)
{
    if (!forest) return;
    mn_dealloc(forest->roots);
    mn_dealloc(forest);
}

/* ---- the cursor ---- */

/* Nothing is known of where a tree begins: all of it is a hole. */
static enum mn_status tree_walk(struct mn_salvage_forest *forest, struct mn_salvage_cursor *c)
{
    const struct hole all = {{(const uint8_t *)"", 0}, {NULL, 0}};
    struct mn_root *known = root_of(forest, c->tree), guess = {0};

    if (!known && mn_salvage_facts(c->salvage)->slots_lost &&
        root_guess(c->salvage, c->tree, &guess, &c->doubtful)) {
        known = &guess;
        c->guessed = true;
    }
    c->total = known ? known->entries : UINT64_MAX;
    if (known && known->ref.page == 0) return MN_OK;
    if (!known || known->height == 0 || known->height > MN_TREE_DEPTH_MAX) {
        return hole_add(c, all.low, all.high);
    }
    return walk(c, known->ref, known->height, &all);
}

enum mn_status mn_salvage_cursor_open(struct mn_salvage_forest *forest, uint64_t tree,
                                      struct mn_salvage_cursor **out)
{
    struct mn_salvage_cursor *c = mn_zalloc(sizeof *c);
    size_t pages;
    enum mn_status status = c ? MN_OK : mn_fail_nomem();

    *out = NULL;
    if (status != MN_OK) return status;
    c->salvage = forest->salvage;
    (void)mn_salvage_pages(c->salvage, &pages);
    c->reached = mn_zalloc(pages + 1);
    c->tree = tree;
    mn_arena_init(&c->arena, 0);
    status = c->reached ? mn_salvage_view_new(forest->salvage, &c->view) : mn_fail_nomem();
    if (status == MN_OK) status = tree_walk(forest, c);
    if (status == MN_OK) status = holes_fill(c);
    if (status != MN_OK) {
        mn_salvage_cursor_close(c);
        return status;
    }
    *out = c;
    return MN_OK;
}

void mn_salvage_cursor_close(struct mn_salvage_cursor *cursor)
{
    if (!cursor) return;
    mn_salvage_view_free(cursor->view);
    mn_arena_release(&cursor->arena);
    mn_buf_release(&cursor->key);
    mn_dealloc(cursor->reached);
    mn_dealloc(cursor->leaves);
    mn_dealloc(cursor->holes);
    mn_dealloc(cursor);
}

uint64_t mn_salvage_cursor_total(const struct mn_salvage_cursor *cursor)
{
    return cursor->total;
}

static enum mn_status entry_read(struct mn_salvage_cursor *c, const struct mn_node *node,
                                 uint32_t index, struct mn_item *item)
{
    struct mn_cell cell = mn_node_cell(node, index);
    size_t len = mn_cell_key_len(&cell);
    enum mn_status status;

    c->key.len = 0;
    if (len > MN_TREE_KEY_BYTES_MAX) return mn_fail(MN_CORRUPT, "a key that is too long");
    status = mn_buf_reserve(&c->key, len + 1);
    if (status == MN_OK) status = mn_cell_key_copy(node, &cell, c->key.data);
    if (status != MN_OK) return status;
    item->key = mn_bytes_of(c->key.data, len);
    return mn_cell_read(c->view, &cell, &item->value, &item->run);
}

enum mn_status mn_salvage_cursor_next(struct mn_salvage_cursor *cursor, struct mn_item *item,
                                      bool *found)
{
    *found = false;
    while (cursor->at < cursor->leaf_count) {
        const struct leaf *leaf = &cursor->leaves[cursor->at];
        struct mn_node node = {NULL, mn_view_page_size(cursor->view), cursor->view};
        const uint8_t *page;
        enum mn_status status;

        if (cursor->index == 0) mn_salvage_view_forget(cursor->view);
        status = mn_page_read(cursor->view, leaf->ref, MN_PAGE_LEAF, &page);
        if (is_fatal(status)) return status;
        if (status != MN_OK || cursor->index >= mn_node_count(page)) {
            cursor->at++;
            cursor->index = 0;
            continue;
        }
        node.page = (uint8_t *)(uintptr_t)page;
        status = entry_read(cursor, &node, cursor->index++, item);
        if (is_fatal(status)) return status;
        if (status != MN_OK) continue; /* its run, or the tail of its key, is damaged */
        *found = true;
        return MN_OK;
    }
    return MN_OK;
}
