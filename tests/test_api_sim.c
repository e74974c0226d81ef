/*
 * Tests of mn_sim_*: an application that is right has no violation in any state, one that is wrong
 * is found, and the token of what was found makes the same state again.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/sim.h"
#include "os/sim_walk.h"
#include "support/api.h"
#include "support/test.h"

/* An application: pairs (n, n) in two tables, one after the other. */
enum fault {
    RIGHT,
    TOLD_EARLY,    /* acknowledges before the commit */
    TWO_COMMITS,   /* the two facts of a pair in two transactions */
    BELIEVES_LAZY, /* acknowledges what power loss may take back */
};

struct app {
    enum fault fault;
    unsigned sync;
    int64_t rounds;
    bool after_kill; /* its check: only then must all be there that was acknowledged */
};

static int app_start(mn_db *db)
{
    return mn_exec(db,
                   "BEGIN; CREATE TABLE IF NOT EXISTS a (id INT PRIMARY KEY, body TEXT);"
                   "CREATE TABLE IF NOT EXISTS b (id INT PRIMARY KEY, body TEXT); COMMIT",
                   NULL, NULL);
}

static int app_step(mn_db *db, mn_vfs *vfs, const struct app *app, int64_t n)
{
    const char *format = app->fault == TWO_COMMITS
                             ? "INSERT INTO a VALUES (%d, 'x'); INSERT INTO b VALUES (%d, 'y')"
                             : "BEGIN; INSERT INTO a VALUES (%d, 'x');"
                               "INSERT INTO b VALUES (%d, 'y'); COMMIT";
    char sql[200];
    int code;

    snprintf(sql, sizeof sql, format, (int)n, (int)n);
    if (app->fault == TOLD_EARLY) assert_int_equal(mn_sim_ack(vfs, (uint64_t)n), MN_OK);
    code = mn_exec(db, sql, NULL, NULL);
    if (code == MN_OK && app->fault != TOLD_EARLY) code = mn_sim_ack(vfs, (uint64_t)n);
    return code;
}

/* The rule: the tables have the same rows, all that was acknowledged, and at most one more. */
static int app_check(void *context, mn_db *db, const mn_sim_state *state)
{
    const struct app *app = context;
    int64_t a, b, told = (int64_t)state->acked;

    if (app_start(db) != MN_OK) return 9;
    a = api_int(db, "SELECT count(*) FROM a");
    b = api_int(db, "SELECT count(*) FROM b");
    if (a != b) return 1;
    if (a < told && (!app->after_kill || state->kind == MN_SIM_KILL)) return 2;
    return a > told + 1 ? 3 : 0;
}

static mn_vfs *app_run(const struct app *app, uint64_t seed)
{
    mn_options options = {.size = sizeof options, .flags = MN_CREATE, .sync = app->sync};
    mn_vfs *vfs;
    mn_db *db;

    assert_int_equal(mn_sim_new(seed, &vfs), MN_OK);
    options.vfs = vfs;
    assert_int_equal(mn_open_with("app", &options, &db), MN_OK);
    assert_int_equal(app_start(db), MN_OK);
    for (int64_t n = 1; n <= app->rounds; n++) {
        api_expect(db, app_step(db, vfs, app, n), MN_OK);
    }
    assert_int_equal(mn_close(db), MN_OK);
    return vfs;
}

static int app_explore(struct app *app, mn_vfs *vfs, mn_sim_report *report, unsigned kinds)
{
    mn_options open = {.size = sizeof open, .sync = app->sync};
    mn_sim_options options = {
        .size = sizeof options, .open = &open, .kinds = kinds, .seconds_max = 60, .report = report};

    *report = (mn_sim_report){.size = sizeof *report};
    return mn_sim_explore(vfs, app_check, app, &options);
}

