/*
 * txn: transactions of the calling thread.
 */
#include "query/txn.h"

#include "api/handle.h"

int mn_begin(mn_db *db, unsigned mode)
{
    static const enum mn_txn_mode modes[] = {
        [MN_BEGIN_DEFERRED] = MN_TXN_DEFERRED,
        [MN_BEGIN_READ] = MN_TXN_READ,
        [MN_BEGIN_WRITE] = MN_TXN_WRITE,
    };
    struct mn_session *session = mn_enter(db);

    if (!session) return (int)mn_error_last()->code;
    if (mode >= sizeof modes / sizeof modes[0]) {
        return mn_leave(session, mn_fail(MN_MISUSE, "mn_begin has no mode %u", mode));
    }
    return mn_leave(session, mn_txn_begin(session, modes[mode]));
}

int mn_commit(mn_db *db)
{
    struct mn_session *session = mn_enter(db);

    return session ? mn_leave(session, mn_txn_commit(session)) : (int)mn_error_last()->code;
}

int mn_rollback(mn_db *db)
{
    struct mn_session *session = mn_enter(db);

    if (!session) return (int)mn_error_last()->code;
    if (session->mode == MN_TXN_NONE) {
        return mn_leave(session, mn_fail(MN_ERROR, "no transaction is open"));
    }
    mn_txn_rollback(session);
    return mn_leave(session, MN_OK);
}

typedef enum mn_status (*mark_fn)(struct mn_session *session, const char *name);

static int by_name(mn_db *db, const char *name, mark_fn act)
{
    struct mn_session *session = mn_enter(db);

    if (!session) return (int)mn_error_last()->code;
    if (!name) return mn_leave(session, mn_fail(MN_MISUSE, "the name is NULL"));
    return mn_leave(session, act(session, name));
}

int mn_savepoint(mn_db *db, const char *name)
{
    return by_name(db, name, mn_txn_savepoint);
}

int mn_rollback_to(mn_db *db, const char *name)
{
    return by_name(db, name, mn_txn_rollback_to);
}

int mn_release(mn_db *db, const char *name)
{
    return by_name(db, name, mn_txn_release);
}

int mn_in_transaction(mn_db *db)
{
    struct mn_session *session = db ? mn_session_get(db) : NULL;

    return session && session->mode != MN_TXN_NONE;
}
