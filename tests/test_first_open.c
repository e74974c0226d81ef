/*
 * Tests of the first moments of a database: crashes and faults while mn_open makes the file and
 * while the first statements are run, each by itself.
 *
 *   before the file has its name   there is no database, and whoever comes next makes a whole one
 *   from then on                   it opens, on the state after some of the first statements: at
 *                                  least those that were acknowledged, at most one more
 *
 * The model is a table of what the database holds after each of the statements.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/handle.h"
#include "mneme.h"
#include "os/sim.h"
#include "support/test.h"

static const char file[] = "first";

/* ---- the first statements ---- */

static int put_call(mn_db *db)
{
    static const char *const names[] = {"id", "n", "v"};
    static const float v[] = {4, 5, 6};
    mn_datum values[] = {{.type = MN_TYPE_INT, .as.i = 2},
                         {.type = MN_TYPE_INT, .as.i = 20},
                         {.type = MN_TYPE_VECTOR, .length = 3, .as.p = v}};
    mn_fields row = {sizeof row, 3, names, values};

    return mn_put(db, "t", &row, NULL);
}

static int link_call(mn_db *db)
{
    const mn_datum ends[] = {{.type = MN_TYPE_INT, .as.i = 1}, {.type = MN_TYPE_INT, .as.i = 2}};

    return mn_link(db, "r", ends, NULL, NULL);
}

static int delete_call(mn_db *db)
{
    const mn_datum key = {.type = MN_TYPE_INT, .as.i = 2};

    return mn_delete(db, "t", &key, 1);
}

enum { TABLES, INDEXES, RELATIONS, ROWS, SUM, NEAR, EDGES, FACTS };

/* What is done, by a statement or by a call, and what there is afterwards. -1: no such table. */
static const struct step {
    const char *sql;
    int (*call)(mn_db *db);
    int64_t facts[FACTS];
} steps[] = {
    {NULL, NULL, {0, 0, 0, -1, -1, -1, -1}},
    {"CREATE TABLE t (id INT PRIMARY KEY, n INT, body TEXT UNIQUE, v VECTOR(3))",
     NULL,
     {1, 1, 0, 0, 0, 0, -1}},
    {"CREATE INDEX t_n ON t (n)", NULL, {1, 2, 0, 0, 0, 0, -1}},
    {"INSERT INTO t VALUES (1, 10, 'one', [1, 2, 3])", NULL, {1, 2, 0, 1, 10, 1, -1}},
    {"CREATE INDEX t_v ON t (v) USING vector WITH (metric = l2)", NULL, {1, 3, 0, 1, 10, 1, -1}},
    {NULL, put_call, {1, 3, 0, 2, 30, 2, -1}},
    {"CREATE RELATION r FROM t TO t (w INT)", NULL, {1, 3, 1, 2, 30, 2, 0}},
    {NULL, link_call, {1, 3, 1, 2, 30, 2, 1}},
    {"INSERT INTO t SELECT g, g, 'row ' || g, [g, 1, 2] FROM generate_series(3, 40) g",
     NULL,
     {1, 3, 1, 40, 847, 40, 1}},
    {"UPDATE t SET n = 11, v = [9, 9, 9] WHERE id = 1", NULL, {1, 3, 1, 40, 848, 40, 1}},
    {NULL, delete_call, {1, 3, 1, 39, 828, 39, 0}},
    {"DROP INDEX t_n", NULL, {1, 2, 1, 39, 828, 39, 0}},
    {"CREATE TABLE u (a TEXT PRIMARY KEY)", NULL, {2, 3, 1, 39, 828, 39, 0}},
    {"DROP TABLE t CASCADE", NULL, {1, 1, 0, -1, -1, -1, -1}},
};

enum { STEPS = sizeof steps / sizeof *steps - 1 };

static int step_run(mn_db *db, int number)
{
    if (steps[number].call) return steps[number].call(db);
    return mn_exec(db, steps[number].sql, NULL, NULL);
}

static int number_take(void *context, mn_stmt *row)
{
    *(int64_t *)context = mn_col_int(row, 0);
    return 0;
}

/* -1: there is no such table. -2: it cannot be asked. */
static int64_t ask(mn_db *db, const char *sql)
{
    int64_t number = 0;
    int status = mn_exec(db, sql, number_take, &number);

    return status == MN_OK ? number : status == MN_SCHEMA ? -1 : -2;
}

