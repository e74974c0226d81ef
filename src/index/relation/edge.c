/*
 * edge: the two trees of a relation.
 */
#include "index/relation/edge.h"

#include <assert.h>

#include "base/alloc.h"
#include "catalog/key.h"

/* (a, b, edge) as a key. */
static void edge_key(uint8_t key[MN_EDGE_KEY_BYTES], int64_t a, int64_t b, int64_t edge)
{
    mn_row_id_put(key, a);
    mn_row_id_put(key + 8, b);
    mn_row_id_put(key + 16, edge);
}

enum mn_status mn_edge_put(struct mn_view *view, const struct mn_table *relation, int64_t src,
                           int64_t dst, int64_t edge)
{
    uint8_t key[MN_EDGE_KEY_BYTES];
    enum mn_status status;

    edge_key(key, src, dst, edge);
    status = mn_tree_put(view, relation->forward_tree, mn_bytes_of(key, sizeof key),
                         mn_bytes_of("", 0), MN_PUT_UPSERT);
    if (status != MN_OK) return status;
    edge_key(key, dst, src, edge);
    return mn_tree_put(view, relation->backward_tree, mn_bytes_of(key, sizeof key),
                       mn_bytes_of("", 0), MN_PUT_UPSERT);
}

static enum mn_status key_delete(struct mn_view *view, const struct mn_table *relation,
                                 uint64_t tree, const uint8_t key[MN_EDGE_KEY_BYTES])
{
    bool found;
    enum mn_status status = mn_tree_delete(view, tree, mn_bytes_of(key, MN_EDGE_KEY_BYTES), &found);

    if (status == MN_OK && !found) {
        return mn_fail(MN_CORRUPT, "an edge of %s is not in its %s tree", relation->name,
                       tree == relation->forward_tree ? "forward" : "backward");
    }
    return status;
}

enum mn_status mn_edge_delete(struct mn_view *view, const struct mn_table *relation, int64_t src,
                              int64_t dst, int64_t edge)
{
    uint8_t key[MN_EDGE_KEY_BYTES];
    enum mn_status status;

    edge_key(key, src, dst, edge);
    status = key_delete(view, relation, relation->forward_tree, key);
    if (status != MN_OK) return status;
    edge_key(key, dst, src, edge);
    return key_delete(view, relation, relation->backward_tree, key);
}

/* ---- scans ---- */

struct mn_edge_scan {
    struct mn_view *view;
    struct mn_cursor *cursor;
    const struct mn_table *relation;
    uint64_t tree;
    uint8_t prefix[16]; /* node, or node and other */
    size_t prefix_bytes;
    bool on; /* the cursor stands on the next entry to give */
};

enum mn_status mn_edge_scan_open(struct mn_view *view, const struct mn_table *relation,
                                 enum mn_edge_direction direction, struct mn_edge_scan **scan)
{
    enum mn_status status;

    *scan = mn_zalloc(sizeof **scan);
    if (!*scan) return mn_fail_nomem();
    (*scan)->view = view;
    (*scan)->relation = relation;
    (*scan)->tree = direction == MN_EDGE_OUT ? relation->forward_tree : relation->backward_tree;
    status = mn_cursor_open(view, (*scan)->tree, &(*scan)->cursor);
    if (status != MN_OK) {
        mn_edge_scan_close(*scan);
        *scan = NULL;
    }
    return status;
}

void mn_edge_scan_close(struct mn_edge_scan *scan)
{
    if (!scan) return;
    mn_cursor_close(scan->cursor);
    mn_dealloc(scan);
}

static enum mn_status scan_seek(struct mn_edge_scan *scan, size_t prefix_bytes)
{
    scan->prefix_bytes = prefix_bytes;
    return mn_cursor_seek(scan->cursor, mn_bytes_of(scan->prefix, prefix_bytes), MN_SEEK_GE,
                          &scan->on);
}

enum mn_status mn_edge_scan_node(struct mn_edge_scan *scan, int64_t node)
{
    mn_row_id_put(scan->prefix, node);
    return scan_seek(scan, 8);
}

enum mn_status mn_edge_scan_node_from(struct mn_edge_scan *scan, int64_t node, uint64_t offset)
{
    uint64_t before;
    enum mn_status status;

    if (offset == 0) return mn_edge_scan_node(scan, node);
    mn_row_id_put(scan->prefix, node);
    scan->prefix_bytes = 8;
    status = mn_tree_rank(scan->view, scan->tree, mn_bytes_of(scan->prefix, 8), &before);
    if (status != MN_OK) return status;
    scan->on = false;
    if (offset > UINT64_MAX - before) return MN_OK;
    return mn_cursor_nth(scan->cursor, before + offset, &scan->on);
}

enum mn_status mn_edge_scan_pair(struct mn_edge_scan *scan, int64_t node, int64_t other)
{
    mn_row_id_put(scan->prefix, node);
    mn_row_id_put(scan->prefix + 8, other);
    return scan_seek(scan, 16);
}

