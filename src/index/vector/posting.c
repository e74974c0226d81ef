/*
 * posting: reading chunks, and writing lists.
 *
 * A chunk is made in an image, a private copy with room for all its rows, and then written as a
 * whole. Images have wide ids; ids are stored narrow where their upper halves are equal.
 */
#include "index/vector/posting.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "catalog/key.h"
#include "index/vector/posting_inside.h"

/* ---- form ---- */

size_t mn_group_bytes(const struct mn_code_form *form, bool wide)
{
    return mn_group_fixed(form) + MN_CODE_GROUP * (wide ? sizeof(int64_t) : sizeof(uint32_t));
}

enum { LEAST_BYTES = 6 << 10, MOST_BYTES = 26 << 10 };

/* The most groups that a chunk of the format may have. */
static uint32_t groups_most(const struct mn_code_form *form, size_t page_bytes)
{
    size_t group = mn_group_bytes(form, false);
    size_t most = (page_bytes > MOST_BYTES ? page_bytes : MOST_BYTES) / group;

    if (most > MN_POSTING_ROWS_MAX / MN_CODE_GROUP) most = MN_POSTING_ROWS_MAX / MN_CODE_GROUP;
    return most ? (uint32_t)most : 1;
}

/* As many groups as fill their pages best; of two that fill alike, the fewer. */
static uint32_t groups_choose(const struct mn_code_form *form, size_t page_bytes)
{
    const double better = 1.02;
    size_t group = mn_group_bytes(form, false);
    double best = 0;
    uint32_t groups = 1;

    for (uint32_t n = 1; n <= groups_most(form, page_bytes); n++) {
        size_t bytes = n * group, pages = (bytes + page_bytes - 1) / page_bytes;
        double fill = (double)bytes / (double)(pages * page_bytes);

        if (bytes < LEAST_BYTES || fill > best * better) {
            best = bytes < LEAST_BYTES ? 0 : fill;
            groups = n;
        }
    }
    return groups;
}

struct mn_postings mn_postings(struct mn_view *view, uint64_t tree, const struct mn_code_form *form)
{
    size_t page_bytes = mn_view_page_size(view);

    return (struct mn_postings){.view = view,
                                .tree = tree,
                                .form = *form,
                                .page_bytes = page_bytes,
                                .rows_max = groups_choose(form, page_bytes) * MN_CODE_GROUP,
                                .rows_most = groups_most(form, page_bytes) * MN_CODE_GROUP};
}

uint32_t mn_chunk_pages(const struct mn_postings *postings, uint32_t count)
{
    size_t groups = (count + MN_CODE_GROUP - 1) / MN_CODE_GROUP;
    size_t bytes = groups * mn_group_bytes(&postings->form, false);

    return (uint32_t)((bytes + postings->page_bytes - 1) / postings->page_bytes);
}

/* Where a page holds one group, tails would join again and again: batches took a fifth longer. */
bool mn_tails_pay(const struct mn_postings *postings)
{
    return mn_chunk_pages(postings, 2 * MN_CODE_GROUP) == 1;
}

uint32_t mn_chunk_keeps(const struct mn_postings *postings, uint32_t count)
{
    size_t group = mn_group_bytes(&postings->form, false), page = postings->page_bytes;
    uint32_t pages = mn_chunk_pages(postings, count), keeps;

    if (pages < 2 || count >= postings->rows_max || !mn_tails_pay(postings)) return count;
    keeps = (uint32_t)((pages - 1) * page / group) * MN_CODE_GROUP;
    return count - keeps <= page / group * MN_CODE_GROUP ? keeps : count;
}

/* ---- rows of a group ---- */

static const uint8_t *group_of(const struct mn_code_groups *groups, uint32_t i)
{
    return groups->base + i / MN_CODE_GROUP * groups->stride;
}

