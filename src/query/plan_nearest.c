/*
 * plan_nearest: where the search for the nearest stands in a plan.
 *
 * Over one table it is a VectorScan: WHERE is planned once more for row ids alone, so that no other
 * column is read of rows that only pass. Over anything else it is a Nearest above FROM and WHERE.
 */
#include "query/nearest.h"
#include "query/plan.h"

static void slots_set(const struct mn_nearest *nearest, struct mn_nearest_spec *spec)
{
    const struct mn_source_column *columns = nearest->pseudo->columns;

    spec->distance_slot = columns[MN_PSEUDO_DISTANCE].slot;
    spec->similarity_slot = columns[MN_PSEUDO_SIMILARITY].slot;
    spec->rank_slot = columns[MN_PSEUDO_RANK].slot;
    spec->score_slot = columns[MN_PSEUDO_SCORE].slot;
}

uint32_t mn_nearest_slots(const struct mn_nearest *nearest, uint32_t slots[MN_NEAREST_SLOTS])
{
    uint32_t count = 0;

    _Static_assert(MN_PSEUDO_COUNT == MN_NEAREST_SLOTS, "every pseudo-column has a slot");
    for (uint32_t i = 0; i < MN_PSEUDO_COUNT; i++) {
        uint32_t slot = nearest->pseudo->columns[i].slot;
        if (slot != MN_NO_SLOT) slots[count++] = slot;
    }
    return count;
}

/* ---- one table ---- */

struct slot_walk {
    uint32_t slot;
    bool found;
};

static void slot_visit(void *context, const struct mn_expr *expr)
{
    struct slot_walk *walk = context;

    if (expr->form == MN_EXPR_SLOT && expr->slot == walk->slot) walk->found = true;
}

static bool conditions_read(const struct mn_plan *plan, uint32_t slot)
{
    struct slot_walk walk = {.slot = slot};

    for (uint32_t i = 0; i < plan->condition_count; i++) {
        mn_expr_walk(plan->conditions[i].expr, slot_visit, &walk);
    }
    return walk.found;
}

/* Whether a scan reads the rows of a range of times and tests nothing else. */
static bool window_is(const struct mn_scan_spec *scan)
{
    const struct mn_index *index = scan->index;

    if (!index || scan->filter || !(scan->low || scan->high)) return false;
    uint32_t at = scan->equal_count + (scan->in_count > 0);
    return scan->table->columns[index->columns[at].column].kind.type == MN_TYPE_TIMESTAMP;
}

/* A row by its covered values costs so much of one that is read from the table. */
static const double cover_cost = 1.0 / 32;

/* WHERE by what the index covers of the rows, where that is all it reads and pays. Rows without a
 * vector are not there: ORDER BY wants them. */
static enum mn_status cover_plan(struct mn_plan *plan, const struct mn_vector_scan_spec *spec,
                                 double cost, struct mn_op **op, bool *window)
{
    struct mn_cover_scan_spec cover = {.search = spec};
    uint64_t rows;
    bool all;
    enum mn_status status = MN_OK;

    if (!spec->index || spec->index->cover_count == 0 || spec->nearest.order_by) return MN_OK;
    status = mn_tree_count(plan->view, spec->table->tree, &rows);
    if (status != MN_OK || (double)rows * cover_cost >= cost) return status;
    status = mn_plan_covers(plan, 0, spec->index, &cover, &all);
    if (status != MN_OK || !all) return status;
    *op = mn_op_cover_scan(plan->arena, &cover);
    if (!*op) return mn_fail_nomem();
    (*op)->estimate = (double)rows / 3;
    *window = spec->index->timed && cover.count > 0;
    for (uint32_t i = 0; i < cover.count; i++) {
        *window = *window && cover.conditions[i].at == 0 && cover.conditions[i].op != MN_OP_EQ;
    }
    for (uint32_t i = 0; i < plan->condition_count; i++) plan->conditions[i].done = true;
    return MN_OK;
}

/* Plans WHERE anew for a scan that gives row ids and what WHERE itself reads. */
static enum mn_status filter_plan(struct mn_plan *plan, const struct mn_vector_scan_spec *spec,
                                  struct mn_op **op, bool *window)
{
    struct mn_op *covered = NULL;

    struct mn_source *source = plan->query->sources[0];
    struct mn_access_path *path = mn_arena_alloc(plan->arena, sizeof *path);
    struct mn_source_column *all = source->columns;
    struct mn_source_column *few =
        mn_arena_copy(plan->arena, all, (source->column_count + 1) * sizeof *all);

    if (!path || !few) return mn_fail_nomem();
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (few[i].slot != MN_NO_SLOT && !conditions_read(plan, few[i].slot)) {
            few[i].slot = MN_NO_SLOT;
        }
    }
    for (uint32_t i = 0; i < plan->condition_count; i++) plan->conditions[i].done = false;
    source->columns = few;
    enum mn_status status = mn_plan_access(plan, 0, 0, path);
    if (status == MN_OK) status = cover_plan(plan, spec, path->cost, &covered, window);
    if (status == MN_OK && !covered) {
        status = mn_plan_scan(plan, 0, 0, path, op);
        *window = status == MN_OK && window_is(&path->spec);
    }
    source->columns = all;
    if (covered) *op = covered;
    return status;
}

