/*
 * handle: opening and closing a database, and asking how it is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/inside.h"
#include "base/alloc.h"
#include "index/check.h"

enum { BUSY_MS_DEFAULT = 5000 };
static const uint64_t memory_default = UINT64_C(256) << 20;

const char *mn_version(void)
{
    return MN_VERSION_TEXT;
}

int mn_version_number(void)
{
    int major = 0, minor = 0, patch = 0;

    sscanf(MN_VERSION_TEXT, "%d.%d.%d", &major, &minor, &patch);
    return major * 1000000 + minor * 1000 + patch;
}

/* -- open -------------------------------------------------------------------------------------- */

static unsigned store_flags(unsigned flags)
{
    unsigned out = 0;

    if (flags & MN_CREATE) out |= MN_STORE_CREATE;
    if (flags & MN_READONLY) out |= MN_STORE_READONLY;
    if (flags & MN_EXCLUSIVE) out |= MN_STORE_EXCLUSIVE;
    if (flags & MN_UNTRUSTED) out |= MN_STORE_UNTRUSTED;
    return out;
}

enum mn_status mn_options_check(const char *path, const mn_options *options,
                                struct mn_store_options *out)
{
    unsigned known = MN_READONLY | MN_CREATE | MN_MEMORY | MN_EXCLUSIVE | MN_UNTRUSTED;
    unsigned size = options->page_size;

    if (options->size < sizeof *options) {
        return mn_fail(MN_MISUSE, "mn_options.size is %zu, not sizeof(mn_options)", options->size);
    }
    if (options->flags & ~known) {
        return mn_fail(MN_MISUSE, "unknown flags 0x%x", options->flags & ~known);
    }
    if ((options->flags & MN_READONLY) && (options->flags & MN_CREATE)) {
        return mn_fail(MN_MISUSE, "MN_READONLY and MN_CREATE exclude each other");
    }
    if (size && (size < MN_PAGE_SIZE_MIN || size > MN_PAGE_SIZE_MAX || (size & (size - 1)))) {
        return mn_fail(MN_MISUSE, "a page size of %u; it is a power of two from %d to %d", size,
                       MN_PAGE_SIZE_MIN, MN_PAGE_SIZE_MAX);
    }
    if (options->sync != MN_SYNC_FULL) {
        return mn_fail(MN_UNSUPPORTED, "sync modes other than full come later");
    }
    *out =
        (struct mn_store_options){.flags = store_flags(options->flags),
                                  .page_size = size,
                                  .busy_ms = options->busy_ms ? options->busy_ms : BUSY_MS_DEFAULT,
                                  .hooks = mn_tree_hooks()};
    if (options->busy_ms < 0) out->busy_ms = 0;
    if (path && strcmp(path, ":memory:") != 0 && !(options->flags & MN_MEMORY)) out->path = path;
    return MN_OK;
}

static void db_free(struct mn_db *db)
{
    mn_schema_cache_free(db->schemas);
    pthread_mutex_destroy(&db->lock);
    mn_release(db);
}

static enum mn_status db_new(const mn_options *options, struct mn_db **out)
{
    struct mn_db *db = mn_zalloc(sizeof *db);
    enum mn_status status;

    if (!db) return mn_fail_nomem();
    if (pthread_mutex_init(&db->lock, NULL) != 0) {
        mn_release(db);
        return mn_fail_nomem();
    }
    db->readonly = (options->flags & MN_READONLY) != 0;
    db->memory_limit = options->memory_limit ? options->memory_limit : memory_default;
    db->os = mn_os_posix();
    db->log = options->log;
    db->log_context = options->log_context;
    status = mn_schema_cache_new(&db->schemas);
    if (status != MN_OK) {
        db_free(db);
        return status;
    }
    *out = db;
    return MN_OK;
}

int mn_open_with(const char *path, const mn_options *options, mn_db **db)
{
    mn_options defaults = {.size = sizeof defaults};
    struct mn_store_options store;
    struct mn_db *made = NULL;
    enum mn_status status;

    mn_error_clear();
    if (!db) return (int)mn_fail(MN_MISUSE, "mn_open needs a place for the handle");
    *db = NULL;
    if (!options) options = &defaults;
    status = mn_options_check(path, options, &store);
    if (status == MN_OK) status = db_new(options, &made);
    if (status == MN_OK) status = mn_store_open(&store, &made->store);
    if (status != MN_OK) {
        if (made) db_free(made);
        return mn_call_end(NULL, status);
    }
    *db = made;
    return MN_OK;
}

int mn_open(const char *path, unsigned flags, mn_db **db)
{
    mn_options options = {.size = sizeof options, .flags = flags};

    return mn_open_with(path, &options, db);
}

int mn_close(mn_db *db)
{
    enum mn_status status;
    struct mn_session *session;

    if (!db) return MN_OK;
    session = mn_call_begin(db, &status);
    if (!session) return (int)status;
    if (atomic_load(&db->statements) > 0) {
        return mn_call_end(session, mn_fail(MN_MISUSE, "%" PRId64 " statements are not finalized",
                                            (int64_t)atomic_load(&db->statements)));
    }
    mn_sessions_free(db);
    status = mn_store_close(db->store);
    if (status == MN_MISUSE) return (int)status; /* another thread is inside: the handle lives */
    db_free(db);
    return mn_call_end(NULL, status);
}

/* -- asking ------------------------------------------------------------------------------------ */

