/*
 * load: many rows at once.
 *
 *   the first PROBE_ROWS rows       wait in a sorter: do their ids ascend past the table's last?
 *   they do                         -> they and the rows after them go into the table's tree and
 *                                      slabs at once, bottom-up
 *   the first row that does not     -> it and all after it are sorted, slabs by single puts; into
 *                                      an empty table all of it is built bottom-up at the end
 *   entries of indexes, edges       -> sorters, brought into their trees at the end
 *   sorters hold over memory_bytes  -> what they hold waits in files without a name, sorted; of a
 *                                      database in memory it goes into the trees
 *
 * A table with vectors does not wait: its slabs are built as the rows come.
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "catalog/key.h"
#include "catalog/record.h"
#include "index/row_inside.h"
#include "index/sorter.h"
#include "index/vector/ann.h"

enum { PROBE_ROWS = 64, EDGE_KEY_BYTES = 24, PAIR_BYTES = 16 };
enum { ROWS_AT_ONCE = 16 };

struct mn_rows {
    struct mn_view *view;
    const struct mn_table *table;
    int64_t next_id; /* behind the greatest there is */
    bool any;        /* there is a row, in the table or the load */
    bool spent;      /* the greatest is the last there can be */
    uint64_t rows, failed_row;
    bool probing;                  /* the rows so far ascend and wait in out_of_order */
    struct mn_bulk *bulk;          /* of the table's tree, while ids ascend */
    struct mn_slab_bulk **slabs;   /* one a column, NULL where it is no vector */
    struct mn_sorter out_of_order; /* of the table's tree */
    struct mn_sorter *indexes;     /* one an index */
    struct mn_sorter forward, backward;
    struct mn_buf record, key;
    enum mn_record_form form;
    struct mn_record_shape shape; /* of the row at hand */
    bool straight;                /* rows of the table's tree are all that there is to make */
    bool checks;                  /* there are columns that must not be NULL */
    bool vectors;                 /* there are columns of vectors */
    bool coded;            /* the table has a vector index with codes: they are made at the end */
    uint64_t before;       /* rows of the table when the load began */
    uint64_t memory_bytes; /* what sorters may hold together in memory */
    const struct mn_watch *watch;
    int64_t *ids; /* of the rows of the load, where it is coded */
    size_t id_count, id_capacity;
};

/* ---- begin and end of memory ---- */

static void load_free(struct mn_rows *load)
{
    mn_sorter_release(&load->out_of_order);
    mn_sorter_release(&load->forward);
    mn_sorter_release(&load->backward);
    for (uint32_t i = 0; load->indexes && i < load->table->index_count; i++) {
        mn_sorter_release(&load->indexes[i]);
    }
    mn_dealloc(load->indexes);
    mn_dealloc(load->ids);
    mn_dealloc(load->slabs);
    mn_buf_release(&load->record);
    mn_buf_release(&load->key);
    mn_dealloc(load);
}

/* Ends what is built bottom-up; the first failure counts. */
static enum mn_status bulks_end(struct mn_rows *load, enum mn_status status)
{
    if (load->bulk) {
        enum mn_status ended = mn_bulk_end(load->bulk);

        load->bulk = NULL;
        if (status == MN_OK) status = ended;
    }
    for (uint32_t i = 0; load->slabs && i < load->table->column_count; i++) {
        if (!load->slabs[i]) continue;
        if (status == MN_OK) {
            status = mn_slab_bulk_end(load->slabs[i]);
        } else {
            mn_slab_bulk_abort(load->slabs[i]);
        }
        load->slabs[i] = NULL;
    }
    return status;
}

static enum mn_status bulks_begin(struct mn_rows *load)
{
    const struct mn_table *table = load->table;
    enum mn_status status = mn_bulk_begin(load->view, table->tree, &load->bulk);

