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
 * The start stands in the queue from the first, but is seen only where depth 0 counts; reached
 * again by a cycle it is given and not stepped on a second time, since its neighbours are known.
 */
#include "index/relation/walk.h"

#include <string.h>

#include "base/alloc.h"
#include "index/relation/seen.h"

enum { EDGES_AT_ONCE = 128 };

struct queue_node {
    int64_t row_id;
    uint32_t table;
    uint32_t depth;
};

/* The nodes that are stepped on together. */
struct batch {
    struct queue_node nodes[MN_FAN_WIDTH];
    uint32_t count;
};

struct mn_walk {
    struct mn_walk_options options;
    struct mn_fan **fans;    /* two a hop, opened when first used */
    uint32_t *lanes;         /* of each fan the one whose node is the next to be followed */
    struct batch batches[2]; /* for the first and the second fan of each hop */
    uint32_t turn;           /* the batch to be followed next; the other may be sought already */
    uint64_t depth_min, depth_max;

    struct queue_node *queue;
    size_t count, capacity;
    size_t work, give;
    bool counting; /* ends at depth_max are counted and not queued */
    uint64_t counted;

    struct mn_seen seen;
};

enum mn_status mn_walk_open(const struct mn_walk_options *options, struct mn_walk **walk)
{
    struct mn_walk *w = mn_zalloc(sizeof *w);

    *walk = NULL;
    if (!w) return mn_fail_nomem();
    w->options = *options;
    w->fans = mn_zalloc(2 * options->hop_count * sizeof(struct mn_fan *) + 1);
    w->lanes = mn_alloc(2 * options->hop_count * sizeof *w->lanes + 1);
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
    for (uint32_t i = 0; walk->fans && i < 2 * walk->options.hop_count; i++) {
        mn_fan_close(walk->fans[i]);
    }
    mn_dealloc(walk->fans);
    mn_dealloc(walk->lanes);
    mn_dealloc(walk->queue);
    mn_seen_release(&walk->seen);
    mn_dealloc(walk);
}

static enum mn_status walk_afford(const struct mn_walk *w, size_t queued, size_t seen_bytes)
{
    uint64_t limit = w->options.memory_limit;

    if (limit == 0 || queued * sizeof *w->queue + seen_bytes <= limit) return MN_OK;
    mn_fail(MN_NOMEM, "the walk reached %zu nodes and the statement's memory_limit", queued);
    return mn_hint("bound its depth, or raise PRAGMA memory_limit");
}

/* Puts a node into `seen`; *fresh is false where it was there. */
static inline enum mn_status seen_add(struct mn_walk *w, struct mn_node node, bool *fresh)
{
    if (mn_seen_full(&w->seen)) {
        enum mn_status status = walk_afford(w, w->capacity, mn_seen_grown_bytes(&w->seen));

        if (status == MN_OK) status = mn_seen_grow(&w->seen);
        if (status != MN_OK) return status;
    }
    *fresh = mn_seen_add(&w->seen, node.table, node.row_id);
    return MN_OK;
}

