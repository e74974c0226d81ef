/*
 * op_scan: rows of a table in the order of a key: TableScan, RangeScan, KeyLookup, RangeCount.
 *
 *   point    the values of the first columns of the key: the equal ones, and one of the IN list
 *   range    the next column between two bounds
 *
 * The conditions are evaluated at open, so the same operator looks up one row after the other as
 * the right side of an IndexJoin. Columns are decoded only when somebody reads them: first those of
 * the filter, and the rest only of rows that pass it.
 *
 * In a view that only reads, the records of a table scan are taken from the leaf some at a time and
 * wait in `ahead`: the first few, then more and more, so that LIMIT 1 does not pay for many. Of an
 * index the row ids are, where its keys are not decoded.
 */
#include <math.h>
#include <stdlib.h>

#include "index/index.h"
#include "index/relation/edge.h"
#include "index/row.h"
#include "query/op_scan.h"

enum { EDGES_AT_ONCE = 64, AHEAD_FIRST = 2, AHEAD_FIRST_IDS = 8, AHEAD_MOST = 64 };

struct op_scan {
    struct mn_op op;
    struct mn_scan_spec spec;
    uint32_t count_slot;
    struct mn_arena arena;   /* of one opening: the values below */
    struct mn_value *values; /* equal_count, and one more for the IN list */
    struct mn_value *points; /* of the IN list: sorted, each once */
    uint32_t point_count, point_at;
    struct mn_value low, high;
    bool nulls;          /* the second range of nulls_after */
    bool nothing;        /* a condition is NULL: no row */
    bool counted, whole; /* whole: no condition at all */
    bool looks_ahead;    /* the scan can give some rows at a time */
    bool assumes;        /* a row that is looked up is not read */
    struct mn_index_scan *scan;
    struct mn_key_range keys;
    struct mn_edge_scan *edge_scan; /* EdgeScan */
    struct mn_edge edges[EDGES_AT_ONCE];
    size_t edge_count, edge_at;
    size_t ahead_room, ahead_count, ahead_at;
    struct mn_row ahead[AHEAD_MOST];
};

static struct mn_kind key_kind(const struct mn_scan_spec *spec, uint32_t i)
{
    if (spec->edges) return spec->table->columns[spec->edges == 2 ? 1 : i].kind;
    if (!spec->index) return (struct mn_kind){.type = MN_TYPE_INT};
    return spec->table->columns[spec->index->columns[i].column].kind;
}

/* The value of a condition, of the kind that the key's column i has. */
static enum mn_status key_value(struct op_scan *scan, struct mn_exec *exec,
                                const struct mn_expr *expr, uint32_t i, struct mn_value *out)
{
    struct mn_kind kind = key_kind(&scan->spec, i);
    struct mn_value value, assigned;
    enum mn_status status = mn_expr_eval(expr, &exec->eval, &value);

    if (status != MN_OK) return status;
    status = mn_value_assign(&value, &kind, true, &scan->arena, &assigned);
    if (status == MN_OK) status = mn_value_copy(&scan->arena, &assigned, out);
    return status;
}

static int points_order(const void *a, const void *b)
{
    return mn_value_order(a, b);
}

static enum mn_status points_read(struct op_scan *scan, struct mn_exec *exec)
{
    const struct mn_scan_spec *spec = &scan->spec;
    uint32_t count = 0, unique = 0;

    scan->points = mn_arena_alloc(&scan->arena, spec->in_count * sizeof *scan->points + 1);
    if (!scan->points) return mn_exec_nomem(exec);
    for (uint32_t i = 0; i < spec->in_count; i++) {
        enum mn_status status =
            key_value(scan, exec, spec->in[i], spec->equal_count, &scan->points[count]);

        if (status != MN_OK) return status;
        if (!mn_is_null(&scan->points[count])) count++;
    }
    qsort(scan->points, count, sizeof *scan->points, points_order);
    for (uint32_t i = 0; i < count; i++) {
        if (unique > 0 && mn_value_order(&scan->points[i], &scan->points[unique - 1]) == 0) {
            continue;
        }
        scan->points[unique++] = scan->points[i];
    }
    scan->point_count = unique;
    return MN_OK;
}

