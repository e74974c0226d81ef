/*
 * table: mneme's side: a table of vectors in a file that was closed and reopened, and questions.
 *
 *     plain      id, v
 *     filtered   id, ts (a second a row), part (the row's percent of the set), rnd, lab, v
 */
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { ROWS_A_COMMIT = 20000, SQL_BYTES = 2000 };

void ann_must(mn_db *db, int status, const char *what)
{
    const char *hint;

    if (status == MN_OK || status == MN_ROW || status == MN_DONE) return;
    hint = mn_error_hint(db);
    fflush(stdout);
    fprintf(stderr, "bench: %s: mneme: %s%s%s\n", what, mn_errmsg(db), *hint ? "; " : "", hint);
    exit(1);
}

mn_db *ann_open(const char *path, unsigned flags, uint64_t memory_limit)
{
    mn_options options = {.size = sizeof options, .flags = flags, .memory_limit = memory_limit};
    mn_db *db;

    ann_must(NULL, mn_open_with(path, &options, &db), path);
    ann_must(db, mn_exec(db, "PRAGMA threads = 1", NULL, NULL), "PRAGMA threads");
    return db;
}

void ann_exec(mn_db *db, const char *format, ...)
{
    char sql[SQL_BYTES];
    va_list list;

    va_start(list, format);
    vsnprintf(sql, sizeof sql, format, list);
    va_end(list);
    ann_must(db, mn_exec(db, sql, NULL, NULL), sql);
}

void ann_insert_begin(struct ann_insert *insert)
{
    const char *sql = insert->columns == ANN_PLAIN
                          ? "INSERT INTO t (id, v) VALUES (?, ?)"
                          : "INSERT INTO t (id, v, ts, part, rnd, lab) VALUES (?, ?, ?, ?, ?, ?)";

    if (!insert->dims) insert->dims = insert->set->dims;
    ann_must(insert->db, mn_prepare(insert->db, sql, MN_ALL, &insert->stmt, NULL), sql);
}

/* A row of the set and noise of a third of its length, the same for the same number. */
static const float *row_make(struct ann_insert *insert, size_t at)
{
    const float *vector = insert->set->base + at % insert->set->rows * insert->set->dims;
    uint64_t seed = at * 2654435769u + 1;
    double square = 0, size;

    if (!insert->made) insert->made = ann_memory(insert->set->dims * sizeof(float));
    for (size_t d = 0; d < insert->dims; d++) square += (double)vector[d] * (double)vector[d];
    /* Uniform in -1 .. 1 has a variance of a third. */
    size = sqrt(square / (double)insert->dims / 3);
    for (size_t d = 0; d < insert->dims; d++) {
        double noise = (double)(bench_random(&seed) >> 11) / 4503599627370496.0 - 1;

        insert->made[d] = vector[d] + (float)(noise * size);
    }
    return insert->made;
}

void ann_insert_row(struct ann_insert *insert, int64_t id, size_t at)
{
    const struct ann_set *set = insert->set;
    const float *vector =
        at < set->rows ? set->base + at * set->dims + insert->skip : row_make(insert, at);

    mn_bind_int(insert->stmt, 1, id);
    mn_bind_vector(insert->stmt, 2, vector, insert->dims, MN_STATIC);
    if (insert->columns == ANN_FILTERED) {
        mn_bind_time(insert->stmt, 3, (int64_t)at * 1000000);
        mn_bind_int(insert->stmt, 4, (int64_t)(at * 100 / set->rows));
        mn_bind_int(insert->stmt, 5, set->columns[at * 2]);
        mn_bind_int(insert->stmt, 6, set->columns[at * 2 + 1]);
    }
    ann_must(insert->db, mn_step(insert->stmt), "inserting a row");
    ann_must(insert->db, mn_reset(insert->stmt), "inserting a row");
}

void ann_insert_end(struct ann_insert *insert)
{
    mn_finalize(insert->stmt);
    insert->stmt = NULL;
    free(insert->made);
    insert->made = NULL;
}

