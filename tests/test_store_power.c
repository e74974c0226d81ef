/*
 * Tests of store: what the crash explorer, and what failing allocations, found, each as small as it
 * gets.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "os/sim.h"
#include "store/inside.h"
#include "support/raw.h"
#include "support/status.h"
#include "support/test.h"

enum { GROW = 16 << 10 };

static struct mn_store *must_open(struct mn_os *os)
{
    struct mn_store_options options = {
        .path = "test", .flags = MN_STORE_CREATE, .grow_bytes = GROW, .os = os, .hooks = raw_hooks};
    struct mn_store *store;

    if (mn_store_open(&options, &store)) {
        print_error("open: %s\n", mn_error_last()->message);
        fail();
    }
    return store;
}

static enum mn_status run_commit(struct mn_store *store, uint64_t value, uint64_t size_bytes)
{
    struct mn_view *view;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return status;
    status = raw_set_run(view, 0, value, size_bytes);
    if (!status) return mn_write_commit(view, NULL);
    mn_write_abort(view);
    return status;
}

static void expect_run(struct mn_store *store, uint64_t value)
{
    struct raw_model model;
    struct mn_view *view;

    ok(mn_view_begin_read(store, &view));
    ok(raw_read(view, &model));
    mn_view_end(view);
    assert_int_equal(model.run[0], value);
}

/* ---- a longer file is durable before a slot relies on it, whoever made it longer ---- */

struct power {
    struct mn_os *os, *after;
    bool grew, kills, fails;
    size_t piece; /* the new size, among what is pending */
};

/*
 * The writer that makes the file longer dies before its sync, or its next write fails. At the last
 * sync of the commit after it everything pending arrives but the new size.
 */
static enum mn_sim_fault power_hook(void *context, const struct mn_sim_event *event)
{
    struct power *power = context;
    struct mn_sim_loss loss = {.keep = UINT64_MAX};

    if (event->op == MN_SIM_RESIZE && !power->grew) {
        power->grew = true;
        power->piece = mn_sim_pending(power->os, "test");
    }
    if (power->grew && power->fails && event->op == MN_SIM_WRITE) {
        power->fails = false;
        return MN_SIM_EIO;
    }
    if (power->grew && power->kills && event->op == MN_SIM_SYNC) {
        power->kills = false;
        mn_sim_kill(event->file);
        return MN_SIM_PASS;
    }
    if (power->grew && event->op == MN_SIM_SYNC && !power->after) {
        assert_in_range(mn_sim_pending(power->os, "test"), 1, 64);
        /* The notice that waits, if one does, is the oldest. */
        loss.keep &= ~(UINT64_C(1) << power->piece | 1);
        power->after = mn_sim_crash(power->os, &loss);
        assert_non_null(power->after);
    }
    return MN_SIM_PASS;
}

static void size_is_lost(bool kills)
{
    struct power power = {.os = mn_machine_new(1, 0), .kills = kills, .fails = !kills};
    struct mn_store *first = must_open(power.os), *second = must_open(power.os), *after;

    for (uint64_t value = 1; value <= 3; value++) ok(run_commit(first, value, 5000));
    mn_sim_set_hook(power.os, power_hook, &power);
    assert_true(run_commit(first, 4, GROW + 5000) != MN_OK);
    if (kills) ok(mn_store_close(first));
    ok(run_commit(kills ? second : first, 5, GROW + 5000));
    mn_sim_set_hook(power.os, NULL, NULL);
    if (!kills) ok(mn_store_close(first));
    ok(mn_store_close(second));
    assert_non_null(power.after);
    after = must_open(power.after);
    expect_run(after, 3);
    assert_int_equal(raw_check(after), 0);
    ok(mn_store_close(after));
    mn_machine_free(power.after);
    mn_machine_free(power.os);
}

static void a_dead_writer_leaves_a_size_that_power_may_take(void **state)
{
    (void)state;
    size_is_lost(true);
}

static void a_failed_commit_leaves_a_size_that_power_may_take(void **state)
{
    (void)state;
    size_is_lost(false);
}

/* ---- a newest slot that does not fit is no reason to take an older one ---- */

static void a_cut_file_is_not_taken_for_its_older_self(void **state)
{
    static const struct mn_sim_loss all = {.keep = UINT64_MAX};
    struct mn_os *os = mn_machine_new(1, 0), *after;
    struct mn_store *store = must_open(os);
    struct mn_store_options options = {.path = "test", .hooks = raw_hooks};
    uint64_t notice = mn_notice_offset(store), size;
    uint8_t before[MN_NOTICE_BYTES];

    (void)state;
    ok(run_commit(store, 1, 5000));
    size = mn_sim_size(os, "test");
    ok(mn_sim_peek(os, "test", notice, before, sizeof before));
    ok(run_commit(store, 2, 4 * GROW));
    ok(mn_store_close(store));
    after = mn_sim_crash(os, &all);
    assert_non_null(after);
    mn_machine_free(os);
    ok(mn_sim_cut(after, "test", size));
    ok(mn_sim_poke(after, "test", notice, before, sizeof before));
    options.os = after;
    assert_int_equal(mn_store_open(&options, &store), MN_CORRUPT);
    assert_non_null(strstr(mn_error_last()->message, "version 3"));
    mn_machine_free(after);
}

