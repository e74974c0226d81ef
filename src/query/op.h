/*
 * op: operators, the running form of a plan.
 *
 *        Limit                 open: takes what it needs, for the slots as they are now
 *          |                   next: fills its slots with the next row, or says there is none
 *        Filter                close: gives back what open and next took; open may follow again
 *          |
 *        TableScan
 *
 * A row is what the slots hold: every operator below has filled its own, and they all stay readable
 * above, so no operator copies columns from hand to hand.
 *
 *   (O1) what next put into slots is valid until the next call of next on the same operator, or
 *        until the caller rewinds exec->eval.scratch to before that call.
 *   (O2) an operator keeps nothing of its own in scratch from one call to the next: what it keeps
 *        lies in its own arena. One that holds a child's row while it reads another child gives
 *        that child an arena of its own as scratch (mn_op_next_in).
 *   (O3) operators lie in the statement's arena and are run by one thread at a time.
 */
#ifndef MN_QUERY_OP_H
#define MN_QUERY_OP_H

#include "query/database.h"
#include "query/expr.h"
#include "query/txn.h"

/* One run of a statement. */
struct mn_exec {
    struct mn_eval eval;
    struct mn_session *session;
    struct mn_view *view;
    const struct mn_schema *schema;
    uint64_t interrupts; /* of the handle when the run began */
    uint32_t ticks;
    int64_t progress_at_us;
    uint64_t rows_seen;
    size_t memory_limit;
    bool timed; /* EXPLAIN ANALYZE */
    int64_t changes;
    uint64_t run;         /* never used twice: tells what was cached in this run */
    struct mn_arena kept; /* lives as long as the run */
};

struct mn_op;

struct mn_op_kind {
    const char *name; /* as EXPLAIN prints it, and as the file's functions are named */
    enum mn_status (*open)(struct mn_op *op, struct mn_exec *exec);
    enum mn_status (*next)(struct mn_op *op, struct mn_exec *exec, bool *found);
    void (*close)(struct mn_op *op);
    /* Appends what stands behind the name in EXPLAIN; may be NULL. */
    enum mn_status (*describe)(const struct mn_op *op, struct mn_buf *out);
};

struct mn_op {
    const struct mn_op_kind *kind;
    struct mn_op *left, *right; /* children, NULL: none */
    double estimate;            /* rows, from exact counts where there are some */
    /* How many rows next would still give, without making them; NULL: they must be made. *known is
     * false where they must be made after all. */
    enum mn_status (*count)(struct mn_op *op, struct mn_exec *exec, uint64_t *rows, bool *known);
    /* The row ids of the next rows, many at once and nothing else of them; *count 0: there are no
     * more. NULL: rows must be made. Not to be mixed with next. */
    enum mn_status (*ids)(struct mn_op *op, struct mn_exec *exec, int64_t *ids, size_t capacity,
                          size_t *count);
    /* Gives back what was kept from one run to the next; may be NULL. */
    void (*drop)(struct mn_op *op);
    bool is_open;
    uint64_t rows, opens; /* EXPLAIN ANALYZE */
    int64_t time_us;
};

/* Calls the operator, counts its rows, and sees to interrupts, progress and time. */
enum mn_status mn_op_open(struct mn_op *op, struct mn_exec *exec);
enum mn_status mn_op_next(struct mn_op *op, struct mn_exec *exec, bool *found);
/* The number of rows that next would still give; afterwards it gives none. */
enum mn_status mn_op_count(struct mn_op *op, struct mn_exec *exec, uint64_t *rows);
/* As op->ids, which is not NULL, counted as mn_op_next counts. */
enum mn_status mn_op_ids(struct mn_op *op, struct mn_exec *exec, int64_t *ids, size_t capacity,
                         size_t *count);
