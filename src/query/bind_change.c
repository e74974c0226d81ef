/*
 * bind_change: INSERT, UPDATE, DELETE, LINK and UNLINK get their tables, columns and expressions.
 */
#include <stdio.h>
#include <string.h>

#include "query/change.h"
#include "query/parse.h"
#include "query/plan.h"

static enum mn_status change_new(struct mn_bind *bind, enum mn_change_kind kind,
                                 const struct mn_table *table, struct mn_change **out)
{
    struct mn_change *change = mn_arena_zalloc(bind->arena, sizeof *change);
    enum mn_status status;

    *out = change;
    if (!change) return mn_fail_nomem();
    change->kind = kind;
    change->table = table;
    status = mn_query_new(bind, &change->query);
    if (status != MN_OK) return status;
    change->query->form = MN_QUERY_SELECT;
    return mn_rules_new(bind->arena, table, &change->rules);
}

/* An expression for a column: of the column's kind exactly. DEFAULT gives NULL. */
static enum mn_status value_bind(struct mn_block *block, const struct mn_table *table,
                                 uint32_t column, const struct mn_ast_expr *ast,
                                 struct mn_expr **out)
{
    char what[2 * MN_NAME_BYTES_MAX + 16];
    enum mn_status status;

    *out = NULL;
    if (ast->kind == MN_AST_DEFAULT) return MN_OK;
    status = mn_bind_expr(block, "VALUES", ast, out);
    if (status != MN_OK) return status;
    snprintf(what, sizeof what, "column %s of %s", table->columns[column].name, table->name);
    return mn_expr_assign(&block->scope, &table->columns[column].kind, what, out);
}

static enum mn_status sets_bind(struct mn_block *block, struct mn_change *change,
                                const struct mn_ast_sets *sets)
{
    change->sets = mn_arena_zalloc(block->bind->arena, (sets->count + 1) * sizeof *change->sets);
    if (!change->sets) return mn_fail_nomem();
    for (const struct mn_ast_set_item *item = sets->first; item; item = item->next) {
        struct mn_set *set = &change->sets[change->set_count];
        enum mn_status status = mn_bind_column_of(change->table, &item->column, &set->column);

        if (status == MN_OK) {
            status = value_bind(block, change->table, set->column, item->value, &set->value);
        }
        if (status != MN_OK) return status;
        for (uint32_t i = 0; i < change->set_count; i++) {
            if (change->sets[i].column != set->column) continue;
            return mn_fail_at(MN_SCHEMA, item->column.span.offset, item->column.span.length,
                              "column \"%s\" is set twice", item->column.text);
        }
        change->set_count++;
    }
    return MN_OK;
}

/* RETURNING sees the sources up to `sources`. */
static enum mn_status returning_bind(struct mn_block *block, struct mn_change *change,
                                     const struct mn_ast_columns *columns, uint32_t sources)
{
    struct mn_query *query = change->query;
    uint32_t end = block->source_end;
    enum mn_status status;

    change->returning = columns->count > 0;
    block->source_end = sources;
    status = mn_bind_outputs(block, columns);
    block->source_end = end;
    for (uint32_t i = 0; i < query->output_count; i++) {
        query->outputs[i].slot = mn_slot_new(block->bind);
    }
    return status;
}

/* ---- INSERT ---- */

static enum mn_status given_bind(struct mn_bind *bind, struct mn_change *change,
                                 const struct mn_ast_names *names)
{
    const struct mn_table *table = change->table;

    change->given = mn_arena_alloc(bind->arena, (table->column_count + names->count + 1) *
                                                    sizeof *change->given);
    if (!change->given) return mn_fail_nomem();
    for (uint32_t i = 0; names->count == 0 && i < table->column_count; i++) {
        change->given[change->given_count++] = i;
    }
    for (const struct mn_ast_name *name = names->first; name; name = name->next) {
        uint32_t column;
        enum mn_status status = mn_bind_column_of(table, &name->name, &column);

        if (status != MN_OK) return status;
        for (uint32_t i = 0; i < change->given_count; i++) {
            if (change->given[i] != column) continue;
            return mn_fail_at(MN_SCHEMA, name->name.span.offset, name->name.span.length,
                              "column \"%s\" is named twice", name->name.text);
        }
        change->given[change->given_count++] = column;
    }
    return MN_OK;
}

