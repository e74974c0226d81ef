/*
 * record: rows to bytes, and single columns back.
 */
#include "catalog/record.h"

#include <math.h>

#include "base/bytes.h"
#include "catalog/json.h"
#include "catalog/list.h"

enum { HEAD_BYTES = 2, COUNT_SHIFT = 2 };

/* ---- encoding ---- */

/* The fewest little-endian bytes from which sign extension gives the number back. */
static uint32_t int_size(int64_t i)
{
    uint64_t magnitude = (uint64_t)(i < 0 ? ~i : i);
    uint32_t bits;

    if (i == 0) return 0;
    bits = magnitude ? 65 - (uint32_t)__builtin_clzll(magnitude) : 1;
    return (bits + 7) / 8;
}

static bool float_is_single(double f)
{
    return isfinite(f) && fabs(f) <= (double)0x1.fffffep127F && (double)(float)f == f;
}

static uint32_t float_size(double f)
{
    if (f == 0 && !signbit(f)) return 0;
    return float_is_single(f) ? 4 : 8;
}

static uint32_t column_size(const struct mn_value *value)
{
    switch ((enum mn_type)value->type) {
    case MN_TYPE_NULL:
    case MN_TYPE_VECTOR: return 0;
    case MN_TYPE_BOOL: return value->b;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: return int_size(value->i);
    case MN_TYPE_FLOAT: return float_size(value->f);
    case MN_TYPE_UUID: return 16;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_JSON:
    case MN_TYPE_LIST: break;
    }
    return value->size;
}

/* The lowest bytes of a number, without a call: from both ends. */
static inline void int_put(uint8_t *at, uint64_t number, uint32_t size)
{
    if (size == 8) {
        mn_put_u64(at, number);
    } else if (size >= 4) {
        mn_put_u32(at, (uint32_t)number);
        mn_put_u32(at + size - 4, (uint32_t)(number >> (8 * (size - 4))));
    } else if (size >= 2) {
        mn_put_u16(at, (uint16_t)number);
        at[size - 1] = (uint8_t)(number >> (8 * (size - 1)));
    } else {
        *at = (uint8_t)number;
    }
}

static void column_put(uint8_t *at, const struct mn_value *value, uint32_t size)
{
    float single;

    if (size == 0) return;
    switch (value->type) {
    case MN_TYPE_BOOL: *at = 1; break;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: int_put(at, (uint64_t)value->i, size); break;
    case MN_TYPE_FLOAT:
        if (size == 8) {
            memcpy(at, &value->f, 8);
        } else {
            single = (float)value->f;
            memcpy(at, &single, 4);
        }
        break;
    case MN_TYPE_UUID: memcpy(at, value->uuid, 16); break;
    default: memcpy(at, value->p, size); break;
    }
}

static void offset_put(uint8_t *at, unsigned width_log, uint32_t offset)
{
    if (width_log == 0) {
        *at = (uint8_t)offset;
    } else if (width_log == 1) {
        mn_put_u16(at, (uint16_t)offset);
    } else {
        mn_put_u32(at, offset);
    }
}

/* What comes before the columns' bytes. */
static uint64_t shape_head(const struct mn_record_shape *shape)
{
    uint32_t n = shape->columns, nulls = (n + 7) / 8;

    if (shape->brief) return (uint64_t)n + (shape->nulls ? nulls : 0);
    return HEAD_BYTES + nulls + ((uint64_t)n << shape->width_log);
}

enum mn_status mn_record_measure(const struct mn_value *values, uint32_t n, int row_id_column,
                                 enum mn_record_form form, struct mn_record_shape *shape)
{
    uint64_t sum = 0;

    shape->nulls = false;
    if (n > MN_COLUMNS_MAX) return mn_fail(MN_TOOBIG, "a row has over %d columns", MN_COLUMNS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if ((int)i != row_id_column) sum += column_size(&values[i]);
        shape->ends[i] = (uint32_t)sum;
        shape->nulls |= mn_is_null(&values[i]);
    }
    shape->columns = n;
    shape->brief = form == MN_RECORD_ANY && n > 0 && n <= MN_BRIEF_COLUMNS_MAX &&
                   (n == 1 || shape->ends[n - 2] <= UINT8_MAX);
    shape->width_log = sum <= UINT8_MAX || shape->brief ? 0 : sum <= UINT16_MAX ? 1 : 2;
    sum += shape_head(shape);
    if (sum > MN_RECORD_BYTES_MAX) {
        return mn_fail(MN_TOOBIG, "a row is over %u bytes", (unsigned)MN_RECORD_BYTES_MAX);
    }
    shape->size_bytes = (size_t)sum;
    return MN_OK;
}

