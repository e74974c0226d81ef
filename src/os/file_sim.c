/*
 * file_sim: the simulated machine (see sim.h for what it promises).
 *
 *   mn_os -- list of inodes -- cache   the bytes that reads and the map show
 *                           |- disk    the bytes that survive (none on a machine of memory)
 *                           |- pending pieces and resizes since the last sync, oldest first
 *                           `- locks   ranges held by open files
 *
 * One mutex a machine. The map is the cache itself, so words are written atomically: a reader of
 * the map races with a write exactly as it would with the kernel's.
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "os/clock.h"
#include "os/sim.h"
#include "os/sim_inode.h"

enum { SECTOR = 512 };
#define SIM_MAP_BYTES (UINT64_C(64) << 20)
#define MEMORY_MAP_BYTES (UINT64_C(1) << 40)
#define CLOCK_US INT64_C(1700000000000000)

struct sim_os {
    struct mn_os base;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a lock was released, or somebody called wake */
    struct mn_inode *inodes;
    uint64_t seed, events, map_bytes;
    uint64_t mark_seed, mark_events;
    int64_t clock_us; /* at event 0 */
    bool memory;
    mn_sim_hook hook;
    void *hook_context;
    struct mn_sim_loss sync_loss;
    bool sync_loss_set;
};

struct sim_file {
    struct mn_file base;
    struct sim_os *os;
    struct mn_inode *inode;
    bool readonly, dead;
};

static const struct mn_file_ops sim_file_ops;

static struct sim_file *self(struct mn_file *file)
{
    return (struct sim_file *)(void *)file;
}

static struct sim_os *machine(struct mn_os *os)
{
    return (struct sim_os *)(void *)os;
}

/* ---- machines and inodes ---- */

static struct mn_inode *inode_find(struct sim_os *os, const char *path)
{
    struct mn_inode *inode = os->inodes;

    while (inode && !(inode->named && strcmp(inode->path, path) == 0)) inode = inode->next;
    return inode;
}

static struct mn_inode *inode_add(struct sim_os *os, const char *path)
{
    struct mn_inode *inode = mn_inode_new(path, os->map_bytes, os->memory);

    if (!inode) return NULL;
    inode->next = os->inodes;
    os->inodes = inode;
    return inode;
}

static void inode_unlink(struct sim_os *os, struct mn_inode *inode)
{
    for (struct mn_inode **at = &os->inodes; *at; at = &(*at)->next) {
        if (*at == inode) {
            *at = inode->next;
            mn_inode_free(inode);
            return;
        }
    }
}

static struct sim_file *file_new(struct sim_os *os, struct mn_inode *inode, bool readonly)
{
    struct sim_file *file = mn_zalloc(sizeof *file);

    if (!file) return NULL;
    file->base.ops = &sim_file_ops;
    file->os = os;
    file->inode = inode;
    file->readonly = readonly;
    inode->open_files++;
    return file;
}

static enum mn_status sim_open(struct mn_os *base, const char *path, unsigned flags,
                               struct mn_file **out)
{
    struct sim_os *os = machine(base);
    struct mn_inode *inode;
    struct sim_file *file;

    *out = NULL;
    pthread_mutex_lock(&os->mutex);
    inode = inode_find(os, path);
    file = inode ? file_new(os, inode, (flags & MN_OPEN_READONLY) != 0) : NULL;
    pthread_mutex_unlock(&os->mutex);
    if (!inode) return mn_fail(MN_NOTFOUND, "cannot open %s: no such file", path);
    if (!file) return mn_fail_nomem();
    *out = &file->base;
    return MN_OK;
}

static enum mn_status sim_create(struct mn_os *base, const char *path, struct mn_file **out)
{
    struct sim_os *os = machine(base);
    struct mn_inode *inode;
    struct sim_file *file = NULL;

