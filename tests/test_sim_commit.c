/*
 * Crash walk: random transactions on a simulated disk; at every write, sync and resize the power
 * fails in many ways, the file is opened again, compared with a model, checked, and written to
 * again.
 *
 * The model knows only the last acknowledged state A and the state I that is being committed. After
 * a crash the file must hold exactly A or I. What was chosen then stays chosen: recoveries are
 * crashed too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/sim.h"
#include "store/inside.h"
#include "support/raw.h"
#include "support/test.h"

struct walk {
    uint64_t seed, random;
    uint32_t page_size;
    uint64_t run_bytes_max;
    struct mn_os *os;
    struct raw_model acked, flying; /* A and I */
    bool committing;
    unsigned depth;  /* crashes above this machine */
    unsigned effort; /* states per event */
    uint64_t *states;
    bool broken;
};

static struct mn_store *walk_open(struct walk *walk, enum mn_status *status)
{
    struct mn_store_options options = {.path = "walk",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = walk->page_size,
                                       .grow_bytes = 16 << 10,
                                       .cut_commits = 2,
                                       .os = walk->os,
                                       .hooks = raw_hooks};
    struct mn_store *store = NULL;

    *status = mn_store_open(&options, &store);
    return store;
}

static void walk_broken(struct walk *walk, const char *what)
{
    if (!walk->broken) {
        print_error("crash walk: %s (seed %" PRIu64 ", page size %u, state %" PRIu64 "): %s\n",
                    what, walk->seed, walk->page_size, *walk->states, mn_error_last()->message);
    }
    walk->broken = true;
}

