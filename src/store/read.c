/*
 * read: views of readers, and a page when it is touched for the first time.
 *
 * A page is believed when checksum, number, kind and birth are what its parent says (R1). That is
 * found out once for each process and page image and remembered in one byte a page: a tag of the
 * checksum. The fast path in store.h compares the tag and the checksum in the page's header. When
 * the map shows something else, the file is read a few times by pread: a mapping may lag behind a
 * write on some systems; what then is still wrong is damage (R2). No address past the version's
 * pages is ever formed (R3).
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/plant.h"
#include "store/inside.h"

enum { READ_TRIES = 3, SEEN_BYTES_MAX = 8 };

/* ---- views ---- */

void mn_view_init(struct mn_view *view, struct mn_store *store)
{
    memset(view, 0, sizeof *view);
    view->store = store;
    view->front.map = store->map;
    view->front.seen = store->seen;
    view->front.guesses = store->guesses;
    view->front.page_shift = store->page_shift;
}

void mn_view_forget_copies(struct mn_view *view)
{
    for (size_t i = 0; i < view->copy_capacity; i++) mn_release_aligned(view->copies[i].bytes);
    mn_dealloc(view->copies);
    view->copies = NULL;
    view->copy_count = view->copy_capacity = 0;
}

void mn_view_release(struct mn_view *view)
{
    struct mn_store *store = view->store;

    if (store->hooks.view_end) store->hooks.view_end(view, view->user);
    mn_view_forget_copies(view);
    mn_dealloc(view);
}

enum mn_status mn_store_refuse_forked(void)
{
    return mn_fail(MN_MISUSE, "this handle was opened before fork; the child must open its own");
}

/* Pins a version and looks at its pages' bounds. */
static enum mn_status view_pin(struct mn_view *view)
{
    struct mn_store *store = view->store;
    uint64_t file_pages = 0;
    enum mn_status status = mn_file_pages(store, &file_pages);

    if (!status) status = mn_pin_acquire(store, &view->pin);
    if (status) return status;
    view->meta = &view->pin->meta;
    view->page_limit = view->meta->page_count;
    view->front.mapped_pages = view->meta->page_count;
    if (view->front.mapped_pages > store->map_pages) view->front.mapped_pages = store->map_pages;
    if (view->page_limit > file_pages) status = mn_file_pages(store, &file_pages); /* it grew? */
    return status ? status : mn_meta_validate(view->meta, store->layout.plain, file_pages);
}

enum mn_status mn_view_begin_read(struct mn_store *store, struct mn_view **out)
{
    uint64_t version = 0;
    struct mn_view *view;
    enum mn_status status;

    *out = NULL;
    if (store->file->forked) return mn_store_refuse_forked();
    view = mn_alloc(sizeof *view);
    if (!view) return mn_fail_nomem();
    mn_view_init(view, store);
    for (;;) {
        bool again;

        status = view_pin(view);
        if (!status || !view->pin) break;
        /* A writer may have cut the file while this one slept: then another version is published.
         */
        again = status == MN_CORRUPT && view->meta->version != version;
        version = view->meta->version;
        mn_pin_release(store, view->pin);
        view->pin = NULL;
        if (!again) break;
    }
    if (status) {
        mn_dealloc(view);
        return status;
    }
    *out = view;
    return MN_OK;
}

void mn_view_end(struct mn_view *view)
{
    struct mn_store *store;
    struct mn_pin *pin;

    if (!view) return;
    if (view->writer) {
        mn_write_abort(view);
        return;
    }
    store = view->store;
    pin = view->pin;
    mn_view_release(view);
    mn_pin_release(store, pin);
}

bool mn_view_writable(const struct mn_view *view)
{
    return view->writer != NULL;
}

uint64_t mn_view_version(const struct mn_view *view)
{
    return view->meta->version;
}

uint32_t mn_view_page_size(const struct mn_view *view)
{
    return view->store->page_size;
}

struct mn_store *mn_view_store(const struct mn_view *view)
{
    return view->store;
}

void *mn_view_user(const struct mn_view *view)
{
    return view->user;
}

void mn_view_set_user(struct mn_view *view, void *user)
{
    view->user = user;
}

const struct mn_root *mn_view_roots(const struct mn_view *view, uint32_t *count)
{
    *count = view->meta->roots.count;
    return view->meta->roots.list;
}

uint64_t mn_view_counter(const struct mn_view *view, uint32_t index)
{
    MN_ASSERT(index < MN_COUNTERS);
    return view->meta->roots.counters[index];
}

uint64_t mn_run_pages(const struct mn_view *view, uint64_t size_bytes)
{
    uint32_t shift = view->store->page_shift;

    return (size_bytes + (UINT64_C(1) << shift) - 1) >> shift;
}

