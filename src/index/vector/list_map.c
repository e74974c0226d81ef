/*
 * list_map: making it, and reading chunks by it.
 */
#include "index/vector/list_map.h"

#include <string.h>

#include "base/alloc.h"
#include "catalog/key.h"
#include "index/vector/posting_inside.h"

enum { KEY_BYTES = 4 + MN_ROW_ID_BYTES };

/* A map costs about as much a chunk as an eighth of a way from the root. */
enum { CHUNKS_A_SEEK = 8 };

/* Of lists that there are or were; farther apart, they are searched for. */
enum { LISTS_A_CHUNK = 4 };

void mn_list_map_release(struct mn_list_map *map)
{
    mn_dealloc(map->places);
    mn_dealloc(map->firsts);
    *map = (struct mn_list_map){.count = 0};
}

/* ---- making ---- */

struct making {
    struct mn_list_map *map;
    const struct mn_postings *postings;
};

static enum mn_status chunk_note(void *context, const struct mn_run_entry *entry)
{
    struct making *making = context;
    struct mn_list_map *map = making->map;
    uint8_t key[KEY_BYTES];
    struct mn_item item = {{key, sizeof key}, entry->value, {NULL, (size_t)entry->run.size_bytes}};
    struct mn_chunk chunk;

    if (entry->prefix.len + entry->suffix.len != sizeof key) {
        item.key.len = 0;
    } else {
        memcpy(key, entry->prefix.data, entry->prefix.len);
        memcpy(key + entry->prefix.len, entry->suffix.data, entry->suffix.len);
    }
    enum mn_status status = mn_chunk_read(making->postings, &item, &chunk);
    if (status != MN_OK) return status;
    if (!mn_grow(&map->places, &map->capacity, map->count + 1, sizeof *map->places)) {
        return mn_fail_nomem();
    }
    map->places[map->count++] = (struct mn_list_place){.list = chunk.list,
                                                       .count = (uint16_t)chunk.count,
                                                       .wide = chunk.wide,
                                                       .high = chunk.high,
                                                       .run = entry->run};
    return MN_OK;
}

/* Numbers are given out one by one, and those of lists that are gone stay away. */
static enum mn_status firsts_make(struct mn_list_map *map, size_t limit_bytes)
{
    size_t end = (size_t)map->places[map->count - 1].list + 1;
    size_t room =
        limit_bytes / sizeof *map->firsts - map->count * sizeof *map->places / sizeof *map->firsts;

    if (end / LISTS_A_CHUNK > map->count || end >= room) return MN_OK;
    map->firsts = mn_alloc((end + 1) * sizeof *map->firsts);
    if (!map->firsts) return mn_fail_nomem();
    for (size_t list = 0, at = 0; list <= end; list++) {
        while (at < map->count && map->places[at].list < list) at++;
        map->firsts[list] = (uint32_t)at;
    }
    map->lists_end = end;
    return MN_OK;
}

static enum mn_status map_make(struct mn_list_map *map, const struct mn_postings *postings,
                               size_t limit_bytes)
{
    struct making making = {map, postings};

    map->root.page = 0;
    map->count = map->lists_end = 0;
    mn_dealloc(map->firsts);
    map->firsts = NULL;
    enum mn_status status = mn_tree_runs(postings->view, postings->tree, chunk_note, &making);
    if (status == MN_OK && map->count > 0) status = firsts_make(map, limit_bytes);
    if (status != MN_OK || map->count == 0) return status;
    map->tree = postings->tree;
    map->root = map->wanted;
    return MN_OK;
}

enum mn_status mn_list_map_want(struct mn_list_map *map, const struct mn_postings *postings,
                                uint64_t seeks, size_t limit_bytes, bool *ready)
{
    struct mn_ref root;
    uint64_t chunks;
    enum mn_status status = mn_tree_root(postings->view, postings->tree, &root);

    *ready = false;
    if (status != MN_OK || root.page == 0 || mn_view_writable(postings->view)) return status;
    *ready = map->root.page && map->tree == postings->tree && mn_ref_equal(map->root, root);
    if (*ready) return MN_OK;
    if (!mn_ref_equal(map->wanted, root)) map->seeks = 0;
    map->wanted = root;
    map->seeks += seeks;
    status = mn_tree_count(postings->view, postings->tree, &chunks);
    if (status != MN_OK || map->seeks < chunks / CHUNKS_A_SEEK) return status;
    if (chunks > limit_bytes / sizeof *map->places) return MN_OK;
    status = map_make(map, postings, limit_bytes);
    *ready = status == MN_OK && map->root.page;
    if (!*ready) mn_list_map_release(map);
    map->wanted = root; /* what was in vain is tried again after as many seeks more */
    return status;
}

/* ---- finding ---- */

/* The first place whose list is not below this one. */
static size_t place_find(const struct mn_list_map *map, uint64_t list)
{
    size_t low = 0, high = map->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (map->places[middle].list < list)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t mn_list_map_find(const struct mn_list_map *map, uint32_t list, size_t *at)
{
    size_t end;

    if (map->firsts) {
        *at = map->firsts[list < map->lists_end ? list : map->lists_end];
        return list < map->lists_end ? map->firsts[list + 1] - *at : 0;
    }
    end = *at = place_find(map, list);
    while (end < map->count && map->places[end].list == list) end++;
    return end - *at;
}

enum mn_status mn_list_map_chunk(struct mn_list_map *map, const struct mn_postings *postings,
                                 size_t at, struct mn_chunk *chunk)
{
    struct mn_list_place *place = &map->places[at];
    uint64_t pages = mn_run_pages(postings->view, place->run.size_bytes);
    const uint8_t *mapped = mn_run_mapped(postings->view, place->run.page, pages), *base = mapped;

    if (!place->read || !mapped) {
        enum mn_status status = mn_run_read(postings->view, &place->run, &base);

        if (status != MN_OK) return status;
        place->read = base == mapped;
    }
    *chunk = (struct mn_chunk){
        .list = place->list,
        .count = place->count,
        .wide = place->wide,
        .high = place->high,
        .groups = {.base = base,
                   .stride = mn_group_bytes(&postings->form, place->wide),
                   .count = (place->count + MN_CODE_GROUP - 1) / MN_CODE_GROUP},
        .postings = postings,
    };
    return MN_OK;
}
