/*
 * candidate: rows, or lists, by how likely they are; the best of them, and their order.
 *
 * Greater estimates are better, and of equal ones the smaller id. The best few are found by putting
 * estimates into buckets between the least and the greatest: a comparison that could be guessed
 * wrong is made only for what is in the bucket at the border.
 */
#ifndef MN_INDEX_VECTOR_CANDIDATE_H
#define MN_INDEX_VECTOR_CANDIDATE_H

#include <math.h>
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

/* The same of estimates alone: candidate i has the id i, and 0 aside. */
void mn_scores_select(const float *scores, size_t count, size_t n, struct mn_candidate *best);

/* Puts all in order, best first. `scratch` has room for as many; NULL: they are few. */
void mn_candidates_sort(struct mn_candidate *all, size_t count, struct mn_candidate *scratch);

/*
 * The few highest of all that are offered, in order. `least` is what an estimate must exceed to be
 * among them, so that a kernel may look for such ones only.
 */
enum { MN_HIGHEST_MAX = 72 };
struct mn_highest {
    struct mn_candidate rows[MN_HIGHEST_MAX];
    size_t count, want;
    float least;
};

static inline void mn_highest_begin(struct mn_highest *high, size_t want)
{
    high->count = 0;
    high->want = want;
    high->least = -INFINITY;
}

/* Not of a NaN, and only where the estimate is above `least`. */
static inline void mn_highest_offer(struct mn_highest *high, float estimate, int64_t id)
{
    size_t at = high->count < high->want ? high->count++ : high->want - 1;

    for (; at > 0 && high->rows[at - 1].estimate < estimate; at--) {
        high->rows[at] = high->rows[at - 1];
    }
    high->rows[at] = (struct mn_candidate){estimate, estimate, id};
    if (high->count == high->want) high->least = high->rows[high->want - 1].estimate;
}

#endif
