/*
 * sketch: some vectors in seven bits an element, kept in memory for who asks them again and again.
 *
 *   vectors of the rows that passed a filter  ->  groups of 16, a quarter of the bytes
 *   a query  ->  upper bounds of all scores  ->  the highest are scored by their vectors  ->  what
 *   the bounds of the others do not rule out is scored too
 *
 *   (B1) |x - x'| <= error, as stored, where x' = scale * (2 level - 127); under cosine x is the
 *        vector at length 1. So <x, q> <= <x', q'> + |x| |s| + error (|q| + |s|), where q' are the
 *        bytes of the query and s what they leave of it.
 *   (B2) a row is dropped only where its bound proves that it is not among the best k: the answer
 *        is that of search.h, to the last bit.
 *
 * Seven bits leave an eighth of what the four bits of code.h leave, and are made in a tenth of the
 * time: no step between levels is searched for. They are never written to a file.
 */
#ifndef MN_INDEX_VECTOR_SKETCH_H
#define MN_INDEX_VECTOR_SKETCH_H

#include "index/vector/code.h"
#include "index/vector/search.h"

/* Zeroed, it is an empty one. */
struct mn_sketch {
    enum mn_metric metric;
    uint32_t dims, steps; /* of 8 dimensions */
    size_t count, stride; /* stride: bytes of a group */
    uint8_t *groups;      /* NULL: there is none */
    float *uppers;        /* scratch of a search, as are */
    uint16_t *hits;       /* these */
};

/* Vectors that a sketch takes, the greatest k that is asked, and the bytes that it needs. */
enum { MN_SKETCH_LEAST = 512, MN_SKETCH_DIMS_LEAST = 16, MN_SKETCH_K_MAX = 64 };
uint64_t mn_sketch_bytes(enum mn_metric metric, uint32_t dims, size_t count);

/* Of vectors; NULL: a row that has none. It replaces what was there. MN_NOMEM: it is empty. */
struct mn_sketch_of {
    enum mn_metric metric;
    uint32_t dims;
    const float *const *vectors;
    size_t count;
};
enum mn_status mn_sketch_make(struct mn_sketch *sketch, const struct mn_sketch_of *of);
void mn_sketch_release(struct mn_sketch *sketch);

/* Shows the scorer, which was shown nothing before, those that may be among the nearest, and
 * settles it. ids and vectors are those of all rows of the sketch; options are the scorer's.
 * *served false: the query cannot be put in bytes, or k is too great, and nothing was shown. */
struct mn_sketch_rows {
    const int64_t *ids;
    const float *const *vectors;
};
enum mn_status mn_sketch_search(struct mn_sketch *sketch, const struct mn_sketch_rows *rows,
                                const struct mn_search_options *options, struct mn_search *scorer,
                                bool *served);

/* The scan by byte_scan whose estimates, with *slack, are not below any score that a row can have:
 * (B1), from a question for codes of the same metric and dimensions. */
struct mn_code_query mn_sketch_scan(const struct mn_code_ask *ask, double *slack);

#endif
