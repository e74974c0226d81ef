/*
 * copy_json: JSON of a file, as a value of a column's type.
 */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "catalog/json.h"
#include "catalog/list.h"
#include "query/copy_convert.h"

enum { NESTING_MAX = 100, LIST_FIRST_ROOM = 16 };

/* Checks what the range of f32 cannot: NaN and infinities have no distance. */
static enum mn_status vector_done(const struct mn_copy_column *column, float *elements,
                                  uint32_t count, struct mn_value *out)
{
    if (column->dims != 0 && count != column->dims) {
        return mn_fail(MN_TYPE, "a vector of %u values is not VECTOR(%u)", count, column->dims);
    }
    if (count == 0) return mn_fail(MN_RANGE, "a vector has at least one value");
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(elements[i])) {
            return mn_fail(MN_RANGE, "value %u of the vector is NaN or infinite", i + 1);
        }
    }
    *out = mn_vector(elements, count);
    return MN_OK;
}

/* [n, n, ...] behind its opening bracket. */
static enum mn_status vector_from_json(const struct mn_copy_column *column, struct mn_arena *arena,
                                       const uint8_t **at, struct mn_value *out)
{
    uint32_t room = column->dims ? column->dims : MN_VECTOR_DIMS_LIMIT, count = 0;
    float *elements = mn_arena_alloc(arena, room * sizeof(float));
    struct mn_copy_lexeme lexeme;

    if (!elements) return mn_fail_nomem();
    mn_copy_json_scan(at, &lexeme);
    while (lexeme.token != MN_COPY_ARRAY_CLOSE) {
        float value = 0;
        if (lexeme.token != MN_COPY_INTEGER && lexeme.token != MN_COPY_FRACTION) {
            char excerpt[MN_COPY_EXCERPT_BYTES];
            return mn_fail(MN_TYPE, "value %u of the vector, '%s', is not a number", count + 1,
                           mn_copy_excerpt(lexeme.text, lexeme.length, excerpt));
        }
        if (mn_number_float(lexeme.text, lexeme.length, &value) != MN_NUMBER_OK) {
            return mn_fail(MN_RANGE, "value %u of the vector is beyond f32", count + 1);
        }
        if (count < room) elements[count] = value;
        count++;
        mn_copy_json_scan(at, &lexeme);
        if (lexeme.token == MN_COPY_COMMA) {
            mn_copy_json_scan(at, &lexeme);
            if (lexeme.token == MN_COPY_ARRAY_CLOSE) {
                return mn_fail(MN_SYNTAX, "a comma stands before the closing bracket");
            }
        } else if (lexeme.token != MN_COPY_ARRAY_CLOSE) {
            return mn_fail(MN_SYNTAX, "a comma or ] is missing behind value %u of the vector",
                           count);
        }
    }
    if (count > room) {
        if (column->dims == 0) return mn_fail(MN_TOOBIG, "the vector has %u values", count);
        return mn_fail(MN_TYPE, "a vector of %u values is not VECTOR(%u)", count, column->dims);
    }
    return vector_done(column, elements, count, out);
}

