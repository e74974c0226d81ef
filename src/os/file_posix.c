/*
 * file_posix: the machine's own files.
 *
 *   fd      reads, writes and the locks (open file description locks, which die with it)
 *   direct  the same file with O_DIRECT, opened when first needed, to read and to write zeros past
 *           the page cache
 *   map     of a third description, closed at once: a map keeps its description alive, and a forked
 *           child's map would keep the locks of its dead parent
 *
 * A forked child must hold no locks of its parent, so its copies of the descriptors are closed
 * before fork returns in it, and every handle it inherited refuses work (mn_file.forked).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "os/clock.h"
#include "os/file.h"

/* The thread sanitizer keeps a shadow of every mapping: a small one there. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAP_BYTES_MAX (UINT64_C(1) << 30)
#endif
#endif
#ifndef MAP_BYTES_MAX
#define MAP_BYTES_MAX (UINT64_C(1) << 40)
#endif

enum {
    MAP_BYTES_MIN = 1 << 20,
    ZERO_CHUNK = 1 << 16,
    ZERO_PIECES = 64,               /* of that size in one write */
    WRITE_CHUNK = 1 << 18,          /* see posix_pwritev */
    WRITE_BEHIND_BYTES = 512 << 10, /* a write that large is begun at once */
    LOCK_NAP_MIN_US = 20,
    LOCK_NAP_MAX_US = 2000
};

struct posix_file {
    struct mn_file base;
    int fd, direct; /* -1: none */
    bool direct_refused;
    bool unnamed;    /* made by create and not yet published */
    bool linked;     /* it was seen under a name; atomic */
    char *path;      /* the wanted name, while unnamed */
    char *temp_path; /* the temporary name */
    uint8_t *map;
    uint64_t map_bytes;
    pthread_mutex_t mutex; /* of direct */
    struct posix_file *next;
};

static pthread_mutex_t files_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct posix_file *files;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static struct posix_file *self(struct mn_file *file)
{
    return (struct posix_file *)(void *)file;
}

static enum mn_status system_failed(const char *what, const char *name)
{
    int code = errno;
    enum mn_status status = MN_IOERR;

    if (code == ENOSPC || code == EDQUOT || code == EFBIG) status = MN_FULL;
    if (code == EROFS || code == EACCES || code == EPERM) status = MN_READONLY_DB;
    if (code == ENOENT || code == ENOTDIR) status = MN_NOTFOUND;
    if (code == EEXIST) status = MN_EXISTS;
    if (code == ENOMEM) status = MN_NOMEM;
    return mn_fail(status, "%s%s%s: %s", what, name ? " " : "", name ? name : "", strerror(code));
}

static enum mn_status refuse_forked(void)
{
    return mn_fail(MN_MISUSE, "this handle was opened before fork; the child must open its own");
}

/* ---- fork ---- */

static void fork_prepare(void)
{
    pthread_mutex_lock(&files_mutex);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&files_mutex);
}

static void fork_child(void)
{
    for (struct posix_file *file = files; file; file = file->next) {
        if (file->fd >= 0) close(file->fd);
        if (file->direct >= 0) close(file->direct);
        file->fd = file->direct = -1;
        file->base.forked = true;
    }
    pthread_mutex_unlock(&files_mutex);
}

