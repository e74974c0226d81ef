/*
 * plan_scan: the ways into one table.
 *
 * A way is an index (or the row id) with values for its first columns, perhaps a list of values for
 * the next, and bounds for the one after. What it costs is the number of entries it reads, counted
 * in the tree where the values are known, plus the sort that is still to come.
 */
#include <string.h>

#include "index/index.h"
#include "query/plan.h"

static const double no_rows = 0.5; /* an estimate is never 0, so that products stay in order */

struct mask_walk {
    const struct mn_plan *plan;
    uint64_t mask;
};

static void mask_visit(void *context, const struct mn_expr *expr)
{
    struct mask_walk *walk = context;

    if (expr->form != MN_EXPR_SLOT || expr->slot >= walk->plan->bind->slot_count) return;
    if (walk->plan->slot_source[expr->slot]) {
        walk->mask |= UINT64_C(1) << (walk->plan->slot_source[expr->slot] - 1);
    }
}

uint64_t mn_plan_sources(const struct mn_plan *plan, const struct mn_expr *expr)
{
    struct mask_walk walk = {.plan = plan};

    mn_expr_walk(expr, mask_visit, &walk);
    return walk.mask;
}

/* ---- conditions on one column ---- */

struct column_test {
    enum mn_ast_op op; /* EQ, LT, LE, GT, GE as `column op value` */
    struct mn_expr *value;
};

static enum mn_ast_op op_mirror(enum mn_ast_op op)
{
    switch ((int)op) {
    case MN_OP_LT: return MN_OP_GT;
    case MN_OP_LE: return MN_OP_GE;
    case MN_OP_GT: return MN_OP_LT;
    case MN_OP_GE: return MN_OP_LE;
    default: return op;
    }
}

/* What is being matched: a column of a source, and which sources have values already. */
struct target {
    uint32_t source;
    uint32_t slot;
    struct mn_kind kind;
    uint64_t bound;
};

static bool kind_fits(const struct mn_kind *of, const struct mn_kind *column)
{
    if (of->type == column->type && of->elem == column->elem) return true;
    return of->type == MN_TYPE_INT && column->type == MN_TYPE_FLOAT;
}

static bool value_usable(const struct mn_plan *plan, const struct mn_expr *value,
                         const struct target *target)
{
    uint64_t mask = mn_plan_sources(plan, value);

    if (value->unsteady) return false;
    return (mask & ~target->bound) == 0 && kind_fits(&value->kind, &target->kind);
}

/* True where the condition is `column op value` with a value that is known before the column. */
static bool condition_test(const struct mn_plan *plan, const struct mn_expr *expr,
                           const struct target *target, struct column_test *test)
{
    if (expr->form != MN_EXPR_OP || expr->arg_count != 2) return false;
    if (expr->op != MN_OP_EQ && expr->op != MN_OP_LT && expr->op != MN_OP_LE &&
        expr->op != MN_OP_GT && expr->op != MN_OP_GE) {
        return false;
    }
    for (int side = 0; side < 2; side++) {
        const struct mn_expr *column = expr->args[side];

        if (column->form != MN_EXPR_SLOT || column->slot != target->slot) continue;
        test->value = expr->args[1 - side];
        test->op = side == 0 ? (enum mn_ast_op)expr->op : op_mirror((enum mn_ast_op)expr->op);
        if (value_usable(plan, test->value, target)) return true;
    }
    return false;
}

static bool condition_list(const struct mn_plan *plan, const struct mn_expr *expr,
                           const struct target *target)
{
    if (expr->form != MN_EXPR_IN || expr->negated || expr->arg_count < 2) return false;
    if (expr->args[0]->form != MN_EXPR_SLOT || expr->args[0]->slot != target->slot) return false;
    for (uint32_t i = 1; i < expr->arg_count; i++) {
        if (!value_usable(plan, expr->args[i], target)) return false;
    }
    return true;
}

static void used_set(struct mn_access_path *path, uint32_t condition)
{
    path->used[condition / 64] |= UINT64_C(1) << condition % 64;
}

static bool used_has(const struct mn_access_path *path, uint32_t condition)
{
    return path->used[condition / 64] >> condition % 64 & 1;
}

/* A condition that a way makes true needs no test, unless an INT was turned into a FLOAT. */
static void used_note(struct mn_access_path *path, uint32_t condition, const struct mn_expr *value,
                      const struct target *target)
{
    if (value->kind.type == target->kind.type) used_set(path, condition);
}

