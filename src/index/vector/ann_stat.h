/*
 * ann_stat: what a coded index looks like, and how many of the nearest it finds.
 */
#ifndef MN_INDEX_VECTOR_ANN_STAT_H
#define MN_INDEX_VECTOR_ANN_STAT_H

#include "index/vector/ann.h"

/*
 * Recall is measured on rows of the table, at even distances: the MN_STAT_K nearest of each but
 * itself, by the index at its default effort, beside those of all vectors. What that costs is
 * bounded: MN_STAT_QUERIES rows, or as many as compare MN_STAT_ELEMENTS_MAX elements of vectors;
 * where those are fewer than MN_STAT_QUERIES_LEAST nothing is measured.
 */
enum { MN_STAT_K = 10, MN_STAT_QUERIES = 100, MN_STAT_QUERIES_LEAST = 10 };
#define MN_STAT_ELEMENTS_MAX (UINT64_C(1) << 34)

/* The rows that are asked for among so many; 0: none. */
uint64_t mn_ann_stat_queries(uint64_t rows, uint32_t dims);

struct mn_ann_stat {
    uint64_t rows;         /* that have a code */
    uint64_t partitions;   /* with rows; 1 where there are none by name */
    uint64_t clusters;     /* of all partitions; those that are flat have none */
    uint64_t lists;        /* clusters and flat partitions */
    uint64_t least, most;  /* rows of a list */
    uint64_t code_bytes;   /* pages of the lists, those of the centroids' codes too */
    uint64_t vector_bytes; /* of the rows, as floats */
    uint64_t queries;      /* that recall was measured by; 0: it was not */
    uint64_t compared;     /* vectors that were compared for it, a query each */
    double recall;         /* of the nearest, the share that the index found */
};

enum mn_status mn_ann_stat(const struct mn_ann *ann, const struct mn_watch *watch,
                           struct mn_ann_stat *stat);

#endif
