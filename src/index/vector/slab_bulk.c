/*
 * slab_bulk: vectors that come in row id order, above all that are there: full slabs, one after
 * another, each written once.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "index/vector/distance.h"
#include "index/vector/slab_node.h"

struct mn_slab_bulk {
    struct mn_slabs slabs;
    bool any; /* a vector is in the tree or in hand: `last` is the highest row id */
    int64_t last;
    uint8_t key[MN_SLAB_KEY_BYTES]; /* of the slab in hand */
    size_t count;
    size_t list_bytes; /* of the ids in hand, were they not consecutive */
    int64_t ids[MN_SLAB_ROWS];
    uint8_t *vectors; /* mn_slabs_rows_max of them, a stride apart */
};

/* Learns the highest row id of the tree. */
static enum mn_status bulk_find_end(struct mn_slab_bulk *bulk)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    bool found = false;
    enum mn_status status = mn_cursor_open(bulk->slabs.view, bulk->slabs.tree, &cursor);

    if (status != MN_OK) return status;
    status = mn_cursor_last(cursor, &found);
    if (status == MN_OK && found) {
        struct mn_slab *slab = mn_alloc(sizeof *slab);

        status = slab ? mn_cursor_item(cursor, &item) : mn_fail_nomem();
        if (status == MN_OK) status = mn_slab_read(&bulk->slabs, &item, slab);
        if (status == MN_OK) bulk->last = mn_slab_id(slab, slab->count - 1);
        mn_dealloc(slab);
    }
    bulk->any = found;
    mn_cursor_close(cursor);
    return status;
}

enum mn_status mn_slab_bulk_begin(const struct mn_slabs *slabs, struct mn_slab_bulk **out)
{
    struct mn_slab_bulk *bulk = mn_zalloc(sizeof *bulk);

    *out = NULL;
    if (!bulk) return mn_fail_nomem();
    bulk->slabs = *slabs;
    bulk->vectors = mn_alloc_aligned(mn_slabs_rows_max(slabs) * mn_slabs_stride_bytes(slabs));
    enum mn_status status = bulk->vectors ? bulk_find_end(bulk) : mn_fail_nomem();
    if (status != MN_OK)
        mn_slab_bulk_abort(bulk);
    else
        *out = bulk;
    return status;
}

static enum mn_status bulk_flush(struct mn_slab_bulk *bulk)
{
    uint8_t bytes[MN_SLAB_INLINE_BYTES], *run;
    size_t used = bulk->count * mn_slabs_stride_bytes(&bulk->slabs);
    size_t run_bytes = mn_slabs_run_bytes(&bulk->slabs, bulk->count);

    if (bulk->count == 0) return MN_OK;
    struct mn_bytes value = {bytes, mn_slab_encode(bulk->ids, bulk->count, bytes)};
    enum mn_status status = mn_tree_put_run(bulk->slabs.view, bulk->slabs.tree,
                                            mn_slab_key(bulk->key), value, run_bytes, &run);
    if (status != MN_OK) return status;
    memcpy(run, bulk->vectors, used);
    memset(run + used, 0, run_bytes - used);
    bulk->count = 0;
    return MN_OK;
}

/* Whether the slab in hand may take row_id too; *list_bytes is what its list would then need. */
static bool bulk_has_room(const struct mn_slab_bulk *bulk, int64_t row_id, size_t *list_bytes)
{
    uint8_t varint[MN_VARINT_BYTES];
    uint64_t span = (uint64_t)row_id - (uint64_t)bulk->ids[0];

    *list_bytes =
        bulk->list_bytes + mn_put_varint(varint, (uint64_t)row_id - (uint64_t)bulk->last - 1);
    if (bulk->count == mn_slabs_rows_max(&bulk->slabs)) return false;
    return span == bulk->count || *list_bytes <= mn_slabs_inline_max(&bulk->slabs);
}

enum mn_status mn_slab_bulk_add(struct mn_slab_bulk *bulk, int64_t row_id, const float *vector)
{
    size_t stride = mn_slabs_stride_bytes(&bulk->slabs);
    size_t size = bulk->slabs.dims * sizeof(float), list_bytes = 0;
    enum mn_status status = bulk->slabs.bits ? MN_OK : mn_vector_check(vector, bulk->slabs.dims);

    if (status != MN_OK) return status;
    if (bulk->any && row_id <= bulk->last) {
        return mn_fail(MN_MISUSE, "a bulk load of vectors needs ascending row ids");
    }
    if (bulk->count > 0 && !bulk_has_room(bulk, row_id, &list_bytes)) {
        status = bulk_flush(bulk);
        if (status != MN_OK) return status;
    }
    if (bulk->count == 0) {
        mn_slab_key_write(bulk->key, bulk->any ? row_id : INT64_MIN);
        list_bytes = MN_SLAB_HEAD_BYTES;
    }
    bulk->list_bytes = list_bytes;
    bulk->ids[bulk->count] = bulk->last = row_id;
    bulk->any = true;
    uint8_t *at = bulk->vectors + bulk->count++ * stride;
    memcpy(at, vector, size);
    memset(at + size, 0, stride - size);
    return MN_OK;
}

enum mn_status mn_slab_bulk_end(struct mn_slab_bulk *bulk)
{
    enum mn_status status = bulk_flush(bulk);

    mn_slab_bulk_abort(bulk);
    return status;
}

void mn_slab_bulk_abort(struct mn_slab_bulk *bulk)
{
    if (!bulk) return;
    mn_release_aligned(bulk->vectors);
    mn_dealloc(bulk);
}
