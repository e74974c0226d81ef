/*
 * database: what an open handle is, and what each thread that uses it has there.
 *
 *   mn_db  --->  store, schema cache, settings         shared by all threads
 *     |
 *     +--> session of thread 1:  last error, transaction, changes
 *     +--> session of thread 2:  ...
 *
 *   (D1) a session is used by its thread alone; the list of them is guarded by db->lock.
 *   (D2) a transaction belongs to a session, so to the thread that began it.
 *   (D3) a reader's view is counted: an open SELECT keeps its snapshot after COMMIT.
 */
#ifndef MN_QUERY_DATABASE_H
#define MN_QUERY_DATABASE_H

#include <pthread.h>
#include <stdatomic.h>

#include "btree/tree.h"
#include "catalog/schema.h"
#include "mneme.h"
#include "store/store.h"

/* A view that several open statements of one thread read. */
struct mn_snapshot {
    struct mn_view *view;
    uint32_t uses;
};

enum mn_txn_mode {
    MN_TXN_NONE,     /* every statement is its own transaction */
    MN_TXN_DEFERRED, /* reads, until its first change */
    MN_TXN_READ,
    MN_TXN_WRITE
};

/* A SAVEPOINT by name; the newest is last. */
struct mn_name_mark {
    char name[MN_NAME_BYTES_MAX + 1];
    uint32_t savepoint;
};

struct mn_session {
    struct mn_session *next;
    struct mn_db *db;
    const void *place;  /* of the thread's own variable, to find its session again */
    uint64_t thread_id; /* never used twice: tells a new thread at the same place */

    struct mn_error error; /* the last call's, MN_OK when it succeeded */
    char *error_json;      /* made when it is asked for */

    enum mn_txn_mode mode;
    struct mn_snapshot *snapshot; /* DEFERRED, READ: from the first statement on */
    struct mn_view *writer;       /* WRITE */
    struct mn_name_mark *marks;
    size_t mark_count, mark_capacity;

    int64_t changes; /* rows that the last statement changed */

    struct mn_direct *direct; /* what calls without the language keep; NULL before the first */
    struct mn_load *load;     /* the one that is open; NULL: none */
};

struct mn_db {
    uint64_t id; /* never used twice in the process */
    struct mn_store *store;
    struct mn_schema_cache *schemas;
    struct mn_os *os;   /* clock and chance */
    struct mn_vfs *vfs; /* the simulated disk that the handle keeps; NULL: none */
    bool readonly;
    _Atomic int64_t busy_ms;
    _Atomic uint64_t memory_limit; /* bytes of one statement */
    _Atomic uint64_t interrupts;   /* counts mn_interrupt: a statement compares it */
    _Atomic int64_t statements;    /* prepared and not finalized; snapshots and loads too */
    _Atomic int64_t progress_every_us;
    mn_progress_fn progress;
    void *progress_context;
    mn_log_fn log;
    void *log_context;
    pthread_mutex_t lock;
    struct mn_session *sessions;
};

/* A number for a new handle. */
uint64_t mn_database_id(void);
/* The session that a thread found last: loops use one handle, and need no lock to find it. */
extern _Thread_local struct mn_session_last {
    uint64_t id; /* of the handle; 0: none yet */
    struct mn_session *session;
} mn_session_last;
struct mn_session *mn_session_find(struct mn_db *db);
/* The calling thread's session on a handle; made at first use. NULL: no memory. */
static inline struct mn_session *mn_session_get(struct mn_db *db)
{
    return mn_session_last.id == db->id ? mn_session_last.session : mn_session_find(db);
}
/* Frees all sessions, rolling back what is open. No thread may be inside the handle. */
void mn_sessions_free(struct mn_db *db);

void mn_db_log(const struct mn_db *db, enum mn_status code, const char *message);

#endif