static void fork_watch(void)
{
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static void files_add(struct posix_file *file)
{
    pthread_once(&fork_once, fork_watch);
    pthread_mutex_lock(&files_mutex);
    file->next = files;
    files = file;
    pthread_mutex_unlock(&files_mutex);
}

static void files_remove(struct posix_file *file)
{
    pthread_mutex_lock(&files_mutex);
    for (struct posix_file **at = &files; *at; at = &(*at)->next) {
        if (*at == file) {
            *at = file->next;
            break;
        }
    }
    pthread_mutex_unlock(&files_mutex);
}

/* ---- open, create, close ---- */

static const struct mn_file_ops posix_file_ops;

static struct posix_file *file_new(int fd)
{
    struct posix_file *file = mn_zalloc(sizeof *file);

    if (!file) return NULL;
    file->base.ops = &posix_file_ops;
    file->fd = fd;
    file->direct = -1;
    pthread_mutex_init(&file->mutex, NULL);
    files_add(file);
    return file;
}

static enum mn_status posix_open(struct mn_os *os, const char *path, unsigned flags,
                                 struct mn_file **out)
{
    struct stat about;
    int fd = open(path, (flags & MN_OPEN_READONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY);
    struct posix_file *file;

    (void)os;
    *out = NULL;
    if (fd < 0) return system_failed("cannot open", path);
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(fd);
        return mn_fail(MN_NOTADB, "%s is not a regular file", path);
    }
    file = file_new(fd);
    if (!file) {
        close(fd);
        return mn_fail_nomem();
    }
    *out = &file->base;
    return MN_OK;
}

/* The folder of path, newly allocated. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    char *folder = mn_alloc(length + 2);

    if (!folder) return NULL;
    if (!slash) {
        memcpy(folder, ".", 2);
    } else {
        memcpy(folder, path, length);
        if (length == 0) folder[length++] = '/';
        folder[length] = '\0';
    }
    return folder;
}

/* Opens a file without a name, or, where the file system has none, under a temporary one. */
static int open_unnamed(const char *path, const char *folder, char **temp_path)
{
    static const char suffix[] = ".new-XXXXXX";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    size_t length = strlen(path);
    char *name;

    *temp_path = NULL;
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
    name = mn_alloc(length + sizeof suffix);
    if (!name) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(name, path, length);
    memcpy(name + length, suffix, sizeof suffix);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        mn_dealloc(name);
        return -1;
    }
    (void)fchmod(fd, 0644);
    *temp_path = name;
    return fd;
}

static enum mn_status posix_create(struct mn_os *os, const char *path, struct mn_file **out)
{
    char *folder = folder_of(path), *temp_path = NULL, *wanted = mn_alloc(strlen(path) + 1);
    struct posix_file *file = NULL;
    enum mn_status status = MN_OK;
    int fd = -1;

    (void)os;
    *out = NULL;
    if (!folder || !wanted) {
        status = mn_fail_nomem();
        goto done;
    }
    memcpy(wanted, path, strlen(path) + 1);
    fd = open_unnamed(path, folder, &temp_path);
    if (fd < 0) {
        status = system_failed("cannot create a file in", folder);
        goto done;
    }
    file = file_new(fd);
    if (!file) {
        status = mn_fail_nomem();
        goto done;
    }
    file->unnamed = true;
    file->path = wanted;
    file->temp_path = temp_path;
    wanted = temp_path = NULL;
    *out = &file->base;
done:
    if (status && fd >= 0) close(fd);
    if (temp_path) unlink(temp_path);
    mn_dealloc(temp_path);
    mn_dealloc(wanted);
    mn_dealloc(folder);
    return status;
}

static enum mn_status posix_scratch(struct mn_os *os, const char *path, struct mn_file **out)
{
    enum mn_status status = posix_create(os, path, out);
    struct posix_file *file;

    if (status != MN_OK) return status;
    file = self(*out);
    if (file->temp_path) unlink(file->temp_path); /* at once: a killed process leaves nothing */
    mn_dealloc(file->temp_path);
    file->temp_path = NULL;
    return MN_OK;
}

static enum mn_status folder_sync(const char *path)
{
    char *folder = folder_of(path);
    enum mn_status status = MN_OK;
    int fd;

    if (!folder) return mn_fail_nomem();
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) status = system_failed("cannot sync the folder", folder);
    if (fd >= 0) close(fd);
    mn_dealloc(folder);
    return status;
}

static enum mn_status posix_publish(struct mn_file *base)
{
    struct posix_file *file = self(base);
    char link[64];
    int done;

    if (base->forked) return refuse_forked();
    MN_ASSERT(file->unnamed);
    /* link, not rename: whoever came first keeps the name. */
    if (file->temp_path) {
        done = linkat(AT_FDCWD, file->temp_path, AT_FDCWD, file->path, 0);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
        done = linkat(AT_FDCWD, link, AT_FDCWD, file->path, AT_SYMLINK_FOLLOW);
    }
    if (done != 0) return system_failed("cannot create", file->path);
    if (file->temp_path) unlink(file->temp_path);
    file->unnamed = false;
    return folder_sync(file->path);
}

