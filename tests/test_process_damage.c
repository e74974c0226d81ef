/*
 * Tests of damaged files: bytes changed and tails cut, one at a time, each judged in a process of
 * its own.
 *
 * The judge opens the file, dumps every table, asks twenty fixed questions, and compares all
 * answers with those of the sound file. Each trial must end as "right" or as "clean error": a
 * failing status whose message is not empty. A signal, a hang or another answer is a defect. For a
 * byte in a page that the newest version reaches, mn_check must find it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "btree/node.h"
#include "mneme.h"
#include "support/test.h"

enum { CHANGES_QUICK = 240, CHANGES_DEEP = 2000, CUTS_QUICK = 60, CUTS_DEEP = 500 };
enum { SECONDS_MAX = 30, ANSWERS = 24, ROWS = 700, FIXED_PAGES = 6 };

/* How a trial ended; the judge's exit status. */
enum outcome { RIGHT = 0, CLEAN_ERROR = 3, WRONG = 40, NOT_FOUND_BY_CHECK = 41, BROKEN = 42 };

static const char *const questions[ANSWERS] = {
    /* The dump. */
    "SELECT * FROM memory", "SELECT * FROM place", "SELECT * FROM about", "SELECT * FROM door",
    /* The fixed questions. */
    "SELECT count(*) FROM memory", "SELECT id, body FROM memory WHERE id = 350",
    "SELECT id FROM memory WHERE id BETWEEN 100 AND 130",
    "SELECT id FROM memory WHERE kind = 'k3' ORDER BY at DESC LIMIT 20",
    "SELECT count(*) FROM memory WHERE at >= '2026-11-20T01:00:00Z' AND at < "
    "'2026-11-20T05:00:00Z'",
    "SELECT kind, count(*), sum(id) FROM memory GROUP BY kind ORDER BY kind",
    "SELECT id, distance FROM memory NEAREST 10 TO [1, 2, 3, 4, 5, 6, 7, 8]",
    "SELECT id, distance FROM memory WHERE kind = 'k2' NEAREST 5 TO [1, 0, 3, 0, 5, 0, 7, 0]",
    "SELECT id FROM memory WHERE note = 'note 77'",
    "SELECT max(length(body)), min(length(body)) FROM memory",
    "SELECT n.id FROM MATCH (a:place WHERE a.id = 3)-[:door]->(n:place) ORDER BY n.id",
    "SELECT n.id, path_length(p) FROM MATCH p = (a:place WHERE a.id = 5)-[:door]->{1,3}(n:place)"
    " ORDER BY 2, 1",
    "SELECT m.id FROM MATCH (m:memory)-[:about]->(p:place WHERE p.id = 9) ORDER BY m.id",
    "SELECT p.name, count(*) FROM memory m JOIN about a ON a.src = m.id JOIN place p ON p.id = "
    "a.dst GROUP BY p.name ORDER BY p.name",
    "SELECT id FROM memory LATEST 2 BY kind", "SELECT id FROM memory ORDER BY note LIMIT 15",
    "SELECT DISTINCT kind FROM memory ORDER BY kind",
    "SELECT id FROM memory WHERE body LIKE '%body 123%'",
    "SELECT src, dst FROM door WHERE src = 7 ORDER BY dst",
    "SELECT count(*), sum(id) FROM memory WHERE id > 600"};

static char path[4096];
static uint64_t *wanted; /* hashes of the sound file's answers, shared with the judges */
static uint8_t *sound;   /* the sound file's bytes */
static size_t sound_bytes;
static uint8_t *reached; /* a byte a page */

static uint64_t hash_more(uint64_t hash, const void *bytes, size_t size)
{
    return mn_hash_mix(hash, mn_hash(bytes, size, 7));
}

/* Runs a question; *hash is of all its rows. */
static int ask(mn_db *db, const char *sql, uint64_t *hash)
{
    mn_stmt *stmt;
    int status = mn_prepare(db, sql, MN_ALL, &stmt, NULL);

    *hash = 1;
    if (status != MN_OK) return status;
    while ((status = mn_step(stmt)) == MN_ROW) {
        for (int c = 0; c < mn_col_count(stmt); c++) {
            size_t length;
            const char *text = mn_col_text(stmt, c, &length);

            *hash = text ? hash_more(*hash, text, length) : mn_hash_mix(*hash, 3);
        }
    }
    mn_finalize(stmt);
    return status == MN_DONE ? MN_OK : status;
}

