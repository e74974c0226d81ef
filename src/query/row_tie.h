/*
 * row_tie: rows of a table in the order of their primary key, for equal
 * distances.
 */
#ifndef MN_QUERY_ROW_TIE_H
#define MN_QUERY_ROW_TIE_H

#include "catalog/schema.h"
#include "index/vector/topk.h"

struct mn_row_tie {
    struct mn_view *view;
    const struct mn_table *table;
    enum mn_status failed; /* a key could not be read: told after the search */
};

/* NULL where the key is the row id, which is what a search orders by itself. */
mn_tie_fn mn_row_tie_of(const struct mn_table *table);

#endif
