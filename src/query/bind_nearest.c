/*
 * bind_nearest: NEAREST, and ORDER BY a distance, while a SELECT is bound.
 */
#include "query/bind.h"
#include "query/parse.h"

enum mn_status mn_bind_nearest(struct mn_block *block, const struct mn_ast_query *query)
{
    (void)query;
    if (block->ast->nearest) return mn_comes_later(block->ast->nearest->span, "NEAREST");
    return MN_OK;
}
