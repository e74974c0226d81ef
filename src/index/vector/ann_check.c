/*
 * ann_check: a coded index against its table, from the codes' side and by counts.
 *
 * Every code is made again from its vector, every row's place, where places are kept, is compared
 * with the list it is in, and the rows with a vector are those with a code, by their number and a
 * sum over their ids: no room is left for a row without one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "index/row.h"
#include "index/vector/ann_inside.h"
#include "index/vector/cover.h"

struct checker {
    const struct mn_ann *ann;
    const struct mn_ann_check *check;
    struct mn_slab_scan *vectors, *centroids, *covers;
    struct mn_value *values;
    struct mn_buf prefix, last_key; /* the key of the chunk before */
    uint64_t rows, placed, clusters, places;
    uint64_t ids;     /* a sum over the rows that have a code: no row has two and another none */
    int64_t greatest; /* row id of the chunk before */
    bool clustered;   /* the partition has a list 0 */
};

static enum mn_status tell(struct checker *checker, const int64_t *row_id, const char *message)
{
    return checker->check->report(checker->check->context, row_id, message);
}

/* Damage that reading met is a problem to tell; other failures end the check. */
static enum mn_status damage(struct checker *checker, enum mn_status status, const int64_t *row_id)
{
    char message[MN_MESSAGE_BYTES];

    if (status != MN_CORRUPT) return status;
    snprintf(message, sizeof message, "%s", mn_error_last()->message);
    return tell(checker, row_id, message);
}

/* Whether the code of a chunk's row is what its vector makes. */
static bool code_agrees(const struct mn_ann *ann, const struct mn_chunk *chunk, uint32_t i,
                        const float *vector)
{
    uint8_t made[MN_VECTOR_CODE_MAX], stored[MN_VECTOR_CODE_MAX];
    struct mn_code_facts facts;
    struct mn_posting row = {.code = stored};

    mn_code_make(&ann->postings.form, vector, made, &facts);
    mn_chunk_get(chunk, i, &row);
    return memcmp(made, stored, mn_code_bytes(&ann->postings.form)) == 0 &&
           memcmp(&facts.scale, &row.facts.scale, sizeof facts.scale) == 0 &&
           memcmp(&facts.half_square, &row.facts.half_square, sizeof facts.half_square) == 0 &&
           facts.error == row.facts.error;
}

/* What is kept of the covered columns of a row is what its record says. */
static enum mn_status cover_check(struct checker *checker, const struct mn_row *row)
{
    const struct mn_index *index = checker->ann->index;
    size_t bytes = (index->cover_count + 1) * sizeof(uint64_t);
    struct mn_cover_row want;
    const float *kept;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < index->cover_count && status == MN_OK; i++) {
        uint32_t column = index->covers[i];

        status =
            mn_row_column(checker->ann->view, index->table, row, column, &checker->values[column]);
    }
    if (status == MN_OK) status = mn_slab_scan_gather(checker->covers, &row->id, 1, &kept);
    if (status != MN_OK) return damage(checker, status, &row->id);
    if (!kept) return tell(checker, &row->id, "the row has a code and no covered values");
    mn_cover_row_make(index, checker->values, &want);
    if (memcmp(kept, &want, bytes) == 0) return MN_OK;
    return tell(checker, &row->id, "a covered value is not that of the row");
}

static enum mn_status partition_check(struct checker *checker, const struct mn_chunk *chunk,
                                      int64_t id)
{
    const struct mn_index *index = checker->ann->index;
    size_t bytes = chunk->key.len - 4 - MN_ROW_ID_BYTES;
    struct mn_row row = {.id = id};
    bool found;
    enum mn_status status = mn_row_get(checker->ann->view, index->table, id, &row.record, &found);

    if (status != MN_OK) return damage(checker, status, &id);
    if (!found) return tell(checker, &id, "a code belongs to no row");
    for (uint32_t i = 1; i < index->column_count && status == MN_OK; i++) {
        uint32_t column = index->columns[i].column;
        status =
            mn_row_column(checker->ann->view, index->table, &row, column, &checker->values[column]);
    }
    if (status == MN_OK) status = mn_ann_partition(index, checker->values, &checker->prefix);
    if (status != MN_OK) return damage(checker, status, &id);
    if (index->cover_count) status = cover_check(checker, &row);
    if (status != MN_OK) return status;
    if (checker->prefix.len == bytes &&
        (bytes == 0 || memcmp(checker->prefix.data, chunk->key.data, bytes) == 0)) {
        return MN_OK;
    }
    return tell(checker, &id, "the code is in another partition than the row");
}

