/*
 * Tests of store: what a file may be when it is opened, and what is answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "os/sim.h"
#include "store/inside.h"
#include "support/disk.h"
#include "support/raw.h"
#include "support/status.h"
#include "support/test.h"

static void a_missing_file_is_not_found(void **state)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct mn_store *store;

    (void)state;
    assert_int_equal(disk_try_open(os, 0, &store), MN_NOTFOUND);
    assert_null(store);
    assert_int_equal(disk_try_open(os, MN_STORE_READONLY, &store), MN_NOTFOUND);
    mn_machine_free(os);
}

static void a_file_that_is_not_ours_is_refused(void **state)
{
    static uint8_t text[10000];
    static const size_t sizes[] = {0, 1, 15, 16, 100, 4095, 4096, 10000};

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mn_os *os = mn_machine_new(1, 0);
        struct mn_store *store;
        uint8_t after[16];

        ok(mn_sim_put(os, "test", text, sizes[i]));
        assert_int_equal(disk_try_open(os, MN_STORE_CREATE, &store), MN_NOTADB);
        assert_int_equal(mn_sim_size(os, "test"), sizes[i]);
        if (sizes[i] >= 16) {
            ok(mn_sim_peek(os, "test", 0, after, 16));
            assert_memory_equal(after, text, 16);
        }
        mn_machine_free(os);
    }
}

/* Changes a word of the superblock as a newer build would have written it. */
static void superblock_poke(struct mn_os *os, uint64_t at, uint32_t value)
{
    uint8_t bytes[MN_SUPERBLOCK_BYTES];

    ok(mn_sim_peek(os, "test", 0, bytes, sizeof bytes));
    mn_put_u32(bytes + at, value);
    mn_put_u64(bytes + 4088, mn_hash(bytes, 4088, 0));
    ok(mn_sim_poke(os, "test", 0, bytes, sizeof bytes));
}

static void another_format_is_told_from_damage(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store;
    struct mn_view *view;

    (void)state;
    superblock_poke(os, 16, MN_FORMAT + 1);
    assert_int_equal(disk_try_open(os, 0, &store), MN_VERSION);
    superblock_poke(os, 16, MN_FORMAT - 1); /* slots lay elsewhere */
    assert_int_equal(disk_try_open(os, 0, &store), MN_VERSION);
    superblock_poke(os, 16, MN_FORMAT);
    superblock_poke(os, 40, 4); /* incompatible */
    assert_int_equal(disk_try_open(os, 0, &store), MN_VERSION);
    assert_int_equal(disk_try_open(os, MN_STORE_READONLY, &store), MN_VERSION);
    superblock_poke(os, 40, 0);
    superblock_poke(os, 32, 4); /* read-only compatible */
    store = disk_open(os, 0);
    disk_expect(store, &model);
    assert_int_equal(mn_write_begin(store, 0, &view), MN_READONLY_DB);
    ok(mn_store_close(store));
    superblock_poke(os, 32, 0);
    superblock_poke(os, 24, 4); /* compatible */
    store = disk_open(os, 0);
    disk_commit(store, 7, 7);
    ok(mn_store_close(store));
    superblock_poke(os, 20, 1000);
    assert_int_equal(disk_try_open(os, 0, &store), MN_CORRUPT);
    mn_machine_free(os);
}

static void a_bad_page_size_is_misuse(void **state)
{
    static const uint32_t sizes[] = {1, 256, 513, 131072};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mn_store_options options = {.page_size = sizes[i]};
        struct mn_store *store;

        assert_int_equal(mn_store_open(&options, &store), MN_MISUSE);
    }
}

static uint64_t durable_now(struct mn_store *store, bool newest)
{
    struct mn_store_stats stats;

    ok(mn_store_stat(store, &stats));
    return newest ? stats.version : stats.durable;
}