/* ---- verification ---- */

uint64_t mn_page_sum(const struct mn_store *store, const uint8_t *page)
{
    return mn_hash(page + 8, store->page_size - 8, store->superblock.secret);
}

uint64_t mn_run_sum(const struct mn_store *store, const struct mn_run *run, const uint8_t *bytes)
{
    uint64_t pages = (run->size_bytes + store->page_size - 1) >> store->page_shift;
    uint64_t seed = mn_hash_mix(mn_hash_mix(store->superblock.secret, run->page), run->birth);

    return mn_hash(bytes, pages << store->page_shift, seed);
}

enum mn_status mn_page_verify(const struct mn_view *view, struct mn_ref ref, uint8_t kind,
                              const uint8_t *bytes)
{
    uint64_t sum = mn_page_sum(view->store, bytes), stored = mn_page_checksum(bytes);

    if ((stored & MN_MASK48) != ref.sum && !MN_PLANT(PAGE_SUM_UNCHECKED)) {
        return mn_fail(MN_CORRUPT,
                       "page %" PRIu64 ": its checksum is %012" PRIx64 ", its parent says "
                       "%012" PRIx64,
                       ref.page, stored & MN_MASK48, ref.sum);
    }
    if (sum != stored && !MN_PLANT(PAGE_BYTES_UNCHECKED)) {
        return mn_fail(MN_CORRUPT,
                       "page %" PRIu64 " is damaged: its bytes do not give its checksum", ref.page);
    }
    if (mn_page_number(bytes) != ref.page ||
        (mn_page_flags(bytes) & ~mn_page_flags_known(kind)) != 0) {
        return mn_fail(MN_CORRUPT, "page %" PRIu64 " says that it is page %" PRIu64, ref.page,
                       mn_page_number(bytes));
    }
    if (mn_page_kind(bytes) != kind) {
        return mn_fail(MN_CORRUPT, "page %" PRIu64 " is of kind %d where %d is expected", ref.page,
                       mn_page_kind(bytes), kind);
    }
    if (mn_page_birth(bytes) > view->meta->version) {
        return mn_fail(MN_CORRUPT,
                       "page %" PRIu64 " was born in version %" PRIu64 ", after version %" PRIu64,
                       ref.page, mn_page_birth(bytes), view->meta->version);
    }
    if (kind == MN_PAGE_LEAF || kind == MN_PAGE_BRANCH) {
        const struct mn_store *store = view->store;

        if (store->hooks.validate) return store->hooks.validate(bytes, store->page_size, kind);
    }
    return MN_OK;
}

/* (R3) */
static enum mn_status bounds_check(const struct mn_view *view, uint64_t page, uint64_t pages)
{
    if (page < view->page_limit && pages <= view->page_limit - page &&
        mn_layout_holds(&view->store->layout, page, pages)) {
        return MN_OK;
    }
    return mn_fail(MN_CORRUPT,
                   "a pointer names page %" PRIu64 " (%" PRIu64 " pages), the version has %" PRIu64,
                   page, pages, view->page_limit);
}

/* The writer may look at a page whose bytes still wait to be written. */
static enum mn_status flush_for(struct mn_view *view, uint64_t page, uint64_t pages)
{
    if (!view->writer) return MN_OK;
    if (mn_wing_holds(view, page, pages)) return mn_wing_flush(view, NULL);
    return mn_queue_holds(view, page, pages) ? mn_queue_flush(view) : MN_OK;
}

/* ---- copies ---- */

static size_t copy_slot(const struct mn_view *view, uint64_t page)
{
    size_t at = (size_t)(mn_hash_mix(0, page) & (view->copy_capacity - 1));

    while (view->copies[at].bytes && view->copies[at].page != page) {
        at = (at + 1) & (view->copy_capacity - 1);
    }
    return at;
}

static const uint8_t *copy_find(const struct mn_view *view, uint64_t page, uint64_t size_bytes,
                                uint64_t sum)
{
    const struct mn_copy *copy;

    if (view->copy_count == 0) return NULL;
    copy = &view->copies[copy_slot(view, page)];
    return copy->bytes && copy->size_bytes == size_bytes && copy->sum == sum ? copy->bytes : NULL;
}

static enum mn_status copies_grow(struct mn_view *view)
{
    struct mn_view grown = *view;

