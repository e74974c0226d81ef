/*
 * Tests of index/vector/code and of the scan over codes: every level against sums of one element at
 * a time, and the bound of the error against the truth.
 */
#include "index/vector/code.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/vector/ann.h"
#include "index/vector/posting_inside.h"
#include "support/fill.h"
#include "support/test.h"

static const char *const level_names[] = {"baseline", "avx2", "avx512", "dotprod"};

enum { ROWS = 48, DIMS_MOST = 8192 };

static int level_of(const struct mn_code_form *form, const uint8_t *code, uint32_t dim)
{
    uint8_t byte = code[dim / 8 * 4 + dim % 4];

    (void)form;
    return dim % 8 < 4 ? byte & 15 : byte >> 4;
}

struct set {
    struct mn_code_form form;
    struct mn_postings postings;
    float *vectors, *query;
    uint8_t *image, *codes;
    struct mn_code_facts facts[ROWS];
};

static void set_make(struct set *set, enum mn_metric metric, uint32_t dims, enum fill fill,
                     uint64_t *seed)
{
    set->form = mn_code_form(metric, dims);
    set->postings = (struct mn_postings){.form = set->form, .rows_max = ROWS, .rows_most = ROWS};
    set->vectors = malloc((ROWS + 1) * dims * sizeof(float));
    set->query = set->vectors + ROWS * dims;
    set->image = calloc(1, mn_image_bytes(&set->postings));
    set->codes = malloc(ROWS * mn_code_bytes(&set->form));
    for (uint32_t i = 0; i < (ROWS + 1) * dims; i++) set->vectors[i] = fill_draw(fill, seed);
    for (uint32_t i = 0; i < dims; i++)
        if (set->query[i] == 0) set->query[i] = 1e-3f;
    for (uint32_t i = 0; i < dims; i++) { /* zeros, a twin of the query, a near one, its opposite */
        set->vectors[dims + i] = 0;
        set->vectors[2 * dims + i] = set->query[i];
        set->vectors[3 * dims + i] = nextafterf(set->query[i], 1);
        set->vectors[4 * dims + i] = -set->query[i];
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        struct mn_posting row = {.row_id = i, .code = set->codes + i * mn_code_bytes(&set->form)};

        mn_code_make(&set->form, set->vectors + i * dims, row.code, &row.facts);
        set->facts[i] = row.facts;
        mn_image_set(&set->postings, set->image, i, &row);
    }
}

static void set_free(struct set *set)
{
    free(set->vectors);
    free(set->image);
    free(set->codes);
}

static struct mn_code_groups set_groups(const struct set *set)
{
    return (struct mn_code_groups){.base = set->image,
                                   .stride = mn_group_bytes(&set->form, true),
                                   .count = ROWS / MN_CODE_GROUP};
}

/* The estimate, as kernel.h defines it. */
static float estimate_by_hand(const struct set *set, const struct mn_code_query *query, uint32_t i)
{
    const struct mn_code_facts *facts = &set->facts[i];
    int32_t d = 0;

    for (uint32_t dim = 0; dim < set->form.dims; dim++) {
        d += (2 * level_of(&set->form, set->codes + i * mn_code_bytes(&set->form), dim) - 15) *
             query->bytes[dim];
    }
    volatile float e = (float)d * query->scale, part;
    e = e * facts->scale;
    if (query->squares) {
        part = query->square * facts->half_square;
        e = e + part;
        if (query->spread > 0) {
            part = query->spread * sqrtf(facts->half_square + facts->half_square);
            e = e + part;
        }
    }
    part = query->error * mn_code_error_value(facts->error);
    return e + part;
}

