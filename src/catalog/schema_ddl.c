/*
 * schema_ddl: changes of the catalogue.
 *
 * Every change reads the catalogue as it is, writes one table's entry (or removes it), and moves
 * the stamp. What a definition may not say is refused before anything is written.
 */
#include <stdio.h>

#include "base/hash.h"
#include "base/plant.h"
#include "btree/tree.h"
#include "catalog/schema_code.h"

/* One change under way. */
struct change {
    struct mn_view *view;
    struct mn_arena arena; /* names made and arrays joined */
    const struct mn_schema *schema;
    struct mn_catalogue_head head;
};

static enum mn_status change_begin(struct change *change, struct mn_view *view)
{
    enum mn_status status;

    memset(change, 0, sizeof *change);
    change->view = view;
    mn_arena_init(&change->arena, 0);
    status = mn_catalogue_head_get(view, &change->head);
    return status == MN_OK ? mn_schema_load(view, &change->schema) : status;
}

static enum mn_status change_end(struct change *change, enum mn_status status)
{
    mn_schema_unref(change->schema);
    mn_arena_release(&change->arena);
    return status;
}

static enum mn_status stamp_move(struct change *change, const void *bytes, size_t size)
{
    change->head.stamp =
        MN_PLANT(STAMP_COUNTS) ? change->head.stamp + 1 : mn_hash(bytes, size, change->head.stamp);
    if (change->head.stamp == 0) change->head.stamp = 1; /* 0 is the empty catalogue */
    return mn_catalogue_head_put(change->view, &change->head);
}

static enum mn_status entry_write(struct change *change, const struct mn_table_code *code)
{
    struct mn_buf bytes = {0};
    uint8_t key[MN_CATALOGUE_ID_KEY_BYTES];
    enum mn_status status = mn_table_encode(code, &bytes);

    mn_catalogue_id_key(MN_CATALOGUE_TABLE, code->table.id, key);
    if (status == MN_OK) {
        status = mn_tree_put(change->view, MN_TREE_CATALOGUE, mn_bytes_of(key, sizeof key),
                             mn_bytes_of(bytes.data, bytes.len), MN_PUT_UPSERT);
    }
    if (status == MN_OK && !MN_PLANT(DEFINITION_ONCE)) {
        status = mn_tree_put(change->view, MN_TREE_SPARE, mn_bytes_of(key, sizeof key),
                             mn_bytes_of(bytes.data, bytes.len), MN_PUT_UPSERT);
    }
    if (status == MN_OK) status = stamp_move(change, bytes.data, bytes.len);
    mn_buf_release(&bytes);
    return status;
}

/* ---- names ---- */

static enum mn_status name_check(const char *what, const char *name)
{
    size_t length = strlen(name);

    if (length == 0) return mn_fail(MN_SCHEMA, "a %s needs a name", what);
    if (length > MN_NAME_BYTES_MAX) {
        return mn_fail(MN_TOOBIG, "the name of a %s is over %d bytes", what, MN_NAME_BYTES_MAX);
    }
    return MN_OK;
}

static enum mn_status table_name_check(const struct change *change, const char *name)
{
    const struct mn_table *other;
    enum mn_status status = name_check("table", name);

    if (status != MN_OK) return status;
    if (change->schema->table_count >= MN_TABLES_MAX) {
        return mn_fail(MN_TOOBIG, "a file has at most %d tables", MN_TABLES_MAX);
    }
    other = mn_schema_table(change->schema, name, strlen(name));
    if (!other) return MN_OK;
    return mn_fail(MN_EXISTS, "there is a %s %s already", other->relation ? "relation" : "table",
                   name);
}

/* True where the catalogue, or one of the indexes that are being made, has this name. */
static bool index_name_taken(const struct change *change, const struct mn_table *table,
                             const char *name)
{
    if (mn_schema_index(change->schema, name, strlen(name))) return true;
    for (uint32_t i = 0; i < table->index_count; i++) {
        if (strcmp(table->indexes[i].name, name) == 0) return true;
    }
    return false;
}

