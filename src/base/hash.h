/*
 * hash: XXH3, for page checksums (keyed by the file's secret) and for hash tables.
 */
#ifndef MN_BASE_HASH_H
#define MN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t mn_hash(const void *bytes, size_t size_bytes, uint64_t seed);

/* Mixes one word into a running hash: for digests over words. */
static inline uint64_t mn_hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B185EBCA87);
    return hash ^ (hash >> 32);
}

#endif
