/*
 * cast: from one type to another, asked for (::type) and unasked (assignment).
 *
 *   to \ from  BOOL INT FLOAT TEXT BLOB TIME DUR UUID VECT JSON LIST     * the same
 *   BOOL        *    x         p                            j            x converted
 *   INT         x    *    r    p         x    x             j            r rounded, half to even
 *   FLOAT            x    *    p                            j            p its text is parsed
 *   TEXT        f    f    f    *    f    f    f    f    f    f    f      f it is formatted
 *   BLOB                       p    *              x    x                j the scalar in it is
 * parsed TIMESTAMP        x         p         *                  j            e each element is
 * cast DURATION         x         p              *             j UUID                       p    x
 * *        j VECTOR                     p    x                   *   j    x JSON        f    f    f
 * p    f    f    f    f    f   *    f LIST                       p                        x   j e
 */
#include "catalog/json.h"
#include "catalog/list.h"
#include "catalog/value.h"

static bool pair(const struct mn_kind *from, const struct mn_kind *to, uint8_t a, uint8_t b)
{
    return from->type == a && to->type == b;
}

static bool kind_same(const struct mn_kind *from, const struct mn_kind *to)
{
    if (from->type != to->type) return false;
    if (to->type == MN_TYPE_LIST) return from->elem == to->elem;
    return to->type != MN_TYPE_VECTOR || to->dims == 0 || from->dims == to->dims;
}

static bool number_cast_exists(const struct mn_kind *from, const struct mn_kind *to)
{
    return pair(from, to, MN_TYPE_BOOL, MN_TYPE_INT) || pair(from, to, MN_TYPE_INT, MN_TYPE_BOOL) ||
           pair(from, to, MN_TYPE_INT, MN_TYPE_FLOAT) ||
           pair(from, to, MN_TYPE_FLOAT, MN_TYPE_INT) ||
           pair(from, to, MN_TYPE_INT, MN_TYPE_TIMESTAMP) ||
           pair(from, to, MN_TYPE_TIMESTAMP, MN_TYPE_INT) ||
           pair(from, to, MN_TYPE_INT, MN_TYPE_DURATION) ||
           pair(from, to, MN_TYPE_DURATION, MN_TYPE_INT);
}

static bool bytes_cast_exists(const struct mn_kind *from, const struct mn_kind *to)
{
    return pair(from, to, MN_TYPE_BLOB, MN_TYPE_UUID) ||
           pair(from, to, MN_TYPE_UUID, MN_TYPE_BLOB) ||
           pair(from, to, MN_TYPE_BLOB, MN_TYPE_VECTOR) ||
           pair(from, to, MN_TYPE_VECTOR, MN_TYPE_BLOB);
}

bool mn_cast_exists(const struct mn_kind *from, const struct mn_kind *to)
{
    if (from->type == MN_TYPE_NULL || from->type == to->type) {
        struct mn_kind a = {.type = from->elem}, b = {.type = to->elem};

        if (from->type != MN_TYPE_LIST || kind_same(from, to)) return true;
        return mn_cast_exists(&a, &b);
    }
    if (to->type == MN_TYPE_TEXT || to->type == MN_TYPE_JSON) return true;
    if (from->type == MN_TYPE_TEXT) return to->type != MN_TYPE_NULL;
    if (from->type == MN_TYPE_JSON) return to->type != MN_TYPE_BLOB && to->type != MN_TYPE_NULL;
    if (from->type == MN_TYPE_LIST) {
        return to->type == MN_TYPE_VECTOR &&
               (from->elem == MN_TYPE_INT || from->elem == MN_TYPE_FLOAT || !from->elem);
    }
    if (pair(from, to, MN_TYPE_VECTOR, MN_TYPE_LIST)) {
        return to->elem == MN_TYPE_FLOAT || to->elem == MN_TYPE_INT;
    }
    return number_cast_exists(from, to) || bytes_cast_exists(from, to);
}

static enum mn_status no_cast(const struct mn_kind *from, const struct mn_kind *to)
{
    char a[32], b[32];

    return mn_fail(MN_TYPE, "%s is not cast to %s", mn_kind_name(from, a), mn_kind_name(to, b));
}

/* ---- to bytes ---- */

static enum mn_status text_cast(const struct mn_value *from, struct mn_arena *arena,
                                struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status;

    if (from->type == MN_TYPE_JSON) {
        *out = mn_text(from->p, from->size);
        return MN_OK;
    }
    status = mn_value_format(from, &buf);
    if (status == MN_OK && buf.len > MN_VALUE_BYTES_LIMIT) {
        status = mn_fail(MN_TOOBIG, "a text is over 1 GiB");
    }
    if (status == MN_OK) {
        const char *copy = mn_arena_copy(arena, buf.data, buf.len);

        *out = mn_text(copy, buf.len);
        if (!copy) status = mn_fail_nomem();
    }
    mn_buf_release(&buf);
    return status;
}

