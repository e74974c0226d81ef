/*
 * schema_code: one table as the bytes of its catalogue entry, and back. Only the schema files see
 * this.
 *
 *   format 1 | flags: 1 relation, 2 multi | tree | name | row id column + 1
 *   columns: count, then name, type, element type, dimensions, flags (1 NOT NULL, 2 primary key,
 *            4 with DEFAULT), slab tree, [DEFAULT]
 *   checks:  count, then flags (1 with name), [name], text
 *   options: count, then name, type, value
 *   indexes: count, then id, name, kind, flags (1 unique, 2 primary key, 4 constraint), tree,
 *            columns: count, then position, order; options
 *   relations: from id, to id, forward tree, backward tree
 *
 * Numbers are varints, names and texts a varint of length and their bytes, types and flags one
 * byte.
 */
#ifndef MN_CATALOG_SCHEMA_CODE_H
#define MN_CATALOG_SCHEMA_CODE_H

#include "catalog/schema.h"

/* A table before it is linked to others: pointers to tables are not set, ids stand for them. */
struct mn_table_code {
    struct mn_table table;
    uint64_t from_id, to_id;
};

enum mn_status mn_table_encode(const struct mn_table_code *code, struct mn_buf *out);

/* Everything is copied to the arena. MN_CORRUPT: the bytes are no table. The id is the caller's. */
enum mn_status mn_table_decode(const void *bytes, size_t size, struct mn_arena *arena,
                               struct mn_table_code *code);

/* A scalar as an option or setting has it. Texts are copied to the arena. */
enum mn_status mn_scalar_encode(const struct mn_value *value, struct mn_buf *out);
enum mn_status mn_scalar_decode(const void *bytes, size_t size, struct mn_arena *arena,
                                struct mn_value *value);

/* Keys of tree 2. */
enum mn_catalogue_key {
    MN_CATALOGUE_HEAD = 1,
    MN_CATALOGUE_TABLE = 2,
    MN_CATALOGUE_FLOOR = 3,
    MN_CATALOGUE_SETTING = 4
};
enum { MN_CATALOGUE_ID_KEY_BYTES = 9, MN_CATALOGUE_HEAD_BYTES = 16 };

/* kind and id, big-endian. */
void mn_catalogue_id_key(enum mn_catalogue_key kind, uint64_t id,
                         uint8_t key[MN_CATALOGUE_ID_KEY_BYTES]);

/* The head of the catalogue; zeros where it was never written. */
struct mn_catalogue_head {
    uint64_t stamp, next_id;
};
enum mn_status mn_catalogue_head_get(struct mn_view *view, struct mn_catalogue_head *head);
enum mn_status mn_catalogue_head_put(struct mn_view *view, const struct mn_catalogue_head *head);

#endif
