/*
 * expr: building expressions, and making them the type that their place needs.
 */
#include "query/expr_inside.h"

#include <strings.h>

#include "query/agg.h"
#include "query/func.h"

struct mn_expr *mn_expr_node(struct mn_arena *arena, mn_expr_fn eval, struct mn_span span,
                             uint32_t arg_count)
{
    struct mn_expr *node = mn_arena_zalloc(arena, sizeof *node);

    if (!node) return NULL;
    node->eval = eval;
    node->form = MN_EXPR_OTHER;
    node->span = span;
    node->fixed = true;
    node->arg_count = arg_count;
    node->args = mn_arena_zalloc(arena, (arg_count + 1) * sizeof *node->args);
    return node->args ? node : NULL;
}

/* -- leaves ------------------------------------------------------------------------------------ */

static enum mn_status constant_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                    struct mn_value *out)
{
    (void)eval;
    *out = expr->value;
    return MN_OK;
}

struct mn_expr *mn_expr_constant(struct mn_arena *arena, const struct mn_value *value,
                                 struct mn_span span)
{
    struct mn_expr *node = mn_expr_node(arena, constant_eval, span, 0);

    if (!node) return NULL;
    node->form = MN_EXPR_CONSTANT;
    node->value = *value;
    node->kind = mn_value_kind(value);
    node->not_null = !mn_is_null(value);
    return node;
}

static enum mn_status slot_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                struct mn_value *out)
{
    *out = eval->slots[expr->slot];
    return MN_OK;
}

struct mn_expr *mn_expr_slot(struct mn_arena *arena, uint32_t slot, const struct mn_kind *kind,
                             struct mn_span span)
{
    struct mn_expr *node = mn_expr_node(arena, slot_eval, span, 0);

    if (!node) return NULL;
    node->form = MN_EXPR_SLOT;
    node->slot = slot;
    node->kind = *kind;
    node->fixed = false;
    return node;
}

static enum mn_status param_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                 struct mn_value *out)
{
    *out = eval->params[expr->slot - 1];
    return MN_OK;
}

static enum mn_status param_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                  struct mn_expr **out)
{
    struct mn_expr *node;

    if (ast->param == 0 || ast->param > scope->param_count) {
        return mn_fail_at(MN_ERROR, ast->span.offset, ast->span.length,
                          "a parameter cannot stand here");
    }
    node = mn_expr_node(scope->arena, param_eval, ast->span, 0);
    if (!node) return mn_fail_nomem();
    node->form = MN_EXPR_PARAM;
    node->slot = ast->param;
    node->kind = scope->param_kinds[ast->param - 1];
    *out = node;
    return MN_OK;
}

enum mn_status mn_expr_finish(struct mn_arena *arena, struct mn_expr **expr)
{
    struct mn_expr *node = *expr;
    struct mn_eval eval = {.scratch = arena};
    struct mn_value value;
    bool constant = node->arg_count > 0;
    enum mn_status status;

    for (uint32_t i = 0; i < node->arg_count; i++) {
        node->fixed = node->fixed && node->args[i]->fixed;
        node->unsteady = node->unsteady || node->args[i]->unsteady;
        constant = constant && node->args[i]->form == MN_EXPR_CONSTANT;
    }
    if (!constant || node->unsteady || !node->fixed) return MN_OK;
    status = node->eval(node, &eval, &value);
    if (status != MN_OK) return mn_place(node->span.offset, node->span.length);
    *expr = mn_expr_constant(arena, &value, node->span);
    if (!*expr) return mn_fail_nomem();
    /* A NULL of a known type stays of that type. */
    if (mn_is_null(&value)) (*expr)->kind = node->kind;
    (*expr)->literal = node->literal;
    return MN_OK;
}

/* -- what a place needs ------------------------------------------------------------------------ */

static enum mn_status param_type(const struct mn_scope *scope, const struct mn_kind *kind,
                                 struct mn_expr *param)
{
    struct mn_kind *known = &scope->param_kinds[param->slot - 1];
    char one[32], other[32];

    if (known->type != MN_TYPE_NULL &&
        (known->type != kind->type || (known->type == MN_TYPE_LIST && known->elem != kind->elem))) {
        return mn_fail_at(MN_TYPE, param->span.offset, param->span.length,
                          "this parameter is used as %s and as %s", mn_kind_name(known, one),
                          mn_kind_name(kind, other));
    }
    *known = *kind;
    param->kind = *kind;
    return MN_OK;
}

static enum mn_status convert_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                   struct mn_value *out)
{
    struct mn_value from;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &from);

    if (status != MN_OK) return status;
    status = mn_value_assign(&from, &expr->kind, expr->args[0]->literal, eval->scratch, out);
    return status == MN_OK ? status : mn_place(expr->span.offset, expr->span.length);
}

