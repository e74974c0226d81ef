/*
 * row_change: new values for a stored row, and the end of a row with all that hangs on it.
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "base/plant.h"
#include "catalog/key.h"
#include "catalog/record.h"
#include "index/relation/edge.h"
#include "index/row_inside.h"
#include "index/vector/ann.h"
#include "index/vector/cover.h"

/* ---- update ---- */

/* An update under way. */
struct update {
    struct mn_view *view;
    const struct mn_table *table;
    const bool *changed; /* NULL: nothing is known */
    struct mn_old_row old;
    struct mn_value *values; /* the row as it will be; old values where nothing changed */
    int64_t old_id, new_id;
    struct mn_buf old_key, new_key;
};

static bool column_may_change(const struct update *update, uint32_t i)
{
    return !update->changed || update->changed[i];
}

static enum mn_status values_merge(struct update *update, const struct mn_value *given)
{
    uint32_t count = update->table->column_count;

    update->values = mn_alloc(count * sizeof *update->values);
    if (!update->values) return mn_fail_nomem();
    for (uint32_t i = 0; i < count; i++) {
        update->values[i] = column_may_change(update, i) ? given[i] : update->old.values[i];
    }
    update->new_id = update->old_id;
    if (update->table->row_id_column >= 0) {
        const struct mn_value *id = &update->values[update->table->row_id_column];

        if (mn_is_null(id)) {
            return mn_fail(MN_CONSTRAINT, "%s of %s is NOT NULL",
                           update->table->columns[update->table->row_id_column].name,
                           update->table->name);
        }
        update->new_id = id->i;
    }
    return mn_row_not_null(update->table, update->values);
}

/* The key that edges hold must stay while there are edges. */
static enum mn_status key_may_change(const struct update *update)
{
    const struct mn_table *table = update->table;
    int column = mn_table_key_column(table);
    uint64_t edges = 0;

    if (column < 0 || table->out_count + table->in_count == 0) return MN_OK;
    if (mn_value_order(&update->old.values[column], &update->values[column]) == 0) return MN_OK;
    for (uint32_t i = 0; i < table->out_count + table->in_count && edges == 0; i++) {
        bool out = i < table->out_count;
        enum mn_status status =
            mn_edge_degree(update->view, out ? table->out[i] : table->in[i - table->out_count],
                           out ? MN_EDGE_OUT : MN_EDGE_IN, update->old_id, &edges);

        if (status != MN_OK) return status;
    }
    if (edges == 0) return MN_OK;
    return mn_fail(MN_CONSTRAINT, "the row of %s has edges: its key %s cannot change", table->name,
                   table->columns[column].name);
}

static enum mn_status edge_change(struct update *update)
{
    const struct mn_table *relation = update->table;
    struct mn_ends old, new;
    enum mn_status status;

    if (!relation->relation || (!column_may_change(update, 0) && !column_may_change(update, 1))) {
        return MN_OK;
    }
    status = mn_row_ends(update->view, relation, update->old.values, &old);
    if (status == MN_CONSTRAINT) {
        return mn_fail(MN_CORRUPT, "edge %" PRId64 " of %s has lost an end", update->old_id,
                       relation->name);
    }
    if (status == MN_OK) status = mn_row_ends(update->view, relation, update->values, &new);
    if (status != MN_OK) return status;
    if (old.src == new.src && old.dst == new.dst) return MN_OK;
    status = mn_row_pair_free(update->view, relation, &new, update->values);
    if (status == MN_OK) {
        status = mn_edge_delete(update->view, relation, old.src, old.dst, update->old_id);
    }
    if (status != MN_OK) return status;
    return mn_edge_put(update->view, relation, new.src, new.dst, update->old_id);
}

static enum mn_status record_change(struct update *update)
{
    const struct mn_table *table = update->table;
    uint8_t key[MN_ROW_ID_BYTES];
    struct mn_buf *record = &update->new_key;
    enum mn_status status;

    record->len = 0;
    status = mn_record_encode(update->values, table->column_count, table->row_id_column,
                              mn_row_form(update->view), record);
    if (status == MN_OK && update->new_id != update->old_id) {
        mn_row_id_put(key, update->old_id);
        status = mn_tree_delete(update->view, table->tree, mn_bytes_of(key, sizeof key), NULL);
    } else if (status == MN_OK && record->len == update->old.record.len &&
               memcmp(record->data, update->old.record.data, record->len) == 0) {
        return MN_OK;
    }
    if (status != MN_OK) return status;
    mn_row_id_put(key, update->new_id);
    status = mn_tree_put(update->view, table->tree, mn_bytes_of(key, sizeof key),
                         mn_bytes_of(record->data, record->len),
                         update->new_id == update->old_id ? MN_PUT_UPSERT : MN_PUT_INSERT);
    return status == MN_EXISTS ? mn_row_id_duplicate(table, update->new_id) : status;
}

