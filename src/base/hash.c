/*
 * hash: XXH3 by its reference implementation, which chooses its instructions when it is compiled:
 * so it is compiled thrice, here for every machine of the architecture.
 */
#include "base/hash.h"

#include "base/hash_level.h"
#include "base/machine.h"

#define XXH_INLINE_ALL
#define XXH_NO_PREFETCH /* see hash_level.h */
#include <xxhash.h>

uint64_t mn_hash_baseline(const void *bytes, size_t size_bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}

#if defined(__x86_64__)

static uint64_t hash_first(const void *bytes, size_t size_bytes, uint64_t seed);

typedef uint64_t (*hash_fn)(const void *bytes, size_t size_bytes, uint64_t seed);

static hash_fn long_hash = hash_first;

/* Two threads that come first at once choose the same, so that either may store it. */
static uint64_t hash_first(const void *bytes, size_t size_bytes, uint64_t seed)
{
    hash_fn chosen = mn_machine_has_avx512() ? mn_hash_avx512
                     : mn_machine_has_avx2() ? mn_hash_avx2
                                             : mn_hash_baseline;

    __atomic_store_n(&long_hash, chosen, __ATOMIC_RELAXED);
    return chosen(bytes, size_bytes, seed);
}

uint64_t mn_hash(const void *bytes, size_t size_bytes, uint64_t seed)
{
    if (size_bytes < MN_HASH_LONG_BYTES) return mn_hash_baseline(bytes, size_bytes, seed);
    return __atomic_load_n(&long_hash, __ATOMIC_RELAXED)(bytes, size_bytes, seed);
}

#else

uint64_t mn_hash(const void *bytes, size_t size_bytes, uint64_t seed)
{
    return mn_hash_baseline(bytes, size_bytes, seed);
}

#endif