static bool hex_digit(uint8_t c, uint8_t *value)
{
    if (c >= '0' && c <= '9') {
        *value = (uint8_t)(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        *value = (uint8_t)((c | 0x20) - 'a' + 10);
    } else {
        return false;
    }
    return true;
}

static size_t utf8_put(uint32_t point, uint8_t *to)
{
    if (point < 0x80) {
        to[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (uint8_t)(0xc0 | point >> 6);
        to[1] = (uint8_t)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (uint8_t)(0xe0 | point >> 12);
        to[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (point & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | point >> 18);
    to[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (point & 0x3f));
    return 4;
}

/* Four hexadecimal digits, which the scanner has seen. */
static uint32_t unicode_unit(const uint8_t *digits)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        uint8_t value = 0;
        (void)hex_digit(digits[i], &value);
        unit = unit << 4 | value;
    }
    return unit;
}

/* The character of \u and four digits at *from, with its second half if it is a surrogate; 0: not a
 * character. */
static uint32_t unicode_take(const uint8_t **from, const uint8_t *end)
{
    uint32_t point = unicode_unit(*from + 2);

    *from += 6;
    if (point < 0xd800 || point > 0xdfff) return point;
    if (point > 0xdbff || end - *from < 6 || (*from)[0] != '\\' || (*from)[1] != 'u') return 0;
    uint32_t low = unicode_unit(*from + 2);
    if (low < 0xdc00 || low > 0xdfff) return 0;
    *from += 6;
    return 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
}

enum mn_status mn_copy_json_string(const struct mn_copy_lexeme *string, struct mn_arena *arena,
                                   const char **text, size_t *length)
{
    const uint8_t *from = string->text, *end = from + string->length;

    *text = (const char *)from;
    *length = string->length;
    if (!string->escaped) return MN_OK;
    uint8_t *to = mn_arena_alloc(arena, string->length), *start = to;
    if (!to) return mn_fail_nomem();
    while (from < end) {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        if (from[1] == 'u') {
            uint32_t point = unicode_take(&from, end);
            if (point == 0) return mn_fail(MN_TYPE, "the text has a \\u escape of no character");
            to += utf8_put(point, to);
            continue;
        }
        static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
        for (const char *pair = escapes; *pair; pair += 2) {
            if (*pair == (char)from[1]) *to++ = (uint8_t)pair[1];
        }
        from += 2;
    }
    *text = (const char *)start;
    *length = (size_t)(to - start);
    return MN_OK;
}

/* One step of a JSON value: whether a value or a separator comes next, by the bit stack of
 * containers. */
struct skipper {
    bool object[NESTING_MAX];
    int depth;
};

static enum mn_status skip_fail(const struct mn_copy_lexeme *lexeme)
{
    char excerpt[MN_COPY_EXCERPT_BYTES];

    if (lexeme->token == MN_COPY_END) return mn_fail(MN_SYNTAX, "the line ends inside a value");
    if (lexeme->token == MN_COPY_UNCLOSED) {
        return mn_fail(MN_SYNTAX, "the line ends inside a string");
    }
    return mn_fail(MN_SYNTAX, "'%s' is not JSON here",
                   mn_copy_excerpt(lexeme->text, lexeme->length, excerpt));
}

/* A key and its colon; `lexeme` holds the key and then the first token of the value. */
static enum mn_status skip_key(struct mn_copy_lexeme *lexeme, const uint8_t **at)
{
    if (lexeme->token != MN_COPY_STRING) return skip_fail(lexeme);
    mn_copy_json_scan(at, lexeme);
    if (lexeme->token != MN_COPY_COLON) return skip_fail(lexeme);
    mn_copy_json_scan(at, lexeme);
    return MN_OK;
}

static bool token_is_scalar(enum mn_copy_token token)
{
    return token >= MN_COPY_STRING && token <= MN_COPY_NULL;
}

/* Opens a container; *value tells whether a value stands in `lexeme` (else it is empty and closed).
 */
static enum mn_status skip_open(struct skipper *skipper, struct mn_copy_lexeme *lexeme,
                                const uint8_t **at, bool *value)
{
    bool object = lexeme->token == MN_COPY_OBJECT_OPEN;

    if (skipper->depth == NESTING_MAX) {
        return mn_fail(MN_TOOBIG, "JSON nested deeper than %d", NESTING_MAX);
    }
    mn_copy_json_scan(at, lexeme);
    *value = lexeme->token != (object ? MN_COPY_OBJECT_CLOSE : MN_COPY_ARRAY_CLOSE);
    if (!*value) return MN_OK;
    skipper->object[skipper->depth++] = object;
    return object ? skip_key(lexeme, at) : MN_OK;
}

/* Behind a value: closes containers up to the next comma; *value: another value stands in `lexeme`.
 */
static enum mn_status skip_after(struct skipper *skipper, struct mn_copy_lexeme *lexeme,
                                 const uint8_t **at, bool *value)
{
    *value = false;
    while (skipper->depth > 0) {
        bool object = skipper->object[skipper->depth - 1];
        mn_copy_json_scan(at, lexeme);
        if (lexeme->token == MN_COPY_COMMA) {
            *value = true;
            mn_copy_json_scan(at, lexeme);
            return object ? skip_key(lexeme, at) : MN_OK;
        }
        if (lexeme->token != (object ? MN_COPY_OBJECT_CLOSE : MN_COPY_ARRAY_CLOSE)) {
            return skip_fail(lexeme);
        }
        skipper->depth--;
    }
    return MN_OK;
}

enum mn_status mn_copy_skip_json(const struct mn_copy_lexeme *first, const uint8_t **at)
{
    struct skipper skipper = {.depth = 0};
    struct mn_copy_lexeme lexeme = *first;
    bool value = true;

    while (value) {
        enum mn_status status = MN_OK;
        if (lexeme.token == MN_COPY_OBJECT_OPEN || lexeme.token == MN_COPY_ARRAY_OPEN) {
            status = skip_open(&skipper, &lexeme, at, &value);
            if (status) return status;
            if (value) continue;
        } else if (!token_is_scalar(lexeme.token)) {
            return skip_fail(&lexeme);
        }
        status = skip_after(&skipper, &lexeme, at, &value);
        if (status) return status;
    }
    return MN_OK;
}

static enum mn_status fail_token(const struct mn_copy_column *column,
                                 const struct mn_copy_lexeme *lexeme)
{
    char excerpt[MN_COPY_EXCERPT_BYTES], name[32];
    struct mn_kind kind = {.type = column->type, .elem = column->elem, .dims = column->dims};

    if (lexeme->token == MN_COPY_END || lexeme->token == MN_COPY_UNCLOSED ||
        lexeme->token == MN_COPY_BAD) {
        return skip_fail(lexeme);
    }
    const char *quote = lexeme->token == MN_COPY_STRING ? "\"" : "";
    return mn_fail(MN_TYPE, "%s%s%s is not %s", quote,
                   mn_copy_excerpt(lexeme->text, lexeme->length, excerpt), quote,
                   mn_kind_name(&kind, name));
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

/* Base64, as a BLOB is written in JSON; padding may be left out. */
static enum mn_status blob_from_base64(const struct mn_copy_column *column, struct mn_arena *arena,
                                       const struct mn_copy_lexeme *lexeme, struct mn_value *out)
{
    size_t length = lexeme->length, size = 0;
    uint32_t bits = 0;
    uint8_t *bytes = mn_arena_alloc(arena, length + 1);

    if (!bytes) return mn_fail_nomem();
    while (length > 0 && lexeme->length - length < 2 && lexeme->text[length - 1] == '=') length--;
    if (length % 4 == 1) return fail_token(column, lexeme);
    for (size_t i = 0; i < length; i++) {
        int digit = base64_digit(lexeme->text[i]);
        if (digit < 0) return fail_token(column, lexeme);
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 1) bytes[size++] = (uint8_t)(bits >> 4);
        if (i % 4 == 2) bytes[size++] = (uint8_t)(bits >> 2);
        if (i % 4 == 3) bytes[size++] = (uint8_t)bits;
    }
    *out = mn_bytes_value(MN_TYPE_BLOB, bytes, size);
    return MN_OK;
}

/* [v, v, ...] behind its opening bracket; elements are converted like columns of their type. */
static enum mn_status list_from_json(const struct mn_copy_spec *spec, uint32_t column,
                                     struct mn_arena *arena, const uint8_t **at,
                                     struct mn_value *out)
{
    struct mn_copy_column elem = {.name = "element", .type = spec->columns[column].elem};
    struct mn_copy_spec inner = {.options = spec->options, .columns = &elem, .column_count = 1};
    uint32_t room = LIST_FIRST_ROOM, count = 0;
    struct mn_value *values = mn_arena_alloc(arena, room * sizeof *values);
    struct mn_copy_lexeme lexeme;
    enum mn_status status = MN_OK;

    if (!values) return mn_fail_nomem();
    mn_copy_json_scan(at, &lexeme);
    while (lexeme.token != MN_COPY_ARRAY_CLOSE) {
        if (count == room) {
            struct mn_value *grown = mn_arena_alloc(arena, 2 * room * sizeof *values);
            if (!grown) return mn_fail_nomem();
            memcpy(grown, values, room * sizeof *values);
            values = grown;
            room *= 2;
        }
        status = mn_copy_from_json(&inner, 0, arena, &lexeme, at, &values[count]);
        if (status) return status;
        count++;
        mn_copy_json_scan(at, &lexeme);
        if (lexeme.token == MN_COPY_COMMA) {
            mn_copy_json_scan(at, &lexeme);
            if (lexeme.token == MN_COPY_ARRAY_CLOSE) return skip_fail(&lexeme);
        } else if (lexeme.token != MN_COPY_ARRAY_CLOSE) {
            return skip_fail(&lexeme);
        }
    }
    return mn_list_make(arena, elem.type, values, count, out);
}

/* Any JSON value, kept as it is written. */
static enum mn_status json_from_json(const struct mn_copy_lexeme *first, const uint8_t **at,
                                     struct mn_value *out)
{
    const uint8_t *start = first->token == MN_COPY_STRING ? first->text - 1 : first->text;
    enum mn_status status = mn_copy_skip_json(first, at);

    if (status) return status;
    status = mn_json_check((const char *)start, (size_t)(*at - start));
    if (status) return status;
    *out = mn_bytes_value(MN_TYPE_JSON, start, (size_t)(*at - start));
    return MN_OK;
}

static bool token_fits(uint8_t type, enum mn_copy_token token)
{
    switch ((enum mn_type)type) {
    case MN_TYPE_BOOL: return token == MN_COPY_TRUE || token == MN_COPY_FALSE;
    case MN_TYPE_INT: return token == MN_COPY_INTEGER;
    case MN_TYPE_FLOAT:
        return token == MN_COPY_INTEGER || token == MN_COPY_FRACTION || token == MN_COPY_STRING;
    case MN_TYPE_TIMESTAMP:
        return token == MN_COPY_INTEGER || token == MN_COPY_FRACTION || token == MN_COPY_STRING;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_DURATION:
    case MN_TYPE_UUID: return token == MN_COPY_STRING;
    case MN_TYPE_VECTOR:
    case MN_TYPE_LIST: return token == MN_COPY_ARRAY_OPEN;
    case MN_TYPE_JSON: return true;
    case MN_TYPE_NULL: return false;
    }
    return false;
}

/* A FLOAT column takes only the words that JSON numbers lack from a string. */
static bool string_is_special_float(const struct mn_copy_lexeme *lexeme)
{
    double value = 0;

    return mn_number_double(lexeme->text, lexeme->length, &value) == MN_NUMBER_OK &&
           !isfinite(value);
}

enum mn_status mn_copy_from_json(const struct mn_copy_spec *spec, uint32_t column,
                                 struct mn_arena *arena, const struct mn_copy_lexeme *first,
                                 const uint8_t **at, struct mn_value *out)
{
    const struct mn_copy_column *to = &spec->columns[column];
    struct mn_csv_field field = {.text = first->text, .length = first->length};

    if (first->token == MN_COPY_NULL) {
        *out = mn_null();
        return MN_OK;
    }
    if (!token_fits(to->type, first->token)) return fail_token(to, first);
    if (to->type == MN_TYPE_JSON) return json_from_json(first, at, out);
    if (to->type == MN_TYPE_VECTOR) return vector_from_json(to, arena, at, out);
    if (to->type == MN_TYPE_LIST) return list_from_json(spec, column, arena, at, out);
    if (first->token == MN_COPY_STRING) {
        const char *text = NULL;
        if (to->type == MN_TYPE_FLOAT && !string_is_special_float(first)) {
            return fail_token(to, first);
        }
        enum mn_status status = mn_copy_json_string(first, arena, &text, &field.length);
        if (status) return status;
        field.text = (const uint8_t *)text;
        if (to->type == MN_TYPE_BLOB) {
            struct mn_copy_lexeme plain = *first;
            plain.text = field.text;
            plain.length = field.length;
            return blob_from_base64(to, arena, &plain, out);
        }
    }
    return mn_copy_from_text(spec, column, arena, &field, out);
}
