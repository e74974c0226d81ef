/*
 * ast: what a statement says, before anybody asked whether its names exist.
 *
 *   mn_statement --- kind --+-- query     SELECT, VALUES and what stands around them
 *                           +-- insert    INSERT, UPSERT
 *                           +-- update, remove, link, copy, watch ...
 *   mn_ast_query  = WITH .. body ORDER BY .. LIMIT ..
 *   mn_ast_body   = SELECT core | VALUES | body UNION body | ( query )
 *
 *   (A1) every node lies in the arena given to mn_parse and is never changed after it.
 *   (A2) every span lies inside the text given to mn_parse; text[span] is the SQL of the node,
 *        parentheses around an expression included.
 *   (A3) names are folded (ASCII, unless quoted) and NUL-terminated; an absent name has text NULL.
 *   (A4) lists are linked by `next`; `count` is their length, `first` NULL when empty.
 *   (A5) no node lies deeper than MN_AST_DEPTH_MAX, queries inside queries counted, so a walk over
 *        the tree may recurse.
 */
#ifndef MN_QUERY_AST_H
#define MN_QUERY_AST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "catalog/value.h"
#include "index/vector/distance.h"

enum { MN_AST_DEPTH_MAX = 1000 };

struct mn_span {
    uint32_t offset, length;
};

struct mn_name {
    const char *text; /* NULL: not given */
    uint32_t length;
    bool quoted; /* written "so" */
    struct mn_span span;
};

struct mn_ast_name {
    struct mn_ast_name *next;
    struct mn_name name;
};

struct mn_ast_names {
    struct mn_ast_name *first, *last;
    uint32_t count;
    struct mn_span span;
};

/* ---- expressions --------------------------------------------------------------------------- */

enum mn_ast_kind {
    MN_AST_LITERAL = 1, /* literal; a TEXT literal may yet become a TIMESTAMP by its context */
    MN_AST_PARAM,       /* param */
    MN_AST_COLUMN,      /* column: [table.]name; also TRUE-like words such as current_timestamp */
    MN_AST_UNARY,       /* unary: - NOT */
    MN_AST_BINARY,      /* binary */
    MN_AST_IS,          /* is: x IS [NOT] NULL, TRUE, FALSE */
    MN_AST_LIKE,        /* like: x [NOT] LIKE, ILIKE, MATCH pattern [ESCAPE e] */
    MN_AST_BETWEEN,     /* between */
    MN_AST_IN,          /* in: x [NOT] IN (list), (query), a parameter that is a list */
    MN_AST_QUANTIFIED,  /* quantified: x = ANY (..), x <> ALL (..) */
    MN_AST_CALL,        /* call */
    MN_AST_CASE,        /* when */
    MN_AST_CAST,        /* cast: CAST(x AS t), x::t */
    MN_AST_EXISTS,      /* query */
    MN_AST_SUBQUERY,    /* query: ( SELECT .. ) as a value */
    MN_AST_LIST,        /* list: [a, b], ARRAY[a, b] */
    MN_AST_ELEMENT,     /* element: x[i] */
    MN_AST_DEFAULT      /* the word DEFAULT, in VALUES of INSERT and in SET only */
};

enum mn_ast_op {
    MN_OP_NONE,
    MN_OP_NEGATE, /* unary */
    MN_OP_NOT,    /* unary */
    MN_OP_OR,
    MN_OP_AND,
    MN_OP_EQ,
    MN_OP_NE,
    MN_OP_LT,
    MN_OP_LE,
    MN_OP_GT,
    MN_OP_GE,
    MN_OP_DISTINCT,     /* IS DISTINCT FROM */
    MN_OP_NOT_DISTINCT, /* IS NOT DISTINCT FROM */
    MN_OP_ADD,
    MN_OP_SUB,
    MN_OP_MUL,
    MN_OP_DIV,
    MN_OP_REM,
    MN_OP_CONCAT,   /* || */
    MN_OP_DISTANCE, /* <-> <=> <#>, see metric */
    MN_OP_ARROW,    /* -> */
    MN_OP_ARROW2    /* ->> */
};

