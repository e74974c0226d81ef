/*
 * plan: from a bound query to its operators.
 */
#include "query/plan.h"

#include <string.h>

#include "query/op_function.h"
#include "query/op_latest_scan.h"

/* ---- conditions ---- */

static enum mn_status condition_add(struct mn_plan *plan, struct mn_expr *expr)
{
    struct mn_condition *condition;

    if (!expr) return MN_OK;
    if (expr->form == MN_EXPR_OP && expr->op == MN_OP_AND && !expr->negated) {
        enum mn_status status = condition_add(plan, expr->args[0]);

        return status == MN_OK ? condition_add(plan, expr->args[1]) : status;
    }
    if (plan->condition_count == MN_CONDITIONS_MAX) {
        return mn_fail_at(MN_TOOBIG, expr->span.offset, expr->span.length,
                          "more than %d conditions in one SELECT", MN_CONDITIONS_MAX);
    }
    condition = &plan->conditions[plan->condition_count++];
    condition->expr = expr;
    condition->sources = mn_plan_sources(plan, expr);
    return MN_OK;
}

static void slots_claim(struct mn_plan *plan)
{
    for (uint32_t i = 0; i < plan->query->source_count; i++) {
        const struct mn_source *source = plan->query->sources[i];

        for (uint32_t c = 0; c < source->column_count; c++) {
            if (source->columns[c].slot != MN_NO_SLOT) {
                plan->slot_source[source->columns[c].slot] = (uint8_t)(i + 1);
            }
        }
        if (source->kind == MN_SOURCE_TABLE && source->row_id_slot != MN_NO_SLOT) {
            plan->slot_source[source->row_id_slot] = (uint8_t)(i + 1);
        }
        if (source->outer) plan->outer_sources |= UINT64_C(1) << i;
    }
}

static enum mn_status plan_begin(struct mn_plan *plan, struct mn_bind *bind, struct mn_query *query)
{
    enum mn_status status = MN_OK;

    *plan = (struct mn_plan){.bind = bind, .arena = bind->arena, .view = bind->view};
    plan->query = query;
    plan->slot_source = mn_arena_zalloc(plan->arena, bind->slot_count + 1);
    plan->conditions = mn_arena_zalloc(plan->arena, MN_CONDITIONS_MAX * sizeof *plan->conditions);
    if (!plan->slot_source || !plan->conditions) return mn_fail_nomem();
    plan->eval = (struct mn_eval){.scratch = plan->arena, .os = bind->os, .now_us = bind->now_us};
    slots_claim(plan);
    status = condition_add(plan, query->where);
    for (uint32_t i = 0; i < query->source_count && status == MN_OK; i++) {
        if (!query->sources[i]->outer) status = condition_add(plan, query->sources[i]->on);
    }
    return status;
}

/* Tests, above op, every condition whose sources are all there. */
static enum mn_status conditions_test(struct mn_plan *plan, uint64_t bound, struct mn_op **op)
{
    struct mn_expr *filter = NULL;

    for (uint32_t i = 0; i < plan->condition_count; i++) {
        struct mn_condition *condition = &plan->conditions[i];

        if (condition->done || (condition->sources & ~bound) != 0) continue;
        condition->done = true;
        filter = mn_expr_and(plan->arena, filter, condition->expr);
        if (!filter) return mn_fail_nomem();
    }
    if (!filter) return MN_OK;
    *op = mn_op_filter(plan->arena, *op, filter);
    return *op ? MN_OK : mn_fail_nomem();
}

/* ---- sources ---- */