static uint64_t id_sum(int64_t id)
{
    return mn_hash(&id, sizeof id, 1);
}

static enum mn_status row_check(struct checker *checker, const struct mn_chunk *chunk, uint32_t i)
{
    const struct mn_ann *ann = checker->ann;
    int64_t id = mn_chunk_row(chunk, i);
    bool centroid = chunk->list == MN_LIST_CENTROIDS;
    const float *vector;
    uint32_t place = 0;
    enum mn_status status =
        mn_slab_scan_gather(centroid ? checker->centroids : checker->vectors, &id, 1, &vector);

    if (status != MN_OK) return damage(checker, status, &id);
    if (!vector) {
        return tell(checker, centroid ? NULL : &id,
                    centroid ? "a cluster has no centroid" : "a code has no vector");
    }
    if (!code_agrees(ann, chunk, i, vector)) {
        status = tell(checker, centroid ? NULL : &id, "a code is not that of its vector");
    }
    if (status != MN_OK || centroid) return status;
    checker->ids += id_sum(id);
    if (ann->placed) status = mn_place_get(&ann->places, id, &place);
    if (status != MN_OK) return damage(checker, status, &id);
    if (ann->placed && place != (chunk->list == MN_LIST_FLAT ? 0 : chunk->list)) {
        status = tell(checker, &id, "the code is in another list than the row's place says");
    }
    return status == MN_OK ? partition_check(checker, chunk, id) : status;
}

static enum mn_status chunk_order_check(struct checker *checker, const struct mn_chunk *chunk)
{
    size_t list_bytes = chunk->key.len - MN_ROW_ID_BYTES;
    int64_t bound = mn_row_id_get(chunk->key.data + list_bytes), greatest = INT64_MIN;
    bool same = checker->last_key.len == chunk->key.len &&
                memcmp(checker->last_key.data, chunk->key.data, list_bytes) == 0;
    bool same_partition = checker->last_key.len == chunk->key.len &&
                          memcmp(checker->last_key.data, chunk->key.data, list_bytes - 4) == 0;
    enum mn_status status = MN_OK;

    if (!same_partition) checker->clustered = false;
    if (chunk->list == MN_LIST_CENTROIDS) checker->clustered = true;
    if (chunk->list == MN_LIST_FLAT && checker->clustered) {
        status = tell(checker, NULL, "a partition is both flat and in clusters");
    } else if (chunk->list > MN_LIST_FLAT && !checker->clustered) {
        status = tell(checker, NULL, "a partition has clusters and no centroids");
    }
    if (status == MN_OK && same && checker->greatest >= bound) {
        status = tell(checker, NULL, "a chunk begins before the one before it ends");
    }
    for (uint32_t i = 0; i < chunk->count && status == MN_OK; i++) {
        int64_t id = mn_chunk_row(chunk, i);

        if (id < bound) status = tell(checker, &id, "a code is below its chunk's bound");
        if (id > greatest) greatest = id;
        for (uint32_t j = 0; j < i && status == MN_OK; j++) {
            if (mn_chunk_row(chunk, j) == id) status = tell(checker, &id, "a code is there twice");
        }
    }
    checker->greatest = greatest;
    checker->last_key.len = 0;
    if (status != MN_OK) return status;
    return mn_buf_append(&checker->last_key, chunk->key.data, chunk->key.len);
}

static enum mn_status lists_check(struct checker *checker)
{
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_open(&checker->ann->postings, &scan);

    if (status == MN_OK) status = mn_posting_scan_seek(&scan, mn_bytes_of("", 0), NULL);
    while (status == MN_OK) {
        status = mn_posting_scan_next(&scan, &chunk, &found);
        if (status == MN_CORRUPT) found = false;
        if (status != MN_OK) status = damage(checker, status, NULL);
        if (status != MN_OK || !found) break;
        status = chunk_order_check(checker, &chunk);
        if (chunk.list == MN_LIST_CENTROIDS)
            checker->clusters += chunk.count;
        else
            checker->rows += chunk.count;
        if (chunk.list >= MN_LIST_FIRST) checker->placed += chunk.count;
        for (uint32_t i = 0; i < chunk.count && status == MN_OK; i++) {
            status = row_check(checker, &chunk, i);
        }
    }
    mn_posting_scan_close(&scan);
    return status;
}

