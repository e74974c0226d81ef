/*
 * make_query: queries, what stands in FROM, and patterns.
 */
#include "query/make.h"

static void deepen(uint16_t *depth, uint16_t below)
{
    if (below >= *depth) *depth = (uint16_t)(below + 1);
}

static void deepen_expr(uint16_t *depth, const struct mn_ast_expr *expr)
{
    if (expr) deepen(depth, expr->depth);
}

static void deepen_exprs(uint16_t *depth, const struct mn_ast_exprs *list)
{
    for (const struct mn_ast_expr *x = list->first; x; x = x->next) deepen_expr(depth, x);
}

static void deepen_columns(uint16_t *depth, const struct mn_ast_columns *list)
{
    for (const struct mn_ast_column *c = list->first; c; c = c->next) deepen_expr(depth, c->expr);
}

static void deepen_paths(uint16_t *depth, const struct mn_ast_paths *paths)
{
    for (const struct mn_ast_path *path = paths->first; path; path = path->next) {
        for (const struct mn_ast_step *step = path->first; step; step = step->next) {
            deepen_expr(depth, step->where);
            deepen_expr(depth, step->cost);
        }
    }
}

static void limit_depth(struct mn_parser *p, uint16_t depth)
{
    if (depth > MN_AST_DEPTH_MAX) mn_make_too_deep(p);
}

/* ---- queries ------------------------------------------------------------------------------- */

struct mn_ast_query *mn_make_query(struct mn_parser *p, struct mn_ast_query *query,
                                   struct mn_ast_body *body)
{
    if (p->status != MN_OK) return query;
    query->body = body;
    query->depth = 1;
    query->span = mn_span_join(body->span, p->last.span);
    deepen(&query->depth, body->depth);
    for (const struct mn_ast_sort *s = query->order.first; s; s = s->next) {
        deepen_expr(&query->depth, s->expr);
    }
    deepen_expr(&query->depth, query->limit);
    deepen_expr(&query->depth, query->offset);
    limit_depth(p, query->depth);
    return query;
}

struct mn_ast_query *mn_make_with(struct mn_parser *p, struct mn_ast_query *query,
                                  struct mn_ast_with with)
{
    if (p->status != MN_OK) return query;
    query->with = with;
    for (const struct mn_ast_cte *cte = with.first; cte; cte = cte->next) {
        deepen(&query->depth, cte->query->depth);
    }
    limit_depth(p, query->depth);
    return query;
}

struct mn_ast_body *mn_make_set(struct mn_parser *p, enum mn_ast_set op, struct mn_ast_body *left,
                                struct mn_ast_body *right)
{
    struct mn_ast_body *body = NEW(struct mn_ast_body, .kind = MN_BODY_SET, .depth = 1,
                                   .span = mn_span_join(left->span, right->span),
                                   .set = {.op = op, .left = left, .right = right});

    if (p->status != MN_OK) return body;
    deepen(&body->depth, left->depth);
    deepen(&body->depth, right->depth);
    limit_depth(p, body->depth);
    return body;
}

struct mn_ast_body *mn_make_nested(struct mn_parser *p, struct mn_token open,
                                   struct mn_ast_query *query, struct mn_token close)
{
    return NEW(struct mn_ast_body, .kind = MN_BODY_NESTED, .depth = (uint16_t)(query->depth + 1),
               .span = mn_span_join(open.span, close.span), .nested = query);
}

static void nearest_depth(uint16_t *depth, const struct mn_ast_nearest *nearest)
{
    deepen_expr(depth, nearest->k);
    deepen_expr(depth, nearest->fuse_arg);
    deepen_expr(depth, nearest->within);
    deepen_expr(depth, nearest->effort);
    for (const struct mn_ast_target *t = nearest->first; t; t = t->next) {
        deepen_expr(depth, t->to);
        deepen_expr(depth, t->weight);
    }
}

struct mn_ast_body *mn_make_select(struct mn_parser *p, struct mn_token first,
                                   const struct mn_ast_select *select)
{
    struct mn_ast_body *body =
        NEW(struct mn_ast_body, .kind = MN_BODY_SELECT, .depth = 1,
            .span = mn_span_join(first.span, p->last.span), .select = *select);
    const struct mn_ast_select *s = &body->select;

    if (p->status != MN_OK) return body;
    deepen_columns(&body->depth, &s->columns);
    for (const struct mn_ast_ref *ref = s->from.first; ref; ref = ref->next) {
        deepen(&body->depth, ref->depth);
    }
    deepen_expr(&body->depth, s->where);
    deepen_expr(&body->depth, s->having);
    deepen_exprs(&body->depth, &s->group);
    if (s->nearest) nearest_depth(&body->depth, s->nearest);
    if (s->latest) deepen_expr(&body->depth, s->latest->n);
    limit_depth(p, body->depth);
    return body;
}

