/*
 * value: one value of the language, how it compares, and what text it is.
 *
 * A value borrows its bytes: from the map, an arena, or the caller. It is 24 bytes and is copied by
 * assignment. Where a function makes new bytes, it takes the arena to make them in.
 */
#ifndef MN_CATALOG_VALUE_H
#define MN_CATALOG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

struct mn_value {
    uint8_t type; /* enum mn_type */
    uint8_t
        elem; /* LIST: enum mn_type of the elements, MN_TYPE_NULL in an empty or all-NULL list */
    uint16_t flags; /* 0; the query layer may use it while the value is its own */
    uint32_t size;  /* bytes of TEXT, BLOB, JSON and LIST; dimensions of VECTOR; else 0 */
    union {
        bool b;        /* BOOL */
        int64_t i;     /* INT; TIMESTAMP and DURATION in microseconds */
        double f;      /* FLOAT */
        const void *p; /* TEXT, BLOB, JSON, LIST: size bytes; VECTOR: size floats, 4-aligned */
        uint8_t uuid[16];
    };
};

/* A type with what belongs to it, as a column, a cast and a parameter have it. */
struct mn_kind {
    uint8_t type;  /* enum mn_type */
    uint8_t elem;  /* LIST: enum mn_type of the elements */
    uint32_t dims; /* VECTOR: dimensions, 0 where any number will do */
};

enum {
    MN_VECTOR_DIMS_LIMIT = 8192,
    MN_JSON_DEPTH_LIMIT = 100,     /* nesting of arrays and objects */
    MN_VALUE_BYTES_LIMIT = 1 << 30 /* of one TEXT, BLOB, JSON or LIST */
};

static inline struct mn_value mn_null(void)
{
    return (struct mn_value){.type = MN_TYPE_NULL};
}

static inline struct mn_value mn_bool(bool b)
{
    return (struct mn_value){.type = MN_TYPE_BOOL, .b = b};
}

static inline struct mn_value mn_int(int64_t i)
{
    return (struct mn_value){.type = MN_TYPE_INT, .i = i};
}

static inline struct mn_value mn_float(double f)
{
    return (struct mn_value){.type = MN_TYPE_FLOAT, .f = f};
}

static inline struct mn_value mn_timestamp(int64_t us)
{
    return (struct mn_value){.type = MN_TYPE_TIMESTAMP, .i = us};
}

static inline struct mn_value mn_duration(int64_t us)
{
    return (struct mn_value){.type = MN_TYPE_DURATION, .i = us};
}

/* TEXT, BLOB, JSON or LIST over bytes that outlive the value. */
static inline struct mn_value mn_bytes_value(enum mn_type type, const void *bytes, size_t size)
{
    return (struct mn_value){.type = (uint8_t)type, .size = (uint32_t)size, .p = bytes};
}

static inline struct mn_value mn_text(const char *text, size_t size)
{
    return mn_bytes_value(MN_TYPE_TEXT, text, size);
}

static inline struct mn_value mn_vector(const float *elements, uint32_t dims)
{
    return (struct mn_value){.type = MN_TYPE_VECTOR, .size = dims, .p = elements};
}

static inline struct mn_value mn_uuid(const uint8_t bytes[16])
{
    struct mn_value value = {.type = MN_TYPE_UUID};

    memcpy(value.uuid, bytes, 16);
    return value;
}

static inline bool mn_is_null(const struct mn_value *value)
{
    return value->type == MN_TYPE_NULL;
}

/* True for the types whose bytes lie behind p. */
static inline bool mn_type_has_bytes(uint8_t type)
{
    return type == MN_TYPE_TEXT || type == MN_TYPE_BLOB || type == MN_TYPE_VECTOR ||
           type == MN_TYPE_JSON || type == MN_TYPE_LIST;
}

/* The type as the language spells it: "INT", "VECTOR(3)", "TEXT[]". Static for mn_type_name;
 * mn_kind_name writes at most 32 bytes with the NUL and returns its argument. */
const char *mn_type_name(uint8_t type);
const char *mn_kind_name(const struct mn_kind *kind, char name[32]);

/* The kind that a type name of the language means, aliases included ("bigint", "varchar"); the name
 * is compared without regard to ASCII case. False: no such type. Lists and dimensions are the
 * caller's to add. */
bool mn_kind_find(const char *name, size_t length, struct mn_kind *kind);

/* A copy whose bytes lie in the arena (vectors 16-aligned). MN_NOMEM. */
enum mn_status mn_value_copy(struct mn_arena *arena, const struct mn_value *from,
                             struct mn_value *to);

/*
 * Comparison. INT compares with FLOAT exactly; NaN equals NaN and is above all; -0.0 equals 0.0;
 * TEXT and BLOB bytewise; lists element by element, the shorter first; JSON by value and only for
 * equality.
 */
enum { MN_ORDER_UNKNOWN = 2 };

/* SQL: *order is -1, 0, 1, or MN_ORDER_UNKNOWN where a NULL, also one within a list, decides. JSON
 * and VECTOR know only equality: 0, or 1 where they differ. MN_TYPE: the types do not compare.
 * MN_NOMEM: JSON. */
