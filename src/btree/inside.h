/*
 * inside: what the files of this room share: roots, paths from a root to a leaf, the writer's
 * scratch.
 */
#ifndef MN_BTREE_INSIDE_H
#define MN_BTREE_INSIDE_H

#include "btree/node.h"

/* ---- forest.c: where roots are kept ---- */

/* MN_NOTFOUND for a tree that does not exist; the master and the catalogue always do. */
enum mn_status mn_root_get(struct mn_view *view, uint64_t tree, struct mn_root *root);
/* Keeps it in the slot, moving another tree's root to the master tree where there is no room. */
enum mn_status mn_root_set(struct mn_view *view, const struct mn_root *root);
/* The root as the master tree keeps it; false: these are not the bytes of one. */
bool mn_root_decode(uint64_t tree, struct mn_bytes value, struct mn_root *root);
/* The tree has no root any more. */
enum mn_status mn_root_remove(struct mn_view *view, uint64_t tree);
/* Places every dirty node of every tree, children first. Nodes in hand are stale after it. */
enum mn_status mn_forest_seal(struct mn_view *view);
/* The same for one subtree; *ref becomes clean. */
enum mn_status mn_node_seal(struct mn_view *view, struct mn_ref *ref, uint32_t height);

/* What a writer needs beside the pages, made at the view's first change. */
struct mn_scratch {
    uint8_t *page, *page_2, *payload; /* copies of nodes that are built anew */
    struct mn_cell *cells;            /* of two nodes and one cell more */
    uint8_t *separator[2];            /* keys on their way up, of odd and even levels */
    uint8_t tail[2][MN_TAIL_BYTES];
    uint64_t changes[64]; /* by tree & 63: how often it was changed; cursors compare */
    uint64_t seals;       /* how often dirty nodes went to their places */
    uint64_t rollbacks;
};
enum mn_status mn_scratch_get(struct mn_view *view, struct mn_scratch **scratch);
/* The changes of a tree so far in this view; 0 in a view that only reads. */
uint64_t mn_tree_changes(struct mn_view *view, uint64_t tree);

/* ---- path.c: from the root to a leaf ---- */

struct mn_step {
    struct mn_ref ref;
    uint8_t *page; /* writable only after mn_path_edit */
    uint32_t index;
};

struct mn_path {
    struct mn_view *view;
    uint32_t depth; /* levels; 0: an empty tree. step[0] is the root, step[depth - 1] the leaf */
    struct mn_step step[MN_TREE_DEPTH_MAX];
};

static inline struct mn_node mn_path_node(const struct mn_path *path, uint32_t level)
{
    return (struct mn_node){path->step[level].page, mn_view_page_size(path->view), path->view};
}

/* Begins at the root; MN_CORRUPT for a height that no tree has. */
enum mn_status mn_path_root(struct mn_path *path, struct mn_view *view, const struct mn_root *root);
/* Reads the child under step[level].index into step[level + 1], its index not yet set. */
enum mn_status mn_path_down(struct mn_path *path, uint32_t level);
/* To the leaf and the entry at or above the key. */
enum mn_status mn_path_find(struct mn_path *path, struct mn_bytes key, bool *exact);
/* Makes every page of the path writable, the root first, and keeps parents pointing to them. */
enum mn_status mn_path_edit(struct mn_path *path, struct mn_root *root);

/* ---- fan.c: keys of one length without values ---- */

struct mn_tail_query {
    struct mn_bytes prefix;
    size_t tail_bytes; /* of a key behind the prefix */
    size_t kept_bytes; /* of each tail, from its first on */
};
/*
 * Copies the tails of a leaf's keys from entry *index on, as long as they begin with the prefix and
 * there is room, and moves *index behind them; out->ended: a key that does not. MN_CORRUPT: a key
 * of another length.
 */
enum mn_status mn_leaf_tails(const struct mn_node *leaf, uint32_t *index,
                             const struct mn_tail_query *query, struct mn_tails *out);

/* ---- balance.c: splitting and merging ---- */

/* Puts the cell before step[depth - 1].index of an edited path, splitting upwards where need be. */
enum mn_status mn_path_insert(struct mn_path *path, struct mn_root *root,
                              const struct mn_cell *cell);
/*
 * Before an entry is put between two of a dense leaf that none such can stand in: two leaves are
 * made of the one, so that it will be the first or the last. *done: the path is spent; else nothing
 * has changed.
 */
enum mn_status mn_path_cut(struct mn_path *path, struct mn_root *root, struct mn_bytes key,
                           bool *done);
/* Puts the cell, which is above all that the leaf at the end of an edited path holds, alone into a
 * new leaf behind it. */
enum mn_status mn_path_append(struct mn_path *path, struct mn_root *root,
                              const struct mn_cell *cell);
/*
 * The leaf at the end of an edited path goes on with the second key of the pair, and its entries up
 * to the first are to lie in a new leaf before it, whose pointer the caller sets: the parent is
 * given a child more and the path stands on the last. *done false: there is no room, or no parent;
 * nothing has changed.
 */
enum mn_status mn_path_turn(struct mn_path *path, const struct mn_cell pair[2], bool *done);
/* After an entry left the leaf of an edited path: merges thin nodes, drops empty ones. */
enum mn_status mn_path_shrink(struct mn_path *path, struct mn_root *root);
/* The same from a node further up, on an edited path that need not reach below it. */
enum mn_status mn_path_shrink_at(struct mn_path *path, struct mn_root *root, uint32_t level);
/* Adds delta to the counts of every child pointer on the path. */
void mn_path_count(struct mn_path *path, int64_t delta);

/* ---- value.c: values and long keys ---- */

/* A leaf cell under construction; the bytes it points to live as long as it does. */
struct mn_entry {
    struct mn_cell cell;
    uint8_t tail[MN_TAIL_BYTES];
    uint8_t run[MN_RUN_BYTES];
    uint8_t *payload; /* the scratch's: an inline value */
};
/* The key of a leaf entry; a long key's tail goes into a new run. */
enum mn_status mn_entry_key(struct mn_entry *entry, struct mn_view *view, struct mn_bytes key);
/* The value: inline bytes and, where run is not NULL, a run. */
void mn_entry_value(struct mn_entry *entry, struct mn_bytes value, const struct mn_run *run);
/* Puts a value of any length into the entry, the long ones into a new run. */
enum mn_status mn_entry_store(struct mn_entry *entry, struct mn_view *view, struct mn_bytes value);
/* The whole value of a leaf cell: its run when it has no inline part, else its inline part. */
enum mn_status mn_cell_read(struct mn_view *view, const struct mn_cell *cell,
                            struct mn_bytes *value, struct mn_bytes *run);
enum mn_status mn_key_check(struct mn_bytes key);

#endif