enum mn_ast_like { MN_LIKE, MN_ILIKE, MN_LIKE_MATCH };
enum mn_ast_is { MN_IS_NULL, MN_IS_TRUE, MN_IS_FALSE };
enum mn_ast_nulls { MN_NULLS_DEFAULT, MN_NULLS_FIRST, MN_NULLS_LAST }; /* default: last */

struct mn_ast_expr;
struct mn_ast_query;

struct mn_ast_exprs {
    struct mn_ast_expr *first, *last;
    uint32_t count;
};

/* ORDER BY, and the columns of an index. */
struct mn_ast_sort {
    struct mn_ast_sort *next;
    struct mn_ast_expr *expr;
    struct mn_name opclass; /* of an index column: vector_cosine_ops */
    bool descending;
    enum mn_ast_nulls nulls;
    struct mn_span span;
};

struct mn_ast_sorts {
    struct mn_ast_sort *first, *last;
    uint32_t count;
};

struct mn_ast_type {
    struct mn_kind kind;
    bool serial; /* SERIAL, BIGSERIAL */
    struct mn_span span;
};

struct mn_ast_when {
    struct mn_ast_when *next;
    struct mn_ast_expr *condition, *value;
};

struct mn_ast_call {
    struct mn_name name;
    bool star;     /* count(*) */
    bool distinct; /* count(DISTINCT x) */
    struct mn_ast_exprs args;
    struct mn_ast_sorts order;  /* list(x ORDER BY y) */
    struct mn_ast_expr *filter; /* FILTER (WHERE ..), NULL: none */
};

struct mn_ast_expr {
    enum mn_ast_kind kind;
    uint16_t depth; /* of the tree below, 1 for a leaf */
    struct mn_span span;
    struct mn_ast_expr *next; /* in a list */
    union {
        struct mn_value literal;
        uint32_t param; /* from 1 */
        struct {
            struct mn_name table, name;
        } column;
        struct {
            enum mn_ast_op op;
            struct mn_ast_expr *arg;
        } unary;
        struct {
            enum mn_ast_op op;
            enum mn_metric metric; /* of MN_OP_DISTANCE */
            struct mn_span op_span;
            struct mn_ast_expr *left, *right;
        } binary;
        struct {
            enum mn_ast_is what;
            bool negated;
            struct mn_ast_expr *arg;
        } is;
        struct {
            enum mn_ast_like how;
            bool negated;
            struct mn_ast_expr *arg, *pattern, *escape; /* escape NULL: none given */
        } like;
        struct {
            bool negated;
            struct mn_ast_expr *arg, *low, *high;
        } between;
        struct {
            bool negated;
            struct mn_ast_expr *arg;
            struct mn_ast_exprs list;   /* of IN (a, b); may be empty */
            struct mn_ast_query *query; /* of IN (SELECT ..); NULL: list or param */
            struct mn_ast_expr *param;  /* of IN $list; NULL: list or query */
        } in;
        struct {
            bool all; /* <> ALL; else = ANY */
            struct mn_ast_expr *arg;
            struct mn_ast_expr *list;   /* an expression that is a list, or NULL */
            struct mn_ast_query *query; /* or a query */
        } quantified;
        struct mn_ast_call call;
        struct {
            struct mn_ast_expr *operand; /* CASE x WHEN ..; NULL: CASE WHEN .. */
            struct mn_ast_when *first;
            struct mn_ast_expr *otherwise; /* NULL: none */
        } when;
        struct {
            struct mn_ast_expr *arg;
            struct mn_ast_type type;
        } cast;
        struct mn_ast_query *query;
        struct mn_ast_exprs list;
        struct {
            struct mn_ast_expr *arg, *index;
        } element;
    };
};

/* ---- patterns ------------------------------------------------------------------------------ */

enum mn_ast_selector {
    MN_PATH_WALK, /* none written: each reachable end once */
    MN_PATH_ANY,
    MN_PATH_ANY_SHORTEST,
    MN_PATH_ALL_SHORTEST,
    MN_PATH_SHORTEST_K,
    MN_PATH_ANY_CHEAPEST,
    MN_PATH_ALL,
    MN_PATH_TRAIL,
    MN_PATH_SIMPLE
};

