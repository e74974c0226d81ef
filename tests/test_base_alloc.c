/*
 * Tests of base/alloc: failing on demand, alignment, growth, and an allocator of the program's own.
 */
#include "base/alloc.h"
#include "mneme.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static size_t live, asked_alignment;

static void *count_allocate(void *context, size_t size_bytes, size_t align_bytes)
{
    assert_ptr_equal(context, &live);
    live++;
    asked_alignment = align_bytes;
    return aligned_alloc(align_bytes, (size_bytes + align_bytes - 1) / align_bytes * align_bytes);
}

static void *count_resize(void *context, void *memory, size_t size_bytes)
{
    assert_ptr_equal(context, &live);
    live += memory == NULL;
    return realloc(memory, size_bytes);
}

static void count_release(void *context, void *memory)
{
    assert_ptr_equal(context, &live);
    live--;
    free(memory);
}

/* Runs first: the allocator can only be given before any other use. */
static void given_allocator_gets_every_call(void **state)
{
    mn_allocator a = {sizeof a, &live, count_allocate, count_resize, count_release};
    void *plain, *aligned, *array = NULL;
    size_t capacity = 0;

    (void)state;
    assert_int_equal(mn_set_allocator(NULL), MN_MISUSE);
    a.size = 8;
    assert_int_equal(mn_set_allocator(&a), MN_MISUSE);
    a.size = sizeof a;
    assert_int_equal(mn_set_allocator(&a), MN_OK);
    assert_string_equal(mn_alloc_name(), "given");

    plain = mn_alloc(10);
    aligned = mn_alloc_aligned(100);
    assert_int_equal(asked_alignment, 64);
    assert_true(mn_grow(&array, &capacity, 3, 16));
    assert_int_equal(live, 3);
    mn_free(plain);
    mn_release_aligned(aligned);
    mn_dealloc(array);
    mn_dealloc(NULL);
    assert_int_equal(live, 0);
}

static void second_allocator_is_refused(void **state)
{
    mn_allocator a = {sizeof a, &live, count_allocate, count_resize, count_release};

    (void)state;
    assert_int_equal(mn_set_allocator(&a), MN_MISUSE);
    assert_string_equal(mn_alloc_name(), "given");
}

static void aligned_memory_is_aligned_and_whole(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size += 7) {
        uint8_t *memory = mn_alloc_aligned(size);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        memset(memory, 0xA5, size);
        mn_release_aligned(memory);
    }
    assert_null(mn_alloc_aligned(SIZE_MAX));
    assert_null(mn_alloc_aligned(SIZE_MAX - 63));
}

static void zeroed_memory_is_zero(void **state)
{
    uint8_t *memory = mn_zalloc(1000);

    (void)state;
    for (size_t i = 0; i < 1000; i++) assert_int_equal(memory[i], 0);
    mn_dealloc(memory);
}

static bool refuse(void *context, size_t size_bytes)
{
    size_t *count = context;

    (void)size_bytes;
    (*count)++;
    return false;
}

static void hook_makes_every_kind_of_allocation_fail(void **state)
{
    size_t refused = 0, capacity = 0;
    void *array = NULL;

    (void)state;
    mn_alloc_set_hook(refuse, &refused);
    assert_null(mn_alloc(1));
    assert_null(mn_zalloc(1));
    assert_null(mn_realloc(NULL, 1));
    assert_null(mn_alloc_aligned(1));
    assert_false(mn_grow(&array, &capacity, 1, 8));
    mn_alloc_set_hook(NULL, NULL);
    assert_int_equal(refused, 5);
    assert_null(array);
    assert_int_equal(capacity, 0);
}

static void growth_keeps_what_was_there(void **state)
{
    uint32_t *array = NULL;
    size_t capacity = 0;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(mn_grow(&array, &capacity, i + 1, sizeof *array));
        array[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(array[i], i);
    assert_false(mn_grow(&array, &capacity, SIZE_MAX / 2, sizeof *array));
    mn_dealloc(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_allocator_gets_every_call),
        cmocka_unit_test(second_allocator_is_refused),
        cmocka_unit_test(aligned_memory_is_aligned_and_whole),
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(hook_makes_every_kind_of_allocation_fail),
        cmocka_unit_test(growth_keeps_what_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
