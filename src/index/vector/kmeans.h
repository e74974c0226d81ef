/*
 * kmeans: centroids for many vectors, and the nearest of many centroids for a vector.
 *
 * Vectors are pointers, into the map where possible: nothing is copied. Work is shared among
 * threads that end with the call, as many as may be; what comes out does not depend on it.
 */
#ifndef MN_INDEX_VECTOR_KMEANS_H
#define MN_INDEX_VECTOR_KMEANS_H

#include "index/vector/code.h"

struct mn_kmeans {
    struct mn_code_form form; /* of centroids, as assignments see them: cosine or L2 */
    uint32_t count;
    float *centroids; /* count x dims */
    uint8_t *groups;  /* their codes, as groups without row ids */
    size_t stride;
    unsigned threads; /* that assignments may have beside the caller's */
};

/* The metric by which rows belong to centroids: L2 for dot. */
static inline enum mn_metric mn_assign_metric(enum mn_metric metric)
{
    return metric == MN_METRIC_DOT ? MN_METRIC_L2 : metric;
}

struct mn_kmeans_options {
    enum mn_metric metric;
    uint32_t dims, count;
    uint32_t rounds;
    uint64_t seed;
    unsigned threads;                      /* beside the caller's */
    enum mn_status (*tick)(void *context); /* NULL: none */
    void *context;
};

/* Centroids of a sample of at least count vectors. MN_NOMEM, or what tick says. */
enum mn_status mn_kmeans_train(const struct mn_kmeans_options *options, const float *const *sample,
                               size_t sample_count, struct mn_kmeans *kmeans);
void mn_kmeans_release(struct mn_kmeans *kmeans);

/* A copy of centroids that are known already, ready to assign. */
enum mn_status mn_kmeans_of(enum mn_metric metric, uint32_t dims, const float *centroids,
                            uint32_t count, struct mn_kmeans *kmeans);

/* The nearest centroid of each vector; exact: among the likeliest by true distance. */
enum mn_status mn_kmeans_assign(const struct mn_kmeans *kmeans, const float *const *vectors,
                                size_t count, bool exact, uint32_t *nearest);

/*
 * Two halves of `count` >= 2 vectors: side[i] is 0 or 1, both come, neither has less than an eighth
 * of them. centroids: 2 x dims.
 */
enum mn_status mn_two_means(enum mn_metric metric, uint32_t dims, const float *const *vectors,
                            size_t count, uint8_t *side, float *centroids);

/* The mean of vectors, as a centroid: under cosine of vectors at length 1, and at length 1. */
void mn_centroid_make(enum mn_metric metric, uint32_t dims, const double *sum, uint64_t count,
                      float *centroid);
void mn_centroid_add(enum mn_metric metric, uint32_t dims, const float *vector, double *sum);

/* How near a vector is to a centroid: greater is nearer. */
double mn_centroid_score(enum mn_metric metric, const float *centroid, const float *vector,
                         uint32_t dims);

#endif
