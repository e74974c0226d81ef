/*
 * bytes: fixed-width integers at any address, and varints.
 *
 * Files are little-endian (get/put); keys are big-endian (the _be forms), so that memcmp orders
 * them.
 */
#ifndef MN_BASE_BYTES_H
#define MN_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "mneme runs on little-endian machines"
#endif

static inline uint16_t mn_get_u16(const void *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t mn_get_u32(const void *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t mn_get_u64(const void *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t mn_get_u48(const void *at)
{
    uint64_t value = 0;

    memcpy(&value, at, 6);
    return value;
}

static inline void mn_put_u16(void *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void mn_put_u32(void *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void mn_put_u64(void *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void mn_put_u48(void *at, uint64_t value)
{
    memcpy(at, &value, 6);
}

static inline uint32_t mn_get_u32_be(const void *at)
{
    return __builtin_bswap32(mn_get_u32(at));
}

static inline uint64_t mn_get_u64_be(const void *at)
{
    return __builtin_bswap64(mn_get_u64(at));
}

static inline void mn_put_u32_be(void *at, uint32_t value)
{
    mn_put_u32(at, __builtin_bswap32(value));
}

static inline void mn_put_u64_be(void *at, uint64_t value)
{
    mn_put_u64(at, __builtin_bswap64(value));
}

enum { MN_VARINT_BYTES = 10 };

/* LEB128: seven bits a byte, least first. Returns the bytes written, at most MN_VARINT_BYTES. */
size_t mn_put_varint(uint8_t *at, uint64_t value);

/* Returns the bytes read, or 0 where [at, end) holds no whole, minimal varint. */
size_t mn_get_varint(const uint8_t *at, const uint8_t *end, uint64_t *value);

#endif