    for (uint32_t i = 0; status == MN_OK && i < table->column_count; i++) {
        struct mn_slabs slabs = mn_column_slabs(load->view, &table->columns[i]);

        if (table->columns[i].kind.type != MN_TYPE_VECTOR) continue;
        status = mn_slab_bulk_begin(&slabs, &load->slabs[i]);
    }
    return status;
}

/* What of the table asks for a look at each row. */
static void columns_look(struct mn_rows *load)
{
    const struct mn_table *table = load->table;

    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].kind.type == MN_TYPE_VECTOR) load->vectors = true;
        if (table->columns[i].not_null && (int)i != table->row_id_column) load->checks = true;
    }
    load->straight = !load->checks && !load->vectors && table->index_count == 0 && !table->relation;
}

enum mn_status mn_rows_begin(struct mn_view *view, const struct mn_table *table,
                             uint64_t memory_bytes, struct mn_rows **out)
{
    struct mn_rows *load = mn_zalloc(sizeof *load);
    uint64_t rows;
    enum mn_status status;

    *out = NULL;
    if (!load) return mn_fail_nomem();
    load->view = view;
    load->memory_bytes = memory_bytes;
    load->form = mn_row_form(view);
    load->table = table;
    load->failed_row = UINT64_MAX;
    load->slabs = mn_zalloc(table->column_count * sizeof(struct mn_slab_bulk *));
    load->indexes = mn_zalloc((table->index_count + 1) * sizeof *load->indexes);
    load->out_of_order.tree = table->tree;
    load->forward.tree = table->forward_tree;
    load->backward.tree = table->backward_tree;
    columns_look(load);
    status = load->slabs && load->indexes ? MN_OK : mn_fail_nomem();
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        load->indexes[i].tree = table->indexes[i].tree;
        load->coded |= mn_index_is_coded(&table->indexes[i]);
    }
    if (status == MN_OK) status = mn_tree_count(view, table->tree, &rows);
    if (status == MN_OK) {
        load->any = rows > 0;
        load->before = rows;
        status = mn_row_next_id(view, table, &load->next_id);
    }
    if (status == MN_FULL && table->row_id_column >= 0) {
        load->spent = true; /* ids below the last may still be free */
        status = MN_OK;
    } else if (status == MN_OK && load->vectors) {
        status = bulks_begin(load);
    } else {
        load->probing = status == MN_OK;
    }
    if (status != MN_OK) {
        mn_rows_abort(load);
        return status;
    }
    *out = load;
    return MN_OK;
}

void mn_rows_abort(struct mn_rows *load)
{
    if (!load) return;
    bulks_end(load, MN_INTERRUPT);
    load_free(load);
}

/* ---- merging ---- */

/* A duplicate key of an index, told by its values. */
static enum mn_status index_clash(const struct mn_index *index, const struct mn_clash *clash)
{
    const uint8_t *at = clash->key.data, *end = at + clash->key.len;
    struct mn_arena arena;
    struct mn_value *values;
    enum mn_status status = MN_OK;

    mn_arena_init(&arena, 0);
    values = mn_arena_zalloc(&arena, index->table->column_count * sizeof *values);
    if (!values) status = mn_fail_nomem();
    for (uint32_t i = 0; status == MN_OK && i < index->column_count; i++) {
        const struct mn_index_column *column = &index->columns[i];

        status = mn_key_decode(&at, end, &index->table->columns[column->column].kind, column->order,
                               &arena, &values[column->column]);
    }
    if (status == MN_OK) status = mn_index_entry_duplicate(index, values);
    mn_arena_release(&arena);
    return status;
}

static enum mn_status pair_clash(struct mn_rows *load, const struct mn_clash *clash)
{
    struct mn_value ends[2];
    struct mn_buf text = {0};
    const struct mn_table *table = load->table;
    enum mn_status status =
        mn_row_key(load->view, table->from, mn_row_id_get(clash->key.data), &ends[0]);

