/*
 * cover: the values of some columns by row id, so that a filter on them reads no row.
 *
 *   tree n + 2 of a vector index that covers columns, in the form of slabs (slab.h):
 *
 *     row id ->  | u64: bit i: column i is NULL | u64: column 0 | u64: column 1 | ...
 *
 * A value is a number whose order is that of the column's keys (key.h), and 0 where it is NULL.
 *
 *   (C1) a row is here where it has a code in the index, with the values of its record.
 */
#ifndef MN_INDEX_VECTOR_COVER_H
#define MN_INDEX_VECTOR_COVER_H

#include "index/entry.h"
#include "index/vector/ann.h"
#include "index/vector/slab.h"

/* The slabs of an index that covers columns. */
struct mn_slabs mn_cover_slabs(struct mn_view *view, const struct mn_index *index);

/* The number for a value of a covered type that is not NULL. */
uint64_t mn_cover_word(const struct mn_value *value);

/* A row as it is stored; `values` are of all columns of the table. */
struct mn_cover_row {
    uint64_t words[MN_COVERS_MAX + 1];
};
void mn_cover_row_make(const struct mn_index *index, const struct mn_value *values,
                       struct mn_cover_row *row);

enum mn_status mn_cover_put(struct mn_view *view, const struct mn_index *index,
                            const struct mn_index_entry *entry);
enum mn_status mn_cover_delete(struct mn_view *view, const struct mn_index *index, int64_t row_id);

/* All rows of the table that have a vector, into an empty tree. */
enum mn_status mn_cover_build(struct mn_view *view, const struct mn_index *index,
                              const struct mn_watch *watch);

/* ---- filters ---- */

/* Covered column `at` is not NULL, and its number is in low..high. */
struct mn_cover_test {
    uint32_t at;
    uint64_t low, high;
};

struct mn_cover_ask {
    uint32_t test_count; /* a row must pass all of them */
    const struct mn_cover_test *tests;
    struct mn_bytes prefix; /* of partitions, as in struct mn_ann_query; empty: all */
};

struct mn_cover_scan {
    struct mn_ann ann;
    struct mn_cover_ask ask;
    struct mn_slab_scan *scan;
    struct mn_posting_scan lists; /* of the partitions that are asked for */
};

/* All rows that pass, in order of their ids, or of partitions list by list. The tests and the
 * prefix are borrowed; both are closed by mn_cover_scan_close, also after a failure. */
enum mn_status mn_cover_scan_open(struct mn_view *view, const struct mn_index *index,
                                  const struct mn_cover_ask *ask, struct mn_cover_scan *scan);
/* Some of them: at most MN_POSTING_ROWS_MAX; *count 0: there are no more. */
enum mn_status mn_cover_scan_ids(struct mn_cover_scan *scan, int64_t *ids, size_t *count);
void mn_cover_scan_close(struct mn_cover_scan *scan);

#endif
