/*
 * Tests of durability in a storm: several writers and readers take turns on one file, and one after
 * the other is stopped or killed by SIGKILL somewhere and begun anew.
 *
 * Each writer has rows of its own, a row that counts its transactions, and a share in a total that
 * all of them count up. A reader compares, within one snapshot, the total with the counters, and
 * one writer's rows with what its counter implies; it may hold its snapshot a while and compare
 * again. What was acknowledged stands in shared memory, so it outlives who heard it:
 *
 *   (S1) a writer that begins anew finds its last acknowledged transaction or the one behind it;
 *   (S2) a snapshot holds, of each writer, what was acknowledged before it began, and nothing that
 *        was not begun when it ended;
 *   (S3) after all are dead the file opens, its check is clean, and it holds for each writer wholly
 *        the last acknowledged transaction or the one in flight.
 *
 * This is the promise for the death of processes in every sync mode; the modes run one after the
 * other, and once mixed.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mneme.h"
#include "support/storm.h"
#include "support/test.h"

enum { READERS = 3, WORKERS = STORM_WRITERS + READERS, MIXED = 3, MODES = 4 };
enum { KILLS_QUICK = 25, KILLS_DEEP = 1250, KILLS_A_ROUND = 8, ROUND_MS = 4, SAY_BYTES = 400 };

static const char *const modes[MODES] = {"full", "lazy", "off", "mixed"};

/* Shared by all processes of a storm. */
struct board {
    _Atomic uint32_t begun[STORM_WRITERS], acked[STORM_WRITERS];
    _Atomic uint64_t commits, aborts, snapshots;
    char say[WORKERS][SAY_BYTES]; /* what went wrong */
};

struct tally {
    unsigned kills, inside, stops, rounds, survived;
};

static struct board *board;
static char path[512];
static unsigned mode;
static struct storm_model models[STORM_WRITERS]; /* each process has its own copy */
static unsigned self;                            /* the worker that this process is */

/* ---- in a worker ---- */

static _Noreturn void give_up(const char *what, mn_db *db, int status)
{
    (void)snprintf(board->say[self], SAY_BYTES, "%s: %d %s", what, status, db ? mn_errmsg(db) : "");
    _exit(1);
}

static void must(mn_db *db, int status, const char *what)
{
    if (status != MN_OK && status != MN_DONE && status != MN_ROW) give_up(what, db, status);
}

static void expect(bool good, const char *what, uint64_t got, uint64_t want)
{
    if (good) return;
    (void)snprintf(board->say[self], SAY_BYTES, "%s: %llu, not %llu", what, (unsigned long long)got,
                   (unsigned long long)want);
    _exit(1);
}

static mn_db *file_open(unsigned sync)
{
    mn_options options = {.size = sizeof options, .sync = sync, .busy_ms = 120000};
    mn_db *db;

    must(NULL, mn_open_with(path, &options, &db), "open");
    return db;
}

static mn_stmt *prepared(mn_db *db, const char *sql)
{
    mn_stmt *stmt;

    must(db, mn_prepare(db, sql, MN_ALL, &stmt, NULL), sql);
    return stmt;
}

/* The first column of the first row, the second in *second. */
static int64_t asked(mn_db *db, mn_stmt *stmt, int64_t key, int64_t *second)
{
    int64_t value;

    if (mn_param_count(stmt) > 0) must(db, mn_bind_int(stmt, 1, key), "bind");
    must(db, mn_step(stmt), "ask");
    value = mn_col_is_null(stmt, 0) ? 0 : mn_col_int(stmt, 0);
    if (second) *second = mn_col_is_null(stmt, 1) ? 0 : mn_col_int(stmt, 1);
    must(db, mn_reset(stmt), "reset");
    return value;
}

struct writer {
    mn_db *db;
    mn_stmt *put, *drop, *count, *total, *own;
};

