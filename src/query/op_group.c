/*
 * op_group: HashAggregate, Distinct and the set operations, all over a table of tuples.
 */
#include "base/alloc.h"
#include "query/agg.h"
#include "query/op.h"

/* ---- HashAggregate ---- */

/* A group: its entry in the set, and the states of its aggregates behind it in the order of coming.
 */
struct group {
    struct group *next;
    struct mn_rowset_entry *entry;
    uint8_t *states;
};

struct op_aggregate {
    struct mn_op op;
    struct mn_group_spec spec;
    size_t *offsets; /* of each state */
    size_t state_bytes;
    struct mn_arena arena;
    struct mn_rowset set;
    struct group *first, *last, *at;
};

static enum mn_status group_new(struct op_aggregate *agg, struct mn_exec *exec,
                                struct mn_rowset_entry *entry, struct group **out)
{
    struct group *group = mn_arena_zalloc(&agg->arena, sizeof *group);

    if (group) group->states = mn_arena_zalloc(&agg->arena, agg->state_bytes + 1);
    if (!group || !group->states) return mn_exec_nomem(exec);
    group->entry = entry;
    for (uint32_t i = 0; i < agg->spec.agg_count; i++) {
        mn_agg_begin(agg->spec.aggs[i], group->states + agg->offsets[i]);
    }
    if (agg->last) agg->last->next = group;
    if (!agg->first) agg->first = group;
    agg->last = group;
    *out = group;
    return MN_OK;
}

static enum mn_status aggregate_row(struct op_aggregate *agg, struct mn_exec *exec,
                                    struct mn_value *key)
{
    struct group *group = agg->first;
    enum mn_status status = MN_OK;

    if (agg->spec.group_count > 0) {
        struct mn_rowset_entry *entry;
        bool added;

        for (uint32_t i = 0; i < agg->spec.group_count && status == MN_OK; i++) {
            status = mn_expr_eval(agg->spec.groups[i].expr, &exec->eval, &key[i]);
        }
        if (status == MN_OK) status = mn_rowset_find(&agg->set, key, &added, &entry);
        if (status == MN_OK && added) {
            status = group_new(agg, exec, entry, &group);
            entry->data = group;
        }
        if (status != MN_OK) return status;
        group = entry->data;
    }
    for (uint32_t i = 0; i < agg->spec.agg_count && status == MN_OK; i++) {
        status = mn_agg_step(agg->spec.aggs[i], group->states + agg->offsets[i], &exec->eval,
                             &agg->arena);
    }
    return status;
}

/* Whether rows are only counted: they need not be made. */
static bool only_counts(const struct op_aggregate *agg)
{
    if (agg->spec.group_count > 0 || agg->spec.agg_count == 0) return false;
    for (uint32_t i = 0; i < agg->spec.agg_count; i++) {
        if (!mn_agg_is_row_count(agg->spec.aggs[i])) return false;
    }
    return true;
}

static enum mn_status aggregate_count(struct op_aggregate *agg, struct mn_exec *exec)
{
    uint64_t rows;
    enum mn_status status = mn_op_count(agg->op.left, exec, &rows);

    for (uint32_t i = 0; i < agg->spec.agg_count && status == MN_OK; i++) {
        mn_agg_add_rows(agg->first->states + agg->offsets[i], rows);
    }
    return status;
}

static enum mn_status aggregate_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_aggregate *agg = (struct op_aggregate *)op;
    struct mn_arena_mark mark;
    struct mn_value *key;
    enum mn_status status = MN_OK;
    bool found = true;

    mn_arena_init(&agg->arena, exec->memory_limit);
    agg->set = (struct mn_rowset){.width = agg->spec.group_count, .arena = &agg->arena};
    agg->first = agg->last = agg->at = NULL;
    if (agg->spec.group_count == 0) status = group_new(agg, exec, NULL, &agg->at);
    key = mn_arena_alloc(exec->eval.scratch, agg->spec.group_count * sizeof *key + 1);
    if (!key) return mn_exec_nomem(exec);
    if (status == MN_OK) status = mn_op_open(op->left, exec);
    if (status == MN_OK && only_counts(agg)) {
        status = aggregate_count(agg, exec);
        found = false;
    }
    mark = mn_arena_mark(exec->eval.scratch);
    while (status == MN_OK && found) {
        status = mn_op_next(op->left, exec, &found);
        if (status != MN_OK || !found) break;
        status = aggregate_row(agg, exec, key);
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(op->left);
    agg->at = agg->first;
    return status;
}

