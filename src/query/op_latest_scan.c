/*
 * op_latest_scan: LatestScan.
 *
 *   groups     jump from one value of the first columns to the next, one descent each
 *   rows       inside a group a backward scan of the time column, until n rows have passed
 *
 * NULLs of a group's columns sort last and form a group; rows without a time are bounded out. At
 * one time the greater row id comes first, since it ends the key.
 */
#include "query/op_latest_scan.h"

#include <string.h>

#include "index/index.h"
#include "query/op_limit.h"

/* The group of the first entry in a range. */
static enum mn_status walk_probe(struct mn_group_walk *walk, const struct mn_index_range *range,
                                 bool *found)
{
    struct mn_key_range keys = {0};
    struct mn_scan_options options = {.table = walk->table, .index = walk->index, .keys = &keys};
    struct mn_index_scan *scan = NULL;
    struct mn_value values[MN_KEY_COLUMNS_MAX];
    struct mn_bytes record;
    int64_t row_id;
    enum mn_status status = mn_index_range_keys(walk->table, walk->index, range, &keys);

    *found = false;
    if (status == MN_OK) status = mn_index_scan_open(walk->view, &options, &scan);
    if (status == MN_OK) status = mn_index_scan_next(scan, &row_id, &record, found);
    for (uint32_t i = 0; status == MN_OK && *found && i < walk->count; i++) {
        struct mn_value value;

        status = mn_index_scan_column(scan, i, walk->arena, &value);
        if (status == MN_OK) status = mn_value_copy(walk->arena, &value, &values[i]);
    }
    if (status == MN_OK && *found && walk->count > 0) {
        memcpy(walk->values, values, walk->count * sizeof values[0]);
    }
    mn_index_scan_close(scan);
    mn_key_range_release(&keys);
    return status;
}

enum mn_status mn_group_walk_next(struct mn_group_walk *walk, bool *found)
{
    enum mn_status status = MN_OK;

    *found = false;
    if (!walk->begun) {
        struct mn_index_range all = {0};

        walk->begun = true;
        return walk_probe(walk, &all, found);
    }
    /* Behind the group: another value of its last column, then of the one before, ... */
    for (uint32_t level = walk->count; level-- > 0 && status == MN_OK && !*found;) {
        struct mn_value values[MN_KEY_COLUMNS_MAX + 1];
        struct mn_index_range range = {.equal = values, .equal_count = level};

        if (mn_is_null(&walk->values[level])) continue; /* NULLs are last */
        memcpy(values, walk->values, (level + 1) * sizeof values[0]);
        range.low = &walk->values[level];
        range.low_open = true;
        status = walk_probe(walk, &range, found);
        if (status != MN_OK || *found) break;
        values[level] = mn_null();
        range = (struct mn_index_range){.equal = values, .equal_count = level + 1};
        status = walk_probe(walk, &range, found);
    }
    return status;
}

/* ---- the operator ---- */

struct op_latest_scan {
    struct mn_op op; /* left: the scan of one group */
    const struct mn_table *table;
    const struct mn_index *index;
    uint32_t group_count;
    const uint32_t *group_slots;
    struct mn_expr *n_expr;
    uint64_t n, given;
    struct mn_group_walk walk;
    struct mn_arena arena;
    bool in_group;
};

enum { ARENA_BYTES_MAX = 1 << 20 };

static enum mn_status latest_open(struct mn_op *base, struct mn_exec *exec)
{
    struct op_latest_scan *op = (struct op_latest_scan *)base;
    uint64_t counts[2] = {1, 0};
    enum mn_status status = MN_OK;

    mn_arena_init(&op->arena, exec->memory_limit);
    op->in_group = false;
    op->walk = (struct mn_group_walk){.view = exec->view,
                                      .table = op->table,
                                      .index = op->index,
                                      .count = op->group_count,
                                      .arena = &op->arena};
    op->walk.values = mn_arena_zalloc(&op->arena, (op->group_count + 1) * sizeof(struct mn_value));
    if (!op->walk.values) return mn_exec_nomem(exec);
    if (op->n_expr) status = mn_limit_eval(op->n_expr, NULL, exec, counts);
    op->n = counts[0];
    return status;
}

/* What the groups before this one took is given back, now and then. */
static enum mn_status arena_compact(struct op_latest_scan *op, struct mn_exec *exec)
{
    struct mn_arena arena;
    struct mn_value *values;

    if (op->arena.total_bytes < ARENA_BYTES_MAX) return MN_OK;
    mn_arena_init(&arena, exec->memory_limit);
    values = mn_arena_zalloc(&arena, (op->group_count + 1) * sizeof *values);
    for (uint32_t i = 0; values && i < op->group_count; i++) {
        if (mn_value_copy(&arena, &op->walk.values[i], &values[i]) != MN_OK) values = NULL;
    }
    if (!values) {
        mn_arena_release(&arena);
        return mn_exec_nomem(exec);
    }
    mn_arena_release(&op->arena);
    op->arena = arena;
    op->walk.values = values;
    return MN_OK;
}

static enum mn_status group_open(struct op_latest_scan *op, struct mn_exec *exec, bool *found)
{
    enum mn_status status = arena_compact(op, exec);

    if (status == MN_OK) status = mn_group_walk_next(&op->walk, found);
    if (status != MN_OK || !*found) return status;
    for (uint32_t i = 0; i < op->group_count; i++) {
        exec->eval.slots[op->group_slots[i]] = op->walk.values[i];
    }
    op->in_group = true;
    op->given = 0;
    return mn_op_open(op->op.left, exec);
}

static enum mn_status latest_next(struct mn_op *base, struct mn_exec *exec, bool *found)
{
    struct op_latest_scan *op = (struct op_latest_scan *)base;

