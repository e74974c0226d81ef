/*
 * statement_prepare: text to plan.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "query/parse.h"
#include "query/statement.h"

static enum mn_status columns_of_query(struct mn_stmt *stmt)
{
    const struct mn_query *query = stmt->query;
    uint32_t count = query ? query->output_count : 0;
    uint32_t *slots = mn_arena_alloc(&stmt->arena, (count + 1) * sizeof *slots);

    stmt->names = mn_arena_alloc(&stmt->arena, (count + 1) * sizeof(char *));
    stmt->kinds = mn_arena_alloc(&stmt->arena, (count + 1) * sizeof *stmt->kinds);
    if (!slots || !stmt->names || !stmt->kinds) return mn_fail_nomem();
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = query->outputs[i].slot;
        stmt->names[i] = query->outputs[i].name;
        stmt->kinds[i] = query->outputs[i].kind;
    }
    stmt->slots = slots;
    stmt->column_count = count;
    return MN_OK;
}

static enum mn_status change_plan(struct mn_stmt *stmt)
{
    struct mn_change *change = stmt->change;
    enum mn_status status = MN_OK;

    if (change->kind != MN_CHANGE_INSERT) {
        status = mn_plan_rows(&stmt->bind, change->query, &change->rows);
    } else if (change->input) {
        status = mn_plan_query(&stmt->bind, change->input);
        if (status == MN_OK) change->rows = change->input->op;
    }
    if (status != MN_OK) return status;
    stmt->query = change->query;
    stmt->op = mn_op_change(&stmt->arena, change);
    return stmt->op ? MN_OK : mn_fail_nomem();
}

static enum mn_status statement_bind(struct mn_stmt *stmt)
{
    const struct mn_statement *ast = stmt->ast;
    struct mn_bind *bind = &stmt->bind;

    switch ((int)ast->kind) {
    case MN_STATEMENT_QUERY: return mn_bind_query(bind, NULL, ast->query, &stmt->query);
    case MN_STATEMENT_INSERT: return mn_bind_insert(bind, ast->insert, &stmt->change);
    case MN_STATEMENT_UPDATE: return mn_bind_update(bind, ast->update, &stmt->change);
    case MN_STATEMENT_DELETE: return mn_bind_delete(bind, ast->remove, &stmt->change);
    case MN_STATEMENT_LINK: return mn_bind_link(bind, ast->link, &stmt->change);
    case MN_STATEMENT_UNLINK: return mn_bind_unlink(bind, ast->link, &stmt->change);
    case MN_STATEMENT_COPY:
        if (!ast->copy->query) return MN_OK;
        return mn_bind_query(bind, NULL, ast->copy->query, &stmt->query);
    default: return MN_OK;
    }
}

/* Parameters of a kind that no context gave take the kind of their values. */
static enum mn_status statement_plan(struct mn_stmt *stmt)
{
    enum mn_status status = statement_bind(stmt);

    if (status != MN_OK) return status;
    if (stmt->change) {
        stmt->writes = true;
        status = change_plan(stmt);
    } else if (stmt->query) {
        status = mn_plan_query(&stmt->bind, stmt->query);
        stmt->op = stmt->query->op;
    } else {
        return mn_statement_shape(stmt);
    }
    if (status == MN_OK) status = mn_plan_subqueries(&stmt->bind);
    if (status != MN_OK) return status;
    if (stmt->ast->kind == MN_STATEMENT_COPY || stmt->ast->explain != MN_EXPLAIN_NONE) {
        return mn_statement_shape(stmt);
    }
    return columns_of_query(stmt);
}

static enum mn_status compile(struct mn_stmt *stmt, struct mn_view *view)
{
    const struct mn_statement *ast = stmt->ast;
    enum mn_status status = mn_schema_get(stmt->db->schemas, view, &stmt->schema);

    if (status != MN_OK) return status;
    stmt->param_count = ast->param_count;
    stmt->param_kinds =
        mn_arena_zalloc(&stmt->arena, (ast->param_count + 1) * sizeof *stmt->param_kinds);
    stmt->values = mn_arena_zalloc(&stmt->arena, (ast->param_count + 1) * sizeof *stmt->values);
    if (!stmt->param_kinds || !stmt->values) return mn_fail_nomem();
    stmt->bind = (struct mn_bind){.arena = &stmt->arena,
                                  .schema = stmt->schema,
                                  .view = view,
                                  .os = stmt->db->os,
                                  .now_us = stmt->db->os->ops->now_us(stmt->db->os),
                                  .text = stmt->text,
                                  .param_kinds = stmt->param_kinds,
                                  .param_count = ast->param_count};
    status = statement_plan(stmt);
    stmt->bind.view = NULL;
    if (status != MN_OK) return status;
    stmt->exec.eval.slots =
        mn_arena_zalloc(&stmt->arena, (stmt->bind.slot_count + 1) * sizeof(struct mn_value));
    stmt->row_values =
        mn_arena_zalloc(&stmt->arena, (stmt->column_count + 1) * sizeof *stmt->row_values);
    stmt->texts = mn_arena_zalloc(&stmt->arena, (stmt->column_count + 1) * sizeof *stmt->texts);
    return stmt->exec.eval.slots && stmt->row_values && stmt->texts ? MN_OK : mn_fail_nomem();
}

static void texts_free(struct mn_stmt *stmt)
{
    for (uint32_t i = 0; stmt->texts && i < stmt->column_count; i++) {
        mn_buf_release(&stmt->texts[i]);
    }
    stmt->texts = NULL;
}

