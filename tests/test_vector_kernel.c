/*
 * Tests of index/vector/kernel: every level against sums in double, one element at a time.
 */
#include "index/vector/kernel.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

enum { DIMS_MAX = 4096, ROWS_MAX = 11, PAD = 16 };

static const char *const level_names[] = {"baseline", "avx2", "avx512", "dotprod"};

struct reference {
    double dot, l2sq, norm2;
    double dot_weight; /* sum of |a[i] * b[i]|: what rounding is measured by */
};

static struct reference reference_make(const float *a, const float *b, size_t dims)
{
    struct reference r = {0};

    for (size_t i = 0; i < dims; i++) {
        double x = (double)a[i], y = (double)b[i];

        r.dot += x * y;
        r.dot_weight += fabs(x * y);
        r.l2sq += (x - y) * (x - y);
        r.norm2 += x * x;
    }
    return r;
}

/* Kinds of numbers: ordinary, denormal, huge (sums stay within f32), mixed in size. */
enum fill { FILL_ORDINARY, FILL_DENORMAL, FILL_HUGE, FILL_MIXED, FILL_KINDS };

static float number_draw(enum fill fill, uint64_t *seed)
{
    float unit = (float)((double)(test_random(seed) >> 11) * 0x1p-52 - 1.0);

    switch (fill) {
    case FILL_DENORMAL: return unit * 1e-39f;
    case FILL_HUGE: return unit * 1e17f;
    case FILL_MIXED: return ldexpf(unit, (int)(test_random(seed) % 40) - 20);
    case FILL_ORDINARY:
    case FILL_KINDS: break;
    }
    return unit;
}

/* Products of denormals vanish in f32, hence the absolute term. */
static void near_enough(double got, double want, double weight)
{
    if (fabs(got - want) <= 1e-5 * weight + 1e-37) return;
    fail_msg("got %.9g, want %.9g within 1e-5 of %.9g", got, want, weight);
}

struct space {
    float *query, *rows; /* DIMS_MAX + PAD each row, so that rows can start at odd floats */
    float out[ROWS_MAX + 1], norms2[ROWS_MAX + 1];
};

static void rows_compare(const struct mn_kernels *k, struct space *s, size_t dims, size_t rows)
{
    size_t shift = dims % 3; /* most rows begin at no multiple of 16 bytes */
    struct mn_kernel_rows all = {
        s->rows + shift, dims + dims % 5, rows, dims, {s->rows + shift, rows * dims}};
    const float *query = s->query + (dims & 1);

    s->out[rows] = s->norms2[rows] = 77.0f;
    k->dot_rows(query, &all, s->out);
    for (size_t i = 0; i < rows; i++) {
        struct reference r = reference_make(all.base + i * all.stride, query, dims);
        near_enough((double)s->out[i], r.dot, r.dot_weight);
    }
    k->l2sq_rows(query, &all, s->out);
    for (size_t i = 0; i < rows; i++) {
        struct reference r = reference_make(all.base + i * all.stride, query, dims);
        near_enough((double)s->out[i], r.l2sq, r.l2sq);
    }
    k->cosine_rows(query, &all, s->out, s->norms2);
    for (size_t i = 0; i < rows; i++) {
        struct reference r = reference_make(all.base + i * all.stride, query, dims);
        near_enough((double)s->out[i], r.dot, r.dot_weight);
        near_enough((double)s->norms2[i], r.norm2, r.norm2);
    }
    assert_true(s->out[rows] == 77.0f && s->norms2[rows] == 77.0f);
}

/* Rows anywhere, in no order, one of them twice. */
static void some_compare(const struct mn_kernels *k, struct space *s, size_t dims, size_t rows)
{
    const float *at[ROWS_MAX], *query = s->query + (dims & 1);
    struct mn_kernel_some some = {at, rows, dims};

    for (size_t i = 0; i < rows; i++) at[i] = s->rows + (i * 5 % rows) * (dims + 3) + i % 4;
    if (rows > 2) at[2] = at[0];
    s->out[rows] = s->norms2[rows] = 77.0f;
    k->l2sq_some(query, &some, s->out);
    for (size_t i = 0; i < rows; i++) {
        struct reference r = reference_make(at[i], query, dims);
        near_enough((double)s->out[i], r.l2sq, r.l2sq);
    }
    k->cosine_some(query, &some, s->out, s->norms2);
    for (size_t i = 0; i < rows; i++) {
        struct reference r = reference_make(at[i], query, dims);
        near_enough((double)s->out[i], r.dot, r.dot_weight);
        near_enough((double)s->norms2[i], r.norm2, r.norm2);
    }
    assert_true(s->out[rows] == 77.0f && s->norms2[rows] == 77.0f);
}

