/*
 * Tests of the library as it is installed: the host program keeps its own malloc.
 *
 * This program is linked with the product's static library, without sanitizers. mneme's memory must
 * come from mimalloc, and the program's from the C library, also after mneme has allocated.
 */
#include "base/alloc.h"
#include "support/test.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file that a function of this program comes from. */
static const char *origin(void *function)
{
    Dl_info info;

    return dladdr(function, &info) ? info.dli_fname : "nowhere";
}

static void *symbol(const char *name)
{
    void *address = dlsym(RTLD_DEFAULT, name);

    assert_non_null(address);
    return address;
}

static void malloc_stays_the_c_library_s(void **state)
{
    static const char *const names[] = {"malloc", "free", "realloc", "calloc", "aligned_alloc"};
    void *ours = mn_alloc(100);

    (void)state;
    assert_non_null(ours);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strstr(origin(symbol(names[i])), "libc.so")) {
            fail_msg("%s is %s's", names[i], origin(symbol(names[i])));
        }
    }
    assert_null(dlsym(RTLD_DEFAULT, "mi_malloc"));
    mn_dealloc(ours);
}

static void each_side_allocates_from_its_own_heap(void **state)
{
    bool (*is_of_mimalloc)(const void *) = NULL;
    void *library = dlopen("libmimalloc.so.2", RTLD_NOW | RTLD_NOLOAD), *address;
    void *host = malloc(1000), *ours = mn_alloc(1000), *aligned = mn_alloc_aligned(4096);
    size_t before = mallinfo2().uordblks;

    (void)state;
    assert_non_null(library); /* mn_alloc above loads it; zigw installs it */
    assert_string_equal(mn_alloc_name(), "mimalloc");
    address = dlsym(library, "mi_is_in_heap_region");
    assert_non_null(address);
    memcpy(&is_of_mimalloc, &address, sizeof address);

    assert_true(is_of_mimalloc(ours));
    assert_true(is_of_mimalloc(aligned));
    assert_false(is_of_mimalloc(host));

    void *more = mn_alloc(64 << 10);

    assert_int_equal(mallinfo2().uordblks, before);
    mn_dealloc(more);
    mn_dealloc(ours);
    mn_release_aligned(aligned);
    free(host);
    dlclose(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_stays_the_c_library_s),
        cmocka_unit_test(each_side_allocates_from_its_own_heap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
