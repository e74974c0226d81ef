/*
 * build: CREATE INDEX on a table that has rows.
 */
#ifndef MN_INDEX_BUILD_H
#define MN_INDEX_BUILD_H

#include "base/watch.h"
#include "btree/tree.h"
#include "catalog/schema.h"

/* Enters the index in the catalogue and fills its tree: entries are sorted and the tree is built
 * bottom-up. MN_CONSTRAINT: two rows have one unique key. */
enum mn_status mn_index_create(struct mn_view *view, const struct mn_index_def *def);

/* The same, asking the watch, of a B-tree with each row and while entries are merged.
 * memory_bytes: of a B-tree's entries that are sorted in memory; more wait in a file. */
enum mn_status mn_index_create_watched(struct mn_view *view, const struct mn_index_def *def,
                                       const struct mn_watch *watch, uint64_t memory_bytes);

#endif
