/*
 * bind_query_expr: subqueries as values: (SELECT ..), EXISTS, IN (SELECT ..), = ANY (SELECT ..).
 *
 * A subquery that reads no outer column and is not volatile runs once a run of the statement; its
 * value, or for IN the set of its values, is kept. Others run for every evaluation.
 */
#include <string.h>

#include "query/bind.h"

enum query_use { USE_SCALAR, USE_EXISTS, USE_IN };

struct query_expr {
    struct mn_expr base;
    struct mn_query *query;
    enum query_use use;
    bool negated;
    struct mn_expr *left; /* IN: what is looked for */
    struct mn_expr *item; /* IN: the subquery's column, made comparable */
};

static bool query_cacheable(const struct mn_query *query)
{
    return !query->correlated && !query->unsteady;
}

static bool query_cached(const struct mn_query *query, const struct mn_exec *exec)
{
    return query_cacheable(query) && query->cached_run == exec->run;
}

static enum mn_status scalar_run(const struct query_expr *expr, struct mn_exec *exec,
                                 struct mn_value *out)
{
    struct mn_query *query = expr->query;
    struct mn_arena *into = query_cacheable(query) ? &exec->kept : exec->eval.scratch;
    enum mn_status status = mn_op_open(query->op, exec);
    bool found = false, more = false;

    *out = mn_null();
    if (status == MN_OK) status = mn_op_next(query->op, exec, &found);
    if (status == MN_OK && found) {
        status = mn_value_copy(into, &exec->eval.slots[query->outputs[0].slot], out);
        if (status == MN_OK) status = mn_op_next(query->op, exec, &more);
    }
    mn_op_close(query->op);
    if (status == MN_OK && more) {
        mn_fail_at(MN_ERROR, expr->base.span.offset, expr->base.span.length,
                   "the subquery gives more than one row where one value is needed");
        status = mn_hint("add LIMIT 1, or use IN");
    }
    return status;
}

static enum mn_status scalar_eval(const struct mn_expr *base, struct mn_eval *eval,
                                  struct mn_value *out)
{
    const struct query_expr *expr = (const struct query_expr *)base;
    struct mn_exec *exec = eval->exec;
    enum mn_status status;

    if (query_cached(expr->query, exec)) {
        *out = expr->query->cached;
        return MN_OK;
    }
    status = scalar_run(expr, exec, out);
    if (status == MN_OK && query_cacheable(expr->query)) {
        expr->query->cached = *out;
        expr->query->cached_run = exec->run;
    }
    return status;
}

static enum mn_status exists_eval(const struct mn_expr *base, struct mn_eval *eval,
                                  struct mn_value *out)
{
    const struct query_expr *expr = (const struct query_expr *)base;
    struct mn_exec *exec = eval->exec;
    struct mn_arena_mark mark = mn_arena_mark(eval->scratch);
    struct mn_query *query = expr->query;
    bool found = false;
    enum mn_status status;

    if (query_cached(query, exec)) {
        *out = query->cached;
        return MN_OK;
    }
    status = mn_op_open(query->op, exec);
    if (status == MN_OK) status = mn_op_next(query->op, exec, &found);
    mn_op_close(query->op);
    mn_arena_rewind(eval->scratch, mark);
    *out = mn_bool(found != expr->negated);
    if (status == MN_OK && query_cacheable(query)) {
        query->cached = *out;
        query->cached_run = exec->run;
    }
    return status;
}

/* The set of the subquery's values, once a run. */
static enum mn_status in_fill(const struct query_expr *expr, struct mn_exec *exec)
{
    struct mn_query *query = expr->query;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status = mn_op_open(query->op, exec);

    mn_rowset_release(&query->cached_set);
    query->cached_set = (struct mn_rowset){.width = 1, .arena = &exec->kept};
    query->cached_null = false;
    while (status == MN_OK) {
        struct mn_rowset_entry *entry;
        struct mn_value value;
        bool found, added;

        status = mn_op_next(query->op, exec, &found);
        if (status != MN_OK || !found) break;
        status = mn_expr_eval(expr->item, &exec->eval, &value);
        if (status == MN_OK && mn_is_null(&value)) {
            query->cached_null = true;
        } else if (status == MN_OK) {
            status = mn_rowset_find(&query->cached_set, &value, &added, &entry);
        }
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(query->op);
    if (status == MN_OK) query->cached_run = exec->run;
    return status;
}

/* True, false, or unknown where a NULL could have been it. */
static void in_answer(const struct query_expr *expr, bool found, bool unknown, struct mn_value *out)
{
    *out = !found && unknown ? mn_null() : mn_bool(found != expr->negated);
}

static enum mn_status in_cached(const struct query_expr *expr, struct mn_exec *exec,
                                const struct mn_value *left, struct mn_value *out)
{
    struct mn_query *query = expr->query;
    struct mn_rowset_entry *entry = NULL;
    enum mn_status status = MN_OK;
    bool any;

    if (query->cached_run != exec->run) status = in_fill(expr, exec);
    if (status != MN_OK) return status;
    any = query->cached_null || query->cached_set.count > 0;
    if (mn_is_null(left)) {
        in_answer(expr, false, any, out);
        return MN_OK;
    }
    status = mn_rowset_find(&query->cached_set, left, NULL, &entry);
    in_answer(expr, entry != NULL, query->cached_null, out);
    return status;
}

static enum mn_status in_eval(const struct mn_expr *base, struct mn_eval *eval,
                              struct mn_value *out)
{
    const struct query_expr *expr = (const struct query_expr *)base;
    struct mn_exec *exec = eval->exec;
    struct mn_value left, value;
    bool found = false, unknown = false, more = true;
    enum mn_status status = mn_expr_eval(expr->left, eval, &left);

