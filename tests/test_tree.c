/*
 * Tests of trees: limits, flags, bulk builds, many trees, dropping.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btree/tree.h"
#include "support/forest.h"
#include "support/status.h"
#include "support/test.h"

static struct mn_store *store_open(uint32_t page_size, uint64_t dirty_limit)
{
    struct mn_store_options options = {.flags = MN_STORE_CREATE,
                                       .page_size = page_size,
                                       .dirty_limit_bytes = dirty_limit,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store;

    assert_int_equal(mn_store_open(&options, &store), MN_OK);
    return store;
}

static struct mn_bytes number(uint64_t n, uint8_t bytes[8])
{
    mn_put_u64_be(bytes, n);
    return mn_bytes_of(bytes, 8);
}

static void store_end(struct mn_store *store)
{
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_store_close(store));
}

static void a_key_has_64_kib_and_no_byte_more(void **state)
{
    uint8_t *key = calloc(1, MN_TREE_KEY_BYTES_MAX + 1);

    (void)state;
    assert_non_null(key);
    for (uint32_t size = 512; size <= 65536; size *= 128) {
        struct mn_store *store = store_open(size, 0);
        struct mn_bytes longest = mn_bytes_of(key, MN_TREE_KEY_BYTES_MAX), value;
        struct mn_view *view;
        uint64_t tree;
        bool found;

        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &tree));
        ok(mn_tree_put(view, tree, longest, mn_bytes_of("v", 1), MN_PUT_UPSERT));
        ok(mn_tree_put(view, tree, mn_bytes_of(NULL, 0), mn_bytes_of(NULL, 0), MN_PUT_UPSERT));
        longest.len++;
        assert_int_equal(mn_tree_put(view, tree, longest, mn_bytes_of("v", 1), 0), MN_TOOBIG);
        assert_int_equal(mn_tree_delete(view, tree, longest, &found), MN_TOOBIG);
        longest.len--;
        ok(mn_write_commit(view, NULL));
        ok(mn_view_begin_read(store, &view));
        ok(mn_tree_get(view, tree, longest, &value, &found));
        assert_true(found && value.len == 1 && value.data[0] == 'v');
        ok(mn_tree_get(view, tree, mn_bytes_of(NULL, 0), &value, &found));
        assert_true(found && value.len == 0);
        mn_view_end(view);
        store_end(store);
    }
    free(key);
}

static void insert_refuses_a_key_that_is_there(void **state)
{
    struct mn_store *store = store_open(512, 0);
    struct mn_bytes key = mn_bytes_of("key", 3), value;
    struct mn_view *view;
    uint64_t tree, entries;
    bool found;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_tree_put(view, tree, key, mn_bytes_of("1", 1), MN_PUT_INSERT));
    assert_int_equal(mn_tree_put(view, tree, key, mn_bytes_of("2", 1), MN_PUT_INSERT), MN_EXISTS);
    ok(mn_tree_get(view, tree, key, &value, &found));
    assert_true(found && value.data[0] == '1');
    ok(mn_tree_put(view, tree, key, mn_bytes_of("2", 1), MN_PUT_UPSERT));
    ok(mn_tree_get(view, tree, key, &value, &found));
    assert_true(found && value.data[0] == '2');
    ok(mn_tree_count(view, tree, &entries));
    assert_int_equal(entries, 1);
    ok(mn_write_commit(view, NULL));
    store_end(store);
}

static void a_reader_cannot_write(void **state)
{
    struct mn_store *store = store_open(512, 0);
    struct mn_bytes key = mn_bytes_of("key", 3);
    struct mn_view *view;
    struct mn_bulk *bulk;
    uint64_t tree;
    uint8_t *run;

    (void)state;
    ok(mn_view_begin_read(store, &view));
    assert_int_equal(mn_tree_create(view, &tree), MN_READONLY_DB);
    assert_int_equal(mn_tree_put(view, MN_TREE_CATALOGUE, key, key, 0), MN_READONLY_DB);
    assert_int_equal(mn_tree_put_run(view, MN_TREE_CATALOGUE, key, key, 8, &run), MN_READONLY_DB);
    assert_int_equal(mn_tree_delete(view, MN_TREE_CATALOGUE, key, NULL), MN_READONLY_DB);
    assert_int_equal(mn_tree_drop(view, MN_TREE_CATALOGUE), MN_READONLY_DB);
    assert_int_equal(mn_bulk_begin(view, MN_TREE_CATALOGUE, &bulk), MN_READONLY_DB);
    assert_int_equal(mn_tree_count(view, 999, &tree), MN_NOTFOUND);
    mn_view_end(view);
    store_end(store);
}

static void a_run_keeps_its_bytes(void **state)
{
    struct mn_store *store = store_open(512, 0);
    struct mn_bytes key = mn_bytes_of("slab", 4);
    struct mn_view *view;
    uint64_t tree;
    uint8_t *run;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    assert_int_equal(mn_tree_put_run(view, tree, key, mn_bytes_of("", 0), 64, &run), MN_MISUSE);
    ok(mn_tree_put_run(view, tree, key, mn_bytes_of("1", 1), 1000, &run));
    for (int i = 0; i < 1000; i++) assert_int_equal(run[i], 0);
    memset(run, 7, 1000);
    ok(mn_write_commit(view, NULL));
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_put_run(view, tree, key, mn_bytes_of("22", 2), 1000, &run));
    for (int i = 0; i < 1000; i++) assert_int_equal(run[i], 7);
    ok(mn_tree_put_run(view, tree, key, mn_bytes_of("22", 2), 999, &run));
    for (int i = 0; i < 999; i++) assert_int_equal(run[i], 0);
    ok(mn_write_commit(view, NULL));
    store_end(store);
}

/* ---- bulk ---- */

