/*
 * walk: every node that can be reached along relations, once, at its least depth.
 *
 * A walk goes breadth first, so a node's first sight is its least depth. What may be stepped on is
 * a list of hops: a relation read in one direction, from one table to another. Tables are small
 * numbers that the caller gives out, so that row ids of different tables are told apart.
 *
 * The depth of a node is the length of the shortest walk of at least one edge; the start itself is
 * reached at depth 0 where depth_min is 0, and else only by a cycle.
 */
#ifndef MN_INDEX_RELATION_WALK_H
#define MN_INDEX_RELATION_WALK_H

#include "index/relation/edge.h"

struct mn_hop {
    const struct mn_table *relation;
    enum mn_edge_direction direction;
    uint32_t from, to; /* tables */
};

struct mn_node {
    int64_t row_id;
    uint32_t table;
};

struct mn_walk_options {
    struct mn_view *view;
    const struct mn_hop *hops; /* borrowed until the close */
    uint32_t hop_count;
    uint32_t end_table;    /* only nodes of this table are given; others are stepped on */
    uint64_t memory_limit; /* bytes that frontier and visited nodes may take; 0: no limit */
    /* Whether an edge may be stepped on; NULL: all. */
    enum mn_status (*admit)(void *context, const struct mn_hop *hop, const struct mn_edge *edge,
                            bool *yes);
    /* Asked once a node that is stepped on, so that a long walk can be interrupted; may be NULL. */
    enum mn_status (*check)(void *context);
    void *context;
};

struct mn_walk;

/* One walk serves any number of starts. */
enum mn_status mn_walk_open(const struct mn_walk_options *options, struct mn_walk **walk);
void mn_walk_close(struct mn_walk *walk); /* NULL is harmless */

/* Begins anew. depth_max UINT64_MAX: unbounded. */
enum mn_status mn_walk_start(struct mn_walk *walk, struct mn_node start, uint64_t depth_min,
                             uint64_t depth_max);

/* The next node whose depth lies in the bounds, by depth and then in the order of discovery. */
enum mn_status mn_walk_next(struct mn_walk *walk, int64_t *row_id, uint64_t *depth, bool *found);

/* How many mn_walk_next would still give; the walk is then at its end. */
enum mn_status mn_walk_count(struct mn_walk *walk, uint64_t *count);

#endif
