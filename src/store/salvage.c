/*
 * salvage: what is still sound in a damaged file (contract in salvage.h).
 *
 *   secret   superblock, else a slot, else a log or checkpoint page: each carries it
 *   version  what recovery would choose, else the newest slot that is whole, else none
 *   pages    every tree page whose own checksum holds under its own number
 *   used     by the space map of the version, where log and checkpoint are whole
 */
#include "store/salvage.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "store/inside.h"

enum { SCAN_BYTES = 1 << 20, COPIES_KEPT = 4096 };

struct mn_salvage {
    struct mn_store *store;
    struct mn_view *view;
    struct mn_meta meta;
    struct mn_salvage_facts facts;
    struct mn_salvage_page *pages;
    size_t count, capacity;
};

/* ---- the secret ---- */

/* Reads what there is; a place that the device cannot read counts as zeros. */
static void bytes_read(struct mn_store *store, struct mn_range at, uint8_t *bytes)
{
    size_t got = 0;

    memset(bytes, 0, at.length);
    (void)store->file->ops->pread(store->file, bytes, at, &got);
}

static void layout_take(struct mn_salvage *s, uint32_t page_size)
{
    struct mn_store *store = s->store;

    store->superblock.page_size = store->page_size = page_size;
    store->page_shift = (uint32_t)__builtin_ctz(page_size);
    store->unit = page_size > MN_SLOT_BYTES ? page_size : MN_SLOT_BYTES;
    store->layout = mn_meta_layout(page_size);
}

static bool page_size_fits(uint64_t size)
{
    return size >= MN_PAGE_SIZE_MIN && size <= MN_PAGE_SIZE_MAX && (size & (size - 1)) == 0;
}

/* A whole slot, wherever the page size puts it. */
static bool secret_in_slots(struct mn_salvage *s)
{
    struct mn_superblock *superblock = &s->store->superblock;
    uint8_t bytes[MN_META_BYTES];

    for (uint32_t size = MN_SLOT_BYTES; size <= MN_PAGE_SIZE_MAX; size *= 2) {
        for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
            struct mn_range at = {mn_meta_slot_at(size, i), sizeof bytes};

            bytes_read(s->store, at, bytes);
            if (!mn_meta_secret(bytes, &superblock->secret) ||
                !mn_meta_decode(bytes, superblock->secret, &s->meta) ||
                !page_size_fits(s->meta.page_size)) {
                continue;
            }
            memcpy(superblock->uuid, s->meta.uuid, sizeof superblock->uuid);
            superblock->created_us = s->meta.created_us;
            layout_take(s, s->meta.page_size);
            return true;
        }
    }
    return false;
}

/* Is there a log or checkpoint page of this size at the place? */
static bool secret_at(struct mn_salvage *s, const uint8_t *page, uint64_t at, uint32_t size)
{
    uint64_t secret = mn_get_u64(page + 24);

    if (mn_page_kind(page) != MN_PAGE_LOG && mn_page_kind(page) != MN_PAGE_SPACE) return false;
    if (mn_page_number(page) != at / size) return false;
    s->store->superblock.secret = secret;
    s->store->page_size = size;
    return mn_page_sum(s->store, page) == mn_page_checksum(page);
}

static bool secret_in_log(struct mn_salvage *s, uint64_t file_bytes, uint8_t *buffer)
{
    for (uint64_t at = 0; at < file_bytes; at += SCAN_BYTES) {
        bytes_read(s->store, (struct mn_range){at, SCAN_BYTES}, buffer);
        for (uint64_t in = 0; in < SCAN_BYTES; in += MN_PAGE_SIZE_MIN) {
            for (uint32_t size = MN_PAGE_SIZE_MIN; size <= MN_PAGE_SIZE_MAX; size *= 2) {
                if ((at + in) % size || in + size > SCAN_BYTES) continue;
                if (!secret_at(s, buffer + in, at + in, size)) continue;
                layout_take(s, size);
                return true;
            }
        }
    }
    return false;
}

static enum mn_status secret_find(struct mn_salvage *s, uint64_t file_bytes, uint8_t *buffer)
{
    struct mn_superblock *superblock = &s->store->superblock;
    bool readonly;
    enum mn_status status;

