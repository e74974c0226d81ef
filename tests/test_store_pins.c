/*
 * Tests of store: what readers pin stays, what nobody needs is used again.
 *
 * Two handles of one simulated machine stand for two processes: their locks exclude each other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/sim.h"
#include "store/inside.h"
#include "support/raw.h"
#include "support/status.h"
#include "support/test.h"

enum { HELD = 6 };

static struct mn_store *open_sim(struct mn_os *os, uint32_t page_size)
{
    struct mn_store_options options = {.path = "test",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = page_size,
                                       .busy_ms = 1000,
                                       .grow_bytes = 64 << 10,
                                       .os = os,
                                       .hooks = raw_hooks};
    struct mn_store *store;

    ok(mn_store_open(&options, &store));
    return store;
}

struct held {
    struct mn_view *view;
    struct raw_model model;
};

static void held_end(struct held *held)
{
    if (held->view) {
        assert_true(raw_equals(held->view, &held->model));
        mn_view_end(held->view);
    }
    held->view = NULL;
}

static void random_commit(struct mn_store *store, struct raw_model *model, uint64_t *random)
{
    struct mn_view *view;

    ok(mn_write_begin(store, 0, &view));
    for (int i = 0; i < 3; i++) ok(raw_change(view, model, random, 6000));
    ok(mn_write_commit(view, NULL));
}

/* (S1) as the writer's memory has it: used pages are those that the log says are used. */
static void map_is_exact(struct mn_store *store)
{
    struct mn_space loaded = {0}, *space = &store->writer.space;
    struct mn_deaths dead = {0};
    struct mn_view *view;

    if (space->version == 0) return;
    ok(mn_view_begin_read(store, &view));
    if (space->version == mn_view_version(view)) {
        ok(mn_space_load(view, view->meta, &loaded, &dead));
        assert_int_equal(space->page_count, loaded.page_count);
        assert_int_equal(space->free_pages + space->pending_pages, loaded.free_pages);
        for (uint64_t p = 0; p < space->page_count; p++) {
            if (mn_space_is_free(space, p, 1)) assert_true(mn_space_is_free(&loaded, p, 1));
        }
    }
    mn_view_end(view);
    mn_deaths_release(&dead);
    mn_space_release(&loaded);
}

static void pinned_versions_stay_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct mn_os *os = mn_machine_new(seed, 0);
        struct mn_store *writers[2] = {open_sim(os, seed % 2 ? 512 : 4096), open_sim(os, 0)};
        struct mn_store *other = open_sim(os, 0);
        struct held held[HELD] = {0};
        struct raw_model model = {0};
        uint64_t random = test_seed() * 100 + seed;

        for (int i = 0; i < (test_is_deep() ? 4000 : 500); i++) {
            unsigned which = (unsigned)(test_random(&random) % (HELD * 6));
            /* Now and then the other process writes, so that each follows the other's log. */
            unsigned turn = test_random(&random) % 8 == 0;

            random_commit(writers[turn], &model, &random);
            if (which < HELD) {
                held_end(&held[which]);
                ok(mn_view_begin_read(which % 2 ? other : writers[0], &held[which].view));
                held[which].model = model;
            }
            if (i % 20 == 0) {
                for (unsigned h = 0; h < HELD; h++) {
                    if (held[h].view) assert_true(raw_equals(held[h].view, &held[h].model));
                }
                assert_int_equal(raw_check(other), 0);
                map_is_exact(writers[0]);
                map_is_exact(writers[1]);
            }
        }
        for (unsigned h = 0; h < HELD; h++) held_end(&held[h]);
        ok(mn_store_close(other));
        ok(mn_store_close(writers[1]));
        ok(mn_store_close(writers[0]));
        mn_machine_free(os);
    }
}

