/*
 * copy_write: what the writers of the formats share: bytes collected before they go to the stream.
 */
#ifndef MN_QUERY_COPY_WRITE_H
#define MN_QUERY_COPY_WRITE_H

#include "query/copy.h"

struct mn_stream;

enum { MN_COPY_FLUSH_BYTES = 256 * 1024 };

struct mn_copy_output {
    struct mn_stream *stream;
    struct mn_buf bytes;
};

enum mn_status mn_copy_output_open(struct mn_copy_output *output, const char *path);
void mn_copy_output_close(struct mn_copy_output *output);
/* Hands the bytes to the stream when there are many, or always. */
enum mn_status mn_copy_output_flush(struct mn_copy_output *output, bool always);

/* "file row 12, column name: " before the error just recorded. */
enum mn_status mn_copy_write_locate(const struct mn_copy_writer *writer, uint32_t column);

enum mn_status mn_copy_fields_create(const struct mn_copy_spec *spec,
                                     struct mn_copy_writer **writer); /* csv, tsv */
enum mn_status mn_copy_ndjson_create(const struct mn_copy_spec *spec,
                                     struct mn_copy_writer **writer);
enum mn_status mn_copy_vectors_create(const struct mn_copy_spec *spec,
                                      struct mn_copy_writer **writer); /* npy, fvecs */

#endif
