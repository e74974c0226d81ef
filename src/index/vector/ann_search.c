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
#include "catalog/key.h"

enum { GROUPS_AT_ONCE = MN_POSTING_ROWS_MAX / MN_CODE_GROUP, GATHER = 64 };
enum { CANDIDATES_MAX = 1 << 16 };

/* An exact search for so many begins with a quick one; of one flat list it scores so many first. */
enum { WARM_K_MAX = 64, MORE_THAN_K = 6 };

/* A row that may be among the best. */
struct candidate {
    float estimate, upper;
    int64_t id;
};

/* A list to read. */
struct target {
    uint32_t number;
    size_t prefix, prefix_bytes; /* in seek->prefixes */
};

struct seek {
    const struct mn_ann *ann;
    const struct mn_ann_query *query;
    struct mn_ann_counts *counts;
    struct mn_search *scorer;
    const struct mn_kernels *kernels;
    struct mn_code_ask ask;
    struct mn_code_query scan;
    double slack;
    struct mn_posting_scan postings;
    struct mn_slab_scan *vectors;
    struct candidate *candidates;
    size_t count, capacity, keep; /* keep: how many the quick way reranks */
    float least;                  /* estimates at or below are of no use */
    struct mn_topk floors;        /* exact: the k best lower bounds, negated */
    bool warm, full;              /* exact: the scorer keeps rows of a quick search; k of them */
    bool single;                  /* one flat list is all there is to read */
    uint64_t passed;              /* rows seen that pass */
    struct target *targets;
    struct candidate *order; /* of targets, whose places are the ids: likeliest first */
    size_t target_count, target_capacity, order_capacity;
    struct mn_buf prefixes;
};

/* ---- scoring ---- */

typedef bool (*candidate_before)(const struct candidate *a, const struct candidate *b);

static bool id_is_less(const struct candidate *a, const struct candidate *b)
{
    return a->id < b->id;
}

static int ids_order(const void *a, const void *b)
{
    return id_is_less(a, b) ? -1 : id_is_less(b, a);
}

