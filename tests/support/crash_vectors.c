/*
 * crash_vectors: cells as rows with vectors, under a coded index whose clusters are tiny.
 *
 *   item  ROWS rows a cell: id = cell * ROWS + i, n = its value, v, kind, at = made of n and i
 *   near  a vector index over v: 25 rows make clusters, 13 in one cut it, 3 are given away; kind
 * and at are kept in it (CoverScan)
 *
 * Of half the values the rows first have another kind and time, which change in a statement of
 * their own, so that nothing of the index changes but what it covers.
 *
 * The rows of a cell lie near each other, so that a transaction of two or three cells cuts clusters
 * or gives them away. Every answer of NEAREST is compared with what brute force finds in the rows,
 * also where the filter is answered by what the index covers.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/handle.h"
#include "base/hash.h"
#include "index/vector/ann_inside.h"
#include "support/crash_sql.h"
#include "support/near.h"

enum { VECTOR_CELLS = 36, ROWS = 6, DIMS = 4, HEAPS = 6, ROWS_MAX = VECTOR_CELLS * ROWS };
enum { KIND_NULL = 4, KIND_MOST = 1 };
#define TIME_FIRST INT64_C(1600000000000000) /* 2020-09-13 12:26:40 */
#define TIME_LATE (TIME_FIRST + INT64_C(500000000))
#define FROM_ITEM "SELECT id, distance FROM item "

static const struct mn_ann_limits tiny = {.flat_max = 24,
                                          .cluster_max = 12,
                                          .cluster_min = 4,
                                          .cluster_rows = 8,
                                          .few_vectors = 4,
                                          .few_passing = 4};

static enum mn_status vectors_open(const struct place *place, struct handle *handle)
{
    mn_ann_limits = tiny;
    return sql_open(place, handle);
}

static enum mn_status vectors_make(struct handle *handle)
{
    return (enum mn_status)mn_exec(
        handle->db,
        "CREATE TABLE item (id INT PRIMARY KEY, n INT NOT NULL, v VECTOR(4) NOT NULL, kind INT,"
        " at TIMESTAMP);"
        "CREATE INDEX near ON item (v) USING vector"
        " WITH (metric = l2, cover = (kind), time = at)",
        NULL, NULL);
}

/* ---- rows ---- */

/* Whole numbers: distances are exact, and some are equal. */
static void vector_of(uint64_t value, uint32_t i, float vector[DIMS])
{
    uint64_t heap = value % HEAPS, jitter = mn_hash_mix(value, i + 1);

    for (uint32_t d = 0; d < DIMS; d++) {
        vector[d] = (float)(heap * (d + 3) * 7 % 40 + (value >> 8 * d & 7) + (jitter >> 4 * d & 3));
    }
}

/* Values are odd. */
static bool changes_later(uint64_t value)
{
    return (value & 2) != 0;
}

/* Below KIND_NULL; that: NULL. */
static int64_t kind_of(uint64_t value, uint32_t i)
{
    return (int64_t)(mn_hash_mix(value, i + 100) % (KIND_NULL + 1));
}

static int64_t time_of(uint64_t value, uint32_t i)
{
    return TIME_FIRST + (int64_t)(mn_hash_mix(value, i + 200) % 1000) * 1000000;
}

static int covered_bind(mn_stmt *stmt, int first, uint64_t value, uint32_t i)
{
    int64_t kind = kind_of(value, i);
    int status = kind == KIND_NULL ? mn_bind_null(stmt, first) : mn_bind_int(stmt, first, kind);

    return status ? status : mn_bind_time(stmt, first + 1, time_of(value, i));
}

/* Of a statement with parameters for the row's id, its value, its vector, and what is covered; with
 * fewer for id and value, and with some between for id and what is covered. */
static enum mn_status row_run(mn_stmt *stmt, uint32_t cell, uint64_t value, uint32_t i)
{
    uint64_t other = changes_later(value) ? value + 1 : value;
    float vector[DIMS];
    int count = mn_param_count(stmt), status = mn_bind_int(stmt, 1, (int64_t)cell * ROWS + i);

    vector_of(value, i, vector);
    if (!status && count == 3) status = covered_bind(stmt, 2, value, i);
    if (!status && count != 3) status = mn_bind_int(stmt, 2, (int64_t)value);
    if (!status && count == 5) status = mn_bind_vector(stmt, 3, vector, DIMS, 0);
    if (!status && count == 5) status = covered_bind(stmt, 4, other, i);
    if (!status) status = mn_step(stmt);
    if (status == MN_DONE) status = mn_reset(stmt);
    return (enum mn_status)status;
}

