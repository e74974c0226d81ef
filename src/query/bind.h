/*
 * bind: names become slots, and a statement a query that the planner can arrange.
 *
 *   mn_bind    the statement: schema, parameters, the one array of slots
 *   mn_block   one SELECT while it is bound: what its names may mean, the block around it
 *   mn_query   one SELECT, VALUES or set operation when it is bound
 *   mn_source  one thing in FROM; its columns get slots when somebody reads them
 *
 *   (B1) slots of different sources and queries are disjoint in the whole statement.
 *   (B2) a name is looked for in the sources of its own block, then the pseudo-columns, then the
 *        blocks around it; two hits in one step are an error that lists both.
 *   (B3) a column of an outer block is among the args of every subquery expression between, so that
 *        mn_expr_walk sees it.
 */
#ifndef MN_QUERY_BIND_H
#define MN_QUERY_BIND_H

#include "catalog/schema.h"
#include "query/agg.h"
#include "query/listing.h"
#include "query/op.h"
#include "query/rules.h"

#define MN_NO_SLOT UINT32_MAX

enum { MN_SOURCES_MAX = 64, MN_SLOTS_MAX = 100000 };

struct mn_query;
struct mn_source;
struct mn_plan;

struct mn_source_column {
    const char *name; /* "": nobody can name it */
    const char *of;   /* its qualifier, a variable of MATCH; NULL: the source's alias */
    struct mn_kind kind;
    uint32_t slot; /* MN_NO_SLOT: nobody reads it */
    bool hidden;   /* not among the columns of * */
    bool shown;    /* read by something other than its own block's WHERE and NEAREST */
};

enum mn_source_kind {
    MN_SOURCE_TABLE = 1,
    MN_SOURCE_QUERY,   /* a subquery or CTE: its columns are the query's output slots */
    MN_SOURCE_LISTING, /* tables(), columns('t'), ... */
    MN_SOURCE_SERIES,  /* generate_series(low, high[, step]) */
    MN_SOURCE_OTHER    /* makes its own operator */
};

struct mn_source {
    enum mn_source_kind kind;
    const char *alias; /* the name it goes by; NULL: none */
    struct mn_span span;
    const struct mn_table *table;
    uint32_t column_count;
    struct mn_source_column *columns;
    uint32_t row_id_slot; /* TABLE: MN_NO_SLOT when nobody reads it */
    struct mn_query *query;
    bool lateral; /* may read the slots of the sources before it */
    const struct mn_listing *listing;
    uint32_t arg_count;
    struct mn_expr **args;
    bool outer;         /* the right side of a LEFT JOIN */
    struct mn_expr *on; /* of its join; NULL: none */

    /* MN_SOURCE_OTHER: the operator that fills the slots of its columns. `where` are the conditions
     * that read this source alone; it sets those it has taken over to NULL. */
    struct mn_op *(*make)(struct mn_source *source, struct mn_plan *plan);
    void *own;
    uint32_t focus_first, focus_count; /* MATCH: columns that a bare name means before all others */
    struct mn_slot_list needs; /* slots of other sources that must be filled before it opens */
};

struct mn_output {
    const char *name;
    struct mn_expr *expr;
    struct mn_kind kind;
    uint32_t slot;
    struct mn_span span;
    const struct mn_ast_expr *ast; /* NULL: from a star */
};

enum mn_query_form { MN_QUERY_SELECT = 1, MN_QUERY_VALUES, MN_QUERY_SET };

struct mn_query {
    enum mn_query_form form;
    struct mn_span span;

    /* SELECT */
    uint32_t source_count;
    struct mn_source **sources;
    struct mn_expr *where;
    bool has_latest;
    struct mn_latest_spec latest; /* keep is the planner's */
    struct mn_source *latest_source;
    struct mn_nearest *nearest; /* op_nearest.c; NULL: none */
    bool grouped;
    uint32_t group_count, group_capacity;
    struct mn_assignment *groups;
    uint32_t agg_count, agg_capacity;
    struct mn_agg_call **aggs;
    uint32_t *agg_slots;
    struct mn_expr *having;
    bool distinct;

    /* VALUES */
    uint32_t row_count;
    struct mn_expr **rows; /* row_count times output_count */

    /* SET */
    enum mn_ast_set set;
    struct mn_query *left, *right;

    uint32_t output_count;
    struct mn_output *outputs;
    uint32_t key_count;
    struct mn_sort_key *keys;
    struct mn_expr *limit, *offset;
    bool project_first; /* keys read output slots: DISTINCT, set operations, volatile outputs */

    bool correlated;      /* reads slots of a block around it */
    bool unsteady;        /* something in it is volatile */
    uint32_t outer_count; /* the outer columns that it reads */
    struct mn_expr **outer_args;
    struct mn_query *next; /* of bind->subqueries */
    struct mn_op *op;      /* the planner's */

    /* One run's result of a subquery that is not correlated. */
    uint64_t cached_run;
    struct mn_value cached;
    struct mn_rowset cached_set;
    bool cached_null;
};

