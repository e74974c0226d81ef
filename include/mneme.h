/*
 * mneme: an embedded database for what agents and robots remember.
 *
 * Rows with text, times, numbers and vectors, and typed relations between them, in one file and one
 * transaction, asked in one language. A program opens a file, prepares a statement, binds its
 * parameters from 1, steps through the rows, and reads columns from 0:
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
 * Commits of one row that several threads make at once become one version and one sync.
 * mn_interrupt alone may be called from a signal handler.
 *
 * The library starts no threads unless PRAGMA threads allows them; those end with their statement
 * or transaction. It installs no signal handlers, prints nothing and never exits.
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

/* The largest sizes; a longer one is MN_TOOBIG. */
enum {
    MN_VECTOR_MAX = 8192,     /* dimensions of a vector */
    MN_SQL_MAX = 1024 * 1024, /* bytes of one statement's text */
    MN_PARAMS_MAX = 32768     /* parameters of one statement */
};

/* A length that means: up to the terminating NUL. */
#define MN_ALL ((size_t)-1)

/* How to open; flags are or-ed. */
#define MN_READONLY 1u   /* no statement may change the file */
#define MN_CREATE 2u     /* make the file when it is not there */
#define MN_MEMORY 4u     /* in memory, gone at close; the path is not looked at */
#define MN_EXCLUSIVE 8u  /* no other process may open the file */
#define MN_UNTRUSTED 16u /* the file may be hostile: read it by copies, not through a map */

/* Who keeps the bytes of a bound text, blob or vector. */
#define MN_STATIC 0u /* the caller, until the parameter is bound anew or the statement ends */
#define MN_COPY 1u   /* the statement, in a copy of its own */

/* What mn_begin begins. */
#define MN_BEGIN_DEFERRED 0u /* reads; becomes a writer at its first change */
#define MN_BEGIN_READ 1u     /* reads only */
#define MN_BEGIN_WRITE 2u    /* writes: waits for its turn now */

typedef struct mn_db mn_db;     /* an open file, shared by threads */
typedef struct mn_stmt mn_stmt; /* a prepared statement, of one thread at a time */
typedef struct mn_snap mn_snap; /* one version of the file, of one thread at a time */
typedef struct mn_load mn_load; /* rows on their way into a table, of the thread that began it */
typedef struct mn_vfs mn_vfs;   /* a simulated disk (mn_sim_new) */

/* A notice, a warning or a failure that has no caller, for the host's log. May be called from any
 * thread that is inside the library; may not call the library. */
typedef void (*mn_log_fn)(void *context, int code, const char *message);

/*
 * When a commit is on the device. Whatever the mode, the death of a process costs at most the
 * commit in flight, and a file is never a mixture of two commits.
 */
enum {
    MN_SYNC_FULL = 0, /* when it returns */
    MN_SYNC_LAZY = 1, /* at a checkpoint: in a commit 200 ms or 1 MiB after the last one, mn_sync,
                         mn_close. Power loss goes back to a commit between that and the last */
    MN_SYNC_OFF = 2   /* at mn_sync, or when a commit makes the file grow. Power loss goes back to
                         then, or damages the file, which is told as MN_CORRUPT */
};

/* Zeroed but for size it means the defaults. Later versions add fields at the end. */
typedef struct mn_options {
    size_t size;           /* sizeof(mn_options) */
    unsigned flags;        /* as mn_open */
    unsigned page_size;    /* of a new file: 512 to 65536, a power of two; 0: 4096 */
    unsigned sync;         /* MN_SYNC_FULL, _LAZY or _OFF */
    int busy_ms;           /* how long a writer waits for its turn; 0: 5000, negative: not at all */
    uint64_t memory_limit; /* bytes a statement may take, or a load sort in memory; 0: 256 MiB */
    mn_log_fn log;         /* NULL: none */
    void *log_context;
    mn_vfs *vfs; /* the simulated disk where the file lies; NULL: the machine's files */
} mn_options;

