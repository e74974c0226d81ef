/*
 * open: make, open and close a file.
 *
 * Locks of an open handle (PROTOCOL, OPEN): S is held while it is found out who else is there; the
 * first one gets P exclusively, settles, and keeps P shared. Whoever holds P may believe the
 * notice.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/plant.h"
#include "os/sim.h"
#include "store/inside.h"

enum { OPEN_TRIES = 16, TRIM_LEAST = 64 << 10, TRIM_SHARE = 32, ZERO_BYTES = 1 << 16 };
enum { GUESS_BYTES = 2 * MN_GUESSES * sizeof(uint64_t) };

#define MAP_BYTES_DEFAULT (UINT64_C(1) << 40)
#define DIRTY_LIMIT_DEFAULT (UINT64_C(256) << 20)
#define MEMORY_NAME "memory"

/* ---- make a file ---- */

/* Blocks that were written once are cheaper to write again than those a file system only promised.
 */
static enum mn_status zeros_write(struct mn_file *file, uint64_t size_bytes)
{
    uint8_t *zeros = mn_zalloc(ZERO_BYTES);
    enum mn_status status = zeros ? MN_OK : mn_fail_nomem();

    for (uint64_t at = 0; at < size_bytes && !status; at += ZERO_BYTES) {
        uint64_t left = size_bytes - at;

        status = mn_file_write(file, at, zeros, left < ZERO_BYTES ? (size_t)left : ZERO_BYTES);
    }
    mn_dealloc(zeros);
    return status;
}

/* Version 1: nothing in it. Its manifest begins the log of the space map. */
static enum mn_status first_slot(const struct mn_store *store, uint8_t *bytes)
{
    struct mn_meta *meta = mn_zalloc(sizeof *meta);
    struct mn_manifest manifest = {.version = 1};
    struct mn_buf own = {0};
    enum mn_status status;

    if (!meta) return mn_fail_nomem();
    meta->version = 1;
    meta->time_us = store->superblock.created_us;
    meta->page_count = store->layout.plain;
    mn_meta_copy_superblock(meta, &store->superblock);
    status = mn_manifest_encode(&manifest, &own);
    if (!status) {
        memcpy(meta->tail, own.data, own.len);
        meta->tail_bytes = (uint16_t)own.len;
        mn_meta_encode(meta, store->superblock.secret, bytes);
    }
    mn_buf_release(&own);
    mn_dealloc(meta);
    return status;
}

static enum mn_status file_write_new(struct mn_store *store, struct mn_file *file)
{
    uint8_t *bytes = mn_zalloc(MN_META_BYTES);
    uint64_t fixed = store->layout.plain << store->page_shift;
    uint64_t size = fixed > store->grow_bytes ? fixed : store->grow_bytes;
    enum mn_status status = bytes ? MN_OK : mn_fail_nomem();

    size = (size + store->unit - 1) / store->unit * store->unit;
    if (!status) status = file->ops->resize(file, size);
    if (!status && !store->own_os) status = zeros_write(file, size);
    if (!status) {
        mn_superblock_encode(&store->superblock, bytes);
        status = mn_file_write(file, 0, bytes, MN_SUPERBLOCK_BYTES);
    }
    if (!status) status = first_slot(store, bytes);
    if (!status) status = mn_file_write(file, mn_slot_offset(store, 0), bytes, MN_META_BYTES);
    if (!status) {
        struct mn_notice notice = {1, 1, 0};
        struct mn_file *before = store->file;

        store->file = file;
        status = mn_notice_write(store, &notice);
        store->file = before;
    }
    if (!status && !MN_PLANT(CREATE_NO_SYNC)) status = file->ops->sync(file);
    mn_dealloc(bytes);
    return status;
}

static void layout_set(struct mn_store *store, uint32_t page_size)
{
    store->page_size = page_size;
    store->page_shift = (uint32_t)__builtin_ctz(page_size);
    store->unit = page_size > MN_SLOT_BYTES ? page_size : MN_SLOT_BYTES;
    store->layout = mn_meta_layout(page_size);
}

