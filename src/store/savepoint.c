/*
 * savepoint: going back inside a transaction (invariants N1 to N3 in node.c).
 *
 *   undo:   | created a | image b | ...   | image a | dropped c | ...
 *           ^ savepoint 1                 ^ savepoint 2
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/plant.h"
#include "store/inside.h"

static void tell(struct mn_view *view, enum mn_savepoint_event event, uint32_t id)
{
    if (view->store->hooks.savepoint) view->store->hooks.savepoint(view, event, id);
}

enum mn_status mn_savepoint_begin(struct mn_view *view, uint32_t *id)
{
    struct mn_writer *writer = view->writer;
    struct mn_savepoint *savepoint;

    if (!writer) return mn_fail(MN_READONLY_DB, "this transaction only reads");
    if (!mn_grow(&writer->savepoints, &writer->savepoint_capacity, writer->savepoint_count + 1,
                 sizeof *writer->savepoints)) {
        return mn_fail_nomem();
    }
    savepoint = &writer->savepoints[writer->savepoint_count++];
    savepoint->undo = writer->undo_count;
    savepoint->deaths = writer->deaths.count;
    savepoint->epoch = ++writer->epoch;
    savepoint->changed = writer->changed;
    savepoint->roots = writer->next.roots;
    *id = (uint32_t)writer->savepoint_count;
    tell(view, MN_SAVEPOINT_BEGUN, *id);
    return MN_OK;
}

/* The node's bytes are as they were when the image was made. */
static void image_restore(struct mn_view *view, struct mn_undo *entry)
{
    struct mn_writer *writer = view->writer;
    struct mn_dirty_node *node = &writer->nodes[entry->node];

    if (node->data) {
        memcpy(node->data, entry->image, node->size_bytes);
        mn_buffer_put(writer, view->store, entry->image, node->size_bytes);
    } else { /* placed since: the place is not needed */
        mn_room_give_back(writer, node->place.page, node->size_bytes >> view->store->page_shift);
        writer->digest_void = true;
        memset(&node->place, 0, sizeof node->place);
        node->data = entry->image;
        writer->dirty_bytes += node->size_bytes;
    }
    node->epoch = entry->epoch;
}

static void undo_one(struct mn_view *view, struct mn_undo *entry)
{
    struct mn_writer *writer = view->writer;
    struct mn_dirty_node *node = &writer->nodes[entry->node];

    switch (entry->kind) {
    case MN_UNDO_CREATED:
        writer->digest_void |= node->data == NULL && !MN_PLANT(DIGEST_UNDONE);
        mn_node_free(writer, view->store, entry->node);
        break;
    case MN_UNDO_IMAGE: image_restore(view, entry); break;
    case MN_UNDO_DROPPED:
        if (MN_PLANT(SAVEPOINT_DROPPED_LOST)) break;
        node->state = MN_NODE_LIVE;
        if (!MN_PLANT(SAVEPOINT_LENT)) node->lent = false;
        if (node->run_bytes == 0) writer->live_nodes++;
        break;
    }
}

void mn_savepoint_rollback(struct mn_view *view, uint32_t id)
{
    struct mn_writer *writer = view->writer;
    struct mn_savepoint *savepoint;

    if (!writer || id == 0 || id > writer->savepoint_count) return;
    savepoint = &writer->savepoints[id - 1];
    while (writer->undo_count > savepoint->undo) {
        undo_one(view, &writer->undo[--writer->undo_count]);
    }
    if (!MN_PLANT(SAVEPOINT_DEATHS_KEPT)) writer->deaths.count = savepoint->deaths;
    if (!MN_PLANT(SAVEPOINT_ROOTS_KEPT)) writer->next.roots = savepoint->roots;
    writer->changed = savepoint->changed && !MN_PLANT(SAVEPOINT_CHANGE_LOST);
    writer->savepoint_count = id;
    tell(view, MN_SAVEPOINT_ROLLED_BACK, id);
}

/* Nothing can go back any more: images and dropped nodes are of no use. */
static void undo_forget(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;

    for (size_t i = 0; i < writer->undo_count; i++) {
        struct mn_undo *entry = &writer->undo[i];
        struct mn_dirty_node *node = &writer->nodes[entry->node];

        if (entry->kind == MN_UNDO_IMAGE) {
            mn_buffer_put(writer, view->store, entry->image, node->size_bytes);
        }
    }
    for (size_t i = 0; i < writer->undo_count; i++) {
        if (writer->undo[i].kind == MN_UNDO_DROPPED) {
            mn_node_free(writer, view->store, writer->undo[i].node);
        }
    }
    writer->undo_count = 0;
}

