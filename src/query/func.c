/*
 * func: which row of the table a call means, and the node that calls it.
 */
#include "query/func.h"

#include <stdio.h>
#include <strings.h>

static const struct mn_func *const tables[] = {mn_funcs_time, mn_funcs_text, mn_funcs_math,
                                               mn_funcs_other};
enum { TABLES = sizeof tables / sizeof tables[0] };

const struct mn_func *mn_func_at(uint32_t index)
{
    for (uint32_t t = 0; t < TABLES; t++) {
        for (const struct mn_func *row = tables[t]; row->name; row++) {
            if (index-- == 0) return row;
        }
    }
    return NULL;
}

static bool name_is(const struct mn_func *row, const char *name, size_t length)
{
    return strlen(row->name) == length && strncasecmp(row->name, name, length) == 0;
}

bool mn_func_exists(const char *name, size_t length)
{
    const struct mn_func *row;

    for (uint32_t i = 0; (row = mn_func_at(i)) != NULL; i++) {
        if (name_is(row, name, length)) return true;
    }
    return false;
}

/* -- choosing a row ---------------------------------------------------------------------------- */

static uint8_t type_of_arg(const struct mn_func *row, uint32_t i)
{
    if (i < 4 && row->args[i] != MN_TYPE_NULL) return row->args[i];
    for (uint32_t last = 4; last-- > 0;) {
        if (row->args[last] != MN_TYPE_NULL) return row->args[last];
    }
    return MN_FUNC_ANY;
}

enum { NO_FIT = 1000000 };

/* How far the arguments are from what the row takes: 0 exact; NO_FIT: they do not fit. */
static uint32_t row_cost(const struct mn_func *row, struct mn_expr *const *args, uint32_t count)
{
    uint32_t cost = 0;

    if (count < row->min || count > row->max) return NO_FIT;
    for (uint32_t i = 0; i < count; i++) {
        struct mn_kind want = {.type = type_of_arg(row, i)};
        const struct mn_expr *arg = args[i];

        if ((row->flags & MN_FUNC_UNIFY) && i >= row->unify_from) continue;
        if (want.type == MN_FUNC_ANY || arg->kind.type == want.type) continue;
        if (arg->kind.type == MN_TYPE_NULL) {
            cost += 1;
        } else if (mn_assign_exists(&arg->kind, &want, arg->literal)) {
            cost += arg->literal ? 20 : 10;
        } else {
            return NO_FIT;
        }
    }
    return cost;
}

static const struct mn_func *row_choose(const struct mn_ast_call *call, struct mn_expr *const *args)
{
    const struct mn_func *row, *best = NULL;
    uint32_t least = NO_FIT;

    for (uint32_t i = 0; (row = mn_func_at(i)) != NULL; i++) {
        uint32_t cost;

        if (!name_is(row, call->name.text, call->name.length)) continue;
        cost = row_cost(row, args, call->args.count);
        if (cost >= least) continue;
        least = cost;
        best = row;
    }
    return best;
}

static const char *each_name(void *context, uint32_t index)
{
    const struct mn_func *row = mn_func_at(index);

    (void)context;
    return row ? row->name : NULL;
}

/* What other systems call it, or where it stands here. */
static const char *hint_elsewhere(const char *name)
{
    static const struct {
        const char *name, *hint;
    } known[] = {
        {"row_number", "there are no window functions; LATEST n BY col gives the newest of each"},
        {"rank", "there are no window functions; NEAREST defines rank as a column"},
        {"lag", "there are no window functions; join the table with itself"},
        {"lead", "there are no window functions; join the table with itself"},
        {"to_tsvector",
         "text search comes later; LIKE, ILIKE and regexp(text, pattern) search now"},
        {"json_extract", "write j -> 'key', or ->> for text"},
        {"strftime", "write date_trunc('hour', at), date_part('hour', at) or at::text"},
        {"to_char", "write at::text"},
        {"gen_random_uuid", "write uuid7()"},
        {"uuid_generate_v4", "write uuid7()"},
        {"last_insert_rowid", "write RETURNING id"},
        {"position", "write strpos(text, word)"},
        {"instr", "write strpos(text, word)"},
        {"isnull", "write x IS NULL, or coalesce(x, y)"},
        {"nvl", "write coalesce(x, y)"},
        {"ifnull", "write coalesce(x, y)"},
        {"array_length", "write len(x)"},
        {"cardinality", "write len(x)"},
        {"unixepoch", "write epoch(at)"},
        {"getdate", "write now()"},
        {"log", "write ln(x) or log10(x)"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(known[i].name, name) == 0) return known[i].hint;
    }
    return NULL;
}

static enum mn_status unknown(const struct mn_ast_expr *ast)
{
    const struct mn_name *name = &ast->call.name;
    char text[64];
    const char *near;

    snprintf(text, sizeof text, "%.*s", (int)(name->length < 60 ? name->length : 60), name->text);
    near = mn_name_near(text, each_name, NULL);
    mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no function \"%s\"", text);
    if (hint_elsewhere(text)) return mn_hint("%s", hint_elsewhere(text));
    if (near) return mn_hint("did you mean \"%s\"?", near);
    return MN_SCHEMA;
}

