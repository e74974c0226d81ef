/*
 * Histories of threads that change rows through one handle: by statements and calls that threads
 * share transactions of, in transactions of their own, and in vain.
 *
 * Each thread owns a few rows and does one operation after the other; what operation n of a thread
 * is follows from both numbers, so anybody can say what its rows are after n of them. A sum in one
 * more row is changed by all. Meanwhile others take snapshots, and on a simulated disk look at what
 * a power loss would leave at that moment. Of each state that is seen:
 *
 *   (S1) the rows of every thread are as after some n of its operations: none is seen by half, and
 *        nothing that failed or was rolled back is seen at all
 *   (S2) n is at least what the thread was told before the state was taken, and at most what it had
 *        begun when it was there: nobody is told before it is visible and durable
 *   (S3) the sum is what all these operations make together: no change of it was lost
 *   (S4) two states of one version are the same
 *
 * Run under the thread sanitizer as well.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/handle.h"
#include "base/hash.h"
#include "mneme.h"
#include "os/sim.h"
#include "support/slow.h"
#include "support/test.h"

enum { WRITERS = 6, READERS = 2, LOOKERS = 1, WORKERS = WRITERS + READERS + LOOKERS };
enum { OWN = 6, DATA = 4, SUM = 1000, IDS = WRITERS * OWN, SEEN_MOST = 20000 };

enum kind { PUT, INSERT_MANY, UPDATE, DELETE, FAIL, ADD, BLOCK, ROLLED_BACK, KINDS };

/* A state that somebody saw. */
struct seen {
    uint64_t version, hash;
};

/* The model of one thread: its rows after n operations, and what those added to the sum. */
struct model {
    uint32_t n;
    int64_t rows[OWN], sum;
};

struct worker {
    pthread_t thread;
    int number;
    struct model models[WRITERS]; /* of what was told when it looked last */
    struct seen *seen;
    size_t count;
    char fault[200]; /* what went wrong first */
};

/* The rows as they are: what operation wrote each last, 0: not there. */
struct rows {
    int64_t op[IDS], sum;
    bool wrong;
};

static struct {
    struct mn_os *os;
    mn_db *db;
    bool stop;
    uint32_t begun[WRITERS], told[WRITERS];
    struct worker workers[WORKERS];
} app;

static void fault_note(struct worker *worker, const char *what, int64_t number)
{
    if (worker->fault[0]) return;
    (void)snprintf(worker->fault, sizeof worker->fault, "%s (%lld): %.100s", what,
                   (long long)number, mn_errmsg(app.db));
}

/* ---- what operation n of a thread is ---- */

static uint64_t dice(int thread, uint32_t n)
{
    return mn_hash_mix(mn_hash_mix(test_seed(), (uint64_t)thread + 1), n);
}

static enum kind kind_of(int thread, uint32_t n)
{
    return (enum kind)(dice(thread, n) % KINDS);
}

/* The row that a PUT, UPDATE or DELETE is about. */
static int row_of(int thread, uint32_t n)
{
    return (int)((dice(thread, n) >> 20) % DATA);
}

/* What one operation makes of its thread's rows: -1 for what it adds to the sum. */
static int64_t apply(int thread, uint32_t n, int64_t rows[OWN])
{
    int row = row_of(thread, n);

    switch (kind_of(thread, n)) {
    case PUT: rows[row] = n; break;
    case UPDATE:
        if (rows[row]) rows[row] = n;
        break;
    case DELETE: rows[row] = 0; break;
    case INSERT_MANY:
        for (int i = 0; i < DATA; i++) rows[i] = n;
        break;
    case ADD: rows[DATA] = n; return 1;
    case BLOCK:
        for (int i = 1; i < DATA; i++) rows[i] = n;
        rows[0] = 0;
        return 2;
    case FAIL:
    case ROLLED_BACK:
    case KINDS: break;
    }
    return 0;
}

/* ---- doing it ---- */

static int put_call(int64_t id, int64_t op)
{
    static const char *const names[] = {"id", "op"};
    mn_datum values[] = {{.type = MN_TYPE_INT, .as.i = id}, {.type = MN_TYPE_INT, .as.i = op}};
    mn_fields row = {sizeof row, 2, names, values};

    return mn_put(app.db, "cell", &row, NULL);
}

