/*
 * func_math: numbers and vectors.
 */
#include <math.h>

#include "index/vector/distance.h"
#include "query/func.h"

static enum mn_status number_out(double f, const char *name, struct mn_value *out)
{
    if (!isfinite(f)) return mn_fail(MN_RANGE, "%s has no finite result here", name);
    *out = mn_float(f);
    return MN_OK;
}

static enum mn_status overflow(const char *name)
{
    return mn_fail(MN_RANGE, "%s: the result does not fit an INT", name);
}

static enum mn_status call_abs_int(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                   struct mn_value *out)
{
    (void)n, (void)eval;
    if (a[0].i == INT64_MIN) return overflow("abs");
    *out = mn_int(a[0].i < 0 ? -a[0].i : a[0].i);
    return MN_OK;
}

static enum mn_status call_abs(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                               struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_float(fabs(a[0].f));
    return MN_OK;
}

static enum mn_status call_abs_duration(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                        struct mn_value *out)
{
    enum mn_status status = call_abs_int(a, n, eval, out);

    if (status == MN_OK) *out = mn_duration(out->i);
    return status;
}

static enum mn_status call_sign_int(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                    struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_int((a[0].i > 0) - (a[0].i < 0));
    return MN_OK;
}

static enum mn_status call_sign(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_float((double)((a[0].f > 0) - (a[0].f < 0)));
    return MN_OK;
}

static enum mn_status call_same_int(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                    struct mn_value *out)
{
    (void)n, (void)eval;
    *out = a[0];
    return MN_OK;
}

/* Half away from zero, as Postgres rounds decimals; digits may be negative. */
static enum mn_status call_round(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    int64_t digits = n > 1 ? a[1].i : 0;
    double scale, rounded;

    (void)eval;
    if (digits > 300) {
        *out = a[0];
        return MN_OK;
    }
    if (digits < -300) {
        *out = mn_float(0);
        return MN_OK;
    }
    scale = pow(10.0, (double)(digits < 0 ? -digits : digits));
    rounded = digits < 0 ? round(a[0].f / scale) * scale : round(a[0].f * scale) / scale;
    /* Too large to be scaled: such a number has no digits to lose. */
    *out = mn_float(isfinite(rounded) ? rounded : a[0].f);
    return MN_OK;
}

