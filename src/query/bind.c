/*
 * bind: queries, clause by clause in their logical order.
 */
#include "query/bind.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "query/bind_group.h"
#include "query/parse.h"

enum { QUERY_DEPTH_MAX = 64, QUERIES_MAX = 4096, OUTPUTS_MAX = 2000, OUTPUT_NAME_BYTES = 64 };

enum mn_status mn_query_new(struct mn_bind *bind, struct mn_query **out)
{
    *out = mn_arena_zalloc(bind->arena, sizeof **out);
    return *out ? MN_OK : mn_fail_nomem();
}

/* ---- expressions ---- */

static enum mn_status block_hook(void *context, const struct mn_scope *scope,
                                 const struct mn_ast_expr *ast, struct mn_expr **out)
{
    struct mn_block *block = context;

    (void)scope;
    *out = NULL;
    if (block->grouped_names && !block->in_aggregate) {
        enum mn_status status = mn_group_find(block, ast, out);

        if (status != MN_OK || *out) return status;
    }
    switch ((int)ast->kind) {
    case MN_AST_COLUMN: return mn_bind_name(block, ast, out);
    case MN_AST_CALL:
        return mn_agg_exists(ast->call.name.text, ast->call.name.length)
                   ? mn_bind_aggregate(block, ast, out)
                   : mn_bind_path_call(block, ast, out);
    case MN_AST_EXISTS:
    case MN_AST_SUBQUERY: return mn_bind_subquery(block, ast, out);
    case MN_AST_IN: return ast->in.query ? mn_bind_subquery(block, ast, out) : MN_OK;
    case MN_AST_QUANTIFIED:
        return ast->quantified.query ? mn_bind_subquery(block, ast, out) : MN_OK;
    case MN_AST_DEFAULT:
        return mn_fail_at(MN_SYNTAX, ast->span.offset, ast->span.length,
                          "DEFAULT stands only in VALUES of INSERT and in SET");
    default: return MN_OK;
    }
}

void mn_block_init(struct mn_block *block, struct mn_bind *bind, struct mn_block *outer,
                   struct mn_query *query)
{
    *block = (struct mn_block){.outer = outer, .bind = bind, .query = query};
    block->scope.arena = bind->arena;
    block->scope.param_kinds = bind->param_kinds;
    block->scope.param_count = bind->param_count;
    block->scope.context = block;
    block->scope.hook = block_hook;
}

static void unsteady_note(struct mn_block *block, const struct mn_expr *expr)
{
    if (!expr->unsteady) return;
    for (; block; block = block->outer) block->query->unsteady = true;
}

enum mn_status mn_bind_expr(struct mn_block *block, const char *clause,
                            const struct mn_ast_expr *ast, struct mn_expr **out)
{
    const char *before = block->clause;
    enum mn_status status;

    block->clause = clause;
    status = mn_expr_build(&block->scope, ast, out);
    block->clause = before;
    if (status == MN_OK) unsteady_note(block, *out);
    return status;
}

enum mn_status mn_bind_condition(struct mn_block *block, const char *clause,
                                 const struct mn_ast_expr *ast, struct mn_expr **out)
{
    const char *before = block->clause;
    enum mn_status status;

    block->clause = clause;
    status = mn_expr_condition(&block->scope, ast, clause, out);
    block->clause = before;
    if (status == MN_OK) unsteady_note(block, *out);
    return status;
}

/* ---- outputs ---- */

static const char *output_name(struct mn_block *block, const struct mn_ast_column *column)
{
    const struct mn_ast_expr *ast = column->expr;
    uint32_t length = ast->span.length;

    if (column->alias.text) return column->alias.text;
    if (ast->kind == MN_AST_COLUMN) return ast->column.name.text;
    if (ast->kind == MN_AST_CALL) return ast->call.name.text;
    if (ast->kind == MN_AST_CAST && ast->cast.arg->kind == MN_AST_COLUMN) {
        return ast->cast.arg->column.name.text;
    }
    if (length > OUTPUT_NAME_BYTES) length = OUTPUT_NAME_BYTES;
    while (length > 0 && length < ast->span.length &&
           ((uint8_t)block->bind->text[ast->span.offset + length] & 0xC0) == 0x80) {
        length--;
    }
    return mn_arena_text(block->bind->arena, block->bind->text + ast->span.offset, length);
}

