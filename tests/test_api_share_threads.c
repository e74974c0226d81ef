/*
 * Threads that share transactions, and power loss: what a thread was told is there in every state
 * that a crash may leave, and what failed never is.
 *
 * One thread holds the writer's place until the others wait for it, so each round is shared. Run
 * under the thread sanitizer as well.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/handle.h"
#include "mneme.h"
#include "store/inside.h"
#include "support/test.h"

enum { THREADS = 5, ROUNDS = 12, OPS = ROUNDS * (THREADS + 1), ROWS = ROUNDS * 10 };

/* What one call was to do: put row `id`, or delete it, write it as it is, or put it where it is
 * (and fail). */
enum kind { PUT, INSERT, DELETE, UPDATE, INSERT_AGAIN };

struct op {
    enum kind kind;
    int round;
    int64_t id;
    int code; /* what the call answered */
};

static struct {
    mn_vfs *vfs;
    mn_db *db;
    pthread_mutex_t mutex;
    struct op told[OPS + 1]; /* by the number of the acknowledgement */
    unsigned count;
} app;

static int op_run(const struct op *op)
{
    static const char *const names[] = {"id", "body"};
    mn_datum values[2] = {{.type = MN_TYPE_INT, .as.i = op->id},
                          {.type = MN_TYPE_TEXT, .length = 3, .as.p = "put"}};
    mn_fields row = {sizeof row, 2, names, values};
    static const char *const texts[] = {[INSERT] = "INSERT INTO t VALUES (%d, 'put')",
                                        [DELETE] = "DELETE FROM t WHERE id = %d",
                                        [UPDATE] = "UPDATE t SET body = 'put' WHERE id = %d",
                                        [INSERT_AGAIN] = "INSERT INTO t VALUES (%d, 'again')"};
    char sql[100];

    if (op->kind == PUT) return mn_put(app.db, "t", &row, NULL);
    if (op->kind == DELETE && op->round % 2) return mn_delete(app.db, "t", values, 1);
    snprintf(sql, sizeof sql, texts[op->kind], (int)op->id);
    return mn_exec(app.db, sql, NULL, NULL);
}

/* Runs it and tells the world, in the order in which calls come back. */
static void *op_thread(void *context)
{
    struct op *op = context;

    op->code = op_run(op);
    pthread_mutex_lock(&app.mutex);
    app.told[++app.count] = *op;
    if (mn_sim_ack(app.vfs, app.count) != MN_OK) op->code = MN_ERROR;
    pthread_mutex_unlock(&app.mutex);
    return NULL;
}

static void waiters_await(uint32_t count)
{
    struct mn_store *store = app.db->store;

    for (;;) {
        uint32_t now;

        pthread_mutex_lock(&store->turn);
        now = store->brief_waiting;
        pthread_mutex_unlock(&store->turn);
        if (now == count) return;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static uint64_t version_now(void)
{
    mn_snap *snap;
    uint64_t version;

    assert_int_equal(mn_snapshot(app.db, 0, &snap), MN_OK);
    version = mn_snapshot_version(snap);
    mn_snapshot_end(snap);
    return version;
}

/* Row ids of a round: 10 r + thread, of which thread 1's is deleted in the round after. */
static void round_run(int round)
{
    struct op ops[THREADS + 1];
    pthread_t threads[THREADS];
    uint64_t before = version_now();

    for (int i = 0; i <= THREADS; i++) {
        ops[i] = (struct op){i % 2 ? PUT : INSERT, round, 10 * round + i, 0};
    }
    if (round > 0) {
        ops[2] = (struct op){DELETE, round, 10 * (round - 1) + 1, 0};
        ops[3] = (struct op){INSERT_AGAIN, round, 10 * (round - 1) + 4, 0};
        ops[5] = (struct op){UPDATE, round, 10 * (round - 1) + 4, 0};
    }
    assert_int_equal(mn_begin(app.db, MN_BEGIN_WRITE), MN_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, op_thread, &ops[i + 1]), 0);
    }
    waiters_await(THREADS);
    assert_int_equal(op_run(&ops[0]), MN_OK);
    assert_int_equal(mn_commit(app.db), MN_OK);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 1; i <= THREADS; i++) {
        assert_int_equal(ops[i].code, ops[i].kind == INSERT_AGAIN ? MN_CONSTRAINT : MN_OK);
    }
    assert_int_equal(version_now(), before + 1);
}

