/*
 * rules: what a table asks of a row before it is stored: DEFAULTs filled in, CHECKs passed.
 *
 * The catalogue keeps both as SQL text. They are bound once a statement; INSERT, UPSERT, UPDATE and
 * COPY use them. Keys, NOT NULL and UNIQUE are looked after by index/row.h.
 */
#ifndef MN_QUERY_RULES_H
#define MN_QUERY_RULES_H

#include "catalog/schema.h"
#include "query/expr.h"

struct mn_rules;

/* Lies in the arena, whole. MN_CORRUPT where a text of the catalogue does not bind. */
enum mn_status mn_rules_new(struct mn_arena *arena, const struct mn_table *table,
                            struct mn_rules **rules);

/* True where the column has a DEFAULT. */
bool mn_rules_default_exists(const struct mn_rules *rules, uint32_t column);

/* The column's DEFAULT, NULL where it has none; of the column's kind exactly. Bytes lie in
 * eval->scratch or in the rules. Slots and parameters are not read. */
enum mn_status mn_rules_default(const struct mn_rules *rules, uint32_t column, struct mn_eval *eval,
                                struct mn_value *value);

/* Checks a row as it would be stored: one value a column. MN_CONSTRAINT names the CHECK. */
enum mn_status mn_rules_check(const struct mn_rules *rules, struct mn_eval *eval,
                              struct mn_value *values);

#endif