/* A writer that opens while pins exist finds in log and checkpoint what it must not touch. */
static void an_opened_writer_respects_old_pins(void **state)
{
    struct mn_os *os = mn_machine_new(5, 0);
    struct mn_store *reader = open_sim(os, 512);
    struct held held[HELD] = {0};
    struct raw_model model = {0};
    uint64_t random = test_seed() * 100 + 50;

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct mn_store *writer = open_sim(os, 0);

        for (int c = 0; c < 40; c++) random_commit(writer, &model, &random);
        /* Every second round the log is so long that a checkpoint is due at once. */
        if (i % 2) {
            struct mn_view *view;

            ok(mn_write_begin(writer, 0, &view));
            view->writer->next.log_bytes = MN_LOG_LIMIT + view->writer->next.checkpoint_bytes + 1;
            ok(raw_change(view, &model, &random, 0));
            ok(mn_write_commit(view, NULL));
            assert_true(writer->writer.next.log_bytes == 0);
        }
        map_is_exact(writer);
        ok(mn_store_close(writer));
        held_end(&held[i % HELD]);
        ok(mn_view_begin_read(reader, &held[i % HELD].view));
        held[i % HELD].model = model;
        for (unsigned h = 0; h < HELD; h++) {
            if (held[h].view) assert_true(raw_equals(held[h].view, &held[h].model));
        }
        assert_int_equal(raw_check(reader), 0);
    }
    for (unsigned h = 0; h < HELD; h++) held_end(&held[h]);
    ok(mn_store_close(reader));
    mn_machine_free(os);
}

static void set_one(struct mn_store *store, unsigned leaf, uint64_t value)
{
    struct mn_view *view;

    ok(mn_write_begin(store, 0, &view));
    ok(raw_set(view, leaf, value));
    ok(mn_write_commit(view, NULL));
}