static void finding_ignored(void *context, const char *finding)
{
    (void)context, (void)finding;
}

static bool is_clean(mn_db *db, int status)
{
    return (status == MN_CORRUPT || status == MN_NOTADB || status == MN_VERSION ||
            status == MN_IOERR) &&
           strlen(mn_errmsg(db)) > 0;
}

/* In a process of its own: what does the file at `path` answer? */
static _Noreturn void judge(unsigned flags, bool must_be_found)
{
    enum outcome outcome = RIGHT;
    mn_db *db;
    int status;

    alarm(SECONDS_MAX);
    status = mn_open(path, flags, &db);
    if (status != MN_OK) _exit(is_clean(NULL, status) ? CLEAN_ERROR : BROKEN);
    for (int i = 0; i < ANSWERS; i++) {
        uint64_t hash;

        status = ask(db, questions[i], &hash);
        if (status == MN_OK && hash != wanted[i]) {
            fprintf(stderr, "another answer: %s\n", questions[i]);
            _exit(WRONG);
        }
        if (status != MN_OK && !is_clean(db, status)) {
            fprintf(stderr, "%d %s: %s\n", status, mn_errmsg(db), questions[i]);
            _exit(BROKEN);
        }
        if (status != MN_OK) outcome = CLEAN_ERROR;
    }
    status = mn_check(db, finding_ignored, NULL);
    if (status != MN_OK && status != MN_CORRUPT) _exit(BROKEN);
    if (must_be_found && status == MN_OK) _exit(NOT_FOUND_BY_CHECK);
    _exit(mn_close(db) == MN_OK ? (int)outcome : (int)BROKEN);
}

static enum outcome judged(unsigned flags, bool must_be_found)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) judge(flags, must_be_found);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "signal %d\n", WTERMSIG(status));
        return BROKEN;
    }
    return (enum outcome)WEXITSTATUS(status);
}

/* -- the file ---------------------------------------------------------------------------------- */

static void must(mn_db *db, int status)
{
    if (status == MN_OK || status == MN_DONE) return;
    fail_msg("%s", mn_errmsg(db));
}

static void rows_insert(mn_db *db)
{
    static const char insert[] = "INSERT INTO memory VALUES ($id, $kind, $at, $note, $body, $v)";
    mn_stmt *stmt;

    must(db, mn_prepare(db, insert, MN_ALL, &stmt, NULL));
    for (int id = 1; id <= ROWS; id++) {
        static char body[9000];
        char kind[8], note[32];
        float v[8];
        size_t length = id % 97 == 0 ? 9000 : 40 + (size_t)(id * 7 % 200);

        memset(body, 'a' + id % 26, sizeof body);
        body[snprintf(body, 32, "body %d", id)] = 32;
        snprintf(kind, sizeof kind, "k%d", id % 7);
        snprintf(note, sizeof note, "note %d", id * 31 % ROWS);
        for (int d = 0; d < 8; d++) v[d] = (float)((id * (d + 3)) % 19) - 9.0f;
        must(db, mn_bind_int(stmt, 1, id));
        must(db, mn_bind_text(stmt, 2, kind, MN_ALL, MN_STATIC));
        must(db, mn_bind_time(stmt, 3, INT64_C(1795132800000000) + id * INT64_C(60000000)));
        must(db, mn_bind_text(stmt, 4, note, MN_ALL, MN_STATIC));
        must(db, mn_bind_text(stmt, 5, body, length, MN_STATIC));
        must(db, mn_bind_vector(stmt, 6, v, 8, MN_STATIC));
        must(db, mn_step(stmt));
        must(db, mn_reset(stmt));
    }
    mn_finalize(stmt);
}

