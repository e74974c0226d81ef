/*
 * match_plan: in which order a pattern is walked.
 *
 * The walk begins at an alias' row where the pattern has one, else at the node with the cheapest
 * way in (a key, a range of an index, a scan), and goes on from what is known along the edges,
 * against their arrows where that is the way. Each condition is tested by the first operator that
 * knows all it reads.
 *
 * A plan of its own, whose sources are the elements, lets the planner's ways into tables serve
 * here.
 */
#include <string.h>

#include "query/match.h"
#include "query/parse.h"
#include "query/plan.h"

struct match_plan {
    struct mn_match *match;
    struct mn_plan plan; /* sources are elements */
    uint64_t known;      /* elements */
    bool paths_done[MN_MATCH_ELEMENTS_MAX];
    struct mn_op *op; /* NULL: nothing yet, one empty row */
};

static uint64_t bit(uint32_t element)
{
    return UINT64_C(1) << element;
}

/* ---- the plan whose sources are elements ---- */

static enum mn_status element_source(struct match_plan *mp, uint32_t index)
{
    const struct mn_match_element *element = &mp->match->elements[index];
    const struct mn_source_column *columns = mp->match->source->columns;
    struct mn_source *source = mn_arena_zalloc(mp->plan.arena, sizeof *source);

    if (!source) return mn_fail_nomem();
    mp->plan.query->sources[index] = source;
    source->kind = element->edge ? MN_SOURCE_OTHER : MN_SOURCE_TABLE;
    source->alias = element->name;
    source->table = element->table;
    source->row_id_slot = columns[element->id_column].slot;
    if (element->edge) return MN_OK;
    source->column_count = element->table->column_count;
    source->columns =
        mn_arena_zalloc(mp->plan.arena, (source->column_count + 1) * sizeof *source->columns);
    if (!source->columns) return mn_fail_nomem();
    for (uint32_t c = 0; c < source->column_count; c++) {
        uint32_t slot =
            c < element->column_count ? columns[element->first_column + c].slot : MN_NO_SLOT;

        source->columns[c] = (struct mn_source_column){.name = element->table->columns[c].name,
                                                       .of = "",
                                                       .kind = element->table->columns[c].kind,
                                                       .slot = slot};
    }
    if (element->alias_key) {
        source->columns[mn_table_key_column(element->table)].slot =
            columns[element->key_column].slot;
    }
    return MN_OK;
}

static void slots_claim(struct match_plan *mp)
{
    const struct mn_match *match = mp->match;

    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *element = &match->elements[i];
        uint32_t end = element->first_column + element->column_total;

        for (uint32_t c = element->first_column; c < end; c++) {
            uint32_t slot = match->source->columns[c].slot;
            if (slot != MN_NO_SLOT) mp->plan.slot_source[slot] = (uint8_t)(i + 1);
        }
    }
}

static enum mn_status condition_add(struct match_plan *mp, struct mn_expr *expr)
{
    struct mn_plan *plan = &mp->plan;

    if (expr->form == MN_EXPR_OP && expr->op == MN_OP_AND && !expr->negated) {
        enum mn_status status = condition_add(mp, expr->args[0]);

        return status == MN_OK ? condition_add(mp, expr->args[1]) : status;
    }
    if (plan->condition_count == MN_CONDITIONS_MAX) {
        return mn_fail_at(MN_TOOBIG, expr->span.offset, expr->span.length,
                          "more than %d conditions in one MATCH", MN_CONDITIONS_MAX);
    }
    plan->conditions[plan->condition_count++] =
        (struct mn_condition){.expr = expr, .sources = mn_plan_sources(plan, expr)};
    return MN_OK;
}

/* Takes what the pattern says itself, and what the statement's WHERE says of nothing but it. */
static enum mn_status conditions_take(struct match_plan *mp, struct mn_plan *outer)
{
    enum mn_status status = MN_OK;
    uint64_t mine = 0;

