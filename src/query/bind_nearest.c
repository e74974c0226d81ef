/*
 * bind_nearest: NEAREST, and ORDER BY a distance, while a SELECT is bound.
 *
 * Both mean one search over the rows of FROM and WHERE, and both give the SELECT its
 * pseudo-columns. ORDER BY is recognised by what it says: one key, a vector column and a distance
 * operator, or the alias or the ordinal of such an output.
 */
#include <string.h>

#include "query/match.h"
#include "query/nearest.h"
#include "query/parse.h"

/* Binds an expression that has one value for the whole search: it sees no columns of this SELECT.
 */
static enum mn_status fixed_bind(struct mn_block *block, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    uint32_t first = block->first_source, end = block->source_end;
    struct mn_source *pseudo = block->pseudo;

    block->first_source = block->source_end = 0;
    block->pseudo = NULL;
    enum mn_status status = mn_bind_expr(block, "NEAREST", ast, out);
    block->first_source = first;
    block->source_end = end;
    block->pseudo = pseudo;
    return status;
}

static enum mn_status number_bind(struct mn_block *block, const struct mn_ast_expr *ast,
                                  enum mn_type type, struct mn_expr **out)
{
    struct mn_kind kind = {.type = (uint8_t)type};
    enum mn_status status = fixed_bind(block, ast, out);

    return status == MN_OK ? mn_expr_assign(&block->scope, &kind, "NEAREST", out) : status;
}

/* ---- which column ---- */

static enum mn_status column_only(struct mn_block *block, struct mn_span span,
                                  struct mn_source **source, uint32_t *column)
{
    const struct mn_query *query = block->query;
    uint32_t count = 0;

    for (uint32_t i = block->first_source; i < block->source_end; i++) {
        for (uint32_t c = 0; c < query->sources[i]->column_count; c++) {
            const struct mn_source_column *of = &query->sources[i]->columns[c];

            if (of->kind.type != MN_TYPE_VECTOR || !of->name[0]) continue;
            *source = query->sources[i];
            *column = c;
            count++;
        }
    }
    if (count == 1) return MN_OK;
    mn_fail_at(MN_SCHEMA, span.offset, span.length,
               count ? "NEAREST could mean any of %u VECTOR columns" : "no VECTOR column in FROM",
               count);
    return count ? mn_hint("name one: NEAREST k BY column TO vector") : MN_SCHEMA;
}

static enum mn_status target_find(struct mn_block *block, const struct mn_ast_target *target,
                                  struct mn_source **source, uint32_t *column)
{
    const struct mn_source_column *of;

    if (!target->column.text) return column_only(block, target->span, source, column);
    enum mn_status status = mn_bind_field(block, &target->table, &target->column, source, column);
    if (status != MN_OK) return status;
    of = &(*source)->columns[*column];
    if (of->kind.type == MN_TYPE_VECTOR) return MN_OK;
    if (of->kind.type == MN_TYPE_TEXT) return mn_comes_later(target->span, "NEAREST to a text");
    return mn_fail_at(MN_TYPE, target->column.span.offset, target->column.span.length,
                      "\"%s\" is %s: NEAREST searches a VECTOR", target->column.text,
                      mn_type_name(of->kind.type));
}

/* The table and its column behind a source's column; NULL for rows of a subquery. */
static const struct mn_table *column_table(const struct mn_source *source, uint32_t column,
                                           uint32_t *table_column)
{
    *table_column = column;
    if (source->kind == MN_SOURCE_TABLE) return source->table;
    if (source->make != mn_match_make) return NULL;
    const struct mn_match *match = source->own;
    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *element = &match->elements[i];

        if (column < element->first_column) continue;
        if (column >= element->first_column + element->column_count) continue;
        *table_column = element->column_of[column - element->first_column];
        return element->edge ? element->relations[0] : element->table;
    }
    return NULL;
}

/* ---- metric ---- */

