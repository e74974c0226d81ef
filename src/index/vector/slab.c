/*
 * slab: reading vectors by row id, one or many.
 */
#include "index/vector/slab.h"

#include "base/alloc.h"
#include "index/vector/distance.h"
#include "index/vector/slab_node.h"

enum mn_status mn_slab_create(struct mn_view *view, uint64_t *tree)
{
    return mn_tree_create(view, tree);
}

enum mn_status mn_slab_get(const struct mn_slabs *slabs, int64_t row_id, const float **vector)
{
    struct mn_slab_scan *scan;
    enum mn_status status = mn_slab_scan_open(slabs, &scan);

    *vector = NULL;
    if (status == MN_OK) status = mn_slab_scan_gather(scan, &row_id, 1, vector);
    mn_slab_scan_close(scan);
    return status;
}

struct mn_slab_scan {
    struct mn_slabs slabs;
    struct mn_cursor *cursor;
    bool placed;         /* the cursor stands at the slab that comes next */
    bool held;           /* `slab` is the one where the cursor stands or stood */
    struct mn_slab slab; /* the last one given, or searched */
};

enum mn_status mn_slab_scan_open(const struct mn_slabs *slabs, struct mn_slab_scan **scan)
{
    struct mn_slab_scan *s = mn_alloc(sizeof *s);

    *scan = NULL;
    if (!s) return mn_fail_nomem();
    s->slabs = *slabs;
    s->cursor = NULL;
    s->placed = s->held = false;
    enum mn_status status = mn_cursor_open(slabs->view, slabs->tree, &s->cursor);
    if (status != MN_OK)
        mn_dealloc(s);
    else
        *scan = s;
    return status;
}

void mn_slab_scan_close(struct mn_slab_scan *scan)
{
    if (!scan) return;
    mn_cursor_close(scan->cursor);
    mn_dealloc(scan);
}

enum mn_status mn_slab_scan_seek(struct mn_slab_scan *scan, int64_t row_id)
{
    uint8_t key[MN_SLAB_KEY_BYTES];

    mn_slab_key_write(key, row_id);
    scan->held = false;
    return mn_cursor_seek(scan->cursor, mn_slab_key(key), MN_SEEK_LE, &scan->placed);
}

enum mn_status mn_slab_scan_next(struct mn_slab_scan *scan, struct mn_slab_block *block,
                                 bool *found)
{
    enum mn_status status = MN_OK;
    struct mn_item item;

    *found = scan->placed;
    if (!scan->placed) {
        status =
            scan->held ? mn_cursor_next(scan->cursor, found) : mn_cursor_first(scan->cursor, found);
    }
    scan->placed = false;
    if (status != MN_OK || !*found) return status;
    scan->held = true;
    status = mn_cursor_item(scan->cursor, &item);
    if (status == MN_OK) status = mn_slab_read(&scan->slabs, &item, &scan->slab);
    if (status != MN_OK) return status;
    *block = (struct mn_slab_block){
        .first = scan->slab.ids[0],
        .rows = scan->slab.consecutive ? NULL : scan->slab.ids,
        .base = mn_slab_vector(&scan->slabs, &scan->slab, 0),
        .stride = mn_slab_stride(scan->slabs.dims),
        .count = scan->slab.count,
    };
    return MN_OK;
}

static bool slab_spans(const struct mn_slab *slab, int64_t row_id)
{
    return slab->ids[0] <= row_id && row_id <= mn_slab_id(slab, slab->count - 1);
}

/* While the next slab is looked for, the begin of this vector is on its way. */
static inline const float *vector_want(const float *vector)
{
    enum { LINES = 6, LINE_FLOATS = 16 };

    for (size_t i = 0; i < LINES; i++) __builtin_prefetch(vector + i * LINE_FLOATS, 0, 3);
    return vector;
}

/* Of a slab without gaps: the first rows of the list that lie in it one behind the other. */
static size_t stretch_take(const struct mn_slab_scan *scan, const int64_t *row_ids, size_t count,
                           const float **vectors)
{
    const struct mn_slab *slab = &scan->slab;
    uint64_t at = (uint64_t)row_ids[0] - (uint64_t)slab->ids[0];
    size_t room = slab->count - (size_t)at, stride = mn_slab_stride(scan->slabs.dims), n = 1;
    const float *vector = mn_slab_vector(&scan->slabs, slab, (size_t)at);

    if (room > count) room = count;
    vectors[0] = vector_want(vector);
    for (; n < room && row_ids[n] == row_ids[0] + (int64_t)n; n++) vectors[n] = vector += stride;
    return n;
}

enum mn_status mn_slab_scan_gather(struct mn_slab_scan *scan, const int64_t *row_ids, size_t count,
                                   const float **vectors)
{
    const struct mn_slab *slab = &scan->slab;
    bool found = false;

    for (size_t i = 0; i < count;) {
        if (!found || !slab_spans(slab, row_ids[i])) {
            enum mn_status status =
                mn_slab_locate(&scan->slabs, scan->cursor, row_ids[i], &scan->slab, &found);
            if (status != MN_OK) return status;
        }
        if (found && slab->consecutive && slab_spans(slab, row_ids[i])) {
            i += stretch_take(scan, row_ids + i, count - i, vectors + i);
            continue;
        }
        size_t at = found ? mn_slab_position(slab, row_ids[i]) : 0;
        bool there = found && at < slab->count && mn_slab_id(slab, at) == row_ids[i];
        vectors[i++] = there ? vector_want(mn_slab_vector(&scan->slabs, slab, at)) : NULL;
    }
    scan->placed = scan->held = false;
    return MN_OK;
}

/* The bytes between vectors, and behind the last one. */
static bool padding_is_zero(const struct mn_slabs *slabs, const struct mn_slab *slab)
{
    size_t stride = mn_slabs_stride_bytes(slabs), used = slabs->dims * sizeof(float);

    for (size_t at = 0; at < slab->run_bytes; at++) {
        bool pad = at / stride >= slab->count || at % stride >= used;
        if (pad && slab->run[at]) return false;
    }
    return true;
}

enum mn_status mn_slab_check(const struct mn_slabs *slabs, uint64_t *vectors)
{
    struct mn_slab_scan *scan;
    struct mn_slab_block block;
    int64_t last = 0; /* read once there was a slab */
    bool found = true;

    *vectors = 0;
    enum mn_status status = mn_slab_scan_open(slabs, &scan);
    while (status == MN_OK && found) {
        status = mn_slab_scan_next(scan, &block, &found);
        if (status != MN_OK || !found) break;
        const struct mn_slab *slab = &scan->slab;
        if (*vectors && mn_slab_key_read(slab->key) <= last) {
            status = mn_slab_damaged(slab->key, "it begins before the one before it ends");
        } else if (!padding_is_zero(slabs, slab)) {
            status = mn_slab_damaged(slab->key, "bytes that belong to no vector are not zero");
        }
        for (size_t i = 0; i < block.count && status == MN_OK && !slabs->bits; i++) {
            status = mn_vector_check(block.base + i * block.stride, slabs->dims);
            if (status != MN_OK) status = mn_slab_damaged(slab->key, "a vector is not finite");
        }
        last = mn_slab_id(slab, slab->count - 1);
        *vectors += block.count;
    }
    mn_slab_scan_close(scan);
    return status;
}
