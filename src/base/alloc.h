/*
 * alloc: the one door to the heap.
 *
 * Every allocation of the library goes through here, so that the allocator can be chosen, tests can
 * make any allocation fail, and the host program's malloc stays its own.
 */
#ifndef MN_BASE_ALLOC_H
#define MN_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* NULL when there is no memory; size 0 gives a unique pointer. The memory is not cleared. */
void *mn_alloc(size_t size_bytes);
void *mn_zalloc(size_t size_bytes);
void *mn_realloc(void *memory, size_t size_bytes);
void mn_dealloc(void *memory); /* NULL is harmless */

/* Aligned to 64 bytes; released by mn_release_aligned. */
void *mn_alloc_aligned(size_t size_bytes);
void mn_release_aligned(void *memory);

/*
 * Grows an array to hold at least `need` items of item_bytes each; *capacity is updated. The first
 * growth is to 8 items, later ones by half. False: no memory, the array is as it was.
 */
bool mn_grow(void *array_pointer, size_t *capacity, size_t need, size_t item_bytes);

/*
 * An allocator of the program's own. Resize gets memory of the alignment of malloc only, or NULL,
 * and then allocates; align_bytes is a power of two, up to 64.
 */
struct mn_alloc_functions {
    void *(*allocate)(void *context, size_t size_bytes, size_t align_bytes);
    void *(*resize)(void *context, void *memory, size_t size_bytes);
    void (*release)(void *context, void *memory);
    void *context;
};

/* Chooses the allocator. False when one is in use already: it must come before all allocations. */
bool mn_alloc_use(const struct mn_alloc_functions *functions);

/* "mimalloc", "system" or "given": the one in use; chooses it when none was. */
const char *mn_alloc_name(void);

/* For tests: called before each allocation; false makes it fail. NULL: no hook. */
typedef bool (*mn_alloc_hook)(void *context, size_t size_bytes);
void mn_alloc_set_hook(mn_alloc_hook hook, void *context);

#endif
