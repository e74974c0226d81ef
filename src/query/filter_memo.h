/*
 * filter_memo: which rows passed a filter, for a prepared statement that asks with other vectors
 * and the same filter again.
 *
 *   (F1) what is kept is used only in a view that reads the same version, for the same values of
 *        all parameters that the filter reads; a filter that reads anything else has no memo.
 *   (F2) addresses lie in the file's map, and are used only while it is where it was.
 *
 * The first run notes the values, a second with the same ones keeps the rows, the third is the
 * first to gain: a filter that is asked once costs nothing.
 */
#ifndef MN_QUERY_FILTER_MEMO_H
#define MN_QUERY_FILTER_MEMO_H

#include "query/op.h"

struct mn_plan;

/* What a filter reads: made by the planner. */
struct mn_filter_reads {
    bool known; /* nothing but columns of the one table, constants and these parameters */
    uint32_t param_count;
    const uint32_t *params; /* numbers, from 1 */
};
enum mn_status mn_filter_reads_find(struct mn_plan *plan, struct mn_filter_reads *reads);

/* Zeroed, it is an empty one. */
struct mn_filter_memo {
    uint64_t version;
    struct mn_buf key;
    const uint8_t *map;
    bool noted, full; /* full: rows are kept */
    size_t count, capacity;
    const float **vectors; /* of the rows, which the owner keeps; NULL: has none */
};
void mn_filter_memo_release(struct mn_filter_memo *memo);

/* Begins a run. *again: the run before had the same version and values. */
enum mn_status mn_filter_memo_begin(struct mn_filter_memo *memo,
                                    const struct mn_filter_reads *reads, const struct mn_exec *exec,
                                    bool *again);

/* Keeps the vectors' addresses, which were just found in the view; nothing is kept where one lies
 * elsewhere than in the map. */
enum mn_status mn_filter_memo_keep(struct mn_filter_memo *memo, const struct mn_view *view,
                                   const float *const *vectors, size_t count);

#endif
