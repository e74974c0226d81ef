/*
 * filter: the nearest among the rows that pass, for windows of 50, 10, 1 and 0.1 %.
 *
 *     time         ts in a window                         FAISS has a selector of a range of rows
 *     partition    part = one of 100 (1 % only)           the same
 *     random       rnd in a window: no row knows another  arrays or bitmaps, made before the clock
 *     correlated   lab in a window: rows of a region      the same
 *
 * Windows are drawn by seed, a window for QUERIES_A_WINDOW queries; the regions have nothing to do
 * with the query. mneme evaluates the filter by an index on its column, a query at a time; a peer
 * is given its selector and gets a window's queries in one call. Beside that stands a window for
 * each query, drawn anew and asked by both once a round, where a peer's clock runs while it makes
 * its selector: so the rows of a window are in nobody's cache. Each peer's setting is the fastest
 * that reaches a recall of .95 on the windows that choose; where none does, its best recall is
 * taken and shown. Where no bar is there are two rounds, and graphs, slower by far, answer once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { QUERIES_A_WINDOW = 20, WINDOWS_CHOOSE = 10, WINDOWS_REPORT = 20, SQLITE_QUERIES = 10 };
enum { SETTINGS_MAX = 64, PEERS_MAX = 8, ROUNDS_ELSEWHERE = 2 };
enum { WINDOWS_ANEW = 200, WINDOWS_ANEW_WIDE = 20 };

enum kind { BY_TIME, BY_PARTITION, AT_RANDOM, CORRELATED };
static const char *const kind_names[] = {"time", "partition", "random", "correlated"};

/* Our tries; the first is what a question without EFFORT gets. */
static const int efforts[] = {0, 80, 160, 320, 640, 1280, 2560};

struct peer {
    const char *name;
    bool ours, graph;
    int settings;
    char *labels;
    int setting; /* the one that was chosen */
    double recall;
    struct ann_figures speed;
    struct ann_figures anew; /* queries/s when every query has another filter than the one before */
    double anew_recall;
    bool sqlite;
};

/* One kind at one width. */
struct job {
    struct ann_set *set;
    enum kind kind;
    double percent;
    struct ann_table *table;
    struct ann_sqlite *sqlite;
    size_t windows, per, from; /* per: queries a window; from: the first of them */
    struct ann_window *window;
    struct ann_truth truth;
    char file[600];
    int32_t *ids;
};

/* The whole width of what a kind's windows are cut from. */
static int32_t width_of(const struct job *job)
{
    switch (job->kind) {
    case BY_TIME: return (int32_t)job->set->rows;
    case BY_PARTITION: return 100;
    case AT_RANDOM: return 10000;
    case CORRELATED: return 1000;
    }
    return 0;
}

/* Rows of partition p are those whose number times 100 over all is p: a range too. */
static struct ann_window window_draw(const struct job *job, uint64_t *seed)
{
    int32_t width = width_of(job), some = (int32_t)((double)width * job->percent / 100 + .5);
    int32_t low = (int32_t)(bench_random(seed) % (uint64_t)(width - some + 1));
    int32_t rows = (int32_t)job->set->rows;

    if (job->kind != BY_PARTITION) {
        int32_t column = job->kind == BY_TIME ? 0 : job->kind == AT_RANDOM ? 1 : 2;

        return (struct ann_window){column, low, low + some};
    }
    return (struct ann_window){0, (low * rows + 99) / 100, ((low + 1) * rows + 99) / 100};
}

enum part { CHOOSING, REPORTED, ANEW };

/* Draws the windows for a part of the queries and asks for the truth in them. */
static void job_prepare(struct job *job, enum part part)
{
    char out[600];
    uint64_t seed = 77 + job->kind + (uint64_t)(job->percent * 1000);
    size_t half = job->set->queries / 2;
    FILE *file;

    if (part != REPORTED) seed += part == CHOOSING ? 1000000 : 2000000;
    job->from = part == CHOOSING ? 0 : half;
    job->per = part == ANEW ? 1 : QUERIES_A_WINDOW;
    job->windows = part == CHOOSING || ann_run.quick ? WINDOWS_CHOOSE : WINDOWS_REPORT;
    if (part == ANEW) job->windows = job->percent < 5 ? WINDOWS_ANEW : WINDOWS_ANEW_WIDE;
    if (job->windows * job->per > half) job->windows = half / job->per;
    for (size_t i = 0; i < job->windows; i++) job->window[i] = window_draw(job, &seed);
    snprintf(job->file, sizeof job->file, "%s", bench_path("windows"));
    file = fopen(job->file, "wb");
    bench_must(file &&
                   fwrite(job->window, sizeof job->window[0], job->windows, file) == job->windows,
               "writing the windows");
    fclose(file);
    snprintf(out, sizeof out, "%s", bench_path("truth"));
    ann_peers_ask("truth %zu %d %s %s", job->from, (int)job->per, job->file, out);
    ann_truth_free(&job->truth);
    job->truth = ann_truth_read(out, job->windows * job->per);
}

