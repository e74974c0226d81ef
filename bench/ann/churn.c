/*
 * churn: rows come and go until five times the table has been deleted and inserted, then recall,
 * speed and size are compared with an index that was just built over the same rows.
 *
 * Half of the set's vectors are in the table; each commit deletes 500 rows at random and inserts
 * 500 of those that are not in it. A row's key is its number in the set.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { CHANGES_A_COMMIT = 500, TIMES = 5 };

struct churn {
    const struct ann_set *set;
    int32_t *rows; /* the first `live` are in the table */
    size_t live;
    struct ann_truth truth; /* over the rows that stay */
    int32_t *ids;
};

/* What is told of an index. */
struct facts {
    double recall, speed, bytes;
};

static void rows_exchange(struct churn *churn, struct ann_table *table, uint64_t *seed)
{
    struct ann_insert insert = {.db = table->db, .set = churn->set};
    size_t out = churn->set->rows - churn->live, commits = churn->live * TIMES / CHANGES_A_COMMIT;
    mn_stmt *gone;

    ann_must(table->db, mn_prepare(table->db, "DELETE FROM t WHERE id = ?", MN_ALL, &gone, NULL),
             "preparing");
    ann_insert_begin(&insert);
    for (size_t commit = 0; commit < commits; commit++) {
        ann_must(table->db, mn_begin(table->db, MN_BEGIN_WRITE), "beginning");
        for (int i = 0; i < CHANGES_A_COMMIT; i++) {
            int32_t *leaves = &churn->rows[bench_random(seed) % churn->live];
            int32_t *comes = &churn->rows[churn->live + bench_random(seed) % out], row = *leaves;

            mn_bind_int(gone, 1, row);
            ann_must(table->db, mn_step(gone), "deleting");
            bench_must(mn_changes(table->db) == 1, "deleting one row");
            ann_must(table->db, mn_reset(gone), "deleting");
            ann_insert_row(&insert, *comes, (size_t)*comes);
            *leaves = *comes;
            *comes = row;
        }
        ann_must(table->db, mn_commit(table->db), "committing");
    }
    ann_insert_end(&insert);
    mn_finalize(gone);
}

static void table_fill(struct churn *churn, struct ann_table *table, const char *name)
{
    struct ann_insert insert = {.set = churn->set};

    ann_table_make(table, churn->set, name, ANN_PLAIN, 0);
    insert.db = table->db;
    ann_exec(table->db, "BEGIN");
    ann_insert_begin(&insert);
    for (size_t i = 0; i < churn->live; i++) {
        ann_insert_row(&insert, churn->rows[i], (size_t)churn->rows[i]);
    }
    ann_insert_end(&insert);
    ann_exec(table->db, "COMMIT; CREATE INDEX i ON t (v) USING vector WITH (metric = %s)",
             churn->set->metric);
    ann_table_reopen(table);
}

static void truth_ask(struct churn *churn)
{
    char rows[600], out[600];
    FILE *file;

    snprintf(rows, sizeof rows, "%s", bench_path("live"));
    snprintf(out, sizeof out, "%s", bench_path("truth"));
    file = fopen(rows, "wb");
    bench_must(file && fwrite(churn->rows, sizeof churn->rows[0], churn->live, file) == churn->live,
               "writing the rows");
    fclose(file);
    ann_peers_use(churn->set);
    ann_peers_ask("nearest %s %s", rows, out);
    churn->truth = ann_truth_read(out, churn->set->queries);
}

static struct facts facts_of(struct churn *churn, struct ann_table *table)
{
    struct facts facts = {0};
    double began;

    ann_table_ask(table, "SELECT id, distance FROM t NEAREST %d BY v TO $q", ANN_K);
    for (int warm = 0; warm < 2; warm++) {
        began = bench_now_s();
        for (size_t i = 0; i < churn->set->queries; i++) {
            bench_must(ann_table_nearest(table, i, churn->ids + i * ANN_K) == ANN_K,
                       "finding ten rows");
        }
        facts.speed = (double)churn->set->queries / (bench_now_s() - began);
    }
    facts.recall = ann_recall(&churn->truth, 0, churn->set->queries, churn->ids);
    return facts;
}

static void finding_print(void *context, const char *finding)
{
    (void)context;
    fprintf(stderr, "bench: check: %s\n", finding);
}

/* Of a copy, for the index goes. */
static double index_bytes(struct ann_table *table)
{
    struct ann_table copy = {.set = table->set};
    double bytes;

    ann_table_reopen(table);
    snprintf(copy.path, sizeof copy.path, "%s", bench_path("churn_copy"));
    ann_file_copy(table->path, copy.path);
    copy.db = ann_open(copy.path, 0, 0);
    bytes = (double)ann_index_bytes(&copy);
    ann_table_close(&copy);
    remove(copy.path);
    return bytes;
}

void ann_churn(struct ann_set *set)
{
    struct churn churn = {.set = set, .live = set->rows / 2};
    struct facts after, kept, fresh;
    struct ann_table table, built;
    uint64_t seed = 5;
    double began;
    int maintained;

    churn.rows = ann_memory(set->rows * sizeof *churn.rows);
    churn.ids = ann_memory(set->queries * ANN_K * sizeof *churn.ids);
    for (size_t i = 0; i < set->rows; i++) churn.rows[i] = (int32_t)i;
    table_fill(&churn, &table, "churn");
    began = bench_now_s();
    rows_exchange(&churn, &table, &seed);
    began = bench_now_s() - began;
    truth_ask(&churn);
    after = facts_of(&churn, &table);
    after.bytes = index_bytes(&table);
    maintained = mn_exec(table.db, "PRAGMA maintain", NULL, NULL);
    if (maintained != MN_SCHEMA) ann_must(table.db, maintained, "PRAGMA maintain");
    kept = facts_of(&churn, &table);
    ann_must(table.db, mn_check(table.db, finding_print, NULL), "checking");
    kept.bytes = (double)ann_index_bytes(&table);
    ann_table_close(&table);
    table_fill(&churn, &built, "fresh");
    fresh = facts_of(&churn, &built);
    fresh.bytes = (double)ann_index_bytes(&built);
    ann_table_close(&built);
    ann_say("| %s, %zu rows, %d times that deleted and inserted (%.0f rows/s) | recall@10 | "
            "queries/s | index |\n|---|---|---|---|\n",
            set->title, churn.live, TIMES, (double)(churn.live * TIMES) / began);
    ann_say("| after it | %.4f | %.0f | %.2f MB |\n| %s | %.4f | %.0f | %.2f MB |\n"
            "| built anew | %.4f | %.0f | %.2f MB |\n",
            after.recall, after.speed, after.bytes / 1e6,
            maintained == MN_OK ? "after PRAGMA maintain" : "again, as there is no PRAGMA maintain",
            kept.recall, kept.speed, kept.bytes / 1e6, fresh.recall, fresh.speed,
            fresh.bytes / 1e6);
    ann_say("| lost recall, bar 0.01 | %.4f: %s | | |\n", fresh.recall - after.recall,
            fresh.recall - after.recall <= .01 ? "reached" : "missed");
    ann_say("| times the size, bar 1.25 | | | %.2f: %s; %.2f after PRAGMA maintain |\n\n"
            "The check finds nothing.\n\n",
            after.bytes / fresh.bytes, after.bytes <= fresh.bytes * 1.25 ? "reached" : "missed",
            kept.bytes / fresh.bytes);
    ann_truth_free(&churn.truth);
    free(churn.rows);
    free(churn.ids);
}
