/*
 * The sweep: every byte of a file of some 64 pages, with rows, vectors and relations in it, is
 * inverted, cleared and filled, one at a time, and each time the file is opened and dumped.
 *
 * A dump must answer what the sound file answers, or fail with a status and a message. The dumps
 * run in a child process, which says what it is about to try, so that a signal or a hang has a
 * name; another child goes on behind it. The file lies on the simulated machine, which puts back
 * only the blocks that a trial changed; every other byte is read by copies instead of the map.
 *
 * The dump is cut into questions of some thirty rows each, open at both ends. Which pages a
 * question reads is recorded once, at the seam, from a handle of its own. A trial asks the
 * questions that read the changed page: all others would meet the bytes they met before. A page
 * that opening reads may change what the file is, so there the whole dump is asked. That the record
 * is true is tried first: with a page filled with 0xFF from end to end, the questions that never
 * read it must answer as before.
 *
 * The short form tries a sample of the bytes, another one with each seed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/handle.h"
#include "base/hash.h"
#include "os/sim.h"
#include "support/test.h"

enum { PAGES = 64, PAGES_MOST = 80, PAGE = 4096, DIMS = 16 };
enum {
    WORK_SECONDS_MAX = 20,  /* of a trial on its processor, */
    REST_SECONDS_MAX = 300, /* and at all: a machine may stand still for a while */
    SAMPLE_STRIDE = 101,
    QUESTIONS_MAX = 80,
    SQL_BYTES = 160,
    DEATHS_MAX = 20
};
enum change { INVERT, CLEAR, FILL, CHANGES };

/* A part of the dump: what to ask, what the sound file answers, and which pages it reads there. */
struct question {
    char sql[SQL_BYTES];
    uint64_t wanted;
    bool reads[PAGES_MOST];
};

/* What the child tells; in shared memory. */
struct told {
    uint64_t trying; /* the trial at hand */
    uint64_t tried, asked, right, failed, wrong, unclean;
    uint64_t first_wrong, first_unclean;
};

static struct told *told;
static uint8_t sound[PAGES_MOST * PAGE];
static uint64_t sound_bytes;
static struct question questions[QUESTIONS_MAX];
static unsigned question_count;
static bool open_reads[PAGES_MOST];

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
    struct mn_os *os = mn_machine_new(test_seed(), 16 << 20);
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
    mn_machine_free(os);
}

/* ---- the dump ---- */

static void question_add(const char *format, int from, int to)
{
    struct question *q = &questions[question_count++];

    assert_true(question_count <= QUESTIONS_MAX);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(q->sql, sizeof q->sql, format, from, to);
#pragma GCC diagnostic pop
}

/* Of keys 1 .. last in steps; the first part has no lower bound, the last no upper one. */
static void questions_cut(const char *format, int last, int step)
{
    for (int from = 1; from <= last; from += step) {
        bool first = from == 1, end = from + step > last;

        question_add(format, first ? -1000000 : from, end ? 1000000 : from + step - 1);
    }
}

static void questions_make(void)
{
    questions_cut("SELECT * FROM memory WHERE id BETWEEN %d AND %d ORDER BY id", 360, 30);
    questions_cut("SELECT * FROM place WHERE id BETWEEN %d AND %d ORDER BY id", 90, 45);
    questions_cut("SELECT * FROM seen WHERE src BETWEEN %d AND %d ORDER BY src, dst", 360, 40);
    questions_cut("SELECT src FROM seen WHERE dst BETWEEN %d AND %d ORDER BY dst, src", 90, 15);
    for (int k = 0; k < 7; k++) {
        question_add("SELECT id, kind FROM memory WHERE kind = 'k%d' ORDER BY id", k, 0);
    }
    for (int i = 5; i <= 90; i += 17) {
        question_add("SELECT id FROM place WHERE name = 'place %d'", i, 0);
    }
    question_add("SELECT count(*) FROM memory", 0, 0);
    question_add("SELECT name, rows FROM tables() ORDER BY name", 0, 0);
    question_add("SELECT m.id, p.name FROM MATCH (m:memory WHERE m.id < 12)-[:seen]->(p:place)"
                 " ORDER BY 1, 2",
                 0, 0);
    question_add("SELECT id FROM memory NEAREST 5 TO [1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]", 0, 0);
}

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