static enum mn_status fetch_make(struct mn_plan *plan, const struct mn_source *source,
                                 struct mn_fetch *fetch)
{
    struct mn_scan_column *columns =
        mn_arena_zalloc(plan->arena, (source->column_count + 1) * sizeof *columns);

    if (!columns) return mn_fail_nomem();
    *fetch = (struct mn_fetch){.table = source->table, .columns = columns};
    columns[fetch->count++] =
        (struct mn_scan_column){.column = MN_SCAN_ROW_ID, .slot = source->row_id_slot};
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].slot == MN_NO_SLOT) continue;
        columns[fetch->count++] = (struct mn_scan_column){
            .column = source->columns[i].shown ? (int)i : MN_FETCH_NULL,
            .slot = source->columns[i].slot,
        };
    }
    return MN_OK;
}

/* The coded index of the column and metric, and what WHERE says of its partition. */
static enum mn_status index_choose(struct mn_plan *plan, struct mn_vector_scan_spec *spec)
{
    const struct mn_table *table = spec->table;
    bool all = false;

    for (uint32_t i = 0; i < table->index_count && !spec->index; i++) {
        const struct mn_index *index = &table->indexes[i];
        const struct mn_value *option = mn_index_option(index, "metric");
        enum mn_metric metric = MN_METRIC_COSINE;

        if (index->kind != MN_INDEX_VECTOR || index->tree == 0) continue;
        if ((int)index->columns[0].column != spec->column) continue;
        if (option && option->type == MN_TYPE_TEXT) {
            enum mn_status status = mn_metric_parse(option->p, option->size, &metric);
            if (status != MN_OK) return status;
        }
        if (metric == spec->nearest.metric) spec->index = index;
    }
    spec->codes_filtered = spec->filtered;
    if (!spec->index || !spec->filtered) return MN_OK;
    for (uint32_t i = 0; i < plan->condition_count; i++) plan->conditions[i].done = false;
    enum mn_status status = mn_plan_partition(plan, 0, spec->index, spec, &all);
    if (all) spec->codes_filtered = false;
    return status;
}

static enum mn_status vector_scan_make(struct mn_plan *plan, const struct mn_nearest_spec *shared,
                                       struct mn_op **op)
{
    const struct mn_nearest *nearest = plan->query->nearest;
    struct mn_vector_scan_spec spec = {
        .nearest = *shared,
        .table = nearest->source->table,
        .column = (int)nearest->column,
        .filtered = plan->condition_count > 0,
        .row_id_slot = nearest->source->row_id_slot,
    };
    enum mn_status status = index_choose(plan, &spec);

    if (status == MN_OK) status = filter_plan(plan, &spec, op, &spec.window);
    if (status == MN_OK) status = fetch_make(plan, nearest->source, &spec.fetch);
    if (status == MN_OK) status = mn_filter_reads_find(plan, &spec.reads);
    if (status != MN_OK) return status;
    *op = mn_op_vector_scan(plan->arena, *op, &spec);
    return *op ? MN_OK : mn_fail_nomem();
}

/* ---- rows of anything ---- */

static enum mn_status keep_make(struct mn_plan *plan, struct mn_slot_list *keep)
{
    const struct mn_query *query = plan->query;
    uint32_t capacity = 0, count = 0;

    for (uint32_t i = 0; i < query->source_count; i++) {
        capacity += query->sources[i]->column_count + 1;
    }
    uint32_t *slots = mn_arena_alloc(plan->arena, (capacity + 1) * sizeof *slots);
    if (!slots) return mn_fail_nomem();
    for (uint32_t i = 0; i < query->source_count; i++) {
        struct mn_slot_list of;
        enum mn_status status = mn_plan_source_slots(plan, query->sources[i], &of);

        if (status != MN_OK) return status;
        for (uint32_t s = 0; s < of.count; s++) slots[count++] = of.slots[s];
    }
    *keep = (struct mn_slot_list){count, slots};
    return MN_OK;
}

static enum mn_status nearest_make(struct mn_plan *plan, const struct mn_nearest_spec *shared,
                                   struct mn_op **op)
{
    const struct mn_nearest *nearest = plan->query->nearest;
    struct mn_nearest_rows_spec spec = {
        .nearest = *shared,
        .vector = nearest->vector,
        .tie_count = nearest->tie_count,
        .ties = nearest->ties,
    };
    enum mn_status status = keep_make(plan, &spec.keep);

    if (status != MN_OK) return status;
    *op = mn_op_nearest(plan->arena, *op, &spec);
    return *op ? MN_OK : mn_fail_nomem();
}

enum mn_status mn_plan_nearest(struct mn_plan *plan, struct mn_op **op)
{
    struct mn_query *query = plan->query;
    struct mn_nearest *nearest = query->nearest;

    if (!nearest) return MN_OK;
    struct mn_nearest_spec spec = nearest->spec;
    slots_set(nearest, &spec);
    if (spec.order_by) {
        spec.k = query->limit;
        spec.offset = query->offset;
        plan->ordered = true;
    }
    bool one_table = query->source_count == 1 && nearest->source->kind == MN_SOURCE_TABLE;
    return one_table ? vector_scan_make(plan, &spec, op) : nearest_make(plan, &spec, op);
}