/* The sources of this query that a source needs to have values before it opens. */
static uint64_t source_needs(const struct mn_plan *plan, const struct mn_source *source)
{
    uint64_t mask = 0;

    if (source->kind == MN_SOURCE_QUERY && source->lateral) {
        for (uint32_t i = 0; i < source->query->outer_count; i++) {
            mask |= mn_plan_sources(plan, source->query->outer_args[i]);
        }
    }
    for (uint32_t i = 0; i < source->arg_count; i++) {
        mask |= mn_plan_sources(plan, source->args[i]);
    }
    for (uint32_t i = 0; i < source->needs.count; i++) {
        uint8_t of = plan->slot_source[source->needs.slots[i]];

        if (of) mask |= UINT64_C(1) << (of - 1);
    }
    return mask;
}

/* The operator of a source that is no table; its own conditions are tested above it. */
static enum mn_status source_open(struct mn_plan *plan, uint32_t index, uint64_t bound,
                                  struct mn_op **op)
{
    struct mn_source *source = plan->query->sources[index];
    enum mn_status status = MN_OK;

    *op = NULL;
    switch (source->kind) {
    case MN_SOURCE_TABLE: break;
    case MN_SOURCE_QUERY:
        status = mn_plan_query(plan->bind, source->query);
        *op = source->query->op;
        break;
    case MN_SOURCE_LISTING: *op = mn_op_listing(plan->arena, source); break;
    case MN_SOURCE_SERIES: *op = mn_op_series(plan->arena, source); break;
    case MN_SOURCE_OTHER: *op = source->make(source, plan); break;
    }
    if (status != MN_OK) return status;
    if (!*op) return mn_error_last()->code == MN_OK ? mn_fail_nomem() : mn_error_last()->code;
    return conditions_test(plan, UINT64_C(1) << index | bound, op);
}

/* A way in for any source; tables choose, others have one. */
static enum mn_status source_access(struct mn_plan *plan, uint32_t index, uint64_t bound,
                                    struct mn_access_path *path)
{
    const struct mn_source *source = plan->query->sources[index];

    if (source->kind == MN_SOURCE_TABLE) return mn_plan_access(plan, index, bound, path);
    memset(path, 0, sizeof *path);
    path->rows = path->cost = 100;
    return MN_OK;
}

static enum mn_status source_make(struct mn_plan *plan, uint32_t index, uint64_t bound,
                                  struct mn_access_path *path, struct mn_op **op)
{
    if (plan->query->sources[index]->kind == MN_SOURCE_TABLE) {
        return mn_plan_scan(plan, index, bound, path, op);
    }
    return source_open(plan, index, bound, op);
}

/* ---- joins ---- */

static bool path_looks_up(const struct mn_access_path *path, const struct mn_plan *plan,
                          uint64_t bound)
{
    for (uint32_t i = 0; i < path->spec.equal_count; i++) {
        if (mn_plan_sources(plan, path->spec.equal[i]) & bound) return true;
    }
    for (uint32_t i = 0; i < path->spec.in_count; i++) {
        if (mn_plan_sources(plan, path->spec.in[i]) & bound) return true;
    }
    return false;
}

/* Takes `left = right` conditions as keys of a hash join; others that read both sides become `on`.
 */
static enum mn_status hash_keys(struct mn_plan *plan, uint64_t mine, uint64_t bound,
                                struct mn_join_spec *spec)
{
    size_t bytes = (plan->condition_count + 1) * sizeof(struct mn_expr *);

    spec->left_keys = mn_arena_alloc(plan->arena, bytes);
    spec->right_keys = mn_arena_alloc(plan->arena, bytes);
    if (!spec->left_keys || !spec->right_keys) return mn_fail_nomem();
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        struct mn_condition *condition = &plan->conditions[i];
        const struct mn_expr *expr = condition->expr;
        bool equal = expr->form == MN_EXPR_OP && expr->op == MN_OP_EQ && expr->arg_count == 2;