static enum mn_status output_add(struct mn_block *block, const struct mn_output *output)
{
    struct mn_query *query = block->query;
    struct mn_output *made;

    if (query->output_count == OUTPUTS_MAX) {
        return mn_fail(MN_TOOBIG, "more than %d columns in one SELECT", OUTPUTS_MAX);
    }
    if (query->output_count % 32 == 0) {
        made = mn_arena_zalloc(block->bind->arena, (query->output_count + 32) * sizeof *made);
        if (!made) return mn_fail_nomem();
        if (query->output_count) {
            memcpy(made, query->outputs, query->output_count * sizeof *made);
        }
        query->outputs = made;
    }
    made = &query->outputs[query->output_count++];
    *made = *output;
    made->kind = output->expr->kind;
    made->slot = MN_NO_SLOT;
    return output->name ? MN_OK : mn_fail_nomem();
}

/* Whether * or of.* takes a column of a source. */
static bool star_takes(const struct mn_source *source, uint32_t column, const struct mn_name *of)
{
    const struct mn_source_column *at = &source->columns[column];
    const char *alias = at->of ? at->of : source->alias;

    if (!at->name[0]) return false;
    if (!of->text) return !at->hidden;
    return alias && strcmp(alias, of->text) == 0 && !(at->of && at->hidden);
}

static enum mn_status star_column(struct mn_block *block, const struct mn_ast_column *column,
                                  struct mn_source *source, uint32_t c)
{
    struct mn_source_column *at = &source->columns[c];
    struct mn_output output = {.name = at->name, .span = column->span};
    enum mn_status status = MN_OK;

    at->shown = true;
    output.expr = mn_expr_slot(block->bind->arena, mn_source_slot(block->bind, source, c),
                               &at->kind, column->span);
    if (!output.expr) return mn_fail_nomem();
    if (block->grouped_names) {
        struct mn_ast_expr ast = {.kind = MN_AST_COLUMN, .depth = 1, .span = column->span};

        ast.column.name = (struct mn_name){
            .text = output.name, .length = (uint32_t)strlen(output.name), .span = column->span};
        ast.column.table =
            (struct mn_name){.text = at->of ? at->of : source->alias, .span = column->span};
        status = mn_bind_expr(block, "SELECT", &ast, &output.expr);
    }
    return status == MN_OK ? output_add(block, &output) : status;
}

static enum mn_status output_star(struct mn_block *block, const struct mn_ast_column *column)
{
    const struct mn_query *query = block->query;
    bool any = false;

    for (uint32_t i = block->first_source; i < block->source_end; i++) {
        struct mn_source *source = query->sources[i];

        for (uint32_t c = 0; c < source->column_count; c++) {
            if (!star_takes(source, c, &column->table)) continue;
            any = true;
            enum mn_status status = star_column(block, column, source, c);
            if (status != MN_OK) return status;
        }
    }
    if (any) return MN_OK;
    if (column->table.text) {
        return mn_fail_at(MN_SCHEMA, column->span.offset, column->span.length,
                          "no table \"%s\" in FROM", column->table.text);
    }
    return mn_fail_at(MN_SCHEMA, column->span.offset, column->span.length,
                      "* needs something in FROM");
}

