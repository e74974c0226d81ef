/*
 * list: making and reading lists, and vectors from them.
 */
#include "catalog/list.h"

#include <float.h>
#include <math.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { HEAD_BYTES = 8, COUNT_MAX = 1 << 27 };

/* Bytes of an element where all have the same, 0 for those that have not, -1: no such lists. */
static int elem_width(uint8_t elem)
{
    switch ((enum mn_type)elem) {
    case MN_TYPE_BOOL: return 1;
    case MN_TYPE_NULL:
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_JSON: return 0;
    case MN_TYPE_INT:
    case MN_TYPE_FLOAT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: return 8;
    case MN_TYPE_UUID: return 16;
    case MN_TYPE_VECTOR:
    case MN_TYPE_LIST: break;
    }
    return -1;
}

static size_t null_bytes(uint32_t count)
{
    return ((size_t)count + 7) / 8;
}

/* ---- making ---- */

static enum mn_status list_size(uint8_t elem, const struct mn_value *values, uint32_t count,
                                size_t *size)
{
    int width = elem_width(elem);
    size_t sum = HEAD_BYTES + null_bytes(count);

    if (width < 0) return mn_fail(MN_TYPE, "a list cannot hold %s", mn_type_name(elem));
    sum += (size_t)count * (width ? (size_t)width : sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        uint8_t type = values[i].type;

        if (type != MN_TYPE_NULL && type != elem &&
            !(type == MN_TYPE_INT && elem == MN_TYPE_FLOAT)) {
            return mn_fail(MN_TYPE, "a list of %s cannot hold %s", mn_type_name(elem),
                           mn_type_name(type));
        }
        if (width == 0 && type != MN_TYPE_NULL) sum += values[i].size;
        if (sum > MN_VALUE_BYTES_LIMIT) return mn_fail(MN_TOOBIG, "a list is over 1 GiB");
    }
    *size = sum;
    return MN_OK;
}

static void element_put(uint8_t *at, uint8_t elem, const struct mn_value *value)
{
    double f;

    switch (elem) {
    case MN_TYPE_BOOL: *at = value->b; break;
    case MN_TYPE_UUID: memcpy(at, value->uuid, 16); break;
    case MN_TYPE_FLOAT:
        f = value->type == MN_TYPE_INT ? (double)value->i : value->f;
        memcpy(at, &f, sizeof f);
        break;
    default: mn_put_u64(at, (uint64_t)value->i); break;
    }
}

enum mn_status mn_list_make(struct mn_arena *arena, uint8_t elem, const struct mn_value *values,
                            uint32_t count, struct mn_value *out)
{
    size_t size, end = 0;
    uint8_t *bytes, *body, *data;
    size_t width;
    enum mn_status status;

    if (count > COUNT_MAX) return mn_fail(MN_TOOBIG, "a list has over %d elements", COUNT_MAX);
    status = list_size(elem, values, count, &size);
    if (status != MN_OK) return status;
    bytes = mn_arena_zalloc(arena, size);
    if (!bytes) return mn_fail_nomem();
    width = (size_t)elem_width(elem);
    mn_put_u32(bytes, count);
    bytes[4] = elem;
    bytes[5] = (uint8_t)width;
    body = bytes + HEAD_BYTES + null_bytes(count);
    data = body + (size_t)count * sizeof(uint32_t);
    for (uint32_t i = 0; i < count; i++) {
        if (mn_is_null(&values[i])) {
            bytes[HEAD_BYTES + i / 8] |= (uint8_t)(1u << (i % 8));
        } else if (width) {
            element_put(body + i * width, elem, &values[i]);
        } else {
            if (values[i].size) memcpy(data + end, values[i].p, values[i].size);
            end += values[i].size;
        }
        if (!width) mn_put_u32(body + (size_t)i * sizeof(uint32_t), (uint32_t)end);
    }
    *out = mn_bytes_value(MN_TYPE_LIST, bytes, size);
    out->elem = elem;
    return MN_OK;
}