        if (condition->done || (condition->sources & ~(mine | bound)) != 0) continue;
        if (!(condition->sources & mine)) continue;
        condition->done = true;
        for (int side = 0; equal && side < 2; side++) {
            if (mn_plan_sources(plan, expr->args[side]) == mine &&
                !(mn_plan_sources(plan, expr->args[1 - side]) & mine)) {
                spec->right_keys[spec->key_count] = expr->args[side];
                spec->left_keys[spec->key_count++] = expr->args[1 - side];
                equal = false;
                expr = NULL;
            }
            if (!expr) break;
        }
        if (!expr) continue;
        spec->on = mn_expr_and(plan->arena, spec->on, condition->expr);
        if (!spec->on) return mn_fail_nomem();
    }
    return MN_OK;
}

/* Joins a source to what is there. The conditions of the plan are those that belong to the join. */
static enum mn_status join_make(struct mn_plan *plan, uint32_t index, uint64_t bound,
                                struct mn_op **op)
{
    struct mn_source *source = plan->query->sources[index];
    uint64_t mine = UINT64_C(1) << index;
    struct mn_join_spec spec = {.outer = source->outer};
    struct mn_access_path path;
    struct mn_op *right;
    bool dependent = (source_needs(plan, source) & bound) != 0;
    enum mn_status status = source_access(plan, index, bound, &path);

    if (status == MN_OK) status = mn_plan_source_slots(plan, source, &spec.right_slots);
    if (status != MN_OK) return status;
    spec.indexed = source->kind == MN_SOURCE_TABLE && path_looks_up(&path, plan, bound);
    if (spec.indexed || dependent) {
        status = source_make(plan, index, bound, &path, &right);
        if (status != MN_OK) return status;
        *op = mn_op_nested_loop(plan->arena, *op, right, &spec);
        return *op ? MN_OK : mn_fail_nomem();
    }
    status = source_access(plan, index, 0, &path);
    if (status == MN_OK) status = source_make(plan, index, 0, &path, &right);
    if (status == MN_OK) status = hash_keys(plan, mine, bound, &spec);
    if (status != MN_OK) return status;
    *op = mn_op_hash_join(plan->arena, *op, right, &spec);
    if (*op && spec.key_count == 0) (*op)->estimate *= right->estimate;
    return *op ? MN_OK : mn_fail_nomem();
}

/* LEFT JOIN: the conditions are those of its ON alone, and none of WHERE may go below it. */
static enum mn_status join_outer(struct mn_plan *plan, uint32_t index, uint64_t bound,
                                 struct mn_op **op)
{
    struct mn_plan inner = *plan;
    enum mn_status status;

