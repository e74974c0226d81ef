/*
 * walk: a queue of nodes and a table of those seen.
 *
 *   queue   +---------------------+--------------------+---------------------+--------+
 *           | stepped on          | to be stepped on   | found, not yet given | free  |
 *           +---------------------+--------------------+---------------------+--------+
 *                                 ^ work               ^ give                ^ count
 *
 *   (W1) a node is in `seen` iff it is in the queue with a depth that counts; it is there once;
 *   (W2) depths in the queue never fall.
 *
 * The start stands in the queue from the first, but is seen only where depth 0 counts; reached
 * again by a cycle it is given and not stepped on a second time, since its neighbours are known.
 */
#include "index/relation/walk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

enum { EDGES_AT_ONCE = 128, SEEN_LEAST = 64 };

struct queue_node {
    int64_t row_id;
    uint32_t table;
    uint32_t depth;
};

struct seen_slot {
    int64_t row_id;
    uint32_t table;
    uint32_t stamp; /* of the walk that put it here; with another the slot is free */
};

struct mn_walk {
    struct mn_walk_options options;
    struct mn_edge_scan **scans; /* one a hop, opened when first used */
    uint64_t depth_min, depth_max;

    struct queue_node *queue;
    size_t count, capacity;
    size_t work, give;

    struct seen_slot *seen;
    size_t seen_count, seen_capacity; /* a power of two */
    uint32_t stamp;
};

enum mn_status mn_walk_open(const struct mn_walk_options *options, struct mn_walk **walk)
{
    struct mn_walk *w = mn_zalloc(sizeof *w);

    *walk = NULL;
    if (!w) return mn_fail_nomem();
    w->options = *options;
    w->scans = mn_zalloc(options->hop_count * sizeof *w->scans);
    if (!w->scans) {
        mn_dealloc(w);
        return mn_fail_nomem();
    }
    *walk = w;
    return MN_OK;
}

void mn_walk_close(struct mn_walk *walk)
{
    if (!walk) return;
    for (uint32_t i = 0; i < walk->options.hop_count; i++) mn_edge_scan_close(walk->scans[i]);
    mn_dealloc(walk->scans);
    mn_dealloc(walk->queue);
    mn_dealloc(walk->seen);
    mn_dealloc(walk);
}

static enum mn_status walk_afford(const struct mn_walk *w, size_t queued, size_t slots)
{
    uint64_t limit = w->options.memory_limit;

    if (limit == 0 || queued * sizeof *w->queue + slots * sizeof *w->seen <= limit) return MN_OK;
    mn_fail(MN_NOMEM, "the walk reached %zu nodes and the statement's memory_limit", queued);
    return mn_hint("bound its depth, or raise PRAGMA memory_limit");
}

static struct seen_slot *seen_find(const struct mn_walk *w, struct mn_node node)
{
    uint64_t hash = mn_hash_mix(node.table + UINT64_C(1), (uint64_t)node.row_id);
    size_t mask = w->seen_capacity - 1, at = (size_t)(hash >> 7) & mask;

    while (w->seen[at].stamp == w->stamp) {
        if (w->seen[at].row_id == node.row_id && w->seen[at].table == node.table) break;
        at = (at + 1) & mask;
    }
    return &w->seen[at];
}

static enum mn_status seen_grow(struct mn_walk *w)
{
    struct seen_slot *old = w->seen;
    size_t old_capacity = w->seen_capacity;
    size_t capacity = old_capacity ? 2 * old_capacity : SEEN_LEAST;
    enum mn_status status = walk_afford(w, w->capacity, capacity);

    if (status != MN_OK) return status;
    struct seen_slot *slots = mn_zalloc(capacity * sizeof *slots);
    if (!slots) return mn_fail_nomem();
    w->seen = slots;
    w->seen_capacity = capacity;
    if (w->stamp == 0) w->stamp = 1;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].stamp != w->stamp) continue;
        *seen_find(w, (struct mn_node){old[i].row_id, old[i].table}) = old[i];
    }
    mn_dealloc(old);
    return MN_OK;
}

/* Puts a node into `seen`; *fresh is false where it was there. */
static enum mn_status seen_add(struct mn_walk *w, struct mn_node node, bool *fresh)
{
    if (2 * (w->seen_count + 1) > w->seen_capacity) {
        enum mn_status status = seen_grow(w);
        if (status != MN_OK) return status;
    }
    struct seen_slot *slot = seen_find(w, node);
    *fresh = slot->stamp != w->stamp;
    if (*fresh) {
        *slot = (struct seen_slot){node.row_id, node.table, w->stamp};
        w->seen_count++;
    }
    return MN_OK;
}