/* <table>_<columns>_<suffix>, cut to the limit, numbered from 1 where it is taken. */
static enum mn_status index_name_make(struct change *change, const struct mn_table *table,
                                      const struct mn_key_def *def, const char *suffix,
                                      const char **name)
{
    char base[MN_NAME_BYTES_MAX + 1], whole[2 * MN_NAME_BYTES_MAX];
    size_t length = (size_t)snprintf(base, sizeof base, "%s", table->name);

    for (uint32_t i = 0; i < def->column_count && length < sizeof base; i++) {
        length += (size_t)snprintf(base + length, sizeof base - length, "_%s",
                                   table->columns[def->columns[i].column].name);
    }
    for (int n = 0;; n++) {
        char tail[32];
        int room, tail_length = n ? snprintf(tail, sizeof tail, "_%s%d", suffix, n)
                                  : snprintf(tail, sizeof tail, "_%s", suffix);

        room = MN_NAME_BYTES_MAX - tail_length;
        while (room > 0 && room < (int)strlen(base) && ((uint8_t)base[room] & 0xc0) == 0x80) room--;
        snprintf(whole, sizeof whole, "%.*s%s", room, base, tail);
        if (!index_name_taken(change, table, whole)) break;
    }
    *name = mn_arena_text(&change->arena, whole, strlen(whole));
    return *name ? MN_OK : mn_fail_nomem();
}

/* ---- what a definition may say ---- */

static enum mn_status kind_check(const struct mn_column *column)
{
    const struct mn_kind *kind = &column->kind;

    if (kind->type == MN_TYPE_VECTOR && (kind->dims < 1 || kind->dims > MN_VECTOR_DIMS_LIMIT)) {
        return mn_fail(MN_RANGE, "column %s: a VECTOR has 1 to %d dimensions, not %u", column->name,
                       MN_VECTOR_DIMS_LIMIT, (unsigned)kind->dims);
    }
    if (kind->type == MN_TYPE_NULL || kind->type > MN_TYPE_LIST ||
        (kind->type == MN_TYPE_LIST &&
         (kind->elem == MN_TYPE_NULL || kind->elem == MN_TYPE_VECTOR ||
          kind->elem >= MN_TYPE_LIST))) {
        return mn_fail(MN_SCHEMA, "column %s: a list holds values of one scalar type",
                       column->name);
    }
    return MN_OK;
}

static enum mn_status columns_check(const struct mn_table *table)
{
    if (table->column_count < 1) return mn_fail(MN_SCHEMA, "a table needs a column");
    if (table->column_count > MN_COLUMNS_MAX) {
        return mn_fail(MN_TOOBIG, "a table has at most %d columns, not %u", MN_COLUMNS_MAX,
                       (unsigned)table->column_count);
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct mn_column *column = &table->columns[i];
        enum mn_status status = name_check("column", column->name);

        if (status == MN_OK) status = kind_check(column);
        if (status != MN_OK) return status;
        if (mn_table_column(table, column->name, strlen(column->name)) != (int)i) {
            return mn_fail(MN_SCHEMA, "column %s is there twice", column->name);
        }
        if (column->default_text && strlen(column->default_text) > MN_EXPR_TEXT_MAX) {
            return mn_fail(MN_TOOBIG, "the DEFAULT of %s is over %d bytes", column->name,
                           MN_EXPR_TEXT_MAX);
        }
    }
    return MN_OK;
}

static enum mn_status options_check(const struct mn_option *options, uint32_t count)
{
    if (count > MN_OPTIONS_MAX) return mn_fail(MN_TOOBIG, "over %d options", MN_OPTIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        enum mn_status status = name_check("option", options[i].name);

        if (status != MN_OK) return status;
    }
    return MN_OK;
}

