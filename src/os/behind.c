/*
 * behind: a ring of pieces between two threads.
 */
#include "os/behind.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/assert.h"

struct mn_behind {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t given_more, done_more;
    mn_behind_fn work;
    void *pieces[MN_BEHIND_MAX];
    uint64_t given, done, taken; /* counts; taken <= done <= given */
    bool failed, stop;
};

static void *behind_work(void *argument)
{
    struct mn_behind *behind = argument;

    pthread_mutex_lock(&behind->mutex);
    for (;;) {
        void *piece;
        bool good;

        while (behind->done == behind->given && !behind->stop && !behind->failed) {
            pthread_cond_wait(&behind->given_more, &behind->mutex);
        }
        if (behind->failed || behind->done == behind->given) break;
        piece = behind->pieces[behind->done % MN_BEHIND_MAX];
        pthread_mutex_unlock(&behind->mutex);
        good = behind->work(piece);
        pthread_mutex_lock(&behind->mutex);
        behind->failed = !good;
        behind->done += good;
        pthread_cond_signal(&behind->done_more);
    }
    pthread_mutex_unlock(&behind->mutex);
    return NULL;
}

/* Signals are the program's: none shall be handled here. */
static bool thread_make(struct mn_behind *behind)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
    failed = pthread_create(&behind->thread, NULL, behind_work, behind);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

static void behind_free(struct mn_behind *behind)
{
    pthread_cond_destroy(&behind->done_more);
    pthread_cond_destroy(&behind->given_more);
    pthread_mutex_destroy(&behind->mutex);
    mn_dealloc(behind);
}

struct mn_behind *mn_behind_start(mn_behind_fn work)
{
    struct mn_behind *behind = mn_zalloc(sizeof *behind);

    if (!behind) return NULL;
    pthread_mutex_init(&behind->mutex, NULL);
    pthread_cond_init(&behind->given_more, NULL);
    pthread_cond_init(&behind->done_more, NULL);
    behind->work = work;
    if (thread_make(behind)) return behind;
    behind_free(behind);
    return NULL;
}

void mn_behind_give(struct mn_behind *behind, void *piece)
{
    pthread_mutex_lock(&behind->mutex);
    MN_ASSERT(behind->given - behind->taken < MN_BEHIND_MAX);
    behind->pieces[behind->given++ % MN_BEHIND_MAX] = piece;
    pthread_cond_signal(&behind->given_more);
    pthread_mutex_unlock(&behind->mutex);
}

bool mn_behind_take(struct mn_behind *behind)
{
    bool good;

    pthread_mutex_lock(&behind->mutex);
    MN_ASSERT(behind->taken < behind->given);
    while (behind->done == behind->taken && !behind->failed) {
        pthread_cond_wait(&behind->done_more, &behind->mutex);
    }
    good = behind->done > behind->taken;
    behind->taken += good;
    pthread_mutex_unlock(&behind->mutex);
    return good;
}

void mn_behind_stop(struct mn_behind *behind, bool forked)
{
    if (!behind) return;
    if (forked) { /* whoever held the mutex is not here */
        mn_dealloc(behind);
        return;
    }
    pthread_mutex_lock(&behind->mutex);
    behind->stop = true;
    pthread_cond_signal(&behind->given_more);
    pthread_mutex_unlock(&behind->mutex);
    pthread_join(behind->thread, NULL);
    behind_free(behind);
}
