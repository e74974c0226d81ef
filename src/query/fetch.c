/*
 * fetch: reads the record once, then its columns.
 */
#include "query/fetch.h"

#include <inttypes.h>

#include "index/row.h"

static bool column_is_row_id(const struct mn_fetch *fetch, int column)
{
    return column == MN_SCAN_ROW_ID || column == fetch->table->row_id_column;
}

static enum mn_status record_get(const struct mn_fetch *fetch, struct mn_exec *exec,
                                 struct mn_row *row)
{
    bool found;
    enum mn_status status = mn_row_get(exec->view, fetch->table, row->id, &row->record, &found);

    if (status != MN_OK || found) return status;
    return mn_fail(MN_CORRUPT, "row %" PRId64 " of %s is named by an index and is not there",
                   row->id, fetch->table->name);
}

enum mn_status mn_row_fetch(const struct mn_fetch *fetch, struct mn_exec *exec, int64_t row_id)
{
    struct mn_row row = {.id = row_id};
    bool read = false;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < fetch->count && status == MN_OK; i++) {
        const struct mn_scan_column *want = &fetch->columns[i];
        struct mn_value *slot = &exec->eval.slots[want->slot];

        if (want->column == MN_FETCH_NULL) {
            *slot = mn_null();
            continue;
        }
        if (column_is_row_id(fetch, want->column)) {
            *slot = mn_int(row_id);
            continue;
        }
        if (!read) status = record_get(fetch, exec, &row);
        read = true;
        if (status == MN_OK) {
            status = mn_row_column(exec->view, fetch->table, &row, (uint32_t)want->column, slot);
        }
    }
    return status;
}

void mn_row_fetch_nulls(const struct mn_fetch *fetch, struct mn_exec *exec)
{
    for (uint32_t i = 0; i < fetch->count; i++) {
        exec->eval.slots[fetch->columns[i].slot] = mn_null();
    }
}