enum mn_ast_direction { MN_EDGE_RIGHT, MN_EDGE_LEFT, MN_EDGE_BOTH };

#define MN_HOPS_UNBOUNDED UINT32_MAX

/* A node (a:t WHERE ..), or the edge -[r:t WHERE .. COST ..]->{1,3}. */
struct mn_ast_step {
    struct mn_ast_step *next; /* nodes and edges in turn, a node first and last */
    struct mn_span span;
    bool edge;
    struct mn_name variable;
    struct mn_ast_names labels; /* a|b */
    struct mn_ast_expr *where;
    struct mn_ast_expr *cost; /* edges only, as all that follows */
    enum mn_ast_direction direction;
    bool quantified;             /* {..}, * or + was written; else min = max = 1 */
    uint32_t hops_min, hops_max; /* MN_HOPS_UNBOUNDED: no upper bound */
};

struct mn_ast_path {
    struct mn_ast_path *next;
    struct mn_span span;
    struct mn_name variable; /* p = .. */
    enum mn_ast_selector selector;
    uint64_t selector_k; /* SHORTEST k */
    struct mn_ast_step *first, *last;
    uint32_t step_count;
};

struct mn_ast_paths {
    struct mn_ast_path *first, *last;
    uint32_t count;
};

/* ---- FROM ---------------------------------------------------------------------------------- */

enum mn_ast_point { MN_POINT_NONE, MN_POINT_VERSION, MN_POINT_SNAPSHOT, MN_POINT_TIME };

struct mn_ast_asof {
    enum mn_ast_point point;
    struct mn_ast_expr *expr; /* VERSION and TIME */
    struct mn_name snapshot;
    struct mn_span span;
};

enum mn_ast_ref_kind {
    MN_REF_TABLE = 1, /* name [AS OF ..] */
    MN_REF_FUNCTION,  /* name(args) */
    MN_REF_QUERY,     /* (query), LATERAL (query) */
    MN_REF_MATCH,     /* MATCH paths [AS OF ..] */
    MN_REF_GRAPH,     /* GRAPH_TABLE (.. COLUMNS ..) */
    MN_REF_JOIN
};

enum mn_ast_join { MN_JOIN_INNER, MN_JOIN_LEFT, MN_JOIN_CROSS };

struct mn_ast_columns;

struct mn_ast_ref {
    enum mn_ast_ref_kind kind;
    uint16_t depth;
    struct mn_span span;
    struct mn_ast_ref *next;
    struct mn_name alias;        /* text NULL: none written */
    struct mn_ast_names columns; /* t(a, b) */
    union {
        struct {
            struct mn_name name;
            struct mn_ast_asof asof;
        } table;
        struct {
            struct mn_name name;
            struct mn_ast_exprs args;
        } function;
        struct {
            struct mn_ast_query *query;
            bool lateral;
        } query;
        struct {
            struct mn_ast_paths paths;
            struct mn_ast_asof asof;         /* MATCH only */
            struct mn_ast_expr *where;       /* GRAPH_TABLE, and EXISTS (MATCH ..) has it in its
                                                SELECT */
            struct mn_ast_columns *selected; /* GRAPH_TABLE's COLUMNS, else NULL */
        } match;
        struct {
            enum mn_ast_join how;
            struct mn_ast_ref *left, *right;
            struct mn_ast_expr *on; /* NULL: CROSS, USING or LEFT JOIN MATCH */
            struct mn_ast_names using;
        } join;
    };
};

struct mn_ast_refs {
    struct mn_ast_ref *first, *last;
    uint32_t count;
};

/* ---- queries ------------------------------------------------------------------------------- */

struct mn_ast_column {
    struct mn_ast_column *next;
    struct mn_span span;
    bool star;                /* * or table.* */
    struct mn_name table;     /* of table.* */
    struct mn_ast_expr *expr; /* NULL: a star */
    struct mn_name alias;
};

struct mn_ast_columns {
    struct mn_ast_column *first, *last;
    uint32_t count;
};

