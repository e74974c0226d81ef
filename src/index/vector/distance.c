/*
 * distance: the one place where distances that users see are computed.
 */
#include "index/vector/distance.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "index/vector/kernel.h"

double mn_vector_dot(const float *a, const float *b, size_t dims)
{
    return mn_kernels()->exact_dot(a, b, dims);
}

double mn_vector_norm2(const float *a, size_t dims)
{
    return mn_kernels()->exact_dot(a, a, dims);
}

/* The root of the product of both squares makes the distance of equal vectors exactly 0. */
static double vector_cosine(const float *a, const float *b, size_t dims)
{
    double sums[3];

    mn_kernels()->exact_cosine(a, b, dims, sums);
    double scale = sqrt(sums[1] * sums[2]);
    double distance = scale > 0 ? 1 - sums[0] / scale : 1;

    if (distance < 0) return 0;
    return distance > 2 ? 2 : distance;
}

double mn_distance(enum mn_metric metric, const float *a, const float *b, size_t dims)
{
    switch (metric) {
    case MN_METRIC_L2: return sqrt(mn_kernels()->exact_l2sq(a, b, dims));
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