static bool condition_open(const struct mn_plan *plan, uint32_t i)
{
    const struct mn_condition *condition = &plan->conditions[i];

    return !condition->done && (condition->sources & plan->outer_sources) == 0;
}

static bool take_equal(struct mn_plan *plan, const struct target *target,
                       struct mn_access_path *path)
{
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        struct column_test test;

        if (!condition_open(plan, i) && !(plan->outer_sources >> target->source & 1)) continue;
        if (plan->conditions[i].done) continue;
        if (!condition_test(plan, plan->conditions[i].expr, target, &test)) continue;
        if (test.op != MN_OP_EQ) continue;
        path->spec.equal[path->spec.equal_count++] = test.value;
        used_note(path, i, test.value, target);
        return true;
    }
    return false;
}

static bool take_list(struct mn_plan *plan, const struct target *target,
                      struct mn_access_path *path)
{
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        struct mn_expr *expr = plan->conditions[i].expr;

        if (!condition_open(plan, i) || !condition_list(plan, expr, target)) continue;
        path->spec.in_count = expr->arg_count - 1;
        path->spec.in = expr->args + 1;
        if (target->kind.type != MN_TYPE_FLOAT) used_set(path, i);
        return true;
    }
    return false;
}

static void take_bounds(struct mn_plan *plan, const struct target *target,
                        struct mn_access_path *path)
{
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        struct column_test test;
        bool low;

        if (!condition_open(plan, i)) continue;
        if (!condition_test(plan, plan->conditions[i].expr, target, &test)) continue;
        if (test.op == MN_OP_EQ) continue;
        low = test.op == MN_OP_GT || test.op == MN_OP_GE;
        if (low ? path->spec.low != NULL : path->spec.high != NULL) continue;
        if (low) {
            path->spec.low = test.value;
            path->spec.low_open = test.op == MN_OP_GT;
        } else {
            path->spec.high = test.value;
            path->spec.high_open = test.op == MN_OP_LT;
        }
        used_note(path, i, test.value, target);
    }
}

/* ---- estimates ---- */

static void param_visit(void *context, const struct mn_expr *expr)
{
    bool *known = context;

    if (expr->form == MN_EXPR_PARAM) *known = false;
}

static bool value_known(struct mn_plan *plan, const struct mn_expr *expr,
                        const struct mn_kind *kind, struct mn_value *out)
{
    bool known = expr->fixed;
    struct mn_value value;

    if (known) mn_expr_walk(expr, param_visit, &known);
    /* A subquery is no constant of the plan: its operators do not exist yet. */
    if (!known || (expr->form == MN_EXPR_OTHER && expr->arg_count == 0)) return false;
    if (mn_expr_eval(expr, &plan->eval, &value) != MN_OK || mn_is_null(&value)) return false;
    return mn_value_assign(&value, kind, true, plan->eval.scratch, out) == MN_OK;
}

static struct mn_kind key_kind(const struct mn_scan_spec *spec, uint32_t i)
{
    if (!spec->index) return (struct mn_kind){.type = MN_TYPE_INT};
    return spec->table->columns[spec->index->columns[i].column].kind;
}

/* The exact number of entries of a way whose values are all known. */
static bool path_count(struct mn_plan *plan, const struct mn_access_path *path, double *rows)
{
    const struct mn_scan_spec *spec = &path->spec;
    struct mn_value values[MN_KEY_COLUMNS_MAX + 1], low, high;
    struct mn_index_range range = {.equal = values, .equal_count = spec->equal_count};
    struct mn_key_range keys = {0};
    struct mn_kind next = {0};
    uint64_t count = 0;
    bool counted;

    if (spec->in_count > 0) return false;
    for (uint32_t i = 0; i < spec->equal_count; i++) {
        struct mn_kind kind = key_kind(spec, i);

        if (!value_known(plan, spec->equal[i], &kind, &values[i])) return false;
    }
    if (spec->low || spec->high) next = key_kind(spec, spec->equal_count);
    if (spec->low && !value_known(plan, spec->low, &next, &low)) return false;
    if (spec->high && !value_known(plan, spec->high, &next, &high)) return false;
    range.low = spec->low ? &low : NULL;
    range.high = spec->high ? &high : NULL;
    range.low_open = spec->low_open;
    range.high_open = spec->high_open;
    counted = mn_index_range_keys(spec->table, spec->index, &range, &keys) == MN_OK &&
              mn_index_range_count(plan->view, spec->table, spec->index, &keys, &count) == MN_OK;
    mn_key_range_release(&keys);
    *rows = (double)count;
    return counted;
}

