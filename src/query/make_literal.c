/*
 * make_literal: names, numbers, texts, types and parameters, from their bytes.
 */
#include "query/make.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "query.h"
#include "query/hint.h"

/* Records a failure at a token, once, and gives the status of p. */
static void fail_at(struct mn_parser *p, struct mn_span span, enum mn_status status,
                    const char *message)
{
    if (p->status == MN_OK) {
        p->status = mn_fail_at(status, span.offset, span.length, "%s", message);
    }
}

/* A failure of a parser of values has a message, but no place yet. */
static void place(struct mn_parser *p, enum mn_status status, struct mn_span span)
{
    if (status == MN_OK || p->status != MN_OK) return;
    p->status = status;
    mn_place(span.offset, span.length);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Without the quotes around it; a doubled quote inside stands for one. */
static char *unquoted(struct mn_parser *p, struct mn_span span, size_t *length)
{
    const char *from = p->text + span.offset + 1, *end = p->text + span.offset + span.length - 1;
    char quote = *end;
    char *to = mn_arena_alloc(p->arena, span.length), *at = to;

    if (!to) {
        mn_make_fail(p, mn_fail_nomem());
        return NULL;
    }
    while (from < end) {
        if (*from == quote) from++;
        *at++ = *from++;
    }
    *at = '\0';
    *length = (size_t)(at - to);
    return to;
}

static void check_utf8(struct mn_parser *p, const char *text, size_t length, struct mn_span span)
{
    size_t bad;

    if (mn_utf8_check(text, length, &bad)) return;
    fail_at(p, span, MN_SYNTAX, "the text is not valid UTF-8");
}

struct mn_name mn_make_name(struct mn_parser *p, struct mn_token token)
{
    struct mn_name name = {.length = token.span.length, .span = token.span};
    char *text;

    if (p->status != MN_OK) return (struct mn_name){.text = "", .span = token.span};
    if (p->text[token.span.offset] == '"') {
        size_t length = 0;

        text = unquoted(p, token.span, &length);
        name.length = (uint32_t)length;
        name.quoted = true;
    } else {
        text = mn_arena_text(p->arena, p->text + token.span.offset, token.span.length);
        for (char *at = text; at && *at; at++) {
            if (*at >= 'A' && *at <= 'Z') *at = (char)(*at + ('a' - 'A'));
        }
    }
    if (!text) {
        mn_make_fail(p, mn_fail_nomem());
        text = "";
    } else {
        check_utf8(p, text, name.length, token.span);
    }
    name.text = text;
    return name;
}

struct mn_name mn_make_bare(struct mn_parser *p, struct mn_token token)
{
    if (token.code != TK_ID && p->status == MN_OK) {
        mn_make_unexpected(p, token);
        p->bare = true;
    }
    return mn_make_name(p, token);
}

struct mn_ast_names mn_make_names(struct mn_parser *p, struct mn_ast_names list,
                                  struct mn_name name)
{
    struct mn_ast_name *node = NEW(struct mn_ast_name, .name = name);

    list.span = list.count > 0 ? mn_span_join(list.span, name.span) : name.span;
    APPEND(list, node);
    return list;
}

/* ---- literals ------------------------------------------------------------------------------ */

static bool integer_read(const char *text, size_t length, uint64_t *value)
{
    bool hex = length > 2 && (text[1] == 'x' || text[1] == 'X');
    uint64_t base = hex ? 16 : 10, sum = 0;

    for (size_t i = hex ? 2 : 0; i < length; i++) {
        unsigned c = (unsigned char)text[i];
        unsigned digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;

        if (__builtin_mul_overflow(sum, base, &sum)) return false;
        if (__builtin_add_overflow(sum, digit, &sum)) return false;
    }
    *value = sum;
    return true;
}

static struct mn_value integer_value(struct mn_parser *p, struct mn_token token, bool *huge)
{
    uint64_t value = 0;
    const uint64_t limit = UINT64_C(1) << 63;

    if (!integer_read(p->text + token.span.offset, token.span.length, &value) || value > limit) {
        fail_at(p, token.span, MN_RANGE, "the number is out of the range of INT");
    }
    *huge = value == limit;
    return mn_int(*huge ? INT64_MIN : (int64_t)value);
}

static int digit_of(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static struct mn_value blob_value(struct mn_parser *p, struct mn_token token)
{
    size_t count = (token.span.length - 3) / 2;
    const char *from = p->text + token.span.offset + 2;
    uint8_t *bytes = mn_arena_alloc(p->arena, count + 1);

    if (!bytes) {
        mn_make_fail(p, mn_fail_nomem());
        return mn_null();
    }
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(digit_of(from[2 * i]) * 16 + digit_of(from[2 * i + 1]));
    }
    return mn_bytes_value(MN_TYPE_BLOB, bytes, count);
}

static struct mn_value text_value(struct mn_parser *p, struct mn_token token)
{
    size_t length = 0;
    char *text = unquoted(p, token.span, &length);

    if (!text) return mn_null();
    check_utf8(p, text, length, token.span);
    return mn_text(text, length);
}

static struct mn_value literal_value(struct mn_parser *p, struct mn_token token, bool *huge)
{
    const char *text = p->text + token.span.offset;
    size_t length = token.span.length;
    double f = 0;
    int64_t us = 0;

    switch (token.code) {
    case TK_INTEGER: return integer_value(p, token, huge);
    case TK_FLOAT: place(p, mn_float_parse(text, length, &f), token.span); return mn_float(f);
    case TK_DURATION:
        place(p, mn_duration_parse(text, length, &us), token.span);
        return mn_duration(us);
    case TK_STRING: return text_value(p, token);
    case TK_BLOB: return blob_value(p, token);
    case TK_TRUE: return mn_bool(true);
    case TK_FALSE: return mn_bool(false);
    default: return mn_null();
    }
}

struct mn_ast_expr *mn_make_literal(struct mn_parser *p, struct mn_token token)
{
    bool huge = false;
    struct mn_value value = mn_null();
    struct mn_ast_expr *expr;

    if (p->status == MN_OK) value = literal_value(p, token, &huge);
    expr = EXPR(token.span, .kind = MN_AST_LITERAL, .literal = value);
    if (huge && p->status == MN_OK) {
        if (p->huge) {
            fail_at(p, p->huge->span, MN_RANGE, "the number is out of the range of INT");
        }
        p->huge = expr;
    }
    return expr;
}

struct mn_ast_expr *mn_make_negated(struct mn_parser *p, struct mn_token minus,
                                    struct mn_token number)
{
    return mn_make_unary(p, MN_OP_NEGATE, minus, mn_make_literal(p, number));
}

static bool name_is(const struct mn_name *name, const char *word)
{
    return strcmp(name->text, word) == 0;
}

/* DATE '2026-11-20' is that day's midnight, also where a time is written behind it. */
static enum mn_status date_parse(const struct mn_value *text, int64_t *us)
{
    const int64_t day = INT64_C(86400000000);
    enum mn_status status = mn_timestamp_parse(text->p, text->size, us);

    if (status == MN_OK) *us -= ((*us % day) + day) % day;
    return status;
}

static enum mn_status typed_parse(struct mn_parser *p, const struct mn_name *type,
                                  const struct mn_value *text, struct mn_value *value)
{
    struct mn_kind kind;
    int64_t us = 0;
    enum mn_status status;

    if (name_is(type, "date")) {
        status = date_parse(text, &us);
        *value = mn_timestamp(us);
        return status;
    }
    if (name_is(type, "interval")) {
        status = mn_interval_parse(text->p, text->size, &us);
        *value = mn_duration(us);
        return status == MN_OK ? status : mn_hint("write 7d or INTERVAL '7 days'");
    }
    if (type->quoted || !mn_kind_find(type->text, type->length, &kind)) {
        mn_fail_at(MN_SYNTAX, type->span.offset, type->span.length,
                   "\"%s\" is no type that a text can be read as", type->text);
        if (name_is(type, "e"))
            mn_hint("text has no escapes: '...' as it is, '' for a quote");
        else
            mn_hint("typed literals are TIMESTAMP '...', DATE, INTERVAL, UUID, JSON");
        return MN_SYNTAX;
    }
    return mn_value_parse(&kind, text->p, text->size, p->arena, value);
}

struct mn_ast_expr *mn_make_typed(struct mn_parser *p, struct mn_token type, struct mn_token text)
{
    struct mn_span span = mn_span_join(type.span, text.span);
    struct mn_name name = mn_make_name(p, type);
    struct mn_value value = mn_null(), from = mn_null();

    if (p->status == MN_OK) from = text_value(p, text);
    if (p->status == MN_OK) place(p, typed_parse(p, &name, &from, &value), text.span);
    return EXPR(span, .kind = MN_AST_LITERAL, .literal = value);
}

uint64_t mn_make_count(struct mn_parser *p, struct mn_token integer)
{
    bool huge = false;
    struct mn_value value = mn_int(0);

    if (p->status == MN_OK) value = integer_value(p, integer, &huge);
    if (huge) fail_at(p, integer.span, MN_RANGE, "the number is out of the range of INT");
    return (uint64_t)value.i;
}

/* ---- options ------------------------------------------------------------------------------- */

struct mn_ast_option *mn_make_option(struct mn_parser *p, struct mn_ast_expr *literal)
{
    return NEW(struct mn_ast_option, .given = true, .value = literal->literal,
               .value_span = literal->span);
}

struct mn_ast_option *mn_make_option_word(struct mn_parser *p, struct mn_name word)
{
    return NEW(struct mn_ast_option, .given = true, .word = true,
               .value = mn_text(word.text, word.length), .value_span = word.span);
}

/* ---- types --------------------------------------------------------------------------------- */

static const struct {
    const char *name, *hint;
} type_hints[] = {
    {"date", "write TIMESTAMP; DATE '...' stands for midnight"},
    {"time", "write DURATION since midnight, or TIMESTAMP"},
    {"datetime", "write TIMESTAMP"},
    {"numeric", "write FLOAT, or INT for a fixed unit such as cents"},
    {"decimal", "write FLOAT, or INT for a fixed unit such as cents"},
    {"money", "write INT for a fixed unit such as cents"},
    {"enum", "write TEXT CHECK (c IN ('a', 'b'))"},
    {"jsonb", "write JSON"},
    {"halfvec", "write VECTOR(n); its elements are f32"},
    {"geometry", "places come later"},
    {"point", "places come later; write two FLOAT columns"},
};

static void type_unknown(struct mn_parser *p, const struct mn_name *name)
{
    static const char *const known[] = {"bool", "int",  "float",  "text", "blob",  "timestamp",
                                        "uuid", "json", "vector", NULL,   "serial"};
    const char *near = NULL;

    if (p->status != MN_OK) return;
    p->status =
        mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no type \"%s\"", name->text);
    for (size_t i = 0; i < sizeof type_hints / sizeof type_hints[0]; i++) {
        if (name_is(name, type_hints[i].name)) {
            mn_hint("%s", type_hints[i].hint);
            return;
        }
    }
    near = mn_hint_nearest(name->text, name->length, known, sizeof known / sizeof known[0]);
    if (near)
        mn_hint("did you mean \"%s\"?", near);
    else
        mn_hint("types: BOOL INT FLOAT TEXT BLOB TIMESTAMP DURATION UUID VECTOR(n) JSON, and T[]");
}

