/*
 * match_call: functions over the variables of a pattern: path_length(p), label(r).
 */
#include <string.h>

#include "query/match.h"
#include "query/parse.h"

/* The length of a path: for each edge a slot, NULL where a LEFT JOIN found no match. */
struct path_length {
    const struct mn_match *match;
    uint32_t path;
    const bool *counts; /* args[i] is a number of edges; else it is one edge */
};

static enum mn_status path_length_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                       struct mn_value *out)
{
    const struct path_length *length = expr->data;
    int64_t total = 0;

    for (uint32_t i = 0; i < expr->arg_count; i++) {
        const struct mn_value *part = &eval->slots[expr->args[i]->slot];

        *out = mn_null();
        if (mn_is_null(part)) return MN_OK;
        total += length->counts[i] ? part->i : 1;
    }
    *out = mn_int(total);
    return MN_OK;
}

uint32_t mn_match_length_of(const struct mn_match *match, const struct mn_expr *expr)
{
    const struct path_length *length = expr->data;

    if (expr->eval != path_length_eval || length->match != match) return UINT32_MAX;
    return length->path;
}

static enum mn_status length_make(struct mn_match *match, uint32_t path, struct mn_span span,
                                  struct mn_expr **out)
{
    struct mn_bind *bind = match->block->bind;
    const struct mn_match_path *of = &match->paths[path];
    uint32_t edges = (of->last - of->first) / 2;
    struct path_length *length = mn_arena_zalloc(bind->arena, sizeof *length);
    struct mn_expr *expr = mn_arena_zalloc(bind->arena, sizeof *expr);
    bool *counts = mn_arena_zalloc(bind->arena, edges + 1);
    struct mn_expr **args = mn_arena_zalloc(bind->arena, (edges + 1) * sizeof *args);

    if (!length || !expr || !counts || !args) return mn_fail_nomem();
    for (uint32_t i = 0; i < edges; i++) {
        const struct mn_match_element *edge = &match->elements[match->steps[of->first + 2 * i + 1]];
        struct mn_kind kind = {.type = MN_TYPE_INT};

        args[i] = mn_expr_slot(bind->arena, mn_source_slot(bind, match->source, edge->id_column),
                               &kind, span);
        if (!args[i]) return mn_fail_nomem();
        counts[i] = edge->step->quantified;
    }
    *length = (struct path_length){match, path, counts};
    *expr = (struct mn_expr){
        .eval = path_length_eval,
        .form = MN_EXPR_OTHER,
        .kind = {.type = MN_TYPE_INT},
        .span = span,
        .arg_count = edges,
        .args = args,
        .data = length,
    };
    *out = expr;
    return MN_OK;
}

static enum mn_status label_make(struct mn_match *match, const struct mn_match_element *edge,
                                 struct mn_span span, struct mn_expr **out)
{
    struct mn_bind *bind = match->block->bind;
    struct mn_kind kind = {.type = MN_TYPE_TEXT};

    *out = mn_expr_slot(bind->arena, mn_source_slot(bind, match->source, edge->label_column), &kind,
                        span);
    return *out ? MN_OK : mn_fail_nomem();
}

static bool call_is(const struct mn_ast_expr *ast, const char *name)
{
    return strcmp(ast->call.name.text, name) == 0;
}

static enum mn_status path_call(struct mn_match *match, uint32_t path,
                                const struct mn_ast_expr *ast, struct mn_expr **out)
{
    if (call_is(ast, "path_length") || call_is(ast, "length")) {
        return length_make(match, path, ast->span, out);
    }
    return mn_comes_later(ast->span, ast->call.name.text);
}

static bool call_takes_path(const struct mn_ast_expr *ast)
{
    return call_is(ast, "path_length") || call_is(ast, "length") || call_is(ast, "path_cost") ||
           call_is(ast, "cost") || call_is(ast, "nodes") || call_is(ast, "edges");
}

/* The call in the variables of one pattern; *out NULL: it is not there. */
static enum mn_status match_call(struct mn_match *match, const struct mn_ast_expr *ast,
                                 const char *name, struct mn_expr **out)
{
    for (uint32_t i = 0; call_takes_path(ast) && i < match->path_count; i++) {
        const char *path = match->paths[i].name;
        if (path && strcmp(path, name) == 0) return path_call(match, i, ast, out);
    }
    for (uint32_t i = 0; call_is(ast, "label") && i < match->element_count; i++) {
        const struct mn_match_element *edge = &match->elements[i];
        if (!edge->edge || !edge->name || strcmp(edge->name, name) != 0) continue;
        if (edge->step->quantified && !match->source->focus_count) continue;
        return label_make(match, edge, ast->span, out);
    }
    return MN_OK;
}

enum mn_status mn_bind_path_call(struct mn_block *block, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    const struct mn_ast_expr *arg = ast->call.args.first;

    if (!call_takes_path(ast) && !call_is(ast, "label")) return MN_OK;
    if (ast->call.args.count != 1 || arg->kind != MN_AST_COLUMN || arg->column.table.text) {
        return MN_OK;
    }
    for (uint32_t i = block->first_source; i < block->source_end; i++) {
        struct mn_source *source = block->query->sources[i];

        if (source->make != mn_match_make) continue;
        enum mn_status status = match_call(source->own, ast, arg->column.name.text, out);
        if (status != MN_OK || *out) return status;
    }
    if (call_is(ast, "length")) return MN_OK; /* of a text */
    mn_fail_at(MN_SCHEMA, arg->span.offset, arg->span.length, "no %s \"%s\" in FROM MATCH",
               call_is(ast, "label") ? "edge" : "path", arg->column.name.text);
    return mn_hint("write FROM MATCH p = (a)-[r:relation]->(b)");
}

uint32_t mn_match_row_id_slot(const struct mn_source *source, uint32_t column)
{
    const struct mn_match *match = source->own;

    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *element = &match->elements[i];

        if (column < element->first_column) continue;
        if (column >= element->first_column + element->column_total) continue;
        return source->columns[element->id_column].slot;
    }
    return MN_NO_SLOT;
}
