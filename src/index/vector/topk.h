/*
 * topk: the k nearest of all candidates that are offered, in a heap with the worst of them on top.
 *
 * Order is by distance, then by the id, or by what the caller says of two ids: equal distances are
 * broken by primary key, which for tables without an INT key is not the order of row ids.
 */
#ifndef MN_INDEX_VECTOR_TOPK_H
#define MN_INDEX_VECTOR_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mn_near {
    double distance;
    int64_t id;
};

/* Which of two ids of equal distance comes first: negative a, positive b. */
typedef int (*mn_tie_fn)(void *context, int64_t a, int64_t b);

struct mn_topk {
    struct mn_near *heap; /* heap[0] is the worst kept */
    size_t count, capacity;
    uint64_t k;
    mn_tie_fn tie; /* NULL: the smaller id first */
    void *tie_context;
};

/* No memory is taken before the first offer, so any k is harmless. */
void mn_topk_init(struct mn_topk *topk, uint64_t k, mn_tie_fn tie, void *tie_context);
void mn_topk_release(struct mn_topk *topk);

/* Keeps the candidate if it is among the best k so far. MN_NOMEM: it was not kept. */
enum mn_status mn_topk_offer(struct mn_topk *topk, double distance, int64_t id);

/* True when k are kept: only then does a greater distance than heap[0].distance mean no. */
static inline bool mn_topk_full(const struct mn_topk *topk)
{
    return topk->count >= topk->k;
}

/* Sorts what is kept, nearest first: heap[0 .. count). No more offers after this. */
void mn_topk_sort(struct mn_topk *topk);

#endif