/* ---- what waits to be written is not read from the map ---- */

static void page_place(struct mn_view *view, struct mn_ref *ref, uint8_t fill)
{
    uint8_t *page;

    ok(mn_page_new(view, MN_PAGE_LEAF, ref, &page));
    memset(page + MN_PAGE_HEADER, fill, MN_PAGE_SIZE_DEFAULT - MN_PAGE_HEADER);
    ok(mn_page_place(view, ref));
}

/* A crash tore the page; the same commit, made again, has the same page in the same place. */
static void a_torn_image_is_not_taken_for_the_one_that_waits(void **state)
{
    enum { HALF = MN_PAGE_SIZE_DEFAULT / 2 };
    static const uint8_t zeros[HALF];
    struct mn_os *os = mn_machine_new(1, 0);
    struct mn_store *store = must_open(os);
    struct mn_ref torn, ref;
    struct mn_view *view;
    const uint8_t *page;

    (void)state;
    ok(run_commit(store, 1, 5000));
    ok(mn_write_begin(store, 0, &view));
    page_place(view, &torn, 7);
    ok(mn_page_read(view, torn, MN_PAGE_LEAF, &page));
    ok(mn_page_drop(view, torn, MN_PAGE_LEAF));
    mn_write_abort(view);
    ok(mn_sim_poke(os, "test", torn.page * MN_PAGE_SIZE_DEFAULT + HALF, zeros, HALF));
    ok(mn_write_begin(store, 0, &view));
    page_place(view, &ref, 7);
    assert_true(ref.page == torn.page && ref.sum == torn.sum);
    ok(mn_page_read(view, ref, MN_PAGE_LEAF, &page));
    assert_int_equal(page[HALF], 7);
    assert_int_equal(page[MN_PAGE_SIZE_DEFAULT - 1], 7);
    ok(mn_page_drop(view, ref, MN_PAGE_LEAF));
    mn_write_abort(view);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* ---- no page is lost for want of memory ---- */

static bool no_memory(void *context, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    return false;
}

/* What a rollback cannot give back must not be committed as if it were used. */
static void a_rollback_without_memory_loses_no_page(void **state)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct mn_store *store = must_open(os);
    struct mn_view *view;
    struct mn_ref ref;
    uint32_t savepoint;

    (void)state;
    ok(run_commit(store, 1, 5000));
    ok(mn_write_begin(store, 0, &view));
    ok(raw_set_run(view, 0, 2, 5000));
    ok(mn_savepoint_begin(view, &savepoint));
    page_place(view, &ref, 7);
    mn_alloc_set_hook(no_memory, NULL);
    mn_savepoint_rollback(view, savepoint);
    mn_alloc_set_hook(NULL, NULL);
    assert_int_equal(mn_write_commit(view, NULL), MN_NOMEM);
    expect_run(store, 1);
    assert_int_equal(raw_check(store), 0);
    ok(run_commit(store, 3, 5000));
    expect_run(store, 3);
    assert_int_equal(raw_check(store), 0);
    ok(mn_store_close(store));
    mn_machine_free(os);
}

/* ---- the checkpoint of a close is made by whoever writes meanwhile ---- */

static void a_close_beside_a_writer_is_made_durable_by_him(void **state)
{
    struct mn_store_options options = {
        .path = "test", .flags = MN_STORE_CREATE, .sync = MN_STORE_LAZY, .hooks = raw_hooks};
    struct mn_os *os = mn_machine_new(1, 0), *after;
    struct mn_sim_loss nothing = {0};
    struct mn_store *first, *second;
    struct mn_view *view;

    (void)state;
    options.os = os;
    options.lazy_us = INT64_MAX / 2;
    ok(mn_store_open(&options, &first));
    ok(mn_store_open(&options, &second));
    ok(run_commit(first, 1, 5000));
    ok(run_commit(first, 2, 5000));
    ok(mn_write_begin(second, 0, &view));
    ok(mn_store_close(first));
    mn_write_abort(view);
    ok(mn_store_close(second));
    after = mn_sim_crash(os, &nothing);
    assert_non_null(after);
    first = must_open(after);
    expect_run(first, 2);
    ok(mn_store_close(first));
    mn_machine_free(after);
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_writer_leaves_a_size_that_power_may_take),
        cmocka_unit_test(a_failed_commit_leaves_a_size_that_power_may_take),
        cmocka_unit_test(a_cut_file_is_not_taken_for_its_older_self),
        cmocka_unit_test(a_torn_image_is_not_taken_for_the_one_that_waits),
        cmocka_unit_test(a_rollback_without_memory_loses_no_page),
        cmocka_unit_test(a_close_beside_a_writer_is_made_durable_by_him),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
