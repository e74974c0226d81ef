/*
 * plan: a bound query becomes operators, by rewrites in a fixed order.
 *
 *   1  WHERE and ON are split into conditions, each with the set of sources it reads
 *   2  every source gets its way in: key lookup, range of an index, edges, or a scan, with the
 *      conditions that it can test itself
 *   3  sources are joined greedily, the fewest rows first: IndexJoin where the inner side has a
 *      key for the condition, else HashJoin; outer joins last, as they are written
 *   4  NEAREST or LATEST, groups, HAVING, DISTINCT
 *   5  ORDER BY, unless the way in already gives that order; LIMIT; what is selected
 *
 * Rows are estimated from exact counts in the trees where a condition's values are known.
 */
#ifndef MN_QUERY_PLAN_H
#define MN_QUERY_PLAN_H

#include "query/bind.h"
#include "query/op_nearest.h"

enum { MN_CONDITIONS_MAX = 512 };

/* One condition of WHERE or of an inner join. */
struct mn_condition {
    struct mn_expr *expr;
    uint64_t sources; /* bit i: it reads query->sources[i] */
    bool done;        /* some operator tests it */
};

/* One query while it is planned. */
struct mn_plan {
    struct mn_bind *bind;
    struct mn_arena *arena;
    struct mn_view *view;
    struct mn_query *query;
    uint8_t *slot_source; /* of each slot: source + 1; 0: not of this query */
    struct mn_condition *conditions;
    uint32_t condition_count;
    uint64_t outer_sources; /* right sides of LEFT JOINs */
    bool ordered;           /* the rows come in the order of ORDER BY */
    bool lean;              /* only conditions, ORDER BY and outputs read the source */
    struct mn_eval eval;    /* for estimates */
};

/* The operator of a query, and of the subqueries in it, into query->op. */
enum mn_status mn_plan_query(struct mn_bind *bind, struct mn_query *query);
/* All subqueries that are values; before their statement runs. */
enum mn_status mn_plan_subqueries(struct mn_bind *bind);
/* FROM and WHERE alone: the rows that UPDATE and DELETE change. */
enum mn_status mn_plan_rows(struct mn_bind *bind, struct mn_query *query, struct mn_op **op);

/* ---- plan_scan.c ---- */

/* The ways into a table, and what each would cost. */
struct mn_access_path {
    struct mn_scan_spec spec;
    uint64_t used[MN_CONDITIONS_MAX / 64]; /* conditions that the way makes true */
    double rows;                           /* estimated */
    double cost;
    bool ordered; /* rows come in the order of ORDER BY */
    bool exact;   /* rows was counted */
};
/* The best way into a source once the sources of `bound` have values. */
enum mn_status mn_plan_access(struct mn_plan *plan, uint32_t source, uint64_t bound,
                              struct mn_access_path *path);
/* Its operator, testing every condition it can; they are marked done. */
enum mn_status mn_plan_scan(struct mn_plan *plan, uint32_t source, uint64_t bound,
                            struct mn_access_path *path, struct mn_op **op);

/* Values for the first columns of a vector index's partition, from the conditions that are not
 * done; *all: there is no other condition. */
enum mn_status mn_plan_partition(struct mn_plan *plan, uint32_t source,
                                 const struct mn_index *index, struct mn_vector_scan_spec *spec,
                                 bool *all);

/* Whether partition and covered columns of the index answer all of WHERE; then the conditions on
 * the covered ones, in the arena. */
enum mn_status mn_plan_covers(struct mn_plan *plan, uint32_t source, const struct mn_index *index,
                              struct mn_cover_scan_spec *spec, bool *all);

uint64_t mn_plan_sources(const struct mn_plan *plan, const struct mn_expr *expr);
/* Slots that hold the columns of a source. */
enum mn_status mn_plan_source_slots(struct mn_plan *plan, const struct mn_source *source,
                                    struct mn_slot_list *list);

/* ---- plan_nearest.c ---- */

/* Puts the search over the rows of *op (FROM and WHERE are done), where query->nearest says so. */
enum mn_status mn_plan_nearest(struct mn_plan *plan, struct mn_op **op);
/* The slots of its pseudo-columns that somebody reads; returns how many. */
enum { MN_NEAREST_SLOTS = 4 };
uint32_t mn_nearest_slots(const struct mn_nearest *nearest, uint32_t slots[MN_NEAREST_SLOTS]);

#endif
