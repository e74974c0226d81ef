/*
 * bench_rows: rows, commits, scans and time ranges through mneme.h, beside LMDB and SQLite.
 *
 * Every engine stores the same pairs: an integer key and 100 bytes, made before the clock starts.
 * mneme is called as a library of calls, as LMDB is: mn_load_batch, mn_get, mn_fetch, mn_put and
 * mn_delete, with PRAGMA threads = 1; what is out of order waits in its memory_limit of
 * 256 MiB, and more in a file; LMDB keeps a transaction in memory whole. LMDB runs twice, with its
 * default flags and with MDB_WRITEMAP; sorted loads append. SQLite has a cache of 256 MiB, a map of
 * 1 GiB, a rowid table, prepared statements and, where durability is compared, WAL with
 * synchronous=FULL. Reads run on files that were closed and opened again, a million of them a
 * round; the first 200,000 stand by themselves too, as mneme verifies each page when it meets it
 * first and LMDB verifies none. The floor under a commit is what its writes and its sync cost
 * without a database, on a file of the same size.
 *
 *         ./zigw build bench -Dtest-filter=bench_rows -- [ROWS] [PART ...]
 *
 * ROWS is 1,000,000, or 10,000,000 with MNEME_BENCH_DEEP=1. Parts are random, sorted (the loads),
 * size, reads, scan, commits, batches and deletes; without any, all of them run. Deletes take
 * 50,000 rows a round, so they need 250,000.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mneme.h"
#include "support/bench.h"
#include "support/floor.h"

enum { BODY_BYTES = 100, COMMITS = 1000, BATCHES = 20, BATCH_ROWS = 1000 };
enum { READS = 1000000, FIRST_READS = 200000, DELETES = 50000, DELETE_BATCH = 1000 };
enum { STREWN_PAGES = 1700, STREWN_SHARE = 16 };
enum { WARM_BYTES = 512 }; /* a row: what the files of all engines take, and a little more */
static const uint64_t map_bytes = UINT64_C(16) << 30;
static uint64_t rows = 1000000;
static uint64_t turn; /* of writes: no engine may find the row as it already is */
static char *bodies;  /* what loads store, row after row */