    *out = NULL;
    pthread_mutex_lock(&os->mutex);
    inode = inode_add(os, path);
    if (inode) file = file_new(os, inode, false);
    if (inode && !file) inode_unlink(os, inode);
    pthread_mutex_unlock(&os->mutex);
    if (!file) return mn_fail_nomem();
    *out = &file->base;
    return MN_OK;
}

/* Counts the event, asks the hook, and refuses what a dead process asks for. */
static enum mn_status event_tell(struct sim_file *file, struct mn_sim_event about,
                                 enum mn_sim_fault *fault)
{
    struct sim_os *os = file->os;

    *fault = MN_SIM_PASS;
    about.file = &file->base;
    about.inode = file->inode;
    if (!os->memory) {
        about.number = __atomic_add_fetch(&os->events, 1, __ATOMIC_RELAXED);
        if (os->hook && !file->dead) *fault = os->hook(os->hook_context, &about);
    }
    if (file->dead) return mn_fail(MN_IOERR, "the simulated process is dead");
    if (*fault == MN_SIM_EIO) return mn_fail(MN_IOERR, "simulated input/output error");
    if (*fault == MN_SIM_FULL) return mn_fail(MN_FULL, "simulated full disk");
    return MN_OK;
}

static enum mn_status event(struct sim_file *file, enum mn_sim_op op, struct mn_range at,
                            enum mn_sim_fault *fault)
{
    return event_tell(
        file, (struct mn_sim_event){.op = op, .offset = at.start, .size_bytes = at.length}, fault);
}

static enum mn_status sim_publish(struct mn_file *base)
{
    struct sim_file *file = self(base);
    enum mn_sim_fault fault;
    enum mn_status status = event(file, MN_SIM_PUBLISH, (struct mn_range){0, 0}, &fault);

    if (status) return status;
    pthread_mutex_lock(&file->os->mutex);
    if (inode_find(file->os, file->inode->path)) {
        status = mn_fail(MN_EXISTS, "cannot create %s: the file exists", file->inode->path);
    } else {
        file->inode->named = true;
    }
    pthread_mutex_unlock(&file->os->mutex);
    return status;
}

static void locks_drop(struct sim_file *file)
{
    struct mn_inode *inode = file->inode;

    for (size_t i = 0; i < inode->lock_count;) {
        if (inode->locks[i].owner == &file->base) {
            inode->locks[i] = inode->locks[--inode->lock_count];
        } else {
            i++;
        }
    }
    pthread_cond_broadcast(&file->os->changed);
}

static void sim_close(struct mn_file *base)
{
    struct sim_file *file = self(base);
    struct sim_os *os = file->os;

    pthread_mutex_lock(&os->mutex);
    locks_drop(file);
    file->inode->open_files--;
    if (!file->inode->named && file->inode->open_files == 0) inode_unlink(os, file->inode);
    pthread_mutex_unlock(&os->mutex);
    mn_dealloc(file);
}

/* ---- bytes ---- */

static enum mn_status sim_size(struct mn_file *base, uint64_t *size_bytes)
{
    struct sim_file *file = self(base);

    *size_bytes = 0;
    if (file->dead) return mn_fail(MN_IOERR, "the simulated process is dead");
    pthread_mutex_lock(&file->os->mutex);
    *size_bytes = file->inode->size;
    pthread_mutex_unlock(&file->os->mutex);
    return MN_OK;
}

static enum mn_status read_some(struct mn_file *base, void *bytes, struct mn_range at, size_t *got,
                                bool device)
{
    struct sim_file *file = self(base);
    enum mn_sim_fault fault;
    enum mn_status status = event(file, device ? MN_SIM_READ_DEVICE : MN_SIM_READ, at, &fault);

    *got = 0;
    if (status) return status;
    pthread_mutex_lock(&file->os->mutex);
    if (at.start < file->inode->size) {
        uint64_t have = file->inode->size - at.start;

        *got = have < at.length ? have : at.length;
        at.length = *got;
        if (device && !file->inode->memory) {
            mn_inode_device(file->inode, bytes, at);
        } else {
            memcpy(bytes, file->inode->cache + at.start, *got);
        }
    }
    pthread_mutex_unlock(&file->os->mutex);
    return MN_OK;
}

