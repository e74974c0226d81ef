/*
 * ann_build: codes for many rows at once: a whole table, or a flat partition that has grown.
 *
 *   row ids by partition -> a sample -> k-means -> each row's cluster -> big ones cut in two
 *        -> lists in the order of their keys, places in the order of rows
 *
 * Vectors stay where they are: the build keeps 16 bytes a row, the centroids, and one batch.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "index/index.h"
#include "index/row.h"
#include "index/vector/ann_inside.h"
#include "index/vector/cover.h"
#include "index/vector/kmeans.h"
#include "os/parallel.h"

enum {
    SAMPLE_ROWS = 40,
    ROUNDS = 6,
    REFINE = 2,
    BATCH_BYTES = 1 << 20,
    BATCH_LEAST = 64,
    BATCH_MOST = 4096
};

/* A row of the build. */
struct member {
    int64_t id;
    uint32_t partition, cluster;
};

struct build {
    const struct mn_ann *ann;
    const struct mn_watch *watch;
    struct member *members;
    size_t count, capacity;
    struct mn_buf prefixes; /* of all partitions, one behind another */
    size_t *prefix_ends;    /* one a partition */
    size_t partition_count, partition_capacity;
    uint32_t *buckets; /* partition + 1, by the hash of the prefix */
    size_t bucket_count;
    uint32_t next_cluster;
    struct mn_bulk *bulk; /* of the codes; NULL: by puts */
    struct mn_list_writer lists;
    struct mn_slab_scan *scan;
    size_t batch;
    int64_t *ids;
    const float **vectors;
    uint8_t *codes;
    struct mn_code_facts *facts;
};

static struct mn_bytes partition_prefix(const struct build *build, size_t partition)
{
    size_t begin = partition ? build->prefix_ends[partition - 1] : 0;

    return mn_bytes_of(build->prefixes.data + begin, build->prefix_ends[partition] - begin);
}

/* ---- batches ---- */

static enum mn_status batch_gather(struct build *build, const struct member *members,
                                   const uint32_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) build->ids[i] = members[order ? order[i] : i].id;
    enum mn_status status = mn_slab_scan_gather(build->scan, build->ids, count, build->vectors);
    for (size_t i = 0; i < count && status == MN_OK; i++) {
        if (build->vectors[i]) continue;
        return mn_fail(MN_CORRUPT, "row %lld of %s has lost its vector", (long long)build->ids[i],
                       build->ann->index->table->name);
    }
    return status;
}

static void encode_work(void *context, size_t begin, size_t end)
{
    struct build *build = context;
    const struct mn_code_form *form = &build->ann->postings.form;

    for (size_t i = begin; i < end; i++) {
        mn_code_make(form, build->vectors[i], build->codes + i * mn_code_bytes(form),
                     &build->facts[i]);
    }
}

/* Writes rows, in the order of their ids, to the list that the writer is at. */
static enum mn_status list_rows_write(struct build *build, const struct member *members,
                                      const uint32_t *order, size_t count)
{
    enum { GRAIN = 128 };
    size_t bytes = mn_code_bytes(&build->ann->postings.form);
    enum mn_status status = MN_OK;

    for (size_t at = 0; at < count && status == MN_OK; at += build->batch) {
        size_t n = count - at < build->batch ? count - at : build->batch;

        status = mn_watch_tick(build->watch);
        if (status == MN_OK) {
            status = order ? batch_gather(build, members, order + at, n)
                           : batch_gather(build, members + at, NULL, n);
        }
        if (status != MN_OK) break;
        if (n > 2 * GRAIN)
            mn_parallel(n, GRAIN, mn_view_threads(build->ann->view), encode_work, build);
        else
            encode_work(build, 0, n);
        for (size_t i = 0; i < n && status == MN_OK; i++) {
            struct mn_posting row = {build->ids[i], build->facts[i], build->codes + i * bytes};
            status = mn_list_writer_add(&build->lists, &row);
        }
    }
    return status;
}

/* ---- clusters of one partition ---- */

struct partition {
    struct build *build;
    struct mn_bytes prefix;
    struct member *members; /* in the order of ids */
    size_t count;
    uint32_t first, clusters, capacity; /* numbers of clusters: first, first + 1, ... */
    float *centroids;
    uint32_t *order; /* members by cluster */
};

