/*
 * slab_node: sizes, encoding and decoding.
 */
#include "index/vector/slab_node.h"

#include <inttypes.h>
#include <string.h>

enum {
    SLAB_BYTES = 16 * 1024, /* of vectors at the most, unless one alone is longer */
    STRIDE_ALIGN = 16
};

size_t mn_slab_stride(uint32_t dims)
{
    size_t bytes = dims * sizeof(float);

    return (bytes + STRIDE_ALIGN - 1) / STRIDE_ALIGN * (STRIDE_ALIGN / sizeof(float));
}

size_t mn_slabs_stride_bytes(const struct mn_slabs *slabs)
{
    return mn_slab_stride(slabs->dims) * sizeof(float);
}

/*
 * As many as fill their pages well, between half and all of what the format allows: a slab is
 * written and checked as a whole, so that small ones make small commits and quick first answers.
 */
size_t mn_slabs_rows_max(const struct mn_slabs *slabs)
{
    const double better = 1.03;
    size_t stride = mn_slabs_stride_bytes(slabs), page = mn_view_page_size(slabs->view);
    size_t best = 1;
    double best_fill = 0;

    for (size_t bytes = page; bytes <= SLAB_BYTES; bytes += page) {
        size_t rows = bytes / stride < MN_SLAB_ROWS ? bytes / stride : MN_SLAB_ROWS;
        double fill = (double)(rows * stride) / (double)bytes;

        if (bytes < SLAB_BYTES / 2 || fill <= best_fill * better) continue;
        best = rows;
        best_fill = fill;
    }
    if (page > SLAB_BYTES && SLAB_BYTES / stride > 1) best = SLAB_BYTES / stride;
    return best < MN_SLAB_ROWS ? best : MN_SLAB_ROWS;
}

/* An eighth of a page: four slabs a leaf at the worst, hundreds where ids are dense. */
size_t mn_slabs_inline_max(const struct mn_slabs *slabs)
{
    return MN_SLAB_HEAD_BYTES + mn_view_page_size(slabs->view) / 8;
}

size_t mn_slabs_run_bytes(const struct mn_slabs *slabs, size_t count)
{
    size_t page = mn_view_page_size(slabs->view);

    return (count * mn_slabs_stride_bytes(slabs) + page - 1) & ~(page - 1);
}

void mn_slab_key_write(uint8_t key[MN_SLAB_KEY_BYTES], int64_t row_id)
{
    mn_put_u64_be(key, (uint64_t)row_id ^ UINT64_C(1) << 63);
}

int64_t mn_slab_key_read(const uint8_t key[MN_SLAB_KEY_BYTES])
{
    return (int64_t)(mn_get_u64_be(key) ^ UINT64_C(1) << 63);
}

size_t mn_slab_encode(const int64_t *ids, size_t count, uint8_t *out)
{
    bool consecutive = (uint64_t)ids[count - 1] - (uint64_t)ids[0] == count - 1;
    size_t size = MN_SLAB_HEAD_BYTES;

    out[0] = consecutive;
    out[1] = 0;
    mn_put_u16(out + 2, (uint16_t)count);
    mn_put_u64(out + 4, (uint64_t)ids[0]);
    for (size_t i = 1; i < count && !consecutive; i++) {
        size += mn_put_varint(out + size, (uint64_t)ids[i] - (uint64_t)ids[i - 1] - 1);
    }
    return size;
}

enum mn_status mn_slab_damaged(const uint8_t key[MN_SLAB_KEY_BYTES], const char *what)
{
    return mn_fail(MN_CORRUPT, "slab of row %" PRId64 " on: %s", mn_slab_key_read(key), what);
}

/* Consecutive ids are not listed: the last must still be a row id. */
static enum mn_status ids_count_up(struct mn_slab *slab, struct mn_bytes value)
{
    uint64_t room = (uint64_t)INT64_MAX - (uint64_t)slab->ids[0];

    if (slab->count - 1 > room) return mn_slab_damaged(slab->key, "a row id overflows");
    if (value.len == MN_SLAB_HEAD_BYTES) return MN_OK;
    return mn_slab_damaged(slab->key, "the list of row ids is too long");
}

