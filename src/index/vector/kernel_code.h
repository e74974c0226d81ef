/*
 * kernel_code: the scan over codes, a part of kernel_impl.c and of nothing else.
 *
 *   a step of a group, 64 bytes:   row 0      row 1              row 15
 *                                 +----------+----------+-- ... +----------+
 *                                 | 4 bytes  | 4 bytes  |       | 4 bytes  |
 *                                 +----------+----------+-- ... +----------+
 *   byte j of a row: low nibble dimension 8 s + j, high nibble dimension 8 s + 4 + j
 *
 * So one 32-bit lane of a register belongs to one row, the query's four bytes go to all lanes, and
 * sums need no folding at the end.
 */
#ifndef MN_INDEX_VECTOR_KERNEL_CODE_H
#define MN_INDEX_VECTOR_KERNEL_CODE_H

#include "index/vector/kernel.h"

#pragma STDC FP_CONTRACT OFF

static inline int32_t code_query4(const struct mn_code_query *query, size_t four)
{
    int32_t bytes;

    memcpy(&bytes, query->bytes + 4 * four, sizeof bytes);
    return bytes;
}

#if defined(SIMDE_X86_AVX512F_NATIVE)

enum { CODE_LANES = 16 };
typedef simde__m512i code_sums;

/* The high nibble is left where it is: its sum is 16 times too great, and exact. */
static inline void code_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[1])
{
    const simde__m512i low = simde_mm512_set1_epi8(0x0f);
    simde__m512i even = simde_mm512_setzero_si512(), odd = even, even2 = even, odd2 = even;
    size_t s = 0;

    for (; s + 2 <= query->steps; s += 2) {
        simde__m512i a = simde_mm512_loadu_si512(group + s * MN_CODE_STEP_BYTES);
        simde__m512i b = simde_mm512_loadu_si512(group + (s + 1) * MN_CODE_STEP_BYTES);

        even = _mm512_dpbusd_epi32(even, simde_mm512_and_si512(a, low),
                                   simde_mm512_set1_epi32(code_query4(query, 2 * s)));
        odd = _mm512_dpbusd_epi32(odd, simde_mm512_andnot_si512(low, a),
                                  simde_mm512_set1_epi32(code_query4(query, 2 * s + 1)));
        even2 = _mm512_dpbusd_epi32(even2, simde_mm512_and_si512(b, low),
                                    simde_mm512_set1_epi32(code_query4(query, 2 * s + 2)));
        odd2 = _mm512_dpbusd_epi32(odd2, simde_mm512_andnot_si512(low, b),
                                   simde_mm512_set1_epi32(code_query4(query, 2 * s + 3)));
    }
    if (s < query->steps) {
        simde__m512i a = simde_mm512_loadu_si512(group + s * MN_CODE_STEP_BYTES);

        even = _mm512_dpbusd_epi32(even, simde_mm512_and_si512(a, low),
                                   simde_mm512_set1_epi32(code_query4(query, 2 * s)));
        odd = _mm512_dpbusd_epi32(odd, simde_mm512_andnot_si512(low, a),
                                  simde_mm512_set1_epi32(code_query4(query, 2 * s + 1)));
    }
    even = simde_mm512_add_epi32(even, even2);
    odd = _mm512_srai_epi32(simde_mm512_add_epi32(odd, odd2), 4);
    sums[0] = simde_mm512_add_epi32(even, odd);
}

#define CODE_F simde__m512
#define CODE_SUB_I simde_mm512_sub_epi32
#define CODE_SET_I simde_mm512_set1_epi32
#define CODE_TWICE(v) simde_mm512_slli_epi32(v, 1)
#define CODE_TO_F _mm512_cvtepi32_ps
#define CODE_MUL simde_mm512_mul_ps
#define CODE_ADD simde_mm512_add_ps
#define CODE_SET simde_mm512_set1_ps
#define CODE_LOAD simde_mm512_loadu_ps
#define CODE_STORE simde_mm512_storeu_ps
#define CODE_SQRT simde_mm512_sqrt_ps