/* Written without a name, synced, then named: nobody ever sees half a file. */
static enum mn_status file_make(struct mn_store *store, const struct mn_store_options *options,
                                const char *path)
{
    uint32_t page_size = options->page_size ? options->page_size : MN_PAGE_SIZE_DEFAULT;
    struct mn_file *file;
    enum mn_status status;

    if (page_size < MN_PAGE_SIZE_MIN || page_size > MN_PAGE_SIZE_MAX ||
        (page_size & (page_size - 1)) != 0) {
        return mn_fail(MN_MISUSE, "a page size of %" PRIu32 " bytes: not a power of two in %d..%d",
                       page_size, MN_PAGE_SIZE_MIN, MN_PAGE_SIZE_MAX);
    }
    store->superblock.page_size = page_size;
    store->superblock.created_us = store->os->ops->now_us(store->os);
    store->superblock.ro_compatible = MN_FEATURE_CODES | MN_FEATURE_UNPLACED;
    store->superblock.incompatible = MN_FEATURE_DENSE | MN_FEATURE_SHORT;
    status = store->os->ops->random(store->os, store->superblock.uuid, 16);
    if (!status) status = store->os->ops->random(store->os, &store->superblock.secret, 8);
    if (!status) status = store->os->ops->create(store->os, path, &file);
    if (status) return status;
    layout_set(store, page_size);
    status = file_write_new(store, file);
    if (!status && (options->flags & MN_STORE_UNNAMED)) {
        store->file = file;
        return MN_OK;
    }
    if (!status) status = file->ops->publish(file);
    file->ops->close(file);
    return status;
}

enum mn_status mn_store_publish(struct mn_store *store)
{
    return store->file->ops->publish(store->file);
}

/* ---- open a file ---- */

static enum mn_status file_open(struct mn_store *store, const struct mn_store_options *options,
                                const char *path)
{
    unsigned flags = store->readonly ? MN_OPEN_READONLY : 0;
    enum mn_status status = MN_NOTFOUND;

    if (options->flags & MN_STORE_UNNAMED) return file_make(store, options, path);
    for (int i = 0; i < OPEN_TRIES; i++) {
        status = store->os->ops->open(store->os, path, flags, &store->file);
        if (status != MN_NOTFOUND || !(options->flags & MN_STORE_CREATE)) break;
        status = file_make(store, options, path);
        if (status && status != MN_EXISTS) break;
    }
    if (status == MN_READONLY_DB && !store->readonly) {
        return mn_hint("open it with MN_READONLY, or check the rights of file and folder");
    }
    store->ro_descriptor = store->readonly;
    return status;
}

static enum mn_status superblock_read(struct mn_store *store, const char *path)
{
    uint8_t *bytes = mn_zalloc(MN_SUPERBLOCK_BYTES);
    struct mn_range at = {0, MN_SUPERBLOCK_BYTES};
    bool readonly = false;
    uint64_t size = 0;
    size_t got = 0;
    enum mn_status status = bytes ? MN_OK : mn_fail_nomem();

    if (!status) status = store->file->ops->pread(store->file, bytes, at, &got);
    if (!status) status = mn_superblock_decode(bytes, got, &store->superblock, &readonly);
    mn_dealloc(bytes);
    if (status) return status;
    layout_set(store, store->superblock.page_size);
    status = store->file->ops->size(store->file, &size);
    if (!status && size < store->layout.plain << store->page_shift) {
        status =
            mn_fail(MN_CORRUPT, "the file is cut: %" PRIu64 " bytes are less than its ring", size);
    }
    store->file_bytes = size;
    if (status || !readonly || store->readonly) return status;
    /* A feature that only readers may ignore: a descriptor that cannot write. */
    store->file->ops->close(store->file);
    store->file = NULL;
    store->readonly = store->ro_descriptor = true;
    return store->os->ops->open(store->os, path, MN_OPEN_READONLY, &store->file);
}

static enum mn_status map_make(struct mn_store *store, const struct mn_store_options *options)
{
    uint64_t bytes = options->map_bytes ? options->map_bytes : MAP_BYTES_DEFAULT;
    enum mn_status status;

