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
void mn_release(void *memory); /* NULL is harmless */

/* Aligned to 64 bytes; released by mn_release_aligned. */
void *mn_alloc_aligned(size_t size_bytes);
void mn_release_aligned(void *memory);

/*
 * Grows an array to hold at least `need` items of item_bytes each; *capacity is updated. The first
 * growth is to 8 items, later ones by half. False: no memory, the array is as it was.
 */
bool mn_grow(void *array_pointer, size_t *capacity, size_t need, size_t item_bytes);

/* For tests: called before each allocation; false makes it fail. NULL: no hook. */
typedef bool (*mn_alloc_hook)(void *context, size_t size_bytes);
void mn_alloc_set_hook(mn_alloc_hook hook, void *context);

#endif
