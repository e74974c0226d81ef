/*
 * copy_convert: text of a file, as a value of a column's type.
 */
#include "query/copy_convert.h"

#include <string.h>
#include <strings.h>

#include "base/number.h"

enum { EXCERPT_MAX = 40 };

const char *mn_copy_excerpt(const void *text, size_t length, char excerpt[MN_COPY_EXCERPT_BYTES])
{
    const uint8_t *from = text;
    size_t keep = length;

    if (keep > EXCERPT_MAX) {
        keep = EXCERPT_MAX;
        while (keep > 0 && (from[keep] & 0xc0) == 0x80) keep--;
    }
    memcpy(excerpt, from, keep);
    for (size_t i = 0; i < keep; i++) {
        if ((uint8_t)excerpt[i] < 0x20) excerpt[i] = ' ';
    }
    memcpy(excerpt + keep, keep < length ? "..." : "", keep < length ? 4 : 1);
    return excerpt;
}

static struct mn_kind column_kind(const struct mn_copy_column *column)
{
    return (struct mn_kind){.type = column->type, .elem = column->elem, .dims = column->dims};
}

/* "'abc' is not INT" */
static enum mn_status fail_type(const struct mn_copy_column *column, const void *text,
                                size_t length)
{
    char excerpt[MN_COPY_EXCERPT_BYTES], name[32];
    struct mn_kind kind = column_kind(column);

    return mn_fail(MN_TYPE, "'%s' is not %s", mn_copy_excerpt(text, length, excerpt),
                   mn_kind_name(&kind, name));
}

static enum mn_status fail_range(const struct mn_copy_column *column, const void *text,
                                 size_t length)
{
    char excerpt[MN_COPY_EXCERPT_BYTES], name[32];
    struct mn_kind kind = column_kind(column);

    return mn_fail(MN_RANGE, "%s is out of range for %s", mn_copy_excerpt(text, length, excerpt),
                   mn_kind_name(&kind, name));
}

static enum mn_status int_from(const struct mn_copy_column *column, const void *text, size_t length,
                               struct mn_value *out)
{
    int64_t value = 0;

    switch (mn_number_int(text, length, &value)) {
    case MN_NUMBER_OK: *out = mn_int(value); return MN_OK;
    case MN_NUMBER_RANGE: return fail_range(column, text, length);
    case MN_NUMBER_BAD: break;
    }
    return fail_type(column, text, length);
}

static enum mn_status float_from(const struct mn_copy_column *column, const void *text,
                                 size_t length, struct mn_value *out)
{
    double value = 0;

    switch (mn_number_double(text, length, &value)) {
    case MN_NUMBER_OK: *out = mn_float(value); return MN_OK;
    case MN_NUMBER_RANGE: return fail_range(column, text, length);
    case MN_NUMBER_BAD: break;
    }
    return fail_type(column, text, length);
}

static enum mn_status text_from(const void *text, size_t length, struct mn_value *out)
{
    size_t bad = 0;

    if (!mn_utf8_check(text, length, &bad)) {
        return mn_fail(MN_TYPE, "byte 0x%02x at offset %zu of the text is not UTF-8",
                       ((const uint8_t *)text)[bad], bad);
    }
    *out = mn_text(text, length);
    return MN_OK;
}

static enum mn_status bool_from(const struct mn_copy_column *column, const char *text,
                                size_t length, struct mn_value *out)
{
    static const char *const words[] = {"false", "true", "f", "t", "0", "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (length == strlen(words[i]) && strncasecmp(text, words[i], length) == 0) {
            *out = mn_bool(i & 1);
            return MN_OK;
        }
    }
    return fail_type(column, text, length);
}

/* Digits, with a fraction or not: what counts units since 1970. */
static bool text_is_count(const char *text, size_t length)
{
    size_t i = length > 0 && text[0] == '-', digits = 0, points = 0;

    for (; i < length; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            digits++;
        } else if (text[i] == '.' && digits > 0 && points == 0) {
            points++;
        } else {
            return false;
        }
    }
    return digits > 0;
}

enum { BILLION = 1000000000 };

/* (whole + billionths / 10^9) units of so many nanoseconds, rounded to microseconds, halves up.
 * False: beyond TIMESTAMP. */
static bool count_to_us(uint64_t whole, uint64_t billionths, uint64_t unit, bool negative,
                        int64_t *us)
{
    uint64_t half = negative ? 499 : 500, sum;

    if (unit < 1000) {
        sum = (whole + half) / 1000;
    } else if (__builtin_mul_overflow(whole, unit / 1000, &sum) ||
               __builtin_add_overflow(sum, (billionths * unit / BILLION + half) / 1000, &sum)) {
        return false;
    }
    if (sum > (uint64_t)INT64_MAX + negative) return false;
    *us = (int64_t)(negative ? 0 - sum : sum);
    return true;
}

