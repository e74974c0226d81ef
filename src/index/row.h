/*
 * row: one row and all that must change with it.
 *
 *   record           table tree          row id -> record
 *   vectors          slab trees          one a VECTOR column
 *   index entries    index trees         primary key, unique, secondary
 *   an edge's ends   forward, backward   (src, dst, edge) and (dst, src, edge)
 *
 *   (R1) all of them are there, or none: a failed change is taken back by the caller's savepoint.
 *   (R2) a hidden row id is never used twice; an INT PRIMARY KEY that is left out takes max + 1.
 *   (R3) an edge's ends exist; with its end goes the edge.
 *   (R4) a row of a plain table is one entry of one tree: its change does all or nothing by itself.
 *
 * Values come one a column, of the column's kind exactly (mn_value_assign made them so), defaults
 * and CHECK done by the caller. NOT NULL, UNIQUE, keys and ends are checked here: MN_CONSTRAINT
 * with table, column and key.
 */
#ifndef MN_INDEX_ROW_H
#define MN_INDEX_ROW_H

#include "base/watch.h"
#include "btree/tree.h"
#include "catalog/record.h"
#include "catalog/schema.h"

/* Which records a writer of this file may make. */
enum mn_record_form mn_row_form(struct mn_view *view);

/* (R4): the table has no index, no vector and no relation. */
bool mn_row_is_plain(const struct mn_table *table);

/* Stores a row of a plain table with an INT PRIMARY KEY under that key, which is not NULL, in the
 * place of the one that is there, if there is one. */
enum mn_status mn_row_put(struct mn_view *view, const struct mn_table *table,
                          const struct mn_value *values);

/* Stores a new row; *row_id is its id. A NULL in an INT PRIMARY KEY is filled in: the caller
 * learns it from *row_id. */
enum mn_status mn_row_insert(struct mn_view *view, const struct mn_table *table,
                             const struct mn_value *values, int64_t *row_id);

/* Gives a row new values, all columns. Only what changed is touched. `changed` may be NULL, or one
 * bool a column: false promises that the column's value is the old one (a VECTOR is then not
 * read). An INT PRIMARY KEY may change: *new_id (may be NULL) is the row's id after it. */
struct mn_row_update {
    int64_t row_id;
    const struct mn_value *values;
    const bool *changed;
};
enum mn_status mn_row_update(struct mn_view *view, const struct mn_table *table,
                             const struct mn_row_update *update, int64_t *new_id);

/* Removes a row and the edges that begin or end in it. *found false: there was none. *edges (may
 * be NULL) grows by the number of edges removed; `removed` (may be NULL) is told of each before it
 * goes. */
struct mn_row_delete {
    int64_t row_id;
    enum mn_status (*edge)(void *context, const struct mn_table *relation, int64_t edge_id);
    void *context;
};
enum mn_status mn_row_delete(struct mn_view *view, const struct mn_table *table,
                             const struct mn_row_delete *options, uint64_t *edges, bool *found);

/* The record of a row, valid until the next write. */
enum mn_status mn_row_get(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                          struct mn_bytes *record, bool *found);

/* One column of a row: from the row id, the record or the slabs. Borrowed until the next write;
 * NULL where the record has it not. MN_CORRUPT. */
struct mn_row {
    int64_t id;
    struct mn_bytes record;
};
enum mn_status mn_row_column(struct mn_view *view, const struct mn_table *table,
                             const struct mn_row *row, uint32_t column, struct mn_value *out);

/* The row of a primary key: for a table without one, of the hidden row id (INT). For a relation
 * without multi the values are src and dst, as keys of the ends. */
enum mn_status mn_row_find(struct mn_view *view, const struct mn_table *table,
                           const struct mn_value *key, int64_t *row_id, bool *found);

/* The key that stands for a row in src, dst, nodes() and messages: its single key column, or the
 * hidden row id as INT. Bytes are borrowed until the next write. */
enum mn_status mn_row_key(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                          struct mn_value *key);

/* ON CONFLICT: the first unique index, primary key first, that already has the values of another
 * row. *index is NULL with *found true where it is the INT PRIMARY KEY, or the pair of a relation
 * (whose ends need not exist: then nothing is found). `except` is a row id not counted, or
 * MN_ROW_NONE. */
#define MN_ROW_NONE INT64_MIN
struct mn_conflict {
    const struct mn_index *index;
    int64_t row_id;
};
enum mn_status mn_row_conflict(struct mn_view *view, const struct mn_table *table,
                               const struct mn_value *values, int64_t except,
                               struct mn_conflict *conflict, bool *found);

/* Fills the vectors of one column for rows that exist: COPY t (col) FROM 'v.npy' WITH
 * (match_order). NULL removes. MN_NOTFOUND: no such row. */
enum mn_status mn_row_set_vector(struct mn_view *view, const struct mn_table *table, int64_t row_id,
                                 uint32_t column, const struct mn_value *vector);

/*
 * Loading many rows: the same rules, the same result, but index entries are collected, sorted and
 * merged at the end, and empty trees are built bottom-up. Rows of the load are not visible before
 * mn_rows_end, nor may anything else touch the table until then. Duplicates of unique keys are
 * found when entries are merged: at the end, or, where no file can be made to wait in, when more
 * than memory_bytes of them are there.
 */
struct mn_rows;
enum mn_status mn_rows_begin(struct mn_view *view, const struct mn_table *table,
                             uint64_t memory_bytes, struct mn_rows **load);
/* Whom to ask while entries are merged and codes are made; the caller's, until the end. */
void mn_rows_watch(struct mn_rows *load, const struct mn_watch *watch);
enum mn_status mn_rows_add(struct mn_rows *load, const struct mn_value *values, int64_t *row_id);
/* *rows of them, one behind the other; after a failure *rows is how many were added before the row
 * that failed. */
enum mn_status mn_rows_add_many(struct mn_rows *load, const struct mn_value *values, size_t *rows);
/* After a failure: which row of the load, from 0, merging found to break a rule; UINT64_MAX: none,
 * it is the row that was being added. */
uint64_t mn_rows_failed(const struct mn_rows *load);
/* Ends and frees, whatever it answers; after an error the caller's savepoint takes the load back.
 * *failed_row (may be NULL) is the row of the load that broke a rule, or UINT64_MAX. */
enum mn_status mn_rows_end(struct mn_rows *load, uint64_t *failed_row);
void mn_rows_abort(struct mn_rows *load); /* frees; NULL is harmless */

#endif
