/*
 * expr_form: IS, LIKE, BETWEEN, IN, ANY, CASE, casts, lists and elements.
 */
#include "catalog/json.h"
#include "catalog/list.h"
#include "catalog/text.h"
#include "query/expr_inside.h"

static enum mn_status place(const struct mn_expr *expr, enum mn_status status)
{
    return status == MN_OK ? status : mn_place(expr->span.offset, expr->span.length);
}

/* -- IS ---------------------------------------------------------------------------------------- */

static enum mn_status is_null_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                   struct mn_value *out)
{
    struct mn_value value;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &value);

    *out = mn_bool(mn_is_null(&value) != expr->negated);
    return status;
}

/* IS TRUE (op MN_OP_EQ) and IS FALSE (MN_OP_NE): never NULL. */
static enum mn_status is_bool_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                   struct mn_value *out)
{
    struct mn_value value;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &value);
    bool holds = !mn_is_null(&value) && value.b == (expr->op == MN_OP_EQ);

    *out = mn_bool(holds != expr->negated);
    return status;
}

static enum mn_status is_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                               struct mn_expr **out)
{
    struct mn_kind boolean = {.type = MN_TYPE_BOOL};
    bool null = ast->is.what == MN_IS_NULL;
    struct mn_expr *node =
        mn_expr_node(scope->arena, null ? is_null_eval : is_bool_eval, ast->span, 1);
    enum mn_status status;

    if (!node) return mn_fail_nomem();
    status = mn_expr_build(scope, ast->is.arg, &node->args[0]);
    if (status == MN_OK && !null) status = mn_expr_assign(scope, &boolean, "IS", &node->args[0]);
    if (status != MN_OK) return status;
    node->form = null ? MN_EXPR_IS_NULL : MN_EXPR_OTHER;
    node->op = ast->is.what == MN_IS_TRUE ? MN_OP_EQ : MN_OP_NE;
    node->negated = ast->is.negated;
    node->kind = boolean;
    node->not_null = true;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

/* -- LIKE -------------------------------------------------------------------------------------- */

struct like_data {
    struct mn_like_options options;
    struct mn_like *prepared; /* NULL: the pattern is not constant */
};

static enum mn_status like_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                struct mn_value *out)
{
    const struct like_data *data = expr->data;
    struct mn_like *like = data->prepared;
    struct mn_value text, pattern;
    bool match;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &text);

    if (status == MN_OK) status = mn_expr_eval(expr->args[1], eval, &pattern);
    if (status != MN_OK) return status;
    *out = mn_null();
    if (mn_is_null(&text) || mn_is_null(&pattern)) return MN_OK;
    if (!like) status = mn_like_prepare(eval->scratch, &pattern, &data->options, &like);
    if (status == MN_OK) status = mn_like_match(like, &text, &match);
    if (status == MN_OK) *out = mn_bool(match != expr->negated);
    return place(expr, status);
}

static enum mn_status escape_read(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                  struct mn_like_options *options)
{
    struct mn_expr *escape;
    enum mn_status status;

    options->escape = MN_LIKE_ESCAPE;
    if (!ast) return MN_OK;
    status = mn_expr_build(scope, ast, &escape);
    if (status != MN_OK) return status;
    options->escape = MN_LIKE_NO_ESCAPE;
    if (escape->form == MN_EXPR_CONSTANT && escape->value.type == MN_TYPE_TEXT) {
        const char *text = escape->value.p;

        if (escape->value.size == 0) return MN_OK;
        if (mn_utf8_decode(text, text + escape->value.size, &options->escape) ==
            escape->value.size) {
            return MN_OK;
        }
    }
    return mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length,
                      "ESCAPE takes one character in quotes, or '' for none");
}

