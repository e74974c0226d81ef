/*
 * Tests of store: commits, versions, savepoints and space on one handle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/sim.h"
#include "store/store.h"
#include "support/raw.h"
#include "support/status.h"
#include "support/test.h"

static struct mn_store *open_sim(struct mn_os *os, uint32_t page_size)
{
    struct mn_store_options options = {.path = os ? "test" : NULL,
                                       .flags = MN_STORE_CREATE,
                                       .page_size = page_size,
                                       .grow_bytes = 64 << 10,
                                       .os = os,
                                       .hooks = raw_hooks};
    struct mn_store *store;

    if (mn_store_open(&options, &store)) {
        print_error("open: %s\n", mn_error_last()->message);
        fail();
    }
    return store;
}

static void expect_model(struct mn_store *store, const struct raw_model *model)
{
    struct mn_view *view;

    ok(mn_view_begin_read(store, &view));
    assert_true(raw_equals(view, model));
    mn_view_end(view);
}

static void commit_is_read_back(void **state)
{
    (void)state;
    for (uint32_t page_size = 512; page_size <= 65536; page_size *= 8) {
        struct mn_os *os = mn_machine_new(1, 0);
        struct mn_store *store = open_sim(os, page_size);
        struct raw_model model = {.leaf = {[0] = 41, [5] = 42}};
        struct mn_view *view;
        uint64_t version;

        ok(mn_write_begin(store, 0, &view));
        ok(raw_set(view, 0, 41));
        ok(raw_set(view, 5, 42));
        ok(mn_write_commit(view, &version));
        assert_int_equal(version, 2);
        expect_model(store, &model);
        assert_int_equal(raw_check(store), 0);
        ok(mn_store_close(store));
        store = open_sim(os, 0);
        expect_model(store, &model);
        assert_int_equal(raw_check(store), 0);
        ok(mn_store_close(store));
        mn_machine_free(os);
    }
}

/* Many random transactions: some aborted, some with savepoints; the check holds after each. */
static void random_walk(struct mn_os *os, uint32_t page_size, uint64_t seed, unsigned commits)
{
    struct mn_store *store = open_sim(os, page_size);
    struct raw_model model = {0};
    uint64_t random = seed;

    for (unsigned i = 0; i < commits; i++) {
        struct raw_model next = model;
        struct mn_view *view;
        unsigned changes = 1 + (unsigned)(test_random(&random) % 6);
        bool abort = test_random(&random) % 8 == 0;

        ok(mn_write_begin(store, 0, &view));
        for (unsigned c = 0; c < changes; c++) {
            struct raw_model before = next;
            uint32_t id = 0;
            bool guard = test_random(&random) % 2;

            if (guard) ok(mn_savepoint_begin(view, &id));
            ok(raw_change(view, &next, &random, page_size * 4));
            ok(raw_change(view, &next, &random, page_size * 4));
            if (guard && test_random(&random) % 2) {
                mn_savepoint_rollback(view, id);
                next = before;
                assert_true(raw_equals(view, &next));
            }
            if (guard && test_random(&random) % 4) mn_savepoint_release(view, id);
        }
        assert_true(raw_equals(view, &next));
        if (abort) {
            mn_write_abort(view);
        } else {
            ok(mn_write_commit(view, NULL));
            model = next;
        }
        if (i % 7 == 0 || commits < 1000) {
            expect_model(store, &model);
            assert_int_equal(raw_check(store), 0);
        }
        if (os && i % 97 == 96) {
            ok(mn_store_close(store));
            store = open_sim(os, 0);
        }
    }
    expect_model(store, &model);
    assert_int_equal(raw_check(store), 0);
    ok(mn_store_close(store));
}

static void random_walk_holds_on_a_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct mn_os *os = mn_machine_new(seed, 0);

        random_walk(os, seed % 2 ? 512 : 4096, test_seed() * 1000 + seed, 400);
        mn_machine_free(os);
    }
}

static void random_walk_holds_in_memory(void **state)
{
    (void)state;
    random_walk(NULL, 4096, test_seed() * 1000 + 9, 600);
}

/* The log passes its limit several times: checkpoints are written, and an opener reads them. */
static void checkpoints_keep_the_account(void **state)
{
    struct mn_os *os = mn_machine_new(3, 0);

    (void)state;
    random_walk(os, 512, test_seed() * 1000 + 77, test_is_deep() ? 60000 : 12000);
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_is_read_back),
        cmocka_unit_test(random_walk_holds_on_a_disk),
        cmocka_unit_test(random_walk_holds_in_memory),
        cmocka_unit_test(checkpoints_keep_the_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