    inner.condition_count = 0;
    inner.outer_sources = 0;
    inner.conditions = mn_arena_zalloc(plan->arena, MN_CONDITIONS_MAX * sizeof *inner.conditions);
    if (!inner.conditions) return mn_fail_nomem();
    status = condition_add(&inner, plan->query->sources[index]->on);
    if (status == MN_OK) status = join_make(&inner, index, bound, op);
    if (status != MN_OK) return status;
    /* A condition that reads only the left side decides over pairs, never over left rows. */
    for (uint32_t i = 0; i < inner.condition_count; i++) {
        if (inner.conditions[i].done) continue;
        status = mn_op_join_also(plan->arena, *op, inner.conditions[i].expr);
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

/* The inner source to join next: the least rows for one row of what is there. */
static enum mn_status source_choose(struct mn_plan *plan, uint64_t bound, uint64_t left,
                                    uint32_t *chosen, struct mn_access_path *best)
{
    struct mn_access_path *path = mn_arena_alloc(plan->arena, sizeof *path);
    double least = 0;
    bool any = false;

    if (!path) return mn_fail_nomem();
    for (uint32_t i = 0; i < plan->query->source_count; i++) {
        uint64_t mine = UINT64_C(1) << i;
        double weight;
        bool connected = bound == 0;
        enum mn_status status;

        if (!(left & mine)) continue;
        if (source_needs(plan, plan->query->sources[i]) & ~bound) continue;
        status = source_access(plan, i, bound, path);
        if (status != MN_OK) return status;
        for (uint32_t c = 0; c < plan->condition_count; c++) {
            uint64_t sources = plan->conditions[c].sources;

            if ((sources & mine) && (sources & bound)) connected = true;
        }
        weight = bound == 0 ? path->cost : path->rows;
        if (!connected) weight = weight * 1000 + 1000;
        if (any && weight >= least) continue;
        any = true;
        least = weight;
        *chosen = i;
        *best = *path;
    }
    if (!any) return mn_fail(MN_SCHEMA, "the sources of FROM need each other in a circle");
    return MN_OK;
}

/* FROM and WHERE. *op is NULL where there is no FROM. */
static enum mn_status rows_make(struct mn_plan *plan, struct mn_op **op)
{
    const struct mn_query *query = plan->query;
    uint64_t all =
        query->source_count == 64 ? UINT64_MAX : (UINT64_C(1) << query->source_count) - 1;
    uint64_t left = all & ~plan->outer_sources, bound = 0;
    struct mn_access_path path;
    uint32_t chosen = 0;
    enum mn_status status = MN_OK;

    *op = NULL;
    while (left != 0 && status == MN_OK) {
        status = source_choose(plan, bound, left, &chosen, &path);
        if (status != MN_OK) return status;
        if (bound == 0) {
            status = source_make(plan, chosen, 0, &path, op);
            plan->ordered = path.ordered;
        } else {
            status = join_make(plan, chosen, bound, op);
        }
        bound |= UINT64_C(1) << chosen;
        left &= ~bound;
        if (status == MN_OK) status = conditions_test(plan, bound, op);
    }
    for (uint32_t i = 0; i < query->source_count && status == MN_OK; i++) {
        if (!query->sources[i]->outer) continue;
        status = join_outer(plan, i, bound, op);
        bound |= UINT64_C(1) << i;
        if (status == MN_OK) status = conditions_test(plan, bound, op);
    }
    if (status != MN_OK || *op) return status;
    *op = mn_op_project(plan->arena, NULL, 0, NULL); /* no FROM: one row */
    return *op ? conditions_test(plan, 0, op) : mn_fail_nomem();
}

enum mn_status mn_plan_rows(struct mn_bind *bind, struct mn_query *query, struct mn_op **op)
{
    struct mn_plan plan;
    enum mn_status status = plan_begin(&plan, bind, query);

    return status == MN_OK ? rows_make(&plan, op) : status;
}

/* ---- the clauses above ---- */

/* The slots that are read above FROM: those of sources, or of groups. */
static enum mn_status keep_list(struct mn_plan *plan, bool grouped, struct mn_slot_list *keep)
{
    const struct mn_query *query = plan->query;
    uint32_t capacity = query->group_count + query->agg_count + query->output_count + 1;
    uint32_t *slots;

    capacity += MN_NEAREST_SLOTS;
    for (uint32_t i = 0; i < query->source_count; i++) {
        capacity += query->sources[i]->column_count + 1;
    }
    slots = mn_arena_alloc(plan->arena, capacity * sizeof *slots);
    if (!slots) return mn_fail_nomem();
    keep->slots = slots;
    keep->count = 0;
    if (grouped) {
        for (uint32_t i = 0; i < query->group_count; i++) {
            slots[keep->count++] = query->groups[i].slot;
        }
        for (uint32_t i = 0; i < query->agg_count; i++) {
            slots[keep->count++] = query->agg_slots[i];
        }
        return MN_OK;
    }
    for (uint32_t i = 0; i < query->source_count; i++) {
        struct mn_slot_list of;
        enum mn_status status = mn_plan_source_slots(plan, query->sources[i], &of);

        if (status != MN_OK) return status;
        memcpy(slots + keep->count, of.slots, of.count * sizeof *slots);
        keep->count += of.count;
    }
    if (query->nearest) keep->count += mn_nearest_slots(query->nearest, slots + keep->count);
    return MN_OK;
}

static enum mn_status output_list(struct mn_plan *plan, const struct mn_query *query,
                                  struct mn_slot_list *list)
{
    uint32_t *slots = mn_arena_alloc(plan->arena, (query->output_count + 1) * sizeof *slots);

    if (!slots) return mn_fail_nomem();
    for (uint32_t i = 0; i < query->output_count; i++) slots[i] = query->outputs[i].slot;
    *list = (struct mn_slot_list){query->output_count, slots};
    return MN_OK;
}

/* Computes what is selected, except for what lies in its slot already. */
static enum mn_status outputs_make(struct mn_plan *plan, struct mn_op **op)
{
    const struct mn_query *query = plan->query;
    struct mn_assignment *items =
        mn_arena_alloc(plan->arena, (query->output_count + 1) * sizeof *items);
    uint32_t count = 0;

    if (!items) return mn_fail_nomem();
    for (uint32_t i = 0; i < query->output_count; i++) {
        const struct mn_output *output = &query->outputs[i];

        if (output->expr->form == MN_EXPR_SLOT && output->expr->slot == output->slot) continue;
        items[count++] = (struct mn_assignment){output->slot, output->expr};
    }
    if (count == 0) return MN_OK;
    *op = mn_op_project(plan->arena, *op, count, items);
    return *op ? MN_OK : mn_fail_nomem();
}

/* count(*) over a range alone is answered by the counts in the tree. */
static enum mn_status count_make(struct mn_plan *plan, struct mn_op **op)
{
    const struct mn_query *query = plan->query;
    struct mn_access_path path;
    enum mn_status status;

    *op = NULL;
    if (!query->grouped || query->group_count > 0 || query->source_count != 1 ||
        query->agg_count != 1 || !mn_agg_is_row_count(query->aggs[0]) || query->has_latest ||
        query->nearest || query->sources[0]->kind != MN_SOURCE_TABLE || query->sources[0]->outer) {
        return MN_OK;
    }
    status = mn_plan_access(plan, 0, 0, &path);
    if (status != MN_OK || path.spec.edges) return status;
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        if (!(path.used[i / 64] >> i % 64 & 1)) return MN_OK;
    }
    path.spec.index_only = false;
    *op = mn_op_range_count(plan->arena, &path.spec, query->agg_slots[0]);
    return *op ? MN_OK : mn_fail_nomem();
}

static enum mn_status groups_make(struct mn_plan *plan, struct mn_op **op)
{
    struct mn_query *query = plan->query;
    struct mn_group_spec spec = {.group_count = query->group_count,
                                 .groups = query->groups,
                                 .agg_count = query->agg_count,
                                 .aggs = query->aggs,
                                 .agg_slots = query->agg_slots};