static void file_load(void)
{
    mn_db *db;

    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    must(db, mn_exec(db,
                     "CREATE TABLE memory (id INT PRIMARY KEY, kind TEXT, at TIMESTAMP,"
                     " note TEXT UNIQUE, body TEXT, v VECTOR(8));"
                     "CREATE INDEX memory_kind ON memory (kind, at);"
                     "CREATE TABLE place (id INT PRIMARY KEY, name TEXT);"
                     "CREATE RELATION about FROM memory TO place;"
                     "CREATE RELATION door FROM place TO place (metres FLOAT);"
                     "BEGIN WRITE",
                     NULL, NULL));
    rows_insert(db);
    must(db, mn_exec(db,
                     "INSERT INTO place SELECT i, 'place ' || i FROM generate_series(1, 20) g(i);"
                     "INSERT INTO about (src, dst) SELECT id, id % 20 + 1 FROM memory;"
                     "INSERT INTO door SELECT a.id, b.id, 1.5 FROM place a JOIN place b ON"
                     " (a.id * 3 + b.id) % 7 = 0;"
                     "COMMIT; DELETE FROM memory WHERE id % 50 = 0;"
                     "UPDATE memory SET body = body || '!' WHERE id % 60 = 0",
                     NULL, NULL));
    assert_int_equal(mn_close(db), MN_OK);
}

static void file_read(void)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    sound_bytes = (size_t)st.st_size;
    sound = malloc(sound_bytes);
    assert_non_null(sound);
    assert_true(read(fd, sound, sound_bytes) == (ssize_t)sound_bytes);
    close(fd);
}

static void file_restore(void)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    assert_true(fd >= 0);
    assert_true(write(fd, sound, sound_bytes) == (ssize_t)sound_bytes);
    close(fd);
}

static void byte_put(size_t at, uint8_t byte)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_true(pwrite(fd, &byte, 1, (off_t)at) == 1);
    close(fd);
}

static void answers_take(void)
{
    mn_db *db;

    assert_int_equal(mn_open(path, MN_READONLY, &db), MN_OK);
    for (int i = 0; i < ANSWERS; i++) must(db, ask(db, questions[i], &wanted[i]));
    must(db, mn_check(db, finding_ignored, NULL));
    assert_int_equal(mn_close(db), MN_OK);
}

/* -- what the newest version reaches, found by a walk of our own ---------------------------------
 */

static void mark(uint64_t page, uint64_t pages)
{
    for (uint64_t i = page; i < page + pages; i++) {
        assert_true((i + 1) * MN_PAGE_SIZE_DEFAULT <= sound_bytes);
        reached[i] = 1;
    }
}

static void run_mark(const struct mn_node *node, const uint8_t *packed)
{
    struct mn_run run;

    if (!packed) return;
    run = mn_run_unpack(packed);
    mark(run.page, mn_run_pages(node->view, run.size_bytes));
}

static void node_mark(struct mn_view *view, struct mn_ref ref, uint32_t height)
{
    uint8_t kind = height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH;
    struct mn_node node = {NULL, mn_view_page_size(view), view};
    const uint8_t *page;

    assert_int_equal(mn_page_read(view, ref, kind, &page), MN_OK);
    mark(ref.page, 1);
    node.page = (uint8_t *)(uintptr_t)page;
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        run_mark(&node, mn_node_tail_run(&node, i));
        if (height == 1) {
            run_mark(&node, mn_node_value_run(&node, i));
        } else {
            node_mark(view, mn_node_child(page, i), height - 1);
        }
    }
}

static enum mn_status root_mark(void *context, const struct mn_root *root)
{
    if (root->ref.page != 0) node_mark(context, root->ref, root->height);
    return MN_OK;
}

