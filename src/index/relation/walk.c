/*
 * walk: a queue of nodes and a table of those seen.
 *
 *   queue   +---------------------+--------------------+---------------------+--------+
 *           | stepped on          | to be stepped on   | found, not yet given | free  |
 *           +---------------------+--------------------+---------------------+--------+
 *                                 ^ work               ^ give                ^ count
 *
 *   (W1) a node is in `seen` iff it was found at a depth that counts; it is in the queue once, but
 *        where a count needs its number only;
 *   (W2) depths in the queue never fall.
 *
 * Nodes are stepped on some at a time, in the order of the queue: their edges are sought side by
 * side, so that the waits for memory overlap, and then followed node by node.
 *
 * `seen` holds 64 neighbouring row ids a slot: row ids are dense more often than not, and a table
 * of few slots stays in the processor's caches.
 *
 * The start stands in the queue from the first, but is seen only where depth 0 counts; reached
 * again by a cycle it is given and not stepped on a second time, since its neighbours are known.
 */
#include "index/relation/walk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

enum { EDGES_AT_ONCE = 128, SEEN_LEAST = 256, SEEN_LEAPS_BELOW = 1 << 16 };

struct queue_node {
    int64_t row_id;
    uint32_t table;
    uint32_t depth;
};

struct seen_slot {
    int64_t block; /* row id / 64 */
    uint64_t bits; /* the row ids of the block that were seen */
    uint32_t table;
    uint32_t stamp; /* of the walk that put it here; with another the slot is free */
};

/* The nodes that are stepped on together. */
struct batch {
    struct queue_node nodes[MN_FAN_WIDTH];
    uint32_t count;
};

struct mn_walk {
    struct mn_walk_options options;
    struct mn_fan **fans; /* one a hop, opened when first used */
    uint32_t *lanes;      /* of each fan the one whose node is the next to be followed */
    uint64_t depth_min, depth_max;

    struct queue_node *queue;
    size_t count, capacity;
    size_t work, give;
    bool counting; /* ends at depth_max are counted and not queued */
    uint64_t counted;

    struct seen_slot *seen;
    size_t seen_count, seen_capacity; /* slots; a power of two */
    uint32_t stamp;
};

enum mn_status mn_walk_open(const struct mn_walk_options *options, struct mn_walk **walk)
{
    struct mn_walk *w = mn_zalloc(sizeof *w);

    *walk = NULL;
    if (!w) return mn_fail_nomem();
    w->options = *options;
    w->fans = mn_zalloc(options->hop_count * sizeof(struct mn_fan *) + 1);
    w->lanes = mn_alloc(options->hop_count * sizeof *w->lanes + 1);
    if (!w->fans || !w->lanes) {
        mn_walk_close(w);
        return mn_fail_nomem();
    }
    *walk = w;
    return MN_OK;
}

void mn_walk_close(struct mn_walk *walk)
{
    if (!walk) return;
    for (uint32_t i = 0; walk->fans && i < walk->options.hop_count; i++) {
        mn_fan_close(walk->fans[i]);
    }
    mn_dealloc(walk->fans);
    mn_dealloc(walk->lanes);
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

/* The slot of a block, or the free one where it would stand. */
static inline struct seen_slot *slot_find(const struct mn_walk *w, int64_t block, uint32_t table)
{
    uint64_t hash = mn_hash_mix(table + UINT64_C(1), (uint64_t)block);
    size_t mask = w->seen_capacity - 1, at = (size_t)(hash >> 7) & mask;

    while (w->seen[at].stamp == w->stamp) {
        if (w->seen[at].block == block && w->seen[at].table == table) break;
        at = (at + 1) & mask;
    }
    return &w->seen[at];
}

static enum mn_status seen_grow(struct mn_walk *w)
{
    struct seen_slot *old = w->seen;
    size_t old_capacity = w->seen_capacity;
    size_t capacity = old_capacity * (old_capacity < SEEN_LEAPS_BELOW ? 4 : 2);

    if (capacity == 0) capacity = SEEN_LEAST;
    enum mn_status status = walk_afford(w, w->capacity, capacity);
    if (status != MN_OK) return status;
    struct seen_slot *slots = mn_zalloc(capacity * sizeof *slots);
    if (!slots) return mn_fail_nomem();
    w->seen = slots;
    w->seen_capacity = capacity;
    if (w->stamp == 0) w->stamp = 1;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].stamp != w->stamp) continue;
        *slot_find(w, old[i].block, old[i].table) = old[i];
    }
    mn_dealloc(old);
    return MN_OK;
}

static bool seen_has(const struct mn_walk *w, struct mn_node node)
{
    const struct seen_slot *slot;

    if (w->seen_capacity == 0) return false;
    slot = slot_find(w, node.row_id >> 6, node.table);
    return slot->stamp == w->stamp && (slot->bits >> (node.row_id & 63) & 1);
}

/* Puts a node into `seen`; *fresh is false where it was there. */
static inline enum mn_status seen_add(struct mn_walk *w, struct mn_node node, bool *fresh)
{
    uint64_t bit = UINT64_C(1) << (node.row_id & 63);

    if (2 * (w->seen_count + 1) > w->seen_capacity) {
        enum mn_status status = seen_grow(w);
        if (status != MN_OK) return status;
    }
    struct seen_slot *slot = slot_find(w, node.row_id >> 6, node.table);
    if (slot->stamp != w->stamp) {
        *slot = (struct seen_slot){node.row_id >> 6, 0, node.table, w->stamp};
        w->seen_count++;
    }
    *fresh = !(slot->bits & bit);
    slot->bits |= bit;
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
    walk->counting = false;
    if (++walk->stamp == 0) { /* the stamps have come round: old ones would be taken for new */
        if (walk->seen) memset(walk->seen, 0, walk->seen_capacity * sizeof *walk->seen);
        walk->stamp = 1;
    }
    walk->give = depth_min == 0 ? 0 : 1;
    enum mn_status status = depth_min == 0 ? seen_add(walk, start, &fresh) : MN_OK;
    return status == MN_OK ? queue_push(walk, start, 0) : status;
}

