/*
 * log: how the space map outlives its process.
 *
 *   checkpoint of version N: what was free and pending before N's own changes
 *   log pages (chained back from the head) and the tail in the slot: manifests of N, N+1, ...
 * newest
 *
 * A commit adds its manifest to the tail. When the tail is full it moves to a log page; when the
 * log passes 256 KiB, or the size of the last checkpoint, a new checkpoint begins an empty log. A
 * writer that finds the file as it left it reads nothing; one that finds commits of others reads
 * their manifests; one that has just opened reads the checkpoint and the log. Nothing here is read
 * by readers.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/plant.h"
#include "store/inside.h"

static uint64_t payload(const struct mn_store *store)
{
    return store->page_size - MN_CHAIN_PAYLOAD_AT;
}

/* ---- reading: from nothing ---- */

/* Only pages below the version's mark matter; what lay beyond was cut off since. */
static uint64_t clip(const struct mn_space *space, uint64_t start, uint64_t pages)
{
    if (start >= space->page_count) return 0;
    return pages < space->page_count - start ? pages : space->page_count - start;
}

static enum mn_status out_of_place(const struct mn_space *space, uint64_t page, const char *what)
{
    (void)space;
    return mn_fail(MN_CORRUPT, "the space map is damaged: page %" PRIu64 " %s", page, what);
}

/* Marks unused what is below the mark and not unused yet. */
static enum mn_status load_free(struct mn_space *space, uint64_t start, uint64_t pages)
{
    pages = clip(space, start, pages);
    if (pages == 0) return MN_OK;
    if (!mn_layout_holds(&space->layout, start, pages)) {
        return out_of_place(space, start, "is fixed and cannot be free");
    }
    if (mn_space_next_free(space, start) < start + pages) {
        return out_of_place(space, mn_space_next_free(space, start), "is freed twice");
    }
    mn_space_free(space, start, pages);
    return MN_OK;
}

static enum mn_status load_born(struct mn_space *space, uint64_t start, uint64_t pages)
{
    pages = clip(space, start, pages);
    if (pages == 0) return MN_OK;
    if (!mn_space_is_free(space, start, pages)) {
        return out_of_place(space, mn_space_next_used(space, start), "is taken twice");
    }
    mn_space_take(space, start, pages);
    return MN_OK;
}

static enum mn_status load_checkpoint(const struct mn_buf *bytes, struct mn_space *space,
                                      struct mn_deaths *dead)
{
    const uint8_t *at = bytes->data, *end = bytes->data + bytes->len;
    struct mn_extents free = {0};
    struct mn_death one;
    uint64_t page_count, pending = 0;
    enum mn_status status = mn_varint_decode(&at, end, &page_count);

    if (!status) status = mn_extents_decode(&at, end, &free);
    for (size_t i = 0; i < free.count && !status; i++) {
        status = load_free(space, free.list[i].start, free.list[i].pages);
    }
    mn_extents_release(&free);
    if (!status && page_count < space->page_count) {
        status = load_free(space, page_count, space->page_count - page_count);
    }
    if (!status) status = mn_varint_decode(&at, end, &pending);
    for (uint64_t i = 0; i < pending && !status; i++) {
        status = mn_varint_decode(&at, end, &one.birth);
        if (!status) status = mn_varint_decode(&at, end, &one.death);
        if (!status) status = mn_varint_decode(&at, end, &one.start);
        if (!status) status = mn_varint_decode(&at, end, &one.pages);
        if (!status && (one.start >= MN_PAGE_DIRTY || one.pages >= MN_PAGE_DIRTY)) {
            status = out_of_place(space, one.start, "is pending");
        }
        if (!status) status = load_free(space, one.start, one.pages);
        if (!status) status = mn_deaths_add(dead, one);
    }
    return status;
}

static enum mn_status load_manifest(const struct mn_manifest *manifest, struct mn_space *space,
                                    struct mn_deaths *dead)
{
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < manifest->born.count && !status; i++) {
        status = load_born(space, manifest->born.list[i].start, manifest->born.list[i].pages);
    }
    for (size_t i = 0; i < manifest->dead.count && !status; i++) {
        const struct mn_death *one = &manifest->dead.list[i];

        status = load_free(space, one->start, one->pages);
        if (!status) status = mn_deaths_add(dead, *one);
    }
    return status;
}

