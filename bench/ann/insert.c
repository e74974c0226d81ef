/*
 * insert: durable inserts while the index lives, and what they and the index take of the file.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { COMMITS = 400, BATCH = 1000, BATCHES = 4, BATCH_DIMS = 384, BATCH_SKIP = 200 };

static void index_make(mn_db *db, const struct ann_set *set)
{
    ann_exec(db, "CREATE INDEX i ON t (v) USING vector WITH (metric = %s)", set->metric);
}

/* Commits of one row each, from row `first` of the set; commits a second. */
static double commits_run(struct ann_table *table, size_t first, size_t count)
{
    struct ann_insert insert = {.db = table->db, .set = table->set};
    double began;

    ann_insert_begin(&insert);
    began = bench_now_s();
    for (size_t i = first; i < first + count; i++) ann_insert_row(&insert, (int64_t)i, i);
    began = bench_now_s() - began;
    ann_insert_end(&insert);
    return (double)count / began;
}

/* Bytes that this process has handed to write calls. */
static double written_bytes(void)
{
    char line[256];
    double bytes = -1;
    FILE *file = fopen("/proc/self/io", "r");

    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "wchar: %lf", &bytes) == 1) break;
    }
    if (file) fclose(file);
    bench_must(bytes >= 0, "reading /proc/self/io");
    return bytes;
}

struct growth {
    double grown, written, room; /* KiB a commit */
};

/*
 * What a commit takes of the file before pages come back: each version is kept open, so that no
 * page can. Written are also the slot and the notice, which have places of their own, and the zeros
 * of room that the file is given in advance: as much as it grows here, nothing where pages come
 * back.
 */
static struct growth commits_grow(struct ann_table *table, size_t first, size_t count)
{
    mn_snap **kept = ann_memory(count * sizeof *kept);
    struct ann_insert insert = {.db = table->db, .set = table->set};
    double used = (double)ann_used_bytes(table->db), written = written_bytes();
    double room = (double)bench_file_bytes(table->path);

    ann_insert_begin(&insert);
    for (size_t i = 0; i < count; i++) {
        ann_insert_row(&insert, (int64_t)(first + i), first + i);
        ann_must(table->db, mn_snapshot(table->db, mn_current_version(table->db), &kept[i]),
                 "keeping a version");
    }
    ann_insert_end(&insert);
    written = written_bytes() - written;
    room = (double)bench_file_bytes(table->path) - room;
    used = (double)ann_used_bytes(table->db) - used;
    for (size_t i = 0; i < count; i++) mn_snapshot_end(kept[i]);
    free(kept);
    return (struct growth){used / 1024 / (double)count, written / 1024 / (double)count,
                           room / 1024 / (double)count};
}

void ann_inserts(struct ann_set *set)
{
    size_t each = ann_run.quick ? COMMITS / 4 : COMMITS;
    size_t first = set->rows - each * (size_t)(ann_run.rounds + 1);
    double with[ANN_ROUNDS_MAX], without[ANN_ROUNDS_MAX];
    struct growth grown, bare;
    struct ann_table indexed, plain;
    struct ann_figures a, b;
    uint64_t file;

    ann_table_make(&indexed, set, "indexed", ANN_PLAIN, first);
    index_make(indexed.db, set);
    ann_table_reopen(&indexed);
    ann_table_make(&plain, set, "unindexed", ANN_PLAIN, first);
    file = bench_file_bytes(indexed.path);
    for (int round = 0; round < ann_run.rounds; round++, first += each) {
        with[round] = commits_run(&indexed, first, each);
        without[round] = commits_run(&plain, first, each);
    }
    a = ann_figures_of(with, ann_run.rounds);
    b = ann_figures_of(without, ann_run.rounds);
    ann_say("| work | with the index | without | ratio | bar | |\n|---|---|---|---|---|---|\n");
    ann_say("| durable commits of one row, %s, %zu rows | %.0f/s with the index (%.0f - %.0f) | "
            "%.0f/s without (%.0f - %.0f) | %s |\n",
            set->title, set->rows, a.median, a.low, a.high, b.median, b.low, b.high,
            ann_verdict(a.median / b.median, .7));
    ann_say("| grown by a commit, KiB, pages that came back taken off | %.1f | - | - | - | |\n",
            (double)(bench_file_bytes(indexed.path) - file) / 1024 /
                (double)(each * (size_t)ann_run.rounds));
    grown = commits_grow(&indexed, first, each);
    bare = commits_grow(&plain, first, each);
    ann_say("| grown by a commit while every version is kept, KiB | %.1f with the index, of 40 | "
            "%.1f without | %s |\n",
            grown.grown, bare.grown, ann_verdict(40 / grown.grown, 1));
    ann_say("| handed to write calls by it, KiB, zeros of room in advance among them | %.1f with "
            "the index, %.1f of it zeros | %.1f without, %.1f zeros | - | - | |\n\n",
            grown.written, grown.room, bare.written, bare.room);
    ann_table_close(&indexed);
    ann_table_close(&plain);
}