/*
 * Tails of keys are read into the room of the edges themselves and decoded there: of a node's keys
 * (other, edge), 16 bytes as an edge has; of a pair's only the edge, 8 bytes, from the last back,
 * since each edge takes the room of two tails.
 */
static_assert(sizeof(struct mn_edge) == 16, "an edge is read over the tail of its key");

static void edges_decode(struct mn_edge *edges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = (const uint8_t *)&edges[i];

        edges[i] = (struct mn_edge){(int64_t)(mn_get_u64_be(at) ^ (UINT64_C(1) << 63)),
                                    (int64_t)(mn_get_u64_be(at + 8) ^ (UINT64_C(1) << 63))};
    }
}

static void pairs_decode(struct mn_edge *edges, size_t count, int64_t other)
{
    for (size_t i = count; i-- > 0;) {
        int64_t edge = mn_row_id_get((const uint8_t *)edges + 8 * i);

        edges[i] = (struct mn_edge){other, edge};
    }
}

enum mn_status mn_edge_scan_next(struct mn_edge_scan *scan, struct mn_edge *edges, size_t capacity,
                                 size_t *count)
{
    bool pair = scan->prefix_bytes == 16;
    struct mn_tails tails = {(uint8_t *)edges, pair ? 8 : 16, capacity, 0, false};
    enum mn_status status;

    *count = 0;
    if (!scan->on) return MN_OK;
    status = mn_cursor_tails(scan->cursor, mn_bytes_of(scan->prefix, scan->prefix_bytes), &tails);
    if (status != MN_OK) return status;
    scan->on = !tails.ended;
    if (pair) {
        pairs_decode(edges, tails.count, mn_row_id_get(scan->prefix + 8));
    } else {
        edges_decode(edges, tails.count);
    }
    *count = tails.count;
    return MN_OK;
}

/* ---- fans ---- */

enum mn_status mn_edge_fan_open(struct mn_view *view, const struct mn_table *relation,
                                enum mn_edge_direction direction, struct mn_fan **fan)
{
    return mn_fan_open(
        view, direction == MN_EDGE_OUT ? relation->forward_tree : relation->backward_tree, fan);
}

enum mn_status mn_edge_fan_seek(struct mn_fan *fan, const int64_t *nodes, uint32_t count)
{
    uint8_t prefixes[8 * MN_FAN_WIDTH];

    for (uint32_t i = 0; i < count; i++) mn_row_id_put(prefixes + 8 * (size_t)i, nodes[i]);
    return mn_fan_seek(fan, prefixes, 8, count);
}

enum mn_status mn_edge_fan_next(struct mn_fan *fan, uint32_t lane, struct mn_edge *edges,
                                size_t capacity, size_t *count)
{
    struct mn_tails tails = {(uint8_t *)edges, 16, capacity, 0, false};
    enum mn_status status = mn_fan_next(fan, lane, &tails);

    *count = 0;
    if (status != MN_OK) return status;
    edges_decode(edges, tails.count);
    *count = tails.count;
    return MN_OK;
}

enum mn_status mn_edge_fan_nodes(struct mn_fan *fan, uint32_t lane, int64_t *nodes, size_t capacity,
                                 size_t *count)
{
    struct mn_tails words = {(uint8_t *)nodes, 16, capacity, 0, false};
    enum mn_status status = mn_fan_next_words(fan, lane, &words);

    *count = 0;
    if (status != MN_OK) return status;
    for (size_t i = 0; i < words.count; i++) nodes[i] = mn_row_id_get((uint8_t *)&nodes[i]);
    *count = words.count;
    return MN_OK;
}

enum mn_status mn_edge_find(struct mn_view *view, const struct mn_table *relation, int64_t src,
                            int64_t dst, int64_t *edge, bool *found)
{
    struct mn_edge_scan *scan;
    struct mn_edge first;
    size_t count = 0;
    enum mn_status status = mn_edge_scan_open(view, relation, MN_EDGE_OUT, &scan);

    *found = false;
    if (status != MN_OK) return status;
    status = mn_edge_scan_pair(scan, src, dst);
    if (status == MN_OK) status = mn_edge_scan_next(scan, &first, 1, &count);
    if (status == MN_OK && count == 1) {
        *edge = first.edge;
        *found = true;
    }
    mn_edge_scan_close(scan);
    return status;
}

enum mn_status mn_edge_degree(struct mn_view *view, const struct mn_table *relation,
                              enum mn_edge_direction direction, int64_t node, uint64_t *degree)
{
    uint64_t tree = direction == MN_EDGE_OUT ? relation->forward_tree : relation->backward_tree;
    uint8_t key[MN_EDGE_KEY_BYTES];
    uint64_t below, above;
    enum mn_status status;

    *degree = 0;
    mn_row_id_put(key, node);
    status = mn_tree_rank(view, tree, mn_bytes_of(key, 8), &below);
    if (status != MN_OK) return status;
    if (node == INT64_MAX) {
        status = mn_tree_count(view, tree, &above);
    } else {
        mn_row_id_put(key, node + 1);
        status = mn_tree_rank(view, tree, mn_bytes_of(key, 8), &above);
    }
    if (status == MN_OK) *degree = above - below;
    return status;
}
