/*
 * copy_half: IEEE half floats, as .npy files of type <f2 hold them.
 */
#ifndef MN_QUERY_COPY_HALF_H
#define MN_QUERY_COPY_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Exact for every half, also where the processor flushes denormals: those are made from 0.5 +
 * n/2^24. */
static inline float mn_half_to_float(uint16_t half)
{
    uint32_t size = half & 0x7fffu, sign = (uint32_t)(half & 0x8000u) << 16, bits;
    uint32_t tiny_bits = 0x3f000000u + size;
    float tiny;

    memcpy(&tiny, &tiny_bits, sizeof tiny);
    tiny -= 0.5f;
    memcpy(&tiny_bits, &tiny, sizeof tiny_bits);
    bits = (size << 13) + (size >= 0x7c00u ? (255u - 31u) << 23 : (127u - 15u) << 23);
    bits = size < 0x400u ? tiny_bits : bits;
    bits |= sign;
    memcpy(&tiny, &bits, sizeof tiny);
    return tiny;
}

/* The nearest half, ties to even; infinite where the value is too large. The value is finite. */
static inline uint16_t mn_half_from_float(float value)
{
    uint32_t bits, sign;

    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);
    if (bits < 0x38800000u) {
        float tiny;
        memcpy(&tiny, &bits, sizeof tiny);
        tiny += 0.5f; /* the addition rounds to the half's last place */
        memcpy(&bits, &tiny, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000u));
    }
    bits += 0xfffu + (bits >> 13 & 1u);
    return (uint16_t)(sign | ((bits >> 13) - ((127u - 15u) << 10)));
}

#endif
