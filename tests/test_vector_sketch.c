/*
 * Tests of index/vector/sketch: every level scans the same, the bound against the truth and a
 * planted one that is too tight, and searches against all distances, whatever is stored: zeros,
 * vectors too long or too short for bytes, rows without a vector, duplicates, near-ties of one ulp.
 */
#include "index/vector/sketch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fill.h"
#include "support/test.h"

static const char *const level_names[] = {"baseline", "avx2", "avx512", "dotprod"};

enum { ROWS = 700, GROUPS = (ROWS + MN_CODE_GROUP - 1) / MN_CODE_GROUP };
struct set {
    enum mn_metric metric;
    uint32_t dims;
    float *memory, *query;
    const float *vectors[ROWS];
    int64_t ids[ROWS];
    struct mn_sketch sketch;
};

/* Some rows are zeros, the query, nearly the query, its opposite, or not there; or of another
 * size than all others. */
static void row_special(struct set *set, uint32_t i, float *row)
{
    for (uint32_t d = 0; d < set->dims; d++) {
        switch (i % 50) {
        case 1: row[d] = 0; break;
        case 2: row[d] = set->query[d]; break;
        case 3: row[d] = nextafterf(set->query[d], 1); break;
        case 4: row[d] = -set->query[d]; break;
        case 5: row[d] *= 1e-30f; break;
        case 6: row[d] = row[d] < 1e5f ? row[d] * 1e25f : row[d]; break;
        default: break;
        }
    }
    if (i % 50 == 7) set->vectors[i] = NULL;
}

static void set_make(struct set *set, enum mn_metric metric, uint32_t dims, enum fill fill,
                     uint64_t *seed)
{
    *set = (struct set){.metric = metric, .dims = dims};
    set->memory = malloc((ROWS + 1) * (size_t)dims * sizeof(float));
    set->query = set->memory + ROWS * (size_t)dims;
    for (size_t i = 0; i < (ROWS + 1) * (size_t)dims; i++) set->memory[i] = fill_draw(fill, seed);
    for (uint32_t d = 0; d < dims; d++)
        if (set->query[d] == 0) set->query[d] = 1e-3f;
    for (uint32_t i = 0; i < ROWS; i++) {
        float *row = set->memory + i * (size_t)dims;

        set->ids[i] = (int64_t)i * 3 - 50;
        set->vectors[i] = row;
        row_special(set, i, row);
    }
    struct mn_sketch_of of = {metric, dims, set->vectors, ROWS};
    assert_int_equal(mn_sketch_make(&set->sketch, &of), MN_OK);
}

static void set_free(struct set *set)
{
    mn_sketch_release(&set->sketch);
    free(set->memory);
}

static struct mn_code_groups set_groups(const struct set *set)
{
    return (struct mn_code_groups){
        .base = set->sketch.groups, .stride = set->sketch.stride, .count = GROUPS};
}

/* ---- the scan ---- */

static const uint8_t *beside_of(const struct set *set, uint32_t i)
{
    return set->sketch.groups + i / MN_CODE_GROUP * set->sketch.stride +
           (size_t)set->sketch.steps * 2 * MN_CODE_STEP_BYTES;
}

static float float_at(const uint8_t *at, uint32_t i)
{
    float value;

    memcpy(&value, at + i % MN_CODE_GROUP * sizeof value, sizeof value);
    return value;
}

/* The estimate, as kernel.h defines it. */
static float estimate_by_hand(const struct set *set, const struct mn_code_query *query, uint32_t i)
{
    const uint8_t *group = set->sketch.groups + i / MN_CODE_GROUP * set->sketch.stride;
    const uint8_t *beside = beside_of(set, i);
    uint16_t error;
    int32_t d = 0;

    for (uint32_t dim = 0; dim < set->dims; dim++) {
        uint8_t level = group[dim / 4 * MN_CODE_STEP_BYTES + i % MN_CODE_GROUP * 4 + dim % 4];

        assert_true(level <= 127);
        d += (2 * level - 127) * query->bytes[dim];
    }
    volatile float e = (float)d * query->scale, part;
    e = e * float_at(beside, i);
    beside += MN_CODE_GROUP * sizeof(float);
    if (query->squares) {
        float half = float_at(beside, i);

        part = query->square * half;
        e = e + part;
        if (query->spread > 0) {
            part = query->spread * sqrtf(half + half);
            e = e + part;
        }
        beside += MN_CODE_GROUP * sizeof(float);
    }
    memcpy(&error, beside + i % MN_CODE_GROUP * sizeof error, sizeof error);
    part = query->error * mn_code_error_value(error);
    return e + part;
}

