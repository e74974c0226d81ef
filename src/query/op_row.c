/*
 * op_row: the operators that handle one row at a time: Filter, Project, Limit, Values.
 */
#include "query/op_limit.h"

/* ---- Filter ---- */

struct op_filter {
    struct mn_op op;
    struct mn_expr *condition;
};

static enum mn_status child_open(struct mn_op *op, struct mn_exec *exec)
{
    return mn_op_open(op->left, exec);
}

static enum mn_status filter_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_filter *filter = (struct op_filter *)op;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    bool yes = false;

    for (;;) {
        enum mn_status status = mn_op_next(op->left, exec, found);

        if (status != MN_OK || !*found) return status;
        status = mn_expr_test(filter->condition, &exec->eval, &yes);
        if (status != MN_OK || yes) {
            *found = status == MN_OK;
            return status;
        }
        mn_arena_rewind(exec->eval.scratch, mark);
    }
}

static const struct mn_op_kind kind_filter = {"Filter", child_open, filter_next, NULL, NULL};

struct mn_op *mn_op_filter(struct mn_arena *arena, struct mn_op *child, struct mn_expr *condition)
{
    struct op_filter *filter = mn_arena_zalloc(arena, sizeof *filter);

    if (!filter) return NULL;
    filter->op = (struct mn_op){.kind = &kind_filter, .left = child};
    filter->op.estimate = child->estimate / 3;
    filter->condition = condition;
    return &filter->op;
}

/* ---- Project ---- */

struct op_project {
    struct mn_op op;
    uint32_t count;
    const struct mn_assignment *items;
    bool done; /* without a child: one row */
};

static enum mn_status project_open(struct mn_op *op, struct mn_exec *exec)
{
    ((struct op_project *)op)->done = false;
    return op->left ? mn_op_open(op->left, exec) : MN_OK;
}

static enum mn_status project_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_project *project = (struct op_project *)op;

    if (op->left) {
        enum mn_status status = mn_op_next(op->left, exec, found);

        if (status != MN_OK || !*found) return status;
    } else if (project->done) {
        return MN_OK;
    }
    project->done = true;
    for (uint32_t i = 0; i < project->count; i++) {
        const struct mn_assignment *item = &project->items[i];
        struct mn_value value;
        enum mn_status status = mn_expr_eval(item->expr, &exec->eval, &value);

        if (status != MN_OK) {
            *found = false;
            return status;
        }
        exec->eval.slots[item->slot] = value;
    }
    *found = true;
    return MN_OK;
}

static const struct mn_op_kind kind_project = {"Project", project_open, project_next, NULL, NULL};

struct mn_op *mn_op_project(struct mn_arena *arena, struct mn_op *child, uint32_t count,
                            const struct mn_assignment *items)
{
    struct op_project *project = mn_arena_zalloc(arena, sizeof *project);

    if (!project) return NULL;
    project->op = (struct mn_op){.kind = &kind_project, .left = child};
    project->op.estimate = child ? child->estimate : 1;
    project->count = count;
    project->items = items;
    return &project->op;
}

/* ---- Limit ---- */

struct op_limit {
    struct mn_op op;
    struct mn_expr *limit, *offset;
    uint64_t left, skip;
};

/* *count is UINT64_MAX for NULL: no limit. */
static enum mn_status count_eval(const struct mn_expr *expr, struct mn_exec *exec, const char *what,
                                 uint64_t *count)
{
    struct mn_value value;
    enum mn_status status = mn_expr_eval(expr, &exec->eval, &value);

    if (status != MN_OK) return status;
    *count = UINT64_MAX;
    if (mn_is_null(&value)) return MN_OK;
    if (value.type != MN_TYPE_INT) {
        return mn_fail_at(MN_TYPE, expr->span.offset, expr->span.length, "%s takes an INT, not %s",
                          what, mn_type_name(value.type));
    }
    if (value.i < 0) {
        return mn_fail_at(MN_RANGE, expr->span.offset, expr->span.length, "%s must not be negative",
                          what);
    }
    *count = (uint64_t)value.i;
    return MN_OK;
}

enum mn_status mn_limit_eval(const struct mn_expr *limit, const struct mn_expr *offset,
                             struct mn_exec *exec, uint64_t counts[2])
{
    enum mn_status status = MN_OK;

    counts[0] = UINT64_MAX;
    counts[1] = 0;
    if (limit) status = count_eval(limit, exec, "LIMIT", &counts[0]);
    if (status == MN_OK && offset) status = count_eval(offset, exec, "OFFSET", &counts[1]);
    if (counts[1] == UINT64_MAX) counts[1] = 0;
    return status;
}

static enum mn_status limit_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_limit *limit = (struct op_limit *)op;
    uint64_t counts[2];
    enum mn_status status = mn_limit_eval(limit->limit, limit->offset, exec, counts);

    limit->left = counts[0];
    limit->skip = counts[1];
    return status == MN_OK ? mn_op_open(op->left, exec) : status;
}

static enum mn_status limit_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_limit *limit = (struct op_limit *)op;
    enum mn_status status;

    if (limit->left == 0) return MN_OK;
    for (; limit->skip > 0; limit->skip--) {
        struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);

        status = mn_op_next(op->left, exec, found);
        if (status != MN_OK || !*found) return status;
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    status = mn_op_next(op->left, exec, found);
    if (*found && limit->left != UINT64_MAX) limit->left--;
    return status;
}

static const struct mn_op_kind kind_limit = {"Limit", limit_open, limit_next, NULL, NULL};

struct mn_op *mn_op_limit(struct mn_arena *arena, struct mn_op *child, struct mn_expr *limit,
                          struct mn_expr *offset)
{
    struct op_limit *made = mn_arena_zalloc(arena, sizeof *made);

    if (!made) return NULL;
    made->op = (struct mn_op){.kind = &kind_limit, .left = child, .estimate = child->estimate};
    if (limit && limit->form == MN_EXPR_CONSTANT && limit->value.type == MN_TYPE_INT &&
        (double)limit->value.i < made->op.estimate) {
        made->op.estimate = (double)limit->value.i;
    }
    made->limit = limit;
    made->offset = offset;
    return &made->op;
}

/* ---- Values ---- */

struct op_values {
    struct mn_op op;
    struct mn_slot_list slots;
    uint32_t row_count, at;
    struct mn_expr *const *exprs;
};

static enum mn_status values_open(struct mn_op *op, struct mn_exec *exec)
{
    (void)exec;
    ((struct op_values *)op)->at = 0;
    return MN_OK;
}

static enum mn_status values_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_values *values = (struct op_values *)op;
    struct mn_expr *const *row = values->exprs + (size_t)values->at * values->slots.count;

    if (values->at == values->row_count) return MN_OK;
    for (uint32_t i = 0; i < values->slots.count; i++) {
        struct mn_value value;
        enum mn_status status = mn_expr_eval(row[i], &exec->eval, &value);

        if (status != MN_OK) return status;
        exec->eval.slots[values->slots.slots[i]] = value;
    }
    values->at++;
    *found = true;
    return MN_OK;
}

static const struct mn_op_kind kind_values = {"Values", values_open, values_next, NULL, NULL};

struct mn_op *mn_op_values(struct mn_arena *arena, const struct mn_slot_list *slots,
                           uint32_t row_count, struct mn_expr *const *exprs)
{
    struct op_values *values = mn_arena_zalloc(arena, sizeof *values);

    if (!values) return NULL;
    values->op = (struct mn_op){.kind = &kind_values, .estimate = row_count};
    values->slots = *slots;
    values->row_count = row_count;
    values->exprs = exprs;
    return &values->op;
}
