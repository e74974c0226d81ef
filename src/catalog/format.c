/*
 * format: the text of values, plain and as JSON.
 */
#include <inttypes.h>
#include <math.h>

#include "catalog/json.h"
#include "catalog/list.h"
#include "catalog/value.h"

static enum mn_status int_format(int64_t i, struct mn_buf *out)
{
    char reversed[20], text[21];
    uint64_t rest = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    size_t n = 0, length = 0;

    do {
        reversed[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (i < 0) text[length++] = '-';
    while (n > 0) text[length++] = reversed[--n];
    return mn_buf_append(out, text, length);
}

static enum mn_status blob_format(const struct mn_value *value, struct mn_buf *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = value->p;
    enum mn_status status = mn_buf_reserve(out, 2 + (size_t)value->size * 2);

    if (status != MN_OK) return status;
    out->data[out->len++] = '\\';
    out->data[out->len++] = 'x';
    for (uint32_t i = 0; i < value->size; i++) {
        out->data[out->len++] = (uint8_t)digits[bytes[i] >> 4];
        out->data[out->len++] = (uint8_t)digits[bytes[i] & 15];
    }
    return MN_OK;
}

static enum mn_status base64_format(const struct mn_value *value, struct mn_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = value->p;
    uint32_t size = value->size;
    enum mn_status status = mn_buf_byte(out, '"');

    if (status == MN_OK) status = mn_buf_reserve(out, ((size_t)size + 2) / 3 * 4 + 1);
    if (status != MN_OK) return status;
    for (uint32_t i = 0; i < size; i += 3) {
        uint32_t word = (uint32_t)bytes[i] << 16;

        if (i + 1 < size) word |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < size) word |= bytes[i + 2];
        out->data[out->len++] = (uint8_t)digits[word >> 18];
        out->data[out->len++] = (uint8_t)digits[word >> 12 & 63];
        out->data[out->len++] = i + 1 < size ? (uint8_t)digits[word >> 6 & 63] : '=';
        out->data[out->len++] = i + 2 < size ? (uint8_t)digits[word & 63] : '=';
    }
    out->data[out->len++] = '"';
    return MN_OK;
}

static enum mn_status vector_format(const struct mn_value *value, struct mn_buf *out)
{
    const float *elements = value->p;
    char text[32];
    enum mn_status status = mn_buf_byte(out, '[');

    for (uint32_t i = 0; status == MN_OK && i < value->size; i++) {
        size_t length = mn_float32_format(elements[i], text);

        if (length > 2 && memcmp(text + length - 2, ".0", 2) == 0) length -= 2;
        if (i > 0) status = mn_buf_byte(out, ',');
        if (status == MN_OK) status = mn_buf_append(out, text, length);
    }
    return status == MN_OK ? mn_buf_byte(out, ']') : status;
}

/* The elements of a list as JSON writes them, but for NaN and infinities where `json` is false. */
static enum mn_status list_format(const struct mn_value *value, bool json, struct mn_buf *out)
{
    uint32_t count = mn_list_count(value);
    enum mn_status status = mn_buf_byte(out, '[');

    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        struct mn_value element = mn_list_get(value, i);

        if (i > 0) status = mn_buf_byte(out, ',');
        if (status != MN_OK) return status;
        if (!json && element.type == MN_TYPE_FLOAT) {
            status = mn_value_format(&element, out);
        } else if (!json && element.type == MN_TYPE_BLOB) {
            struct mn_buf hex = {0};

            status = blob_format(&element, &hex);
            if (status == MN_OK) status = mn_json_quote((const char *)hex.data, hex.len, out);
            mn_buf_release(&hex);
        } else {
            status = mn_value_format_json(&element, out);
        }
    }
    return status == MN_OK ? mn_buf_byte(out, ']') : status;
}

/* The types whose text is short. */
static size_t short_format(const struct mn_value *value, char text[MN_DURATION_TEXT])
{
    switch (value->type) {
    case MN_TYPE_FLOAT: return mn_float_format(value->f, text);
    case MN_TYPE_TIMESTAMP: return mn_timestamp_format(value->i, text);
    case MN_TYPE_DURATION: return mn_duration_format(value->i, text);
    default: return mn_uuid_format(value->uuid, text);
    }
}

enum mn_status mn_value_format(const struct mn_value *value, struct mn_buf *out)
{
    char text[MN_DURATION_TEXT];

    switch ((enum mn_type)value->type) {
    case MN_TYPE_NULL: return MN_OK;
    case MN_TYPE_BOOL: return mn_buf_text(out, value->b ? "true" : "false");
    case MN_TYPE_INT: return int_format(value->i, out);
    case MN_TYPE_FLOAT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
    case MN_TYPE_UUID: return mn_buf_append(out, text, short_format(value, text));
    case MN_TYPE_TEXT:
    case MN_TYPE_JSON: return mn_buf_append(out, value->p, value->size);
    case MN_TYPE_BLOB: return blob_format(value, out);
    case MN_TYPE_VECTOR: return vector_format(value, out);
    case MN_TYPE_LIST: return list_format(value, false, out);
    }
    return mn_fail(MN_MISUSE, "a value has the unknown type %d", value->type);
}

enum mn_status mn_value_format_json(const struct mn_value *value, struct mn_buf *out)
{
    char text[MN_DURATION_TEXT];
    enum mn_status status;

    switch ((enum mn_type)value->type) {
    case MN_TYPE_NULL: return mn_buf_text(out, "null");
    case MN_TYPE_FLOAT:
        if (!isfinite(value->f)) return mn_buf_text(out, "null");
        return mn_value_format(value, out);
    case MN_TYPE_BOOL:
    case MN_TYPE_INT:
    case MN_TYPE_JSON:
    case MN_TYPE_VECTOR: return mn_value_format(value, out);
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
    case MN_TYPE_UUID:
        status = mn_buf_byte(out, '"');
        if (status == MN_OK) status = mn_buf_append(out, text, short_format(value, text));
        return status == MN_OK ? mn_buf_byte(out, '"') : status;
    case MN_TYPE_TEXT: return mn_json_quote(value->p, value->size, out);
    case MN_TYPE_BLOB: return base64_format(value, out);
    case MN_TYPE_LIST: return list_format(value, true, out);
    }
    return mn_fail(MN_MISUSE, "a value has the unknown type %d", value->type);
}
