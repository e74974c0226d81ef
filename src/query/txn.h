/*
 * txn: transactions as the language has them, over views and savepoints of the store.
 *
 *                      BEGIN                first change
 *   NONE -------------------------> DEFERRED ----------> WRITE
 *    ^  \--- BEGIN READ ---> READ       |                  |
 *    +----------- COMMIT, ROLLBACK -----+------------------+
 *
 *   (T1) every change runs under a savepoint of its own, or alone in a transaction of its own, or
 *        is one write of one tree, which fails before it changes anything or as (T2) says.
 *   (T2) a failed change is undone; the transaction around it stays open, unless the failure is
 *        MN_FULL, MN_IOERR, MN_CORRUPT or MN_NOMEM, which roll back the whole.
 */
#ifndef MN_QUERY_TXN_H
#define MN_QUERY_TXN_H

#include "query/database.h"

/* `mode` is what BEGIN says: DEFERRED, READ or WRITE. */
enum mn_status mn_txn_begin(struct mn_session *session, enum mn_txn_mode mode);
enum mn_status mn_txn_commit(struct mn_session *session);
/* Undoes and ends the session's transaction; harmless without one. */
void mn_txn_rollback(struct mn_session *session);

enum mn_status mn_txn_savepoint(struct mn_session *session, const char *name);
enum mn_status mn_txn_rollback_to(struct mn_session *session, const char *name);
enum mn_status mn_txn_release(struct mn_session *session, const char *name);

/* What one statement reads or changes. */
struct mn_access {
    struct mn_session *session;
    struct mn_view *view;
    struct mn_snapshot *snapshot; /* counted for this statement; NULL for a writer */
    bool writes;
    bool alone;         /* a transaction of its own */
    uint32_t savepoint; /* of a change inside a transaction; 0: none */
};

/* The newest version, counted once. */
enum mn_status mn_snapshot_take(struct mn_db *db, struct mn_snapshot **snapshot);
void mn_snapshot_drop(struct mn_snapshot *snapshot); /* one count less; NULL is harmless */

/* For a statement that reads: the transaction's view, or a new snapshot. */
enum mn_status mn_access_read(struct mn_session *session, struct mn_access *access);
/* The same in a snapshot, which is counted for the statement. */
void mn_access_snapshot(struct mn_session *session, struct mn_snapshot *snapshot,
                        struct mn_access *access);
/* For a statement that changes: takes the writer's place where the transaction has it not yet.
 * brief: it changes a few rows that it need not look for (mn_write_begin_brief). */
enum mn_status mn_access_write(struct mn_session *session, bool brief, struct mn_access *access);
/* The same without a savepoint, for a change that does all or nothing by itself; or whose caller
 * sees that it does not, before the first write, and then asks for one. */
enum mn_status mn_access_write_bare(struct mn_session *session, bool brief,
                                    struct mn_access *access);
enum mn_status mn_access_guard(struct mn_access *access);
/* Ends it. A change is kept when outcome is MN_OK and undone otherwise; returns outcome, or why the
 * commit failed. */
enum mn_status mn_access_end(struct mn_access *access, enum mn_status outcome);

#endif
