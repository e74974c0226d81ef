/*
 * func_text: text, bytes, lists and JSON.
 *
 * Lengths and positions of text count code points, positions from 1.
 */
#include "catalog/json.h"
#include "catalog/list.h"
#include "catalog/text.h"
#include "query/func.h"
#include "query/regexp.h"

/* Moves what a buffer gathered into the statement's scratch. */
static enum mn_status text_out(struct mn_eval *eval, struct mn_buf *buf, enum mn_status status,
                               struct mn_value *out)
{
    char *text = NULL;

    if (status == MN_OK) {
        text = mn_arena_text(eval->scratch, (const char *)buf->data, buf->len);
        if (!text) status = mn_fail_nomem();
    }
    if (status == MN_OK) *out = mn_text(text, buf->len);
    mn_buf_release(buf);
    return status;
}

static enum mn_status call_lower(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status = mn_text_map(a[0].p, a[0].size, mn_char_lower, &buf);

    (void)n;
    return text_out(eval, &buf, status, out);
}

static enum mn_status call_upper(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status = mn_text_map(a[0].p, a[0].size, mn_char_upper, &buf);

    (void)n;
    return text_out(eval, &buf, status, out);
}

static enum mn_status call_length(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_int((int64_t)mn_utf8_count(a[0].p, a[0].size));
    return MN_OK;
}

static enum mn_status call_length_blob(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                       struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_int(a[0].size);
    return MN_OK;
}

static enum mn_status call_length_list(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                       struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_int(mn_list_count(&a[0]));
    return MN_OK;
}

/* substr(text, start, count): positions before the text count, as in Postgres. */
static enum mn_status call_substr(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    const char *text = a[0].p;
    int64_t start = a[1].i, end = INT64_MAX;
    size_t from, to;

    (void)eval;
    if (n > 2 && a[2].i < 0) return mn_fail(MN_RANGE, "substr: a negative count");
    if (n > 2 && __builtin_add_overflow(start, a[2].i, &end)) end = INT64_MAX;
    if (start < 1) start = 1;
    if (end < start) end = start;
    from = mn_utf8_offset(text, a[0].size, (size_t)(start - 1));
    to = mn_utf8_offset(text + from, a[0].size - from, (size_t)(end - start));
    *out = mn_text(text + from, to);
    return MN_OK;
}

/* Bytes of text that begin or end with one of the characters of `set`. */
static bool set_has(const struct mn_value *set, uint32_t c)
{
    const char *at = set->p, *end = at + set->size;

    while (at < end) {
        uint32_t member;

        at += mn_utf8_decode(at, end, &member);
        if (member == c) return true;
    }
    return false;
}

static const struct mn_value blanks = {.type = MN_TYPE_TEXT, .size = 4, .p = " \t\r\n"};

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2 };

static void trim(const struct mn_value *a, uint32_t n, unsigned sides, struct mn_value *out)
{
    const struct mn_value *set = n > 1 ? &a[1] : &blanks;
    const char *start = a[0].p, *end = start + a[0].size;
    uint32_t c;

    while (sides & TRIM_LEFT && start < end) {
        size_t length = mn_utf8_decode(start, end, &c);

        if (!set_has(set, c)) break;
        start += length;
    }
    while (sides & TRIM_RIGHT && start < end) {
        const char *last = end - 1;

        while (last > start && ((unsigned char)*last & 0xC0) == 0x80) last--;
        mn_utf8_decode(last, end, &c);
        if (!set_has(set, c)) break;
        end = last;
    }
    *out = mn_text(start, (size_t)(end - start));
}

static enum mn_status call_trim(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                struct mn_value *out)
{
    (void)eval;
    trim(a, n, TRIM_LEFT | TRIM_RIGHT, out);
    return MN_OK;
}

static enum mn_status call_ltrim(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    (void)eval;
    trim(a, n, TRIM_LEFT, out);
    return MN_OK;
}

static enum mn_status call_rtrim(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    (void)eval;
    trim(a, n, TRIM_RIGHT, out);
    return MN_OK;
}

static enum mn_status call_replace(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                   struct mn_value *out)
{
    const char *at = a[0].p, *end = at + a[0].size;
    struct mn_buf buf = {0};
    enum mn_status status = MN_OK;

    (void)n;
    if (a[1].size == 0) {
        *out = a[0];
        return MN_OK;
    }
    while (status == MN_OK && at < end) {
        const char *hit = memmem(at, (size_t)(end - at), a[1].p, a[1].size);

        status = mn_buf_append(&buf, at, (size_t)((hit ? hit : end) - at));
        if (!hit) break;
        if (status == MN_OK) status = mn_buf_append(&buf, a[2].p, a[2].size);
        at = hit + a[1].size;
    }
    return text_out(eval, &buf, status, out);
}

