/*
 * node: the writer's dirty nodes and runs, and savepoints over them.
 *
 *   ref.page = DIRTY | number  ->  nodes[number]  ->  private bytes, at one address until dropped
 * or placed
 *
 *   (N1) a node may be written without an image being kept iff its epoch is that of the innermost
 *        savepoint or later, or there is no savepoint;
 *   (N2) undoing the entries of `undo` from the newest back to a savepoint's mark gives every node
 * of its time its bytes of that time; deaths and roots are kept by length and by copy; (N3) a
 * dropped node keeps number and bytes as long as an undo entry names it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/plant.h"
#include "store/inside.h"

/* ---- buffers ---- */

uint8_t *mn_buffer_get(struct mn_writer *writer, struct mn_store *store, uint64_t size_bytes)
{
    if (size_bytes == store->page_size && writer->pool_count > 0) {
        return writer->pool[--writer->pool_count];
    }
    return size_bytes > SIZE_MAX / 2 ? NULL : mn_alloc_aligned((size_t)size_bytes);
}

void mn_buffer_put(struct mn_writer *writer, struct mn_store *store, uint8_t *buffer,
                   uint64_t size_bytes)
{
    if (buffer && size_bytes == store->page_size && writer->pool_count < MN_POOL_MAX &&
        mn_grow(&writer->pool, &writer->pool_capacity, writer->pool_count + 1,
                sizeof *writer->pool)) {
        writer->pool[writer->pool_count++] = buffer;
        return;
    }
    mn_release_aligned(buffer);
}

/* ---- nodes ---- */

enum mn_status mn_node_find(struct mn_view *view, uint64_t page, struct mn_dirty_node **node)
{
    uint64_t number = page & ~MN_PAGE_DIRTY;

    if (!view->writer || number >= view->writer->node_count ||
        view->writer->nodes[number].state != MN_NODE_LIVE) {
        return mn_fail(MN_CORRUPT, "a pointer names node %" PRIu64 ", which is not there", number);
    }
    *node = &view->writer->nodes[number];
    return MN_OK;
}

static enum mn_status undo_add(struct mn_writer *writer, struct mn_undo entry)
{
    if (writer->savepoint_count == 0) return MN_OK;
    if (!mn_grow(&writer->undo, &writer->undo_capacity, writer->undo_count + 1,
                 sizeof *writer->undo)) {
        return mn_fail_nomem();
    }
    writer->undo[writer->undo_count++] = entry;
    return MN_OK;
}

void mn_node_free(struct mn_writer *writer, struct mn_store *store, uint32_t number)
{
    struct mn_dirty_node *node = &writer->nodes[number];

    if (node->data) {
        mn_buffer_put(writer, store, node->data, node->size_bytes);
        writer->dirty_bytes -= node->size_bytes;
    } else if (node->place.page && !node->lent) {
        mn_room_give_back(writer, node->place.page, node->size_bytes >> store->page_shift);
    }
    if (node->state == MN_NODE_LIVE && node->run_bytes == 0) writer->live_nodes--;
    memset(node, 0, sizeof *node);
    if (writer->spare_count < writer->spare_capacity) writer->spare[writer->spare_count++] = number;
}

/* A new live node with cleared or unset bytes; its number is *number. */
static enum mn_status node_add(struct mn_view *view, struct mn_dirty_node like, uint32_t *number)
{
    struct mn_writer *writer = view->writer;
    struct mn_undo created = {.kind = MN_UNDO_CREATED};
    uint8_t *data = mn_buffer_get(writer, view->store, like.size_bytes);
    bool spare = writer->spare_count > 0;

    if (!data) return mn_fail_nomem();
    /* Room on the spare list is made here, so that freeing cannot fail. */
    if ((!spare && (!mn_grow(&writer->nodes, &writer->node_capacity, writer->node_count + 1,
                             sizeof *writer->nodes) ||
                    !mn_grow(&writer->spare, &writer->spare_capacity, writer->node_count + 1,
                             sizeof *writer->spare)))) {
        mn_buffer_put(writer, view->store, data, like.size_bytes);
        return mn_fail_nomem();
    }
    *number = spare ? writer->spare[writer->spare_count - 1] : (uint32_t)writer->node_count;
    created.node = *number;
    if (undo_add(writer, created)) {
        mn_buffer_put(writer, view->store, data, like.size_bytes);
        return MN_NOMEM;
    }
    if (spare) {
        writer->spare_count--;
    } else {
        writer->node_count++;
    }
    like.data = data;
    like.epoch = writer->epoch;
    like.state = MN_NODE_LIVE;
    writer->nodes[*number] = like;
    writer->dirty_bytes += like.size_bytes;
    if (like.run_bytes == 0) writer->live_nodes++;
    writer->changed = true;
    return MN_OK;
}