    if (status == MN_OK) {
        status = mn_row_key(load->view, table->to, mn_row_id_get(clash->key.data + 8), &ends[1]);
    }
    if (status == MN_OK) status = mn_message_value(&text, &ends[0]);
    if (status == MN_OK) status = mn_buf_text(&text, ", ");
    if (status == MN_OK) status = mn_message_value(&text, &ends[1]);
    if (status == MN_OK) {
        status = mn_fail(MN_CONSTRAINT, "%s has (src, dst) = (%.*s) already", table->name,
                         (int)text.len, (const char *)text.data);
    }
    mn_buf_release(&text);
    return status;
}

/* All of a sorter into its tree, or, while rows come, what it has in memory to where it waits. */
static enum mn_status sorter_empty(struct mn_rows *load, struct mn_sorter *sorter, bool ended,
                                   struct mn_clash *clash)
{
    if (mn_sorter_is_empty(sorter)) return MN_OK;
    return ended ? mn_sorter_flush(sorter, load->view, clash)
                 : mn_sorter_spill(sorter, load->view, load->memory_bytes, clash);
}

static enum mn_status sorters_empty(struct mn_rows *load, bool ended)
{
    const struct mn_table *table = load->table;
    struct mn_clash clash;
    enum mn_status status = sorter_empty(load, &load->out_of_order, ended, &clash);

    if (status == MN_EXISTS) {
        load->failed_row = clash.row;
        return mn_row_id_duplicate(table, mn_row_id_get(clash.key.data));
    }
    for (uint32_t i = 0; status == MN_OK && i < table->index_count; i++) {
        status = sorter_empty(load, &load->indexes[i], ended, &clash);
        if (status == MN_EXISTS) {
            load->failed_row = clash.row;
            return index_clash(&table->indexes[i], &clash);
        }
    }
    if (status == MN_OK && table->relation) {
        status = sorter_empty(load, &load->forward, ended, &clash);
        if (status == MN_EXISTS) {
            load->failed_row = clash.row;
            return pair_clash(load, &clash);
        }
        if (status == MN_OK) status = sorter_empty(load, &load->backward, ended, &clash);
        if (status == MN_EXISTS) {
            return mn_fail(MN_CORRUPT, "the backward tree of %s has edges it should not",
                           table->name);
        }
    }
    return status;
}

static size_t load_bytes(const struct mn_rows *load)
{
    size_t sum = mn_sorter_bytes(&load->out_of_order) + mn_sorter_bytes(&load->forward) +
                 mn_sorter_bytes(&load->backward);

    for (uint32_t i = 0; i < load->table->index_count; i++) {
        sum += mn_sorter_bytes(&load->indexes[i]);
    }
    return sum;
}

/* Does a row leave something in a sorter? */
static bool sorts(const struct mn_rows *load)
{
    return !load->bulk || load->table->index_count > 0 || load->table->relation;
}

/* ---- one row ---- */

static enum mn_status record_add(struct mn_rows *load, const struct mn_index_entry *entry)
{
    const struct mn_table *table = load->table;
    struct mn_record_shape *shape = &load->shape;
    uint8_t key[MN_ROW_ID_BYTES], *at;
    struct mn_bytes key_bytes = mn_bytes_of(key, sizeof key);
    struct mn_sorted sorted;
    enum mn_status status = mn_record_measure(entry->values, table->column_count,
                                              table->row_id_column, load->form, shape);

    if (status != MN_OK) return status;
    mn_row_id_put(key, entry->row_id);
    at = load->bulk ? mn_bulk_room(load->bulk, key_bytes, shape->size_bytes) : NULL;
    if (at) {
        mn_record_write(entry->values, shape, at);
        return MN_OK;
    }
    if (!load->bulk) {
        sorted =
            (struct mn_sorted){key_bytes, {NULL, shape->size_bytes}, MN_ROW_ID_BYTES, load->rows};
        at = mn_sorter_room(&load->out_of_order, &sorted);
        if (at) mn_record_write(entry->values, shape, at);
        return at ? MN_OK : MN_NOMEM;
    }
    load->record.len = 0;
    status = mn_buf_reserve(&load->record, shape->size_bytes);
    if (status != MN_OK) return status;
    mn_record_write(entry->values, shape, load->record.data);
    return mn_bulk_add(load->bulk, key_bytes, mn_bytes_of(load->record.data, shape->size_bytes));
}

