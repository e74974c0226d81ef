/*
 * direct_nearest: the nearest rows of a table to one vector or to many, without a statement.
 *
 * The same searches as VectorScan's without a filter: codes where there is an index of the metric
 * and enough rows, else all vectors. Questions of one call share what is read: lists of codes
 * (ann_many), and blocks of vectors where those are compared; as many at a time as the memory of a
 * statement has room for. Where lists and slabs lie is kept by the session from call to call.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "index/row.h"
#include "index/vector/ann_many.h"
#include "query/direct.h"
#include "query/row_tie.h"

enum { MEMORY_SHARE = 8 }; /* of a statement's memory: what questions that run together may take */

struct nearest {
    struct mn_session *session;
    struct mn_view *view;
    const struct mn_table *table;
    uint32_t column;
    const struct mn_index *index; /* with codes and of the metric; NULL: none */
    const mn_nearest_batch *asked;
    struct mn_search_options options; /* of all questions, but for the query */
    struct mn_row_tie tie;
    struct mn_direct_maps *maps;
    uint64_t rows, memory_bytes;
    uint64_t interrupts;
    bool copy; /* what is read is gone when the call ends */
};

/* Questions that run together. */
struct round {
    size_t first, count;
    struct mn_search *searches[MN_ANN_MANY];
    bool served[MN_ANN_MANY];
};

static enum mn_status tick(void *context)
{
    const struct nearest *n = context;

    if (atomic_load(&n->session->db->interrupts) == n->interrupts) return MN_OK;
    return mn_fail(MN_INTERRUPT, "interrupted");
}

/* ---- what is asked ---- */

static enum mn_status column_find(struct nearest *n)
{
    const struct mn_table *table = n->table;
    const char *name = n->asked->column;
    bool found = false;

    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct mn_column *column = &table->columns[i];

        if (name ? strcmp(column->name, name) != 0 : column->kind.type != MN_TYPE_VECTOR) continue;
        if (found) {
            return mn_fail(MN_SCHEMA, "%s has several VECTOR columns: name one", table->name);
        }
        n->column = i;
        found = true;
    }
    if (!found && name) return mn_fail(MN_SCHEMA, "no column %s in %s", name, table->name);
    if (!found) return mn_fail(MN_SCHEMA, "%s has no VECTOR column", table->name);
    if (table->columns[n->column].kind.type == MN_TYPE_VECTOR) return MN_OK;
    return mn_fail(MN_TYPE, "column %s of %s is not a VECTOR", name, table->name);
}

/* The metric, and an index of it. */
static enum mn_status index_find(struct nearest *n)
{
    const char *asked = n->asked->metric;
    bool any = asked != NULL;
    enum mn_status status = MN_OK;

    n->options.metric = MN_METRIC_COSINE;
    if (asked) status = mn_metric_parse(asked, strlen(asked), &n->options.metric);
    for (uint32_t i = 0; i < n->table->index_count && status == MN_OK; i++) {
        const struct mn_index *index = &n->table->indexes[i];
        const struct mn_value *option = mn_index_option(index, "metric");
        enum mn_metric metric = MN_METRIC_COSINE;

        if (index->kind != MN_INDEX_VECTOR || index->columns[0].column != n->column) continue;
        if (option && option->type == MN_TYPE_TEXT) {
            status = mn_metric_parse(option->p, option->size, &metric);
            if (status != MN_OK) break;
        }
        if (any && metric != n->options.metric) {
            if (asked) continue;
            return mn_fail(MN_SCHEMA, "%s has vector indexes of two metrics: name one",
                           n->table->name);
        }
        n->options.metric = metric;
        any = true;
        if (!n->index && mn_index_is_coded(index)) n->index = index;
    }
    return status;
}

static enum mn_status query_read(struct nearest *n)
{
    const mn_nearest_batch *asked = n->asked;
    uint32_t dims = n->table->columns[n->column].kind.dims;

