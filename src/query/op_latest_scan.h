/*
 * op_latest_scan: the newest of each group by an index (groups.., time), without reading the rest.
 */
#ifndef MN_QUERY_OP_LATEST_SCAN_H
#define MN_QUERY_OP_LATEST_SCAN_H

#include "query/plan.h"

/* Steps through the different values of an index's first columns, in ascending order. */
struct mn_group_walk {
    struct mn_view *view;
    const struct mn_table *table;
    const struct mn_index *index;
    uint32_t count;          /* columns of a group; 0: all rows are one group */
    struct mn_value *values; /* of the group at hand, in the arena */
    struct mn_arena *arena;  /* given back by whoever owns it, after some thousand groups at the
                                latest */
    bool begun;
};

/* The first group, then the next one. */
enum mn_status mn_group_walk_next(struct mn_group_walk *walk, bool *found);

/* Where an index serves query->latest and saves work, *op is set; else it stays NULL. */
enum mn_status mn_plan_latest_scan(struct mn_plan *plan, struct mn_op **op);

#endif
