/*
 * Tests of store under threads: readers never see half a transaction, and never wait for the
 * writer.
 *
 * Every version holds one value in all leaves. Run under the thread sanitizer as well.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "support/raw.h"
#include "support/test.h"

enum { READERS = 4 };

struct shared {
    struct mn_store *store;
    bool stop;
    uint64_t mismatches, snapshots, commits;
};

static void bump(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool whole(struct mn_view *view)
{
    struct raw_model model;

    if (raw_read(view, &model)) return false;
    for (unsigned i = 1; i < RAW_LEAVES; i++) {
        if (model.leaf[i] != model.leaf[0]) return false;
    }
    return model.run[0] == model.leaf[0];
}

static void *reader(void *context)
{
    struct shared *shared = context;

    while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
        struct mn_view *view;

        if (mn_view_begin_read(shared->store, &view)) {
            bump(&shared->mismatches);
            break;
        }
        if (!whole(view)) bump(&shared->mismatches);
        /* Read again later: the version must not have changed under the view. */
        if (!whole(view)) bump(&shared->mismatches);
        mn_view_end(view);
        bump(&shared->snapshots);
    }
    return NULL;
}

static void *writer(void *context)
{
    struct shared *shared = context;

    while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
        struct mn_view *view;
        uint64_t value;

        if (mn_write_begin(shared->store, 0, &view)) {
            bump(&shared->mismatches);
            break;
        }
        value = mn_view_version(view);
        for (unsigned i = 0; i < RAW_LEAVES; i++) {
            if (raw_set(view, i, value)) bump(&shared->mismatches);
        }
        if (raw_set_run(view, 0, value, 9000)) bump(&shared->mismatches);
        if (value % 5 == 0) {
            mn_write_abort(view);
            /* The next one gets the same number; let it not be a multiple for ever. */
            if (mn_write_begin(shared->store, 0, &view)) break;
            for (unsigned i = 0; i < RAW_LEAVES; i++) (void)raw_set(view, i, value);
            (void)raw_set_run(view, 0, value, 9000);
        }
        if (mn_write_commit(view, NULL)) bump(&shared->mismatches);
        bump(&shared->commits);
    }
    return NULL;
}

static void run(const char *path, unsigned writers, long millis)
{
    struct mn_store_options options = {
        .path = path, .flags = MN_STORE_CREATE, .busy_ms = 60000, .hooks = raw_hooks};
    struct shared shared = {0};
    struct timespec time = {.tv_sec = millis / 1000, .tv_nsec = millis % 1000 * 1000000};
    pthread_t threads[READERS + 2];
    struct mn_view *view;

    assert_int_equal(mn_store_open(&options, &shared.store), MN_OK);
    assert_int_equal(mn_write_begin(shared.store, 0, &view), MN_OK);
    for (unsigned i = 0; i < RAW_LEAVES; i++) assert_int_equal(raw_set(view, i, 1), MN_OK);
    assert_int_equal(raw_set_run(view, 0, 1, 9000), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    for (unsigned i = 0; i < READERS + writers; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? reader : writer, &shared),
                         0);
    }
    nanosleep(&time, NULL);
    __atomic_store_n(&shared.stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < READERS + writers; i++) pthread_join(threads[i], NULL);
    assert_int_equal(shared.mismatches, 0);
    assert_true(shared.snapshots > 0 && shared.commits > 0);
    print_message("             %llu commits, %llu snapshots\n", (unsigned long long)shared.commits,
                  (unsigned long long)shared.snapshots);
    assert_int_equal(raw_check(shared.store), 0);
    assert_int_equal(mn_store_close(shared.store), MN_OK);
}

static long duration(void)
{
    return test_is_deep() ? 20000 : 700;
}

static void readers_see_whole_versions_in_memory(void **state)
{
    (void)state;
    run(NULL, 1, duration());
}

static void readers_see_whole_versions_in_a_file(void **state)
{
    char path[512];

    (void)state;
    snprintf(path, sizeof path, "%s/threads.mneme", test_folder());
    run(path, 1, duration());
}

static void writers_of_one_handle_take_turns(void **state)
{
    (void)state;
    run(NULL, 2, duration());
}

struct waiting {
    struct mn_store *store;
    uint64_t from, seen;
};

static void *waiter(void *context)
{
    struct waiting *waiting = context;

    (void)mn_store_wait(waiting->store, waiting->from, 20000000, &waiting->seen);
    return NULL;
}

static void a_commit_wakes_who_waits(void **state)
{
    struct mn_store_options options = {.busy_ms = 1000, .hooks = raw_hooks};
    struct waiting waiting = {.from = 1};
    struct mn_view *view;
    pthread_t thread;

    (void)state;
    assert_int_equal(mn_store_open(&options, &waiting.store), MN_OK);
    assert_int_equal(pthread_create(&thread, NULL, waiter, &waiting), 0);
    assert_int_equal(mn_write_begin(waiting.store, 0, &view), MN_OK);
    assert_int_equal(raw_set(view, 0, 1), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    pthread_join(thread, NULL);
    assert_int_equal(waiting.seen, 2);
    assert_int_equal(mn_store_close(waiting.store), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_versions_in_memory),
        cmocka_unit_test(readers_see_whole_versions_in_a_file),
        cmocka_unit_test(writers_of_one_handle_take_turns),
        cmocka_unit_test(a_commit_wakes_who_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
