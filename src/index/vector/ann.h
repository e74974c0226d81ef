/*
 * ann: the coded index of a VECTOR column, in the same commit as its rows.
 *
 *   codes       (partition, list, row) -> codes, scale, error        posting.h
 *                 list 0: the centroids of the partition; 1: its rows while they are few (flat);
 *                 from 2 on: one cluster each
 *   centroids   cluster -> centroid, f32                             slab.h
 *   places      row id -> cluster, of rows in clusters               place.h, ann_place.c
 *                 in files of the first builds; else empty, or
 *   covers      row id -> values of the columns that it covers       cover.h
 *
 *   (A1) every row with a vector has one code: in list 1 where its partition has no list 0, else in
 *        one cluster, which its place names where places are kept.
 *   (A2) the numbers of clusters are never shared by two partitions; each one in list 0 has a
 *        centroid, and each centroid is in one list 0. A cluster may be empty.
 *
 * The trees of an index have the numbers n, n + 1 and n + 2, with n = index->tree.
 */
#ifndef MN_INDEX_VECTOR_ANN_H
#define MN_INDEX_VECTOR_ANN_H

#include "base/buf.h"
#include "base/watch.h"
#include "catalog/schema.h"
#include "index/entry.h"
#include "index/vector/place.h"
#include "index/vector/posting.h"
#include "index/vector/slab.h"

enum { MN_LIST_CENTROIDS = 0, MN_LIST_FLAT = 1, MN_LIST_FIRST = 2 };
enum { MN_ANN_TREES = 3 };

/* Sizes of lists. Tests make them smaller before they open a file; nothing else writes them. */
struct mn_ann_limits {
    uint64_t flat_max;     /* rows of a flat partition */
    uint64_t cluster_max;  /* rows of a cluster: above it is split; for these three see below */
    uint64_t cluster_min;  /* below it is given to its neighbours */
    uint64_t cluster_rows; /* that a build aims at */
    uint64_t few_vectors;  /* a table of so few is searched by its vectors alone */
    uint64_t few_passing;  /* the same, of rows that pass a filter */
};
extern struct mn_ann_limits mn_ann_limits;

/* How many rows the clusters of one index have. Long vectors are in smaller ones: centroids cost
 * little beside what a list of them takes to read. */
struct mn_ann_sizes {
    uint64_t most, least, aim;
};
struct mn_ann_sizes mn_ann_sizes(const struct mn_postings *postings);

struct mn_ann {
    struct mn_view *view;
    const struct mn_index *index;
    uint32_t column;
    enum mn_metric metric;
    struct mn_slabs vectors, centroids;
    struct mn_postings postings;
    struct mn_places places;
    bool placed; /* places are kept: the file is of a build that knew no other way */
};

static inline bool mn_index_is_coded(const struct mn_index *index)
{
    return index->kind == MN_INDEX_VECTOR && index->tree != 0;
}

/* What an index is in a view; nothing to release. */
enum mn_status mn_ann_init(struct mn_ann *ann, struct mn_view *view, const struct mn_index *index);

/* The key of a row's partition, in front of all its lists, in place of what is in the buffer. */
enum mn_status mn_ann_partition(const struct mn_index *index, const struct mn_value *values,
                                struct mn_buf *prefix);

/* A row comes or goes, within the caller's savepoint. A row without a vector is the caller's to
 * pass over. */
enum mn_status mn_ann_insert(const struct mn_ann *ann, const struct mn_index_entry *row,
                             const float *vector);
enum mn_status mn_ann_delete(const struct mn_ann *ann, const struct mn_index_entry *row);

/* Codes for all rows of the table, into empty trees. Of this and what follows the watch, which may
 * be NULL, is asked of each row or chunk. */
enum mn_status mn_ann_build(const struct mn_ann *ann, const struct mn_watch *watch);

/* Packs lists whose rows fit fewer chunks; how many there were. */
enum mn_status mn_ann_maintain(const struct mn_ann *ann, const struct mn_watch *watch,
                               uint64_t *packed);

/* How many rows have a code, from the heads of the chunks. */
enum mn_status mn_ann_count(const struct mn_ann *ann, uint64_t *codes);

/* Takes all codes away. */
enum mn_status mn_ann_clear(const struct mn_ann *ann);

/* Every code against its vector, every place and count; what is wrong is told and counted. */
struct mn_ann_check {
    enum mn_status (*report)(void *context, const int64_t *row_id, const char *message);
    void *context;
};
enum mn_status mn_ann_check(const struct mn_ann *ann, const struct mn_ann_check *check,
                            uint64_t *codes);

#endif