static enum mn_status uuid_cast(const struct mn_value *from, struct mn_value *out)
{
    if (from->size != 16) {
        return mn_fail(MN_TYPE, "a UUID has 16 bytes, the BLOB has %u", (unsigned)from->size);
    }
    *out = mn_uuid(from->p);
    return MN_OK;
}

static enum mn_status blob_cast(const struct mn_value *from, struct mn_arena *arena,
                                struct mn_value *out)
{
    const void *copy;

    if (from->type == MN_TYPE_VECTOR) {
        *out = mn_bytes_value(MN_TYPE_BLOB, from->p, (size_t)from->size * sizeof(float));
        return MN_OK;
    }
    copy = mn_arena_copy(arena, from->uuid, 16);
    if (!copy) return mn_fail_nomem();
    *out = mn_bytes_value(MN_TYPE_BLOB, copy, 16);
    return MN_OK;
}

/* ---- to lists and vectors ---- */

static enum mn_status vector_fits(const struct mn_value *vector, const struct mn_kind *to)
{
    if (to->dims == 0 || vector->size == to->dims) return MN_OK;
    return mn_fail(MN_TYPE, "VECTOR(%u) wanted, the value has %u values", (unsigned)to->dims,
                   (unsigned)vector->size);
}

/* How one element becomes another: by mn_value_cast, or by mn_value_assign. */
struct element_change {
    bool assign, text_too;
};

static enum mn_status list_change(const struct mn_value *from, const struct mn_kind *to,
                                  const struct element_change *change, struct mn_arena *arena,
                                  struct mn_value *out);

static enum mn_status vector_to_list(const struct mn_value *from, const struct mn_kind *to,
                                     struct mn_arena *arena, struct mn_value *out)
{
    const float *elements = from->p;
    struct mn_value *values = mn_arena_alloc(arena, from->size * sizeof *values);

    if (!values) return mn_fail_nomem();
    for (uint32_t i = 0; i < from->size; i++) values[i] = mn_float((double)elements[i]);
    if (to->elem == MN_TYPE_INT) {
        for (uint32_t i = 0; i < from->size; i++) {
            enum mn_status status = mn_float_to_int(values[i].f, &values[i].i);

            if (status != MN_OK) return status;
            values[i].type = MN_TYPE_INT;
        }
    }
    return mn_list_make(arena, to->elem, values, from->size, out);
}

static enum mn_status vector_cast(const struct mn_value *from, const struct mn_kind *to,
                                  struct mn_arena *arena, struct mn_value *out)
{
    enum mn_status status = mn_vector_make(arena, from, out);

    return status == MN_OK ? vector_fits(out, to) : status;
}

/* ---- to numbers and times ---- */

static enum mn_status scalar_cast(const struct mn_value *from, const struct mn_kind *to,
                                  struct mn_value *out)
{
    *out = (struct mn_value){.type = to->type};
    switch (to->type) {
    case MN_TYPE_BOOL: out->b = from->i != 0; return MN_OK;
    case MN_TYPE_FLOAT: out->f = (double)from->i; return MN_OK;
    case MN_TYPE_INT:
        if (from->type == MN_TYPE_FLOAT) return mn_float_to_int(from->f, &out->i);
        out->i = from->type == MN_TYPE_BOOL ? from->b : from->i;
        return MN_OK;
    default: out->i = from->i; return MN_OK; /* microseconds */
    }
}

static enum mn_status json_scalar_cast(const struct mn_value *from, const struct mn_kind *to,
                                       struct mn_arena *arena, struct mn_value *out)
{
    const char *type = mn_json_type(from);
    bool array = strcmp(type, "array") == 0;
    struct mn_value text;
    enum mn_status status;

    if (strcmp(type, "object") == 0 ||
        array != (to->type == MN_TYPE_LIST || to->type == MN_TYPE_VECTOR)) {
        char name[32];

        return mn_fail(MN_TYPE, "a JSON %s is not cast to %s", type, mn_kind_name(to, name));
    }
    status = mn_json_text(from, arena, &text);
    if (status != MN_OK) return status;
    if (to->type == MN_TYPE_INT && strcmp(type, "number") == 0) {
        double f;

        if (mn_int_parse(text.p, text.size, &out->i) == MN_OK) {
            *out = mn_int(out->i);
            return MN_OK;
        }
        status = mn_float_parse(text.p, text.size, &f);
        if (status == MN_OK) status = mn_float_to_int(f, &out->i);
        *out = mn_int(out->i);
        return status;
    }
    return mn_value_parse(to, text.p, text.size, arena, out);
}

static enum mn_status json_cast(const struct mn_value *from, const struct mn_kind *to,
                                struct mn_arena *arena, struct mn_value *out)
{
    if (strcmp(mn_json_type(from), "null") == 0) {
        *out = mn_null();
        return MN_OK;
    }
    return json_scalar_cast(from, to, arena, out);
}