static enum mn_status checks_check(const struct mn_table_def *def)
{
    if (def->check_count > MN_CHECKS_MAX) {
        return mn_fail(MN_TOOBIG, "a table has at most %d checks", MN_CHECKS_MAX);
    }
    for (uint32_t i = 0; i < def->check_count; i++) {
        enum mn_status status = MN_OK;

        if (def->checks[i].name) status = name_check("check", def->checks[i].name);
        if (status != MN_OK) return status;
        if (strlen(def->checks[i].text) > MN_EXPR_TEXT_MAX) {
            return mn_fail(MN_TOOBIG, "a CHECK is over %d bytes", MN_EXPR_TEXT_MAX);
        }
    }
    return MN_OK;
}

static enum mn_status index_columns_check(const struct mn_table *table,
                                          const struct mn_index_column *columns, uint32_t count)
{
    if (count < 1 || count > MN_KEY_COLUMNS_MAX) {
        return mn_fail(MN_TOOBIG, "an index or key has 1 to %d columns", MN_KEY_COLUMNS_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i].column >= table->column_count) {
            return mn_fail(MN_MISUSE, "an index is over a column that is not there");
        }
        for (uint32_t k = 0; k < i; k++) {
            if (columns[k].column == columns[i].column) {
                return mn_fail(MN_SCHEMA, "column %s is in the key twice",
                               table->columns[columns[i].column].name);
            }
        }
    }
    return MN_OK;
}

static enum mn_status index_kinds_check(const struct mn_table *table,
                                        const struct mn_index_def *def)
{
    for (uint32_t i = 0; i < def->column_count; i++) {
        const struct mn_column *column = &table->columns[def->columns[i].column];
        bool vector = column->kind.type == MN_TYPE_VECTOR;
        char name[32];

        if (def->kind == MN_INDEX_BTREE && (vector || column->kind.type == MN_TYPE_JSON)) {
            mn_fail(MN_SCHEMA, "column %s is %s, which has no order", column->name,
                    mn_kind_name(&column->kind, name));
            return vector
                       ? mn_hint("CREATE INDEX ON %s (%s) USING vector", table->name, column->name)
                       : MN_SCHEMA;
        }
        if (def->kind == MN_INDEX_VECTOR && (vector != (i == 0) || def->unique)) {
            return mn_fail(MN_SCHEMA, "a vector index is over one VECTOR column and not unique");
        }
        if (def->kind == MN_INDEX_VECTOR && column->kind.type == MN_TYPE_JSON) {
            return mn_fail(MN_SCHEMA, "column %s is JSON, which makes no partition", column->name);
        }
    }
    return MN_OK;
}

static enum mn_status covers_check(struct mn_view *view, const struct mn_table *table,
                                   const struct mn_index_def *def)
{
    if (def->cover_count == 0) return MN_OK;
    if (def->cover_count > MN_COVERS_MAX) {
        return mn_fail(MN_TOOBIG, "a vector index covers at most %d columns", MN_COVERS_MAX);
    }
    for (uint32_t i = 0; i < def->cover_count; i++) {
        const struct mn_column *column = &table->columns[def->covers[i]];

        if (def->kind != MN_INDEX_VECTOR || !mn_type_is_covered(column->kind.type)) {
            return mn_fail(MN_SCHEMA, "column %s cannot be covered", column->name);
        }
    }
    if (mn_store_finds_codes(mn_view_store(view))) return MN_OK;
    mn_fail(MN_VERSION, "this file is of a build whose vector indexes cover no columns");
    return mn_hint("mneme dump FILE, and load it into a new file");
}

/* ---- building a table ---- */

/* The trees of a vector index have numbers one behind another. */
static enum mn_status vector_trees_create(struct mn_view *view, uint64_t *first)
{
    enum mn_status status;