static void level_compare(const struct mn_kernels *kernels, const struct set *set,
                          const struct mn_code_query *query, float least)
{
    struct mn_code_groups groups = set_groups(set);
    float estimates[GROUPS * MN_CODE_GROUP];
    uint16_t hits[GROUPS];

    kernels->byte_scan(query, &groups, least, estimates, hits);
    for (uint32_t i = 0; i < ROWS; i++) {
        float want = estimate_by_hand(set, query, i);
        bool hit = hits[i / MN_CODE_GROUP] >> i % MN_CODE_GROUP & 1;

        if (memcmp(&want, &estimates[i], sizeof want) != 0 &&
            !(isnan(want) && isnan(estimates[i]))) {
            fail_msg("%s: %u dimensions, row %u: %.9g, want %.9g", kernels->name, set->dims, i,
                     (double)estimates[i], (double)want);
        }
        assert_int_equal(hit, !(want <= least));
    }
}

static void dims_compare(enum mn_metric metric, uint32_t dims, uint64_t *seed)
{
    struct mn_code_form form = mn_code_form(metric, dims);
    struct mn_code_ask ask;
    struct set set;
    double slack;
    bool serves;

    set_make(&set, metric, dims, FILL_NORMAL, seed);
    assert_int_equal(mn_code_ask_open(&form, set.query, &ask, &serves), MN_OK);
    assert_true(serves);
    struct mn_code_query bound = mn_sketch_scan(&ask, &slack);
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        const struct mn_kernels *kernels = mn_kernels_named(level_names[i]);

        if (!kernels) continue;
        level_compare(kernels, &set, &bound, -0.1f);
        level_compare(kernels, &set, &bound, -INFINITY);
    }
    mn_code_ask_release(&ask);
    set_free(&set);
}

static void every_level_scans_the_same(void **state)
{
    static const uint32_t others[] = {255, 256, 260, 784, 1536, 2047, 8191, 8192};
    uint64_t seed = test_seed();

    (void)state;
    for (uint32_t dims = 1; dims <= 68; dims++) dims_compare(dims % 3, dims, &seed);
    for (size_t i = 0; i < 8; i++) dims_compare(i % 3, others[i], &seed);
}

/* ---- the bound ---- */

/* The score by doubles. */
static double score_true(const struct set *set, const struct mn_code_ask *ask, const float *x)
{
    double dot = mn_vector_dot(x, set->query, set->dims), x2 = mn_vector_norm2(x, set->dims);

    switch (set->metric) {
    case MN_METRIC_COSINE: return x2 > 0 ? dot / sqrt(x2) / ask->length : 0;
    case MN_METRIC_DOT: return ask->length > 0 ? dot / ask->length : 0;
    case MN_METRIC_L2: break;
    }
    return dot - x2 / 2;
}

/* The levels of all rows made anew by one level of the machine: they differ where a rounding does,
 * and the errors beside them must hold for these too. */
static void set_remake(struct set *set, const struct mn_kernels *kernels)
{
    for (uint32_t g = 0; g < GROUPS; g++) {
        const float *rows[MN_CODE_GROUP];
        struct mn_byte_facts facts[MN_CODE_GROUP];
        uint8_t *group = set->sketch.groups + g * set->sketch.stride;

        for (uint32_t i = 0; i < MN_CODE_GROUP; i++) {
            rows[i] = g * MN_CODE_GROUP + i < ROWS ? set->vectors[g * MN_CODE_GROUP + i] : NULL;
        }
        kernels->byte_make(rows, set->dims, group, facts);
    }
}