static void facts_ask(mn_db *db, int64_t facts[FACTS])
{
    static const char *const questions[FACTS] = {
        [TABLES] = "SELECT count(*) FROM tables()",
        [INDEXES] = "SELECT count(*) FROM indexes()",
        [RELATIONS] = "SELECT count(*) FROM relations()",
        [ROWS] = "SELECT count(*) FROM t",
        [SUM] = "SELECT coalesce(sum(n), 0) FROM t",
        [NEAR] = "SELECT count(*) FROM (SELECT id FROM t NEAREST 100 TO [1, 2, 3] METRIC l2) q",
        [EDGES] = "SELECT count(*) FROM r"};

    for (int i = 0; i < FACTS; i++) facts[i] = ask(db, questions[i]);
}

/* How many of the steps are done; -1: the database holds something else. */
static int steps_done(mn_db *db)
{
    int64_t facts[FACTS];

    facts_ask(db, facts);
    for (int n = 0; n <= STEPS; n++) {
        if (memcmp(facts, steps[n].facts, sizeof facts) == 0) return n;
    }
    return -1;
}

/* It is whole, and the next step can be done on it. */
static bool goes_on(mn_db *db, int done)
{
    if (done < STEPS && (step_run(db, done + 1) != MN_OK || steps_done(db) != done + 1))
        return false;
    return mn_check(db, NULL, NULL) == MN_OK;
}

/* ---- while the file is made, on a simulated machine ---- */

enum way { POWER, KILL, WAYS_LOST, ONCE = WAYS_LOST, FOR_EVER };

struct plan {
    struct mn_os *os;
    enum way way;
    enum mn_sim_fault fault;
    uint64_t at, seen;
    bool hit, named; /* named: when it was hit the file had its name */
    uint64_t states;
};

static int open_at(struct mn_os *os, unsigned flags, mn_db **db)
{
    mn_options options = {.size = sizeof options, .flags = flags, .page_size = 1024, .busy_ms = -1};

    return (int)mn_db_open_os(file, &options, os, db);
}

/* A machine behind a crash: there is no database, or an empty one. */
static void machine_judge(struct mn_os *os, bool named)
{
    mn_db *db;
    int status = open_at(os, 0, &db);

    if (!named) {
        assert_int_equal(status, MN_NOTFOUND);
        assert_non_null(strstr(mn_errmsg(NULL), file));
        status = open_at(os, MN_CREATE, &db);
    }
    if (status != MN_OK) fail_msg("%d: %s", status, mn_errmsg(NULL));
    assert_int_equal(steps_done(db), 0);
    assert_true(goes_on(db, 0));
    assert_int_equal(mn_close(db), MN_OK);
    assert_int_equal(open_at(os, 0, &db), MN_OK);
    assert_int_equal(steps_done(db), 1);
    assert_int_equal(mn_close(db), MN_OK);
}

static void power_lose(struct plan *plan)
{
    struct mn_sim_loss losses[] = {{.keep = 0, .rest_lost = true},
                                   {.keep = UINT64_MAX},
                                   {.random = true, .seed = plan->at},
                                   {.random = true, .seed = plan->at * 7 + 1}};

    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        struct mn_os *after = mn_sim_crash(plan->os, &losses[i]);

        assert_non_null(after);
        machine_judge(after, plan->named);
        mn_machine_free(after);
        plan->states++;
    }
}

static enum mn_sim_fault plan_hook(void *context, const struct mn_sim_event *event)
{
    struct plan *plan = context;

    plan->seen++;
    if (plan->seen < plan->at || (plan->seen > plan->at && plan->way != FOR_EVER)) {
        return MN_SIM_PASS;
    }
    if (!plan->hit) plan->named = mn_sim_inode(plan->os, file) != NULL;
    plan->hit = true;
    if (plan->way == POWER) {
        power_lose(plan);
    } else if (plan->way == KILL) {
        mn_sim_kill(event->file);
    } else {
        return plan->fault;
    }
    return MN_SIM_PASS;
}

/* One opening that makes the file, with something in its way. False: it came to an end before. */
static bool opening(struct plan *plan)
{
    mn_db *db = NULL;
    int status;

    plan->os = mn_machine_new(plan->at, 0);
    plan->hit = false;
    plan->seen = 0;
    assert_non_null(plan->os);
    mn_sim_set_hook(plan->os, plan_hook, plan);
    status = open_at(plan->os, MN_CREATE, &db);
    mn_sim_set_hook(plan->os, NULL, NULL);
    if (plan->way == POWER || !plan->hit) assert_int_equal(status, MN_OK);
    if (status != MN_OK) {
        assert_null(db);
        assert_true(mn_errmsg(NULL)[0] != '\0');
        assert_true(status == MN_IOERR || status == MN_FULL);
        machine_judge(plan->os, plan->named || mn_sim_inode(plan->os, file) != NULL);
        plan->states++;
    } else {
        assert_int_equal(mn_close(db), MN_OK);
        if (plan->way != POWER) machine_judge(plan->os, true);
    }
    mn_machine_free(plan->os);
    return plan->hit;
}

