/*
 * match: a MATCH when it is bound: variables, edges and what is said of them.
 *
 *   FROM MATCH p = (m:memory WHERE m.id = 7)-[r:supports]->{1,3}(n)
 *
 *   elements   m node of memory     r edge, one hop: supports, forward     n node of memory
 *   paths      p: m, r, n           length of p: the depth that PathSearch finds for r
 *
 * All variables are columns of one source, told apart by their qualifier (mn_source_column.of).
 * Some of its columns have no name: row ids, depths, labels; they are there so that a LEFT JOIN
 * without a match makes them NULL.
 *
 *   (P1) an element that stands twice is one element; a node named like an alias that is known
 *        already is that alias' row and has no columns here.
 *   (P2) when binding is done every node has its table and every edge its hops.
 */
#ifndef MN_QUERY_MATCH_H
#define MN_QUERY_MATCH_H

#include "query/bind.h"
#include "query/op_match.h"

enum { MN_MATCH_ELEMENTS_MAX = 64, MN_MATCH_TABLES_MAX = 64 };

struct mn_match_element {
    const char *name; /* NULL: anonymous */
    struct mn_span span;
    bool edge;
    const struct mn_ast_step *step;
    uint32_t first_column, column_count; /* in the source; none where it is another alias' row */
    uint32_t id_column;                  /* row id; of a quantified edge its depth */
    uint32_t column_total;               /* all from first_column on, nameless ones too */

    /* nodes */
    const struct mn_table *table;
    struct mn_source *alias;   /* (P1) */
    struct mn_expr *alias_id;  /* the row id in that alias, or */
    struct mn_expr *alias_key; /* the value of its key column: the row is looked up */
    struct mn_expr *key_equal; /* key column = alias_key */
    uint32_t key_column;

    /* edges, as written: from left to right */
    uint32_t left, right; /* elements */
    uint32_t relation_count;
    const struct mn_table **relations;
    uint32_t hop_count;
    struct mn_hop *hops;   /* numbers of tables: places in mn_match.tables */
    uint32_t *column_of;   /* for each column here its place in relations[0] */
    uint32_t label_column; /* UINT32_MAX: nobody asks */
    struct mn_expr *admit; /* WHERE of a quantified edge */
};

struct mn_match_path {
    const char *name;     /* NULL: anonymous */
    uint32_t first, last; /* places in mn_match.steps, nodes and edges in turn */
};

struct mn_match {
    struct mn_block *block;
    struct mn_source *source;
    uint32_t element_count;
    struct mn_match_element elements[MN_MATCH_ELEMENTS_MAX];
    uint32_t step_count;
    uint32_t steps[2 * MN_MATCH_ELEMENTS_MAX]; /* elements in the order of the text */
    uint32_t path_count;
    struct mn_match_path paths[MN_MATCH_ELEMENTS_MAX];
    uint32_t table_count;
    const struct mn_table *tables[MN_MATCH_TABLES_MAX]; /* by the numbers that hops use */
    uint32_t where_count, where_capacity;
    struct mn_expr **where; /* conditions of nodes and of edges without quantifier */
};

/* ---- match_label.c: labels, tables, hops ---- */

/* Finds every node's table and every edge's hops (P2). MN_SCHEMA. */
enum mn_status mn_match_resolve(struct mn_match *match);

/* ---- match_plan.c ---- */

/* The operators of the pattern: mn_source.make. */
struct mn_op *mn_match_make(struct mn_source *source, struct mn_plan *plan);

/* ---- match_call.c ---- */

/* The slot of the row id of the node that a column of the source belongs to. */
uint32_t mn_match_row_id_slot(const struct mn_source *source, uint32_t column);

/* Where the expression is path_length of a path of this match: its number, else UINT32_MAX. */
uint32_t mn_match_length_of(const struct mn_match *match, const struct mn_expr *expr);

#endif
