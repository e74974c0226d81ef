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

enum mn_status mn_posting_list_key(const struct mn_list *list, struct mn_buf *key);
size_t mn_group_bytes(const struct mn_code_form *form, bool wide);
size_t mn_image_bytes(const struct mn_postings *postings);
void mn_image_set(const struct mn_postings *postings, uint8_t *image, uint32_t i,
                  const struct mn_posting *row);
enum mn_status mn_image_write(const struct mn_postings *postings, struct mn_bulk *bulk,
                              struct mn_bytes key, const uint8_t *image, uint32_t count);

#endif