static enum mn_status sample_take(struct partition *p, uint32_t clusters, const float ***sample,
                                  size_t *sample_count)
{
    size_t wanted = (size_t)clusters * SAMPLE_ROWS;
    enum mn_status status = MN_OK;

    if (wanted > p->count) wanted = p->count;
    *sample_count = wanted;
    *sample = mn_alloc(wanted * sizeof(const float *));
    int64_t *ids = mn_alloc(wanted * sizeof *ids);
    if (!*sample || !ids) status = mn_fail_nomem();
    for (size_t i = 0; i < wanted && status == MN_OK; i++) {
        ids[i] = p->members[i * p->count / wanted].id;
    }
    if (status == MN_OK) status = mn_slab_scan_gather(p->build->scan, ids, wanted, *sample);
    for (size_t i = 0; i < wanted && status == MN_OK; i++) {
        if (!(*sample)[i]) {
            status = mn_fail(MN_CORRUPT, "row %lld of %s has lost its vector", (long long)ids[i],
                             p->build->ann->index->table->name);
        }
    }
    mn_dealloc(ids);
    return status;
}

static enum mn_status members_assign(struct partition *p, const struct mn_kmeans *kmeans)
{
    struct build *build = p->build;
    uint32_t *nearest = mn_alloc(build->batch * sizeof *nearest);
    enum mn_status status = nearest ? MN_OK : mn_fail_nomem();

    for (size_t at = 0; at < p->count && status == MN_OK; at += build->batch) {
        size_t n = p->count - at < build->batch ? p->count - at : build->batch;

        status = mn_watch_tick(build->watch);
        if (status == MN_OK) status = batch_gather(build, p->members + at, NULL, n);
        if (status == MN_OK) status = mn_kmeans_assign(kmeans, build->vectors, n, true, nearest);
        for (size_t i = 0; i < n && status == MN_OK; i++) {
            p->members[at + i].cluster = p->first + nearest[i];
        }
    }
    mn_dealloc(nearest);
    return status;
}

static enum mn_status clusters_train(struct partition *p)
{
    struct build *build = p->build;
    const struct mn_ann *ann = build->ann;
    uint32_t dims = ann->vectors.dims;
    struct mn_kmeans_options options = {
        .metric = mn_assign_metric(ann->metric),
        .dims = dims,
        .count = (uint32_t)(p->count / mn_ann_sizes(&ann->postings).aim) + 1,
        .rounds = ROUNDS,
        .seed = p->count,
        .threads = mn_view_threads(ann->view),
        .tick = build->watch ? build->watch->tick : NULL,
        .context = build->watch ? build->watch->context : NULL,
    };
    struct mn_kmeans kmeans = {.count = 0};
    const float **sample = NULL;
    size_t sample_count;
    enum mn_status status = sample_take(p, options.count, &sample, &sample_count);

    if (status == MN_OK) status = mn_kmeans_train(&options, sample, sample_count, &kmeans);
    mn_dealloc(sample);
    if (status != MN_OK) return status;
    p->first = build->next_cluster;
    p->clusters = options.count;
    status = members_assign(p, &kmeans);
    if (status == MN_OK) {
        p->centroids = kmeans.centroids;
        p->capacity = kmeans.count;
        kmeans.centroids = NULL;
    }
    mn_kmeans_release(&kmeans);
    return status;
}

/* Counting sort: begins[c] is where cluster c begins in the order. */
static enum mn_status members_order(struct partition *p, uint32_t **begins)
{
    uint32_t *at = mn_zalloc(((size_t)p->clusters + 2) * sizeof *at);

    *begins = at;
    if (!p->order) p->order = mn_alloc(p->count * sizeof *p->order + 1);
    if (!at || !p->order) return mn_fail_nomem();
    for (size_t i = 0; i < p->count; i++) at[p->members[i].cluster - p->first + 2]++;
    for (uint32_t c = 2; c < p->clusters + 2; c++) at[c] += at[c - 1];
    for (size_t i = 0; i < p->count; i++) {
        p->order[at[p->members[i].cluster - p->first + 1]++] = (uint32_t)i;
    }
    return MN_OK;
}