static void a_right_application_has_no_violation(void **state)
{
    struct app app = {RIGHT, MN_SYNC_FULL, 5, false};
    mn_vfs *vfs = app_run(&app, 1);
    mn_sim_report r;

    (void)state;
    if (app_explore(&app, vfs, &r, 0) != MN_OK) fail_msg("%s", mn_errmsg(NULL));
    print_message("%d steps, %d states, %d distinct: %d subsets, %d tears, %d garbage, %d kills, "
                  "%d in recovery; %d good\n",
                  (int)r.steps, (int)r.states, (int)r.distinct, (int)r.subsets, (int)r.tears,
                  (int)r.garbage, (int)r.kills, (int)r.recoveries, (int)r.good);
    assert_true(r.complete);
    assert_string_equal(r.token, "");
    assert_true(r.subsets > 20 && r.tears > 20 && r.garbage > 20 && r.kills > 20);
    assert_true(r.recoveries > 20);
    assert_int_equal(r.distinct, r.subsets + r.tears + r.garbage + r.kills + r.recoveries);
    assert_true(r.states >= r.distinct && r.good >= r.distinct);
    mn_sim_free(vfs);
}

/* The token of a violation, in another run of the same program, is the same violation; and in the
 * right program there is no such state, or none that is wrong. */
static void found_and_replayed(enum fault fault, int answer)
{
    struct app app = {fault, MN_SYNC_FULL, 4, false};
    mn_vfs *vfs = app_run(&app, 7);
    mn_sim_report found, again = {.size = sizeof again};
    mn_sim_options options = {.size = sizeof options, .replay = found.token, .report = &again};
    char words[40], message[600];

    snprintf(words, sizeof words, "the check answered %d", answer);
    assert_int_equal(app_explore(&app, vfs, &found, 0), MN_ERROR);
    snprintf(message, sizeof message, "%s", mn_errmsg(NULL));
    assert_non_null(strstr(message, words));
    assert_non_null(strstr(message, found.token));
    assert_int_equal(found.complete, 0);
    mn_sim_free(vfs);

    vfs = app_run(&app, 7);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_ERROR);
        assert_string_equal(mn_errmsg(NULL), message);
        assert_string_equal(again.token, found.token);
        assert_int_equal(again.states, 1);
    }
    mn_sim_free(vfs);

    vfs = app_run(&app, 8); /* another seed: another run */
    assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_NOTFOUND);
    mn_sim_free(vfs);
    app.rounds = 0;
    vfs = app_run(&app, 7); /* this run ends before the token's step */
    assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_NOTFOUND);
    mn_sim_free(vfs);
}

static void what_is_told_too_early_is_found(void **state)
{
    (void)state;
    found_and_replayed(TOLD_EARLY, 2);
}

static void a_pair_in_two_transactions_is_found(void **state)
{
    (void)state;
    found_and_replayed(TWO_COMMITS, 1);
}

static void every_kind_replays_what_it_finds(void **state)
{
    static const unsigned kinds[] = {MN_SIM_SUBSET, MN_SIM_TEAR, MN_SIM_GARBAGE, MN_SIM_KILL,
                                     MN_SIM_RECOVERY};
    struct app app = {TWO_COMMITS, MN_SYNC_FULL, 3, false};
    mn_vfs *vfs = app_run(&app, 3);

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        mn_sim_report found, again = {.size = sizeof again};
        mn_sim_options options = {.size = sizeof options, .replay = found.token, .report = &again};

        assert_int_equal(app_explore(&app, vfs, &found, kinds[i]), MN_ERROR);
        assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_ERROR);
        assert_string_equal(again.token, found.token);
    }
    mn_sim_free(vfs);
}

/* Lazy commits survive the end of the process, and power loss only after mn_sync. */
static void lazy_commits_survive_kills_only(void **state)
{
    struct app app = {BELIEVES_LAZY, MN_SYNC_LAZY, 6, true};
    mn_vfs *vfs = app_run(&app, 1);
    mn_sim_report r;

    (void)state;
    if (app_explore(&app, vfs, &r, 0) != MN_OK) fail_msg("%s", mn_errmsg(NULL));
    assert_true(r.kills > 10 && r.subsets > 20 && r.tears > 20);
    app.after_kill = false;
    if (app_explore(&app, vfs, &r, MN_SIM_KILL) != MN_OK) fail_msg("%s", mn_errmsg(NULL));
    assert_int_equal(app_explore(&app, vfs, &r, MN_SIM_SUBSET), MN_ERROR);
    assert_non_null(strstr(mn_errmsg(NULL), "the check answered 2"));
    mn_sim_free(vfs);
}

