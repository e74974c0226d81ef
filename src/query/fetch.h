/*
 * fetch: columns of a row that is known by its row id, into slots.
 */
#ifndef MN_QUERY_FETCH_H
#define MN_QUERY_FETCH_H

#include "query/op.h"

/* A slot that nobody reads. */
#define MN_NO_SLOT UINT32_MAX

/* In place of a column: NULL, for a slot whose value nobody reads any more. */
enum { MN_FETCH_NULL = -2 };

struct mn_fetch {
    const struct mn_table *table;
    uint32_t count;
    const struct mn_scan_column *columns; /* column and slot of each are read */
};

/* Values are borrowed from the view. MN_CORRUPT: there is no such row. The row itself is read only
 * where a column beyond the row id is asked for. */
enum mn_status mn_row_fetch(const struct mn_fetch *fetch, struct mn_exec *exec, int64_t row_id);

/* NULL into all its slots. */
void mn_row_fetch_nulls(const struct mn_fetch *fetch, struct mn_exec *exec);

#endif