/* Facts of an open file, as of the version that is newest at the call. */
typedef struct mn_stats {
    size_t size; /* sizeof(mn_stats), set by the caller */
    uint64_t version;
    uint64_t durable_version;
    uint64_t page_size;
    uint64_t page_count; /* of the file, free ones too */
    uint64_t free_pages; /* that the next commits may use */
    uint64_t file_bytes;
    uint64_t tables;
    uint64_t relations;
    uint64_t indexes;
    uint64_t rows; /* of all tables and relations */
} mn_stats;

/* One row of mn_exec: read it by mn_col_*. Anything but 0 ends mn_exec with MN_INTERRUPT. */
typedef int (*mn_row_fn)(void *context, mn_stmt *row);
/* One finding of mn_check. */
typedef void (*mn_report_fn)(void *context, const char *finding);
/* Work done of a total, in the same unit; total is 0 where it is unknown. Anything but 0 ends the
 * work with MN_INTERRUPT. */
typedef int (*mn_progress_fn)(void *context, uint64_t done, uint64_t total);

/* ---- version and memory -------------------------------------------------------------------- */

MN_API const char *mn_version(void); /* "0.1.0" */
MN_API int mn_version_number(void);  /* 1.2.3 is 1002003 */

typedef struct mn_allocator {
    size_t size; /* sizeof(mn_allocator) */
    void *context;
    void *(*allocate)(void *context, size_t size_bytes, size_t align_bytes);
    void *(*resize)(void *context, void *memory, size_t size_bytes);
    void (*release)(void *context, void *memory);
} mn_allocator;

/* The memory of all handles comes from it. Only before the first open: MN_MISUSE later. */
MN_API int mn_set_allocator(const mn_allocator *allocator);
/* Gives back what a function of this header allocated for its caller (char * results). */
MN_API void mn_free(void *memory);

/* ---- the database -------------------------------------------------------------------------- */

/* A path of NULL or ":memory:" means MN_MEMORY. When it fails, *db is NULL and mn_errmsg(NULL)
 * tells why. */
MN_API int mn_open(const char *path, unsigned flags, mn_db **db);
MN_API int mn_open_with(const char *path, const mn_options *options, mn_db **db);

/* MN_MISUSE while a statement, snapshot or load of it lives; the open transaction of a thread is
 * rolled back. MN_UNCERTAIN: it is closed, but commits with MN_SYNC_LAZY did not reach the device.
 */
MN_API int mn_close(mn_db *db);

/*
 * A checkpoint: when it returns MN_OK, every commit that returned before is on the device. MN_BUSY
 * as for a writer. MN_UNCERTAIN: the device refused; the file is read on, and written again once
 * all handles of it were closed. With MN_SYNC_FULL there is nothing to do.
 */
MN_API int mn_sync(mn_db *db);

/* Reads every page, tree and index of the newest version; each finding is reported, and MN_CORRUPT
 * returned when there was one. */
MN_API int mn_check(mn_db *db, mn_report_fn report, void *context);
MN_API int mn_stat(mn_db *db, mn_stats *stats);

/* Zeroed but for size it means the defaults. Later versions add fields at the end. */
typedef struct mn_backup_options {
    size_t size; /* sizeof(mn_backup_options) */
} mn_backup_options;

/* Writes the version that is newest now to a new file, while others go on writing. The new file
 * appears under its name only when it is whole and on the device; MN_EXISTS where the name is
 * taken. options and progress may be NULL; progress counts rows and index entries. */
MN_API int mn_backup(mn_db *db, const char *path, const mn_backup_options *options,
                     mn_progress_fn progress, void *context);
/* The same from one file to another: checks the backup, then puts a copy of it at path. */
MN_API int mn_restore(const char *backup, const char *path, const mn_backup_options *options,
                      mn_progress_fn progress, void *context);

