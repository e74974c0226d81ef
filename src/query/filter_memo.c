/*
 * filter_memo: what a filter reads, and the values that it read last.
 */
#include "query/filter_memo.h"

#include <string.h>

#include "base/alloc.h"
#include "query/plan.h"

enum { PARAMS_MOST = 16, VALUE_BYTES_MOST = 256 };

/* ---- what a filter reads ---- */

struct reads_walk {
    const struct mn_source *source;
    bool known;
    uint32_t count;
    uint32_t params[PARAMS_MOST];
};

static bool slot_is_of(const struct mn_source *source, uint32_t slot)
{
    if (slot == source->row_id_slot) return true;
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].slot == slot) return true;
    }
    return false;
}

static void reads_visit(void *context, const struct mn_expr *expr)
{
    struct reads_walk *walk = context;

    switch ((int)expr->form) {
    case MN_EXPR_PARAM:
        if (walk->count == PARAMS_MOST) {
            walk->known = false;
        } else {
            walk->params[walk->count++] = expr->slot;
        }
        return;
    case MN_EXPR_SLOT:
        if (!slot_is_of(walk->source, expr->slot)) walk->known = false;
        return;
    case MN_EXPR_CONSTANT:
    case MN_EXPR_OP:
    case MN_EXPR_IS_NULL:
    case MN_EXPR_IN:
    case MN_EXPR_LIKE: break;
    default: walk->known = false;
    }
    if (expr->unsteady) walk->known = false;
}

enum mn_status mn_filter_reads_find(struct mn_plan *plan, struct mn_filter_reads *reads)
{
    struct reads_walk walk = {.source = plan->query->sources[0], .known = true};

    for (uint32_t i = 0; i < plan->condition_count; i++) {
        mn_expr_walk(plan->conditions[i].expr, reads_visit, &walk);
    }
    *reads = (struct mn_filter_reads){.known = walk.known && plan->condition_count > 0};
    if (!reads->known || walk.count == 0) return MN_OK;
    reads->param_count = walk.count;
    reads->params = mn_arena_copy(plan->arena, walk.params, walk.count * sizeof walk.params[0]);
    return reads->params ? MN_OK : mn_fail_nomem();
}

/* ---- the values ---- */

void mn_filter_memo_release(struct mn_filter_memo *memo)
{
    mn_buf_release(&memo->key);
    mn_dealloc(memo->vectors);
    mn_sketch_release(&memo->sketch);
    *memo = (struct mn_filter_memo){.full = false};
}

/* Appends a value so that only equal values give equal bytes; *able false: it is too long. */
static enum mn_status value_append(struct mn_buf *key, const struct mn_value *value, bool *able)
{
    const void *bytes = &value->i;
    size_t count = sizeof value->i;
    enum mn_status status = mn_buf_append(key, &value->type, sizeof value->type);

    switch ((int)value->type) {
    case MN_TYPE_NULL: count = 0; break;
    case MN_TYPE_BOOL:
        bytes = &value->b;
        count = sizeof value->b;
        break;
    case MN_TYPE_INT:
    case MN_TYPE_FLOAT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: break;
    case MN_TYPE_UUID:
        bytes = value->uuid;
        count = sizeof value->uuid;
        break;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB:
        if (status == MN_OK) status = mn_buf_append(key, &value->size, sizeof value->size);
        bytes = value->p;
        count = value->size;
        break;
    default: *able = false;
    }
    if (count > VALUE_BYTES_MOST) *able = false;
    if (status != MN_OK || !*able || count == 0) return status;
    return mn_buf_append(key, bytes, count);
}

static enum mn_status key_make(const struct mn_filter_reads *reads, const struct mn_exec *exec,
                               struct mn_buf *key, bool *able)
{
    enum mn_status status = MN_OK;

    *able = reads->known && !mn_view_writable(exec->view);
    for (uint32_t i = 0; i < reads->param_count && *able && status == MN_OK; i++) {
        status = value_append(key, &exec->eval.params[reads->params[i] - 1], able);
    }
    return status;
}

static const uint8_t *map_of(const struct mn_view *view)
{
    return mn_run_mapped(view, 0, 1);
}

enum mn_status mn_filter_memo_begin(struct mn_filter_memo *memo,
                                    const struct mn_filter_reads *reads, const struct mn_exec *exec)
{
    struct mn_buf key = {0};
    uint64_t version = mn_view_version(exec->view);
    bool able;
    enum mn_status status = key_make(reads, exec, &key, &able);

    bool again = status == MN_OK && able && memo->noted && memo->version == version &&
                 memo->key.len == key.len &&
                 (key.len == 0 || memcmp(memo->key.data, key.data, key.len) == 0);
    memo->runs = again ? memo->runs + (memo->runs < UINT32_MAX) : 1;
    if (!again) memo->listed = false;                                  /* (F1) */
    if (!again || memo->map != map_of(exec->view)) memo->full = false; /* (F1) (F2) */
    mn_buf_release(&memo->key);
    memo->key = key;
    memo->version = version;
    memo->map = map_of(exec->view);
    memo->noted = status == MN_OK && able;
    return status;
}

enum mn_status mn_filter_memo_keep(struct mn_filter_memo *memo, const struct mn_view *view,
                                   const float *const *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (vectors[i] && !mn_view_maps(view, vectors[i])) return MN_OK;
    }
    if (!mn_grow(&memo->vectors, &memo->capacity, count + 1, sizeof *memo->vectors)) {
        return mn_fail_nomem();
    }
    if (count) memcpy(memo->vectors, vectors, count * sizeof *vectors);
    memo->count = count;
    memo->full = true;
    mn_sketch_release(&memo->sketch);
    return MN_OK;
}