struct mn_ast_body *mn_make_values(struct mn_parser *p, struct mn_token first,
                                   struct mn_ast_rows rows)
{
    struct mn_ast_body *body = NEW(struct mn_ast_body, .kind = MN_BODY_VALUES, .depth = 1,
                                   .span = mn_span_join(first.span, p->last.span), .values = rows);

    if (p->status != MN_OK) return body;
    for (const struct mn_ast_row *row = rows.first; row; row = row->next) {
        deepen_exprs(&body->depth, &row->values);
    }
    limit_depth(p, body->depth);
    return body;
}

struct mn_ast_query *mn_make_match_query(struct mn_parser *p, struct mn_token match,
                                         struct mn_ast_paths paths, struct mn_ast_expr *where)
{
    struct mn_ast_expr *one = EXPR(match.span, .kind = MN_AST_LITERAL, .literal = mn_int(1));
    struct mn_ast_column *column = NEW(struct mn_ast_column, .span = match.span, .expr = one);
    struct mn_ast_ref *ref = mn_make_match(p, match, paths, NULL);
    struct mn_ast_select select = {.where = where};

    START(select.columns, column);
    START(select.from, ref);
    return mn_make_query(p, NEW(struct mn_ast_query, .limit = NULL),
                         mn_make_select(p, match, &select));
}

/* ---- FROM ---------------------------------------------------------------------------------- */

struct mn_ast_ref *mn_make_join(struct mn_parser *p, enum mn_ast_join how, struct mn_ast_ref *left,
                                struct mn_ast_ref *right)
{
    struct mn_ast_ref *ref = NEW(struct mn_ast_ref, .kind = MN_REF_JOIN, .depth = 1,
                                 .span = mn_span_join(left->span, p->last.span),
                                 .join = {.how = how, .left = left, .right = right});

    if (p->status != MN_OK) return ref;
    deepen(&ref->depth, left->depth);
    deepen(&ref->depth, right->depth);
    limit_depth(p, ref->depth);
    return ref;
}

struct mn_ast_ref *mn_make_on(struct mn_parser *p, struct mn_ast_ref *join, struct mn_ast_expr *on)
{
    if (p->status != MN_OK) return join;
    join->join.on = on;
    deepen_expr(&join->depth, on);
    limit_depth(p, join->depth);
    return join;
}

struct mn_ast_ref *mn_make_table_ref(struct mn_parser *p, struct mn_name name,
                                     const struct mn_ast_asof *asof, struct mn_name alias)
{
    return NEW(struct mn_ast_ref, .kind = MN_REF_TABLE, .depth = 2,
               .span = mn_span_join(name.span, p->last.span), .alias = alias,
               .table = {.name = name, .asof = asof ? *asof : (struct mn_ast_asof){0}});
}

struct mn_ast_ref *mn_make_function_ref(struct mn_parser *p, struct mn_token name,
                                        struct mn_ast_exprs args, struct mn_ast_ref *alias)
{
    struct mn_ast_ref *ref =
        NEW(struct mn_ast_ref, .kind = MN_REF_FUNCTION, .depth = 1,
            .span = mn_span_join(name.span, p->last.span), .alias = alias->alias,
            .columns = alias->columns, .function = {.name = mn_make_name(p, name), .args = args});

    if (p->status == MN_OK) deepen_exprs(&ref->depth, &args);
    return ref;
}

struct mn_ast_ref *mn_make_query_ref(struct mn_parser *p, struct mn_token first,
                                     struct mn_ast_query *query, struct mn_ast_ref *alias)
{
    return NEW(struct mn_ast_ref, .kind = MN_REF_QUERY, .depth = (uint16_t)(query->depth + 1),
               .span = mn_span_join(first.span, p->last.span), .alias = alias->alias,
               .columns = alias->columns, .query = {.query = query});
}

struct mn_ast_ref *mn_make_match(struct mn_parser *p, struct mn_token first,
                                 struct mn_ast_paths paths, const struct mn_ast_asof *asof)
{
    struct mn_ast_ref *ref =
        NEW(struct mn_ast_ref, .kind = MN_REF_MATCH, .depth = 1,
            .span = mn_span_join(first.span, p->last.span),
            .match = {.paths = paths, .asof = asof ? *asof : (struct mn_ast_asof){0}});

    if (p->status == MN_OK) deepen_paths(&ref->depth, &paths);
    return ref;
}

struct mn_ast_ref *mn_make_graph(struct mn_parser *p, struct mn_token first,
                                 struct mn_ast_paths paths, struct mn_ast_expr *where,
                                 struct mn_ast_columns columns, struct mn_name alias)
{
    struct mn_ast_ref *ref = mn_make_match(p, first, paths, NULL);