static void plan_forget(struct mn_stmt *stmt)
{
    texts_free(stmt);
    mn_op_drop(stmt->op);
    for (struct mn_query *query = stmt->bind.subqueries; query; query = query->next) {
        mn_op_drop(query->op);
    }
    mn_schema_unref(stmt->schema);
    stmt->schema = NULL;
    stmt->bind.subqueries = NULL;
    stmt->param_kinds = NULL;
    stmt->values = NULL;
    stmt->query = NULL;
    stmt->change = NULL;
    stmt->op = NULL;
    stmt->column_count = 0;
    mn_arena_release(&stmt->arena);
}

/* The statement once more, for a schema that has changed. */
enum mn_status mn_statement_compile(struct mn_stmt *stmt, struct mn_view *view)
{
    enum mn_status status;

    plan_forget(stmt);
    mn_arena_init(&stmt->arena, 0);
    status = compile(stmt, view);
    for (uint32_t i = 0; i < stmt->param_count && status == MN_OK; i++) {
        struct mn_value given = stmt->params[i].given;

        if (stmt->params[i].bound) status = mn_statement_bind(stmt, i + 1, &given);
    }
    if (status != MN_OK) plan_forget(stmt); /* the next step tries again */
    return status;
}

static bool needs_view(const struct mn_statement *ast)
{
    switch ((int)ast->kind) {
    case MN_STATEMENT_BEGIN:
    case MN_STATEMENT_COMMIT:
    case MN_STATEMENT_ROLLBACK:
    case MN_STATEMENT_SAVEPOINT:
    case MN_STATEMENT_RELEASE: return false;
    default: return true;
    }
}

static enum mn_status statement_make(struct mn_session *session, struct mn_stmt *stmt)
{
    struct mn_access access;
    enum mn_status status;

    stmt->params = mn_zalloc((stmt->ast->param_count + 1) * sizeof *stmt->params);
    if (!stmt->params) return mn_fail_nomem();
    if (!needs_view(stmt->ast)) return mn_statement_shape(stmt);
    status = mn_access_read(session, &access);
    if (status != MN_OK) return status;
    status = compile(stmt, access.view);
    return mn_access_end(&access, status);
}

enum mn_status mn_statement_prepare(struct mn_session *session, const char *text, size_t length,
                                    struct mn_stmt **out, const char **tail)
{
    struct mn_stmt *stmt = mn_zalloc(sizeof *stmt);
    enum mn_status status;

    *out = NULL;
    *tail = text;
    if (!stmt) return mn_fail_nomem();
    stmt->db = session->db;
    mn_arena_init(&stmt->ast_arena, 0);
    mn_arena_init(&stmt->arena, 0);
    mn_arena_init(&stmt->value_arena, 0);
    status = mn_parse(&stmt->ast_arena, text, length, &stmt->ast, tail);
    if (status == MN_OK && stmt->ast) {
        /* Spans count from the text's beginning, so the text is kept from there. */
        stmt->length = (size_t)(*tail - text);
        stmt->text = mn_alloc(stmt->length + 1);
        if (stmt->text) {
            memcpy(stmt->text, text, stmt->length);
            stmt->text[stmt->length] = '\0';
            status = statement_make(session, stmt);
        } else {
            status = mn_fail_nomem();
        }
    }
    atomic_fetch_add(&stmt->db->statements, 1);
    if (status != MN_OK || !stmt->ast) {
        mn_statement_free(stmt);
        return status;
    }
    *out = stmt;
    return MN_OK;
}

void mn_statement_free(struct mn_stmt *stmt)
{
    uint32_t params = stmt->ast && stmt->params ? stmt->ast->param_count : 0;

    mn_statement_reset(stmt);
    mn_snapshot_drop(stmt->snapshot);
    mn_batcher_free(stmt->batcher);
    for (uint32_t i = 0; i < params; i++) mn_dealloc(stmt->params[i].copy);
    mn_dealloc(stmt->params);
    plan_forget(stmt);
    mn_arena_release(&stmt->scratch);
    mn_arena_release(&stmt->value_arena);
    mn_arena_release(&stmt->ast_arena);
    mn_dealloc(stmt->text);
    atomic_fetch_sub(&stmt->db->statements, 1);
    mn_dealloc(stmt);
}

/* ---- parameters ---- */

static void param_name(const struct mn_stmt *stmt, uint32_t param, char name[160])
{
    const char *given = stmt->ast->params[param - 1].name;

    if (given) {
        snprintf(name, 160, "$%.140s", given);
    } else {
        snprintf(name, 160, "$%u", param);
    }
}

static enum mn_status param_error(const struct mn_stmt *stmt, uint32_t param,
                                  const struct mn_kind *kind)
{
    const struct mn_span *span = &stmt->ast->params[param - 1].span;
    struct mn_error before = *mn_error_last();
    char name[160], type[32];

    param_name(stmt, param, name);
    mn_fail_at(before.code, span->offset, span->length, "parameter %s, %s: %.300s", name,
               mn_kind_name(kind, type), before.message);
    return before.hint[0] ? mn_hint("%s", before.hint) : before.code;
}

enum mn_status mn_statement_bind(struct mn_stmt *stmt, uint32_t param, const struct mn_value *value)
{
    struct mn_kind kind = {0};
    struct mn_value made;
    enum mn_status status = MN_OK;

    if (stmt->param_kinds) kind = stmt->param_kinds[param - 1];
    made = *value;
    if (kind.type != MN_TYPE_NULL && !mn_is_null(value)) {
        status = mn_value_assign(value, &kind, true, &stmt->value_arena, &made);
        if (status != MN_OK) return param_error(stmt, param, &kind);
    }
    stmt->params[param - 1].given = *value;
    stmt->params[param - 1].bound = true;
    if (stmt->values) stmt->values[param - 1] = made;
    return MN_OK;
}
