/*
 * sorter: entries for one tree, collected in any order and brought into it sorted.
 *
 * What memory has no room for waits in a file without a name, in sorted runs (spill.h), and is
 * merged when all entries are there. An empty tree, or one whose keys all lie below, is built
 * bottom-up with full leaves; any other gets the entries in ascending order, so that each of its
 * leaves is touched once.
 */
#ifndef MN_INDEX_SORTER_H
#define MN_INDEX_SORTER_H

#include "base/buf.h"
#include "btree/tree.h"
#include "index/spill.h"

/* Memory for keys and values, which never moves. */
struct mn_sorter_chunk {
    uint8_t *bytes;
    size_t size;
};

struct mn_sorter {
    uint64_t tree;
    struct mn_buf entries; /* of struct mn_sorter_entry */
    struct mn_sorter_chunk *chunks;
    size_t chunk_count, chunk_capacity;
    size_t chunk, used;           /* the one that is being filled, and what is taken of it */
    size_t bytes;                 /* of all keys and values */
    struct mn_spill *spill;       /* NULL: all of it is in memory */
    const struct mn_watch *watch; /* asked while entries are merged; may be NULL */
};

struct mn_sorted {
    struct mn_bytes key, value;
    uint32_t
        unique_bytes; /* no other entry may begin with these many bytes of the key; 0: any may */
    uint64_t row;     /* what to report when another does */
};

/* What a clash was: the key that is there twice and the later row that has it. Borrowed from the
 * sorter. */
struct mn_clash {
    struct mn_bytes key;
    uint64_t row;
};

void mn_sorter_release(struct mn_sorter *sorter);
enum mn_status mn_sorter_add(struct mn_sorter *sorter, const struct mn_sorted *entry);
/* The same, but only the length of the value is given: the caller writes it there before the next
 * call. NULL: no memory. */
uint8_t *mn_sorter_room(struct mn_sorter *sorter, const struct mn_sorted *entry);
bool mn_sorter_is_empty(const struct mn_sorter *sorter);
size_t mn_sorter_bytes(const struct mn_sorter *sorter);

/* Empties the sorter into its tree. MN_EXISTS without a message: *clash says which; entries before
 * it may be in the tree, as after any other failure. */
enum mn_status mn_sorter_flush(struct mn_sorter *sorter, struct mn_view *view,
                               struct mn_clash *clash);
/*
 * Makes room in memory: entries go to the file, whose merge may take memory_bytes. Where nobody may
 * write in the database's folder, or it is in memory itself, they go into the tree, as by a flush.
 */
enum mn_status mn_sorter_spill(struct mn_sorter *sorter, struct mn_view *view,
                               uint64_t memory_bytes, struct mn_clash *clash);

#endif