/* Makes a new database of what is sound in a damaged file: of every table each row whose pages
 * are whole, under its old row id, with all indexes. The damaged file is only read, and nobody may
 * have it open. report is told a line for each table and what else was lost. MN_OK: everything was
 * there. MN_CORRUPT: the new file is there, but something was lost. Any other code: no file was
 * made. report and progress may be NULL. */
MN_API int mn_recover(const char *damaged, const char *path, mn_report_fn report,
                      mn_progress_fn progress, void *context);

/* Ends what runs on the handle, in any thread, with MN_INTERRUPT; what is begun later is not
 * touched. From any thread and from signal handlers. */
MN_API void mn_interrupt(mn_db *db);

/* Calls back every every_ms milliseconds while a statement runs; NULL ends it. */
MN_API int mn_progress(mn_db *db, mn_progress_fn progress, void *context, int every_ms);

/* ---- errors -------------------------------------------------------------------------------- */

/* The last failure of the calling thread on this handle; with NULL: on any. MN_OK and "" when its
 * last call succeeded. Texts are valid until the thread's next call on the handle. */
MN_API int mn_errcode(mn_db *db);
MN_API const char *mn_errmsg(mn_db *db);
MN_API const char *mn_error_hint(mn_db *db); /* "" when there is none */
/* {"code":"MN_SYNTAX","message":...,"hint":...,"offset":7,"length":3} */
MN_API const char *mn_error_json(mn_db *db);
MN_API int mn_error_offset(mn_db *db); /* bytes into the text of the statement; -1: no place */
MN_API int mn_error_length(mn_db *db);

/* ---- statements ---------------------------------------------------------------------------- */

/* Runs every statement of the text; stops at the first failure, earlier ones stay. row may be
 * NULL. */
MN_API int mn_exec(mn_db *db, const char *sql, mn_row_fn row, void *context);

/* Prepares the first statement of the text. *tail (if asked for) points behind it; *stmt is NULL
 * where the text holds no statement, which is not an error. */
MN_API int mn_prepare(mn_db *db, const char *sql, size_t length, mn_stmt **stmt, const char **tail);

/* What may stand at `cursor` bytes of a text: the keywords that the language takes there, and the
 * names of functions and types where a name may stand. A word that is begun is not looked at: the
 * caller picks. Anything but 0 from word ends it. */
typedef int (*mn_word_fn)(void *context, const char *word);
MN_API int mn_complete(mn_db *db, const char *sql, size_t cursor, mn_word_fn word, void *context);

MN_API int mn_step(mn_stmt *stmt);     /* MN_ROW, MN_DONE or a failure */
MN_API int mn_reset(mn_stmt *stmt);    /* ready to step anew; parameters stay bound */
MN_API int mn_clear(mn_stmt *stmt);    /* reset, and no parameter is bound */
MN_API int mn_finalize(mn_stmt *stmt); /* the statement is gone, whatever is answered */

MN_API int mn_readonly(mn_stmt *stmt); /* 1 when it cannot change the database */
/* The plan as text, an operator a line; analyze runs the statement and adds rows and time. NULL on
 * failure; else given back by mn_free. */
MN_API char *mn_explain(mn_stmt *stmt, int analyze);

/* Rows that the calling thread's last statement inserted, updated or deleted. */
MN_API int64_t mn_changes(mn_db *db);
MN_API uint64_t mn_current_version(mn_db *db); /* of the newest commit */

/* Parameters are numbered from 1; ? and $name take the next number, ?3 and $3 are number 3. */
MN_API int mn_param_count(mn_stmt *stmt);
MN_API int mn_param_index(mn_stmt *stmt, const char *name); /* without the $; 0: no such name */
MN_API const char *mn_param_name(mn_stmt *stmt, int param); /* NULL when it has only a number */

