/*
 * runs: where the runs of a tree lie, entry by entry, while none of them is read.
 *
 * Who looks many runs up keeps a list of their places. The list is good as long as the tree has the
 * root it was made from: a clean root names every page below it by its checksum.
 */
#include <inttypes.h>

#include "btree/inside.h"

enum mn_status mn_tree_root(struct mn_view *view, uint64_t tree, struct mn_ref *root)
{
    struct mn_root found;
    enum mn_status status = mn_root_get(view, tree, &found);

    *root = (struct mn_ref){0, 0};
    if (status == MN_OK && !mn_ref_is_dirty(found.ref)) *root = found.ref;
    return status;
}

/* From step[level], whose index is set, down to the first entry of the leaf below it. */
static enum mn_status path_descend(struct mn_path *path, uint32_t level)
{
    enum mn_status status = MN_OK;

    for (; level + 1 < path->depth && status == MN_OK; level++) {
        status = mn_path_down(path, level);
    }
    return status;
}

/* To the next leaf; *found false behind the last. */
static enum mn_status path_step(struct mn_path *path, bool *found)
{
    for (uint32_t level = path->depth - 1; level-- > 0;) {
        struct mn_step *step = &path->step[level];

        if (step->index + 1 >= mn_node_count(step->page)) continue;
        step->index++;
        *found = true;
        return path_descend(path, level);
    }
    *found = false;
    return MN_OK;
}

enum mn_status mn_tree_runs(struct mn_view *view, uint64_t tree, mn_run_visit visit, void *context)
{
    struct mn_root root;
    struct mn_path path;
    bool found = true;
    enum mn_status status = mn_root_get(view, tree, &root);

    if (status == MN_OK) status = mn_path_root(&path, view, &root);
    if (status != MN_OK || path.depth == 0) return status;
    status = path_descend(&path, 0);
    while (status == MN_OK && found) {
        struct mn_node leaf = mn_path_node(&path, path.depth - 1);
        uint32_t count = mn_node_count(leaf.page);

        for (uint32_t i = 0; i < count && status == MN_OK; i++) {
            struct mn_run_entry entry;

            /* Neither a tail nor nothing inline is what slabs and codes have. */
            status = mn_node_entry_run(&leaf, i, &entry) && entry.value.len > 0
                         ? visit(context, &entry)
                         : mn_fail(MN_CORRUPT, "tree %" PRIu64 ": an entry without a run", tree);
        }
        if (status == MN_OK) status = path_step(&path, &found);
    }
    return status;
}
