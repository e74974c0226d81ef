/*
 * dense: leaves whose keys have 8 bytes and nearly all of them in common. node.h draws them.
 */
#ifndef MN_BTREE_DENSE_H
#define MN_BTREE_DENSE_H

#include "btree/node.h"

/* Are these cells, whose keys share `prefix` bytes, what a dense leaf holds? */
bool mn_dense_takes(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix);
size_t mn_dense_size_of(const struct mn_cell *cells, uint32_t count, size_t prefix);
/* Makes the page a dense leaf of cells that it takes. */
void mn_dense_build(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                    size_t prefix);
/* The same in two steps, between which keys, slots, values and prefix are written: what the header
 * says of them, then of the heap, with nothing before it. */
void mn_dense_begin(const struct mn_node *node, uint32_t count, size_t prefix);
void mn_dense_end(const struct mn_node *node, size_t heap);

struct mn_cell mn_dense_cell(const struct mn_node *node, uint32_t index);
/* Of a key without the node's prefix; as mn_node_search. */
uint32_t mn_dense_search(const struct mn_node *node, struct mn_bytes rest, bool *exact);
/* False: there is no room, or the cell is none for a dense leaf. The caller has compared the
 * prefix. */
bool mn_dense_insert(const struct mn_node *node, uint32_t index, const struct mn_cell *cell);
void mn_dense_remove(const struct mn_node *node, uint32_t index);

enum mn_status mn_dense_validate(const uint8_t *page, uint32_t size);

#endif
