/*
 * Tests of trees without memory: each allocation of a scenario fails once, then for ever after it.
 *
 * Whatever failed, the transaction can be rolled back to its savepoint and used further, or
 * aborted; the file is sound and holds what the model says; and nothing is leaked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "os/sim.h"
#include "support/forest.h"
#include "support/test.h"

/* ---- an allocator that counts what is out ---- */

static uint64_t outstanding;

static void *count_allocate(void *context, size_t size_bytes, size_t align_bytes)
{
    size_t rounded = (size_bytes + align_bytes - 1) / align_bytes * align_bytes;
    void *memory = aligned_alloc(align_bytes, rounded ? rounded : align_bytes);

    (void)context;
    outstanding += memory != NULL;
    return memory;
}

static void *count_resize(void *context, void *memory, size_t size_bytes)
{
    void *grown = realloc(memory, size_bytes ? size_bytes : 1);

    (void)context;
    outstanding += !memory && grown;
    return grown;
}

static void count_release(void *context, void *memory)
{
    (void)context;
    outstanding -= memory != NULL;
    free(memory);
}

static const struct mn_alloc_functions counting = {count_allocate, count_resize, count_release,
                                                   NULL};

/* ---- the hook ---- */

struct failing {
    uint64_t at, seen; /* allocation number `at` fails; 0: none */
    bool for_ever;
};

static bool fail_hook(void *context, size_t size_bytes)
{
    struct failing *failing = context;

    (void)size_bytes;
    failing->seen++;
    if (failing->at == 0 || failing->seen < failing->at) return true;
    return failing->seen > failing->at && !failing->for_ever;
}

/* ---- the scenario ---- */

struct scenario {
    struct mn_store *store;
    struct forest_keys keys;
    struct forest_tree before, now;
    uint32_t seed;
    bool bulk;
};

