/*
 * forest: which trees there are, and where their roots are kept.
 *
 *   meta slot   up to MN_ROOTS_INLINE roots: the master tree's, the catalogue's, and those of the
 * trees that were changed last master      tree number (8 bytes, big-endian) -> ref 12, entries 6,
 * height 2: all other roots
 *
 *   (F1) a tree's root is in exactly one of the two places
 *   (F2) a change moves its tree's root to the slot, so the next commits on the same trees do not
 *        touch the master tree
 *   (F3) before a commit no root and no child pointer is dirty (seal)
 *
 * A root that makes room may be dirty itself: the master tree's leaf then names a dirty node until
 * the seal finds it there, which works across savepoints because the master tree is a tree.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "btree/inside.h"

/* A root of a tree that is higher, with no more children, keeps them beside it: see store/wing.c.
 */
enum { LOW_HEIGHT = 3, FEW_CHILDREN = 4 };
enum { ROOT_BYTES = MN_REF_BYTES + 6 + 2, COUNTER_NEXT_TREE = 0, COUNTER_TURN = 1 };

static void root_pack(uint8_t at[ROOT_BYTES], const struct mn_root *root)
{
    mn_put_ref(at, root->ref);
    mn_put_u48(at + MN_REF_BYTES, root->entries);
    mn_put_u16(at + MN_REF_BYTES + 6, (uint16_t)root->height);
}

static struct mn_root root_unpack(uint64_t tree, const uint8_t *at)
{
    return (struct mn_root){.tree = tree,
                            .ref = mn_get_ref(at),
                            .entries = mn_get_u48(at + MN_REF_BYTES),
                            .height = mn_get_u16(at + MN_REF_BYTES + 6)};
}

bool mn_root_decode(uint64_t tree, struct mn_bytes value, struct mn_root *root)
{
    if (value.len != ROOT_BYTES) return false;
    *root = root_unpack(tree, value.data);
    return true;
}

static bool root_find(struct mn_view *view, uint64_t tree, struct mn_root *root)
{
    uint32_t count;
    const struct mn_root *roots = mn_view_roots(view, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (roots[i].tree != tree) continue;
        *root = roots[i];
        return true;
    }
    return false;
}

enum mn_status mn_root_get(struct mn_view *view, uint64_t tree, struct mn_root *root)
{
    uint8_t key[8];
    struct mn_bytes value;
    bool found;
    enum mn_status status;

    if (root_find(view, tree, root)) return MN_OK;
    *root = (struct mn_root){.tree = tree};
    if (tree == MN_TREE_MASTER || tree == MN_TREE_CATALOGUE) return MN_OK;
    mn_put_u64_be(key, tree);
    status = mn_tree_get(view, MN_TREE_MASTER, mn_bytes_of(key, sizeof key), &value, &found);
    if (status != MN_OK) return status;
    if (!found && tree == MN_TREE_SPARE)
        return MN_OK; /* a file from before it, or without tables */
    if (!found) return mn_fail(MN_NOTFOUND, "there is no tree %" PRIu64, tree);
    if (value.len != ROOT_BYTES) {
        return mn_fail(MN_CORRUPT, "tree %" PRIu64 ": its root has %zu bytes", tree, value.len);
    }
    *root = root_unpack(tree, value.data);
    return MN_OK;
}

/* Moves one root from the slot to the master tree; they take turns. */
static enum mn_status root_evict(struct mn_view *view)
{
    uint8_t key[8], value[ROOT_BYTES];
    uint64_t turn = mn_view_counter(view, COUNTER_TURN);
    uint32_t count;
    const struct mn_root *roots = mn_view_roots(view, &count);
    struct mn_root root = {0};
    enum mn_status status;