static void level_compare(const struct mn_kernels *kernels, const struct set *set,
                          const struct mn_code_query *query, float least)
{
    struct mn_code_groups groups = set_groups(set);
    float estimates[ROWS];
    uint16_t hits[ROWS / MN_CODE_GROUP];

    kernels->code_scan(query, &groups, least, estimates, hits);
    for (uint32_t i = 0; i < ROWS; i++) {
        float want = estimate_by_hand(set, query, i);
        bool hit = hits[i / MN_CODE_GROUP] >> i % MN_CODE_GROUP & 1;

        if (memcmp(&want, &estimates[i], sizeof want) != 0 &&
            !(isnan(want) && isnan(estimates[i]))) {
            fail_msg("%s: %u dimensions, row %u: %.9g, want %.9g", kernels->name, set->form.dims, i,
                     (double)estimates[i], (double)want);
        }
        if (hit != !(want <= least)) {
            fail_msg("%s: %u dimensions, row %u: %.9g, least %.9g, hit %d", kernels->name,
                     set->form.dims, i, (double)want, (double)least, hit);
        }
    }
}

static void dims_compare(enum mn_metric metric, uint32_t dims, uint64_t *seed)
{
    struct set set;
    struct mn_code_ask ask;
    bool serves;
    double slack;

    set_make(&set, metric, dims, FILL_NORMAL, seed);
    set.facts[5].error = 0x7f80; /* as a wild one */
    struct mn_posting row = {5, set.facts[5], set.codes + 5 * mn_code_bytes(&set.form)};
    mn_image_set(&set.postings, set.image, 5, &row);
    assert_int_equal(mn_code_ask_open(&set.form, set.query, &ask, &serves), MN_OK);
    assert_true(serves);
    struct mn_code_query bound = mn_code_ask_bound(&ask, &slack);
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        const struct mn_kernels *kernels = mn_kernels_named(level_names[i]);

        if (!kernels) continue;
        level_compare(kernels, &set, &ask.scan, 0.1f);
        level_compare(kernels, &set, &bound, -0.1f);
        level_compare(kernels, &set, &bound, -INFINITY);
    }
    mn_code_ask_release(&ask);
    set_free(&set);
}

static void every_level_estimates_the_same(void **state)
{
    static const uint32_t others[] = {1536, 2047, 4096, 8191, 8192};
    uint64_t seed = test_seed();

    (void)state;
    for (uint32_t dims = 1; dims <= 260; dims++) dims_compare(dims % 3, dims, &seed);
    for (uint32_t dims = 263; dims < 1100; dims += 37) dims_compare(dims % 3, dims, &seed);
    for (size_t i = 0; i < 5; i++) dims_compare(i % 3, others[i], &seed);
}

/* The score by doubles. */
static double score_true(const struct set *set, const struct mn_code_ask *ask, uint32_t i)
{
    const float *x = set->vectors + (size_t)i * set->form.dims;
    double dot = mn_vector_dot(x, set->query, set->form.dims);
    double x2 = mn_vector_norm2(x, set->form.dims);

    switch (set->form.metric) {
    case MN_METRIC_COSINE: return x2 > 0 ? dot / sqrt(x2) / ask->length : 0;
    case MN_METRIC_DOT: return ask->length > 0 ? dot / ask->length : 0;
    case MN_METRIC_L2: break;
    }
    return dot - x2 / 2;
}

/* How many of a set's rows lie outside of what the bound allows when its widths are taken times
 * `factor`. */
static uint32_t outside(const struct set *set, double factor, uint32_t *seen)
{
    struct mn_code_groups groups = set_groups(set);
    struct mn_code_ask ask;
    bool serves;
    double slack;
    float uppers[ROWS];
    uint16_t hits[ROWS / MN_CODE_GROUP];
    uint32_t count = 0;

    assert_int_equal(mn_code_ask_open(&set->form, set->query, &ask, &serves), MN_OK);
    if (serves) {
        struct mn_code_query bound = mn_code_ask_bound(&ask, &slack);

        mn_kernels()->code_scan(&bound, &groups, -INFINITY, uppers, hits);
        for (uint32_t i = 0; i < ROWS; i++) {
            double score = score_true(set, &ask, i);
            struct mn_code_span span = mn_code_ask_span(&ask, uppers[i], &set->facts[i]);

            if (isinf(span.width)) continue;
            ++*seen;
            if (factor == 1 && !(score <= (double)uppers[i] + slack)) count++;
            if (fabs(score - span.middle) > span.width * factor) count++;
        }
    }
    mn_code_ask_release(&ask);
    return count;
}

