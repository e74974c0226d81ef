/*
 * extents: lists of page ranges, and of pages that died.
 */
#ifndef MN_STORE_EXTENTS_H
#define MN_STORE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mn_extent {
    uint64_t start, pages;
};

/* A zeroed struct is an empty list. */
struct mn_extents {
    struct mn_extent *list;
    size_t count, capacity;
};

void mn_extents_release(struct mn_extents *extents);
/* Appends; joined with the last one where they touch. */
enum mn_status mn_extents_add(struct mn_extents *extents, uint64_t start, uint64_t pages);
uint64_t mn_extents_pages(const struct mn_extents *extents);
/*
 * What was taken and not given back, sorted and joined: a page taken n times and given back n - 1
 * times is there once. Both lists are sorted in place.
 */
enum mn_status mn_extents_net(struct mn_extents *taken, struct mn_extents *given,
                              struct mn_extents *net);

/* Adds `count` more, which may overlap, to what is sorted and joined, and leaves it so. False: no
 * memory, and `sorted` is as it was. */
bool mn_extents_cover(struct mn_extents *sorted, const struct mn_extent *more, size_t count);

/* Pages whose last version was death - 1: they live in [birth, death). */
struct mn_death {
    uint64_t birth, death, start, pages;
};

struct mn_deaths {
    struct mn_death *list;
    size_t count, capacity;
};

void mn_deaths_release(struct mn_deaths *deaths);
enum mn_status mn_deaths_add(struct mn_deaths *deaths, struct mn_death death);
/* Sorted by birth, then page; neighbours of the same lifetime are joined. */
void mn_deaths_sort(struct mn_deaths *deaths);

#endif
