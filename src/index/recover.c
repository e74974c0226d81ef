/*
 * recover: the tables and rows of a damaged file, put into an empty one (contract in recover.h).
 */
#include "index/recover.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "catalog/schema_code.h"
#include "index/row_inside.h"
#include "index/vector/ann.h"
#include "index/vector/slab_node.h"

enum { PROGRESS_ROWS = 1024 };

/* One table of the damaged file, and where it goes. */
struct source {
    struct mn_table_code code; /* trees already the new ones */
    uint64_t tree;             /* the old one */
    uint64_t *slabs;           /* the old ones, one a column */
    int64_t floor;             /* of hidden row ids; 0: not known */
    bool gone;                 /* its definition cannot stand: an end is undefined */
};

struct recovery {
    struct mn_salvage_forest *forest;
    struct mn_view *to;
    const struct mn_recover_options *options;
    struct mn_arena arena; /* definitions */
    struct source *sources;
    size_t count, capacity;
    struct mn_catalogue_head head;
    uint64_t rows;
};

/* The vectors of one column, in step with the rows. */
struct vectors {
    struct mn_salvage_cursor *cursor;
    struct mn_slabs slabs;
    struct mn_slab *slab;
    size_t at;
    bool any;
};

/* ---- definitions ---- */

static struct source *source_of(struct recovery *r, uint64_t id)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->sources[i].code.table.id == id) return &r->sources[i];
    }
    return NULL;
}

/* A definition that cannot be read is left out: the second copy may have it. */
static enum mn_status table_note(struct recovery *r, const struct mn_item *item)
{
    struct mn_bytes value = item->value.len ? item->value : item->run;
    struct source source = {.floor = 0};
    uint64_t id;
    enum mn_status status;

    if (item->key.len != MN_CATALOGUE_ID_KEY_BYTES) return MN_OK;
    id = mn_get_u64_be(item->key.data + 1);
    if (source_of(r, id) || r->count >= MN_TABLES_MAX) return MN_OK;
    status = mn_table_decode(value.data, value.len, &r->arena, &source.code);
    if (status != MN_OK) return status == MN_NOMEM ? status : MN_OK;
    source.code.table.id = id;
    source.tree = source.code.table.tree;
    if (!mn_grow(&r->sources, &r->capacity, r->count + 1, sizeof source)) return mn_fail_nomem();
    r->sources[r->count++] = source;
    return MN_OK;
}

static enum mn_status entry_note(struct recovery *r, const struct mn_item *item)
{
    struct source *source;

    switch (item->key.len ? item->key.data[0] : 0) {
    case MN_CATALOGUE_HEAD:
        if (item->value.len == MN_CATALOGUE_HEAD_BYTES) {
            r->head.stamp = mn_get_u64(item->value.data);
            r->head.next_id = mn_get_u64(item->value.data + 8);
        }
        return MN_OK;
    case MN_CATALOGUE_TABLE: return table_note(r, item);
    case MN_CATALOGUE_FLOOR:
        source = item->key.len == MN_CATALOGUE_ID_KEY_BYTES && item->value.len == 8
                     ? source_of(r, mn_get_u64_be(item->key.data + 1))
                     : NULL;
        if (source) source->floor = (int64_t)mn_get_u64(item->value.data);
        return MN_OK;
    case MN_CATALOGUE_SETTING:
        return mn_tree_put(r->to, MN_TREE_CATALOGUE, item->key, item->value, MN_PUT_UPSERT);
    default: return MN_OK;
    }
}

/* Entries of one copy of the catalogue: those it should have (UINT64_MAX: not known), those read.
 */
struct copy {
    uint64_t total, read;
};

static enum mn_status catalogue_read(struct recovery *r, uint64_t tree, struct copy *copy)
{
    struct mn_salvage_cursor *cursor;
    struct mn_item item;
    bool found = false;
    enum mn_status status = mn_salvage_cursor_open(r->forest, tree, &cursor);

    if (status != MN_OK) return status;
    *copy = (struct copy){mn_salvage_cursor_total(cursor), 0};
    status = mn_salvage_cursor_next(cursor, &item, &found);
    while (status == MN_OK && found) {
        copy->read++;
        status = entry_note(r, &item);
        if (status == MN_OK) status = mn_salvage_cursor_next(cursor, &item, &found);
    }
    mn_salvage_cursor_close(cursor);
    return status;
}

/* Definitions that are in neither copy: the second has nothing but those of tables. */
static uint64_t tables_missing(const struct recovery *r, const struct copy *first,
                               const struct copy *second)
{
    if (first->total != UINT64_MAX && first->read >= first->total) return 0;
    if (second->total == UINT64_MAX || second->total == 0) return UINT64_MAX;
    return second->total > r->count ? second->total - r->count : 0;
}