static enum mn_status bound_read(struct op_scan *scan, struct mn_exec *exec,
                                 const struct mn_expr *expr, struct mn_value *out)
{
    uint32_t column = scan->spec.equal_count + (scan->spec.in_count > 0);
    enum mn_status status;

    if (!expr) return MN_OK;
    status = key_value(scan, exec, expr, column, out);
    if (status == MN_OK && mn_is_null(out)) scan->nothing = true;
    return status;
}

static enum mn_status conditions_read(struct op_scan *scan, struct mn_exec *exec)
{
    const struct mn_scan_spec *spec = &scan->spec;
    enum mn_status status = MN_OK;

    scan->values = mn_arena_alloc(&scan->arena, (spec->equal_count + 2) * sizeof *scan->values);
    if (!scan->values) return mn_exec_nomem(exec);
    for (uint32_t i = 0; i < spec->equal_count && status == MN_OK; i++) {
        status = key_value(scan, exec, spec->equal[i], i, &scan->values[i]);
        if (status != MN_OK || spec->nulls_equal) continue;
        if (mn_is_null(&scan->values[i])) scan->nothing = true;
    }
    scan->point_count = 1;
    if (status == MN_OK && spec->in_count > 0) status = points_read(scan, exec);
    if (status == MN_OK) status = bound_read(scan, exec, spec->low, &scan->low);
    if (status == MN_OK) status = bound_read(scan, exec, spec->high, &scan->high);
    return status;
}

/* The least value of a type: a bound that leaves out NULLs and nothing else. */
static struct mn_value value_least(uint8_t type)
{
    struct mn_value least = {.type = type};

    if (type == MN_TYPE_FLOAT) {
        least.f = -HUGE_VAL;
    } else if (type == MN_TYPE_INT || type == MN_TYPE_TIMESTAMP || type == MN_TYPE_DURATION) {
        least.i = INT64_MIN;
    } else if (type == MN_TYPE_TEXT || type == MN_TYPE_BLOB) {
        least.p = "";
    }
    return least;
}

/* The range of the point at hand as keys. */
static enum mn_status point_keys(struct op_scan *scan)
{
    const struct mn_scan_spec *spec = &scan->spec;
    struct mn_index_range range = {.equal = scan->values, .equal_count = spec->equal_count};

    if (spec->in_count > 0) {
        uint32_t at = spec->backward ? scan->point_count - 1 - scan->point_at : scan->point_at;

        scan->values[range.equal_count++] = scan->points[at];
    }
    if (spec->nulls_after) {
        if (scan->nulls) {
            scan->values[range.equal_count++] = mn_null();
        } else if (!spec->low) {
            struct mn_kind kind = key_kind(spec, range.equal_count);

            scan->low = value_least(kind.type);
            range.low = &scan->low;
        }
    }
    if (spec->low) range.low = &scan->low;
    if (spec->high) range.high = &scan->high;
    range.low_open = spec->low_open;
    range.high_open = spec->high_open;
    mn_key_range_release(&scan->keys);
    return mn_index_range_keys(spec->table, spec->index, &range, &scan->keys);
}

/* Whether columns are decoded from the index's keys. */
static bool reads_keys(const struct mn_scan_spec *spec)
{
    for (uint32_t i = 0; i < spec->column_count && spec->index_only; i++) {
        if (spec->columns[i].column != MN_SCAN_ROW_ID) return true;
    }
    return false;
}