/* 100 letters that depend on the key and on how often it was written. */
static void body_fill(uint64_t key, uint64_t written, char body[BODY_BYTES + 1])
{
    uint64_t state = (key + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ (written + 1) * 77777;

    for (size_t i = 0; i < BODY_BYTES; i += 10) {
        uint64_t word = bench_random(&state);

        for (size_t k = 0; k < 10; k++) body[i + k] = (char)('a' + (word >> (6 * k) & 15));
    }
    body[BODY_BYTES] = '\0';
}

static void bodies_make(void)
{
    char body[BODY_BYTES + 1];

    bodies = malloc(rows * BODY_BYTES);
    bench_must(bodies != NULL, "making the rows");
    for (uint64_t i = 0; i < rows; i++) {
        body_fill(i, 0, body);
        memcpy(bodies + i * BODY_BYTES, body, BODY_BYTES);
    }
}

/* A permutation of 0 .. rows-1: rows is not a multiple of the odd factor. */
static uint64_t shuffled(uint64_t i)
{
    return i * UINT64_C(756839) % rows;
}

/* -- mneme --------------------------------------------------------------------------------------
 */

struct mneme {
    const char *file;
    mn_db *db;
    mn_stmt *scan;
    uint64_t random;
};

static void mn_must(struct mneme *m, int status)
{
    if (status == MN_OK || status == MN_ROW || status == MN_DONE) return;
    fprintf(stderr, "mneme: %s\n", mn_errmsg(m->db));
    exit(1);
}

static mn_stmt *mneme_prepare(struct mneme *m, const char *sql)
{
    mn_stmt *stmt;

    mn_must(m, mn_prepare(m->db, sql, MN_ALL, &stmt, NULL));
    return stmt;
}

static void mneme_open(struct mneme *m)
{
    mn_must(m, mn_open(bench_path(m->file), MN_CREATE, &m->db));
    mn_must(m, mn_exec(m->db,
                       "PRAGMA threads = 1;"
                       "CREATE TABLE IF NOT EXISTS kv (id INT PRIMARY KEY, body TEXT)",
                       NULL, NULL));
    m->scan = mneme_prepare(m, "SELECT id, body FROM kv ORDER BY id");
}

static void mneme_close(struct mneme *m)
{
    if (!m->db) return;
    mn_finalize(m->scan);
    mn_must(m, mn_close(m->db));
    m->db = NULL;
}

static const char *const names[] = {"id", "body"};

static void row_give(mn_datum values[2], uint64_t key, const char *body)
{
    values[0] = (mn_datum){.type = MN_TYPE_INT, .as.i = (int64_t)key};
    values[1] = (mn_datum){.type = MN_TYPE_TEXT, .length = BODY_BYTES, .as.p = body};
}

static void mneme_put(struct mneme *m, uint64_t key)
{
    char body[BODY_BYTES + 1];
    mn_datum values[2];
    mn_fields row = {sizeof row, 2, names, values};

    body_fill(key, turn++, body);
    row_give(values, key, body);
    mn_must(m, mn_put(m->db, "kv", &row, NULL));
}

static void mneme_load_prepare(void *context, int round)
{
    struct mneme *m = context;

    (void)round;
    mneme_close(m);
    unlink(bench_path(m->file));
    mneme_open(m);
}

/* Rows as columns, a thousand at a time: what a program has that loads many. */
static uint64_t mneme_load(struct mneme *m, bool sorted)
{
    static int64_t keys[BATCH_ROWS];
    static const void *texts[BATCH_ROWS];
    static uint32_t lengths[BATCH_ROWS];
    mn_array columns[2] = {
        {.size = sizeof *columns, .type = MN_TYPE_INT, .values = keys, .stride = sizeof *keys},
        {.size = sizeof *columns, .type = MN_TYPE_TEXT, .pointers = texts, .lengths = lengths}};
    mn_batch batch = {.size = sizeof batch, .count = 2, .columns = columns};
    mn_load *load;

    mn_must(m, mn_load_begin(m->db, "kv", NULL, 0, &load));
    for (uint64_t i = 0; i < rows; i += batch.rows) {
        batch.rows = rows - i < BATCH_ROWS ? rows - i : BATCH_ROWS;
        for (uint64_t k = 0; k < batch.rows; k++) {
            uint64_t key = sorted ? i + k : shuffled(i + k);

            keys[k] = (int64_t)key;
            texts[k] = bodies + key * BODY_BYTES;
            lengths[k] = BODY_BYTES;
        }
        mn_must(m, mn_load_batch(load, &batch));
    }
    mn_must(m, mn_load_end(load, 1));
    return rows;
}

static uint64_t mneme_load_sorted(void *context, int round)
{
    (void)round;
    return mneme_load(context, true);
}

static uint64_t mneme_load_random(void *context, int round)
{
    (void)round;
    return mneme_load(context, false);
}

static void mneme_reopen(void *context, int round)
{
    (void)round;
    mneme_close(context);
    mneme_open(context);
}

static uint64_t mneme_commits(void *context, int round)
{
    struct mneme *m = context;

    (void)round;
    for (int i = 0; i < COMMITS; i++) mneme_put(m, bench_random(&m->random) % rows);
    return COMMITS;
}

static uint64_t mneme_batches(void *context, int round)
{
    struct mneme *m = context;

    (void)round;
    for (int b = 0; b < BATCHES; b++) {
        mn_must(m, mn_begin(m->db, MN_BEGIN_WRITE));
        for (int i = 0; i < BATCH_ROWS; i++) mneme_put(m, bench_random(&m->random) % rows);
        mn_must(m, mn_commit(m->db));
    }
    return BATCHES * BATCH_ROWS;
}

static uint64_t mneme_read_many(struct mneme *m, uint64_t reads)
{
    uint64_t sum = 0;
    mn_datum key = {.type = MN_TYPE_INT}, body;
    mn_fields row = {sizeof row, 1, names + 1, &body};
    mn_snap *snap;

    mn_must(m, mn_snapshot(m->db, 0, &snap));
    for (uint64_t i = 0; i < reads; i++) {
        key.as.i = (int64_t)(bench_random(&m->random) % rows);
        mn_must(m, mn_get(m->db, snap, "kv", &key, 1, &row));
        sum += *(const uint8_t *)body.as.p;
    }
    mn_snapshot_end(snap);
    bench_must(sum > 0, "mneme: summing");
    return reads;
}

static uint64_t mneme_reads(void *context, int round)
{
    (void)round;
    return mneme_read_many(context, READS);
}

static uint64_t mneme_first_reads(void *context, int round)
{
    (void)round;
    return mneme_read_many(context, FIRST_READS);
}

static uint64_t mneme_scan(void *context, int round)
{
    struct mneme *m = context;
    uint64_t count = 0, sum = 0;
    mn_batch batch = {.size = sizeof batch};

    (void)round;
    while (mn_fetch(m->scan, &batch) == MN_ROW) {
        const int64_t *keys = batch.columns[0].values;
        const void *const *texts = batch.columns[1].pointers;

        for (size_t i = 0; i < batch.rows; i++) {
            sum += *(const uint8_t *)texts[i] + (uint64_t)keys[i];
        }
        count += batch.rows;
    }
    mn_must(m, mn_reset(m->scan));
    bench_must(count == rows && sum > 0, "mneme: scanning");
    return count;
}

static uint64_t mneme_deletes(void *context, int round)
{
    struct mneme *m = context;

    for (uint64_t i = 0; i < DELETES; i++) {
        mn_datum key = {.type = MN_TYPE_INT,
                        .as.i = (int64_t)shuffled((uint64_t)round * DELETES + i)};

        if (i % DELETE_BATCH == 0) mn_must(m, mn_begin(m->db, MN_BEGIN_WRITE));
        mn_must(m, mn_delete(m->db, "kv", &key, 1));
        if (i % DELETE_BATCH == DELETE_BATCH - 1) mn_must(m, mn_commit(m->db));
    }
    return DELETES;
}

/* -- LMDB ---------------------------------------------------------------------------------------
 */

struct lmdb {
    const char *file;
    unsigned flags;
    MDB_env *env;
    MDB_dbi dbi;
    uint64_t random;
};

static void lmdb_must(int status)
{
    if (status == MDB_SUCCESS) return;
    fprintf(stderr, "lmdb: %s\n", mdb_strerror(status));
    exit(1);
}

static MDB_txn *lmdb_begin(struct lmdb *l, unsigned flags)
{
    MDB_txn *txn;

    lmdb_must(mdb_txn_begin(l->env, NULL, flags, &txn));
    return txn;
}

static void lmdb_open(struct lmdb *l)
{
    MDB_txn *txn;

    lmdb_must(mdb_env_create(&l->env));
    lmdb_must(mdb_env_set_mapsize(l->env, map_bytes));
    lmdb_must(mdb_env_open(l->env, bench_path(l->file), MDB_NOSUBDIR | l->flags, 0600));
    txn = lmdb_begin(l, 0);
    lmdb_must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY | MDB_CREATE, &l->dbi));
    lmdb_must(mdb_txn_commit(txn));
}

