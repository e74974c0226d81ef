/*
 * value: names of types, copies, comparison and hashing.
 */
#include "catalog/value.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "base/assert.h"
#include "base/hash.h"
#include "catalog/json.h"
#include "catalog/list.h"

/* ---- types ---- */

static const char *const type_names[] = {
    "NULL",      "BOOL",     "INT",  "FLOAT",  "TEXT", "BLOB",
    "TIMESTAMP", "DURATION", "UUID", "VECTOR", "JSON", "LIST",
};

const char *mn_type_name(uint8_t type)
{
    return type < sizeof type_names / sizeof type_names[0] ? type_names[type] : "?";
}

const char *mn_kind_name(const struct mn_kind *kind, char name[32])
{
    if (kind->type == MN_TYPE_LIST) {
        snprintf(name, 32, "%s[]", kind->elem ? mn_type_name(kind->elem) : "");
    } else if (kind->type == MN_TYPE_VECTOR && kind->dims) {
        snprintf(name, 32, "VECTOR(%u)", (unsigned)kind->dims);
    } else {
        snprintf(name, 32, "%s", mn_type_name(kind->type));
    }
    return name;
}

bool mn_kind_find(const char *name, size_t length, struct mn_kind *kind)
{
    static const struct {
        const char *name;
        enum mn_type type;
    } known[] = {
        {"bool", MN_TYPE_BOOL},
        {"boolean", MN_TYPE_BOOL},
        {"int", MN_TYPE_INT},
        {"integer", MN_TYPE_INT},
        {"bigint", MN_TYPE_INT},
        {"smallint", MN_TYPE_INT},
        {"float", MN_TYPE_FLOAT},
        {"real", MN_TYPE_FLOAT},
        {"double", MN_TYPE_FLOAT},
        {"text", MN_TYPE_TEXT},
        {"varchar", MN_TYPE_TEXT},
        {"string", MN_TYPE_TEXT},
        {"blob", MN_TYPE_BLOB},
        {"bytea", MN_TYPE_BLOB},
        {"timestamp", MN_TYPE_TIMESTAMP},
        {"timestamptz", MN_TYPE_TIMESTAMP},
        {"duration", MN_TYPE_DURATION},
        {"interval", MN_TYPE_DURATION},
        {"uuid", MN_TYPE_UUID},
        {"vector", MN_TYPE_VECTOR},
        {"json", MN_TYPE_JSON},
        {"jsonb", MN_TYPE_JSON},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == length && strncasecmp(known[i].name, name, length) == 0) {
            *kind = (struct mn_kind){.type = (uint8_t)known[i].type};
            return true;
        }
    }
    return false;
}

/* ---- copies ---- */

static size_t value_bytes(const struct mn_value *value)
{
    return value->type == MN_TYPE_VECTOR ? (size_t)value->size * sizeof(float) : value->size;
}

enum mn_status mn_value_copy(struct mn_arena *arena, const struct mn_value *from,
                             struct mn_value *to)
{
    *to = *from;
    if (mn_type_has_bytes(from->type)) {
        to->p = mn_arena_copy(arena, from->p, value_bytes(from));
        if (!to->p) return mn_fail_nomem();
    }
    return MN_OK;
}

/* ---- order ---- */

