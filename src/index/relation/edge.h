/*
 * edge: the neighbours of a row along a relation.
 *
 *   forward    (src row id, dst row id, edge id), 24 bytes, big-endian, signs flipped; no value
 *   backward   (dst row id, src row id, edge id)
 *
 * The edge id is the row id of the edge in the relation's own table, where its columns are.
 */
#ifndef MN_INDEX_RELATION_EDGE_H
#define MN_INDEX_RELATION_EDGE_H

#include "btree/tree.h"
#include "catalog/schema.h"

enum { MN_EDGE_KEY_BYTES = 24 };

struct mn_edge {
    int64_t node; /* the other end's row id */
    int64_t edge; /* the edge's own row id */
};

enum mn_edge_direction { MN_EDGE_OUT, MN_EDGE_IN };

enum mn_status mn_edge_put(struct mn_view *view, const struct mn_table *relation, int64_t src,
                           int64_t dst, int64_t edge);
enum mn_status mn_edge_delete(struct mn_view *view, const struct mn_table *relation, int64_t src,
                              int64_t dst, int64_t edge);

/* The first edge from src to dst. */
enum mn_status mn_edge_find(struct mn_view *view, const struct mn_table *relation, int64_t src,
                            int64_t dst, int64_t *edge, bool *found);

/* Neighbours in ascending order of (node, edge). One scan serves any number of nodes. */
struct mn_edge_scan;
enum mn_status mn_edge_scan_open(struct mn_view *view, const struct mn_table *relation,
                                 enum mn_edge_direction direction, struct mn_edge_scan **scan);
void mn_edge_scan_close(struct mn_edge_scan *scan); /* NULL is harmless */
/* Turns to a node's edges, or to those with one other end. */
enum mn_status mn_edge_scan_node(struct mn_edge_scan *scan, int64_t node);
/* The same without the first `offset` of them, by the tree's counts. */
enum mn_status mn_edge_scan_node_from(struct mn_edge_scan *scan, int64_t node, uint64_t offset);
enum mn_status mn_edge_scan_pair(struct mn_edge_scan *scan, int64_t node, int64_t other);
/* Up to `capacity` edges at once; *count 0: no more. */
enum mn_status mn_edge_scan_next(struct mn_edge_scan *scan, struct mn_edge *edges, size_t capacity,
                                 size_t *count);

/* The edges of up to MN_FAN_WIDTH nodes, sought at once; no writes between seek and next. Closed by
 * mn_fan_close. */
enum mn_status mn_edge_fan_open(struct mn_view *view, const struct mn_table *relation,
                                enum mn_edge_direction direction, struct mn_fan **fan);
enum mn_status mn_edge_fan_seek(struct mn_fan *fan, const int64_t *nodes, uint32_t count);
/* Up to `capacity` edges of one node; *count 0: no more. */
enum mn_status mn_edge_fan_next(struct mn_fan *fan, uint32_t lane, struct mn_edge *edges,
                                size_t capacity, size_t *count);

/* The same without the edges' own row ids. */
enum mn_status mn_edge_fan_nodes(struct mn_fan *fan, uint32_t lane, int64_t *nodes, size_t capacity,
                                 size_t *count);

/* The number of a node's edges, by the tree's counts. */
enum mn_status mn_edge_degree(struct mn_view *view, const struct mn_table *relation,
                              enum mn_edge_direction direction, int64_t node, uint64_t *degree);

#endif