void mn_record_write(const struct mn_value *values, const struct mn_record_shape *shape,
                     uint8_t *bytes)
{
    uint32_t n = shape->columns, begin = 0, offsets = shape->brief ? n - 1 : n;
    uint32_t null_bytes = shape->nulls || !shape->brief ? (n + 7) / 8 : 0;
    uint8_t *nulls = bytes + (shape->brief ? 1 : HEAD_BYTES), *ends = nulls + null_bytes;
    uint8_t *body = bytes + shape_head(shape);

    if (shape->brief) {
        *bytes =
            (uint8_t)(n << MN_BRIEF_SHIFT | (shape->nulls ? MN_BRIEF_NULLS : 0) | MN_BRIEF_MARK);
    } else {
        mn_put_u16(bytes, (uint16_t)(n << COUNT_SHIFT | shape->width_log));
    }
    for (uint32_t i = 0; i < null_bytes; i++) nulls[i] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t end = shape->ends[i];

        if (mn_is_null(&values[i])) nulls[i / 8] |= (uint8_t)(1u << (i % 8));
        if (i < offsets) {
            offset_put(ends + ((size_t)i << shape->width_log), shape->width_log, end);
        }
        column_put(body + begin, &values[i], end - begin);
        begin = end;
    }
}

/* The usual columns without a call; cold: the compiler is to keep the others out of the way. */
__attribute__((cold, noinline)) static uint32_t rare_size(const struct mn_value *value)
{
    return column_size(value);
}

__attribute__((cold, noinline)) static void rare_put(uint8_t *at, const struct mn_value *value,
                                                     uint32_t size)
{
    column_put(at, value, size);
}

static inline bool short_measure(const struct mn_value *values, const struct mn_record_rows *rows,
                                 struct mn_record_short *shape)
{
    uint64_t sum = 0, ends = 0, nulls = 0;
    uint32_t n = rows->columns;
    bool brief = rows->form == MN_RECORD_ANY;

    /* From the last on, so that ends and NULL bits come to their places by shifts of a constant. */
    for (uint32_t i = n; i-- > 0;) {
        const struct mn_value *value = &values[i];
        uint64_t size = value->size;

        if (value->type != MN_TYPE_TEXT) {
            size = 0;
            nulls |= (uint64_t)(value->type == MN_TYPE_NULL) << i;
            if ((int)i != rows->row_id_column) {
                size = value->type == MN_TYPE_INT ? int_size(value->i) : rare_size(value);
            }
        }
        sum += size;
        if (sum > UINT8_MAX) return false;
        ends = ends << 8 | size;
    }
    *shape = (struct mn_record_short){
        .ends = ends * UINT64_C(0x0101010101010101), /* sums of the sizes up to each */
        .size_bytes = (uint32_t)sum + (brief ? n + (nulls != 0) : HEAD_BYTES + 1 + n),
        .columns = (uint8_t)n,
        .nulls = (uint8_t)nulls,
        .brief = brief};
    return true;
}

size_t mn_record_short_measure(const struct mn_record_rows *rows, struct mn_record_short *shapes)
{
    const struct mn_record_rows kept = *rows;
    size_t n = 0;

    if (kept.columns == 0 || kept.columns > MN_SHORT_COLUMNS_MAX) return 0;
    while (n < kept.count && short_measure(kept.values + n * kept.columns, &kept, &shapes[n])) n++;
    return n;
}

void mn_record_short_write(const struct mn_value *values, const struct mn_record_short *shape,
                           uint8_t *bytes)
{
    uint32_t n = shape->columns, begin = 0, end;
    uint64_t words = shape->ends;
    uint8_t *ends = bytes + 1, *body;

    if (!shape->brief) {
        mn_put_u16(bytes, (uint16_t)(n << COUNT_SHIFT));
        ends = bytes + HEAD_BYTES + 1;
        ends[-1] = shape->nulls;
        body = ends + n;
    } else {
        *bytes = (uint8_t)(n << MN_BRIEF_SHIFT | MN_BRIEF_MARK);
        if (shape->nulls) {
            *bytes |= MN_BRIEF_NULLS;
            *ends++ = shape->nulls;
        }
        body = ends + n - 1;
    }
    for (uint32_t i = 0; i < n; i++, begin = end, words >>= 8) {
        const struct mn_value *value = &values[i];

        end = (uint8_t)words;
        if (ends + i < body) ends[i] = (uint8_t)end;
        if (end == begin) continue;
        if (value->type == MN_TYPE_TEXT) {
            memcpy(body + begin, value->p, end - begin);
        } else if (value->type == MN_TYPE_INT) {
            int_put(body + begin, (uint64_t)value->i, end - begin);
        } else {
            rare_put(body + begin, value, end - begin);
        }
    }
}

enum mn_status mn_record_encode(const struct mn_value *values, uint32_t n, int row_id_column,
                                enum mn_record_form form, struct mn_buf *out)
{
    struct mn_record_shape shape;
    enum mn_status status = mn_record_measure(values, n, row_id_column, form, &shape);