enum mn_status mn_bind_outputs(struct mn_block *block, const struct mn_ast_columns *columns)
{
    for (const struct mn_ast_column *column = columns->first; column; column = column->next) {
        struct mn_output output = {.span = column->span, .ast = column->expr};
        enum mn_status status;

        if (column->star) {
            status = output_star(block, column);
        } else {
            output.name = output_name(block, column);
            status = mn_bind_expr(block, "SELECT", column->expr, &output.expr);
            if (status == MN_OK) status = output_add(block, &output);
        }
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

/* Gives every output its slot: the column's own where nothing has to be computed. */
static void outputs_place(struct mn_block *block)
{
    struct mn_query *query = block->query;

    for (uint32_t i = 0; i < query->output_count; i++) {
        struct mn_output *output = &query->outputs[i];
        bool own = output->expr && output->expr->form == MN_EXPR_SLOT && !query->correlated;

        output->slot = own ? output->expr->slot : mn_slot_new(block->bind);
    }
}

/* ---- ORDER BY, LIMIT ---- */

static enum mn_status key_output(struct mn_block *block, uint32_t index, struct mn_expr **out)
{
    struct mn_query *query = block->query;
    struct mn_output *output = &query->outputs[index];

    if (output->expr && output->expr->unsteady) query->project_first = true;
    if (!query->project_first) {
        *out = output->expr;
        return MN_OK;
    }
    *out = mn_expr_slot(block->bind->arena, output->slot, &output->kind, output->span);
    return *out ? MN_OK : mn_fail_nomem();
}

/* The output that a key names: by ordinal, by name, or by saying the same. -1: none. */
static enum mn_status key_find(struct mn_block *block, const struct mn_ast_expr *ast, int *index)
{
    const struct mn_query *query = block->query;

    *index = -1;
    if (ast->kind == MN_AST_LITERAL && ast->literal.type == MN_TYPE_INT) {
        if (ast->literal.i < 1 || ast->literal.i > query->output_count) {
            return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                              "ORDER BY %lld: there are %u columns", (long long)ast->literal.i,
                              query->output_count);
        }
        *index = (int)ast->literal.i - 1;
        return MN_OK;
    }
    for (uint32_t i = 0; i < query->output_count; i++) {
        const struct mn_output *output = &query->outputs[i];

        if (ast->kind == MN_AST_COLUMN && !ast->column.table.text &&
            strcmp(ast->column.name.text, output->name) == 0) {
            bool same = *index >= 0 && query->outputs[*index].expr && output->expr &&
                        query->outputs[*index].expr->form == MN_EXPR_SLOT &&
                        output->expr->form == MN_EXPR_SLOT &&
                        output->expr->slot == query->outputs[*index].expr->slot;

            if (*index >= 0 && !same) {
                return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                                  "ambiguous: two columns of the result are named \"%s\"",
                                  output->name);
            }
            *index = (int)i;
        }
    }
    for (uint32_t i = 0; i < query->output_count && *index < 0; i++) {
        if (query->outputs[i].ast && mn_ast_same(query->outputs[i].ast, ast)) *index = (int)i;
    }
    return MN_OK;
}

static enum mn_status key_bind(struct mn_block *block, const struct mn_ast_sort *sort,
                               struct mn_sort_key *key)
{
    struct mn_query *query = block->query;
    int index;
    enum mn_status status = key_find(block, sort->expr, &index);

    if (status != MN_OK) return status;
    key->descending = sort->descending;
    key->nulls_first = sort->nulls == MN_NULLS_FIRST;
    if (index >= 0) {
        status = key_output(block, (uint32_t)index, &key->expr);
    } else if (query->form != MN_QUERY_SELECT) {
        mn_fail_at(MN_SCHEMA, sort->span.offset, sort->span.length,
                   "ORDER BY behind VALUES or a set operation takes a column of the result");
        return mn_hint("write its name or its number");
    } else if (query->distinct) {
        mn_fail_at(MN_SCHEMA, sort->span.offset, sort->span.length,
                   "with DISTINCT, ORDER BY takes only what is selected");
        return mn_hint("add it to SELECT, or use GROUP BY");
    } else {
        bool aliases = block->alias_names;

        block->alias_names = true;
        status = mn_bind_expr(block, "ORDER BY", sort->expr, &key->expr);
        block->alias_names = aliases;
    }
    if (status != MN_OK) return status;
    if (key->expr->kind.type == MN_TYPE_VECTOR || key->expr->kind.type == MN_TYPE_JSON) {
        mn_fail_at(MN_TYPE, sort->span.offset, sort->span.length, "%s has no order",
                   mn_type_name(key->expr->kind.type));
        return key->expr->kind.type == MN_TYPE_VECTOR
                   ? mn_hint("order by a distance: ORDER BY embedding <=> $q")
                   : mn_hint("take a part of it as text: j ->> 'key'");
    }
    return MN_OK;
}