static bool centroids_grow(struct partition *p)
{
    uint32_t dims = p->build->ann->vectors.dims, capacity = p->capacity + p->capacity / 2 + 8;
    float *grown;

    if (p->clusters < p->capacity) return true;
    grown = mn_alloc_aligned((size_t)capacity * dims * sizeof *grown);
    if (!grown) return false;
    memcpy(grown, p->centroids, (size_t)p->clusters * dims * sizeof *grown);
    mn_release_aligned(p->centroids);
    p->centroids = grown;
    p->capacity = capacity;
    return true;
}

/* One cluster that is too big, cut until none of its pieces is. `rows` are places in members,
 * ascending. */
struct piece {
    uint32_t *rows;
    size_t count;
    uint32_t cluster;
};

static enum mn_status piece_cut(struct partition *p, struct piece *piece, struct piece *rest,
                                const float **vectors, int64_t *ids)
{
    uint32_t dims = p->build->ann->vectors.dims;
    size_t kept = 0, moved = 0;
    uint8_t *side = mn_alloc(piece->count);
    float *centroids = mn_alloc_aligned(2 * (size_t)dims * sizeof *centroids);
    uint32_t *second = mn_alloc(piece->count * sizeof *second);
    enum mn_status status =
        side && centroids && second && centroids_grow(p) ? MN_OK : mn_fail_nomem();

    for (size_t i = 0; i < piece->count && status == MN_OK; i++) {
        ids[i] = p->members[piece->rows[i]].id;
    }
    if (status == MN_OK) {
        status = mn_slab_scan_gather(p->build->scan, ids, piece->count, vectors);
    }
    if (status == MN_OK) {
        status = mn_two_means(mn_assign_metric(p->build->ann->metric), dims, vectors, piece->count,
                              side, centroids);
    }
    if (status == MN_OK) {
        rest->cluster = p->first + p->clusters++;
        for (size_t i = 0; i < piece->count; i++) {
            if (side[i])
                second[moved++] = piece->rows[i];
            else
                piece->rows[kept++] = piece->rows[i];
        }
        memcpy(piece->rows + kept, second, moved * sizeof *second);
        rest->rows = piece->rows + kept;
        rest->count = moved;
        piece->count = kept;
        for (size_t i = 0; i < moved; i++) p->members[rest->rows[i]].cluster = rest->cluster;
        memcpy(p->centroids + (size_t)(piece->cluster - p->first) * dims, centroids,
               dims * sizeof *centroids);
        memcpy(p->centroids + (size_t)(rest->cluster - p->first) * dims, centroids + dims,
               dims * sizeof *centroids);
    }
    mn_dealloc(side);
    mn_release_aligned(centroids);
    mn_dealloc(second);
    return status;
}

static enum mn_status cluster_cut(struct partition *p, struct piece whole)
{
    enum { PIECES_MAX = 64 }; /* each cut leaves at most 7/8: deeper than any count goes */
    struct piece stack[PIECES_MAX];
    size_t depth = 0;
    uint64_t most = mn_ann_sizes(&p->build->ann->postings).most;
    const float **vectors = mn_alloc(whole.count * sizeof(const float *));
    int64_t *ids = mn_alloc(whole.count * sizeof *ids);
    enum mn_status status = vectors && ids ? MN_OK : mn_fail_nomem();

    stack[depth++] = whole;
    while (depth > 0 && status == MN_OK) {
        struct piece piece = stack[--depth];

        if (piece.count <= most || depth + 2 > PIECES_MAX) continue;
        struct piece rest;
        status = piece_cut(p, &piece, &rest, vectors, ids);
        if (status == MN_OK) status = mn_watch_tick(p->build->watch);
        if (status != MN_OK) break;
        /* the smaller one last, so that the stack stays low */
        stack[depth++] = piece.count > rest.count ? piece : rest;
        stack[depth++] = piece.count > rest.count ? rest : piece;
    }
    mn_dealloc(vectors);
    mn_dealloc(ids);
    return status;
}