/* VECTOR(384) has dimensions; no other type takes a number. */
static void type_dims(struct mn_parser *p, struct mn_ast_type *type,
                      const struct mn_ast_exprs *args)
{
    const struct mn_ast_expr *n = args->first;

    if (p->status != MN_OK || args->count == 0) return;
    if (type->kind.type != MN_TYPE_VECTOR) {
        fail_at(p, n->span, MN_SCHEMA, "only VECTOR takes a number");
        if (type->kind.type == MN_TYPE_TEXT) mn_hint("write TEXT CHECK (length(c) <= n)");
        return;
    }
    if (args->count != 1 || n->kind != MN_AST_LITERAL || n->literal.type != MN_TYPE_INT ||
        n->literal.i < 1 || n->literal.i > MN_VECTOR_DIMS_LIMIT) {
        fail_at(p, n->span, MN_RANGE, "a vector has 1 to 8192 dimensions");
        return;
    }
    type->kind.dims = (uint32_t)n->literal.i;
}

struct mn_ast_type mn_make_type(struct mn_parser *p, struct mn_token token,
                                struct mn_ast_exprs args)
{
    struct mn_name name = mn_make_name(p, token);
    struct mn_ast_type type = {.span = mn_span_join(token.span, p->last.span)};

    if (p->status != MN_OK) return type;
    if (name_is(&name, "serial") || name_is(&name, "bigserial")) {
        type.serial = true;
        type.kind.type = MN_TYPE_INT;
    } else if (name.quoted || name_is(&name, "date") ||
               !mn_kind_find(name.text, name.length, &type.kind)) {
        type_unknown(p, &name);
    }
    type_dims(p, &type, &args);
    return type;
}