struct mn_code_facts mn_chunk_facts(const struct mn_chunk *chunk, uint32_t i)
{
    const struct mn_code_form *form = &chunk->postings->form;
    const uint8_t *at = group_of(&chunk->groups, i) + (size_t)form->steps * MN_CODE_STEP_BYTES;
    struct mn_code_facts facts = {0};

    i %= MN_CODE_GROUP;
    memcpy(&facts.scale, at + i * sizeof(float), sizeof(float));
    at += MN_CODE_GROUP * sizeof(float);
    if (form->squares) {
        memcpy(&facts.half_square, at + i * sizeof(float), sizeof(float));
        at += MN_CODE_GROUP * sizeof(float);
    }
    facts.error = mn_get_u16(at + i * sizeof(uint16_t));
    return facts;
}

void mn_chunk_get(const struct mn_chunk *chunk, uint32_t i, struct mn_posting *row)
{
    const uint8_t *at = group_of(&chunk->groups, i) + i % MN_CODE_GROUP * MN_CODE_ROW_STEP;

    row->row_id = mn_chunk_row(chunk, i);
    row->facts = mn_chunk_facts(chunk, i);
    for (uint32_t s = 0; s < chunk->postings->form.steps; s++) {
        memcpy(row->code + s * MN_CODE_ROW_STEP, at + s * MN_CODE_STEP_BYTES, MN_CODE_ROW_STEP);
    }
}

/* ---- images ---- */

size_t mn_image_bytes(const struct mn_postings *postings)
{
    /* one row more than a chunk may have, for the moment before it is cut */
    return (postings->rows_most / MN_CODE_GROUP + 1) * mn_group_bytes(&postings->form, true);
}

struct mn_chunk mn_image_chunk(const struct mn_postings *postings, const uint8_t *image,
                               uint32_t count)
{
    return (struct mn_chunk){
        .count = count,
        .wide = true,
        .groups = {.base = image, .stride = mn_group_bytes(&postings->form, true)},
        .postings = postings};
}

void mn_group_set(const struct mn_code_form *form, uint8_t *group, bool wide, uint32_t lane,
                  const struct mn_posting *row)
{
    for (uint32_t s = 0; s < form->steps; s++) {
        memcpy(group + s * MN_CODE_STEP_BYTES + lane * MN_CODE_ROW_STEP,
               row->code + s * MN_CODE_ROW_STEP, MN_CODE_ROW_STEP);
    }
    group += (size_t)form->steps * MN_CODE_STEP_BYTES;
    memcpy(group + lane * sizeof(float), &row->facts.scale, sizeof(float));
    group += MN_CODE_GROUP * sizeof(float);
    if (form->squares) {
        memcpy(group + lane * sizeof(float), &row->facts.half_square, sizeof(float));
        group += MN_CODE_GROUP * sizeof(float);
    }
    mn_put_u16(group + lane * sizeof(uint16_t), row->facts.error);
    group += MN_CODE_GROUP * sizeof(uint16_t);
    if (wide)
        mn_put_u64(group + lane * sizeof(int64_t), (uint64_t)row->row_id);
    else
        mn_put_u32(group + lane * sizeof(uint32_t), (uint32_t)row->row_id);
}

void mn_image_set(const struct mn_postings *postings, uint8_t *image, uint32_t i,
                  const struct mn_posting *row)
{
    const struct mn_code_form *form = &postings->form;
    uint8_t *group = image + i / MN_CODE_GROUP * mn_group_bytes(form, true);

    mn_group_set(form, group, true, i % MN_CODE_GROUP, row);
}

static void head_put(uint8_t head[MN_CHUNK_HEAD_BYTES], uint32_t count, bool wide, int32_t high)
{
    mn_put_u16(head, (uint16_t)count);
    mn_put_u16(head + 2, wide);
    mn_put_u32(head + 4, wide ? 0 : (uint32_t)high);
}

void mn_chunk_head(const struct mn_chunk *chunk, uint32_t count, uint8_t head[MN_CHUNK_HEAD_BYTES])
{
    head_put(head, count, chunk->wide, chunk->high);
}

