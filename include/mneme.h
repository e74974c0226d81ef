/*
 * mneme: an embedded database for what agents and robots remember.
 *
 * Rows with text, times, numbers and vectors, and typed relations between them, in one file and one
 * transaction, asked in one language. A program opens a file, prepares a statement, binds parameters
 * from 1, steps through the rows, and reads columns from 0:
 *
 *     mn_db *db;
 *     mn_stmt *stmt;
 *     mn_open("robot.mneme", MN_CREATE, &db);
 *     mn_prepare(db, "SELECT id, body FROM memory NEAREST 5 TO $q", MN_ALL, &stmt, NULL);
 *     mn_bind_vector(stmt, 1, query, 384, MN_STATIC);
 *     while (mn_step(stmt) == MN_ROW) printf("%s\n", mn_col_text(stmt, 1, NULL));
 *     mn_finalize(stmt);
 *     mn_close(db);
 *
 * Errors. Every function that can fail returns an enum mn_status, MN_OK (0) when it did not. The
 * message, a hint and the place in the text stay on the handle until the next call by the same
 * thread. Every out-pointer is set, to NULL on failure; NULL handles are harmless (MN_MISUSE).
 *
 * Memory. Text is a pointer and a length and is also NUL-terminated where it is returned. A pointer
 * that mn_col_* returns is valid until the next mn_step, mn_reset or mn_finalize of its statement.
 *
 * Threads. A mn_db may be used by any number of threads at once; a statement belongs to one thread
 * at a time. A transaction begun by BEGIN or mn_begin belongs to the thread that began it: the
 * statements which that thread steps are inside it, those of other threads are not. Readers never
 * wait for the writer, nor the writer for readers; writers take turns and wait at most busy_ms.
 * mn_interrupt alone may be called from a signal handler.
 *
 * The library starts no threads, installs no signal handlers, prints nothing and never exits.
 */
#ifndef MNEME_H
#define MNEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MN_API __attribute__((visibility("default")))
#else
#define MN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a call can answer. Never renumbered. */
enum mn_status {
    MN_OK = 0,     /* done */
    MN_ROW = 1,    /* mn_step: a row is ready */
    MN_DONE = 2,   /* mn_step: no more rows */
    MN_WAIT = 3,   /* mn_step of a WATCH: nothing yet */
    MN_ERROR = 4,  /* a rule of the language was broken that no other code names */
    MN_SYNTAX = 5, /* the text is not a statement */
    MN_SCHEMA = 6, /* a table, column, function or index is unknown or does not fit */
    MN_TYPE = 7,   /* a value has the wrong type */
    MN_RANGE = 8,  /* a value is outside its range: overflow, division by zero, NaN in a vector */
    MN_CONSTRAINT = 9,   /* UNIQUE, NOT NULL, CHECK or a relation's ends forbid the change */
    MN_NOTFOUND = 10,    /* the file, savepoint or parameter does not exist */
    MN_EXISTS = 11,      /* the name is taken */
    MN_BUSY = 12,        /* another writer holds the file longer than busy_ms */
    MN_READONLY_DB = 13, /* a write through a handle, file or transaction that only reads */
    MN_IOERR = 14,       /* the system failed to read, write, lock or map */
    MN_FULL = 15,        /* no space on the device, or a limit of the file format is reached */
    MN_CORRUPT = 16,     /* a page is not what its parent says; the message names it */
    MN_NOTADB = 17,      /* the file is not a mneme database */
    MN_NOMEM = 18,       /* no memory, or memory_limit is reached */
    MN_INTERRUPT = 19,   /* mn_interrupt was called */
    MN_MISUSE = 20,      /* the call breaks this header's rules */
    MN_GONE = 21,        /* a version that is no longer kept */
    MN_TOOBIG = 22,      /* text, row, key or nesting over a named limit */
    MN_VERSION = 23,     /* a newer file format, or a feature this build does not know */
    MN_UNSUPPORTED = 24, /* part of the language that comes later */
    MN_UNCERTAIN = 25    /* a commit whose sync failed: the next open tells whether it is there */
};

/* The type of a value. Never renumbered. */
enum mn_type {
    MN_TYPE_NULL = 0,
    MN_TYPE_BOOL = 1,
    MN_TYPE_INT = 2,   /* int64_t */
    MN_TYPE_FLOAT = 3, /* double */
    MN_TYPE_TEXT = 4,  /* UTF-8 without NUL */
    MN_TYPE_BLOB = 5,
    MN_TYPE_TIMESTAMP = 6, /* int64_t microseconds since 1970-01-01T00:00:00Z */
    MN_TYPE_DURATION = 7,  /* int64_t microseconds */
    MN_TYPE_UUID = 8,      /* 16 bytes */
    MN_TYPE_VECTOR = 9,    /* float[n], 1 <= n <= 8192 */
    MN_TYPE_JSON = 10,     /* checked JSON text */
    MN_TYPE_LIST = 11      /* values of one scalar type */
};

#ifdef __cplusplus
}
#endif

#endif