static enum mn_status limit_bind(struct mn_block *block, const char *clause,
                                 const struct mn_ast_expr *ast, struct mn_expr **out)
{
    struct mn_kind kind = {.type = MN_TYPE_INT};
    uint32_t first = block->first_source, end = block->source_end;
    enum mn_status status;

    if (!ast) return MN_OK;
    block->first_source = block->source_end = 0; /* no column of this query has a value there */
    status = mn_bind_expr(block, clause, ast, out);
    block->first_source = first;
    block->source_end = end;
    if (status == MN_OK && (*out)->kind.type == MN_TYPE_NULL) {
        status = mn_expr_assign(&block->scope, &kind, clause, out);
    }
    if (status != MN_OK) return status;
    if ((*out)->kind.type != MN_TYPE_INT && (*out)->kind.type != MN_TYPE_NULL) {
        return mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length, "%s takes an INT, not %s",
                          clause, mn_type_name((*out)->kind.type));
    }
    if ((*out)->form == MN_EXPR_CONSTANT && (*out)->value.type == MN_TYPE_INT &&
        (*out)->value.i < 0) {
        return mn_fail_at(MN_RANGE, ast->span.offset, ast->span.length, "%s must not be negative",
                          clause);
    }
    return MN_OK;
}

static enum mn_status tail_bind(struct mn_block *block, const struct mn_ast_query *ast)
{
    struct mn_query *query = block->query;
    enum mn_status status = MN_OK;

    query->keys = mn_arena_zalloc(block->bind->arena, (ast->order.count + 1) * sizeof *query->keys);
    if (!query->keys) return mn_fail_nomem();
    for (const struct mn_ast_sort *sort = ast->order.first; sort && status == MN_OK;
         sort = sort->next) {
        status = key_bind(block, sort, &query->keys[query->key_count++]);
    }
    if (status == MN_OK) status = limit_bind(block, "LIMIT", ast->limit, &query->limit);
    if (status == MN_OK) status = limit_bind(block, "OFFSET", ast->offset, &query->offset);
    return status;
}

/* ---- LATEST ---- */

static enum mn_status latest_time(struct mn_block *block, const struct mn_ast_latest *ast,
                                  struct mn_source **source, uint32_t *column)
{
    const struct mn_value *option;
    char names[200] = "";
    uint32_t count = 0;

    if (ast->time_column.text) {
        return mn_bind_field(block, &ast->time_table, &ast->time_column, source, column);
    }
    option = (*source)->table ? mn_table_option((*source)->table, "time") : NULL;
    for (uint32_t i = 0; i < (*source)->column_count; i++) {
        const struct mn_source_column *of = &(*source)->columns[i];
        size_t used = strlen(names);

        if (option && option->type == MN_TYPE_TEXT && strlen(of->name) == option->size &&
            memcmp(of->name, option->p, option->size) == 0) {
            *column = i;
            return MN_OK;
        }
        if (of->kind.type != MN_TYPE_TIMESTAMP) continue;
        *column = i;
        snprintf(names + used, sizeof names - used, "%s%s", count++ ? ", " : "", of->name);
    }
    if (count == 1) return MN_OK;
    if (count == 0) {
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                          "LATEST needs a TIMESTAMP column, %s has none",
                          (*source)->alias ? (*source)->alias : "the subquery");
    }
    mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
               "LATEST could mean any of the columns %s", names);
    return mn_hint("name one: LATEST 1 BY ... USING column");
}

static enum mn_status latest_bind(struct mn_block *block, const struct mn_ast_latest *ast)
{
    struct mn_bind *bind = block->bind;
    struct mn_query *query = block->query;
    struct mn_latest_spec *spec = &query->latest;
    struct mn_source *source = block->source_end ? query->sources[0] : NULL;
    struct mn_value zero = mn_int(0);
    struct mn_kind integer = {.type = MN_TYPE_INT};
    uint32_t column = 0;
    enum mn_status status = MN_OK;

