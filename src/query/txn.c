/*
 * txn: BEGIN to COMMIT, and what one statement holds in between.
 */
#include "query/txn.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "query/direct.h"

enum mn_status mn_snapshot_take(struct mn_db *db, struct mn_snapshot **out)
{
    struct mn_snapshot *snapshot = mn_zalloc(sizeof *snapshot);
    enum mn_status status;

    *out = NULL;
    if (!snapshot) return mn_fail_nomem();
    status = mn_view_begin_read(db->store, &snapshot->view);
    if (status != MN_OK) {
        mn_dealloc(snapshot);
        return status;
    }
    snapshot->uses = 1;
    *out = snapshot;
    return MN_OK;
}

void mn_snapshot_drop(struct mn_snapshot *snapshot)
{
    if (!snapshot || --snapshot->uses > 0) return;
    mn_view_end(snapshot->view);
    mn_dealloc(snapshot);
}

/* The session's transaction is over; what it held was given back or consumed. */
static void txn_forget(struct mn_session *session)
{
    mn_snapshot_drop(session->snapshot);
    session->snapshot = NULL;
    session->writer = NULL;
    session->mark_count = 0;
    session->mode = MN_TXN_NONE;
}

/* Nothing else may touch what a load is building. */
static enum mn_status load_check(const struct mn_session *session)
{
    if (!session->load) return MN_OK;
    mn_fail(MN_MISUSE, "a load of this thread is open");
    return mn_hint("mn_load_end ends it");
}

static enum mn_status writable_check(const struct mn_session *session)
{
    if (session->load) return load_check(session);
    if (session->db->readonly) {
        mn_fail(MN_READONLY_DB, "the file was opened to be read only");
        return mn_hint("open it without MN_READONLY (shell: --readonly)");
    }
    if (session->mode == MN_TXN_READ) {
        mn_fail(MN_READONLY_DB, "the transaction was begun by BEGIN READ and cannot change rows");
        return mn_hint("COMMIT it, then BEGIN WRITE");
    }
    return MN_OK;
}

enum mn_status mn_txn_begin(struct mn_session *session, enum mn_txn_mode mode)
{
    enum mn_status status;

    status = load_check(session);
    if (status != MN_OK) return status;
    if (session->mode != MN_TXN_NONE) {
        mn_fail(MN_ERROR, "a transaction is open already");
        return mn_hint("COMMIT or ROLLBACK it first, or use SAVEPOINT for one inside it");
    }
    if (mode == MN_TXN_WRITE) {
        status = writable_check(session);
        if (status != MN_OK) return status;
        status = mn_write_begin(session->db->store, 0, &session->writer);
        if (status != MN_OK) return status;
    }
    session->mode = mode;
    return MN_OK;
}

enum mn_status mn_txn_commit(struct mn_session *session)
{
    enum mn_status status = load_check(session);

    if (status != MN_OK) return status;
    if (session->mode == MN_TXN_NONE) {
        mn_fail(MN_ERROR, "no transaction is open");
        return mn_hint("outside BEGIN every statement commits by itself");
    }
    if (session->mode == MN_TXN_WRITE) status = mn_write_commit(session->writer, NULL);
    txn_forget(session);
    return status;
}

void mn_txn_rollback(struct mn_session *session)
{
    mn_direct_load_cancel(session->load);
    if (session->mode == MN_TXN_WRITE) mn_write_abort(session->writer);
    txn_forget(session);
}

/* A deferred transaction becomes the writer, if nobody committed since its snapshot. */
static enum mn_status txn_promote(struct mn_session *session)
{
    uint64_t expect = session->snapshot ? mn_view_version(session->snapshot->view) : 0;
    enum mn_status status;

    if (session->mode == MN_TXN_WRITE) return MN_OK;
    MN_ASSERT(session->mode == MN_TXN_DEFERRED);
    status = mn_write_begin(session->db->store, expect, &session->writer);
    if (status != MN_OK) return status;
    mn_snapshot_drop(session->snapshot);
    session->snapshot = NULL;
    session->mode = MN_TXN_WRITE;
    return MN_OK;
}

static enum mn_status mark_find(struct mn_session *session, const char *name, size_t *index)
{
    enum mn_status status = load_check(session);

    if (status != MN_OK) return status;
    if (session->mode == MN_TXN_NONE) return mn_fail(MN_ERROR, "no transaction is open");
    for (size_t i = session->mark_count; i-- > 0;) {
        if (strcmp(session->marks[i].name, name) == 0) {
            *index = i;
            return MN_OK;
        }
    }
    return mn_fail(MN_NOTFOUND, "no savepoint \"%s\" in this transaction", name);
}

enum mn_status mn_txn_savepoint(struct mn_session *session, const char *name)
{
    struct mn_name_mark *mark;
    enum mn_status status;