    if (!mn_store_has_codes(mn_view_store(view))) {
        mn_fail(MN_VERSION, "this file is of a build that had no codes for vector indexes");
        return mn_hint("mneme dump FILE, and load it into a new file");
    }
    status = mn_tree_create(view, first);
    for (uint64_t i = 1; i < MN_VECTOR_TREES && status == MN_OK; i++) {
        uint64_t tree;

        status = mn_tree_create(view, &tree);
        if (status == MN_OK && tree != *first + i) {
            status = mn_fail(MN_CORRUPT, "trees are not numbered one behind another");
        }
    }
    return status;
}

static enum mn_status index_trees_drop(struct mn_view *view, const struct mn_index *index)
{
    uint64_t trees = index->kind == MN_INDEX_BTREE ? 1 : MN_VECTOR_TREES;
    enum mn_status status = MN_OK;

    if (MN_PLANT(DROPPED_TREE_STAYS)) return MN_OK;
    for (uint64_t i = 0; i < trees && index->tree && status == MN_OK; i++) {
        status = mn_tree_drop(view, index->tree + i);
    }
    return status;
}

/* Adds an index to a table that is being made; its arrays are in the change's arena. */
static enum mn_status index_add(struct change *change, struct mn_table *table,
                                const struct mn_index_def *def, struct mn_index *flags)
{
    struct mn_index *indexes, *index;
    enum mn_status status = index_columns_check(table, def->columns, def->column_count);

    if (status == MN_OK) status = index_kinds_check(table, def);
    if (status == MN_OK) status = covers_check(change->view, table, def);
    if (status == MN_OK) status = options_check(def->options, def->option_count);
    if (status == MN_OK) status = name_check("index", def->name);
    if (status != MN_OK) return status;
    if (table->index_count >= MN_INDEXES_MAX) {
        return mn_fail(MN_TOOBIG, "a table has at most %d indexes", MN_INDEXES_MAX);
    }
    if (index_name_taken(change, table, def->name)) {
        return mn_fail(MN_EXISTS, "there is an index %s already", def->name);
    }
    indexes = mn_arena_alloc(&change->arena, (table->index_count + 1) * sizeof *indexes);
    if (!indexes) return mn_fail_nomem();
    if (table->index_count) memcpy(indexes, table->indexes, table->index_count * sizeof *indexes);
    index = &indexes[table->index_count];
    *index = (struct mn_index){.id = change->head.next_id++,
                               .name = def->name,
                               .kind = def->kind,
                               .unique = def->unique,
                               .primary = flags->primary,
                               .constraint = flags->constraint,
                               .column_count = def->column_count,
                               .columns = def->columns,
                               .option_count = def->option_count,
                               .options = def->options,
                               .cover_count = def->cover_count,
                               .covers = def->covers,
                               .timed = def->timed};
    status = def->kind == MN_INDEX_BTREE ? mn_tree_create(change->view, &index->tree)
                                         : vector_trees_create(change->view, &index->tree);
    table->indexes = indexes;
    table->index_count++;
    return status;
}

static enum mn_status key_add(struct change *change, struct mn_table *table,
                              const struct mn_key_def *key, bool primary)
{
    struct mn_index_def def = {.name = key->name,
                               .kind = MN_INDEX_BTREE,
                               .unique = true,
                               .column_count = key->column_count,
                               .columns = key->columns};
    struct mn_index flags = {.primary = primary, .constraint = true};
    struct mn_key_def none = {0};
    enum mn_status status = index_columns_check(table, key->columns, key->column_count);

    if (status == MN_OK && !def.name) {
        status = index_name_make(change, table, primary ? &none : key, primary ? "pkey" : "key",
                                 &def.name);
    }
    return status == MN_OK ? index_add(change, table, &def, &flags) : status;
}

/* The columns as they will be: of the key NOT NULL, of vectors with a tree. */
static enum mn_status columns_make(struct change *change, const struct mn_table_def *def,
                                   struct mn_table *table)
{
    struct mn_column *columns = mn_arena_alloc(&change->arena, def->column_count * sizeof *columns);
    enum mn_status status = MN_OK;

