/*
 * Tests of store: what its callers may get wrong, and files that are none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/sim.h"
#include "store/inside.h"
#include "support/raw.h"
#include "support/test.h"

static struct mn_store *must_open(struct mn_os *os, const char *path, unsigned flags)
{
    struct mn_store_options options = {.path = path, .flags = flags, .os = os, .hooks = raw_hooks};
    struct mn_store *store;

    if (mn_store_open(&options, &store)) {
        print_error("open: %s\n", mn_error_last()->message);
        fail();
    }
    return store;
}

static enum mn_status open_fails(const char *path, unsigned flags)
{
    struct mn_store_options options = {.path = path, .flags = flags, .hooks = raw_hooks};
    struct mn_store *store;
    enum mn_status status = mn_store_open(&options, &store);

    assert_null(store);
    assert_true(mn_error_last()->message[0] != 0);
    return status;
}

static void nothing_can_be_closed_and_ended(void **state)
{
    (void)state;
    assert_int_equal(mn_store_close(NULL), MN_OK);
    mn_write_abort(NULL);
    mn_view_end(NULL);
}

/* The answer says how many; afterwards the store closes as ever. */
static void a_store_with_transactions_is_not_closed(void **state)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct mn_store *store = must_open(os, "test", MN_STORE_CREATE);
    struct mn_view *reader, *writer;

    (void)state;
    assert_int_equal(mn_view_begin_read(store, &reader), MN_OK);
    assert_int_equal(mn_write_begin(store, 0, &writer), MN_OK);
    assert_int_equal(mn_store_close(store), MN_MISUSE);
    assert_non_null(strstr(mn_error_last()->message, "2 transactions"));
    mn_view_end(reader);
    assert_int_equal(mn_store_close(store), MN_MISUSE);
    assert_non_null(strstr(mn_error_last()->message, "1 transactions"));
    mn_write_abort(writer);
    assert_int_equal(mn_store_close(store), MN_OK);
    mn_machine_free(os);
}

/* Numbers of savepoints that are not there, in a view that writes and in one that does not. */
static void savepoints_that_are_not_there_change_nothing(void **state)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct mn_store *store = must_open(os, "test", MN_STORE_CREATE);
    struct mn_view *reader, *writer;
    uint32_t savepoint;

    (void)state;
    assert_int_equal(mn_view_begin_read(store, &reader), MN_OK);
    mn_savepoint_rollback(reader, 1);
    mn_savepoint_release(reader, 1);
    mn_view_end(reader);
    assert_int_equal(mn_write_begin(store, 0, &writer), MN_OK);
    assert_int_equal(raw_set(writer, 3, 77), MN_OK);
    assert_int_equal(mn_savepoint_begin(writer, &savepoint), MN_OK);
    for (uint32_t id = 0; id < 4; id += 2) {
        mn_savepoint_rollback(writer, id);
        mn_savepoint_release(writer, id);
    }
    mn_savepoint_release(writer, savepoint);
    assert_int_equal(mn_write_commit(writer, NULL), MN_OK);
    assert_int_equal(raw_check(store), 0);
    assert_int_equal(mn_store_close(store), MN_OK);
    mn_machine_free(os);
}

static void a_reader_has_nothing_to_sync(void **state)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct mn_store *store = must_open(os, "test", MN_STORE_CREATE), *reader;
    struct mn_view *view;

    (void)state;
    reader = must_open(os, "test", MN_STORE_READONLY);
    assert_int_equal(mn_store_sync(reader), MN_OK);
    assert_int_equal(mn_write_begin(reader, 0, &view), MN_READONLY_DB);
    assert_int_equal(mn_store_close(reader), MN_OK);
    assert_int_equal(mn_store_close(store), MN_OK);
    mn_machine_free(os);
}

static void what_is_no_file_is_refused(void **state)
{
    char path[600];

    (void)state;
    assert_true(open_fails(test_folder(), 0) != MN_OK);
    assert_true(open_fails("/dev/null", MN_STORE_CREATE) != MN_OK);
    assert_true(open_fails("", MN_STORE_CREATE) != MN_OK);
    snprintf(path, sizeof path, "%s/no/folder/x.mneme", test_folder());
    assert_true(open_fails(path, MN_STORE_CREATE) != MN_OK);
}

/* It is in the current one. */
static void a_name_may_have_no_folder(void **state)
{
    struct mn_store *store;
    char before[600];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(test_folder()), 0);
    store = must_open(NULL, "plain.mneme", MN_STORE_CREATE);
    assert_int_equal(mn_store_close(store), MN_OK);
    assert_int_equal(access("plain.mneme", F_OK), 0);
    assert_int_equal(unlink("plain.mneme"), 0);
    assert_int_equal(chdir(before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_can_be_closed_and_ended),
        cmocka_unit_test(a_store_with_transactions_is_not_closed),
        cmocka_unit_test(savepoints_that_are_not_there_change_nothing),
        cmocka_unit_test(a_reader_has_nothing_to_sync),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_name_may_have_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