static enum mn_status sim_pread(struct mn_file *base, void *bytes, struct mn_range at, size_t *got)
{
    return read_some(base, bytes, at, got, false);
}

static enum mn_status sim_read_device(struct mn_file *base, void *bytes, struct mn_range at,
                                      size_t *got)
{
    MN_ASSERT(at.start % MN_DEVICE_BLOCK == 0 && at.length % MN_DEVICE_BLOCK == 0);
    return read_some(base, bytes, at, got, true);
}

static enum mn_status write_some(struct mn_inode *inode, uint64_t offset, const uint8_t *bytes,
                                 size_t size_bytes)
{
    enum mn_status status = MN_OK;

    if (offset + size_bytes > inode->size) {
        status = mn_inode_resize(inode, offset + size_bytes);
        if (!status && !inode->memory) status = mn_inode_remember(inode, 0, NULL, inode->size);
    }
    if (!status && !inode->memory) status = mn_inode_remember(inode, offset, bytes, size_bytes);
    if (!status) mn_inode_touch(inode, offset, size_bytes);
    if (!status) mn_inode_show(inode->cache + offset, bytes, size_bytes);
    return status;
}

static enum mn_status slices_write(struct sim_file *file, enum mn_sim_op op, uint64_t offset,
                                   const struct mn_slice *slices, size_t count)
{
    struct mn_sim_event about = {
        .op = op, .offset = offset, .slices = slices, .slice_count = count};
    struct mn_range at = {offset, 0};
    enum mn_sim_fault fault;
    enum mn_status status;

    for (size_t i = 0; i < count; i++) at.length += slices[i].size_bytes;
    about.size_bytes = at.length;
    status = event_tell(file, about, &fault);
    if (status) return status;
    if (file->readonly) return mn_fail(MN_READONLY_DB, "the descriptor cannot write");
    /* Half of it, in whole sectors: the kernel does not stop inside one. */
    if (fault == MN_SIM_SHORT) at.length = at.length / 2 / SECTOR * SECTOR;
    pthread_mutex_lock(&file->os->mutex);
    for (size_t i = 0; i < count && at.length > 0 && !status; i++) {
        size_t length = slices[i].size_bytes < at.length ? slices[i].size_bytes : at.length;

        status = write_some(file->inode, offset, slices[i].data, length);
        offset += length;
        at.length -= length;
    }
    pthread_mutex_unlock(&file->os->mutex);
    if (!status && fault == MN_SIM_SHORT) return mn_fail(MN_IOERR, "simulated short write");
    return status;
}

static enum mn_status sim_pwritev(struct mn_file *base, uint64_t offset,
                                  const struct mn_slice *slices, size_t count)
{
    return slices_write(self(base), MN_SIM_WRITE, offset, slices, count);
}

static void sim_prewrite(struct mn_file *base, struct mn_range at)
{
    struct mn_slice zeros = {NULL, at.length};
    uint8_t *bytes;

    if (self(base)->os->memory) return;
    bytes = mn_zalloc(at.length);
    zeros.data = bytes;
    if (bytes) (void)slices_write(self(base), MN_SIM_PREWRITE, at.start, &zeros, 1);
    mn_dealloc(bytes);
}

static enum mn_status sim_sync(struct mn_file *base)
{
    struct sim_file *file = self(base);
    struct mn_sim_loss some = {.random = true, .sizes = true};
    enum mn_sim_fault fault;
    enum mn_status failed, status;

