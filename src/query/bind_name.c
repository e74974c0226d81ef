/*
 * bind_name: what a name means.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "query/bind.h"
#include "query/parse.h"

uint32_t mn_slot_new(struct mn_bind *bind)
{
    return bind->slot_count++;
}

uint32_t mn_source_slot(struct mn_bind *bind, struct mn_source *source, uint32_t column)
{
    struct mn_source_column *of = &source->columns[column];

    if (of->slot == MN_NO_SLOT) of->slot = mn_slot_new(bind);
    return of->slot;
}

uint32_t mn_source_row_id_slot(struct mn_bind *bind, struct mn_source *source)
{
    if (source->row_id_slot == MN_NO_SLOT) source->row_id_slot = mn_slot_new(bind);
    return source->row_id_slot;
}

static bool name_is(const char *name, const struct mn_name *wanted)
{
    return name && strcmp(name, wanted->text) == 0;
}

/* A place where a name was found. */
struct hit {
    struct mn_source *source;
    uint32_t column; /* UINT32_MAX: the row id */
};

/* Whether a column of the source goes by this qualifier; an empty one is any. */
static bool column_is_of(const struct mn_source *source, uint32_t column, const struct mn_name *of)
{
    const char *own = source->columns[column].of;

    return !of->text || name_is(own ? own : source->alias, of);
}

static bool column_fits(const struct mn_source *source, uint32_t column,
                        const struct mn_ast_expr *ast)
{
    const struct mn_source_column *at = &source->columns[column];

    if (at->hidden && !ast->column.table.text) return false;
    return name_is(at->name, &ast->column.name) && column_is_of(source, column, &ast->column.table);
}

/* While the WHERE of an element of MATCH is bound, a bare name means that element first. */
static bool focus_has(const struct mn_source *source, const struct mn_ast_expr *ast,
                      uint32_t *column)
{
    if (ast->column.table.text) return false;
    for (uint32_t i = 0; i < source->focus_count; i++) {
        *column = source->focus_first + i;
        if (name_is(source->columns[*column].name, &ast->column.name)) return true;
    }
    return false;
}

static bool source_has(const struct mn_source *source, const struct mn_ast_expr *ast,
                       uint32_t *column)
{
    const struct mn_name *of = &ast->column.table;

    for (uint32_t i = 0; i < source->column_count; i++) {
        *column = i;
        if (column_fits(source, i, ast)) return true;
    }
    *column = UINT32_MAX;
    return source->kind == MN_SOURCE_TABLE && strcmp(ast->column.name.text, "rowid") == 0 &&
           source->table->row_id_column < 0 && (!of->text || name_is(source->alias, of));
}

/* How the place where a name was found is called in FROM. */
static const char *hit_alias(const struct hit *hit)
{
    const char *of = hit->column != UINT32_MAX ? hit->source->columns[hit->column].of : NULL;

    if (of && of[0]) return of;
    return hit->source->alias ? hit->source->alias : "a subquery";
}

static enum mn_status ambiguous(const struct mn_ast_expr *ast, const struct hit *a,
                                const struct hit *b)
{
    const char *first = hit_alias(a), *second = hit_alias(b);

    mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
               "ambiguous column \"%s\": it is in %s and in %s", ast->column.name.text, first,
               second);
    return mn_hint("write %s.%s or %s.%s", first, ast->column.name.text, second,
                   ast->column.name.text);
}

/* Looks through the sources of one block. A name that a subquery gives twice is ambiguous too. */
static enum mn_status block_find(const struct mn_block *block, const struct mn_ast_expr *ast,
                                 struct hit *hit, bool *found)
{
    const struct mn_query *query = block->query;

    for (uint32_t i = block->first_source; i < block->source_end; i++) {
        hit->source = query->sources[i];
        *found = focus_has(hit->source, ast, &hit->column);
        if (*found) return MN_OK;
    }
    *found = false;
    for (uint32_t i = block->first_source; i < block->source_end; i++) {
        struct mn_source *source = query->sources[i];
        struct hit here = {.source = source};

        if (!source_has(source, ast, &here.column)) continue;
        if (*found) return ambiguous(ast, hit, &here);
        *hit = here;
        *found = true;
        for (uint32_t j = 0; j < source->column_count; j++) {
            struct hit again = {.source = source, .column = j};

            if (j > here.column && column_fits(source, j, ast)) {
                return ambiguous(ast, hit, &again);
            }
        }
    }
    if (!*found && block->pseudo) {
        hit->source = block->pseudo;
        *found = source_has(block->pseudo, ast, &hit->column);
    }
    return MN_OK;
}

