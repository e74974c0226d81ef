/*
 * copy_csv: rows of comma- and tab-separated files.
 *
 * Which column a field goes to is settled once: by the header's names where there is a header, else
 * by position. A blank line is no row, except where rows have one column: there it is that column's
 * NULL.
 */
#include <string.h>

#include "base/alloc.h"
#include "query/copy_convert.h"
#include "query/copy_read.h"

enum { NOT_LOADED = -1 };

struct csv_reader {
    struct mn_copy_reader base;
    struct mn_copy_input input;
    uint8_t classes[256];
    struct mn_csv_field *fields; /* of the record read last */
    size_t field_count, field_room;
    int32_t *targets; /* column of each field, or NOT_LOADED */
    size_t target_count;
    uint64_t lines; /* line feeds in the record read last */
    bool blank;     /* it is an empty line */
};

static void csv_close(struct mn_copy_reader *base)
{
    struct csv_reader *reader = (struct csv_reader *)base;

    mn_copy_input_close(&reader->input);
    mn_dealloc(reader->fields);
    mn_dealloc(reader->targets);
    mn_dealloc(reader);
}

static uint64_t feeds_inside(const struct mn_csv_field *field)
{
    const uint8_t *at = field->text, *end = at + field->length;
    uint64_t feeds = 0;

    if (!field->quoted) return 0;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        feeds++;
        at++;
    }
    return feeds;
}

static enum mn_status field_push(struct csv_reader *reader, const struct mn_csv_field *field)
{
    if (reader->field_count == reader->field_room &&
        !mn_grow(&reader->fields, &reader->field_room, reader->field_count + 1,
                 sizeof *reader->fields)) {
        return mn_fail_nomem();
    }
    reader->fields[reader->field_count++] = *field;
    reader->lines += feeds_inside(field);
    return MN_OK;
}

/* After a broken record: on at the next line, so that errors = skip can go on. */
static enum mn_status record_fail(struct csv_reader *reader, const uint8_t *at)
{
    struct mn_copy_input *input = &reader->input;
    size_t seen = (size_t)(at - input->data) - input->at;
    enum mn_status status = mn_copy_row_failed(&reader->base, NULL);
    struct mn_error failure = *mn_error_last();

    while (reader->base.row_only) {
        uint8_t *start = input->data + input->at;
        size_t left = input->end - input->at;
        uint8_t *feed = memchr(start + seen, '\n', left - seen);
        if (feed || input->ended) {
            size_t taken = feed ? (size_t)(feed + 1 - start) : left;
            for (size_t i = 0; i < taken; i++) input->line += start[i] == '\n';
            input->at += taken;
            return status;
        }
        seen = left;
        if (mn_copy_input_more(input)) reader->base.row_only = false;
    }
    *mn_error_last() = failure;
    return status;
}

/* Scans fields up to the end of the line; *more: the block ended first. */
static enum mn_status record_scan(struct csv_reader *reader, bool *more)
{
    struct mn_copy_input *input = &reader->input;
    const uint8_t *at = input->data + input->at, *start = at;
    struct mn_csv_field field = {0};
    enum mn_csv_token token;
    enum mn_status status = MN_OK;

    *more = false;
    reader->field_count = 0;
    reader->lines = 0;
    do {
        token = mn_csv_scan(reader->classes, &at, &field);
        switch (token) {
        case MN_CSV_FIELD: status = field_push(reader, &field); break;
        case MN_CSV_LAST:
            status = field_push(reader, &field);
            reader->lines++;
            break;
        case MN_CSV_PAUSE:
        case MN_CSV_OPEN:
            if (at < input->data + input->end) {
                mn_fail(MN_TYPE, "a zero byte stands in the text");
                return record_fail(reader, at);
            }
            *more = !input->ended;
            if (*more) return MN_OK;
            if (token == MN_CSV_OPEN) {
                mn_fail(MN_SYNTAX, "a quote is opened and never closed");
                return mn_copy_locate(&reader->base, NULL);
            }
            status = field_push(reader, &field);
            break;
        case MN_CSV_STRAY_QUOTE:
            mn_fail(MN_SYNTAX, "a quote stands inside an unquoted field");
            (void)mn_hint("quote the whole field and double the quote in it, or say quote = off");
            return record_fail(reader, at);
        case MN_CSV_AFTER_QUOTE:
            mn_fail(MN_SYNTAX, "text stands between a closing quote and the delimiter");
            return record_fail(reader, at);
        }
    } while (!status && token == MN_CSV_FIELD);
    if (status) return status;
    reader->blank =
        reader->field_count == 1 && reader->fields[0].length == 0 && !reader->fields[0].quoted;
    reader->base.ended = reader->blank && at == start;
    input->at = (size_t)(at - input->data);
    input->line += reader->lines;
    return MN_OK;
}

/* The next record's fields, or base.ended. */
static enum mn_status record_read(struct csv_reader *reader)
{
    bool more = true;

    reader->base.row_only = false;
    reader->base.line = reader->input.line;
    while (more) {
        enum mn_status status = record_scan(reader, &more);
        if (!status && more) status = mn_copy_input_more(&reader->input);
        if (status) return status;
    }
    return MN_OK;
}

/* Doubled quotes become single ones, in place: the record is not scanned again. */
static void field_unquote(struct csv_reader *reader, struct mn_csv_field *field)
{
    uint8_t quote = reader->base.spec.options->quote;

    if (!field->quoted || !memchr(field->text, quote, field->length)) return;
    uint8_t *to = reader->input.data + (field->text - reader->input.data);
    const uint8_t *from = to, *end = from + field->length;
    while (from < end) {
        if (*from == quote) from++;
        *to++ = *from++;
    }
    field->length = (size_t)(to - field->text);
}

