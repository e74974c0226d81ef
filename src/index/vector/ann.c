/*
 * ann: rows come and go.
 *
 * A change touches one chunk. The counts of lists come from their chunks,
 * so that no counter is written beside them.
 */
#include "index/vector/ann.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/ann_inside.h"
#include "index/vector/cover.h"
#include "index/vector/kmeans.h"

struct mn_ann_limits mn_ann_limits = {
    .flat_max = 16384,
    .cluster_max = 512,
    .cluster_min = 128,
    .cluster_rows = 300,
    .few_vectors = 1024,
    .few_passing = 5000,
};

struct mn_ann_sizes mn_ann_sizes(const struct mn_postings *postings)
{
    enum { LIST_BYTES = 64 << 10 };
    const struct mn_ann_limits *limits = &mn_ann_limits;
    uint64_t row = mn_group_bytes(&postings->form, false) / MN_CODE_GROUP;
    uint64_t all = limits->cluster_rows * row, part = all < LIST_BYTES ? all : LIST_BYTES;

    if (part < all / 2) part = all / 2;
    if (all == 0) part = all = 1;
    return (struct mn_ann_sizes){.most = limits->cluster_max * part / all,
                                 .least = limits->cluster_min * part / all,
                                 .aim = limits->cluster_rows * part / all};
}

enum mn_status mn_ann_init(struct mn_ann *ann, struct mn_view *view, const struct mn_index *index)
{
    const struct mn_value *option = mn_index_option(index, "metric");
    const struct mn_column *column = &index->table->columns[index->columns[0].column];
    enum mn_metric metric = MN_METRIC_COSINE;

    if (option && option->type == MN_TYPE_TEXT) {
        enum mn_status status = mn_metric_parse(option->p, option->size, &metric);
        if (status != MN_OK) return status;
    }
    struct mn_code_form form = mn_code_form(metric, column->kind.dims);
    *ann = (struct mn_ann){
        .view = view,
        .index = index,
        .column = index->columns[0].column,
        .metric = metric,
        .vectors = {view, column->slab_tree, column->kind.dims, false},
        .centroids = {view, index->tree + 1, column->kind.dims, false},
        .postings = mn_postings(view, index->tree, &form),
        .places = {view, index->tree + 2},
    };
    ann->placed = mn_ann_keeps_places(ann);
    return MN_OK;
}

enum mn_status mn_ann_partition(const struct mn_index *index, const struct mn_value *values,
                                struct mn_buf *prefix)
{
    enum mn_status status = MN_OK;

    prefix->len = 0;
    for (uint32_t i = 1; status == MN_OK && i < index->column_count; i++) {
        status = mn_key_append(prefix, &values[index->columns[i].column], index->columns[i].order);
    }
    if (status == MN_TOOBIG || (status == MN_OK && prefix->len > MN_KEY_BYTES_MAX - 64)) {
        return mn_fail(MN_TOOBIG, "the partition of index %s is over %d bytes", index->name,
                       MN_KEY_BYTES_MAX - 64);
    }
    return status;
}

/* ---- the nearest clusters ---- */

struct likely {
    double score;
    uint32_t cluster;
};

struct near {
    struct likely best[MN_ANN_NEAR_MAX];
    size_t count, most;
};

static void near_offer(struct near *near, double score, uint32_t cluster)
{
    size_t at = near->count;

    if (near->count == near->most) {
        if (score <= near->best[near->most - 1].score) return;
        at--;
    } else {
        near->count++;
    }
    for (; at > 0 && score > near->best[at - 1].score; at--) near->best[at] = near->best[at - 1];
    near->best[at] = (struct likely){score, cluster};
}

/* Offers all centroids of a chunk, by their codes. */
static void chunk_offer(const struct mn_chunk *chunk, const struct mn_code_query *query,
                        bool serves, struct near *near)
{
    float estimates[MN_POSTING_ROWS_MAX];
    uint16_t hits[MN_POSTING_ROWS_MAX / MN_CODE_GROUP];

    if (serves) mn_kernels()->code_scan(query, &chunk->groups, -INFINITY, estimates, hits);
    for (uint32_t i = 0; i < chunk->count; i++) {
        double score = !serves || isnan(estimates[i]) ? (double)INFINITY : (double)estimates[i];

        if (near->count == near->most && score <= near->best[near->most - 1].score) continue;
        near_offer(near, score, (uint32_t)mn_chunk_row(chunk, i));
    }
}