    if (!source) {
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                          "LATEST needs something in FROM");
    }
    spec->groups = mn_arena_zalloc(bind->arena, (ast->by.count + 1) * sizeof(struct mn_expr *));
    spec->group_slots = mn_arena_zalloc(bind->arena, (ast->by.count + 1) * sizeof(uint32_t));
    if (!spec->groups || !spec->group_slots) return mn_fail_nomem();
    for (const struct mn_ast_field *by = ast->by.first; by; by = by->next) {
        struct mn_source *of;

        status = mn_bind_field(block, &by->table, &by->column, &of, &column);
        if (status != MN_OK) return status;
        if (spec->group_count == 0) source = of;
        spec->group_slots[spec->group_count] = mn_slot_new(bind);
        spec->groups[spec->group_count] =
            mn_expr_slot(bind->arena, mn_source_slot(bind, of, column), &of->columns[column].kind,
                         by->column.span);
        if (!spec->groups[spec->group_count++]) return mn_fail_nomem();
    }
    status = latest_time(block, ast, &source, &column);
    if (status == MN_OK && source->columns[column].kind.type != MN_TYPE_TIMESTAMP) {
        return mn_fail_at(MN_TYPE, ast->span.offset, ast->span.length,
                          "LATEST needs a TIMESTAMP column, %s is %s", source->columns[column].name,
                          mn_type_name(source->columns[column].kind.type));
    }
    if (status == MN_OK && ast->n) status = limit_bind(block, "LATEST", ast->n, &spec->n);
    if (status != MN_OK) return status;
    spec->time = mn_expr_slot(bind->arena, mn_source_slot(bind, source, column),
                              &source->columns[column].kind, ast->span);
    spec->tie =
        source->kind == MN_SOURCE_TABLE
            ? mn_expr_slot(bind->arena, mn_source_row_id_slot(bind, source), &integer, ast->span)
            : mn_expr_constant(bind->arena, &zero, ast->span);
    if (!spec->time || !spec->tie) return mn_fail_nomem();
    query->has_latest = true;
    query->latest_source = source;
    return MN_OK;
}

/* ---- bodies ---- */

static enum mn_status select_bind(struct mn_block *block, const struct mn_ast_select *ast,
                                  const struct mn_ast_query *around)
{
    struct mn_query *query = block->query;
    enum mn_status status = mn_bind_from(block, &ast->from);

    query->form = MN_QUERY_SELECT;
    query->distinct = ast->distinct;
    query->project_first = ast->distinct;
    block->ast = ast;
    if (status == MN_OK && ast->where) {
        block->filtering = true;
        status = mn_bind_condition(block, "WHERE", ast->where, &query->where);
        block->filtering = false;
    }
    if (status == MN_OK) status = mn_bind_nearest(block, around);
    if (status == MN_OK && ast->latest) status = latest_bind(block, ast->latest);
    if (status == MN_OK) status = mn_bind_groups(block, ast, around);
    if (status == MN_OK) status = mn_bind_outputs(block, &ast->columns);
    if (status == MN_OK) outputs_place(block);
    if (status == MN_OK && ast->having) {
        if (!query->grouped) {
            return mn_fail_at(MN_SCHEMA, ast->having->span.offset, ast->having->span.length,
                              "HAVING needs GROUP BY or an aggregate");
        }
        block->alias_names = true;
        status = mn_bind_condition(block, "HAVING", ast->having, &query->having);
        block->alias_names = false;
    }
    return status;
}

static enum mn_status values_bind(struct mn_block *block, const struct mn_ast_rows *rows)
{
    struct mn_query *query = block->query;
    struct mn_bind *bind = block->bind;
    uint32_t width = rows->first ? rows->first->values.count : 0;
    uint32_t at = 0;
    char name[16];

