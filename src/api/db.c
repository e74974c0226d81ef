/*
 * db: opening, closing, asking and checking a database.
 */
#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"
#include "query/integrity.h"

enum { BUSY_MS_DEFAULT = 5000 };
/* On a simulated disk: runs are short, and should meet the growth of the file. */
enum { SIM_GROW_BYTES = 64 << 10 };
static const uint64_t memory_limit_default = UINT64_C(256) << 20;

static const unsigned flags_known =
    MN_READONLY | MN_CREATE | MN_MEMORY | MN_EXCLUSIVE | MN_UNTRUSTED;

static enum mn_status options_check(const mn_options *options)
{
    if (options->size < sizeof(size_t) || options->size > 4096) {
        return mn_fail(MN_MISUSE, "options->size must be sizeof(mn_options)");
    }
    if (options->flags & ~flags_known) {
        return mn_fail(MN_MISUSE, "unknown flags 0x%x", options->flags & ~flags_known);
    }
    if (options->sync > MN_SYNC_OFF) {
        return mn_fail(MN_MISUSE, "options->sync is %u: there are 0, 1 and 2", options->sync);
    }
    return MN_OK;
}

static unsigned store_flags(unsigned flags)
{
    unsigned out = 0;

    if (flags & MN_CREATE) out |= MN_STORE_CREATE;
    if (flags & MN_READONLY) out |= MN_STORE_READONLY;
    if (flags & MN_EXCLUSIVE) out |= MN_STORE_EXCLUSIVE;
    if (flags & MN_UNTRUSTED) out |= MN_STORE_UNTRUSTED;
    return out;
}

static enum mn_status db_open(struct mn_db *db, const char *path, const mn_options *options,
                              struct mn_os *os)
{
    struct mn_store_options store = {.page_size = options->page_size,
                                     .flags = store_flags(options->flags),
                                     .sync = (enum mn_sync_mode)options->sync,
                                     .os = os,
                                     .hooks = mn_tree_hooks()};
    bool memory = (options->flags & MN_MEMORY) || !path || strcmp(path, ":memory:") == 0;
    enum mn_status status = mn_schema_cache_new(&db->schemas);

    if (status != MN_OK) return status;
    db->os = os ? os : mn_os_posix();
    db->readonly = (options->flags & MN_READONLY) != 0;
    db->log = options->log;
    db->log_context = options->log_context;
    store.busy_ms = options->busy_ms == 0 ? BUSY_MS_DEFAULT : options->busy_ms;
    if (store.busy_ms < 0) store.busy_ms = 0;
    store.path = memory ? NULL : path;
    if (memory) store.flags |= MN_STORE_CREATE;
    if (db->vfs) store.grow_bytes = SIM_GROW_BYTES;
    atomic_store(&db->busy_ms, store.busy_ms);
    atomic_store(&db->memory_limit,
                 options->memory_limit ? options->memory_limit : memory_limit_default);
    return mn_store_open(&store, &db->store);
}

static void db_free(struct mn_db *db)
{
    if (db->schemas) mn_schema_cache_free(db->schemas);
    mn_vfs_release(db->vfs);
    pthread_mutex_destroy(&db->lock);
    mn_dealloc(db);
}

enum mn_status mn_db_open_os(const char *path, const mn_options *options, struct mn_os *os,
                             struct mn_db **out)
{
    mn_options full = {.size = sizeof full};
    struct mn_db *db;
    enum mn_status status = MN_OK;

    *out = NULL;
    mn_error_clear();
    if (options) {
        status = options_check(options);
        if (status != MN_OK) return status;
        /* A caller of an older header has a shorter struct: what it lacks is the default. */
        memcpy(&full, options, options->size < sizeof full ? options->size : sizeof full);
    }
    db = mn_zalloc(sizeof *db);
    if (!db) return mn_fail_nomem();
    db->id = mn_database_id();
    pthread_mutex_init(&db->lock, NULL);
    if (full.vfs) {
        status = mn_vfs_use(full.vfs, full.flags & MN_MEMORY ? NULL : path, &os);
        if (status == MN_OK) db->vfs = full.vfs;
    }
    if (status == MN_OK) status = db_open(db, path, &full, os);
    if (status != MN_OK) {
        db_free(db);
        return status;
    }
    mn_error_clear(); /* what was tried on the way is no failure of the call */
    *out = db;
    return MN_OK;
}

int mn_open_with(const char *path, const mn_options *options, mn_db **db)
{
    if (!db) return (int)mn_fail(MN_MISUSE, "there is no place for the handle");
    return (int)mn_db_open_os(path, options, NULL, db);
}

int mn_open(const char *path, unsigned flags, mn_db **db)
{
    mn_options options = {.size = sizeof options, .flags = flags};

    return mn_open_with(path, &options, db);
}

