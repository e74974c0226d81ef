/*
 * fuzz_api: calls of the public header in any order, with any arguments that its rules allow to be
 * given: no handle, the wrong handle, wrong types, places and lengths, statements that have not
 * been stepped, loads that are open, callbacks that call back.
 *
 * Only what the header forbids outright is left out: pointers that do not point to what they claim,
 * and handles that are gone. Every call must answer a code of the header, a failure must leave a
 * message, and at the end everything can be given back.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mneme.h"

enum { DBS = 2, STMTS = 4, SNAPS = 2, CALLS_MAX = 200, DATUMS = 12, BYTES = 80, DEPTH_MAX = 2 };

struct world {
    const uint8_t *at, *end;
    mn_db *dbs[DBS];
    mn_stmt *stmts[STMTS];
    mn_db *stmt_dbs[STMTS];
    mn_snap *snaps[SNAPS];
    mn_load *load;
    mn_db *load_db;
    int depth; /* of callbacks */
    unsigned calls;
};

static struct world world;

static const char *const texts[] = {
    ("CREATE TABLE t (id INT PRIMARY KEY, a TEXT UNIQUE, f FLOAT, v VECTOR(3), at TIMESTAMP,"
     " j JSON, l INT[])"),
    "CREATE TABLE u (a TEXT, b INT, PRIMARY KEY (a, b))",
    "CREATE TABLE h (x BLOB, y UUID, z DURATION, ok BOOL)",
    "CREATE RELATION r FROM t TO t (w FLOAT)",
    "CREATE RELATION m FROM t TO u WITH (multi)",
    "CREATE INDEX t_f ON t (f)",
    "CREATE INDEX t_v ON t (v) USING vector",
    "DROP TABLE u CASCADE",
    "DROP RELATION r",
    "INSERT INTO t (id, a) SELECT g, 'a' || g FROM generate_series(1, 20) g",
    "INSERT INTO t VALUES ($id, $a, $f, $v, $at, $j, $l)",
    "INSERT INTO t (id, v) VALUES (?, ?) RETURNING id, v",
    "INSERT INTO h VALUES (?, ?, ?, ?)",
    "UPSERT INTO u VALUES (?, ?)",
    "UPDATE t SET f = ?, v = [1, 2, 3] WHERE id = ?",
    "UPDATE t SET a = a || '!'",
    "DELETE FROM t WHERE id > ?",
    "LINK ? TO ? AS r SET w = ?",
    "INSERT INTO r SELECT id, id % 5 + 1, 0.5 FROM t WHERE id < 6",
    "SELECT * FROM t",
    "SELECT * FROM t WHERE id = ? OR a = ?",
    "SELECT id, distance FROM t NEAREST 3 TO ?",
    "SELECT id, distance FROM t NEAREST ? TO [1, 2, 3]",
    "SELECT b.id FROM MATCH (a:t WHERE a.id = ?)-[:r]->{1,3}(b)",
    "SELECT count(*), sum(f), list(a) FROM t GROUP BY f > ?",
    "SELECT ?, $x, $x, ?3",
    "SELECT * FROM h",
    "SELECT * FROM tables()",
    "SELECT id FROM t LATEST 1 BY f",
    "SELECT x'00ff', 1h, '2026-01-01'::timestamp, [1, 2], NULL, true, 1.5, 'text'",
    "SELECT 1 AS a, 2 AS a UNION SELECT 3, ?",
    "SELECT g FROM generate_series(1, 3000) g",
    "BEGIN",
    "BEGIN WRITE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "RELEASE s",
    "EXPLAIN ANALYZE SELECT count(*) FROM t",
    "PRAGMA integrity_check",
    "PRAGMA sync = lazy",
    "PRAGMA compact",
    "",
    ";;",
    "SELECT 1; SELECT 2",
    "SELEKT 1",
    "SELECT 1 / 0",
    "SELECT nothing FROM nowhere",
};
enum { TEXTS = sizeof texts / sizeof texts[0], TABLES = 6 }; /* the first make tables */

static const char *const names[] = {"t", "u",  "h", "r", "m",    "id",  "a",   "f",
                                    "v", "at", "j", "l", "b",    "x",   "src", "dst",
                                    "w", "s",  "",  "T", "none", "\xff"};
enum { NAMES = sizeof names / sizeof names[0] };

static void must(bool good, const char *what)
{
    if (good) return;
    (void)fprintf(stderr, "%s; the last message: %s\n", what, mn_errmsg(NULL));
    abort();
}

/* ---- arguments ---- */

