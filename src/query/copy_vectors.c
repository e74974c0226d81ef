/*
 * copy_vectors: rows of .npy and .fvecs files, one vector each.
 *
 *   .npy    93 "NUMPY" major minor | u16 or u32 length | a Python dict as text, padded | the array
 *   .fvecs  for each vector: i32 dimensions, then so many f32
 *
 * Everything is little-endian. Of .npy the two-dimensional arrays of half, single and double floats
 * in C order are read. The target is one VECTOR column; its dimensions must be the file's.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/number.h"
#include "os/stream.h"
#include "query/copy_convert.h"
#include "query/copy_half.h"
#include "query/copy_read.h"

enum { NPY_HEADER_MAX = 65536, NPY_PREFIX = 8 };

struct vector_reader {
    struct mn_copy_reader base;
    struct mn_copy_input input;
    uint32_t dims;
    uint32_t width; /* npy: bytes of an element, 2, 4 or 8 */
};

static void vector_close(struct mn_copy_reader *base)
{
    struct vector_reader *reader = (struct vector_reader *)base;

    mn_copy_input_close(&reader->input);
    mn_dealloc(reader);
}

static enum mn_status vector_open(const struct mn_copy_spec *spec, struct vector_reader **out)
{
    struct vector_reader *reader;

    *out = NULL;
    if (spec->column_count != 1 || spec->columns[0].type != MN_TYPE_VECTOR) {
        mn_fail(MN_TYPE, "%s fills one VECTOR column", spec->path);
        return mn_hint("name it: COPY t (embedding) FROM ...");
    }
    reader = mn_zalloc(sizeof *reader);
    if (!reader) return mn_fail_nomem();
    reader->base = (struct mn_copy_reader){.close = vector_close, .spec = *spec, .rows = -1};
    enum mn_status status = mn_copy_input_open(&reader->input, spec->path, false);
    if (status) {
        vector_close(&reader->base);
        return status;
    }
    *out = reader;
    return MN_OK;
}

/* Infinities and NaNs have no distance. */
static enum mn_status row_done(struct vector_reader *reader, const float *elements,
                               struct mn_copy_row *row)
{
    for (uint32_t i = 0; i < reader->dims; i++) {
        if (isfinite(elements[i])) continue;
        mn_fail(MN_RANGE, "value %u of the vector is NaN, infinite or beyond f32", i + 1);
        return mn_copy_row_failed(&reader->base, reader->base.spec.columns[0].name);
    }
    row->values[0] = mn_vector(elements, reader->dims);
    row->given[0] = true;
    return MN_OK;
}

static enum mn_status npy_next(struct mn_copy_reader *base, struct mn_arena *arena,
                               struct mn_copy_row *row)
{
    struct vector_reader *reader = (struct vector_reader *)base;
    const uint8_t *bytes = NULL;

    base->row_only = false;
    base->ended = (int64_t)base->line == base->rows;
    if (base->ended) return MN_OK;
    base->line++;
    enum mn_status status =
        mn_copy_input_take(&reader->input, (size_t)reader->dims * reader->width, &bytes);
    if (status) return status;
    if (!bytes) {
        mn_fail(MN_TYPE, "the file ends before its %" PRId64 " rows do", base->rows);
        return mn_copy_locate(base, NULL);
    }
    float *elements = mn_arena_alloc(arena, reader->dims * sizeof(float));
    if (!elements) return mn_fail_nomem();
    if (reader->width == 4) {
        memcpy(elements, bytes, reader->dims * sizeof(float));
    } else if (reader->width == 2) {
        for (uint32_t i = 0; i < reader->dims; i++) {
            elements[i] = mn_half_to_float(mn_get_u16(bytes + 2 * (size_t)i));
        }
    } else {
        for (uint32_t i = 0; i < reader->dims; i++) {
            double wide;
            memcpy(&wide, bytes + 8 * (size_t)i, sizeof wide);
            elements[i] = fabs(wide) <= 3.4028234663852886e38 ? (float)wide : INFINITY;
        }
    }
    return row_done(reader, elements, row);
}

/* The value of a key in the header's dict, or NULL. */
static const char *dict_find(const char *dict, const char *key)
{
    const char *at = strstr(dict, key);

    if (!at) return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':') at++;
    return at;
}

/* (rows, dims) */
static bool shape_parse(const char *text, int64_t *rows, int64_t *dims)
{
    char *end = NULL;

    if (*text++ != '(') return false;
    if (!isdigit((unsigned char)*text)) return false;
    *rows = strtoll(text, &end, 10);
    while (*end == ' ' || *end == ',') end++;
    if (!isdigit((unsigned char)*end)) return false;
    *dims = strtoll(end, &end, 10);
    while (*end == ' ' || *end == ',') end++;
    return *end == ')' && *rows >= 0 && *rows < INT64_MAX;
}

static enum mn_status npy_describe(struct vector_reader *reader, const char *dict)
{
    const char *path = reader->base.spec.path;
    const char *type = dict_find(dict, "'descr'"), *order = dict_find(dict, "'fortran_order'");
    const char *shape = dict_find(dict, "'shape'");
    int64_t dims = 0;

