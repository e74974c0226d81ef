/*
 * bind_group: what is grouped, and what is computed over a group.
 */
#include "query/bind_group.h"

#include <string.h>

enum { GROUPS_MAX = 64, AGGREGATES_MAX = 256 };

/* ---- is it grouped at all ---- */

static enum mn_status aggregate_seek(void *context, struct mn_ast_expr *child)
{
    bool *found = context;

    if (child->kind == MN_AST_CALL &&
        mn_agg_exists(child->call.name.text, child->call.name.length)) {
        *found = true;
        return MN_OK;
    }
    return *found ? MN_OK : mn_ast_children(child, aggregate_seek, context);
}

static bool has_aggregate(const struct mn_ast_expr *ast)
{
    bool found = false;

    if (!ast) return false;
    if (ast->kind == MN_AST_CALL && mn_agg_exists(ast->call.name.text, ast->call.name.length)) {
        return true;
    }
    (void)mn_ast_children(ast, aggregate_seek, &found);
    return found;
}

static bool select_has_aggregate(const struct mn_ast_select *ast, const struct mn_ast_query *around)
{
    for (const struct mn_ast_column *column = ast->columns.first; column; column = column->next) {
        if (!column->star && has_aggregate(column->expr)) return true;
    }
    for (const struct mn_ast_sort *sort = around->order.first; sort; sort = sort->next) {
        if (has_aggregate(sort->expr)) return true;
    }
    return has_aggregate(ast->having);
}

/* ---- groups ---- */

static enum mn_status group_add(struct mn_block *block, const struct mn_ast_expr *ast)
{
    struct mn_query *query = block->query;
    struct mn_assignment *group = &query->groups[query->group_count];
    enum mn_status status;

    if (query->group_count == GROUPS_MAX) {
        return mn_fail_at(MN_TOOBIG, ast->span.offset, ast->span.length,
                          "more than %d expressions in GROUP BY", GROUPS_MAX);
    }
    block->alias_names = true;
    status = mn_bind_expr(block, "GROUP BY", ast, &group->expr);
    block->alias_names = false;
    if (status != MN_OK) return status;
    if (group->expr->kind.type == MN_TYPE_VECTOR) {
        return mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length,
                          "GROUP BY cannot take a vector");
    }
    group->slot = mn_slot_new(block->bind);
    block->group_asts[query->group_count++] = ast;
    return MN_OK;
}

/* An ordinal means that output's expression. */
static enum mn_status group_ordinal(const struct mn_ast_select *select,
                                    const struct mn_ast_expr *ast, const struct mn_ast_expr **out)
{
    int64_t wanted = ast->literal.i;
    const struct mn_ast_column *column = select->columns.first;

    for (int64_t i = 1; column && i < wanted; i++) column = column->next;
    if (wanted < 1 || !column || column->star) {
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                          "GROUP BY %lld: there is no such column in SELECT", (long long)wanted);
    }
    *out = column->expr;
    return MN_OK;
}

/* A bare name that is no column of FROM but an output's means that output's expression. */
static const struct mn_ast_expr *group_alias(const struct mn_block *block,
                                             const struct mn_ast_select *select,
                                             const struct mn_ast_expr *ast)
{
    const char *name;

    if (ast->kind != MN_AST_COLUMN || ast->column.table.text) return ast;
    name = ast->column.name.text;
    for (uint32_t i = 0; i < block->query->source_count; i++) {
        const struct mn_source *source = block->query->sources[i];

        for (uint32_t c = 0; c < source->column_count; c++) {
            if (strcmp(source->columns[c].name, name) == 0) return ast;
        }
    }
    for (const struct mn_ast_column *column = select->columns.first; column;
         column = column->next) {
        if (!column->star && column->alias.text && strcmp(column->alias.text, name) == 0) {
            return column->expr;
        }
    }
    return ast;
}

static enum mn_status group_list(struct mn_block *block, const struct mn_ast_select *ast)
{
    enum mn_status status = MN_OK;

