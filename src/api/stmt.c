/*
 * stmt: preparing, stepping and ending statements.
 */
#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"

static struct mn_session *stmt_enter(mn_stmt *stmt)
{
    if (!stmt) {
        mn_fail(MN_MISUSE, "the statement is NULL");
        return NULL;
    }
    return mn_enter(stmt->db);
}

int mn_prepare(mn_db *db, const char *sql, size_t length, mn_stmt **stmt, const char **tail)
{
    struct mn_session *session;
    const char *rest = sql;
    enum mn_status status;

    if (stmt) *stmt = NULL;
    if (tail) *tail = sql;
    session = mn_enter(db);
    if (!session) return (int)mn_error_last()->code;
    if (!sql || !stmt) {
        return mn_leave(session, mn_fail(MN_MISUSE, "mn_prepare needs a text and a place"));
    }
    if (length == MN_ALL) length = strlen(sql);
    status = mn_statement_prepare(session, sql, length, stmt, &rest);
    if (tail) *tail = rest;
    return mn_leave(session, status);
}

int mn_step(mn_stmt *stmt)
{
    struct mn_session *session = stmt_enter(stmt);

    if (!session) return (int)mn_error_last()->code;
    return mn_leave(session, mn_statement_step(session, stmt));
}

int mn_fetch(mn_stmt *stmt, mn_batch *batch)
{
    struct mn_session *session = stmt_enter(stmt);

    if (batch && batch->size >= sizeof *batch) {
        batch->rows = batch->count = 0;
        batch->columns = NULL;
    }
    if (!session) return (int)mn_error_last()->code;
    if (!batch || batch->size < sizeof *batch) {
        return mn_leave(session, mn_fail(MN_MISUSE, "the batch is NULL, or batch->size is not "
                                                    "sizeof(mn_batch)"));
    }
    return mn_leave(session, mn_statement_fetch(session, stmt, batch));
}

int mn_reset(mn_stmt *stmt)
{
    struct mn_session *session = stmt_enter(stmt);

    if (!session) return (int)mn_error_last()->code;
    mn_statement_reset(stmt);
    return mn_leave(session, MN_OK);
}

int mn_clear(mn_stmt *stmt)
{
    struct mn_session *session = stmt_enter(stmt);

    if (!session) return (int)mn_error_last()->code;
    mn_statement_reset(stmt);
    for (uint32_t i = 0; i < stmt->ast->param_count; i++) {
        mn_dealloc(stmt->params[i].copy);
        stmt->params[i] = (struct mn_param){0};
        if (stmt->values) stmt->values[i] = mn_null();
    }
    mn_arena_release(&stmt->value_arena);
    return mn_leave(session, MN_OK);
}

int mn_finalize(mn_stmt *stmt)
{
    if (stmt) mn_statement_free(stmt);
    return MN_OK;
}

int mn_readonly(mn_stmt *stmt)
{
    return stmt && !stmt->writes;
}

char *mn_explain(mn_stmt *stmt, int analyze)
{
    struct mn_session *session = stmt_enter(stmt);
    struct mn_buf text = {0};
    enum mn_status status;

    if (!session) return NULL;
    mn_statement_reset(stmt);
    status = mn_statement_explain(session, stmt, analyze != 0, &text);
    mn_statement_reset(stmt);
    if (status == MN_OK) status = mn_buf_byte(&text, 0);
    if (mn_leave(session, status) == MN_OK) return (char *)text.data;
    mn_buf_release(&text);
    return NULL;
}

/* One statement of mn_exec, its rows handed over. */
static enum mn_status exec_one(struct mn_session *session, mn_stmt *stmt, mn_row_fn row,
                               void *context)
{
    for (;;) {
        enum mn_status status = mn_statement_step(session, stmt);

        if (status == MN_DONE) return MN_OK;
        if (status != MN_ROW) return status;
        if (row && row(context, stmt)) return mn_fail(MN_INTERRUPT, "ended by the row callback");
    }
}

int mn_exec(mn_db *db, const char *sql, mn_row_fn row, void *context)
{
    struct mn_session *session = mn_enter(db);
    const char *at = sql, *end;
    enum mn_status status = MN_OK;

    if (!session) return (int)mn_error_last()->code;
    if (!sql) return mn_leave(session, mn_fail(MN_MISUSE, "the text is NULL"));
    for (end = sql + strlen(sql); at < end && status == MN_OK;) {
        const char *tail = at;
        mn_stmt *stmt = NULL;

        status = mn_statement_prepare(session, at, (size_t)(end - at), &stmt, &tail);
        if (status == MN_OK && stmt) status = exec_one(session, stmt, row, context);
        if (status != MN_OK && mn_error_last()->offset >= 0) {
            mn_error_last()->offset += (int32_t)(at - sql);
        }
        if (stmt) mn_statement_free(stmt);
        if (status == MN_OK && tail == at) break;
        at = tail;
    }
    return mn_leave(session, status);
}
