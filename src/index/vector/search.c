/*
 * search: estimates in f32, proofs by their error, scores in double.
 *
 * How wrong an estimate can be (u = 2^-24, n dimensions): a kernel adds n/4 + 16 terms one after
 * another at the most, each step rounding twice, so that with g = 2 u (n/4 + 16)
 *
 *     |dot estimate - dot|  <=  g |a| |b|      |sum of squares estimate - sum| <= g sum
 *
 * as long as nothing over- or underflows. An estimate that is not finite, or so small that f32 lost
 * it, proves nothing and is scored.
 */
#include "index/vector/search.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/kernel.h"

enum { BATCH = 256 };

/* Squares below this have lost bits to f32's underflow, or come close to it. */
static const double SQUARE_LEAST = 1e-30;

struct mn_search {
    struct mn_search_options options;
    const struct mn_kernels *kernels;
    struct mn_topk topk;
    double query_norm2;
    double error;     /* g above */
    float *query;     /* for the kernels: under cosine of length 1, else as given */
    double norm_like; /* a length that stored vectors have: scales the bound of dot */
    uint64_t shown, scored;
    float estimates[BATCH], norms2[BATCH];
};

/*
 * The bound that an estimate is held against, from the greatest distance that is of use:
 *   cosine  e |e| >= limit * norm2     where e estimates q.x, |q| = 1
 *   dot     e + slope * (norm2 / norm_like + norm_like) >= limit
 *   l2      e <= limit                 where e estimates |q - x|^2
 */
struct gate {
    double limit, slope;
};

static bool query_fits(const struct mn_search_options *options, double norm2)
{
    if (options->metric == MN_METRIC_COSINE && norm2 == 0) {
        mn_fail(MN_RANGE, "the query vector is zero: cosine has no direction to compare with");
        mn_hint("METRIC l2 or dot accept it");
        return false;
    }
    if (isnan(options->within)) {
        mn_fail(MN_RANGE, "WITHIN is NaN");
        return false;
    }
    return true;
}

enum mn_status mn_search_open(const struct mn_search_options *options, struct mn_search **search)
{
    struct mn_search *s;
    double norm2;

    *search = NULL;
    enum mn_status status = mn_vector_check(options->query, options->dims);
    if (status != MN_OK) return status;
    norm2 = mn_vector_norm2(options->query, options->dims);
    if (!query_fits(options, norm2)) return MN_RANGE;

    s = mn_alloc(sizeof *s);
    if (!s) return mn_fail_nomem();
    memset(s, 0, offsetof(struct mn_search, estimates));
    s->query = mn_alloc_aligned(options->dims * sizeof *s->query);
    if (!s->query) {
        mn_dealloc(s);
        return mn_fail_nomem();
    }
    double scale = options->metric == MN_METRIC_COSINE ? 1 / sqrt(norm2) : 1;
    for (uint32_t i = 0; i < options->dims; i++) {
        s->query[i] = (float)((double)options->query[i] * scale);
    }
    s->options = *options;
    s->kernels = mn_kernels();
    s->query_norm2 = norm2;
    s->error = 0x1p-23 * (options->dims / 4.0 + 16);
    mn_topk_init(&s->topk, options->k, options->tie, options->tie_context);
    *search = s;
    return MN_OK;
}

void mn_search_release(struct mn_search *search)
{
    if (!search) return;
    mn_topk_release(&search->topk);
    mn_release_aligned(search->query);
    mn_dealloc(search);
}

double mn_search_reach(const struct mn_search *s)
{
    if (!mn_topk_full(&s->topk) || s->topk.count == 0) return s->options.within;
    return fmin(s->options.within, s->topk.heap[0].distance);
}

bool mn_search_full(const struct mn_search *search)
{
    return mn_topk_full(&search->topk);
}

void mn_search_forget(struct mn_search *search)
{
    search->topk.count = 0;
    search->shown = search->scored = 0;
}

static struct gate gate_make(const struct mn_search *s)
{
    double reach = mn_search_reach(s), g = s->error;

    switch (s->options.metric) {
    case MN_METRIC_L2:
        if (reach < 0) return (struct gate){.limit = -1};
        return (struct gate){.limit = reach * reach * (1 + 2 * g) + SQUARE_LEAST};
    case MN_METRIC_DOT:
        return (struct gate){.limit = -reach, .slope = g * sqrt(s->query_norm2) / 2};
    case MN_METRIC_COSINE: break;
    }
    double cosine = 1 - reach - 4 * g; /* the query's and the norm's rounding are in it */
    return (struct gate){.limit = cosine * fabs(cosine)};
}

/* False only when the estimate proves that the vector is of no use; a NaN proves nothing. */
static inline bool gate_lets_in(const struct mn_search *s, struct gate gate, size_t i)
{
    double e = (double)s->estimates[i], norm2;

    switch (s->options.metric) {
    case MN_METRIC_L2: return !(e > gate.limit && e < INFINITY);
    case MN_METRIC_DOT:
        norm2 = (double)s->norms2[i];
        e += gate.slope * (norm2 / s->norm_like + s->norm_like);
        return !(e < gate.limit && e > -INFINITY) || norm2 < SQUARE_LEAST;
    case MN_METRIC_COSINE: break;
    }
    norm2 = (double)s->norms2[i];
    return !(e * fabs(e) < gate.limit * norm2 && norm2 < INFINITY) || norm2 < SQUARE_LEAST;
}

