/*
 * op_latest: the newest n rows of each group, by a heap a group.
 *
 * Rows without a time are left out; of two at one time the greater key is newer. Groups come in
 * ascending order of their values, rows newest first inside. An index that begins with the group's
 * columns and goes on with the time lets the plan feed rows backward; the heaps are then full after
 * n rows of a group and refuse the others at the price of one comparison.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "query/op_limit.h"

struct latest_row {
    struct mn_value time, tie;
    struct mn_value *values;
};

struct latest_group {
    struct mn_rowset_entry *entry;
    struct latest_row *rows; /* a heap, the oldest first */
    size_t count, capacity;
};

struct op_latest {
    struct mn_op op;
    struct mn_latest_spec spec;
    struct mn_arena arena;
    struct mn_rowset set;
    struct latest_group **groups;
    size_t group_count, group_capacity;
    size_t at_group, at_row;
    uint64_t n;
};

static int row_order(const struct latest_row *a, const struct latest_row *b)
{
    int order = mn_value_order(&a->time, &b->time);

    return order != 0 ? order : mn_value_order(&a->tie, &b->tie);
}

static void rows_sink(struct latest_row *rows, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        struct latest_row row = rows[at];

        if (child >= count) return;
        if (child + 1 < count && row_order(&rows[child + 1], &rows[child]) < 0) child++;
        if (row_order(&row, &rows[child]) <= 0) return;
        rows[at] = rows[child];
        rows[child] = row;
        at = child;
    }
}

static void rows_rise(struct latest_row *rows, size_t at)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        struct latest_row row = rows[at];

        if (row_order(&rows[parent], &row) <= 0) return;
        rows[at] = rows[parent];
        rows[parent] = row;
        at = parent;
    }
}

static enum mn_status group_find(struct op_latest *latest, struct mn_exec *exec,
                                 const struct mn_value *key, struct latest_group **out)
{
    struct mn_rowset_entry *entry;
    struct latest_group *group;
    bool added;
    enum mn_status status = mn_rowset_find(&latest->set, key, &added, &entry);

    if (status != MN_OK) return status;
    if (added) {
        group = mn_arena_zalloc(&latest->arena, sizeof *group);
        if (!group) return mn_exec_nomem(exec);
        group->entry = entry;
        entry->data = group;
        if (!mn_grow(&latest->groups, &latest->group_capacity, latest->group_count + 1,
                     sizeof(struct latest_group *))) {
            return mn_fail_nomem();
        }
        latest->groups[latest->group_count++] = group;
    }
    *out = entry->data;
    return MN_OK;
}

static enum mn_status row_offer(struct op_latest *latest, struct mn_exec *exec,
                                struct latest_group *group, struct latest_row row)
{
    bool full = group->count == latest->n;

    if (full && row_order(&row, &group->rows[0]) <= 0) return MN_OK;
    row.values = mn_row_save(&latest->arena, &latest->spec.keep, exec->eval.slots);
    if (!row.values || mn_value_copy(&latest->arena, &row.tie, &row.tie) != MN_OK) {
        return mn_exec_nomem(exec);
    }
    if (full) {
        group->rows[0] = row;
        rows_sink(group->rows, group->count, 0);
        return MN_OK;
    }
    if (!mn_grow(&group->rows, &group->capacity, group->count + 1, sizeof *group->rows)) {
        return mn_fail_nomem();
    }
    group->rows[group->count++] = row;
    rows_rise(group->rows, group->count - 1);
    return MN_OK;
}

static enum mn_status row_take(struct op_latest *latest, struct mn_exec *exec, struct mn_value *key)
{
    struct latest_row row = {0};
    struct latest_group *group;
    enum mn_status status = mn_expr_eval(latest->spec.time, &exec->eval, &row.time);

    if (status != MN_OK || mn_is_null(&row.time)) return status;
    status = mn_expr_eval(latest->spec.tie, &exec->eval, &row.tie);
    for (uint32_t i = 0; i < latest->spec.group_count && status == MN_OK; i++) {
        status = mn_expr_eval(latest->spec.groups[i], &exec->eval, &key[i]);
    }
    if (status == MN_OK) status = group_find(latest, exec, key, &group);
    return status == MN_OK ? row_offer(latest, exec, group, row) : status;
}

