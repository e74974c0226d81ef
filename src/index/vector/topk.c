/*
 * topk: a bounded binary heap. (T1) no entry is worse than its parent; (T2) count <= k.
 */
#include "index/vector/topk.h"

#include "base/alloc.h"
#include "base/assert.h"

void mn_topk_init(struct mn_topk *topk, uint64_t k, mn_tie_fn tie, void *tie_context)
{
    *topk = (struct mn_topk){.k = k, .tie = tie, .tie_context = tie_context};
}

void mn_topk_release(struct mn_topk *topk)
{
    mn_dealloc(topk->heap);
    *topk = (struct mn_topk){0};
}

static bool near_is_worse(const struct mn_topk *topk, const struct mn_near *a,
                          const struct mn_near *b)
{
    if (a->distance != b->distance) return a->distance > b->distance;
    if (topk->tie) return topk->tie(topk->tie_context, a->id, b->id) > 0;
    return a->id > b->id;
}

static void heap_swap(struct mn_topk *topk, size_t i, size_t j)
{
    struct mn_near kept = topk->heap[i];

    topk->heap[i] = topk->heap[j];
    topk->heap[j] = kept;
}

/* Restores (T1) below i among the first `count` entries. */
static void heap_sink(struct mn_topk *topk, size_t i, size_t count)
{
    for (;;) {
        size_t worst = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++) {
            if (near_is_worse(topk, &topk->heap[child], &topk->heap[worst])) worst = child;
        }
        if (worst == i) return;
        heap_swap(topk, i, worst);
        i = worst;
    }
}

static void heap_rise(struct mn_topk *topk, size_t i)
{
    while (i > 0 && near_is_worse(topk, &topk->heap[i], &topk->heap[(i - 1) / 2])) {
        heap_swap(topk, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

enum mn_status mn_topk_offer(struct mn_topk *topk, double distance, int64_t id)
{
    struct mn_near candidate = {distance, id};

    if (topk->k == 0) return MN_OK;
    if (mn_topk_full(topk)) {
        if (!near_is_worse(topk, &topk->heap[0], &candidate)) return MN_OK;
        topk->heap[0] = candidate;
        heap_sink(topk, 0, topk->count);
        return MN_OK;
    }
    if (!mn_grow(&topk->heap, &topk->capacity, topk->count + 1, sizeof *topk->heap)) {
        return mn_fail_nomem();
    }
    topk->heap[topk->count] = candidate;
    heap_rise(topk, topk->count++);
    MN_ASSERT(topk->count <= topk->k);
    return MN_OK;
}

void mn_topk_sort(struct mn_topk *topk)
{
    for (size_t end = topk->count; end > 1; end--) {
        heap_swap(topk, 0, end - 1);
        heap_sink(topk, 0, end - 1);
    }
}
