/*
 * agg: the aggregates, their calls, and the rows that some of them keep.
 *
 *   step:    FILTER -> arguments, NULLs left out -> DISTINCT -> add, or keep the row (buffered)
 *   result:  buffered: sort by ORDER BY -> add or join the rows in that order
 */
#include "query/agg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/list.h"
#include "query/agg_state.h"

static const struct mn_agg aggregates[] = {
    {"count", "count(*), count(x)", "rows, or rows where x is not NULL", "*", 0, 1, 'i',
     MN_AGG_COUNT},
    {"sum", "sum(x)", "the sum: INT (loud when it overflows), FLOAT or DURATION", "s", 1, 1, '1',
     MN_AGG_SUM},
    {"avg", "avg(x)", "the mean: FLOAT; DURATION and VECTOR stay so", "a", 1, 1, 'a', MN_AGG_AVG},
    {"mean", "mean(x)", "the same as avg", "a", 1, 1, 'a', MN_AGG_AVG},
    {"min", "min(x)", "the least", "o", 1, 1, '1', MN_AGG_MIN},
    {"max", "max(x)", "the greatest", "o", 1, 1, '1', MN_AGG_MAX},
    {"first", "first(x, at)", "x of the row with the least `at`", "*o", 2, 2, '1', MN_AGG_FIRST},
    {"last", "last(x, at)", "x of the row with the greatest `at`", "*o", 2, 2, '1', MN_AGG_LAST},
    {"list", "list(x)", "all values as a list", "*", 1, 1, 'l', MN_AGG_LIST},
    {"array_agg", "array_agg(x)", "the same as list", "*", 1, 1, 'l', MN_AGG_LIST},
    {"group_concat", "group_concat(x[, glue])", "all values as one text, glue is ',' unless given",
     "*t", 1, 2, 't', MN_AGG_JOIN},
    {"string_agg", "string_agg(x, glue)", "the same as group_concat", "*t", 1, 2, 't', MN_AGG_JOIN},
    {"quantile", "quantile(x, p)", "the value below which the part p (0 to 1) of the rows lies",
     "qf", 2, 2, 'q', MN_AGG_QUANTILE},
    {"median", "median(x)", "quantile(x, 0.5)", "q", 1, 1, 'q', MN_AGG_QUANTILE},
    {"stddev", "stddev(x)", "the standard deviation of a sample", "n", 1, 1, 'f', MN_AGG_STDDEV},
    {"variance", "variance(x)", "the variance of a sample", "n", 1, 1, 'f', MN_AGG_VARIANCE},
    {"bool_and", "bool_and(x)", "true where all are", "b", 1, 1, 'b', MN_AGG_AND},
    {"bool_or", "bool_or(x)", "true where one is", "b", 1, 1, 'b', MN_AGG_OR},
};

enum { AGG_COUNT = sizeof aggregates / sizeof aggregates[0] };

const struct mn_agg *mn_agg_at(uint32_t index)
{
    return index < AGG_COUNT ? &aggregates[index] : NULL;
}

static const struct mn_agg *agg_find(const char *name, size_t length)
{
    for (uint32_t i = 0; i < AGG_COUNT; i++) {
        const struct mn_agg *agg = &aggregates[i];

        if (strlen(agg->name) == length && memcmp(agg->name, name, length) == 0) return agg;
    }
    return NULL;
}

bool mn_agg_exists(const char *name, size_t length)
{
    return agg_find(name, length) != NULL;
}

/* ---- building ------------------------------------------------------------------------------ */

static const struct mn_kind kind_int = {.type = MN_TYPE_INT}, kind_float = {.type = MN_TYPE_FLOAT},
                            kind_text = {.type = MN_TYPE_TEXT}, kind_bool = {.type = MN_TYPE_BOOL};

static bool is_number(const struct mn_kind *kind)
{
    return kind->type == MN_TYPE_INT || kind->type == MN_TYPE_FLOAT;
}

static bool is_unknown(const struct mn_kind *kind)
{
    return kind->type == MN_TYPE_NULL;
}