static enum mn_status metric_of_indexes(const struct mn_table *table, uint32_t column,
                                        struct mn_span span, enum mn_metric *metric)
{
    bool any = false;

    *metric = MN_METRIC_COSINE;
    for (uint32_t i = 0; table && i < table->index_count; i++) {
        const struct mn_index *index = &table->indexes[i];
        const struct mn_value *option = mn_index_option(index, "metric");
        enum mn_metric is = MN_METRIC_COSINE;

        if (index->kind != MN_INDEX_VECTOR || index->columns[0].column != column) continue;
        if (option && option->type == MN_TYPE_TEXT) {
            enum mn_status status = mn_metric_parse(option->p, option->size, &is);
            if (status != MN_OK) return status;
        }
        if (any && is != *metric) {
            mn_fail_at(MN_SCHEMA, span.offset, span.length, "%s has vector indexes of two metrics",
                       table->columns[column].name);
            return mn_hint("write METRIC cosine, l2 or dot");
        }
        *metric = is;
        any = true;
    }
    return MN_OK;
}

static enum mn_status metric_bind(const struct mn_ast_nearest *ast,
                                  const struct mn_nearest *nearest, enum mn_metric *metric)
{
    uint32_t column;
    const struct mn_table *table = column_table(nearest->source, nearest->column, &column);

    if (!ast->metric.text) return metric_of_indexes(table, column, ast->span, metric);
    enum mn_status status = mn_metric_parse(ast->metric.text, ast->metric.length, metric);
    if (status != MN_OK) mn_place(ast->metric.span.offset, ast->metric.span.length);
    return status;
}

/* ---- ties, pseudo-columns ---- */

static enum mn_status tie_add(struct mn_block *block, struct mn_nearest *nearest, uint32_t slot,
                              const struct mn_kind *kind)
{
    struct mn_expr *tie = mn_expr_slot(block->bind->arena, slot, kind, nearest->spec.to->span);

    if (!tie) return mn_fail_nomem();
    nearest->ties[nearest->tie_count++] = tie;
    return MN_OK;
}

/* Equal distances are ordered by the primary key of the row that has the vector. */
static enum mn_status ties_bind(struct mn_block *block, struct mn_nearest *nearest)
{
    struct mn_kind row_id = {.type = MN_TYPE_INT};
    struct mn_source *source = nearest->source;
    uint32_t of;
    const struct mn_table *table = column_table(source, nearest->column, &of);
    uint32_t first = nearest->column - of; /* where the columns of that table begin */
    uint32_t count = table && table->primary ? table->primary->column_count : 1;
    enum mn_status status = MN_OK;

    nearest->ties = mn_arena_zalloc(block->bind->arena, count * sizeof(struct mn_expr *));
    if (!nearest->ties) return mn_fail_nomem();
    if (!table || table->relation) return MN_OK;
    if (!table->primary) {
        uint32_t slot = source->kind == MN_SOURCE_TABLE
                            ? mn_source_row_id_slot(block->bind, source)
                            : mn_match_row_id_slot(source, nearest->column);
        return tie_add(block, nearest, slot, &row_id);
    }
    for (uint32_t i = 0; i < count && status == MN_OK; i++) {
        uint32_t column = first + table->primary->columns[i].column;

        status = tie_add(block, nearest, mn_source_slot(block->bind, source, column),
                         &source->columns[column].kind);
    }
    return status;
}

static enum mn_status pseudo_make(struct mn_block *block, struct mn_nearest *nearest)
{
    static const char *const names[MN_PSEUDO_COUNT] = {"distance", "similarity", "rank", "score"};
    struct mn_arena *arena = block->bind->arena;
    struct mn_source *pseudo = mn_arena_zalloc(arena, sizeof *pseudo);
    const struct mn_source_column *searched = &nearest->source->columns[nearest->column];

