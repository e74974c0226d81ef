/*
 * fuzz_bytes: variable-length integers from any bytes.
 *
 * A number that is read must be written back as the same bytes, so one value has one spelling.
 */
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;

    while (at < end) {
        uint8_t again[MN_VARINT_BYTES];
        uint64_t value;
        size_t len = mn_get_varint(at, end, &value);

        if (len == 0) return 0;
        if (mn_put_varint(again, value) != len || memcmp(again, at, len) != 0) abort();
        at += len;
    }
    return 0;
}
