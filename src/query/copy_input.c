/*
 * copy_input: a file read in blocks, seen as one run of bytes.
 */
#include "query/copy_input.h"

#include <string.h>

#include "base/alloc.h"
#include "os/stream.h"

enum mn_status mn_copy_input_open(struct mn_copy_input *input, const char *path, bool text)
{
    *input = (struct mn_copy_input){.name = path, .line = 1};
    enum mn_status status = mn_stream_open(path, &input->stream);
    if (status) return status;
    input->capacity = MN_COPY_BLOCK_BYTES;
    input->data = mn_alloc(input->capacity + 1);
    if (!input->data) {
        mn_copy_input_close(input);
        return mn_fail_nomem();
    }
    input->data[0] = 0;
    while (text && !input->ended && input->end < 3) {
        status = mn_copy_input_more(input);
        if (status) {
            mn_copy_input_close(input);
            return status;
        }
    }
    if (text && input->end >= 3 && memcmp(input->data, "\xef\xbb\xbf", 3) == 0) input->at = 3;
    return MN_OK;
}

void mn_copy_input_close(struct mn_copy_input *input)
{
    mn_stream_close(input->stream);
    mn_dealloc(input->data);
    *input = (struct mn_copy_input){0};
}

/* Room for more bytes: first by moving what is left to the front, then by doubling. */
static enum mn_status input_make_room(struct mn_copy_input *input)
{
    size_t left = input->end - input->at;

    if (input->at > 0) {
        memmove(input->data, input->data + input->at, left);
        input->at = 0;
        input->end = left;
    }
    if (left < input->capacity) return MN_OK;
    if (input->capacity >= MN_COPY_RECORD_BYTES_MAX) {
        return mn_fail(MN_TOOBIG, "%s line %llu: a row is longer than %d bytes", input->name,
                       (unsigned long long)input->line, MN_COPY_RECORD_BYTES_MAX);
    }
    uint8_t *grown = mn_realloc(input->data, 2 * input->capacity + 1);
    if (!grown) return mn_fail_nomem();
    input->data = grown;
    input->capacity *= 2;
    return MN_OK;
}

enum mn_status mn_copy_input_more(struct mn_copy_input *input)
{
    size_t got = 0;
    enum mn_status status = input_make_room(input);

    if (status) return status;
    status =
        mn_stream_read(input->stream, input->data + input->end, input->capacity - input->end, &got);
    if (status) return status;
    input->end += got;
    input->data[input->end] = 0;
    input->ended = got == 0;
    return MN_OK;
}

enum mn_status mn_copy_input_take(struct mn_copy_input *input, size_t size_bytes,
                                  const uint8_t **bytes)
{
    *bytes = NULL;
    while (input->end - input->at < size_bytes) {
        if (input->ended) return MN_OK;
        enum mn_status status = mn_copy_input_more(input);
        if (status) return status;
    }
    *bytes = input->data + input->at;
    input->at += size_bytes;
    return MN_OK;
}
