/*
 * ann_inside: what the files about the coded index share.
 */
#ifndef MN_INDEX_VECTOR_ANN_INSIDE_H
#define MN_INDEX_VECTOR_ANN_INSIDE_H

#include "index/vector/ann.h"
#include "index/vector/posting_inside.h"

enum { MN_ANN_NEAR_MAX = 16 };

/* The nearest clusters of a partition, best first: at most `most` <= MN_ANN_NEAR_MAX. *count 0: the
 * partition is flat. */
enum mn_status mn_ann_nearest(const struct mn_ann *ann, struct mn_bytes prefix, const float *vector,
                              size_t most, uint32_t *clusters, size_t *count);

/* Where the code of a row is: its cluster, 0 where the partition is flat. The row still has its
 * vector. MN_CORRUPT: no list has it. */
bool mn_ann_keeps_places(const struct mn_ann *ann);
enum mn_status mn_ann_place_get(const struct mn_ann *ann, struct mn_bytes prefix, int64_t row_id,
                                uint32_t *cluster);
/* Notes it, where places are kept; 0: the row goes, or its partition is flat. */
enum mn_status mn_ann_place_put(const struct mn_ann *ann, int64_t row_id, uint32_t cluster);

/* A number that no cluster of the index has. MN_FULL. */
enum mn_status mn_ann_next_cluster(const struct mn_ann *ann, uint32_t *cluster);

/* The rows of one list, in the order of their ids, their codes copied. */
struct mn_list_rows {
    size_t count;
    int64_t *ids;
    struct mn_code_facts *facts;
    uint8_t *codes;
    const float **vectors; /* valid until the next write; filled where asked for */
    void *memory;
};
enum mn_status mn_list_rows_read(const struct mn_ann *ann, const struct mn_list *list, bool vectors,
                                 struct mn_list_rows *rows);
void mn_list_rows_release(struct mn_list_rows *rows);
struct mn_posting mn_list_rows_get(const struct mn_ann *ann, const struct mn_list_rows *rows,
                                   size_t i);

/* Shows all chunks of all lists, in the order of their keys; the visitor may write. */
typedef enum mn_status (*mn_chunk_visit)(void *context, const struct mn_chunk *chunk);
enum mn_status mn_ann_walk(const struct mn_ann *ann, const struct mn_watch *watch,
                           mn_chunk_visit visit, void *context);

/* The centroid and its code come or are replaced. */
enum mn_status mn_ann_centroid_put(const struct mn_ann *ann, struct mn_bytes prefix,
                                   uint32_t cluster, const float *centroid, bool replace);
enum mn_status mn_ann_centroid_delete(const struct mn_ann *ann, struct mn_bytes prefix,
                                      uint32_t cluster);

/* A cluster that is too big, or too small; a flat partition that is too big. */
enum mn_status mn_ann_split(const struct mn_ann *ann, struct mn_bytes prefix, uint32_t cluster);
enum mn_status mn_ann_merge(const struct mn_ann *ann, struct mn_bytes prefix, uint32_t cluster);
enum mn_status mn_ann_promote(const struct mn_ann *ann, struct mn_bytes prefix);

#endif
