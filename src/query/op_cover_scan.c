/*
 * op_cover_scan: CoverScan, the row ids of a table that pass a filter on columns which a vector
 * index covers: no row is read.
 *
 * Conditions become ranges of numbers when the scan is opened; those on one column are one test,
 * and a row must pass all.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "catalog/key.h"
#include "index/vector/cover.h"
#include "query/op_nearest.h"

struct op_cover_scan {
    struct mn_op op;
    struct mn_cover_scan_spec spec;
    struct mn_vector_scan_spec search;
    struct mn_cover_test *tests; /* one a column that is tested */
    uint32_t test_count;
    struct mn_cover_scan scan;
    struct mn_buf prefix;
    bool nothing; /* a condition that no row passes, or no partition */
    int64_t ids[MN_POSTING_ROWS_MAX];
    size_t count, at;
};

enum mn_status mn_partition_prefix(const struct mn_vector_scan_spec *search, struct mn_exec *exec,
                                   struct mn_buf *prefix, bool *empty)
{
    const struct mn_index *index = search->index;
    enum mn_status status = MN_OK;

    *empty = false;
    for (uint32_t i = 0; i < search->equal_count && status == MN_OK; i++) {
        const struct mn_index_column *column = &index->columns[i + 1];
        struct mn_value value, as;

        status = mn_expr_eval(search->equal[i], &exec->eval, &value);
        if (status != MN_OK) break;
        if (mn_is_null(&value)) {
            *empty = true;
            return MN_OK;
        }
        status = mn_value_assign(&value, &index->table->columns[column->column].kind, true,
                                 exec->eval.scratch, &as);
        if (status == MN_OK) status = mn_key_append(prefix, &as, column->order);
        if (status == MN_TOOBIG) {
            *empty = true; /* no row has a key that long */
            return MN_OK;
        }
    }
    return status;
}

/* The numbers of values that are `op` this one. */
static bool test_make(enum mn_ast_op op, uint64_t word, struct mn_cover_test *test)
{
    test->low = 0;
    test->high = UINT64_MAX;
    switch ((int)op) {
    case MN_OP_EQ: test->low = test->high = word; return true;
    case MN_OP_GE: test->low = word; return true;
    case MN_OP_LE: test->high = word; return true;
    case MN_OP_GT: test->low = word + 1; return word < UINT64_MAX;
    default: test->high = word - 1; return word > 0; /* LT */
    }
}

/* An INT beside a FLOAT column may lie between two floats: the nearest one, and what `op` is then.
 * *none: no float equals it. */
static enum mn_ast_op op_at_float(enum mn_ast_op op, int64_t i, bool *none)
{
    double near = (double)i;
    bool above = near >= 0x1p63 || (int64_t)near > i;

    if (!above && (int64_t)near == i) return op;
    *none = op == MN_OP_EQ;
    if (op == MN_OP_LT || op == MN_OP_LE) return above ? MN_OP_LT : MN_OP_LE;
    return above ? MN_OP_GE : MN_OP_GT;
}

/* Another range for a covered column; false: no number is in all of them. */
static bool test_add(struct op_cover_scan *scan, const struct mn_cover_test *add)
{
    for (uint32_t i = 0; i < scan->test_count; i++) {
        struct mn_cover_test *test = &scan->tests[i];

        if (test->at != add->at) continue;
        if (add->low > test->low) test->low = add->low;
        if (add->high < test->high) test->high = add->high;
        return test->low <= test->high;
    }
    scan->tests[scan->test_count++] = *add;
    return true;
}

static enum mn_status condition_read(struct op_cover_scan *scan, struct mn_exec *exec, uint32_t i)
{
    const struct mn_cover_condition *condition = &scan->spec.conditions[i];
    const struct mn_index *index = scan->search.index;
    const struct mn_kind *kind = &index->table->columns[index->covers[condition->at]].kind;
    enum mn_ast_op op = condition->op;
    struct mn_cover_test test = {.at = condition->at};
    bool none = false;
    struct mn_value value, as;
    enum mn_status status = mn_expr_eval(condition->value, &exec->eval, &value);

    if (status == MN_OK) status = mn_value_assign(&value, kind, true, exec->eval.scratch, &as);
    if (status != MN_OK) return status;
    if (value.type == MN_TYPE_INT && as.type == MN_TYPE_FLOAT) {
        op = op_at_float(op, value.i, &none);
    }
    none = none || mn_is_null(&as) || !test_make(op, mn_cover_word(&as), &test);
    if (none || !test_add(scan, &test)) scan->nothing = true;
    return MN_OK;
}

