/*
 * make: what the actions of grammar/query.y call to build the tree.
 *
 * A maker never fails visibly. The first failure lies in p->status and in the thread's record; from
 * then on makers answer the spare node, and no further token is fed.
 */
#ifndef MN_QUERY_MAKE_H
#define MN_QUERY_MAKE_H

#include "query/parse.h"
#include "query/scan.h"

/* One parse. */
struct mn_parser {
    struct mn_arena *arena;
    const char *text; /* of the call to mn_parse; spans count from here */
    enum mn_status status;
    bool unexpected;      /* the grammar refused `bad`; the message is yet to be written */
    bool bare;            /* `bad` is a keyword that stands as an alias without AS */
    struct mn_token bad;  /* where it went wrong */
    struct mn_token last; /* the last token before the one that is being fed */
    struct mn_statement *statement;
    struct mn_ast_expr *expression;

    /* 9223372036854775808 is an INT only behind a minus; this literal still waits for it. */
    struct mn_ast_expr *huge;

    bool params_plain, params_numbered; /* ? and $name; ?3 and $3 */
    uint32_t param_count, param_capacity;
    struct mn_ast_param *params;
    uint32_t name_count, name_capacity; /* of the table of $names: a power of two */
    uint32_t *names;                    /* numbers of parameters, 0: empty */

    union {
        struct mn_ast_expr expr;
        struct mn_ast_ref ref;
        struct mn_ast_step step;
        struct mn_ast_body body;
        struct mn_ast_query query;
        struct mn_ast_insert insert;
        struct mn_ast_create_table table;
        struct mn_ast_coldef coldef;
        struct mn_ast_constraint constraint;
        struct mn_ast_update update;
        struct mn_statement statement;
        max_align_t align;
    } spare; /* what a maker answers when it failed */
};

/* Shorthand of the grammar. */
#define NO_NAME ((struct mn_name){0})
#define JOIN(first, last) mn_span_join((first), (last))
#define NEW(type, ...) ((type *)mn_make_node(p, &(type){__VA_ARGS__}, sizeof(type)))
#define EXPR(where, ...) \
    mn_make_expr(p, &(struct mn_ast_expr){.span = (where), .depth = 1, __VA_ARGS__})
#define EDGE(way, where) \
    NEW(struct mn_ast_step, .edge = true, .direction = (way), .span = (where), .hops_min = 1)
#define LIKE_OP(which, no) \
    EXPR(p->last.span, .kind = MN_AST_LIKE, .like = {.how = (which), .negated = (no)})
#define IS(which, no, arg_, end) \
    EXPR(JOIN((arg_)->span, (end).span), .kind = MN_AST_IS, .is = {(which), (no), (arg_)})
#define START(list, node) ((list).first = (list).last = (node), (list).count = 1)
#define APPEND(list, node) \
    ((list).last ? (void)((list).last->next = (node)) : (void)((list).first = (node)), \
     (list).last = (node), (list).count++)

static inline struct mn_span mn_span_join(struct mn_span first, struct mn_span last)
{
    return (struct mn_span){first.offset, last.offset + last.length - first.offset};
}

/* Records that out of memory, too deep and the like happened, once. */
void mn_make_fail(struct mn_parser *p, enum mn_status status);
void mn_make_unexpected(struct mn_parser *p, struct mn_token token);
void mn_make_too_deep(struct mn_parser *p);

/* A copy in the arena. */
void *mn_make_node(struct mn_parser *p, const void *node, size_t size_bytes);

/* ---- names and literals (make_literal.c) ---- */
struct mn_name mn_make_name(struct mn_parser *p, struct mn_token token);
/* An alias without AS, which no keyword may be. */
struct mn_name mn_make_bare(struct mn_parser *p, struct mn_token token);
struct mn_ast_names mn_make_names(struct mn_parser *p, struct mn_ast_names list,
                                  struct mn_name name);
struct mn_ast_expr *mn_make_literal(struct mn_parser *p, struct mn_token token);
struct mn_ast_expr *mn_make_negated(struct mn_parser *p, struct mn_token minus,
                                    struct mn_token number);
