/*
 * queue: pages on their way to the file.
 *
 * Placed pages wait in a parcel; what lies side by side in it goes out in one write. In a large
 * transaction a thread writes the parcels while the rest is made (os/behind.h), where the store may
 * have threads.
 *
 *   (Q1) parcels are written in the order in which they were filled, and a parcel in that of its
 *        pages: a page may be given back and placed again within the transaction
 *   (Q2) what could not be written stays, for the next try: the statement that fails is rolled
 * back, but what waits here may belong to those before it, whose transaction can still be committed
 *
 * Until the commit is published nothing of it is reachable, so a failure needs no undoing but
 * giving the pages back.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/plant.h"
#include "store/inside.h"

enum { PARCEL_BYTES = 1 << 20 };
enum { BEHIND_LEAST = 1 << 20 }; /* placed by a transaction before it gets a thread */

/* ---- what readers are told ---- */

/*
 * Until it is written the map shows what was there before. That may be this very image, torn by a
 * crash inside the same commit: with the same checksum in its header.
 */
void mn_pages_doubt(const struct mn_store *store, uint64_t page, uint64_t pages)
{
    for (uint64_t p = page; p < page + pages && p < store->map_pages; p++) {
        __atomic_store_n(&store->seen[p], 0, __ATOMIC_RELEASE);
    }
}

/* This process made the image and wrote it, so it need not verify it. */
void mn_page_believe(const struct mn_store *store, uint64_t page, uint64_t checksum)
{
    if (page >= store->map_pages) return;
    __atomic_store_n(&store->seen[page], mn_seen_tag(checksum & MN_MASK48), __ATOMIC_RELEASE);
}

enum mn_status mn_digest_add(struct mn_view *view, uint64_t page, const uint8_t *buffer,
                             uint64_t pages)
{
    struct mn_writer *writer = view->writer;
    struct mn_store *store = view->store;

    writer->placed_bytes += pages << store->page_shift;
    if (writer->placed_bytes > MN_LARGE_BYTES || writer->digest_void) return MN_OK;
    if (!mn_grow(&writer->digests, &writer->digest_capacity, writer->digest_count + pages,
                 sizeof *writer->digests)) {
        return mn_fail_nomem();
    }
    if (MN_PLANT(DIGEST_SHORT) && pages > 1) pages--;
    for (uint64_t i = 0; i < pages; i++) {
        writer->digests[writer->digest_count++] = (struct mn_digest){
            page + i, mn_digest_word(store, page + i, buffer + (i << store->page_shift))};
    }
    return MN_OK;
}

/* ---- one parcel ---- */

/* How many from the i-th on lie side by side; *bytes of them. */
static size_t parcel_run(const struct mn_parcel *parcel, size_t i, uint64_t *bytes)
{
    uint32_t shift = parcel->store->page_shift;
    size_t n = 0;

    *bytes = 0;
    do {
        *bytes += parcel->list[i + n].size_bytes;
        n++;
    } while (i + n < parcel->count &&
             parcel->list[i + n].page == parcel->list[i].page + (*bytes >> shift));
    return n;
}

static void pieces_begin(const struct mn_parcel *parcel, uint64_t from, uint64_t to)
{
    struct mn_file *file = parcel->store->file;

    if (file->ops->begin_sync) file->ops->begin_sync(file, (struct mn_range){from, to - from});
}

/*
 * The device writes while the rest of the commit is made, which is most of the wait where a
 * thousand rows are strewn over the file. Many pieces begin together: each call looks at all that
 * is dirty in its range.
 */
static enum mn_status parcel_write(const struct mn_parcel *parcel)
{
    struct mn_store *store = parcel->store;
    uint64_t unbegun = 0, from = UINT64_MAX, to = 0, bytes;

    for (size_t i = 0, n; i < parcel->count; i += n) {
        uint64_t at = parcel->list[i].page << store->page_shift;
        enum mn_status status;

        n = parcel_run(parcel, i, &bytes);
        status = store->file->ops->pwritev(store->file, at, parcel->slices + i, n);
        if (MN_PLANT(WRITE_ERROR_IGNORED)) status = MN_OK;
        if (status) return status;
        unbegun += bytes;
        if (at < from) from = at;
        if (at + bytes > to) to = at + bytes;
        if (unbegun <= parcel->begin_each) continue;
        pieces_begin(parcel, from, to);
        unbegun = to = 0;
        from = UINT64_MAX;
    }
    if (unbegun > 0 && parcel->begin_each < UINT64_MAX) pieces_begin(parcel, from, to);
    return MN_OK;
}

static bool parcel_write_behind(void *piece)
{
    return parcel_write(piece) == MN_OK;
}

static void parcel_recycle(struct mn_writer *writer, struct mn_parcel *parcel, bool written)
{
    struct mn_store *store = parcel->store;

    for (size_t i = 0; i < parcel->count; i++) {
        uint8_t *bytes = (uint8_t *)(uintptr_t)parcel->slices[i].data; /* drops const */

        if (written && parcel->list[i].node) {
            mn_page_believe(store, parcel->list[i].page, parcel->list[i].checksum);
        }
        mn_buffer_put(writer, store, bytes, parcel->list[i].size_bytes);
    }
    parcel->count = 0;
    parcel->bytes = 0;
}

/* ---- the ring ---- */

static struct mn_parcel *parcel_at(const struct mn_queue *queue, uint32_t i)
{
    return queue->parcels[(queue->oldest + i) % MN_PARCELS];
}

static struct mn_parcel *parcel_filling(const struct mn_queue *queue)
{
    return parcel_at(queue, queue->given);
}

