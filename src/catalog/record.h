/*
 * record: the columns of one row as bytes, each readable without the others.
 *
 *   0 head u16: bits 0-1 log2 of the offset width (1, 2, 4 bytes), bits 2-15 number of columns n
 *   2 NULL bits, one a column, in whole bytes: 1 is NULL
 *     ends: n offsets of that width, where each column's bytes end, counted from behind the last
 *     the columns' bytes, in order
 *
 *   BOOL       false: none, true: 01                 TEXT BLOB JSON   the bytes
 *   INT TIMESTAMP DURATION  0 to 8 bytes, little-endian, sign-extended     LIST   as in list.h
 *   FLOAT      none for 0.0, 4 bytes where f32 is the same, else 8         UUID   16 bytes
 *   VECTOR     none: a vector lies in its column's slab tree (index/vector); the record knows only
 *              whether it is NULL. An INT PRIMARY KEY is the row id and also takes no bytes.
 *
 * Bytes come from a file and are not trusted: nothing is read outside, and what does not fit is
 * MN_CORRUPT. A record may have fewer columns than its table (it is older than ADD COLUMN).
 */
#ifndef MN_CATALOG_RECORD_H
#define MN_CATALOG_RECORD_H

#include "catalog/value.h"

enum { MN_COLUMNS_MAX = 1000 };

/* The largest record: MN_TOOBIG past it. */
#define MN_RECORD_BYTES_MAX (UINT32_C(1) << 30)

/* Appends the record of n values. The column `row_id_column` (-1: none) and VECTORs leave presence
 * only. */
enum mn_status mn_record_encode(const struct mn_value *values, uint32_t n, int row_id_column,
                                struct mn_buf *out);

/* Number of columns in a record, 0 where it is damaged. */
uint32_t mn_record_columns(const void *record, size_t size);

/*
 * Reads column i as a kind; bytes are borrowed from the record. A column past the record's end is
 * NULL and *absent (may be NULL) is true. VECTOR: NULL, or a VECTOR of kind->dims with p NULL, for
 * the caller to fetch. The row id column is not asked here. MN_CORRUPT.
 */
enum mn_status mn_record_get(const void *record, size_t size, uint32_t i,
                             const struct mn_kind *kind, struct mn_value *out, bool *absent);

/* Checks a whole record against n kinds, text and JSON contents too; MN_CORRUPT says what is
 * wrong. */
enum mn_status mn_record_check(const void *record, size_t size, const struct mn_kind *kinds,
                               uint32_t n, int row_id_column);

#endif
