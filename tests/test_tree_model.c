/*
 * Tests of trees: long random walks against a model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/sim.h"
#include "support/forest.h"
#include "support/test.h"

enum { TREES = 3, DEPTH = 3 };

struct world {
    struct mn_os *os;
    struct mn_store *store;
    struct mn_view *view; /* the writer's, or NULL */
    struct forest_keys keys;
    struct forest_tree now[TREES], committed[TREES], saved[DEPTH][TREES];
    uint32_t saved_count;
    struct mn_cursor *cursor; /* on tree 0, open across changes */
    uint32_t cursor_at;       /* keys.count: nowhere */
    uint64_t random, seed;
    uint32_t value_bytes_max;
    uint64_t dirty_limit;
};

#define must(w, condition) must_at((w), (condition), #condition, __LINE__)
static void must_at(const struct world *w, bool condition, const char *what, int line)
{
    if (condition) return;
    print_error("line %d: %s, seed %llu: %s\n", line, what, (unsigned long long)w->seed,
                mn_error_last()->message);
    fail();
}

static void world_open(struct world *w, uint32_t page_size)
{
    struct mn_store_options options = {.path = "model",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = page_size,
                                       .grow_bytes = 64 << 10,
                                       .cut_commits = 2,
                                       .dirty_limit_bytes = w->dirty_limit,
                                       .os = w->os,
                                       .hooks = mn_tree_hooks()};

    must(w, mn_store_open(&options, &w->store) == MN_OK);
}

static void all_copy(struct forest_tree *to, const struct forest_tree *from, struct world *w)
{
    for (int i = 0; i < TREES; i++) forest_tree_copy(&to[i], &from[i], &w->keys);
}

static void world_init(struct world *w, uint32_t page_size, uint32_t keys)
{
    struct mn_view *view;

    w->os = mn_machine_new(w->seed, UINT64_C(1) << 30);
    w->keys = forest_keys_new(w->seed, keys, 65536);
    w->random = w->seed;
    world_open(w, page_size);
    must(w, mn_write_begin(w->store, 0, &view) == MN_OK);
    for (int i = 0; i < TREES; i++) {
        uint64_t tree;

        must(w, mn_tree_create(view, &tree) == MN_OK);
        forest_tree_init(&w->now[i], &w->keys, tree);
        forest_tree_init(&w->committed[i], &w->keys, tree);
        for (int d = 0; d < DEPTH; d++) forest_tree_init(&w->saved[d][i], &w->keys, tree);
    }
    must(w, mn_write_commit(view, NULL) == MN_OK);
}

static void world_free(struct world *w)
{
    must(w, mn_store_close(w->store) == MN_OK);
    mn_machine_free(w->os);
    for (int i = 0; i < TREES; i++) {
        forest_tree_free(&w->now[i]);
        forest_tree_free(&w->committed[i]);
        for (int d = 0; d < DEPTH; d++) forest_tree_free(&w->saved[d][i]);
    }
    forest_keys_free(&w->keys);
}

/* ---- the cursor that lives across changes ---- */

static void cursor_place(struct world *w)
{
    uint32_t at = forest_below(&w->random, w->keys.count);
    bool found;

    must(w, mn_cursor_seek(w->cursor, w->keys.sorted[at], MN_SEEK_GE, &found) == MN_OK);
    while (at < w->keys.count && !w->now[0].values[at].seed) at++;
    must(w, found == (at < w->keys.count));
    w->cursor_at = at;
}

static void cursor_move(struct world *w)
{
    bool found, forward = forest_below(&w->random, 2), there = false;
    uint32_t at = w->cursor_at;
    struct mn_item item;

    if (at == w->keys.count) {
        cursor_place(w);
        return;
    }
    must(w, (forward ? mn_cursor_next(w->cursor, &found) : mn_cursor_prev(w->cursor, &found)) ==
                MN_OK);
    while (!there && (forward ? ++at < w->keys.count : at-- > 0)) {
        there = w->now[0].values[at].seed != 0;
    }
    must(w, found == there);
    w->cursor_at = there ? at : w->keys.count;
    if (!there) return;
    must(w, mn_cursor_item(w->cursor, &item) == MN_OK);
    must(w, item.key.len == w->keys.sorted[at].len &&
                memcmp(item.key.data, w->keys.sorted[at].data, item.key.len) == 0);
}

