/*
 * statement_step: running a prepared statement.
 */
#include <string.h>

#include "base/alloc.h"
#include "query/op_scan.h"
#include "query/statement.h"

static _Atomic uint64_t run_count;

enum { SCRATCH_KEPT_BYTES = 1 << 16 }; /* from one run to the next */

/* ---- rows that are kept ---- */

enum mn_status mn_statement_keep(struct mn_stmt *stmt, const struct mn_value *values)
{
    struct mn_value *row = mn_arena_alloc(&stmt->exec.kept, (stmt->column_count + 1) * sizeof *row);

    if (!row) return mn_exec_nomem(&stmt->exec);
    for (uint32_t i = 0; i < stmt->column_count; i++) {
        if (mn_value_copy(&stmt->exec.kept, &values[i], &row[i]) != MN_OK) {
            return mn_exec_nomem(&stmt->exec);
        }
    }
    if (!mn_grow(&stmt->kept, &stmt->kept_capacity, stmt->kept_count + 1,
                 sizeof(struct mn_value *))) {
        return mn_fail_nomem();
    }
    stmt->kept[stmt->kept_count++] = row;
    return MN_OK;
}

static void row_read(struct mn_stmt *stmt)
{
    for (uint32_t i = 0; i < stmt->column_count; i++) {
        stmt->row_values[i] = stmt->exec.eval.slots[stmt->slots[i]];
    }
}

static enum mn_status rows_keep(struct mn_stmt *stmt)
{
    for (;;) {
        bool found;
        enum mn_status status;

        mn_arena_rewind(&stmt->scratch, stmt->scratch_mark);
        status = mn_op_next(stmt->op, &stmt->exec, &found);
        if (status != MN_OK || !found) return status;
        row_read(stmt);
        status = mn_statement_keep(stmt, stmt->row_values);
        if (status != MN_OK) return status;
    }
}

/* ---- begin and end of a run ---- */

static void query_forget(struct mn_query *query)
{
    mn_rowset_release(&query->cached_set);
    query->cached_run = 0;
}

static enum mn_status run_end(struct mn_stmt *stmt, enum mn_status status)
{
    mn_op_close(stmt->op);
    for (struct mn_query *query = stmt->bind.subqueries; query; query = query->next) {
        mn_op_close(query->op);
        query_forget(query);
    }
    if (!stmt->accessing) return status;
    stmt->accessing = false;
    return mn_access_end(&stmt->access, status);
}

void mn_statement_reset(struct mn_stmt *stmt)
{
    if (stmt->state == MN_RUN_READY) return;
    (void)run_end(stmt, MN_OK);
    if (stmt->scratch.total_bytes > SCRATCH_KEPT_BYTES) mn_arena_release(&stmt->scratch);
    mn_arena_release(&stmt->exec.kept);
    mn_dealloc(stmt->kept);
    stmt->kept = NULL;
    stmt->kept_count = stmt->kept_capacity = stmt->kept_at = 0;
    stmt->row = NULL;
    stmt->ready = stmt->ended = false;
    stmt->state = MN_RUN_READY;
}

enum mn_status mn_statement_begin(struct mn_session *session, struct mn_stmt *stmt,
                                  struct mn_view *view)
{
    struct mn_db *db = session->db;
    struct mn_value *slots = stmt->exec.eval.slots;

    stmt->exec = (struct mn_exec){.session = session, .view = view, .schema = stmt->schema};
    stmt->exec.eval.slots = slots;
    stmt->exec.interrupts = atomic_load(&db->interrupts);
    stmt->exec.memory_limit = (size_t)atomic_load(&db->memory_limit);
    stmt->exec.run = atomic_fetch_add(&run_count, 1) + 1;
    if (atomic_load(&db->progress_every_us) > 0) {
        stmt->exec.progress_at_us = db->os->ops->tick_us(db->os);
    }
    if (stmt->scratch.total_bytes > stmt->exec.memory_limit) mn_arena_release(&stmt->scratch);
    stmt->scratch.limit_bytes = stmt->exec.memory_limit;
    mn_arena_init(&stmt->exec.kept, stmt->exec.memory_limit);
    if (!stmt->scratch.chunk) {
        if (!mn_arena_alloc(&stmt->scratch, 1)) return mn_fail_nomem();
        stmt->scratch_mark = mn_arena_mark(&stmt->scratch);
    }
    mn_arena_rewind(&stmt->scratch, stmt->scratch_mark);
    stmt->exec.eval.params = stmt->values;
    stmt->exec.eval.scratch = &stmt->scratch;
    stmt->exec.eval.now_us = db->os->ops->now_us(db->os);
    stmt->exec.eval.os = db->os;
    stmt->exec.eval.exec = &stmt->exec;
    return MN_OK;
}