/* Nothing but mn_store_sync, a commit some time after the last durable one, and close. */
static void a_lazy_handle_makes_its_commits_durable_when_it_says(void **state)
{
    struct mn_os *os = mn_machine_new(test_seed(), 0);
    struct mn_store_options options = {.path = "test",
                                       .flags = MN_STORE_CREATE,
                                       .sync = MN_STORE_LAZY,
                                       .lazy_us = INT64_MAX,
                                       .os = os,
                                       .hooks = raw_hooks};
    struct mn_store *store;
    uint64_t before;

    (void)state;
    ok(mn_store_open(&options, &store));
    before = durable_now(store, false);
    for (unsigned i = 0; i < 4; i++) disk_commit(store, i, i + 1);
    assert_int_equal(durable_now(store, false), before);
    assert_int_equal(durable_now(store, true), before + 4);
    ok(mn_store_sync(store));
    assert_int_equal(durable_now(store, false), before + 4);
    mn_store_set_sync(store, MN_STORE_OFF);
    disk_commit(store, 0, 9);
    assert_int_equal(durable_now(store, false), before + 4);
    mn_store_set_sync(store, MN_STORE_FULL);
    disk_commit(store, 0, 10);
    assert_int_equal(durable_now(store, false), before + 6);
    mn_store_set_sync(store, MN_STORE_LAZY);
    disk_commit(store, 0, 11);
    ok(mn_store_close(store));
    assert_int_equal(mn_sim_pending(os, "test"), 2); /* the notice, and the end that was cut */
    options.lazy_us = 1;
    ok(mn_store_open(&options, &store));
    os->ops->sleep_us(os, 100);
    disk_commit(store, 1, 12);
    assert_int_equal(durable_now(store, false), durable_now(store, true));
    ok(mn_store_close(store));
    mn_machine_free(os);
}

static void an_exclusive_handle_is_alone(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, MN_STORE_EXCLUSIVE), *second;

    (void)state;
    assert_int_equal(disk_try_open(os, 0, &second), MN_BUSY);
    disk_commit(store, 0, 5);
    ok(mn_store_close(store));
    store = disk_open(os, 0);
    assert_int_equal(disk_try_open(os, MN_STORE_EXCLUSIVE, &second), MN_BUSY);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* ---- reading only ---- */

static void readonly_reads_with_and_without_a_writer(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *reader = disk_open(os, MN_STORE_READONLY), *writer;
    struct mn_view *view, *old;

    (void)state;
    assert_false(reader->present); /* private mode */
    disk_expect(reader, &model);
    assert_int_equal(raw_check(reader), 0);
    assert_int_equal(mn_write_begin(reader, 0, &view), MN_READONLY_DB);
    ok(mn_view_begin_read(reader, &old));
    writer = disk_open(os, 0);
    for (unsigned i = 0; i < 50; i++) disk_commit(writer, 0, 100 + i);
    /* The private reader's pin was seen: its version is whole. */
    assert_true(raw_equals(old, &model));
    mn_view_end(old);
    model.leaf[0] = 149;
    disk_expect(reader, &model);
    assert_true(reader->present);
    disk_commit(writer, 0, 150);
    model.leaf[0] = 150;
    disk_expect(reader, &model);
    ok(mn_store_close(writer));
    disk_expect(reader, &model);
    ok(mn_store_close(reader));
    mn_machine_free(os);
}

static void untrusted_reads_by_copies(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, MN_STORE_UNTRUSTED);

    (void)state;
    assert_null(store->map);
    disk_expect(store, &model);
    disk_commit(store, 9, 9);
    model.leaf[9] = 9;
    disk_expect(store, &model);
    assert_int_equal(raw_check(store), 0);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* What is newer than the version asked for is told at once; else the time passes, and the same
 * version is told. */
static void waits_are_bounded(struct mn_store *store)
{
    enum { SHORT_US = 30000, LONG_US = 60000000 };
    struct mn_view *view;
    uint64_t version, now;

    ok(mn_view_begin_read(store, &view));
    version = mn_view_version(view);
    mn_view_end(view);
    ok(mn_store_wait(store, version - 1, LONG_US, &now));
    assert_int_equal(now, version);
    ok(mn_store_wait(store, version, 0, &now));
    assert_int_equal(now, version);
    ok(mn_store_wait(store, version, SHORT_US, &now));
    assert_int_equal(now, version);
}

