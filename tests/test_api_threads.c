/*
 * One handle, many threads: each sees whole transactions, its own errors and its own transaction.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/test.h"

enum { READERS = 3, WRITERS = 2, ACCOUNTS = 20, ROUNDS = 150 };

struct shared {
    mn_db *db;
    atomic_int writers_left;
    atomic_int broken;
};

/* Moves amounts between accounts, two updates in one transaction; the sum stays 0. */
static void *write_transfers(void *context)
{
    struct shared *shared = context;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    char sql[256];

    for (int i = 0; i < ROUNDS; i++) {
        int from = (int)(test_random(&random) % ACCOUNTS), to = (from + 1) % ACCOUNTS;
        int amount = (int)(test_random(&random) % 100);

        if (mn_begin(shared->db, MN_BEGIN_WRITE) != MN_OK) atomic_store(&shared->broken, 1);
        snprintf(sql, sizeof sql,
                 "UPDATE account SET amount = amount - %d WHERE id = %d;"
                 "UPDATE account SET amount = amount + %d WHERE id = %d",
                 amount, from, amount, to);
        if (mn_exec(shared->db, sql, NULL, NULL) != MN_OK) atomic_store(&shared->broken, 2);
        if (i % 10 == 3) {
            if (mn_rollback(shared->db) != MN_OK) atomic_store(&shared->broken, 3);
        } else if (mn_commit(shared->db) != MN_OK) {
            atomic_store(&shared->broken, 4);
        }
        if (i % 40 == 7) { /* the schema changes under everybody's statements */
            snprintf(sql, sizeof sql, "CREATE TABLE extra_%lu_%d (a INT); DROP TABLE extra_%lu_%d",
                     (unsigned long)pthread_self(), i, (unsigned long)pthread_self(), i);
            if (mn_exec(shared->db, sql, NULL, NULL) != MN_OK) atomic_store(&shared->broken, 5);
        }
    }
    atomic_fetch_sub(&shared->writers_left, 1);
    return NULL;
}

static void *read_sums(void *context)
{
    struct shared *shared = context;
    mn_stmt *stmt;

    if (mn_prepare(shared->db, "SELECT sum(amount), count(*) FROM account", MN_ALL, &stmt, NULL)) {
        atomic_store(&shared->broken, 6);
        return NULL;
    }
    while (atomic_load(&shared->writers_left) > 0) {
        if (mn_step(stmt) != MN_ROW || mn_col_int(stmt, 0) != 0 ||
            mn_col_int(stmt, 1) != ACCOUNTS) {
            atomic_store(&shared->broken, 7);
        }
        mn_reset(stmt);
        /* Each thread has the error of its own last call. */
        if (mn_exec(shared->db, "SELECT nothing", NULL, NULL) != MN_SCHEMA ||
            mn_errcode(shared->db) != MN_SCHEMA || !strstr(mn_errmsg(shared->db), "nothing")) {
            atomic_store(&shared->broken, 8);
        }
        if (mn_in_transaction(shared->db)) atomic_store(&shared->broken, 9);
    }
    mn_finalize(stmt);
    return NULL;
}

static void threads_share_a_handle(void **state)
{
    struct shared shared = {.db = NULL};
    pthread_t threads[READERS + WRITERS];
    char path[4096];

    (void)state;
    snprintf(path, sizeof path, "%s/threads.mneme", test_folder());
    assert_int_equal(mn_open(path, MN_CREATE, &shared.db), MN_OK);
    assert_int_equal(mn_exec(shared.db,
                             "CREATE TABLE account (id INT PRIMARY KEY, amount INT);"
                             "INSERT INTO account SELECT g, 0 FROM generate_series(0, 19) g",
                             NULL, NULL),
                     MN_OK);
    atomic_store(&shared.writers_left, WRITERS);
    for (int i = 0; i < READERS + WRITERS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_transfers : read_sums, &shared),
            0);
    }
    for (int i = 0; i < READERS + WRITERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.broken), 0);
    assert_int_equal(mn_check(shared.db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(shared.db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_share_a_handle)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
