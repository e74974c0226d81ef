/*
 * slab_write: one vector comes or goes.
 *
 * A slab that changes its size is written anew from a draft: a list of ids and pointers to their
 * vectors in copies of the old runs. A vector that is replaced, or added behind the last where the
 * run has room, is written in place of the run's private copy.
 *
 * Rows that come in order go to a tail: a slab of one page at the right end, so that a commit of
 * one row writes one page of vectors. With the last row that it holds a tail joins the slab before
 * it: done with the row behind that, the tail would be written once more.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "index/vector/distance.h"
#include "index/vector/slab_node.h"

/* Vectors from anywhere but the tree, that are to become one slab. */
struct draft {
    size_t count;
    int64_t ids[2 * MN_SLAB_ROWS];
    const float *vectors[2 * MN_SLAB_ROWS];
};

static bool draft_fits(const struct mn_slabs *slabs, const int64_t *ids, size_t count)
{
    uint8_t bytes[MN_SLAB_INLINE_BYTES];

    if (count > mn_slabs_rows_max(slabs)) return false;
    return mn_slab_encode(ids, count, bytes) <= mn_slabs_inline_max(slabs);
}

static enum mn_status slab_write(const struct mn_slabs *slabs, const uint8_t key[MN_SLAB_KEY_BYTES],
                                 const struct draft *draft, size_t begin, size_t end)
{
    uint8_t bytes[MN_SLAB_INLINE_BYTES], *run;
    size_t stride = mn_slabs_stride_bytes(slabs), vector_bytes = slabs->dims * sizeof(float);
    size_t run_bytes = mn_slabs_run_bytes(slabs, end - begin);

    MN_ASSERT(end > begin && end - begin <= MN_SLAB_ROWS);
    struct mn_bytes value = {bytes, mn_slab_encode(draft->ids + begin, end - begin, bytes)};
    enum mn_status status =
        mn_tree_put_run(slabs->view, slabs->tree, mn_slab_key(key), value, run_bytes, &run);
    if (status != MN_OK) return status;
    for (size_t i = begin; i < end; i++, run += stride, run_bytes -= stride) {
        memcpy(run, draft->vectors[i], vector_bytes);
        memset(run + vector_bytes, 0, stride - vector_bytes);
    }
    memset(run, 0, run_bytes);
    return MN_OK;
}

static void draft_add(const struct mn_slabs *slabs, struct draft *draft, const struct mn_slab *slab,
                      const uint8_t *copy)
{
    for (size_t i = 0; i < slab->count; i++) {
        size_t at = i * mn_slabs_stride_bytes(slabs);

        draft->ids[draft->count] = slab->ids[i];
        draft->vectors[draft->count++] = (const float *)(const void *)(copy + at);
    }
}

static void draft_insert(struct draft *draft, size_t position, int64_t row_id, const float *vector)
{
    size_t behind = draft->count++ - position;

    memmove(draft->ids + position + 1, draft->ids + position, behind * sizeof *draft->ids);
    memmove(draft->vectors + position + 1, draft->vectors + position,
            behind * sizeof *draft->vectors);
    draft->ids[position] = row_id;
    draft->vectors[position] = vector;
}

static void draft_remove(struct draft *draft, size_t position)
{
    size_t behind = --draft->count - position;

    memmove(draft->ids + position, draft->ids + position + 1, behind * sizeof *draft->ids);
    memmove(draft->vectors + position, draft->vectors + position + 1,
            behind * sizeof *draft->vectors);
}

/* Writes a draft that is too much for one slab as two, the first under the key it had. */
static enum mn_status draft_split(const struct mn_slabs *slabs,
                                  const uint8_t key[MN_SLAB_KEY_BYTES], const struct draft *draft,
                                  size_t left)
{
    uint8_t right_key[MN_SLAB_KEY_BYTES];

    mn_slab_key_write(right_key, draft->ids[left]);
    enum mn_status status = slab_write(slabs, right_key, draft, left, draft->count);
    return status == MN_OK ? slab_write(slabs, key, draft, 0, left) : status;
}