static enum mn_status big_ones_cut(struct partition *p)
{
    uint32_t *begins, clusters = p->clusters;
    uint64_t most = mn_ann_sizes(&p->build->ann->postings).most;
    enum mn_status status = members_order(p, &begins);

    for (uint32_t c = 0; c < clusters && status == MN_OK; c++) {
        struct piece whole = {p->order + begins[c], begins[c + 1] - begins[c], p->first + c};

        if (whole.count > most) status = cluster_cut(p, whole);
    }
    mn_dealloc(begins);
    return status;
}

/* Each centroid becomes the mean of the rows that have come to it. */
static enum mn_status means_take(struct partition *p)
{
    struct build *build = p->build;
    uint32_t dims = build->ann->vectors.dims;
    enum mn_metric metric = mn_assign_metric(build->ann->metric);
    double *sums = mn_zalloc((size_t)p->clusters * dims * sizeof *sums);
    uint64_t *counts = mn_zalloc(p->clusters * sizeof *counts);
    enum mn_status status = sums && counts ? MN_OK : mn_fail_nomem();

    for (size_t at = 0; at < p->count && status == MN_OK; at += build->batch) {
        size_t n = p->count - at < build->batch ? p->count - at : build->batch;

        status = mn_watch_tick(build->watch);
        if (status == MN_OK) status = batch_gather(build, p->members + at, NULL, n);
        for (size_t i = 0; i < n && status == MN_OK; i++) {
            uint32_t c = p->members[at + i].cluster - p->first;

            mn_centroid_add(metric, dims, build->vectors[i], sums + (size_t)c * dims);
            counts[c]++;
        }
    }
    for (uint32_t c = 0; c < p->clusters && status == MN_OK; c++) {
        if (counts[c] == 0) continue;
        mn_centroid_make(metric, dims, sums + (size_t)c * dims, counts[c],
                         p->centroids + (size_t)c * dims);
    }
    mn_dealloc(sums);
    mn_dealloc(counts);
    return status;
}

/* The pieces of a cluster that was cut have other borders than the cluster had: rows change sides,
 * also between what was not cut. */
static enum mn_status borders_move(struct partition *p)
{
    struct mn_kmeans kmeans = {.count = 0};
    enum mn_status status = means_take(p);

    if (status == MN_OK) {
        status = mn_kmeans_of(mn_assign_metric(p->build->ann->metric), p->build->ann->vectors.dims,
                              p->centroids, p->clusters, &kmeans);
    }
    kmeans.threads = mn_view_threads(p->build->ann->view);
    if (status == MN_OK) status = members_assign(p, &kmeans);
    mn_kmeans_release(&kmeans);
    return status;
}

static enum mn_status centroids_write(struct partition *p)
{
    const struct mn_ann *ann = p->build->ann;
    struct mn_list list = {p->prefix, MN_LIST_CENTROIDS};
    uint8_t code[MN_VECTOR_CODE_MAX];
    enum mn_status status = mn_list_writer_list(&p->build->lists, &list);

    for (uint32_t c = 0; c < p->clusters && status == MN_OK; c++) {
        const float *centroid = p->centroids + (size_t)c * ann->vectors.dims;
        struct mn_posting row = {.row_id = p->first + c, .code = code};

        mn_code_make(&ann->postings.form, centroid, code, &row.facts);
        status = mn_list_writer_add(&p->build->lists, &row);
        if (status == MN_OK) status = mn_slab_put(&ann->centroids, p->first + c, centroid);
    }
    return status;
}

static enum mn_status clusters_write(struct partition *p)
{
    uint32_t *begins;
    enum mn_status status = members_order(p, &begins);

    if (status == MN_OK) status = centroids_write(p);
    for (uint32_t c = 0; c < p->clusters && status == MN_OK; c++) {
        struct mn_list list = {p->prefix, p->first + c};

        status = mn_list_writer_list(&p->build->lists, &list);
        if (status != MN_OK) break;
        status =
            list_rows_write(p->build, p->members, p->order + begins[c], begins[c + 1] - begins[c]);
    }
    mn_dealloc(begins);
    if (status == MN_OK) p->build->next_cluster = p->first + p->clusters;
    return status;
}

