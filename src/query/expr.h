/*
 * expr: an expression whose names are resolved and whose types are known, ready to be evaluated.
 *
 *   mn_ast_expr --- mn_expr_build, with a scope that knows the names ---> mn_expr --- eval --->
 * value
 *
 * All query blocks of a statement share one array of slots with disjoint ranges: a column is a slot
 * that an operator fills, and a correlated subquery reads the slots of the blocks around it.
 *
 *   (E1) an expression lies in the arena of the statement, is never changed after it was built, and
 *        keeps no state: all that changes is in mn_eval.
 *   (E2) bytes of a result lie in eval->scratch, in a slot's value, in a parameter, or in the
 *        expression; the caller copies what must outlive them.
 *   (E3) every error carries the span of the node that caused it.
 */
#ifndef MN_QUERY_EXPR_H
#define MN_QUERY_EXPR_H

#include "os/file.h"
#include "query/ast.h"

struct mn_expr;

/* What an evaluation sees. */
struct mn_eval {
    struct mn_value *slots;        /* of the whole statement */
    const struct mn_value *params; /* parameter i at i - 1, already of the kind it is used as */
    struct mn_arena *scratch;      /* rewound by the operators */
    int64_t now_us;                /* now(), fixed for the statement */
    struct mn_os *os;              /* for random() and uuid7() */
    void *exec;                    /* struct mn_exec, for the nodes that the binder makes */
};

typedef enum mn_status (*mn_expr_fn)(const struct mn_expr *expr, struct mn_eval *eval,
                                     struct mn_value *out);

/* What the planner may know of a node without evaluating it. */
enum mn_expr_form {
    MN_EXPR_CONSTANT = 1, /* value */
    MN_EXPR_PARAM,        /* slot: its number, from 1 */
    MN_EXPR_SLOT,         /* slot */
    MN_EXPR_OP,           /* op over args; AND and OR have two; BETWEEN is an AND of two */
    MN_EXPR_IS_NULL,      /* args[0] IS [NOT] NULL */
    MN_EXPR_IN,           /* args[0] [NOT] IN (args[1] ..) */
    MN_EXPR_LIKE,         /* args[0] LIKE args[1]; see op_data for the rest */
    MN_EXPR_OTHER         /* functions, CASE, casts, lists, and what the binder makes */
};

struct mn_expr {
    mn_expr_fn eval;
    uint8_t form;   /* enum mn_expr_form */
    uint8_t op;     /* enum mn_ast_op, of MN_EXPR_OP */
    uint8_t metric; /* enum mn_metric, of MN_OP_DISTANCE */
    bool negated;
    bool fixed;          /* nothing below reads a slot or is volatile: one value a statement */
    bool unsteady;       /* something below is volatile: random(), uuid7() */
    bool literal;        /* a TEXT literal or parameter that may become what its context needs */
    bool not_null;       /* can never be NULL */
    struct mn_kind kind; /* type MN_TYPE_NULL: only NULL, or not known before it runs */
    uint32_t slot;
    struct mn_span span;
    struct mn_value value;
    uint32_t arg_count;
    struct mn_expr **args; /* all expressions directly below that are evaluated with the node */
    const void *data;      /* the function's own */
};

static inline enum mn_status mn_expr_eval(const struct mn_expr *expr, struct mn_eval *eval,
                                          struct mn_value *out)
{
    if (expr->form == MN_EXPR_SLOT) {
        *out = eval->slots[expr->slot];
        return MN_OK;
    }
    return expr->eval(expr, eval, out);
}

/* A condition: *yes is false for NULL. The expression is of type BOOL (mn_expr_condition). */
enum mn_status mn_expr_test(const struct mn_expr *expr, struct mn_eval *eval, bool *yes);

/*
 * Who resolves names. `hook` is asked first for every node: where it leaves *out NULL the builder
 * makes the node itself, and its children by the same scope. It must answer columns, subqueries,
 * EXISTS, IN (query), = ANY (query) and DEFAULT; it may answer anything: aggregates, path
 * functions, an expression that GROUP BY has computed.
 */
struct mn_scope {
    struct mn_arena *arena;
    struct mn_kind *param_kinds; /* parameter i at i - 1; MN_TYPE_NULL: no context has typed it */
    uint32_t param_count;
    void *context;
    enum mn_status (*hook)(void *context, const struct mn_scope *scope,
                           const struct mn_ast_expr *ast, struct mn_expr **out);
};

/* MN_TYPE, MN_SCHEMA (unknown function), MN_RANGE (a constant that overflows), MN_NOMEM, and what
 * the hook answers. Constant parts are computed. */
enum mn_status mn_expr_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                             struct mn_expr **out);
/* The same, and it must be a BOOL (or NULL). `clause` is for the message: "WHERE". */
enum mn_status mn_expr_condition(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                                 const char *clause, struct mn_expr **out);
/*
 * Makes *expr give values of a kind exactly, by what is allowed unasked (mn_value_assign): INT to
 * FLOAT, literals and parameters of TEXT, lists to vectors; types a parameter that has no type yet.
 * `what` is for the message: "column at of memory".
 */
enum mn_status mn_expr_assign(const struct mn_scope *scope, const struct mn_kind *kind,
                              const char *what, struct mn_expr **expr);
/* Makes both sides comparable, or several alternatives of one kind (set operations, IN, CASE). */
enum mn_status mn_expr_unify(const struct mn_scope *scope, struct mn_expr **a, struct mn_expr **b);

struct mn_expr *mn_expr_slot(struct mn_arena *arena, uint32_t slot, const struct mn_kind *kind,
                             struct mn_span span); /* NULL: no memory */
struct mn_expr *mn_expr_constant(struct mn_arena *arena, const struct mn_value *value,
                                 struct mn_span span);
/* a AND b, where a may be NULL. */
struct mn_expr *mn_expr_and(struct mn_arena *arena, struct mn_expr *a, struct mn_expr *b);

/* Calls visit for the node and every node below it, the inside of subqueries left out. */
typedef void (*mn_expr_visit)(void *context, const struct mn_expr *expr);
void mn_expr_walk(const struct mn_expr *expr, mn_expr_visit visit, void *context);

/* The name nearest to a misspelt one, NULL where none is near: for "did you mean". `each` is called
 * with index 0, 1, ... until it answers NULL. */
const char *mn_name_near(const char *name, const char *(*each)(void *context, uint32_t index),
                         void *context);

#endif
