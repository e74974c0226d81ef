/*
 * dataset: the real data sets as tests read them: their files, their questions, and the comparison
 * of what a statement answers with the answers given there. Nothing here uses the engine's readers.
 */
#ifndef MN_TESTS_SUPPORT_DATASET_H
#define MN_TESTS_SUPPORT_DATASET_H

#include "mneme.h"
#include "support/test.h"

enum { ANSWER_MAX = 1024 };

/* The whole file, NUL-terminated; fails the test when it cannot be read. To be freed. */
char *file_read(const char *path, size_t *size_bytes);

/* Takes one line off *text; NULL at the end. The line loses its newline. */
char *line_next(char **text);

/* Fields of one line of JSON, by key. Missing ones: false, or a count of -1 (null: -1 too). */
bool json_int(const char *line, const char *key, int64_t *value);
int json_ints(const char *line, const char *key, int64_t *values, int max);
int json_doubles(const char *line, const char *key, double *values, int max);
int json_texts(const char *line, const char *key, char (*values)[64], int max);

/* A .npy of half floats, widened; rows * dims floats to be freed. */
float *npy_read(const char *path, size_t *rows, size_t *dims);

/* One ranked answer: ids, best first, each with its score. */
struct ranked {
    int count;
    int64_t ids[ANSWER_MAX];
    double scores[ANSWER_MAX];
};

/* Scores within 1e-5 place by place; another id than the one wanted is right only where its score
 * ties with that place (and, if the wanted list has it elsewhere, with that place too). False: the
 * difference is printed. */
bool ranked_equal(const struct ranked *want, const struct ranked *got);
bool ids_equal(const char *what, const int64_t *want, int want_count, const int64_t *got,
               int got_count);

/* A database made of a data set. */
struct dataset {
    mn_db *db;
    char path[256];
};

/* Opens a new file on disk and runs a script, in which %s stands for `folder`, each time. Prints
 * how long it took. Fails the test on the first error. */
void dataset_load(struct dataset *set, const char *script, const char *folder);
void dataset_close(struct dataset *set);

/* Prepares; fails the test with the message when that fails. */
mn_stmt *dataset_prepare(struct dataset *set, const char *sql);
/* Binds by name; fails the test when there is no such parameter. */
int param(mn_stmt *stmt, const char *name);

/* What the rows (part TEXT, id INT, score FLOAT) of a statement say: rows of one part, in order. */
struct part {
    const char *name;
    struct ranked rows;
};
/* Steps to the end and sorts the rows by part; an unknown part or a failure is false, and printed.
 */
bool parts_read(mn_stmt *stmt, struct part *parts, int count);

/* "git_lua/vector 200 of 200 in 1.2 s", and a failure unless both are the number of lines. */
struct tally {
    const char *name;
    int asked, right;
    double began_s;
};
void tally_begin(struct tally *tally, const char *name);
void tally_end(struct tally *tally, int lines);
void tally_count(struct tally *tally, bool right, int64_t qid);

double clock_s(void);

#endif
