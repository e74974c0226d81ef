/*
 * json: checked JSON text, asked without being taken apart.
 *
 * JSON is kept as the text that was given. A path step scans that text and borrows the part it
 * finds.
 */
#ifndef MN_CATALOG_JSON_H
#define MN_CATALOG_JSON_H

#include "catalog/value.h"

/* MN_TYPE with the offset of what is wrong: RFC 8259, valid UTF-8, no NUL escape, at most
 * MN_JSON_DEPTH_LIMIT deep. */
enum mn_status mn_json_check(const char *text, size_t length);

/* The kind of a checked JSON text: "object", "array", "string", "number", "boolean", "null". */
const char *mn_json_type(const struct mn_value *json);

/* json -> key, json -> index (from 0; negative counts from the end). NULL where there is none. The
 * last of duplicate keys wins. `json` is JSON; out borrows from it. */
enum mn_status mn_json_get_key(const struct mn_value *json, const char *key, size_t length,
                               struct mn_value *out);
enum mn_status mn_json_get_index(const struct mn_value *json, int64_t index, struct mn_value *out);

/* The TEXT of a JSON value as ->> gives it: strings without quotes and escapes, null as NULL, all
 * else as it is written. */
enum mn_status mn_json_text(const struct mn_value *json, struct mn_arena *arena,
                            struct mn_value *out);

/* json_set(json, path, value): path is '$.a.b[0]' or 'a.b[0]' or a plain key; missing keys are
 * added, index = length appends; a path through a scalar is MN_TYPE. The value is JSON. */
enum mn_status mn_json_set(const struct mn_value *json, const char *path, size_t length,
                           const struct mn_value *value, struct mn_arena *arena,
                           struct mn_value *out);

/* Any value as a JSON value, in the arena (JSON borrowed). */
enum mn_status mn_json_make(const struct mn_value *value, struct mn_arena *arena,
                            struct mn_value *out);

/* Members of an object and elements of an array, in the order of the text. */
struct mn_json_each {
    const char *at, *end;
    bool object;
    int64_t index;
};

/* Begins; a scalar has no members. */
void mn_json_each_begin(struct mn_json_each *each, const struct mn_value *json);
/* False: no more. key is TEXT, or INT for an array; both in the arena or borrowed. */
enum mn_status mn_json_each_next(struct mn_json_each *each, struct mn_arena *arena,
                                 struct mn_value *key, struct mn_value *value, bool *found);

/* Appends the form in which equal values have equal bytes: keys sorted and unique, numbers and
 * strings in one spelling. Numbers compare exactly, however many digits they have. MN_NOMEM. */
enum mn_status mn_json_canonical(const char *text, size_t length, struct mn_buf *out);

/* Appends the text as a JSON string with its quotes. */
enum mn_status mn_json_quote(const char *text, size_t length, struct mn_buf *out);

#endif