/* Where an image goes: the inline value, and how many bytes its run has. */
struct head {
    uint8_t bytes[MN_CHUNK_HEAD_BYTES];
    bool wide;
    size_t run_bytes;
};

static struct head head_make(const struct mn_postings *postings, const uint8_t *image,
                             uint32_t count)
{
    struct mn_chunk chunk = mn_image_chunk(postings, image, count);
    int32_t high = (int32_t)(mn_chunk_row(&chunk, 0) >> 32);
    struct head head = {.wide = false};

    for (uint32_t i = 1; i < count; i++) {
        if ((int32_t)(mn_chunk_row(&chunk, i) >> 32) != high) head.wide = true;
    }
    head_put(head.bytes, count, head.wide, high);
    size_t groups = (count + MN_CODE_GROUP - 1) / MN_CODE_GROUP;
    head.run_bytes = groups * mn_group_bytes(&postings->form, head.wide);
    return head;
}

static void image_copy(const struct mn_postings *postings, const uint8_t *image, uint32_t count,
                       bool wide, uint8_t *run)
{
    size_t fixed = mn_group_fixed(&postings->form), stride = mn_group_bytes(&postings->form, wide);
    size_t from_stride = mn_group_bytes(&postings->form, true);
    struct mn_chunk chunk = mn_image_chunk(postings, image, count);

    for (uint32_t g = 0; g * MN_CODE_GROUP < count; g++) {
        const uint8_t *from = image + g * from_stride;
        uint8_t *to = run + g * stride;

        memcpy(to, from, wide ? stride : fixed);
        for (uint32_t i = 0; !wide && i < MN_CODE_GROUP; i++) {
            mn_put_u32(to + fixed + i * sizeof(uint32_t),
                       (uint32_t)mn_chunk_row(&chunk, g * MN_CODE_GROUP + i));
        }
    }
}

/* Behind the last row an image is zeros. */
enum mn_status mn_image_write(const struct mn_postings *postings, struct mn_bulk *bulk,
                              struct mn_bytes key, const uint8_t *image, uint32_t count)
{
    struct head head = head_make(postings, image, count);
    struct mn_bytes value = {head.bytes, sizeof head.bytes};
    uint8_t *run;
    enum mn_status status =
        bulk ? mn_bulk_add_run(bulk, key, value, head.run_bytes, &run)
             : mn_tree_put_run(postings->view, postings->tree, key, value, head.run_bytes, &run);

    MN_ASSERT(count >= 1 && count <= postings->rows_max);
    if (status == MN_OK) image_copy(postings, image, count, head.wide, run);
    return status;
}

/* ---- keys and chunks ---- */

enum mn_status mn_posting_list_key(const struct mn_list *list, struct mn_buf *key)
{
    uint8_t number[4];

    key->len = 0;
    mn_put_u32_be(number, list->number);
    enum mn_status status = mn_buf_append(key, list->prefix.data, list->prefix.len);
    return status == MN_OK ? mn_buf_append(key, number, sizeof number) : status;
}

enum mn_status mn_posting_row_key(struct mn_buf *key, size_t list_bytes, int64_t row_id)
{
    uint8_t id[MN_ROW_ID_BYTES];

    key->len = list_bytes;
    mn_row_id_put(id, row_id);
    return mn_buf_append(key, id, sizeof id);
}

static enum mn_status chunk_damaged(void)
{
    return mn_fail(MN_CORRUPT, "a list of codes of a vector index is damaged");
}

enum mn_status mn_chunk_read(const struct mn_postings *postings, const struct mn_item *item,
                             struct mn_chunk *chunk)
{
    const uint8_t *head = item->value.data;
    size_t group;

