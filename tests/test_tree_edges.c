/*
 * Tests of trees at their edges: keys that differ far behind what a page holds of them, keys that
 * end where the next one goes on, bulk loads out of order, cursors that stand nowhere.
 */
#include <stdlib.h>
#include <string.h>

#include "btree/tree.h"
#include "support/forest.h"
#include "support/status.h"
#include "support/test.h"

enum { KEYS = 240, LONGEST = 3000, SMALL = 512 };

static struct mn_store *store_open(uint32_t page_size)
{
    struct mn_store_options options = {
        .flags = MN_STORE_CREATE, .page_size = page_size, .hooks = mn_tree_hooks()};
    struct mn_store *store;

    ok(mn_store_open(&options, &store));
    return store;
}

static struct mn_bytes text(const char *bytes)
{
    return mn_bytes_of(bytes, strlen(bytes));
}

/* ---- long keys ---- */

struct far_keys {
    uint8_t *bytes[KEYS];
    size_t len[KEYS];
};

static int key_order(const struct far_keys *keys, int a, int b)
{
    size_t least = keys->len[a] < keys->len[b] ? keys->len[a] : keys->len[b];
    int order = memcmp(keys->bytes[a], keys->bytes[b], least);

    return order ? order : (keys->len[a] > keys->len[b]) - (keys->len[a] < keys->len[b]);
}

static void keys_sort(struct far_keys *keys)
{
    for (int i = 1; i < KEYS; i++) {
        for (int at = i; at > 0 && key_order(keys, at - 1, at) > 0; at--) {
            uint8_t *bytes = keys->bytes[at];
            size_t len = keys->len[at];

            keys->bytes[at] = keys->bytes[at - 1];
            keys->len[at] = keys->len[at - 1];
            keys->bytes[at - 1] = bytes;
            keys->len[at - 1] = len;
        }
    }
}

/* Families of six: a key, four that go on where it ends, and one that differs in a byte before. */
static struct far_keys *keys_new(size_t shared)
{
    static const size_t more[] = {0, 1, 2, 40, 900, 3};
    struct far_keys *keys = calloc(1, sizeof *keys);

    assert_non_null(keys);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t family = i / 6, member = i % 6;
        uint8_t *bytes = malloc(LONGEST);

        assert_non_null(bytes);
        memset(bytes, 'p', LONGEST);
        mn_put_u32(bytes + shared, __builtin_bswap32(family));
        keys->bytes[i] = bytes;
        keys->len[i] = shared + 4 + 100 * (family % 8) + more[member];
        if (member == 5) bytes[keys->len[i] - 1] = 'q';
    }
    keys_sort(keys);
    return keys;
}

static void keys_free(struct far_keys *keys)
{
    for (int i = 0; i < KEYS; i++) free(keys->bytes[i]);
    free(keys);
}

static struct mn_bytes key_of(const struct far_keys *keys, int i)
{
    return mn_bytes_of(keys->bytes[i], keys->len[i]);
}

static struct mn_bytes value_of(int i)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    return mn_bytes_of(letters + i % 20, (size_t)(i % 6));
}

static void stands_on(struct mn_cursor *cursor, bool found, const struct far_keys *keys, int i)
{
    struct mn_bytes key;
    struct mn_item item;

    if (i < 0 || i >= KEYS) {
        assert_false(found);
        return;
    }
    assert_true(found);
    ok(mn_cursor_key(cursor, &key));
    assert_int_equal(key.len, keys->len[i]);
    ok(mn_cursor_item(cursor, &item));
    assert_int_equal(item.key.len, keys->len[i]);
    assert_memory_equal(item.key.data, keys->bytes[i], keys->len[i]);
    assert_int_equal(item.value.len, value_of(i).len);
    if (item.value.len) assert_memory_equal(item.value.data, value_of(i).data, item.value.len);
}