    *op = mn_op_aggregate(plan->arena, *op, &spec);
    return *op ? MN_OK : mn_fail_nomem();
}

static enum mn_status order_make(struct mn_plan *plan, struct mn_op **op)
{
    struct mn_query *query = plan->query;
    struct mn_sort_spec spec = {.key_count = query->key_count, .keys = query->keys};
    enum mn_status status;

    if (query->key_count > 0 && !plan->ordered) {
        spec.limit = query->limit;
        spec.offset = query->offset;
        status = query->project_first ? output_list(plan, query, &spec.keep)
                                      : keep_list(plan, query->grouped, &spec.keep);
        if (status != MN_OK) return status;
        *op = mn_op_sort(plan->arena, *op, &spec);
        if (!*op) return mn_fail_nomem();
    }
    if (!query->limit && !query->offset) return MN_OK;
    *op = mn_op_limit(plan->arena, *op, query->limit, query->offset);
    return *op ? MN_OK : mn_fail_nomem();
}

static enum mn_status select_rows(struct mn_plan *plan, struct mn_op **op)
{
    struct mn_query *query = plan->query;
    enum mn_status status = count_make(plan, op);

    if (status != MN_OK || *op) return status;
    if (query->has_latest) status = mn_plan_latest_scan(plan, op);
    if (status != MN_OK) return status;
    if (*op) return query->grouped ? groups_make(plan, op) : MN_OK;
    status = rows_make(plan, op);
    if (status == MN_OK) status = mn_plan_nearest(plan, op);
    if (status == MN_OK && query->has_latest) {
        status = keep_list(plan, false, &query->latest.keep);
        if (status != MN_OK) return status;
        *op = mn_op_latest(plan->arena, *op, &query->latest);
        if (!*op) return mn_fail_nomem();
    }
    if (status == MN_OK && query->grouped) status = groups_make(plan, op);
    return status;
}

static enum mn_status select_make(struct mn_plan *plan, struct mn_op **op)
{
    struct mn_query *query = plan->query;
    struct mn_slot_list outputs;
    enum mn_status status;

