/*
 * bind_group: GROUP BY and aggregates while a SELECT is bound.
 */
#ifndef MN_QUERY_BIND_GROUP_H
#define MN_QUERY_BIND_GROUP_H

#include "query/bind.h"

/* GROUP BY, and whether the SELECT is grouped at all; from then on the block's names are those of
 * its groups. */
enum mn_status mn_bind_groups(struct mn_block *block, const struct mn_ast_select *ast,
                              const struct mn_ast_query *around);

/* The slot of a group or aggregate that says the same; *out NULL: none. */
enum mn_status mn_group_find(struct mn_block *block, const struct mn_ast_expr *ast,
                             struct mn_expr **out);

/* A call of an aggregate: its slot. An error where the clause has no groups. */
enum mn_status mn_bind_aggregate(struct mn_block *block, const struct mn_ast_expr *ast,
                                 struct mn_expr **out);

#endif
