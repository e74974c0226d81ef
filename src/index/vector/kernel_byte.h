/*
 * kernel_byte: rows as seven bits an element, a part of kernel_impl.c and of nothing else.
 *
 *   a step of a group, 2 x 64 bytes:   row 0      row 1              row 15
 *                                     +----------+----------+-- ... +----------+
 *                dimensions 8 s + 0:  | 4 bytes  | 4 bytes  |       | 4 bytes  |
 *                dimensions 8 s + 4:  | 4 bytes  | 4 bytes  |       | 4 bytes  |
 *                                     +----------+----------+-- ... +----------+
 *
 * Behind the levels stands what stands there in kernel_code.h, whose words are used here. Seven
 * bits, so that two products with a byte of the query fit 16 bits.
 */
#ifndef MN_INDEX_VECTOR_KERNEL_BYTE_H
#define MN_INDEX_VECTOR_KERNEL_BYTE_H

#include "index/vector/kernel_code.h"

#if defined(SIMDE_X86_AVX512F_NATIVE)

static inline void byte_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[1])
{
    enum { CHAINS = 4 };
    simde__m512i chain[CHAINS];
    size_t fours = 2 * query->steps, s = 0;

    for (size_t c = 0; c < CHAINS; c++) chain[c] = simde_mm512_setzero_si512();
    for (; s + CHAINS <= fours; s += CHAINS) {
        for (size_t c = 0; c < CHAINS; c++) {
            chain[c] = _mm512_dpbusd_epi32(
                chain[c], simde_mm512_loadu_si512(group + (s + c) * MN_CODE_STEP_BYTES),
                simde_mm512_set1_epi32(code_query4(query, s + c)));
        }
    }
    for (size_t c = 0; s < fours && c < 2; c++) { /* fours are even */
        chain[c] = _mm512_dpbusd_epi32(
            chain[c], simde_mm512_loadu_si512(group + (s + c) * MN_CODE_STEP_BYTES),
            simde_mm512_set1_epi32(code_query4(query, s + c)));
    }
    sums[0] = simde_mm512_add_epi32(simde_mm512_add_epi32(chain[0], chain[1]),
                                    simde_mm512_add_epi32(chain[2], chain[3]));
}

#elif defined(SIMDE_X86_AVX2_NATIVE)

static inline void byte_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[2])
{
    const simde__m256i ones = simde_mm256_set1_epi16(1);

    sums[0] = sums[1] = simde_mm256_setzero_si256();
    for (size_t s = 0; s < 2 * query->steps; s++) {
        simde__m256i q = simde_mm256_set1_epi32(code_query4(query, s));

        for (size_t h = 0; h < 2; h++) {
            const void *at = group + s * MN_CODE_STEP_BYTES + h * 32;
            simde__m256i c = simde_mm256_loadu_si256((const simde__m256i *)at);

            c = simde_mm256_madd_epi16(simde_mm256_maddubs_epi16(c, q), ones);
            sums[h] = simde_mm256_add_epi32(sums[h], c);
        }
    }
}

#elif defined(__ARM_FEATURE_DOTPROD)

static inline void byte_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[4])
{
    int32x4_t total[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};

    for (size_t s = 0; s < 2 * query->steps; s++) {
        int8x16_t q = vreinterpretq_s8_s32(vdupq_n_s32(code_query4(query, s)));

        for (size_t h = 0; h < 4; h++) {
            uint8x16_t c = vld1q_u8(group + s * MN_CODE_STEP_BYTES + h * 16);

            total[h] = vdotq_s32(total[h], vreinterpretq_s8_u8(c), q);
        }
    }
    for (size_t h = 0; h < 4; h++) memcpy(&sums[h], &total[h], sizeof sums[h]);
}

#else

