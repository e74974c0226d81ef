/*
 * op_nearest: Nearest, over the rows of any plan, and what it shares with VectorScan.
 *
 * A row that may be among the best is copied into the operator's arena: its tie values, then the
 * slots that are read above. The heap knows rows by their place in a list; rows that fell out of
 * the heap are forgotten when there are more of them than of the others.
 */
#include "query/op_nearest.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/topk.h"
#include "query/op_limit.h"

/* ---- what both forms share ---- */

static enum mn_status ask_k(const struct mn_nearest_spec *spec, struct mn_exec *exec, uint64_t *k)
{
    struct mn_value value;
    enum mn_status status;

    if (spec->order_by) {
        uint64_t counts[2];

        status = mn_limit_eval(spec->k, spec->offset, exec, counts);
        if (status == MN_OK) {
            *k = counts[0] > UINT64_MAX - counts[1] ? UINT64_MAX : counts[0] + counts[1];
        }
        return status;
    }
    status = mn_expr_eval(spec->k, &exec->eval, &value);
    if (status != MN_OK) return status;
    if (mn_is_null(&value) || value.type != MN_TYPE_INT || value.i < 0) {
        return mn_fail_at(mn_is_null(&value) || value.type == MN_TYPE_INT ? MN_RANGE : MN_TYPE,
                          spec->k->span.offset, spec->k->span.length,
                          "NEAREST takes a count of rows, 0 or more");
    }
    *k = (uint64_t)value.i;
    return MN_OK;
}

static enum mn_status ask_within(const struct mn_nearest_spec *spec, struct mn_exec *exec,
                                 struct mn_nearest_ask *ask)
{
    struct mn_value value;

    ask->within = INFINITY;
    if (!spec->within) return MN_OK;
    enum mn_status status = mn_expr_eval(spec->within, &exec->eval, &value);
    if (status != MN_OK) return status;
    switch (value.type) {
    case MN_TYPE_NULL: ask->query = NULL; return MN_OK; /* no distance is known to be below */
    case MN_TYPE_INT: ask->within = (double)value.i; return MN_OK;
    case MN_TYPE_FLOAT:
        ask->within = value.f;
        if (!isnan(value.f)) return MN_OK;
        return mn_fail_at(MN_RANGE, spec->within->span.offset, spec->within->span.length,
                          "WITHIN is NaN");
    default:
        return mn_fail_at(MN_TYPE, spec->within->span.offset, spec->within->span.length,
                          "WITHIN takes a number, not %s", mn_type_name(value.type));
    }
}

static enum mn_status ask_effort(const struct mn_nearest_spec *spec, struct mn_exec *exec,
                                 struct mn_nearest_ask *ask)
{
    struct mn_value value;

    if (!spec->effort) return MN_OK;
    enum mn_status status = mn_expr_eval(spec->effort, &exec->eval, &value);
    if (status != MN_OK || mn_is_null(&value)) return status;
    if (value.type != MN_TYPE_INT || value.i < 1) {
        return mn_fail_at(value.type == MN_TYPE_INT ? MN_RANGE : MN_TYPE, spec->effort->span.offset,
                          spec->effort->span.length, "EFFORT takes a count of lists, 1 or more");
    }
    ask->effort = (uint64_t)value.i;
    return MN_OK;
}

/* A query vector is checked here for both forms, so that its place can be told. */
static enum mn_status query_check(const struct mn_nearest_spec *spec, const struct mn_value *to)
{
    enum mn_status status = mn_vector_check(to->p, to->size);

    if (status == MN_OK && spec->metric == MN_METRIC_COSINE &&
        mn_vector_norm2(to->p, to->size) == 0) {
        mn_fail(MN_RANGE, "the query vector is zero: cosine has no direction to compare with");
        status = mn_hint("METRIC l2 and METRIC dot accept it");
    }
    if (status != MN_OK) mn_place(spec->to->span.offset, spec->to->span.length);
    return status;
}

enum mn_status mn_nearest_ask(const struct mn_nearest_spec *spec, struct mn_exec *exec,
                              struct mn_nearest_ask *ask)
{
    struct mn_value to;
    enum mn_status status;

    *ask = (struct mn_nearest_ask){0};
    status = mn_expr_eval(spec->to, &exec->eval, &to);
    if (status != MN_OK) return status;
    if (!mn_is_null(&to) && to.type != MN_TYPE_VECTOR) {
        return mn_fail_at(MN_TYPE, spec->to->span.offset, spec->to->span.length,
                          "the nearest are searched to a VECTOR, not %s", mn_type_name(to.type));
    }
    status = ask_k(spec, exec, &ask->k);
    if (status == MN_OK && !mn_is_null(&to)) {
        ask->query = to.p;
        ask->dims = to.size;
        status = query_check(spec, &to);
    }
    if (status == MN_OK) status = ask_effort(spec, exec, ask);
    return status == MN_OK ? ask_within(spec, exec, ask) : status;
}

static void slot_set(struct mn_exec *exec, uint32_t slot, struct mn_value value)
{
    if (slot != MN_NO_SLOT) exec->eval.slots[slot] = value;
}

