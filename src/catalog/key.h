/*
 * key: tuples of values as bytes whose memcmp order is the order of the values.
 *
 * Each value is a marker and, unless it is NULL, its bytes:
 *
 *   marker     00 NULL that sorts first | 01 a value | 02 NULL that sorts last
 *   BOOL       00 or 01
 *   INT, TIMESTAMP, DURATION   8 bytes big-endian, sign flipped
 *   FLOAT      8 bytes big-endian: all bits flipped if negative, else the sign; -0 is 0, and
 *              NaN is one, above all
 *   UUID       16 bytes
 *   TEXT, BLOB the bytes with 00 written as 00 FF, then 00 00
 *   LIST       for each element 01 and its bytes or 02 (NULL); then 00
 *
 * DESC inverts the bytes but not the marker, so that NULLs are last both ways. JSON and VECTOR
 * have no order and no keys.
 */
#ifndef MN_CATALOG_KEY_H
#define MN_CATALOG_KEY_H

#include "base/bytes.h"
#include "catalog/value.h"

enum { MN_KEY_BYTES_MAX = 65535, MN_KEY_COLUMNS_MAX = 16, MN_ROW_ID_BYTES = 8 };

enum mn_key_order {
    MN_KEY_ASC = 0,
    MN_KEY_DESC = 1,
    MN_KEY_NULLS_FIRST = 2 /* or-ed to one of the above */
};

/* Appends a value. INT for a FLOAT column must have been made FLOAT before. MN_TYPE: the type has
 * no keys; MN_TOOBIG: the buffer would pass MN_KEY_BYTES_MAX. After an error the buffer is as it
 * was. */
enum mn_status mn_key_append(struct mn_buf *key, const struct mn_value *value, unsigned order);

/* Reads one value of a kind at *at, which moves behind it. TEXT, BLOB and LIST are made in the
 * arena, or borrowed where nothing was escaped. MN_CORRUPT: the bytes are not a key of this kind.
 */
enum mn_status mn_key_decode(const uint8_t **at, const uint8_t *end, const struct mn_kind *kind,
                             unsigned order, struct mn_arena *arena, struct mn_value *out);

/* Moves *at behind one value without reading it. False: not a key of this kind. */
bool mn_key_skip(const uint8_t **at, const uint8_t *end, const struct mn_kind *kind,
                 unsigned order);

/* Row ids as keys: 8 bytes big-endian, sign flipped. */
/* Its key as a big-endian number: as the ids, so their keys. */
static inline uint64_t mn_row_id_key(int64_t row_id)
{
    return (uint64_t)row_id ^ (UINT64_C(1) << 63);
}

static inline void mn_row_id_put(uint8_t bytes[MN_ROW_ID_BYTES], int64_t row_id)
{
    mn_put_u64_be(bytes, mn_row_id_key(row_id));
}

static inline int64_t mn_row_id_get(const uint8_t bytes[MN_ROW_ID_BYTES])
{
    uint64_t flipped = mn_get_u64_be(bytes);

    return (int64_t)(flipped ^ (UINT64_C(1) << 63));
}

/* Makes the key the least one above all keys that begin with it: the end of a prefix scan. False:
 * there is none (all bytes are FF, or the key is empty). */
bool mn_key_successor(struct mn_buf *key);

#endif
