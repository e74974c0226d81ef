/*
 * op_change: Insert, Update and Delete.
 */
#include "base/alloc.h"
#include "index/row.h"
#include "query/change.h"
#include "query/plan.h"

/* A row that was found, or is to be inserted, in the order of coming. */
struct kept_row {
    struct kept_row *next;
    int64_t row_id;
    struct mn_value *values; /* INSERT: one a given column; UPDATE: one a SET, then others' slots */
    struct mn_value *outputs; /* of RETURNING */
};

/* Marks a DEFAULT among the values of a row that is kept. */
enum { VALUE_IS_DEFAULT = 1 };

struct op_change {
    struct mn_op op;
    struct mn_change *change;
    struct mn_slot_list others; /* UPDATE: slots of the other sources that RETURNING may read */
    struct mn_arena arena;
    struct mn_rowset seen; /* row ids, where a row may be found twice */
    struct kept_row *first, *last, *at;
    struct mn_value *values; /* one row of the table */
    bool *changed;
};

static struct kept_row *row_new(struct op_change *op)
{
    struct kept_row *row = mn_arena_zalloc(&op->arena, sizeof *row);

    if (!row) return NULL;
    if (op->last) op->last->next = row;
    if (!op->first) op->first = row;
    op->last = row;
    return row;
}

/* What RETURNING says, from the slots. */
static enum mn_status outputs_keep(struct op_change *op, struct mn_exec *exec, struct kept_row *row)
{
    const struct mn_query *query = op->change->query;

    if (!op->change->returning) return MN_OK;
    row->outputs = mn_arena_zalloc(&op->arena, (query->output_count + 1) * sizeof *row->outputs);
    if (!row->outputs) return mn_exec_nomem(exec);
    for (uint32_t i = 0; i < query->output_count; i++) {
        struct mn_value value;
        enum mn_status status = mn_expr_eval(query->outputs[i].expr, &exec->eval, &value);

        if (status == MN_OK) status = mn_value_copy(&op->arena, &value, &row->outputs[i]);
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

/* The table's columns into the slots of a source. */
static void source_fill(struct mn_source *source, struct mn_exec *exec,
                        const struct mn_value *values, int64_t row_id)
{
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].slot != MN_NO_SLOT) {
            exec->eval.slots[source->columns[i].slot] = values[i];
        }
    }
    if (source->row_id_slot != MN_NO_SLOT) {
        exec->eval.slots[source->row_id_slot] = mn_int(row_id);
    }
}

/* A row as it is stored, its bytes copied: what is written next may move them. */
static enum mn_status row_read(struct op_change *op, struct mn_exec *exec, int64_t row_id)
{
    const struct mn_table *table = op->change->table;
    struct mn_row row = {.id = row_id};
    bool found;
    enum mn_status status = mn_row_get(exec->view, table, row_id, &row.record, &found);

    if (status != MN_OK) return status;
    if (!found) {
        return mn_fail(MN_CORRUPT, "row %lld of %s is not there", (long long)row_id, table->name);
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct mn_value value;

        status = mn_row_column(exec->view, table, &row, i, &value);
        if (status == MN_OK) status = mn_value_copy(exec->eval.scratch, &value, &op->values[i]);
        if (status != MN_OK) return status;
        op->changed[i] = false;
    }
    return MN_OK;
}

static enum mn_status row_store(struct op_change *op, struct mn_exec *exec, int64_t *row_id)
{
    struct mn_row_update update = {.row_id = *row_id, .values = op->values, .changed = op->changed};
    enum mn_status status = mn_rules_check(op->change->rules, &exec->eval, op->values);

    if (status == MN_OK) status = mn_row_update(exec->view, op->change->table, &update, row_id);
    if (status == MN_OK) exec->changes++;
    return status;
}

/* ---- INSERT ---- */

static enum mn_status insert_complete(struct op_change *op, struct mn_exec *exec,
                                      const struct mn_value *given, struct mn_expr **exprs)
{
    const struct mn_change *change = op->change;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < change->table->column_count; i++) op->changed[i] = false;
    for (uint32_t i = 0; i < change->given_count; i++) {
        uint32_t column = change->given[i];

        if (exprs ? !exprs[i] : given[i].flags == VALUE_IS_DEFAULT) continue;
        op->changed[column] = true;
        if (exprs) {
            status = mn_expr_eval(exprs[i], &exec->eval, &op->values[column]);
            if (status != MN_OK) return status;
        } else {
            op->values[column] = given[i];
        }
    }
    for (uint32_t i = 0; i < change->table->column_count && status == MN_OK; i++) {
        if (op->changed[i]) continue;
        status = mn_rules_default(change->rules, i, &exec->eval, &op->values[i]);
    }
    return status;
}

