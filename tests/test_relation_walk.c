/*
 * Tests of index/relation/walk: random graphs over two tables, against distances that are found by
 * trying every edge until nothing changes.
 */
#include "index/relation/walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/test.h"

enum { NODES = 40, EDGES_MAX = 200, RELATIONS = 3, FAR = 1000000 };

struct edge {
    uint32_t relation;
    int64_t src, dst;
};

/* Relation 0 stays in table 0, relation 1 goes from table 0 to 1, relation 2 from 1 to 0. */
struct graph {
    struct mn_store *store;
    struct mn_view *view;
    struct mn_table relations[RELATIONS];
    struct edge edges[EDGES_MAX];
    size_t edge_count;
};

static const uint32_t relation_from[RELATIONS] = {0, 0, 1};
static const uint32_t relation_to[RELATIONS] = {0, 1, 0};

/* Row ids lie on both sides of zero, far apart or side by side. */
static int64_t row_id_step;

static int64_t row_id_of(size_t node)
{
    return ((int64_t)node - NODES / 2) * row_id_step;
}

static void graph_open(struct graph *g, uint64_t *seed, size_t edges)
{
    struct mn_store_options options = {.flags = MN_STORE_CREATE, .hooks = mn_tree_hooks()};

    memset(g, 0, sizeof *g);
    assert_int_equal(mn_store_open(&options, &g->store), MN_OK);
    assert_int_equal(mn_write_begin(g->store, 0, &g->view), MN_OK);
    for (size_t i = 0; i < RELATIONS; i++) {
        g->relations[i].relation = true;
        g->relations[i].name = "r";
        assert_int_equal(mn_tree_create(g->view, &g->relations[i].forward_tree), MN_OK);
        assert_int_equal(mn_tree_create(g->view, &g->relations[i].backward_tree), MN_OK);
    }
    for (size_t i = 0; i < edges; i++) {
        struct edge *edge = &g->edges[g->edge_count++];

        edge->relation = (uint32_t)(test_random(seed) % RELATIONS);
        edge->src = (int64_t)(test_random(seed) % NODES);
        edge->dst = (int64_t)(test_random(seed) % NODES);
        assert_int_equal(mn_edge_put(g->view, &g->relations[edge->relation],
                                     row_id_of((size_t)edge->src), row_id_of((size_t)edge->dst),
                                     (int64_t)i),
                         MN_OK);
    }
}

static void graph_close(struct graph *g)
{
    mn_write_abort(g->view);
    assert_int_equal(mn_store_close(g->store), MN_OK);
}

/* Edges with an odd id are closed to some walks. */
static bool edge_is_open(int64_t id, bool odd_closed)
{
    return !odd_closed || id % 2 == 0;
}

static enum mn_status admit_even(void *context, const struct mn_hop *hop,
                                 const struct mn_edge *edge, bool *yes)
{
    (void)context;
    (void)hop;
    *yes = edge_is_open(edge->edge, true);
    return MN_OK;
}

/* One question, and its answer by the model. */
struct question {
    struct mn_hop hops[2 * RELATIONS];
    uint32_t hop_count;
    uint64_t depth_min, depth_max;
    bool odd_closed;
    uint32_t start_table, end_table;
    size_t start;
    uint64_t depth[2][NODES]; /* of each node of each table; FAR: not reached */
};

static void model_relax(const struct graph *g, struct question *q, bool *changed)
{
    for (uint32_t h = 0; h < q->hop_count; h++) {
        const struct mn_hop *hop = &q->hops[h];

        for (size_t i = 0; i < g->edge_count; i++) {
            const struct edge *edge = &g->edges[i];
            bool out = hop->direction == MN_EDGE_OUT;
            size_t from = (size_t)(out ? edge->src : edge->dst);
            size_t to = (size_t)(out ? edge->dst : edge->src);

            if (hop->relation != &g->relations[edge->relation]) continue;
            if (!edge_is_open((int64_t)i, q->odd_closed)) continue;
            bool begins = hop->from == q->start_table && from == q->start;
            uint64_t least = begins ? 1 : q->depth[hop->from][from] + 1;
            if (least >= q->depth[hop->to][to]) continue;
            q->depth[hop->to][to] = least;
            *changed = true;
        }
    }
}

static void model_answer(const struct graph *g, struct question *q)
{
    bool changed = true;

    for (size_t i = 0; i < 2 * NODES; i++) q->depth[i / NODES][i % NODES] = FAR;
    if (q->depth_min == 0) q->depth[q->start_table][q->start] = 0;
    while (changed) {
        changed = false;
        model_relax(g, q, &changed);
    }
}

static void question_draw(const struct graph *g, struct question *q, uint64_t *seed)
{
    q->hop_count = 0;
    for (uint32_t r = 0; r < RELATIONS; r++) {
        uint64_t how = test_random(seed) % 4;

        if (how & 1) {
            q->hops[q->hop_count++] =
                (struct mn_hop){&g->relations[r], MN_EDGE_OUT, relation_from[r], relation_to[r]};
        }
        if (how & 2) {
            q->hops[q->hop_count++] =
                (struct mn_hop){&g->relations[r], MN_EDGE_IN, relation_to[r], relation_from[r]};
        }
    }
    q->depth_min = test_random(seed) % 4;
    q->depth_max = test_random(seed) % 3 ? q->depth_min + test_random(seed) % 4 : UINT64_MAX;
    q->odd_closed = test_random(seed) % 3 == 0;
    q->start_table = (uint32_t)(test_random(seed) % 2);
    q->end_table = (uint32_t)(test_random(seed) % 2);
    q->start = test_random(seed) % NODES;
}