static enum mn_status scan_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_scan *scan = (struct op_scan *)op;
    const struct mn_scan_spec *spec = &scan->spec;

    mn_arena_init(&scan->arena, exec->memory_limit);
    scan->scan = NULL;
    scan->edge_scan = NULL;
    scan->edge_at = scan->edge_count = 0;
    scan->ahead_at = scan->ahead_count = 0;
    scan->ahead_room = spec->index ? AHEAD_FIRST_IDS : AHEAD_FIRST;
    scan->looks_ahead =
        (spec->index ? !reads_keys(spec) : !spec->backward) && !mn_view_writable(exec->view);
    scan->keys = (struct mn_key_range){0};
    scan->point_at = 0;
    scan->nothing = scan->counted = false;
    scan->nulls = false;
    scan->whole = spec->equal_count == 0 && spec->in_count == 0 && !spec->low && !spec->high &&
                  !spec->nulls_after;
    scan->point_count = 1;
    return scan->whole ? MN_OK : conditions_read(scan, exec);
}

static enum mn_status column_read(struct op_scan *scan, struct mn_exec *exec,
                                  const struct mn_row *row, const struct mn_scan_column *column)
{
    struct mn_value *out = &exec->eval.slots[column->slot];

    if (column->column == MN_SCAN_ROW_ID) {
        *out = mn_int(row->id);
        return MN_OK;
    }
    if (scan->spec.index_only) {
        return mn_index_scan_column(scan->scan, (uint32_t)column->index_column, exec->eval.scratch,
                                    out);
    }
    return mn_row_column(exec->view, scan->spec.table, row, (uint32_t)column->column, out);
}

/* Decodes the row in two steps; *yes is false where the filter refuses it. */
static enum mn_status row_take(struct op_scan *scan, struct mn_exec *exec, struct mn_row *row,
                               bool *yes)
{
    const struct mn_scan_spec *spec = &scan->spec;
    enum mn_status status = MN_OK;
    bool there = true;

    *yes = true;
    if (!row->record.data && !spec->index_only && !scan->assumes) {
        status = mn_row_get(exec->view, spec->table, row->id, &row->record, &there);
        if (status == MN_OK && !there) {
            return mn_fail(MN_CORRUPT, "index %s of %s names row %lld, which is not there",
                           spec->index ? spec->index->name : "", spec->table->name,
                           (long long)row->id);
        }
    }
    for (uint32_t i = 0; i < spec->early_count && status == MN_OK; i++) {
        status = column_read(scan, exec, row, &spec->columns[i]);
    }
    if (status == MN_OK && spec->filter) status = mn_expr_test(spec->filter, &exec->eval, yes);
    if (status != MN_OK || !*yes) return status;
    for (uint32_t i = spec->early_count; i < spec->column_count && status == MN_OK; i++) {
        status = column_read(scan, exec, row, &spec->columns[i]);
    }
    return status;
}

/* Opens the cursor for the point at hand. */
static enum mn_status point_open(struct op_scan *scan, struct mn_exec *exec)
{
    struct mn_scan_options options = {
        .table = scan->spec.table, .index = scan->spec.index, .backward = scan->spec.backward};

    if (!scan->whole) {
        enum mn_status status = point_keys(scan);

        if (status != MN_OK) return status;
        options.keys = &scan->keys;
    }
    return mn_index_scan_open(exec->view, &options, &scan->scan);
}

/* The next row of the point at hand: from those ahead, or one by one. */
static enum mn_status point_next(struct op_scan *scan, struct mn_row *row, bool *found)
{
    enum mn_status status = MN_OK;

    if (scan->looks_ahead && scan->ahead_at == scan->ahead_count) {
        scan->ahead_at = 0;
        status = mn_index_scan_rows(scan->scan, scan->ahead, scan->ahead_room, &scan->ahead_count);
        if (scan->ahead_room < AHEAD_MOST) scan->ahead_room *= 2;
    }
    if (scan->ahead_at < scan->ahead_count) {
        *row = scan->ahead[scan->ahead_at++];
        *found = true;
        return MN_OK;
    }
    return status == MN_OK ? mn_index_scan_next(scan->scan, &row->id, &row->record, found) : status;
}

