/*
 * The sweep: every byte of a file of some 64 pages, with rows, vectors and relations in it, is
 * inverted, cleared and filled, one at a time, and each time the file is dumped whole.
 *
 * A dump must answer what the sound file answers, or fail with a status and a message. The dumps
 * run in child processes, which say what they are about to try, so that a signal or a hang has a
 * name. The file lies on the simulated machine; every other trial reads it by copies instead of the
 * map. The short form tries a sample of the bytes, another one with each seed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/handle.h"
#include "base/hash.h"
#include "os/sim.h"
#include "support/test.h"

enum { PAGES = 64, PAGES_MOST = 80, PAGE = 4096, DIMS = 16 };
enum { WORKERS = 2, SECONDS_MAX = 20, SAMPLE_STRIDE = 331 };
enum change { INVERT, CLEAR, FILL, CHANGES };

static const char *const dump[] = {
    "SELECT * FROM memory ORDER BY id",
    "SELECT * FROM place ORDER BY id",
    "SELECT * FROM seen ORDER BY src, dst",
    "SELECT id, kind FROM memory WHERE kind >= 'k' ORDER BY kind, id",
    "SELECT name, rows FROM tables() ORDER BY name",
};
enum { DUMPS = sizeof dump / sizeof dump[0] };

/* What the workers tell; in shared memory. */
struct told {
    uint64_t trying[WORKERS]; /* the trial at hand, plus one */
    uint64_t right[WORKERS], failed[WORKERS], wrong[WORKERS], unclean[WORKERS];
    uint64_t first_wrong;
};

static struct told *told;
static uint8_t sound[PAGES_MOST * PAGE];
static uint64_t sound_bytes;
static uint64_t wanted[DUMPS];

/* ---- the file ---- */

static void must(mn_db *db, int status)
{
    if (status == MN_OK || status == MN_DONE) return;
    fail_msg("%s", mn_errmsg(db));
}

static void rows_insert(mn_db *db, int rows)
{
    mn_stmt *stmt;

    must(db, mn_prepare(db, "INSERT INTO memory VALUES (?, ?, ?, ?)", MN_ALL, &stmt, NULL));
    for (int id = 1; id <= rows; id++) {
        static char body[6000];
        char kind[8];
        float v[DIMS];
        size_t length = id % 60 == 0 ? 6000 : 30 + (size_t)(id * 7 % 120);

        memset(body, 'a' + id % 26, sizeof body);
        (void)snprintf(kind, sizeof kind, "k%d", id % 7);
        for (int d = 0; d < DIMS; d++) v[d] = (float)((id * (d + 3)) % 19) - 9.0f;
        must(db, mn_bind_int(stmt, 1, id));
        must(db, mn_bind_text(stmt, 2, kind, MN_ALL, MN_STATIC));
        must(db, mn_bind_text(stmt, 3, body, length, MN_STATIC));
        must(db, mn_bind_vector(stmt, 4, v, DIMS, MN_STATIC));
        must(db, mn_step(stmt));
        must(db, mn_reset(stmt));
    }
    mn_finalize(stmt);
}

static mn_db *file_open(struct mn_os *os, unsigned flags, int *status)
{
    mn_options options = {.size = sizeof options, .flags = flags};
    mn_db *db;

    *status = (int)mn_db_open_os("sweep", &options, os, &db);
    return db;
}

/* Rows are added until the file's pages reach its 64th. */
static void file_make(void)
{
    struct mn_os *os = mn_sim_new(test_seed(), 16 << 20);
    mn_stats stats = {.size = sizeof stats};
    int status, links = 0;
    mn_db *db = file_open(os, MN_CREATE, &status);

    assert_int_equal(status, MN_OK);
    must(db, mn_exec(db,
                     "CREATE TABLE memory (id INT PRIMARY KEY, kind TEXT, body TEXT, v VECTOR(16));"
                     "CREATE INDEX memory_kind ON memory (kind);"
                     "CREATE TABLE place (id INT PRIMARY KEY, name TEXT UNIQUE);"
                     "CREATE RELATION seen FROM memory TO place (how FLOAT);"
                     "BEGIN WRITE",
                     NULL, NULL));
    rows_insert(db, 360);
    must(db,
         mn_exec(
             db,
             "INSERT INTO place SELECT i, 'place ' || i FROM generate_series(1, 90) g(i);"
             "INSERT INTO seen (src, dst, how) SELECT id, id % 90 + 1, id * 0.5 FROM memory;"
             "COMMIT; DELETE FROM memory WHERE id % 60 = 30 AND id NOT IN (SELECT src FROM seen)",
             NULL, NULL));
    do { /* single commits: older versions in the ring, free pages, a log that grows */
        char sql[160];

        (void)snprintf(sql, sizeof sql, "INSERT INTO seen (src, dst, how) VALUES (%d, %d, 0)",
                       links % 400 + 1, links % 90 + 1);
        must(db, mn_exec(db, sql, NULL, NULL));
        must(db, mn_stat(db, &stats));
    } while (stats.page_count < PAGES && links++ < 4000);
    must(NULL, mn_close(db));
    printf("sweep: %llu pages, %llu free\n", (unsigned long long)stats.page_count,
           (unsigned long long)stats.free_pages);
    assert_in_range(stats.page_count, PAGES, PAGES_MOST);
    sound_bytes = stats.page_count * PAGE;
    assert_int_equal(mn_sim_peek(os, "sweep", 0, sound, sound_bytes), MN_OK);
    mn_sim_free(os);
}

/* ---- a trial ---- */

