/*
 * key: encoding values so that memcmp orders them, and back.
 */
#include "catalog/key.h"

#include <math.h>

#include "base/bytes.h"
#include "catalog/list.h"

enum {
    MARK_NULL_FIRST = 0,
    MARK_VALUE = 1,
    MARK_NULL_LAST = 2,
    ESCAPE = 0xff, /* behind a 00 that is part of the bytes */
    LIST_END = 0,
    NUMBER_BYTES = 8,
    UUID_BYTES = 16
};

#define SIGN (UINT64_C(1) << 63)
#define NAN_BITS UINT64_C(0x7ff8000000000000)

/* ---- encoding ---- */

static enum mn_status number_append(struct mn_buf *key, uint64_t bits)
{
    uint8_t bytes[NUMBER_BYTES];

    mn_put_u64_be(bytes, bits);
    return mn_buf_append(key, bytes, sizeof bytes);
}

static uint64_t float_bits(double f)
{
    uint64_t bits;

    f += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &f, sizeof bits);
    if (isnan(f)) bits = NAN_BITS;
    return bits & SIGN ? ~bits : bits ^ SIGN;
}

static enum mn_status bytes_append(struct mn_buf *key, const struct mn_value *value)
{
    const uint8_t *at = value->p, *end = at + value->size;
    static const uint8_t escaped[2] = {0, ESCAPE}, terminator[2] = {0, 0};
    enum mn_status status = MN_OK;

    if (value->size > MN_KEY_BYTES_MAX) return MN_TOOBIG;
    while (status == MN_OK && at < end) {
        const uint8_t *zero = memchr(at, 0, (size_t)(end - at));
        size_t run = (size_t)((zero ? zero : end) - at);

        status = mn_buf_append(key, at, run);
        if (status == MN_OK && zero) status = mn_buf_append(key, escaped, 2);
        at += run + (zero != NULL);
    }
    return status == MN_OK ? mn_buf_append(key, terminator, 2) : status;
}

static enum mn_status payload_append(struct mn_buf *key, const struct mn_value *value);

static enum mn_status list_append(struct mn_buf *key, const struct mn_value *value)
{
    uint32_t count = mn_list_count(value);
    enum mn_status status = MN_OK;

    if (count > MN_KEY_BYTES_MAX) return MN_TOOBIG;
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        struct mn_value element = mn_list_get(value, i);

        if (key->len > 2 * (size_t)MN_KEY_BYTES_MAX) return MN_TOOBIG;
        status = mn_buf_byte(key, mn_is_null(&element) ? MARK_NULL_LAST : MARK_VALUE);
        if (status == MN_OK && !mn_is_null(&element)) status = payload_append(key, &element);
    }
    return status == MN_OK ? mn_buf_byte(key, LIST_END) : status;
}

static enum mn_status payload_append(struct mn_buf *key, const struct mn_value *value)
{
    switch ((enum mn_type)value->type) {
    case MN_TYPE_BOOL: return mn_buf_byte(key, value->b);
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: return number_append(key, (uint64_t)value->i ^ SIGN);
    case MN_TYPE_FLOAT: return number_append(key, float_bits(value->f));
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB: return bytes_append(key, value);
    case MN_TYPE_UUID: return mn_buf_append(key, value->uuid, UUID_BYTES);
    case MN_TYPE_LIST: return list_append(key, value);
    case MN_TYPE_NULL:
    case MN_TYPE_VECTOR:
    case MN_TYPE_JSON: break;
    }
    return mn_fail(MN_TYPE, "%s has no order and cannot be a key", mn_type_name(value->type));
}

enum mn_status mn_key_append(struct mn_buf *key, const struct mn_value *value, unsigned order)
{
    size_t begin = key->len;
    enum mn_status status;