static double path_guess(const struct mn_access_path *path, double table_rows)
{
    const struct mn_scan_spec *spec = &path->spec;
    double rows = table_rows;

    if (spec->unique) return spec->in_count > 0 ? (double)spec->in_count : 1;
    for (uint32_t i = 0; i < spec->equal_count; i++) rows /= 50;
    if (spec->in_count > 0) rows = rows / 50 * (double)spec->in_count;
    if (spec->low) rows /= 3;
    if (spec->high) rows /= 3;
    if (rows < 1) rows = 1;
    return rows < table_rows ? rows : table_rows;
}

static void path_estimate(struct mn_plan *plan, struct mn_access_path *path, double table_rows)
{
    const struct mn_scan_spec *spec = &path->spec;
    bool whole = spec->equal_count == 0 && spec->in_count == 0 && !spec->low && !spec->high;

    if (whole) {
        path->rows = table_rows;
        path->exact = true;
    } else if (!spec->unique && path_count(plan, path, &path->rows)) {
        path->exact = true;
    } else {
        path->rows = path_guess(path, table_rows);
    }
    if (path->rows < no_rows) path->rows = no_rows;
}

/* ---- order ---- */

/* True where the way gives the order of ORDER BY; sets the direction. */
static bool path_order(const struct mn_plan *plan, const struct mn_source *source,
                       struct mn_access_path *path)
{
    const struct mn_query *query = plan->query;
    struct mn_scan_spec *spec = &path->spec;
    uint32_t at = 0, columns = spec->index ? spec->index->column_count : 1;
    bool decided = false;

    if (query->key_count == 0 || query->grouped || query->distinct || query->project_first ||
        query->has_latest || query->nearest || spec->in_count > 0) {
        return false;
    }
    at = spec->equal_count;
    for (uint32_t i = 0; i < query->key_count; i++) {
        const struct mn_sort_key *key = &query->keys[i];
        uint32_t slot = source->row_id_slot;
        bool backward, nullable = false;
        uint32_t column = 0;

        if (key->expr->form != MN_EXPR_SLOT) return false;
        if (spec->unique) {
            bool own = plan->slot_source[key->expr->slot] > 0 &&
                       query->sources[plan->slot_source[key->expr->slot] - 1] == source;

            if (own) continue;
            return false;
        }
        if (at == columns && spec->index) {
            /* Behind the last column entries of one key are in the order of the row id. */
            if (key->expr->slot != source->row_id_slot || spec->index->unique) return false;
            backward = key->descending;
        } else if (at >= columns) {
            return false;
        } else if (spec->index) {
            column = spec->index->columns[at].column;
            slot = source->columns[column].slot;
            backward = key->descending != ((spec->index->columns[at].order & MN_KEY_DESC) != 0);
            nullable = !source->table->columns[column].not_null;
            if (spec->index->columns[at].order & MN_KEY_NULLS_FIRST) nullable = true;
            if (at == spec->equal_count && (spec->low || spec->high)) nullable = false;
        } else {
            if (source->table->row_id_column >= 0) {
                slot = source->columns[source->table->row_id_column].slot;
            }
            backward = key->descending;
        }
        if (slot != key->expr->slot) return false;
        if (nullable && (key->nulls_first || backward)) {
            /* A backward scan meets NULLs first; it can give them last by a second range. */
            if (key->nulls_first || source->columns[column].kind.type == MN_TYPE_LIST ||
                at != spec->equal_count || i + 1 != query->key_count ||
                (spec->index->columns[at].order & MN_KEY_NULLS_FIRST)) {
                return false;
            }
            spec->nulls_after = true;
        }
        if (decided && backward != spec->backward) return false;
        spec->backward = backward;
        decided = true;
        at++;
    }
    return true;
}

static double limit_known(const struct mn_query *query)
{
    const struct mn_expr *limit = query->limit;

    if (!limit) return -1;
    if (limit->form != MN_EXPR_CONSTANT || limit->value.type != MN_TYPE_INT) return 100;
    return (double)limit->value.i;
}