/* A few are put in order where they are, without qsort's calls; inlined for each order. */
static inline void candidates_sort(struct candidate *rows, size_t count, candidate_before before,
                                   int (*order)(const void *a, const void *b))
{
    enum { FEW = 64 };

    if (count > FEW) {
        qsort(rows, count, sizeof *rows, order);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct candidate row = rows[i];
        size_t at = i;

        for (; at > 0 && before(&row, &rows[at - 1]); at--) rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

/* By the list of places, where the caller keeps one and it is ready. */
static enum mn_status vectors_find(struct seek *seek, const int64_t *ids, size_t count,
                                   const float **vectors)
{
    const struct mn_ann_query *query = seek->query;
    const struct mn_slabs *slabs = &seek->ann->vectors;
    bool ready = false;
    enum mn_status status = MN_OK;

    if (query->map) {
        status = mn_slab_map_want(query->map, slabs, count, query->map_bytes, &ready);
    }
    if (status == MN_OK && ready) return mn_slab_map_gather(query->map, slabs, ids, count, vectors);
    return status == MN_OK ? mn_slab_scan_gather(seek->vectors, ids, count, vectors) : status;
}

/* Shows the vectors of some rows to the scorer. */
static enum mn_status rows_score(struct seek *seek, struct candidate *rows, size_t count)
{
    const float *vectors[GATHER];
    int64_t ids[GATHER];
    enum mn_status status = MN_OK;

    candidates_sort(rows, count, id_is_less, ids_order);
    for (size_t at = 0; at < count && status == MN_OK; at += GATHER) {
        size_t n = count - at < GATHER ? count - at : GATHER;

        for (size_t i = 0; i < n; i++) ids[i] = rows[at + i].id;
        status = vectors_find(seek, ids, n, vectors);
        for (size_t i = 0; i < n && status == MN_OK; i++) {
            if (!vectors[i]) {
                status =
                    mn_fail(MN_CORRUPT, "index %s has a code for row %lld, which has no vector",
                            seek->ann->index->name, (long long)ids[i]);
            }
        }
        if (status == MN_OK) status = mn_search_gathered(seek->scorer, ids, vectors, n);
        seek->counts->reranked += n;
    }
    return status;
}

/* ---- candidates, the quick way ---- */

static bool better(const struct candidate *a, const struct candidate *b)
{
    if (a->estimate != b->estimate) return a->estimate > b->estimate;
    return a->id < b->id;
}

static int candidates_order(const void *a, const void *b)
{
    return better(a, b) ? -1 : better(b, a);
}

/* Brings the n best to the front. */
static void candidates_select(struct candidate *all, size_t count, size_t n)
{
    size_t low = 0, high = count;

    while (high - low > 8) {
        struct candidate pivot = all[low + (high - low) / 2];
        size_t i = low, j = high - 1;

        for (;;) {
            while (better(&all[i], &pivot)) i++;
            while (better(&pivot, &all[j])) j--;
            if (i >= j) break;
            struct candidate kept = all[i];
            all[i++] = all[j];
            all[j--] = kept;
        }
        size_t middle = j + 1 < high ? j + 1 : high - 1;

        if (middle == n) return;
        if (n < middle)
            high = middle;
        else
            low = middle;
    }
    if (low < n) candidates_sort(all + low, high - low, better, candidates_order);
}

static enum mn_status room_make(struct seek *seek)
{
    if (mn_grow(&seek->candidates, &seek->capacity, seek->count + 1, sizeof *seek->candidates)) {
        return MN_OK;
    }
    return mn_fail_nomem();
}

static enum mn_status quick_take(struct seek *seek, float estimate, int64_t id)
{
    struct candidate wild = {0, 0, id};

    if (isnan(estimate)) return rows_score(seek, &wild, 1);
    if (room_make(seek) != MN_OK) return MN_NOMEM;
    seek->candidates[seek->count++] = (struct candidate){estimate, estimate, id};
    if (seek->count < 2 * seek->keep + 16) return MN_OK;
    candidates_select(seek->candidates, seek->count, seek->keep);
    seek->count = seek->keep;
    float least = seek->candidates[0].estimate;
    for (size_t i = 1; i < seek->count; i++) {
        if (seek->candidates[i].estimate < least) least = seek->candidates[i].estimate;
    }
    /* of equal estimates the smaller id wins, so they still count as hits */
    seek->least = nextafterf(least, -INFINITY);
    return MN_OK;
}

/* ---- candidates, the exact way ---- */

static double floor_now(const struct seek *seek)
{
    double reach = mn_code_ask_least(&seek->ask, mn_search_reach(seek->scorer));

    if (!mn_topk_full(&seek->floors)) return reach;
    return fmax(reach, -seek->floors.heap[0].distance);
}

static void least_set(struct seek *seek)
{
    double least = floor_now(seek) - seek->slack;
    float as = (float)least;

    /* strictly below what may be of use: the kernel's hits are above it */
    seek->least = isinf(least) && least < 0 ? -INFINITY : nextafterf(as, -INFINITY);
}

static float up(double value)
{
    return nextafterf((float)value, INFINITY);
}

/* Scores the likeliest first; the others fall by their bound. Behind the true distances of a flat
 * list's likeliest there is little left to fall, and order costs more than it gives. */
static enum mn_status exact_score(struct seek *seek)
{
    size_t kept = 0;
    double least = floor_now(seek);
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < seek->count; i++) {
        if (!((double)seek->candidates[i].upper < least)) {
            seek->candidates[kept++] = seek->candidates[i];
        }
    }
    if (!seek->single || !seek->full) {
        candidates_sort(seek->candidates, kept, better, candidates_order);
    }
    for (size_t at = 0; at < kept && status == MN_OK;) {
        struct candidate batch[GATHER];
        size_t n = 0;

        least = floor_now(seek);
        for (; at < kept && n < GATHER; at++) {
            if (!((double)seek->candidates[at].upper < least)) batch[n++] = seek->candidates[at];
        }
        status = rows_score(seek, batch, n);
    }
    seek->count = 0;
    return status;
}

static enum mn_status exact_take(struct seek *seek, float upper, const struct mn_chunk *chunk,
                                 uint32_t i, int64_t id)
{
    struct mn_code_facts facts = mn_chunk_facts(chunk, i);
    struct mn_code_span span = mn_code_ask_span(&seek->ask, upper, &facts);
    double most = span.middle + span.width;
    enum mn_status status = MN_OK;

    if (most < floor_now(seek)) return MN_OK;
    if (seek->warm && mn_search_keeps(seek->scorer, id)) return MN_OK;
    if (room_make(seek) != MN_OK) return MN_NOMEM;
    seek->candidates[seek->count++] =
        (struct candidate){isfinite(most) ? (float)span.middle : INFINITY, up(most), id};
    /* k true distances bound better than the lower bounds of codes */
    if (isfinite(span.width) && !seek->full) {
        status = mn_topk_offer(&seek->floors, span.width - span.middle, id);
        least_set(seek);
    }
    if (status == MN_OK && seek->count >= CANDIDATES_MAX) {
        status = exact_score(seek);
        least_set(seek);
    }
    return status;
}

/* ---- chunks ---- */

/* Which rows of a group pass the filter. */
static unsigned group_pass(const struct seek *seek, const struct mn_chunk *chunk, uint32_t first)
{
    unsigned pass = 0;

    for (uint32_t i = first; i < first + MN_CODE_GROUP && i < chunk->count; i++) {
        unsigned bit =
            !seek->query->set || mn_row_set_has(seek->query->set, mn_chunk_row(chunk, i));
        pass |= bit << (i - first);
    }
    return pass;
}

static unsigned group_full(const struct mn_chunk *chunk, uint32_t first)
{
    uint32_t left = chunk->count - first;

    return left >= MN_CODE_GROUP ? (1u << MN_CODE_GROUP) - 1 : (1u << left) - 1;
}

static enum mn_status chunk_scan(struct seek *seek, const struct mn_chunk *chunk)
{
    float estimates[MN_POSTING_ROWS_MAX];
    uint16_t hits[GROUPS_AT_ONCE];
    enum mn_status status = MN_OK;

    seek->kernels->code_scan(&seek->scan, &chunk->groups, seek->least, estimates, hits);
    seek->counts->codes += chunk->count;
    if (!seek->query->set) seek->passed += chunk->count;
    for (uint32_t g = 0; g < chunk->groups.count && status == MN_OK; g++) {
        uint32_t first = g * MN_CODE_GROUP;
        unsigned pass;

        if (seek->query->set) {
            pass = group_pass(seek, chunk, first);
            seek->passed += (unsigned)__builtin_popcount(pass);
        } else if (hits[g]) {
            pass = group_full(chunk, first);
        } else {
            continue;
        }
        for (unsigned left = hits[g] & pass; left && status == MN_OK; left &= left - 1) {
            uint32_t i = first + (unsigned)__builtin_ctz(left);
            float estimate = estimates[i];

            if (estimate <= seek->least) continue; /* it has risen since */
            int64_t id = mn_chunk_row(chunk, i);
            status = seek->query->exact ? exact_take(seek, estimate, chunk, i, id)
                                        : quick_take(seek, estimate, id);
        }
    }
    return status;
}

static enum mn_status tick(const struct seek *seek)
{
    return seek->query->tick ? seek->query->tick(seek->query->context) : MN_OK;
}

static enum mn_status list_scan(struct seek *seek, struct mn_bytes prefix, uint32_t number)
{
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_seek(&seek->postings, prefix, &number);

    seek->counts->lists++;
    while (status == MN_OK) {
        status = mn_posting_scan_next(&seek->postings, &chunk, &found);
        if (status == MN_OK && found) status = chunk_scan(seek, &chunk);
        if (status == MN_OK) status = tick(seek);
        if (!found) break;
    }
    return status;
}

/* ---- everything, exactly ---- */

static enum mn_status all_scan(struct seek *seek)
{
    struct mn_chunk chunk;
    bool found = true;
    uint32_t last = UINT32_MAX;
    enum mn_status status = mn_posting_scan_seek(&seek->postings, seek->query->prefix, NULL);

    while (status == MN_OK) {
        status = mn_posting_scan_next(&seek->postings, &chunk, &found);
        if (status != MN_OK || !found) break;
        if (chunk.list == MN_LIST_CENTROIDS) continue;
        if (chunk.list != last) seek->counts->lists++;
        last = chunk.list;
        status = chunk_scan(seek, &chunk);
        if (status == MN_OK) status = tick(seek);
    }
    return status == MN_OK ? exact_score(seek) : status;
}

/* ---- one flat list, exactly ---- */

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

static enum mn_status flat_add(struct seek *seek, struct flat *flat, const struct mn_chunk *chunk)
{
    uint16_t hits[GROUPS_AT_ONCE];
    size_t room = (size_t)chunk->groups.count * MN_CODE_GROUP;

    if (!mn_grow(&flat->uppers, &flat->capacity, flat->count + room, sizeof *flat->uppers) ||
        !mn_grow(&flat->chunks, &flat->chunk_capacity, flat->chunk_count + 1,
                 sizeof *flat->chunks)) {
        return mn_fail_nomem();
    }
    seek->kernels->code_scan(&seek->scan, &chunk->groups, -INFINITY, flat->uppers + flat->count,
                             hits);
    flat->chunks[flat->chunk_count++] = (struct bounded){*chunk, flat->count};
    flat->count += room;
    seek->counts->codes += chunk->count;
    return MN_OK;
}

/* The bounds of all rows; the chunks lie in the map or in dirty nodes, and nothing is written. */
static enum mn_status flat_read(struct seek *seek, struct flat *flat)
{
    const struct target *target = &seek->targets[0];
    struct mn_bytes prefix = {seek->prefixes.data + target->prefix, target->prefix_bytes};
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_seek(&seek->postings, prefix, &target->number);

    seek->counts->lists++;
    while (status == MN_OK) {
        status = mn_posting_scan_next(&seek->postings, &chunk, &found);
        if (status != MN_OK || !found) break;
        status = flat_add(seek, flat, &chunk);
        if (status == MN_OK) status = tick(seek);
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
static enum mn_status flat_take(struct seek *seek, const struct flat *flat)
{
    enum mn_status status = MN_OK;

    for (size_t c = 0; c < flat->chunk_count; c++) {
        const struct mn_chunk *chunk = &flat->chunks[c].chunk;
        const float *uppers = flat->uppers + flat->chunks[c].at;

        for (uint32_t g = 0; g < chunk->count && status == MN_OK; g += MN_CODE_GROUP) {
            unsigned hits = group_hits(uppers + g, seek->least) & group_full(chunk, g);

            for (; hits && status == MN_OK; hits &= hits - 1) {
                uint32_t i = g + (unsigned)__builtin_ctz(hits);

                if (uppers[i] <= seek->least) continue; /* it has risen since */
                status = exact_take(seek, uppers[i], chunk, i, mn_chunk_row(chunk, i));
            }
        }
        if (status != MN_OK) return status;
    }
    return status;
}

/* The rows of the highest bounds, in order; a bound that is no number is left for flat_take. */
struct high {
    struct candidate rows[WARM_K_MAX + MORE_THAN_K];
    size_t count, want;
    float least;
};

static void high_offer(struct high *high, float upper, int64_t id)
{
    size_t at = high->count < high->want ? high->count++ : high->want - 1;

    for (; at > 0 && high->rows[at - 1].upper < upper; at--) high->rows[at] = high->rows[at - 1];
    high->rows[at] = (struct candidate){upper, upper, id};
    if (high->count == high->want) high->least = high->rows[high->want - 1].upper;
}

static enum mn_status flat_likeliest(struct seek *seek, const struct flat *flat)
{
    struct high high = {.want = (size_t)seek->query->search.k + MORE_THAN_K, .least = -INFINITY};

    for (size_t c = 0; c < flat->chunk_count; c++) {
        const struct mn_chunk *chunk = &flat->chunks[c].chunk;
        const float *uppers = flat->uppers + flat->chunks[c].at;

        for (uint32_t g = 0; g < chunk->count; g += MN_CODE_GROUP) {
            unsigned hits = group_hits(uppers + g, high.least) & group_full(chunk, g);

            for (; hits; hits &= hits - 1) {
                uint32_t i = g + (unsigned)__builtin_ctz(hits);

                if (uppers[i] > high.least) high_offer(&high, uppers[i], mn_chunk_row(chunk, i));
            }
        }
    }
    return rows_score(seek, high.rows, high.count);
}

/* ---- lists, likeliest first ---- */

static bool targets_room(struct seek *seek, size_t more)
{
    size_t need = seek->target_count + more;

    return mn_grow(&seek->targets, &seek->target_capacity, need, sizeof *seek->targets) &&
           mn_grow(&seek->order, &seek->order_capacity, need, sizeof *seek->order);
}

static void target_add(struct seek *seek, float score, const struct target *target)
{
    seek->order[seek->target_count] = (struct candidate){score, score, (int64_t)seek->target_count};
    seek->targets[seek->target_count++] = *target;
}

static enum mn_status centroids_note(struct seek *seek, const struct mn_chunk *chunk, size_t prefix,
                                     size_t prefix_bytes)
{
    float scores[MN_POSTING_ROWS_MAX];
    uint16_t hits[GROUPS_AT_ONCE];

    seek->kernels->code_scan(&seek->scan, &chunk->groups, -INFINITY, scores, hits);
    if (!targets_room(seek, chunk->count)) return mn_fail_nomem();
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct target target = {(uint32_t)mn_chunk_row(chunk, i), prefix, prefix_bytes};
        target_add(seek, isnan(scores[i]) ? INFINITY : scores[i], &target);
    }
    return MN_OK;
}

/* Notes the lists of one partition: its centroids, or its flat list. */
static enum mn_status partition_note(struct seek *seek, size_t prefix, size_t prefix_bytes)
{
    const uint32_t centroids = MN_LIST_CENTROIDS;
    struct mn_bytes bytes = {seek->prefixes.data + prefix, prefix_bytes};
    struct mn_chunk chunk;
    bool found = true, any = false;
    enum mn_status status = mn_posting_scan_seek(&seek->postings, bytes, &centroids);

    while (status == MN_OK) {
        status = mn_posting_scan_next(&seek->postings, &chunk, &found);
        if (status != MN_OK || !found) break;
        any = true;
        status = centroids_note(seek, &chunk, prefix, prefix_bytes);
    }
    if (status != MN_OK || any) return status;
    if (!targets_room(seek, 1)) return mn_fail_nomem();
    target_add(seek, INFINITY, &(struct target){MN_LIST_FLAT, prefix, prefix_bytes});
    return MN_OK;
}

/* Goes from partition to partition. */
static enum mn_status partitions_note(struct seek *seek)
{
    static const uint8_t behind[4 + MN_ROW_ID_BYTES] = {255, 255, 255, 255, 255, 255,
                                                        255, 255, 255, 255, 255, 255};
    struct mn_bytes base = seek->query->prefix;
    struct mn_cursor *cursor = seek->postings.cursor;
    struct mn_buf key = {0};
    struct mn_item item;
    bool found = true;
    enum mn_status status = mn_buf_append(&key, base.data, base.len);

    while (status == MN_OK) {
        status = mn_cursor_seek(cursor, mn_bytes_of(key.data, key.len), MN_SEEK_GE, &found);
        if (status == MN_OK && found) status = mn_cursor_item(cursor, &item);
        if (status != MN_OK || !found) break;
        if (item.key.len < base.len + sizeof behind ||
            (base.len && memcmp(item.key.data, base.data, base.len) != 0)) {
            break;
        }
        size_t at = seek->prefixes.len, bytes = item.key.len - sizeof behind;
        key.len = 0;
        status = mn_buf_append(&seek->prefixes, item.key.data, bytes);
        if (status == MN_OK) status = mn_buf_append(&key, item.key.data, bytes);
        if (status == MN_OK) status = mn_buf_append(&key, behind, sizeof behind);
        if (status == MN_OK) status = partition_note(seek, at, bytes);
        if (status == MN_OK) status = tick(seek);
    }
    mn_buf_release(&key);
    return status;
}

/* Lists to read where nothing is said: their number grows with the root of all. */
static uint64_t lists_default(uint64_t lists)
{
    return 8 + (uint64_t)(1.8 * sqrt((double)lists));
}

/* Brings the likeliest of those behind `done` into order: as many as wanted, then twice as many.
 * Returns how many are in order. */
static size_t targets_order(struct seek *seek, size_t done, uint64_t wanted)
{
    size_t left = seek->target_count - done, next = done ? done : (size_t)wanted;

    if (next > left) next = left;
    candidates_select(seek->order + done, left, next);
    qsort(seek->order + done, next, sizeof *seek->order, candidates_order);
    return done + next;
}

struct plan {
    uint64_t lists, passed;
};

static struct plan plan_make(const struct seek *seek)
{
    const struct mn_ann_query *query = seek->query;
    struct plan plan = {.lists = query->effort ? query->effort : lists_default(seek->target_count)};

    if (query->set && query->rows && seek->target_count) {
        double share = (double)query->set->count / (double)query->rows;
        double each = (double)query->rows / (double)seek->target_count;

        if (share < 1) plan.passed = (uint64_t)((double)plan.lists * each * sqrt(share));
        if (plan.passed > query->set->count) plan.passed = query->set->count;
    }
    uint64_t least = query->search.k;
    if (query->set && least > query->set->count) least = query->set->count;
    if (plan.passed < least) plan.passed = least;
    return plan;
}

static enum mn_status lists_scan(struct seek *seek)
{
    struct plan plan = plan_make(seek);
    uint64_t read = 0;
    size_t ordered = 0;
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < seek->target_count && status == MN_OK; i++) {
        if (i == ordered) ordered = targets_order(seek, ordered, plan.lists);
        const struct target *target = &seek->targets[seek->order[i].id];
        struct mn_bytes prefix = {seek->prefixes.data + target->prefix, target->prefix_bytes};
        uint64_t before = seek->passed;

        if (read >= plan.lists && seek->passed >= plan.passed) break;
        status = list_scan(seek, prefix, target->number);
        if (seek->passed > before) read++;
    }
    if (status != MN_OK) return status;
    if (seek->count > seek->keep) {
        candidates_select(seek->candidates, seek->count, seek->keep);
        seek->count = seek->keep;
    }
    return rows_score(seek, seek->candidates, seek->count);
}

/* ---- the search ---- */

static size_t rerank_count(const struct mn_ann_query *query)
{
    size_t k = (size_t)query->search.k;

    return k + (k < 20 ? 20 : k);
}

/* Whether an exact search begins with a quick one. */
static bool warms(const struct mn_ann_query *query)
{
    return query->search.k <= WARM_K_MAX && !query->set;
}

/* *flat: there are no clusters. Then a look at the lists is worth it only for what follows; a
 * single list is left to flat_search. */
static enum mn_status quick_run(struct seek *seek, bool *flat)
{
    enum mn_status status;

    *flat = true;
    seek->scan = seek->ask.scan;
    seek->least = -INFINITY;
    seek->keep = rerank_count(seek->query);
    status = partitions_note(seek);
    for (size_t i = 0; i < seek->target_count; i++) {
        if (seek->targets[i].number != MN_LIST_FLAT) *flat = false;
    }
    seek->single = *flat && seek->target_count == 1 && warms(seek->query);
    if (status == MN_OK && (!*flat || (warms(seek->query) && !seek->single))) {
        status = lists_scan(seek);
    }
    return status == MN_OK ? mn_search_settle(seek->scorer) : status;
}

/*
 * A quick search first: the k distances that it finds are near the true ones, so that few rows of
 * the rest need a second look.
 */
static enum mn_status exact_warm(struct seek *seek)
{
    struct mn_ann_query quick = *seek->query;
    const struct mn_ann_query *query = seek->query;
    bool flat;

    if (!warms(query)) return MN_OK;
    quick.exact = false;
    seek->query = &quick;
    enum mn_status status = quick_run(seek, &flat);
    seek->query = query;
    return status;
}

static enum mn_status exact_begin(struct seek *seek)
{
    seek->warm = warms(seek->query);
    seek->full = seek->warm && mn_search_full(seek->scorer);
    mn_topk_init(&seek->floors, seek->query->search.k, NULL, NULL);
    seek->count = 0;
    seek->scan = mn_code_ask_bound(&seek->ask, &seek->slack);
    least_set(seek);
    return MN_OK;
}

/*
 * One scan gives the upper bound of every row. Those with the highest are scored first: their
 * distances are near the final ones, and leave few of the others, whose bounds are there already.
 */
static enum mn_status flat_search(struct seek *seek)
{
    struct flat flat = {.count = 0};

    seek->scan = mn_code_ask_bound(&seek->ask, &seek->slack);
    enum mn_status status = flat_read(seek, &flat);
    if (status == MN_OK) status = flat_likeliest(seek, &flat);
    if (status == MN_OK) status = mn_search_settle(seek->scorer);
    if (status == MN_OK) status = exact_begin(seek);
    if (status == MN_OK) status = flat_take(seek, &flat);
    if (status == MN_OK) status = exact_score(seek);
    mn_dealloc(flat.uppers);
    mn_dealloc(flat.chunks);
    return status;
}

static enum mn_status seek_run(struct seek *seek)
{
    struct mn_ann_query all = *seek->query;
    bool flat = true;
    enum mn_status status;

    if (seek->query->exact) {
        status = exact_warm(seek);
        if (status != MN_OK) return status;
    } else {
        status = quick_run(seek, &flat);
        if (status != MN_OK) return status;
        /* a cap on the distance may have left too few: only the whole can tell */
        bool capped = seek->query->search.within < INFINITY && !mn_search_full(seek->scorer);
        if (!flat && !capped) return MN_OK;
        if (!warms(seek->query)) mn_search_forget(seek->scorer);
    }
    all.exact = true;
    seek->query = &all;
    if (seek->single) return flat_search(seek);
    status = exact_begin(seek);
    return status == MN_OK ? all_scan(seek) : status;
}

enum mn_status mn_ann_search(const struct mn_ann *ann, const struct mn_ann_query *query,
                             struct mn_search *scorer, struct mn_ann_counts *counts, bool *served)
{
    struct seek seek = {
        .ann = ann, .query = query, .counts = counts, .scorer = scorer, .kernels = mn_kernels()};
    struct mn_posting_scan *postings = &seek.postings;
    bool serves = false;
    enum mn_status status = mn_posting_scan_open(&ann->postings, postings);

    *served = false;
    if (status == MN_OK) status = mn_slab_scan_open(&ann->vectors, &seek.vectors);
    if (status == MN_OK) {
        status = mn_code_ask_open(&ann->postings.form, query->search.query, &seek.ask, &serves);
    }
    if (status == MN_OK && serves) status = seek_run(&seek);
    if (status == MN_OK) *served = serves;
    mn_code_ask_release(&seek.ask);
    mn_slab_scan_close(seek.vectors);
    mn_posting_scan_close(postings);
    mn_topk_release(&seek.floors);
    mn_buf_release(&seek.prefixes);
    mn_dealloc(seek.candidates);
    mn_dealloc(seek.targets);
    mn_dealloc(seek.order);
    return status;
}
