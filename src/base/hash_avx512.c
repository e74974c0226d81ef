/*
 * hash_avx512: XXH3 for machines with AVX-512 (hash.c chooses). Everything the header defines stays
 * inside this file, so that no other can come to share a function in this form.
 */
#include "base/hash_level.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#define XXH_NO_PREFETCH /* see hash_level.h */
#define XXH_VECTOR 3    /* XXH_AVX512, whose name the header has not defined yet */

/* Clang 18 made the width a feature of its own. */
#if defined(__clang_major__) && __clang_major__ >= 18
#pragma clang attribute push(__attribute__((target("avx512f,evex512"))), apply_to = function)
#else
#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)
#endif

#include <xxhash.h>

_Static_assert(XXH_VECTOR == XXH_AVX512, "compiled for AVX-512");

uint64_t mn_hash_avx512(const void *bytes, size_t size_bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}

#pragma clang attribute pop

#endif
