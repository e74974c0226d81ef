/*
 * op_function: Listing and Series.
 */
#include "query/op_function.h"

struct op_listing {
    struct mn_op op;
    const struct mn_source *source;
    struct mn_arena arena;
    struct mn_listing_rows rows;
    uint32_t at;
};

static enum mn_status listing_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_listing *listing = (struct op_listing *)op;
    const struct mn_source *source = listing->source;
    struct mn_value table = mn_null();
    enum mn_status status = MN_OK;

    mn_arena_init(&listing->arena, exec->memory_limit);
    listing->at = 0;
    listing->rows = (struct mn_listing_rows){0};
    if (source->arg_count > 0) status = mn_expr_eval(source->args[0], &exec->eval, &table);
    if (status != MN_OK) return status;
    if (source->arg_count > 0 && table.type != MN_TYPE_TEXT) {
        return mn_fail_at(MN_TYPE, source->args[0]->span.offset, source->args[0]->span.length,
                          "%s takes the name of a table as TEXT", source->listing->function);
    }
    status = mn_listing_rows(source->listing, exec->view, exec->schema, &table, &listing->arena,
                             &listing->rows);
    return status == MN_OK ? MN_OK : mn_place(source->span.offset, source->span.length);
}

static enum mn_status listing_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_listing *listing = (struct op_listing *)op;
    const struct mn_source *source = listing->source;

    if (listing->at == listing->rows.count) return MN_OK;
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].slot == MN_NO_SLOT) continue;
        exec->eval.slots[source->columns[i].slot] =
            listing->rows.values[(size_t)listing->at * source->listing->column_count + i];
    }
    listing->at++;
    *found = true;
    return MN_OK;
}

static void listing_close(struct mn_op *op)
{
    mn_arena_release(&((struct op_listing *)op)->arena);
}

static enum mn_status listing_describe(const struct mn_op *op, struct mn_buf *out)
{
    const struct op_listing *listing = (const struct op_listing *)op;

    return mn_buf_printf(out, " %s", listing->source->listing->function);
}

static const struct mn_op_kind kind_listing = {"Listing", listing_open, listing_next, listing_close,
                                               listing_describe};

struct mn_op *mn_op_listing(struct mn_arena *arena, struct mn_source *source)
{
    struct op_listing *listing = mn_arena_zalloc(arena, sizeof *listing);

    if (!listing) return NULL;
    listing->op = (struct mn_op){.kind = &kind_listing, .estimate = 10};
    listing->source = source;
    return &listing->op;
}

/* ---- Series ---- */

struct op_series {
    struct mn_op op;
    const struct mn_source *source;
    int64_t at, last, step;
    bool empty;
};

static enum mn_status series_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_series *series = (struct op_series *)op;
    const struct mn_source *source = series->source;
    int64_t numbers[3] = {0, 0, 1};

    series->empty = false;
    for (uint32_t i = 0; i < source->arg_count; i++) {
        struct mn_value value;
        enum mn_status status = mn_expr_eval(source->args[i], &exec->eval, &value);

        if (status != MN_OK) return status;
        if (mn_is_null(&value))
            series->empty = true;
        else
            numbers[i] = value.i;
    }
    series->at = numbers[0];
    series->last = numbers[1];
    series->step = numbers[2];
    if (!series->empty && series->step == 0) {
        return mn_fail_at(MN_RANGE, source->args[2]->span.offset, source->args[2]->span.length,
                          "the step of generate_series must not be 0");
    }
    return MN_OK;
}

static enum mn_status series_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_series *series = (struct op_series *)op;
    const struct mn_source_column *column = &series->source->columns[0];

    if (series->empty) return MN_OK;
    if (series->step > 0 ? series->at > series->last : series->at < series->last) return MN_OK;
    if (column->slot != MN_NO_SLOT) {
        exec->eval.slots[column->slot] =
            (struct mn_value){.type = column->kind.type, .i = series->at};
    }
    series->empty = __builtin_add_overflow(series->at, series->step, &series->at);
    *found = true;
    return MN_OK;
}

static const struct mn_op_kind kind_series = {"Series", series_open, series_next, NULL, NULL};

struct mn_op *mn_op_series(struct mn_arena *arena, struct mn_source *source)
{
    struct op_series *series = mn_arena_zalloc(arena, sizeof *series);

    if (!series) return NULL;
    series->op = (struct mn_op){.kind = &kind_series, .estimate = 100};
    series->source = source;
    return &series->op;
}