MN_API int mn_bind_null(mn_stmt *stmt, int param);
MN_API int mn_bind_bool(mn_stmt *stmt, int param, int value);
MN_API int mn_bind_int(mn_stmt *stmt, int param, int64_t value);
MN_API int mn_bind_float(mn_stmt *stmt, int param, double value);
MN_API int mn_bind_time(mn_stmt *stmt, int param, int64_t us);
MN_API int mn_bind_duration(mn_stmt *stmt, int param, int64_t us);
MN_API int mn_bind_uuid(mn_stmt *stmt, int param, const uint8_t uuid[16]);
/* length may be MN_ALL. Text is taken for a timestamp, duration, UUID, JSON or vector where the
 * statement needs one. */
MN_API int mn_bind_text(mn_stmt *stmt, int param, const char *text, size_t length, unsigned keep);
MN_API int mn_bind_blob(mn_stmt *stmt, int param, const void *bytes, size_t length, unsigned keep);
MN_API int mn_bind_json(mn_stmt *stmt, int param, const char *text, size_t length, unsigned keep);
MN_API int mn_bind_vector(mn_stmt *stmt, int param, const float *vector, size_t dims,
                          unsigned keep);
struct mn_datum; /* below */
/* Values of one scalar type, and NULLs; INT may stand among FLOAT, and text for what it is the text
 * of where the statement needs that. They are copied. For `x IN $list`, `x = ANY ($list)`, columns
 * of lists and, where they are numbers, vectors. */
MN_API int mn_bind_list(mn_stmt *stmt, int param, const struct mn_datum *elements, size_t count);

/* Columns are numbered from 0. A NULL, or a column of another type that does not convert, reads as
 * 0, 0.0 or NULL. mn_col_text gives every type in its written form. */
MN_API int mn_col_count(mn_stmt *stmt);
MN_API const char *mn_col_name(mn_stmt *stmt, int column);
/* enum mn_type of the value in this row; before the first row, of the column as prepared. */
MN_API int mn_col_type(mn_stmt *stmt, int column);
MN_API int mn_col_is_null(mn_stmt *stmt, int column);
MN_API int mn_col_bool(mn_stmt *stmt, int column);
MN_API int64_t mn_col_int(mn_stmt *stmt, int column);
MN_API double mn_col_float(mn_stmt *stmt, int column);
MN_API int64_t mn_col_time(mn_stmt *stmt, int column);
MN_API int64_t mn_col_duration(mn_stmt *stmt, int column);
MN_API const uint8_t *mn_col_uuid(mn_stmt *stmt, int column);
/* length and dims may be NULL. */
MN_API const char *mn_col_text(mn_stmt *stmt, int column, size_t *length);
MN_API const void *mn_col_blob(mn_stmt *stmt, int column, size_t *length);
MN_API const float *mn_col_vector(mn_stmt *stmt, int column, size_t *dims);
/* The row as one JSON object, equal names told apart as id, id_2; NULL on failure; else given back
 * by mn_free. */
MN_API char *mn_row_json(mn_stmt *stmt);

/* ---- transactions, of the calling thread --------------------------------------------------- */

MN_API int mn_begin(mn_db *db, unsigned mode);
MN_API int mn_commit(mn_db *db);
MN_API int mn_rollback(mn_db *db);
MN_API int mn_savepoint(mn_db *db, const char *name);
MN_API int mn_rollback_to(mn_db *db, const char *name);
MN_API int mn_release(mn_db *db, const char *name);
MN_API int mn_in_transaction(mn_db *db); /* 1 inside one of the calling thread */

/* ---- snapshots ----------------------------------------------------------------------------- */

/*
 * One version of the file, for as long as the caller likes: what others commit does not change what
 * is read through it. It costs the file the pages that it sees and that have changed since. A
 * snapshot and what reads through it belong to one thread at a time; each thread takes its own.
 *
 * version 0 is the newest; the number of the newest version means the same. Any other is MN_GONE:
 * old versions are not kept.
 */