static void lmdb_close(struct lmdb *l)
{
    if (l->env) mdb_env_close(l->env);
    l->env = NULL;
}

static void lmdb_put(struct lmdb *l, MDB_txn *txn, uint64_t key, unsigned flags)
{
    char body[BODY_BYTES + 1];
    MDB_val k = {sizeof key, &key}, v = {BODY_BYTES, body};

    body_fill(key, turn++, body);
    lmdb_must(mdb_put(txn, l->dbi, &k, &v, flags));
}

static void lmdb_load_one(struct lmdb *l, MDB_txn *txn, uint64_t key, unsigned flags)
{
    MDB_val k = {sizeof key, &key}, v = {BODY_BYTES, bodies + key * BODY_BYTES};

    lmdb_must(mdb_put(txn, l->dbi, &k, &v, flags));
}

static void lmdb_load_prepare(void *context, int round)
{
    struct lmdb *l = context;
    char lock[1100];

    (void)round;
    lmdb_close(l);
    snprintf(lock, sizeof lock, "%s-lock", bench_path(l->file));
    unlink(lock);
    unlink(bench_path(l->file));
    lmdb_open(l);
}

static uint64_t lmdb_load_sorted(void *context, int round)
{
    struct lmdb *l = context;
    MDB_txn *txn = lmdb_begin(l, 0);

    (void)round;
    for (uint64_t i = 0; i < rows; i++) lmdb_load_one(l, txn, i, MDB_APPEND);
    lmdb_must(mdb_txn_commit(txn));
    return rows;
}

