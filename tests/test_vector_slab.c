/*
 * Tests of index/vector/slab: a model that keeps each row's number, by which its vector is made.
 */
#include "index/vector/slab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "index/vector/slab_node.h"
#include "support/test.h"

enum { SPAN = 3000 };

/* A database in memory, and its writer. */
struct slab_world {
    struct mn_store *store;
    struct mn_view *view;
};

/* What each row's vector was made of; 0: it has none. */
struct model {
    struct mn_slabs slabs;
    uint32_t made[SPAN];
    int64_t spread, origin; /* row i of the model has the id origin + i * spread */
    float *vector;
};

static int64_t model_id(const struct model *m, size_t i)
{
    return (int64_t)((uint64_t)m->origin + (uint64_t)i * (uint64_t)m->spread);
}

static float element_of(uint32_t made, size_t j)
{
    return (float)((made * 2654435761u + (uint32_t)j * 40503u) % 1000003u) / 7.0f;
}

static void model_put(struct model *m, size_t i, uint32_t made)
{
    for (size_t j = 0; j < m->slabs.dims; j++) m->vector[j] = element_of(made, j);
    assert_int_equal(mn_slab_put(&m->slabs, model_id(m, i), m->vector), MN_OK);
    m->made[i] = made;
}

static void model_delete(struct model *m, size_t i)
{
    bool found;

    assert_int_equal(mn_slab_delete(&m->slabs, model_id(m, i), &found), MN_OK);
    assert_int_equal(found, m->made[i] != 0);
    m->made[i] = 0;
}

static void vector_compare(const struct model *m, const float *vector, size_t i)
{
    if (!vector || m->made[i] == 0) {
        assert_true(!vector && m->made[i] == 0);
        return;
    }
    for (size_t j = 0; j < m->slabs.dims; j++) {
        assert_true(vector[j] == element_of(m->made[i], j));
    }
}

/* Every way of reading gives the model. */
static void model_compare(const struct model *m)
{
    int64_t ids[SPAN];
    const float *vectors[SPAN];
    struct mn_slab_scan *scan;
    struct mn_slab_block block;
    bool found = true;
    size_t at = 0;
    uint64_t count, want = 0;

    assert_int_equal(mn_slab_scan_open(&m->slabs, &scan), MN_OK);
    while (mn_slab_scan_next(scan, &block, &found) == MN_OK && found) {
        for (size_t i = 0; i < block.count; i++, at++) {
            while (at < SPAN && m->made[at] == 0) at++;
            assert_true(at < SPAN && mn_slab_block_row(&block, i) == model_id(m, at));
            vector_compare(m, block.base + i * block.stride, at);
            want++;
        }
    }
    while (at < SPAN && m->made[at] == 0) at++;
    assert_int_equal(at, SPAN);
    for (size_t i = 0; i < SPAN; i++) ids[i] = model_id(m, i);
    assert_int_equal(mn_slab_scan_gather(scan, ids, SPAN, vectors), MN_OK);
    for (size_t i = 0; i < SPAN; i++) vector_compare(m, vectors[i], i);
    mn_slab_scan_close(scan);
    assert_int_equal(mn_slab_check(&m->slabs, &count), MN_OK);
    assert_int_equal(count, want);
}

static void model_open(struct model *m, struct mn_view *view, uint32_t dims)
{
    memset(m, 0, sizeof *m);
    m->slabs = (struct mn_slabs){view, 0, dims, false};
    m->spread = 1;
    m->vector = malloc(dims * sizeof(float));
    assert_non_null(m->vector);
    assert_int_equal(mn_slab_create(view, &m->slabs.tree), MN_OK);
}

/* Puts, replacements and deletes at random places, in phases that grow, churn and shrink. */
static void model_churn(struct model *m, uint64_t *seed)
{
    static const unsigned deletes_of_10[] = {1, 5, 9, 3, 9};
    size_t span = m->slabs.dims > 1000 ? 200 : SPAN;
    size_t steps = m->slabs.dims > 1000 ? 100 : 700;

    for (size_t phase = 0; phase < 5; phase++) {
        for (size_t step = 0; step < steps; step++) {
            size_t i = test_random(seed) % span;
            /* Half of the time a neighbourhood is worked on, so that slabs empty and fill. */
            if (step % 2) i = (phase * 97 + step / 8) % span;
            if (test_random(seed) % 10 < deletes_of_10[phase])
                model_delete(m, i);
            else
                model_put(m, i, (uint32_t)(test_random(seed) >> 33) | 1);
        }
        model_compare(m);
    }
    for (size_t i = 0; i < span; i++) model_delete(m, i);
    model_compare(m);
}

