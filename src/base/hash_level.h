/*
 * hash_level: the forms of the hash, which give the same values. Those for AVX2 and AVX-512 are the
 * faster ones for a page, in this order.
 *
 * The header's own prefetches are off: they run half a kilobyte past the end of what is hashed, so
 * that a page behind a run came into memory, and was marked as used, that nobody had asked for.
 */
#ifndef MN_BASE_HASH_LEVEL_H
#define MN_BASE_HASH_LEVEL_H

#include <stddef.h>
#include <stdint.h>

enum { MN_HASH_LONG_BYTES = 256 }; /* shorter ones gain nothing */

uint64_t mn_hash_baseline(const void *bytes, size_t size_bytes, uint64_t seed);

#if defined(__x86_64__)
/* Only where mn_machine_has_avx2, mn_machine_has_avx512. */
uint64_t mn_hash_avx2(const void *bytes, size_t size_bytes, uint64_t seed);
uint64_t mn_hash_avx512(const void *bytes, size_t size_bytes, uint64_t seed);
#endif

#endif
