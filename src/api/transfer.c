/*
 * transfer: backup and restore, a whole database from one file to another.
 *
 * A backup reads one snapshot, so it is a moment of the database however long it takes and whoever
 * writes meanwhile. The copy grows in a file without a name, is committed and synced, and only then
 * is given its name: a file that is there is whole.
 */
#include "api/handle.h"
#include "base/alloc.h"

struct transfer {
    mn_progress_fn progress;
    void *context;
    const _Atomic uint64_t *interrupts; /* NULL: nobody can interrupt */
    uint64_t interrupts_seen;
};

static enum mn_status told(void *context, uint64_t done, uint64_t total)
{
    const struct transfer *t = context;

    if (t->interrupts && atomic_load(t->interrupts) != t->interrupts_seen) {
        return mn_fail(MN_INTERRUPT, "interrupted");
    }
    if (t->progress && t->progress(t->context, done, total) != 0) {
        return mn_fail(MN_INTERRUPT, "ended by the progress callback");
    }
    return MN_OK;
}

/* Copies what a view sees to a new file. */
static enum mn_status view_write(struct mn_view *from, const char *path, struct transfer *t)
{
    struct mn_store_options options = {.path = path,
                                       .flags = MN_STORE_CREATE | MN_STORE_UNNAMED,
                                       .page_size = mn_view_page_size(from),
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store;
    struct mn_view *to;
    enum mn_status status = mn_store_open(&options, &store), end;

    if (status != MN_OK) return status;
    status = mn_write_begin(store, 0, &to);
    if (status == MN_OK) {
        status = mn_tree_copy_all(from, to, told, t);
        if (status == MN_OK) {
            status = mn_write_commit(to, NULL);
        } else {
            mn_write_abort(to);
        }
    }
    if (status == MN_OK) status = mn_store_publish(store);
    end = mn_store_close(store);
    return status == MN_OK ? end : status;
}

bool mn_file_is_there(const char *path)
{
    struct mn_os *os = mn_os_posix();
    struct mn_file *file;

    if (os->ops->open(os, path, MN_OPEN_READONLY, &file) != MN_OK) return false;
    file->ops->close(file);
    return true;
}

static enum mn_status view_copy(struct mn_view *from, const char *path, struct transfer *t)
{
    if (!mn_file_is_there(path)) return view_write(from, path, t);
    mn_fail(MN_EXISTS, "%s is there already", path);
    return mn_hint("remove it first, or take another name");
}

static bool options_fit(const mn_backup_options *options)
{
    return !options || options->size >= sizeof *options;
}

int mn_backup(mn_db *db, const char *path, const mn_backup_options *options,
              mn_progress_fn progress, void *context)
{
    struct transfer t = {.progress = progress, .context = context};
    struct mn_view *view;
    enum mn_status status;
    struct mn_session *session = mn_enter(db);

    if (!session) return (int)mn_error_last()->code;
    if (!path || !options_fit(options)) {
        return mn_leave(session,
                        mn_fail(MN_MISUSE, "mn_backup needs a path, and options their size"));
    }
    t.interrupts = &db->interrupts;
    t.interrupts_seen = atomic_load(&db->interrupts);
    status = mn_view_begin_read(db->store, &view);
    if (status == MN_OK) {
        status = view_copy(view, path, &t);
        mn_view_end(view);
    }
    return mn_leave(session, status);
}

int mn_restore(const char *backup, const char *path, const mn_backup_options *options,
               mn_progress_fn progress, void *context)
{
    struct transfer t = {.progress = progress, .context = context};
    mn_options from = {.size = sizeof from, .flags = MN_READONLY};
    struct mn_view *view;
    struct mn_error error;
    mn_db *db;
    enum mn_status status;

    mn_error_clear();
    if (!backup || !path || !options_fit(options)) {
        return (int)mn_fail(MN_MISUSE, "mn_restore needs two paths, and options their size");
    }
    status = mn_db_open_os(backup, &from, NULL, &db);
    if (status != MN_OK) return (int)status;
    status = (enum mn_status)mn_check(db, NULL, NULL);
    if (status == MN_OK) status = mn_view_begin_read(db->store, &view);
    if (status == MN_OK) {
        status = view_copy(view, path, &t);
        mn_view_end(view);
    }
    error = *mn_error_last();
    (void)mn_close(db);
    if (status != MN_OK) *mn_error_last() = error;
    return (int)status;
}