static enum mn_status json_from(const struct mn_value *from, struct mn_arena *arena,
                                struct mn_value *out)
{
    const struct mn_kind json = {.type = MN_TYPE_JSON};

    if (from->type == MN_TYPE_TEXT) return mn_value_parse(&json, from->p, from->size, arena, out);
    return mn_json_make(from, arena, out);
}

enum mn_status mn_value_cast(const struct mn_value *from, const struct mn_kind *to,
                             struct mn_arena *arena, struct mn_value *out)
{
    const struct element_change change = {.assign = false};
    struct mn_kind kind = mn_value_kind(from);

    if (mn_is_null(from) || kind_same(&kind, to)) {
        *out = *from;
        return MN_OK;
    }
    if (from->type == MN_TYPE_VECTOR && to->type == MN_TYPE_VECTOR) return vector_fits(from, to);
    if (!mn_cast_exists(&kind, to)) return no_cast(&kind, to);
    if (to->type == MN_TYPE_TEXT) return text_cast(from, arena, out);
    if (to->type == MN_TYPE_JSON) return json_from(from, arena, out);
    if (from->type == MN_TYPE_JSON) return json_cast(from, to, arena, out);
    if (to->type == MN_TYPE_VECTOR) return vector_cast(from, to, arena, out);
    if (from->type == MN_TYPE_TEXT) return mn_value_parse(to, from->p, from->size, arena, out);
    if (from->type == MN_TYPE_LIST) return list_change(from, to, &change, arena, out);
    if (from->type == MN_TYPE_VECTOR && to->type == MN_TYPE_LIST) {
        return vector_to_list(from, to, arena, out);
    }
    if (to->type == MN_TYPE_UUID) return uuid_cast(from, out);
    if (to->type == MN_TYPE_BLOB) return blob_cast(from, arena, out);
    return scalar_cast(from, to, out);
}

/* ---- assignment ---- */

bool mn_assign_exists(const struct mn_kind *from, const struct mn_kind *to, bool text_too)
{
    if (from->type == MN_TYPE_NULL || kind_same(from, to)) return true;
    if (pair(from, to, MN_TYPE_INT, MN_TYPE_FLOAT)) return true;
    if (pair(from, to, MN_TYPE_LIST, MN_TYPE_LIST)) {
        struct mn_kind a = {.type = from->elem}, b = {.type = to->elem};

        return mn_assign_exists(&a, &b, text_too);
    }
    if (to->type == MN_TYPE_VECTOR) {
        if (from->type == MN_TYPE_VECTOR) return from->dims == 0;
        if (from->type == MN_TYPE_LIST) {
            return from->elem == MN_TYPE_INT || from->elem == MN_TYPE_FLOAT || !from->elem;
        }
        return from->type == MN_TYPE_BLOB || (text_too && from->type == MN_TYPE_TEXT);
    }
    return text_too && from->type == MN_TYPE_TEXT &&
           (to->type == MN_TYPE_TIMESTAMP || to->type == MN_TYPE_DURATION ||
            to->type == MN_TYPE_UUID || to->type == MN_TYPE_JSON);
}

enum mn_status mn_value_assign(const struct mn_value *from, const struct mn_kind *to, bool text_too,
                               struct mn_arena *arena, struct mn_value *out)
{
    const struct element_change change = {.assign = true, .text_too = text_too};
    struct mn_kind kind = mn_value_kind(from);

    if (mn_is_null(from) || kind_same(&kind, to)) {
        *out = *from;
        return MN_OK;
    }
    if (from->type == MN_TYPE_VECTOR && to->type == MN_TYPE_VECTOR) return vector_fits(from, to);
    if (!mn_assign_exists(&kind, to, text_too)) {
        char a[32], b[32];

        return mn_fail(MN_TYPE, "%s is given where %s is wanted", mn_kind_name(&kind, a),
                       mn_kind_name(to, b));
    }
    if (to->type == MN_TYPE_LIST) return list_change(from, to, &change, arena, out);
    return mn_value_cast(from, to, arena, out);
}

static enum mn_status list_change(const struct mn_value *from, const struct mn_kind *to,
                                  const struct element_change *change, struct mn_arena *arena,
                                  struct mn_value *out)
{
    uint32_t count = mn_list_count(from);
    struct mn_kind elem = {.type = to->elem};
    struct mn_value *values = mn_arena_alloc(arena, count * sizeof *values);
    enum mn_status status = MN_OK;

    if (!values) return mn_fail_nomem();
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        struct mn_value element = mn_list_get(from, i);

        status = change->assign
                     ? mn_value_assign(&element, &elem, change->text_too, arena, &values[i])
                     : mn_value_cast(&element, &elem, arena, &values[i]);
    }
    return status == MN_OK ? mn_list_make(arena, to->elem, values, count, out) : status;
}
