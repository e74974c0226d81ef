/*
 * Tests of index/vector/slab_map: what it finds is what a scan of the tree finds.
 */
#include "index/vector/slab_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/test.h"
#include "support/views.h"

enum { DIMS = 100, ROWS = 4000, MANY = 1 << 20 };

static uint64_t tree;

static int64_t id_of(size_t i, int64_t spread)
{
    return (int64_t)(i * (size_t)spread) - 1000;
}

static void rows_put(struct mn_view *view, int64_t spread, uint32_t each)
{
    struct mn_slabs slabs = {view, tree, DIMS, false};
    float vector[DIMS];

    for (size_t i = 0; i < ROWS; i++) {
        if (i % each != 0) continue;
        for (size_t j = 0; j < DIMS; j++) vector[j] = (float)(i * 7 + j);
        assert_int_equal(mn_slab_put(&slabs, id_of(i, spread), vector), MN_OK);
    }
}

static void rows_delete(struct mn_view *view, int64_t spread, uint32_t each)
{
    struct mn_slabs slabs = {view, tree, DIMS, false};

    for (size_t i = 0; i < ROWS; i += each) {
        assert_int_equal(mn_slab_delete(&slabs, id_of(i, spread), NULL), MN_OK);
    }
}

/* Ascending ids in and around the rows: single ones, gaps and stretches. */
static size_t ids_draw(int64_t *ids, size_t capacity, int64_t spread, uint64_t *seed)
{
    int64_t at = -1000 - (int64_t)(test_random(seed) % 50) * spread;
    size_t count = 0;

    if (test_random(seed) % 4 == 0) ids[count++] = INT64_MIN;
    while (count + 1 < capacity && at < id_of(ROWS + 20, spread)) {
        size_t stretch = test_random(seed) % 3 ? 1 : test_random(seed) % 90;

        for (size_t i = 0; i < stretch && count + 1 < capacity; i++) {
            ids[count++] = at;
            at += test_random(seed) % 9 ? spread : 1;
        }
        at += (int64_t)(test_random(seed) % 20) * spread + (test_random(seed) % 9 == 0);
    }
    if (test_random(seed) % 4 == 0) ids[count++] = INT64_MAX;
    return count;
}

static void compare(struct mn_slab_map *map, struct mn_view *view, int64_t spread)
{
    enum { IDS = 1500, TRIES = 40 };
    struct mn_slabs slabs = {view, tree, DIMS, false};
    struct mn_slab_scan *scan;
    const float *want[IDS], *got[IDS];
    int64_t ids[IDS];
    uint64_t seed = test_seed();
    size_t there = 0;

    assert_int_equal(mn_slab_scan_open(&slabs, &scan), MN_OK);
    for (int t = 0; t < TRIES; t++) {
        size_t count = ids_draw(ids, IDS, spread, &seed);

        assert_int_equal(mn_slab_scan_gather(scan, ids, count, want), MN_OK);
        assert_int_equal(mn_slab_map_gather(map, &slabs, ids, count, got), MN_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(!want[i] == !got[i]);
            if (!want[i]) continue;
            assert_memory_equal(want[i], got[i], DIMS * sizeof(float));
            there++;
        }
    }
    assert_true(there > TRIES);
    mn_slab_scan_close(scan);
}

static bool want(struct mn_slab_map *map, struct mn_view *view, uint64_t seeks, size_t limit)
{
    struct mn_slabs slabs = {view, tree, DIMS, false};
    bool ready;

    assert_int_equal(mn_slab_map_want(map, &slabs, seeks, limit, &ready), MN_OK);
    return ready;
}

static void finds_what_the_tree_holds(void **state)
{
    static const int64_t spreads[] = {1, 3, 1000};
    struct mn_slab_map map = {.count = 0};

    (void)state;
    for (size_t s = 0; s < sizeof spreads / sizeof *spreads; s++) {
        struct mn_view *view = views_write();

        assert_int_equal(mn_slab_create(view, &tree), MN_OK);
        rows_put(view, spreads[s], 1);
        assert_false(want(&map, view, MANY, MANY)); /* not in a view that writes */
        assert_int_equal(mn_write_commit(view, NULL), MN_OK);
        view = views_read();
        assert_true(want(&map, view, MANY, MANY));
        compare(&map, view, spreads[s]);
        mn_view_end(view);

        view = views_write();
        rows_delete(view, spreads[s], 3);
        assert_int_equal(mn_write_commit(view, NULL), MN_OK);
        view = views_read();
        assert_false(want(&map, view, 0, MANY)); /* the list is that of another root */
        assert_true(want(&map, view, MANY, MANY));
        compare(&map, view, spreads[s]);
        mn_view_end(view);
    }
    mn_slab_map_release(&map);
}

static void is_made_when_it_pays_and_fits(void **state)
{
    struct mn_slab_map map = {.count = 0};
    struct mn_view *view = views_write();
    uint64_t slabs;
    unsigned runs = 0;

    (void)state;
    assert_int_equal(mn_slab_create(view, &tree), MN_OK);
    rows_put(view, 1, 1);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    view = views_read();
    assert_int_equal(mn_tree_count(view, tree, &slabs), MN_OK);
    assert_true(slabs >= 64);
    assert_false(want(&map, view, MANY, 40 * (size_t)slabs - 1));
    assert_true(want(&map, view, MANY, 40 * (size_t)slabs));
    mn_slab_map_release(&map);
    while (!want(&map, view, 1, MANY)) runs++;
    assert_int_equal(runs + 1, slabs / 8);
    assert_true(want(&map, view, 0, MANY));
    mn_view_end(view);
    mn_slab_map_release(&map);
}

static void an_empty_tree_has_no_list(void **state)
{
    struct mn_slab_map map = {.count = 0};
    struct mn_view *view = views_write();

    (void)state;
    assert_int_equal(mn_slab_create(view, &tree), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    view = views_read();
    assert_false(want(&map, view, MANY, MANY));
    mn_view_end(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_tree_holds),
        cmocka_unit_test(is_made_when_it_pays_and_fits),
        cmocka_unit_test(an_empty_tree_has_no_list),
    };

    return cmocka_run_group_tests_name("vector/slab_map", tests, views_open, views_close);
}
