/*
 * ann_stat: one walk over the lists, one over the vectors.
 *
 * Each block of vectors is shown to the exact searches of all sampled rows before the next, so that
 * the vectors are read once.
 */
#include "index/vector/ann_stat.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/ann_inside.h"
#include "index/vector/ann_search.h"

/* ---- lists ---- */

struct walk {
    struct mn_ann_stat *stat;
    struct mn_buf list; /* partition and number of the list that the walk is in */
    size_t prefix;      /* bytes of the partition in it */
    uint64_t rows;      /* of that list */
    uint64_t full;      /* lists with rows */
    bool centroids, flat, begun;
};

static void list_end(struct walk *walk)
{
    struct mn_ann_stat *stat = walk->stat;

    if (!walk->begun || walk->centroids) return;
    if (walk->full++ == 0 || walk->rows < stat->least) stat->least = walk->rows;
    if (walk->rows > stat->most) stat->most = walk->rows;
    stat->rows += walk->rows;
    stat->lists += walk->flat;
}

static bool bytes_are(const struct mn_buf *buf, struct mn_bytes bytes)
{
    return buf->len == bytes.len && memcmp(buf->data, bytes.data, bytes.len) == 0;
}

static enum mn_status list_begin(struct walk *walk, struct mn_bytes list, uint32_t number)
{
    size_t prefix = list.len - sizeof number;

    walk->stat->partitions += !walk->begun || prefix != walk->prefix ||
                              (prefix && memcmp(walk->list.data, list.data, prefix) != 0);
    walk->prefix = prefix;
    walk->list.len = 0;
    walk->rows = 0;
    walk->centroids = number == MN_LIST_CENTROIDS;
    walk->flat = number == MN_LIST_FLAT;
    walk->begun = true;
    return mn_buf_append(&walk->list, list.data, list.len);
}

static enum mn_status chunk_add(void *context, const struct mn_chunk *chunk)
{
    struct walk *walk = context;
    struct mn_bytes list = {chunk->key.data, chunk->key.len - MN_ROW_ID_BYTES};
    size_t bytes = chunk->groups.count * chunk->groups.stride, page = chunk->postings->page_bytes;
    enum mn_status status = MN_OK;

    if (!walk->begun || !bytes_are(&walk->list, list)) {
        list_end(walk);
        status = list_begin(walk, list, chunk->list);
    }
    walk->rows += chunk->count;
    if (walk->centroids) walk->stat->clusters += chunk->count;
    walk->stat->code_bytes += (bytes + page - 1) / page * page;
    return status;
}

static enum mn_status lists_walk(const struct mn_ann *ann, const struct mn_watch *watch,
                                 struct mn_ann_stat *stat)
{
    struct walk walk = {.stat = stat};
    enum mn_status status = mn_ann_walk(ann, watch, chunk_add, &walk);

    list_end(&walk);
    stat->lists += stat->clusters;
    if (walk.full < stat->lists) stat->least = 0; /* a cluster may be empty */
    mn_buf_release(&walk.list);
    return status;
}

/* ---- recall ---- */

struct sample {
    const struct mn_ann *ann;
    const struct mn_watch *watch;
    uint64_t rows, wanted;
    size_t count;
    int64_t ids[MN_STAT_QUERIES];
    const float *vectors[MN_STAT_QUERIES];
    struct mn_search *exact[MN_STAT_QUERIES];
};

uint64_t mn_ann_stat_queries(uint64_t rows, uint32_t dims)
{
    uint64_t queries = MN_STAT_QUERIES;

    if (rows < 2) return 0; /* no row has a neighbour */
    if (rows > MN_STAT_ELEMENTS_MAX / dims / queries) queries = MN_STAT_ELEMENTS_MAX / dims / rows;
    if (queries < MN_STAT_QUERIES_LEAST) return 0;
    return queries < rows ? queries : rows;
}

static enum mn_status sample_add(struct sample *sample, int64_t id, const float *vector)
{
    struct mn_search_options options = {.metric = sample->ann->metric,
                                        .query = vector,
                                        .dims = sample->ann->vectors.dims,
                                        .k = MN_STAT_K + 1,
                                        .within = INFINITY};

    /* nothing is near a vector of zeros under cosine */
    if (options.metric == MN_METRIC_COSINE && mn_vector_norm2(vector, options.dims) == 0) {
        return MN_OK;
    }
    sample->ids[sample->count] = id;
    sample->vectors[sample->count] = vector;
    return mn_search_open(&options, &sample->exact[sample->count++]);
}

/* Vector number (2 i + 1) n / (2 q) for each i < q. */
static enum mn_status sample_take(struct sample *sample, struct mn_slab_scan *scan)
{
    struct mn_slab_block block;
    uint64_t at = 0, i = 0;
    bool found = true;
    enum mn_status status = MN_OK;