static void a_wait_ends_mapped_or_not_and_alone(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, MN_STORE_UNTRUSTED);

    (void)state;
    waits_are_bounded(store);
    ok(mn_store_close(store));
    store = disk_open(os, 0);
    waits_are_bounded(store);
    ok(mn_store_close(store));
    store = disk_open(os, MN_STORE_READONLY);
    assert_false(store->present); /* nobody writes: it looks at the slots itself */
    waits_are_bounded(store);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* ---- damage ---- */

/* A right answer or a clean error; with *told, whether anything was said. */
static void damage_is_survived(struct mn_os *os, unsigned flags, const struct raw_model *model,
                               bool *told)
{
    struct mn_store *store;
    struct mn_view *view;
    enum mn_status status = disk_try_open(os, flags, &store);

    *told = status != MN_OK;
    if (!status) {
        struct raw_model have;

        status = mn_view_begin_read(store, &view);
        if (!status) {
            status = raw_read(view, &have);
            if (!status) assert_memory_equal(&have, model, sizeof have);
            mn_view_end(view);
        }
        *told = status != MN_OK;
        ok(mn_store_close(store));
    }
    if (status != MN_OK && status != MN_CORRUPT && status != MN_NOTADB && status != MN_VERSION) {
        print_error("%s: %s\n", mn_status_name(status), mn_error_last()->message);
        fail();
    }
}

static void no_damaged_byte_gives_a_wrong_answer(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    uint64_t size = mn_sim_size(os, "test"), step = test_is_deep() ? 1 : 23;
    struct mn_sim_loss all = {.keep = UINT64_MAX};
    uint64_t told_count = 0;
    bool told;

    (void)state;
    damage_is_survived(os, 0, &model, &told);
    assert_false(told);
    for (uint64_t at = 0; at < size; at += step) {
        struct mn_os *copy = mn_sim_crash(os, &all);
        uint8_t byte, damaged;

        ok(mn_sim_peek(copy, "test", at, &byte, 1));
        damaged = (uint8_t)(byte ^ (1u << at % 8));
        ok(mn_sim_poke(copy, "test", at, &damaged, 1));
        damage_is_survived(copy, at % 3 ? 0 : MN_STORE_READONLY, &model, &told);
        told_count += told;
        mn_machine_free(copy);
    }
    assert_true(told_count > size / step / 8);
    mn_machine_free(os);
}

/*
 * The pages of the newest commit are damaged after it was durable: recovery must not quietly go
 * back to the version before. What is damaged is told, the rest is read.
 */
static void damage_of_the_newest_commit_is_no_rollback(void **state)
{
    struct raw_model model, have;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, 0);
    uint8_t zeros[64] = {0};
    struct mn_view *view;
    uint64_t page;
    uint32_t count;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(raw_set(view, 15, 1515));
    ok(mn_write_commit(view, NULL));
    ok(mn_view_begin_read(store, &view));
    page = mn_view_roots(view, &count)[0].ref.page;
    mn_view_end(view);
    ok(mn_store_close(store));
    ok(mn_sim_poke(os, "test", page * 4096 + 40, zeros, sizeof zeros));
    store = disk_open(os, 0);
    ok(mn_view_begin_read(store, &view));
    assert_int_equal(raw_read(view, &have), MN_CORRUPT);
    assert_non_null(strstr(mn_error_last()->message, "page"));
    mn_view_end(view);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

static void no_truncation_gives_a_wrong_answer(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    uint64_t size = mn_sim_size(os, "test"), untold = 0;
    struct mn_sim_loss all = {.keep = UINT64_MAX};

    (void)state;
    for (uint64_t cut = 0; cut < size; cut += 509) {
        struct mn_os *copy = mn_sim_crash(os, &all);
        bool told;

        ok(mn_sim_cut(copy, "test", cut));
        damage_is_survived(copy, cut % 2 ? 0 : MN_STORE_UNTRUSTED, &model, &told);
        untold += !told;
        mn_machine_free(copy);
    }
    assert_true(untold < size / 509);
    mn_machine_free(os);
}

/* The file is cut while it is open: the next transaction says so. */
static void a_file_cut_under_an_open_handle_is_told(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, 0);
    struct mn_view *view;

    (void)state;
    disk_expect(store, &model);
    ok(mn_sim_cut(os, "test", 30000));
    assert_int_equal(mn_view_begin_read(store, &view), MN_CORRUPT);
    assert_int_equal(mn_write_begin(store, 0, &view), MN_CORRUPT);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* Random bytes in whole pages, as a device may answer; the check names what is damaged. */