static enum mn_status rows_run(struct handle *handle, const char *sql, uint32_t cell,
                               uint64_t value)
{
    mn_stmt *stmt = NULL;
    int status = mn_prepare(handle->db, sql, MN_ALL, &stmt, NULL);

    for (uint32_t i = 0; i < ROWS && !status; i++) status = (int)row_run(stmt, cell, value, i);
    (void)mn_finalize(stmt);
    return (enum mn_status)status;
}

static enum mn_status vectors_set(struct handle *handle, uint32_t cell, uint64_t value,
                                  uint32_t bytes)
{
    static const char insert[] = "INSERT INTO item VALUES ($1, $2, $3, $4, $5)";
    static const char update[] = "UPDATE item SET n = $2, v = $3, kind = $4, at = $5 WHERE id = $1";
    static const char covered[] = "UPDATE item SET kind = $2, at = $3 WHERE id = $1";
    static const char delete[] = "DELETE FROM item WHERE id = $1 AND n <> $2";
    enum mn_status status = rows_run(handle, value ? update : delete, cell, value);

    (void)bytes;
    if (status || !value) return status;
    if (mn_changes(handle->db) == 0) status = rows_run(handle, insert, cell, value);
    return status || !changes_later(value) ? status : rows_run(handle, covered, cell, value);
}

/* What brute force works on. */
struct rows {
    struct cells *cells;
    size_t count;
    int64_t ids[ROWS_MAX];
    float vectors[ROWS_MAX][DIMS];
    int64_t kinds[ROWS_MAX], times[ROWS_MAX];
};

/* What is covered, as the row has it and as the index should. */
static void covered_take(struct rows *rows, mn_stmt *row, uint64_t value, uint32_t i)
{
    bool null = mn_col_is_null(row, 3) != 0;

    rows->kinds[rows->count] = null ? KIND_NULL : mn_col_int(row, 3);
    rows->times[rows->count] = mn_col_time(row, 4);
    if (rows->kinds[rows->count] != kind_of(value, i)) rows->cells->wrong++;
    if (rows->times[rows->count] != time_of(value, i)) rows->cells->wrong++;
}

static int row_take(void *context, mn_stmt *row)
{
    struct rows *rows = context;
    struct cells *cells = rows->cells;
    int64_t id = mn_col_int(row, 0), cell = id / ROWS;
    uint64_t value = (uint64_t)mn_col_int(row, 1);
    size_t dims = 0;
    const float *have = mn_col_vector(row, 2, &dims);
    float vector[DIMS];

    if (id < 0 || cell >= VECTOR_CELLS || rows->count == ROWS_MAX || !have || dims != DIMS) {
        cells->wrong++;
        return 0;
    }
    vector_of(value, (uint32_t)(id % ROWS), vector);
    if (memcmp(vector, have, sizeof vector) != 0) cells->wrong++;
    if (id % ROWS != 0 && cells->value[cell] != value) cells->wrong++;
    covered_take(rows, row, value, (uint32_t)(id % ROWS));
    rows->ids[rows->count] = id;
    memcpy(rows->vectors[rows->count++], have, sizeof vector);
    cells->value[cell] = value;
    return 0;
}

/* ---- the nearest ---- */

struct way {
    const char *sql;
    bool exact;
    bool half, kinds, times; /* a condition on ids, on kinds, on times */
    size_t k;
};

struct answer {
    struct near found[ROWS_MAX];
    size_t count;
};

static int near_take(void *context, mn_stmt *row)
{
    struct answer *answer = context;

    if (answer->count == ROWS_MAX) return 1;
    answer->found[answer->count].id = mn_col_int(row, 0);
    answer->found[answer->count++].distance = mn_col_float(row, 1);
    return 0;
}

static bool row_passes(const struct rows *rows, size_t i, const struct way *way)
{
    return (!way->half || rows->ids[i] >= ROWS_MAX / 2) &&
           (!way->kinds || rows->kinds[i] <= KIND_MOST) &&
           (!way->times || rows->times[i] >= TIME_LATE);
}

static void brute_force(const struct rows *rows, const float query[DIMS], const struct way *way,
                        struct answer *answer)
{
    answer->count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        double sum = 0;

        for (int d = 0; d < DIMS; d++) {
            double apart = (double)rows->vectors[i][d] - (double)query[d];

            sum += apart * apart;
        }
        if (!row_passes(rows, i, way)) continue;
        answer->found[answer->count++] = (struct near){sqrt(sum), rows->ids[i]};
    }
    near_sort(answer->found, answer->count);
}

static bool near_is(const struct near *a, const struct near *b)
{
    return a->id == b->id && a->distance == b->distance;
}