static void ours_ask(struct job *job, int effort)
{
    static const char *const wheres[] = {"ts >= $2 AND ts < $3", "part = $2",
                                         "rnd >= $2 AND rnd < $3", "lab >= $2 AND lab < $3"};
    char clause[32] = "";

    if (effort) snprintf(clause, sizeof clause, " EFFORT %d", effort);
    ann_table_ask(job->table, "SELECT id, distance FROM t WHERE %s NEAREST %d BY v TO $1%s",
                  wheres[job->kind], ANN_K, clause);
}

static void ours_bind(struct job *job, const struct ann_window *window)
{
    mn_stmt *stmt = job->table->stmt;

    if (job->kind == BY_TIME) {
        mn_bind_time(stmt, 2, (int64_t)window->low * 1000000);
        mn_bind_time(stmt, 3, (int64_t)window->high * 1000000);
    } else if (job->kind == BY_PARTITION) {
        mn_bind_int(stmt, 2, (int64_t)window->low * 100 / (int64_t)job->set->rows);
    } else {
        mn_bind_int(stmt, 2, window->low);
        mn_bind_int(stmt, 3, window->high);
    }
}

static size_t wanted_rows(const struct ann_truth *truth, size_t query)
{
    size_t rows = 0;

    while (rows < ANN_K && truth->ids[query * ANN_TRUTH + rows] >= 0) rows++;
    return rows;
}

static double ours_run(struct job *job)
{
    double began = bench_now_s();

    for (size_t w = 0; w < job->windows; w++) {
        for (size_t q = w * job->per; q < (w + 1) * job->per; q++) {
            size_t found;

            ours_bind(job, &job->window[w]);
            found = ann_table_nearest(job->table, job->from + q, job->ids + q * ANN_K);
            bench_must(found == wanted_rows(&job->truth, q), "finding min(k, rows that pass) rows");
        }
    }
    return bench_now_s() - began;
}

/* It takes tens of milliseconds a query: some queries, each of another window, are enough. */
static double sqlite_run(struct job *job, struct peer *peer)
{
    double began = bench_now_s(), seconds;
    size_t count = job->windows < SQLITE_QUERIES ? job->windows : SQLITE_QUERIES;

    for (size_t w = 0; w < count; w++) {
        size_t q = w * QUERIES_A_WINDOW;

        ann_sqlite_nearest(job->sqlite, job->from + q, &job->window[w], job->ids + q * ANN_K);
    }
    seconds = bench_now_s() - began;
    peer->recall = 0;
    for (size_t w = 0; w < count; w++) {
        size_t q = w * QUERIES_A_WINDOW;

        peer->recall += ann_recall(&job->truth, q, 1, job->ids + q * ANN_K) / (double)count;
    }
    return (double)count / seconds;
}

static double peer_run(struct job *job, const struct peer *peer, int setting)
{
    return ann_peers_search(job->ids, job->windows * job->per, "filter %s %d %zu %zu %s",
                            peer->name, setting, job->from, job->per, job->file);
}

static double recall_of(const struct job *job)
{
    return ann_recall(&job->truth, 0, job->windows * job->per, job->ids);
}

static bool one_percent(const struct job *job)
{
    return job->percent > .9 && job->percent < 1.1;
}

static bool peer_wanted(const struct peer *peer)
{
    return peer->ours || !ann_run.peer || strcmp(peer->name, ann_run.peer) == 0;
}

/* A graph takes minutes for what it is bad at: once, where the bars are, shows it. */
static bool peer_joins(const struct job *job, const struct peer *peer)
{
    return peer_wanted(peer) && (!peer->graph || one_percent(job));
}

/* All of them where a bar is; a graph that is slower by dozens of times answers once. */
static int rounds_of(const struct job *job, const struct peer *peer)
{
    int most = peer->graph ? 1 : one_percent(job) ? ann_run.rounds : ROUNDS_ELSEWHERE;

    return most < ann_run.rounds ? most : ann_run.rounds;
}

/* ---- choosing on the first half ---- */

