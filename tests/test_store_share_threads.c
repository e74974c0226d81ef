/*
 * Tests of transactions that threads share (store/turn.c): one sync for all, each part by itself.
 *
 * One thread holds the turn until all others wait for it, so who shares is known. Run under the
 * thread sanitizer as well.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/sim.h"
#include "store/inside.h"
#include "support/raw.h"
#include "support/status.h"
#include "support/test.h"

enum { THREADS_MOST = 70, BUSY_MS = 60000 };

static struct disk {
    struct mn_os *os;
    struct mn_store *store;
    unsigned syncs;
    bool sync_fails;
} disk;

static enum mn_sim_fault count_syncs(void *context, const struct mn_sim_event *event)
{
    (void)context;
    if (event->op != MN_SIM_SYNC) return MN_SIM_PASS;
    disk.syncs++;
    return disk.sync_fails ? MN_SIM_EIO : MN_SIM_PASS;
}

/* os: a simulated disk counts syncs, memory has the time of day. */
static void disk_open(struct mn_os *os, enum mn_sync_mode sync)
{
    struct mn_store_options options = {.path = "test",
                                       .flags = MN_STORE_CREATE,
                                       .busy_ms = BUSY_MS,
                                       .hooks = raw_hooks,
                                       .sync = sync};
    struct mn_view *view;

    disk = (struct disk){.os = os};
    assert_non_null(disk.os);
    options.os = disk.os;
    ok(mn_store_open(&options, &disk.store));
    ok(mn_write_begin(disk.store, 0, &view));
    ok(raw_set(view, 0, 1));
    ok(mn_write_commit(view, NULL));
    mn_sim_set_hook(disk.os, count_syncs, NULL);
}

static void disk_close(void)
{
    mn_sim_set_hook(disk.os, NULL, NULL);
    assert_int_equal(raw_check(disk.store), 0);
    ok(mn_store_close(disk.store));
    mn_machine_free(disk.os);
}

/* What one thread does and is told. */
struct job {
    pthread_t thread;
    unsigned leaf;
    uint64_t value;
    bool brief, aborts;
    pthread_barrier_t *stops_at; /* in the midst of its part; NULL: it does not */
    enum mn_status begun, status;
    uint64_t version;
    bool told;
};

static void *job_run(void *context)
{
    struct job *job = context;
    struct mn_view *view;

    job->begun =
        job->brief ? mn_write_begin_brief(disk.store, &view) : mn_write_begin(disk.store, 0, &view);
    if (job->begun) return NULL;
    job->status = raw_set(view, job->leaf, job->value);
    if (job->stops_at) {
        pthread_barrier_wait(job->stops_at);
        pthread_barrier_wait(job->stops_at);
    }
    if (job->status || job->aborts) {
        mn_write_abort(view);
    } else {
        job->status = mn_write_commit(view, &job->version);
    }
    __atomic_store_n(&job->told, true, __ATOMIC_RELEASE);
    return NULL;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void brief_waiters_await(uint32_t count)
{
    for (;;) {
        uint32_t now;

        pthread_mutex_lock(&disk.store->turn);
        now = disk.store->brief_waiting;
        pthread_mutex_unlock(&disk.store->turn);
        if (now == count) return;
        nap();
    }
}

static void jobs_start(struct job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, job_run, &jobs[i]), 0);
    }
}

static void jobs_join(struct job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) pthread_join(jobs[i].thread, NULL);
}

/* The first part's thread, which holds the turn until all that are brief wait. */
static enum mn_status lead(struct job *jobs, unsigned count, uint64_t *version)
{
    struct mn_view *view;
    uint32_t brief = 0;

    for (unsigned i = 0; i < count; i++) brief += jobs[i].brief;
    ok(mn_write_begin(disk.store, 0, &view));
    jobs_start(jobs, count);
    brief_waiters_await(brief);
    ok(raw_set(view, 0, 100));
    return mn_write_commit(view, version);
}

static uint64_t leaf_now(unsigned leaf)
{
    struct raw_model model;
    struct mn_view *view;

    ok(mn_view_begin_read(disk.store, &view));
    ok(raw_read(view, &model));
    mn_view_end(view);
    return model.leaf[leaf];
}

static void all_parts_are_one_version_and_one_sync(void **state)
{
    struct job jobs[8] = {{0}};
    uint64_t version;

    (void)state;
    disk_open(mn_machine_new(1, 0), MN_STORE_FULL);
    for (unsigned i = 0; i < 8; i++) {
        jobs[i] = (struct job){.leaf = i + 1, .value = i + 10, .brief = true};
    }
    ok(lead(jobs, 8, &version));
    jobs_join(jobs, 8);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(leaf_now(0), 100);
    for (unsigned i = 0; i < 8; i++) {
        ok(jobs[i].status);
        assert_int_equal(jobs[i].version, version);
        assert_int_equal(leaf_now(i + 1), i + 10);
    }
    disk_close();
}