/* ---- reading ---- */

uint32_t mn_list_count(const struct mn_value *list)
{
    return list->size >= HEAD_BYTES ? mn_get_u32(list->p) : 0;
}

static struct mn_value element_get(const uint8_t *at, uint8_t elem)
{
    double f;

    switch (elem) {
    case MN_TYPE_BOOL: return mn_bool(*at != 0);
    case MN_TYPE_UUID: return mn_uuid(at);
    case MN_TYPE_FLOAT: memcpy(&f, at, sizeof f); return mn_float(f);
    default: return (struct mn_value){.type = elem, .i = (int64_t)mn_get_u64(at)};
    }
}

struct mn_value mn_list_get(const struct mn_value *list, uint32_t i)
{
    const uint8_t *bytes = list->p, *body;
    uint32_t count = mn_list_count(list), begin, end;
    uint8_t elem;
    size_t width;

    if (i >= count || (bytes[HEAD_BYTES + i / 8] >> (i % 8) & 1)) return mn_null();
    elem = bytes[4];
    width = bytes[5];
    body = bytes + HEAD_BYTES + null_bytes(count);
    if (width) return element_get(body + i * width, elem);
    begin = i ? mn_get_u32(body + (size_t)(i - 1) * sizeof begin) : 0;
    end = mn_get_u32(body + (size_t)i * sizeof end);
    return mn_bytes_value((enum mn_type)elem, body + (size_t)count * sizeof end + begin,
                          end - begin);
}

bool mn_list_check(const void *list, size_t size, uint8_t elem)
{
    const uint8_t *bytes = list, *body;
    uint32_t count, before = 0;
    size_t head, room;
    int width;

    if (size < HEAD_BYTES || size > MN_VALUE_BYTES_LIMIT) return false;
    count = mn_get_u32(bytes);
    width = elem_width(bytes[4]);
    if (width < 0 || bytes[5] != width || bytes[6] || bytes[7]) return false;
    if (bytes[4] != elem && bytes[4] != MN_TYPE_NULL) return false;
    head = HEAD_BYTES + null_bytes(count);
    if (count > COUNT_MAX || head > size) return false;
    room = size - head;
    if (width) {
        if (room != (size_t)count * (size_t)width) return false;
        for (uint32_t i = 0; width == 1 && i < count; i++) {
            if (bytes[head + i] > 1) return false;
        }
        return true;
    }
    if (room < (size_t)count * sizeof before) return false;
    body = bytes + head;
    room -= (size_t)count * sizeof before;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = mn_get_u32(body + (size_t)i * sizeof end);
        bool null = bytes[HEAD_BYTES + i / 8] >> (i % 8) & 1;

        if (end < before || end > room || (null && end != before)) return false;
        if (bytes[4] == MN_TYPE_NULL && !null) return false;
        before = end;
    }
    return before == room;
}

/* ---- the rest ---- */

enum mn_status mn_list_concat(struct mn_arena *arena, const struct mn_value *a,
                              const struct mn_value *b, struct mn_value *out)
{
    uint32_t a_count = mn_list_count(a), b_count = mn_list_count(b);
    uint8_t elem = a->elem ? a->elem : b->elem;
    struct mn_value *values;

    if (a->elem == MN_TYPE_INT && b->elem == MN_TYPE_FLOAT) elem = MN_TYPE_FLOAT;
    if ((uint64_t)a_count + b_count > COUNT_MAX) {
        return mn_fail(MN_TOOBIG, "a list has over %d elements", COUNT_MAX);
    }
    values = mn_arena_alloc(arena, ((size_t)a_count + b_count) * sizeof *values);
    if (!values) return mn_fail_nomem();
    for (uint32_t i = 0; i < a_count; i++) values[i] = mn_list_get(a, i);
    for (uint32_t i = 0; i < b_count; i++) values[a_count + i] = mn_list_get(b, i);
    return mn_list_make(arena, elem, values, a_count + b_count, out);
}