static void bulk_append(struct mn_view *view, uint64_t tree, uint64_t from, uint64_t to)
{
    struct mn_bulk *bulk;
    uint8_t key[8], again[8];

    ok(mn_bulk_begin(view, tree, &bulk));
    for (uint64_t n = from; n < to; n++) {
        uint8_t *value = forest_bytes((uint32_t)n, (uint32_t)(n % 90));

        ok(mn_bulk_add(bulk, number(n, key), mn_bytes_of(value, n % 90)));
        free(value);
    }
    assert_int_equal(mn_bulk_add(bulk, number(to - 1, again), mn_bytes_of(NULL, 0)), MN_MISUSE);
    ok(mn_bulk_end(bulk));
}

static void numbers_are(struct mn_view *view, uint64_t tree, uint64_t count)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    uint64_t n = 0, entries;
    bool found;

    ok(mn_tree_count(view, tree, &entries));
    assert_int_equal(entries, count);
    ok(mn_cursor_open(view, tree, &cursor));
    for (ok(mn_cursor_first(cursor, &found)); found; ok(mn_cursor_next(cursor, &found))) {
        uint8_t key[8], *value = forest_bytes((uint32_t)n, (uint32_t)(n % 90));

        ok(mn_cursor_item(cursor, &item));
        number(n, key);
        assert_int_equal(item.key.len, 8);
        assert_memory_equal(item.key.data, key, 8);
        assert_int_equal(item.value.len, n % 90);
        if (n % 90) assert_memory_equal(item.value.data, value, n % 90);
        free(value);
        n++;
    }
    assert_int_equal(n, count);
    mn_cursor_close(cursor);
}

static void bulk_builds_and_appends(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= 65536; size *= 128) {
        struct mn_store *store = store_open(size, 0);
        struct mn_view *view;
        uint64_t tree;

        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &tree));
        bulk_append(view, tree, 0, 20000);
        bulk_append(view, tree, 20000, 20001);
        ok(mn_write_commit(view, NULL));
        ok(mn_write_begin(store, 0, &view));
        bulk_append(view, tree, 20001, 30000);
        numbers_are(view, tree, 30000);
        ok(mn_write_commit(view, NULL));
        ok(mn_view_begin_read(store, &view));
        numbers_are(view, tree, 30000);
        mn_view_end(view);
        store_end(store);
    }
}