void ann_table_make(struct ann_table *table, const struct ann_set *set, const char *name,
                    enum ann_columns columns, size_t count)
{
    struct ann_insert insert = {.set = set, .columns = columns};

    *table = (struct ann_table){.set = set};
    snprintf(table->path, sizeof table->path, "%s", bench_path(name));
    remove(table->path);
    insert.db = ann_open(table->path, MN_CREATE, 0);
    ann_exec(insert.db, "CREATE TABLE t (id INT PRIMARY KEY, %sv VECTOR(%zu))",
             columns == ANN_PLAIN ? "" : "ts TIMESTAMP, part INT, rnd INT, lab INT, ", set->dims);
    ann_insert_begin(&insert);
    for (size_t i = 0; i < count; i++) {
        if (i % ROWS_A_COMMIT == 0) ann_exec(insert.db, i ? "COMMIT; BEGIN" : "BEGIN");
        ann_insert_row(&insert, (int64_t)i, i);
    }
    if (count > 0) ann_exec(insert.db, "COMMIT");
    ann_insert_end(&insert);
    ann_must(insert.db, mn_close(insert.db), "closing");
    table->db = ann_open(table->path, 0, 0);
}

void ann_table_close(struct ann_table *table)
{
    mn_finalize(table->stmt);
    table->stmt = NULL;
    ann_must(table->db, mn_close(table->db), "closing");
    table->db = NULL;
}

void ann_table_reopen(struct ann_table *table)
{
    if (table->db) ann_table_close(table);
    table->db = ann_open(table->path, 0, 0);
}

void ann_table_ask(struct ann_table *table, const char *format, ...)
{
    char sql[SQL_BYTES];
    va_list list;

    va_start(list, format);
    vsnprintf(sql, sizeof sql, format, list);
    va_end(list);
    mn_finalize(table->stmt);
    ann_must(table->db, mn_prepare(table->db, sql, MN_ALL, &table->stmt, NULL), sql);
}

size_t ann_table_nearest(struct ann_table *table, size_t at, int32_t *ids)
{
    const struct ann_set *set = table->set;
    size_t count = 0;
    int status;

    mn_bind_vector(table->stmt, 1, set->query + at * set->dims, set->dims, MN_STATIC);
    while ((status = mn_step(table->stmt)) == MN_ROW) {
        bench_must(count < ANN_K, "finding no more than ten rows");
        ids[count] = (int32_t)mn_col_int(table->stmt, 0);
        table->distances[count++] = mn_col_float(table->stmt, 1);
    }
    ann_must(table->db, status, "searching");
    ann_must(table->db, mn_reset(table->stmt), "searching");
    for (size_t i = count; i < ANN_K; i++) ids[i] = -1;
    return count;
}

void ann_table_explain(struct ann_table *table, size_t at)
{
    const struct ann_set *set = table->set;
    char *text;

    mn_bind_vector(table->stmt, 1, set->query + at * set->dims, set->dims, MN_STATIC);
    text = mn_explain(table->stmt, 1);
    bench_must(text != NULL, "explaining");
    printf("%s\n", text);
    mn_free(text);
}

uint64_t ann_used_bytes(mn_db *db)
{
    mn_stats stats = {.size = sizeof stats};

    ann_must(db, mn_stat(db, &stats), "asking for statistics");
    return (stats.page_count - stats.free_pages) * stats.page_size;
}

void ann_file_copy(const char *from, const char *to)
{
    static char bytes[1 << 20];
    int in = open(from, O_RDONLY), out = open(to, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ssize_t some;

    bench_must(in >= 0 && out >= 0, "copying a file");
    while ((some = read(in, bytes, sizeof bytes)) > 0) {
        bench_must(write(out, bytes, (size_t)some) == some, "copying a file");
    }
    bench_must(some == 0 && fsync(out) == 0, "copying a file");
    close(in);
    close(out);
}
