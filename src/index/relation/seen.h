/*
 * seen: the nodes that a walk has met.
 *
 *   map     one bit a row id from 0 on, for each of the first tables; empty at first
 *   slots   a hash table of blocks of 64 neighbouring row ids, for all that no map holds
 *
 * Row ids are small and dense more often than not. A walk begins with slots, which cost little
 * where it stays small; when they would have to grow and a map takes no more memory than the grown
 * table would, the map takes over. It has no collisions to look at and is the smaller of the two.
 *
 *   (S1) a row id below the limit of its table's map is in the map and in no slot
 *   (S2) growing adds slots or words of maps, never both, and no more than the slots would take
 */
#ifndef MN_INDEX_RELATION_SEEN_H
#define MN_INDEX_RELATION_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { MN_SEEN_MAPS = 4 };

struct mn_seen_slot {
    int64_t block; /* row id / 64 */
    uint64_t bits; /* the row ids of the block that were seen */
    uint32_t table;
    uint32_t stamp; /* of the walk that put it here; with another the slot is free */
};

struct mn_seen_map {
    uint64_t *words;
    uint64_t limit; /* row ids below it are here */
    size_t count;   /* of them, those seen */
};

/* All zero: nothing seen, nothing allocated. */
struct mn_seen {
    struct mn_seen_map maps[MN_SEEN_MAPS];
    struct mn_seen_slot *slots;
    size_t count, capacity; /* slots; a power of two */
    uint32_t stamp;
};

void mn_seen_release(struct mn_seen *seen);
/* Forgets all, for the next walk. */
void mn_seen_clear(struct mn_seen *seen);

/* Whether mn_seen_grow must come before the next mn_seen_add. */
static inline bool mn_seen_full(const struct mn_seen *seen)
{
    return 2 * (seen->count + 1) > seen->capacity;
}
/* What it takes, and the most that it will take after mn_seen_grow. */
size_t mn_seen_bytes(const struct mn_seen *seen);
size_t mn_seen_grown_bytes(const struct mn_seen *seen);
enum mn_status mn_seen_grow(struct mn_seen *seen);

bool mn_seen_slot_add(struct mn_seen *seen, uint32_t table, int64_t row_id);
bool mn_seen_has(const struct mn_seen *seen, uint32_t table, int64_t row_id);

/* True where the node was not there before. There must be room: mn_seen_full. */
static inline bool mn_seen_add(struct mn_seen *seen, uint32_t table, int64_t row_id)
{
    uint64_t id = (uint64_t)row_id, bit = UINT64_C(1) << (id & 63);
    struct mn_seen_map *map = &seen->maps[table & (MN_SEEN_MAPS - 1)];
    bool fresh;

    if (table >= MN_SEEN_MAPS || id >= map->limit) return mn_seen_slot_add(seen, table, row_id);
    fresh = !(map->words[id >> 6] & bit);
    map->words[id >> 6] |= bit;
    map->count += fresh;
    return fresh;
}

#endif
