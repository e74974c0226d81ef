/*
 * direct_load: rows of a program into a table, by the load of index/row.h.
 *
 *   (L1) a load is an access for writing like a statement's: alone it is a transaction of its own,
 *        else it lies under a savepoint; it ends in mn_direct_load_end, with all rows or none.
 *   (L2) while it is open the session changes nothing else and does not read what it builds
 *        (txn.c); a rollback of the transaction around it leaves only the handle.
 */
#include <inttypes.h>

#include "base/alloc.h"
#include "catalog/list.h"
#include "index/row.h"
#include "query/direct.h"

enum { ROWS_BETWEEN_CHECKS = 1024, BLOCK_ROWS = 16, TEXTS_AHEAD = 32 };

struct mn_load {
    struct mn_session *session;
    struct mn_access access;
    const struct mn_schema *schema; /* counted */
    const struct mn_table *table;
    struct mn_arena arena; /* of the load */
    struct mn_arena scratch;
    struct mn_arena_mark mark;
    struct mn_rules *rules;
    struct mn_eval eval;
    uint32_t count;
    uint32_t *columns;       /* of the table */
    bool *given;             /* one a column of the table */
    bool ruled;              /* the table has a CHECK, or a DEFAULT for a column not given */
    struct mn_value *values; /* of the row at hand */
    struct mn_value *block;  /* of BLOCK_ROWS rows */
    struct mn_rows *rows;    /* NULL: ended by a failure or a rollback */
    uint64_t done, interrupts;
    struct mn_watch watch;
    struct mn_error failure; /* MN_OK: none yet */
};

struct mn_session *mn_direct_load_session(const struct mn_load *load)
{
    return load->session;
}

/* ---- begin ---- */

static void load_free(struct mn_load *load)
{
    if (load->session->load == load) load->session->load = NULL;
    mn_rows_abort(load->rows);
    mn_schema_unref(load->schema);
    mn_arena_release(&load->scratch);
    mn_arena_release(&load->arena);
    atomic_fetch_sub(&load->session->db->statements, 1);
    mn_dealloc(load);
}

static enum mn_status columns_take(struct mn_load *load, const struct mn_target *target)
{
    const struct mn_table *table = load->table;
    uint32_t all = table->column_count;

    load->count = target->count ? target->count : all;
    load->columns = mn_arena_alloc(&load->arena, (load->count + 1) * sizeof *load->columns);
    load->given = mn_arena_zalloc(&load->arena, (all + 1) * sizeof *load->given);
    load->values = mn_arena_zalloc(&load->arena, (all + 1) * sizeof *load->values);
    load->block =
        mn_arena_zalloc(&load->arena, (size_t)(all + 1) * BLOCK_ROWS * sizeof(struct mn_value));
    if (!load->columns || !load->given || !load->values || !load->block) return mn_fail_nomem();
    for (uint32_t i = 0; i < load->count; i++) {
        load->columns[i] = target->count ? target->columns[i] : i;
        load->given[load->columns[i]] = true;
    }
    load->ruled = table->check_count > 0;
    for (uint32_t i = 0; i < all; i++) {
        if (!load->given[i] && table->columns[i].default_text) load->ruled = true;
    }
    return MN_OK;
}

static enum mn_status interrupts_see(const struct mn_load *load)
{
    if (atomic_load(&load->session->db->interrupts) == load->interrupts) return MN_OK;
    return mn_fail(MN_INTERRUPT, "interrupted");
}

static enum mn_status load_tick(void *context)
{
    return interrupts_see(context);
}

static enum mn_status load_prepare(struct mn_load *load, const struct mn_target_names *names)
{
    struct mn_session *session = load->session;
    struct mn_target *target;
    enum mn_status status = mn_direct_begin(session)
                                ? mn_target_get(session, load->access.view, names, &target)
                                : MN_NOMEM;

    if (status != MN_OK) return status;
    load->schema = mn_schema_ref(target->schema);
    load->table = target->table;
    if (!mn_arena_alloc(&load->scratch, 1)) return mn_fail_nomem();
    load->mark = mn_arena_mark(&load->scratch);
    load->eval = mn_direct_eval(session);
    load->eval.scratch = &load->scratch;
    status = columns_take(load, target);
    if (status == MN_OK) status = mn_rules_new(&load->arena, load->table, &load->rules);
    if (status == MN_OK) {
        status = mn_rows_begin(load->access.view, load->table,
                               atomic_load(&session->db->memory_limit), &load->rows);
    }
    if (status != MN_OK) return status;
    load->watch = (struct mn_watch){load_tick, load};
    mn_rows_watch(load->rows, &load->watch);
    return MN_OK;
}

