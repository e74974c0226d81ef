/*
 * ann_many: each query chooses its lists, then each list is read once for all that chose it.
 *
 *   query 0: 17 4 9        list 4: 0 1         chunk -> query 0, query 1
 *   query 1: 4 23    ->    list 9: 0      ->   chunk -> query 0
 *                          ...
 *
 * What a search keeps does not depend on the order in which lists are read, so that the answers are
 * those of the searches one by one. A query whose lists turn out to be too few (empty ones, or
 * fewer rows than are asked for) is searched alone, and so are all where there are no clusters,
 * where partitions have clusters of their own, and where the answer is to be exact.
 */
#include "index/vector/ann_many.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/ann_hunt.h"

/* A list that a query reads. */
struct wish {
    uint32_t list, query;
};

struct many {
    const struct mn_ann *ann;
    const struct mn_ann_many *asked;
    struct mn_ann_counts *counts;
    struct mn_ann_query *queries;
    struct mn_hunt *hunts;
    struct mn_hunt_plan *plans;
    uint64_t *read; /* lists with rows, that the query has seen */
    bool *alone, *opened;
    struct mn_posting_scan postings;
    struct mn_slab_scan *vectors;
    struct wish *wishes, *sorted;
    size_t wish_count, wish_capacity, sorted_capacity;
};

uint64_t mn_ann_many_bytes(uint32_t dims, uint64_t rows, uint64_t k)
{
    enum { FIXED = 32 << 10, A_DIMENSION = 16, A_NEIGHBOUR = 256, ROWS_A_BYTE = 32 };

    return FIXED + (uint64_t)dims * A_DIMENSION + k * A_NEIGHBOUR + rows / ROWS_A_BYTE;
}

/* ---- which lists ---- */

/* What is needed for no longer than the choice goes from query to query. */
static void hunt_lend(struct mn_hunt *to, struct mn_hunt *from)
{
    to->postings = from->postings;
    to->lists = from->lists;
    to->lists_capacity = from->lists_capacity;
    to->all = from->all;
    to->all_capacity = from->all_capacity;
    to->order = from->order;
    to->order_capacity = from->order_capacity;
    to->prefixes = from->prefixes;
    to->prefixes.len = 0;
    from->lists = NULL;
    from->all = NULL;
    from->order = NULL;
    from->prefixes = (struct mn_buf){0};
}

static enum mn_status wishes_add(struct many *many, size_t q)
{
    struct mn_hunt *hunt = &many->hunts[q];
    size_t wanted = hunt->order_count;

    if (!mn_grow(&many->wishes, &many->wish_capacity, many->wish_count + wanted,
                 sizeof *many->wishes)) {
        return mn_fail_nomem();
    }
    for (size_t i = 0; i < wanted; i++) {
        struct mn_list list = mn_hunt_list(hunt, (size_t)hunt->order[i].id);

        many->wishes[many->wish_count++] = (struct wish){list.number, (uint32_t)q};
    }
    return MN_OK;
}

static enum mn_status query_begin(struct many *many, size_t q, struct mn_hunt *lent)
{
    struct mn_hunt *hunt = &many->hunts[q];
    bool serves = false;

    many->queries[q] = *many->asked->query;
    many->queries[q].search.query = many->asked->queries + q * many->asked->stride;
    *hunt = (struct mn_hunt){.ann = many->ann,
                             .query = &many->queries[q],
                             .counts = many->counts,
                             .scorer = many->asked->scorers[q],
                             .kernels = mn_kernels(),
                             .vectors = many->vectors};
    enum mn_status status = mn_code_ask_open(&many->ann->postings.form,
                                             many->queries[q].search.query, &hunt->ask, &serves);
    if (status != MN_OK || !serves) return status;
    many->opened[q] = true;
    hunt_lend(hunt, lent);
    mn_hunt_begin_quick(hunt);
    status = mn_hunt_lists_note(hunt);
    if (status == MN_OK && hunt->clustered) {
        many->plans[q] = mn_hunt_plan_make(hunt);
        hunt->keep = many->plans[q].keep;
        status = mn_hunt_lists_order(hunt, many->plans[q].lists);
        if (status == MN_OK) status = wishes_add(many, q);
    }
    hunt_lend(lent, hunt);
    return status;
}

/* By the number of the list, a byte at a time; queries stay in their order. */
static enum mn_status wishes_sort(struct many *many)
{
    enum { DIGITS = 4, BASE = 256 };