static enum mn_status params_check(const struct mn_stmt *stmt)
{
    for (uint32_t i = 0; i < stmt->ast->param_count; i++) {
        const struct mn_ast_param *param = &stmt->ast->params[i];

        if (stmt->params[i].bound || param->span.length == 0) continue;
        if (param->name) {
            return mn_fail_at(MN_MISUSE, param->span.offset, param->span.length,
                              "parameter $%s has no value", param->name);
        }
        return mn_fail_at(MN_MISUSE, param->span.offset, param->span.length,
                          "parameter %u has no value", i + 1);
    }
    return MN_OK;
}

/* The root of the catalogue's tree where it is a clean page, else page 0. One clean root is one
 * catalogue, and its stamp need not be read. */
static struct mn_ref catalogue_root(const struct mn_view *view)
{
    uint32_t count;
    const struct mn_root *roots = mn_view_roots(view, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (roots[i].tree == MN_TREE_CATALOGUE && !mn_ref_is_dirty(roots[i].ref)) {
            return roots[i].ref;
        }
    }
    return (struct mn_ref){0, 0};
}

/* The plan fits the view's schema, or is made anew for it. */
static enum mn_status schema_check(struct mn_stmt *stmt, struct mn_view *view)
{
    struct mn_ref root = catalogue_root(view);
    uint64_t stamp;
    enum mn_status status;

    if (stmt->schema && root.page != 0 && mn_ref_equal(root, stmt->catalogue)) return MN_OK;
    status = mn_schema_stamp(view, &stamp);
    if (status == MN_OK && (!stmt->schema || stamp != stmt->schema->stamp)) {
        status = mn_statement_compile(stmt, view);
    }
    if (status == MN_OK) stmt->catalogue = root;
    return status;
}

/* Does it change what it names itself, or finds by its key? As far as the plan of before tells. */
static bool is_brief(const struct mn_stmt *stmt)
{
    const struct mn_ast_query *source;

    switch ((int)stmt->ast->kind) {
    case MN_STATEMENT_LINK: return true;
    case MN_STATEMENT_UPDATE:
    case MN_STATEMENT_DELETE: return stmt->op && mn_op_is_lookup(stmt->op->left);
    case MN_STATEMENT_INSERT:
        source = stmt->ast->insert->source;
        return !source || source->body->kind == MN_BODY_VALUES;
    default: return false;
    }
}

enum mn_status mn_statement_access(struct mn_session *session, struct mn_stmt *stmt)
{
    enum mn_status status = MN_OK;

    if (stmt->writes) {
        status = mn_access_write(session, is_brief(stmt), &stmt->access);
    } else if (stmt->snapshot) {
        mn_access_snapshot(session, stmt->snapshot, &stmt->access);
    } else {
        status = mn_access_read(session, &stmt->access);
    }
    if (status != MN_OK) return status;
    stmt->accessing = true;
    status = schema_check(stmt, stmt->access.view);
    return status == MN_OK ? mn_statement_begin(session, stmt, stmt->access.view) : status;
}

/* A change runs to its end here; a read inside a write transaction too, since later writes would
 * move what it reads. */
static enum mn_status run_op(struct mn_session *session, struct mn_stmt *stmt)
{
    bool at_once = stmt->writes || session->mode == MN_TXN_WRITE;
    enum mn_status status = mn_op_open(stmt->op, &stmt->exec);

    if (status != MN_OK || !at_once) return status;
    status = rows_keep(stmt);
    if (status == MN_OK && stmt->writes) session->changes = stmt->exec.changes;
    return status;
}

/* Queries and changes have operators; all else is done by mn_statement_act. */
static bool has_rows(const struct mn_statement *ast)
{
    if (ast->explain != MN_EXPLAIN_NONE) return false;
    switch ((int)ast->kind) {
    case MN_STATEMENT_QUERY:
    case MN_STATEMENT_INSERT:
    case MN_STATEMENT_UPDATE:
    case MN_STATEMENT_DELETE:
    case MN_STATEMENT_LINK:
    case MN_STATEMENT_UNLINK: return true;
    default: return false;
    }
}