void mn_op_close(struct mn_op *op); /* NULL and closed ones are harmless */
/* Of a closed one, and its children: it will not be opened again. NULL is harmless. */
void mn_op_drop(struct mn_op *op);
/* Scratch of its own for a child whose row is held while another child is read. */
struct mn_held {
    struct mn_arena arena;
    struct mn_arena_mark mark; /* behind a first piece, so that a rewind keeps its chunk */
};
void mn_held_init(struct mn_held *held, const struct mn_exec *exec);
void mn_held_release(struct mn_held *held);
/* The next row of an operator, its results in the held scratch, which is emptied first. */
enum mn_status mn_op_next_in(struct mn_op *op, struct mn_exec *exec, struct mn_held *held,
                             bool *found);

/* MN_INTERRUPT when the handle was interrupted; calls the progress function. */
enum mn_status mn_exec_check(struct mn_exec *exec);
/* The same, now and then: for loops that call no operator. */
enum mn_status mn_exec_tick(struct mn_exec *exec);

/* The plan as text, an operator a line, children indented. */
enum mn_status mn_op_explain(const struct mn_op *op, bool analyze, struct mn_buf *out);

/* ---- rows of a few slots, kept ---- */

struct mn_slot_list {
    uint32_t count;
    const uint32_t *slots;
};

/* Copies the slots' values, bytes and all, into the arena; NULL: no memory. */
struct mn_value *mn_row_save(struct mn_arena *arena, const struct mn_slot_list *list,
                             const struct mn_value *slots);
void mn_row_load(const struct mn_slot_list *list, const struct mn_value *row,
                 struct mn_value *slots);
/* The failure of an arena: the memory limit, or no memory. */
enum mn_status mn_exec_nomem(const struct mn_exec *exec);

/* ---- the operators; each is in op_<file>.c. NULL: no memory ---- */

/* What a scan gives of a row: a column of the table, or its id. */
enum { MN_SCAN_ROW_ID = -1 };
struct mn_scan_column {
    int column;
    uint32_t slot;
    int index_column; /* position in the index's key, -1: not there */
};

/* TableScan, RangeScan, KeyLookup and EdgeScan: rows of a table in the order of a key. */
struct mn_scan_spec {
    bool may_assume; /* what comes next gives nothing for a row that is not there: a row of which
                        only the id is asked for need not be read */
    const struct mn_table *table;
    const struct mn_index *index; /* NULL: by row id */
    unsigned edges;       /* of a relation: 1 its src is equal[0], 2 its dst is, 3 both: EdgeScan */
    bool nulls_equal;     /* NULL in `equal` means IS NULL */
    uint32_t equal_count; /* first columns of the key that equal these */
    struct mn_expr **equal;
    uint32_t in_count; /* the column after them is one of these; 0: no such condition */
    struct mn_expr **in;
    struct mn_expr *low, *high; /* bounds of the column after all those; NULL: none */
    bool low_open, high_open;
    bool backward;
    bool nulls_after; /* backward: NULLs of the next column come last all the same */
    bool unique;      /* the conditions name at most one row a point: KeyLookup */
    bool index_only;  /* all columns come from the key */
    uint32_t column_count, early_count; /* the first ones are what the filter reads */
    struct mn_scan_column *columns;
    struct mn_expr *filter;
};
struct mn_op *mn_op_scan(struct mn_arena *arena, const struct mn_scan_spec *spec);

/* RangeCount: one row, the number of rows in a range, from the tree's counts. */
struct mn_op *mn_op_range_count(struct mn_arena *arena, const struct mn_scan_spec *spec,
                                uint32_t slot);

struct mn_op *mn_op_filter(struct mn_arena *arena, struct mn_op *child, struct mn_expr *condition);

/* Evaluates expressions into slots. */
struct mn_assignment {
    uint32_t slot;
    struct mn_expr *expr;
};
struct mn_op *mn_op_project(struct mn_arena *arena, struct mn_op *child, uint32_t count,
                            const struct mn_assignment *items);

/* limit NULL: none. Evaluated at open. */
struct mn_op *mn_op_limit(struct mn_arena *arena, struct mn_op *child, struct mn_expr *limit,
                          struct mn_expr *offset);

