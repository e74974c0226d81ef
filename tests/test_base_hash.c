/*
 * The hash: one value whatever the machine, and the values that files already hold.
 */
#include "base/hash_level.h"
#include "base/machine.h"

#include <string.h>

#include "base/hash.h"
#include "support/test.h"

enum { LONGEST = 8192 + 64 };

static uint8_t bytes[LONGEST + 1];

static void bytes_fill(void)
{
    uint64_t word = 0;

    for (size_t i = 0; i < sizeof bytes; i++) {
        word = mn_hash_mix(word, i);
        bytes[i] = (uint8_t)word;
    }
}

/* The value of no bytes is published with the algorithm. */
static void values_are_those_of_the_algorithm(void **state)
{
    (void)state;
    assert_true(mn_hash("", 0, 0) == UINT64_C(0x2D06800538D394C2));
    assert_true(mn_hash_baseline("", 0, 0) == UINT64_C(0x2D06800538D394C2));
}

static void every_form_gives_the_same(void **state)
{
    size_t compared = 0;

    (void)state;
    bytes_fill();
    for (size_t length = 0; length <= LONGEST; length += length < 1200 ? 1 : 61) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint64_t key = seed * UINT64_C(0x9E3779B97F4A7C15);
            uint64_t value = mn_hash_baseline(bytes + 1, length, key);

            assert_true(mn_hash(bytes + 1, length, key) == value);
#if defined(__x86_64__)
            if (mn_machine_has_avx2()) {
                assert_true(mn_hash_avx2(bytes + 1, length, key) == value);
            }
            if (mn_machine_has_avx512()) {
                assert_true(mn_hash_avx512(bytes + 1, length, key) == value);
            }
#endif
            compared++;
        }
    }
    assert_true(compared > 3600);
}

static void each_byte_and_the_seed_count(void **state)
{
    enum { PAGE = 4096 };
    uint64_t value;

    (void)state;
    bytes_fill();
    value = mn_hash(bytes, PAGE, 1);
    assert_true(mn_hash(bytes, PAGE, 2) != value);
    for (size_t i = 0; i < PAGE; i++) {
        bytes[i] ^= 1;
        assert_true(mn_hash(bytes, PAGE, 1) != value);
        bytes[i] ^= 1;
    }
    assert_true(mn_hash(bytes, PAGE, 1) == value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_algorithm),
        cmocka_unit_test(every_form_gives_the_same),
        cmocka_unit_test(each_byte_and_the_seed_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
