/*
 * Faults of the machine under scripts: memory and every call of the seam, failing once or for ever.
 *
 * A scenario is a script or a call in a frame (alone; in a transaction between other changes;
 * behind a savepoint that is rolled back; beside a reader; in lazy mode). It runs once without a
 * fault, which tells how many allocations and events it takes and what it leaves behind; then again
 * and again over the same file with one of them failing. Whatever fails:
 *
 *   (F1) the answer is MN_OK, or a code that fits the fault, with a message;
 *   (F2) the handle answers a dump: the state before, or after where the answer was MN_OK;
 *   (F3) the handle writes again once the fault is over, unless it answered MN_UNCERTAIN;
 *   (F4) closed and opened again the file holds the same, or after MN_UNCERTAIN one of both, and a
 *        check finds nothing;
 *   (F5) a reader that was there before reads on what it saw;
 *   (F6) on a disk that stays full the handle still answers the dump.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "mneme.h"
#include "os/sim.h"
#include "support/test.h"

static const char *const setup =
    "CREATE TABLE log (n INT PRIMARY KEY, what TEXT);"
    "CREATE TABLE t (id INT PRIMARY KEY, a TEXT UNIQUE, b FLOAT DEFAULT 1.5 CHECK (b > 0),"
    "  v VECTOR(3), at TIMESTAMP, tags TEXT[]);"
    "CREATE INDEX t_at ON t (at);"
    "CREATE TABLE word (w TEXT PRIMARY KEY, n INT);"
    "CREATE RELATION r FROM t TO t (w FLOAT);"
    "CREATE RELATION said FROM t TO word;"
    "CREATE TABLE doc (id INT PRIMARY KEY, v VECTOR(4) NOT NULL, kind INT);"
    "INSERT INTO doc SELECT g, [g % 7, g % 11, g, 1], g % 3 FROM generate_series(1, 40) g;"
    "CREATE INDEX doc_v ON doc (v) USING vector WITH (metric = l2, cover = (kind));"
    "INSERT INTO t SELECT g, 'a' || g, g, [g, 1, 2], '2026-01-01'::timestamp + g * 1h, ['x', 'y']"
    "  FROM generate_series(1, 60) g;"
    "INSERT INTO word SELECT 'w' || g, g FROM generate_series(1, 40) g;"
    "INSERT INTO said SELECT g, 'w' || g FROM generate_series(1, 30) g;"
    "INSERT INTO r SELECT g, g + 1, g FROM generate_series(1, 50) g;";

static const char *const scripts[] = {
    "INSERT INTO t (id, a) VALUES (100, 'z')",
    "INSERT INTO t (id, a, v) VALUES (100, 'z', [1, 2, 3]), (101, 'y', [3, 2, 1])",
    "INSERT INTO t (a) VALUES ('next')",
    "INSERT INTO t (id, a) VALUES (-5, (SELECT string_agg('long', '') FROM generate_series(1, "
    "2000)))",
    "INSERT INTO t SELECT id + 1000, a || '!', b, v, at, tags FROM t",
    "INSERT INTO t (id, a) VALUES (1, 'q'), (200, 'p') ON CONFLICT (id) DO NOTHING",
    "INSERT INTO t (id, a) VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET b = 9",
    "UPSERT INTO t (id, a) VALUES (1, 'b'), (300, 'c')",
    "UPSERT INTO word VALUES ('w1', 5), ('new', 6)",
    "INSERT INTO word SELECT 'x' || g, g FROM generate_series(1, 200) g",
    "INSERT INTO log SELECT g, (SELECT string_agg('x', '') FROM generate_series(1, 300)) FROM "
    "generate_series(10, 60) g",
    "INSERT INTO log VALUES (5, (SELECT string_agg('run', '') FROM generate_series(1, 9000)))",
    "UPDATE t SET b = b + 1",
    "UPDATE t SET a = a || 'x' WHERE id < 20",
    "UPDATE t SET v = [9, 9, 9] WHERE id % 2 = 0",
    "UPDATE t SET v = NULL WHERE id > 30",
    "UPDATE t SET at = at + 1d, tags = ['z']",
    "UPDATE t SET id = id + 5000 WHERE id > 55 AND id NOT IN (SELECT src FROM r)",
    "UPDATE word SET n = n * 2 WHERE n > 10",
    "UPDATE r SET w = w + 1 WHERE src < 10",
    "UPDATE log SET what = 'none' WHERE n = 77",
    "DELETE FROM t WHERE id = 60",
    "DELETE FROM t WHERE id < 30",
    "DELETE FROM t",
    "DELETE FROM word WHERE n > 20",
    "DELETE FROM word",
    "DELETE FROM r",
    "DELETE FROM r WHERE src = 3",
    "LINK 1 TO 9 AS r SET w = 2",
    "LINK 5 TO 'w9' AS said",
    "UNLINK 1 FROM 2 AS r",
    "UNLINK 3 FROM 'w3' AS said",
    "INSERT INTO r (src, dst) SELECT g, 61 - g FROM generate_series(1, 29) g",
    "CREATE TABLE u (a INT PRIMARY KEY, b TEXT CHECK (b <> ''))",
    "CREATE TABLE u (id INT PRIMARY KEY, v VECTOR(2) NOT NULL, n TEXT, UNIQUE (n, id))",
    "CREATE RELATION knows FROM t TO t (since TIMESTAMP)",
    "CREATE INDEX t_b ON t (b DESC, a)",
    "CREATE UNIQUE INDEX word_n ON word (n)",
    "CREATE INDEX r_w ON r (w)",
    "DROP INDEX t_at",
    "DROP TABLE word CASCADE",
    "DROP TABLE t CASCADE",
    "DROP RELATION said",
    "DROP TABLE log",
    "SELECT * FROM t WHERE id IN (1, 5, 9) AND a LIKE 'a%' ORDER BY at DESC",
    "SELECT b > 20, count(*), sum(b), list(a ORDER BY a) FROM t GROUP BY 1 HAVING count(*) > 0",
    "SELECT id FROM t NEAREST 5 TO [1, 2, 3]",
    "SELECT id FROM t WHERE b > 9 NEAREST 5 TO [1, 2, 3] METRIC l2",
    "SELECT count(*) FROM MATCH (a:t WHERE a.id = 1)-[:r]->{1,20}(b)",
    "SELECT b.id FROM MATCH (a:t WHERE a.id = 3)-[e:r WHERE e.w > 0]->*(b) ORDER BY 1",
    "SELECT w.w FROM MATCH (a:t WHERE a.b > 20)-[:said]->(w) ORDER BY 1",
    "SELECT id FROM t LATEST 2 BY tags",
    "WITH c AS (SELECT id FROM t) SELECT count(*) FROM c a, c b; SELECT * FROM tables()",
    "PRAGMA integrity_check",
    "EXPLAIN ANALYZE SELECT count(*) FROM t WHERE at > '2026-01-01'",
    "INSERT INTO t (id, a) SELECT n + 400, w FROM word RETURNING id, a",
    "CREATE INDEX t_v ON t (v) USING vector WITH (metric = cosine)",
    "INSERT INTO doc SELECT g + 100, [g, 2, 3, 4], g FROM generate_series(1, 60) g",
    "UPDATE doc SET v = [1, 1, 1, id] WHERE id < 30",
    "UPDATE doc SET kind = kind + 1",
    "DELETE FROM doc WHERE id % 2 = 0",
    "DROP INDEX doc_v",
    "SELECT id FROM doc WHERE kind = 1 NEAREST 5 TO [1, 2, 3, 4]",
};

enum { SCRIPTS = sizeof scripts / sizeof scripts[0] };

/* ---- the same by calls ---- */

