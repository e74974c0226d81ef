/*
 * row_set: ids to bits, and bits to ids in order, which sorts them in one pass.
 */
#include "index/vector/row_set.h"

#include <stdlib.h>

#include "base/alloc.h"

enum { WORD = 64, SPAN_A_ROW = 256 };

static int ids_order(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

    return (a > b) - (a < b);
}

static void ends_find(struct mn_row_set *set)
{
    set->first = set->ids[0];
    set->last = set->ids[set->count - 1];
    for (size_t i = 0; !set->sorted && i < set->count; i++) {
        if (set->ids[i] < set->first) set->first = set->ids[i];
        if (set->ids[i] > set->last) set->last = set->ids[i];
    }
}

enum mn_status mn_row_set_make(int64_t *ids, size_t count, bool sorted, struct mn_row_set *set)
{
    *set = (struct mn_row_set){.ids = ids, .count = count, .sorted = sorted};
    if (count == 0) return MN_OK;
    ends_find(set);
    uint64_t span = (uint64_t)set->last - (uint64_t)set->first;
    set->whole = sorted && span == count - 1;
    if (set->whole) return MN_OK;
    if (span / SPAN_A_ROW > count) {
        mn_row_set_sort(set);
        return MN_OK;
    }
    set->bits = mn_zalloc((span / WORD + 1) * sizeof *set->bits);
    if (!set->bits) return mn_fail_nomem();
    for (size_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)ids[i] - (uint64_t)set->first;
        set->bits[at / WORD] |= UINT64_C(1) << at % WORD;
    }
    return MN_OK;
}

void mn_row_set_release(struct mn_row_set *set)
{
    mn_dealloc(set->bits);
    set->bits = NULL;
}

static size_t words_of(const struct mn_row_set *set)
{
    return (size_t)(((uint64_t)set->last - (uint64_t)set->first) / WORD + 1);
}

void mn_row_set_sort(struct mn_row_set *set)
{
    size_t at = 0;

    if (set->sorted) return;
    set->sorted = true;
    if (!set->bits) {
        if (set->count > 1) qsort(set->ids, set->count, sizeof *set->ids, ids_order);
        return;
    }
    for (size_t w = 0; w < words_of(set); w++) {
        int64_t base = (int64_t)((uint64_t)set->first + w * WORD);

        for (uint64_t left = set->bits[w]; left; left &= left - 1) {
            set->ids[at++] = base + __builtin_ctzll(left);
        }
    }
}

size_t mn_row_set_runs(const struct mn_row_set *set)
{
    size_t runs = 0;
    uint64_t carry = 0;

    if (set->whole) return 1;
    if (!set->bits) {
        for (size_t i = 0; i < set->count; i++) {
            runs += i == 0 || set->ids[i] != set->ids[i - 1] + 1;
        }
        return runs;
    }
    for (size_t w = 0; set->count > 0 && w < words_of(set); w++) {
        uint64_t word = set->bits[w];

        runs += (size_t)__builtin_popcountll(word & ~(word << 1 | carry));
        carry = word >> (WORD - 1);
    }
    return runs;
}

bool mn_row_set_searched(const struct mn_row_set *set, int64_t id)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && set->ids[low] == id;
}
