/*
 * crash_layer: cells as raw pages of the store, and as entries of two trees.
 *
 *   raw     16 cells are leaf pages, 4 are runs                            (support/raw.c)
 *   trees   tree 16: key of the cell -> bytes of the value;  tree 17: value, cell -> nothing
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "btree/tree.h"
#include "support/crash.h"
#include "support/raw.h"

enum { ROWS = MN_TREE_FIRST, INDEX = MN_TREE_FIRST + 1, KEY_BYTES_MAX = 240, GROW = 16 << 10 };
enum { DIRTY_LIMIT = 9000, LOG_LIMIT = 500, CUT_COMMITS = 3 };

uint64_t cells_print(const struct cells *cells)
{
    return mn_hash(cells, offsetof(struct cells, wrong), 3) | 1;
}

/* ---- what both share ---- */

static enum mn_status store_open(const struct place *place, struct handle *handle,
                                 struct mn_store_hooks hooks)
{
    struct mn_store_options options = {.path = "walk",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = place->page_size,
                                       .grow_bytes = GROW,
                                       .sync = place->sync,
                                       .dirty_limit_bytes = place->seed % 3 ? 0 : DIRTY_LIMIT,
                                       .log_bytes_max = place->seed % 4 ? 0 : LOG_LIMIT,
                                       .cut_commits = place->seed % 5 ? 0 : CUT_COMMITS,
                                       .os = place->os,
                                       .hooks = hooks};

    return mn_store_open(&options, &handle->store);
}

static void store_close(struct handle *handle)
{
    mn_view_end(handle->writer);
    mn_store_close(handle->store);
    handle->store = NULL;
    handle->writer = NULL;
}

static enum mn_status store_begin(struct handle *handle)
{
    return mn_write_begin(handle->store, 0, &handle->writer);
}

static enum mn_status store_savepoint(struct handle *handle)
{
    return mn_savepoint_begin(handle->writer, &handle->savepoint);
}

static void store_rollback(struct handle *handle)
{
    mn_savepoint_rollback(handle->writer, handle->savepoint);
    mn_savepoint_release(handle->writer, handle->savepoint--);
}

static void store_release(struct handle *handle)
{
    mn_savepoint_release(handle->writer, handle->savepoint--);
}

static enum mn_status store_commit(struct handle *handle)
{
    struct mn_view *writer = handle->writer;

    handle->writer = NULL;
    handle->savepoint = 0;
    return mn_write_commit(writer, &handle->version);
}

static void store_abort(struct handle *handle)
{
    mn_write_abort(handle->writer);
    handle->writer = NULL;
    handle->savepoint = 0;
}

static enum mn_status newest_read(struct handle *handle, struct cells *cells)
{
    struct mn_view *view;
    enum mn_status status = mn_view_begin_read(handle->store, &view);

    memset(cells, 0, sizeof *cells);
    if (status) return status;
    status = handle->layer->read_view(view, cells);
    mn_view_end(view);
    return status;
}

/* ---- faults of a check ---- */

struct faults {
    uint32_t *count;
    char *text;
    size_t size;
};

static void fault_note(struct faults *faults, int invariant, uint64_t page, const char *message)
{
    if (faults->text[0] == 0) {
        snprintf(faults->text, faults->size, "page %" PRIu64 ": %s", page, message);
    }
    faults->count[invariant]++;
}

static void store_fault(void *context, uint64_t page, const char *message)
{
    bool leak = strstr(message, "nothing reaches it") || strstr(message, "but not reached");

    fault_note(context, leak ? 8 : 2, page, message);
}

static void tree_fault(void *context, uint64_t page, const char *message)
{
    fault_note(context, 4, page, message);
}

static enum mn_status check_view(struct mn_view *view, bool raw, struct faults *faults)
{
    struct mn_store_check *check;
    uint64_t count;
    enum mn_status status = mn_store_check_begin(view, store_fault, faults, &check);

    if (status) return status;
    if (raw) {
        raw_mark(view, check);
    } else {
        status = mn_tree_check_all(view, check, tree_fault, faults);
    }
    (void)mn_store_check_end(check, &count);
    return status;
}

