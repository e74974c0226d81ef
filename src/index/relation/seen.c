/*
 * seen: slots and how maps take over from them.
 */
#include "index/relation/seen.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

enum { SLOTS_LEAST = 256, LEAPS_BELOW = 1 << 16, WORDS_A_NODE = 16 };

void mn_seen_release(struct mn_seen *seen)
{
    for (uint32_t i = 0; i < MN_SEEN_MAPS; i++) mn_dealloc(seen->maps[i].words);
    mn_dealloc(seen->slots);
    *seen = (struct mn_seen){0};
}

/* A map that is large for what the walk put into it would cost the small walks to come: it is given
 * up. */
static void map_clear(struct mn_seen_map *map)
{
    size_t words = (size_t)(map->limit / 64);

    if (map->count == 0 && words == 0) return;
    if (words / WORDS_A_NODE > map->count) {
        mn_dealloc(map->words);
        *map = (struct mn_seen_map){0};
        return;
    }
    memset(map->words, 0, words * sizeof *map->words);
    map->count = 0;
}

void mn_seen_clear(struct mn_seen *seen)
{
    for (uint32_t i = 0; i < MN_SEEN_MAPS; i++) map_clear(&seen->maps[i]);
    seen->count = 0;
    if (++seen->stamp != 0) return;
    /* The stamps have come round: old ones would be taken for new. */
    if (seen->slots) memset(seen->slots, 0, seen->capacity * sizeof *seen->slots);
    seen->stamp = 1;
}

/* ---- slots ---- */

/* The slot of a block, or the free one where it would stand. */
static inline struct mn_seen_slot *slot_find(const struct mn_seen *seen, int64_t block,
                                             uint32_t table)
{
    uint64_t hash = mn_hash_mix(table + UINT64_C(1), (uint64_t)block);
    size_t mask = seen->capacity - 1, at = (size_t)(hash >> 7) & mask;

    while (seen->slots[at].stamp == seen->stamp) {
        if (seen->slots[at].block == block && seen->slots[at].table == table) break;
        at = (at + 1) & mask;
    }
    return &seen->slots[at];
}

bool mn_seen_slot_add(struct mn_seen *seen, uint32_t table, int64_t row_id)
{
    uint64_t bit = UINT64_C(1) << (row_id & 63);
    struct mn_seen_slot *slot = slot_find(seen, row_id >> 6, table);
    bool fresh;

    if (slot->stamp != seen->stamp) {
        *slot = (struct mn_seen_slot){row_id >> 6, 0, table, seen->stamp};
        seen->count++;
    }
    fresh = !(slot->bits & bit);
    slot->bits |= bit;
    return fresh;
}

bool mn_seen_has(const struct mn_seen *seen, uint32_t table, int64_t row_id)
{
    uint64_t id = (uint64_t)row_id;
    const struct mn_seen_slot *slot;

    if (table < MN_SEEN_MAPS && id < seen->maps[table].limit) {
        return seen->maps[table].words[id >> 6] >> (id & 63) & 1;
    }
    if (seen->capacity == 0) return false;
    slot = slot_find(seen, row_id >> 6, table);
    return slot->stamp == seen->stamp && (slot->bits >> (id & 63) & 1);
}

/* ---- growing ---- */

static size_t slots_grown(const struct mn_seen *seen)
{
    if (seen->capacity == 0) return SLOTS_LEAST;
    return seen->capacity * (seen->capacity < LEAPS_BELOW ? 4 : 2);
}

static size_t maps_bytes(const struct mn_seen *seen)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < MN_SEEN_MAPS; i++) bits += seen->maps[i].limit;
    return (size_t)(bits / 8);
}

size_t mn_seen_bytes(const struct mn_seen *seen)
{
    return maps_bytes(seen) + seen->capacity * sizeof *seen->slots;
}

/* (S2) */
size_t mn_seen_grown_bytes(const struct mn_seen *seen)
{
    return maps_bytes(seen) + slots_grown(seen) * sizeof *seen->slots;
}