static enum mn_status width_check(struct mn_change *change, uint32_t width, struct mn_span span,
                                  bool named)
{
    if (width == change->given_count) return MN_OK;
    if (!named && width < change->given_count) {
        mn_fail_at(MN_SCHEMA, span.offset, span.length, "%s has %u columns, %u values are given",
                   change->table->name, change->given_count, width);
        return mn_hint("name the columns: INSERT INTO %s (...)", change->table->name);
    }
    return mn_fail_at(MN_SCHEMA, span.offset, span.length, "%u values for %u columns", width,
                      change->given_count);
}

static enum mn_status values_bind(struct mn_block *block, struct mn_change *change,
                                  const struct mn_ast_rows *rows, bool named)
{
    uint32_t at = 0;

    change->row_count = rows->count;
    change->exprs =
        mn_arena_zalloc(block->bind->arena,
                        ((size_t)rows->count * change->given_count + 1) * sizeof(struct mn_expr *));
    if (!change->exprs) return mn_fail_nomem();
    for (const struct mn_ast_row *row = rows->first; row; row = row->next) {
        enum mn_status status = width_check(change, row->values.count, row->span, named);
        uint32_t i = 0;

        if (status != MN_OK) return status;
        for (const struct mn_ast_expr *value = row->values.first; value; value = value->next) {
            status =
                value_bind(block, change->table, change->given[i++], value, &change->exprs[at++]);
            if (status != MN_OK) return status;
        }
    }
    return MN_OK;
}

