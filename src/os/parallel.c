/*
 * parallel: a shared counter, and threads that take pieces from it.
 */
#include "os/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct job {
    atomic_size_t next;
    size_t count, grain;
    mn_parallel_fn work;
    void *context;
};

static void *job_work(void *argument)
{
    struct job *job = argument;

    for (;;) {
        size_t begin = atomic_fetch_add_explicit(&job->next, job->grain, memory_order_relaxed);
        size_t end = begin + job->grain;

        if (begin >= job->count) return NULL;
        job->work(job->context, begin, end < job->count ? end : job->count);
    }
}

void mn_parallel(size_t count, size_t grain, unsigned threads, mn_parallel_fn work, void *context)
{
    struct job job = {.count = count, .grain = grain ? grain : 1, .work = work, .context = context};
    size_t pieces = (count + job.grain - 1) / job.grain, made = 0;
    pthread_t made_threads[MN_THREADS_MAX];

    while (made + 1 < pieces && made < threads && made < MN_THREADS_MAX) {
        if (pthread_create(&made_threads[made], NULL, job_work, &job) != 0) break;
        made++;
    }
    job_work(&job);
    for (size_t i = 0; i < made; i++) pthread_join(made_threads[i], NULL);
}
