/*
 * Tests of index/vector/search, distance and topk: the nearest of all, by brute force and sorting.
 */
#include "index/vector/search.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/kernel.h"
#include "support/test.h"

enum { ROWS = 600, DIMS_MAX = 300 };

static float number_draw(uint64_t *seed)
{
    return (float)((double)(test_random(seed) >> 11) * 0x1p-52 - 1.0);
}

/* The definition, one element at a time. */
static double distance_by_definition(enum mn_metric metric, const float *a, const float *b,
                                     size_t dims)
{
    double dot = 0, aa = 0, bb = 0, difference = 0;

    for (size_t i = 0; i < dims; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    if (metric == MN_METRIC_L2) return sqrt(difference);
    if (metric == MN_METRIC_DOT) return -dot;
    return aa > 0 && bb > 0 ? 1 - dot / (sqrt(aa) * sqrt(bb)) : 1;
}

struct pool {
    float rows[ROWS][DIMS_MAX]; /* rows of a block are DIMS_MAX floats apart */
    float query[DIMS_MAX];
    int64_t ids[ROWS];
    struct mn_near all[ROWS];
};

/* Rows near to each other, so that many distances are within f32's error of the k-th; every 50th is
 * a copy of another, every 97th is zero. */
static void pool_fill(struct pool *p, uint64_t *seed, float spread, float scale)
{
    for (size_t j = 0; j < DIMS_MAX; j++) p->query[j] = number_draw(seed) * scale;
    for (size_t i = 0; i < ROWS; i++) {
        p->ids[i] = (int64_t)(i * 3) - 500;
        for (size_t j = 0; j < DIMS_MAX; j++) {
            p->rows[i][j] = p->query[j] * 0.5f + number_draw(seed) * spread * scale;
        }
        if (i % 50 == 49) memcpy(p->rows[i], p->rows[i - 20], sizeof p->rows[i]);
        if (i % 97 == 96) memset(p->rows[i], 0, sizeof p->rows[i]);
    }
}

static int near_compare(const void *x, const void *y)
{
    const struct mn_near *a = x, *b = y;

    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static size_t pool_sort(struct pool *p, const struct mn_search_options *o)
{
    size_t count = 0;

    for (size_t i = 0; i < ROWS; i++) {
        double distance = mn_distance(o->metric, p->query, p->rows[i], o->dims);
        double defined = distance_by_definition(o->metric, p->query, p->rows[i], o->dims);

        double weight =
            o->metric == MN_METRIC_DOT
                ? sqrt(mn_vector_norm2(p->query, o->dims) * mn_vector_norm2(p->rows[i], o->dims))
                : fabs(defined) + 1;
        assert_true(fabs(distance - defined) <= 1e-12 * weight);
        if (distance <= o->within) p->all[count++] = (struct mn_near){distance, p->ids[i]};
    }
    qsort(p->all, count, sizeof *p->all, near_compare);
    return count < o->k ? count : (size_t)o->k;
}

static void answer_compare(struct mn_search *search, const struct pool *p, size_t want)
{
    size_t count;
    const struct mn_near *got = mn_search_finish(search, &count);

    assert_int_equal(count, want);
    for (size_t i = 0; i < count; i++) {
        if (got[i].id == p->all[i].id && got[i].distance == p->all[i].distance) continue;
        fail_msg("place %zu: row %lld at %.17g, want %lld at %.17g", i, (long long)got[i].id,
                 got[i].distance, (long long)p->all[i].id, p->all[i].distance);
    }
    mn_search_release(search);
}

static void pool_compare(struct pool *p, const struct mn_search_options *o)
{
    struct mn_slab_block block = {p->ids[0], p->ids, p->rows[0], DIMS_MAX, ROWS};
    const float *vectors[ROWS];
    struct mn_search *search;
    size_t want = pool_sort(p, o);
    uint64_t shown, scored;

    assert_int_equal(mn_search_open(o, &search), MN_OK);
    assert_int_equal(mn_search_block(search, &block), MN_OK);
    assert_int_equal(mn_search_settle(search), MN_OK);
    mn_search_counts(search, &shown, &scored);
    assert_int_equal(shown, ROWS);
    answer_compare(search, p, want);

    for (size_t i = 0; i < ROWS; i++) vectors[i] = p->rows[i];
    assert_int_equal(mn_search_open(o, &search), MN_OK);
    assert_int_equal(mn_search_gathered(search, p->ids, vectors, ROWS), MN_OK);
    assert_int_equal(mn_search_settle(search), MN_OK);
    answer_compare(search, p, want);
}

static void nearest_equal_brute_force_to_the_last_bit(void **state)
{
    static const float spreads[] = {1.0f, 1e-3f, 1e-6f, 0.0f};
    static const float scales[] = {1.0f, 1e18f, 1e-22f, 2e38f};
    static const uint32_t dims[] = {1, 3, 100, DIMS_MAX};
    struct pool *p = malloc(sizeof *p);
    uint64_t seed = test_seed();

    (void)state;
    assert_non_null(p);
    for (size_t round = 0; round < 4 * 4 * 4 * 3; round++) {
        enum mn_metric metric = (enum mn_metric)(round % 3);
        struct mn_search_options o = {metric, p->query, dims[round / 3 % 4], 10, INFINITY, NULL, 0};

        pool_fill(p, &seed, spreads[round / 12 % 4], scales[round / 48]);
        for (uint64_t k = 1; k <= 2 * ROWS; k = k * 31 + 1) {
            o.k = k;
            o.within = INFINITY;
            pool_compare(p, &o);
            size_t last = pool_sort(p, &o);
            o.within = p->all[last / 2].distance;
            pool_compare(p, &o);
        }
    }
    free(p);
}

static void few_of_many_are_scored_in_double(void **state)
{
    struct pool *p = malloc(sizeof *p);
    uint64_t seed = test_seed(), shown, scored;
    struct mn_search *search;

    (void)state;
    assert_non_null(p);
    pool_fill(p, &seed, 1.0f, 1.0f);
    for (int metric = 0; metric < 3; metric++) {
        struct mn_search_options o = {(enum mn_metric)metric, p->query, 100, 10, INFINITY, NULL, 0};
        struct mn_slab_block block = {0, NULL, p->rows[0], DIMS_MAX, ROWS};

        assert_int_equal(mn_search_open(&o, &search), MN_OK);
        assert_int_equal(mn_search_block(search, &block), MN_OK);
        assert_int_equal(mn_search_settle(search), MN_OK);
        mn_search_counts(search, &shown, &scored);
        assert_in_range(scored, 10, 20);
        mn_search_release(search);
    }
    free(p);
}

static int greater_id_first(void *context, int64_t a, int64_t b)
{
    ++*(int *)context;
    return (a < b) - (a > b);
}

static void ties_are_broken_as_the_caller_says(void **state)
{
    float rows[20] = {0};
    int asked = 0;
    size_t count;
    struct mn_search_options o = {MN_METRIC_L2, rows, 1, 3, INFINITY, greater_id_first, &asked};
    struct mn_slab_block block = {7, NULL, rows, 1, 20};
    struct mn_search *search;

    (void)state;
    assert_int_equal(mn_search_open(&o, &search), MN_OK);
    assert_int_equal(mn_search_block(search, &block), MN_OK);
    assert_int_equal(mn_search_settle(search), MN_OK);
    const struct mn_near *got = mn_search_finish(search, &count);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(got[i].id, 26 - i);
    assert_true(asked > 0);
    mn_search_release(search);
}

static void bad_queries_are_refused(void **state)
{
    float query[3] = {0, 0, 0};
    struct mn_search_options o = {MN_METRIC_COSINE, query, 3, 3, INFINITY, NULL, NULL};
    struct mn_search *search;

    (void)state;
    assert_int_equal(mn_search_open(&o, &search), MN_RANGE);
    assert_null(search);
    query[1] = NAN;
    assert_int_equal(mn_search_open(&o, &search), MN_RANGE);
    assert_string_equal(mn_error_last()->message, "element 2 of the vector is NaN");
    query[1] = -INFINITY;
    assert_int_equal(mn_search_open(&o, &search), MN_RANGE);
    query[1] = 1;
    o.within = (double)NAN;
    assert_int_equal(mn_search_open(&o, &search), MN_RANGE);
    o.within = INFINITY;
    assert_int_equal(mn_search_open(&o, &search), MN_OK);
    mn_search_release(search);
    query[1] = 0;
    o.metric = MN_METRIC_L2;
    assert_int_equal(mn_search_open(&o, &search), MN_OK);
    mn_search_release(search);
}

static void equal_vectors_are_at_distance_zero(void **state)
{
    float v[DIMS_MAX];
    uint64_t seed = test_seed();

    (void)state;
    for (int round = 0; round < 500; round++) {
        for (size_t i = 0; i < DIMS_MAX; i++) v[i] = number_draw(&seed);
        size_t dims = 1 + test_random(&seed) % DIMS_MAX;
        assert_true(mn_distance(MN_METRIC_COSINE, v, v, dims) == 0);
        assert_true(mn_distance(MN_METRIC_L2, v, v, dims) == 0);
        assert_true(mn_similarity(MN_METRIC_L2, 0) == 1 && mn_similarity(MN_METRIC_DOT, -3) == 4);
    }
}

static bool memory_fails(void *context, size_t size_bytes)
{
    (void)size_bytes;
    return (*(int *)context)-- > 0;
}

static void every_lack_of_memory_is_an_answer(void **state)
{
    float rows[400];
    struct mn_search_options o = {MN_METRIC_DOT, rows, 4, 50, INFINITY, NULL, NULL};
    struct mn_slab_block block = {0, NULL, rows, 4, 100};

    (void)state;
    for (size_t i = 0; i < 400; i++) rows[i] = (float)i;
    for (int allowed = 0, done = 0; !done; allowed++) {
        int left = allowed;
        struct mn_search *search;

        mn_alloc_set_hook(memory_fails, &left);
        enum mn_status status = mn_search_open(&o, &search);
        if (status == MN_OK) status = mn_search_block(search, &block);
        if (status == MN_OK) status = mn_search_settle(search);
        mn_alloc_set_hook(NULL, NULL);
        if (status == MN_OK)
            done = 1;
        else
            assert_int_equal(status, MN_NOMEM);
        mn_search_release(search);
        assert_true(allowed < 20);
    }
}

static void metric_words_are_known(void **state)
{
    enum mn_metric metric;

    (void)state;
    assert_int_equal(mn_metric_parse("L2", 2, &metric), MN_OK);
    assert_int_equal(metric, MN_METRIC_L2);
    assert_int_equal(mn_metric_parse("ip", 2, &metric), MN_OK);
    assert_string_equal(mn_metric_name(metric), "dot");
    assert_int_equal(mn_metric_parse("cosine_", 7, &metric), MN_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_equal_brute_force_to_the_last_bit),
        cmocka_unit_test(few_of_many_are_scored_in_double),
        cmocka_unit_test(ties_are_broken_as_the_caller_says),
        cmocka_unit_test(bad_queries_are_refused),
        cmocka_unit_test(equal_vectors_are_at_distance_zero),
        cmocka_unit_test(every_lack_of_memory_is_an_answer),
        cmocka_unit_test(metric_words_are_known),
    };

    return cmocka_run_group_tests_name("vector/search", tests, NULL, NULL);
}