static bool model_equal(const struct raw_model *a, const struct raw_model *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The state of the file; it becomes the acknowledged one, for what recovery chose must stay. */
static bool settle_on(struct walk *walk, struct mn_store *store)
{
    struct raw_model have;
    struct mn_view *view;

    if (mn_view_begin_read(store, &view)) {
        walk_broken(walk, "cannot read after recovery");
        return false;
    }
    if (raw_read(view, &have)) walk_broken(walk, "a page is not what it should be");
    mn_view_end(view);
    if (walk->broken) return false;
    if (!model_equal(&have, &walk->acked) &&
        !(walk->committing && model_equal(&have, &walk->flying))) {
        walk_broken(walk, "the state is neither the acknowledged nor the committing one");
        return false;
    }
    walk->acked = have;
    walk->committing = false;
    if (raw_check(store)) walk_broken(walk, "the space map is wrong");
    return !walk->broken;
}

static enum mn_status walk_commit(struct walk *walk, struct mn_store *store)
{
    struct raw_model next = walk->acked;
    struct mn_view *view;
    unsigned changes = 1 + (unsigned)(test_random(&walk->random) % 5);
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return status;
    for (unsigned i = 0; i < changes && !status; i++) {
        status = raw_change(view, &next, &walk->random, walk->run_bytes_max);
    }
    if (status || test_random(&walk->random) % 16 == 0) {
        mn_write_abort(view);
        return status;
    }
    walk->flying = next;
    walk->committing = true;
    status = mn_write_commit(view, NULL);
    if (status == MN_OK) walk->acked = next;
    if (status != MN_UNCERTAIN) walk->committing = false;
    return status;
}

static enum mn_sim_fault crash_hook(void *context, const struct mn_sim_event *event);

/* One machine after one loss: open, compare, check, commit twice, open again, compare. */
static void state_try(struct walk *walk, const struct mn_sim_loss *loss)
{
    struct walk after = *walk;
    struct mn_store *store;
    enum mn_status status;

    (*walk->states)++;
    after.os = mn_sim_crash(walk->os, loss);
    assert_non_null(after.os);
    after.depth++;
    after.random = loss->seed * 2 + 1;
    after.effort = 2;
    if (after.depth == 1 && loss->seed % 29 == 0) {
        mn_sim_set_hook(after.os, crash_hook, &after);
    }
    store = walk_open(&after, &status);
    if (status) walk_broken(&after, "cannot open after a crash");
    if (store && settle_on(&after, store)) {
        for (int i = 0; i < 2 && !after.broken; i++) {
            if (walk_commit(&after, store)) walk_broken(&after, "cannot commit after a crash");
        }
        if (!after.broken) settle_on(&after, store);
    }
    if (store) mn_store_close(store);
    if (!after.broken && loss->seed % 5 == 0) {
        store = walk_open(&after, &status);
        if (status) walk_broken(&after, "cannot open again");
        if (store) settle_on(&after, store);
        if (store) mn_store_close(store);
    }
    mn_sim_free(after.os);
    walk->broken |= after.broken;
}

/* All ways to lose power here, or as many as the effort allows. */
static void states_try(struct walk *walk)
{
    size_t pending = mn_sim_pending(walk->os, "walk");
    uint64_t all = pending < 63 ? (UINT64_C(1) << pending) : 0;
    struct mn_sim_loss loss = {0};
    bool every = all && all <= walk->effort;

    for (uint64_t i = 0; i < (every ? all : walk->effort) && !walk->broken; i++) {
        loss.seed = test_random(&walk->random);
        loss.keep = every ? i : i == 0 ? 0 : i == 1 ? UINT64_MAX : loss.seed;
        loss.random = !every && i > 3;
        if (i == 2 && pending) loss.keep = ~(UINT64_C(1) << loss.seed % pending);
        if (i == 3 && pending) loss.keep = UINT64_C(1) << loss.seed % pending;
        state_try(walk, &loss);
    }
    for (int t = 0; pending && t < 2 && !walk->broken; t++) {
        loss.seed = test_random(&walk->random);
        loss.random = false;
        loss.keep = t == 0 ? UINT64_MAX : loss.seed;
        loss.tear = (enum mn_sim_tear)(1 + loss.seed % 3);
        loss.torn = t == 0 ? pending - 1 : loss.seed / 3 % pending;
        state_try(walk, &loss);
    }
}

static enum mn_sim_fault crash_hook(void *context, const struct mn_sim_event *event)
{
    struct walk *walk = context;

    if (walk->broken) return MN_SIM_PASS;
    if (event->op == MN_SIM_WRITE || event->op == MN_SIM_SYNC || event->op == MN_SIM_RESIZE) {
        struct mn_error error = *mn_error_last();

        if (mn_sim_size(walk->os, "walk")) states_try(walk);
        *mn_error_last() = error;
    }
    return MN_SIM_PASS;
}

static void walk_run(uint64_t seed, uint32_t page_size, unsigned commits, unsigned effort)
{
    uint64_t states = 0;
    struct walk walk = {.seed = seed,
                        .random = seed * 7919 + 1,
                        .page_size = page_size,
                        .run_bytes_max = seed % 3 ? page_size * 3 : 0,
                        .effort = effort,
                        .states = &states};
    struct mn_store *store;
    enum mn_status status;

    walk.os = mn_sim_new(seed, 16 << 20);
    mn_sim_set_hook(walk.os, crash_hook, &walk);
    store = walk_open(&walk, &status);
    assert_int_equal(status, MN_OK);
    for (unsigned i = 0; i < commits && !walk.broken; i++) {
        if (walk_commit(&walk, store)) walk_broken(&walk, "cannot commit");
        if (i % 16 == 15) {
            mn_store_close(store);
            store = walk_open(&walk, &status);
            if (status) walk_broken(&walk, "cannot open");
            if (status) break;
        }
    }
    if (store) mn_store_close(store);
    mn_sim_free(walk.os);
    assert_false(walk.broken);
    print_message("             %" PRIu64 " crash states\n", states);
}

static void every_crash_leaves_a_or_i(void **state)
{
    unsigned walks = test_is_deep() ? 60 : 6;

    (void)state;
    for (unsigned i = 0; i < walks; i++) {
        walk_run(test_seed() * 1000 + i, i % 2 ? 4096 : 512, 40, 16);
    }
}

/* Small transactions in which every subset of the pending writes can be tried. */
static void every_subset_of_a_commit_leaves_a_or_i(void **state)
{
    (void)state;
    walk_run(test_seed() * 1000 + 500, 4096, test_is_deep() ? 60 : 12, 256);
}

/* ---- syncs and writes that fail ---- */

struct faults {
    uint64_t random;
    unsigned one_in; /* an operation fails once in so many */
    bool syncs, writes;
    unsigned hits;
};

static enum mn_sim_fault fault_hook(void *context, const struct mn_sim_event *event)
{
    struct faults *faults = context;
    uint64_t chance = test_random(&faults->random);
    bool sync = event->op == MN_SIM_SYNC && faults->syncs;
    bool write = (event->op == MN_SIM_WRITE || event->op == MN_SIM_RESIZE) && faults->writes;

    if ((!sync && !write) || chance % faults->one_in) return MN_SIM_PASS;
    faults->hits++;
    if (sync || event->op == MN_SIM_RESIZE) return chance >> 32 & 1 ? MN_SIM_EIO : MN_SIM_FULL;
    return (enum mn_sim_fault)(1 + (chance >> 32) % 3);
}

/* What the handle shows must be A whatever failed; a poisoned one writes no more; the next tells.
 */
static void faults_walk(struct walk *walk, struct faults *faults, unsigned commits)
{
    enum mn_status status;
    struct mn_store *store = walk_open(walk, &status);

    for (unsigned i = 0; i < commits && !walk->broken; i++) {
        struct mn_view *view;

        mn_sim_set_hook(walk->os, fault_hook, faults);
        status = walk_commit(walk, store);
        mn_sim_set_hook(walk->os, NULL, NULL);
        if (mn_view_begin_read(store, &view)) {
            walk_broken(walk, "cannot read after a fault");
        } else {
            if (!raw_equals(view, &walk->acked)) walk_broken(walk, "a fault changed what is read");
            mn_view_end(view);
        }
        if (status != MN_UNCERTAIN) continue;
        if (mn_write_begin(store, 0, &view) != MN_IOERR) walk_broken(walk, "poison is ignored");
        mn_store_close(store);
        if (test_random(&walk->random) % 2) {
            struct mn_sim_loss loss = {.random = true, .seed = test_random(&walk->random)};
            struct mn_os *after = mn_sim_crash(walk->os, &loss);

            mn_sim_free(walk->os);
            walk->os = after;
        }
        store = walk_open(walk, &status);
        if (status) {
            walk_broken(walk, "cannot open after a failed sync");
            return;
        }
        settle_on(walk, store);
    }
    settle_on(walk, store);
    mn_store_close(store);
}

static void faults_run(bool syncs, bool writes)
{
    for (unsigned i = 0; i < (test_is_deep() ? 100 : 12); i++) {
        uint64_t seed = test_seed() * 1000 + i, states = 0;
        struct walk walk = {.seed = seed,
                            .random = seed * 31 + 7,
                            .page_size = i % 2 ? 4096 : 512,
                            .run_bytes_max = 6000,
                            .states = &states};
        struct faults faults = {.random = seed + 99, .one_in = 7, .syncs = syncs, .writes = writes};

        walk.os = mn_sim_new(seed, 16 << 20);
        faults_walk(&walk, &faults, 120);
        mn_sim_free(walk.os);
        assert_false(walk.broken);
        assert_true(faults.hits > 5);
    }
}

static void failed_sync_is_uncertain_and_then_decided(void **state)
{
    (void)state;
    faults_run(true, false);
}

static void failed_write_leaves_a(void **state)
{
    (void)state;
    faults_run(false, true);
}

static void failures_of_all_kinds_leave_a_or_i(void **state)
{
    (void)state;
    faults_run(true, true);
}

/* ---- two processes, of which one dies or fails ---- */

struct death {
    struct mn_file *file; /* of the one that dies */
    uint64_t after;       /* so many events from now */
    bool sync_only;       /* it does not die, its next sync fails */
};

static enum mn_sim_fault death_hook(void *context, const struct mn_sim_event *event)
{
    struct death *death = context;

    if (event->file != death->file || event->op == MN_SIM_READ || event->op == MN_SIM_READ_DEVICE) {
        return MN_SIM_PASS;
    }
    if (death->sync_only) return event->op == MN_SIM_SYNC ? MN_SIM_EIO : MN_SIM_PASS;
    if (death->after-- == 0) mn_sim_kill(death->file);
    return MN_SIM_PASS;
}

/* The survivor reads A while nobody wrote since, and finds A or I once it has begun to write. */
static void survivor_goes_on(struct walk *walk, struct mn_store *survivor)
{
    struct mn_view *view;
    struct raw_model have;

    if (mn_view_begin_read(survivor, &view)) {
        walk_broken(walk, "the survivor cannot read");
        return;
    }
    if (raw_read(view, &have)) walk_broken(walk, "the survivor meets a wrong page");
    if (!model_equal(&have, &walk->acked) &&
        !(walk->committing && model_equal(&have, &walk->flying))) {
        walk_broken(walk, "the survivor reads neither A nor I");
    }
    mn_view_end(view);
}

static void two_walk(struct walk *walk, unsigned rounds)
{
    enum mn_status status;
    struct mn_store *stores[2];

    for (int i = 0; i < 2; i++) stores[i] = walk_open(walk, &status);
    for (unsigned r = 0; r < rounds && !walk->broken; r++) {
        unsigned victim = (unsigned)(test_random(&walk->random) % 2);
        struct death death = {.file = stores[victim]->file,
                              .after = test_random(&walk->random) % 12,
                              .sync_only = test_random(&walk->random) % 4 == 0};
        struct mn_view *view = NULL;

        mn_sim_set_hook(walk->os, death_hook, &death);
        (void)walk_commit(walk, stores[victim]);
        mn_sim_set_hook(walk->os, NULL, NULL);
        survivor_goes_on(walk, stores[!victim]);
        status = mn_write_begin(stores[!victim], 0, &view);
        if (status) {
            walk_broken(walk, "the survivor cannot write");
            break;
        }
        mn_write_abort(view);
        settle_on(walk, stores[!victim]);
        /* What was rejected stays so, whenever power fails from here on. */
        if (r % 8 == 0) mn_sim_set_hook(walk->os, crash_hook, walk);
        for (int c = 0; c < 2 && !walk->broken; c++) {
            if (walk_commit(walk, stores[!victim])) walk_broken(walk, "the survivor cannot commit");
        }
        mn_sim_set_hook(walk->os, NULL, NULL);
        mn_store_close(stores[victim]);
        stores[victim] = walk_open(walk, &status);
        if (status) walk_broken(walk, "cannot open beside the survivor");
        if (!status) settle_on(walk, stores[victim]);
    }
    for (int i = 0; i < 2; i++) mn_store_close(stores[i]);
}

static void a_dead_or_failed_writer_is_settled_by_the_next(void **state)
{
    (void)state;
    for (unsigned i = 0; i < (test_is_deep() ? 100 : 10); i++) {
        uint64_t seed = test_seed() * 1000 + 700 + i, states = 0;
        struct walk walk = {.seed = seed,
                            .random = seed * 17 + 3,
                            .page_size = i % 2 ? 4096 : 512,
                            .run_bytes_max = 6000,
                            .effort = 6,
                            .states = &states};

        walk.os = mn_sim_new(seed, 16 << 20);
        two_walk(&walk, 150);
        assert_false(walk.broken);
        mn_sim_free(walk.os);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_crash_leaves_a_or_i),
        cmocka_unit_test(every_subset_of_a_commit_leaves_a_or_i),
        cmocka_unit_test(failed_sync_is_uncertain_and_then_decided),
        cmocka_unit_test(failed_write_leaves_a),
        cmocka_unit_test(failures_of_all_kinds_leave_a_or_i),
        cmocka_unit_test(a_dead_or_failed_writer_is_settled_by_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
