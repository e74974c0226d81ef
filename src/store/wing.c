/*
 * wing: the pages beside the slot, where the roots of busy trees go.
 *
 *   .... | left wing | slot 0 | notice | slot 1 | right wing | ....
 *              [<-----------------]                             a commit into slot 0
 *                            [<--------------->]                the next, into slot 1
 *
 * A commit rewrites the root of each tree that it changed, and of a high one the nodes below it. In
 * the wing of the slot it writes, they go out in one write with the slot, and with the notice that
 * the commit before left dirty they reach the device as one piece. The next commit takes the other
 * side, and finds this one free again: what lay in it has died.
 *
 *   (G1) only a node whose last image was a few versions old goes to a wing: one that is rewritten
 *        seldom would stay there;
 *   (G2) a root that has grown cold in a wing is moved out by a commit on other trees;
 *   (G3) the pages nearest to the slot are for roots, those behind them for the nodes below a root,
 *        which come only where a root has few children, and then all of them that lie here move on
 *        with each commit: one that stayed would be a gap in the next piece;
 *   (G4) what waits here is written before the slot is, or with it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "store/inside.h"

enum { BUSY_VERSIONS = 16, COLD_VERSIONS = 64 };

/* ---- which nodes ---- */

bool mn_wing_is_busy(const struct mn_writer *writer, uint64_t birth)
{
    return birth + BUSY_VERSIONS > writer->base.version;
}

static void wing_choose(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    struct mn_wing *wing = &writer->wing;
    const struct mn_layout *layout = &view->store->layout;

    wing->slot = mn_ring_choose(&writer->ring,
                                MN_PLANT(SLOT_OF_DURABLE) ? writer->base.version : writer->durable,
                                writer->base.version);
    wing->from = wing->to = wing->count = wing->roots = 0;
    if (wing->slot == 0) {
        wing->from = layout->first;
        wing->to = layout->ring;
    } else if (wing->slot == 1) {
        wing->from = layout->ring_end;
        wing->to = layout->plain;
    }
}

/* (G2) One root: the seal will place it, not being busy, among all others. */
static enum mn_status cold_root_move(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;

    for (uint32_t i = 0; i < writer->next.roots.count; i++) {
        struct mn_root root = writer->next.roots.list[i];
        uint8_t kind = root.height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH, *page;
        const uint8_t *old;
        enum mn_status status;

        if (mn_ref_is_dirty(root.ref) || root.ref.page < writer->wing.from ||
            root.ref.page >= writer->wing.to) {
            continue;
        }
        status = mn_page_read(view, root.ref, kind, &old);
        if (status == MN_CORRUPT) continue; /* whoever reads that tree will be told */
        if (status) return status;
        if (mn_page_birth(old) + COLD_VERSIONS > writer->base.version) continue;
        status = mn_page_edit(view, &root.ref, kind, &page);
        return status ? status : mn_view_root_set(view, &root);
    }
    return MN_OK;
}

/* Roots of this commit that will go to the wing, as far as can be said before they are sealed. */
static uint32_t busy_roots(const struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    uint32_t count = 0;

    for (uint32_t i = 0; i < writer->next.roots.count; i++) {
        count += mn_page_is_busy(view, writer->next.roots.list[i].ref);
    }
    return count;
}

bool mn_page_is_busy(const struct mn_view *view, struct mn_ref ref)
{
    return mn_ref_is_dirty(ref) && view->writer->nodes[ref.page & ~MN_PAGE_DIRTY].busy;
}

bool mn_page_is_beside_slot(const struct mn_view *view, struct mn_ref ref)
{
    const struct mn_layout *layout = &view->store->layout;

    return !mn_ref_is_dirty(ref) && ref.page >= layout->first && ref.page < layout->plain;
}

enum mn_status mn_wing_begin(struct mn_view *view, uint64_t small_pages, uint64_t *busy)
{
    struct mn_writer *writer = view->writer;
    struct mn_wing *wing = &writer->wing;
    uint64_t room = 0;
    uint32_t below = 0;
    enum mn_status status;

    *busy = 0;
    wing_choose(view);
    if (writer->live_nodes == 0 || writer->live_nodes > small_pages) wing->to = wing->from;
    if (wing->from == wing->to) return MN_OK;
    status = mn_space_prepare(view);
    if (!status) status = cold_root_move(view);
    if (!status && view->store->hooks.gather) status = view->store->hooks.gather(view, &below);
    if (status) return status;
    wing->roots = busy_roots(view);
    *busy = wing->roots + below;
    for (uint64_t p = wing->from; p < wing->to; p++) {
        room += mn_space_is_free(&writer->space, p, 1);
    }
    if (room > MN_WING_PAGES) room = MN_WING_PAGES;
    if (*busy > room) *busy = room;
    return MN_OK;
}