    if (!mn_grow(&many->sorted, &many->sorted_capacity, many->wish_count + 1,
                 sizeof *many->sorted)) {
        return mn_fail_nomem();
    }
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        size_t at[BASE] = {0}, sum = 0;
        struct wish *from = many->wishes;

        for (size_t i = 0; i < many->wish_count; i++) at[from[i].list >> 8 * digit & 0xff]++;
        if (at[0] == many->wish_count) continue; /* as upper bytes are, mostly */
        for (size_t d = 0; d < BASE; d++) {
            size_t here = at[d];

            at[d] = sum;
            sum += here;
        }
        for (size_t i = 0; i < many->wish_count; i++) {
            many->sorted[at[from[i].list >> 8 * digit & 0xff]++] = from[i];
        }
        size_t capacity = many->wish_capacity;
        many->wishes = many->sorted;
        many->wish_capacity = many->sorted_capacity;
        many->sorted = from;
        many->sorted_capacity = capacity;
    }
    return MN_OK;
}

/* ---- reading them ---- */

/* A chunk, for the `count` queries that wish for its list. */
static enum mn_status chunk_read(struct many *many, const struct wish *wishes, size_t count,
                                 struct mn_chunk *chunk)
{
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < count && status == MN_OK; i++) {
        status = mn_hunt_chunk(&many->hunts[wishes[i].query], chunk);
        chunk->groups.ahead.bytes = 0; /* it was asked for while the first query was served */
    }
    return status;
}

/* One list, by its keys. */
static enum mn_status list_read(struct many *many, const struct wish *wishes, size_t count,
                                bool *any)
{
    struct mn_bytes none = {NULL, 0};
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_seek(&many->postings, none, &wishes->list);

    while (status == MN_OK) {
        status = mn_posting_scan_next(&many->postings, &chunk, &found);
        if (status != MN_OK || !found) break;
        *any = true;
        status = chunk_read(many, wishes, count, &chunk);
    }
    return status;
}

/* One list, by the map of lists. While a chunk is scanned the next one, at last of the next list
 * that is wished for, is on its way. */
static enum mn_status list_read_mapped(struct many *many, const struct wish *wishes, size_t count,
                                       bool *any)
{
    const struct mn_postings *postings = &many->ann->postings;
    struct mn_list_map *map = many->asked->query->lists;
    bool last = wishes + count == many->wishes + many->wish_count;
    struct mn_chunk chunk, ahead;
    size_t at, next, left = mn_list_map_find(map, wishes->list, &at);
    enum mn_status status = MN_OK;

    *any = left > 0;
    if (left > 0) status = mn_list_map_chunk(map, postings, at, &chunk);
    for (; left > 0 && status == MN_OK; left--) {
        bool more = left > 1;

        next = at + 1;
        if (!more && !last) more = mn_list_map_find(map, wishes[count].list, &next) > 0;
        if (more) status = mn_list_map_chunk(map, postings, next, &ahead);
        if (status == MN_OK && more) mn_hunt_chunk_ask(&chunk, &ahead);
        if (status == MN_OK) status = chunk_read(many, wishes, count, &chunk);
        at = next;
        if (more) chunk = ahead;
    }
    return status;
}

static enum mn_status lists_read(struct many *many)
{
    const struct mn_ann_query *query = many->asked->query;
    bool mapped = false;
    size_t end;
    enum mn_status status = MN_OK;

    if (query->lists) {
        status = mn_list_map_want(query->lists, &many->ann->postings, many->wish_count,
                                  query->map_bytes, &mapped);
    }
    for (size_t at = 0; at < many->wish_count && status == MN_OK; at = end) {
        const struct wish *wishes = many->wishes + at;
        bool any = false;

        for (end = at + 1; end < many->wish_count; end++) {
            if (many->wishes[end].list != wishes->list) break;
        }
        status = mapped ? list_read_mapped(many, wishes, end - at, &any)
                        : list_read(many, wishes, end - at, &any);
        for (size_t i = 0; i < end - at; i++) many->read[wishes[i].query] += any;
        many->counts->lists += end - at;
        if (status == MN_OK && query->tick) status = query->tick(query->context);
    }
    return status;
}

/* Scores the best; *alone where the lists of the plan were not enough. */
static enum mn_status query_end(struct many *many, size_t q)
{
    struct mn_hunt *hunt = &many->hunts[q];
    const struct mn_hunt_plan *plan = &many->plans[q];
    bool enough = many->read[q] >= plan->lists && hunt->passed >= plan->passed;

