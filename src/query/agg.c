/*
 * agg: what a group knows of its rows.
 *
 * A state is one struct, zeroed to begin. Sums of FLOAT are compensated (Neumaier), means and
 * variances follow Welford, so neither the order of magnitude nor the number of rows eats digits.
 * Functions that need all values (list, quantile, DISTINCT, ORDER BY) gather them in the group's
 * arena.
 */
#include "query/agg.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "catalog/list.h"

enum agg {
    AGG_COUNT,
    AGG_SUM,
    AGG_AVG,
    AGG_MIN,
    AGG_MAX,
    AGG_FIRST,
    AGG_LAST,
    AGG_LIST,
    AGG_CONCAT,
    AGG_QUANTILE,
    AGG_STDDEV,
    AGG_VARIANCE
};

struct agg_name {
    const char *name;
    enum agg agg;
    uint8_t min, max; /* arguments */
};

static const struct agg_name names[] = {{"count", AGG_COUNT, 1, 1},
                                        {"sum", AGG_SUM, 1, 1},
                                        {"avg", AGG_AVG, 1, 1},
                                        {"mean", AGG_AVG, 1, 1},
                                        {"min", AGG_MIN, 1, 1},
                                        {"max", AGG_MAX, 1, 1},
                                        {"first", AGG_FIRST, 2, 2},
                                        {"last", AGG_LAST, 2, 2},
                                        {"list", AGG_LIST, 1, 1},
                                        {"array_agg", AGG_LIST, 1, 1},
                                        {"group_concat", AGG_CONCAT, 1, 2},
                                        {"string_agg", AGG_CONCAT, 1, 2},
                                        {"quantile", AGG_QUANTILE, 2, 2},
                                        {"median", AGG_QUANTILE, 1, 1},
                                        {"stddev", AGG_STDDEV, 1, 1},
                                        {"variance", AGG_VARIANCE, 1, 1}};
enum { NAMES = sizeof names / sizeof names[0], ARGS_MAX = 2, SORTS_MAX = 8 };

struct sort_key {
    struct mn_expr *expr;
    bool descending, nulls_first;
};

struct mn_agg_call {
    enum agg agg;
    bool star, distinct;
    uint32_t arg_count, sort_count;
    struct mn_expr *args[ARGS_MAX], *filter;
    struct sort_key sorts[SORTS_MAX];
    struct mn_kind kind;
    struct mn_span span;
};

/* A gathered row: the arguments, then the sort keys. */
struct gathered {
    struct gathered *next;
    struct mn_value values[];
};

struct state {
    int64_t count, sum;
    double total, lost, mean, squares;
    struct mn_value best, best_key;
    struct gathered *rows;
    double *sums; /* avg(vector) */
    uint32_t dims;
};

static const struct agg_name *name_find(const char *name, size_t length)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        if (strlen(names[i].name) == length && strncasecmp(names[i].name, name, length) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

bool mn_agg_exists(const char *name, size_t length)
{
    return name_find(name, length) != NULL;
}

/* -- building ---------------------------------------------------------------------------------- */

static bool is_number(const struct mn_expr *expr)
{
    return expr->kind.type == MN_TYPE_INT || expr->kind.type == MN_TYPE_FLOAT ||
           expr->kind.type == MN_TYPE_NULL;
}

static enum mn_status wrong_type(const struct mn_agg_call *call, const struct mn_ast_expr *ast,
                                 const char *wanted)
{
    char kind[32];

    return mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length, "%.*s takes %s, not %s",
                      (int)ast->call.name.length, ast->call.name.text, wanted,
                      mn_kind_name(&call->args[0]->kind, kind));
}

static enum mn_status kind_choose(struct mn_agg_call *call, const struct mn_ast_expr *ast)
{
    const struct mn_expr *arg = call->args[0];
    uint8_t type = arg ? arg->kind.type : MN_TYPE_NULL;