    if (mn_is_null(value)) {
        if (begin >= MN_KEY_BYTES_MAX) {
            return mn_fail(MN_TOOBIG, "a key is over %d bytes", MN_KEY_BYTES_MAX);
        }
        return mn_buf_byte(key, order & MN_KEY_NULLS_FIRST ? MARK_NULL_FIRST : MARK_NULL_LAST);
    }
    status = mn_buf_byte(key, MARK_VALUE);
    if (status == MN_OK) status = payload_append(key, value);
    if (status == MN_TOOBIG || (status == MN_OK && key->len > MN_KEY_BYTES_MAX)) {
        status = mn_fail(MN_TOOBIG, "a key is over %d bytes", MN_KEY_BYTES_MAX);
    }
    if (status != MN_OK) {
        key->len = begin;
        return status;
    }
    if (order & MN_KEY_DESC) {
        for (size_t i = begin + 1; i < key->len; i++) key->data[i] = (uint8_t)~key->data[i];
    }
    return MN_OK;
}

static enum mn_status key_damaged(void)
{
    return mn_fail(MN_CORRUPT, "a key is damaged");
}

/* ---- decoding: `flip` is FF where the column is DESC, and every byte is read through it ---- */

/* The end of escaped bytes, where their terminator begins; *zeros counts the escapes. NULL: no end.
 */
static const uint8_t *bytes_end(const uint8_t *at, const uint8_t *end, uint8_t flip, size_t *zeros)
{
    *zeros = 0;
    for (;;) {
        at = memchr(at, flip, (size_t)(end - at));
        if (!at || end - at < 2) return NULL;
        if ((uint8_t)(at[1] ^ flip) == 0) return at;
        if ((uint8_t)(at[1] ^ flip) != ESCAPE) return NULL;
        (*zeros)++;
        at += 2;
    }
}

static enum mn_status bytes_decode(const uint8_t **at, const uint8_t *end, uint8_t flip,
                                   struct mn_arena *arena, struct mn_value *out)
{
    size_t zeros, size;
    const uint8_t *from = *at, *stop = bytes_end(from, end, flip, &zeros);
    uint8_t *copy;

    if (!stop) return key_damaged();
    *at = stop + 2;
    size = (size_t)(stop - from) - zeros;
    out->size = (uint32_t)size;
    out->p = from;
    if (zeros == 0 && flip == 0) return MN_OK;
    copy = mn_arena_alloc(arena, size);
    if (!copy) return mn_fail_nomem();
    for (size_t i = 0; i < size; i++) {
        copy[i] = *from ^ flip;
        from += copy[i] ? 1 : 2;
    }
    out->p = copy;
    return MN_OK;
}

static uint64_t number_decode(const uint8_t *at, uint8_t flip)
{
    uint64_t bits = mn_get_u64_be(at);

    return flip ? ~bits : bits;
}

static enum mn_status payload_decode(const uint8_t **at, const uint8_t *end, uint8_t flip,
                                     struct mn_arena *arena, struct mn_value *out);

static enum mn_status list_decode(const uint8_t **at, const uint8_t *end, uint8_t flip,
                                  struct mn_arena *arena, struct mn_value *out)
{
    struct mn_buf values = {0};
    uint8_t elem = out->elem;
    enum mn_status status = MN_OK;

    while (status == MN_OK) {
        struct mn_value element = {.type = elem};
        uint8_t mark;

        if (*at == end) {
            status = key_damaged();
            break;
        }
        mark = *(*at)++ ^ flip;
        if (mark == LIST_END) {
            status = mn_list_make(arena, elem, (const struct mn_value *)(void *)values.data,
                                  (uint32_t)(values.len / sizeof element), out);
            break;
        }
        if (mark == MARK_NULL_LAST) {
            element = mn_null();
        } else if (mark == MARK_VALUE) {
            status = payload_decode(at, end, flip, arena, &element);
        } else {
            status = key_damaged();
        }
        if (status == MN_OK) status = mn_buf_append(&values, &element, sizeof element);
    }
    mn_buf_release(&values);
    return status;
}

/* out->type, and elem of a LIST, say what is to be read; a list in a list is no kind. */
static enum mn_status payload_decode(const uint8_t **at, const uint8_t *end, uint8_t flip,
                                     struct mn_arena *arena, struct mn_value *out)
{
    const uint8_t *from = *at;
    size_t room = (size_t)(end - from);
    uint64_t bits;