    if ((view->copy_count + 1) * 2 <= view->copy_capacity) return MN_OK;
    grown.copy_capacity = view->copy_capacity ? view->copy_capacity * 2 : 64;
    grown.copies = mn_zalloc(grown.copy_capacity * sizeof *grown.copies);
    if (!grown.copies) return mn_fail_nomem();
    for (size_t i = 0; i < view->copy_capacity; i++) {
        if (!view->copies[i].bytes) continue;
        grown.copies[copy_slot(&grown, view->copies[i].page)] = view->copies[i];
    }
    mn_dealloc(view->copies);
    view->copies = grown.copies;
    view->copy_capacity = grown.copy_capacity;
    return MN_OK;
}

/* Keeps the bytes until the view ends; another image of the same page stays alive beside it. */
static enum mn_status copy_keep(struct mn_view *view, struct mn_copy copy)
{
    enum mn_status status = copies_grow(view);
    struct mn_copy *slot;

    if (status) return status;
    slot = &view->copies[copy_slot(view, copy.page)];
    if (slot->bytes) { /* only a writer sees two images of a page: the old one is no longer reached
                        */
        mn_release_aligned(slot->bytes);
        view->copy_count--;
    }
    *slot = copy;
    view->copy_count++;
    return MN_OK;
}

static enum mn_status copy_page(struct mn_view *view, struct mn_ref ref, uint8_t kind,
                                const uint8_t **page)
{
    struct mn_store *store = view->store;
    struct mn_range at = {ref.page << store->page_shift, store->page_size};
    enum mn_status status = MN_OK;
    uint8_t *bytes;

    *page = copy_find(view, ref.page, store->page_size, ref.sum);
    if (*page) {
        if (mn_page_kind(*page) == kind) return MN_OK;
        return mn_page_verify(view, ref, kind, *page);
    }
    bytes = mn_alloc_aligned(store->page_size);
    if (!bytes) return mn_fail_nomem();
    for (int i = 0; i < READ_TRIES; i++) { /* (R2) */
        status = mn_file_read(store->file, bytes, at, "a page");
        if (!status) status = mn_page_verify(view, ref, kind, bytes);
        if (status != MN_CORRUPT) break;
    }
    if (!status) {
        status = copy_keep(view, (struct mn_copy){ref.page, store->page_size, ref.sum, bytes});
    }
    if (status) {
        mn_release_aligned(bytes);
        return status;
    }
    *page = bytes;
    return MN_OK;
}

/* ---- pages ---- */

static enum mn_status read_dirty(struct mn_view *view, struct mn_ref ref, uint8_t kind,
                                 const uint8_t **page)
{
    struct mn_dirty_node *node;
    enum mn_status status = mn_node_find(view, ref.page, &node);

    if (!status && (node->run_bytes || node->kind != kind)) {
        status = mn_fail(MN_CORRUPT, "a pointer names node %" PRIu64 " as kind %d, it is %d",
                         ref.page & ~MN_PAGE_DIRTY, kind, node->kind);
    }
    if (!status) status = mn_node_load(view, node);
    if (!status) *page = node->data;
    return status;
}

enum mn_status mn_page_read_slow(struct mn_view *view, struct mn_ref ref, uint8_t kind,
                                 const uint8_t **page)
{
    enum mn_status status;

    *page = NULL;
    if (mn_ref_is_dirty(ref)) return read_dirty(view, ref, kind, page);
    status = bounds_check(view, ref.page, 1);
    if (!status) status = flush_for(view, ref.page, 1);
    if (status) return status;
    if (ref.page < view->front.mapped_pages) {
        const uint8_t *at = view->front.map + (ref.page << view->front.page_shift);

        status = mn_page_verify(view, ref, kind, at); /* (R1) */
        if (!status) {
            __atomic_store_n(&view->front.seen[ref.page], mn_seen_tag(ref.sum), __ATOMIC_RELEASE);
            *page = at;
            return MN_OK;
        }
    }
    return copy_page(view, ref, kind, page);
}

/* ---- runs ---- */

/* A run has no header to look at, so its tag goes over as many of its pages as there are, up to 8.
 */
static bool run_seen(const struct mn_view *view, const struct mn_run *run, uint64_t pages)
{
    for (uint64_t i = 0; i < pages && i < SEEN_BYTES_MAX; i++) {
        uint8_t tag = (uint8_t)(run->sum64 >> (8 * i) | 1);

        if (__atomic_load_n(&view->front.seen[run->page + i], __ATOMIC_ACQUIRE) != tag)
            return false;
    }
    return true;
}

static void run_saw(const struct mn_view *view, const struct mn_run *run, uint64_t pages)
{
    for (uint64_t i = 0; i < pages && i < SEEN_BYTES_MAX; i++) {
        uint8_t tag = (uint8_t)(run->sum64 >> (8 * i) | 1);

        __atomic_store_n(&view->front.seen[run->page + i], tag, __ATOMIC_RELEASE);
    }
}