/* Makes a live node writable in the innermost savepoint (N1). */
static enum mn_status node_touch(struct mn_view *view, uint32_t number)
{
    struct mn_writer *writer = view->writer;
    struct mn_dirty_node *node = &writer->nodes[number];
    struct mn_undo image = {.kind = MN_UNDO_IMAGE, .node = number, .epoch = node->epoch};
    enum mn_status status;

    if (MN_PLANT(SAVEPOINT_NO_IMAGE) && node->epoch + 1 >= writer->epoch) return MN_OK;
    if (writer->savepoint_count == 0 ||
        node->epoch >= writer->savepoints[writer->savepoint_count - 1].epoch) {
        return MN_OK;
    }
    image.image = mn_buffer_get(writer, view->store, node->size_bytes);
    if (!image.image) return mn_fail_nomem();
    memcpy(image.image, node->data, node->size_bytes);
    status = undo_add(writer, image);
    if (status) {
        mn_buffer_put(writer, view->store, image.image, node->size_bytes);
        return status;
    }
    node->epoch = writer->epoch;
    return MN_OK;
}

/* The node leaves its tree; its bytes stay while an undo entry needs them (N3). */
static enum mn_status node_drop(struct mn_view *view, uint32_t number)
{
    struct mn_writer *writer = view->writer;
    struct mn_dirty_node *node = &writer->nodes[number];
    struct mn_undo dropped = {.kind = MN_UNDO_DROPPED, .node = number};
    enum mn_status status;

    writer->changed = true;
    if (writer->savepoint_count == 0) {
        mn_node_free(writer, view->store, number);
        return MN_OK;
    }
    status = undo_add(writer, dropped);
    if (status) return status;
    node->state = MN_NODE_DROPPED;
    if (node->run_bytes == 0) writer->live_nodes--;
    return MN_OK;
}

/* Records that clean pages left the version; those of this transaction's own birth are free at
 * once. */
static enum mn_status clean_die(struct mn_view *view, struct mn_death death)
{
    struct mn_writer *writer = view->writer;

    writer->changed = true;
    death.death = writer->next.version;
    if (death.birth == writer->next.version) {
        writer->digest_void = true;
        /* A file may lie about a birth. */
        if (!mn_room_is_taken(writer, death.start, death.pages)) {
            return mn_fail(MN_CORRUPT,
                           "page %" PRIu64 " was born in version %" PRIu64 ", too early",
                           death.start, death.birth);
        }
    }
    if (death.birth == writer->next.version &&
        (writer->savepoint_count == 0 || MN_PLANT(SAVEPOINT_DEATH_GIVEN))) {
        return mn_room_give(writer, death.start, death.pages);
    }
    return mn_deaths_add(&writer->deaths, death);
}

static enum mn_status writer_only(const struct mn_view *view)
{
    if (view->writer) return MN_OK;
    return mn_fail(MN_READONLY_DB, "this transaction only reads");
}

/* ---- tree pages ---- */

const uint8_t *mn_page_next(const struct mn_view *view)
{
    const struct mn_writer *writer = view->writer;

    return writer->pool_count > 0 ? writer->pool[writer->pool_count - 1] : NULL;
}

enum mn_status mn_page_new_bare(struct mn_view *view, uint8_t kind, struct mn_ref *ref,
                                uint8_t **page)
{
    struct mn_dirty_node like = {.kind = kind, .size_bytes = view->store->page_size};
    uint32_t number;
    enum mn_status status = writer_only(view);

    if (!status) status = node_add(view, like, &number);
    if (status) return status;
    *page = view->writer->nodes[number].data;
    memset(*page, 0, MN_PAGE_HEADER);
    (*page)[22] = kind;
    *ref = (struct mn_ref){MN_PAGE_DIRTY | number, 0};
    return MN_OK;
}

enum mn_status mn_page_new(struct mn_view *view, uint8_t kind, struct mn_ref *ref, uint8_t **page)
{
    enum mn_status status = mn_page_new_bare(view, kind, ref, page);

    if (!status) memset(*page + MN_PAGE_HEADER, 0, view->store->page_size - MN_PAGE_HEADER);
    return status;
}

enum mn_status mn_page_edit(struct mn_view *view, struct mn_ref *ref, uint8_t kind, uint8_t **page)
{
    struct mn_dirty_node like = {.kind = kind, .size_bytes = view->store->page_size};
    struct mn_death death = {.start = ref->page, .pages = 1};
    const uint8_t *bytes;
    uint32_t number;
    enum mn_status status = writer_only(view);

