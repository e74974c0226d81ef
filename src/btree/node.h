/*
 * node: one page of a tree, leaf or branch, as pure bytes.
 *
 *   32                 32+4n              32+8n                      size-heap             size
 *   +------------------+------------------+-------------------+------+---------------+--------+
 *   | heads: n x u32   | slots: n x       | branch: n x child | free | cells, newest | prefix |
 *   |                  | {from end, size} | {ref, entries}    |      | lowest        |        |
 *   +------------------+------------------+-------------------+------+---------------+--------+
 *
 *   header  24 count   26 prefix bytes   28 heap bytes, cells and prefix and garbage   30 garbage
 *   head    the 4 key bytes behind the prefix, zero-padded, read big-endian, kept as a native u32:
 *           comparing heads is comparing those bytes
 *   slot    u16 distance of the cell from the page's end; u16: low 14 bits length of the suffix,
 *           bit 15 the value has a run, bit 14 the key has a tail
 *   cell    suffix of the key [, tail: u32 whole key length, run] [leaf: u16 length, inline value
 *           [, run]]; a run is page, birth and size in 6 bytes each and a checksum of 8
 *
 * A dense leaf (bit 0 of the page's flags) is what a table has: keys of 8 bytes, of which the last
 * 0 to 2 differ, and values with nothing beside them but a run.
 *
 *   32                 32+wn              32+(w+2)n              size-heap          size
 *   +------------------+------------------+----------------------+------------------+--------+
 *   | suffixes: n x w  | slots: n x u16   | free                 | cells, last one  | prefix |
 *   |                  |                  |                      | lowest, no gaps  |        |
 *   +------------------+------------------+----------------------+------------------+--------+
 *
 *   w       8 less the prefix
 *   slot    distance of the cell from the page's end; bit 15 the value has a run
 *   cell    inline value [, run]; it ends where the one before it begins
 *
 * A short branch (bit 1 of the page's flags) is what most branches are: no key has a tail, nor more
 * than 3 bytes behind the prefix.
 *
 *   32                 32+4n                      32+22n        size-prefix          size
 *   +------------------+--------------------------+-------------+--------------------+
 *   | heads: n x 4     | n x child {ref, entries} | free        | prefix             |
 *   +------------------+--------------------------+-------------+--------------------+
 *
 *   head    the suffix, zeros behind it, and in the fourth byte its length: as big-endian numbers
 *           heads have the order of the keys, those of equal bytes and other lengths among them
 *
 *   (N1) keys ascend strictly; all begin with the prefix
 *   (N2) cells + prefix + garbage = heap, and the arrays end before it
 *   (N3) in a branch the key of entry 0 is empty and counts as below all keys; every key of child i
 *        is at or above key i and below key i + 1
 *
 *   (N4) a dense leaf has no garbage and at most mn_dense_count_max entries: no more than any other
 *        leaf could have
 *
 * The first MN_KEY_INLINE bytes of a key lie in the cell; of a longer key the rest, the tail, lies
 * in a run of its own.
 */
#ifndef MN_BTREE_NODE_H
#define MN_BTREE_NODE_H

#include "btree/tree.h"

enum {
    MN_RUN_BYTES = 26,
    MN_TAIL_BYTES = 4 + MN_RUN_BYTES,
    MN_CHILD_BYTES = 18,
    MN_CELL_RUN = 0x8000,
    MN_CELL_TAIL = 0x4000,
    MN_SUFFIX_MASK = 0x3FFF,
    MN_SHORT_KEY_BYTES = 3, /* behind the prefix, at most */
    MN_DENSE_KEY_BYTES = 8,
    MN_DENSE_SUFFIX_BYTES = 2, /* at most */
    MN_DENSE_RUN = 0x8000,
    MN_DENSE_PAGE_MAX = 0x8000, /* a distance has 15 bits */
    MN_ENTRY_LEAST = 10         /* bytes of the smallest entry of a leaf that is not dense */
};

/* A node and the size of its page. Functions that change it say so by taking `page` writable. */
struct mn_node {
    uint8_t *page;
    uint32_t size;
    struct mn_view *view; /* where tails are read; NULL where no key has one */
};

/* A key in two pieces, so that prefix and suffix need not be joined; tail as in the cell, or NULL.
 */
struct mn_cell {
    struct mn_bytes prefix, suffix;
    const uint8_t *tail;           /* MN_TAIL_BYTES */
    struct mn_bytes value;         /* leaf: inline */
    const uint8_t *run;            /* leaf: MN_RUN_BYTES, or NULL */
    uint8_t child[MN_CHILD_BYTES]; /* branch */
};

