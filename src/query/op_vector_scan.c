/*
 * op_vector_scan: VectorScan, the nearest rows of one table by its slabs.
 *
 *   no filter    slabs -> kernels -> heap of k -> rows fetched
 *   a filter     child -> row ids that pass, sorted -> gather -> the same
 *   once more    the rows that passed in the run before (filter_memo), in seven bits an element
 *                (sketch) -> those that may be near -> kernels -> the same
 *
 * Where slabs lie is kept from run to run (slab_map), so that gathering walks no tree. Of the child
 * only row ids are kept, so a filter costs what its own columns cost; the other columns are read
 * for the rows that come out.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "index/row.h"
#include "index/vector/ann_search.h"
#include "query/fetch.h"
#include "query/op_nearest.h"
#include "query/row_tie.h"

enum { GATHER_AT_ONCE = 256, LISTED_AT_ONCE = 8192, IDS_AT_ONCE = 1024 };

/* What is kept from run to run: so many row ids, and this share of the memory limit. */
enum { ROW_IDS_KEPT = 1 << 16, MAP_SHARE = 8 };

/* The run with the same filter that first keeps anything where that is flat partitions, whose codes
 * are quick too. */
enum { KEPT_FROM = 4 };

/* A window of time, and rows that lie side by side, are searched by their vectors up to so many
 * bytes, in stretches of so many rows. */
enum { WINDOW_BYTES = 32 << 20, STRETCH_ROWS = 16 };

struct op_vector_scan {
    struct mn_op op;
    struct mn_vector_scan_spec spec;
    struct mn_search *search; /* NULL: no row has a distance */
    const struct mn_near *near;
    size_t near_count;
    struct mn_topk lost; /* with ORDER BY: rows without a distance, by key */
    uint64_t k;
    uint64_t at;
    uint64_t shown;                   /* distances computed, for EXPLAIN ANALYZE */
    struct mn_search_options options; /* of the search */
    uint64_t effort;
    struct mn_ann_counts counts; /* of the index, where it was used */
    const char *way;             /* how the search went, for EXPLAIN ANALYZE */
    int64_t *row_ids;            /* that pass the filter */
    size_t row_id_count, row_id_capacity;
    struct mn_row_tie tie;
    struct mn_slab_map map;     /* kept from run to run; so are */
    struct mn_list_map lists;   /* this, */
    struct mn_filter_memo memo; /* and this, and row_ids with it where it is full */
};

/* ---- the search ---- */

static enum mn_status row_ids_room(struct op_vector_scan *scan, struct mn_exec *exec, size_t more)
{
    size_t count = scan->row_id_count + more;

    if (count * sizeof(int64_t) > exec->memory_limit) return mn_exec_nomem(exec);
    if (mn_grow(&scan->row_ids, &scan->row_id_capacity, count, sizeof(int64_t))) return MN_OK;
    return mn_fail_nomem();
}

/* Where the child is a scan that tests nothing. */
static enum mn_status child_ids(struct op_vector_scan *scan, struct mn_exec *exec)
{
    size_t got = 1;
    enum mn_status status = MN_OK;

    while (status == MN_OK && got > 0) {
        status = row_ids_room(scan, exec, IDS_AT_ONCE);
        if (status != MN_OK) return status;
        status =
            mn_op_ids(scan->op.left, exec, scan->row_ids + scan->row_id_count, IDS_AT_ONCE, &got);
        scan->row_id_count += got;
    }
    return status;
}

static enum mn_status child_rows(struct op_vector_scan *scan, struct mn_exec *exec)
{
    struct mn_arena_mark mark = mn_arena_mark(exec->eval.scratch);
    bool found = true;
    enum mn_status status = MN_OK;

    while (status == MN_OK && found) {
        status = mn_op_next(scan->op.left, exec, &found);
        if (status == MN_OK && found) {
            status = row_ids_room(scan, exec, 1);
            if (status != MN_OK) return status;
            scan->row_ids[scan->row_id_count++] = exec->eval.slots[scan->spec.row_id_slot].i;
        }
        mn_arena_rewind(exec->eval.scratch, mark);
    }
    return status;
}

