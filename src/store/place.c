/*
 * place: room in the file, and the places of nodes in it.
 *
 * Nodes of one commit get one run of pages where there is one, else free pieces one behind the
 * other, from where the commit before it ended; the end of the file when nothing else is free, or
 * where that costs the file little and the device less (room_is_cheap). Whole values of several
 * pages get the lowest run that fits. A file with more free pages than commits need is being
 * emptied from its end: nothing goes behind the place where it should end (place_end) as long as
 * there is room before it. Until the commit is published nothing of it is reachable, so a failure
 * needs no undoing but giving the pages back.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/plant.h"
#include "store/inside.h"

enum { GROW_SHARE = 8 };
enum { PREWRITE_LEAST = 64 << 10, PREWRITE_MOST = 4 << 20, PREWRITE_SHARE = 64 };
/* What may be free before the file is emptied from its end, as a share of what is held: for commits
 * of many pages, and for those of a few, which need runs. */
enum { ROOMY_PAGES = 32, ROOMY_SHARE = 16, FEW_NODES = 8, FEW_SHARE = 4, PENDING_SHARE = 16 };
/* Pages of a file in which any two are near each other. */
enum { NEAR_PAGES = 8192 };
/* Pieces that a transaction took and that are looked through one by one. */
enum { UNSORTED_LEAST = 64, UNSORTED_SHARE = 8 };

/* ---- growth ---- */

static uint64_t grow_step(const struct mn_store *store)
{
    uint64_t step = store->file_bytes / GROW_SHARE, least = store->grow_bytes;

    if (step < least) step = least;
    if (step > MN_GROW_MAX) step = MN_GROW_MAX;
    return step / store->unit * store->unit;
}

/* The file is at least that many pages long: by a whole step if the device has room, else just so.
 */
static enum mn_status file_grow(struct mn_view *view, uint64_t pages)
{
    struct mn_store *store = view->store;
    uint64_t need = pages << store->page_shift, want = store->file_bytes + grow_step(store);
    enum mn_status status;

    if (pages >= MN_PAGE_DIRTY || need >> store->page_shift != pages) {
        return mn_fail(MN_FULL, "the file format holds 2^47 pages");
    }
    if (need <= store->file_bytes || MN_PLANT(GROW_SKIPPED)) return MN_OK;
    if (want < need) want = need;
    status = store->file->ops->resize(store->file, want);
    if (status == MN_FULL && want > need) {
        want = need;
        status = store->file->ops->resize(store->file, want);
    }
    if (status) return status;
    /* Another handle may have cut it since the blocks there were written. */
    if (store->prewritten > store->file_bytes >> store->page_shift) {
        store->prewritten = store->file_bytes >> store->page_shift;
    }
    store->file_bytes = want;
    return MN_OK;
}

/* The view may read all pages of the space map now. */
static void limits_update(struct mn_view *view)
{
    uint64_t pages = view->writer->space.page_count;

    view->page_limit = pages;
    view->front.mapped_pages = pages < view->store->map_pages ? pages : view->store->map_pages;
}

/* The first sync of blocks that were never written changes metadata, which costs as much again as
 * the commit: small commits get theirs written in advance, many at once. No version has pages
 * behind `end`. */
static void room_prewrite(struct mn_view *view, uint64_t end, uint64_t need)
{
    struct mn_store *store = view->store;
    uint64_t from = store->prewritten > end ? store->prewritten : end;
    uint64_t step = store->file_bytes / PREWRITE_SHARE, to;

    if (MN_PLANT(PREWRITE_BELOW)) from--;
    if (step < PREWRITE_LEAST) step = PREWRITE_LEAST;
    if (step > PREWRITE_MOST) step = PREWRITE_MOST;
    to = need + (step >> store->page_shift);

    if (to > store->file_bytes >> store->page_shift) to = store->file_bytes >> store->page_shift;
    if (!store->file->ops->prewrite || need <= store->prewritten || from >= to) return;
    store->file->ops->prewrite(store->file, (struct mn_range){from << store->page_shift,
                                                              (to - from) << store->page_shift});
    store->prewritten = to;
}