static enum mn_status insert_keep(struct op_change *op, struct mn_exec *exec, int64_t row_id)
{
    struct kept_row *row;

    if (!op->change->returning) return MN_OK;
    row = row_new(op);
    if (!row) return mn_exec_nomem(exec);
    source_fill(op->change->target, exec, op->values, row_id);
    return outputs_keep(op, exec, row);
}

static enum mn_status insert_new(struct op_change *op, struct mn_exec *exec)
{
    const struct mn_table *table = op->change->table;
    int64_t row_id;
    enum mn_status status = mn_rules_check(op->change->rules, &exec->eval, op->values);

    if (status == MN_OK) status = mn_row_insert(exec->view, table, op->values, &row_id);
    if (status != MN_OK) return status;
    exec->changes++;
    if (table->row_id_column >= 0) op->values[table->row_id_column] = mn_int(row_id);
    return insert_keep(op, exec, row_id);
}

/* DO UPDATE, and UPSERT of a row that is there: op->values holds the row that was to be inserted.
 */
static enum mn_status insert_update(struct op_change *op, struct mn_exec *exec, int64_t row_id)
{
    const struct mn_change *change = op->change;
    uint32_t columns = change->table->column_count;
    struct mn_value *wanted =
        mn_arena_copy(exec->eval.scratch, op->values, columns * sizeof *wanted);
    bool yes = true;
    enum mn_status status;

    if (!wanted) return mn_exec_nomem(exec);
    if (change->excluded) source_fill(change->excluded, exec, wanted, 0);
    status = row_read(op, exec, row_id);
    if (status != MN_OK) return status;
    source_fill(change->target, exec, op->values, row_id);
    if (change->conflict_where) {
        status = mn_expr_test(change->conflict_where, &exec->eval, &yes);
        if (status != MN_OK || !yes) return status;
    }
    for (uint32_t i = 0; change->upsert && i < change->given_count; i++) {
        op->values[change->given[i]] = wanted[change->given[i]];
        op->changed[change->given[i]] = true;
    }
    for (uint32_t i = 0; i < change->set_count && status == MN_OK; i++) {
        const struct mn_set *set = &change->sets[i];

        status = set->value ? mn_expr_eval(set->value, &exec->eval, &op->values[set->column])
                            : mn_rules_default(change->rules, set->column, &exec->eval,
                                               &op->values[set->column]);
        op->changed[set->column] = true;
    }
    if (status == MN_OK) status = row_store(op, exec, &row_id);
    return status == MN_OK ? insert_keep(op, exec, row_id) : status;
}

static enum mn_status insert_row(struct op_change *op, struct mn_exec *exec)
{
    const struct mn_change *change = op->change;
    struct mn_conflict conflict;
    bool found = false, mine;
    enum mn_status status;

    if (change->conflict == MN_CONFLICT_NONE) return insert_new(op, exec);
    status = mn_row_conflict(exec->view, change->table, op->values, MN_ROW_NONE, &conflict, &found);
    if (status != MN_OK) return status;
    mine = found && (change->conflict_any || conflict.index == change->conflict_index);
    if (!mine) return insert_new(op, exec);
    if (change->conflict == MN_CONFLICT_NOTHING) return MN_OK;
    return insert_update(op, exec, conflict.row_id);
}

static enum mn_status kept_new(struct op_change *op, struct mn_exec *exec, struct kept_row **out)
{
    struct kept_row *row = row_new(op);

    *out = row;
    if (row) {
        row->values =
            mn_arena_zalloc(&op->arena, (op->change->given_count + 1) * sizeof *row->values);
    }
    return row && row->values ? MN_OK : mn_exec_nomem(exec);
}

/* The rows of VALUES with subqueries, all of them before the first insert. */
static enum mn_status values_read(struct op_change *op, struct mn_exec *exec)
{
    const struct mn_change *change = op->change;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status = MN_OK;

    for (uint32_t r = 0; r < change->row_count && status == MN_OK; r++) {
        struct mn_expr **exprs = change->exprs + (size_t)r * change->given_count;
        struct kept_row *row;

        status = kept_new(op, exec, &row);
        for (uint32_t i = 0; i < change->given_count && status == MN_OK; i++) {
            struct mn_value value;

            row->values[i].flags = VALUE_IS_DEFAULT;
            if (!exprs[i]) continue;
            status = mn_expr_eval(exprs[i], &exec->eval, &value);
            if (status == MN_OK) status = mn_value_copy(&op->arena, &value, &row->values[i]);
        }
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    return status;
}

/* The rows of the SELECT, all of them before the first insert. */
static enum mn_status input_read(struct op_change *op, struct mn_exec *exec)
{
    struct mn_change *change = op->change;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status = mn_op_open(op->op.left, exec);

