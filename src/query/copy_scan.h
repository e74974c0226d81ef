/*
 * copy_scan: the scanners of COPY's text formats; grammar/csv.re and grammar/ndjson.re.
 *
 * Both work on bytes that are followed by a zero byte. Neither allocates, converts or reports: they
 * say what lies where, and the readers make values and messages of it.
 */
#ifndef MN_QUERY_COPY_SCAN_H
#define MN_QUERY_COPY_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The classes to which a file's delimiter and quote map each byte; the csv scanner sees only these.
 */
enum mn_csv_class {
    MN_CSV_ZERO = 0,
    MN_CSV_DELIMITER = 1,
    MN_CSV_QUOTE = 2,
    MN_CSV_LINE_FEED = 3,
    MN_CSV_RETURN = 4,
    MN_CSV_OTHER = 5
};

enum mn_csv_token {
    MN_CSV_FIELD, /* a field that a delimiter ends */
    MN_CSV_LAST,  /* a field that the end of the line ends */
    MN_CSV_PAUSE, /* a field that a zero byte ends: the end of the block, of the file, or bad */
    MN_CSV_OPEN,  /* a quoted field in which a zero byte came before the closing quote */
    MN_CSV_STRAY_QUOTE, /* a quote inside an unquoted field */
    MN_CSV_AFTER_QUOTE  /* bytes between a closing quote and the delimiter */
};

struct mn_csv_field {
    const uint8_t *text; /* without the outer quotes; doubled quotes are still double */
    size_t length;
    bool quoted;
};

/* Scans one field from *at, which then stands behind its delimiter (PAUSE, OPEN: on the zero). */
enum mn_csv_token mn_csv_scan(const uint8_t classes[256], const uint8_t **at,
                              struct mn_csv_field *field);

enum mn_copy_token {
    MN_COPY_END, /* a line feed or a zero byte; the cursor stays on it */
    MN_COPY_OBJECT_OPEN,
    MN_COPY_OBJECT_CLOSE,
    MN_COPY_ARRAY_OPEN,
    MN_COPY_ARRAY_CLOSE,
    MN_COPY_COMMA,
    MN_COPY_COLON,
    MN_COPY_STRING, /* text and length without the quotes; `escaped` if a backslash is inside */
    MN_COPY_INTEGER,
    MN_COPY_FRACTION, /* a number with a point or an exponent */
    MN_COPY_TRUE,
    MN_COPY_FALSE,
    MN_COPY_NULL,
    MN_COPY_UNCLOSED, /* a string that the end of the line cuts */
    MN_COPY_BAD
};

struct mn_copy_lexeme {
    enum mn_copy_token token;
    const uint8_t *text;
    size_t length;
    bool escaped;
};

/* The next token from *at, which then stands behind it. */
void mn_copy_json_scan(const uint8_t **at, struct mn_copy_lexeme *lexeme);

#endif
