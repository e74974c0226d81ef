/*
 * posting_inside: a workshop for many changes of lists, and images of chunks.
 */
#ifndef MN_INDEX_VECTOR_POSTING_INSIDE_H
#define MN_INDEX_VECTOR_POSTING_INSIDE_H

#include "base/buf.h"
#include "index/vector/posting.h"
#include "index/vector/slab.h"

enum { MN_VECTOR_CODE_MAX = MN_VECTOR_DIMS_MAX / 2 };

struct mn_shop {
    const struct mn_postings *postings;
    struct mn_cursor *cursor;
    uint8_t *image, *other;
    struct mn_buf key, list;
};

enum mn_status mn_shop_open(const struct mn_postings *postings, struct mn_shop *shop);
void mn_shop_close(struct mn_shop *shop);
enum mn_status mn_shop_put(struct mn_shop *shop, const struct mn_list *list,
                           const struct mn_posting *row);
enum mn_status mn_shop_delete(struct mn_shop *shop, const struct mn_list *list, int64_t row_id,
                              bool *found);

/* Packs the chunks around a row's where they take too many pages; `tail`: those at the end of the
 * list, before a chunk is begun behind them. */
enum mn_status mn_shop_settle(struct mn_shop *shop, const struct mn_list *list, int64_t row_id,
                              bool tail);
/* Whether a row is in a list. */
enum mn_status mn_shop_has(struct mn_shop *shop, const struct mn_list *list, int64_t row_id,
                           bool *found);

enum mn_status mn_posting_list_key(const struct mn_list *list, struct mn_buf *key);
/* The key of a list with a bound behind it: the first list_bytes stay. */
enum mn_status mn_posting_row_key(struct mn_buf *key, size_t list_bytes, int64_t row_id);
bool mn_posting_key_begins(struct mn_bytes key, const struct mn_buf *prefix);

/* Takes an entry of the tree apart. Bytes from the disk are not trusted: MN_CORRUPT. */
enum mn_status mn_chunk_read(const struct mn_postings *postings, const struct mn_item *item,
                             struct mn_chunk *chunk);
/* Pages of a chunk of so many rows with narrow ids. */
uint32_t mn_chunk_pages(const struct mn_postings *postings, uint32_t count);
/* Whether the last rows of a list get a tail, a chunk of one page; and how many rows of a last
 * chunk stay in front of its tail: all of them, where it is a page itself, is full, or its tail
 * would cost a page. */
bool mn_tails_pay(const struct mn_postings *postings);
uint32_t mn_chunk_keeps(const struct mn_postings *postings, uint32_t count);
/* The inline value of a chunk that has `count` rows then, and ids of the same kind. */
void mn_chunk_head(const struct mn_chunk *chunk, uint32_t count, uint8_t head[MN_CHUNK_HEAD_BYTES]);
/* A row in a lane of a group. */
void mn_group_set(const struct mn_code_form *form, uint8_t *group, bool wide, uint32_t lane,
                  const struct mn_posting *row);

/* Bytes of a group. */
size_t mn_group_bytes(const struct mn_code_form *form, bool wide);
size_t mn_image_bytes(const struct mn_postings *postings);
struct mn_chunk mn_image_chunk(const struct mn_postings *postings, const uint8_t *image,
                               uint32_t count);
void mn_image_set(const struct mn_postings *postings, uint8_t *image, uint32_t i,
                  const struct mn_posting *row);
enum mn_status mn_image_write(const struct mn_postings *postings, struct mn_bulk *bulk,
                              struct mn_bytes key, const uint8_t *image, uint32_t count);

#endif
