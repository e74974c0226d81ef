/*
 * copy_save: COPY t TO: the rows of a table to a file, in the order of their row ids.
 */
#include "index/index.h"
#include "index/row.h"
#include "query/copy_job.h"

/* Rows of the scan to the writer, the columns that were asked for. */
static enum mn_status rows_write(struct mn_copy_job *job, const uint32_t *columns, uint32_t count,
                                 struct mn_copy_writer *writer)
{
    struct mn_scan_options options = {.table = job->table};
    struct mn_index_scan *scan = NULL;
    struct mn_row row = {0};
    bool found = true;
    struct mn_value *values = mn_arena_zalloc(job->arena, (count + 1) * sizeof *values);

    if (!values) return mn_fail_nomem();
    enum mn_status status = mn_index_scan_open(job->view, &options, &scan);
    while (!status) {
        status = mn_index_scan_next(scan, &row.id, &row.record, &found);
        if (status || !found) break;
        for (uint32_t i = 0; i < count && !status; i++) {
            status = mn_row_column(job->view, job->table, &row, columns[i], &values[i]);
        }
        if (!status) status = writer->row(writer, values);
        job->rows++;
        if (!status) status = mn_copy_tick(job, 0);
    }
    mn_index_scan_close(scan);
    return status;
}

enum mn_status mn_copy_save(struct mn_copy_job *job)
{
    struct mn_copy_options options;
    struct mn_copy_spec spec = {.options = &options};
    struct mn_copy_writer *writer = NULL;
    uint32_t *columns = NULL;

    enum mn_status status = mn_copy_bind_options(job, false, &options);
    if (!status) status = mn_copy_bind_columns(job, &spec, &columns);
    if (!status) status = mn_copy_writer_open(&spec, &writer);
    if (!status) status = rows_write(job, columns, spec.column_count, writer);
    if (!status) status = mn_copy_writer_finish(writer);
    mn_copy_writer_close(writer);
    return status;
}