    if (status == MN_OK) status = mn_buf_reserve(out, shape.size_bytes);
    if (status != MN_OK) return status;
    mn_record_write(values, &shape, out->data + out->len);
    out->len += shape.size_bytes;
    return MN_OK;
}

/* ---- decoding ---- */

static enum mn_status record_damaged(const char *what)
{
    return mn_fail(MN_CORRUPT, "a record is damaged: %s", what);
}

uint32_t mn_record_columns(const void *record, size_t size)
{
    struct mn_record_head head;

    return mn_record_head_get(record, size, &head) ? head.n : 0;
}

static enum mn_status int_get(const uint8_t *at, uint32_t size, struct mn_value *out)
{
    if (size > 8) return record_damaged("an integer of over 8 bytes");
    out->i = mn_record_int(at, size);
    return MN_OK;
}

static enum mn_status float_get(const uint8_t *at, uint32_t size, struct mn_value *out)
{
    float single;

    if (size == 8) {
        memcpy(&out->f, at, 8);
    } else if (size == 4) {
        memcpy(&single, at, 4);
        out->f = (double)single;
    } else if (size != 0) {
        return record_damaged("a float of neither 0, 4 nor 8 bytes");
    }
    return MN_OK;
}

/* out is zeroed but for its type. */
static enum mn_status column_get(const uint8_t *at, uint32_t size, const struct mn_kind *kind,
                                 struct mn_value *out)
{
    switch ((enum mn_type)kind->type) {
    case MN_TYPE_BOOL:
        if (size > 1 || (size == 1 && *at != 1)) return record_damaged("a boolean");
        out->b = size == 1;
        return MN_OK;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: return int_get(at, size, out);
    case MN_TYPE_FLOAT: return float_get(at, size, out);
    case MN_TYPE_UUID:
        if (size != 16) return record_damaged("a uuid that has not 16 bytes");
        memcpy(out->uuid, at, 16);
        return MN_OK;
    case MN_TYPE_LIST:
        if (!mn_list_check(at, size, kind->elem)) return record_damaged("a list");
        out->elem = at[4];
        break;
    case MN_TYPE_VECTOR:
        if (size != 0) return record_damaged("a vector inside");
        out->size = kind->dims;
        return MN_OK;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_JSON: break;
    case MN_TYPE_NULL: return record_damaged("a column without a type");
    }
    out->p = at;
    out->size = size;
    return MN_OK;
}

enum mn_status mn_record_get(const void *record, size_t size, uint32_t i,
                             const struct mn_kind *kind, struct mn_value *out, bool *absent)
{
    struct mn_field field;
    enum mn_field_state state = mn_record_field(record, size, i, &field);

    if (absent) *absent = state == MN_FIELD_ABSENT;
    *out = mn_null();
    if (state == MN_FIELD_NULL || state == MN_FIELD_ABSENT) return MN_OK;
    if (state == MN_FIELD_DAMAGED) return record_damaged("a column lies outside");
    out->type = kind->type;
    return column_get(field.at, field.size, kind, out);
}

static enum mn_status content_check(const struct mn_value *value)
{
    size_t bad;

    if (value->type == MN_TYPE_TEXT && !mn_utf8_check(value->p, value->size, &bad)) {
        return record_damaged("a text is not UTF-8");
    }
    if (value->type == MN_TYPE_JSON && mn_json_check(value->p, value->size) != MN_OK) {
        return record_damaged("a JSON text is not JSON");
    }
    if (value->type == MN_TYPE_LIST && !mn_type_has_bytes(value->elem)) return MN_OK;
    if (value->type == MN_TYPE_LIST) {
        for (uint32_t i = 0; i < mn_list_count(value); i++) {
            struct mn_value element = mn_list_get(value, i);
            enum mn_status status = content_check(&element);

            if (status != MN_OK) return status;
        }
    }
    return MN_OK;
}

enum mn_status mn_record_check(const void *record, size_t size, const struct mn_kind *kinds,
                               uint32_t n, int row_id_column)
{
    struct mn_record_head head;
    struct mn_value value;
    enum mn_status status;

    if (!mn_record_head_get(record, size, &head)) return record_damaged("its head does not fit");
    if (head.n > n) return record_damaged("it has more columns than its table");
    if ((head.n ? mn_record_end(&head, head.n - 1) : 0) != head.body_bytes) {
        return record_damaged("bytes behind the last column");
    }
    for (uint32_t i = head.n; i < (head.n + 7) / 8 * 8; i++) {
        if (mn_record_is_null(&head, i)) return record_damaged("a NULL bit too many");
    }
    for (uint32_t i = 0; i < head.n; i++) {
        struct mn_kind kind = kinds[i];

        if ((int)i == row_id_column) kind = (struct mn_kind){.type = MN_TYPE_VECTOR};
        status = mn_record_get(record, size, i, &kind, &value, NULL);
        if (status == MN_OK) status = content_check(&value);
        if (status != MN_OK) return status;
    }
    return MN_OK;
}