/* `of` has the column. Only a WHERE of its own reads it before rows come out: a query inside, be
 * it in its WHERE too, may be asked for each of them. */
static enum mn_status hit_expr(struct mn_block *block, const struct mn_block *of,
                               const struct mn_ast_expr *ast, const struct hit *hit,
                               struct mn_expr **out)
{
    struct mn_bind *bind = block->bind;
    struct mn_kind kind = {.type = MN_TYPE_INT};
    uint32_t slot;

    if (hit->column == UINT32_MAX) {
        slot = mn_source_row_id_slot(bind, hit->source);
    } else {
        slot = mn_source_slot(bind, hit->source, hit->column);
        if (block != of || !of->filtering) hit->source->columns[hit->column].shown = true;
        kind = hit->source->columns[hit->column].kind;
    }
    *out = mn_expr_slot(bind->arena, slot, &kind, ast->span);
    return *out ? MN_OK : mn_fail_nomem();
}

/* A column of a grouped block must be one of the groups. */
static enum mn_status grouped_expr(struct mn_block *block, const struct mn_ast_expr *ast,
                                   struct mn_expr **out)
{
    const struct mn_query *query = block->query;

    for (uint32_t i = 0; i < query->group_count; i++) {
        const struct mn_expr *group = query->groups[i].expr;

        if (group->form == MN_EXPR_SLOT && group->slot == (*out)->slot) {
            *out = mn_expr_slot(block->bind->arena, query->groups[i].slot, &group->kind, ast->span);
            return *out ? MN_OK : mn_fail_nomem();
        }
    }
    mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
               "column \"%s\" is neither grouped nor inside an aggregate", ast->column.name.text);
    return mn_hint("add it to GROUP BY, or take first(%s, t)", ast->column.name.text);
}

/* (B3): every block from the one that reads to the one that has the column notes the slot. */
static enum mn_status outer_note(struct mn_block *from, const struct mn_block *to,
                                 struct mn_expr *slot)
{
    for (struct mn_block *block = from; block != to; block = block->outer) {
        bool known = false;

        for (size_t i = 0; i < block->outer_count && !known; i++) {
            known = block->outer_args[i]->slot == slot->slot;
        }
        block->query->correlated = true;
        if (known) continue;
        if (block->outer_count == block->outer_capacity) {
            size_t wanted = block->outer_capacity ? block->outer_capacity * 2 : 8;
            struct mn_expr **grown =
                mn_arena_alloc(block->bind->arena, wanted * sizeof(struct mn_expr *));

            if (!grown) return mn_fail_nomem();
            if (block->outer_count) {
                memcpy(grown, block->outer_args, block->outer_count * sizeof(struct mn_expr *));
            }
            block->outer_args = grown;
            block->outer_capacity = wanted;
        }
        block->outer_args[block->outer_count++] = slot;
    }
    return MN_OK;
}

/* ---- what to say when there is none ---- */

struct near_walk {
    const struct mn_block *block;
    const struct mn_name *of;
};

static const char *near_column(void *context, uint32_t index)
{
    const struct near_walk *walk = context;
    const struct mn_query *query = walk->block->query;

    for (uint32_t i = 0; i < query->source_count; i++) {
        const struct mn_source *source = query->sources[i];

        if (index >= source->column_count) {
            index -= source->column_count;
            continue;
        }
        return column_is_of(source, index, walk->of) ? source->columns[index].name : "";
    }
    return NULL;
}

static const char *near_alias(void *context, uint32_t index)
{
    const struct mn_query *query = ((const struct near_walk *)context)->block->query;

    if (index >= query->source_count) return NULL;
    return query->sources[index]->alias ? query->sources[index]->alias : "";
}

static bool is_pseudo(const char *name)
{
    return strcmp(name, "distance") == 0 || strcmp(name, "similarity") == 0 ||
           strcmp(name, "rank") == 0 || strcmp(name, "score") == 0;
}

/* An alias of FROM, or a variable of MATCH. */
static bool source_known(const struct mn_source *source, const struct mn_name *alias)
{
    if (name_is(source->alias, alias)) return true;
    for (uint32_t c = 0; c < source->column_count; c++) {
        if (name_is(source->columns[c].of, alias)) return true;
    }
    return false;
}

