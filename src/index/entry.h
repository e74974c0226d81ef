/*
 * entry: what one row is in one B-tree index. Seen by the files of this layer.
 */
#ifndef MN_INDEX_ENTRY_H
#define MN_INDEX_ENTRY_H

#include "btree/tree.h"
#include "catalog/schema.h"

/* A row for its entries: the values of all columns of its table, in their order, and its id. */
struct mn_index_entry {
    const struct mn_value *values;
    int64_t row_id;
};

/* The key's bytes replace what is in the buffer. Where the index is not unique, or a column is
 * NULL, they end in the row id: then *has_id. MN_TOOBIG names the index. */
enum mn_status mn_index_entry_key(const struct mn_index *index, const struct mn_index_entry *entry,
                                  struct mn_buf *key, bool *has_id);

/* MN_CONSTRAINT: another row has this key. `key` is scratch. */
enum mn_status mn_index_entry_put(struct mn_view *view, const struct mn_index *index,
                                  const struct mn_index_entry *entry, struct mn_buf *key);
/* MN_CORRUPT: it is not there. */
enum mn_status mn_index_entry_delete(struct mn_view *view, const struct mn_index *index,
                                     const struct mn_index_entry *entry, struct mn_buf *key);

/* The row of an entry that was read. MN_CORRUPT. */
enum mn_status mn_index_entry_row(const struct mn_index *index, const struct mn_item *item,
                                  int64_t *row_id);

/* MN_CONSTRAINT: "memory has (a, b) = (1, x) already". */
enum mn_status mn_index_entry_duplicate(const struct mn_index *index,
                                        const struct mn_value *values);

/* Appends a value for a message, short. */
enum mn_status mn_message_value(struct mn_buf *out, const struct mn_value *value);

/* The bytes of a value that mn_tree_put stored, wherever they lie. */
static inline struct mn_bytes mn_item_value(const struct mn_item *item)
{
    return item->run.len ? item->run : item->value;
}

#endif
