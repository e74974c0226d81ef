/*
 * index: ranges, counts and scans of B-tree indexes and of tables by row id.
 */
#include "index/index.h"

#include <math.h>

#include "base/alloc.h"
#include "catalog/key.h"
#include "index/entry.h"
#include "index/row.h"

/* ---- ranges as bytes ---- */

enum { MARK_FIRST_VALUE = 1, MARK_BEHIND_VALUES = 2 }; /* of catalog/key.h */

void mn_key_range_release(struct mn_key_range *range)
{
    mn_buf_release(&range->from);
    mn_buf_release(&range->to);
}

/* The least integer that is >= the bound (or > where it is open). False: there is none. */
static bool id_at_least(const struct mn_value *bound, bool open, int64_t *id)
{
    double f = bound->f;

    if (bound->type == MN_TYPE_INT) {
        *id = bound->i;
        return !open || !__builtin_add_overflow(*id, 1, id);
    }
    if (isnan(f)) return false;
    f = open && f == floor(f) ? f : ceil(f);
    if (f < -0x1p63) {
        *id = INT64_MIN;
        return true;
    }
    if (f >= 0x1p63) return false;
    *id = (int64_t)f;
    return !(open && (double)*id == bound->f) || !__builtin_add_overflow(*id, 1, id);
}

/* The greatest integer that is <= the bound (or < where it is open). */
static bool id_at_most(const struct mn_value *bound, bool open, int64_t *id)
{
    double f = bound->f;

    if (bound->type == MN_TYPE_INT) {
        *id = bound->i;
        return !open || !__builtin_sub_overflow(*id, 1, id);
    }
    if (isnan(f) || f >= 0x1p63) {
        *id = INT64_MAX;
        return true;
    }
    f = floor(f);
    if (f < -0x1p63) return false;
    *id = (int64_t)f;
    return !(open && (double)*id == bound->f) || !__builtin_sub_overflow(*id, 1, id);
}

static enum mn_status row_id_keys(const struct mn_table *table, const struct mn_index_range *range,
                                  struct mn_key_range *keys)
{
    const struct mn_value *low = range->low, *high = range->high;
    int64_t least = INT64_MIN, most = INT64_MAX;
    uint8_t bytes[MN_ROW_ID_BYTES];
    enum mn_status status;

    if (range->equal_count > 0) low = high = range->equal;
    for (int i = 0; i < 2; i++) {
        const struct mn_value *bound = i ? high : low;

        if (bound && bound->type != MN_TYPE_INT && bound->type != MN_TYPE_FLOAT &&
            bound->type != MN_TYPE_NULL) {
            return mn_fail(MN_TYPE, "row ids of %s are INT, not %s", table->name,
                           mn_type_name(bound->type));
        }
        if (bound && mn_is_null(bound)) keys->empty = true;
    }
    if (keys->empty) return MN_OK;
    if (range->equal_count > 0 && low->type == MN_TYPE_FLOAT && isnan(low->f)) keys->empty = true;
    if (low && !id_at_least(low, range->equal_count == 0 && range->low_open, &least)) {
        keys->empty = true;
    }
    if (high && !id_at_most(high, range->equal_count == 0 && range->high_open, &most)) {
        keys->empty = true;
    }
    if (keys->empty || least > most) {
        keys->empty = true;
        return MN_OK;
    }
    mn_row_id_put(bytes, least);
    status = mn_buf_append(&keys->from, bytes, sizeof bytes);
    if (most == INT64_MAX) {
        keys->to_end = true;
        return status;
    }
    mn_row_id_put(bytes, most + 1);
    return status == MN_OK ? mn_buf_append(&keys->to, bytes, sizeof bytes) : status;
}

/* Bounds of the column behind the equal ones; DESC turns them around. */
struct bounds {
    const struct mn_value *low, *high;
    bool low_open, high_open;
    unsigned order;
};

static struct bounds bounds_of(const struct mn_index *index, const struct mn_index_range *range)
{
    struct bounds bounds = {.low = range->low,
                            .high = range->high,
                            .low_open = range->low_open,
                            .high_open = range->high_open};

    if (range->equal_count < index->column_count) {
        bounds.order = index->columns[range->equal_count].order;
    }
    if (bounds.order & MN_KEY_DESC) {
        bounds.low = range->high;
        bounds.high = range->low;
        bounds.low_open = range->high_open;
        bounds.high_open = range->low_open;
    }
    return bounds;
}

static enum mn_status bound_append(struct mn_buf *key, const struct mn_value *bound, unsigned order,
                                   bool behind)
{
    enum mn_status status = mn_key_append(key, bound, order);

    if (status == MN_OK && behind) mn_key_successor(key); /* a key begins with a marker below FF */
    return status;
}