static mn_datum of_int(int64_t i)
{
    return (mn_datum){.type = MN_TYPE_INT, .as.i = i};
}

static int doc_put(mn_db *db, int64_t id)
{
    static const char *const names[] = {"id", "v", "kind"};
    static const float v[] = {3, 1, 4, 1};
    mn_datum values[] = {of_int(id), {.type = MN_TYPE_VECTOR, .length = 4, .as.p = v}, of_int(9)};
    mn_fields row = {sizeof row, 3, names, values};

    return mn_put(db, "doc", &row, NULL);
}

static int put_new(mn_db *db)
{
    return doc_put(db, 1000);
}

static int put_old(mn_db *db)
{
    return doc_put(db, 7);
}

static int delete_one(mn_db *db)
{
    mn_datum key = of_int(3);

    return mn_delete(db, "t", &key, 1);
}

static int link_two(mn_db *db)
{
    const mn_datum ends[] = {of_int(9), of_int(33)};

    return mn_link(db, "r", ends, NULL, NULL);
}

static int unlink_two(mn_db *db)
{
    const mn_datum ends[] = {of_int(9), of_int(10)};

    return mn_unlink(db, "r", ends, NULL);
}

/* In no order, and more than there is memory for: most of them wait in a file. */
static int load_unordered(mn_db *db)
{
    static char text[2000];
    const char *names[] = {"n", "what"};
    mn_load *load;
    int code = mn_exec(db, "PRAGMA memory_limit = 65536", NULL, NULL);

    memset(text, 'u', sizeof text);
    if (code == MN_OK) code = mn_load_begin(db, "log", names, 2, &load);
    if (code != MN_OK) return code;
    for (int i = 0; code == MN_OK && i < 120; i++) {
        mn_datum values[] = {of_int(1000 + i * 37 % 127),
                             {.type = MN_TYPE_TEXT, .length = sizeof text, .as.p = text}};

        code = mn_load_row(load, values);
    }
    return mn_load_end(load, code == MN_OK);
}

