/*
 * op_nearest: the k nearest rows, by a table's slabs or among the rows of any plan.
 */
#ifndef MN_QUERY_OP_NEAREST_H
#define MN_QUERY_OP_NEAREST_H

#include "index/vector/distance.h"
#include "query/fetch.h"
#include "query/filter_memo.h"

/* What both forms need. Rows come by distance, then key; rank counts them from 1. */
struct mn_nearest_spec {
    enum mn_metric metric;
    struct mn_expr *to;     /* a VECTOR, or NULL: then no row has a distance */
    struct mn_expr *k;      /* INT; NULL pointer: all */
    struct mn_expr *offset; /* INT, added to k; NULL pointer: none */
    struct mn_expr *within; /* FLOAT; NULL pointer: no cap */
    struct mn_expr *effort; /* INT; NULL pointer: the default */
    bool exact;
    /* ORDER BY a distance: k and offset follow the rules of LIMIT and OFFSET, and rows without a
     * distance come last, by key. NEAREST: k is not NULL and not negative, such rows are left out.
     */
    bool order_by;
    /* Filled for each row, where not MN_NO_SLOT: FLOAT, FLOAT, INT, FLOAT. */
    uint32_t distance_slot, similarity_slot, rank_slot, score_slot;
};

/*
 * VectorScan: the rows of one table. The child gives the rows that pass the filter, of which only
 * row_id_slot is read, before the first row comes out; then the columns of the nearest are fetched
 * into their slots. `filtered` false: all rows pass, and the child is opened only when rows without
 * a vector are wanted after the last one that has one.
 */
struct mn_vector_scan_spec {
    struct mn_nearest_spec nearest;
    const struct mn_table *table;
    int column;
    bool filtered;
    bool window;                  /* the filter is a range of times, and the child reads only it */
    bool codes_filtered;          /* the same for the index: its partition may be all of WHERE */
    const struct mn_index *index; /* with codes and of this metric; NULL: none */
    uint32_t equal_count;         /* the first columns of its partition equal these */
    struct mn_expr **equal;
    struct mn_filter_reads reads; /* of the filter */
    uint32_t row_id_slot;
    struct mn_fetch fetch; /* the columns of the rows that come out */
};
struct mn_op *mn_op_vector_scan(struct mn_arena *arena, struct mn_op *child,
                                const struct mn_vector_scan_spec *spec);

/* CoverScan: the row ids of a table whose covered columns pass tests, and whose partition is asked
 * for, by its vector index. */
struct mn_cover_condition {
    uint32_t at; /* among the covered columns */
    enum mn_ast_op op;
    struct mn_expr *value; /* of the column's type */
};
struct mn_cover_scan_spec {
    const struct mn_vector_scan_spec *search; /* its index, and what its partition equals */
    uint32_t count;
    const struct mn_cover_condition *conditions;
};
struct mn_op *mn_op_cover_scan(struct mn_arena *arena, const struct mn_cover_scan_spec *spec);

/* The key of the partitions that WHERE names. *empty: none can be. */
enum mn_status mn_partition_prefix(const struct mn_vector_scan_spec *search, struct mn_exec *exec,
                                   struct mn_buf *prefix, bool *empty);

/* Nearest: the rows of any child, each with a vector. Equal distances are ordered by `ties`, then
 * as the rows came. `keep` are the slots that are read above. */
struct mn_nearest_rows_spec {
    struct mn_nearest_spec nearest;
    struct mn_expr *vector;
    uint32_t tie_count;
    struct mn_expr **ties;
    struct mn_slot_list keep;
};
struct mn_op *mn_op_nearest(struct mn_arena *arena, struct mn_op *child,
                            const struct mn_nearest_rows_spec *spec);

/* ---- for the two files that make them ---- */

/* The question as it is at open. */
struct mn_nearest_ask {
    const float *query; /* NULL: no row has a distance */
    uint32_t dims;
    uint64_t k, effort; /* effort 0: the default */
    double within;
};
enum mn_status mn_nearest_ask(const struct mn_nearest_spec *spec, struct mn_exec *exec,
                              struct mn_nearest_ask *ask);

/* Fills the pseudo-columns of a row; has_distance false: NULL but for the rank. */
void mn_nearest_fill(const struct mn_nearest_spec *spec, struct mn_exec *exec,
                     const double *distance, uint64_t rank);

/* MN_TYPE unless both have the same dimensions. */
enum mn_status mn_nearest_dims(const struct mn_nearest_spec *spec, uint32_t stored, uint32_t asked);

enum mn_status mn_nearest_describe(const struct mn_nearest_spec *spec, struct mn_buf *out);

#endif
