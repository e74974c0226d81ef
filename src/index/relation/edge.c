/*
 * edge: the two trees of a relation.
 */
#include "index/relation/edge.h"

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
    struct mn_cursor *cursor;
    const struct mn_table *relation;
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
    (*scan)->relation = relation;
    status = mn_cursor_open(
        view, direction == MN_EDGE_OUT ? relation->forward_tree : relation->backward_tree,
        &(*scan)->cursor);
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

enum mn_status mn_edge_scan_pair(struct mn_edge_scan *scan, int64_t node, int64_t other)
{
    mn_row_id_put(scan->prefix, node);
    mn_row_id_put(scan->prefix + 8, other);
    return scan_seek(scan, 16);
}

enum mn_status mn_edge_scan_next(struct mn_edge_scan *scan, struct mn_edge *edges, size_t capacity,
                                 size_t *count)
{
    enum mn_status status = MN_OK;

    *count = 0;
    while (scan->on && *count < capacity) {
        struct mn_item item;

        status = mn_cursor_item(scan->cursor, &item);
        if (status != MN_OK) return status;
        if (item.key.len != MN_EDGE_KEY_BYTES) {
            return mn_fail(MN_CORRUPT, "an edge key of %s is damaged", scan->relation->name);
        }
        if (memcmp(item.key.data, scan->prefix, scan->prefix_bytes) != 0) {
            scan->on = false;
            break;
        }
        edges[*count].node = mn_row_id_get(item.key.data + 8);
        edges[*count].edge = mn_row_id_get(item.key.data + 16);
        (*count)++;
        status = mn_cursor_next(scan->cursor, &scan->on);
        if (status != MN_OK) return status;
    }
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