static enum mn_status partition_build(struct partition *p)
{
    struct mn_list flat = {p->prefix, MN_LIST_FLAT};
    enum mn_status status;

    if (p->count <= mn_ann_limits.flat_max) {
        for (size_t i = 0; i < p->count; i++) p->members[i].cluster = 0;
        status = mn_list_writer_list(&p->build->lists, &flat);
        return status == MN_OK ? list_rows_write(p->build, p->members, NULL, p->count) : status;
    }
    status = clusters_train(p);
    if (status == MN_OK) status = big_ones_cut(p);
    for (int r = 0; r < REFINE && status == MN_OK; r++) {
        status = borders_move(p);
        if (status == MN_OK) status = big_ones_cut(p);
    }
    if (status == MN_OK) status = means_take(p);
    if (status == MN_OK) status = clusters_write(p);
    mn_release_aligned(p->centroids);
    mn_dealloc(p->order);
    return status;
}

/* ---- the whole ---- */

static enum mn_status build_open(struct build *build)
{
    const struct mn_ann *ann = build->ann;
    size_t bytes = mn_code_bytes(&ann->postings.form);

    build->batch = BATCH_BYTES / bytes;
    if (build->batch < BATCH_LEAST) build->batch = BATCH_LEAST;
    if (build->batch > BATCH_MOST) build->batch = BATCH_MOST;
    build->ids = mn_alloc(build->batch * sizeof *build->ids);
    build->vectors = mn_alloc(build->batch * sizeof(const float *));
    build->codes = mn_alloc(build->batch * bytes);
    build->facts = mn_alloc(build->batch * sizeof *build->facts);
    if (!build->ids || !build->vectors || !build->codes || !build->facts) return mn_fail_nomem();
    enum mn_status status = mn_ann_next_cluster(ann, &build->next_cluster);
    if (status == MN_OK) status = mn_slab_scan_open(&ann->vectors, &build->scan);
    return status;
}

static void build_close(struct build *build)
{
    mn_slab_scan_close(build->scan);
    mn_list_writer_release(&build->lists);
    mn_dealloc(build->members);
    mn_buf_release(&build->prefixes);
    mn_dealloc(build->prefix_ends);
    mn_dealloc(build->buckets);
    mn_dealloc(build->ids);
    mn_dealloc(build->vectors);
    mn_dealloc(build->codes);
    mn_dealloc(build->facts);
}

static enum mn_status member_add(struct build *build, int64_t id, uint32_t partition)
{
    if (!mn_grow(&build->members, &build->capacity, build->count + 1, sizeof *build->members)) {
        return mn_fail_nomem();
    }
    build->members[build->count++] = (struct member){id, partition, 0};
    return MN_OK;
}

/* All rows that have a vector, where the table is one partition. */
static enum mn_status members_from_slabs(struct build *build)
{
    struct mn_slab_block block;
    bool found = true;
    enum mn_status status = MN_OK;

    while (status == MN_OK) {
        status = mn_slab_scan_next(build->scan, &block, &found);
        if (status != MN_OK || !found) break;
        status = mn_watch_tick(build->watch);
        for (size_t i = 0; i < block.count && status == MN_OK; i++) {
            status = member_add(build, mn_slab_block_row(&block, i), 0);
        }
    }
    return status;
}

static bool buckets_grow(struct build *build)
{
    size_t count = build->bucket_count ? 2 * build->bucket_count : 64;
    uint32_t *grown;

    if (build->partition_count * 2 < build->bucket_count) return true;
    grown = mn_zalloc(count * sizeof *grown);
    if (!grown) return false;
    for (uint32_t i = 0; i < build->partition_count; i++) {
        struct mn_bytes prefix = partition_prefix(build, i);
        size_t at = (size_t)mn_hash(prefix.data, prefix.len, 0) & (count - 1);

        while (grown[at]) at = (at + 1) & (count - 1);
        grown[at] = i + 1;
    }
    mn_dealloc(build->buckets);
    build->buckets = grown;
    build->bucket_count = count;
    return true;
}