enum mn_status mn_direct_load_begin(struct mn_session *session, const struct mn_target_names *names,
                                    struct mn_load **out)
{
    struct mn_load *load = mn_zalloc(sizeof *load);
    enum mn_status status;

    if (!load) return mn_fail_nomem();
    load->session = session;
    load->interrupts = atomic_load(&session->db->interrupts);
    mn_arena_init(&load->arena, 0);
    mn_arena_init(&load->scratch, (size_t)atomic_load(&session->db->memory_limit));
    atomic_fetch_add(&session->db->statements, 1);
    status = mn_access_write(session, false, &load->access);
    if (status == MN_OK) {
        status = load_prepare(load, names);
        if (status != MN_OK) {
            mn_rows_abort(load->rows);
            load->rows = NULL;
            status = mn_access_end(&load->access, status);
        }
    }
    if (status != MN_OK) {
        load_free(load);
        return status;
    }
    session->load = load;
    *out = load;
    return MN_OK;
}

/* ---- rows ---- */

/* The load is over, but for its handle; the failure is told by every later call. */
static enum mn_status load_fail(struct mn_load *load, enum mn_status status)
{
    if (load->failure.code != MN_OK) return status;
    load->failure = *mn_error_last();
    load->failure.code = status;
    mn_rows_abort(load->rows);
    load->rows = NULL;
    return status;
}

static enum mn_status failure_again(const struct mn_load *load)
{
    *mn_error_last() = load->failure;
    return load->failure.code;
}

/* Says which row, from 0, and of which column where one is known. */
static enum mn_status row_note(enum mn_status status, uint64_t row, const struct mn_column *column)
{
    struct mn_error error = *mn_error_last();

    if (status == MN_NOMEM || status == MN_INTERRUPT) return status;
    mn_fail(status, "row %" PRIu64 " of the load: %s%s%.380s", row, column ? column->name : "",
            column ? ": " : "", error.message);
    return error.hint[0] ? mn_hint("%s", error.hint) : status;
}

/* The row that was being added broke a rule, or one before it that was merged now. */
static enum mn_status added_note(const struct mn_load *load, enum mn_status status)
{
    uint64_t row = mn_rows_failed(load->rows);

    return row_note(status, row < load->done ? row : load->done, NULL);
}

static enum mn_status row_check(struct mn_load *load, struct mn_value *values)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < load->table->column_count && status == MN_OK; i++) {
        if (load->given[i]) continue;
        status = mn_rules_default(load->rules, i, &load->eval, &values[i]);
    }
    return status == MN_OK ? mn_rules_check(load->rules, &load->eval, values) : status;
}

/* A row of all columns of the table, the given ones filled. */
static enum mn_status row_add(struct mn_load *load, struct mn_value *values)
{
    int64_t row_id;
    enum mn_status status = load->ruled ? row_check(load, values) : MN_OK;

    if (status == MN_OK) status = mn_rows_add(load->rows, values, &row_id);
    if (status != MN_OK) return added_note(load, status);
    load->done++;
    return load->done % ROWS_BETWEEN_CHECKS == 0 ? interrupts_see(load) : MN_OK;
}

static enum mn_status value_take(struct mn_load *load, uint32_t i, const mn_datum *datum)
{
    uint32_t column = load->columns[i];
    const struct mn_column *of = &load->table->columns[column];
    enum mn_status status = mn_datum_take(datum, &of->kind, &load->scratch, &load->values[column]);

    return status == MN_OK ? MN_OK : row_note(status, load->done, of);
}

enum mn_status mn_direct_load_row(struct mn_load *load, const mn_datum *values)
{
    enum mn_status status = MN_OK;

    if (load->failure.code != MN_OK) return failure_again(load);
    mn_arena_rewind(&load->scratch, load->mark);
    for (uint32_t i = 0; i < load->count && status == MN_OK; i++) {
        status = value_take(load, i, &values[i]);
    }
    if (status == MN_OK) status = row_add(load, load->values);
    return status == MN_OK ? MN_OK : load_fail(load, status);
}

