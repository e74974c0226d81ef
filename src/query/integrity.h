/*
 * integrity: everything in the file agrees with everything else.
 */
#ifndef MN_QUERY_INTEGRITY_H
#define MN_QUERY_INTEGRITY_H

#include "query/database.h"

typedef enum mn_status (*mn_finding_fn)(void *context, const char *finding);

/* Checks pages, trees, rows, indexes, vectors and edges of the newest version. *findings counts
 * what was reported; a failure to read is a failure of the check. */
enum mn_status mn_integrity_check(struct mn_db *db, mn_finding_fn finding, void *context,
                                  uint64_t *findings);

#endif
