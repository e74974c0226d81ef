/*
 * build: CREATE INDEX on a loaded table in a reopened file, durable when it returns, beside hnswlib
 * that builds in memory. Each round takes a fresh copy of the file, which is on the device already.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "ann/ann.h"
#include "support/bench.h"

/* hnswlib's first build in ann_peers.py: M = 16, ef_construction = 200. */
/* A peer's build takes minutes: two rounds of it are enough for a ratio of twenty. */
enum { HNSWLIB_BUILD = 0, PEER_ROUNDS_MOST = 2 };

static double processor_s(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double ours_build(const struct ann_table *loaded, double *processor)
{
    const char *path = bench_path("built");
    double began, used;
    mn_db *db;

    ann_file_copy(loaded->path, path);
    db = ann_open(path, 0, 0);
    used = processor_s();
    began = bench_now_s();
    ann_exec(db, "CREATE INDEX i ON t (v) USING vector WITH (metric = %s)", loaded->set->metric);
    began = bench_now_s() - began;
    *processor = processor_s() - used;
    ann_must(db, mn_close(db), "closing");
    remove(path);
    return began;
}

void ann_build(struct ann_set *set)
{
    double ours[ANN_ROUNDS_MAX], theirs[ANN_ROUNDS_MAX];
    double ours_used[ANN_ROUNDS_MAX], theirs_used[ANN_ROUNDS_MAX];
    int their_rounds = ann_run.rounds < PEER_ROUNDS_MOST ? ann_run.rounds : PEER_ROUNDS_MOST;
    struct ann_figures a, b;
    struct ann_table table;

    ann_table_make(&table, set, "loaded", ANN_PLAIN, set->rows);
    ann_table_close(&table);
    ann_peers_use(set);
    for (int round = 0; round < ann_run.rounds; round++) {
        char *rest;

        ours[round] = ours_build(&table, &ours_used[round]);
        if (round >= their_rounds) continue;
        theirs[round] = strtod(ann_peers_ask("build hnswlib %d", HNSWLIB_BUILD), &rest);
        theirs_used[round] = strtod(rest, NULL);
    }
    a = ann_figures_of(ours, ann_run.rounds);
    b = ann_figures_of(theirs, their_rounds);
    ann_say("| work | peer | mneme | peer | ratio | bar | |\n|---|---|---|---|---|---|---|\n");
    ann_say("| durable build, %s %zu x %zu | hnswlib M16 efC200 in memory | %.2f s (%.2f - %.2f), "
            "processor %.2f s | %.2f s (%.2f - %.2f), processor %.2f s | %s |\n\n",
            set->title, set->rows, set->dims, a.median, a.low, a.high,
            ann_figures_of(ours_used, ann_run.rounds).median, b.median, b.low, b.high,
            ann_figures_of(theirs_used, their_rounds).median,
            ann_verdict(b.median / a.median, set->metric[0] == 'c' ? 20 : 12));
}
