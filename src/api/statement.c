/*
 * statement: preparing, binding and stepping, and the transactions of the calling thread.
 */
#include <string.h>

#include "api/inside.h"
#include "base/alloc.h"

/* -- prepare and step -------------------------------------------------------------------------- */

int mn_prepare(mn_db *db, const char *sql, size_t length, mn_stmt **stmt, const char **tail)
{
    const char *behind = sql;
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (stmt) *stmt = NULL;
    if (tail) *tail = sql;
    if (!session) return (int)status;
    if (!sql || !stmt) {
        return mn_call_end(session, mn_fail(MN_MISUSE, "mn_prepare needs a text and a place"));
    }
    if (length == MN_ALL) length = strlen(sql);
    status = mn_statement_prepare(session, sql, length, stmt, &behind);
    if (tail) *tail = status == MN_OK ? behind : sql + length;
    return mn_call_end(session, status);
}

/* The session of a statement's handle; the statement of a NULL pointer has none. */
static struct mn_session *stmt_begin(mn_stmt *stmt, enum mn_status *status)
{
    mn_error_clear();
    if (!stmt) {
        *status = mn_fail(MN_MISUSE, "the statement is NULL");
        return NULL;
    }
    return mn_call_begin(stmt->db, status);
}

int mn_step(mn_stmt *stmt)
{
    enum mn_status status;
    struct mn_session *session = stmt_begin(stmt, &status);

    if (!session) return (int)status;
    return mn_call_end(session, mn_statement_step(session, stmt));
}

int mn_reset(mn_stmt *stmt)
{
    enum mn_status status;
    struct mn_session *session = stmt_begin(stmt, &status);

    if (!session) return (int)status;
    mn_statement_reset(stmt);
    return mn_call_end(session, MN_OK);
}

int mn_clear(mn_stmt *stmt)
{
    enum mn_status status;
    struct mn_session *session = stmt_begin(stmt, &status);

    if (!session) return (int)status;
    mn_statement_reset(stmt);
    for (uint32_t i = 0; i < stmt->param_count; i++) {
        mn_release(stmt->params[i].copy);
        stmt->params[i] = (struct mn_param){.bound = false};
    }
    return mn_call_end(session, MN_OK);
}

int mn_finalize(mn_stmt *stmt)
{
    if (!stmt) return MN_OK;
    mn_statement_free(stmt);
    return MN_OK;
}

int mn_readonly(mn_stmt *stmt)
{
    return stmt ? !stmt->writes : 0;
}

char *mn_explain(mn_stmt *stmt, int analyze)
{
    struct mn_buf buf = {0};
    enum mn_status status;
    struct mn_session *session = stmt_begin(stmt, &status);

    if (!session) return NULL;
    status = mn_statement_explain(session, stmt, analyze != 0, &buf);
    if (status == MN_OK) status = mn_buf_byte(&buf, '\0');
    if (status != MN_OK) mn_buf_release(&buf);
    mn_call_end(session, status);
    return (char *)buf.data;
}

/* All rows of one statement go to the callback. */
static enum mn_status rows_give(struct mn_session *session, mn_stmt *stmt, mn_row_fn row,
                                void *context)
{
    enum mn_status status;

    while ((status = mn_statement_step(session, stmt)) == MN_ROW) {
        if (row && row(context, stmt) != 0) {
            return mn_fail(MN_INTERRUPT, "the callback of mn_exec ended it");
        }
    }
    return status == MN_DONE ? MN_OK : status;
}

int mn_exec(mn_db *db, const char *sql, mn_row_fn row, void *context)
{
    size_t left;
    const char *at = sql;
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    if (!sql) return mn_call_end(session, mn_fail(MN_MISUSE, "mn_exec needs a text"));
    left = strlen(sql);
    while (status == MN_OK && left > 0) {
        mn_stmt *stmt;
        const char *behind;

        status = mn_statement_prepare(session, at, left, &stmt, &behind);
        if (status != MN_OK || !stmt) break;
        status = rows_give(session, stmt, row, context);
        mn_statement_free(stmt);
        if (status != MN_OK) break;
        left -= (size_t)(behind - at);
        at = behind;
    }
    /* The place counts from the beginning of the whole text. */
    if (status != MN_OK && mn_error_last()->offset >= 0) {
        mn_error_last()->offset += (int32_t)(at - sql);
    }
    return mn_call_end(session, status);
}