    switch (call->agg) {
    case AGG_COUNT: call->kind.type = MN_TYPE_INT; return MN_OK;
    case AGG_MIN:
    case AGG_MAX:
        if (type == MN_TYPE_VECTOR || type == MN_TYPE_JSON) {
            return wrong_type(call, ast, "values that have an order");
        }
        call->kind = arg->kind;
        return MN_OK;
    case AGG_FIRST:
    case AGG_LAST: call->kind = arg->kind; return MN_OK;
    case AGG_SUM:
        if (!is_number(arg) && type != MN_TYPE_DURATION) {
            return wrong_type(call, ast, "numbers or durations");
        }
        call->kind = arg->kind;
        return MN_OK;
    case AGG_AVG:
        if (!is_number(arg) && type != MN_TYPE_DURATION && type != MN_TYPE_VECTOR) {
            return wrong_type(call, ast, "numbers, durations or vectors");
        }
        call->kind = arg->kind;
        if (is_number(arg)) call->kind.type = MN_TYPE_FLOAT;
        return MN_OK;
    case AGG_QUANTILE:
    case AGG_STDDEV:
    case AGG_VARIANCE:
        if (!is_number(arg)) return wrong_type(call, ast, "numbers");
        call->kind.type = MN_TYPE_FLOAT;
        return MN_OK;
    case AGG_LIST:
        if (type == MN_TYPE_VECTOR || type == MN_TYPE_LIST) {
            return wrong_type(call, ast, "single values");
        }
        call->kind = (struct mn_kind){.type = MN_TYPE_LIST, .elem = type};
        return MN_OK;
    case AGG_CONCAT: call->kind.type = MN_TYPE_TEXT; return MN_OK;
    }
    return MN_OK;
}

static enum mn_status args_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_agg_call *call)
{
    struct mn_kind real = {.type = MN_TYPE_FLOAT}, text = {.type = MN_TYPE_TEXT};
    enum mn_status status = MN_OK;

    for (const struct mn_ast_expr *arg = ast->call.args.first; arg; arg = arg->next) {
        status = mn_expr_build(scope, arg, &call->args[call->arg_count]);
        if (status != MN_OK) return status;
        call->arg_count++;
    }
    if (call->agg == AGG_QUANTILE && call->arg_count > 1) {
        status = mn_expr_assign(scope, &real, "the share of quantile", &call->args[1]);
    }
    if (call->agg == AGG_CONCAT && call->arg_count > 1) {
        status = mn_expr_assign(scope, &text, "the separator", &call->args[1]);
    }
    /* What has no type before it runs is a number to those that add. */
    if (status == MN_OK && call->arg_count > 0 && call->args[0]->kind.type == MN_TYPE_NULL &&
        (call->agg == AGG_SUM || call->agg == AGG_AVG || call->agg == AGG_QUANTILE ||
         call->agg == AGG_STDDEV || call->agg == AGG_VARIANCE)) {
        status = mn_expr_assign(scope, &real, "what is added up", &call->args[0]);
    }
    return status;
}

static enum mn_status sorts_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                  struct mn_agg_call *call)
{
    for (const struct mn_ast_sort *s = ast->call.order.first; s; s = s->next) {
        struct sort_key *key = &call->sorts[call->sort_count];
        enum mn_status status;

        if (call->sort_count == SORTS_MAX) {
            return mn_fail_at(MN_TOOBIG, s->span.offset, s->span.length,
                              "more than %d sort keys in an aggregate", SORTS_MAX);
        }
        status = mn_expr_build(scope, s->expr, &key->expr);
        if (status != MN_OK) return status;
        key->descending = s->descending;
        key->nulls_first = s->nulls == MN_NULLS_FIRST;
        call->sort_count++;
    }
    return MN_OK;
}

static enum mn_status shape_check(const struct mn_ast_expr *ast, const struct agg_name *name)
{
    const struct mn_ast_call *call = &ast->call;
    uint32_t count = call->args.count;

    if (call->star && name->agg == AGG_COUNT && count == 0) {
        if (!call->distinct) return MN_OK;
        return mn_fail_at(MN_ERROR, ast->span.offset, ast->span.length, "count(DISTINCT *)");
    }
    if (!call->star && count >= name->min && count <= name->max) return MN_OK;
    mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length, "%s takes %d argument%s, not %u",
               name->name, name->min, name->min == 1 ? "" : "s", call->star ? 0 : count);
    if (name->agg == AGG_FIRST || name->agg == AGG_LAST) {
        return mn_hint("%s(value, time): the value at the %s time", name->name,
                       name->agg == AGG_FIRST ? "least" : "greatest");
    }
    if (name->agg == AGG_COUNT) return mn_hint("count(*) counts rows");
    return MN_TYPE;
}