/* ---- transactions ---- */

static void savepoint_change(struct world *w)
{
    uint32_t kind = forest_below(&w->random, 3), id;

    if (kind == 0 && w->saved_count < DEPTH) {
        must(w, mn_savepoint_begin(w->view, &id) == MN_OK);
        must(w, id == w->saved_count + 1);
        all_copy(w->saved[w->saved_count++], w->now, w);
    } else if (kind == 1 && w->saved_count > 0) {
        id = 1 + forest_below(&w->random, w->saved_count);
        mn_savepoint_rollback(w->view, id);
        all_copy(w->now, w->saved[id - 1], w);
        w->saved_count = id;
        if (w->cursor) cursor_place(w);
    } else if (kind == 2 && w->saved_count > 0) {
        id = 1 + forest_below(&w->random, w->saved_count);
        mn_savepoint_release(w->view, id);
        w->saved_count = id - 1;
    }
}

static void transaction(struct world *w, uint32_t changes)
{
    must(w, mn_write_begin(w->store, 0, &w->view) == MN_OK);
    w->saved_count = 0;
    must(w, mn_cursor_open(w->view, w->now[0].tree, &w->cursor) == MN_OK);
    cursor_place(w);
    for (uint32_t i = 0; i < changes; i++) {
        struct forest_tree *tree = &w->now[forest_below(&w->random, 8) % TREES];

        must(w, forest_change(w->view, tree, &w->keys, &w->random, w->value_bytes_max) == MN_OK);
        if (forest_below(&w->random, 20) == 0) savepoint_change(w);
        if (forest_below(&w->random, 10) == 0) cursor_move(w);
        if (forest_below(&w->random, 40) == 0) {
            must(w, forest_probe(w->view, tree, &w->keys, &w->random));
        }
    }
    mn_cursor_close(w->cursor);
    w->cursor = NULL;
    for (int i = 0; i < TREES; i++) must(w, forest_equals(w->view, &w->now[i], &w->keys));
    if (forest_below(&w->random, 6) == 0) {
        mn_write_abort(w->view);
        all_copy(w->now, w->committed, w);
    } else {
        must(w, mn_write_commit(w->view, NULL) == MN_OK);
        all_copy(w->committed, w->now, w);
    }
}

static void readers_agree(struct world *w)
{
    struct mn_view *view;

    must(w, mn_view_begin_read(w->store, &view) == MN_OK);
    for (int i = 0; i < TREES; i++) {
        must(w, forest_equals(view, &w->now[i], &w->keys));
        must(w, forest_probe(view, &w->now[i], &w->keys, &w->random));
    }
    mn_view_end(view);
}

static void walk(uint32_t page_size, uint32_t value_bytes_max, uint64_t dirty_limit)
{
    uint32_t rounds = test_is_deep() ? 300 : 40;
    struct world w = {.seed = test_seed() + page_size,
                      .value_bytes_max = value_bytes_max,
                      .dirty_limit = dirty_limit};

    world_init(&w, page_size, 1500);
    for (uint32_t round = 0; round < rounds; round++) {
        transaction(&w, 1 + forest_below(&w.random, round % 4 == 0 ? 600 : 60));
        readers_agree(&w);
        if (round % 4 == 3) must(&w, forest_check(w.store, true) == 0);
        if (round % 8 == 7) {
            must(&w, mn_store_close(w.store) == MN_OK);
            world_open(&w, 0);
            readers_agree(&w);
        }
    }
    world_free(&w);
}

static void small_pages_follow_the_model(void **state)
{
    (void)state;
    walk(512, 3000, 0);
}

static void usual_pages_follow_the_model(void **state)
{
    (void)state;
    walk(4096, 1 << 20, 0);
}

static void large_pages_follow_the_model(void **state)
{
    (void)state;
    walk(65536, 100000, 0);
}

/* With no memory for dirty nodes they go to the file in the middle of transactions. */
static void spilled_nodes_follow_the_model(void **state)
{
    (void)state;
    walk(512, 3000, 20000);
    walk(4096, 20000, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pages_follow_the_model),
        cmocka_unit_test(usual_pages_follow_the_model),
        cmocka_unit_test(large_pages_follow_the_model),
        cmocka_unit_test(spilled_nodes_follow_the_model),
    };

    return cmocka_run_group_tests_name("tree model", tests, NULL, NULL);
}