/* ---- batches ---- */

/* Rows of a batch that are looked at together. */
struct block {
    struct mn_value *values; /* one row behind the other, as the table has its columns */
    size_t first, rows;
    size_t all; /* of the batch */
};

static const mn_array *array_at(const mn_batch *batch, uint32_t i)
{
    const uint8_t *first = (const uint8_t *)batch->columns;

    return (const mn_array *)(const void *)(first + i * batch->columns->size);
}

static enum mn_status array_check(const mn_array *array, uint32_t i)
{
    bool fixed = array->type == MN_TYPE_BOOL || array->type == MN_TYPE_INT ||
                 array->type == MN_TYPE_FLOAT || array->type == MN_TYPE_TIMESTAMP ||
                 array->type == MN_TYPE_DURATION || array->type == MN_TYPE_UUID;
    bool bytes = array->type == MN_TYPE_TEXT || array->type == MN_TYPE_BLOB ||
                 array->type == MN_TYPE_JSON || array->type == MN_TYPE_LIST;
    bool vector = array->type == MN_TYPE_VECTOR;

    if (fixed && array->values) return MN_OK;
    if (bytes && array->pointers && array->lengths) return MN_OK;
    if (vector && (array->pointers || array->values)) return MN_OK;
    if (array->type == MN_TYPE_NULL) return MN_OK;
    return mn_fail(MN_MISUSE, "array %u of the batch has no values of its type %d", i, array->type);
}

static enum mn_status batch_check(const struct mn_load *load, const mn_batch *batch)
{
    if (!batch || batch->size < sizeof *batch) {
        return mn_fail(MN_MISUSE, "the batch is NULL, or batch->size is not sizeof(mn_batch)");
    }
    if (batch->rows == 0) return MN_OK;
    if (batch->count != load->count || !batch->columns) {
        return mn_fail(MN_MISUSE, "the load has %u columns, the batch %zu", load->count,
                       batch->columns ? batch->count : 0);
    }
    if (batch->columns->size < sizeof(mn_array)) {
        return mn_fail(MN_MISUSE, "array->size is not sizeof(mn_array)");
    }
    for (uint32_t i = 0; i < load->count; i++) {
        enum mn_status status = array_check(array_at(batch, i), i);

        if (status != MN_OK) return status;
    }
    return MN_OK;
}

static mn_datum array_datum(const mn_array *array, size_t row)
{
    const uint8_t *at = array->values ? (const uint8_t *)array->values + row * array->stride : NULL;
    mn_datum datum = {.type = (uint32_t)array->type};

    if (array->type == MN_TYPE_NULL || (array->nulls && array->nulls[row])) {
        datum.type = MN_TYPE_NULL;
        return datum;
    }
    switch (array->type) {
    case MN_TYPE_BOOL: datum.as.i = *at != 0; break;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
    case MN_TYPE_FLOAT: memcpy(&datum.as, at, sizeof datum.as); break;
    case MN_TYPE_UUID:
        datum.length = 16;
        datum.as.p = at;
        break;
    case MN_TYPE_VECTOR:
        datum.length = array->dims;
        datum.as.p = array->pointers ? array->pointers[row] : at;
        break;
    default:
        datum.length = array->lengths[row];
        datum.as.p = array->pointers[row];
        break;
    }
    return datum;
}

/* Texts are mostly looked at here for the first time; this one is next but TEXTS_AHEAD. */
static inline void text_fetch(const void *text)
{
    uintptr_t at = (uintptr_t)text; /* NULL and wrong pointers are met later */

    __builtin_prefetch((const void *)at);
    __builtin_prefetch((const void *)(at + 64));
}

/*
 * The values of some rows of one array, one row behind the other, by the shortest way: INT and TEXT
 * that are what the column is. False: it does not do, or a value is wrong; which, and of which row,
 * is found out one by one.
 */
