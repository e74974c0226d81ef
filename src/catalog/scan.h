/*
 * scan: the scanners that re2c makes from grammar/json.re and timestamp.re.
 *
 * They read [text, end) and nothing behind it; a NUL is a byte that no rule accepts.
 */
#ifndef MN_CATALOG_SCAN_H
#define MN_CATALOG_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum mn_json_token {
    MN_JSON_BAD, /* the cursor stays */
    MN_JSON_END,
    MN_JSON_BLANK,
    MN_JSON_OBJECT,
    MN_JSON_OBJECT_END,
    MN_JSON_ARRAY,
    MN_JSON_ARRAY_END,
    MN_JSON_COLON,
    MN_JSON_COMMA,
    MN_JSON_NULL,
    MN_JSON_TRUE,
    MN_JSON_FALSE,
    MN_JSON_NUMBER,
    MN_JSON_STRING,        /* no escapes in it: the bytes between the quotes are the text */
    MN_JSON_STRING_ESCAPED /* with escapes */
};

/* The next token; the cursor moves behind it. */
enum mn_json_token mn_json_lex(const char **cursor, const char *end);

/* Where the parts of a timestamp begin; NULL: not there. */
struct mn_timestamp_parts {
    const char *day;      /* two digits; "MM-" before it, and before that "YYYY-" or more digits */
    const char *time;     /* HH:MM */
    const char *seconds;  /* SS */
    const char *fraction; /* digits to fraction_end */
    const char *fraction_end;
    const char *zone; /* Z, UTC, +HH, +HHMM or +HH:MM, to the end */
};

/* False: the whole text has not the form of a timestamp. Ranges are not looked at. */
bool mn_timestamp_scan(const char *text, size_t length, struct mn_timestamp_parts *parts);

enum mn_duration_token {
    MN_DURATION_BAD,
    MN_DURATION_END,
    MN_DURATION_NUMBER,
    MN_DURATION_FRACTION,
    MN_DURATION_SIGN,
    MN_DURATION_BLANK,
    MN_DURATION_W, /* short units, largest first */
    MN_DURATION_D,
    MN_DURATION_H,
    MN_DURATION_M,
    MN_DURATION_S,
    MN_DURATION_MS,
    MN_DURATION_US,
    MN_DURATION_WEEKS, /* full names, in the same order */
    MN_DURATION_DAYS,
    MN_DURATION_HOURS,
    MN_DURATION_MINUTES,
    MN_DURATION_SECONDS,
    MN_DURATION_MILLISECONDS,
    MN_DURATION_MICROSECONDS,
    MN_DURATION_CALENDAR /* months and years, which have no fixed length */
};

enum mn_duration_token mn_duration_scan(const char **cursor, const char *end);

#endif
