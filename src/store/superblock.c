/*
 * superblock: what the file is and how it is laid out.
 */
#include "store/superblock.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "store/page.h"

enum {
    AT_FORMAT = 16,
    AT_PAGE_SIZE = 20,
    AT_COMPATIBLE = 24,
    AT_RO_COMPATIBLE = 32,
    AT_INCOMPATIBLE = 40,
    AT_UUID = 48,
    AT_SECRET = 64,
    AT_CREATED = 72,
    AT_CHECKSUM = 4088
};

/* The features this build knows. */
#define KNOWN_RO_COMPATIBLE ((uint64_t)(MN_FEATURE_CODES | MN_FEATURE_UNPLACED))
#define KNOWN_INCOMPATIBLE ((uint64_t)(MN_FEATURE_DENSE | MN_FEATURE_SHORT))

/* A transfer as text changes the first byte, one of the line ends or the end-of-file mark. */
static const uint8_t magic[16] = {0x89, 'm',  'n',  'e', 'm',  'e', '\r', '\n',
                                  0x1A, '\n', 0x00, 'd', 0xFF, 'b', 0x80, '\n'};
static_assert(AT_CHECKSUM + 8 == MN_SUPERBLOCK_BYTES, "the checksum ends the superblock");

static uint64_t checksum(const uint8_t *bytes)
{
    return mn_hash(bytes, AT_CHECKSUM, 0);
}

void mn_superblock_encode(const struct mn_superblock *superblock, uint8_t *bytes)
{
    memset(bytes, 0, MN_SUPERBLOCK_BYTES);
    memcpy(bytes, magic, sizeof magic);
    mn_put_u32(bytes + AT_FORMAT, MN_FORMAT);
    mn_put_u32(bytes + AT_PAGE_SIZE, superblock->page_size);
    mn_put_u64(bytes + AT_COMPATIBLE, superblock->compatible);
    mn_put_u64(bytes + AT_RO_COMPATIBLE, superblock->ro_compatible);
    mn_put_u64(bytes + AT_INCOMPATIBLE, superblock->incompatible);
    memcpy(bytes + AT_UUID, superblock->uuid, sizeof superblock->uuid);
    mn_put_u64(bytes + AT_SECRET, superblock->secret);
    mn_put_u64(bytes + AT_CREATED, (uint64_t)superblock->created_us);
    mn_put_u64(bytes + AT_CHECKSUM, checksum(bytes));
}

static bool page_size_fits(uint32_t size)
{
    return size >= MN_PAGE_SIZE_MIN && size <= MN_PAGE_SIZE_MAX && (size & (size - 1)) == 0;
}

enum mn_status mn_superblock_decode(const uint8_t *bytes, uint64_t have,
                                    struct mn_superblock *superblock, bool *readonly)
{
    uint32_t format;
    uint64_t unknown;

    *readonly = false;
    if (have == 0) return mn_fail(MN_NOTADB, "the file is empty");
    if (have < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0) {
        return mn_fail(MN_NOTADB, "the file is not a mneme database");
    }
    if (have < MN_SUPERBLOCK_BYTES) {
        return mn_fail(MN_CORRUPT, "page 0, the superblock, is cut after %" PRIu64 " bytes", have);
    }
    if (checksum(bytes) != mn_get_u64(bytes + AT_CHECKSUM)) {
        return mn_fail(MN_CORRUPT, "page 0, the superblock, is damaged: its checksum differs");
    }
    format = mn_get_u32(bytes + AT_FORMAT);
    if (format != MN_FORMAT) {
        (void)mn_fail(MN_VERSION, "the file has format %" PRIu32 ", this build reads %d", format,
                      MN_FORMAT);
        return mn_hint(format < MN_FORMAT ? "dump it with the build that made it, and load that"
                                          : "open it with a newer build");
    }
    superblock->page_size = mn_get_u32(bytes + AT_PAGE_SIZE);
    superblock->compatible = mn_get_u64(bytes + AT_COMPATIBLE);
    superblock->ro_compatible = mn_get_u64(bytes + AT_RO_COMPATIBLE);
    superblock->incompatible = mn_get_u64(bytes + AT_INCOMPATIBLE);
    memcpy(superblock->uuid, bytes + AT_UUID, sizeof superblock->uuid);
    superblock->secret = mn_get_u64(bytes + AT_SECRET);
    superblock->created_us = (int64_t)mn_get_u64(bytes + AT_CREATED);
    unknown = superblock->incompatible & ~KNOWN_INCOMPATIBLE;
    if (unknown) {
        return mn_fail(MN_VERSION, "the file uses features this build does not know (%#" PRIx64 ")",
                       unknown);
    }
    if (!page_size_fits(superblock->page_size)) {
        return mn_fail(MN_CORRUPT, "page 0, the superblock, claims pages of %" PRIu32 " bytes",
                       superblock->page_size);
    }
    *readonly = (superblock->ro_compatible & ~KNOWN_RO_COMPATIBLE) != 0;
    return MN_OK;
}
