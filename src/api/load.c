/*
 * load: many rows at once, as a program has them.
 */
#include "api/handle.h"
#include "query/direct.h"

int mn_load_begin(mn_db *db, const char *table, const char *const *names, size_t count,
                  mn_load **load)
{
    const struct mn_target_names of = {table, names, count};
    struct mn_session *session;

    if (load) *load = NULL;
    session = mn_enter(db);
    if (!session) return (int)mn_error_last()->code;
    if (!load) return mn_leave(session, mn_fail(MN_MISUSE, "there is no place for the load"));
    return mn_leave(session, mn_direct_load_begin(session, &of, load));
}

/* The session of the thread that began the load; NULL: MN_MISUSE is told, *status says it. */
static struct mn_session *load_enter(mn_load *load, enum mn_status *status)
{
    struct mn_session *session;

    *status = MN_OK;
    if (!load) {
        *status = mn_fail(MN_MISUSE, "the load is NULL");
        return NULL;
    }
    session = mn_enter(mn_direct_load_session(load)->db);
    if (session == mn_direct_load_session(load)) return session;
    *status = session ? mn_fail(MN_MISUSE, "the load belongs to the thread that began it")
                      : mn_error_last()->code;
    if (session) mn_leave(session, *status);
    return NULL;
}

int mn_load_row(mn_load *load, const mn_datum *values)
{
    enum mn_status status;
    struct mn_session *session = load_enter(load, &status);

    if (!session) return (int)status;
    if (!values) return mn_leave(session, mn_fail(MN_MISUSE, "the values are NULL"));
    return mn_leave(session, mn_direct_load_row(load, values));
}

int mn_load_batch(mn_load *load, const mn_batch *batch)
{
    enum mn_status status;
    struct mn_session *session = load_enter(load, &status);

    if (!session) return (int)status;
    return mn_leave(session, mn_direct_load_batch(load, batch));
}

int mn_load_end(mn_load *load, int keep)
{
    enum mn_status status;
    struct mn_session *session = load_enter(load, &status);

    if (!session) return (int)status;
    return mn_leave(session, mn_direct_load_end(load, keep != 0));
}
