/*
 * inside: how a call of the public header begins and ends.
 *
 *     struct mn_session *session;
 *     CALL_BEGIN(db, session)  -> MN_MISUSE for a NULL handle, MN_NOMEM where no session is to be
 * had
 *     ...
 *     return mn_call_end(session, status);     the thread's error record goes to its session
 */
#ifndef MN_API_INSIDE_H
#define MN_API_INSIDE_H

#include "query/database.h"
#include "query/statement.h"

/* The calling thread's session. NULL: the handle is NULL or there is no memory; *status says which.
 */
struct mn_session *mn_call_begin(mn_db *db, enum mn_status *status);
/* Keeps the outcome for mn_errcode and returns it as the header does. session may be NULL. */
int mn_call_end(struct mn_session *session, enum mn_status status);

/* The handle's tables and indexes over a view, with every page below: what mn_check runs. */
enum mn_status mn_view_check(struct mn_view *view, mn_report_fn report, void *context);

/* The store's options for a path and flags of the public header. */
enum mn_status mn_options_check(const char *path, const mn_options *options,
                                struct mn_store_options *out);

#endif