static enum mn_status store_check(struct handle *handle, uint32_t count[10], char *text,
                                  size_t size)
{
    struct faults faults = {count, text, size};
    struct mn_view *view;
    enum mn_status status = mn_view_begin_read(handle->store, &view);

    if (status) return status;
    status = check_view(view, handle->layer->raw, &faults);
    mn_view_end(view);
    return status;
}

static enum mn_status nothing_made(struct handle *handle)
{
    (void)handle;
    return MN_OK;
}

/* ---- raw ---- */

static enum mn_status raw_open(const struct place *place, struct handle *handle)
{
    return store_open(place, handle, raw_hooks);
}

static enum mn_status raw_cell_set(struct handle *handle, uint32_t cell, uint64_t value,
                                   uint32_t bytes)
{
    if (cell < RAW_LEAVES) return raw_set(handle->writer, cell, value);
    return raw_set_run(handle->writer, cell - RAW_LEAVES, value, bytes);
}

static enum mn_status raw_read_view(struct mn_view *view, struct cells *cells)
{
    struct raw_model model;
    enum mn_status status = raw_read(view, &model);

    memset(cells, 0, sizeof *cells);
    for (uint32_t i = 0; i < RAW_LEAVES; i++) cells->value[i] = model.leaf[i];
    for (uint32_t i = 0; i < RAW_RUNS; i++) {
        cells->value[RAW_LEAVES + i] = model.run[i];
        cells->bytes[RAW_LEAVES + i] = (uint32_t)model.run_bytes[i];
    }
    return status;
}

const struct layer layer_raw = {
    .name = 'r',
    .cells = RAW_LEAVES + RAW_RUNS,
    .run_bytes_max = 12000,
    .open = raw_open,
    .close = store_close,
    .make = nothing_made,
    .begin = store_begin,
    .set = raw_cell_set,
    .savepoint = store_savepoint,
    .rollback = store_rollback,
    .release = store_release,
    .commit = store_commit,
    .abort = store_abort,
    .read = newest_read,
    .read_view = raw_read_view,
    .check = store_check,
    .raw = true,
};

/* ---- trees ---- */

static enum mn_status trees_open(const struct place *place, struct handle *handle)
{
    return store_open(place, handle, mn_tree_hooks());
}

static enum mn_status trees_make(struct handle *handle)
{
    uint64_t rows = 0, index = 0;
    enum mn_status status = mn_tree_create(handle->writer, &rows);

    if (!status) status = mn_tree_create(handle->writer, &index);
    if (!status && (rows != ROWS || index != INDEX)) status = mn_fail(MN_ERROR, "wrong trees");
    return status;
}

/* Short keys, keys with long common beginnings, and keys longer than a node may hold. */
static struct mn_bytes key_of(uint32_t cell, uint8_t key[KEY_BYTES_MAX])
{
    size_t length = cell % 5 == 4 ? KEY_BYTES_MAX : cell % 3 == 1 ? 40 : 3;

    memset(key, 'a' + (int)(cell % 2), length);
    key[length - 2] = (uint8_t)(cell / 7);
    key[length - 1] = (uint8_t)cell;
    return mn_bytes_of(key, length);
}

static struct mn_bytes index_key_of(uint32_t cell, uint64_t value, uint8_t key[9])
{
    mn_put_u64_be(key, value);
    key[8] = (uint8_t)cell;
    return mn_bytes_of(key, 9);
}

/* Word i of a value is the value plus i times a constant. */
static uint64_t value_word(uint64_t value, size_t at)
{
    return value + at / 8 * UINT64_C(0x9E3779B97F4A7C15);
}

static void value_fill(uint8_t *bytes, size_t length, uint64_t value)
{
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = value_word(value, at);

        memcpy(bytes + at, &word, length - at < 8 ? length - at : 8);
    }
}

static bool value_good(const uint8_t *bytes, size_t length, uint64_t *value)
{
    if (length < 8) return false;
    *value = mn_get_u64(bytes);
    for (size_t at = 8; at < length; at += 8) {
        uint64_t word = value_word(*value, at);

        if (length - at >= 8 && mn_get_u64(bytes + at) == word) continue;

        if (memcmp(bytes + at, &word, length - at < 8 ? length - at : 8) != 0) return false;
    }
    return true;
}