static enum mn_status convert(const struct mn_scope *scope, const struct mn_kind *kind,
                              struct mn_expr **expr)
{
    struct mn_expr *node = mn_expr_node(scope->arena, convert_eval, (*expr)->span, 1);

    if (!node) return mn_fail_nomem();
    node->kind = *kind;
    node->args[0] = *expr;
    node->not_null = (*expr)->not_null;
    *expr = node;
    return mn_expr_finish(scope->arena, expr);
}

static bool kind_fits(const struct mn_kind *have, const struct mn_kind *want)
{
    if (have->type != want->type) return false;
    if (want->type == MN_TYPE_VECTOR) return want->dims == 0 || have->dims == want->dims;
    if (want->type == MN_TYPE_LIST) return have->elem == want->elem || want->elem == MN_TYPE_NULL;
    return true;
}

enum mn_status mn_expr_assign(const struct mn_scope *scope, const struct mn_kind *kind,
                              const char *what, struct mn_expr **expr)
{
    struct mn_expr *e = *expr;
    char have[32], want[32];

    if (mn_expr_untyped(e)) return param_type(scope, kind, e);
    if (kind->type == MN_TYPE_NULL || kind_fits(&e->kind, kind)) return MN_OK;
    if (e->kind.type == MN_TYPE_NULL) {
        /* NULL itself goes anywhere; what is known only when it runs is looked at then. */
        return e->form == MN_EXPR_CONSTANT ? MN_OK : convert(scope, kind, expr);
    }
    /* Dimensions that are not known before it runs are compared then. */
    if (e->kind.type == MN_TYPE_VECTOR && kind->type == MN_TYPE_VECTOR && e->kind.dims == 0) {
        return convert(scope, kind, expr);
    }
    if (mn_assign_exists(&e->kind, kind, e->literal)) return convert(scope, kind, expr);
    mn_fail_at(MN_TYPE, e->span.offset, e->span.length, "%s is %s, this is %s", what,
               mn_kind_name(kind, want), mn_kind_name(&e->kind, have));
    if (mn_cast_exists(&e->kind, kind)) return mn_hint("convert it: (...)::%s", want);
    return MN_TYPE;
}

static enum mn_status unify(const struct mn_scope *scope, struct mn_expr **a, struct mn_expr **b,
                            bool numbers_too)
{
    struct mn_expr *x = *a, *y = *b;
    char one[32], other[32];

    if (mn_expr_untyped(x) && mn_expr_untyped(y)) return MN_OK;
    if (mn_expr_untyped(x)) {
        return y->kind.type == MN_TYPE_NULL ? MN_OK : mn_expr_assign(scope, &y->kind, "", a);
    }
    if (mn_expr_untyped(y)) {
        return x->kind.type == MN_TYPE_NULL ? MN_OK : mn_expr_assign(scope, &x->kind, "", b);
    }
    if (x->kind.type == MN_TYPE_NULL || y->kind.type == MN_TYPE_NULL) return MN_OK;
    if (mn_expr_is_number(x) && mn_expr_is_number(y) && !numbers_too) return MN_OK;
    if (kind_fits(&x->kind, &y->kind) || kind_fits(&y->kind, &x->kind)) return MN_OK;
    if (mn_assign_exists(&x->kind, &y->kind, x->literal)) {
        return mn_expr_assign(scope, &y->kind, "the other side", a);
    }
    if (mn_assign_exists(&y->kind, &x->kind, y->literal)) {
        return mn_expr_assign(scope, &x->kind, "the other side", b);
    }
    mn_fail_at(MN_TYPE, y->span.offset, y->span.length, "%s does not go with %s",
               mn_kind_name(&y->kind, one), mn_kind_name(&x->kind, other));
    if (mn_cast_exists(&y->kind, &x->kind)) return mn_hint("convert one of them: (...)::%s", other);
    return MN_TYPE;
}

enum mn_status mn_expr_unify(const struct mn_scope *scope, struct mn_expr **a, struct mn_expr **b)
{
    return unify(scope, a, b, true);
}

enum mn_status mn_expr_comparable(const struct mn_scope *scope, struct mn_expr **a,
                                  struct mn_expr **b)
{
    return unify(scope, a, b, false);
}

/* -- building ---------------------------------------------------------------------------------- */

static enum mn_status literal_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                    struct mn_expr **out)
{
    *out = mn_expr_constant(scope->arena, &ast->literal, ast->span);
    if (!*out) return mn_fail_nomem();
    (*out)->literal = ast->literal.type == MN_TYPE_TEXT;
    return MN_OK;
}