/* A commit that has placed more, as a load does page by page, writes its blocks soon enough by
 * itself: all of them would be written twice. */
static bool is_small(const struct mn_view *view, uint64_t pages)
{
    uint64_t placed = view->writer->placed_bytes >> view->store->page_shift;

    return placed + pages <= MN_SMALL_PAGES;
}

/* Pages at the end of the file: free ones that are there already, then new ones. */
static enum mn_status room_append(struct mn_view *view, uint64_t pages, uint64_t *start)
{
    struct mn_space *space = &view->writer->space;
    uint64_t end = space->page_count, tail = end;
    enum mn_status status;

    while (tail > space->layout.plain && end - tail < pages &&
           mn_space_is_free(space, tail - 1, 1)) {
        tail--;
    }
    status = file_grow(view, tail + pages);
    if (!status) status = mn_space_extend(space, tail + pages);
    if (status) return status;
    if (is_small(view, pages)) room_prewrite(view, end, tail + pages);
    mn_space_take(space, tail, end - tail);
    limits_update(view);
    *start = tail;
    return MN_OK;
}

/* ---- where ---- */

/* Pages that versions hold or wait for. */
static uint64_t held_pages(const struct mn_space *space)
{
    return space->page_count - (space->free_pages - space->wing_pages);
}

/* While a version is held that costs the file much, nobody gets more room than he must. */
static bool held_dearly(const struct mn_space *space)
{
    return space->pending_pages > held_pages(space) / PENDING_SHARE + ROOMY_PAGES;
}

/* The page before which a file of this content, with a little room for the next commits, could end.
 */
static uint64_t place_end(const struct mn_space *space, bool few)
{
    uint64_t held = held_pages(space);

    return held + held / (few && !held_dearly(space) ? FEW_SHARE : ROOMY_SHARE) + ROOMY_PAGES;
}

/* Nothing goes there or behind it while the file is being emptied; else there is no such end. */
static uint64_t emptied_end(const struct mn_space *space, bool few)
{
    uint64_t end = place_end(space, few);

    return space->page_count > end ? end : UINT64_MAX;
}

/*
 * May a commit take new pages at the end while single ones are free? Up to a bound, in the hope
 * that more of what is free will lie together.
 *
 * A commit of a few nodes that lie side by side is written at one place instead of several, each of
 * which costs its own share of the sync: about 40 us of 230. How often a run is free depends on how
 * much is: of a file with a fifth of its pages free, half of the commits of one row find a pair at
 * once.
 *
 * One of many nodes picks single pages in any case. But it picks them in the order of the file, and
 * the next goes on where it ended: the more are free, the shorter is the part of the file that one
 * commit is strewn over. bench_rows prints what that is worth: a device that takes 30 ms for 1,700
 * pages of a gigabyte takes 15 ms for as many within a sixteenth of it. What is smaller than
 * NEAR_PAGES is near enough.
 */
static bool room_is_cheap(const struct mn_space *space, uint64_t pages, bool few)
{
    uint64_t held = held_pages(space);

    if (few) return space->page_count + pages <= place_end(space, few);
    return pages > 1 && held > NEAR_PAGES && !held_dearly(space) &&
           space->page_count + pages <= held + (held - NEAR_PAGES) / ROOMY_SHARE;
}

/* Free pages that lie together, at most `most`, behind those that were given last; but of a file
 * that is being emptied none behind its new end, as long as there are others. */
static bool near_take(struct mn_writer *writer, uint64_t end, uint64_t most, struct mn_extent *got)
{
    bool found = mn_space_alloc_near(&writer->space, writer->cursor, end, most, got);

    /* Where nothing is free a load asks for page after page: it shall not look at all others. */
    writer->cursor = found ? got->start + got->pages : writer->space.page_count;
    return found;
}

/* ---- room ---- */

static enum mn_status room_find(struct mn_view *view, uint64_t pages, uint64_t *start)
{
    struct mn_writer *writer = view->writer;
    struct mn_extent got = {0, 0};

    if (pages == 1 && !writer->pack) {
        if (near_take(writer, emptied_end(&writer->space, false), 1, &got)) {
            *start = got.start;
            return MN_OK;
        }
    } else if (mn_space_alloc(&writer->space, pages, start)) {
        return MN_OK;
    }
    return room_append(view, pages, start);
}

