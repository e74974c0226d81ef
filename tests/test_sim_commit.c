/*
 * Crash walk: random transactions on a simulated disk; at every write, sync and resize the power
 * fails in many ways, the file is opened again, compared with a model, checked, and written to
 * again.
 *
 * The model knows only the last acknowledged state A and the state I that is being committed. After
 * a crash the file must hold exactly A or I. With sync = lazy and off it also knows the states that
 * were acknowledged since something promised that they are on the device: after power loss or a
 * failed sync the file must hold exactly one of these, and with off it may also be damaged and say
 * so. What was chosen then stays chosen: recoveries are
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

enum { SINCE_MAX = 200 };
static uint64_t damaged; /* states of files without syncs that said so */

struct walk {
    uint64_t seed, random;
    uint32_t page_size;
    uint64_t run_bytes_max;
    struct mn_os *os;
    struct raw_model acked, flying; /* A and I */
    bool committing;
    enum mn_sync_mode sync;
    bool mixed;                        /* each commit in a mode of its own */
    struct raw_model since[SINCE_MAX]; /* states before A, from the durable one on */
    size_t since_count;
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
                                       .sync = walk->sync,
                                       .lazy_us = INT64_MAX,
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

static bool is_permitted(const struct walk *walk, const struct raw_model *have)
{
    if (model_equal(have, &walk->acked)) return true;
    if (walk->committing && model_equal(have, &walk->flying)) return true;
    for (size_t i = 0; i < walk->since_count; i++) {
        if (model_equal(have, &walk->since[i])) return true;
    }
    return false;
}

/* What a commit that returned makes of the model. */
static void acknowledge(struct walk *walk, const struct raw_model *next, enum mn_sync_mode mode)
{
    if (mode == MN_STORE_FULL) {
        walk->since_count = 0;
    } else {
        assert_true(walk->since_count < SINCE_MAX);
        walk->since[walk->since_count++] = walk->acked;
    }
    walk->acked = *next;
}

static void walk_close(struct walk *walk, struct mn_store *store)
{
    if (mn_store_close(store) == MN_OK && walk->sync != MN_STORE_OFF && !walk->mixed) {
        walk->since_count = 0;
    }
}

/* The state of the file, `durable` where recovery read it from the device; it becomes the
 * acknowledged one, for what recovery chose must stay. */
static bool settle_on(struct walk *walk, struct mn_store *store, bool durable)
{
    struct raw_model have;
    struct mn_view *view;
    enum mn_status status;

    if (mn_view_begin_read(store, &view)) {
        walk_broken(walk, "cannot read after recovery");
        return false;
    }
    status = raw_read(view, &have);
    mn_view_end(view);
    if (status == MN_CORRUPT && walk->sync == MN_STORE_OFF) {
        damaged++;
        return false;
    }
    if (status) walk_broken(walk, "a page is not what it should be");
    if (walk->broken) return false;
    if (!is_permitted(walk, &have)) {
        walk_broken(walk, "the state is none of the permitted ones");
        return false;
    }
    walk->acked = have;
    walk->committing = false;
    if (durable) walk->since_count = 0;
    if (raw_check(store)) walk_broken(walk, "the space map is wrong");
    return !walk->broken;
}

static enum mn_status walk_commit(struct walk *walk, struct mn_store *store)
{
    struct raw_model next = walk->acked;
    struct mn_view *view;
    enum mn_sync_mode mode = walk->sync;
    unsigned changes = 1 + (unsigned)(test_random(&walk->random) % 5);
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return status;
    if (walk->mixed) {
        mode = (enum mn_sync_mode)(test_random(&walk->random) % 2);
        mn_store_set_sync(store, mode);
    }
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
    if (status == MN_OK) acknowledge(walk, &next, mode);
    if (status != MN_UNCERTAIN) walk->committing = false;
    if (!status && walk->sync != MN_STORE_FULL && test_random(&walk->random) % 8 == 0) {
        status = mn_store_sync(store);
        if (status == MN_OK) walk->since_count = 0;
    }
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
    if (status == MN_CORRUPT && walk->sync == MN_STORE_OFF) {
        damaged++;
    } else if (status) {
        walk_broken(&after, "cannot open after a crash");
    }
    if (store && settle_on(&after, store, true)) {
        for (int i = 0; i < 2 && !after.broken; i++) {
            if (walk_commit(&after, store)) walk_broken(&after, "cannot commit after a crash");
        }
        if (!after.broken) settle_on(&after, store, false);
    }
    if (store) walk_close(&after, store);
    if (!after.broken && loss->seed % 5 == 0) {
        store = walk_open(&after, &status);
        if (status && !(status == MN_CORRUPT && walk->sync == MN_STORE_OFF)) {
            walk_broken(&after, "cannot open again");
        }
        if (store) settle_on(&after, store, true);
        if (store) mn_store_close(store);
    }
    mn_machine_free(after.os);
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
        if (i == 2 && pending) loss.keep = ~(UINT64_C(1) << loss.seed % pending % 64);
        if (i == 3 && pending) loss.keep = UINT64_C(1) << loss.seed % pending % 64;
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

static void walk_run_mode(uint64_t seed, uint32_t page_size, unsigned commits, unsigned effort,
                          enum mn_sync_mode sync, bool mixed)
{
    uint64_t states = 0;
    struct walk walk = {.seed = seed,
                        .random = seed * 7919 + 1,
                        .page_size = page_size,
                        .run_bytes_max = seed % 3 ? page_size * 3 : 0,
                        .effort = effort,
                        .sync = sync,
                        .mixed = mixed,
                        .states = &states};
    struct mn_store *store;
    enum mn_status status;