/* Runs the child to its end: its row ids, as a set. */
static enum mn_status child_collect(struct op_vector_scan *scan, struct mn_exec *exec,
                                    struct mn_row_set *set)
{
    struct mn_op *child = scan->op.left;
    int falls = 0; /* no way out of the loop below: it is made of SIMD */

    scan->memo.full = scan->memo.listed = false;
    scan->row_id_count = 0;
    enum mn_status status = mn_op_open(child, exec);

    if (status == MN_OK) status = child->ids ? child_ids(scan, exec) : child_rows(scan, exec);
    mn_op_close(child);
    if (status != MN_OK) return status;
    for (size_t i = 1; i < scan->row_id_count; i++) {
        falls |= scan->row_ids[i - 1] >= scan->row_ids[i];
    }
    return mn_row_set_make(scan->row_ids, scan->row_id_count, !falls, set);
}

/*
 * Goes through the rows in the list: shows their vectors to the search, where one is given, and
 * keeps those without a distance, where ORDER BY wants them.
 */
static enum mn_status rows_visit(struct op_vector_scan *scan, struct mn_exec *exec,
                                 const struct mn_slabs *slabs, struct mn_search *search)
{
    const float *vectors[GATHER_AT_ONCE];
    struct mn_slab_scan *gather;
    enum mn_status status = mn_slab_scan_open(slabs, &gather);

    for (size_t at = 0; at < scan->row_id_count && status == MN_OK; at += GATHER_AT_ONCE) {
        size_t left = scan->row_id_count - at;
        size_t count = left < GATHER_AT_ONCE ? left : GATHER_AT_ONCE;
        const int64_t *ids = scan->row_ids + at;

        status = mn_exec_tick(exec);
        if (status == MN_OK) status = mn_slab_scan_gather(gather, ids, count, vectors);
        if (status == MN_OK && search) status = mn_search_gathered(search, ids, vectors, count);
        for (size_t i = 0; i < count && status == MN_OK; i++) {
            bool lost = !vectors[i] || !scan->search;
            if (lost) status = mn_topk_offer(&scan->lost, 0, ids[i]);
        }
    }
    mn_slab_scan_close(gather);
    return status;
}

/* About as many slabs as rows have to be found for, those that lie side by side counted once. */
static uint64_t seeks_of(const struct op_vector_scan *scan, const struct mn_row_set *set)
{
    return scan->spec.window ? set->count / STRETCH_ROWS + 1 : set->count;
}

/* Where a sketch pays, and is not there yet: made once, it is read in place of the vectors. */
static enum mn_status memo_sketch(struct op_vector_scan *scan, struct mn_exec *exec)
{
    struct mn_sketch_of of = {scan->options.metric, scan->options.dims, scan->memo.vectors,
                              scan->row_id_count};

    if (scan->memo.sketch.groups) return MN_OK;
    if (of.count < MN_SKETCH_LEAST || of.dims < MN_SKETCH_DIMS_LEAST) return MN_OK;
    if (scan->k > MN_SKETCH_K_MAX ||
        mn_sketch_bytes(of.metric, of.dims, of.count) > exec->memory_limit / MAP_SHARE) {
        return MN_OK;
    }
    return mn_sketch_make(&scan->memo.sketch, &of);
}

/* The rows that passed in an earlier run once more. */
static enum mn_status memo_show(struct op_vector_scan *scan, struct mn_exec *exec)
{
    struct mn_sketch_rows rows = {scan->row_ids, scan->memo.vectors};
    bool served = false;
    enum mn_status status = mn_exec_tick(exec);

    if (status == MN_OK) status = memo_sketch(scan, exec);
    if (status == MN_OK && scan->memo.sketch.groups) {
        status = mn_sketch_search(&scan->memo.sketch, &rows, &scan->options, scan->search, &served);
    }
    for (size_t at = 0; at < scan->row_id_count && status == MN_OK && !served;
         at += LISTED_AT_ONCE) {
        size_t left = scan->row_id_count - at;

        status = mn_exec_tick(exec);
        if (status == MN_OK) {
            status = mn_search_gathered(scan->search, scan->row_ids + at, scan->memo.vectors + at,
                                        left < LISTED_AT_ONCE ? left : LISTED_AT_ONCE);
        }
    }
    return status;
}