static int int_order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int float_order(double a, double b)
{
    if (isnan(a) || isnan(b)) return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

/* Exactly: 2^53 + 1 is not the double next to it. */
static int int_float_order(int64_t i, double f)
{
    int64_t whole;

    if (isnan(f) || f >= 0x1p63) return -1;
    if (f < -0x1p63) return 1;
    whole = (int64_t)f;
    if (i != whole) return i < whole ? -1 : 1;
    return float_order((double)whole, f);
}

static int bytes_order(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t least = a_size < b_size ? a_size : b_size;
    int order = least ? memcmp(a, b, least) : 0;

    if (order == 0) return (a_size > b_size) - (a_size < b_size);
    return order < 0 ? -1 : 1;
}

static int vector_order(const struct mn_value *a, const struct mn_value *b)
{
    const float *x = a->p, *y = b->p;

    for (uint32_t i = 0; i < a->size && i < b->size; i++) {
        int order = float_order((double)x[i], (double)y[i]);

        if (order) return order;
    }
    return int_order(a->size, b->size);
}

/* Two values of one type, or of INT and FLOAT, neither NULL nor LIST nor JSON. */
static int scalar_order(const struct mn_value *a, const struct mn_value *b)
{
    if (a->type != b->type) {
        return a->type == MN_TYPE_INT ? int_float_order(a->i, b->f) : -int_float_order(b->i, a->f);
    }
    switch ((enum mn_type)a->type) {
    case MN_TYPE_BOOL: return a->b - b->b;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: return int_order(a->i, b->i);
    case MN_TYPE_FLOAT: return float_order(a->f, b->f);
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB: return bytes_order(a->p, a->size, b->p, b->size);
    case MN_TYPE_UUID: return bytes_order(a->uuid, 16, b->uuid, 16);
    case MN_TYPE_VECTOR: return vector_order(a, b);
    case MN_TYPE_NULL:
    case MN_TYPE_JSON:
    case MN_TYPE_LIST: break;
    }
    mn_assert_failed("a scalar that has an order", __FILE__, __LINE__);
}

static bool types_compare(uint8_t a, uint8_t b)
{
    return a == b || (a == MN_TYPE_INT && b == MN_TYPE_FLOAT) ||
           (a == MN_TYPE_FLOAT && b == MN_TYPE_INT);
}

static enum mn_status json_same(const struct mn_value *a, const struct mn_value *b, bool *same)
{
    struct mn_buf x = {0}, y = {0};
    enum mn_status status = MN_OK;

    *same = a->size == b->size && memcmp(a->p, b->p, a->size) == 0;
    if (*same) return MN_OK;
    status = mn_json_canonical(a->p, a->size, &x);
    if (status == MN_OK) status = mn_json_canonical(b->p, b->size, &y);
    if (status == MN_OK) *same = bytes_order(x.data, x.len, y.data, y.len) == 0;
    mn_buf_release(&x);
    mn_buf_release(&y);
    return status;
}

static enum mn_status list_compare(const struct mn_value *a, const struct mn_value *b, int *order)
{
    uint32_t a_count = mn_list_count(a), b_count = mn_list_count(b);

    for (uint32_t i = 0; i < a_count && i < b_count; i++) {
        struct mn_value x = mn_list_get(a, i), y = mn_list_get(b, i);
        enum mn_status status = mn_value_compare(&x, &y, order);

        if (status != MN_OK || *order != 0) return status;
    }
    *order = int_order(a_count, b_count);
    return MN_OK;
}

enum mn_status mn_value_compare(const struct mn_value *a, const struct mn_value *b, int *order)
{
    enum mn_status status;
    bool same;

    *order = MN_ORDER_UNKNOWN;
    if (mn_is_null(a) || mn_is_null(b)) return MN_OK;
    if (!types_compare(a->type, b->type)) {
        struct mn_kind x = mn_value_kind(a), y = mn_value_kind(b);
        char left[32], right[32];

        return mn_fail(MN_TYPE, "%s does not compare with %s", mn_kind_name(&x, left),
                       mn_kind_name(&y, right));
    }
    if (a->type == MN_TYPE_LIST) return list_compare(a, b, order);
    if (a->type == MN_TYPE_JSON) {
        status = json_same(a, b, &same);
        if (status == MN_OK) *order = !same;
        return status;
    }
    *order = scalar_order(a, b);
    if (a->type == MN_TYPE_VECTOR) *order = *order != 0;
    return MN_OK;
}

static int list_order(const struct mn_value *a, const struct mn_value *b)
{
    uint32_t a_count = mn_list_count(a), b_count = mn_list_count(b);

    for (uint32_t i = 0; i < a_count && i < b_count; i++) {
        struct mn_value x = mn_list_get(a, i), y = mn_list_get(b, i);
        int order = mn_value_order(&x, &y);

        if (order) return order;
    }
    return int_order(a_count, b_count);
}

int mn_value_order(const struct mn_value *a, const struct mn_value *b)
{
    if (mn_is_null(a) || mn_is_null(b)) return mn_is_null(a) - mn_is_null(b);
    if (!types_compare(a->type, b->type)) return a->type < b->type ? -1 : 1;
    if (a->type == MN_TYPE_LIST) return list_order(a, b);
    if (a->type == MN_TYPE_JSON) return bytes_order(a->p, a->size, b->p, b->size);
    return scalar_order(a, b);
}

/* ---- sameness ---- */

static enum mn_status list_same(const struct mn_value *a, const struct mn_value *b, bool *same)
{
    uint32_t count = mn_list_count(a);

    *same = count == mn_list_count(b);
    for (uint32_t i = 0; *same && i < count; i++) {
        struct mn_value x = mn_list_get(a, i), y = mn_list_get(b, i);
        enum mn_status status = mn_value_same(&x, &y, same);

        if (status != MN_OK) return status;
    }
    return MN_OK;
}

enum mn_status mn_value_same(const struct mn_value *a, const struct mn_value *b, bool *same)
{
    *same = false;
    if (mn_is_null(a) || mn_is_null(b)) {
        *same = a->type == b->type;
        return MN_OK;
    }
    if (!types_compare(a->type, b->type)) return MN_OK;
    if (a->type == MN_TYPE_LIST) return list_same(a, b, same);
    if (a->type == MN_TYPE_JSON) return json_same(a, b, same);
    *same = scalar_order(a, b) == 0;
    return MN_OK;
}

static uint64_t word_hash(uint64_t word, uint64_t seed)
{
    return mn_hash(&word, sizeof word, seed);
}

/* A whole FLOAT hashes as the INT that equals it. */
static uint64_t float_hash(double f, uint64_t seed)
{
    uint64_t bits;

    if (isnan(f)) return word_hash(UINT64_C(0x7ff8000000000000), seed + 1);
    if (f >= -0x1p63 && f < 0x1p63 && (double)(int64_t)f == f) {
        return word_hash((uint64_t)(int64_t)f, seed);
    }
    memcpy(&bits, &f, sizeof bits);
    return word_hash(bits, seed + 1);
}

static uint64_t vector_hash(const struct mn_value *value, uint64_t seed)
{
    const float *elements = value->p;
    uint64_t hash = word_hash(value->size, seed);

    for (uint32_t i = 0; i < value->size; i++) {
        float element = elements[i] + 0.0F; /* -0 becomes 0 */
        uint32_t bits;

        memcpy(&bits, &element, sizeof bits);
        hash = mn_hash_mix(hash, bits);
    }
    return hash;
}

static enum mn_status json_hash(const struct mn_value *value, uint64_t seed, uint64_t *hash)
{
    struct mn_buf canonical = {0};
    enum mn_status status = mn_json_canonical(value->p, value->size, &canonical);

    if (status == MN_OK) *hash = mn_hash(canonical.data, canonical.len, seed);
    mn_buf_release(&canonical);
    return status;
}

static enum mn_status list_hash(const struct mn_value *value, uint64_t seed, uint64_t *hash)
{
    uint32_t count = mn_list_count(value);
    uint64_t sum = word_hash(count, seed);

    for (uint32_t i = 0; i < count; i++) {
        struct mn_value element = mn_list_get(value, i);
        enum mn_status status = mn_value_hash(&element, sum, &sum);

        if (status != MN_OK) return status;
    }
    *hash = sum;
    return MN_OK;
}

enum mn_status mn_value_hash(const struct mn_value *value, uint64_t seed, uint64_t *hash)
{
    switch ((enum mn_type)value->type) {
    case MN_TYPE_NULL: *hash = word_hash(0, seed + 2); return MN_OK;
    case MN_TYPE_BOOL: *hash = word_hash(value->b, seed + 3); return MN_OK;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: *hash = word_hash((uint64_t)value->i, seed); return MN_OK;
    case MN_TYPE_FLOAT: *hash = float_hash(value->f, seed); return MN_OK;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB: *hash = mn_hash(value->p, value->size, seed); return MN_OK;
    case MN_TYPE_UUID: *hash = mn_hash(value->uuid, 16, seed); return MN_OK;
    case MN_TYPE_VECTOR: *hash = vector_hash(value, seed); return MN_OK;
    case MN_TYPE_JSON: return json_hash(value, seed, hash);
    case MN_TYPE_LIST: return list_hash(value, seed, hash);
    }
    return mn_fail(MN_MISUSE, "a value has the unknown type %d", value->type);
}
