/*
 * process: what a new process sees: the time to its first answer, the pages it touches, the memory
 * of its own that it takes. Each figure comes from a child: this program, called with "child".
 *
 * Pages: the child maps the whole file's pages beforehand (MADV_POPULATE_READ: no page is touched),
 * clears the marks that the processor sets at an access (clear_refs) and reads them back from
 * smaps: so a page counts when it was read, not when the kernel mapped its neighbours.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { STARTS = 11, TIMES_THE_SET = 10, MEMORY_ROWS = 1000000, MEMORY_QUERIES = 10000 };
enum { MEMORY_LIMIT_MIB = 64, MEMORY_SLACK_MIB = 16 };
static const char question[] = "SELECT id, distance FROM t NEAREST 10 BY v TO $q";

/* ---- the parent's side ---- */

/* Runs a child with these words and reads its numbers. */
static void child_ask(const char *words, double *numbers, int count)
{
    char self[600], command[2000];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    FILE *from;

    bench_must(length > 0, "finding this program");
    self[length] = 0;
    snprintf(command, sizeof command, "'%s' child %s", self, words);
    from = popen(command, "r");
    bench_must(from != NULL, "starting a child");
    for (int i = 0; i < count; i++) {
        bench_must(fscanf(from, "%lf", &numbers[i]) == 1, "reading a child's number");
    }
    bench_must(pclose(from) == 0, "ending a child");
}

static const char *queries_write(const struct ann_set *set)
{
    const char *path = bench_path("queries");
    FILE *file = fopen(path, "wb");
    size_t count = set->queries * set->dims;

    bench_must(file && fwrite(set->query, sizeof(float), count, file) == count,
               "writing the queries");
    fclose(file);
    return path;
}

/* More rows than the set has are made of it: a row and noise of a third of its length. */
static void big_make(const struct ann_set *set, const char *path, size_t rows, bool index)
{
    mn_db *db = ann_open(path, MN_CREATE, 0);
    struct ann_insert insert = {.db = db, .set = set};

    ann_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(%zu))", set->dims);
    ann_insert_begin(&insert);
    for (size_t i = 0; i < rows; i++) {
        if (i % 20000 == 0) ann_exec(db, i ? "COMMIT; BEGIN" : "BEGIN");
        ann_insert_row(&insert, (int64_t)i, i);
    }
    ann_insert_end(&insert);
    ann_exec(db, "COMMIT");
    if (index) {
        ann_exec(db, "CREATE INDEX i ON t (v) USING vector WITH (metric = %s)", set->metric);
    }
    ann_must(db, mn_close(db), "closing");
}

/* A child's answers: the open, the first answer since its start, the same question again (ms);
 * then pages that the first question and the same one again touch. */
enum { OPEN_MS, FIRST_MS, AGAIN_MS, FIRST_PAGES, AGAIN_PAGES, OPEN_FIGURES };

static void open_say(const struct ann_set *set, const char *queries, size_t rows)
{
    char words[1500], file[600];
    double figures[OPEN_FIGURES], all[OPEN_FIGURES][ANN_ROUNDS_MAX];
    int starts = ANN_ROUNDS_MAX;
    struct ann_figures of[OPEN_FIGURES], *first = &of[FIRST_MS];
    double more;

    snprintf(file, sizeof file, "%s", bench_path("open"));
    remove(file);
    big_make(set, file, rows, true);
    snprintf(words, sizeof words, "open '%s' '%s' %zu", file, queries, set->dims);
    child_ask(words, figures, OPEN_FIGURES); /* the file is in memory before the clock starts */
    for (int i = 0; i < starts; i++) {
        child_ask(words, figures, OPEN_FIGURES);
        for (int k = 0; k < OPEN_FIGURES; k++) all[k][i] = figures[k];
    }
    /* Medians of pages too: where the system keeps many pages as one, some count as touched that
     * were not. */
    for (int k = 0; k < OPEN_FIGURES; k++) of[k] = ann_figures_of(all[k], starts);
    more = of[FIRST_PAGES].median - of[AGAIN_PAGES].median;
    ann_say("| %zu rows%s | %.2f | %.2f (%.2f - %.2f) | %.2f | %.0f, then %.0f: %.0f more, %s |\n",
            rows, rows > set->rows ? ", synthetic" : "", of[OPEN_MS].median, first->median,
            first->low, first->high, of[AGAIN_MS].median, of[FIRST_PAGES].median,
            of[AGAIN_PAGES].median, more, more <= 64 ? "reached" : "missed");
    remove(file);
}