/* Also the part that happens to be the last, whose thread commits for the others. */
static void a_part_that_fails_undoes_itself_alone(void **state)
{
    (void)state;
    for (unsigned failing = 0; failing < 256; failing += test_is_deep() ? 1 : 15) {
        struct job jobs[8] = {{0}};
        uint64_t version;

        disk_open(mn_machine_new(1, 0), MN_STORE_FULL);
        for (unsigned i = 0; i < 8; i++) {
            bool aborts = failing >> i & 1;

            /* Those that go also wrote what a part before may have written, or will. */
            jobs[i] = (struct job){
                .leaf = aborts ? i % 3 : i + 1, .value = i + 10, .brief = true, .aborts = aborts};
        }
        ok(lead(jobs, 8, &version));
        jobs_join(jobs, 8);
        assert_int_equal(disk.syncs, 1);
        assert_int_equal(leaf_now(0), 100);
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(leaf_now(i + 1), jobs[i].aborts ? 0 : i + 10);
            if (!jobs[i].aborts) assert_int_equal(jobs[i].version, version);
        }
        disk_close();
    }
}

static void a_failed_sync_is_told_to_all(void **state)
{
    struct job jobs[5] = {{0}}, late = {.leaf = 9, .value = 9, .brief = true};
    uint64_t version;

    (void)state;
    disk_open(mn_machine_new(1, 0), MN_STORE_FULL);
    for (unsigned i = 0; i < 5; i++) {
        jobs[i] = (struct job){.leaf = i + 1, .value = 7, .brief = true};
    }
    disk.sync_fails = true;
    assert_int_equal(lead(jobs, 5, &version), MN_UNCERTAIN);
    jobs_join(jobs, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(jobs[i].status, MN_UNCERTAIN);
        assert_int_equal(leaf_now(i + 1), 0);
    }
    assert_int_equal(leaf_now(0), 1);
    job_run(&late);
    assert_int_equal(late.begun, MN_IOERR);
    mn_sim_set_hook(disk.os, NULL, NULL);
    (void)mn_store_close(disk.store);
    mn_machine_free(disk.os);
}

/* (G1): while the last part is under way nobody sees any, and nobody was told. */
static void nobody_is_told_or_sees_before_the_end(void **state)
{
    struct job jobs[4] = {{0}}, first = {.leaf = 1, .value = 5, .brief = true};
    pthread_barrier_t barrier;
    struct mn_view *view;

    (void)state;
    disk_open(mn_machine_new(1, 0), MN_STORE_FULL);
    pthread_barrier_init(&barrier, NULL, 2);
    ok(mn_write_begin(disk.store, 0, &view));
    jobs[0] = (struct job){.leaf = 2, .value = 6, .brief = true, .stops_at = &barrier};
    jobs_start(jobs, 1);
    brief_waiters_await(1);
    mn_write_abort(view); /* nothing to share: the waiting one begins for itself, and stops */
    pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_create(&first.thread, NULL, job_run, &first), 0);
    brief_waiters_await(1);
    assert_int_equal(leaf_now(2), 0);
    jobs[1] = (struct job){.leaf = 3, .value = 8, .brief = true, .stops_at = &barrier};
    jobs_start(&jobs[1], 1);
    brief_waiters_await(2);
    pthread_barrier_wait(&barrier); /* jobs[0] leaves its part to one of the two */
    pthread_barrier_wait(&barrier); /* jobs[1] is in its own, the first or the second of them */
    for (int i = 0; i < 20; i++) nap();
    assert_false(__atomic_load_n(&jobs[0].told, __ATOMIC_ACQUIRE));
    assert_false(__atomic_load_n(&first.told, __ATOMIC_ACQUIRE));
    assert_int_equal(leaf_now(1) + leaf_now(2) + leaf_now(3), 0);
    assert_int_equal(disk.syncs, 0);
    pthread_barrier_wait(&barrier);
    jobs_join(jobs, 2);
    pthread_join(first.thread, NULL);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(jobs[0].version, jobs[1].version);
    assert_int_equal(jobs[0].version, first.version);
    assert_int_equal(leaf_now(1) + leaf_now(2) + leaf_now(3), 5 + 6 + 8);
    pthread_barrier_destroy(&barrier);
    disk_close();
}