static uint8_t next(void)
{
    return world.at < world.end ? *world.at++ : 0;
}

/* One in eight is nothing. */
static bool nothing(void)
{
    return next() % 8 == 0;
}

static mn_db *any_db(void)
{
    return nothing() ? NULL : world.dbs[next() % DBS];
}

static mn_stmt *any_stmt(void)
{
    return nothing() ? NULL : world.stmts[next() % STMTS];
}

static mn_snap *any_snap(void)
{
    return nothing() ? NULL : world.snaps[next() % SNAPS];
}

static const char *any_name(void)
{
    return nothing() ? NULL : names[next() % NAMES];
}

static const char *any_text(void)
{
    return nothing() ? NULL : texts[next() % TEXTS];
}

static int64_t any_int(void)
{
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1 << 30, -4, 255};
    uint8_t byte = next();

    return byte < 192 ? byte % 24 : edges[byte % 8];
}

static int any_place(void)
{
    return (int)(next() % 12) - 2;
}

static double any_float(void)
{
    static const double edges[] = {0.0, -0.0, 1e308, -1e-308, 0.5, 3.0};
    uint8_t byte = next();

    if (byte % 16 == 0) return (double)NAN;
    if (byte % 16 == 1) return (double)INFINITY;
    return edges[byte % 6];
}

/* Bytes of the input, or a text that converts; static, valid until all of a call's are drawn. */
static const void *any_bytes(size_t *length)
{
    static const char *const good[] = {"2026-01-01T00:00:00Z",
                                       "[1, 2, 3]",
                                       "{\"a\": [1]}",
                                       "1h",
                                       "00112233-4455-6677-8899-aabbccddeeff",
                                       "a1",
                                       "text"};
    static uint8_t rooms[DATUMS][BYTES];
    static unsigned room;
    uint8_t how = next();

    if (how % 2 == 0) {
        const char *text = good[how / 2 % 7];

        *length = strlen(text);
        return text;
    }
    room = (room + 1) % DATUMS;
    *length = how % BYTES;
    for (size_t i = 0; i < *length; i++) rooms[room][i] = (uint8_t)(how + i * next());
    return rooms[room];
}

static const float *any_vector(size_t *dims)
{
    static float rooms[DATUMS][16];
    static unsigned room;

    room = (room + 1) % DATUMS;
    *dims = next() % 4 ? 3 : next() % 16;
    for (size_t i = 0; i < 16; i++) rooms[room][i] = i < *dims ? (float)any_float() : 0;
    return rooms[room];
}

static mn_datum any_datum(int depth)
{
    static mn_datum lists[DATUMS][3];
    static unsigned list;
    mn_datum datum = {.type = next() % 14};
    size_t length = 0;

    switch (datum.type) {
    case MN_TYPE_FLOAT: datum.as.f = any_float(); break;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
    case MN_TYPE_JSON:
        datum.as.p = any_bytes(&length);
        datum.length = (uint32_t)length;
        break;
    case MN_TYPE_UUID:
        datum.as.p = "0123456789abcdef";
        datum.length = next() % 4 ? 16 : next() % 17;
        break;
    case MN_TYPE_VECTOR:
        datum.as.p = any_vector(&length);
        datum.length = (uint32_t)length;
        break;
    case MN_TYPE_LIST:
        if (depth == 0) return (mn_datum){0};
        list = (list + 1) % DATUMS;
        for (int i = 0; i < 3; i++) lists[list][i] = any_datum(depth - 1);
        datum.as.p = lists[list];
        datum.length = next() % 4;
        break;
    default: datum.as.i = any_int();
    }
    return datum;
}

/* ---- answers ---- */

static void answered(int code, mn_db *db)
{
    must(code >= MN_OK && code <= MN_UNCERTAIN, "a code of the header");
    if (code < MN_ERROR) return;
    must(mn_errmsg(db)[0] != '\0', "a failure has a message");
    must(mn_errcode(db) == code, "the code that was answered");
    must(mn_error_hint(db) != NULL && mn_error_json(db)[0] == '{', "a failure can be told");
    must(mn_error_offset(db) >= -1 && mn_error_length(db) >= 0, "a place");
}

static mn_db *db_of(const mn_stmt *stmt)
{
    for (int i = 0; stmt && i < STMTS; i++) {
        if (world.stmts[i] == stmt) return world.stmt_dbs[i];
    }
    return NULL;
}

static void call(void);

