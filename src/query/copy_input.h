/*
 * copy_input: a file read in blocks, seen as one run of bytes.
 *
 *     data            at                     end
 *      |  used up      |  not yet taken       | 0 |  room  |
 *
 * A scanner works on [at, end), which is followed by a zero byte. When it runs into that zero
 * before its record is whole, it calls mn_copy_input_more and scans the record again from its
 * start: a block is far longer than a record, so that happens once a block.
 */
#ifndef MN_QUERY_COPY_INPUT_H
#define MN_QUERY_COPY_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    MN_COPY_BLOCK_BYTES = 256 * 1024,
    MN_COPY_RECORD_BYTES_MAX = 64 * 1024 * 1024 /* one row of a file */
};

struct mn_stream;

struct mn_copy_input {
    struct mn_stream *stream;
    const char *name; /* borrowed: the path, for messages */
    uint8_t *data;
    size_t capacity;
    size_t at, end;
    bool ended;    /* the file has no bytes behind end */
    uint64_t line; /* of the byte at `at`, from 1 */
};

/* Opens the file; skips a UTF-8 byte order mark where `text`. */
enum mn_status mn_copy_input_open(struct mn_copy_input *input, const char *path, bool text);
void mn_copy_input_close(struct mn_copy_input *input);

/*
 * Reads more bytes behind end, moving [at, end) to the front or growing the room; pointers into the
 * data are void afterwards. Sets `ended` at the end of the file. MN_TOOBIG when a record passes its
 * limit.
 */
enum mn_status mn_copy_input_more(struct mn_copy_input *input);

/* Takes exactly size_bytes, for binary files; *bytes lies in the data. Fewer left: *bytes is NULL.
 */
enum mn_status mn_copy_input_take(struct mn_copy_input *input, size_t size_bytes,
                                  const uint8_t **bytes);

#endif
