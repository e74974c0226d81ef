/*
 * candidate: rows, or lists, by how likely they are; the best of them, and their order.
 *
 * Greater estimates are better, and of equal ones the smaller id. The best few are found by putting
 * estimates into buckets between the least and the greatest: a comparison that could be guessed
 * wrong is made only for what is in the bucket at the border.
 */
#ifndef MN_INDEX_VECTOR_CANDIDATE_H
#define MN_INDEX_VECTOR_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mn_candidate {
    float estimate;
    float aside; /* what else the owner notes of it */
    int64_t id;
};

static inline bool mn_candidate_better(const struct mn_candidate *a, const struct mn_candidate *b)
{
    if (a->estimate != b->estimate) return a->estimate > b->estimate;
    return a->id < b->id;
}

/* Copies the n best to `best`, in no order; n <= count. `best` has room for count + 1, all of which
 * may be written. No estimate is NaN. */
void mn_candidates_select(const struct mn_candidate *all, size_t count, size_t n,
                          struct mn_candidate *best);

/* Puts all in order, best first. `scratch` has room for as many; NULL: they are few. */
void mn_candidates_sort(struct mn_candidate *all, size_t count, struct mn_candidate *scratch);

#endif