static inline CODE_F code_error(const uint8_t *at)
{
    simde__m256i halves = simde_mm256_loadu_si256((const simde__m256i *)(const void *)at);

    return simde_mm512_castsi512_ps(simde_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

static inline unsigned code_hits(CODE_F estimate, CODE_F least)
{
    return _mm512_cmp_ps_mask(estimate, least, SIMDE_CMP_NLE_UQ);
}

#elif defined(SIMDE_X86_AVX2_NATIVE)

enum { CODE_LANES = 8 };
typedef simde__m256i code_sums;

/* Products of bytes are added in pairs of 16 bits: 7,620 at most a step, so four steps fit. */
static inline void code_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[2])
{
    enum { STEPS = 4 };
    const simde__m256i low = simde_mm256_set1_epi8(0x0f), ones = simde_mm256_set1_epi16(1);

    sums[0] = sums[1] = simde_mm256_setzero_si256();
    for (size_t first = 0; first < query->steps; first += STEPS) {
        size_t end = first + STEPS < query->steps ? first + STEPS : query->steps;
        simde__m256i part[2] = {simde_mm256_setzero_si256(), simde_mm256_setzero_si256()};

        for (size_t s = first; s < end; s++) {
            simde__m256i q0 = simde_mm256_set1_epi32(code_query4(query, 2 * s));
            simde__m256i q1 = simde_mm256_set1_epi32(code_query4(query, 2 * s + 1));

            for (size_t h = 0; h < 2; h++) {
                const void *at = group + s * MN_CODE_STEP_BYTES + h * 32;
                simde__m256i c = simde_mm256_loadu_si256((const simde__m256i *)at);
                simde__m256i l = simde_mm256_and_si256(c, low);
                simde__m256i u = simde_mm256_and_si256(simde_mm256_srli_epi16(c, 4), low);

                l = simde_mm256_maddubs_epi16(l, q0);
                u = simde_mm256_maddubs_epi16(u, q1);
                part[h] = simde_mm256_add_epi16(part[h], simde_mm256_add_epi16(l, u));
            }
        }
        for (size_t h = 0; h < 2; h++) {
            sums[h] = simde_mm256_add_epi32(sums[h], simde_mm256_madd_epi16(part[h], ones));
        }
    }
}

#define CODE_F simde__m256
#define CODE_SUB_I simde_mm256_sub_epi32
#define CODE_SET_I simde_mm256_set1_epi32
#define CODE_TWICE(v) simde_mm256_slli_epi32(v, 1)
#define CODE_TO_F simde_mm256_cvtepi32_ps
#define CODE_MUL simde_mm256_mul_ps
#define CODE_ADD simde_mm256_add_ps
#define CODE_SET simde_mm256_set1_ps
#define CODE_LOAD simde_mm256_loadu_ps
#define CODE_STORE simde_mm256_storeu_ps
#define CODE_SQRT simde_mm256_sqrt_ps

static inline CODE_F code_error(const uint8_t *at)
{
    simde__m128i halves = simde_mm_loadu_si128((const simde__m128i *)(const void *)at);

    return simde_mm256_castsi256_ps(simde_mm256_slli_epi32(simde_mm256_cvtepu16_epi32(halves), 16));
}

static inline unsigned code_hits(CODE_F estimate, CODE_F least)
{
    return (unsigned)simde_mm256_movemask_ps(simde_mm256_cmp_ps(estimate, least, SIMDE_CMP_NLE_UQ));
}

#else

enum { CODE_LANES = 4 };
typedef simde__m128i code_sums;

#if defined(__ARM_FEATURE_DOTPROD)

static inline void code_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[4])
{
    const uint8x16_t low = vdupq_n_u8(0x0f);
    int32x4_t total[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};

    for (size_t s = 0; s < query->steps; s++) {
        int8x16_t q0 = vreinterpretq_s8_s32(vdupq_n_s32(code_query4(query, 2 * s)));
        int8x16_t q1 = vreinterpretq_s8_s32(vdupq_n_s32(code_query4(query, 2 * s + 1)));

        for (size_t h = 0; h < 4; h++) {
            uint8x16_t c = vld1q_u8(group + s * MN_CODE_STEP_BYTES + h * 16);

            total[h] = vdotq_s32(total[h], vreinterpretq_s8_u8(vandq_u8(c, low)), q0);
            total[h] = vdotq_s32(total[h], vreinterpretq_s8_u8(vshrq_n_u8(c, 4)), q1);
        }
    }
    for (size_t h = 0; h < 4; h++) memcpy(&sums[h], &total[h], sizeof sums[h]);
}

#else