    for (uint32_t i = 0; i < mp->match->where_count && status == MN_OK; i++) {
        status = condition_add(mp, mp->match->where[i]);
    }
    for (uint32_t i = 0; i < mp->match->element_count && status == MN_OK; i++) {
        if (mp->match->elements[i].key_equal) {
            status = condition_add(mp, mp->match->elements[i].key_equal);
        }
    }
    for (uint32_t i = 0; i < outer->query->source_count; i++) {
        if (outer->query->sources[i] == mp->match->source) mine = bit(i);
    }
    for (uint32_t i = 0; i < outer->condition_count && status == MN_OK; i++) {
        struct mn_condition *condition = &outer->conditions[i];

        if (condition->done || condition->sources != mine || condition->expr->unsteady) continue;
        condition->done = true;
        status = condition_add(mp, condition->expr);
    }
    return status;
}

static enum mn_status match_plan_begin(struct match_plan *mp, struct mn_plan *outer)
{
    struct mn_arena *arena = outer->arena;
    enum mn_status status = MN_OK;

    mp->plan = (struct mn_plan){.bind = outer->bind, .arena = arena, .view = outer->view};
    mp->plan.eval = outer->eval;
    mp->plan.query = mn_arena_zalloc(arena, sizeof *mp->plan.query);
    mp->plan.slot_source = mn_arena_zalloc(arena, outer->bind->slot_count + 1);
    mp->plan.conditions = mn_arena_zalloc(arena, MN_CONDITIONS_MAX * sizeof *mp->plan.conditions);
    if (!mp->plan.query || !mp->plan.slot_source || !mp->plan.conditions) return mn_fail_nomem();
    mp->plan.query->source_count = mp->match->element_count;
    mp->plan.query->sources = mn_arena_zalloc(arena, MN_SOURCES_MAX * sizeof(struct mn_source *));
    if (!mp->plan.query->sources) return mn_fail_nomem();
    for (uint32_t i = 0; i < mp->match->element_count && status == MN_OK; i++) {
        status = element_source(mp, i);
        if (mp->match->elements[i].alias_id) mp->known |= bit(i);
    }
    slots_claim(mp);
    return status == MN_OK ? conditions_take(mp, outer) : status;
}

/* Conditions that read nothing but what is known, and that nobody has tested. NULL: none. */
static enum mn_status conditions_known(struct match_plan *mp, struct mn_expr **filter)
{
    *filter = NULL;
    for (uint32_t i = 0; i < mp->plan.condition_count; i++) {
        struct mn_condition *condition = &mp->plan.conditions[i];

        if (condition->done || (condition->sources & ~mp->known) != 0) continue;
        condition->done = true;
        *filter = mn_expr_and(mp->plan.arena, *filter, condition->expr);
        if (!*filter) return mn_fail_nomem();
    }
    return MN_OK;
}

/* ---- an edge ---- */

static uint32_t table_number(const struct mn_match *match, const struct mn_table *table)
{
    uint32_t i = 0;

    while (i < match->table_count && match->tables[i] != table) i++;
    return i;
}

static uint32_t element_slot(const struct mn_match *match, uint32_t index)
{
    const struct mn_match_element *element = &match->elements[index];

    if (element->alias_id) return element->alias_id->slot;
    return match->source->columns[element->id_column].slot;
}

static enum mn_status fetch_node(struct match_plan *mp, uint32_t index, struct mn_fetch *fetch)
{
    const struct mn_source *source = mp->plan.query->sources[index];
    struct mn_scan_column *columns =
        mn_arena_zalloc(mp->plan.arena, (source->column_count + 1) * sizeof *columns);

    if (!columns) return mn_fail_nomem();
    *fetch = (struct mn_fetch){.table = source->table, .columns = columns};
    for (uint32_t c = 0; c < source->column_count; c++) {
        if (source->columns[c].slot == MN_NO_SLOT) continue;
        columns[fetch->count++] =
            (struct mn_scan_column){.column = (int)c, .slot = source->columns[c].slot};
    }
    return MN_OK;
}

