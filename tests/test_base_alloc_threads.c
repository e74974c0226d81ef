/*
 * Tests of base under threads: the first allocation is made by all of them at once, memory of one
 * is released by another, and each keeps its own error record.
 */
#include "base/alloc.h"
#include "base/status.h"
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 2000, SLOTS = 64 };

struct shared {
    pthread_barrier_t start;
    pthread_mutex_t lock;
    uint32_t *slots[SLOTS];
    int wrong;
};

struct worker {
    struct shared *shared;
    uint64_t seed;
    int number;
};

static void *worker_run(void *argument)
{
    struct worker *w = argument;
    int wrong = 0;

    pthread_barrier_wait(&w->shared->start);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t random = test_random(&w->seed);
        uint32_t count = 1 + (uint32_t)(random >> 8) % 600, *fresh, *old;
        size_t slot = (random >> 40) % SLOTS;
        char expected[64];

        fresh = random & 1 ? mn_alloc(count * 4) : mn_alloc_aligned(count * 4);
        if (!fresh) return (void *)1;
        for (uint32_t i = 0; i < count; i++) fresh[i] = count;
        pthread_mutex_lock(&w->shared->lock);
        old = w->shared->slots[slot];
        w->shared->slots[slot] = fresh;
        pthread_mutex_unlock(&w->shared->lock);
        for (uint32_t i = 0; old && i < old[0]; i++) wrong += old[i] != old[0];
        mn_dealloc(old);

        mn_fail(MN_RANGE, "thread %d round %d", w->number, round);
        snprintf(expected, sizeof expected, "thread %d round %d", w->number, round);
        wrong += strcmp(mn_error_last()->message, expected) != 0;
    }
    pthread_mutex_lock(&w->shared->lock);
    w->shared->wrong += wrong;
    pthread_mutex_unlock(&w->shared->lock);
    return NULL;
}

static void threads_share_the_heap_and_nothing_else(void **state)
{
    static struct shared shared;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    pthread_barrier_init(&shared.start, NULL, THREADS);
    pthread_mutex_init(&shared.lock, NULL);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){&shared, test_seed() + (uint64_t)i * 77 + 1, i};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *answer = NULL;

        assert_int_equal(pthread_join(threads[i], &answer), 0);
        assert_null(answer);
    }
    for (int i = 0; i < SLOTS; i++) mn_dealloc(shared.slots[i]);
    assert_int_equal(shared.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_the_heap_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
