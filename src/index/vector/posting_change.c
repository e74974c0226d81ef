/*
 * posting_change: a row comes to a list, or goes.
 *
 * A change writes one chunk, in a private copy: in place where a group has a lane left, else by an
 * image. Rows that come in order go to a tail, a chunk of one page at the end of the list, so that
 * a commit of one row writes one page of codes. Now and then the chunks around a change are packed
 * (posting_settle.c).
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "catalog/key.h"
#include "index/vector/posting_inside.h"

static void image_read(const struct mn_chunk *chunk, uint8_t *image)
{
    const struct mn_postings *postings = chunk->postings;
    size_t fixed = mn_group_fixed(&postings->form), stride = mn_group_bytes(&postings->form, true);

    memset(image, 0, mn_image_bytes(postings));
    for (size_t g = 0; g < chunk->groups.count; g++) {
        const uint8_t *from = chunk->groups.base + g * chunk->groups.stride;
        uint32_t first = (uint32_t)g * MN_CODE_GROUP;

        memcpy(image + g * stride, from, fixed);
        for (uint32_t i = first; i < first + MN_CODE_GROUP && i < chunk->count; i++) {
            mn_put_u64(image + g * stride + fixed + (i - first) * sizeof(int64_t),
                       (uint64_t)mn_chunk_row(chunk, i));
        }
    }
}

enum mn_status mn_shop_open(const struct mn_postings *postings, struct mn_shop *shop)
{
    *shop = (struct mn_shop){.postings = postings};
    size_t bytes = mn_image_bytes(postings);
    shop->image = mn_alloc_aligned(2 * bytes);
    if (!shop->image) return mn_fail_nomem();
    shop->other = shop->image + bytes;
    return mn_cursor_open(postings->view, postings->tree, &shop->cursor);
}

void mn_shop_close(struct mn_shop *shop)
{
    mn_cursor_close(shop->cursor);
    mn_release_aligned(shop->image);
    mn_buf_release(&shop->key);
    mn_buf_release(&shop->list);
}

/* The chunk where a row is or belongs; *found false: the list has none whose bound is so low. */
static enum mn_status shop_find(struct mn_shop *shop, const struct mn_list *list, int64_t row_id,
                                struct mn_chunk *chunk, bool *found)
{
    struct mn_item item;
    enum mn_status status = mn_posting_list_key(list, &shop->list);

    shop->key.len = 0;
    if (status == MN_OK) status = mn_buf_append(&shop->key, shop->list.data, shop->list.len);
    if (status == MN_OK) status = mn_posting_row_key(&shop->key, shop->list.len, row_id);
    if (status == MN_OK) {
        status = mn_cursor_seek(shop->cursor, mn_bytes_of(shop->key.data, shop->key.len),
                                MN_SEEK_LE, found);
    }
    if (status != MN_OK || !*found) return status;
    status = mn_cursor_item(shop->cursor, &item);
    if (status != MN_OK) return status;
    *found = mn_posting_key_begins(item.key, &shop->list) && item.key.len == shop->key.len;
    if (!*found) return MN_OK;
    shop->key.len = 0;
    status = mn_buf_append(&shop->key, item.key.data, item.key.len);
    return status == MN_OK ? mn_chunk_read(shop->postings, &item, chunk) : status;
}

enum mn_status mn_shop_has(struct mn_shop *shop, const struct mn_list *list, int64_t row_id,
                           bool *found)
{
    struct mn_chunk chunk;
    uint32_t at = 0;
    enum mn_status status = shop_find(shop, list, row_id, &chunk, found);

    if (status != MN_OK || !*found) return status;
    while (at < chunk.count && mn_chunk_row(&chunk, at) != row_id) at++;
    *found = at < chunk.count;
    return MN_OK;
}

static struct mn_bytes shop_key(const struct mn_shop *shop)
{
    return mn_bytes_of(shop->key.data, shop->key.len);
}