/* Every `step`-th key is there: each is found by seeks of all four kinds and by its number. */
static void keys_are(struct mn_view *view, uint64_t tree, const struct far_keys *keys, int step)
{
    struct mn_cursor *cursor;
    uint64_t below;
    bool found;

    ok(mn_cursor_open(view, tree, &cursor));
    for (int i = 0; i < KEYS; i++) {
        int at = i / step * step, next = at == i ? i : at + step;

        if (next >= KEYS) next = -1;
        ok(mn_cursor_seek(cursor, key_of(keys, i), MN_SEEK_LE, &found));
        stands_on(cursor, found, keys, at);
        ok(mn_cursor_seek(cursor, key_of(keys, i), MN_SEEK_GE, &found));
        stands_on(cursor, found, keys, next);
        ok(mn_cursor_seek(cursor, key_of(keys, i), MN_SEEK_LT, &found));
        stands_on(cursor, found, keys, at == i ? at - step : at);
        ok(mn_cursor_seek(cursor, key_of(keys, i), MN_SEEK_GT, &found));
        stands_on(cursor, found, keys, at + step);
        ok(mn_cursor_seek_near(cursor, key_of(keys, i), &found));
        stands_on(cursor, found, keys, at);
        ok(mn_tree_rank(view, tree, key_of(keys, i), &below));
        assert_int_equal(below, (i + step - 1) / step);
        ok(mn_cursor_nth(cursor, (uint64_t)(i / step), &found));
        stands_on(cursor, found, keys, at);
    }
    ok(mn_cursor_nth(cursor, (uint64_t)((KEYS + step - 1) / step), &found));
    assert_false(found);
    mn_cursor_close(cursor);
}

static void store_is(struct mn_store *store, uint64_t tree, const struct far_keys *keys, int step)
{
    struct mn_view *view;

    ok(mn_view_begin_read(store, &view));
    keys_are(view, tree, keys, step);
    mn_view_end(view);
    assert_int_equal(forest_check(store, true), 0);
}

enum order { UP, DOWN, MIXED, BULK, ORDERS };

static void keys_put(struct mn_view *view, uint64_t tree, const struct far_keys *keys,
                     enum order order)
{
    struct mn_bulk *bulk;

    if (order == BULK) {
        ok(mn_bulk_begin(view, tree, &bulk));
        for (int i = 0; i < KEYS; i++) ok(mn_bulk_add(bulk, key_of(keys, i), value_of(i)));
        ok(mn_bulk_end(bulk));
        return;
    }
    for (int n = 0; n < KEYS; n++) {
        int i = order == UP ? n : order == DOWN ? KEYS - 1 - n : n * 77 % KEYS;

        ok(mn_tree_put(view, tree, key_of(keys, i), value_of(i), MN_PUT_INSERT));
    }
}

/* Made in that order, thinned out, packed, and taken away from both ends. */
static void far_keys_live(const struct far_keys *keys, enum order order)
{
    struct mn_store *store = store_open(SMALL);
    struct mn_compact_result result;
    struct mn_view *view;
    uint64_t tree, left;
    bool found;

    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    keys_put(view, tree, keys, order);
    keys_are(view, tree, keys, 1);
    ok(mn_write_commit(view, NULL));
    store_is(store, tree, keys, 1);
    ok(mn_write_begin(store, 0, &view));
    for (int i = 0; i < KEYS; i++) {
        if (i % 3) ok(mn_tree_delete(view, tree, key_of(keys, i), &found));
        if (i % 3) assert_true(found);
    }
    keys_are(view, tree, keys, 3);
    ok(mn_write_commit(view, NULL));
    ok(mn_tree_compact(store, NULL, NULL, &result));
    store_is(store, tree, keys, 3);
    ok(mn_write_begin(store, 0, &view));
    for (int i = 0; i <= KEYS / 6; i++) {
        ok(mn_tree_delete(view, tree, key_of(keys, i * 3), NULL));
        ok(mn_tree_delete(view, tree, key_of(keys, KEYS - 3 - i * 3), NULL));
    }
    ok(mn_tree_count(view, tree, &left));
    assert_int_equal(left, 0);
    ok(mn_write_commit(view, NULL));
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_store_close(store));
}