static uint64_t lmdb_load_random(void *context, int round)
{
    struct lmdb *l = context;
    MDB_txn *txn = lmdb_begin(l, 0);

    (void)round;
    for (uint64_t i = 0; i < rows; i++) lmdb_load_one(l, txn, shuffled(i), 0);
    lmdb_must(mdb_txn_commit(txn));
    return rows;
}

static void lmdb_reopen(void *context, int round)
{
    (void)round;
    lmdb_close(context);
    lmdb_open(context);
}

static uint64_t lmdb_commits(void *context, int round)
{
    struct lmdb *l = context;

    (void)round;
    for (int i = 0; i < COMMITS; i++) {
        MDB_txn *txn = lmdb_begin(l, 0);

        lmdb_put(l, txn, bench_random(&l->random) % rows, 0);
        lmdb_must(mdb_txn_commit(txn));
    }
    return COMMITS;
}

static uint64_t lmdb_batches(void *context, int round)
{
    struct lmdb *l = context;

    (void)round;
    for (int b = 0; b < BATCHES; b++) {
        MDB_txn *txn = lmdb_begin(l, 0);

        for (int i = 0; i < BATCH_ROWS; i++) lmdb_put(l, txn, bench_random(&l->random) % rows, 0);
        lmdb_must(mdb_txn_commit(txn));
    }
    return BATCHES * BATCH_ROWS;
}

static uint64_t lmdb_read_many(struct lmdb *l, uint64_t reads)
{
    MDB_txn *txn = lmdb_begin(l, MDB_RDONLY);
    uint64_t sum = 0;

    for (uint64_t i = 0; i < reads; i++) {
        uint64_t key = bench_random(&l->random) % rows;
        MDB_val k = {sizeof key, &key}, v;

        lmdb_must(mdb_get(txn, l->dbi, &k, &v));
        sum += *(const uint8_t *)v.mv_data;
    }
    mdb_txn_abort(txn);
    bench_must(sum > 0, "lmdb: summing");
    return reads;
}

static uint64_t lmdb_reads(void *context, int round)
{
    (void)round;
    return lmdb_read_many(context, READS);
}

static uint64_t lmdb_first_reads(void *context, int round)
{
    (void)round;
    return lmdb_read_many(context, FIRST_READS);
}

static uint64_t lmdb_scan(void *context, int round)
{
    struct lmdb *l = context;
    MDB_txn *txn = lmdb_begin(l, MDB_RDONLY);
    MDB_cursor *cursor;
    MDB_val k, v;
    uint64_t count = 0, sum = 0;

    (void)round;
    lmdb_must(mdb_cursor_open(txn, l->dbi, &cursor));
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == MDB_SUCCESS) {
        uint64_t key;

        memcpy(&key, k.mv_data, sizeof key);
        sum += *(const uint8_t *)v.mv_data + key;
        count++;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    bench_must(count == rows && sum > 0, "lmdb: scanning");
    return count;
}