/*
 * The second run with the same filter: of the rows in the list, which passed, keeps where their
 * vectors lie, and shows them; *served false: they are too many, or cannot be found by the places
 * of the slabs.
 */
static enum mn_status rows_keep(struct op_vector_scan *scan, struct mn_exec *exec,
                                const struct mn_slabs *slabs, uint64_t seeks, bool *served)
{
    size_t count = scan->row_id_count;
    bool ready = false;
    enum mn_status status = MN_OK;

    *served = false;
    if (count == 0 || count > ROW_IDS_KEPT) return MN_OK;
    status = mn_slab_map_want(&scan->map, slabs, seeks, exec->memory_limit / MAP_SHARE, &ready);
    if (status != MN_OK || !ready) return status;
    const float **vectors = mn_alloc((count + 1) * sizeof *vectors);
    if (!vectors) return mn_fail_nomem();
    status = mn_slab_map_gather(&scan->map, slabs, scan->row_ids, count, vectors);
    if (status == MN_OK) status = mn_filter_memo_keep(&scan->memo, exec->view, vectors, count);
    mn_dealloc(vectors);
    *served = scan->memo.full;
    return status == MN_OK && *served ? memo_show(scan, exec) : status;
}

/* The same by the places of the slabs, where there is a list of them; *served tells. Rows without a
 * distance are not looked for. */
static enum mn_status rows_show(struct op_vector_scan *scan, struct mn_exec *exec,
                                const struct mn_slabs *slabs, const struct mn_row_set *set,
                                bool *served)
{
    enum mn_status status = mn_slab_map_want(&scan->map, slabs, seeks_of(scan, set),
                                             exec->memory_limit / MAP_SHARE, served);

    for (size_t at = 0; *served && at < scan->row_id_count && status == MN_OK;
         at += LISTED_AT_ONCE) {
        size_t left = scan->row_id_count - at;
        struct mn_row_list rows = {scan->row_ids + at,
                                   left < LISTED_AT_ONCE ? left : LISTED_AT_ONCE};

        status = mn_exec_tick(exec);
        if (status == MN_OK) status = mn_search_listed(scan->search, &scan->map, slabs, &rows);
    }
    return status;
}

static enum mn_status slabs_visit(struct op_vector_scan *scan, struct mn_exec *exec,
                                  const struct mn_slabs *slabs)
{
    struct mn_slab_scan *blocks;
    struct mn_slab_block block;
    bool found = true;
    enum mn_status status = mn_slab_scan_open(slabs, &blocks);

    while (status == MN_OK && found) {
        status = mn_exec_tick(exec);
        if (status == MN_OK) status = mn_slab_scan_next(blocks, &block, &found);
        if (status == MN_OK && found) status = mn_search_block(scan->search, &block);
    }
    mn_slab_scan_close(blocks);
    return status;
}

/* ---- the index ---- */

static enum mn_status exec_tick(void *context)
{
    return mn_exec_tick(context);
}

/* Vectors that lie side by side are read about as fast as the codes of all lists, and exactly. */
static bool vectors_pay(const struct op_vector_scan *scan, const struct mn_row_set *set)
{
    if (set->count * scan->options.dims * sizeof(float) > WINDOW_BYTES) return false;
    return scan->spec.window || mn_row_set_runs(set) * STRETCH_ROWS <= set->count;
}

