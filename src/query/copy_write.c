/*
 * copy_write: rows to csv, tsv and ndjson.
 */
#include "query/copy_write.h"

#include <string.h>

#include "base/alloc.h"
#include "catalog/json.h"
#include "os/stream.h"

enum mn_status mn_copy_output_open(struct mn_copy_output *output, const char *path)
{
    *output = (struct mn_copy_output){0};
    return mn_stream_create(path, &output->stream);
}

void mn_copy_output_close(struct mn_copy_output *output)
{
    mn_stream_close(output->stream);
    mn_buf_release(&output->bytes);
}

enum mn_status mn_copy_output_flush(struct mn_copy_output *output, bool always)
{
    if (!always && output->bytes.len < MN_COPY_FLUSH_BYTES) return MN_OK;
    enum mn_status status = mn_stream_write(output->stream, output->bytes.data, output->bytes.len);
    output->bytes.len = 0;
    return status;
}

enum mn_status mn_copy_write_locate(const struct mn_copy_writer *writer, uint32_t column)
{
    struct mn_error before = *mn_error_last();

    mn_fail(before.code, "%.150s row %llu, column %s: %s", writer->spec.path,
            (unsigned long long)writer->rows + 1, writer->spec.columns[column].name,
            before.message);
    if (before.hint[0]) (void)mn_hint("%s", before.hint);
    return before.code;
}

enum mn_status mn_copy_writer_open(const struct mn_copy_spec *spec, struct mn_copy_writer **writer)
{
    *writer = NULL;
    switch (spec->options->format) {
    case MN_COPY_CSV:
    case MN_COPY_TSV: return mn_copy_fields_create(spec, writer);
    case MN_COPY_NDJSON: return mn_copy_ndjson_create(spec, writer);
    case MN_COPY_NPY:
    case MN_COPY_FVECS: return mn_copy_vectors_create(spec, writer);
    case MN_COPY_BY_SUFFIX: break;
    }
    return mn_fail(MN_MISUSE, "COPY: options were not finished");
}

enum mn_status mn_copy_writer_finish(struct mn_copy_writer *writer)
{
    return writer->finish(writer);
}

void mn_copy_writer_close(struct mn_copy_writer *writer)
{
    if (writer) writer->close(writer);
}

struct text_writer {
    struct mn_copy_writer base;
    struct mn_copy_output output;
    struct mn_buf field; /* csv, tsv: the field before it is quoted */
    struct mn_buf *keys; /* ndjson: {"a": and ,"b": one a column */
};

static void text_close(struct mn_copy_writer *base)
{
    struct text_writer *writer = (struct text_writer *)base;

    mn_copy_output_close(&writer->output);
    mn_buf_release(&writer->field);
    for (uint32_t i = 0; writer->keys && i < base->spec.column_count; i++) {
        mn_buf_release(&writer->keys[i]);
    }
    mn_dealloc(writer->keys);
    mn_dealloc(writer);
}

static enum mn_status text_finish(struct mn_copy_writer *base)
{
    struct text_writer *writer = (struct text_writer *)base;
    enum mn_status status = mn_copy_output_flush(&writer->output, true);

    return status ? status : mn_stream_commit(writer->output.stream);
}

static enum mn_status text_create(const struct mn_copy_spec *spec, struct text_writer **out)
{
    struct text_writer *writer = mn_zalloc(sizeof *writer);

    *out = NULL;
    if (!writer) return mn_fail_nomem();
    writer->base =
        (struct mn_copy_writer){.finish = text_finish, .close = text_close, .spec = *spec};
    enum mn_status status = mn_copy_output_open(&writer->output, spec->path);
    if (status) {
        text_close(&writer->base);
        return status;
    }
    *out = writer;
    return MN_OK;
}

/* A field that must be told from NULL, or that would end early, stands in quotes. */
static bool field_needs_quotes(const struct text_writer *writer)
{
    const struct mn_copy_options *options = writer->base.spec.options;
    const uint8_t *text = writer->field.data;
    size_t length = writer->field.len;
    const char *null = options->null ? options->null : "";

    if (length == strlen(null) && (length == 0 || memcmp(null, text, length) == 0)) return true;
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) return true;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = text[i];
        if (c == '\n' || c == '\r' || c == options->delimiter) return true;
        if (options->quote && c == options->quote) return true;
    }
    return false;
}

static enum mn_status field_unfit(const struct text_writer *writer)
{
    const struct mn_copy_options *options = writer->base.spec.options;

    if (writer->field.len == 0 && !options->null) {
        mn_fail(MN_TYPE, "an empty text cannot be told from NULL without quotes");
        return mn_hint("say WITH (null = '\\N'), or WITH (quote)");
    }
    mn_fail(MN_TYPE, "the text has a delimiter or line end, or is the null text, and there are no "
                     "quotes");
    return mn_hint("say WITH (quote), or write csv or ndjson");
}

