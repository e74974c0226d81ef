/*
 * copy: rows from files and rows to files.
 *
 *     COPY t FROM 'f.csv'                              COPY (SELECT ...) TO 'f.npy'
 *
 *     copy_input -> scanner -> reader -> values        values -> writer -> stream
 *     blocks        csv, ndjson  csv, ndjson,                    csv, tsv, ndjson,
 *                                npy, fvecs                      npy, fvecs
 *
 * A reader gives one row after the other as typed values; a writer takes them. Neither knows tables
 * or transactions: copy_load.c and copy_save.c join them to the tables.
 */
#ifndef MN_QUERY_COPY_H
#define MN_QUERY_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "catalog/value.h"

enum mn_copy_format {
    MN_COPY_BY_SUFFIX = 0,
    MN_COPY_CSV,
    MN_COPY_TSV,
    MN_COPY_NDJSON,
    MN_COPY_NPY,
    MN_COPY_FVECS
};

/* What an integer counts in a TIMESTAMP column; the enumerators are nanoseconds. */
enum mn_copy_unit {
    MN_COPY_NO_UNIT = 0,
    MN_COPY_NANOSECONDS = 1,
    MN_COPY_MICROSECONDS = 1000,
    MN_COPY_MILLISECONDS = 1000000,
    MN_COPY_SECONDS = 1000000000
};

/* Zeroed and passed through mn_copy_options_init before the first mn_copy_option_set. */
struct mn_copy_options {
    enum mn_copy_format format;
    enum mn_copy_unit time_unit;
    bool header, has_header;
    bool has_delimiter, has_quote;
    uint8_t delimiter;
    uint8_t quote;    /* 0: no quoting */
    const char *null; /* the text that means NULL; NULL pointer: an empty unquoted field does */
    bool skip_errors;
    uint64_t errors_max; /* with skip_errors: more bad rows than that abort */
    bool ignore_unknown;
    bool upsert;
    bool match_order;
    const char *match; /* column that holds the row number in the file; NULL: none */
    bool half;         /* npy output as f16 */
};

enum mn_copy_option_kind {
    MN_COPY_OPTION_BARE,
    MN_COPY_OPTION_WORD,
    MN_COPY_OPTION_TEXT,
    MN_COPY_OPTION_INT
};

/* One `name [= value]` of WITH (...); text is NUL-terminated and lives as long as the options. */
struct mn_copy_option {
    const char *name;
    enum mn_copy_option_kind kind;
    const char *text; /* WORD, TEXT */
    int64_t number;   /* INT */
};

void mn_copy_options_init(struct mn_copy_options *options);
/* MN_SCHEMA with a hint for an unknown name, MN_TYPE for a value of the wrong kind. */
enum mn_status mn_copy_option_set(struct mn_copy_options *options,
                                  const struct mn_copy_option *option);
/*
 * When all are set: takes the format from the path where none is given, fills in what it implies
 * (header, delimiter, quote), and refuses options that do not fit it or the direction.
 */
enum mn_status mn_copy_options_finish(struct mn_copy_options *options, const char *path,
                                      bool reading);

struct mn_copy_column {
    const char *name;
    uint8_t type; /* enum mn_type */
    uint8_t elem; /* LIST: type of its elements */
    uint32_t dims;
};

/* What a reader or writer is opened for. Everything is borrowed and outlives it. */
struct mn_copy_spec {
    const char *path;
    const struct mn_copy_options *options;
    const struct mn_copy_column *columns; /* in the order of a row's values */
    uint32_t column_count;
    bool listed; /* the statement names the columns, so the file must have them */
};

/* One row read. Texts and vectors live until the next call of the reader or the arena's rewind. */
struct mn_copy_row {
    struct mn_value *values; /* one a column; the caller's array */
    bool *given; /* false: the file does not mention it, so the column's DEFAULT holds */
};

struct mn_copy_reader {
    enum mn_status (*next)(struct mn_copy_reader *, struct mn_arena *, struct mn_copy_row *);
    void (*close)(struct mn_copy_reader *);
    struct mn_copy_spec spec;
    bool ended;    /* set by next instead of filling a row */
    bool row_only; /* after a failed next: only that row is bad, next may be called again */
    bool by_line;  /* messages count lines, not rows */
    uint64_t line; /* first line (by_line) or number, from 1, of the last row */
    int64_t rows;  /* in the whole file, where the format says so; -1: unknown */
};

enum mn_status mn_copy_reader_open(const struct mn_copy_spec *spec, struct mn_copy_reader **reader);
void mn_copy_reader_close(struct mn_copy_reader *reader); /* NULL is harmless */

/* "data/commits.ndjson line 12" into text; for messages. */
enum { MN_COPY_PLACE_BYTES = 200 };
const char *mn_copy_place(const struct mn_copy_reader *reader, char text[MN_COPY_PLACE_BYTES]);

struct mn_copy_writer {
    enum mn_status (*row)(struct mn_copy_writer *, const struct mn_value *values);
    enum mn_status (*finish)(struct mn_copy_writer *);
    void (*close)(struct mn_copy_writer *);
    struct mn_copy_spec spec;
    uint64_t rows;
};

enum mn_status mn_copy_writer_open(const struct mn_copy_spec *spec, struct mn_copy_writer **writer);
/* Flushes and gives the file its name; without it, close leaves nothing behind. */
enum mn_status mn_copy_writer_finish(struct mn_copy_writer *writer);
void mn_copy_writer_close(struct mn_copy_writer *writer); /* NULL is harmless */

#endif