    many->alone[q] = !hunt->clustered || (!enough && hunt->order_count < hunt->all_count);
    if (many->alone[q]) {
        mn_search_forget(hunt->scorer);
        return MN_OK;
    }
    mn_hunt_best_keep(hunt);
    enum mn_status status = mn_hunt_score(hunt, hunt->candidates, hunt->count);
    if (status == MN_OK) status = mn_search_settle(hunt->scorer);
    many->asked->served[q] = status == MN_OK;
    return status;
}

/* ---- all of it ---- */

static enum mn_status many_room(struct many *many)
{
    size_t count = many->asked->count;

    many->queries = mn_alloc(count * sizeof *many->queries);
    many->hunts = mn_zalloc(count * sizeof *many->hunts);
    many->plans = mn_zalloc(count * sizeof *many->plans);
    many->read = mn_zalloc(count * sizeof *many->read);
    many->alone = mn_zalloc(2 * count * sizeof *many->alone);
    if (!many->queries || !many->hunts || !many->plans || !many->read || !many->alone) {
        return mn_fail_nomem();
    }
    many->opened = many->alone + count;
    return MN_OK;
}

static void many_release(struct many *many)
{
    for (size_t q = 0; many->hunts && q < many->asked->count; q++) {
        mn_code_ask_release(&many->hunts[q].ask);
        mn_dealloc(many->hunts[q].candidates);
    }
    mn_posting_scan_close(&many->postings);
    mn_slab_scan_close(many->vectors);
    mn_dealloc(many->queries);
    mn_dealloc(many->hunts);
    mn_dealloc(many->plans);
    mn_dealloc(many->read);
    mn_dealloc(many->alone);
    mn_dealloc(many->wishes);
    mn_dealloc(many->sorted);
}

static enum mn_status lists_choose(struct many *many)
{
    struct mn_hunt lent = {.ann = many->ann};
    enum mn_status status = mn_posting_scan_open(&many->ann->postings, &lent.postings);

    for (size_t q = 0; q < many->asked->count && status == MN_OK; q++) {
        status = query_begin(many, q, &lent);
    }
    mn_posting_scan_close(&lent.postings);
    mn_buf_release(&lent.prefixes);
    mn_dealloc(lent.lists);
    mn_dealloc(lent.all);
    mn_dealloc(lent.order);
    return status;
}

static enum mn_status shared_run(struct many *many)
{
    enum mn_status status = many_room(many);

    if (status == MN_OK) status = mn_posting_scan_open(&many->ann->postings, &many->postings);
    if (status == MN_OK) status = mn_slab_scan_open(&many->ann->vectors, &many->vectors);
    if (status == MN_OK) status = lists_choose(many);
    if (status == MN_OK) status = wishes_sort(many);
    if (status == MN_OK) status = lists_read(many);
    for (size_t q = 0; q < many->asked->count && status == MN_OK; q++) {
        if (many->opened[q]) status = query_end(many, q);
    }
    return status;
}

static enum mn_status alone_run(const struct mn_ann *ann, const struct mn_ann_many *asked, size_t q,
                                struct mn_ann_counts *counts)
{
    struct mn_ann_query query = *asked->query;

    query.search.query = asked->queries + q * asked->stride;
    return mn_ann_search(ann, &query, asked->scorers[q], counts, &asked->served[q]);
}

/* Whether the queries can share lists at all; flat partitions are found out on the way. */
static bool shares(const struct mn_ann *ann, const struct mn_ann_many *asked)
{
    const struct mn_ann_query *query = asked->query;

    return asked->count > 1 && !query->exact && !query->set && query->prefix.len == 0 &&
           isinf(query->search.within) && ann->index->column_count == 1;
}

enum mn_status mn_ann_search_many(const struct mn_ann *ann, const struct mn_ann_many *asked,
                                  struct mn_ann_counts *counts)
{
    struct many many = {.ann = ann, .asked = asked, .counts = counts};
    bool shared = shares(ann, asked);
    enum mn_status status = MN_OK;

    for (size_t q = 0; q < asked->count; q++) asked->served[q] = false;
    if (shared) status = shared_run(&many);
    for (size_t q = 0; q < asked->count && status == MN_OK; q++) {
        if (!shared || many.alone[q]) status = alone_run(ann, asked, q, counts);
    }
    if (shared) many_release(&many);
    return status;
}
