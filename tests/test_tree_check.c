/*
 * Tests of the check: each kind of damage is planted, and found.
 *
 * Damage that checksums cannot see is planted by a writer that breaks the rules of trees and
 * commits; damage that they must see, by changing bytes of the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btree/inside.h"
#include "os/sim.h"
#include "support/forest.h"
#include "support/status.h"
#include "support/test.h"

struct world {
    struct mn_os *os;
    struct mn_store *store;
    struct forest_keys keys;
    struct forest_tree model;
};

static void world_open(struct world *w)
{
    struct mn_store_options options = {.path = "check",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = 512,
                                       .grow_bytes = 16 << 10,
                                       .os = w->os,
                                       .hooks = mn_tree_hooks()};

    ok(mn_store_open(&options, &w->store));
}

/* A tree of three levels with long keys and long values. */
static struct world world_new(void)
{
    struct world w = {.os = mn_machine_new(1, 0), .keys = forest_keys_new(test_seed(), 600, 2000)};
    uint64_t tree, random = test_seed();
    struct mn_view *view;

    world_open(&w);
    ok(mn_write_begin(w.store, 0, &view));
    ok(mn_tree_create(view, &tree));
    forest_tree_init(&w.model, &w.keys, tree);
    for (int i = 0; i < 600; i++) ok(forest_change(view, &w.model, &w.keys, &random, 1500));
    ok(mn_write_commit(view, NULL));
    assert_int_equal(forest_check(w.store, true), 0);
    return w;
}

static void world_free(struct world *w)
{
    ok(mn_store_close(w->store));
    mn_machine_free(w->os);
    forest_tree_free(&w->model);
    forest_keys_free(&w->keys);
}

/* ---- rules broken by a writer ---- */

/* The writable path to the leaf of a key in the middle. */
struct plant {
    struct mn_view *view;
    struct mn_root root;
    struct mn_path path;
};

static struct plant plant_begin(struct world *w)
{
    struct plant plant;
    bool exact;

    ok(mn_write_begin(w->store, 0, &plant.view));
    ok(mn_root_get(plant.view, w->model.tree, &plant.root));
    ok(mn_path_root(&plant.path, plant.view, &plant.root));
    ok(mn_path_find(&plant.path, w->keys.sorted[w->keys.count / 2], &exact));
    ok(mn_path_edit(&plant.path, &plant.root));
    assert_true(plant.path.depth >= 3);
    return plant;
}

struct heard {
    uint64_t faults;
    bool expected;
    const char *words;
};

static void hear(void *context, uint64_t page, const char *message)
{
    struct heard *heard = context;

    (void)page;
    heard->faults++;
    if (strstr(message, heard->words)) heard->expected = true;
}

static void plant_is_found(struct world *w, struct plant *plant, const char *words)
{
    struct heard heard = {0, false, words};
    struct mn_store_check *check;
    struct mn_view *view;
    uint64_t faults;

    ok(mn_root_set(plant->view, &plant->root));
    ok(mn_write_commit(plant->view, NULL));
    ok(mn_view_begin_read(w->store, &view));
    ok(mn_store_check_begin(view, hear, &heard, &check));
    ok(mn_tree_check_all(view, check, hear, &heard));
    ok(mn_store_check_end(check, &faults));
    mn_view_end(view);
    if (!heard.expected) print_error("not found: %s\n", words);
    assert_true(heard.expected);
}

static struct mn_step *leaf_step(struct plant *plant)
{
    return &plant->path.step[plant->path.depth - 1];
}

static struct mn_step *parent_step(struct plant *plant)
{
    return &plant->path.step[plant->path.depth - 2];
}

static void wrong_count_in_a_branch(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);
    struct mn_step *step = parent_step(&plant);
    uint64_t entries = mn_node_child_entries(step->page, 0);

    (void)state;
    mn_node_child_set(step->page, 0, mn_node_child(step->page, 0), entries + 1);
    plant_is_found(&w, &plant, "count of entries that does not add up");
    world_free(&w);
}

static void wrong_count_at_the_root(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);

    (void)state;
    plant.root.entries--;
    plant_is_found(&w, &plant, "a root whose count");
    world_free(&w);
}

static void child_reached_twice(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);
    struct mn_step *step = parent_step(&plant);
    uint32_t other = step->index > 0 ? step->index - 1 : 1;

    (void)state;
    mn_node_child_set(step->page, step->index, mn_node_child(step->page, other),
                      mn_node_child_entries(step->page, other));
    plant_is_found(&w, &plant, "is reached twice");
    world_free(&w);
}

static void children_in_the_wrong_order(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);
    uint8_t *page = parent_step(&plant)->page;
    struct mn_ref a = mn_node_child(page, 0), b = mn_node_child(page, 1);
    uint64_t a_entries = mn_node_child_entries(page, 0);

    (void)state;
    mn_node_child_set(page, 0, b, mn_node_child_entries(page, 1));
    mn_node_child_set(page, 1, a, a_entries);
    plant_is_found(&w, &plant, "wrong side of a separator");
    world_free(&w);
}

static void keys_that_do_not_ascend(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);
    uint8_t *page = leaf_step(&plant)->page, *heads = page + MN_PAGE_HEADER;
    uint8_t *slots = heads + 4 * (size_t)mn_node_count(page);
    uint32_t head = mn_get_u32(heads), slot = mn_get_u32(slots);

    (void)state;
    assert_true(mn_node_count(page) > 1);
    mn_put_u32(heads, mn_get_u32(heads + 4));
    mn_put_u32(slots, mn_get_u32(slots + 4));
    mn_put_u32(heads + 4, head);
    mn_put_u32(slots + 4, slot);
    plant_is_found(&w, &plant, "keys that do not ascend");
    world_free(&w);
}

