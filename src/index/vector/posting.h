/*
 * posting: lists of codes in one tree, cut into chunks that a kernel reads from the map.
 *
 *   key: prefix (partition), list u32 BE, lower bound of the chunk's row ids
 *   +----------------------+----------------------+---
 *   | p, 7, -infinity      | p, 7, 5120           |       value: count, how ids are stored
 *   +----------------------+----------------------+---
 *      |
 *      +--> run: groups of 16 rows
 *           +------------------+-----------+----------------+-----------+----------+
 *           | levels, 64 bytes | scale f32 | half_square f32| error u16 | row ids  |  next group
 *           | a step           | x 16      | x 16, or none  | x 16      | x 16     |
 *           +------------------+-----------+----------------+-----------+----------+
 *
 *   (L1) a row is in the chunk whose bound is the greatest not above its id; in no order there.
 *   (L2) a chunk holds 1 to rows_max rows; unused places of its last group are zeros.
 *
 * The same form serves the rows of a cluster and, as list 0, the centroids of a partition: there a
 * row id is the number of a list.
 */
#ifndef MN_INDEX_VECTOR_POSTING_H
#define MN_INDEX_VECTOR_POSTING_H

#include "base/buf.h"
#include "base/bytes.h"
#include "btree/tree.h"
#include "index/vector/code.h"

enum { MN_CHUNK_HEAD_BYTES = 8, MN_POSTING_ROWS_MAX = 512 };

/* The lists of one index, as a view sees them. */
struct mn_postings {
    struct mn_view *view;
    uint64_t tree;
    struct mn_code_form form;
    size_t page_bytes;
    uint32_t rows_max;  /* of a chunk that is written: a multiple of MN_CODE_GROUP */
    uint32_t rows_most; /* of one that is read */
};

struct mn_postings mn_postings(struct mn_view *view, uint64_t tree,
                               const struct mn_code_form *form);

/* A list: the key it has in front of row ids. */
struct mn_list {
    struct mn_bytes prefix; /* borrowed */
    uint32_t number;
};

/* A row as it lies in a list, or is to lie there: a code of mn_code_bytes. */
struct mn_posting {
    int64_t row_id;
    struct mn_code_facts facts;
    uint8_t *code;
};

/* MN_CORRUPT: the row is there already. */
enum mn_status mn_posting_put(const struct mn_postings *postings, const struct mn_list *list,
                              const struct mn_posting *row);
enum mn_status mn_posting_delete(const struct mn_postings *postings, const struct mn_list *list,
                                 int64_t row_id, bool *found);
enum mn_status mn_posting_list_drop(const struct mn_postings *postings, const struct mn_list *list);
/* Rows in a list, at most until `enough` are counted. */
enum mn_status mn_posting_list_length(const struct mn_postings *postings,
                                      const struct mn_list *list, uint64_t enough, uint64_t *rows);

/* Chunks of a list, by the tree's counts. */
enum mn_status mn_posting_list_chunks(const struct mn_postings *postings,
                                      const struct mn_list *list, uint64_t *chunks);

/* ---- reading ---- */

/* A chunk as it lies in the map: valid until the next write of the transaction. */
struct mn_chunk {
    uint32_t list, count;
    bool wide;
    int32_t high; /* of narrow ids: the upper half of each */
    struct mn_bytes key;
    struct mn_code_groups groups;
    const struct mn_postings *postings;
};

/* Bytes of a group in front of its row ids. */
static inline size_t mn_group_fixed(const struct mn_code_form *form)
{
    return (size_t)form->steps * MN_CODE_STEP_BYTES +
           MN_CODE_GROUP * ((form->squares ? 2 : 1) * sizeof(float) + sizeof(uint16_t));
}

static inline const uint8_t *mn_chunk_ids(const struct mn_chunk *chunk, uint32_t i)
{
    return chunk->groups.base + i / MN_CODE_GROUP * chunk->groups.stride +
           mn_group_fixed(&chunk->postings->form);
}

static inline int64_t mn_chunk_row(const struct mn_chunk *chunk, uint32_t i)
{
    const uint8_t *ids = mn_chunk_ids(chunk, i);

    i %= MN_CODE_GROUP;
    if (chunk->wide) return (int64_t)mn_get_u64(ids + i * sizeof(int64_t));
    return (int64_t)((uint64_t)(uint32_t)chunk->high << 32 |
                     mn_get_u32(ids + i * sizeof(uint32_t)));
}

static inline float mn_chunk_error(const struct mn_chunk *chunk, uint32_t i)
{
    size_t behind = (MN_CODE_GROUP - i % MN_CODE_GROUP) * sizeof(uint16_t);

    return mn_code_error_value(mn_get_u16(mn_chunk_ids(chunk, i) - behind));
}

struct mn_code_facts mn_chunk_facts(const struct mn_chunk *chunk, uint32_t i);
/* Copies a row; its code goes to row->code, which the caller gave. */
void mn_chunk_get(const struct mn_chunk *chunk, uint32_t i, struct mn_posting *row);

/*
 * The chunks of a list, of all lists with a prefix, or of all. A scan is valid as its cursor is: it
 * may go on after writes.
 */
struct mn_posting_scan {
    const struct mn_postings *postings;
    struct mn_cursor *cursor;
    struct mn_buf prefix; /* that keys begin with */
    size_t prefix_bytes;  /* of the partition, in front of the list's number */
    bool begun;
};

enum mn_status mn_posting_scan_open(const struct mn_postings *postings,
                                    struct mn_posting_scan *scan);
void mn_posting_scan_close(struct mn_posting_scan *scan);
/* One list, or with NULL number all lists of the prefix. */
enum mn_status mn_posting_scan_seek(struct mn_posting_scan *scan, struct mn_bytes prefix,
                                    const uint32_t *number);
enum mn_status mn_posting_scan_next(struct mn_posting_scan *scan, struct mn_chunk *chunk,
                                    bool *found);

/* ---- writing a whole list that is not there yet, ids ascending ---- */

struct mn_list_writer {
    const struct mn_postings *postings;
    struct mn_bulk *bulk; /* NULL: by puts; else lists come in the order of their keys */
    struct mn_buf key;
    size_t key_list_bytes;
    uint32_t count;
    bool first;
    uint8_t *image;
};

enum mn_status mn_list_writer_begin(struct mn_list_writer *writer,
                                    const struct mn_postings *postings, struct mn_bulk *bulk);
enum mn_status mn_list_writer_list(struct mn_list_writer *writer, const struct mn_list *list);
enum mn_status mn_list_writer_add(struct mn_list_writer *writer, const struct mn_posting *row);
/* Writes what is left of the list. */
enum mn_status mn_list_writer_end(struct mn_list_writer *writer);
void mn_list_writer_release(struct mn_list_writer *writer);

#endif