void ann_open_first(struct ann_set *set)
{
    char queries[600];

    snprintf(queries, sizeof queries, "%s", queries_write(set));
    ann_say("| a new process, %s, %zu dimensions, file in memory | opened, ms | first answer since "
            "then, ms (bar 5) | again, ms | pages of 4 KiB of the first answer (bar 64 more than "
            "again) |\n|---|---|---|---|---|\n",
            set->title, set->dims);
    open_say(set, queries, set->rows);
    open_say(set, queries, set->rows * TIMES_THE_SET);
    ann_say("\n");
}

void ann_memory_use(struct ann_set *set)
{
    size_t rows = ann_run.quick ? MEMORY_ROWS / 10 : MEMORY_ROWS;
    double build = 0, ask = 0, most = MEMORY_LIMIT_MIB + MEMORY_SLACK_MIB;
    char words[1500], file[600], queries[600];

    snprintf(queries, sizeof queries, "%s", queries_write(set));
    snprintf(file, sizeof file, "%s", bench_path("memory"));
    big_make(set, file, rows, false);
    snprintf(words, sizeof words, "memory '%s' '%s' %zu %s", file, queries, set->dims, set->metric);
    child_ask(words, &build, 1);
    snprintf(words, sizeof words, "memory '%s' '%s' %zu -", file, queries, set->dims);
    child_ask(words, &ask, 1);
    ann_say(
        "| most anonymous memory with memory_limit %d MiB, %zu x %zu made of %s | MiB | bar | |\n"
        "|---|---|---|---|\n",
        MEMORY_LIMIT_MIB, rows, set->dims, set->title);
    ann_say("| CREATE INDEX | %.1f | %.0f | %s |\n", build, most,
            build <= most ? "reached" : "missed");
    ann_say("| %d queries | %.1f | %.0f | %s |\n\n", MEMORY_QUERIES, ask, most,
            ask <= most ? "reached" : "missed");
    remove(file);
}

/* ---- the child's side ---- */

/* All of `count` queries, or as many as there are. */
static float *queries_read(const char *path, size_t dims, size_t *count)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    float *queries;

    bench_must(file && fstat(fileno(file), &st) == 0, "reading the queries");
    *count = (size_t)st.st_size / (dims * sizeof(float));
    queries = ann_memory((size_t)st.st_size);
    bench_must(*count > 0 && fread(queries, dims * sizeof(float), *count, file) == *count,
               "reading the queries");
    fclose(file);
    return queries;
}

static void question_step(mn_db *db, mn_stmt *stmt, const float *query, size_t dims)
{
    int status, rows = 0;

    mn_bind_vector(stmt, 1, query, dims, MN_STATIC);
    while ((status = mn_step(stmt)) == MN_ROW) {
        rows += mn_col_int(stmt, 0) >= 0 && mn_col_float(stmt, 1) >= 0;
    }
    ann_must(db, status, question);
    ann_must(db, mn_reset(stmt), question);
    bench_must(rows == ANN_K, "finding ten rows");
}

/* Lines of smaps or maps that belong to the file. */
static bool line_is_of(const char *line, const char *path)
{
    const char *at = strchr(line, '/');

    return at && strncmp(at, path, strlen(path)) == 0 && at[strlen(path)] == '\n';
}

static void pages_map(const char *path)
{
    char line[1000];
    FILE *maps = fopen("/proc/self/maps", "r");
    struct stat st;

    bench_must(maps && stat(path, &st) == 0, "reading /proc/self/maps");
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to, offset;
        size_t length;

        if (!line_is_of(line, path)) continue;
        if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) != 3) continue;
        if (offset >= (unsigned long)st.st_size) continue;
        length = (size_t)st.st_size - offset;
        if (length > to - from) length = to - from;
        bench_must(madvise((void *)from, length, MADV_POPULATE_READ) == 0, "mapping the pages");
    }
    fclose(maps);
}

/* A page that the processor still translates by its own table is not marked anew: so that table is
 * emptied, by a change of protection over more pages than are taken out one by one. */