struct mn_ast_target {
    struct mn_ast_target *next;
    struct mn_span span;
    struct mn_name table, column; /* BY [table.]column; absent: the only VECTOR column */
    struct mn_ast_expr *to;
    struct mn_ast_expr *weight; /* NULL: none */
};

struct mn_ast_nearest {
    struct mn_ast_expr *k;
    struct mn_ast_target *first, *last;
    uint32_t target_count;
    struct mn_name fuse; /* rrf, linear */
    struct mn_ast_expr *fuse_arg;
    struct mn_ast_expr *within, *effort;
    bool exact;
    struct mn_name metric;
    struct mn_span span;
};

/* One [table.]column. */
struct mn_ast_field {
    struct mn_ast_field *next;
    struct mn_name table, column;
};

struct mn_ast_fields {
    struct mn_ast_field *first, *last;
    uint32_t count;
};

struct mn_ast_latest {
    struct mn_ast_expr *n; /* NULL: 1 */
    struct mn_ast_fields by;
    struct mn_name time_table, time_column; /* USING */
    struct mn_span span;
};

struct mn_ast_select {
    bool distinct;
    struct mn_ast_columns columns;
    struct mn_ast_refs from;
    struct mn_ast_expr *where;
    struct mn_ast_nearest *nearest; /* at most one of these two */
    struct mn_ast_latest *latest;
    struct mn_ast_exprs group;
    bool group_all; /* GROUP BY ALL */
    struct mn_ast_expr *having;
};

struct mn_ast_row {
    struct mn_ast_row *next;
    struct mn_ast_exprs values; /* may hold MN_AST_DEFAULT */
    struct mn_span span;
};

struct mn_ast_rows {
    struct mn_ast_row *first, *last;
    uint32_t count;
};

enum mn_ast_body_kind { MN_BODY_SELECT = 1, MN_BODY_VALUES, MN_BODY_SET, MN_BODY_NESTED };
enum mn_ast_set { MN_SET_UNION, MN_SET_UNION_ALL, MN_SET_EXCEPT, MN_SET_INTERSECT };

struct mn_ast_body {
    enum mn_ast_body_kind kind;
    uint16_t depth;
    struct mn_span span;
    union {
        struct mn_ast_select select;
        struct mn_ast_rows values;
        struct {
            enum mn_ast_set op;
            struct mn_ast_body *left, *right;
        } set;
        struct mn_ast_query *nested; /* ( query ) */
    };
};

struct mn_ast_cte {
    struct mn_ast_cte *next;
    struct mn_name name;
    struct mn_ast_names columns;
    struct mn_ast_query *query;
};

struct mn_ast_with {
    bool recursive;
    struct mn_ast_cte *first, *last;
    uint32_t count;
};

struct mn_ast_query {
    struct mn_span span;
    uint16_t depth;
    struct mn_ast_with with;
    struct mn_ast_body *body;
    struct mn_ast_sorts order;
    struct mn_ast_expr *limit; /* NULL: none, or LIMIT ALL */
    struct mn_ast_expr *offset;
};

/* ---- statements that change ---------------------------------------------------------------- */

struct mn_ast_set_item {
    struct mn_ast_set_item *next;
    struct mn_name column;
    struct mn_ast_expr *value; /* may be MN_AST_DEFAULT itself */
};

struct mn_ast_sets {
    struct mn_ast_set_item *first, *last;
    uint32_t count;
};

enum mn_ast_conflict { MN_CONFLICT_NONE, MN_CONFLICT_NOTHING, MN_CONFLICT_UPDATE };

struct mn_ast_insert {
    struct mn_ast_with with;
    bool upsert; /* UPSERT INTO */
    struct mn_name table;
    struct mn_ast_names columns; /* empty: all */
    struct mn_ast_query *source; /* NULL: DEFAULT VALUES */
    enum mn_ast_conflict conflict;
    struct mn_ast_names conflict_target;
    struct mn_ast_sets conflict_sets;
    struct mn_ast_expr *conflict_where;
    struct mn_ast_columns returning;
};

