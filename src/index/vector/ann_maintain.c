/*
 * ann_maintain: lists are packed again.
 *
 * Statements keep clusters at their sizes, so that nothing is owed; what they leave are chunks that
 * are partly full, for a change touches one chunk and joins it only with the next. Here every list
 * whose rows fit fewer chunks is written anew, full ones. Rows stay in their lists, and answers as
 * they are.
 */
#include <string.h>

#include "base/alloc.h"
#include "index/vector/ann_inside.h"

/* The list that a walk over all chunks is in. */
struct walk {
    const struct mn_ann *ann;
    struct mn_buf prefix;
    uint32_t number;
    uint64_t chunks, rows, pages;
    uint64_t packed; /* lists, so far */
};

static enum mn_status list_write(const struct mn_ann *ann, const struct mn_list *list,
                                 const struct mn_list_rows *rows)
{
    struct mn_list_writer writer;
    enum mn_status status = mn_list_writer_begin(&writer, &ann->postings, NULL);

    if (status == MN_OK) status = mn_list_writer_list(&writer, list);
    for (size_t i = 0; i < rows->count && status == MN_OK; i++) {
        struct mn_posting row = mn_list_rows_get(ann, rows, i);

        status = mn_list_writer_add(&writer, &row);
    }
    if (status == MN_OK) status = mn_list_writer_end(&writer);
    mn_list_writer_release(&writer);
    return status;
}

/* Fewer chunks would do: of one more that is a tail, and costs no page, nothing is saved. */
static bool walk_is_loose(const struct walk *walk)
{
    const struct mn_postings *postings = &walk->ann->postings;
    uint64_t full = walk->rows / postings->rows_max;
    uint32_t rest = (uint32_t)(walk->rows % postings->rows_max);
    uint64_t chunks = full + (rest != 0), tail = mn_chunk_keeps(postings, rest) < rest;
    uint64_t pages =
        full * mn_chunk_pages(postings, postings->rows_max) + mn_chunk_pages(postings, rest);

    return walk->chunks > chunks && (walk->chunks > chunks + tail || walk->pages > pages);
}

/* Writes the list anew where that saves something. */
static enum mn_status list_pack(const struct walk *walk, uint64_t *packed)
{
    const struct mn_ann *ann = walk->ann;
    struct mn_list list = {mn_bytes_of(walk->prefix.data, walk->prefix.len), walk->number};
    struct mn_list_rows rows;

    if (!walk_is_loose(walk)) return MN_OK;
    enum mn_status status = mn_list_rows_read(ann, &list, false, &rows);
    if (status != MN_OK) return status;
    status = mn_posting_list_drop(&ann->postings, &list);
    if (status == MN_OK) status = list_write(ann, &list, &rows);
    mn_list_rows_release(&rows);
    ++*packed;
    return status;
}

/* The walk comes to a chunk of another list. */
static enum mn_status walk_turn(struct walk *walk, struct mn_bytes prefix,
                                const struct mn_chunk *chunk)
{
    walk->prefix.len = 0;
    walk->number = chunk->list;
    walk->chunks = walk->rows = walk->pages = 0;
    return mn_buf_append(&walk->prefix, prefix.data, prefix.len);
}

static bool walk_is_in(const struct walk *walk, struct mn_bytes prefix,
                       const struct mn_chunk *chunk)
{
    return walk->chunks > 0 && walk->number == chunk->list && walk->prefix.len == prefix.len &&
           (prefix.len == 0 || memcmp(walk->prefix.data, prefix.data, prefix.len) == 0);
}

/* Adds a chunk; the first of another list packs the one before, whose keys all lie below it. */
static enum mn_status walk_add(void *context, const struct mn_chunk *chunk)
{
    struct walk *walk = context;
    size_t behind = sizeof chunk->list + MN_ROW_ID_BYTES;
    struct mn_bytes prefix = mn_bytes_of(chunk->key.data, chunk->key.len - behind);
    uint32_t count = chunk->count;
    enum mn_status status = MN_OK;

    if (!walk_is_in(walk, prefix, chunk)) {
        struct walk before = *walk;

        walk->prefix = (struct mn_buf){0};
        status = walk_turn(walk, prefix, chunk);
        if (status == MN_OK && before.chunks > 0 && before.number != MN_LIST_CENTROIDS) {
            status = list_pack(&before, &walk->packed);
        }
        mn_buf_release(&before.prefix);
    }
    walk->chunks++;
    walk->rows += count;
    walk->pages += mn_chunk_pages(&walk->ann->postings, count);
    return status;
}

enum mn_status mn_ann_maintain(const struct mn_ann *ann, const struct mn_watch *watch,
                               uint64_t *packed)
{
    struct walk walk = {.ann = ann};
    enum mn_status status = mn_ann_walk(ann, watch, walk_add, &walk);

    if (status == MN_OK && walk.chunks > 0 && walk.number != MN_LIST_CENTROIDS) {
        status = list_pack(&walk, &walk.packed);
    }
    *packed = walk.packed;
    mn_buf_release(&walk.prefix);
    return status;
}
