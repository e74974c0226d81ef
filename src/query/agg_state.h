/*
 * agg_state: what an aggregate remembers of the rows of one group; for agg*.c only.
 */
#ifndef MN_QUERY_AGG_STATE_H
#define MN_QUERY_AGG_STATE_H

#include "query/agg.h"
#include "query/expr_inside.h"

enum mn_agg_op {
    MN_AGG_COUNT,
    MN_AGG_SUM,
    MN_AGG_AVG,
    MN_AGG_MIN,
    MN_AGG_MAX,
    MN_AGG_FIRST,
    MN_AGG_LAST,
    MN_AGG_LIST,
    MN_AGG_JOIN,
    MN_AGG_QUANTILE,
    MN_AGG_VARIANCE,
    MN_AGG_STDDEV,
    MN_AGG_AND,
    MN_AGG_OR
};

/* A row of the table of aggregates; `args` has a letter for each argument: * any, n a number,
 * s what adds up, a what has a mean, q what lies on a line, o what has an order, b BOOL, f FLOAT,
 * t TEXT; `result` too: 1 as the first argument, l a list of it. */
struct mn_agg {
    const char *name, *usage, *doc;
    const char *args;
    uint8_t args_min, args_max;
    char result;
    enum mn_agg_op op;
};

/* Aggregate `index` of the table, for help and tests; NULL behind the last. */
const struct mn_agg *mn_agg_at(uint32_t index);

enum { MN_AGG_ARGS_MAX = 2, MN_AGG_KEYS_MAX = 8 };

struct mn_agg_key {
    struct mn_expr *expr;
    bool descending, nulls_first;
};

struct mn_agg_call {
    const struct mn_agg *agg;
    struct mn_span span;
    bool star, distinct;
    bool buffered;       /* rows are kept until the result is asked for */
    struct mn_kind kind; /* of the result */
    uint32_t arg_count, key_count;
    struct mn_expr *args[MN_AGG_ARGS_MAX];
    struct mn_agg_key keys[MN_AGG_KEYS_MAX];
    struct mn_expr *filter;
};

/* Bytes that are replaced now and then. */
struct mn_agg_kept {
    struct mn_value value;
    void *bytes;
    size_t capacity;
};

/* Sums and extremes over values that come one after the other. */
struct mn_agg_sum {
    uint64_t count;
    int64_t whole;             /* of INT and DURATION */
    double real, compensation; /* of FLOAT, by Neumaier */
    double mean, spread;       /* by Welford */
    bool yes;
    struct mn_agg_kept kept, key;
    double *elements; /* of vectors */
    uint32_t dims;
};

/* Rows of arg_count + key_count values each. */
struct mn_agg_rows {
    struct mn_value *values;
    uint32_t count, capacity;
};

/* Values seen, by open addressing. */
struct mn_agg_seen {
    struct mn_value *slots;
    uint32_t count, capacity;
};

struct mn_agg_state {
    struct mn_agg_sum sum;
    struct mn_agg_rows rows;
    struct mn_agg_seen seen;
};

/* The next value (and the second argument) of a plain aggregate; not NULL. */
enum mn_status mn_agg_add(const struct mn_agg_call *call, struct mn_agg_sum *sum,
                          const struct mn_value *args, struct mn_arena *arena);
enum mn_status mn_agg_total(const struct mn_agg_call *call, const struct mn_agg_sum *sum,
                            struct mn_arena *arena, struct mn_value *out);

#endif
