/*
 * alloc: which allocator stands behind the library's one door.
 *
 * Chosen once, by the first allocation or by mn_alloc_use before it:
 *
 *   1. the allocator that the program gave by mn_alloc_use;
 *   2. else mimalloc, when libmimalloc.so.2 can be loaded. RTLD_LOCAL keeps its malloc and free to
 *      itself: linking mneme leaves the host program's own malloc in place;
 *   3. else the system's malloc. Builds with a sanitizer always take this one, because it watches
 *      no other.
 *
 * The library is never unloaded: threads that allocated run mimalloc's code when they end.
 */
#include "base/alloc.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* The functions of one allocator; release takes the memory of both allocate functions. */
struct allocator {
    const char *name;
    void *(*allocate)(size_t size_bytes);
    void *(*allocate_aligned)(size_t alignment, size_t size_bytes);
    void *(*resize)(void *memory, size_t size_bytes);
    void (*release)(void *memory);
};

static const struct allocator system_allocator = {"system", malloc, aligned_alloc, realloc, free};
static struct allocator mimalloc_allocator = {.name = "mimalloc"};
static struct mn_alloc_functions given;

static _Atomic(const struct allocator *) chosen;
static pthread_mutex_t choosing = PTHREAD_MUTEX_INITIALIZER;
static mn_alloc_hook hook_call;
static void *hook_context;

static void *given_allocate(size_t size_bytes)
{
    return given.allocate(given.context, size_bytes, _Alignof(max_align_t));
}

static void *given_allocate_aligned(size_t alignment, size_t size_bytes)
{
    return given.allocate(given.context, size_bytes, alignment);
}

static void *given_resize(void *memory, size_t size_bytes)
{
    return given.resize(given.context, memory, size_bytes);
}

static void given_release(void *memory)
{
    given.release(given.context, memory);
}

static const struct allocator given_allocator = {"given", given_allocate, given_allocate_aligned,
                                                 given_resize, given_release};

/* C cannot convert an object pointer to a function pointer; POSIX promises that its bytes do. */
static bool symbol_load(void *library, const char *name, void *function, size_t size)
{
    void *address = dlsym(library, name);

    memcpy(function, &address, size);
    return address != NULL;
}

static bool mimalloc_load(struct allocator *a)
{
#ifdef MN_SANITIZED
    (void)a, (void)symbol_load;
    return false;
#else
    void *library = dlopen("libmimalloc.so.2", RTLD_NOW | RTLD_LOCAL);

    if (!library) return false;
    if (symbol_load(library, "mi_malloc", &a->allocate, sizeof a->allocate) &&
        symbol_load(library, "mi_realloc", &a->resize, sizeof a->resize) &&
        symbol_load(library, "mi_free", &a->release, sizeof a->release) &&
        symbol_load(library, "mi_aligned_alloc", &a->allocate_aligned,
                    sizeof a->allocate_aligned)) {
        return true;
    }
    dlclose(library);
    return false;
#endif
}

static const struct allocator *allocator_choose(void)
{
    const struct allocator *a;

    pthread_mutex_lock(&choosing);
    a = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!a) {
        a = mimalloc_load(&mimalloc_allocator) ? &mimalloc_allocator : &system_allocator;
        atomic_store_explicit(&chosen, a, memory_order_release);
    }
    pthread_mutex_unlock(&choosing);
    return a;
}

static const struct allocator *allocator_get(void)
{
    const struct allocator *a = atomic_load_explicit(&chosen, memory_order_acquire);

    return a ? a : allocator_choose();
}

bool mn_alloc_use(const struct mn_alloc_functions *functions)
{
    bool first;

    pthread_mutex_lock(&choosing);
    first = atomic_load_explicit(&chosen, memory_order_relaxed) == NULL;
    if (first) {
        given = *functions;
        atomic_store_explicit(&chosen, &given_allocator, memory_order_release);
    }
    pthread_mutex_unlock(&choosing);
    return first;
}

const char *mn_alloc_name(void)
{
    return allocator_get()->name;
}

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
    return allocator_get()->allocate(size_bytes ? size_bytes : 1);
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
    return allocator_get()->resize(memory, size_bytes ? size_bytes : 1);
}

void mn_dealloc(void *memory)
{
    if (memory) allocator_get()->release(memory);
}

void *mn_alloc_aligned(size_t size_bytes)
{
    size_t rounded = (size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    if (!allowed(size_bytes) || rounded < size_bytes) return NULL;
    return allocator_get()->allocate_aligned(ALIGNMENT, rounded ? rounded : ALIGNMENT);
}

void mn_release_aligned(void *memory)
{
    mn_dealloc(memory);
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
