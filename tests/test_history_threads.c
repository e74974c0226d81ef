/*
 * Tests of snapshot isolation over recorded histories of threads that share one handle, and of the
 * checker itself. Some threads write in transactions of their own, others in brief ones, which go
 * on with each other's (store/turn.c). On a simulated disk one thread looks again and again at what
 * a power loss would leave: what a thread was told is there. Run under the thread sanitizer as
 * well.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "btree/tree.h"
#include "os/sim.h"
#include "support/history.h"
#include "support/slow.h"
#include "support/test.h"

enum work { WRITES, BRIEF, READS, LOOKS };
enum { WRITERS = 2, BRIEFS = 4, READERS = 2, LOOKERS = 1 };
enum { WORKERS = WRITERS + BRIEFS + READERS + LOOKERS };

struct worker {
    struct mn_os *os; /* of a simulated disk */
    struct mn_store *store;
    struct history *history;
    enum work work;
    bool *stop;
    uint64_t random;
};

static struct mn_store *open_store(const char *path, struct mn_os *os)
{
    struct mn_store_options options = {.path = path,
                                       .flags = MN_STORE_CREATE,
                                       .page_size = 512,
                                       .busy_ms = 60000,
                                       .os = os,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store;

    assert_int_equal(mn_store_open(&options, &store), MN_OK);
    return store;
}

/* The power goes, with all that no sync has made durable: a read of what is left. */
static bool look(struct worker *worker)
{
    int64_t since = history_tick();
    struct mn_os *after = mn_sim_crash(worker->os, &(struct mn_sim_loss){.rest_lost = true});
    struct mn_store *store;
    bool good;

    if (!after) return false;
    store = open_store("walk", after);
    good = history_read_since(worker->history, store, &worker->random, since);
    assert_int_equal(mn_store_close(store), MN_OK);
    mn_machine_free(after);
    return good;
}

static bool work_once(struct worker *worker)
{
    switch (worker->work) {
    case WRITES: return history_write(worker->history, worker->store, &worker->random);
    case BRIEF: return history_brief(worker->history, worker->store, &worker->random);
    case READS: return history_read(worker->history, worker->store, &worker->random);
    case LOOKS: return look(worker);
    }
    return false;
}

static void *work(void *context)
{
    struct worker *worker = context;
    bool good = true;

    while (good && !__atomic_load_n(worker->stop, __ATOMIC_ACQUIRE)) good = work_once(worker);
    return NULL;
}

static void histories_new(struct history **histories, unsigned count, uint32_t capacity)
{
    for (unsigned i = 0; i < count; i++) {
        histories[i] = malloc(history_bytes(capacity));
        assert_non_null(histories[i]);
        history_init(histories[i], i, capacity);
    }
}

static enum work work_of(unsigned worker)
{
    if (worker < WRITERS) return WRITES;
    if (worker < WRITERS + BRIEFS) return BRIEF;
    return worker < WRITERS + BRIEFS + READERS ? READS : LOOKS;
}

/* os NULL: nobody looks. */
static void run(const char *path, struct mn_os *os, long millis)
{
    struct timespec time = {.tv_sec = millis / 1000, .tv_nsec = millis % 1000 * 1000000};
    struct history *histories[WORKERS];
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    struct history_counts counts;
    bool stop = false;
    unsigned count = os ? WORKERS : WORKERS - LOOKERS;
    struct mn_store *store = open_store(path, os);

    assert_int_equal(history_prepare(store), MN_OK);
    histories_new(histories, count, test_is_deep() ? 400000 : 40000);
    for (unsigned i = 0; i < count; i++) {
        workers[i] = (struct worker){.os = os,
                                     .store = store,
                                     .history = histories[i],
                                     .work = work_of(i),
                                     .stop = &stop,
                                     .random = test_seed() * 101 + i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    nanosleep(&time, NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(histories[i]->message, "");
        assert_int_equal(histories[i]->mismatches, 0);
    }
    assert_true(history_check(histories, count, &counts));
    print_message(
        "             %llu writes, %llu of them shared, %llu reads, %u looks, %llu dropped\n",
        (unsigned long long)counts.writes, (unsigned long long)counts.shared,
        (unsigned long long)counts.reads, os ? histories[count - 1]->count : 0,
        (unsigned long long)counts.dropped);
    assert_true(counts.writes > 0 && counts.reads > 0);
    if (path) assert_true(counts.shared > 0);
    for (unsigned i = 0; i < count; i++) free(histories[i]);
    assert_int_equal(mn_store_close(store), MN_OK);
}

static void threads_are_serial_in_memory(void **state)
{
    (void)state;
    run(NULL, NULL, test_is_deep() ? 20000 : 500);
}

static void threads_are_serial_in_a_file(void **state)
{
    char path[512];

    (void)state;
    snprintf(path, sizeof path, "%s/history.mneme", test_folder());
    run(path, NULL, test_is_deep() ? 20000 : 600);
}

static void what_threads_were_told_survives_power_loss(void **state)
{
    struct mn_os *os = slow_machine_new();

    (void)state;
    run("walk", os, test_is_deep() ? 20000 : 600);
    mn_machine_free(os);
}

/* A small true history: 20 writes and 40 reads, one after the other. */
static struct history *small_history(void)
{
    struct mn_store *store = open_store(NULL, NULL);
    struct history *history[1];
    uint64_t random = 7;

    assert_int_equal(history_prepare(store), MN_OK);
    histories_new(history, 1, 60);
    while (history[0]->count < 60) {
        assert_true(history[0]->count % 3 ? history_read(history[0], store, &random)
                                          : history_write(history[0], store, &random));
    }
    assert_int_equal(mn_store_close(store), MN_OK);
    return history[0];
}

static struct history_record *nth(struct history *history, enum history_state state, int n)
{
    for (uint32_t i = 0; i < history->count; i++) {
        if (history->records[i].state == (uint32_t)state && n-- == 0) return &history->records[i];
    }
    fail_msg("no such record");
    return NULL;
}

static bool holds(struct history *history)
{
    struct history_counts counts;

    return history_check(&history, 1, &counts);
}

/* Each lie is told once, must be found, and is taken back. */
static void the_checker_finds_every_lie(void **state)
{
    struct history *history = small_history();
    struct history_record *read = nth(history, HISTORY_READ, 20), *scan = NULL;
    struct history_record *write = nth(history, HISTORY_DONE, 9);
    struct history_record *next = nth(history, HISTORY_DONE, 10), kept = *read;

    (void)state;
    for (int i = 0; !scan; i++) {
        scan = nth(history, HISTORY_READ, i);
        if (scan->scan == 0) scan = NULL;
    }
    assert_true(holds(history));

    read->ops[0].value += 2; /* another value */
    assert_false(holds(history));
    *read = kept;
    read->base--; /* an older version, acknowledged long ago: stale, or of another state */
    assert_false(holds(history));
    *read = kept;
    read->base += 1000; /* a version from nowhere */
    assert_false(holds(history));
    *read = kept;
    kept = *scan;
    scan->scan += 2;
    assert_false(holds(history));
    *scan = kept;

    kept = *write;
    write->state = HISTORY_DROPPED; /* aborted, but seen */
    assert_false(holds(history));
    *write = kept;
    write->ops[0].value += 2; /* it read what was not there */
    assert_false(holds(history));
    *write = kept;
    kept = *next;
    next->base = write->base; /* a lost update */
    assert_false(holds(history));
    *next = kept;
    next->version = write->version; /* one version made twice */
    assert_false(holds(history));
    *next = kept;
    assert_true(holds(history));
    free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_finds_every_lie),
        cmocka_unit_test(threads_are_serial_in_memory),
        cmocka_unit_test(threads_are_serial_in_a_file),
        cmocka_unit_test(what_threads_were_told_survives_power_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
