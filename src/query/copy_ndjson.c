/*
 * copy_ndjson: rows of files with one JSON object a line.
 *
 * Keys come in the same order on nearly every line, so each key is first compared with the column
 * that followed the last one on the line before.
 */
#include <string.h>

#include "base/alloc.h"
#include "query/copy_convert.h"
#include "query/copy_read.h"

struct ndjson_reader {
    struct mn_copy_reader base;
    struct mn_copy_input input;
    uint32_t *after; /* column of the key that followed column i's; [count] is the first key's */
    const uint8_t *at;
};

static void ndjson_close(struct mn_copy_reader *base)
{
    struct ndjson_reader *reader = (struct ndjson_reader *)base;

    mn_copy_input_close(&reader->input);
    mn_dealloc(reader->after);
    mn_dealloc(reader);
}

/* Finds the next line that is not blank: [*start, *end), a line feed or the zero at *end. */
static enum mn_status line_read(struct ndjson_reader *reader, const uint8_t **start,
                                const uint8_t **end)
{
    struct mn_copy_input *input = &reader->input;
    size_t seen = 0;

    for (;;) {
        const uint8_t *from = input->data + input->at;
        size_t left = input->end - input->at;
        const uint8_t *feed = memchr(from + seen, '\n', left - seen);
        if (!feed && !input->ended) {
            seen = left;
            enum mn_status status = mn_copy_input_more(input);
            if (status) return status;
            continue;
        }
        reader->base.line = input->line;
        const uint8_t *stop = feed ? feed : from + left;
        input->at = (size_t)(stop - input->data) + (feed ? 1 : 0);
        input->line += feed != NULL;
        seen = 0;
        while (from < stop && (*from == ' ' || *from == '\t' || *from == '\r')) from++;
        if (from == stop && feed) continue;
        reader->base.ended = from == stop;
        *start = from;
        *end = stop;
        return MN_OK;
    }
}

static enum mn_status fail_line(struct ndjson_reader *reader, const struct mn_copy_lexeme *lexeme,
                                const char *expected)
{
    char excerpt[MN_COPY_EXCERPT_BYTES];

    if (lexeme->token == MN_COPY_END) {
        mn_fail(MN_SYNTAX, "the line ends where %s is expected", expected);
    } else if (lexeme->token == MN_COPY_UNCLOSED) {
        mn_fail(MN_SYNTAX, "the line ends inside a string");
    } else {
        mn_fail(MN_SYNTAX, "'%s' stands where %s is expected",
                mn_copy_excerpt(lexeme->text, lexeme->length, excerpt), expected);
    }
    return mn_copy_row_failed(&reader->base, NULL);
}

/* The column that a key names, or UINT32_MAX. `previous` is the column of the key before it. */
static enum mn_status key_find(struct ndjson_reader *reader, const struct mn_copy_lexeme *key,
                               struct mn_arena *arena, uint32_t previous, uint32_t *column)
{
    const struct mn_copy_spec *spec = &reader->base.spec;
    const char *name = NULL;
    size_t length = 0;
    uint32_t guess = reader->after[previous];

    enum mn_status status = mn_copy_json_string(key, arena, &name, &length);
    if (status) return mn_copy_row_failed(&reader->base, NULL);
    if (guess < spec->column_count && strlen(spec->columns[guess].name) == length &&
        memcmp(spec->columns[guess].name, name, length) == 0) {
        *column = guess;
        return MN_OK;
    }
    *column = mn_copy_find_column(spec, name, length);
    if (*column != UINT32_MAX) {
        reader->after[previous] = *column;
    } else if (!spec->options->ignore_unknown) {
        mn_copy_unknown_column(&reader->base, name, length);
        return mn_copy_row_failed(&reader->base, NULL);
    }
    return MN_OK;
}