static enum mn_status bounds_append(const struct bounds *bounds, struct mn_key_range *keys)
{
    enum mn_status status;

    if ((bounds->low && mn_is_null(bounds->low)) || (bounds->high && mn_is_null(bounds->high))) {
        keys->empty = true;
        return MN_OK;
    }
    status = bounds->low ? bound_append(&keys->from, bounds->low, bounds->order, bounds->low_open)
                         : mn_buf_byte(&keys->from, MARK_FIRST_VALUE);
    if (status != MN_OK) return status;
    return bounds->high ? bound_append(&keys->to, bounds->high, bounds->order, !bounds->high_open)
                        : mn_buf_byte(&keys->to, MARK_BEHIND_VALUES);
}

enum mn_status mn_index_range_keys(const struct mn_table *table, const struct mn_index *index,
                                   const struct mn_index_range *range, struct mn_key_range *keys)
{
    struct bounds bounds;
    enum mn_status status = MN_OK;

    keys->from.len = keys->to.len = 0;
    keys->to_end = keys->empty = false;
    if (!index) return row_id_keys(table, range, keys);
    bounds = bounds_of(index, range);
    if (range->equal_count + (bounds.low || bounds.high) > index->column_count) {
        return mn_fail(MN_MISUSE, "index %s has fewer columns than are asked", index->name);
    }
    for (uint32_t i = 0; status == MN_OK && i < range->equal_count; i++) {
        status = mn_key_append(&keys->from, &range->equal[i], index->columns[i].order);
    }
    if (status == MN_TOOBIG) {
        keys->empty = true; /* no row has a key that long */
        return MN_OK;
    }
    if (status == MN_OK) status = mn_buf_append(&keys->to, keys->from.data, keys->from.len);
    if (status != MN_OK) return status;
    if (bounds.low || bounds.high) return bounds_append(&bounds, keys);
    keys->to_end = !mn_key_successor(&keys->to);
    return MN_OK;
}

static uint64_t scan_tree(const struct mn_table *table, const struct mn_index *index)
{
    return index ? index->tree : table->tree;
}

/* The ranks of the range's ends. */
static enum mn_status range_ranks(struct mn_view *view, uint64_t tree,
                                  const struct mn_key_range *keys, uint64_t ranks[2])
{
    enum mn_status status;

    ranks[0] = ranks[1] = 0;
    if (keys->empty) return MN_OK;
    if (keys->from.len > 0) {
        status = mn_tree_rank(view, tree, mn_bytes_of(keys->from.data, keys->from.len), &ranks[0]);
        if (status != MN_OK) return status;
    }
    status = keys->to_end || keys->to.len == 0
                 ? mn_tree_count(view, tree, &ranks[1])
                 : mn_tree_rank(view, tree, mn_bytes_of(keys->to.data, keys->to.len), &ranks[1]);
    if (ranks[1] < ranks[0]) ranks[1] = ranks[0]; /* the bounds stand the wrong way round */
    return status;
}

enum mn_status mn_index_range_count(struct mn_view *view, const struct mn_table *table,
                                    const struct mn_index *index, const struct mn_key_range *keys,
                                    uint64_t *count)
{
    uint64_t ranks[2];
    enum mn_status status = range_ranks(view, scan_tree(table, index), keys, ranks);

    *count = ranks[1] - ranks[0];
    return status;
}

/* ---- scans ---- */

struct mn_index_scan {
    struct mn_view *view;
    const struct mn_table *table;
    const struct mn_index *index;
    struct mn_key_range keys; /* to.len 0 is the same as to_end */
    bool backward;
    bool begun; /* the cursor stands on the row given last, or on `ready` */
    bool ready; /* the cursor stands on the next row to give */
    bool done;
    struct mn_cursor *cursor;
    struct mn_item item; /* of the row given last */
};

static enum mn_status keys_copy(const struct mn_key_range *from, struct mn_key_range *to)
{
    enum mn_status status = mn_buf_append(&to->from, from->from.data, from->from.len);

    to->to_end = from->to_end;
    to->empty = from->empty;
    return status == MN_OK ? mn_buf_append(&to->to, from->to.data, from->to.len) : status;
}

enum mn_status mn_index_scan_open(struct mn_view *view, const struct mn_scan_options *options,
                                  struct mn_index_scan **out)
{
    struct mn_index_scan *scan = mn_zalloc(sizeof *scan);
    enum mn_status status = MN_OK;

