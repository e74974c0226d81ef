/*
 * func_other: choices between values, and ids.
 */
#include "query/func.h"

static enum mn_status call_coalesce(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                    struct mn_value *out)
{
    (void)eval;
    for (uint32_t i = 0; i < n; i++) {
        *out = a[i];
        if (!mn_is_null(out)) break;
    }
    return MN_OK;
}

static enum mn_status call_nullif(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    int order = MN_ORDER_UNKNOWN;
    enum mn_status status = MN_OK;

    (void)n, (void)eval;
    if (!mn_is_null(&a[0]) && !mn_is_null(&a[1])) status = mn_value_compare(&a[0], &a[1], &order);
    *out = order == 0 ? mn_null() : a[0];
    return status;
}

static enum mn_status call_if(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                              struct mn_value *out)
{
    (void)n, (void)eval;
    *out = !mn_is_null(&a[0]) && a[0].b ? a[1] : a[2];
    return MN_OK;
}

/* The greatest (sign 1) or least (-1) of those that are not NULL. */
static enum mn_status extreme(const struct mn_value *a, uint32_t n, int sign, struct mn_value *out)
{
    for (uint32_t i = 0; i < n; i++) {
        int order = 0;
        enum mn_status status = MN_OK;

        if (mn_is_null(&a[i])) continue;
        if (!mn_is_null(out)) status = mn_value_compare(&a[i], out, &order);
        if (status != MN_OK) return status;
        if (mn_is_null(out) || (order != MN_ORDER_UNKNOWN && order * sign > 0)) *out = a[i];
    }
    return MN_OK;
}

static enum mn_status call_greatest(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                    struct mn_value *out)
{
    (void)eval;
    return extreme(a, n, 1, out);
}

static enum mn_status call_least(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    (void)eval;
    return extreme(a, n, -1, out);
}

static enum mn_status call_uuid7(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    uint8_t random[10];
    struct mn_value made = {.type = MN_TYPE_UUID};
    enum mn_status status = eval->os->ops->random(eval->os, random, sizeof random);

    (void)a, (void)n;
    if (status == MN_OK) {
        status = mn_uuid7(eval->os->ops->now_us(eval->os), random, made.uuid);
    }
    *out = made;
    return status;
}

enum { NULLS_UNIFY = MN_FUNC_NULLS | MN_FUNC_UNIFY, ANY = MN_FUNC_ANY, NONE = MN_TYPE_NULL };

const struct mn_func mn_funcs_other[] = {{"coalesce",
                                          1,
                                          100,
                                          {ANY},
                                          NONE,
                                          NULLS_UNIFY,
                                          0,
                                          call_coalesce,
                                          "coalesce(x, ...)",
                                          "the first value that is not NULL"},
                                         {"nullif",
                                          2,
                                          2,
                                          {ANY, ANY},
                                          NONE,
                                          NULLS_UNIFY,
                                          0,
                                          call_nullif,
                                          "nullif(x, y)",
                                          "x, or NULL where x = y"},
                                         {"if",
                                          3,
                                          3,
                                          {MN_TYPE_BOOL, ANY},
                                          NONE,
                                          NULLS_UNIFY,
                                          1,
                                          call_if,
                                          "if(condition, x, y)",
                                          "x where the condition holds, else y"},
                                         {"greatest",
                                          1,
                                          100,
                                          {ANY},
                                          NONE,
                                          NULLS_UNIFY,
                                          0,
                                          call_greatest,
                                          "greatest(x, ...)",
                                          "the greatest value, NULLs skipped"},
                                         {"least",
                                          1,
                                          100,
                                          {ANY},
                                          NONE,
                                          NULLS_UNIFY,
                                          0,
                                          call_least,
                                          "least(x, ...)",
                                          "the least value, NULLs skipped"},
                                         {"uuid7",
                                          0,
                                          0,
                                          {0},
                                          MN_TYPE_UUID,
                                          MN_FUNC_VOLATILE,
                                          0,
                                          call_uuid7,
                                          "uuid7()",
                                          "a new id that sorts by time"},
                                         {0}};
