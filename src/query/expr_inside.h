/*
 * expr_inside: what the files that build and evaluate expressions share.
 */
#ifndef MN_QUERY_EXPR_INSIDE_H
#define MN_QUERY_EXPR_INSIDE_H

#include "query/expr.h"

/* A node in the arena with room for its arguments, all flags as of no arguments; NULL: no memory.
 */
struct mn_expr *mn_expr_node(struct mn_arena *arena, mn_expr_fn eval, struct mn_span span,
                             uint32_t arg_count);
/* Gathers fixed and unsteady from the arguments, and computes the node where all are constants. */
enum mn_status mn_expr_finish(struct mn_arena *arena, struct mn_expr **expr);

/* True for a parameter whose type nothing has told yet. */
static inline bool mn_expr_untyped(const struct mn_expr *expr)
{
    return expr->form == MN_EXPR_PARAM && expr->kind.type == MN_TYPE_NULL;
}

static inline bool mn_expr_is_number(const struct mn_expr *expr)
{
    return expr->kind.type == MN_TYPE_INT || expr->kind.type == MN_TYPE_FLOAT;
}

/* expr_op.c: unary and binary operators over arguments that are built. */
enum mn_status mn_expr_unary(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                             struct mn_expr *arg, struct mn_expr **out);
enum mn_status mn_expr_binary(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                              struct mn_expr *left, struct mn_expr *right, struct mn_expr **out);
/* A comparison (MN_OP_EQ to MN_OP_GE) made by another form: CASE x WHEN y, BETWEEN. */
enum mn_status mn_expr_compare(const struct mn_scope *scope, enum mn_ast_op op, struct mn_span span,
                               struct mn_expr *sides[2], struct mn_expr **out);
/* As mn_expr_unify, but INT and FLOAT stay as they are: they compare exactly. */
enum mn_status mn_expr_comparable(const struct mn_scope *scope, struct mn_expr **a,
                                  struct mn_expr **b);

/* expr_arith.c */
enum mn_status mn_arith(enum mn_ast_op op, const struct mn_value *a, const struct mn_value *b,
                        struct mn_value *out);
/* The kind of the result; false: the operator does not take these. */
bool mn_arith_kind(enum mn_ast_op op, uint8_t a, uint8_t b, uint8_t *out);

/* expr_form.c: IS, LIKE, BETWEEN, IN, ANY, CASE, casts, lists, elements. *out NULL: not its kind.
 */
enum mn_status mn_expr_form(const struct mn_scope *scope, const struct mn_ast_expr *ast,
                            struct mn_expr **out);

/* How an operator is written. */
const char *mn_op_text(enum mn_ast_op op);

#endif
