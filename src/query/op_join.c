/*
 * op_join: NestedLoop (named IndexJoin where its right side looks the left row up) and HashJoin.
 *
 * The row of the left side is held while the right side is read, so the left side's bytes lie in an
 * arena of their own (O2).
 */
#include "query/op.h"

struct op_loop {
    struct mn_op op;
    struct mn_join_spec spec;
    struct mn_held held;
    bool has_left, matched;
};

static void slots_null(const struct mn_slot_list *list, struct mn_value *slots)
{
    for (uint32_t i = 0; i < list->count; i++) slots[list->slots[i]] = mn_null();
}

static enum mn_status loop_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_loop *loop = (struct op_loop *)op;

    mn_held_init(&loop->held, exec);
    loop->has_left = false;
    return mn_op_open(op->left, exec);
}

/* The next pair for the left row at hand; *found false: the right side is through. */
static enum mn_status loop_pair(struct op_loop *loop, struct mn_exec *exec, bool *found)
{
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);

    for (;;) {
        bool yes = true;
        enum mn_status status = mn_op_next(loop->op.right, exec, found);

        if (status != MN_OK || !*found) return status;
        if (loop->spec.on) status = mn_expr_test(loop->spec.on, &exec->eval, &yes);
        *found = status == MN_OK && yes;
        if (status != MN_OK || yes) return status;
        mn_arena_rewind(exec->eval.scratch, mark);
    }
}

static enum mn_status loop_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_loop *loop = (struct op_loop *)op;

    for (;;) {
        enum mn_status status;

        if (!loop->has_left) {
            status = mn_op_next_in(op->left, exec, &loop->held, found);
            if (status != MN_OK || !*found) return status;
            loop->has_left = true;
            loop->matched = false;
            *found = false;
            status = mn_op_open(op->right, exec);
            if (status != MN_OK) return status;
        }
        status = loop_pair(loop, exec, found);
        if (status != MN_OK) return status;
        if (*found) {
            loop->matched = true;
            return MN_OK;
        }
        mn_op_close(op->right);
        loop->has_left = false;
        if (loop->spec.outer && !loop->matched) {
            slots_null(&loop->spec.right_slots, exec->eval.slots);
            *found = true;
            return MN_OK;
        }
    }
}

static void loop_close(struct mn_op *op)
{
    mn_held_release(&((struct op_loop *)op)->held);
}

static enum mn_status join_describe_outer(bool outer, struct mn_buf *out)
{
    return outer ? mn_buf_text(out, " left") : MN_OK;
}

static enum mn_status loop_describe(const struct mn_op *op, struct mn_buf *out)
{
    return join_describe_outer(((const struct op_loop *)op)->spec.outer, out);
}

static const struct mn_op_kind kind_loop = {"NestedLoop", loop_open, loop_next, loop_close,
                                            loop_describe};
static const struct mn_op_kind kind_index = {"IndexJoin", loop_open, loop_next, loop_close,
                                             loop_describe};

struct mn_op *mn_op_nested_loop(struct mn_arena *arena, struct mn_op *left, struct mn_op *right,
                                const struct mn_join_spec *spec)
{
    struct op_loop *loop = mn_arena_zalloc(arena, sizeof *loop);

    if (!loop) return NULL;
    loop->op = (struct mn_op){.kind = spec->indexed ? &kind_index : &kind_loop};
    loop->op.left = left;
    loop->op.right = right;
    loop->op.estimate = left->estimate * right->estimate;
    loop->spec = *spec;
    return &loop->op;
}

/* ---- HashJoin ---- */

struct hash_row {
    struct hash_row *next; /* of the same key, in the order of coming */
    struct mn_value *values;
};

struct hash_list {
    struct hash_row *first, *last;
};

struct op_hash {
    struct mn_op op;
    struct mn_join_spec spec;
    struct mn_arena arena;
    struct mn_held held;
    struct mn_rowset set;
    struct mn_value *key;
    struct hash_row *at;
    bool has_left, matched;
};

/* *usable is false where a part of the key is NULL: it equals nothing. */
static enum mn_status hash_key(struct op_hash *hash, struct mn_exec *exec, struct mn_expr **exprs,
                               bool *usable)
{
    *usable = true;
    for (uint32_t i = 0; i < hash->spec.key_count && *usable; i++) {
        enum mn_status status = mn_expr_eval(exprs[i], &exec->eval, &hash->key[i]);

        if (status != MN_OK) return status;
        if (mn_is_null(&hash->key[i])) *usable = false;
    }
    return MN_OK;
}

static enum mn_status hash_put(struct op_hash *hash, struct mn_exec *exec)
{
    struct mn_rowset_entry *entry;
    struct hash_list *list;
    struct hash_row *row;
    bool added, usable;
    enum mn_status status = hash_key(hash, exec, hash->spec.right_keys, &usable);