    if (!columns) return mn_fail_nomem();
    if (def->column_count) memcpy(columns, def->columns, def->column_count * sizeof *columns);
    table->columns = columns;
    table->column_count = def->column_count;
    status = columns_check(table);
    for (uint32_t i = 0; status == MN_OK && i < def->column_count; i++) {
        columns[i].primary = false;
        columns[i].slab_tree = 0;
        if (columns[i].kind.type == MN_TYPE_VECTOR) {
            status = mn_tree_create(change->view, &columns[i].slab_tree);
        }
    }
    for (uint32_t i = 0; status == MN_OK && i < def->primary.column_count; i++) {
        if (def->primary.columns[i].column >= def->column_count) {
            return mn_fail(MN_MISUSE, "a key is over a column that is not there");
        }
        columns[def->primary.columns[i].column].primary = true;
        columns[def->primary.columns[i].column].not_null = true;
    }
    return status;
}

static enum mn_status table_make(struct change *change, const struct mn_table_def *def,
                                 struct mn_table *table)
{
    const struct mn_key_def *primary = &def->primary;
    enum mn_status status = table_name_check(change, def->name);

    *table = (struct mn_table){.id = change->head.next_id++,
                               .name = def->name,
                               .row_id_column = -1,
                               .check_count = def->check_count,
                               .checks = def->checks,
                               .option_count = def->option_count,
                               .options = def->options};
    if (status == MN_OK) status = checks_check(def);
    if (status == MN_OK) status = options_check(def->options, def->option_count);
    if (status == MN_OK) status = columns_make(change, def, table);
    if (status == MN_OK) status = mn_tree_create(change->view, &table->tree);
    if (status != MN_OK) return status;
    if (primary->column_count == 1 &&
        table->columns[primary->columns[0].column].kind.type == MN_TYPE_INT) {
        table->row_id_column = (int)primary->columns[0].column;
    } else if (primary->column_count > 0) {
        status = key_add(change, table, primary, true);
    }
    for (uint32_t i = 0; status == MN_OK && i < def->unique_count; i++) {
        status = key_add(change, table, &def->uniques[i], false);
    }
    return status;
}

enum mn_status mn_schema_create_table(struct mn_view *view, const struct mn_table_def *def,
                                      uint64_t *id)
{
    struct change change;
    struct mn_table_code code = {.from_id = 0};
    enum mn_status status = change_begin(&change, view);

    if (status == MN_OK) status = table_make(&change, def, &code.table);
    if (status == MN_OK) status = entry_write(&change, &code);
    if (status == MN_OK && id) *id = code.table.id;
    return change_end(&change, status);
}

/* ---- relations ---- */

static enum mn_status end_find(const struct change *change, const char *name,
                               const struct mn_table **table, struct mn_kind *kind)
{
    *table = mn_schema_table(change->schema, name, strlen(name));
    if (!*table) return mn_fail(MN_SCHEMA, "no table %s", name);
    if ((*table)->relation) {
        return mn_fail(MN_SCHEMA, "%s is a relation; a relation ends in tables", name);
    }
    if (!mn_table_end_kind(*table, kind)) {
        return mn_fail(MN_SCHEMA, "the key of %s has several columns; an end needs a key of one",
                       name);
    }
    return MN_OK;
}

static enum mn_status relation_make(struct change *change, const struct mn_relation_def *def,
                                    struct mn_table_code *code)
{
    struct mn_table_def table = def->table;
    const struct mn_table *from, *to;
    struct mn_column *columns;
    struct mn_kind from_kind, to_kind;
    enum mn_status status = end_find(change, def->from, &from, &from_kind);

