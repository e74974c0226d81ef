/*
 * near: what brute force finds.
 */
#include "support/near.h"

#include <stdlib.h>

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
