/*
 * slab: the vectors of one column, by row id, many to a run of pages, so that SIMD reads them from
 * the map where they lie.
 *
 *   tree      key: 8 bytes, lower bound of the slab's row ids       slab (one run of pages)
 *   +------------+------------+------------+                        +--------+--------+--------+---
 *   | -infinity  | 36         | 72         |   ...      36 -------> | vector | vector | vector |
 *   +------------+------------+------------+                        +--------+--------+--------+---
 *     | row ids    | row ids    | row ids   <- inline value           stride   stride   stride
 *
 * A slab tree belongs to one VECTOR column of one table; a row whose vector is NULL is not in it.
 * The owner of rows (index/row.c) calls put and delete; a search calls scan and gather.
 */
#ifndef MN_INDEX_VECTOR_SLAB_H
#define MN_INDEX_VECTOR_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mn_view;

enum { MN_VECTOR_DIMS_MAX = 8192 };

/* What names the vectors of one column as one version sees them; made on the stack by the caller.
 */
struct mn_slabs {
    struct mn_view *view;
    uint64_t tree;
    uint32_t dims; /* 1 to MN_VECTOR_DIMS_MAX */
    bool bits;     /* not numbers but any bits: what is not finite is stored as well */
};

/* Creates an empty slab tree. It is dropped by mn_tree_drop. */
enum mn_status mn_slab_create(struct mn_view *view, uint64_t *tree);

/* Stores the vector of a row: dims floats, in place of the one that was there. An element that is
 * NaN or infinite is MN_RANGE, and nothing is changed. `vector` may not point into the same tree.
 */
enum mn_status mn_slab_put(const struct mn_slabs *slabs, int64_t row_id, const float *vector);

/* The vector of a row, NULL where it has none. Valid until the next write to the tree or the end of
 * the view. */
enum mn_status mn_slab_get(const struct mn_slabs *slabs, int64_t row_id, const float **vector);

/* Removes a row's vector; a row that has none is no error. found may be NULL. */
enum mn_status mn_slab_delete(const struct mn_slabs *slabs, int64_t row_id, bool *found);

/* The number of floats from one vector of a slab to the next. */
size_t mn_slab_stride(uint32_t dims);

/*
 * Reading many. A scan gives the slabs in row id order; the vectors of a block are valid until the
 * next write to the tree or the end of the view, its list of rows until the next call on the scan.
 */
struct mn_slab_block {
    int64_t first;       /* row id of vector 0 */
    const int64_t *rows; /* row ids of all; NULL where they are first, first + 1, ... */
    const float *base;   /* vector i begins at base + i * stride */
    size_t stride;       /* in floats */
    size_t count;
};

static inline int64_t mn_slab_block_row(const struct mn_slab_block *block, size_t i)
{
    return block->rows ? block->rows[i] : block->first + (int64_t)i;
}

struct mn_slab_scan;

/* A scan from the lowest row id on. Released by mn_slab_scan_close; NULL is harmless there. */
enum mn_status mn_slab_scan_open(const struct mn_slabs *slabs, struct mn_slab_scan **scan);
void mn_slab_scan_close(struct mn_slab_scan *scan);

/* The next slab; *found is false after the last. */
enum mn_status mn_slab_scan_next(struct mn_slab_scan *scan, struct mn_slab_block *block,
                                 bool *found);

/* Back to the beginning, or so that the next block is the one which would hold row_id. */
enum mn_status mn_slab_scan_seek(struct mn_slab_scan *scan, int64_t row_id);

/* The vectors of `count` rows, whose ids ascend strictly: vectors[i] is NULL where row i has none.
 * Of use in place of mn_slab_get for each: neighbours share one search. The pointers are valid
 * until the next write to the tree or the end of the view. Moves the scan. */
enum mn_status mn_slab_scan_gather(struct mn_slab_scan *scan, const int64_t *row_ids, size_t count,
                                   const float **vectors);

/*
 * Loading many: rows in ascending order, above all that are in the tree (else MN_MISUSE). Nothing
 * may touch the tree between begin and end. A failed add leaves only mn_slab_bulk_abort to call;
 * end and abort release the bulk, whatever they answer. What was added before an abort may be in
 * the tree: the caller's savepoint takes it back.
 */
struct mn_slab_bulk;

enum mn_status mn_slab_bulk_begin(const struct mn_slabs *slabs, struct mn_slab_bulk **bulk);
enum mn_status mn_slab_bulk_add(struct mn_slab_bulk *bulk, int64_t row_id, const float *vector);
enum mn_status mn_slab_bulk_end(struct mn_slab_bulk *bulk);
void mn_slab_bulk_abort(struct mn_slab_bulk *bulk);

/* Walks the whole tree: row ids ascend and lie in their slab's bounds, runs have the size of their
 * vectors, elements are finite, padding is zero. MN_CORRUPT names the slab. *vectors: how many. */
enum mn_status mn_slab_check(const struct mn_slabs *slabs, uint64_t *vectors);

#endif
