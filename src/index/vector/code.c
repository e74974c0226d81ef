/*
 * code: levels by whole numbers, facts by doubles in one order.
 *
 * The vector is scaled so that its greatest element is 32767. Ten steps between levels are tried,
 * from the one that the greatest element fits to a third of it; the one whose code points most
 * nearly where the vector does is taken. That is a comparison of (sum x L)^2 / sum L^2, whose sums
 * are exact.
 */
#include "index/vector/code.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include <simde/x86/sse2.h>

#include "base/alloc.h"
#include "base/assert.h"

#pragma STDC FP_CONTRACT OFF

enum { DIMS_MAX = 8192, LANES = 8, LEVEL_MAX = 15, SCALED_MAX = 32767 };
enum { LEVEL_SHIFT = 7, LEVEL_HALF = 8 << LEVEL_SHIFT }; /* levels are rounded in units of 1/128 */

/* Lengths between these have squares that f32 holds to its full precision. */
static const double LENGTH_LEAST = 1e-15, LENGTH_MOST = 1e15;
/* What sums and products in f32 may be wrong by, against |x| |q| and |x|^2: some 8 roundings. */
static const double ROUNDING = 1e-6;

struct mn_code_form mn_code_form(enum mn_metric metric, uint32_t dims)
{
    return (struct mn_code_form){.metric = metric,
                                 .dims = dims,
                                 .steps = (dims + MN_CODE_STEP_DIMS - 1) / MN_CODE_STEP_DIMS,
                                 .squares = metric != MN_METRIC_COSINE};
}

/* ---- levels ---- */

/* 7.5 * 128 * 65536 / (32767 f) for ten fractions f of the greatest element. */
static const int16_t step_factors[] = {1920, 2065, 2233, 2430, 2667, 2954, 3311, 3840, 4572, 5818};

enum { STEPS_TRIED = sizeof step_factors / sizeof *step_factors };

static inline simde__m128i levels_of(simde__m128i scaled, simde__m128i factor)
{
    simde__m128i level = simde_mm_mulhi_epi16(scaled, factor);

    level = simde_mm_add_epi16(level, simde_mm_set1_epi16(LEVEL_HALF));
    level = simde_mm_srai_epi16(level, LEVEL_SHIFT);
    level = simde_mm_max_epi16(level, simde_mm_setzero_si128());
    return simde_mm_min_epi16(level, simde_mm_set1_epi16(LEVEL_MAX));
}

static inline int64_t lanes_sum(simde__m128i sums)
{
    int32_t parts[4];

    simde_mm_storeu_si128((simde__m128i *)(void *)parts, sums);
    return (int64_t)parts[0] + parts[1] + parts[2] + parts[3];
}

/* How well the code of a step points where the vector does, up to a factor. */
static double step_worth(const int16_t *scaled, size_t padded, size_t dims, int16_t factor)
{
    simde__m128i products = simde_mm_setzero_si128(), squares = products;

    for (size_t i = 0; i < padded; i += LANES) {
        simde__m128i x = simde_mm_loadu_si128((const simde__m128i *)(const void *)(scaled + i));
        simde__m128i l = levels_of(x, simde_mm_set1_epi16(factor));

        l = simde_mm_sub_epi16(simde_mm_add_epi16(l, l), simde_mm_set1_epi16(LEVEL_MAX));
        products = simde_mm_add_epi32(products, simde_mm_madd_epi16(x, l));
        squares = simde_mm_add_epi32(squares, simde_mm_madd_epi16(l, l));
    }
    double product = (double)lanes_sum(products);
    /* behind the last dimension x is 0 and L is 1 */
    return product * product / (double)(lanes_sum(squares) - (int64_t)(padded - dims));
}

static void scale_whole(const float *vector, size_t dims, double factor, int16_t *scaled)
{
    for (size_t i = 0; i < dims; i++) {
        scaled[i] = (int16_t)((int32_t)((double)vector[i] * factor + 32768.5) - 32768);
    }
}

static float greatest(const float *vector, size_t dims)
{
    float most = 0;

    for (size_t i = 0; i < dims; i++) {
        float at = fabsf(vector[i]);
        most = at > most ? at : most;
    }
    return most;
}

