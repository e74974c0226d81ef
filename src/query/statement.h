/*
 * statement: one prepared statement, from its text to its last row.
 *
 *   prepare   parse -> bind -> plan, against the schema of now
 *   step      first: the parameters, a view, the schema's stamp (another one: bind anew, once)
 *             a read: rows as they are asked for; inside a write transaction all at once, kept
 *             a change: all of it, committed or under its savepoint, before the first row
 *   reset     gives back the view and what the run kept
 */
#ifndef MN_QUERY_STATEMENT_H
#define MN_QUERY_STATEMENT_H

#include "query/change.h"
#include "query/plan.h"

enum mn_run_state { MN_RUN_READY, MN_RUN_ROWS, MN_RUN_KEPT, MN_RUN_DONE };

struct mn_param {
    bool bound;
    struct mn_value given; /* as the program gave it */
    void *copy;            /* MN_COPY: its bytes */
};

struct mn_stmt {
    struct mn_db *db;
    char *text;
    size_t length;

    /* Prepared. */
    struct mn_arena ast_arena; /* the tree outlives a new binding */
    struct mn_statement *ast;
    struct mn_arena arena;
    const struct mn_schema *schema; /* NULL: not bound, or it did not bind */
    struct mn_ref catalogue;        /* the root of its tree when the schema was last seen to fit */
    struct mn_bind bind;
    struct mn_query *query; /* whose outputs are the columns; NULL: none, or `names` alone */
    struct mn_change *change;
    struct mn_op *op;
    bool writes;
    uint32_t column_count;
    const char **names;
    struct mn_kind *kinds;
    const uint32_t *slots; /* of the columns */
    struct mn_kind *param_kinds;
    uint32_t param_count;
    struct mn_param *params; /* outlive a new binding */
    struct mn_value *values; /* of the parameters, as the plan needs them */
    struct mn_arena value_arena;

    /* Running. */
    enum mn_run_state state;
    struct mn_exec exec;
    struct mn_arena scratch;
    struct mn_arena_mark scratch_mark;
    struct mn_access access;
    bool accessing;
    struct mn_value **kept; /* rows of column_count values, in exec.kept */
    size_t kept_count, kept_capacity, kept_at;
    struct mn_snapshot *snapshot; /* mn_use_snapshot: counted; NULL: none */
    struct mn_batcher *batcher;   /* of mn_fetch; NULL before the first */
    bool ready, ended; /* the slots hold a row that was found and not yet given; there is none */
    const struct mn_value *row; /* the row at hand; NULL: none */
    struct mn_value *row_values;
    struct mn_buf *texts; /* of mn_col_text, one a column */
};

/* *stmt is NULL where the text holds no statement. */
enum mn_status mn_statement_prepare(struct mn_session *session, const char *text, size_t length,
                                    struct mn_stmt **stmt, const char **tail);
void mn_statement_free(struct mn_stmt *stmt);

/* MN_ROW, MN_DONE, or why it failed; after a failure the next step begins anew. */
enum mn_status mn_statement_step(struct mn_session *session, struct mn_stmt *stmt);
void mn_statement_reset(struct mn_stmt *stmt);

/* batch.c: the next rows as columns; MN_ROW, MN_DONE, or why it failed. */
enum mn_status mn_statement_fetch(struct mn_session *session, struct mn_stmt *stmt,
                                  struct mn_batch *batch);
void mn_batcher_free(struct mn_batcher *batcher); /* NULL is harmless */
/* statement_step.c, for it: starts a run where none is under way. */
enum mn_status mn_statement_start(struct mn_session *session, struct mn_stmt *stmt);
/* The next row into stmt->row_values; MN_DONE: there is none. Only in the state MN_RUN_ROWS. */
enum mn_status mn_statement_row(struct mn_stmt *stmt);
/* Ends a run after its last row (MN_DONE) or a failure; returns status. */
enum mn_status mn_statement_stop(struct mn_stmt *stmt, enum mn_status status);

/* Gives a parameter its value, converted at once where the statement says to what: MN_TYPE and
 * MN_RANGE name the parameter. Bytes are the caller's, and outlive the binding. */
enum mn_status mn_statement_bind(struct mn_stmt *stmt, uint32_t param,
                                 const struct mn_value *value);

/* The plan as text; with analyze after a run of the statement. */
enum mn_status mn_statement_explain(struct mn_session *session, struct mn_stmt *stmt, bool analyze,
                                    struct mn_buf *out);

/* ---- the parts, each in its file ---- */

/* statement_prepare.c: binds and plans ast against the schema of a view. */
enum mn_status mn_statement_compile(struct mn_stmt *stmt, struct mn_view *view);
/* statement_run.c: what is neither query nor change. *rows are kept in the statement. */
enum mn_status mn_statement_act(struct mn_session *session, struct mn_stmt *stmt);
/* For long work on rows or pages: context is the run's mn_exec. MN_INTERRUPT where it shall end. */
enum mn_status mn_long_tick(void *context, uint64_t done, uint64_t total);
/* Columns of a statement that is neither; called by compile. */
enum mn_status mn_statement_shape(struct mn_stmt *stmt);
/* Keeps a row of column_count values. */
enum mn_status mn_statement_keep(struct mn_stmt *stmt, const struct mn_value *values);
/* Begins a run: the view, for writing where the statement writes, the schema's stamp, exec. */
enum mn_status mn_statement_access(struct mn_session *session, struct mn_stmt *stmt);
/* Prepares exec for a run on a view. */
enum mn_status mn_statement_begin(struct mn_session *session, struct mn_stmt *stmt,
                                  struct mn_view *view);

/* define.c: CREATE and DROP. */
enum mn_status mn_define(struct mn_exec *exec, const struct mn_stmt *stmt);
/* pragma.c */
enum mn_status mn_pragma_shape(struct mn_stmt *stmt);
enum mn_status mn_pragma_run(struct mn_session *session, struct mn_stmt *stmt);

#endif