static enum mn_status codes_search(struct op_vector_scan *scan, struct mn_exec *exec,
                                   const struct mn_row_set *set, uint64_t rows, bool *served)
{
    struct mn_ann ann;
    struct mn_buf prefix = {0};
    bool empty;
    enum mn_status status = mn_ann_init(&ann, exec->view, scan->spec.index);

    if (status == MN_OK) status = mn_partition_prefix(&scan->spec, exec, &prefix, &empty);
    if (status == MN_OK && !empty) {
        struct mn_ann_query query = {
            .search = scan->options,
            .prefix = mn_bytes_of(prefix.data, prefix.len),
            .set = set,
            .rows = rows,
            .effort = scan->effort,
            .exact = scan->spec.nearest.exact,
            .map = &scan->map,
            .lists = &scan->lists,
            .map_bytes = exec->memory_limit / MAP_SHARE,
            .tick = exec_tick,
            .context = exec,
        };

        status = mn_ann_search(&ann, &query, scan->search, &scan->counts, served);
        if (*served) scan->way = query.exact ? "codes, exact" : "codes";
    } else if (status == MN_OK) {
        *served = true;
        scan->way = "no partition";
    }
    mn_buf_release(&prefix);
    return status;
}

/* The rows that pass are known first: then codes, or the vectors themselves. */
static enum mn_status filtered_run(struct op_vector_scan *scan, struct mn_exec *exec,
                                   const struct mn_slabs *slabs, uint64_t rows, bool *visited)
{
    bool served = false;
    struct mn_row_set set = {.count = 0};
    enum mn_status status = mn_filter_memo_begin(&scan->memo, &scan->spec.reads, exec);

    *visited = false;
    if (status == MN_OK && scan->search && scan->memo.full) return memo_show(scan, exec);
    if (status == MN_OK && scan->search && scan->memo.listed) {
        status = rows_keep(scan, exec, slabs, scan->row_id_count, &served);
        if (status != MN_OK || served) return status;
    }
    if (status == MN_OK) status = child_collect(scan, exec, &set);
    if (status == MN_OK && rows && scan->spec.codes_filtered &&
        mn_ann_pays(scan->k, set.count, mn_ann_limits.few_passing) && !vectors_pay(scan, &set)) {
        status = codes_search(scan, exec, &set, rows, &served);
    }
    if (status == MN_OK && !served) {
        mn_row_set_sort(&set);
        scan->memo.listed = scan->memo.noted && set.count > 0 && set.count <= ROW_IDS_KEPT;
        if (scan->search && set.count) status = rows_show(scan, exec, slabs, &set, &served);
    }
    *visited = !served;
    if (status == MN_OK && !served) status = rows_visit(scan, exec, slabs, scan->search);
    mn_row_set_release(&set);
    return status;
}

/* The rows of the flat partitions that WHERE names, in order; none where there are others. */
static enum mn_status partition_rows(struct op_vector_scan *scan, struct mn_exec *exec)
{
    struct mn_ann_rows rows = {
        .ids = scan->row_ids, .capacity = scan->row_id_capacity, .most = ROW_IDS_KEPT};
    struct mn_row_set set = {.count = 0};
    struct mn_buf prefix = {0};
    struct mn_ann ann;
    bool empty = false;
    enum mn_status status = mn_ann_init(&ann, exec->view, scan->spec.index);

    scan->memo.full = scan->memo.listed = false;
    if (status == MN_OK) status = mn_partition_prefix(&scan->spec, exec, &prefix, &empty);
    if (status == MN_OK && !empty) {
        status = mn_ann_flat_rows(&ann, mn_bytes_of(prefix.data, prefix.len), &rows);
    }
    mn_buf_release(&prefix);
    scan->row_ids = rows.ids;
    scan->row_id_capacity = rows.capacity;
    scan->row_id_count = rows.count;
    if (status == MN_OK) status = mn_row_set_make(scan->row_ids, rows.count, false, &set);
    if (status == MN_OK) mn_row_set_sort(&set);
    mn_row_set_release(&set);
    return status;
}

/* Partitions are all that WHERE asks for: by their codes, or where they are flat and asked again,
 * by what is kept of them. */