    if (status != MN_OK) return status;
    if (query_cacheable(expr->query)) return in_cached(expr, exec, &left, out);
    status = mn_op_open(expr->query->op, exec);
    while (status == MN_OK && !found) {
        int order = MN_ORDER_UNKNOWN;

        status = mn_op_next(expr->query->op, exec, &more);
        if (status != MN_OK || !more) break;
        status = mn_expr_eval(expr->item, eval, &value);
        if (status == MN_OK && !mn_is_null(&left) && !mn_is_null(&value)) {
            status = mn_value_compare(&left, &value, &order);
        }
        found = order == 0;
        if (order == MN_ORDER_UNKNOWN) unknown = true;
    }
    mn_op_close(expr->query->op);
    in_answer(expr, found, unknown, out);
    return status;
}

/* ---- binding ---- */

static enum mn_status subquery_new(struct mn_block *block, const struct mn_ast_expr *ast,
                                   const struct mn_ast_query *query_ast, struct query_expr **out)
{
    struct mn_bind *bind = block->bind;
    struct query_expr *expr = mn_arena_zalloc(bind->arena, sizeof *expr);
    bool in_aggregate = block->in_aggregate;
    enum mn_status status;

    if (!expr) return mn_fail_nomem();
    status = mn_bind_query(bind, block, query_ast, &expr->query);
    block->in_aggregate = in_aggregate;
    if (status != MN_OK) return status;
    expr->query->next = bind->subqueries;
    bind->subqueries = expr->query;
    expr->base.form = MN_EXPR_OTHER;
    expr->base.span = ast->span;
    expr->base.kind = (struct mn_kind){.type = MN_TYPE_BOOL};
    expr->base.fixed = query_cacheable(expr->query);
    expr->base.unsteady = expr->query->unsteady;
    expr->base.arg_count = expr->query->outer_count;
    expr->base.args = expr->query->outer_args;
    *out = expr;
    return MN_OK;
}

static enum mn_status one_column(const struct query_expr *expr)
{
    if (expr->query->output_count == 1) return MN_OK;
    return mn_fail_at(MN_SCHEMA, expr->query->span.offset, expr->query->span.length,
                      "the subquery has %u columns where one is needed", expr->query->output_count);
}

static enum mn_status in_bind(struct mn_block *block, struct query_expr *expr,
                              const struct mn_ast_expr *left)
{
    struct mn_arena *arena = block->bind->arena;
    const struct mn_output *output = &expr->query->outputs[0];
    struct mn_expr **args;
    enum mn_status status = one_column(expr);

    if (status == MN_OK) status = mn_expr_build(&block->scope, left, &expr->left);
    if (status != MN_OK) return status;
    expr->item = mn_expr_slot(arena, output->slot, &output->kind, output->span);
    if (!expr->item) return mn_fail_nomem();
    status = mn_expr_unify(&block->scope, &expr->left, &expr->item);
    if (status != MN_OK) return status;
    args = mn_arena_alloc(arena, (expr->base.arg_count + 1) * sizeof(struct mn_expr *));
    if (!args) return mn_fail_nomem();
    if (expr->base.arg_count) {
        memcpy(args, expr->base.args, expr->base.arg_count * sizeof(struct mn_expr *));
    }
    args[expr->base.arg_count++] = expr->left;
    expr->base.args = args;
    expr->base.fixed = expr->base.fixed && expr->left->fixed;
    expr->base.unsteady = expr->base.unsteady || expr->left->unsteady;
    expr->base.eval = in_eval;
    expr->use = USE_IN;
    return MN_OK;
}

enum mn_status mn_bind_subquery(struct mn_block *block, const struct mn_ast_expr *ast,
                                struct mn_expr **out)
{
    const struct mn_ast_query *query = ast->query;
    struct query_expr *expr;
    enum mn_status status;

    if (ast->kind == MN_AST_IN) query = ast->in.query;
    if (ast->kind == MN_AST_QUANTIFIED) query = ast->quantified.query;
    status = subquery_new(block, ast, query, &expr);
    if (status != MN_OK) return status;
    switch ((int)ast->kind) {
    case MN_AST_EXISTS:
        expr->base.eval = exists_eval;
        expr->base.not_null = true;
        expr->use = USE_EXISTS;
        break;
    case MN_AST_SUBQUERY:
        expr->base.eval = scalar_eval;
        status = one_column(expr);
        if (status == MN_OK) expr->base.kind = expr->query->outputs[0].kind;
        break;
    case MN_AST_IN:
        expr->negated = ast->in.negated;
        status = in_bind(block, expr, ast->in.arg);
        break;
    default: /* x = ANY (q) is IN, x <> ALL (q) is NOT IN */
        expr->negated = ast->quantified.all;
        status = in_bind(block, expr, ast->quantified.arg);
        break;
    }
    *out = status == MN_OK ? &expr->base : NULL;
    return status;
}