static void keys_may_differ_far_behind(void **state)
{
    (void)state;
    for (size_t shared = 0; shared <= 1200; shared += 400) {
        struct far_keys *keys = keys_new(shared);

        for (int order = UP; order < ORDERS; order++) far_keys_live(keys, (enum order)order);
        keys_free(keys);
    }
}

/* ---- bulk loads ---- */

static void bulk_refuses(const char *last, const char *key)
{
    struct mn_store *store = store_open(SMALL);
    struct mn_bytes value;
    struct mn_view *view;
    struct mn_bulk *bulk;
    uint64_t tree, count;
    uint8_t *run;
    bool found;

    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_bulk_begin(view, tree, &bulk));
    ok(mn_bulk_add(bulk, text(last), text("first")));
    assert_null(mn_bulk_room(bulk, text(key), 1));
    assert_int_equal(mn_bulk_add(bulk, text(key), text("second")), MN_MISUSE);
    assert_int_equal(mn_bulk_add_run(bulk, text(key), text("second"), 100, &run), MN_MISUSE);
    ok(mn_bulk_end(bulk));
    ok(mn_tree_count(view, tree, &count));
    assert_int_equal(count, 1);
    ok(mn_tree_get(view, tree, text(last), &value, &found));
    assert_true(found && value.len == 5);
    ok(mn_write_commit(view, NULL));
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_store_close(store));
}

static void a_bulk_takes_keys_in_order_alone(void **state)
{
    (void)state;
    bulk_refuses("", "");
    bulk_refuses("b", "");
    bulk_refuses("b", "b");
    bulk_refuses("b", "a");
    bulk_refuses("bc", "b");
    bulk_refuses("bc", "abcd");
    bulk_refuses("12345678", "12345678");
    bulk_refuses("12345678", "12345677");
    bulk_refuses("12345678", "1234567");
    bulk_refuses("12345678", "123456779");
    bulk_refuses("123456789", "12345678");
}

/* An inline part of 1 byte to what a page takes, and a run of some bytes. */
static void a_run_needs_both_its_parts(void **state)
{
    struct mn_store *store = store_open(SMALL);
    static const uint8_t many[SMALL];
    struct mn_bytes none = mn_bytes_of(many, 0), one = mn_bytes_of(many, 1);
    struct mn_bytes whole = mn_bytes_of(many, sizeof many);
    struct mn_view *view;
    struct mn_bulk *bulk;
    uint64_t tree, count;
    uint8_t *run;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    assert_int_equal(mn_tree_put_run(view, tree, text("k"), none, 10, &run), MN_MISUSE);
    assert_int_equal(mn_tree_put_run(view, tree, text("k"), whole, 10, &run), MN_MISUSE);
    assert_int_equal(mn_tree_put_run(view, tree, text("k"), one, 0, &run), MN_MISUSE);
    ok(mn_bulk_begin(view, tree, &bulk));
    assert_int_equal(mn_bulk_add_run(bulk, text("k"), none, 10, &run), MN_MISUSE);
    assert_int_equal(mn_bulk_add_run(bulk, text("k"), whole, 10, &run), MN_MISUSE);
    assert_int_equal(mn_bulk_add_run(bulk, text("k"), one, 0, &run), MN_MISUSE);
    ok(mn_bulk_add_run(bulk, text("k"), one, 10, &run));
    ok(mn_bulk_end(bulk));
    ok(mn_tree_count(view, tree, &count));
    assert_int_equal(count, 1);
    ok(mn_write_commit(view, NULL));
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_store_close(store));
}

/* ---- numbers and others in one leaf ---- */

static struct mn_bytes number(uint64_t n, uint8_t bytes[9])
{
    mn_put_u64_be(bytes, n);
    return mn_bytes_of(bytes, 8);
}

