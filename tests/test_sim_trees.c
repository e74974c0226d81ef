/*
 * Crash walk over trees: at writes, syncs and resizes the power fails, the file is opened again,
 * compared with the models, checked by store and trees, and written to again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/sim.h"
#include "support/forest.h"
#include "support/losses.h"
#include "support/test.h"

enum { TREES = 2 };

struct walk {
    uint64_t seed, random;
    uint32_t page_size;
    struct mn_os *os;
    const struct forest_keys *keys;
    struct forest_tree acked[TREES], flying[TREES];
    bool committing;
    uint64_t states;
    bool broken;
    struct losses losses;
};

static void walk_broken(struct walk *walk, const char *what)
{
    if (!walk->broken) {
        print_error("crash walk: %s (seed %" PRIu64 ", page size %u, state %" PRIu64 "): %s\n",
                    what, walk->seed, walk->page_size, walk->states, mn_error_last()->message);
    }
    walk->broken = true;
}

static struct mn_store *walk_open(struct walk *walk, struct mn_os *os)
{
    struct mn_store_options options = {.path = "walk",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = walk->page_size,
                                       .grow_bytes = 16 << 10,
                                       .cut_commits = 2,
                                       .dirty_limit_bytes = walk->seed % 3 ? 0 : 20000,
                                       .os = os,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store = NULL;

    if (mn_store_open(&options, &store)) walk_broken(walk, "cannot open");
    return store;
}

static void all_copy(struct walk *walk, struct forest_tree *to, const struct forest_tree *from)
{
    for (int i = 0; i < TREES; i++) forest_tree_copy(&to[i], &from[i], walk->keys);
}

static bool all_equal(struct walk *walk, struct mn_view *view, const struct forest_tree *trees)
{
    for (int i = 0; i < TREES; i++) {
        if (!forest_equals(view, &trees[i], walk->keys)) return false;
    }
    return true;
}

/* The file must hold exactly one of the two states that may be there. */
static void state_check(struct walk *walk, struct mn_store *store)
{
    struct mn_view *view;
    bool flying;

    if (mn_view_begin_read(store, &view)) {
        walk_broken(walk, "cannot read after recovery");
        return;
    }
    forest_quiet = true;
    flying = walk->committing && all_equal(walk, view, walk->flying);
    forest_quiet = false;
    if (!flying && !all_equal(walk, view, walk->acked)) {
        walk_broken(walk, "the state is neither the acknowledged nor the committing one");
    }
    mn_view_end(view);
    if (forest_check(store, true)) walk_broken(walk, "the check finds faults");
}

static void state_try(void *context, const struct mn_sim_loss *loss)
{
    struct walk *walk = context;
    struct mn_os *os = mn_sim_crash(walk->os, loss);
    struct mn_store *store;
    struct mn_view *view;

    assert_non_null(os);
    walk->states++;
    store = walk_open(walk, os);
    if (store) {
        state_check(walk, store);
        if (!walk->broken && mn_write_begin(store, 0, &view) == MN_OK) {
            uint64_t tree;

            if (mn_tree_create(view, &tree) ||
                mn_tree_put(view, tree, mn_bytes_of("k", 1), mn_bytes_of("v", 1), 0) ||
                mn_write_commit(view, NULL)) {
                walk_broken(walk, "cannot commit after a crash");
            }
            state_check(walk, store);
        }
        mn_store_close(store);
    }
    mn_machine_free(os);
}

static void walk_commit(struct walk *walk, struct mn_store *store)
{
    uint32_t changes = 1 + forest_below(&walk->random, 30), id = 0;
    struct mn_view *view;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status == MN_OK) status = mn_savepoint_begin(view, &id);
    all_copy(walk, walk->flying, walk->acked);
    for (uint32_t i = 0; i < changes && status == MN_OK; i++) {
        struct forest_tree *tree = &walk->flying[forest_below(&walk->random, TREES)];

        status = forest_change(view, tree, walk->keys, &walk->random, 2500);
        if (i == 10 && forest_below(&walk->random, 4) == 0) {
            mn_savepoint_rollback(view, id);
            all_copy(walk, walk->flying, walk->acked);
        }
    }
    if (status != MN_OK) {
        walk_broken(walk, "cannot change");
        return;
    }
    walk->committing = true;
    if (mn_write_commit(view, NULL)) walk_broken(walk, "cannot commit");
    walk->committing = false;
    all_copy(walk, walk->acked, walk->flying);
}

/* Whatever is interrupted of it, the content stays. */
static void walk_compact(struct walk *walk, struct mn_store *store)
{
    struct mn_compact_result result;

    if (mn_tree_compact(store, NULL, NULL, &result)) walk_broken(walk, "cannot compact");
    if (!walk->broken) state_check(walk, store);
    if (result.after_bytes > result.before_bytes + (16 << 10)) {
        walk_broken(walk, "compacting made the file larger by more than a step of growth");
    }
}

static void trees_make(struct walk *walk, struct mn_store *store)
{
    struct mn_view *view;

    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    for (int i = 0; i < TREES; i++) {
        uint64_t tree;

        assert_int_equal(mn_tree_create(view, &tree), MN_OK);
        forest_tree_init(&walk->acked[i], walk->keys, tree);
        forest_tree_init(&walk->flying[i], walk->keys, tree);
    }
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

static void walk_run(uint64_t seed, uint32_t page_size, unsigned commits)
{
    struct forest_keys keys = forest_keys_new(seed, 80, 1500);
    struct walk walk = {.seed = seed, .random = seed, .page_size = page_size, .keys = &keys};
    struct mn_store *store;

    walk.os = mn_machine_new(seed, 16 << 20);
    store = walk_open(&walk, walk.os);
    assert_non_null(store);
    trees_make(&walk, store);
    walk.losses = (struct losses){.os = walk.os,
                                  .path = "walk",
                                  .random = walk.seed,
                                  .stop = &walk.broken,
                                  .look = state_try,
                                  .context = &walk};
    losses_begin(&walk.losses);
    for (unsigned i = 0; i < commits && !walk.broken; i++) {
        walk_commit(&walk, store);
        if (i % 12 == 9 && !walk.broken) walk_compact(&walk, store);
        if (i % 8 == 7 && !walk.broken) {
            mn_store_close(store);
            store = walk_open(&walk, walk.os);
            if (!store) break;
            state_check(&walk, store);
        }
    }
    if (store) mn_store_close(store);
    mn_machine_free(walk.os);
    for (int i = 0; i < TREES; i++) {
        forest_tree_free(&walk.acked[i]);
        forest_tree_free(&walk.flying[i]);
    }
    forest_keys_free(&keys);
    assert_false(walk.broken);
    print_message("             %" PRIu64 " crash states\n", walk.states);
}

static void every_crash_leaves_a_whole_forest(void **state)
{
    unsigned walks = test_is_deep() ? 60 : 6;

    (void)state;
    for (unsigned i = 0; i < walks; i++) {
        walk_run(test_seed() * 1000 + i, i % 2 ? 4096 : 512, 24);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_crash_leaves_a_whole_forest),
    };

    return cmocka_run_group_tests_name("sim trees", tests, NULL, NULL);
}
