/*
 * kernel: the arithmetic of vectors, in the form this machine does best.
 *
 * One source, kernel_impl.c, is compiled once for each level of the machine (baseline, AVX2,
 * AVX-512, dot product on ARM). The first call chooses the highest level that both the processor
 * and the system support; the environment variable MNEME_KERNEL names a level to pin it in tests.
 *
 * Kernels work in f32 and add in their own order, so their last bits differ between levels. What a
 * user sees comes from those whose name begins with exact, which add in double and in one order.
 */
#ifndef MN_INDEX_VECTOR_KERNEL_H
#define MN_INDEX_VECTOR_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is read next: it is asked for meanwhile, line by line. No bytes: nothing is. */
struct mn_kernel_ahead {
    const void *base;
    size_t bytes;
};

/* Rows of one slab: row i begins at base + i * stride. Nothing need be aligned. */
struct mn_kernel_rows {
    const float *base;
    size_t stride; /* in floats, at least dims */
    size_t count;
    size_t dims;
    struct mn_kernel_ahead ahead;
};

/* Rows that lie anywhere. */
struct mn_kernel_some {
    const float *const *rows;
    size_t count;
    size_t dims;
};

/*
 * Rows as codes, 16 to a group (code.h has the layout), and a query of bytes. The estimate of a row
 *
 *     scale * D * query.scale + query.square * half_square
 *       + query.error * error + query.spread * sqrt(2 half_square)     D = sum of (2 level - 15) q8
 *
 * is made of whole numbers and then of single operations in this order, so that it is the same to
 * the last bit on every level. half_square, and what is made of it, only with `squares`.
 */
struct mn_code_query {
    const int8_t *bytes;   /* 8 a step, zeros behind the last dimension */
    const int16_t *spaced; /* the same, for levels without products of bytes: see code.c */
    size_t steps;          /* of 8 dimensions */
    int32_t bias;          /* 15 times the sum of the bytes */
    bool squares;
    float scale, square, error, spread;
};

struct mn_code_groups {
    const uint8_t *base;
    size_t stride; /* in bytes, from one group to the next */
    size_t count;
    struct mn_kernel_ahead ahead;
};

enum { MN_CODE_GROUP = 16, MN_CODE_STEP_DIMS = 8, MN_CODE_STEP_BYTES = 64 };

/*
 * Rows as bytes, for sketch.h: in place of x stands scale * (2 level - 127), level 0 .. 127. A row
 * whose square is not between these limits gets no levels, scale and rest are 0. Squares are
 * estimates, as wrong as those of search.c.
 */
#define MN_BYTE_NORM2_LEAST 1e-20f
#define MN_BYTE_NORM2_MOST 1e30f
struct mn_byte_facts {
    float norm2, scale, rest2; /* rest2: the square of what the levels leave */
};

/* Every function is defined for any size, 0 included, and reads nothing beyond it. */
struct mn_kernels {
    const char *name;

    float (*dot)(const float *a, const float *b, size_t dims);  /* sum of a[i] * b[i] */
    float (*l2sq)(const float *a, const float *b, size_t dims); /* sum of (a[i] - b[i])^2 */
    float (*norm2)(const float *a, size_t dims);                /* sum of a[i]^2 */

    /* One query against rows->count rows. The last form also gives each row's norm2: what cosine
     * needs, in one pass over memory. */
    void (*dot_rows)(const float *query, const struct mn_kernel_rows *rows, float *out);
    void (*l2sq_rows)(const float *query, const struct mn_kernel_rows *rows, float *out);
    void (*cosine_rows)(const float *query, const struct mn_kernel_rows *rows, float *dots,
                        float *norms2);

    /* The same for rows that lie anywhere; who calls has asked for their memory. */
    void (*l2sq_some)(const float *query, const struct mn_kernel_some *some, float *out);
    void (*cosine_some)(const float *query, const struct mn_kernel_some *some, float *dots,
                        float *norms2);

    /* The estimates of all rows, and of each group which are not at or below `least`, a bit a row:
     * NaN is a hit. */
    void (*code_scan)(const struct mn_code_query *query, const struct mn_code_groups *groups,
                      float least, float *estimates, uint16_t *hits);

    /* The same of rows as bytes: two steps of 64 bytes, four dimensions each, where codes have one;
     * 127 where codes have 15. */
    void (*byte_scan)(const struct mn_code_query *query, const struct mn_code_groups *groups,
                      float least, float *estimates, uint16_t *hits);
    /* Makes the bytes of a group; NULL among the rows: norm2 -1, and nothing is written. */
    void (*byte_make)(const float *const rows[MN_CODE_GROUP], size_t dims, uint8_t *group,
                      struct mn_byte_facts facts[MN_CODE_GROUP]);

    /* Sums in double, the same to the last bit on every level: a.b; (a - b)^2; a.b, a.a and b.b. */
    double (*exact_dot)(const float *a, const float *b, size_t dims);
    double (*exact_l2sq)(const float *a, const float *b, size_t dims);
    void (*exact_cosine)(const float *a, const float *b, size_t dims, double sums[3]);
    /* A query times `unit`, and its greatest element; then its bytes, of this step, and the square
     * of what they leave of it. */
    double (*exact_scale)(const float *query, size_t dims, double unit, double *scaled);
    double (*exact_bytes)(const double *scaled, size_t dims, double step, int8_t *bytes);

    /* IEEE half floats to f32; denormals, infinities and NaN are kept. For .npy files. */
    void (*from_half)(const uint16_t *halves, size_t count, float *out);
};

/* The chosen level; the same for the whole process, never NULL, safe from any thread. */
const struct mn_kernels *mn_kernels(void);

/* A level by its name ("baseline", "avx2", "avx512", "dotprod"), NULL where this machine or this
 * build has it not. "baseline" is always there. */
const struct mn_kernels *mn_kernels_named(const char *name);

#endif
