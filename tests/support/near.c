/*
 * near: what brute force finds.
 */
#include "support/near.h"

#include <stdlib.h>

const struct mn_ann_limits near_limits_tiny = {.flat_max = 120,
                                               .cluster_max = 32,
                                               .cluster_min = 6,
                                               .cluster_rows = 20,
                                               .few_vectors = 4,
                                               .few_passing = 4};
const struct mn_ann_limits near_limits_small = {.flat_max = 300,
                                                .cluster_max = 48,
                                                .cluster_min = 8,
                                                .cluster_rows = 30,
                                                .few_vectors = 100,
                                                .few_passing = 50};

static int near_order(const void *a, const void *b)
{
    const struct near *x = a, *y = b;

    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

void near_sort(struct near *found, size_t count)
{
    qsort(found, count, sizeof *found, near_order);
}