    if (!asked->queries && asked->capacity > 0 && asked->query_count > 0) {
        return mn_fail(MN_MISUSE, "the query is NULL");
    }
    if (asked->dims != dims) {
        return mn_fail(MN_TYPE,
                       "the vectors searched have %" PRIu32 " dimensions, the query vector has %zu",
                       dims, asked->dims);
    }
    n->tie = (struct mn_row_tie){n->view, n->table, MN_OK};
    n->options.dims = dims;
    n->options.k = asked->capacity;
    n->options.within = INFINITY;
    n->options.tie = mn_row_tie_of(n->table);
    n->options.tie_context = &n->tie;
    return MN_OK;
}

/* Which of many it was; where there is one, everybody knows. */
static enum mn_status query_fail(const struct nearest *n, size_t at, enum mn_status status)
{
    struct mn_error error = *mn_error_last();

    if (n->asked->query_count == 1 || status == MN_NOMEM) return status;
    mn_fail(status, "query %zu: %s", at, error.message);
    return error.hint[0] ? mn_hint("%s", error.hint) : status;
}

/* ---- the searches ---- */

static enum mn_status round_open(const struct nearest *n, struct round *round)
{
    const mn_nearest_batch *asked = n->asked;
    size_t stride = asked->stride ? asked->stride : asked->dims;
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < round->count; i++) {
        struct mn_search_options options = n->options;

        options.query = asked->queries + (round->first + i) * stride;
        status = mn_search_open(&options, &round->searches[i]);
        if (status == MN_OK) continue;
        round->count = i;
        return query_fail(n, round->first + i, status);
    }
    return status;
}

/* A block of vectors is shown to all searches that codes did not serve. */
static enum mn_status slabs_search(const struct nearest *n, const struct round *round)
{
    const struct mn_column *column = &n->table->columns[n->column];
    struct mn_slabs slabs = {n->view, column->slab_tree, column->kind.dims, false};
    struct mn_slab_scan *scan;
    struct mn_slab_block block;
    bool found = true;
    enum mn_status status = mn_slab_scan_open(&slabs, &scan);

    while (status == MN_OK && found) {
        status = tick((void *)(uintptr_t)n);
        if (status == MN_OK) status = mn_slab_scan_next(scan, &block, &found);
        if (!found) break;
        for (size_t i = 0; i < round->count && status == MN_OK; i++) {
            if (!round->served[i]) status = mn_search_block(round->searches[i], &block);
        }
    }
    mn_slab_scan_close(scan);
    return status;
}

static enum mn_status codes_search(struct nearest *n, struct round *round)
{
    const mn_nearest_batch *asked = n->asked;
    size_t stride = asked->stride ? asked->stride : asked->dims;
    struct mn_ann_query query = {
        .search = n->options,
        .rows = n->rows,
        .effort = asked->effort,
        .exact = asked->exact != 0,
        .map = &n->maps->slabs,
        .lists = &n->maps->lists,
        .map_bytes = n->memory_bytes,
        .tick = tick,
        .context = n,
    };
    struct mn_ann_many many = {.query = &query,
                               .queries = asked->queries + round->first * stride,
                               .stride = stride,
                               .count = round->count,
                               .scorers = round->searches,
                               .served = round->served};
    struct mn_ann_counts counts = {0};
    struct mn_ann ann;
    enum mn_status status = mn_ann_init(&ann, n->view, n->index);

    return status == MN_OK ? mn_ann_search_many(&ann, &many, &counts) : status;
}

/* ---- what came of it ---- */

static enum mn_status rows_write(struct nearest *n, struct mn_search *search, size_t at)
{
    const mn_nearest_batch *asked = n->asked;
    size_t count;
    const struct mn_near *near = mn_search_finish(search, &count);
    enum mn_status status = n->tie.failed;

    for (size_t i = 0; i < count && status == MN_OK; i++) {
        size_t to = at * asked->capacity + i;
        struct mn_value key;

        if (asked->distances) asked->distances[to] = near[i].distance;
        if (!asked->keys) continue;
        status = mn_row_key(n->view, n->table, near[i].id, &key);
        if (status == MN_OK) {
            status = mn_datum_write(&key, n->copy, mn_direct_scratch(n->session), &asked->keys[to]);
        }
    }
    if (status == MN_OK) asked->counts[at] = count;
    return status;
}