    for (const struct mn_ast_expr *item = ast->group.first; item && status == MN_OK;
         item = item->next) {
        const struct mn_ast_expr *of = group_alias(block, ast, item);

        if (item->kind == MN_AST_LITERAL && item->literal.type == MN_TYPE_INT) {
            status = group_ordinal(ast, item, &of);
        }
        if (status == MN_OK && has_aggregate(of)) {
            status = mn_fail_at(MN_SCHEMA, of->span.offset, of->span.length,
                                "GROUP BY cannot take an aggregate");
        }
        if (status == MN_OK) status = group_add(block, of);
    }
    for (const struct mn_ast_column *column = ast->columns.first;
         ast->group_all && column && status == MN_OK; column = column->next) {
        if (column->star) {
            return mn_fail_at(MN_SCHEMA, column->span.offset, column->span.length,
                              "GROUP BY ALL needs the columns named");
        }
        if (!has_aggregate(column->expr)) status = group_add(block, column->expr);
    }
    return status;
}

enum mn_status mn_bind_groups(struct mn_block *block, const struct mn_ast_select *ast,
                              const struct mn_ast_query *around)
{
    struct mn_query *query = block->query;
    struct mn_arena *arena = block->bind->arena;
    enum mn_status status;

    if (!ast->group_all && ast->group.count == 0 && !select_has_aggregate(ast, around)) {
        return MN_OK;
    }
    query->grouped = true;
    query->groups = mn_arena_zalloc(arena, GROUPS_MAX * sizeof *query->groups);
    block->group_asts = mn_arena_zalloc(arena, GROUPS_MAX * sizeof(struct mn_ast_expr *));
    query->aggs = mn_arena_zalloc(arena, AGGREGATES_MAX * sizeof(struct mn_agg_call *));
    query->agg_slots = mn_arena_zalloc(arena, AGGREGATES_MAX * sizeof *query->agg_slots);
    block->agg_asts = mn_arena_zalloc(arena, AGGREGATES_MAX * sizeof(struct mn_ast_expr *));
    if (!query->groups || !block->group_asts || !query->aggs || !query->agg_slots ||
        !block->agg_asts) {
        return mn_fail_nomem();
    }
    status = group_list(block, ast);
    block->grouped_names = true;
    return status;
}

/* ---- what a name or an expression means in a grouped block ---- */

enum mn_status mn_group_find(struct mn_block *block, const struct mn_ast_expr *ast,
                             struct mn_expr **out)
{
    struct mn_query *query = block->query;

    *out = NULL;
    if (ast->kind == MN_AST_LITERAL || ast->kind == MN_AST_PARAM) return MN_OK;
    for (uint32_t i = 0; i < query->group_count; i++) {
        if (!mn_ast_same(block->group_asts[i], ast)) continue;
        *out = mn_expr_slot(block->bind->arena, query->groups[i].slot, &query->groups[i].expr->kind,
                            ast->span);
        return *out ? MN_OK : mn_fail_nomem();
    }
    return MN_OK;
}

enum mn_status mn_bind_aggregate(struct mn_block *block, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    struct mn_query *query = block->query;
    struct mn_agg_call *call;
    struct mn_kind kind;
    bool aliases = block->alias_names;
    enum mn_status status;

    if (block->in_aggregate) {
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                          "an aggregate inside an aggregate");
    }
    if (!block->grouped_names) {
        mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length, "%s cannot hold an aggregate",
                   block->clause ? block->clause : "this place");
        return block->clause && strcmp(block->clause, "WHERE") == 0
                   ? mn_hint("conditions on groups go into HAVING")
                   : MN_SCHEMA;
    }
    for (uint32_t i = 0; i < query->agg_count; i++) {
        if (!mn_ast_same(block->agg_asts[i], ast)) continue;
        kind = mn_agg_kind(query->aggs[i]);
        *out = mn_expr_slot(block->bind->arena, query->agg_slots[i], &kind, ast->span);
        return *out ? MN_OK : mn_fail_nomem();
    }
    if (query->agg_count == AGGREGATES_MAX) {
        return mn_fail_at(MN_TOOBIG, ast->span.offset, ast->span.length,
                          "more than %d aggregates in one SELECT", AGGREGATES_MAX);
    }
    block->in_aggregate = true;
    block->alias_names = false;
    status = mn_agg_build(&block->scope, ast, &call);
    block->in_aggregate = false;
    block->alias_names = aliases;
    if (status != MN_OK) return status;
    kind = mn_agg_kind(call);
    query->aggs[query->agg_count] = call;
    query->agg_slots[query->agg_count] = mn_slot_new(block->bind);
    block->agg_asts[query->agg_count] = ast;
    *out = mn_expr_slot(block->bind->arena, query->agg_slots[query->agg_count++], &kind, ast->span);
    return *out ? MN_OK : mn_fail_nomem();
}
