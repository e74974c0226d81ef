/*
 * slab_map: making the list, and finding rows by it.
 */
#include "index/vector/slab_map.h"

#include <string.h>

#include "base/alloc.h"
#include "index/vector/slab_node.h"

/* A list costs about as much a slab as an eighth of a way from the root. */
enum { SLABS_A_SEEK = 8 };
enum { LIST_BYTES = sizeof(struct mn_slab_place) + sizeof(struct mn_slab_origin) };

void mn_slab_map_release(struct mn_slab_map *map)
{
    mn_dealloc(map->places);
    mn_dealloc(map->origins);
    mn_dealloc(map->offsets);
    *map = (struct mn_slab_map){.count = 0};
}

/* ---- making ---- */

struct making {
    struct mn_slab_map *map;
    const struct mn_slabs *slabs;
    size_t limit_bytes;
    uint64_t rows;
    bool full; /* the list would be too long, or a gap in it too wide */
    struct mn_slab slab;
};

static enum mn_status room_make(struct mn_slab_map *map, size_t offsets)
{
    if (mn_grow(&map->places, &map->capacity, map->count + 1, sizeof *map->places) &&
        mn_grow(&map->origins, &map->origin_capacity, map->count + 1, sizeof *map->origins) &&
        mn_grow(&map->offsets, &map->offset_capacity, map->offset_count + offsets + 1,
                sizeof *map->offsets)) {
        return MN_OK;
    }
    return mn_fail_nomem();
}

static void offsets_note(struct making *making)
{
    struct mn_slab_map *map = making->map;
    const struct mn_slab *slab = &making->slab;

    for (size_t i = 0; i < slab->count; i++) {
        uint64_t offset = (uint64_t)slab->ids[i] - (uint64_t)slab->ids[0];

        if (offset > UINT32_MAX) making->full = true;
        map->offsets[map->offset_count++] = (uint32_t)offset;
    }
}

static enum mn_status slab_note(void *context, const struct mn_run_entry *entry)
{
    struct making *making = context;
    struct mn_slab_map *map = making->map;
    struct mn_slab *slab = &making->slab;
    uint8_t key[MN_SLAB_KEY_BYTES];
    struct mn_item item = {{key, sizeof key}, entry->value, {NULL, (size_t)entry->run.size_bytes}};

    if (making->full) return MN_OK;
    if (entry->prefix.len + entry->suffix.len != sizeof key) item.key.len = 0;
    if (item.key.len) {
        memcpy(key, entry->prefix.data, entry->prefix.len);
        memcpy(key + entry->prefix.len, entry->suffix.data, entry->suffix.len);
    }
    enum mn_status status = mn_slab_read(making->slabs, &item, slab);
    if (status != MN_OK) return status;
    size_t offsets = slab->consecutive ? 0 : slab->count;
    status = room_make(map, offsets);
    if (status != MN_OK) return status;
    map->origins[map->count] = (struct mn_slab_origin){entry->run.birth, entry->run.sum64};
    map->places[map->count++] = (struct mn_slab_place){
        .first = slab->ids[0],
        .page = entry->run.page,
        .ids_at = (uint32_t)map->offset_count,
        .count = (uint16_t)slab->count,
        .pages = (uint8_t)mn_run_pages(making->slabs->view, entry->run.size_bytes),
        .consecutive = slab->consecutive,
    };
    making->rows += slab->count;
    if (offsets) offsets_note(making);
    size_t bytes = map->count * LIST_BYTES + map->offset_count * sizeof *map->offsets;
    if (bytes > making->limit_bytes || map->offset_count > UINT32_MAX / 2) making->full = true;
    return MN_OK;
}

static enum mn_status map_make(struct mn_slab_map *map, const struct mn_slabs *slabs,
                               size_t limit_bytes)
{
    struct making making = {.map = map, .slabs = slabs, .limit_bytes = limit_bytes};

    map->root.page = 0;
    map->count = map->offset_count = 0;
    enum mn_status status = mn_tree_runs(slabs->view, slabs->tree, slab_note, &making);
    if (status != MN_OK || making.full || map->count == 0) return status;
    map->tree = slabs->tree;
    map->root = map->wanted;
    map->slabs_a_row = (double)map->count / (double)making.rows;
    return MN_OK;
}

enum mn_status mn_slab_map_want(struct mn_slab_map *map, const struct mn_slabs *slabs,
                                uint64_t seeks, size_t limit_bytes, bool *ready)
{
    struct mn_ref root;
    uint64_t entries;
    enum mn_status status = mn_tree_root(slabs->view, slabs->tree, &root);

    *ready = false;
    if (status != MN_OK || root.page == 0 || mn_view_writable(slabs->view)) return status;
    *ready = map->root.page && map->tree == slabs->tree && mn_ref_equal(map->root, root);
    if (*ready) return MN_OK;
    if (!mn_ref_equal(map->wanted, root)) map->seeks = 0;
    map->wanted = root;
    map->seeks += seeks;
    status = mn_tree_count(slabs->view, slabs->tree, &entries);
    if (status != MN_OK || map->seeks < entries / SLABS_A_SEEK) return status;
    if (entries > limit_bytes / LIST_BYTES) return MN_OK;
    status = map_make(map, slabs, limit_bytes);
    *ready = status == MN_OK && map->root.page;
    if (!*ready) mn_slab_map_release(map);
    map->wanted = root; /* what was in vain is tried again after as many seeks more */
    return status;
}