/* Those of a coded vector index have numbers that follow each other. */
static enum mn_status index_trees_make(struct recovery *r, struct mn_index *index)
{
    uint64_t more, count = mn_index_is_coded(index) ? MN_ANN_TREES : 1;
    enum mn_status status = MN_OK;

    if (index->tree == 0) return MN_OK;
    status = mn_tree_create(r->to, &index->tree);
    while (status == MN_OK && --count > 0) status = mn_tree_create(r->to, &more);
    return status;
}

/* New trees for everything that the definition names; they begin empty. */
static enum mn_status trees_make(struct recovery *r, struct source *source)
{
    struct mn_table *table = &source->code.table;
    struct mn_column *columns = (struct mn_column *)(uintptr_t)table->columns;
    struct mn_index *indexes = (struct mn_index *)(uintptr_t)table->indexes;
    enum mn_status status = mn_tree_create(r->to, &table->tree);

    source->slabs = mn_arena_zalloc(&r->arena, (table->column_count + 1) * sizeof(uint64_t));
    if (!source->slabs) return mn_fail_nomem();
    for (uint32_t i = 0; i < table->column_count && status == MN_OK; i++) {
        source->slabs[i] = columns[i].slab_tree;
        if (columns[i].kind.type == MN_TYPE_VECTOR) {
            status = mn_tree_create(r->to, &columns[i].slab_tree);
        }
    }
    for (uint32_t i = 0; i < table->index_count && status == MN_OK; i++) {
        status = index_trees_make(r, &indexes[i]);
    }
    if (table->relation && status == MN_OK) status = mn_tree_create(r->to, &table->forward_tree);
    if (table->relation && status == MN_OK) status = mn_tree_create(r->to, &table->backward_tree);
    return status;
}

static enum mn_status definition_write(struct recovery *r, const struct source *source)
{
    struct mn_buf bytes = {0};
    uint8_t key[MN_CATALOGUE_ID_KEY_BYTES];
    enum mn_status status = mn_table_encode(&source->code, &bytes);

    mn_catalogue_id_key(MN_CATALOGUE_TABLE, source->code.table.id, key);
    for (uint64_t tree = MN_TREE_CATALOGUE; tree <= MN_TREE_SPARE && status == MN_OK; tree++) {
        status = mn_tree_put(r->to, tree, mn_bytes_of(key, sizeof key),
                             mn_bytes_of(bytes.data, bytes.len), MN_PUT_UPSERT);
    }
    r->head.stamp = mn_hash(bytes.data, bytes.len, r->head.stamp);
    mn_buf_release(&bytes);
    return status;
}

static void ids_pass(struct recovery *r, const struct mn_table *table)
{
    if (table->id >= r->head.next_id) r->head.next_id = table->id + 1;
    for (uint32_t i = 0; i < table->index_count; i++) {
        if (table->indexes[i].id >= r->head.next_id) r->head.next_id = table->indexes[i].id + 1;
    }
}

static enum mn_status definitions_write(struct recovery *r, uint64_t *relations)
{
    enum mn_status status = MN_OK;

    *relations = 0;
    for (size_t i = 0; i < r->count && status == MN_OK; i++) {
        struct source *source = &r->sources[i];

        source->gone = source->code.table.relation &&
                       (!source_of(r, source->code.from_id) || !source_of(r, source->code.to_id));
        if (source->gone) {
            ++*relations;
            continue;
        }
        ids_pass(r, &source->code.table);
        status = trees_make(r, source);
        if (status == MN_OK) status = definition_write(r, source);
    }
    if (r->head.stamp == 0) r->head.stamp = 1;
    return status == MN_OK && r->count ? mn_catalogue_head_put(r->to, &r->head) : status;
}

/* ---- vectors ---- */

static enum mn_status slab_next(struct vectors *v)
{
    struct mn_item item;

    do {
        enum mn_status status = mn_salvage_cursor_next(v->cursor, &item, &v->any);

        if (status != MN_OK || !v->any) return status;
        v->at = 0;
    } while (mn_slab_read(&v->slabs, &item, v->slab) != MN_OK);
    mn_slab_list(v->slab);
    return MN_OK;
}

static enum mn_status vectors_begin(struct recovery *r, const struct source *source, uint32_t i,
                                    struct vectors *v)
{
    enum mn_status status = mn_salvage_cursor_open(r->forest, source->slabs[i], &v->cursor);

    v->slabs = mn_column_slabs(r->to, &source->code.table.columns[i]);
    if (status == MN_OK) v->slab = mn_alloc(sizeof *v->slab);
    if (status == MN_OK && !v->slab) status = mn_fail_nomem();
    return status == MN_OK ? slab_next(v) : status;
}

