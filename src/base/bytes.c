/*
 * bytes: varints.
 */
#include "base/bytes.h"

size_t mn_put_varint(uint8_t *at, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        at[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[n++] = (uint8_t)value;
    return n;
}

size_t mn_get_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t sum = 0;

    for (size_t n = 0; n < MN_VARINT_BYTES && at + n < end; n++) {
        uint8_t byte = at[n];

        if (n == MN_VARINT_BYTES - 1 && byte > 1) return 0;
        sum |= (uint64_t)(byte & 0x7f) << (7 * n);
        if (byte < 0x80) {
            if (n > 0 && byte == 0) return 0;
            *value = sum;
            return n + 1;
        }
    }
    return 0;
}