static enum mn_status refuse(const struct mn_expr *expr, const char *who, const char *wanted)
{
    char name[32];

    return mn_fail_at(MN_TYPE, expr->span.offset, expr->span.length, "%s takes %s, not %s", who,
                      wanted, mn_kind_name(&expr->kind, name));
}

static bool letter_takes(char letter, const struct mn_kind *kind)
{
    const bool number = is_number(kind);

    switch (letter) {
    case 'n': return number;
    case 's': return number || kind->type == MN_TYPE_DURATION;
    case 'a': return number || kind->type == MN_TYPE_DURATION || kind->type == MN_TYPE_VECTOR;
    case 'q': return number || kind->type == MN_TYPE_DURATION || kind->type == MN_TYPE_TIMESTAMP;
    case 'o': return kind->type != MN_TYPE_JSON && kind->type != MN_TYPE_VECTOR;
    case 'b': return kind->type == MN_TYPE_BOOL;
    default: return true;
    }
}

static enum mn_status arg_type(const struct mn_scope *scope, const struct mn_agg *agg, char letter,
                               struct mn_expr **arg)
{
    static const char *const wanted[] = {"n", "INT or FLOAT",
                                         "s", "INT, FLOAT or DURATION",
                                         "a", "INT, FLOAT, DURATION or VECTOR",
                                         "q", "numbers and times",
                                         "o", "values that have an order",
                                         "b", "BOOL"};

    if (letter == 'f') return mn_expr_assign(scope, &kind_float, agg->name, arg);
    if (letter == 't') return mn_expr_assign(scope, &kind_text, agg->name, arg);
    if (mn_expr_untyped(*arg) && letter != '*') {
        mn_fail_at(MN_TYPE, (*arg)->span.offset, (*arg)->span.length,
                   "the type of the parameter is not known");
        return mn_hint("cast it, as in $x::float");
    }
    if (is_unknown(&(*arg)->kind) || letter_takes(letter, &(*arg)->kind)) return MN_OK;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i += 2) {
        if (wanted[i][0] == letter) return refuse(*arg, agg->name, wanted[i + 1]);
    }
    return MN_OK;
}

static void result_type(struct mn_agg_call *call)
{
    const struct mn_kind *x = call->arg_count > 0 ? &call->args[0]->kind : NULL;

    switch (call->agg->result) {
    case 'i': call->kind = kind_int; return;
    case 't': call->kind = kind_text; return;
    case 'b': call->kind = kind_bool; return;
    case 'f': call->kind = kind_float; return;
    case 'l': call->kind = (struct mn_kind){.type = MN_TYPE_LIST, .elem = x->type}; return;
    case '1': call->kind = *x; return;
    default: call->kind = is_number(x) ? kind_float : *x; return;
    }
}

static enum mn_status keys_build(const struct mn_scope *scope, const struct mn_ast_call *ast,
                                 struct mn_agg_call *call)
{
    for (const struct mn_ast_sort *sort = ast->order.first; sort; sort = sort->next) {
        struct mn_agg_key *key = &call->keys[call->key_count];
        enum mn_status status;

        if (call->key_count == MN_AGG_KEYS_MAX) {
            return mn_fail_at(MN_TOOBIG, sort->span.offset, sort->span.length,
                              "ORDER BY in an aggregate has at most %d keys", MN_AGG_KEYS_MAX);
        }
        status = mn_expr_build(scope, sort->expr, &key->expr);
        if (status != MN_OK) return status;
        key->descending = sort->descending;
        key->nulls_first = sort->nulls == MN_NULLS_FIRST;
        call->key_count++;
    }
    return MN_OK;
}

/* The list of an aggregate holds scalars; the part of a quantile is known. */
static enum mn_status op_check(const struct mn_agg_call *call)
{
    const struct mn_expr *p = call->arg_count > 1 ? call->args[1] : NULL;

