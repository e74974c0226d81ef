/*
 * datum: what a program gives is checked here, once; what it gets was checked when it was stored.
 */
#include "query/datum.h"

#include <assert.h>

#include "catalog/json.h"
#include "catalog/list.h"
#include "index/vector/distance.h"

/* It stands in arrays of programs that were compiled once. */
static_assert(sizeof(mn_datum) == 16, "mn_datum is the border");
static_assert(offsetof(mn_datum, as) == 8, "mn_datum is the border");

static enum mn_status bytes_read(const mn_datum *datum, struct mn_value *out)
{
    if (!datum->as.p && datum->length > 0) {
        return mn_fail(MN_MISUSE, "a value of %u bytes is at NULL", datum->length);
    }
    if (datum->length > MN_VALUE_BYTES_LIMIT) {
        return mn_fail(MN_TOOBIG, "a value of %u bytes; the longest is %d", datum->length,
                       MN_VALUE_BYTES_LIMIT);
    }
    *out = mn_bytes_value((enum mn_type)datum->type, datum->as.p ? datum->as.p : "", datum->length);
    return MN_OK;
}

static enum mn_status text_read(const mn_datum *datum, struct mn_value *out)
{
    size_t bad;
    enum mn_status status = bytes_read(datum, out);

    if (status != MN_OK || mn_utf8_check(out->p, out->size, &bad)) return status;
    return mn_fail(MN_TYPE, "byte %zu is not UTF-8 text", bad);
}

static enum mn_status vector_read(const mn_datum *datum, struct mn_value *out)
{
    if (!datum->as.p) return mn_fail(MN_MISUSE, "a vector is at NULL");
    if (datum->length < 1 || datum->length > MN_VECTOR_DIMS_LIMIT) {
        return mn_fail(MN_RANGE, "a vector has 1 to %d dimensions, not %u", MN_VECTOR_DIMS_LIMIT,
                       datum->length);
    }
    *out = mn_vector(datum->as.p, datum->length);
    return mn_vector_check(datum->as.p, datum->length);
}

static enum mn_status uuid_read(const mn_datum *datum, struct mn_value *out)
{
    if (!datum->as.p || datum->length != 16) {
        return mn_fail(MN_MISUSE, "a uuid has 16 bytes, not %u", datum->as.p ? datum->length : 0);
    }
    *out = mn_uuid(datum->as.p);
    return MN_OK;
}

/* Everything but lists. */
static enum mn_status scalar_read(const mn_datum *datum, struct mn_value *out)
{
    enum mn_status status;

    switch (datum->type) {
    case MN_TYPE_NULL: *out = mn_null(); return MN_OK;
    case MN_TYPE_BOOL: *out = mn_bool(datum->as.i != 0); return MN_OK;
    case MN_TYPE_INT: *out = mn_int(datum->as.i); return MN_OK;
    case MN_TYPE_FLOAT: *out = mn_float(datum->as.f); return MN_OK;
    case MN_TYPE_TIMESTAMP: *out = mn_timestamp(datum->as.i); return MN_OK;
    case MN_TYPE_DURATION: *out = mn_duration(datum->as.i); return MN_OK;
    case MN_TYPE_TEXT: return text_read(datum, out);
    case MN_TYPE_BLOB: return bytes_read(datum, out);
    case MN_TYPE_UUID: return uuid_read(datum, out);
    case MN_TYPE_VECTOR: return vector_read(datum, out);
    case MN_TYPE_JSON:
        status = bytes_read(datum, out);
        return status == MN_OK ? mn_json_check(out->p, out->size) : status;
    case MN_TYPE_LIST: return mn_fail(MN_TYPE, "a list within a list");
    default: return mn_fail(MN_MISUSE, "there is no type %u", datum->type);
    }
}

/* The type of the first that is not NULL; INT among FLOAT is FLOAT. */
static uint8_t elements_type(const mn_datum *elements, size_t count)
{
    uint32_t type = MN_TYPE_NULL;

    for (size_t i = 0; i < count && (type == MN_TYPE_NULL || type == MN_TYPE_INT); i++) {
        if (elements[i].type == MN_TYPE_NULL) continue;
        if (type == MN_TYPE_NULL || elements[i].type == MN_TYPE_FLOAT) type = elements[i].type;
    }
    return (uint8_t)type;
}

