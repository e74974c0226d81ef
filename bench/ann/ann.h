/*
 * ann: what the sections of bench_ann share: sets, peers, tables, figures, tables of results.
 *
 * A set is a folder that bench/ann_data.py made. Peers that exist as Python packages only are asked
 * through one process of bench/ann_peers.py; sqlite-vec is driven here. k is 10 everywhere.
 * Sections end the program where something fails: a benchmark with a hole is no benchmark.
 */
#ifndef MN_BENCH_ANN_H
#define MN_BENCH_ANN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mneme.h"

enum { ANN_K = 10, ANN_TRUTH = 20, ANN_ROUNDS_MAX = 9 };

/* ---- how this run goes ---- */

struct ann_run {
    const char *data;    /* $MNEME_BENCH_ANN: sets and kept peers */
    const char *results; /* where tables and pictures are written */
    bool quick;          /* smaller sets, fewer points, one round: to develop with */
    int rounds;
    double percent;   /* filters: of this width alone; 0: of all */
    const char *peer; /* filters and knn: beside this one alone; NULL: beside all */
};
extern struct ann_run ann_run;

/* ---- sets and truth (set.c) ---- */

/* For each query its ANN_TRUTH nearest rows, nearest first; id -1: there are no more. */
struct ann_truth {
    size_t queries;
    int32_t *ids;
    double *distances;
};

struct ann_set {
    const char *name, *metric, *title;
    size_t rows, dims, queries;
    float *base, *query;
    int32_t *columns; /* two a row: rnd, lab */
    struct ann_truth truth;
};

/* The set of this run's size; NULL where the data are not there, and why is printed. Kept. */
struct ann_set *ann_set_get(const char *source);
/* The share of a query's true neighbours among ids (ANN_K a query, -1: none), over count queries
 * that begin at `from` of the truth. Rows as near as the last true one count as true. */
double ann_recall(const struct ann_truth *truth, size_t from, size_t count, const int32_t *ids);
struct ann_truth ann_truth_read(const char *path, size_t queries);
void ann_truth_free(struct ann_truth *truth);
void *ann_memory(size_t size_bytes);

/* ---- the Python peers (peer.c) ---- */

bool ann_peers_start(void);
/* Sends a line, returns the answer behind "ok"; static. An error ends the program. */
const char *ann_peers_ask(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As above for an answer that is seconds; the ids that were found are read. */
double ann_peers_search(int32_t *ids, size_t count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The second number of the last answer that was seconds; 0: there was none. */
double ann_peers_extra(void);
void ann_peers_use(const struct ann_set *set);

/* ---- mneme's tables (table.c) ---- */

struct ann_table {
    char path[600];
    const struct ann_set *set;
    mn_db *db;
    mn_stmt *stmt;
    double distances[ANN_K]; /* of the last answer */
};

/* What a row has beside id and v. */
enum ann_columns { ANN_PLAIN, ANN_FILTERED };

/* Opens; an error of the handle ends the program with its message. */
mn_db *ann_open(const char *path, unsigned flags, uint64_t memory_limit);
void ann_must(mn_db *db, int status, const char *what);
void ann_exec(mn_db *db, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes the file NAME of the bench folder with a table t of rows first.. first + count of the set,
 * ids from 0, without an index; closed and reopened. */
void ann_table_make(struct ann_table *table, const struct ann_set *set, const char *name,
                    enum ann_columns columns, size_t count);
void ann_table_reopen(struct ann_table *table);
void ann_table_close(struct ann_table *table);
/* Prepares the question, whose parameter 1 is the vector. */
void ann_table_ask(struct ann_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Steps the prepared question for query `at`; ids and the number of rows that came. */
size_t ann_table_nearest(struct ann_table *table, size_t at, int32_t *ids);
/* The plan as it ran for query `at`, to standard output. */
void ann_table_explain(struct ann_table *table, size_t at);
uint64_t ann_used_bytes(mn_db *db); /* pages of the newest version that are not free */
void ann_file_copy(const char *from, const char *to);

/* What dropping the index i gives back to the file. */
uint64_t ann_index_bytes(struct ann_table *table);

/* One INSERT of rows into t, prepared once. */
struct ann_insert {
    mn_db *db;
    mn_stmt *stmt;
    const struct ann_set *set;
    enum ann_columns columns;
    size_t dims; /* the first ones of a vector are taken */
    size_t skip; /* from here */
    float *made; /* room for a row that is made */
};
void ann_insert_begin(struct ann_insert *insert);
/* Row `at` of the set's base under the key id; behind its end rows are made: one of it and noise.
 */
void ann_insert_row(struct ann_insert *insert, int64_t id, size_t at);
void ann_insert_end(struct ann_insert *insert);

/* ---- sqlite-vec (sqlite.c) ---- */

/* Rows of a filter: those whose number (0), rnd (1) or lab (2) is in low .. high - 1. Also what
 * ann_peers.py reads from a file of windows. */
struct ann_window {
    int32_t kind, low, high;
};

struct ann_sqlite;
struct ann_sqlite *ann_sqlite_make(const struct ann_set *set);
void ann_sqlite_nearest(struct ann_sqlite *peer, size_t at, const struct ann_window *window,
                        int32_t *ids);
const char *ann_sqlite_version(struct ann_sqlite *peer);
void ann_sqlite_free(struct ann_sqlite *peer);

/* ---- figures and tables (report.c) ---- */

struct ann_figures {
    double median, low, high;
};
struct ann_figures ann_figures_of(const double *values, int count);

/* Writes to standard output and to the section's file of the results. */
void ann_report_begin(const char *section);
void ann_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ann_report_end(void);
/* "1.31x, bar 1.3: reached"; bar 0: "1.31x". Static, four at a time. */
const char *ann_verdict(double ratio, double bar);

/* ---- pictures (picture.c) ---- */

enum { ANN_POINTS_MAX = 16, ANN_CURVES_MAX = 8 };

struct ann_point {
    int setting;
    double recall;
    struct ann_figures speed; /* queries/s */
};

struct ann_curve {
    const char *name;
    int count;
    struct ann_point points[ANN_POINTS_MAX];
};

/* Recall against queries/s, both axes stretched where it matters. */
void ann_picture_write(const char *path, const char *title, const struct ann_curve *curves,
                       int count);

/* ---- sections ---- */

void ann_knn(struct ann_set *set);
void ann_exact(struct ann_set *set);
void ann_build(struct ann_set *set);
void ann_filter(struct ann_set *set);
void ann_cover(struct ann_set *set);
void ann_inserts(struct ann_set *set);
void ann_batches(struct ann_set *set);
void ann_size(struct ann_set *set);
void ann_churn(struct ann_set *set);
void ann_open_first(struct ann_set *set);
void ann_memory_use(struct ann_set *set);
/* A child process of ann_open_first or ann_memory_use: argv behind "child". */
int ann_child_open(int argc, char **argv);
int ann_child_memory(int argc, char **argv);

#endif