static void posix_close(struct mn_file *base)
{
    struct posix_file *file = self(base);

    files_remove(file);
    if (file->unnamed && file->temp_path && !base->forked) unlink(file->temp_path);
    if (file->map) munmap(file->map, file->map_bytes);
    if (file->fd >= 0) close(file->fd);
    if (file->direct >= 0) close(file->direct);
    pthread_mutex_destroy(&file->mutex);
    mn_dealloc(file->path);
    mn_dealloc(file->temp_path);
    mn_dealloc(file);
}

/* ---- bytes ---- */

/*
 * Every transaction asks for the size when it begins, so here it shows that the file has lost its
 * name: what is written to it would be gone with the last handle. A file system that counts no
 * links at all is believed.
 *
 * Only these two are asked for. Who asks for the times, as fstat does, gets them with the clock's
 * full resolution for the next write: then each commit changes the inode, and without a journal its
 * sync writes the inode's block, which costs as much again as a piece of the commit.
 */
static enum mn_status posix_size(struct mn_file *base, uint64_t *size_bytes)
{
    struct posix_file *file = self(base);
    struct statx about;

    *size_bytes = 0;
    if (base->forked) return refuse_forked();
    if (statx(file->fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_NLINK, &about) != 0) {
        return system_failed("cannot ask for the size", NULL);
    }
    if (about.stx_nlink > 0) {
        __atomic_store_n(&file->linked, true, __ATOMIC_RELAXED);
    } else if (__atomic_load_n(&file->linked, __ATOMIC_RELAXED)) {
        (void)mn_fail(MN_IOERR, "the file was removed, or another one was put in its place");
        return mn_hint("close every handle of it and open it again");
    }
    *size_bytes = about.stx_size;
    return MN_OK;
}

static enum mn_status read_whole(int fd, void *bytes, struct mn_range at, size_t *got)
{
    *got = 0;
    while (*got < at.length) {
        ssize_t more =
            pread(fd, (uint8_t *)bytes + *got, at.length - *got, (off_t)(at.start + *got));

        if (more < 0 && errno == EINTR) continue;
        if (more < 0) {
            char place[64];

            snprintf(place, sizeof place, "%" PRIu64 " bytes at %" PRIu64, at.length, at.start);
            return system_failed("cannot read", place);
        }
        if (more == 0) break;
        *got += (size_t)more;
    }
    return MN_OK;
}

static enum mn_status posix_pread(struct mn_file *base, void *bytes, struct mn_range at,
                                  size_t *got)
{
    *got = 0;
    if (base->forked) return refuse_forked();
    return read_whole(self(base)->fd, bytes, at, got);
}

static int direct_descriptor(struct posix_file *file)
{
    char name[64];
    int access;

    pthread_mutex_lock(&file->mutex);
    if (file->direct < 0 && !file->direct_refused) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", file->fd);
        access = fcntl(file->fd, F_GETFL) & O_ACCMODE;
        file->direct = open(name, access | O_DIRECT | O_CLOEXEC);
        if (file->direct < 0) file->direct = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
        file->direct_refused = file->direct < 0;
    }
    pthread_mutex_unlock(&file->mutex);
    return file->direct;
}

static void posix_drop_cached(struct mn_file *base, struct mn_range at)
{
    if (!base->forked) {
        (void)posix_fadvise(self(base)->fd, (off_t)at.start, (off_t)at.length, POSIX_FADV_DONTNEED);
    }
}

