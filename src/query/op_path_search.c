/*
 * op_path_search: PathSearch, what can be reached from a node over any number of edges.
 */
#include "query/op_match.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"

struct op_path_search {
    struct mn_op op;
    struct mn_path_spec spec;
    struct mn_hop *hops; /* the same as in spec, side by side, as the walk wants them */
    struct mn_walk *walk;
    struct mn_held held;  /* of the child's row, which stays while its ends come out */
    struct mn_exec *exec; /* for the walk's questions, while the operator is open */
    uint64_t depth_max;
    bool has_row;
};

static enum mn_status edge_admit(void *context, const struct mn_hop *hop,
                                 const struct mn_edge *edge, bool *yes)
{
    struct op_path_search *search = context;
    struct mn_exec *exec = search->exec;
    const struct mn_fetch *fetch = &search->spec.edge.hops[hop - search->hops].fetch;
    enum mn_status status = fetch->count ? mn_row_fetch(fetch, exec, edge->edge) : MN_OK;

    if (search->spec.edge.label_slot != MN_NO_SLOT) {
        const char *name = hop->relation->name;
        exec->eval.slots[search->spec.edge.label_slot] = mn_text(name, strlen(name));
    }
    if (status != MN_OK) return status;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    status = mn_expr_test(search->spec.admit, &exec->eval, yes);
    mn_arena_rewind(exec->eval.scratch, mark);
    return status;
}

static enum mn_status walk_check(void *context)
{
    return mn_exec_tick(((struct op_path_search *)context)->exec);
}

/* The greatest depth that is asked for; *none: nothing can be that near. */
static enum mn_status depth_read(struct op_path_search *search, struct mn_exec *exec, bool *none)
{
    const struct mn_path_spec *spec = &search->spec;
    struct mn_value value;

    *none = false;
    search->depth_max = spec->depth_max;
    if (!spec->depth_limit) return MN_OK;
    enum mn_status status = mn_expr_eval(spec->depth_limit, &exec->eval, &value);
    if (status != MN_OK) return status;
    if (value.type != MN_TYPE_INT) {
        /* NULL: the condition is not true. Another number: the filter above decides alone. */
        *none = mn_is_null(&value);
        return MN_OK;
    }
    int64_t limit;
    if (__builtin_add_overflow(value.i, spec->depth_offset, &limit)) return MN_OK;
    *none = limit < 0 || (uint64_t)limit < spec->depth_min;
    if (!*none && (uint64_t)limit < search->depth_max) search->depth_max = (uint64_t)limit;
    return MN_OK;
}

static enum mn_status path_search_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_path_search *search = (struct op_path_search *)op;
    struct mn_walk_options options = {
        .view = exec->view,
        .hops = search->hops,
        .hop_count = search->spec.edge.hop_count,
        .end_table = search->spec.edge.to_table,
        .memory_limit = exec->memory_limit,
        .admit = search->spec.admit ? edge_admit : NULL,
        .check = walk_check,
        .context = search,
    };

    mn_held_init(&search->held, exec);
    search->exec = exec;
    search->has_row = false;
    search->walk = NULL;
    enum mn_status status = mn_walk_open(&options, &search->walk);
    return status == MN_OK ? mn_op_open(op->left, exec) : status;
}

/* The next row of the child that has a start, and the walk begun there. */
static enum mn_status row_next(struct op_path_search *search, struct mn_exec *exec)
{
    const struct mn_match_edge *edge = &search->spec.edge;
    bool found = true, none;

    search->has_row = false;
    while (found) {
        enum mn_status status = mn_op_next_in(search->op.left, exec, &search->held, &found);
        if (status != MN_OK || !found) return status;
        const struct mn_value *from = &exec->eval.slots[edge->from_slot];
        if (mn_is_null(from)) continue;
        struct mn_node start = {from->i, edge->from_table};
        status = depth_read(search, exec, &none);
        if (status != MN_OK) return status;
        if (none) continue;
        search->has_row = true;
        return mn_walk_start(search->walk, start, search->spec.depth_min, search->depth_max);
    }
    return MN_OK;
}