/* The manifests of the log as one string of bytes: log pages, then the tail. */
static enum mn_status log_read(struct mn_view *view, const struct mn_meta *meta,
                               struct mn_buf *bytes)
{
    struct mn_deaths pages = {0};
    enum mn_status status = mn_chain_read(view, meta->log, MN_PAGE_LOG, bytes, &pages);

    if (!status) status = mn_buf_append(bytes, meta->tail, meta->tail_bytes);
    mn_deaths_release(&pages);
    return status;
}

static enum mn_status load_log(struct mn_view *view, const struct mn_meta *meta,
                               struct mn_space *space, struct mn_deaths *dead)
{
    struct mn_manifest manifest = {0};
    struct mn_buf bytes = {0};
    uint64_t reached = 0;
    enum mn_status status = log_read(view, meta, &bytes);
    const uint8_t *at = bytes.data, *end = bytes.data ? bytes.data + bytes.len : NULL;

    while (!status && at < end) {
        status = mn_manifest_decode(&at, end, &manifest);
        if (!status && reached && manifest.parent != reached) {
            status = mn_fail(MN_CORRUPT, "the log misses the manifest of version %" PRIu64,
                             manifest.parent);
        }
        if (!status) status = load_manifest(&manifest, space, dead);
        reached = manifest.version;
    }
    if (!status && reached != meta->version) {
        status = mn_fail(MN_CORRUPT, "the log ends at version %" PRIu64 " instead of %" PRIu64,
                         reached, meta->version);
    }
    mn_manifest_release(&manifest);
    mn_buf_release(&bytes);
    return status;
}

enum mn_status mn_space_load(struct mn_view *view, const struct mn_meta *meta,
                             struct mn_space *space, struct mn_deaths *dead)
{
    struct mn_deaths pages = {0};
    struct mn_buf bytes = {0};
    enum mn_status status = mn_space_reset(space, &view->store->layout, meta->page_count);

    if (!status && meta->checkpoint.page == 0) {
        status = load_free(space, space->layout.first, space->layout.ring - space->layout.first);
        if (!status) {
            status = load_free(space, space->layout.ring_end,
                               space->page_count - space->layout.ring_end);
        }
    } else if (!status) {
        status = mn_chain_read(view, meta->checkpoint, MN_PAGE_SPACE, &bytes, &pages);
        if (!status) status = load_checkpoint(&bytes, space, dead);
    }
    if (!status) status = load_log(view, meta, space, dead);
    mn_deaths_release(&pages);
    mn_buf_release(&bytes);
    return status;
}

/* What a pin still holds of the dead pages goes into its bucket. Newest death first: it names the
 * image. */
static enum mn_status load_pending(struct mn_writer *writer, const struct mn_deaths *dead)
{
    struct mn_space *space = &writer->space;
    enum mn_status status = MN_OK;

    for (size_t i = dead->count; i > 0 && !status; i--) {
        const struct mn_death *one = &dead->list[i - 1];
        uint64_t pin = mn_pin_holding(writer->pins, writer->pin_count, one->birth, one->death);
        uint64_t end = one->start + clip(space, one->start, one->pages);

        for (uint64_t at = one->start; pin && at < end && !status;) {
            struct mn_death part = *one;
            uint64_t stop;

            part.start = mn_space_next_free(space, at);
            stop = mn_space_next_used(space, part.start);
            at = stop < end ? stop : end;
            if (part.start >= end) break;
            part.pages = at - part.start;
            mn_space_take(space, part.start, part.pages);
            status = mn_space_die(space, pin, part);
        }
    }
    return status;
}

/* ---- reading: from where this process was ---- */

/* Raises the map to `page_count`; the pages in between are free. */
static enum mn_status extend_free(struct mn_space *space, uint64_t page_count)
{
    uint64_t before = space->page_count;
    enum mn_status status = mn_space_extend(space, page_count);

    if (!status && page_count > before) mn_space_free(space, before, page_count - before);
    return status;
}

static enum mn_status follow_manifest(const struct mn_manifest *manifest, struct mn_space *space)
{
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < manifest->born.count && !status; i++) {
        const struct mn_extent *one = &manifest->born.list[i];

        status = extend_free(space, one->start + one->pages);
        for (uint64_t p = one->start; p < one->start + one->pages && !status; p++) {
            if (mn_space_is_free(space, p, 1)) {
                mn_space_take(space, p, 1);
            } else { /* its pin went away, and another process saw that first */
                if (!MN_PLANT(UNPEND_SKIPPED)) status = mn_space_unpend(space, p, 1);
            }
        }
    }
    for (size_t i = 0; i < manifest->dead.count && !status; i++) {
        status = mn_space_die(space, manifest->parent, manifest->dead.list[i]);
    }
    return status;
}