struct mn_ast_update {
    struct mn_ast_with with;
    struct mn_name table, alias;
    struct mn_ast_sets sets;
    struct mn_ast_refs from;
    struct mn_ast_expr *where;
    struct mn_ast_columns returning;
};

struct mn_ast_delete {
    struct mn_ast_with with;
    struct mn_name table, alias;
    struct mn_ast_refs using;
    struct mn_ast_expr *where;
    struct mn_ast_columns returning;
};

/* LINK and UNLINK. */
struct mn_ast_link {
    struct mn_ast_expr *from, *to;
    struct mn_name relation;
    struct mn_ast_sets sets;
    struct mn_ast_columns returning;
};

/* WITH (name = value): the value is a scalar; NULL with `given` false where only the name stands.
 */
struct mn_ast_option {
    struct mn_ast_option *next;
    struct mn_name name;
    bool given;
    bool word; /* the value was a bare word: TEXT, folded */
    struct mn_value value;
    struct mn_span value_span;
    struct mn_ast_names names; /* (a, b): columns */
};

struct mn_ast_options {
    struct mn_ast_option *first, *last;
    uint32_t count;
};

struct mn_ast_copy {
    struct mn_name table;
    struct mn_ast_names columns;
    struct mn_ast_query *query; /* COPY (query) TO; table is absent then */
    bool to;                    /* else FROM */
    struct mn_ast_expr *file;   /* a TEXT literal or a parameter */
    struct mn_ast_options options;
};

/* ---- definitions --------------------------------------------------------------------------- */

enum mn_ast_on_delete { MN_ON_DELETE_NO_ACTION, MN_ON_DELETE_CASCADE, MN_ON_DELETE_SET_NULL };

struct mn_ast_reference {
    struct mn_name table; /* text NULL: none */
    struct mn_ast_names columns;
    enum mn_ast_on_delete on_delete;
    struct mn_span span;
};

enum mn_ast_constraint_kind {
    MN_CONSTRAINT_PRIMARY = 1,
    MN_CONSTRAINT_UNIQUE,
    MN_CONSTRAINT_CHECK,
    MN_CONSTRAINT_FOREIGN
};

/* Of the table, and the CHECKs of its columns. */
struct mn_ast_constraint {
    struct mn_ast_constraint *next;
    enum mn_ast_constraint_kind kind;
    struct mn_name name;
    struct mn_ast_names columns;
    struct mn_ast_expr *check;
    struct mn_ast_reference reference;
    struct mn_span span;
};

struct mn_ast_constraints {
    struct mn_ast_constraint *first, *last;
    uint32_t count;
};

struct mn_ast_coldef {
    struct mn_ast_coldef *next;
    struct mn_name name;
    struct mn_ast_type type;
    bool not_null, primary, unique;
    bool autoincrement;              /* the word, or a SERIAL type */
    struct mn_ast_expr *default_to;  /* its SQL is text[span] */
    struct mn_ast_constraints check; /* each MN_CONSTRAINT_CHECK */
    struct mn_ast_reference reference;
    struct mn_span span;
};

struct mn_ast_coldefs {
    struct mn_ast_coldef *first, *last;
    uint32_t count;
    struct mn_ast_constraints constraints; /* those that stand between the columns */
};

struct mn_ast_create_table {
    bool if_not_exists;
    struct mn_name name;
    struct mn_ast_coldefs columns;
    struct mn_ast_options options;
    struct mn_name from, to; /* CREATE RELATION only */
};

struct mn_ast_create_index {
    bool if_not_exists, unique;
    struct mn_name name; /* may be absent */
    struct mn_name table;
    struct mn_ast_sorts columns;
    struct mn_name method; /* USING btree, vector, hnsw, ...; may be absent */
    struct mn_ast_options options;
};

enum mn_ast_object { MN_OBJECT_TABLE, MN_OBJECT_RELATION, MN_OBJECT_INDEX, MN_OBJECT_SNAPSHOT };

struct mn_ast_drop {
    enum mn_ast_object object;
    bool if_exists, cascade;
    struct mn_name name;
};

enum mn_ast_alter_kind {
    MN_ALTER_ADD = 1,
    MN_ALTER_DROP,
    MN_ALTER_RENAME_COLUMN,
    MN_ALTER_RENAME,
    MN_ALTER_SET
};

