/*
 * bench_vector: the exact nearest, one query a call, beside FAISS' flat indexes.
 *
 * 48,000 GloVe vectors of 100 dimensions and 1,000 queries that are not among them (words/ of the
 * data folder), and 5,646 sentence vectors of 512 dimensions (git_lua/). mneme answers through its
 * public header from a file that was closed and reopened: ids and distances, k = 10, EXACT over a
 * vector index: codes with a proven bound leave out what cannot be among the nearest.
 *
 * FAISS exists as a Python package only (Debian's is years old and has no AVX): the interpreter is
 * $MNEME_BENCH_PYTHON, else python3, and needs faiss-cpu and numpy. It gets one thread, one query a
 * call as well, and the cost of a call that finds nothing to do is printed, so that it can be taken
 * off. Cosine is its inner product over vectors that were normalised before.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mneme.h"
#include "support/bench.h"

enum { QUERIES = 200, K = 10 };

static const char python_text[] =
    "import sys, time\n"
    "import faiss, numpy as np\n"
    "folder, metric, count = sys.argv[1], sys.argv[2], int(sys.argv[3])\n"
    "faiss.omp_set_num_threads(1)\n"
    "V = np.load(folder + '/vectors.npy').astype(np.float32)\n"
    "Q = np.load(folder + '/queries.npy').astype(np.float32)[:count]\n"
    "if metric == 'cosine':\n"
    "    for x in (V, Q): x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)\n"
    "index = (faiss.IndexFlatIP if metric == 'cosine' else faiss.IndexFlatL2)(V.shape[1])\n"
    "index.add(V)\n"
    "small = faiss.IndexFlatL2(V.shape[1]); small.add(V[:1])\n"
    "began = time.perf_counter()\n"
    "for i in range(2000): small.search(Q[:1], 1)\n"
    "empty = (time.perf_counter() - began) / 2000\n"
    "print('faiss', faiss.__version__, faiss.get_compile_options().strip(),"
    " 'one thread, empty call %.1f us' % (empty * 1e6), flush=True)\n"
    "for line in sys.stdin:\n"
    "    total = 0\n"
    "    for i in range(count):\n"
    "        total += int(index.search(Q[i:i + 1], 10)[1].sum())\n"
    "    print(total, flush=True)\n";

/* One table of vectors in a file, and the same in a FAISS process. */
struct set {
    const char *name, *metric;
    char folder[512];
    mn_db *db;
    mn_stmt *stmt;
    size_t dims;
    float *queries;
    int64_t ours, theirs; /* sums of the ids that were found */
    FILE *to, *from;      /* the Python process; NULL: there is none */
};

static void must(struct set *set, int status)
{
    if (status == MN_OK || status == MN_ROW || status == MN_DONE) return;
    fprintf(stderr, "mneme: %s\n", mn_errmsg(set->db));
    exit(1);
}

static float half_value(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

    return (float)(half & 0x8000 ? -size : size);
}

static void queries_read(struct set *set)
{
    char path[600];
    uint16_t *halves = malloc(QUERIES * set->dims * sizeof *halves);
    FILE *file;

    snprintf(path, sizeof path, "%s/queries.npy", set->folder);
    file = fopen(path, "rb");
    set->queries = malloc(QUERIES * set->dims * sizeof(float));
    bench_must(file && halves && set->queries, "the queries can be read");
    fseek(file, 128, SEEK_SET);
    bench_must(fread(halves, set->dims * 2, QUERIES, file) == QUERIES, "there are 200 queries");
    for (size_t i = 0; i < QUERIES * set->dims; i++) set->queries[i] = half_value(halves[i]);
    fclose(file);
    free(halves);
}

static void set_load(struct set *set, size_t dims)
{
    char sql[2000];
    const char *path = bench_path(set->name);
    bool there = access(path, R_OK) == 0;

    set->dims = dims;
    queries_read(set);
    must(set, mn_open(path, MN_CREATE, &set->db));
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(%zu));"
             "INSERT INTO t (id) SELECT x FROM generate_series(0, %d) AS s(x);"
             "COPY t (v) FROM '%s/vectors.npy' WITH (match_order);",
             dims, dims == 100 ? 47999 : 5645, set->folder);
    if (!there) must(set, mn_exec(set->db, sql, NULL, NULL));
    snprintf(sql, sizeof sql,
             "CREATE INDEX IF NOT EXISTS t_%s ON t (v) USING vector WITH (metric = %s)",
             set->metric, set->metric);
    must(set, mn_exec(set->db, sql, NULL, NULL));
    must(set, mn_close(set->db));
    must(set, mn_open(path, 0, &set->db));
    snprintf(sql, sizeof sql, "SELECT id, distance FROM t NEAREST %d TO $q METRIC %s EXACT", K,
             set->metric);
    must(set, mn_prepare(set->db, sql, MN_ALL, &set->stmt, NULL));
}

