/*
 * json: checking JSON text and finding parts of it.
 */
#include "catalog/json.h"

#include "catalog/scan.h"
#include "catalog/text.h"

static enum mn_json_token token_next(const char **at, const char *end)
{
    enum mn_json_token token = mn_json_lex(at, end);

    return token == MN_JSON_BLANK ? mn_json_lex(at, end) : token;
}

static bool token_is_scalar(enum mn_json_token token)
{
    return token >= MN_JSON_NULL && token <= MN_JSON_STRING_ESCAPED;
}

static bool token_is_string(enum mn_json_token token)
{
    return token == MN_JSON_STRING || token == MN_JSON_STRING_ESCAPED;
}

/* ---- checking ---- */

/* What may come next. */
enum expect { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, COMMA_OR_END };

struct checker {
    enum expect expect;
    int depth;
    bool in_object[MN_JSON_DEPTH_LIMIT];
};

static const char *checker_wants(const struct checker *checker)
{
    switch (checker->expect) {
    case VALUE: return "a value";
    case VALUE_OR_END: return "a value or ]";
    case KEY: return "a key in quotes";
    case KEY_OR_END: return "a key in quotes or }";
    case COLON: return ":";
    case COMMA_OR_END: break;
    }
    if (checker->depth == 0) return "the end";
    return checker->in_object[checker->depth - 1] ? ", or }" : ", or ]";
}

static bool checker_value(struct checker *checker, enum mn_json_token token)
{
    bool opens = token == MN_JSON_OBJECT || token == MN_JSON_ARRAY;

    if (checker->expect == VALUE_OR_END && token == MN_JSON_ARRAY_END) {
        checker->depth--;
        checker->expect = COMMA_OR_END;
        return true;
    }
    if (!opens && !token_is_scalar(token)) return false;
    checker->expect = COMMA_OR_END;
    if (opens) {
        if (checker->depth < MN_JSON_DEPTH_LIMIT) {
            checker->in_object[checker->depth] = token == MN_JSON_OBJECT;
        }
        checker->depth++;
        checker->expect = token == MN_JSON_OBJECT ? KEY_OR_END : VALUE_OR_END;
    }
    return true;
}

/* False: the token is not what must come. */
static bool checker_step(struct checker *checker, enum mn_json_token token)
{
    bool in_object = checker->depth > 0 && checker->in_object[checker->depth - 1];

    switch (checker->expect) {
    case VALUE:
    case VALUE_OR_END: return checker_value(checker, token);
    case KEY_OR_END:
        if (token == MN_JSON_OBJECT_END) {
            checker->depth--;
            checker->expect = COMMA_OR_END;
            return true;
        }
        checker->expect = COLON;
        return token_is_string(token);
    case KEY: checker->expect = COLON; return token_is_string(token);
    case COLON: checker->expect = VALUE; return token == MN_JSON_COLON;
    case COMMA_OR_END: break;
    }
    if (checker->depth == 0) return false;
    if (token == MN_JSON_COMMA) {
        checker->expect = in_object ? KEY : VALUE;
        return true;
    }
    checker->depth--;
    return token == (in_object ? MN_JSON_OBJECT_END : MN_JSON_ARRAY_END);
}

enum mn_status mn_json_check(const char *text, size_t length)
{
    const char *at = text, *end = text + length, *token_at;
    struct checker checker = {.expect = VALUE};

    for (;;) {
        enum mn_json_token token;
        struct checker before = checker;

        token_at = at;
        token = mn_json_lex(&at, end);
        if (token == MN_JSON_BLANK) {
            token_at = at;
            token = mn_json_lex(&at, end);
        }
        if (token == MN_JSON_END && checker.expect == COMMA_OR_END && checker.depth == 0)
            return MN_OK;
        if (!checker_step(&checker, token)) {
            return mn_fail(MN_TYPE, "JSON wants %s at byte %zu", checker_wants(&before),
                           (size_t)(token_at - text));
        }
        if (checker.depth > MN_JSON_DEPTH_LIMIT) {
            return mn_fail(MN_TOOBIG, "JSON is nested over %d deep", MN_JSON_DEPTH_LIMIT);
        }
    }
}

/* ---- walking: the text was checked, but may come from a damaged file ---- */

