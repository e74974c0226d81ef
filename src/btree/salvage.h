/*
 * salvage: the entries of one tree of a damaged file, as many as are sound.
 *
 * From the root the tree is walked as far as its pages are whole. Where a branch is not, the leaves
 * that it named are looked for among all sound pages of the file: those that say that they are of
 * this tree, that the version uses, and whose keys lie where the branch's were. Where it cannot be
 * told what the version uses, a leaf that overlaps a younger one is left out; rows that were
 * deleted long ago may then come back.
 */
#ifndef MN_BTREE_SALVAGE_H
#define MN_BTREE_SALVAGE_H

#include "btree/tree.h"
#include "store/salvage.h"

/* The roots of a damaged file's trees. */
struct mn_salvage_forest;
enum mn_status mn_salvage_forest_new(struct mn_salvage *salvage, struct mn_salvage_forest **out);
void mn_salvage_forest_free(struct mn_salvage_forest *forest); /* NULL is harmless */

struct mn_salvage_cursor;
/* A tree that nothing is known of is empty. */
enum mn_status mn_salvage_cursor_open(struct mn_salvage_forest *forest, uint64_t tree,
                                      struct mn_salvage_cursor **out);
/* The next entry whose key and value are sound, in ascending order; valid until the next call. */
enum mn_status mn_salvage_cursor_next(struct mn_salvage_cursor *cursor, struct mn_item *item,
                                      bool *found);
void mn_salvage_cursor_close(struct mn_salvage_cursor *cursor); /* NULL is harmless */

/* Entries that the root counts, UINT64_MAX where it is lost. */
uint64_t mn_salvage_cursor_total(const struct mn_salvage_cursor *cursor);

#endif