static void rows_write(struct writer *w, uint32_t txn)
{
    static char text[STORM_BIG_BYTES];

    for (uint32_t n = 0; n < storm_rows(self, txn); n++) {
        uint32_t row = storm_row(self, txn, n);
        mn_stmt *stmt = storm_deletes(self, txn, n) ? w->drop : w->put;

        must(w->db, mn_bind_int(stmt, 1, storm_id(self, row)), "bind");
        if (stmt == w->put) {
            size_t length = storm_text(self, row, txn, text);

            must(w->db, mn_bind_int(stmt, 2, self), "bind");
            must(w->db, mn_bind_int(stmt, 3, txn), "bind");
            must(w->db, mn_bind_text(stmt, 4, text, length, MN_STATIC), "bind");
        }
        must(w->db, mn_step(stmt), "write");
        must(w->db, mn_reset(stmt), "reset");
    }
    must(w->db, mn_bind_int(w->count, 1, txn), "bind");
    must(w->db, mn_bind_int(w->count, 2, self), "bind");
    must(w->db, mn_step(w->count), "count");
    must(w->db, mn_reset(w->count), "reset");
    must(w->db, mn_step(w->total), "total");
    must(w->db, mn_reset(w->total), "reset");
}

static _Noreturn void writer_work(unsigned life)
{
    uint64_t random = test_seed() * 7919 + self * 131 + life + 1;
    struct writer w = {.db = file_open(mode == MIXED ? self % MIXED : mode)};
    uint32_t acked = atomic_load(&board->acked[self]), begun = atomic_load(&board->begun[self]);

    w.put = prepared(w.db, "UPSERT INTO cell (id, writer, txn, body) VALUES (?, ?, ?, ?)");
    w.drop = prepared(w.db, "DELETE FROM cell WHERE id = ?");
    w.count = prepared(w.db, "UPDATE writer SET txn = ? WHERE id = ?");
    w.total = prepared(w.db, "UPDATE total SET n = n + 1");
    w.own = prepared(w.db, "SELECT txn FROM writer WHERE id = ?");
    for (;;) {
        bool abort = test_random(&random) % 8 == 0;
        uint32_t txn;

        /* Only a writer's turn decides what became of a commit that a kill cut short. */
        must(w.db, mn_begin(w.db, MN_BEGIN_WRITE), "begin");
        txn = (uint32_t)asked(w.db, w.own, self, NULL);
        expect(txn >= acked && txn <= begun, "a writer's last transaction (S1)", txn, acked);
        atomic_store(&board->acked[self], acked = begun = txn);
        rows_write(&w, txn + 1);
        if (abort) {
            must(w.db, mn_rollback(w.db), "rollback");
            atomic_fetch_add(&board->aborts, 1);
            continue;
        }
        atomic_store(&board->begun[self], txn + 1);
        must(w.db, mn_commit(w.db), "commit");
        atomic_store(&board->acked[self], acked = begun = txn + 1);
        atomic_fetch_add(&board->commits, 1);
    }
}

struct reader {
    mn_db *db;
    mn_stmt *own, *total, *sums, *cell;
};

/* One writer's rows by its index, and one row by its id. */
static void rows_compare(struct reader *r, uint32_t writer, uint64_t draw)
{
    static char text[STORM_BIG_BYTES];
    const struct storm_model *model = &models[writer];
    uint32_t row = (uint32_t)(draw % STORM_ROWS);
    int64_t sum, count = asked(r->db, r->sums, writer, &sum);
    int status;

    expect((uint64_t)count == model->count, "rows of a writer", (uint64_t)count, model->count);
    expect((uint64_t)sum == model->sum, "their transactions", (uint64_t)sum, model->sum);
    must(r->db, mn_bind_int(r->cell, 1, storm_id(writer, row)), "bind");
    status = mn_step(r->cell);
    must(r->db, status, "cell");
    expect((status == MN_ROW) == (model->wrote[row] != 0), "a row is there", status == MN_ROW,
           model->wrote[row] != 0);
    if (status == MN_ROW) {
        size_t length, want = storm_text(writer, row, model->wrote[row], text);
        const char *body = mn_col_text(r->cell, 0, &length);

        expect(length == want && memcmp(body, text, want) == 0, "a row's text", length, want);
    }
    must(r->db, mn_reset(r->cell), "reset");
}

static void snapshot_compare(struct reader *r, uint64_t *random)
{
    uint32_t before[STORM_WRITERS], txns[STORM_WRITERS];
    uint64_t sum = 0, total;
    int looks = test_random(random) % 16 == 0 ? 3 : 1;

    for (uint32_t w = 0; w < STORM_WRITERS; w++) before[w] = atomic_load(&board->acked[w]);
    must(r->db, mn_begin(r->db, MN_BEGIN_READ), "begin");
    for (uint32_t w = 0; w < STORM_WRITERS; w++) {
        uint32_t begun;

        txns[w] = (uint32_t)asked(r->db, r->own, w, NULL);
        begun = atomic_load(&board->begun[w]);
        expect(txns[w] >= before[w], "acknowledged and not there (S2)", txns[w], before[w]);
        expect(txns[w] <= begun, "there and not begun (S2)", txns[w], begun);
        storm_advance(&models[w], w, txns[w]);
        sum += txns[w];
    }
    for (int look = 0; look < looks; look++) {
        struct timespec nap = {0, look * 3000000L};

        if (look) nanosleep(&nap, NULL);
        total = (uint64_t)asked(r->db, r->total, 0, NULL);
        expect(total == sum, "the total", total, sum);
        rows_compare(r, (uint32_t)(test_random(random) % STORM_WRITERS), test_random(random));
    }
    must(r->db, mn_rollback(r->db), "end");
}