    if (call->agg->op == MN_AGG_LIST &&
        (call->args[0]->kind.type == MN_TYPE_LIST || call->args[0]->kind.type == MN_TYPE_VECTOR)) {
        return refuse(call->args[0], "list", "values of one scalar type");
    }
    if (call->agg->op != MN_AGG_QUANTILE || !p || p->form != MN_EXPR_CONSTANT) return MN_OK;
    if (!mn_is_null(&p->value) && p->value.f >= 0 && p->value.f <= 1) return MN_OK;
    return mn_fail_at(MN_RANGE, p->span.offset, p->span.length,
                      "the part of a quantile is a number from 0 to 1");
}

static enum mn_status args_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_agg_call *call)
{
    const struct mn_agg *agg = call->agg;
    const uint32_t count = ast->call.args.count;
    enum mn_status status = MN_OK;

    call->star = ast->call.star || (count == 0 && agg->op == MN_AGG_COUNT);
    if ((ast->call.star && agg->op != MN_AGG_COUNT) || count > agg->args_max ||
        count < agg->args_min) {
        mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length, "%s does not take %s", agg->name,
                   ast->call.star ? "*" : "so many arguments");
        return mn_hint("%s", agg->usage);
    }
    for (const struct mn_ast_expr *x = ast->call.args.first; x && status == MN_OK; x = x->next) {
        uint32_t i = call->arg_count++;

        status = mn_expr_build(scope, x, &call->args[i]);
        if (status == MN_OK) status = arg_type(scope, agg, agg->args[i], &call->args[i]);
    }
    return status == MN_OK ? op_check(call) : status;
}

enum mn_status mn_agg_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                            struct mn_agg_call **out)
{
    const struct mn_name *name = &ast->call.name;
    struct mn_agg_call *call = mn_arena_zalloc(scope->arena, sizeof *call);
    enum mn_status status;

    *out = NULL;
    if (!call) return mn_fail_nomem();
    call->agg = agg_find(name->text, name->length);
    if (!call->agg) {
        return mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no aggregate \"%s\"",
                          name->text);
    }
    call->span = ast->span;
    call->distinct = ast->call.distinct;
    status = args_build(scope, ast, call);
    if (status == MN_OK) status = keys_build(scope, &ast->call, call);
    if (status == MN_OK && ast->call.filter) {
        status = mn_expr_condition(scope, ast->call.filter, "FILTER", &call->filter);
    }
    if (status != MN_OK) return status;
    call->buffered = call->key_count > 0 || call->agg->op == MN_AGG_LIST ||
                     call->agg->op == MN_AGG_JOIN || call->agg->op == MN_AGG_QUANTILE;
    result_type(call);
    *out = call;
    return MN_OK;
}

struct mn_kind mn_agg_kind(const struct mn_agg_call *call)
{
    return call->kind;
}

bool mn_agg_is_row_count(const struct mn_agg_call *call)
{
    return call->star && !call->filter && !call->buffered;
}

void mn_agg_walk(const struct mn_agg_call *call, mn_expr_visit visit, void *context)
{
    for (uint32_t i = 0; i < call->arg_count; i++) mn_expr_walk(call->args[i], visit, context);
    for (uint32_t i = 0; i < call->key_count; i++) mn_expr_walk(call->keys[i].expr, visit, context);
    if (call->filter) mn_expr_walk(call->filter, visit, context);
}

/* ---- rows that are kept -------------------------------------------------------------------- */

/* Doubles an array of the arena; the old one is left to it. */
static struct mn_value *values_grow(struct mn_arena *arena, const struct mn_value *old, size_t used,
                                    size_t capacity)
{
    struct mn_value *values = mn_arena_zalloc(arena, capacity * sizeof *values);

    if (values && used > 0) memcpy(values, old, used * sizeof *values);
    return values;
}