    if (!pseudo) return mn_fail_nomem();
    pseudo->columns = mn_arena_zalloc(arena, MN_PSEUDO_COUNT * sizeof *pseudo->columns);
    if (!pseudo->columns) return mn_fail_nomem();
    pseudo->kind = MN_SOURCE_OTHER;
    pseudo->alias = searched->of ? searched->of : nearest->source->alias;
    pseudo->row_id_slot = MN_NO_SLOT;
    pseudo->column_count = MN_PSEUDO_COUNT;
    for (uint32_t i = 0; i < MN_PSEUDO_COUNT; i++) {
        pseudo->columns[i].name = names[i];
        pseudo->columns[i].kind.type = i == MN_PSEUDO_RANK ? MN_TYPE_INT : MN_TYPE_FLOAT;
        pseudo->columns[i].slot = MN_NO_SLOT;
    }
    nearest->pseudo = block->pseudo = pseudo;
    return MN_OK;
}

/* Binds the query vector to the column's dimensions, and what both forms have. */
static enum mn_status search_bind(struct mn_block *block, struct mn_nearest *nearest,
                                  const struct mn_ast_expr *to)
{
    struct mn_bind *bind = block->bind;
    struct mn_source *source = nearest->source;
    struct mn_source_column *column = &source->columns[nearest->column];
    enum mn_status status = fixed_bind(block, to, &nearest->spec.to);

    if (status == MN_OK) {
        status = mn_expr_assign(&block->scope, &column->kind, column->name, &nearest->spec.to);
    }
    if (status != MN_OK) return status;
    nearest->vector = mn_expr_slot(bind->arena, mn_source_slot(bind, source, nearest->column),
                                   &column->kind, to->span);
    if (!nearest->vector) return mn_fail_nomem();
    if (source->kind == MN_SOURCE_TABLE) mn_source_row_id_slot(bind, source);
    status = ties_bind(block, nearest);
    if (status == MN_OK) status = pseudo_make(block, nearest);
    block->query->nearest = nearest;
    return status;
}

/* ---- NEAREST ---- */

static enum mn_status later_parts(const struct mn_ast_nearest *ast)
{
    if (ast->target_count > 1) return mn_comes_later(ast->span, "NEAREST by several targets");
    if (ast->fuse.text) return mn_comes_later(ast->fuse.span, "FUSE");
    if (ast->first->weight) return mn_comes_later(ast->first->weight->span, "WEIGHT");
    return MN_OK;
}

static enum mn_status clause_bind(struct mn_block *block, const struct mn_ast_nearest *ast,
                                  struct mn_nearest *nearest)
{
    struct mn_nearest_spec *spec = &nearest->spec;
    enum mn_status status = later_parts(ast);

    if (status == MN_OK) {
        status = target_find(block, ast->first, &nearest->source, &nearest->column);
    }
    if (status == MN_OK) status = metric_bind(ast, nearest, &spec->metric);
    if (status == MN_OK) status = number_bind(block, ast->k, MN_TYPE_INT, &spec->k);
    if (status == MN_OK && ast->within) {
        status = number_bind(block, ast->within, MN_TYPE_FLOAT, &spec->within);
    }
    if (status == MN_OK && ast->effort) {
        status = number_bind(block, ast->effort, MN_TYPE_INT, &spec->effort);
    }
    spec->exact = ast->exact;
    return status == MN_OK ? search_bind(block, nearest, ast->first->to) : status;
}

/* ---- ORDER BY a distance ---- */

static bool is_one(const struct mn_ast_expr *ast)
{
    return ast->kind == MN_AST_LITERAL && ast->literal.type == MN_TYPE_INT && ast->literal.i == 1;
}

/* What the one key of ORDER BY stands for: itself, or the output of that alias or ordinal. */
static const struct mn_ast_expr *key_expr(const struct mn_block *block,
                                          const struct mn_ast_sort *sort)
{
    const struct mn_ast_expr *key = sort->expr;
    int64_t place = 1;

    for (const struct mn_ast_column *column = block->ast->columns.first; column;
         column = column->next, place++) {
        if (column->star) {
            if (key->kind == MN_AST_LITERAL) return key; /* ordinals behind a star shift */
            continue;
        }
        if (key->kind == MN_AST_LITERAL && key->literal.type == MN_TYPE_INT) {
            if (key->literal.i == place) return column->expr;
        } else if (key->kind == MN_AST_COLUMN && !key->column.table.text && column->alias.text &&
                   strcmp(column->alias.text, key->column.name.text) == 0) {
            return column->expr;
        }
    }
    return key;
}