static void steady_commits_do_not_grow_the_file(void **state)
{
    struct mn_os *os = mn_machine_new(6, 0);
    struct mn_store *store = open_sim(os, 4096);
    struct mn_store_stats stats;

    (void)state;
    for (uint64_t i = 1; i < 3000; i++) set_one(store, (unsigned)(i % RAW_LEAVES), i);
    ok(mn_store_stat(store, &stats));
    /* 17 pages are used; the slack for side-by-side writes, log and fixed pages come on top. */
    assert_in_range(stats.page_count, 17, 17 + 64 + 40);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* One copy of what the long reader saw, not the growth of the file. */
static void a_long_reader_costs_one_copy(void **state)
{
    struct mn_os *os = mn_machine_new(7, 0);
    struct mn_store *store = open_sim(os, 4096);
    struct mn_store_stats stats;
    struct held held = {0};

    (void)state;
    for (unsigned i = 0; i < RAW_LEAVES; i++) {
        set_one(store, i, i + 1);
        held.model.leaf[i] = i + 1;
    }
    ok(mn_view_begin_read(store, &held.view));
    for (uint64_t i = 1; i < 3000; i++) set_one(store, (unsigned)(i % RAW_LEAVES), i);
    ok(mn_store_stat(store, &stats));
    assert_in_range(stats.page_count, 34, 34 + 64 + 40);
    assert_int_equal(stats.pending_pages, 17);
    assert_int_equal(stats.pins, 2);
    held_end(&held);
    set_one(store, 0, 1);
    ok(mn_store_stat(store, &stats));
    assert_int_equal(stats.pending_pages, 0);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

static void the_free_tail_is_cut_at_close(void **state)
{
    struct mn_os *os = mn_machine_new(8, 0);
    struct mn_store *store = open_sim(os, 4096), *second;
    struct mn_view *view;
    uint64_t full;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(raw_set(view, 0, 1));
    for (unsigned i = 0; i < RAW_RUNS; i++) ok(raw_set_run(view, i, 7, 2 << 20));
    ok(mn_write_commit(view, NULL));
    ok(mn_write_begin(store, 0, &view));
    for (unsigned i = 0; i < RAW_RUNS; i++) ok(raw_set_run(view, i, 0, 0));
    ok(mn_write_commit(view, NULL));
    full = mn_sim_size(os, "test");
    assert_true(full > (8 << 20));
    second = open_sim(os, 0);
    ok(mn_store_close(store));
    /* Somebody else has it open: not a byte is cut. */
    assert_int_equal(mn_sim_size(os, "test"), full);
    ok(mn_write_begin(second, 0, &view));
    ok(raw_set(view, 1, 1));
    ok(mn_write_commit(view, NULL));
    ok(mn_store_close(second));
    assert_true(mn_sim_size(os, "test") < (256 << 10));
    store = open_sim(os, 0);
    ok(mn_view_begin_read(store, &view));
    assert_true(raw_equals(view, &(struct raw_model){.leaf = {1, 1}}));
    mn_view_end(view);
    assert_int_equal(raw_check(store), 0);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* Nor does a transaction that was rolled back, or the last checkpoint of a lazy handle, keep it. */
static void a_rollback_does_not_keep_the_free_tail(void **state)
{
    (void)state;
    for (int lazy = 0; lazy < 2; lazy++) {
        struct mn_os *os = mn_machine_new(8, 0);
        struct mn_store *store = open_sim(os, 4096);
        struct mn_view *view;

        if (lazy) mn_store_set_sync(store, MN_STORE_LAZY);
        for (uint64_t bytes = 2 << 20;; bytes = 0) {
            ok(mn_write_begin(store, 0, &view));
            for (unsigned i = 0; i < RAW_RUNS; i++) ok(raw_set_run(view, i, bytes ? 7 : 0, bytes));
            ok(mn_write_commit(view, NULL));
            if (bytes == 0) break;
        }
        for (unsigned i = 0; i < 3; i++) set_one(store, 0, i + 1);
        assert_true(mn_sim_size(os, "test") > (8 << 20));
        ok(mn_write_begin(store, 0, &view));
        ok(raw_set(view, 1, 5));
        mn_write_abort(view);
        ok(mn_store_close(store));
        assert_true(mn_sim_size(os, "test") < (256 << 10));
        store = open_sim(os, 0);
        ok(mn_view_begin_read(store, &view));
        assert_true(raw_equals(view, &(struct raw_model){.leaf = {3}}));
        mn_view_end(view);
        assert_int_equal(raw_check(store), 0);
        ok(mn_store_close(store));
        mn_machine_free(os);
    }
}

/* Past the memory limit runs go to the file early; rollback and abort leave no trace of them. */
static void early_writes_come_and_go(void **state)
{
    struct mn_os *os = mn_machine_new(9, 0);
    struct mn_store *store = open_sim(os, 4096);
    struct raw_model model = {0};
    struct mn_view *view;

    (void)state;
    store->dirty_limit = 1; /* always heavy: all but the newest runs are spilled */
    for (int round = 0; round < 6; round++) {
        struct mn_run runs[100];
        const uint8_t *bytes;
        uint8_t *fresh;
        uint32_t id;

        ok(mn_write_begin(store, 0, &view));
        ok(mn_savepoint_begin(view, &id));
        for (unsigned i = 0; i < 100; i++) {
            ok(mn_run_new(view, 5000 + i, &runs[i], &fresh));
            memset(fresh, (int)i, 5000 + i);
        }
        assert_true(view->writer->dirty_bytes < 40 * 8192);
        for (unsigned i = 0; i < 100; i++) {
            ok(mn_run_read(view, &runs[i], &bytes));
            assert_int_equal(bytes[4999], i);
        }
        ok(mn_run_edit(view, &runs[3], &fresh)); /* back to memory */
        assert_int_equal(fresh[4999], 3);
        if (round % 3 == 0) mn_savepoint_rollback(view, id);
        if (round % 3 == 1) {
            for (unsigned i = 0; i < 100; i++) ok(mn_run_drop(view, &runs[i]));
        }
        mn_savepoint_release(view, id);
        if (round % 3 == 2) {
            mn_write_abort(view);
        } else {
            ok(raw_set(view, 1, (uint64_t)round + 1));
            model.leaf[1] = (uint64_t)round + 1;
            ok(mn_write_commit(view, NULL));
        }
        map_is_exact(store);
        assert_int_equal(raw_check(store), 0);
    }
    ok(mn_view_begin_read(store, &view));
    assert_true(raw_equals(view, &model));
    mn_view_end(view);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pinned_versions_stay_whole),
        cmocka_unit_test(an_opened_writer_respects_old_pins),
        cmocka_unit_test(steady_commits_do_not_grow_the_file),
        cmocka_unit_test(a_long_reader_costs_one_copy),
        cmocka_unit_test(the_free_tail_is_cut_at_close),
        cmocka_unit_test(a_rollback_does_not_keep_the_free_tail),
        cmocka_unit_test(early_writes_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
