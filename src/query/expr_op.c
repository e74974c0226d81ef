/*
 * expr_op: the operators: logic, comparison, arithmetic, ||, -> and vector distance.
 *
 * Types are checked when the statement is prepared, as far as they are known then; a parameter that
 * no context types is what was bound, so arithmetic and -> look at the values once more.
 */
#include "catalog/json.h"
#include "catalog/list.h"
#include "index/vector/distance.h"
#include "query/expr_inside.h"

const char *mn_op_text(enum mn_ast_op op)
{
    return mn_ast_op_text(op, MN_METRIC_L2);
}

static enum mn_status place(const struct mn_expr *expr, enum mn_status status)
{
    return status == MN_OK ? status : mn_place(expr->span.offset, expr->span.length);
}

static enum mn_status two_eval(const struct mn_expr *expr, struct mn_eval *eval, struct mn_value *a,
                               struct mn_value *b)
{
    enum mn_status status = mn_expr_eval(expr->args[0], eval, a);

    return status == MN_OK ? mn_expr_eval(expr->args[1], eval, b) : status;
}

/* -- logic ------------------------------------------------------------------------------------- */

/* AND: false decides; OR: true decides; else NULL where either is. */
static enum mn_status logic_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                 struct mn_value *out)
{
    bool decides = expr->op == MN_OP_OR, unknown = false;

    for (uint32_t i = 0; i < 2; i++) {
        struct mn_value value;
        enum mn_status status = mn_expr_eval(expr->args[i], eval, &value);

        if (status != MN_OK) return status;
        if (mn_is_null(&value)) {
            unknown = true;
        } else if (value.b == decides) {
            *out = mn_bool(decides);
            return MN_OK;
        }
    }
    *out = unknown ? mn_null() : mn_bool(!decides);
    return MN_OK;
}

static enum mn_status not_eval(const struct mn_expr *expr, struct mn_eval *eval,
                               struct mn_value *out)
{
    enum mn_status status = mn_expr_eval(expr->args[0], eval, out);

    if (status == MN_OK && !mn_is_null(out)) *out = mn_bool(!out->b);
    return status;
}

static enum mn_status negate_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                  struct mn_value *out)
{
    enum mn_status status = mn_expr_eval(expr->args[0], eval, out);

    if (status != MN_OK || mn_is_null(out)) return status;
    if (out->type == MN_TYPE_FLOAT) {
        out->f = -out->f;
        return MN_OK;
    }
    if (out->type != MN_TYPE_INT && out->type != MN_TYPE_DURATION) {
        return place(expr, mn_fail(MN_TYPE, "-%s has no meaning", mn_type_name(out->type)));
    }
    if (out->i == INT64_MIN) return place(expr, mn_fail(MN_RANGE, "the number overflows"));
    out->i = -out->i;
    return MN_OK;
}

/* -- comparison -------------------------------------------------------------------------------- */

static bool order_holds(enum mn_ast_op op, int order)
{
    if (op == MN_OP_EQ) return order == 0;
    if (op == MN_OP_NE) return order != 0;
    if (op == MN_OP_LT) return order < 0;
    if (op == MN_OP_LE) return order <= 0;
    if (op == MN_OP_GT) return order > 0;
    return order >= 0;
}

static enum mn_status compare_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                   struct mn_value *out)
{
    struct mn_value a, b;
    int order;
    enum mn_status status = two_eval(expr, eval, &a, &b);

    if (status != MN_OK) return status;
    if (a.type == b.type && (a.type == MN_TYPE_INT || a.type == MN_TYPE_TIMESTAMP)) {
        *out = mn_bool(order_holds((enum mn_ast_op)expr->op, (a.i > b.i) - (a.i < b.i)));
        return MN_OK;
    }
    *out = mn_null();
    if (mn_is_null(&a) || mn_is_null(&b)) return MN_OK;
    status = mn_value_compare(&a, &b, &order);
    if (status != MN_OK) return place(expr, status);
    if (order != MN_ORDER_UNKNOWN) *out = mn_bool(order_holds((enum mn_ast_op)expr->op, order));
    return MN_OK;
}

static enum mn_status distinct_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                    struct mn_value *out)
{
    struct mn_value a, b;
    bool same = false;
    enum mn_status status = two_eval(expr, eval, &a, &b);

    if (status == MN_OK) status = mn_value_same(&a, &b, &same);
    *out = mn_bool(same == (expr->op == MN_OP_NOT_DISTINCT));
    return place(expr, status);
}