/* Another tree's changes pass the memory limit again and again while a bulk build is open. */
static void bulk_survives_spilling(void **state)
{
    struct mn_store *store = store_open(512, 50000);
    struct mn_bulk *bulk;
    struct mn_view *view;
    uint64_t tree, other;
    uint8_t key[8];

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_tree_create(view, &other));
    ok(mn_bulk_begin(view, tree, &bulk));
    for (uint64_t n = 0; n < 5000; n++) {
        uint8_t *value = forest_bytes((uint32_t)n, 90);

        ok(mn_bulk_add(bulk, number(n, key), mn_bytes_of(value, n % 90)));
        ok(mn_tree_put(view, other, number(n * 7919 % 5003, key), mn_bytes_of(value, 90), 0));
        free(value);
    }
    ok(mn_bulk_end(bulk));
    numbers_are(view, tree, 5000);
    ok(mn_write_commit(view, NULL));
    store_end(store);
}

static void bulk_ends_with_a_rollback(void **state)
{
    struct mn_store *store = store_open(512, 0);
    struct mn_bulk *bulk;
    struct mn_view *view;
    uint64_t tree;
    uint32_t savepoint;
    uint8_t key[8];

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_savepoint_begin(view, &savepoint));
    ok(mn_bulk_begin(view, tree, &bulk));
    for (uint64_t n = 0; n < 500; n++) ok(mn_bulk_add(bulk, number(n, key), number(n, key)));
    mn_savepoint_rollback(view, savepoint);
    assert_int_equal(mn_bulk_add(bulk, number(500, key), number(500, key)), MN_MISUSE);
    assert_int_equal(mn_bulk_end(bulk), MN_MISUSE);
    numbers_are(view, tree, 0);
    ok(mn_write_commit(view, NULL));
    store_end(store);
}

/* ---- fill ---- */

static uint64_t pages_used(struct mn_store *store)
{
    struct mn_store_stats stats;

    ok(mn_store_stat(store, &stats));
    return stats.page_count - stats.free_pages - stats.pending_pages;
}

static void keys_in_order_fill_their_pages(void **state)
{
    struct mn_store *store = store_open(4096, 0);
    struct mn_view *view;
    uint64_t tree;
    uint8_t key[8], value[100] = {0};

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    for (uint64_t n = 0; n < 20000; n++) {
        ok(mn_tree_put(view, tree, number(n, key), mn_bytes_of(value, 100), 0));
    }
    ok(mn_write_commit(view, NULL));
    /* 20,000 entries of 100 bytes, a head, a slot, a length and a suffix: 113 bytes at most. */
    assert_true(pages_used(store) < 20000 * 113 / 4096 * 21 / 20 + 20);
    store_end(store);
}

static void deletes_give_pages_back(void **state)
{
    struct mn_store *store = store_open(4096, 0);
    struct mn_view *view;
    uint64_t tree, full, thin;
    uint8_t key[8], value[100] = {0};

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    for (uint64_t n = 0; n < 20000; n++) {
        ok(mn_tree_put(view, tree, number(n * 7919 % 20011, key), mn_bytes_of(value, 100), 0));
    }
    ok(mn_write_commit(view, NULL));
    full = pages_used(store);
    ok(mn_write_begin(store, 0, &view));
    for (uint64_t n = 0; n < 20011; n++) {
        if (n % 10) ok(mn_tree_delete(view, tree, number(n, key), NULL));
    }
    ok(mn_write_commit(view, NULL));
    ok(mn_write_begin(store, 0, &view));
    ok(mn_write_commit(view, NULL));
    thin = pages_used(store);
    assert_true(thin < full * 3 / 10);
    store_end(store);
}