    if (!status) status = mn_page_read(view, *ref, kind, &bytes);
    if (status) return status;
    if (mn_ref_is_dirty(*ref)) {
        number = (uint32_t)(ref->page & ~MN_PAGE_DIRTY);
        status = node_touch(view, number);
        if (!status) *page = view->writer->nodes[number].data;
        return status;
    }
    death.birth = mn_page_birth(bytes);
    status = node_add(view, like, &number);
    if (status) return status;
    *page = view->writer->nodes[number].data;
    memcpy(*page, bytes, like.size_bytes);
    view->writer->nodes[number].busy = mn_wing_is_busy(view->writer, death.birth);
    if (!MN_PLANT(DEATH_UNRECORDED)) status = clean_die(view, death);
    if (status) {
        /* The created entry, if there is one, is the newest: take both back. */
        if (view->writer->savepoint_count) view->writer->undo_count--;
        mn_node_free(view->writer, view->store, number);
        return status;
    }
    *ref = (struct mn_ref){MN_PAGE_DIRTY | number, 0};
    return MN_OK;
}

enum mn_status mn_page_drop(struct mn_view *view, struct mn_ref ref, uint8_t kind)
{
    const uint8_t *bytes;
    enum mn_status status = writer_only(view);

    if (!status) status = mn_page_read(view, ref, kind, &bytes);
    if (status) return status;
    if (mn_ref_is_dirty(ref)) return node_drop(view, (uint32_t)(ref.page & ~MN_PAGE_DIRTY));
    if (MN_PLANT(DROP_UNRECORDED)) return MN_OK;
    return clean_die(
        view, (struct mn_death){.birth = mn_page_birth(bytes), .start = ref.page, .pages = 1});
}

/* ---- places ---- */

enum mn_status mn_node_load(struct mn_view *view, struct mn_dirty_node *node)
{
    struct mn_writer *writer = view->writer;
    struct mn_ref ref = {node->place.page, node->place.sum64 & MN_MASK48};
    const uint8_t *bytes;
    uint8_t *data;
    enum mn_status status;

    if (node->data) return MN_OK;
    status = node->run_bytes ? mn_run_read_clean(view, &node->place, &bytes)
                             : mn_page_read(view, ref, node->kind, &bytes);
    if (status) return status;
    data = mn_buffer_get(writer, view->store, node->size_bytes);
    if (!data) return mn_fail_nomem();
    memcpy(data, bytes, node->size_bytes);
    writer->digest_void = true;
    status = mn_room_give(writer, node->place.page, node->size_bytes >> view->store->page_shift);
    if (status) {
        mn_buffer_put(writer, view->store, data, node->size_bytes);
        return status;
    }
    node->data = data;
    memset(&node->place, 0, sizeof node->place);
    writer->dirty_bytes += node->size_bytes;
    return MN_OK;
}

/* The node's bytes go to the file; while an undo entry may want them they are found at their place.
 */
static enum mn_status node_hand_over(struct mn_view *view, uint32_t number,
                                     enum mn_nearness nearness, struct mn_run *place)
{
    struct mn_writer *writer = view->writer;
    struct mn_dirty_node *node = &writer->nodes[number];
    enum mn_status status = MN_OK;

    if (node->data) status = mn_node_place(view, node, nearness);
    if (status) return status;
    *place = node->place;
    node->lent = true;
    status = node_drop(view, number);
    if (status) node->lent = false;
    return status;
}

static enum mn_status page_place(struct mn_view *view, struct mn_ref *ref,
                                 enum mn_nearness nearness)
{
    struct mn_dirty_node *node;
    struct mn_run place;
    enum mn_status status = writer_only(view);

    if (status || !mn_ref_is_dirty(*ref)) return status;
    status = mn_node_find(view, ref->page, &node);
    if (!status) {
        status = node_hand_over(view, (uint32_t)(ref->page & ~MN_PAGE_DIRTY), nearness, &place);
    }
    if (!status) *ref = (struct mn_ref){place.page, place.sum64 & MN_MASK48};
    return status;
}

enum mn_status mn_page_place(struct mn_view *view, struct mn_ref *ref)
{
    return page_place(view, ref, MN_NEAR_NOTHING);
}

enum mn_status mn_page_place_near(struct mn_view *view, struct mn_ref *ref,
                                  enum mn_nearness nearness)
{
    return page_place(view, ref, nearness);
}

/* ---- runs ---- */

/* Past the limit older runs are written where they will stay; the newest may still be being filled.
 */
static enum mn_status runs_spill(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    enum mn_status status = MN_OK;

    while (mn_view_is_heavy(view) && writer->spill_at + MN_RUNS_KEPT < writer->node_count &&
           !status) {
        struct mn_dirty_node *node = &writer->nodes[writer->spill_at];

        if (node->state == MN_NODE_LIVE && node->run_bytes && node->data) {
            status = mn_node_place(view, node, MN_NEAR_NOTHING);
        }
        if (!status) writer->spill_at++;
    }
    return status;
}

bool mn_view_is_heavy(const struct mn_view *view)
{
    return view->writer && view->writer->dirty_bytes > view->store->dirty_limit;
}