/* The row's vector, NULL where it is lost; rows are asked in ascending order. */
static enum mn_status vector_find(struct vectors *v, int64_t row_id, const float **vector)
{
    *vector = NULL;
    while (v->any) {
        while (v->at < v->slab->count && mn_slab_id(v->slab, v->at) < row_id) v->at++;
        if (v->at < v->slab->count) {
            if (mn_slab_id(v->slab, v->at) == row_id) {
                *vector = mn_slab_vector(&v->slabs, v->slab, v->at);
            }
            return MN_OK;
        }
        {
            enum mn_status status = slab_next(v);

            if (status != MN_OK) return status;
        }
    }
    return MN_OK;
}

static void vectors_end(struct vectors *v)
{
    mn_salvage_cursor_close(v->cursor);
    mn_dealloc(v->slab);
}

/* ---- rows ---- */

/* A row's values as its record and the slabs have them; MN_CORRUPT: it is none of this table. */
static enum mn_status values_read(const struct source *source, const struct mn_item *item,
                                  struct vectors *vectors, struct mn_value *values, uint64_t *lost)
{
    const struct mn_table *table = &source->code.table;
    struct mn_bytes record = item->value.len ? item->value : item->run;
    int64_t id;
    enum mn_status status = MN_OK;

    *lost = 0;
    if (item->key.len != MN_ROW_ID_BYTES) return mn_fail(MN_CORRUPT, "a row without an id");
    id = mn_row_id_get(item->key.data);
    for (uint32_t i = 0; i < table->column_count && status == MN_OK; i++) {
        if ((int)i == table->row_id_column) {
            values[i] = mn_int(id);
            continue;
        }
        status =
            mn_record_get(record.data, record.len, i, &table->columns[i].kind, &values[i], NULL);
        if (status == MN_OK && values[i].type == MN_TYPE_VECTOR) {
            const float *vector;

            status = vector_find(&vectors[i], id, &vector);
            values[i].p = vector;
            if (!vector) {
                values[i] = mn_null();
                ++*lost;
            }
        }
    }
    return status;
}

/* Hidden ids are given out in order: the floor is raised to the row's own. */
static enum mn_status row_put(struct recovery *r, const struct mn_table *table, int64_t id,
                              const struct mn_value *values)
{
    int64_t next;
    enum mn_status status = MN_OK;

    if (table->row_id_column < 0) {
        status = mn_row_next_id(r->to, table, &next);
        if (status == MN_OK && next != id) status = mn_table_row_floor_put(r->to, table, id);
    }
    if (status == MN_OK) status = mn_row_insert(r->to, table, values, &next);
    if (status == MN_OK && next != id) {
        status = mn_fail(MN_CORRUPT, "row %lld of %s is out of order", (long long)id, table->name);
    }
    return status;
}

static bool is_refusal(enum mn_status status)
{
    return status == MN_CONSTRAINT || status == MN_RANGE || status == MN_TYPE ||
           status == MN_TOOBIG || status == MN_CORRUPT || status == MN_EXISTS;
}

static enum mn_status row_recover(struct recovery *r, const struct source *source,
                                  const struct mn_table *table, const struct mn_item *item,
                                  struct vectors *vectors, struct mn_value *values,
                                  struct mn_recovered_table *told)
{
    uint64_t lost;
    uint32_t savepoint;
    enum mn_status status = values_read(source, item, vectors, values, &lost);

    if (status == MN_CORRUPT) return MN_OK;
    if (status == MN_OK) status = mn_savepoint_begin(r->to, &savepoint);
    if (status != MN_OK) return status;
    status = row_put(r, table, mn_row_id_get(item->key.data), values);
    if (status != MN_OK) mn_savepoint_rollback(r->to, savepoint);
    mn_savepoint_release(r->to, savepoint);
    if (status == MN_OK) {
        told->saved++;
        told->vectors += lost;
    } else if (is_refusal(status)) {
        told->refused++;
        status = MN_OK;
    }
    if (status == MN_OK && ++r->rows % PROGRESS_ROWS == 0 && r->options->progress) {
        status = r->options->progress(r->options->context, r->rows, 0);
    }
    return status;
}

static enum mn_status rows_recover(struct recovery *r, const struct source *source,
                                   const struct mn_table *table, struct vectors *vectors,
                                   struct mn_recovered_table *told)
{
    struct mn_value *values = mn_zalloc((table->column_count + 1) * sizeof *values);
    struct mn_salvage_cursor *cursor = NULL;
    struct mn_item item;
    bool found = false;
    enum mn_status status = values ? MN_OK : mn_fail_nomem();