    for (uint32_t i = 0; i < count; i++) {
        const struct mn_root *candidate = &roots[(turn + i) % count];

        if (candidate->tree == MN_TREE_MASTER || candidate->tree == MN_TREE_CATALOGUE) continue;
        root = *candidate;
        mn_view_counter_set(view, COUNTER_TURN, (turn + i + 1) % count);
        break;
    }
    MN_ASSERT(root.tree != 0);
    mn_view_root_remove(view, root.tree);
    mn_put_u64_be(key, root.tree);
    root_pack(value, &root);
    status = mn_tree_put(view, MN_TREE_MASTER, mn_bytes_of(key, sizeof key),
                         mn_bytes_of(value, sizeof value), MN_PUT_UPSERT);
    return status;
}

enum mn_status mn_root_set(struct mn_view *view, const struct mn_root *root)
{
    uint8_t key[8];
    uint32_t count;
    struct mn_root here;
    bool special = root->tree == MN_TREE_MASTER || root->tree == MN_TREE_CATALOGUE;
    enum mn_status status;

    if (root_find(view, root->tree, &here)) return mn_view_root_set(view, root);
    mn_view_roots(view, &count);
    /* Two places are always left for the master and the catalogue. */
    if (!special && count + 2 >= MN_ROOTS_INLINE) {
        status = root_evict(view);
        if (status != MN_OK) return status;
    }
    if (!special) {
        mn_put_u64_be(key, root->tree);
        status = mn_tree_delete(view, MN_TREE_MASTER, mn_bytes_of(key, sizeof key), NULL);
        if (status != MN_OK) return status;
    }
    return mn_view_root_set(view, root);
}

enum mn_status mn_root_remove(struct mn_view *view, uint64_t tree)
{
    uint8_t key[8];

    if (mn_view_root_remove(view, tree)) return MN_OK;
    mn_put_u64_be(key, tree);
    return mn_tree_delete(view, MN_TREE_MASTER, mn_bytes_of(key, sizeof key), NULL);
}

enum mn_status mn_tree_create(struct mn_view *view, uint64_t *tree)
{
    uint64_t next = mn_view_counter(view, COUNTER_NEXT_TREE);
    struct mn_root root;

    *tree = 0;
    if (!mn_view_writable(view)) {
        return mn_fail(MN_READONLY_DB, "this transaction only reads");
    }
    if (next < MN_TREE_FIRST) next = MN_TREE_FIRST;
    mn_view_counter_set(view, COUNTER_NEXT_TREE, next + 1);
    root = (struct mn_root){.tree = next};
    *tree = next;
    return mn_root_set(view, &root);
}

enum mn_status mn_tree_each(struct mn_view *view, mn_tree_fn each, void *context)
{
    struct mn_root roots[MN_ROOTS_INLINE];
    struct mn_cursor *cursor;
    struct mn_item item;
    uint32_t count;
    bool found;
    const struct mn_root *inside = mn_view_roots(view, &count);
    enum mn_status status = MN_OK;

    memcpy(roots, inside, count * sizeof *roots);
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        if (roots[i].tree != MN_TREE_MASTER) status = each(context, &roots[i]);
    }
    if (status != MN_OK) return status;
    status = mn_cursor_open(view, MN_TREE_MASTER, &cursor);
    if (status != MN_OK) return status;
    status = mn_cursor_first(cursor, &found);
    while (status == MN_OK && found) {
        struct mn_root root;

        status = mn_cursor_item(cursor, &item);
        if (status == MN_OK && (item.key.len != 8 || item.value.len != ROOT_BYTES)) {
            status = mn_fail(MN_CORRUPT, "the master tree: an entry that is no root");
        }
        if (status != MN_OK) break;
        root = root_unpack(mn_get_u64_be(item.key.data), item.value.data);
        status = each(context, &root);
        if (status == MN_OK) status = mn_cursor_next(cursor, &found);
    }
    mn_cursor_close(cursor);
    return status;
}

/* -- the writer's scratch ---------------------------------------------------------------------- */

static void scratch_release(struct mn_view *view, void *user)
{
    struct mn_scratch *scratch = user;

    (void)view;
    if (!scratch) return;
    mn_dealloc(scratch->cells);
    mn_dealloc(scratch->page);
    mn_dealloc(scratch);
}