/* A WITH query that names may mean. */
struct mn_cte_scope {
    struct mn_cte_scope *outer;
    const struct mn_ast_cte *cte;
    struct mn_block *block; /* of the query that has the WITH */
    bool recursive;
};

struct mn_bind {
    struct mn_arena *arena;
    const struct mn_schema *schema;
    struct mn_view *view;
    struct mn_os *os;
    int64_t now_us;   /* for estimates */
    const char *text; /* of the statement: spans are offsets into it */
    struct mn_kind *param_kinds;
    uint32_t param_count;
    uint32_t slot_count;
    uint32_t depth;              /* queries around the one that is bound */
    uint32_t query_count;        /* all queries, each use of a WITH query counted anew */
    struct mn_query *subqueries; /* those that are values, linked by next: the planner's */
};

struct mn_block {
    struct mn_block *outer;
    struct mn_bind *bind;
    struct mn_query *query;
    struct mn_scope scope;
    const struct mn_ast_select *ast; /* NULL: not a SELECT */
    const char *clause;              /* for messages: "WHERE" */
    uint32_t first_source;           /* names see the sources from here on: not LATERAL */
    uint32_t source_end;
    bool no_sources;    /* a subquery in FROM sees none of its siblings */
    bool grouped_names; /* a column must be grouped, aggregates are allowed */
    bool alias_names;   /* a name may be an output's */
    bool in_aggregate;
    bool filtering;           /* its WHERE is being bound */
    struct mn_source *pseudo; /* distance, similarity, rank, score: set by NEAREST */
    const struct mn_ast_expr **group_asts;
    const struct mn_ast_expr **agg_asts;
    struct mn_expr **outer_args; /* slots of outer blocks that this one reads (B3) */
    size_t outer_count, outer_capacity;
    struct mn_cte_scope *ctes;
};

/* ---- bind.c ---- */

/* A query with what stands around it. `outer` may be NULL. */
enum mn_status mn_bind_query(struct mn_bind *bind, struct mn_block *outer,
                             const struct mn_ast_query *ast, struct mn_query **query);
/* Makes a block for expressions over the sources that query will have. */
void mn_block_init(struct mn_block *block, struct mn_bind *bind, struct mn_block *outer,
                   struct mn_query *query);
enum mn_status mn_bind_expr(struct mn_block *block, const char *clause,
                            const struct mn_ast_expr *ast, struct mn_expr **out);
enum mn_status mn_bind_condition(struct mn_block *block, const char *clause,
                                 const struct mn_ast_expr *ast, struct mn_expr **out);
/* SELECT's and RETURNING's columns into query->outputs. */
enum mn_status mn_bind_outputs(struct mn_block *block, const struct mn_ast_columns *columns);
/* Makes the WITH queries known to the block. */
enum mn_status mn_bind_ctes(struct mn_block *block, const struct mn_ast_with *with);
enum mn_status mn_query_new(struct mn_bind *bind, struct mn_query **query);

/* ---- bind_from.c ---- */

enum mn_status mn_bind_from(struct mn_block *block, const struct mn_ast_refs *refs);
enum mn_status mn_source_add(struct mn_block *block, const struct mn_source *source,
                             struct mn_source **out);
/* The source of a table, with a column for each of the table's. */
enum mn_status mn_source_table(struct mn_block *block, const struct mn_table *table,
                               const char *alias, struct mn_span span, struct mn_source **out);
enum mn_status mn_bind_table(struct mn_bind *bind, const struct mn_name *name,
                             const struct mn_table **table);
enum mn_status mn_bind_column_of(const struct mn_table *table, const struct mn_name *name,
                                 uint32_t *column);

/* ---- bind_name.c ---- */

uint32_t mn_slot_new(struct mn_bind *bind);
uint32_t mn_source_slot(struct mn_bind *bind, struct mn_source *source, uint32_t column);
uint32_t mn_source_row_id_slot(struct mn_bind *bind, struct mn_source *source);
/* A column by its name, as (B2) says. */
enum mn_status mn_bind_name(struct mn_block *block, const struct mn_ast_expr *ast,
                            struct mn_expr **out);
/* A column of this block's own sources: for BY and USING. */
enum mn_status mn_bind_field(struct mn_block *block, const struct mn_name *table,
                             const struct mn_name *column, struct mn_source **source,
                             uint32_t *index);

/* ---- bind_query_expr.c: subqueries as values ---- */

enum mn_status mn_bind_subquery(struct mn_block *block, const struct mn_ast_expr *ast,
                                struct mn_expr **out);

/* ---- bind_nearest.c, bind_match.c ---- */

/* Called for every SELECT when FROM and WHERE are bound: NEAREST, and ORDER BY a distance, which
 * `query` says. It may set query->nearest and block->pseudo. */
enum mn_status mn_bind_nearest(struct mn_block *block, const struct mn_ast_query *query);
enum mn_status mn_bind_match(struct mn_block *block, const struct mn_ast_ref *ref);
/* path_length(p), label(r): *out stays NULL where the call is of another function. */
enum mn_status mn_bind_path_call(struct mn_block *block, const struct mn_ast_expr *ast,
                                 struct mn_expr **out);

#endif