static void bound_holds(void **state)
{
    static const uint32_t dims[] = {1, 2, 3, 7, 8, 9, 31, 64, 100, 127, 300, 784, 1536, 8192};
    uint64_t seed = test_seed() + 1;
    uint32_t seen = 0, planted = 0, planted_seen = 0;

    (void)state;
    for (uint32_t round = 0; round < 12; round++) {
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
            for (uint32_t kind = 0; kind < FILL_KINDS * 3; kind++) {
                struct set set;

                if (dims[d] > 1000 && round > 0) continue;
                set_make(&set, kind % 3, dims[d], kind / 3, &seed);
                uint32_t wrong = outside(&set, 1, &seen);
                if (wrong) {
                    fail_msg("%u of %d rows outside the bound: metric %u, fill %u, %u dimensions",
                             wrong, ROWS, kind % 3, kind / 3, dims[d]);
                }
                /* low dimensions come near the bound: there a looser one is caught */
                planted += outside(&set, 0.9, &planted_seen);
                set_free(&set);
            }
        }
    }
    printf("%u rows within the bound; a bound of nine tenths: %u outside\n", seen, planted);
    assert_true(seen > 50000);
    assert_true(planted > 100);
}

/* The same vector has the same code, whatever is done in between; zeros have a code of zeros. */
static void code_is_a_function_of_its_vector(void **state)
{
    uint64_t seed = test_seed() + 2;
    struct set set;
    uint8_t code[DIMS_MOST / 2];
    struct mn_code_facts facts;

    (void)state;
    for (uint32_t dims = 1; dims < 200; dims += 7) {
        set_make(&set, dims % 3, dims, FILL_MIXED, &seed);
        for (uint32_t i = 0; i < ROWS; i++) {
            mn_code_make(&set.form, set.vectors + i * dims, code, &facts);
            assert_memory_equal(code, set.codes + i * mn_code_bytes(&set.form),
                                mn_code_bytes(&set.form));
            assert_int_equal(facts.error, set.facts[i].error);
        }
        assert_true(set.facts[1].scale == 0 && set.facts[1].error == 0);
        set_free(&set);
    }
}

/* The sizes of clusters: as they are told for short vectors, half of that for long ones. */
static void long_vectors_are_in_smaller_clusters(void **state)
{
    static const struct {
        enum mn_metric metric;
        uint32_t dims;
        uint64_t most, least, aim;
    } cases[] = {{MN_METRIC_COSINE, 1, 512, 128, 300},  {MN_METRIC_L2, 384, 512, 128, 300},
                 {MN_METRIC_L2, 408, 512, 128, 300},    {MN_METRIC_L2, 416, 503, 125, 295},
                 {MN_METRIC_L2, 784, 275, 68, 161},     {MN_METRIC_L2, 840, 257, 64, 151},
                 {MN_METRIC_COSINE, 8192, 256, 64, 150}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mn_postings postings = {.form = mn_code_form(cases[i].metric, cases[i].dims)};
        struct mn_ann_sizes sizes = mn_ann_sizes(&postings);

        assert_int_equal(sizes.most, cases[i].most);
        assert_int_equal(sizes.least, cases[i].least);
        assert_int_equal(sizes.aim, cases[i].aim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_estimates_the_same),
        cmocka_unit_test(bound_holds),
        cmocka_unit_test(code_is_a_function_of_its_vector),
        cmocka_unit_test(long_vectors_are_in_smaller_clusters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