static int ask(mn_db *db, const char *sql, uint64_t *hash)
{
    mn_stmt *stmt;
    int status = mn_prepare(db, sql, MN_ALL, &stmt, NULL);

    *hash = 1;
    if (status != MN_OK) return status;
    while ((status = mn_step(stmt)) == MN_ROW) {
        for (int c = 0; c < mn_col_count(stmt); c++) {
            size_t length = 0;
            const void *bytes;

            if (mn_col_type(stmt, c) == MN_TYPE_VECTOR) {
                bytes = mn_col_vector(stmt, c, &length);
                length *= sizeof(float);
            } else {
                bytes = mn_col_text(stmt, c, &length);
            }
            *hash = mn_hash_mix(*hash, bytes ? mn_hash(bytes, length, 7) : 3);
        }
    }
    mn_finalize(stmt);
    return status == MN_DONE ? MN_OK : status;
}

static bool is_clean(mn_db *db, int status)
{
    return (status == MN_CORRUPT || status == MN_NOTADB || status == MN_VERSION ||
            status == MN_IOERR) &&
           strlen(mn_errmsg(db)) > 0;
}

static void judge(struct mn_os *os, int worker, uint64_t trial, unsigned flags)
{
    bool failed = false;
    int status;
    mn_db *db = file_open(os, flags, &status);

    if (!db) {
        uint64_t *count = is_clean(NULL, status) ? told->failed : told->unclean;

        count[worker]++;
        return;
    }
    for (int i = 0; i < DUMPS; i++) {
        uint64_t hash;

        status = ask(db, dump[i], &hash);
        if (status != MN_OK && !is_clean(db, status)) told->unclean[worker]++;
        if (status == MN_OK && hash != wanted[i]) {
            told->wrong[worker]++;
            told->first_wrong = trial + 1;
        }
        failed |= status != MN_OK;
    }
    if (failed) {
        told->failed[worker]++;
    } else {
        told->right[worker]++;
    }
    (void)mn_close(db);
}

static uint8_t changed(uint8_t byte, enum change how)
{
    switch (how) {
    case INVERT: return byte ^ 0xFF;
    case CLEAR: return 0;
    case FILL: return 0xFF;
    case CHANGES: break;
    }
    return byte;
}

/* Trial t changes byte t / 3 in way t % 3. */
static void trial_run(struct mn_os *os, int worker, uint64_t trial)
{
    uint64_t at = trial / CHANGES;
    uint8_t now = changed(sound[at], (enum change)(trial % CHANGES));
    unsigned flags = trial / CHANGES % 2 ? MN_UNTRUSTED : 0;

    if (now == sound[at]) return;
    told->trying[worker] = trial + 1;
    alarm(SECONDS_MAX);
    /* Opening writes the notice: everything is put back each time. */
    if (mn_sim_cut(os, "sweep", sound_bytes) || mn_sim_poke(os, "sweep", 0, sound, sound_bytes) ||
        mn_sim_poke(os, "sweep", at, &now, 1)) {
        _exit(9);
    }
    judge(os, worker, trial, flags);
}

static _Noreturn void work(int worker, uint64_t first, uint64_t trials)
{
    struct mn_os *os = mn_sim_new(1, 16 << 20);
    uint64_t stride = test_is_deep() ? 1 : SAMPLE_STRIDE;

    if (!os || mn_sim_put(os, "sweep", sound, sound_bytes)) _exit(9);
    for (uint64_t t = first; t < trials; t += WORKERS * stride) trial_run(os, worker, t);
    _exit(0);
}

static void every_changed_byte_is_harmless_or_found(void **state)
{
    uint64_t trials, done[4] = {0};
    uint64_t stride = test_is_deep() ? 1 : SAMPLE_STRIDE;
    struct mn_os *os = mn_sim_new(1, 16 << 20);
    pid_t workers[WORKERS];
    mn_db *db;
    int status;

    (void)state;
    file_make();
    trials = sound_bytes * CHANGES;
    assert_int_equal(mn_sim_put(os, "sweep", sound, sound_bytes), MN_OK);
    db = file_open(os, 0, &status);
    assert_int_equal(status, MN_OK);
    for (int i = 0; i < DUMPS; i++) assert_int_equal(ask(db, dump[i], &wanted[i]), MN_OK);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    must(NULL, mn_close(db));
    mn_sim_free(os);
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(told != MAP_FAILED);
    for (int w = 0; w < WORKERS; w++) {
        workers[w] = fork();
        assert_true(workers[w] >= 0);
        if (workers[w] == 0) work(w, test_seed() % stride + (uint64_t)w * stride, trials);
    }
    for (int w = 0; w < WORKERS; w++) {
        assert_int_equal(waitpid(workers[w], &status, 0), workers[w]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            uint64_t trial = told->trying[w] - 1;

            fail_msg("status %x at byte %llu (page %llu), change %llu", status,
                     (unsigned long long)(trial / CHANGES),
                     (unsigned long long)(trial / CHANGES / PAGE),
                     (unsigned long long)(trial % CHANGES));
        }
        done[0] += told->right[w];
        done[1] += told->failed[w];
        done[2] += told->wrong[w];
        done[3] += told->unclean[w];
    }
    printf("sweep: %llu changes tried: %llu right answers, %llu clean errors, %llu wrong answers, "
           "%llu unclean errors, 0 signals, 0 hangs\n",
           (unsigned long long)(done[0] + done[1]), (unsigned long long)done[0],
           (unsigned long long)done[1], (unsigned long long)done[2], (unsigned long long)done[3]);
    if (told->first_wrong) {
        fail_msg("another answer at byte %llu, change %llu",
                 (unsigned long long)((told->first_wrong - 1) / CHANGES),
                 (unsigned long long)((told->first_wrong - 1) % CHANGES));
    }
    assert_int_equal(done[3], 0);
    assert_true(done[1] > 0 && done[0] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_changed_byte_is_harmless_or_found),
    };

    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