/* concat skips NULLs; concat_ws too, and puts its first argument between the others. */
static enum mn_status call_concat(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; status == MN_OK && i < n; i++) {
        if (!mn_is_null(&a[i])) status = mn_value_format(&a[i], &buf);
    }
    return text_out(eval, &buf, status, out);
}

static enum mn_status call_concat_ws(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                     struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status = MN_OK;
    bool any = false;

    if (mn_is_null(&a[0])) return MN_OK;
    for (uint32_t i = 1; status == MN_OK && i < n; i++) {
        if (mn_is_null(&a[i])) continue;
        if (any) status = mn_buf_append(&buf, a[0].p, a[0].size);
        if (status == MN_OK) status = mn_value_format(&a[i], &buf);
        any = true;
    }
    return text_out(eval, &buf, status, out);
}

static enum mn_status call_starts_with(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                       struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_bool(a[0].size >= a[1].size &&
                   (a[1].size == 0 || memcmp(a[0].p, a[1].p, a[1].size) == 0));
    return MN_OK;
}

/* The position of the first occurrence, 0 where there is none. */
static enum mn_status call_strpos(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    const char *text = a[0].p;
    const char *hit = a[1].size ? memmem(text, a[0].size, a[1].p, a[1].size) : text;

    (void)n, (void)eval;
    *out = mn_int(hit ? (int64_t)mn_utf8_count(text, (size_t)(hit - text)) + 1 : 0);
    return MN_OK;
}

static enum mn_status call_ends_with(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                     struct mn_value *out)
{
    const char *text = a[0].p;
    bool fits = a[1].size <= a[0].size;

    (void)n, (void)eval;
    *out = mn_bool(fits && memcmp(text + (a[0].size - a[1].size), a[1].p, a[1].size) == 0);
    return MN_OK;
}

static enum mn_status call_contains(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                    struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_bool(memmem(a[0].p, a[0].size, a[1].p, a[1].size) != NULL);
    return MN_OK;
}

static enum mn_status call_regexp(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    struct mn_regexp *regexp;
    bool match = false;
    enum mn_status status = mn_regexp_new(eval->scratch, a[1].p, a[1].size, &regexp);

    (void)n;
    if (status == MN_OK) status = mn_regexp_match(regexp, a[0].p, a[0].size, &match);
    *out = mn_bool(match);
    return status;
}

/* A pattern that is known at prepare time is compiled then; eval's data is the program. */
static enum mn_status regexp_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                  struct mn_value *out)
{
    struct mn_value text;
    bool match = false;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &text);

    *out = mn_null();
    if (status != MN_OK || mn_is_null(&text)) return status;
    status = mn_regexp_match(expr->data, text.p, text.size, &match);
    if (status != MN_OK) return mn_place(expr->span.offset, expr->span.length);
    *out = mn_bool(match);
    return MN_OK;
}

enum mn_status mn_func_prepare(const struct mn_scope *scope, struct mn_expr *node)
{
    const struct mn_func *row = node->data;
    const struct mn_expr *pattern = node->arg_count > 1 ? node->args[1] : NULL;
    struct mn_regexp *regexp;

    if (row->call != call_regexp || pattern->form != MN_EXPR_CONSTANT || !pattern->not_null) {
        return MN_OK;
    }
    if (mn_regexp_new(scope->arena, pattern->value.p, pattern->value.size, &regexp) != MN_OK) {
        return mn_place(pattern->span.offset, pattern->span.length);
    }
    node->eval = regexp_eval;
    node->data = regexp;
    return MN_OK;
}

static enum mn_status call_json_set(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                    struct mn_value *out)
{
    struct mn_value made;
    enum mn_status status;

    (void)n;
    if (mn_is_null(&a[0]) || mn_is_null(&a[1])) return MN_OK;
    status = mn_json_make(&a[2], eval->scratch, &made);
    if (status != MN_OK) return status;
    return mn_json_set(&a[0], a[1].p, a[1].size, &made, eval->scratch, out);
}

static enum mn_status call_json_type(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                     struct mn_value *out)
{
    const char *type = mn_json_type(&a[0]);

    (void)n, (void)eval;
    *out = mn_text(type, strlen(type));
    return MN_OK;
}