    walk.os = mn_machine_new(seed, 16 << 20);
    mn_sim_set_hook(walk.os, crash_hook, &walk);
    store = walk_open(&walk, &status);
    assert_int_equal(status, MN_OK);
    for (unsigned i = 0; i < commits && !walk.broken; i++) {
        if (walk_commit(&walk, store)) walk_broken(&walk, "cannot commit");
        if (i % 16 == 15) {
            walk_close(&walk, store);
            store = walk_open(&walk, &status);
            if (status) walk_broken(&walk, "cannot open");
            if (status) break;
        }
    }
    if (store) mn_store_close(store);
    mn_machine_free(walk.os);
    assert_false(walk.broken);
    print_message("             %" PRIu64 " crash states\n", states);
}

static void walk_run(uint64_t seed, uint32_t page_size, unsigned commits, unsigned effort)
{
    walk_run_mode(seed, page_size, commits, effort, MN_STORE_FULL, false);
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

static void every_crash_with_lazy_syncs_leaves_a_committed_state(void **state)
{
    (void)state;
    for (unsigned i = 0; i < (test_is_deep() ? 60 : 6); i++) {
        walk_run_mode(test_seed() * 1000 + 100 + i, i % 2 ? 4096 : 512, 40, 12, MN_STORE_LAZY,
                      i % 3 == 2);
    }
}

static void every_crash_without_syncs_leaves_a_committed_state_or_says_damage(void **state)
{
    (void)state;
    damaged = 0;
    for (unsigned i = 0; i < (test_is_deep() ? 60 : 6); i++) {
        walk_run_mode(test_seed() * 1000 + 200 + i, i % 2 ? 4096 : 512, 40, 12, MN_STORE_OFF,
                      false);
    }
    print_message("             %" PRIu64 " of them said that they are damaged\n", damaged);
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
        /* The sync that wipes a rejected commit's slot poisons too, but leaves nothing uncertain.
         */
        if (status != MN_UNCERTAIN && !store->poisoned) continue;
        if (mn_write_begin(store, 0, &view) != MN_IOERR) walk_broken(walk, "poison is ignored");
        mn_store_close(store);
        if (test_random(&walk->random) % 2) {
            struct mn_sim_loss loss = {.random = true, .seed = test_random(&walk->random)};
            struct mn_os *after = mn_sim_crash(walk->os, &loss);

            mn_machine_free(walk->os);
            walk->os = after;
        }
        store = walk_open(walk, &status);
        if (status) {
            walk_broken(walk, "cannot open after a failed sync");
            return;
        }
        settle_on(walk, store, true);
    }
    settle_on(walk, store, false);
    mn_store_close(store);
}

static void faults_run(bool syncs, bool writes, enum mn_sync_mode sync, bool mixed)
{
    unsigned walks = test_is_deep() ? 100 : 12;
    uint64_t hits = 0;

    for (unsigned i = 0; i < walks; i++) {
        uint64_t seed = test_seed() * 1000 + i, states = 0;
        struct walk walk = {.seed = seed,
                            .random = seed * 31 + 7,
                            .page_size = i % 2 ? 4096 : 512,
                            .run_bytes_max = 6000,
                            .sync = sync,
                            .mixed = mixed,
                            .states = &states};
        struct faults faults = {.random = seed + 99, .one_in = 7, .syncs = syncs, .writes = writes};

        walk.os = mn_machine_new(seed, 16 << 20);
        faults_walk(&walk, &faults, 120);
        mn_machine_free(walk.os);
        assert_false(walk.broken);
        hits += faults.hits;
    }
    assert_true(hits > walks * (sync == MN_STORE_FULL ? 5 : 1)); /* lazy walks sync seldom */
}

static void failed_sync_is_uncertain_and_then_decided(void **state)
{
    (void)state;
    faults_run(true, false, MN_STORE_FULL, false);
}

static void failed_write_leaves_a(void **state)
{
    (void)state;
    faults_run(false, true, MN_STORE_FULL, false);
}

static void failures_of_all_kinds_leave_a_or_i(void **state)
{
    (void)state;
    faults_run(true, true, MN_STORE_FULL, false);
}

/* After a failed sync what was published may be lost, but nothing is mixed and nobody goes on. */
static void a_failed_lazy_sync_leaves_a_committed_state(void **state)
{
    (void)state;
    faults_run(true, false, MN_STORE_LAZY, false);
    faults_run(true, true, MN_STORE_LAZY, true);
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
        if (status && walk->sync != MN_STORE_FULL) { /* a sync failed over published versions */
            for (int i = 0; i < 2; i++) mn_store_close(stores[i]);
            for (int i = 0; i < 2; i++) stores[i] = walk_open(walk, &status);
            settle_on(walk, stores[0], true);
            continue;
        }
        if (status) {
            walk_broken(walk, "the survivor cannot write");
            break;
        }
        mn_write_abort(view);
        settle_on(walk, stores[!victim], false);
        /* What was rejected stays so, whenever power fails from here on. */
        if (r % 8 == 0) mn_sim_set_hook(walk->os, crash_hook, walk);
        for (int c = 0; c < 2 && !walk->broken; c++) {
            if (walk_commit(walk, stores[!victim])) walk_broken(walk, "the survivor cannot commit");
        }
        mn_sim_set_hook(walk->os, NULL, NULL);
        mn_store_close(stores[victim]);
        stores[victim] = walk_open(walk, &status);
        if (status) walk_broken(walk, "cannot open beside the survivor");
        if (!status) settle_on(walk, stores[victim], false);
    }
    for (int i = 0; i < 2; i++) mn_store_close(stores[i]);
}

static void deaths_run(enum mn_sync_mode sync)
{
    for (unsigned i = 0; i < (test_is_deep() ? 100 : 10); i++) {
        uint64_t seed = test_seed() * 1000 + 700 + i, states = 0;
        struct walk walk = {.seed = seed,
                            .random = seed * 17 + 3,
                            .page_size = i % 2 ? 4096 : 512,
                            .run_bytes_max = 6000,
                            .effort = 6,
                            .sync = sync,
                            .states = &states};

        walk.os = mn_machine_new(seed, 16 << 20);
        two_walk(&walk, 150);
        assert_false(walk.broken);
        mn_machine_free(walk.os);
    }
}

static void a_dead_or_failed_writer_is_settled_by_the_next(void **state)
{
    (void)state;
    deaths_run(MN_STORE_FULL);
}

static void a_dead_or_failed_lazy_writer_is_settled_or_refused(void **state)
{
    (void)state;
    deaths_run(MN_STORE_LAZY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_crash_leaves_a_or_i),
        cmocka_unit_test(every_subset_of_a_commit_leaves_a_or_i),
        cmocka_unit_test(every_crash_with_lazy_syncs_leaves_a_committed_state),
        cmocka_unit_test(every_crash_without_syncs_leaves_a_committed_state_or_says_damage),
        cmocka_unit_test(failed_sync_is_uncertain_and_then_decided),
        cmocka_unit_test(failed_write_leaves_a),
        cmocka_unit_test(failures_of_all_kinds_leave_a_or_i),
        cmocka_unit_test(a_failed_lazy_sync_leaves_a_committed_state),
        cmocka_unit_test(a_dead_or_failed_writer_is_settled_by_the_next),
        cmocka_unit_test(a_dead_or_failed_lazy_writer_is_settled_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