/* The bytes are taken apart into words of 16 bits; `spaced` has the query's in that order. */
static inline void byte_sum(const struct mn_code_query *query, const uint8_t *group,
                            code_sums sums[4])
{
    const simde__m128i low = simde_mm_set1_epi16(0xff);

    for (size_t h = 0; h < 4; h++) sums[h] = simde_mm_setzero_si128();
    for (size_t s = 0; s < 2 * query->steps; s++) {
        int32_t even, odd;

        memcpy(&even, query->spaced + 4 * s, sizeof even);
        memcpy(&odd, query->spaced + 4 * s + 2, sizeof odd);
        for (size_t h = 0; h < 4; h++) {
            const void *at = group + s * MN_CODE_STEP_BYTES + h * 16;
            simde__m128i c = simde_mm_loadu_si128((const simde__m128i *)at);
            simde__m128i e =
                simde_mm_madd_epi16(simde_mm_and_si128(c, low), simde_mm_set1_epi32(even));
            simde__m128i o =
                simde_mm_madd_epi16(simde_mm_srli_epi16(c, 8), simde_mm_set1_epi32(odd));

            sums[h] = simde_mm_add_epi32(sums[h], simde_mm_add_epi32(e, o));
        }
    }
}

#endif

static void kernel_byte_scan(const struct mn_code_query *query, const struct mn_code_groups *groups,
                             float least, float *estimates, uint16_t *hits)
{
    const uint8_t *group = groups->base;

    for (size_t g = 0; g < groups->count; g++, group += groups->stride) {
        code_sums sums[CODE_PARTS];
        unsigned over = 0;

        byte_sum(query, group, sums);
        for (size_t part = 0; part < CODE_PARTS; part++) {
            const uint8_t *behind = group + 2 * query->steps * MN_CODE_STEP_BYTES;
            CODE_F e = code_estimate(query, sums[part], behind, part);

            CODE_STORE(estimates + g * MN_CODE_GROUP + part * CODE_LANES, e);
            over |= code_hits(e, CODE_SET(least)) << part * CODE_LANES;
        }
        hits[g] = (uint16_t)over;
    }
}

/* ---- making them ---- */

/* Elements scaled to 0.5 .. 127.5 become levels, four bytes to a step from `at` on, up to `count`
 * of them; returned as numbers. */
#if defined(SIMDE_X86_AVX512F_NATIVE)

#define LANES_ABS simde_mm512_abs_ps
#define LANES_MAX simde_mm512_max_ps
#define LANES_SET simde_mm512_set1_ps
#define LANES_STORE simde_mm512_storeu_ps

static inline lanes byte_levels(lanes scaled, uint8_t *at, size_t count)
{
    simde__m512i level = _mm512_cvttps_epi32(scaled);
    uint32_t words[LANES / 4];

    simde_mm_storeu_si128((simde__m128i *)(void *)words, _mm512_cvtepi32_epi8(level));
    for (size_t j = 0; j < LANES / 4; j++) {
        if (4 * j < count) memcpy(at + j * MN_CODE_STEP_BYTES, words + j, sizeof words[0]);
    }
    return _mm512_cvtepi32_ps(level);
}

#elif defined(SIMDE_X86_AVX2_NATIVE)

#define LANES_ABS(v) simde_mm256_andnot_ps(simde_mm256_set1_ps(-0.0f), v)
#define LANES_MAX simde_mm256_max_ps
#define LANES_SET simde_mm256_set1_ps
#define LANES_STORE simde_mm256_storeu_ps

static inline lanes byte_levels(lanes scaled, uint8_t *at, size_t count)
{
    simde__m256i level = simde_mm256_cvttps_epi32(scaled);
    simde__m128i pairs = simde_mm_packs_epi32(simde_mm256_castsi256_si128(level),
                                              simde_mm256_extracti128_si256(level, 1));
    uint32_t words[4];

    simde_mm_storeu_si128((simde__m128i *)(void *)words, simde_mm_packus_epi16(pairs, pairs));
    memcpy(at, words, sizeof words[0]);
    if (count > 4) memcpy(at + MN_CODE_STEP_BYTES, words + 1, sizeof words[0]);
    return simde_mm256_cvtepi32_ps(level);
}