/* ---- what a question reads ---- */

static enum mn_sim_fault read_seen(void *context, const struct mn_sim_event *event)
{
    bool *pages = context;

    if (event->op != MN_SIM_READ && event->op != MN_SIM_READ_DEVICE) return MN_SIM_PASS;
    for (uint64_t p = event->offset / PAGE;
         p * PAGE < event->offset + event->size_bytes && p < PAGES_MOST; p++) {
        pages[p] = true;
    }
    return MN_SIM_PASS;
}

/* Opens the file as it stands, by copies, and notes what the question reads; NULL: opening alone.
 */
static void reads_record(struct mn_os *os, struct question *q, unsigned flags)
{
    bool ignored[PAGES_MOST];
    int status;
    mn_db *db;

    mn_sim_set_hook(os, read_seen, q ? ignored : open_reads);
    db = file_open(os, flags, &status);
    assert_int_equal(status, MN_OK);
    if (q) {
        mn_sim_set_hook(os, read_seen, q->reads);
        must(db, ask(db, q->sql, &q->wanted));
        mn_sim_set_hook(os, NULL, NULL);
    }
    must(NULL, mn_close(db));
    mn_sim_set_hook(os, NULL, NULL);
    mn_sim_rewind(os, "sweep");
}

/* A question that does not read a page does not care what is in it. */
static void page_is_not_read(struct mn_os *os, uint64_t page, unsigned flags)
{
    static uint8_t filled[PAGE];
    int status;
    mn_db *db;

    if (open_reads[page]) return;
    memset(filled, 0xFF, sizeof filled);
    assert_int_equal(mn_sim_poke(os, "sweep", page * PAGE, filled, PAGE), MN_OK);
    db = file_open(os, flags, &status);
    assert_int_equal(status, MN_OK);
    for (unsigned i = 0; i < question_count; i++) {
        uint64_t hash;

        if (questions[i].reads[page]) continue;
        must(db, ask(db, questions[i].sql, &hash));
        assert_true(hash == questions[i].wanted);
    }
    must(NULL, mn_close(db));
    mn_sim_rewind(os, "sweep");
}

static struct mn_os *machine_make(void)
{
    struct mn_os *os = mn_machine_new(1, 1 << 20);

    if (!os || mn_sim_put(os, "sweep", sound, sound_bytes) || mn_sim_mark(os, "sweep")) return NULL;
    return os;
}

static void reads_find(void)
{
    struct mn_os *os = machine_make();
    unsigned known = 0, opening = 0;
    mn_db *db;
    int status;

    assert_non_null(os);
    db = file_open(os, 0, &status);
    assert_int_equal(status, MN_OK);
    must(db, mn_check(db, NULL, NULL));
    must(NULL, mn_close(db));
    mn_sim_rewind(os, "sweep");
    reads_record(os, NULL, 0);
    reads_record(os, NULL, MN_UNTRUSTED);
    for (unsigned i = 0; i < question_count; i++) reads_record(os, &questions[i], MN_UNTRUSTED);
    for (uint64_t p = 0; p < sound_bytes / PAGE; p++) {
        bool read = open_reads[p];

        page_is_not_read(os, p, 0);
        page_is_not_read(os, p, MN_UNTRUSTED);
        for (unsigned i = 0; i < question_count; i++) read |= questions[i].reads[p];
        known += read;
        opening += open_reads[p];
    }
    printf("sweep: %u questions read %u pages, opening %u of them\n", question_count, known,
           opening);
    assert_true(known * 2 > sound_bytes / PAGE && opening * 2 < known);
    mn_machine_free(os);
}

/* ---- a trial ---- */

