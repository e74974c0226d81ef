/*
 * Tests of store/queue on real files: a large transaction is written by a thread beside its owner;
 * what that thread cannot write is the owner's to write, in order, or to report.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "btree/tree.h"
#include "os/file.h"
#include "support/forest.h"
#include "support/status.h"
#include "support/test.h"

enum { ENTRIES = 150000, VALUE_BYTES = 100 };

/* The machine, whose writes fail as they are told. */
static struct {
    struct mn_os os;
    struct mn_os_ops os_ops;
    struct mn_file_ops file_ops;
    const struct mn_file_ops *file_real;
    pthread_t owner;
    atomic_int by_others;   /* writes by another thread than the owner */
    atomic_int others_fail; /* these fail from this one on; -1: never */
    atomic_bool all_fail;
} shim;

static enum mn_status shim_pwritev(struct mn_file *file, uint64_t offset,
                                   const struct mn_slice *slices, size_t count)
{
    bool other = !pthread_equal(pthread_self(), shim.owner);
    int n = other ? atomic_fetch_add(&shim.by_others, 1) : 0, fail_at = shim.others_fail;

    if (shim.all_fail) return mn_fail(MN_FULL, "no room, says the test");
    if (other && fail_at >= 0 && n >= fail_at) return mn_fail(MN_IOERR, "no, says the test");
    return shim.file_real->pwritev(file, offset, slices, count);
}

static enum mn_status shimmed(enum mn_status status, struct mn_file **out)
{
    if (status != MN_OK) return status;
    shim.file_real = (*out)->ops;
    shim.file_ops = *(*out)->ops;
    shim.file_ops.pwritev = shim_pwritev;
    (*out)->ops = &shim.file_ops;
    return MN_OK;
}

static enum mn_status shim_create(struct mn_os *os, const char *path, struct mn_file **out)
{
    (void)os;
    return shimmed(mn_os_posix()->ops->create(mn_os_posix(), path, out), out);
}

static enum mn_status shim_open(struct mn_os *os, const char *path, unsigned flags,
                                struct mn_file **out)
{
    (void)os;
    return shimmed(mn_os_posix()->ops->open(mn_os_posix(), path, flags, out), out);
}

static char path[1100];

static struct mn_store *store_new(unsigned threads)
{
    struct mn_store_options options = {
        .path = path, .flags = MN_STORE_CREATE, .hooks = mn_tree_hooks(), .os = &shim.os};
    struct mn_store *store;

    snprintf(path, sizeof path, "%s/queue.mneme", test_folder());
    unlink(path);
    shim.os_ops = *mn_os_posix()->ops;
    shim.os_ops.create = shim_create;
    shim.os_ops.open = shim_open;
    shim.os.ops = &shim.os_ops;
    shim.owner = pthread_self();
    shim.by_others = 0;
    shim.others_fail = -1;
    shim.all_fail = false;
    ok(mn_store_open(&options, &store));
    mn_store_set_threads(store, threads);
    return store;
}

static void value_make(uint64_t n, uint8_t value[VALUE_BYTES])
{
    memset(value, (int)(n % 251), VALUE_BYTES);
}

/* Entries [0, count) until one fails. */
static enum mn_status tree_fill(struct mn_view *view, uint64_t tree, uint64_t count)
{
    struct mn_bulk *bulk;
    enum mn_status status = mn_bulk_begin(view, tree, &bulk), ended;

    if (status) return status;
    for (uint64_t n = 0; n < count && !status; n++) {
        uint8_t key[8], value[VALUE_BYTES];

        mn_put_u64_be(key, n);
        value_make(n, value);
        status = mn_bulk_add(bulk, mn_bytes_of(key, 8), mn_bytes_of(value, VALUE_BYTES));
    }
    ended = mn_bulk_end(bulk);
    return status ? status : ended;
}

static void tree_is(struct mn_view *view, uint64_t tree, uint64_t count)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    uint64_t n = 0;
    bool found;

    ok(mn_cursor_open(view, tree, &cursor));
    for (ok(mn_cursor_first(cursor, &found)); found; ok(mn_cursor_next(cursor, &found)), n++) {
        uint8_t value[VALUE_BYTES];

        ok(mn_cursor_item(cursor, &item));
        value_make(n, value);
        assert_int_equal(mn_get_u64_be(item.key.data), n);
        assert_int_equal(item.value.len, VALUE_BYTES);
        assert_memory_equal(item.value.data, value, VALUE_BYTES);
    }
    mn_cursor_close(cursor);
    assert_int_equal(n, count);
}

/* What is in the file, by this handle and by one that reads all of it anew. */
static void store_end(struct mn_store *store, uint64_t tree, uint64_t count)
{
    struct mn_store_options options = {.path = path, .hooks = mn_tree_hooks()};
    struct mn_view *view;

    ok(mn_view_begin_read(store, &view));
    tree_is(view, tree, count);
    mn_view_end(view);
    ok(mn_store_close(store));
    ok(mn_store_open(&options, &store));
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_view_begin_read(store, &view));
    tree_is(view, tree, count);
    mn_view_end(view);
    ok(mn_store_close(store));
}