static uint64_t *pages_reached(size_t *count)
{
    struct mn_store_options options = {
        .path = path, .flags = MN_STORE_READONLY, .hooks = mn_tree_hooks()};
    struct mn_store *store;
    struct mn_view *view;
    uint64_t *pages = calloc(sound_bytes / MN_PAGE_SIZE_DEFAULT + 1, sizeof *pages);

    assert_non_null(pages);
    reached = calloc(sound_bytes / MN_PAGE_SIZE_DEFAULT + 1, 1);
    assert_non_null(reached);
    assert_int_equal(mn_store_open(&options, &store), MN_OK);
    assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
    assert_int_equal(mn_tree_each(view, root_mark, view), MN_OK);
    mn_view_end(view);
    assert_int_equal(mn_store_close(store), MN_OK);
    *count = 0;
    for (uint64_t i = 0; i < sound_bytes / MN_PAGE_SIZE_DEFAULT; i++) {
        if (reached[i]) pages[(*count)++] = i;
    }
    return pages;
}

/* -- the trials -------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/damage.mneme", test_folder());
    wanted = mmap(NULL, ANSWERS * sizeof *wanted, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (wanted == MAP_FAILED) return 1;
    file_load();
    file_read();
    answers_take();
    return 0;
}

struct tally {
    int right, clean, bad;
};

static void tally_add(struct tally *tally, enum outcome outcome, const char *what, size_t at)
{
    if (outcome == RIGHT) tally->right++;
    if (outcome == CLEAN_ERROR) tally->clean++;
    if (outcome == RIGHT || outcome == CLEAN_ERROR) return;
    tally->bad++;
    fprintf(stderr, "%s at byte %zu (page %zu + %zu): outcome %d\n", what, at,
            at / MN_PAGE_SIZE_DEFAULT, at % MN_PAGE_SIZE_DEFAULT, (int)outcome);
}

static void changed_byte_gives_the_right_answer_or_a_clean_error(void **state)
{
    int changes = test_is_deep() ? CHANGES_DEEP : CHANGES_QUICK;
    uint64_t random = test_seed() * 31 + 7;
    struct tally inside = {0, 0, 0}, anywhere = {0, 0, 0};
    size_t count;
    uint64_t *pages = pages_reached(&count);

    (void)state;
    assert_true(count > 20);
    for (int i = 0; i < changes; i++) {
        bool within = i % 2 == 0, writable = i % 16 == 1;
        size_t at = within ? pages[test_random(&random) % count] * MN_PAGE_SIZE_DEFAULT +
                                 test_random(&random) % MN_PAGE_SIZE_DEFAULT
                           : test_random(&random) % sound_bytes;
        uint8_t change = (uint8_t)(1u << test_random(&random) % 8);

        /* Every other change anywhere is in the fixed pages: superblock, notice, ring. */
        if (!within && i % 4 == 1) at %= (size_t)FIXED_PAGES * MN_PAGE_SIZE_DEFAULT;
        byte_put(at, sound[at] ^ change);
        tally_add(within ? &inside : &anywhere, judged(writable ? 0 : MN_READONLY, within),
                  "a change", at);
        if (writable) {
            file_restore();
        } else {
            byte_put(at, sound[at]);
        }
    }
    free(pages);
    printf("damage: %d changes in reached pages: %d right, %d clean errors, %d bad; %d anywhere: "
           "%d right, %d clean errors, %d bad\n",
           changes / 2, inside.right, inside.clean, inside.bad, changes / 2, anywhere.right,
           anywhere.clean, anywhere.bad);
    assert_int_equal(inside.bad + anywhere.bad, 0);
}

static void cut_file_gives_the_right_answer_or_a_clean_error(void **state)
{
    int cuts = test_is_deep() ? CUTS_DEEP : CUTS_QUICK;
    uint64_t random = test_seed() * 57 + 3;
    struct tally tally = {0, 0, 0};

    (void)state;
    for (int i = 0; i < cuts; i++) {
        size_t size = test_random(&random) % sound_bytes;

        assert_int_equal(truncate(path, (off_t)size), 0);
        tally_add(&tally, judged(i % 2 ? MN_READONLY : 0, false), "a cut", size);
        file_restore();
    }
    printf("damage: %d cuts: %d right, %d clean errors, %d bad\n", cuts, tally.right, tally.clean,
           tally.bad);
    assert_int_equal(tally.bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_byte_gives_the_right_answer_or_a_clean_error),
        cmocka_unit_test(cut_file_gives_the_right_answer_or_a_clean_error),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