static void wrong_head(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);

    (void)state;
    leaf_step(&plant)->page[MN_PAGE_HEADER] ^= 1;
    plant_is_found(&w, &plant, "a wrong head");
    world_free(&w);
}

static void wrong_height(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);

    (void)state;
    ok(mn_root_set(plant.view, &plant.root));
    ok(mn_forest_seal(plant.view));
    ok(mn_root_get(plant.view, w.model.tree, &plant.root));
    plant.root.height++;
    plant_is_found(&w, &plant, "of kind 1 where 2 is expected");
    world_free(&w);
}

static void lost_child(void **state)
{
    struct world w = world_new();
    struct plant plant = plant_begin(&w);
    struct mn_node node = mn_path_node(&plant.path, plant.path.depth - 2);
    uint32_t other = parent_step(&plant)->index > 0 ? parent_step(&plant)->index - 1 : 1;

    (void)state;
    mn_node_remove(&node, other);
    plant_is_found(&w, &plant, "count of entries that does not add up");
    assert_true(forest_check(w.store, false) > 1); /* and a page that nobody reaches */
    world_free(&w);
}

static void damaged_run(void **state)
{
    struct world w = world_new();
    struct plant plant;
    struct mn_cursor *cursor;
    struct mn_root root;
    uint8_t *packed = NULL;
    bool found;

    (void)state;
    plant = plant_begin(&w);
    ok(mn_root_set(plant.view, &plant.root));
    /* The first entry with a run; its leaf is made writable by the path to its key. */
    ok(mn_cursor_open(plant.view, w.model.tree, &cursor));
    for (ok(mn_cursor_first(cursor, &found)); found && !packed;
         ok(mn_cursor_next(cursor, &found))) {
        struct mn_node leaf;
        struct mn_item item;
        bool exact;

        ok(mn_cursor_item(cursor, &item));
        ok(mn_root_get(plant.view, w.model.tree, &root));
        ok(mn_path_root(&plant.path, plant.view, &root));
        ok(mn_path_find(&plant.path, item.key, &exact));
        leaf = mn_path_node(&plant.path, plant.path.depth - 1);
        if (!mn_node_value_run(&leaf, leaf_step(&plant)->index)) continue;
        ok(mn_path_edit(&plant.path, &root));
        leaf = mn_path_node(&plant.path, plant.path.depth - 1);
        packed = mn_node_value_run(&leaf, leaf_step(&plant)->index);
    }
    mn_cursor_close(cursor);
    assert_non_null(packed);
    packed[20] ^= 1;
    plant.root = root;
    plant_is_found(&w, &plant, "is damaged");
    world_free(&w);
}

/* ---- bytes changed in the file ---- */

static uint8_t byte_flip(struct world *w, uint64_t at)
{
    uint8_t byte;

    ok(mn_sim_peek(w->os, "check", at, &byte, 1));
    byte ^= 0x10;
    ok(mn_sim_poke(w->os, "check", at, &byte, 1));
    return byte;
}

/* A changed byte in a page that is in use is reported; in any other page it does no harm. */
static void every_used_page_is_verified(void **state)
{
    struct world w = world_new();
    struct mn_store_stats stats;
    uint64_t random = test_seed(), reported = 0, used, unit = 4096 / 512;

    (void)state;
    ok(mn_store_stat(w.store, &stats));
    used = stats.page_count - 6 * unit - stats.free_pages - stats.pending_pages;
    for (uint64_t page = 3 * unit; page < stats.page_count; page++) {
        uint64_t at = page * 512 + forest_below(&random, 512);
        struct mn_view *view;

        if (page >= 11 * unit && page < 14 * unit) continue; /* the ring */
        ok(mn_store_close(w.store));
        byte_flip(&w, at);
        world_open(&w);
        if (forest_check(w.store, false) > 0) {
            reported++;
        } else {
            ok(mn_view_begin_read(w.store, &view));
            assert_true(forest_equals(view, &w.model, &w.keys));
            mn_view_end(view);
        }
        byte_flip(&w, at);
    }
    assert_true(reported >= used);
    assert_true(reported > 50);
    world_free(&w);
}

/* The check proves checksums again, whatever the process read before. */
static void damage_after_the_first_read_is_found(void **state)
{
    struct world w = world_new();
    struct mn_view *view;
    struct mn_root root;

    (void)state;
    ok(mn_view_begin_read(w.store, &view));
    assert_true(forest_equals(view, &w.model, &w.keys));
    ok(mn_root_get(view, w.model.tree, &root));
    mn_view_end(view);
    byte_flip(&w, root.ref.page * 512 + 300);
    assert_true(forest_check(w.store, false) > 0);
    byte_flip(&w, root.ref.page * 512 + 300);
    assert_int_equal(forest_check(w.store, true), 0);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_count_in_a_branch),
        cmocka_unit_test(wrong_count_at_the_root),
        cmocka_unit_test(child_reached_twice),
        cmocka_unit_test(children_in_the_wrong_order),
        cmocka_unit_test(keys_that_do_not_ascend),
        cmocka_unit_test(wrong_head),
        cmocka_unit_test(wrong_height),
        cmocka_unit_test(lost_child),
        cmocka_unit_test(damaged_run),
        cmocka_unit_test(every_used_page_is_verified),
        cmocka_unit_test(damage_after_the_first_read_is_found),
    };

    return cmocka_run_group_tests_name("tree check", tests, NULL, NULL);
}