/* Who may think for long in the midst of his transaction is given none of another. */
static void others_take_turns_as_ever(void **state)
{
    struct job jobs[4] = {{0}};
    uint64_t version;

    (void)state;
    disk_open(mn_machine_new(1, 0), MN_STORE_FULL);
    for (unsigned i = 0; i < 4; i++) {
        jobs[i] = (struct job){.leaf = i + 1, .value = 3, .brief = i < 2};
    }
    ok(lead(jobs, 4, &version));
    jobs_join(jobs, 4);
    assert_int_equal(jobs[0].version, version);
    assert_int_equal(jobs[1].version, version);
    assert_int_equal(jobs[2].version + jobs[3].version, 2 * version + 3);
    assert_int_equal(disk.syncs, 3);
    disk_close();
}

static void only_synced_commits_are_shared(void **state)
{
    struct job jobs[4] = {{0}};
    uint64_t version, sum = 0;

    (void)state;
    disk_open(mn_machine_new(1, 0), MN_STORE_OFF);
    for (unsigned i = 0; i < 4; i++) {
        jobs[i] = (struct job){.leaf = i + 1, .value = 3, .brief = true};
    }
    ok(lead(jobs, 4, &version));
    jobs_join(jobs, 4);
    for (unsigned i = 0; i < 4; i++) sum += jobs[i].version - version;
    assert_int_equal(sum, 1 + 2 + 3 + 4);
    disk_close();
}

/* One that packs, makes a checkpoint or cuts the file goes on with nobody. */
static void what_moves_pages_is_not_shared(void **state)
{
    static void (*const asks[])(struct mn_view *) = {mn_view_pack, mn_view_checkpoint, mn_view_cut};

    (void)state;
    for (size_t n = 0; n < sizeof asks / sizeof *asks; n++) {
        struct job job = {.leaf = 1, .value = 3, .brief = true};
        struct mn_view *view;
        uint64_t version;

        disk_open(mn_machine_new(1, 0), MN_STORE_FULL);
        ok(mn_write_begin(disk.store, 0, &view));
        jobs_start(&job, 1);
        brief_waiters_await(1);
        ok(raw_set(view, 0, 100));
        asks[n](view);
        ok(mn_write_commit(view, &version));
        jobs_join(&job, 1);
        ok(job.status);
        assert_int_equal(job.version, version + 1);
        assert_int_equal(leaf_now(0), 100);
        assert_int_equal(leaf_now(1), 3);
        disk_close();
    }
}

/* 65 parts in one transaction, and the rest in the next. */
static void a_transaction_has_65_parts_at_most(void **state)
{
    struct job jobs[THREADS_MOST] = {{0}};
    unsigned with_first = 0;
    uint64_t version;

    (void)state;
    disk_open(mn_machine_new(1, 0), MN_STORE_FULL);
    for (unsigned i = 0; i < THREADS_MOST; i++) {
        jobs[i] = (struct job){.leaf = 1 + i % 15, .value = i + 1, .brief = true};
    }
    ok(lead(jobs, THREADS_MOST, &version));
    jobs_join(jobs, THREADS_MOST);
    for (unsigned i = 0; i < THREADS_MOST; i++) {
        ok(jobs[i].status);
        with_first += jobs[i].version == version;
    }
    assert_int_equal(with_first, 64);
    assert_true(disk.syncs >= 2);
    disk_close();
}

/* Who waited in vain is told so, and the one that could have left its part commits it. */
static void who_waited_too_long_is_told_that_it_is_busy(void **state)
{
    struct job jobs[2] = {{0}};
    struct mn_view *view;

    (void)state;
    disk_open(mn_sim_memory(), MN_STORE_FULL);
    mn_store_set_busy_ms(disk.store, 10);
    ok(mn_write_begin(disk.store, 0, &view));
    for (unsigned i = 0; i < 2; i++) jobs[i] = (struct job){.leaf = 1, .value = 3, .brief = true};
    jobs_start(jobs, 2);
    jobs_join(jobs, 2);
    assert_int_equal(jobs[0].begun, MN_BUSY);
    assert_int_equal(jobs[1].begun, MN_BUSY);
    ok(raw_set(view, 0, 100));
    ok(mn_write_commit(view, NULL));
    assert_int_equal(leaf_now(0), 100);
    disk_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_parts_are_one_version_and_one_sync),
        cmocka_unit_test(a_part_that_fails_undoes_itself_alone),
        cmocka_unit_test(a_failed_sync_is_told_to_all),
        cmocka_unit_test(nobody_is_told_or_sees_before_the_end),
        cmocka_unit_test(others_take_turns_as_ever),
        cmocka_unit_test(only_synced_commits_are_shared),
        cmocka_unit_test(what_moves_pages_is_not_shared),
        cmocka_unit_test(a_transaction_has_65_parts_at_most),
        cmocka_unit_test(who_waited_too_long_is_told_that_it_is_busy),
    };

    return cmocka_run_group_tests_name("shared transactions", tests, NULL, NULL);
}
