/*
 * alloc: the system's allocator behind the library's one door.
 */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static mn_alloc_hook hook_call;
static void *hook_context;

void mn_alloc_set_hook(mn_alloc_hook hook, void *context)
{
    hook_call = hook;
    hook_context = context;
}

static bool allowed(size_t size_bytes)
{
    return !hook_call || hook_call(hook_context, size_bytes);
}

void *mn_alloc(size_t size_bytes)
{
    if (!allowed(size_bytes)) return NULL;
    return malloc(size_bytes ? size_bytes : 1);
}

void *mn_zalloc(size_t size_bytes)
{
    void *memory = mn_alloc(size_bytes);

    if (memory) memset(memory, 0, size_bytes);
    return memory;
}

void *mn_realloc(void *memory, size_t size_bytes)
{
    if (!allowed(size_bytes)) return NULL;
    return realloc(memory, size_bytes ? size_bytes : 1);
}

void mn_release(void *memory)
{
    free(memory);
}

void *mn_alloc_aligned(size_t size_bytes)
{
    size_t rounded = (size_bytes + 63) / 64 * 64;

    if (!allowed(size_bytes)) return NULL;
    return aligned_alloc(64, rounded ? rounded : 64);
}

void mn_release_aligned(void *memory)
{
    free(memory);
}

bool mn_grow(void *array_pointer, size_t *capacity, size_t need, size_t item_bytes)
{
    void *array, *grown;
    size_t wanted = *capacity ? *capacity + *capacity / 2 : 8;

    if (need <= *capacity) return true;
    if (wanted < need) wanted = need;
    if (wanted > SIZE_MAX / item_bytes) return false;
    memcpy(&array, array_pointer, sizeof array);
    grown = mn_realloc(array, wanted * item_bytes);
    if (!grown) return false;
    memcpy(array_pointer, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}