static uint64_t lmdb_deletes(void *context, int round)
{
    struct lmdb *l = context;
    MDB_txn *txn = NULL;

    for (uint64_t i = 0; i < DELETES; i++) {
        uint64_t key = shuffled((uint64_t)round * DELETES + i);
        MDB_val k = {sizeof key, &key};

        if (i % DELETE_BATCH == 0) txn = lmdb_begin(l, 0);
        lmdb_must(mdb_del(txn, l->dbi, &k, NULL));
        if (i % DELETE_BATCH == DELETE_BATCH - 1) lmdb_must(mdb_txn_commit(txn));
    }
    return DELETES;
}

/* -- SQLite -------------------------------------------------------------------------------------
 */

struct sqlite {
    const char *file;
    sqlite3 *db;
    sqlite3_stmt *put;
    uint64_t random;
};

static void sqlite_must(struct sqlite *s, int status)
{
    if (status == SQLITE_OK || status == SQLITE_ROW || status == SQLITE_DONE) return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(s->db));
    exit(1);
}

static void sqlite_open(struct sqlite *s)
{
    static const char setup[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                "PRAGMA cache_size=-262144; PRAGMA mmap_size=1073741824;"
                                "CREATE TABLE IF NOT EXISTS kv (id INTEGER PRIMARY KEY, body TEXT)";

    sqlite_must(s, sqlite3_open(bench_path(s->file), &s->db));
    sqlite_must(s, sqlite3_exec(s->db, setup, NULL, NULL, NULL));
    sqlite_must(
        s, sqlite3_prepare_v2(s->db, "INSERT OR REPLACE INTO kv VALUES (?, ?)", -1, &s->put, NULL));
}

static void sqlite_close(struct sqlite *s)
{
    if (!s->db) return;
    sqlite3_finalize(s->put);
    sqlite_must(s, sqlite3_close(s->db));
    s->db = NULL;
}

static void sqlite_put(struct sqlite *s, uint64_t key)
{
    char body[BODY_BYTES + 1];

    body_fill(key, turn++, body);
    sqlite3_bind_int64(s->put, 1, (sqlite3_int64)key);
    sqlite3_bind_text(s->put, 2, body, BODY_BYTES, SQLITE_STATIC);
    sqlite_must(s, sqlite3_step(s->put));
    sqlite3_reset(s->put);
}

static void sqlite_load(struct sqlite *s)
{
    sqlite_must(s, sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL));
    for (uint64_t i = 0; i < rows; i++) sqlite_put(s, i);
    sqlite_must(s, sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL));
    sqlite_must(s,
                sqlite3_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE); ANALYZE", NULL, NULL, NULL));
}

static uint64_t sqlite_commits(void *context, int round)
{
    struct sqlite *s = context;

    (void)round;
    for (int i = 0; i < COMMITS; i++) sqlite_put(s, bench_random(&s->random) % rows);
    return COMMITS;
}

/* -- the table ----------------------------------------------------------------------------------
 */

static struct mneme mneme = {.file = "kv.mneme", .random = 11};
static struct lmdb plain = {.file = "kv.lmdb", .random = 11};
static struct lmdb writemap = {.file = "kvw.lmdb", .flags = MDB_WRITEMAP, .random = 11};
static struct sqlite sqlite = {.file = "kv.sqlite", .random = 11};

typedef uint64_t (*work_fn)(void *context, int round);
typedef void (*prepare_fn)(void *context, int round);

static void row_run(const char *work, double bar, prepare_fn prepares[2], work_fn works[2])
{
    struct bench_row row = {work,
                            "1/s",
                            bar,
                            {{"mneme", prepares[0], works[0], &mneme},
                             {"lmdb", prepares[1], works[1], &plain},
                             {"lmdb wmap", prepares[1], works[1], &writemap}},
                            false};

    bench_row_run(&row);
}

