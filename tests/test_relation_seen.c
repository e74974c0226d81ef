/*
 * Tests of index/relation/seen: against a plain list of what was added.
 */
#include "index/relation/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/test.h"

enum { NODES_MAX = 6000, TABLES = 6 };

struct node {
    uint32_t table;
    int64_t row_id;
};

/* Row ids that are dense, dense on both sides of zero, in clusters, or anywhere. */
enum spread { DENSE, AROUND_ZERO, CLUSTERS, ANYWHERE, SPREADS };

static int64_t row_id_draw(uint64_t *seed, enum spread spread)
{
    uint64_t random = test_random(seed);

    switch (spread) {
    case DENSE: return (int64_t)(random % 20000);
    case AROUND_ZERO: return (int64_t)(random % 8000) - 4000;
    case CLUSTERS: return (int64_t)(random % 8 * 1000000000 + random / 8 % 700);
    case ANYWHERE:
    case SPREADS: break;
    }
    return (int64_t)random;
}

static int node_compare(const void *a, const void *b)
{
    const struct node *x = a, *y = b;

    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    return (x->row_id > y->row_id) - (x->row_id < y->row_id);
}

static bool add(struct mn_seen *seen, struct node node)
{
    if (mn_seen_full(seen)) {
        size_t most = mn_seen_grown_bytes(seen);

        assert_int_equal(mn_seen_grow(seen), MN_OK);
        assert_true(mn_seen_bytes(seen) <= most);
        assert_false(mn_seen_full(seen));
    }
    return mn_seen_add(seen, node.table, node.row_id);
}

/* One walk: the first of equal nodes is fresh, the others are not, and all are there. */
static void walk_try(struct mn_seen *seen, uint64_t *seed, enum spread spread, uint32_t tables)
{
    static struct node nodes[NODES_MAX];
    size_t count = test_random(seed) % 3 ? test_random(seed) % 200 : NODES_MAX, fresh = 0;
    size_t different = 0;

    for (size_t i = 0; i < count; i++) {
        nodes[i].table = (uint32_t)(test_random(seed) % tables);
        nodes[i].row_id = row_id_draw(seed, spread);
        bool there = mn_seen_has(seen, nodes[i].table, nodes[i].row_id);
        bool is_fresh = add(seen, nodes[i]);

        assert_int_equal(is_fresh, !there);
        assert_true(mn_seen_has(seen, nodes[i].table, nodes[i].row_id));
        fresh += is_fresh;
    }
    qsort(nodes, count, sizeof nodes[0], node_compare);
    for (size_t i = 0; i < count; i++) {
        different += i == 0 || node_compare(&nodes[i], &nodes[i - 1]) != 0;
        assert_true(mn_seen_has(seen, nodes[i].table, nodes[i].row_id));
    }
    assert_int_equal(fresh, different);
    for (int i = 0; i < 200; i++) {
        struct node other = {(uint32_t)(test_random(seed) % TABLES), row_id_draw(seed, spread)};
        bool there = count > 0 && bsearch(&other, nodes, count, sizeof nodes[0], node_compare);

        assert_int_equal(mn_seen_has(seen, other.table, other.row_id), there);
    }
}

static void knows_what_was_added(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (int round = 0; round < 60; round++) {
        enum spread spread = (enum spread)(test_random(&seed) % SPREADS);
        uint32_t tables = round % 3 ? 1 : TABLES;
        struct mn_seen seen = {0};

        for (int walk = 0; walk < 8; walk++) {
            walk_try(&seen, &seed, test_random(&seed) % 4 ? spread : ANYWHERE, tables);
            mn_seen_clear(&seen);
        }
        mn_seen_release(&seen);
    }
}

/* Dense row ids come into a map, which is smaller than the slots were to be; one that the walks
 * after it hardly use is given up. */
static void dense_row_ids_become_a_map(void **state)
{
    struct mn_seen seen = {0};

    (void)state;
    for (int64_t i = 0; i < 100000; i++) assert_true(add(&seen, (struct node){0, i * 7 % 100000}));
    assert_true(seen.maps[0].limit >= 90000);
    assert_true(mn_seen_bytes(&seen) < 64 * 1024);
    mn_seen_clear(&seen);
    assert_true(seen.maps[0].limit >= 90000);
    assert_true(add(&seen, (struct node){0, 5}));
    mn_seen_clear(&seen);
    assert_int_equal(seen.maps[0].limit, 0);
    assert_false(mn_seen_has(&seen, 0, 5));
    mn_seen_release(&seen);
}

/* After 2^32 walks the stamps begin anew, and nothing of an old walk comes back. */
static void stamps_come_round(void **state)
{
    struct mn_seen seen = {0};

    (void)state;
    assert_true(add(&seen, (struct node){0, -5}));
    assert_int_equal(seen.stamp, 1);
    seen.stamp = UINT32_MAX;
    assert_true(add(&seen, (struct node){0, -6}));
    mn_seen_clear(&seen);
    assert_int_equal(seen.stamp, 1);
    assert_false(mn_seen_has(&seen, 0, -5));
    assert_false(mn_seen_has(&seen, 0, -6));
    mn_seen_release(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_was_added),
        cmocka_unit_test(dense_row_ids_become_a_map),
        cmocka_unit_test(stamps_come_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