static bool is_end(const struct mn_walk *w, uint32_t table, uint32_t depth)
{
    return depth >= w->depth_min && table == w->options.end_table;
}

static inline enum mn_status edge_follow(struct mn_walk *w, const struct mn_hop *hop,
                                         const struct mn_edge *edge, uint32_t depth)
{
    struct mn_node node = {edge->node, hop->to};
    bool yes = true;
    enum mn_status status;

    if (w->options.admit) {
        /* A node that was seen needs no look at its edge. */
        if (seen_has(w, node)) return MN_OK;
        status = w->options.admit(w->options.context, hop, edge, &yes);
        if (status != MN_OK || !yes) return status;
    }
    status = seen_add(w, node, &yes);
    if (status != MN_OK || !yes) return status;
    if (w->counting) {
        w->counted += is_end(w, node.table, depth);
        if (depth >= w->depth_max) return MN_OK;
    }
    return queue_push(w, node, depth);
}

static enum mn_status hop_follow(struct mn_walk *w, uint32_t index, uint32_t depth)
{
    struct mn_edge edges[EDGES_AT_ONCE];
    uint32_t lane = w->lanes[index]++;
    size_t count = EDGES_AT_ONCE;
    enum mn_status status = MN_OK;

    while (status == MN_OK && count == EDGES_AT_ONCE) {
        status = mn_edge_fan_next(w->fans[index], lane, edges, EDGES_AT_ONCE, &count);
        for (size_t i = 0; i < count && status == MN_OK; i++) {
            status = edge_follow(w, &w->options.hops[index], &edges[i], depth);
        }
    }
    return status;
}

/* True where the node at `index` is the start, met again. */
static bool node_is_start_again(const struct mn_walk *w, size_t index)
{
    return index > 0 && w->queue[index].row_id == w->queue[0].row_id &&
           w->queue[index].table == w->queue[0].table;
}

/* The next nodes of the queue that may be stepped on. */
static void batch_take(struct mn_walk *w, struct batch *batch)
{
    batch->count = 0;
    while (w->work < w->count && batch->count < MN_FAN_WIDTH) {
        const struct queue_node *node = &w->queue[w->work];

        if (node->depth >= w->depth_max || node->depth == UINT32_MAX) return;
        if (!node_is_start_again(w, w->work++)) batch->nodes[batch->count++] = *node;
    }
}

/* Turns the fan of a hop to the nodes that it leads from. */
static enum mn_status hop_seek(struct mn_walk *w, uint32_t index, const struct batch *batch)
{
    const struct mn_hop *hop = &w->options.hops[index];
    int64_t nodes[MN_FAN_WIDTH];
    uint32_t count = 0;
    enum mn_status status = MN_OK;

    w->lanes[index] = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->nodes[i].table == hop->from) nodes[count++] = batch->nodes[i].row_id;
    }
    if (count == 0) return MN_OK;
    if (!w->fans[index]) {
        status = mn_edge_fan_open(w->options.view, hop->relation, hop->direction, &w->fans[index]);
    }
    return status == MN_OK ? mn_edge_fan_seek(w->fans[index], nodes, count) : status;
}

static enum mn_status batch_step_on(struct mn_walk *w, const struct batch *batch)
{
    enum mn_status status = MN_OK;

    for (uint32_t h = 0; h < w->options.hop_count && status == MN_OK; h++) {
        status = hop_seek(w, h, batch);
    }
    for (uint32_t i = 0; i < batch->count && status == MN_OK; i++) {
        const struct queue_node *node = &batch->nodes[i];

        if (w->options.check) status = w->options.check(w->options.context);
        for (uint32_t h = 0; h < w->options.hop_count && status == MN_OK; h++) {
            if (w->options.hops[h].from == node->table) status = hop_follow(w, h, node->depth + 1);
        }
    }
    return status;
}

enum mn_status mn_walk_next(struct mn_walk *walk, int64_t *row_id, uint64_t *depth, bool *found)
{
    struct batch batch;

    *found = false;
    for (;;) {
        while (walk->give < walk->count) {
            struct queue_node node = walk->queue[walk->give++];

            if (!is_end(walk, node.table, node.depth)) continue;
            *row_id = node.row_id;
            *depth = node.depth;
            *found = true;
            return MN_OK;
        }
        batch_take(walk, &batch);
        if (batch.count == 0) return MN_OK;
        enum mn_status status = batch_step_on(walk, &batch);
        if (status != MN_OK) return status;
    }
}

enum mn_status mn_walk_count(struct mn_walk *walk, uint64_t *count)
{
    enum mn_status status = MN_OK;
    struct batch batch;

    walk->counted = 0;
    for (; walk->give < walk->count; walk->give++) {
        const struct queue_node *node = &walk->queue[walk->give];

        walk->counted += is_end(walk, node->table, node->depth);
    }
    walk->counting = true;
    do {
        batch_take(walk, &batch);
        status = batch_step_on(walk, &batch);
    } while (status == MN_OK && batch.count > 0);
    walk->give = walk->count;
    *count = walk->counted;
    return status;
}
