/*
 * Tests of store/place: blocks at the end of the file are written in advance, also where the file
 * was cut and grew again.
 */
#include <stdio.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_cut_is_not_known_to_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
