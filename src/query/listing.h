/*
 * listing: what the database holds, as rows: tables(), columns('t'), indexes(), relations().
 *
 *   tables()      name, rows, sql                    relations left out; sql is the CREATE
 * statement relations()   name, from, to, multi, rows, sql indexes()     name, table, method,
 * unique, columns, entries, sql      sql NULL: of a constraint columns('t')  name, type, not_null,
 * primary_key, default
 *
 * Rows come in the order of their names, columns in their own.
 */
#ifndef MN_QUERY_LISTING_H
#define MN_QUERY_LISTING_H

#include "catalog/schema.h"

struct mn_view;

struct mn_listing_column {
    const char *name;
    struct mn_kind kind;
};

struct mn_listing {
    const char *function;
    uint32_t arg_count; /* 1: a table's or relation's name, TEXT */
    uint32_t column_count;
    const struct mn_listing_column *columns;
};

/* The function of a folded name; NULL: there is none. */
const struct mn_listing *mn_listing_find(const char *function);
/* For "did you mean" and completion: names by index, NULL behind the last. */
const char *mn_listing_name(uint32_t index);

/* All rows, column_count values each, in the arena. `table` is the argument where there is one.
 * MN_SCHEMA: no such table. */
struct mn_listing_rows {
    struct mn_value *values;
    uint32_t count;
};
enum mn_status mn_listing_rows(const struct mn_listing *listing, struct mn_view *view,
                               const struct mn_schema *schema, const struct mn_value *table,
                               struct mn_arena *arena, struct mn_listing_rows *rows);

#endif
