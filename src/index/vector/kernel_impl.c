/*
 * kernel_impl: the kernels of one level of the machine.
 *
 * This file is compiled once for each level, as a target of its own whose name is MN_KERNEL_LEVEL.
 * SIMDe turns the same words into what that target has: registers of 512, 256 or 128 bits (SSE2 on
 * x86, NEON on ARM). Nothing but static kernels may be here: a function that another object shares
 * could be linked in its AVX-512 form and stop an older machine.
 *
 *   (K1) every function reads exactly the floats it is told; the tail is read by lanes or masks;
 *   (K2) four rows are read side by side: a register of the query is loaded once for all of them,
 *        and their sums are turned into one register together. Prefetching is left to the hardware.
 */
#include "index/vector/kernel.h"

#include <string.h>

#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

#if defined(SIMDE_X86_AVX512F_NATIVE)

enum { LANES = 16 };
typedef simde__m512 lanes;
#define LANES_LOAD simde_mm512_loadu_ps
#define LANES_ZERO simde_mm512_setzero_ps
#define LANES_FMA simde_mm512_fmadd_ps
#define LANES_ADD simde_mm512_add_ps
#define LANES_SUB simde_mm512_sub_ps
#define LANES_LOW simde_mm512_unpacklo_ps
#define LANES_HIGH simde_mm512_unpackhi_ps
#define LANES_LOW_PAIRS(a, b) \
    simde_mm512_castpd_ps( \
        simde_mm512_unpacklo_pd(simde_mm512_castps_pd(a), simde_mm512_castps_pd(b)))
#define LANES_HIGH_PAIRS(a, b) \
    simde_mm512_castpd_ps( \
        simde_mm512_unpackhi_pd(simde_mm512_castps_pd(a), simde_mm512_castps_pd(b)))

static inline simde__m128 lanes_fold(lanes v)
{
    simde__m256d high = simde_mm512_extractf64x4_pd(simde_mm512_castps_pd(v), 1);
    simde__m256 half =
        simde_mm256_add_ps(simde_mm512_castps512_ps256(v), simde_mm256_castpd_ps(high));

    return simde_mm_add_ps(simde_mm256_castps256_ps128(half), simde_mm256_extractf128_ps(half, 1));
}

/* The first `count` < LANES floats, zeros behind them. SIMDe has no name for the masked load yet.
 */
static inline lanes lanes_tail(const float *at, size_t count)
{
    return _mm512_maskz_loadu_ps((simde__mmask16)((1u << count) - 1u), at);
}

#elif defined(SIMDE_X86_AVX2_NATIVE)

enum { LANES = 8 };
typedef simde__m256 lanes;
#define LANES_LOAD simde_mm256_loadu_ps
#define LANES_ZERO simde_mm256_setzero_ps
#define LANES_FMA simde_mm256_fmadd_ps
#define LANES_ADD simde_mm256_add_ps
#define LANES_SUB simde_mm256_sub_ps
#define LANES_LOW simde_mm256_unpacklo_ps
#define LANES_HIGH simde_mm256_unpackhi_ps
#define LANES_LOW_PAIRS(a, b) \
    simde_mm256_castpd_ps( \
        simde_mm256_unpacklo_pd(simde_mm256_castps_pd(a), simde_mm256_castps_pd(b)))
#define LANES_HIGH_PAIRS(a, b) \
    simde_mm256_castpd_ps( \
        simde_mm256_unpackhi_pd(simde_mm256_castps_pd(a), simde_mm256_castps_pd(b)))

static inline simde__m128 lanes_fold(lanes v)
{
    return simde_mm_add_ps(simde_mm256_castps256_ps128(v), simde_mm256_extractf128_ps(v, 1));
}