static enum mn_status call_to_json(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                   struct mn_value *out)
{
    (void)n;
    return mn_json_make(&a[0], eval->scratch, out);
}

enum {
    X = MN_TYPE_TEXT,
    B = MN_TYPE_BLOB,
    L = MN_TYPE_LIST,
    I = MN_TYPE_INT,
    J = MN_TYPE_JSON,
    ANY = MN_FUNC_ANY,
    NULLS = MN_FUNC_NULLS
};

const struct mn_func mn_funcs_text[] = {
    {"lower", 1, 1, {X}, X, 0, 0, call_lower, "lower(text)", "small letters"},
    {"upper", 1, 1, {X}, X, 0, 0, call_upper, "upper(text)", "capital letters"},
    {"length",
     1,
     1,
     {X},
     I,
     0,
     0,
     call_length,
     "length(x)",
     "characters of a text, bytes of a blob, elements of a list"},
    {"length",
     1,
     1,
     {B},
     I,
     0,
     0,
     call_length_blob,
     "length(x)",
     "characters of a text, bytes of a blob, elements of a list"},
    {"length",
     1,
     1,
     {L},
     I,
     0,
     0,
     call_length_list,
     "length(x)",
     "characters of a text, bytes of a blob, elements of a list"},
    {"len", 1, 1, {X}, I, 0, 0, call_length, "len(x)", "as length"},
    {"len", 1, 1, {B}, I, 0, 0, call_length_blob, "len(x)", "as length"},
    {"len", 1, 1, {L}, I, 0, 0, call_length_list, "len(x)", "as length"},
    {"substr",
     2,
     3,
     {X, I, I},
     X,
     0,
     0,
     call_substr,
     "substr(text, start [, count])",
     "a part of a text, from position start, the first is 1"},
    {"substring",
     2,
     3,
     {X, I, I},
     X,
     0,
     0,
     call_substr,
     "substring(text, start [, count])",
     "as substr"},
    {"trim",
     1,
     2,
     {X, X},
     X,
     0,
     0,
     call_trim,
     "trim(text [, characters])",
     "without blanks, or these characters, at both ends"},
    {"ltrim",
     1,
     2,
     {X, X},
     X,
     0,
     0,
     call_ltrim,
     "ltrim(text [, characters])",
     "without them at the beginning"},
    {"rtrim",
     1,
     2,
     {X, X},
     X,
     0,
     0,
     call_rtrim,
     "rtrim(text [, characters])",
     "without them at the end"},
    {"replace",
     3,
     3,
     {X, X, X},
     X,
     0,
     0,
     call_replace,
     "replace(text, old, new)",
     "every occurrence of old by new"},
    {"concat",
     1,
     100,
     {ANY},
     X,
     NULLS,
     0,
     call_concat,
     "concat(x, ...)",
     "texts of all values joined, NULLs skipped"},
    {"concat_ws",
     2,
     100,
     {X, ANY},
     X,
     NULLS,
     0,
     call_concat_ws,
     "concat_ws(separator, x, ...)",
     "the same with a separator between them"},
    {"starts_with",
     2,
     2,
     {X, X},
     MN_TYPE_BOOL,
     0,
     0,
     call_starts_with,
     "starts_with(text, start)",
     "whether a text begins so"},
    {"strpos",
     2,
     2,
     {X, X},
     I,
     0,
     0,
     call_strpos,
     "strpos(text, part)",
     "the position of a part, 0 where it is not in the text"},
    {"ends_with",
     2,
     2,
     {X, X},
     MN_TYPE_BOOL,
     0,
     0,
     call_ends_with,
     "ends_with(text, end)",
     "true where the text ends so"},
    {"contains",
     2,
     2,
     {X, X},
     MN_TYPE_BOOL,
     0,
     0,
     call_contains,
     "contains(text, word)",
     "true where the word stands in the text"},
    {"regexp",
     2,
     2,
     {X, X},
     MN_TYPE_BOOL,
     0,
     0,
     call_regexp,
     "regexp(text, pattern)",
     "true where the regular expression matches somewhere in the text"},
    {"json_set",
     3,
     3,
     {J, X, ANY},
     J,
     NULLS,
     0,
     call_json_set,
     "json_set(json, path, value)",
     "a JSON value with the part at '$.a.b[0]' set"},
    {"json_type",
     1,
     1,
     {J},
     X,
     0,
     0,
     call_json_type,
     "json_type(json)",
     "object, array, string, number, boolean or null"},
    {"to_json", 1, 1, {ANY}, J, 0, 0, call_to_json, "to_json(x)", "a value as JSON"},
    {0}};