static void path_cost(const struct mn_plan *plan, struct mn_access_path *path, uint64_t mine)
{
    double limit = limit_known(plan->query), read = path->rows, rest = 1;
    bool sorted_by_us = plan->query->key_count > 0 && !path->ordered;

    for (uint32_t i = 0; i < plan->condition_count; i++) {
        if (plan->conditions[i].sources == mine && !used_has(path, i)) rest *= 3;
    }
    if (limit >= 0 && !sorted_by_us && limit * rest < read) read = limit * rest;
    path->cost = read * (path->spec.index && !path->spec.index_only ? 2 : 1);
    if (sorted_by_us) path->cost += path->rows * 0.3;
    if (path->spec.unique) path->cost -= 0.25;
}

/* ---- the columns of a scan ---- */

static int index_position(const struct mn_index *index, uint32_t column)
{
    for (uint32_t i = 0; index && i < index->column_count; i++) {
        if (index->columns[i].column == column) return (int)i;
    }
    return -1;
}

static bool path_covers(const struct mn_source *source, const struct mn_index *index)
{
    if (!index) return false;
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].slot == MN_NO_SLOT) continue;
        if ((int)i == source->table->row_id_column) continue;
        if (index_position(index, i) < 0) return false;
    }
    return true;
}

struct slot_walk {
    uint32_t slot;
    bool found;
};

static void slot_visit(void *context, const struct mn_expr *expr)
{
    struct slot_walk *walk = context;

    if (expr->form == MN_EXPR_SLOT && expr->slot == walk->slot) walk->found = true;
}

static bool expr_reads(const struct mn_expr *expr, uint32_t slot)
{
    struct slot_walk walk = {.slot = slot};

    if (expr) mn_expr_walk(expr, slot_visit, &walk);
    return walk.found;
}

/* Whether anything above the scan reads the slot: a condition that the way makes true does not, nor
 * an ORDER BY whose order it gives. */
static bool is_read_above(const struct mn_plan *plan, bool ordered, uint32_t slot)
{
    const struct mn_query *query = plan->query;

    if (!plan->lean) return true;
    for (uint32_t i = 0; i < query->output_count; i++) {
        const struct mn_output *output = &query->outputs[i];

        if (output->slot == slot || expr_reads(output->expr, slot)) return true;
    }
    for (uint32_t i = 0; i < query->key_count && !ordered; i++) {
        if (expr_reads(query->keys[i].expr, slot)) return true;
    }
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        if (!plan->conditions[i].done && expr_reads(plan->conditions[i].expr, slot)) return true;
    }
    return expr_reads(query->having, slot);
}

static enum mn_status columns_make(struct mn_plan *plan, const struct mn_source *source,
                                   struct mn_access_path *path)
{
    struct mn_scan_spec *spec = &path->spec;
    uint32_t wanted = 0;

    spec->columns =
        mn_arena_zalloc(plan->arena, (source->column_count + 1) * sizeof *spec->columns);
    if (!spec->columns) return mn_fail_nomem();
    for (int early = 1; early >= 0; early--) {
        for (uint32_t i = 0; i <= source->column_count; i++) {
            struct mn_scan_column column = {.column = (int)i, .slot = source->row_id_slot};

            if (i < source->column_count) {
                column.slot = source->columns[i].slot;
            } else {
                column.column = MN_SCAN_ROW_ID;
            }
            if ((int)i == source->table->row_id_column) column.column = MN_SCAN_ROW_ID;
            if (column.slot == MN_NO_SLOT) continue;
            if (expr_reads(spec->filter, column.slot) != (early == 1)) continue;
            if (!early && !is_read_above(plan, path->ordered, column.slot)) continue;
            column.index_column = index_position(spec->index, i);
            spec->columns[wanted++] = column;
        }
        if (early) spec->early_count = wanted;
    }
    spec->column_count = wanted;
    return MN_OK;
}

/* ---- choosing ---- */

