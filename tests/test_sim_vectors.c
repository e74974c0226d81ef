/*
 * Crash walk over a coded vector index: rows come, change and go, clusters are cut and merged, and
 * at writes, syncs and resizes the power fails. Each file that may be left is opened, must hold one
 * of the two states that may be there, with every code, place and count right, and must answer as
 * brute force does.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "index/build.h"
#include "index/check.h"
#include "index/row.h"
#include "index/vector/ann_inside.h"
#include "index/vector/ann_search.h"
#include "os/sim.h"
#include "support/base.h"
#include "support/losses.h"
#include "support/test.h"

enum { DIMS = 5, IDS = 260, K = 7 };

struct rows {
    bool there[IDS];
    float vectors[IDS][DIMS];
};

struct walk {
    uint64_t seed, random;
    uint32_t page_size;
    struct mn_os *os;
    struct rows acked, flying;
    bool committing, moving; /* moving: clusters were cut or merged in this commit */
    uint64_t states, moving_states;
    bool broken;
    struct losses losses;
};

static void walk_broken(struct walk *walk, const char *what)
{
    if (!walk->broken) {
        print_error("crash walk: %s (seed %" PRIu64 ", page size %u, state %" PRIu64 "): %s\n",
                    what, walk->seed, walk->page_size, walk->states, mn_error_last()->message);
    }
    walk->broken = true;
}

static struct mn_store *walk_open(struct walk *walk, struct mn_os *os)
{
    struct mn_store_options options = {.path = "walk",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = walk->page_size,
                                       .grow_bytes = 16 << 10,
                                       .os = os,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store = NULL;

    if (mn_store_open(&options, &store)) walk_broken(walk, "cannot open");
    return store;
}

static enum mn_status problem_print(void *context, const struct mn_check_problem *problem)
{
    (void)context;
    print_error("%s: row %lld: %s\n", problem->index ? problem->index : "",
                (long long)problem->row_id, problem->message);
    return MN_OK;
}

static struct mn_ann ann_of(struct mn_view *view, const struct mn_schema *schema)
{
    struct mn_ann ann;