static bool alias_known(const struct mn_block *block, const struct mn_name *alias)
{
    for (; block; block = block->outer) {
        for (uint32_t i = block->first_source; i < block->source_end; i++) {
            if (source_known(block->query->sources[i], alias)) return true;
        }
    }
    return false;
}

static enum mn_status name_unknown(struct mn_block *block, const struct mn_ast_expr *ast)
{
    const struct mn_name *of = &ast->column.table, *name = &ast->column.name;
    struct near_walk walk = {.block = block, .of = of};
    const char *near = NULL;

    if (of->text && !alias_known(block, of)) {
        mn_fail_at(MN_SCHEMA, of->span.offset, of->span.length, "no table \"%s\" in FROM",
                   of->text);
        near = mn_name_near(of->text, near_alias, &walk);
        return near ? mn_hint("did you mean \"%s\"?", near) : MN_SCHEMA;
    }
    if (!of->text && is_pseudo(name->text)) {
        return mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length,
                          "%s exists only with NEAREST or ORDER BY a distance", name->text);
    }
    if (of->text) {
        mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no column \"%s\" in %s",
                   name->text, of->text);
    } else if (block->query->source_count == 1 && block->query->sources[0]->alias) {
        mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no column \"%s\" in %s",
                   name->text, block->query->sources[0]->alias);
    } else {
        mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no column \"%s\"", name->text);
    }
    if (!of->text && alias_known(block, name)) {
        return mn_hint("write %s.* or one of its columns", name->text);
    }
    near = mn_name_near(name->text, near_column, &walk);
    if (near) return mn_hint("did you mean \"%s\"?", near);
    if (name->quoted) return mn_hint("text takes single quotes: '%s'", name->text);
    return MN_SCHEMA;
}

/* An output's alias, where the clause allows it: the expression of that output once more. */
static enum mn_status alias_expr(struct mn_block *block, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    const struct mn_ast_column *column = block->ast->columns.first;

    for (; column; column = column->next) {
        if (column->star || !column->alias.text || !name_is(column->alias.text, &ast->column.name))
            continue;
        block->alias_names = false;
        enum mn_status status = mn_expr_build(&block->scope, column->expr, out);
        block->alias_names = true;
        return status;
    }
    return MN_OK;
}

static enum mn_status timestamp_expr(struct mn_block *block, const struct mn_ast_expr *ast,
                                     struct mn_expr **out)
{
    struct mn_ast_expr *call = mn_arena_zalloc(block->bind->arena, sizeof *call);

    if (!call) return mn_fail_nomem();
    call->kind = MN_AST_CALL;
    call->depth = 1;
    call->span = ast->span;
    call->call.name = (struct mn_name){.text = "now", .length = 3, .span = ast->span};
    return mn_expr_build(&block->scope, call, out);
}

enum mn_status mn_bind_name(struct mn_block *block, const struct mn_ast_expr *ast,
                            struct mn_expr **out)
{
    bool bare = !ast->column.table.text;
    bool found = false;
    struct hit hit;
    enum mn_status status;

    *out = NULL;
    for (struct mn_block *at = block; at; at = at->outer) {
        if (at->no_sources && at != block) continue;
        status = block_find(at, ast, &hit, &found);
        if (status != MN_OK) return status;
        if (found) {
            status = hit_expr(block, at, ast, &hit, out);
            if (status == MN_OK && at->grouped_names && !at->in_aggregate) {
                status = grouped_expr(at, ast, out);
            }
            return status == MN_OK && at != block ? outer_note(block, at, *out) : status;
        }
        if (at != block) continue;
        if (bare && block->alias_names && block->ast) {
            status = alias_expr(block, ast, out);
            if (status != MN_OK || *out) return status;
        }
        if (bare && (strcmp(ast->column.name.text, "current_timestamp") == 0)) {
            return timestamp_expr(block, ast, out);
        }
    }
    return name_unknown(block, ast);
}

enum mn_status mn_bind_field(struct mn_block *block, const struct mn_name *table,
                             const struct mn_name *column, struct mn_source **source,
                             uint32_t *index)
{
    struct mn_ast_expr ast = {.kind = MN_AST_COLUMN, .span = column->span};
    struct hit hit;
    bool found;
    enum mn_status status;

    ast.column.table = *table;
    ast.column.name = *column;
    status = block_find(block, &ast, &hit, &found);
    if (status != MN_OK) return status;
    if (!found || hit.column == UINT32_MAX) return name_unknown(block, &ast);
    *source = hit.source;
    *index = hit.column;
    return MN_OK;
}
