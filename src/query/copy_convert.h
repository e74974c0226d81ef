/*
 * copy_convert: what a file says, as a value of a column's type.
 *
 * Failures are recorded without place: the reader that knows file, line and column puts them in
 * front. A value's text in a message is cut short by mn_copy_excerpt.
 */
#ifndef MN_QUERY_COPY_CONVERT_H
#define MN_QUERY_COPY_CONVERT_H

#include "query/copy.h"
#include "query/copy_scan.h"

/* A field of csv or tsv, which is not NULL. Bytes of TEXT and JSON are borrowed from the text. */
enum mn_status mn_copy_from_text(const struct mn_copy_spec *spec, uint32_t column,
                                 struct mn_arena *arena, const struct mn_csv_field *field,
                                 struct mn_value *out);

/* The JSON value whose first token was just scanned and which goes on at *at; *at moves behind it.
 * NULL for null. TEXT is borrowed from the line where nothing is escaped, JSON always. */
enum mn_status mn_copy_from_json(const struct mn_copy_spec *spec, uint32_t column,
                                 struct mn_arena *arena, const struct mn_copy_lexeme *first,
                                 const uint8_t **at, struct mn_value *out);

/* Moves *at behind the JSON value that begins with `first`, checking its grammar. */
enum mn_status mn_copy_skip_json(const struct mn_copy_lexeme *first, const uint8_t **at);

/* The text of a JSON string in the arena, or as it lies there when nothing is escaped. */
enum mn_status mn_copy_json_string(const struct mn_copy_lexeme *string, struct mn_arena *arena,
                                   const char **text, size_t *length);

/* At most 40 bytes of a text for a message, whole characters, with ... where it was cut. */
enum { MN_COPY_EXCERPT_BYTES = 48 };
const char *mn_copy_excerpt(const void *text, size_t length, char excerpt[MN_COPY_EXCERPT_BYTES]);

#endif
