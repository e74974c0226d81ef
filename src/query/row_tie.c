/*
 * row_tie: keys are read when two distances are equal, which is rare.
 */
#include "query/row_tie.h"

#include <inttypes.h>

#include "index/row.h"

static enum mn_status key_column(const struct mn_row_tie *tie, int64_t row_id, uint32_t column,
                                 struct mn_value *out)
{
    struct mn_row row = {.id = row_id};
    bool found;
    enum mn_status status = mn_row_get(tie->view, tie->table, row_id, &row.record, &found);

    if (status == MN_OK && !found) {
        status = mn_fail(MN_CORRUPT, "row %" PRId64 " of %s has a vector and no record", row_id,
                         tie->table->name);
    }
    return status == MN_OK ? mn_row_column(tie->view, tie->table, &row, column, out) : status;
}

static int keys_order(void *context, int64_t a, int64_t b)
{
    struct mn_row_tie *tie = context;
    const struct mn_index *primary = tie->table->primary;

    for (uint32_t i = 0; i < primary->column_count && tie->failed == MN_OK; i++) {
        struct mn_value x, y;
        uint32_t column = primary->columns[i].column;

        tie->failed = key_column(tie, a, column, &x);
        if (tie->failed == MN_OK) tie->failed = key_column(tie, b, column, &y);
        if (tie->failed != MN_OK) break;
        int order = mn_value_order(&x, &y);
        if (order != 0) return order;
    }
    return (a > b) - (a < b);
}

mn_tie_fn mn_row_tie_of(const struct mn_table *table)
{
    return table->primary ? keys_order : NULL;
}