/* How many rows have a score above their bound, when its error and slack are taken times factor. */
static uint32_t above(const struct set *set, float factor, uint32_t *seen)
{
    struct mn_code_form form = mn_code_form(set->metric, set->dims);
    struct mn_code_groups groups = set_groups(set);
    float uppers[GROUPS * MN_CODE_GROUP];
    uint16_t hits[GROUPS];
    struct mn_code_ask ask;
    uint32_t count = 0;
    double slack;
    bool serves;

    assert_int_equal(mn_code_ask_open(&form, set->query, &ask, &serves), MN_OK);
    if (serves) {
        struct mn_code_query bound = mn_sketch_scan(&ask, &slack);

        bound.error *= factor;
        bound.spread *= factor;
        slack *= (double)factor;
        mn_kernels()->byte_scan(&bound, &groups, -INFINITY, uppers, hits);
        for (uint32_t i = 0; i < ROWS; i++) {
            if (!set->vectors[i] || !(uppers[i] < INFINITY)) continue;
            ++*seen;
            count += !(score_true(set, &ask, set->vectors[i]) <= (double)uppers[i] + slack);
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
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        for (uint32_t kind = 0; kind < FILL_KINDS * 3; kind++) {
            struct set set;

            if (dims[d] > 1000 && kind > 5) continue;
            set_make(&set, kind % 3, dims[d], kind / 3, &seed);
            for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
                const struct mn_kernels *kernels = mn_kernels_named(level_names[i]);

                if (!kernels) continue;
                set_remake(&set, kernels);
                uint32_t wrong = above(&set, 1, &seen);
                if (wrong) {
                    fail_msg("%u of %d rows above the bound: metric %u, fill %u, %u dimensions, %s",
                             wrong, ROWS, kind % 3, kind / 3, dims[d], kernels->name);
                }
            }
            /* low dimensions come near the bound: there a looser one is caught */
            planted += above(&set, .5f, &planted_seen);
            set_free(&set);
        }
    }
    print_message("%u rows below the bound; a bound of a half: %u above\n", seen, planted);
    assert_true(seen > 100000);
    assert_true(planted > 100);
}

/* ---- the search ---- */

static int near_order(const void *x, const void *y)
{
    const struct mn_near *a = x, *b = y;

    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static size_t brute(const struct set *set, double within, struct mn_near *out)
{
    size_t count = 0;

    for (uint32_t i = 0; i < ROWS; i++) {
        if (!set->vectors[i]) continue;
        double distance = mn_distance(set->metric, set->query, set->vectors[i], set->dims);

        if (distance <= within) out[count++] = (struct mn_near){distance, set->ids[i]};
    }
    qsort(out, count, sizeof *out, near_order);
    return count;
}

/* *shown: how many rows the search looked at. */
static void search_compare(struct set *set, uint64_t k, double within, uint64_t *shown)
{
    struct mn_search_options options = {
        .metric = set->metric, .query = set->query, .dims = set->dims, .k = k, .within = within};
    struct mn_sketch_rows rows = {set->ids, set->vectors};
    struct mn_near want[ROWS];
    struct mn_search *search;
    uint64_t seen, scored;
    bool served;
    size_t got, count = brute(set, within, want);

    assert_int_equal(mn_search_open(&options, &search), MN_OK);
    assert_int_equal(mn_sketch_search(&set->sketch, &rows, &options, search, &served), MN_OK);
    if (served) {
        const struct mn_near *near = mn_search_finish(search, &got);

        assert_int_equal(got, count < k ? count : k);
        for (size_t i = 0; i < got; i++) {
            if (near[i].id != want[i].id || near[i].distance != want[i].distance) {
                fail_msg("metric %u, %u dimensions, k %u, place %zu: row %lld, want %lld",
                         set->metric, set->dims, (unsigned)k, i, (long long)near[i].id,
                         (long long)want[i].id);
            }
        }
        mn_search_counts(search, &seen, &scored);
        *shown += seen;
    } else {
        assert_true(k > MN_SKETCH_K_MAX || set->metric == MN_METRIC_L2);
    }
    mn_search_release(search);
}

static void searches_are_exact(void **state)
{
    static const uint32_t dims[] = {1, 2, 16, 31, 100, 784};
    static const uint64_t ks[] = {1, 10, MN_SKETCH_K_MAX, MN_SKETCH_K_MAX + 1};
    uint64_t seed = test_seed() + 2, shown = 0, searches = 0;

    (void)state;
    for (uint32_t round = 0; round < 4; round++) {
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
            for (uint32_t kind = 0; kind < FILL_KINDS * 3; kind++) {
                struct mn_near want[ROWS];
                struct set set;

                set_make(&set, kind % 3, dims[d], kind / 3, &seed);
                size_t count = brute(&set, INFINITY, want);
                for (size_t i = 0; i < 4; i++) {
                    search_compare(&set, ks[i], INFINITY, &shown);
                    search_compare(&set, ks[i], want[count / 20].distance, &shown);
                    searches += 2;
                }
                set_free(&set);
            }
        }
    }
    print_message("%llu searches, %llu of %d rows looked at in the middle\n",
                  (unsigned long long)searches, (unsigned long long)(shown / searches), ROWS);
    assert_true(shown / searches < ROWS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_scans_the_same),
        cmocka_unit_test(bound_holds),
        cmocka_unit_test(searches_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
