/*
 * op_match: the operators of a pattern: one edge on, or any number of them.
 *
 * A pattern is a row of operators, each of which knows one end by its row id in a slot, and finds
 * the other:
 *
 *   (a WHERE a.id = 3)-[r:likes]->(b)-[:knows]->{1,3}(c)
 *
 *   PathSearch knows {1,3}     from b, fills c and the depth
 *     Expand likes             from a, fills r and b
 *       KeyLookup a
 *
 * An end that is known already (a variable that stands twice, an alias of FROM) is compared instead
 * of filled. What the pattern says of an element is a filter of the operator that fills it.
 */
#ifndef MN_QUERY_OP_MATCH_H
#define MN_QUERY_OP_MATCH_H

#include "index/relation/walk.h"
#include "query/fetch.h"

/* One relation that an edge may be, read in one direction. */
struct mn_match_hop {
    struct mn_hop hop;     /* `from` and `to` number the tables of this pattern */
    struct mn_fetch fetch; /* the edge's columns, by its row id */
};

struct mn_match_edge {
    uint32_t hop_count;
    const struct mn_match_hop *hops;
    uint32_t from_table, to_table; /* numbers as in the hops */
    uint32_t from_slot;            /* row id of the known end; NULL there gives no rows */
    uint32_t to_slot;              /* row id of the other end */
    bool to_known;                 /* compare with to_slot; else fill it, and fetch */
    struct mn_fetch fetch;         /* of the other end */
    uint32_t label_slot;           /* the relation's name; MN_NO_SLOT: nobody asks */
    struct mn_expr *filter;        /* NULL: none */
};

/* Expand: each edge is a row. An undirected edge is two hops; one from a node to itself comes once.
 */
struct mn_op *mn_op_expand(struct mn_arena *arena, struct mn_op *child,
                           const struct mn_match_edge *spec);

/* PathSearch: each node that can be reached is a row, once, at its least depth. The edge's own
 * condition (`admit`) may read what the hops fetch; `filter` may not. */
struct mn_path_spec {
    struct mn_match_edge edge;
    struct mn_expr *admit; /* NULL: every edge may be stepped on */
    uint64_t depth_min, depth_max;
    struct mn_expr *depth_limit; /* INT, read at open: depth_max is at most this; NULL: none */
    int64_t depth_offset;        /* added to what depth_limit says */
    uint32_t depth_slot;         /* MN_NO_SLOT: nobody asks */
};
struct mn_op *mn_op_path_search(struct mn_arena *arena, struct mn_op *child,
                                const struct mn_path_spec *spec);

/* " likes|knows" for EXPLAIN. */
enum mn_status mn_match_describe(const struct mn_match_edge *edge, struct mn_buf *out);

#endif
