/*
 * error: the last failure of a thread on a handle.
 */
#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"
#include "query/parse.h"

/* The handle whose last call on this thread found no memory for a session: the thread's own record
 * is then what there is to tell. 0: none. */
static _Thread_local uint64_t sessionless;

struct mn_session *mn_enter(struct mn_db *db)
{
    struct mn_session *session;

    if (!db) {
        mn_fail(MN_MISUSE, "the handle is NULL");
        return NULL;
    }
    session = mn_session_get(db);
    sessionless = session ? 0 : db->id;
    if (session) mn_error_clear();
    return session;
}

int mn_leave(struct mn_session *session, enum mn_status status)
{
    bool fine = status == MN_OK || status == MN_ROW || status == MN_DONE || status == MN_WAIT;

    if (session->error_json) {
        mn_dealloc(session->error_json);
        session->error_json = NULL;
    }
    if (fine) {
        if (session->error.code != MN_OK) {
            session->error.code = MN_OK;
            session->error.message[0] = session->error.hint[0] = '\0';
            session->error.offset = -1;
            session->error.length = 0;
        }
        mn_error_clear();
    } else {
        session->error = *mn_error_last();
        session->error.code = status;
    }
    return (int)status;
}

static const struct mn_error *error_of(struct mn_db *db)
{
    const struct mn_session *session;

    if (!db || sessionless == db->id) return mn_error_last();
    session = mn_session_get(db);
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
    return error_of(db)->offset;
}

int mn_error_length(mn_db *db)
{
    return error_of(db)->length;
}

const char *mn_error_json(mn_db *db)
{
    static _Thread_local char last[2 * (MN_MESSAGE_BYTES + MN_HINT_BYTES) + 128];
    struct mn_session *session = db ? mn_session_get(db) : NULL;
    struct mn_buf text = {0};
    const char *made = "{\"code\":\"MN_NOMEM\"}";

    if (session && session->error_json) return session->error_json;
    if (mn_error_json_of(session ? &session->error : mn_error_last(), &text) != MN_OK ||
        mn_buf_byte(&text, 0) != MN_OK) {
        mn_buf_release(&text);
        return made;
    }
    if (session) {
        session->error_json = (char *)text.data;
        return session->error_json;
    }
    if (text.len <= sizeof last) {
        memcpy(last, text.data, text.len);
        made = last;
    }
    mn_buf_release(&text);
    return made;
}
