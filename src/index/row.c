/*
 * row: storing new rows and reading stored ones.
 */
#include "index/row.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "catalog/key.h"
#include "catalog/record.h"
#include "index/index.h"
#include "index/relation/edge.h"
#include "index/row_inside.h"
#include "index/vector/ann.h"

/* ---- reading ---- */

enum mn_status mn_row_get(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                          struct mn_bytes *record, bool *found)
{
    uint8_t key[MN_ROW_ID_BYTES];

    mn_row_id_put(key, row_id);
    return mn_tree_get(view, table->tree, mn_bytes_of(key, sizeof key), record, found);
}

static enum mn_status vector_fetch(struct mn_view *view, const struct mn_table *table,
                                   int64_t row_id, uint32_t column, struct mn_value *out)
{
    struct mn_slabs slabs = mn_column_slabs(view, &table->columns[column]);
    const float *vector;
    enum mn_status status = mn_slab_get(&slabs, row_id, &vector);

    if (status == MN_OK && !vector) {
        return mn_fail(MN_CORRUPT, "row %" PRId64 " of %s has lost its vector in %s", row_id,
                       table->name, table->columns[column].name);
    }
    out->p = vector;
    return status;
}

enum mn_status mn_row_column(struct mn_view *view, const struct mn_table *table,
                             const struct mn_row *row, uint32_t column, struct mn_value *out)
{
    enum mn_status status;

    if ((int)column == table->row_id_column) {
        *out = mn_int(row->id);
        return MN_OK;
    }
    status = mn_record_get(row->record.data, row->record.len, column, &table->columns[column].kind,
                           out, NULL);
    if (status == MN_OK && out->type == MN_TYPE_VECTOR) {
        return vector_fetch(view, table, row->id, column, out);
    }
    return status;
}

enum mn_status mn_old_row_read(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                               struct mn_old_row *old, bool *found)
{
    struct mn_bytes record;
    enum mn_status status = mn_row_get(view, table, row_id, &record, found);

    *old = (struct mn_old_row){.values = NULL};
    if (status != MN_OK || !*found) return status;
    status = mn_buf_append(&old->record, record.data, record.len);
    if (status == MN_OK) {
        old->values = mn_alloc(table->column_count * sizeof *old->values);
        if (!old->values) status = mn_fail_nomem();
    }
    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        if ((int)i == table->row_id_column) {
            old->values[i] = mn_int(row_id);
        } else {
            status = mn_record_get(old->record.data, old->record.len, i, &table->columns[i].kind,
                                   &old->values[i], NULL);
        }
    }
    if (status != MN_OK) mn_old_row_release(old);
    return status;
}

void mn_old_row_release(struct mn_old_row *old)
{
    mn_buf_release(&old->record);
    mn_dealloc(old->values);
    old->values = NULL;
}

/* ---- finding ---- */

static enum mn_status id_find(struct mn_view *view, const struct mn_table *table,
                              const struct mn_value *key, int64_t *row_id, bool *found)
{
    struct mn_bytes record;

    *found = false;
    if (mn_is_null(key)) return MN_OK;
    if (key->type != MN_TYPE_INT) {
        return mn_fail(MN_TYPE, "the key of %s is INT, not %s", table->name,
                       mn_type_name(key->type));
    }
    *row_id = key->i;
    return mn_row_get(view, table, key->i, &record, found);
}

enum mn_status mn_row_find(struct mn_view *view, const struct mn_table *table,
                           const struct mn_value *key, int64_t *row_id, bool *found)
{
    *found = false;
    if (table->relation) {
        int64_t src, dst;
        enum mn_status status = mn_row_find(view, table->from, &key[0], &src, found);

        if (status == MN_OK && *found) status = mn_row_find(view, table->to, &key[1], &dst, found);
        if (status != MN_OK || !*found) return status;
        return mn_edge_find(view, table, src, dst, row_id, found);
    }
    if (table->primary) return mn_index_find(view, table->primary, key, row_id, found);
    return id_find(view, table, key, row_id, found);
}