static int newest_first(const void *a, const void *b)
{
    return -row_order(a, b);
}

static int keys_order(const struct latest_group *a, const struct latest_group *b, uint32_t width)
{
    int order = 0;

    for (uint32_t i = 0; i < width && order == 0; i++) {
        order = mn_value_order(&a->entry->key[i], &b->entry->key[i]);
    }
    return order;
}

/* Shell sort: the order needs the width, which qsort has no place for. */
static void groups_sort(struct op_latest *latest)
{
    uint32_t width = latest->spec.group_count;

    for (size_t gap = latest->group_count / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < latest->group_count; i++) {
            struct latest_group *group = latest->groups[i];
            size_t j = i;

            for (; j >= gap && keys_order(latest->groups[j - gap], group, width) > 0; j -= gap) {
                latest->groups[j] = latest->groups[j - gap];
            }
            latest->groups[j] = group;
        }
    }
}

static enum mn_status latest_count(struct op_latest *latest, struct mn_exec *exec)
{
    uint64_t counts[2];
    enum mn_status status;

    latest->n = 1;
    if (!latest->spec.n) return MN_OK;
    status = mn_limit_eval(latest->spec.n, NULL, exec, counts);
    latest->n = counts[0];
    return status;
}

static enum mn_status latest_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_latest *latest = (struct op_latest *)op;
    struct mn_arena_mark mark;
    struct mn_value *key;
    enum mn_status status = latest_count(latest, exec);
    bool found;

    mn_arena_init(&latest->arena, exec->memory_limit);
    latest->set = (struct mn_rowset){.width = latest->spec.group_count, .arena = &latest->arena};
    latest->groups = NULL;
    latest->group_count = latest->group_capacity = 0;
    latest->at_group = latest->at_row = 0;
    if (status != MN_OK || latest->n == 0) return status;
    key = mn_arena_alloc(&latest->arena, latest->spec.group_count * sizeof *key + 1);
    if (!key) return mn_exec_nomem(exec);
    status = mn_op_open(op->left, exec);
    mark = mn_arena_mark(exec->eval.scratch);
    while (status == MN_OK) {
        status = mn_op_next(op->left, exec, &found);
        if (status != MN_OK || !found) break;
        status = row_take(latest, exec, key);
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(op->left);
    if (status != MN_OK) return status;
    groups_sort(latest);
    for (size_t i = 0; i < latest->group_count; i++) {
        qsort(latest->groups[i]->rows, latest->groups[i]->count, sizeof(struct latest_row),
              newest_first);
    }
    return MN_OK;
}

static enum mn_status latest_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_latest *latest = (struct op_latest *)op;

    while (latest->at_group < latest->group_count) {
        const struct latest_group *group = latest->groups[latest->at_group];

        if (latest->at_row < group->count) {
            mn_row_load(&latest->spec.keep, group->rows[latest->at_row++].values, exec->eval.slots);
            *found = true;
            return MN_OK;
        }
        latest->at_group++;
        latest->at_row = 0;
    }
    return MN_OK;
}

static void latest_close(struct mn_op *op)
{
    struct op_latest *latest = (struct op_latest *)op;

    for (size_t i = 0; i < latest->group_count; i++) mn_dealloc(latest->groups[i]->rows);
    mn_dealloc(latest->groups);
    latest->groups = NULL;
    latest->group_count = latest->group_capacity = 0;
    mn_rowset_release(&latest->set);
    mn_arena_release(&latest->arena);
}

static const struct mn_op_kind kind_latest = {"Latest", latest_open, latest_next, latest_close,
                                              NULL};

struct mn_op *mn_op_latest(struct mn_arena *arena, struct mn_op *child,
                           const struct mn_latest_spec *spec)
{
    struct op_latest *latest = mn_arena_zalloc(arena, sizeof *latest);

    if (!latest) return NULL;
    latest->op = (struct mn_op){.kind = &kind_latest, .left = child};
    latest->op.estimate = child->estimate / 10;
    latest->spec = *spec;
    return &latest->op;
}