static enum mn_status like_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    struct mn_kind text = {.type = MN_TYPE_TEXT};
    struct mn_expr *node = mn_expr_node(scope->arena, like_eval, ast->span, 2);
    struct like_data *data = mn_arena_zalloc(scope->arena, sizeof *data);
    enum mn_status status;

    if (!node || !data) return mn_fail_nomem();
    if (ast->like.how == MN_LIKE_MATCH) {
        mn_fail_at(MN_UNSUPPORTED, ast->span.offset, ast->span.length,
                   "text search comes later: MATCH is not built yet");
        return mn_hint("use LIKE or ILIKE");
    }
    status = mn_expr_build(scope, ast->like.arg, &node->args[0]);
    if (status == MN_OK) status = mn_expr_build(scope, ast->like.pattern, &node->args[1]);
    if (status == MN_OK) status = mn_expr_assign(scope, &text, "LIKE", &node->args[0]);
    if (status == MN_OK) status = mn_expr_assign(scope, &text, "LIKE", &node->args[1]);
    if (status == MN_OK) status = escape_read(scope, ast->like.escape, &data->options);
    if (status != MN_OK) return status;
    data->options.fold = ast->like.how == MN_ILIKE;
    if (node->args[1]->form == MN_EXPR_CONSTANT && !mn_is_null(&node->args[1]->value)) {
        status =
            mn_like_prepare(scope->arena, &node->args[1]->value, &data->options, &data->prepared);
        if (status != MN_OK) return mn_place(ast->span.offset, ast->span.length);
    }
    node->form = MN_EXPR_LIKE;
    node->negated = ast->like.negated;
    node->kind.type = MN_TYPE_BOOL;
    node->data = data;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

/* -- BETWEEN ----------------------------------------------------------------------------------- */

static enum mn_status between_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                    struct mn_expr **out)
{
    struct mn_expr *low[2], *high[2], *above, *below;
    struct mn_ast_expr inverse = {.kind = MN_AST_UNARY, .span = ast->span};
    enum mn_status status = mn_expr_build(scope, ast->between.arg, &low[0]);

    if (status == MN_OK) status = mn_expr_build(scope, ast->between.arg, &high[0]);
    if (status == MN_OK) status = mn_expr_build(scope, ast->between.low, &low[1]);
    if (status == MN_OK) status = mn_expr_build(scope, ast->between.high, &high[1]);
    if (status == MN_OK) status = mn_expr_compare(scope, MN_OP_GE, ast->span, low, &above);
    if (status == MN_OK) status = mn_expr_compare(scope, MN_OP_LE, ast->span, high, &below);
    if (status != MN_OK) return status;
    *out = mn_expr_and(scope->arena, above, below);
    if (!*out) return mn_fail_nomem();
    status = mn_expr_finish(scope->arena, out);
    if (status != MN_OK || !ast->between.negated) return status;
    inverse.unary.op = MN_OP_NOT;
    return mn_expr_unary(scope, &inverse, *out, out);
}

/* -- IN and ANY -------------------------------------------------------------------------------- */

/* Whether a value is among others so far: found ends it, a NULL among them makes "no" unknown. */
struct among {
    bool found, unknown;
};

static enum mn_status among_add(struct among *among, const struct mn_value *value,
                                const struct mn_value *other)
{
    int order;
    enum mn_status status;

    if (mn_is_null(other)) {
        among->unknown = true;
        return MN_OK;
    }
    status = mn_value_compare(value, other, &order);
    if (order == MN_ORDER_UNKNOWN) among->unknown = true;
    if (status == MN_OK && order == 0) among->found = true;
    return status;
}

static void among_result(const struct among *among, bool negated, struct mn_value *out)
{
    *out = mn_bool(among->found != negated);
    if (!among->found && among->unknown) *out = mn_null();
}

static enum mn_status in_eval(const struct mn_expr *expr, struct mn_eval *eval,
                              struct mn_value *out)
{
    struct among among = {false, false};
    struct mn_value value, other;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &value);

    *out = mn_null();
    if (status != MN_OK || (mn_is_null(&value) && expr->arg_count > 1)) return status;
    for (uint32_t i = 1; status == MN_OK && i < expr->arg_count && !among.found; i++) {
        status = mn_expr_eval(expr->args[i], eval, &other);
        if (status == MN_OK) status = among_add(&among, &value, &other);
    }
    among_result(&among, expr->negated, out);
    return place(expr, status);
}

