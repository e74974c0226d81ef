/*
 * ann_many: many searches of one index together, list by list.
 */
#ifndef MN_INDEX_VECTOR_ANN_MANY_H
#define MN_INDEX_VECTOR_ANN_MANY_H

#include "index/vector/ann_search.h"

enum { MN_ANN_MANY = 256 }; /* the most that run together */

/* Queries that differ in nothing but the vector. */
struct mn_ann_many {
    const struct mn_ann_query *query; /* of all; search.query is not looked at */
    const float *queries;             /* query i begins at queries + i * stride */
    size_t stride, count;             /* count <= MN_ANN_MANY */
    struct mn_search *const *scorers; /* one a query, which was shown nothing yet */
    bool *served;                     /* set, for each, as by mn_ann_search */
};

/* Shows each scorer what mn_ann_search would, or less: what cannot be among the nearest. */
enum mn_status mn_ann_search_many(const struct mn_ann *ann, const struct mn_ann_many *many,
                                  struct mn_ann_counts *counts);

/* What a query takes while it runs with others, its scorer too. */
uint64_t mn_ann_many_bytes(uint32_t dims, uint64_t rows, uint64_t k);

#endif
