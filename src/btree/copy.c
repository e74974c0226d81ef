/*
 * copy: one version of all trees into an empty store, for backups.
 *
 * Entries go over in the order of their keys through a bulk build, so the copy is also what the
 * trees would be had they been loaded in one go.
 */
#include <string.h>

#include "btree/inside.h"

enum { PROGRESS_ENTRIES = 4096 };

struct copying {
    struct mn_view *from, *to;
    mn_copy_progress progress;
    void *context;
    uint64_t done, total;
};

static enum mn_status told(struct copying *c)
{
    if (!c->progress || c->done % PROGRESS_ENTRIES != 0) return MN_OK;
    return c->progress(c->context, c->done, c->total);
}

static enum mn_status item_copy(struct mn_bulk *bulk, const struct mn_item *item)
{
    uint8_t *run;
    enum mn_status status;

    if (item->run.len == 0) return mn_bulk_add(bulk, item->key, item->value);
    status = mn_bulk_add_run(bulk, item->key, item->value, item->run.len, &run);
    if (status == MN_OK) memcpy(run, item->run.data, item->run.len);
    return status;
}

static enum mn_status entries_copy(struct copying *c, uint64_t tree, struct mn_cursor *cursor)
{
    struct mn_bulk *bulk;
    struct mn_item item;
    bool found;
    enum mn_status status = mn_bulk_begin(c->to, tree, &bulk), end;

    if (status != MN_OK) return status;
    status = mn_cursor_first(cursor, &found);
    while (status == MN_OK && found) {
        status = mn_cursor_item(cursor, &item);
        if (status == MN_OK) status = item_copy(bulk, &item);
        c->done++;
        if (status == MN_OK) status = told(c);
        if (status == MN_OK) status = mn_cursor_next(cursor, &found);
    }
    end = mn_bulk_end(bulk);
    return status == MN_OK ? end : status;
}

static enum mn_status tree_copy(void *context, const struct mn_root *root)
{
    struct copying *c = context;
    struct mn_root empty = {.tree = root->tree};
    struct mn_cursor *cursor;
    enum mn_status status = mn_root_set(c->to, &empty);

    if (status == MN_OK) status = mn_cursor_open(c->from, root->tree, &cursor);
    if (status != MN_OK) return status;
    status = entries_copy(c, root->tree, cursor);
    mn_cursor_close(cursor);
    return status;
}

static enum mn_status tree_count(void *context, const struct mn_root *root)
{
    struct copying *c = context;

    c->total += root->entries;
    return MN_OK;
}

enum mn_status mn_tree_copy_all(struct mn_view *from, struct mn_view *to, mn_copy_progress progress,
                                void *context)
{
    struct copying c = {.from = from, .to = to, .progress = progress, .context = context};
    enum mn_status status = mn_tree_each(from, tree_count, &c);

    if (status == MN_OK) status = mn_tree_each(from, tree_copy, &c);
    for (uint32_t i = 0; status == MN_OK && i < MN_COUNTERS; i++) {
        mn_view_counter_set(to, i, mn_view_counter(from, i));
    }
    if (status == MN_OK && progress) status = progress(context, c.total, c.total);
    return status;
}
