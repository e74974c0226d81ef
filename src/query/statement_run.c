/*
 * statement_run: the statements that are neither query nor change: transactions, definitions,
 * settings, COPY, EXPLAIN.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "query/copy_job.h"
#include "query/parse.h"
#include "query/statement.h"

static enum mn_status shape_text(struct mn_stmt *stmt, const char *name)
{
    stmt->names = mn_arena_alloc(&stmt->arena, sizeof(char *));
    stmt->kinds = mn_arena_zalloc(&stmt->arena, sizeof *stmt->kinds);
    if (!stmt->names || !stmt->kinds) return mn_fail_nomem();
    stmt->column_count = 1;
    stmt->names[0] = name;
    stmt->kinds[0].type = MN_TYPE_TEXT;
    return MN_OK;
}

enum mn_status mn_statement_shape(struct mn_stmt *stmt)
{
    const struct mn_statement *ast = stmt->ast;

    stmt->column_count = 0;
    if (ast->explain != MN_EXPLAIN_NONE) {
        if (!stmt->op || ast->kind == MN_STATEMENT_COPY) {
            return mn_fail_at(MN_SYNTAX, ast->span.offset, ast->span.length,
                              "EXPLAIN takes a query, INSERT, UPDATE, DELETE, LINK or UNLINK");
        }
        return shape_text(stmt, "plan");
    }
    switch (ast->kind) {
    case MN_STATEMENT_PRAGMA: return mn_pragma_shape(stmt);
    case MN_STATEMENT_COPY: stmt->writes = !ast->copy->to; return MN_OK;
    case MN_STATEMENT_CREATE_TABLE:
    case MN_STATEMENT_CREATE_RELATION:
    case MN_STATEMENT_CREATE_INDEX:
    case MN_STATEMENT_DROP:
        if (ast->kind == MN_STATEMENT_DROP && ast->drop->object == MN_OBJECT_SNAPSHOT) {
            return mn_comes_later(ast->span, "DROP SNAPSHOT");
        }
        stmt->writes = true;
        return MN_OK;
    case MN_STATEMENT_CREATE_SNAPSHOT: return mn_comes_later(ast->span, "CREATE SNAPSHOT");
    case MN_STATEMENT_ALTER: return mn_comes_later(ast->span, "ALTER TABLE");
    case MN_STATEMENT_WATCH: return mn_comes_later(ast->span, "WATCH");
    case MN_STATEMENT_BEGIN:
        if (ast->txn->asof.point != MN_POINT_NONE) {
            return mn_comes_later(ast->txn->asof.span, "AS OF");
        }
        return MN_OK;
    case MN_STATEMENT_QUERY:
    case MN_STATEMENT_INSERT:
    case MN_STATEMENT_UPDATE:
    case MN_STATEMENT_DELETE:
    case MN_STATEMENT_LINK:
    case MN_STATEMENT_UNLINK:
    case MN_STATEMENT_COMMIT:
    case MN_STATEMENT_ROLLBACK:
    case MN_STATEMENT_SAVEPOINT:
    case MN_STATEMENT_RELEASE: break;
    }
    return MN_OK;
}

/* ---- transactions ---- */

static enum mn_status txn_act(struct mn_session *session, const struct mn_statement *ast)
{
    const struct mn_ast_txn *txn = ast->txn;
    enum mn_txn_mode mode = MN_TXN_DEFERRED;
    enum mn_status status = MN_OK;

    switch ((int)ast->kind) {
    case MN_STATEMENT_BEGIN:
        if (txn->mode == MN_AST_BEGIN_READ) mode = MN_TXN_READ;
        if (txn->mode == MN_AST_BEGIN_WRITE) mode = MN_TXN_WRITE;
        status = mn_txn_begin(session, mode);
        break;
    case MN_STATEMENT_COMMIT: status = mn_txn_commit(session); break;
    case MN_STATEMENT_ROLLBACK:
        if (txn->savepoint.text) {
            status = mn_txn_rollback_to(session, txn->savepoint.text);
        } else if (session->mode == MN_TXN_NONE) {
            status = mn_fail(MN_ERROR, "no transaction is open");
        } else {
            mn_txn_rollback(session);
        }
        break;
    case MN_STATEMENT_SAVEPOINT: status = mn_txn_savepoint(session, txn->savepoint.text); break;
    case MN_STATEMENT_RELEASE: status = mn_txn_release(session, txn->savepoint.text); break;
    default: break;
    }
    return status == MN_OK ? MN_OK : mn_place(ast->span.offset, ast->span.length);
}

/* ---- COPY ---- */

enum mn_status mn_long_tick(void *context, uint64_t done, uint64_t total)
{
    struct mn_exec *exec = context;
    struct mn_db *db = exec->session->db;
    int64_t every_us = atomic_load(&db->progress_every_us), now_us;

    if (atomic_load(&db->interrupts) != exec->interrupts)
        return mn_fail(MN_INTERRUPT, "interrupted");
    if (every_us == 0 || !db->progress) return MN_OK;
    now_us = db->os->ops->tick_us(db->os);
    if (now_us - exec->progress_at_us < every_us) return MN_OK;
    exec->progress_at_us = now_us;
    if (!db->progress(db->progress_context, done, total)) return MN_OK;
    return mn_fail(MN_INTERRUPT, "ended by the progress callback");
}

static enum mn_status copy_path(struct mn_stmt *stmt, const char **path)
{
    const struct mn_ast_expr *file = stmt->ast->copy->file;
    struct mn_value value = mn_null();