    if (session->mode == MN_TXN_NONE) {
        mn_fail(MN_ERROR, "SAVEPOINT outside a transaction");
        return mn_hint("BEGIN first");
    }
    if (strlen(name) > MN_NAME_BYTES_MAX) {
        return mn_fail(MN_TOOBIG, "a savepoint's name has at most %d bytes", MN_NAME_BYTES_MAX);
    }
    if (!mn_grow(&session->marks, &session->mark_capacity, session->mark_count + 1,
                 sizeof *session->marks)) {
        return mn_fail_nomem();
    }
    mark = &session->marks[session->mark_count];
    mark->savepoint = 0;
    if (session->mode != MN_TXN_READ) {
        status = writable_check(session);
        if (status == MN_OK) status = txn_promote(session);
        if (status == MN_OK) status = mn_savepoint_begin(session->writer, &mark->savepoint);
        if (status != MN_OK) return status;
    }
    memcpy(mark->name, name, strlen(name) + 1);
    session->mark_count++;
    return MN_OK;
}

enum mn_status mn_txn_rollback_to(struct mn_session *session, const char *name)
{
    size_t index;
    enum mn_status status = mark_find(session, name, &index);

    if (status != MN_OK) return status;
    if (session->mode == MN_TXN_WRITE) {
        mn_savepoint_rollback(session->writer, session->marks[index].savepoint);
    }
    session->mark_count = index + 1;
    return MN_OK;
}

enum mn_status mn_txn_release(struct mn_session *session, const char *name)
{
    size_t index;
    enum mn_status status = mark_find(session, name, &index);

    if (status != MN_OK) return status;
    if (session->mode == MN_TXN_WRITE) {
        mn_savepoint_release(session->writer, session->marks[index].savepoint);
    }
    session->mark_count = index;
    return MN_OK;
}

enum mn_status mn_access_read(struct mn_session *session, struct mn_access *access)
{
    enum mn_status status;

    *access = (struct mn_access){.session = session};
    if (session->mode == MN_TXN_WRITE) {
        access->view = session->writer;
        return load_check(session);
    }
    if (session->mode == MN_TXN_NONE) {
        status = mn_snapshot_take(session->db, &access->snapshot);
    } else {
        status = session->snapshot ? MN_OK : mn_snapshot_take(session->db, &session->snapshot);
        access->snapshot = session->snapshot;
        if (status == MN_OK) access->snapshot->uses++;
    }
    if (status == MN_OK) access->view = access->snapshot->view;
    return status;
}

void mn_access_snapshot(struct mn_session *session, struct mn_snapshot *snapshot,
                        struct mn_access *access)
{
    snapshot->uses++;
    *access = (struct mn_access){.session = session, .snapshot = snapshot, .view = snapshot->view};
}

enum mn_status mn_access_write_bare(struct mn_session *session, bool brief,
                                    struct mn_access *access)
{
    enum mn_status status = writable_check(session);

    *access = (struct mn_access){.session = session, .writes = true};
    if (status != MN_OK) return status;
    if (session->mode == MN_TXN_NONE) {
        access->alone = true;
        return brief ? mn_write_begin_brief(session->db->store, &access->view)
                     : mn_write_begin(session->db->store, 0, &access->view);
    }
    status = txn_promote(session);
    access->view = session->writer;
    return status;
}

enum mn_status mn_access_guard(struct mn_access *access)
{
    return access->alone ? MN_OK : mn_savepoint_begin(access->view, &access->savepoint);
}

enum mn_status mn_access_write(struct mn_session *session, bool brief, struct mn_access *access)
{
    enum mn_status status = mn_access_write_bare(session, brief, access);

    if (status == MN_OK) status = mn_access_guard(access);
    if (status != MN_OK && !access->alone) access->view = NULL;
    return status;
}

static bool ends_transaction(enum mn_status outcome)
{
    return outcome == MN_FULL || outcome == MN_IOERR || outcome == MN_CORRUPT ||
           outcome == MN_NOMEM || outcome == MN_UNCERTAIN;
}

enum mn_status mn_access_end(struct mn_access *access, enum mn_status outcome)
{
    struct mn_session *session = access->session;
    struct mn_view *view = access->view;

    access->view = NULL;
    if (!view) return outcome;
    if (!access->writes) {
        mn_snapshot_drop(access->snapshot);
        access->snapshot = NULL;
        return outcome;
    }
    if (access->alone) {
        if (outcome == MN_OK) return mn_write_commit(view, NULL);
        mn_write_abort(view);
        return outcome;
    }
    if (outcome == MN_OK) {
        if (access->savepoint) mn_savepoint_release(view, access->savepoint);
        return MN_OK;
    }
    if (ends_transaction(outcome)) {
        mn_txn_rollback(session);
        return outcome;
    }
    if (!access->savepoint) return outcome;
    mn_savepoint_rollback(view, access->savepoint);
    mn_savepoint_release(view, access->savepoint);
    return outcome;
}