/* A callback that may call back, stop, or go on. */
static int on_row(void *context, mn_stmt *row)
{
    (void)context;
    if (mn_col_count(row) > 0) (void)mn_col_text(row, 0, NULL);
    if (world.depth < DEPTH_MAX && next() % 4 == 0) {
        world.depth++;
        call();
        world.depth--;
    }
    return next() % 16 == 0;
}

static int on_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return 0;
}

static int on_word(void *context, const char *word)
{
    (void)context;
    return word[0] == 'z';
}

static void on_finding(void *context, const char *finding)
{
    (void)context, (void)finding;
    abort(); /* the databases are sound */
}

/* ---- calls, a family each ---- */

static void call_open(void)
{
    mn_options options = {.size = next() % 8 ? sizeof options : next(),
                          .flags = next() % 4 ? MN_MEMORY | MN_CREATE : next(),
                          .page_size = next() % 4 ? 0 : 1u << next() % 20,
                          .sync = next() % 4,
                          .busy_ms = -1,
                          .memory_limit = next() % 4 ? 0 : (uint64_t)next() << 12};
    unsigned i = next() % DBS;
    mn_db *db = NULL;
    int code;

    if (world.dbs[i]) { /* not lost, but closed, if nothing lives on it */
        bool used = world.load_db == world.dbs[i];

        if (used || world.depth > 0) return;
        code = mn_close(world.dbs[i]);
        answered(code, code == MN_OK ? NULL : world.dbs[i]);
        if (code == MN_OK) world.dbs[i] = NULL;
        return;
    }
    code = mn_open_with(nothing() ? NULL : "/dev/null/none", nothing() ? NULL : &options,
                        nothing() ? NULL : &db);
    answered(code, NULL);
    must((code == MN_OK) == (db != NULL), "a handle where the open succeeds");
    world.dbs[i] = db;
}

static void call_whole(void)
{
    mn_db *db = any_db();
    mn_stats stats = {.size = next() % 8 ? sizeof stats : next()};

    switch (next() % 12) {
    case 0: answered(mn_check(db, on_finding, NULL), db); break;
    case 1: answered(mn_stat(db, nothing() ? NULL : &stats), db); break;
    case 2: answered(mn_sync(db), db); break;
    case 3: answered(mn_backup(db, nothing() ? NULL : "/dev/null/b", NULL, NULL, NULL), db); break;
    case 4:
        answered(mn_restore(nothing() ? NULL : "/dev/null/a", "/dev/null/b", NULL, NULL, NULL),
                 NULL);
        break;
    case 5: answered(mn_recover(any_name(), "/dev/null/b", NULL, NULL, NULL), NULL); break;
    case 6: mn_interrupt(db); break;
    case 7:
        answered(mn_progress(db, nothing() ? NULL : on_progress, NULL, (int)any_int()), db);
        break;
    case 8: {
        const char *text = any_text();

        answered(mn_complete(db, text, next(), nothing() ? NULL : on_word, NULL), db);
        break;
    }
    case 9: answered(mn_set_allocator(NULL), NULL); break;
    case 10: (void)mn_changes(db); break;
    default: (void)mn_current_version(db);
    }
}

static void call_exec(void)
{
    mn_db *db = any_db();
    const char *text = any_text();

    answered(mn_exec(db, text, next() % 2 ? on_row : NULL, NULL), db);
}

static void call_prepare(void)
{
    unsigned i = next() % STMTS;
    mn_db *db = any_db();
    const char *text = any_text(), *tail = NULL;
    size_t length = text && next() % 4 == 0 ? next() % (strlen(text) + 1) : MN_ALL;
    mn_stmt *stmt = NULL;

    if (world.stmts[i]) {
        if (world.depth > 0) return; /* perhaps the one that is calling */
        answered(mn_finalize(world.stmts[i]), NULL);
        world.stmts[i] = NULL;
    }
    answered(mn_prepare(db, text, length, nothing() ? NULL : &stmt, next() % 2 ? &tail : NULL), db);
    must(!tail || (tail >= text && tail <= text + strlen(text)), "a tail inside the text");
    world.stmts[i] = stmt;
    world.stmt_dbs[i] = db;
}

static void call_step(void)
{
    mn_stmt *stmt = any_stmt();
    mn_db *db = db_of(stmt);
    mn_batch batch = {.size = next() % 8 ? sizeof batch : next()};
    unsigned steps = next() % 8;
    char *text;

    switch (next() % 8) {
    case 0: answered(mn_reset(stmt), db); break;
    case 1: answered(mn_clear(stmt), db); break;
    case 2: answered(mn_fetch(stmt, nothing() ? NULL : &batch), db); break;
    case 3: answered(mn_use_snapshot(stmt, any_snap()), db); break;
    case 4:
        text = mn_explain(stmt, next() % 2);
        mn_free(text);
        break;
    case 5: (void)mn_readonly(stmt); break;
    default:
        for (unsigned i = 0; i <= steps; i++) {
            int code = mn_step(stmt);

            answered(code, db);
            if (code != MN_ROW) break;
        }
    }
}

