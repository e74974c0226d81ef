/*
 * index: a B-tree index of a table, asked for ranges, counts and columns.
 *
 *   not unique   key: the columns (catalog/key.h), then the row id, 8 bytes     value: none
 *   unique       key: the columns; where one is NULL also the row id            value: the row id
 *
 * A scan gives the rows of a range in key order, either way. The same scan reads a table by row id
 * where the index is NULL: then the range is over the one INT column that is the row id.
 */
#ifndef MN_INDEX_INDEX_H
#define MN_INDEX_INDEX_H

#include "base/buf.h"
#include "btree/tree.h"
#include "catalog/schema.h"

/*
 * What is asked of an index: the first columns equal to given values (NULL means IS NULL), and the
 * next column between two bounds. A bound excludes NULLs; without both, NULLs of the next column
 * are in.
 */
struct mn_index_range {
    const struct mn_value *equal; /* one for each of the first columns, of the columns' kinds */
    uint32_t equal_count;
    const struct mn_value *low, *high; /* NULL pointers: no bound */
    bool low_open, high_open;          /* the bound itself is out: > and < */
};

/* The same as bytes: from <= key < to. A zeroed one is a full scan; release both buffers. */
struct mn_key_range {
    struct mn_buf from, to;
    bool to_end; /* no upper bound: to is not read */
    bool empty;  /* nothing can lie in it */
};

void mn_key_range_release(struct mn_key_range *range);

/* Values are of the index columns' kinds (INT already made FLOAT where the column is FLOAT); index
 * NULL: the range is over the row id, and FLOAT bounds are accepted. MN_TYPE. */
enum mn_status mn_index_range_keys(const struct mn_table *table, const struct mn_index *index,
                                   const struct mn_index_range *range, struct mn_key_range *keys);

/* The exact number of entries of a range in O(log n). */
enum mn_status mn_index_range_count(struct mn_view *view, const struct mn_table *table,
                                    const struct mn_index *index, const struct mn_key_range *keys,
                                    uint64_t *count);

struct mn_index_scan;

struct mn_scan_options {
    const struct mn_table *table;
    const struct mn_index *index;    /* NULL: the table by row id */
    const struct mn_key_range *keys; /* NULL: all. Copied. */
    bool backward;
};

/* Released by close; NULL is harmless there. A scan survives changes of its tree in the same
 * transaction and goes on behind the key where it was. */
enum mn_status mn_index_scan_open(struct mn_view *view, const struct mn_scan_options *options,
                                  struct mn_index_scan **scan);
void mn_index_scan_close(struct mn_index_scan *scan);

/* The next row: its id, and for a table scan its record, valid until the next call or write. */
enum mn_status mn_index_scan_next(struct mn_index_scan *scan, int64_t *row_id,
                                  struct mn_bytes *record, bool *found);

/* The next rows, many at once where that can be: in a view that only reads, and of a table's own
 * tree forward only. Those of an index have no record, and mn_index_scan_column knows nothing of
 * them. *count 0: it cannot, or there are none, and next says which. Records are valid as long as
 * the view. */
struct mn_row;
enum mn_status mn_index_scan_rows(struct mn_index_scan *scan, struct mn_row *rows, size_t capacity,
                                  size_t *count);

/* The same, of a table too, for row ids alone. */
enum mn_status mn_index_scan_ids(struct mn_index_scan *scan, int64_t *ids, size_t capacity,
                                 size_t *count);

/* Passes over up to n rows without reading them, by the tree's counts: OFFSET. *skipped may be
 * less. */
enum mn_status mn_index_scan_skip(struct mn_index_scan *scan, uint64_t n, uint64_t *skipped);

/* Column i of the index (not of the table) at the scan's row, decoded from the key: an index-only
 * scan. Bytes are in the arena or borrowed until the next call. MN_CORRUPT. */
enum mn_status mn_index_scan_column(struct mn_index_scan *scan, uint32_t i, struct mn_arena *arena,
                                    struct mn_value *out);

/* The row whose columns of a unique index equal the values (none NULL). */
enum mn_status mn_index_find(struct mn_view *view, const struct mn_index *index,
                             const struct mn_value *values, int64_t *row_id, bool *found);

#endif
