/*
 * copy_match: vectors of a file for rows that exist.
 *
 *   match_order     vector i goes to the i-th row in the order of the primary key
 *   match_column    vector i goes to the rows whose INT column is i; NULL matches none
 *
 * The row ids are collected first, because a scan and writes to its table do not mix well; with
 * match_column they are sorted by vector, so that the file is read once from front to back.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "index/index.h"
#include "index/row.h"
#include "query/copy_job.h"
#include "query/copy_read.h"

struct pair {
    int64_t vector; /* number in the file, from 0 */
    int64_t row_id;
};

struct pairs {
    struct pair *items;
    size_t count, capacity;
};

static enum mn_status pair_push(struct pairs *pairs, int64_t vector, int64_t row_id)
{
    if (pairs->count == pairs->capacity &&
        !mn_grow(&pairs->items, &pairs->capacity, pairs->count + 1, sizeof *pairs->items)) {
        return mn_fail_nomem();
    }
    pairs->items[pairs->count++] = (struct pair){.vector = vector, .row_id = row_id};
    return MN_OK;
}

static int pair_order(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->vector != y->vector) return x->vector < y->vector ? -1 : 1;
    return x->row_id < y->row_id ? -1 : x->row_id > y->row_id;
}

static enum mn_status number_bad(const struct mn_copy_job *job, const char *column, int64_t number)
{
    return mn_fail(MN_RANGE, "%s.%s is %" PRId64 ", but %s has no vector of that number",
                   job->table->name, column, number, job->path);
}

/* The scan of all rows, with the number of each one's vector. */
static enum mn_status pairs_collect(const struct mn_copy_load_state *state, int column,
                                    struct pairs *pairs)
{
    struct mn_copy_job *job = state->job;
    int64_t file_rows = state->reader->rows;
    struct mn_scan_options options = {.table = job->table};
    struct mn_index_scan *scan = NULL;
    struct mn_row row = {0};
    bool found = true;

    if (column < 0) options.index = job->table->primary; /* NULL: by row id */
    enum mn_status status = mn_index_scan_open(job->view, &options, &scan);
    while (!status) {
        struct mn_value number = mn_int((int64_t)pairs->count);
        status = mn_index_scan_next(scan, &row.id, &row.record, &found);
        if (status || !found) break;
        if (column >= 0) {
            status = mn_row_column(job->view, job->table, &row, (uint32_t)column, &number);
            if (status || mn_is_null(&number)) continue;
            if (number.i < 0 || (file_rows >= 0 && number.i >= file_rows)) {
                status = number_bad(job, job->table->columns[column].name, number.i);
                break;
            }
        }
        status = pair_push(pairs, number.i, row.id);
    }
    mn_index_scan_close(scan);
    return status;
}

/* Vectors in the order of the file to the rows of each. */
static enum mn_status vectors_set(struct mn_copy_load_state *state, const struct pairs *pairs)
{
    struct mn_copy_job *job = state->job;
    struct mn_arena_mark mark = mn_arena_mark(&state->scratch);
    int64_t vector = 0;
    size_t i = 0;

    while (i < pairs->count || state->options.match_order) {
        mn_arena_rewind(&state->scratch, mark);
        enum mn_status status = state->reader->next(state->reader, &state->scratch, &state->row);
        if (status) return status;
        if (state->reader->ended) break;
        if (i == pairs->count) {
            return mn_fail(MN_CONSTRAINT, "%s has more vectors than %s has rows, %zu", job->path,
                           job->table->name, pairs->count);
        }
        for (; i < pairs->count && pairs->items[i].vector == vector; i++) {
            status = mn_row_set_vector(job->view, job->table, pairs->items[i].row_id,
                                       state->targets[0], &state->row.values[0]);
            if (status) return mn_copy_locate(state->reader, state->spec.columns[0].name);
            job->rows++;
            status = mn_copy_tick(job, pairs->count);
            if (status) return status;
        }
        vector++;
    }
    if (i == pairs->count) return MN_OK;
    if (state->options.match_order) {
        return mn_fail(MN_CONSTRAINT, "%s has %" PRId64 " vectors, but %s has %zu rows", job->path,
                       vector, job->table->name, pairs->count);
    }
    return number_bad(job, state->options.match, pairs->items[i].vector);
}

static enum mn_status match_column(const struct mn_copy_load_state *state, int *column)
{
    const struct mn_table *table = state->job->table;
    const char *name = state->options.match;

    *column = -1;
    if (!name) return MN_OK;
    *column = mn_table_column(table, name, strlen(name));
    if (*column < 0) return mn_fail(MN_SCHEMA, "no column \"%s\" in %s", name, table->name);
    if (table->columns[*column].kind.type != MN_TYPE_INT) {
        return mn_fail(MN_TYPE, "match_column takes an INT column, and %s.%s is none", table->name,
                       name);
    }
    return MN_OK;
}

enum mn_status mn_copy_load_vectors(struct mn_copy_load_state *state)
{
    struct mn_copy_job *job = state->job;
    struct pairs pairs = {0};
    int column = -1;

    enum mn_status status = match_column(state, &column);
    if (!status) status = pairs_collect(state, column, &pairs);
    int64_t have = state->reader->rows;
    if (!status && state->options.match_order && have >= 0 && (uint64_t)have != pairs.count) {
        status = mn_fail(MN_CONSTRAINT, "%s has %" PRId64 " vectors, but %s has %zu rows",
                         job->path, have, job->table->name, pairs.count);
        (void)mn_hint("match_column = c takes the number of each row's vector from the column c");
    }
    if (!status && column >= 0) qsort(pairs.items, pairs.count, sizeof *pairs.items, pair_order);
    if (!status) status = vectors_set(state, &pairs);
    mn_dealloc(pairs.items);
    return status;
}