enum mn_status mn_room_take(struct mn_view *view, uint64_t pages, uint64_t *start)
{
    struct mn_writer *writer = view->writer;
    enum mn_status status = mn_space_prepare(view);

    if (status) return status;
    /* An aborted transaction may have left free pages behind the end of the version. */
    limits_update(view);
    if (pages == 1 && writer->reserve_at < writer->reserve.count) {
        struct mn_extent *extent = &writer->reserve.list[writer->reserve_at];

        *start = extent->start++;
        if (--extent->pages == 0) writer->reserve_at++;
        return MN_OK;
    }
    status = room_find(view, pages, start);
    if (status) return status;
    status = mn_extents_add(&writer->taken, *start, pages);
    if (status) mn_space_free(&writer->space, *start, pages);
    return status;
}

enum mn_status mn_room_give(struct mn_writer *writer, uint64_t start, uint64_t pages)
{
    enum mn_status status = mn_extents_add(&writer->given, start, pages);

    if (!status) mn_space_free(&writer->space, start, pages);
    return status;
}

void mn_room_give_back(struct mn_writer *writer, uint64_t start, uint64_t pages)
{
    if (!mn_room_give(writer, start, pages)) return;
    writer->space.version = 0;
    writer->give_failed = true;
}

static bool is_among(const struct mn_extent *list, size_t count, uint64_t start, uint64_t pages)
{
    for (size_t i = count; i > 0; i--) {
        const struct mn_extent *one = &list[i - 1];

        if (start >= one->start && start - one->start < one->pages) {
            return pages <= one->pages - (start - one->start);
        }
    }
    return false;
}

/* The same among sorted ones that do not overlap. */
static bool is_among_sorted(const struct mn_extents *sorted, uint64_t start, uint64_t pages)
{
    size_t low = 0, high = sorted->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sorted->list[middle].start <= start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && is_among(&sorted->list[low - 1], 1, start, pages);
}

/* A large transaction takes pages in many pieces and gives many of them back: most are sorted, the
 * newest are not yet. */
bool mn_room_is_taken(struct mn_writer *writer, uint64_t start, uint64_t pages)
{
    const struct mn_extents *taken = &writer->taken;
    size_t rest = taken->count - writer->taken_known;

    if (rest > UNSORTED_LEAST && rest > writer->taken_known / UNSORTED_SHARE &&
        mn_extents_cover(&writer->taken_sorted, taken->list + writer->taken_known, rest - 1)) {
        writer->taken_known = taken->count - 1; /* the last one may still grow */
        rest = 1;
    }
    return is_among(taken->list + taken->count - rest, rest, start, pages) ||
           is_among_sorted(&writer->taken_sorted, start, pages);
}

/* A piece of what is free. False: nothing is, or new pages at the end are better. */
static bool reserve_free(const struct mn_view *view, uint64_t most, bool whole, bool few,
                         struct mn_extent *got)
{
    struct mn_writer *writer = view->writer;
    struct mn_space *space = &writer->space;
    uint64_t end = emptied_end(space, few);
    bool emptying = end < UINT64_MAX;

    if (writer->pack) return mn_space_alloc_some(space, most, got);
    got->pages = most;
    if (most > 1 && few && mn_space_alloc_recent(space, most, end, &got->start)) return true;
    if (most > 1 && !few && whole && mn_space_alloc(space, most, &got->start)) {
        if (got->start + most <= end) return true;
        mn_space_free(space, got->start, most);
    }
    if (few && emptying) return mn_space_alloc_some(space, most, got);
    if (!emptying && room_is_cheap(space, most, few)) return false;
    return near_take(writer, end, most, got);
}

/* One piece of the reserve: `most` pages, or fewer where `whole` is not asked for or not to be had.
 */
static enum mn_status reserve_piece(struct mn_view *view, uint64_t most, bool whole, bool few,
                                    struct mn_extent *got)
{
    struct mn_writer *writer = view->writer;
    enum mn_status status = MN_OK;