    if (!type || !order || !shape || type[0] != '\'') {
        return mn_fail(MN_TYPE, "%s: the .npy header is not one", path);
    }
    if (type[1] != '<' || type[2] != 'f' || !strchr("248", type[3]) || type[4] != '\'') {
        char excerpt[MN_COPY_EXCERPT_BYTES];
        mn_fail(MN_UNSUPPORTED, "%s holds elements of type '%s'", path,
                mn_copy_excerpt(type + 1, strcspn(type + 1, "'"), excerpt));
        return mn_hint("floats are read: '<f4', '<f2', '<f8'");
    }
    reader->width = (uint32_t)(type[3] - '0');
    if (strncmp(order, "False", 5) != 0) {
        mn_fail(MN_UNSUPPORTED, "%s is in Fortran order", path);
        return mn_hint("write it by numpy.save(..., numpy.ascontiguousarray(a))");
    }
    if (!shape_parse(shape, &reader->base.rows, &dims)) {
        return mn_fail(MN_TYPE, "%s: the array has not two dimensions, rows and values", path);
    }
    uint32_t want = reader->base.spec.columns[0].dims;
    if (dims < 1 || dims > MN_VECTOR_DIMS_LIMIT || (want != 0 && dims != want)) {
        return mn_fail(MN_TYPE, "%s has vectors of %" PRId64 " values, column %s is VECTOR(%u)",
                       path, dims, reader->base.spec.columns[0].name, want);
    }
    reader->dims = (uint32_t)dims;
    return MN_OK;
}

static enum mn_status npy_header(struct vector_reader *reader)
{
    struct mn_copy_input *input = &reader->input;
    const uint8_t *bytes = NULL;
    char dict[NPY_HEADER_MAX + 1];

    enum mn_status status = mn_copy_input_take(input, NPY_PREFIX, &bytes);
    if (status) return status;
    if (!bytes || memcmp(bytes, "\x93NUMPY", 6) != 0 || bytes[6] < 1 || bytes[6] > 3) {
        return mn_fail(MN_TYPE, "%s is not a .npy file", reader->base.spec.path);
    }
    size_t field = bytes[6] == 1 ? 2 : 4;
    status = mn_copy_input_take(input, field, &bytes);
    if (status) return status;
    size_t length = !bytes ? 0 : field == 2 ? mn_get_u16(bytes) : mn_get_u32(bytes);
    if (length == 0 || length > NPY_HEADER_MAX) {
        return mn_fail(MN_TYPE, "%s: the .npy header is not one", reader->base.spec.path);
    }
    status = mn_copy_input_take(input, length, &bytes);
    if (status) return status;
    if (!bytes) return mn_fail(MN_TYPE, "%s ends in its header", reader->base.spec.path);
    memcpy(dict, bytes, length);
    dict[length] = '\0';
    return npy_describe(reader, dict);
}

enum mn_status mn_copy_npy_open(const struct mn_copy_spec *spec, struct mn_copy_reader **out)
{
    struct vector_reader *reader = NULL;
    enum mn_status status = vector_open(spec, &reader);

    if (status) return status;
    reader->base.next = npy_next;
    status = npy_header(reader);
    if (status) {
        vector_close(&reader->base);
        return status;
    }
    *out = &reader->base;
    return MN_OK;
}

static enum mn_status fvecs_next(struct mn_copy_reader *base, struct mn_arena *arena,
                                 struct mn_copy_row *row)
{
    struct vector_reader *reader = (struct vector_reader *)base;
    const struct mn_copy_column *column = &base->spec.columns[0];
    const uint8_t *bytes = NULL;

    base->row_only = false;
    enum mn_status status = mn_copy_input_take(&reader->input, 4, &bytes);
    if (status) return status;
    base->ended = !bytes && reader->input.at == reader->input.end;
    if (base->ended) return MN_OK;
    base->line++;
    uint32_t dims = bytes ? mn_get_u32(bytes) : 0;
    if (!bytes || dims < 1 || dims > MN_VECTOR_DIMS_LIMIT ||
        (column->dims && dims != column->dims)) {
        mn_fail(MN_TYPE, "the vector has %" PRId32 " values, not %u", (int32_t)dims, column->dims);
        return mn_copy_locate(base, column->name);
    }
    reader->dims = dims;
    status = mn_copy_input_take(&reader->input, dims * sizeof(float), &bytes);
    if (status) return status;
    if (!bytes) {
        mn_fail(MN_TYPE, "the file ends inside the vector");
        return mn_copy_locate(base, column->name);
    }
    float *elements = mn_arena_copy(arena, bytes, dims * sizeof(float));
    if (!elements) return mn_fail_nomem();
    return row_done(reader, elements, row);
}

enum mn_status mn_copy_fvecs_open(const struct mn_copy_spec *spec, struct mn_copy_reader **out)
{
    struct vector_reader *reader = NULL;
    enum mn_status status = vector_open(spec, &reader);

    if (status) return status;
    reader->base.next = fvecs_next;
    int64_t size = mn_stream_size(reader->input.stream);
    int64_t stride = 4 + 4 * (int64_t)spec->columns[0].dims;
    if (size >= 0 && spec->columns[0].dims && size % stride == 0) reader->base.rows = size / stride;
    *out = &reader->base;
    return MN_OK;
}