static enum mn_status partition_run(struct op_vector_scan *scan, struct mn_exec *exec,
                                    const struct mn_slabs *slabs, uint64_t rows, bool *served)
{
    enum mn_status status = MN_OK;

    if (scan->spec.filtered) {
        status = mn_filter_memo_begin(&scan->memo, &scan->spec.reads, exec);
    }
    if (status == MN_OK && scan->memo.runs >= KEPT_FROM && !scan->memo.full) {
        status = partition_rows(scan, exec);
        if (status == MN_OK) {
            status = rows_keep(scan, exec, slabs, scan->row_id_count, served);
        }
    } else if (status == MN_OK && scan->memo.full) {
        *served = true;
        status = memo_show(scan, exec);
    }
    if (status != MN_OK || *served) return status;
    return codes_search(scan, exec, NULL, rows, served);
}

/* With ORDER BY: the rows without a distance, which come last. */
static enum mn_status lost_find(struct op_vector_scan *scan, struct mn_exec *exec,
                                const struct mn_slabs *slabs)
{
    struct mn_row_set set = {.count = 0};

    enum mn_status status = child_collect(scan, exec, &set);
    mn_row_set_sort(&set);
    mn_row_set_release(&set);
    return status == MN_OK ? rows_visit(scan, exec, slabs, NULL) : status;
}

static void search_end(struct op_vector_scan *scan)
{
    uint64_t shown, scored;

    scan->near = mn_search_finish(scan->search, &scan->near_count);
    mn_search_counts(scan->search, &shown, &scored);
    scan->shown += shown;
}

static enum mn_status search_run(struct op_vector_scan *scan, struct mn_exec *exec,
                                 const struct mn_slabs *slabs)
{
    bool codes = scan->search && scan->spec.index, served = false, visited = false;
    uint64_t rows = 0;
    enum mn_status status = MN_OK;

    scan->way = "vectors";
    if (codes) status = mn_tree_count(exec->view, scan->spec.table->tree, &rows);
    if (status == MN_OK && codes && !scan->spec.codes_filtered &&
        mn_ann_pays(scan->k, rows, mn_ann_limits.few_vectors)) {
        status = partition_run(scan, exec, slabs, rows, &served);
    }
    if (status == MN_OK && !served && scan->spec.filtered) {
        status = filtered_run(scan, exec, slabs, rows, &visited);
    } else if (status == MN_OK && !served && scan->search) {
        status = slabs_visit(scan, exec, slabs);
    }
    if (status == MN_OK && scan->search) status = mn_search_settle(scan->search);
    if (status == MN_OK && scan->search) search_end(scan);
    bool dry = scan->near_count < scan->k;
    if (status == MN_OK && dry && scan->lost.k && !visited) {
        status = lost_find(scan, exec, slabs);
    }
    mn_topk_sort(&scan->lost);
    return status == MN_OK ? scan->tie.failed : status;
}

static enum mn_status search_open(struct op_vector_scan *scan, const struct mn_nearest_ask *ask,
                                  mn_tie_fn tie)
{
    struct mn_search_options options = {
        .metric = scan->spec.nearest.metric,
        .query = ask->query,
        .dims = ask->dims,
        .k = ask->k,
        .within = ask->within,
        .tie = tie,
        .tie_context = &scan->tie,
    };

    scan->options = options;
    return mn_search_open(&options, &scan->search);
}

static enum mn_status vector_scan_open(struct mn_op *op, struct mn_exec *exec)
{
    struct op_vector_scan *scan = (struct op_vector_scan *)op;
    const struct mn_nearest_spec *spec = &scan->spec.nearest;
    const struct mn_column *column = &scan->spec.table->columns[scan->spec.column];
    struct mn_slabs slabs = {exec->view, column->slab_tree, column->kind.dims, false};
    mn_tie_fn tie = mn_row_tie_of(scan->spec.table);
    struct mn_nearest_ask ask;

    scan->search = NULL;
    scan->near_count = 0;
    scan->at = scan->k = 0;
    scan->tie = (struct mn_row_tie){exec->view, scan->spec.table, MN_OK};
    mn_topk_init(&scan->lost, 0, NULL, NULL);
    enum mn_status status = mn_nearest_ask(spec, exec, &ask);
    if (status != MN_OK) return status;
    if (ask.k == 0 || (!ask.query && !spec->order_by)) return MN_OK;
    scan->k = ask.k;
    scan->effort = ask.effort;
    if (spec->order_by) mn_topk_init(&scan->lost, ask.k, tie, &scan->tie);
    if (ask.query) {
        status = mn_nearest_dims(spec, slabs.dims, ask.dims);
        if (status == MN_OK) status = search_open(scan, &ask, tie);
        if (status != MN_OK) return status;
    }
    return search_run(scan, exec, &slabs);
}

