/*
 * ast: walking over expressions, and telling whether two say the same.
 */
#include "query/ast.h"

#include <string.h>

const char *mn_ast_op_text(enum mn_ast_op op, enum mn_metric metric)
{
    static const char *const texts[] = {
        [MN_OP_NONE] = "",
        [MN_OP_NEGATE] = "-",
        [MN_OP_NOT] = "NOT",
        [MN_OP_OR] = "OR",
        [MN_OP_AND] = "AND",
        [MN_OP_EQ] = "=",
        [MN_OP_NE] = "<>",
        [MN_OP_LT] = "<",
        [MN_OP_LE] = "<=",
        [MN_OP_GT] = ">",
        [MN_OP_GE] = ">=",
        [MN_OP_DISTINCT] = "IS DISTINCT FROM",
        [MN_OP_NOT_DISTINCT] = "IS NOT DISTINCT FROM",
        [MN_OP_ADD] = "+",
        [MN_OP_SUB] = "-",
        [MN_OP_MUL] = "*",
        [MN_OP_DIV] = "/",
        [MN_OP_REM] = "%",
        [MN_OP_CONCAT] = "||",
        [MN_OP_DISTANCE] = "<=>",
        [MN_OP_ARROW] = "->",
        [MN_OP_ARROW2] = "->>",
    };

    if (op == MN_OP_DISTANCE && metric == MN_METRIC_L2) return "<->";
    if (op == MN_OP_DISTANCE && metric == MN_METRIC_DOT) return "<#>";
    return texts[op];
}

/* ---- children ------------------------------------------------------------------------------ */

static enum mn_status one(struct mn_ast_expr *child, mn_ast_visit visit, void *context)
{
    return child ? visit(context, child) : MN_OK;
}

static enum mn_status two(struct mn_ast_expr *first, struct mn_ast_expr *second, mn_ast_visit visit,
                          void *context)
{
    enum mn_status status = one(first, visit, context);

    return status == MN_OK ? one(second, visit, context) : status;
}

static enum mn_status all(const struct mn_ast_exprs *list, mn_ast_visit visit, void *context)
{
    enum mn_status status = MN_OK;

    for (struct mn_ast_expr *x = list->first; x && status == MN_OK; x = x->next) {
        status = visit(context, x);
    }
    return status;
}

static enum mn_status call_children(const struct mn_ast_call *call, mn_ast_visit visit,
                                    void *context)
{
    enum mn_status status = all(&call->args, visit, context);

    for (struct mn_ast_sort *s = call->order.first; s && status == MN_OK; s = s->next) {
        status = visit(context, s->expr);
    }
    return status == MN_OK ? one(call->filter, visit, context) : status;
}

static enum mn_status case_children(const struct mn_ast_expr *expr, mn_ast_visit visit,
                                    void *context)
{
    enum mn_status status = one(expr->when.operand, visit, context);

    for (struct mn_ast_when *w = expr->when.first; w && status == MN_OK; w = w->next) {
        status = two(w->condition, w->value, visit, context);
    }
    return status == MN_OK ? one(expr->when.otherwise, visit, context) : status;
}

enum mn_status mn_ast_children(const struct mn_ast_expr *expr, mn_ast_visit visit, void *context)
{
    enum mn_status status;

    switch (expr->kind) {
    case MN_AST_LITERAL:
    case MN_AST_PARAM:
    case MN_AST_COLUMN:
    case MN_AST_EXISTS:
    case MN_AST_SUBQUERY:
    case MN_AST_DEFAULT: return MN_OK;
    case MN_AST_UNARY: return visit(context, expr->unary.arg);
    case MN_AST_BINARY: return two(expr->binary.left, expr->binary.right, visit, context);
    case MN_AST_IS: return visit(context, expr->is.arg);
    case MN_AST_LIKE:
        status = two(expr->like.arg, expr->like.pattern, visit, context);
        return status == MN_OK ? one(expr->like.escape, visit, context) : status;
    case MN_AST_BETWEEN:
        status = two(expr->between.arg, expr->between.low, visit, context);
        return status == MN_OK ? visit(context, expr->between.high) : status;
    case MN_AST_IN:
        status = two(expr->in.arg, expr->in.param, visit, context);
        return status == MN_OK ? all(&expr->in.list, visit, context) : status;
    case MN_AST_QUANTIFIED: return two(expr->quantified.arg, expr->quantified.list, visit, context);
    case MN_AST_CALL: return call_children(&expr->call, visit, context);
    case MN_AST_CASE: return case_children(expr, visit, context);
    case MN_AST_CAST: return visit(context, expr->cast.arg);
    case MN_AST_LIST: return all(&expr->list, visit, context);
    case MN_AST_ELEMENT: return two(expr->element.arg, expr->element.index, visit, context);
    }
    return MN_OK;
}

/* ---- sameness ------------------------------------------------------------------------------ */

