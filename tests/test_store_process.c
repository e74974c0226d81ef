/*
 * Tests of store with real processes: writers killed and stopped at random, readers beside them,
 * forks.
 */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"
#include "store/store.h"
#include "support/raw.h"
#include "support/test.h"

/* All tests use one folder, in which nothing but their files may ever lie. */
static const char *folder(void)
{
    static const char *path;

    if (!path) path = test_folder();
    return path;
}

static const char *new_path(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", folder(), name);
    return path;
}

static struct mn_store *open_file(const char *path, unsigned flags, int64_t busy_ms)
{
    struct mn_store_options options = {
        .path = path, .flags = flags, .busy_ms = busy_ms, .hooks = raw_hooks};
    struct mn_store *store;
    enum mn_status status = mn_store_open(&options, &store);

    if (status) fprintf(stderr, "open: %s\n", mn_error_last()->message);
    return status ? NULL : store;
}

/* ---- killed writers ---- */

/* Transaction n is the same in child and parent: one change, a hundred, or more than a mebibyte. */
static enum mn_status transaction(struct mn_view *view, struct raw_model *model, uint64_t n)
{
    uint64_t random = n * 2654435761u + 1;
    unsigned changes = n % 17 == 0 ? 3 : n % 3 == 0 ? 100 : 1;
    uint64_t run_bytes_max = n % 17 == 0 ? 1500000 : 9000;
    enum mn_status status = MN_OK;

    for (unsigned i = 0; i < changes && !status; i++) {
        status = raw_change(view, model, &random, run_bytes_max);
    }
    return status;
}

/* Commits n, n + 1, ... until it is killed; each number goes into the pipe after its commit. */
static void commit_for_ever(const char *path, struct raw_model model, uint64_t n, int pipe_fd)
{
    struct mn_store *store = open_file(path, MN_STORE_CREATE, 10000);

    for (; store; n++) {
        struct mn_view *view;

        if (mn_write_begin(store, 0, &view) || transaction(view, &model, n) ||
            mn_write_commit(view, NULL)) {
            fprintf(stderr, "child: %s\n", mn_error_last()->message);
            _exit(2);
        }
        if (write(pipe_fd, &n, sizeof n) != sizeof n) break;
    }
    _exit(1);
}

static pid_t start_child(const char *path, const struct raw_model *model, uint64_t n, int *fd)
{
    int ends[2];
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        commit_for_ever(path, *model, n, ends[1]);
    }
    close(ends[1]);
    *fd = ends[0];
    return child;
}