static enum mn_status input_bind(struct mn_block *block, struct mn_change *change,
                                 const struct mn_ast_query *ast, bool named)
{
    struct mn_bind *bind = block->bind;
    char what[2 * MN_NAME_BYTES_MAX + 16];
    enum mn_status status = mn_bind_query(bind, block, ast, &change->input);

    if (status == MN_OK) {
        status = width_check(change, change->input->output_count, ast->span, named);
    }
    if (status != MN_OK) return status;
    change->exprs =
        mn_arena_zalloc(bind->arena, (change->given_count + 1) * sizeof(struct mn_expr *));
    if (!change->exprs) return mn_fail_nomem();
    for (uint32_t i = 0; i < change->given_count; i++) {
        struct mn_output *output = &change->input->outputs[i];
        const struct mn_column *column = &change->table->columns[change->given[i]];
        bool direct = output->expr && output->expr->literal;

        snprintf(what, sizeof what, "column %s of %s", column->name, change->table->name);
        if (direct) { /* a literal becomes what the column needs where it stands */
            status = mn_expr_assign(&block->scope, &column->kind, what, &output->expr);
            if (status != MN_OK) return status;
            output->kind = output->expr->kind;
        }
        change->exprs[i] = mn_expr_slot(bind->arena, output->slot, &output->kind, output->span);
        if (!change->exprs[i]) return mn_fail_nomem();
        status = mn_expr_assign(&block->scope, &column->kind, what, &change->exprs[i]);
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

static bool index_has_columns(const struct mn_index *index, const struct mn_ast_names *names)
{
    if (!index->unique || index->column_count != names->count) return false;
    for (const struct mn_ast_name *name = names->first; name; name = name->next) {
        bool found = false;

        for (uint32_t i = 0; i < index->column_count; i++) {
            const char *column = index->table->columns[index->columns[i].column].name;

            found = found || strcmp(column, name->name.text) == 0;
        }
        if (!found) return false;
    }
    return true;
}

/* (src, dst) of a relation and the INT PRIMARY KEY are unique without an index. */
static bool names_are_key(const struct mn_table *table, const struct mn_ast_names *names)
{
    const char *first = names->first ? names->first->name.text : "";

    if (table->relation && !table->multi && names->count == 2) {
        const char *second = names->first->next->name.text;

        return (strcmp(first, "src") == 0 && strcmp(second, "dst") == 0) ||
               (strcmp(first, "dst") == 0 && strcmp(second, "src") == 0);
    }
    return table->row_id_column >= 0 && names->count == 1 &&
           strcmp(first, table->columns[table->row_id_column].name) == 0;
}

static enum mn_status target_bind(struct mn_change *change, const struct mn_ast_insert *ast)
{
    const struct mn_table *table = change->table;
    const struct mn_ast_names *names = &ast->conflict_target;

    if (names->count == 0) {
        if (ast->conflict == MN_CONFLICT_NOTHING) {
            change->conflict_any = true;
            return MN_OK;
        }
        return mn_fail_at(MN_SCHEMA, ast->table.span.offset, ast->table.span.length,
                          "ON CONFLICT DO UPDATE needs the columns: ON CONFLICT (id) DO UPDATE");
    }
    for (const struct mn_ast_name *name = names->first; name; name = name->next) {
        uint32_t column;
        enum mn_status status = mn_bind_column_of(table, &name->name, &column);

        if (status != MN_OK) return status;
    }
    if (names_are_key(table, names)) return MN_OK;
    for (uint32_t i = 0; i < table->index_count; i++) {
        if (!index_has_columns(&table->indexes[i], names)) continue;
        change->conflict_index = &table->indexes[i];
        return MN_OK;
    }
    return mn_fail_at(MN_SCHEMA, names->span.offset, names->span.length,
                      "no PRIMARY KEY or UNIQUE of %s has these columns", table->name);
}

static bool column_given(const struct mn_change *change, uint32_t column)
{
    for (uint32_t i = 0; i < change->given_count; i++) {
        if (change->given[i] == column) return true;
    }
    return false;
}

/* UPSERT: the key must be given; a row that is there gets the other columns that are given. */
static enum mn_status upsert_bind(struct mn_change *change, struct mn_span span)
{
    const struct mn_table *table = change->table;

    change->upsert = true;
    change->conflict = MN_CONFLICT_UPDATE;
    change->conflict_index = table->primary;
    for (uint32_t i = 0; i < table->column_count; i++) {
        bool key = table->columns[i].primary || (table->relation && i < 2);

        if (!key || column_given(change, i)) continue;
        return mn_fail_at(MN_SCHEMA, span.offset, span.length,
                          "UPSERT needs the key column \"%s\" of %s", table->columns[i].name,
                          table->name);
    }
    if (table->row_id_column < 0 && !table->primary && !table->relation) {
        mn_fail_at(MN_SCHEMA, span.offset, span.length, "UPSERT needs a PRIMARY KEY, %s has none",
                   table->name);
        return mn_hint("use INSERT");
    }
    return MN_OK;
}

static enum mn_status conflict_bind(struct mn_block *block, struct mn_change *change,
                                    const struct mn_ast_insert *ast)
{
    enum mn_status status;

    if (ast->upsert) return upsert_bind(change, ast->table.span);
    change->conflict = ast->conflict;
    if (ast->conflict == MN_CONFLICT_NONE) return MN_OK;
    status = target_bind(change, ast);
    if (status != MN_OK || ast->conflict != MN_CONFLICT_UPDATE) return status;
    status = mn_source_table(block, change->table, "excluded", ast->table.span, &change->excluded);
    if (status == MN_OK) status = sets_bind(block, change, &ast->conflict_sets);
    if (status == MN_OK && ast->conflict_where) {
        status = mn_bind_condition(block, "WHERE", ast->conflict_where, &change->conflict_where);
    }
    return status;
}

enum mn_status mn_bind_insert(struct mn_bind *bind, const struct mn_ast_insert *ast,
                              struct mn_change **out)
{
    const struct mn_table *table;
    struct mn_change *change;
    struct mn_block outer, block;
    struct mn_query *none;
    bool named = ast->columns.count > 0;
    enum mn_status status = mn_bind_table(bind, &ast->table, &table);

    if (status == MN_OK) status = change_new(bind, MN_CHANGE_INSERT, table, &change);
    if (status == MN_OK) status = mn_query_new(bind, &none);
    if (status != MN_OK) return status;
    mn_block_init(&outer, bind, NULL, none);
    mn_block_init(&block, bind, &outer, change->query);
    status = mn_bind_ctes(&outer, &ast->with);
    if (status == MN_OK) status = given_bind(bind, change, &ast->columns);
    if (status != MN_OK) return status;
    if (!ast->source) { /* DEFAULT VALUES */
        change->given_count = 0;
        change->row_count = 1;
    } else if (ast->source->body->kind == MN_BODY_VALUES && ast->source->order.count == 0 &&
               !ast->source->limit && !ast->source->offset && ast->source->with.count == 0) {
        status = values_bind(&outer, change, &ast->source->body->values, named);
    } else {
        status = input_bind(&outer, change, ast->source, named);
    }
    change->gather = change->exprs && !change->input && bind->subqueries;
    if (status == MN_OK) {
        status = mn_source_table(&block, table, NULL, ast->table.span, &change->target);
    }
    if (status == MN_OK) status = conflict_bind(&block, change, ast);
    if (status == MN_OK) status = returning_bind(&block, change, &ast->returning, 1);
    if (status == MN_OK) change->span = ast->table.span;
    *out = change;
    return status;
}

/* ---- UPDATE, DELETE ---- */

struct row_change {
    const struct mn_name *table, *alias;
    const struct mn_ast_with *with;
    const struct mn_ast_refs *others;
    const struct mn_ast_expr *where;
    const struct mn_ast_columns *returning;
    const struct mn_ast_sets *sets;
};

static enum mn_status row_change_bind(struct mn_bind *bind, enum mn_change_kind kind,
                                      const struct row_change *ast, struct mn_change **out)
{
    const struct mn_table *table;
    struct mn_change *change;
    struct mn_block outer, block;
    struct mn_query *none;
    enum mn_status status = mn_bind_table(bind, ast->table, &table);

    if (status == MN_OK) status = change_new(bind, kind, table, &change);
    if (status == MN_OK) status = mn_query_new(bind, &none);
    if (status != MN_OK) return status;
    mn_block_init(&outer, bind, NULL, none);
    mn_block_init(&block, bind, &outer, change->query);
    status = mn_bind_ctes(&outer, ast->with);
    if (status == MN_OK) {
        status =
            mn_source_table(&block, table, ast->alias->text, ast->table->span, &change->target);
    }
    if (status == MN_OK) status = mn_bind_from(&block, ast->others);
    if (status == MN_OK && ast->where) {
        status = mn_bind_condition(&block, "WHERE", ast->where, &change->query->where);
    }
    if (status == MN_OK && ast->sets) status = sets_bind(&block, change, ast->sets);
    if (status == MN_OK) {
        status = returning_bind(&block, change, ast->returning, change->query->source_count);
    }
    if (status != MN_OK) return status;
    change->span = ast->table->span;
    change->joined = change->query->source_count > 1;
    mn_source_row_id_slot(bind, change->target);
    *out = change;
    return MN_OK;
}

enum mn_status mn_bind_update(struct mn_bind *bind, const struct mn_ast_update *ast,
                              struct mn_change **change)
{
    struct row_change of = {.table = &ast->table,
                            .alias = &ast->alias,
                            .with = &ast->with,
                            .others = &ast->from,
                            .where = ast->where,
                            .returning = &ast->returning,
                            .sets = &ast->sets};

    return row_change_bind(bind, MN_CHANGE_UPDATE, &of, change);
}

enum mn_status mn_bind_delete(struct mn_bind *bind, const struct mn_ast_delete *ast,
                              struct mn_change **change)
{
    struct row_change of = {.table = &ast->table,
                            .alias = &ast->alias,
                            .with = &ast->with,
                            .others = &ast->using,
                            .where = ast->where,
                            .returning = &ast->returning};

    return row_change_bind(bind, MN_CHANGE_DELETE, &of, change);
}

/* ---- LINK, UNLINK ---- */

static enum mn_status relation_check(const struct mn_table *table, const struct mn_name *name)
{
    if (table->relation) return MN_OK;
    mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "%s is a table, not a relation",
               table->name);
    return mn_hint("relations are made by CREATE RELATION ... FROM ... TO ...");
}

enum mn_status mn_bind_link(struct mn_bind *bind, const struct mn_ast_link *ast,
                            struct mn_change **out)
{
    const struct mn_table *table;
    struct mn_change *change;
    struct mn_block outer, block;
    struct mn_query *none;
    uint32_t at = 2;
    enum mn_status status = mn_bind_table(bind, &ast->relation, &table);

    if (status == MN_OK) status = relation_check(table, &ast->relation);
    if (status == MN_OK) status = change_new(bind, MN_CHANGE_INSERT, table, &change);
    if (status == MN_OK) status = mn_query_new(bind, &none);
    if (status != MN_OK) return status;
    mn_block_init(&outer, bind, NULL, none);
    mn_block_init(&block, bind, NULL, change->query);
    change->row_count = 1;
    change->given_count = 2 + ast->sets.count;
    change->given = mn_arena_zalloc(bind->arena, change->given_count * sizeof *change->given);
    change->exprs = mn_arena_zalloc(bind->arena, change->given_count * sizeof(struct mn_expr *));
    if (!change->given || !change->exprs) return mn_fail_nomem();
    change->given[1] = 1;
    status = value_bind(&outer, table, 0, ast->from, &change->exprs[0]);
    if (status == MN_OK) status = value_bind(&outer, table, 1, ast->to, &change->exprs[1]);
    for (const struct mn_ast_set_item *item = ast->sets.first; item && status == MN_OK;
         item = item->next, at++) {
        status = mn_bind_column_of(table, &item->column, &change->given[at]);
        if (status != MN_OK) return status;
        for (uint32_t i = 0; i < at; i++) {
            if (change->given[i] == change->given[at]) {
                return mn_fail_at(MN_SCHEMA, item->column.span.offset, item->column.span.length,
                                  "column \"%s\" is set twice", item->column.text);
            }
        }
        status = value_bind(&outer, table, change->given[at], item->value, &change->exprs[at]);
    }
    if (status == MN_OK && !table->multi) status = upsert_bind(change, ast->relation.span);
    if (status == MN_OK) {
        status = mn_source_table(&block, table, NULL, ast->relation.span, &change->target);
    }
    if (status == MN_OK) status = returning_bind(&block, change, &ast->returning, 1);
    if (status == MN_OK) change->span = ast->relation.span;
    *out = change;
    return status;
}

static struct mn_ast_expr *end_test(struct mn_bind *bind, const char *column,
                                    struct mn_ast_expr *value)
{
    struct mn_ast_expr *name = mn_arena_zalloc(bind->arena, sizeof *name);
    struct mn_ast_expr *test = mn_arena_zalloc(bind->arena, sizeof *test);

    if (!name || !test) return NULL;
    name->kind = MN_AST_COLUMN;
    name->depth = 1;
    name->span = value->span;
    name->column.name = (struct mn_name){.text = column, .length = 3, .span = value->span};
    test->kind = MN_AST_BINARY;
    test->depth = (uint16_t)(value->depth + 1);
    test->span = value->span;
    test->binary.op = MN_OP_EQ;
    test->binary.op_span = value->span;
    test->binary.left = name;
    test->binary.right = value;
    return test;
}

/* UNLINK a FROM b AS r is DELETE FROM r WHERE src = a AND dst = b. */
enum mn_status mn_bind_unlink(struct mn_bind *bind, const struct mn_ast_link *ast,
                              struct mn_change **change)
{
    static const struct mn_name no_alias;
    static const struct mn_ast_with no_with;
    static const struct mn_ast_refs no_refs;
    struct mn_ast_expr *where = mn_arena_zalloc(bind->arena, sizeof *where);
    struct row_change of = {.table = &ast->relation,
                            .alias = &no_alias,
                            .with = &no_with,
                            .others = &no_refs,
                            .where = where,
                            .returning = &ast->returning};
    const struct mn_table *table;
    enum mn_status status = mn_bind_table(bind, &ast->relation, &table);

    if (status == MN_OK) status = relation_check(table, &ast->relation);
    if (status != MN_OK) return status;
    if (!where) return mn_fail_nomem();
    where->kind = MN_AST_BINARY;
    where->depth = 3;
    where->span = ast->from->span;
    where->binary.op = MN_OP_AND;
    where->binary.left = end_test(bind, "src", ast->from);
    where->binary.right = end_test(bind, "dst", ast->to);
    if (!where->binary.left || !where->binary.right) return mn_fail_nomem();
    return row_change_bind(bind, MN_CHANGE_DELETE, &of, change);
}
