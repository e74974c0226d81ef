/*
 * extents: lists of page ranges, and of pages that died.
 */
#include "store/extents.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

void mn_extents_release(struct mn_extents *extents)
{
    mn_dealloc(extents->list);
    memset(extents, 0, sizeof *extents);
}

enum mn_status mn_extents_add(struct mn_extents *extents, uint64_t start, uint64_t pages)
{
    struct mn_extent *last = extents->count ? &extents->list[extents->count - 1] : NULL;

    if (last && last->start + last->pages == start) {
        last->pages += pages;
        return MN_OK;
    }
    if (!mn_grow(&extents->list, &extents->capacity, extents->count + 1, sizeof *extents->list)) {
        return mn_fail_nomem();
    }
    extents->list[extents->count++] = (struct mn_extent){start, pages};
    return MN_OK;
}

uint64_t mn_extents_pages(const struct mn_extents *extents)
{
    uint64_t pages = 0;

    for (size_t i = 0; i < extents->count; i++) pages += extents->list[i].pages;
    return pages;
}

/* A place where the number of times that pages are taken changes. */
struct edge {
    uint64_t page;
    int64_t change;
};

static int edge_compare(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    return x->page < y->page ? -1 : x->page > y->page;
}

static size_t edges_add(struct edge *edges, size_t count, const struct mn_extents *from, int sign)
{
    for (size_t i = 0; i < from->count; i++) {
        edges[count++] = (struct edge){from->list[i].start, sign};
        edges[count++] = (struct edge){from->list[i].start + from->list[i].pages, -sign};
    }
    return count;
}

enum mn_status mn_extents_net(struct mn_extents *taken, struct mn_extents *given,
                              struct mn_extents *net)
{
    size_t most = 2 * (taken->count + given->count), count = 0;
    struct edge *edges = mn_alloc(most * sizeof *edges);
    enum mn_status status = MN_OK;
    int64_t times = 0;

    net->count = 0;
    if (!edges) return mn_fail_nomem();
    count = edges_add(edges, count, taken, 1);
    count = edges_add(edges, count, given, -1);
    qsort(edges, count, sizeof *edges, edge_compare);
    for (size_t i = 0; i < count && !status;) {
        uint64_t page = edges[i].page;

        for (; i < count && edges[i].page == page; i++) times += edges[i].change;
        MN_ASSERT(times == 0 || times == 1);
        if (times && i < count) status = mn_extents_add(net, page, edges[i].page - page);
    }
    mn_dealloc(edges);
    return status;
}

static int extent_compare(const void *a, const void *b)
{
    const struct mn_extent *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

bool mn_extents_cover(struct mn_extents *sorted, const struct mn_extent *more, size_t count)
{
    size_t all = sorted->count + count, kept = 0;

    if (count == 0) return true;
    if (!mn_grow(&sorted->list, &sorted->capacity, all, sizeof *sorted->list)) return false;
    memcpy(sorted->list + sorted->count, more, count * sizeof *more);
    qsort(sorted->list, all, sizeof *sorted->list, extent_compare);
    for (size_t i = 1; i < all; i++) {
        struct mn_extent *last = &sorted->list[kept], next = sorted->list[i];

        if (next.start - last->start > last->pages) {
            sorted->list[++kept] = next;
        } else if (next.start + next.pages > last->start + last->pages) {
            last->pages = next.start + next.pages - last->start;
        }
    }
    sorted->count = kept + 1;
    return true;
}

void mn_deaths_release(struct mn_deaths *deaths)
{
    mn_dealloc(deaths->list);
    memset(deaths, 0, sizeof *deaths);
}

enum mn_status mn_deaths_add(struct mn_deaths *deaths, struct mn_death death)
{
    if (!mn_grow(&deaths->list, &deaths->capacity, deaths->count + 1, sizeof *deaths->list)) {
        return mn_fail_nomem();
    }
    deaths->list[deaths->count++] = death;
    return MN_OK;
}

static int death_compare(const void *a, const void *b)
{
    const struct mn_death *x = a, *y = b;

    if (x->birth != y->birth) return x->birth < y->birth ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

void mn_deaths_sort(struct mn_deaths *deaths)
{
    size_t kept = 0;

    if (deaths->count < 2) return;
    qsort(deaths->list, deaths->count, sizeof *deaths->list, death_compare);
    for (size_t i = 1; i < deaths->count; i++) {
        struct mn_death *last = &deaths->list[kept], *next = &deaths->list[i];

        if (last->birth == next->birth && last->death == next->death &&
            last->start + last->pages == next->start) {
            last->pages += next->pages;
        } else {
            deaths->list[++kept] = *next;
        }
    }
    deaths->count = kept + 1;
}
