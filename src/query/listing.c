/*
 * listing: what the database holds, as rows: tables(), columns('t'), indexes(), relations().
 */
#include "query/listing.h"

#include <string.h>

#include "btree/tree.h"
#include "index/vector/ann.h"
#include "query/ddl_text.h"

#define KIND(t) \
    { \
        .type = (t) \
    }

static const struct mn_listing_column table_columns[] = {
    {"name", KIND(MN_TYPE_TEXT)}, {"rows", KIND(MN_TYPE_INT)}, {"sql", KIND(MN_TYPE_TEXT)}};

static const struct mn_listing_column relation_columns[] = {
    {"name", KIND(MN_TYPE_TEXT)},  {"from", KIND(MN_TYPE_TEXT)}, {"to", KIND(MN_TYPE_TEXT)},
    {"multi", KIND(MN_TYPE_BOOL)}, {"rows", KIND(MN_TYPE_INT)},  {"sql", KIND(MN_TYPE_TEXT)}};

static const struct mn_listing_column index_columns[] = {
    {"name", KIND(MN_TYPE_TEXT)},   {"table", KIND(MN_TYPE_TEXT)},   {"method", KIND(MN_TYPE_TEXT)},
    {"unique", KIND(MN_TYPE_BOOL)}, {"columns", KIND(MN_TYPE_TEXT)}, {"entries", KIND(MN_TYPE_INT)},
    {"sql", KIND(MN_TYPE_TEXT)}};

static const struct mn_listing_column column_columns[] = {{"name", KIND(MN_TYPE_TEXT)},
                                                          {"type", KIND(MN_TYPE_TEXT)},
                                                          {"not_null", KIND(MN_TYPE_BOOL)},
                                                          {"primary_key", KIND(MN_TYPE_BOOL)},
                                                          {"default", KIND(MN_TYPE_TEXT)}};

enum { LIST_TABLES, LIST_RELATIONS, LIST_INDEXES, LIST_COLUMNS, LISTINGS };

static const struct mn_listing listings[LISTINGS] = {
    [LIST_TABLES] = {"tables", 0, 3, table_columns},
    [LIST_RELATIONS] = {"relations", 0, 6, relation_columns},
    [LIST_INDEXES] = {"indexes", 0, 7, index_columns},
    [LIST_COLUMNS] = {"columns", 1, 5, column_columns},
};

const struct mn_listing *mn_listing_find(const char *function)
{
    for (int i = 0; i < LISTINGS; i++) {
        if (strcmp(listings[i].function, function) == 0) return &listings[i];
    }
    return NULL;
}

const char *mn_listing_name(uint32_t index)
{
    return index < LISTINGS ? listings[index].function : NULL;
}

struct lister {
    struct mn_view *view;
    struct mn_arena *arena;
    struct mn_buf text;
};

static enum mn_status text_value(struct lister *l, const char *text, struct mn_value *out)
{
    size_t length = text ? strlen(text) : 0;

    *out = mn_null();
    if (!text) return MN_OK;
    const char *copy = mn_arena_text(l->arena, text, length);
    if (!copy) return mn_fail_nomem();
    *out = mn_text(copy, length);
    return MN_OK;
}

/* What was collected in l->text; NULL where that is nothing. */
static enum mn_status collected_value(struct lister *l, struct mn_value *out)
{
    enum mn_status status = mn_buf_byte(&l->text, 0);

    if (!status) status = text_value(l, l->text.len > 1 ? (const char *)l->text.data : NULL, out);
    l->text.len = 0;
    return status;
}

static enum mn_status count_value(struct lister *l, uint64_t tree, struct mn_value *out)
{
    uint64_t entries = 0;
    enum mn_status status = mn_tree_count(l->view, tree, &entries);

    *out = mn_int((int64_t)entries);
    return status;
}

static enum mn_status table_row(struct lister *l, const struct mn_table *table,
                                struct mn_value *row)
{
    enum mn_status status = text_value(l, table->name, &row[0]);

    if (!status) status = count_value(l, table->tree, &row[1]);
    if (!status) status = mn_ddl_table(table, &l->text);
    return status ? status : collected_value(l, &row[2]);
}

static enum mn_status relation_row(struct lister *l, const struct mn_table *table,
                                   struct mn_value *row)
{
    enum mn_status status = text_value(l, table->name, &row[0]);

    if (!status) status = text_value(l, table->from->name, &row[1]);
    if (!status) status = text_value(l, table->to->name, &row[2]);
    row[3] = mn_bool(table->multi);
    if (!status) status = count_value(l, table->tree, &row[4]);
    if (!status) status = mn_ddl_table(table, &l->text);
    return status ? status : collected_value(l, &row[5]);
}

static enum mn_status index_row(struct lister *l, const struct mn_index *index,
                                struct mn_value *row)
{
    enum mn_status status = text_value(l, index->name, &row[0]);