    if (file->os->memory) return MN_OK;
    failed = event_tell(file, (struct mn_sim_event){.op = MN_SIM_SYNC, .loss = &some}, &fault);
    if (file->dead) return failed;
    pthread_mutex_lock(&file->os->mutex);
    if (failed) {
        if (some.random) some.seed = mn_sim_random(&file->os->seed);
        if (file->os->sync_loss_set) some = file->os->sync_loss;
        status = mn_inode_lose(file->inode, &some);
    } else {
        status = mn_inode_sync(file->inode);
    }
    if (!status) mn_inode_forget(file->inode);
    pthread_mutex_unlock(&file->os->mutex);
    return failed ? failed : status;
}

static enum mn_status sim_resize(struct mn_file *base, uint64_t size_bytes)
{
    struct sim_file *file = self(base);
    struct mn_range at = {0, size_bytes};
    enum mn_sim_fault fault;
    enum mn_status status = event(file, MN_SIM_RESIZE, at, &fault);

    if (status) return status;
    if (file->readonly) return mn_fail(MN_READONLY_DB, "the descriptor cannot write");
    pthread_mutex_lock(&file->os->mutex);
    status = mn_inode_resize(file->inode, size_bytes);
    if (!status && !file->inode->memory)
        status = mn_inode_remember(file->inode, 0, NULL, size_bytes);
    pthread_mutex_unlock(&file->os->mutex);
    return status;
}

static void sim_drop_cached(struct mn_file *base, struct mn_range at)
{
    struct sim_file *file = self(base);
    uint8_t *bytes;

    if (file->dead || file->os->memory) return;
    pthread_mutex_lock(&file->os->mutex);
    if (at.start < file->inode->size) {
        if (at.length > file->inode->size - at.start) at.length = file->inode->size - at.start;
        bytes = mn_alloc(at.length);
        if (bytes) {
            mn_inode_device(file->inode, bytes, at);
            mn_inode_touch(file->inode, at.start, at.length);
            mn_inode_show(file->inode->cache + at.start, bytes, at.length);
            mn_dealloc(bytes);
        }
    }
    pthread_mutex_unlock(&file->os->mutex);
}

static enum mn_status sim_map(struct mn_file *base, uint64_t reserve_bytes, const uint8_t **out,
                              uint64_t *reserved_bytes)
{
    struct mn_inode *inode = self(base)->inode;

    *out = inode->cache;
    *reserved_bytes = reserve_bytes < inode->capacity ? reserve_bytes : inode->capacity;
    return MN_OK;
}

static void sim_advise_random(struct mn_file *base, struct mn_range at, bool random)
{
    (void)base, (void)at, (void)random;
}

/* ---- locks ---- */

static uint64_t range_end(struct mn_range at)
{
    return at.length == 0 ? UINT64_MAX : at.start + at.length;
}

/* A lock of another file that conflicts: any one, as Linux answers in the order of holders. */
static const struct mn_held *conflict(const struct sim_file *file, struct mn_range at,
                                      enum mn_lock kind)
{
    for (size_t i = 0; i < file->inode->lock_count; i++) {
        const struct mn_held *lock = &file->inode->locks[i];

        if (lock->owner == &file->base) continue;
        if (kind == MN_LOCK_SHARED && lock->kind == MN_LOCK_SHARED) continue;
        if (lock->at.start >= range_end(at) || range_end(lock->at) <= at.start) continue;
        return lock;
    }
    return NULL;
}

/* Sets this file's lock on exactly that range; the store never splits its ranges. */
static enum mn_status lock_set(struct sim_file *file, struct mn_range at, enum mn_lock kind)
{
    struct mn_inode *inode = file->inode;

    for (size_t i = 0; i < inode->lock_count; i++) {
        struct mn_held *lock = &inode->locks[i];

        if (lock->owner != &file->base || lock->at.start != at.start) continue;
        MN_ASSERT(lock->at.length == at.length);
        lock->kind = kind;
        if (kind == MN_LOCK_NONE) *lock = inode->locks[--inode->lock_count];
        return MN_OK;
    }
    if (kind == MN_LOCK_NONE) return MN_OK;
    if (!mn_grow(&inode->locks, &inode->lock_capacity, inode->lock_count + 1,
                 sizeof *inode->locks)) {
        return mn_fail_nomem();
    }
    inode->locks[inode->lock_count++] = (struct mn_held){&file->base, at, kind};
    return MN_OK;
}