static bool field_is_null(const struct csv_reader *reader, const struct mn_csv_field *field)
{
    const char *null = reader->base.spec.options->null;

    if (field->quoted) return false;
    if (!null) return field->length == 0;
    return strlen(null) == field->length && memcmp(null, field->text, field->length) == 0;
}

static enum mn_status fail_count(struct csv_reader *reader)
{
    mn_fail(MN_TYPE, "the row has %zu field%s, not %zu", reader->field_count,
            reader->field_count == 1 ? "" : "s", reader->target_count);
    if (!reader->base.spec.options->header) {
        (void)mn_hint("name the columns that the file has: COPY t (a, b) FROM ...");
    }
    return mn_copy_row_failed(&reader->base, NULL);
}

static enum mn_status csv_next(struct mn_copy_reader *base, struct mn_arena *arena,
                               struct mn_copy_row *row)
{
    struct csv_reader *reader = (struct csv_reader *)base;
    enum mn_status status;

    do {
        status = record_read(reader);
        if (status || base->ended) return status;
    } while (reader->blank && reader->target_count != 1);
    if (reader->field_count != reader->target_count) return fail_count(reader);
    for (uint32_t i = 0; i < base->spec.column_count; i++) {
        row->values[i] = mn_null();
        row->given[i] = false;
    }
    for (size_t i = 0; i < reader->field_count; i++) {
        int32_t target = reader->targets[i];
        if (target == NOT_LOADED) continue;
        struct mn_csv_field *field = &reader->fields[i];
        row->given[target] = true;
        if (field_is_null(reader, field)) continue;
        field_unquote(reader, field);
        status =
            mn_copy_from_text(&base->spec, (uint32_t)target, arena, field, &row->values[target]);
        if (status) return mn_copy_row_failed(base, base->spec.columns[target].name);
    }
    return MN_OK;
}

static enum mn_status targets_by_position(struct csv_reader *reader)
{
    uint32_t count = reader->base.spec.column_count;

    reader->targets = mn_alloc(count * sizeof *reader->targets);
    if (!reader->targets) return mn_fail_nomem();
    for (uint32_t i = 0; i < count; i++) reader->targets[i] = (int32_t)i;
    reader->target_count = count;
    return MN_OK;
}

/* The header names each field's column, once; every column of the list must be there. */
static enum mn_status targets_by_header(struct csv_reader *reader)
{
    const struct mn_copy_spec *spec = &reader->base.spec;
    enum mn_status status = record_read(reader);

    if (status) return status;
    if (reader->base.ended) {
        mn_fail(MN_TYPE, "the header is missing");
        return mn_copy_locate(&reader->base, NULL);
    }
    reader->targets = mn_alloc(reader->field_count * sizeof *reader->targets);
    if (!reader->targets) return mn_fail_nomem();
    reader->target_count = reader->field_count;
    for (size_t i = 0; i < reader->field_count; i++) {
        struct mn_csv_field *field = &reader->fields[i];
        field_unquote(reader, field);
        uint32_t column = mn_copy_find_column(spec, (const char *)field->text, field->length);
        reader->targets[i] = column == UINT32_MAX ? NOT_LOADED : (int32_t)column;
        if (column == UINT32_MAX) {
            if (spec->options->ignore_unknown) continue;
            mn_copy_unknown_column(&reader->base, (const char *)field->text, field->length);
            return mn_copy_locate(&reader->base, NULL);
        }
        for (size_t j = 0; j < i; j++) {
            if (reader->targets[j] != (int32_t)column) continue;
            mn_fail(MN_SCHEMA, "the header names column %s twice", spec->columns[column].name);
            return mn_copy_locate(&reader->base, NULL);
        }
    }
    return MN_OK;
}

/* COPY t (a, b): columns that the statement names must be in the file. */
static enum mn_status listed_columns_present(struct csv_reader *reader)
{
    const struct mn_copy_spec *spec = &reader->base.spec;

    for (uint32_t i = 0; spec->listed && i < spec->column_count; i++) {
        bool there = false;
        for (size_t j = 0; j < reader->target_count; j++) {
            there = there || reader->targets[j] == (int32_t)i;
        }
        if (there) continue;
        mn_fail(MN_SCHEMA, "the header has no column %s", spec->columns[i].name);
        return mn_copy_locate(&reader->base, NULL);
    }
    return MN_OK;
}

enum mn_status mn_copy_csv_open(const struct mn_copy_spec *spec, struct mn_copy_reader **out)
{
    struct csv_reader *reader = mn_zalloc(sizeof *reader);

    if (!reader) return mn_fail_nomem();
    reader->base = (struct mn_copy_reader){
        .next = csv_next, .close = csv_close, .spec = *spec, .by_line = true, .rows = -1};
    memset(reader->classes, MN_CSV_OTHER, sizeof reader->classes);
    reader->classes[0] = MN_CSV_ZERO;
    reader->classes['\n'] = MN_CSV_LINE_FEED;
    reader->classes['\r'] = MN_CSV_RETURN;
    reader->classes[spec->options->delimiter] = MN_CSV_DELIMITER;
    if (spec->options->quote) reader->classes[spec->options->quote] = MN_CSV_QUOTE;
    enum mn_status status = mn_copy_input_open(&reader->input, spec->path, true);
    if (!status && spec->options->header) {
        status = targets_by_header(reader);
        if (!status) status = listed_columns_present(reader);
    } else if (!status) {
        status = targets_by_position(reader);
    }
    if (status) {
        csv_close(&reader->base);
        return status;
    }
    *out = &reader->base;
    return MN_OK;
}
