/*
 * exact: EXACT beside FAISS' flat index, one query a call on both sides.
 */
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
    ours_run(&table, 0, count, ids); /* both have read the vectors before the clock starts */
    ann_peers_search(ids, count, "each FAISS-flat %d 0 %zu", ONE_BY_ONE, count);
    for (int round = 0; round < ann_run.rounds; round++) {
        ours[round] = (double)count / ours_run(&table, from, count, ids);
        bench_must(ann_recall(&set->truth, from, count, ids) == 1, "EXACT is exact");
        theirs[round] = (double)count / ann_peers_search(ids, count, "each FAISS-flat %d %zu %zu",
                                                         ONE_BY_ONE, from, count);
    }
    batch = (double)count /
            ann_peers_search(ids, count, "search FAISS-flat %d %zu %zu", BATCH, from, count);
    a = ann_figures_of(ours, ann_run.rounds);
    b = ann_figures_of(theirs, ann_run.rounds);
    ann_say("| exact k-NN, %s %zu x %zu | FAISS flat, one query a call | %.0f (%.0f - %.0f) "
            "| %.0f (%.0f - %.0f) | %s |\n\n",
            set->title, set->rows, set->dims, a.median, a.low, a.high, b.median, b.low, b.high,
            ann_verdict(a.median / b.median, 1.5));
    ann_say("FAISS flat, all %zu queries as one product of matrices: %.0f queries/s\n\n", count,
            batch);
    ann_table_explain(&table, from);
    ann_table_close(&table);
    free(ids);
}