/* ---- batches ---- */

static mn_db *batches_begin(const struct ann_set *set, const char *name, bool index, size_t rows)
{
    mn_db *db = ann_open(bench_path(name), MN_CREATE, 0);
    struct ann_insert insert = {.db = db, .set = set, .dims = BATCH_DIMS, .skip = BATCH_SKIP};

    ann_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(%d)); BEGIN", BATCH_DIMS);
    ann_insert_begin(&insert);
    for (size_t i = 0; i < rows; i++) ann_insert_row(&insert, (int64_t)i, i);
    ann_insert_end(&insert);
    ann_exec(db, "COMMIT");
    if (index) index_make(db, set);
    ann_must(db, mn_close(db), "closing");
    return ann_open(bench_path(name), 0, 0);
}

static double batches_run(mn_db *db, const struct ann_set *set, size_t first)
{
    struct ann_insert insert = {.db = db, .set = set, .dims = BATCH_DIMS, .skip = BATCH_SKIP};
    double began;

    ann_insert_begin(&insert);
    began = bench_now_s();
    for (size_t batch = 0; batch < BATCHES; batch++, first += BATCH) {
        ann_must(db, mn_begin(db, MN_BEGIN_WRITE), "beginning");
        for (size_t i = first; i < first + BATCH; i++) ann_insert_row(&insert, (int64_t)i, i);
        ann_must(db, mn_commit(db), "committing");
    }
    began = bench_now_s() - began;
    ann_insert_end(&insert);
    return BATCHES * BATCH / began;
}

/* 384 dimensions are what sentence models give; here they are the middle of real images. */
void ann_batches(struct ann_set *set)
{
    size_t first = set->rows - (size_t)(BATCHES * BATCH * ann_run.rounds);
    double with[ANN_ROUNDS_MAX], without[ANN_ROUNDS_MAX];
    mn_db *indexed = batches_begin(set, "batches", true, first);
    mn_db *plain = batches_begin(set, "batches_plain", false, first);
    struct ann_figures a, b;

    for (int round = 0; round < ann_run.rounds; round++, first += BATCHES * BATCH) {
        with[round] = batches_run(indexed, set, first);
        without[round] = batches_run(plain, set, first);
    }
    a = ann_figures_of(with, ann_run.rounds);
    b = ann_figures_of(without, ann_run.rounds);
    ann_say("| work | with the index | without | |\n|---|---|---|---|\n");
    ann_say("| durable batches of 1,000 rows, %d of the %zu dimensions of %s, rows/s | %.0f with "
            "the index "
            "(%.0f - %.0f) | %.0f without (%.0f - %.0f) | %.0f a second, bar 20,000: %s |\n\n",
            BATCH_DIMS, set->dims, set->title, a.median, a.low, a.high, b.median, b.low, b.high,
            a.median, a.median >= 20000 ? "reached" : "missed");
    ann_must(indexed, mn_close(indexed), "closing");
    ann_must(plain, mn_close(plain), "closing");
}

/* ---- size ---- */

uint64_t ann_index_bytes(struct ann_table *table)
{
    uint64_t with, without;

    ann_table_reopen(table);
    with = ann_used_bytes(table->db);
    ann_exec(table->db, "DROP INDEX i");
    ann_table_reopen(table);
    without = ann_used_bytes(table->db);
    return with > without ? with - without : 0;
}

void ann_size(struct ann_set *set)
{
    double vectors = (double)(set->rows * set->dims * sizeof(float)), index, share;
    double bar = set->dims >= 512 ? .16 : .20;
    struct ann_table table;

    ann_table_make(&table, set, "size", ANN_PLAIN, set->rows);
    index_make(table.db, set);
    index = (double)ann_index_bytes(&table);
    share = index / vectors;
    ann_say("| work | index | vectors | share |\n|---|---|---|---|\n");
    ann_say("| the index after its build, %s %zu x %zu | %.2f MB | vectors %.2f MB | %.1f %%, bar "
            "%.0f %%: %s |\n\n",
            set->title, set->rows, set->dims, index / 1e6, vectors / 1e6, share * 100, bar * 100,
            share <= bar ? "reached" : "missed");
    ann_table_close(&table);
}
