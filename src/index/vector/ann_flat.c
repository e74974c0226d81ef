/*
 * ann_flat: one flat list, exactly.
 *
 * One scan gives the upper bound of every row. Those with the highest are scored first: their
 * distances are near the final ones, and leave few of the others, whose bounds are there already.
 */
#include <math.h>

#include "base/alloc.h"
#include "index/vector/ann_hunt.h"

/* A chunk whose upper bounds are known: they begin at `at`. */
struct bounded {
    struct mn_chunk chunk;
    size_t at;
};

struct flat {
    float *uppers;
    struct bounded *chunks;
    size_t count, capacity, chunk_count, chunk_capacity;
};

static enum mn_status flat_add(struct mn_hunt *hunt, struct flat *flat,
                               const struct mn_chunk *chunk)
{
    uint16_t hits[MN_HUNT_GROUPS_MAX];
    size_t room = (size_t)chunk->groups.count * MN_CODE_GROUP;

    if (!mn_grow(&flat->uppers, &flat->capacity, flat->count + room, sizeof *flat->uppers) ||
        !mn_grow(&flat->chunks, &flat->chunk_capacity, flat->chunk_count + 1,
                 sizeof *flat->chunks)) {
        return mn_fail_nomem();
    }
    hunt->kernels->code_scan(&hunt->scan, &chunk->groups, -INFINITY, flat->uppers + flat->count,
                             hits);
    flat->chunks[flat->chunk_count++] = (struct bounded){*chunk, flat->count};
    flat->count += room;
    hunt->counts->codes += chunk->count;
    return MN_OK;
}

/* The bounds of all rows; the chunks lie in the map or in dirty nodes, and nothing is written. */
static enum mn_status flat_read(struct mn_hunt *hunt, struct flat *flat)
{
    struct mn_list list = mn_hunt_list(hunt, 0);
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_seek(&hunt->postings, list.prefix, &list.number);

    hunt->counts->lists++;
    while (status == MN_OK) {
        status = mn_posting_scan_next(&hunt->postings, &chunk, &found);
        if (status != MN_OK || !found) break;
        status = flat_add(hunt, flat, &chunk);
        if (status == MN_OK) status = mn_hunt_tick(hunt);
    }
    return status;
}

/* Those of a group that are not at or below `least`: a NaN is a hit. Most groups have none, which
 * is found out in a loop that the compiler makes SIMD of. */
static unsigned group_hits(const float *uppers, float least)
{
    unsigned hits = 0;
    int any = 0;

    for (unsigned i = 0; i < MN_CODE_GROUP; i++) any |= !(uppers[i] <= least);
    for (unsigned i = 0; any && i < MN_CODE_GROUP; i++) {
        hits |= (unsigned)!(uppers[i] <= least) << i;
    }
    return hits;
}

/* Takes the rows whose bound is above what is of use, or is no number. */
static enum mn_status flat_take(struct mn_hunt *hunt, const struct flat *flat)
{
    enum mn_status status = MN_OK;

    for (size_t c = 0; c < flat->chunk_count; c++) {
        const struct mn_chunk *chunk = &flat->chunks[c].chunk;
        const float *uppers = flat->uppers + flat->chunks[c].at;

        for (uint32_t g = 0; g < chunk->count && status == MN_OK; g += MN_CODE_GROUP) {
            unsigned hits = group_hits(uppers + g, hunt->least) & mn_hunt_group_full(chunk, g);

            for (; hits && status == MN_OK; hits &= hits - 1) {
                uint32_t i = g + (unsigned)__builtin_ctz(hits);

                if (uppers[i] <= hunt->least) continue; /* it has risen since */
                status = mn_hunt_take_exact(hunt, uppers[i], chunk, i);
            }
        }
        if (status != MN_OK) return status;
    }
    return status;
}

/* Scores the rows of the highest bounds; a bound that is no number is left for flat_take. */
static enum mn_status flat_likeliest(struct mn_hunt *hunt, const struct flat *flat)
{
    struct mn_highest high;

    _Static_assert(MN_HUNT_WARM_K_MAX + MN_HUNT_MORE_THAN_K <= MN_HIGHEST_MAX, "all have room");
    mn_highest_begin(&high, (size_t)hunt->query->search.k + MN_HUNT_MORE_THAN_K);
    for (size_t c = 0; c < flat->chunk_count; c++) {
        const struct mn_chunk *chunk = &flat->chunks[c].chunk;
        const float *uppers = flat->uppers + flat->chunks[c].at;

        for (uint32_t g = 0; g < chunk->count; g += MN_CODE_GROUP) {
            unsigned hits = group_hits(uppers + g, high.least) & mn_hunt_group_full(chunk, g);

            for (; hits; hits &= hits - 1) {
                uint32_t i = g + (unsigned)__builtin_ctz(hits);

                if (uppers[i] > high.least) {
                    mn_highest_offer(&high, uppers[i], mn_chunk_row(chunk, i));
                }
            }
        }
    }
    return mn_hunt_score(hunt, high.rows, high.count);
}

enum mn_status mn_hunt_flat(struct mn_hunt *hunt)
{
    struct flat flat = {.count = 0};

    hunt->scan = mn_code_ask_bound(&hunt->ask, &hunt->slack);
    enum mn_status status = flat_read(hunt, &flat);
    if (status == MN_OK) status = flat_likeliest(hunt, &flat);
    if (status == MN_OK) status = mn_search_settle(hunt->scorer);
    if (status == MN_OK) status = mn_hunt_begin_exact(hunt);
    if (status == MN_OK) status = flat_take(hunt, &flat);
    if (status == MN_OK) status = mn_hunt_score_exact(hunt);
    mn_dealloc(flat.uppers);
    mn_dealloc(flat.chunks);
    return status;
}

enum mn_status mn_ann_flat_rows(const struct mn_ann *ann, struct mn_bytes prefix,
                                struct mn_ann_rows *rows)
{
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    bool found = true, flat = true;

    rows->count = 0;
    enum mn_status status = mn_posting_scan_open(&ann->postings, &scan);
    if (status == MN_OK) status = mn_posting_scan_seek(&scan, prefix, NULL);
    while (status == MN_OK && flat) {
        status = mn_posting_scan_next(&scan, &chunk, &found);
        if (status != MN_OK || !found) break;
        flat = chunk.list == MN_LIST_FLAT && rows->count + chunk.count <= rows->most;
        if (!flat) break;
        if (!mn_grow(&rows->ids, &rows->capacity, rows->count + chunk.count, sizeof *rows->ids)) {
            status = mn_fail_nomem();
            break;
        }
        for (uint32_t i = 0; i < chunk.count; i++) {
            rows->ids[rows->count++] = mn_chunk_row(&chunk, i);
        }
    }
    if (!flat) rows->count = 0;
    mn_posting_scan_close(&scan);
    return status;
}