    if (!reserve_free(view, most, whole, few, got)) {
        got->pages = most;
        status = room_append(view, most, &got->start);
        /* No room on the device for what would have been better: what is free will do. */
        if (status == MN_FULL && mn_space_alloc_some(&writer->space, most, got)) status = MN_OK;
    }
    if (status) return status;
    status = mn_extents_add(&writer->taken, got->start, got->pages);
    if (status) {
        mn_space_free(&writer->space, got->start, got->pages);
        return status;
    }
    status = mn_extents_add(&writer->reserve, got->start, got->pages);
    return status ? mn_room_give(writer, got->start, got->pages) : MN_OK;
}

enum mn_status mn_room_reserve(struct mn_view *view, uint64_t pages)
{
    struct mn_writer *writer = view->writer;
    bool few = pages > 1 && writer->live_nodes > 0 && writer->live_nodes <= FEW_NODES;
    enum mn_status status = mn_space_prepare(view);

    if (!status) limits_update(view);
    while (writer->reserve_at < writer->reserve.count && !status) {
        struct mn_extent *rest = &writer->reserve.list[writer->reserve_at++];

        status = mn_room_give(writer, rest->start, rest->pages);
    }
    writer->reserve.count = writer->reserve_at = 0;
    /* Where there is no run for all of many pages there is hardly one for all but a few: searching
     * the whole map again for each piece would take longer than the commit. */
    for (bool first = true; pages > 0 && !status; first = false) {
        struct mn_extent got = {0, 0};

        status = reserve_piece(view, pages, first || pages <= MN_SMALL_PAGES, few, &got);
        pages -= got.pages;
    }
    return status;
}

/* ---- pages and nodes ---- */

static uint64_t header_seal(const struct mn_view *view, uint64_t page, uint8_t *buffer)
{
    uint64_t sum64;

    mn_put_u48(buffer + 8, view->meta->version);
    mn_put_u48(buffer + 16, page);
    sum64 = mn_page_sum(view->store, buffer);
    mn_put_u64(buffer, sum64);
    return sum64;
}

enum mn_status mn_page_seal(struct mn_view *view, uint64_t page, uint8_t *buffer, uint64_t *sum64)
{
    *sum64 = header_seal(view, page, buffer);
    return mn_queue_add(view, page, buffer, view->store->page_size, false);
}

/* A busy node near its root: its bytes wait beside the slot. */
static enum mn_status wing_place(struct mn_view *view, struct mn_dirty_node *node,
                                 struct mn_run *place)
{
    enum mn_status status;

    place->sum64 = header_seal(view, place->page, node->data);
    status = mn_digest_add(view, place->page, node->data, 1);
    if (!status) mn_wing_add(view, place->page, node->data);
    return status;
}

enum mn_status mn_node_place(struct mn_view *view, struct mn_dirty_node *node,
                             enum mn_nearness nearness)
{
    struct mn_writer *writer = view->writer;
    struct mn_run place = {.birth = view->meta->version, .size_bytes = node->run_bytes};
    uint64_t pages = node->size_bytes >> view->store->page_shift;
    bool wing = nearness != MN_NEAR_NOTHING && node->busy &&
                mn_wing_take(view, nearness == MN_IS_ROOT, &place.page);
    enum mn_status status = wing ? MN_OK : mn_room_take(view, pages, &place.page);

    if (status) return status;
    if (wing) {
        status = wing_place(view, node, &place);
    } else if (node->run_bytes) {
        place.sum64 = mn_run_sum(view->store, &place, node->data);
        status = mn_queue_add(view, place.page, node->data, node->size_bytes, false);
    } else {
        place.sum64 = header_seal(view, place.page, node->data);
        status = mn_queue_add(view, place.page, node->data, node->size_bytes, true);
    }
    if (status) {
        writer->digest_void = true;
        mn_room_give_back(writer, place.page, pages);
        return status;
    }
    mn_pages_doubt(view->store, place.page, pages);
    if (MN_PLANT(BELIEVED_EARLY) && !node->run_bytes)
        mn_page_believe(view->store, place.page, mn_page_checksum(node->data));
    node->data = NULL;
    node->place = place;
    writer->dirty_bytes -= node->size_bytes;
    return MN_OK;
}
