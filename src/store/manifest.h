/*
 * manifest: what one commit did to the space of the file, in 40 to 100 bytes.
 *
 *   entry:    length of the rest | version | parent | born extents | groups | groups x dead group
 *   dead:     birth of its pages | extents
 *   extents:  count | count x { gap after the end of the one before, pages }
 *
 * All numbers are varints. One entry serves as free-space delta, as the list of pages that recovery
 * verifies, and as the list an incremental copy needs. The entries since the last checkpoint of the
 * space map form the log: its newest part lies in the meta slot, the older in chained log pages.
 */
#ifndef MN_STORE_MANIFEST_H
#define MN_STORE_MANIFEST_H

#include "base/buf.h"
#include "store/extents.h"

struct mn_manifest {
    uint64_t version, parent;
    struct mn_extents born; /* sorted, joined */
    struct mn_deaths dead;  /* sorted by birth, then page; death is `version` */
};

void mn_manifest_release(struct mn_manifest *manifest);
enum mn_status mn_manifest_encode(const struct mn_manifest *manifest, struct mn_buf *out);
/*
 * Reads the entry at *at and moves *at behind it. Nothing in it is trusted: MN_CORRUPT unless it is
 * whole, sorted and within page numbers of 48 bits. The lists of *manifest are used again.
 */
enum mn_status mn_manifest_decode(const uint8_t **at, const uint8_t *end,
                                  struct mn_manifest *manifest);

/* The same forms, for checkpoints of the space map. */
enum mn_status mn_extents_encode(const struct mn_extents *extents, struct mn_buf *out);
enum mn_status mn_extents_decode(const uint8_t **at, const uint8_t *end,
                                 struct mn_extents *extents);
enum mn_status mn_varint_encode(uint64_t value, struct mn_buf *out);
enum mn_status mn_varint_decode(const uint8_t **at, const uint8_t *end, uint64_t *value);

#endif