static enum mn_status scan_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_scan *scan = (struct op_scan *)op;
    struct mn_arena_mark mark = {NULL, 0};

    if (scan->nothing) return MN_OK;
    if (scan->spec.filter) mark = mn_arena_mark(exec->eval.scratch);
    while (scan->point_at < scan->point_count) {
        struct mn_row row = {0};
        enum mn_status status = scan->scan ? MN_OK : point_open(scan, exec);
        bool yes;

        if (status == MN_OK) status = point_next(scan, &row, &yes);
        if (status != MN_OK) return status;
        if (!yes) {
            mn_index_scan_close(scan->scan);
            scan->scan = NULL;
            if (scan->spec.nulls_after && !scan->nulls) {
                scan->nulls = true;
            } else {
                scan->point_at++;
            }
            continue;
        }
        if (scan->spec.index) row.record = (struct mn_bytes){0};
        exec->rows_seen++;
        status = row_take(scan, exec, &row, found);
        if (status != MN_OK || *found) {
            if (status != MN_OK) *found = false;
            return status;
        }
        mn_arena_rewind(exec->eval.scratch, mark);
        status = mn_exec_tick(exec);
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

/* Only where nothing tests the rows. */
static enum mn_status scan_ids(struct mn_op *op, struct mn_exec *exec, int64_t *ids,
                               size_t capacity, size_t *count)
{
    struct op_scan *scan = (struct op_scan *)op;
    enum mn_status status = MN_OK;

    while (!scan->nothing && scan->point_at < scan->point_count && *count < capacity) {
        size_t got = 0;
        bool found = false;

        if (!scan->scan) status = point_open(scan, exec);
        if (status == MN_OK) {
            status = mn_index_scan_ids(scan->scan, ids + *count, capacity - *count, &got);
        }
        if (status == MN_OK && got == 0) {
            status = mn_index_scan_next(scan->scan, &ids[*count], NULL, &found);
            got = found;
        }
        if (status != MN_OK) return status;
        *count += got;
        exec->rows_seen += got;
        if (got > 0) continue;
        mn_index_scan_close(scan->scan);
        scan->scan = NULL;
        scan->point_at++;
    }
    return MN_OK;
}

/* The row id of a point, all of whose columns are given. */
static enum mn_status lookup_find(struct op_scan *scan, struct mn_exec *exec, struct mn_row *row,
                                  bool *there)
{
    const struct mn_scan_spec *spec = &scan->spec;
    enum mn_status status;

    *row = (struct mn_row){0};
    if (spec->in_count > 0) {
        uint32_t at = spec->backward ? scan->point_count - 1 - scan->point_at : scan->point_at;

        scan->values[spec->equal_count] = scan->points[at];
    }
    *there = true;
    if (spec->index) {
        status = mn_index_find(exec->view, spec->index, scan->values, &row->id, there);
    } else if (scan->assumes) {
        row->id = scan->values[0].i;
        status = MN_OK;
    } else {
        row->id = scan->values[0].i;
        status = mn_row_get(exec->view, spec->table, row->id, &row->record, there);
    }
    return status;
}

static enum mn_status lookup_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_scan *scan = (struct op_scan *)op;
    struct mn_row row;
    bool there;

    if (scan->nothing) return MN_OK;
    while (scan->point_at < scan->point_count) {
        enum mn_status status = lookup_find(scan, exec, &row, &there);

        scan->point_at++;
        if (status == MN_OK && there) {
            exec->rows_seen++;
            status = row_take(scan, exec, &row, found);
        }
        if (status != MN_OK) *found = false;
        if (status != MN_OK || *found) return status;
    }
    return MN_OK;
}

/* The ends' rows, and the scan of the edges between or from them. *there is false where an end has
 * no row, and so no edge. */
static enum mn_status edges_open(struct op_scan *scan, struct mn_exec *exec, bool *there)
{
    const struct mn_table *relation = scan->spec.table;
    unsigned which = scan->spec.edges;
    int64_t nodes[2];
    enum mn_status status = MN_OK;