    if (status != MN_OK || !usable) return status;
    status = mn_rowset_find(&hash->set, hash->key, &added, &entry);
    if (status != MN_OK) return status;
    if (added) entry->data = mn_arena_zalloc(&hash->arena, sizeof *list);
    list = entry->data;
    row = mn_arena_zalloc(&hash->arena, sizeof *row);
    if (row) row->values = mn_row_save(&hash->arena, &hash->spec.right_slots, exec->eval.slots);
    if (!list || !row || !row->values) return mn_exec_nomem(exec);
    if (list->last) list->last->next = row;
    if (!list->first) list->first = row;
    list->last = row;
    return MN_OK;
}

static enum mn_status hash_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_hash *hash = (struct op_hash *)op;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status;
    bool found;

    mn_arena_init(&hash->arena, exec->memory_limit);
    mn_held_init(&hash->held, exec);
    hash->set = (struct mn_rowset){.width = hash->spec.key_count, .arena = &hash->arena};
    hash->key = mn_arena_alloc(&hash->arena, hash->spec.key_count * sizeof *hash->key);
    if (!hash->key) return mn_exec_nomem(exec);
    hash->has_left = false;
    status = mn_op_open(op->right, exec);
    while (status == MN_OK) {
        status = mn_op_next(op->right, exec, &found);
        if (status != MN_OK || !found) break;
        status = hash_put(hash, exec);
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    mn_op_close(op->right);
    return status == MN_OK ? mn_op_open(op->left, exec) : status;
}

static enum mn_status hash_probe(struct op_hash *hash, struct mn_exec *exec, bool *found)
{
    struct mn_rowset_entry *entry = NULL;
    bool usable;
    enum mn_status status = mn_op_next_in(hash->op.left, exec, &hash->held, found);

    if (status != MN_OK || !*found) return status;
    status = hash_key(hash, exec, hash->spec.left_keys, &usable);
    if (status == MN_OK && usable) status = mn_rowset_find(&hash->set, hash->key, NULL, &entry);
    hash->at = entry ? ((struct hash_list *)entry->data)->first : NULL;
    hash->has_left = true;
    hash->matched = false;
    return status;
}

static enum mn_status hash_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_hash *hash = (struct op_hash *)op;

    for (;;) {
        enum mn_status status;
        bool yes = true;

        if (!hash->has_left) {
            status = hash_probe(hash, exec, found);
            if (status != MN_OK || !*found) return status;
        }
        *found = false;
        while (hash->at) {
            mn_row_load(&hash->spec.right_slots, hash->at->values, exec->eval.slots);
            hash->at = hash->at->next;
            if (hash->spec.on) {
                status = mn_expr_test(hash->spec.on, &exec->eval, &yes);
                if (status != MN_OK) return status;
            }
            if (yes) {
                hash->matched = true;
                *found = true;
                return MN_OK;
            }
        }
        hash->has_left = false;
        if (hash->spec.outer && !hash->matched) {
            slots_null(&hash->spec.right_slots, exec->eval.slots);
            *found = true;
            return MN_OK;
        }
    }
}

static void hash_close(struct mn_op *op)
{
    struct op_hash *hash = (struct op_hash *)op;

    mn_rowset_release(&hash->set);
    mn_arena_release(&hash->arena);
    mn_held_release(&hash->held);
}

static enum mn_status hash_describe(const struct mn_op *op, struct mn_buf *out)
{
    return join_describe_outer(((const struct op_hash *)op)->spec.outer, out);
}

static const struct mn_op_kind kind_hash = {"HashJoin", hash_open, hash_next, hash_close,
                                            hash_describe};

struct mn_op *mn_op_hash_join(struct mn_arena *arena, struct mn_op *left, struct mn_op *right,
                              const struct mn_join_spec *spec)
{
    struct op_hash *hash = mn_arena_zalloc(arena, sizeof *hash);

    if (!hash) return NULL;
    hash->op = (struct mn_op){.kind = &kind_hash, .left = left, .right = right};
    hash->op.estimate = left->estimate > right->estimate ? left->estimate : right->estimate;
    hash->spec = *spec;
    return &hash->op;
}

enum mn_status mn_op_join_also(struct mn_arena *arena, struct mn_op *join, struct mn_expr *on)
{
    struct mn_join_spec *spec = join->kind == &kind_hash ? &((struct op_hash *)join)->spec
                                                         : &((struct op_loop *)join)->spec;

    spec->on = mn_expr_and(arena, spec->on, on);
    return spec->on ? MN_OK : mn_fail_nomem();
}