    bytes_read(s->store, (struct mn_range){0, MN_SUPERBLOCK_BYTES}, buffer);
    status = mn_superblock_decode(buffer, file_bytes, superblock, &readonly);
    if (status == MN_OK) layout_take(s, superblock->page_size);
    if (status == MN_OK || status == MN_VERSION) return status;
    s->facts.superblock_lost = true;
    if (secret_in_slots(s) || secret_in_log(s, file_bytes, buffer)) return MN_OK;
    if (status == MN_NOTADB)
        return mn_fail(MN_NOTADB, "nothing of a mneme database is in the file");
    return mn_fail(MN_CORRUPT, "the secret that all checksums depend on is lost: superblock, slots "
                               "and log are all damaged");
}

/* ---- the version ---- */

/* The newest slot that is whole, however much of the file is missing. */
static void slot_find(struct mn_salvage *s)
{
    struct mn_store *store = s->store;
    uint8_t bytes[MN_META_BYTES];
    struct mn_meta *one = mn_alloc(sizeof *one);

    s->meta.version = 0;
    for (uint32_t i = 0; one && i < MN_META_SLOTS; i++) {
        bytes_read(store, (struct mn_range){mn_slot_offset(store, i), sizeof bytes}, bytes);
        if (!mn_meta_decode(bytes, store->superblock.secret, one)) continue;
        if (one->version > s->meta.version) s->meta = *one;
    }
    mn_dealloc(one);
}

/*
 * A slot that is whole may be older than a version which the notice says was durable: then that
 * one's pages are there, and only its slot is not.
 */
static enum mn_status version_find(struct mn_salvage *s)
{
    struct mn_notice notice = {0};
    bool good = false;
    enum mn_status status = mn_choose(s->store, &s->meta);

    if (status == MN_OK || status == MN_NOMEM) return status;
    slot_find(s);
    if (mn_notice_read(s->store, &notice, &good) != MN_OK) good = false;
    s->facts.slots_lost = s->meta.version == 0 || (good && notice.durable > s->meta.version);
    if (s->facts.slots_lost) {
        memset(&s->meta, 0, sizeof s->meta);
        s->meta.version = good ? notice.durable : MN_MASK48; /* until the pages tell */
    }
    return MN_OK;
}

/* ---- the pages ---- */

static enum mn_status page_note(struct mn_salvage *s, uint64_t number, const uint8_t *bytes)
{
    struct mn_salvage_page page = {.page = number,
                                   .birth = mn_page_birth(bytes),
                                   .sum = mn_page_checksum(bytes) & MN_MASK48,
                                   .kind = mn_page_kind(bytes),
                                   .label = mn_page_label(bytes),
                                   .used = true};
    struct mn_ref ref = {number, page.sum};

    if (page.kind != MN_PAGE_LEAF && page.kind != MN_PAGE_BRANCH) return MN_OK;
    if (mn_page_verify(s->view, ref, page.kind, bytes) != MN_OK) return MN_OK;
    if (!mn_grow(&s->pages, &s->capacity, s->count + 1, sizeof *s->pages)) return mn_fail_nomem();
    s->pages[s->count++] = page;
    return MN_OK;
}

static enum mn_status pages_scan(struct mn_salvage *s, uint8_t *buffer)
{
    struct mn_store *store = s->store;
    uint64_t each = SCAN_BYTES >> store->page_shift, newest = 0;
    enum mn_status status = MN_OK;

    for (uint64_t at = store->layout.first; at < s->facts.pages && status == MN_OK; at += each) {
        uint64_t start = at << store->page_shift;

        bytes_read(store, (struct mn_range){start, SCAN_BYTES}, buffer);
        for (uint64_t i = 0; i < each && at + i < s->facts.pages && status == MN_OK; i++) {
            uint8_t *page = buffer + (i << store->page_shift);

            /* One place that cannot be read must not take its neighbours with it. */
            if (mn_get_u64(page) == 0) {
                bytes_read(store,
                           (struct mn_range){(at + i) << store->page_shift, store->page_size},
                           page);
            }
            status = page_note(s, at + i, page);
        }
    }
    if (s->facts.slots_lost) {
        for (size_t i = 0; i < s->count; i++) {
            if (s->pages[i].birth > newest) newest = s->pages[i].birth;
        }
        s->meta.version = newest;
    }
    s->facts.version = s->meta.version;
    return status;
}

/* Which pages the version uses. Without whole slot, log and checkpoint it stays unknown. */
static enum mn_status used_mark(struct mn_salvage *s)
{
    struct mn_deaths dead = {0};
    struct mn_space space = {0};
    enum mn_status status = MN_CORRUPT;