static enum mn_status queue_push(struct mn_walk *w, struct mn_node node, uint32_t depth)
{
    if (w->count == w->capacity) {
        enum mn_status status =
            walk_afford(w, w->count + w->count / 2 + 8, mn_seen_bytes(&w->seen));
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
    walk->count = walk->work = 0;
    walk->batches[0].count = walk->batches[1].count = 0;
    walk->counting = false;
    mn_seen_clear(&walk->seen);
    walk->give = depth_min == 0 ? 0 : 1;
    enum mn_status status = depth_min == 0 ? seen_add(walk, start, &fresh) : MN_OK;
    return status == MN_OK ? queue_push(walk, start, 0) : status;
}

static bool is_end(const struct mn_walk *w, uint32_t table, uint32_t depth)
{
    return depth >= w->depth_min && table == w->options.end_table;
}

/* A node at the other end of an edge that may be stepped on. */
static inline enum mn_status node_reach(struct mn_walk *w, struct mn_node node, uint32_t depth)
{
    bool fresh = false;
    enum mn_status status = seen_add(w, node, &fresh);

    if (status != MN_OK || !fresh) return status;
    if (w->counting) {
        w->counted += is_end(w, node.table, depth);
        if (depth >= w->depth_max) return MN_OK;
    }
    return queue_push(w, node, depth);
}

static enum mn_status edges_ask(struct mn_walk *w, const struct mn_hop *hop, struct mn_fan *fan,
                                uint32_t lane, uint32_t depth)
{
    struct mn_edge edges[EDGES_AT_ONCE];
    size_t count = EDGES_AT_ONCE;
    enum mn_status status = MN_OK;

    while (status == MN_OK && count == EDGES_AT_ONCE) {
        status = mn_edge_fan_next(fan, lane, edges, EDGES_AT_ONCE, &count);
        for (size_t i = 0; i < count && status == MN_OK; i++) {
            struct mn_node node = {edges[i].node, hop->to};
            bool yes = false;

            /* A node that was seen needs no look at its edge. */
            if (mn_seen_has(&w->seen, node.table, node.row_id)) continue;
            status = w->options.admit(w->options.context, hop, &edges[i], &yes);
            if (status == MN_OK && yes) status = node_reach(w, node, depth);
        }
    }
    return status;
}

/* Where every edge may be stepped on, the edges themselves need not be known. */
static enum mn_status hop_follow(struct mn_walk *w, uint32_t index, uint32_t depth)
{
    const struct mn_hop *hop = &w->options.hops[index];
    struct mn_fan *fan = w->fans[2 * index + w->turn];
    uint32_t lane = w->lanes[2 * index + w->turn]++;
    int64_t nodes[EDGES_AT_ONCE];
    size_t count = EDGES_AT_ONCE;
    enum mn_status status = MN_OK;

    if (w->options.admit) return edges_ask(w, hop, fan, lane, depth);
    while (status == MN_OK && count == EDGES_AT_ONCE) {
        status = mn_edge_fan_nodes(fan, lane, nodes, EDGES_AT_ONCE, &count);
        for (size_t i = 0; i < count && status == MN_OK; i++) {
            status = node_reach(w, (struct mn_node){nodes[i], hop->to}, depth);
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

/* Turns a fan of a hop to the nodes of its batch that the hop leads from. */
static enum mn_status hop_seek(struct mn_walk *w, uint32_t index, uint32_t turn)
{
    const struct mn_hop *hop = &w->options.hops[index];
    const struct batch *batch = &w->batches[turn];
    struct mn_fan **fan = &w->fans[2 * index + turn];
    int64_t nodes[MN_FAN_WIDTH];
    uint32_t count = 0;
    enum mn_status status = MN_OK;

    w->lanes[2 * index + turn] = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->nodes[i].table == hop->from) nodes[count++] = batch->nodes[i].row_id;
    }
    if (count == 0) return MN_OK;
    if (!*fan) status = mn_edge_fan_open(w->options.view, hop->relation, hop->direction, fan);
    return status == MN_OK ? mn_edge_fan_seek(*fan, nodes, count) : status;
}

/* Takes what is in the queue and seeks its edges. */
static enum mn_status batch_seek(struct mn_walk *w, uint32_t turn)
{
    enum mn_status status = MN_OK;

    batch_take(w, &w->batches[turn]);
    for (uint32_t h = 0; h < w->options.hop_count && status == MN_OK; h++) {
        status = hop_seek(w, h, turn);
    }
    return status;
}

static enum mn_status batch_follow(struct mn_walk *w)
{
    const struct batch *batch = &w->batches[w->turn];
    enum mn_status status = MN_OK;

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
        enum mn_status status = batch_seek(walk, walk->turn);
        if (status != MN_OK || walk->batches[walk->turn].count == 0) return status;
        status = batch_follow(walk);
        if (status != MN_OK) return status;
    }
}

/* Nobody changes anything between two batches here, so that the next one's pages can be on their
 * way while this one is followed. */
enum mn_status mn_walk_count(struct mn_walk *walk, uint64_t *count)
{
    enum mn_status status = MN_OK;

    walk->counted = 0;
    for (; walk->give < walk->count; walk->give++) {
        const struct queue_node *node = &walk->queue[walk->give];

        walk->counted += is_end(walk, node->table, node->depth);
    }
    walk->counting = true;
    status = batch_seek(walk, walk->turn);
    while (status == MN_OK && walk->batches[walk->turn].count > 0) {
        uint32_t next = 1 - walk->turn;

        status = batch_seek(walk, next);
        if (status == MN_OK) status = batch_follow(walk);
        if (status == MN_OK && walk->batches[next].count == 0) status = batch_seek(walk, next);
        walk->turn = next;
    }
    walk->give = walk->count;
    *count = walk->counted;
    return status;
}