static bool words_are(const struct mn_parser *p, struct mn_span from, const char *words)
{
    const char *at = p->text + from.offset, *end = at + from.length;

    for (; *words; words++) {
        if (*words == ' ') {
            while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
            continue;
        }
        if (at == end || (*at | 32) != *words) return false;
        at++;
    }
    return at == end;
}

struct mn_ast_type mn_make_type_words(struct mn_parser *p, struct mn_token name, const char *words,
                                      struct mn_token last)
{
    struct mn_span all = mn_span_join(name.span, last.span);
    struct mn_ast_type type = {.span = all};
    char full[64];

    snprintf(full, sizeof full, "%s %s", words[0] == 'p' ? "double" : "timestamp", words);
    type.kind.type = words[0] == 'p' ? MN_TYPE_FLOAT : MN_TYPE_TIMESTAMP;
    if (p->status == MN_OK && !words_are(p, all, full)) {
        fail_at(p, all, MN_SYNTAX, "no such type");
        mn_hint("types of several words are DOUBLE PRECISION and TIMESTAMP WITH TIME ZONE");
    }
    return type;
}

struct mn_ast_type mn_make_type_list(struct mn_parser *p, struct mn_ast_type type,
                                     struct mn_token brackets)
{
    type.span = mn_span_join(type.span, brackets.span);
    if (p->status != MN_OK) return type;
    if (type.serial || type.kind.type == MN_TYPE_LIST || type.kind.type == MN_TYPE_VECTOR) {
        fail_at(p, type.span, MN_SCHEMA, "a list holds values of one scalar type");
        mn_hint("lists do not nest; JSON does");
        return type;
    }
    type.kind.elem = type.kind.type;
    type.kind.type = MN_TYPE_LIST;
    return type;
}