static enum mn_status run_verify(const struct mn_view *view, const struct mn_run *run,
                                 const uint8_t *bytes)
{
    uint64_t sum = mn_run_sum(view->store, run, bytes);

    if (sum == run->sum64 || MN_PLANT(RUN_UNCHECKED)) return MN_OK;
    return mn_fail(MN_CORRUPT,
                   "the run of %" PRIu64 " bytes at page %" PRIu64 " is damaged: checksum "
                   "%016" PRIx64 ", its leaf says %016" PRIx64,
                   run->size_bytes, run->page, sum, run->sum64);
}

static enum mn_status copy_run(struct mn_view *view, const struct mn_run *run, uint64_t pages,
                               const uint8_t **out)
{
    struct mn_store *store = view->store;
    struct mn_range at = {run->page << store->page_shift, pages << store->page_shift};
    enum mn_status status = MN_OK;
    uint8_t *bytes;

    *out = copy_find(view, run->page, at.length, run->sum64);
    if (*out) return MN_OK;
    bytes = mn_alloc_aligned(at.length);
    if (!bytes) return mn_fail_nomem();
    for (int i = 0; i < READ_TRIES; i++) {
        status = mn_file_read(store->file, bytes, at, "a run");
        if (!status) status = run_verify(view, run, bytes);
        if (status != MN_CORRUPT) break;
    }
    if (!status) {
        status = copy_keep(view, (struct mn_copy){run->page, at.length, run->sum64, bytes});
    }
    if (status) {
        mn_release_aligned(bytes);
        return status;
    }
    *out = bytes;
    return MN_OK;
}

enum mn_status mn_run_read_clean(struct mn_view *view, const struct mn_run *run,
                                 const uint8_t **bytes)
{
    uint64_t pages;
    enum mn_status status;

    *bytes = NULL;
    if (run->size_bytes == 0 || run->size_bytes >= MN_PAGE_DIRTY) {
        return mn_fail(MN_CORRUPT, "a run at page %" PRIu64 " claims %" PRIu64 " bytes", run->page,
                       run->size_bytes);
    }
    pages = mn_run_pages(view, run->size_bytes);
    status = bounds_check(view, run->page, pages);
    if (!status) status = flush_for(view, run->page, pages);
    if (status) return status;
    if (run->page + pages <= view->front.mapped_pages) {
        const uint8_t *at = view->front.map + (run->page << view->front.page_shift);

        if (run_seen(view, run, pages)) {
            *bytes = at;
            return MN_OK;
        }
        if (run_verify(view, run, at) == MN_OK) {
            run_saw(view, run, pages);
            *bytes = at;
            return MN_OK;
        }
    }
    return copy_run(view, run, pages, bytes);
}

/* ---- chains ---- */

/* The pages of a chain from its head back, borrowed from the view. */
static enum mn_status chain_walk(struct mn_view *view, struct mn_ref head, uint8_t kind,
                                 struct mn_deaths *pages)
{
    enum mn_status status = MN_OK;

    while (head.page != 0 && !status) {
        const uint8_t *page;

        if (pages->count >= MN_CHAIN_MAX || pages->count >= view->page_limit) {
            return mn_fail(MN_CORRUPT, "the chain at page %" PRIu64 " has no end", head.page);
        }
        if (mn_ref_is_dirty(head)) return bounds_check(view, head.page, 1);
        status = mn_page_read(view, head, kind, &page);
        if (status) return status;
        status = mn_deaths_add(pages, (struct mn_death){.birth = mn_page_birth(page),
                                                        .death = head.sum,
                                                        .start = head.page,
                                                        .pages = 1});
        head = mn_get_ref(page + MN_PAGE_HEADER);
    }
    return status;
}

enum mn_status mn_chain_read(struct mn_view *view, struct mn_ref head, uint8_t kind,
                             struct mn_buf *bytes, struct mn_deaths *pages)
{
    enum mn_status status;

    pages->count = 0;
    status = chain_walk(view, head, kind, pages);
    for (size_t i = pages->count; i > 0 && !status && bytes; i--) {
        struct mn_death *one = &pages->list[i - 1];
        struct mn_ref ref = {one->start, one->death};
        const uint8_t *page;
        uint32_t used;

        status = mn_page_read(view, ref, kind, &page);
        if (status) break;
        used = mn_get_u32(page + MN_CHAIN_PAYLOAD_AT - 4);
        if (used > view->store->page_size - MN_CHAIN_PAYLOAD_AT) {
            status = mn_fail(MN_CORRUPT, "page %" PRIu64 " of the log is overfull", ref.page);
        } else {
            status = mn_buf_append(bytes, page + MN_CHAIN_PAYLOAD_AT, used);
        }
    }
    return status;
}