enum mn_status mn_agg_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                            struct mn_agg_call **out)
{
    const struct agg_name *name = name_find(ast->call.name.text, ast->call.name.length);
    struct mn_agg_call *call = mn_arena_zalloc(scope->arena, sizeof *call);
    enum mn_status status;

    *out = NULL;
    if (!call) return mn_fail_nomem();
    status = shape_check(ast, name);
    call->agg = name->agg;
    call->star = ast->call.star;
    call->distinct = ast->call.distinct;
    call->span = ast->span;
    if (status == MN_OK) status = args_build(scope, ast, call);
    if (status == MN_OK) status = sorts_build(scope, ast, call);
    if (status == MN_OK && ast->call.filter) {
        status = mn_expr_condition(scope, ast->call.filter, "FILTER", &call->filter);
    }
    if (status == MN_OK) status = kind_choose(call, ast);
    if (status == MN_OK) *out = call;
    return status;
}

struct mn_kind mn_agg_kind(const struct mn_agg_call *call)
{
    return call->kind;
}

bool mn_agg_is_row_count(const struct mn_agg_call *call)
{
    return call->star && !call->filter;
}

void mn_agg_walk(const struct mn_agg_call *call, mn_expr_visit visit, void *context)
{
    for (uint32_t i = 0; i < call->arg_count; i++) mn_expr_walk(call->args[i], visit, context);
    for (uint32_t i = 0; i < call->sort_count; i++) {
        mn_expr_walk(call->sorts[i].expr, visit, context);
    }
    if (call->filter) mn_expr_walk(call->filter, visit, context);
}

/* -- one row ----------------------------------------------------------------------------------- */

size_t mn_agg_state_bytes(const struct mn_agg_call *call)
{
    (void)call;
    return (sizeof(struct state) + 15) / 16 * 16;
}

void mn_agg_begin(const struct mn_agg_call *call, void *state)
{
    struct state *s = state;

    (void)call;
    *s = (struct state){.best = mn_null(), .best_key = mn_null()};
}

static bool gathers(const struct mn_agg_call *call)
{
    return call->distinct || call->sort_count > 0 || call->agg == AGG_LIST ||
           call->agg == AGG_CONCAT || call->agg == AGG_QUANTILE;
}

/* Neumaier: `lost` collects what each addition rounded away. */
static void total_add(struct state *s, double f)
{
    double sum = s->total + f;

    if (isfinite(sum)) {
        s->lost += fabs(s->total) >= fabs(f) ? (s->total - sum) + f : (f - sum) + s->total;
    }
    s->total = sum;
}

static double number_of(const struct mn_value *value)
{
    return value->type == MN_TYPE_FLOAT ? value->f : (double)value->i;
}

static enum mn_status sum_add(const struct mn_agg_call *call, struct state *s,
                              const struct mn_value *value)
{
    if (value->type == MN_TYPE_FLOAT) {
        total_add(s, value->f);
    } else if (__builtin_add_overflow(s->sum, value->i, &s->sum)) {
        return mn_fail_at(MN_RANGE, call->span.offset, call->span.length,
                          "sum overflows; sum floats: sum(x::FLOAT)");
    }
    return MN_OK;
}

static enum mn_status vector_add(const struct mn_agg_call *call, struct state *s,
                                 const struct mn_value *value, struct mn_arena *arena)
{
    const float *elements = value->p;

    if (!s->sums) {
        s->sums = mn_arena_zalloc(arena, value->size * sizeof *s->sums);
        if (!s->sums) return mn_fail_nomem();
        s->dims = value->size;
    }
    if (s->dims != value->size) {
        return mn_fail_at(MN_TYPE, call->span.offset, call->span.length,
                          "avg of vectors of %u and %u dimensions", s->dims, value->size);
    }
    for (uint32_t i = 0; i < s->dims; i++) s->sums[i] += elements[i];
    return MN_OK;
}

