/*
 * Tests of guess.h: what is remembered of places changes no answer, whatever it is, and where keys
 * are spread evenly in a tree built in order it comes to name the pages that are read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "btree/guess.h"
#include "support/test.h"

enum { ENTRIES = 6000, READS = 4000, PAGE = 512, WORDS = 2 * MN_GUESSES };

enum spread { EVEN, STREWN, HEAPED };

struct world {
    struct mn_store *store;
    struct mn_view *view;
    uint64_t tree;
    uint64_t keys[ENTRIES]; /* ascending */
};

static uint64_t *guesses_of(const struct world *w)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)w->view;

    assert_non_null(front->guesses);
    return front->guesses;
}

static int key_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t key_draw(enum spread spread, uint64_t i, uint64_t *seed)
{
    if (spread == EVEN) return 1000 + 3 * i;
    if (spread == STREWN) return (test_random(seed) >> 14 << 14) + i;
    return i * i * i; /* close together at first */
}

static void world_open(struct world *w, enum spread spread, uint64_t *seed)
{
    struct mn_store_options options = {
        .flags = MN_STORE_CREATE, .page_size = PAGE, .hooks = mn_tree_hooks()};
    struct mn_bulk *bulk;
    uint8_t key[8];

    for (uint64_t i = 0; i < ENTRIES; i++) w->keys[i] = key_draw(spread, i, seed);
    qsort(w->keys, ENTRIES, sizeof *w->keys, key_compare);
    assert_int_equal(mn_store_open(&options, &w->store), MN_OK);
    assert_int_equal(mn_write_begin(w->store, 0, &w->view), MN_OK);
    assert_int_equal(mn_tree_create(w->view, &w->tree), MN_OK);
    assert_int_equal(mn_bulk_begin(w->view, w->tree, &bulk), MN_OK);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        mn_put_u64_be(key, w->keys[i]);
        assert_int_equal(mn_bulk_add(bulk, mn_bytes_of(key, 8), mn_bytes_of(&w->keys[i], 8)),
                         MN_OK);
    }
    assert_int_equal(mn_bulk_end(bulk), MN_OK);
    assert_int_equal(mn_write_commit(w->view, NULL), MN_OK);
    assert_int_equal(mn_view_begin_read(w->store, &w->view), MN_OK);
}

static void world_close(struct world *w)
{
    mn_view_end(w->view);
    assert_int_equal(mn_store_close(w->store), MN_OK);
}

/* The value of a key is the key, and with `turn` that much more. */
static void key_look(struct world *w, uint64_t number, bool there, uint64_t turn)
{
    uint8_t key[8];
    struct mn_bytes value;
    uint64_t stored;
    bool found;

    mn_put_u64_be(key, number);
    assert_int_equal(mn_tree_get(w->view, w->tree, mn_bytes_of(key, 8), &value, &found), MN_OK);
    assert_int_equal(found, there);
    if (!found) return;
    assert_int_equal(value.len, 8);
    memcpy(&stored, value.data, 8);
    assert_true(stored == number || stored == number + turn);
}

static void keys_look(struct world *w, uint64_t *seed, uint64_t turn)
{
    for (int n = 0; n < READS; n++) {
        uint64_t i = test_random(seed) % ENTRIES, number = w->keys[i];
        bool last = i + 1 == ENTRIES;

        key_look(w, number, true, turn);
        if (last || w->keys[i + 1] > number + 1) key_look(w, number + 1, false, turn);
    }
}

/* Words of other branches, of places far away, of none. */
static void guesses_spoil(struct world *w, uint64_t *seed)
{
    uint64_t *words = guesses_of(w);

    for (size_t i = 0; i < WORDS; i++) {
        uint64_t drawn = test_random(seed);

        if (drawn % 3 == 0) continue;
        words[i] = drawn % 3 == 1 ? drawn : words[i] ^ (drawn >> (drawn % 64));
    }
}

