/*
 * op_function: functions in FROM that give rows.
 */
#ifndef MN_QUERY_OP_FUNCTION_H
#define MN_QUERY_OP_FUNCTION_H

#include "query/bind.h"

/* tables(), relations(), indexes(), columns('t'). */
struct mn_op *mn_op_listing(struct mn_arena *arena, struct mn_source *source);
/* generate_series(first, last[, step]). */
struct mn_op *mn_op_series(struct mn_arena *arena, struct mn_source *source);

#endif