    if (op->n == 0) return MN_OK;
    for (;;) {
        enum mn_status status = MN_OK;

        if (!op->in_group) {
            status = group_open(op, exec, found);
            if (status != MN_OK || !*found) {
                *found = false;
                return status;
            }
        }
        *found = false;
        if (op->given < op->n) status = mn_op_next(base->left, exec, found);
        if (status != MN_OK) return status;
        if (*found) {
            op->given++;
            return MN_OK;
        }
        mn_op_close(base->left);
        op->in_group = false;
        status = mn_exec_tick(exec);
        if (status != MN_OK) return status;
    }
}

static void latest_close(struct mn_op *base)
{
    mn_arena_release(&((struct op_latest_scan *)base)->arena);
}

static enum mn_status latest_describe(const struct mn_op *base, struct mn_buf *out)
{
    const struct op_latest_scan *op = (const struct op_latest_scan *)base;

    return mn_buf_printf(out, " %s by %s", op->table->name, op->index->name);
}

static const struct mn_op_kind kind_latest_scan = {"LatestScan", latest_open, latest_next,
                                                   latest_close, latest_describe};

/* ---- planning ---- */

enum { PROBES = 32 };

/* True where the index is (the groups, in their order; the time), all ascending. */
static bool index_serves(const struct mn_query *query, const struct mn_index *index)
{
    const struct mn_source *source = query->latest_source;
    const struct mn_latest_spec *latest = &query->latest;
    uint32_t groups = latest->group_count;

    if (index->kind != MN_INDEX_BTREE || index->column_count <= groups) return false;
    for (uint32_t i = 0; i <= groups; i++) {
        uint32_t slot = source->columns[index->columns[i].column].slot;
        bool wanted = slot == (i < groups ? latest->groups[i]->slot : latest->time->slot);

        if (index->columns[i].order != MN_KEY_ASC || slot == MN_NO_SLOT) return false;
        if (!wanted) return false;
    }
    return index->column_count == groups + 1; /* so that the row id follows the time */
}

/* Rows of a group, by counting some of the first groups: jumping costs as much as reading about ten
 * rows. */
static enum mn_status groups_are_large(struct mn_plan *plan, const struct mn_index *index,
                                       uint32_t count, bool *large)
{
    struct mn_group_walk walk = {.view = plan->view,
                                 .table = index->table,
                                 .index = index,
                                 .count = count,
                                 .arena = plan->arena};
    uint64_t rows = 0, groups = 0;
    bool found = true;
    enum mn_status status = MN_OK;

    walk.values = mn_arena_zalloc(plan->arena, (count + 1) * sizeof *walk.values);
    if (!walk.values) return mn_fail_nomem();
    while (groups < PROBES && status == MN_OK) {
        struct mn_index_range range = {.equal = walk.values, .equal_count = count};
        struct mn_key_range keys = {0};
        uint64_t here = 0;

        status = mn_group_walk_next(&walk, &found);
        if (status != MN_OK || !found) break;
        status = mn_index_range_keys(index->table, index, &range, &keys);
        if (status == MN_OK) {
            status = mn_index_range_count(plan->view, index->table, index, &keys, &here);
        }
        mn_key_range_release(&keys);
        groups++;
        rows += here;
    }
    *large = groups > 0 && rows / groups >= 16;
    return status;
}

/* The scan of one group: its columns equal slots that LatestScan fills. */
static enum mn_status group_scan(struct mn_plan *plan, const struct mn_index *index, uint32_t count,
                                 struct mn_op **op)
{
    struct mn_access_path path = {.rows = 1};
    struct mn_value least = mn_timestamp(INT64_MIN);
    struct mn_span span = plan->query->span;

    path.spec.table = index->table;
    path.spec.index = index;
    path.spec.backward = true;
    path.spec.nulls_equal = true;
    path.spec.equal_count = count;
    path.spec.equal = mn_arena_zalloc(plan->arena, (count + 1) * sizeof(struct mn_expr *));
    path.spec.low = mn_expr_constant(plan->arena, &least, span);
    if (!path.spec.equal || !path.spec.low) return mn_fail_nomem();
    for (uint32_t i = 0; i < count; i++) {
        struct mn_kind kind = index->table->columns[index->columns[i].column].kind;

        path.spec.equal[i] =
            mn_expr_slot(plan->arena, plan->query->latest.group_slots[i], &kind, span);
        if (!path.spec.equal[i]) return mn_fail_nomem();
    }
    return mn_plan_scan(plan, 0, 0, &path, op);
}

enum mn_status mn_plan_latest_scan(struct mn_plan *plan, struct mn_op **out)
{
    const struct mn_query *query = plan->query;
    const struct mn_source *source = query->latest_source;
    uint32_t count = query->latest.group_count;
    struct op_latest_scan *op;
    const struct mn_index *index = NULL;
    bool large = false;
    enum mn_status status;

    *out = NULL;
    if (query->source_count != 1 || source->kind != MN_SOURCE_TABLE || source->outer) return MN_OK;
    for (uint32_t i = 0; i < source->table->index_count && !index; i++) {
        if (index_serves(query, &source->table->indexes[i])) index = &source->table->indexes[i];
    }
    if (!index) return MN_OK;
    status = groups_are_large(plan, index, count, &large);
    if (status != MN_OK || !large) return status;
    op = mn_arena_zalloc(plan->arena, sizeof *op);
    if (!op) return mn_fail_nomem();
    op->op.kind = &kind_latest_scan;
    status = group_scan(plan, index, count, &op->op.left);
    if (status != MN_OK) return status;
    op->op.estimate = 100;
    op->table = source->table;
    op->index = index;
    op->group_count = count;
    op->group_slots = query->latest.group_slots;
    op->n_expr = query->latest.n;
    *out = &op->op;
    return MN_OK;
}
