/*
 * cover: keeping the values of rows, and testing them.
 */
#include "index/vector/cover.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "index/index.h"
#include "index/row.h"

#include "index/vector/slab_node.h"

static_assert((int)MN_SLAB_ROWS <= (int)MN_POSTING_ROWS_MAX, "a slab's ids fit where a chunk's do");

enum { WORD_FLOATS = sizeof(uint64_t) / sizeof(float) };

struct mn_slabs mn_cover_slabs(struct mn_view *view, const struct mn_index *index)
{
    return (struct mn_slabs){.view = view,
                             .tree = index->tree + MN_ANN_TREES - 1,
                             .dims = (index->cover_count + 1) * WORD_FLOATS,
                             .bits = true};
}

uint64_t mn_cover_word(const struct mn_value *value)
{
    const uint64_t sign = UINT64_C(1) << 63, nan = UINT64_C(0x7ff8000000000000);
    uint64_t bits;

    if (value->type == MN_TYPE_BOOL) return value->b;
    if (value->type != MN_TYPE_FLOAT) return (uint64_t)value->i ^ sign;
    if (value->f == 0) return sign;
    memcpy(&bits, &value->f, sizeof bits);
    if (isnan(value->f)) bits = nan;
    return bits & sign ? ~bits : bits | sign;
}

void mn_cover_row_make(const struct mn_index *index, const struct mn_value *values,
                       struct mn_cover_row *row)
{
    *row = (struct mn_cover_row){.words = {0}};
    for (uint32_t i = 0; i < index->cover_count; i++) {
        const struct mn_value *value = &values[index->covers[i]];

        if (mn_is_null(value))
            row->words[0] |= UINT64_C(1) << i;
        else
            row->words[i + 1] = mn_cover_word(value);
    }
}

enum mn_status mn_cover_put(struct mn_view *view, const struct mn_index *index,
                            const struct mn_index_entry *entry)
{
    struct mn_slabs slabs = mn_cover_slabs(view, index);
    struct mn_cover_row row;
    float floats[sizeof row / sizeof(float)];

    mn_cover_row_make(index, entry->values, &row);
    memcpy(floats, &row, sizeof row);
    return mn_slab_put(&slabs, entry->row_id, floats);
}

enum mn_status mn_cover_delete(struct mn_view *view, const struct mn_index *index, int64_t row_id)
{
    struct mn_slabs slabs = mn_cover_slabs(view, index);

    return mn_slab_delete(&slabs, row_id, NULL);
}

/* ---- building ---- */

static enum mn_status row_add(struct mn_slab_bulk *bulk, struct mn_view *view,
                              const struct mn_index *index, const struct mn_row *row,
                              struct mn_value *values)
{
    uint32_t vector = index->columns[0].column;
    struct mn_cover_row cover;
    float floats[sizeof cover / sizeof(float)];
    enum mn_status status = mn_row_column(view, index->table, row, vector, &values[vector]);

    if (status != MN_OK || mn_is_null(&values[vector])) return status;
    for (uint32_t i = 0; i < index->cover_count && status == MN_OK; i++) {
        uint32_t column = index->covers[i];

        status = mn_row_column(view, index->table, row, column, &values[column]);
    }
    if (status != MN_OK) return status;
    mn_cover_row_make(index, values, &cover);
    memcpy(floats, &cover, sizeof cover);
    return mn_slab_bulk_add(bulk, row->id, floats);
}

static enum mn_status rows_add(struct mn_slab_bulk *bulk, struct mn_view *view,
                               const struct mn_index *index, struct mn_value *values,
                               const struct mn_watch *watch)
{
    struct mn_scan_options options = {.table = index->table};
    struct mn_index_scan *scan;
    bool found = true;
    enum mn_status status = mn_index_scan_open(view, &options, &scan);

    while (status == MN_OK) {
        struct mn_row row;

        status = mn_watch_tick(watch);
        if (status == MN_OK) status = mn_index_scan_next(scan, &row.id, &row.record, &found);
        if (status != MN_OK || !found) break;
        status = row_add(bulk, view, index, &row, values);
    }
    mn_index_scan_close(scan);
    return status;
}

enum mn_status mn_cover_build(struct mn_view *view, const struct mn_index *index,
                              const struct mn_watch *watch)
{
    struct mn_slabs slabs = mn_cover_slabs(view, index);
    struct mn_slab_bulk *bulk = NULL;
    struct mn_value *values = mn_zalloc(index->table->column_count * sizeof *values);
    enum mn_status status = values ? mn_slab_bulk_begin(&slabs, &bulk) : mn_fail_nomem();

    if (status == MN_OK) {
        status = rows_add(bulk, view, index, values, watch);
        if (status == MN_OK)
            status = mn_slab_bulk_end(bulk);
        else
            mn_slab_bulk_abort(bulk);
    }
    mn_dealloc(values);
    return status;
}