    query->form = MN_QUERY_VALUES;
    query->project_first = true;
    query->row_count = rows->count;
    query->rows =
        mn_arena_zalloc(bind->arena, ((size_t)rows->count * width + 1) * sizeof(struct mn_expr *));
    if (!query->rows) return mn_fail_nomem();
    for (const struct mn_ast_row *row = rows->first; row; row = row->next) {
        if (row->values.count != width) {
            return mn_fail_at(MN_SCHEMA, row->span.offset, row->span.length,
                              "this row has %u values, the first one %u", row->values.count, width);
        }
        for (const struct mn_ast_expr *value = row->values.first; value; value = value->next) {
            enum mn_status status = mn_bind_expr(block, "VALUES", value, &query->rows[at++]);

            if (status != MN_OK) return status;
        }
    }
    for (uint32_t c = 0; c < width; c++) {
        struct mn_output output = {.span = rows->first->span, .expr = query->rows[c]};
        enum mn_status status;

        for (uint32_t r = 1; r < rows->count; r++) {
            status =
                mn_expr_unify(&block->scope, &query->rows[c], &query->rows[(size_t)r * width + c]);
            if (status != MN_OK) return status;
        }
        for (uint32_t r = 1; r < rows->count; r++) { /* the first may have become wider */
            status =
                mn_expr_unify(&block->scope, &query->rows[c], &query->rows[(size_t)r * width + c]);
            if (status != MN_OK) return status;
        }
        snprintf(name, sizeof name, "column%u", c + 1);
        output.name = mn_arena_text(bind->arena, name, strlen(name));
        output.expr = query->rows[c];
        status = output_add(block, &output);
        if (status != MN_OK) return status;
        query->outputs[c].expr = NULL;
        query->outputs[c].slot = mn_slot_new(bind);
    }
    return MN_OK;
}

static enum mn_status body_bind(struct mn_block *block, const struct mn_ast_body *ast,
                                const struct mn_ast_query *around);

static enum mn_status arm_bind(struct mn_block *outer, const struct mn_ast_body *ast,
                               struct mn_query **out)
{
    struct mn_ast_query around = {.span = ast->span, .depth = ast->depth};
    struct mn_block block;
    enum mn_status status = mn_query_new(outer->bind, out);

    if (status != MN_OK) return status;
    if (ast->kind == MN_BODY_NESTED) return mn_bind_query(outer->bind, outer, ast->nested, out);
    mn_block_init(&block, outer->bind, outer, *out);
    (*out)->span = ast->span;
    return body_bind(&block, ast, &around);
}

/* Both arms of one kind a column: INT widens to FLOAT by a projection over the arm. */
static enum mn_status arm_widen(struct mn_block *block, struct mn_query *arm, uint32_t column,
                                const struct mn_kind *kind)
{
    struct mn_output *output = &arm->outputs[column];
    struct mn_expr *expr = output->expr;
    enum mn_status status;

    if (!expr || arm->project_first) {
        return mn_fail_at(MN_TYPE, output->span.offset, output->span.length,
                          "column %u is %s here and %s in the other arm", column + 1,
                          mn_type_name(output->kind.type), mn_type_name(kind->type));
    }
    status = mn_expr_assign(&block->scope, kind, "the other arm", &expr);
    if (status != MN_OK) return status;
    output->expr = expr;
    output->kind = *kind;
    if (output->slot != MN_NO_SLOT) output->slot = mn_slot_new(block->bind);
    return MN_OK;
}

static enum mn_status set_bind(struct mn_block *block, const struct mn_ast_body *ast)
{
    struct mn_query *query = block->query, *left, *right;
    enum mn_status status = arm_bind(block, ast->set.left, &left);

    if (status == MN_OK) status = arm_bind(block, ast->set.right, &right);
    if (status != MN_OK) return status;
    query->form = MN_QUERY_SET;
    query->set = ast->set.op;
    query->left = left;
    query->right = right;
    query->project_first = true;
    if (left->output_count != right->output_count) {
        return mn_fail_at(MN_SCHEMA, ast->set.right->span.offset, ast->set.right->span.length,
                          "this arm has %u columns, the first one %u", right->output_count,
                          left->output_count);
    }
    for (uint32_t i = 0; i < left->output_count; i++) {
        struct mn_expr *a =
            mn_expr_slot(block->bind->arena, 0, &left->outputs[i].kind, left->outputs[i].span);
        struct mn_expr *b =
            mn_expr_slot(block->bind->arena, 0, &right->outputs[i].kind, right->outputs[i].span);
        struct mn_output output = {.name = left->outputs[i].name, .span = ast->span};

        if (!a || !b) return mn_fail_nomem();
        status = mn_expr_unify(&block->scope, &a, &b);
        if (status != MN_OK)
            return mn_place(ast->set.right->span.offset, ast->set.right->span.length);
        if (a->kind.type != left->outputs[i].kind.type) {
            status = arm_widen(block, left, i, &a->kind);
        }
        if (status == MN_OK && b->kind.type != right->outputs[i].kind.type) {
            status = arm_widen(block, right, i, &b->kind);
        }
        output.expr = a;
        if (status == MN_OK) status = output_add(block, &output);
        if (status != MN_OK) return status;
        query->outputs[i].expr = NULL;
        query->outputs[i].slot = mn_slot_new(block->bind);
    }
    return MN_OK;
}

