/*
 * copy_write_vectors: one VECTOR column to .npy or .fvecs.
 *
 * The number of rows stands in the header of .npy and is known only at the end: the header has a
 * fixed length and is written once more then.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "os/stream.h"
#include "query/copy_half.h"
#include "query/copy_write.h"

enum { NPY_HEADER_BYTES = 128 };

struct vector_writer {
    struct mn_copy_writer base;
    struct mn_copy_output output;
    uint32_t dims; /* 0: not known before the first row */
    bool npy;
};

static void vectors_close(struct mn_copy_writer *base)
{
    struct vector_writer *writer = (struct vector_writer *)base;

    mn_copy_output_close(&writer->output);
    mn_dealloc(writer);
}

/* Magic, version 1.0, length, the dict, blanks and a line feed: 128 bytes, as numpy.save writes. */
static void npy_header(const struct vector_writer *writer, uint8_t header[NPY_HEADER_BYTES + 1])
{
    memset(header, ' ', NPY_HEADER_BYTES);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    mn_put_u16(header + 8, NPY_HEADER_BYTES - 10);
    int length = snprintf((char *)header + 10, NPY_HEADER_BYTES - 10,
                          "{'descr': '<f%d', 'fortran_order': False, 'shape': (%" PRIu64 ", %u), }",
                          writer->base.spec.options->half ? 2 : 4, writer->base.rows, writer->dims);
    header[10 + length] = ' ';
    header[NPY_HEADER_BYTES - 1] = '\n';
}

static enum mn_status vectors_finish(struct mn_copy_writer *base)
{
    struct vector_writer *writer = (struct vector_writer *)base;
    uint8_t header[NPY_HEADER_BYTES + 1];
    enum mn_status status = mn_copy_output_flush(&writer->output, true);

    if (!status && writer->npy) {
        npy_header(writer, header);
        status = mn_stream_patch(writer->output.stream, 0, header, NPY_HEADER_BYTES);
    }
    return status ? status : mn_stream_commit(writer->output.stream);
}

static enum mn_status halves_put(struct vector_writer *writer, const struct mn_value *vector)
{
    const float *elements = vector->p;
    struct mn_buf *out = &writer->output.bytes;
    enum mn_status status = mn_buf_reserve(out, 2 * (size_t)vector->size);

    if (status) return status;
    for (uint32_t i = 0; i < vector->size; i++) {
        float element;
        memcpy(&element, (const uint8_t *)elements + 4 * (size_t)i, sizeof element);
        uint16_t half = mn_half_from_float(element);
        if ((half & 0x7c00u) == 0x7c00u) {
            return mn_fail(MN_RANGE, "value %u of the vector, %g, is beyond f16", i + 1,
                           (double)element);
        }
        mn_put_u16(out->data + out->len, half);
        out->len += 2;
    }
    return MN_OK;
}

static enum mn_status vectors_row(struct mn_copy_writer *base, const struct mn_value *values)
{
    struct vector_writer *writer = (struct vector_writer *)base;
    struct mn_buf *out = &writer->output.bytes;
    uint8_t dims[4];
    enum mn_status status = MN_OK;

    if (values[0].type != MN_TYPE_VECTOR) {
        mn_fail(MN_TYPE, "the vector is NULL, and the format has no way to write that");
        (void)mn_hint("COPY (SELECT v FROM t WHERE v IS NOT NULL) TO ...");
        return mn_copy_write_locate(base, 0);
    }
    if (writer->dims == 0) writer->dims = values[0].size;
    if (values[0].size != writer->dims) {
        mn_fail(MN_TYPE, "the vector has %u values, those before have %u", values[0].size,
                writer->dims);
        return mn_copy_write_locate(base, 0);
    }
    mn_put_u32(dims, writer->dims);
    if (!writer->npy) status = mn_buf_append(out, dims, sizeof dims);
    if (!status && base->spec.options->half) {
        status = halves_put(writer, &values[0]);
        if (status == MN_RANGE) return mn_copy_write_locate(base, 0);
    } else if (!status) {
        status = mn_buf_append(out, values[0].p, values[0].size * sizeof(float));
    }
    if (status) return status;
    base->rows++;
    return mn_copy_output_flush(&writer->output, false);
}

enum mn_status mn_copy_vectors_create(const struct mn_copy_spec *spec, struct mn_copy_writer **out)
{
    uint8_t header[NPY_HEADER_BYTES + 1];

    if (spec->column_count != 1 || spec->columns[0].type != MN_TYPE_VECTOR) {
        mn_fail(MN_TYPE, "%s takes one VECTOR column", spec->path);
        return mn_hint("COPY (SELECT embedding FROM t ORDER BY id) TO ...");
    }
    struct vector_writer *writer = mn_zalloc(sizeof *writer);
    if (!writer) return mn_fail_nomem();
    writer->base = (struct mn_copy_writer){
        .row = vectors_row, .finish = vectors_finish, .close = vectors_close, .spec = *spec};
    writer->dims = spec->columns[0].dims;
    writer->npy = spec->options->format == MN_COPY_NPY;
    enum mn_status status = mn_copy_output_open(&writer->output, spec->path);
    if (!status && writer->npy) {
        npy_header(writer, header);
        status = mn_buf_append(&writer->output.bytes, header, NPY_HEADER_BYTES);
        if (!status) status = mn_copy_output_flush(&writer->output, true);
        /* A pipe is refused before rows are computed for it. */
        if (!status) status = mn_stream_patch(writer->output.stream, 0, header, NPY_HEADER_BYTES);
    }
    if (status) {
        vectors_close(&writer->base);
        return status;
    }
    *out = &writer->base;
    return MN_OK;
}
