/*
 * Tests of store/place: blocks at the end of the file are written in advance, also where the file
 * was cut and grew again; commits of many nodes stay near each other in a large file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btree/tree.h"
#include "store/inside.h"
#include "support/raw.h"
#include "support/status.h"
#include "support/test.h"

/* ---- a file that counts what is written in advance ---- */

static const struct mn_file_ops *real;
static struct mn_file_ops counting;
static uint64_t prewritten_from, prewritten_to, prewrites;

static void prewrite_counted(struct mn_file *file, struct mn_range at)
{
    uint64_t size;

    ok(file->ops->size(file, &size));
    assert_true(at.length > 0 && at.start + at.length <= size);
    if (prewrites == 0 || at.start < prewritten_from) prewritten_from = at.start;
    if (prewrites == 0 || at.start + at.length > prewritten_to) {
        prewritten_to = at.start + at.length;
    }
    prewrites++;
    real->prewrite(file, at);
}

static struct mn_store *file_make(void)
{
    static char path[512];
    struct mn_store_options options = {
        .path = path, .flags = MN_STORE_CREATE, .grow_bytes = 64 << 10, .hooks = raw_hooks};
    struct mn_store *store;

    snprintf(path, sizeof path, "%s/file", test_folder());
    ok(mn_store_open(&options, &store));
    real = store->file->ops;
    counting = *real;
    counting.prewrite = prewrite_counted;
    store->file->ops = &counting;
    return store;
}

/* ---- steps ---- */

static void leaves_commit(struct mn_store *store, uint64_t value)
{
    for (unsigned leaf = 0; leaf < RAW_LEAVES; leaf++) {
        struct mn_view *view;

        ok(mn_write_begin(store, 0, &view));
        ok(raw_set(view, leaf, value + leaf));
        ok(mn_write_commit(view, NULL));
    }
}

/* A run of a mebibyte; value 0: it is dropped. */
static void run_commit(struct mn_store *store, unsigned run, uint64_t value)
{
    struct mn_view *view;

    ok(mn_write_begin(store, 0, &view));
    ok(raw_set_run(view, run, value, 1 << 20));
    ok(mn_write_commit(view, NULL));
}

static void cut(struct mn_store *store)
{
    for (int i = 0; i < 4; i++) { /* pages that the last commits gave back are free in the next */
        struct mn_view *view;

        leaves_commit(store, 900 + 100 * (uint64_t)i);
        ok(mn_write_begin(store, 0, &view));
        mn_view_pack(view);
        mn_view_cut(view);
        ok(raw_set(view, 0, 500 + (uint64_t)i));
        ok(mn_write_commit(view, NULL));
    }
}

static void what_was_cut_is_not_known_to_be_written(void **state)
{
    struct mn_store *store = file_make();
    uint64_t large, small;

    (void)state;
    leaves_commit(store, 100);
    run_commit(store, 0, 7);
    for (int i = 0; i < 6; i++) leaves_commit(store, 200);
    large = store->file_bytes;
    assert_true(prewrites > 0);
    assert_true(store->prewritten << store->page_shift > 1 << 20);

    run_commit(store, 0, 0);
    cut(store);
    small = store->file_bytes;
    assert_true(small + (512 << 10) < large);
    assert_true(store->prewritten << store->page_shift <= small);

    /* The file grows again: small commits get their blocks written in advance as before. */
    prewrites = 0;
    for (unsigned run = 0; run < RAW_RUNS; run++) {
        run_commit(store, run, 8);
        for (int i = 0; i < 6; i++) leaves_commit(store, 300);
    }
    assert_true(prewrites > 0);
    assert_true(prewritten_from >= small && prewritten_to <= store->file_bytes);
    assert_int_equal(raw_check(store), 0);
    ok(mn_store_close(store));
}

/* ---- many nodes in a large file ---- */

enum { ROWS = 80000, ROW_BYTES = 900, BATCH = 200, BATCHES = 120, WARM = 60 };
enum { FRONT = 1 << 20 }; /* slots, ring and wings lie before it */