static void nap(struct sim_os *os, int64_t us)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (us % 1000000) * 1000;
    until.tv_sec += us / 1000000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&os->changed, &os->mutex, &until);
}

static enum mn_status sim_lock(struct mn_file *base, struct mn_range at, enum mn_lock kind,
                               int64_t wait_us)
{
    struct sim_file *file = self(base);
    int64_t until = mn_clock_tick_us() + wait_us;
    enum mn_sim_fault fault;
    enum mn_status status = event(file, MN_SIM_LOCK, at, &fault);

    if (status) return status;
    if (file->readonly && kind == MN_LOCK_EXCLUSIVE) {
        return mn_fail(MN_IOERR, "a read-only descriptor cannot lock exclusively");
    }
    pthread_mutex_lock(&file->os->mutex);
    while (kind != MN_LOCK_NONE && conflict(file, at, kind)) {
        int64_t left = until - mn_clock_tick_us();

        if (left <= 0) {
            status = mn_fail(MN_BUSY, "another handle holds the lock");
            break;
        }
        nap(file->os, left);
    }
    if (!status) status = lock_set(file, at, kind);
    pthread_cond_broadcast(&file->os->changed);
    pthread_mutex_unlock(&file->os->mutex);
    return status;
}

static enum mn_status sim_lock_query(struct mn_file *base, struct mn_range at, enum mn_lock kind,
                                     struct mn_range *found, enum mn_lock *held)
{
    struct sim_file *file = self(base);
    const struct mn_held *lock;

    *held = MN_LOCK_NONE;
    if (file->dead) return mn_fail(MN_IOERR, "the simulated process is dead");
    pthread_mutex_lock(&file->os->mutex);
    lock = conflict(file, at, kind);
    if (lock) {
        *found = lock->at;
        *held = lock->kind;
    }
    pthread_mutex_unlock(&file->os->mutex);
    return MN_OK;
}

/* ---- waiting ---- */

static void sim_wait(struct mn_file *base, const uint8_t *word, uint32_t value, int64_t wait_us)
{
    struct sim_os *os = self(base)->os;
    int64_t until = mn_clock_tick_us() + wait_us;

    pthread_mutex_lock(&os->mutex);
    while (__atomic_load_n((const uint32_t *)(const void *)word, __ATOMIC_ACQUIRE) == value) {
        int64_t left = until - mn_clock_tick_us();

        if (left <= 0) break;
        nap(os, left);
    }
    pthread_mutex_unlock(&os->mutex);
}

static void sim_wake(struct mn_file *base, const uint8_t *word)
{
    struct sim_os *os = self(base)->os;

    (void)word;
    pthread_mutex_lock(&os->mutex);
    pthread_cond_broadcast(&os->changed);
    pthread_mutex_unlock(&os->mutex);
}

static const struct mn_file_ops sim_file_ops = {
    .close = sim_close,
    .publish = sim_publish,
    .size = sim_size,
    .pread = sim_pread,
    .read_device = sim_read_device,
    .pwritev = sim_pwritev,
    .sync = sim_sync,
    .resize = sim_resize,
    .prewrite = sim_prewrite,
    .drop_cached = sim_drop_cached,
    .map = sim_map,
    .advise_random = sim_advise_random,
    .lock = sim_lock,
    .lock_query = sim_lock_query,
    .wait = sim_wait,
    .wake = sim_wake,
};

/* ---- the machine ---- */

static int64_t sim_now_us(struct mn_os *os)
{
    struct sim_os *sim = machine(os);

    /* On a machine with a disk a run must repeat itself to the byte, so its clock counts events. */
    if (sim->memory) return mn_clock_wall_us();
    return sim->clock_us + (int64_t)__atomic_load_n(&sim->events, __ATOMIC_RELAXED);
}