    while (status == MN_OK) {
        struct kept_row *row;
        bool found;

        status = mn_op_next(op->op.left, exec, &found);
        if (status != MN_OK || !found) break;
        status = kept_new(op, exec, &row);
        for (uint32_t i = 0; i < change->given_count && status == MN_OK; i++) {
            struct mn_value value;

            status = mn_expr_eval(change->exprs[i], &exec->eval, &value);
            if (status == MN_OK) status = mn_value_copy(&op->arena, &value, &row->values[i]);
        }
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(op->op.left);
    return status;
}

static enum mn_status insert_all(struct op_change *op, struct mn_exec *exec)
{
    struct mn_change *change = op->change;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    struct kept_row *rows = NULL;
    enum mn_status status = MN_OK;

    if (change->input || change->gather) {
        status = change->input ? input_read(op, exec) : values_read(op, exec);
        rows = op->first;
        op->first = op->last = NULL; /* from here on the list is RETURNING's */
        for (; rows && status == MN_OK; rows = rows->next) {
            status = insert_complete(op, exec, rows->values, NULL);
            if (status == MN_OK) status = insert_row(op, exec);
            mn_arena_rewind(exec->eval.scratch, mark);
            if (status == MN_OK) status = mn_exec_tick(exec);
        }
        return status;
    }
    for (uint32_t i = 0; i < change->row_count && status == MN_OK; i++) {
        struct mn_expr **exprs =
            change->exprs ? change->exprs + (size_t)i * change->given_count : NULL;

        status = insert_complete(op, exec, NULL, exprs);
        if (status == MN_OK) status = insert_row(op, exec);
        mn_arena_rewind(exec->eval.scratch, mark);
        if (status == MN_OK) status = mn_exec_tick(exec);
    }
    return status;
}

/* ---- UPDATE, DELETE ---- */

static enum mn_status row_seen(struct op_change *op, struct mn_exec *exec, bool *again)
{
    const struct mn_value *id = &exec->eval.slots[op->change->target->row_id_slot];
    struct mn_rowset_entry *entry;
    bool added;
    enum mn_status status;

    *again = false;
    if (!op->change->joined) return MN_OK;
    status = mn_rowset_find(&op->seen, id, &added, &entry);
    if (status != MN_OK || added) return status;
    *again = true;
    if (op->change->kind == MN_CHANGE_DELETE) return MN_OK;
    mn_fail(MN_ERROR, "a row of %s is found twice by UPDATE ... FROM", op->change->table->name);
    return mn_hint("make the join unique, or take an aggregate in a subquery");
}

static enum mn_status found_keep(struct op_change *op, struct mn_exec *exec)
{
    const struct mn_change *change = op->change;
    struct kept_row *row = row_new(op);
    enum mn_status status = MN_OK;

    if (!row) return mn_exec_nomem(exec);
    row->row_id = exec->eval.slots[change->target->row_id_slot].i;
    if (change->kind == MN_CHANGE_DELETE) return outputs_keep(op, exec, row);
    row->values = mn_arena_zalloc(&op->arena,
                                  (change->set_count + op->others.count + 1) * sizeof *row->values);
    if (!row->values) return mn_exec_nomem(exec);
    for (uint32_t i = 0; i < change->set_count && status == MN_OK; i++) {
        const struct mn_set *set = &change->sets[i];
        struct mn_value value;

        status = set->value ? mn_expr_eval(set->value, &exec->eval, &value)
                            : mn_rules_default(change->rules, set->column, &exec->eval, &value);
        if (status == MN_OK) status = mn_value_copy(&op->arena, &value, &row->values[i]);
    }
    for (uint32_t i = 0; i < op->others.count && status == MN_OK; i++) {
        status = mn_value_copy(&op->arena, &exec->eval.slots[op->others.slots[i]],
                               &row->values[change->set_count + i]);
    }
    return status;
}

static enum mn_status found_collect(struct op_change *op, struct mn_exec *exec)
{
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status = mn_op_open(op->op.left, exec);

    while (status == MN_OK) {
        bool found, again;

        status = mn_op_next(op->op.left, exec, &found);
        if (status != MN_OK || !found) break;
        status = row_seen(op, exec, &again);
        if (status == MN_OK && !again) status = found_keep(op, exec);
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(op->op.left);
    return status;
}

static enum mn_status update_row(struct op_change *op, struct mn_exec *exec, struct kept_row *row)
{
    const struct mn_change *change = op->change;
    int64_t row_id = row->row_id;
    enum mn_status status = row_read(op, exec, row_id);

