/*
 * list: values of one scalar type, in bytes with random access.
 *
 *   0 count u32 | 4 element type u8 | 5 width u8 | 6 zero u16 | 8 NULL bits, in whole bytes
 *   then, width 1, 8, 16: the elements, width bytes each (a NULL's are zero);
 *   width 0 (TEXT, BLOB, JSON): the end of each element as u32, counted from behind the last, and
 *   the bytes.
 */
#ifndef MN_CATALOG_LIST_H
#define MN_CATALOG_LIST_H

#include "catalog/value.h"

/* Builds a LIST in the arena from values that are NULL or of type elem (INT may stand among
 * FLOAT). An empty list has elem MN_TYPE_NULL if you give that.
 * MN_TYPE: another type; MN_TOOBIG. */
enum mn_status mn_list_make(struct mn_arena *arena, uint8_t elem, const struct mn_value *values,
                            uint32_t count, struct mn_value *out);

/* Number of elements. `list` is a LIST value that was checked or made here. */
uint32_t mn_list_count(const struct mn_value *list);

/* Element i, from 0; NULL out of range. Bytes are borrowed from the list. */
struct mn_value mn_list_get(const struct mn_value *list, uint32_t i);

/* True where the bytes are a well-formed list of elem: what mn_record_get asks of bytes from a
 * file. Values inside are checked for bounds; TEXT for UTF-8 only by mn_check. */
bool mn_list_check(const void *bytes, size_t size, uint8_t elem);

/* a || b in the arena. */
enum mn_status mn_list_concat(struct mn_arena *arena, const struct mn_value *a,
                              const struct mn_value *b, struct mn_value *out);

/* A LIST of INT or FLOAT, a BLOB of f32, or TEXT '[1,2]' as VECTOR in the arena. MN_TYPE: NULL
 * inside or not numbers; MN_RANGE: NaN, infinity, beyond f32, or no or too many dimensions. */
enum mn_status mn_vector_make(struct mn_arena *arena, const struct mn_value *from,
                              struct mn_value *out);

#endif