static enum mn_status call_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    const struct mn_ast_call *call = &ast->call;
    struct mn_expr **args;
    uint32_t n = 0;

    if (mn_agg_exists(call->name.text, call->name.length)) {
        return mn_fail_at(MN_ERROR, ast->span.offset, ast->span.length,
                          "%.*s() cannot stand here: it needs the rows of a group",
                          (int)call->name.length, call->name.text);
    }
    args = mn_arena_zalloc(scope->arena, (call->args.count + 1) * sizeof *args);
    if (!args) return mn_fail_nomem();
    for (const struct mn_ast_expr *arg = call->args.first; arg; arg = arg->next) {
        enum mn_status status = mn_expr_build(scope, arg, &args[n++]);

        if (status != MN_OK) return status;
    }
    return mn_func_build(scope, ast, args, out);
}

static enum mn_status name_unknown(const struct mn_ast_expr *ast)
{
    static const char clock[] = "current_timestamp";
    const struct mn_name *name = &ast->column.name;

    if (name->length == sizeof clock - 1 && strncasecmp(name->text, clock, name->length) == 0) {
        return MN_OK;
    }
    return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                      "no column can be used here: \"%.*s\"", (int)name->length, name->text);
}

static enum mn_status now_eval(const struct mn_expr *expr, struct mn_eval *eval,
                               struct mn_value *out)
{
    (void)expr;
    *out = mn_timestamp(eval->now_us);
    return MN_OK;
}

static enum mn_status now_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                struct mn_expr **out)
{
    enum mn_status status = name_unknown(ast);

    if (status != MN_OK) return status;
    *out = mn_expr_node(scope->arena, now_eval, ast->span, 0);
    if (!*out) return mn_fail_nomem();
    (*out)->kind.type = MN_TYPE_TIMESTAMP;
    (*out)->not_null = true;
    return MN_OK;
}

static enum mn_status operator_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                     struct mn_expr **out)
{
    struct mn_expr *left, *right;
    enum mn_status status;

    if (ast->kind == MN_AST_UNARY) {
        status = mn_expr_build(scope, ast->unary.arg, &left);
        return status == MN_OK ? mn_expr_unary(scope, ast, left, out) : status;
    }
    status = mn_expr_build(scope, ast->binary.left, &left);
    if (status == MN_OK) status = mn_expr_build(scope, ast->binary.right, &right);
    return status == MN_OK ? mn_expr_binary(scope, ast, left, right, out) : status;
}

enum mn_status mn_expr_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                             struct mn_expr **out)
{
    enum mn_status status = MN_OK;

    *out = NULL;
    if (scope->hook) status = scope->hook(scope->context, scope, ast, out);
    if (status != MN_OK || *out) return status;
    if (ast->kind == MN_AST_LITERAL) return literal_build(scope, ast, out);
    if (ast->kind == MN_AST_PARAM) return param_build(scope, ast, out);
    if (ast->kind == MN_AST_COLUMN) return now_build(scope, ast, out);
    if (ast->kind == MN_AST_CALL) return call_build(scope, ast, out);
    if (ast->kind == MN_AST_UNARY || ast->kind == MN_AST_BINARY) {
        return operator_build(scope, ast, out);
    }
    status = mn_expr_form(scope, ast, out);
    if (status != MN_OK || *out) return status;
    return mn_fail_at(MN_ERROR, ast->span.offset, ast->span.length, "%s",
                      ast->kind == MN_AST_DEFAULT
                          ? "DEFAULT stands alone, as a value of INSERT or SET"
                          : "a query cannot stand here");
}

enum mn_status mn_expr_condition(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 const char *clause, struct mn_expr **out)
{
    struct mn_kind boolean = {.type = MN_TYPE_BOOL};
    char kind[32];
    enum mn_status status = mn_expr_build(scope, ast, out);

    if (status != MN_OK) return status;
    if ((*out)->kind.type == MN_TYPE_BOOL || (*out)->kind.type == MN_TYPE_NULL) {
        return mn_expr_assign(scope, &boolean, clause, out);
    }
    return mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length,
                      "%s takes a condition, this is %s", clause,
                      mn_kind_name(&(*out)->kind, kind));
}

/* -- using ------------------------------------------------------------------------------------- */

enum mn_status mn_expr_test(const struct mn_expr *expr, struct mn_eval *eval, bool *yes)
{
    struct mn_value value;
    enum mn_status status = mn_expr_eval(expr, eval, &value);

    *yes = status == MN_OK && value.type == MN_TYPE_BOOL && value.b;
    return status;
}

void mn_expr_walk(const struct mn_expr *expr, mn_expr_visit visit, void *context)
{
    visit(context, expr);
    for (uint32_t i = 0; i < expr->arg_count; i++) mn_expr_walk(expr->args[i], visit, context);
}