int mn_close(mn_db *db)
{
    int64_t alive;
    enum mn_status status;

    if (!db) return MN_OK;
    mn_error_clear();
    alive = atomic_load(&db->statements);
    if (alive > 0) {
        struct mn_session *session = mn_enter(db);

        if (!session) return MN_NOMEM;
        return mn_leave(session,
                        mn_fail(MN_MISUSE, "%lld statements, snapshots or loads are not ended",
                                (long long)alive));
    }
    mn_sessions_free(db);
    status = mn_store_close(db->store);
    db_free(db);
    return (int)status;
}

int mn_sync(mn_db *db)
{
    struct mn_session *session = mn_enter(db);

    return session ? mn_leave(session, mn_store_sync(db->store)) : (int)mn_error_last()->code;
}

struct report {
    mn_report_fn report;
    void *context;
};

static enum mn_status report_finding(void *context, const char *finding)
{
    const struct report *report = context;

    if (report->report) report->report(report->context, finding);
    return MN_OK;
}

int mn_check(mn_db *db, mn_report_fn report, void *context)
{
    struct mn_session *session = mn_enter(db);
    struct report to = {.report = report, .context = context};
    uint64_t findings = 0;
    enum mn_status status;

    if (!session) return (int)mn_error_last()->code;
    status = mn_integrity_check(db, report_finding, &to, &findings);
    if (status == MN_OK && findings > 0) {
        status = mn_fail(MN_CORRUPT, "the check found %llu faults", (unsigned long long)findings);
    }
    return mn_leave(session, status);
}

static enum mn_status schema_count(struct mn_db *db, mn_stats *stats)
{
    const struct mn_schema *schema;
    struct mn_view *view;
    enum mn_status status = mn_view_begin_read(db->store, &view);

    if (status != MN_OK) return status;
    status = mn_schema_get(db->schemas, view, &schema);
    if (status == MN_OK) {
        stats->indexes = schema->index_count;
        for (uint32_t i = 0; i < schema->table_count && status == MN_OK; i++) {
            uint64_t rows = 0;

            status = mn_tree_count(view, schema->tables[i].tree, &rows);
            stats->rows += rows;
            if (schema->tables[i].relation) {
                stats->relations++;
            } else {
                stats->tables++;
            }
        }
        mn_schema_unref(schema);
    }
    mn_view_end(view);
    return status;
}

int mn_stat(mn_db *db, mn_stats *stats)
{
    struct mn_session *session = mn_enter(db);
    struct mn_store_stats store;
    mn_stats full = {.size = sizeof full};
    enum mn_status status;

    if (!session) return (int)mn_error_last()->code;
    if (!stats || stats->size < sizeof(size_t)) {
        return mn_leave(session, mn_fail(MN_MISUSE, "stats->size must be sizeof(mn_stats)"));
    }
    status = mn_store_stat(db->store, &store);
    if (status == MN_OK) status = schema_count(db, &full);
    if (status == MN_OK) {
        size_t size = stats->size < sizeof full ? stats->size : sizeof full;

        full.version = store.version;
        full.durable_version = store.durable;
        full.page_size = store.page_size;
        full.page_count = store.page_count;
        full.free_pages = store.free_pages;
        full.file_bytes = store.file_bytes;
        full.size = size;
        memcpy(stats, &full, size);
    }
    return mn_leave(session, status);
}

/* Async-signal-safe: one atomic addition. */
void mn_interrupt(mn_db *db)
{
    if (db) atomic_fetch_add(&db->interrupts, 1);
}

int mn_progress(mn_db *db, mn_progress_fn progress, void *context, int every_ms)
{
    struct mn_session *session = mn_enter(db);

    if (!session) return (int)mn_error_last()->code;
    atomic_store(&db->progress_every_us, 0);
    db->progress = progress;
    db->progress_context = context;
    if (progress)
        atomic_store(&db->progress_every_us, (every_ms > 0 ? every_ms : 1) * INT64_C(1000));
    return mn_leave(session, MN_OK);
}

int64_t mn_changes(mn_db *db)
{
    struct mn_session *session = db ? mn_session_get(db) : NULL;

    return session ? session->changes : 0;
}

uint64_t mn_current_version(mn_db *db)
{
    struct mn_store_stats stats;

    if (!db || mn_store_stat(db->store, &stats) != MN_OK) return 0;
    return stats.version;
}

const char *mn_version(void)
{
    return MN_VERSION_TEXT;
}

int mn_version_number(void)
{
    const char *at = MN_VERSION_TEXT;
    int parts[3] = {0, 0, 0}, part = 0;

    for (; *at && part < 3; at++) {
        if (*at == '.') {
            part++;
        } else if (*at >= '0' && *at <= '9') {
            parts[part] = parts[part] * 10 + (*at - '0');
        } else {
            break;
        }
    }
    return parts[0] * 1000000 + parts[1] * 1000 + parts[2];
}