enum mn_status mn_expr_compare(const struct mn_scope *scope, enum mn_ast_op op, struct mn_span span,
                               struct mn_expr *sides[2], struct mn_expr **out)
{
    struct mn_expr *node = mn_expr_node(scope->arena, compare_eval, span, 2);
    bool ordered = op != MN_OP_EQ && op != MN_OP_NE;
    uint8_t type;
    enum mn_status status;

    if (!node) return mn_fail_nomem();
    node->form = MN_EXPR_OP;
    node->op = (uint8_t)op;
    node->kind.type = MN_TYPE_BOOL;
    node->args[0] = sides[0];
    node->args[1] = sides[1];
    status = mn_expr_comparable(scope, &node->args[0], &node->args[1]);
    if (status != MN_OK) return status;
    type = node->args[0]->kind.type;
    if (ordered && (type == MN_TYPE_JSON || type == MN_TYPE_VECTOR)) {
        return mn_fail_at(MN_TYPE, span.offset, span.length, "%s has no order, only = and <>",
                          mn_type_name(type));
    }
    node->not_null = node->args[0]->not_null && node->args[1]->not_null;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

/* -- arithmetic, ||, -> , distance ------------------------------------------------------------- */

static enum mn_status arith_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                 struct mn_value *out)
{
    struct mn_value a, b;
    enum mn_status status = two_eval(expr, eval, &a, &b);

    if (status != MN_OK) return status;
    *out = mn_null();
    if (mn_is_null(&a) || mn_is_null(&b)) return MN_OK;
    return place(expr, mn_arith((enum mn_ast_op)expr->op, &a, &b, out));
}

static enum mn_status concat_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                  struct mn_value *out)
{
    struct mn_value a, b;
    struct mn_buf buf = {0};
    char *text;
    enum mn_status status = two_eval(expr, eval, &a, &b);

    if (status != MN_OK) return status;
    *out = mn_null();
    if (mn_is_null(&a) || mn_is_null(&b)) return MN_OK;
    if (a.type == MN_TYPE_LIST && b.type == MN_TYPE_LIST) {
        return place(expr, mn_list_concat(eval->scratch, &a, &b, out));
    }
    status = mn_value_format(&a, &buf);
    if (status == MN_OK) status = mn_value_format(&b, &buf);
    if (status == MN_OK) {
        text = mn_arena_text(eval->scratch, (const char *)buf.data, buf.len);
        if (!text) status = mn_fail_nomem();
        if (status == MN_OK) *out = mn_text(text, buf.len);
    }
    mn_buf_release(&buf);
    return place(expr, status);
}

static enum mn_status arrow_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                 struct mn_value *out)
{
    struct mn_value json, step;
    enum mn_status status = two_eval(expr, eval, &json, &step);

    if (status != MN_OK) return status;
    *out = mn_null();
    if (mn_is_null(&json) || mn_is_null(&step)) return MN_OK;
    if (json.type != MN_TYPE_JSON || (step.type != MN_TYPE_TEXT && step.type != MN_TYPE_INT)) {
        return place(expr, mn_fail(MN_TYPE, "%s takes JSON and a key or an index",
                                   mn_op_text((enum mn_ast_op)expr->op)));
    }
    if (step.type == MN_TYPE_TEXT) {
        status = mn_json_get_key(&json, step.p, step.size, out);
    } else {
        status = mn_json_get_index(&json, step.i, out);
    }
    if (status == MN_OK && expr->op == MN_OP_ARROW2 && !mn_is_null(out)) {
        json = *out;
        status = mn_json_text(&json, eval->scratch, out);
    }
    return place(expr, status);
}

static enum mn_status distance_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                    struct mn_value *out)
{
    struct mn_value sides[2];
    enum mn_status status = two_eval(expr, eval, &sides[0], &sides[1]);

    if (status != MN_OK) return status;
    *out = mn_null();
    if (mn_is_null(&sides[0]) || mn_is_null(&sides[1])) return MN_OK;
    if (sides[0].type != MN_TYPE_VECTOR || sides[1].type != MN_TYPE_VECTOR ||
        sides[0].size != sides[1].size) {
        return place(expr, mn_fail(MN_TYPE, "a distance takes two vectors of equal dimensions"));
    }
    for (int i = 0; expr->metric == MN_METRIC_COSINE && i < 2; i++) {
        /* A stored zero vector is at distance 1 from all; a zero query has no direction to ask for.
         */
        if (expr->args[i]->fixed && mn_vector_norm2(sides[i].p, sides[i].size) == 0) {
            return place(expr, mn_fail(MN_RANGE, "a query vector of zeros has no cosine distance"));
        }
    }
    *out =
        mn_float(mn_distance((enum mn_metric)expr->metric, sides[0].p, sides[1].p, sides[0].size));
    return MN_OK;
}

