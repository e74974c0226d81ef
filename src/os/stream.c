/*
 * stream: other people's files, read or written once from front to back.
 */
#include "os/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { BESIDE_TRIES = 100 };

struct mn_stream {
    int fd;
    int64_t size_bytes;
    char *path;
    char *beside; /* where a new file grows until it is committed; NULL: written directly */
};

static enum mn_status failure_status(int error)
{
    if (error == ENOMEM) return MN_NOMEM;
    if (error == ENOENT) return MN_NOTFOUND;
    if (error == ENOSPC || error == EDQUOT) return MN_FULL;
    return MN_IOERR;
}

static enum mn_status stream_new(const char *path, struct mn_stream **stream)
{
    struct mn_stream *made = mn_zalloc(sizeof *made);

    *stream = NULL;
    if (!made) return mn_fail_nomem();
    made->fd = -1;
    made->size_bytes = -1;
    made->path = mn_alloc(strlen(path) + 1);
    if (!made->path) {
        mn_dealloc(made);
        return mn_fail_nomem();
    }
    memcpy(made->path, path, strlen(path) + 1);
    *stream = made;
    return MN_OK;
}

/* Takes what open answered into the stream; a folder can be opened but never read. */
static enum mn_status stream_adopt(struct mn_stream *stream, int fd)
{
    struct stat info;

    if (fd < 0) {
        return mn_fail(failure_status(errno), "cannot open %s: %s", stream->path, strerror(errno));
    }
    stream->fd = fd;
    if (fstat(fd, &info) != 0) {
        return mn_fail(MN_IOERR, "cannot read %s: %s", stream->path, strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) return mn_fail(MN_IOERR, "%s is a folder", stream->path);
    if (S_ISREG(info.st_mode)) stream->size_bytes = (int64_t)info.st_size;
    return MN_OK;
}

/* /dev/stdin, /dev/stdout, /dev/stderr and /dev/fd/N are the descriptors themselves, -1: another
 * path. To open them anew would start at the front of a file that is half written, and to rename
 * something to them would put a file in the place of the device. */
static int descriptor_of(const char *path)
{
    char *end = NULL;

    if (strcmp(path, "/dev/stdin") == 0) return STDIN_FILENO;
    if (strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
    const char *number = strncmp(path, "/dev/fd/", 8) == 0 ? path + 8 : NULL;
    if (strncmp(path, "/proc/self/fd/", 14) == 0) number = path + 14;
    if (!number || *number < '0' || *number > '9') return -1;
    long fd = strtol(number, &end, 10);
    return *end == '\0' && fd <= INT_MAX ? (int)fd : -1;
}

enum mn_status mn_stream_open(const char *path, struct mn_stream **stream)
{
    int given = descriptor_of(path);
    enum mn_status status = stream_new(path, stream);

    if (status) return status;
    status = stream_adopt(*stream, given >= 0 ? fcntl(given, F_DUPFD_CLOEXEC, 0)
                                              : open(path, O_RDONLY | O_CLOEXEC));
    if (status) {
        mn_stream_close(*stream);
        *stream = NULL;
        return status;
    }
    if (given >= 0) (*stream)->size_bytes = -1; /* some of it may be read already */
    if ((*stream)->size_bytes >= 0) {
        (void)posix_fadvise((*stream)->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return MN_OK;
}

/* A new file beside the target, under a name that nobody has. */
static int beside_open(struct mn_stream *stream, mode_t mode)
{
    size_t room = strlen(stream->path) + 16;

    stream->beside = mn_alloc(room);
    if (!stream->beside) {
        errno = ENOMEM;
        return -1;
    }
    for (int try = 0; try < BESIDE_TRIES; try++) {
        (void)snprintf(stream->beside, room, "%s.part%d", stream->path, try);
        int fd = open(stream->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0) return fd;
        if (errno != EEXIST) break;
    }
    int error = errno;
    mn_dealloc(stream->beside);
    stream->beside = NULL;
    errno = error;
    return -1;
}

enum mn_status mn_stream_create(const char *path, struct mn_stream **stream)
{
    struct stat info;
    int given = descriptor_of(path), fd;
    char *target = given < 0 ? realpath(path, NULL) : NULL; /* behind symbolic links */
    enum mn_status status = stream_new(target ? target : path, stream);

    free(target);
    if (status) return status;
    bool exists = stat(path, &info) == 0;
    if (given >= 0) {
        fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
    } else if (!exists || S_ISREG(info.st_mode)) {
        fd = beside_open(*stream, exists ? info.st_mode & 0777 : 0666);
    } else {
        fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    status = stream_adopt(*stream, fd);
    if (status) {
        mn_stream_close(*stream);
        *stream = NULL;
    }
    return status;
}

enum mn_status mn_stream_read(struct mn_stream *stream, void *bytes, size_t capacity, size_t *got)
{
    ssize_t count;

    *got = 0;
    do {
        count = read(stream->fd, bytes, capacity);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return mn_fail(MN_IOERR, "cannot read %s: %s", stream->path, strerror(errno));
    *got = (size_t)count;
    return MN_OK;
}

enum mn_status mn_stream_write(struct mn_stream *stream, const void *bytes, size_t size_bytes)
{
    const char *at = bytes;

    while (size_bytes > 0) {
        ssize_t count = write(stream->fd, at, size_bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            return mn_fail(failure_status(errno), "cannot write %s: %s", stream->path,
                           strerror(errno));
        }
        at += count;
        size_bytes -= (size_t)count;
    }
    return MN_OK;
}

enum mn_status mn_stream_patch(struct mn_stream *stream, uint64_t offset, const void *bytes,
                               size_t size_bytes)
{
    const char *at = bytes;

    if (!stream->beside) {
        return mn_fail(MN_UNSUPPORTED, "%s is not a regular file, which the format needs",
                       stream->path);
    }
    while (size_bytes > 0) {
        ssize_t count = pwrite(stream->fd, at, size_bytes, (off_t)offset);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            return mn_fail(failure_status(errno), "cannot write %s: %s", stream->path,
                           strerror(errno));
        }
        at += count;
        offset += (uint64_t)count;
        size_bytes -= (size_t)count;
    }
    return MN_OK;
}

int64_t mn_stream_size(const struct mn_stream *stream)
{
    return stream->size_bytes;
}

enum mn_status mn_stream_commit(struct mn_stream *stream)
{
    if (!stream->beside) return MN_OK;
    if (rename(stream->beside, stream->path) != 0) {
        return mn_fail(MN_IOERR, "cannot rename %s to %s: %s", stream->beside, stream->path,
                       strerror(errno));
    }
    mn_dealloc(stream->beside);
    stream->beside = NULL;
    return MN_OK;
}

void mn_stream_close(struct mn_stream *stream)
{
    if (!stream) return;
    if (stream->fd >= 0) (void)close(stream->fd);
    if (stream->beside) (void)unlink(stream->beside);
    mn_dealloc(stream->beside);
    mn_dealloc(stream->path);
    mn_dealloc(stream);
}