/* At every single thing that the opening asks of the machine. */
static void all_openings(enum way way, enum mn_sim_fault fault, uint64_t *events, uint64_t *states)
{
    struct plan plan = {.way = way, .fault = fault, .at = 1};

    while (opening(&plan)) plan.at++;
    if (plan.at < 10) fail_msg("only %d events", (int)plan.at);
    *events += plan.at - 1;
    *states += plan.states;
}

static void a_file_that_is_not_made_is_not_there(void **state)
{
    uint64_t events = 0, states = 0;

    (void)state;
    all_openings(POWER, MN_SIM_PASS, &events, &states);
    all_openings(KILL, MN_SIM_PASS, &events, &states);
    print_message("             %d events, %d states\n", (int)events, (int)states);
    assert_true(states > events);
}

static void a_file_that_cannot_be_made_is_not_there(void **state)
{
    static const enum mn_sim_fault faults[] = {MN_SIM_EIO, MN_SIM_FULL, MN_SIM_SHORT};
    uint64_t events = 0, states = 0;

    (void)state;
    for (enum way way = ONCE; way <= FOR_EVER; way++) {
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
            all_openings(way, faults[i], &events, &states);
        }
    }
    print_message("             %d faults, %d of them told\n", (int)events, (int)states);
    assert_true(states > 20);
}

/* Two processes make the file at once: one of them wins, and both have it. */
static enum mn_sim_fault rival_hook(void *context, const struct mn_sim_event *event)
{
    struct plan *plan = context;
    mn_db *db;

    if (event->op != MN_SIM_PUBLISH || plan->hit) return MN_SIM_PASS;
    plan->hit = true;
    assert_int_equal(open_at(plan->os, MN_CREATE, &db), MN_OK);
    assert_int_equal(step_run(db, 1), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
    return MN_SIM_PASS;
}

static void who_comes_second_opens_what_the_first_made(void **state)
{
    struct plan plan = {.os = mn_machine_new(5, 0)};
    mn_db *db;

    (void)state;
    assert_non_null(plan.os);
    mn_sim_set_hook(plan.os, rival_hook, &plan);
    assert_int_equal(open_at(plan.os, MN_CREATE, &db), MN_OK);
    assert_true(plan.hit);
    assert_int_equal(steps_done(db), 1);
    assert_true(goes_on(db, 1));
    assert_int_equal(mn_close(db), MN_OK);
    mn_machine_free(plan.os);
}

/* ---- the first statements, in every state that a crash may leave ---- */

struct life {
    unsigned sync;
    uint64_t states[STEPS + 1]; /* good ones, by how many steps they had */
};

static int life_check(void *context, mn_db *db, const mn_sim_state *state)
{
    struct life *life = context;
    int done = steps_done(db), told = (int)state->acked;
    /* The check itself does a step; what it did may be there after the second crash. */
    int most = told + (state->kind == MN_SIM_RECOVERY ? 2 : 1);

    if (done < 0) return 1;
    if (done > most) return 2;
    if (done < told && (life->sync == MN_SYNC_FULL || state->kind == MN_SIM_KILL)) return 3;
    life->states[done]++;
    return goes_on(db, done) ? 0 : 4;
}

static void life_run(unsigned sync, uint64_t states)
{
    mn_options open = {.size = sizeof open, .flags = MN_CREATE, .sync = sync, .page_size = 1024};
    mn_sim_report r = {.size = sizeof r};
    mn_options later = {.size = sizeof later, .sync = sync};
    mn_sim_options options = {
        .size = sizeof options, .open = &later, .seconds_max = 600, .report = &r};
    struct life life = {.sync = sync};
    mn_vfs *vfs;
    mn_db *db;

    options.states_max = states;
    /* What is never synced may be nothing at all after a power loss, and then opening says so. */
    if (sync == MN_SYNC_OFF) options.kinds = MN_SIM_KILL;
    assert_int_equal(mn_sim_new(test_seed(), &vfs), MN_OK);
    open.vfs = vfs;
    assert_int_equal(mn_open_with(file, &open, &db), MN_OK);
    for (int n = 1; n <= STEPS; n++) {
        if (step_run(db, n) != MN_OK) fail_msg("step %d: %s", n, mn_errmsg(db));
        assert_int_equal(mn_sim_ack(vfs, (uint64_t)n), MN_OK);
        assert_int_equal(steps_done(db), n);
    }
    assert_int_equal(mn_close(db), MN_OK);
    if (mn_sim_explore(vfs, life_check, &life, &options) != MN_OK) fail_msg("%s", mn_errmsg(NULL));
    print_message("             %d steps, %d states, %d distinct, %d of them kills, %d in recovery;"
                  " complete: %d\n",
                  (int)r.steps, (int)r.states, (int)r.distinct, (int)r.kills, (int)r.recoveries,
                  r.complete);
    for (int n = 0; n <= STEPS; n++) assert_true(life.states[n] > 0);
    mn_sim_free(vfs);
}

static void the_first_statements_survive(void **state)
{
    (void)state;
    life_run(MN_SYNC_FULL, test_is_deep() ? 200000 : 1500);
}

static void lazy_first_statements_are_whole(void **state)
{
    (void)state;
    life_run(MN_SYNC_LAZY, test_is_deep() ? 200000 : 1500);
}

static void unsynced_first_statements_survive_kills(void **state)
{
    (void)state;
    life_run(MN_SYNC_OFF, 1500);
}

/* ---- real processes that die while they make a real file ---- */

/* Makes the file and does the steps; says each one that is done. */
static void child_run(const char *path, int out)
{
    mn_db *db;
    char byte = 0;

    if (mn_open(path, MN_CREATE, &db) != MN_OK) _exit(3);
    for (int n = 1; n <= STEPS; n++) {
        if (step_run(db, n) != MN_OK) _exit(4);
        byte = (char)n;
        if (write(out, &byte, 1) != 1) _exit(5);
    }
    for (;;) pause();
}

/* The last step that the child told of. */
static int told_by(int in)
{
    char byte;
    int told = 0;

    while (read(in, &byte, 1) == 1) told = byte;
    return told;
}

/* Nothing but the database lies there; a file system without unnamed files may keep what was not
 * finished under another name. */
static bool folder_is_tidy(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    bool tidy = true;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, file) == 0) continue;
        tidy = tidy && strncmp(entry->d_name, "first.new-", 10) == 0;
    }
    closedir(dir);
    return tidy;
}