static enum mn_status aggregate_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_aggregate *agg = (struct op_aggregate *)op;
    struct group *group = agg->at;

    if (!group) return MN_OK;
    agg->at = group->next;
    for (uint32_t i = 0; i < agg->spec.group_count; i++) {
        exec->eval.slots[agg->spec.groups[i].slot] = group->entry->key[i];
    }
    for (uint32_t i = 0; i < agg->spec.agg_count; i++) {
        enum mn_status status =
            mn_agg_result(agg->spec.aggs[i], group->states + agg->offsets[i], &exec->eval,
                          &exec->eval.slots[agg->spec.agg_slots[i]]);

        if (status != MN_OK) return status;
    }
    *found = true;
    return MN_OK;
}

static void aggregate_close(struct mn_op *op)
{
    struct op_aggregate *agg = (struct op_aggregate *)op;

    mn_rowset_release(&agg->set);
    mn_arena_release(&agg->arena);
    agg->first = agg->last = agg->at = NULL;
}

static const struct mn_op_kind kind_aggregate = {"HashAggregate", aggregate_open, aggregate_next,
                                                 aggregate_close, NULL};

struct mn_op *mn_op_aggregate(struct mn_arena *arena, struct mn_op *child,
                              const struct mn_group_spec *spec)
{
    struct op_aggregate *agg = mn_arena_zalloc(arena, sizeof *agg);

    if (agg) agg->offsets = mn_arena_alloc(arena, spec->agg_count * sizeof *agg->offsets + 1);
    if (!agg || !agg->offsets) return NULL;
    agg->op = (struct mn_op){.kind = &kind_aggregate, .left = child};
    agg->op.estimate = spec->group_count == 0 ? 1 : child->estimate / 10;
    agg->spec = *spec;
    for (uint32_t i = 0; i < spec->agg_count; i++) {
        agg->offsets[i] = agg->state_bytes;
        agg->state_bytes += (mn_agg_state_bytes(spec->aggs[i]) + 15) / 16 * 16;
    }
    return &agg->op;
}

/* ---- Distinct ---- */

struct op_distinct {
    struct mn_op op;
    struct mn_slot_list slots;
    struct mn_arena arena;
    struct mn_rowset set;
    struct mn_value *key;
};

static void key_read(const struct mn_slot_list *list, const struct mn_value *slots,
                     struct mn_value *key)
{
    for (uint32_t i = 0; i < list->count; i++) key[i] = slots[list->slots[i]];
}

static enum mn_status distinct_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_distinct *distinct = (struct op_distinct *)op;

    mn_arena_init(&distinct->arena, exec->memory_limit);
    distinct->set = (struct mn_rowset){.width = distinct->slots.count, .arena = &distinct->arena};
    distinct->key =
        mn_arena_alloc(&distinct->arena, distinct->slots.count * sizeof *distinct->key + 1);
    if (!distinct->key) return mn_exec_nomem(exec);
    return mn_op_open(op->left, exec);
}

static enum mn_status distinct_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_distinct *distinct = (struct op_distinct *)op;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);

    for (;;) {
        struct mn_rowset_entry *entry;
        bool added = false;
        enum mn_status status = mn_op_next(op->left, exec, found);

        if (status != MN_OK || !*found) return status;
        key_read(&distinct->slots, exec->eval.slots, distinct->key);
        status = mn_rowset_find(&distinct->set, distinct->key, &added, &entry);
        if (status != MN_OK || added) {
            *found = status == MN_OK;
            return status;
        }
        mn_arena_rewind(exec->eval.scratch, mark);
    }
}

static void distinct_close(struct mn_op *op)
{
    struct op_distinct *distinct = (struct op_distinct *)op;

    mn_rowset_release(&distinct->set);
    mn_arena_release(&distinct->arena);
}

static const struct mn_op_kind kind_distinct = {"Distinct", distinct_open, distinct_next,
                                                distinct_close, NULL};

struct mn_op *mn_op_distinct(struct mn_arena *arena, struct mn_op *child,
                             const struct mn_slot_list *slots)
{
    struct op_distinct *distinct = mn_arena_zalloc(arena, sizeof *distinct);

    if (!distinct) return NULL;
    distinct->op = (struct mn_op){.kind = &kind_distinct, .left = child};
    distinct->op.estimate = child->estimate / 2;
    distinct->slots = *slots;
    return &distinct->op;
}

/* ---- set operations ---- */

struct op_set {
    struct mn_op op;
    struct mn_set_spec spec;
    struct mn_arena arena;
    struct mn_rowset set; /* EXCEPT, INTERSECT: the right side; UNION: what was given */
    struct mn_value *key;
    bool second;
};