    *there = true;
    for (uint32_t i = 0; i < scan->spec.equal_count && status == MN_OK && *there; i++) {
        const struct mn_table *end = which == 2 || i == 1 ? relation->to : relation->from;

        status = mn_row_find(exec->view, end, &scan->values[i], &nodes[i], there);
    }
    if (status != MN_OK || !*there) return status;
    status = mn_edge_scan_open(exec->view, relation, which == 2 ? MN_EDGE_IN : MN_EDGE_OUT,
                               &scan->edge_scan);
    if (status != MN_OK) return status;
    return which == 3 ? mn_edge_scan_pair(scan->edge_scan, nodes[0], nodes[1])
                      : mn_edge_scan_node(scan->edge_scan, nodes[0]);
}

static enum mn_status edge_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_scan *scan = (struct op_scan *)op;
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    enum mn_status status = MN_OK;
    bool there = true;

    if (scan->nothing) return MN_OK;
    if (!scan->edge_scan) status = edges_open(scan, exec, &there);
    scan->nothing = !there;
    while (status == MN_OK && there && !*found) {
        struct mn_row row = {0};

        if (scan->edge_at == scan->edge_count) {
            scan->edge_at = 0;
            status =
                mn_edge_scan_next(scan->edge_scan, scan->edges, EDGES_AT_ONCE, &scan->edge_count);
            if (status != MN_OK || scan->edge_count == 0) break;
        }
        row.id = scan->edges[scan->edge_at++].edge;
        exec->rows_seen++;
        mn_arena_rewind(exec->eval.scratch, mark);
        status = row_take(scan, exec, &row, found);
    }
    if (status != MN_OK) *found = false;
    return status;
}

static void scan_close(struct mn_op *op)
{
    struct op_scan *scan = (struct op_scan *)op;

    mn_edge_scan_close(scan->edge_scan);
    scan->edge_scan = NULL;
    mn_index_scan_close(scan->scan);
    scan->scan = NULL;
    mn_key_range_release(&scan->keys);
    mn_arena_release(&scan->arena);
}

static enum mn_status scan_describe(const struct mn_op *op, struct mn_buf *out)
{
    const struct mn_scan_spec *spec = &((const struct op_scan *)op)->spec;
    enum mn_status status = mn_buf_printf(out, " %s", spec->table->name);
    uint32_t points = spec->equal_count + (spec->in_count > 0);

    if (status == MN_OK && spec->index) {
        status = mn_buf_printf(out, " by %s", spec->index->name);
    }
    for (uint32_t i = 0; i < points && status == MN_OK; i++) {
        const char *name = spec->edges   ? spec->table->columns[spec->edges == 2 ? 1 : i].name
                           : spec->index ? spec->table->columns[spec->index->columns[i].column].name
                                         : "key";

        status = mn_buf_printf(out, "%s%s%s", i ? ", " : " [", name,
                               i < spec->equal_count ? " =" : " in list");
    }
    if (status == MN_OK && points > 0) status = mn_buf_text(out, "]");
    if (status == MN_OK && (spec->low || spec->high)) {
        status = mn_buf_printf(out, " [%s%s%s]", spec->low ? "from" : "",
                               spec->low && spec->high ? ", " : "", spec->high ? "to" : "");
    }
    if (status == MN_OK && spec->backward) status = mn_buf_text(out, " backward");
    if (status == MN_OK && spec->index_only) status = mn_buf_text(out, " index only");
    if (status == MN_OK && spec->filter) status = mn_buf_text(out, " filtered");
    return status;
}

static const struct mn_op_kind kind_table = {"TableScan", scan_open, scan_next, scan_close,
                                             scan_describe};
static const struct mn_op_kind kind_range = {"RangeScan", scan_open, scan_next, scan_close,
                                             scan_describe};
static const struct mn_op_kind kind_lookup = {"KeyLookup", scan_open, lookup_next, scan_close,
                                              scan_describe};

bool mn_op_is_lookup(const struct mn_op *op)
{
    return op && op->kind == &kind_lookup;
}

static const struct mn_op_kind kind_edge = {"EdgeScan", scan_open, edge_next, scan_close,
                                            scan_describe};

