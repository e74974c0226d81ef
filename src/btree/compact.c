/*
 * compact: the whole file into fewer and lower pages, by bounded commits like any other.
 *
 *   1 fill    every tree's leaves are made full
 *   2 move    what lies behind the place where the file could end goes before it, again and again
 *             as long as that lowers the end: a run of pages may need room that moves make first
 *   3 cut     the pages freed last are out of every version's way, and the file is cut
 *
 * Between two commits others read and write. A crash at any instant leaves an ordinary file.
 */
#include "base/alloc.h"
#include "btree/inside.h"

enum {
    STEP_BYTES = 512 << 10, /* written by one commit, about */
    STEP_PAGES_MIN = 16,
    PATH_PAGES = 2 * MN_TREE_DEPTH_MAX, /* and the log, and a root that moved */
    MOVES_MAX = 12,                     /* passes of moving */
    SPARE_PAGES = 8,
    SPARE_SHARE = 256
};

struct compacting {
    struct mn_store *store;
    mn_copy_progress progress;
    void *context;
    uint64_t *trees;
    size_t count, capacity;
    uint64_t entries; /* of all trees at the beginning */
    uint64_t done, total;
    uint64_t pages_most; /* the page count is not raised above it */
    uint64_t step_pages;
    uint64_t written;
    bool stuck; /* a reader holds what is to be freed */
};

static enum mn_status told(struct compacting *c)
{
    if (!c->progress) return MN_OK;
    return c->progress(c->context, c->done < c->total ? c->done : c->total, c->total);
}

static enum mn_status tree_note(void *context, const struct mn_root *root)
{
    struct compacting *c = context;

    if (!mn_grow(&c->trees, &c->capacity, c->count + 1, sizeof *c->trees)) {
        return mn_fail_nomem();
    }
    c->trees[c->count++] = root->tree;
    c->entries += root->entries;
    return MN_OK;
}

static enum mn_status trees_list(struct compacting *c)
{
    struct mn_root master = {.tree = MN_TREE_MASTER};
    struct mn_view *view;
    enum mn_status status = mn_view_begin_read(c->store, &view);

    if (status != MN_OK) return status;
    c->count = 0;
    c->entries = 0;
    status = mn_tree_each(view, tree_note, c);
    if (status == MN_OK) status = tree_note(c, &master);
    mn_view_end(view);
    return status;
}

/* Is there room for another step without raising the end? */
static enum mn_status room_check(struct compacting *c, struct mn_view *view)
{
    uint64_t need = c->step_pages + PATH_PAGES;
    struct mn_room room;
    enum mn_status status = mn_view_room(view, &room);

    if (status == MN_OK) {
        c->stuck = room.free_pages < need && room.page_count + need > c->pages_most;
    }
    return status;
}

/* One commit on one tree. */
static enum mn_status tree_step(struct compacting *c, uint64_t tree, struct mn_pack *pack)
{
    uint64_t before = pack->entries;
    struct mn_view *view;
    enum mn_status status = mn_write_begin(c->store, 0, &view);

    if (status != MN_OK) return status;
    mn_view_pack(view);
    pack->pages = c->step_pages;
    status = room_check(c, view);
    if (status == MN_OK && !c->stuck) status = mn_tree_pack(view, tree, pack);
    if (status == MN_NOTFOUND) { /* dropped since the trees were listed */
        pack->done = true;
        status = MN_OK;
    } else if (status == MN_OK && !c->stuck) {
        status = mn_write_commit(view, NULL);
        c->done += pack->entries - before;
        return status;
    }
    mn_write_abort(view);
    return status;
}

static enum mn_status pass(struct compacting *c, uint64_t end)
{
    enum mn_status status = trees_list(c);

    for (size_t i = 0; i < c->count && status == MN_OK && !c->stuck; i++) {
        struct mn_pack pack = {.end = end};

        while (status == MN_OK && !pack.done && !c->stuck) {
            status = tree_step(c, c->trees[i], &pack);
            if (status == MN_OK) status = told(c);
        }
        c->written += pack.moved;
        mn_buf_release(&pack.key);
    }
    return status;
}

/* Commits without a change: what died last is free after them, and the log lies low. */
static enum mn_status quiet_commits(struct compacting *c, struct mn_room *room)
{
    enum mn_status status = MN_OK;

    for (int i = 0; i < 3 && status == MN_OK; i++) {
        struct mn_view *view;

        status = mn_write_begin(c->store, 0, &view);
        if (status != MN_OK) return status;
        mn_view_pack(view);
        if (i == 0) mn_view_checkpoint(view);
        mn_view_cut(view);
        status = mn_view_room(view, room);
        if (status == MN_OK) {
            status = mn_write_commit(view, NULL);
        } else {
            mn_write_abort(view);
        }
    }
    return status;
}

/* Where the file could end, with a little room so that the last pages need not fit to the page. */
static uint64_t end_wanted(const struct mn_room *room)
{
    uint64_t held = room->page_count - room->free_pages;

    return held + held / SPARE_SHARE + SPARE_PAGES;
}

static enum mn_status moves(struct compacting *c)
{
    uint64_t last = UINT64_MAX;
    struct mn_room room;
    enum mn_status status = quiet_commits(c, &room);

    for (int i = 0; i < MOVES_MAX && status == MN_OK && !c->stuck; i++) {
        uint64_t end = end_wanted(&room);

        if (room.page_count <= end || room.page_count >= last) break;
        last = room.page_count;
        c->total = c->done + c->entries;
        status = pass(c, end);
        if (status == MN_OK) status = quiet_commits(c, &room);
    }
    return status;
}

enum mn_status mn_tree_compact(struct mn_store *store, mn_copy_progress progress, void *context,
                               struct mn_compact_result *result)
{
    struct compacting c = {.store = store, .progress = progress, .context = context};
    struct mn_store_stats stats;
    struct mn_error error;
    enum mn_status status = mn_store_stat(store, &stats);

    *result = (struct mn_compact_result){0};
    if (status != MN_OK) return status;
    result->before_bytes = result->after_bytes = stats.file_bytes;
    c.step_pages = STEP_BYTES / stats.page_size;
    if (c.step_pages < STEP_PAGES_MIN) c.step_pages = STEP_PAGES_MIN;
    c.pages_most = stats.page_count + 2 * (c.step_pages + PATH_PAGES);
    status = trees_list(&c);
    c.total = 2 * c.entries;
    if (status == MN_OK) status = pass(&c, UINT64_MAX);
    if (status == MN_OK) status = moves(&c);
    c.done = c.total;
    if (status == MN_OK) status = told(&c);
    mn_dealloc(c.trees);
    result->pages = c.written;
    error = *mn_error_last();
    if (mn_store_stat(store, &stats) == MN_OK) {
        result->after_bytes = stats.file_bytes;
        if (stats.oldest_pin != stats.version) result->held = stats.oldest_pin;
    }
    *mn_error_last() = error;
    return status;
}
