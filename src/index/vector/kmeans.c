/*
 * kmeans: Lloyd's rounds, with the codes of the centroids in place of the centroids.
 *
 * A vector is made a query of bytes once and meets all centroids as codes: 2 cycles a pair where a
 * product of floats takes 30. In the rounds the likeliest centroid is taken as it is; where rows
 * are given their cluster, the likeliest four are compared in double.
 */
#include "index/vector/kmeans.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "index/vector/posting_inside.h"
#include "os/parallel.h"

enum { LIKELY = 4, GROUPS_AT_ONCE = 16, GRAIN = 64 };

/* ---- centroids ---- */

/* What a vector weighs in a mean. */
static double unit_of(enum mn_metric metric, uint32_t dims, const float *vector)
{
    if (metric != MN_METRIC_COSINE) return 1;
    double norm = sqrt(mn_vector_norm2(vector, dims));
    return norm > 0 ? 1 / norm : 0;
}

static void sum_add(double *sum, const float *vector, double unit, uint32_t dims)
{
    for (uint32_t i = 0; i < dims; i++) sum[i] += (double)vector[i] * unit;
}

void mn_centroid_add(enum mn_metric metric, uint32_t dims, const float *vector, double *sum)
{
    sum_add(sum, vector, unit_of(metric, dims, vector), dims);
}

void mn_centroid_make(enum mn_metric metric, uint32_t dims, const double *sum, uint64_t count,
                      float *centroid)
{
    double scale = count ? 1 / (double)count : 0;

    if (metric == MN_METRIC_COSINE) {
        double square = 0;

        for (uint32_t i = 0; i < dims; i++) square += sum[i] * sum[i];
        scale = square > 0 ? 1 / sqrt(square) : 0;
    }
    for (uint32_t i = 0; i < dims; i++) {
        double at = sum[i] * scale;
        centroid[i] = (float)fmin(fmax(at, (double)-FLT_MAX), (double)FLT_MAX);
    }
}

double mn_centroid_score(enum mn_metric metric, const float *centroid, const float *vector,
                         uint32_t dims)
{
    bool cosine = metric == MN_METRIC_COSINE;
    float score = cosine ? mn_kernels()->dot(centroid, vector, dims)
                         : -mn_kernels()->l2sq(centroid, vector, dims);

    if (isfinite(score)) return (double)score;
    if (cosine) return mn_vector_dot(centroid, vector, dims);
    double distance = mn_distance(MN_METRIC_L2, centroid, vector, dims);
    return -(distance * distance);
}

/* ---- which is nearest ---- */

static void groups_make(struct mn_kmeans *kmeans)
{
    struct mn_postings like = {.form = kmeans->form};
    uint8_t code[MN_VECTOR_CODE_MAX];

    for (uint32_t i = 0; i < kmeans->count; i++) {
        struct mn_posting row = {.code = code};

        mn_code_make(&kmeans->form, kmeans->centroids + (size_t)i * kmeans->form.dims, code,
                     &row.facts);
        mn_image_set(&like, kmeans->groups, i, &row);
    }
}

struct likely {
    float estimate;
    uint32_t centroid;
};

static void likely_offer(struct likely *best, size_t count, float estimate, uint32_t centroid)
{
    size_t at = count - 1;

    if (!(estimate > best[at].estimate)) return;
    for (; at > 0 && estimate > best[at - 1].estimate; at--) best[at] = best[at - 1];
    best[at] = (struct likely){estimate, centroid};
}

static void centroids_scan(const struct mn_kmeans *kmeans, const struct mn_code_query *query,
                           struct likely *best, size_t likely)
{
    const struct mn_kernels *kernels = mn_kernels();
    size_t groups = (kmeans->count + MN_CODE_GROUP - 1) / MN_CODE_GROUP;

