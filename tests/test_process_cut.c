/*
 * Tests of files that another process cuts while they are open.
 *
 * A child opens the file, reads all of it, and stops itself; the parent cuts the file to some size
 * and lets the child go on. What it begins then must answer as before or fail with a status and a
 * message: no signal, no hang, no other answer. A reader by copies (MN_UNTRUSTED) must do so in the
 * midst of a transaction too; one that reads through the map is only promised it for transactions
 * that begin behind the cut.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mneme.h"
#include "support/test.h"

enum { SECONDS_MAX = 20, CUTS = 16, INSIDE = 1, BEHIND = 0 };
enum outcome { RIGHT = 0, CLEAN_ERROR = 3, WRONG = 40, UNCLEAN = 41, NOT_OPEN = 42 };

static const char dump[] = "SELECT count(*), sum(id), sum(length(body)) FROM t";
static char path[512];
static int64_t whole_bytes;

static void file_make(void)
{
    struct stat st;
    mn_db *db;

    (void)unlink(path);
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    assert_int_equal(mn_exec(db,
                             "CREATE TABLE t (id INT PRIMARY KEY, body TEXT);"
                             "INSERT INTO t SELECT g, 'body of the row ' || g || ' and more of it'"
                             " FROM generate_series(1, 3000) g",
                             NULL, NULL),
                     MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
    assert_int_equal(stat(path, &st), 0);
    whole_bytes = st.st_size;
}

static bool is_clean(mn_db *db, int status)
{
    return (status == MN_CORRUPT || status == MN_NOTADB || status == MN_VERSION ||
            status == MN_IOERR) &&
           mn_errmsg(db)[0] != '\0';
}

/* The dump; *sum is what it answers. */
static int ask(mn_db *db, int64_t *sum)
{
    mn_stmt *stmt;
    int status = mn_prepare(db, dump, MN_ALL, &stmt, NULL);

    *sum = 0;
    if (status != MN_OK) return status;
    while ((status = mn_step(stmt)) == MN_ROW) {
        *sum = mn_col_int(stmt, 0) * 7 + mn_col_int(stmt, 1) * 3 + mn_col_int(stmt, 2);
    }
    mn_finalize(stmt);
    return status == MN_DONE ? MN_OK : status;
}

static void finding_ignored(void *context, const char *finding)
{
    (void)context, (void)finding;
}

/* One thing that a program may do next. */
static int try_one(mn_db *db, int what, int64_t want)
{
    mn_stats stats = {.size = sizeof stats};
    int64_t sum;
    int status;

    switch (what) {
    case 0:
        status = ask(db, &sum);
        if (status == MN_OK && sum != want) _exit(WRONG);
        return status;
    case 1: return mn_exec(db, "SELECT body FROM t WHERE id = 2900", NULL, NULL);
    case 2: return mn_stat(db, &stats);
    case 3: return mn_check(db, finding_ignored, NULL);
    case 4:
        status = mn_exec(db, "UPDATE t SET body = 'new' WHERE id = 1500", NULL, NULL);
        return status == MN_READONLY_DB ? MN_OK : status;
    default: return mn_sync(db);
    }
}

static _Noreturn void child(unsigned flags, int first, int where)
{
    int64_t want;
    int failed = 0;
    mn_db *db;

    if (mn_open(path, flags, &db) != MN_OK || ask(db, &want) != MN_OK) _exit(NOT_OPEN);
    if (where == INSIDE && mn_begin(db, MN_BEGIN_READ) != MN_OK) _exit(NOT_OPEN);
    raise(SIGSTOP);
    alarm(SECONDS_MAX);
    for (int i = 0; i < 6; i++) {
        int what = (first + i) % 6;
        int status = where == INSIDE && what > 1 ? MN_OK : try_one(db, what, want);

        if (status != MN_OK && !is_clean(db, status)) {
            fprintf(stderr, "%d: %d %s\n", what, status, mn_errmsg(db));
            _exit(UNCLEAN);
        }
        failed |= status != MN_OK;
    }
    if (where == INSIDE) (void)mn_rollback(db);
    (void)mn_close(db);
    _exit(failed ? CLEAN_ERROR : RIGHT);
}

/* How the child ends that meets a file of that size. */
static enum outcome cut(int64_t size, unsigned flags, int first, int where)
{
    int status;
    pid_t pid;

    file_make();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) child(flags, first, where);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(truncate(path, (off_t)size), 0);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "cut to %lld, flags %u, first %d: signal %d\n", (long long)size, flags,
                first, WTERMSIG(status));
        return NOT_OPEN;
    }
    return (enum outcome)WEXITSTATUS(status);
}

static int64_t cut_size(int number)
{
    static const int64_t sizes[] = {0, 1, 4095, 4096, 8192, 12288, 49151, 49152, 53248, 65536};

    if (number < 10) return sizes[number];
    return whole_bytes * (number - 9) / (CUTS - 9) - (number % 2 ? 4096 : 777);
}

static void cuts_try(unsigned flags, int where, const char *what)
{
    int counts[2] = {0, 0}, bad = 0;

    file_make();
    for (int i = 0; i < CUTS; i++) {
        enum outcome outcome = cut(cut_size(i), flags, i % 6, where);

        if (outcome == RIGHT) counts[0]++;
        if (outcome == CLEAN_ERROR) counts[1]++;
        if (outcome != RIGHT && outcome != CLEAN_ERROR) {
            fprintf(stderr, "cut to %lld, flags %u, first %d: outcome %d\n", (long long)cut_size(i),
                    flags, i % 6, (int)outcome);
            bad++;
        }
    }
    printf("cut: %s: %d right, %d clean errors, %d bad\n", what, counts[0], counts[1], bad);
    assert_int_equal(bad, 0);
    assert_true(counts[1] > 0);
}

static void transactions_behind_a_cut_hear_of_it(void **state)
{
    (void)state;
    cuts_try(0, BEHIND, "mapped, behind the cut");
    cuts_try(MN_READONLY, BEHIND, "mapped and read-only, behind the cut");
}

static void copies_are_safe_inside_a_transaction(void **state)
{
    (void)state;
    cuts_try(MN_UNTRUSTED, BEHIND, "by copies, behind the cut");
    cuts_try(MN_UNTRUSTED, INSIDE, "by copies, inside a transaction");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_behind_a_cut_hear_of_it),
        cmocka_unit_test(copies_are_safe_inside_a_transaction),
    };

    (void)snprintf(path, sizeof path, "%s/cut.mneme", test_folder());
    return cmocka_run_group_tests_name("cut", tests, NULL, NULL);
}
