/*
 * posting_settle: the chunks around a change are packed when they take too many pages.
 *
 *   before  | 128      | 90    . | 70     . | 64 |        pages of 64 rows
 *   after   | 128      | 128     | 96     . |
 *
 * What is looked at is a window of at most WINDOW chunks of one list, so that the work of a change
 * is bounded; what is written are those of them behind the first that is not full.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "catalog/key.h"
#include "index/vector/posting_inside.h"

enum { WINDOW = 6, BACK = 2 };

struct window {
    struct mn_shop *shop;
    size_t chunks;
    int64_t bounds[WINDOW];
    uint32_t counts[WINDOW];
    uint64_t rows, pages;
};

static enum mn_status window_add(struct window *window, bool *in)
{
    struct mn_shop *shop = window->shop;
    struct mn_item item;
    struct mn_chunk chunk;
    enum mn_status status = mn_cursor_item(shop->cursor, &item);

    *in = status == MN_OK && mn_posting_key_begins(item.key, &shop->list) &&
          item.key.len == shop->list.len + MN_ROW_ID_BYTES;
    if (!*in) return status;
    status = mn_chunk_read(shop->postings, &item, &chunk);
    if (status != MN_OK) return status;
    window->bounds[window->chunks] = mn_row_id_get(item.key.data + shop->list.len);
    window->counts[window->chunks++] = chunk.count;
    window->rows += chunk.count;
    window->pages += mn_chunk_pages(shop->postings, chunk.count);
    return MN_OK;
}

/* Turns the cursor to the chunk `back` before the one of a row, or to the list's first. */
static enum mn_status window_begin(struct window *window, int64_t row_id, size_t back)
{
    struct mn_shop *shop = window->shop;
    struct mn_bytes key;
    bool found;
    enum mn_status status = mn_posting_row_key(&shop->key, shop->list.len, row_id);

    if (status == MN_OK) {
        status = mn_cursor_seek(shop->cursor, mn_bytes_of(shop->key.data, shop->key.len),
                                MN_SEEK_LE, &found);
    }
    for (size_t i = 0; status == MN_OK && found && i < back; i++) {
        status = mn_cursor_prev(shop->cursor, &found);
        if (status == MN_OK && found) status = mn_cursor_key(shop->cursor, &key);
        if (status == MN_OK && found && !mn_posting_key_begins(key, &shop->list)) break;
    }
    if (status != MN_OK || (found && back == 0)) return status;
    if (!found) return mn_cursor_first(shop->cursor, &found);
    status = mn_cursor_key(shop->cursor, &key);
    if (status != MN_OK || mn_posting_key_begins(key, &shop->list)) return status;
    return mn_cursor_next(shop->cursor, &found);
}

static enum mn_status window_read(struct window *window, int64_t row_id, bool tail)
{
    bool in = true, found = true;
    enum mn_status status = window_begin(window, row_id, tail ? WINDOW - 1 : BACK);

    while (status == MN_OK && found && in && window->chunks < WINDOW) {
        status = window_add(window, &in);
        if (status == MN_OK && in) status = mn_cursor_next(window->shop->cursor, &found);
    }
    return status;
}

/*
 * Before a tail is begun the chunks are as few as can be; elsewhere a page and an eighth are left
 * to changes in the middle, which would else pack them every time.
 */
static bool window_is_loose(const struct window *window, bool tail)
{
    const struct mn_postings *postings = window->shop->postings;
    uint64_t full = window->rows / postings->rows_max, rest = window->rows % postings->rows_max;
    uint64_t chunks = full + (rest != 0);
    uint64_t pages = full * mn_chunk_pages(postings, postings->rows_max) +
                     mn_chunk_pages(postings, (uint32_t)rest);

    if (window->chunks > chunks + (tail ? 0 : 2)) return true;
    return window->pages > pages + 1 + pages / 8;
}

/* ---- packing ---- */

struct rows {
    size_t count;
    struct mn_posting *rows;
    uint8_t *codes;
};

static int rows_order(const void *a, const void *b)
{
    int64_t x = ((const struct mn_posting *)a)->row_id, y = ((const struct mn_posting *)b)->row_id;

    return (x > y) - (x < y);
}

