/*
 * page: the header that every tree page and every page of the store's own carries.
 *
 *   0        8        16      22    23     24     26      28    30       32
 *   +--------+--------+-------+-----+------+------+-------+-----+--------+------
 *   |checksum| birth  |number |kind |flags |count |prefix |heap |garbage | body
 *   |        |+ label |       |     |      |      |       |     |        |
 *   +--------+--------+-------+-----+------+------+-------+-----+--------+------
 *   |<---------- the store's --------------->|<---- the tree's (opaque here) ---
 *
 *   checksum  XXH3 keyed by the file's secret over bytes 8 to the end of the page
 *   birth     48 bits: the version that wrote the page; it never changes
 *   label     16 bits behind it, the tree's: the low bits of its number, 0 if unknown. Nothing but
 *             the salvage of a damaged file reads it
 *   number    where the page lies, 48 bits
 *   kind      enum mn_page_kind
 *   flags     low 4 bits: span, the node is page size << span bytes (0 in this format); others 0
 *
 * A pointer to a page (struct mn_ref) is its number and the low 48 bits of its checksum, so a page
 * that is torn, lost, stale or at the wrong place is seen by whoever follows the pointer. Runs, the
 * bytes of long values and vectors, have no header: their pointer (struct mn_run) carries all of
 * it.
 */
#ifndef MN_STORE_PAGE_H
#define MN_STORE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { MN_PAGE_HEADER = 32 }; /* bytes; the first 24 are the store's */

enum { MN_PAGE_SIZE_MIN = 512, MN_PAGE_SIZE_MAX = 65536, MN_PAGE_SIZE_DEFAULT = 4096 };

enum mn_page_kind {
    MN_PAGE_NONE = 0,
    MN_PAGE_LEAF = 1,   /* tree: entries */
    MN_PAGE_BRANCH = 2, /* tree: children */
    MN_PAGE_LOG = 3,    /* store: manifests moved out of the meta slot */
    MN_PAGE_SPACE = 4,  /* store: a checkpoint of the space map */
    MN_PAGE_DELTA = 5   /* tree: buffered changes; reserved, never written by this format */
};

/* The flags of a page, one of leaves and one of branches: how the entries lie in it. */
enum { MN_LEAF_DENSE = 1, MN_BRANCH_SHORT = 2 };

enum { MN_PAGE_SPAN_MASK = 0x0F };

enum { MN_REF_BYTES = 12 }; /* 48 bits number, 48 bits checksum */

#define MN_MASK48 UINT64_C(0xFFFFFFFFFFFF)

/* Set in the number of a node or run that has no place in the file yet. */
#define MN_PAGE_DIRTY (UINT64_C(1) << 47)

struct mn_ref {
    uint64_t page; /* 48 bits; with MN_PAGE_DIRTY: the number of a dirty node */
    uint64_t sum;  /* low 48 bits of the page's checksum; 0 for a dirty node */
};

/*
 * Bytes in 1..n whole pages of their own. A leaf keeps page, birth and size_bytes in 6 bytes each
 * (or fewer where they fit) and sum64 whole. Page 0 is no run.
 */
struct mn_run {
    uint64_t page;  /* 48 bits, MN_PAGE_DIRTY as above */
    uint64_t birth; /* 48 bits: the version that wrote it; 0 while dirty */
    uint64_t sum64; /* 0 while dirty */
    uint64_t size_bytes;
};

static inline bool mn_ref_is_dirty(struct mn_ref ref)
{
    return (ref.page & MN_PAGE_DIRTY) != 0;
}

static inline bool mn_ref_equal(struct mn_ref a, struct mn_ref b)
{
    return a.page == b.page && a.sum == b.sum;
}

/* The 12 bytes of a pointer in a page. */
static inline struct mn_ref mn_get_ref(const uint8_t *at)
{
    return (struct mn_ref){mn_get_u48(at), mn_get_u48(at + 6)};
}

static inline void mn_put_ref(uint8_t *at, struct mn_ref ref)
{
    mn_put_u48(at, ref.page);
    mn_put_u48(at + 6, ref.sum);
}

static inline uint64_t mn_page_checksum(const uint8_t *page)
{
    return mn_get_u64(page);
}

static inline uint64_t mn_page_birth(const uint8_t *page)
{
    return mn_get_u48(page + 8);
}

static inline uint16_t mn_page_label(const uint8_t *page)
{
    return mn_get_u16(page + 14);
}

static inline void mn_page_set_label(uint8_t *page, uint64_t tree)
{
    mn_put_u16(page + 14, (uint16_t)(tree & 0xFFFF));
}

static inline uint64_t mn_page_number(const uint8_t *page)
{
    return mn_get_u48(page + 16);
}

static inline uint8_t mn_page_kind(const uint8_t *page)
{
    return page[22];
}

static inline uint8_t mn_page_flags(const uint8_t *page)
{
    return page[23];
}

/* The flags that a page of that kind may have. */
static inline uint8_t mn_page_flags_known(uint8_t kind)
{
    if (kind == MN_PAGE_LEAF) return MN_LEAF_DENSE;
    return kind == MN_PAGE_BRANCH ? MN_BRANCH_SHORT : 0;
}

#endif
