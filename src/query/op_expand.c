/*
 * op_expand: Expand, the edges of a node, a batch at a time from the edge tree.
 */
#include "query/op_match.h"

#include <string.h>

#include "base/alloc.h"

enum { EDGES_AT_ONCE = 64 };

struct op_expand {
    struct mn_op op;
    struct mn_match_edge spec;
    struct mn_edge_scan **scans; /* one a hop */
    struct mn_held held;         /* of the child's row, which stays while its edges come out */
    bool has_row;
    uint32_t hop;     /* the one being read */
    bool hop_started; /* its scan stands on the node */
    struct mn_edge edges[EDGES_AT_ONCE];
    size_t count, at;
};

enum mn_status mn_match_describe(const struct mn_match_edge *edge, struct mn_buf *out)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < edge->hop_count && status == MN_OK; i++) {
        const struct mn_table *relation = edge->hops[i].hop.relation;

        if (i > 0 && edge->hops[i - 1].hop.relation == relation) continue;
        status = mn_buf_printf(out, "%s%s", i > 0 ? "|" : " ", relation->name);
    }
    if (status == MN_OK) status = mn_buf_printf(out, " to %s", edge->fetch.table->name);
    if (status == MN_OK && edge->to_known) status = mn_buf_text(out, ", known");
    if (status == MN_OK && edge->filter) status = mn_buf_text(out, ", filtered");
    return status;
}

static enum mn_status expand_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_expand *expand = (struct op_expand *)op;

    mn_held_init(&expand->held, exec);
    expand->has_row = false;
    expand->scans = mn_zalloc(expand->spec.hop_count * sizeof(struct mn_edge_scan *) + 1);
    if (!expand->scans) return mn_fail_nomem();
    return mn_op_open(op->left, exec);
}

/* Turns the scan of the present hop to the node, or to the pair of nodes where both are known. */
static enum mn_status hop_start(struct op_expand *expand, struct mn_exec *exec)
{
    const struct mn_hop *hop = &expand->spec.hops[expand->hop].hop;
    struct mn_edge_scan **scan = &expand->scans[expand->hop];
    const struct mn_value *from = &exec->eval.slots[expand->spec.from_slot];
    const struct mn_value *to = &exec->eval.slots[expand->spec.to_slot];
    enum mn_status status = MN_OK;

    if (!*scan) status = mn_edge_scan_open(exec->view, hop->relation, hop->direction, scan);
    expand->hop_started = true;
    expand->count = expand->at = 0;
    if (status != MN_OK) return status;
    if (expand->spec.to_known) return mn_edge_scan_pair(*scan, from->i, to->i);
    return mn_edge_scan_node(*scan, from->i);
}

/* The next edge of the present row, whatever hop it belongs to. */
static enum mn_status edge_next(struct op_expand *expand, struct mn_exec *exec, bool *found)
{
    enum mn_status status = MN_OK;

    *found = false;
    while (expand->hop < expand->spec.hop_count) {
        if (!expand->hop_started) status = hop_start(expand, exec);
        if (status == MN_OK && expand->at == expand->count) {
            expand->at = 0;
            status = mn_edge_scan_next(expand->scans[expand->hop], expand->edges, EDGES_AT_ONCE,
                                       &expand->count);
        }
        if (status != MN_OK) return status;
        if (expand->count > 0) {
            *found = true;
            return MN_OK;
        }
        expand->hop++;
        expand->hop_started = false;
    }
    return MN_OK;
}

/* True for an edge from a node to itself that was given by the hop before this one already. */
static bool edge_was_given(const struct op_expand *expand, const struct mn_edge *edge, int64_t from)
{
    const struct mn_hop *hop = &expand->spec.hops[expand->hop].hop;

    if (edge->node != from || hop->direction != MN_EDGE_IN || expand->hop == 0) return false;
    return hop->from == hop->to && expand->spec.hops[expand->hop - 1].hop.relation == hop->relation;
}

static enum mn_status edge_take(struct op_expand *expand, struct mn_exec *exec,
                                const struct mn_edge *edge, bool *yes)
{
    const struct mn_match_edge *spec = &expand->spec;
    const struct mn_match_hop *hop = &spec->hops[expand->hop];
    enum mn_status status = MN_OK;

    *yes = !edge_was_given(expand, edge, exec->eval.slots[spec->from_slot].i);
    if (!*yes) return MN_OK;
    if (hop->fetch.count > 0) status = mn_row_fetch(&hop->fetch, exec, edge->edge);
    if (spec->label_slot != MN_NO_SLOT) {
        const char *name = hop->hop.relation->name;
        exec->eval.slots[spec->label_slot] = mn_text(name, strlen(name));
    }
    if (!spec->to_known) {
        exec->eval.slots[spec->to_slot] = mn_int(edge->node);
        if (status == MN_OK) status = mn_row_fetch(&spec->fetch, exec, edge->node);
    }
    if (status != MN_OK || !spec->filter) return status;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    status = mn_expr_test(spec->filter, &exec->eval, yes);
    mn_arena_rewind(exec->eval.scratch, mark);
    return status;
}

static enum mn_status row_next(struct op_expand *expand, struct mn_exec *exec)
{
    const struct mn_match_edge *spec = &expand->spec;
    bool found;
    enum mn_status status = mn_op_next_in(expand->op.left, exec, &expand->held, &found);

    expand->has_row = status == MN_OK && found;
    if (!expand->has_row) return status;
    bool known = !mn_is_null(&exec->eval.slots[spec->from_slot]) &&
                 !(spec->to_known && mn_is_null(&exec->eval.slots[spec->to_slot]));
    expand->hop = known ? 0 : spec->hop_count;
    expand->hop_started = false;
    return MN_OK;
}

static enum mn_status expand_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_expand *expand = (struct op_expand *)op;
    enum mn_status status = MN_OK;

    while (status == MN_OK) {
        bool edge = false;

        if (expand->has_row) status = edge_next(expand, exec, &edge);
        if (status == MN_OK && edge) {
            status = edge_take(expand, exec, &expand->edges[expand->at++], found);
            if (status == MN_OK && *found) return MN_OK;
            if (status == MN_OK) status = mn_exec_tick(exec);
        } else if (status == MN_OK) {
            status = row_next(expand, exec);
            if (!expand->has_row) return status;
        }
    }
    *found = false;
    return status;
}

static void expand_close(struct mn_op *op)
{
    struct op_expand *expand = (struct op_expand *)op;

    for (uint32_t i = 0; expand->scans && i < expand->spec.hop_count; i++) {
        mn_edge_scan_close(expand->scans[i]);
    }
    mn_dealloc(expand->scans);
    expand->scans = NULL;
    mn_held_release(&expand->held);
}

static enum mn_status expand_describe(const struct mn_op *op, struct mn_buf *out)
{
    return mn_match_describe(&((const struct op_expand *)op)->spec, out);
}

static const struct mn_op_kind kind_expand = {"Expand", expand_open, expand_next, expand_close,
                                              expand_describe};

struct mn_op *mn_op_expand(struct mn_arena *arena, struct mn_op *child,
                           const struct mn_match_edge *spec)
{
    struct op_expand *expand = mn_arena_zalloc(arena, sizeof *expand);

    if (!expand) return NULL;
    expand->op = (struct mn_op){.kind = &kind_expand, .left = child};
    expand->op.estimate = child->estimate * (spec->to_known ? 1 : 4);
    expand->spec = *spec;
    return &expand->op;
}