struct mn_ast_expr *mn_make_typed(struct mn_parser *p, struct mn_token type, struct mn_token text);
uint64_t mn_make_count(struct mn_parser *p, struct mn_token integer);
struct mn_ast_expr *mn_make_param(struct mn_parser *p, struct mn_token token);
struct mn_ast_option *mn_make_option(struct mn_parser *p, struct mn_ast_expr *literal);
struct mn_ast_option *mn_make_option_word(struct mn_parser *p, struct mn_name word);
struct mn_ast_type mn_make_type(struct mn_parser *p, struct mn_token name,
                                struct mn_ast_exprs args);
struct mn_ast_type mn_make_type_words(struct mn_parser *p, struct mn_token name, const char *words,
                                      struct mn_token last);
struct mn_ast_type mn_make_type_list(struct mn_parser *p, struct mn_ast_type type,
                                     struct mn_token brackets);

/* ---- expressions (make.c) ---- */
struct mn_ast_expr *mn_make_expr(struct mn_parser *p, const struct mn_ast_expr *expr);
struct mn_ast_expr *mn_make_column(struct mn_parser *p, struct mn_token token);
struct mn_ast_expr *mn_make_unary(struct mn_parser *p, enum mn_ast_op op, struct mn_token sign,
                                  struct mn_ast_expr *arg);
struct mn_ast_expr *mn_make_binary(struct mn_parser *p, enum mn_ast_op op, struct mn_ast_expr *left,
                                   struct mn_token sign, struct mn_ast_expr *right);
struct mn_ast_expr *mn_make_like(struct mn_parser *p, struct mn_ast_expr *op,
                                 struct mn_ast_expr *arg, struct mn_ast_expr *pattern,
                                 struct mn_ast_expr *escape);
struct mn_ast_expr *mn_make_call(struct mn_parser *p, struct mn_token name, struct mn_token close,
                                 const struct mn_ast_call *call);
struct mn_ast_expr *mn_make_when(struct mn_parser *p, struct mn_ast_expr *list,
                                 struct mn_ast_expr *condition, struct mn_ast_expr *value);
struct mn_ast_when *mn_make_whens(struct mn_ast_expr *list);
struct mn_ast_sort *mn_make_sort(struct mn_parser *p, struct mn_ast_expr *expr, bool descending,
                                 enum mn_ast_nulls nulls);

/* ---- queries, FROM and patterns (make_query.c) ---- */
struct mn_ast_query *mn_make_query(struct mn_parser *p, struct mn_ast_query *query,
                                   struct mn_ast_body *body);
struct mn_ast_query *mn_make_with(struct mn_parser *p, struct mn_ast_query *query,
                                  struct mn_ast_with with);
struct mn_ast_body *mn_make_set(struct mn_parser *p, enum mn_ast_set op, struct mn_ast_body *left,
                                struct mn_ast_body *right);
struct mn_ast_body *mn_make_nested(struct mn_parser *p, struct mn_token open,
                                   struct mn_ast_query *query, struct mn_token close);
struct mn_ast_body *mn_make_select(struct mn_parser *p, struct mn_token first,
                                   const struct mn_ast_select *select);
struct mn_ast_body *mn_make_values(struct mn_parser *p, struct mn_token first,
                                   struct mn_ast_rows rows);
struct mn_ast_ref *mn_make_join(struct mn_parser *p, enum mn_ast_join how, struct mn_ast_ref *left,
                                struct mn_ast_ref *right);
struct mn_ast_ref *mn_make_on(struct mn_parser *p, struct mn_ast_ref *join, struct mn_ast_expr *on);
struct mn_ast_ref *mn_make_table_ref(struct mn_parser *p, struct mn_name name,
                                     const struct mn_ast_asof *asof, struct mn_name alias);
struct mn_ast_ref *mn_make_function_ref(struct mn_parser *p, struct mn_token name,
                                        struct mn_ast_exprs args, struct mn_ast_ref *alias);
struct mn_ast_ref *mn_make_query_ref(struct mn_parser *p, struct mn_token first,
                                     struct mn_ast_query *query, struct mn_ast_ref *alias);