static bool columns_may_change(const struct update *update, const struct mn_index *index)
{
    if (update->new_id != update->old_id) return true;
    for (uint32_t i = 0; i < index->column_count; i++) {
        if (column_may_change(update, index->columns[i].column)) return true;
    }
    return false;
}

static bool index_may_change(const struct update *update, const struct mn_index *index)
{
    if (index->kind != MN_INDEX_BTREE) return false;
    return columns_may_change(update, index);
}

static enum mn_status entry_change(struct update *update, const struct mn_index *index)
{
    struct mn_index_entry old = {update->old.values, update->old_id};
    struct mn_index_entry new = {update->values, update->new_id};
    bool old_has_id, new_has_id;
    enum mn_status status = mn_index_entry_key(index, &old, &update->old_key, &old_has_id);

    if (status == MN_OK) status = mn_index_entry_key(index, &new, &update->new_key, &new_has_id);
    if (status != MN_OK) return status;
    if (update->old_id == update->new_id && update->old_key.len == update->new_key.len &&
        memcmp(update->old_key.data, update->new_key.data, update->old_key.len) == 0) {
        return MN_OK;
    }
    if (!MN_PLANT(INDEX_ENTRY_STAYS)) {
        status = mn_index_entry_delete(update->view, index, &old, &update->old_key);
    }
    return status == MN_OK ? mn_index_entry_put(update->view, index, &new, &update->new_key)
                           : status;
}

/* Moves a vector that stays the same to the row's new id. */
static enum mn_status vector_move(struct update *update, const struct mn_slabs *slabs)
{
    const float *vector;
    struct mn_value value;
    enum mn_status status = mn_slab_get(slabs, update->old_id, &vector);

    if (status != MN_OK || !vector) return status;
    value = mn_vector(vector, slabs->dims);
    status = mn_row_vector_put(slabs, update->new_id, &value);
    return status == MN_OK ? mn_slab_delete(slabs, update->old_id, NULL) : status;
}

static enum mn_status vector_change(struct update *update, uint32_t i)
{
    const struct mn_column *column = &update->table->columns[i];
    struct mn_slabs slabs = mn_column_slabs(update->view, column);
    enum mn_status status = MN_OK;

    if (!column_may_change(update, i)) {
        return update->new_id == update->old_id ? MN_OK : vector_move(update, &slabs);
    }
    if (!mn_is_null(&update->values[i])) {
        status = mn_row_vector_put(&slabs, update->new_id, &update->values[i]);
    }
    if (status == MN_OK && !mn_is_null(&update->old.values[i]) &&
        (mn_is_null(&update->values[i]) || update->new_id != update->old_id)) {
        status = mn_slab_delete(&slabs, update->old_id, NULL);
    }
    return mn_row_column_note(status, update->table, column);
}

static bool covers_may_change(const struct update *update, const struct mn_index *index)
{
    for (uint32_t i = 0; i < index->cover_count; i++) {
        if (column_may_change(update, index->covers[i])) return true;
    }
    return false;
}

/* The code stays, and the values beside it change. */
static enum mn_status covers_change(struct update *update, const struct mn_index *index)
{
    struct mn_index_entry new = {update->values, update->new_id};

    if (!mn_index_is_coded(index) || !covers_may_change(update, index)) return MN_OK;
    if (mn_is_null(&update->values[index->columns[0].column])) return MN_OK;
    if (MN_PLANT(COVER_STALE)) return MN_OK;
    return mn_cover_put(update->view, index, &new);
}