/* Moves the rows of the image with ids from `bound` on to the other one. */
static uint32_t image_cut(struct mn_shop *shop, uint32_t *count, int64_t bound, uint8_t *code)
{
    const struct mn_postings *postings = shop->postings;
    struct mn_posting row = {.code = code};
    struct mn_chunk all = mn_image_chunk(postings, shop->image, *count);
    uint32_t kept = 0, moved = 0;

    memset(shop->other, 0, mn_image_bytes(postings));
    for (uint32_t i = 0; i < *count; i++) {
        mn_chunk_get(&all, i, &row);
        if (row.row_id >= bound)
            mn_image_set(postings, shop->other, moved++, &row);
        else
            mn_image_set(postings, shop->image, kept++, &row);
    }
    memset(code, 0, mn_code_bytes(&postings->form));
    row = (struct mn_posting){.code = code};
    for (uint32_t i = kept; i < *count; i++) mn_image_set(postings, shop->image, i, &row);
    *count = kept;
    return moved;
}

/* The n-th of the ids, from 0, in their order. */
static int64_t image_nth(struct mn_shop *shop, uint32_t count, uint32_t n)
{
    struct mn_chunk all = mn_image_chunk(shop->postings, shop->image, count);
    int64_t ids[MN_POSTING_ROWS_MAX + 1];

    for (uint32_t i = 0; i < count; i++) { /* insertion keeps what is nearly in order cheap */
        int64_t id = mn_chunk_row(&all, i);
        uint32_t at = i;

        for (; at > 0 && ids[at - 1] > id; at--) ids[at] = ids[at - 1];
        ids[at] = id;
    }
    return ids[n];
}

/* A chunk of one row too many becomes two. */
static enum mn_status image_split(struct mn_shop *shop, uint32_t count, int64_t bound,
                                  uint8_t *scratch)
{
    uint32_t moved = image_cut(shop, &count, bound, scratch);
    enum mn_status status =
        mn_image_write(shop->postings, NULL, shop_key(shop), shop->image, count);

    if (status == MN_OK) status = mn_posting_row_key(&shop->key, shop->list.len, bound);
    if (status != MN_OK) return status;
    return mn_image_write(shop->postings, NULL, shop_key(shop), shop->other, moved);
}

/* ---- a row comes ---- */

/* The first chunk of a list, or one behind its last. */
static enum mn_status chunk_begin(struct mn_shop *shop, int64_t bound, const struct mn_posting *row)
{
    const struct mn_postings *postings = shop->postings;
    enum mn_status status = mn_posting_row_key(&shop->key, shop->list.len, bound);

    if (status != MN_OK) return status;
    memset(shop->image, 0, mn_image_bytes(postings));
    mn_image_set(postings, shop->image, 0, row);
    return mn_image_write(postings, NULL, shop_key(shop), shop->image, 1);
}

/* Behind the last row of a group that is begun: the run stays as it is but for the one lane. */
static enum mn_status chunk_append(struct mn_shop *shop, const struct mn_chunk *chunk,
                                   const struct mn_posting *row)
{
    const struct mn_code_form *form = &shop->postings->form;
    struct mn_code_groups groups = chunk->groups;
    uint32_t at = chunk->count;
    bool wide = chunk->wide;
    uint8_t head[MN_CHUNK_HEAD_BYTES], *run;
    struct mn_bytes value = {head, sizeof head};

    mn_chunk_head(chunk, at + 1, head);
    enum mn_status status =
        mn_tree_put_run(shop->postings->view, shop->postings->tree, shop_key(shop), value,
                        groups.count * groups.stride, &run);
    if (status != MN_OK) return status;
    mn_group_set(form, run + at / MN_CODE_GROUP * groups.stride, wide, at % MN_CODE_GROUP, row);
    return MN_OK;
}

static bool chunk_has_lane(const struct mn_chunk *chunk, const struct mn_posting *row)
{
    if (chunk->count % MN_CODE_GROUP == 0) return false;
    return chunk->wide || (int32_t)(row->row_id >> 32) == chunk->high;
}

