/*
 * build: CREATE INDEX on a table that has rows.
 */
#ifndef MN_INDEX_BUILD_H
#define MN_INDEX_BUILD_H

#include "btree/tree.h"
#include "catalog/schema.h"

/* Enters the index in the catalogue and fills its tree: entries are sorted and the tree is built
 * bottom-up. MN_CONSTRAINT: two rows have one unique key. */
enum mn_status mn_index_create(struct mn_view *view, const struct mn_index_def *def);

#endif
