/*
 * parallel: one piece of work for all processors, while the caller waits.
 *
 * Threads live as long as the call. Where none can be made the caller does the work alone.
 */
#ifndef MN_OS_PARALLEL_H
#define MN_OS_PARALLEL_H

#include <stddef.h>

/* Does the items [begin, end), in any order and in any thread; writes only what belongs to them. */
typedef void (*mn_parallel_fn)(void *context, size_t begin, size_t end);

/* Calls for pieces of at most `grain` items until all `count` are done. */
void mn_parallel(size_t count, size_t grain, mn_parallel_fn work, void *context);

#endif
