/*
 * bench_threads: durable commits of one row by several threads at once.
 *
 *     ./zigw build bench -Dtest-filter=bench_threads
 *
 * Each thread puts rows of 100 bytes at random keys of 200,000, each in a transaction of its own
 * that is on the disk before the next. mneme: one handle, mn_put. LMDB, default flags: one
 * environment. SQLite: WAL, synchronous = FULL, a connection for each thread that waits for its
 * turn. All do the same number of commits a round, shared by the threads; rounds alternate.
 */
#include <lmdb.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/bench.h"

enum { ROWS = 200000, COMMITS = 1920, THREADS_MOST = 32, BODY_BYTES = 100 };

static unsigned thread_count;
static mn_db *db;
static MDB_env *env;
static MDB_dbi dbi;
static sqlite3 *connections[THREADS_MOST];
static sqlite3_stmt *statements[THREADS_MOST];

static void body_fill(uint64_t number, char body[BODY_BYTES])
{
    for (unsigned i = 0; i < BODY_BYTES; i++) {
        body[i] = (char)('a' + ((number >> (i % 16)) + i) % 26);
    }
}

/* ---- one row, by one of the threads ---- */

typedef void (*put_fn)(unsigned thread, uint64_t key, const char *body);

static void mneme_put(unsigned thread, uint64_t key, const char *body)
{
    static const char *const names[] = {"id", "body"};
    mn_datum values[2] = {{.type = MN_TYPE_INT, .as.i = (int64_t)key},
                          {.type = MN_TYPE_TEXT, .length = BODY_BYTES, .as.p = body}};
    mn_fields row = {sizeof row, 2, names, values};

    (void)thread;
    bench_must(mn_put(db, "kv", &row, NULL) == MN_OK, "mneme: putting");
}

static void lmdb_put(unsigned thread, uint64_t key, const char *body)
{
    MDB_val k = {sizeof key, &key}, v = {BODY_BYTES, (void *)(uintptr_t)body};
    MDB_txn *txn;

    (void)thread;
    bench_must(mdb_txn_begin(env, NULL, 0, &txn) == MDB_SUCCESS, "lmdb: beginning");
    bench_must(mdb_put(txn, dbi, &k, &v, 0) == MDB_SUCCESS, "lmdb: putting");
    bench_must(mdb_txn_commit(txn) == MDB_SUCCESS, "lmdb: committing");
}

static void sqlite_put(unsigned thread, uint64_t key, const char *body)
{
    sqlite3_stmt *put = statements[thread];

    sqlite3_bind_int64(put, 1, (sqlite3_int64)key);
    sqlite3_bind_text(put, 2, body, BODY_BYTES, SQLITE_STATIC);
    bench_must(sqlite3_step(put) == SQLITE_DONE, "sqlite: putting");
    sqlite3_reset(put);
}

/* ---- files ---- */

static void mneme_open(void)
{
    char body[BODY_BYTES], sql[300];

    body_fill(0, body);
    snprintf(sql, sizeof sql,
             "CREATE TABLE kv (id INT PRIMARY KEY, body TEXT);"
             "INSERT INTO kv SELECT i, '%.*s' FROM generate_series(0, %d) g(i)",
             BODY_BYTES, body, ROWS - 1);
    bench_must(mn_open(bench_path("mneme"), MN_CREATE, &db) == MN_OK, "mneme: opening");
    bench_must(mn_exec(db, sql, NULL, NULL) == MN_OK, "mneme: filling");
}

static void lmdb_open(void)
{
    char body[BODY_BYTES];
    MDB_txn *txn;

    bench_must(mdb_env_create(&env) == MDB_SUCCESS, "lmdb: making");
    bench_must(mdb_env_set_mapsize(env, (size_t)1 << 30) == MDB_SUCCESS, "lmdb: sizing");
    bench_must(mdb_env_open(env, bench_path("lmdb"), MDB_NOSUBDIR, 0600) == MDB_SUCCESS,
               "lmdb: opening");
    bench_must(mdb_txn_begin(env, NULL, 0, &txn) == MDB_SUCCESS, "lmdb: beginning");
    bench_must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY | MDB_CREATE, &dbi) == MDB_SUCCESS,
               "lmdb: opening");
    for (uint64_t key = 0; key < ROWS; key++) {
        MDB_val k = {sizeof key, &key}, v = {BODY_BYTES, body};

        body_fill(key, body);
        bench_must(mdb_put(txn, dbi, &k, &v, MDB_APPEND) == MDB_SUCCESS, "lmdb: filling");
    }
    bench_must(mdb_txn_commit(txn) == MDB_SUCCESS, "lmdb: committing");
}