/* Reads by a statement that may fail on a damaged page: what it gives must be right. */
static int off_check(void *context, mn_db *db, const mn_sim_state *state)
{
    mn_stmt *stmt;
    int64_t a = 0, b = 0;
    int code;

    (void)context, (void)state;
    if (mn_prepare(db, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)", MN_ALL, &stmt,
                   NULL) != MN_OK) {
        return mn_errcode(db) == MN_CORRUPT || mn_errcode(db) == MN_SCHEMA ? 0 : 9;
    }
    code = mn_step(stmt);
    if (code == MN_ROW) a = mn_col_int(stmt, 0), b = mn_col_int(stmt, 1);
    mn_finalize(stmt);
    if (code != MN_ROW) return code == MN_CORRUPT ? 0 : 9;
    return a != b;
}

static void without_syncs_nothing_is_wrong_but_may_be_corrupt(void **state)
{
    struct app app = {RIGHT, MN_SYNC_OFF, 40, true};
    mn_vfs *vfs = app_run(&app, 1);
    mn_sim_report r = {.size = sizeof r};
    mn_sim_options options = {
        .size = sizeof options, .states_max = 3000, .seconds_max = 60, .report = &r};

    (void)state;
    if (mn_sim_explore(vfs, off_check, &app, &options) != MN_OK) fail_msg("%s", mn_errmsg(NULL));
    assert_true(r.states <= 3000 && r.good > 0);
    mn_sim_free(vfs);
}

static bool has_zeros(const struct mn_sim_log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct mn_sim_entry *entry = &log->entries[i];
        const uint8_t *bytes = log->bytes + entry->at;

        if (entry->kind != MN_ENTRY_WRITE || entry->size_bytes < 4096 || bytes[0]) continue;
        if (memcmp(bytes, bytes + 1, entry->size_bytes - 1) == 0) return true;
    }
    return false;
}

/* Everything that the run did to its file is in the log: done again, it makes the same file. */
static void the_log_makes_the_same_file(void **state)
{
    static const unsigned syncs[] = {MN_SYNC_FULL, MN_SYNC_LAZY, MN_SYNC_OFF};

    (void)state;
    for (size_t i = 0; i < sizeof syncs / sizeof *syncs; i++) {
        struct app app = {RIGHT, syncs[i], 60, false};
        mn_vfs *vfs = app_run(&app, 5);
        struct mn_sim_walk walk;
        uint64_t size = mn_sim_size(vfs->os, "app");

        assert_int_equal(mn_sim_walk_begin(&walk, &vfs->log, "app", 5), MN_OK);
        assert_int_equal(mn_sim_walk_go(&walk, vfs->log.count), MN_OK);
        assert_int_equal(mn_sim_size(walk.os, "app"), size);
        assert_memory_equal(mn_sim_content(walk.os, "app"), mn_sim_content(vfs->os, "app"), size);
        assert_int_equal(mn_sim_pending(walk.os, "app"), mn_sim_pending(vfs->os, "app"));
        mn_sim_walk_end(&walk);
        assert_true(has_zeros(&vfs->log)); /* also blocks that are written in advance */
        mn_sim_free(vfs);
    }
}

/* The first byte of the file as it is before the run's first step. */
static void a_state_that_cannot_be_opened_is_a_violation(void **state)
{
    struct app app = {RIGHT, MN_SYNC_FULL, 1, false};
    mn_vfs *vfs = app_run(&app, 1);
    mn_sim_report r;

    (void)state;
    vfs->log.base[0] ^= 1;
    assert_int_equal(app_explore(&app, vfs, &r, 0), MN_NOTADB);
    assert_non_null(strstr(mn_errmsg(NULL), "cannot be opened"));
    assert_non_null(strstr(mn_errmsg(NULL), r.token));
    mn_sim_free(vfs);
}

/* ---- bounds ---- */