    if (file->kind == MN_AST_LITERAL) value = file->literal;
    if (file->kind == MN_AST_PARAM) value = stmt->params[file->param - 1].given;
    if (value.type != MN_TYPE_TEXT) {
        return mn_fail_at(MN_TYPE, file->span.offset, file->span.length,
                          "COPY takes a file name as text, not %s", mn_type_name(value.type));
    }
    *path = mn_arena_text(&stmt->exec.kept, value.p, value.size);
    return *path ? MN_OK : mn_fail_nomem();
}

static enum mn_status copy_query(struct mn_stmt *stmt, struct mn_copy_job *job)
{
    const struct mn_query *query = stmt->query;
    uint32_t count = query->output_count;
    const char **names = mn_arena_alloc(&stmt->exec.kept, (count + 1) * sizeof(char *));
    struct mn_kind *kinds = mn_arena_alloc(&stmt->exec.kept, (count + 1) * sizeof *kinds);
    struct mn_value *row = mn_arena_alloc(&stmt->exec.kept, (count + 1) * sizeof *row);
    struct mn_copy_writer *writer;
    bool found = true;
    enum mn_status status;

    if (!names || !kinds || !row) return mn_fail_nomem();
    for (uint32_t i = 0; i < count; i++) {
        names[i] = query->outputs[i].name;
        kinds[i] = query->outputs[i].kind;
    }
    status = mn_copy_query_writer(job, names, kinds, count, &writer);
    if (status != MN_OK) return status;
    status = mn_op_open(stmt->op, &stmt->exec);
    while (status == MN_OK) {
        mn_arena_rewind(&stmt->scratch, stmt->scratch_mark);
        status = mn_op_next(stmt->op, &stmt->exec, &found);
        if (status != MN_OK || !found) break;
        for (uint32_t i = 0; i < count; i++) {
            row[i] = stmt->exec.eval.slots[query->outputs[i].slot];
        }
        status = writer->row(writer, row);
        if (status == MN_OK) job->rows++;
    }
    if (status == MN_OK) status = mn_copy_writer_finish(writer);
    mn_copy_writer_close(writer);
    return status;
}

static enum mn_status copy_act(struct mn_stmt *stmt)
{
    const struct mn_ast_copy *ast = stmt->ast->copy;
    struct mn_copy_job job = {.view = stmt->exec.view,
                              .ast = ast,
                              .arena = &stmt->exec.kept,
                              .memory_limit = stmt->exec.memory_limit,
                              .eval = &stmt->exec.eval,
                              .tick = mn_long_tick,
                              .tick_context = &stmt->exec};
    enum mn_status status = copy_path(stmt, &job.path);

    if (status == MN_OK && ast->query) {
        status = copy_query(stmt, &job);
    } else if (status == MN_OK) {
        status = mn_bind_table(&stmt->bind, &ast->table, &job.table);
        if (status == MN_OK) status = ast->to ? mn_copy_save(&job) : mn_copy_load(&job);
    }
    stmt->exec.changes = (int64_t)job.rows;
    if (status == MN_OK && job.skipped > 0) {
        char message[MN_MESSAGE_BYTES + 64];
        (void)snprintf(message, sizeof message,
                       "COPY left out %" PRIu64 " bad row%s, the first: %s", job.skipped,
                       job.skipped == 1 ? "" : "s", job.skipped_first.message);
        mn_db_log(stmt->db, MN_OK, message);
    }
    return status;
}

/* ---- EXPLAIN ---- */

static enum mn_status explain_act(struct mn_session *session, struct mn_stmt *stmt)
{
    struct mn_buf text = {0};
    enum mn_status status =
        mn_statement_explain(session, stmt, stmt->ast->explain == MN_EXPLAIN_ANALYZE, &text);
    size_t at = 0;

    while (status == MN_OK && at < text.len) {
        const uint8_t *end = memchr(text.data + at, '\n', text.len - at);
        size_t length = end ? (size_t)(end - (text.data + at)) : text.len - at;
        struct mn_value line = mn_text((const char *)text.data + at, length);

        status = mn_statement_keep(stmt, &line);
        at += length + 1;
    }
    mn_buf_release(&text);
    return status;
}

static enum mn_status viewed_act(struct mn_session *session, struct mn_stmt *stmt)
{
    switch ((int)stmt->ast->kind) {
    case MN_STATEMENT_COPY: return copy_act(stmt);
    case MN_STATEMENT_PRAGMA: return mn_pragma_run(session, stmt);
    default: return mn_define(&stmt->exec, stmt);
    }
}

enum mn_status mn_statement_act(struct mn_session *session, struct mn_stmt *stmt)
{
    enum mn_status status;

    switch ((int)stmt->ast->kind) {
    case MN_STATEMENT_BEGIN:
    case MN_STATEMENT_COMMIT:
    case MN_STATEMENT_ROLLBACK:
    case MN_STATEMENT_SAVEPOINT:
    case MN_STATEMENT_RELEASE: return txn_act(session, stmt->ast);
    default: break;
    }
    if (stmt->ast->explain != MN_EXPLAIN_NONE) return explain_act(session, stmt);
    status = mn_statement_access(session, stmt);
    if (status == MN_OK) status = viewed_act(session, stmt);
    if (status == MN_OK && stmt->writes) session->changes = stmt->exec.changes;
    return status;
}
