/*
 * crash_vectors: cells as rows with vectors, under a coded index whose clusters are tiny.
 *
 *   item  ROWS rows a cell: id = cell * ROWS + i, n = its value, v = a vector of n and i
 *   near  a vector index over v: 25 rows make clusters, 13 in one cut it, 3 are given away
 *
 * The rows of a cell lie near each other, so that a transaction of two or three cells cuts clusters
 * or gives them away. Every answer of NEAREST is compared with what brute force finds in the rows.
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

enum { VECTOR_CELLS = 36, ROWS = 6, DIMS = 4, HEAPS = 6, K = 5, ROWS_MAX = VECTOR_CELLS * ROWS };

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
        "CREATE TABLE item (id INT PRIMARY KEY, n INT NOT NULL, v VECTOR(4) NOT NULL);"
        "CREATE INDEX near ON item (v) USING vector WITH (metric = l2)",
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

static enum mn_status row_run(mn_stmt *stmt, uint32_t cell, uint64_t value, uint32_t i)
{
    float vector[DIMS];
    int status = mn_bind_int(stmt, 1, (int64_t)cell * ROWS + i);

    vector_of(value, i, vector);
    if (!status) status = mn_bind_int(stmt, 2, (int64_t)value);
    if (!status && mn_param_count(stmt) > 2) status = mn_bind_vector(stmt, 3, vector, DIMS, 0);
    if (!status) status = mn_step(stmt);
    if (status == MN_DONE) status = mn_reset(stmt);
    return (enum mn_status)status;
}

static enum mn_status vectors_set(struct handle *handle, uint32_t cell, uint64_t value,
                                  uint32_t bytes)
{
    static const char insert[] = "INSERT INTO item VALUES ($1, $2, $3)";
    static const char update[] = "UPDATE item SET n = $2, v = $3 WHERE id = $1";
    static const char delete[] = "DELETE FROM item WHERE id = $1 AND n <> $2";
    mn_stmt *stmt = NULL;
    int status = mn_prepare(handle->db, value ? update : delete, MN_ALL, &stmt, NULL);

    (void)bytes;
    for (uint32_t i = 0; i < ROWS && !status; i++) status = (int)row_run(stmt, cell, value, i);
    (void)mn_finalize(stmt);
    if (status || !value || mn_changes(handle->db) > 0) return (enum mn_status)status;
    status = mn_prepare(handle->db, insert, MN_ALL, &stmt, NULL);
    for (uint32_t i = 0; i < ROWS && !status; i++) status = (int)row_run(stmt, cell, value, i);
    (void)mn_finalize(stmt);
    return (enum mn_status)status;
}

/* What brute force works on. */
struct rows {
    struct cells *cells;
    size_t count;
    int64_t ids[ROWS_MAX];
    float vectors[ROWS_MAX][DIMS];
};

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
    rows->ids[rows->count] = id;
    memcpy(rows->vectors[rows->count++], have, sizeof vector);
    cells->value[cell] = value;
    return 0;
}

/* ---- the nearest ---- */

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

static void brute_force(const struct rows *rows, const float query[DIMS], int64_t first,
                        struct answer *answer)
{
    answer->count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        double sum = 0;

        for (int d = 0; d < DIMS; d++) {
            double apart = (double)rows->vectors[i][d] - (double)query[d];

            sum += apart * apart;
        }
        if (rows->ids[i] < first) continue;
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
static bool answer_good(const struct answer *answer, const struct answer *wanted, bool exact)
{
    size_t count = wanted->count < K ? wanted->count : K, at = 0;

    if (answer->count != count) return false;
    for (size_t i = 0; i < count; i++, at++) {
        while (!exact && at < wanted->count && !near_is(&answer->found[i], &wanted->found[at]))
            at++;
        if (at == wanted->count || !near_is(&answer->found[i], &wanted->found[at])) return false;
    }
    return true;
}

static enum mn_status ask(struct handle *handle, const struct rows *rows, const char *how,
                          const float query[DIMS])
{
    static struct answer answer, wanted;
    bool exact = strstr(how, "EXACT") != NULL, half = strstr(how, "WHERE") != NULL;
    char sql[240];
    int status;

    answer.count = 0;
    snprintf(sql, sizeof sql, how, (double)query[0], (double)query[1], (double)query[2],
             (double)query[3]);
    status = mn_exec(handle->db, sql, near_take, &answer);
    brute_force(rows, query, half ? ROWS_MAX / 2 : 0, &wanted);
    if (!status && !answer_good(&answer, &wanted, exact)) rows->cells->ghost++;
    return (enum mn_status)status;
}

/* Rows by the table, then what the index answers, beside brute force over these rows. */
static enum mn_status vectors_read(struct handle *handle, struct cells *cells)
{
    static const char *const ways[] = {
        "SELECT id, distance FROM item NEAREST 5 TO [%g, %g, %g, %g] EXACT",
        "SELECT id, distance FROM item NEAREST 5 TO [%g, %g, %g, %g] EFFORT 1",
        "SELECT id, distance FROM item WHERE id >= 108 NEAREST 5 TO [%g, %g, %g, %g] EFFORT 2"};
    static struct rows rows;
    float query[DIMS];
    int status;

    memset(cells, 0, sizeof *cells);
    rows.cells = cells;
    rows.count = 0;
    status = mn_exec(handle->db, "SELECT id, n, v FROM item", row_take, &rows);
    for (uint32_t i = 0, whole = 0; i < VECTOR_CELLS && !status; i++) {
        whole += cells->value[i] ? ROWS : 0;
        if (i + 1 == VECTOR_CELLS && whole != rows.count) cells->wrong++;
    }
    if (!status && cells->wrong) return mn_fail(MN_ERROR, "%u rows are mixed", cells->wrong);
    vector_of(cells_print(cells), 0, query);
    for (size_t i = 0; i < sizeof ways / sizeof *ways && !status; i++) {
        status = (int)ask(handle, &rows, ways[i], query);
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