/* Takes the row's old codes away, or puts the new ones, where they may differ. */
static enum mn_status codes_change(struct update *update, bool put)
{
    struct mn_index_entry old = {update->old.values, update->old_id};
    struct mn_index_entry new = {update->values, update->new_id};
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < update->table->index_count && status == MN_OK; i++) {
        const struct mn_index *index = &update->table->indexes[i];
        uint32_t column = index->columns[0].column;
        struct mn_slabs slabs = mn_column_slabs(update->view, &update->table->columns[column]);
        struct mn_ann ann;
        const float *vector;

        if (put && !columns_may_change(update, index)) status = covers_change(update, index);
        if (!mn_index_is_coded(index) || !columns_may_change(update, index)) continue;
        if (mn_is_null(put ? &update->values[column] : &update->old.values[column])) continue;
        status = mn_ann_init(&ann, update->view, index);
        if (status != MN_OK) break;
        if (!put) {
            status = mn_ann_delete(&ann, &old);
            continue;
        }
        status = mn_slab_get(&slabs, update->new_id, &vector);
        if (status == MN_OK && !vector) {
            status = mn_fail(MN_CORRUPT, "row %" PRId64 " of %s has lost its vector",
                             update->new_id, update->table->name);
        }
        if (status == MN_OK) status = mn_ann_insert(&ann, &new, vector);
    }
    return status;
}

static enum mn_status update_apply(struct update *update)
{
    const struct mn_table *table = update->table;
    enum mn_status status = key_may_change(update);

    if (status == MN_OK) status = edge_change(update);
    if (status == MN_OK) status = record_change(update);
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        if (index_may_change(update, &table->indexes[i])) {
            status = entry_change(update, &table->indexes[i]);
        }
    }
    if (status == MN_OK) status = codes_change(update, false);
    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        if (table->columns[i].kind.type == MN_TYPE_VECTOR) status = vector_change(update, i);
    }
    return status == MN_OK ? codes_change(update, true) : status;
}

enum mn_status mn_row_update(struct mn_view *view, const struct mn_table *table,
                             const struct mn_row_update *options, int64_t *new_id)
{
    struct update update = {
        .view = view, .table = table, .changed = options->changed, .old_id = options->row_id};
    bool found;
    enum mn_status status = mn_old_row_read(view, table, options->row_id, &update.old, &found);

    if (status != MN_OK) return status;
    if (!found) {
        return mn_fail(MN_NOTFOUND, "%s has no row %" PRId64, table->name, options->row_id);
    }
    status = values_merge(&update, options->values);
    if (status == MN_OK) status = update_apply(&update);
    if (status == MN_OK && new_id) *new_id = update.new_id;
    mn_old_row_release(&update.old);
    mn_dealloc(update.values);
    mn_buf_release(&update.old_key);
    mn_buf_release(&update.new_key);
    return status;
}

enum mn_status mn_row_set_vector(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                                 uint32_t column, const struct mn_value *vector)
{
    struct mn_value *values = mn_zalloc(table->column_count * sizeof *values);
    bool *changed = mn_zalloc(table->column_count * sizeof *changed);
    struct mn_row_update update = {row_id, values, changed};
    enum mn_status status;

    if (values && changed) {
        values[column] = *vector;
        changed[column] = true;
        status = mn_row_update(view, table, &update, NULL);
    } else {
        status = mn_fail_nomem();
    }
    mn_dealloc(values);
    mn_dealloc(changed);
    return status;
}

/* ---- delete ---- */

/* Notes a hidden id that is about to go, where the next row would get it again. */
static enum mn_status floor_raise(struct mn_view *view, const struct mn_table *table,
                                  int64_t row_id)
{
    int64_t next, floor;
    enum mn_status status;

    if (table->row_id_column >= 0) return MN_OK;
    status = mn_row_next_id(view, table, &next);
    if (status == MN_FULL) {
        next = INT64_MAX;
        status = row_id == INT64_MAX ? MN_OK : MN_FULL;
    }
    if (status != MN_OK || (next != INT64_MAX && row_id != next - 1)) return status;
    floor = row_id == INT64_MAX ? INT64_MAX : row_id + 1;
    return mn_table_row_floor_put(view, table, floor);
}

/* Everything of a row but its edges' trees. */
static enum mn_status row_parts_delete(struct mn_view *view, const struct mn_table *table,
                                       int64_t row_id, const struct mn_old_row *old)
{
    struct mn_index_entry entry = {old->values, row_id};
    struct mn_buf scratch = {0};
    uint8_t key[MN_ROW_ID_BYTES];
    enum mn_status status = floor_raise(view, table, row_id);

    mn_row_id_put(key, row_id);
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        if (table->indexes[i].kind != MN_INDEX_BTREE) continue;
        status = mn_index_entry_delete(view, &table->indexes[i], &entry, &scratch);
    }
    if (status == MN_OK) status = mn_row_codes_delete(view, table, &entry);
    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        if (table->columns[i].kind.type == MN_TYPE_VECTOR && !mn_is_null(&old->values[i])) {
            struct mn_slabs slabs = mn_column_slabs(view, &table->columns[i]);

            status = mn_slab_delete(&slabs, row_id, NULL);
        }
    }
    if (status == MN_OK) {
        status = mn_tree_delete(view, table->tree, mn_bytes_of(key, sizeof key), NULL);
    }
    mn_buf_release(&scratch);
    return status;
}