    *out = NULL;
    if (!scan) return mn_fail_nomem();
    scan->view = view;
    scan->table = options->table;
    scan->index = options->index;
    scan->backward = options->backward;
    if (options->keys) status = keys_copy(options->keys, &scan->keys);
    scan->done = scan->keys.empty;
    if (status == MN_OK) {
        status = mn_cursor_open(view, scan_tree(scan->table, scan->index), &scan->cursor);
    }
    if (status != MN_OK) {
        mn_index_scan_close(scan);
        return status;
    }
    *out = scan;
    return MN_OK;
}

void mn_index_scan_close(struct mn_index_scan *scan)
{
    if (!scan) return;
    mn_cursor_close(scan->cursor);
    mn_key_range_release(&scan->keys);
    mn_dealloc(scan);
}

static struct mn_bytes buf_bytes(const struct mn_buf *buf)
{
    return mn_bytes_of(buf->data, buf->len);
}

static enum mn_status scan_begin(struct mn_index_scan *scan, bool *found)
{
    bool to_end = scan->keys.to_end || scan->keys.to.len == 0;

    if (!scan->backward) {
        return mn_cursor_seek(scan->cursor, buf_bytes(&scan->keys.from), MN_SEEK_GE, found);
    }
    if (to_end) return mn_cursor_last(scan->cursor, found);
    return mn_cursor_seek(scan->cursor, buf_bytes(&scan->keys.to), MN_SEEK_LT, found);
}

static enum mn_status scan_move(struct mn_index_scan *scan, bool *found)
{
    if (scan->ready) {
        scan->ready = false;
        *found = true;
        return MN_OK;
    }
    if (!scan->begun) {
        scan->begun = true;
        return scan_begin(scan, found);
    }
    return scan->backward ? mn_cursor_prev(scan->cursor, found)
                          : mn_cursor_next(scan->cursor, found);
}

static bool key_below(struct mn_bytes key, const struct mn_buf *bound)
{
    size_t least = key.len < bound->len ? key.len : bound->len;
    int order = least ? memcmp(key.data, bound->data, least) : 0;

    return order ? order < 0 : key.len < bound->len;
}

static bool scan_in_range(const struct mn_index_scan *scan)
{
    if (scan->backward) return !key_below(scan->item.key, &scan->keys.from);
    if (scan->keys.to_end || scan->keys.to.len == 0) return true;
    return key_below(scan->item.key, &scan->keys.to);
}

enum mn_status mn_index_scan_next(struct mn_index_scan *scan, int64_t *row_id,
                                  struct mn_bytes *record, bool *found)
{
    enum mn_status status;

    *found = false;
    if (scan->done) return MN_OK;
    status = scan_move(scan, found);
    if (status == MN_OK && *found) status = mn_cursor_item(scan->cursor, &scan->item);
    if (status == MN_OK && *found) *found = scan_in_range(scan);
    if (status != MN_OK || !*found) {
        scan->done = true;
        *found = false;
        return status;
    }
    if (scan->index) return mn_index_entry_row(scan->index, &scan->item, row_id);
    if (scan->item.key.len != MN_ROW_ID_BYTES) {
        return mn_fail(MN_CORRUPT, "a row key of %s is damaged", scan->table->name);
    }
    *row_id = mn_row_id_get(scan->item.key.data);
    if (record) *record = mn_item_value(&scan->item);
    return MN_OK;
}

enum { WIDE_AT_ONCE = 64 };

/* Row ids from the keys, or from the values of a unique index. */
static enum mn_status ids_take(struct mn_index_scan *scan, int64_t *ids, size_t capacity,
                               size_t *count)
{
    const struct mn_buf *bound = scan->backward ? &scan->keys.from : &scan->keys.to;
    struct mn_key_ends ends = {.words = (uint64_t *)ids,
                               .capacity = capacity,
                               .backward = scan->backward,
                               .of_values = scan->index && scan->index->unique};
    bool found, bounded = bound->len > 0 && (scan->backward || !scan->keys.to_end);
    enum mn_status status = scan_move(scan, &found);

    if (status != MN_OK || !found) {
        scan->done = true;
        return status;
    }
    if (bounded) ends.bound = buf_bytes(bound);
    status = mn_cursor_ends(scan->cursor, &ends);
    if (status != MN_OK) return status;
    scan->done = ends.ended;
    scan->ready = ends.count == 0 && !ends.ended;
    for (size_t i = 0; i < ends.count; i++) {
        ids[i] = (int64_t)((uint64_t)ids[i] ^ UINT64_C(1) << 63);
    }
    *count = ends.count;
    return MN_OK;
}

static enum mn_status index_rows(struct mn_index_scan *scan, struct mn_row *rows, size_t capacity,
                                 size_t *count)
{
    int64_t ids[WIDE_AT_ONCE];
    enum mn_status status =
        ids_take(scan, ids, capacity < WIDE_AT_ONCE ? capacity : WIDE_AT_ONCE, count);

    for (size_t i = 0; i < *count; i++) rows[i] = (struct mn_row){.id = ids[i]};
    return status;
}

