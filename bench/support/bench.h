/*
 * bench: rounds that alternate between engines, medians, and one table of ratios.
 *
 * A row of the table is one piece of work done by mneme and by a peer: A B A B ..., ROUNDS times
 * each; what is compared are the medians, and the spread of both is printed beside them.
 */
#ifndef MN_BENCH_SUPPORT_BENCH_H
#define MN_BENCH_SUPPORT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_ROUNDS = 5, BENCH_ENGINES = 4 };

/* One engine's part of a row: does the work once and returns how many operations that was. */
struct bench_engine {
    const char *name;
    void (*prepare)(void *context, int round); /* not timed; may be NULL */
    uint64_t (*work)(void *context, int round);
    void *context;
};

struct bench_row {
    const char *work, *unit;
    double bar; /* the ratio that the first issue must reach; 0: none */
    struct bench_engine engines[BENCH_ENGINES]; /* mneme first; the others until a NULL name */
    bool fewer_is_better;                       /* the result is a size or a time, not a rate */
};

double bench_now_s(void);
uint64_t bench_random(uint64_t *state);

/* Prints the machine, the file system and the time of one fdatasync of a written block in folder;
 * ends the program where the folder is in memory. */
void bench_machine_print(const char *folder);

/* The head of the table, then a line a row; the ratio is mneme's over the best peer's. */
void bench_head_print(void);
void bench_row_run(const struct bench_row *row);
/* A row whose figures were measured elsewhere: mneme's and the peer's. */
void bench_row_print(const struct bench_row *row, double mneme, double peer);

/* A folder for the files of this run, removed at exit. */
const char *bench_folder(void);
/* The path of a file in it; static, four at a time. */
const char *bench_path(const char *name);
uint64_t bench_file_bytes(const char *path);

/* Ends the program with a message where the condition does not hold. */
void bench_must(bool condition, const char *what);

#endif