static enum mn_status vector_element(double f, uint32_t i, float *out)
{
    if (!isfinite(f)) {
        return mn_fail(MN_RANGE, "element %u of a vector is %s", (unsigned)i + 1,
                       isnan(f) ? "NaN" : "infinite");
    }
    if (fabs(f) > (double)FLT_MAX) {
        return mn_fail(MN_RANGE, "element %u of a vector is beyond f32", (unsigned)i + 1);
    }
    *out = (float)f;
    return MN_OK;
}

static enum mn_status vector_room(struct mn_arena *arena, size_t dims, float **elements)
{
    if (dims < 1 || dims > MN_VECTOR_DIMS_LIMIT) {
        return mn_fail(MN_RANGE, "a vector has 1 to %d dimensions, not %zu", MN_VECTOR_DIMS_LIMIT,
                       dims);
    }
    *elements = mn_arena_alloc(arena, dims * sizeof **elements);
    return *elements ? MN_OK : mn_fail_nomem();
}

static enum mn_status vector_from_list(struct mn_arena *arena, const struct mn_value *from,
                                       struct mn_value *out)
{
    uint32_t count = mn_list_count(from);
    float *elements;
    enum mn_status status = vector_room(arena, count, &elements);

    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        struct mn_value element = mn_list_get(from, i);

        if (element.type == MN_TYPE_INT) element = mn_float((double)element.i);
        if (element.type != MN_TYPE_FLOAT) {
            return mn_fail(MN_TYPE, "element %u of a vector is %s, not a number", (unsigned)i + 1,
                           mn_type_name(element.type));
        }
        status = vector_element(element.f, i, &elements[i]);
    }
    if (status == MN_OK) *out = mn_vector(elements, count);
    return status;
}

static enum mn_status vector_from_blob(struct mn_arena *arena, const struct mn_value *from,
                                       struct mn_value *out)
{
    float *elements;
    enum mn_status status;

    if (from->size % sizeof *elements) {
        return mn_fail(MN_TYPE, "a blob of %u bytes is no vector of f32", (unsigned)from->size);
    }
    status = vector_room(arena, from->size / sizeof *elements, &elements);
    if (status != MN_OK) return status;
    memcpy(elements, from->p, from->size);
    for (uint32_t i = 0; status == MN_OK && i < from->size / sizeof *elements; i++) {
        status = vector_element((double)elements[i], i, &elements[i]);
    }
    if (status == MN_OK) *out = mn_vector(elements, (uint32_t)(from->size / sizeof *elements));
    return status;
}

/* '[1, 2]', as pgvector writes it. */
static enum mn_status vector_from_text(struct mn_arena *arena, const struct mn_value *from,
                                       struct mn_value *out)
{
    const struct mn_kind kind = {.type = MN_TYPE_LIST, .elem = MN_TYPE_FLOAT};
    struct mn_value list;
    enum mn_status status = mn_value_parse(&kind, from->p, from->size, arena, &list);

    if (status == MN_TYPE) return mn_fail(MN_TYPE, "a vector is written [0.1, -2]");
    return status == MN_OK ? vector_from_list(arena, &list, out) : status;
}

enum mn_status mn_vector_make(struct mn_arena *arena, const struct mn_value *from,
                              struct mn_value *out)
{
    switch (from->type) {
    case MN_TYPE_LIST: return vector_from_list(arena, from, out);
    case MN_TYPE_BLOB: return vector_from_blob(arena, from, out);
    case MN_TYPE_TEXT: return vector_from_text(arena, from, out);
    case MN_TYPE_VECTOR: *out = *from; return MN_OK;
    default: return mn_fail(MN_TYPE, "%s is no vector", mn_type_name(from->type));
    }
}