static int delete_call(int64_t id)
{
    const mn_datum key = {.type = MN_TYPE_INT, .as.i = id};
    int code = mn_delete(app.db, "cell", &key, 1);

    return code == MN_NOTFOUND ? MN_OK : code;
}

#define ADD_UP \
    " ON CONFLICT (id) DO UPDATE SET op = CASE WHEN cell.id = 1000 THEN cell.op + 1" \
    " ELSE excluded.op END"

static int statement(const char *format, int first, uint32_t n)
{
    char sql[700];

    /* Every format names the rows and the operation in this order. */
    (void)snprintf(sql, sizeof sql, format, first, (int)n, first + 1, (int)n, first + 2, (int)n,
                   first + 3, (int)n);
    return mn_exec(app.db, sql, NULL, NULL);
}

static int update(int id, uint32_t n)
{
    char sql[100];

    (void)snprintf(sql, sizeof sql, "UPDATE cell SET op = %d WHERE id = %d", (int)n, id);
    return mn_exec(app.db, sql, NULL, NULL);
}

/* Several statements in a transaction that others may go on with, if they are brief. */
static int block(int first, uint32_t n, bool in_vain)
{
    int code = mn_begin(app.db, MN_BEGIN_WRITE);

    if (!code) {
        code = statement("INSERT INTO cell VALUES (%d, %d), (%d, %d), (%d, %d), (%d, %d)"
                         " ON CONFLICT (id) DO UPDATE SET op = excluded.op",
                         first, n);
    }
    if (!code) code = mn_exec(app.db, "UPDATE cell SET op = op + 2 WHERE id = 1000", NULL, NULL);
    if (!code) code = mn_savepoint(app.db, "s");
    if (!code) code = put_call(first + DATA + 1, 77);
    if (!code) code = mn_rollback_to(app.db, "s");
    if (!code) code = delete_call(first);
    if (in_vain) {
        (void)mn_rollback(app.db);
        return code;
    }
    return code ? code : mn_commit(app.db);
}

static int op_run(int thread, uint32_t n)
{
    int first = thread * OWN, row = first + row_of(thread, n), code;

    switch (kind_of(thread, n)) {
    case PUT: return put_call(row, n);
    case DELETE:
        if (n % 2) return delete_call(row);
        return statement("DELETE FROM cell WHERE id = %d", row, n);
    case UPDATE: return update(row, n);
    case INSERT_MANY:
        return statement("INSERT INTO cell VALUES (%d, %d), (%d, %d), (%d, %d), (%d, %d)"
                         " ON CONFLICT (id) DO UPDATE SET op = excluded.op",
                         first, n);
    case FAIL: /* a row that nobody ever sees, and one that is there: the sum */
        code = statement("INSERT INTO cell VALUES (%d, %d), (1000, 5)", first + DATA + 1, n);
        return code == MN_CONSTRAINT ? MN_OK : MN_ERROR;
    case ADD:
        return statement("INSERT INTO cell VALUES (%d, %d), (1000, 0)" ADD_UP, first + DATA, n);
    case BLOCK: return block(first, n, false);
    case ROLLED_BACK: return block(first, n, true);
    case KINDS: break;
    }
    return MN_ERROR;
}

/* ---- looking ---- */

static void row_take(struct rows *rows, mn_stmt *row)
{
    int64_t id = mn_col_int(row, 0), op = mn_col_int(row, 1);

    if (id == SUM) {
        rows->sum = op;
    } else if (id < 0 || id >= IDS || op <= 0) {
        rows->wrong = true;
    } else {
        rows->op[id] = op;
    }
}

static int rows_read(mn_db *db, mn_snap *snap, struct rows *rows)
{
    mn_stmt *stmt = NULL;
    int code = mn_prepare(db, "SELECT id, op FROM cell", MN_ALL, &stmt, NULL);

    memset(rows, 0, sizeof *rows);
    rows->sum = -1;
    if (!code) code = mn_use_snapshot(stmt, snap);
    while (!code && (code = mn_step(stmt)) == MN_ROW) {
        row_take(rows, stmt);
        code = MN_OK;
    }
    (void)mn_finalize(stmt);
    return code == MN_DONE ? MN_OK : code;
}