static enum mn_status run_start(struct mn_session *session, struct mn_stmt *stmt)
{
    enum mn_status status = params_check(stmt);

    if (status != MN_OK) return status;
    stmt->state = MN_RUN_KEPT; /* from here on reset has something to give back */
    if (!has_rows(stmt->ast)) return run_end(stmt, mn_statement_act(session, stmt));
    status = mn_statement_access(session, stmt);
    if (status == MN_OK) status = run_op(session, stmt);
    if (status == MN_OK && !stmt->writes && session->mode != MN_TXN_WRITE) {
        stmt->state = MN_RUN_ROWS;
        return MN_OK;
    }
    return run_end(stmt, status);
}

enum mn_status mn_statement_start(struct mn_session *session, struct mn_stmt *stmt)
{
    if (stmt->state == MN_RUN_DONE) mn_statement_reset(stmt);
    return stmt->state == MN_RUN_READY ? run_start(session, stmt) : MN_OK;
}

enum mn_status mn_statement_row(struct mn_stmt *stmt)
{
    bool found = !stmt->ended;
    enum mn_status status = MN_OK;

    if (found && !stmt->ready) {
        mn_arena_rewind(&stmt->scratch, stmt->scratch_mark);
        status = mn_op_next(stmt->op, &stmt->exec, &found);
    }
    stmt->ready = false;
    if (status != MN_OK) return status;
    stmt->ended = !found;
    if (!found) return MN_DONE;
    row_read(stmt);
    return MN_ROW;
}

enum mn_status mn_statement_stop(struct mn_stmt *stmt, enum mn_status status)
{
    if (status == MN_DONE) {
        stmt->state = MN_RUN_DONE;
        (void)run_end(stmt, MN_OK);
        return MN_DONE;
    }
    status = run_end(stmt, status);
    mn_statement_reset(stmt);
    return status;
}

enum mn_status mn_statement_step(struct mn_session *session, struct mn_stmt *stmt)
{
    enum mn_status status = stmt->state == MN_RUN_ROWS ? MN_OK : mn_statement_start(session, stmt);

    stmt->row = NULL;
    if (status == MN_OK && stmt->state == MN_RUN_ROWS) {
        status = mn_statement_row(stmt);
        if (status == MN_ROW) stmt->row = stmt->row_values;
    } else if (status == MN_OK) {
        status = MN_DONE;
        if (stmt->kept_at < stmt->kept_count) {
            stmt->row = stmt->kept[stmt->kept_at++];
            status = MN_ROW;
        }
    }
    return status == MN_ROW ? MN_ROW : mn_statement_stop(stmt, status);
}

/* ---- EXPLAIN ---- */

static enum mn_status analyze_run(struct mn_session *session, struct mn_stmt *stmt)
{
    enum mn_status status;
    bool found = true;

    stmt->exec.timed = true;
    status = mn_op_open(stmt->op, &stmt->exec);
    while (status == MN_OK && found) {
        mn_arena_rewind(&stmt->scratch, stmt->scratch_mark);
        status = mn_op_next(stmt->op, &stmt->exec, &found);
    }
    if (status == MN_OK && stmt->writes) session->changes = stmt->exec.changes;
    return status;
}

static void op_zero(struct mn_op *op)
{
    if (!op) return;
    op->rows = op->opens = 0;
    op->time_us = 0;
    op_zero(op->left);
    op_zero(op->right);
}

enum mn_status mn_statement_explain(struct mn_session *session, struct mn_stmt *stmt, bool analyze,
                                    struct mn_buf *out)
{
    bool writes = stmt->writes;
    enum mn_status status = analyze ? params_check(stmt) : MN_OK;

    if (status != MN_OK) return status;
    stmt->state = MN_RUN_KEPT;
    stmt->writes = writes && analyze;
    status = mn_statement_access(session, stmt);
    stmt->writes = writes;
    if (status == MN_OK && !stmt->op) {
        status = mn_fail(MN_UNSUPPORTED, "EXPLAIN takes a query, INSERT, UPDATE, DELETE or LINK");
    }
    if (status == MN_OK) {
        op_zero(stmt->op);
        if (analyze) status = analyze_run(session, stmt);
    }
    if (status == MN_OK) status = mn_op_explain(stmt->op, analyze, out);
    return run_end(stmt, status);
}
