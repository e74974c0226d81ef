/*
 * ann_lists: the lists of an index, likeliest first.
 *
 * Memory is what a search waits for. While a chunk is scanned the place of the next one is looked
 * up, and the begin of each of its pages asked for: behind that the hardware reads on by itself.
 */
#include <math.h>

#include "base/alloc.h"
#include "catalog/key.h"
#include "index/vector/ann_hunt.h"

/* That a query of the default effort reads, about. */
enum { LISTS_LIKE = 32 };

/* ---- which there are ---- */

static bool lists_room(struct mn_hunt *hunt, size_t more)
{
    return mn_grow(&hunt->lists, &hunt->lists_capacity, hunt->lists_count + 1,
                   sizeof *hunt->lists) &&
           mn_grow(&hunt->all, &hunt->all_capacity, hunt->all_count + more, sizeof *hunt->all);
}

/* The last that does not begin behind the place. */
static const struct mn_hunt_lists *lists_find(const struct mn_hunt *hunt, size_t at)
{
    size_t low = 0, high = hunt->lists_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (hunt->lists[middle].first <= at)
            low = middle;
        else
            high = middle;
    }
    return &hunt->lists[low];
}

struct mn_list mn_hunt_list(const struct mn_hunt *hunt, size_t at)
{
    const struct mn_hunt_lists *lists = lists_find(hunt, at);
    struct mn_list list = {.number = MN_LIST_FLAT};

    if (lists->prefix_bytes) {
        list.prefix = mn_bytes_of(hunt->prefixes.data + lists->prefix, lists->prefix_bytes);
    }
    if (lists->chunk.postings) {
        list.number = (uint32_t)mn_chunk_row(&lists->chunk, (uint32_t)(at - lists->first));
    }
    return list;
}

static void lists_add(struct mn_hunt *hunt, const struct mn_hunt_lists *lists, size_t count)
{
    struct mn_hunt_lists *added = &hunt->lists[hunt->lists_count++];

    *added = *lists;
    added->first = hunt->all_count;
    hunt->all_count += count;
}

static enum mn_status centroids_note(struct mn_hunt *hunt, const struct mn_hunt_lists *lists)
{
    uint16_t hits[MN_HUNT_GROUPS_MAX];
    uint32_t count = lists->chunk.count;

    if (!lists_room(hunt, lists->chunk.groups.count * MN_CODE_GROUP)) return mn_fail_nomem();
    float *scores = hunt->all + hunt->all_count;
    hunt->kernels->code_scan(&hunt->scan, &lists->chunk.groups, -INFINITY, scores, hits);
    for (uint32_t i = 0; i < count; i++) scores[i] = isnan(scores[i]) ? INFINITY : scores[i];
    lists_add(hunt, lists, count);
    hunt->clustered = true;
    return MN_OK;
}

static enum mn_status flat_note(struct mn_hunt *hunt, const struct mn_hunt_lists *lists)
{
    if (!lists_room(hunt, 1)) return mn_fail_nomem();
    hunt->all[hunt->all_count] = INFINITY;
    lists_add(hunt, lists, 1);
    return MN_OK;
}

/* Notes the lists of one partition: its centroids, or its flat list. */
static enum mn_status partition_note(struct mn_hunt *hunt, size_t prefix, size_t prefix_bytes)
{
    const uint32_t centroids = MN_LIST_CENTROIDS;
    struct mn_hunt_lists lists = {.prefix = prefix, .prefix_bytes = prefix_bytes};
    struct mn_bytes bytes = {hunt->prefixes.data + prefix, prefix_bytes};
    bool found = true, any = false;
    enum mn_status status = mn_posting_scan_seek(&hunt->postings, bytes, &centroids);

    while (status == MN_OK) {
        status = mn_posting_scan_next(&hunt->postings, &lists.chunk, &found);
        if (status != MN_OK || !found) break;
        any = true;
        status = centroids_note(hunt, &lists);
    }
    if (status != MN_OK || any) return status;
    lists.chunk = (struct mn_chunk){.list = MN_LIST_FLAT};
    return flat_note(hunt, &lists);
}