/* Of the row a scan gives nothing but its id. */
static bool gives_ids(const struct mn_scan_spec *spec)
{
    for (uint32_t i = 0; i < spec->column_count; i++) {
        if (spec->columns[i].column != MN_SCAN_ROW_ID) return false;
    }
    return !spec->filter;
}

static struct op_scan *scan_new(struct mn_arena *arena, const struct mn_scan_spec *spec)
{
    struct op_scan *scan = mn_arena_zalloc(arena, sizeof *scan);
    bool whole = spec->equal_count == 0 && spec->in_count == 0 && !spec->low && !spec->high;

    if (!scan) return NULL;
    scan->spec = *spec;
    scan->op.kind = spec->unique ? &kind_lookup : whole && !spec->index ? &kind_table : &kind_range;
    if (spec->edges) scan->op.kind = &kind_edge;
    if (!spec->edges && !spec->unique && !spec->filter && !spec->nulls_after) {
        scan->op.ids = scan_ids;
    }
    scan->assumes = spec->may_assume && scan->op.kind == &kind_lookup && gives_ids(spec);
    return scan;
}

struct mn_op *mn_op_scan(struct mn_arena *arena, const struct mn_scan_spec *spec)
{
    struct op_scan *scan = scan_new(arena, spec);

    return scan ? &scan->op : NULL;
}

/* ---- for batches ---- */

const struct mn_scan_spec *mn_op_scan_plain(const struct mn_op *op, const struct mn_exec *exec)
{
    const struct mn_scan_spec *spec;

    if (!op || (op->kind != &kind_table && op->kind != &kind_range)) return NULL;
    spec = &((const struct op_scan *)op)->spec;
    if (spec->index || spec->filter || spec->backward || spec->in_count > 0) return NULL;
    return mn_view_writable(exec->view) ? NULL : spec;
}

enum mn_status mn_op_scan_rows(struct mn_op *op, struct mn_exec *exec, struct mn_row *rows,
                               size_t capacity, size_t *count)
{
    struct op_scan *scan = (struct op_scan *)op;
    enum mn_status status = mn_exec_check(exec);
    bool found = true;

    *count = 0;
    if (status == MN_OK && !scan->scan && !scan->nothing && scan->point_at == 0) {
        status = point_open(scan, exec);
    }
    while (status == MN_OK && scan->scan && found && *count < capacity) {
        size_t got = 0;

        if (scan->ahead_at == scan->ahead_count) {
            status = mn_index_scan_rows(scan->scan, rows + *count, capacity - *count, &got);
        }
        if (status == MN_OK && got == 0) {
            status = point_next(scan, &rows[*count], &found);
            got = found;
        }
        *count += got;
    }
    exec->rows_seen += *count;
    return status;
}

/* ---- RangeCount ---- */

static enum mn_status count_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_scan *scan = (struct op_scan *)op;
    uint64_t total = 0;

    if (scan->counted) return MN_OK;
    scan->counted = true;
    for (; !scan->nothing && scan->point_at < scan->point_count; scan->point_at++) {
        struct mn_key_range all = {.to_end = true};
        uint64_t count = 0;
        enum mn_status status = scan->whole ? MN_OK : point_keys(scan);

        if (status == MN_OK) {
            status = mn_index_range_count(exec->view, scan->spec.table, scan->spec.index,
                                          scan->whole ? &all : &scan->keys, &count);
        }
        if (status != MN_OK) return status;
        total += count;
    }
    exec->eval.slots[scan->count_slot] = mn_int((int64_t)total);
    *found = true;
    return MN_OK;
}

static const struct mn_op_kind kind_count = {"RangeCount", scan_open, count_next, scan_close,
                                             scan_describe};

struct mn_op *mn_op_range_count(struct mn_arena *arena, const struct mn_scan_spec *spec,
                                uint32_t slot)
{
    struct op_scan *scan = scan_new(arena, spec);

    if (!scan) return NULL;
    scan->op.kind = &kind_count;
    scan->op.estimate = 1;
    scan->count_slot = slot;
    return &scan->op;
}