/* "key": value, into its column. `lexeme` is the key; *previous becomes the column. */
static enum mn_status member_read(struct ndjson_reader *reader, struct mn_copy_lexeme *lexeme,
                                  struct mn_arena *arena, struct mn_copy_row *row,
                                  uint32_t *previous)
{
    const struct mn_copy_spec *spec = &reader->base.spec;
    uint32_t column = UINT32_MAX;

    if (lexeme->token != MN_COPY_STRING) return fail_line(reader, lexeme, "a key");
    enum mn_status status = key_find(reader, lexeme, arena, *previous, &column);
    if (status) return status;
    mn_copy_json_scan(&reader->at, lexeme);
    if (lexeme->token != MN_COPY_COLON) return fail_line(reader, lexeme, "a colon");
    mn_copy_json_scan(&reader->at, lexeme);
    if (column == UINT32_MAX) {
        status = mn_copy_skip_json(lexeme, &reader->at);
        return status ? mn_copy_row_failed(&reader->base, NULL) : MN_OK;
    }
    *previous = column;
    status = mn_copy_from_json(spec, column, arena, lexeme, &reader->at, &row->values[column]);
    if (status) return mn_copy_row_failed(&reader->base, spec->columns[column].name);
    row->given[column] = row->values[column].type != MN_TYPE_NULL;
    return MN_OK;
}

static enum mn_status ndjson_next(struct mn_copy_reader *base, struct mn_arena *arena,
                                  struct mn_copy_row *row)
{
    struct ndjson_reader *reader = (struct ndjson_reader *)base;
    const uint8_t *end = NULL;
    struct mn_copy_lexeme lexeme;
    uint32_t previous = base->spec.column_count;

    base->row_only = false;
    enum mn_status status = line_read(reader, &reader->at, &end);
    if (status || base->ended) return status;
    for (uint32_t i = 0; i < base->spec.column_count; i++) {
        row->values[i] = mn_null();
        row->given[i] = false;
    }
    mn_copy_json_scan(&reader->at, &lexeme);
    if (lexeme.token != MN_COPY_OBJECT_OPEN) return fail_line(reader, &lexeme, "{");
    mn_copy_json_scan(&reader->at, &lexeme);
    while (lexeme.token != MN_COPY_OBJECT_CLOSE) {
        status = member_read(reader, &lexeme, arena, row, &previous);
        if (status) return status;
        mn_copy_json_scan(&reader->at, &lexeme);
        if (lexeme.token == MN_COPY_OBJECT_CLOSE) break;
        if (lexeme.token != MN_COPY_COMMA) return fail_line(reader, &lexeme, "a comma or }");
        mn_copy_json_scan(&reader->at, &lexeme);
        if (lexeme.token == MN_COPY_OBJECT_CLOSE) return fail_line(reader, &lexeme, "a key");
    }
    mn_copy_json_scan(&reader->at, &lexeme);
    if (lexeme.token != MN_COPY_END) return fail_line(reader, &lexeme, "the end of the line");
    if (lexeme.text != end) {
        mn_fail(MN_TYPE, "a zero byte stands in the text");
        return mn_copy_row_failed(base, NULL);
    }
    return MN_OK;
}

enum mn_status mn_copy_ndjson_open(const struct mn_copy_spec *spec, struct mn_copy_reader **out)
{
    struct ndjson_reader *reader = mn_zalloc(sizeof *reader);

    if (!reader) return mn_fail_nomem();
    reader->base = (struct mn_copy_reader){
        .next = ndjson_next, .close = ndjson_close, .spec = *spec, .by_line = true, .rows = -1};
    reader->after = mn_alloc((spec->column_count + 1) * sizeof *reader->after);
    enum mn_status status = reader->after ? MN_OK : mn_fail_nomem();
    if (!status) status = mn_copy_input_open(&reader->input, spec->path, true);
    if (status) {
        ndjson_close(&reader->base);
        return status;
    }
    for (uint32_t i = 0; i <= spec->column_count; i++) {
        reader->after[i] = i < spec->column_count ? i + 1 : 0;
    }
    *out = &reader->base;
    return MN_OK;
}
