/*
 * spill: sorted runs of a sorter's entries, in a file without a name, and their merging.
 *
 *   run      blocks of BLOCK bytes: bytes of the run, their hash u64; the last one is shorter
 *   entry    value's length u32, key's u16, unique bytes u16, row u64, key, value; it may go on in
 *            the next block
 *
 * A merge reads each run a block at a time. Where there would be more runs than blocks that
 * memory has room for, those of the same level become one of the next before another is written:
 * each entry is written once a level.
 */
#ifndef MN_INDEX_SPILL_H
#define MN_INDEX_SPILL_H

#include "base/bytes.h"
#include "base/watch.h"
#include "btree/tree.h"

enum { MN_ENTRY_WORD = 8, MN_ENTRY_ROW_BYTES = 8 };
enum { MN_ENTRIES_BETWEEN_TICKS = 256 };

/* An entry that waits in memory: what lies at `at` is the row, the key, the value. */
struct mn_sorter_entry {
    uint64_t word; /* of the key, big-endian, zeros past its end */
    const uint8_t *at;
    uint32_t value_bytes;
    uint16_t key_bytes, unique_bytes;
};

static inline const uint8_t *mn_entry_key(const struct mn_sorter_entry *entry)
{
    return entry->at + MN_ENTRY_ROW_BYTES;
}

static inline uint64_t mn_entry_row(const struct mn_sorter_entry *entry)
{
    return mn_get_u64(entry->at);
}

/* The first eight bytes of a key. */
uint64_t mn_entry_word(struct mn_bytes key);
/* By key, then by row: as qsort asks. */
int mn_entry_order(const void *a, const void *b);

struct mn_spill;

/* memory_bytes: of the blocks that a merge may hold; at least 16 of them it will. The watch, which
 * may be NULL and must last as long, is asked while runs are joined. */
enum mn_status mn_spill_make(struct mn_store *store, uint64_t memory_bytes,
                             const struct mn_watch *watch, struct mn_spill **out);
void mn_spill_free(struct mn_spill *spill); /* NULL is harmless */
/* Writes a run of sorted entries. MN_FULL, MN_IOERR: the spill is good for nothing but its end. */
enum mn_status mn_spill_run(struct mn_spill *spill, const struct mn_sorter_entry *entries,
                            size_t count);

/* All runs, merged; then mn_spill_next gives one entry after the other, in order. */
enum mn_status mn_spill_begin(struct mn_spill *spill);
/*
 * *entry NULL: there are no more. *before is the one that was given last, NULL at first. Both are
 * valid until the next call. MN_IOERR: the file does not give what was written.
 */
enum mn_status mn_spill_next(struct mn_spill *spill, const struct mn_sorter_entry **entry,
                             const struct mn_sorter_entry **before);

#endif