/* An edge's columns in one relation; of a quantified edge without its row id, which is a depth. */
static enum mn_status fetch_edge(struct match_plan *mp, const struct mn_match_element *edge,
                                 const struct mn_table *relation, struct mn_fetch *fetch)
{
    const struct mn_source_column *of = mp->match->source->columns;
    struct mn_scan_column *columns =
        mn_arena_zalloc(mp->plan.arena, (edge->column_count + 1) * sizeof *columns);

    if (!columns) return mn_fail_nomem();
    *fetch = (struct mn_fetch){.table = relation, .columns = columns};
    for (uint32_t i = 0; i < edge->column_count; i++) {
        const char *name = edge->relations[0]->columns[edge->column_of[i]].name;
        uint32_t slot = of[edge->first_column + i].slot;

        if (slot == MN_NO_SLOT) continue;
        columns[fetch->count++] = (struct mn_scan_column){
            .column = mn_table_column(relation, name, strlen(name)), .slot = slot};
    }
    if (!edge->step->quantified && of[edge->id_column].slot != MN_NO_SLOT) {
        columns[fetch->count++] =
            (struct mn_scan_column){.column = MN_SCAN_ROW_ID, .slot = of[edge->id_column].slot};
    }
    return MN_OK;
}

static enum mn_status edge_hops(struct match_plan *mp, const struct mn_match_element *edge,
                                bool backward, struct mn_match_edge *spec)
{
    struct mn_match_hop *hops =
        mn_arena_zalloc(mp->plan.arena, (edge->hop_count + 1) * sizeof *hops);
    enum mn_status status = hops ? MN_OK : mn_fail_nomem();

    spec->hops = hops;
    spec->hop_count = edge->hop_count;
    for (uint32_t i = 0; i < edge->hop_count && status == MN_OK; i++) {
        struct mn_hop hop = edge->hops[i];

        if (backward) {
            hop.direction = hop.direction == MN_EDGE_OUT ? MN_EDGE_IN : MN_EDGE_OUT;
            hop.from = edge->hops[i].to;
            hop.to = edge->hops[i].from;
        }
        hops[i].hop = hop;
        status = fetch_edge(mp, edge, hop.relation, &hops[i].fetch);
    }
    /* Expand knows an edge to itself by the hop before: forward must be read first. */
    for (uint32_t i = 1; i < edge->hop_count && status == MN_OK; i++) {
        struct mn_match_hop hop = hops[i];

        if (hop.hop.relation != hops[i - 1].hop.relation || hop.hop.direction != MN_EDGE_OUT) {
            continue;
        }
        hops[i] = hops[i - 1];
        hops[i - 1] = hop;
    }
    return status;
}

/* ---- the bound of a depth, from conditions on path_length ---- */

/* What the edges of a path but one add to its length at the least. */
static int64_t path_rest(const struct mn_match *match, const struct mn_match_path *path,
                         uint32_t edge, bool *has)
{
    int64_t rest = 0;

    *has = false;
    for (uint32_t i = path->first + 1; i < path->last; i += 2) {
        const struct mn_ast_step *step = match->elements[match->steps[i]].step;

        if (match->steps[i] == edge)
            *has = true;
        else
            rest += step->quantified ? (int64_t)step->hops_min : 1;
    }
    return rest;
}

/* path_length(p) <= x, < x or = x in either spelling; x is known before the edge. */
static bool condition_bounds(const struct match_plan *mp, const struct mn_expr *expr, uint32_t edge,
                             struct mn_path_spec *spec)
{
    if (expr->form != MN_EXPR_OP || expr->arg_count != 2) return false;
    for (int side = 0; side < 2; side++) {
        uint32_t path = mn_match_length_of(mp->match, expr->args[side]);
        struct mn_expr *limit = expr->args[1 - side];
        bool less = expr->op == (side == 0 ? MN_OP_LT : MN_OP_GT), has;
        bool least = expr->op == (side == 0 ? MN_OP_LE : MN_OP_GE);

        if (path == UINT32_MAX || limit->unsteady || limit->kind.type != MN_TYPE_INT) continue;
        if (!less && !least && expr->op != MN_OP_EQ) continue;
        int64_t rest = path_rest(mp->match, &mp->match->paths[path], edge, &has);
        if (!has || (mn_plan_sources(&mp->plan, limit) & ~mp->known) != 0) continue;
        spec->depth_limit = limit;
        spec->depth_offset = -rest - (less ? 1 : 0);
        return true;
    }
    return false;
}

