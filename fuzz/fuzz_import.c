/*
 * fuzz_import: files of COPY FROM with any bytes in them.
 *
 * The first byte chooses format and options, the rest is the file. Rows must come or be refused by
 * a message; what comes is text in UTF-8, finite vectors of the column's length, and lists that
 * hold together. A bad row must not keep the reader at its place.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "catalog/json.h"
#include "catalog/list.h"
#include "fuzz.h"
#include "query/copy.h"

enum { COLUMNS = 8 };

static const struct mn_copy_column columns[COLUMNS] = {
    {.name = "a", .type = MN_TYPE_INT},
    {.name = "b", .type = MN_TYPE_TEXT},
    {.name = "c", .type = MN_TYPE_FLOAT},
    {.name = "d", .type = MN_TYPE_TIMESTAMP},
    {.name = "e", .type = MN_TYPE_VECTOR, .dims = 2},
    {.name = "f", .type = MN_TYPE_JSON},
    {.name = "g", .type = MN_TYPE_LIST, .elem = MN_TYPE_TEXT},
    {.name = "h", .type = MN_TYPE_BLOB},
};

static void value_check(const struct mn_copy_column *column, const struct mn_value *value)
{
    size_t bad;

    if (mn_is_null(value)) return;
    if (value->type != column->type) abort();
    if (value->type == MN_TYPE_TEXT && !mn_utf8_check(value->p, value->size, &bad)) abort();
    if (value->type == MN_TYPE_JSON && mn_json_check(value->p, value->size)) abort();
    if (value->type == MN_TYPE_LIST && !mn_list_check(value->p, value->size, MN_TYPE_TEXT)) abort();
    if (value->type == MN_TYPE_VECTOR) {
        const float *elements = value->p;
        if (value->size != column->dims) abort();
        if (!isfinite(elements[0]) || !isfinite(elements[1])) abort();
    }
}

static void rows_read(const struct mn_copy_spec *spec, size_t limit)
{
    struct mn_value values[COLUMNS];
    bool given[COLUMNS];
    struct mn_copy_row row = {.values = values, .given = given};
    struct mn_copy_reader *reader = NULL;
    struct mn_arena arena;
    size_t steps = 0;

    if (mn_copy_reader_open(spec, &reader)) return;
    mn_arena_init(&arena, 64 << 20);
    struct mn_arena_mark mark = mn_arena_mark(&arena);
    for (;;) {
        mn_arena_rewind(&arena, mark);
        enum mn_status status = reader->next(reader, &arena, &row);
        if (++steps > limit) abort(); /* every row takes a byte */
        if (status && !reader->row_only) break;
        if (status) continue;
        if (reader->ended) break;
        for (uint32_t i = 0; i < spec->column_count; i++) {
            if (given[i]) value_check(&spec->columns[i], &values[i]);
        }
    }
    mn_arena_release(&arena);
    mn_copy_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mn_copy_options options;
    char path[64];

    if (size < 1) return 0;
    int fd = memfd_create("import", MFD_CLOEXEC);
    if (fd < 0) return 0;
    if (write(fd, data + 1, size - 1) != (ssize_t)(size - 1) || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return 0;
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    mn_copy_options_init(&options);
    options.format = (enum mn_copy_format)(MN_COPY_CSV + data[0] % 5);
    bool fields = options.format == MN_COPY_CSV || options.format == MN_COPY_TSV;
    bool vectors = options.format == MN_COPY_NPY || options.format == MN_COPY_FVECS;
    if (fields && data[0] & 0x20) options.has_header = options.header = true;
    if (fields && data[0] & 0x40) options.null = "NA";
    if (!vectors && data[0] & 0x80) options.time_unit = MN_COPY_NANOSECONDS;
    if (options.format == MN_COPY_NDJSON && data[0] & 0x40) options.ignore_unknown = true;
    if (mn_copy_options_finish(&options, path, true)) abort();
    struct mn_copy_spec spec = {.path = path,
                                .options = &options,
                                .columns = vectors ? &columns[4] : columns,
                                .column_count = vectors ? 1 : COLUMNS};
    rows_read(&spec, size + 2);
    close(fd);
    return 0;
}