/* EXCEPT and INTERSECT read the right side whole first. An entry's data is not NULL once the left
 * side has given the row. */
static enum mn_status set_fill(struct op_set *set, struct mn_exec *exec)
{
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status = mn_op_open(set->op.right, exec);
    struct mn_rowset_entry *entry;
    bool found, added;

    while (status == MN_OK) {
        status = mn_op_next(set->op.right, exec, &found);
        if (status != MN_OK || !found) break;
        key_read(&set->spec.right, exec->eval.slots, set->key);
        status = mn_rowset_find(&set->set, set->key, &added, &entry);
        if (status == MN_OK) entry->data = NULL;
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(set->op.right);
    return status;
}

static enum mn_status set_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_set *set = (struct op_set *)op;
    enum mn_status status = MN_OK;

    mn_arena_init(&set->arena, exec->memory_limit);
    set->set = (struct mn_rowset){.width = set->spec.slots.count, .arena = &set->arena};
    set->second = false;
    set->key = mn_arena_alloc(&set->arena, set->spec.slots.count * sizeof *set->key + 1);
    if (!set->key) return mn_exec_nomem(exec);
    if (set->spec.op == MN_SET_EXCEPT || set->spec.op == MN_SET_INTERSECT) {
        status = set_fill(set, exec);
    }
    return status == MN_OK ? mn_op_open(op->left, exec) : status;
}

/* Whether the row in set->key is one of the result. */
static enum mn_status set_wants(struct op_set *set, bool *wanted)
{
    struct mn_rowset_entry *entry;
    bool added = false;
    enum mn_status status;

    *wanted = true;
    switch (set->spec.op) {
    case MN_SET_UNION_ALL: return MN_OK;
    case MN_SET_UNION:
        status = mn_rowset_find(&set->set, set->key, &added, &entry);
        *wanted = added;
        return status;
    case MN_SET_EXCEPT:
        /* A row of the right side is there with data NULL; a new one is entered and given once. */
        status = mn_rowset_find(&set->set, set->key, &added, &entry);
        *wanted = added;
        return status;
    case MN_SET_INTERSECT:
        status = mn_rowset_find(&set->set, set->key, NULL, &entry);
        *wanted = entry && !entry->data;
        if (entry) entry->data = set;
        return status;
    }
    return MN_OK;
}

static enum mn_status set_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_set *set = (struct op_set *)op;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    bool both = set->spec.op == MN_SET_UNION || set->spec.op == MN_SET_UNION_ALL;

    for (;;) {
        enum mn_status status = mn_op_next(set->second ? op->right : op->left, exec, found);
        bool wanted = false;

        if (status != MN_OK) return status;
        if (!*found) {
            if (set->second || !both) return MN_OK;
            set->second = true;
            mn_op_close(op->left);
            status = mn_op_open(op->right, exec);
            if (status != MN_OK) return status;
            continue;
        }
        key_read(set->second ? &set->spec.right : &set->spec.left, exec->eval.slots, set->key);
        status = set_wants(set, &wanted);
        *found = status == MN_OK && wanted;
        if (status != MN_OK) return status;
        if (wanted) {
            mn_row_load(&set->spec.slots, set->key, exec->eval.slots);
            return MN_OK;
        }
        mn_arena_rewind(exec->eval.scratch, mark);
    }
}

static void set_close(struct mn_op *op)
{
    struct op_set *set = (struct op_set *)op;

    mn_rowset_release(&set->set);
    mn_arena_release(&set->arena);
}

static const struct mn_op_kind kinds_set[] = {
    [MN_SET_UNION] = {"Union", set_open, set_next, set_close, NULL},
    [MN_SET_UNION_ALL] = {"UnionAll", set_open, set_next, set_close, NULL},
    [MN_SET_EXCEPT] = {"Except", set_open, set_next, set_close, NULL},
    [MN_SET_INTERSECT] = {"Intersect", set_open, set_next, set_close, NULL},
};

struct mn_op *mn_op_set(struct mn_arena *arena, struct mn_op *left, struct mn_op *right,
                        const struct mn_set_spec *spec)
{
    struct op_set *set = mn_arena_zalloc(arena, sizeof *set);

    if (!set) return NULL;
    set->op = (struct mn_op){.kind = &kinds_set[spec->op], .left = left, .right = right};
    set->op.estimate = left->estimate;
    if (spec->op == MN_SET_UNION || spec->op == MN_SET_UNION_ALL) {
        set->op.estimate += right->estimate;
    }
    set->spec = *spec;
    return &set->op;
}