static void depth_bound(const struct match_plan *mp, uint32_t edge, struct mn_path_spec *spec)
{
    for (uint32_t i = 0; i < mp->plan.condition_count; i++) {
        if (condition_bounds(mp, mp->plan.conditions[i].expr, edge, spec)) return;
    }
}

static enum mn_status path_search_make(struct match_plan *mp, uint32_t index,
                                       struct mn_path_spec *spec)
{
    const struct mn_match_element *edge = &mp->match->elements[index];
    uint64_t readable = mp->known | bit(index);

    spec->admit = edge->admit;
    if (edge->admit && (mn_plan_sources(&mp->plan, edge->admit) & ~readable) != 0) {
        return mn_comes_later(edge->step->where->span,
                              "a condition of a repeated edge on a node that is found behind it");
    }
    spec->depth_min = edge->step->hops_min;
    spec->depth_max = edge->step->hops_max == MN_HOPS_UNBOUNDED ? UINT64_MAX : edge->step->hops_max;
    spec->depth_slot = mp->match->source->columns[edge->id_column].slot;
    depth_bound(mp, index, spec);
    return MN_OK;
}

/* From the known end `from` over an edge to the element `to`. */
static enum mn_status edge_make(struct match_plan *mp, uint32_t index, uint32_t from, uint32_t to)
{
    const struct mn_match *match = mp->match;
    const struct mn_match_element *edge = &match->elements[index];
    struct mn_path_spec path = {.depth_slot = MN_NO_SLOT};
    struct mn_match_edge spec = {
        .from_table = table_number(match, match->elements[from].table),
        .to_table = table_number(match, match->elements[to].table),
        .from_slot = element_slot(match, from),
        .to_slot = element_slot(match, to),
        .to_known = (mp->known & bit(to)) != 0,
        .label_slot = match->source->columns[edge->label_column].slot,
    };
    enum mn_status status = edge_hops(mp, edge, from != edge->left, &spec);

    if (status == MN_OK) status = fetch_node(mp, to, &spec.fetch);
    if (status == MN_OK && edge->step->quantified) status = path_search_make(mp, index, &path);
    mp->known |= bit(index) | bit(to);
    if (status == MN_OK) status = conditions_known(mp, &spec.filter);
    if (status != MN_OK) return status;
    path.edge = spec;
    mp->op = edge->step->quantified ? mn_op_path_search(mp->plan.arena, mp->op, &path)
                                    : mn_op_expand(mp->plan.arena, mp->op, &spec);
    return mp->op ? MN_OK : mn_fail_nomem();
}

/* ---- paths ---- */

static enum mn_status once_make(struct match_plan *mp)
{
    struct mn_slot_list none = {0, NULL};

    if (mp->op) return MN_OK;
    mp->op = mn_op_values(mp->plan.arena, &none, 1, NULL);
    return mp->op ? MN_OK : mn_fail_nomem();
}

/* Walks a path from the element at `start`, a place in steps, to its end and then to its beginning.
 */
static enum mn_status path_walk(struct match_plan *mp, const struct mn_match_path *path,
                                uint32_t start)
{
    const uint32_t *steps = mp->match->steps;
    enum mn_status status = once_make(mp);

    for (uint32_t i = start; i + 2 <= path->last && status == MN_OK; i += 2) {
        status = edge_make(mp, steps[i + 1], steps[i], steps[i + 2]);
    }
    for (uint32_t i = start; i >= path->first + 2 && status == MN_OK; i -= 2) {
        status = edge_make(mp, steps[i - 1], steps[i], steps[i - 2]);
    }
    return status;
}