/* By the map of lists, where it is ready. *done false: there is none, or no centroids. */
static enum mn_status mapped_note(struct mn_hunt *hunt, bool *done)
{
    const struct mn_ann_query *query = hunt->query;
    const struct mn_postings *postings = &hunt->ann->postings;
    struct mn_hunt_lists lists = {.prefix = 0};
    size_t at, count = 0;
    enum mn_status status = MN_OK;

    *done = false;
    if (!query->lists || hunt->ann->index->column_count > 1) return MN_OK;
    status = mn_list_map_want(query->lists, postings, query->effort ? query->effort : LISTS_LIKE,
                              query->map_bytes, &hunt->mapped);
    if (status == MN_OK && hunt->mapped) {
        count = mn_list_map_find(query->lists, MN_LIST_CENTROIDS, &at);
    }
    hunt->mapped = count > 0;
    *done = hunt->mapped;
    for (size_t i = 0; i < count && status == MN_OK; i++) {
        status = mn_list_map_chunk(query->lists, postings, at + i, &lists.chunk);
        if (status == MN_OK) status = centroids_note(hunt, &lists);
    }
    return status;
}

/* Goes from partition to partition. */
static enum mn_status partitions_note(struct mn_hunt *hunt)
{
    static const uint8_t behind[4 + MN_ROW_ID_BYTES] = {255, 255, 255, 255, 255, 255,
                                                        255, 255, 255, 255, 255, 255};
    struct mn_bytes base = hunt->query->prefix;
    struct mn_cursor *cursor = hunt->postings.cursor;
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
        size_t at = hunt->prefixes.len, bytes = item.key.len - sizeof behind;
        key.len = 0;
        status = mn_buf_append(&hunt->prefixes, item.key.data, bytes);
        if (status == MN_OK) status = mn_buf_append(&key, item.key.data, bytes);
        if (status == MN_OK) status = mn_buf_append(&key, behind, sizeof behind);
        if (status == MN_OK) status = partition_note(hunt, at, bytes);
        if (status == MN_OK) status = mn_hunt_tick(hunt);
    }
    mn_buf_release(&key);
    return status;
}

enum mn_status mn_hunt_lists_note(struct mn_hunt *hunt)
{
    bool done;
    enum mn_status status = mapped_note(hunt, &done);

    return status == MN_OK && !done ? partitions_note(hunt) : status;
}

/* ---- how many are read ---- */

/* Lists to read where nothing is said: their number grows with the root of all. */
static uint64_t lists_default(uint64_t lists)
{
    return 8 + (uint64_t)(1.8 * sqrt((double)lists));
}

/* The more rows are seen, the more of them have estimates near those of the best: `above` are the
 * lists that are read beyond what is read where nothing is said. */
static size_t rerank_count(uint64_t k, uint64_t above)
{
    enum { LEAST = 20, LISTS_TWICE = 240 };
    uint64_t more = k < LEAST ? LEAST : k;

    if (above > LISTS_TWICE) above = LISTS_TWICE;
    return (size_t)(k + more + more * above / LISTS_TWICE);
}

struct mn_hunt_plan mn_hunt_plan_make(const struct mn_hunt *hunt)
{
    const struct mn_ann_query *query = hunt->query;
    uint64_t lists = lists_default(hunt->all_count);
    struct mn_hunt_plan plan = {.lists = query->effort ? query->effort : lists};

    if (query->set && query->rows && hunt->all_count) {
        double share = (double)query->set->count / (double)query->rows;
        double each = (double)query->rows / (double)hunt->all_count;

        if (share < 1) plan.passed = (uint64_t)((double)plan.lists * each * sqrt(share));
        if (plan.passed > query->set->count) plan.passed = query->set->count;
    }
    uint64_t least = query->search.k;
    if (query->set && least > query->set->count) least = query->set->count;
    if (plan.passed < least) plan.passed = least;
    plan.keep = rerank_count(query->search.k, plan.lists > lists ? plan.lists - lists : 0);
    return plan;
}

/* ---- reading them ---- */

/* The chunks of the lists in their order. */
struct walk {
    size_t at;          /* the list */
    bool open;          /* it is being read */
    size_t place, left; /* by the map: its next chunk, and how many there are */
};