static enum mn_status in_list_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                   struct mn_value *out)
{
    struct among among = {false, false};
    struct mn_value value, list;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &value);

    if (status == MN_OK) status = mn_expr_eval(expr->args[1], eval, &list);
    *out = mn_null();
    if (status != MN_OK || mn_is_null(&list)) return status;
    if (list.type != MN_TYPE_LIST) {
        return place(
            expr, mn_fail(MN_TYPE, "a list is needed here, this is %s", mn_type_name(list.type)));
    }
    if (mn_is_null(&value) && mn_list_count(&list) > 0) return MN_OK;
    for (uint32_t i = 0; status == MN_OK && i < mn_list_count(&list) && !among.found; i++) {
        struct mn_value other = mn_list_get(&list, i);

        status = among_add(&among, &value, &other);
    }
    among_result(&among, expr->negated, out);
    return place(expr, status);
}

static enum mn_status in_list_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                    const struct mn_ast_expr *sides[2], struct mn_expr **out)
{
    struct mn_expr *node = mn_expr_node(scope->arena, in_list_eval, ast->span, 2);
    struct mn_kind list = {.type = MN_TYPE_LIST};
    char kind[32];
    enum mn_status status;

    if (!node) return mn_fail_nomem();
    status = mn_expr_build(scope, sides[0], &node->args[0]);
    if (status == MN_OK) status = mn_expr_build(scope, sides[1], &node->args[1]);
    if (status != MN_OK) return status;
    list.elem = node->args[0]->kind.type;
    if (mn_expr_untyped(node->args[1]) && list.elem != MN_TYPE_NULL) {
        status = mn_expr_assign(scope, &list, "a list", &node->args[1]);
    } else if (node->args[1]->kind.type == MN_TYPE_LIST && mn_expr_untyped(node->args[0])) {
        struct mn_kind elem = {.type = node->args[1]->kind.elem};

        status = mn_expr_assign(scope, &elem, "an element", &node->args[0]);
    } else if (node->args[1]->kind.type != MN_TYPE_LIST &&
               node->args[1]->kind.type != MN_TYPE_NULL) {
        status = mn_fail_at(MN_TYPE, sides[1]->span.offset, sides[1]->span.length,
                            "a list is needed here, this is %s",
                            mn_kind_name(&node->args[1]->kind, kind));
    }
    if (status != MN_OK) return status;
    node->kind.type = MN_TYPE_BOOL;
    *out = node;
    return MN_OK;
}

static enum mn_status in_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                               struct mn_expr **out)
{
    const struct mn_ast_expr *sides[2] = {ast->in.arg, ast->in.param};
    struct mn_expr *node;
    uint32_t n = 1;
    enum mn_status status;

    if (ast->in.query) return MN_OK;
    if (ast->in.param) {
        status = in_list_build(scope, ast, sides, out);
        if (status != MN_OK) return status;
        (*out)->negated = ast->in.negated;
        return mn_expr_finish(scope->arena, out);
    }
    node = mn_expr_node(scope->arena, in_eval, ast->span, 1 + ast->in.list.count);
    if (!node) return mn_fail_nomem();
    status = mn_expr_build(scope, ast->in.arg, &node->args[0]);
    for (const struct mn_ast_expr *e = ast->in.list.first; status == MN_OK && e; e = e->next) {
        status = mn_expr_build(scope, e, &node->args[n]);
        if (status == MN_OK) status = mn_expr_comparable(scope, &node->args[0], &node->args[n]);
        n++;
    }
    if (status != MN_OK) return status;
    node->form = MN_EXPR_IN;
    node->negated = ast->in.negated;
    node->kind.type = MN_TYPE_BOOL;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

/* x = ANY (list) is x IN list; x <> ALL (list) is x NOT IN list. */
static enum mn_status quantified_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                       struct mn_expr **out)
{
    const struct mn_ast_expr *sides[2] = {ast->quantified.arg, ast->quantified.list};
    enum mn_status status;

    if (ast->quantified.query) return MN_OK;
    status = in_list_build(scope, ast, sides, out);
    if (status != MN_OK) return status;
    (*out)->negated = ast->quantified.all;
    return mn_expr_finish(scope->arena, out);
}

/* -- CASE -------------------------------------------------------------------------------------- */

/* args: condition, value, condition, value, ..., and the value of ELSE. */
static enum mn_status case_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                struct mn_value *out)
{
    for (uint32_t i = 0; i + 1 < expr->arg_count; i += 2) {
        bool yes;
        enum mn_status status = mn_expr_test(expr->args[i], eval, &yes);

        if (status != MN_OK) return status;
        if (yes) return mn_expr_eval(expr->args[i + 1], eval, out);
    }
    return mn_expr_eval(expr->args[expr->arg_count - 1], eval, out);
}