static void call_column(void)
{
    mn_stmt *stmt = any_stmt();
    int place = any_place();
    size_t length = 7;
    char *text;

    (void)mn_col_count(stmt);
    (void)mn_col_name(stmt, place);
    (void)mn_col_type(stmt, place);
    (void)mn_col_is_null(stmt, place);
    switch (next() % 10) {
    case 0: (void)mn_col_bool(stmt, place); break;
    case 1: (void)mn_col_int(stmt, place); break;
    case 2: (void)mn_col_float(stmt, place); break;
    case 3: (void)mn_col_time(stmt, place); break;
    case 4: (void)mn_col_duration(stmt, place); break;
    case 5: (void)mn_col_uuid(stmt, place); break;
    case 6: (void)mn_col_blob(stmt, place, next() % 2 ? &length : NULL); break;
    case 7: (void)mn_col_vector(stmt, place, next() % 2 ? &length : NULL); break;
    case 8:
        text = mn_row_json(stmt);
        mn_free(text);
        break;
    default: (void)mn_col_text(stmt, place, next() % 2 ? &length : NULL);
    }
}

static void call_bind(void)
{
    mn_stmt *stmt = any_stmt();
    mn_db *db = db_of(stmt);
    int place = any_place();
    unsigned keep = next() % 8 ? MN_COPY : next();
    size_t length;
    const void *bytes;
    mn_datum elements[3];
    const float *v;

    if (keep == MN_STATIC) keep = MN_COPY; /* what is drawn does not live that long */
    switch (next() % 14) {
    case 0: answered(mn_bind_null(stmt, place), db); break;
    case 1: answered(mn_bind_bool(stmt, place, (int)any_int()), db); break;
    case 2: answered(mn_bind_float(stmt, place, any_float()), db); break;
    case 3: answered(mn_bind_time(stmt, place, any_int()), db); break;
    case 4: answered(mn_bind_duration(stmt, place, any_int()), db); break;
    case 5:
        answered(mn_bind_uuid(stmt, place, nothing() ? NULL : (const uint8_t *)texts[0]), db);
        break;
    case 6:
        bytes = any_bytes(&length);
        answered(mn_bind_text(stmt, place, nothing() ? NULL : bytes, length, keep), db);
        break;
    case 7:
        bytes = any_bytes(&length);
        answered(mn_bind_blob(stmt, place, nothing() ? NULL : bytes, length, keep), db);
        break;
    case 8:
        bytes = any_bytes(&length);
        answered(mn_bind_json(stmt, place, nothing() ? NULL : bytes, length, keep), db);
        break;
    case 9:
        v = any_vector(&length);
        answered(mn_bind_vector(stmt, place, nothing() ? NULL : v, length, keep), db);
        break;
    case 10:
        (void)mn_param_count(stmt);
        for (int i = 0; i < 3; i++) elements[i] = any_datum(1);
        answered(mn_bind_list(stmt, place, nothing() ? NULL : elements, next() % 4), db);
        break;
    case 11: (void)mn_param_index(stmt, any_name()); break;
    case 12: (void)mn_param_name(stmt, place); break;
    default: answered(mn_bind_int(stmt, place, any_int()), db);
    }
}

static void call_txn(void)
{
    mn_db *db = any_db();

    switch (next() % 8) {
    case 0: answered(mn_commit(db), db); break;
    case 1: answered(mn_rollback(db), db); break;
    case 2: answered(mn_savepoint(db, any_name()), db); break;
    case 3: answered(mn_rollback_to(db, any_name()), db); break;
    case 4: answered(mn_release(db, any_name()), db); break;
    case 5: (void)mn_in_transaction(db); break;
    default: answered(mn_begin(db, next() % 4), db);
    }
}

static void call_snapshot(void)
{
    unsigned i = next() % SNAPS;
    mn_db *db = any_db();

    (void)mn_snapshot_version(world.snaps[i]);
    mn_snapshot_end(world.snaps[i]);
    world.snaps[i] = NULL;
    if (next() % 4) {
        answered(mn_snapshot(db, next() % 4 ? 0 : next(), nothing() ? NULL : &world.snaps[i]), db);
    }
}