/* ---- finding ---- */

/* About where the place of a row is, counted from another one. */
static size_t place_guess(const struct mn_slab_map *map, size_t hint, int64_t row_id)
{
    double from = (double)map->places[hint].first;
    double guess = (double)hint + ((double)row_id - from) * map->slabs_a_row;
    size_t last = map->count - 1;

    return guess < 0 ? 0 : guess < (double)last ? (size_t)guess : last;
}

/* The last place that does not begin behind the row; 0 where all do. The guess is nearly always
 * right, or a neighbour: else the steps double until the row is between two places. */
static size_t place_find(const struct mn_slab_map *map, size_t hint, int64_t row_id)
{
    const struct mn_slab_place *places = map->places;
    size_t last = map->count - 1, step = 1;
    size_t at = place_guess(map, hint, row_id);
    size_t low = at, high = at;

    if (places[at].first <= row_id) {
        for (; low + step <= last && places[low + step].first <= row_id; step *= 2) low += step;
        high = low + step <= last ? low + step : map->count;
    } else {
        for (; high >= step && places[high - step].first > row_id; step *= 2) high -= step;
        low = high >= step ? high - step : 0;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (places[middle].first <= row_id)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* (I2) */
static enum mn_status place_base(const struct mn_slab_map *map, const struct mn_slabs *slabs,
                                 size_t at, const uint8_t **base)
{
    struct mn_slab_place *place = &map->places[at];

    if (place->read) {
        *base = mn_run_mapped(slabs->view, place->page, place->pages);
        if (*base) return MN_OK;
    }
    struct mn_run run = {place->page, map->origins[at].birth, map->origins[at].sum64,
                         mn_slabs_run_bytes(slabs, place->count)};
    enum mn_status status = mn_run_read(slabs->view, &run, base);
    if (status == MN_OK) place->read = true;
    return status;
}

/* The position of a row in a slab whose ids have gaps; count: it is not there. */
static size_t position_find(const struct mn_slab_map *map, const struct mn_slab_place *place,
                            uint64_t offset)
{
    const uint32_t *offsets = map->offsets + place->ids_at;
    size_t low = 0, high = place->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (offsets[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < place->count && offsets[low] == offset ? low : place->count;
}

/* How many of the first rows have consecutive ids. */
static size_t ids_together(const int64_t *row_ids, size_t most)
{
    size_t n = 1;

    uint64_t first = (uint64_t)row_ids[0];

    if ((uint64_t)row_ids[most - 1] - first == most - 1) return most;
    while (n < most && (uint64_t)row_ids[n] - first == n) n++;
    return n;
}

enum mn_status mn_slab_map_find(struct mn_slab_map *map, const struct mn_slabs *slabs,
                                const int64_t *row_ids, size_t most, size_t *hint,
                                struct mn_slab_stretch *stretch)
{
    size_t at = place_find(map, *hint, row_ids[0]), position;
    const struct mn_slab_place *place = &map->places[at];
    uint64_t offset = (uint64_t)row_ids[0] - (uint64_t)place->first;
    const uint8_t *base;

    *hint = at;
    *stretch = (struct mn_slab_stretch){NULL, 1};
    if (row_ids[0] < place->first) return MN_OK;
    position = place->consecutive ? (offset < place->count ? (size_t)offset : place->count)
                                  : position_find(map, place, offset);
    if (position == place->count) return MN_OK;
    enum mn_status status = place_base(map, slabs, at, &base);
    if (status != MN_OK) return status;
    size_t stride = mn_slab_stride(slabs->dims), room = place->count - position;
    stretch->base = (const float *)(const void *)base + position * stride;
    if (place->consecutive) stretch->count = ids_together(row_ids, most < room ? most : room);
    return MN_OK;
}

enum mn_status mn_slab_map_gather(struct mn_slab_map *map, const struct mn_slabs *slabs,
                                  const int64_t *row_ids, size_t count, const float **vectors)
{
    size_t stride = mn_slab_stride(slabs->dims), hint = 0;

    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&map->places[place_guess(map, 0, row_ids[i])]);
    }
    for (size_t i = 0; i < count;) {
        struct mn_slab_stretch stretch;
        enum mn_status status =
            mn_slab_map_find(map, slabs, row_ids + i, count - i, &hint, &stretch);

        if (status != MN_OK) return status;
        for (size_t n = 0; n < stretch.count; n++) {
            vectors[i++] = stretch.base ? stretch.base + n * stride : NULL;
        }
    }
    return MN_OK;
}