/* O_DIRECT wants aligned memory; a short last block of the file is the only short answer. */
static enum mn_status posix_read_device(struct mn_file *base, void *bytes, struct mn_range at,
                                        size_t *got)
{
    struct posix_file *file = self(base);
    uint8_t *aligned = (uintptr_t)bytes % MN_DEVICE_BLOCK == 0 ? bytes : NULL;
    int fd;

    *got = 0;
    MN_ASSERT(at.start % MN_DEVICE_BLOCK == 0 && at.length % MN_DEVICE_BLOCK == 0);
    if (base->forked) return refuse_forked();
    fd = direct_descriptor(file);
    if (fd >= 0 &&
        (aligned || posix_memalign((void **)&aligned, MN_DEVICE_BLOCK, at.length) == 0)) {
        ssize_t more;

        do {
            more = pread(fd, aligned, at.length, (off_t)at.start);
        } while (more < 0 && errno == EINTR);
        if (more >= 0) *got = (size_t)more;
        if (more >= 0 && aligned != bytes) memcpy(bytes, aligned, (size_t)more);
        if (aligned != bytes) free(aligned);
        if (more >= 0 && ((size_t)more == at.length || more % MN_DEVICE_BLOCK != 0)) return MN_OK;
        if (more < 0 && errno != EINVAL) return system_failed("cannot read the device", NULL);
    }
    /* A file system without O_DIRECT, or the end of the file: the weaker way. */
    posix_drop_cached(base, at);
    return read_whole(file->fd, bytes, at, got);
}

/* The first pieces up to `most` bytes in one call. What was written, or -1 with errno. */
static ssize_t pieces_write(int fd, struct iovec *pieces, size_t count, uint64_t offset,
                            size_t most)
{
    size_t taken = 0, cut = 0, room = most;
    ssize_t wrote;

    while (taken < count && room > 0) {
        struct iovec *last = &pieces[taken++];

        cut = last->iov_len > room ? last->iov_len - room : 0;
        last->iov_len -= cut;
        room -= last->iov_len;
    }
    wrote = pwritev(fd, pieces, (int)taken, (off_t)offset);
    pieces[taken - 1].iov_len += cut;
    return wrote;
}

/*
 * In calls of at most WRITE_CHUNK. The kernel keeps what one call wrote in folios of up to 2 MiB,
 * and each later write of one page walks the list of all blocks in its folio: of a file that was
 * written in pieces of 1 MiB a page took 10 to 50 us on ext4, of one in pieces of 256 KiB 8 us, of
 * 64 KiB 5 us; but the smaller the folios, the longer a first scan takes.
 */
static enum mn_status posix_pwritev(struct mn_file *base, uint64_t offset,
                                    const struct mn_slice *slices, size_t count)
{
    struct iovec pieces[MN_SLICES_MAX];
    uint64_t from = offset;
    size_t first = 0;

    if (base->forked) return refuse_forked();
    MN_ASSERT(count <= MN_SLICES_MAX);
    for (size_t i = 0; i < count; i++) {
        memcpy(&pieces[i].iov_base, &slices[i].data, sizeof(void *)); /* drops const */
        pieces[i].iov_len = slices[i].size_bytes;
    }
    while (first < count) {
        ssize_t wrote = pieces_write(self(base)->fd, pieces + first, count - first, offset,
                                     WRITE_CHUNK - (size_t)(offset % WRITE_CHUNK));

        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            char place[64];

            snprintf(place, sizeof place, "at byte %" PRIu64, offset);
            return system_failed("cannot write", place);
        }
        offset += (uint64_t)wrote;
        while (first < count && (size_t)wrote >= pieces[first].iov_len) {
            wrote -= (ssize_t)pieces[first++].iov_len;
        }
        if (first < count) {
            pieces[first].iov_base = (uint8_t *)pieces[first].iov_base + wrote;
            pieces[first].iov_len -= (size_t)wrote;
        }
    }
    /* A large write is a piece of a still larger commit: the device may begin with it now. Advice:
     * it waits for nothing, and what fails is told by the sync. */
    if (offset - from >= WRITE_BEHIND_BYTES) {
        (void)sync_file_range(self(base)->fd, (off_t)from, (off_t)(offset - from),
                              SYNC_FILE_RANGE_WRITE);
    }
    return MN_OK;
}

/* Never called twice for the same data by anyone: a second call would report success. */
static enum mn_status posix_sync(struct mn_file *base)
{
    if (base->forked) return refuse_forked();
    if (fdatasync(self(base)->fd) != 0) {
        enum mn_status status = system_failed("cannot sync", NULL);

        return status == MN_FULL ? MN_FULL : MN_IOERR;
    }
    return MN_OK;
}

static _Alignas(MN_DEVICE_BLOCK) uint8_t zeros[ZERO_CHUNK];