#define MATH_CALL(name, result) \
    static enum mn_status call_##name(const struct mn_value *a, uint32_t n, struct mn_eval *eval, \
                                      struct mn_value *out) \
    { \
        (void)n, (void)eval; \
        return number_out(result, #name, out); \
    }

MATH_CALL(floor, floor(a[0].f))
MATH_CALL(ceil, ceil(a[0].f))
MATH_CALL(exp, exp(a[0].f))
MATH_CALL(ln, log(a[0].f))
MATH_CALL(log10, log10(a[0].f))
MATH_CALL(sqrt, sqrt(a[0].f))
MATH_CALL(sin, sin(a[0].f))
MATH_CALL(cos, cos(a[0].f))
MATH_CALL(atan2, atan2(a[0].f, a[1].f))
MATH_CALL(pow, pow(a[0].f, a[1].f))

static enum mn_status call_mod_int(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                   struct mn_value *out)
{
    (void)n, (void)eval;
    if (a[1].i == 0) return mn_fail(MN_RANGE, "division by zero");
    *out = mn_int(a[1].i == -1 ? 0 : a[0].i % a[1].i);
    return MN_OK;
}

static enum mn_status call_mod(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                               struct mn_value *out)
{
    (void)n, (void)eval;
    if (a[1].f == 0) return mn_fail(MN_RANGE, "division by zero");
    return number_out(fmod(a[0].f, a[1].f), "mod", out);
}

static enum mn_status call_random(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    uint64_t bits;
    enum mn_status status = eval->os->ops->random(eval->os, &bits, sizeof bits);

    (void)a, (void)n;
    *out = mn_float((double)(bits >> 11) * 0x1p-53);
    return status;
}

/* -- vectors ----------------------------------------------------------------------------------- */

static enum mn_status dims_agree(const struct mn_value *a)
{
    if (a[0].size == a[1].size) return MN_OK;
    return mn_fail(MN_TYPE, "vectors of %u and %u dimensions", a[0].size, a[1].size);
}

static enum mn_status call_cosine(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    enum mn_status status = dims_agree(a);

    (void)n, (void)eval;
    if (status == MN_OK) *out = mn_float(mn_distance(MN_METRIC_COSINE, a[0].p, a[1].p, a[0].size));
    return status;
}

static enum mn_status call_l2(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                              struct mn_value *out)
{
    enum mn_status status = dims_agree(a);

    (void)n, (void)eval;
    if (status == MN_OK) *out = mn_float(mn_distance(MN_METRIC_L2, a[0].p, a[1].p, a[0].size));
    return status;
}

static enum mn_status call_inner(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    enum mn_status status = dims_agree(a);

    (void)n, (void)eval;
    if (status == MN_OK) *out = mn_float(mn_vector_dot(a[0].p, a[1].p, a[0].size));
    return status;
}

static enum mn_status call_norm(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_float(sqrt(mn_vector_norm2(a[0].p, a[0].size)));
    return MN_OK;
}

static enum mn_status call_normalize(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                     struct mn_value *out)
{
    double norm = sqrt(mn_vector_norm2(a[0].p, a[0].size));
    const float *from = a[0].p;
    float *into;

    (void)n;
    if (norm == 0) return mn_fail(MN_RANGE, "normalize of a zero vector");
    into = mn_arena_alloc(eval->scratch, a[0].size * sizeof *into);
    if (!into) return mn_fail_nomem();
    for (uint32_t i = 0; i < a[0].size; i++) into[i] = (float)((double)from[i] / norm);
    *out = mn_vector(into, a[0].size);
    return MN_OK;
}

static enum mn_status call_dims(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_int(a[0].size);
    return MN_OK;
}

enum { I = MN_TYPE_INT, F = MN_TYPE_FLOAT, D = MN_TYPE_DURATION, V = MN_TYPE_VECTOR };

const struct mn_func mn_funcs_math[] = {
    {"abs", 1, 1, {I}, I, 0, 0, call_abs_int, "abs(x)", "the value without its sign"},
    {"abs", 1, 1, {F}, F, 0, 0, call_abs, "abs(x)", "the value without its sign"},
    {"abs", 1, 1, {D}, D, 0, 0, call_abs_duration, "abs(x)", "the value without its sign"},
    {"round",
     1,
     1,
     {I},
     I,
     0,
     0,
     call_same_int,
     "round(x [, digits])",
     "rounded, half away from zero"},
    {"round",
     1,
     2,
     {F, I},
     F,
     0,
     0,
     call_round,
     "round(x [, digits])",
     "rounded, half away from zero"},
    {"floor", 1, 1, {I}, I, 0, 0, call_same_int, "floor(x)", "the whole number at or below"},
    {"floor", 1, 1, {F}, F, 0, 0, call_floor, "floor(x)", "the whole number at or below"},
    {"ceil", 1, 1, {I}, I, 0, 0, call_same_int, "ceil(x)", "the whole number at or above"},
    {"ceil", 1, 1, {F}, F, 0, 0, call_ceil, "ceil(x)", "the whole number at or above"},
    {"exp", 1, 1, {F}, F, 0, 0, call_exp, "exp(x)", "e to the power of x"},
    {"ln", 1, 1, {F}, F, 0, 0, call_ln, "ln(x)", "the natural logarithm"},
    {"log10", 1, 1, {F}, F, 0, 0, call_log10, "log10(x)", "the logarithm to base 10"},
    {"pow", 2, 2, {F, F}, F, 0, 0, call_pow, "pow(x, y)", "x to the power of y"},
    {"sqrt", 1, 1, {F}, F, 0, 0, call_sqrt, "sqrt(x)", "the square root"},
    {"sin", 1, 1, {F}, F, 0, 0, call_sin, "sin(x)", "the sine of x radians"},
    {"cos", 1, 1, {F}, F, 0, 0, call_cos, "cos(x)", "the cosine of x radians"},
    {"atan2", 2, 2, {F, F}, F, 0, 0, call_atan2, "atan2(y, x)", "the angle of (x, y), in radians"},
    {"mod", 2, 2, {I, I}, I, 0, 0, call_mod_int, "mod(x, y)", "the remainder, with the sign of x"},
    {"mod", 2, 2, {F, F}, F, 0, 0, call_mod, "mod(x, y)", "the remainder, with the sign of x"},
    {"sign", 1, 1, {I}, I, 0, 0, call_sign_int, "sign(x)", "-1, 0 or 1"},
    {"sign", 1, 1, {F}, F, 0, 0, call_sign, "sign(x)", "-1, 0 or 1"},
    {"random",
     0,
     0,
     {0},
     F,
     MN_FUNC_VOLATILE,
     0,
     call_random,
     "random()",
     "a FLOAT from 0 to below 1"},
    {"cosine_distance", 2, 2, {V, V}, F, 0, 0, call_cosine, "cosine_distance(a, b)", "as a <=> b"},
    {"l2_distance", 2, 2, {V, V}, F, 0, 0, call_l2, "l2_distance(a, b)", "as a <-> b"},
    {"inner_product",
     2,
     2,
     {V, V},
     F,
     0,
     0,
     call_inner,
     "inner_product(a, b)",
     "the sum of products; a <#> b is its negative"},
    {"norm", 1, 1, {V}, F, 0, 0, call_norm, "norm(v)", "the length of a vector"},
    {"normalize", 1, 1, {V}, V, 0, 0, call_normalize, "normalize(v)", "the vector at length 1"},
    {"dims", 1, 1, {V}, I, 0, 0, call_dims, "dims(v)", "how many dimensions it has"},
    {0}};