/* No products of bytes here: the nibbles are taken apart into words of 16 bits. */
static inline void code_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[4])
{
    const simde__m128i low = simde_mm_set1_epi16(0x0f);

    for (size_t h = 0; h < 4; h++) sums[h] = simde_mm_setzero_si128();
    for (size_t s = 0; s < query->steps; s++) {
        simde__m128i q[4];

        for (size_t j = 0; j < 4; j++) {
            int32_t pair;

            memcpy(&pair, query->spaced + 8 * s + 2 * j, sizeof pair);
            q[j] = simde_mm_set1_epi32(pair);
        }
        for (size_t h = 0; h < 4; h++) {
            const void *at = group + s * MN_CODE_STEP_BYTES + h * 16;
            simde__m128i c = simde_mm_loadu_si128((const simde__m128i *)at);
            simde__m128i n0 = simde_mm_and_si128(c, low);
            simde__m128i n1 = simde_mm_and_si128(simde_mm_srli_epi16(c, 8), low);
            simde__m128i n2 = simde_mm_and_si128(simde_mm_srli_epi16(c, 4), low);
            simde__m128i n3 = simde_mm_srli_epi16(c, 12);

            n0 = simde_mm_add_epi32(simde_mm_madd_epi16(n0, q[0]), simde_mm_madd_epi16(n1, q[1]));
            n2 = simde_mm_add_epi32(simde_mm_madd_epi16(n2, q[2]), simde_mm_madd_epi16(n3, q[3]));
            sums[h] = simde_mm_add_epi32(sums[h], simde_mm_add_epi32(n0, n2));
        }
    }
}

#endif

#define CODE_F simde__m128
#define CODE_SUB_I simde_mm_sub_epi32
#define CODE_SET_I simde_mm_set1_epi32
#define CODE_TWICE(v) simde_mm_slli_epi32(v, 1)
#define CODE_TO_F simde_mm_cvtepi32_ps
#define CODE_MUL simde_mm_mul_ps
#define CODE_ADD simde_mm_add_ps
#define CODE_SET simde_mm_set1_ps
#define CODE_LOAD simde_mm_loadu_ps
#define CODE_STORE simde_mm_storeu_ps
#define CODE_SQRT simde_mm_sqrt_ps

static inline CODE_F code_error(const uint8_t *at)
{
    simde__m128i halves = simde_mm_loadl_epi64((const simde__m128i *)(const void *)at);

    return simde_mm_castsi128_ps(simde_mm_unpacklo_epi16(simde_mm_setzero_si128(), halves));
}

/* SIMDe's cmpnle says no to NaN. */
static inline unsigned code_hits(CODE_F estimate, CODE_F least)
{
    return (unsigned)simde_mm_movemask_ps(simde_mm_cmple_ps(estimate, least)) ^ 0xfu;
}

#endif

enum { CODE_PARTS = MN_CODE_GROUP / CODE_LANES };

static inline const float *code_floats(const uint8_t *at)
{
    return (const float *)(const void *)at;
}

static inline CODE_F code_estimate(const struct mn_code_query *query, code_sums sum,
                                   const uint8_t *behind, size_t part)
{
    CODE_F d = CODE_TO_F(CODE_SUB_I(CODE_TWICE(sum), CODE_SET_I(query->bias)));
    const float *scales = code_floats(behind), *squares = scales + MN_CODE_GROUP;
    CODE_F e = CODE_MUL(CODE_MUL(d, CODE_SET(query->scale)), CODE_LOAD(scales + part * CODE_LANES));

    behind += (query->squares ? 2 : 1) * MN_CODE_GROUP * sizeof(float);
    if (query->squares) {
        CODE_F half = CODE_LOAD(squares + part * CODE_LANES);

        e = CODE_ADD(e, CODE_MUL(CODE_SET(query->square), half));
        if (query->spread > 0) {
            e = CODE_ADD(e, CODE_MUL(CODE_SET(query->spread), CODE_SQRT(CODE_ADD(half, half))));
        }
    }
    return CODE_ADD(e, CODE_MUL(CODE_SET(query->error),
                                code_error(behind + part * CODE_LANES * sizeof(uint16_t))));
}

static void kernel_code_scan(const struct mn_code_query *query, const struct mn_code_groups *groups,
                             float least, float *estimates, uint16_t *hits)
{
    const uint8_t *group = groups->base;
    size_t share = ahead_share(&groups->ahead, groups->count);

    for (size_t g = 0; g < groups->count; g++, group += groups->stride) {
        code_sums sums[CODE_PARTS];
        unsigned over = 0;

        ahead_ask(&groups->ahead, g * share, share);
        code_sum(query, group, sums);
        for (size_t part = 0; part < CODE_PARTS; part++) {
            const uint8_t *behind = group + query->steps * MN_CODE_STEP_BYTES;
            CODE_F e = code_estimate(query, sums[part], behind, part);

            CODE_STORE(estimates + g * MN_CODE_GROUP + part * CODE_LANES, e);
            over |= code_hits(e, CODE_SET(least)) << part * CODE_LANES;
        }
        hits[g] = (uint16_t)over;
    }
}

#endif