    if (status == MN_OK) status = end_find(change, def->to, &to, &to_kind);
    if (status != MN_OK) return status;
    if (table.primary.column_count > 0) {
        return mn_fail(MN_SCHEMA, "a relation has no PRIMARY KEY: its key is (src, dst)");
    }
    if (table.unique_count > 0) {
        return mn_fail(MN_SCHEMA, "a relation has no UNIQUE columns of its own");
    }
    columns = mn_arena_zalloc(&change->arena, (table.column_count + 2) * sizeof *columns);
    if (!columns) return mn_fail_nomem();
    columns[0] = (struct mn_column){.name = "src", .kind = from_kind, .not_null = true};
    columns[1] = (struct mn_column){.name = "dst", .kind = to_kind, .not_null = true};
    if (table.column_count) {
        memcpy(columns + 2, table.columns, table.column_count * sizeof *columns);
    }
    table.columns = columns;
    table.column_count += 2;
    status = table_make(change, &table, &code->table);
    if (status == MN_OK) status = mn_tree_create(change->view, &code->table.forward_tree);
    if (status == MN_OK) status = mn_tree_create(change->view, &code->table.backward_tree);
    code->table.relation = true;
    code->table.multi = def->multi;
    code->from_id = from->id;
    code->to_id = to->id;
    return status;
}

enum mn_status mn_schema_create_relation(struct mn_view *view, const struct mn_relation_def *def,
                                         uint64_t *id)
{
    struct change change;
    struct mn_table_code code;
    enum mn_status status = change_begin(&change, view);

    if (status == MN_OK) status = relation_make(&change, def, &code);
    if (status == MN_OK) status = entry_write(&change, &code);
    if (status == MN_OK && id) *id = code.table.id;
    return change_end(&change, status);
}

/* ---- indexes ---- */

static struct mn_table_code code_of(const struct mn_table *table)
{
    return (struct mn_table_code){.table = *table,
                                  .from_id = table->from ? table->from->id : 0,
                                  .to_id = table->to ? table->to->id : 0};
}

static enum mn_status index_make(struct change *change, const struct mn_index_def *given,
                                 struct mn_table_code *code)
{
    const struct mn_table *table =
        mn_schema_table(change->schema, given->table, strlen(given->table));
    struct mn_index_def def = *given;
    struct mn_key_def key = {.column_count = def.column_count, .columns = def.columns};
    struct mn_index flags = {.primary = false};
    enum mn_status status;

    if (!table) return mn_fail(MN_SCHEMA, "no table %s", given->table);
    *code = code_of(table);
    status = index_columns_check(table, def.columns, def.column_count);
    if (status == MN_OK && !def.name) {
        status = index_name_make(change, table, &key, "idx", &def.name);
    }
    return status == MN_OK ? index_add(change, &code->table, &def, &flags) : status;
}

enum mn_status mn_schema_create_index(struct mn_view *view, const struct mn_index_def *def,
                                      uint64_t *id)
{
    struct change change;
    struct mn_table_code code;
    enum mn_status status = change_begin(&change, view);

    if (status == MN_OK) status = index_make(&change, def, &code);
    if (status == MN_OK) status = entry_write(&change, &code);
    if (status == MN_OK && id) *id = code.table.indexes[code.table.index_count - 1].id;
    return change_end(&change, status);
}

static enum mn_status index_remove(struct change *change, const char *name)
{
    const struct mn_index *index = mn_schema_index(change->schema, name, strlen(name));
    struct mn_table_code code;
    struct mn_index *indexes;
    uint32_t place;

    if (!index) return mn_fail(MN_SCHEMA, "no index %s", name);
    if (index->constraint) {
        return mn_fail(MN_CONSTRAINT, "index %s belongs to %s of %s", name,
                       index->primary ? "the PRIMARY KEY" : "a UNIQUE", index->table->name);
    }
    code = code_of(index->table);
    place = (uint32_t)(index - index->table->indexes);
    indexes = mn_arena_alloc(&change->arena, code.table.index_count * sizeof *indexes);
    if (!indexes) return mn_fail_nomem();
    memcpy(indexes, code.table.indexes, place * sizeof *indexes);
    code.table.index_count--;
    memcpy(indexes + place, code.table.indexes + place + 1,
           (code.table.index_count - place) * sizeof *indexes);
    code.table.indexes = indexes;
    enum mn_status status = index_trees_drop(change->view, index);
    return status == MN_OK ? entry_write(change, &code) : status;
}