static int64_t sim_tick_us(struct mn_os *os)
{
    (void)os;
    return mn_clock_tick_us();
}

static void sim_sleep_us(struct mn_os *os, int64_t us)
{
    (void)os;
    mn_clock_sleep_us(us);
}

static enum mn_status sim_random(struct mn_os *base, void *bytes, size_t size_bytes)
{
    struct sim_os *os = machine(base);

    if (os->memory) return mn_random_bytes(bytes, size_bytes);
    pthread_mutex_lock(&os->mutex);
    for (size_t i = 0; i < size_bytes; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)mn_sim_random(&os->seed);
    pthread_mutex_unlock(&os->mutex);
    return MN_OK;
}

static struct sim_os *os_new(uint64_t seed, uint64_t map_bytes, bool memory)
{
    static const struct mn_os_ops ops = {
        .open = sim_open,
        .create = sim_create,
        .scratch = sim_create, /* never published */
        .now_us = sim_now_us,
        .tick_us = sim_tick_us,
        .sleep_us = sim_sleep_us,
        .random = sim_random,
    };
    struct sim_os *os = mn_zalloc(sizeof *os);

    if (!os) return NULL;
    os->base.ops = &ops;
    os->seed = seed;
    os->map_bytes = map_bytes;
    os->clock_us = CLOCK_US;
    os->memory = memory;
    pthread_mutex_init(&os->mutex, NULL);
    pthread_cond_init(&os->changed, NULL);
    return os;
}

struct mn_os *mn_machine_new(uint64_t seed, uint64_t map_bytes)
{
    struct sim_os *os = os_new(seed, map_bytes ? map_bytes : SIM_MAP_BYTES, false);

    return os ? &os->base : NULL;
}

struct mn_os *mn_sim_memory(void)
{
    struct sim_os *os = os_new(0, MEMORY_MAP_BYTES, true);

    return os ? &os->base : NULL;
}

void mn_machine_free(struct mn_os *base)
{
    struct sim_os *os = machine(base);

    if (!base) return;
    while (os->inodes) {
        struct mn_inode *next = os->inodes->next;

        MN_ASSERT(os->inodes->open_files == 0);
        mn_inode_free(os->inodes);
        os->inodes = next;
    }
    pthread_cond_destroy(&os->changed);
    pthread_mutex_destroy(&os->mutex);
    mn_dealloc(os);
}

void mn_sim_set_clock(struct mn_os *os, int64_t start_us)
{
    machine(os)->clock_us = start_us;
}

void mn_sim_set_hook(struct mn_os *os, mn_sim_hook hook, void *context)
{
    machine(os)->hook = hook;
    machine(os)->hook_context = context;
}

void mn_sim_set_sync_loss(struct mn_os *os, const struct mn_sim_loss *loss)
{
    machine(os)->sync_loss_set = loss != NULL;
    if (loss) machine(os)->sync_loss = *loss;
}

const struct mn_inode *mn_sim_inode(struct mn_os *os, const char *path)
{
    return inode_find(machine(os), path);
}

size_t mn_sim_pending(struct mn_os *os, const char *path)
{
    const struct mn_inode *inode = inode_find(machine(os), path);

    return inode ? inode->pending_count : 0;
}

uint64_t mn_sim_events(struct mn_os *os)
{
    return __atomic_load_n(&machine(os)->events, __ATOMIC_RELAXED);
}

struct mn_os *mn_sim_crash(struct mn_os *base, const struct mn_sim_loss *loss)
{
    struct sim_os *os = machine(base), *after = os_new(os->seed ^ loss->seed, os->map_bytes, false);
    bool good = after != NULL;

    if (!after) return NULL;
    pthread_mutex_lock(&os->mutex);
    for (struct mn_inode *inode = os->inodes; inode && good; inode = inode->next) {
        struct mn_inode *copy;

        if (!inode->named) continue;
        copy = inode_add(after, inode->path);
        good = copy && mn_inode_survive(copy, inode, loss) == MN_OK;
        if (copy) copy->named = true;
    }
    pthread_mutex_unlock(&os->mutex);
    if (good) return &after->base;
    mn_machine_free(&after->base);
    return NULL;
}

