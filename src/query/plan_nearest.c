/*
 * plan_nearest: where the search for the nearest stands in a plan.
 */
#include "query/plan.h"

enum mn_status mn_plan_nearest(struct mn_plan *plan, struct mn_op **op)
{
    (void)plan;
    (void)op;
    return MN_OK;
}
