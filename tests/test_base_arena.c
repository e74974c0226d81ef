/*
 * Tests of base/arena: alignment, the limit, marks, and what a failed allocation leaves behind.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "support/test.h"

#include <string.h>

static void pieces_are_aligned_and_apart(void **state)
{
    uint64_t seed = test_seed();
    struct mn_arena arena;
    uint8_t *pieces[500];
    size_t sizes[500];

    (void)state;
    mn_arena_init(&arena, 0);
    for (size_t i = 0; i < 500; i++) {
        sizes[i] = test_random(&seed) % (i % 50 == 0 ? 100000 : 300);
        pieces[i] = mn_arena_alloc(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < 500; i++) {
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(pieces[i][k], i & 0xff);
    }
    mn_arena_release(&arena);
    assert_int_equal(arena.total_bytes, 0);
}

static void limit_is_kept_and_can_be_used_up(void **state)
{
    struct mn_arena arena;
    size_t got = 0;

    (void)state;
    mn_arena_init(&arena, 100000);
    assert_null(mn_arena_alloc(&arena, 100001));
    assert_null(mn_arena_alloc(&arena, SIZE_MAX));
    while (mn_arena_alloc(&arena, 160)) got += 160;
    assert_in_range(got, 90000, 100000);
    assert_true(arena.total_bytes <= 100000);
    mn_arena_release(&arena);
    assert_non_null(mn_arena_alloc(&arena, 160));
    mn_arena_release(&arena);
}

static void rewind_gives_back_what_came_after_the_mark(void **state)
{
    struct mn_arena arena;
    struct mn_arena_mark empty, mark;
    char *kept;

    (void)state;
    mn_arena_init(&arena, 0);
    empty = mn_arena_mark(&arena);
    kept = mn_arena_text(&arena, "kept text", 4);
    assert_string_equal(kept, "kept");
    mark = mn_arena_mark(&arena);
    for (int round = 0; round < 3; round++) {
        char *first = mn_arena_zalloc(&arena, 100);

        assert_non_null(first);
        for (int i = 0; i < 100; i++) assert_int_equal(first[i], 0);
        memset(first, 1, 100);
        for (int i = 0; i < 100; i++) assert_non_null(mn_arena_alloc(&arena, 1000));
        mn_arena_rewind(&arena, mark);
        assert_ptr_equal(mn_arena_alloc(&arena, 100), first);
        mn_arena_rewind(&arena, mark);
    }
    assert_string_equal(kept, "kept");
    mn_arena_rewind(&arena, empty);
    assert_int_equal(arena.total_bytes, 0);
}

static bool refuse(void *context, size_t size_bytes)
{
    (void)size_bytes;
    return !*(bool *)context;
}

static void failed_allocation_leaves_the_arena_usable(void **state)
{
    struct mn_arena arena;
    bool refused = true;
    char *before, *after;

    (void)state;
    mn_arena_init(&arena, 0);
    before = mn_arena_copy(&arena, "before", 7);
    mn_alloc_set_hook(refuse, &refused);
    assert_null(mn_arena_alloc(&arena, 100000));
    assert_null(mn_arena_zalloc(&arena, 100000));
    assert_null(mn_arena_copy(&arena, NULL, 100000));
    refused = false;
    after = mn_arena_alloc(&arena, 100000);
    mn_alloc_set_hook(NULL, NULL);
    assert_non_null(after);
    assert_string_equal(before, "before");
    mn_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(limit_is_kept_and_can_be_used_up),
        cmocka_unit_test(rewind_gives_back_what_came_after_the_mark),
        cmocka_unit_test(failed_allocation_leaves_the_arena_usable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
