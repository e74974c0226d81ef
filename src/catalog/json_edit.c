/*
 * json_edit: JSON text that is made: quoted, canonical, from values, and changed at a path.
 */
#include <stdlib.h>

#include "catalog/json.h"
#include "catalog/scan.h"

/* ---- quoting ---- */

enum mn_status mn_json_quote(const char *text, size_t length, struct mn_buf *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t from = 0;
    enum mn_status status = mn_buf_reserve(out, length + 2);

    if (status == MN_OK) status = mn_buf_byte(out, '"');
    for (size_t i = 0; status == MN_OK && i < length; i++) {
        uint8_t c = (uint8_t)text[i];
        char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
        const char *found = c ? strchr(shorts, c) : NULL;

        if (c >= 0x20 && c != '"' && c != '\\') continue;
        status = mn_buf_append(out, text + from, i - from);
        if (status != MN_OK) return status;
        if (found) escape[1] = found[1];
        status = mn_buf_append(out, escape, found ? 2 : 6);
        from = i + 1;
    }
    if (status == MN_OK) status = mn_buf_append(out, text + from, length - from);
    if (status == MN_OK) status = mn_buf_byte(out, '"');
    return status;
}

/* ---- the canonical form ---- */

/* -12.50e1 as -125e0: digits without zeros at either end, and their exponent. */
static enum mn_status canonical_number(const char *at, const char *end, struct mn_buf *out)
{
    bool negative = *at == '-', point = false;
    size_t begin;
    long exponent = 0;
    enum mn_status status = MN_OK;

    if (negative) status = mn_buf_byte(out, '-');
    begin = out->len;
    for (at += negative; status == MN_OK && at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        exponent -= point;
        if (*at != '0' || out->len > begin) status = mn_buf_byte(out, (uint8_t)*at);
    }
    if (status != MN_OK) return status;
    if (at < end) {
        char digits[16] = {0}; /* the scanner lets nine digits and a sign through */

        memcpy(digits, at + 1, (size_t)(end - at - 1) < 15 ? (size_t)(end - at - 1) : 15);
        exponent += strtol(digits, NULL, 10);
    }
    while (out->len > begin && out->data[out->len - 1] == '0') {
        out->len--;
        exponent++;
    }
    if (out->len == begin) {
        out->len -= negative;
        return mn_buf_byte(out, '0');
    }
    return mn_buf_printf(out, "e%ld", exponent);
}

struct member {
    size_t key, key_length, value, value_length; /* in the members' bytes */
    size_t place;
    const uint8_t *bytes; /* set for sorting, when they no longer move */
};