/* ---- parameters ---------------------------------------------------------------------------- */

static bool params_reserve(struct mn_parser *p, uint32_t count)
{
    uint32_t capacity = p->param_capacity ? p->param_capacity : 8;
    struct mn_ast_param *params;

    if (count <= p->param_capacity) return true;
    while (capacity < count) capacity *= 2;
    params = mn_arena_zalloc(p->arena, capacity * sizeof *params);
    if (!params) {
        mn_make_fail(p, mn_fail_nomem());
        return false;
    }
    if (p->param_count > 0) memcpy(params, p->params, p->param_count * sizeof *params);
    p->params = params;
    p->param_capacity = capacity;
    return true;
}

/* Where the name is in the table, or the empty place where it belongs. */
static uint32_t *names_find(const struct mn_parser *p, const char *name, size_t length)
{
    uint64_t at = mn_hash(name, length, 0);

    for (;; at++) {
        uint32_t *slot = &p->names[at & (p->name_capacity - 1)];
        const char *known = *slot ? p->params[*slot - 1].name : NULL;

        if (!known || (strlen(known) == length && memcmp(known, name, length) == 0)) return slot;
    }
}

static bool names_grow(struct mn_parser *p)
{
    uint32_t old_capacity = p->name_capacity, *old = p->names;

    if (p->name_count * 2 < p->name_capacity) return true;
    p->name_capacity = old_capacity ? old_capacity * 2 : 16;
    p->names = mn_arena_zalloc(p->arena, p->name_capacity * sizeof *p->names);
    if (!p->names) {
        mn_make_fail(p, mn_fail_nomem());
        return false;
    }
    for (uint32_t i = 0; i < old_capacity; i++) {
        const char *name = old[i] ? p->params[old[i] - 1].name : NULL;

        if (name) *names_find(p, name, strlen(name)) = old[i];
    }
    return true;
}