    if (item->value.len != MN_CHUNK_HEAD_BYTES || item->key.len < 4 + MN_ROW_ID_BYTES) {
        return chunk_damaged();
    }
    *chunk = (struct mn_chunk){
        .list = mn_get_u32_be(item->key.data + item->key.len - 4 - MN_ROW_ID_BYTES),
        .count = mn_get_u16(head),
        .wide = mn_get_u16(head + 2) == 1,
        .high = (int32_t)mn_get_u32(head + 4),
        .key = item->key,
        .postings = postings,
    };
    group = mn_group_bytes(&postings->form, chunk->wide);
    chunk->groups = (struct mn_code_groups){
        .base = item->run.data,
        .stride = group,
        .count = (chunk->count + MN_CODE_GROUP - 1) / MN_CODE_GROUP,
    };
    if (mn_get_u16(head + 2) > 1 || chunk->count < 1 || chunk->count > postings->rows_most ||
        item->run.len != chunk->groups.count * group) {
        return chunk_damaged();
    }
    return MN_OK;
}

bool mn_posting_key_begins(struct mn_bytes key, const struct mn_buf *prefix)
{
    return key.len >= prefix->len &&
           (prefix->len == 0 || memcmp(key.data, prefix->data, prefix->len) == 0);
}

/* ---- scans ---- */

enum mn_status mn_posting_scan_open(const struct mn_postings *postings,
                                    struct mn_posting_scan *scan)
{
    *scan = (struct mn_posting_scan){.postings = postings};
    return mn_cursor_open(postings->view, postings->tree, &scan->cursor);
}

void mn_posting_scan_close(struct mn_posting_scan *scan)
{
    mn_cursor_close(scan->cursor);
    mn_buf_release(&scan->prefix);
    scan->cursor = NULL;
}

enum mn_status mn_posting_scan_seek(struct mn_posting_scan *scan, struct mn_bytes prefix,
                                    const uint32_t *number)
{
    struct mn_list list = {prefix, number ? *number : 0};
    enum mn_status status = mn_posting_list_key(&list, &scan->prefix);

    scan->begun = false;
    if (!number) scan->prefix.len = prefix.len;
    return status;
}

enum mn_status mn_posting_scan_next(struct mn_posting_scan *scan, struct mn_chunk *chunk,
                                    bool *found)
{
    struct mn_bytes prefix = {scan->prefix.data, scan->prefix.len};
    struct mn_item item;
    enum mn_status status = scan->begun ? mn_cursor_next(scan->cursor, found)
                                        : mn_cursor_seek(scan->cursor, prefix, MN_SEEK_GE, found);

    scan->begun = true;
    if (status != MN_OK || !*found) return status;
    /* of the list behind this one not even the pages are touched */
    status = mn_cursor_key(scan->cursor, &item.key);
    if (status != MN_OK) return status;
    *found = mn_posting_key_begins(item.key, &scan->prefix);
    if (!*found) return MN_OK;
    status = mn_cursor_item(scan->cursor, &item);
    return status == MN_OK ? mn_chunk_read(scan->postings, &item, chunk) : status;
}

enum mn_status mn_posting_list_length(const struct mn_postings *postings,
                                      const struct mn_list *list, uint64_t enough, uint64_t *rows)
{
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_open(postings, &scan);

    *rows = 0;
    if (status == MN_OK) status = mn_posting_scan_seek(&scan, list->prefix, &list->number);
    while (status == MN_OK && *rows < enough) {
        status = mn_posting_scan_next(&scan, &chunk, &found);
        if (status != MN_OK || !found) break;
        *rows += chunk.count;
    }
    mn_posting_scan_close(&scan);
    return status;
}

enum mn_status mn_posting_list_chunks(const struct mn_postings *postings,
                                      const struct mn_list *list, uint64_t *chunks)
{
    struct mn_buf key = {0};
    uint64_t below = 0;
    enum mn_status status = mn_posting_list_key(list, &key);

    *chunks = 0;
    if (status == MN_OK) {
        status =
            mn_tree_rank(postings->view, postings->tree, mn_bytes_of(key.data, key.len), &below);
    }
    if (status == MN_OK && mn_key_successor(&key)) {
        status =
            mn_tree_rank(postings->view, postings->tree, mn_bytes_of(key.data, key.len), chunks);
    } else if (status == MN_OK) {
        status = mn_tree_count(postings->view, postings->tree, chunks);
    }
    *chunks -= below;
    mn_buf_release(&key);
    return status;
}