/* ---- filters ---- */

enum mn_status mn_cover_scan_open(struct mn_view *view, const struct mn_index *index,
                                  const struct mn_cover_ask *ask, struct mn_cover_scan *scan)
{
    struct mn_slabs slabs = mn_cover_slabs(view, index);

    *scan = (struct mn_cover_scan){.ask = *ask};
    enum mn_status status = mn_ann_init(&scan->ann, view, index);
    if (status == MN_OK) status = mn_slab_scan_open(&slabs, &scan->scan);
    if (status != MN_OK || ask->prefix.len == 0) return status;
    status = mn_posting_scan_open(&scan->ann.postings, &scan->lists);
    return status == MN_OK ? mn_posting_scan_seek(&scan->lists, ask->prefix, NULL) : status;
}

void mn_cover_scan_close(struct mn_cover_scan *scan)
{
    mn_slab_scan_close(scan->scan);
    scan->scan = NULL;
    mn_posting_scan_close(&scan->lists);
}

static uint64_t word_of(const float *row, size_t word)
{
    uint64_t value;

    memcpy(&value, row + word * WORD_FLOATS, sizeof value);
    return value;
}

static unsigned row_test(const struct mn_cover_test *test, const float *row)
{
    uint64_t value = word_of(row, test->at + 1), nulls = word_of(row, 0);

    return (value - test->low <= test->high - test->low) & ~(unsigned)(nulls >> test->at) & 1;
}

static unsigned row_passes(const struct mn_cover_ask *ask, const float *row)
{
    unsigned pass = 1;

    for (uint32_t t = 0; t < ask->test_count; t++) pass &= row_test(&ask->tests[t], row);
    return pass;
}

/* Test by test, without a branch that a value decides: whether a row passes is as good as random.
 */
static size_t block_ids(const struct mn_cover_ask *ask, const struct mn_slab_block *block,
                        int64_t *ids)
{
    uint8_t pass[MN_SLAB_ROWS];
    size_t count = 0;

    memset(pass, 1, block->count);
    for (uint32_t t = 0; t < ask->test_count; t++) {
        const struct mn_cover_test test = ask->tests[t];
        const float *row = block->base;

        for (size_t i = 0; i < block->count; i++, row += block->stride) {
            pass[i] &= (uint8_t)row_test(&test, row);
        }
    }
    for (size_t i = 0; i < block->count; i++) {
        ids[count] = mn_slab_block_row(block, i);
        count += pass[i];
    }
    return count;
}

/* The next slab, in which one row or more pass. */
static enum mn_status slab_ids(struct mn_cover_scan *scan, int64_t *ids, size_t *count)
{
    struct mn_slab_block block;
    bool found = true;

    while (*count == 0 && found) {
        enum mn_status status = mn_slab_scan_next(scan->scan, &block, &found);

        if (status != MN_OK || !found) return status;
        *count = block_ids(&scan->ask, &block, ids);
    }
    return MN_OK;
}

/* The same of the chunks of partitions. */
static enum mn_status chunk_ids(struct mn_cover_scan *scan, int64_t *ids, size_t *count)
{
    const float *row;
    struct mn_chunk chunk;
    bool found = true;

    while (*count == 0 && found) {
        enum mn_status status = mn_posting_scan_next(&scan->lists, &chunk, &found);

        if (status != MN_OK || !found) return status;
        if (chunk.list == MN_LIST_CENTROIDS) continue;
        for (uint32_t i = 0; i < chunk.count; i++) {
            int64_t id = mn_chunk_row(&chunk, i);

            status = mn_slab_scan_gather(scan->scan, &id, 1, &row);
            if (status != MN_OK) return status;
            if (!row) {
                return mn_fail(MN_CORRUPT, "index %s has no covered values of row %" PRId64,
                               scan->ann.index->name, id);
            }
            ids[*count] = id;
            *count += row_passes(&scan->ask, row);
        }
    }
    return MN_OK;
}

enum mn_status mn_cover_scan_ids(struct mn_cover_scan *scan, int64_t *ids, size_t *count)
{
    *count = 0;
    return scan->ask.prefix.len ? chunk_ids(scan, ids, count) : slab_ids(scan, ids, count);
}