    for (size_t i = 0; i < likely; i++) best[i] = (struct likely){-INFINITY, 0};
    for (size_t at = 0; at < groups; at += GROUPS_AT_ONCE) {
        struct mn_code_groups some = {.base = kmeans->groups + at * kmeans->stride,
                                      .stride = kmeans->stride,
                                      .count = groups - at < GROUPS_AT_ONCE ? groups - at
                                                                            : GROUPS_AT_ONCE};
        float estimates[GROUPS_AT_ONCE * MN_CODE_GROUP];
        uint16_t hits[GROUPS_AT_ONCE];

        kernels->code_scan(query, &some, best[likely - 1].estimate, estimates, hits);
        for (size_t g = 0; g < some.count; g++) {
            for (unsigned left = hits[g]; left; left &= left - 1) {
                size_t i = g * MN_CODE_GROUP + (unsigned)__builtin_ctz(left);
                size_t centroid = at * MN_CODE_GROUP + i;

                if (centroid >= kmeans->count) break;
                likely_offer(best, likely, isnan(estimates[i]) ? INFINITY : estimates[i],
                             (uint32_t)centroid);
            }
        }
    }
}

static uint32_t best_of(const struct mn_kmeans *kmeans, const float *vector,
                        const struct likely *likely, size_t count)
{
    uint32_t dims = kmeans->form.dims, nearest = 0;
    double best = -INFINITY;

    for (size_t i = 0; i < count; i++) {
        uint32_t centroid = likely ? likely[i].centroid : (uint32_t)i;
        double score;

        if (likely && likely[i].estimate == -INFINITY) break;
        score = mn_centroid_score(kmeans->form.metric, kmeans->centroids + (size_t)centroid * dims,
                                  vector, dims);
        if (i > 0 && !(score > best)) continue;
        best = score;
        nearest = centroid;
    }
    return nearest;
}

struct assign {
    const struct mn_kmeans *kmeans;
    const float *const *vectors;
    uint32_t *nearest;
    bool exact;
    atomic_bool failed;
};

static void assign_work(void *context, size_t begin, size_t end)
{
    struct assign *assign = context;

    for (size_t i = begin; i < end; i++) {
        struct mn_code_ask ask;
        struct likely likely[LIKELY];
        bool serves;

        if (mn_code_ask_open(&assign->kmeans->form, assign->vectors[i], &ask, &serves) != MN_OK) {
            atomic_store(&assign->failed, true);
            return;
        }
        if (!serves) {
            assign->nearest[i] =
                best_of(assign->kmeans, assign->vectors[i], NULL, assign->kmeans->count);
        } else {
            centroids_scan(assign->kmeans, &ask.scan, likely, assign->exact ? LIKELY : 1);
            assign->nearest[i] = assign->exact
                                     ? best_of(assign->kmeans, assign->vectors[i], likely, LIKELY)
                                     : likely[0].centroid;
        }
        mn_code_ask_release(&ask);
    }
}

enum mn_status mn_kmeans_assign(const struct mn_kmeans *kmeans, const float *const *vectors,
                                size_t count, bool exact, uint32_t *nearest)
{
    struct assign assign = {kmeans, vectors, nearest, exact, false};

    mn_parallel(count, GRAIN, kmeans->threads, assign_work, &assign);
    return atomic_load(&assign.failed) ? mn_fail_nomem() : MN_OK;
}

/* ---- training ---- */