/* Applies the manifests after space->version; *done when they reach the base. */
static enum mn_status follow_bytes(const uint8_t *at, const uint8_t *end, struct mn_space *space,
                                   uint64_t limit)
{
    struct mn_manifest manifest = {0};
    enum mn_status status = MN_OK;

    while (!status && at < end) {
        status = mn_manifest_decode(&at, end, &manifest);
        if (status || manifest.version <= space->version) continue;
        if (manifest.parent != space->version) break;
        for (size_t i = 0; i < manifest.born.count && !status; i++) {
            const struct mn_extent *one = &manifest.born.list[i];

            if (!mn_layout_holds(&space->layout, one->start, one->pages) ||
                one->start + one->pages > limit) {
                status = out_of_place(space, one->start, "lies outside the file");
            }
        }
        if (!status) status = follow_manifest(&manifest, space);
        if (!status) space->version = manifest.version;
    }
    mn_manifest_release(&manifest);
    return status;
}

/*
 * Commits of other processes since this one wrote: their manifests are enough, unless a checkpoint
 * or a cut of the file came between. *done is false where the map is to be loaded anew.
 */
static enum mn_status space_follow(struct mn_view *view, bool *done)
{
    struct mn_writer *writer = view->writer;
    struct mn_space *space = &writer->space;
    const struct mn_meta *base = &writer->base;
    struct mn_buf bytes = {0};
    uint64_t limit = 0;
    enum mn_status status;

    *done = space->version == base->version || (space->version && MN_PLANT(FOLLOW_SKIPPED));
    if (*done || space->version == 0 || space->version > base->version ||
        base->checkpoint_version > space->version) {
        return MN_OK;
    }
    status = mn_file_pages(view->store, &limit);
    if (!status) {
        status = follow_bytes(base->tail, base->tail + base->tail_bytes, space, limit);
    }
    if (!status && space->version != base->version) {
        status = log_read(view, base, &bytes);
        if (!status) status = follow_bytes(bytes.data, bytes.data + bytes.len, space, limit);
    }
    mn_buf_release(&bytes);
    if (!status && base->page_count > space->page_count) {
        status = extend_free(space, base->page_count);
    }
    if (!status && base->page_count < space->page_count) mn_space_trim(space, base->page_count);
    if (status == MN_CORRUPT) status = MN_OK; /* loading anew tells what is wrong */
    *done = !status && space->version == base->version && space->page_count == base->page_count;
    return status;
}

enum mn_status mn_space_prepare(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    struct mn_deaths dead = {0};
    bool done = false;
    enum mn_status status = MN_OK;

    if (writer->space_ready) return MN_OK;
    if (!MN_PLANT(PINS_STALE) || writer->pin_count == 0) {
        status = mn_pins_list(view->store, writer->base.version, writer);
    }
    if (MN_PLANT(PINS_OLDEST)) writer->pin_count = 1;
    if (!status) status = space_follow(view, &done);
    if (!status && !done) {
        status = mn_space_load(view, &writer->base, &writer->space, &dead);
        if (!status) status = load_pending(writer, &dead);
        writer->space.version = status ? 0 : writer->base.version;
    }
    if (!status) status = mn_space_repin(&writer->space, writer->pins, writer->pin_count);
    if (status) writer->space.version = 0;
    writer->space_ready = !status;
    mn_deaths_release(&dead);
    return status;
}

/* ---- writing: chains ---- */

/* Room for a chain of `count` pages, each on its own number. */
static enum mn_status chain_room(struct mn_view *view, uint64_t count, uint64_t **out)
{
    uint64_t *pages = mn_alloc((size_t)count * sizeof *pages);
    enum mn_status status = pages ? MN_OK : mn_fail_nomem();

    *out = pages;
    if (!status) status = mn_room_reserve(view, count);
    for (uint64_t i = 0; i < count && !status; i++) status = mn_room_take(view, 1, &pages[i]);
    return status;
}