/* A path not walked yet that has a known node. */
static bool path_continue(const struct match_plan *mp, uint32_t *path, uint32_t *start)
{
    for (*path = 0; *path < mp->match->path_count; ++*path) {
        const struct mn_match_path *of = &mp->match->paths[*path];

        if (mp->paths_done[*path]) continue;
        for (*start = of->first; *start <= of->last; *start += 2) {
            if (mp->known & bit(mp->match->steps[*start])) return true;
        }
    }
    return false;
}

/* The path's first edge, as path_walk goes, leads from the node at `start` over one edge or more.
 * An edge has two ends, so a node that is not there has none. */
static bool edge_must_come(const struct mn_match *match, const struct mn_match_path *path,
                           uint32_t start)
{
    const struct mn_ast_step *step;

    if (path->first == path->last) return false;
    step = match->elements[match->steps[start < path->last ? start + 1 : start - 1]].step;
    return !step->quantified || step->hops_min > 0;
}

/* The cheapest way into any node of the paths not walked yet, joined to what is there. */
static enum mn_status path_begin(struct match_plan *mp, uint32_t *path, uint32_t *start)
{
    struct mn_access_path *way = mn_arena_alloc(mp->plan.arena, sizeof *way);
    struct mn_access_path *best = mn_arena_alloc(mp->plan.arena, sizeof *best);
    struct mn_join_spec join = {0};
    struct mn_op *scan;
    bool any = false;

    if (!way || !best) return mn_fail_nomem();
    for (uint32_t p = 0; p < mp->match->path_count; p++) {
        const struct mn_match_path *of = &mp->match->paths[p];

        for (uint32_t i = of->first; i <= of->last && !mp->paths_done[p]; i += 2) {
            enum mn_status status = mn_plan_access(&mp->plan, mp->match->steps[i], mp->known, way);

            if (status != MN_OK) return status;
            if (any && way->cost >= best->cost) continue;
            any = true;
            *best = *way;
            *path = p;
            *start = i;
        }
    }
    uint32_t node = mp->match->steps[*start];
    best->spec.may_assume = edge_must_come(mp->match, &mp->match->paths[*path], *start);
    enum mn_status status = mn_plan_scan(&mp->plan, node, mp->known, best, &scan);
    if (status != MN_OK) return status;
    mp->known |= bit(node);
    mp->op = mp->op ? mn_op_nested_loop(mp->plan.arena, mp->op, scan, &join) : scan;
    return mp->op ? MN_OK : mn_fail_nomem();
}

static enum mn_status paths_make(struct match_plan *mp)
{
    enum mn_status status = MN_OK;
    struct mn_expr *filter;

    for (uint32_t done = 0; done < mp->match->path_count && status == MN_OK; done++) {
        uint32_t path = 0, start = 0;

        if (!path_continue(mp, &path, &start)) status = path_begin(mp, &path, &start);
        if (status == MN_OK) status = path_walk(mp, &mp->match->paths[path], start);
        mp->paths_done[path] = true;
    }
    if (status == MN_OK) status = once_make(mp);
    if (status == MN_OK) status = conditions_known(mp, &filter);
    if (status != MN_OK || !filter) return status;
    mp->op = mn_op_filter(mp->plan.arena, mp->op, filter);
    return mp->op ? MN_OK : mn_fail_nomem();
}

struct mn_op *mn_match_make(struct mn_source *source, struct mn_plan *plan)
{
    struct match_plan *mp = mn_arena_zalloc(plan->arena, sizeof *mp);

    if (!mp) {
        mn_fail_nomem();
        return NULL;
    }
    mp->match = source->own;
    enum mn_status status = match_plan_begin(mp, plan);
    if (status == MN_OK) status = paths_make(mp);
    return status == MN_OK ? mp->op : NULL;
}
