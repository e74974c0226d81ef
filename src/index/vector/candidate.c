/*
 * candidate: selecting and sorting by buckets.
 */
#include "index/vector/candidate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, FEW = 16, SORTED_IN_PLACE = 64 };

static int candidates_compare(const void *a, const void *b)
{
    return mn_candidate_better(a, b) ? -1 : mn_candidate_better(b, a);
}

/* Where estimates lie: bucket(e) = (e - least) * factor, and grows with e. */
struct scale {
    float least, factor;
};

/* False: there is nothing between the least and the greatest, or too much. */
static bool scale_make(const struct mn_candidate *all, size_t count, struct scale *scale)
{
    enum { CHAINS = 4 };
    float least[CHAINS], most[CHAINS];

    for (size_t c = 0; c < CHAINS; c++) least[c] = most[c] = all[0].estimate;
    for (size_t i = 0; i + CHAINS <= count; i += CHAINS) {
        for (size_t c = 0; c < CHAINS; c++) {
            float e = all[i + c].estimate;

            least[c] = e < least[c] ? e : least[c];
            most[c] = e > most[c] ? e : most[c];
        }
    }
    for (size_t i = count - count % CHAINS; i < count; i++) {
        least[0] = fminf(least[0], all[i].estimate);
        most[0] = fmaxf(most[0], all[i].estimate);
    }
    for (size_t c = 1; c < CHAINS; c++) {
        least[0] = fminf(least[0], least[c]);
        most[0] = fmaxf(most[0], most[c]);
    }
    float range = most[0] - least[0];
    *scale = (struct scale){least[0], (float)(BUCKETS - 1) / range};
    return range > 0 && range < INFINITY && scale->factor < INFINITY;
}

static inline uint32_t bucket_of(const struct scale *scale, const struct mn_candidate *row)
{
    return (uint32_t)((row->estimate - scale->least) * scale->factor);
}

/* ---- selecting ---- */

/* Copies those of the buckets from .. to - 1; returns how many they are. One more is written. */
static size_t buckets_copy(const struct mn_candidate *all, size_t count, const struct scale *scale,
                           const uint32_t from_to[2], struct mn_candidate *to)
{
    uint32_t from = from_to[0], span = from_to[1] - from;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        to[n] = all[i];
        n += bucket_of(scale, &all[i]) - from < span;
    }
    return n;
}

/* Brings the n best to the front, by pivots. */
static void front_find(struct mn_candidate *all, size_t count, size_t n)
{
    size_t low = 0, high = count;

    while (high - low > FEW) {
        struct mn_candidate pivot = all[low + (high - low) / 2];
        size_t i = low, j = high - 1;

        for (;;) {
            while (mn_candidate_better(&all[i], &pivot)) i++;
            while (mn_candidate_better(&pivot, &all[j])) j--;
            if (i >= j) break;
            struct mn_candidate kept = all[i];
            all[i++] = all[j];
            all[j--] = kept;
        }
        size_t middle = j + 1 < high ? j + 1 : high - 1;

        if (middle == n) return;
        if (n < middle)
            high = middle;
        else
            low = middle;
    }
    mn_candidates_sort(all + low, high - low, NULL);
}

void mn_candidates_select(const struct mn_candidate *all, size_t count, size_t n,
                          struct mn_candidate *best)
{
    uint32_t counts[BUCKETS] = {0}, border = BUCKETS;
    size_t ahead = 0;
    struct scale scale;

    if (n == count || count <= FEW || !scale_make(all, count, &scale)) {
        memcpy(best, all, count * sizeof *all);
        if (n < count) front_find(best, count, n);
        return;
    }
    for (size_t i = 0; i < count; i++) counts[bucket_of(&scale, &all[i])]++;
    while (ahead + counts[border - 1] <= n) ahead += counts[--border];
    ahead = buckets_copy(all, count, &scale, (uint32_t[]){border, BUCKETS}, best);
    if (ahead == n) return;
    count = buckets_copy(all, count, &scale, (uint32_t[]){border - 1, border}, best + ahead);
    front_find(best + ahead, count, n - ahead);
}