    while (status == MN_OK && i < sample->wanted) {
        status = mn_watch_tick(sample->watch);
        if (status == MN_OK) status = mn_slab_scan_next(scan, &block, &found);
        if (status != MN_OK || !found) break;
        for (; i < sample->wanted && status == MN_OK; i++) {
            uint64_t number = (2 * i + 1) * sample->rows / (2 * sample->wanted);

            if (number >= at + block.count) break;
            size_t in = (size_t)(number - at);
            status =
                sample_add(sample, mn_slab_block_row(&block, in), block.base + in * block.stride);
        }
        at += block.count;
    }
    return status;
}

static enum mn_status sample_compare(struct sample *sample, struct mn_slab_scan *scan,
                                     uint64_t *compared)
{
    struct mn_slab_block block;
    bool found = true;
    enum mn_status status = mn_slab_scan_seek(scan, INT64_MIN);

    while (status == MN_OK) {
        status = mn_watch_tick(sample->watch);
        if (status == MN_OK) status = mn_slab_scan_next(scan, &block, &found);
        if (status != MN_OK || !found) break;
        for (size_t i = 0; i < sample->count && status == MN_OK; i++) {
            status = mn_search_block(sample->exact[i], &block);
        }
        *compared += block.count * sample->count;
    }
    for (size_t i = 0; i < sample->count && status == MN_OK; i++) {
        status = mn_search_settle(sample->exact[i]);
    }
    return status;
}

/* The nearest but the row itself, at most MN_STAT_K. */
static size_t others(struct mn_search *search, int64_t self, struct mn_near *near)
{
    size_t found, count = 0;
    const struct mn_near *all = mn_search_finish(search, &found);

    for (size_t i = 0; i < found && count < MN_STAT_K; i++) {
        if (all[i].id != self) near[count++] = all[i];
    }
    return count;
}

/* The share of the true ones; others as near as the last of those are as good. */
static enum mn_status query_judge(struct sample *sample, size_t i, double *share)
{
    const struct mn_ann *ann = sample->ann;
    struct mn_ann_query query = {
        .search = {ann->metric, sample->vectors[i], ann->vectors.dims, MN_STAT_K + 1, INFINITY,
                   NULL, NULL},
        .rows = sample->rows,
        .tick = sample->watch->tick,
        .context = sample->watch->context,
    };
    struct mn_near truth[MN_STAT_K], near[MN_STAT_K];
    struct mn_ann_counts counts = {0};
    struct mn_search *search;
    size_t known = others(sample->exact[i], sample->ids[i], truth), count, hits = 0;
    bool served = false;
    enum mn_status status = mn_search_open(&query.search, &search);

    if (status == MN_OK) status = mn_ann_search(ann, &query, search, &counts, &served);
    if (status == MN_OK) status = mn_search_settle(search);
    if (status == MN_OK) {
        count = served ? others(search, sample->ids[i], near) : 0;
        for (size_t n = 0; n < count && n < known; n++) {
            hits += near[n].distance <= truth[known - 1].distance;
        }
        *share = served && known ? (double)hits / (double)known : 1;
    }
    mn_search_release(search);
    return status;
}

static enum mn_status sample_judge(struct sample *sample, struct mn_ann_stat *stat)
{
    bool pays = mn_ann_pays(MN_STAT_K + 1, sample->rows, mn_ann_limits.few_vectors);
    double sum = 0;
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < sample->count && status == MN_OK; i++) {
        double share = 1; /* so few vectors are compared as they are */

        if (pays) status = query_judge(sample, i, &share);
        if (status == MN_OK) status = mn_watch_tick(sample->watch);
        sum += share;
    }
    if (status != MN_OK || sample->count == 0) return status;
    stat->queries = sample->count;
    stat->recall = sum / (double)sample->count;
    return MN_OK;
}

static enum mn_status recall_measure(const struct mn_ann *ann, const struct mn_watch *watch,
                                     struct mn_ann_stat *stat)
{
    struct sample *sample = mn_zalloc(sizeof *sample);
    struct mn_slab_scan *scan = NULL;
    enum mn_status status;

    if (!sample) return mn_fail_nomem();
    sample->ann = ann;
    sample->watch = watch;
    sample->rows = stat->rows;
    sample->wanted = mn_ann_stat_queries(stat->rows, ann->vectors.dims);
    status = mn_slab_scan_open(&ann->vectors, &scan);
    if (status == MN_OK) status = sample_take(sample, scan);
    if (status == MN_OK && sample->count) status = sample_compare(sample, scan, &stat->compared);
    if (status == MN_OK) status = sample_judge(sample, stat);
    mn_slab_scan_close(scan);
    for (size_t i = 0; i < sample->count; i++) mn_search_release(sample->exact[i]);
    mn_dealloc(sample);
    return status;
}

enum mn_status mn_ann_stat(const struct mn_ann *ann, const struct mn_watch *watch,
                           struct mn_ann_stat *stat)
{
    *stat = (struct mn_ann_stat){0};
    enum mn_status status = lists_walk(ann, watch, stat);

    stat->vector_bytes = stat->rows * ann->vectors.dims * sizeof(float);
    return status == MN_OK ? recall_measure(ann, watch, stat) : status;
}
