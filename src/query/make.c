/*
 * make: nodes of the tree and expressions.
 *
 * Every node knows the depth of the tree below it, so that no statement is deeper than a walk over
 * it may recurse, however its parentheses and chains of operators are mixed.
 */
#include "query/make.h"

#include <string.h>

void mn_make_fail(struct mn_parser *p, enum mn_status status)
{
    if (p->status == MN_OK) p->status = status;
}

void mn_make_unexpected(struct mn_parser *p, struct mn_token token)
{
    if (p->status != MN_OK) return;
    p->status = MN_SYNTAX;
    p->unexpected = true;
    p->bad = token;
}

void mn_make_too_deep(struct mn_parser *p)
{
    if (p->status != MN_OK) return;
    p->status = mn_fail_at(MN_TOOBIG, p->last.span.offset, p->last.span.length,
                           "the statement is nested too deeply");
}

void *mn_make_node(struct mn_parser *p, const void *node, size_t size_bytes)
{
    void *copy = NULL;

    if (p->status == MN_OK) {
        copy = mn_arena_copy(p->arena, node, size_bytes);
        if (!copy) p->status = mn_fail_nomem();
    }
    if (copy) return copy;
    memset(&p->spare, 0, sizeof p->spare);
    return &p->spare;
}

static enum mn_status child_deepens(void *context, struct mn_ast_expr *child)
{
    uint16_t *depth = context;

    if (child->depth >= *depth) *depth = (uint16_t)(child->depth + 1);
    return MN_OK;
}

static void query_deepens(const struct mn_ast_query *query, uint16_t *depth)
{
    if (query && query->depth >= *depth) *depth = (uint16_t)(query->depth + 1);
}

struct mn_ast_expr *mn_make_expr(struct mn_parser *p, const struct mn_ast_expr *expr)
{
    struct mn_ast_expr *node = mn_make_node(p, expr, sizeof *expr);

    if (p->status != MN_OK) return node;
    mn_ast_children(node, child_deepens, &node->depth);
    switch (node->kind) {
    case MN_AST_IN: query_deepens(node->in.query, &node->depth); break;
    case MN_AST_QUANTIFIED: query_deepens(node->quantified.query, &node->depth); break;
    case MN_AST_EXISTS:
    case MN_AST_SUBQUERY: query_deepens(node->query, &node->depth); break;
    case MN_AST_LITERAL:
    case MN_AST_PARAM:
    case MN_AST_COLUMN:
    case MN_AST_UNARY:
    case MN_AST_BINARY:
    case MN_AST_IS:
    case MN_AST_LIKE:
    case MN_AST_BETWEEN:
    case MN_AST_CALL:
    case MN_AST_CASE:
    case MN_AST_CAST:
    case MN_AST_LIST:
    case MN_AST_ELEMENT:
    case MN_AST_DEFAULT: break;
    }
    if (node->depth > MN_AST_DEPTH_MAX) mn_make_too_deep(p);
    return node;
}

struct mn_ast_expr *mn_make_column(struct mn_parser *p, struct mn_token token)
{
    return EXPR(token.span, .kind = MN_AST_COLUMN, .column = {.name = mn_make_name(p, token)});
}

/* A minus before a number belongs to it: -9223372036854775808 is an INT. */
static bool literal_negate(struct mn_parser *p, struct mn_ast_expr *literal)
{
    struct mn_value *value = &literal->literal;

    if (literal->kind != MN_AST_LITERAL) return false;
    if (literal == p->huge) {
        p->huge = NULL;
        return true;
    }
    if (value->type == MN_TYPE_INT || value->type == MN_TYPE_DURATION) {
        value->i = -value->i;
        return true;
    }
    if (value->type != MN_TYPE_FLOAT) return false;
    value->f = -value->f;
    return true;
}

struct mn_ast_expr *mn_make_unary(struct mn_parser *p, enum mn_ast_op op, struct mn_token sign,
                                  struct mn_ast_expr *arg)
{
    struct mn_span span = mn_span_join(sign.span, arg->span);

    if (p->status == MN_OK && op == MN_OP_NEGATE && literal_negate(p, arg)) {
        arg->span = span;
        return arg;
    }
    return EXPR(span, .kind = MN_AST_UNARY, .unary = {.op = op, .arg = arg});
}

struct mn_ast_expr *mn_make_binary(struct mn_parser *p, enum mn_ast_op op, struct mn_ast_expr *left,
                                   struct mn_token sign, struct mn_ast_expr *right)
{
    enum mn_metric metric = MN_METRIC_COSINE;

    if (op == MN_OP_DISTANCE && p->status == MN_OK) {
        char middle = p->text[sign.span.offset + 1];

        if (middle == '-') metric = MN_METRIC_L2;
        if (middle == '#') metric = MN_METRIC_DOT;
        if (middle == '+') {
            p->status = mn_fail_at(MN_UNSUPPORTED, sign.span.offset, sign.span.length,
                                   "no operator <+>: the taxicab distance is not known");
            mn_hint("<-> is L2, <=> cosine, <#> the negative inner product");
        }
    }
    return EXPR(
        mn_span_join(left->span, right->span), .kind = MN_AST_BINARY,
        .binary = {.op = op, .metric = metric, .op_span = sign.span, .left = left, .right = right});
}

struct mn_ast_expr *mn_make_like(struct mn_parser *p, struct mn_ast_expr *op,
                                 struct mn_ast_expr *arg, struct mn_ast_expr *pattern,
                                 struct mn_ast_expr *escape)
{
    struct mn_ast_expr like = *op;

    like.depth = 1;
    like.span = mn_span_join(arg->span, escape ? escape->span : pattern->span);
    like.like.arg = arg;
    like.like.pattern = pattern;
    like.like.escape = escape;
    return mn_make_expr(p, &like);
}

struct mn_ast_expr *mn_make_call(struct mn_parser *p, struct mn_token name, struct mn_token close,
                                 const struct mn_ast_call *call)
{
    struct mn_ast_expr expr = {.kind = MN_AST_CALL,
                               .depth = 1,
                               .span = mn_span_join(name.span, close.span),
                               .call = *call};

    if (call->filter) expr.span = mn_span_join(name.span, p->last.span);
    expr.call.name = mn_make_name(p, name);
    return mn_make_expr(p, &expr);
}

/* The list grows at its head and is turned round at the end. */
struct mn_ast_expr *mn_make_when(struct mn_parser *p, struct mn_ast_expr *list,
                                 struct mn_ast_expr *condition, struct mn_ast_expr *value)
{
    if (!list) list = NEW(struct mn_ast_expr, .kind = MN_AST_CASE);
    list->when.first =
        NEW(struct mn_ast_when, .next = list->when.first, .condition = condition, .value = value);
    return list;
}

struct mn_ast_when *mn_make_whens(struct mn_ast_expr *list)
{
    struct mn_ast_when *turned = NULL, *next;

    for (struct mn_ast_when *when = list->when.first; when; when = next) {
        next = when->next;
        when->next = turned;
        turned = when;
        if (next == when) break; /* the spare node */
    }
    return turned;
}

struct mn_ast_sort *mn_make_sort(struct mn_parser *p, struct mn_ast_expr *expr, bool descending,
                                 enum mn_ast_nulls nulls)
{
    return NEW(struct mn_ast_sort, .expr = expr, .descending = descending, .nulls = nulls,
               .span = mn_span_join(expr->span, p->last.span));
}