static enum mn_status write_zeros(struct mn_file *base, uint64_t from, uint64_t to)
{
    while (from < to) {
        size_t chunk = to - from < ZERO_CHUNK ? (size_t)(to - from) : ZERO_CHUNK;
        enum mn_status status = mn_file_write(base, from, zeros, chunk);

        if (status) return status;
        from += chunk;
    }
    return MN_OK;
}

/* Where they stopped: at `to`, or before it where the file or its file system has no O_DIRECT. */
static uint64_t write_zeros_direct(struct posix_file *file, uint64_t from, uint64_t to)
{
    struct iovec pieces[ZERO_PIECES];
    int fd = direct_descriptor(file);

    if (fd < 0) return from;
    for (size_t i = 0; i < ZERO_PIECES; i++) pieces[i] = (struct iovec){zeros, ZERO_CHUNK};
    while (from < to) {
        ssize_t wrote = pieces_write(fd, pieces, ZERO_PIECES, from, (size_t)(to - from));

        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0 || wrote % MN_DEVICE_BLOCK != 0) break;
        from += (uint64_t)wrote;
    }
    return from;
}

/* Past the page cache: it takes no memory that nobody will read, and the next sync finds nothing of
 * it left to do. */
static void posix_prewrite(struct mn_file *base, struct mn_range at)
{
    uint64_t from = at.start, to = at.start + at.length;

    if (base->forked) return;
    if (from % MN_DEVICE_BLOCK == 0 && to % MN_DEVICE_BLOCK == 0) {
        from = write_zeros_direct(self(base), from, to);
    }
    (void)write_zeros(base, from, to);
}

static void posix_begin_sync(struct mn_file *base, struct mn_range at)
{
    if (base->forked) return; /* the number of its descriptor may be another file's by now */
    (void)sync_file_range(self(base)->fd, (off_t)at.start, (off_t)at.length, SYNC_FILE_RANGE_WRITE);
}

static enum mn_status posix_resize(struct mn_file *base, uint64_t size_bytes)
{
    struct posix_file *file = self(base);
    uint64_t now;
    enum mn_status status = posix_size(base, &now);
    int done;

    if (status || size_bytes == now) return status;
    if (size_bytes < now) {
        if (ftruncate(file->fd, (off_t)size_bytes) != 0) return system_failed("cannot cut", NULL);
        return MN_OK;
    }
    do {
        done = fallocate(file->fd, 0, (off_t)now, (off_t)(size_bytes - now));
    } while (done != 0 && errno == EINTR);
    if (done == 0) return MN_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return write_zeros(base, now, size_bytes);
    return system_failed("cannot grow the file", NULL);
}

static enum mn_status posix_map(struct mn_file *base, uint64_t reserve_bytes, const uint8_t **out,
                                uint64_t *reserved_bytes)
{
    struct posix_file *file = self(base);
    char name[64];
    int fd, of;

    *out = NULL;
    *reserved_bytes = 0;
    if (base->forked) return refuse_forked();
    MN_ASSERT(!file->map);
    if (reserve_bytes > MAP_BYTES_MAX) reserve_bytes = MAP_BYTES_MAX;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file->fd);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    of = fd >= 0 ? fd : file->fd;
    for (uint64_t bytes = reserve_bytes; bytes >= MAP_BYTES_MIN; bytes /= 4) {
        void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, of, 0);

        if (map == MAP_FAILED) continue;
        /* Mapped from the descriptor that owns the locks: a child must not keep it alive. */
        if (fd < 0) (void)madvise(map, bytes, MADV_DONTFORK);
        file->map = map;
        file->map_bytes = bytes;
        break;
    }
    if (fd >= 0) close(fd);
    *out = file->map;
    *reserved_bytes = file->map_bytes;
    return MN_OK;
}

static void posix_advise_random(struct mn_file *base, struct mn_range at, bool random)
{
    struct posix_file *file = self(base);

    if (!file->map || at.start >= file->map_bytes) return;
    if (at.length > file->map_bytes - at.start) at.length = file->map_bytes - at.start;
    (void)madvise(file->map + at.start, at.length, random ? MADV_RANDOM : MADV_NORMAL);
}

/* ---- locks ---- */

static struct flock flock_of(struct mn_range at, enum mn_lock kind)
{
    struct flock lock = {.l_whence = SEEK_SET};