/* No row takes these arguments: says what was given and what is taken. */
static enum mn_status no_fit(const struct mn_ast_expr *ast, struct mn_expr *const *args)
{
    const struct mn_ast_call *call = &ast->call;
    const struct mn_func *row;
    char given[200] = "", usages[220] = "", kind[32];
    size_t used = 0, length = 0;

    for (uint32_t i = 0; i < call->args.count && used + 40 < sizeof given; i++) {
        used += (size_t)snprintf(given + used, sizeof given - used, "%s%s", i ? ", " : "",
                                 mn_kind_name(&args[i]->kind, kind));
    }
    for (uint32_t i = 0; (row = mn_func_at(i)) != NULL; i++) {
        if (!name_is(row, call->name.text, call->name.length)) continue;
        if (length + strlen(row->usage) + 8 > sizeof usages) break;
        if (strstr(usages, row->usage)) continue;
        length += (size_t)snprintf(usages + length, sizeof usages - length, "%s%s",
                                   length ? "; " : "", row->usage);
    }
    mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length, "%.*s does not take (%s)",
               (int)call->name.length, call->name.text, given);
    return mn_hint("%s", usages);
}

/* -- the node ---------------------------------------------------------------------------------- */

static enum mn_status call_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                struct mn_value *out)
{
    const struct mn_func *row = expr->data;
    struct mn_value args[MN_FUNC_ARGS_MAX];
    enum mn_status status;

    for (uint32_t i = 0; i < expr->arg_count; i++) {
        status = mn_expr_eval(expr->args[i], eval, &args[i]);
        if (status != MN_OK) return status;
        if (mn_is_null(&args[i]) && !(row->flags & MN_FUNC_NULLS)) {
            *out = mn_null();
            return MN_OK;
        }
    }
    *out = mn_null();
    status = row->call(args, expr->arg_count, eval, out);
    return status == MN_OK ? status : mn_place(expr->span.offset, expr->span.length);
}

static enum mn_status args_convert(const struct mn_scope *scope, const struct mn_func *row,
                                   struct mn_expr *call)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; status == MN_OK && i < call->arg_count; i++) {
        struct mn_kind want = {.type = type_of_arg(row, i)};

        if ((row->flags & MN_FUNC_UNIFY) && i >= row->unify_from) continue;
        if (want.type == MN_FUNC_ANY) continue;
        if (call->args[i]->kind.type == MN_TYPE_VECTOR && want.type == MN_TYPE_VECTOR) continue;
        status = mn_expr_assign(scope, &want, row->usage, &call->args[i]);
    }
    return status;
}

/* Brings the arguments to one kind, pair by pair, twice, so that the first meets the last one's. */
static enum mn_status args_unify(const struct mn_scope *scope, const struct mn_func *row,
                                 struct mn_expr *call)
{
    uint32_t from = row->unify_from;
    enum mn_status status = MN_OK;

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = from + 1; status == MN_OK && i < call->arg_count; i++) {
            status = mn_expr_unify(scope, &call->args[from], &call->args[i]);
        }
    }
    if (call->arg_count > from) call->kind = call->args[from]->kind;
    return status;
}

static void flags_gather(struct mn_expr *call, const struct mn_func *row)
{
    call->unsteady = (row->flags & MN_FUNC_VOLATILE) != 0;
    call->fixed = !call->unsteady;
    call->not_null = !(row->flags & MN_FUNC_NULLS) && row->result != MN_TYPE_NULL && row->max == 0;
    for (uint32_t i = 0; i < call->arg_count; i++) {
        call->fixed = call->fixed && call->args[i]->fixed;
        call->unsteady = call->unsteady || call->args[i]->unsteady;
    }
}

enum mn_status mn_func_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                             struct mn_expr **args, struct mn_expr **out)
{
    const struct mn_ast_call *call = &ast->call;
    const struct mn_func *row;
    struct mn_expr *node;
    enum mn_status status;

    *out = NULL;
    if (!mn_func_exists(call->name.text, call->name.length)) return unknown(ast);
    if (call->args.count > MN_FUNC_ARGS_MAX) {
        return mn_fail_at(MN_TOOBIG, ast->span.offset, ast->span.length,
                          "%u arguments; a function takes at most %d", call->args.count,
                          MN_FUNC_ARGS_MAX);
    }
    if (call->distinct || call->filter || call->order.count > 0 || call->star) {
        return mn_fail_at(MN_ERROR, ast->span.offset, ast->span.length,
                          "%.*s is not an aggregate: no DISTINCT, *, ORDER BY or FILTER in it",
                          (int)call->name.length, call->name.text);
    }
    row = row_choose(call, args);
    if (!row) return no_fit(ast, args);
    node = mn_arena_zalloc(scope->arena, sizeof *node);
    if (!node) return mn_fail_nomem();
    node->eval = call_eval;
    node->form = MN_EXPR_OTHER;
    node->span = ast->span;
    node->kind.type = row->result;
    node->args = args;
    node->arg_count = call->args.count;
    node->data = row;
    status = args_convert(scope, row, node);
    if (status == MN_OK && (row->flags & MN_FUNC_UNIFY)) status = args_unify(scope, row, node);
    if (status != MN_OK) return status;
    flags_gather(node, row);
    status = mn_func_prepare(scope, node);
    if (status == MN_OK) *out = node;
    return status;
}
