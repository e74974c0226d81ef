/*
 * Tests of snapshot isolation over recorded histories of processes that share one file, some of
 * which are killed inside their transactions.
 *
 * Each worker is a process with its own handle; its records lie in memory that it shares with the
 * parent, so they outlive it. The parent kills workers at random by SIGKILL and starts new ones in
 * their place, which write on into the same history. At the end the whole history is checked.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "btree/tree.h"
#include "support/history.h"
#include "support/test.h"

enum { WRITERS = 3, READERS = 2, WORKERS = WRITERS + READERS, LIVES = 64 };

struct pool {
    char path[512];
    struct history *histories[WORKERS];
    pid_t pids[WORKERS];
    bool *stop; /* shared */
    unsigned kills;
};

static struct mn_store *open_store(const char *path)
{
    struct mn_store_options options = {.path = path,
                                       .flags = MN_STORE_CREATE,
                                       .page_size = 512,
                                       .busy_ms = 60000,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store = NULL;

    (void)mn_store_open(&options, &store);
    return store;
}

static _Noreturn void work(struct pool *pool, unsigned i, unsigned life)
{
    struct history *history = pool->histories[i];
    struct mn_store *store = open_store(pool->path);
    uint64_t random = test_seed() * 1009 + i * LIVES + life + 1;
    bool good = store != NULL;

    if (!good) {
        snprintf(history->message, sizeof history->message, "open: %.200s",
                 mn_error_last()->message);
    }
    while (good && !__atomic_load_n(pool->stop, __ATOMIC_ACQUIRE)) {
        good = i < WRITERS ? history_write(history, store, &random)
                           : history_read(history, store, &random);
    }
    if (store && mn_store_close(store)) _exit(2);
    _exit(history->message[0] ? 1 : 0);
}

static void start(struct pool *pool, unsigned i, unsigned life)
{
    pool->pids[i] = fork();
    assert_true(pool->pids[i] >= 0);
    if (pool->pids[i] == 0) work(pool, i, life);
}

static void *shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

static void nap(long millis)
{
    struct timespec time = {.tv_sec = millis / 1000, .tv_nsec = millis % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* One worker after the other is killed somewhere and begins again. */
static void kill_about(struct pool *pool, unsigned kills, long pause_ms)
{
    uint64_t random = test_seed() * 31 + 5;

    for (unsigned k = 0; k < kills; k++) {
        unsigned i = (unsigned)(test_random(&random) % WORKERS);
        int status = 0;

        nap(1 + (long)(test_random(&random) % (uint64_t)(2 * pause_ms)));
        kill(pool->pids[i], SIGKILL);
        assert_int_equal(waitpid(pool->pids[i], &status, 0), pool->pids[i]);
        assert_true(WIFSIGNALED(status) || pool->histories[i]->count > 0);
        pool->kills++;
        start(pool, i, k + 1);
    }
}

static void run(struct pool *pool, unsigned kills, long pause_ms)
{
    uint32_t capacity = test_is_deep() ? 400000 : 30000;
    struct history_counts counts;
    struct mn_store *store;
    uint64_t random = 3;

    pool->stop = shared(sizeof *pool->stop);
    snprintf(pool->path, sizeof pool->path, "%s/history%u.mneme", test_folder(), kills);
    store = open_store(pool->path);
    assert_non_null(store);
    assert_int_equal(history_prepare(store), MN_OK);
    assert_int_equal(mn_store_close(store), MN_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        pool->histories[i] = shared(history_bytes(capacity));
        history_init(pool->histories[i], i, capacity - 1); /* the last is for the parent */
        start(pool, i, 0);
    }
    if (kills) kill_about(pool, kills, pause_ms);
    if (!kills) nap(pause_ms);
    __atomic_store_n(pool->stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < WORKERS; i++) {
        int status = 0;

        assert_int_equal(waitpid(pool->pids[i], &status, 0), pool->pids[i]);
        assert_string_equal(pool->histories[i]->message, "");
        assert_int_equal(status, 0);
        assert_int_equal(pool->histories[i]->mismatches, 0);
    }
    /* One more look, so that the newest version was read by somebody. */
    store = open_store(pool->path);
    assert_non_null(store);
    pool->histories[WRITERS]->capacity = capacity;
    assert_true(history_read(pool->histories[WRITERS], store, &random));
    assert_int_equal(mn_store_close(store), MN_OK);
    assert_true(history_check(pool->histories, WORKERS, &counts));
    print_message("             %" PRIu64 " writes, %" PRIu64 " reads, %u kills, %" PRIu64
                  " commits in doubt of which %" PRIu64 " survived\n",
                  counts.writes, counts.reads, pool->kills, counts.doubtful, counts.survived);
    assert_true(counts.writes > 0 && counts.reads > 0);
    for (unsigned i = 0; i < WORKERS; i++) munmap(pool->histories[i], history_bytes(capacity));
}

static void processes_are_serial(void **state)
{
    struct pool pool = {0};

    (void)state;
    run(&pool, 0, test_is_deep() ? 20000 : 800);
}

static void killed_processes_leave_a_serial_history(void **state)
{
    struct pool pool = {0};

    (void)state;
    run(&pool, test_is_deep() ? 1000 : 40, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_are_serial),
        cmocka_unit_test(killed_processes_leave_a_serial_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