static void pairs_compare(const struct mn_kernels *k, struct space *s, size_t dims)
{
    const float *a = s->query + (dims & 1), *b = s->rows + dims % 7;
    struct reference r = reference_make(a, b, dims);

    near_enough((double)k->dot(a, b, dims), r.dot, r.dot_weight);
    near_enough((double)k->l2sq(a, b, dims), r.l2sq, r.l2sq);
    near_enough((double)k->norm2(a, dims), r.norm2, r.norm2);
}

static void level_compare(const struct mn_kernels *k)
{
    struct space s;
    uint64_t seed = test_seed();
    size_t row_floats = (DIMS_MAX + PAD) * (ROWS_MAX + 1);

    s.query = malloc((DIMS_MAX + PAD) * sizeof(float));
    s.rows = malloc(row_floats * sizeof(float));
    assert_true(s.query && s.rows);
    for (enum fill fill = FILL_ORDINARY; fill < FILL_KINDS; fill++) {
        for (size_t i = 0; i < DIMS_MAX + PAD; i++) s.query[i] = number_draw(fill, &seed);
        for (size_t i = 0; i < row_floats; i++) s.rows[i] = number_draw(fill, &seed);
        for (size_t dims = 0; dims <= DIMS_MAX; dims += dims < 160 ? 1 : 1 + dims / 3) {
            pairs_compare(k, &s, dims);
            rows_compare(k, &s, dims, dims % (ROWS_MAX + 1));
            some_compare(k, &s, dims, dims % (ROWS_MAX + 1));
        }
        pairs_compare(k, &s, DIMS_MAX);
        rows_compare(k, &s, DIMS_MAX, ROWS_MAX);
    }
    free(s.query);
    free(s.rows);
}

static void every_level_agrees_with_sums_in_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        const struct mn_kernels *k = mn_kernels_named(level_names[i]);

        if (!k) {
            print_message("kernel level %s: not on this machine\n", level_names[i]);
            continue;
        }
        assert_string_equal(k->name, level_names[i]);
        level_compare(k);
    }
    assert_non_null(mn_kernels_named("baseline"));
    assert_null(mn_kernels_named("none"));
}

/* ---- exact sums ---- */

enum { CHAINS = 8 };

/* Eight chains, one element at a time, and how they are folded: nothing else gives these bits. */
static double chains_fold(const volatile double chain[CHAINS])
{
    return ((chain[0] + chain[4]) + (chain[2] + chain[6])) +
           ((chain[1] + chain[5]) + (chain[3] + chain[7]));
}

static double dot_by_hand(const float *a, const float *b, size_t dims)
{
    volatile double chain[CHAINS] = {0}, product;

    for (size_t i = 0; i < dims; i++) {
        product = (double)a[i] * (double)b[i];
        chain[i % CHAINS] += product;
    }
    return chains_fold(chain);
}

static double l2sq_by_hand(const float *a, const float *b, size_t dims)
{
    volatile double chain[CHAINS] = {0}, left;

    for (size_t i = 0; i < dims; i++) {
        left = (double)a[i] - (double)b[i];
        left = left * left;
        chain[i % CHAINS] += left;
    }
    return chains_fold(chain);
}

static double bytes_by_hand(const double *scaled, size_t dims, double step, int8_t *bytes)
{
    volatile double chain[CHAINS] = {0}, part, inverse = step > 0 ? 1 / step : 0;

    for (size_t i = 0; i < dims; i++) {
        part = scaled[i] * inverse;
        part = part + 128.5;
        bytes[i] = (int8_t)((int32_t)part - 128);
        part = step * bytes[i];
        part = scaled[i] - part;
        part = part * part;
        chain[i % CHAINS] += part;
    }
    return chains_fold(chain);
}

static void same_bits(double got, double want)
{
    if (memcmp(&got, &want, sizeof got) != 0) fail_msg("got %.17g, want %.17g", got, want);
}