enum mn_status mn_row_key(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                          struct mn_value *key)
{
    int column = mn_table_key_column(table);
    struct mn_row row = {.id = row_id};
    bool found;
    enum mn_status status;

    *key = mn_int(row_id);
    if (column < 0 || column == table->row_id_column) return MN_OK;
    status = mn_row_get(view, table, row_id, &row.record, &found);
    if (status != MN_OK) return status;
    if (!found) return mn_fail(MN_CORRUPT, "%s has no row %" PRId64, table->name, row_id);
    return mn_row_column(view, table, &row, (uint32_t)column, key);
}

/* The row of a relation with the same pair, where both ends exist. */
static enum mn_status pair_conflict(struct mn_view *view, const struct mn_table *table,
                                    const struct mn_value *values, struct mn_conflict *conflict,
                                    bool *found)
{
    conflict->index = NULL;
    if (table->multi || mn_is_null(&values[0]) || mn_is_null(&values[1])) return MN_OK;
    return mn_row_find(view, table, values, &conflict->row_id, found);
}

static enum mn_status index_conflict(struct mn_view *view, const struct mn_index *index,
                                     const struct mn_value *values, int64_t *row_id, bool *found)
{
    struct mn_value key[MN_KEY_COLUMNS_MAX];

    for (uint32_t i = 0; i < index->column_count; i++) key[i] = values[index->columns[i].column];
    return mn_index_find(view, index, key, row_id, found);
}

enum mn_status mn_row_conflict(struct mn_view *view, const struct mn_table *table,
                               const struct mn_value *values, int64_t except,
                               struct mn_conflict *conflict, bool *found)
{
    enum mn_status status = MN_OK;

    *found = false;
    *conflict = (struct mn_conflict){.index = NULL};
    if (table->relation) {
        status = pair_conflict(view, table, values, conflict, found);
    } else if (table->row_id_column >= 0) {
        status = id_find(view, table, &values[table->row_id_column], &conflict->row_id, found);
    }
    if (*found && conflict->row_id == except && except != MN_ROW_NONE) *found = false;
    for (uint32_t i = 0; status == MN_OK && !*found && i < table->index_count; i++) {
        const struct mn_index *index = &table->indexes[i];

        if (index->kind != MN_INDEX_BTREE || !index->unique) continue;
        status = index_conflict(view, index, values, &conflict->row_id, found);
        if (*found && conflict->row_id == except && except != MN_ROW_NONE) *found = false;
        conflict->index = *found ? index : NULL;
    }
    return status;
}

/* ---- rules ---- */

enum mn_status mn_row_not_null(const struct mn_table *table, const struct mn_value *values)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct mn_column *column = &table->columns[i];

        if (!column->not_null || !mn_is_null(&values[i]) || (int)i == table->row_id_column)
            continue;
        return mn_fail(MN_CONSTRAINT, "%s of %s is NOT NULL", column->name, table->name);
    }
    return MN_OK;
}

static enum mn_status end_find(struct mn_view *view, const struct mn_table *relation,
                               const struct mn_value *values, bool dst, int64_t *row_id)
{
    const struct mn_table *table = dst ? relation->to : relation->from;
    const struct mn_value *key = &values[dst];
    struct mn_buf text = {0};
    bool found;
    enum mn_status status = mn_row_find(view, table, key, row_id, &found);

    if (status != MN_OK || found) return status;
    status = mn_message_value(&text, key);
    if (status == MN_OK) {
        status = mn_fail(MN_CONSTRAINT, "no row %.*s in %s (%s of %s)", (int)text.len,
                         (const char *)text.data, table->name, dst ? "dst" : "src", relation->name);
    }
    mn_buf_release(&text);
    return status;
}

enum mn_status mn_row_ends(struct mn_view *view, const struct mn_table *relation,
                           const struct mn_value *values, struct mn_ends *ends)
{
    enum mn_status status = end_find(view, relation, values, false, &ends->src);

    return status == MN_OK ? end_find(view, relation, values, true, &ends->dst) : status;
}