/* An edge whose ends are known: its row and both of its keys. */
static enum mn_status edge_row_delete(struct mn_view *view, const struct mn_table *relation,
                                      const struct mn_ends *ends, int64_t edge)
{
    struct mn_old_row old;
    bool found;
    enum mn_status status = mn_old_row_read(view, relation, edge, &old, &found);

    if (status != MN_OK) return status;
    if (!found) {
        return mn_fail(MN_CORRUPT, "%s has no row %" PRId64 " for one of its edges", relation->name,
                       edge);
    }
    status = mn_edge_delete(view, relation, ends->src, ends->dst, edge);
    if (status == MN_OK) status = row_parts_delete(view, relation, edge, &old);
    mn_old_row_release(&old);
    return status;
}

enum { EDGES_AT_ONCE = 64 };

/* All edges of a node in one relation and direction, some at a time. */
static enum mn_status node_edges_delete(struct mn_view *view, const struct mn_table *relation,
                                        enum mn_edge_direction direction,
                                        const struct mn_row_delete *options, uint64_t *count)
{
    struct mn_edge edges[EDGES_AT_ONCE];
    struct mn_edge_scan *scan;
    size_t got = 1;
    enum mn_status status = mn_edge_scan_open(view, relation, direction, &scan);

    while (status == MN_OK && got > 0) {
        status = mn_edge_scan_node(scan, options->row_id);
        if (status == MN_OK) status = mn_edge_scan_next(scan, edges, EDGES_AT_ONCE, &got);
        for (size_t i = 0; status == MN_OK && i < got; i++) {
            bool out = direction == MN_EDGE_OUT;
            struct mn_ends ends = {out ? options->row_id : edges[i].node,
                                   out ? edges[i].node : options->row_id};

            if (options->edge) status = options->edge(options->context, relation, edges[i].edge);
            if (status == MN_OK) status = edge_row_delete(view, relation, &ends, edges[i].edge);
            if (status == MN_OK && count) (*count)++;
        }
    }
    mn_edge_scan_close(scan);
    return status;
}

/* (R4): nothing of the row must be known. */
static enum mn_status plain_delete(struct mn_view *view, const struct mn_table *table,
                                   int64_t row_id, bool *found)
{
    uint8_t key[MN_ROW_ID_BYTES];
    enum mn_status status = floor_raise(view, table, row_id);

    mn_row_id_put(key, row_id);
    return status == MN_OK ? mn_tree_delete(view, table->tree, mn_bytes_of(key, sizeof key), found)
                           : status;
}

enum mn_status mn_row_delete(struct mn_view *view, const struct mn_table *table,
                             const struct mn_row_delete *options, uint64_t *edges, bool *found)
{
    struct mn_old_row old;
    bool there;
    enum mn_status status;

    if (found) *found = false;
    if (mn_row_is_plain(table)) return plain_delete(view, table, options->row_id, found);
    status = mn_old_row_read(view, table, options->row_id, &old, &there);
    if (status != MN_OK || !there) return status;
    for (uint32_t i = 0; status == MN_OK && i < table->out_count; i++) {
        status = node_edges_delete(view, table->out[i], MN_EDGE_OUT, options, edges);
    }
    for (uint32_t i = 0; status == MN_OK && i < table->in_count; i++) {
        status = node_edges_delete(view, table->in[i], MN_EDGE_IN, options, edges);
    }
    if (status == MN_OK && table->relation) {
        struct mn_ends ends;

        status = mn_row_ends(view, table, old.values, &ends);
        if (status == MN_CONSTRAINT) {
            status = mn_fail(MN_CORRUPT, "edge %" PRId64 " of %s has lost an end", options->row_id,
                             table->name);
        }
        if (status == MN_OK) {
            status = mn_edge_delete(view, table, ends.src, ends.dst, options->row_id);
        }
    }
    if (status == MN_OK) status = row_parts_delete(view, table, options->row_id, &old);
    mn_old_row_release(&old);
    if (status == MN_OK && found) *found = true;
    return status;
}
