/*
 * bench_statements: prepared statements beside SQLite, and two reading threads beside one.
 *
 * Both engines hold 1 M rows (id, kind, level, body of 100 bytes), loaded, closed and opened again.
 * SQLite has a rowid table, ANALYZE, prepared statements, a cache of 256 MiB, a map of 1 GiB, and
 * one read transaction around the work, as mneme has. The threads read random rows by mn_get, each
 * in a snapshot of its own; what is compared is the rate of two together with the rate of one.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/bench.h"
#include "support/pair.h"

enum { BODY_BYTES = 100, KINDS = 100, POINTS = 200000, THREAD_READS = 400000, THREADS = 2 };
static uint64_t rows = 1000000;

/* ---- the rows ---- */

struct row {
    int64_t kind;
    double level;
    char body[BODY_BYTES];
};

static void row_make(uint64_t id, struct row *row)
{
    uint64_t state = (id + 1) * UINT64_C(0x9E3779B97F4A7C15);

    row->kind = (int64_t)(bench_random(&state) % KINDS);
    row->level = (double)(bench_random(&state) % 100000) / 128;
    for (size_t i = 0; i < BODY_BYTES; i++) {
        row->body[i] = (char)('a' + (bench_random(&state) >> 60));
    }
}

static void ours_load(void)
{
    mn_load *load;

    must(mn_open(bench_path("s.mneme"), MN_CREATE, &db));
    must(mn_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, kind INT, level FLOAT, body TEXT)", NULL,
                 NULL));
    must(mn_load_begin(db, "t", NULL, 0, &load));
    for (uint64_t id = 0; id < rows; id++) {
        struct row row;

        row_make(id, &row);
        must(mn_load_row(
            load, (mn_datum[]){{.type = MN_TYPE_INT, .as.i = (int64_t)id},
                               {.type = MN_TYPE_INT, .as.i = row.kind},
                               {.type = MN_TYPE_FLOAT, .as.f = row.level},
                               {.type = MN_TYPE_TEXT, .length = BODY_BYTES, .as.p = row.body}}));
    }
    must(mn_load_end(load, 1));
    must(mn_close(db));
    must(mn_open(bench_path("s.mneme"), 0, &db));
}

static void theirs_open(void)
{
    lite_must(sqlite3_open(bench_path("s.sqlite"), &lite));
    lite_must(sqlite3_exec(lite,
                           "PRAGMA journal_mode=WAL; PRAGMA cache_size=-262144;"
                           "PRAGMA mmap_size=1073741824;"
                           "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, kind INT,"
                           " level REAL, body TEXT)",
                           NULL, NULL, NULL));
}

static void theirs_load(void)
{
    sqlite3_stmt *put;

    theirs_open();
    lite_must(sqlite3_exec(lite, "BEGIN", NULL, NULL, NULL));
    lite_must(sqlite3_prepare_v2(lite, "INSERT INTO t VALUES (?, ?, ?, ?)", -1, &put, NULL));
    for (uint64_t id = 0; id < rows; id++) {
        struct row row;

        row_make(id, &row);
        sqlite3_bind_int64(put, 1, (sqlite3_int64)id);
        sqlite3_bind_int64(put, 2, row.kind);
        sqlite3_bind_double(put, 3, row.level);
        sqlite3_bind_text(put, 4, row.body, BODY_BYTES, SQLITE_STATIC);
        lite_must(sqlite3_step(put));
        sqlite3_reset(put);
    }
    sqlite3_finalize(put);
    lite_must(
        sqlite3_exec(lite, "COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL));
    lite_must(sqlite3_close(lite));
    theirs_open();
}

/* ---- one row by its key ---- */

static uint64_t ours_points(void *context, int round)
{
    uint64_t random = (uint64_t)round + 7, sum = 0;
    mn_stmt *stmt;

    (void)context;
    must(mn_prepare(db, "SELECT body FROM t WHERE id = ?", MN_ALL, &stmt, NULL));
    must(mn_begin(db, MN_BEGIN_READ));
    for (int i = 0; i < POINTS; i++) {
        must(mn_bind_int(stmt, 1, (int64_t)(bench_random(&random) % rows)));
        bench_must(mn_step(stmt) == MN_ROW, "mneme: reading a row");
        sum += *(const uint8_t *)mn_col_blob(stmt, 0, NULL);
        must(mn_reset(stmt));
    }
    must(mn_commit(db));
    mn_finalize(stmt);
    bench_must(sum > 0, "mneme: summing");
    return POINTS;
}

static uint64_t theirs_points(void *context, int round)
{
    uint64_t random = (uint64_t)round + 7, sum = 0;
    sqlite3_stmt *stmt;

    (void)context;
    lite_must(sqlite3_prepare_v2(lite, "SELECT body FROM t WHERE id = ?", -1, &stmt, NULL));
    lite_must(sqlite3_exec(lite, "BEGIN", NULL, NULL, NULL));
    for (int i = 0; i < POINTS; i++) {
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)(bench_random(&random) % rows));
        bench_must(sqlite3_step(stmt) == SQLITE_ROW, "sqlite: reading a row");
        sum += *(const uint8_t *)sqlite3_column_blob(stmt, 0);
        sqlite3_reset(stmt);
    }
    lite_must(sqlite3_exec(lite, "COMMIT", NULL, NULL, NULL));
    sqlite3_finalize(stmt);
    bench_must(sum > 0, "sqlite: summing");
    return POINTS;
}

