/*
 * ann_split: clusters keep their size.
 *
 * A split cuts a cluster by 2-means and then looks around, as LIRE does: rows of either half that
 * are nearer to a neighbour's centroid go there, and rows of the neighbours that are nearer to one
 * of the two new centroids come over. Without that the borders would drift away from the rows.
 * A list whose chunks change for the most part is written anew, once.
 * A merge gives the rows of a small cluster to those whose centroids are nearest.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/ann_inside.h"
#include "index/vector/kmeans.h"

enum { NEIGHBOURS = 6 };

/* Rows on their way into one list. */
struct gathered {
    struct mn_posting *rows;
    size_t count, capacity;
};

/* A row of a neighbour that comes to a half; arrival i has code i of split->codes. */
struct arrival {
    struct mn_posting row;
    uint8_t half;
};

struct split {
    const struct mn_ann *ann;
    struct mn_bytes prefix;
    uint32_t clusters[2]; /* the old number, and the new one */
    uint32_t neighbours[NEIGHBOURS];
    size_t neighbour_count;
    float *centroids; /* of the halves, then of the neighbours */
    struct mn_list_rows rows;
    uint8_t *side;
    uint32_t *to; /* where each row goes */
    struct gathered gathered;
    struct arrival *arrivals;
    size_t arrival_count, arrival_capacity;
    struct mn_buf codes;
};

static double score_of(const struct split *split, size_t centroid, const float *vector)
{
    uint32_t dims = split->ann->vectors.dims;

    return mn_centroid_score(mn_assign_metric(split->ann->metric),
                             split->centroids + centroid * dims, vector, dims);
}

/* The clusters whose centroids are nearest to the two new ones. */
static enum mn_status neighbours_find(struct split *split)
{
    const struct mn_ann *ann = split->ann;
    uint32_t dims = ann->vectors.dims;

    for (size_t half = 0; half < 2; half++) {
        uint32_t near[NEIGHBOURS];
        size_t count;
        enum mn_status status = mn_ann_nearest(ann, split->prefix, split->centroids + half * dims,
                                               NEIGHBOURS / 2 + 1, near, &count);

        if (status != MN_OK) return status;
        for (size_t i = 0; i < count && split->neighbour_count < NEIGHBOURS; i++) {
            bool known = near[i] == split->clusters[0];

            for (size_t j = 0; j < split->neighbour_count; j++) {
                known = known || split->neighbours[j] == near[i];
            }
            if (!known) split->neighbours[split->neighbour_count++] = near[i];
        }
    }
    for (size_t i = 0; i < split->neighbour_count; i++) {
        const float *centroid;
        enum mn_status status = mn_slab_get(&ann->centroids, split->neighbours[i], &centroid);

        if (status != MN_OK) return status;
        if (!centroid)
            return mn_fail(MN_CORRUPT, "a cluster of index %s has no centroid", ann->index->name);
        memcpy(split->centroids + (2 + i) * dims, centroid, dims * sizeof *centroid);
    }
    return MN_OK;
}

/* The halves, and which rows a neighbour is nearer to. */
static enum mn_status halves_make(struct split *split)
{
    const struct mn_ann *ann = split->ann;
    struct mn_list_rows *rows = &split->rows;
    enum mn_status status = mn_two_means(mn_assign_metric(ann->metric), ann->vectors.dims,
                                         rows->vectors, rows->count, split->side, split->centroids);

    if (status == MN_OK) status = neighbours_find(split);
    for (size_t i = 0; i < rows->count && status == MN_OK; i++) {
        double best = score_of(split, split->side[i], rows->vectors[i]);

        split->to[i] = split->clusters[split->side[i]];
        for (size_t n = 0; n < split->neighbour_count; n++) {
            double score = score_of(split, 2 + n, rows->vectors[i]);

            if (score <= best) continue;
            best = score;
            split->to[i] = split->neighbours[n];
        }
    }
    return status;
}

/* ---- lists that are written anew ---- */

static int postings_order(const void *a, const void *b)
{
    int64_t x = ((const struct mn_posting *)a)->row_id, y = ((const struct mn_posting *)b)->row_id;

    return (x > y) - (x < y);
}

static enum mn_status gathered_add(struct gathered *gathered, const struct mn_posting *row)
{
    if (!mn_grow(&gathered->rows, &gathered->capacity, gathered->count + 1,
                 sizeof *gathered->rows)) {
        return mn_fail_nomem();
    }
    gathered->rows[gathered->count++] = *row;
    return MN_OK;
}

/* Adds the rows of the cut cluster that go to `list`. */
static enum mn_status gathered_take(struct split *split, uint32_t list)
{
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < split->rows.count && status == MN_OK; i++) {
        struct mn_posting row = mn_list_rows_get(split->ann, &split->rows, i);

        if (split->to[i] == list) status = gathered_add(&split->gathered, &row);
    }
    return status;
}