/* Where the pages of a commit went. */
static uint64_t placed[4 * BATCH];
static size_t placed_count;

static enum mn_status pwritev_watched(struct mn_file *file, uint64_t offset,
                                      const struct mn_slice *slices, size_t count)
{
    uint64_t at = offset;

    for (size_t i = 0; i < count && offset >= FRONT; i++) {
        assert_true(placed_count < sizeof placed / sizeof *placed);
        placed[placed_count++] = at;
        at += slices[i].size_bytes;
    }
    return real->pwritev(file, offset, slices, count);
}

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* How many pages of the file the middle nine tenths of the commit are strewn over. */
static uint64_t placed_span(const struct mn_store *store)
{
    size_t edge = placed_count / 20;

    qsort(placed, placed_count, sizeof *placed, number_compare);
    return (placed[placed_count - 1 - edge] - placed[edge]) >> store->page_shift;
}

static uint64_t rows_load(struct mn_store *store)
{
    static uint8_t body[ROW_BYTES];
    struct mn_view *view;
    struct mn_bulk *bulk;
    uint64_t tree;

    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_bulk_begin(view, tree, &bulk));
    for (uint64_t row = 0; row < ROWS; row++) {
        uint8_t key[8];

        mn_put_u64_be(key, row);
        ok(mn_bulk_add(bulk, mn_bytes_of(key, 8), mn_bytes_of(body, ROW_BYTES)));
    }
    ok(mn_bulk_end(bulk));
    ok(mn_write_commit(view, NULL));
    return tree;
}

static void batch_commit(struct mn_store *store, uint64_t tree, uint64_t *random)
{
    static uint8_t body[ROW_BYTES];
    struct mn_view *view;

    ok(mn_write_begin(store, 0, &view));
    for (int i = 0; i < BATCH; i++) {
        uint8_t key[8];

        mn_put_u64_be(key, test_random(random) % ROWS);
        body[i] ^= 1; /* another value than the row had */
        ok(mn_tree_put(view, tree, mn_bytes_of(key, 8), mn_bytes_of(body, ROW_BYTES),
                       MN_PUT_UPSERT));
    }
    ok(mn_write_commit(view, NULL));
}

/* Each leaf holds a row, each batch rewrites rows from all over the file: what it writes goes to a
 * part of the file, and the file keeps a sixteenth more than it had to. */
static void a_batch_is_strewn_over_a_part_of_the_file(void **state)
{
    struct mn_store_options options = {.hooks = mn_tree_hooks()};
    uint64_t spans[BATCHES - WARM], random = test_seed() * 17 + 3, loaded, tree;
    struct mn_store_stats stats;
    struct mn_store *store;

    (void)state;
    ok(mn_store_open(&options, &store));
    tree = rows_load(store);
    ok(mn_store_stat(store, &stats));
    loaded = stats.page_count;
    assert_true(loaded > ROWS / 5);
    real = store->file->ops;
    counting = *real;
    counting.pwritev = pwritev_watched;
    store->file->ops = &counting;
    for (int b = 0; b < BATCHES; b++) {
        placed_count = 0;
        batch_commit(store, tree, &random);
        assert_true(placed_count >= BATCH / 2);
        if (b >= WARM) spans[b - WARM] = placed_span(store);
    }
    qsort(spans, BATCHES - WARM, sizeof *spans, number_compare);
    ok(mn_store_stat(store, &stats));
    printf("%llu pages, %llu after the load; the middle commit lies within %llu\n",
           (unsigned long long)stats.page_count, (unsigned long long)loaded,
           (unsigned long long)spans[(BATCHES - WARM) / 2]);
    assert_true(spans[(BATCHES - WARM) / 2] < loaded / 3);
    assert_true(stats.page_count > loaded + loaded / 64);
    assert_true(stats.page_count <= loaded + loaded / 16);
    store->file->ops = real;
    ok(mn_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_cut_is_not_known_to_be_written),
        cmocka_unit_test(a_batch_is_strewn_over_a_part_of_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