static enum mn_status cover_scan_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_cover_scan *scan = (struct op_cover_scan *)op;
    bool empty = false;
    enum mn_status status = MN_OK;

    scan->nothing = false;
    scan->count = scan->at = 0;
    scan->test_count = 0;
    for (uint32_t i = 0; i < scan->spec.count && status == MN_OK; i++) {
        status = condition_read(scan, exec, i);
    }
    scan->prefix.len = 0;
    if (status == MN_OK) {
        status = mn_partition_prefix(&scan->search, exec, &scan->prefix, &empty);
    }
    scan->nothing = scan->nothing || empty;
    if (status != MN_OK || scan->nothing) return status;
    struct mn_cover_ask ask = {scan->test_count, scan->tests,
                               mn_bytes_of(scan->prefix.data, scan->prefix.len)};
    return mn_cover_scan_open(exec->view, scan->search.index, &ask, &scan->scan);
}

/* There is room for all: whoever asks for ids gives a thousand and more. */
static enum mn_status cover_scan_ids(struct mn_op *op, struct mn_exec *exec, int64_t *ids,
                                     size_t capacity, size_t *count)
{
    struct op_cover_scan *scan = (struct op_cover_scan *)op;
    enum mn_status status = mn_exec_tick(exec);

    *count = 0;
    (void)capacity; /* read by the assertion alone */
    MN_ASSERT(capacity >= MN_POSTING_ROWS_MAX);
    if (status != MN_OK || scan->nothing) return status;
    return mn_cover_scan_ids(&scan->scan, ids, count);
}

static enum mn_status cover_scan_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_cover_scan *scan = (struct op_cover_scan *)op;
    enum mn_status status = MN_OK;

    if (scan->at == scan->count) {
        scan->at = 0;
        status = cover_scan_ids(op, exec, scan->ids, MN_POSTING_ROWS_MAX, &scan->count);
    }
    if (status != MN_OK || scan->at == scan->count) return status;
    exec->eval.slots[scan->search.row_id_slot] = mn_int(scan->ids[scan->at++]);
    *found = true;
    return MN_OK;
}

static void cover_scan_close(struct mn_op *op)
{
    struct op_cover_scan *scan = (struct op_cover_scan *)op;

    mn_cover_scan_close(&scan->scan);
    mn_buf_release(&scan->prefix);
}

static bool column_is_tested(const struct op_cover_scan *scan, uint32_t at)
{
    for (uint32_t i = 0; i < scan->spec.count; i++) {
        if (scan->spec.conditions[i].at == at) return true;
    }
    return false;
}

static enum mn_status cover_scan_describe(const struct mn_op *op, struct mn_buf *out)
{
    const struct op_cover_scan *scan = (const struct op_cover_scan *)op;
    const struct mn_index *index = scan->search.index;
    const char *between = " (";
    enum mn_status status = mn_buf_printf(out, " %s using %s", index->table->name, index->name);

    for (uint32_t at = 0; at < index->cover_count && status == MN_OK; at++) {
        if (!column_is_tested(scan, at)) continue;
        status = mn_buf_printf(out, "%s%s", between, index->table->columns[index->covers[at]].name);
        between = ", ";
    }
    if (status == MN_OK && scan->spec.count) status = mn_buf_text(out, ")");
    if (status != MN_OK || scan->search.equal_count == 0) return status;
    return mn_buf_text(out, ", by partition");
}

static const struct mn_op_kind kind_cover_scan = {"CoverScan", cover_scan_open, cover_scan_next,
                                                  cover_scan_close, cover_scan_describe};

struct mn_op *mn_op_cover_scan(struct mn_arena *arena, const struct mn_cover_scan_spec *spec)
{
    struct op_cover_scan *scan = mn_arena_zalloc(arena, sizeof *scan);

    if (scan) scan->tests = mn_arena_zalloc(arena, (spec->count + 1) * sizeof *scan->tests);
    if (!scan || !scan->tests) return NULL;
    scan->op = (struct mn_op){.kind = &kind_cover_scan, .ids = cover_scan_ids};
    scan->spec = *spec;
    scan->search = *spec->search;
    return &scan->op;
}