    if (store->flags & MN_STORE_UNTRUSTED) return MN_OK;
    status = store->file->ops->map(store->file, bytes, &store->map, &bytes);
    if (status || !store->map) return status;
    store->map_pages = bytes >> store->page_shift;
    store->seen = mn_reserve(store->map_pages);
    /* Without room for the marks all reads are copies. */
    if (!store->seen) {
        store->map = NULL;
        store->map_pages = 0;
        return MN_OK;
    }
    store->guesses = mn_reserve(GUESS_BYTES);
    return MN_OK;
}

/* OPEN of a descriptor that can write. */
static enum mn_status presence_take(struct mn_store *store)
{
    struct mn_file *file = store->file;
    struct mn_range settle = mn_lock_byte(MN_LOCK_SETTLE);
    struct mn_range presence = mn_lock_byte(MN_LOCK_PRESENCE);
    int64_t wait_us = store->busy_ms * 1000;
    bool alone = (store->flags & MN_STORE_EXCLUSIVE) != 0;
    struct mn_meta *chosen;
    enum mn_status status = file->ops->lock(file, settle, MN_LOCK_EXCLUSIVE, wait_us);

    if (status) return status;
    status = file->ops->lock(file, presence, MN_LOCK_EXCLUSIVE, alone ? wait_us : 0);
    if (!status) {
        chosen = mn_alloc(sizeof *chosen);
        status = chosen ? MN_OK : mn_fail_nomem();
        if (!status && !MN_PLANT(OPEN_TRUSTS_NOTICE)) status = mn_settle(store, chosen);
        mn_dealloc(chosen);
        if (!status && !alone) status = file->ops->lock(file, presence, MN_LOCK_SHARED, 0);
    } else if (status == MN_BUSY && !alone) {
        status = file->ops->lock(file, presence, MN_LOCK_SHARED, wait_us);
    }
    store->present = !status;
    (void)file->ops->lock(file, settle, MN_LOCK_NONE, 0);
    if (status == MN_BUSY) (void)mn_fail(MN_BUSY, "another process has the file for itself");
    return status;
}

static void store_free(struct mn_store *store)
{
    mn_writer_release(&store->writer, store); /* its thread may be in the file */
    if (store->file) store->file->ops->close(store->file);
    mn_unreserve(store->seen, store->map_pages);
    mn_unreserve(store->guesses, GUESS_BYTES);
    mn_dealloc(store->pins);
    mn_dealloc(store->idle);
    mn_dealloc(store->slots);
    mn_dealloc(store->chosen);
    mn_dealloc(store->path);
    if (store->own_os) mn_machine_free(store->os);
    pthread_mutex_destroy(&store->mutex);
    pthread_mutex_destroy(&store->turn);
    pthread_cond_destroy(&store->turn_free);
    pthread_cond_destroy(&store->turn_brief);
    mn_dealloc(store);
}

static enum mn_status store_new(const struct mn_store_options *options, struct mn_store **out)
{
    struct mn_store *store = mn_zalloc(sizeof *store);

    *out = NULL;
    if (!store) return mn_fail_nomem();
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->turn, NULL);
    pthread_cond_init(&store->turn_free, NULL);
    pthread_cond_init(&store->turn_brief, NULL);
    store->os = options->os;
    store->flags = options->flags;
    store->readonly = (options->flags & MN_STORE_READONLY) != 0;
    store->hooks = options->hooks;
    store->dirty_limit =
        options->dirty_limit_bytes ? options->dirty_limit_bytes : DIRTY_LIMIT_DEFAULT;
    store->busy_ms = options->busy_ms > 0 ? options->busy_ms : 0;
    store->grow_bytes = options->grow_bytes ? options->grow_bytes : MN_GROW_MIN;
    store->log_limit = options->log_bytes_max ? options->log_bytes_max : MN_LOG_LIMIT;
    store->cut_commits = options->cut_commits;
    store->sync = options->sync;
    store->lazy_us = options->lazy_us ? options->lazy_us : MN_LAZY_US;
    store->writer.synced_us = options->os ? options->os->ops->tick_us(options->os) : 0;
    if (!store->os && !options->path) {
        store->os = mn_sim_memory();
        store->own_os = true;
        store->flags |= MN_STORE_CREATE;
    } else if (!store->os) {
        store->os = mn_os_posix();
    }
    if (!store->os) {
        store->own_os = false;
        store_free(store);
        return mn_fail_nomem();
    }
    *out = store;
    return MN_OK;
}

