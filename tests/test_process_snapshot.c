/*
 * Tests of snapshots across processes: one writes, four read, and every reader sees one moment.
 *
 * The writer inserts one row a durable commit: id 1, 2, 3, ..., a drawn value, and the running sum
 * of all values so far. A reader opens a transaction, asks for the count, the newest row and now
 * and then for sums over ranges, and compares them with what id alone implies. While it runs, the
 * parent stops the writer inside a commit and sees that readers go on, and that the folder holds
 * one file.
 */
#include <dirent.h>
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
#include "support/test.h"

enum { READERS = 4, SECONDS_QUICK = 5, SECONDS_DEEP = 60, STOPS = 5, WINDOW = 500 };
enum { COMMITS_DEEP = 30000, SNAPSHOTS_DEEP = 100000, ROWS_MAX = 4000000 };

/* Shared by all processes of the test. */
struct board {
    _Atomic bool stop, in_commit;
    _Atomic uint64_t commits, snapshots[READERS], mismatches;
};

static struct board *board;
static char path[4096], folder[4096];

static int64_t value_of(int64_t id)
{
    uint64_t x = (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15);

    return (int64_t)((x ^ x >> 29) % 2001) - 1000;
}

static int64_t *sums; /* sums[n]: of the values of ids 1..n */
static int64_t sums_known;

static int64_t sum_to(int64_t id)
{
    if (id < 0 || id >= ROWS_MAX) return INT64_MIN;
    while (sums_known < id) {
        sums[sums_known + 1] = sums[sums_known] + value_of(sums_known + 1);
        sums_known++;
    }
    return sums[id];
}

static void must(mn_db *db, int status, const char *what)
{
    if (status == MN_OK || status == MN_DONE || status == MN_ROW) return;
    fprintf(stderr, "%s: %d %s\n", what, status, mn_errmsg(db));
    _exit(9);
}

static _Noreturn void writer(void)
{
    mn_stmt *insert;
    mn_db *db;

    must(NULL, mn_open(path, 0, &db), "writer: open");
    must(db, mn_prepare(db, "INSERT INTO sums VALUES (?, ?, ?)", MN_ALL, &insert, NULL), "prepare");
    for (int64_t id = 1; !atomic_load(&board->stop) && id < ROWS_MAX; id++) {
        must(db, mn_bind_int(insert, 1, id), "bind");
        must(db, mn_bind_int(insert, 2, value_of(id)), "bind");
        must(db, mn_bind_int(insert, 3, sum_to(id)), "bind");
        atomic_store(&board->in_commit, true);
        must(db, mn_step(insert), "insert");
        atomic_store(&board->in_commit, false);
        must(db, mn_reset(insert), "reset");
        atomic_fetch_add(&board->commits, 1);
    }
    mn_finalize(insert);
    must(db, mn_close(db), "close");
    _exit(0);
}

struct reader {
    mn_db *db;
    mn_stmt *count, *newest, *range, *all;
};

static int64_t ask(struct reader *r, mn_stmt *stmt, int column)
{
    int64_t value;

    must(r->db, mn_step(stmt), "read");
    value = mn_col_is_null(stmt, column) ? 0 : mn_col_int(stmt, column);
    return value;
}

static void expect(int64_t got, int64_t want, const char *what, int64_t id)
{
    if (got == want) return;
    fprintf(stderr, "snapshot at row %lld: %s is %lld, not %lld\n", (long long)id, what,
            (long long)got, (long long)want);
    atomic_fetch_add(&board->mismatches, 1);
}

static void snapshot_check(struct reader *r, uint64_t number)
{
    int64_t count, low;

    must(r->db, mn_begin(r->db, MN_BEGIN_READ), "begin");
    count = ask(r, r->count, 0);
    if (count > 0) {
        must(r->db, mn_step(r->newest), "newest");
        expect(mn_col_int(r->newest, 0), count, "newest id", count);
        expect(mn_col_int(r->newest, 1), sum_to(count), "running sum", count);
    }
    if (number % 64 == 0 && count > 0) {
        low = count > WINDOW ? count - WINDOW : 0;
        must(r->db, mn_bind_int(r->range, 1, low), "bind");
        expect(ask(r, r->range, 0), sum_to(count) - sum_to(low), "sum of the newest", count);
    }
    if (number % 4096 == 1) expect(ask(r, r->all, 0), sum_to(count), "sum of all", count);
    mn_reset(r->count);
    mn_reset(r->newest);
    mn_reset(r->range);
    mn_reset(r->all);
    must(r->db, mn_commit(r->db), "end");
}