/* Writes the bytes over all those pages; *head is the newest page before and after. */
static enum mn_status chain_write(struct mn_view *view, uint8_t kind, struct mn_ref *head,
                                  const uint64_t *pages, uint64_t count, const struct mn_buf *bytes)
{
    struct mn_store *store = view->store;
    size_t at = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint8_t *page = mn_buffer_get(view->writer, store, store->page_size);
        size_t used = bytes->len - at < payload(store) ? bytes->len - at : payload(store);
        uint64_t sum64;
        enum mn_status status;

        if (!page) return mn_fail_nomem();
        memset(page, 0, store->page_size);
        page[22] = kind;
        mn_put_u64(page + 24, store->superblock.secret);
        mn_put_ref(page + MN_PAGE_HEADER, *head);
        mn_put_u32(page + MN_CHAIN_PAYLOAD_AT - 4, (uint32_t)used);
        if (used) memcpy(page + MN_CHAIN_PAYLOAD_AT, bytes->data + at, used);
        status = mn_page_seal(view, pages[i], page, &sum64);
        if (status) {
            mn_buffer_put(view->writer, store, page, store->page_size);
            return status;
        }
        *head = (struct mn_ref){pages[i], sum64 & MN_MASK48};
        at += used;
    }
    MN_ASSERT(at == bytes->len);
    return MN_OK;
}

/* ---- writing: the checkpoint ---- */

static enum mn_status pending_encode(const struct mn_space *space, struct mn_buf *out)
{
    uint64_t count = 0;
    enum mn_status status;

    if (MN_PLANT(CHECKPOINT_NO_PENDING)) return mn_varint_encode(0, out);
    for (size_t b = 0; b < space->bucket_count; b++) count += space->buckets[b].deaths.count;
    status = mn_varint_encode(count, out);
    for (size_t b = 0; b < space->bucket_count; b++) {
        const struct mn_deaths *deaths = &space->buckets[b].deaths;

        for (size_t i = 0; i < deaths->count && !status; i++) {
            status = mn_varint_encode(deaths->list[i].birth, out);
            if (!status) status = mn_varint_encode(deaths->list[i].death, out);
            if (!status) status = mn_varint_encode(deaths->list[i].start, out);
            if (!status) status = mn_varint_encode(deaths->list[i].pages, out);
        }
    }
    return status;
}

/* The state before this transaction: what it took is free in it. */
static enum mn_status checkpoint_encode(struct mn_writer *writer, struct mn_buf *out)
{
    struct mn_space *space = &writer->space;
    struct mn_extents taken = {0}, free = {0};
    uint64_t end = writer->base.page_count;
    enum mn_status status = mn_extents_net(&writer->taken, &writer->given, &taken);

    if (MN_PLANT(CHECKPOINT_TAKEN_USED)) taken.count = 0;
    if (status) return status;
    if (end > space->page_count) end = space->page_count;
    for (size_t i = 0; i < taken.count; i++) {
        mn_space_free(space, taken.list[i].start, taken.list[i].pages);
    }
    for (uint64_t at = mn_space_next_free(space, space->layout.first); at < end && !status;) {
        uint64_t stop = mn_space_next_used(space, at);

        status = mn_extents_add(&free, at, (stop < end ? stop : end) - at);
        at = mn_space_next_free(space, stop);
    }
    for (size_t i = 0; i < taken.count; i++) {
        mn_space_take(space, taken.list[i].start, taken.list[i].pages);
    }
    if (!status) status = mn_varint_encode(end, out);
    if (!status) status = mn_extents_encode(&free, out);
    if (!status) status = pending_encode(space, out);
    mn_extents_release(&free);
    mn_extents_release(&taken);
    return status;
}

/* The pages of the old checkpoint and the old log are dead from this version on. */
static enum mn_status chain_die(struct mn_view *view, struct mn_ref head, uint8_t kind)
{
    struct mn_deaths pages = {0};
    enum mn_status status = mn_chain_read(view, head, kind, NULL, &pages);

    for (size_t i = 0; i < pages.count && !status; i++) {
        pages.list[i].death = view->meta->version;
        status = mn_deaths_add(&view->writer->deaths, pages.list[i]);
    }
    mn_deaths_release(&pages);
    return status;
}