/* What a cursor gives of many entries is rows already. */
_Static_assert(sizeof(struct mn_row) == sizeof(struct mn_wide) &&
                   offsetof(struct mn_row, id) == offsetof(struct mn_wide, number) &&
                   offsetof(struct mn_row, record) == offsetof(struct mn_wide, value),
               "a row is an entry of a table's tree");

enum mn_status mn_index_scan_rows(struct mn_index_scan *scan, struct mn_row *rows, size_t capacity,
                                  size_t *count)
{
    bool to_end = scan->keys.to_end || scan->keys.to.len == 0, found;
    size_t got;
    enum mn_status status;

    *count = 0;
    if (scan->done || mn_view_writable(scan->view)) return MN_OK;
    if (scan->index) return index_rows(scan, rows, capacity, count);
    if (scan->backward) return MN_OK;
    if (!to_end && scan->keys.to.len != MN_ROW_ID_BYTES) return MN_OK;
    status = scan_move(scan, &found);
    if (status != MN_OK || !found) {
        scan->done = true;
        return status;
    }
    mn_cursor_wide(scan->cursor, (struct mn_wide *)(void *)rows, capacity, &got);
    scan->ready = got == 0;
    while (!to_end && got > 0 && rows[got - 1].id >= mn_row_id_get(scan->keys.to.data)) {
        scan->done = true;
        got--;
    }
    *count = got;
    return MN_OK;
}

enum mn_status mn_index_scan_ids(struct mn_index_scan *scan, int64_t *ids, size_t capacity,
                                 size_t *count)
{
    *count = 0;
    if (scan->done || mn_view_writable(scan->view)) return MN_OK;
    return ids_take(scan, ids, capacity, count);
}

enum mn_status mn_index_scan_skip(struct mn_index_scan *scan, uint64_t n, uint64_t *skipped)
{
    uint64_t ranks[2], left;
    bool found;
    enum mn_status status = MN_OK;

    *skipped = 0;
    if (scan->done || n == 0) return MN_OK;
    if (scan->begun) {
        int64_t row_id;

        while (*skipped < n) {
            status = mn_index_scan_next(scan, &row_id, NULL, &found);
            if (status != MN_OK || !found) return status;
            (*skipped)++;
        }
        return MN_OK;
    }
    status = range_ranks(scan->view, scan_tree(scan->table, scan->index), &scan->keys, ranks);
    if (status != MN_OK) return status;
    left = ranks[1] - ranks[0];
    *skipped = n < left ? n : left;
    if (*skipped == left) {
        scan->done = true;
        return MN_OK;
    }
    scan->begun = true;
    return mn_cursor_nth(
        scan->cursor, scan->backward ? ranks[1] - 1 - *skipped : ranks[0] + *skipped, &scan->ready);
}

enum mn_status mn_index_scan_column(struct mn_index_scan *scan, uint32_t i, struct mn_arena *arena,
                                    struct mn_value *out)
{
    const struct mn_index *index = scan->index;
    const uint8_t *at = scan->item.key.data, *end = at + scan->item.key.len;

    for (uint32_t k = 0; k <= i && k < index->column_count; k++) {
        const struct mn_index_column *column = &index->columns[k];
        const struct mn_kind *kind = &index->table->columns[column->column].kind;

        if (k == i) return mn_key_decode(&at, end, kind, column->order, arena, out);
        if (!mn_key_skip(&at, end, kind, column->order)) break;
    }
    return mn_fail(MN_CORRUPT, "an entry of index %s is damaged", index->name);
}

enum mn_status mn_index_find(struct mn_view *view, const struct mn_index *index,
                             const struct mn_value *values, int64_t *row_id, bool *found)
{
    struct mn_buf key = {0};
    struct mn_item item = {.key = {NULL, 0}};
    enum mn_status status = MN_OK;

    *found = false;
    for (uint32_t i = 0; status == MN_OK && i < index->column_count; i++) {
        if (mn_is_null(&values[i])) {
            mn_buf_release(&key);
            return MN_OK;
        }
        status = mn_key_append(&key, &values[i], index->columns[i].order);
    }
    if (status == MN_OK) {
        status = mn_tree_get(view, index->tree, buf_bytes(&key), &item.value, found);
    }
    if (status == MN_OK && *found) status = mn_index_entry_row(index, &item, row_id);
    if (status == MN_TOOBIG) status = MN_OK; /* no row has a key that long */
    mn_buf_release(&key);
    return status;
}
