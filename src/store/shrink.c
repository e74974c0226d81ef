/*
 * shrink: giving back what the file no longer needs, while it is open.
 *
 *   | used, pending, free ...          | free tail | growth not used yet |
 *   0                       page count of the newest version              size of the file
 *
 * A commit lowers the page count past free pages at the end by itself. The file is cut behind it
 * now and then, after a durable commit: when over some hundred commits the versions had no use for
 * the rest, and did not become larger. A version that somebody reads reaches no page behind the
 * newest page count, for its pages are pending, not free (S1); only the page count in its own slot
 * may lie behind the cut, so whoever finds a file shorter than a slot says looks first whether the
 * slot is still the published one (pins.c, read.c). A crash leaves the old size or the new one:
 * the durable version fits in both.
 */
#include "base/plant.h"
#include "store/inside.h"

enum { CUT_COMMITS = 256, SPARE_SHARE = 64, CUT_ROUND = 1 << 16 };

uint64_t mn_shrink_round(const struct mn_store *store, uint64_t pages)
{
    uint64_t bytes = pages << store->page_shift;
    uint64_t round = store->grow_bytes < CUT_ROUND ? store->grow_bytes : CUT_ROUND;

    if (round < store->unit) round = store->unit;
    if (MN_PLANT(CUT_BELOW_MARK)) return bytes / round * round;
    return (bytes + round - 1) / round * round;
}

/* It may fail: the file is whole either way. */
static void file_cut(struct mn_store *store, uint64_t keep)
{
    if (keep >= store->file_bytes) return;
    if (store->file->ops->resize(store->file, keep) != MN_OK) return;
    store->file_bytes = keep;
    if (store->durable_bytes > keep && !MN_PLANT(CUT_STAYS_DURABLE)) store->durable_bytes = keep;
    if (store->prewritten > keep >> store->page_shift)
        store->prewritten = keep >> store->page_shift;
}

enum mn_status mn_view_room(struct mn_view *view, struct mn_room *room)
{
    struct mn_writer *writer = view->writer;
    enum mn_status status = mn_space_prepare(view);

    *room = (struct mn_room){0};
    if (status) return status;
    room->page_count = writer->space.page_count;
    room->free_pages = writer->space.free_pages - writer->space.wing_pages;
    room->pending_pages = writer->space.pending_pages;
    room->file_bytes = view->store->file_bytes;
    return MN_OK;
}

void mn_view_pack(struct mn_view *view)
{
    view->writer->pack = true;
}

void mn_view_checkpoint(struct mn_view *view)
{
    view->writer->checkpoint = view->writer->changed = true;
}

void mn_view_cut(struct mn_view *view)
{
    view->writer->cut = view->writer->changed = true;
}

/* The caller has just published what it made durable, and holds W. */
void mn_shrink_after_commit(struct mn_store *store)
{
    struct mn_shrink *shrink = &store->shrink;
    uint64_t pages = store->writer.next.page_count, keep;

    if (store->writer.cut) {
        shrink->commits = 0;
        file_cut(store, mn_shrink_round(store, pages));
        return;
    }
    if (shrink->commits == 0) shrink->first_pages = shrink->most_pages = pages;
    if (pages > shrink->most_pages) shrink->most_pages = pages;
    if (++shrink->commits < (store->cut_commits ? store->cut_commits : CUT_COMMITS)) return;
    shrink->commits = 0;
    if (pages > shrink->first_pages) return;
    keep = mn_shrink_round(store, shrink->most_pages + shrink->most_pages / SPARE_SHARE);
    if (store->file_bytes >= keep + store->grow_bytes / 4) file_cut(store, keep);
}