static void bounds_end_it(void **state)
{
    struct app app = {RIGHT, MN_SYNC_FULL, 5, false};
    mn_vfs *vfs = app_run(&app, 1);
    mn_sim_report r = {.size = sizeof r};
    mn_sim_options options = {.size = sizeof options, .states_max = 10, .report = &r};

    (void)state;
    assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_OK);
    assert_int_equal(r.states, 10);
    assert_false(r.complete);
    /* A report of an older header has no more than it has room for. */
    r = (mn_sim_report){.size = offsetof(mn_sim_report, distinct), .distinct = 77};
    assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_OK);
    assert_int_equal(r.states, 10);
    assert_int_equal(r.distinct, 77);
    mn_sim_free(vfs);
}

static void the_disk_has_a_size(void **state)
{
    mn_options options = {.size = sizeof options, .flags = MN_CREATE, .sync = MN_SYNC_OFF};
    static uint8_t bytes[1000000];
    int code = MN_OK;
    int64_t rows = 0;
    mn_stmt *stmt;
    mn_db *db;

    (void)state;
    assert_int_equal(mn_sim_new(1, &options.vfs), MN_OK);
    assert_int_equal(mn_open_with("app", &options, &db), MN_OK);
    api_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, body BLOB)");
    assert_int_equal(mn_prepare(db, "INSERT INTO t (body) VALUES (?)", MN_ALL, &stmt, NULL), MN_OK);
    while (code == MN_OK && rows < 100) {
        mn_bind_blob(stmt, 1, bytes, sizeof bytes, MN_STATIC);
        code = mn_step(stmt) == MN_DONE ? MN_OK : mn_errcode(db);
        rows += code == MN_OK;
    }
    mn_finalize(stmt);
    assert_int_equal(code, MN_FULL);
    assert_true(rows >= 50); /* of a million bytes each */
    assert_int_equal(api_int(db, "SELECT count(*) FROM t"), rows);
    assert_int_equal(mn_close(db), MN_OK);
    mn_sim_free(options.vfs);
}

/* ---- what is refused ---- */

static void expect_misuse(int code, const char *words)
{
    assert_int_equal(code, MN_MISUSE);
    if (!strstr(mn_errmsg(NULL), words)) fail_msg("%s", mn_errmsg(NULL));
}

static void bad_arguments_are_told(void **state)
{
    mn_options open = {.size = sizeof open, .flags = MN_CREATE};
    mn_sim_report report = {.size = 1};
    mn_sim_options options = {.size = sizeof options};
    mn_vfs *vfs;
    mn_db *db, *other;

    (void)state;
    expect_misuse(mn_sim_new(1, NULL), "no place");
    expect_misuse(mn_sim_ack(NULL, 1), "NULL");
    expect_misuse(mn_sim_explore(NULL, app_check, NULL, NULL), "NULL");
    mn_sim_free(NULL);
    assert_int_equal(mn_sim_new(1, &vfs), MN_OK);
    expect_misuse(mn_sim_explore(vfs, NULL, NULL, NULL), "no check");
    expect_misuse(mn_sim_explore(vfs, app_check, NULL, NULL), "no database was opened");
    expect_misuse(mn_sim_ack(vfs, 1), "no database was opened");

    open.vfs = vfs;
    expect_misuse(mn_open_with(NULL, &open, &db), "memory");
    expect_misuse(mn_open_with(":memory:", &open, &db), "memory");
    open.flags = MN_CREATE | MN_MEMORY;
    expect_misuse(mn_open_with("app", &open, &db), "memory");
    open.flags = 0;
    assert_int_equal(mn_open_with("absent", &open, &db), MN_NOTFOUND);
    open.flags = MN_CREATE;
    assert_int_equal(mn_open_with("app", &open, &db), MN_OK);
    expect_misuse(mn_open_with("another", &open, &other), "holds one database");
    assert_null(other);
    expect_misuse(mn_sim_explore(vfs, app_check, NULL, NULL), "not closed");
    assert_int_equal(mn_open_with("app", &open, &other), MN_OK);
    assert_int_equal(mn_close(other), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);

    options.size = 3;
    expect_misuse(mn_sim_explore(vfs, app_check, NULL, &options), "sizeof(mn_sim_options)");
    options = (mn_sim_options){.size = sizeof options, .kinds = 32};
    expect_misuse(mn_sim_explore(vfs, app_check, NULL, &options), "unknown kinds 0x20");
    options = (mn_sim_options){.size = sizeof options, .report = &report};
    expect_misuse(mn_sim_explore(vfs, app_check, NULL, &options), "sizeof(mn_sim_report)");
    options = (mn_sim_options){.size = sizeof options, .open = &open};
    open.size = 0;
    expect_misuse(mn_sim_explore(vfs, app_check, NULL, &options), "sizeof(mn_options)");
    open = (mn_options){.size = sizeof open, .flags = 1u << 20};
    expect_misuse(mn_sim_explore(vfs, app_check, NULL, &options), "unknown flags");
    mn_sim_free(vfs);
}