/* A count of spec's time units as microseconds; finer parts round to the nearest. */
static enum mn_status time_from_count(const struct mn_copy_spec *spec, uint32_t column,
                                      const char *text, size_t length, struct mn_value *out)
{
    const struct mn_copy_column *to = &spec->columns[column];
    uint64_t unit = (uint64_t)spec->options->time_unit, whole = 0, billionths = 0;
    uint64_t scale = BILLION;
    size_t i = text[0] == '-';
    int64_t us;

    if (spec->options->time_unit == MN_COPY_NO_UNIT) {
        char excerpt[MN_COPY_EXCERPT_BYTES];
        mn_fail(MN_TYPE, "the number %s is not TIMESTAMP", mn_copy_excerpt(text, length, excerpt));
        return mn_hint("say what it counts: WITH (time_unit = s), or ms, us, ns");
    }
    for (; i < length && text[i] != '.'; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (whole > ((uint64_t)INT64_MAX - digit) / 10) return fail_range(to, text, length);
        whole = whole * 10 + digit;
    }
    for (i++; i < length && scale > 1; i++) {
        scale /= 10;
        billionths += (uint64_t)(text[i] - '0') * scale;
    }
    if (!count_to_us(whole, billionths, unit, text[0] == '-', &us)) {
        return fail_range(to, text, length);
    }
    *out = mn_timestamp(us);
    return MN_OK;
}

static enum mn_status time_from(const struct mn_copy_spec *spec, uint32_t column, const char *text,
                                size_t length, struct mn_value *out)
{
    int64_t us = 0;

    if (text_is_count(text, length)) return time_from_count(spec, column, text, length, out);
    enum mn_status status = mn_timestamp_parse(text, length, &us);
    if (status) return fail_type(&spec->columns[column], text, length);
    *out = mn_timestamp(us);
    return MN_OK;
}

/* A vector is written as a JSON array; the scanner is bounded by the zero behind the block.
 */
static enum mn_status vector_from(const struct mn_copy_spec *spec, uint32_t column,
                                  struct mn_arena *arena, const struct mn_csv_field *field,
                                  struct mn_value *out)
{
    const uint8_t *at = field->text, *end = field->text + field->length;
    struct mn_copy_lexeme first;

    mn_copy_json_scan(&at, &first);
    if (first.token != MN_COPY_ARRAY_OPEN || first.text >= end) {
        return fail_type(&spec->columns[column], field->text, field->length);
    }
    enum mn_status status = mn_copy_from_json(spec, column, arena, &first, &at, out);
    if (!status && at != end) {
        return fail_type(&spec->columns[column], field->text, field->length);
    }
    return status;
}

/* The types whose text the catalogue reads. */
static enum mn_status other_from(const struct mn_copy_column *column, const char *text,
                                 size_t length, struct mn_arena *arena, struct mn_value *out)
{
    struct mn_kind kind = column_kind(column);
    enum mn_status status = mn_value_parse(&kind, text, length, arena, out);

    if (status == MN_TYPE) return fail_type(column, text, length);
    if (status == MN_RANGE) return fail_range(column, text, length);
    return status;
}

enum mn_status mn_copy_from_text(const struct mn_copy_spec *spec, uint32_t column,
                                 struct mn_arena *arena, const struct mn_csv_field *field,
                                 struct mn_value *out)
{
    const struct mn_copy_column *to = &spec->columns[column];
    const char *text = (const char *)field->text;

    switch ((enum mn_type)to->type) {
    case MN_TYPE_BOOL: return bool_from(to, text, field->length, out);
    case MN_TYPE_INT: return int_from(to, text, field->length, out);
    case MN_TYPE_FLOAT: return float_from(to, text, field->length, out);
    case MN_TYPE_TEXT: return text_from(text, field->length, out);
    case MN_TYPE_TIMESTAMP: return time_from(spec, column, text, field->length, out);
    case MN_TYPE_VECTOR: return vector_from(spec, column, arena, field, out);
    case MN_TYPE_NULL:
    case MN_TYPE_BLOB:
    case MN_TYPE_DURATION:
    case MN_TYPE_UUID:
    case MN_TYPE_LIST:
    case MN_TYPE_JSON: break;
    }
    return other_from(to, text, field->length, arena, out);
}