static enum mn_status path_keep(struct mn_store *store, const char *path)
{
    size_t bytes = strlen(path) + 1;

    store->path = mn_alloc(bytes);
    if (!store->path) return mn_fail_nomem();
    memcpy(store->path, path, bytes);
    return MN_OK;
}

enum mn_status mn_store_open(const struct mn_store_options *options, struct mn_store **out)
{
    const char *path = options->path ? options->path : MEMORY_NAME;
    struct mn_store_options wanted = *options;
    struct mn_store *store;
    enum mn_status status;

    *out = NULL;
    status = store_new(options, &store);
    if (status) return status;
    wanted.flags = store->flags;
    status = path_keep(store, path);
    if (!status) status = file_open(store, &wanted, path);
    if (!status) status = superblock_read(store, path);
    if (!status) status = map_make(store, options);
    if (!status && !store->ro_descriptor) status = presence_take(store);
    if (!status && store->ro_descriptor) { /* find out now whether there is something to read */
        struct mn_view *view;

        status = mn_view_begin_read(store, &view);
        if (!status) mn_view_end(view);
    }
    if (status) {
        store_free(store);
        return status;
    }
    *out = store;
    return MN_OK;
}

enum mn_status mn_store_open_bare(const struct mn_store_options *options, struct mn_store **out)
{
    struct mn_store *store;
    enum mn_status status = store_new(options, &store);

    *out = NULL;
    if (status) return status;
    status = store->os->ops->open(store->os, options->path, MN_OPEN_READONLY, &store->file);
    store->ro_descriptor = true;
    if (status) {
        store_free(store);
        return status;
    }
    *out = store;
    return MN_OK;
}

void mn_store_set_busy_ms(struct mn_store *store, int64_t busy_ms)
{
    __atomic_store_n(&store->busy_ms, busy_ms > 0 ? busy_ms : 0, __ATOMIC_RELAXED);
}

void mn_store_set_threads(struct mn_store *store, unsigned threads)
{
    __atomic_store_n(&store->threads, threads, __ATOMIC_RELAXED);
}

unsigned mn_view_threads(const struct mn_view *view)
{
    return __atomic_load_n(&view->store->threads, __ATOMIC_RELAXED);
}

/* ---- close ---- */

/* Pages at the end that nothing needs once nobody else reads. */
static uint64_t free_tail(struct mn_store *store)
{
    struct mn_space *space = &store->writer.space;
    uint64_t pages = 0, version = store->writer.base.version;

    if (space->version != version || mn_space_repin(space, &version, 1)) return 0;
    while (space->page_count - pages > space->layout.plain &&
           mn_space_is_free(space, space->page_count - pages - 1, 1)) {
        pages++;
    }
    return pages << store->page_shift;
}

/*
 * Alone with the file: the growth that was not used is cut off. When much at the end of the last
 * version is free, an empty commit lowers its mark first. All of it may fail: the file is whole
 * either way.
 */
static void tail_cut(struct mn_store *store)
{
    struct mn_file *file = store->file;
    struct mn_range presence = mn_lock_byte(MN_LOCK_PRESENCE);
    uint64_t tail, used = store->writer.base.page_count << store->page_shift;

    if (!store->wrote || store->poisoned || store->writer.durable != store->writer.base.version)
        return;
    if (file->ops->lock(file, mn_lock_byte(MN_LOCK_SETTLE), MN_LOCK_EXCLUSIVE, 0)) return;
    if (MN_PLANT(CLOSE_NOT_ALONE) ||
        file->ops->lock(file, presence, MN_LOCK_EXCLUSIVE, 0) == MN_OK) {
        uint64_t version = 0, bytes;

        tail = free_tail(store);
        if (tail >= TRIM_LEAST && tail >= used / TRIM_SHARE) (void)mn_write_farewell(store);
        if (mn_file_size(store, &bytes) == MN_OK && mn_notice_published(store, &version) == MN_OK &&
            (version == store->writer.base.version || MN_PLANT(CUT_STALE_MARK)) &&
            !store->poisoned) {
            used = mn_shrink_round(store, store->writer.base.page_count);
            if (used < store->file_bytes) (void)file->ops->resize(file, used);
        }
    }
    (void)file->ops->lock(file, mn_lock_byte(MN_LOCK_SETTLE), MN_LOCK_NONE, 0);
}