/* -- parameters -------------------------------------------------------------------------------- */

int mn_param_count(mn_stmt *stmt)
{
    return stmt ? (int)stmt->param_count : 0;
}

int mn_param_index(mn_stmt *stmt, const char *name)
{
    if (!stmt || !name) return 0;
    if (*name == '$') name++;
    for (uint32_t i = 0; i < stmt->ast->param_count; i++) {
        const char *given = stmt->ast->params[i].name;

        if (given && strcmp(given, name) == 0) return (int)i + 1;
    }
    return 0;
}

const char *mn_param_name(mn_stmt *stmt, int param)
{
    if (!stmt || param < 1 || (uint32_t)param > stmt->param_count) return NULL;
    return stmt->ast->params[param - 1].name;
}

static size_t bytes_of(const struct mn_value *value)
{
    if (!mn_type_has_bytes(value->type)) return 0;
    return value->type == MN_TYPE_VECTOR ? value->size * sizeof(float) : value->size;
}

/* Binds, over a copy of the bytes if the statement is to keep them; the old copy goes last. */
static enum mn_status kept_bind(mn_stmt *stmt, uint32_t param, struct mn_value value, bool copy)
{
    struct mn_param *own = &stmt->params[param - 1];
    size_t size = bytes_of(&value);
    void *bytes = NULL, *old = own->copy;
    enum mn_status status;

    if (copy && size > 0) {
        bytes = mn_alloc(size);
        if (!bytes) return mn_fail_nomem();
        memcpy(bytes, value.p, size);
        value.p = bytes;
    }
    status = mn_statement_bind(stmt, param, &value);
    if (status != MN_OK) {
        mn_release(bytes);
        return status;
    }
    own->copy = bytes;
    mn_release(old);
    return MN_OK;
}

static int value_bind(mn_stmt *stmt, int param, const struct mn_value *value, unsigned keep)
{
    enum mn_status status;
    struct mn_session *session = stmt_begin(stmt, &status);

    if (!session) return (int)status;
    if (keep != MN_STATIC && keep != MN_COPY) {
        status = mn_fail(MN_MISUSE, "keep is MN_STATIC or MN_COPY");
    } else if (param < 1 || (uint32_t)param > stmt->param_count) {
        status =
            mn_fail(MN_NOTFOUND, "parameter %d; the statement has %u", param, stmt->param_count);
    } else {
        status = kept_bind(stmt, (uint32_t)param, *value, keep == MN_COPY);
    }
    return mn_call_end(session, status);
}

int mn_bind_null(mn_stmt *stmt, int param)
{
    struct mn_value value = mn_null();

    return value_bind(stmt, param, &value, MN_STATIC);
}

int mn_bind_bool(mn_stmt *stmt, int param, int b)
{
    struct mn_value value = mn_bool(b != 0);

    return value_bind(stmt, param, &value, MN_STATIC);
}

int mn_bind_int(mn_stmt *stmt, int param, int64_t i)
{
    struct mn_value value = mn_int(i);

    return value_bind(stmt, param, &value, MN_STATIC);
}

int mn_bind_float(mn_stmt *stmt, int param, double f)
{
    struct mn_value value = mn_float(f);

    return value_bind(stmt, param, &value, MN_STATIC);
}

int mn_bind_time(mn_stmt *stmt, int param, int64_t us)
{
    struct mn_value value = mn_timestamp(us);

    return value_bind(stmt, param, &value, MN_STATIC);
}

int mn_bind_duration(mn_stmt *stmt, int param, int64_t us)
{
    struct mn_value value = mn_duration(us);

    return value_bind(stmt, param, &value, MN_STATIC);
}

int mn_bind_uuid(mn_stmt *stmt, int param, const uint8_t uuid[16])
{
    struct mn_value value = uuid ? mn_uuid(uuid) : mn_null();

    return value_bind(stmt, param, &value, MN_STATIC);
}

/* Text, blob and JSON; NULL bytes with a length are misuse, without one they are SQL's NULL. */
static int bytes_bind(mn_stmt *stmt, int param, struct mn_value value, unsigned keep)
{
    if (!value.p && value.size > 0) {
        return (int)mn_fail(MN_MISUSE, "%u bytes at NULL", value.size);
    }
    if (!value.p) return mn_bind_null(stmt, param);
    return value_bind(stmt, param, &value, keep);
}