static enum mn_status partition_find(struct build *build, struct mn_bytes prefix, uint32_t *number)
{
    if (!buckets_grow(build)) return mn_fail_nomem();
    size_t mask = build->bucket_count - 1, at = (size_t)mn_hash(prefix.data, prefix.len, 0) & mask;

    for (; build->buckets[at]; at = (at + 1) & mask) {
        struct mn_bytes is = partition_prefix(build, build->buckets[at] - 1);

        *number = build->buckets[at] - 1;
        if (is.len == prefix.len && memcmp(is.data, prefix.data, is.len) == 0) return MN_OK;
    }
    if (!mn_grow(&build->prefix_ends, &build->partition_capacity, build->partition_count + 1,
                 sizeof *build->prefix_ends)) {
        return mn_fail_nomem();
    }
    enum mn_status status = mn_buf_append(&build->prefixes, prefix.data, prefix.len);
    if (status != MN_OK) return status;
    *number = (uint32_t)build->partition_count;
    build->prefix_ends[build->partition_count++] = build->prefixes.len;
    build->buckets[at] = *number + 1;
    return MN_OK;
}

static enum mn_status row_note(struct build *build, const struct mn_row *row,
                               struct mn_value *values, struct mn_buf *prefix)
{
    const struct mn_ann *ann = build->ann;
    const struct mn_index *index = ann->index;
    uint32_t partition;
    enum mn_status status =
        mn_row_column(ann->view, index->table, row, ann->column, &values[ann->column]);

    if (status != MN_OK || mn_is_null(&values[ann->column])) return status;
    for (uint32_t i = 1; i < index->column_count && status == MN_OK; i++) {
        uint32_t column = index->columns[i].column;
        status = mn_row_column(ann->view, index->table, row, column, &values[column]);
    }
    if (status == MN_OK) status = mn_ann_partition(index, values, prefix);
    if (status == MN_OK) {
        status = partition_find(build, mn_bytes_of(prefix->data, prefix->len), &partition);
    }
    return status == MN_OK ? member_add(build, row->id, partition) : status;
}

static enum mn_status members_from_rows(struct build *build)
{
    const struct mn_table *table = build->ann->index->table;
    struct mn_scan_options options = {.table = table};
    struct mn_value *values = mn_zalloc(table->column_count * sizeof *values);
    struct mn_index_scan *scan = NULL;
    struct mn_buf prefix = {0};
    bool found = true;
    enum mn_status status =
        values ? mn_index_scan_open(build->ann->view, &options, &scan) : mn_fail_nomem();

    while (status == MN_OK) {
        struct mn_row row;

        status = mn_index_scan_next(scan, &row.id, &row.record, &found);
        if (status != MN_OK || !found) break;
        status = row_note(build, &row, values, &prefix);
        if (status == MN_OK) status = mn_watch_tick(build->watch);
    }
    mn_index_scan_close(scan);
    mn_buf_release(&prefix);
    mn_dealloc(values);
    return status;
}