static enum mn_status rows_take(struct window *window, size_t first, struct rows *rows)
{
    const struct mn_postings *postings = window->shop->postings;
    size_t code_bytes = mn_code_bytes(&postings->form);
    enum mn_status status = MN_OK;

    for (size_t c = first; c < window->chunks && status == MN_OK; c++) {
        struct mn_shop *shop = window->shop;
        struct mn_item item;
        struct mn_chunk chunk;
        bool found;

        status = mn_posting_row_key(&shop->key, shop->list.len, window->bounds[c]);
        if (status == MN_OK) {
            status = mn_cursor_seek(shop->cursor, mn_bytes_of(shop->key.data, shop->key.len),
                                    MN_SEEK_LE, &found);
        }
        if (status == MN_OK) status = mn_cursor_item(shop->cursor, &item);
        if (status == MN_OK) status = mn_chunk_read(postings, &item, &chunk);
        for (uint32_t i = 0; status == MN_OK && i < chunk.count; i++) {
            rows->rows[rows->count].code = rows->codes + rows->count * code_bytes;
            mn_chunk_get(&chunk, i, &rows->rows[rows->count++]);
        }
    }
    return status;
}

/* The first keeps its bound; those behind it begin with their lowest row. */
static enum mn_status rows_write(struct window *window, size_t first, const struct rows *rows)
{
    struct mn_shop *shop = window->shop;
    const struct mn_postings *postings = shop->postings;
    enum mn_status status = MN_OK;

    for (size_t c = first + 1; c < window->chunks && status == MN_OK; c++) {
        status = mn_posting_row_key(&shop->key, shop->list.len, window->bounds[c]);
        if (status == MN_OK) {
            status = mn_tree_delete(postings->view, postings->tree,
                                    mn_bytes_of(shop->key.data, shop->key.len), NULL);
        }
    }
    for (size_t at = 0; at < rows->count && status == MN_OK; at += postings->rows_max) {
        size_t some = rows->count - at;

        if (some > postings->rows_max) some = postings->rows_max;
        memset(shop->image, 0, mn_image_bytes(postings));
        for (size_t i = 0; i < some; i++) {
            mn_image_set(postings, shop->image, (uint32_t)i, &rows->rows[at + i]);
        }
        status = mn_posting_row_key(&shop->key, shop->list.len,
                                    at ? rows->rows[at].row_id : window->bounds[first]);
        if (status != MN_OK) return status;
        status = mn_image_write(postings, NULL, mn_bytes_of(shop->key.data, shop->key.len),
                                shop->image, (uint32_t)some);
    }
    return status;
}

static enum mn_status window_pack(struct window *window)
{
    const struct mn_postings *postings = window->shop->postings;
    struct rows rows = {.count = 0};
    size_t first = 0, count = window->rows;

    for (; first < window->chunks && window->counts[first] == postings->rows_max; first++) {
        count -= window->counts[first];
    }
    if (count == 0) return MN_OK;
    size_t each = sizeof *rows.rows + mn_code_bytes(&postings->form);
    rows.rows = mn_alloc_aligned(count * each);
    if (!rows.rows) return mn_fail_nomem();
    rows.codes = (uint8_t *)(rows.rows + count);
    enum mn_status status = rows_take(window, first, &rows);
    if (status == MN_OK) {
        qsort(rows.rows, rows.count, sizeof *rows.rows, rows_order);
        status = rows_write(window, first, &rows);
    }
    mn_release_aligned(rows.rows);
    return status;
}

enum mn_status mn_shop_settle(struct mn_shop *shop, const struct mn_list *list, int64_t row_id,
                              bool tail)
{
    struct window window = {.shop = shop};
    enum mn_status status = mn_posting_list_key(list, &shop->list);

    shop->key.len = 0;
    if (status == MN_OK) status = mn_buf_append(&shop->key, shop->list.data, shop->list.len);
    if (status == MN_OK) status = window_read(&window, row_id, tail);
    if (status != MN_OK || !window_is_loose(&window, tail)) return status;
    return window_pack(&window);
}