static int clusters_order(const void *a, const void *b)
{
    const struct likely *x = a, *y = b;

    return (x->cluster > y->cluster) - (x->cluster < y->cluster);
}

static enum mn_status centroid_lost(const struct mn_ann *ann, uint32_t cluster)
{
    return mn_fail(MN_CORRUPT, "cluster %" PRIu32 " of index %s has no centroid", cluster,
                   ann->index->name);
}

/* Scores the likely ones by their centroids, and puts them in order. */
static enum mn_status near_settle(const struct mn_ann *ann, const float *vector, struct near *near)
{
    const float *centroids[MN_ANN_NEAR_MAX];
    int64_t ids[MN_ANN_NEAR_MAX];
    struct near settled = {.most = near->most};
    struct mn_slab_scan *scan;
    enum mn_status status = mn_slab_scan_open(&ann->centroids, &scan);

    if (status != MN_OK) return status;
    qsort(near->best, near->count, sizeof *near->best, clusters_order);
    for (size_t i = 0; i < near->count; i++) ids[i] = near->best[i].cluster;
    status = mn_slab_scan_gather(scan, ids, near->count, centroids);
    for (size_t i = 0; i < near->count && status == MN_OK; i++) {
        if (!centroids[i]) {
            status = centroid_lost(ann, near->best[i].cluster);
            break;
        }
        near_offer(&settled,
                   mn_centroid_score(mn_assign_metric(ann->metric), centroids[i], vector,
                                     ann->vectors.dims),
                   near->best[i].cluster);
    }
    mn_slab_scan_close(scan);
    *near = settled;
    return status;
}

enum mn_status mn_ann_nearest(const struct mn_ann *ann, struct mn_bytes prefix, const float *vector,
                              size_t most, uint32_t *clusters, size_t *count)
{
    const uint32_t number = MN_LIST_CENTROIDS;
    struct mn_code_form form = ann->postings.form;
    struct near near = {.most = most < 4 ? 4 : most};
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    struct mn_code_ask ask = {.memory = NULL};
    bool found = true, serves = false;
    enum mn_status status = mn_posting_scan_open(&ann->postings, &scan);

    *count = 0;
    form.metric = mn_assign_metric(ann->metric);
    if (status == MN_OK) status = mn_posting_scan_seek(&scan, prefix, &number);
    while (status == MN_OK) {
        status = mn_posting_scan_next(&scan, &chunk, &found);
        if (status != MN_OK || !found) break;
        if (!ask.memory && !serves) {
            status = mn_code_ask_open(&form, vector, &ask, &serves);
            if (status != MN_OK) break;
        }
        chunk_offer(&chunk, &ask.scan, serves, &near);
    }
    mn_code_ask_release(&ask);
    mn_posting_scan_close(&scan);
    if (status == MN_OK && near.count) status = near_settle(ann, vector, &near);
    if (status != MN_OK) return status;
    for (; *count < most && *count < near.count; (*count)++) {
        clusters[*count] = near.best[*count].cluster;
    }
    return MN_OK;
}

enum mn_status mn_ann_next_cluster(const struct mn_ann *ann, uint32_t *cluster)
{
    struct mn_slab_scan *scan;
    struct mn_slab_block block;
    bool found;
    enum mn_status status = mn_slab_scan_open(&ann->centroids, &scan);

    *cluster = MN_LIST_FIRST;
    if (status != MN_OK) return status;
    status = mn_slab_scan_seek(scan, INT64_MAX);
    if (status == MN_OK) status = mn_slab_scan_next(scan, &block, &found);
    if (status == MN_OK && found) {
        int64_t last = mn_slab_block_row(&block, block.count - 1);

        if (last >= UINT32_MAX - 1) {
            status = mn_fail(MN_FULL, "index %s has used its last cluster", ann->index->name);
        }
        *cluster = (uint32_t)last + 1;
    }
    mn_slab_scan_close(scan);
    return status;
}

