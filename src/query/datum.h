/*
 * datum: values as they cross the border of the library in arrays.
 */
#ifndef MN_QUERY_DATUM_H
#define MN_QUERY_DATUM_H

#include "catalog/value.h"

/* What a program gave, as a value of a kind exactly, by what is allowed unasked (mn_value_assign).
 * Bytes are borrowed from the datum or made in the arena. MN_TYPE, MN_RANGE, MN_TOOBIG, MN_MISUSE,
 * without the column's name. */
enum mn_status mn_datum_read(const mn_datum *datum, const struct mn_kind *kind,
                             struct mn_arena *arena, struct mn_value *out);

/* The same, without a call for the commonest kind of all. */
static inline enum mn_status mn_datum_take(const mn_datum *datum, const struct mn_kind *kind,
                                           struct mn_arena *arena, struct mn_value *out)
{
    if (datum->type == MN_TYPE_INT && kind->type == MN_TYPE_INT) {
        *out = mn_int(datum->as.i);
        return MN_OK;
    }
    return mn_datum_read(datum, kind, arena, out);
}

/* A list of scalar values: of that type, or where elem is MN_TYPE_NULL of the type of the first
 * that is not NULL, FLOAT for INT among FLOAT. As above, and MN_TYPE for a list within. */
enum mn_status mn_datum_list(const mn_datum *elements, size_t count, uint8_t elem,
                             struct mn_arena *arena, struct mn_value *out);

/* A value for the program: its bytes are borrowed or, with copy, made in the arena. UUIDs and lists
 * are always made there. */
enum mn_status mn_datum_write(const struct mn_value *value, bool copy, struct mn_arena *arena,
                              mn_datum *out);

void mn_datums_clear(mn_datum *values, size_t count);

#endif