void mn_nearest_fill(const struct mn_nearest_spec *spec, struct mn_exec *exec,
                     const double *distance, uint64_t rank)
{
    struct mn_value far = mn_null(), like = mn_null();

    if (distance) {
        far = mn_float(*distance);
        like = mn_float(mn_similarity(spec->metric, *distance));
    }
    slot_set(exec, spec->distance_slot, far);
    slot_set(exec, spec->similarity_slot, like);
    slot_set(exec, spec->score_slot, like);
    slot_set(exec, spec->rank_slot, mn_int((int64_t)rank));
}

enum mn_status mn_nearest_dims(const struct mn_nearest_spec *spec, uint32_t stored, uint32_t asked)
{
    if (stored == asked) return MN_OK;
    return mn_fail_at(MN_TYPE, spec->to->span.offset, spec->to->span.length,
                      "the vectors searched have %" PRIu32
                      " dimensions, the query vector has %" PRIu32,
                      stored, asked);
}

enum mn_status mn_nearest_describe(const struct mn_nearest_spec *spec, struct mn_buf *out)
{
    return mn_buf_printf(out, " %s%s", mn_metric_name(spec->metric),
                         spec->within ? " within a distance" : "");
}

/* ---- Nearest ---- */

struct op_nearest {
    struct mn_op op;
    struct mn_nearest_rows_spec spec;
    struct mn_arena arena;  /* of the rows */
    struct mn_value **rows; /* ties, then slots; the heaps' ids are places here */
    size_t row_count, row_capacity;
    struct mn_topk near, lost; /* rows with a distance, and with ORDER BY those without */
    size_t at;
};

static int rows_tie(void *context, int64_t a, int64_t b)
{
    const struct op_nearest *n = context;

    for (uint32_t i = 0; i < n->spec.tie_count; i++) {
        int order = mn_value_order(&n->rows[a][i], &n->rows[b][i]);
        if (order != 0) return order;
    }
    return (a > b) - (a < b);
}

/* Copies the row of the slots; its id is its place in the list. */
static enum mn_status row_save(struct op_nearest *n, struct mn_exec *exec, int64_t *id)
{
    uint32_t ties = n->spec.tie_count, slots = n->spec.keep.count;
    struct mn_value *row = mn_arena_alloc(&n->arena, (ties + slots) * sizeof *row + 1);

    if (!row) return mn_exec_nomem(exec);
    for (uint32_t i = 0; i < ties + slots; i++) {
        struct mn_value value;
        enum mn_status status = MN_OK;

        if (i >= ties)
            value = exec->eval.slots[n->spec.keep.slots[i - ties]];
        else
            status = mn_expr_eval(n->spec.ties[i], &exec->eval, &value);
        if (status != MN_OK) return status;
        if (mn_value_copy(&n->arena, &value, &row[i]) != MN_OK) return mn_exec_nomem(exec);
    }
    if (!mn_grow(&n->rows, &n->row_capacity, n->row_count + 1, sizeof *n->rows)) {
        return mn_fail_nomem();
    }
    *id = (int64_t)n->row_count;
    n->rows[n->row_count++] = row;
    return MN_OK;
}

static void heap_mark(const struct mn_topk *topk, bool *live)
{
    for (size_t i = 0; i < topk->count; i++) live[topk->heap[i].id] = true;
}

static void heap_renumber(struct mn_topk *topk, const size_t *places)
{
    for (size_t i = 0; i < topk->count; i++) {
        topk->heap[i].id = (int64_t)places[topk->heap[i].id];
    }
}

/* Copies every row that is live into the arena, in the list's order, which breaks ties. */
static enum mn_status rows_copy(const struct op_nearest *n, const bool *live,
                                struct mn_arena *arena, struct mn_value **copies)
{
    uint32_t width = n->spec.tie_count + n->spec.keep.count;

    for (size_t i = 0; i < n->row_count; i++) {
        if (!live[i]) continue;
        struct mn_value *row = mn_arena_alloc(arena, width * sizeof *row + 1);

        for (uint32_t v = 0; row && v < width; v++) {
            if (mn_value_copy(arena, &n->rows[i][v], &row[v]) != MN_OK) row = NULL;
        }
        if (!row) return MN_NOMEM;
        *copies++ = row;
    }
    return MN_OK;
}

/* Forgets the rows that no heap knows. */
static enum mn_status rows_compact(struct op_nearest *n, struct mn_exec *exec)
{
    size_t *places = mn_alloc(n->row_count * sizeof *places), kept = 0;
    struct mn_value **copies = mn_alloc(n->row_count * sizeof(struct mn_value *));
    bool *live = mn_zalloc(n->row_count);
    struct mn_arena arena;
    enum mn_status status = places && live && copies ? MN_OK : MN_NOMEM;