enum mn_status mn_schema_drop_index(struct mn_view *view, const char *name)
{
    struct change change;
    enum mn_status status = change_begin(&change, view);

    if (status == MN_OK) status = index_remove(&change, name);
    return change_end(&change, status);
}

/* ---- dropping tables ---- */

static enum mn_status table_trees_drop(struct mn_view *view, const struct mn_table *table)
{
    enum mn_status status = mn_tree_drop(view, table->tree);

    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        if (table->columns[i].kind.type == MN_TYPE_VECTOR) {
            status = mn_tree_drop(view, table->columns[i].slab_tree);
        }
    }
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        status = index_trees_drop(view, &table->indexes[i]);
    }
    if (table->relation) {
        if (status == MN_OK) status = mn_tree_drop(view, table->forward_tree);
        if (status == MN_OK) status = mn_tree_drop(view, table->backward_tree);
    }
    return status;
}

static enum mn_status table_remove(struct change *change, const struct mn_table *table)
{
    uint8_t key[MN_CATALOGUE_ID_KEY_BYTES];
    struct mn_bytes bytes = mn_bytes_of(key, sizeof key);
    enum mn_status status = table_trees_drop(change->view, table);

    mn_catalogue_id_key(MN_CATALOGUE_FLOOR, table->id, key);
    if (status == MN_OK) status = mn_tree_delete(change->view, MN_TREE_CATALOGUE, bytes, NULL);
    mn_catalogue_id_key(MN_CATALOGUE_TABLE, table->id, key);
    if (status == MN_OK) status = mn_tree_delete(change->view, MN_TREE_CATALOGUE, bytes, NULL);
    if (status == MN_OK && !MN_PLANT(DEFINITION_COPY_STAYS)) {
        status = mn_tree_delete(change->view, MN_TREE_SPARE, bytes, NULL);
    }
    return status == MN_OK ? stamp_move(change, key, sizeof key) : status;
}

static enum mn_status relations_named(const struct mn_table *table)
{
    char names[256] = "";
    size_t length = 0;

    for (uint32_t i = 0; i < table->out_count + table->in_count; i++) {
        const struct mn_table *relation =
            i < table->out_count ? table->out[i] : table->in[i - table->out_count];

        if (i >= table->out_count && relation->from == table) continue; /* named already */
        if (length < sizeof names) {
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                       length ? ", " : "", relation->name);
        }
    }
    mn_fail(MN_CONSTRAINT, "%s has relations: %s", table->name, names);
    return mn_hint("DROP TABLE %s CASCADE drops them too", table->name);
}

static enum mn_status table_drop(struct change *change, const char *name, bool cascade)
{
    const struct mn_table *table = mn_schema_table(change->schema, name, strlen(name));
    enum mn_status status = MN_OK;

    if (!table) return mn_fail(MN_SCHEMA, "no table %s", name);
    if (!cascade && table->out_count + table->in_count > 0) return relations_named(table);
    for (uint32_t i = 0; status == MN_OK && i < table->out_count; i++) {
        status = table_remove(change, table->out[i]);
    }
    for (uint32_t i = 0; status == MN_OK && i < table->in_count; i++) {
        if (table->in[i]->from != table) status = table_remove(change, table->in[i]);
    }
    return status == MN_OK ? table_remove(change, table) : status;
}

enum mn_status mn_schema_drop_table(struct mn_view *view, const char *name, bool cascade)
{
    struct change change;
    enum mn_status status = change_begin(&change, view);

    if (status == MN_OK) status = table_drop(&change, name, cascade);
    return change_end(&change, status);
}