static enum mn_status field_put(struct text_writer *writer)
{
    struct mn_buf *out = &writer->output.bytes;
    uint8_t quote = writer->base.spec.options->quote;

    if (!field_needs_quotes(writer)) {
        return mn_buf_append(out, writer->field.data, writer->field.len);
    }
    if (!quote) return field_unfit(writer);
    enum mn_status status = mn_buf_reserve(out, 2 * writer->field.len + 2);
    if (status) return status;
    out->data[out->len++] = quote;
    for (size_t i = 0; i < writer->field.len; i++) {
        if (writer->field.data[i] == quote) out->data[out->len++] = quote;
        out->data[out->len++] = writer->field.data[i];
    }
    out->data[out->len++] = quote;
    return MN_OK;
}

static enum mn_status value_put(struct text_writer *writer, const struct mn_value *value)
{
    const char *null = writer->base.spec.options->null;

    if (mn_is_null(value)) return null ? mn_buf_text(&writer->output.bytes, null) : MN_OK;
    writer->field.len = 0;
    enum mn_status status = mn_value_format(value, &writer->field);
    return status ? status : field_put(writer);
}

static enum mn_status fields_row(struct mn_copy_writer *base, const struct mn_value *values)
{
    struct text_writer *writer = (struct text_writer *)base;
    uint32_t count = base->spec.column_count;

    for (uint32_t i = 0; i < count; i++) {
        enum mn_status status = value_put(writer, &values[i]);
        if (status) return mn_copy_write_locate(base, i);
        uint8_t end = i + 1 < count ? base->spec.options->delimiter : '\n';
        status = mn_buf_byte(&writer->output.bytes, end);
        if (status) return status;
    }
    base->rows++;
    return mn_copy_output_flush(&writer->output, false);
}

enum mn_status mn_copy_fields_create(const struct mn_copy_spec *spec, struct mn_copy_writer **out)
{
    struct text_writer *writer = NULL;
    enum mn_status status = text_create(spec, &writer);

    if (status) return status;
    writer->base.row = fields_row;
    for (uint32_t i = 0; spec->options->header && i < spec->column_count && !status; i++) {
        writer->field.len = 0;
        status = mn_buf_text(&writer->field, spec->columns[i].name);
        if (!status) status = field_put(writer);
        uint8_t end = i + 1 < spec->column_count ? spec->options->delimiter : '\n';
        if (!status) status = mn_buf_byte(&writer->output.bytes, end);
    }
    if (status) {
        text_close(&writer->base);
        return status;
    }
    *out = &writer->base;
    return MN_OK;
}

static enum mn_status ndjson_row(struct mn_copy_writer *base, const struct mn_value *values)
{
    struct text_writer *writer = (struct text_writer *)base;
    struct mn_buf *out = &writer->output.bytes;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < base->spec.column_count && !status; i++) {
        status = mn_buf_append(out, writer->keys[i].data, writer->keys[i].len);
        if (!status) status = mn_value_format_json(&values[i], out);
    }
    if (!status) status = mn_buf_append(out, "}\n", 2);
    if (status) return status;
    base->rows++;
    return mn_copy_output_flush(&writer->output, false);
}

/* How many columns before this one have its name. */
static uint32_t name_repeats(const struct mn_copy_spec *spec, uint32_t column)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < column; i++) {
        if (strcmp(spec->columns[i].name, spec->columns[column].name) == 0) count++;
    }
    return count;
}

/* The text between two values: a brace or comma, the quoted name (id, id_2, ...) and a colon. */
static enum mn_status key_make(const struct mn_copy_spec *spec, uint32_t column, struct mn_buf *key)
{
    struct mn_buf name = {0};
    uint32_t repeats = name_repeats(spec, column);

    enum mn_status status = mn_buf_text(&name, spec->columns[column].name);
    if (!status && repeats > 0) status = mn_buf_printf(&name, "_%u", repeats + 1);
    if (!status) status = mn_buf_byte(key, column == 0 ? '{' : ',');
    if (!status) status = mn_json_quote((const char *)name.data, name.len, key);
    if (!status) status = mn_buf_byte(key, ':');
    mn_buf_release(&name);
    return status;
}

enum mn_status mn_copy_ndjson_create(const struct mn_copy_spec *spec, struct mn_copy_writer **out)
{
    struct text_writer *writer = NULL;
    enum mn_status status = text_create(spec, &writer);

    if (status) return status;
    writer->base.row = ndjson_row;
    writer->keys = mn_zalloc((spec->column_count + 1) * sizeof *writer->keys);
    if (!writer->keys) status = mn_fail_nomem();
    for (uint32_t i = 0; i < spec->column_count && !status; i++) {
        status = key_make(spec, i, &writer->keys[i]);
    }
    if (status) {
        text_close(&writer->base);
        return status;
    }
    *out = &writer->base;
    return MN_OK;
}