    if (!s->facts.slots_lost) status = mn_space_load(s->view, &s->meta, &space, &dead);
    s->facts.space_lost = status != MN_OK;
    for (size_t i = 0; i < s->count && status == MN_OK; i++) {
        struct mn_salvage_page *page = &s->pages[i];

        page->used = page->page < space.page_count && !mn_space_is_free(&space, page->page, 1);
    }
    mn_deaths_release(&dead);
    mn_space_release(&space);
    return status == MN_NOMEM ? status : MN_OK;
}

/* ---- open and close ---- */

/* Locks cannot be taken for writing by a descriptor that reads; somebody's presence can be seen. */
static enum mn_status nobody_check(struct mn_store *store)
{
    struct mn_range found;
    enum mn_lock held = MN_LOCK_NONE;

    if (store->file->ops->lock_query(store->file, mn_lock_byte(MN_LOCK_PRESENCE), MN_LOCK_EXCLUSIVE,
                                     &found, &held) != MN_OK ||
        held == MN_LOCK_NONE) {
        return MN_OK; /* where locks are refused nobody writes */
    }
    return mn_fail(MN_BUSY, "a process has the file open: close it first");
}

static enum mn_status salvage_read(struct mn_salvage *s)
{
    uint8_t *buffer = mn_alloc_aligned(SCAN_BYTES);
    uint64_t bytes = 0;
    enum mn_status status = buffer ? MN_OK : mn_fail_nomem();

    if (status == MN_OK) status = nobody_check(s->store);
    if (status == MN_OK) status = s->store->file->ops->size(s->store->file, &bytes);
    if (status == MN_OK) status = secret_find(s, bytes, buffer);
    if (status == MN_OK) {
        s->facts.pages = bytes >> s->store->page_shift;
        status = version_find(s);
    }
    if (status == MN_OK) status = mn_salvage_view_new(s, &s->view);
    if (status == MN_OK) status = pages_scan(s, buffer);
    if (status == MN_OK) status = used_mark(s);
    mn_release_aligned(buffer);
    return status;
}

enum mn_status mn_salvage_open(const char *path, struct mn_os *os, struct mn_store_hooks hooks,
                               struct mn_salvage **out)
{
    struct mn_store_options options = {
        .path = path, .flags = MN_STORE_READONLY | MN_STORE_UNTRUSTED, .os = os, .hooks = hooks};
    struct mn_salvage *s = mn_zalloc(sizeof *s);
    enum mn_status status = s ? mn_store_open_bare(&options, &s->store) : mn_fail_nomem();

    *out = NULL;
    if (status == MN_OK) status = salvage_read(s);
    if (status != MN_OK) {
        struct mn_error error = *mn_error_last();

        mn_salvage_close(s);
        *mn_error_last() = error;
        return status;
    }
    *out = s;
    return MN_OK;
}

void mn_salvage_close(struct mn_salvage *salvage)
{
    if (!salvage) return;
    mn_salvage_view_free(salvage->view);
    if (salvage->store) (void)mn_store_close(salvage->store);
    mn_dealloc(salvage->pages);
    mn_dealloc(salvage);
}

const struct mn_salvage_facts *mn_salvage_facts(const struct mn_salvage *salvage)
{
    return &salvage->facts;
}

struct mn_view *mn_salvage_view(struct mn_salvage *salvage)
{
    return salvage->view;
}

struct mn_salvage_page *mn_salvage_pages(struct mn_salvage *salvage, size_t *count)
{
    *count = salvage->count;
    return salvage->pages;
}

struct mn_salvage_page *mn_salvage_find(struct mn_salvage *salvage, uint64_t page)
{
    size_t low = 0, high = salvage->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (salvage->pages[middle].page < page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < salvage->count && salvage->pages[low].page == page ? &salvage->pages[low] : NULL;
}

enum mn_status mn_salvage_view_new(struct mn_salvage *salvage, struct mn_view **out)
{
    struct mn_view *view = mn_alloc(sizeof *view);

    *out = view;
    if (!view) return mn_fail_nomem();
    mn_view_init(view, salvage->store);
    view->meta = &salvage->meta;
    view->page_limit = salvage->facts.pages;
    return MN_OK;
}

void mn_salvage_view_free(struct mn_view *view)
{
    if (view) mn_view_release(view);
}

void mn_salvage_view_forget(struct mn_view *view)
{
    if (view->copy_count > COPIES_KEPT) mn_view_forget_copies(view);
}