/* -- building ---------------------------------------------------------------------------------- */

static enum mn_status no_meaning(const struct mn_ast_expr *ast, const struct mn_expr *left,
                                 const struct mn_expr *right)
{
    char a[32], b[32];
    struct mn_span span = ast->binary.op_span.length ? ast->binary.op_span : ast->span;

    return mn_fail_at(MN_TYPE, span.offset, span.length, "%s %s %s has no meaning",
                      mn_kind_name(&left->kind, a), mn_op_text(ast->binary.op),
                      mn_kind_name(&right->kind, b));
}

static bool is_moment(const struct mn_expr *expr)
{
    return expr->kind.type == MN_TYPE_TIMESTAMP || expr->kind.type == MN_TYPE_DURATION;
}

/* A literal or parameter added to a time is a duration; beside a number it is of that type. What a
 * duration is multiplied by is known when it is bound. */
static enum mn_status side_type(const struct mn_scope *scope, enum mn_ast_op op,
                                struct mn_expr **side, const struct mn_expr *other)
{
    struct mn_kind duration = {.type = MN_TYPE_DURATION};

    if (!mn_expr_untyped(*side) && !(*side)->literal) return MN_OK;
    if (is_moment(other) && op != MN_OP_ADD && op != MN_OP_SUB) return MN_OK;
    if (is_moment(other)) return mn_expr_assign(scope, &duration, "what is added to a time", side);
    if (mn_expr_untyped(*side) && mn_expr_is_number(other)) {
        return mn_expr_assign(scope, &other->kind, "the other side", side);
    }
    return MN_OK;
}

static enum mn_status arith_type(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr *node)
{
    struct mn_kind at = {.type = MN_TYPE_TIMESTAMP};
    struct mn_expr **left = &node->args[0], **right = &node->args[1];
    bool times = ast->binary.op == MN_OP_SUB && (*right)->kind.type == MN_TYPE_TIMESTAMP;
    enum mn_status status;

    if (times && ((*left)->literal || mn_expr_untyped(*left))) {
        status = mn_expr_assign(scope, &at, "what a time is taken from", left);
    } else {
        status = side_type(scope, ast->binary.op, left, *right);
    }
    if (status == MN_OK) status = side_type(scope, ast->binary.op, right, *left);
    if (status != MN_OK) return status;
    if ((*left)->kind.type == MN_TYPE_NULL || (*right)->kind.type == MN_TYPE_NULL) return MN_OK;
    if (mn_arith_kind(ast->binary.op, (*left)->kind.type, (*right)->kind.type, &node->kind.type)) {
        return MN_OK;
    }
    return no_meaning(ast, *left, *right);
}

static enum mn_status concat_type(const struct mn_ast_expr *ast, struct mn_expr *node)
{
    const struct mn_expr *left = node->args[0], *right = node->args[1];
    uint8_t a = left->kind.type, b = right->kind.type;

    if (a == MN_TYPE_LIST && b == MN_TYPE_LIST) {
        node->kind = left->kind.elem != MN_TYPE_NULL ? left->kind : right->kind;
        if (left->kind.elem != right->kind.elem && left->kind.elem && right->kind.elem) {
            return no_meaning(ast, left, right);
        }
        return MN_OK;
    }
    node->kind.type = MN_TYPE_TEXT;
    if (a == MN_TYPE_LIST || b == MN_TYPE_LIST || a == MN_TYPE_VECTOR || b == MN_TYPE_VECTOR) {
        return no_meaning(ast, left, right);
    }
    if (a != MN_TYPE_TEXT && b != MN_TYPE_TEXT && a != MN_TYPE_NULL && b != MN_TYPE_NULL) {
        no_meaning(ast, left, right);
        return mn_hint("one side of || must be TEXT: x::TEXT || y");
    }
    return MN_OK;
}

static enum mn_status arrow_type(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr *node)
{
    struct mn_kind json = {.type = MN_TYPE_JSON};
    uint8_t step = node->args[1]->kind.type;
    enum mn_status status = mn_expr_assign(scope, &json, "what stands before ->", &node->args[0]);

    if (status != MN_OK) return status;
    node->kind.type = ast->binary.op == MN_OP_ARROW ? MN_TYPE_JSON : MN_TYPE_TEXT;
    if (step == MN_TYPE_TEXT || step == MN_TYPE_INT || step == MN_TYPE_NULL) return MN_OK;
    return no_meaning(ast, node->args[0], node->args[1]);
}

static enum mn_status distance_type(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                    struct mn_expr *node)
{
    struct mn_kind vector = {.type = MN_TYPE_VECTOR};
    enum mn_status status = MN_OK;