static void a_text_that_is_no_token_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "sim1",
                                        "sim1-1-s-0-0",
                                        "sim1-1-q-0-0-00000000",
                                        "sim1-1-s-0-0-00000000x",
                                        "sim2-1-s-0-0-00000000"};
    struct app app = {TWO_COMMITS, MN_SYNC_FULL, 1, false};
    mn_vfs *vfs = app_run(&app, 1);
    mn_sim_report r;
    mn_sim_options options = {.size = sizeof options};
    char token[200], *number;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        options.replay = texts[i];
        expect_misuse(mn_sim_explore(vfs, app_check, &app, &options), "not a token");
    }
    options.replay = "sim1-1-s-0-0-00000000"; /* the print is another one */
    assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_NOTFOUND);
    options.replay = "sim1-1-s-9999999-0-00000000";
    assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_NOTFOUND);
    /* A good token with a number that its step has not. */
    assert_int_equal(app_explore(&app, vfs, &r, MN_SIM_KILL), MN_ERROR);
    number = strrchr(r.token, '-');
    *number = '\0';
    snprintf(token, sizeof token, "%.*s99999-%s", (int)(strrchr(r.token, '-') + 1 - r.token),
             r.token, number + 1);
    options.replay = token;
    assert_int_equal(mn_sim_explore(vfs, app_check, &app, &options), MN_NOTFOUND);
    mn_sim_free(vfs);
}

struct careless {
    mn_vfs *vfs;
    mn_stmt *stmt;
    mn_db *db;
    int open_code, ack_code, explore_code;
};

static int careless_check(void *context, mn_db *db, const mn_sim_state *state)
{
    struct careless *c = context;
    mn_options open = {.size = sizeof open, .vfs = c->vfs};
    mn_db *other;

    (void)state;
    c->db = db;
    c->open_code = mn_open_with("app", &open, &other);
    c->ack_code = mn_sim_ack(c->vfs, 5);
    c->explore_code = mn_sim_explore(c->vfs, careless_check, c, NULL);
    return mn_prepare(db, "SELECT 1", MN_ALL, &c->stmt, NULL);
}

static void a_check_that_leaves_a_statement_is_told(void **state)
{
    struct app app = {RIGHT, MN_SYNC_FULL, 1, false};
    struct careless c = {.vfs = app_run(&app, 1)};

    (void)state;
    expect_misuse(mn_sim_explore(c.vfs, careless_check, &c, NULL), "left a statement");
    assert_int_equal(c.open_code, MN_MISUSE);
    assert_int_equal(c.ack_code, MN_MISUSE);
    assert_int_equal(c.explore_code, MN_MISUSE);
    /* The handle is the caller's to close then. */
    assert_int_equal(mn_finalize(c.stmt), MN_OK);
    assert_int_equal(mn_close(c.db), MN_OK);
    mn_sim_free(c.vfs);
}