static void behind_end(struct mn_queue *queue, const struct mn_store *store)
{
    if (queue->behind) mn_behind_stop(queue->behind, store->file->forked);
    queue->behind = NULL;
}

/* The oldest of those given to the thread is written. */
static enum mn_status oldest_finish(struct mn_view *view)
{
    struct mn_queue *queue = &view->writer->queue;
    struct mn_parcel *parcel = parcel_at(queue, 0);

    if (queue->behind && (view->store->file->forked || !mn_behind_take(queue->behind))) {
        behind_end(queue, view->store);
        queue->alone = true;
    }
    if (!queue->behind) {
        enum mn_status status = parcel_write(parcel);

        if (status) return status;
    }
    parcel_recycle(view->writer, parcel, true);
    queue->oldest = (queue->oldest + 1) % MN_PARCELS;
    queue->given--;
    return MN_OK;
}

enum mn_status mn_queue_flush(struct mn_view *view)
{
    struct mn_queue *queue = &view->writer->queue;
    struct mn_parcel *last;
    enum mn_status status = MN_OK;

    while (queue->given > 0 && !status) status = oldest_finish(view);
    last = parcel_filling(queue);
    if (status || !last || last->count == 0) return status;
    last->begin_each = view->writer->begin_each;
    status = parcel_write(last);
    if (!status) parcel_recycle(view->writer, last, true);
    return status;
}

static struct mn_parcel *parcel_new(struct mn_queue *queue, struct mn_store *store)
{
    struct mn_parcel **at = &queue->parcels[(queue->oldest + queue->given) % MN_PARCELS];

    if (*at) return *at;
    *at = mn_alloc(sizeof **at);
    if (!*at) return NULL;
    (*at)->store = store;
    (*at)->count = 0;
    (*at)->bytes = 0;
    return *at;
}

static bool behind_wanted(struct mn_view *view)
{
    struct mn_queue *queue = &view->writer->queue;

    if (queue->behind) return true;
    if (queue->alone || !view->store->file->ops->concurrent) return false;
    if (mn_view_threads(view) == 0) return false;
    if (view->writer->placed_bytes < BEHIND_LEAST) return false;
    queue->behind = mn_behind_start(parcel_write_behind);
    queue->alone = !queue->behind;
    return queue->behind != NULL;
}

/* No room for what would go to byte `at` of the file; or it is better begun there: a load writes
 * one run, and the kernel keeps what lies between two such places in fewer pieces. */
static bool parcel_is_full(const struct mn_parcel *parcel, uint64_t at, uint64_t size_bytes)
{
    return parcel->count == MN_SLICES_MAX ||
           (parcel->count > 0 && parcel->bytes + size_bytes > PARCEL_BYTES) ||
           (parcel->bytes >= PARCEL_BYTES / 4 && at % PARCEL_BYTES == 0);
}

/* The full parcel is on its way, and there is an empty one. */
static enum mn_status parcel_pass(struct mn_view *view)
{
    struct mn_queue *queue = &view->writer->queue;
    struct mn_parcel *parcel = parcel_filling(queue);
    enum mn_status status = MN_OK;

    if (!behind_wanted(view)) return mn_queue_flush(view);
    if (queue->given == MN_PARCELS - 1) status = oldest_finish(view);
    if (status) return status;
    if (!queue->behind) return mn_queue_flush(view);
    parcel->begin_each = view->writer->begin_each;
    mn_behind_give(queue->behind, parcel);
    queue->given++;
    return MN_OK;
}

enum mn_status mn_queue_add(struct mn_view *view, uint64_t page, uint8_t *buffer,
                            uint64_t size_bytes, bool node)
{
    struct mn_store *store = view->store;
    struct mn_queue *queue = &view->writer->queue;
    struct mn_parcel *parcel = parcel_filling(queue);
    uint64_t pages = size_bytes >> store->page_shift;
    enum mn_status status = MN_OK;

    if (parcel && parcel_is_full(parcel, page << store->page_shift, size_bytes)) {
        status = parcel_pass(view);
    }
    if (!status) parcel = parcel_new(queue, store);
    if (!status && !parcel) status = mn_fail_nomem();
    if (!status) status = mn_digest_add(view, page, buffer, pages);
    if (status) return status;
    if (parcel->count == 0 || page < parcel->from) parcel->from = page;
    if (parcel->count == 0 || page + pages > parcel->to) parcel->to = page + pages;
    parcel->slices[parcel->count] = (struct mn_slice){buffer, (size_t)size_bytes};
    parcel->list[parcel->count++] =
        (struct mn_waiting){page, size_bytes, node ? mn_page_checksum(buffer) : 0, node};
    parcel->bytes += size_bytes;
    return MN_OK;
}

bool mn_queue_holds(const struct mn_view *view, uint64_t page, uint64_t pages)
{
    const struct mn_queue *queue = &view->writer->queue;

    for (uint32_t i = 0; i <= queue->given; i++) {
        const struct mn_parcel *parcel = parcel_at(queue, i);

        if (parcel && parcel->count > 0 && page < parcel->to && page + pages > parcel->from) {
            return true;
        }
    }
    return false;
}

void mn_queue_clear(struct mn_writer *writer, struct mn_store *store)
{
    struct mn_queue *queue = &writer->queue;

    behind_end(queue, store);
    queue->alone = false;
    queue->given = queue->oldest = 0;
    for (uint32_t i = 0; i < MN_PARCELS; i++) {
        if (queue->parcels[i]) parcel_recycle(writer, queue->parcels[i], false);
    }
}

void mn_queue_release(struct mn_writer *writer)
{
    for (uint32_t i = 0; i < MN_PARCELS; i++) mn_dealloc(writer->queue.parcels[i]);
}