static enum mn_status path_try(struct mn_plan *plan, uint32_t source_index, uint64_t bound,
                               const struct mn_index *index, struct mn_access_path *path)
{
    struct mn_source *source = plan->query->sources[source_index];
    uint32_t columns = index ? index->column_count : 1;
    struct target target = {.source = source_index, .bound = bound};
    bool full;
    uint32_t at;

    memset(path, 0, sizeof *path);
    path->spec.table = source->table;
    path->spec.index = index;
    path->spec.equal = mn_arena_zalloc(plan->arena, (columns + 1) * sizeof(struct mn_expr *));
    if (!path->spec.equal) return mn_fail_nomem();
    for (at = 0; at < columns; at++) {
        int column = index ? (int)index->columns[at].column : source->table->row_id_column;

        target.slot = column < 0 ? source->row_id_slot : source->columns[column].slot;
        target.kind =
            column < 0 ? (struct mn_kind){.type = MN_TYPE_INT} : source->columns[column].kind;
        if (target.slot == MN_NO_SLOT) break;
        if (take_equal(plan, &target, path)) continue;
        if (take_list(plan, &target, path)) {
            at++;
            break;
        }
        take_bounds(plan, &target, path);
        break;
    }
    full = path->spec.equal_count + (path->spec.in_count > 0) == columns;
    path->spec.unique = full && (!index || index->unique);
    return MN_OK;
}

/* Values for the first columns of the index's partition. */
static enum mn_status partition_take(struct mn_plan *plan, uint32_t source_index,
                                     const struct mn_index *index, struct mn_access_path **out)
{
    struct mn_source *source = plan->query->sources[source_index];
    struct target target = {.source = source_index};
    struct mn_access_path *path = mn_arena_zalloc(plan->arena, sizeof *path);

    *out = path;
    if (!path) return mn_fail_nomem();
    path->spec.equal =
        mn_arena_zalloc(plan->arena, (index->column_count + 1) * sizeof(struct mn_expr *));
    if (!path->spec.equal) return mn_fail_nomem();
    for (uint32_t i = 1; i < index->column_count; i++) {
        const struct mn_source_column *column = &source->columns[index->columns[i].column];

        target.slot = column->slot;
        target.kind = column->kind;
        if (target.slot == MN_NO_SLOT || !take_equal(plan, &target, path)) break;
    }
    return MN_OK;
}

enum mn_status mn_plan_partition(struct mn_plan *plan, uint32_t source_index,
                                 const struct mn_index *index, struct mn_vector_scan_spec *spec,
                                 bool *all)
{
    struct mn_access_path *path;
    enum mn_status status = partition_take(plan, source_index, index, &path);

    if (status != MN_OK) return status;
    spec->equal = path->spec.equal;
    spec->equal_count = path->spec.equal_count;
    *all = true;
    for (uint32_t i = 0; i < plan->condition_count; i++) *all = *all && used_has(path, i);
    return MN_OK;
}

/* A condition on a covered column. */
static bool cover_take(struct mn_plan *plan, uint32_t source_index, const struct mn_index *index,
                       const struct mn_expr *expr, struct mn_cover_condition *out)
{
    const struct mn_source *source = plan->query->sources[source_index];

    for (uint32_t at = 0; at < index->cover_count; at++) {
        const struct mn_source_column *column = &source->columns[index->covers[at]];
        struct target target = {.source = source_index, .slot = column->slot, .kind = column->kind};
        struct column_test test;

        if (column->slot == MN_NO_SLOT || !condition_test(plan, expr, &target, &test)) continue;
        *out = (struct mn_cover_condition){at, test.op, test.value};
        return true;
    }
    return false;
}

enum mn_status mn_plan_covers(struct mn_plan *plan, uint32_t source_index,
                              const struct mn_index *index, struct mn_cover_scan_spec *spec,
                              bool *all)
{
    struct mn_cover_condition *conditions;
    struct mn_access_path *path;
    enum mn_status status = partition_take(plan, source_index, index, &path);

    if (status != MN_OK) return status;
    conditions = mn_arena_alloc(plan->arena, (plan->condition_count + 1) * sizeof *conditions);
    if (!conditions) return mn_fail_nomem();
    *all = true;
    spec->conditions = conditions;
    for (uint32_t i = 0; i < plan->condition_count && *all; i++) {
        if (used_has(path, i)) continue;
        *all = cover_take(plan, source_index, index, plan->conditions[i].expr,
                          &conditions[spec->count]);
        spec->count += *all;
    }
    return MN_OK;
}