static enum mn_status list_open(struct mn_hunt *hunt, struct walk *walk)
{
    struct mn_list list = mn_hunt_list(hunt, (size_t)hunt->order[walk->at].id);

    walk->open = true;
    if (!hunt->mapped) return mn_posting_scan_seek(&hunt->postings, list.prefix, &list.number);
    walk->left = mn_list_map_find(hunt->query->lists, list.number, &walk->place);
    if (walk->at + 1 < hunt->order_count) {
        list = mn_hunt_list(hunt, (size_t)hunt->order[walk->at + 1].id);
        mn_list_map_ask(hunt->query->lists, list.number);
    }
    return MN_OK;
}

static enum mn_status list_next(struct mn_hunt *hunt, struct walk *walk, struct mn_chunk *chunk,
                                bool *found)
{
    if (!hunt->mapped) return mn_posting_scan_next(&hunt->postings, chunk, found);
    *found = walk->left > 0;
    if (!*found) return MN_OK;
    walk->left--;
    return mn_list_map_chunk(hunt->query->lists, &hunt->ann->postings, walk->place++, chunk);
}

enum mn_status mn_hunt_lists_order(struct mn_hunt *hunt, uint64_t wanted)
{
    size_t all = hunt->all_count, next = 2 * hunt->order_count;

    if (next == 0) next = wanted < all ? (size_t)wanted : all;
    if (next > all) next = all;
    if (!mn_grow(&hunt->order, &hunt->order_capacity, all + next + 1, sizeof *hunt->order)) {
        return mn_fail_nomem();
    }
    mn_scores_select(hunt->all, all, next, hunt->order);
    mn_candidates_sort(hunt->order, next, hunt->order + next);
    hunt->order_count = next;
    return MN_OK;
}

/* The next chunk; where the list has no more, of the next list only with `cross`. */
static enum mn_status walk_next(struct mn_hunt *hunt, struct walk *walk, bool cross,
                                struct mn_chunk *chunk, bool *found)
{
    enum mn_status status = MN_OK;

    *found = false;
    while (status == MN_OK) {
        if (walk->open) {
            status = list_next(hunt, walk, chunk, found);
            if (status != MN_OK || *found) break;
            walk->open = false;
            walk->at++;
        }
        if (!cross || walk->at == hunt->all_count) break;
        if (walk->at == hunt->order_count) {
            status = mn_hunt_lists_order(hunt, mn_hunt_plan_make(hunt).lists);
        }
        if (status == MN_OK) status = list_open(hunt, walk);
    }
    return status;
}

static enum mn_status lists_read(struct mn_hunt *hunt)
{
    struct mn_hunt_plan plan = mn_hunt_plan_make(hunt);
    struct walk walk = {.at = 0};
    struct mn_chunk chunk, ahead;
    bool found, more;
    uint64_t read = 0, before = hunt->passed;
    enum mn_status status;

    hunt->keep = plan.keep;
    status = walk_next(hunt, &walk, true, &chunk, &found);

    while (status == MN_OK && found) {
        size_t at = walk.at;
        bool cross = read + 1 < plan.lists || hunt->passed < plan.passed;

        status = walk_next(hunt, &walk, cross, &ahead, &more);
        if (status == MN_OK && more) mn_hunt_chunk_ask(&chunk, &ahead);
        if (status == MN_OK) status = mn_hunt_chunk(hunt, &chunk);
        if (status == MN_OK) status = mn_hunt_tick(hunt);
        if (status == MN_OK && walk.at != at) {
            hunt->counts->lists++;
            read += hunt->passed > before;
            before = hunt->passed;
            if (read >= plan.lists && hunt->passed >= plan.passed) break;
            if (!more) status = walk_next(hunt, &walk, true, &ahead, &more);
        }
        chunk = ahead;
        found = more;
    }
    return status;
}

enum mn_status mn_hunt_lists_scan(struct mn_hunt *hunt)
{
    enum mn_status status = lists_read(hunt);

    if (status != MN_OK) return status;
    mn_hunt_best_keep(hunt);
    return mn_hunt_score(hunt, hunt->candidates, hunt->count);
}
