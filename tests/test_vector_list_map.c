/*
 * Tests of index/vector/list_map: the chunks it gives are those of a scan of the tree.
 */
#include "index/vector/list_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/test.h"
#include "support/views.h"

enum { DIMS = 40, LISTS = 60, MANY = 1 << 20 };

static uint64_t tree;
static uint32_t apart = 3; /* from one list's number to the next */

static struct mn_postings postings_of(struct mn_view *view)
{
    struct mn_code_form form = mn_code_form(MN_METRIC_L2, DIMS);

    return mn_postings(view, tree, &form);
}

/* List i has i * i / 2 rows, and every seventh none; those of odd lists have wide ids. */
static void lists_put(struct mn_view *view)
{
    struct mn_postings postings = postings_of(view);
    uint64_t seed = test_seed() + 7;

    for (uint32_t number = 0; number < LISTS; number++) {
        struct mn_list list = {{NULL, 0}, number * apart};

        for (uint32_t i = 0; number % 7 && i < number * number / 2; i++) {
            float vector[DIMS];
            uint8_t code[DIMS];
            struct mn_posting row = {.row_id = i, .code = code};

            if (number % 2) row.row_id = (int64_t)i << 31;
            for (size_t d = 0; d < DIMS; d++) {
                vector[d] = (float)(test_random(&seed) % 1000) - 500;
            }
            mn_code_make(&postings.form, vector, code, &row.facts);
            assert_int_equal(mn_posting_put(&postings, &list, &row), MN_OK);
        }
    }
}

static void chunks_compare(struct mn_list_map *map, struct mn_view *view)
{
    struct mn_postings postings = postings_of(view);
    struct mn_posting_scan scan;
    size_t chunks = 0, most = 0;

    assert_int_equal(mn_posting_scan_open(&postings, &scan), MN_OK);
    for (int twice = 0; twice < 2; twice++) {
        for (uint32_t number = 0; number < LISTS * apart + 5; number++) {
            size_t at, count = mn_list_map_find(map, number, &at);
            bool found = true;

            most = count > most ? count : most;
            assert_int_equal(mn_posting_scan_seek(&scan, (struct mn_bytes){NULL, 0}, &number),
                             MN_OK);
            for (size_t i = 0; i <= count; i++) {
                struct mn_chunk a, b;

                assert_int_equal(mn_posting_scan_next(&scan, &a, &found), MN_OK);
                assert_int_equal(found, i < count);
                if (!found) break;
                assert_int_equal(mn_list_map_chunk(map, &postings, at + i, &b), MN_OK);
                assert_int_equal(a.list, b.list);
                assert_int_equal(a.count, b.count);
                assert_int_equal(a.groups.count, b.groups.count);
                assert_int_equal(a.groups.stride, b.groups.stride);
                assert_memory_equal(a.groups.base, b.groups.base, a.groups.count * a.groups.stride);
                for (uint32_t r = 0; r < a.count; r++) {
                    assert_int_equal(mn_chunk_row(&a, r), mn_chunk_row(&b, r));
                }
                chunks++;
            }
        }
    }
    assert_true(chunks > 2 * LISTS && most > 3);
    mn_posting_scan_close(&scan);
}

static bool want(struct mn_list_map *map, struct mn_view *view, uint64_t seeks, size_t limit)
{
    struct mn_postings postings = postings_of(view);
    bool ready;

    assert_int_equal(mn_list_map_want(map, &postings, seeks, limit, &ready), MN_OK);
    return ready;
}

static void map_compare(void)
{
    struct mn_list_map map = {.count = 0};
    struct mn_view *view = views_write(), *old;
    struct mn_list list = {{NULL, 0}, 10 * apart};
    bool found;

    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    lists_put(view);
    assert_false(want(&map, view, MANY, MANY)); /* not in a view that writes */
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    old = views_read();
    assert_true(want(&map, old, MANY, MANY));
    assert_true((map.firsts != NULL) == (apart < 1000));
    chunks_compare(&map, old);

    view = views_write();
    struct mn_postings postings = postings_of(view);
    for (int64_t i = 0; i < 40; i++) {
        assert_int_equal(mn_posting_delete(&postings, &list, i, &found), MN_OK);
        assert_true(found);
    }
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    view = views_read();
    assert_true(want(&map, old, 0, MANY)); /* the old version still is what the map is of */
    chunks_compare(&map, old);
    assert_false(want(&map, view, 0, MANY)); /* of another root */
    assert_true(want(&map, view, MANY, MANY));
    chunks_compare(&map, view);
    mn_view_end(view);
    mn_view_end(old);
    mn_list_map_release(&map);
}

static void gives_what_the_tree_holds(void **state)
{
    (void)state;
    map_compare();
}

/* So far apart that places are searched. */
static void numbers_may_be_far_apart(void **state)
{
    (void)state;
    apart = 1000;
    map_compare();
    apart = 3;
}

static void is_made_when_it_pays_and_fits(void **state)
{
    struct mn_list_map map = {.count = 0};
    struct mn_view *view = views_write();
    uint64_t chunks;
    unsigned runs = 0;

    (void)state;
    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    lists_put(view);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    view = views_read();
    assert_int_equal(mn_tree_count(view, tree, &chunks), MN_OK);
    assert_true(chunks >= 64);
    assert_false(want(&map, view, MANY, sizeof(struct mn_list_place) * (size_t)chunks - 1));
    assert_true(want(&map, view, MANY, sizeof(struct mn_list_place) * (size_t)chunks));
    mn_list_map_release(&map);
    while (!want(&map, view, 1, MANY)) runs++;
    assert_int_equal(runs + 1, chunks / 8);
    assert_true(want(&map, view, 0, MANY));
    mn_view_end(view);
    mn_list_map_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_the_tree_holds),
        cmocka_unit_test(numbers_may_be_far_apart),
        cmocka_unit_test(is_made_when_it_pays_and_fits),
    };

    return cmocka_run_group_tests_name("vector/list_map", tests, views_open, views_close);
}
