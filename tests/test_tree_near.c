/*
 * Tests of a cursor's short ways: the last 8 bytes of many keys at once, and a search that begins
 * in the leaf at hand, each against the ordinary way.
 */
#include <string.h>

#include "base/bytes.h"
#include "btree/tree.h"
#include "index/vector/row_set.h"
#include "support/test.h"

enum { ENTRIES = 2000, KEY_MAX = 40, LONG_KEY = 3000 };

struct world {
    struct mn_store *store;
    struct mn_view *view;
    uint64_t tree;
};

/* Keys that share much, little or nothing, of any length up to KEY_MAX; now and then a long one. */
static size_t key_draw(uint64_t *seed, uint8_t *key, size_t least)
{
    size_t length = least + test_random(seed) % (KEY_MAX - least);

    if (least < 8 && test_random(seed) % 100 == 0) length = LONG_KEY;
    for (size_t i = 0; i < length; i++) {
        key[i] = i + 3 < length ? (uint8_t)(i % 5) : (uint8_t)(test_random(seed) % 11);
    }
    return length;
}

static void world_open(struct world *w, uint64_t *seed, uint32_t page_size, size_t least)
{
    struct mn_store_options options = {
        .flags = MN_STORE_CREATE, .page_size = page_size, .hooks = mn_tree_hooks()};
    uint8_t key[LONG_KEY];

    assert_int_equal(mn_store_open(&options, &w->store), MN_OK);
    assert_int_equal(mn_write_begin(w->store, 0, &w->view), MN_OK);
    assert_int_equal(mn_tree_create(w->view, &w->tree), MN_OK);
    for (int i = 0; i < ENTRIES; i++) {
        size_t length = key_draw(seed, key, least);
        struct mn_bytes bytes = mn_bytes_of(key, length);

        assert_int_equal(mn_tree_put(w->view, w->tree, bytes, mn_bytes_of("", 0), MN_PUT_UPSERT),
                         MN_OK);
    }
    assert_int_equal(mn_write_commit(w->view, NULL), MN_OK);
    assert_int_equal(mn_view_begin_read(w->store, &w->view), MN_OK);
}

static void world_close(struct world *w)
{
    mn_view_end(w->view);
    assert_int_equal(mn_store_close(w->store), MN_OK);
}

static void ends_walk(struct world *w, size_t at_once)
{
    struct mn_cursor *plain, *quick;
    uint64_t ends[64];
    uint64_t entries, seen = 0, many = 0;
    bool found, there;

    assert_int_equal(mn_tree_count(w->view, w->tree, &entries), MN_OK);
    assert_int_equal(mn_cursor_open(w->view, w->tree, &plain), MN_OK);
    assert_int_equal(mn_cursor_open(w->view, w->tree, &quick), MN_OK);
    assert_int_equal(mn_cursor_first(plain, &found), MN_OK);
    assert_int_equal(mn_cursor_first(quick, &there), MN_OK);
    while (there) {
        struct mn_key_ends asked = {.words = ends, .capacity = at_once};
        size_t count;

        assert_int_equal(mn_cursor_ends(quick, &asked), MN_OK);
        count = asked.count;
        assert_true(count <= at_once && !asked.ended);
        many += count;
        for (size_t i = 0; i < (count ? count : 1); i++) {
            struct mn_item item;

            assert_true(found);
            assert_int_equal(mn_cursor_item(plain, &item), MN_OK);
            if (count) {
                assert_true(item.key.len >= 8);
                assert_true(ends[i] == mn_get_u64_be(item.key.data + item.key.len - 8));
            } else {
                assert_true(item.key.len < 8 || item.key.len == LONG_KEY);
            }
            seen++;
            assert_int_equal(mn_cursor_next(plain, &found), MN_OK);
        }
        assert_int_equal(mn_cursor_next(quick, &there), MN_OK);
    }
    assert_false(found);
    assert_int_equal(seen, entries);
    assert_true(many > entries / 2);
    mn_cursor_close(plain);
    mn_cursor_close(quick);
}

static void ends_are_those_of_the_keys(void **state)
{
    static const uint32_t pages[] = {512, 4096};
    uint64_t seed = test_seed();

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct world w;

        world_open(&w, &seed, pages[i % 2], i % 3 == 0 ? 2 : 8);
        ends_walk(&w, 1 + test_random(&seed) % 64);
        world_close(&w);
    }
}

static void near_finds_what_seek_finds(void **state)
{
    static const uint32_t pages[] = {512, 4096};
    uint64_t seed = test_seed();
    uint8_t key[LONG_KEY];

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct mn_cursor *plain, *quick;
        struct world w;

        world_open(&w, &seed, pages[i % 2], 2);
        assert_int_equal(mn_cursor_open(w.view, w.tree, &plain), MN_OK);
        assert_int_equal(mn_cursor_open(w.view, w.tree, &quick), MN_OK);
        for (int n = 0; n < 3000; n++) {
            struct mn_bytes bytes = mn_bytes_of(key, key_draw(&seed, key, 2));
            struct mn_item a, b;
            bool found, there;

            assert_int_equal(mn_cursor_seek(plain, bytes, MN_SEEK_LE, &found), MN_OK);
            assert_int_equal(mn_cursor_seek_near(quick, bytes, &there), MN_OK);
            assert_int_equal(found, there);
            if (!found) continue;
            assert_int_equal(mn_cursor_item(plain, &a), MN_OK);
            assert_int_equal(mn_cursor_item(quick, &b), MN_OK);
            assert_int_equal(a.key.len, b.key.len);
            assert_memory_equal(a.key.data, b.key.data, a.key.len);
        }
        mn_cursor_close(plain);
        mn_cursor_close(quick);
        world_close(&w);
    }
}

/* ---- sets of rows, which are made of such ends ---- */

static void set_holds_what_it_was_given(void **state)
{
    static bool is[5000];
    static int64_t ids[5000];
    uint64_t seed = test_seed();

    (void)state;
    for (int round = 0; round < 60; round++) {
        int64_t step = round % 3 == 2 ? 100000 : 1, base = (round % 5 - 2) * 1000;
        uint64_t among = 1 + test_random(&seed) % 5000;
        size_t count = 0, runs = 0, at = 0;
        struct mn_row_set set;

        if (round % 5 == 0) among = 5000; /* all of them */
        memset(is, 0, sizeof is);
        for (int i = 0; i < 5000; i++) is[i] = test_random(&seed) % 5000 < among;
        for (int i = 0; i < 5000; i++) {
            if (is[i]) ids[count++] = (base + i) * step;
            runs += is[i] && (step > 1 || i == 0 || !is[i - 1]);
        }
        for (size_t i = count; i > 1 && round % 2; i--) {
            size_t other = test_random(&seed) % i;
            int64_t kept = ids[i - 1];

            ids[i - 1] = ids[other];
            ids[other] = kept;
        }
        assert_int_equal(mn_row_set_make(ids, count, round % 2 == 0, &set), MN_OK);
        assert_int_equal(mn_row_set_runs(&set), runs);
        for (int i = -2; i < 5002; i++) {
            bool want = i >= 0 && i < 5000 && is[i];

            assert_int_equal(mn_row_set_has(&set, (base + i) * step), want);
        }
        mn_row_set_sort(&set);
        for (int i = 0; i < 5000; i++) {
            if (is[i]) assert_true(ids[at++] == (base + i) * step);
        }
        mn_row_set_release(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_those_of_the_keys),
        cmocka_unit_test(near_finds_what_seek_finds),
        cmocka_unit_test(set_holds_what_it_was_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