int mn_sync(mn_db *db)
{
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    /* A commit in sync mode full is on the device when it returns: nothing is left to wait for. */
    return mn_call_end(session, status);
}

uint64_t mn_current_version(mn_db *db)
{
    struct mn_store_stats stats;
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return 0;
    status = mn_store_stat(db->store, &stats);
    mn_call_end(session, status);
    return status == MN_OK ? stats.version : 0;
}

static enum mn_status schema_count(struct mn_db *db, mn_stats *stats)
{
    const struct mn_schema *schema = NULL;
    struct mn_view *view;
    enum mn_status status = mn_view_begin_read(db->store, &view);

    if (status != MN_OK) return status;
    status = mn_schema_get(db->schemas, view, &schema);
    for (uint32_t i = 0; status == MN_OK && i < schema->table_count; i++) {
        const struct mn_table *table = &schema->tables[i];
        uint64_t rows;

        status = mn_tree_count(view, table->tree, &rows);
        stats->rows += status == MN_OK ? rows : 0;
        stats->relations += table->relation;
        stats->tables += !table->relation;
    }
    if (status == MN_OK) stats->indexes = schema->index_count;
    mn_schema_unref(schema);
    mn_view_end(view);
    return status;
}

int mn_stat(mn_db *db, mn_stats *stats)
{
    struct mn_store_stats store;
    mn_stats found = {.size = sizeof found};
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    if (!stats || stats->size < sizeof *stats) {
        return mn_call_end(session, mn_fail(MN_MISUSE, "mn_stats.size is not sizeof(mn_stats)"));
    }
    status = mn_store_stat(db->store, &store);
    if (status == MN_OK) {
        found.version = found.durable_version = store.version;
        found.page_size = store.page_size;
        found.page_count = store.page_count;
        found.free_pages = store.free_pages;
        found.file_bytes = store.file_bytes;
        status = schema_count(db, &found);
    }
    if (status == MN_OK) *stats = found;
    return mn_call_end(session, status);
}

/* -- check ------------------------------------------------------------------------------------- */

struct findings {
    mn_report_fn report;
    void *context;
    uint64_t count;
};

static void finding(struct findings *f, const char *text)
{
    f->count++;
    if (f->report) f->report(f->context, text);
}

static void page_finding(void *context, uint64_t page, const char *message)
{
    char text[MN_MESSAGE_BYTES + 32];

    if (page == 0) {
        snprintf(text, sizeof text, "%s", message);
    } else {
        snprintf(text, sizeof text, "page %" PRIu64 ": %s", page, message);
    }
    finding(context, text);
}

static enum mn_status row_finding(void *context, const struct mn_check_problem *problem)
{
    char text[MN_MESSAGE_BYTES + 3 * MN_NAME_BYTES_MAX], row[32] = "";

    if (problem->has_row) snprintf(row, sizeof row, " row %" PRId64, problem->row_id);
    snprintf(text, sizeof text, "table %s%s%s%s: %s", problem->table,
             problem->index ? " index " : "", problem->index ? problem->index : "", row,
             problem->message);
    finding(context, text);
    return MN_OK;
}

enum mn_status mn_view_check(struct mn_view *view, mn_report_fn report, void *context)
{
    struct findings findings = {report, context, 0};
    struct mn_check_options rows = {row_finding, &findings};
    struct mn_check_counts counts;
    struct mn_store_check *check;
    uint64_t faults, problems;
    enum mn_status status = mn_store_check_begin(view, page_finding, &findings, &check), end;

    if (status != MN_OK) return status;
    status = mn_tree_check_all(view, check, page_finding, &findings);
    end = mn_store_check_end(check, &faults);
    if (status == MN_OK) status = end;
    if (status == MN_OK) status = mn_rows_check(view, &rows, &counts, &problems);
    if (status == MN_CORRUPT) page_finding(&findings, 0, mn_error_last()->message);
    if (status != MN_OK && status != MN_CORRUPT) return status;
    if (findings.count == 0) return MN_OK;
    return mn_fail(MN_CORRUPT, "%" PRIu64 " findings", findings.count);
}

int mn_check(mn_db *db, mn_report_fn report, void *context)
{
    struct mn_view *view;
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    status = mn_view_begin_read(db->store, &view);
    if (status == MN_OK) {
        status = mn_view_check(view, report, context);
        mn_view_end(view);
    }
    return mn_call_end(session, status);
}

/* -- running statements ------------------------------------------------------------------------ */

void mn_interrupt(mn_db *db)
{
    if (db) atomic_fetch_add(&db->interrupts, 1);
}

int mn_progress(mn_db *db, mn_progress_fn progress, void *context, int every_ms)
{
    enum mn_status status;
    struct mn_session *session = mn_call_begin(db, &status);

    if (!session) return (int)status;
    if (progress && every_ms <= 0) {
        return mn_call_end(session, mn_fail(MN_MISUSE, "mn_progress needs an interval above 0 ms"));
    }
    pthread_mutex_lock(&db->lock);
    db->progress = progress;
    db->progress_context = context;
    pthread_mutex_unlock(&db->lock);
    atomic_store(&db->progress_every_us, progress ? (int64_t)every_ms * 1000 : 0);
    return mn_call_end(session, MN_OK);
}

int64_t mn_changes(mn_db *db)
{
    struct mn_session *session = db ? mn_session_get(db) : NULL;

    return session ? session->changes : 0;
}