/* ---- many trees ---- */

static void roots_beyond_the_slot_are_kept(void **state)
{
    enum { TREES = 100 };
    struct mn_store *store = store_open(512, 0);
    struct forest_keys keys = forest_keys_new(test_seed(), 60, 300);
    struct forest_tree trees[TREES];
    uint64_t random = test_seed();
    struct mn_view *view;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    for (int i = 0; i < TREES; i++) {
        uint64_t tree;

        ok(mn_tree_create(view, &tree));
        forest_tree_init(&trees[i], &keys, tree);
    }
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 100; i++) {
            struct forest_tree *tree = &trees[forest_below(&random, TREES)];

            ok(forest_change(view, tree, &keys, &random, 700));
        }
        for (int i = 0; i < TREES; i++) assert_true(forest_equals(view, &trees[i], &keys));
        ok(mn_write_commit(view, NULL));
        assert_int_equal(forest_check(store, true), 0);
        ok(mn_write_begin(store, 0, &view));
        for (int i = 0; i < TREES; i++) assert_true(forest_equals(view, &trees[i], &keys));
    }
    mn_write_abort(view);
    for (int i = 0; i < TREES; i++) forest_tree_free(&trees[i]);
    forest_keys_free(&keys);
    store_end(store);
}

static enum mn_status tree_count_one(void *context, const struct mn_root *root)
{
    if (root->tree >= MN_TREE_FIRST) ++*(uint32_t *)context;
    return MN_OK;
}

static void dropped_trees_leave_nothing(void **state)
{
    struct mn_store *store = store_open(512, 0);
    struct forest_keys keys = forest_keys_new(test_seed(), 400, 60000);
    struct forest_tree model;
    uint64_t random = test_seed(), before, trees[40], entries;
    uint32_t left = 0;
    struct mn_view *view;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_write_commit(view, NULL));
    before = pages_used(store);
    ok(mn_write_begin(store, 0, &view));
    for (int i = 0; i < 40; i++) {
        ok(mn_tree_create(view, &trees[i]));
        forest_tree_init(&model, &keys, trees[i]);
        for (int n = 0; n < 50; n++) ok(forest_change(view, &model, &keys, &random, 3000));
        forest_tree_free(&model);
    }
    ok(mn_write_commit(view, NULL));
    ok(mn_write_begin(store, 0, &view));
    for (int i = 0; i < 40; i++) ok(mn_tree_drop(view, trees[i]));
    assert_int_equal(mn_tree_count(view, trees[5], &entries), MN_NOTFOUND);
    assert_int_equal(mn_tree_drop(view, trees[5]), MN_NOTFOUND);
    ok(mn_tree_each(view, tree_count_one, &left));
    assert_int_equal(left, 0);
    ok(mn_write_commit(view, NULL));
    for (int i = 0; i < 3; i++) {
        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &trees[0]));
        ok(mn_tree_drop(view, trees[0]));
        ok(mn_write_commit(view, NULL));
    }
    assert_true(trees[0] > trees[39]);
    assert_true(pages_used(store) <= before + 3);
    forest_keys_free(&keys);
    store_end(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_64_kib_and_no_byte_more),
        cmocka_unit_test(insert_refuses_a_key_that_is_there),
        cmocka_unit_test(a_reader_cannot_write),
        cmocka_unit_test(a_run_keeps_its_bytes),
        cmocka_unit_test(bulk_builds_and_appends),
        cmocka_unit_test(bulk_survives_spilling),
        cmocka_unit_test(bulk_ends_with_a_rollback),
        cmocka_unit_test(keys_in_order_fill_their_pages),
        cmocka_unit_test(deletes_give_pages_back),
        cmocka_unit_test(roots_beyond_the_slot_are_kept),
        cmocka_unit_test(dropped_trees_leave_nothing),
    };

    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