static void large_transactions_are_written_beside(void **state)
{
    struct mn_store *store = store_new(1);
    struct mn_view *view;
    uint64_t tree;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(tree_fill(view, tree, 100));
    ok(mn_write_commit(view, NULL));
    assert_int_equal(shim.by_others, 0); /* not the small ones */
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(tree_fill(view, tree, ENTRIES));
    tree_is(view, tree, ENTRIES); /* the writer sees what it wrote */
    ok(mn_write_commit(view, NULL));
    assert_true(shim.by_others > 8);
    store_end(store, tree, ENTRIES);
}

/* None but where it was asked for. */
static void no_thread_is_started_unasked(void **state)
{
    struct mn_store *store = store_new(0);
    struct mn_view *view;
    uint64_t tree;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(tree_fill(view, tree, ENTRIES));
    ok(mn_write_commit(view, NULL));
    assert_int_equal(shim.by_others, 0);
    store_end(store, tree, ENTRIES);
}

static void what_the_thread_cannot_write_its_owner_does(void **state)
{
    (void)state;
    for (int fail_at = 0; fail_at < 8; fail_at++) {
        struct mn_store *store = store_new(1);
        struct mn_view *view;
        uint64_t tree;

        shim.others_fail = fail_at;
        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &tree));
        ok(tree_fill(view, tree, ENTRIES));
        ok(mn_write_commit(view, NULL));
        assert_int_equal(shim.by_others, fail_at + 1); /* after a failure it writes nothing */
        store_end(store, tree, ENTRIES);
    }
}

/* Pages of the first tree may wait when the device is full under the second. */
static void a_full_device_costs_the_statement_and_no_other(void **state)
{
    struct mn_store *store = store_new(1);
    struct mn_view *view;
    uint32_t savepoint;
    uint64_t trees[2];

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &trees[0]));
    ok(mn_tree_create(view, &trees[1]));
    ok(tree_fill(view, trees[0], ENTRIES));
    ok(mn_savepoint_begin(view, &savepoint));
    shim.all_fail = true;
    assert_int_equal(tree_fill(view, trees[1], ENTRIES), MN_FULL);
    mn_savepoint_rollback(view, savepoint);
    shim.all_fail = false;
    tree_is(view, trees[0], ENTRIES);
    ok(tree_fill(view, trees[1], 1000));
    ok(mn_write_commit(view, NULL));
    ok(mn_view_begin_read(store, &view));
    tree_is(view, trees[1], 1000);
    mn_view_end(view);
    store_end(store, trees[0], ENTRIES);
}

/* Pages that a rollback frees are used again while their first bytes may still wait. */
static void pages_used_again_hold_the_last(void **state)
{
    struct mn_store *store = store_new(1);
    struct mn_view *view;
    uint32_t savepoint;
    uint64_t tree;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    for (int round = 0; round < 6; round++) {
        uint64_t given_up;

        ok(mn_savepoint_begin(view, &savepoint));
        ok(mn_tree_create(view, &given_up));
        ok(tree_fill(view, given_up, ENTRIES / 5 + (uint64_t)round * 1000));
        mn_savepoint_rollback(view, savepoint);
        mn_savepoint_release(view, savepoint);
    }
    ok(mn_tree_create(view, &tree));
    ok(tree_fill(view, tree, ENTRIES / 5));
    ok(mn_write_commit(view, NULL));
    store_end(store, tree, ENTRIES / 5);
}

static void an_abort_ends_the_thread(void **state)
{
    struct mn_store *store = store_new(1);
    struct mn_view *view;
    uint64_t tree;

    (void)state;
    for (int round = 0; round < 3; round++) {
        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &tree));
        ok(tree_fill(view, tree, ENTRIES / 3));
        mn_write_abort(view);
    }
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(tree_fill(view, tree, ENTRIES / 3));
    ok(mn_write_commit(view, NULL));
    store_end(store, tree, ENTRIES / 3);
}

/* The thread is not there in a child: it is refused and can close, and the parent goes on. */
static void a_forked_child_is_refused(void **state)
{
    struct mn_store *store = store_new(1);
    struct mn_view *view;
    uint64_t tree, other;
    pid_t child;
    int how;

    (void)state;
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_tree_create(view, &other));
    ok(tree_fill(view, tree, ENTRIES / 2));
    child = fork();
    if (child == 0) {
        bool refused = tree_fill(view, other, ENTRIES) == MN_MISUSE;

        mn_write_abort(view);
        _exit(refused && mn_store_close(store) == MN_OK ? 0 : 1);
    }
    assert_true(child > 0);
    ok(tree_fill(view, other, ENTRIES / 2));
    ok(mn_write_commit(view, NULL));
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    store_end(store, tree, ENTRIES / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_transactions_are_written_beside),
        cmocka_unit_test(no_thread_is_started_unasked),
        cmocka_unit_test(what_the_thread_cannot_write_its_owner_does),
        cmocka_unit_test(a_full_device_costs_the_statement_and_no_other),
        cmocka_unit_test(pages_used_again_hold_the_last),
        cmocka_unit_test(an_abort_ends_the_thread),
        cmocka_unit_test(a_forked_child_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
