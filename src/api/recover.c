/*
 * recover: what is sound of a damaged file, as a new database.
 *
 * The new file grows without a name and gets it when it is whole; the damaged one is only read.
 */
#include <stdio.h>

#include "api/handle.h"
#include "index/recover.h"

struct recover {
    mn_report_fn report;
    mn_progress_fn progress;
    void *context;
    bool lost; /* anything */
};

static void say(const struct recover *r, const char *text)
{
    if (r->report) r->report(r->context, text);
}

static enum mn_status table_told(void *context, const struct mn_recovered_table *table)
{
    struct recover *r = context;
    char text[MN_MESSAGE_BYTES];
    int length = snprintf(text, sizeof text, "%s %s: %llu rows saved",
                          table->relation ? "relation" : "table", table->name,
                          (unsigned long long)table->saved);

    if (table->lost == UINT64_MAX) {
        length +=
            snprintf(text + length, sizeof text - (size_t)length, ", how many there were is lost");
    } else {
        length += snprintf(text + length, sizeof text - (size_t)length, ", %llu lost",
                           (unsigned long long)table->lost);
    }
    if (table->refused > 0) {
        length +=
            snprintf(text + length, sizeof text - (size_t)length,
                     ", %llu of them sound but without what they need: an end, or a unique key",
                     (unsigned long long)table->refused);
    }
    if (table->vectors > 0) {
        (void)snprintf(text + length, sizeof text - (size_t)length, "; %llu vectors lost, now NULL",
                       (unsigned long long)table->vectors);
    }
    if (table->lost || table->refused || table->vectors) r->lost = true;
    say(r, text);
    return MN_OK;
}

static enum mn_status progress_told(void *context, uint64_t done, uint64_t total)
{
    struct recover *r = context;

    if (!r->progress || r->progress(r->context, done, total) == 0) return MN_OK;
    return mn_fail(MN_INTERRUPT, "ended by the progress callback");
}

static void facts_tell(struct recover *r, const struct mn_salvage_facts *facts)
{
    if (facts->superblock_lost) say(r, "the superblock is damaged: a copy of it was used");
    if (facts->slots_lost) {
        say(r, "the newest meta slot is damaged: the newest pages of each tree were taken");
        r->lost = true; /* what was newest is a guess */
    } else if (facts->space_lost) {
        say(r, "the space map is damaged: rows that were deleted may have come back");
    }
}

static void schema_told(struct recover *r, const struct mn_recovered_schema *lost)
{
    char text[160];

    if (lost->tables == UINT64_MAX) {
        say(r, "the catalogue is damaged: there may have been more tables and relations");
    } else if (lost->tables > 0) {
        (void)snprintf(
            text, sizeof text,
            "%llu tables or relations lost: both copies of their definitions are damaged",
            (unsigned long long)lost->tables);
        say(r, text);
    }
    if (lost->relations > 0) {
        (void)snprintf(text, sizeof text,
                       "%llu relations lost: the definition of an end is damaged",
                       (unsigned long long)lost->relations);
        say(r, text);
    }
    if (lost->tables || lost->relations) r->lost = true;
}

static enum mn_status rows_write(struct mn_salvage *salvage, struct mn_store *store,
                                 struct recover *r)
{
    struct mn_recover_options options = {
        .table = table_told, .progress = progress_told, .context = r};
    struct mn_view *to;
    struct mn_recovered_schema lost = {0, 0};
    enum mn_status status = mn_write_begin(store, 0, &to);

    if (status != MN_OK) return status;
    status = mn_rows_recover(salvage, to, &options, &lost);
    if (status != MN_OK) {
        mn_write_abort(to);
        return status;
    }
    schema_told(r, &lost);
    return mn_write_commit(to, NULL);
}

static enum mn_status file_write(struct mn_salvage *salvage, const char *path, struct recover *r)
{
    struct mn_store_options options = {.path = path,
                                       .flags = MN_STORE_CREATE | MN_STORE_UNNAMED,
                                       .page_size = mn_view_page_size(mn_salvage_view(salvage)),
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store;
    enum mn_status status = mn_store_open(&options, &store), end;

    if (status != MN_OK) return status;
    status = rows_write(salvage, store, r);
    if (status == MN_OK) status = mn_store_publish(store);
    end = mn_store_close(store);
    return status == MN_OK ? end : status;
}

int mn_recover(const char *damaged, const char *path, mn_report_fn report, mn_progress_fn progress,
               void *context)
{
    struct recover r = {.report = report, .progress = progress, .context = context};
    struct mn_salvage *salvage;
    struct mn_error error;
    enum mn_status status;

    mn_error_clear();
    if (!damaged || !path) return (int)mn_fail(MN_MISUSE, "mn_recover needs two paths");
    if (mn_file_is_there(path)) {
        mn_fail(MN_EXISTS, "%s is there already", path);
        return (int)mn_hint("remove it first, or take another name");
    }
    status = mn_salvage_open(damaged, NULL, mn_tree_hooks(), &salvage);
    if (status != MN_OK) return (int)status;
    facts_tell(&r, mn_salvage_facts(salvage));
    status = file_write(salvage, path, &r);
    error = *mn_error_last();
    mn_salvage_close(salvage);
    if (status != MN_OK) {
        *mn_error_last() = error;
        return (int)status;
    }
    mn_error_clear();
    return r.lost ? (int)mn_fail(MN_CORRUPT, "%s holds what was sound; something was lost", path)
                  : MN_OK;
}