static void peer_choose(struct job *job, struct peer *peer)
{
    double best_recall = -1, best_seconds = 0;

    for (int i = 0; i < peer->settings; i++) {
        double seconds = peer_run(job, peer, i), recall = recall_of(job);
        bool better =
            best_recall < .95 ? recall > best_recall : recall >= .95 && seconds < best_seconds;

        if (!better) continue;
        peer->setting = i;
        best_recall = recall;
        best_seconds = seconds;
        /* Settings of the graph rise: the first that is good enough is the fastest. */
        if (peer->graph && recall >= .95) break;
    }
}

static int ours_choose(struct job *job)
{
    for (size_t i = 0; i < sizeof efforts / sizeof efforts[0]; i++) {
        ours_ask(job, efforts[i]);
        ours_run(job);
        if (recall_of(job) >= .95) return efforts[i];
    }
    return efforts[0];
}

/* ---- reporting on the other half ---- */

static const char *label_of(const struct peer *peer)
{
    static char label[128];
    const char *at = peer->labels;

    if (peer->sqlite) return "vec0";
    for (int i = 0; i < peer->setting; i++) at = strchr(at, '\t') + 1;
    snprintf(label, sizeof label, "%.*s", (int)strcspn(at, "\t"), at);
    return label;
}

static double bar_of(const struct job *job, const struct peer *peer, bool best)
{
    if (!one_percent(job)) return 0;
    if (job->kind == BY_TIME || job->kind == BY_PARTITION) {
        if (peer->graph) return 20;
        return strcmp(peer->name, "FAISS-flat") == 0 ? 1 : 0;
    }
    return peer->sqlite ? 10 : best && !peer->graph ? 1 : 0;
}

static void job_say(const struct job *job, const struct peer *peers, int count, int effort)
{
    const struct peer *ours = &peers[0];
    char label[32] = "default";
    int best = -1;

    for (int p = 1; p < count; p++) {
        if (peers[p].sqlite || peers[p].recall < .95 || !peer_joins(job, &peers[p])) continue;
        if (best < 0 || peers[p].speed.median > peers[best].speed.median) best = p;
    }
    if (effort) snprintf(label, sizeof label, "EFFORT %d", effort);
    for (int p = 1; p < count; p++) {
        if (!peer_joins(job, &peers[p])) continue;
        ann_say("| %s %g %% | %s | %.0f (%.0f - %.0f), recall %.4f | %.0f (%.0f - %.0f), recall "
                "%.4f | %s, %s | %.0f (%.0f - %.0f), recall %.4f | %.0f (%.0f - %.0f) | %s |\n",
                kind_names[job->kind], job->percent, label, ours->speed.median, ours->speed.low,
                ours->speed.high, ours->recall, ours->anew.median, ours->anew.low, ours->anew.high,
                ours->anew_recall, peers[p].name, label_of(&peers[p]), peers[p].speed.median,
                peers[p].speed.low, peers[p].speed.high, peers[p].recall, peers[p].anew.median,
                peers[p].anew.low, peers[p].anew.high,
                ann_verdict(ours->speed.median / peers[p].speed.median,
                            bar_of(job, &peers[p], p == best)));
    }
}

/* A filter for each query, by those that are given one; round by round in turn. */
static void anew_run(struct job *job, struct peer *peers, int count)
{
    static double speeds[PEERS_MAX][ANN_ROUNDS_MAX];

    job_prepare(job, ANEW);
    for (int round = 0; round < rounds_of(job, &peers[0]); round++) {
        for (int p = 0; p < count; p++) {
            double seconds;

            if (peers[p].sqlite || !peer_joins(job, &peers[p])) continue;
            if (round >= rounds_of(job, &peers[p])) continue;
            seconds = p == 0 ? ours_run(job)
                             : peer_run(job, &peers[p], peers[p].setting) + ann_peers_extra();
            speeds[p][round] = (double)job->windows / seconds;
            peers[p].anew_recall = recall_of(job);
        }
    }
    for (int p = 0; p < count; p++) {
        if (peers[p].sqlite || !peer_joins(job, &peers[p])) continue;
        peers[p].anew = ann_figures_of(speeds[p], rounds_of(job, &peers[p]));
    }
}

