/*
 * database: finding a thread's session.
 */
#include "query/database.h"

#include "base/alloc.h"
#include "query/direct.h"
#include "query/txn.h"

static _Thread_local uint64_t this_thread; /* its address and its number name the thread */
static _Atomic uint64_t thread_count, database_count;

_Thread_local struct mn_session_last mn_session_last;

uint64_t mn_database_id(void)
{
    return atomic_fetch_add(&database_count, 1) + 1;
}

static struct mn_session *session_find(struct mn_db *db)
{
    struct mn_session *session;

    if (this_thread == 0) this_thread = atomic_fetch_add(&thread_count, 1) + 1;
    pthread_mutex_lock(&db->lock);
    for (session = db->sessions; session; session = session->next) {
        if (session->place == &this_thread) break;
    }
    if (!session) {
        session = mn_zalloc(sizeof *session);
        if (session) {
            session->db = db;
            session->place = &this_thread;
            session->thread_id = this_thread;
            session->error.offset = -1;
            session->next = db->sessions;
            db->sessions = session;
        }
    }
    pthread_mutex_unlock(&db->lock);
    if (!session) {
        mn_fail_nomem();
        return NULL;
    }
    if (session->thread_id != this_thread) {
        /* The thread that had this place is gone, and so is whoever could end its transaction. */
        mn_txn_rollback(session);
        session->thread_id = this_thread;
    }
    return session;
}

struct mn_session *mn_session_find(struct mn_db *db)
{
    struct mn_session *session = session_find(db);

    mn_session_last.id = session ? db->id : 0;
    mn_session_last.session = session;
    return session;
}

void mn_sessions_free(struct mn_db *db)
{
    while (db->sessions) {
        struct mn_session *session = db->sessions;

        db->sessions = session->next;
        mn_txn_rollback(session);
        mn_direct_free(session->direct);
        mn_dealloc(session->marks);
        mn_dealloc(session->error_json);
        mn_dealloc(session);
    }
}

void mn_db_log(const struct mn_db *db, enum mn_status code, const char *message)
{
    if (db->log) db->log(db->log_context, (int)code, message);
}
