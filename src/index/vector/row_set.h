/*
 * row_set: rows that pass a filter, asked beside each code.
 *
 * Where ids lie close enough, a bit for each row from the first to the last; else the sorted list.
 * Ascending ones without a gap need neither.
 */
#ifndef MN_INDEX_VECTOR_ROW_SET_H
#define MN_INDEX_VECTOR_ROW_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mn_row_set {
    int64_t *ids; /* borrowed; ascending where there are no bits, and after mn_row_set_sort */
    size_t count;
    int64_t first, last;
    uint64_t *bits;     /* from `first` on; NULL where ids lie too far apart, or side by side */
    bool sorted, whole; /* whole: every id from the first to the last, in order */
};

/* Of ids that are each there once; `sorted`: they ascend. The list may be put in order. */
enum mn_status mn_row_set_make(int64_t *ids, size_t count, bool sorted, struct mn_row_set *set);
void mn_row_set_release(struct mn_row_set *set);

/* Puts the list in order. */
void mn_row_set_sort(struct mn_row_set *set);

/* How many stretches of consecutive ids there are. */
size_t mn_row_set_runs(const struct mn_row_set *set);

bool mn_row_set_searched(const struct mn_row_set *set, int64_t id);

static inline bool mn_row_set_has(const struct mn_row_set *set, int64_t id)
{
    if (set->count == 0 || id < set->first || id > set->last) return false;
    if (set->whole) return true;
    if (!set->bits) return mn_row_set_searched(set, id);
    uint64_t at = (uint64_t)id - (uint64_t)set->first;
    return set->bits[at / 64] >> at % 64 & 1;
}

#endif
