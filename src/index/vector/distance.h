/*
 * distance: how far two vectors are apart, to the last bit the same on every machine.
 *
 * Sums are made in double and in one fixed order, without fused operations, so that a distance does
 * not depend on the kernel level, and equal vectors have equal distances. Products of two f32 are
 * exact in double, hence a distance is right to about 1e-15 of its terms.
 */
#ifndef MN_INDEX_VECTOR_DISTANCE_H
#define MN_INDEX_VECTOR_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Stored in the catalogue as the option `metric` of a vector index. Never renumbered. */
enum mn_metric {
    MN_METRIC_COSINE = 0, /* <=>  1 - a.b / (|a| |b|), 0 to 2; 1 where either is zero */
    MN_METRIC_L2 = 1,     /* <->  |a - b| */
    MN_METRIC_DOT = 2     /* <#>  -(a.b) */
};

double mn_distance(enum mn_metric metric, const float *a, const float *b, size_t dims);

/* 1 - distance for cosine and dot, 1 / (1 + distance) for L2. */
double mn_similarity(enum mn_metric metric, double distance);

/* Sums in the order that distances use. */
double mn_vector_dot(const float *a, const float *b, size_t dims);
double mn_vector_norm2(const float *a, size_t dims);

/* "cosine", "l2", "dot"; parsing knows "ip" and "euclidean" too. MN_RANGE for another word. */
const char *mn_metric_name(enum mn_metric metric);
enum mn_status mn_metric_parse(const char *name, size_t length, enum mn_metric *metric);

/* MN_RANGE where an element is NaN or infinite; the message counts elements from 1. */
enum mn_status mn_vector_check(const float *vector, size_t dims);

#endif