    if (status != MN_OK) return status;
    for (uint32_t i = 0; i < change->set_count; i++) {
        op->values[change->sets[i].column] = row->values[i];
        op->changed[change->sets[i].column] = true;
    }
    status = row_store(op, exec, &row_id);
    if (status != MN_OK || !change->returning) return status;
    source_fill(change->target, exec, op->values, row_id);
    mn_row_load(&op->others, row->values + change->set_count, exec->eval.slots);
    return outputs_keep(op, exec, row);
}

static enum mn_status delete_row(struct op_change *op, struct mn_exec *exec,
                                 const struct kept_row *row)
{
    struct mn_row_delete options = {.row_id = row->row_id};
    bool found;
    enum mn_status status = mn_row_delete(exec->view, op->change->table, &options, NULL, &found);

    if (status == MN_OK && found) exec->changes++;
    return status;
}

static enum mn_status change_all(struct op_change *op, struct mn_exec *exec)
{
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status = found_collect(op, exec);

    for (struct kept_row *row = op->first; row && status == MN_OK; row = row->next) {
        status = op->change->kind == MN_CHANGE_UPDATE ? update_row(op, exec, row)
                                                      : delete_row(op, exec, row);
        mn_arena_rewind(exec->eval.scratch, mark);
        if (status == MN_OK) status = mn_exec_tick(exec);
    }
    return status;
}

/* ---- the operator ---- */

static enum mn_status change_open(struct mn_op *base, struct mn_exec *exec)
{
    struct op_change *op = (struct op_change *)base;
    uint32_t columns = op->change->table->column_count;
    enum mn_status status;

    mn_arena_init(&op->arena, exec->memory_limit);
    op->seen = (struct mn_rowset){.width = 1, .arena = &op->arena};
    op->first = op->last = op->at = NULL;
    op->values = mn_arena_zalloc(&op->arena, (columns + 1) * sizeof *op->values);
    op->changed = mn_arena_zalloc(&op->arena, columns + 1);
    if (!op->values || !op->changed) return mn_exec_nomem(exec);
    status = op->change->kind == MN_CHANGE_INSERT ? insert_all(op, exec) : change_all(op, exec);
    op->at = op->change->returning ? op->first : NULL;
    if (status == MN_OK) return MN_OK;
    mn_place(op->change->span.offset, op->change->span.length);
    return status;
}

static enum mn_status change_next(struct mn_op *base, struct mn_exec *exec, bool *found)
{
    struct op_change *op = (struct op_change *)base;
    const struct mn_query *query = op->change->query;

    if (!op->at) return MN_OK;
    for (uint32_t i = 0; i < query->output_count; i++) {
        exec->eval.slots[query->outputs[i].slot] = op->at->outputs[i];
    }
    op->at = op->at->next;
    *found = true;
    return MN_OK;
}

static void change_close(struct mn_op *base)
{
    struct op_change *op = (struct op_change *)base;

    mn_rowset_release(&op->seen);
    mn_arena_release(&op->arena);
    op->first = op->last = op->at = NULL;
}

static enum mn_status change_describe(const struct mn_op *base, struct mn_buf *out)
{
    const struct op_change *op = (const struct op_change *)base;

    return mn_buf_printf(out, " %s", op->change->table->name);
}

static const struct mn_op_kind kinds_change[] = {
    [MN_CHANGE_INSERT] = {"Insert", change_open, change_next, change_close, change_describe},
    [MN_CHANGE_UPDATE] = {"Update", change_open, change_next, change_close, change_describe},
    [MN_CHANGE_DELETE] = {"Delete", change_open, change_next, change_close, change_describe},
};

struct mn_op *mn_op_change(struct mn_arena *arena, struct mn_change *change)
{
    struct op_change *op = mn_arena_zalloc(arena, sizeof *op);
    uint32_t *slots, capacity = 1;
    const struct mn_query *query = change->query;

    if (!op) return NULL;
    op->op = (struct mn_op){.kind = &kinds_change[change->kind], .left = change->rows};
    op->op.estimate = change->rows ? change->rows->estimate : change->row_count;
    op->change = change;
    for (uint32_t i = 1; i < query->source_count; i++) {
        capacity += query->sources[i]->column_count;
    }
    slots = mn_arena_alloc(arena, capacity * sizeof *slots);
    if (!slots) return NULL;
    op->others.slots = slots;
    for (uint32_t i = 1; change->kind == MN_CHANGE_UPDATE && i < query->source_count; i++) {
        const struct mn_source *source = query->sources[i];

        for (uint32_t c = 0; c < source->column_count; c++) {
            if (source->columns[c].slot != MN_NO_SLOT) {
                slots[op->others.count++] = source->columns[c].slot;
            }
        }
    }
    return &op->op;
}
