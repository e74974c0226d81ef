/*
 * Tests of durability against SIGKILL: a writer that commits without pause is killed again and
 * again.
 *
 * The writer is a child process. Transaction n is drawn from n alone: one row, a hundred rows, or
 * rows of more than a mebibyte, and some deletes, so the parent can say what the file must hold
 * after any n without asking the engine. The child tells through a pipe when it is about to commit
 * n ('B') and when mn_step has returned for it ('A'). After each kill the file must open, pass the
 * check, and hold exactly the state after some n with: last acknowledged <= n <= last begun.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mneme.h"
#include "support/test.h"

enum {
    ROUNDS_QUICK = 50,
    ROUNDS_DEEP = 500,
    POOL_SMALL = 4000, /* ids 1 .. POOL_SMALL: rows of the hundreds */
    POOL_BIG = 600,    /* ids above BIG_FIRST: rows of 4 KiB */
    BIG_FIRST = 1000000,
    BIG_ROWS = 300,
    BIG_BYTES = 4096,
    SINGLE_FIRST = 2000000, /* one new id a single-row transaction */
    TXN_MAX = 400000,
};

enum kind { SINGLE, HUNDRED, BIG };

struct message {
    char what; /* 'B' about to commit, 'A' acknowledged */
    uint32_t txn;
};

/* The model: which transaction wrote each row last; 0: not there. */
struct model {
    uint32_t small[POOL_SMALL + 1], big[POOL_BIG + 1];
    uint8_t single[TXN_MAX];
    uint32_t txn;
};

static struct model model;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ (b + 1) * UINT64_C(0xC2B2AE3D27D4EB4F);

    x ^= x >> 31;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    return x ^ (x >> 29);
}

static enum kind kind_of(uint32_t txn)
{
    uint64_t draw = mix(txn, 1) % 16;

    return draw < 9 ? SINGLE : draw < 15 ? HUNDRED : BIG;
}

/* The text of row id as transaction txn wrote it; returns its length. */
static size_t body_of(int64_t id, uint32_t txn, char *text)
{
    size_t length = id >= BIG_FIRST && id < SINGLE_FIRST ? BIG_BYTES : 20 + mix(txn, 7) % 60;

    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = mix((uint64_t)id ^ (uint64_t)i << 32, txn);

        for (size_t k = 0; k < 8 && i + k < length; k++) {
            text[i + k] = (char)('a' + (word >> (8 * k) & 15));
        }
    }
    return length;
}

static int64_t row_of(uint32_t txn, uint32_t n)
{
    switch (kind_of(txn)) {
    case SINGLE: return SINGLE_FIRST + txn;
    case HUNDRED: return 1 + (int64_t)(mix(txn, 100 + n) % POOL_SMALL);
    case BIG: return BIG_FIRST + 1 + (int64_t)((mix(txn, 2) + n) % POOL_BIG);
    }
    abort();
}

static uint32_t rows_of(uint32_t txn)
{
    switch (kind_of(txn)) {
    case SINGLE: return 1;
    case HUNDRED: return 100;
    case BIG: return BIG_ROWS;
    }
    abort();
}

/* Every tenth row of a hundred is a delete instead. */
static bool is_delete(uint32_t txn, uint32_t n)
{
    return kind_of(txn) == HUNDRED && n % 10 == 9;
}

static void model_apply(uint32_t txn)
{
    for (uint32_t n = 0; n < rows_of(txn); n++) {
        int64_t id = row_of(txn, n);
        uint32_t value = is_delete(txn, n) ? 0 : txn;

        if (id >= SINGLE_FIRST) {
            model.single[id - SINGLE_FIRST] = 1;
        } else if (id >= BIG_FIRST) {
            model.big[id - BIG_FIRST] = value;
        } else {
            model.small[id] = value;
        }
    }
    model.txn = txn;
}

/* -- the writer, in a child process ------------------------------------------------------------ */

static void must(mn_db *db, int status, const char *what)
{
    if (status == MN_OK || status == MN_DONE || status == MN_ROW) return;
    fprintf(stderr, "writer: %s: %d %s\n", what, status, mn_errmsg(db));
    _exit(9);
}

static void tell(int pipe_end, char what, uint32_t txn)
{
    struct message message;

    memset(&message, 0, sizeof message);
    message.what = what;
    message.txn = txn;
    if (write(pipe_end, &message, sizeof message) != sizeof message) _exit(8);
}

static void row_step(mn_db *db, mn_stmt *put, mn_stmt *drop, uint32_t txn, uint32_t n)
{
    static char text[BIG_BYTES];
    int64_t id = row_of(txn, n);
    mn_stmt *stmt = is_delete(txn, n) ? drop : put;

    must(db, mn_bind_int(stmt, 1, id), "bind");
    if (stmt == put) {
        must(db, mn_bind_int(stmt, 2, txn), "bind");
        must(db, mn_bind_text(stmt, 3, text, body_of(id, txn, text), MN_STATIC), "bind");
    }
    must(db, mn_step(stmt), "step");
    must(db, mn_reset(stmt), "reset");
}

static _Noreturn void writer(const char *path, uint32_t txn, int pipe_end)
{
    static const char upsert[] = "UPSERT INTO t (id, txn, body) VALUES (?, ?, ?)";
    mn_stmt *put, *drop, *commit;
    mn_db *db;

    must(NULL, mn_open(path, MN_CREATE, &db), "open");
    must(db, mn_prepare(db, upsert, MN_ALL, &put, NULL), "prepare");
    must(db, mn_prepare(db, "DELETE FROM t WHERE id = ?", MN_ALL, &drop, NULL), "prepare");
    must(db, mn_prepare(db, "COMMIT", MN_ALL, &commit, NULL), "prepare");
    for (;; txn++) {
        if (kind_of(txn) != SINGLE) {
            must(db, mn_begin(db, MN_BEGIN_WRITE), "begin");
            for (uint32_t n = 0; n < rows_of(txn); n++) row_step(db, put, drop, txn, n);
            tell(pipe_end, 'B', txn);
            must(db, mn_step(commit), "commit");
            must(db, mn_reset(commit), "reset");
        } else {
            tell(pipe_end, 'B', txn);
            row_step(db, put, drop, txn, 0);
        }
        tell(pipe_end, 'A', txn);
    }
}

