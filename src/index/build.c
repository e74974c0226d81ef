/*
 * build: filling a new index from the rows of its table.
 */
#include "index/build.h"

#include "base/alloc.h"
#include "base/plant.h"
#include "index/index.h"
#include "index/row_inside.h"
#include "index/sorter.h"
#include "index/vector/ann.h"

enum { MEMORY_BYTES = 256 << 20 }; /* where nobody says how much */

struct build {
    struct mn_view *view;
    const struct mn_index *index;
    const struct mn_watch *watch;
    uint64_t memory_bytes;   /* that the sorter may have */
    struct mn_value *values; /* of all columns; only those of the index are read */
    struct mn_sorter sorter;
    struct mn_buf key;
};

/* What was collected goes into the tree, or, while rows come, to where it waits. */
static enum mn_status build_flush(struct build *build, bool ended)
{
    struct mn_clash clash;
    enum mn_status status =
        ended ? mn_sorter_flush(&build->sorter, build->view, &clash)
              : mn_sorter_spill(&build->sorter, build->view, build->memory_bytes, &clash);

    if (status != MN_EXISTS) return status;
    {
        struct mn_row row = {.id = (int64_t)clash.row};
        const struct mn_table *table = build->index->table;
        bool found;

        status = mn_row_get(build->view, table, row.id, &row.record, &found);
        for (uint32_t i = 0; status == MN_OK && i < build->index->column_count; i++) {
            uint32_t column = build->index->columns[i].column;

            status = mn_row_column(build->view, table, &row, column, &build->values[column]);
        }
    }
    return status == MN_OK ? mn_index_entry_duplicate(build->index, build->values) : status;
}

static enum mn_status row_add(struct build *build, const struct mn_row *row)
{
    const struct mn_index *index = build->index;
    struct mn_index_entry entry = {build->values, row->id};
    struct mn_sorted sorted = {.row = (uint64_t)row->id, .value = {NULL, 0}};
    uint8_t id[MN_ROW_ID_BYTES];
    bool has_id;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; status == MN_OK && i < index->column_count; i++) {
        uint32_t column = index->columns[i].column;

        status = mn_row_column(build->view, index->table, row, column, &build->values[column]);
    }
    if (status == MN_OK) status = mn_index_entry_key(index, &entry, &build->key, &has_id);
    if (status != MN_OK) return status;
    sorted.key = mn_bytes_of(build->key.data, build->key.len);
    if (index->unique) {
        mn_row_id_put(id, row->id);
        sorted.value = mn_bytes_of(id, sizeof id);
    }
    if (!has_id) sorted.unique_bytes = (uint32_t)build->key.len;
    status = mn_sorter_add(&build->sorter, &sorted);
    if (status == MN_OK && mn_sorter_bytes(&build->sorter) > build->memory_bytes) {
        status = build_flush(build, false);
    }
    return status;
}

static enum mn_status rows_add(struct build *build)
{
    struct mn_scan_options options = {.table = build->index->table};
    struct mn_index_scan *scan;
    bool found = true;
    enum mn_status status = mn_index_scan_open(build->view, &options, &scan);

    while (status == MN_OK) {
        struct mn_row row;

        status = mn_index_scan_next(scan, &row.id, &row.record, &found);
        if (status != MN_OK || !found) break;
        status = row_add(build, &row);
        if (status == MN_OK) status = mn_watch_tick(build->watch);
    }
    mn_index_scan_close(scan);
    return status == MN_OK ? build_flush(build, true) : status;
}

static enum mn_status index_fill(struct mn_view *view, const struct mn_index *index,
                                 const struct mn_watch *watch, uint64_t memory_bytes)
{
    struct build build = {.view = view,
                          .index = index,
                          .watch = watch,
                          .memory_bytes = memory_bytes,
                          .sorter = {.tree = index->tree, .watch = watch}};
    enum mn_status status = MN_OK;

    build.values = mn_zalloc(index->table->column_count * sizeof *build.values);
    if (!build.values) status = mn_fail_nomem();
    if (status == MN_OK) status = rows_add(&build);
    mn_dealloc(build.values);
    mn_sorter_release(&build.sorter);
    mn_buf_release(&build.key);
    return status;
}

static enum mn_status codes_fill(struct mn_view *view, const struct mn_index *index,
                                 const struct mn_watch *watch)
{
    struct mn_ann ann;
    enum mn_status status = mn_ann_init(&ann, view, index);

    return status == MN_OK ? mn_ann_build(&ann, watch) : status;
}

enum mn_status mn_index_create(struct mn_view *view, const struct mn_index_def *def)
{
    return mn_index_create_watched(view, def, NULL, MEMORY_BYTES);
}

enum mn_status mn_index_create_watched(struct mn_view *view, const struct mn_index_def *def,
                                       const struct mn_watch *watch, uint64_t memory_bytes)
{
    const struct mn_schema *schema = NULL;
    const struct mn_table *table;
    uint64_t id;
    enum mn_status status = mn_schema_create_index(view, def, &id);

    if (status != MN_OK) return status;
    status = mn_schema_load(view, &schema);
    if (status != MN_OK) return status;
    table = mn_schema_table(schema, def->table, strlen(def->table));
    for (uint32_t i = 0; table && status == MN_OK && i < table->index_count; i++) {
        const struct mn_index *index = &table->indexes[i];

        if (index->id != id || MN_PLANT(INDEX_UNBUILT)) continue;
        status = index->kind == MN_INDEX_BTREE ? index_fill(view, index, watch, memory_bytes)
                                               : codes_fill(view, index, watch);
    }
    mn_schema_unref(schema);
    return status;
}
