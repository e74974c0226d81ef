/*
 * kernel_exact: sums in double whose last bits are the same on every level, a part of kernel_impl.c
 * and of nothing else.
 *
 * Eight chains of additions, folded by halves: a level may keep the chains in fewer or more
 * registers, but adds in no other order. Nothing is fused, and nothing need be: products of two f32
 * are exact in double.
 */
#ifndef MN_INDEX_VECTOR_KERNEL_EXACT_H
#define MN_INDEX_VECTOR_KERNEL_EXACT_H

#include "index/vector/kernel.h"

#pragma STDC FP_CONTRACT OFF

enum { EXACT_CHAINS = 8 };

#if defined(SIMDE_X86_AVX512F_NATIVE)

enum { EXACT_LANES = 8 };
typedef simde__m512d exact;
typedef simde__m256i exact_ints;
#define EXACT_ZERO simde_mm512_setzero_pd
#define EXACT_SET simde_mm512_set1_pd
#define EXACT_ADD simde_mm512_add_pd
#define EXACT_SUB simde_mm512_sub_pd
#define EXACT_MUL simde_mm512_mul_pd
#define EXACT_MAX simde_mm512_max_pd
#define EXACT_ABS simde_mm512_abs_pd
#define EXACT_LOAD simde_mm512_loadu_pd
#define EXACT_STORE simde_mm512_storeu_pd
#define EXACT_WIDEN(at) _mm512_cvtps_pd(simde_mm256_loadu_ps(at))
#define EXACT_TO_INTS _mm512_cvttpd_epi32
#define EXACT_FROM_INTS _mm512_cvtepi32_pd
#define EXACT_INTS_STORE(at, v) simde_mm256_storeu_si256((simde__m256i *)(void *)(at), v)

#elif defined(SIMDE_X86_AVX2_NATIVE)

enum { EXACT_LANES = 4 };
typedef simde__m256d exact;
typedef simde__m128i exact_ints;
#define EXACT_ZERO simde_mm256_setzero_pd
#define EXACT_SET simde_mm256_set1_pd
#define EXACT_ADD simde_mm256_add_pd
#define EXACT_SUB simde_mm256_sub_pd
#define EXACT_MUL simde_mm256_mul_pd
#define EXACT_MAX simde_mm256_max_pd
#define EXACT_ABS(v) simde_mm256_andnot_pd(simde_mm256_set1_pd(-0.0), v)
#define EXACT_LOAD simde_mm256_loadu_pd
#define EXACT_STORE simde_mm256_storeu_pd
#define EXACT_WIDEN(at) simde_mm256_cvtps_pd(simde_mm_loadu_ps(at))
#define EXACT_TO_INTS simde_mm256_cvttpd_epi32
#define EXACT_FROM_INTS simde_mm256_cvtepi32_pd
#define EXACT_INTS_STORE(at, v) simde_mm_storeu_si128((simde__m128i *)(void *)(at), v)

#else

enum { EXACT_LANES = 2 };
typedef simde__m128d exact;
typedef simde__m128i exact_ints;
#define EXACT_ZERO simde_mm_setzero_pd
#define EXACT_SET simde_mm_set1_pd
#define EXACT_ADD simde_mm_add_pd
#define EXACT_SUB simde_mm_sub_pd
#define EXACT_MUL simde_mm_mul_pd
#define EXACT_MAX simde_mm_max_pd
#define EXACT_ABS(v) simde_mm_andnot_pd(simde_mm_set1_pd(-0.0), v)
#define EXACT_LOAD simde_mm_loadu_pd
#define EXACT_STORE simde_mm_storeu_pd
#define EXACT_WIDEN(at) \
    simde_mm_cvtps_pd( \
        simde_mm_castsi128_ps(simde_mm_loadl_epi64((const simde__m128i *)(const void *)(at))))
#define EXACT_TO_INTS simde_mm_cvttpd_epi32
#define EXACT_FROM_INTS simde_mm_cvtepi32_pd
#define EXACT_INTS_STORE(at, v) simde_mm_storel_epi64((simde__m128i *)(void *)(at), v)

#endif

enum { EXACT_PARTS = EXACT_CHAINS / EXACT_LANES };

/* The chains, lane by lane. */
struct exact_chains {
    exact part[EXACT_PARTS];
};

static inline void exact_zero(struct exact_chains *chains)
{
    for (size_t p = 0; p < EXACT_PARTS; p++) chains->part[p] = EXACT_ZERO();
}

static inline void exact_store(const struct exact_chains *chains, double chain[EXACT_CHAINS])
{
    for (size_t p = 0; p < EXACT_PARTS; p++) EXACT_STORE(chain + p * EXACT_LANES, chains->part[p]);
}

static inline double exact_fold(const double chain[EXACT_CHAINS])
{
    return ((chain[0] + chain[4]) + (chain[2] + chain[6])) +
           ((chain[1] + chain[5]) + (chain[3] + chain[7]));
}

static double kernel_exact_dot(const float *a, const float *b, size_t dims)
{
    struct exact_chains dot;
    double chain[EXACT_CHAINS];
    size_t i = 0;

    exact_zero(&dot);
    for (; i + EXACT_CHAINS <= dims; i += EXACT_CHAINS) {
        for (size_t p = 0; p < EXACT_PARTS; p++) {
            size_t at = i + p * EXACT_LANES;

            dot.part[p] =
                EXACT_ADD(dot.part[p], EXACT_MUL(EXACT_WIDEN(a + at), EXACT_WIDEN(b + at)));
        }
    }
    exact_store(&dot, chain);
    for (size_t j = 0; i + j < dims; j++) chain[j] += (double)a[i + j] * (double)b[i + j];
    return exact_fold(chain);
}

