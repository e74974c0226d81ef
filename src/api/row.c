/*
 * row: rows and edges without the language, and snapshots to read them in.
 */
#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"
#include "query/direct.h"

/* ---- snapshots ---- */

static enum mn_status snap_take(mn_db *db, uint64_t version, mn_snap **out)
{
    mn_snap *snap = mn_zalloc(sizeof *snap);
    uint64_t newest;
    enum mn_status status;

    if (!snap) return mn_fail_nomem();
    status = mn_snapshot_take(db, &snap->snapshot);
    if (status != MN_OK) {
        mn_dealloc(snap);
        return status;
    }
    newest = mn_view_version(snap->snapshot->view);
    if (version != 0 && version != newest) {
        mn_snapshot_drop(snap->snapshot);
        mn_dealloc(snap);
        mn_fail(MN_GONE, "version %llu is not kept; the newest is %llu",
                (unsigned long long)version, (unsigned long long)newest);
        return mn_hint("0 asks for the newest");
    }
    snap->db = db;
    atomic_fetch_add(&db->statements, 1);
    *out = snap;
    return MN_OK;
}

int mn_snapshot(mn_db *db, uint64_t version, mn_snap **snap)
{
    struct mn_session *session;

    if (snap) *snap = NULL;
    session = mn_enter(db);
    if (!session) return (int)mn_error_last()->code;
    if (!snap) return mn_leave(session, mn_fail(MN_MISUSE, "there is no place for the snapshot"));
    return mn_leave(session, snap_take(db, version, snap));
}

uint64_t mn_snapshot_version(mn_snap *snap)
{
    return snap ? mn_view_version(snap->snapshot->view) : 0;
}

void mn_snapshot_end(mn_snap *snap)
{
    if (!snap) return;
    mn_snapshot_drop(snap->snapshot);
    atomic_fetch_sub(&snap->db->statements, 1);
    mn_dealloc(snap);
}

int mn_use_snapshot(mn_stmt *stmt, mn_snap *snap)
{
    struct mn_session *session = stmt ? mn_enter(stmt->db) : NULL;

    if (!stmt) return (int)mn_fail(MN_MISUSE, "the statement is NULL");
    if (!session) return (int)mn_error_last()->code;
    if (snap && snap->db != stmt->db) {
        return mn_leave(session, mn_fail(MN_MISUSE, "the snapshot is of another handle"));
    }
    if (snap && stmt->writes) {
        return mn_leave(session, mn_fail(MN_MISUSE, "a snapshot cannot be written to"));
    }
    if (stmt->state == MN_RUN_ROWS || stmt->state == MN_RUN_KEPT) {
        return mn_leave(session, mn_fail(MN_MISUSE, "reset the statement first"));
    }
    if (snap) snap->snapshot->uses++;
    mn_snapshot_drop(stmt->snapshot);
    stmt->snapshot = snap ? snap->snapshot : NULL;
    return mn_leave(session, MN_OK);
}

/* ---- rows ---- */

int mn_get(mn_db *db, mn_snap *snap, const char *table, const mn_datum *key, size_t key_count,
           const mn_fields *row)
{
    struct mn_session *session = mn_enter(db);
    struct mn_direct_key of = {key, key_count};

    if (!session) {
        if (row && row->size >= sizeof *row) mn_datums_clear(row->values, row->count);
        return (int)mn_error_last()->code;
    }
    return mn_leave(session, mn_direct_get(session, snap, table, &of, row));
}

int mn_put(mn_db *db, const char *table, const mn_fields *row, int64_t *row_id)
{
    struct mn_session *session = mn_enter(db);
    int64_t id = 0;
    enum mn_status status;

    if (row_id) *row_id = 0;
    if (!session) return (int)mn_error_last()->code;
    status = mn_direct_put(session, table, row, &id);
    if (row_id && status == MN_OK) *row_id = id;
    return mn_leave(session, status);
}

int mn_delete(mn_db *db, const char *table, const mn_datum *key, size_t key_count)
{
    struct mn_session *session = mn_enter(db);
    struct mn_direct_key of = {key, key_count};

    if (!session) return (int)mn_error_last()->code;
    return mn_leave(session, mn_direct_delete(session, table, &of));
}

/* ---- edges ---- */

int mn_link(mn_db *db, const char *relation, const mn_datum ends[2], const mn_fields *fields,
            int64_t *edge)
{
    struct mn_session *session = mn_enter(db);
    int64_t id = 0;
    enum mn_status status;

    if (edge) *edge = 0;
    if (!session) return (int)mn_error_last()->code;
    status = mn_direct_link(session, relation, ends, fields, &id);
    if (edge && status == MN_OK) *edge = id;
    return mn_leave(session, status);
}

int mn_unlink(mn_db *db, const char *relation, const mn_datum ends[2], int64_t *removed)
{
    struct mn_session *session = mn_enter(db);
    int64_t count = 0;
    enum mn_status status;

    if (removed) *removed = 0;
    if (!session) return (int)mn_error_last()->code;
    status = mn_direct_unlink(session, relation, ends, &count);
    if (removed) *removed = count;
    return mn_leave(session, status);
}

int mn_neighbors(mn_db *db, mn_snap *snap, const char *relation, const mn_datum *key,
                 mn_neighbor_list *list)
{
    struct mn_session *session = mn_enter(db);

    if (list && list->size >= sizeof *list) {
        list->count = 0;
        list->total = 0;
    }
    if (!session) return (int)mn_error_last()->code;
    if (!list || list->size < sizeof *list) {
        return mn_leave(session, mn_fail(MN_MISUSE, "the list is NULL, or list->size is not "
                                                    "sizeof(mn_neighbor_list)"));
    }
    return mn_leave(session, mn_direct_neighbors(session, snap, relation, key, list));
}

int mn_nearest(mn_db *db, mn_snap *snap, const char *table, mn_nearest_list *list)
{
    struct mn_session *session = mn_enter(db);

    if (list && list->size >= sizeof *list) list->count = 0;
    if (!session) return (int)mn_error_last()->code;
    if (!list || list->size < sizeof *list) {
        return mn_leave(session, mn_fail(MN_MISUSE, "the list is NULL, or list->size is not "
                                                    "sizeof(mn_nearest_list)"));
    }
    return mn_leave(session, mn_direct_nearest(session, snap, table, list));
}

int mn_nearest_many(mn_db *db, mn_snap *snap, const char *table, mn_nearest_batch *batch)
{
    struct mn_session *session = mn_enter(db);
    bool sized = batch && batch->size >= sizeof *batch;

    if (sized && batch->counts && batch->query_count <= SIZE_MAX / sizeof *batch->counts) {
        memset(batch->counts, 0, batch->query_count * sizeof *batch->counts);
    }
    if (!session) return (int)mn_error_last()->code;
    if (!sized) {
        return mn_leave(session, mn_fail(MN_MISUSE, "the batch is NULL, or batch->size is not "
                                                    "sizeof(mn_nearest_batch)"));
    }
    if (batch->query_count > 0 && !batch->counts) {
        return mn_leave(session, mn_fail(MN_MISUSE, "batch->counts is NULL"));
    }
    if (batch->stride > 0 && batch->stride < batch->dims) {
        return mn_leave(session, mn_fail(MN_MISUSE, "queries of %zu floats lie %zu apart",
                                         batch->dims, batch->stride));
    }
    return mn_leave(session, mn_direct_nearest_many(session, snap, table, batch));
}