MN_API int mn_snapshot(mn_db *db, uint64_t version, mn_snap **snap);
MN_API uint64_t mn_snapshot_version(mn_snap *snap); /* 0 for NULL */
MN_API void mn_snapshot_end(mn_snap *snap);         /* NULL is harmless */

/* Later runs of the statement read in the snapshot, whatever transaction is open; NULL: as before.
 * The statement keeps the version even when the snapshot ends first. MN_MISUSE: the statement
 * changes rows, has not been reset, or is of another handle. */
MN_API int mn_use_snapshot(mn_stmt *stmt, mn_snap *snap);

/* ---- rows without the language ------------------------------------------------------------- */

/*
 * The calls of hot loops: one row or edge by its key, through the same rules as statements: types,
 * DEFAULT, NOT NULL, CHECK, UNIQUE, indexes, ends of relations. Tables, columns and relations are
 * named as the catalogue has them (CREATE TABLE Log makes "log"); names are looked up once a thread
 * and definition, so a loop should go on using the same few.
 *
 * A change outside a transaction is one of its own, and durable when the call returns; inside one
 * it is done or undone as a whole, like a statement. mn_changes counts it. A read takes a snapshot,
 * or without one (NULL) what a SELECT would see.
 *
 * One value. 16 bytes; the layout never changes, since values stand in arrays. Text may be given
 * for a TIMESTAMP, DURATION, UUID, JSON or VECTOR, and INT for FLOAT.
 */
typedef struct mn_datum {
    uint32_t type;   /* enum mn_type */
    uint32_t length; /* bytes of TEXT, BLOB, JSON, UUID; elements of VECTOR, LIST; else 0 */
    union {
        int64_t i;     /* BOOL (0 or 1), INT; TIMESTAMP and DURATION in microseconds */
        double f;      /* FLOAT */
        const void *p; /* TEXT, BLOB, JSON, UUID: bytes; VECTOR: float; LIST: mn_datum */
    } as;
} mn_datum;

/* Some columns of a row, by name, and their values. Zeroed but for size it means none. */
typedef struct mn_fields {
    size_t size; /* sizeof(mn_fields) */
    size_t count;
    const char *const *names;
    mn_datum *values; /* given, or filled in */
} mn_fields;

/*
 * Reads columns of the row with that primary key: one value for each of its columns, in their
 * order; the hidden row id where the table has none; src and dst of a relation without multi.
 * MN_NOTFOUND: there is no such row. All values are NULL after anything but MN_OK.
 *
 * Bytes of TEXT, BLOB, JSON and VECTOR that were read in a snapshot lie in the file's map, not
 * NUL-terminated, and are valid until mn_snapshot_end; all others until the thread's next call on
 * the handle.
 */
MN_API int mn_get(mn_db *db, mn_snap *snap, const char *table, const mn_datum *key,
                  size_t key_count, const mn_fields *row);

/*
 * Stores a row. With a primary key, whose columns must be given, the row that is there gets the
 * given values and keeps its others; else, and where the table has no primary key, it is a new row,
 * and columns that are not given take their DEFAULT. *row_id (may be NULL) is its row id: the INT
 * PRIMARY KEY, or the hidden one. row->values are not changed.
 */
MN_API int mn_put(mn_db *db, const char *table, const mn_fields *row, int64_t *row_id);

/* Removes the row with that primary key, as in mn_get, and the edges that begin or end in it.
 * MN_NOTFOUND: there is no such row. */
MN_API int mn_delete(mn_db *db, const char *table, const mn_datum *key, size_t key_count);

/*
 * An edge from the row whose key is ends[0] to the row whose key is ends[1]. A pair that is there
 * gets the given columns (fields may be NULL: none), unless the relation is multi: then it is
 * another edge. *edge (may be NULL) is the edge's row id. MN_CONSTRAINT: an end is not there.
 */
