/*
 * copy_read: what the readers of the formats share.
 */
#include "query/copy_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "query/copy_convert.h"

enum mn_status mn_copy_reader_open(const struct mn_copy_spec *spec, struct mn_copy_reader **reader)
{
    *reader = NULL;
    switch (spec->options->format) {
    case MN_COPY_CSV:
    case MN_COPY_TSV: return mn_copy_csv_open(spec, reader);
    case MN_COPY_NDJSON: return mn_copy_ndjson_open(spec, reader);
    case MN_COPY_NPY: return mn_copy_npy_open(spec, reader);
    case MN_COPY_FVECS: return mn_copy_fvecs_open(spec, reader);
    case MN_COPY_BY_SUFFIX: break;
    }
    return mn_fail(MN_MISUSE, "COPY: options were not finished");
}

void mn_copy_reader_close(struct mn_copy_reader *reader)
{
    if (reader) reader->close(reader);
}

const char *mn_copy_place(const struct mn_copy_reader *reader, char text[MN_COPY_PLACE_BYTES])
{
    (void)snprintf(text, MN_COPY_PLACE_BYTES, "%.*s %s %llu", MN_COPY_PLACE_BYTES - 30,
                   reader->spec.path, reader->by_line ? "line" : "row",
                   (unsigned long long)reader->line);
    return text;
}

enum mn_status mn_copy_locate(const struct mn_copy_reader *reader, const char *column)
{
    struct mn_error before = *mn_error_last();
    char place[MN_COPY_PLACE_BYTES];

    mn_copy_place(reader, place);
    if (column) {
        mn_fail(before.code, "%s, column %s: %s", place, column, before.message);
    } else {
        mn_fail(before.code, "%s: %s", place, before.message);
    }
    if (before.hint[0]) (void)mn_hint("%s", before.hint);
    return before.code;
}

enum mn_status mn_copy_row_failed(struct mn_copy_reader *reader, const char *column)
{
    enum mn_status status = mn_copy_locate(reader, column);

    reader->row_only = status != MN_NOMEM;
    return status;
}

uint32_t mn_copy_find_column(const struct mn_copy_spec *spec, const char *name, size_t length)
{
    uint32_t folded = UINT32_MAX;

    for (uint32_t i = 0; i < spec->column_count; i++) {
        const char *have = spec->columns[i].name;
        if (strlen(have) != length) continue;
        if (memcmp(have, name, length) == 0) return i;
        if (folded == UINT32_MAX && strncasecmp(have, name, length) == 0) folded = i;
    }
    return folded;
}

enum mn_status mn_copy_unknown_column(const struct mn_copy_reader *reader, const char *name,
                                      size_t length)
{
    char excerpt[MN_COPY_EXCERPT_BYTES], list[160] = "";

    for (uint32_t i = 0; i < reader->spec.column_count; i++) {
        if (i > 0) strncat(list, ", ", sizeof list - strlen(list) - 1);
        strncat(list, reader->spec.columns[i].name, sizeof list - strlen(list) - 1);
    }
    mn_fail(MN_SCHEMA, "no column is called \"%s\"", mn_copy_excerpt(name, length, excerpt));
    return mn_hint("the columns are %s; WITH (ignore_unknown) leaves others out", list);
}