    node->metric = (uint8_t)ast->binary.metric;
    node->kind.type = MN_TYPE_FLOAT;
    for (int i = 0; i < 2; i++) {
        if (node->args[i]->kind.type == MN_TYPE_VECTOR) vector = node->args[i]->kind;
    }
    for (int i = 0; status == MN_OK && i < 2; i++) {
        status = mn_expr_assign(scope, &vector, "the vector beside it", &node->args[i]);
    }
    return status;
}

static enum mn_status logic_type(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr *node)
{
    struct mn_kind boolean = {.type = MN_TYPE_BOOL};
    enum mn_status status = MN_OK;

    node->kind = boolean;
    for (uint32_t i = 0; status == MN_OK && i < node->arg_count; i++) {
        status =
            mn_expr_assign(scope, &boolean, mn_op_text((enum mn_ast_op)node->op), &node->args[i]);
    }
    (void)ast;
    return status;
}

static mn_expr_fn eval_of(enum mn_ast_op op)
{
    if (op == MN_OP_AND || op == MN_OP_OR) return logic_eval;
    if (op == MN_OP_DISTINCT || op == MN_OP_NOT_DISTINCT) return distinct_eval;
    if (op == MN_OP_CONCAT) return concat_eval;
    if (op == MN_OP_DISTANCE) return distance_eval;
    if (op == MN_OP_ARROW || op == MN_OP_ARROW2) return arrow_eval;
    return arith_eval;
}

enum mn_status mn_expr_binary(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                              struct mn_expr *left, struct mn_expr *right, struct mn_expr **out)
{
    enum mn_ast_op op = ast->binary.op;
    struct mn_expr *sides[2] = {left, right}, *node;
    enum mn_status status;

    if (op >= MN_OP_EQ && op <= MN_OP_GE) {
        return mn_expr_compare(scope, op, ast->span, sides, out);
    }
    node = mn_expr_node(scope->arena, eval_of(op), ast->span, 2);
    if (!node) return mn_fail_nomem();
    node->form = MN_EXPR_OP;
    node->op = (uint8_t)op;
    node->args[0] = left;
    node->args[1] = right;
    node->not_null = left->not_null && right->not_null && op != MN_OP_ARROW && op != MN_OP_ARROW2;
    if (op == MN_OP_AND || op == MN_OP_OR) {
        status = logic_type(scope, ast, node);
    } else if (op == MN_OP_DISTINCT || op == MN_OP_NOT_DISTINCT) {
        node->kind.type = MN_TYPE_BOOL;
        node->not_null = true;
        status = mn_expr_comparable(scope, &node->args[0], &node->args[1]);
    } else if (op == MN_OP_CONCAT) {
        status = concat_type(ast, node);
    } else if (op == MN_OP_DISTANCE) {
        status = distance_type(scope, ast, node);
    } else if (op == MN_OP_ARROW || op == MN_OP_ARROW2) {
        status = arrow_type(scope, ast, node);
    } else {
        status = arith_type(scope, ast, node);
    }
    if (status != MN_OK) return status;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

enum mn_status mn_expr_unary(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                             struct mn_expr *arg, struct mn_expr **out)
{
    bool not = ast->unary.op == MN_OP_NOT;
    struct mn_expr *node = mn_expr_node(scope->arena, not ? not_eval : negate_eval, ast->span, 1);
    char kind[32];
    enum mn_status status = MN_OK;

    if (!node) return mn_fail_nomem();
    node->form = MN_EXPR_OP;
    node->op = (uint8_t)ast->unary.op;
    node->args[0] = arg;
    node->not_null = arg->not_null;
    if (not ) {
        status = logic_type(scope, ast, node);
    } else if (!mn_expr_is_number(arg) && arg->kind.type != MN_TYPE_DURATION &&
               arg->kind.type != MN_TYPE_NULL) {
        status = mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length, "-%s has no meaning",
                            mn_kind_name(&arg->kind, kind));
    } else {
        node->kind = arg->kind;
    }
    if (status != MN_OK) return status;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

struct mn_expr *mn_expr_and(struct mn_arena *arena, struct mn_expr *a, struct mn_expr *b)
{
    struct mn_expr *node;

    if (!a) return b;
    node = mn_expr_node(arena, logic_eval, a->span, 2);
    if (!node) return NULL;
    node->form = MN_EXPR_OP;
    node->op = MN_OP_AND;
    node->kind.type = MN_TYPE_BOOL;
    node->args[0] = a;
    node->args[1] = b;
    node->fixed = a->fixed && b->fixed;
    node->unsteady = a->unsteady || b->unsteady;
    node->not_null = a->not_null && b->not_null;
    return node;
}