static void a_handle_keeps_its_disk(void **state)
{
    mn_options open = {.size = sizeof open, .flags = MN_CREATE};
    mn_db *db;

    (void)state;
    assert_int_equal(mn_sim_new(1, &open.vfs), MN_OK);
    assert_int_equal(mn_open_with("app", &open, &db), MN_OK);
    mn_sim_free(open.vfs);
    api_exec(db, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    assert_int_equal(api_int(db, "SELECT count(*) FROM t"), 1);
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- threads and memory ---- */

struct worker {
    mn_vfs *vfs;
    mn_db *db;
    int code;
};

static void *worker_run(void *context)
{
    struct worker *w = context;

    for (int i = 0; i < 20 && w->code == MN_OK; i++) {
        w->code = mn_exec(w->db, "UPDATE n SET v = v + 1 WHERE id = 1", NULL, NULL);
        /* The other thread may have told a greater number: so both tell 1. */
        if (w->code == MN_OK) w->code = mn_sim_ack(w->vfs, 1);
    }
    return NULL;
}

static int count_check(void *context, mn_db *db, const mn_sim_state *state)
{
    (void)context;
    if (state->acked == 0) return 0;
    return api_int(db, "SELECT v FROM n") < 1;
}

static void threads_share_a_disk(void **state)
{
    mn_options open = {.size = sizeof open, .flags = MN_CREATE};
    mn_sim_options options = {.size = sizeof options, .states_max = 2000};
    struct worker workers[2];
    pthread_t threads[2];
    mn_db *db;

    (void)state;
    assert_int_equal(mn_sim_new(1, &open.vfs), MN_OK);
    assert_int_equal(mn_open_with("app", &open, &db), MN_OK);
    api_exec(db, "CREATE TABLE n (id INT PRIMARY KEY, v INT); INSERT INTO n VALUES (1, 0)");
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){open.vfs, db, MN_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].code, MN_OK);
    }
    assert_int_equal(api_int(db, "SELECT v FROM n"), 40);
    assert_int_equal(mn_close(db), MN_OK);
    if (mn_sim_explore(open.vfs, count_check, NULL, &options)) fail_msg("%s", mn_errmsg(NULL));
    mn_sim_free(open.vfs);
}

static int nothing_check(void *context, mn_db *db, const mn_sim_state *state)
{
    (void)context, (void)db, (void)state;
    return 0;
}

/* The whole life of a disk; MN_NOMEM where an allocation failed. */
static int life(void *context)
{
    mn_options open = {.size = sizeof open, .flags = MN_CREATE};
    mn_sim_options options = {.size = sizeof options, .states_max = 12};
    mn_db *db = NULL;
    int code = mn_sim_new(1, &open.vfs), end;

    (void)context;
    if (code != MN_OK) return code;
    code = mn_open_with("app", &open, &db);
    if (code == MN_OK) code = mn_exec(db, "CREATE TABLE t (id INT PRIMARY KEY)", NULL, NULL);
    if (code == MN_OK) code = mn_sim_ack(open.vfs, 1);
    end = mn_close(db);
    if (code == MN_OK) code = end;
    if (code == MN_OK) code = mn_sim_explore(open.vfs, nothing_check, NULL, &options);
    mn_sim_free(open.vfs);
    /* A sync that found no memory has failed. */
    return code == MN_UNCERTAIN ? MN_NOMEM : code;
}

static void life_ends(void *context, int code)
{
    (void)context, (void)code;
}

static void every_allocation_may_fail(void **state)
{
    uint64_t failed = api_starve(life, life_ends, NULL);

    (void)state;
    print_message("%d allocations failed, one at a time\n", (int)failed);
    assert_true(failed > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_application_has_no_violation),
        cmocka_unit_test(what_is_told_too_early_is_found),
        cmocka_unit_test(a_pair_in_two_transactions_is_found),
        cmocka_unit_test(every_kind_replays_what_it_finds),
        cmocka_unit_test(lazy_commits_survive_kills_only),
        cmocka_unit_test(without_syncs_nothing_is_wrong_but_may_be_corrupt),
        cmocka_unit_test(the_log_makes_the_same_file),
        cmocka_unit_test(a_state_that_cannot_be_opened_is_a_violation),
        cmocka_unit_test(bounds_end_it),
        cmocka_unit_test(the_disk_has_a_size),
        cmocka_unit_test(bad_arguments_are_told),
        cmocka_unit_test(a_text_that_is_no_token_is_refused),
        cmocka_unit_test(a_check_that_leaves_a_statement_is_told),
        cmocka_unit_test(a_handle_keeps_its_disk),
        cmocka_unit_test(threads_share_a_disk),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