enum mn_status mn_posting_list_drop(const struct mn_postings *postings, const struct mn_list *list)
{
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    struct mn_buf key = {0};
    bool found = true;
    enum mn_status status = mn_posting_scan_open(postings, &scan);

    while (status == MN_OK) {
        status = mn_posting_scan_seek(&scan, list->prefix, &list->number);
        if (status == MN_OK) status = mn_posting_scan_next(&scan, &chunk, &found);
        if (status != MN_OK || !found) break;
        key.len = 0;
        status = mn_buf_append(&key, chunk.key.data, chunk.key.len);
        if (status == MN_OK) {
            status = mn_tree_delete(postings->view, postings->tree, mn_bytes_of(key.data, key.len),
                                    NULL);
        }
    }
    mn_buf_release(&key);
    mn_posting_scan_close(&scan);
    return status;
}

/* ---- writing lists ---- */

enum mn_status mn_list_writer_begin(struct mn_list_writer *writer,
                                    const struct mn_postings *postings, struct mn_bulk *bulk)
{
    *writer = (struct mn_list_writer){.postings = postings, .bulk = bulk};
    writer->image = mn_alloc_aligned(mn_image_bytes(postings));
    if (!writer->image) return mn_fail_nomem();
    memset(writer->image, 0, mn_image_bytes(postings));
    return MN_OK;
}

void mn_list_writer_release(struct mn_list_writer *writer)
{
    mn_release_aligned(writer->image);
    mn_buf_release(&writer->key);
}

/* Writes the rows of the image from `from` to `to` as a chunk: whole groups, or the last. */
static enum mn_status writer_chunk(struct mn_list_writer *writer, uint32_t from, uint32_t to)
{
    const struct mn_postings *postings = writer->postings;
    struct mn_chunk all = mn_image_chunk(postings, writer->image, writer->count);
    int64_t bound = writer->first ? INT64_MIN : mn_chunk_row(&all, from);
    enum mn_status status = mn_posting_row_key(&writer->key, writer->key_list_bytes, bound);

    if (status != MN_OK) return status;
    writer->first = false;
    return mn_image_write(postings, writer->bulk, mn_bytes_of(writer->key.data, writer->key.len),
                          writer->image + from / MN_CODE_GROUP * all.groups.stride, to - from);
}

static void writer_empty(struct mn_list_writer *writer)
{
    memset(writer->image, 0, mn_image_bytes(writer->postings));
    writer->count = 0;
}

/* The last chunk of a list gets its tail at once: else the next rows would write all its pages. */
enum mn_status mn_list_writer_end(struct mn_list_writer *writer)
{
    uint32_t count = writer->count, keeps = mn_chunk_keeps(writer->postings, count);
    enum mn_status status = count ? writer_chunk(writer, 0, keeps) : MN_OK;

    if (status == MN_OK && keeps < count) status = writer_chunk(writer, keeps, count);
    writer_empty(writer);
    return status;
}

enum mn_status mn_list_writer_list(struct mn_list_writer *writer, const struct mn_list *list)
{
    enum mn_status status = mn_list_writer_end(writer);

    if (status == MN_OK) status = mn_posting_list_key(list, &writer->key);
    writer->key_list_bytes = writer->key.len;
    writer->first = true;
    return status;
}

enum mn_status mn_list_writer_add(struct mn_list_writer *writer, const struct mn_posting *row)
{
    enum mn_status status = MN_OK;

    if (writer->count == writer->postings->rows_max) {
        status = writer_chunk(writer, 0, writer->count);
        writer_empty(writer);
    }
    if (status == MN_OK) mn_image_set(writer->postings, writer->image, writer->count++, row);
    return status;
}
