/*
 * code: a vector in four bits a dimension, and how far the code can lie.
 *
 *   x  ->  levels l_i = 0 .. 15,  L_i = 2 l_i - 15,  x' = scale * L  in place of x
 *
 *   (C1) |x - x'| <= error, as stored: so |<x, q> - <x', q>| <= error * |q| for every q.
 *   (C2) a code depends on its vector and metric alone, to the last bit, on every machine: it is
 *        made of whole numbers and of sums in one order. So a check can make it again.
 *
 * Under cosine x is the vector at length 1. A vector whose square f32 cannot hold well is *wild*:
 * its error is infinite, and a search scores it from the vector itself.
 *
 * docs/VECTORS.md has the proof of the bound; tests/test_vector_code.c plants a looser one.
 */
#ifndef MN_INDEX_VECTOR_CODE_H
#define MN_INDEX_VECTOR_CODE_H

#include <string.h>

#include "index/vector/distance.h"
#include "index/vector/kernel.h"

/* How the codes of one index look. */
struct mn_code_form {
    enum mn_metric metric;
    uint32_t dims, steps;
    bool squares; /* half_square is stored: L2 and dot */
};

struct mn_code_form mn_code_form(enum mn_metric metric, uint32_t dims);

enum { MN_CODE_ROW_STEP = 4 }; /* bytes a step of one row */

static inline size_t mn_code_bytes(const struct mn_code_form *form)
{
    return (size_t)form->steps * MN_CODE_ROW_STEP;
}

/* What stands beside the levels of a row. */
struct mn_code_facts {
    float scale, half_square; /* half_square: |x|^2 / 2, 0 without squares */
    uint16_t error;           /* the upper half of an f32, rounded up */
};

static inline float mn_code_error_value(uint16_t error)
{
    uint32_t bits = (uint32_t)error << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The code of a finite vector: mn_code_bytes bytes. */
void mn_code_make(const struct mn_code_form *form, const float *vector, uint8_t *code,
                  struct mn_code_facts *facts);

/*
 * A query for codes. Scores grow as distances fall:
 *
 *     cosine  the cosine      dot  <x, q> / |q|      l2  <x, q> - |x|^2 / 2
 */
struct mn_code_ask {
    struct mn_code_form form;
    struct mn_code_query scan; /* error and spread 0: estimates of the score */
    double norm;               /* |q| as scored: 1 unless l2 */
    double length;             /* |q| as given */
    double spread;             /* |q - its bytes| */
    void *memory;
};

/* False where codes cannot serve: the query's own square does not fit f32. MN_NOMEM. A query of
 * zeros under cosine is the caller's to refuse. */
enum mn_status mn_code_ask_open(const struct mn_code_form *form, const float *query,
                                struct mn_code_ask *ask, bool *serves);
void mn_code_ask_release(struct mn_code_ask *ask);

/* The scan whose estimates are not below any score that the row can have, less `*slack`, which is
 * the same for all rows: score <= estimate + slack. */
struct mn_code_query mn_code_ask_bound(const struct mn_code_ask *ask, double *slack);

/* From such an upper estimate of a row to the middle and the half width of where its score lies.
 * The width is infinite for a wild row. */
struct mn_code_span {
    double middle, width;
};
struct mn_code_span mn_code_ask_span(const struct mn_code_ask *ask, float upper,
                                     const struct mn_code_facts *facts);

/* The least score that a distance <= reach can have, a little less for the rounding of both. */
double mn_code_ask_least(const struct mn_code_ask *ask, double reach);

#endif