/* Slots of this capacity with what the old ones hold, but for what belongs into maps by now. */
static enum mn_status slots_rebuild(struct mn_seen *seen, size_t capacity)
{
    struct mn_seen_slot *old = seen->slots;
    size_t old_capacity = seen->capacity;
    struct mn_seen_slot *slots = mn_zalloc(capacity * sizeof *slots);

    if (!slots) return mn_fail_nomem();
    seen->slots = slots;
    seen->capacity = capacity;
    seen->count = 0;
    if (seen->stamp == 0) seen->stamp = 1;
    for (size_t i = 0; i < old_capacity; i++) {
        struct mn_seen_map *map = &seen->maps[old[i].table & (MN_SEEN_MAPS - 1)];

        if (old[i].stamp != seen->stamp) continue;
        if (old[i].table < MN_SEEN_MAPS && (uint64_t)old[i].block < map->limit / 64) {
            map->words[old[i].block] = old[i].bits;
            map->count += (size_t)__builtin_popcountll(old[i].bits);
        } else {
            *slot_find(seen, old[i].block, old[i].table) = old[i];
            seen->count++;
        }
    }
    mn_dealloc(old);
    return MN_OK;
}

/* What a map would have to be that holds every slot of its table; row ids below 0 stay in slots. */
struct wanted {
    uint64_t words;
    size_t moved; /* slots */
};

static void maps_wanted(const struct mn_seen *seen, struct wanted wanted[MN_SEEN_MAPS])
{
    memset(wanted, 0, MN_SEEN_MAPS * sizeof *wanted);
    for (size_t i = 0; i < seen->capacity; i++) {
        const struct mn_seen_slot *slot = &seen->slots[i];
        struct wanted *of = &wanted[slot->table & (MN_SEEN_MAPS - 1)];

        if (slot->stamp != seen->stamp || slot->table >= MN_SEEN_MAPS || slot->block < 0) continue;
        if ((uint64_t)slot->block >= of->words) of->words = (uint64_t)slot->block + 1;
        of->moved++;
    }
}

static enum mn_status map_widen(struct mn_seen_map *map, size_t words)
{
    uint64_t *wide = mn_zalloc(words * sizeof *wide);

    if (!wide) return mn_fail_nomem();
    if (map->limit > 0) memcpy(wide, map->words, (size_t)(map->limit / 8));
    mn_dealloc(map->words);
    map->words = wide;
    map->limit = 64 * (uint64_t)words;
    return MN_OK;
}

/* The maps that take no more together than slots of the capacity would (S2), if they leave room
 * enough in the slots of today. */
static enum mn_status maps_make(struct mn_seen *seen, size_t capacity, bool *made)
{
    size_t room = (capacity - seen->capacity) * sizeof *seen->slots / sizeof(uint64_t);
    size_t left = seen->count;
    size_t words[MN_SEEN_MAPS] = {0};
    struct wanted wanted[MN_SEEN_MAPS];
    enum mn_status status = MN_OK;

    maps_wanted(seen, wanted);
    for (uint32_t i = 0; i < MN_SEEN_MAPS; i++) {
        uint64_t least = wanted[i].words, wide = least + least / 4; /* others may lie further up */

        if (wanted[i].moved == 0 || least > room) continue;
        words[i] = (size_t)(wide < room ? wide : room);
        room -= words[i];
        left -= wanted[i].moved;
    }
    *made = 4 * left <= seen->capacity && left < seen->count;
    for (uint32_t i = 0; i < MN_SEEN_MAPS && *made && status == MN_OK; i++) {
        if (words[i] > 0) status = map_widen(&seen->maps[i], words[i]);
    }
    return status;
}

enum mn_status mn_seen_grow(struct mn_seen *seen)
{
    size_t capacity = slots_grown(seen);
    bool made;
    enum mn_status status = maps_make(seen, capacity, &made);

    return status == MN_OK ? slots_rebuild(seen, made ? seen->capacity : capacity) : status;
}