static double kernel_exact_l2sq(const float *a, const float *b, size_t dims)
{
    struct exact_chains sum;
    double chain[EXACT_CHAINS];
    size_t i = 0;

    exact_zero(&sum);
    for (; i + EXACT_CHAINS <= dims; i += EXACT_CHAINS) {
        for (size_t p = 0; p < EXACT_PARTS; p++) {
            size_t at = i + p * EXACT_LANES;
            exact difference = EXACT_SUB(EXACT_WIDEN(a + at), EXACT_WIDEN(b + at));

            sum.part[p] = EXACT_ADD(sum.part[p], EXACT_MUL(difference, difference));
        }
    }
    exact_store(&sum, chain);
    for (size_t j = 0; i + j < dims; j++) {
        double difference = (double)a[i + j] - (double)b[i + j];
        chain[j] += difference * difference;
    }
    return exact_fold(chain);
}

static void kernel_exact_cosine(const float *a, const float *b, size_t dims, double sums[3])
{
    struct exact_chains dot, aa, bb;
    double chain[3][EXACT_CHAINS];
    size_t i = 0;

    exact_zero(&dot);
    exact_zero(&aa);
    exact_zero(&bb);
    for (; i + EXACT_CHAINS <= dims; i += EXACT_CHAINS) {
        for (size_t p = 0; p < EXACT_PARTS; p++) {
            exact x = EXACT_WIDEN(a + i + p * EXACT_LANES);
            exact y = EXACT_WIDEN(b + i + p * EXACT_LANES);

            dot.part[p] = EXACT_ADD(dot.part[p], EXACT_MUL(x, y));
            aa.part[p] = EXACT_ADD(aa.part[p], EXACT_MUL(x, x));
            bb.part[p] = EXACT_ADD(bb.part[p], EXACT_MUL(y, y));
        }
    }
    exact_store(&dot, chain[0]);
    exact_store(&aa, chain[1]);
    exact_store(&bb, chain[2]);
    for (size_t j = 0; i + j < dims; j++) {
        double x = (double)a[i + j], y = (double)b[i + j];

        chain[0][j] += x * y;
        chain[1][j] += x * x;
        chain[2][j] += y * y;
    }
    for (size_t s = 0; s < 3; s++) sums[s] = exact_fold(chain[s]);
}

/* ---- what code.c asks of a query ---- */

static double kernel_exact_scale(const float *query, size_t dims, double unit, double *scaled)
{
    struct exact_chains most;
    double chain[EXACT_CHAINS], all = 0;
    size_t i = 0;

    exact_zero(&most);
    for (; i + EXACT_CHAINS <= dims; i += EXACT_CHAINS) {
        for (size_t p = 0; p < EXACT_PARTS; p++) {
            size_t at = i + p * EXACT_LANES;
            exact x = EXACT_MUL(EXACT_WIDEN(query + at), EXACT_SET(unit));

            EXACT_STORE(scaled + at, x);
            most.part[p] = EXACT_MAX(most.part[p], EXACT_ABS(x));
        }
    }
    exact_store(&most, chain);
    for (size_t j = 0; i + j < dims; j++) {
        double x = (double)query[i + j] * unit, at = x < 0 ? -x : x;

        scaled[i + j] = x;
        chain[j] = at > chain[j] ? at : chain[j];
    }
    for (size_t j = 0; j < EXACT_CHAINS; j++) all = chain[j] > all ? chain[j] : all;
    return all;
}

static double kernel_exact_bytes(const double *scaled, size_t dims, double step, int8_t *bytes)
{
    struct exact_chains rest;
    double chain[EXACT_CHAINS], inverse = step > 0 ? 1 / step : 0;
    int32_t whole[EXACT_CHAINS];
    size_t i = 0;

    exact_zero(&rest);
    for (; i + EXACT_CHAINS <= dims; i += EXACT_CHAINS) {
        for (size_t p = 0; p < EXACT_PARTS; p++) {
            exact x = EXACT_LOAD(scaled + i + p * EXACT_LANES), left;
            exact_ints ints =
                EXACT_TO_INTS(EXACT_ADD(EXACT_MUL(x, EXACT_SET(inverse)), EXACT_SET(128.5)));
            exact byte = EXACT_SUB(EXACT_FROM_INTS(ints), EXACT_SET(128));

            EXACT_INTS_STORE(whole + p * EXACT_LANES, ints);
            left = EXACT_SUB(x, EXACT_MUL(EXACT_SET(step), byte));
            rest.part[p] = EXACT_ADD(rest.part[p], EXACT_MUL(left, left));
        }
        for (size_t j = 0; j < EXACT_CHAINS; j++) bytes[i + j] = (int8_t)(whole[j] - 128);
    }
    exact_store(&rest, chain);
    for (size_t j = 0; i + j < dims; j++) {
        int32_t byte = (int32_t)(scaled[i + j] * inverse + 128.5) - 128;
        double left = scaled[i + j] - step * byte;

        bytes[i + j] = (int8_t)byte;
        chain[j] += left * left;
    }
    return exact_fold(chain);
}

#endif
