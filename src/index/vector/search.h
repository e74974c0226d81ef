/*
 * search: the exact nearest of the vectors that are shown to it.
 *
 *   slab blocks, gathered rows  ->  f32 kernels  ->  could it be among the best k?  ->  double,
 * heap
 *
 * (S1) A candidate is dropped by its f32 estimate only when the error bound of the estimate proves
 *      that its true distance is greater than the worst kept or than the cap. All others are scored
 *      in double. So the answer, its order and its last bits do not depend on the kernel level.
 */
#ifndef MN_INDEX_VECTOR_SEARCH_H
#define MN_INDEX_VECTOR_SEARCH_H

#include "index/vector/distance.h"
#include "index/vector/slab_map.h"
#include "index/vector/topk.h"

struct mn_search_options {
    enum mn_metric metric;
    const float *query; /* borrowed until the release */
    uint32_t dims;
    uint64_t k;
    double within; /* only distances <= it; INFINITY: no cap */
    mn_tie_fn tie; /* NULL: the smaller id first */
    void *tie_context;
};

struct mn_search;

/* MN_RANGE for a query with NaN, infinities, or of zeros under cosine, and for a NaN cap. */
enum mn_status mn_search_open(const struct mn_search_options *options, struct mn_search **search);
void mn_search_release(struct mn_search *search); /* NULL is harmless */

/*
 * Vectors are shown, and judged at some later time, together with others: they must stay where they
 * are until mn_search_settle, which is called when all have been shown.
 */

/* Shows all vectors of a slab; their ids are row ids. */
enum mn_status mn_search_block(struct mn_search *search, const struct mn_slab_block *block);

/* Shows vectors that lie anywhere; NULL among them is skipped. */
enum mn_status mn_search_gathered(struct mn_search *search, const int64_t *ids,
                                  const float *const *vectors, size_t count);

/* Shows the rows of an ascending list that have a vector, by a list of slabs that is ready. */
struct mn_row_list {
    const int64_t *ids;
    size_t count;
};
enum mn_status mn_search_listed(struct mn_search *search, struct mn_slab_map *map,
                                const struct mn_slabs *slabs, const struct mn_row_list *rows);

enum mn_status mn_search_settle(struct mn_search *search);

/* The nearest, best first, count of them; valid until the release. Nothing can be shown after. */
const struct mn_near *mn_search_finish(struct mn_search *search, size_t *count);

/* The greatest distance that can still be of use: of the worst kept or known of, or the cap. */
double mn_search_reach(const struct mn_search *search);
/* Whether a row is among those that are kept; asked after mn_search_settle, and true of those alone
 * that were shown before it. */
bool mn_search_keeps(const struct mn_search *search, int64_t id);
/* True when k are kept; asked after mn_search_settle. */
bool mn_search_full(const struct mn_search *search);
/* Begins anew: nothing was shown. */
void mn_search_forget(struct mn_search *search);

/* How many vectors were shown and how many of them were scored in double. */
void mn_search_counts(const struct mn_search *search, uint64_t *shown, uint64_t *scored);

/* A whole slab tree: open, scan, finish, without a filter. */
enum mn_status mn_search_slabs(struct mn_search *search, const struct mn_slabs *slabs);

#endif