static void judge(struct mn_os *os, uint64_t trial, unsigned flags)
{
    uint64_t page = trial / CHANGES / PAGE;
    bool failed = false;
    int status;
    mn_db *db = file_open(os, flags, &status);

    told->tried++;
    if (!db) {
        if (!is_clean(NULL, status)) {
            told->unclean++;
            told->first_unclean = trial + 1;
        } else {
            told->failed++;
        }
        return;
    }
    for (unsigned i = 0; i < question_count; i++) {
        uint64_t hash;

        if (!questions[i].reads[page] && !open_reads[page]) continue;
        told->asked++;
        status = ask(db, questions[i].sql, &hash);
        if (status != MN_OK && !is_clean(db, status)) {
            told->unclean++;
            told->first_unclean = trial + 1;
        }
        if (status == MN_OK && hash != questions[i].wanted) {
            told->wrong++;
            told->first_wrong = trial + 1;
        }
        failed |= status != MN_OK;
    }
    if (failed) {
        told->failed++;
    } else {
        told->right++;
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
static void trial_run(struct mn_os *os, uint64_t trial)
{
    uint64_t at = trial / CHANGES;
    uint8_t now = changed(sound[at], (enum change)(trial % CHANGES));
    struct itimerval work = {.it_value = {WORK_SECONDS_MAX, 0}};

    told->trying = trial;
    if (now == sound[at]) return;
    (void)setitimer(ITIMER_PROF, &work, NULL);
    alarm(REST_SECONDS_MAX);
    if (mn_sim_poke(os, "sweep", at, &now, 1)) _exit(9);
    judge(os, trial, at % 2 ? MN_UNTRUSTED : 0);
    mn_sim_rewind(os, "sweep");
}

static _Noreturn void work(uint64_t first, uint64_t trials, uint64_t stride)
{
    struct mn_os *os = machine_make();

    if (!os) _exit(9);
    for (uint64_t t = first; t < trials; t += stride) trial_run(os, t);
    _exit(0);
}

static void place_print(const char *what, uint64_t trial)
{
    printf("sweep: %s at byte %llu (page %llu), change %llu\n", what,
           (unsigned long long)(trial / CHANGES), (unsigned long long)(trial / CHANGES / PAGE),
           (unsigned long long)(trial % CHANGES));
}

/* All trials from `first` on; a child that a trial ended has a successor. */
static void sweep(uint64_t first, uint64_t stride, unsigned *signals, unsigned *hangs)
{
    uint64_t trials = sound_bytes * CHANGES;

    *signals = *hangs = 0;
    while (first < trials && *signals + *hangs < DEATHS_MAX) {
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) work(first, trials, stride);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
        assert_true(WIFSIGNALED(status)); /* else the child could not set up its machine */
        if (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGPROF) {
            (*hangs)++;
        } else {
            (*signals)++;
        }
        place_print(strsignal(WTERMSIG(status)), told->trying);
        first = told->trying + stride;
    }
}

static void every_changed_byte_is_harmless_or_found(void **state)
{
    uint64_t stride = test_is_deep() ? 1 : SAMPLE_STRIDE;
    unsigned signals, hangs;

    (void)state;
    file_make();
    questions_make();
    reads_find();
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(told != MAP_FAILED);
    sweep(test_seed() % stride, stride, &signals, &hangs);
    printf("sweep: %llu changes tried by %llu questions: %llu right answers, %llu clean errors, "
           "%llu wrong answers, %llu unclean errors, %u signals, %u hangs\n",
           (unsigned long long)told->tried, (unsigned long long)told->asked,
           (unsigned long long)told->right, (unsigned long long)told->failed,
           (unsigned long long)told->wrong, (unsigned long long)told->unclean, signals, hangs);
    if (told->first_wrong) place_print("another answer", told->first_wrong - 1);
    if (told->first_unclean) place_print("an unclean error", told->first_unclean - 1);
    assert_true(told->wrong == 0 && told->unclean == 0 && signals == 0 && hangs == 0);
    assert_true(told->failed > 0 && told->right > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_changed_byte_is_harmless_or_found),
    };

    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