/* Bytes of the key that lie in the cell, and one of them. */
static inline size_t mn_cell_stored_len(const struct mn_cell *cell)
{
    return cell->prefix.len + cell->suffix.len;
}

static inline uint8_t mn_cell_stored_byte(const struct mn_cell *cell, size_t at)
{
    return at < cell->prefix.len ? cell->prefix.data[at] : cell->suffix.data[at - cell->prefix.len];
}

/* The longest key part and the longest inline value that a cell of this page size holds. */
static inline uint32_t mn_node_inline_max(uint32_t size)
{
    uint32_t quarter = size / 4 - 48;

    return quarter < MN_SUFFIX_MASK ? quarter : MN_SUFFIX_MASK;
}

static inline uint32_t mn_node_count(const uint8_t *page)
{
    return mn_get_u16(page + 24);
}

static inline uint32_t mn_node_prefix_len(const uint8_t *page)
{
    return mn_get_u16(page + 26);
}

static inline uint32_t mn_node_heap(const uint8_t *page)
{
    return mn_get_u16(page + 28);
}

static inline bool mn_node_is_leaf(const uint8_t *page)
{
    return mn_page_kind(page) == MN_PAGE_LEAF;
}

static inline bool mn_node_is_dense(const uint8_t *page)
{
    return (mn_page_flags(page) & MN_LEAF_DENSE) != 0;
}

static inline bool mn_node_is_short(const uint8_t *page)
{
    return (mn_page_flags(page) & MN_BRANCH_SHORT) != 0;
}

static inline uint32_t mn_dense_count_max(uint32_t size)
{
    return (size - MN_PAGE_HEADER) / MN_ENTRY_LEAST;
}

/* The suffix of a dense leaf's entry, and where its cell begins and ends. */
struct mn_dense_cell {
    struct mn_bytes suffix;
    const uint8_t *start, *end;
    bool has_run;
};

static inline struct mn_dense_cell mn_dense_cell_at(const struct mn_node *node, uint32_t index)
{
    const uint8_t *page = node->page, *end = page + node->size;
    size_t count = mn_node_count(page), prefix = mn_node_prefix_len(page);
    size_t width = MN_DENSE_KEY_BYTES - prefix;
    const uint8_t *slot = page + MN_PAGE_HEADER + width * count + 2 * (size_t)index;
    uint16_t word = mn_get_u16(slot);
    size_t above = index ? mn_get_u16(slot - 2) & (MN_DENSE_RUN - 1) : prefix;

    return (struct mn_dense_cell){mn_bytes_of(page + MN_PAGE_HEADER + width * index, width),
                                  end - (word & (MN_DENSE_RUN - 1)), end - above,
                                  (word & MN_DENSE_RUN) != 0};
}

static inline const uint8_t *mn_node_child_at(const uint8_t *page, uint32_t index)
{
    size_t before = mn_node_is_short(page) ? 4 : 8; /* heads, and slots where there are any */

    return page + MN_PAGE_HEADER + before * mn_node_count(page) + (size_t)MN_CHILD_BYTES * index;
}

/* The first bytes of a key behind the node's prefix, as a number: 4, or of a short branch 3 and a
 * byte that is none of the key's. */
static inline uint32_t mn_node_head(const uint8_t *page, uint32_t index)
{
    const uint8_t *head = page + MN_PAGE_HEADER + 4 * (size_t)index;

    return mn_node_is_short(page) ? mn_get_u32_be(head) : mn_get_u32(head);
}

static inline struct mn_ref mn_node_child(const uint8_t *page, uint32_t index)
{
    return mn_get_ref(mn_node_child_at(page, index));
}

static inline uint64_t mn_node_child_entries(const uint8_t *page, uint32_t index)
{
    return mn_get_u48(mn_node_child_at(page, index) + MN_REF_BYTES);
}

void mn_node_child_set(uint8_t *page, uint32_t index, struct mn_ref ref, uint64_t entries);

/* Entries below this node: a leaf's own, or the sum of a branch's counts. */
uint64_t mn_node_entries(const uint8_t *page);

/* The cell of entry `index`, borrowed from the page. */
struct mn_cell mn_node_cell(const struct mn_node *node, uint32_t index);

/* The suffix and the value of a leaf's entry; false where a tail or a run belongs to it. */
static inline bool mn_node_plain(const struct mn_node *node, uint32_t index,
                                 struct mn_bytes *suffix, struct mn_bytes *value)
{
    const uint8_t *page = node->page, *slot, *at;
    uint16_t length;

