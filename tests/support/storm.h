/*
 * storm: what the writers of tests/test_process_storm.c write, and what a file must hold after it.
 *
 * Transaction n of writer w is drawn from both numbers alone: one row, a hundred rows with some
 * deletes, or rows of more than a mebibyte, all of the writer's own range of ids.
 */
#ifndef MN_TESTS_SUPPORT_STORM_H
#define MN_TESTS_SUPPORT_STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORM_WRITERS = 3,
    STORM_SMALL = 600, /* rows of a writer that hundreds draw from */
    STORM_BIG = 320,   /* rows of 4 KiB behind them */
    STORM_BIG_BYTES = 4096,
    STORM_ROWS = STORM_SMALL + STORM_BIG
};

/* The rows of one writer after its transaction `txn`. */
struct storm_model {
    uint32_t txn;
    uint32_t wrote[STORM_ROWS]; /* which transaction wrote the row; 0: it is not there */
    uint64_t count, sum;        /* rows that are there; their transactions, added up */
};

/* How many rows transaction txn touches; the n-th of them, and whether it is deleted. */
uint32_t storm_rows(uint32_t writer, uint32_t txn);
uint32_t storm_row(uint32_t writer, uint32_t txn, uint32_t n);
bool storm_deletes(uint32_t writer, uint32_t txn, uint32_t n);
int64_t storm_id(uint32_t writer, uint32_t row);

/* Writes the text of a row as that transaction left it; at most STORM_BIG_BYTES. */
size_t storm_text(uint32_t writer, uint32_t row, uint32_t txn, char *text);

/* Applies the transactions up to and with txn. */
void storm_advance(struct storm_model *model, uint32_t writer, uint32_t txn);

#endif
