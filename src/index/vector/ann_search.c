/*
 * ann_search: lists, codes, candidates, vectors.
 *
 * Two ways to choose candidates share the scan. The quick one keeps the R best estimates. The exact
 * one keeps every row whose score may reach the k-th best lower bound seen so far; then the
 * likeliest are scored first, and the rest falls by its upper bound.
 */
#include "index/vector/ann_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/ann_hunt.h"

enum { GATHER = 64, CANDIDATES_MAX = 1 << 16 };

/* ---- scoring ---- */

static int ids_compare(const void *a, const void *b)
{
    const struct mn_candidate *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* A few are put in order where they are, without qsort's calls. */
static void ids_sort(struct mn_candidate *rows, size_t count)
{
    enum { FEW = 64 };

    if (count > FEW) {
        qsort(rows, count, sizeof *rows, ids_compare);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct mn_candidate row = rows[i];
        size_t at = i;

        for (; at > 0 && row.id < rows[at - 1].id; at--) rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

/* By the list of places, where the caller keeps one and it is ready. */
static enum mn_status vectors_find(struct mn_hunt *hunt, const int64_t *ids, size_t count,
                                   const float **vectors)
{
    const struct mn_ann_query *query = hunt->query;
    const struct mn_slabs *slabs = &hunt->ann->vectors;
    bool ready = false;
    enum mn_status status = MN_OK;

    if (query->map) {
        status = mn_slab_map_want(query->map, slabs, count, query->map_bytes, &ready);
    }
    if (status == MN_OK && ready) return mn_slab_map_gather(query->map, slabs, ids, count, vectors);
    return status == MN_OK ? mn_slab_scan_gather(hunt->vectors, ids, count, vectors) : status;
}

enum mn_status mn_hunt_score(struct mn_hunt *hunt, struct mn_candidate *rows, size_t count)
{
    const float *vectors[GATHER];
    int64_t ids[GATHER];
    enum mn_status status = MN_OK;

    ids_sort(rows, count);
    for (size_t at = 0; at < count && status == MN_OK; at += GATHER) {
        size_t n = count - at < GATHER ? count - at : GATHER;

        for (size_t i = 0; i < n; i++) ids[i] = rows[at + i].id;
        status = vectors_find(hunt, ids, n, vectors);
        for (size_t i = 0; i < n && status == MN_OK; i++) {
            if (!vectors[i]) {
                status =
                    mn_fail(MN_CORRUPT, "index %s has a code for row %lld, which has no vector",
                            hunt->ann->index->name, (long long)ids[i]);
            }
        }
        if (status == MN_OK) status = mn_search_gathered(hunt->scorer, ids, vectors, n);
        hunt->counts->reranked += n;
    }
    return status;
}

/* ---- candidates, the quick way ---- */

/* For one more, and as many again and one: see mn_hunt_best_keep. */
static enum mn_status room_make(struct mn_hunt *hunt)
{
    size_t need = 2 * hunt->count + 3;

    if (mn_grow(&hunt->candidates, &hunt->capacity, need, sizeof *hunt->candidates)) return MN_OK;
    return mn_fail_nomem();
}

void mn_hunt_best_keep(struct mn_hunt *hunt)
{
    struct mn_candidate *best = hunt->candidates + hunt->count;

    if (hunt->count <= hunt->keep) return;
    mn_candidates_select(hunt->candidates, hunt->count, hunt->keep, best);
    memcpy(hunt->candidates, best, hunt->keep * sizeof *best);
    hunt->count = hunt->keep;
}

static enum mn_status quick_take(struct mn_hunt *hunt, float estimate, const struct mn_chunk *chunk,
                                 uint32_t i)
{
    struct mn_candidate row = {estimate, mn_chunk_error(chunk, i), mn_chunk_row(chunk, i)};

    if (isnan(estimate)) return mn_hunt_score(hunt, &row, 1);
    if (room_make(hunt) != MN_OK) return MN_NOMEM;
    hunt->candidates[hunt->count++] = row;
    if (hunt->count < 2 * hunt->keep + 16) return MN_OK;
    mn_hunt_best_keep(hunt);
    float least = hunt->candidates[0].estimate;
    for (size_t at = 1; at < hunt->count; at++) {
        if (hunt->candidates[at].estimate < least) least = hunt->candidates[at].estimate;
    }
    /* of equal estimates the smaller id wins, so they still count as hits */
    hunt->least = nextafterf(least, -INFINITY);
    return MN_OK;
}

/* ---- candidates, the exact way ---- */

static double floor_now(const struct mn_hunt *hunt)
{
    double reach = mn_code_ask_least(&hunt->ask, mn_search_reach(hunt->scorer));

    if (!mn_topk_full(&hunt->floors)) return reach;
    return fmax(reach, -hunt->floors.heap[0].distance);
}

static void least_set(struct mn_hunt *hunt)
{
    double least = floor_now(hunt) - hunt->slack;
    float as = (float)least;

    /* strictly below what may be of use: the kernel's hits are above it */
    hunt->least = isinf(least) && least < 0 ? -INFINITY : nextafterf(as, -INFINITY);
}

static float up(double value)
{
    return nextafterf((float)value, INFINITY);
}

/* Scores the likeliest first; the others fall by their bound. Behind the true distances of a flat
 * list's likeliest there is little left to fall, and order costs more than it gives. */
enum mn_status mn_hunt_score_exact(struct mn_hunt *hunt)
{
    size_t kept = 0;
    double least = floor_now(hunt);
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < hunt->count; i++) {
        if (!((double)hunt->candidates[i].aside < least)) {
            hunt->candidates[kept++] = hunt->candidates[i];
        }
    }
    if (!hunt->single || !hunt->full) {
        mn_candidates_sort(hunt->candidates, kept, NULL);
    }
    for (size_t at = 0; at < kept && status == MN_OK;) {
        struct mn_candidate batch[GATHER];
        size_t n = 0;

        least = floor_now(hunt);
        for (; at < kept && n < GATHER; at++) {
            if (!((double)hunt->candidates[at].aside < least)) batch[n++] = hunt->candidates[at];
        }
        status = mn_hunt_score(hunt, batch, n);
    }
    hunt->count = 0;
    return status;
}

enum mn_status mn_hunt_take_exact(struct mn_hunt *hunt, float upper, const struct mn_chunk *chunk,
                                  uint32_t i)
{
    struct mn_code_facts facts = mn_chunk_facts(chunk, i);
    struct mn_code_span span = mn_code_ask_span(&hunt->ask, upper, &facts);
    double most = span.middle + span.width;
    int64_t id = mn_chunk_row(chunk, i);
    enum mn_status status = MN_OK;

    if (most < floor_now(hunt)) return MN_OK;
    if (hunt->warm && mn_search_keeps(hunt->scorer, id)) return MN_OK;
    if (room_make(hunt) != MN_OK) return MN_NOMEM;
    hunt->candidates[hunt->count++] =
        (struct mn_candidate){isfinite(most) ? (float)span.middle : INFINITY, up(most), id};
    /* k true distances bound better than the lower bounds of codes */
    if (isfinite(span.width) && !hunt->full) {
        status = mn_topk_offer(&hunt->floors, span.width - span.middle, id);
        least_set(hunt);
    }
    if (status == MN_OK && hunt->count >= CANDIDATES_MAX) {
        status = mn_hunt_score_exact(hunt);
        least_set(hunt);
    }
    return status;
}

/* ---- chunks ---- */

/* Which rows of a group pass the filter. */
static unsigned group_pass(const struct mn_hunt *hunt, const struct mn_chunk *chunk, uint32_t first)
{
    unsigned pass = 0;

    for (uint32_t i = first; i < first + MN_CODE_GROUP && i < chunk->count; i++) {
        unsigned bit =
            !hunt->query->set || mn_row_set_has(hunt->query->set, mn_chunk_row(chunk, i));
        pass |= bit << (i - first);
    }
    return pass;
}

enum mn_status mn_hunt_chunk(struct mn_hunt *hunt, const struct mn_chunk *chunk)
{
    float estimates[MN_POSTING_ROWS_MAX];
    uint16_t hits[MN_HUNT_GROUPS_MAX];
    enum mn_status status = MN_OK;

    hunt->kernels->code_scan(&hunt->scan, &chunk->groups, hunt->least, estimates, hits);
    hunt->counts->codes += chunk->count;
    if (!hunt->query->set) hunt->passed += chunk->count;
    for (uint32_t g = 0; g < chunk->groups.count && status == MN_OK; g++) {
        uint32_t first = g * MN_CODE_GROUP;
        unsigned pass;

        if (hunt->query->set) {
            pass = group_pass(hunt, chunk, first);
            hunt->passed += (unsigned)__builtin_popcount(pass);
        } else if (hits[g]) {
            pass = mn_hunt_group_full(chunk, first);
        } else {
            continue;
        }
        for (unsigned left = hits[g] & pass; left && status == MN_OK; left &= left - 1) {
            uint32_t i = first + (unsigned)__builtin_ctz(left);
            float estimate = estimates[i];

            if (estimate <= hunt->least) continue; /* it has risen since */
            status = hunt->query->exact ? mn_hunt_take_exact(hunt, estimate, chunk, i)
                                        : quick_take(hunt, estimate, chunk, i);
        }
    }
    return status;
}

enum mn_status mn_hunt_tick(const struct mn_hunt *hunt)
{
    return hunt->query->tick ? hunt->query->tick(hunt->query->context) : MN_OK;
}

/* ---- everything, exactly ---- */

static enum mn_status all_scan(struct mn_hunt *hunt)
{
    struct mn_chunk chunk;
    bool found = true;
    uint32_t last = UINT32_MAX;
    enum mn_status status = mn_posting_scan_seek(&hunt->postings, hunt->query->prefix, NULL);

    while (status == MN_OK) {
        status = mn_posting_scan_next(&hunt->postings, &chunk, &found);
        if (status != MN_OK || !found) break;
        if (chunk.list == MN_LIST_CENTROIDS) continue;
        if (chunk.list != last) hunt->counts->lists++;
        last = chunk.list;
        status = mn_hunt_chunk(hunt, &chunk);
        if (status == MN_OK) status = mn_hunt_tick(hunt);
    }
    return status == MN_OK ? mn_hunt_score_exact(hunt) : status;
}

/* ---- the search ---- */

/* Whether an exact search begins with a quick one. */
static bool warms(const struct mn_ann_query *query)
{
    return query->search.k <= MN_HUNT_WARM_K_MAX && !query->set;
}

void mn_hunt_begin_quick(struct mn_hunt *hunt)
{
    hunt->scan = hunt->ask.scan;
    hunt->least = -INFINITY;
}

/* *flat: there are no clusters. Then a look at the lists is worth it only for what follows; a
 * single list is left to mn_hunt_flat. */
static enum mn_status quick_run(struct mn_hunt *hunt, bool *flat)
{
    enum mn_status status;

    *flat = true;
    mn_hunt_begin_quick(hunt);
    status = mn_hunt_lists_note(hunt);
    *flat = !hunt->clustered;
    hunt->single = *flat && hunt->all_count == 1 && warms(hunt->query);
    if (status == MN_OK && (!*flat || (warms(hunt->query) && !hunt->single))) {
        status = mn_hunt_lists_scan(hunt);
    }
    return status == MN_OK ? mn_search_settle(hunt->scorer) : status;
}

/*
 * A quick search first: the k distances that it finds are near the true ones, so that few rows of
 * the rest need a second look.
 */
static enum mn_status exact_warm(struct mn_hunt *hunt)
{
    struct mn_ann_query quick = *hunt->query;
    const struct mn_ann_query *query = hunt->query;
    bool flat;

    if (!warms(query)) return MN_OK;
    quick.exact = false;
    hunt->query = &quick;
    enum mn_status status = quick_run(hunt, &flat);
    hunt->query = query;
    return status;
}

enum mn_status mn_hunt_begin_exact(struct mn_hunt *hunt)
{
    hunt->warm = warms(hunt->query);
    hunt->full = hunt->warm && mn_search_full(hunt->scorer);
    mn_topk_init(&hunt->floors, hunt->query->search.k, NULL, NULL);
    hunt->count = 0;
    hunt->scan = mn_code_ask_bound(&hunt->ask, &hunt->slack);
    least_set(hunt);
    return MN_OK;
}

static enum mn_status hunt_run(struct mn_hunt *hunt)
{
    struct mn_ann_query all = *hunt->query;
    bool flat = true;
    enum mn_status status;

    if (hunt->query->exact) {
        status = exact_warm(hunt);
        if (status != MN_OK) return status;
    } else {
        status = quick_run(hunt, &flat);
        if (status != MN_OK) return status;
        /* a cap on the distance may have left too few: only the whole can tell */
        bool capped = hunt->query->search.within < INFINITY && !mn_search_full(hunt->scorer);
        if (!flat && !capped) return MN_OK;
        if (!warms(hunt->query)) mn_search_forget(hunt->scorer);
    }
    all.exact = true;
    hunt->query = &all;
    if (hunt->single) return mn_hunt_flat(hunt);
    status = mn_hunt_begin_exact(hunt);
    return status == MN_OK ? all_scan(hunt) : status;
}

enum mn_status mn_ann_search(const struct mn_ann *ann, const struct mn_ann_query *query,
                             struct mn_search *scorer, struct mn_ann_counts *counts, bool *served)
{
    struct mn_hunt hunt = {
        .ann = ann, .query = query, .counts = counts, .scorer = scorer, .kernels = mn_kernels()};
    struct mn_posting_scan *postings = &hunt.postings;
    bool serves = false;
    enum mn_status status = mn_posting_scan_open(&ann->postings, postings);

    *served = false;
    if (status == MN_OK) status = mn_slab_scan_open(&ann->vectors, &hunt.vectors);
    if (status == MN_OK) {
        status = mn_code_ask_open(&ann->postings.form, query->search.query, &hunt.ask, &serves);
    }
    if (status == MN_OK && serves) status = hunt_run(&hunt);
    if (status == MN_OK) *served = serves;
    mn_code_ask_release(&hunt.ask);
    mn_slab_scan_close(hunt.vectors);
    mn_posting_scan_close(postings);
    mn_topk_release(&hunt.floors);
    mn_buf_release(&hunt.prefixes);
    mn_dealloc(hunt.candidates);
    mn_dealloc(hunt.lists);
    mn_dealloc(hunt.all);
    mn_dealloc(hunt.order);
    return status;
}