static enum mn_status vector_scan_next(struct mn_op *op, struct mn_exec *exec, bool *found)
{
    struct op_vector_scan *scan = (struct op_vector_scan *)op;
    bool has = scan->at < scan->near_count;

    if (scan->at >= scan->k || scan->at == scan->near_count + scan->lost.count) return MN_OK;
    const struct mn_near *near =
        has ? &scan->near[scan->at] : &scan->lost.heap[scan->at - scan->near_count];
    enum mn_status status = mn_row_fetch(&scan->spec.fetch, exec, near->id);
    if (status != MN_OK) return status;
    mn_nearest_fill(&scan->spec.nearest, exec, has ? &near->distance : NULL, ++scan->at);
    *found = true;
    return MN_OK;
}

static void row_ids_drop(struct op_vector_scan *scan)
{
    mn_dealloc(scan->row_ids);
    scan->row_ids = NULL;
    scan->row_id_count = scan->row_id_capacity = 0;
}

static void vector_scan_close(struct mn_op *op)
{
    struct op_vector_scan *scan = (struct op_vector_scan *)op;

    mn_search_release(scan->search);
    scan->search = NULL;
    mn_topk_release(&scan->lost);
    if (scan->row_id_capacity > ROW_IDS_KEPT && !scan->memo.listed && !scan->memo.full) {
        row_ids_drop(scan);
    }
}

static void vector_scan_drop(struct mn_op *op)
{
    struct op_vector_scan *scan = (struct op_vector_scan *)op;

    row_ids_drop(scan);
    mn_filter_memo_release(&scan->memo);
    mn_slab_map_release(&scan->map);
    mn_list_map_release(&scan->lists);
}

static enum mn_status vector_scan_describe(const struct mn_op *op, struct mn_buf *out)
{
    const struct op_vector_scan *scan = (const struct op_vector_scan *)op;
    const struct mn_table *table = scan->spec.table;
    enum mn_status status =
        mn_buf_printf(out, " %s by %s,", table->name, table->columns[scan->spec.column].name);

    if (status == MN_OK) status = mn_nearest_describe(&scan->spec.nearest, out);
    if (status == MN_OK && scan->spec.index) {
        status = mn_buf_printf(out, " using %s", scan->spec.index->name);
    }
    if (status == MN_OK && scan->spec.index && scan->spec.equal_count) {
        status = mn_buf_text(out, ", by partition");
    }
    if (status == MN_OK && scan->counts.codes) {
        status = mn_buf_printf(
            out, ", %s: %" PRIu64 " lists, %" PRIu64 " codes, %" PRIu64 " rows reranked", scan->way,
            scan->counts.lists, scan->counts.codes, scan->counts.reranked);
    }
    if (status == MN_OK && scan->memo.full) {
        status = mn_buf_text(out, ", rows that pass kept from run to run");
    }
    if (status != MN_OK || !scan->shown) return status;
    return mn_buf_printf(out, ", %" PRIu64 " distances", scan->shown);
}

static const struct mn_op_kind kind_vector_scan = {"VectorScan", vector_scan_open, vector_scan_next,
                                                   vector_scan_close, vector_scan_describe};

struct mn_op *mn_op_vector_scan(struct mn_arena *arena, struct mn_op *child,
                                const struct mn_vector_scan_spec *spec)
{
    struct op_vector_scan *scan = mn_arena_zalloc(arena, sizeof *scan);

    if (!scan) return NULL;
    scan->op = (struct mn_op){.kind = &kind_vector_scan, .left = child, .drop = vector_scan_drop};
    scan->op.estimate = child->estimate < 10 ? child->estimate : 10;
    scan->spec = *spec;
    return &scan->op;
}