/* Room to change one slab or to join two: the old vectors must outlive the writing of the new. */
struct workshop {
    struct mn_cursor *cursor;
    struct mn_slab slab, other;
    struct draft draft;
    uint8_t *copy, *other_copy;
};

static void workshop_release(struct workshop *w)
{
    if (!w) return;
    mn_cursor_close(w->cursor);
    mn_release_aligned(w->copy);
    mn_release_aligned(w->other_copy);
    mn_dealloc(w);
}

static enum mn_status workshop_open(const struct mn_slabs *slabs, struct workshop **out)
{
    struct workshop *w = mn_alloc(sizeof *w);

    *out = NULL;
    if (!w) return mn_fail_nomem();
    w->cursor = NULL;
    w->copy = w->other_copy = NULL;
    w->draft.count = 0;
    enum mn_status status = mn_cursor_open(slabs->view, slabs->tree, &w->cursor);
    if (status != MN_OK)
        workshop_release(w);
    else
        *out = w;
    return status;
}

static enum mn_status slab_copy(const struct mn_slab *slab, uint8_t **copy)
{
    *copy = mn_alloc_aligned(slab->run_bytes);
    if (!*copy) return mn_fail_nomem();
    memcpy(*copy, slab->run, slab->run_bytes);
    return MN_OK;
}

/* A vector in place of the one at `position`, or behind the last, where the run stays as it is. */
static enum mn_status slab_overwrite(const struct mn_slabs *slabs, struct mn_slab *slab,
                                     size_t position, const float *vector)
{
    uint8_t bytes[MN_SLAB_INLINE_BYTES], *run;
    struct mn_bytes value = {bytes, mn_slab_encode(slab->ids, slab->count, bytes)};
    enum mn_status status = mn_tree_put_run(slabs->view, slabs->tree, mn_slab_key(slab->key), value,
                                            slab->run_bytes, &run);
    if (status != MN_OK) return status;
    memcpy(run + position * mn_slabs_stride_bytes(slabs), vector, slabs->dims * sizeof(float));
    return MN_OK;
}

/* Whether both fit one slab of at most `most` rows. */
static bool slabs_fit(const struct mn_slabs *slabs, const struct mn_slab *left,
                      const struct mn_slab *right, size_t most)
{
    int64_t ids[2 * MN_SLAB_ROWS];
    size_t both = left->count + right->count;

    if (both > most) return false;
    memcpy(ids, left->ids, left->count * sizeof *ids);
    memcpy(ids + left->count, right->ids, right->count * sizeof *ids);
    return draft_fits(slabs, ids, both);
}

/* Writes both slabs under the left one's key; the right one goes. */
static enum mn_status slabs_join(const struct mn_slabs *slabs, struct workshop *w,
                                 const struct mn_slab *left, const struct mn_slab *right)
{
    enum mn_status status = slab_copy(left, &w->copy);

    if (status == MN_OK) status = slab_copy(right, &w->other_copy);
    if (status != MN_OK) return status;
    w->draft.count = 0;
    draft_add(slabs, &w->draft, left, w->copy);
    draft_add(slabs, &w->draft, right, w->other_copy);
    status = mn_tree_delete(slabs->view, slabs->tree, mn_slab_key(right->key), NULL);
    return status == MN_OK ? slab_write(slabs, left->key, &w->draft, 0, w->draft.count) : status;
}

/* Reads the slab before w->slab, beside which the cursor may stand anywhere. */
static enum mn_status slab_before(const struct mn_slabs *slabs, struct workshop *w, bool *found)
{
    struct mn_item item;
    enum mn_status status = mn_cursor_seek(w->cursor, mn_slab_key(w->slab.key), MN_SEEK_LT, found);

    if (status == MN_OK && *found) status = mn_cursor_item(w->cursor, &item);
    if (status == MN_OK && *found) status = mn_slab_read(slabs, &item, &w->other);
    if (status == MN_OK && *found) mn_slab_list(&w->other);
    return status;
}

/*
 * How many rows a tail holds: as many as fit a page, of which it takes a few, or joining them would
 * write more than the tail saves. 0: no tails.
 */
