/*
 * What can go wrong around a file, and that the handle, or the next one, answers a correct query
 * after it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/handle.h"
#include "mneme.h"
#include "os/sim.h"
#include "store/superblock.h"
#include "support/test.h"

static const char *path_of(const char *name)
{
    static const char *folder;
    static char path[4096];

    if (!folder) folder = test_folder();
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int64_t int_of(mn_db *db, const char *sql)
{
    mn_stmt *stmt;
    int64_t answer;

    assert_int_equal(mn_prepare(db, sql, MN_ALL, &stmt, NULL), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    answer = mn_col_int(stmt, 0);
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    return answer;
}

static void make(const char *path)
{
    mn_db *db;

    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    assert_int_equal(
        mn_exec(db, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (7)", NULL, NULL),
        MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void write_at(const char *path, long offset, const void *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT, 0644);

    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, size, offset), (ssize_t)size);
    close(file);
}

static void expect_open(const char *path, unsigned flags, int wanted)
{
    mn_db *db = (mn_db *)1;
    int code = mn_open(path, flags, &db);

    if (code != wanted) print_error("open: %d %s\n", code, mn_errmsg(NULL));
    assert_int_equal(code, wanted);
    assert_null(db);
    assert_int_equal(mn_errcode(NULL), wanted);
    assert_true(strlen(mn_errmsg(NULL)) > 0);
}

static void a_missing_file_is_not_made_unasked(void **state)
{
    (void)state;
    expect_open(path_of("missing.mneme"), 0, MN_NOTFOUND);
    assert_int_equal(access(path_of("missing.mneme"), F_OK), -1);
    expect_open(path_of("missing.mneme"), MN_READONLY, MN_NOTFOUND);
    make(path_of("missing.mneme"));
}

static void a_file_that_is_not_ours_is_left_alone(void **state)
{
    static const char text[] = "This is a letter, not a database. It is short.";
    char back[sizeof text] = "";
    int file;

    (void)state;
    write_at(path_of("letter.txt"), 0, text, sizeof text);
    expect_open(path_of("letter.txt"), MN_CREATE, MN_NOTADB);
    file = open(path_of("letter.txt"), O_RDONLY);
    assert_int_equal(read(file, back, sizeof back), sizeof back);
    close(file);
    assert_memory_equal(back, text, sizeof text);
}

static void feature_set(const char *path, int which)
{
    uint8_t bytes[MN_SUPERBLOCK_BYTES];
    struct mn_superblock superblock;
    bool readonly;
    int file = open(path, O_RDONLY);

    assert_int_equal(pread(file, bytes, sizeof bytes, 0), sizeof bytes);
    close(file);
    assert_int_equal(mn_superblock_decode(bytes, sizeof bytes, &superblock, &readonly), MN_OK);
    if (which == 0) superblock.compatible |= UINT64_C(1) << 63;
    if (which == 1) superblock.ro_compatible |= UINT64_C(1) << 63;
    if (which == 2) superblock.incompatible |= UINT64_C(1) << 63;
    mn_superblock_encode(&superblock, bytes);
    write_at(path, 0, bytes, sizeof bytes);
}

static void newer_features_are_ignored_read_or_refused(void **state)
{
    const char *path = path_of("newer.mneme");
    mn_db *db;

    (void)state;
    make(path);
    feature_set(path, 0);
    assert_int_equal(mn_open(path, 0, &db), MN_OK);
    assert_int_equal(mn_exec(db, "INSERT INTO t VALUES (8)", NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);

    feature_set(path, 1);
    assert_int_equal(mn_open(path, 0, &db), MN_OK);
    assert_int_equal(mn_exec(db, "INSERT INTO t VALUES (9)", NULL, NULL), MN_READONLY_DB);
    assert_int_equal(int_of(db, "SELECT count(*) FROM t"), 2);
    assert_int_equal(mn_close(db), MN_OK);

    feature_set(path, 2);
    expect_open(path, 0, MN_VERSION);
    expect_open(path, MN_READONLY, MN_VERSION);
}

static void a_read_only_handle_reads(void **state)
{
    const char *path = path_of("readonly.mneme");
    mn_db *db;

    (void)state;
    make(path);
    assert_int_equal(mn_open(path, MN_READONLY, &db), MN_OK);
    assert_int_equal(mn_exec(db, "INSERT INTO t VALUES (9)", NULL, NULL), MN_READONLY_DB);
    assert_int_equal(mn_exec(db, "CREATE TABLE u (a INT)", NULL, NULL), MN_READONLY_DB);
    assert_int_equal(mn_begin(db, MN_BEGIN_WRITE), MN_READONLY_DB);
    assert_int_equal(int_of(db, "SELECT id FROM t"), 7);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_folder_without_the_right_to_write_says_so(void **state)
{
    mn_db *db;
    int code;

    (void)state;
    code = mn_open("/proc/self/fdinfo/x.mneme", MN_CREATE, &db); /* even root cannot, there */
    assert_true(code == MN_READONLY_DB || code == MN_NOTFOUND || code == MN_IOERR);
    assert_null(db);
    assert_true(strlen(mn_errmsg(NULL)) > 0);
}

