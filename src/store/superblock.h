/*
 * superblock: the first 4 KiB of the file, written once; what the file is and how it is laid out.
 *
 *   0 magic 16 | 16 format u32 | 20 page size u32 | 24 compatible u64 | 32 read-only compatible u64
 *   40 incompatible u64 | 48 uuid 16 | 64 secret u64 | 72 created i64 | 80 zeros | 4088 checksum
 * u64
 *
 * A feature bit that this build does not know: in `compatible` it is ignored, in `read-only
 * compatible` the file can only be read, in `incompatible` it is refused.
 */
#ifndef MN_STORE_SUPERBLOCK_H
#define MN_STORE_SUPERBLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* Format 1, of builds before the first release, had notice and slots at other places. */
enum { MN_SUPERBLOCK_BYTES = 4096, MN_FORMAT = 2 };

/* Bits of `ro_compatible`. */
enum {
    MN_FEATURE_CODES = 1,   /* vector indexes may have trees of codes, which writers maintain */
    MN_FEATURE_UNPLACED = 2 /* and no places beside them */
};

/* Bits of `incompatible`. */
enum {
    MN_FEATURE_DENSE = 1, /* leaves may be dense, and records short */
    MN_FEATURE_SHORT = 2  /* branches may be short */
};

struct mn_superblock {
    uint32_t page_size;
    uint64_t compatible, ro_compatible, incompatible;
    uint8_t uuid[16];
    uint64_t secret; /* keys every checksum of the file */
    int64_t created_us;
};

/* bytes: MN_SUPERBLOCK_BYTES of them. */
void mn_superblock_encode(const struct mn_superblock *superblock, uint8_t *bytes);
/*
 * MN_NOTADB: the magic is not ours; `have` bytes of the file were there. MN_CORRUPT: it was
 * damaged. MN_VERSION: another format or unknown incompatible features. *readonly: unknown features
 * forbid writing.
 */
enum mn_status mn_superblock_decode(const uint8_t *bytes, uint64_t have,
                                    struct mn_superblock *superblock, bool *readonly);

#endif