static void sqlite_open(void)
{
    static const char setup[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                "CREATE TABLE IF NOT EXISTS kv (id INTEGER PRIMARY KEY, body TEXT)";
    static const char fill[] =
        "INSERT INTO kv WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < "
        "199999) SELECT i, hex(zeroblob(50)) FROM n; PRAGMA wal_checkpoint(TRUNCATE)";

    for (unsigned i = 0; i < THREADS_MOST; i++) {
        bench_must(sqlite3_open(bench_path("sqlite"), &connections[i]) == SQLITE_OK,
                   "sqlite: opening");
        sqlite3_busy_timeout(connections[i], 60000);
        bench_must(sqlite3_exec(connections[i], setup, NULL, NULL, NULL) == SQLITE_OK,
                   "sqlite: setting up");
        if (i == 0) {
            bench_must(sqlite3_exec(connections[0], fill, NULL, NULL, NULL) == SQLITE_OK,
                       "sqlite: filling");
        }
        bench_must(sqlite3_prepare_v2(connections[i], "INSERT OR REPLACE INTO kv VALUES (?, ?)", -1,
                                      &statements[i], NULL) == SQLITE_OK,
                   "sqlite: preparing");
    }
}

static void files_close(void)
{
    bench_must(mn_close(db) == MN_OK, "mneme: closing");
    mdb_env_close(env);
    for (unsigned i = 0; i < THREADS_MOST; i++) {
        sqlite3_finalize(statements[i]);
        sqlite3_close(connections[i]);
    }
}

/* ---- the work ---- */

struct worker {
    pthread_t thread;
    unsigned number;
    uint64_t random;
    put_fn put;
};

static void *work(void *context)
{
    struct worker *worker = context;
    char body[BODY_BYTES];

    for (unsigned i = 0; i < COMMITS / thread_count; i++) {
        uint64_t random = bench_random(&worker->random);

        body_fill(random, body);
        worker->put(worker->number, random % ROWS, body);
    }
    return NULL;
}

static uint64_t commits(void *context, int round)
{
    put_fn put = *(const put_fn *)context;
    struct worker workers[THREADS_MOST];

    for (unsigned i = 0; i < thread_count; i++) {
        workers[i] = (struct worker){.number = i, .put = put};
        workers[i].random = (uint64_t)round * THREADS_MOST + i + 1;
        bench_must(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0,
                   "starting a thread");
    }
    for (unsigned i = 0; i < thread_count; i++) pthread_join(workers[i].thread, NULL);
    return COMMITS / thread_count * thread_count;
}

int main(void)
{
    static put_fn puts[3] = {mneme_put, lmdb_put, sqlite_put};
    static const unsigned counts[] = {1, 2, 4, 8, 16, 32};

    printf("mneme %s, %s, sqlite %s; durable commits of one row of %d bytes\n", mn_version(),
           mdb_version(NULL, NULL, NULL), sqlite3_libversion(), BODY_BYTES);
    bench_machine_print(bench_folder());
    mneme_open();
    lmdb_open();
    sqlite_open();
    bench_head_print();
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char what[64];
        struct bench_row row = {what,
                                "1/s",
                                0,
                                {{"mneme", NULL, commits, &puts[0]},
                                 {"lmdb", NULL, commits, &puts[1]},
                                 {"sqlite WAL", NULL, commits, &puts[2]}},
                                false};

        thread_count = counts[i];
        snprintf(what, sizeof what, "commits by %u thread%s", counts[i], counts[i] > 1 ? "s" : "");
        bench_row_run(&row);
    }
    files_close();
    return 0;
}