/* Keeps the value with the least (first, min) or greatest (last, max) key; the earlier one of
 * equals. */
static enum mn_status best_keep(const struct mn_agg_call *call, struct state *s,
                                const struct mn_value *values, struct mn_arena *arena)
{
    bool pair = call->agg == AGG_FIRST || call->agg == AGG_LAST;
    int sign = call->agg == AGG_FIRST || call->agg == AGG_MIN ? -1 : 1;
    const struct mn_value *key = pair ? &values[1] : &values[0];
    enum mn_status status;

    if (mn_is_null(key)) return MN_OK;
    if (s->count > 1 && mn_value_order(key, &s->best_key) * sign <= 0) return MN_OK;
    status = mn_value_copy(arena, key, &s->best_key);
    if (status == MN_OK && pair) status = mn_value_copy(arena, &values[0], &s->best);
    if (!pair) s->best = s->best_key;
    return status;
}

/* One row's values, arguments first; NULL arguments are already left out. */
static enum mn_status row_add(const struct mn_agg_call *call, struct state *s,
                              const struct mn_value *values, struct mn_arena *arena)
{
    double f, before;

    s->count++;
    switch (call->agg) {
    case AGG_COUNT: return MN_OK;
    case AGG_SUM: return sum_add(call, s, &values[0]);
    case AGG_AVG:
        if (values[0].type == MN_TYPE_VECTOR) return vector_add(call, s, &values[0], arena);
        total_add(s, number_of(&values[0]));
        return MN_OK;
    case AGG_MIN:
    case AGG_MAX:
    case AGG_FIRST:
    case AGG_LAST: return best_keep(call, s, values, arena);
    case AGG_STDDEV:
    case AGG_VARIANCE:
        f = number_of(&values[0]);
        before = f - s->mean;
        s->mean += before / (double)s->count;
        s->squares += before * (f - s->mean);
        return MN_OK;
    case AGG_LIST:
    case AGG_CONCAT:
    case AGG_QUANTILE: return MN_OK;
    }
    return MN_OK;
}

static enum mn_status gather(const struct mn_agg_call *call, struct state *s,
                             const struct mn_value *values, struct mn_arena *arena)
{
    uint32_t count = call->arg_count + call->sort_count;
    struct gathered *row = mn_arena_alloc(arena, sizeof *row + count * sizeof row->values[0]);
    enum mn_status status = MN_OK;

    if (!row) return mn_fail_nomem();
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        status = mn_value_copy(arena, &values[i], &row->values[i]);
    }
    if (status != MN_OK) return status;
    row->next = s->rows;
    s->rows = row;
    s->sum++; /* of gathered rows, until they are added up */
    return MN_OK;
}

enum mn_status mn_agg_step(const struct mn_agg_call *call, void *state, struct mn_eval *eval,
                           struct mn_arena *arena)
{
    struct mn_value values[ARGS_MAX + SORTS_MAX];
    struct state *s = state;
    enum mn_status status = MN_OK;
    bool yes = true;

    if (call->filter) status = mn_expr_test(call->filter, eval, &yes);
    if (status != MN_OK || !yes) return status;
    for (uint32_t i = 0; status == MN_OK && i < call->arg_count; i++) {
        status = mn_expr_eval(call->args[i], eval, &values[i]);
    }
    for (uint32_t i = 0; status == MN_OK && i < call->sort_count; i++) {
        status = mn_expr_eval(call->sorts[i].expr, eval, &values[call->arg_count + i]);
    }
    if (status != MN_OK) return status;
    /* Aggregates skip NULL; a list and the values of first and last keep it. */
    if (!call->star && mn_is_null(&values[0]) && call->agg != AGG_LIST && call->agg != AGG_FIRST &&
        call->agg != AGG_LAST) {
        return MN_OK;
    }
    if ((call->agg == AGG_FIRST || call->agg == AGG_LAST) && mn_is_null(&values[1])) return MN_OK;
    return gathers(call) ? gather(call, s, values, arena) : row_add(call, s, values, arena);
}