/* A relation by its ends: the edges of one row, or between two. */
static enum mn_status path_edges(struct mn_plan *plan, uint32_t source_index, uint64_t bound,
                                 double entries, struct mn_access_path *path)
{
    struct mn_source *source = plan->query->sources[source_index];
    const struct mn_table *table = source->table;
    struct target target = {.source = source_index, .bound = bound};
    uint64_t ends[2] = {1, 1};
    enum mn_status status;

    memset(path, 0, sizeof *path);
    path->spec.table = table;
    path->spec.equal = mn_arena_zalloc(plan->arena, 3 * sizeof(struct mn_expr *));
    if (!path->spec.equal) return mn_fail_nomem();
    for (uint32_t i = 0; i < 2; i++) {
        target.slot = source->columns[i].slot;
        target.kind = source->columns[i].kind;
        if (target.slot != MN_NO_SLOT && take_equal(plan, &target, path)) {
            path->spec.edges |= 1u << i;
        }
    }
    status = mn_tree_count(plan->view, table->from->tree, &ends[0]);
    if (status == MN_OK) status = mn_tree_count(plan->view, table->to->tree, &ends[1]);
    path->rows = entries;
    for (uint32_t i = 0; i < 2; i++) {
        if (path->spec.edges >> i & 1) path->rows /= (double)(ends[i] ? ends[i] : 1);
    }
    if (path->spec.edges == 3) path->rows = 1;
    if (path->rows < no_rows) path->rows = no_rows;
    path->cost = path->rows * 2;
    if (plan->query->key_count > 0) path->cost += path->rows * 0.3;
    return status;
}

enum mn_status mn_plan_access(struct mn_plan *plan, uint32_t source_index, uint64_t bound,
                              struct mn_access_path *best)
{
    struct mn_source *source = plan->query->sources[source_index];
    const struct mn_table *table = source->table;
    uint64_t mine = UINT64_C(1) << source_index, entries;
    bool first = bound == 0;
    enum mn_status status = mn_tree_count(plan->view, table->tree, &entries);

    for (uint32_t i = 0; i <= table->index_count && status == MN_OK; i++) {
        const struct mn_index *index = i == 0 ? NULL : &table->indexes[i - 1];
        struct mn_access_path *path;

        if (index && index->kind != MN_INDEX_BTREE) continue;
        path = mn_arena_alloc(plan->arena, sizeof *path);
        if (!path) return mn_fail_nomem();
        status = path_try(plan, source_index, bound, index, path);
        if (status != MN_OK) return status;
        path->spec.index_only = path_covers(source, index) && !path->spec.unique;
        path_estimate(plan, path, (double)entries);
        path->ordered = first && path_order(plan, source, path);
        path_cost(plan, path, mine);
        if (i == 0 || path->cost < best->cost) *best = *path;
    }
    if (status == MN_OK && table->relation) {
        struct mn_access_path *path = mn_arena_alloc(plan->arena, sizeof *path);

        if (!path) return mn_fail_nomem();
        status = path_edges(plan, source_index, bound, (double)entries, path);
        if (status == MN_OK && path->spec.edges && path->cost <= best->cost) *best = *path;
    }
    return status;
}

enum mn_status mn_plan_scan(struct mn_plan *plan, uint32_t source_index, uint64_t bound,
                            struct mn_access_path *path, struct mn_op **op)
{
    struct mn_source *source = plan->query->sources[source_index];
    uint64_t mine = UINT64_C(1) << source_index;
    double rows = path->rows;
    enum mn_status status;

    for (uint32_t i = 0; i < plan->condition_count; i++) {
        struct mn_condition *condition = &plan->conditions[i];

        if (condition->done || (condition->sources & ~(mine | bound)) != 0) continue;
        condition->done = true;
        if (used_has(path, i)) continue;
        rows /= 3;
        path->spec.filter = mn_expr_and(plan->arena, path->spec.filter, condition->expr);
        if (!path->spec.filter) return mn_fail_nomem();
    }
    status = columns_make(plan, source, path);
    if (status != MN_OK) return status;
    *op = mn_op_scan(plan->arena, &path->spec);
    if (!*op) return mn_fail_nomem();
    (*op)->estimate = rows < no_rows ? no_rows : rows;
    return MN_OK;
}

enum mn_status mn_plan_source_slots(struct mn_plan *plan, const struct mn_source *source,
                                    struct mn_slot_list *list)
{
    uint32_t *slots = mn_arena_alloc(plan->arena, (source->column_count + 1) * sizeof *slots);

    if (!slots) return mn_fail_nomem();
    list->slots = slots;
    list->count = 0;
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].slot != MN_NO_SLOT) slots[list->count++] = source->columns[i].slot;
    }
    if (source->kind == MN_SOURCE_TABLE && source->row_id_slot != MN_NO_SLOT) {
        slots[list->count++] = source->row_id_slot;
    }
    return MN_OK;
}