/* Decodes the ids behind the head; bytes from the disk are not trusted. */
static enum mn_status ids_decode(struct mn_slab *slab, struct mn_bytes value)
{
    const uint8_t *at = value.data + MN_SLAB_HEAD_BYTES, *end = value.data + value.len;

    if (slab->consecutive) return ids_count_up(slab, value);
    for (size_t i = 1; i < slab->count; i++) {
        uint64_t gap = 0, room = (uint64_t)INT64_MAX - (uint64_t)slab->ids[i - 1];
        size_t read = mn_get_varint(at, end, &gap);

        if (!read) return mn_slab_damaged(slab->key, "the list of row ids is cut short");
        if (gap >= room) return mn_slab_damaged(slab->key, "a row id overflows");
        at += read;
        slab->ids[i] = (int64_t)((uint64_t)slab->ids[i - 1] + gap + 1);
    }
    if (at != end) return mn_slab_damaged(slab->key, "the list of row ids is too long");
    return MN_OK;
}

enum mn_status mn_slab_read(const struct mn_slabs *slabs, const struct mn_item *item,
                            struct mn_slab *slab)
{
    if (item->key.len != MN_SLAB_KEY_BYTES)
        return mn_fail(MN_CORRUPT, "a slab's key is not a row id");
    memcpy(slab->key, item->key.data, MN_SLAB_KEY_BYTES);
    if (item->value.len < MN_SLAB_HEAD_BYTES)
        return mn_slab_damaged(slab->key, "the list has no head");
    slab->consecutive = item->value.data[0] == 1;
    slab->count = mn_get_u16(item->value.data + 2);
    slab->ids[0] = (int64_t)mn_get_u64(item->value.data + 4);
    slab->run = item->run.data;
    slab->run_bytes = item->run.len;
    if (item->value.data[0] > 1 || item->value.data[1]) {
        return mn_slab_damaged(slab->key, "an unknown kind of list");
    }
    if (slab->count < 1 || slab->count > MN_SLAB_ROWS ||
        (slab->count > 1 && slab->count * mn_slabs_stride_bytes(slabs) > SLAB_BYTES)) {
        return mn_slab_damaged(slab->key, "the count of vectors is out of bounds");
    }
    if (slab->run_bytes != mn_slabs_run_bytes(slabs, slab->count)) {
        return mn_slab_damaged(slab->key, "the run does not fit the count of vectors");
    }
    if (slab->ids[0] < mn_slab_key_read(slab->key))
        return mn_slab_damaged(slab->key, "a row id is too low");
    return ids_decode(slab, item->value);
}

const float *mn_slab_vector(const struct mn_slabs *slabs, const struct mn_slab *slab, size_t i)
{
    return (const float *)(const void *)(slab->run + i * mn_slabs_stride_bytes(slabs));
}

int64_t mn_slab_id(const struct mn_slab *slab, size_t i)
{
    return slab->consecutive ? (int64_t)((uint64_t)slab->ids[0] + i) : slab->ids[i];
}

void mn_slab_list(struct mn_slab *slab)
{
    for (size_t i = 1; slab->consecutive && i < slab->count; i++)
        slab->ids[i] = mn_slab_id(slab, i);
}

/* The first position whose id is not below row_id. */
size_t mn_slab_position(const struct mn_slab *slab, int64_t row_id)
{
    size_t low = 0, high = slab->count;

    if (slab->consecutive) {
        uint64_t ahead = (uint64_t)row_id - (uint64_t)slab->ids[0];

        if (row_id <= slab->ids[0]) return 0;
        return ahead < high ? (size_t)ahead : high;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (slab->ids[middle] < row_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The slab that holds row_id, or would; found is false where every key is above it. */
enum mn_status mn_slab_locate(const struct mn_slabs *slabs, struct mn_cursor *cursor,
                              int64_t row_id, struct mn_slab *slab, bool *found)
{
    uint8_t key[MN_SLAB_KEY_BYTES];
    struct mn_item item;

    mn_slab_key_write(key, row_id);
    enum mn_status status = mn_cursor_seek_near(cursor, mn_slab_key(key), found);
    if (status != MN_OK || !*found) return status;
    status = mn_cursor_item(cursor, &item);
    return status == MN_OK ? mn_slab_read(slabs, &item, slab) : status;
}