/* Writes what was gathered as a list that is not there, and begins anew. */
static enum mn_status gathered_write(struct split *split, uint32_t number)
{
    struct gathered *gathered = &split->gathered;
    struct mn_list list = {split->prefix, number};
    struct mn_list_writer writer;
    enum mn_status status = mn_list_writer_begin(&writer, &split->ann->postings, NULL);

    if (gathered->count) {
        qsort(gathered->rows, gathered->count, sizeof *gathered->rows, postings_order);
    }
    if (status == MN_OK) status = mn_list_writer_list(&writer, &list);
    for (size_t i = 0; i < gathered->count && status == MN_OK; i++) {
        status = mn_list_writer_add(&writer, &gathered->rows[i]);
    }
    if (status == MN_OK) status = mn_list_writer_end(&writer);
    mn_list_writer_release(&writer);
    gathered->count = 0;
    return status;
}

/* ---- the neighbours ---- */

/* A row of neighbour n comes over: its code is copied, since its list may be written anew. */
static enum mn_status arrival_add(struct split *split, const struct mn_posting *row, uint8_t half)
{
    size_t bytes = mn_code_bytes(&split->ann->postings.form);
    struct arrival arrival = {.row = *row, .half = half};
    enum mn_status status = mn_buf_append(&split->codes, row->code, bytes);

    if (status != MN_OK) return status;
    if (!mn_grow(&split->arrivals, &split->arrival_capacity, split->arrival_count + 1,
                 sizeof *split->arrivals)) {
        return mn_fail_nomem();
    }
    split->arrivals[split->arrival_count++] = arrival;
    return mn_ann_place_put(split->ann, row->row_id, split->clusters[half]);
}

/* Row by row, where few of its chunks change. */
static enum mn_status neighbour_change(struct split *split, size_t n,
                                       const struct mn_list_rows *rows, const uint8_t *leaves)
{
    struct mn_list list = {split->prefix, split->neighbours[n]};
    struct mn_shop shop;
    bool found;
    enum mn_status status = mn_shop_open(&split->ann->postings, &shop);

    for (size_t i = 0; i < rows->count && status == MN_OK; i++) {
        if (leaves[i]) status = mn_shop_delete(&shop, &list, rows->ids[i], &found);
    }
    for (size_t i = 0; i < split->gathered.count && status == MN_OK; i++) {
        status = mn_shop_put(&shop, &list, &split->gathered.rows[i]);
    }
    mn_shop_close(&shop);
    split->gathered.count = 0;
    return status;
}

/* The whole list, those that stay and those that come. */
static enum mn_status neighbour_rewrite(struct split *split, size_t n,
                                        const struct mn_list_rows *rows, const uint8_t *leaves)
{
    struct mn_list list = {split->prefix, split->neighbours[n]};
    enum mn_status status = mn_posting_list_drop(&split->ann->postings, &list);

    for (size_t i = 0; i < rows->count && status == MN_OK; i++) {
        struct mn_posting row = mn_list_rows_get(split->ann, rows, i);

        if (!leaves[i]) status = gathered_add(&split->gathered, &row);
    }
    return status == MN_OK ? gathered_write(split, list.number) : status;
}

/* Which rows of neighbour n are nearer to a new centroid than to their own. */
static enum mn_status neighbour_judge(struct split *split, size_t n,
                                      const struct mn_list_rows *rows, uint8_t *leaves,
                                      size_t *moves)
{
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < rows->count && status == MN_OK; i++) {
        double own = score_of(split, 2 + n, rows->vectors[i]);
        double first = score_of(split, 0, rows->vectors[i]);
        double second = score_of(split, 1, rows->vectors[i]);

        if (first <= own && second <= own) continue;
        struct mn_posting row = mn_list_rows_get(split->ann, rows, i);
        leaves[i] = 1;
        ++*moves;
        status = arrival_add(split, &row, first >= second ? 0 : 1);
    }
    return status;
}

/* Rows come from a neighbour and go to it. */
static enum mn_status neighbour_settle(struct split *split, size_t n)
{
    const struct mn_ann *ann = split->ann;
    struct mn_list list = {split->prefix, split->neighbours[n]};
    struct mn_list_rows rows;
    size_t moves = 0;
    enum mn_status status = mn_list_rows_read(ann, &list, true, &rows);

    if (status != MN_OK) return status;
    uint8_t *leaves = mn_zalloc(rows.count + 1);
    if (!leaves) status = mn_fail_nomem();
    if (status == MN_OK) status = neighbour_judge(split, n, &rows, leaves, &moves);
    if (status == MN_OK) status = gathered_take(split, list.number);
    if (status == MN_OK && moves + split->gathered.count) {
        size_t chunks = rows.count / ann->postings.rows_max + 1;
        bool most = 2 * (moves + split->gathered.count) > chunks;

        status = most ? neighbour_rewrite(split, n, &rows, leaves)
                      : neighbour_change(split, n, &rows, leaves);
    }
    mn_dealloc(leaves);
    mn_list_rows_release(&rows);
    return status;
}

/* ---- the halves ---- */