static enum mn_status chunk_grow(struct mn_shop *shop, const struct mn_chunk *chunk,
                                 int64_t greatest, const struct mn_posting *row)
{
    const struct mn_postings *postings = shop->postings;
    uint8_t scratch[MN_VECTOR_CODE_MAX];
    uint32_t count = chunk->count + 1;

    image_read(chunk, shop->image);
    mn_image_set(postings, shop->image, chunk->count, row);
    if (count <= postings->rows_max) {
        return mn_image_write(postings, NULL, shop_key(shop), shop->image, count);
    }
    int64_t bound = row->row_id > greatest ? row->row_id : image_nth(shop, count, count / 2);
    return image_split(shop, count, bound, scratch);
}

static enum mn_status shop_is_last(struct mn_shop *shop, bool *last)
{
    struct mn_bytes key;
    bool found;
    enum mn_status status = mn_cursor_next(shop->cursor, &found);

    *last = !found;
    if (status != MN_OK || !found) return status;
    status = mn_cursor_key(shop->cursor, &key);
    *last = status == MN_OK && !mn_posting_key_begins(key, &shop->list);
    return status;
}

/* A chunk of several pages is the list's last, as joins and packing may leave it: its end and the
 * row become a tail. */
static enum mn_status tail_cut(struct mn_shop *shop, const struct mn_chunk *chunk,
                               const struct mn_posting *row)
{
    uint8_t scratch[MN_VECTOR_CODE_MAX];
    uint32_t keeps = mn_chunk_keeps(shop->postings, chunk->count);

    image_read(chunk, shop->image);
    mn_image_set(shop->postings, shop->image, chunk->count, row);
    return image_split(shop, chunk->count + 1, image_nth(shop, chunk->count + 1, keeps), scratch);
}

static bool chunk_is_brim(const struct mn_postings *postings, uint32_t count)
{
    return mn_chunk_pages(postings, count + 1) != mn_chunk_pages(postings, count);
}

/* A row behind all others of its list. With the last row that its page holds a tail joins what is
 * before it: done with the row behind that, the tail would be written once more. */
static enum mn_status tail_put(struct mn_shop *shop, const struct mn_list *list,
                               const struct mn_chunk *chunk, const struct mn_posting *row)
{
    const struct mn_postings *postings = shop->postings;
    enum mn_status status;

    if (mn_chunk_keeps(postings, chunk->count) < chunk->count) return tail_cut(shop, chunk, row);
    if (chunk_is_brim(postings, chunk->count)) {
        status = mn_shop_settle(shop, list, row->row_id, true);
        return status == MN_OK ? chunk_begin(shop, row->row_id, row) : status;
    }
    uint32_t count = chunk->count + 1;
    status = chunk_has_lane(chunk, row) ? chunk_append(shop, chunk, row)
                                        : chunk_grow(shop, chunk, INT64_MIN, row);
    if (status != MN_OK || !chunk_is_brim(postings, count)) return status;
    return mn_shop_settle(shop, list, row->row_id, true);
}

enum mn_status mn_shop_put(struct mn_shop *shop, const struct mn_list *list,
                           const struct mn_posting *row)
{
    const struct mn_postings *postings = shop->postings;
    struct mn_chunk chunk;
    int64_t greatest = INT64_MIN;
    bool found, last = false;
    enum mn_status status = shop_find(shop, list, row->row_id, &chunk, &found);

    if (status != MN_OK) return status;
    if (!found) return chunk_begin(shop, INT64_MIN, row);
    for (uint32_t i = 0; i < chunk.count; i++) {
        int64_t id = mn_chunk_row(&chunk, i);

        if (id == row->row_id) return mn_fail(MN_CORRUPT, "a row is in a list of codes twice");
        if (id > greatest) greatest = id;
    }
    bool grows = chunk_is_brim(postings, chunk.count);
    if (row->row_id > greatest && mn_tails_pay(postings)) status = shop_is_last(shop, &last);
    if (status == MN_OK && last) return tail_put(shop, list, &chunk, row);
    if (status == MN_OK && chunk_has_lane(&chunk, row)) return chunk_append(shop, &chunk, row);
    if (status == MN_OK) status = chunk_grow(shop, &chunk, greatest, row);
    return status == MN_OK && grows ? mn_shop_settle(shop, list, row->row_id, false) : status;
}