static void guesses_of_any_content_change_no_answer(void **state)
{
    static const enum spread spreads[] = {EVEN, STREWN, HEAPED};
    uint64_t seed = test_seed();

    (void)state;
    for (size_t k = 0; k < sizeof spreads / sizeof *spreads; k++) {
        struct world *w = calloc(1, sizeof *w);

        assert_non_null(w);
        world_open(w, spreads[k], &seed);
        keys_look(w, &seed, 0);
        for (int round = 0; round < 4; round++) {
            guesses_spoil(w, &seed);
            keys_look(w, &seed, 0);
        }
        world_close(w);
        free(w);
    }
}

/* A writer's nodes have no place yet, and its readers' leaves move with each commit. */
static void leaves_that_move_are_found(void **state)
{
    uint64_t seed = test_seed();
    struct world *w = calloc(1, sizeof *w);

    (void)state;
    assert_non_null(w);
    world_open(w, EVEN, &seed);
    for (int round = 0; round < 20; round++) {
        struct mn_view *reader = w->view;

        assert_int_equal(mn_write_begin(w->store, 0, &w->view), MN_OK);
        for (int n = 0; n < 200; n++) {
            uint64_t number = w->keys[test_random(&seed) % ENTRIES], value = number + 7;
            uint8_t key[8];

            mn_put_u64_be(key, number);
            assert_int_equal(mn_tree_put(w->view, w->tree, mn_bytes_of(key, 8),
                                         mn_bytes_of(&value, 8), MN_PUT_UPSERT),
                             MN_OK);
        }
        keys_look(w, &seed, 7);
        assert_int_equal(mn_write_commit(w->view, NULL), MN_OK);
        w->view = reader;
        keys_look(w, &seed, 7);
        mn_view_end(reader);
        assert_int_equal(mn_view_begin_read(w->store, &w->view), MN_OK);
    }
    world_close(w);
    free(w);
}

/* Branches that are guessed from, and those whose guesses were right of late. */
static void guesses_count(const struct world *w, unsigned *all, unsigned *sure)
{
    const uint64_t *words = guesses_of(w);

    *all = *sure = 0;
    for (size_t i = 0; i < WORDS; i += 2) {
        *all += words[i] != 0;
        *sure += words[i] != 0 && (words[i + 1] & UINT16_MAX) == 0;
    }
}

static void places_of_even_keys_are_learned(void **state)
{
    uint64_t seed = test_seed();
    struct world *w = calloc(1, sizeof *w);
    unsigned all, sure;

    (void)state;
    assert_non_null(w);
    world_open(w, EVEN, &seed);
    keys_look(w, &seed, 0);
    guesses_count(w, &all, &sure);
    assert_in_range(all, 4, MN_GUESSES);
    assert_true(sure > all / 2);
    world_close(w);
    free(w);
}

static void the_place_of_a_number_is_between_its_neighbours(void **state)
{
    uint64_t seed = test_seed();
    struct world *w = calloc(1, sizeof *w);
    struct mn_root root;

    (void)state;
    assert_non_null(w);
    world_open(w, STREWN, &seed);
    assert_int_equal(mn_root_get(w->view, w->tree, &root), MN_OK);
    assert_in_range(root.height, 3, MN_TREE_DEPTH_MAX);
    for (int n = 0; n < READS; n++) {
        uint8_t bytes[8];
        struct mn_bytes key = mn_bytes_of(bytes, 8);
        struct mn_path path;
        uint32_t place;
        bool exact;

        mn_put_u64_be(bytes, test_random(&seed));
        assert_int_equal(mn_path_root(&path, w->view, &root), MN_OK);
        assert_int_equal(mn_path_find(&path, key, &exact), MN_OK);
        for (uint32_t level = 0; level + 1 < path.depth; level++) {
            if (!mn_guess_place(&path.step[level], key, &place)) continue;
            assert_true(place < UINT32_C(1) << MN_GUESS_BITS);
        }
        assert_false(mn_guess_place(&path.step[0], mn_bytes_of(bytes, 7), &place));
    }
    world_close(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_of_any_content_change_no_answer),
        cmocka_unit_test(leaves_that_move_are_found),
        cmocka_unit_test(places_of_even_keys_are_learned),
        cmocka_unit_test(the_place_of_a_number_is_between_its_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