static enum mn_status row_keep(const struct mn_agg_call *call, struct mn_agg_rows *rows,
                               const struct mn_value *row, struct mn_arena *arena)
{
    const size_t width = call->arg_count + call->key_count;

    if (rows->count == rows->capacity) {
        uint32_t capacity = rows->capacity ? rows->capacity * 2 : 8;

        if (capacity < rows->capacity) return mn_fail_nomem();
        rows->values = values_grow(arena, rows->values, rows->count * width, capacity * width);
        if (!rows->values) return mn_fail_nomem();
        rows->capacity = capacity;
    }
    for (size_t i = 0; i < width; i++) {
        enum mn_status status =
            mn_value_copy(arena, &row[i], &rows->values[rows->count * width + i]);

        if (status != MN_OK) return status;
    }
    rows->count++;
    return MN_OK;
}

/* The slot of an equal value, or the empty one where it belongs; its type is then NULL. */
static enum mn_status seen_find(const struct mn_agg_seen *seen, const struct mn_value *value,
                                struct mn_value **slot)
{
    uint64_t hash = 0;
    bool same = false;
    enum mn_status status = mn_value_hash(value, 0, &hash);

    for (; status == MN_OK; hash++) {
        *slot = &seen->slots[hash & (seen->capacity - 1)];
        if (mn_is_null(*slot)) break;
        status = mn_value_same(*slot, value, &same);
        if (same) break;
    }
    return status;
}

static enum mn_status seen_grow(struct mn_agg_seen *seen, struct mn_arena *arena)
{
    struct mn_agg_seen bigger = {.count = seen->count,
                                 .capacity = seen->capacity ? seen->capacity * 2 : 16};

    if (seen->capacity > 0 && seen->count * 2 < seen->capacity) return MN_OK;
    bigger.slots = mn_arena_zalloc(arena, bigger.capacity * sizeof *bigger.slots);
    if (!bigger.slots) return mn_fail_nomem();
    for (uint32_t i = 0; i < seen->capacity; i++) {
        struct mn_value *slot;
        enum mn_status status;

        if (mn_is_null(&seen->slots[i])) continue;
        status = seen_find(&bigger, &seen->slots[i], &slot);
        if (status != MN_OK) return status;
        *slot = seen->slots[i];
    }
    *seen = bigger;
    return MN_OK;
}

/* Remembers a value; *new is false where it was there. */
static enum mn_status seen_add(struct mn_agg_seen *seen, const struct mn_value *value,
                               struct mn_arena *arena, bool *new)
{
    struct mn_value *slot = NULL;
    enum mn_status status = seen_grow(seen, arena);

    if (status == MN_OK) status = seen_find(seen, value, &slot);
    if (status != MN_OK) return status;
    *new = mn_is_null(slot);
    if (!*new) return MN_OK;
    seen->count++;
    return mn_value_copy(arena, value, slot);
}

/* ---- steps --------------------------------------------------------------------------------- */

size_t mn_agg_state_bytes(const struct mn_agg_call *call)
{
    (void)call;
    return sizeof(struct mn_agg_state);
}

void mn_agg_begin(const struct mn_agg_call *call, void *state)
{
    (void)call;
    memset(state, 0, sizeof(struct mn_agg_state));
}

/* Arguments and keys; *use is false where an argument is NULL. */
static enum mn_status row_eval(const struct mn_agg_call *call, struct mn_eval *eval,
                               struct mn_value *row, bool *use)
{
    *use = true;
    for (uint32_t i = 0; i < call->arg_count; i++) {
        enum mn_status status = mn_expr_eval(call->args[i], eval, &row[i]);

        if (status != MN_OK) return status;
        *use &= !mn_is_null(&row[i]);
    }
    for (uint32_t i = 0; i < call->key_count && *use; i++) {
        enum mn_status status = mn_expr_eval(call->keys[i].expr, eval, &row[call->arg_count + i]);

        if (status != MN_OK) return status;
    }
    if (*use && call->arg_count > 0 && is_unknown(&call->args[0]->kind)) {
        struct mn_kind kind = mn_value_kind(&row[0]);

        if (!letter_takes(call->agg->args[0], &kind)) {
            return mn_fail_at(MN_TYPE, call->span.offset, call->span.length, "%s does not take %s",
                              call->agg->name, mn_type_name(kind.type));
        }
    }
    return MN_OK;
}

