/*
 * sqlite: sqlite-vec as a peer: a vec0 table in a file, filtered by its own metadata columns.
 *
 * It has no approximate index: every search is a scan. The extension is the one of the Python
 * package, loaded into the system's SQLite. Unlike an index that is opened, the table is made anew
 * by each run; cosine is over the vectors as they are.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ann/ann.h"
#include "support/bench.h"

struct ann_sqlite {
    sqlite3 *db;
    sqlite3_stmt *stmts[3];
    const struct ann_set *set;
};

static void sqlite_must(struct ann_sqlite *peer, int status)
{
    if (status == SQLITE_OK || status == SQLITE_ROW || status == SQLITE_DONE) return;
    fprintf(stderr, "bench: sqlite-vec: %s\n", sqlite3_errmsg(peer->db));
    exit(1);
}

static void rows_insert(struct ann_sqlite *peer)
{
    const struct ann_set *set = peer->set;
    int bytes = (int)(set->dims * sizeof(float));
    sqlite3_stmt *stmt;

    sqlite_must(peer, sqlite3_exec(peer->db, "BEGIN", NULL, NULL, NULL));
    sqlite_must(peer, sqlite3_prepare_v2(peer->db,
                                         "INSERT INTO t (id, v, ts, rnd, lab) VALUES (?,?,?,?,?)",
                                         -1, &stmt, NULL));
    for (size_t i = 0; i < set->rows; i++) {
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)i);
        sqlite3_bind_blob(stmt, 2, set->base + i * set->dims, bytes, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 3, (sqlite3_int64)i);
        sqlite3_bind_int(stmt, 4, set->columns[i * 2]);
        sqlite3_bind_int(stmt, 5, set->columns[i * 2 + 1]);
        sqlite_must(peer, sqlite3_step(stmt));
        sqlite_must(peer, sqlite3_reset(stmt));
    }
    sqlite3_finalize(stmt);
    sqlite_must(peer, sqlite3_exec(peer->db, "COMMIT", NULL, NULL, NULL));
}

struct ann_sqlite *ann_sqlite_make(const struct ann_set *set)
{
    static const char *const columns[] = {"ts", "rnd", "lab"};
    struct ann_sqlite *peer = ann_memory(sizeof *peer);
    const char *extension = ann_peers_ask("sqlite");
    char sql[400];

    *peer = (struct ann_sqlite){.set = set};
    bench_must(sqlite3_open(bench_path("vec0"), &peer->db) == SQLITE_OK, "opening SQLite");
    sqlite_must(peer, sqlite3_enable_load_extension(peer->db, 1));
    sqlite_must(peer, sqlite3_load_extension(peer->db, extension, NULL, NULL));
    snprintf(
        sql, sizeof sql,
        "PRAGMA journal_mode = OFF; PRAGMA cache_size = -262144; PRAGMA mmap_size = 1073741824;"
        "CREATE VIRTUAL TABLE t USING vec0(id INTEGER PRIMARY KEY, v float[%zu] "
        "distance_metric=%s, ts INTEGER, rnd INTEGER, lab INTEGER)",
        set->dims, set->metric[0] == 'c' ? "cosine" : "L2");
    sqlite_must(peer, sqlite3_exec(peer->db, sql, NULL, NULL, NULL));
    rows_insert(peer);
    for (int kind = 0; kind < 3; kind++) {
        snprintf(sql, sizeof sql,
                 "SELECT id, distance FROM t WHERE v MATCH ? AND k = %d AND %s >= ? AND %s < ?",
                 ANN_K, columns[kind], columns[kind]);
        sqlite_must(peer, sqlite3_prepare_v2(peer->db, sql, -1, &peer->stmts[kind], NULL));
    }
    return peer;
}

void ann_sqlite_nearest(struct ann_sqlite *peer, size_t at, const struct ann_window *window,
                        int32_t *ids)
{
    const struct ann_set *set = peer->set;
    sqlite3_stmt *stmt = peer->stmts[window->kind];
    size_t count = 0;
    int status;

    sqlite3_bind_blob(stmt, 1, set->query + at * set->dims, (int)(set->dims * sizeof(float)),
                      SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, window->low);
    sqlite3_bind_int(stmt, 3, window->high);
    while ((status = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (count < ANN_K) ids[count++] = sqlite3_column_int(stmt, 0);
    }
    sqlite_must(peer, status);
    sqlite_must(peer, sqlite3_reset(stmt));
    for (size_t i = count; i < ANN_K; i++) ids[i] = -1;
}

const char *ann_sqlite_version(struct ann_sqlite *peer)
{
    static char version[64];
    sqlite3_stmt *stmt;

    sqlite_must(peer, sqlite3_prepare_v2(peer->db, "SELECT vec_version()", -1, &stmt, NULL));
    sqlite_must(peer, sqlite3_step(stmt));
    snprintf(version, sizeof version, "%s on SQLite %s", (const char *)sqlite3_column_text(stmt, 0),
             sqlite3_libversion());
    sqlite3_finalize(stmt);
    return version;
}

void ann_sqlite_free(struct ann_sqlite *peer)
{
    for (int kind = 0; kind < 3; kind++) sqlite3_finalize(peer->stmts[kind]);
    sqlite3_close(peer->db);
    free(peer);
}
