/*
 * batch: the rows of a statement as columns, many at a time.
 *
 *   rows of operators   one after the other through the slots, their bytes copied
 *   a plain scan        a leaf's records at once, then column by column, nothing copied (op_scan)
 *   rows that are kept  as they are
 *
 *   (B1) an array has values of one type. A row with another type is not taken: it stays ready, for
 *        the next fetch or step.
 *   (B2) bytes lie in the view, in what the statement keeps, or in the batch's own arena, which is
 *        emptied by the next fetch.
 */
#include <string.h>

#include "base/alloc.h"
#include "catalog/list.h"
#include "catalog/record.h"
#include "query/datum.h"
#include "query/op_scan.h"
#include "query/statement.h"

enum { BYTES_ENOUGH = 16 << 20 }; /* of copies: a batch ends */

/* One column: the array that is given out, and its memory. */
struct column {
    mn_array array;
    union {
        uint8_t bytes[16];
        int64_t i;
        double f;
    } * values;
    const void **pointers;
    uint32_t *lengths;
    uint8_t *nulls;
    bool any_null;
};

struct mn_batcher {
    struct mn_arena memory; /* of the columns */
    struct mn_arena bytes;  /* copied values */
    struct mn_arena_mark mark;
    uint32_t count;
    struct column *columns;
    mn_array *arrays;
    struct mn_row *rows; /* of a plain scan */
};

/* ---- begin and end ---- */

void mn_batcher_free(struct mn_batcher *batcher)
{
    if (!batcher) return;
    mn_arena_release(&batcher->memory);
    mn_arena_release(&batcher->bytes);
    mn_dealloc(batcher);
}

static bool column_make(struct mn_arena *memory, struct column *column)
{
    column->values = mn_arena_alloc(memory, MN_BATCH_ROWS * sizeof *column->values);
    column->pointers = mn_arena_alloc(memory, MN_BATCH_ROWS * sizeof *column->pointers);
    column->lengths = mn_arena_alloc(memory, MN_BATCH_ROWS * sizeof *column->lengths);
    column->nulls = mn_arena_zalloc(memory, MN_BATCH_ROWS);
    return column->values && column->pointers && column->lengths && column->nulls;
}

static enum mn_status batcher_make(struct mn_stmt *stmt)
{
    struct mn_batcher *b = mn_zalloc(sizeof *b);
    uint32_t count = stmt->column_count;
    bool made;

    if (!b) return mn_fail_nomem();
    b->count = count;
    b->columns = mn_arena_zalloc(&b->memory, (count + 1) * sizeof *b->columns);
    b->arrays = mn_arena_zalloc(&b->memory, (count + 1) * sizeof *b->arrays);
    b->rows = mn_arena_alloc(&b->memory, MN_BATCH_ROWS * sizeof *b->rows);
    made = b->rows && b->columns && b->arrays && mn_arena_alloc(&b->bytes, 1);
    for (uint32_t i = 0; i < count && made; i++) made = column_make(&b->memory, &b->columns[i]);
    if (!made) {
        mn_batcher_free(b);
        return mn_fail_nomem();
    }
    b->mark = mn_arena_mark(&b->bytes);
    stmt->batcher = b;
    return MN_OK;
}

/* Empty columns; the batcher is made anew where the statement was bound anew to other columns. */
static enum mn_status batcher_begin(struct mn_stmt *stmt)
{
    struct mn_batcher *b = stmt->batcher;

    if (b && b->count != stmt->column_count) {
        mn_batcher_free(b);
        stmt->batcher = b = NULL;
    }
    if (!b) {
        enum mn_status status = batcher_make(stmt);

        if (status != MN_OK) return status;
        b = stmt->batcher;
    }
    mn_arena_rewind(&b->bytes, b->mark);
    for (uint32_t i = 0; i < b->count; i++) {
        struct column *column = &b->columns[i];

        column->array = (mn_array){.size = sizeof(mn_array), .type = MN_TYPE_NULL};
        if (column->any_null) memset(column->nulls, 0, MN_BATCH_ROWS);
        column->any_null = false;
    }
    return MN_OK;
}