static inline lanes lanes_tail(const float *at, size_t count)
{
    static const int32_t mask[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t *from = mask + LANES - count;

    return simde_mm256_maskload_ps(at, simde_mm256_loadu_si256((const simde__m256i *)from));
}

#else

enum { LANES = 4 };
typedef simde__m128 lanes;
#define LANES_LOAD simde_mm_loadu_ps
#define LANES_ZERO simde_mm_setzero_ps
#define LANES_FMA simde_mm_fmadd_ps
#define LANES_ADD simde_mm_add_ps
#define LANES_SUB simde_mm_sub_ps
#define LANES_LOW simde_mm_unpacklo_ps
#define LANES_HIGH simde_mm_unpackhi_ps
#define LANES_LOW_PAIRS(a, b) \
    simde_mm_castpd_ps(simde_mm_unpacklo_pd(simde_mm_castps_pd(a), simde_mm_castps_pd(b)))
#define LANES_HIGH_PAIRS(a, b) \
    simde_mm_castpd_ps(simde_mm_unpackhi_pd(simde_mm_castps_pd(a), simde_mm_castps_pd(b)))

static inline simde__m128 lanes_fold(lanes v)
{
    return v;
}

static inline lanes lanes_tail(const float *at, size_t count)
{
    float padded[LANES] = {0};

    memcpy(padded, at, count * sizeof *at);
    return simde_mm_loadu_ps(padded);
}

#endif

enum { TOGETHER = 4 };

/* ---- what is read next ---- */

enum { LINE_BYTES = 64 };

/* How many lines of it fall to each of so many parts of the work. */
static inline size_t ahead_share(const struct mn_kernel_ahead *ahead, size_t parts)
{
    size_t lines = (ahead->bytes + LINE_BYTES - 1) / LINE_BYTES;

    return parts ? (lines + parts - 1) / parts : 0;
}

/* Asks for `count` lines from one on, as far as there are. */
static inline void ahead_ask(const struct mn_kernel_ahead *ahead, size_t line, size_t count)
{
    const char *base = ahead->base;
    size_t end = (line + count) * LINE_BYTES;

    if (end > ahead->bytes) end = ahead->bytes;
    for (size_t at = line * LINE_BYTES; at < end; at += LINE_BYTES) {
        __builtin_prefetch(base + at, 0, 2);
    }
}

/* ---- sums ---- */

static inline float lanes_sum(lanes v)
{
    simde__m128 four = lanes_fold(v);
    simde__m128 two = simde_mm_add_ps(four, simde_mm_movehl_ps(four, four));

    return simde_mm_cvtss_f32(simde_mm_add_ss(two, simde_mm_shuffle_ps(two, two, 1)));
}

/* The sums of four registers, stored to out: first within blocks of four lanes, then over them. */
static inline void lanes_sum4(const lanes v[TOGETHER], float *out)
{
    lanes ab = LANES_ADD(LANES_LOW(v[0], v[1]), LANES_HIGH(v[0], v[1]));
    lanes cd = LANES_ADD(LANES_LOW(v[2], v[3]), LANES_HIGH(v[2], v[3]));

    simde_mm_storeu_ps(out,
                       lanes_fold(LANES_ADD(LANES_LOW_PAIRS(ab, cd), LANES_HIGH_PAIRS(ab, cd))));
}

/* What is added for one register of a and b. */
enum sum { SUM_DOT, SUM_L2SQ };

static inline lanes lanes_step(enum sum sum, lanes a, lanes b, lanes total)
{
    if (sum == SUM_DOT) return LANES_FMA(a, b, total);
    lanes difference = LANES_SUB(a, b);
    return LANES_FMA(difference, difference, total);
}

static inline float pair_sum(enum sum sum, const float *a, const float *b, size_t dims)
{
    lanes total[4] = {LANES_ZERO(), LANES_ZERO(), LANES_ZERO(), LANES_ZERO()};
    size_t i = 0;

    for (; i + 4 * LANES <= dims; i += 4 * LANES) {
        for (size_t j = 0; j < 4; j++) {
            size_t at = i + j * LANES;
            total[j] = lanes_step(sum, LANES_LOAD(a + at), LANES_LOAD(b + at), total[j]);
        }
    }
    for (; i + LANES <= dims; i += LANES) {
        total[0] = lanes_step(sum, LANES_LOAD(a + i), LANES_LOAD(b + i), total[0]);
    }
    if (i < dims) {
        total[1] =
            lanes_step(sum, lanes_tail(a + i, dims - i), lanes_tail(b + i, dims - i), total[1]);
    }
    float sums[4];
    lanes_sum4(total, sums);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static float kernel_dot(const float *a, const float *b, size_t dims)
{
    return pair_sum(SUM_DOT, a, b, dims);
}

static float kernel_l2sq(const float *a, const float *b, size_t dims)
{
    return pair_sum(SUM_L2SQ, a, b, dims);
}

static float kernel_norm2(const float *a, size_t dims)
{
    return pair_sum(SUM_DOT, a, a, dims);
}

/* The register whose lanes sum up to the dot product of a row, and its square beside it. */
static inline lanes row_total_square(const float *query, const float *row, size_t dims,
                                     lanes *square)
{
    lanes even = LANES_ZERO(), odd = LANES_ZERO();
    lanes square_even = LANES_ZERO(), square_odd = LANES_ZERO();
    size_t i = 0;

    for (; i + 2 * LANES <= dims; i += 2 * LANES) {
        lanes x = LANES_LOAD(row + i), y = LANES_LOAD(row + i + LANES);

        even = LANES_FMA(LANES_LOAD(query + i), x, even);
        odd = LANES_FMA(LANES_LOAD(query + i + LANES), y, odd);
        square_even = LANES_FMA(x, x, square_even);
        square_odd = LANES_FMA(y, y, square_odd);
    }
    if (i + LANES <= dims) {
        lanes x = LANES_LOAD(row + i);

        even = LANES_FMA(LANES_LOAD(query + i), x, even);
        square_even = LANES_FMA(x, x, square_even);
        i += LANES;
    }
    if (i < dims) {
        lanes y = lanes_tail(row + i, dims - i);

        odd = LANES_FMA(lanes_tail(query + i, dims - i), y, odd);
        square_odd = LANES_FMA(y, y, square_odd);
    }
    *square = LANES_ADD(square_even, square_odd);
    return LANES_ADD(even, odd);
}

/* One register of four rows, against one of the query. squares is NULL where they are not wanted;
 * known where this is inlined. */
static inline void four_step(enum sum sum, lanes query, const lanes rows[TOGETHER], lanes *total,
                             lanes *squares)
{
    for (size_t j = 0; j < TOGETHER; j++) {
        total[j] = lanes_step(sum, query, rows[j], total[j]);
        if (squares) squares[j] = LANES_FMA(rows[j], rows[j], squares[j]);
    }
}

/* Four rows that lie anywhere. norms2 as squares above. */
static inline void four_sum(enum sum sum, const float *query, const float *const rows[TOGETHER],
                            size_t dims, float *out, float *norms2)
{
    lanes total[TOGETHER] = {LANES_ZERO(), LANES_ZERO(), LANES_ZERO(), LANES_ZERO()};
    lanes squares[TOGETHER] = {LANES_ZERO(), LANES_ZERO(), LANES_ZERO(), LANES_ZERO()};
    lanes x[TOGETHER];
    size_t i = 0;

    for (; i + LANES <= dims; i += LANES) {
        for (size_t j = 0; j < TOGETHER; j++) x[j] = LANES_LOAD(rows[j] + i);
        four_step(sum, LANES_LOAD(query + i), x, total, norms2 ? squares : NULL);
    }
    if (i < dims) {
        for (size_t j = 0; j < TOGETHER; j++) x[j] = lanes_tail(rows[j] + i, dims - i);
        four_step(sum, lanes_tail(query + i, dims - i), x, total, norms2 ? squares : NULL);
    }
    lanes_sum4(total, out);
    if (norms2) lanes_sum4(squares, norms2);
}

/* Four rows of a slab from `row` on. */
static inline void rows_sum4(enum sum sum, const float *query, const struct mn_kernel_rows *rows,
                             const float *row, float *out, float *norms2)
{
    const float *four[TOGETHER] = {row, row + rows->stride, row + 2 * rows->stride,
                                   row + 3 * rows->stride};

    four_sum(sum, query, four, rows->dims, out, norms2);
}

static void kernel_dot_rows(const float *query, const struct mn_kernel_rows *rows, float *out)
{
    size_t i = 0, share = ahead_share(&rows->ahead, rows->count / TOGETHER);

    for (; i + TOGETHER <= rows->count; i += TOGETHER) {
        ahead_ask(&rows->ahead, i / TOGETHER * share, share);
        rows_sum4(SUM_DOT, query, rows, rows->base + i * rows->stride, out + i, NULL);
    }
    for (; i < rows->count; i++) {
        out[i] = pair_sum(SUM_DOT, query, rows->base + i * rows->stride, rows->dims);
    }
}

static void kernel_l2sq_rows(const float *query, const struct mn_kernel_rows *rows, float *out)
{
    size_t i = 0, share = ahead_share(&rows->ahead, rows->count / TOGETHER);

    for (; i + TOGETHER <= rows->count; i += TOGETHER) {
        ahead_ask(&rows->ahead, i / TOGETHER * share, share);
        rows_sum4(SUM_L2SQ, query, rows, rows->base + i * rows->stride, out + i, NULL);
    }
    for (; i < rows->count; i++) {
        out[i] = pair_sum(SUM_L2SQ, query, rows->base + i * rows->stride, rows->dims);
    }
}

static void kernel_cosine_rows(const float *query, const struct mn_kernel_rows *rows, float *dots,
                               float *norms2)
{
    size_t i = 0, share = ahead_share(&rows->ahead, rows->count / TOGETHER);

    for (; i + TOGETHER <= rows->count; i += TOGETHER) {
        ahead_ask(&rows->ahead, i / TOGETHER * share, share);
        rows_sum4(SUM_DOT, query, rows, rows->base + i * rows->stride, dots + i, norms2 + i);
    }
    for (; i < rows->count; i++) {
        const float *row = rows->base + i * rows->stride;

        lanes square, total = row_total_square(query, row, rows->dims, &square);

        dots[i] = lanes_sum(total);
        norms2[i] = lanes_sum(square);
    }
}

static void kernel_l2sq_some(const float *query, const struct mn_kernel_some *some, float *out)
{
    size_t i = 0;

    for (; i + TOGETHER <= some->count; i += TOGETHER) {
        four_sum(SUM_L2SQ, query, some->rows + i, some->dims, out + i, NULL);
    }
    for (; i < some->count; i++) out[i] = pair_sum(SUM_L2SQ, query, some->rows[i], some->dims);
}

static void kernel_cosine_some(const float *query, const struct mn_kernel_some *some, float *dots,
                               float *norms2)
{
    size_t i = 0;

    for (; i + TOGETHER <= some->count; i += TOGETHER) {
        four_sum(SUM_DOT, query, some->rows + i, some->dims, dots + i, norms2 + i);
    }
    for (; i < some->count; i++) {
        lanes square, total = row_total_square(query, some->rows[i], some->dims, &square);

        dots[i] = lanes_sum(total);
        norms2[i] = lanes_sum(square);
    }
}

/*
 * One half by integers. A normal half is shifted into place and its exponent re-biased; a denormal
 * is counted in units of 2^-24, which f32 holds exactly.
 */
static inline float half_widen(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, bits = half & 0x7fffu;
    float value;

    if (bits >= 0x7c00u) {
        bits = 0x7f800000u | (bits & 0x3ffu) << 13; /* infinity or NaN */
        if (bits != 0x7f800000u) bits |= 0x400000u; /* a quiet NaN, as the machine makes it */
    } else if (bits >= 0x400u) {
        bits = (bits << 13) + ((127u - 15u) << 23);
    } else {
        value = (float)bits * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void kernel_from_half(const uint16_t *halves, size_t count, float *out)
{
    size_t i = 0;

#if defined(SIMDE_X86_F16C_NATIVE)
    for (; i + 8 <= count; i += 8) {
        simde__m128i eight = simde_mm_loadu_si128((const simde__m128i *)(const void *)(halves + i));
        simde_mm256_storeu_ps(out + i, simde_mm256_cvtph_ps(eight));
    }
#endif
    for (; i < count; i++) out[i] = half_widen(halves[i]);
}

#include "index/vector/kernel_byte.h"
#include "index/vector/kernel_exact.h"

#define TEXT_OF(word) #word
#define TEXT(word) TEXT_OF(word)
#define JOIN_OF(left, right) left##right
#define JOIN(left, right) JOIN_OF(left, right)

extern const struct mn_kernels JOIN(mn_kernels_, MN_KERNEL_LEVEL);

const struct mn_kernels JOIN(mn_kernels_, MN_KERNEL_LEVEL) = {
    .name = TEXT(MN_KERNEL_LEVEL),
    .dot = kernel_dot,
    .l2sq = kernel_l2sq,
    .norm2 = kernel_norm2,
    .dot_rows = kernel_dot_rows,
    .l2sq_rows = kernel_l2sq_rows,
    .cosine_rows = kernel_cosine_rows,
    .l2sq_some = kernel_l2sq_some,
    .cosine_some = kernel_cosine_some,
    .code_scan = kernel_code_scan,
    .byte_scan = kernel_byte_scan,
    .byte_make = kernel_byte_make,
    .exact_dot = kernel_exact_dot,
    .exact_l2sq = kernel_exact_l2sq,
    .exact_cosine = kernel_exact_cosine,
    .exact_scale = kernel_exact_scale,
    .exact_bytes = kernel_exact_bytes,
    .from_half = kernel_from_half,
};