enum mn_status mn_run_new(struct mn_view *view, uint64_t size_bytes, struct mn_run *run,
                          uint8_t **bytes)
{
    struct mn_dirty_node like = {.run_bytes = size_bytes};
    uint32_t number;
    enum mn_status status = writer_only(view);

    if (!status && (size_bytes == 0 || size_bytes >= MN_PAGE_DIRTY)) {
        status = mn_fail(MN_TOOBIG, "a value of %" PRIu64 " bytes", size_bytes);
    }
    if (status) return status;
    like.size_bytes = mn_run_pages(view, size_bytes) << view->store->page_shift;
    status = runs_spill(view);
    if (!status) status = node_add(view, like, &number);
    if (status) return status;
    *bytes = view->writer->nodes[number].data;
    memset(*bytes, 0, like.size_bytes);
    *run = (struct mn_run){.page = MN_PAGE_DIRTY | number, .size_bytes = size_bytes};
    return MN_OK;
}

/* The node of a dirty run, checked against the pointer. */
static enum mn_status run_find(struct mn_view *view, const struct mn_run *run,
                               struct mn_dirty_node **node)
{
    enum mn_status status = mn_node_find(view, run->page, node);

    if (!status && ((*node)->run_bytes == 0 || (*node)->run_bytes != run->size_bytes)) {
        status =
            mn_fail(MN_CORRUPT, "a pointer names node %" PRIu64 " as a run of %" PRIu64 " bytes",
                    run->page & ~MN_PAGE_DIRTY, run->size_bytes);
    }
    return status;
}

enum mn_status mn_run_read(struct mn_view *view, const struct mn_run *run, const uint8_t **bytes)
{
    struct mn_dirty_node *node;
    enum mn_status status;

    *bytes = NULL;
    if (!(run->page & MN_PAGE_DIRTY)) return mn_run_read_clean(view, run, bytes);
    status = run_find(view, run, &node);
    if (status) return status;
    if (!node->data) return mn_run_read_clean(view, &node->place, bytes);
    *bytes = node->data;
    return MN_OK;
}

enum mn_status mn_run_edit(struct mn_view *view, struct mn_run *run, uint8_t **bytes)
{
    struct mn_run fresh;
    struct mn_dirty_node *node;
    const uint8_t *old;
    enum mn_status status = writer_only(view);

    if (status) return status;
    if (run->page & MN_PAGE_DIRTY) {
        status = run_find(view, run, &node);
        if (!status) status = mn_node_load(view, node);
        if (!status) status = node_touch(view, (uint32_t)(run->page & ~MN_PAGE_DIRTY));
        if (!status) *bytes = node->data;
        return status;
    }
    status = mn_run_read_clean(view, run, &old);
    if (!status) status = mn_run_new(view, run->size_bytes, &fresh, bytes);
    if (status) return status;
    memcpy(*bytes, old, run->size_bytes);
    status = mn_run_drop(view, run);
    if (status) {
        (void)node_drop(view, (uint32_t)(fresh.page & ~MN_PAGE_DIRTY));
        return status;
    }
    *run = fresh;
    return MN_OK;
}

enum mn_status mn_run_drop(struct mn_view *view, const struct mn_run *run)
{
    struct mn_death death = {.birth = run->birth, .start = run->page};
    struct mn_dirty_node *node;
    enum mn_status status = writer_only(view);

    if (status) return status;
    if (run->page & MN_PAGE_DIRTY) {
        status = run_find(view, run, &node);
        return status ? status : node_drop(view, (uint32_t)(run->page & ~MN_PAGE_DIRTY));
    }
    death.pages = mn_run_pages(view, run->size_bytes);
    if (run->size_bytes >= MN_PAGE_DIRTY || death.pages == 0 ||
        !mn_layout_holds(&view->store->layout, run->page, death.pages) ||
        run->page + death.pages > view->page_limit || run->birth > view->meta->version) {
        return mn_fail(MN_CORRUPT, "a run at page %" PRIu64 " lies outside the file", run->page);
    }
    if (MN_PLANT(RUN_DEATH_SHORT) && death.pages > 1) death.pages--;
    if (MN_PLANT(RUN_DEATH_LONG) && death.start + death.pages < view->page_limit) death.pages++;
    return clean_die(view, death);
}

enum mn_status mn_run_place(struct mn_view *view, struct mn_run *run)
{
    struct mn_dirty_node *node;
    struct mn_run place;
    enum mn_status status = writer_only(view);

    if (status || !(run->page & MN_PAGE_DIRTY)) return status;
    status = run_find(view, run, &node);
    if (!status) {
        status =
            node_hand_over(view, (uint32_t)(run->page & ~MN_PAGE_DIRTY), MN_NEAR_NOTHING, &place);
    }
    if (!status) *run = place;
    return status;
}