    assert_int_equal(mn_ann_init(&ann, view, &test_table(schema, "t")->indexes[0]), MN_OK);
    return ann;
}

static bool rows_equal(struct mn_view *view, const struct mn_schema *schema,
                       const struct rows *rows)
{
    struct mn_ann ann = ann_of(view, schema);
    uint64_t count = 0, wanted = 0;

    if (mn_tree_count(view, test_table(schema, "t")->tree, &count) != MN_OK) return false;
    for (int i = 0; i < IDS; i++) {
        const float *vector;

        wanted += rows->there[i];
        if (mn_slab_get(&ann.vectors, i, &vector) != MN_OK) return false;
        if ((vector != NULL) != rows->there[i]) return false;
        if (vector && memcmp(vector, rows->vectors[i], sizeof rows->vectors[i]) != 0) return false;
    }
    return count == wanted;
}

/* The nearest by the index, exactly, against the nearest of all vectors. */
static bool answers_as_brute_force(struct walk *walk, const struct mn_ann *ann)
{
    float query[DIMS];
    struct mn_search *by_codes, *by_vectors;
    struct mn_ann_counts counts = {0};
    size_t coded, plain;
    bool served, equal;

    for (int i = 0; i < DIMS; i++) query[i] = (float)(test_random(&walk->random) % 64) / 8 - 4;
    struct mn_ann_query ask = {
        .search = {.metric = MN_METRIC_L2, .query = query, .dims = DIMS, .k = K, .within = 1e30},
        .prefix = mn_bytes_of("", 0),
        .exact = true,
    };
    assert_int_equal(mn_search_open(&ask.search, &by_codes), MN_OK);
    assert_int_equal(mn_search_open(&ask.search, &by_vectors), MN_OK);
    equal = mn_ann_search(ann, &ask, by_codes, &counts, &served) == MN_OK && served &&
            mn_search_settle(by_codes) == MN_OK &&
            mn_search_slabs(by_vectors, &ann->vectors) == MN_OK;
    const struct mn_near *a = mn_search_finish(by_codes, &coded);
    const struct mn_near *b = mn_search_finish(by_vectors, &plain);
    equal = equal && coded == plain;
    for (size_t i = 0; equal && i < coded; i++) {
        equal = a[i].id == b[i].id && a[i].distance == b[i].distance;
    }
    mn_search_release(by_codes);
    mn_search_release(by_vectors);
    return equal;
}

static void state_check(struct walk *walk, struct mn_store *store)
{
    struct mn_check_options options = {problem_print, NULL};
    struct mn_check_counts counts;
    const struct mn_schema *schema;
    struct mn_view *view;
    uint64_t problems = 1;

    if (mn_view_begin_read(store, &view)) {
        walk_broken(walk, "cannot read after recovery");
        return;
    }
    if (mn_rows_check(view, &options, &counts, &problems) || problems) {
        walk_broken(walk, "the check finds faults");
    }
    schema = test_schema(view);
    if (!(walk->committing && rows_equal(view, schema, &walk->flying)) &&
        !rows_equal(view, schema, &walk->acked)) {
        walk_broken(walk, "the state is neither the acknowledged nor the committing one");
    }
    struct mn_ann ann = ann_of(view, schema);
    if (!walk->broken && !answers_as_brute_force(walk, &ann)) {
        walk_broken(walk, "the index answers otherwise than its vectors");
    }
    mn_schema_unref(schema);
    mn_view_end(view);
}

static void state_try(void *context, const struct mn_sim_loss *loss)
{
    struct walk *walk = context;
    struct mn_os *os = mn_sim_crash(walk->os, loss);
    struct mn_store *store;

    assert_non_null(os);
    walk->states++;
    walk->moving_states += walk->committing && walk->moving;
    store = walk_open(walk, os);
    if (store) {
        state_check(walk, store);
        mn_store_close(store);
    }
    mn_machine_free(os);
}

/* ---- changes ---- */

static enum mn_status row_change(struct walk *walk, struct mn_view *view,
                                 const struct mn_table *table)
{
    struct rows *rows = &walk->flying;
    int id = (int)(test_random(&walk->random) % IDS);
    float vector[DIMS];
    uint64_t heap = test_random(&walk->random) % 6;
    int64_t at;

    for (int i = 0; i < DIMS; i++) {
        vector[i] = (float)((heap * 5 + (uint64_t)i * 3) % 7) +
                    (float)(test_random(&walk->random) % 100) / 100;
    }
    struct mn_value values[2] = {mn_int(id), mn_vector(vector, DIMS)};
    if (rows->there[id] && test_random(&walk->random) % 2) {
        struct mn_row_delete gone = {.row_id = id};

        rows->there[id] = false;
        return mn_row_delete(view, table, &gone, NULL, NULL);
    }
    memcpy(rows->vectors[id], vector, sizeof vector);
    if (rows->there[id]) {
        struct mn_row_update update = {.row_id = id, .values = values};

        return mn_row_update(view, table, &update, NULL);
    }
    rows->there[id] = true;
    return mn_row_insert(view, table, values, &at);
}

static uint64_t clusters_sum(const struct mn_ann *ann)
{
    uint64_t count = 0;
    uint32_t next = 0;

    assert_int_equal(mn_slab_check(&ann->centroids, &count), MN_OK);
    if (count) assert_int_equal(mn_ann_next_cluster(ann, &next), MN_OK);
    return count * 100000 + next;
}

static void walk_commit(struct walk *walk, struct mn_store *store)
{
    uint32_t changes = 1 + (uint32_t)(test_random(&walk->random) % 40), id = 0;
    const struct mn_schema *schema;
    struct mn_view *view;

    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    schema = test_schema(view);
    struct mn_ann ann = ann_of(view, schema);
    uint64_t before = clusters_sum(&ann);
    enum mn_status status = mn_savepoint_begin(view, &id);
    walk->flying = walk->acked;
    for (uint32_t i = 0; i < changes && status == MN_OK; i++) {
        status = row_change(walk, view, test_table(schema, "t"));
        if (i == 10 && test_random(&walk->random) % 4 == 0) {
            mn_savepoint_rollback(view, id);
            walk->flying = walk->acked;
        }
    }
    if (status != MN_OK) walk_broken(walk, "cannot change");
    walk->moving = clusters_sum(&ann) != before;
    mn_schema_unref(schema);
    walk->committing = true;
    if (mn_write_commit(view, NULL)) walk_broken(walk, "cannot commit");
    walk->committing = false;
    walk->acked = walk->flying;
}

static void table_make(struct mn_store *store)
{
    struct mn_column columns[] = {
        {.name = "id", .kind = {.type = MN_TYPE_INT}, .not_null = true},
        {.name = "e", .kind = {.type = MN_TYPE_VECTOR, .dims = DIMS}},
    };
    struct mn_index_column key = {.column = 0}, on = {.column = 1};
    struct mn_table_def def = {.name = "t",
                               .column_count = 2,
                               .columns = columns,
                               .primary = {.column_count = 1, .columns = &key}};
    const uint32_t covers[] = {0};
    struct mn_option metric = {.name = "metric", .value = mn_text("l2", 2)};
    struct mn_index_def index = {.name = "v",
                                 .table = "t",
                                 .kind = MN_INDEX_VECTOR,
                                 .column_count = 1,
                                 .columns = &on,
                                 .option_count = 1,
                                 .options = &metric,
                                 .cover_count = 1,
                                 .covers = covers};
    struct mn_view *view;

    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_OK);
    assert_int_equal(mn_index_create(view, &index), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

static void walk_run(struct walk *walk, unsigned commits)
{
    struct mn_store *store;

    walk->os = mn_machine_new(walk->seed, 16 << 20);
    store = walk_open(walk, walk->os);
    assert_non_null(store);
    table_make(store);
    walk->losses = (struct losses){.os = walk->os,
                                   .path = "walk",
                                   .random = walk->seed,
                                   .stop = &walk->broken,
                                   .look = state_try,
                                   .context = walk};
    losses_begin(&walk->losses);
    for (unsigned i = 0; i < commits && !walk->broken; i++) {
        walk_commit(walk, store);
        if (i % 8 == 7 && !walk->broken) {
            mn_store_close(store);
            store = walk_open(walk, walk->os);
            if (!store) break;
            state_check(walk, store);
        }
    }
    if (store) mn_store_close(store);
    mn_machine_free(walk->os);
    assert_false(walk->broken);
}

static void every_crash_leaves_a_whole_index(void **state)
{
    unsigned walks = test_is_deep() ? 24 : 4, commits = test_is_deep() ? 60 : 30;
    uint64_t states = 0, moving = 0;

    (void)state;
    mn_ann_limits = (struct mn_ann_limits){.flat_max = 40,
                                           .cluster_max = 12,
                                           .cluster_min = 4,
                                           .cluster_rows = 8,
                                           .few_vectors = 4,
                                           .few_passing = 4};
    for (unsigned i = 0; i < walks; i++) {
        struct walk *walk = calloc(1, sizeof *walk);

        assert_non_null(walk);
        walk->seed = walk->random = test_seed() + i;
        walk->page_size = 512u << i % 4;
        walk_run(walk, commits);
        states += walk->states;
        moving += walk->moving_states;
        free(walk);
    }
    print_message("             %" PRIu64 " crash states, %" PRIu64
                  " of them with clusters being cut or merged\n",
                  states, moving);
    assert_true(moving > (test_is_deep() ? 20000 : 100));
}

/* ---- a snapshot ---- */

enum { ASKED = 40 };

struct answer {
    size_t count;
    struct mn_near near[K];
    struct mn_ann_counts counts;
};

static void answers_take(const struct mn_ann *ann, uint64_t seed, struct answer *answers)
{
    for (int i = 0; i < ASKED; i++) {
        float query[DIMS];
        struct mn_search *search;
        size_t count;
        bool served;

        for (int d = 0; d < DIMS; d++) query[d] = (float)(test_random(&seed) % 64) / 8 - 4;
        struct mn_ann_query ask = {
            .search =
                {.metric = MN_METRIC_L2, .query = query, .dims = DIMS, .k = K, .within = 1e30},
            .prefix = mn_bytes_of("", 0),
            .effort = 3,
            .exact = i % 2 == 0,
        };
        memset(&answers[i], 0, sizeof answers[i]);
        assert_int_equal(mn_search_open(&ask.search, &search), MN_OK);
        assert_int_equal(mn_ann_search(ann, &ask, search, &answers[i].counts, &served), MN_OK);
        assert_int_equal(mn_search_settle(search), MN_OK);
        const struct mn_near *near = mn_search_finish(search, &count);
        answers[i].count = count;
        memcpy(answers[i].near, near, count * sizeof *near);
        mn_search_release(search);
    }
}

/* The same rows, distances, lists and codes, to the bit. */
static void a_snapshot_answers_the_same_after_a_thousand_commits(void **state)
{
    static struct answer before[ASKED], after[ASKED];
    struct walk *walk = calloc(1, sizeof *walk);
    const struct mn_schema *schema;
    struct mn_store *store;
    struct mn_view *view;

    (void)state;
    assert_non_null(walk);
    walk->seed = walk->random = test_seed() + 77;
    walk->page_size = 1024;
    walk->os = mn_machine_new(walk->seed, 256 << 20);
    store = walk_open(walk, walk->os);
    assert_non_null(store);
    table_make(store);
    for (int i = 0; i < 40; i++) walk_commit(walk, store);
    assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
    schema = test_schema(view);
    struct mn_ann ann = ann_of(view, schema);
    answers_take(&ann, 5, before);
    uint64_t clusters = clusters_sum(&ann), moves = 0;
    for (int i = 0; i < 1000; i++) {
        walk_commit(walk, store);
        moves += walk->moving;
    }
    answers_take(&ann, 5, after);
    assert_memory_equal(before, after, sizeof before);
    assert_true(clusters_sum(&ann) == clusters && moves > 50);
    mn_schema_unref(schema);
    mn_view_end(view);
    state_check(walk, store);
    mn_store_close(store);
    mn_machine_free(walk->os);
    assert_false(walk->broken);
    free(walk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_crash_leaves_a_whole_index),
        cmocka_unit_test(a_snapshot_answers_the_same_after_a_thousand_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