static void job_run(struct job *job, struct peer *peers, int count)
{
    static double speeds[PEERS_MAX][ANN_ROUNDS_MAX];
    int effort;

    job_prepare(job, CHOOSING);
    effort = ours_choose(job);
    for (int p = 1; p < count; p++) {
        if (!peers[p].sqlite && peer_joins(job, &peers[p])) peer_choose(job, &peers[p]);
    }
    job_prepare(job, REPORTED);
    ours_ask(job, effort);
    ours_run(job); /* warm, as the peers are */
    for (int round = 0; round < rounds_of(job, &peers[0]); round++) {
        for (int p = 0; p < count; p++) {
            double seconds;

            if (!peer_joins(job, &peers[p]) || round >= rounds_of(job, &peers[p])) continue;
            if (peers[p].sqlite) {
                speeds[p][round] = sqlite_run(job, &peers[p]);
                continue;
            }
            seconds = p == 0 ? ours_run(job) : peer_run(job, &peers[p], peers[p].setting);
            speeds[p][round] = (double)(job->windows * QUERIES_A_WINDOW) / seconds;
            peers[p].recall = recall_of(job);
        }
    }
    for (int p = 0; p < count; p++) {
        if (peer_joins(job, &peers[p])) {
            peers[p].speed = ann_figures_of(speeds[p], rounds_of(job, &peers[p]));
        }
    }
    anew_run(job, peers, count);
    job_say(job, peers, count, effort);
    ann_table_explain(job->table, job->from);
}

static void peers_prepare(struct peer *peers, int count)
{
    for (int p = 1; p < count; p++) {
        const char *labels;

        if (peers[p].sqlite || !peer_wanted(&peers[p])) continue;
        labels = ann_peers_ask("engine %s", peers[p].name);
        peers[p].labels = ann_memory(strlen(labels) + 1);
        strcpy(peers[p].labels, labels);
        peers[p].settings = 1;
        for (const char *c = labels; *c; c++) peers[p].settings += *c == '\t';
        if (strcmp(peers[p].name, "FAISS-flat") == 0) peers[p].settings = 1; /* not the batch */
        bench_must(peers[p].settings <= SETTINGS_MAX, "having room for the settings");
    }
}

static void tables_make(struct ann_table tables[2], const struct ann_set *set)
{
    ann_table_make(&tables[0], set, "filtered", ANN_FILTERED, set->rows);
    ann_exec(tables[0].db,
             "CREATE INDEX ON t (ts); CREATE INDEX ON t (rnd); CREATE INDEX ON t (lab); "
             "CREATE INDEX i ON t (v) USING vector WITH (metric = %s)",
             set->metric);
    ann_table_reopen(&tables[0]);
    ann_table_make(&tables[1], set, "partitioned", ANN_FILTERED, set->rows);
    ann_exec(tables[1].db,
             "CREATE INDEX i ON t (v) USING vector WITH (metric = %s, partition = (part))",
             set->metric);
    ann_table_reopen(&tables[1]);
}

void ann_filter(struct ann_set *set)
{
    static const double percents[] = {1, 50, 10, .1};
    struct peer peers[] = {
        {.name = "mneme", .ours = true},
        {.name = "FAISS-flat"},
        {.name = "FAISS-IVF-flat-filtered"},
        {.name = "FAISS-IVF-PQ4-filtered"},
        {.name = "FAISS-HNSW-filtered", .graph = true},
        {.name = "sqlite-vec", .sqlite = true},
    };
    int count = sizeof peers / sizeof peers[0];
    struct job job = {.set = set};
    struct ann_table tables[2];

    tables_make(tables, set);
    ann_peers_use(set);
    peers_prepare(peers, count);
    job.sqlite = ann_sqlite_make(set);
    job.window = ann_memory(set->queries * sizeof *job.window);
    job.ids = ann_memory(set->queries * ANN_K * sizeof *job.ids);
    ann_say("%s %zu x %zu, partitions of %zu rows (the flat regime); %s; sqlite-vec %s\n\n",
            set->title, set->rows, set->dims, set->rows / 100, ann_peers_ask("about"),
            ann_sqlite_version(job.sqlite));
    ann_say("| rows that pass | mneme | queries/s | with another filter each query | peer | "
            "queries/s | with another filter each query | ratio | bar | |\n"
            "|---|---|---|---|---|---|---|---|---|---|\n");
    for (int width = 0; width < (ann_run.quick ? 1 : 4); width++) {
        for (enum kind kind = BY_TIME; kind <= CORRELATED; kind++) {
            if (kind == BY_PARTITION && width > 0) continue;
            if (ann_run.percent > 0 && percents[width] != ann_run.percent) continue;
            job.kind = kind;
            job.percent = percents[width];
            job.table = &tables[kind == BY_PARTITION];
            job_run(&job, peers, count);
        }
    }
    ann_say("\n");
    for (int p = 1; p < count; p++) free(peers[p].labels);
    ann_truth_free(&job.truth);
    ann_sqlite_free(job.sqlite);
    ann_table_close(&tables[0]);
    ann_table_close(&tables[1]);
    free(job.window);
    free(job.ids);
}
