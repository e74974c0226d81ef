/*
 * Tests of btree/fan: what stands behind prefixes, against a sorted array of keys.
 */
#include <stdlib.h>
#include <string.h>

#include "btree/tree.h"
#include "support/test.h"

enum { KEYS_MAX = 3000, KEY_BYTES = 24, NODES = 60 };

struct world {
    struct mn_store *store;
    struct mn_view *view;
    uint64_t tree;
    uint8_t keys[KEYS_MAX][KEY_BYTES]; /* sorted */
    size_t count;
};

static int keys_compare(const void *a, const void *b)
{
    return memcmp(a, b, KEY_BYTES);
}

/* Nodes of few and of many keys; their bytes differ early or late, as `spread` says. */
static void node_put(uint8_t prefix[8], uint64_t node, bool spread)
{
    uint64_t value = spread ? node * UINT64_C(0x0400000100000001) : node;

    for (int i = 0; i < 8; i++) prefix[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void world_open(struct world *w, uint64_t *seed, uint32_t page_size, bool spread)
{
    struct mn_store_options options = {
        .flags = MN_STORE_CREATE, .page_size = page_size, .hooks = mn_tree_hooks()};

    memset(w, 0, sizeof *w);
    assert_int_equal(mn_store_open(&options, &w->store), MN_OK);
    assert_int_equal(mn_write_begin(w->store, 0, &w->view), MN_OK);
    assert_int_equal(mn_tree_create(w->view, &w->tree), MN_OK);
    w->count = test_random(seed) % KEYS_MAX;
    for (size_t i = 0; i < w->count; i++) {
        uint64_t node = test_random(seed) % NODES;

        if (node % 3 == 0) node = 0;
        node_put(w->keys[i], node, spread);
        for (int b = 8; b < KEY_BYTES; b++) {
            w->keys[i][b] = b % 8 < 6 ? 0 : (uint8_t)(test_random(seed) % 8);
        }
        assert_int_equal(mn_tree_put(w->view, w->tree, mn_bytes_of(w->keys[i], KEY_BYTES),
                                     mn_bytes_of("", 0), MN_PUT_UPSERT),
                         MN_OK);
    }
    qsort(w->keys, w->count, KEY_BYTES, keys_compare);
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (kept > 0 && memcmp(w->keys[kept - 1], w->keys[i], KEY_BYTES) == 0) continue;
        memmove(w->keys[kept++], w->keys[i], KEY_BYTES);
    }
    w->count = kept;
}

/* The same tree as a reader sees it. */
static void world_commit(struct world *w)
{
    assert_int_equal(mn_write_commit(w->view, NULL), MN_OK);
    assert_int_equal(mn_view_begin_read(w->store, &w->view), MN_OK);
}

static void world_close(struct world *w)
{
    mn_view_end(w->view);
    assert_int_equal(mn_store_close(w->store), MN_OK);
}

/* A prefix as it may be asked: of a key that is there, or of none. */
static void prefix_draw(const struct world *w, uint64_t *seed, size_t bytes, bool spread,
                        uint8_t *prefix)
{
    uint64_t how = test_random(seed) % 8;

    memset(prefix, 0, bytes);
    if (how > 1 && w->count > 0) {
        memcpy(prefix, w->keys[test_random(seed) % w->count], bytes);
        return;
    }
    node_put(prefix, test_random(seed) % (NODES + 2), spread);
    if (how == 0) memset(prefix, test_random(seed) % 2 ? 0xFF : 0, bytes);
}

/* All tails come, in order, whatever room there is for them at a time. */
static void tails_compare(const struct world *w, const uint8_t *prefix, size_t bytes,
                          const struct mn_tails *all)
{
    size_t count = 0;

    for (size_t i = 0; i < w->count; i++) {
        if (memcmp(w->keys[i], prefix, bytes) != 0) continue;
        assert_true(count < all->count);
        assert_memory_equal(all->bytes + count * all->tail_bytes, w->keys[i] + bytes,
                            KEY_BYTES - bytes);
        count++;
    }
    assert_int_equal(count, all->count);
}

static void fan_round(struct world *w, struct mn_fan *fan, uint64_t *seed, bool spread)
{
    static uint8_t room[KEYS_MAX * 16];
    uint8_t prefixes[MN_FAN_WIDTH * 16];
    size_t bytes = test_random(seed) % 2 ? 8 : 16, tail = KEY_BYTES - bytes;
    uint32_t lanes = (uint32_t)(test_random(seed) % (MN_FAN_WIDTH + 1));

    for (uint32_t i = 0; i < lanes; i++) prefix_draw(w, seed, bytes, spread, prefixes + i * bytes);
    assert_int_equal(mn_fan_seek(fan, prefixes, bytes, lanes), MN_OK);
    for (uint32_t i = 0; i < lanes; i++) {
        struct mn_tails all = {room, tail, KEYS_MAX, 0, false}, part = all;

        do {
            part.bytes = room + all.count * tail;
            part.capacity = 1 + test_random(seed) % 40;
            part.ended = false;
            assert_int_equal(mn_fan_next(fan, i, &part), MN_OK);
            all.count += part.count;
        } while (part.count > 0);
        tails_compare(w, prefixes + i * bytes, bytes, &all);
    }
}

static void cursor_round(struct world *w, uint64_t *seed, bool spread)
{
    static uint8_t room[KEYS_MAX * 16];
    uint8_t prefix[16];
    size_t bytes = test_random(seed) % 2 ? 8 : 16, tail = KEY_BYTES - bytes;
    struct mn_tails all = {room, tail, KEYS_MAX, 0, false}, part = all;
    struct mn_cursor *cursor;
    bool found;

    prefix_draw(w, seed, bytes, spread, prefix);
    assert_int_equal(mn_cursor_open(w->view, w->tree, &cursor), MN_OK);
    assert_int_equal(mn_cursor_seek(cursor, mn_bytes_of(prefix, bytes), MN_SEEK_GE, &found), MN_OK);
    while (!part.ended) {
        part.bytes = room + all.count * tail;
        part.capacity = 1 + test_random(seed) % 40;
        assert_int_equal(mn_cursor_tails(cursor, mn_bytes_of(prefix, bytes), &part), MN_OK);
        all.count += part.count;
        if (part.count == 0) break;
    }
    tails_compare(w, prefix, bytes, &all);
    mn_cursor_close(cursor);
}

static void gives_what_stands_behind_each_prefix(void **state)
{
    static const uint32_t sizes[] = {512, 4096};
    uint64_t seed = test_seed();
    static struct world w;

    (void)state;
    for (size_t round = 0; round < 24; round++) {
        bool spread = round % 4 < 2;
        struct mn_fan *fan;

        world_open(&w, &seed, sizes[round % 2], spread);
        for (int half = 0; half < 2; half++) { /* dirty nodes, then clean ones */
            assert_int_equal(mn_fan_open(w.view, w.tree, &fan), MN_OK);
            for (int i = 0; i < 20; i++) fan_round(&w, fan, &seed, spread);
            for (int i = 0; i < 20; i++) cursor_round(&w, &seed, spread);
            mn_fan_close(fan);
            if (half == 0) world_commit(&w);
        }
        world_close(&w);
    }
}

/* The writer takes away what the cursor stands on: it goes on behind it. */
static void tails_go_on_behind_a_change(void **state)
{
    uint64_t seed = test_seed();
    static struct world w;
    uint8_t tail[16], prefix[8];
    struct mn_tails one = {tail, 16, 1, 0, false};
    struct mn_cursor *cursor;
    bool found;
    size_t at = 0;

    (void)state;
    do {
        if (w.store) world_close(&w);
        world_open(&w, &seed, 512, false);
    } while (w.count < 500);
    node_put(prefix, 0, false);
    assert_int_equal(mn_cursor_open(w.view, w.tree, &cursor), MN_OK);
    assert_int_equal(mn_cursor_seek(cursor, mn_bytes_of(prefix, 8), MN_SEEK_GE, &found), MN_OK);
    while (at + 2 < w.count && memcmp(w.keys[at + 2], prefix, 8) == 0) {
        assert_int_equal(mn_cursor_tails(cursor, mn_bytes_of(prefix, 8), &one), MN_OK);
        assert_int_equal(one.count, 1);
        assert_memory_equal(tail, w.keys[at] + 8, 16);
        assert_int_equal(
            mn_tree_delete(w.view, w.tree, mn_bytes_of(w.keys[at + 1], KEY_BYTES), &found), MN_OK);
        assert_true(found);
        at += 2;
    }
    assert_true(at > 20);
    mn_cursor_close(cursor);
    world_close(&w);
}

static void refuses_a_key_of_another_length(void **state)
{
    uint64_t seed = test_seed();
    static struct world w;
    uint8_t key[KEY_BYTES + 1] = {0}, room[16 * 64];
    struct mn_tails tails = {room, 16, 64, 0, false};
    struct mn_fan *fan;

    (void)state;
    for (size_t length = 16; length <= KEY_BYTES + 1; length++) {
        if (length == KEY_BYTES) continue;
        world_open(&w, &seed, 512, false);
        node_put(key, NODES + 1, false);
        assert_int_equal(mn_tree_put(w.view, w.tree, mn_bytes_of(key, length), mn_bytes_of("", 0),
                                     MN_PUT_UPSERT),
                         MN_OK);
        assert_int_equal(mn_fan_open(w.view, w.tree, &fan), MN_OK);
        assert_int_equal(mn_fan_seek(fan, key, 8, 1), MN_OK);
        assert_int_equal(mn_fan_next(fan, 0, &tails), MN_CORRUPT);
        assert_non_null(strstr(mn_error_last()->message, "24 bytes"));
        mn_fan_close(fan);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_stands_behind_each_prefix),
        cmocka_unit_test(tails_go_on_behind_a_change),
        cmocka_unit_test(refuses_a_key_of_another_length),
    };

    return cmocka_run_group_tests_name("tree/fan", tests, NULL, NULL);
}