MN_API int mn_link(mn_db *db, const char *relation, const mn_datum ends[2], const mn_fields *fields,
                   int64_t *edge);
/* Removes the edges from ends[0] to ends[1]; *removed (may be NULL) is how many there were. */
MN_API int mn_unlink(mn_db *db, const char *relation, const mn_datum ends[2], int64_t *removed);

/* What to read of a row's neighbours, and what came of it. */
typedef struct mn_neighbor_list {
    size_t size;     /* sizeof(mn_neighbor_list) */
    int incoming;    /* 0: along the edges that begin in the row; 1: that end in it */
    uint64_t offset; /* neighbours passed over, without reading them */
    size_t capacity; /* the most to give */
    mn_datum *keys;  /* room for capacity keys of the other ends, or NULL */
    int64_t *edges;  /* room for capacity row ids of edges, or NULL */
    size_t count;    /* set: given */
    uint64_t total;  /* set: all there are, whatever offset and capacity say */
} mn_neighbor_list;

/*
 * The neighbours of the row with that key along one relation, an entry an edge, ascending by the
 * row id of the other end and then of the edge. A key is the primary key of the other end, or its
 * hidden row id; its bytes live as those of mn_get. MN_NOTFOUND: there is no such row.
 */
MN_API int mn_neighbors(mn_db *db, mn_snap *snap, const char *relation, const mn_datum *key,
                        mn_neighbor_list *list);

/* What to search for, and what came of it. */
typedef struct mn_nearest_list {
    size_t size;        /* sizeof(mn_nearest_list) */
    const char *column; /* the VECTOR column; NULL: the only one of the table */
    const char *metric; /* "cosine", "l2" or "dot"; NULL: that of the vector index, else cosine */
    const float *query;
    size_t dims;       /* of the query: as the column's */
    int exact;         /* 1: as EXACT */
    uint64_t effort;   /* as EFFORT; 0: the default */
    size_t capacity;   /* how many rows: the k of NEAREST */
    mn_datum *keys;    /* room for capacity keys, or NULL */
    double *distances; /* room for capacity of them, or NULL */
    size_t count;      /* set: how many were found */
} mn_nearest_list;

/*
 * The rows of a table whose vectors are nearest to the query, nearest first, equally near ones by
 * primary key: what NEAREST without WHERE gives. A key is the primary key where that is of one
 * column, else the hidden row id; its bytes live as those of mn_get. Rows without a vector are left
 * out. MN_TYPE: the dimensions differ; MN_RANGE: a query with NaN, infinities, or of zeros under
 * cosine; MN_SCHEMA: no such table or column, or indexes of two metrics and none is named.
 */
MN_API int mn_nearest(mn_db *db, mn_snap *snap, const char *table, mn_nearest_list *list);

/* The same questions to many vectors at once, in one version of the table. */
typedef struct mn_nearest_batch {
    size_t size;        /* sizeof(mn_nearest_batch) */
    const char *column; /* as in mn_nearest_list; so are the others of the same name */
    const char *metric;
    const float *queries; /* query i, counted from 0, begins at queries + i * stride */
    size_t query_count;
    size_t dims;   /* of each query */
    size_t stride; /* floats from one query to the next; 0: dims */
    int exact;
    uint64_t effort;
    size_t capacity;   /* how many rows for each query */
    mn_datum *keys;    /* room for query_count * capacity, those of query i from i * capacity on,
                          or NULL */
    double *distances; /* room for as many, or NULL */
    size_t *counts;    /* room for query_count; set: how many were found for each */
} mn_nearest_batch;

/*
 * What mn_nearest gives for each query, to the last bit, in less time: a list of codes, or a block
 * of vectors, is read once for all queries that want it. As many run together as an eighth of
 * memory_limit has room for. A query that mn_nearest would refuse fails the call, which names it;
 * then all counts are 0.
 */
