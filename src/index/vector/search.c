/*
 * search: estimates in f32, proofs by their error, scores in double.
 *
 * A score costs as much as estimating dozens of vectors, so it is put off: what passes the gate is
 * kept with the bounds of its distance, the upper bounds of the best k narrow the gate as scores
 * would, and at the end hardly more than k vectors are scored.
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
#include "base/assert.h"
#include "index/vector/kernel.h"

enum { BATCH = 1024, PIECE = 32, SPANS_MAX = 64, LATER_MAX = 256, LATER_K_MAX = 64 };

/* Squares below this have lost bits to f32's underflow, or come close to it. */
static const double SQUARE_LEAST = 1e-30;

/* Vectors of a batch that lie side by side. */
struct span {
    const float *base;
    size_t stride, count;
    int64_t first; /* row id of vector 0 */
    bool listed;   /* the ids are in the list of the batch; else they follow the first */
};

/* A vector that may be among the best, to be scored when it is clear that nothing rules it out. */
struct later {
    double least; /* its distance is not below this */
    int64_t id;
    const float *vector;
};

struct mn_search {
    struct mn_search_options options;
    const struct mn_kernels *kernels;
    struct mn_topk topk;
    double query_norm2;
    double query_norm;
    double error;     /* g above */
    float *query;     /* for the kernels: under cosine of length 1, else as given */
    double norm_like; /* a length that stored vectors have: scales the bound of dot */
    uint64_t shown, scored;
    size_t batch_count, span_count; /* shown and not yet judged */
    size_t later_count, most_count, most_worst;
    struct span spans[SPANS_MAX];
    struct later later[LATER_MAX];
    double
        most[LATER_K_MAX]; /* k distances that so many vectors do not exceed; the worst of them */
    int64_t ids[BATCH];
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
    memset(s, 0, offsetof(struct mn_search, spans));
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
    s->query_norm = sqrt(norm2);
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
    double reach = s->options.within;

    if (mn_topk_full(&s->topk) && s->topk.count > 0) reach = fmin(reach, s->topk.heap[0].distance);
    if (s->most_count > 0 && s->most_count == s->options.k) {
        reach = fmin(reach, s->most[s->most_worst]);
    }
    return reach;
}

bool mn_search_keeps(const struct mn_search *search, int64_t id)
{
    for (size_t i = 0; i < search->topk.count; i++) {
        if (search->topk.heap[i].id == id) return true;
    }
    return false;
}

bool mn_search_full(const struct mn_search *search)
{
    MN_ASSERT(search->span_count == 0 && search->later_count == 0);
    return mn_topk_full(&search->topk);
}

void mn_search_forget(struct mn_search *search)
{
    search->topk.count = 0;
    search->shown = search->scored = 0;
    search->batch_count = search->span_count = 0;
    search->later_count = search->most_count = 0;
}

static struct gate gate_make(const struct mn_search *s)
{
    double reach = mn_search_reach(s), g = s->error;