enum mn_status mn_value_compare(const struct mn_value *a, const struct mn_value *b, int *order);

/* A total order for sorting: as above, but NULL equals NULL and is above all, types that do not
 * compare order by type, JSON by its text, vectors by their elements. Never fails. */
int mn_value_order(const struct mn_value *a, const struct mn_value *b);

/* DISTINCT and GROUP BY: NULL is the same as NULL, INT 1 as FLOAT 1.0, JSON by value. Equal values
 * have equal hashes. MN_NOMEM: JSON. */
enum mn_status mn_value_same(const struct mn_value *a, const struct mn_value *b, bool *same);
enum mn_status mn_value_hash(const struct mn_value *value, uint64_t seed, uint64_t *hash);

/*
 * Text. The text of a value is what ::text gives, COPY writes to csv, and mn_value_parse reads
 * back to an equal value: 2026-11-20T00:00:00.000000Z, 1h30m, 0.1, NaN, true, \x00ff (blobs),
 * [1,2] (lists and vectors). NULL appends nothing. JSON forms: NULL, NaN and infinities are null;
 * times, durations and uuids are strings, blobs strings of base64.
 */
enum mn_status mn_value_format(const struct mn_value *value, struct mn_buf *out);
enum mn_status mn_value_format_json(const struct mn_value *value, struct mn_buf *out);

/* The shortest digits that read back as the same double; whole numbers keep ".0" ("1.0",
 * "1e+300"). Returns the length; at most 32 bytes, NUL-terminated. */
size_t mn_float_format(double f, char text[32]);
size_t mn_float32_format(float f, char text[32]);

enum { MN_TIMESTAMP_TEXT = 40, MN_DURATION_TEXT = 64, MN_UUID_TEXT = 37 };
size_t mn_timestamp_format(int64_t us, char text[MN_TIMESTAMP_TEXT]);
size_t mn_duration_format(int64_t us, char text[MN_DURATION_TEXT]);
size_t mn_uuid_format(const uint8_t uuid[16], char text[MN_UUID_TEXT]);

/* Reads a value of a kind from its text, NULL never. The bytes of TEXT and JSON are borrowed from
 * the text, those of others made in the arena. MN_TYPE or MN_RANGE with what was expected; no
 * place. */
enum mn_status mn_value_parse(const struct mn_kind *kind, const char *text, size_t length,
                              struct mn_arena *arena, struct mn_value *out);

/* The parsers by themselves; MN_TYPE or MN_RANGE. Blanks around are not allowed. */
enum mn_status mn_timestamp_parse(const char *text, size_t length, int64_t *us);
enum mn_status mn_duration_parse(const char *text, size_t length, int64_t *us); /* 1h30m */
enum mn_status mn_interval_parse(const char *text, size_t length,
                                 int64_t *us); /* 7 days 2 hours, and 1h30m */
enum mn_status mn_uuid_parse(const char *text, size_t length, uint8_t uuid[16]);
enum mn_status mn_int_parse(const char *text, size_t length, int64_t *i);
enum mn_status mn_float_parse(const char *text, size_t length, double *f);

/* TEXT must be UTF-8 without NUL. False: *bad is the offset of the first byte that is not. */
bool mn_utf8_check(const char *text, size_t length, size_t *bad);

/*
 * Casts. ::type and CAST: the matrix of docs/LANGUAGE.md; NULL stays NULL. Bytes may be borrowed
 * from `from`. MN_TYPE: no such cast; MN_RANGE: the value does not fit. mn_cast_exists answers at
 * prepare time.
 */
bool mn_cast_exists(const struct mn_kind *from, const struct mn_kind *to);
enum mn_status mn_value_cast(const struct mn_value *from, const struct mn_kind *to,
                             struct mn_arena *arena, struct mn_value *out);

/* What happens unasked on INSERT and between operands: INT to FLOAT, a list or blob to a VECTOR of
 * exactly its length, an empty list to any list; a value of the same kind as it is. And where
 * text_too: TEXT (a literal or a parameter) to TIMESTAMP, DURATION, UUID, JSON, VECTOR. MN_TYPE,
 * MN_RANGE. */
bool mn_assign_exists(const struct mn_kind *from, const struct mn_kind *to, bool text_too);
enum mn_status mn_value_assign(const struct mn_value *from, const struct mn_kind *to, bool text_too,
                               struct mn_arena *arena, struct mn_value *out);

/* The kind of a value. */
static inline struct mn_kind mn_value_kind(const struct mn_value *value)
{
    return (struct mn_kind){.type = value->type,
                            .elem = value->elem,
                            .dims = value->type == MN_TYPE_VECTOR ? value->size : 0};
}

/* FLOAT to INT, half to even. MN_RANGE. */
enum mn_status mn_float_to_int(double f, int64_t *i);

/* A uuid of version 7: 48 bits of milliseconds, then a counter and random bits. Ids made by one
 * process ascend strictly, by whichever thread and however the clock moves. */
enum mn_status mn_uuid7(int64_t now_us, const uint8_t random[10], uint8_t uuid[16]);

#endif