static enum mn_status round_run(struct nearest *n, struct round *round)
{
    bool left = false;
    enum mn_status status = round_open(n, round);

    memset(round->served, 0, sizeof round->served);
    if (status == MN_OK && n->index &&
        mn_ann_pays(n->options.k, n->rows, mn_ann_limits.few_vectors)) {
        status = codes_search(n, round);
    }
    for (size_t i = 0; i < round->count; i++) left = left || !round->served[i];
    if (status == MN_OK && left) status = slabs_search(n, round);
    for (size_t i = 0; i < round->count && status == MN_OK; i++) {
        status = mn_search_settle(round->searches[i]);
        if (status == MN_OK) status = rows_write(n, round->searches[i], round->first + i);
    }
    for (size_t i = 0; i < round->count; i++) mn_search_release(round->searches[i]);
    return status;
}

/* How many run together. */
static size_t round_most(const struct nearest *n)
{
    uint64_t each = mn_ann_many_bytes(n->options.dims, n->rows, n->options.k);
    uint64_t most = n->memory_bytes / each;

    if (most > MN_ANN_MANY) most = MN_ANN_MANY;
    return most ? (size_t)most : 1;
}

static enum mn_status search_run(struct nearest *n)
{
    struct round *round = mn_alloc(sizeof *round);
    size_t most = 0;
    enum mn_status status = MN_OK;

    if (!round) return mn_fail_nomem();
    if (n->index) status = mn_tree_count(n->view, n->table->tree, &n->rows);
    if (status == MN_OK) most = round_most(n);
    for (size_t at = 0; at < n->asked->query_count && status == MN_OK; at += most) {
        size_t left = n->asked->query_count - at;

        round->first = at;
        round->count = left < most ? left : most;
        status = round_run(n, round);
    }
    mn_dealloc(round);
    return status;
}

static enum mn_status nearest_read(struct nearest *n, const char *table)
{
    struct mn_target_names names = {.table = table};
    struct mn_target *target;
    enum mn_status status = mn_direct_begin(n->session) ? MN_OK : MN_NOMEM;

    if (status == MN_OK) status = mn_target_get(n->session, n->view, &names, &target);
    if (status != MN_OK) return status;
    n->maps = mn_direct_maps(n->session);
    n->table = target->table;
    status = column_find(n);
    if (status == MN_OK) status = index_find(n);
    if (status == MN_OK) status = query_read(n);
    return status == MN_OK && n->asked->capacity > 0 ? search_run(n) : status;
}

enum mn_status mn_direct_nearest_many(struct mn_session *session, const struct mn_snap *snap,
                                      const char *table, const mn_nearest_batch *batch)
{
    struct nearest n = {
        .session = session,
        .asked = batch,
        .memory_bytes = atomic_load(&session->db->memory_limit) / MEMORY_SHARE,
        .interrupts = atomic_load(&session->db->interrupts),
        .copy = mn_direct_copies(session, snap),
    };
    struct mn_access access;
    enum mn_status status = mn_direct_read(session, snap, &access);

    if (status == MN_OK) {
        n.view = access.view;
        status = nearest_read(&n, table);
        status = mn_access_end(&access, status);
    }
    if (status != MN_OK && batch->query_count > 0) {
        memset(batch->counts, 0, batch->query_count * sizeof *batch->counts);
    }
    return status;
}

enum mn_status mn_direct_nearest(struct mn_session *session, const struct mn_snap *snap,
                                 const char *table, mn_nearest_list *list)
{
    const mn_nearest_batch one = {
        .size = sizeof one,
        .column = list->column,
        .metric = list->metric,
        .queries = list->query,
        .query_count = 1,
        .dims = list->dims,
        .exact = list->exact,
        .effort = list->effort,
        .capacity = list->capacity,
        .keys = list->keys,
        .distances = list->distances,
        .counts = &list->count,
    };

    return mn_direct_nearest_many(session, snap, table, &one);
}