static enum mn_status json_damaged(void)
{
    return mn_fail(MN_CORRUPT, "a JSON value is damaged");
}

/* Moves *at behind one value, from its first byte or a blank before it. False: damaged. */
static bool value_skip(const char **at, const char *end, const char **begin)
{
    int depth = 0;

    do {
        const char *before = *at;
        enum mn_json_token token = mn_json_lex(at, end);

        if (token == MN_JSON_BLANK) {
            before = *at;
            token = mn_json_lex(at, end);
        }
        if (*begin == NULL) *begin = before;
        if (token == MN_JSON_BAD || token == MN_JSON_END) return false;
        if (token == MN_JSON_OBJECT || token == MN_JSON_ARRAY) depth++;
        if (token == MN_JSON_OBJECT_END || token == MN_JSON_ARRAY_END) depth--;
    } while (depth > 0);
    return depth == 0;
}

/* The first token of a value and where it is. */
static enum mn_json_token first_token(const struct mn_value *json, const char **begin,
                                      const char **behind)
{
    const char *at = json->p, *end = at + json->size;
    enum mn_json_token token;

    *begin = at;
    token = mn_json_lex(&at, end);
    if (token == MN_JSON_BLANK) {
        *begin = at;
        token = mn_json_lex(&at, end);
    }
    *behind = at;
    return token;
}

const char *mn_json_type(const struct mn_value *json)
{
    const char *begin, *behind;
    enum mn_json_token token = first_token(json, &begin, &behind);

    if (token == MN_JSON_OBJECT) return "object";
    if (token == MN_JSON_ARRAY) return "array";
    if (token_is_string(token)) return "string";
    if (token == MN_JSON_NUMBER) return "number";
    return token == MN_JSON_NULL ? "null" : "boolean";
}

/* ---- strings ---- */