/* ---- centroids ---- */

enum mn_status mn_ann_centroid_put(const struct mn_ann *ann, struct mn_bytes prefix,
                                   uint32_t cluster, const float *centroid, bool replace)
{
    uint8_t code[MN_VECTOR_CODE_MAX];
    struct mn_posting row = {.row_id = cluster, .code = code};
    struct mn_list list = {prefix, MN_LIST_CENTROIDS};
    bool found = true;
    enum mn_status status = MN_OK;

    if (replace) status = mn_posting_delete(&ann->postings, &list, cluster, &found);
    if (status == MN_OK && !found) return centroid_lost(ann, cluster);
    mn_code_make(&ann->postings.form, centroid, code, &row.facts);
    if (status == MN_OK) status = mn_posting_put(&ann->postings, &list, &row);
    return status == MN_OK ? mn_slab_put(&ann->centroids, cluster, centroid) : status;
}

enum mn_status mn_ann_centroid_delete(const struct mn_ann *ann, struct mn_bytes prefix,
                                      uint32_t cluster)
{
    struct mn_list list = {prefix, MN_LIST_CENTROIDS};
    bool found;
    enum mn_status status = mn_posting_delete(&ann->postings, &list, cluster, &found);

    if (status == MN_OK && found) status = mn_slab_delete(&ann->centroids, cluster, &found);
    return status == MN_OK && !found ? centroid_lost(ann, cluster) : status;
}

/* ---- rows of a list ---- */

/* Which row of a chunk comes first: appended in order, they mostly lie so. */
static void chunk_order(const struct mn_chunk *chunk, uint16_t *order)
{
    int64_t ids[MN_POSTING_ROWS_MAX];

    for (uint32_t i = 0; i < chunk->count; i++) {
        int64_t id = mn_chunk_row(chunk, i);
        uint32_t at = i;

        for (; at > 0 && ids[at - 1] > id; at--) {
            ids[at] = ids[at - 1];
            order[at] = order[at - 1];
        }
        ids[at] = id;
        order[at] = (uint16_t)i;
    }
}

/* Chunk by chunk, whose ids ascend (L1). */
static enum mn_status rows_take(const struct mn_ann *ann, struct mn_posting_scan *scan,
                                struct mn_list_rows *rows, size_t capacity)
{
    size_t bytes = mn_code_bytes(&ann->postings.form);
    uint16_t order[MN_POSTING_ROWS_MAX];
    struct mn_chunk chunk;
    bool found;
    enum mn_status status = mn_posting_scan_next(scan, &chunk, &found);

    for (; status == MN_OK && found; status = mn_posting_scan_next(scan, &chunk, &found)) {
        chunk_order(&chunk, order);
        for (uint32_t i = 0; i < chunk.count && rows->count < capacity; i++, rows->count++) {
            struct mn_posting row = {.code = rows->codes + rows->count * bytes};

            mn_chunk_get(&chunk, order[i], &row);
            rows->ids[rows->count] = row.row_id;
            rows->facts[rows->count] = row.facts;
            if (rows->count == 0 || row.row_id > rows->ids[rows->count - 1]) continue;
            return mn_fail(MN_CORRUPT, "the rows of a list of index %s are out of order",
                           ann->index->name);
        }
    }
    return status;
}

static enum mn_status rows_gather(const struct mn_ann *ann, struct mn_list_rows *rows)
{
    struct mn_slab_scan *scan;
    enum mn_status status = mn_slab_scan_open(&ann->vectors, &scan);

    if (status == MN_OK) status = mn_slab_scan_gather(scan, rows->ids, rows->count, rows->vectors);
    mn_slab_scan_close(scan);
    for (size_t i = 0; i < rows->count && status == MN_OK; i++) {
        if (rows->vectors[i]) continue;
        return mn_fail(MN_CORRUPT, "index %s has a code for row %" PRId64 ", which has no vector",
                       ann->index->name, rows->ids[i]);
    }
    return status;
}

