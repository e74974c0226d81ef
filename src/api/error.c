/*
 * error: the last failure of a thread on a handle.
 */
#include <stdio.h>
#include <string.h>

#include "api/inside.h"
#include "base/alloc.h"
#include "catalog/json.h"

struct mn_session *mn_call_begin(mn_db *db, enum mn_status *status)
{
    struct mn_session *session;

    mn_error_clear();
    *status = MN_OK;
    if (!db) {
        *status = mn_fail(MN_MISUSE, "the database handle is NULL");
        return NULL;
    }
    session = mn_session_get(db);
    if (!session) *status = mn_fail_nomem();
    return session;
}

static bool is_failure(enum mn_status status)
{
    return status != MN_OK && status != MN_ROW && status != MN_DONE && status != MN_WAIT;
}

int mn_call_end(struct mn_session *session, enum mn_status status)
{
    if (!is_failure(status)) mn_error_clear();
    /* A status that was returned without a message still has a name. */
    if (is_failure(status) && mn_error_last()->code != status) {
        mn_fail(status, "%s", mn_status_name(status));
    }
    if (session) session->error = *mn_error_last();
    return (int)status;
}

static const struct mn_error *error_of(mn_db *db)
{
    struct mn_session *session = db ? mn_session_get(db) : NULL;

    return session ? &session->error : mn_error_last();
}

int mn_errcode(mn_db *db)
{
    return (int)error_of(db)->code;
}

const char *mn_errmsg(mn_db *db)
{
    return error_of(db)->message;
}

const char *mn_error_hint(mn_db *db)
{
    return error_of(db)->hint;
}

int mn_error_offset(mn_db *db)
{
    return error_of(db)->code == MN_OK ? -1 : error_of(db)->offset;
}

int mn_error_length(mn_db *db)
{
    return error_of(db)->length;
}

static enum mn_status error_write(const struct mn_error *error, struct mn_buf *out)
{
    enum mn_status status =
        mn_buf_printf(out, "{\"code\":\"%s\",\"message\":", mn_status_name(error->code));

    if (status == MN_OK) status = mn_json_quote(error->message, strlen(error->message), out);
    if (status == MN_OK) status = mn_buf_text(out, ",\"hint\":");
    if (status == MN_OK && error->hint[0]) {
        status = mn_json_quote(error->hint, strlen(error->hint), out);
    } else if (status == MN_OK) {
        status = mn_buf_text(out, "null");
    }
    if (status != MN_OK) return status;
    status =
        mn_buf_printf(out, ",\"offset\":%d,\"length\":%d}", (int)error->offset, (int)error->length);
    return status == MN_OK ? mn_buf_byte(out, '\0') : status;
}

const char *mn_error_json(mn_db *db)
{
    static const char none[] = "{\"code\":\"MN_NOMEM\",\"message\":\"out of memory\",\"hint\":null,"
                               "\"offset\":-1,\"length\":0}";
    struct mn_session *session = db ? mn_session_get(db) : NULL;
    struct mn_buf buf = {0};

    if (!session) return none;
    if (error_write(&session->error, &buf) != MN_OK) {
        mn_buf_release(&buf);
        return none;
    }
    mn_release(session->error_json);
    session->error_json = (char *)buf.data;
    return session->error_json;
}
