/*
 * watch: whom a long piece of work asks now and then whether it may go on.
 */
#ifndef MN_BASE_WATCH_H
#define MN_BASE_WATCH_H

#include "base/status.h"

struct mn_watch {
    enum mn_status (*tick)(void *context); /* NULL: nobody; an answer other than MN_OK ends it */
    void *context;
};

/* NULL is harmless. */
static inline enum mn_status mn_watch_tick(const struct mn_watch *watch)
{
    return watch && watch->tick ? watch->tick(watch->context) : MN_OK;
}

#endif
