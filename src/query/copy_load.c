/*
 * copy_load: COPY FROM into new rows, all or nothing.
 *
 * A broken rule may show only when the load ends (index/row.h): it then names the row by its
 * number, and the line is found by the runs of rows whose line and number grow together.
 */
#include "base/alloc.h"
#include "index/row.h"
#include "query/copy_job.h"
#include "query/copy_read.h"
#include "query/rules.h"

/* From this row of the load on, row + shift is the line. */
struct line_run {
    uint64_t row;
    uint64_t shift;
};

struct line_map {
    struct line_run *runs;
    size_t count, capacity;
};

static enum mn_status line_note(struct line_map *map, uint64_t row, uint64_t line)
{
    uint64_t shift = line - row;

    if (map->count > 0 && map->runs[map->count - 1].shift == shift) return MN_OK;
    if (!mn_grow(&map->runs, &map->capacity, map->count + 1, sizeof *map->runs)) {
        return mn_fail_nomem();
    }
    map->runs[map->count++] = (struct line_run){.row = row, .shift = shift};
    return MN_OK;
}

static uint64_t line_find(const struct line_map *map, uint64_t row)
{
    size_t low = 0, high = map->count;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (map->runs[middle].row <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return map->count ? row + map->runs[low].shift : row + 1;
}

/* Rows into the load until the file ends. */
static enum mn_status rows_add(struct mn_copy_load_state *state, const struct mn_rules *rules,
                               struct mn_rows *load, struct line_map *lines)
{
    struct mn_copy_job *job = state->job;
    struct mn_arena_mark mark = mn_arena_mark(&state->scratch);
    int64_t row_id = 0;
    struct mn_value *values = mn_arena_alloc(job->arena, job->table->column_count * sizeof *values);
    enum mn_status status = values ? MN_OK : mn_fail_nomem();

    while (!status) {
        mn_arena_rewind(&state->scratch, mark);
        status = state->reader->next(state->reader, &state->scratch, &state->row);
        if (status || state->reader->ended) return status;
        status = mn_copy_complete_row(state, rules, values);
        if (status) return status;
        status = mn_rules_check(rules, job->eval, values);
        if (!status) status = mn_rows_add(load, values, &row_id);
        if (status && mn_rows_failed(load) < job->rows) {
            state->reader->line = line_find(lines, mn_rows_failed(load));
        }
        if (status) return mn_copy_locate(state->reader, NULL);
        status = line_note(lines, job->rows, state->reader->line);
        job->rows++;
        if (!status)
            status = mn_copy_tick(job, state->reader->rows > 0 ? (uint64_t)state->reader->rows : 0);
    }
    return status;
}

/* While entries are merged; behind the last row nobody knows how long that will take. */
static enum mn_status merge_tick(void *context)
{
    const struct mn_copy_load_state *state = context;
    const struct mn_copy_job *job = state->job;
    int64_t all = state->reader->rows;

    if (!job->tick) return MN_OK;
    return job->tick(job->tick_context, job->rows,
                     all > 0 && job->rows < (uint64_t)all ? (uint64_t)all : 0);
}

enum mn_status mn_copy_load_rows(struct mn_copy_load_state *state)
{
    struct mn_copy_job *job = state->job;
    struct mn_rules *rules = NULL;
    struct mn_rows *load = NULL;
    struct line_map lines = {0};
    const struct mn_watch watch = {merge_tick, state};
    uint64_t failed_row = UINT64_MAX;

    enum mn_status status = mn_rules_new(job->arena, job->table, &rules);
    if (!status) status = mn_rows_begin(job->view, job->table, job->memory_limit, &load);
    if (status) return status;
    mn_rows_watch(load, &watch);
    status = rows_add(state, rules, load, &lines);
    if (status) {
        mn_rows_abort(load);
    } else {
        status = mn_rows_end(load, &failed_row);
        if (status && failed_row != UINT64_MAX) {
            state->reader->line = line_find(&lines, failed_row);
            status = mn_copy_locate(state->reader, NULL);
        }
    }
    mn_dealloc(lines.runs);
    return status;
}
