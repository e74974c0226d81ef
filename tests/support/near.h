/*
 * near: what brute force finds, to compare an index with, and limits that make few rows an index.
 */
#ifndef MN_TESTS_SUPPORT_NEAR_H
#define MN_TESTS_SUPPORT_NEAR_H

#include <stddef.h>
#include <stdint.h>

#include "index/vector/ann.h"

/* So that hundreds of rows, or thousands, are in clusters and searched by their codes. */
extern const struct mn_ann_limits near_limits_tiny, near_limits_small;

struct near {
    double distance;
    int64_t id;
};

/* Nearest first, equally near ones by id: the order of NEAREST. */
void near_sort(struct near *found, size_t count);

#endif