static const struct call {
    const char *name;
    int (*run)(mn_db *db);
} calls[] = {{"put a new row", put_new},
             {"put a row that is there", put_old},
             {"delete a row with edges", delete_one},
             {"link", link_two},
             {"unlink", unlink_two},
             {"load more than memory has room for", load_unordered}};

enum { CALLS = sizeof calls / sizeof calls[0] };

enum frame { ALONE, BETWEEN, BEHIND_SAVEPOINT, BESIDE_READER, LAZY, FRAMES };

/* What comes before it, and after it. */
static const char *const frames[FRAMES][2] = {
    [BETWEEN] = {"BEGIN; INSERT INTO word VALUES ('first', 1001);",
                 ";CREATE TABLE last (x INT); COMMIT"},
    [BEHIND_SAVEPOINT] = {"BEGIN; INSERT INTO word VALUES ('kept', 1002); SAVEPOINT s;",
                          ";ROLLBACK TO s; DELETE FROM word WHERE w = 'w2'; COMMIT"},
};

/* ---- the faults ---- */

/* Number `at` of allocations or events fails, and those behind it where it lasts. */
struct plan {
    uint64_t seen, at;
    bool lasts, hit;
    enum mn_sim_fault fault; /* of an event */
    enum mn_sim_op op;       /* of the event that was hit first */
};

static struct plan memory_plan, seam_plan;

static bool plan_strikes(struct plan *plan)
{
    plan->seen++;
    if (plan->at == 0 || plan->seen < plan->at || (plan->seen > plan->at && !plan->lasts)) {
        return false;
    }
    return true;
}

static bool memory_hook(void *context, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    if (!plan_strikes(&memory_plan)) return true;
    memory_plan.hit = true;
    return false;
}

/* A full disk refuses what would take room, and nothing else. */
static enum mn_sim_fault seam_hook(void *context, const struct mn_sim_event *event)
{
    (void)context;
    if (!plan_strikes(&seam_plan)) return MN_SIM_PASS;
    if (seam_plan.fault == MN_SIM_FULL && event->op != MN_SIM_WRITE && event->op != MN_SIM_RESIZE) {
        return MN_SIM_PASS;
    }
    if (!seam_plan.hit) seam_plan.op = event->op;
    seam_plan.hit = true;
    if (seam_plan.fault == MN_SIM_SHORT && event->op != MN_SIM_WRITE) return MN_SIM_EIO;
    return seam_plan.fault;
}

/* ---- a dump, as one number ---- */

struct dump {
    uint64_t sum;
    bool good;
};

static int dump_row(void *context, mn_stmt *row)
{
    struct dump *dump = context;

    for (int i = 0; i < mn_col_count(row); i++) {
        size_t length = 0;
        const char *text = mn_col_text(row, i, &length);

        dump->sum = mn_hash_mix(dump->sum, text ? mn_hash(text, length, 1) : 2);
    }
    return 0;
}