static bool same_name(const struct mn_name *a, const struct mn_name *b)
{
    if (!a->text || !b->text) return !a->text && !b->text;
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static bool same_or_none(const struct mn_ast_expr *a, const struct mn_ast_expr *b)
{
    return a && b ? mn_ast_same(a, b) : !a && !b;
}

static bool same_list(const struct mn_ast_exprs *a, const struct mn_ast_exprs *b)
{
    const struct mn_ast_expr *x = a->first, *y = b->first;

    if (a->count != b->count) return false;
    for (; x; x = x->next, y = y->next) {
        if (!mn_ast_same(x, y)) return false;
    }
    return true;
}

static bool same_literal(const struct mn_value *a, const struct mn_value *b)
{
    return a->type == b->type && mn_value_order(a, b) == 0;
}

static bool same_call(const struct mn_ast_call *a, const struct mn_ast_call *b)
{
    const struct mn_ast_sort *x = a->order.first, *y = b->order.first;

    if (!same_name(&a->name, &b->name) || a->star != b->star || a->distinct != b->distinct ||
        a->order.count != b->order.count || !same_list(&a->args, &b->args)) {
        return false;
    }
    for (; x; x = x->next, y = y->next) {
        if (x->descending != y->descending || x->nulls != y->nulls ||
            !mn_ast_same(x->expr, y->expr)) {
            return false;
        }
    }
    return same_or_none(a->filter, b->filter);
}

static bool same_case(const struct mn_ast_expr *a, const struct mn_ast_expr *b)
{
    const struct mn_ast_when *x = a->when.first, *y = b->when.first;

    for (; x && y; x = x->next, y = y->next) {
        if (!mn_ast_same(x->condition, y->condition) || !mn_ast_same(x->value, y->value)) {
            return false;
        }
    }
    return !x && !y && same_or_none(a->when.operand, b->when.operand) &&
           same_or_none(a->when.otherwise, b->when.otherwise);
}

static bool same_cast(const struct mn_ast_expr *a, const struct mn_ast_expr *b)
{
    return a->cast.type.kind.type == b->cast.type.kind.type &&
           a->cast.type.kind.elem == b->cast.type.kind.elem &&
           a->cast.type.kind.dims == b->cast.type.kind.dims &&
           mn_ast_same(a->cast.arg, b->cast.arg);
}

static bool same_in(const struct mn_ast_expr *a, const struct mn_ast_expr *b)
{
    return a->in.negated == b->in.negated && a->in.query == b->in.query &&
           mn_ast_same(a->in.arg, b->in.arg) && same_or_none(a->in.param, b->in.param) &&
           same_list(&a->in.list, &b->in.list);
}

static bool same_like(const struct mn_ast_expr *a, const struct mn_ast_expr *b)
{
    return a->like.how == b->like.how && a->like.negated == b->like.negated &&
           mn_ast_same(a->like.arg, b->like.arg) && mn_ast_same(a->like.pattern, b->like.pattern) &&
           same_or_none(a->like.escape, b->like.escape);
}

static bool same_between(const struct mn_ast_expr *a, const struct mn_ast_expr *b)
{
    return a->between.negated == b->between.negated &&
           mn_ast_same(a->between.arg, b->between.arg) &&
           mn_ast_same(a->between.low, b->between.low) &&
           mn_ast_same(a->between.high, b->between.high);
}

bool mn_ast_same(const struct mn_ast_expr *a, const struct mn_ast_expr *b)
{
    if (a == b) return true;
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case MN_AST_LITERAL: return same_literal(&a->literal, &b->literal);
    case MN_AST_PARAM: return a->param == b->param;
    case MN_AST_COLUMN:
        return same_name(&a->column.table, &b->column.table) &&
               same_name(&a->column.name, &b->column.name);
    case MN_AST_UNARY: return a->unary.op == b->unary.op && mn_ast_same(a->unary.arg, b->unary.arg);
    case MN_AST_BINARY:
        return a->binary.op == b->binary.op && a->binary.metric == b->binary.metric &&
               mn_ast_same(a->binary.left, b->binary.left) &&
               mn_ast_same(a->binary.right, b->binary.right);
    case MN_AST_IS:
        return a->is.what == b->is.what && a->is.negated == b->is.negated &&
               mn_ast_same(a->is.arg, b->is.arg);
    case MN_AST_LIKE: return same_like(a, b);
    case MN_AST_BETWEEN: return same_between(a, b);
    case MN_AST_IN: return same_in(a, b);
    case MN_AST_QUANTIFIED:
        return a->quantified.all == b->quantified.all &&
               a->quantified.query == b->quantified.query &&
               mn_ast_same(a->quantified.arg, b->quantified.arg) &&
               same_or_none(a->quantified.list, b->quantified.list);
    case MN_AST_CALL: return same_call(&a->call, &b->call);
    case MN_AST_CASE: return same_case(a, b);
    case MN_AST_CAST: return same_cast(a, b);
    case MN_AST_EXISTS:
    case MN_AST_SUBQUERY: return a->query == b->query;
    case MN_AST_LIST: return same_list(&a->list, &b->list);
    case MN_AST_ELEMENT:
        return mn_ast_same(a->element.arg, b->element.arg) &&
               mn_ast_same(a->element.index, b->element.index);
    case MN_AST_DEFAULT: return true;
    }
    return false;
}