static size_t tail_rows(const struct mn_slabs *slabs)
{
    enum { ROWS_LEAST = 6 };
    size_t rows = mn_view_page_size(slabs->view) / mn_slabs_stride_bytes(slabs);

    return rows < ROWS_LEAST || rows >= mn_slabs_rows_max(slabs) ? 0 : rows;
}

/* A slab of one row behind the last one, w->slab. */
static enum mn_status tail_begin(const struct mn_slabs *slabs, struct workshop *w, int64_t row_id,
                                 const float *vector)
{
    uint8_t key[MN_SLAB_KEY_BYTES];

    w->draft.count = 0;
    draft_insert(&w->draft, 0, row_id, vector);
    mn_slab_key_write(key, row_id);
    return slab_write(slabs, key, &w->draft, 0, 1);
}

/* The last slab, w->slab, is a full tail. */
static enum mn_status tail_join(const struct mn_slabs *slabs, struct workshop *w)
{
    bool found;
    enum mn_status status = slab_before(slabs, w, &found);

    if (status != MN_OK || !found) return status;
    if (!slabs_fit(slabs, &w->other, &w->slab, mn_slabs_rows_max(slabs))) return MN_OK;
    return slabs_join(slabs, w, &w->other, &w->slab);
}

/* The last row of a tail has come. */
static enum mn_status tail_end(const struct mn_slabs *slabs, struct workshop *w, int64_t row_id)
{
    bool found;
    enum mn_status status = mn_slab_locate(slabs, w->cursor, row_id, &w->slab, &found);

    if (status != MN_OK || !found) return status;
    mn_slab_list(&w->slab);
    return tail_join(slabs, w);
}

static bool cursor_is_last(struct mn_cursor *cursor, enum mn_status *status)
{
    bool found = false;

    *status = mn_cursor_next(cursor, &found);
    return *status == MN_OK && !found;
}

static enum mn_status row_insert(const struct mn_slabs *slabs, struct workshop *w, int64_t row_id,
                                 const float *vector)
{
    struct mn_slab *slab = &w->slab;
    size_t position = mn_slab_position(slab, row_id);
    enum mn_status status = MN_OK;

    if (position < slab->count && slab->ids[position] == row_id) {
        return slab_overwrite(slabs, slab, position, vector);
    }
    if (position == slab->count) {
        size_t tail = tail_rows(slabs);

        slab->ids[slab->count] = row_id;
        if (!draft_fits(slabs, slab->ids, slab->count + 1)) {
            if (cursor_is_last(w->cursor, &status)) return tail_begin(slabs, w, row_id, vector);
        } else if (mn_slabs_run_bytes(slabs, slab->count + 1) == slab->run_bytes) {
            bool ends = ++slab->count == tail && cursor_is_last(w->cursor, &status);

            if (status == MN_OK) status = slab_overwrite(slabs, slab, position, vector);
            return status == MN_OK && ends ? tail_end(slabs, w, row_id) : status;
        } else if (tail && slab->count >= tail && cursor_is_last(w->cursor, &status)) {
            status = tail_join(slabs, w);
            return status == MN_OK ? tail_begin(slabs, w, row_id, vector) : status;
        }
        if (status != MN_OK) return status;
    }
    status = slab_copy(slab, &w->copy);
    if (status != MN_OK) return status;
    draft_add(slabs, &w->draft, slab, w->copy);
    draft_insert(&w->draft, position, row_id, vector);
    if (!draft_fits(slabs, w->draft.ids, w->draft.count)) {
        return draft_split(slabs, slab->key, &w->draft, w->draft.count / 2);
    }
    return slab_write(slabs, slab->key, &w->draft, 0, w->draft.count);
}

enum mn_status mn_slab_put(const struct mn_slabs *slabs, int64_t row_id, const float *vector)
{
    struct workshop *w;
    bool found;