static void churn_equals_the_model(void **state)
{
    static const uint32_t dims[] = {1, 3, 100, 512, 1500, MN_VECTOR_DIMS_MAX};
    static const int64_t spreads[] = {1, 2, 1000, INT64_C(6148914691236517)};
    struct slab_world *world = *state;
    uint64_t seed = test_seed();
    struct model *m = malloc(sizeof *m);

    assert_non_null(m);
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        for (size_t s = 0; s < sizeof spreads / sizeof *spreads; s++) {
            model_open(m, world->view, dims[d]);
            m->spread = spreads[s];
            m->origin = s == 3 ? INT64_MIN : -1000;
            model_churn(m, &seed);
            free(m->vector);
        }
    }
    free(m);
}

static void rows_in_order_fill_slabs_to_the_brim(void **state)
{
    struct slab_world *world = *state;
    struct model *m = malloc(sizeof *m);
    uint64_t slabs;

    assert_non_null(m);
    model_open(m, world->view, 100);
    for (size_t i = 0; i < SPAN; i++) model_put(m, i, (uint32_t)i + 1);
    model_compare(m);
    assert_int_equal(mn_tree_count(world->view, m->slabs.tree, &slabs), MN_OK);
    /* 8,000 of 8,192 bytes, and at the end a full one of 4,000 with less behind it */
    assert_int_equal(slabs, (SPAN + 19) / 20 + (SPAN % 20 > 10));
    free(m->vector);
    model_open(m, world->view, 100);
    for (size_t i = SPAN; i-- > 0;) model_put(m, i, (uint32_t)i + 1);
    model_compare(m);
    free(m->vector);
    free(m);
}

static void bulk_gives_the_same_as_puts(void **state)
{
    static const uint32_t dims[] = {2, 100, 700, 5000};
    struct slab_world *world = *state;
    struct model *m = malloc(sizeof *m);
    struct mn_slab_bulk *bulk;
    uint64_t seed = test_seed();

    assert_non_null(m);
    for (size_t d = 0; d < 4; d++) {
        model_open(m, world->view, dims[d]);
        m->spread = d == 1 ? 1 : 77777777777;
        for (size_t part = 0; part < 3; part++) {
            assert_int_equal(mn_slab_bulk_begin(&m->slabs, &bulk), MN_OK);
            for (size_t i = part * 300; i < part * 300 + 300; i++) {
                if (d && test_random(&seed) % 3 == 0) continue;
                m->made[i] = (uint32_t)i + 7;
                for (size_t j = 0; j < dims[d]; j++) m->vector[j] = element_of(m->made[i], j);
                assert_int_equal(mn_slab_bulk_add(bulk, model_id(m, i), m->vector), MN_OK);
            }
            assert_int_equal(mn_slab_bulk_end(bulk), MN_OK);
            model_compare(m);
        }
        assert_int_equal(mn_slab_bulk_begin(&m->slabs, &bulk), MN_OK);
        assert_int_equal(mn_slab_bulk_add(bulk, model_id(m, 600), m->vector), MN_MISUSE);
        mn_slab_bulk_abort(bulk);
        model_churn(m, &seed);
        free(m->vector);
    }
    free(m);
}