enum mn_status mn_datum_list(const mn_datum *elements, size_t count, uint8_t elem,
                             struct mn_arena *arena, struct mn_value *out)
{
    struct mn_kind kind = {.type = elem};
    struct mn_value *values;
    enum mn_status status = MN_OK;

    if (!elements && count > 0) return mn_fail(MN_MISUSE, "a list is at NULL");
    if (count > MN_VALUE_BYTES_LIMIT) return mn_fail(MN_TOOBIG, "a list of %zu elements", count);
    values = mn_arena_alloc(arena, count * sizeof *values + 1);
    if (!values) return mn_fail_nomem();
    if (elem == MN_TYPE_NULL) kind.type = elements_type(elements, count);
    for (size_t i = 0; i < count && status == MN_OK; i++) {
        struct mn_value given;

        status = scalar_read(&elements[i], &given);
        if (status == MN_OK) status = mn_value_assign(&given, &kind, true, arena, &values[i]);
    }
    return status == MN_OK ? mn_list_make(arena, kind.type, values, (uint32_t)count, out) : status;
}

/* The elements take the type of the list that is wanted. */
static enum mn_status list_read(const mn_datum *datum, const struct mn_kind *kind,
                                struct mn_arena *arena, struct mn_value *out)
{
    uint8_t elem = kind->type == MN_TYPE_LIST ? kind->elem : MN_TYPE_NULL;

    return mn_datum_list(datum->as.p, datum->length, elem, arena, out);
}

enum mn_status mn_datum_read(const mn_datum *datum, const struct mn_kind *kind,
                             struct mn_arena *arena, struct mn_value *out)
{
    struct mn_value given;
    enum mn_status status;

    if (datum->type == kind->type && kind->type != MN_TYPE_VECTOR && kind->type != MN_TYPE_LIST) {
        return scalar_read(datum, out);
    }
    status = datum->type == MN_TYPE_LIST ? list_read(datum, kind, arena, &given)
                                         : scalar_read(datum, &given);
    return status == MN_OK ? mn_value_assign(&given, kind, true, arena, out) : status;
}

void mn_datums_clear(mn_datum *values, size_t count)
{
    for (size_t i = 0; values && i < count; i++) values[i] = (mn_datum){.type = MN_TYPE_NULL};
}

static enum mn_status list_write(const struct mn_value *list, bool copy, struct mn_arena *arena,
                                 mn_datum *out)
{
    uint32_t count = mn_list_count(list);
    mn_datum *elements = mn_arena_alloc(arena, count * sizeof *elements + 1);
    enum mn_status status = MN_OK;

    if (!elements) return mn_fail_nomem();
    for (uint32_t i = 0; i < count && status == MN_OK; i++) {
        struct mn_value element = mn_list_get(list, i);

        status = mn_datum_write(&element, copy, arena, &elements[i]);
    }
    out->length = count;
    out->as.p = elements;
    return status;
}

enum mn_status mn_datum_write(const struct mn_value *value, bool copy, struct mn_arena *arena,
                              mn_datum *out)
{
    size_t bytes;

    *out = (mn_datum){.type = value->type, .length = value->size};
    switch ((enum mn_type)value->type) {
    case MN_TYPE_NULL: return MN_OK;
    case MN_TYPE_BOOL: out->as.i = value->b; return MN_OK;
    case MN_TYPE_FLOAT: out->as.f = value->f; return MN_OK;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: out->as.i = value->i; return MN_OK;
    case MN_TYPE_LIST: return list_write(value, copy, arena, out); /* elements are never lists */
    case MN_TYPE_UUID:
        out->length = 16;
        out->as.p = mn_arena_copy(arena, value->uuid, 16);
        return out->as.p ? MN_OK : mn_fail_nomem();
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_JSON:
    case MN_TYPE_VECTOR: break;
    }
    out->as.p = value->p;
    if (!copy) return MN_OK;
    bytes = value->type == MN_TYPE_VECTOR ? value->size * sizeof(float) : value->size;
    out->as.p = mn_arena_copy(arena, value->p, bytes);
    return out->as.p ? MN_OK : mn_fail_nomem();
}
