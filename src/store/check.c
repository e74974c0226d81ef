/*
 * check: is the account of the file true? And its figures, for people.
 *
 * The space map of a version is rebuilt from checkpoint and log, as a writer would after opening.
 * Then every page below the mark must be exactly one of: used, and reached from a root, from the
 * log or from the checkpoint; or not used, and reached from nowhere.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "store/inside.h"

enum { LEAKS_NAMED = 20 };

struct mn_store_check {
    struct mn_view *view;
    mn_report report;
    void *context;
    struct mn_space space; /* "free" means: not used by the version */
    uint8_t *marks;        /* one a page */
    uint64_t faults;
    bool space_known;
};

static void fault(struct mn_store_check *check, uint64_t page, const char *message)
{
    check->faults++;
    if (check->report) check->report(check->context, page, message);
}

/* The thread's error as a fault; false where it is not about the file. */
static bool fault_last(struct mn_store_check *check, enum mn_status status, uint64_t page)
{
    if (status != MN_CORRUPT && status != MN_VERSION) return false;
    fault(check, page, mn_error_last()->message);
    return true;
}

bool mn_store_check_mark(struct mn_store_check *check, uint64_t page, uint64_t pages)
{
    const struct mn_view *view = check->view;
    char text[120];

    if (page >= view->page_limit || pages > view->page_limit - page ||
        !mn_layout_holds(&view->store->layout, page, pages)) {
        fault(check, page, "a pointer names a page outside the version");
        return false;
    }
    for (uint64_t p = page; p < page + pages; p++) {
        if (check->marks[p]) {
            snprintf(text, sizeof text, "page %" PRIu64 " is reached twice", p);
            fault(check, p, text);
            return false;
        }
        if (check->space_known && mn_space_is_free(&check->space, p, 1)) {
            snprintf(text, sizeof text, "page %" PRIu64 " is reached but counts as free", p);
            fault(check, p, text);
            return false;
        }
        check->marks[p] = 1;
    }
    return true;
}

static enum mn_status mark_chain(struct mn_store_check *check, struct mn_ref head, uint8_t kind)
{
    struct mn_deaths pages = {0};
    enum mn_status status = mn_chain_read(check->view, head, kind, NULL, &pages);

    for (size_t i = 0; i < pages.count; i++) {
        (void)mn_store_check_mark(check, pages.list[i].start, 1);
    }
    mn_deaths_release(&pages);
    if (status && fault_last(check, status, head.page)) return MN_OK;
    return status;
}

/* The slots that are not whole are told, but are no fault: a torn one is what a crash leaves. */
static enum mn_status check_ring(struct mn_store_check *check)
{
    struct mn_view *view = check->view;
    struct mn_meta *meta = mn_alloc(sizeof *meta);
    struct mn_ring ring;
    enum mn_status status = MN_OK;

    if (!meta) return mn_fail_nomem();
    status = mn_ring_read(view->store, &ring, view->meta->version, meta);
    for (uint32_t i = 0; i < MN_META_SLOTS && !status; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (ring.version[i] && ring.version[i] == ring.version[j]) {
                fault(check, mn_slot_offset(view->store, i) >> view->store->page_shift,
                      "two meta slots claim the same version");
            }
        }
    }
    mn_dealloc(meta);
    return status;
}

static enum mn_status check_superblock(struct mn_store_check *check)
{
    struct mn_store *store = check->view->store;
    uint8_t *bytes = mn_alloc(MN_SUPERBLOCK_BYTES);
    struct mn_range at = {0, MN_SUPERBLOCK_BYTES};
    struct mn_superblock superblock;
    bool readonly;
    enum mn_status status = bytes ? MN_OK : mn_fail_nomem();

    if (!status) status = mn_file_read(store->file, bytes, at, "the superblock");
    if (!status) {
        status = mn_superblock_decode(bytes, MN_SUPERBLOCK_BYTES, &superblock, &readonly);
        if (status == MN_NOTADB) status = MN_CORRUPT;
    }
    mn_dealloc(bytes);
    if (status && fault_last(check, status, 0)) return MN_OK;
    return status;
}

static enum mn_status check_fixed(struct mn_store_check *check)
{
    const struct mn_meta *meta = check->view->meta;
    struct mn_deaths dead = {0};
    enum mn_status status = check_superblock(check);

    if (!status) status = check_ring(check);
    if (status) return status;
    status = mn_space_load(check->view, meta, &check->space, &dead);
    mn_deaths_release(&dead);
    check->space_known = !status;
    if (status && !fault_last(check, status, 0)) return status;
    status = mark_chain(check, meta->checkpoint, MN_PAGE_SPACE);
    return status ? status : mark_chain(check, meta->log, MN_PAGE_LOG);
}