static enum mn_status candidate_score(struct mn_search *s, int64_t id, const float *vector)
{
    double distance = mn_distance(s->options.metric, s->options.query, vector, s->options.dims);

    s->scored++;
    if (!(distance <= s->options.within)) return MN_OK;
    return mn_topk_offer(&s->topk, distance, id);
}

static void rows_estimate(struct mn_search *s, const struct mn_kernel_rows *rows)
{
    if (s->options.metric == MN_METRIC_L2) {
        s->kernels->l2sq_rows(s->query, rows, s->estimates);
        return;
    }
    s->kernels->cosine_rows(s->query, rows, s->estimates, s->norms2);
    if (s->norm_like == 0 && s->norms2[0] > 0) s->norm_like = sqrt((double)s->norms2[0]);
    if (!(s->norm_like > 0 && s->norm_like < INFINITY)) s->norm_like = 1;
}

/*
 * Whether any of a batch may pass the gate: the same question in f32, a little more generous, in a
 * loop that the compiler makes SIMD of. Most batches end here.
 */
static bool batch_lets_in(const struct mn_search *s, struct gate gate, size_t count)
{
    const float *e = s->estimates, *n = s->norms2;
    float limit = (float)gate.limit, least = (float)SQUARE_LEAST;
    float slack = 1e-6f * (1 + fabsf(limit));
    float slope = (float)(gate.slope * 1.001), like = (float)s->norm_like;
    int any = 0;

    switch (s->options.metric) {
    case MN_METRIC_L2:
        limit += slack * limit;
        for (size_t i = 0; i < count; i++) any |= !(e[i] > limit) | (e[i] > FLT_MAX);
        return any;
    case MN_METRIC_DOT:
        slope /= like;
        limit -= (float)gate.slope * like + 1e-6f * fabsf(limit);
        for (size_t i = 0; i < count; i++) {
            any |= !(e[i] + slope * n[i] < limit - 1e-6f * fabsf(e[i])) | !(n[i] >= least);
        }
        return any;
    case MN_METRIC_COSINE: break;
    }
    limit -= slack;
    for (size_t i = 0; i < count; i++) {
        any |= !(e[i] * fabsf(e[i]) < limit * n[i]) | !(n[i] >= least) | !(n[i] <= FLT_MAX);
    }
    return any;
}

static enum mn_status batch_show(struct mn_search *s, const struct mn_slab_block *block,
                                 size_t begin, size_t count)
{
    const float *base = block->base + begin * block->stride;
    struct mn_kernel_rows rows = {base, block->stride, count, s->options.dims};

    rows_estimate(s, &rows);
    struct gate gate = gate_make(s);
    if (!batch_lets_in(s, gate, count)) return MN_OK;
    for (size_t i = 0; i < count; i++) {
        if (!gate_lets_in(s, gate, i)) continue;
        int64_t id = mn_slab_block_row(block, begin + i);
        enum mn_status status = candidate_score(s, id, base + i * block->stride);
        if (status != MN_OK) return status;
        gate = gate_make(s);
    }
    return MN_OK;
}

enum mn_status mn_search_block(struct mn_search *search, const struct mn_slab_block *block)
{
    search->shown += block->count;
    if (search->options.k == 0) return MN_OK;
    for (size_t begin = 0; begin < block->count; begin += BATCH) {
        size_t left = block->count - begin;
        enum mn_status status = batch_show(search, block, begin, left < BATCH ? left : BATCH);

        if (status != MN_OK) return status;
    }
    return MN_OK;
}

/* Rows that lie anywhere are estimated one by one, the memory of later ones being asked for. */
enum mn_status mn_search_gathered(struct mn_search *search, const int64_t *ids,
                                  const float *const *vectors, size_t count)
{
    enum { AHEAD = 4, LINE_FLOATS = 16 };
    struct mn_search *s = search;
    struct gate gate = gate_make(s);

    if (s->options.k == 0) return MN_OK;
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count && vectors[i + AHEAD]) {
            const float *next = vectors[i + AHEAD];
            for (uint32_t at = 0; at < s->options.dims; at += LINE_FLOATS) {
                __builtin_prefetch(next + at, 0, 3);
            }
        }
        if (!vectors[i]) continue;
        struct mn_kernel_rows row = {vectors[i], s->options.dims, 1, s->options.dims};
        rows_estimate(s, &row);
        s->shown++;
        if (!gate_lets_in(s, gate, 0)) continue;
        enum mn_status status = candidate_score(s, ids[i], vectors[i]);
        if (status != MN_OK) return status;
        gate = gate_make(s);
    }
    return MN_OK;
}

const struct mn_near *mn_search_finish(struct mn_search *search, size_t *count)
{
    mn_topk_sort(&search->topk);
    *count = search->topk.count;
    return search->topk.heap;
}

void mn_search_counts(const struct mn_search *search, uint64_t *shown, uint64_t *scored)
{
    *shown = search->shown;
    *scored = search->scored;
}