void mn_sim_kill(struct mn_file *file)
{
    struct sim_os *os = self(file)->os;

    pthread_mutex_lock(&os->mutex);
    self(file)->dead = true;
    locks_drop(self(file));
    pthread_mutex_unlock(&os->mutex);
}

/* ---- a hand inside ---- */

enum mn_status mn_sim_peek(struct mn_os *os, const char *path, uint64_t offset, void *bytes,
                           size_t size_bytes)
{
    const struct mn_inode *inode = inode_find(machine(os), path);

    if (!inode || offset + size_bytes > inode->size) return mn_fail(MN_NOTFOUND, "not there");
    memcpy(bytes, inode->cache + offset, size_bytes);
    return MN_OK;
}

enum mn_status mn_sim_poke(struct mn_os *os, const char *path, uint64_t offset, const void *bytes,
                           size_t size_bytes)
{
    struct mn_inode *inode = inode_find(machine(os), path);

    if (!inode || offset + size_bytes > inode->size || offset + size_bytes > inode->disk_size) {
        return mn_fail(MN_NOTFOUND, "not there");
    }
    if (size_bytes == 0) return MN_OK;
    mn_inode_touch(inode, offset, size_bytes);
    memcpy(inode->cache + offset, bytes, size_bytes);
    memcpy(inode->disk + offset, bytes, size_bytes);
    return MN_OK;
}

enum mn_status mn_sim_cut(struct mn_os *os, const char *path, uint64_t size_bytes)
{
    struct mn_inode *inode = inode_find(machine(os), path);
    enum mn_status status;

    if (!inode) return mn_fail(MN_NOTFOUND, "not there");
    status = mn_inode_resize(inode, size_bytes);
    return status ? status : mn_inode_disk_resize(inode, size_bytes);
}

uint64_t mn_sim_size(struct mn_os *os, const char *path)
{
    const struct mn_inode *inode = inode_find(machine(os), path);

    return inode ? inode->size : 0;
}

enum mn_status mn_sim_put(struct mn_os *os, const char *path, const void *bytes, size_t size_bytes)
{
    struct mn_inode *inode;
    enum mn_status status;

    if (inode_find(machine(os), path)) return mn_fail(MN_EXISTS, "%s exists", path);
    inode = inode_add(machine(os), path);
    if (!inode) return mn_fail_nomem();
    inode->named = true;
    status = mn_sim_cut(os, path, size_bytes);
    return status ? status : mn_sim_poke(os, path, 0, bytes, size_bytes);
}

/* ---- marks ---- */

enum mn_status mn_sim_mark(struct mn_os *base, const char *path)
{
    struct sim_os *os = machine(base);
    struct mn_inode *inode = inode_find(os, path);

    if (!inode) return mn_fail(MN_NOTFOUND, "not there");
    os->mark_seed = os->seed;
    os->mark_events = os->events;
    return mn_inode_mark(inode);
}

void mn_sim_rewind(struct mn_os *base, const char *path)
{
    struct sim_os *os = machine(base);
    struct mn_inode *inode = inode_find(os, path);

    MN_ASSERT(inode && inode->open_files == 0);
    mn_inode_rewind(inode);
    os->seed = os->mark_seed;
    os->events = os->mark_events;
}

const uint32_t *mn_sim_changed(struct mn_os *os, const char *path, size_t *count)
{
    const struct mn_inode *inode = inode_find(machine(os), path);

    *count = inode && inode->mark ? inode->mark->count : 0;
    return *count ? inode->mark->changed : NULL;
}

const uint8_t *mn_sim_content(struct mn_os *os, const char *path)
{
    const struct mn_inode *inode = inode_find(machine(os), path);

    return inode ? inode->cache : NULL;
}
