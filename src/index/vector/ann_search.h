/*
 * ann_search: the nearest rows of a coded index.
 *
 *   centroids' codes -> lists, likeliest first -> codes of rows -> the best few -> vectors, exactly
 *
 *   (N1) as many rows come out as pass and have a vector, up to k: the search goes on, list by
 *        list, until it has them or has read every list.
 *   (N2) distances are those of the vectors themselves; equal ones are in order of the tie.
 *   (N3) an exact search drops a row only where the bound of its code proves that it is not among
 *        the best k: its answer is that of search.h, to the last bit.
 */
#ifndef MN_INDEX_VECTOR_ANN_SEARCH_H
#define MN_INDEX_VECTOR_ANN_SEARCH_H

#include "index/vector/ann.h"
#include "index/vector/list_map.h"
#include "index/vector/row_set.h"
#include "index/vector/search.h"

struct mn_ann_query {
    struct mn_search_options search; /* as the scorer's */
    struct mn_bytes prefix;          /* partitions whose key begins so; empty: all */
    const struct mn_row_set *set;    /* NULL: all rows pass */
    uint64_t rows;                   /* that have a code, about */
    uint64_t effort;                 /* lists that are read; 0: the default */
    bool exact;
    struct mn_slab_map *map;   /* of the vectors, kept by the caller from query to query; or NULL */
    struct mn_list_map *lists; /* of the codes, likewise */
    size_t map_bytes;          /* that each of them may take */
    enum mn_status (*tick)(void *context);
    void *context;
};

struct mn_ann_counts {
    uint64_t lists, codes, reranked;
};

/* Shows the scorer what may be among the nearest. *served false: the query is too long or too short
 * for codes, and nothing was shown. */
enum mn_status mn_ann_search(const struct mn_ann *ann, const struct mn_ann_query *query,
                             struct mn_search *scorer, struct mn_ann_counts *counts, bool *served);

/* The rows of all lists of a prefix, in no order; none where there are clusters among them, or more
 * rows than `most`. The memory is the caller's. */
struct mn_ann_rows {
    int64_t *ids;
    size_t count, capacity, most;
};
enum mn_status mn_ann_flat_rows(const struct mn_ann *ann, struct mn_bytes prefix,
                                struct mn_ann_rows *rows);

/* More neighbours than this are found by the vectors alone. */
enum { MN_ANN_K_MAX = 1000 };

/* Codes pay where there are many vectors and few of them are asked for. */
static inline bool mn_ann_pays(uint64_t k, uint64_t rows, uint64_t few)
{
    return k <= MN_ANN_K_MAX && rows > few && rows / 8 > k;
}

#endif