MN_API int mn_nearest_many(mn_db *db, mn_snap *snap, const char *table, mn_nearest_batch *batch);

/* ---- many rows at once --------------------------------------------------------------------- */

#define MN_BATCH_ROWS 1024 /* the most rows that mn_fetch gives at once */

/* One column of a batch. Row r is NULL where nulls is not NULL and nulls[r] is 1. */
typedef struct mn_array {
    size_t size;   /* sizeof(mn_array): also the distance to the next one of the batch */
    int type;      /* enum mn_type of all its values that are not NULL */
    uint32_t dims; /* VECTOR: elements of each */
    const uint8_t *nulls;
    /* BOOL: uint8_t; INT, TIMESTAMP, DURATION: int64_t; FLOAT: double; UUID: 16 bytes; row r at
     * r * stride bytes. VECTOR: where all vectors lie evenly, the first of them; else NULL. */
    const void *values;
    size_t stride;
    const void *const *pointers; /* TEXT, BLOB, JSON: bytes; VECTOR: float; LIST: mn_datum */
    const uint32_t *lengths;     /* TEXT, BLOB, JSON: bytes; LIST: elements */
} mn_array;

typedef struct mn_batch {
    size_t size; /* sizeof(mn_batch), set by the caller */
    size_t rows;
    size_t count; /* columns */
    const mn_array *columns;
} mn_batch;

/*
 * The next rows of a statement, up to MN_BATCH_ROWS, as columns; MN_ROW while there are any, then
 * MN_DONE with no rows. Each array has values of one type: where a column's type changes from one
 * row to the next, a batch ends. Bytes of columns of a table lie in the file's map. All of it is
 * valid until the next mn_fetch, mn_step, mn_reset or mn_finalize. There is no row for mn_col_*
 * afterwards; mn_step and mn_fetch may take turns.
 */
MN_API int mn_fetch(mn_stmt *stmt, mn_batch *batch);

/*
 * Loads rows into a table or relation: the fast way in, without text. The rows may come in any
 * order; ascending keys are fastest. All rules of the table are kept. Rows are not visible before
 * mn_load_end: outside a transaction that commits them; inside one they become part of it, and
 * until then the thread can neither write, read, commit nor set savepoints in it (MN_MISUSE), but
 * roll it back. A row that breaks a rule ends the load: what follows answers the same failure, and
 * mn_load_end takes everything back. Where UNIQUE is broken is known at the end, possibly.
 * names NULL and count 0: all columns in their order.
 */
MN_API int mn_load_begin(mn_db *db, const char *table, const char *const *names, size_t count,
                         mn_load **load);
/* One row: as many values as there are columns in the load. Bytes need not outlive the call. */
MN_API int mn_load_row(mn_load *load, const mn_datum *values);
/* Rows as columns, as mn_fetch gives them: as many arrays as there are columns in the load. */
MN_API int mn_load_batch(mn_load *load, const mn_batch *batch);
/* Ends the load, whatever it answers; keep 0 takes its rows back. mn_changes counts them. */
MN_API int mn_load_end(mn_load *load, int keep);

/* ---- crashes, simulated -------------------------------------------------------------------- */

/*
 * What holds for an application after a crash, tried out. A simulated disk records what the
 * application's own code does to its database: open it with mn_options.vfs, run it, and say by
 * mn_sim_ack what it told others it had done. Then mn_sim_explore makes the states in which power
 * loss or the end of the process may leave the file, opens the database in each, and calls back to
 * check it. docs/API.md has an example.
 *
 * A run is one database, of at most MN_SIM_BYTES_MAX bytes, in memory. It repeats itself, and its
 * tokens are good for the next run, if the seed is the same, one thread makes the calls, and no
 * commit with MN_SYNC_LAZY waits for its time: the clock of the database counts its own calls, and
 * its random numbers come from the seed.
 *
 * Threads. Any number may use handles on the disk, and mn_sim_ack, at once; mn_sim_explore and
 * mn_sim_free belong to one thread that is alone with the disk. These functions have no mn_db: what
 * failed is told by mn_errmsg(NULL).
 */
