/*
 * list_map: where the chunks of an index without partitions lie, for who reads many lists again and
 * again.
 *
 *   list -> places of its chunks -> addresses in the map
 *
 * A way from the root of the codes' tree to a list, and its key, cost about a sixth of reading one
 * of 300 rows of 100 dimensions. The list of places has 56 bytes a chunk and 4 a list, is made in
 * one pass through the leaves without touching a code, and is good as long as the tree has the same
 * root.
 *
 *   (I1) it is that of the tree whose clean root is `root`: in a view where the tree has that root,
 *        every place is alive, and its bytes are those of then.
 *   (I2) a place is read by the store, and so verified, before its address is given out.
 */
#ifndef MN_INDEX_VECTOR_LIST_MAP_H
#define MN_INDEX_VECTOR_LIST_MAP_H

#include "index/vector/posting.h"
#include "store/store.h"

struct mn_list_place {
    uint32_t list;
    uint16_t count;
    bool wide : 1, read : 1; /* read: by this process, these bytes */
    int32_t high;
    struct mn_run run;
};

/* Zeroed, it is an empty one. */
struct mn_list_map {
    uint64_t tree;
    struct mn_ref root;           /* page 0: there is none */
    struct mn_list_place *places; /* in order of their lists */
    size_t count, capacity;
    /* of each list below lists_end its first place, and behind them the end of all; NULL: the
     * numbers are too far apart for it, and places are searched */
    uint32_t *firsts;
    size_t lists_end;
    struct mn_ref wanted; /* the root that `seeks` were counted for */
    uint64_t seeks;
};

void mn_list_map_release(struct mn_list_map *map);

/*
 * Says that about `seeks` lists are to be read, and whether the map is ready for it: it is made
 * once as many were wanted under one root as pay for it, and takes no more than limit_bytes.
 */
enum mn_status mn_list_map_want(struct mn_list_map *map, const struct mn_postings *postings,
                                uint64_t seeks, size_t limit_bytes, bool *ready);

/* ---- of one that is ready ---- */

/* The places of a list: from *at on, so many. */
size_t mn_list_map_find(const struct mn_list_map *map, uint32_t list, size_t *at);

/* What the search for a list will read of the map is on its way. */
static inline void mn_list_map_ask(const struct mn_list_map *map, uint32_t list)
{
    if (list < map->lists_end) __builtin_prefetch(&map->places[map->firsts[list]]);
}

/* The chunk of a place; it has no key. Its address is valid until the view ends. */
enum mn_status mn_list_map_chunk(struct mn_list_map *map, const struct mn_postings *postings,
                                 size_t at, struct mn_chunk *chunk);

#endif