/* Exact answers are those of brute force. Others are as many as there could be, in order, each with
 * its right distance. */
static bool answer_good(const struct answer *answer, const struct answer *wanted,
                        const struct way *way)
{
    size_t count = wanted->count < way->k ? wanted->count : way->k, at = 0;

    if (answer->count != count) return false;
    for (size_t i = 0; i < count; i++, at++) {
        while (!way->exact && at < wanted->count && !near_is(&answer->found[i], &wanted->found[at]))
            at++;
        if (at == wanted->count || !near_is(&answer->found[i], &wanted->found[at])) return false;
    }
    return true;
}

static enum mn_status ask(struct handle *handle, const struct rows *rows, const struct way *way,
                          const float query[DIMS])
{
    static struct answer answer, wanted;
    char sql[240];
    int status;

    answer.count = 0;
    snprintf(sql, sizeof sql, way->sql, (double)query[0], (double)query[1], (double)query[2],
             (double)query[3]);
    status = mn_exec(handle->db, sql, near_take, &answer);
    brute_force(rows, query, way, &wanted);
    if (!status && !answer_good(&answer, &wanted, way)) rows->cells->ghost++;
    return (enum mn_status)status;
}

/* Rows by the table, then what the index answers, beside brute force over these rows. */
static enum mn_status vectors_read(struct handle *handle, struct cells *cells)
{
    static const struct way ways[] = {
        {FROM_ITEM "NEAREST 5 TO [%g, %g, %g, %g] EXACT", .exact = true, .k = 5},
        {FROM_ITEM "NEAREST 5 TO [%g, %g, %g, %g] EFFORT 1", .k = 5},
        {FROM_ITEM "WHERE id >= 108 NEAREST 5 TO [%g, %g, %g, %g] EFFORT 2", .half = true, .k = 5},
        {FROM_ITEM "WHERE kind <= 1 NEAREST 216 TO [%g, %g, %g, %g] EFFORT 2", .kinds = true,
         .k = ROWS_MAX},
        {FROM_ITEM "WHERE at >= TIMESTAMP '2020-09-13 12:35:00' NEAREST 216 TO [%g, %g, %g, %g]",
         .times = true, .k = ROWS_MAX},
        {FROM_ITEM "WHERE kind <= 1 AND at >= TIMESTAMP '2020-09-13 12:35:00'"
                   " NEAREST 5 TO [%g, %g, %g, %g] EXACT",
         .exact = true, .kinds = true, .times = true, .k = 5}};
    static struct rows rows;
    float query[DIMS];
    int status;

    memset(cells, 0, sizeof *cells);
    rows.cells = cells;
    rows.count = 0;
    status = mn_exec(handle->db, "SELECT id, n, v, kind, at FROM item", row_take, &rows);
    for (uint32_t i = 0, whole = 0; i < VECTOR_CELLS && !status; i++) {
        whole += cells->value[i] ? ROWS : 0;
        if (i + 1 == VECTOR_CELLS && whole != rows.count) cells->wrong++;
    }
    if (!status && cells->wrong) return mn_fail(MN_ERROR, "%u rows are mixed", cells->wrong);
    vector_of(cells_print(cells), 0, query);
    for (size_t i = 0; i < sizeof ways / sizeof *ways && !status; i++) {
        status = (int)ask(handle, &rows, &ways[i], query);
    }
    return (enum mn_status)status;
}

/* Changes with every cut and merge: how many centroids there are, and the next one's number. */
static uint64_t vectors_form(struct handle *handle)
{
    struct mn_session *session = mn_enter(handle->db);
    const struct mn_schema *schema;
    uint64_t count = 0;
    uint32_t next = 0;
    struct mn_ann ann;

    if (!session || !session->writer || mn_schema_load(session->writer, &schema)) return 0;
    if (mn_ann_init(&ann, session->writer, &mn_schema_table(schema, "item", 4)->indexes[0]) ==
            MN_OK &&
        mn_slab_check(&ann.centroids, &count) == MN_OK && count > 0) {
        (void)mn_ann_next_cluster(&ann, &next);
    }
    mn_schema_unref(schema);
    return count << 32 | next;
}

const struct layer layer_vectors = {
    .name = 'v',
    .cells = VECTOR_CELLS,
    .run_bytes_max = 0,
    .open = vectors_open,
    .close = sql_close,
    .make = vectors_make,
    .begin = sql_begin,
    .set = vectors_set,
    .savepoint = sql_savepoint,
    .rollback = sql_rollback,
    .release = sql_release,
    .commit = sql_commit,
    .abort = sql_abort,
    .read = vectors_read,
    .check = sql_check,
    .form = vectors_form,
};