static void model_step(struct model *model, int thread)
{
    model->n++;
    model->sum += apply(thread, model->n, model->rows);
}

/* (S1), (S2): the greatest number of operations, at least those that were told and at most `most`,
 * after which the rows are these; what they made of the sum is added up. UINT32_MAX: none. */
static uint32_t done_find(struct model *told, int thread, const int64_t have[OWN], uint32_t most,
                          int64_t *sum)
{
    struct model model = *told;
    uint32_t found = UINT32_MAX;
    int64_t adds = 0;

    for (;; model_step(&model, thread)) {
        if (memcmp(model.rows, have, sizeof model.rows) == 0) {
            found = model.n;
            adds = model.sum;
        }
        if (model.n >= most) break;
    }
    *sum += adds;
    return found;
}

static void state_judge(struct worker *worker, const struct rows *rows, uint64_t version,
                        const uint32_t told[WRITERS])
{
    struct seen *seen = &worker->seen[worker->count];
    int64_t sum = 0;

    if (worker->count == SEEN_MOST) return;
    seen->version = version;
    seen->hash = mn_hash(rows, sizeof *rows, 1);
    if (rows->wrong) fault_note(worker, "a row that nobody writes", 0);
    for (int t = 0; t < WRITERS; t++) {
        uint32_t most = __atomic_load_n(&app.begun[t], __ATOMIC_ACQUIRE);
        struct model *model = &worker->models[t];

        uint32_t done;

        while (model->n < told[t]) model_step(model, t);
        done = done_find(model, t, &rows->op[(ptrdiff_t)t * OWN], most, &sum);
        if (done == UINT32_MAX) {
            fault_note(worker, "(S1, S2) no number of operations makes the rows of thread", t);
            return;
        }
    }
    if (sum != rows->sum) fault_note(worker, "(S3) the sum is wrong by", rows->sum - sum);
    worker->count++;
}

static void told_take(uint32_t told[WRITERS])
{
    for (int t = 0; t < WRITERS; t++) told[t] = __atomic_load_n(&app.told[t], __ATOMIC_ACQUIRE);
}

/* Every second snapshot is asked twice. */
static void snapshot_look(struct worker *worker)
{
    uint32_t told[WRITERS];
    struct rows rows, again;
    mn_snap *snap = NULL;
    int code;

    told_take(told);
    code = mn_snapshot(app.db, 0, &snap);
    if (!code) code = rows_read(app.db, snap, &rows);
    if (!code && worker->count % 2) {
        code = rows_read(app.db, snap, &again);
        if (!code && memcmp(&rows, &again, sizeof rows) != 0) {
            fault_note(worker, "a snapshot changed", 0);
        }
    }
    if (code) fault_note(worker, "cannot read", code);
    if (!code) state_judge(worker, &rows, mn_snapshot_version(snap), told);
    mn_snapshot_end(snap);
}

/* The power goes, with all that no sync has made durable. */
static void power_look(struct worker *worker)
{
    mn_options options = {.size = sizeof options};
    uint32_t told[WRITERS];
    struct rows rows;
    struct mn_os *after;
    mn_db *db;
    int code;

    told_take(told);
    after = mn_sim_crash(app.os, &(struct mn_sim_loss){.rest_lost = true});
    if (!after) abort();
    code = (int)mn_db_open_os("walk", &options, after, &db);
    if (!code) {
        uint64_t version = mn_current_version(db);

        code = rows_read(db, NULL, &rows);
        if (!code) state_judge(worker, &rows, version, told);
        (void)mn_close(db);
    }
    if (code) fault_note(worker, "cannot read after a power loss", code);
    mn_machine_free(after);
}

/* ---- threads ---- */

static void operation(struct worker *worker)
{
    int t = worker->number;
    uint32_t n = app.begun[t] + 1;
    int code;

    __atomic_store_n(&app.begun[t], n, __ATOMIC_RELEASE);
    code = op_run(t, n);
    if (code) fault_note(worker, "an operation fails", (int)kind_of(t, n) * 1000 + code);
    __atomic_store_n(&app.told[t], n, __ATOMIC_RELEASE);
}

