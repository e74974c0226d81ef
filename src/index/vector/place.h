/*
 * place: in which cluster the code of a row lies, so that a delete finds it.
 *
 *   key: row id / 128, 8 bytes       value: a bit for each of the 128 rows that has a place (16
 *                                    bytes), then the cluster, u32, of each of those, in order
 *
 * Rows of a flat partition have no place.
 */
#ifndef MN_INDEX_VECTOR_PLACE_H
#define MN_INDEX_VECTOR_PLACE_H

#include "btree/tree.h"

struct mn_places {
    struct mn_view *view;
    uint64_t tree;
};

/* 0: it has none. MN_CORRUPT. */
enum mn_status mn_place_get(const struct mn_places *places, int64_t row_id, uint32_t *cluster);
/* 0 takes the place away. */
enum mn_status mn_place_put(const struct mn_places *places, int64_t row_id, uint32_t cluster);

/* Many in ascending order of rows; without bulk into a tree that may have others. */
struct mn_place_writer {
    const struct mn_places *places;
    struct mn_bulk *bulk;
    int64_t block;
    bool any;
    uint32_t clusters[128];
};
void mn_place_writer_begin(struct mn_place_writer *writer, const struct mn_places *places,
                           struct mn_bulk *bulk);
enum mn_status mn_place_writer_add(struct mn_place_writer *writer, int64_t row_id,
                                   uint32_t cluster);
enum mn_status mn_place_writer_end(struct mn_place_writer *writer);

/* Calls back for each place, in the order of rows. */
enum mn_status mn_place_each(const struct mn_places *places,
                             enum mn_status (*each)(void *context, int64_t row_id,
                                                    uint32_t cluster),
                             void *context);

#endif
