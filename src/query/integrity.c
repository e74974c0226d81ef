/*
 * integrity: the checks of the rooms below, one after the other, on one snapshot.
 */
#include "query/integrity.h"

#include <inttypes.h>
#include <stdio.h>

#include "index/check.h"

struct findings {
    mn_finding_fn finding;
    void *context;
    uint64_t count;
    enum mn_status status; /* of the callback */
};

static void page_report(void *context, uint64_t page, const char *message)
{
    struct findings *findings = context;
    char text[MN_MESSAGE_BYTES + 64];

    findings->count++;
    if (findings->status != MN_OK) return;
    if (page) {
        snprintf(text, sizeof text, "page %" PRIu64 ": %s", page, message);
    } else {
        snprintf(text, sizeof text, "%s", message);
    }
    findings->status = findings->finding(findings->context, text);
}

static enum mn_status row_report(void *context, const struct mn_check_problem *problem)
{
    struct findings *findings = context;
    char row[48] = "", text[MN_MESSAGE_BYTES + 64];

    findings->count++;
    if (problem->has_row) snprintf(row, sizeof row, " row %" PRId64, problem->row_id);
    snprintf(text, sizeof text, "%s%s%s%s: %s", problem->table, problem->index ? " " : "",
             problem->index ? problem->index : "", row, problem->message);
    return findings->finding(findings->context, text);
}

static enum mn_status pages_check(struct mn_view *view, struct findings *findings)
{
    struct mn_store_check *check;
    uint64_t faults;
    enum mn_status status = mn_store_check_begin(view, page_report, findings, &check);
    enum mn_status ended;

    if (status != MN_OK) return status;
    status = mn_tree_check_all(view, check, page_report, findings);
    ended = mn_store_check_end(check, &faults);
    return status != MN_OK ? status : ended;
}

enum mn_status mn_integrity_check(struct mn_db *db, mn_finding_fn finding, void *context,
                                  uint64_t *count)
{
    struct findings findings = {.finding = finding, .context = context};
    struct mn_check_options options = {.report = row_report, .context = &findings};
    struct mn_check_counts counts;
    struct mn_view *view;
    uint64_t problems;
    enum mn_status status = mn_view_begin_read(db->store, &view);

    *count = 0;
    if (status != MN_OK) return status;
    status = pages_check(view, &findings);
    if (status == MN_OK) status = findings.status;
    /* Rows of a file whose pages are damaged would only repeat what was found. */
    if (status == MN_OK && findings.count == 0) {
        status = mn_rows_check(view, &options, &counts, &problems);
    }
    mn_view_end(view);
    *count = findings.count;
    return status;
}
