/*
 * distance: the one place where distances that users see are computed.
 */
#include "index/vector/distance.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"

#pragma STDC FP_CONTRACT OFF

enum { CHAINS = 8 };

/* Eight chains of additions, folded by halves: the compiler may use SIMD, but not another order. */
static double chains_sum(const double chain[CHAINS])
{
    return ((chain[0] + chain[4]) + (chain[2] + chain[6])) +
           ((chain[1] + chain[5]) + (chain[3] + chain[7]));
}

double mn_vector_dot(const float *a, const float *b, size_t dims)
{
    double chain[CHAINS] = {0};
    size_t i = 0;

    for (; i + CHAINS <= dims; i += CHAINS) {
        for (size_t j = 0; j < CHAINS; j++) chain[j] += (double)a[i + j] * (double)b[i + j];
    }
    for (size_t j = 0; i + j < dims; j++) chain[j] += (double)a[i + j] * (double)b[i + j];
    return chains_sum(chain);
}

double mn_vector_norm2(const float *a, size_t dims)
{
    return mn_vector_dot(a, a, dims);
}

static double vector_l2sq(const float *a, const float *b, size_t dims)
{
    double chain[CHAINS] = {0};
    size_t i = 0;

    for (; i + CHAINS <= dims; i += CHAINS) {
        for (size_t j = 0; j < CHAINS; j++) {
            double difference = (double)a[i + j] - (double)b[i + j];
            chain[j] += difference * difference;
        }
    }
    for (size_t j = 0; i + j < dims; j++) {
        double difference = (double)a[i + j] - (double)b[i + j];
        chain[j] += difference * difference;
    }
    return chains_sum(chain);
}

/* The root of the product of both squares makes the distance of equal vectors exactly 0. */
static double vector_cosine(const float *a, const float *b, size_t dims)
{
    double scale = sqrt(mn_vector_norm2(a, dims) * mn_vector_norm2(b, dims));
    double distance = scale > 0 ? 1 - mn_vector_dot(a, b, dims) / scale : 1;

    if (distance < 0) return 0;
    return distance > 2 ? 2 : distance;
}

double mn_distance(enum mn_metric metric, const float *a, const float *b, size_t dims)
{
    switch (metric) {
    case MN_METRIC_L2: return sqrt(vector_l2sq(a, b, dims));
    case MN_METRIC_DOT: return 0 - mn_vector_dot(a, b, dims);
    case MN_METRIC_COSINE: break;
    }
    return vector_cosine(a, b, dims);
}

double mn_similarity(enum mn_metric metric, double distance)
{
    return metric == MN_METRIC_L2 ? 1 / (1 + distance) : 1 - distance;
}

static const struct {
    const char *name;
    enum mn_metric metric;
} metric_names[] = {
    {"cosine", MN_METRIC_COSINE}, {"l2", MN_METRIC_L2},  {"dot", MN_METRIC_DOT},
    {"euclidean", MN_METRIC_L2},  {"ip", MN_METRIC_DOT},
};

const char *mn_metric_name(enum mn_metric metric)
{
    for (size_t i = 0; i < sizeof metric_names / sizeof *metric_names; i++) {
        if (metric_names[i].metric == metric) return metric_names[i].name;
    }
    return "unknown";
}

enum mn_status mn_metric_parse(const char *name, size_t length, enum mn_metric *metric)
{
    for (size_t i = 0; i < sizeof metric_names / sizeof *metric_names; i++) {
        if (strlen(metric_names[i].name) != length) continue;
        if (strncasecmp(metric_names[i].name, name, length) != 0) continue;
        *metric = metric_names[i].metric;
        return MN_OK;
    }
    mn_fail(MN_RANGE, "no metric \"%.*s\"", (int)(length < 64 ? length : 64), name);
    return mn_hint("metrics are cosine, l2 and dot");
}

/* NaN and infinities alone have every bit of the exponent set. */
enum mn_status mn_vector_check(const float *vector, size_t dims)
{
    const uint32_t exponent = 0x7f800000u;
    uint32_t bad = 0;

    for (size_t i = 0; i < dims; i++) bad |= (mn_get_u32(vector + i) & exponent) == exponent;
    if (!bad) return MN_OK;
    for (size_t i = 0; i < dims; i++) {
        if (isfinite(vector[i])) continue;
        return mn_fail(MN_RANGE, "element %zu of the vector is %s", i + 1,
                       isnan(vector[i]) ? "NaN" : "infinite");
    }
    return MN_OK;
}