/* ---- values ---- */

static enum mn_status list_put(struct mn_batcher *b, struct column *column, size_t row,
                               const struct mn_value *value)
{
    mn_datum datum;
    enum mn_status status = mn_datum_write(value, true, &b->bytes, &datum);

    column->pointers[row] = datum.as.p;
    column->lengths[row] = datum.length;
    return status;
}

static enum mn_status bytes_put(struct mn_batcher *b, struct column *column, size_t row,
                                const struct mn_value *value, bool copy)
{
    size_t size = value->type == MN_TYPE_VECTOR ? value->size * sizeof(float) : value->size;

    column->pointers[row] = value->p;
    column->lengths[row] = value->size;
    if (!copy) return MN_OK;
    column->pointers[row] = mn_arena_copy(&b->bytes, value->p, size);
    return column->pointers[row] ? MN_OK : mn_fail_nomem();
}

/* The value's type is the array's. */
static enum mn_status value_put(struct mn_batcher *b, struct column *column, size_t row,
                                const struct mn_value *value, bool copy)
{
    switch ((enum mn_type)value->type) {
    case MN_TYPE_BOOL: ((uint8_t *)column->values)[row] = value->b; break;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: ((int64_t *)column->values)[row] = value->i; break;
    case MN_TYPE_FLOAT: ((double *)column->values)[row] = value->f; break;
    case MN_TYPE_UUID: memcpy(column->values[row].bytes, value->uuid, 16); break;
    case MN_TYPE_LIST: return list_put(b, column, row, value);
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_JSON:
    case MN_TYPE_VECTOR: return bytes_put(b, column, row, value, copy);
    case MN_TYPE_NULL: break;
    }
    return MN_OK;
}

/* A NULL's place holds zeros, so that what reads the array without its nulls reads no rubbish. */
static void null_put(struct column *column, size_t row)
{
    column->nulls[row] = 1;
    column->any_null = true;
    if (column->array.type == MN_TYPE_BOOL) {
        ((uint8_t *)column->values)[row] = 0;
    } else if (column->array.type == MN_TYPE_UUID) {
        memset(column->values[row].bytes, 0, 16);
    } else {
        ((int64_t *)column->values)[row] = 0;
    }
    column->pointers[row] = NULL;
    column->lengths[row] = 0;
}

static bool value_fits(const struct column *column, const struct mn_value *value)
{
    if (mn_is_null(value) || column->array.type == MN_TYPE_NULL) return true;
    return column->array.type == value->type &&
           (value->type != MN_TYPE_VECTOR || column->array.dims == value->size);
}

static enum mn_status column_put(struct mn_batcher *b, struct column *column, size_t row,
                                 const struct mn_value *value, bool copy)
{
    if (mn_is_null(value)) {
        null_put(column, row);
        return MN_OK;
    }
    if (column->array.type == MN_TYPE_NULL) {
        column->array.type = value->type;
        if (value->type == MN_TYPE_VECTOR) column->array.dims = value->size;
        if (column->any_null) memset(column->values, 0, row * sizeof *column->values);
    }
    return value_put(b, column, row, value, copy);
}

/* (B1) *taken is false where the row begins the next batch. */
static enum mn_status row_put(struct mn_batcher *b, size_t row, const struct mn_value *values,
                              bool copy, bool *taken)
{
    enum mn_status status = MN_OK;

    *taken = true;
    for (uint32_t i = 0; i < b->count && *taken; i++) {
        *taken = value_fits(&b->columns[i], &values[i]);
    }
    for (uint32_t i = 0; i < b->count && *taken && status == MN_OK; i++) {
        status = column_put(b, &b->columns[i], row, &values[i], copy);
    }
    return status;
}

/* ---- rows ---- */

/* Rows that the statement keeps to its end: nothing is copied. */
static enum mn_status kept_fetch(struct mn_stmt *stmt, size_t *rows)
{
    enum mn_status status = MN_OK;