#else

#define LANES_ABS(v) simde_mm_andnot_ps(simde_mm_set1_ps(-0.0f), v)
#define LANES_MAX simde_mm_max_ps
#define LANES_SET simde_mm_set1_ps
#define LANES_STORE simde_mm_storeu_ps

static inline lanes byte_levels(lanes scaled, uint8_t *at, size_t count)
{
    simde__m128i level = simde_mm_cvttps_epi32(scaled);
    simde__m128i pairs = simde_mm_packs_epi32(level, level);
    int32_t word = simde_mm_cvtsi128_si32(simde_mm_packus_epi16(pairs, pairs));

    (void)count;
    memcpy(at, &word, sizeof word);
    return simde_mm_cvtepi32_ps(level);
}

#endif

static inline void byte_measure(const float *row, size_t dims, float *most, float *norm2)
{
    lanes high = LANES_ZERO(), square = high;
    float each[LANES];
    size_t i = 0;

    for (; i + LANES <= dims; i += LANES) {
        lanes x = LANES_LOAD(row + i);

        high = LANES_MAX(high, LANES_ABS(x));
        square = LANES_FMA(x, x, square);
    }
    if (i < dims) {
        lanes x = lanes_tail(row + i, dims - i);

        high = LANES_MAX(high, LANES_ABS(x));
        square = LANES_FMA(x, x, square);
    }
    LANES_STORE(each, high);
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++) {
            each[j] = each[j] > each[j + half] ? each[j] : each[j + half];
        }
    }
    *most = each[0];
    *norm2 = lanes_sum(square);
}

/* What is left of some elements, whose levels are stored. */
static inline lanes byte_rest(lanes x, float most, uint8_t *at, size_t count)
{
    lanes scaled = LANES_FMA(x, LANES_SET(63.5f / most), LANES_SET(64.0f));
    lanes level = byte_levels(scaled, at, count);
    lanes odd = LANES_FMA(level, LANES_SET(2.0f), LANES_SET(-127.0f));

    return LANES_FMA(odd, LANES_SET(-(most / 127)), x);
}

/* Stores a row's levels; the square of what is left. */
static inline float byte_row(const float *row, size_t dims, float most, uint8_t *at)
{
    lanes rest2 = LANES_ZERO();
    size_t i = 0;

    for (; i + LANES <= dims; i += LANES) {
        lanes rest = byte_rest(LANES_LOAD(row + i), most, at + i / 4 * MN_CODE_STEP_BYTES, LANES);

        rest2 = LANES_FMA(rest, rest, rest2);
    }
    if (i < dims) {
        lanes x = lanes_tail(row + i, dims - i);
        float some[LANES];

        LANES_STORE(some, byte_rest(x, most, at + i / 4 * MN_CODE_STEP_BYTES, dims - i));
        x = lanes_tail(some, dims - i);
        rest2 = LANES_FMA(x, x, rest2);
    }
    return lanes_sum(rest2);
}

/* All rows are measured before the first is made: what one of them waits for is the sum of its
 * lanes, and so another can go on meanwhile. */
static void kernel_byte_make(const float *const rows[MN_CODE_GROUP], size_t dims, uint8_t *group,
                             struct mn_byte_facts facts[MN_CODE_GROUP])
{
    float most[MN_CODE_GROUP];

    for (size_t i = 0; i < MN_CODE_GROUP; i++) {
        facts[i] = (struct mn_byte_facts){.norm2 = -1};
        if (rows[i]) byte_measure(rows[i], dims, &most[i], &facts[i].norm2);
    }
    for (size_t i = 0; i < MN_CODE_GROUP; i++) {
        float norm2 = facts[i].norm2;

        if (!(norm2 >= MN_BYTE_NORM2_LEAST && norm2 <= MN_BYTE_NORM2_MOST)) continue;
        facts[i].scale = most[i] / 127;
        facts[i].rest2 = byte_row(rows[i], dims, most[i], group + i * sizeof(uint32_t));
    }
}

#endif