/* ---- selecting from estimates alone ---- */

enum { SCORE_BUCKETS = 1024 };

/* As scale_make. The chains are as many as make whole registers. */
static bool scores_scale(const float *scores, size_t count, struct scale *scale)
{
    enum { CHAINS = 16 };
    float least[CHAINS], most[CHAINS];
    size_t i = 0;

    for (size_t c = 0; c < CHAINS; c++) least[c] = most[c] = scores[0];
    for (; i + CHAINS <= count; i += CHAINS) {
        for (size_t c = 0; c < CHAINS; c++) {
            float e = scores[i + c];

            least[c] = e < least[c] ? e : least[c];
            most[c] = e > most[c] ? e : most[c];
        }
    }
    for (; i < count; i++) {
        least[0] = fminf(least[0], scores[i]);
        most[0] = fmaxf(most[0], scores[i]);
    }
    for (size_t c = 1; c < CHAINS; c++) {
        least[0] = fminf(least[0], least[c]);
        most[0] = fmaxf(most[0], most[c]);
    }
    float range = most[0] - least[0];
    *scale = (struct scale){least[0], (float)(SCORE_BUCKETS - 1) / range};
    return range > 0 && range < INFINITY && scale->factor < INFINITY;
}

static inline int32_t score_bucket(const struct scale *scale, float score)
{
    return (int32_t)((score - scale->least) * scale->factor);
}

void mn_scores_select(const float *scores, size_t count, size_t n, struct mn_candidate *best)
{
    uint32_t counts[SCORE_BUCKETS] = {0};
    int32_t border = SCORE_BUCKETS;
    size_t ahead = 0, kept = 0, front = 0;
    struct scale scale;

    if (n == count || count <= FEW || !scores_scale(scores, count, &scale)) {
        for (size_t i = 0; i < count; i++) {
            best[i] = (struct mn_candidate){scores[i], 0, (int64_t)i};
        }
        if (n < count) front_find(best, count, n);
        return;
    }
    for (size_t i = 0; i < count; i++) counts[score_bucket(&scale, scores[i])]++;
    while (ahead + counts[border - 1] <= n) ahead += counts[--border];
    for (size_t i = 0; i < count; i++) {
        best[kept] = (struct mn_candidate){scores[i], 0, (int64_t)i};
        kept += score_bucket(&scale, scores[i]) >= border - 1;
    }
    for (size_t i = 0; i < kept && front < ahead; i++) {
        struct mn_candidate row = best[i];

        if (score_bucket(&scale, row.estimate) < border) continue;
        best[i] = best[front];
        best[front++] = row;
    }
    if (ahead < n) front_find(best + ahead, kept - ahead, n - ahead);
}

/* ---- sorting ---- */

/* Into order by buckets, best first, but for what is in one bucket. False: they are uneven. */
static bool buckets_sort(struct mn_candidate *all, size_t count, struct mn_candidate *scratch)
{
    uint32_t starts[BUCKETS + 1] = {0};
    struct scale scale;

    if (!scale_make(all, count, &scale)) return false;
    for (size_t i = 0; i < count; i++) starts[BUCKETS - bucket_of(&scale, &all[i])]++;
    for (size_t b = 1; b <= BUCKETS; b++) {
        if (starts[b] > SORTED_IN_PLACE) return false;
        starts[b] += starts[b - 1];
    }
    for (size_t i = 0; i < count; i++) {
        scratch[starts[BUCKETS - 1 - bucket_of(&scale, &all[i])]++] = all[i];
    }
    memcpy(all, scratch, count * sizeof *all);
    return true;
}

void mn_candidates_sort(struct mn_candidate *all, size_t count, struct mn_candidate *scratch)
{
    if (count > SORTED_IN_PLACE && !(scratch && buckets_sort(all, count, scratch))) {
        qsort(all, count, sizeof *all, candidates_compare);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct mn_candidate row = all[i];
        size_t at = i;

        for (; at > 0 && mn_candidate_better(&row, &all[at - 1]); at--) all[at] = all[at - 1];
        all[at] = row;
    }
}