static enum mn_status index_remove(struct handle *handle, uint32_t cell)
{
    uint8_t key[KEY_BYTES_MAX], old_key[9];
    struct mn_bytes old;
    bool found;
    enum mn_status status = mn_tree_get(handle->writer, ROWS, key_of(cell, key), &old, &found);

    if (status || !found) return status;
    return mn_tree_delete(handle->writer, INDEX, index_key_of(cell, mn_get_u64(old.data), old_key),
                          NULL);
}

static enum mn_status trees_set(struct handle *handle, uint32_t cell, uint64_t value,
                                uint32_t bytes)
{
    uint8_t key[KEY_BYTES_MAX], index_key[9], *content;
    enum mn_status status = index_remove(handle, cell);

    if (status) return status;
    if (value == 0) return mn_tree_delete(handle->writer, ROWS, key_of(cell, key), NULL);
    content = malloc(bytes);
    if (!content) return mn_fail_nomem();
    value_fill(content, bytes, value);
    status = mn_tree_put(handle->writer, ROWS, key_of(cell, key), mn_bytes_of(content, bytes), 0);
    free(content);
    if (status) return status;
    return mn_tree_put(handle->writer, INDEX, index_key_of(cell, value, index_key),
                       mn_bytes_of("", 0), 0);
}

static enum mn_status row_take(struct cells *cells, const struct mn_item *item)
{
    struct mn_bytes value = item->run.len ? item->run : item->value;
    uint32_t cell = item->key.len ? item->key.data[item->key.len - 1] : CELLS;
    uint8_t key[KEY_BYTES_MAX];
    struct mn_bytes expected;

    if (cell >= CELLS) return mn_fail(MN_ERROR, "a key that nobody wrote");
    expected = key_of(cell, key);
    if (expected.len != item->key.len || memcmp(expected.data, item->key.data, expected.len) != 0) {
        return mn_fail(MN_ERROR, "a key that nobody wrote, of cell %u", cell);
    }
    if (cells->value[cell]) return mn_fail(MN_ERROR, "the key of cell %u comes twice", cell);
    if (!value_good(value.data, value.len, &cells->value[cell])) {
        return mn_fail(MN_ERROR, "the value of cell %u has mixed bytes", cell);
    }
    cells->bytes[cell] = (uint32_t)value.len;
    return MN_OK;
}

static void entry_take(struct cells *cells, const struct mn_item *item, bool *marked)
{
    uint32_t cell = item->key.len == 9 ? item->key.data[8] : CELLS;

    if (cell >= CELLS || marked[cell] || cells->value[cell] == 0 ||
        cells->value[cell] != mn_get_u64_be(item->key.data)) {
        cells->ghost++;
    } else {
        marked[cell] = true;
    }
}

static enum mn_status tree_scan(struct mn_view *view, uint64_t tree, struct cells *cells,
                                bool *marked)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    bool found;
    enum mn_status status = mn_cursor_open(view, tree, &cursor);

    if (status) return status;
    status = mn_cursor_first(cursor, &found);
    while (!status && found) {
        status = mn_cursor_item(cursor, &item);
        if (status) break;
        if (marked) {
            entry_take(cells, &item, marked);
        } else {
            status = row_take(cells, &item);
        }
        if (!status) status = mn_cursor_next(cursor, &found);
    }
    mn_cursor_close(cursor);
    return status;
}

static enum mn_status trees_read_view(struct mn_view *view, struct cells *cells)
{
    bool marked[CELLS] = {false};
    enum mn_status status;

    memset(cells, 0, sizeof *cells);
    status = tree_scan(view, ROWS, cells, NULL);
    if (!status) status = tree_scan(view, INDEX, cells, marked);
    for (uint32_t i = 0; i < CELLS && !status; i++) {
        if (cells->value[i] && !marked[i]) cells->ghost++;
    }
    return status;
}

const struct layer layer_trees = {
    .name = 't',
    .cells = CELLS,
    .run_bytes_max = 9000,
    .open = trees_open,
    .close = store_close,
    .make = trees_make,
    .begin = store_begin,
    .set = trees_set,
    .savepoint = store_savepoint,
    .rollback = store_rollback,
    .release = store_release,
    .commit = store_commit,
    .abort = store_abort,
    .read = newest_read,
    .read_view = trees_read_view,
    .check = store_check,
};
