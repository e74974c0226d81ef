/*
 * Tests of index/vector/candidate: the best few, and order, are those of a sort by comparisons.
 */
#include "index/vector/candidate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

enum { MOST = 3000 };

enum fill { FILL_EVEN, FILL_TIES, FILL_SKEWED, FILL_ENDLESS, FILL_TINY, FILL_WIDE, FILL_KINDS };

static float draw(enum fill fill, uint64_t *seed)
{
    uint64_t bits = test_random(seed);
    float unit = (float)((double)(bits >> 11) * 0x1p-52 - 1.0);

    switch (fill) {
    case FILL_EVEN: return unit;
    case FILL_TIES: return (float)(bits % 5);
    case FILL_SKEWED: return ldexpf(unit, -(int)(bits % 40));
    case FILL_ENDLESS: return bits % 7 == 0 ? INFINITY : bits % 11 == 0 ? -INFINITY : unit;
    case FILL_TINY: return unit * 1e-44f;
    case FILL_WIDE: return bits % 2 ? 3e38f * unit : -3e38f * unit;
    case FILL_KINDS: break;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct mn_candidate *x = a, *y = b;

    if (x->estimate != y->estimate) return x->estimate > y->estimate ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void same(const struct mn_candidate *a, const struct mn_candidate *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(a[i].estimate == b[i].estimate);
        assert_true(a[i].aside == b[i].aside);
        assert_true(a[i].id == b[i].id);
    }
}

struct rows {
    struct mn_candidate all[MOST], sorted[MOST], best[MOST + 1], scratch[MOST];
};

static void rows_draw(struct rows *rows, size_t count, enum fill fill, uint64_t *seed)
{
    for (size_t i = 0; i < count; i++) {
        rows->all[i] = (struct mn_candidate){draw(fill, seed), (float)i, (int64_t)(i ^ 0x155)};
    }
    memcpy(rows->sorted, rows->all, count * sizeof *rows->all);
    qsort(rows->sorted, count, sizeof *rows->sorted, compare);
}

static void best_are_those_of_a_sort(void **state)
{
    struct rows *rows = malloc(sizeof *rows);
    uint64_t seed = test_seed() + 1;

    (void)state;
    for (int round = 0; round < 600; round++) {
        size_t count = 1 + test_random(&seed) % (round % 2 ? 100 : MOST);
        size_t n = test_random(&seed) % (count + 1);

        rows_draw(rows, count, (enum fill)(round % FILL_KINDS), &seed);
        mn_candidates_select(rows->all, count, n, rows->best);
        qsort(rows->best, n, sizeof *rows->best, compare);
        same(rows->best, rows->sorted, n);
    }
    free(rows);
}

static void estimates_alone_give_the_same(void **state)
{
    struct rows *rows = malloc(sizeof *rows);
    uint64_t seed = test_seed() + 3;
    float scores[MOST];

    (void)state;
    for (int round = 0; round < 600; round++) {
        size_t count = 1 + test_random(&seed) % (round % 2 ? 100 : MOST);
        size_t n = test_random(&seed) % (count + 1);

        for (size_t i = 0; i < count; i++) {
            scores[i] = draw((enum fill)(round % FILL_KINDS), &seed);
            rows->sorted[i] = (struct mn_candidate){scores[i], 0, (int64_t)i};
        }
        qsort(rows->sorted, count, sizeof *rows->sorted, compare);
        mn_scores_select(scores, count, n, rows->best);
        qsort(rows->best, n, sizeof *rows->best, compare);
        same(rows->best, rows->sorted, n);
    }
    free(rows);
}

static void sorts_with_and_without_scratch(void **state)
{
    struct rows *rows = malloc(sizeof *rows);
    uint64_t seed = test_seed() + 2;

    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t count = 1 + test_random(&seed) % (round % 2 ? 100 : MOST);

        rows_draw(rows, count, (enum fill)(round % FILL_KINDS), &seed);
        mn_candidates_sort(rows->all, count, round % 4 < 2 ? rows->scratch : NULL);
        same(rows->all, rows->sorted, count);
    }
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_are_those_of_a_sort),
        cmocka_unit_test(estimates_alone_give_the_same),
        cmocka_unit_test(sorts_with_and_without_scratch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