    ref->kind = MN_REF_GRAPH;
    ref->alias = alias;
    ref->match.where = where;
    ref->match.selected =
        mn_make_node(p, &columns, sizeof columns); /* a list of its own, for NULL means none */
    if (p->status != MN_OK) return ref;
    deepen_expr(&ref->depth, where);
    deepen_columns(&ref->depth, &columns);
    return ref;
}

/* ---- patterns ------------------------------------------------------------------------------ */

struct mn_ast_paths mn_make_paths(struct mn_ast_paths left, struct mn_ast_paths right)
{
    left.last->next = right.first;
    left.last = right.last;
    left.count += right.count;
    return left;
}

struct mn_ast_path *mn_make_path(struct mn_ast_path *steps, const struct mn_ast_path *selector,
                                 struct mn_name variable)
{
    steps->selector = selector->selector;
    steps->selector_k = selector->selector_k;
    steps->variable = variable;
    if (variable.text) steps->span = mn_span_join(variable.span, steps->span);
    return steps;
}

struct mn_ast_path *mn_make_steps(struct mn_parser *p, struct mn_ast_step *node)
{
    return NEW(struct mn_ast_path, .first = node, .last = node, .step_count = 1,
               .span = node->span);
}

void mn_make_hop(struct mn_parser *p, struct mn_ast_path *path, struct mn_ast_step *edge,
                 const struct mn_ast_step *hops, struct mn_ast_step *node)
{
    if (p->status != MN_OK) return;
    edge->quantified = hops->quantified;
    edge->hops_min = hops->hops_min;
    edge->hops_max = hops->hops_max;
    if (hops->quantified) edge->span = mn_span_join(edge->span, hops->span);
    path->last->next = edge;
    edge->next = node;
    path->last = node;
    path->step_count += 2;
    path->span = mn_span_join(path->span, node->span);
}

struct mn_ast_step *mn_make_edge(struct mn_ast_step *edge, enum mn_ast_direction direction,
                                 struct mn_span span)
{
    edge->edge = true;
    edge->direction = direction;
    edge->span = span;
    return edge;
}

static uint32_t hop_bound(struct mn_parser *p, const struct mn_token *token)
{
    uint64_t count = mn_make_count(p, *token);

    if (p->status != MN_OK || count < MN_HOPS_UNBOUNDED) return (uint32_t)count;
    p->status = mn_fail_at(MN_RANGE, token->span.offset, token->span.length,
                           "a path has at most %u edges", MN_HOPS_UNBOUNDED - 1);
    return 0;
}

struct mn_ast_step *mn_make_hops(struct mn_parser *p, const struct mn_token *least,
                                 const struct mn_token *most, struct mn_span span)
{
    uint32_t min = least ? hop_bound(p, least) : 0;
    uint32_t max = most ? hop_bound(p, most) : MN_HOPS_UNBOUNDED;

    if (p->status == MN_OK && (min > max || max == 0)) {
        p->status = mn_fail_at(MN_RANGE, span.offset, span.length,
                               "a quantifier {n,m} needs n <= m and m > 0");
    }
    return NEW(struct mn_ast_step, .span = span, .quantified = true, .hops_min = min,
               .hops_max = max);
}

/* ---- candidates ---------------------------------------------------------------------------- */

void mn_make_target(struct mn_ast_nearest *nearest, struct mn_ast_target *target)
{
    if (nearest->last)
        nearest->last->next = target;
    else
        nearest->first = target;
    nearest->last = target;
    nearest->target_count++;
}

struct mn_ast_nearest *mn_make_nearest_options(struct mn_ast_nearest *targets,
                                               const struct mn_ast_nearest *fuse,
                                               const struct mn_ast_nearest *options)
{
    targets->fuse = fuse->fuse;
    targets->fuse_arg = fuse->fuse_arg;
    targets->within = options->within;
    targets->exact = options->exact;
    targets->effort = options->effort;
    targets->metric = options->metric;
    return targets;
}

struct mn_ast_select *mn_make_nearest(struct mn_parser *p, struct mn_token first,
                                      struct mn_ast_expr *k, struct mn_ast_nearest *nearest)
{
    nearest->k = k;
    nearest->span = mn_span_join(first.span, p->last.span);
    return NEW(struct mn_ast_select, .nearest = nearest);
}

struct mn_ast_select *mn_make_latest(struct mn_parser *p, struct mn_token first,
                                     struct mn_ast_expr *n, struct mn_ast_fields by,
                                     const struct mn_ast_field *time)
{
    struct mn_ast_latest *latest =
        NEW(struct mn_ast_latest, .n = n, .by = by, .time_table = time->table,
            .time_column = time->column, .span = mn_span_join(first.span, p->last.span));

    return NEW(struct mn_ast_select, .latest = latest);
}
