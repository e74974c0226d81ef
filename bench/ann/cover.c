/*
 * cover: a filter on columns without an index of their own, by what the vector index covers of
 * them, beside the same table whose vector index covers nothing; every query has another window.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { QUERIES = 100, COMMITS = 200, RANDOM_WIDTH = 10000 };

static const char *const clauses[] = {"", ", cover = (rnd, lab), time = ts"};
static const double percents[] = {50, 10, 1, .1};

/* Queries a second; the ids that came, one query behind the other. */
static double windows_run(struct ann_table *table, bool time, double percent, int32_t *ids)
{
    const struct ann_set *set = table->set;
    int64_t width = time ? (int64_t)set->rows : RANDOM_WIDTH;
    int64_t some = (int64_t)((double)width * percent / 100 + .5);
    uint64_t seed = 7 + (uint64_t)(percent * 10);
    double began = bench_now_s();

    for (size_t q = 0; q < QUERIES; q++) {
        int64_t low = (int64_t)(bench_random(&seed) % (uint64_t)(width - some + 1));

        if (time) {
            mn_bind_time(table->stmt, 2, low * 1000000);
            mn_bind_time(table->stmt, 3, (low + some) * 1000000);
        } else {
            mn_bind_int(table->stmt, 2, low);
            mn_bind_int(table->stmt, 3, low + some);
        }
        ann_table_nearest(table, q, ids + q * ANN_K);
    }
    return (double)QUERIES / (bench_now_s() - began);
}

/* One share on both tables, in rounds that alternate. */
static void share_run(struct ann_table *tables, bool time, double percent)
{
    const char *column = time ? "ts" : "rnd";
    int32_t *ids[2];
    double speeds[2][ANN_ROUNDS_MAX];
    struct ann_figures plain, covered;

    for (int t = 0; t < 2; t++) {
        ids[t] = ann_memory(QUERIES * ANN_K * sizeof **ids);
        ann_table_ask(&tables[t],
                      "SELECT id, distance FROM t WHERE %s >= $2 AND %s < $3 NEAREST %d BY v TO $1",
                      column, column, ANN_K);
        windows_run(&tables[t], time, percent, ids[t]); /* what is read first is verified */
    }
    for (int round = 0; round < ann_run.rounds; round++) {
        for (int t = 0; t < 2; t++) {
            speeds[t][round] = windows_run(&tables[t], time, percent, ids[t]);
        }
    }
    bench_must(time || memcmp(ids[0], ids[1], QUERIES * ANN_K * sizeof **ids) == 0,
               "finding the same rows");
    plain = ann_figures_of(speeds[0], ann_run.rounds);
    covered = ann_figures_of(speeds[1], ann_run.rounds);
    ann_say("| %s, %.4g %% pass | %.0f (%.0f - %.0f) | %.0f (%.0f - %.0f) | %.1f |\n",
            time ? "time" : "random", percent, covered.median, covered.low, covered.high,
            plain.median, plain.low, plain.high, covered.median / plain.median);
    free(ids[0]);
    free(ids[1]);
}

/* Durable commits of one row, behind those that are there. */
static double commits_run(struct ann_table *table, size_t first)
{
    struct ann_insert insert = {.db = table->db, .set = table->set, .columns = ANN_FILTERED};
    double began;

    ann_insert_begin(&insert);
    began = bench_now_s();
    for (size_t i = first; i < first + COMMITS; i++) ann_insert_row(&insert, (int64_t)i, i);
    began = bench_now_s() - began;
    ann_insert_end(&insert);
    return (double)COMMITS / began;
}

void ann_cover(struct ann_set *set)
{
    size_t rows = set->rows - COMMITS;
    struct ann_table tables[2];
    double speeds[2];

    for (int t = 0; t < 2; t++) {
        ann_table_make(&tables[t], set, t ? "covered" : "uncovered", ANN_FILTERED, rows);
        ann_exec(tables[t].db, "CREATE INDEX i ON t (v) USING vector WITH (metric = %s%s)",
                 set->metric, clauses[t]);
        ann_table_reopen(&tables[t]);
    }
    ann_say("| filter, %s %zu x %zu, no index on its column | queries/s with the clauses | without "
            "| ratio |\n|---|---|---|---|\n",
            set->title, rows, set->dims);
    for (int time = 0; time < 2; time++) {
        for (size_t p = 0; p < sizeof percents / sizeof *percents; p++) {
            share_run(tables, time, percents[p]);
        }
    }
    ann_table_explain(&tables[1], 0);
    for (int t = 0; t < 2; t++) speeds[t] = commits_run(&tables[t], rows);
    ann_say("| durable commits of one row | %.0f/s | %.0f/s | %.2f |\n\n", speeds[1], speeds[0],
            speeds[1] / speeds[0]);
    for (int t = 0; t < 2; t++) ann_table_close(&tables[t]);
}
