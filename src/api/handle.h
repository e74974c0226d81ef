/*
 * handle: what every function of the public header does first and last.
 *
 *   enter   the handle is there, the calling thread's session is found, its last error forgotten
 *   leave   what the thread's record says goes into the session, where mn_errmsg finds it
 */
#ifndef MN_API_HANDLE_H
#define MN_API_HANDLE_H

#include "query/statement.h"

/* NULL: no handle (MN_MISUSE) or no memory; the thread's record says which. */
struct mn_session *mn_enter(struct mn_db *db);
/* Returns status, as int. */
int mn_leave(struct mn_session *session, enum mn_status status);

/* mn_open_with over a given machine: for tests that let it fail. */
enum mn_status mn_db_open_os(const char *path, const mn_options *options, struct mn_os *os,
                             struct mn_db **db);

/* sim.c: a handle is opened on a simulated disk, and is gone. */
enum mn_status mn_vfs_use(struct mn_vfs *vfs, const char *path, struct mn_os **os);
void mn_vfs_release(struct mn_vfs *vfs);

/* transfer.c: the name is taken. */
bool mn_file_is_there(const char *path);

#endif