/* The distance by which rows are ordered, nearest first; NULL: none. */
static const struct mn_ast_expr *order_distance(const struct mn_block *block,
                                                const struct mn_ast_query *around)
{
    const struct mn_ast_sort *sort = around->order.first;
    const struct mn_ast_expr *key;

    if (around->order.count != 1 || sort->nulls == MN_NULLS_FIRST) return NULL;
    key = key_expr(block, sort);
    if (key->kind == MN_AST_BINARY && key->binary.op == MN_OP_SUB && is_one(key->binary.left)) {
        key = sort->descending ? key->binary.right : NULL;
    } else if (sort->descending) {
        key = NULL;
    }
    if (!key || key->kind != MN_AST_BINARY || key->binary.op != MN_OP_DISTANCE) return NULL;
    return key;
}

/* A VECTOR column of this SELECT, named by ast. */
static bool column_named(struct mn_block *block, const struct mn_ast_expr *ast,
                         struct mn_nearest *nearest)
{
    if (ast->kind != MN_AST_COLUMN) return false;
    if (mn_bind_field(block, &ast->column.table, &ast->column.name, &nearest->source,
                      &nearest->column) != MN_OK) {
        mn_error_clear();
        return false;
    }
    return nearest->source->columns[nearest->column].kind.type == MN_TYPE_VECTOR;
}

struct own_columns {
    struct mn_block *block;
    bool any;
};

static enum mn_status own_column_visit(void *context, struct mn_ast_expr *ast)
{
    struct own_columns *walk = context;
    struct mn_source *source;
    uint32_t column;

    if (ast->kind == MN_AST_COLUMN) {
        if (mn_bind_field(walk->block, &ast->column.table, &ast->column.name, &source, &column) ==
            MN_OK) {
            walk->any = true;
        } else {
            mn_error_clear();
        }
    }
    return mn_ast_children(ast, own_column_visit, walk);
}

/* Whether an expression reads columns of this SELECT, so that it is another for each row. */
static bool reads_own_columns(struct mn_block *block, struct mn_ast_expr *ast)
{
    struct own_columns walk = {block, false};

    own_column_visit(&walk, ast);
    return walk.any;
}

static enum mn_status order_bind(struct mn_block *block, const struct mn_ast_expr *distance,
                                 struct mn_nearest *nearest)
{
    struct mn_ast_expr *left = distance->binary.left, *right = distance->binary.right;
    struct mn_ast_expr *to = right;

    if (!column_named(block, left, nearest) || reads_own_columns(block, right)) {
        if (!column_named(block, right, nearest) || reads_own_columns(block, left)) return MN_OK;
        to = left;
    }
    nearest->spec.metric = distance->binary.metric;
    nearest->spec.order_by = true;
    return search_bind(block, nearest, to);
}

enum mn_status mn_bind_nearest(struct mn_block *block, const struct mn_ast_query *query)
{
    const struct mn_ast_nearest *ast = block->ast->nearest;
    const struct mn_ast_expr *distance;
    struct mn_nearest *nearest;
    bool plain = block->ast->group.count == 0 && !block->ast->group_all && !block->ast->latest &&
                 !block->ast->distinct && !block->ast->having;

    distance = plain && !ast ? order_distance(block, query) : NULL;
    if (!ast && !distance) return MN_OK;
    nearest = mn_arena_zalloc(block->bind->arena, sizeof *nearest);
    if (!nearest) return mn_fail_nomem();
    return ast ? clause_bind(block, ast, nearest) : order_bind(block, distance, nearest);
}