static enum mn_status half_write(struct split *split, size_t half)
{
    const struct mn_ann *ann = split->ann;
    size_t bytes = mn_code_bytes(&ann->postings.form);
    enum mn_status status = gathered_take(split, split->clusters[half]);

    for (size_t i = 0; i < split->arrival_count && status == MN_OK; i++) {
        struct mn_posting row = split->arrivals[i].row;

        row.code = split->codes.data + i * bytes;
        if (split->arrivals[i].half == half) status = gathered_add(&split->gathered, &row);
    }
    if (status == MN_OK) status = gathered_write(split, split->clusters[half]);
    if (status != MN_OK) return status;
    return mn_ann_centroid_put(ann, split->prefix, split->clusters[half],
                               split->centroids + half * ann->vectors.dims, half == 0);
}

static enum mn_status places_note(struct split *split)
{
    const struct mn_ann *ann = split->ann;
    struct mn_place_writer places;
    enum mn_status status = MN_OK;

    if (!ann->placed) return MN_OK;
    mn_place_writer_begin(&places, &ann->places, NULL);
    for (size_t i = 0; i < split->rows.count && status == MN_OK; i++) {
        if (split->to[i] == split->clusters[0]) continue;
        status = mn_place_writer_add(&places, split->rows.ids[i], split->to[i]);
    }
    return status == MN_OK ? mn_place_writer_end(&places) : status;
}

static enum mn_status split_run(struct split *split)
{
    struct mn_list old = {split->prefix, split->clusters[0]};
    enum mn_status status = halves_make(split);

    for (size_t n = 0; n < split->neighbour_count && status == MN_OK; n++) {
        status = neighbour_settle(split, n);
    }
    if (status == MN_OK) status = mn_posting_list_drop(&split->ann->postings, &old);
    for (size_t half = 0; half < 2 && status == MN_OK; half++) status = half_write(split, half);
    return status == MN_OK ? places_note(split) : status;
}

enum mn_status mn_ann_split(const struct mn_ann *ann, struct mn_bytes prefix, uint32_t cluster)
{
    struct split split = {.ann = ann, .prefix = prefix, .clusters = {cluster, 0}};
    struct mn_list list = {prefix, cluster};
    enum mn_status status = mn_ann_next_cluster(ann, &split.clusters[1]);

    if (status == MN_OK) status = mn_list_rows_read(ann, &list, true, &split.rows);
    if (status != MN_OK) return status;
    split.centroids =
        mn_alloc_aligned((2 + NEIGHBOURS) * (size_t)ann->vectors.dims * sizeof *split.centroids);
    split.side = mn_alloc(split.rows.count + 1);
    split.to = mn_alloc((split.rows.count + 1) * sizeof *split.to);
    if (!split.centroids || !split.side || !split.to)
        status = mn_fail_nomem();
    else if (split.rows.count >= 2)
        status = split_run(&split);
    mn_release_aligned(split.centroids);
    mn_dealloc(split.side);
    mn_dealloc(split.to);
    mn_dealloc(split.gathered.rows);
    mn_dealloc(split.arrivals);
    mn_buf_release(&split.codes);
    mn_list_rows_release(&split.rows);
    return status;
}

/* ---- merging ---- */

static enum mn_status row_give(const struct mn_ann *ann, struct mn_bytes prefix,
                               struct mn_posting *row, struct mn_shop *shop)
{
    struct mn_list list = {prefix, MN_LIST_FLAT};
    const float *vector;
    uint32_t cluster = 0;
    size_t count;
    enum mn_status status = mn_slab_get(&ann->vectors, row->row_id, &vector);

    if (status == MN_OK && !vector) {
        return mn_fail(MN_CORRUPT, "index %s has a code for row %lld, which has no vector",
                       ann->index->name, (long long)row->row_id);
    }
    if (status == MN_OK) status = mn_ann_nearest(ann, prefix, vector, 1, &cluster, &count);
    if (status != MN_OK) return status;
    if (count)
        list.number = cluster;
    else
        cluster = 0;
    status = mn_shop_put(shop, &list, row);
    return status == MN_OK ? mn_ann_place_put(ann, row->row_id, cluster) : status;
}

enum mn_status mn_ann_merge(const struct mn_ann *ann, struct mn_bytes prefix, uint32_t cluster)
{
    struct mn_list list = {prefix, cluster};
    struct mn_list_rows rows;
    struct mn_shop shop;
    enum mn_status status = mn_list_rows_read(ann, &list, false, &rows);

    if (status != MN_OK) return status;
    status = mn_posting_list_drop(&ann->postings, &list);
    if (status == MN_OK) status = mn_ann_centroid_delete(ann, prefix, cluster);
    if (status == MN_OK) {
        status = mn_shop_open(&ann->postings, &shop);
        for (size_t i = 0; i < rows.count && status == MN_OK; i++) {
            struct mn_posting row = mn_list_rows_get(ann, &rows, i);

            status = row_give(ann, prefix, &row, &shop);
        }
        mn_shop_close(&shop);
    }
    mn_list_rows_release(&rows);
    return status;
}