static uint64_t ours_work(void *context, int round)
{
    struct set *set = context;

    (void)round;
    set->ours = 0;
    for (size_t i = 0; i < QUERIES; i++) {
        int status;

        mn_bind_vector(set->stmt, 1, set->queries + i * set->dims, set->dims, MN_STATIC);
        while ((status = mn_step(set->stmt)) == MN_ROW) {
            set->ours += mn_col_int(set->stmt, 0);
            if (!(mn_col_float(set->stmt, 1) >= 0)) exit(1);
        }
        must(set, status);
        mn_reset(set->stmt);
    }
    return QUERIES;
}

static uint64_t theirs_work(void *context, int round)
{
    struct set *set = context;
    char line[64];

    (void)round;
    fputs("go\n", set->to);
    fflush(set->to);
    bench_must(fgets(line, sizeof line, set->from) != NULL, "FAISS answers");
    set->theirs = strtoll(line, NULL, 10);
    return QUERIES;
}

static void faiss_exec(const struct set *set, int in, int out)
{
    const char *python = getenv("MNEME_BENCH_PYTHON");
    char count[16];

    snprintf(count, sizeof count, "%d", QUERIES);
    dup2(in, 0);
    dup2(out, 1);
    freopen("/dev/null", "w", stderr);
    if (!python) python = "python3";
    execlp(python, python, "-c", python_text, set->folder, set->metric, count, (char *)NULL);
    _exit(127);
}

/* False: there is no such package; the reader is told how to get it. */
static bool faiss_start(struct set *set)
{
    int to[2], from[2];
    char line[256];

    bench_must(pipe(to) == 0 && pipe(from) == 0, "a pipe can be made");
    fflush(stdout);
    if (fork() == 0) {
        close(to[1]);
        close(from[0]);
        faiss_exec(set, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    set->to = fdopen(to[1], "w");
    set->from = fdopen(from[0], "r");
    if (set->to && set->from && fgets(line, sizeof line, set->from)) {
        printf("peer: %s", line);
        return true;
    }
    printf("peer: no FAISS here; python3 -m venv d && d/bin/pip install faiss-cpu numpy, then\n"
           "      MNEME_BENCH_PYTHON=d/bin/python ./zigw build bench -Dtest-filter=vector\n");
    return false;
}

static void set_run(const char *name, const char *metric, size_t dims)
{
    struct set set = {.name = name, .metric = metric};
    struct bench_row row = {.unit = "queries", .bar = 1.0};
    const char *data = getenv("MNEME_TEST_DATA");
    char work[96];

    snprintf(set.folder, sizeof set.folder, "%s/%s", data ? data : ".", name);
    if (access(set.folder, R_OK) != 0) {
        printf("%s: not in the data folder, left out\n", set.folder);
        return;
    }
    snprintf(work, sizeof work, "exact k-NN, %s %zu-d, %s", name, dims, metric);
    row.work = work;
    set_load(&set, dims);
    row.engines[0] = (struct bench_engine){"mneme", NULL, ours_work, &set};
    if (faiss_start(&set)) {
        row.engines[1] = (struct bench_engine){"FAISS flat", NULL, theirs_work, &set};
    }
    bench_row_run(&row);
    if (row.engines[1].name && set.ours != set.theirs) {
        printf("  sums of ids differ: %lld, %lld (ties, or a fault)\n", (long long)set.ours,
               (long long)set.theirs);
    }
    mn_finalize(set.stmt);
    mn_close(set.db);
    if (set.to) fclose(set.to);
    if (set.from) fclose(set.from);
    free(set.queries);
}

int main(void)
{
    bench_machine_print(bench_folder());
    bench_head_print();
    set_run("words", "cosine", 100);
    set_run("words", "l2", 100);
    set_run("git_lua", "cosine", 512);
    return 0;
}
