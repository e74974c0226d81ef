/*
 * ann_place: in which list the code of a row is.
 *
 * Files of the first builds keep a place for each row in a cluster. Others keep none: a row lies in
 * one of the clusters nearest to its vector, for it was put into the nearest, and cuts and merges
 * look around. So they are asked in that order, a few, then more, then all there are. A commit of
 * one row saves the three pages of a tree by it, and a cut those of all the rows it moves.
 */
#include <inttypes.h>

#include "index/vector/ann_inside.h"
#include "store/store.h"

bool mn_ann_keeps_places(const struct mn_ann *ann)
{
    return !mn_store_finds_codes(mn_view_store(ann->view));
}

enum mn_status mn_ann_place_put(const struct mn_ann *ann, int64_t row_id, uint32_t cluster)
{
    return ann->placed ? mn_place_put(&ann->places, row_id, cluster) : MN_OK;
}

/* A row whose code is looked for. */
struct hunt {
    const struct mn_ann *ann;
    struct mn_bytes prefix;
    int64_t row_id;
    struct mn_shop shop;
    uint32_t cluster; /* where it is, once found */
    bool found;
};

static enum mn_status list_ask(struct hunt *hunt, uint32_t cluster)
{
    struct mn_list list = {hunt->prefix, cluster};
    enum mn_status status = mn_shop_has(&hunt->shop, &list, hunt->row_id, &hunt->found);

    if (status == MN_OK && hunt->found) hunt->cluster = cluster;
    return status;
}

static enum mn_status nearest_ask(struct hunt *hunt, const float *vector, size_t most, bool *flat)
{
    uint32_t clusters[MN_ANN_NEAR_MAX];
    size_t count;
    enum mn_status status = mn_ann_nearest(hunt->ann, hunt->prefix, vector, most, clusters, &count);

    *flat = status == MN_OK && count == 0;
    for (size_t i = 0; status == MN_OK && i < count && !hunt->found; i++) {
        status = list_ask(hunt, clusters[i]);
    }
    return status;
}

/* All clusters of the partition, by the codes of their centroids. */
static enum mn_status all_ask(struct hunt *hunt)
{
    const uint32_t number = MN_LIST_CENTROIDS;
    struct mn_posting_scan scan;
    struct mn_chunk chunk;
    bool found = true;
    enum mn_status status = mn_posting_scan_open(&hunt->ann->postings, &scan);

    if (status == MN_OK) status = mn_posting_scan_seek(&scan, hunt->prefix, &number);
    while (status == MN_OK && !hunt->found) {
        status = mn_posting_scan_next(&scan, &chunk, &found);
        if (status != MN_OK || !found) break;
        for (uint32_t i = 0; status == MN_OK && i < chunk.count && !hunt->found; i++) {
            status = list_ask(hunt, (uint32_t)mn_chunk_row(&chunk, i));
        }
    }
    mn_posting_scan_close(&scan);
    return status;
}

static enum mn_status hunt_run(struct hunt *hunt, const float *vector)
{
    enum { FEW = 4 };
    bool flat;
    enum mn_status status = nearest_ask(hunt, vector, FEW, &flat);

    if (status != MN_OK || hunt->found || flat) return status;
    status = nearest_ask(hunt, vector, MN_ANN_NEAR_MAX, &flat);
    if (status == MN_OK && !hunt->found) status = all_ask(hunt);
    if (status != MN_OK || hunt->found) return status;
    return mn_fail(MN_CORRUPT, "index %s has no code for row %" PRId64 " of %s",
                   hunt->ann->index->name, hunt->row_id, hunt->ann->index->table->name);
}

enum mn_status mn_ann_place_get(const struct mn_ann *ann, struct mn_bytes prefix, int64_t row_id,
                                uint32_t *cluster)
{
    struct hunt hunt = {.ann = ann, .prefix = prefix, .row_id = row_id};
    const float *vector;

    *cluster = 0;
    if (ann->placed) return mn_place_get(&ann->places, row_id, cluster);
    enum mn_status status = mn_slab_get(&ann->vectors, row_id, &vector);
    if (status == MN_OK && !vector) {
        return mn_fail(MN_CORRUPT, "row %" PRId64 " of %s has lost its vector", row_id,
                       ann->index->table->name);
    }
    if (status == MN_OK) status = mn_shop_open(&ann->postings, &hunt.shop);
    if (status != MN_OK) return status;
    status = hunt_run(&hunt, vector);
    mn_shop_close(&hunt.shop);
    *cluster = hunt.cluster;
    return status;
}
