/*
 * op_limit: what LIMIT and OFFSET say, for the operators that read them.
 */
#ifndef MN_QUERY_OP_LIMIT_H
#define MN_QUERY_OP_LIMIT_H

#include "query/op.h"

/* counts[0]: LIMIT, UINT64_MAX for none or NULL; counts[1]: OFFSET, 0 for none or NULL. MN_TYPE,
 * MN_RANGE. Both expressions may be NULL. */
enum mn_status mn_limit_eval(const struct mn_expr *limit, const struct mn_expr *offset,
                             struct mn_exec *exec, uint64_t counts[2]);

#endif
