/*
 * stream: other people's files, read or written once from front to back.
 *
 * COPY reads and writes them. A database file never goes through here (os/file.h does that): a
 * stream may be a pipe or a device, has no locks, and is not synced.
 *
 * /dev/stdin, /dev/stdout, /dev/stderr and /dev/fd/N are the process's own descriptors, at the
 * place where they stand. What is written to a regular or new path appears under that name only
 * when it is whole: the bytes go to a file beside it, and mn_stream_commit renames it. Pipes and
 * devices are written directly.
 */
#ifndef MN_OS_STREAM_H
#define MN_OS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mn_stream;

/* The path is copied. MN_NOTFOUND, MN_IOERR, MN_NOMEM. */
enum mn_status mn_stream_open(const char *path, struct mn_stream **stream);
enum mn_status mn_stream_create(const char *path, struct mn_stream **stream);

/* Reads at least one byte unless the end is reached; *got 0 is the end. */
enum mn_status mn_stream_read(struct mn_stream *stream, void *bytes, size_t capacity, size_t *got);
enum mn_status mn_stream_write(struct mn_stream *stream, const void *bytes, size_t size_bytes);

/* Writes over bytes that were written before. MN_UNSUPPORTED where the target is a pipe or a
 * device. */
enum mn_status mn_stream_patch(struct mn_stream *stream, uint64_t offset, const void *bytes,
                               size_t size_bytes);

/* Bytes in a regular file; -1 for a pipe or a device. */
int64_t mn_stream_size(const struct mn_stream *stream);

/* The written file takes its name; the stream stays open and must still be closed. */
enum mn_status mn_stream_commit(struct mn_stream *stream);

/* NULL is harmless. What was written and not committed disappears. */
void mn_stream_close(struct mn_stream *stream);

#endif