/* ( query ) with an ORDER BY or LIMIT of its own around: a SELECT * of it. */
static enum mn_status nested_bind(struct mn_block *block, const struct mn_ast_query *ast)
{
    struct mn_ast_column star = {.span = ast->span, .star = true};
    struct mn_ast_columns columns = {.first = &star, .last = &star, .count = 1};
    struct mn_source source = {.kind = MN_SOURCE_QUERY, .span = ast->span};
    struct mn_source *made;
    enum mn_status status = mn_bind_query(block->bind, block, ast, &source.query);

    if (status != MN_OK) return status;
    block->query->form = MN_QUERY_SELECT;
    source.row_id_slot = MN_NO_SLOT;
    source.column_count = source.query->output_count;
    source.columns =
        mn_arena_zalloc(block->bind->arena, (source.column_count + 1) * sizeof *source.columns);
    if (!source.columns) return mn_fail_nomem();
    for (uint32_t i = 0; i < source.column_count; i++) {
        source.columns[i].name = source.query->outputs[i].name;
        source.columns[i].kind = source.query->outputs[i].kind;
        source.columns[i].slot = source.query->outputs[i].slot;
    }
    status = mn_source_add(block, &source, &made);
    if (status == MN_OK) status = mn_bind_outputs(block, &columns);
    if (status == MN_OK) outputs_place(block);
    return status;
}

static enum mn_status body_bind(struct mn_block *block, const struct mn_ast_body *ast,
                                const struct mn_ast_query *around)
{
    switch (ast->kind) {
    case MN_BODY_SELECT: return select_bind(block, &ast->select, around);
    case MN_BODY_VALUES: return values_bind(block, &ast->values);
    case MN_BODY_SET: return set_bind(block, ast);
    case MN_BODY_NESTED: return nested_bind(block, ast->nested);
    }
    return MN_OK;
}

enum mn_status mn_bind_ctes(struct mn_block *block, const struct mn_ast_with *with)
{
    for (const struct mn_ast_cte *cte = with->first; cte; cte = cte->next) {
        struct mn_cte_scope *scope = mn_arena_zalloc(block->bind->arena, sizeof *scope);

        if (!scope) return mn_fail_nomem();
        scope->outer = block->ctes;
        scope->cte = cte;
        scope->block = block;
        scope->recursive = with->recursive;
        block->ctes = scope;
    }
    return MN_OK;
}

enum mn_status mn_bind_query(struct mn_bind *bind, struct mn_block *outer,
                             const struct mn_ast_query *ast, struct mn_query **out)
{
    struct mn_block block;
    enum mn_status status = mn_query_new(bind, out);

    if (status != MN_OK) return status;
    if (++bind->depth > QUERY_DEPTH_MAX) {
        return mn_fail_at(MN_TOOBIG, ast->span.offset, ast->span.length,
                          "more than %d queries inside each other", QUERY_DEPTH_MAX);
    }
    if (++bind->query_count > QUERIES_MAX) {
        mn_fail_at(MN_TOOBIG, ast->span.offset, ast->span.length,
                   "more than %d queries in one statement, each use of a WITH query counted",
                   QUERIES_MAX);
        return mn_hint("keep what is used often in a table");
    }
    mn_block_init(&block, bind, outer, *out);
    (*out)->span = ast->span;
    status = mn_bind_ctes(&block, &ast->with);
    if (status == MN_OK) status = body_bind(&block, ast->body, ast);
    if (status == MN_OK) status = tail_bind(&block, ast);
    bind->depth--;
    if (status != MN_OK) return status;
    if (bind->slot_count > MN_SLOTS_MAX) {
        return mn_fail_at(MN_TOOBIG, ast->span.offset, ast->span.length,
                          "the statement reads more than %d columns", MN_SLOTS_MAX);
    }
    (*out)->outer_args = block.outer_args;
    (*out)->outer_count = (uint32_t)block.outer_count;
    return MN_OK;
}