struct mn_ast_alter {
    enum mn_ast_alter_kind kind;
    struct mn_name table;
    bool if_clause; /* ADD IF NOT EXISTS, DROP IF EXISTS */
    struct mn_ast_coldef *add;
    struct mn_name column;  /* DROP, RENAME COLUMN */
    struct mn_name renamed; /* the new name */
    struct mn_ast_options options;
};

/* ---- transactions and settings ------------------------------------------------------------- */

enum mn_ast_begin { MN_AST_BEGIN_DEFERRED, MN_AST_BEGIN_READ, MN_AST_BEGIN_WRITE };

struct mn_ast_txn {
    enum mn_ast_begin mode; /* BEGIN */
    struct mn_ast_asof asof;
    struct mn_name savepoint; /* SAVEPOINT, RELEASE; ROLLBACK TO, else absent */
};

struct mn_ast_watch {
    struct mn_name table;
    struct mn_ast_expr *where, *since;
};

enum mn_statement_kind {
    MN_STATEMENT_QUERY = 1,
    MN_STATEMENT_INSERT, /* UPSERT too */
    MN_STATEMENT_UPDATE,
    MN_STATEMENT_DELETE,
    MN_STATEMENT_LINK,
    MN_STATEMENT_UNLINK,
    MN_STATEMENT_COPY,
    MN_STATEMENT_CREATE_TABLE,
    MN_STATEMENT_CREATE_RELATION,
    MN_STATEMENT_CREATE_INDEX,
    MN_STATEMENT_CREATE_SNAPSHOT, /* name */
    MN_STATEMENT_DROP,
    MN_STATEMENT_ALTER,
    MN_STATEMENT_BEGIN,
    MN_STATEMENT_COMMIT,
    MN_STATEMENT_ROLLBACK,
    MN_STATEMENT_SAVEPOINT,
    MN_STATEMENT_RELEASE,
    MN_STATEMENT_PRAGMA, /* pragma: its value is `given` or not */
    MN_STATEMENT_WATCH
};

enum mn_explain { MN_EXPLAIN_NONE, MN_EXPLAIN_PLAN, MN_EXPLAIN_ANALYZE };

/* A parameter as the statement names it; its number is its place + 1. */
struct mn_ast_param {
    const char *name;    /* without the $, NUL-terminated; NULL: it has only a number */
    struct mn_span span; /* where it stands first; length 0: a number that is skipped */
};

struct mn_statement {
    enum mn_statement_kind kind;
    enum mn_explain explain;
    struct mn_span span; /* of the whole statement, without the semicolon */
    uint32_t param_count;
    const struct mn_ast_param *params;
    union {
        struct mn_ast_query *query;
        struct mn_ast_insert *insert;
        struct mn_ast_update *update;
        struct mn_ast_delete *remove;
        struct mn_ast_link *link;
        struct mn_ast_copy *copy;
        struct mn_ast_create_table *create_table;
        struct mn_ast_create_index *create_index;
        struct mn_ast_drop *drop;
        struct mn_ast_alter *alter;
        struct mn_ast_txn *txn;
        struct mn_ast_option *pragma;
        struct mn_ast_watch *watch;
        struct mn_name snapshot;
    };
};

/* ---- help for walkers ---------------------------------------------------------------------- */

/* The operator as it is written: "+", "IS DISTINCT FROM". */
const char *mn_ast_op_text(enum mn_ast_op op, enum mn_metric metric);

/* True where two expressions say the same: names, literals and structure, spans aside. Queries
 * inside are equal only when they are the same node. GROUP BY and ORDER BY ask this. */
bool mn_ast_same(const struct mn_ast_expr *a, const struct mn_ast_expr *b);

/* Calls visit for each expression directly below this one, left to right; not into queries. Stops
 * at the first status that is not MN_OK and returns it. */
typedef enum mn_status (*mn_ast_visit)(void *context, struct mn_ast_expr *child);
enum mn_status mn_ast_children(const struct mn_ast_expr *expr, mn_ast_visit visit, void *context);

#endif