static enum mn_status case_values_unify(const struct mn_scope *scope, struct mn_expr *node)
{
    uint32_t last = node->arg_count - 1;
    enum mn_status status = MN_OK;

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 1; status == MN_OK && i < last; i += 2) {
            status = mn_expr_unify(scope, &node->args[i], &node->args[last]);
        }
    }
    for (uint32_t i = 1; status == MN_OK && i + 2 < last; i += 2) {
        status = mn_expr_unify(scope, &node->args[i], &node->args[i + 2]);
    }
    node->kind = node->args[last]->kind;
    if (node->kind.type == MN_TYPE_NULL) node->kind = node->args[1]->kind;
    return status;
}

static enum mn_status case_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    struct mn_value null = mn_null();
    struct mn_expr *node;
    uint32_t count = 0, n = 0;
    enum mn_status status = MN_OK;

    for (const struct mn_ast_when *w = ast->when.first; w; w = w->next) count++;
    node = mn_expr_node(scope->arena, case_eval, ast->span, 2 * count + 1);
    if (!node) return mn_fail_nomem();
    for (const struct mn_ast_when *w = ast->when.first; status == MN_OK && w; w = w->next) {
        if (ast->when.operand) {
            struct mn_expr *sides[2];

            status = mn_expr_build(scope, ast->when.operand, &sides[0]);
            if (status == MN_OK) status = mn_expr_build(scope, w->condition, &sides[1]);
            if (status == MN_OK) {
                status =
                    mn_expr_compare(scope, MN_OP_EQ, w->condition->span, sides, &node->args[n]);
            }
        } else {
            status = mn_expr_condition(scope, w->condition, "WHEN", &node->args[n]);
        }
        if (status == MN_OK) status = mn_expr_build(scope, w->value, &node->args[n + 1]);
        n += 2;
    }
    if (status == MN_OK && ast->when.otherwise) {
        status = mn_expr_build(scope, ast->when.otherwise, &node->args[n]);
    } else if (status == MN_OK) {
        node->args[n] = mn_expr_constant(scope->arena, &null, ast->span);
        if (!node->args[n]) status = mn_fail_nomem();
    }
    if (status == MN_OK) status = case_values_unify(scope, node);
    if (status != MN_OK) return status;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

/* -- casts, lists, elements -------------------------------------------------------------------- */

static enum mn_status cast_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                struct mn_value *out)
{
    struct mn_value from;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &from);

    if (status != MN_OK) return status;
    return place(expr, mn_value_cast(&from, &expr->kind, eval->scratch, out));
}

static enum mn_status cast_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    const struct mn_kind *to = &ast->cast.type.kind;
    struct mn_expr *node = mn_expr_node(scope->arena, cast_eval, ast->span, 1);
    char one[32], other[32];
    enum mn_status status;

    if (!node) return mn_fail_nomem();
    status = mn_expr_build(scope, ast->cast.arg, &node->args[0]);
    if (status != MN_OK) return status;
    if (node->args[0]->kind.type != MN_TYPE_NULL && !mn_cast_exists(&node->args[0]->kind, to)) {
        return mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length, "%s cannot become %s",
                          mn_kind_name(&node->args[0]->kind, one), mn_kind_name(to, other));
    }
    node->kind = *to;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

static enum mn_status list_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                struct mn_value *out)
{
    struct mn_value *values = mn_arena_alloc(eval->scratch, (expr->arg_count + 1) * sizeof *values);
    uint8_t elem = expr->kind.elem;

    if (!values) return mn_fail_nomem();
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        enum mn_status status = mn_expr_eval(expr->args[i], eval, &values[i]);

        if (status != MN_OK) return status;
        if (elem == MN_TYPE_NULL) elem = values[i].type;
    }
    return place(expr, mn_list_make(eval->scratch, elem, values, expr->arg_count, out));
}

