/*
 * slab_map: where the slabs of one column lie, for who looks up many of their rows again and again.
 *
 *   row id -> a guess by the rows of a slab, corrected -> place -> address in the map
 *
 * A way from the root of the slabs' tree to a row costs as much as reading the vector. The list has
 * 24 bytes and 16 a slab, is made in one pass through the leaves without touching a vector, and is
 * good as long as the tree has the same root.
 *
 *   (I1) the list is that of the tree whose clean root is `root`: in a view where the tree has that
 *        root, every place is alive, and its bytes are those of then.
 *   (I2) a place is read by the store, and so verified, before its address is given out.
 */
#ifndef MN_INDEX_VECTOR_SLAB_MAP_H
#define MN_INDEX_VECTOR_SLAB_MAP_H

#include "index/vector/slab.h"
#include "store/store.h"

struct mn_slab_place {
    int64_t first; /* row id of the first vector */
    uint64_t page;
    uint32_t ids_at; /* unless consecutive: where its row ids begin in `offsets` */
    uint16_t count;
    uint8_t pages;
    bool consecutive : 1, read : 1; /* read: by this process, these bytes */
};

struct mn_slab_origin {
    uint64_t birth, sum64;
};

/* Zeroed, it is an empty one. */
struct mn_slab_map {
    uint64_t tree;
    struct mn_ref root; /* page 0: there is no list */
    size_t count, capacity, origin_capacity, offset_count, offset_capacity;
    struct mn_slab_place *places;
    struct mn_slab_origin *origins; /* of the same slabs */
    uint32_t *offsets;              /* of row ids, from the first of their slab */
    double slabs_a_row;
    struct mn_ref wanted; /* the root that `seeks` were counted for */
    uint64_t seeks;
};

void mn_slab_map_release(struct mn_slab_map *map);

/*
 * Says that about `seeks` slabs are to be found, and whether the list is ready for it: it is made
 * once as many were wanted under one root as pay for it, and takes no more than limit_bytes.
 */
enum mn_status mn_slab_map_want(struct mn_slab_map *map, const struct mn_slabs *slabs,
                                uint64_t seeks, size_t limit_bytes, bool *ready);

/* ---- of one that is ready ---- */

/* Rows of a list that lie side by side: vector i at base + i * stride. */
struct mn_slab_stretch {
    const float *base; /* NULL: the first row has no vector */
    size_t count;      /* at least 1 */
};

/* The first rows of an ascending list, up to `most` of them that lie one behind the other. *hint is
 * 0 at first and kept from call to call. The address is valid until the view ends. */
enum mn_status mn_slab_map_find(struct mn_slab_map *map, const struct mn_slabs *slabs,
                                const int64_t *row_ids, size_t most, size_t *hint,
                                struct mn_slab_stretch *stretch);

/* As mn_slab_scan_gather. */
enum mn_status mn_slab_map_gather(struct mn_slab_map *map, const struct mn_slabs *slabs,
                                  const int64_t *row_ids, size_t count, const float **vectors);

#endif