static void a_real_process_may_die_anywhere(void **state)
{
    int rounds = test_is_deep() ? 3000 : 60, absent = 0, empty = 0, part = 0;
    uint64_t random = test_seed() * 31 + 7;
    char folder[4096], path[4096 + sizeof file + 1];

    (void)state;
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/%s", folder, file);
    for (int i = 0; i < rounds; i++) {
        /* Half of them while the file is made, half while the statements are run. */
        uint64_t most = i % 2 ? 30000000 : 3000000;
        struct timespec nap = {.tv_nsec = (long)(test_random(&random) % most)};
        int ends[2], told, done, status;
        mn_db *db;
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
            close(ends[0]);
            child_run(path, ends[1]);
        }
        assert_true(pid > 0);
        close(ends[1]);
        nanosleep(&nap, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        told = told_by(ends[0]);
        close(ends[0]);
        status = mn_open(path, 0, &db);
        if (status == MN_NOTFOUND) {
            assert_int_equal(told, 0);
            absent++;
            status = mn_open(path, MN_CREATE, &db);
        }
        if (status != MN_OK) fail_msg("round %d: %d: %s", i, status, mn_errmsg(NULL));
        done = steps_done(db);
        if (done < told || done > told + 1) fail_msg("round %d: %d told, %d done", i, told, done);
        assert_true(goes_on(db, done));
        assert_int_equal(mn_close(db), MN_OK);
        assert_true(folder_is_tidy(folder));
        empty += done == 0;
        part += done > 0 && done < STEPS;
        assert_int_equal(unlink(path), 0);
    }
    print_message("             %d killed: %d before the file had a name, %d before a statement, %d"
                  " between them\n",
                  rounds, absent, empty - absent, part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_not_made_is_not_there),
        cmocka_unit_test(a_file_that_cannot_be_made_is_not_there),
        cmocka_unit_test(who_comes_second_opens_what_the_first_made),
        cmocka_unit_test(the_first_statements_survive),
        cmocka_unit_test(lazy_first_statements_are_whole),
        cmocka_unit_test(unsynced_first_statements_survive_kills),
        cmocka_unit_test(a_real_process_may_die_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