    while (*rows < MN_BATCH_ROWS && stmt->kept_at < stmt->kept_count) {
        bool taken;

        status = row_put(stmt->batcher, *rows, stmt->kept[stmt->kept_at], false, &taken);
        if (status != MN_OK || !taken) break;
        stmt->kept_at++;
        (*rows)++;
    }
    return status;
}

/* The column of the scan that fills a slot; NULL: another one does. */
static const struct mn_scan_column *slot_column(const struct mn_scan_spec *spec, uint32_t slot)
{
    for (uint32_t i = 0; i < spec->column_count; i++) {
        if (spec->columns[i].slot == slot) return &spec->columns[i];
    }
    return NULL;
}

static bool outputs_are_columns(const struct mn_stmt *stmt, const struct mn_scan_spec *spec)
{
    for (uint32_t i = 0; i < stmt->column_count; i++) {
        if (!slot_column(spec, stmt->slots[i])) return false;
    }
    return true;
}

static bool kind_has_plain_bytes(const struct mn_kind *kind)
{
    return kind->type == MN_TYPE_TEXT || kind->type == MN_TYPE_BLOB || kind->type == MN_TYPE_JSON;
}

static bool kind_is_integer(const struct mn_kind *kind)
{
    return kind->type == MN_TYPE_INT || kind->type == MN_TYPE_TIMESTAMP ||
           kind->type == MN_TYPE_DURATION;
}

/* Rows of one column whose values are bytes or integers, until one that is neither there nor NULL;
 * returns how many. */
static size_t column_gather(struct column *column, const struct mn_row *rows, size_t count,
                            uint32_t at, const struct mn_kind *kind)
{
    bool integer = kind_is_integer(kind);

    column->array.type = kind->type;
    for (size_t r = 0; r < count; r++) {
        struct mn_field field;

        switch (mn_record_field(rows[r].record.data, rows[r].record.len, at, &field)) {
        case MN_FIELD_THERE: break;
        case MN_FIELD_NULL:
        case MN_FIELD_ABSENT: null_put(column, r); continue;
        case MN_FIELD_DAMAGED: return r;
        }
        if (integer) {
            if (field.size > 8) return r;
            ((int64_t *)column->values)[r] = mn_record_int(field.at, field.size);
        } else {
            column->pointers[r] = field.at;
            column->lengths[r] = field.size;
        }
    }
    return count;
}

/* One column of the rows of a plain scan. */
static enum mn_status column_fetch(struct mn_stmt *stmt, const struct mn_scan_spec *spec,
                                   uint32_t i, size_t count)
{
    struct mn_batcher *b = stmt->batcher;
    struct column *column = &b->columns[i];
    int at = slot_column(spec, stmt->slots[i])->column;
    const struct mn_kind *kind = at < 0 ? NULL : &spec->table->columns[at].kind;
    enum mn_status status = MN_OK;
    size_t row = 0;

    if (at == MN_SCAN_ROW_ID || at == spec->table->row_id_column) {
        column->array.type = MN_TYPE_INT;
        for (; row < count; row++) ((int64_t *)column->values)[row] = b->rows[row].id;
    } else if (kind_has_plain_bytes(kind) || kind_is_integer(kind)) {
        row = column_gather(column, b->rows, count, (uint32_t)at, kind);
    }
    for (; row < count && status == MN_OK; row++) {
        struct mn_value value;

        status = mn_row_column(stmt->exec.view, spec->table, &b->rows[row], (uint32_t)at, &value);
        if (status == MN_OK) status = column_put(b, column, row, &value, false);
    }
    return status;
}

/* A plain scan: nothing goes through slots. */
static enum mn_status scan_fetch(struct mn_stmt *stmt, const struct mn_scan_spec *spec,
                                 size_t *rows)
{
    enum mn_status status =
        mn_op_scan_rows(stmt->op, &stmt->exec, stmt->batcher->rows, MN_BATCH_ROWS, rows);

    for (uint32_t i = 0; i < stmt->column_count && status == MN_OK && *rows > 0; i++) {
        status = column_fetch(stmt, spec, i, *rows);
    }
    return status;
}