enum mn_status mn_scratch_get(struct mn_view *view, struct mn_scratch **scratch)
{
    size_t size = mn_view_page_size(view);
    struct mn_scratch *made = mn_view_user(view);

    *scratch = made;
    if (made) return MN_OK;
    made = mn_zalloc(sizeof *made);
    if (!made) return mn_fail_nomem();
    /* Two nodes of the smallest entries, and the cell that comes to them. */
    made->cells = mn_alloc((2 * (size / 8) + 1) * sizeof *made->cells);
    made->page = mn_alloc(5 * size);
    if (!made->cells || !made->page) {
        scratch_release(view, made);
        return mn_fail_nomem();
    }
    made->page_2 = made->page + size;
    made->payload = made->page + 2 * size;
    made->separator[0] = made->page + 3 * size;
    made->separator[1] = made->page + 4 * size;
    mn_view_set_user(view, made);
    *scratch = made;
    return MN_OK;
}

uint64_t mn_tree_changes(struct mn_view *view, uint64_t tree)
{
    const struct mn_scratch *scratch = mn_view_writable(view) ? mn_view_user(view) : NULL;

    return scratch ? scratch->changes[tree & 63] : 0;
}

static void savepoint_seen(struct mn_view *view, enum mn_savepoint_event event, uint32_t id)
{
    struct mn_scratch *scratch = mn_view_user(view);

    (void)id;
    if (!scratch || event != MN_SAVEPOINT_ROLLED_BACK) return;
    for (uint32_t i = 0; i < 64; i++) scratch->changes[i]++;
    scratch->rollbacks++;
}

/* -- the seal ---------------------------------------------------------------------------------- */

static enum mn_status run_seal(struct mn_view *view, uint8_t *packed)
{
    struct mn_run run;
    enum mn_status status;

    if (!packed) return MN_OK;
    run = mn_run_unpack(packed);
    if (!(run.page & MN_PAGE_DIRTY)) return MN_OK;
    status = mn_run_place(view, &run);
    mn_run_pack(packed, &run);
    return status;
}

static bool keeps_children(const uint8_t *page, uint32_t height)
{
    return height > LOW_HEIGHT && mn_node_count(page) <= FEW_CHILDREN;
}

static enum mn_status node_seal(struct mn_view *view, struct mn_ref *ref, uint32_t height,
                                enum mn_nearness nearness);

static enum mn_status children_seal(struct mn_view *view, struct mn_node *node, uint32_t height,
                                    bool root)
{
    enum mn_nearness nearness =
        root && keeps_children(node->page, height) ? MN_NEAR_ROOT : MN_NEAR_NOTHING;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; status == MN_OK && i < mn_node_count(node->page); i++) {
        status = run_seal(view, mn_node_tail_run(node, i));
        if (status == MN_OK && height == 1) {
            status = run_seal(view, mn_node_value_run(node, i));
        } else if (status == MN_OK) {
            struct mn_ref child = mn_node_child(node->page, i);

            if (!mn_ref_is_dirty(child)) continue;
            status = node_seal(view, &child, height - 1, nearness);
            mn_node_child_set(node->page, i, child, mn_node_child_entries(node->page, i));
        }
    }
    return status;
}

static enum mn_status node_seal(struct mn_view *view, struct mn_ref *ref, uint32_t height,
                                enum mn_nearness nearness)
{
    struct mn_node node = {NULL, mn_view_page_size(view), view};
    uint8_t kind = height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    enum mn_status status;

    if (!mn_ref_is_dirty(*ref)) return MN_OK;
    MN_ASSERT(height > 0);
    status = mn_page_edit(view, ref, kind, &node.page);
    if (status == MN_OK) {
        status = children_seal(view, &node, height, nearness == MN_IS_ROOT);
    }
    return status == MN_OK ? mn_page_place_near(view, ref, nearness) : status;
}

enum mn_status mn_node_seal(struct mn_view *view, struct mn_ref *ref, uint32_t height)
{
    return node_seal(view, ref, height, MN_NEAR_NOTHING);
}

