/*
 * near: what brute force finds, to compare an index with.
 */
#ifndef MN_TESTS_SUPPORT_NEAR_H
#define MN_TESTS_SUPPORT_NEAR_H

#include <stddef.h>
#include <stdint.h>

struct near {
    double distance;
    int64_t id;
};

/* Nearest first, equally near ones by id: the order of NEAREST. */
void near_sort(struct near *found, size_t count);

#endif