static _Noreturn void reader(int number)
{
    struct reader r;

    must(NULL, mn_open(path, 0, &r.db), "reader: open");
    must(r.db, mn_prepare(r.db, "SELECT count(*) FROM sums", MN_ALL, &r.count, NULL), "count");
    must(r.db,
         mn_prepare(r.db, "SELECT id, total FROM sums ORDER BY id DESC LIMIT 1", MN_ALL, &r.newest,
                    NULL),
         "newest");
    must(r.db, mn_prepare(r.db, "SELECT sum(value) FROM sums WHERE id > ?", MN_ALL, &r.range, NULL),
         "range");
    must(r.db, mn_prepare(r.db, "SELECT sum(value) FROM sums", MN_ALL, &r.all, NULL), "all");
    for (uint64_t n = 0; !atomic_load(&board->stop); n++) {
        snapshot_check(&r, n);
        atomic_fetch_add(&board->snapshots[number], 1);
    }
    mn_finalize(r.count);
    mn_finalize(r.newest);
    mn_finalize(r.range);
    mn_finalize(r.all);
    must(r.db, mn_close(r.db), "close");
    _exit(0);
}

static void pause_ms(int ms)
{
    struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

static double now_s(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void folder_holds_one_file(void)
{
    DIR *entries = opendir(folder);
    int files = 0;

    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) files++;
    }
    closedir(entries);
    assert_int_equal(files, 1);
}

static uint64_t snapshots_total(void)
{
    uint64_t total = 0;

    for (int i = 0; i < READERS; i++) total += atomic_load(&board->snapshots[i]);
    return total;
}

/* Stops the writer between the beginning and the end of a commit; false if it slipped through. */
static bool writer_stopped_in_commit(pid_t pid)
{
    int status;

    for (int tries = 0; tries < 10000000 && !atomic_load(&board->in_commit); tries++) continue;
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return atomic_load(&board->in_commit);
}

static int readers_go_on_while_stopped(pid_t pid)
{
    int inside = 0;

    for (int tries = 0; tries < 100 && inside < STOPS; tries++) {
        if (writer_stopped_in_commit(pid)) {
            uint64_t commits = atomic_load(&board->commits), before[READERS];

            for (int i = 0; i < READERS; i++) before[i] = atomic_load(&board->snapshots[i]);
            for (int waits = 0; waits < 500; waits++) {
                int moved = 0;

                pause_ms(10);
                for (int i = 0; i < READERS; i++) {
                    moved += atomic_load(&board->snapshots[i]) > before[i] + 1;
                }
                if (moved == READERS) break;
                assert_int_not_equal(waits, 499);
            }
            assert_int_equal(atomic_load(&board->commits), commits);
            inside++;
        }
        kill(pid, SIGCONT);
        pause_ms(20);
    }
    return inside;
}

static void database_create(void)
{
    mn_db *db;

    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    assert_int_equal(
        mn_exec(db,
                "CREATE TABLE sums (id INT PRIMARY KEY, value INT NOT NULL, total INT NOT NULL)",
                NULL, NULL),
        MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void every_snapshot_is_one_moment(void **state)
{
    pid_t children[READERS + 1];
    int status, inside;
    double end;

    (void)state;
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%.4000s/sums.mneme", folder);
    database_create();
    for (int i = 0; i <= READERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0 && i == 0) writer();
        if (children[i] == 0) reader(i - 1);
    }
    end = now_s() + (test_is_deep() ? SECONDS_DEEP : SECONDS_QUICK);
    pause_ms(200);
    inside = readers_go_on_while_stopped(children[0]);
    while (now_s() < end) {
        folder_holds_one_file();
        pause_ms(20);
    }
    atomic_store(&board->stop, true);
    for (int i = 0; i <= READERS; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    printf("snapshots: %llu commits, %llu snapshots in %d readers, %d stops inside a commit\n",
           (unsigned long long)atomic_load(&board->commits), (unsigned long long)snapshots_total(),
           READERS, inside);
    assert_int_equal(atomic_load(&board->mismatches), 0);
    assert_int_equal(inside, STOPS);
    assert_true(atomic_load(&board->commits) > 0 && snapshots_total() > 0);
    if (test_is_deep()) {
        assert_true(atomic_load(&board->commits) >= COMMITS_DEEP);
        assert_true(snapshots_total() >= SNAPSHOTS_DEEP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_snapshot_is_one_moment),
    };

    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sums = mmap(NULL, ROWS_MAX * sizeof *sums, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (board == MAP_FAILED || sums == MAP_FAILED) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
