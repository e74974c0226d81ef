/*
 * place: blocks of 128 rows. A block is read into an array, changed there and written anew.
 */
#include "index/vector/place.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "catalog/key.h"

enum { ROWS = 128, ROWS_SHIFT = 7, BITS_BYTES = ROWS / 8, VALUE_MAX = BITS_BYTES + 4 * ROWS };

struct block {
    uint32_t clusters[ROWS]; /* 0: none */
};

static size_t block_encode(const struct block *block, uint8_t value[VALUE_MAX])
{
    size_t length = BITS_BYTES;

    memset(value, 0, BITS_BYTES);
    for (uint32_t i = 0; i < ROWS; i++) {
        if (!block->clusters[i]) continue;
        value[i / 8] |= (uint8_t)(1u << i % 8);
        mn_put_u32(value + length, block->clusters[i]);
        length += sizeof(uint32_t);
    }
    return length;
}

static enum mn_status block_decode(struct mn_bytes value, struct block *block)
{
    size_t at = BITS_BYTES;

    memset(block, 0, sizeof *block);
    for (uint32_t i = 0; i < ROWS && value.len >= BITS_BYTES; i++) {
        if (!(value.data[i / 8] >> i % 8 & 1)) continue;
        if (at + sizeof(uint32_t) > value.len) break;
        block->clusters[i] = mn_get_u32(value.data + at);
        at += sizeof(uint32_t);
        if (block->clusters[i] == 0) break;
    }
    if (at == value.len && at > BITS_BYTES) return MN_OK;
    return mn_fail(MN_CORRUPT, "a block of places of a vector index is damaged");
}

static enum mn_status block_get(const struct mn_places *places, int64_t number, struct block *block,
                                bool *found)
{
    uint8_t key[MN_ROW_ID_BYTES];
    struct mn_bytes value;
    enum mn_status status;

    memset(block, 0, sizeof *block);
    mn_row_id_put(key, number);
    status = mn_tree_get(places->view, places->tree, mn_bytes_of(key, sizeof key), &value, found);
    return status == MN_OK && *found ? block_decode(value, block) : status;
}

static int64_t block_of(int64_t row_id)
{
    return row_id >> ROWS_SHIFT;
}

enum mn_status mn_place_get(const struct mn_places *places, int64_t row_id, uint32_t *cluster)
{
    struct block block;
    bool found;
    enum mn_status status = block_get(places, block_of(row_id), &block, &found);

    *cluster = status == MN_OK ? block.clusters[row_id & (ROWS - 1)] : 0;
    return status;
}

enum mn_status mn_place_put(const struct mn_places *places, int64_t row_id, uint32_t cluster)
{
    struct block block;
    uint8_t key[MN_ROW_ID_BYTES], value[VALUE_MAX];
    struct mn_bytes key_bytes = {key, sizeof key};
    bool found;
    enum mn_status status = block_get(places, block_of(row_id), &block, &found);

    if (status != MN_OK) return status;
    block.clusters[row_id & (ROWS - 1)] = cluster;
    mn_row_id_put(key, block_of(row_id));
    size_t length = block_encode(&block, value);
    if (length == BITS_BYTES) return mn_tree_delete(places->view, places->tree, key_bytes, NULL);
    return mn_tree_put(places->view, places->tree, key_bytes, mn_bytes_of(value, length),
                       MN_PUT_UPSERT);
}

/* ---- many ---- */

void mn_place_writer_begin(struct mn_place_writer *writer, const struct mn_places *places,
                           struct mn_bulk *bulk)
{
    *writer = (struct mn_place_writer){.places = places, .bulk = bulk};
}

enum mn_status mn_place_writer_end(struct mn_place_writer *writer)
{
    struct block block = {{0}};
    uint8_t key[MN_ROW_ID_BYTES], value[VALUE_MAX];
    bool found;

    if (!writer->any) return MN_OK;
    if (!writer->bulk) {
        enum mn_status status = block_get(writer->places, writer->block, &block, &found);
        if (status != MN_OK) return status;
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        if (writer->clusters[i]) block.clusters[i] = writer->clusters[i];
    }
    memset(writer->clusters, 0, sizeof writer->clusters);
    writer->any = false;
    mn_row_id_put(key, writer->block);
    struct mn_bytes bytes = {value, block_encode(&block, value)};
    if (writer->bulk) return mn_bulk_add(writer->bulk, mn_bytes_of(key, sizeof key), bytes);
    return mn_tree_put(writer->places->view, writer->places->tree, mn_bytes_of(key, sizeof key),
                       bytes, MN_PUT_UPSERT);
}

enum mn_status mn_place_writer_add(struct mn_place_writer *writer, int64_t row_id, uint32_t cluster)
{
    enum mn_status status = MN_OK;

    if (writer->any && writer->block != block_of(row_id)) status = mn_place_writer_end(writer);
    writer->block = block_of(row_id);
    writer->any = true;
    writer->clusters[row_id & (ROWS - 1)] = cluster;
    return status;
}

enum mn_status mn_place_each(const struct mn_places *places,
                             enum mn_status (*each)(void *context, int64_t row_id,
                                                    uint32_t cluster),
                             void *context)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    struct block block;
    bool found;
    enum mn_status status = mn_cursor_open(places->view, places->tree, &cursor);

    if (status != MN_OK) return status;
    status = mn_cursor_first(cursor, &found);
    while (status == MN_OK && found) {
        status = mn_cursor_item(cursor, &item);
        if (status == MN_OK && item.key.len != MN_ROW_ID_BYTES) {
            status = mn_fail(MN_CORRUPT, "a block of places of a vector index is damaged");
        }
        /* where pages are small the value is a run */
        if (status == MN_OK) status = block_decode(item.run.len ? item.run : item.value, &block);
        for (uint32_t i = 0; status == MN_OK && i < ROWS; i++) {
            int64_t first = mn_row_id_get(item.key.data) * ROWS;

            if (block.clusters[i]) status = each(context, first + i, block.clusters[i]);
        }
        if (status == MN_OK) status = mn_cursor_next(cursor, &found);
    }
    mn_cursor_close(cursor);
    return status;
}