enum mn_status mn_list_rows_read(const struct mn_ann *ann, const struct mn_list *list, bool vectors,
                                 struct mn_list_rows *rows)
{
    struct mn_posting_scan scan;
    uint64_t count;
    enum mn_status status = mn_posting_list_length(&ann->postings, list, UINT64_MAX, &count);

    *rows = (struct mn_list_rows){.count = 0};
    if (status != MN_OK) return status;
    size_t each = sizeof *rows->ids + sizeof(const float *) + sizeof *rows->facts +
                  mn_code_bytes(&ann->postings.form);
    rows->memory = mn_alloc_aligned(count * each + 1);
    if (!rows->memory) return mn_fail_nomem();
    rows->ids = rows->memory;
    rows->vectors = (const float **)(void *)(rows->ids + count);
    rows->facts = (struct mn_code_facts *)(void *)(rows->vectors + count);
    rows->codes = (uint8_t *)(rows->facts + count);
    status = mn_posting_scan_open(&ann->postings, &scan);
    if (status == MN_OK) status = mn_posting_scan_seek(&scan, list->prefix, &list->number);
    if (status == MN_OK) status = rows_take(ann, &scan, rows, count);
    mn_posting_scan_close(&scan);
    if (status == MN_OK && vectors) status = rows_gather(ann, rows);
    if (status != MN_OK) mn_list_rows_release(rows);
    return status;
}

void mn_list_rows_release(struct mn_list_rows *rows)
{
    mn_release_aligned(rows->memory);
    *rows = (struct mn_list_rows){.count = 0};
}

struct mn_posting mn_list_rows_get(const struct mn_ann *ann, const struct mn_list_rows *rows,
                                   size_t i)
{
    return (struct mn_posting){rows->ids[i], rows->facts[i],
                               rows->codes + i * mn_code_bytes(&ann->postings.form)};
}

/* ---- rows come and go ---- */

/* Whether a list has more rows than `most`; cheap while its chunks are few. */
static enum mn_status list_is_over(const struct mn_ann *ann, const struct mn_list *list,
                                   uint64_t most, bool *over)
{
    uint64_t rows;
    enum mn_status status = mn_posting_list_chunks(&ann->postings, list, &rows);

    *over = false;
    if (status != MN_OK || rows * ann->postings.rows_max <= most) return status;
    status = mn_posting_list_length(&ann->postings, list, most + 1, &rows);
    *over = rows > most;
    return status;
}

static enum mn_status row_put(const struct mn_ann *ann, struct mn_bytes prefix,
                              struct mn_posting *row, const float *vector)
{
    struct mn_list list = {prefix, MN_LIST_FLAT};
    uint32_t cluster;
    size_t count;
    bool over;
    enum mn_status status = mn_ann_nearest(ann, prefix, vector, 1, &cluster, &count);

    if (status != MN_OK) return status;
    if (count) list.number = cluster;
    uint64_t most = count ? mn_ann_sizes(&ann->postings).most : mn_ann_limits.flat_max;
    status = mn_posting_put(&ann->postings, &list, row);
    if (status == MN_OK && count) status = mn_ann_place_put(ann, row->row_id, cluster);
    if (status == MN_OK) {
        status = list_is_over(ann, &list, most, &over);
    }
    if (status != MN_OK || !over) return status;
    return count ? mn_ann_split(ann, prefix, cluster) : mn_ann_promote(ann, prefix);
}

enum mn_status mn_ann_insert(const struct mn_ann *ann, const struct mn_index_entry *entry,
                             const float *vector)
{
    uint8_t code[MN_VECTOR_CODE_MAX];
    struct mn_posting row = {.row_id = entry->row_id, .code = code};
    struct mn_buf prefix = {0};
    enum mn_status status = mn_ann_partition(ann->index, entry->values, &prefix);

    mn_code_make(&ann->postings.form, vector, code, &row.facts);
    if (status == MN_OK) {
        status = row_put(ann, mn_bytes_of(prefix.data, prefix.len), &row, vector);
    }
    if (status == MN_OK && ann->index->cover_count) {
        status = mn_cover_put(ann->view, ann->index, entry);
    }
    mn_buf_release(&prefix);
    return status;
}