static void walk_compare(struct mn_walk *walk, const struct question *q)
{
    bool given[NODES] = {false}, found = true;
    uint64_t last = 0;
    size_t count = 0, want = 0;
    struct mn_node start = {row_id_of(q->start), q->start_table};

    assert_int_equal(mn_walk_start(walk, start, q->depth_min, q->depth_max), MN_OK);
    while (true) {
        int64_t row_id = 0;
        uint64_t depth = 0;

        assert_int_equal(mn_walk_next(walk, &row_id, &depth, &found), MN_OK);
        if (!found) break;
        size_t node = 0;
        while (node < NODES && row_id_of(node) != row_id) node++;
        assert_true(node < NODES && !given[node]);
        given[node] = true;
        count++;
        assert_true(depth >= last);
        last = depth;
        assert_int_equal(depth, q->depth[q->end_table][node]);
    }
    for (size_t i = 0; i < NODES; i++) {
        uint64_t depth = q->depth[q->end_table][i];
        if (depth != FAR && depth >= q->depth_min && depth <= q->depth_max) want++;
    }
    assert_int_equal(count, want);
}

/* The same number by mn_walk_count, after some of the nodes were given one by one. */
static void walk_count_compare(struct mn_walk *walk, const struct question *q, uint64_t given)
{
    struct mn_node start = {row_id_of(q->start), q->start_table};
    uint64_t count = 0, want = 0, depth;
    int64_t row_id;
    bool found = true;

    for (size_t i = 0; i < NODES; i++) {
        depth = q->depth[q->end_table][i];
        want += depth != FAR && depth >= q->depth_min && depth <= q->depth_max;
    }
    if (given > want) given = want;
    assert_int_equal(mn_walk_start(walk, start, q->depth_min, q->depth_max), MN_OK);
    for (uint64_t i = 0; i < given; i++) {
        assert_int_equal(mn_walk_next(walk, &row_id, &depth, &found), MN_OK);
        assert_true(found);
    }
    assert_int_equal(mn_walk_count(walk, &count), MN_OK);
    assert_int_equal(given + count, want);
    assert_int_equal(mn_walk_next(walk, &row_id, &depth, &found), MN_OK);
    assert_false(found);
}

static void every_node_comes_once_at_its_least_depth(void **state)
{
    uint64_t seed = test_seed();
    struct graph *g = malloc(sizeof *g);
    struct question *q = malloc(sizeof *q);

    (void)state;
    assert_true(g && q);
    for (size_t round = 0; round < 60; round++) {
        row_id_step = round % 2 ? INT64_C(100000000007) : 1 + (int64_t)round / 2;
        graph_open(g, &seed, 5 + test_random(&seed) % (EDGES_MAX - 5));
        for (size_t ask = 0; ask < 40; ask++) {
            struct mn_walk *walk;

            question_draw(g, q, &seed);
            struct mn_walk_options options = {.view = g->view,
                                              .hops = q->hops,
                                              .hop_count = q->hop_count,
                                              .end_table = q->end_table,
                                              .admit = q->odd_closed ? admit_even : NULL};
            assert_int_equal(mn_walk_open(&options, &walk), MN_OK);
            for (size_t again = 0; again < 3; again++) { /* a walk may be begun anew */
                q->start = test_random(&seed) % NODES;
                model_answer(g, q);
                walk_compare(walk, q);
                walk_count_compare(walk, q, again * (test_random(&seed) % NODES));
            }
            mn_walk_close(walk);
        }
        graph_close(g);
    }
    free(g);
    free(q);
}

static void walk_keeps_to_its_memory(void **state)
{
    uint64_t seed = test_seed();
    struct graph *g = malloc(sizeof *g);
    struct mn_walk *walk;
    int64_t row_id;
    uint64_t depth;
    bool found = true;
    enum mn_status status;

    (void)state;
    assert_non_null(g);
    row_id_step = INT64_C(100000000007);
    graph_open(g, &seed, EDGES_MAX);
    struct mn_hop hop = {&g->relations[0], MN_EDGE_OUT, 0, 0};
    struct mn_walk_options options = {
        .view = g->view, .hops = &hop, .hop_count = 1, .memory_limit = 1300};
    assert_int_equal(mn_walk_open(&options, &walk), MN_OK);
    status = mn_walk_start(walk, (struct mn_node){row_id_of(3), 0}, 0, UINT64_MAX);
    while (status == MN_OK && found) status = mn_walk_next(walk, &row_id, &depth, &found);
    assert_int_equal(status, MN_NOMEM);
    assert_non_null(strstr(mn_error_last()->message, "memory_limit"));
    mn_walk_close(walk);
    graph_close(g);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_comes_once_at_its_least_depth),
        cmocka_unit_test(walk_keeps_to_its_memory),
    };

    return cmocka_run_group_tests_name("relation/walk", tests, NULL, NULL);
}