static uint64_t draw(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void centroid_from(const struct mn_kmeans_options *options, const float *vector, double *sum,
                          float *centroid)
{
    memset(sum, 0, options->dims * sizeof *sum);
    mn_centroid_add(options->metric, options->dims, vector, sum);
    mn_centroid_make(options->metric, options->dims, sum, 1, centroid);
}

struct training {
    const struct mn_kmeans_options *options;
    const float *const *sample;
    size_t sample_count;
    struct mn_kmeans *kmeans;
    uint32_t *nearest;
    uint64_t *members;
    double *sums;
    uint64_t seed;
};

/* The means of what was assigned; a cluster that got nothing begins again at a vector of the
 * sample. */
static void means_take(struct training *t)
{
    const struct mn_kmeans_options *options = t->options;
    uint32_t dims = options->dims;

    memset(t->sums, 0, (size_t)options->count * dims * sizeof *t->sums);
    memset(t->members, 0, options->count * sizeof *t->members);
    for (size_t i = 0; i < t->sample_count; i++) {
        mn_centroid_add(options->metric, dims, t->sample[i],
                        t->sums + (size_t)t->nearest[i] * dims);
        t->members[t->nearest[i]]++;
    }
    for (uint32_t c = 0; c < options->count; c++) {
        double *sum = t->sums + (size_t)c * dims;
        float *centroid = t->kmeans->centroids + (size_t)c * dims;

        if (t->members[c] > 0)
            mn_centroid_make(options->metric, dims, sum, t->members[c], centroid);
        else
            centroid_from(options, t->sample[draw(&t->seed) % t->sample_count], sum, centroid);
    }
    groups_make(t->kmeans);
}

static enum mn_status train_run(struct training *t)
{
    const struct mn_kmeans_options *options = t->options;
    enum mn_status status = MN_OK;

    for (uint32_t c = 0; c < options->count; c++) {
        size_t from = (size_t)c * t->sample_count / options->count;
        size_t room = (size_t)(c + 1) * t->sample_count / options->count - from;

        centroid_from(options, t->sample[from + draw(&t->seed) % room], t->sums,
                      t->kmeans->centroids + (size_t)c * options->dims);
    }
    groups_make(t->kmeans);
    for (uint32_t r = 0; r < options->rounds && status == MN_OK; r++) {
        status = mn_kmeans_assign(t->kmeans, t->sample, t->sample_count, false, t->nearest);
        if (status == MN_OK) means_take(t);
        if (status == MN_OK && options->tick) status = options->tick(options->context);
    }
    return status;
}

static enum mn_status kmeans_room(enum mn_metric metric, uint32_t dims, uint32_t count,
                                  struct mn_kmeans *kmeans)
{
    *kmeans = (struct mn_kmeans){.form = mn_code_form(metric, dims), .count = count};
    kmeans->stride = mn_group_bytes(&kmeans->form, true);
    size_t bytes = (count / MN_CODE_GROUP + 1) * kmeans->stride;
    kmeans->centroids = mn_alloc_aligned((size_t)count * dims * sizeof(float));
    kmeans->groups = mn_alloc_aligned(bytes);
    if (!kmeans->centroids || !kmeans->groups) return mn_fail_nomem();
    memset(kmeans->groups, 0, bytes);
    return MN_OK;
}

enum mn_status mn_kmeans_of(enum mn_metric metric, uint32_t dims, const float *centroids,
                            uint32_t count, struct mn_kmeans *kmeans)
{
    enum mn_status status = kmeans_room(metric, dims, count, kmeans);

    if (status != MN_OK) {
        mn_kmeans_release(kmeans);
        return status;
    }
    memcpy(kmeans->centroids, centroids, (size_t)count * dims * sizeof *centroids);
    groups_make(kmeans);
    return MN_OK;
}

enum mn_status mn_kmeans_train(const struct mn_kmeans_options *options, const float *const *sample,
                               size_t sample_count, struct mn_kmeans *kmeans)
{
    struct training t = {.options = options,
                         .sample = sample,
                         .sample_count = sample_count,
                         .kmeans = kmeans,
                         .seed = options->seed};
    enum mn_status status = MN_OK;

    status = kmeans_room(options->metric, options->dims, options->count, kmeans);
    kmeans->threads = options->threads;
    t.nearest = mn_alloc(sample_count * sizeof *t.nearest);
    t.members = mn_alloc(options->count * sizeof *t.members);
    t.sums = mn_alloc((size_t)options->count * options->dims * sizeof *t.sums);
    if (status == MN_OK && (!t.nearest || !t.members || !t.sums)) status = mn_fail_nomem();
    if (status == MN_OK) status = train_run(&t);
    mn_dealloc(t.nearest);
    mn_dealloc(t.members);
    mn_dealloc(t.sums);
    if (status != MN_OK) mn_kmeans_release(kmeans);
    return status;
}

void mn_kmeans_release(struct mn_kmeans *kmeans)
{
    mn_release_aligned(kmeans->centroids);
    mn_release_aligned(kmeans->groups);
    kmeans->centroids = NULL;
    kmeans->groups = NULL;
}

/* ---- two halves ---- */

struct halves {
    enum mn_metric metric;
    uint32_t dims;
    const float *const *vectors;
    size_t count;
    uint8_t *side, *summed; /* where a vector is, and in which sum */
    uint64_t members[2];
    float *centroids;
    double *sums;
    double *units, *margins, *sorted;
};

/* How much nearer each vector is to the second centroid. */
static void margins_take(struct halves *h)
{
    for (size_t i = 0; i < h->count; i++) {
        h->margins[i] =
            mn_centroid_score(h->metric, h->centroids + h->dims, h->vectors[i], h->dims) -
            mn_centroid_score(h->metric, h->centroids, h->vectors[i], h->dims);
    }
}

/* From one round to the next few vectors change sides: those alone are taken off and added. */
static void means_of_sides(struct halves *h)
{
    for (size_t i = 0; i < h->count; i++) {
        uint8_t to = h->side[i], from = h->summed[i];

        if (to == from) continue;
        sum_add(h->sums + (size_t)from * h->dims, h->vectors[i], -h->units[i], h->dims);
        sum_add(h->sums + (size_t)to * h->dims, h->vectors[i], h->units[i], h->dims);
        h->members[from]--;
        h->members[to]++;
        h->summed[i] = to;
    }
    for (size_t s = 0; s < 2; s++) {
        if (h->members[s] == 0) continue;
        mn_centroid_make(h->metric, h->dims, h->sums + s * h->dims, h->members[s],
                         h->centroids + s * h->dims);
    }
}

/* All on the first side. */
static void halves_begin(struct halves *h)
{
    memset(h->sums, 0, 2 * (size_t)h->dims * sizeof *h->sums);
    memset(h->side, 0, h->count);
    memset(h->summed, 0, h->count);
    h->members[0] = h->count;
    h->members[1] = 0;
    for (size_t i = 0; i < h->count; i++) {
        h->units[i] = unit_of(h->metric, h->dims, h->vectors[i]);
        sum_add(h->sums, h->vectors[i], h->units[i], h->dims);
    }
    means_of_sides(h);
}

static size_t sides_take(struct halves *h, double bound)
{
    size_t second = 0;

    for (size_t i = 0; i < h->count; i++) {
        h->side[i] = h->margins[i] > bound;
        second += h->side[i];
    }
    return second;
}

/* The vector that is least like the first one. */
static size_t farthest(const struct halves *h, const float *from)
{
    size_t far = 0;
    double worst = INFINITY;

    for (size_t i = 0; i < h->count; i++) {
        double score = mn_centroid_score(h->metric, from, h->vectors[i], h->dims);

        if (score >= worst) continue;
        worst = score;
        far = i;
    }
    return far;
}

static int numbers_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Cuts by rank where the halves are too unequal, or all alike. */
static void sides_balance(struct halves *h)
{
    size_t half = h->count / 2, second = sides_take(h, 0);

    if (second >= (h->count + 7) / 8 && h->count - second >= (h->count + 7) / 8) return;
    memcpy(h->sorted, h->margins, h->count * sizeof *h->sorted);
    qsort(h->sorted, h->count, sizeof *h->sorted, numbers_order);
    double bound = h->sorted[half];
    second = sides_take(h, bound);
    for (size_t i = 0; i < h->count && second < h->count - half; i++) {
        if (h->margins[i] != bound) continue;
        h->side[i] = 1;
        second++;
    }
}

static enum mn_status halves_room(struct halves *h)
{
    h->sums = mn_alloc(2 * (size_t)h->dims * sizeof *h->sums);
    h->units = mn_alloc(3 * h->count * sizeof *h->units);
    h->summed = mn_alloc(h->count);
    if (!h->sums || !h->units || !h->summed) return mn_fail_nomem();
    h->margins = h->units + h->count;
    h->sorted = h->margins + h->count;
    return MN_OK;
}

static void halves_cut(struct halves *h)
{
    enum { ROUNDS = 6 };

    halves_begin(h);
    memcpy(h->centroids + h->dims, h->centroids, h->dims * sizeof *h->centroids);
    h->side[farthest(h, h->centroids)] = 1;
    means_of_sides(h);
    for (uint32_t r = 0; r < ROUNDS; r++) {
        margins_take(h);
        size_t second = sides_take(h, 0);
        if (second == 0 || second == h->count) break;
        means_of_sides(h);
    }
    margins_take(h);
    sides_balance(h);
    means_of_sides(h);
}

enum mn_status mn_two_means(enum mn_metric metric, uint32_t dims, const float *const *vectors,
                            size_t count, uint8_t *side, float *centroids)
{
    struct halves h = {.metric = metric,
                       .dims = dims,
                       .vectors = vectors,
                       .count = count,
                       .side = side,
                       .centroids = centroids};
    enum mn_status status = halves_room(&h);

    if (status == MN_OK) halves_cut(&h);
    mn_dealloc(h.sums);
    mn_dealloc(h.units);
    mn_dealloc(h.summed);
    return status;
}
