/*
 * direct_nearest: the nearest rows of a table, without a statement.
 *
 * The same searches as VectorScan's without a filter: codes where there is an
 * index of the metric and enough rows, else all vectors.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "index/row.h"
#include "index/vector/ann_search.h"
#include "query/direct.h"
#include "query/row_tie.h"

struct nearest {
    struct mn_session *session;
    struct mn_view *view;
    const struct mn_table *table;
    uint32_t column;
    const struct mn_index *index; /* with codes and of the metric; NULL: none */
    mn_nearest_list *list;
    struct mn_search_options options;
    struct mn_row_tie tie;
    uint64_t interrupts;
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
    const char *name = n->list->column;
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
    const char *asked = n->list->metric;
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
    const mn_nearest_list *list = n->list;
    uint32_t dims = n->table->columns[n->column].kind.dims;

    if (!list->query && list->capacity > 0) return mn_fail(MN_MISUSE, "the query is NULL");
    if (list->dims != dims) {
        return mn_fail(MN_TYPE,
                       "the vectors searched have %" PRIu32 " dimensions, the query vector has %zu",
                       dims, list->dims);
    }
    n->tie = (struct mn_row_tie){n->view, n->table, MN_OK};
    n->options.query = list->query;
    n->options.dims = dims;
    n->options.k = list->capacity;
    n->options.within = INFINITY;
    n->options.tie = mn_row_tie_of(n->table);
    n->options.tie_context = &n->tie;
    return MN_OK;
}

/* ---- the search ---- */

static enum mn_status slabs_search(struct nearest *n, struct mn_search *search)
{
    const struct mn_column *column = &n->table->columns[n->column];
    struct mn_slabs slabs = {n->view, column->slab_tree, column->kind.dims};
    struct mn_slab_scan *scan;
    struct mn_slab_block block;
    bool found = true;
    enum mn_status status = mn_slab_scan_open(&slabs, &scan);

    while (status == MN_OK && found) {
        status = tick(n);
        if (status == MN_OK) status = mn_slab_scan_next(scan, &block, &found);
        if (status == MN_OK && found) status = mn_search_block(search, &block);
    }
    mn_slab_scan_close(scan);
    return status;
}

static enum mn_status codes_search(struct nearest *n, uint64_t rows, struct mn_search *search,
                                   bool *served)
{
    struct mn_ann_query query = {
        .search = n->options,
        .rows = rows,
        .effort = n->list->effort,
        .exact = n->list->exact != 0,
        .tick = tick,
        .context = n,
    };
    struct mn_ann_counts counts = {0};
    struct mn_ann ann;
    enum mn_status status = mn_ann_init(&ann, n->view, n->index);

    return status == MN_OK ? mn_ann_search(&ann, &query, search, &counts, served) : status;
}

static enum mn_status rows_write(struct nearest *n, struct mn_search *search, bool copy)
{
    mn_nearest_list *list = n->list;
    size_t count;
    const struct mn_near *near = mn_search_finish(search, &count);
    enum mn_status status = n->tie.failed;

    for (size_t i = 0; i < count && status == MN_OK; i++) {
        struct mn_value key;

        if (list->distances) list->distances[i] = near[i].distance;
        if (!list->keys) continue;
        status = mn_row_key(n->view, n->table, near[i].id, &key);
        if (status == MN_OK) {
            status = mn_datum_write(&key, copy, mn_direct_scratch(n->session), &list->keys[i]);
        }
    }
    if (status == MN_OK) list->count = count;
    return status;
}

static enum mn_status search_run(struct nearest *n, bool copy)
{
    struct mn_search *search;
    bool served = false;
    uint64_t rows = 0;
    enum mn_status status = mn_search_open(&n->options, &search);

    if (status != MN_OK) return status;
    if (n->index) status = mn_tree_count(n->view, n->table->tree, &rows);
    if (status == MN_OK && n->index && mn_ann_pays(n->options.k, rows, mn_ann_limits.few_vectors)) {
        status = codes_search(n, rows, search, &served);
    }
    if (status == MN_OK && !served) status = slabs_search(n, search);
    if (status == MN_OK) status = mn_search_settle(search);
    if (status == MN_OK) status = rows_write(n, search, copy);
    mn_search_release(search);
    return status;
}

static enum mn_status nearest_read(struct nearest *n, const char *table, bool copy)
{
    struct mn_target_names names = {.table = table};
    struct mn_target *target;
    enum mn_status status = mn_direct_begin(n->session) ? MN_OK : MN_NOMEM;

    if (status == MN_OK) status = mn_target_get(n->session, n->view, &names, &target);
    if (status != MN_OK) return status;
    n->table = target->table;
    status = column_find(n);
    if (status == MN_OK) status = index_find(n);
    if (status == MN_OK) status = query_read(n);
    return status == MN_OK && n->list->capacity > 0 ? search_run(n, copy) : status;
}

enum mn_status mn_direct_nearest(struct mn_session *session, const struct mn_snap *snap,
                                 const char *table, mn_nearest_list *list)
{
    struct nearest n = {
        .session = session, .list = list, .interrupts = atomic_load(&session->db->interrupts)};
    struct mn_access access;
    enum mn_status status = mn_direct_read(session, snap, &access);

    if (status != MN_OK) return status;
    n.view = access.view;
    status = nearest_read(&n, table, mn_direct_copies(session, snap));
    return mn_access_end(&access, status);
}