static enum mn_status rows_fetch(struct mn_stmt *stmt, size_t *rows)
{
    const struct mn_scan_spec *spec = mn_op_scan_plain(stmt->op, &stmt->exec);
    struct mn_batcher *b = stmt->batcher;

    if (spec && !stmt->ready && outputs_are_columns(stmt, spec)) {
        return scan_fetch(stmt, spec, rows);
    }
    while (*rows < MN_BATCH_ROWS && b->bytes.total_bytes < BYTES_ENOUGH) {
        bool taken;
        enum mn_status status = mn_statement_row(stmt);

        if (status != MN_ROW) return status;
        status = row_put(b, *rows, stmt->row_values, true, &taken);
        if (status != MN_OK) return status;
        if (!taken) {
            stmt->ready = true;
            break;
        }
        (*rows)++;
    }
    return MN_OK;
}

/* ---- the end of a batch ---- */

/* Vectors that lie evenly are one matrix. */
static void matrix_find(struct column *column, size_t rows)
{
    const uint8_t *first = column->pointers[0];
    ptrdiff_t stride = (ptrdiff_t)(column->array.dims * sizeof(float));

    if (column->any_null) return;
    if (rows > 1) stride = (const uint8_t *)column->pointers[1] - first;
    if (stride < (ptrdiff_t)(column->array.dims * sizeof(float))) return;
    for (size_t row = 1; row < rows; row++) {
        if ((const uint8_t *)column->pointers[row] != first + (ptrdiff_t)row * stride) return;
    }
    column->array.values = first;
    column->array.stride = (size_t)stride;
}

static void column_finish(struct column *column, size_t rows)
{
    mn_array *array = &column->array;

    array->nulls = column->any_null ? column->nulls : NULL;
    switch ((enum mn_type)array->type) {
    case MN_TYPE_NULL: break;
    case MN_TYPE_BOOL: array->stride = 1; break;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
    case MN_TYPE_FLOAT: array->stride = 8; break;
    case MN_TYPE_UUID: array->stride = 16; break;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_JSON:
    case MN_TYPE_LIST:
        array->pointers = column->pointers;
        array->lengths = column->lengths;
        break;
    case MN_TYPE_VECTOR:
        array->pointers = column->pointers;
        matrix_find(column, rows);
        break;
    }
    if (array->stride > 0 && array->type != MN_TYPE_VECTOR) array->values = column->values;
}

static void batch_finish(struct mn_stmt *stmt, size_t rows, mn_batch *batch)
{
    struct mn_batcher *b = stmt->batcher;

    for (uint32_t i = 0; i < b->count; i++) {
        /* A column of NULLs alone has the type that the statement says it has. */
        if (b->columns[i].array.type == MN_TYPE_NULL) {
            b->columns[i].array.type = stmt->kinds[i].type;
            b->columns[i].array.dims = stmt->kinds[i].dims;
            if (b->columns[i].any_null) {
                memset(b->columns[i].values, 0, rows * sizeof *b->columns[i].values);
            }
        }
        column_finish(&b->columns[i], rows);
        b->arrays[i] = b->columns[i].array;
    }
    batch->rows = rows;
    batch->count = b->count;
    batch->columns = b->arrays;
}

enum mn_status mn_statement_fetch(struct mn_session *session, struct mn_stmt *stmt, mn_batch *batch)
{
    size_t rows = 0;
    enum mn_status status = mn_statement_start(session, stmt);

    stmt->row = NULL;
    if (status == MN_OK) status = batcher_begin(stmt);
    if (status == MN_OK) {
        status = stmt->state == MN_RUN_ROWS ? rows_fetch(stmt, &rows) : kept_fetch(stmt, &rows);
    }
    if (status != MN_OK && status != MN_DONE) return mn_statement_stop(stmt, status);
    /* The end is told by the next call, which finds nothing. */
    if (rows == 0) return mn_statement_stop(stmt, MN_DONE);
    batch_finish(stmt, rows, batch);
    return MN_ROW;
}
