/*
 * bind_match: path patterns in FROM.
 */
#include "query/bind.h"
#include "query/parse.h"

enum mn_status mn_bind_match(struct mn_block *block, const struct mn_ast_ref *ref)
{
    (void)block;
    return mn_comes_later(ref->span, ref->kind == MN_REF_MATCH ? "MATCH" : "GRAPH_TABLE");
}