    plan->lean = query->source_count == 1 && query->sources[0]->kind == MN_SOURCE_TABLE &&
                 !query->sources[0]->outer && !query->grouped && !query->has_latest &&
                 !query->nearest && !plan->bind->subqueries;
    status = select_rows(plan, op);

    if (status == MN_OK && query->having) {
        *op = mn_op_filter(plan->arena, *op, query->having);
        if (!*op) return mn_fail_nomem();
    }
    if (status == MN_OK && query->project_first) status = outputs_make(plan, op);
    if (status == MN_OK && query->distinct) {
        status = output_list(plan, query, &outputs);
        if (status != MN_OK) return status;
        *op = mn_op_distinct(plan->arena, *op, &outputs);
        if (!*op) return mn_fail_nomem();
    }
    if (status == MN_OK) status = order_make(plan, op);
    if (status == MN_OK && !query->project_first) status = outputs_make(plan, op);
    return status;
}

static enum mn_status set_make(struct mn_plan *plan, struct mn_op **op)
{
    struct mn_query *query = plan->query;
    struct mn_set_spec spec = {.op = query->set};
    enum mn_status status = mn_plan_query(plan->bind, query->left);

    if (status == MN_OK) status = mn_plan_query(plan->bind, query->right);
    if (status == MN_OK) status = output_list(plan, query->left, &spec.left);
    if (status == MN_OK) status = output_list(plan, query->right, &spec.right);
    if (status == MN_OK) status = output_list(plan, query, &spec.slots);
    if (status != MN_OK) return status;
    *op = mn_op_set(plan->arena, query->left->op, query->right->op, &spec);
    return *op ? order_make(plan, op) : mn_fail_nomem();
}

static enum mn_status values_make(struct mn_plan *plan, struct mn_op **op)
{
    struct mn_query *query = plan->query;
    struct mn_slot_list outputs;
    enum mn_status status = output_list(plan, query, &outputs);

    if (status != MN_OK) return status;
    *op = mn_op_values(plan->arena, &outputs, query->row_count, query->rows);
    return *op ? order_make(plan, op) : mn_fail_nomem();
}

enum mn_status mn_plan_query(struct mn_bind *bind, struct mn_query *query)
{
    struct mn_plan plan;
    enum mn_status status = plan_begin(&plan, bind, query);
    struct mn_op *op = NULL;

    if (status != MN_OK) return status;
    switch (query->form) {
    case MN_QUERY_SELECT: status = select_make(&plan, &op); break;
    case MN_QUERY_VALUES: status = values_make(&plan, &op); break;
    case MN_QUERY_SET: status = set_make(&plan, &op); break;
    }
    query->op = op;
    return status;
}

enum mn_status mn_plan_subqueries(struct mn_bind *bind)
{
    for (struct mn_query *query = bind->subqueries; query; query = query->next) {
        enum mn_status status = query->op ? MN_OK : mn_plan_query(bind, query);

        if (status != MN_OK) return status;
    }
    return MN_OK;
}