enum mn_status mn_row_pair_free(struct mn_view *view, const struct mn_table *relation,
                                const struct mn_ends *ends, const struct mn_value *values)
{
    struct mn_buf text = {0};
    int64_t edge;
    bool found;
    enum mn_status status;

    if (relation->multi) return MN_OK;
    status = mn_edge_find(view, relation, ends->src, ends->dst, &edge, &found);
    if (status != MN_OK || !found) return status;
    status = mn_message_value(&text, &values[0]);
    if (status == MN_OK) status = mn_buf_text(&text, ", ");
    if (status == MN_OK) status = mn_message_value(&text, &values[1]);
    if (status == MN_OK) {
        mn_fail(MN_CONSTRAINT, "%s has (src, dst) = (%.*s) already", relation->name, (int)text.len,
                (const char *)text.data);
        status = mn_hint("LINK changes an edge that is there; WITH (multi) admits several");
    }
    mn_buf_release(&text);
    return status;
}

enum mn_status mn_row_id_duplicate(const struct mn_table *table, int64_t row_id)
{
    mn_fail(MN_CONSTRAINT, "%s has %s = %" PRId64 " already", table->name,
            table->row_id_column < 0 ? "rowid" : table->columns[table->row_id_column].name, row_id);
    return mn_hint("the PRIMARY KEY is unique");
}

enum mn_status mn_row_next_id(struct mn_view *view, const struct mn_table *table, int64_t *row_id)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    bool found = false;
    int64_t last = 0, floor = 1;
    enum mn_status status = mn_cursor_open(view, table->tree, &cursor);

    if (status != MN_OK) return status;
    status = mn_cursor_last(cursor, &found);
    if (status == MN_OK && found) status = mn_cursor_item(cursor, &item);
    if (status == MN_OK && found) {
        if (item.key.len == MN_ROW_ID_BYTES) {
            last = mn_row_id_get(item.key.data);
        } else {
            status = mn_fail(MN_CORRUPT, "a row key of %s is damaged", table->name);
        }
    }
    mn_cursor_close(cursor);
    if (status == MN_OK && table->row_id_column < 0) {
        status = mn_table_row_floor(view, table, &floor);
    }
    if (status != MN_OK) return status;
    if (last == INT64_MAX) return mn_fail(MN_FULL, "%s has used its last row id", table->name);
    *row_id = found ? last + 1 : 1;
    if (table->row_id_column < 0 && *row_id < floor) *row_id = floor;
    return MN_OK;
}

enum mn_status mn_row_column_note(enum mn_status status, const struct mn_table *table,
                                  const struct mn_column *column)
{
    char message[MN_MESSAGE_BYTES];

    if (status != MN_RANGE && status != MN_TYPE) return status;
    memcpy(message, mn_error_last()->message, sizeof message);
    message[sizeof message - 1] = '\0';
    return mn_fail(status, "%s of %s: %.400s", column->name, table->name, message);
}

/* ---- storing ---- */

bool mn_row_is_plain(const struct mn_table *table)
{
    if (table->index_count + table->out_count + table->in_count > 0 || table->relation) {
        return false;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].kind.type == MN_TYPE_VECTOR) return false;
    }
    return true;
}

enum mn_record_form mn_row_form(struct mn_view *view)
{
    return mn_store_is_dense(mn_view_store(view)) ? MN_RECORD_ANY : MN_RECORD_FULL;
}

static enum mn_status record_put(struct mn_view *view, const struct mn_table *table,
                                 const struct mn_index_entry *entry, unsigned flags)
{
    uint8_t key[MN_ROW_ID_BYTES];
    struct mn_buf record = {0};
    enum mn_status status = mn_record_encode(entry->values, table->column_count,
                                             table->row_id_column, mn_row_form(view), &record);

    mn_row_id_put(key, entry->row_id);
    if (status == MN_OK) {
        status = mn_tree_put(view, table->tree, mn_bytes_of(key, sizeof key),
                             mn_bytes_of(record.data, record.len), flags);
    }
    mn_buf_release(&record);
    return status == MN_EXISTS ? mn_row_id_duplicate(table, entry->row_id) : status;
}

