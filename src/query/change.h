/*
 * change: INSERT, UPSERT, UPDATE, DELETE, LINK and UNLINK, bound and run.
 *
 *   1  the rows to change are found and what they shall become is computed, all of them, before
 *      the first is touched: a statement never sees its own writes
 *   2  each is changed, by index/row.h, after its DEFAULTs and CHECKs (rules.h)
 *   3  what RETURNING asks for is kept, and given when all is done
 */
#ifndef MN_QUERY_CHANGE_H
#define MN_QUERY_CHANGE_H

#include "query/bind.h"

enum mn_change_kind { MN_CHANGE_INSERT = 1, MN_CHANGE_UPDATE, MN_CHANGE_DELETE };

struct mn_set {
    uint32_t column;
    struct mn_expr *value; /* NULL: the column's DEFAULT */
};

struct mn_change {
    enum mn_change_kind kind;
    const struct mn_table *table;
    struct mn_span span; /* of the table's name: where a row that is refused is reported */
    struct mn_rules *rules;
    struct mn_query *query;     /* its sources: the table, then FROM, USING or excluded */
    struct mn_source *target;   /* the table's columns as RETURNING, SET and WHERE see them */
    struct mn_source *excluded; /* INSERT: the row that was to be inserted */
    struct mn_op *rows;         /* UPDATE, DELETE: the rows of the table; INSERT: of the SELECT */
    bool joined;                /* UPDATE, DELETE with other tables: a row may be found twice */

    /* INSERT */
    uint32_t given_count;
    uint32_t *given;        /* columns of the table */
    uint32_t row_count;     /* VALUES: exprs has row_count times given_count, NULL is DEFAULT */
    struct mn_expr **exprs; /* or, over the rows of the SELECT, given_count */
    bool gather; /* VALUES holds subqueries: all rows are computed before the first is stored */
    struct mn_query *input; /* the SELECT */
    bool upsert;
    enum mn_ast_conflict conflict;
    bool conflict_any;                     /* DO NOTHING whatever the index */
    const struct mn_index *conflict_index; /* NULL: the row id, or the pair of a relation */
    struct mn_expr *conflict_where;

    /* UPDATE, and DO UPDATE */
    uint32_t set_count;
    struct mn_set *sets;

    bool returning;
};

enum mn_status mn_bind_insert(struct mn_bind *bind, const struct mn_ast_insert *ast,
                              struct mn_change **change);
enum mn_status mn_bind_update(struct mn_bind *bind, const struct mn_ast_update *ast,
                              struct mn_change **change);
enum mn_status mn_bind_delete(struct mn_bind *bind, const struct mn_ast_delete *ast,
                              struct mn_change **change);
enum mn_status mn_bind_link(struct mn_bind *bind, const struct mn_ast_link *ast,
                            struct mn_change **change);
enum mn_status mn_bind_unlink(struct mn_bind *bind, const struct mn_ast_link *ast,
                              struct mn_change **change);

/* Insert, Update or Delete: open does all of it, next gives the rows of RETURNING. */
struct mn_op *mn_op_change(struct mn_arena *arena, struct mn_change *change);

#endif
