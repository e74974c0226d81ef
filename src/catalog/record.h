/*
 * record: the columns of one row as bytes, each readable without the others.
 *
 *   0 head u16: bits 0-1 log2 of the offset width (1, 2, 4 bytes), bits 2-15 number of columns n
 *   2 NULL bits, one a column, in whole bytes: 1 is NULL
 *     ends: n offsets of that width, where each column's bytes end, counted from behind the last
 *     the columns' bytes, in order
 *
 * A brief record, of 1 to 31 columns of which all but the last end within 255 bytes:
 *
 *   0 head u8: bits 0-1 are 3; bit 2 NULL bits follow; bits 3-7 number of columns n
 *   1 NULL bits, as above, where bit 2 is set
 *     ends: n - 1 offsets of a byte; the last column ends with the record
 *     the columns' bytes, in order
 *
 *   BOOL       false: none, true: 01                 TEXT BLOB JSON   the bytes
 *   INT TIMESTAMP DURATION  0 to 8 bytes, little-endian, sign-extended     LIST   as in list.h
 *   FLOAT      none for 0.0, 4 bytes where f32 is the same, else 8         UUID   16 bytes
 *   VECTOR     none: a vector lies in its column's slab tree (index/vector); the record knows only
 *              whether it is NULL. An INT PRIMARY KEY is the row id and also takes no bytes.
 *
 * Bytes come from a file and are not trusted: nothing is read outside, and what does not fit is
 * MN_CORRUPT. A record may have fewer columns than its table (it is older than ADD COLUMN).
 */
#ifndef MN_CATALOG_RECORD_H
#define MN_CATALOG_RECORD_H

#include "base/bytes.h"
#include "catalog/value.h"

enum { MN_COLUMNS_MAX = 1000 };

/* The largest record: MN_TOOBIG past it. */
#define MN_RECORD_BYTES_MAX (UINT32_C(1) << 30)

/* What a writer may make; readers know both. MN_RECORD_ANY: brief where that is possible. */
enum mn_record_form { MN_RECORD_FULL, MN_RECORD_ANY };

/* Appends the record of n values. The column `row_id_column` (-1: none) and VECTORs leave presence
 * only. */
enum mn_status mn_record_encode(const struct mn_value *values, uint32_t n, int row_id_column,
                                enum mn_record_form form, struct mn_buf *out);

/* The same in two steps: how long the record will be and where its columns end, then its bytes. */
struct mn_record_shape {
    size_t size_bytes;
    uint32_t columns;
    unsigned width_log;
    bool brief, nulls; /* nulls: one of them is NULL */
    uint32_t ends[MN_COLUMNS_MAX];
};
enum mn_status mn_record_measure(const struct mn_value *values, uint32_t n, int row_id_column,
                                 enum mn_record_form form, struct mn_record_shape *shape);
/* Of the same values; `bytes` has room for shape->size_bytes. */
void mn_record_write(const struct mn_value *values, const struct mn_record_shape *shape,
                     uint8_t *bytes);

/* The same of records with few columns and 255 bytes of them, as most rows are, for loads. */
enum { MN_SHORT_COLUMNS_MAX = 8 };
struct mn_record_short {
    uint64_t ends; /* a byte each */
    uint32_t size_bytes;
    uint8_t columns, nulls;
    bool brief;
};
/* Rows of one table, one behind the other. */
struct mn_record_rows {
    const struct mn_value *values;
    size_t count;
    uint32_t columns;
    int row_id_column;
    enum mn_record_form form;
};
/* Of as many from the first on as are such records; how many those are. */
size_t mn_record_short_measure(const struct mn_record_rows *rows, struct mn_record_short *shapes);
void mn_record_short_write(const struct mn_value *values, const struct mn_record_short *shape,
                           uint8_t *bytes);

/* Number of columns in a record, 0 where it is damaged. */
uint32_t mn_record_columns(const void *record, size_t size);

/* Where column i lies in a record. */
enum mn_field_state { MN_FIELD_THERE, MN_FIELD_NULL, MN_FIELD_ABSENT, MN_FIELD_DAMAGED };
struct mn_field {
    const uint8_t *at;
    uint32_t size;
};

static inline uint32_t mn_record_offset(const uint8_t *ends, unsigned width_log, uint32_t i)
{
    if (width_log == 0) return ends[i];
    return width_log == 1 ? mn_get_u16(ends + 2 * (size_t)i) : mn_get_u32(ends + 4 * (size_t)i);
}