#define MN_SIM_BYTES_MAX (64 * 1024 * 1024)

/* How it ends; kinds are or-ed. What was written since the last sync is pending, in pieces of at
 * most 4096 bytes. */
enum mn_sim_kind {
    MN_SIM_SUBSET = 1,   /* power loss: any of the pending pieces arrived, in any order */
    MN_SIM_TEAR = 2,     /* power loss: one of them arrived in part, at 512 or 8 bytes */
    MN_SIM_GARBAGE = 4,  /* power loss: a sector under write is garbage */
    MN_SIM_KILL = 8,     /* the process ended, also in the midst of a write: all written is there */
    MN_SIM_RECOVERY = 16 /* power loss, and again while the check or the open before it wrote */
};

typedef struct mn_sim_state {
    size_t size;
    unsigned kind;     /* one of enum mn_sim_kind */
    uint64_t acked;    /* the last number that mn_sim_ack was told before; 0: none */
    const char *token; /* of the state, valid during the call */
} mn_sim_state;

/*
 * Is all as it should be? 0: yes. Anything else is a violation, and ends the exploration. The check
 * may read and write as it likes, but finalizes what it prepares; the handle is closed after it.
 */
typedef int (*mn_sim_check_fn)(void *context, mn_db *db, const mn_sim_state *state);

#define MN_SIM_TOKEN_BYTES 96

/* What was tried. */
typedef struct mn_sim_report {
    size_t size;       /* sizeof(mn_sim_report), set by the caller */
    uint64_t steps;    /* writes, resizes, syncs and acknowledgements of the run */
    uint64_t states;   /* made */
    uint64_t distinct; /* of them: the others had the bytes and the number of one before */
    uint64_t subsets, tears, garbage, kills, recoveries; /* distinct ones, by kind */
    uint64_t good;                                       /* checked, without a violation */
    int complete;                   /* 1: no bound ended it, all states that there are were made */
    char token[MN_SIM_TOKEN_BYTES]; /* of the state with a violation; "": none */
} mn_sim_report;

/* Zeroed but for size it means the defaults. Later versions add fields at the end. */
typedef struct mn_sim_options {
    size_t size;            /* sizeof(mn_sim_options) */
    const mn_options *open; /* how the database is opened for the check; NULL: as by default */
    unsigned kinds;         /* or of enum mn_sim_kind; 0: all */
    unsigned seconds_max;   /* 0: 10 */
    uint64_t states_max;    /* 0: 1,000,000 */
    const char *replay;     /* a token: this state alone; NULL: all */
    mn_sim_report *report;  /* filled in, whatever is answered; may be NULL */
} mn_sim_options;

MN_API int mn_sim_new(uint64_t seed, mn_vfs **vfs);
/* The application has told somebody that `number` is done. Numbers may be anything that the check
 * understands. MN_MISUSE: no database was opened on the disk yet. */
MN_API int mn_sim_ack(mn_vfs *vfs, uint64_t number);
/*
 * Every handle on the disk must be closed. Begins with some states of each step and goes on to all
 * that there are, within the bounds. MN_OK: no violation. MN_ERROR: the check found one, and
 * report->token names it. What the open answered: the database could not be opened in a state,
 * which token names. MN_NOTFOUND: the run has no state of that token. MN_MISUSE: a handle is open,
 * or the check left a statement.
 */
MN_API int mn_sim_explore(mn_vfs *vfs, mn_sim_check_fn check, void *context,
                          const mn_sim_options *options);
/* Handles that are open go on, and keep the disk until they are closed. NULL is harmless. */
MN_API void mn_sim_free(mn_vfs *vfs);

#ifdef __cplusplus
}
#endif

#endif