static enum mn_status checkpoint_write(struct mn_view *view)
{
    struct mn_writer *writer = view->writer;
    struct mn_meta *next = &writer->next;
    struct mn_buf bytes = {0};
    uint64_t *pages = NULL, count;
    enum mn_status status = checkpoint_encode(writer, &bytes);

    count = (bytes.len + payload(view->store) - 1) / payload(view->store);
    if (!status) status = chain_die(view, next->checkpoint, MN_PAGE_SPACE);
    if (!status && !MN_PLANT(CHECKPOINT_LOG_LEAKS))
        status = chain_die(view, next->log, MN_PAGE_LOG);
    if (!status) status = chain_room(view, count, &pages);
    next->checkpoint = next->log = (struct mn_ref){0, 0};
    if (!status) {
        status = chain_write(view, MN_PAGE_SPACE, &next->checkpoint, pages, count, &bytes);
    }
    next->checkpoint_version = next->version;
    next->checkpoint_bytes = bytes.len;
    next->log_pages = 0;
    next->log_bytes = 0;
    next->tail_bytes = 0;
    mn_dealloc(pages);
    mn_buf_release(&bytes);
    return status;
}

/* ---- writing: the manifest ---- */

static enum mn_status manifest_make(struct mn_view *view, struct mn_manifest *manifest,
                                    struct mn_buf *bytes)
{
    struct mn_writer *writer = view->writer;
    enum mn_status status;

    manifest->version = writer->next.version;
    manifest->parent = writer->base.version;
    mn_deaths_sort(&writer->deaths);
    manifest->dead = writer->deaths; /* lent until the end of this function */
    if (MN_PLANT(MANIFEST_GIVEN_KEPT)) writer->given.count = 0;
    status = mn_extents_net(&writer->taken, &writer->given, &manifest->born);
    bytes->len = 0;
    if (!status) status = mn_manifest_encode(manifest, bytes);
    memset(&manifest->dead, 0, sizeof manifest->dead);
    return status;
}

/* Moves the tail, and with `own` the manifest of this version too, to log pages. */
static enum mn_status tail_move(struct mn_view *view, struct mn_manifest *manifest,
                                struct mn_buf *own, bool own_too)
{
    enum { ROOM_PER_PAGE = 24 }; /* what a page of the log may add to the manifest */
    struct mn_meta *next = &view->writer->next;
    uint64_t count = next->tail_bytes, *pages = NULL;
    struct mn_buf bytes = {0};
    enum mn_status status = mn_buf_append(&bytes, next->tail, next->tail_bytes);

    if (own_too) count += own->len + ROOM_PER_PAGE;
    count = own_too ? count / (payload(view->store) - ROOM_PER_PAGE) + 1
                    : (count + payload(view->store) - 1) / payload(view->store);
    if (!status) status = chain_room(view, count, &pages);
    if (!status) status = manifest_make(view, manifest, own);
    if (!status && own_too) status = mn_buf_append(&bytes, own->data, own->len);
    if (!status) status = chain_write(view, MN_PAGE_LOG, &next->log, pages, count, &bytes);
    if (!status) {
        next->log_pages += (uint32_t)count;
        next->log_bytes += bytes.len;
        next->tail_bytes = 0;
        if (own_too) next->flags |= MN_META_OWN_LOG | MN_META_LARGE;
    }
    mn_dealloc(pages);
    mn_buf_release(&bytes);
    return status;
}

enum mn_status mn_log_write(struct mn_view *view, struct mn_manifest *manifest)
{
    struct mn_meta *next = &view->writer->next;
    struct mn_buf own = {0};
    enum mn_status status = MN_OK;

    next->flags = 0;
    if (view->writer->checkpoint || (next->log_bytes + next->tail_bytes > view->store->log_limit &&
                                     next->log_bytes > next->checkpoint_bytes)) {
        status = checkpoint_write(view);
    }
    if (!status) status = manifest_make(view, manifest, &own);
    if (!status && own.len <= MN_META_TAIL && next->tail_bytes + own.len > MN_META_TAIL) {
        status = tail_move(view, manifest, &own, false);
    }
    if (!status && next->tail_bytes + own.len > MN_META_TAIL) {
        status = tail_move(view, manifest, &own, true);
    } else if (!status) {
        memcpy(next->tail + next->tail_bytes, own.data, own.len);
        next->tail_bytes = (uint16_t)(next->tail_bytes + own.len);
    }
    mn_buf_release(&own);
    return status;
}
