/*
 * copy_job: the COPY statement, joined to tables.
 *
 *   COPY t FROM     reader -> defaults, CHECKs -> mn_rows           all or nothing, the fast way
 *     upsert        reader -> conflict? -> mn_row_insert, update
 *     errors=skip   the same, each row under a savepoint of its own
 *     match..       reader -> mn_row_set_vector of rows that exist
 *   COPY t TO       rows of the table -> writer
 *   COPY (q) TO     the caller's rows -> writer
 *
 *   (C1) a job works inside the caller's transaction and savepoint: a failure leaves them to be
 *        rolled back, and nothing else behind.
 *   (C2) a failure about a row names file, line or row, column and value.
 */
#ifndef MN_QUERY_COPY_JOB_H
#define MN_QUERY_COPY_JOB_H

#include "catalog/schema.h"
#include "query/ast.h"
#include "query/copy.h"
#include "query/expr.h"

struct mn_copy_job {
    struct mn_view *view;
    const struct mn_table *table; /* NULL: of COPY (query) TO */
    const struct mn_ast_copy *ast;
    const char *path;       /* the value of ast->file, NUL-terminated */
    struct mn_arena *arena; /* of the statement */
    uint64_t memory_limit;  /* bytes for one row, and for what waits to be sorted */
    struct mn_eval *eval;   /* now_us and os; its scratch is replaced */
    /* Called now and then with the rows done and, where it is known, how many there are (else 0);
     * anything but MN_OK ends the job with that. May be NULL. */
    enum mn_status (*tick)(void *context, uint64_t done, uint64_t total);
    void *tick_context;

    /* What came of it. */
    uint64_t rows;                 /* read and stored, or written */
    uint64_t skipped;              /* bad rows with errors = skip */
    struct mn_error skipped_first; /* the first one's error */
};

/* COPY t FROM. */
enum mn_status mn_copy_load(struct mn_copy_job *job);
/* COPY t TO, rows in the order of their row ids. */
enum mn_status mn_copy_save(struct mn_copy_job *job);

/* COPY (query) TO: opens a writer for columns of these names and kinds; the caller hands it rows by
 * writer->row, then mn_copy_writer_finish, then mn_copy_writer_close. Names are borrowed. */
enum mn_status mn_copy_query_writer(struct mn_copy_job *job, const char *const *names,
                                    const struct mn_kind *kinds, uint32_t count,
                                    struct mn_copy_writer **writer);

/* ---- between the files of the job ---- */

/* One COPY FROM at work. */
struct mn_copy_load_state {
    struct mn_copy_job *job;
    struct mn_copy_options options;
    struct mn_copy_spec spec;
    uint32_t *targets; /* table column of each column of the spec */
    struct mn_copy_reader *reader;
    struct mn_arena scratch; /* of one row */
    struct mn_copy_row row;
};

/* The options of the statement, finished for the path. */
enum mn_status mn_copy_bind_options(const struct mn_copy_job *job, bool reading,
                                    struct mn_copy_options *options);
/* The table's columns that the statement names, or all. */
enum mn_status mn_copy_bind_columns(const struct mn_copy_job *job, struct mn_copy_spec *spec,
                                    uint32_t **targets);
/* Calls tick every so many rows. */
enum mn_status mn_copy_tick(struct mn_copy_job *job, uint64_t total);

/* The files' other halves of mn_copy_load. */
enum mn_status mn_copy_load_rows(struct mn_copy_load_state *state);    /* copy_load.c */
enum mn_status mn_copy_load_each(struct mn_copy_load_state *state);    /* copy_each.c */
enum mn_status mn_copy_load_vectors(struct mn_copy_load_state *state); /* copy_match.c */

/* The row just read as a whole row of the table: DEFAULTs filled in, not yet checked. */
struct mn_rules;
enum mn_status mn_copy_complete_row(struct mn_copy_load_state *state, const struct mn_rules *rules,
                                    struct mn_value *values);

#endif
