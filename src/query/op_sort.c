/*
 * op_sort: Sort, which keeps every row, and TopK, which keeps the first limit + offset in a heap.
 *
 * A kept row is its key values, then the values of the slots that are read above, all in one piece
 * of the operator's arena. Rows that compare equal stay in the order in which they came.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "query/op.h"
#include "query/op_limit.h"

struct sort_row {
    uint64_t number; /* in the order of coming: makes the sort stable and results repeat */
    struct mn_value values[];
};

struct op_sort {
    struct mn_op op;
    struct mn_sort_spec spec;
    struct mn_arena arena;
    struct sort_row **rows;
    size_t count, capacity, at;
    uint64_t kept, seen; /* TopK: how many, UINT64_MAX: all */
    size_t replaced;     /* rows thrown away whose bytes are still in the arena */
};

static int keys_compare(const struct mn_sort_spec *spec, const struct mn_value *a,
                        const struct mn_value *b)
{
    for (uint32_t i = 0; i < spec->key_count; i++) {
        const struct mn_sort_key *key = &spec->keys[i];
        bool a_null = mn_is_null(&a[i]), b_null = mn_is_null(&b[i]);
        int order;

        if (a_null && b_null) continue;
        if (a_null || b_null) return a_null == key->nulls_first ? -1 : 1;
        order = mn_value_order(&a[i], &b[i]);
        if (order != 0) return key->descending ? -order : order;
    }
    return 0;
}

static int rows_compare(const struct mn_sort_spec *spec, const struct sort_row *a,
                        const struct sort_row *b)
{
    int order = keys_compare(spec, a->values, b->values);

    if (order != 0) return order;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void heap_sink(struct op_sort *sort, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        struct sort_row *row = sort->rows[at];

        if (child >= sort->count) return;
        if (child + 1 < sort->count &&
            rows_compare(&sort->spec, sort->rows[child], sort->rows[child + 1]) < 0) {
            child++;
        }
        if (rows_compare(&sort->spec, row, sort->rows[child]) >= 0) return;
        sort->rows[at] = sort->rows[child];
        sort->rows[child] = row;
        at = child;
    }
}

static void heap_rise(struct op_sort *sort, size_t at)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        struct sort_row *row = sort->rows[at];

        if (rows_compare(&sort->spec, row, sort->rows[parent]) <= 0) return;
        sort->rows[at] = sort->rows[parent];
        sort->rows[parent] = row;
        at = parent;
    }
}

/* Merge sort of pointers: stable, and no worse than n log n for any input. */
static void rows_sort(const struct mn_sort_spec *spec, struct sort_row **rows,
                      struct sort_row **spare, size_t count)
{
    size_t half = count / 2, i = 0, j = half, to = 0;

    if (count < 2) return;
    rows_sort(spec, rows, spare, half);
    rows_sort(spec, rows + half, spare, count - half);
    if (rows_compare(spec, rows[half - 1], rows[half]) <= 0) return;
    memcpy(spare, rows, count * sizeof *rows);
    while (i < half && j < count) {
        rows[to++] = rows_compare(spec, spare[i], spare[j]) <= 0 ? spare[i++] : spare[j++];
    }
    while (i < half) rows[to++] = spare[i++];
    while (j < count) rows[to++] = spare[j++];
}

/* The heap's rows in a new arena: what was replaced is given back. */
static enum mn_status heap_compact(struct op_sort *sort, struct mn_exec *exec)
{
    uint32_t width = sort->spec.key_count + sort->spec.keep.count;
    struct mn_arena arena;

    mn_arena_init(&arena, exec->memory_limit);
    for (size_t i = 0; i < sort->count; i++) {
        struct sort_row *row = mn_arena_alloc(&arena, sizeof *row + width * sizeof row->values[0]);

        if (row) row->number = sort->rows[i]->number;
        for (uint32_t v = 0; row && v < width; v++) {
            if (mn_value_copy(&arena, &sort->rows[i]->values[v], &row->values[v]) != MN_OK) {
                row = NULL;
            }
        }
        if (!row) {
            mn_arena_release(&arena);
            return mn_exec_nomem(exec);
        }
        sort->rows[i] = row;
    }
    mn_arena_release(&sort->arena);
    sort->arena = arena;
    sort->replaced = 0;
    return MN_OK;
}