/* ---- a row goes ---- */

/* Joins the image's chunk with the next of its list where both together are small. */
static enum mn_status shop_join(struct mn_shop *shop, uint32_t *count)
{
    const struct mn_postings *postings = shop->postings;
    uint8_t scratch[MN_VECTOR_CODE_MAX];
    struct mn_posting row = {.code = scratch};
    struct mn_chunk next;
    struct mn_item item;
    bool found;

    if (*count > postings->rows_max / 2) return MN_OK;
    enum mn_status status = mn_cursor_next(shop->cursor, &found);
    if (status == MN_OK && found) status = mn_cursor_item(shop->cursor, &item);
    if (status != MN_OK || !found || !mn_posting_key_begins(item.key, &shop->list)) return status;
    status = mn_chunk_read(postings, &item, &next);
    if (status != MN_OK || *count + next.count > postings->rows_max * 15 / 16) return status;
    for (uint32_t i = 0; i < next.count; i++) {
        mn_chunk_get(&next, i, &row);
        mn_image_set(postings, shop->image, (*count)++, &row);
    }
    struct mn_buf key = {0};
    status = mn_buf_append(&key, item.key.data, item.key.len);
    if (status == MN_OK) {
        status =
            mn_tree_delete(postings->view, postings->tree, mn_bytes_of(key.data, key.len), NULL);
    }
    mn_buf_release(&key);
    return status;
}

enum mn_status mn_shop_delete(struct mn_shop *shop, const struct mn_list *list, int64_t row_id,
                              bool *found)
{
    const struct mn_postings *postings = shop->postings;
    uint8_t scratch[MN_VECTOR_CODE_MAX];
    struct mn_posting row = {.code = scratch};
    struct mn_chunk chunk;
    uint32_t at = 0, count;
    enum mn_status status = shop_find(shop, list, row_id, &chunk, found);

    if (status != MN_OK || !*found) return status;
    while (at < chunk.count && mn_chunk_row(&chunk, at) != row_id) at++;
    *found = at < chunk.count;
    if (!*found) return MN_OK;
    count = chunk.count - 1;
    if (count == 0) return mn_tree_delete(postings->view, postings->tree, shop_key(shop), NULL);
    image_read(&chunk, shop->image);
    mn_chunk_get(&chunk, count, &row);
    mn_image_set(postings, shop->image, at, &row);
    memset(scratch, 0, mn_code_bytes(&postings->form));
    row = (struct mn_posting){.code = scratch};
    mn_image_set(postings, shop->image, count, &row);
    status = shop_join(shop, &count);
    if (status != MN_OK) return status;
    status = mn_image_write(postings, NULL, shop_key(shop), shop->image, count);
    if (status != MN_OK || count % MN_CODE_GROUP != 0) return status;
    return mn_shop_settle(shop, list, row_id, false);
}

enum mn_status mn_posting_put(const struct mn_postings *postings, const struct mn_list *list,
                              const struct mn_posting *row)
{
    struct mn_shop shop;
    enum mn_status status = mn_shop_open(postings, &shop);

    if (status == MN_OK) status = mn_shop_put(&shop, list, row);
    mn_shop_close(&shop);
    return status;
}

enum mn_status mn_posting_delete(const struct mn_postings *postings, const struct mn_list *list,
                                 int64_t row_id, bool *found)
{
    struct mn_shop shop;
    enum mn_status status = mn_shop_open(postings, &shop);

    *found = false;
    if (status == MN_OK) status = mn_shop_delete(&shop, list, row_id, found);
    mn_shop_close(&shop);
    return status;
}
