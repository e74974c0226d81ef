/*
 * filter_memo: which rows passed a filter, for a prepared statement that asks with other vectors
 * and the same filter again.
 *
 *   (F1) what is kept is used only in a view that reads the same version, for the same values of
 *        all parameters that the filter reads; a filter that reads anything else has no memo.
 *   (F2) addresses lie in the file's map, and are used only while it is where it was.
 *
 * The first run notes the values, and its owner has the rows in a list; a second with the same
 * values takes that list in place of the filter, keeps where the vectors are, and makes a sketch of
 * them, which it reads and all that follow. A filter that is asked once costs nothing.
 */
#ifndef MN_QUERY_FILTER_MEMO_H
#define MN_QUERY_FILTER_MEMO_H

#include "index/vector/sketch.h"
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
    bool noted;
    uint32_t runs; /* one behind another with the same version and values, this one too */
    bool listed;   /* the owner has the rows that passed in a list, in order */
    bool full;     /* their vectors are kept */
    size_t count, capacity;
    const float **vectors;   /* of the rows, which the owner keeps; NULL: has none */
    struct mn_sketch sketch; /* of the vectors, or empty */
};
void mn_filter_memo_release(struct mn_filter_memo *memo);

/* Begins a run. */
enum mn_status mn_filter_memo_begin(struct mn_filter_memo *memo,
                                    const struct mn_filter_reads *reads,
                                    const struct mn_exec *exec);

/* Keeps the vectors' addresses, which were just found in the view; nothing is kept where one lies
 * elsewhere than in the map. */
enum mn_status mn_filter_memo_keep(struct mn_filter_memo *memo, const struct mn_view *view,
                                   const float *const *vectors, size_t count);

#endif