static enum mn_status entries_add(struct mn_rows *load, const struct mn_index_entry *entry)
{
    uint8_t id[MN_ROW_ID_BYTES];

    if (load->table->index_count == 0) return MN_OK;
    mn_row_id_put(id, entry->row_id);
    for (uint32_t i = 0; i < load->table->index_count; i++) {
        const struct mn_index *index = &load->table->indexes[i];
        struct mn_sorted sorted = {.row = load->rows, .value = {NULL, 0}};
        bool has_id;
        enum mn_status status;

        if (index->kind != MN_INDEX_BTREE) continue;
        status = mn_index_entry_key(index, entry, &load->key, &has_id);
        if (status != MN_OK) return status;
        sorted.key = mn_bytes_of(load->key.data, load->key.len);
        if (index->unique) sorted.value = mn_bytes_of(id, sizeof id);
        if (!has_id) sorted.unique_bytes = (uint32_t)load->key.len;
        status = mn_sorter_add(&load->indexes[i], &sorted);
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

static enum mn_status edge_add(struct mn_rows *load, const struct mn_index_entry *entry)
{
    uint8_t key[EDGE_KEY_BYTES];
    struct mn_sorted sorted = {.key = {key, sizeof key}, .row = load->rows};
    struct mn_ends ends;
    enum mn_status status = mn_row_ends(load->view, load->table, entry->values, &ends);

    if (status != MN_OK) return status;
    sorted.unique_bytes = load->table->multi ? 0 : PAIR_BYTES;
    mn_row_id_put(key, ends.src);
    mn_row_id_put(key + 8, ends.dst);
    mn_row_id_put(key + 16, entry->row_id);
    status = mn_sorter_add(&load->forward, &sorted);
    if (status != MN_OK) return status;
    sorted.unique_bytes = 0;
    mn_row_id_put(key, ends.dst);
    mn_row_id_put(key + 8, ends.src);
    return mn_sorter_add(&load->backward, &sorted);
}

static enum mn_status vectors_add(struct mn_rows *load, const struct mn_index_entry *entry)
{
    for (uint32_t i = 0; load->vectors && i < load->table->column_count; i++) {
        const struct mn_column *column = &load->table->columns[i];
        const float *vector;
        enum mn_status status;

        if (column->kind.type != MN_TYPE_VECTOR || mn_is_null(&entry->values[i])) continue;
        vector = entry->values[i].p;
        if (load->slabs[i]) {
            status = mn_slab_bulk_add(load->slabs[i], entry->row_id, vector);
        } else {
            struct mn_slabs slabs = mn_column_slabs(load->view, column);

            status = mn_slab_put(&slabs, entry->row_id, vector);
        }
        if (status != MN_OK) return mn_row_column_note(status, load->table, column);
    }
    return MN_OK;
}

/* The first rows ascend: they are the beginning of what is built bottom-up. */
static enum mn_status probe_end(struct mn_rows *load)
{
    struct mn_clash clash;
    enum mn_status status = mn_sorter_flush(&load->out_of_order, load->view, &clash);

    load->probing = false;
    return status == MN_OK ? bulks_begin(load) : status;
}

static enum mn_status id_choose(struct mn_rows *load, const struct mn_value *values, int64_t *id)
{
    int column = load->table->row_id_column;

    *id = load->next_id;
    if (column >= 0 && !mn_is_null(&values[column])) {
        *id = values[column].i;
    } else if (load->spent) {
        return mn_fail(MN_FULL, "%s has used its last row id", load->table->name);
    }
    if (load->any && (load->spent || *id < load->next_id)) {
        load->probing = false;
        return bulks_end(load, MN_OK);
    }
    return load->probing && load->rows == PROBE_ROWS ? probe_end(load) : MN_OK;
}

static enum mn_status id_keep(struct mn_rows *load, int64_t row_id)
{
    if (!mn_grow(&load->ids, &load->id_capacity, load->id_count + 1, sizeof *load->ids)) {
        return mn_fail_nomem();
    }
    load->ids[load->id_count++] = row_id;
    return MN_OK;
}

/* Short rows behind all others, of a table where rows are all there is; how many were taken. */
static size_t straight_add(struct mn_rows *load, const struct mn_value *values,
                           const struct mn_record_short *shapes, size_t rows)
{
    struct mn_numbered numbers[ROWS_AT_ONCE];
    int64_t ids[ROWS_AT_ONCE], next = load->next_id;
    size_t n = 0, taken, columns = load->table->column_count;
    int column = load->table->row_id_column;

    if (!load->straight || !load->bulk || load->spent) return 0;
    for (; n < rows; n++) {
        const struct mn_value *given = column < 0 ? NULL : &values[n * columns + (size_t)column];
        int64_t id = given && !mn_is_null(given) ? given->i : next;

        if (id < next || id == INT64_MAX) break;
        next = id + 1;
        ids[n] = id;
        numbers[n].key = mn_row_id_key(id);
        numbers[n].value_bytes = shapes[n].size_bytes;
    }
    taken = mn_bulk_numbers(load->bulk, numbers, n);
    for (size_t i = 0; i < taken; i++) {
        mn_record_short_write(values + i * columns, &shapes[i], numbers[i].at);
    }
    if (taken > 0) load->next_id = ids[taken - 1] + 1;
    load->rows += taken;
    return taken;
}

static enum mn_status row_add(struct mn_rows *load, const struct mn_value *values, int64_t *row_id)
{
    struct mn_index_entry entry = {.values = values};
    enum mn_status status = load->checks ? mn_row_not_null(load->table, values) : MN_OK;

    if (status == MN_OK) status = id_choose(load, values, &entry.row_id);
    if (status == MN_OK && load->table->relation) status = edge_add(load, &entry);
    if (status == MN_OK) status = record_add(load, &entry);
    if (status == MN_OK) status = entries_add(load, &entry);
    if (status == MN_OK) status = vectors_add(load, &entry);
    if (status == MN_OK && load->coded) status = id_keep(load, entry.row_id);
    if (status == MN_OK && sorts(load) && load_bytes(load) > load->memory_bytes) {
        status = sorters_empty(load, false);
    }
    if (status != MN_OK) return status;
    if (!load->any || (!load->spent && entry.row_id >= load->next_id)) {
        load->spent = entry.row_id == INT64_MAX;
        load->next_id = entry.row_id + !load->spent;
    }
    load->any = true;
    load->rows++;
    *row_id = entry.row_id;
    return MN_OK;
}

/* As mn_rows_add_many, of ROWS_AT_ONCE at most; *row_id is that of the last one. */
static enum mn_status rows_add(struct mn_rows *load, const struct mn_value *values, size_t *rows,
                               int64_t *row_id)
{
    const struct mn_table *table = load->table;
    struct mn_record_short shapes[ROWS_AT_ONCE];
    struct mn_record_rows all = {values, *rows, table->column_count, table->row_id_column,
                                 load->form};
    size_t shorts = load->straight && load->bulk ? mn_record_short_measure(&all, shapes) : 0, n = 0;
    enum mn_status status = MN_OK;

    while (n < *rows && status == MN_OK) {
        size_t taken = 0;

        if (n < shorts) {
            taken = straight_add(load, values + n * all.columns, shapes + n, shorts - n);
        }
        n += taken;
        if (taken > 0) *row_id = load->next_id - 1;
        if (n == *rows) break;
        status = row_add(load, values + n * all.columns, row_id);
        n += status == MN_OK;
    }
    *rows = n;
    return status;
}

enum mn_status mn_rows_add_many(struct mn_rows *load, const struct mn_value *values, size_t *rows)
{
    size_t all = *rows, some;
    enum mn_status status = MN_OK;
    int64_t row_id;

    for (*rows = 0; *rows < all && status == MN_OK; *rows += some) {
        some = all - *rows < ROWS_AT_ONCE ? all - *rows : ROWS_AT_ONCE;
        status = rows_add(load, values + *rows * load->table->column_count, &some, &row_id);
    }
    return status;
}

enum mn_status mn_rows_add(struct mn_rows *load, const struct mn_value *values, int64_t *row_id)
{
    size_t one = 1;

    return rows_add(load, values, &one, row_id);
}

/* ---- codes ---- */

/* What an index needs of a stored row. */
static enum mn_status coded_values(struct mn_rows *load, const struct mn_index *index,
                                   int64_t row_id, struct mn_value *values)
{
    struct mn_row row = {.id = row_id};
    bool found;
    enum mn_status status = mn_row_get(load->view, load->table, row_id, &row.record, &found);

    if (status == MN_OK && !found) {
        return mn_fail(MN_CORRUPT, "row %" PRId64 " of %s is gone", row_id, load->table->name);
    }
    for (uint32_t i = 0; i < index->column_count && status == MN_OK; i++) {
        uint32_t column = index->columns[i].column;
        status = mn_row_column(load->view, load->table, &row, column, &values[column]);
    }
    for (uint32_t i = 0; i < index->cover_count && status == MN_OK; i++) {
        uint32_t column = index->covers[i];
        status = mn_row_column(load->view, load->table, &row, column, &values[column]);
    }
    return status;
}

/* Few rows come one by one; for as many as there were, all codes are made anew. */
static enum mn_status codes_add(struct mn_rows *load, const struct mn_index *index,
                                struct mn_value *values)
{
    struct mn_ann ann;
    enum mn_status status = mn_ann_init(&ann, load->view, index);

    if (status == MN_OK && load->id_count >= load->before) {
        status = mn_ann_clear(&ann);
        return status == MN_OK ? mn_ann_build(&ann, load->watch) : status;
    }
    for (size_t i = 0; i < load->id_count && status == MN_OK; i++) {
        struct mn_index_entry entry = {values, load->ids[i]};
        const struct mn_value *vector = &values[index->columns[0].column];

        status = coded_values(load, index, load->ids[i], values);
        if (status == MN_OK && !mn_is_null(vector)) {
            status = mn_ann_insert(&ann, &entry, vector->p);
        }
        if (status == MN_OK) status = mn_watch_tick(load->watch);
    }
    return status;
}

static enum mn_status all_codes_add(struct mn_rows *load)
{
    struct mn_value *values = mn_zalloc(load->table->column_count * sizeof *values);
    enum mn_status status = values ? MN_OK : mn_fail_nomem();

    for (uint32_t i = 0; i < load->table->index_count && status == MN_OK; i++) {
        const struct mn_index *index = &load->table->indexes[i];

        if (mn_index_is_coded(index)) status = codes_add(load, index, values);
    }
    mn_dealloc(values);
    return status;
}

void mn_rows_watch(struct mn_rows *load, const struct mn_watch *watch)
{
    load->watch = load->out_of_order.watch = load->forward.watch = load->backward.watch = watch;
    for (uint32_t i = 0; i < load->table->index_count; i++) load->indexes[i].watch = watch;
}

uint64_t mn_rows_failed(const struct mn_rows *load)
{
    return load->failed_row;
}

enum mn_status mn_rows_end(struct mn_rows *load, uint64_t *failed_row)
{
    enum mn_status status = bulks_end(load, MN_OK);

    if (status == MN_OK) status = sorters_empty(load, true);
    if (status == MN_OK && load->id_count) status = all_codes_add(load);
    if (failed_row) *failed_row = load->failed_row;
    load_free(load);
    return status;
}