/*
 * The entries since `from` now belong to the savepoint below, whose epoch is `epoch`: images of
 * nodes that were writable in it already are not needed, for it has older ones or made the node
 * itself.
 */
static void undo_merge(struct mn_view *view, size_t from, uint64_t epoch)
{
    struct mn_writer *writer = view->writer;
    size_t kept = from;

    for (size_t i = from; i < writer->undo_count; i++) {
        struct mn_undo *entry = &writer->undo[i];

        if (entry->kind == MN_UNDO_IMAGE &&
            (entry->epoch >= epoch || MN_PLANT(SAVEPOINT_MERGE_DROPS))) {
            mn_buffer_put(writer, view->store, entry->image, writer->nodes[entry->node].size_bytes);
            continue;
        }
        writer->undo[kept++] = *entry;
    }
    writer->undo_count = kept;
}

void mn_savepoint_release(struct mn_view *view, uint32_t id)
{
    struct mn_writer *writer = view->writer;

    if (!writer || id == 0 || id > writer->savepoint_count) return;
    if (id == 1) {
        undo_forget(view);
    } else {
        undo_merge(view, writer->savepoints[id - 1].undo, writer->savepoints[id - 2].epoch);
    }
    writer->savepoint_count = id - 1;
    tell(view, MN_SAVEPOINT_RELEASED, id);
}

/* ---- forgetting everything ---- */

void mn_nodes_clear(struct mn_writer *writer, struct mn_store *store)
{
    for (size_t i = 0; i < writer->undo_count; i++) {
        if (writer->undo[i].kind == MN_UNDO_IMAGE) mn_release_aligned(writer->undo[i].image);
    }
    writer->undo_count = 0;
    for (size_t i = 0; i < writer->node_count; i++) {
        struct mn_dirty_node *node = &writer->nodes[i];

        if (node->data) mn_buffer_put(writer, store, node->data, node->size_bytes);
    }
    mn_queue_clear(writer, store);
    writer->node_count = writer->spare_count = writer->live_nodes = 0;
    writer->dirty_bytes = writer->spill_at = 0;
    writer->savepoint_count = 0;
}

void mn_writer_release(struct mn_writer *writer, struct mn_store *store)
{
    mn_nodes_clear(writer, store);
    for (size_t i = 0; i < writer->pool_count; i++) mn_release_aligned(writer->pool[i]);
    mn_dealloc(writer->pool);
    mn_dealloc(writer->nodes);
    mn_dealloc(writer->spare);
    mn_dealloc(writer->undo);
    mn_dealloc(writer->savepoints);
    mn_deaths_release(&writer->deaths);
    mn_extents_release(&writer->taken);
    mn_extents_release(&writer->taken_sorted);
    mn_extents_release(&writer->given);
    mn_extents_release(&writer->reserve);
    mn_queue_release(writer);
    mn_dealloc(writer->digests);
    mn_dealloc(writer->unsynced.list);
    mn_dealloc(writer->pins);
    mn_space_release(&writer->space);
    memset(writer, 0, sizeof *writer);
}

/* ---- roots ---- */

enum mn_status mn_view_root_set(struct mn_view *view, const struct mn_root *root)
{
    struct mn_roots *roots;

    if (!view->writer) return mn_fail(MN_READONLY_DB, "this transaction only reads");
    roots = &view->writer->next.roots;
    view->writer->changed = true;
    for (uint32_t i = 0; i < roots->count; i++) {
        if (roots->list[i].tree != root->tree) continue;
        roots->list[i] = *root;
        return MN_OK;
    }
    if (roots->count == MN_ROOTS_INLINE) {
        return mn_fail(MN_FULL, "the meta slot carries %d roots already", MN_ROOTS_INLINE);
    }
    roots->list[roots->count++] = *root;
    return MN_OK;
}

bool mn_view_root_remove(struct mn_view *view, uint64_t tree)
{
    struct mn_roots *roots;

    if (!view->writer) return false;
    roots = &view->writer->next.roots;
    for (uint32_t i = 0; i < roots->count; i++) {
        if (roots->list[i].tree != tree) continue;
        roots->list[i] = roots->list[--roots->count];
        view->writer->changed = true;
        return true;
    }
    return false;
}

void mn_view_counter_set(struct mn_view *view, uint32_t index, uint64_t value)
{
    MN_ASSERT(view->writer && index < MN_COUNTERS);
    view->writer->next.roots.counters[index] = value;
    view->writer->changed = true;
}
