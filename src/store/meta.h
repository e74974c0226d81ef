/*
 * meta: the ring of four slots, each the whole account of one version.
 *
 *   unit    0            1        2        3 ...  11       12       13       14 ...  22 ...
 *   +------------+--------+--------+------+--------+--------+--------+------+-------
 *   | superblock | slot 2 | slot 3 | wing | slot 0 | notice | slot 1 | wing | pages
 *   +------------+--------+--------+------+--------+--------+--------+------+-------
 *
 * A unit is max(page size, 4096) bytes, so that one torn write cannot take two slots. The wings are
 * pages like all others, in which the roots of busy trees lie: with them, a slot and the notice
 * that the commit before left dirty go to the device as one piece. Each piece costs about 12 us. A
 * file with pages of more than 4096 bytes has no wings.
 *
 * A slot:
 *
 *     0 checksum u64 of bytes 8..4095, keyed by the secret
 *     8 magic u64             16 version u64          24 parent u64         32 durable u64
 *    40 time i64 us           48 page count u64       56 digest u64         64 chain u64
 *    72 log head {u48, u48}   84 log pages u32        88 log bytes u64
 *    96 checkpoint {u48,u48} 108 flags u32           112 checkpoint version u64
 *   120 checkpoint bytes u64 128 root count u16      130 tail bytes u16    132 zeros
 *   192 counters 8 x u64
 *   256 roots 24 x { tree u64, page u48, sum u48, entries u64, height u32 }
 *  1024 tail: the newest manifests, the slot's own the last
 *
 * Bytes 512..4095 are stored under a mask of the version (mask in meta.c).
 *
 *   (M1) the slot of the last durable version is whole;
 *   (M2) whole slots have different versions;
 *   (M3) every page that the last durable slot reaches is on disk.
 */
#ifndef MN_STORE_META_H
#define MN_STORE_META_H

#include "store/space.h"
#include "store/store.h"
#include "store/superblock.h"

enum { MN_META_SLOTS = 4, MN_META_BYTES = 4096, MN_META_TAIL = 3072 };

/* Where the pages for data are, and at which bytes the slots and the notice. */
struct mn_layout mn_meta_layout(uint32_t page_size);
uint64_t mn_meta_slot_at(uint32_t page_size, uint32_t slot);
uint64_t mn_meta_notice_at(uint32_t page_size);

enum mn_meta_flags {
    MN_META_LARGE = 1, /* the version's own pages were synced before this slot was written */
    MN_META_OWN_LOG =
        2, /* the version's own manifest is the end of the log pages, not of the tail */
    MN_META_KNOWN_FLAGS = 3
};

struct mn_roots {
    struct mn_root list[MN_ROOTS_INLINE];
    uint32_t count;
    uint64_t counters[MN_COUNTERS];
};

struct mn_meta {
    uint64_t version, parent;
    uint64_t durable; /* the last durable version when the slot was written */
    int64_t time_us;
    uint64_t page_count; /* pages below the high-water mark */
    uint64_t digest;     /* of the version's own pages; 0 with MN_META_LARGE */
    uint64_t chain;      /* digest of all digests up to this version */
    struct mn_ref log;   /* newest log page; page 0: none */
    uint32_t log_pages;
    uint64_t log_bytes;       /* manifests in the log pages */
    struct mn_ref checkpoint; /* last page of the checkpoint; page 0: none, all was used once */
    uint64_t checkpoint_version, checkpoint_bytes;
    uint32_t flags;
    /* Copies of what the superblock says, in case it is lost; the secret is with them. */
    uint32_t page_size;
    uint8_t uuid[16];
    int64_t created_us;
    struct mn_roots roots;
    uint16_t tail_bytes;
    uint8_t tail[MN_META_TAIL];
};

void mn_meta_copy_superblock(struct mn_meta *meta, const struct mn_superblock *superblock);
/* bytes: MN_META_BYTES of them. */
void mn_meta_encode(const struct mn_meta *meta, uint64_t secret, uint8_t *bytes);
/* False: torn, damaged, or never written. Nothing else in it is trusted yet. */
bool mn_meta_decode(const uint8_t *stored, uint64_t secret, struct mn_meta *meta);
/* The secret that a slot names, if its checksum holds under it: for a file without a superblock. */
bool mn_meta_secret(const uint8_t *stored, uint64_t *secret);
/*
 * The version that bytes which are not a whole slot still claim, 0: none. A torn slot's number must
 * not be used again: a second tear over the first could put the old slot together, for the
 * manifests of two commits on the same base are often equal to the byte.
 */
uint64_t mn_meta_claim(const uint8_t *bytes);
/* MN_CORRUPT where numbers in a whole slot contradict each other or the file's size. */
enum mn_status mn_meta_validate(const struct mn_meta *meta, uint64_t least_pages,
                                uint64_t file_pages);

/* The versions of the ring: 0 for a slot that is not whole. */
struct mn_ring {
    uint64_t version[MN_META_SLOTS];
    uint64_t claimed; /* the highest version that a slot which is not whole claims, within reason */
};

uint64_t mn_ring_newest(const struct mn_ring *ring);
/*
 * The slot a commit may write: never that of the durable nor of the published version; first one
 * that is not whole or names a version above the published one; then the nearest to the notice,
 * which is the lowest number.
 */
uint32_t mn_ring_choose(const struct mn_ring *ring, uint64_t durable, uint64_t published);

#endif