/* What is committed is what a reader of the new version finds, and the old reader does not. */
static void readers_keep_their_version(void **state)
{
    struct slab_world *world = *state;
    struct model *before = malloc(sizeof *before), *after = malloc(sizeof *after);
    struct mn_view *old, *new;

    assert_true(before && after);
    model_open(before, world->view, 100);
    for (size_t i = 0; i < 500; i++) model_put(before, i, (uint32_t)i + 1);
    assert_int_equal(mn_write_commit(world->view, NULL), MN_OK);
    assert_int_equal(mn_view_begin_read(world->store, &old), MN_OK);
    assert_int_equal(mn_write_begin(world->store, 0, &world->view), MN_OK);
    *after = *before;
    after->slabs.view = world->view;
    for (size_t i = 0; i < 500; i += 3) model_delete(after, i);
    for (size_t i = 400; i < 900; i++) model_put(after, i, (uint32_t)i + 77);
    model_compare(after);
    assert_int_equal(mn_write_commit(world->view, NULL), MN_OK);
    assert_int_equal(mn_view_begin_read(world->store, &new), MN_OK);
    before->slabs.view = old;
    model_compare(before);
    after->slabs.view = new;
    model_compare(after);
    mn_view_end(old);
    mn_view_end(new);
    assert_int_equal(mn_write_begin(world->store, 0, &world->view), MN_OK);
    free(before->vector);
    free(before);
    free(after);
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    struct slab_world *world = *state;
    struct mn_slabs slabs = {world->view, 0, 3, false};
    float vector[3] = {1, 2, NAN};
    const float *back;

    assert_int_equal(mn_slab_create(world->view, &slabs.tree), MN_OK);
    assert_int_equal(mn_slab_put(&slabs, 4, vector), MN_RANGE);
    vector[2] = INFINITY;
    assert_int_equal(mn_slab_put(&slabs, 4, vector), MN_RANGE);
    assert_int_equal(mn_slab_get(&slabs, 4, &back), MN_OK);
    assert_null(back);
    vector[2] = -0.0f;
    assert_int_equal(mn_slab_put(&slabs, 4, vector), MN_OK);
    assert_int_equal(mn_slab_get(&slabs, 4, &back), MN_OK);
    assert_memory_equal(back, vector, sizeof vector);
}

/* Each byte of a list changed to each of some values is decoded or refused, never more. */
static void damaged_lists_are_answered(void **state)
{
    struct slab_world *world = *state;
    struct mn_slabs slabs = {world->view, 0, 4, false};
    int64_t ids[60];
    uint8_t bytes[MN_SLAB_INLINE_BYTES], key[MN_SLAB_KEY_BYTES];
    struct mn_slab *slab = malloc(sizeof *slab);
    static uint8_t run[4096];
    size_t refused = 0;

    assert_non_null(slab);
    for (int i = 0; i < 60; i++) ids[i] = INT64_MAX - 60 * 60 + i * i;
    mn_slab_key_write(key, ids[0]);
    size_t size = mn_slab_encode(ids, 60, bytes);
    for (size_t at = 0; at < size * 8; at++) {
        struct mn_item item = {mn_slab_key(key), {bytes, size}, {run, sizeof run}};

        bytes[at / 8] ^= (uint8_t)(1u << at % 8);
        enum mn_status status = mn_slab_read(&slabs, &item, slab);
        if (status != MN_OK) assert_int_equal(status, MN_CORRUPT);
        refused += status != MN_OK;
        bytes[at / 8] ^= (uint8_t)(1u << at % 8);
        item.value.len = at / 8;
        assert_int_equal(mn_slab_read(&slabs, &item, slab), MN_CORRUPT);
    }
    assert_true(refused > 50);
    free(slab);
}

static int slab_world_open(void **state)
{
    static struct slab_world world;
    struct mn_store_options options = {.flags = MN_STORE_CREATE, .hooks = mn_tree_hooks()};

    if (mn_store_open(&options, &world.store) != MN_OK) return -1;
    *state = &world;
    return mn_write_begin(world.store, 0, &world.view) == MN_OK ? 0 : -1;
}

static int slab_world_close(void **state)
{
    struct slab_world *world = *state;

    if (mn_write_commit(world->view, NULL) != MN_OK) return -1;
    return mn_store_close(world->store) == MN_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(churn_equals_the_model),
        cmocka_unit_test(rows_in_order_fill_slabs_to_the_brim),
        cmocka_unit_test(bulk_gives_the_same_as_puts),
        cmocka_unit_test(readers_keep_their_version),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(damaged_lists_are_answered),
    };

    return cmocka_run_group_tests_name("vector/slab", tests, slab_world_open, slab_world_close);
}