static enum mn_status end_take(struct op_path_search *search, struct mn_exec *exec,
                               const struct mn_node *end, uint64_t depth, bool *yes)
{
    const struct mn_match_edge *edge = &search->spec.edge;
    struct mn_value *to = &exec->eval.slots[edge->to_slot];
    enum mn_status status = MN_OK;

    *yes = !edge->to_known || (!mn_is_null(to) && to->i == end->row_id);
    if (!*yes) return MN_OK;
    if (search->spec.depth_slot != MN_NO_SLOT) {
        exec->eval.slots[search->spec.depth_slot] = mn_int((int64_t)depth);
    }
    if (!edge->to_known) {
        *to = mn_int(end->row_id);
        status = mn_row_fetch(&edge->fetch, exec, end->row_id);
    }
    if (status != MN_OK || !edge->filter) return status;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    status = mn_expr_test(edge->filter, &exec->eval, yes);
    mn_arena_rewind(exec->eval.scratch, mark);
    return status;
}

static enum mn_status path_search_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_path_search *search = (struct op_path_search *)op;
    enum mn_status status = MN_OK;

    while (status == MN_OK) {
        struct mn_node end = {0, search->spec.edge.to_table};
        uint64_t depth = 0;
        bool more = false;

        if (search->has_row) status = mn_walk_next(search->walk, &end.row_id, &depth, &more);
        if (status == MN_OK && more) {
            status = end_take(search, exec, &end, depth, found);
            if (status == MN_OK && *found) return MN_OK;
            if (status == MN_OK) status = mn_exec_tick(exec);
        } else if (status == MN_OK) {
            status = row_next(search, exec);
            if (!search->has_row) return status;
        }
    }
    *found = false;
    return status;
}

/* Ends that nobody looks at need not come out of the walk. */
static enum mn_status path_search_count(struct mn_op *op, struct mn_exec *exec, uint64_t *rows,
                                        bool *known)
{
    struct op_path_search *search = (struct op_path_search *)op;
    enum mn_status status = MN_OK;
    uint64_t of_row;

    *known = !search->spec.edge.to_known && !search->spec.edge.filter;
    if (!*known) return MN_OK;
    do {
        of_row = 0;
        if (search->has_row) status = mn_walk_count(search->walk, &of_row);
        *rows += of_row;
        if (status == MN_OK) status = row_next(search, exec);
    } while (status == MN_OK && search->has_row);
    return status;
}

static void path_search_close(struct mn_op *op)
{
    struct op_path_search *search = (struct op_path_search *)op;

    mn_walk_close(search->walk);
    search->walk = NULL;
    mn_held_release(&search->held);
}

static enum mn_status path_search_describe(const struct mn_op *op, struct mn_buf *out)
{
    const struct mn_path_spec *spec = &((const struct op_path_search *)op)->spec;
    enum mn_status status = mn_match_describe(&spec->edge, out);

    if (status == MN_OK) status = mn_buf_printf(out, ", {%" PRIu64 ",", spec->depth_min);
    if (status == MN_OK && spec->depth_max != UINT64_MAX) {
        status = mn_buf_printf(out, "%" PRIu64, spec->depth_max);
    }
    if (status == MN_OK) status = mn_buf_text(out, "}");
    if (status == MN_OK && spec->depth_limit) status = mn_buf_text(out, " with a limit");
    return status;
}

static const struct mn_op_kind kind_path_search = {"PathSearch", path_search_open, path_search_next,
                                                   path_search_close, path_search_describe};

struct mn_op *mn_op_path_search(struct mn_arena *arena, struct mn_op *child,
                                const struct mn_path_spec *spec)
{
    struct op_path_search *search = mn_arena_zalloc(arena, sizeof *search);

    if (!search) return NULL;
    search->hops = mn_arena_alloc(arena, spec->edge.hop_count * sizeof *search->hops + 1);
    if (!search->hops) return NULL;
    for (uint32_t i = 0; i < spec->edge.hop_count; i++) search->hops[i] = spec->edge.hops[i].hop;
    search->op =
        (struct mn_op){.kind = &kind_path_search, .left = child, .count = path_search_count};
    search->op.estimate = child->estimate * (spec->edge.to_known ? 1 : 32);
    search->spec = *spec;
    return &search->op;
}