static enum mn_status row_keep(struct op_sort *sort, struct mn_exec *exec,
                               const struct mn_value *keys)
{
    const struct mn_sort_spec *spec = &sort->spec;
    uint32_t width = spec->key_count + spec->keep.count;
    struct sort_row *row;

    row = mn_arena_alloc(&sort->arena, sizeof *row + width * sizeof row->values[0]);
    if (!row) return mn_exec_nomem(exec);
    row->number = sort->seen;
    for (uint32_t i = 0; i < width; i++) {
        const struct mn_value *from =
            i < spec->key_count ? &keys[i]
                                : &exec->eval.slots[spec->keep.slots[i - spec->key_count]];

        if (mn_value_copy(&sort->arena, from, &row->values[i]) != MN_OK) {
            return mn_exec_nomem(exec);
        }
    }
    if (sort->count < sort->kept) {
        if (!mn_grow(&sort->rows, &sort->capacity, sort->count + 1, sizeof *sort->rows)) {
            return mn_fail_nomem();
        }
        sort->rows[sort->count++] = row;
        if (sort->kept != UINT64_MAX) heap_rise(sort, sort->count - 1);
        return MN_OK;
    }
    sort->rows[0] = row;
    heap_sink(sort, 0);
    if (++sort->replaced > 2 * sort->count + 1024) return heap_compact(sort, exec);
    return MN_OK;
}

static enum mn_status row_take(struct op_sort *sort, struct mn_exec *exec, struct mn_value *keys)
{
    for (uint32_t i = 0; i < sort->spec.key_count; i++) {
        enum mn_status status = mn_expr_eval(sort->spec.keys[i].expr, &exec->eval, &keys[i]);

        if (status != MN_OK) return status;
    }
    sort->seen++;
    if (sort->count == sort->kept &&
        (sort->kept == 0 || keys_compare(&sort->spec, keys, sort->rows[0]->values) >= 0)) {
        return MN_OK;
    }
    return row_keep(sort, exec, keys);
}

static enum mn_status sort_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_sort *sort = (struct op_sort *)op;
    struct mn_arena_mark mark;
    struct sort_row **spare;
    struct mn_value *keys;
    uint64_t counts[2] = {UINT64_MAX, 0};
    enum mn_status status = MN_OK;
    bool found;

    mn_arena_init(&sort->arena, exec->memory_limit);
    sort->at = sort->count = 0;
    sort->seen = sort->replaced = 0;
    if (sort->spec.limit) status = mn_limit_eval(sort->spec.limit, sort->spec.offset, exec, counts);
    if (status != MN_OK) return status;
    sort->kept = counts[0] > UINT64_MAX - 1 - counts[1] ? UINT64_MAX : counts[0] + counts[1];
    keys = mn_arena_alloc(exec->eval.scratch, sort->spec.key_count * sizeof *keys + 1);
    if (!keys) return mn_exec_nomem(exec);
    status = mn_op_open(op->left, exec);
    mark = mn_arena_mark(exec->eval.scratch);
    while (status == MN_OK) {
        status = mn_op_next(op->left, exec, &found);
        if (status != MN_OK || !found) break;
        status = row_take(sort, exec, keys);
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(op->left);
    if (status != MN_OK || sort->count < 2) return status;
    spare = mn_alloc(sort->count * sizeof(struct sort_row *));
    if (!spare) return mn_fail_nomem();
    rows_sort(&sort->spec, sort->rows, spare, sort->count);
    mn_dealloc(spare);
    return MN_OK;
}

static enum mn_status sort_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_sort *sort = (struct op_sort *)op;

    if (sort->at == sort->count) return MN_OK;
    mn_row_load(&sort->spec.keep, sort->rows[sort->at++]->values + sort->spec.key_count,
                exec->eval.slots);
    *found = true;
    return MN_OK;
}

static void sort_close(struct mn_op *op)
{
    struct op_sort *sort = (struct op_sort *)op;

    mn_dealloc(sort->rows);
    sort->rows = NULL;
    sort->count = sort->capacity = 0;
    mn_arena_release(&sort->arena);
}

static enum mn_status sort_describe(const struct mn_op *op, struct mn_buf *out)
{
    const struct op_sort *sort = (const struct op_sort *)op;

    return mn_buf_printf(out, " by %u key%s", sort->spec.key_count,
                         sort->spec.key_count == 1 ? "" : "s");
}

static const struct mn_op_kind kind_sort = {"Sort", sort_open, sort_next, sort_close,
                                            sort_describe};
static const struct mn_op_kind kind_topk = {"TopK", sort_open, sort_next, sort_close,
                                            sort_describe};

struct mn_op *mn_op_sort(struct mn_arena *arena, struct mn_op *child,
                         const struct mn_sort_spec *spec)
{
    struct op_sort *sort = mn_arena_zalloc(arena, sizeof *sort);

    if (!sort) return NULL;
    sort->op = (struct mn_op){.kind = spec->limit ? &kind_topk : &kind_sort, .left = child};
    sort->op.estimate = child->estimate;
    sort->spec = *spec;
    return &sort->op;
}