static void sizes_print(void)
{
    struct bench_row row = {"bytes on disk after the load",
                            "MB",
                            1.0,
                            {{"mneme", NULL, NULL, NULL}, {"sqlite", NULL, NULL, NULL}},
                            true};

    mneme_close(&mneme);
    sqlite_open(&sqlite);
    sqlite_load(&sqlite);
    sqlite_close(&sqlite);
    bench_row_print(&row, (double)bench_file_bytes(bench_path(mneme.file)) / 1e6,
                    (double)bench_file_bytes(bench_path(sqlite.file)) / 1e6);
}

static void open_print(void)
{
    double start, opened;
    mn_datum key = {.type = MN_TYPE_INT, .as.i = 500}, body;
    mn_fields row = {sizeof row, 1, names + 1, &body};
    mn_snap *snap;

    mneme_close(&mneme);
    start = bench_now_s();
    mn_must(&mneme, mn_open(bench_path(mneme.file), 0, &mneme.db));
    opened = bench_now_s();
    mn_must(&mneme, mn_snapshot(mneme.db, 0, &snap));
    mn_must(&mneme, mn_get(mneme.db, snap, "kv", &key, 1, &row));
    printf("%-34s %-10s %14.3f   first answer %.3f ms (bars 1 and 5), byte %u\n",
           "open the file of all rows", "ms", (opened - start) * 1e3, (bench_now_s() - start) * 1e3,
           *(const uint8_t *)body.as.p);
    mn_snapshot_end(snap);
    mn_must(&mneme, mn_close(mneme.db));
    mneme.db = NULL;
    mneme_open(&mneme);
}

/* ---- the floor under a durable commit ---- */

/* Rounds of both alternate; the medians of all commits are compared. */
static void floor_print(void)
{
    static double ours[BENCH_ROUNDS * COMMITS], floor[BENCH_ROUNDS * COMMITS];
    struct floor_file file;
    double start, p50, least;

    floor_open(&file, bench_file_bytes(bench_path(mneme.file)));
    for (int i = 0; i < BENCH_ROUNDS * COMMITS; i++) {
        start = bench_now_s();
        mneme_put(&mneme, bench_random(&mneme.random) % rows);
        ours[i] = (bench_now_s() - start) * 1e6;
        if (i % COMMITS < COMMITS - 1) continue;
        for (int k = i + 1 - COMMITS; k <= i; k++) {
            start = bench_now_s();
            floor_commit(&file);
            floor[k] = (bench_now_s() - start) * 1e6;
        }
    }
    p50 = floor_median(ours, BENCH_ROUNDS * COMMITS);
    least = floor_median(floor, BENCH_ROUNDS * COMMITS);
    printf("%-34s %-10s %14.0f %14.0f %-10s %5.2fx  1.25 and less\n", "p50 of a commit of one row",
           "us", p50, least, "floor", p50 / least);
    floor_close(&file);
}

/* Why a batch stays in a part of the file: what the device takes for as many pages here and there.
 */
static void strewn_print(void)
{
    double all[BATCHES], part[BATCHES];
    struct floor_file file;

    floor_open(&file, bench_file_bytes(bench_path(mneme.file)));
    for (int i = 0; i < BATCHES; i++) {
        all[i] = floor_strewn(&file, STREWN_PAGES, file.pages) * 1e3;
        part[i] = floor_strewn(&file, STREWN_PAGES, file.pages / STREWN_SHARE) * 1e3;
    }
    printf("%d pages strewn over a file of the size and one fdatasync: %.1f ms; over a %dth of it: "
           "%.1f ms\n",
           STREWN_PAGES, floor_median(all, BATCHES), STREWN_SHARE, floor_median(part, BATCHES));
    floor_close(&file);
}

enum part { RANDOM, SORTED, SIZE, READ, SCAN, COMMIT, BATCH, DELETE, PARTS };
static bool wanted[PARTS];

