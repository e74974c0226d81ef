/*
 * parallel: one piece of work for several processors, while the caller waits.
 *
 * Threads live as long as the call. Where none may or can be made the caller does the work alone.
 */
#ifndef MN_OS_PARALLEL_H
#define MN_OS_PARALLEL_H

#include <stddef.h>

/* Does the items [begin, end), in any order and in any thread; writes only what belongs to them. */
typedef void (*mn_parallel_fn)(void *context, size_t begin, size_t end);

enum { MN_THREADS_MAX = 64 };

/* Calls for pieces of at most `grain` items until all `count` are done, in this thread and in at
 * most `threads` others. */
void mn_parallel(size_t count, size_t grain, unsigned threads, mn_parallel_fn work, void *context);

#endif