struct names {
    char list[16][64];
    size_t count;
};

static int name_row(void *context, mn_stmt *row)
{
    struct names *names = context;
    const char *text = mn_col_text(row, 0, NULL);

    if (!text || names->count == 16) return 1;
    (void)snprintf(names->list[names->count++], sizeof names->list[0], "%s", text);
    return 0;
}

static struct dump dump_take(mn_db *db)
{
    struct dump dump = {7, true};
    struct names names = {{{0}}, 0};
    char sql[128];

    dump.good =
        mn_exec(db, "SELECT name FROM tables() UNION SELECT name FROM relations() ORDER BY 1",
                name_row, &names) == MN_OK;
    for (size_t i = 0; i < names.count && dump.good; i++) {
        dump.sum = mn_hash_mix(dump.sum, mn_hash(names.list[i], strlen(names.list[i]), 3));
        (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", names.list[i]);
        dump.good = mn_exec(db, sql, dump_row, &dump) == MN_OK;
    }
    if (!dump.good) print_error("the dump fails: %s\n", mn_errmsg(db));
    return dump;
}

/* ---- one run of a scenario ---- */

struct scenario {
    struct mn_os *os;
    char sql[8192];
    const char *script;
    const struct call *call; /* instead of a script; NULL: none */
    enum frame frame;
    uint64_t before, after; /* dumps */
    uint64_t allocations, events;
};

struct run {
    mn_db *db, *reader_db;
    mn_stmt *reader;
    int code;
    char message[256];
};

static uint64_t strikes;
static int told; /* what the script answered, for a failure to print */
static char told_why[256];

#define must(s, condition) must_at((s), (condition), #condition, __LINE__)
static void must_at(const struct scenario *s, bool condition, const char *what, int line)
{
    if (condition) return;
    print_error("line %d: %s\n  frame %d, script %s\n  memory %" PRIu64 "%s, seam %" PRIu64
                "%s fault %d op %d\n  answered %d %s; last: %s\n",
                line, what, (int)s->frame, s->script, memory_plan.at, memory_plan.lasts ? "+" : "",
                seam_plan.at, seam_plan.lasts ? "+" : "", (int)seam_plan.fault, (int)seam_plan.op,
                told, told_why, mn_error_last()->message);
    fail();
}

static mn_db *handle_open(const struct scenario *s)
{
    mn_options options = {.size = sizeof options,
                          .page_size = 512,
                          .flags = MN_CREATE,
                          .sync = s->frame == LAZY ? MN_SYNC_LAZY : MN_SYNC_FULL};
    mn_db *db = NULL;

    must(s, mn_db_open_os("f", &options, s->os, &db) == MN_OK);
    return db;
}

static void reader_begin(const struct scenario *s, struct run *run)
{
    if (s->frame != BESIDE_READER) return;
    run->reader_db = handle_open(s);
    must(s, mn_prepare(run->reader_db, "SELECT id FROM t ORDER BY id", MN_ALL, &run->reader,
                       NULL) == MN_OK);
    must(s, mn_step(run->reader) == MN_ROW);
}

/* (F5) */
static void reader_end(const struct scenario *s, struct run *run)
{
    int64_t id = 1;
    int code;

    if (!run->reader) return;
    while ((code = mn_step(run->reader)) == MN_ROW) must(s, mn_col_int(run->reader, 0) == ++id);
    must(s, code == MN_DONE && id == 60);
    mn_finalize(run->reader);
    must(s, mn_close(run->reader_db) == MN_OK);
}

static void faults_on(const struct scenario *s)
{
    memory_plan.seen = seam_plan.seen = 0;
    memory_plan.hit = seam_plan.hit = false;
    mn_alloc_set_hook(memory_hook, NULL);
    mn_sim_set_hook(s->os, seam_hook, NULL);
}

static void faults_off(const struct scenario *s)
{
    mn_alloc_set_hook(NULL, NULL);
    mn_sim_set_hook(s->os, NULL, NULL);
}

/* (F1) */
static void code_check(const struct scenario *s, const struct run *run)
{
    if (run->code == MN_OK) return;
    must(s, run->message[0] != '\0');
    switch (run->code) {
    case MN_NOMEM: must(s, memory_plan.hit); break;
    case MN_FULL: must(s, seam_plan.hit && seam_plan.fault == MN_SIM_FULL); break;
    case MN_IOERR: must(s, seam_plan.hit); break;
    case MN_UNCERTAIN: must(s, seam_plan.hit || memory_plan.hit); break;
    default: must(s, false);
    }
}

static int scenario_exec(const struct scenario *s, mn_db *db)
{
    const char *before = frames[s->frame][0], *after = frames[s->frame][1];
    int code = MN_OK;

    if (!s->call) return mn_exec(db, s->sql, NULL, NULL);
    if (before) code = mn_exec(db, before, NULL, NULL);
    if (!code) code = s->call->run(db);
    if (!code && after) code = mn_exec(db, after, NULL, NULL);
    return code;
}

/* (F2), (F6): with the fault still there where the disk stays full. */
static void script_run(const struct scenario *s, struct run *run)
{
    uint64_t want;

    faults_on(s);
    run->code = scenario_exec(s, run->db);
    told = run->code;
    mn_alloc_set_hook(NULL, NULL);
    (void)snprintf(run->message, sizeof run->message, "%s", mn_errmsg(run->db));
    memcpy(told_why, run->message, sizeof told_why);
    code_check(s, run);
    if (mn_in_transaction(run->db)) must(s, mn_rollback(run->db) == MN_OK);
    want = run->code == MN_OK ? s->after : s->before;
    if (seam_plan.fault == MN_SIM_FULL && seam_plan.lasts) {
        struct dump full = dump_take(run->db);
        must(s, full.good && full.sum == want);
    }
    faults_off(s);
    struct dump dump = dump_take(run->db);
    must(s, dump.good && dump.sum == want);
}

/* (F3) */
static void handle_writes(const struct scenario *s, const struct run *run)
{
    int code = mn_exec(run->db, "CREATE TABLE alive (x INT)", NULL, NULL);

    if (run->code == MN_UNCERTAIN) {
        must(s, code != MN_OK && mn_errmsg(run->db)[0] != '\0');
        return;
    }
    must(s, code == MN_OK);
    must(s, mn_exec(run->db, "DROP TABLE alive", NULL, NULL) == MN_OK);
}

static void fault_tell(void *context, const char *finding)
{
    (void)context;
    print_error("the check: %s\n", finding);
}

/* (F4) */
static void file_check(const struct scenario *s, const struct run *run)
{
    mn_db *db = handle_open(s);
    struct dump dump = dump_take(db);
    uint64_t want = run->code == MN_OK ? s->after : s->before;

    must(s, dump.good);
    must(s, dump.sum == want || (run->code == MN_UNCERTAIN && dump.sum == s->after));
    must(s, mn_check(db, fault_tell, NULL) == MN_OK);
    must(s, mn_exec(db, "CREATE TABLE again (x INT)", NULL, NULL) == MN_OK);
    must(s, mn_close(db) == MN_OK);
}

static void scenario_strike(const struct scenario *s)
{
    struct run run = {0};

    strikes++;
    run.db = handle_open(s);
    reader_begin(s, &run);
    script_run(s, &run);
    reader_end(s, &run);
    handle_writes(s, &run);
    must(s, mn_close(run.db) == MN_OK);
    file_check(s, &run);
    mn_sim_rewind(s->os, "f");
}

/* ---- all runs of a scenario ---- */

static void plans_clear(void)
{
    memory_plan = seam_plan = (struct plan){0};
}

/* Without a fault: what it leaves, and how much there is to fail. */
static void scenario_measure(struct scenario *s)
{
    struct run run = {0};

    plans_clear();
    run.db = handle_open(s);
    reader_begin(s, &run);
    struct dump before = dump_take(run.db);
    faults_on(s);
    run.code = scenario_exec(s, run.db);
    faults_off(s);
    must(s, run.code == MN_OK);
    s->allocations = memory_plan.seen;
    s->events = seam_plan.seen;
    struct dump after = dump_take(run.db);
    must(s, before.good && after.good);
    s->before = before.sum;
    s->after = after.sum;
    reader_end(s, &run);
    must(s, mn_close(run.db) == MN_OK);
    mn_sim_rewind(s->os, "f");
}

/* Which of n to strike: all, or `samples` spread over them with a random shift. */
static uint64_t sample_at(uint64_t n, uint64_t samples, uint64_t i, uint64_t random)
{
    uint64_t step = n / samples;

    return n <= samples ? i + 1 : i * n / samples + 1 + (step ? random % step : 0);
}

static void memory_strike(const struct scenario *s, uint64_t samples, uint64_t *seed)
{
    uint64_t count = s->allocations < samples ? s->allocations : samples;

    for (uint64_t i = 0; i < 2 * count; i++) {
        plans_clear();
        memory_plan.at = sample_at(s->allocations, samples, i / 2, test_random(seed));
        memory_plan.lasts = i % 2;
        scenario_strike(s);
    }
}

static void seam_strike(const struct scenario *s, uint64_t samples, uint64_t *seed)
{
    static const enum mn_sim_fault kinds[] = {MN_SIM_EIO, MN_SIM_FULL, MN_SIM_SHORT};
    uint64_t count = s->events < samples ? s->events : samples;

    for (uint64_t i = 0; i < 6 * count; i++) {
        plans_clear();
        seam_plan.at = sample_at(s->events, samples, i / 6, test_random(seed));
        seam_plan.lasts = i % 2;
        seam_plan.fault = kinds[i / 2 % 3];
        scenario_strike(s);
    }
}

static void pairs_strike(const struct scenario *s, uint64_t samples, uint64_t *seed)
{
    for (uint64_t i = 0; i < samples && s->events > 0 && s->allocations > 0; i++) {
        plans_clear();
        memory_plan.at = 1 + test_random(seed) % s->allocations;
        memory_plan.lasts = test_random(seed) % 2;
        seam_plan.at = 1 + test_random(seed) % s->events;
        seam_plan.lasts = test_random(seed) % 2;
        seam_plan.fault = test_random(seed) % 2 ? MN_SIM_EIO : MN_SIM_FULL;
        scenario_strike(s);
    }
}

static uint64_t scenario_run(struct scenario *s, uint64_t *seed)
{
    uint64_t quick = s->frame >= BESIDE_READER ? 1 : 2;
    uint64_t samples = test_is_deep() ? UINT64_MAX : quick; /* deep: all */
    const char *const *frame = frames[s->frame];

    (void)snprintf(s->sql, sizeof s->sql, "%s%s%s", frame[0] ? frame[0] : "", s->script,
                   frame[1] ? frame[1] : "");
    scenario_measure(s);
    memory_strike(s, samples, seed);
    seam_strike(s, samples, seed);
    pairs_strike(s, test_is_deep() ? 200 : 1, seed);
    return s->allocations + s->events;
}

static void whatever_fails_nothing_is_lost(void **state)
{
    struct scenario s = {.os = mn_machine_new(test_seed(), UINT64_C(1) << 26)};
    uint64_t seed = test_seed(), places = 0, count = 0;

    (void)state;
    assert_non_null(s.os);
    s.script = "setup";
    mn_db *db = handle_open(&s);
    must(&s, mn_exec(db, setup, NULL, NULL) == MN_OK);
    must(&s, mn_close(db) == MN_OK);
    /* All runs begin where the machine was switched off: nothing is pending there. */
    struct mn_sim_loss loss = {.keep = UINT64_MAX, .sizes = true};
    struct mn_os *off = mn_sim_crash(s.os, &loss);
    assert_non_null(off);
    mn_machine_free(s.os);
    s.os = off;
    must(&s, mn_sim_mark(s.os, "f") == MN_OK);
    for (size_t i = 0; i < SCRIPTS + CALLS; i++) {
        for (int frame = 0; frame < FRAMES; frame++) {
            s.call = i < SCRIPTS ? NULL : &calls[i - SCRIPTS];
            s.script = s.call ? s.call->name : scripts[i];
            s.frame = (enum frame)frame;
            places += scenario_run(&s, &seed);
            count++;
        }
    }
    print_message("%" PRIu64 " scenarios, %" PRIu64 " places to fail, %" PRIu64 " failures\n",
                  count, places, strikes);
    assert_true(count >= 200);
    mn_machine_free(s.os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_fails_nothing_is_lost)};

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