/* The number of rows and the parts to run: all, unless some are named. */
static void arguments_read(int argc, char **argv)
{
    static const char *const words[PARTS] = {"random", "sorted",  "size",    "reads",
                                             "scan",   "commits", "batches", "deletes"};
    bool named = false;

    if (getenv("MNEME_BENCH_DEEP")) rows = 10000000;
    for (int i = 1; i < argc; i++) {
        uint64_t number = strtoull(argv[i], NULL, 10);
        bool known = number > 0;

        if (known) rows = number;
        for (int part = 0; part < PARTS; part++) {
            if (strcmp(argv[i], words[part]) == 0) wanted[part] = named = known = true;
        }
        bench_must(known, "reading the arguments: the head of bench_rows.c lists the parts; it");
    }
    for (int part = 0; part < PARTS; part++) wanted[part] |= !named;
    bench_must(!wanted[DELETE] || rows >= (uint64_t)DELETES * BENCH_ROUNDS,
               "deletes: 50,000 rows a round need 250,000; it");
}

static void commits_run(prepare_fn none[2])
{
    struct bench_row sqlite_row = {
        "durable commits of one row",
        "1/s",
        1.2,
        {{"mneme", NULL, mneme_commits, &mneme}, {"sqlite WAL", NULL, sqlite_commits, &sqlite}},
        false};

    row_run("durable commits of one row", 1.8, none, (work_fn[2]){mneme_commits, lmdb_commits});
    sqlite_open(&sqlite);
    bench_row_run(&sqlite_row);
    floor_print();
}

/* The rows as the parts after the loads need them, where no load was asked for. */
static void loads_make(void)
{
    struct lmdb *both[] = {&plain, &writemap};

    mneme_load_prepare(&mneme, 0);
    mneme_load_sorted(&mneme, 0);
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        lmdb_load_prepare(both[i], 0);
        lmdb_load_sorted(both[i], 0);
    }
}

static void parts_run(void)
{
    prepare_fn load[2] = {mneme_load_prepare, lmdb_load_prepare};
    prepare_fn reopen[2] = {mneme_reopen, lmdb_reopen}, none[2] = {NULL, NULL};

    if (wanted[RANDOM]) {
        row_run("bulk load, random order", 2.0, load,
                (work_fn[2]){mneme_load_random, lmdb_load_random});
    }
    if (wanted[SORTED]) {
        row_run("bulk load, sorted", 3.0, load, (work_fn[2]){mneme_load_sorted, lmdb_load_sorted});
    }
    if (!wanted[RANDOM] && !wanted[SORTED]) loads_make();
    if (wanted[SIZE]) {
        sizes_print();
        open_print();
    }
    if (wanted[READ]) {
        row_run("random point reads", 1.0, reopen, (work_fn[2]){mneme_reads, lmdb_reads});
        row_run("the first 200,000 after opening", 0, reopen,
                (work_fn[2]){mneme_first_reads, lmdb_first_reads});
    }
    if (wanted[SCAN]) {
        row_run("ordered scan", 1.0, reopen, (work_fn[2]){mneme_scan, lmdb_scan});
    }
    if (wanted[COMMIT]) commits_run(none);
    if (wanted[BATCH]) {
        row_run("durable batches of 1,000 puts", 1.2, none,
                (work_fn[2]){mneme_batches, lmdb_batches});
        strewn_print();
    }
    if (wanted[DELETE]) {
        row_run("deletes, batches of 1,000", 1.2, none, (work_fn[2]){mneme_deletes, lmdb_deletes});
    }
}

int main(int argc, char **argv)
{
    arguments_read(argc, argv);
    printf("mneme %s, %s, sqlite %s; %" PRIu64 " rows of %d bytes\n", mn_version(),
           mdb_version(NULL, NULL, NULL), sqlite3_libversion(), rows, BODY_BYTES);
    bench_machine_print(bench_folder());
    bodies_make();
    floor_warm(rows * WARM_BYTES);
    bench_head_print();
    parts_run();
    mneme_close(&mneme);
    lmdb_close(&plain);
    lmdb_close(&writemap);
    sqlite_close(&sqlite);
    free(bodies);
    return 0;
}