static void marks_clear(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    size_t size = (size_t)1 << 20;
    char *scratch = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    bench_must(file && fputs("1", file) >= 0 && fclose(file) == 0, "clearing the marks");
    bench_must(scratch != MAP_FAILED, "mapping memory");
    memset(scratch, 1, size);
    bench_must(mprotect(scratch, size, PROT_READ) == 0, "protecting memory");
    munmap(scratch, size);
}

static double pages_touched(const char *path)
{
    char line[1000];
    FILE *smaps = fopen("/proc/self/smaps", "r");
    bool inside = false;
    double pages = 0;

    bench_must(smaps != NULL, "reading /proc/self/smaps");
    while (fgets(line, sizeof line, smaps)) {
        unsigned long from, to, kib;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = line_is_of(line, path);
        if (inside && sscanf(line, "Referenced: %lu", &kib) == 1) pages += (double)kib / 4;
    }
    fclose(smaps);
    return pages;
}

/* child open FILE QUERIES DIMS */
int ann_child_open(int argc, char **argv)
{
    size_t dims = argc == 3 ? (size_t)atol(argv[2]) : 0, count = 0;
    double began, opened, first, again, first_pages;
    const char *path = argv[0];
    float *queries;
    mn_stmt *stmt;
    mn_db *db;

    bench_must(dims > 0, "reading the words of a child");
    queries = queries_read(argv[1], dims, &count);
    began = bench_now_s();
    db = ann_open(path, 0, 0);
    opened = bench_now_s() - began;
    ann_must(db, mn_prepare(db, question, MN_ALL, &stmt, NULL), question);
    question_step(db, stmt, queries, dims);
    first = bench_now_s() - began;
    began = bench_now_s();
    question_step(db, stmt, queries, dims);
    again = bench_now_s() - began;
    mn_finalize(stmt);
    ann_must(db, mn_close(db), "closing");

    /* Another handle: what the first one learnt is forgotten. */
    db = ann_open(path, 0, 0);
    pages_map(path);
    marks_clear();
    ann_must(db, mn_prepare(db, question, MN_ALL, &stmt, NULL), question);
    question_step(db, stmt, queries, dims);
    first_pages = pages_touched(path);
    marks_clear();
    question_step(db, stmt, queries, dims);
    printf("%.4f %.4f %.4f %.0f %.0f\n", opened * 1e3, first * 1e3, again * 1e3, first_pages,
           pages_touched(path));
    mn_finalize(stmt);
    ann_must(db, mn_close(db), "closing");
    free(queries);
    return 0;
}

struct watch {
    pthread_t thread;
    double most_mib;
    volatile bool ends;
};

static double anonymous_mib(void)
{
    char line[256];
    double kib = -1;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "RssAnon: %lf", &kib) == 1) break;
    }
    if (file) fclose(file);
    bench_must(kib >= 0, "reading /proc/self/status");
    return kib / 1024;
}

static void *watch_run(void *context)
{
    struct watch *watch = context;

    while (!watch->ends) {
        double now = anonymous_mib();

        if (now > watch->most_mib) watch->most_mib = now;
        usleep(2000);
    }
    return NULL;
}

/* child memory FILE QUERIES DIMS METRIC: CREATE INDEX; METRIC -: the queries. */
int ann_child_memory(int argc, char **argv)
{
    size_t dims = argc == 4 ? (size_t)atol(argv[2]) : 0, count = 0;
    struct watch watch = {0};
    mn_stmt *stmt;
    float *queries;
    mn_db *db;

    bench_must(dims > 0, "reading the words of a child");
    queries = queries_read(argv[1], dims, &count);
    db = ann_open(argv[0], 0, (uint64_t)MEMORY_LIMIT_MIB << 20);
    bench_must(pthread_create(&watch.thread, NULL, watch_run, &watch) == 0, "starting a thread");
    if (strcmp(argv[3], "-") != 0) {
        ann_exec(db, "CREATE INDEX i ON t (v) USING vector WITH (metric = %s)", argv[3]);
    } else {
        ann_must(db, mn_prepare(db, question, MN_ALL, &stmt, NULL), question);
        for (size_t i = 0; i < MEMORY_QUERIES; i++) {
            question_step(db, stmt, queries + i % count * dims, dims);
        }
        mn_finalize(stmt);
    }
    watch.ends = true;
    pthread_join(watch.thread, NULL);
    printf("%.3f\n", watch.most_mib);
    ann_must(db, mn_close(db), "closing");
    free(queries);
    return 0;
}