static mn_fields fields_draw(const char **list, mn_datum *values)
{
    mn_fields fields = {next() % 8 ? sizeof fields : next(), next() % 5, list, values};

    for (int i = 0; i < 5; i++) {
        list[i] = any_name();
        values[i] = any_datum(1);
    }
    return fields;
}

static void call_row(void)
{
    mn_db *db = any_db();
    const char *list[5], *name = any_name();
    mn_datum values[5], keys[3] = {any_datum(1), any_datum(0), any_datum(0)};
    mn_fields fields = fields_draw(list, values);
    mn_neighbor_list neighbors = {.size = next() % 8 ? sizeof neighbors : next(),
                                  .incoming = next() % 3,
                                  .offset = next() % 8 ? 0 : (uint64_t)any_int(),
                                  .capacity = next() % 3};
    mn_datum others[3];
    int64_t number;

    if (next() % 2) neighbors.keys = others;
    switch (next() % 6) {
    case 0: answered(mn_get(db, any_snap(), name, keys, next() % 4, &fields), db); break;
    case 1: answered(mn_delete(db, name, keys, next() % 4), db); break;
    case 2:
        answered(mn_link(db, name, keys, nothing() ? &fields : NULL, next() % 2 ? &number : NULL),
                 db);
        break;
    case 3: answered(mn_unlink(db, name, keys, next() % 2 ? &number : NULL), db); break;
    case 4:
        answered(mn_neighbors(db, any_snap(), name, nothing() ? NULL : keys, &neighbors), db);
        break;
    default: answered(mn_put(db, name, &fields, next() % 2 ? &number : NULL), db);
    }
}

static void call_load(void)
{
    const char *list[5];
    mn_datum values[DATUMS];
    mn_batch batch = {.size = sizeof batch};
    mn_stmt *stmt;

    if (!world.load) {
        size_t count = next() % 5;
        const char *name = any_name();

        for (int i = 0; i < 5; i++) list[i] = any_name();
        world.load_db = any_db();
        answered(mn_load_begin(world.load_db, name, count ? list : NULL, count,
                               nothing() ? NULL : &world.load),
                 world.load_db);
        if (!world.load) world.load_db = NULL;
        return;
    }
    switch (next() % 4) {
    case 0:
        answered(mn_load_end(world.load, next() % 2), NULL);
        world.load = NULL;
        world.load_db = NULL;
        break;
    case 1:
        stmt = any_stmt();
        if (mn_fetch(stmt, &batch) == MN_ROW) (void)mn_load_batch(world.load, &batch);
        break;
    default:
        for (int i = 0; i < DATUMS; i++) values[i] = any_datum(1);
        answered(mn_load_row(nothing() ? NULL : world.load, values), NULL);
    }
}

static void call(void)
{
    if (world.calls++ > CALLS_MAX) return;
    switch (next() % 16) {
    case 0: call_open(); break;
    case 1: call_whole(); break;
    case 2:
    case 3: call_exec(); break;
    case 4:
    case 5: call_prepare(); break;
    case 6:
    case 7: call_step(); break;
    case 8: call_column(); break;
    case 9:
    case 10: call_bind(); break;
    case 11: call_txn(); break;
    case 12: call_snapshot(); break;
    case 13:
    case 14: call_row(); break;
    default: call_load();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&world, 0, sizeof world);
    world.at = data;
    world.end = data + size;
    must(mn_open(NULL, MN_MEMORY, &world.dbs[0]) == MN_OK, "open");
    for (int i = 0; i < TABLES; i++)
        (void)(next() % 4 && mn_exec(world.dbs[0], texts[i], NULL, NULL));
    while (world.at < world.end && world.calls < CALLS_MAX) call();
    if (world.load) (void)mn_load_end(world.load, 1);
    for (int i = 0; i < STMTS; i++) {
        if (world.stmts[i]) (void)mn_finalize(world.stmts[i]);
    }
    for (int i = 0; i < SNAPS; i++) mn_snapshot_end(world.snaps[i]);
    for (int i = 0; i < DBS; i++) {
        if (!world.dbs[i]) continue;
        if (mn_in_transaction(world.dbs[i])) {
            must(mn_rollback(world.dbs[i]) == MN_OK, "rollback at the end");
        }
        must(mn_check(world.dbs[i], on_finding, NULL) == MN_OK, "the check at the end");
        must(mn_close(world.dbs[i]) == MN_OK, "close at the end");
    }
    return 0;
}
