/*
 * row_inside: what the files about rows share: old values, ends, and pieces of a change.
 */
#ifndef MN_INDEX_ROW_INSIDE_H
#define MN_INDEX_ROW_INSIDE_H

#include "index/entry.h"
#include "index/row.h"
#include "index/vector/slab.h"

/* A stored row, taken out of the tree so that writes do not move it. Vectors are presence only. */
struct mn_old_row {
    struct mn_buf record;
    struct mn_value *values; /* one a column */
};

enum mn_status mn_old_row_read(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                               struct mn_old_row *old, bool *found);
void mn_old_row_release(struct mn_old_row *old);

static inline struct mn_slabs mn_column_slabs(struct mn_view *view, const struct mn_column *column)
{
    return (struct mn_slabs){view, column->slab_tree, column->kind.dims, false};
}

/* MN_CONSTRAINT: a NOT NULL column is NULL, but for the row id's. */
enum mn_status mn_row_not_null(const struct mn_table *table, const struct mn_value *values);

/* The row ids of an edge's ends. MN_CONSTRAINT: "no row 7 in memory (dst of supports)". */
struct mn_ends {
    int64_t src, dst;
};
enum mn_status mn_row_ends(struct mn_view *view, const struct mn_table *relation,
                           const struct mn_value *values, struct mn_ends *ends);

/* MN_CONSTRAINT: the relation has this pair already and is not multi. */
enum mn_status mn_row_pair_free(struct mn_view *view, const struct mn_table *relation,
                                const struct mn_ends *ends, const struct mn_value *values);

/* "memory has id = 7 already". */
enum mn_status mn_row_id_duplicate(const struct mn_table *table, int64_t row_id);

/* The id that the next row gets when none is given. MN_FULL. */
enum mn_status mn_row_next_id(struct mn_view *view, const struct mn_table *table, int64_t *row_id);

/* Stores a vector that may lie anywhere, also in the same slabs. */
enum mn_status mn_row_vector_put(const struct mn_slabs *slabs, int64_t row_id,
                                 const struct mn_value *vector);

/* The codes of a row in the vector indexes of its table; its vectors are in their slabs. */
enum mn_status mn_row_codes_put(struct mn_view *view, const struct mn_table *table,
                                const struct mn_index_entry *entry);
/* Takes them away; of VECTOR values only presence is read. */
enum mn_status mn_row_codes_delete(struct mn_view *view, const struct mn_table *table,
                                   const struct mn_index_entry *entry);

/* Adds the column's name to a MN_RANGE or MN_TYPE that speaks of its value. */
enum mn_status mn_row_column_note(enum mn_status status, const struct mn_table *table,
                                  const struct mn_column *column);

#endif
