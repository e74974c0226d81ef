/*
 * rows: a table, an index, vectors and a relation under changes drawn from bytes, and a model of
 * them that shares no code with the engine. For fuzz_crash and fuzz_fault.
 */
#ifndef MN_FUZZ_ROWS_H
#define MN_FUZZ_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/handle.h"
#include "os/sim.h"

enum { ROWS_KEYS = 32, ROWS_SAVED = 3 };

/* What the database holds. All texts and vectors follow from their numbers. */
struct rows_state {
    uint16_t text[ROWS_KEYS];  /* 0: no such row; else 1 + the number of its text */
    uint8_t vector[ROWS_KEYS]; /* 0: NULL */
    uint32_t edges[ROWS_KEYS]; /* a bit for each row that this one leads to */
};

/* Inside a transaction there are savepoints; `now` is what a read of the same thread sees. */
struct rows {
    mn_db *db;
    struct rows_state now, committed, saved[ROWS_SAVED];
    unsigned depth;
    bool open; /* a transaction was begun by mn_begin */
};

/* Ends the program, after the last message, when something must not be. */
void rows_must(bool good, const char *what);

/* NULL: *status says why not. */
mn_db *rows_open(struct mn_os *os, unsigned sync, int *status);
/* Makes the tables; the state is all zeros then. */
void rows_create(mn_db *db);

/*
 * One change, as `what`, a and b say, of `now`; outside a transaction it is a commit of its own.
 * What it would make goes to *next in any case; `now` and `committed` are left to the caller.
 */
int rows_change(struct rows *rows, uint8_t what, uint8_t a, uint8_t b, struct rows_state *next);
/* A savepoint is set, rolled back to or released, as `how` says. */
int rows_savepoint(struct rows *rows, uint8_t how);

/* Reads all by several ways, which must agree. MN_OK, or what the engine answered. */
int rows_read(mn_db *db, struct rows_state *state);
bool rows_equal(const struct rows_state *a, const struct rows_state *b);
/* The engine's own check finds nothing; or fails with this status, which is returned. */
int rows_check(mn_db *db);

#endif