/* What the head says, with all but the ends themselves in its bounds. */
struct mn_record_head {
    uint32_t n;
    unsigned width_log;
    bool brief;
    const uint8_t *nulls, *ends; /* nulls: NULL where a brief record has none */
    const uint8_t *body;
    size_t body_bytes;
};

enum { MN_BRIEF_MARK = 3, MN_BRIEF_NULLS = 4, MN_BRIEF_SHIFT = 3, MN_BRIEF_COLUMNS_MAX = 31 };

static inline bool mn_record_head_get(const uint8_t *bytes, size_t size,
                                      struct mn_record_head *head)
{
    size_t nulls, bytes_before;

    if (size == 0 || size > MN_RECORD_BYTES_MAX) return false;
    head->brief = (bytes[0] & 3) == MN_BRIEF_MARK;
    if (head->brief) {
        head->n = bytes[0] >> MN_BRIEF_SHIFT;
        head->width_log = 0;
        nulls = bytes[0] & MN_BRIEF_NULLS ? (head->n + 7) / 8 : 0;
        head->nulls = nulls ? bytes + 1 : NULL;
        head->ends = bytes + 1 + nulls;
        bytes_before = nulls + head->n; /* the head and an end less than columns */
        if (head->n == 0 || size < bytes_before) return false;
    } else {
        unsigned word;

        if (size < 2) return false;
        word = mn_get_u16(bytes);
        head->n = word >> 2;
        head->width_log = word & 3;
        nulls = (head->n + 7) / 8;
        head->nulls = bytes + 2;
        head->ends = bytes + 2 + nulls;
        bytes_before = 2 + nulls + ((size_t)head->n << head->width_log);
        if (head->n > MN_COLUMNS_MAX || size < bytes_before) return false;
    }
    head->body = bytes + bytes_before;
    head->body_bytes = size - bytes_before;
    return true;
}

/* Where column i < n ends in the body; not checked against it. */
static inline uint32_t mn_record_end(const struct mn_record_head *head, uint32_t i)
{
    if (head->brief && i + 1 == head->n) return (uint32_t)head->body_bytes;
    return mn_record_offset(head->ends, head->width_log, i);
}

static inline bool mn_record_is_null(const struct mn_record_head *head, uint32_t i)
{
    return head->nulls && (head->nulls[i / 8] >> (i % 8) & 1) != 0;
}

/* The bytes of column i, in their bounds whatever the record says; NULLs and absent ones have none.
 */
static inline enum mn_field_state mn_record_field(const void *record, size_t size, uint32_t i,
                                                  struct mn_field *out)
{
    const uint8_t *bytes = (const uint8_t *)record;
    struct mn_record_head head;
    uint32_t begin, end;

    out->at = bytes;
    out->size = 0;
    if (!mn_record_head_get(bytes, size, &head)) return MN_FIELD_DAMAGED;
    if (i >= head.n) return MN_FIELD_ABSENT;
    begin = i ? mn_record_end(&head, i - 1) : 0;
    end = mn_record_end(&head, i);
    if (begin > end || end > head.body_bytes) return MN_FIELD_DAMAGED;
    if (mn_record_is_null(&head, i)) return begin == end ? MN_FIELD_NULL : MN_FIELD_DAMAGED;
    out->at = head.body + begin;
    out->size = end - begin;
    return MN_FIELD_THERE;
}

/* An INT, TIMESTAMP or DURATION of 0 to 8 bytes, sign-extended. */
static inline int64_t mn_record_int(const uint8_t *at, uint32_t size)
{
    uint64_t bits;

    if (size == 8) return (int64_t)mn_get_u64(at);
    if (size == 0) return 0;
    if (size >= 4) {
        bits = mn_get_u32(at) | (uint64_t)mn_get_u32(at + size - 4) << (8 * (size - 4));
    } else {
        bits = at[0] | (uint64_t)at[size / 2] << (8 * (size / 2)) |
               (uint64_t)at[size - 1] << (8 * (size - 1));
    }
    return (int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size);
}

/*
 * Reads column i as a kind; bytes are borrowed from the record. A column past the record's end is
 * NULL and *absent (may be NULL) is true. VECTOR: NULL, or a VECTOR of kind->dims with p NULL, for
 * the caller to fetch. The row id column is not asked here. MN_CORRUPT.
 */
enum mn_status mn_record_get(const void *record, size_t size, uint32_t i,
                             const struct mn_kind *kind, struct mn_value *out, bool *absent);

/* Checks a whole record against n kinds, text and JSON contents too; MN_CORRUPT says what is
 * wrong. */
enum mn_status mn_record_check(const void *record, size_t size, const struct mn_kind *kinds,
                               uint32_t n, int row_id_column);

#endif
