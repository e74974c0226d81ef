/*
 * expr_arith: + - * / % over numbers, times and durations.
 *
 * INT by INT stays INT and overflows loudly; division truncates and the remainder has the sign of
 * the dividend; FLOAT with either is FLOAT, and a finite operation that gives infinity or NaN is an
 * error.
 */
#include <math.h>

#include "query/expr_inside.h"

enum { I = MN_TYPE_INT, F = MN_TYPE_FLOAT, T = MN_TYPE_TIMESTAMP, D = MN_TYPE_DURATION };

struct rule {
    uint8_t op, a, b, result;
};

static const struct rule rules[] = {
    {MN_OP_ADD, I, I, I}, {MN_OP_ADD, F, F, F}, {MN_OP_ADD, T, D, T}, {MN_OP_ADD, D, T, T},
    {MN_OP_ADD, D, D, D}, {MN_OP_SUB, I, I, I}, {MN_OP_SUB, F, F, F}, {MN_OP_SUB, T, T, D},
    {MN_OP_SUB, T, D, T}, {MN_OP_SUB, D, D, D}, {MN_OP_MUL, I, I, I}, {MN_OP_MUL, F, F, F},
    {MN_OP_MUL, D, I, D}, {MN_OP_MUL, I, D, D}, {MN_OP_MUL, D, F, D}, {MN_OP_MUL, F, D, D},
    {MN_OP_DIV, I, I, I}, {MN_OP_DIV, F, F, F}, {MN_OP_DIV, D, I, D}, {MN_OP_DIV, D, F, D},
    {MN_OP_DIV, D, D, F}, {MN_OP_REM, I, I, I}, {MN_OP_REM, F, F, F}, {MN_OP_REM, D, D, D}};

static bool is_number(uint8_t type)
{
    return type == I || type == F;
}

bool mn_arith_kind(enum mn_ast_op op, uint8_t a, uint8_t b, uint8_t *out)
{
    if (is_number(a) && is_number(b) && a != b) a = b = F;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].op != op || rules[i].a != a || rules[i].b != b) continue;
        *out = rules[i].result;
        return true;
    }
    return false;
}

static double real_of(const struct mn_value *value)
{
    return value->type == F ? value->f : (double)value->i;
}

static enum mn_status zero(void)
{
    return mn_fail(MN_RANGE, "division by zero");
}

static enum mn_status whole(enum mn_ast_op op, int64_t a, int64_t b, int64_t *out)
{
    bool over = false;

    if ((op == MN_OP_DIV || op == MN_OP_REM) && b == 0) return zero();
    if (op == MN_OP_ADD) over = __builtin_add_overflow(a, b, out);
    if (op == MN_OP_SUB) over = __builtin_sub_overflow(a, b, out);
    if (op == MN_OP_MUL) over = __builtin_mul_overflow(a, b, out);
    if (op == MN_OP_DIV) {
        over = a == INT64_MIN && b == -1;
        if (!over) *out = a / b;
    }
    if (op == MN_OP_REM) *out = b == -1 ? 0 : a % b;
    if (!over) return MN_OK;
    mn_fail(MN_RANGE, "%lld %s %lld is more than 64 bits hold", (long long)a, mn_op_text(op),
            (long long)b);
    return MN_RANGE;
}

static enum mn_status real(enum mn_ast_op op, double a, double b, double *out)
{
    if ((op == MN_OP_DIV || op == MN_OP_REM) && b == 0) return zero();
    if (op == MN_OP_ADD) *out = a + b;
    if (op == MN_OP_SUB) *out = a - b;
    if (op == MN_OP_MUL) *out = a * b;
    if (op == MN_OP_DIV) *out = a / b;
    if (op == MN_OP_REM) *out = fmod(a, b);
    if (isfinite(*out) || !isfinite(a) || !isfinite(b)) return MN_OK;
    return mn_fail(MN_RANGE, "%g %s %g is more than a FLOAT holds", a, mn_op_text(op), b);
}

/* A duration times or over a FLOAT. */
static enum mn_status scaled(enum mn_ast_op op, const struct mn_value *a, const struct mn_value *b,
                             struct mn_value *out)
{
    double us = 0;
    int64_t rounded;
    enum mn_status status = real(op, real_of(a), real_of(b), &us);

    if (status == MN_OK) status = mn_float_to_int(us, &rounded);
    if (status == MN_OK) *out = mn_duration(rounded);
    return status;
}

enum mn_status mn_arith(enum mn_ast_op op, const struct mn_value *a, const struct mn_value *b,
                        struct mn_value *out)
{
    uint8_t result;
    enum mn_status status;

    if (!mn_arith_kind(op, a->type, b->type, &result)) {
        return mn_fail(MN_TYPE, "%s %s %s has no meaning", mn_type_name(a->type), mn_op_text(op),
                       mn_type_name(b->type));
    }
    *out = (struct mn_value){.type = result};
    if (result == F) return real(op, real_of(a), real_of(b), &out->f);
    if (a->type == F || b->type == F) return scaled(op, a, b, out);
    status = whole(op, a->i, b->i, &out->i);
    return status;
}
