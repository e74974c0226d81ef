/*
 * Tests of base/bytes: variable-length integers.
 */
#include "base/bytes.h"

#include "support/test.h"

/* A varint that is read back equals what was written, at every length and at both ends of it. */
static void varint_survives_a_round_trip(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++) {
        for (uint64_t delta = 0; delta < 3; delta++) {
            uint8_t bytes[MN_VARINT_BYTES];
            uint64_t value = (UINT64_C(1) << bits) + delta - 1, back = 0;
            size_t wrote = mn_put_varint(bytes, value);

            assert_in_range(wrote, 1, MN_VARINT_BYTES);
            assert_int_equal(mn_get_varint(bytes, bytes + wrote, &back), wrote);
            assert_true(back == value);
        }
    }
}

static void truncated_varint_is_refused(void **state)
{
    uint8_t bytes[MN_VARINT_BYTES];
    size_t wrote = mn_put_varint(bytes, UINT64_MAX);
    uint64_t back = 7;

    (void)state;
    for (size_t cut = 0; cut < wrote; cut++) {
        assert_int_equal(mn_get_varint(bytes, bytes + cut, &back), 0);
    }
}

/* One value has one spelling: keys compare as bytes, so a padded zero byte is damage. */
static void padded_varint_is_refused(void **state)
{
    static const uint8_t padded[] = {0x81, 0x00};
    uint64_t back = 0;

    (void)state;
    assert_int_equal(mn_get_varint(padded, padded + sizeof padded, &back), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varint_survives_a_round_trip),
        cmocka_unit_test(truncated_varint_is_refused),
        cmocka_unit_test(padded_varint_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
