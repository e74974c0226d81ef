/*
 * op: what all operators share: calling, counting, interrupting, explaining, saving rows.
 */
#include "query/op.h"

#include <inttypes.h>

#include "base/alloc.h"

enum { TICKS_BETWEEN_CHECKS = 256 };

enum mn_status mn_exec_check(struct mn_exec *exec)
{
    struct mn_db *db = exec->session->db;
    int64_t every_us = atomic_load_explicit(&db->progress_every_us, memory_order_relaxed);

    if (atomic_load_explicit(&db->interrupts, memory_order_relaxed) != exec->interrupts) {
        return mn_fail(MN_INTERRUPT, "interrupted");
    }
    if (every_us > 0 && db->progress) {
        int64_t now_us = exec->eval.os->ops->tick_us(exec->eval.os);

        if (now_us - exec->progress_at_us >= every_us) {
            exec->progress_at_us = now_us;
            if (db->progress(db->progress_context, exec->rows_seen, 0)) {
                return mn_fail(MN_INTERRUPT, "ended by the progress callback");
            }
        }
    }
    return MN_OK;
}

enum mn_status mn_exec_tick(struct mn_exec *exec)
{
    if (++exec->ticks % TICKS_BETWEEN_CHECKS != 0) return MN_OK;
    return mn_exec_check(exec);
}

enum mn_status mn_exec_nomem(const struct mn_exec *exec)
{
    mn_fail(MN_NOMEM, "the statement needs more than %zu bytes of memory", exec->memory_limit);
    return mn_hint("raise PRAGMA memory_limit, or ask for fewer rows");
}

static inline int64_t exec_clock(const struct mn_exec *exec)
{
    return __builtin_expect(exec->timed, 0) ? exec->eval.os->ops->tick_us(exec->eval.os) : 0;
}

enum mn_status mn_op_open(struct mn_op *op, struct mn_exec *exec)
{
    int64_t began = exec_clock(exec);
    enum mn_status status;

    mn_op_close(op);
    op->is_open = true; /* also when it fails: close then gives back the part that was taken */
    op->opens++;
    status = mn_exec_check(exec);
    if (status == MN_OK) status = op->kind->open(op, exec);
    op->time_us += exec_clock(exec) - began;
    return status;
}

enum mn_status mn_op_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    int64_t began = exec_clock(exec);
    enum mn_status status = mn_exec_tick(exec);

    *found = false;
    if (status == MN_OK) status = op->kind->next(op, exec, found);
    if (*found) op->rows++;
    op->time_us += exec_clock(exec) - began;
    return status;
}

enum mn_status mn_op_ids(struct mn_op *op, struct mn_exec *exec, int64_t *ids, size_t capacity,
                         size_t *count)
{
    int64_t began = exec_clock(exec);
    enum mn_status status = mn_exec_check(exec);

    *count = 0;
    if (status == MN_OK) status = op->ids(op, exec, ids, capacity, count);
    op->rows += *count;
    op->time_us += exec_clock(exec) - began;
    return status;
}

enum mn_status mn_op_count(struct mn_op *op, struct mn_exec *exec, uint64_t *rows)
{
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    int64_t began = exec_clock(exec);
    enum mn_status status = MN_OK;
    bool known = false, found = true;

    *rows = 0;
    if (op->count) status = op->count(op, exec, rows, &known);
    if (known) {
        op->rows += *rows;
        op->time_us += exec_clock(exec) - began;
    }
    while (status == MN_OK && !known) {
        status = mn_op_next(op, exec, &found);
        if (status != MN_OK || !found) break;
        ++*rows;
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    return status;
}

void mn_op_close(struct mn_op *op)
{
    if (!op || !op->is_open) return;
    op->is_open = false;
    if (op->kind->close) op->kind->close(op);
    mn_op_close(op->left);
    mn_op_close(op->right);
}

void mn_op_drop(struct mn_op *op)
{
    if (!op) return;
    if (op->drop) op->drop(op);
    mn_op_drop(op->left);
    mn_op_drop(op->right);
}

void mn_held_init(struct mn_held *held, const struct mn_exec *exec)
{
    mn_arena_init(&held->arena, exec->memory_limit);
    mn_arena_alloc(&held->arena, 1);
    held->mark = mn_arena_mark(&held->arena);
}

void mn_held_release(struct mn_held *held)
{
    mn_arena_release(&held->arena);
    held->mark = (struct mn_arena_mark){0};
}

enum mn_status mn_op_next_in(struct mn_op *op, struct mn_exec *exec, struct mn_held *held,
                             bool *found)
{
    struct mn_arena *scratch = exec->eval.scratch;
    enum mn_status status;

    mn_arena_rewind(&held->arena, held->mark);
    exec->eval.scratch = &held->arena;
    status = mn_op_next(op, exec, found);
    exec->eval.scratch = scratch;
    return status;
}

static enum mn_status op_line(const struct mn_op *op, bool analyze, uint32_t depth,
                              struct mn_buf *out)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < depth && status == MN_OK; i++) status = mn_buf_text(out, "  ");
    if (status == MN_OK) status = mn_buf_text(out, op->kind->name);
    if (status == MN_OK && op->kind->describe) status = op->kind->describe(op, out);
    if (status == MN_OK) status = mn_buf_printf(out, "  (rows ~ %.0f", op->estimate);
    if (status == MN_OK && analyze) {
        status = mn_buf_printf(out, "; got %" PRIu64 ", opened %" PRIu64 ", %.3f ms", op->rows,
                               op->opens, (double)op->time_us / 1000.0);
    }
    return status == MN_OK ? mn_buf_text(out, ")\n") : status;
}

static enum mn_status op_tree(const struct mn_op *op, bool analyze, uint32_t depth,
                              struct mn_buf *out)
{
    enum mn_status status = op_line(op, analyze, depth, out);

    if (status == MN_OK && op->left) status = op_tree(op->left, analyze, depth + 1, out);
    if (status == MN_OK && op->right) status = op_tree(op->right, analyze, depth + 1, out);
    return status;
}

enum mn_status mn_op_explain(const struct mn_op *op, bool analyze, struct mn_buf *out)
{
    return op_tree(op, analyze, 0, out);
}

struct mn_value *mn_row_save(struct mn_arena *arena, const struct mn_slot_list *list,
                             const struct mn_value *slots)
{
    struct mn_value *row = mn_arena_alloc(arena, list->count * sizeof *row + 1);

    for (uint32_t i = 0; row && i < list->count; i++) {
        if (mn_value_copy(arena, &slots[list->slots[i]], &row[i]) != MN_OK) return NULL;
    }
    return row;
}

void mn_row_load(const struct mn_slot_list *list, const struct mn_value *row,
                 struct mn_value *slots)
{
    for (uint32_t i = 0; i < list->count; i++) slots[list->slots[i]] = row[i];
}