enum mn_status mn_agg_step(const struct mn_agg_call *call, void *state, struct mn_eval *eval,
                           struct mn_arena *arena)
{
    struct mn_agg_state *s = state;
    struct mn_value row[MN_AGG_ARGS_MAX + MN_AGG_KEYS_MAX];
    bool use = true;
    enum mn_status status = MN_OK;

    if (call->filter) status = mn_expr_test(call->filter, eval, &use);
    if (status == MN_OK && use) status = row_eval(call, eval, row, &use);
    if (status == MN_OK && use && call->distinct && call->arg_count > 0) {
        status = seen_add(&s->seen, &row[0], arena, &use);
    }
    if (status != MN_OK || !use) return status;
    if (call->buffered) return row_keep(call, &s->rows, row, arena);
    return mn_agg_add(call, &s->sum, row, arena);
}

void mn_agg_add_rows(void *state, uint64_t rows)
{
    ((struct mn_agg_state *)state)->sum.count += rows;
}

/* ---- results of kept rows ------------------------------------------------------------------ */

struct ordering {
    const struct mn_agg_call *call;
    const struct mn_value *values;
    size_t width;
};

/* Rows by their numbers: by the keys, NULLs last unless told otherwise, then as they came. */
static int rows_compare(const void *left, const void *right, void *context)
{
    const struct ordering *o = context;
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    for (uint32_t i = 0; i < o->call->key_count; i++) {
        const struct mn_agg_key *key = &o->call->keys[i];
        const struct mn_value *x = &o->values[a * o->width + o->call->arg_count + i];
        const struct mn_value *y = &o->values[b * o->width + o->call->arg_count + i];
        int order;

        if (mn_is_null(x) != mn_is_null(y)) return mn_is_null(x) == key->nulls_first ? -1 : 1;
        order = mn_value_order(x, y);
        if (order != 0) return key->descending ? -order : order;
    }
    return (a > b) - (a < b);
}

static int numbers_compare(const void *left, const void *right, void *context)
{
    const struct ordering *o = context;
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return mn_value_order(&o->values[a * o->width], &o->values[b * o->width]);
}

static uint32_t *rows_order(const struct mn_agg_call *call, const struct mn_agg_rows *rows,
                            struct mn_arena *arena)
{
    struct ordering o = {call, rows->values, call->arg_count + call->key_count};
    uint32_t *order = mn_arena_alloc(arena, (rows->count + (size_t)1) * sizeof *order);

    if (!order) return NULL;
    for (uint32_t i = 0; i < rows->count; i++) order[i] = i;
    if (call->agg->op == MN_AGG_QUANTILE) {
        qsort_r(order, rows->count, sizeof *order, numbers_compare, &o);
    } else if (call->key_count > 0) {
        qsort_r(order, rows->count, sizeof *order, rows_compare, &o);
    }
    return order;
}

/* Between the two values around the place, by its distance from them. */
static enum mn_status quantile(const struct mn_agg_call *call, const struct mn_value *low,
                               const struct mn_value *high, double part, struct mn_value *out)
{
    int64_t us;
    double a, b, x;

    if (call->kind.type == MN_TYPE_FLOAT) {
        a = low->type == MN_TYPE_FLOAT ? low->f : (double)low->i;
        b = high->type == MN_TYPE_FLOAT ? high->f : (double)high->i;
        *out = mn_float(part == 0 ? a : a + (b - a) * part);
        return MN_OK;
    }
    x = ((double)high->i - (double)low->i) * part;
    if (mn_float_to_int(x, &us) != MN_OK) us = 0;
    *out = (struct mn_value){.type = low->type, .i = low->i + us};
    return MN_OK;
}

static enum mn_status quantile_result(const struct mn_agg_call *call,
                                      const struct mn_agg_rows *rows, const uint32_t *order,
                                      struct mn_value *out)
{
    const size_t width = call->arg_count + call->key_count;
    double p = call->arg_count > 1 ? rows->values[1].f : 0.5, place;
    uint32_t low, high;