enum mn_status mn_row_put(struct mn_view *view, const struct mn_table *table,
                          const struct mn_value *values)
{
    struct mn_index_entry entry = {values, values[table->row_id_column].i};
    enum mn_status status = mn_row_not_null(table, values);

    return status == MN_OK ? record_put(view, table, &entry, MN_PUT_UPSERT) : status;
}

enum mn_status mn_row_vector_put(const struct mn_slabs *slabs, int64_t row_id,
                                 const struct mn_value *vector)
{
    size_t size = (size_t)slabs->dims * sizeof(float);
    float *copy = mn_alloc_aligned(size);
    enum mn_status status;

    if (!copy) return mn_fail_nomem();
    memcpy(copy, vector->p, size);
    status = mn_slab_put(slabs, row_id, copy);
    mn_release_aligned(copy);
    return status;
}

static enum mn_status vectors_put(struct mn_view *view, const struct mn_table *table,
                                  const struct mn_index_entry *entry)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct mn_column *column = &table->columns[i];
        struct mn_slabs slabs;
        enum mn_status status;

        if (column->kind.type != MN_TYPE_VECTOR || mn_is_null(&entry->values[i])) continue;
        slabs = mn_column_slabs(view, column);
        status = mn_row_vector_put(&slabs, entry->row_id, &entry->values[i]);
        if (status != MN_OK) return mn_row_column_note(status, table, column);
    }
    return MN_OK;
}

enum mn_status mn_row_codes_put(struct mn_view *view, const struct mn_table *table,
                                const struct mn_index_entry *entry)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < table->index_count && status == MN_OK; i++) {
        const struct mn_index *index = &table->indexes[i];
        const struct mn_value *vector = &entry->values[index->columns[0].column];
        struct mn_ann ann;

        if (!mn_index_is_coded(index) || mn_is_null(vector)) continue;
        status = mn_ann_init(&ann, view, index);
        if (status == MN_OK) status = mn_ann_insert(&ann, entry, vector->p);
    }
    return status;
}

enum mn_status mn_row_codes_delete(struct mn_view *view, const struct mn_table *table,
                                   const struct mn_index_entry *entry)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < table->index_count && status == MN_OK; i++) {
        const struct mn_index *index = &table->indexes[i];
        struct mn_ann ann;

        if (!mn_index_is_coded(index)) continue;
        if (mn_is_null(&entry->values[index->columns[0].column])) continue;
        status = mn_ann_init(&ann, view, index);
        if (status == MN_OK) status = mn_ann_delete(&ann, entry);
    }
    return status;
}

enum mn_status mn_row_insert(struct mn_view *view, const struct mn_table *table,
                             const struct mn_value *values, int64_t *row_id)
{
    const struct mn_value *given = table->row_id_column >= 0 ? &values[table->row_id_column] : NULL;
    struct mn_index_entry entry = {.values = values};
    struct mn_buf scratch = {0};
    struct mn_ends ends;
    enum mn_status status = mn_row_not_null(table, values);

    if (status == MN_OK && given && !mn_is_null(given)) {
        entry.row_id = given->i;
    } else if (status == MN_OK) {
        status = mn_row_next_id(view, table, &entry.row_id);
    }
    if (status == MN_OK && table->relation) {
        status = mn_row_ends(view, table, values, &ends);
        if (status == MN_OK) status = mn_row_pair_free(view, table, &ends, values);
        if (status == MN_OK) status = mn_edge_put(view, table, ends.src, ends.dst, entry.row_id);
    }
    if (status == MN_OK) status = record_put(view, table, &entry, MN_PUT_INSERT);
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        if (table->indexes[i].kind != MN_INDEX_BTREE) continue;
        status = mn_index_entry_put(view, &table->indexes[i], &entry, &scratch);
    }
    if (status == MN_OK) status = vectors_put(view, table, &entry);
    if (status == MN_OK) status = mn_row_codes_put(view, table, &entry);
    mn_buf_release(&scratch);
    if (status == MN_OK) *row_id = entry.row_id;
    return status;
}