static enum mn_status row_delete(const struct mn_ann *ann, struct mn_bytes prefix, int64_t row_id)
{
    struct mn_list list = {prefix, MN_LIST_FLAT};
    uint32_t cluster;
    uint64_t left, least = mn_ann_sizes(&ann->postings).least;
    bool found;
    enum mn_status status = mn_ann_place_get(ann, prefix, row_id, &cluster);

    if (status != MN_OK) return status;
    if (cluster) list.number = cluster;
    status = mn_posting_delete(&ann->postings, &list, row_id, &found);
    if (status == MN_OK && !found) {
        return mn_fail(MN_CORRUPT, "index %s has no code for row %" PRId64 " of %s",
                       ann->index->name, row_id, ann->index->table->name);
    }
    if (status != MN_OK || !cluster) return status;
    status = mn_ann_place_put(ann, row_id, 0);
    if (status == MN_OK) {
        status = mn_posting_list_length(&ann->postings, &list, least, &left);
    }
    if (status != MN_OK || left >= least) return status;
    return mn_ann_merge(ann, prefix, cluster);
}

enum mn_status mn_ann_delete(const struct mn_ann *ann, const struct mn_index_entry *row)
{
    struct mn_buf prefix = {0};
    enum mn_status status = mn_ann_partition(ann->index, row->values, &prefix);

    if (status == MN_OK) {
        status = row_delete(ann, mn_bytes_of(prefix.data, prefix.len), row->row_id);
    }
    if (status == MN_OK && ann->index->cover_count) {
        status = mn_cover_delete(ann->view, ann->index, row->row_id);
    }
    mn_buf_release(&prefix);
    return status;
}

/* ---- all chunks ---- */

enum mn_status mn_ann_walk(const struct mn_ann *ann, const struct mn_watch *watch,
                           mn_chunk_visit visit, void *context)
{
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_open(&ann->postings, &scan);

    if (status == MN_OK) status = mn_posting_scan_seek(&scan, mn_bytes_of("", 0), NULL);
    while (status == MN_OK) {
        status = mn_watch_tick(watch);
        if (status == MN_OK) status = mn_posting_scan_next(&scan, &chunk, &found);
        if (status != MN_OK || !found) break;
        status = visit(context, &chunk);
    }
    mn_posting_scan_close(&scan);
    return status;
}

static enum mn_status rows_count(void *context, const struct mn_chunk *chunk)
{
    uint64_t *codes = context;

    if (chunk->list != MN_LIST_CENTROIDS) *codes += chunk->count;
    return MN_OK;
}

enum mn_status mn_ann_count(const struct mn_ann *ann, uint64_t *codes)
{
    *codes = 0;
    return mn_ann_walk(ann, NULL, rows_count, codes);
}

/* ---- nothing left ---- */

static enum mn_status tree_clear(struct mn_view *view, uint64_t tree)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    struct mn_buf key = {0};
    bool found = true;
    enum mn_status status = mn_cursor_open(view, tree, &cursor);

    while (status == MN_OK) {
        status = mn_cursor_first(cursor, &found);
        if (status == MN_OK && found) status = mn_cursor_item(cursor, &item);
        if (status != MN_OK || !found) break;
        key.len = 0;
        status = mn_buf_append(&key, item.key.data, item.key.len);
        if (status == MN_OK) {
            status = mn_tree_delete(view, tree, mn_bytes_of(key.data, key.len), NULL);
        }
    }
    mn_cursor_close(cursor);
    mn_buf_release(&key);
    return status;
}

enum mn_status mn_ann_clear(const struct mn_ann *ann)
{
    enum mn_status status = tree_clear(ann->view, ann->postings.tree);

    if (status == MN_OK) status = tree_clear(ann->view, ann->centroids.tree);
    return status == MN_OK ? tree_clear(ann->view, ann->places.tree) : status;
}
