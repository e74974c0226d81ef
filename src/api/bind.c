/*
 * bind: values for parameters.
 */
#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"
#include "catalog/json.h"
#include "index/vector/distance.h"
#include "query/datum.h"

int mn_param_count(mn_stmt *stmt)
{
    return stmt ? (int)stmt->ast->param_count : 0;
}

int mn_param_index(mn_stmt *stmt, const char *name)
{
    if (!stmt || !name) return 0;
    if (*name == '$') name++;
    for (uint32_t i = 0; i < stmt->ast->param_count; i++) {
        const char *of = stmt->ast->params[i].name;

        if (of && strcmp(of, name) == 0) return (int)i + 1;
    }
    return 0;
}

const char *mn_param_name(mn_stmt *stmt, int param)
{
    if (!stmt || param < 1 || (uint32_t)param > stmt->ast->param_count) return NULL;
    return stmt->ast->params[param - 1].name;
}

/* keep: MN_COPY takes size bytes of the value into a copy of the statement's own. */
static int bind(mn_stmt *stmt, int param, struct mn_value value, size_t copy_bytes)
{
    struct mn_session *session;
    void *copy = NULL, *old;
    enum mn_status status;

    if (!stmt) return (int)mn_fail(MN_MISUSE, "the statement is NULL");
    session = mn_enter(stmt->db);
    if (!session) return (int)mn_error_last()->code;
    if (param < 1 || (uint32_t)param > stmt->ast->param_count) {
        return mn_leave(session, mn_fail(MN_MISUSE, "the statement has no parameter %d, but %u",
                                         param, stmt->ast->param_count));
    }
    if (stmt->state == MN_RUN_ROWS || stmt->state == MN_RUN_KEPT) {
        return mn_leave(session, mn_fail(MN_MISUSE, "reset the statement before binding"));
    }
    mn_statement_reset(stmt);
    if (copy_bytes > 0) {
        copy = mn_alloc(copy_bytes);
        if (!copy) return mn_leave(session, mn_fail_nomem());
        memcpy(copy, value.p, copy_bytes);
        value.p = copy;
    }
    old = stmt->params[param - 1].copy;
    status = mn_statement_bind(stmt, (uint32_t)param, &value);
    if (status == MN_OK) {
        stmt->params[param - 1].copy = copy;
        mn_dealloc(old);
    } else {
        mn_dealloc(copy);
    }
    return mn_leave(session, status);
}

int mn_bind_null(mn_stmt *stmt, int param)
{
    return bind(stmt, param, mn_null(), 0);
}

int mn_bind_bool(mn_stmt *stmt, int param, int value)
{
    return bind(stmt, param, mn_bool(value != 0), 0);
}

int mn_bind_int(mn_stmt *stmt, int param, int64_t value)
{
    return bind(stmt, param, mn_int(value), 0);
}

int mn_bind_float(mn_stmt *stmt, int param, double value)
{
    return bind(stmt, param, mn_float(value), 0);
}

int mn_bind_time(mn_stmt *stmt, int param, int64_t us)
{
    return bind(stmt, param, mn_timestamp(us), 0);
}

int mn_bind_duration(mn_stmt *stmt, int param, int64_t us)
{
    return bind(stmt, param, mn_duration(us), 0);
}

int mn_bind_uuid(mn_stmt *stmt, int param, const uint8_t uuid[16])
{
    if (!uuid) return bind(stmt, param, mn_null(), 0);
    return bind(stmt, param, mn_uuid(uuid), 0);
}

static int refuse(mn_stmt *stmt, enum mn_status status)
{
    struct mn_error error = *mn_error_last();
    struct mn_session *session = stmt ? mn_enter(stmt->db) : NULL;

    if (!session) return (int)status;
    *mn_error_last() = error;
    return mn_leave(session, status);
}