/* The number of a parameter that stands first at span; names none where name is NULL. */
static uint32_t param_add(struct mn_parser *p, uint32_t number, const char *name,
                          struct mn_span span)
{
    if (number > MN_PARAMS_MAX) {
        fail_at(p, span, MN_TOOBIG, "a statement has at most 32768 parameters");
        return 1;
    }
    if (!params_reserve(p, number)) return 1;
    if (number > p->param_count) p->param_count = number;
    if (p->params[number - 1].span.length == 0) p->params[number - 1].span = span;
    if (name) p->params[number - 1].name = name;
    return number;
}

static uint32_t param_named(struct mn_parser *p, struct mn_span span)
{
    const char *text = p->text + span.offset + 1;
    size_t length = span.length - 1;
    uint32_t *slot;
    char *name;

    if (!names_grow(p)) return 1;
    slot = names_find(p, text, length);
    if (*slot) return *slot;
    name = mn_arena_text(p->arena, text, length);
    if (!name) {
        mn_make_fail(p, mn_fail_nomem());
        return 1;
    }
    *slot = param_add(p, p->param_count + 1, name, span);
    p->name_count++;
    return *slot;
}

static uint32_t param_numbered(struct mn_parser *p, struct mn_span span)
{
    uint64_t number = 0;

    if (!integer_read(p->text + span.offset + 1, span.length - 1, &number)) number = UINT64_MAX;
    if (number == 0) {
        fail_at(p, span, MN_SYNTAX, "parameters are numbered from 1");
        return 1;
    }
    p->params_numbered = true;
    return param_add(p, number > MN_PARAMS_MAX ? MN_PARAMS_MAX + 1 : (uint32_t)number, NULL, span);
}

struct mn_ast_expr *mn_make_param(struct mn_parser *p, struct mn_token token)
{
    const char *text = p->text + token.span.offset;
    uint32_t number = 1;

    if (p->status == MN_OK) {
        if (token.span.length == 1) {
            p->params_plain = true;
            number = param_add(p, p->param_count + 1, NULL, token.span);
        } else if (text[1] >= '0' && text[1] <= '9') {
            number = param_numbered(p, token.span);
        } else {
            number = param_named(p, token.span);
        }
    }
    if (p->status == MN_OK && p->params_plain && p->params_numbered) {
        fail_at(p, token.span, MN_SYNTAX, "? and numbered parameters do not mix");
        mn_hint("write $1, $2, ... or $name throughout");
    }
    return EXPR(token.span, .kind = MN_AST_PARAM, .param = number);
}