    switch ((enum mn_type)out->type) {
    case MN_TYPE_BOOL:
        if (room < 1 || (*from ^ flip) > 1) return key_damaged();
        out->b = (*from ^ flip) != 0;
        *at += 1;
        return MN_OK;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
        if (room < NUMBER_BYTES) return key_damaged();
        out->i = (int64_t)(number_decode(from, flip) ^ SIGN);
        *at += NUMBER_BYTES;
        return MN_OK;
    case MN_TYPE_FLOAT:
        if (room < NUMBER_BYTES) return key_damaged();
        bits = number_decode(from, flip);
        bits = bits & SIGN ? bits ^ SIGN : ~bits;
        memcpy(&out->f, &bits, sizeof bits);
        *at += NUMBER_BYTES;
        return MN_OK;
    case MN_TYPE_UUID:
        if (room < UUID_BYTES) return key_damaged();
        for (int i = 0; i < UUID_BYTES; i++) out->uuid[i] = from[i] ^ flip;
        *at += UUID_BYTES;
        return MN_OK;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB: return bytes_decode(at, end, flip, arena, out);
    case MN_TYPE_LIST:
        if (out->elem == MN_TYPE_LIST) return key_damaged();
        return list_decode(at, end, flip, arena, out);
    case MN_TYPE_NULL:
    case MN_TYPE_VECTOR:
    case MN_TYPE_JSON: break;
    }
    return key_damaged();
}

enum mn_status mn_key_decode(const uint8_t **at, const uint8_t *end, const struct mn_kind *kind,
                             unsigned order, struct mn_arena *arena, struct mn_value *out)
{
    uint8_t flip = order & MN_KEY_DESC ? 0xff : 0;
    uint8_t mark;

    if (*at >= end) return key_damaged();
    mark = *(*at)++;
    *out = mn_null();
    if (mark == (order & MN_KEY_NULLS_FIRST ? MARK_NULL_FIRST : MARK_NULL_LAST)) return MN_OK;
    if (mark != MARK_VALUE) return key_damaged();
    *out = (struct mn_value){.type = kind->type, .elem = kind->elem};
    return payload_decode(at, end, flip, arena, out);
}

/* ---- skipping ---- */

static bool payload_skip(const uint8_t **at, const uint8_t *end, uint8_t flip, uint8_t type)
{
    size_t size = 0, zeros;

    switch ((enum mn_type)type) {
    case MN_TYPE_BOOL: size = 1; break;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
    case MN_TYPE_FLOAT: size = NUMBER_BYTES; break;
    case MN_TYPE_UUID: size = UUID_BYTES; break;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
        *at = bytes_end(*at, end, flip, &zeros);
        size = 2;
        break;
    case MN_TYPE_LIST:
    case MN_TYPE_NULL:
    case MN_TYPE_VECTOR:
    case MN_TYPE_JSON: return false;
    }
    if (!*at || (size_t)(end - *at) < size) return false;
    *at += size;
    return true;
}

bool mn_key_skip(const uint8_t **at, const uint8_t *end, const struct mn_kind *kind, unsigned order)
{
    uint8_t flip = order & MN_KEY_DESC ? 0xff : 0;
    uint8_t mark;

    if (*at >= end) return false;
    mark = *(*at)++;
    if (mark == (order & MN_KEY_NULLS_FIRST ? MARK_NULL_FIRST : MARK_NULL_LAST)) return true;
    if (mark != MARK_VALUE) return false;
    if (kind->type != MN_TYPE_LIST) return payload_skip(at, end, flip, kind->type);
    while (*at < end) {
        mark = *(*at)++ ^ flip;
        if (mark == LIST_END) return true;
        if (mark == MARK_NULL_LAST) continue;
        if (mark != MARK_VALUE || !payload_skip(at, end, flip, kind->elem)) return false;
    }
    return false;
}

bool mn_key_successor(struct mn_buf *key)
{
    while (key->len > 0) {
        if (key->data[key->len - 1] != 0xff) {
            key->data[key->len - 1]++;
            return true;
        }
        key->len--;
    }
    return false;
}