static void *work(void *context)
{
    struct worker *worker = context;

    while (!__atomic_load_n(&app.stop, __ATOMIC_ACQUIRE) && !worker->fault[0]) {
        if (worker->number < WRITERS) {
            operation(worker);
        } else if (worker->number < WRITERS + READERS) {
            snapshot_look(worker);
        } else {
            power_look(worker);
        }
    }
    return NULL;
}

static int by_version(const void *a, const void *b)
{
    const struct seen *x = *(const struct seen *const *)a, *y = *(const struct seen *const *)b;

    return (x->version > y->version) - (x->version < y->version);
}

/* (S4) */
static void versions_compare(unsigned workers)
{
    size_t count = 0, all = 0;
    const struct seen **states;

    for (unsigned w = 0; w < workers; w++) all += app.workers[w].count;
    states = malloc((all + 1) * sizeof *states);
    assert_non_null(states);
    for (unsigned w = 0; w < workers; w++) {
        for (size_t i = 0; i < app.workers[w].count; i++) states[count++] = &app.workers[w].seen[i];
    }
    qsort(states, count, sizeof *states, by_version);
    for (size_t i = 1; i < count; i++) {
        bool same = states[i]->version == states[i - 1]->version;

        if (same) assert_int_equal(states[i]->hash, states[i - 1]->hash);
    }
    free(states);
}

static void app_open(const char *path, struct mn_os *os)
{
    mn_options options = {.size = sizeof options, .flags = MN_CREATE, .page_size = 1024};

    memset(&app, 0, sizeof app);
    app.os = os;
    assert_int_equal(mn_db_open_os(path, &options, os, &app.db), MN_OK);
    assert_int_equal(mn_exec(app.db,
                             "CREATE TABLE cell (id INT PRIMARY KEY, op INT NOT NULL);"
                             "CREATE INDEX cell_op ON cell (op);"
                             "INSERT INTO cell VALUES (1000, 0)",
                             NULL, NULL),
                     MN_OK);
}

static void run(const char *path, struct mn_os *os, long millis)
{
    struct timespec time = {.tv_sec = millis / 1000, .tv_nsec = millis % 1000 * 1000000};
    unsigned workers = os ? WORKERS : WORKERS - LOOKERS;
    uint64_t before, operations = 0;

    app_open(path, os);
    before = mn_current_version(app.db);
    for (unsigned i = 0; i < workers; i++) {
        struct worker *worker = &app.workers[i];

        worker->number = (int)i;
        worker->seen = i < WRITERS ? NULL : calloc(SEEN_MOST, sizeof *worker->seen);
        assert_true(i < WRITERS || worker->seen);
        assert_int_equal(pthread_create(&worker->thread, NULL, work, worker), 0);
    }
    nanosleep(&time, NULL);
    __atomic_store_n(&app.stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < workers; i++) pthread_join(app.workers[i].thread, NULL);
    for (unsigned i = 0; i < workers; i++) assert_string_equal(app.workers[i].fault, "");
    for (int t = 0; t < WRITERS; t++) operations += app.told[t];
    versions_compare(workers);
    print_message("             %llu operations in %llu versions; %llu and %llu snapshots, %llu"
                  " looks\n",
                  (unsigned long long)operations,
                  (unsigned long long)(mn_current_version(app.db) - before),
                  (unsigned long long)app.workers[WRITERS].count,
                  (unsigned long long)app.workers[WRITERS + 1].count,
                  (unsigned long long)app.workers[WORKERS - 1].count);
    assert_true(operations > 0 && app.workers[WRITERS].count > 0);
    assert_int_equal(mn_check(app.db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(app.db), MN_OK);
    for (unsigned i = 0; i < workers; i++) free(app.workers[i].seen);
}

static void threads_of_a_file_are_serial(void **state)
{
    char path[4096];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/history.mneme", test_folder());
    run(path, NULL, test_is_deep() ? 20000 : 500);
}

static void what_threads_were_told_survives_power_loss(void **state)
{
    struct mn_os *os = slow_machine_new();

    (void)state;
    run("walk", os, test_is_deep() ? 20000 : 500);
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_of_a_file_are_serial),
        cmocka_unit_test(what_threads_were_told_survives_power_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