/* A root leaf of numbers as full as it gets is cut where a longer key comes between them. */
static void a_longer_key_comes_among_numbers(void **state)
{
    (void)state;
    for (uint64_t count = 10; count <= 60; count++) {
        struct mn_store *store = store_open(SMALL);
        uint8_t key[9] = {0};
        struct mn_bytes value, longer;
        struct mn_view *view;
        uint64_t tree, have;
        bool found;

        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &tree));
        for (uint64_t i = 0; i < count; i++)
            ok(mn_tree_put(view, tree, number(i, key), text(""), 0));
        longer = number(count / 2, key);
        longer.len = 9;
        ok(mn_tree_put(view, tree, longer, text("longer"), MN_PUT_INSERT));
        ok(mn_tree_count(view, tree, &have));
        assert_int_equal(have, count + 1);
        for (uint64_t i = 0; i < count; i++) {
            ok(mn_tree_get(view, tree, number(i, key), &value, &found));
            assert_true(found && value.len == 0);
        }
        longer = number(count / 2, key);
        longer.len = 9;
        ok(mn_tree_get(view, tree, longer, &value, &found));
        assert_true(found && value.len == 6);
        ok(mn_write_commit(view, NULL));
        assert_int_equal(forest_check(store, true), 0);
        ok(mn_store_close(store));
    }
}

/* ---- cursors ---- */

static void stands_nowhere(struct mn_cursor *cursor)
{
    uint64_t words[4];
    uint8_t bytes[32];
    struct mn_key_ends ends = {.words = words, .capacity = 4};
    struct mn_tails tails = {.bytes = bytes, .tail_bytes = 8, .capacity = 4};
    struct mn_wide wide[4];
    struct mn_bytes key;
    struct mn_item item;
    size_t count = 1;
    bool found = true;

    ok(mn_cursor_next(cursor, &found));
    assert_false(found);
    ok(mn_cursor_prev(cursor, &found));
    assert_false(found);
    assert_int_equal(mn_cursor_item(cursor, &item), MN_MISUSE);
    assert_int_equal(mn_cursor_key(cursor, &key), MN_MISUSE);
    ok(mn_cursor_tails(cursor, text(""), &tails));
    assert_true(tails.count == 0 && tails.ended);
    mn_cursor_wide(cursor, wide, 4, &count);
    assert_int_equal(count, 0);
    ok(mn_cursor_ends(cursor, &ends));
    assert_int_equal(ends.count, 0);
}

/* New, behind the end, before the begin, in an empty tree, and on an entry that was deleted. */
static void a_cursor_may_stand_nowhere(void **state)
{
    struct mn_store *store = store_open(SMALL);
    struct mn_cursor *cursor;
    struct mn_view *view;
    struct mn_item item;
    uint8_t key[9];
    uint64_t tree;
    bool found;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_cursor_open(view, tree, &cursor));
    stands_nowhere(cursor);
    ok(mn_cursor_first(cursor, &found));
    assert_false(found);
    stands_nowhere(cursor);
    for (uint64_t i = 1; i < 9; i++) ok(mn_tree_put(view, tree, number(i, key), text("v"), 0));
    ok(mn_cursor_seek(cursor, number(8, key), MN_SEEK_GE, &found));
    assert_true(found);
    ok(mn_tree_delete(view, tree, number(8, key), NULL));
    assert_int_equal(mn_cursor_item(cursor, &item), MN_MISUSE);
    mn_cursor_close(cursor);
    ok(mn_write_commit(view, NULL));
    ok(mn_view_begin_read(store, &view));
    ok(mn_cursor_open(view, tree, &cursor));
    stands_nowhere(cursor);
    ok(mn_cursor_seek(cursor, number(8, key), MN_SEEK_GE, &found));
    assert_false(found);
    stands_nowhere(cursor);
    ok(mn_cursor_seek(cursor, number(1, key), MN_SEEK_LT, &found));
    assert_false(found);
    stands_nowhere(cursor);
    ok(mn_cursor_nth(cursor, 7, &found));
    assert_false(found);
    stands_nowhere(cursor);
    mn_cursor_close(cursor);
    mn_view_end(view);
    ok(mn_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_may_differ_far_behind),
        cmocka_unit_test(a_bulk_takes_keys_in_order_alone),
        cmocka_unit_test(a_run_needs_both_its_parts),
        cmocka_unit_test(a_longer_key_comes_among_numbers),
        cmocka_unit_test(a_cursor_may_stand_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