/* -- the judge, in the parent -------------------------------------------------------------------
 */

static uint32_t model_row(int64_t id)
{
    if (id > SINGLE_FIRST && id - SINGLE_FIRST < TXN_MAX) {
        return model.single[id - SINGLE_FIRST] ? (uint32_t)(id - SINGLE_FIRST) : 0;
    }
    if (id > BIG_FIRST && id <= BIG_FIRST + POOL_BIG) return model.big[id - BIG_FIRST];
    if (id > 0 && id <= POOL_SMALL) return model.small[id];
    return 0;
}

static uint64_t model_count(void)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i <= POOL_SMALL; i++) count += model.small[i] != 0;
    for (uint32_t i = 0; i <= POOL_BIG; i++) count += model.big[i] != 0;
    for (uint32_t i = 0; i <= model.txn; i++) count += model.single[i];
    return count;
}

static int64_t scalar(mn_db *db, const char *sql)
{
    mn_stmt *stmt;
    int64_t value;

    assert_int_equal(mn_prepare(db, sql, MN_ALL, &stmt, NULL), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    value = mn_col_is_null(stmt, 0) ? 0 : mn_col_int(stmt, 0);
    mn_finalize(stmt);
    return value;
}

static void content_equals_model(mn_db *db)
{
    static char expected[BIG_BYTES];
    mn_stmt *stmt;
    uint64_t count = 0;
    int status;

    assert_int_equal(mn_prepare(db, "SELECT id, txn, body FROM t", MN_ALL, &stmt, NULL), MN_OK);
    while ((status = mn_step(stmt)) == MN_ROW) {
        int64_t id = mn_col_int(stmt, 0);
        uint32_t txn = (uint32_t)mn_col_int(stmt, 1);
        size_t length, want = body_of(id, txn, expected);
        const char *body = mn_col_text(stmt, 2, &length);

        assert_int_equal(txn, model_row(id));
        assert_int_equal(length, want);
        assert_memory_equal(body, expected, want);
        count++;
    }
    assert_int_equal(status, MN_DONE);
    assert_true(count == model_count());
    mn_finalize(stmt);
}

static void report_print(void *context, const char *message)
{
    (void)context;
    fprintf(stderr, "check: %s\n", message);
}

/* The file after a kill: opens, is sound, and holds the state after some n in [acked, begun]. */
static void judge(const char *path, uint32_t acked, uint32_t begun)
{
    mn_db *db;
    int64_t newest;

    assert_int_equal(mn_open(path, 0, &db), MN_OK);
    newest = scalar(db, "SELECT max(txn) FROM t");
    if (newest < model.txn) newest = model.txn; /* the newest transaction may have deleted only */
    assert_in_range(newest, 0, begun);
    while (model.txn < acked) model_apply(model.txn + 1);
    if (newest > acked) {
        assert_int_equal(newest, acked + 1);
        model_apply(acked + 1);
    }
    content_equals_model(db);
    assert_int_equal(mn_check(db, report_print, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static void pause_us(uint64_t us)
{
    struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

    nanosleep(&time, NULL);
}

struct round {
    uint32_t acked, begun;
};

static void message_take(struct round *round, const struct message *message)
{
    if (message->what == 'A') round->acked = message->txn;
    if (message->what == 'B') round->begun = message->txn;
}

/* Lets the writer run for a drawn number of messages, then a drawn moment more, and kills it. */
static void round_run(const char *path, struct round *round, uint64_t *random)
{
    int ends[2], status;
    struct message message;
    uint64_t messages = 1 + test_random(random) % 60;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        writer(path, model.txn + 1, ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &message, sizeof message) == sizeof message) {
        message_take(round, &message);
        if (messages > 0) messages--;
        if (messages == 0 && message.what == 'B') break;
    }
    pause_us(test_random(random) % 120);
    kill(child, SIGKILL);
    while (read(ends[0], &message, sizeof message) == sizeof message) {
        message_take(round, &message);
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void killed_writer_loses_no_acknowledged_commit(void **state)
{
    static char path[4096];
    uint64_t random = test_seed() * 977 + 5;
    int rounds = test_is_deep() ? ROUNDS_DEEP : ROUNDS_QUICK, inside = 0, survived = 0;
    mn_db *db;

    (void)state;
    snprintf(path, sizeof path, "%s/kill.mneme", test_folder());
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    assert_int_equal(mn_exec(db,
                             "CREATE TABLE t (id INT PRIMARY KEY, txn INT NOT NULL, body TEXT);"
                             "CREATE INDEX t_txn ON t (txn)",
                             NULL, NULL),
                     MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
    for (int i = 0; i < rounds; i++) {
        struct round round = {model.txn, model.txn};

        round_run(path, &round, &random);
        judge(path, round.acked, round.begun);
        if (round.begun > round.acked) inside++;
        if (model.txn > round.acked) survived++;
    }
    printf("kill: %d rounds, %d killed inside a commit (%d of them survived whole), %u commits\n",
           rounds, inside, survived, model.txn);
    assert_true(inside * 2 >= rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_writer_loses_no_acknowledged_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