    if (!(p >= 0 && p <= 1)) {
        return mn_fail_at(MN_RANGE, call->span.offset, call->span.length,
                          "the part of a quantile is a number from 0 to 1");
    }
    place = p * (double)(rows->count - 1);
    low = (uint32_t)floor(place);
    high = low + 1 < rows->count ? low + 1 : low;
    return quantile(call, &rows->values[order[low] * width], &rows->values[order[high] * width],
                    place - floor(place), out);
}

static enum mn_status join_result(const struct mn_agg_call *call, const struct mn_agg_rows *rows,
                                  const uint32_t *order, struct mn_arena *arena,
                                  struct mn_value *out)
{
    const size_t width = call->arg_count + call->key_count;
    struct mn_buf buf = {0};
    enum mn_status status = MN_OK;
    const char *copy;

    for (uint32_t i = 0; i < rows->count && status == MN_OK; i++) {
        const struct mn_value *row = &rows->values[order[i] * width];

        if (i > 0 && call->arg_count > 1)
            status = mn_buf_append(&buf, row[1].p, row[1].size);
        else if (i > 0)
            status = mn_buf_byte(&buf, ',');
        if (status == MN_OK) status = mn_value_format(&row[0], &buf);
        if (status == MN_OK && buf.len > MN_VALUE_BYTES_LIMIT) {
            status = mn_fail(MN_TOOBIG, "a text is over 1 GiB");
        }
    }
    if (status == MN_OK) {
        copy = mn_arena_text(arena, (const char *)buf.data, buf.len);
        *out = mn_text(copy, buf.len);
        if (!copy) status = mn_fail_nomem();
    }
    mn_buf_release(&buf);
    return status;
}

static enum mn_status list_result(const struct mn_agg_call *call, const struct mn_agg_rows *rows,
                                  const uint32_t *order, struct mn_arena *arena,
                                  struct mn_value *out)
{
    const size_t width = call->arg_count + call->key_count;
    struct mn_value *values = mn_arena_alloc(arena, rows->count * sizeof *values);

    if (!values) return mn_fail_nomem();
    for (uint32_t i = 0; i < rows->count; i++) values[i] = rows->values[order[i] * width];
    return mn_list_make(arena, values[0].type, values, rows->count, out);
}

static enum mn_status rows_result(const struct mn_agg_call *call, const struct mn_agg_rows *rows,
                                  struct mn_arena *arena, struct mn_value *out)
{
    const size_t width = call->arg_count + call->key_count;
    struct mn_agg_sum sum = {0};
    uint32_t *order = rows_order(call, rows, arena);
    enum mn_status status = MN_OK;

    if (!order) return mn_fail_nomem();
    *out = mn_null();
    if (rows->count == 0 && call->agg->op != MN_AGG_COUNT) return MN_OK;
    if (call->agg->op == MN_AGG_QUANTILE) return quantile_result(call, rows, order, out);
    if (call->agg->op == MN_AGG_JOIN) return join_result(call, rows, order, arena, out);
    if (call->agg->op == MN_AGG_LIST) return list_result(call, rows, order, arena, out);
    for (uint32_t i = 0; i < rows->count && status == MN_OK; i++) {
        status = mn_agg_add(call, &sum, &rows->values[order[i] * width], arena);
    }
    return status == MN_OK ? mn_agg_total(call, &sum, arena, out) : status;
}

enum mn_status mn_agg_result(const struct mn_agg_call *call, void *state, struct mn_eval *eval,
                             struct mn_value *out)
{
    struct mn_agg_state *s = state;
    enum mn_status status = call->buffered ? rows_result(call, &s->rows, eval->scratch, out)
                                           : mn_agg_total(call, &s->sum, eval->scratch, out);

    return status == MN_OK ? MN_OK : mn_place(call->span.offset, call->span.length);
}