/* -- the result -------------------------------------------------------------------------------- */

/* qsort has no context argument that every system agrees on: the comparison reads this. */
static _Thread_local const struct mn_agg_call *sorting;

static int key_order(const struct mn_value *a, const struct mn_value *b, const struct sort_key *key)
{
    if (mn_is_null(a) || mn_is_null(b)) {
        int order = (int)mn_is_null(a) - (int)mn_is_null(b);

        return key->nulls_first ? -order : order;
    }
    return key->descending ? mn_value_order(b, a) : mn_value_order(a, b);
}

static int rows_order(const void *a, const void *b)
{
    const struct gathered *const *x = a, *const *y = b;

    for (uint32_t i = 0; i < sorting->sort_count; i++) {
        uint32_t at = sorting->arg_count + i;
        int order = key_order(&(*x)->values[at], &(*y)->values[at], &sorting->sorts[i]);

        if (order != 0) return order;
    }
    return 0;
}

static int values_order(const void *a, const void *b)
{
    const struct gathered *const *x = a, *const *y = b;

    return mn_value_order(&(*x)->values[0], &(*y)->values[0]);
}

/* Of equal neighbours in sorted rows only the first stays. */
static uint32_t rows_unique(struct gathered **rows, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        bool same = false;

        if (kept > 0 &&
            mn_value_same(&rows[kept - 1]->values[0], &rows[i]->values[0], &same) != MN_OK) {
            same = false;
        }
        if (!same) rows[kept++] = rows[i];
    }
    return kept;
}

/* The gathered rows in the order of arrival, or of ORDER BY, each value once where DISTINCT. */
static enum mn_status rows_order_all(const struct mn_agg_call *call, struct state *s,
                                     struct mn_arena *arena, struct gathered ***out,
                                     uint32_t *count)
{
    uint32_t n = (uint32_t)s->sum;
    struct gathered **rows = mn_arena_alloc(arena, (n + 1) * sizeof *rows);

    if (!rows) return mn_fail_nomem();
    for (struct gathered *row = s->rows; row; row = row->next) rows[--n] = row;
    n = (uint32_t)s->sum;
    sorting = call;
    if (call->distinct) {
        qsort(rows, n, sizeof *rows, values_order);
        n = rows_unique(rows, n);
    }
    if (call->sort_count > 0) qsort(rows, n, sizeof *rows, rows_order);
    *out = rows;
    *count = n;
    return MN_OK;
}

static enum mn_status list_result(const struct mn_agg_call *call, struct gathered **rows,
                                  uint32_t count, struct mn_eval *eval, struct mn_value *out)
{
    struct mn_value *values = mn_arena_alloc(eval->scratch, (count + 1) * sizeof *values);

    if (!values) return mn_fail_nomem();
    for (uint32_t i = 0; i < count; i++) values[i] = rows[i]->values[0];
    return mn_list_make(eval->scratch, call->kind.elem, values, count, out);
}

static enum mn_status concat_result(const struct mn_agg_call *call, struct gathered **rows,
                                    uint32_t count, struct mn_eval *eval, struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status = MN_OK;
    char *text;

    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        if (i > 0 && call->arg_count < 2) status = mn_buf_byte(&buf, ',');
        if (i > 0 && call->arg_count > 1 && !mn_is_null(&rows[i]->values[1])) {
            status = mn_buf_append(&buf, rows[i]->values[1].p, rows[i]->values[1].size);
        }
        if (status == MN_OK) status = mn_value_format(&rows[i]->values[0], &buf);
    }
    if (status == MN_OK) {
        text = mn_arena_text(eval->scratch, (const char *)buf.data, buf.len);
        if (!text) status = mn_fail_nomem();
        if (status == MN_OK) *out = mn_text(text, buf.len);
    }
    mn_buf_release(&buf);
    return status;
}