static void store_open(struct scenario *s)
{
    struct mn_store_options options = {.flags = MN_STORE_CREATE,
                                       .page_size = 512,
                                       .dirty_limit_bytes = s->seed % 2 ? 30000 : 0,
                                       .hooks = mn_tree_hooks()};
    struct mn_view *view;
    uint64_t random = s->seed, tree;

    assert_int_equal(mn_store_open(&options, &s->store), MN_OK);
    assert_int_equal(mn_write_begin(s->store, 0, &view), MN_OK);
    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    s->before.tree = s->now.tree = tree;
    for (int i = 0; i < 120; i++) {
        assert_int_equal(forest_change(view, &s->before, &s->keys, &random, 1500), MN_OK);
    }
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

static enum mn_status bulk_part(struct mn_view *view)
{
    struct mn_bulk *bulk;
    uint64_t tree;
    uint8_t key[8], value[60] = {0}, *run;
    enum mn_status status = mn_tree_create(view, &tree), ended;

    if (status == MN_OK) status = mn_bulk_begin(view, tree, &bulk);
    if (status != MN_OK) return status;
    for (uint64_t n = 0; n < 60 && status == MN_OK; n++) {
        mn_put_u64_be(key, n);
        status = n % 20 == 19
                     ? mn_bulk_add_run(bulk, mn_bytes_of(key, 8), mn_bytes_of(value, 1), 600, &run)
                     : mn_bulk_add(bulk, mn_bytes_of(key, 8), mn_bytes_of(value, 60));
    }
    ended = mn_bulk_end(bulk);
    return status == MN_OK ? ended : status;
}

/* Changes, reads and a nested savepoint, in one statement's savepoint. */
static enum mn_status statement(struct scenario *s, struct mn_view *view)
{
    uint64_t random = s->seed + 5;
    struct mn_cursor *cursor = NULL;
    struct mn_item item;
    uint32_t nested;
    bool found = false;
    enum mn_status status = mn_cursor_open(view, s->now.tree, &cursor);

    if (status == MN_OK) status = mn_cursor_first(cursor, &found);
    for (int i = 0; i < 40 && status == MN_OK; i++) {
        status = forest_change(view, &s->now, &s->keys, &random, 1500);
        if (status == MN_OK && found) status = mn_cursor_next(cursor, &found);
        if (status == MN_OK && found) status = mn_cursor_item(cursor, &item);
        if (status == MN_OK && i == 20) status = mn_savepoint_begin(view, &nested);
        if (status == MN_OK && i == 30) mn_savepoint_release(view, nested);
    }
    mn_cursor_close(cursor);
    return status == MN_OK && s->bulk ? bulk_part(view) : status;
}

static void store_is(struct scenario *s, const struct forest_tree *model)
{
    struct mn_view *view;

    assert_int_equal(mn_view_begin_read(s->store, &view), MN_OK);
    assert_true(forest_equals(view, model, &s->keys));
    mn_view_end(view);
    assert_int_equal(forest_check(s->store, true), 0);
}

/* A failed statement is rolled back, and the transaction goes on with another one. */
static enum mn_status transaction(struct scenario *s)
{
    struct mn_view *view;
    uint32_t id;
    enum mn_status status = mn_write_begin(s->store, 0, &view), rolled;

    if (status != MN_OK) return status;
    rolled = mn_savepoint_begin(view, &id);
    if (rolled != MN_OK) {
        mn_write_abort(view);
        return rolled;
    }
    rolled = statement(s, view);
    if (rolled != MN_OK) {
        mn_savepoint_rollback(view, id);
        forest_tree_copy(&s->now, &s->before, &s->keys);
    }
    mn_savepoint_release(view, id);
    status = forest_set(view, &s->now, &s->keys, 3, (struct forest_value){77, 20, 0});
    if (status != MN_OK) {
        mn_write_abort(view);
        return status;
    }
    status = mn_write_commit(view, NULL);
    return status;
}

/* Allocation `at` fails; true when the scenario has so many. */
static bool fail_at(struct scenario *s, uint64_t at, bool for_ever)
{
    struct failing failing = {at, 0, for_ever};
    uint64_t base = outstanding;
    enum mn_status status;

    memset(s->before.values, 0, s->keys.count * sizeof *s->before.values);
    s->before.count = 0;
    store_open(s);
    forest_tree_copy(&s->now, &s->before, &s->keys);
    mn_alloc_set_hook(fail_hook, &failing);
    status = transaction(s);
    mn_alloc_set_hook(NULL, NULL);
    if (status != MN_OK && status != MN_NOMEM) {
        print_error("allocation %u: %s\n", (unsigned)at, mn_error_last()->message);
    }
    assert_true(status == MN_OK || status == MN_NOMEM);
    store_is(s, status == MN_OK ? &s->now : &s->before);
    forest_tree_copy(&s->now, status == MN_OK ? &s->now : &s->before, &s->keys);
    forest_tree_copy(&s->before, &s->now, &s->keys);
    assert_int_equal(transaction(s), MN_OK);
    store_is(s, &s->now);
    assert_int_equal(mn_store_close(s->store), MN_OK);
    assert_int_equal(outstanding, base);
    return failing.seen >= at;
}

static void scenario_run(uint32_t seed, bool bulk)
{
    struct scenario s = {.keys = forest_keys_new(seed, 150, 3000), .seed = seed, .bulk = bulk};
    uint64_t step = test_is_deep() ? 1 : 3, at;

    forest_tree_init(&s.before, &s.keys, 0);
    forest_tree_init(&s.now, &s.keys, 0);
    for (at = 1; fail_at(&s, at, at % 2); at += step) {
    }
    print_message("             %u allocations\n", (unsigned)at);
    assert_true(at > 20);
    forest_tree_free(&s.before);
    forest_tree_free(&s.now);
    forest_keys_free(&s.keys);
}

static void a_failed_allocation_leaves_a_usable_transaction(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < (test_is_deep() ? 8u : 2u); i++) {
        scenario_run((uint32_t)test_seed() * 16 + i, i % 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_leaves_a_usable_transaction),
    };

    if (!mn_alloc_use(&counting)) return 1;
    return cmocka_run_group_tests_name("tree memory", tests, NULL, NULL);
}