    switch (s->options.metric) {
    case MN_METRIC_L2:
        if (reach < 0) return (struct gate){.limit = -1};
        return (struct gate){.limit = reach * reach * (1 + 2 * g) + SQUARE_LEAST};
    case MN_METRIC_DOT: return (struct gate){.limit = -reach, .slope = g * s->query_norm / 2};
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

/* One more vector is known not to be farther than this. */
static void most_offer(struct mn_search *s, double most)
{
    size_t k = (size_t)s->options.k;

    if (s->options.k > LATER_K_MAX || isnan(most)) return;
    if (s->most_count < k) {
        s->most[s->most_count++] = most;
        if (s->most_count < k) return;
    } else if (most < s->most[s->most_worst]) {
        s->most[s->most_worst] = most;
    } else {
        return;
    }
    s->most_worst = 0;
    for (size_t i = 1; i < k; i++) {
        if (s->most[i] > s->most[s->most_worst]) s->most_worst = i;
    }
}

static enum mn_status candidate_score(struct mn_search *s, int64_t id, const float *vector)
{
    double distance = mn_distance(s->options.metric, s->options.query, vector, s->options.dims);

    s->scored++;
    if (!(distance <= s->options.within)) return MN_OK;
    return mn_topk_offer(&s->topk, distance, id);
}

/* Scores those of the candidates that nothing has ruled out by now. */
static enum mn_status later_settle(struct mn_search *s)
{
    double reach = mn_search_reach(s);

    for (size_t i = 0; i < s->later_count; i++) {
        enum mn_status status = MN_OK;

        if (s->later[i].least <= reach) {
            status = candidate_score(s, s->later[i].id, s->later[i].vector);
            reach = mn_search_reach(s);
        }
        if (status != MN_OK) return status;
    }
    s->later_count = 0;
    return MN_OK;
}

/* Between what the distance of estimate `i` lies; false where the estimate does not say. */
static bool estimate_bounds(const struct mn_search *s, size_t i, double *least, double *most)
{
    double e = (double)s->estimates[i], g = s->error, norm2, error;

    switch (s->options.metric) {
    case MN_METRIC_L2:
        if (!(e < INFINITY)) return false;
        *least = sqrt(fmax(0, e * (1 - 2 * g) - SQUARE_LEAST));
        *most = sqrt(e * (1 + 2 * g) + SQUARE_LEAST);
        return true;
    case MN_METRIC_DOT:
        norm2 = (double)s->norms2[i];
        error = g * s->query_norm / 2 * (norm2 / s->norm_like + s->norm_like);
        if (!(fabs(e) < INFINITY && error < INFINITY) || norm2 < SQUARE_LEAST) return false;
        *least = -e - error;
        *most = -e + error;
        return true;
    case MN_METRIC_COSINE: break;
    }
    norm2 = (double)s->norms2[i];
    if (!(fabs(e) < INFINITY && norm2 < INFINITY) || norm2 < SQUARE_LEAST) return false;
    *least = 1 - e / sqrt(norm2) - 4 * g;
    *most = 1 - e / sqrt(norm2) + 4 * g;
    return true;
}

/* Vector `i` has passed the gate. */
static enum mn_status candidate_take(struct mn_search *s, size_t i, int64_t id, const float *vector)
{
    double least, most;

    if (s->options.k > LATER_K_MAX || !estimate_bounds(s, i, &least, &most)) {
        return candidate_score(s, id, vector);
    }
    if (s->later_count == LATER_MAX) {
        enum mn_status status = later_settle(s);
        if (status != MN_OK) return status;
    }
    s->later[s->later_count++] = (struct later){least, id, vector};
    most_offer(s, most);
    return MN_OK;
}

static void norm_like_note(struct mn_search *s, float norm2)
{
    if (s->norm_like > 0) return;
    if (norm2 > 0) s->norm_like = sqrt((double)norm2);
    if (!(s->norm_like > 0 && s->norm_like < INFINITY)) s->norm_like = 1;
}

/* Estimates from place `at` of the batch on. */
static void rows_estimate(struct mn_search *s, const struct mn_kernel_rows *rows, size_t at)
{
    if (s->options.metric == MN_METRIC_L2) {
        s->kernels->l2sq_rows(s->query, rows, s->estimates + at);
        return;
    }
    s->kernels->cosine_rows(s->query, rows, s->estimates + at, s->norms2 + at);
    norm_like_note(s, s->norms2[at]);
}

/*
 * Whether any of a batch may pass the gate: the same question in f32, a little more generous, in a
 * loop that the compiler makes SIMD of. Most batches end here.
 */
static bool batch_lets_in(const struct mn_search *s, struct gate gate, size_t at, size_t count)
{
    const float *e = s->estimates + at, *n = s->norms2 + at;
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

/* The vectors of a span, whose estimates begin at `at`. */
static enum mn_status span_judge(struct mn_search *s, const struct span *span, size_t at,
                                 struct gate *gate)
{
    for (size_t from = 0; from < span->count; from += PIECE) {
        size_t end = span->count - from < PIECE ? span->count : from + PIECE;

        if (!batch_lets_in(s, *gate, at + from, end - from)) continue;
        for (size_t i = from; i < end; i++) {
            int64_t id = span->listed ? s->ids[at + i] : (int64_t)((uint64_t)span->first + i);

            if (!gate_lets_in(s, *gate, at + i)) continue;
            enum mn_status status = candidate_take(s, at + i, id, span->base + i * span->stride);
            if (status != MN_OK) return status;
            *gate = gate_make(s);
        }
    }
    return MN_OK;
}

/*
 * Slabs are collected, then estimated one directly behind the other, then judged together: whatever
 * else is done between two slabs keeps the processor from reading the next one ahead. `next` is
 * what comes behind the batch.
 */
static enum mn_status batch_judge(struct mn_search *s, struct mn_kernel_ahead next)
{
    struct gate gate = gate_make(s);
    size_t at = 0;

    for (size_t n = 0; n < s->span_count; n++) {
        const struct span *span = &s->spans[n];
        struct mn_kernel_rows rows = {span->base, span->stride, span->count, s->options.dims, next};

        if (n + 1 < s->span_count) {
            rows.ahead.base = span[1].base;
            rows.ahead.bytes = span[1].stride * sizeof(float) * span[1].count;
        }
        rows_estimate(s, &rows, at);
        at += span->count;
    }
    bool any = s->batch_count > 0 && batch_lets_in(s, gate, 0, s->batch_count);
    at = 0;

    for (size_t n = 0; any && n < s->span_count; n++) {
        enum mn_status status = span_judge(s, &s->spans[n], at, &gate);

        if (status != MN_OK) return status;
        at += s->spans[n].count;
    }
    s->batch_count = s->span_count = 0;
    return MN_OK;
}

static void batch_add(struct mn_search *s, const struct mn_slab_block *block, size_t begin,
                      size_t count)
{
    const float *base = block->base + begin * block->stride;
    bool listed = block->rows != NULL;

    if (listed) memcpy(s->ids + s->batch_count, block->rows + begin, count * sizeof s->ids[0]);
    s->spans[s->span_count++] =
        (struct span){base, block->stride, count, mn_slab_block_row(block, begin), listed};
    s->batch_count += count;
}

enum mn_status mn_search_block(struct mn_search *search, const struct mn_slab_block *block)
{
    search->shown += block->count;
    if (search->options.k == 0) return MN_OK;
    for (size_t begin = 0; begin < block->count;) {
        size_t left = block->count - begin, room = BATCH - search->batch_count;
        size_t count = left < BATCH ? left : BATCH;

        if (count > room || search->span_count == SPANS_MAX) {
            struct mn_kernel_ahead next = {block->base + begin * block->stride,
                                           count * block->stride * sizeof(float)};
            enum mn_status status = batch_judge(search, next);
            if (status != MN_OK) return status;
        }
        batch_add(search, block, begin, count);
        begin += count;
    }
    return MN_OK;
}

/* How many of the first vectors lie one behind the other as in a slab. */
static size_t neighbours_count(const float *const *vectors, size_t count, size_t stride)
{
    size_t n = 1;

    while (n < count && vectors[n] == vectors[n - 1] + stride) n++;
    return n;
}

/* Those that lie anywhere are estimated at once, up to BATCH of them. */
static enum mn_status some_judge(struct mn_search *s, const int64_t *ids,
                                 const float *const *vectors, size_t count)
{
    struct mn_kernel_some some = {vectors, count, s->options.dims};
    enum mn_status status = MN_OK;

    if (count == 0) return MN_OK;
    if (s->options.metric == MN_METRIC_L2) {
        s->kernels->l2sq_some(s->query, &some, s->estimates);
    } else {
        s->kernels->cosine_some(s->query, &some, s->estimates, s->norms2);
        norm_like_note(s, s->norms2[0]);
    }
    s->shown += count;
    struct gate gate = gate_make(s);
    for (size_t at = 0; at < count && status == MN_OK; at += PIECE) {
        size_t end = count - at < PIECE ? count : at + PIECE;

        if (!batch_lets_in(s, gate, at, end - at)) continue;
        for (size_t i = at; i < end && status == MN_OK; i++) {
            if (!gate_lets_in(s, gate, i)) continue;
            status = candidate_take(s, i, ids[i], vectors[i]);
            gate = gate_make(s);
        }
    }
    return status;
}

/* While the next rows are looked for, the begin of this one is on its way to the second cache. */
static inline void some_ask(const float *vector, uint32_t dims)
{
    enum { LINE_FLOATS = 16, LINES_MOST = 8 };
    uint32_t end = dims < LINES_MOST * LINE_FLOATS ? dims : LINES_MOST * LINE_FLOATS;

    for (uint32_t at = 0; at < end; at += LINE_FLOATS) __builtin_prefetch(vector + at, 0, 2);
    __builtin_prefetch(vector + end - 1, 0, 2);
}

enum mn_status mn_search_gathered(struct mn_search *search, const int64_t *ids,
                                  const float *const *vectors, size_t count)
{
    enum { NEIGHBOURS = 4, SOME = 256 };
    struct mn_search *s = search;
    size_t stride = mn_slab_stride(s->options.dims), kept = 0;
    const float *some[SOME];
    int64_t some_ids[SOME];
    enum mn_status status = MN_OK;

    if (s->options.k == 0) return MN_OK;
    for (size_t i = 0; i < count && status == MN_OK;) {
        size_t n = vectors[i] ? neighbours_count(vectors + i, count - i, stride) : 1;

        if (n >= NEIGHBOURS) {
            struct mn_slab_block block = {
                .rows = ids + i, .base = vectors[i], .stride = stride, .count = n};
            status = mn_search_block(s, &block);
            i += n;
            continue;
        }
        for (n += i; i < n && status == MN_OK; i++) {
            if (!vectors[i]) continue;
            some_ids[kept] = ids[i];
            some[kept] = vectors[i];
            some_ask(some[kept++], s->options.dims);
            if (kept < SOME) continue;
            status = some_judge(s, some_ids, some, kept);
            kept = 0;
        }
    }
    return status == MN_OK ? some_judge(s, some_ids, some, kept) : status;
}

/* Rows of a list, by the places of their slabs. */
enum mn_status mn_search_listed(struct mn_search *search, struct mn_slab_map *map,
                                const struct mn_slabs *slabs, const struct mn_row_list *rows)
{
    enum { NEIGHBOURS = 4, SOME = 256 };
    size_t hint = 0, kept = 0;
    const float *some[SOME];
    int64_t some_ids[SOME];
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < rows->count && search->options.k > 0 && status == MN_OK;) {
        const int64_t *ids = rows->ids + i;
        struct mn_slab_stretch at;

        status = mn_slab_map_find(map, slabs, ids, rows->count - i, &hint, &at);
        if (status != MN_OK) return status;
        i += at.count;
        if (!at.base) continue;
        if (at.count >= NEIGHBOURS) {
            struct mn_slab_block block = {.first = ids[0],
                                          .base = at.base,
                                          .stride = mn_slab_stride(slabs->dims),
                                          .count = at.count};
            status = mn_search_block(search, &block);
            continue;
        }
        for (size_t n = 0; n < at.count; n++) {
            some_ids[kept] = ids[n];
            some[kept] = at.base + n * mn_slab_stride(slabs->dims);
            some_ask(some[kept++], slabs->dims);
        }
        if (kept + NEIGHBOURS <= SOME) continue;
        status = some_judge(search, some_ids, some, kept);
        kept = 0;
    }
    return status == MN_OK ? some_judge(search, some_ids, some, kept) : status;
}

enum mn_status mn_search_settle(struct mn_search *search)
{
    enum mn_status status = batch_judge(search, (struct mn_kernel_ahead){NULL, 0});

    return status == MN_OK ? later_settle(search) : status;
}

const struct mn_near *mn_search_finish(struct mn_search *search, size_t *count)
{
    MN_ASSERT(search->span_count == 0 && search->later_count == 0);
    mn_topk_sort(&search->topk);
    *count = search->topk.count;
    return search->topk.heap;
}

void mn_search_counts(const struct mn_search *search, uint64_t *shown, uint64_t *scored)
{
    *shown = search->shown;
    *scored = search->scored;
}