static int length_check(const char *text, size_t *length)
{
    if (*length == MN_ALL) *length = text ? strlen(text) : 0;
    if (*length <= MN_VALUE_BYTES_LIMIT) return MN_OK;
    return (int)mn_fail(MN_TOOBIG, "%zu bytes; one value holds at most %d", *length,
                        MN_VALUE_BYTES_LIMIT);
}

static int text_bind(mn_stmt *stmt, int param, struct mn_value value, unsigned keep)
{
    size_t bad;
    enum mn_status status;
    struct mn_session *session;

    if (value.p && !mn_utf8_check(value.p, value.size, &bad)) {
        session = stmt_begin(stmt, &status);
        if (!session) return (int)status;
        return mn_call_end(
            session, mn_fail(MN_TYPE, "parameter %d: byte %zu is not UTF-8 text", param, bad));
    }
    return bytes_bind(stmt, param, value, keep);
}

int mn_bind_text(mn_stmt *stmt, int param, const char *text, size_t length, unsigned keep)
{
    int status = length_check(text, &length);

    return status ? status : text_bind(stmt, param, mn_text(text, length), keep);
}

int mn_bind_json(mn_stmt *stmt, int param, const char *text, size_t length, unsigned keep)
{
    int status = length_check(text, &length);

    /* It is checked where the parameter is JSON; elsewhere it is text like any other. */
    return status ? status : text_bind(stmt, param, mn_text(text, length), keep);
}

int mn_bind_blob(mn_stmt *stmt, int param, const void *bytes, size_t length, unsigned keep)
{
    if (length > MN_VALUE_BYTES_LIMIT) return length_check(NULL, &length);
    return bytes_bind(stmt, param, mn_bytes_value(MN_TYPE_BLOB, bytes, length), keep);
}

int mn_bind_vector(mn_stmt *stmt, int param, const float *vector, size_t dims, unsigned keep)
{
    enum mn_status status;
    struct mn_value value;

    if (!vector) return mn_bind_null(stmt, param);
    if (dims < 1 || dims > MN_VECTOR_MAX) {
        struct mn_session *session = stmt_begin(stmt, &status);

        if (!session) return (int)status;
        return mn_call_end(session, mn_fail(MN_RANGE, "a vector of %zu dimensions; it has 1 to %d",
                                            dims, MN_VECTOR_MAX));
    }
    value = mn_vector(vector, (uint32_t)dims);
    return value_bind(stmt, param, &value, keep);
}

/* -- transactions ------------------------------------------------------------------------------ */

int mn_begin(mn_db *db, unsigned mode)
{
    static const enum mn_txn_mode modes[] = {MN_TXN_DEFERRED, MN_TXN_READ, MN_TXN_WRITE};
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    if (mode > MN_BEGIN_WRITE) {
        return mn_call_end(session, mn_fail(MN_MISUSE, "mode %u of mn_begin", mode));
    }
    return mn_call_end(session, mn_txn_begin(session, modes[mode]));
}

int mn_commit(mn_db *db)
{
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    return mn_call_end(session, mn_txn_commit(session));
}

int mn_rollback(mn_db *db)
{
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    if (session->mode == MN_TXN_NONE) {
        return mn_call_end(session, mn_fail(MN_MISUSE, "ROLLBACK outside of a transaction"));
    }
    mn_txn_rollback(session);
    return mn_call_end(session, MN_OK);
}

/* The three calls on savepoints differ in what they do with a name. */
static int named(mn_db *db, const char *name,
                 enum mn_status (*act)(struct mn_session *session, const char *name))
{
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    if (!name || !*name || strlen(name) > MN_NAME_BYTES_MAX) {
        return mn_call_end(
            session, mn_fail(MN_MISUSE, "a savepoint's name has 1 to %d bytes", MN_NAME_BYTES_MAX));
    }
    return mn_call_end(session, act(session, name));
}

int mn_savepoint(mn_db *db, const char *name)
{
    return named(db, name, mn_txn_savepoint);
}

int mn_rollback_to(mn_db *db, const char *name)
{
    return named(db, name, mn_txn_rollback_to);
}

int mn_release_savepoint(mn_db *db, const char *name)
{
    return named(db, name, mn_txn_release);
}

int mn_in_transaction(mn_db *db)
{
    struct mn_session *session = db ? mn_session_get(db) : NULL;

    return session && session->mode != MN_TXN_NONE;
}