static enum mn_sim_fault full_after(void *context, const struct mn_sim_event *event)
{
    const bool *full = context;

    if (*full && (event->op == MN_SIM_WRITE || event->op == MN_SIM_RESIZE)) return MN_SIM_FULL;
    return MN_SIM_PASS;
}

static void a_full_disk_undoes_the_transaction_and_reads_go_on(void **state)
{
    struct mn_os *os = mn_machine_new(test_seed(), 0);
    mn_options options = {.size = sizeof options, .flags = MN_CREATE};
    bool full = false;
    mn_db *db;

    (void)state;
    assert_non_null(os);
    mn_sim_set_hook(os, full_after, &full);
    assert_int_equal(mn_db_open_os("full.mneme", &options, os, &db), MN_OK);
    assert_int_equal(mn_exec(db,
                             "CREATE TABLE t (id INT PRIMARY KEY, body TEXT);"
                             "INSERT INTO t VALUES (7, 'here before')",
                             NULL, NULL),
                     MN_OK);
    full = true;
    assert_int_equal(mn_exec(db,
                             "INSERT INTO t SELECT g + 100, 'much more text than there is room for'"
                             " FROM generate_series(1, 3000) g",
                             NULL, NULL),
                     MN_FULL);
    assert_int_equal(mn_errcode(db), MN_FULL);
    assert_int_equal(int_of(db, "SELECT count(*) FROM t"), 1);
    assert_int_equal(mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    assert_int_equal(mn_exec(db, "INSERT INTO t VALUES (8, 'x')", NULL, NULL), MN_OK);
    assert_int_equal(mn_commit(db), MN_FULL);
    assert_int_equal(mn_in_transaction(db), 0);
    assert_int_equal(int_of(db, "SELECT count(*) FROM t"), 1);
    full = false;
    assert_int_equal(mn_exec(db, "INSERT INTO t VALUES (9, 'room again')", NULL, NULL), MN_OK);
    assert_int_equal(int_of(db, "SELECT sum(id) FROM t"), 16);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
    mn_machine_free(os);
}

static void a_second_writer_waits_busy_ms_and_no_longer(void **state)
{
    const char *path = path_of("busy.mneme");
    mn_options options = {.size = sizeof options, .busy_ms = 60};
    mn_db *first, *second;

    (void)state;
    make(path);
    assert_int_equal(mn_open(path, 0, &first), MN_OK);
    assert_int_equal(mn_open_with(path, &options, &second), MN_OK);
    assert_int_equal(mn_begin(first, MN_BEGIN_WRITE), MN_OK);
    assert_int_equal(mn_exec(second, "INSERT INTO t VALUES (8)", NULL, NULL), MN_BUSY);
    assert_int_equal(int_of(second, "SELECT count(*) FROM t"), 1);
    assert_int_equal(mn_commit(first), MN_OK);
    assert_int_equal(mn_exec(second, "INSERT INTO t VALUES (8)", NULL, NULL), MN_OK);
    assert_int_equal(int_of(first, "SELECT count(*) FROM t"), 2);

    /* A deferred transaction does not write over what it has not seen. */
    assert_int_equal(mn_begin(first, MN_BEGIN_DEFERRED), MN_OK);
    assert_int_equal(int_of(first, "SELECT count(*) FROM t"), 2);
    assert_int_equal(mn_exec(second, "INSERT INTO t VALUES (9)", NULL, NULL), MN_OK);
    assert_int_equal(mn_exec(first, "INSERT INTO t VALUES (10)", NULL, NULL), MN_BUSY);
    assert_int_equal(int_of(first, "SELECT count(*) FROM t"), 2);
    assert_int_equal(mn_rollback(first), MN_OK);
    assert_int_equal(int_of(first, "SELECT count(*) FROM t"), 3);
    assert_int_equal(mn_close(first), MN_OK);
    assert_int_equal(mn_close(second), MN_OK);
}

static void options_are_checked(void **state)
{
    mn_options options = {.size = sizeof options, .page_size = 1000};
    mn_db *db;

    (void)state;
    assert_int_equal(mn_open(NULL, 1u << 30, &db), MN_MISUSE);
    assert_null(db);
    assert_true(mn_open_with(NULL, &options, &db) != MN_OK);
    assert_null(db);
    options.page_size = 512;
    assert_int_equal(mn_open_with(path_of("small.mneme"), &options, &db), MN_NOTFOUND);
    options.flags = MN_CREATE;
    assert_int_equal(mn_open_with(path_of("small.mneme"), &options, &db), MN_OK);
    assert_int_equal(int_of(db, "PRAGMA page_size"), 512);
    assert_int_equal(mn_close(db), MN_OK);
    options.size = 0;
    assert_int_equal(mn_open_with(NULL, &options, &db), MN_MISUSE);
}

static void a_backup_is_one_moment_and_is_whole(void **state)
{
    char from[4096], to[4096];
    mn_db *db, *copy;

    (void)state;
    snprintf(from, sizeof from, "%s", path_of("origin.mneme"));
    snprintf(to, sizeof to, "%s", path_of("copy.mneme"));
    assert_int_equal(mn_open(from, MN_CREATE, &db), MN_OK);
    assert_int_equal(mn_exec(db,
                             "CREATE TABLE t (id INT PRIMARY KEY, b TEXT UNIQUE, v VECTOR(3));"
                             "INSERT INTO t SELECT g, 'b' || g, [g, 1, 2] FROM "
                             "generate_series(1, 2000) g;"
                             "CREATE RELATION r FROM t TO t; LINK 1 TO 2 AS r;"
                             "BEGIN WRITE; DELETE FROM t WHERE id > 5",
                             NULL, NULL),
                     MN_OK);
    assert_int_equal(mn_backup(db, to, NULL, NULL, NULL), MN_OK); /* while a writer is at work */
    assert_int_equal(mn_backup(db, to, NULL, NULL, NULL), MN_EXISTS);
    assert_int_equal(mn_commit(db), MN_OK);
    assert_int_equal(mn_open(to, 0, &copy), MN_OK);
    assert_int_equal(int_of(copy, "SELECT count(*) FROM t"), 2000);
    assert_int_equal(int_of(copy, "SELECT id FROM t WHERE b = 'b1234'"), 1234);
    assert_int_equal(int_of(copy, "SELECT count(*) FROM r"), 1);
    assert_int_equal(mn_check(copy, NULL, NULL), MN_OK);
    assert_int_equal(mn_exec(copy, "INSERT INTO t (b) VALUES ('new')", NULL, NULL), MN_OK);
    assert_int_equal(mn_close(copy), MN_OK);
    assert_int_equal(int_of(db, "SELECT count(*) FROM t"), 5);
    assert_int_equal(mn_close(db), MN_OK);
    assert_int_equal(mn_restore(to, path_of("restored.mneme"), NULL, NULL, NULL), MN_OK);
    assert_int_equal(mn_open(path_of("restored.mneme"), 0, &db), MN_OK);
    assert_int_equal(int_of(db, "SELECT count(*) FROM t"), 2001);
    assert_int_equal(mn_close(db), MN_OK);
}

/* ---- a writer that is killed between its sync and the publication ---- */

struct death {
    bool synced; /* the commit's */
};

static enum mn_sim_fault dies_before_publishing(void *context, const struct mn_sim_event *event)
{
    struct death *death = context;

    if (event->op == MN_SIM_SYNC) death->synced = true;
    if (event->op == MN_SIM_WRITE && death->synced) mn_sim_kill(event->file);
    return MN_SIM_PASS;
}

static void a_killed_writers_commit_shows_in_the_next_write_transaction(void **state)
{
    static const char *const count = "SELECT count(*) FROM t";
    mn_options options = {.size = sizeof options, .flags = MN_CREATE};
    struct mn_os *os = mn_machine_new(1, 0);
    struct death death = {false};
    mn_db *killed, *other;
    uint64_t version;

    (void)state;
    assert_int_equal(mn_db_open_os("f", &options, os, &killed), MN_OK);
    assert_int_equal(mn_db_open_os("f", &options, os, &other), MN_OK);
    assert_int_equal(mn_exec(killed, "CREATE TABLE t (id INT PRIMARY KEY)", NULL, NULL), MN_OK);
    version = mn_current_version(other);
    mn_sim_set_hook(os, dies_before_publishing, &death);
    assert_int_not_equal(mn_exec(killed, "INSERT INTO t VALUES (1)", NULL, NULL), MN_OK);
    mn_sim_set_hook(os, NULL, NULL);
    assert_true(death.synced);

    /* It is on the device, and readers see the version before. */
    assert_int_equal(int_of(other, count), 0);
    assert_int_equal(mn_current_version(other), version);
    /* Who read that and would write now is told that somebody committed. */
    assert_int_equal(mn_begin(other, MN_BEGIN_DEFERRED), MN_OK);
    assert_int_equal(int_of(other, count), 0);
    assert_int_equal(mn_exec(other, "INSERT INTO t VALUES (2)", NULL, NULL), MN_BUSY);
    assert_int_equal(mn_rollback(other), MN_OK);
    /* The turn of a writer settles it. */
    assert_int_equal(mn_begin(other, MN_BEGIN_WRITE), MN_OK);
    assert_int_equal(int_of(other, count), 1);
    assert_int_equal(mn_rollback(other), MN_OK);
    assert_int_equal(int_of(other, count), 1);
    assert_int_equal(mn_current_version(other), version + 1);
    assert_int_equal(mn_close(other), MN_OK);
    (void)mn_close(killed);
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_not_made_unasked),
        cmocka_unit_test(a_file_that_is_not_ours_is_left_alone),
        cmocka_unit_test(newer_features_are_ignored_read_or_refused),
        cmocka_unit_test(a_read_only_handle_reads),
        cmocka_unit_test(a_folder_without_the_right_to_write_says_so),
        cmocka_unit_test(a_full_disk_undoes_the_transaction_and_reads_go_on),
        cmocka_unit_test(a_second_writer_waits_busy_ms_and_no_longer),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_backup_is_one_moment_and_is_whole),
        cmocka_unit_test(a_killed_writers_commit_shows_in_the_next_write_transaction)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
