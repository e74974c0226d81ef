/*
 * slab_node: what one entry of a slab tree looks like, and how it is read and written.
 *
 * Tree key: 8 bytes, the lower bound of the slab's row ids, big-endian with the sign flipped.
 * Inline value, little-endian:
 *
 *   OFFSET  SIZE  DESCRIPTION
 *        0     1  1 where the row ids are consecutive, else 0
 *        1     1  zero
 *        2     2  count of vectors, 1 to MN_SLAB_ROWS
 *        4     8  row id of the first vector
 *       12        unless consecutive: for each further row id a varint, its distance to the one
 *                 before it less 1
 *
 * Run: count vectors of dims f32 each, one every stride bytes (dims * 4 rounded up to 16), zeros
 * between; then zeros to the end. A stride of whole cache lines was measured against it: at 100
 * dimensions a scan then reads 12 % more and takes 20 % longer, while loads that cross a line cost
 * nothing beside the memory they wait for.
 *
 *   (V1) row ids ascend strictly, and all of a slab lie from its key up to the next slab's key;
 *   (V2) no slab is empty, none has more than mn_slabs_rows_max vectors, none a longer inline value
 *        than mn_slabs_inline_max;
 *   (V3) a run is as long as its vectors need, in whole pages.
 *
 * A slab that is full splits in the middle, or, at the right end of the tree, is left full and a
 * new one begun: rows that arrive in order fill slabs to the brim. The first slab's key is the
 * least there is where it was made for want of a lower one, so that a search almost always finds a
 * floor.
 */
#ifndef MN_INDEX_VECTOR_SLAB_NODE_H
#define MN_INDEX_VECTOR_SLAB_NODE_H

#include "base/bytes.h"
#include "btree/tree.h"
#include "index/vector/slab.h"

enum {
    MN_SLAB_ROWS = 512, /* vectors in one slab at the most */
    MN_SLAB_KEY_BYTES = 8,
    MN_SLAB_HEAD_BYTES = 12,
    MN_SLAB_INLINE_BYTES = MN_SLAB_HEAD_BYTES + MN_SLAB_ROWS * MN_VARINT_BYTES
};

/* A slab taken apart. */
struct mn_slab {
    uint8_t key[MN_SLAB_KEY_BYTES];
    size_t count;
    bool consecutive;
    /* Of consecutive ids only the first is here, until mn_slab_list is called. */
    int64_t ids[MN_SLAB_ROWS + 1]; /* one more than a slab holds: for the row that makes it split */
    const uint8_t *run;
    size_t run_bytes;
};

/* Sizes that follow from the dimensions and the page. */
size_t mn_slabs_stride_bytes(const struct mn_slabs *slabs);
size_t mn_slabs_rows_max(const struct mn_slabs *slabs);
size_t mn_slabs_inline_max(const struct mn_slabs *slabs);
size_t mn_slabs_run_bytes(const struct mn_slabs *slabs, size_t count);

void mn_slab_key_write(uint8_t key[MN_SLAB_KEY_BYTES], int64_t row_id);
int64_t mn_slab_key_read(const uint8_t key[MN_SLAB_KEY_BYTES]);

static inline struct mn_bytes mn_slab_key(const uint8_t key[MN_SLAB_KEY_BYTES])
{
    return (struct mn_bytes){key, MN_SLAB_KEY_BYTES};
}

/* The inline value for `count` ids; `out` has room for the head and MN_VARINT_BYTES an id. Returns
 * its length. */
size_t mn_slab_encode(const int64_t *ids, size_t count, uint8_t *out);

/* Takes an entry of the tree apart. Bytes from the disk are not trusted: MN_CORRUPT. */
enum mn_status mn_slab_read(const struct mn_slabs *slabs, const struct mn_item *item,
                            struct mn_slab *slab);
enum mn_status mn_slab_damaged(const uint8_t key[MN_SLAB_KEY_BYTES], const char *what);

/* The slab that holds row_id, or would; found is false where every key is above it. */
enum mn_status mn_slab_locate(const struct mn_slabs *slabs, struct mn_cursor *cursor,
                              int64_t row_id, struct mn_slab *slab, bool *found);

int64_t mn_slab_id(const struct mn_slab *slab, size_t i);
/* Fills ids with all of them. */
void mn_slab_list(struct mn_slab *slab);
/* The first position whose id is not below row_id. */
size_t mn_slab_position(const struct mn_slab *slab, int64_t row_id);
const float *mn_slab_vector(const struct mn_slabs *slabs, const struct mn_slab *slab, size_t i);

#endif