    MN_ASSERT(slabs->dims >= 1 && slabs->dims <= MN_VECTOR_DIMS_MAX);
    enum mn_status status = slabs->bits ? MN_OK : mn_vector_check(vector, slabs->dims);
    if (status == MN_OK) status = workshop_open(slabs, &w);
    if (status != MN_OK) return status;
    status = mn_slab_locate(slabs, w->cursor, row_id, &w->slab, &found);
    if (status == MN_OK && found) {
        mn_slab_list(&w->slab);
        status = row_insert(slabs, w, row_id, vector);
    } else if (status == MN_OK) {
        uint8_t least[MN_SLAB_KEY_BYTES] = {0};

        draft_insert(&w->draft, 0, row_id, vector);
        status = slab_write(slabs, least, &w->draft, 0, 1);
    }
    workshop_release(w);
    return status;
}

static bool slab_is_poor(const struct mn_slabs *slabs, size_t count)
{
    return count <= mn_slabs_rows_max(slabs) / 4;
}

/* Reads the slab behind w->slab, where the cursor stands. */
static enum mn_status slab_behind(const struct mn_slabs *slabs, struct workshop *w, bool *found)
{
    struct mn_item item;
    enum mn_status status = mn_cursor_next(w->cursor, found);

    if (status == MN_OK && *found) status = mn_cursor_item(w->cursor, &item);
    if (status == MN_OK && *found) status = mn_slab_read(slabs, &item, &w->other);
    if (status == MN_OK && *found) mn_slab_list(&w->other);
    return status;
}

/* After a delete that left w->slab poor: joins it to a neighbour, if one has room. */
static enum mn_status slab_merge(const struct mn_slabs *slabs, struct workshop *w, int64_t row_id)
{
    /* a quarter free, so that the next insert does not split them */
    const size_t with_room = mn_slabs_rows_max(slabs) * 3 / 4;
    bool found;
    enum mn_status status = mn_slab_locate(slabs, w->cursor, row_id, &w->slab, &found);

    for (int side = 0; side < 2 && status == MN_OK && found; side++) {
        bool beside;

        mn_slab_list(&w->slab);
        status = side == 0 ? slab_behind(slabs, w, &beside) : slab_before(slabs, w, &beside);
        if (status != MN_OK || !beside) continue;
        struct mn_slab *left = side == 0 ? &w->slab : &w->other;
        struct mn_slab *right = side == 0 ? &w->other : &w->slab;
        if (slabs_fit(slabs, left, right, with_room)) return slabs_join(slabs, w, left, right);
    }
    return status;
}

static enum mn_status row_remove(const struct mn_slabs *slabs, struct workshop *w, int64_t row_id,
                                 size_t position)
{
    if (w->slab.count == 1) {
        return mn_tree_delete(slabs->view, slabs->tree, mn_slab_key(w->slab.key), NULL);
    }
    enum mn_status status = slab_copy(&w->slab, &w->copy);
    if (status != MN_OK) return status;
    draft_add(slabs, &w->draft, &w->slab, w->copy);
    draft_remove(&w->draft, position);
    /* Consecutive ids need no list, and a gap may make one that is too long: then it parts them. */
    if (!draft_fits(slabs, w->draft.ids, w->draft.count)) {
        return draft_split(slabs, w->slab.key, &w->draft, position);
    }
    status = slab_write(slabs, w->slab.key, &w->draft, 0, w->draft.count);
    mn_release_aligned(w->copy);
    w->copy = NULL;
    if (status != MN_OK || !slab_is_poor(slabs, w->draft.count)) return status;
    return slab_merge(slabs, w, row_id);
}

enum mn_status mn_slab_delete(const struct mn_slabs *slabs, int64_t row_id, bool *found)
{
    struct workshop *w;
    bool there = false;
    enum mn_status status = workshop_open(slabs, &w);

    if (found) *found = false;
    if (status != MN_OK) return status;
    status = mn_slab_locate(slabs, w->cursor, row_id, &w->slab, &there);
    if (status == MN_OK && there) {
        mn_slab_list(&w->slab);
        size_t position = mn_slab_position(&w->slab, row_id);

        there = position < w->slab.count && w->slab.ids[position] == row_id;
        if (there) status = row_remove(slabs, w, row_id, position);
        if (there && found) *found = status == MN_OK;
    }
    workshop_release(w);
    return status;
}