static uint32_t hex4(const char *at)
{
    uint32_t sum = 0;

    for (int i = 0; i < 4; i++) {
        char c = at[i];

        sum = sum << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return sum;
}

/* One escape behind its backslash; returns its bytes without the backslash. The scanner passed it.
 */
static size_t escape_read(const char *at, uint32_t *c)
{
    switch (*at) {
    case 'b': *c = '\b'; return 1;
    case 'f': *c = '\f'; return 1;
    case 'n': *c = '\n'; return 1;
    case 'r': *c = '\r'; return 1;
    case 't': *c = '\t'; return 1;
    case 'u':
        *c = hex4(at + 1);
        if (*c < 0xd800 || *c > 0xdbff) return 5;
        *c = 0x10000 + ((*c - 0xd800) << 10) + (hex4(at + 7) - 0xdc00);
        return 11;
    default: *c = (uint8_t)*at; return 1;
    }
}

/* The text of a string token [begin, behind), quotes included: borrowed, or in the arena. */
static enum mn_status string_text(const char *begin, const char *behind, struct mn_arena *arena,
                                  struct mn_value *out)
{
    const char *at = begin + 1, *end = behind - 1;
    char *copy;
    size_t length = 0;

    *out = mn_text(at, (size_t)(end - at));
    if (!memchr(at, '\\', (size_t)(end - at))) return MN_OK;
    copy = mn_arena_alloc(arena, (size_t)(end - at));
    if (!copy) return mn_fail_nomem();
    while (at < end) {
        uint32_t c;

        if (*at != '\\') {
            copy[length++] = *at++;
            continue;
        }
        at++;
        at += escape_read(at, &c);
        length += mn_utf8_encode(c, copy + length);
    }
    *out = mn_text(copy, length);
    return MN_OK;
}

/* True where the string token spells this text. No memory is needed. */
static bool string_is(const char *begin, const char *behind, const char *text, size_t length)
{
    const char *at = begin + 1, *end = behind - 1, *text_end = text + length;

    while (at < end) {
        char bytes[4];
        uint32_t c;
        size_t n = 1;

        if (*at != '\\') {
            bytes[0] = *at++;
        } else {
            at++;
            at += escape_read(at, &c);
            n = mn_utf8_encode(c, bytes);
        }
        if ((size_t)(text_end - text) < n || memcmp(text, bytes, n) != 0) return false;
        text += n;
    }
    return text == text_end;
}

enum mn_status mn_json_text(const struct mn_value *json, struct mn_arena *arena,
                            struct mn_value *out)
{
    const char *begin, *behind;
    enum mn_json_token token = first_token(json, &begin, &behind);

    if (token == MN_JSON_NULL) {
        *out = mn_null();
        return MN_OK;
    }
    if (token_is_string(token)) return string_text(begin, behind, arena, out);
    *out = mn_text(json->p, json->size);
    return MN_OK;
}

/* ---- members ---- */

void mn_json_each_begin(struct mn_json_each *each, const struct mn_value *json)
{
    const char *begin, *behind;
    enum mn_json_token token = first_token(json, &begin, &behind);

    each->object = token == MN_JSON_OBJECT;
    each->index = 0;
    each->at = behind;
    each->end = (const char *)json->p + json->size;
    if (token != MN_JSON_OBJECT && token != MN_JSON_ARRAY) each->at = NULL;
}

/* The spans of the next member: the key's token (objects) and the value. */
struct member {
    const char *key, *key_end, *value, *value_end;
};

static enum mn_status member_next(struct mn_json_each *each, struct member *member, bool *found)
{
    const char *before;
    enum mn_json_token token;

    *found = false;
    if (!each->at) return MN_OK;
    before = each->at;
    token = token_next(&each->at, each->end);
    if (each->index > 0 && token == MN_JSON_COMMA) {
        before = each->at;
        token = token_next(&each->at, each->end);
    }
    if (token == (each->object ? MN_JSON_OBJECT_END : MN_JSON_ARRAY_END)) {
        each->at = NULL;
        return MN_OK;
    }
    member->value = NULL;
    if (each->object) {
        if (!token_is_string(token)) return json_damaged();
        member->key = memchr(before, '"', (size_t)(each->at - before));
        member->key_end = each->at;
        if (token_next(&each->at, each->end) != MN_JSON_COLON) return json_damaged();
    } else {
        each->at = before;
    }
    if (!value_skip(&each->at, each->end, &member->value)) return json_damaged();
    member->value_end = each->at;
    each->index++;
    *found = true;
    return MN_OK;
}

static struct mn_value member_value(const struct member *member)
{
    return mn_bytes_value(MN_TYPE_JSON, member->value, (size_t)(member->value_end - member->value));
}

enum mn_status mn_json_each_next(struct mn_json_each *each, struct mn_arena *arena,
                                 struct mn_value *key, struct mn_value *value, bool *found)
{
    struct member member;
    enum mn_status status = member_next(each, &member, found);

    if (status != MN_OK || !*found) return status;
    *value = member_value(&member);
    *key = mn_int(each->index - 1);
    return each->object ? string_text(member.key, member.key_end, arena, key) : MN_OK;
}

enum mn_status mn_json_get_key(const struct mn_value *json, const char *key, size_t length,
                               struct mn_value *out)
{
    struct mn_json_each each;
    struct member member;
    bool found = true;

    mn_json_each_begin(&each, json); /* before *out: they may be the same value */
    *out = mn_null();
    if (!each.object) return MN_OK;
    while (found) {
        enum mn_status status = member_next(&each, &member, &found);

        if (status != MN_OK) return status;
        if (found && string_is(member.key, member.key_end, key, length)) {
            *out = member_value(&member);
        }
    }
    return MN_OK;
}

enum mn_status mn_json_get_index(const struct mn_value *json, int64_t index, struct mn_value *out)
{
    struct mn_json_each each;
    struct member member;
    bool found = true;

    mn_json_each_begin(&each, json); /* before *out: they may be the same value */
    *out = mn_null();
    if (each.object) return MN_OK;
    if (index < 0) {
        struct mn_json_each counter = each;

        while (found) {
            enum mn_status status = member_next(&counter, &member, &found);

            if (status != MN_OK) return status;
        }
        index += counter.index;
        found = index >= 0;
    }
    while (found) {
        enum mn_status status = member_next(&each, &member, &found);

        if (status != MN_OK) return status;
        if (found && each.index - 1 == index) {
            *out = member_value(&member);
            return MN_OK;
        }
    }
    return MN_OK;
}