    lock.l_type = (short)(kind == MN_LOCK_NONE     ? F_UNLCK
                          : kind == MN_LOCK_SHARED ? F_RDLCK
                                                   : F_WRLCK);
    lock.l_start = (off_t)at.start;
    lock.l_len = (off_t)at.length;
    return lock;
}

static enum mn_status posix_lock(struct mn_file *base, struct mn_range at, enum mn_lock kind,
                                 int64_t wait_us)
{
    int64_t until = 0, nap = LOCK_NAP_MIN_US;

    if (base->forked) return refuse_forked();
    for (;;) {
        struct flock lock = flock_of(at, kind);
        int64_t now;

        if (fcntl(self(base)->fd, F_OFD_SETLK, &lock) == 0) return MN_OK;
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EACCES) {
            (void)system_failed("cannot lock the file", NULL);
            return mn_fail(MN_IOERR, "cannot lock the file: %s", strerror(errno));
        }
        if (wait_us <= 0) return mn_fail(MN_BUSY, "another handle holds the lock");
        now = mn_clock_tick_us();
        if (until == 0) until = now + wait_us;
        if (now >= until) return mn_fail(MN_BUSY, "another handle holds the lock");
        mn_clock_sleep_us(nap < until - now ? nap : until - now);
        nap = nap * 2 < LOCK_NAP_MAX_US ? nap * 2 : LOCK_NAP_MAX_US;
    }
}

static enum mn_status posix_lock_query(struct mn_file *base, struct mn_range at, enum mn_lock kind,
                                       struct mn_range *found, enum mn_lock *held)
{
    struct flock lock = flock_of(at, kind);

    *held = MN_LOCK_NONE;
    if (base->forked) return refuse_forked();
    while (fcntl(self(base)->fd, F_OFD_GETLK, &lock) != 0) {
        if (errno == EINTR) continue;
        return mn_fail(MN_IOERR, "cannot ask for locks: %s", strerror(errno));
    }
    if (lock.l_type == F_UNLCK) return MN_OK;
    *held = lock.l_type == F_RDLCK ? MN_LOCK_SHARED : MN_LOCK_EXCLUSIVE;
    found->start = (uint64_t)lock.l_start;
    found->length = (uint64_t)lock.l_len;
    return MN_OK;
}

/* ---- waiting ---- */

static void posix_wait(struct mn_file *base, const uint8_t *word, uint32_t value, int64_t wait_us)
{
    struct timespec limit = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};

    (void)base;
    (void)syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
}

static void posix_wake(struct mn_file *base, const uint8_t *word)
{
    (void)base;
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static const struct mn_file_ops posix_file_ops = {
    .concurrent = true,
    .close = posix_close,
    .publish = posix_publish,
    .size = posix_size,
    .pread = posix_pread,
    .read_device = posix_read_device,
    .pwritev = posix_pwritev,
    .sync = posix_sync,
    .resize = posix_resize,
    .prewrite = posix_prewrite,
    .begin_sync = posix_begin_sync,
    .drop_cached = posix_drop_cached,
    .map = posix_map,
    .advise_random = posix_advise_random,
    .lock = posix_lock,
    .lock_query = posix_lock_query,
    .wait = posix_wait,
    .wake = posix_wake,
};

static int64_t posix_now_us(struct mn_os *os)
{
    (void)os;
    return mn_clock_wall_us();
}

static int64_t posix_tick_us(struct mn_os *os)
{
    (void)os;
    return mn_clock_tick_us();
}

static void posix_sleep_us(struct mn_os *os, int64_t us)
{
    (void)os;
    mn_clock_sleep_us(us);
}

static enum mn_status posix_random(struct mn_os *os, void *bytes, size_t size_bytes)
{
    (void)os;
    return mn_random_bytes(bytes, size_bytes);
}

struct mn_os *mn_os_posix(void)
{
    static const struct mn_os_ops ops = {
        .open = posix_open,
        .create = posix_create,
        .scratch = posix_scratch,
        .now_us = posix_now_us,
        .tick_us = posix_tick_us,
        .sleep_us = posix_sleep_us,
        .random = posix_random,
    };
    static struct mn_os os = {&ops};

    return &os;
}