    if (mn_node_is_dense(page)) {
        struct mn_dense_cell cell = mn_dense_cell_at(node, index);

        *suffix = cell.suffix;
        *value = mn_bytes_of(cell.start, (size_t)(cell.end - cell.start));
        return !cell.has_run;
    }
    slot = page + MN_PAGE_HEADER + 4 * ((size_t)mn_node_count(page) + index);
    at = page + node->size - mn_get_u16(slot);
    length = mn_get_u16(slot + 2);
    if (length & (MN_CELL_RUN | MN_CELL_TAIL)) return false;
    *suffix = mn_bytes_of(at, length);
    *value = mn_bytes_of(at + length + 2, mn_get_u16(at + length));
    return true;
}

/* The suffix of a leaf's entry; false where a tail belongs to it. */
static inline bool mn_node_suffix(const struct mn_node *node, uint32_t index,
                                  struct mn_bytes *suffix)
{
    const uint8_t *page = node->page, *slot;
    uint16_t length;

    if (mn_node_is_dense(page)) {
        *suffix = mn_dense_cell_at(node, index).suffix;
        return true;
    }
    slot = page + MN_PAGE_HEADER + 4 * ((size_t)mn_node_count(page) + index);
    length = mn_get_u16(slot + 2);
    *suffix = mn_bytes_of(page + node->size - mn_get_u16(slot), length & MN_SUFFIX_MASK);
    return !(length & MN_CELL_TAIL);
}

/* The same and the value of a leaf's entry that has a run and no tail; false for any other. */
bool mn_node_entry_run(const struct mn_node *node, uint32_t index, struct mn_run_entry *entry);

/* A leaf cell's value; run is zero where it has none. */
struct mn_bytes mn_cell_value(const struct mn_cell *cell, struct mn_run *run);
void mn_run_pack(uint8_t at[MN_RUN_BYTES], const struct mn_run *run);
struct mn_run mn_run_unpack(const uint8_t *at);
/* Where the packed runs of entry `index` lie in the page; NULL: it has none. */
uint8_t *mn_node_value_run(const struct mn_node *node, uint32_t index);
uint8_t *mn_node_tail_run(const struct mn_node *node, uint32_t index);

/* Writes the whole key to `into`, which holds at least mn_cell_key_len bytes. */
size_t mn_cell_key_len(const struct mn_cell *cell);
enum mn_status mn_cell_key_copy(const struct mn_node *node, const struct mn_cell *cell,
                                uint8_t *into);

/*
 * Leaf: the first entry at or above the key, *exact whether it is the key. Branch: the child whose
 * range holds the key; *exact is false. Fails only where a tail cannot be read.
 */
enum mn_status mn_node_search(const struct mn_node *node, struct mn_bytes key, uint32_t *index,
                              bool *exact);

/* Puts a cell in front of entry `index`; false: there is no room, the node is as it was. */
bool mn_node_insert(const struct mn_node *node, uint32_t index, const struct mn_cell *cell);
/* Takes entry `index` out. In a branch the key of the new entry 0 becomes empty. */
void mn_node_remove(const struct mn_node *node, uint32_t index);

/* May leaves of this node's tree be dense? Those of files that say so, of pages not too large. */
bool mn_node_may_be_dense(const struct mn_node *node);
/* Bytes that these cells take as one node of its tree with its longest prefix, header included. */
size_t mn_node_size_of(const struct mn_node *node, const struct mn_cell *cells, uint32_t count,
                       bool leaf);
/* Makes the page a node of these cells, of the size above; none of them may lie in it. */
void mn_node_build(const struct mn_node *node, const struct mn_cell *cells, uint32_t count);

/* A plain entry of a leaf as it lies in a buffer: the whole key, the length of the value, the
 * value.
 */
struct mn_packed {
    uint32_t at; /* in the buffer */
    uint16_t key_bytes, bytes;
};

/* Makes the page a leaf of these entries, whose keys ascend and share `prefix` bytes: of a single
 * one, all its bytes. */
void mn_node_fill(const struct mn_node *node, const uint8_t *buffer, const struct mn_packed *cells,
                  uint32_t count, uint32_t prefix);

/* A value of which the compiler is to know nothing, so that it does not make a branch of it: half
 * of the branches of a search are guessed wrongly. */
static inline size_t mn_unguessed(size_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

/* Bytes in use: header, arrays, cells and prefix. */
uint32_t mn_node_used(const uint8_t *page);

/* N1 to N3, and bounds, for bytes from the disk: MN_CORRUPT says what is wrong. */
enum mn_status mn_node_validate(const uint8_t *page, uint32_t size, uint8_t kind);

#endif