static void exact_compare(const struct mn_kernels *k, const float *a, const float *b, size_t dims)
{
    static double scaled[DIMS_MAX];
    static int8_t bytes[DIMS_MAX + 1], want[DIMS_MAX];
    double sums[3], most = 0, greatest, unit = 1 / 3.0, step;

    same_bits(k->exact_dot(a, b, dims), dot_by_hand(a, b, dims));
    same_bits(k->exact_l2sq(a, b, dims), l2sq_by_hand(a, b, dims));
    k->exact_cosine(a, b, dims, sums);
    same_bits(sums[0], dot_by_hand(a, b, dims));
    same_bits(sums[1], dot_by_hand(a, a, dims));
    same_bits(sums[2], dot_by_hand(b, b, dims));
    greatest = k->exact_scale(a, dims, unit, scaled);
    for (size_t i = 0; i < dims; i++) {
        same_bits(scaled[i], (double)a[i] * unit);
        most = fmax(most, fabs(scaled[i]));
    }
    same_bits(greatest, most);
    bytes[dims] = 77;
    step = most / 127;
    same_bits(k->exact_bytes(scaled, dims, step, bytes), bytes_by_hand(scaled, dims, step, want));
    assert_true(memcmp(bytes, want, dims) == 0);
    assert_true(bytes[dims] == 77);
}

static void exact_sums_are_the_same_on_every_level(void **state)
{
    static float a[DIMS_MAX + 1], b[DIMS_MAX + 1];
    uint64_t seed = test_seed() + 1;

    (void)state;
    for (enum fill fill = FILL_ORDINARY; fill < FILL_KINDS; fill++) {
        for (size_t i = 0; i <= DIMS_MAX; i++) {
            a[i] = number_draw(fill, &seed);
            b[i] = number_draw(fill, &seed);
        }
        for (size_t level = 0; level < sizeof level_names / sizeof *level_names; level++) {
            const struct mn_kernels *k = mn_kernels_named(level_names[level]);

            for (size_t dims = 0; k && dims <= DIMS_MAX; dims += dims < 160 ? 1 : 1 + dims / 3) {
                exact_compare(k, a + dims % 2, b, dims);
            }
            if (k) exact_compare(k, a, b, DIMS_MAX);
        }
    }
}

/* The value of a half by its definition. */
static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

    if (exponent == 31) size = fraction ? (double)NAN : (double)INFINITY;
    return half & 0x8000 ? -size : size;
}

static void every_half_is_widened_exactly(void **state)
{
    static uint16_t halves[65536];
    static float wide[65536 + 1];

    (void)state;
    for (size_t i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    for (size_t level = 0; level < sizeof level_names / sizeof *level_names; level++) {
        const struct mn_kernels *k = mn_kernels_named(level_names[level]);

        if (!k) continue;
        for (size_t shift = 0; shift < 9; shift++) {
            memset(wide, 0, sizeof wide);
            k->from_half(halves + shift, 65536 - shift, wide);
            assert_true(wide[65536 - shift] == 0.0f);
            for (size_t i = shift; i < 65536; i++) {
                double want = half_value(halves[i]), got = (double)wide[i - shift];

                if (isnan(want))
                    assert_true(isnan(got));
                else
                    assert_true(got == want && !signbit(got) == !signbit(want));
            }
        }
    }
}

static void sum_past_the_greatest_float_is_not_finite(void **state)
{
    float big[40];

    (void)state;
    for (size_t i = 0; i < 40; i++) big[i] = FLT_MAX;
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        const struct mn_kernels *k = mn_kernels_named(level_names[i]);

        if (k) assert_true(isinf(k->norm2(big, 40)) && isinf(k->dot(big, big, 40)));
    }
}

static void environment_pins_a_level(void **state)
{
    const char *pinned = getenv("MNEME_KERNEL");

    (void)state;
    if (pinned && mn_kernels_named(pinned)) assert_string_equal(mn_kernels()->name, pinned);
    setenv("MNEME_KERNEL", "baseline", 1);
    const struct mn_kernels *chosen = mn_kernels(); /* decided once: a later change is not heard */
    assert_ptr_equal(chosen, mn_kernels());
    if (!pinned) assert_string_equal(chosen->name, "baseline");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_agrees_with_sums_in_double),
        cmocka_unit_test(exact_sums_are_the_same_on_every_level),
        cmocka_unit_test(every_half_is_widened_exactly),
        cmocka_unit_test(sum_past_the_greatest_float_is_not_finite),
        cmocka_unit_test(environment_pins_a_level),
    };

    return cmocka_run_group_tests_name("vector/kernel", tests, NULL, NULL);
}