/* For each row: 1 it must be there, 0 it must not, -1 either, at a time when `acked` were told. */
static void expectation(uint64_t acked, int8_t wanted[ROWS])
{
    int round = acked ? app.told[acked].round : 0;

    memset(wanted, 0, ROWS);
    for (unsigned i = 1; i <= app.count; i++) {
        const struct op *op = &app.told[i];

        if (op->kind == INSERT_AGAIN || op->kind == UPDATE) continue;
        if (i <= acked) {
            wanted[op->id] = op->kind != DELETE;
        } else if (op->round <= round + 1) {
            wanted[op->id] = -1;
        }
    }
    /* The first part of each round is told by nobody. */
    for (int r = 0; r < ROUNDS; r++) wanted[10 * r] = r <= round + 1 ? -1 : 0;
}

static int check(void *context, mn_db *db, const mn_sim_state *state)
{
    int8_t wanted[ROWS], there[ROWS] = {0};
    mn_stmt *stmt;
    int code, violation = 0;

    (void)context;
    expectation(state->acked, wanted);
    code = mn_prepare(db, "SELECT id, body FROM t", MN_ALL, &stmt, NULL);
    if (code == MN_SCHEMA) return state->acked ? 1 : 0; /* not made yet */
    while (code == MN_OK && (code = mn_step(stmt)) == MN_ROW) {
        there[mn_col_int(stmt, 0)] = 1;
        if (strcmp(mn_col_text(stmt, 1, NULL), "put") != 0) violation = 2;
        code = MN_OK;
    }
    mn_finalize(stmt);
    if (code != MN_DONE) return 3;
    for (int i = 0; i < ROWS && !violation; i++) {
        if (wanted[i] >= 0 && wanted[i] != there[i]) violation = 4;
    }
    return violation;
}

static void what_was_told_outlives_power_loss(void **state)
{
    mn_options options = {.size = sizeof options, .flags = MN_CREATE};
    mn_sim_report report = {.size = sizeof report};
    mn_sim_options explore = {.size = sizeof explore,
                              .seconds_max = 60,
                              .states_max = test_is_deep() ? 200000 : 1200,
                              .report = &report};

    (void)state;
    pthread_mutex_init(&app.mutex, NULL);
    assert_int_equal(mn_sim_new(test_seed(), &app.vfs), MN_OK);
    options.vfs = app.vfs;
    assert_int_equal(mn_open_with("app", &options, &app.db), MN_OK);
    assert_int_equal(mn_exec(app.db, "CREATE TABLE t (id INT PRIMARY KEY, body TEXT)", NULL, NULL),
                     MN_OK);
    for (int round = 0; round < ROUNDS; round++) round_run(round);
    assert_int_equal(mn_check(app.db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(app.db), MN_OK);
    if (mn_sim_explore(app.vfs, check, NULL, &explore) != MN_OK) {
        print_error("%s: %s\n", report.token, mn_errmsg(NULL));
        fail();
    }
    print_message("             %llu states, all good\n", (unsigned long long)report.distinct);
    assert_true(report.good > 600);
    mn_sim_free(app.vfs);
    pthread_mutex_destroy(&app.mutex);
}

static void *put_thread(void *context)
{
    struct op *op = context;

    op->code = op_run(op);
    return NULL;
}

/* Rows, four a leaf, until that many pages are new. */
static void nodes_fill(uint32_t nodes)
{
    char body[901], sql[1000];

    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = 0;
    for (int id = 1000; app.db->store->writer.live_nodes < nodes; id++) {
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%d, '%s')", id, body);
        assert_int_equal(mn_exec(app.db, sql, NULL, NULL), MN_OK);
    }
    assert_int_equal(app.db->store->writer.live_nodes, nodes);
}

static void more_than_128_pages_are_not_gone_on_with(void **state)
{
    (void)state;
    for (uint32_t nodes = 128; nodes <= 129; nodes++) {
        struct op op = {PUT, 0, 1, 0};
        pthread_t thread;
        uint64_t before;

        assert_int_equal(mn_open(NULL, MN_MEMORY, &app.db), MN_OK);
        assert_int_equal(
            mn_exec(app.db, "CREATE TABLE t (id INT PRIMARY KEY, body TEXT)", NULL, NULL), MN_OK);
        before = version_now();
        assert_int_equal(mn_begin(app.db, MN_BEGIN_WRITE), MN_OK);
        nodes_fill(nodes);
        assert_int_equal(pthread_create(&thread, NULL, put_thread, &op), 0);
        waiters_await(1);
        assert_int_equal(mn_commit(app.db), MN_OK);
        pthread_join(thread, NULL);
        assert_int_equal(op.code, MN_OK);
        assert_int_equal(version_now(), before + (nodes > 128 ? 2 : 1));
        assert_int_equal(mn_close(app.db), MN_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_outlives_power_loss),
        cmocka_unit_test(more_than_128_pages_are_not_gone_on_with),
    };

    return cmocka_run_group_tests_name("shared transactions and power loss", tests, NULL, NULL);
}