static void check_free(struct mn_store_check *check)
{
    mn_space_release(&check->space);
    mn_dealloc(check->marks);
    mn_dealloc(check);
}

enum mn_status mn_store_check_begin(struct mn_view *view, mn_report report, void *context,
                                    struct mn_store_check **out)
{
    struct mn_store_check *check;
    enum mn_status status;

    *out = NULL;
    if (view->writer) return mn_fail(MN_MISUSE, "a check reads a version, not a transaction");
    check = mn_zalloc(sizeof *check);
    if (!check) return mn_fail_nomem();
    check->view = view;
    check->report = report;
    check->context = context;
    check->marks = mn_zalloc(view->page_limit);
    status = check->marks ? check_fixed(check) : mn_fail_nomem();
    if (status) {
        check_free(check);
        return status;
    }
    *out = check;
    return MN_OK;
}

enum mn_status mn_store_check_end(struct mn_store_check *check, uint64_t *faults)
{
    struct mn_view *view = check->view;
    uint64_t leaks = 0, limit = check->space_known ? view->page_limit : 0;
    char text[120];

    for (uint64_t p = limit ? mn_space_next_used(&check->space, 0) : 0; p < limit;
         p = mn_space_next_used(&check->space, p + 1)) {
        if (!mn_layout_holds(&view->store->layout, p, 1) || check->marks[p]) continue;
        if (leaks++ >= LEAKS_NAMED) continue;
        snprintf(text, sizeof text, "page %" PRIu64 " counts as used but nothing reaches it", p);
        fault(check, p, text);
    }
    if (leaks > LEAKS_NAMED) {
        snprintf(text, sizeof text, "%" PRIu64 " more pages are used but not reached",
                 leaks - LEAKS_NAMED);
        fault(check, 0, text);
    }
    *faults = check->faults;
    check_free(check);
    return MN_OK;
}

/* ---- figures ---- */

/* Pages that died, and are seen by a pin still. */
static uint64_t pending_pages(const struct mn_writer *pins, struct mn_space *space,
                              const struct mn_deaths *dead)
{
    uint64_t pages = 0;

    for (size_t i = dead->count; i > 0; i--) {
        const struct mn_death *one = &dead->list[i - 1];
        uint64_t end = one->start + one->pages;

        if (!mn_pin_holding(pins->pins, pins->pin_count, one->birth, one->death)) continue;
        for (uint64_t p = one->start; p < end && p < space->page_count; p++) {
            if (!mn_space_is_free(space, p, 1)) continue;
            mn_space_take(space, p, 1); /* counted once */
            pages++;
        }
    }
    return pages;
}

static enum mn_status stat_view(struct mn_view *view, struct mn_store_stats *stats)
{
    struct mn_writer *pins = mn_zalloc(sizeof *pins);
    struct mn_deaths dead = {0};
    struct mn_space space = {0};
    const struct mn_meta *meta = view->meta;
    enum mn_status status = pins ? MN_OK : mn_fail_nomem();

    if (!status) status = mn_pins_list(view->store, meta->version, pins);
    if (!status) status = mn_space_load(view, meta, &space, &dead);
    if (!status) status = view->store->file->ops->size(view->store->file, &stats->file_bytes);
    if (!status) {
        stats->version = stats->durable = meta->version;
        stats->page_size = view->store->page_size;
        stats->page_count = meta->page_count;
        stats->pending_pages = pending_pages(pins, &space, &dead);
        stats->free_pages = space.free_pages;
        stats->log_bytes = meta->log_bytes + meta->tail_bytes;
        stats->pins = pins->pin_count;
        stats->oldest_pin = pins->pin_count ? pins->pins[0] : 0;
        memcpy(stats->uuid, view->store->superblock.uuid, sizeof stats->uuid);
        stats->created_us = view->store->superblock.created_us;
        stats->committed_us = meta->time_us;
    }
    mn_deaths_release(&dead);
    mn_space_release(&space);
    if (pins) mn_dealloc(pins->pins);
    mn_dealloc(pins);
    return status;
}

enum mn_status mn_store_stat(struct mn_store *store, struct mn_store_stats *stats)
{
    struct mn_view *view;
    enum mn_status status;

    memset(stats, 0, sizeof *stats);
    status = mn_view_begin_read(store, &view);
    if (status) return status;
    status = stat_view(view, stats);
    if (!status && store->present) {
        struct mn_notice notice;
        bool good = false;

        status = mn_notice_read(store, &notice, &good);
        if (!status && good && notice.durable < stats->version) stats->durable = notice.durable;
    }
    mn_view_end(view);
    return status;
}