/* ---- places ---- */

bool mn_wing_take(struct mn_view *view, bool root, uint64_t *page)
{
    struct mn_writer *writer = view->writer;
    struct mn_wing *wing = &writer->wing;
    uint64_t pages = wing->to - wing->from;

    if (wing->count == MN_WING_PAGES) return false;
    for (uint64_t i = root ? 0 : wing->roots; i < pages; i++) {
        *page = wing->slot == 0 ? wing->to - 1 - i : wing->from + i;
        if (!mn_space_is_free(&writer->space, *page, 1)) continue;
        if (mn_extents_add(&writer->taken, *page, 1)) return false;
        mn_space_take(&writer->space, *page, 1);
        return true;
    }
    return false;
}

void mn_wing_add(struct mn_view *view, uint64_t page, uint8_t *bytes)
{
    struct mn_wing *wing = &view->writer->wing;

    MN_ASSERT(wing->count < MN_WING_PAGES);
    wing->offsets[wing->count] = page << view->store->page_shift;
    wing->pieces[wing->count++] = (struct mn_slice){bytes, view->store->page_size};
}

bool mn_wing_holds(const struct mn_view *view, uint64_t page, uint64_t pages)
{
    const struct mn_wing *wing = &view->writer->wing;

    for (uint32_t i = 0; i < wing->count; i++) {
        if (wing->offsets[i] >> view->store->page_shift >= page &&
            wing->offsets[i] >> view->store->page_shift < page + pages) {
            return true;
        }
    }
    return false;
}

/* ---- writing ---- */

void mn_wing_clear(struct mn_writer *writer, struct mn_store *store)
{
    struct mn_wing *wing = &writer->wing;

    for (uint32_t i = 0; i < wing->count; i++) {
        mn_buffer_put(writer, store, (uint8_t *)(uintptr_t)wing->pieces[i].data, store->page_size);
    }
    wing->count = 0;
}

static void pieces_sort(uint64_t *offsets, struct mn_slice *pieces, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = i; j > 0 && offsets[j - 1] > offsets[j]; j--) {
            uint64_t offset = offsets[j];
            struct mn_slice piece = pieces[j];

            offsets[j] = offsets[j - 1];
            pieces[j] = pieces[j - 1];
            offsets[j - 1] = offset;
            pieces[j - 1] = piece;
        }
    }
}

/* What lies side by side goes out in one write. */
static enum mn_status pieces_write(struct mn_store *store, const uint64_t *offsets,
                                   const struct mn_slice *pieces, uint32_t count)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0, next; i < count && !status; i = next) {
        next = i + 1;
        while (next < count && offsets[next] == offsets[next - 1] + pieces[next - 1].size_bytes) {
            next++;
        }
        status = store->file->ops->pwritev(store->file, offsets[i], pieces + i, next - i);
    }
    return status;
}

/*
 * The slot goes with the pages, in the order of the file, so that all is one piece: whoever finds
 * it without some of them, for its writer was killed in between, settles the file. But where
 * versions are published that are not durable nobody may settle, and a slot whose pages are not
 * there would look as if the device had lost them: it comes behind them.
 */
enum mn_status mn_wing_flush(struct mn_view *view, const uint8_t *slot)
{
    struct mn_store *store = view->store;
    struct mn_writer *writer = view->writer;
    struct mn_wing *wing = &writer->wing;
    struct mn_slice pieces[MN_WING_PAGES + 1];
    uint64_t offsets[MN_WING_PAGES + 1];
    uint32_t count = wing->count;
    bool apart = slot && writer->durable != writer->base.version && !MN_PLANT(SLOT_BEFORE_WING);
    enum mn_status status;

    memcpy(pieces, wing->pieces, count * sizeof *pieces);
    memcpy(offsets, wing->offsets, count * sizeof *offsets);
    if (slot && !apart) {
        offsets[count] = mn_slot_offset(store, wing->slot);
        pieces[count++] = (struct mn_slice){slot, MN_SLOT_BYTES};
    }
    pieces_sort(offsets, pieces, count);
    if (MN_PLANT(WING_LOST) && slot && wing->count > 0) count--;
    status = pieces_write(store, offsets, pieces, count);
    if (!status && apart) {
        status = mn_file_write(store->file, mn_slot_offset(store, wing->slot), slot, MN_SLOT_BYTES);
    }
    for (uint32_t i = 0; i < wing->count && !status; i++) {
        mn_page_believe(store, wing->offsets[i] >> store->page_shift,
                        mn_page_checksum(wing->pieces[i].data));
    }
    mn_wing_clear(writer, store);
    return status;
}
