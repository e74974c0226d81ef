/*
 * hash_avx2: XXH3 for machines with AVX2 (hash.c chooses). Everything the header defines stays
 * inside this file, so that no other can come to share a function in this form.
 */
#include "base/hash_level.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#define XXH_NO_PREFETCH /* see hash_level.h */
#define XXH_VECTOR 2    /* XXH_AVX2, whose name the header has not defined yet */

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

#include <xxhash.h>

_Static_assert(XXH_VECTOR == XXH_AVX2, "compiled for AVX2");

uint64_t mn_hash_avx2(const void *bytes, size_t size_bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}

#pragma clang attribute pop

#endif