static _Noreturn void reader_work(unsigned life)
{
    uint64_t random = test_seed() * 104729 + self * 131 + life + 1;
    struct reader r = {.db = file_open(MN_SYNC_FULL)};

    memset(models, 0, sizeof models);
    r.own = prepared(r.db, "SELECT txn FROM writer WHERE id = ?");
    r.total = prepared(r.db, "SELECT n FROM total");
    r.sums = prepared(r.db, "SELECT count(*), sum(txn) FROM cell WHERE writer = ?");
    r.cell = prepared(r.db, "SELECT body FROM cell WHERE id = ?");
    for (;;) {
        snapshot_compare(&r, &random);
        atomic_fetch_add(&board->snapshots, 1);
    }
}

/* ---- in the parent ---- */

static void nap_us(uint64_t us)
{
    struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

    nanosleep(&time, NULL);
}

static void start(pid_t *pids, unsigned worker, unsigned life)
{
    pids[worker] = fork();
    assert_true(pids[worker] >= 0);
    if (pids[worker] != 0) return;
    self = worker;
    if (worker < STORM_WRITERS) writer_work(life);
    reader_work(life);
}

/* Waits a moment for a writer to be inside its commit: a kill tells most there. */
static void commit_await(unsigned writer, uint64_t *random)
{
    for (unsigned tries = 0; tries < 400; tries++) {
        if (atomic_load(&board->begun[writer]) > atomic_load(&board->acked[writer])) break;
        nap_us(20);
    }
    nap_us(test_random(random) % 150);
}

static void kill_one(pid_t *pids, unsigned worker, struct tally *tally, uint64_t *random)
{
    int status;

    if (test_random(random) % 8 == 0) { /* somebody stands still, perhaps with the writer's place */
        kill(pids[worker], SIGSTOP);
        nap_us(test_random(random) % 8000);
        if (test_random(random) % 2) kill(pids[worker], SIGCONT);
        tally->stops++;
    }
    kill(pids[worker], SIGKILL);
    assert_int_equal(waitpid(pids[worker], &status, 0), pids[worker]);
    if (!WIFSIGNALED(status)) fail_msg("worker %u: %s", worker, board->say[worker]);
    tally->kills++;
    if (worker < STORM_WRITERS &&
        atomic_load(&board->begun[worker]) > atomic_load(&board->acked[worker])) {
        tally->inside++;
    }
}

static void report_print(void *context, const char *finding)
{
    (void)context;
    fprintf(stderr, "check: %s\n", finding);
}

static void content_compare(mn_db *db)
{
    static char expected[STORM_BIG_BYTES];
    mn_stmt *stmt = prepared(db, "SELECT id, txn, body FROM cell WHERE writer = ? ORDER BY id");

    for (uint32_t w = 0; w < STORM_WRITERS; w++) {
        uint64_t count = 0;
        int status;

        assert_int_equal(mn_bind_int(stmt, 1, w), MN_OK);
        while ((status = mn_step(stmt)) == MN_ROW) {
            uint32_t row = (uint32_t)(mn_col_int(stmt, 0) - storm_id(w, 0));
            uint32_t txn = (uint32_t)mn_col_int(stmt, 1);
            size_t length, want;
            const char *body = mn_col_text(stmt, 2, &length);

            assert_in_range(row, 0, STORM_ROWS - 1);
            assert_int_equal(txn, models[w].wrote[row]);
            want = storm_text(w, row, txn, expected);
            assert_int_equal(length, want);
            assert_memory_equal(body, expected, want);
            count++;
        }
        assert_int_equal(status, MN_DONE);
        assert_int_equal(count, models[w].count);
        assert_int_equal(mn_reset(stmt), MN_OK);
    }
    mn_finalize(stmt);
}