/* The failure just recorded, said of a parameter. */
static int refuse_named(mn_stmt *stmt, int param)
{
    struct mn_error error = *mn_error_last();
    const char *name = mn_param_name(stmt, param);

    if (!name)
        return refuse(stmt, mn_fail(error.code, "parameter %d: %.400s", param, error.message));
    return refuse(stmt, mn_fail(error.code, "parameter $%.60s: %.400s", name, error.message));
}

static int bind_bytes(mn_stmt *stmt, int param, struct mn_value value, unsigned keep)
{
    return bind(stmt, param, value, keep == MN_COPY ? value.size : 0);
}

int mn_bind_text(mn_stmt *stmt, int param, const char *text, size_t length, unsigned keep)
{
    size_t bad;

    if (!text) return bind(stmt, param, mn_null(), 0);
    if (length == MN_ALL) length = strlen(text);
    if (length > MN_VALUE_BYTES_LIMIT) {
        return refuse(stmt, mn_fail(MN_TOOBIG, "parameter %d: the text is too long", param));
    }
    if (!mn_utf8_check(text, length, &bad)) {
        return refuse(stmt,
                      mn_fail(MN_TYPE, "parameter %d: byte %zu is not UTF-8 text", param, bad));
    }
    return bind_bytes(stmt, param, mn_text(text, length), keep);
}

int mn_bind_blob(mn_stmt *stmt, int param, const void *bytes, size_t length, unsigned keep)
{
    if (!bytes && length > 0) return bind(stmt, param, mn_null(), 0);
    if (length > MN_VALUE_BYTES_LIMIT) {
        return refuse(stmt, mn_fail(MN_TOOBIG, "parameter %d: the blob is too long", param));
    }
    return bind_bytes(stmt, param, mn_bytes_value(MN_TYPE_BLOB, bytes ? bytes : "", length), keep);
}

int mn_bind_json(mn_stmt *stmt, int param, const char *text, size_t length, unsigned keep)
{
    enum mn_status status;

    if (!text) return bind(stmt, param, mn_null(), 0);
    if (length == MN_ALL) length = strlen(text);
    if (length > MN_VALUE_BYTES_LIMIT) {
        return refuse(stmt, mn_fail(MN_TOOBIG, "parameter %d: the JSON is too long", param));
    }
    status = mn_json_check(text, length);
    if (status != MN_OK) return refuse_named(stmt, param);
    return bind_bytes(stmt, param, mn_bytes_value(MN_TYPE_JSON, text, length), keep);
}

int mn_bind_vector(mn_stmt *stmt, int param, const float *vector, size_t dims, unsigned keep)
{
    enum mn_status status;

    if (!vector) return bind(stmt, param, mn_null(), 0);
    if (dims < 1 || dims > MN_VECTOR_MAX) {
        return refuse(stmt,
                      mn_fail(MN_RANGE, "parameter %d: a vector has 1 to %d dimensions, not %zu",
                              param, MN_VECTOR_MAX, dims));
    }
    status = mn_vector_check(vector, dims);
    if (status != MN_OK) return refuse_named(stmt, param);
    return bind(stmt, param, mn_vector(vector, (uint32_t)dims),
                keep == MN_COPY ? dims * sizeof *vector : 0);
}

int mn_bind_list(mn_stmt *stmt, int param, const struct mn_datum *elements, size_t count)
{
    bool known = stmt && stmt->param_kinds && param >= 1 && (uint32_t)param <= stmt->param_count;
    uint8_t elem = MN_TYPE_NULL;
    struct mn_arena arena;
    struct mn_value value;
    int code;

    if (!elements && count > 0) return bind(stmt, param, mn_null(), 0);
    if (known && stmt->param_kinds[param - 1].type == MN_TYPE_LIST) {
        elem = stmt->param_kinds[param - 1].elem;
    }
    mn_arena_init(&arena, 0);
    if (mn_datum_list(elements, count, elem, &arena, &value) == MN_OK) {
        code = bind(stmt, param, value, value.size);
    } else {
        code = refuse_named(stmt, param);
    }
    mn_arena_release(&arena);
    return code;
}