/* Linear between the two nearest ranks, as percentile_cont. */
static enum mn_status quantile_result(const struct mn_agg_call *call, struct gathered **rows,
                                      uint32_t count, struct mn_value *out)
{
    const struct mn_value *share = &rows[0]->values[1];
    double q = 0.5, at, below, above;

    if (call->arg_count > 1) {
        if (mn_is_null(share)) return MN_OK;
        q = share->f;
    }
    if (!(q >= 0 && q <= 1)) {
        return mn_fail_at(MN_RANGE, call->span.offset, call->span.length,
                          "a quantile lies between 0 and 1");
    }
    qsort(rows, count, sizeof *rows, values_order);
    at = q * (double)(count - 1);
    below = number_of(&rows[(uint32_t)floor(at)]->values[0]);
    above = number_of(&rows[(uint32_t)ceil(at)]->values[0]);
    *out = mn_float(below + (above - below) * (at - floor(at)));
    return MN_OK;
}

static enum mn_status average(const struct mn_agg_call *call, const struct state *s,
                              struct mn_eval *eval, struct mn_value *out)
{
    double mean = (s->total + s->lost) / (double)s->count;
    float *vector;

    if (call->kind.type == MN_TYPE_DURATION) {
        *out = mn_duration((int64_t)nearbyint(mean));
    } else if (!s->sums) {
        *out = mn_float(mean);
    } else {
        vector = mn_arena_alloc(eval->scratch, s->dims * sizeof *vector);
        if (!vector) return mn_fail_nomem();
        for (uint32_t i = 0; i < s->dims; i++) {
            vector[i] = (float)(s->sums[i] / (double)s->count);
        }
        *out = mn_vector(vector, s->dims);
    }
    return MN_OK;
}

static enum mn_status state_result(const struct mn_agg_call *call, const struct state *s,
                                   struct mn_eval *eval, struct mn_value *out)
{
    *out = mn_null();
    if (call->agg == AGG_COUNT) {
        *out = mn_int(s->count);
        return MN_OK;
    }
    if (s->count == 0) return MN_OK;
    switch (call->agg) {
    case AGG_SUM:
        *out = call->args[0]->kind.type == MN_TYPE_FLOAT ? mn_float(s->total + s->lost)
                                                         : mn_int(s->sum);
        if (call->kind.type == MN_TYPE_DURATION) out->type = MN_TYPE_DURATION;
        return MN_OK;
    case AGG_AVG: return average(call, s, eval, out);
    case AGG_MIN:
    case AGG_MAX:
    case AGG_FIRST:
    case AGG_LAST: *out = s->best; return MN_OK;
    case AGG_VARIANCE:
    case AGG_STDDEV:
        if (s->count < 2) return MN_OK;
        *out = mn_float(s->squares / (double)(s->count - 1));
        if (call->agg == AGG_STDDEV) out->f = sqrt(out->f);
        return MN_OK;
    case AGG_COUNT:
    case AGG_LIST:
    case AGG_CONCAT:
    case AGG_QUANTILE: break;
    }
    return MN_OK;
}

enum mn_status mn_agg_result(const struct mn_agg_call *call, void *state, struct mn_eval *eval,
                             struct mn_value *out)
{
    struct state *s = state, fresh;
    struct gathered **rows;
    uint32_t count;
    enum mn_status status;

    *out = mn_null();
    if (!gathers(call)) return state_result(call, s, eval, out);
    status = rows_order_all(call, s, eval->scratch, &rows, &count);
    if (status != MN_OK) return status;
    if (count == 0 && call->agg != AGG_COUNT) return MN_OK;
    switch (call->agg) {
    case AGG_LIST: return list_result(call, rows, count, eval, out);
    case AGG_CONCAT: return concat_result(call, rows, count, eval, out);
    case AGG_QUANTILE: return quantile_result(call, rows, count, out);
    case AGG_COUNT:
    case AGG_SUM:
    case AGG_AVG:
    case AGG_MIN:
    case AGG_MAX:
    case AGG_FIRST:
    case AGG_LAST:
    case AGG_STDDEV:
    case AGG_VARIANCE: break;
    }
    mn_agg_begin(call, &fresh);
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        status = row_add(call, &fresh, rows[i]->values, eval->scratch);
    }
    return status == MN_OK ? state_result(call, &fresh, eval, out) : status;
}