static enum mn_status queue_push(struct mn_walk *w, struct mn_node node, uint32_t depth)
{
    if (w->count == w->capacity) {
        enum mn_status status = walk_afford(w, w->count + w->count / 2 + 8, w->seen_capacity);
        if (status != MN_OK) return status;
        if (!mn_grow(&w->queue, &w->capacity, w->count + 1, sizeof *w->queue)) {
            return mn_fail_nomem();
        }
    }
    w->queue[w->count++] = (struct queue_node){node.row_id, node.table, depth};
    return MN_OK;
}

enum mn_status mn_walk_start(struct mn_walk *walk, struct mn_node start, uint64_t depth_min,
                             uint64_t depth_max)
{
    bool fresh;

    walk->depth_min = depth_min;
    walk->depth_max = depth_max;
    walk->count = walk->work = walk->seen_count = 0;
    if (++walk->stamp == 0) { /* the stamps have come round: old ones would be taken for new */
        if (walk->seen) memset(walk->seen, 0, walk->seen_capacity * sizeof *walk->seen);
        walk->stamp = 1;
    }
    walk->give = depth_min == 0 ? 0 : 1;
    enum mn_status status = depth_min == 0 ? seen_add(walk, start, &fresh) : MN_OK;
    return status == MN_OK ? queue_push(walk, start, 0) : status;
}

static enum mn_status edge_follow(struct mn_walk *w, const struct mn_hop *hop,
                                  const struct mn_edge *edge, uint32_t depth)
{
    struct mn_node node = {edge->node, hop->to};
    bool yes = true;

    /* A node that was seen needs no look at its edge. */
    if (w->seen_capacity && seen_find(w, node)->stamp == w->stamp) return MN_OK;
    if (w->options.admit) {
        enum mn_status status = w->options.admit(w->options.context, hop, edge, &yes);
        if (status != MN_OK || !yes) return status;
    }
    enum mn_status status = seen_add(w, node, &yes);
    MN_ASSERT(status != MN_OK || yes);
    return status == MN_OK ? queue_push(w, node, depth) : status;
}

static enum mn_status hop_follow(struct mn_walk *w, uint32_t index, struct queue_node from)
{
    const struct mn_hop *hop = &w->options.hops[index];
    struct mn_edge edges[EDGES_AT_ONCE];
    size_t count = 1;
    enum mn_status status = MN_OK;

    if (!w->scans[index]) {
        status =
            mn_edge_scan_open(w->options.view, hop->relation, hop->direction, &w->scans[index]);
    }
    if (status == MN_OK) status = mn_edge_scan_node(w->scans[index], from.row_id);
    while (status == MN_OK && count > 0) {
        status = mn_edge_scan_next(w->scans[index], edges, EDGES_AT_ONCE, &count);
        for (size_t i = 0; i < count && status == MN_OK; i++) {
            status = edge_follow(w, hop, &edges[i], from.depth + 1);
        }
    }
    return status;
}

static enum mn_status node_step_on(struct mn_walk *w, struct queue_node node)
{
    enum mn_status status = w->options.check ? w->options.check(w->options.context) : MN_OK;

    for (uint32_t i = 0; i < w->options.hop_count && status == MN_OK; i++) {
        if (w->options.hops[i].from == node.table) status = hop_follow(w, i, node);
    }
    return status;
}

/* True where the node at `index` is the start, met again. */
static bool node_is_start_again(const struct mn_walk *w, size_t index)
{
    return index > 0 && w->queue[index].row_id == w->queue[0].row_id &&
           w->queue[index].table == w->queue[0].table;
}

enum mn_status mn_walk_next(struct mn_walk *walk, int64_t *row_id, uint64_t *depth, bool *found)
{
    *found = false;
    for (;;) {
        while (walk->give < walk->count) {
            struct queue_node node = walk->queue[walk->give++];

            if (node.depth < walk->depth_min || node.table != walk->options.end_table) continue;
            *row_id = node.row_id;
            *depth = node.depth;
            *found = true;
            return MN_OK;
        }
        if (walk->work == walk->count) return MN_OK;
        struct queue_node node = walk->queue[walk->work];
        if (node.depth >= walk->depth_max || node.depth == UINT32_MAX) return MN_OK;
        if (!node_is_start_again(walk, walk->work++)) {
            enum mn_status status = node_step_on(walk, node);
            if (status != MN_OK) return status;
        }
    }
}