static unsigned files_in(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* The model after transaction `n`, on memory alone. */
static void model_advance(struct mn_store *memory, struct raw_model *model, uint64_t n)
{
    struct mn_view *view;

    assert_int_equal(mn_write_begin(memory, 0, &view), MN_OK);
    assert_int_equal(transaction(view, model, n), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

static void a_killed_writer_loses_nothing_acknowledged(void **state)
{
    const char *path = new_path("killed.mneme");
    struct mn_store *memory = open_file(NULL, 0, 0);
    uint64_t random = test_seed() * 77 + 1, next = 1, rounds = test_is_deep() ? 500 : 50;
    struct raw_model model = {0};

    (void)state;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t acked = next - 1, n;
        struct mn_store *store;
        struct mn_view *view;
        int fd, how;
        pid_t child = start_child(path, &model, next, &fd);

        /* Every other one dies at its beginning, the rest somewhere in the middle. */
        if (round % 2 == 0 && read(fd, &acked, sizeof acked) != sizeof acked) fail();
        mn_clock_sleep_us((int64_t)(test_random(&random) % 30000));
        kill(child, SIGKILL);
        waitpid(child, &how, 0);
        assert_true(WIFSIGNALED(how));
        while (read(fd, &n, sizeof n) == sizeof n) acked = n;
        close(fd);
        for (; next <= acked; next++) model_advance(memory, &model, next);
        store = open_file(path, 0, 10000);
        assert_non_null(store);
        assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
        if (!raw_equals(view, &model)) { /* then it is the one that was in flight */
            model_advance(memory, &model, next++);
            if (!raw_equals(view, &model)) {
                print_error("round %" PRIu64 ", seed %" PRIu64 ": neither %" PRIu64
                            " nor the next\n",
                            round, test_seed(), acked);
                fail();
            }
        }
        mn_view_end(view);
        assert_int_equal(raw_check(store), 0);
        assert_int_equal(mn_store_close(store), MN_OK);
    }
    assert_int_equal(files_in(folder()), 1);
    assert_int_equal(mn_store_close(memory), MN_OK);
    print_message("             %" PRIu64 " kills, %" PRIu64 " commits\n", rounds, next - 1);
    unlink(path);
}

/* ---- a stopped writer ---- */

static void readers_go_on_beside_a_stopped_writer(void **state)
{
    const char *path = new_path("stopped.mneme");
    struct raw_model none = {0};
    struct mn_store *store;
    uint64_t n, versions = 0, last = 0, random = test_seed();
    int fd, how;
    pid_t child = start_child(path, &none, 1, &fd);

    (void)state;
    assert_int_equal(read(fd, &n, sizeof n), sizeof n);
    store = open_file(path, 0, 50);
    assert_non_null(store);
    for (int round = 0; round < 20; round++) {
        struct mn_view *view;

        mn_clock_sleep_us((int64_t)(test_random(&random) % 3000));
        kill(child, SIGSTOP);
        for (int i = 0; i < 50; i++) {
            struct raw_model model;

            assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
            assert_int_equal(raw_read(view, &model), MN_OK);
            if (mn_view_version(view) != last) versions++;
            last = mn_view_version(view);
            mn_view_end(view);
        }
        kill(child, SIGCONT);
        /* The pipe must not fill up while nobody reads it. */
        for (int i = 0; i < 8; i++) assert_int_equal(read(fd, &n, sizeof n), sizeof n);
    }
    assert_true(versions > 1);
    kill(child, SIGKILL);
    waitpid(child, &how, 0);
    close(fd);
    assert_int_equal(raw_check(store), 0);
    assert_int_equal(mn_store_close(store), MN_OK);
    unlink(path);
}

/* ---- locks between processes ---- */

/* Runs `body` in a child of its own; its exit status. */
static int in_child(int (*body)(const char *path), const char *path)
{
    int how;
    pid_t child = fork();

    if (child == 0) _exit(body(path));
    waitpid(child, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 100 + WTERMSIG(how);
}

static int write_once(const char *path)
{
    struct mn_store *store = open_file(path, 0, 30);
    struct mn_view *view;
    enum mn_status status;

    if (!store) return 99;
    status = mn_write_begin(store, 0, &view);
    if (!status) status = raw_set(view, 3, 33);
    if (!status) status = mn_write_commit(view, NULL);
    mn_store_close(store);
    return (int)status;
}

static void a_second_writer_is_busy_after_a_while(void **state)
{
    const char *path = new_path("busy.mneme");
    struct mn_store *store = open_file(path, MN_STORE_CREATE, 30);
    struct mn_view *view;

    (void)state;
    assert_non_null(store);
    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    assert_int_equal(in_child(write_once, path), MN_BUSY);
    assert_int_equal(raw_set(view, 0, 1), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    assert_int_equal(in_child(write_once, path), MN_OK);
    /* What the child committed is seen, and this process writes on from there. */
    assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
    assert_true(raw_equals(view, &(struct raw_model){.leaf = {[0] = 1, [3] = 33}}));
    mn_view_end(view);
    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    assert_int_equal(raw_set(view, 0, 2), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    assert_int_equal(raw_check(store), 0);
    assert_int_equal(mn_store_close(store), MN_OK);
    unlink(path);
}

static void a_forked_child_must_open_its_own(void **state)
{
    const char *path = new_path("forked.mneme");
    struct mn_store *store = open_file(path, MN_STORE_CREATE, 30);
    int how;
    pid_t child;

    (void)state;
    assert_non_null(store);
    child = fork();
    if (child == 0) {
        struct mn_view *view;
        bool refused = mn_view_begin_read(store, &view) == MN_MISUSE &&
                       mn_write_begin(store, 0, &view) == MN_MISUSE &&
                       mn_store_sync(store) == MN_MISUSE && mn_store_close(store) == MN_OK;

        _exit(refused ? write_once(path) : 98);
    }
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), MN_OK);
    assert_int_equal(mn_store_close(store), MN_OK);
    unlink(path);
}

/* A process opens, takes the writer's place, forks a child that lives on, and dies. */
static void a_dead_parent_leaves_no_locks_to_its_child(void **state)
{
    const char *path = new_path("orphan.mneme");
    struct mn_store *store = open_file(path, MN_STORE_CREATE, 1000);
    int ends[2], live[2], how;
    char byte;
    pid_t child;

    (void)state;
    assert_non_null(store);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(live), 0);
    child = fork();
    if (child == 0) {
        struct mn_store *own = open_file(path, 0, 1000);
        struct mn_view *view;

        if (!own || mn_write_begin(own, 0, &view)) _exit(1);
        if (fork() == 0) { /* outlives its parent, until the test has closed its end */
            close(live[1]);
            _exit(read(live[0], &byte, 1) == 0 ? 0 : 1);
        }
        if (write(ends[1], "x", 1) != 1) _exit(1);
        raise(SIGKILL);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    waitpid(child, &how, 0);
    assert_true(WIFSIGNALED(how));
    assert_int_equal(in_child(write_once, path), MN_OK);
    assert_int_equal(mn_store_close(store), MN_OK);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(live[i]);
    }
    unlink(path);
}

/* Two processes write in turn: each follows the other's manifests. */
static int write_many(const char *path)
{
    struct mn_store *store = open_file(path, 0, 20000);
    uint64_t random = (uint64_t)getpid() * 31 + 7;

    for (int i = 0; i < 300; i++) {
        struct raw_model model;
        struct mn_view *view;
        enum mn_status status = store ? mn_write_begin(store, 0, &view) : MN_ERROR;

        if (!status) status = raw_read(view, &model);
        if (!status) status = raw_change(view, &model, &random, 20000);
        if (!status) status = raw_change(view, &model, &random, 20000);
        if (!status) status = mn_write_commit(view, NULL);
        if (status) {
            fprintf(stderr, "writer: %s\n", mn_error_last()->message);
            return 1;
        }
    }
    if (raw_check(store)) return 2;
    return mn_store_close(store) ? 3 : 0;
}

static void writers_of_two_processes_follow_each_other(void **state)
{
    const char *path = new_path("turns.mneme");
    struct mn_store *store = open_file(path, MN_STORE_CREATE, 20000);
    pid_t children[2];
    int how;

    (void)state;
    assert_non_null(store);
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) _exit(write_many(path));
    }
    for (int i = 0; i < 100; i++) { /* a long reader now and then, so that pages are pending */
        struct raw_model before, after;
        struct mn_view *view;

        assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
        assert_int_equal(raw_read(view, &before), MN_OK);
        mn_clock_sleep_us(i % 10 ? 500 : 20000);
        assert_int_equal(raw_read(view, &after), MN_OK);
        assert_memory_equal(&before, &after, sizeof before);
        mn_view_end(view);
    }
    for (int i = 0; i < 2; i++) {
        waitpid(children[i], &how, 0);
        assert_true(WIFEXITED(how));
        assert_int_equal(WEXITSTATUS(how), 0);
    }
    assert_int_equal(raw_check(store), 0);
    assert_int_equal(mn_store_close(store), MN_OK);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_writer_loses_nothing_acknowledged),
        cmocka_unit_test(readers_go_on_beside_a_stopped_writer),
        cmocka_unit_test(a_second_writer_is_busy_after_a_while),
        cmocka_unit_test(a_forked_child_must_open_its_own),
        cmocka_unit_test(a_dead_parent_leaves_no_locks_to_its_child),
        cmocka_unit_test(writers_of_two_processes_follow_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