static enum mn_status place_count(void *context, int64_t row_id, uint32_t cluster)
{
    (void)row_id;
    (void)cluster;
    ((struct checker *)context)->places++;
    return MN_OK;
}

static enum mn_status slabs_count(struct mn_slab_scan *scan, uint64_t *vectors, uint64_t *ids)
{
    struct mn_slab_block block;
    bool found = true;
    enum mn_status status = mn_slab_scan_seek(scan, INT64_MIN);

    *vectors = *ids = 0;
    while (status == MN_OK) {
        status = mn_slab_scan_next(scan, &block, &found);
        if (status != MN_OK || !found) break;
        *vectors += block.count;
        for (size_t i = 0; i < block.count; i++) *ids += id_sum(mn_slab_block_row(&block, i));
    }
    return status;
}

static enum mn_status counts_check(struct checker *checker)
{
    char message[128];
    uint64_t vectors, ids, centroids, covers = 0;
    uint64_t placed = checker->ann->placed ? checker->placed : 0;
    enum mn_status status = slabs_count(checker->vectors, &vectors, &ids);

    if (status == MN_OK) status = mn_slab_check(&checker->ann->centroids, &centroids);
    if (status == MN_OK && checker->covers) {
        struct mn_slabs slabs = mn_cover_slabs(checker->ann->view, checker->ann->index);

        status = mn_slab_check(&slabs, &covers);
    } else if (status == MN_OK) {
        status = mn_place_each(&checker->ann->places, place_count, checker);
    }
    if (status != MN_OK) return damage(checker, status, NULL);
    if (vectors != checker->rows) {
        snprintf(message, sizeof message, "%" PRIu64 " codes where %" PRIu64 " rows have a vector",
                 checker->rows, vectors);
        status = tell(checker, NULL, message);
    } else if (ids != checker->ids) {
        status = tell(checker, NULL, "a row has two codes");
    }
    if (status == MN_OK && centroids != checker->clusters) {
        snprintf(message, sizeof message, "%" PRIu64 " clusters and %" PRIu64 " centroids",
                 checker->clusters, centroids);
        status = tell(checker, NULL, message);
    }
    if (status == MN_OK && checker->covers && covers != checker->rows) {
        snprintf(message, sizeof message,
                 "covered values of %" PRIu64 " rows where %" PRIu64 " have a code", covers,
                 checker->rows);
        status = tell(checker, NULL, message);
    }
    if (status == MN_OK && checker->places != placed) {
        snprintf(message, sizeof message, "%" PRIu64 " places where %" PRIu64 " are to be kept",
                 checker->places, placed);
        status = tell(checker, NULL, message);
    }
    return status;
}

enum mn_status mn_ann_check(const struct mn_ann *ann, const struct mn_ann_check *check,
                            uint64_t *codes)
{
    struct checker checker = {.ann = ann, .check = check};
    enum mn_status status = mn_slab_scan_open(&ann->vectors, &checker.vectors);

    if (status == MN_OK) status = mn_slab_scan_open(&ann->centroids, &checker.centroids);
    if (status == MN_OK && ann->index->cover_count) {
        struct mn_slabs slabs = mn_cover_slabs(ann->view, ann->index);

        status = mn_slab_scan_open(&slabs, &checker.covers);
    }
    checker.values = mn_zalloc(ann->index->table->column_count * sizeof *checker.values);
    if (status == MN_OK && !checker.values) status = mn_fail_nomem();
    if (status == MN_OK) status = lists_check(&checker);
    if (status == MN_OK) status = counts_check(&checker);
    *codes = checker.rows;
    mn_slab_scan_close(checker.vectors);
    mn_slab_scan_close(checker.centroids);
    mn_slab_scan_close(checker.covers);
    mn_dealloc(checker.values);
    mn_buf_release(&checker.prefix);
    mn_buf_release(&checker.last_key);
    return status;
}
