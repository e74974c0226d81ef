/*
 * nearest: NEAREST, or ORDER BY a distance, when it is bound.
 */
#ifndef MN_QUERY_NEAREST_H
#define MN_QUERY_NEAREST_H

#include "query/bind.h"
#include "query/op_nearest.h"

/* The pseudo-columns, in their order as columns of the pseudo source. */
enum { MN_PSEUDO_DISTANCE, MN_PSEUDO_SIMILARITY, MN_PSEUDO_RANK, MN_PSEUDO_SCORE, MN_PSEUDO_COUNT };

struct mn_nearest {
    struct mn_nearest_spec spec; /* without the slots; k and offset of ORDER BY are the planner's */
    struct mn_source *source;    /* that has the vectors */
    uint32_t column;             /* of the source */
    struct mn_expr *vector;      /* the same as an expression */
    uint32_t tie_count;
    struct mn_expr **ties;
    struct mn_source *pseudo;
};

#endif