/* ---- groups ---- */

static const char grouping[] = "SELECT kind, count(*), sum(level), max(id) FROM t GROUP BY kind";
static double sums[2];

static uint64_t ours_groups(void *context, int round)
{
    mn_stmt *stmt;
    int groups = 0;

    (void)context;
    (void)round;
    sums[0] = 0;
    must(mn_prepare(db, grouping, MN_ALL, &stmt, NULL));
    while (mn_step(stmt) == MN_ROW) {
        sums[0] += mn_col_float(stmt, 2) + (double)mn_col_int(stmt, 3);
        groups++;
    }
    mn_finalize(stmt);
    bench_must(groups == KINDS, "mneme: grouping");
    return rows;
}

static uint64_t theirs_groups(void *context, int round)
{
    sqlite3_stmt *stmt;
    int groups = 0;

    (void)context;
    (void)round;
    sums[1] = 0;
    lite_must(sqlite3_prepare_v2(lite, grouping, -1, &stmt, NULL));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        sums[1] += sqlite3_column_double(stmt, 2) + (double)sqlite3_column_int64(stmt, 3);
        groups++;
    }
    sqlite3_finalize(stmt);
    bench_must(groups == KINDS && sums[0] == sums[1], "sqlite: grouping, the same sums");
    return rows;
}

/* ---- threads ---- */

static void *reader(void *context)
{
    static const char *const names[] = {"body"};
    uint64_t random = (uint64_t)(uintptr_t)context, sum = 0;
    mn_datum key = {.type = MN_TYPE_INT}, body;
    mn_fields row = {sizeof row, 1, names, &body};
    mn_snap *snap;

    must(mn_snapshot(db, 0, &snap));
    for (int i = 0; i < THREAD_READS; i++) {
        key.as.i = (int64_t)(bench_random(&random) % rows);
        must(mn_get(db, snap, "t", &key, 1, &row));
        sum += *(const uint8_t *)body.as.p;
    }
    mn_snapshot_end(snap);
    bench_must(sum > 0, "mneme: summing");
    return NULL;
}

static uint64_t readers_run(uintptr_t count, int round)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < count; i++) {
        void *seed = (void *)((uintptr_t)round * THREADS + i + 1);

        bench_must(pthread_create(&threads[i], NULL, reader, seed) == 0, "starting a thread");
    }
    for (uintptr_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
    return count * THREAD_READS;
}

static uint64_t two_readers(void *context, int round)
{
    (void)context;
    return readers_run(THREADS, round);
}

static uint64_t one_reader(void *context, int round)
{
    (void)context;
    return readers_run(1, round);
}

int main(int argc, char **argv)
{
    struct bench_row points = {
        "point query by bind and step",
        "1/s",
        1.2,
        {{"mneme", NULL, ours_points, NULL}, {"sqlite", NULL, theirs_points, NULL}},
        false};
    struct bench_row groups = {
        "group by over all rows",
        "rows/s",
        3.0,
        {{"mneme", NULL, ours_groups, NULL}, {"sqlite", NULL, theirs_groups, NULL}},
        false};
    struct bench_row threads = {
        "two reading threads",
        "1/s",
        1.8,
        {{"mneme, two", NULL, two_readers, NULL}, {"mneme, one", NULL, one_reader, NULL}},
        false};

    if (argc > 1) rows = strtoull(argv[1], NULL, 10);
    printf("mneme %s, sqlite %s; %" PRIu64 " rows\n", mn_version(), sqlite3_libversion(), rows);
    bench_machine_print(bench_folder());
    ours_load();
    theirs_load();
    bench_head_print();
    bench_row_run(&points);
    bench_row_run(&groups);
    bench_row_run(&threads);
    must(mn_close(db));
    lite_must(sqlite3_close(lite));
    return 0;
}