/* Places the dirty trees whose roots lie in the master tree's own dirty leaves. */
static enum mn_status master_seal(struct mn_view *view, struct mn_ref *ref, uint32_t height)
{
    struct mn_node node = {NULL, mn_view_page_size(view), view};
    uint8_t kind = height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    enum mn_status status;

    if (!mn_ref_is_dirty(*ref)) return MN_OK;
    status = mn_page_edit(view, ref, kind, &node.page);
    for (uint32_t i = 0; status == MN_OK && i < mn_node_count(node.page); i++) {
        if (height > 1) {
            struct mn_ref child = mn_node_child(node.page, i);

            status = master_seal(view, &child, height - 1);
            mn_node_child_set(node.page, i, child, mn_node_child_entries(node.page, i));
        } else {
            struct mn_cell cell = mn_node_cell(&node, i);
            uint8_t *value = (uint8_t *)(uintptr_t)cell.value.data;
            struct mn_root root = root_unpack(0, value);

            status = node_seal(view, &root.ref, root.height, MN_IS_ROOT);
            root_pack(value, &root);
        }
    }
    return status;
}

/* The children that a root keeps beside it. One that is damaged stays: whoever reads it is told. */
static enum mn_status children_gather(struct mn_view *view, const struct mn_root *root,
                                      uint32_t *busy)
{
    struct mn_ref ref = root->ref;
    uint8_t *page, *moved;
    enum mn_status status = mn_page_edit(view, &ref, MN_PAGE_BRANCH, &page);

    if (status != MN_OK || !keeps_children(page, root->height)) return status;
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        struct mn_ref child = mn_node_child(page, i);

        if (mn_page_is_beside_slot(view, child)) {
            status = mn_page_edit(view, &child, MN_PAGE_BRANCH, &moved);
            if (status == MN_CORRUPT) continue;
            if (status != MN_OK) return status;
            mn_page_set_label(moved, root->tree);
            mn_node_child_set(page, i, child, mn_node_child_entries(page, i));
        }
        *busy += mn_page_is_busy(view, child);
    }
    return MN_OK;
}

static enum mn_status forest_gather(struct mn_view *view, uint32_t *busy)
{
    uint32_t count;
    const struct mn_root *roots = mn_view_roots(view, &count);
    enum mn_status status = MN_OK;

    *busy = 0;
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        if (!mn_ref_is_dirty(roots[i].ref) || roots[i].height <= LOW_HEIGHT) continue;
        status = children_gather(view, &roots[i], busy);
    }
    return status;
}

enum mn_status mn_forest_seal(struct mn_view *view)
{
    struct mn_root roots[MN_ROOTS_INLINE], master;
    uint32_t count;
    const struct mn_root *inside = mn_view_roots(view, &count);
    struct mn_scratch *scratch = mn_view_user(view);
    enum mn_status status = MN_OK;

    memcpy(roots, inside, count * sizeof *roots);
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        if (roots[i].tree == MN_TREE_MASTER || !mn_ref_is_dirty(roots[i].ref)) continue;
        status = node_seal(view, &roots[i].ref, roots[i].height, MN_IS_ROOT);
        if (status == MN_OK) status = mn_view_root_set(view, &roots[i]);
    }
    if (status == MN_OK && root_find(view, MN_TREE_MASTER, &master) &&
        mn_ref_is_dirty(master.ref)) {
        status = master_seal(view, &master.ref, master.height);
        if (status == MN_OK) status = node_seal(view, &master.ref, master.height, MN_IS_ROOT);
        if (status == MN_OK) status = mn_view_root_set(view, &master);
    }
    for (uint32_t i = 0; scratch && i < 64; i++) scratch->changes[i]++;
    if (scratch) scratch->seals++;
    return status;
}

struct mn_store_hooks mn_tree_hooks(void)
{
    return (struct mn_store_hooks){.seal = mn_forest_seal,
                                   .gather = forest_gather,
                                   .validate = mn_node_validate,
                                   .view_end = scratch_release,
                                   .savepoint = savepoint_seen};
}