struct mn_ast_ref *mn_make_match(struct mn_parser *p, struct mn_token first,
                                 struct mn_ast_paths paths, const struct mn_ast_asof *asof);
struct mn_ast_ref *mn_make_graph(struct mn_parser *p, struct mn_token first,
                                 struct mn_ast_paths paths, struct mn_ast_expr *where,
                                 struct mn_ast_columns columns, struct mn_name alias);
/* EXISTS (MATCH ..) as the query SELECT 1 FROM MATCH .. */
struct mn_ast_query *mn_make_match_query(struct mn_parser *p, struct mn_token match,
                                         struct mn_ast_paths paths, struct mn_ast_expr *where);
struct mn_ast_paths mn_make_paths(struct mn_ast_paths left, struct mn_ast_paths right);
struct mn_ast_path *mn_make_path(struct mn_ast_path *steps, const struct mn_ast_path *selector,
                                 struct mn_name variable);
struct mn_ast_path *mn_make_steps(struct mn_parser *p, struct mn_ast_step *node);
void mn_make_hop(struct mn_parser *p, struct mn_ast_path *path, struct mn_ast_step *edge,
                 const struct mn_ast_step *hops, struct mn_ast_step *node);
struct mn_ast_step *mn_make_edge(struct mn_ast_step *edge, enum mn_ast_direction direction,
                                 struct mn_span span);
/* {least,most}; NULL: 0, and no bound. */
struct mn_ast_step *mn_make_hops(struct mn_parser *p, const struct mn_token *least,
                                 const struct mn_token *most, struct mn_span span);
void mn_make_target(struct mn_ast_nearest *nearest, struct mn_ast_target *target);
struct mn_ast_nearest *mn_make_nearest_options(struct mn_ast_nearest *targets,
                                               const struct mn_ast_nearest *fuse,
                                               const struct mn_ast_nearest *options);
struct mn_ast_select *mn_make_nearest(struct mn_parser *p, struct mn_token first,
                                      struct mn_ast_expr *k, struct mn_ast_nearest *nearest);
struct mn_ast_select *mn_make_latest(struct mn_parser *p, struct mn_token first,
                                     struct mn_ast_expr *n, struct mn_ast_fields by,
                                     const struct mn_ast_field *time);

/* ---- statements (make_statement.c) ---- */
struct mn_statement *mn_make_statement(struct mn_parser *p, enum mn_statement_kind kind);
void mn_make_explain(struct mn_parser *p, struct mn_token word, enum mn_explain explain);
void mn_make_table(struct mn_parser *p, enum mn_statement_kind kind,
                   const struct mn_ast_create_table *table);
void mn_make_index(struct mn_parser *p, struct mn_ast_create_index *index);
void mn_make_drop(struct mn_parser *p, const struct mn_ast_drop *drop);
void mn_make_alter(struct mn_parser *p, const struct mn_ast_alter *alter);
void mn_make_txn(struct mn_parser *p, enum mn_statement_kind kind, const struct mn_ast_txn *txn);
void mn_make_pragma(struct mn_parser *p, struct mn_name name, struct mn_ast_option *value);
void mn_make_copy(struct mn_parser *p, const struct mn_ast_copy *copy);
void mn_make_insert(struct mn_parser *p, struct mn_ast_insert *insert);
void mn_make_update(struct mn_parser *p, const struct mn_ast_update *update);
void mn_make_delete(struct mn_parser *p, const struct mn_ast_delete *remove);
void mn_make_link(struct mn_parser *p, enum mn_statement_kind kind, const struct mn_ast_link *link);
void mn_make_watch(struct mn_parser *p, const struct mn_ast_watch *watch);
struct mn_ast_coldef *mn_make_coldef(struct mn_parser *p, struct mn_ast_coldef *column,
                                     struct mn_name name, struct mn_ast_type type);
void mn_make_column_check(struct mn_parser *p, struct mn_ast_coldef *column,
                          struct mn_ast_expr *check, struct mn_span span);

#endif
