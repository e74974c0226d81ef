/*
 * exact: EXACT beside FAISS' flat index, one query a call on both sides; before that every query of
 * the set is compared with the truth, rows and distances.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { QUERIES_FULL = 200, QUERIES_QUICK = 50 };

/* FAISS' settings, as ann_peers.py numbers them. */
enum { ONE_BY_ONE, BATCH };

static double ours_run(struct ann_table *table, size_t from, size_t count, int32_t *ids)
{
    double began = bench_now_s();

    for (size_t i = 0; i < count; i++) ann_table_nearest(table, from + i, ids + i * ANN_K);
    return bench_now_s() - began;
}

/* The truth has squares of L2 distances, from a formula that loses some digits of small ones. */
static void answers_check(struct ann_table *table)
{
    const struct ann_set *set = table->set;
    bool cosine = set->metric[0] == 'c';

    for (size_t q = 0; q < set->queries; q++) {
        const double *truth = set->truth.distances + q * ANN_TRUTH;
        int32_t ids[ANN_K];

        bench_must(ann_table_nearest(table, q, ids) == ANN_K, "finding ten rows");
        bench_must(ann_recall(&set->truth, q, 1, ids) == 1, "finding the nearest rows");
        for (int i = 0; i < ANN_K; i++) {
            double wanted = cosine ? truth[i] : sqrt(truth[i]);

            bench_must(fabs(table->distances[i] - wanted) <= 1e-6 * fmax(1, wanted),
                       "finding their distances");
        }
    }
}

void ann_exact(struct ann_set *set)
{
    size_t count = ann_run.quick ? QUERIES_QUICK : QUERIES_FULL, from = set->queries - count;
    double ours[ANN_ROUNDS_MAX], theirs[ANN_ROUNDS_MAX], batch;
    int32_t *ids = ann_memory(count * ANN_K * sizeof *ids);
    struct ann_figures a, b;
    struct ann_table table;

    ann_table_make(&table, set, "exact", ANN_PLAIN, set->rows);
    ann_exec(table.db, "CREATE INDEX i ON t (v) USING vector WITH (metric = %s)", set->metric);
    ann_table_reopen(&table);
    ann_table_ask(&table, "SELECT id, distance FROM t NEAREST %d BY v TO $q EXACT", ANN_K);
    ann_peers_use(set);
    ann_peers_ask("engine FAISS-flat");
    answers_check(&table); /* so both have read the vectors before the clock starts */
    ann_peers_search(ids, count, "each FAISS-flat %d 0 %zu", ONE_BY_ONE, count);
    for (int round = 0; round < ann_run.rounds; round++) {
        ours[round] = (double)count / ours_run(&table, from, count, ids);
        theirs[round] = (double)count / ann_peers_search(ids, count, "each FAISS-flat %d %zu %zu",
                                                         ONE_BY_ONE, from, count);
    }
    batch = (double)count /
            ann_peers_search(ids, count, "search FAISS-flat %d %zu %zu", BATCH, from, count);
    a = ann_figures_of(ours, ann_run.rounds);
    b = ann_figures_of(theirs, ann_run.rounds);
    ann_say("| work | peer | mneme queries/s | peer queries/s | ratio | bar | |\n"
            "|---|---|---|---|---|---|---|\n");
    ann_say("| exact k-NN, %s %zu x %zu | FAISS flat, one query a call | %.0f (%.0f - %.0f) "
            "| %.0f (%.0f - %.0f) | %s |\n\n",
            set->title, set->rows, set->dims, a.median, a.low, a.high, b.median, b.low, b.high,
            ann_verdict(a.median / b.median, 1.5));
    ann_say(
        "All %zu queries have the rows and distances of the truth. FAISS flat, %zu queries as one "
        "product of matrices: %.0f queries/s.\n\n",
        set->queries, count, batch);
    ann_table_explain(&table, from);
    ann_table_close(&table);
    free(ids);
}