/* What is not durable yet, unless somebody else writes: he, or the next to close, will see to it.
 */
static enum mn_status close_checkpoint(struct mn_store *store)
{
    enum mn_status status;

    if (store->readonly || store->poisoned || !store->held || store->own_os ||
        mn_store_get_sync(store) == MN_STORE_OFF) {
        return MN_OK;
    }
    if (MN_PLANT(CLOSE_UNSYNCED) || (MN_PLANT(CLOSE_LEFT) && !store->wrote)) return MN_OK;
    mn_store_set_busy_ms(store, 0);
    status = mn_store_sync(store);
    return status == MN_UNCERTAIN ? MN_UNCERTAIN : MN_OK;
}

enum mn_status mn_store_close(struct mn_store *store)
{
    uint64_t views;
    enum mn_status status;

    if (!store) return MN_OK;
    if (store->file->forked) { /* its locks and transactions are the parent's */
        store_free(store);
        return MN_OK;
    }
    pthread_mutex_lock(&store->mutex);
    views = store->views;
    pthread_mutex_unlock(&store->mutex);
    if (views || store->writing) {
        return mn_fail(MN_MISUSE, "%" PRIu64 " transactions are still open",
                       views + (store->writing ? 1 : 0));
    }
    status = close_checkpoint(store);
    if (!store->own_os) tail_cut(store);
    store_free(store);
    return status;
}

/* The newest version there is: by the notice, or in private mode as recovery would choose it. */
static enum mn_status version_now(struct mn_store *store, bool *present, uint64_t *version)
{
    struct mn_view *view;
    uint64_t bytes;
    enum mn_status status;

    pthread_mutex_lock(&store->mutex);
    *present = store->present;
    pthread_mutex_unlock(&store->mutex);
    if (*present) {
        status = mn_file_size(store, &bytes);
        return status ? status : mn_notice_published(store, version);
    }
    status = mn_view_begin_read(store, &view);
    if (status) return status;
    *version = mn_view_version(view);
    mn_view_end(view);
    return MN_OK;
}

enum mn_status mn_store_wait(struct mn_store *store, uint64_t version, int64_t wait_us,
                             uint64_t *now)
{
    enum { STEP_US = 1000000, POLL_US = 1000, PRIVATE_POLL_US = 20000 };
    int64_t until = store->os->ops->tick_us(store->os) + wait_us;

    *now = 0;
    for (;;) {
        bool present;
        enum mn_status status = version_now(store, &present, now);
        int64_t left = until - store->os->ops->tick_us(store->os);
        int64_t step = store->map ? STEP_US : POLL_US;

        if (status || *now != version || left <= 0) return status;
        if (!present) step = PRIVATE_POLL_US;
        if (step > left) step = left;
        if (store->map && present) {
            store->file->ops->wait(store->file, store->map + mn_notice_offset(store),
                                   (uint32_t)version, step);
        } else {
            store->os->ops->sleep_us(store->os, step);
        }
    }
}

bool mn_store_in_memory(const struct mn_store *store)
{
    return store->own_os;
}

enum mn_status mn_store_scratch(struct mn_store *store, struct mn_file **out)
{
    return store->os->ops->scratch(store->os, store->path, out);
}

bool mn_store_has_codes(const struct mn_store *store)
{
    return (store->superblock.ro_compatible & MN_FEATURE_CODES) != 0;
}

bool mn_store_finds_codes(const struct mn_store *store)
{
    return (store->superblock.ro_compatible & MN_FEATURE_UNPLACED) != 0;
}

bool mn_store_is_dense(const struct mn_store *store)
{
    return (store->superblock.incompatible & MN_FEATURE_DENSE) != 0;
}

bool mn_store_has_short_branches(const struct mn_store *store)
{
    return (store->superblock.incompatible & MN_FEATURE_SHORT) != 0;
}
