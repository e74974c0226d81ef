/*
 * op_scan: what others ask of a scan.
 */
#ifndef MN_QUERY_OP_SCAN_H
#define MN_QUERY_OP_SCAN_H

#include "index/row.h"
#include "query/op.h"

/* The scan that is the whole operator, if it is one: rows of a table by row id, without a filter,
 * in a view that only reads; else NULL. */
const struct mn_scan_spec *mn_op_scan_plain(const struct mn_op *op, const struct mn_exec *exec);

/* The next rows of a plain scan, up to capacity; *count 0: there are no more. Records are valid as
 * long as the view. */
enum mn_status mn_op_scan_rows(struct mn_op *op, struct mn_exec *exec, struct mn_row *rows,
                               size_t capacity, size_t *count);

/* Does it find rows by whole keys and nothing else? NULL does not. */
bool mn_op_is_lookup(const struct mn_op *op);

#endif
