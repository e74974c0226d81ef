/*
 * copy_each: COPY FROM one row at a time: upsert, and errors = skip.
 *
 * With errors = skip each row has a savepoint, so that what a bad one has changed is taken back.
 * Only a failure that is about the row is skipped; a full disk or a broken file ends the COPY.
 */
#include "index/row.h"
#include "query/copy_job.h"
#include "query/copy_read.h"
#include "query/rules.h"
#include "store/store.h"

struct each {
    struct mn_copy_load_state *state;
    struct mn_rules *rules;
    struct mn_value *values;
    bool *changed; /* upsert: of a row that exists */
};

/* Failures that a row's values cause. */
static bool is_row_failure(enum mn_status status)
{
    return status == MN_CONSTRAINT || status == MN_TYPE || status == MN_RANGE ||
           status == MN_TOOBIG || status == MN_SYNTAX || status == MN_SCHEMA || status == MN_EXISTS;
}

/* A row that exists keeps what the file does not mention. */
static enum mn_status row_merge(struct each *each, int64_t row_id)
{
    struct mn_copy_load_state *state = each->state;
    const struct mn_table *table = state->job->table;
    struct mn_row row = {.id = row_id};
    bool found = false;

    enum mn_status status = mn_row_get(state->job->view, table, row_id, &row.record, &found);
    if (status) return status;
    if (!found)
        return mn_fail(MN_CORRUPT, "%s: a unique index names a row that is not there", table->name);
    for (uint32_t i = 0; i < table->column_count; i++) each->changed[i] = false;
    for (uint32_t i = 0; i < state->spec.column_count; i++) {
        each->changed[state->targets[i]] = state->row.given[i];
    }
    for (uint32_t i = 0; i < table->column_count && !status; i++) {
        if (each->changed[i]) continue;
        struct mn_value old;
        status = mn_row_column(state->job->view, table, &row, i, &old);
        if (!status) status = mn_value_copy(&state->scratch, &old, &each->values[i]);
    }
    return status;
}

/* Every key column must be there to find the row by. */
static enum mn_status key_given(const struct each *each)
{
    const struct mn_copy_load_state *state = each->state;
    const struct mn_table *table = state->job->table;

    for (uint32_t i = 0; i < table->column_count; i++) {
        bool key = table->columns[i].primary || (table->relation && i < 2);
        if (!key || !mn_is_null(&each->values[i])) continue;
        return mn_fail(MN_CONSTRAINT, "%s: upsert needs the key column %s", table->name,
                       table->columns[i].name);
    }
    return MN_OK;
}

static enum mn_status row_upsert(struct each *each)
{
    struct mn_copy_job *job = each->state->job;
    struct mn_conflict conflict = {0};
    bool found = false;
    int64_t row_id = 0;

    enum mn_status status = key_given(each);
    if (!status) {
        status =
            mn_row_conflict(job->view, job->table, each->values, MN_ROW_NONE, &conflict, &found);
    }
    if (!status && found && (!conflict.index || conflict.index->primary)) {
        status = row_merge(each, conflict.row_id);
        if (!status) status = mn_rules_check(each->rules, job->eval, each->values);
        struct mn_row_update update = {
            .row_id = conflict.row_id, .values = each->values, .changed = each->changed};
        return status ? status : mn_row_update(job->view, job->table, &update, NULL);
    }
    if (!status) status = mn_rules_check(each->rules, job->eval, each->values);
    return status ? status : mn_row_insert(job->view, job->table, each->values, &row_id);
}

static enum mn_status row_store(struct each *each)
{
    struct mn_copy_load_state *state = each->state;
    struct mn_copy_job *job = state->job;
    int64_t row_id = 0;

    enum mn_status status = mn_copy_complete_row(state, each->rules, each->values);
    if (status) return status;
    if (state->options.upsert && !job->table->multi) {
        status = row_upsert(each);
    } else {
        status = mn_rules_check(each->rules, job->eval, each->values);
        if (!status) status = mn_row_insert(job->view, job->table, each->values, &row_id);
    }
    return status ? mn_copy_locate(state->reader, NULL) : MN_OK;
}

/* Counts a bad row; MN_OK: the next row may be read. */
static enum mn_status row_skip(struct mn_copy_load_state *state, enum mn_status status)
{
    struct mn_copy_job *job = state->job;

    if (!state->options.skip_errors) return status;
    if (job->skipped == 0) job->skipped_first = *mn_error_last();
    job->skipped++;
    if (job->skipped <= state->options.errors_max) return MN_OK;
    (void)mn_hint("these are more bad rows than max_errors = %llu",
                  (unsigned long long)state->options.errors_max);
    return status;
}

static enum mn_status row_store_guarded(struct each *each)
{
    struct mn_copy_load_state *state = each->state;
    struct mn_view *view = state->job->view;
    uint32_t savepoint = 0;

    if (!state->options.skip_errors) return row_store(each);
    enum mn_status status = mn_savepoint_begin(view, &savepoint);
    if (status) return status;
    status = row_store(each);
    if (status) {
        struct mn_error error = *mn_error_last();
        mn_savepoint_rollback(view, savepoint);
        *mn_error_last() = error;
    }
    mn_savepoint_release(view, savepoint);
    return status;
}

static enum mn_status upsert_possible(const struct mn_copy_load_state *state)
{
    const struct mn_table *table = state->job->table;

    if (!state->options.upsert || table->relation || table->row_id_column >= 0 || table->primary) {
        return MN_OK;
    }
    return mn_fail(MN_SCHEMA, "%s has no primary key to upsert by", table->name);
}

enum mn_status mn_copy_load_each(struct mn_copy_load_state *state)
{
    struct mn_copy_job *job = state->job;
    struct each each = {.state = state};
    uint32_t columns = job->table->column_count;
    struct mn_arena_mark mark = mn_arena_mark(&state->scratch);

    each.values = mn_arena_alloc(job->arena, columns * sizeof *each.values);
    each.changed = mn_arena_alloc(job->arena, columns * sizeof *each.changed);
    enum mn_status status = each.values && each.changed ? MN_OK : mn_fail_nomem();
    if (!status) status = upsert_possible(state);
    if (!status) status = mn_rules_new(job->arena, job->table, &each.rules);
    while (!status) {
        mn_arena_rewind(&state->scratch, mark);
        status = state->reader->next(state->reader, &state->scratch, &state->row);
        if (!status && state->reader->ended) return MN_OK;
        bool readable = status ? state->reader->row_only : true;
        if (!status) {
            status = row_store_guarded(&each);
            readable = is_row_failure(status);
        }
        if (!status) {
            job->rows++;
        } else if (readable && status != MN_NOMEM) {
            status = row_skip(state, status);
        }
        if (!status) status = mn_copy_tick(job, 0);
    }
    return status;
}