/* Rows of expressions, into slots. */
struct mn_op *mn_op_values(struct mn_arena *arena, const struct mn_slot_list *slots,
                           uint32_t row_count, struct mn_expr *const *exprs);

struct mn_sort_key {
    struct mn_expr *expr;
    bool descending, nulls_first;
};
/* Sort, or TopK where limit is given: then the first limit + offset rows. `keep` are the slots that
 * are read above. */
struct mn_sort_spec {
    uint32_t key_count;
    const struct mn_sort_key *keys;
    struct mn_slot_list keep;
    struct mn_expr *limit, *offset;
};
struct mn_op *mn_op_sort(struct mn_arena *arena, struct mn_op *child,
                         const struct mn_sort_spec *spec);

struct mn_agg_call;
struct mn_group_spec {
    uint32_t group_count;
    const struct mn_assignment *groups;
    uint32_t agg_count;
    struct mn_agg_call *const *aggs;
    const uint32_t *agg_slots;
};
/* HashAggregate: groups come in the order of their first row; without groups one row, always. */
struct mn_op *mn_op_aggregate(struct mn_arena *arena, struct mn_op *child,
                              const struct mn_group_spec *spec);

/* The first of rows with equal values in the slots. */
struct mn_op *mn_op_distinct(struct mn_arena *arena, struct mn_op *child,
                             const struct mn_slot_list *slots);

/* Joins: `on` decides over pairs; left: a row of the left side without a pair comes once, with NULL
 * in the slots of the right side. */
struct mn_join_spec {
    bool outer;
    bool indexed; /* for EXPLAIN: IndexJoin, the right side looks the left row up */
    struct mn_expr *on;
    struct mn_slot_list left_slots, right_slots;
    uint32_t key_count; /* HashJoin: equal pairs */
    struct mn_expr **left_keys, **right_keys;
};
struct mn_op *mn_op_nested_loop(struct mn_arena *arena, struct mn_op *left, struct mn_op *right,
                                const struct mn_join_spec *spec);
struct mn_op *mn_op_hash_join(struct mn_arena *arena, struct mn_op *left, struct mn_op *right,
                              const struct mn_join_spec *spec);

/* One more condition over the pairs of a join. */
enum mn_status mn_op_join_also(struct mn_arena *arena, struct mn_op *join, struct mn_expr *on);

/* Latest: the newest n of each group. Ties: the greater key is newer. */
struct mn_latest_spec {
    uint32_t group_count;
    uint32_t *group_slots; /* of LatestScan: the values of the group it is in */
    struct mn_expr **groups;
    struct mn_expr *time;
    struct mn_expr *tie; /* the row id */
    struct mn_expr *n;   /* NULL: 1 */
    struct mn_slot_list keep;
};
struct mn_op *mn_op_latest(struct mn_arena *arena, struct mn_op *child,
                           const struct mn_latest_spec *spec);

/* Set operations: rows of both sides, moved into `slots`. */
struct mn_set_spec {
    enum mn_ast_set op;
    struct mn_slot_list left, right, slots;
};
struct mn_op *mn_op_set(struct mn_arena *arena, struct mn_op *left, struct mn_op *right,
                        const struct mn_set_spec *spec);

/* ---- sets of rows by value ---- */

struct mn_rowset_entry {
    struct mn_rowset_entry *chain;
    uint64_t hash;
    void *data; /* the user's */
    struct mn_value key[];
};

/* A hash table of tuples of `width` values; NULL equals NULL. A zeroed one plus width is empty. */
struct mn_rowset {
    uint32_t width;
    size_t count, bucket_count;
    struct mn_rowset_entry **buckets;
    struct mn_arena *arena; /* of entries; buckets come from the heap */
};
void mn_rowset_release(struct mn_rowset *set);
/* The entry of a tuple; with `added` not NULL one is made where there is none, its key copied. */
enum mn_status mn_rowset_find(struct mn_rowset *set, const struct mn_value *key, bool *added,
                              struct mn_rowset_entry **entry);

#endif