static int member_order(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    size_t least = x->key_length < y->key_length ? x->key_length : y->key_length;
    int order = memcmp(x->bytes + x->key, y->bytes + y->key, least);

    if (order == 0) order = (x->key_length > y->key_length) - (x->key_length < y->key_length);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static enum mn_status members_write(struct mn_buf *list, const struct mn_buf *bytes,
                                    struct mn_buf *out)
{
    struct member *members = (struct member *)(void *)list->data;
    size_t count = list->len / sizeof *members;
    enum mn_status status = mn_buf_byte(out, '{');
    bool first = true;

    for (size_t i = 0; i < count; i++) members[i].bytes = bytes->data;
    if (count) qsort(members, count, sizeof *members, member_order);
    for (size_t i = 0; status == MN_OK && i < count; i++) {
        const struct member *member = &members[i];

        if (i + 1 < count && member->key_length == members[i + 1].key_length &&
            memcmp(bytes->data + member->key, bytes->data + members[i + 1].key,
                   member->key_length) == 0) {
            continue; /* the last of equal keys wins */
        }
        if (!first) status = mn_buf_byte(out, ',');
        first = false;
        if (status == MN_OK) {
            status = mn_buf_append(out, bytes->data + member->key, member->key_length);
        }
        if (status == MN_OK) status = mn_buf_byte(out, ':');
        if (status == MN_OK) {
            status = mn_buf_append(out, bytes->data + member->value, member->value_length);
        }
    }
    return status == MN_OK ? mn_buf_byte(out, '}') : status;
}

static enum mn_status canonical_value(const struct mn_value *json, int depth, struct mn_buf *out);

static enum mn_status canonical_object(const struct mn_value *json, int depth, struct mn_buf *out)
{
    struct mn_buf list = {0}, bytes = {0};
    struct mn_arena arena;
    struct mn_json_each each;
    struct mn_value key, value;
    bool found;
    enum mn_status status;

    mn_arena_init(&arena, 0);
    mn_json_each_begin(&each, json);
    for (size_t place = 0;; place++) {
        struct member member = {.key = bytes.len, .place = place};

        status = mn_json_each_next(&each, &arena, &key, &value, &found);
        if (status != MN_OK || !found) break;
        status = mn_json_quote(key.p, key.size, &bytes);
        member.key_length = bytes.len - member.key;
        member.value = bytes.len;
        if (status == MN_OK) status = canonical_value(&value, depth + 1, &bytes);
        member.value_length = bytes.len - member.value;
        if (status == MN_OK) status = mn_buf_append(&list, &member, sizeof member);
        if (status != MN_OK) break;
    }
    if (status == MN_OK) status = members_write(&list, &bytes, out);
    mn_arena_release(&arena);
    mn_buf_release(&list);
    mn_buf_release(&bytes);
    return status;
}

static enum mn_status canonical_array(const struct mn_value *json, int depth, struct mn_buf *out)
{
    struct mn_json_each each;
    struct mn_value key, value;
    bool found = true;
    enum mn_status status = mn_buf_byte(out, '[');

    mn_json_each_begin(&each, json);
    while (status == MN_OK) {
        status = mn_json_each_next(&each, NULL, &key, &value, &found);
        if (status != MN_OK || !found) break;
        if (key.i > 0) status = mn_buf_byte(out, ',');
        if (status == MN_OK) status = canonical_value(&value, depth + 1, out);
    }
    return status == MN_OK ? mn_buf_byte(out, ']') : status;
}

static enum mn_status canonical_string(const struct mn_value *json, struct mn_buf *out)
{
    struct mn_arena arena;
    struct mn_value text;
    enum mn_status status;

    mn_arena_init(&arena, 0);
    status = mn_json_text(json, &arena, &text);
    if (status == MN_OK) status = mn_json_quote(text.p, text.size, out);
    mn_arena_release(&arena);
    return status;
}

static enum mn_status canonical_value(const struct mn_value *json, int depth, struct mn_buf *out)
{
    const char *at = json->p, *end = at + json->size, *begin = at;
    enum mn_json_token token = mn_json_lex(&at, end);

    if (token == MN_JSON_BLANK) {
        begin = at;
        token = mn_json_lex(&at, end);
    }
    if (depth > MN_JSON_DEPTH_LIMIT) return mn_fail(MN_CORRUPT, "a JSON value is damaged");
    switch (token) {
    case MN_JSON_OBJECT: return canonical_object(json, depth, out);
    case MN_JSON_ARRAY: return canonical_array(json, depth, out);
    case MN_JSON_NUMBER: return canonical_number(begin, at, out);
    case MN_JSON_STRING:
    case MN_JSON_STRING_ESCAPED: return canonical_string(json, out);
    case MN_JSON_NULL: return mn_buf_text(out, "null");
    case MN_JSON_TRUE: return mn_buf_text(out, "true");
    case MN_JSON_FALSE: return mn_buf_text(out, "false");
    case MN_JSON_BAD:
    case MN_JSON_END:
    case MN_JSON_BLANK:
    case MN_JSON_OBJECT_END:
    case MN_JSON_ARRAY_END:
    case MN_JSON_COLON:
    case MN_JSON_COMMA: break;
    }
    return mn_fail(MN_CORRUPT, "a JSON value is damaged");
}

enum mn_status mn_json_canonical(const char *text, size_t length, struct mn_buf *out)
{
    struct mn_value json = mn_bytes_value(MN_TYPE_JSON, text, length);

    return canonical_value(&json, 0, out);
}

/* ---- from values ---- */

/* Moves a buffer's bytes to the arena as a JSON value; the buffer is released. */
static enum mn_status json_finish(enum mn_status status, struct mn_buf *buf, struct mn_arena *arena,
                                  struct mn_value *out)
{
    if (status == MN_OK && buf->len > MN_VALUE_BYTES_LIMIT) {
        status = mn_fail(MN_TOOBIG, "a JSON value is over 1 GiB");
    }
    if (status == MN_OK) {
        const void *copy = mn_arena_copy(arena, buf->data, buf->len);

        *out = mn_bytes_value(MN_TYPE_JSON, copy, buf->len);
        if (!copy) status = mn_fail_nomem();
    }
    mn_buf_release(buf);
    return status;
}

enum mn_status mn_json_make(const struct mn_value *value, struct mn_arena *arena,
                            struct mn_value *out)
{
    struct mn_buf buf = {0};

    if (value->type == MN_TYPE_JSON) {
        *out = *value;
        return MN_OK;
    }
    return json_finish(mn_value_format_json(value, &buf), &buf, arena, out);
}

/* ---- json_set ---- */

struct step {
    const char *key; /* NULL: an index */
    size_t key_length;
    int64_t index;
};

/* Reads one step of a.b[0]["c"]; false: the path is wrong. */
static bool step_read(const char **cursor, const char *end, bool first, struct step *step)
{
    const char *at = *cursor, *begin;

    *step = (struct step){0};
    if (*at == '[' && end - at > 2 && at[1] == '"') {
        begin = at + 2;
        at = memchr(begin, '"', (size_t)(end - begin));
        if (!at || end - at < 2 || at[1] != ']') return false;
        step->key = begin;
        step->key_length = (size_t)(at - begin);
        *cursor = at + 2;
        return true;
    }
    if (*at == '[') {
        begin = at + 1;
        at = memchr(begin, ']', (size_t)(end - begin));
        if (!at || mn_int_parse(begin, (size_t)(at - begin), &step->index) != MN_OK) return false;
        *cursor = at + 1;
        return true;
    }
    if (*at == '.') {
        at++;
    } else if (!first) {
        return false;
    }
    begin = at;
    while (at < end && *at != '.' && *at != '[') at++;
    step->key = begin;
    step->key_length = (size_t)(at - begin);
    *cursor = at;
    return at > begin;
}

/* The value inside one object or array for each step that does not exist yet. */
static enum mn_status missing_write(const char *at, const char *end, const struct mn_value *value,
                                    struct mn_buf *out)
{
    struct step step;
    struct mn_buf tail = {0};
    enum mn_status status = MN_OK;

    while (status == MN_OK && at < end) {
        if (!step_read(&at, end, false, &step) || (!step.key && step.index != 0)) {
            mn_buf_release(&tail);
            return mn_fail(MN_TYPE, "the rest of the JSON path does not exist");
        }
        status = mn_buf_byte(out, step.key ? '{' : '[');
        if (status == MN_OK && step.key) status = mn_json_quote(step.key, step.key_length, out);
        if (status == MN_OK && step.key) status = mn_buf_byte(out, ':');
        if (status == MN_OK) status = mn_buf_byte(&tail, step.key ? '}' : ']');
    }
    if (status == MN_OK) status = mn_buf_append(out, value->p, value->size);
    while (status == MN_OK && tail.len > 0) status = mn_buf_byte(out, tail.data[--tail.len]);
    mn_buf_release(&tail);
    return status;
}

/* A new member or element before the closing bracket, with what stands around it. */
struct insertion {
    const struct mn_value *whole, *inside, *value;
    const char *rest, *rest_end; /* the path's other steps */
};

static enum mn_status member_insert(const struct insertion *insertion, const struct step *step,
                                    struct mn_buf *out)
{
    const char *whole = insertion->whole->p, *whole_end = whole + insertion->whole->size;
    const char *inside = insertion->inside->p, *close = inside + insertion->inside->size;
    struct mn_json_each each;
    struct mn_value first;
    bool any = false;
    enum mn_status status;

    while (close > inside && close[-1] != '}' && close[-1] != ']') close--;
    if (close > inside) close--;
    mn_json_each_begin(&each, insertion->inside);
    first = mn_bytes_value(MN_TYPE_TEXT, each.at, (size_t)(close - each.at));
    for (uint32_t i = 0; i < first.size && !any; i++) any = !strchr(" \t\r\n", each.at[i]);
    status = mn_buf_append(out, whole, (size_t)(close - whole));
    if (status == MN_OK && any) status = mn_buf_byte(out, ',');
    if (status == MN_OK && step->key) status = mn_json_quote(step->key, step->key_length, out);
    if (status == MN_OK && step->key) status = mn_buf_byte(out, ':');
    if (status == MN_OK) {
        status = missing_write(insertion->rest, insertion->rest_end, insertion->value, out);
    }
    return status == MN_OK ? mn_buf_append(out, close, (size_t)(whole_end - close)) : status;
}

static enum mn_status step_get(const struct mn_value *json, const struct step *step,
                               struct mn_value *out)
{
    const char *type = mn_json_type(json);

    if (step->key ? strcmp(type, "object") != 0 : strcmp(type, "array") != 0) {
        return mn_fail(MN_TYPE, "the JSON path asks %s of a JSON %s",
                       step->key ? "a key" : "an index", type);
    }
    return step->key ? mn_json_get_key(json, step->key, step->key_length, out)
                     : mn_json_get_index(json, step->index, out);
}

static enum mn_status set_write(const struct mn_value *json, const char *path, const char *end,
                                const struct mn_value *value, struct mn_buf *out)
{
    struct mn_value inside = *json, next;
    const char *whole = json->p, *whole_end = whole + json->size;
    bool first = true;
    enum mn_status status;

    if (path < end && *path == '$') path++;
    while (path < end) {
        struct step step;

        if (!step_read(&path, end, first, &step)) {
            return mn_fail(MN_TYPE, "a JSON path is written a.b[0] or $.a.b[0]");
        }
        first = false;
        status = step_get(&inside, &step, &next);
        if (status != MN_OK) return status;
        if (mn_is_null(&next)) {
            struct insertion insertion = {json, &inside, value, path, end};

            return member_insert(&insertion, &step, out);
        }
        inside = next;
    }
    status = mn_buf_append(out, whole, (size_t)((const char *)inside.p - whole));
    if (status == MN_OK) status = mn_buf_append(out, value->p, value->size);
    if (status == MN_OK) {
        const char *behind = (const char *)inside.p + inside.size;

        status = mn_buf_append(out, behind, (size_t)(whole_end - behind));
    }
    return status;
}

enum mn_status mn_json_set(const struct mn_value *json, const char *path, size_t length,
                           const struct mn_value *value, struct mn_arena *arena,
                           struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status = set_write(json, path, path + length, value, &buf);

    status = json_finish(status, &buf, arena, out);
    return status == MN_OK ? mn_json_check(out->p, out->size) : status;
}