static bool block_take(const struct mn_load *load, uint32_t i, const mn_array *array,
                       const struct block *block)
{
    uint32_t column = load->columns[i];
    struct mn_value *to = block->values + column;
    size_t step = load->table->column_count, bad;

    if (array->nulls || array->type != (int)load->table->columns[column].kind.type) return false;
    if (array->type == MN_TYPE_INT) {
        const uint8_t *at = (const uint8_t *)array->values + block->first * array->stride;

        for (size_t row = 0; row < block->rows; row++, to += step, at += array->stride) {
            int64_t number;

            memcpy(&number, at, sizeof number);
            *to = mn_int(number);
        }
        return true;
    }
    if (array->type != MN_TYPE_TEXT) return false;
    for (size_t row = block->first; row < block->first + block->rows; row++, to += step) {
        const char *text = array->pointers[row];
        uint32_t length = array->lengths[row];

        if (row + TEXTS_AHEAD < block->all) text_fetch(array->pointers[row + TEXTS_AHEAD]);
        if (!text || length > MN_VALUE_BYTES_LIMIT || !mn_utf8_check(text, length, &bad)) {
            return false;
        }
        *to = mn_text(text, length);
    }
    return true;
}

/* Rows of a table without rules. */
static enum mn_status values_add(struct mn_load *load, const struct mn_value *values, size_t rows)
{
    uint64_t before = load->done;
    enum mn_status status = mn_rows_add_many(load->rows, values, &rows);

    load->done += rows;
    if (status != MN_OK) return added_note(load, status);
    if (before / ROWS_BETWEEN_CHECKS == load->done / ROWS_BETWEEN_CHECKS) return MN_OK;
    return interrupts_see(load);
}

static enum mn_status block_add(struct mn_load *load, const mn_batch *batch,
                                const struct block *block)
{
    enum mn_status status = MN_OK;
    bool whole = !load->ruled && load->count == load->table->column_count;

    for (uint32_t i = 0; i < load->count && whole; i++) {
        whole = block_take(load, i, array_at(batch, i), block);
    }
    if (whole) return values_add(load, block->values, block->rows);
    for (size_t row = 0; row < block->rows && status == MN_OK; row++) {
        mn_arena_rewind(&load->scratch, load->mark);
        for (uint32_t i = 0; i < load->count && status == MN_OK; i++) {
            mn_datum datum = array_datum(array_at(batch, i), block->first + row);

            status = value_take(load, i, &datum);
        }
        if (status == MN_OK) status = row_add(load, load->values);
    }
    return status;
}

enum mn_status mn_direct_load_batch(struct mn_load *load, const mn_batch *batch)
{
    struct block block = {.values = load->block};
    enum mn_status status;

    if (load->failure.code != MN_OK) return failure_again(load);
    status = batch_check(load, batch);
    if (status != MN_OK) return status; /* nothing was taken: the load goes on */
    block.all = batch->rows;
    for (; block.first < batch->rows && status == MN_OK; block.first += BLOCK_ROWS) {
        block.rows = batch->rows - block.first;
        if (block.rows > BLOCK_ROWS) block.rows = BLOCK_ROWS;
        status = block_add(load, batch, &block);
    }
    return status == MN_OK ? MN_OK : load_fail(load, status);
}

/* ---- end ---- */

enum mn_status mn_direct_load_end(struct mn_load *load, bool keep)
{
    struct mn_session *session = load->session;
    uint64_t failed_row = UINT64_MAX;
    enum mn_status status = load->failure.code, taken_back;

    if (status == MN_OK && keep) {
        status = mn_rows_end(load->rows, &failed_row);
        load->rows = NULL;
        if (status != MN_OK && failed_row != UINT64_MAX) row_note(status, failed_row, NULL);
    }
    if (load->failure.code != MN_OK) failure_again(load);
    mn_rows_abort(load->rows);
    load->rows = NULL;
    session->load = NULL;
    if (status == MN_OK && keep) {
        status = mn_access_end(&load->access, MN_OK);
        if (status == MN_OK) session->changes = (int64_t)load->done;
    } else {
        taken_back = mn_access_end(&load->access, status == MN_OK ? MN_INTERRUPT : status);
        if (status != MN_OK) status = taken_back;
    }
    load_free(load);
    return status;
}

void mn_direct_load_cancel(struct mn_load *load)
{
    if (!load) return;
    mn_rows_abort(load->rows);
    load->rows = NULL;
    load->session->load = NULL;
    if (load->failure.code == MN_OK) {
        load->failure.offset = -1;
        load->failure.code = mn_fail(MN_ERROR, "the transaction of the load was rolled back");
        load->failure = *mn_error_last();
        mn_error_clear();
    }
    if (load->access.alone) {
        (void)mn_access_end(&load->access, MN_INTERRUPT);
    } else {
        load->access.view = NULL; /* the transaction's own end gives it back */
    }
}
