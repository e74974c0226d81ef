/*
 * check: every index entry has its row and every row its entries, vectors and edges included.
 */
#ifndef MN_INDEX_CHECK_H
#define MN_INDEX_CHECK_H

#include "btree/tree.h"
#include "catalog/schema.h"

struct mn_check_problem {
    const char *table;
    const char *index; /* or column of vectors, or "forward"/"backward"; NULL: the row itself */
    int64_t row_id;
    bool has_row;
    const char *message;
};

struct mn_check_counts {
    uint64_t tables, rows, index_entries, vectors, edges;
};

/* Goes on after each problem it reports. The report's answer other than MN_OK ends the check and is
 * returned. MN_OK with *problems 0: all is well. Does not repeat the tree's own check. */
struct mn_check_options {
    enum mn_status (*report)(void *context, const struct mn_check_problem *problem);
    void *context;
};
enum mn_status mn_rows_check(struct mn_view *view, const struct mn_check_options *options,
                             struct mn_check_counts *counts, uint64_t *problems);

#endif
