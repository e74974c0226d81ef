/*
 * short: branches whose keys have at most 3 bytes behind the prefix. node.h draws them.
 */
#ifndef MN_BTREE_SHORT_H
#define MN_BTREE_SHORT_H

#include "btree/node.h"

enum { MN_SHORT_ENTRY_BYTES = 4 + MN_CHILD_BYTES };

/* Are these cells, whose keys share `prefix` bytes but for the first, what a short branch holds? */
bool mn_short_takes(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix);
/* Makes the page a short branch of cells that it takes. */
void mn_short_build(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix);

struct mn_cell mn_short_cell(const struct mn_node *node, uint32_t index);
/* The child whose range holds the key, of which `rest` is what stands behind the prefix. */
uint32_t mn_short_search(const uint8_t *page, struct mn_bytes rest);
/* Before an entry, never the first. False: there is no room, or the cell is none for a short
 * branch. The caller has compared the prefix. */
bool mn_short_insert(const struct mn_node *node, uint32_t index, const struct mn_cell *cell);
void mn_short_remove(const struct mn_node *node, uint32_t index);

/* All but the children. */
enum mn_status mn_short_validate(const uint8_t *page, uint32_t size);

#endif