static enum mn_status list_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    struct mn_expr *node = mn_expr_node(scope->arena, list_eval, ast->span, ast->list.count);
    struct mn_value empty;
    uint32_t n = 0;
    enum mn_status status = MN_OK;

    if (!node) return mn_fail_nomem();
    for (const struct mn_ast_expr *e = ast->list.first; status == MN_OK && e; e = e->next) {
        status = mn_expr_build(scope, e, &node->args[n++]);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 1; status == MN_OK && i < n; i++) {
            status = mn_expr_unify(scope, &node->args[0], &node->args[i]);
        }
    }
    if (status != MN_OK) return status;
    node->kind.type = MN_TYPE_LIST;
    for (uint32_t i = 0; i < n && node->kind.elem == MN_TYPE_NULL; i++) {
        node->kind.elem = node->args[i]->kind.type;
    }
    node->not_null = true;
    *out = node;
    if (n > 0) return mn_expr_finish(scope->arena, out);
    status = mn_list_make(scope->arena, MN_TYPE_NULL, NULL, 0, &empty);
    if (status != MN_OK) return status;
    *out = mn_expr_constant(scope->arena, &empty, ast->span);
    return *out ? MN_OK : mn_fail_nomem();
}

static enum mn_status element_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                   struct mn_value *out)
{
    struct mn_value from, index;
    enum mn_status status = mn_expr_eval(expr->args[0], eval, &from);

    if (status == MN_OK) status = mn_expr_eval(expr->args[1], eval, &index);
    *out = mn_null();
    if (status != MN_OK || mn_is_null(&from) || mn_is_null(&index)) return status;
    if (from.type == MN_TYPE_JSON) {
        status = index.type == MN_TYPE_TEXT ? mn_json_get_key(&from, index.p, index.size, out)
                                            : mn_json_get_index(&from, index.i, out);
        return place(expr, status);
    }
    if (from.type != MN_TYPE_LIST || index.type != MN_TYPE_INT) {
        return place(expr, mn_fail(MN_TYPE, "%s[%s] has no meaning", mn_type_name(from.type),
                                   mn_type_name(index.type)));
    }
    if (index.i >= 1 && index.i <= mn_list_count(&from)) {
        *out = mn_list_get(&from, (uint32_t)(index.i - 1));
    }
    return MN_OK;
}

static enum mn_status element_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                    struct mn_expr **out)
{
    struct mn_kind whole = {.type = MN_TYPE_INT};
    struct mn_expr *node = mn_expr_node(scope->arena, element_eval, ast->span, 2);
    uint8_t from, index;
    char kind[32];
    enum mn_status status;

    if (!node) return mn_fail_nomem();
    status = mn_expr_build(scope, ast->element.arg, &node->args[0]);
    if (status == MN_OK) status = mn_expr_build(scope, ast->element.index, &node->args[1]);
    if (status != MN_OK) return status;
    from = node->args[0]->kind.type;
    if (from == MN_TYPE_LIST) {
        status = mn_expr_assign(scope, &whole, "the position in a list", &node->args[1]);
        node->kind.type = node->args[0]->kind.elem;
    } else if (from == MN_TYPE_JSON) {
        index = node->args[1]->kind.type;
        node->kind.type = MN_TYPE_JSON;
        if (index != MN_TYPE_INT && index != MN_TYPE_TEXT && index != MN_TYPE_NULL) {
            status = mn_expr_assign(scope, &whole, "the position in JSON", &node->args[1]);
        }
    } else if (from != MN_TYPE_NULL) {
        status = mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length,
                            "only lists and JSON have elements, this is %s",
                            mn_kind_name(&node->args[0]->kind, kind));
    }
    if (status != MN_OK) return status;
    *out = node;
    return mn_expr_finish(scope->arena, out);
}

enum mn_status mn_expr_form(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                            struct mn_expr **out)
{
    if (ast->kind == MN_AST_IS) return is_build(scope, ast, out);
    if (ast->kind == MN_AST_LIKE) return like_build(scope, ast, out);
    if (ast->kind == MN_AST_BETWEEN) return between_build(scope, ast, out);
    if (ast->kind == MN_AST_IN) return in_build(scope, ast, out);
    if (ast->kind == MN_AST_QUANTIFIED) return quantified_build(scope, ast, out);
    if (ast->kind == MN_AST_CASE) return case_build(scope, ast, out);
    if (ast->kind == MN_AST_CAST) return cast_build(scope, ast, out);
    if (ast->kind == MN_AST_LIST) return list_build(scope, ast, out);
    if (ast->kind == MN_AST_ELEMENT) return element_build(scope, ast, out);
    return MN_OK;
}
