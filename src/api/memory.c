/*
 * memory: the allocator as the public header offers it.
 */
#include "base/alloc.h"
#include "base/status.h"
#include "mneme.h"

int mn_set_allocator(const mn_allocator *allocator)
{
    struct mn_alloc_functions functions;

    if (!allocator || allocator->size < sizeof *allocator || !allocator->allocate ||
        !allocator->resize || !allocator->release) {
        return (int)mn_fail(MN_MISUSE, "an allocator needs size, allocate, resize and release");
    }
    functions.allocate = allocator->allocate;
    functions.resize = allocator->resize;
    functions.release = allocator->release;
    functions.context = allocator->context;
    if (!mn_alloc_use(&functions)) {
        return (int)mn_fail(MN_MISUSE, "mn_set_allocator comes too late: memory is in use already");
    }
    return MN_OK;
}

void mn_free(void *memory)
{
    mn_dealloc(memory);
}
