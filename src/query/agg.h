/*
 * agg: functions over the rows of a group: count, sum, avg, min, max, first, last, list, ...
 *
 * The binder finds that a call is an aggregate, builds it with the scope of the rows that go in,
 * and gives it a slot for its result. The operator keeps one state a group, in the group's arena.
 */
#ifndef MN_QUERY_AGG_H
#define MN_QUERY_AGG_H

#include "query/expr.h"

struct mn_agg_call;

/* True where the name is an aggregate's ("count"), aliases included ("string_agg"). */
bool mn_agg_exists(const char *name, size_t length);

/* Builds arguments, FILTER and ORDER BY by the scope. MN_TYPE, MN_SCHEMA. */
enum mn_status mn_agg_build(const struct mn_scope *scope, const struct mn_ast_expr *call,
                            struct mn_agg_call **out);
/* The kind of the result. */
struct mn_kind mn_agg_kind(const struct mn_agg_call *call);
/* True for count(*) without DISTINCT and FILTER: the number of rows. */
bool mn_agg_is_row_count(const struct mn_agg_call *call);
/* All expressions it evaluates: arguments, filter, order. */
void mn_agg_walk(const struct mn_agg_call *call, mn_expr_visit visit, void *context);

/* Bytes of one state, aligned to 16. Whatever grows lies in the arena, which the states share. */
size_t mn_agg_state_bytes(const struct mn_agg_call *call);
void mn_agg_begin(const struct mn_agg_call *call, void *state);
enum mn_status mn_agg_step(const struct mn_agg_call *call, void *state, struct mn_eval *eval,
                           struct mn_arena *arena);
/* The same as `rows` steps of a call that is a row count. */
void mn_agg_add_rows(void *state, uint64_t rows);
enum mn_status mn_agg_result(const struct mn_agg_call *call, void *state, struct mn_eval *eval,
                             struct mn_value *out);

#endif
