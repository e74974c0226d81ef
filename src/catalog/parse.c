/*
 * parse: values of a known kind from their text.
 */
#include <math.h>
#include <strings.h>

#include "catalog/json.h"
#include "catalog/list.h"
#include "catalog/scan.h"
#include "catalog/value.h"

static int shown(size_t length)
{
    return length > 40 ? 40 : (int)length;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static enum mn_status bool_parse(const char *text, size_t length, struct mn_value *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"t", true}, {"f", false},
                 {"yes", true},  {"no", false},    {"y", true}, {"n", false},
                 {"on", true},   {"off", false},   {"1", true}, {"0", false}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == length && strncasecmp(words[i].word, text, length) == 0) {
            *out = mn_bool(words[i].value);
            return MN_OK;
        }
    }
    return mn_fail(MN_TYPE, "'%.*s' is no BOOL", shown(length), text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* \x and hex digits, or any other text as its own bytes. */
static enum mn_status blob_parse(const char *text, size_t length, struct mn_arena *arena,
                                 struct mn_value *out)
{
    uint8_t *bytes;

    if (length < 2 || text[0] != '\\' || text[1] != 'x') {
        *out = mn_bytes_value(MN_TYPE_BLOB, text, length);
        return MN_OK;
    }
    if (length % 2) return mn_fail(MN_TYPE, "a BLOB has an odd number of hex digits");
    bytes = mn_arena_alloc(arena, length / 2);
    if (!bytes) return mn_fail_nomem();
    for (size_t i = 2; i < length; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

        if (high < 0 || low < 0) {
            return mn_fail(MN_TYPE, "a BLOB has something else than hex digits at byte %zu", i);
        }
        bytes[i / 2 - 1] = (uint8_t)(high << 4 | low);
    }
    *out = mn_bytes_value(MN_TYPE_BLOB, bytes, length / 2 - 1);
    return MN_OK;
}

/* ---- lists: [1, null, "a", NaN] ---- */

struct list_reader {
    struct mn_kind elem;
    const char *at, *end;
    struct mn_arena *arena;
    struct mn_buf values; /* of struct mn_value */
};

static enum mn_status list_wrong(const struct list_reader *reader)
{
    mn_fail(MN_TYPE, "this is no list of %s", mn_type_name(reader->elem.type));
    return mn_hint("a list is written [1, 2], with texts in double quotes");
}

static void blanks_skip(struct list_reader *reader)
{
    while (reader->at < reader->end && is_blank(*reader->at)) reader->at++;
}

/* NaN and Infinity, which JSON has not. */
static enum mn_status word_read(struct list_reader *reader, struct mn_value *out)
{
    const char *begin = reader->at;

    while (reader->at < reader->end && *reader->at != ',' && *reader->at != ']' &&
           !is_blank(*reader->at)) {
        reader->at++;
    }
    if (reader->elem.type != MN_TYPE_FLOAT) return list_wrong(reader);
    return mn_value_parse(&reader->elem, begin, (size_t)(reader->at - begin), reader->arena, out);
}

/* An element of a JSON[]: one whole JSON value, whatever lies in it. */
static enum mn_status json_read(struct list_reader *reader, struct mn_value *out)
{
    const char *begin = reader->at;
    int depth = 0;

    do {
        enum mn_json_token token = mn_json_lex(&reader->at, reader->end);

        if (token == MN_JSON_BAD || token == MN_JSON_END) return list_wrong(reader);
        if (token == MN_JSON_OBJECT || token == MN_JSON_ARRAY) depth++;
        if (token == MN_JSON_OBJECT_END || token == MN_JSON_ARRAY_END) depth--;
    } while (depth > 0);
    *out = mn_bytes_value(MN_TYPE_JSON, begin, (size_t)(reader->at - begin));
    return mn_json_check(out->p, out->size);
}

static enum mn_status element_read(struct list_reader *reader, struct mn_value *out)
{
    const char *begin = reader->at;
    enum mn_json_token token = mn_json_lex(&reader->at, reader->end);
    struct mn_value json = mn_bytes_value(MN_TYPE_JSON, begin, (size_t)(reader->at - begin));
    bool number = token == MN_JSON_NUMBER || token == MN_JSON_TRUE || token == MN_JSON_FALSE;
    bool quoted = token == MN_JSON_STRING || token == MN_JSON_STRING_ESCAPED;
    enum mn_status status;

    if (token == MN_JSON_NULL) {
        *out = mn_null();
        return MN_OK;
    }
    if (reader->elem.type == MN_TYPE_JSON) {
        reader->at = begin;
        return json_read(reader, out);
    }
    if (token == MN_JSON_BAD ||
        (number && reader->at < reader->end && (*reader->at == '.' || *reader->at == 'e'))) {
        reader->at = begin;
        return word_read(reader, out);
    }
    if (!number && !quoted) return list_wrong(reader);
    if (number && reader->elem.type != MN_TYPE_INT && reader->elem.type != MN_TYPE_FLOAT &&
        reader->elem.type != MN_TYPE_BOOL) {
        return list_wrong(reader);
    }
    if (quoted && (reader->elem.type == MN_TYPE_INT || reader->elem.type == MN_TYPE_BOOL)) {
        return list_wrong(reader);
    }
    status = mn_json_text(&json, reader->arena, &json);
    if (status != MN_OK) return status;
    return mn_value_parse(&reader->elem, json.p, json.size, reader->arena, out);
}

static enum mn_status list_read(struct list_reader *reader)
{
    enum mn_status status = MN_OK;

    blanks_skip(reader);
    if (reader->at == reader->end || *reader->at != '[') return list_wrong(reader);
    reader->at++;
    blanks_skip(reader);
    if (reader->at < reader->end && *reader->at == ']') {
        reader->at++;
    } else {
        for (;;) {
            struct mn_value element;

            blanks_skip(reader);
            status = element_read(reader, &element);
            if (status == MN_OK) status = mn_buf_append(&reader->values, &element, sizeof element);
            if (status != MN_OK) return status;
            blanks_skip(reader);
            if (reader->at == reader->end) return list_wrong(reader);
            if (*reader->at++ == ',') continue;
            if (reader->at[-1] == ']') break;
            return list_wrong(reader);
        }
    }
    blanks_skip(reader);
    return reader->at == reader->end ? MN_OK : list_wrong(reader);
}

static enum mn_status list_parse(const struct mn_kind *kind, const struct mn_value *text,
                                 struct mn_arena *arena, struct mn_value *out)
{
    struct list_reader reader = {.elem = {.type = kind->elem},
                                 .at = text->p,
                                 .end = (const char *)text->p + text->size,
                                 .arena = arena};
    enum mn_status status = list_read(&reader);
    size_t count = reader.values.len / sizeof(struct mn_value);

    if (status == MN_OK) {
        status =
            mn_list_make(arena, kind->elem, (const struct mn_value *)(void *)reader.values.data,
                         (uint32_t)count, out);
    }
    mn_buf_release(&reader.values);
    return status;
}

/* ---- all kinds ---- */

static enum mn_status text_check(const char *text, size_t length)
{
    size_t bad;

    if (mn_utf8_check(text, length, &bad)) return MN_OK;
    return mn_fail(MN_TYPE,
                   text[bad] ? "text is not UTF-8 at byte %zu" : "text has a NUL at byte %zu", bad);
}

static enum mn_status vector_parse(const struct mn_kind *kind, const char *text, size_t length,
                                   struct mn_arena *arena, struct mn_value *out)
{
    struct mn_value from = mn_text(text, length);
    enum mn_status status = mn_vector_make(arena, &from, out);

    if (status == MN_OK && kind->dims && out->size != kind->dims) {
        return mn_fail(MN_TYPE, "VECTOR(%u) wanted, the text has %u values", (unsigned)kind->dims,
                       (unsigned)out->size);
    }
    return status;
}

enum mn_status mn_value_parse(const struct mn_kind *kind, const char *text, size_t length,
                              struct mn_arena *arena, struct mn_value *out)
{
    struct mn_value value;
    enum mn_status status = MN_OK;

    if (length > MN_VALUE_BYTES_LIMIT) return mn_fail(MN_TOOBIG, "a text is over 1 GiB");
    if (kind->type != MN_TYPE_TEXT && kind->type != MN_TYPE_BLOB) {
        for (; length > 0 && is_blank(*text); text++) length--;
        while (length > 0 && is_blank(text[length - 1])) length--;
    }
    value = (struct mn_value){.type = kind->type};
    switch ((enum mn_type)kind->type) {
    case MN_TYPE_NULL: return mn_fail(MN_MISUSE, "NULL has no text");
    case MN_TYPE_BOOL: status = bool_parse(text, length, &value); break;
    case MN_TYPE_INT: status = mn_int_parse(text, length, &value.i); break;
    case MN_TYPE_FLOAT: status = mn_float_parse(text, length, &value.f); break;
    case MN_TYPE_TIMESTAMP: status = mn_timestamp_parse(text, length, &value.i); break;
    case MN_TYPE_DURATION: status = mn_interval_parse(text, length, &value.i); break;
    case MN_TYPE_UUID: status = mn_uuid_parse(text, length, value.uuid); break;
    case MN_TYPE_TEXT:
        status = text_check(text, length);
        value = mn_text(text, length);
        break;
    case MN_TYPE_JSON:
        status = mn_json_check(text, length);
        value = mn_bytes_value(MN_TYPE_JSON, text, length);
        break;
    case MN_TYPE_BLOB: status = blob_parse(text, length, arena, &value); break;
    case MN_TYPE_VECTOR: status = vector_parse(kind, text, length, arena, &value); break;
    case MN_TYPE_LIST:
        value = mn_text(text, length);
        status = list_parse(kind, &value, arena, &value);
        break;
    }
    if (status == MN_OK) *out = value;
    return status;
}