/* Levels as L = 2 level - 15, one an element, and packed as a row of a group. */
static void levels_make(const struct mn_code_form *form, const float *vector, float most,
                        int16_t *odd, uint8_t *code)
{
    int16_t scaled[DIMS_MAX + LANES];
    size_t dims = form->dims, padded = (size_t)form->steps * MN_CODE_STEP_DIMS;
    int16_t best = step_factors[0];
    double worth = -1;

    memset(scaled + dims, 0, (padded - dims) * sizeof *scaled);
    scale_whole(vector, dims, (double)SCALED_MAX / (double)most, scaled);
    for (size_t i = 0; i < STEPS_TRIED; i++) {
        double is = step_worth(scaled, padded, dims, step_factors[i]);

        if (is <= worth) continue;
        worth = is;
        best = step_factors[i];
    }
    for (size_t i = 0; i < padded; i += LANES) {
        simde__m128i x = simde_mm_loadu_si128((const simde__m128i *)(const void *)(scaled + i));
        int16_t level[LANES];

        simde_mm_storeu_si128((simde__m128i *)(void *)level,
                              levels_of(x, simde_mm_set1_epi16(best)));
        for (size_t j = 0; j < LANES; j++) {
            odd[i + j] = (int16_t)(i + j < dims ? 2 * level[j] - LEVEL_MAX : 0);
            if (i + j >= dims) level[j] = 0;
        }
        for (size_t j = 0; j < MN_CODE_ROW_STEP; j++) {
            code[i / 2 + j] = (uint8_t)(level[j] | level[j + MN_CODE_ROW_STEP] << 4);
        }
    }
}

/* ---- facts ---- */

enum { CHAINS = 8 };

static double chains_sum(const double chain[CHAINS])
{
    return ((chain[0] + chain[4]) + (chain[2] + chain[6])) +
           ((chain[1] + chain[5]) + (chain[3] + chain[7]));
}

/* sum of x_i L_i */
static double odd_dot(const float *vector, const int16_t *odd, size_t dims)
{
    double chain[CHAINS] = {0};
    size_t i = 0;

    for (; i + CHAINS <= dims; i += CHAINS) {
        for (size_t j = 0; j < CHAINS; j++) chain[j] += (double)vector[i + j] * odd[i + j];
    }
    for (size_t j = 0; i + j < dims; j++) chain[j] += (double)vector[i + j] * odd[i + j];
    return chains_sum(chain);
}

/* sum of (x_i unit - scale L_i)^2 */
static double residual2(const float *vector, const int16_t *odd, size_t dims, double unit,
                        double scale)
{
    double chain[CHAINS] = {0};
    size_t i = 0;

    for (; i + CHAINS <= dims; i += CHAINS) {
        for (size_t j = 0; j < CHAINS; j++) {
            double rest = (double)vector[i + j] * unit - scale * odd[i + j];
            chain[j] += rest * rest;
        }
    }
    for (size_t j = 0; i + j < dims; j++) {
        double rest = (double)vector[i + j] * unit - scale * odd[i + j];
        chain[j] += rest * rest;
    }
    return chains_sum(chain);
}

static int64_t odd_squares(const int16_t *odd, size_t dims)
{
    int64_t sum = 0;

    for (size_t i = 0; i < dims; i++) sum += odd[i] * odd[i];
    return sum;
}

/* The least upper half of an f32 that is not below the value, which is not negative. */
static uint16_t half_up(double value)
{
    float as = (float)value;
    uint32_t bits;

    if ((double)as < value) as = nextafterf(as, INFINITY);
    memcpy(&bits, &as, sizeof bits);
    return (uint16_t)((bits + 0xffffu) >> 16);
}

void mn_code_make(const struct mn_code_form *form, const float *vector, uint8_t *code,
                  struct mn_code_facts *facts)
{
    int16_t odd[DIMS_MAX + LANES];
    size_t dims = form->dims;
    float most = greatest(vector, dims);
    double norm = sqrt(mn_vector_norm2(vector, dims)), unit = 1;

    MN_ASSERT(dims >= 1 && dims <= DIMS_MAX);
    *facts = (struct mn_code_facts){0};
    memset(code, 0, mn_code_bytes(form));
    if (most == 0) return; /* every product is 0, and so is the estimate */
    levels_make(form, vector, most, odd, code);
    if (form->metric == MN_METRIC_COSINE) {
        unit = 1 / norm;
        norm = 1;
    } else if (!(norm >= LENGTH_LEAST && norm <= LENGTH_MOST)) {
        facts->error = 0x7f80; /* infinity */
        return;
    } else {
        facts->half_square = (float)(norm * norm / 2);
    }
    double scale = odd_dot(vector, odd, dims) * unit / (double)odd_squares(odd, dims);
    facts->scale = (float)scale;
    double error = sqrt(residual2(vector, odd, dims, unit, (double)facts->scale));
    facts->error = half_up(error * (1 + ROUNDING) + ROUNDING * norm);
}

/* ---- queries ---- */

/* The bytes of the query, spaced for levels that multiply words (see kernel_code.h). */
static void bytes_space(const int8_t *bytes, size_t padded, int16_t *spaced)
{
    for (size_t i = 0; i < padded; i += MN_CODE_STEP_DIMS) {
        static const uint8_t order[MN_CODE_STEP_DIMS] = {0, 2, 1, 3, 4, 6, 5, 7};

        for (size_t j = 0; j < MN_CODE_STEP_DIMS; j++) spaced[i + j] = bytes[i + order[j]];
    }
}

static int32_t bytes_sum(const int8_t *bytes, size_t dims)
{
    int32_t sum = 0;

    for (size_t i = 0; i < dims; i++) sum += bytes[i];
    return sum;
}