    if (status == MN_OK) status = mn_salvage_cursor_open(r->forest, source->tree, &cursor);
    if (status == MN_OK) status = mn_salvage_cursor_next(cursor, &item, &found);
    while (status == MN_OK && found) {
        status = row_recover(r, source, table, &item, vectors, values, told);
        if (status == MN_OK) status = mn_salvage_cursor_next(cursor, &item, &found);
    }
    if (status == MN_OK) {
        uint64_t total = mn_salvage_cursor_total(cursor);

        told->lost = total == UINT64_MAX ? total : total > told->saved ? total - told->saved : 0;
    }
    mn_salvage_cursor_close(cursor);
    mn_dealloc(values);
    return status;
}

static enum mn_status table_recover(struct recovery *r, const struct source *source,
                                    const struct mn_table *table)
{
    struct mn_recovered_table told = {.name = table->name, .relation = table->relation};
    struct vectors *vectors = mn_zalloc((table->column_count + 1) * sizeof *vectors);
    int64_t next;
    enum mn_status status = vectors ? MN_OK : mn_fail_nomem();

    for (uint32_t i = 0; i < table->column_count && status == MN_OK; i++) {
        if (table->columns[i].kind.type == MN_TYPE_VECTOR) {
            status = vectors_begin(r, source, i, &vectors[i]);
        }
    }
    if (status == MN_OK) status = rows_recover(r, source, table, vectors, &told);
    for (uint32_t i = 0; vectors && i < table->column_count; i++) vectors_end(&vectors[i]);
    mn_dealloc(vectors);
    /* An id that was used once is not used again, also where its row is gone. */
    if (status == MN_OK && table->row_id_column < 0 && source->floor > 0) {
        status = mn_row_next_id(r->to, table, &next);
        if (status == MN_OK && next < source->floor) {
            status = mn_table_row_floor_put(r->to, table, source->floor);
        }
    }
    if (status == MN_OK && r->options->table) {
        status = r->options->table(r->options->context, &told);
    }
    return status;
}

/* ---- all ---- */

/* Columns of vectors admit NULL where vectors are lost: this is found out beforehand. */
static enum mn_status columns_relax(struct recovery *r, struct source *source)
{
    struct mn_table *table = &source->code.table;
    struct mn_column *columns = (struct mn_column *)(uintptr_t)table->columns;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < table->column_count && status == MN_OK; i++) {
        struct mn_salvage_cursor *cursor;
        struct mn_item item;
        uint64_t slabs = 0;
        bool found = true;

        if (columns[i].kind.type != MN_TYPE_VECTOR || !columns[i].not_null) continue;
        status = mn_salvage_cursor_open(r->forest, columns[i].slab_tree, &cursor);
        while (status == MN_OK && found) {
            status = mn_salvage_cursor_next(cursor, &item, &found);
            slabs += found;
        }
        if (status == MN_OK && mn_salvage_cursor_total(cursor) != slabs)
            columns[i].not_null = false;
        mn_salvage_cursor_close(cursor);
    }
    return status;
}

static enum mn_status tables_recover(struct recovery *r, bool relations)
{
    const struct mn_schema *schema;
    enum mn_status status = mn_schema_load(r->to, &schema);

    if (status != MN_OK) return status;
    for (size_t i = 0; i < r->count && status == MN_OK; i++) {
        const struct source *source = &r->sources[i];
        const struct mn_table *table;

        if (source->gone || source->code.table.relation != relations) continue;
        table = mn_schema_table_by_id(schema, source->code.table.id);
        if (table) status = table_recover(r, source, table);
    }
    mn_schema_unref(schema);
    return status;
}

enum mn_status mn_rows_recover(struct mn_salvage *salvage, struct mn_view *to,
                               const struct mn_recover_options *options,
                               struct mn_recovered_schema *lost)
{
    struct copy first = {0, 0}, second = {0, 0};
    struct recovery r = {.to = to, .options = options, .head = {.next_id = 1}};
    enum mn_status status = mn_salvage_forest_new(salvage, &r.forest);

    *lost = (struct mn_recovered_schema){0, 0};
    mn_arena_init(&r.arena, 0);
    if (status == MN_OK) status = catalogue_read(&r, MN_TREE_CATALOGUE, &first);
    if (status == MN_OK) status = catalogue_read(&r, MN_TREE_SPARE, &second);
    if (status == MN_OK) lost->tables = tables_missing(&r, &first, &second);
    for (size_t i = 0; i < r.count && status == MN_OK; i++) {
        status = columns_relax(&r, &r.sources[i]);
    }
    if (status == MN_OK) status = definitions_write(&r, &lost->relations);
    if (status == MN_OK) status = tables_recover(&r, false);
    if (status == MN_OK) status = tables_recover(&r, true);
    mn_salvage_forest_free(r.forest);
    mn_arena_release(&r.arena);
    mn_dealloc(r.sources);
    return status;
}
