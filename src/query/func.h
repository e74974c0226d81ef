/*
 * func: the scalar functions of the language, in one table.
 *
 * A row of the table is one function over arguments of fixed types; a name may have several rows,
 * of which the first that the arguments fit is taken, exact fits before those that convert INT to
 * FLOAT or a literal to what it spells. Rows stand in func_*.c by subject; docs/LANGUAGE.md lists
 * all of them, and a test compares the two.
 */
#ifndef MN_QUERY_FUNC_H
#define MN_QUERY_FUNC_H

#include "query/expr.h"

enum {
    MN_FUNC_ARGS_MAX = 100, /* arguments of one call */
    MN_FUNC_ANY = 255       /* in args: any type */
};

enum mn_func_flags {
    MN_FUNC_VOLATILE = 1, /* another value at each call */
    MN_FUNC_NULLS = 2,    /* is called with NULLs; else a NULL argument gives NULL */
    MN_FUNC_UNIFY = 4,    /* all arguments from `unify_from` on have one type, that of the result */
    MN_FUNC_REPEAT = 8    /* the last type in args repeats */
};

/* Arguments have the row's types or are NULL where MN_FUNC_NULLS allows it. */
typedef enum mn_status (*mn_func_fn)(const struct mn_value *args, uint32_t count,
                                     struct mn_eval *eval, struct mn_value *out);

struct mn_func {
    const char *name;
    uint8_t min, max; /* arguments */
    uint8_t args[4];  /* enum mn_type or MN_FUNC_ANY */
    uint8_t result;   /* enum mn_type; MN_TYPE_NULL with MN_FUNC_UNIFY */
    uint8_t flags;
    uint8_t unify_from;
    mn_func_fn call;
    const char *usage; /* "round(x [, digits])" */
    const char *what;  /* one line for .help and docs */
};

/* A table of one subject, ended by a row without a name. */
extern const struct mn_func mn_funcs_time[], mn_funcs_text[], mn_funcs_math[], mn_funcs_other[];

/* Row `index` of all tables together; NULL behind the last. */
const struct mn_func *mn_func_at(uint32_t index);
bool mn_func_exists(const char *name, size_t length);

/*
 * The call of a function over arguments that are built already; they are converted to the row's
 * types. MN_SCHEMA: no function of that name; MN_TYPE: none for these arguments.
 */
enum mn_status mn_func_build(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                             struct mn_expr **args, struct mn_expr **out);

/* Lets a function prepare what its constant arguments tell; `node` is its call. */
enum mn_status mn_func_prepare(const struct mn_scope *scope, struct mn_expr *node);

#endif