static int prefixes_order(struct mn_bytes a, struct mn_bytes b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least ? memcmp(a.data, b.data, least) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

struct ranked {
    struct mn_bytes prefix;
    uint32_t partition;
};

static int ranked_order(const void *a, const void *b)
{
    return prefixes_order(((const struct ranked *)a)->prefix, ((const struct ranked *)b)->prefix);
}

static int members_by_rank(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    if (x->partition != y->partition) return x->partition < y->partition ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int members_by_id(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* Members by the order of their prefixes; `cluster` holds the partition while ranks are made. */
static enum mn_status members_rank(struct build *build, struct ranked **out)
{
    struct ranked *ranked = mn_alloc(build->partition_count * sizeof *ranked + 1);
    uint32_t *rank = mn_alloc(build->partition_count * sizeof *rank + 1);
    enum mn_status status = ranked && rank ? MN_OK : mn_fail_nomem();

    *out = ranked;
    for (uint32_t i = 0; i < build->partition_count && status == MN_OK; i++) {
        ranked[i] = (struct ranked){partition_prefix(build, i), i};
    }
    if (status == MN_OK && build->count) {
        qsort(ranked, build->partition_count, sizeof *ranked, ranked_order);
        for (uint32_t i = 0; i < build->partition_count; i++) rank[ranked[i].partition] = i;
        for (size_t i = 0; i < build->count; i++) {
            build->members[i].partition = rank[build->members[i].partition];
        }
        qsort(build->members, build->count, sizeof *build->members, members_by_rank);
    }
    mn_dealloc(rank);
    return status;
}

static enum mn_status partitions_build(struct build *build)
{
    struct ranked *ranked = NULL;
    bool several = build->ann->index->column_count > 1;
    enum mn_status status = several ? members_rank(build, &ranked) : MN_OK;

    for (size_t at = 0; at < build->count && status == MN_OK;) {
        struct partition p = {
            .build = build, .members = build->members + at, .prefix = mn_bytes_of("", 0)};

        while (at + p.count < build->count &&
               p.members[p.count].partition == p.members[0].partition) {
            p.count++;
        }
        if (several) p.prefix = ranked[p.members[0].partition].prefix;
        status = partition_build(&p);
        at += p.count;
    }
    if (status == MN_OK) status = mn_list_writer_end(&build->lists);
    mn_dealloc(ranked);
    return status;
}

static enum mn_status places_write(struct build *build)
{
    const struct mn_ann *ann = build->ann;
    struct mn_place_writer writer;
    struct mn_bulk *bulk = NULL;
    enum mn_status status = MN_OK;

    if (build->bulk) {
        if (ann->index->column_count > 1 && build->count) {
            qsort(build->members, build->count, sizeof *build->members, members_by_id);
        }
        status = mn_bulk_begin(ann->view, ann->places.tree, &bulk);
    }
    mn_place_writer_begin(&writer, &ann->places, bulk);
    for (size_t i = 0; i < build->count && status == MN_OK; i++) {
        if (!build->members[i].cluster) continue;
        status = mn_place_writer_add(&writer, build->members[i].id, build->members[i].cluster);
    }
    if (status == MN_OK) status = mn_place_writer_end(&writer);
    enum mn_status ended = mn_bulk_end(bulk);
    return status == MN_OK ? ended : status;
}

enum mn_status mn_ann_build(const struct mn_ann *ann, const struct mn_watch *watch)
{
    struct build build = {.ann = ann, .watch = watch};
    enum mn_status status = build_open(&build), ended;

    if (status == MN_OK) {
        status =
            ann->index->column_count > 1 ? members_from_rows(&build) : members_from_slabs(&build);
    }
    if (status == MN_OK) status = mn_bulk_begin(ann->view, ann->postings.tree, &build.bulk);
    if (status == MN_OK) status = mn_list_writer_begin(&build.lists, &ann->postings, build.bulk);
    if (status == MN_OK) status = partitions_build(&build);
    ended = mn_bulk_end(build.bulk);
    if (status == MN_OK) status = ended;
    if (status == MN_OK && ann->placed) status = places_write(&build);
    if (status == MN_OK && ann->index->cover_count) {
        status = mn_cover_build(ann->view, ann->index, watch);
    }
    build_close(&build);
    return status;
}

/* ---- a flat partition that has grown ---- */

enum mn_status mn_ann_promote(const struct mn_ann *ann, struct mn_bytes prefix)
{
    struct build build = {.ann = ann};
    struct mn_list flat = {prefix, MN_LIST_FLAT};
    struct mn_list_rows rows = {.count = 0};
    struct partition p = {.build = &build, .prefix = prefix};
    enum mn_status status = build_open(&build);

    if (status == MN_OK) status = mn_list_rows_read(ann, &flat, false, &rows);
    for (size_t i = 0; i < rows.count && status == MN_OK; i++) {
        status = member_add(&build, rows.ids[i], 0);
    }
    mn_list_rows_release(&rows);
    if (status == MN_OK) status = mn_list_writer_begin(&build.lists, &ann->postings, NULL);
    if (status == MN_OK) status = mn_posting_list_drop(&ann->postings, &flat);
    if (status == MN_OK) {
        p.members = build.members;
        p.count = build.count;
        status = partition_build(&p);
    }
    if (status == MN_OK) status = mn_list_writer_end(&build.lists);
    if (status == MN_OK && ann->placed) status = places_write(&build);
    build_close(&build);
    return status;
}