    if (!status) status = text_value(l, index->table->name, &row[1]);
    if (!status)
        status = text_value(l, index->kind == MN_INDEX_VECTOR ? "vector" : "btree", &row[2]);
    row[3] = mn_bool(index->unique);
    for (uint32_t i = 0; i < index->column_count && !status; i++) {
        if (i > 0) status = mn_buf_text(&l->text, ", ");
        if (!status) {
            status = mn_buf_text(&l->text, index->table->columns[index->columns[i].column].name);
        }
    }
    if (!status) status = collected_value(l, &row[4]);
    row[5] = mn_null();
    if (!status && index->kind == MN_INDEX_BTREE) status = count_value(l, index->tree, &row[5]);
    if (!status && mn_index_is_coded(index)) {
        struct mn_ann ann;
        uint64_t codes = 0;

        status = mn_ann_init(&ann, l->view, index);
        if (!status) status = mn_ann_count(&ann, &codes);
        row[5] = mn_int((int64_t)codes);
    }
    if (!status) status = mn_ddl_index(index, &l->text);
    return status ? status : collected_value(l, &row[6]);
}

static enum mn_status column_row(struct lister *l, const struct mn_column *column,
                                 struct mn_value *row)
{
    char kind[32];
    enum mn_status status = text_value(l, column->name, &row[0]);

    if (!status) status = text_value(l, mn_kind_name(&column->kind, kind), &row[1]);
    row[2] = mn_bool(column->not_null);
    row[3] = mn_bool(column->primary);
    return status ? status : text_value(l, column->default_text, &row[4]);
}

static enum mn_status tables_list(struct lister *l, const struct mn_schema *schema, bool relations,
                                  struct mn_listing_rows *rows)
{
    uint32_t width = listings[relations ? LIST_RELATIONS : LIST_TABLES].column_count;
    enum mn_status status = MN_OK;

    rows->values =
        mn_arena_zalloc(l->arena, (schema->table_count + 1) * width * sizeof *rows->values);
    if (!rows->values) return mn_fail_nomem();
    for (uint32_t i = 0; i < schema->table_count && !status; i++) {
        const struct mn_table *table = &schema->tables[i];
        struct mn_value *row = rows->values + (size_t)rows->count * width;
        if (table->relation != relations) continue;
        status = relations ? relation_row(l, table, row) : table_row(l, table, row);
        rows->count++;
    }
    return status;
}

static enum mn_status indexes_list(struct lister *l, const struct mn_schema *schema,
                                   struct mn_listing_rows *rows)
{
    uint32_t width = listings[LIST_INDEXES].column_count;
    enum mn_status status = MN_OK;

    rows->values =
        mn_arena_zalloc(l->arena, (schema->index_count + 1) * width * sizeof *rows->values);
    if (!rows->values) return mn_fail_nomem();
    for (; rows->count < schema->index_count && !status; rows->count++) {
        status =
            index_row(l, schema->indexes[rows->count], rows->values + (size_t)rows->count * width);
    }
    return status;
}

static enum mn_status columns_list(struct lister *l, const struct mn_schema *schema,
                                   const struct mn_value *name, struct mn_listing_rows *rows)
{
    uint32_t width = listings[LIST_COLUMNS].column_count;
    enum mn_status status = MN_OK;

    if (name->type != MN_TYPE_TEXT) {
        return mn_fail(MN_TYPE, "columns() takes the name of a table as TEXT");
    }
    const struct mn_table *table = mn_schema_table(schema, name->p, name->size);
    if (!table)
        return mn_fail(MN_SCHEMA, "no table \"%.*s\"", (int)name->size, (const char *)name->p);
    rows->values =
        mn_arena_zalloc(l->arena, (table->column_count + 1) * width * sizeof *rows->values);
    if (!rows->values) return mn_fail_nomem();
    for (; rows->count < table->column_count && !status; rows->count++) {
        status =
            column_row(l, &table->columns[rows->count], rows->values + (size_t)rows->count * width);
    }
    return status;
}

enum mn_status mn_listing_rows(const struct mn_listing *listing, struct mn_view *view,
                               const struct mn_schema *schema, const struct mn_value *table,
                               struct mn_arena *arena, struct mn_listing_rows *rows)
{
    struct lister lister = {.view = view, .arena = arena};
    enum mn_status status;

    *rows = (struct mn_listing_rows){0};
    switch (listing - listings) {
    case LIST_TABLES: status = tables_list(&lister, schema, false, rows); break;
    case LIST_RELATIONS: status = tables_list(&lister, schema, true, rows); break;
    case LIST_INDEXES: status = indexes_list(&lister, schema, rows); break;
    default: status = columns_list(&lister, schema, table, rows); break;
    }
    mn_buf_release(&lister.text);
    return status;
}