    mn_arena_init(&arena, exec->memory_limit);
    if (status == MN_OK) {
        heap_mark(&n->near, live);
        heap_mark(&n->lost, live);
        status = rows_copy(n, live, &arena, copies);
    }
    if (status == MN_OK) {
        for (size_t i = 0; i < n->row_count; i++) {
            places[i] = kept;
            if (live[i]) kept++;
        }
        heap_renumber(&n->near, places);
        heap_renumber(&n->lost, places);
        memcpy(n->rows, copies, kept * sizeof(struct mn_value *));
        n->row_count = kept;
        mn_arena_release(&n->arena);
        n->arena = arena;
    } else {
        mn_arena_release(&arena);
        mn_exec_nomem(exec);
    }
    mn_dealloc(places);
    mn_dealloc(copies);
    mn_dealloc(live);
    return status;
}

static enum mn_status row_offer(struct op_nearest *n, struct mn_exec *exec, struct mn_topk *topk,
                                double distance)
{
    int64_t id;

    if (topk->k == 0) return MN_OK;
    if (mn_topk_full(topk) && distance > topk->heap[0].distance) return MN_OK;
    enum mn_status status = row_save(n, exec, &id);
    if (status == MN_OK) status = mn_topk_offer(topk, distance, id);
    if (status != MN_OK) return status;
    size_t live = n->near.count + n->lost.count;
    return n->row_count > 2 * live + 1024 ? rows_compact(n, exec) : MN_OK;
}

static enum mn_status row_take(struct op_nearest *n, struct mn_exec *exec,
                               const struct mn_nearest_ask *ask)
{
    const struct mn_nearest_spec *spec = &n->spec.nearest;
    struct mn_value vector;
    enum mn_status status = mn_expr_eval(n->spec.vector, &exec->eval, &vector);

    if (status != MN_OK) return status;
    if (mn_is_null(&vector) || !ask->query) {
        return spec->order_by ? row_offer(n, exec, &n->lost, 0) : MN_OK;
    }
    status = mn_nearest_dims(spec, vector.size, ask->dims);
    if (status != MN_OK) return status;
    double distance = mn_distance(spec->metric, ask->query, vector.p, ask->dims);
    return distance <= ask->within ? row_offer(n, exec, &n->near, distance) : MN_OK;
}

static enum mn_status nearest_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_nearest *n = (struct op_nearest *)op;
    struct mn_nearest_ask ask;
    bool found = true;

    n->at = n->row_count = 0;
    mn_arena_init(&n->arena, exec->memory_limit);
    mn_topk_init(&n->near, 0, NULL, NULL);
    mn_topk_init(&n->lost, 0, NULL, NULL);
    enum mn_status status = mn_nearest_ask(&n->spec.nearest, exec, &ask);
    if (status != MN_OK) return status;
    if (ask.k == 0 || (!ask.query && !n->spec.nearest.order_by)) return MN_OK;
    mn_topk_init(&n->near, ask.k, rows_tie, n);
    mn_topk_init(&n->lost, n->spec.nearest.order_by ? ask.k : 0, rows_tie, n);
    status = mn_op_open(op->left, exec);
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    while (status == MN_OK && found) {
        status = mn_op_next(op->left, exec, &found);
        if (status == MN_OK && found) status = row_take(n, exec, &ask);
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(op->left);
    mn_topk_sort(&n->near);
    mn_topk_sort(&n->lost);
    return status;
}

static enum mn_status nearest_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_nearest *n = (struct op_nearest *)op;
    size_t all = n->near.count + n->lost.count;
    bool has = n->at < n->near.count;

    if (n->at == all || (n->near.k && n->at >= n->near.k)) return MN_OK;
    const struct mn_near *near = has ? &n->near.heap[n->at] : &n->lost.heap[n->at - n->near.count];
    mn_row_load(&n->spec.keep, n->rows[near->id] + n->spec.tie_count, exec->eval.slots);
    mn_nearest_fill(&n->spec.nearest, exec, has ? &near->distance : NULL, ++n->at);
    *found = true;
    return MN_OK;
}

static void nearest_close(struct mn_op *op)
{
    struct op_nearest *n = (struct op_nearest *)op;

    mn_topk_release(&n->near);
    mn_topk_release(&n->lost);
    mn_arena_release(&n->arena);
    mn_dealloc(n->rows);
    n->rows = NULL;
    n->row_count = n->row_capacity = 0;
}

static enum mn_status nearest_describe(const struct mn_op *op, struct mn_buf *out)
{
    return mn_nearest_describe(&((const struct op_nearest *)op)->spec.nearest, out);
}

static const struct mn_op_kind kind_nearest = {"Nearest", nearest_open, nearest_next, nearest_close,
                                               nearest_describe};

struct mn_op *mn_op_nearest(struct mn_arena *arena, struct mn_op *child,
                            const struct mn_nearest_rows_spec *spec)
{
    struct op_nearest *n = mn_arena_zalloc(arena, sizeof *n);

    if (!n) return NULL;
    n->op = (struct mn_op){.kind = &kind_nearest, .left = child};
    n->op.estimate = child->estimate < 10 ? child->estimate : 10;
    n->spec = *spec;
    return &n->op;
}