static void the_check_names_damaged_pages(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, 0);
    struct mn_root root;
    struct mn_view *view;
    uint32_t count;
    uint8_t zeros[512] = {0};

    (void)state;
    ok(mn_view_begin_read(store, &view));
    root = mn_view_roots(view, &count)[0];
    mn_view_end(view);
    ok(mn_store_close(store));
    ok(mn_sim_poke(os, "test", root.ref.page * 4096 + 40, zeros, sizeof zeros));
    store = disk_open(os, 0);
    ok(mn_view_begin_read(store, &view));
    assert_int_equal(raw_read(view, &model), MN_CORRUPT);
    char name[32];
    snprintf(name, sizeof name, "page %llu", (unsigned long long)root.ref.page);
    assert_non_null(strstr(mn_error_last()->message, name));
    mn_view_end(view);
    assert_true(raw_check(store) > 0);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* ---- a full disk ---- */

struct full {
    bool now;
};

static enum mn_sim_fault full_hook(void *context, const struct mn_sim_event *event)
{
    struct full *full = context;

    return full->now && event->op == MN_SIM_RESIZE ? MN_SIM_FULL : MN_SIM_PASS;
}

static void a_full_disk_is_read_and_later_written(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    struct mn_store *store = disk_open(os, 0);
    struct full full = {.now = true};
    struct mn_view *view;

    (void)state;
    mn_sim_set_hook(os, full_hook, &full);
    for (int i = 0; i < 3; i++) {
        ok(mn_write_begin(store, 0, &view));
        ok(raw_set_run(view, 0, 5, 3000000));
        assert_int_equal(mn_write_commit(view, NULL), MN_FULL);
        disk_expect(store, &model);
        assert_int_equal(raw_check(store), 0);
    }
    /* What fits into the room that is there is committed. */
    disk_commit(store, 2, 22);
    model.leaf[2] = 22;
    disk_expect(store, &model);
    full.now = false;
    ok(mn_write_begin(store, 0, &view));
    ok(raw_set_run(view, 0, 0x0505050505050505, 3000000));
    ok(mn_write_commit(view, NULL));
    model.run[0] = 0x0505050505050505;
    model.run_bytes[0] = 3000000;
    disk_expect(store, &model);
    assert_int_equal(raw_check(store), 0);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* ---- memory ---- */

struct scarce {
    uint64_t left;
};

static bool scarce_hook(void *context, size_t size_bytes)
{
    struct scarce *scarce = context;

    (void)size_bytes;
    if (scarce->left == 0) return false;
    scarce->left--;
    return true;
}

/* Every allocation of open, write, commit and read fails once: MN_NOMEM, and then all goes on. */
static void any_allocation_may_fail(void **state)
{
    struct raw_model model;
    struct mn_os *os = disk_new(&model);
    uint64_t done = 0;

    (void)state;
    for (uint64_t left = 0; left < 400 && done < 3; left++) {
        struct scarce scarce = {left};
        struct mn_store *store = NULL;
        struct mn_view *view = NULL;
        enum mn_status status;

        mn_alloc_set_hook(scarce_hook, &scarce);
        status = disk_try_open(os, 0, &store);
        if (!status) status = mn_write_begin(store, 0, &view);
        if (!status) {
            uint32_t id;

            status = raw_set(view, 1, left + 1000);
            if (!status) status = mn_savepoint_begin(view, &id);
            if (!status) status = raw_set(view, 1, left + 2000);
            if (!status) mn_savepoint_rollback(view, id);
            if (!status) status = raw_set_run(view, 2, left + 1, 5000);
            if (status) {
                mn_write_abort(view);
            } else {
                status = mn_write_commit(view, NULL);
            }
        }
        mn_alloc_set_hook(NULL, NULL);
        /* The simulated device needs memory too: a write or sync that fails there is in doubt. */
        if (status != MN_OK && status != MN_NOMEM && status != MN_UNCERTAIN) ok(status);
        if (!store) continue;
        if (status == MN_UNCERTAIN) {
            ok(mn_store_close(store));
            store = disk_open(os, 0);
            ok(mn_view_begin_read(store, &view));
            ok(raw_read(view, &model));
            mn_view_end(view);
        }
        if (!status) {
            done++;
            ok(mn_view_begin_read(store, &view));
            ok(raw_read(view, &model));
            assert_int_equal(model.leaf[1], left + 1000);
            mn_view_end(view);
        }
        disk_expect(store, &model);
        assert_int_equal(raw_check(store), 0);
        disk_commit(store, 8, left + 1);
        model.leaf[8] = left + 1;
        ok(mn_store_close(store));
    }
    assert_int_equal(done, 3);
    mn_machine_free(os);
}

struct growth_watch {
    struct mn_store *store;
    struct mn_os *os;
    uint64_t synced, at_slot; /* bytes of the file that survive: now, and when the last slot went */
    unsigned grown;
};

static enum mn_sim_fault growth_hook(void *context, const struct mn_sim_event *event)
{
    struct growth_watch *watch = context;

    if (event->op == MN_SIM_RESIZE) watch->grown++;
    if (event->op == MN_SIM_SYNC) watch->synced = mn_sim_size(watch->os, "test");
    for (uint32_t i = 0; event->op == MN_SIM_WRITE && i < MN_META_SLOTS; i++) {
        uint64_t slot = mn_slot_offset(watch->store, i);

        if (event->offset <= slot && slot - event->offset < event->size_bytes) {
            watch->at_slot = watch->synced;
        }
    }
    return MN_SIM_PASS;
}

static void run_commit(struct growth_watch *watch, uint64_t size_bytes)
{
    struct mn_store_stats stats;
    struct mn_view *view;

    ok(mn_write_begin(watch->store, 0, &view));
    ok(raw_set_run(view, 2, size_bytes, size_bytes));
    ok(mn_write_commit(view, NULL));
    ok(mn_store_stat(watch->store, &stats));
    assert_true(stats.page_count * stats.page_size <= watch->at_slot);
}

/*
 * A transaction that made the file longer and was aborted, or whose process died, leaves a size
 * that a power loss takes back. A slot that named pages in there would be whole in a file too
 * short for it, and the file be refused.
 */
static void no_slot_relies_on_a_size_that_nobody_synced(void **state)
{
    struct raw_model model;
    struct growth_watch watch = {.os = disk_new(&model)};
    struct mn_view *view;
    unsigned grown = 0;

    (void)state;
    watch.store = disk_open(watch.os, 0);
    watch.synced = mn_sim_size(watch.os, "test");
    mn_sim_set_hook(watch.os, growth_hook, &watch);
    for (uint64_t i = 1; i <= 8; i++) {
        grown = watch.grown;
        ok(mn_write_begin(watch.store, 0, &view));
        ok(raw_set_run(view, 2, 7, i * 100000));
        mn_write_abort(view);
        run_commit(&watch, i * 50000);
        run_commit(&watch, i * 60000);
    }
    assert_true(grown > 0);
    model.run[2] = model.run_bytes[2] = 480000;
    disk_expect(watch.store, &model);
    ok(mn_store_close(watch.store));
    mn_machine_free(watch.os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(a_file_that_is_not_ours_is_refused),
        cmocka_unit_test(another_format_is_told_from_damage),
        cmocka_unit_test(a_bad_page_size_is_misuse),
        cmocka_unit_test(a_lazy_handle_makes_its_commits_durable_when_it_says),
        cmocka_unit_test(an_exclusive_handle_is_alone),
        cmocka_unit_test(readonly_reads_with_and_without_a_writer),
        cmocka_unit_test(untrusted_reads_by_copies),
        cmocka_unit_test(a_wait_ends_mapped_or_not_and_alone),
        cmocka_unit_test(no_damaged_byte_gives_a_wrong_answer),
        cmocka_unit_test(damage_of_the_newest_commit_is_no_rollback),
        cmocka_unit_test(no_truncation_gives_a_wrong_answer),
        cmocka_unit_test(a_file_cut_under_an_open_handle_is_told),
        cmocka_unit_test(the_check_names_damaged_pages),
        cmocka_unit_test(a_full_disk_is_read_and_later_written),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(no_slot_relies_on_a_size_that_nobody_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
