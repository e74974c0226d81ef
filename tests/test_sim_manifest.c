/*
 * Crash walk over transactions whose manifest is longer than a slot's tail: they change a leaf here
 * and there all over a tree, few pages in many places. Such a manifest lies in pages of the log,
 * which the slot's own digest does not go over. At each write, sync and resize the power fails; the
 * file must hold one of the states that may be there, wholly, and its check be clean.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "btree/tree.h"
#include "os/sim.h"
#include "store/inside.h"
#include "support/forest.h"
#include "support/losses.h"
#include "support/status.h"
#include "support/test.h"

enum {
    KEYS = 90000,
    VALUE_BYTES = 20,
    STEP_LEAST = 25,
    STEP_MOST = 60,
    STEP_MORE = 5,
    CHECK_ONE_IN = 32
};

struct walk {
    struct mn_os *os;
    struct mn_store *store;
    uint64_t tree, step;     /* every step-th entry changes */
    uint64_t oldest, newest; /* stamps that a loss may leave */
    uint64_t states, old, young;
    bool broken;
    struct losses losses;
};

static struct mn_store *store_open(struct mn_os *os, enum mn_sync_mode sync)
{
    struct mn_store_options options = {.path = "walk",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = 512,
                                       .sync = sync,
                                       .os = os,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store = NULL;

    ok(mn_store_open(&options, &store));
    return store;
}

static struct mn_bytes number(uint64_t n, uint8_t bytes[8])
{
    mn_put_u64_be(bytes, n);
    return mn_bytes_of(bytes, 8);
}

static struct mn_bytes stamp_value(uint64_t stamp, uint8_t bytes[VALUE_BYTES])
{
    memset(bytes, (int)(stamp * 7), VALUE_BYTES);
    mn_put_u64(bytes, stamp);
    return mn_bytes_of(bytes, VALUE_BYTES);
}

/* Every entry that transactions change has one stamp, the same. */
static bool stamp_read(struct mn_view *view, const struct walk *walk, uint64_t *stamp)
{
    uint8_t key[8], wanted[VALUE_BYTES];
    struct mn_bytes value;
    bool found;

    *stamp = 0;
    for (uint64_t i = 0; i < KEYS; i += walk->step) {
        if (mn_tree_get(view, walk->tree, number(i, key), &value, &found)) return false;
        if (!found || value.len != VALUE_BYTES) return false;
        if (i == 0) *stamp = mn_get_u64(value.data);
        stamp_value(*stamp, wanted);
        if (memcmp(value.data, wanted, VALUE_BYTES) != 0) return false;
    }
    return true;
}

static void walk_broken(struct walk *walk, const char *what)
{
    print_error("state %" PRIu64 ": %s: %s\n", walk->states, what, mn_error_last()->message);
    walk->broken = true;
}

static void state_try(void *context, const struct mn_sim_loss *loss)
{
    struct walk *walk = context;
    struct mn_os *os = mn_sim_crash(walk->os, loss);
    struct mn_store *store;
    struct mn_view *view;
    uint64_t stamp;

    assert_non_null(os);
    walk->states++;
    store = store_open(os, MN_STORE_FULL);
    if (mn_view_begin_read(store, &view)) {
        walk_broken(walk, "cannot read");
    } else {
        if (!stamp_read(view, walk, &stamp)) walk_broken(walk, "entries are mixed");
        if (stamp < walk->oldest || stamp > walk->newest) walk_broken(walk, "no permitted state");
        walk->old += stamp == walk->oldest;
        walk->young += stamp == walk->newest;
        mn_view_end(view);
    }
    if (walk->states % CHECK_ONE_IN == 0 && forest_check(store, true)) {
        walk_broken(walk, "the check finds faults");
    }
    ok(mn_store_close(store));
    mn_machine_free(os);
}

static void stamps_put(struct mn_view *view, const struct walk *walk, uint64_t stamp)
{
    uint8_t key[8], value[VALUE_BYTES];

    for (uint64_t i = 0; i < KEYS; i += walk->step) {
        ok(mn_tree_put(view, walk->tree, number(i, key), stamp_value(stamp, value), 0));
    }
}

static void table_make(struct walk *walk)
{
    uint8_t key[8], value[VALUE_BYTES];
    struct mn_view *view;
    struct mn_bulk *bulk;

    ok(mn_write_begin(walk->store, 0, &view));
    ok(mn_tree_create(view, &walk->tree));
    ok(mn_bulk_begin(view, walk->tree, &bulk));
    for (uint64_t i = 0; i < KEYS; i++) {
        ok(mn_bulk_add(bulk, number(i, key), stamp_value(1, value)));
    }
    ok(mn_bulk_end(bulk));
    ok(mn_write_commit(view, NULL));
    ok(mn_store_sync(walk->store));
    walk->oldest = walk->newest = 1;
}

static void stamps_commit(struct walk *walk)
{
    struct mn_view *view;

    ok(mn_write_begin(walk->store, 0, &view));
    stamps_put(view, walk, walk->newest + 1);
    walk->newest++;
    ok(mn_write_commit(view, NULL));
    if (mn_store_get_sync(walk->store) == MN_STORE_FULL) walk->oldest = walk->newest;
}

/* One such transaction in a new file, whose pages then lie in few places, and a reopening. True:
 * its manifest was in the log. */
static bool walk_run(enum mn_sync_mode sync, uint64_t step)
{
    struct walk *walk = calloc(1, sizeof *walk);
    bool logged;

    assert_non_null(walk);
    walk->step = step;
    walk->os = mn_machine_new(test_seed(), 8 << 20);
    walk->store = store_open(walk->os, sync);
    table_make(walk);
    walk->losses = (struct losses){.os = walk->os,
                                   .path = "walk",
                                   .random = test_seed(),
                                   .stop = &walk->broken,
                                   .look = state_try,
                                   .context = walk};
    losses_begin(&walk->losses);
    stamps_commit(walk);
    logged = (walk->store->writer.base.flags & MN_META_OWN_LOG) != 0;
    ok(mn_store_close(walk->store));
    assert_false(walk->broken);
    assert_true(walk->old > 0 && walk->young > 0);
    mn_sim_set_hook(walk->os, NULL, NULL);
    walk->store = store_open(walk->os, sync);
    assert_int_equal(forest_check(walk->store, true), 0);
    ok(mn_store_close(walk->store));
    mn_machine_free(walk->os);
    free(walk);
    return logged;
}

/* Where leaves lie, and so how many entries make a manifest long, is the store's business. */
static void walks_run(enum mn_sync_mode sync)
{
    unsigned logged = 0;

    for (uint64_t step = STEP_LEAST; step <= STEP_MOST; step += STEP_MORE) {
        logged += walk_run(sync, step);
    }
    print_message("             %u manifests were in the log\n", logged);
    assert_true(logged > 0);
}

static void a_manifest_may_be_longer_than_a_slot(void **state)
{
    (void)state;
    walks_run(MN_STORE_FULL);
}

static void the_same_without_syncs(void **state)
{
    (void)state;
    walks_run(MN_STORE_LAZY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_may_be_longer_than_a_slot),
        cmocka_unit_test(the_same_without_syncs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