/* All are dead: this process settles what they left. */
static void judge(struct tally *tally)
{
    mn_db *db = file_open(MN_SYNC_FULL);
    mn_stmt *own = prepared(db, "SELECT txn FROM writer WHERE id = ?");
    mn_stmt *total = prepared(db, "SELECT n FROM total");
    uint64_t sum = 0;

    for (uint32_t w = 0; w < STORM_WRITERS; w++) {
        uint32_t txn = (uint32_t)asked(db, own, w, NULL), acked = atomic_load(&board->acked[w]);

        assert_in_range(txn, acked, atomic_load(&board->begun[w]));
        tally->survived += txn > acked;
        storm_advance(&models[w], w, txn);
        sum += txn;
        atomic_store(&board->acked[w], txn);
        atomic_store(&board->begun[w], txn);
    }
    assert_int_equal(asked(db, total, 0, NULL), sum);
    mn_finalize(own);
    mn_finalize(total);
    content_compare(db);
    assert_int_equal(mn_check(db, report_print, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void round_run(struct tally *tally, uint64_t *random)
{
    pid_t pids[WORKERS];
    unsigned life = tally->kills;

    for (unsigned i = 0; i < WORKERS; i++) start(pids, i, life);
    nap_us(test_random(random) % (ROUND_MS * 1000));
    for (unsigned k = 0; k < KILLS_A_ROUND; k++) {
        unsigned victim = (unsigned)(test_random(random) % WORKERS);

        if (victim < STORM_WRITERS) commit_await(victim, random);
        kill_one(pids, victim, tally, random);
        start(pids, victim, life + k + 1);
        nap_us(test_random(random) % (ROUND_MS * 1000));
    }
    commit_await((unsigned)(test_random(random) % STORM_WRITERS), random);
    for (unsigned i = 0; i < WORKERS; i++) kill(pids[i], SIGSTOP); /* all at one moment */
    for (unsigned i = 0; i < WORKERS; i++) kill_one(pids, i, tally, random);
    tally->rounds++;
    judge(tally);
}

static void database_create(void)
{
    mn_db *db;

    (void)snprintf(path, sizeof path, "%s/storm-%s.mneme", test_folder(), modes[mode]);
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    assert_int_equal(
        mn_exec(db,
                "CREATE TABLE writer (id INT PRIMARY KEY, txn INT NOT NULL);"
                "CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL);"
                "CREATE TABLE cell (id INT PRIMARY KEY, writer INT, txn INT, body TEXT);"
                "CREATE INDEX cell_writer ON cell (writer, txn);"
                "INSERT INTO writer SELECT g, 0 FROM generate_series(0, 2) g(g);"
                "INSERT INTO total VALUES (1, 0)",
                NULL, NULL),
        MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void storm(unsigned which)
{
    uint64_t random = test_seed() * 977 + which;
    unsigned kills = test_is_deep() ? KILLS_DEEP : KILLS_QUICK;
    struct tally tally = {0};

    mode = which;
    memset(models, 0, sizeof models);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    database_create();
    while (tally.kills < kills) round_run(&tally, &random);
    printf(
        "storm: %s: %u kills (%u inside a commit) and %u stops in %u rounds of %d writers and %d "
        "readers; %llu commits acknowledged, none lost, %u in flight survived; %llu rolled back; "
        "%llu snapshots; %u clean checks\n",
        modes[mode], tally.kills, tally.inside, tally.stops, tally.rounds, STORM_WRITERS, READERS,
        (unsigned long long)board->commits, tally.survived, (unsigned long long)board->aborts,
        (unsigned long long)board->snapshots, tally.rounds);
    assert_true(board->commits > 0 && board->snapshots > 0 && tally.inside > 0);
    munmap(board, sizeof *board);
}

static void full_commits_outlive_any_kill(void **state)
{
    (void)state;
    storm(MN_SYNC_FULL);
}

static void lazy_commits_outlive_any_kill(void **state)
{
    (void)state;
    storm(MN_SYNC_LAZY);
}

static void unsynced_commits_outlive_any_kill(void **state)
{
    (void)state;
    storm(MN_SYNC_OFF);
}

static void mixed_commits_outlive_any_kill(void **state)
{
    (void)state;
    storm(MIXED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_commits_outlive_any_kill),
        cmocka_unit_test(lazy_commits_outlive_any_kill),
        cmocka_unit_test(unsynced_commits_outlive_any_kill),
        cmocka_unit_test(mixed_commits_outlive_any_kill),
    };

    return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