enum mn_status mn_code_ask_open(const struct mn_code_form *form, const float *query,
                                struct mn_code_ask *ask, bool *serves)
{
    enum { BYTE_MAX = 127 };
    size_t padded = (size_t)form->steps * MN_CODE_STEP_DIMS;
    double length = sqrt(mn_vector_norm2(query, form->dims)), unit = 1;

    *ask = (struct mn_code_ask){.form = *form, .length = length, .norm = length};
    *serves = form->metric != MN_METRIC_L2 || length == 0 ||
              (length >= LENGTH_LEAST && length <= LENGTH_MOST);
    if (!*serves) return MN_OK;
    if (form->metric != MN_METRIC_L2 && length > 0) {
        unit = 1 / length;
        ask->norm = 1;
    }
    ask->memory = mn_alloc_aligned(padded * (sizeof(double) + sizeof(int16_t) + sizeof(int8_t)));
    if (!ask->memory) return mn_fail_nomem();
    double *scaled = ask->memory;
    int16_t *spaced = (int16_t *)(void *)(scaled + padded);
    int8_t *bytes = (int8_t *)(spaced + padded);
    double most = mn_kernels()->exact_scale(query, form->dims, unit, scaled);
    float step = (float)(most / (double)BYTE_MAX);
    if ((double)step * (double)BYTE_MAX < most) step = nextafterf(step, INFINITY);
    memset(bytes + form->dims, 0, padded - form->dims);
    double rest = mn_kernels()->exact_bytes(scaled, form->dims, (double)step, bytes);
    bytes_space(bytes, padded, spaced);
    ask->scan = (struct mn_code_query){.bytes = bytes,
                                       .spaced = spaced,
                                       .steps = form->steps,
                                       .squares = form->squares,
                                       .scale = step,
                                       .square = form->metric == MN_METRIC_L2 ? -1 : 0};
    ask->scan.bias = LEVEL_MAX * bytes_sum(bytes, form->dims);
    ask->spread = sqrt(rest) + ROUNDING * ask->norm;
    return MN_OK;
}

void mn_code_ask_release(struct mn_code_ask *ask)
{
    mn_release_aligned(ask->memory);
    ask->memory = NULL;
}

struct mn_code_query mn_code_ask_bound(const struct mn_code_ask *ask, double *slack)
{
    struct mn_code_query scan = ask->scan;

    scan.error = (float)(ask->norm * (1 + ROUNDING));
    *slack = 0;
    if (!scan.squares) {
        *slack = ask->spread + ROUNDING;
        return scan;
    }
    scan.spread = (float)((ask->spread + ROUNDING * ask->norm) * (1 + ROUNDING));
    if (scan.square < 0) scan.square *= 1 - (float)ROUNDING;
    return scan;
}

struct mn_code_span mn_code_ask_span(const struct mn_code_ask *ask, float upper,
                                     const struct mn_code_facts *facts)
{
    double error = (double)mn_code_error_value(facts->error), half = (double)facts->half_square;
    double x2 = ask->form.squares ? 2 * half : 1, product, along;
    double spread = ask->spread + 2 * ROUNDING * ask->norm, square = 0;
    double least_error = error * (1 - 0x1p-6) - 2 * ROUNDING * sqrt(x2);

    if (!(error < INFINITY)) return (struct mn_code_span){0, INFINITY};
    if (ask->form.metric == MN_METRIC_L2) square = half;
    /* <x', q> by the bytes: what the scan added is taken off again */
    product = (double)upper - error * ask->norm * (1 + ROUNDING) + square * (1 - ROUNDING);
    if (ask->form.squares) product -= spread * sqrt(x2);
    /* |x'| is at most this, and q along x' at least this: what is left of q meets the error */
    if (least_error < 0) least_error = 0;
    double length = sqrt(fmax(x2 - least_error * least_error, 0)) + ROUNDING * sqrt(x2);
    along =
        length > 0 ? (fabs(product) - 8 * ROUNDING * (sqrt(x2) * ask->norm + half)) / length : 0;
    along = fmax(along - spread, 0);
    double across = sqrt(fmax(ask->norm * ask->norm - along * along, 0));
    double width = error * across + length * spread;
    return (struct mn_code_span){
        product - square,
        width + 8 * ROUNDING * (sqrt(x2) * ask->norm + half),
    };
}

double mn_code_ask_least(const struct mn_code_ask *ask, double reach)
{
    const double loose = 1e-12;
    double score = 0;

    if (reach == INFINITY) return -INFINITY;
    switch (ask->form.metric) {
    case MN_METRIC_COSINE: return 1 - reach - loose;
    case MN_METRIC_DOT:
        score = ask->length > 0 ? -reach / ask->length : -reach;
        return score - loose * fabs(score) - FLT_MIN;
    case MN_METRIC_L2: break;
    }
    if (reach < 0) return INFINITY;
    double q2 = ask->length * ask->length, r2 = reach * reach;
    return (q2 - r2) / 2 - loose * (q2 + r2);
}
