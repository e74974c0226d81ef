/*
 * Tests of how large a file grows: random overwrites and deletes while a reader holds an old
 * version, and after it has gone.
 *
 * What a held version may cost is one copy of what it saw, however many commits go by; and once it
 * is released the file must come back near the size of the same rows loaded in one go, by ordinary
 * commits alone. The file is one in memory, where a sync costs nothing: sizes are the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btree/tree.h"
#include "os/sim.h"
#include "support/forest.h"
#include "support/test.h"

struct scale {
    uint32_t keys, per_commit;
    uint32_t before, held, after; /* commits */
    uint32_t sample;              /* commits between two looks at the size */
};

/* 10,000,000 changes in 200,000 commits; the short form has the same shape at a fiftieth. */
static const struct scale deep = {100000, 50, 20000, 100000, 80000, 1000};
static const struct scale quick = {30000, 20, 2500, 7500, 6000, 50};

enum { VALUE_LEAST = 40, VALUE_SPREAD = 121, DELETE_SHARE = 4 };

/* What a file has beside its pages: a step of growth, the log of the space map. It weighs in the
 * short form alone. */
static uint64_t slack_bytes(void)
{
    return test_is_deep() ? 0 : 1 << 20;
}

struct world {
    struct mn_store *store;
    uint64_t tree, random;
    uint16_t *lengths; /* by key; 0: the row is not there */
    uint32_t *seeds;
    uint64_t rows;
    const struct scale *scale;
};

/* A file of the simulated machine, or without one a database in memory. */
static struct mn_store *store_open(struct mn_os *os)
{
    struct mn_store_options options = {.path = os ? "file" : NULL,
                                       .flags = os ? MN_STORE_CREATE : 0,
                                       .os = os,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store;

    assert_int_equal(mn_store_open(&options, &store), MN_OK);
    return store;
}

static void value_fill(uint8_t *value, uint32_t seed, uint32_t length)
{
    uint64_t random = (uint64_t)seed * 2 + 1;

    for (uint32_t i = 0; i < length; i++) {
        if (i % 8 == 0) test_random(&random);
        value[i] = (uint8_t)(random >> (i % 8 * 8));
    }
}

static void change(struct world *w, struct mn_view *view)
{
    uint32_t at = (uint32_t)(test_random(&w->random) % w->scale->keys);
    uint8_t key[8], value[VALUE_LEAST + VALUE_SPREAD];
    uint64_t draw = test_random(&w->random);

    mn_put_u64_be(key, at);
    if (draw % DELETE_SHARE == 0) {
        assert_int_equal(mn_tree_delete(view, w->tree, mn_bytes_of(key, 8), NULL), MN_OK);
        w->rows -= w->lengths[at] != 0;
        w->lengths[at] = 0;
        return;
    }
    w->rows += w->lengths[at] == 0;
    w->lengths[at] = (uint16_t)(VALUE_LEAST + (draw >> 8) % VALUE_SPREAD);
    w->seeds[at] = (uint32_t)(draw >> 32);
    value_fill(value, w->seeds[at], w->lengths[at]);
    assert_int_equal(mn_tree_put(view, w->tree, mn_bytes_of(key, 8),
                                 mn_bytes_of(value, w->lengths[at]), MN_PUT_UPSERT),
                     MN_OK);
}

/* Every row as the model has it, and none else. */
static void rows_equal(struct world *w)
{
    struct mn_view *view;
    struct mn_cursor *cursor;
    bool found;

    assert_int_equal(mn_view_begin_read(w->store, &view), MN_OK);
    assert_int_equal(mn_cursor_open(view, w->tree, &cursor), MN_OK);
    assert_int_equal(mn_cursor_first(cursor, &found), MN_OK);
    for (uint32_t at = 0; at < w->scale->keys; at++) {
        uint8_t value[VALUE_LEAST + VALUE_SPREAD];
        struct mn_item item;

        if (w->lengths[at] == 0) continue;
        assert_true(found);
        assert_int_equal(mn_cursor_item(cursor, &item), MN_OK);
        value_fill(value, w->seeds[at], w->lengths[at]);
        assert_int_equal(mn_get_u64_be(item.key.data), at);
        assert_int_equal(item.value.len, w->lengths[at]);
        assert_memory_equal(item.value.data, value, item.value.len);
        assert_int_equal(mn_cursor_next(cursor, &found), MN_OK);
    }
    assert_false(found);
    mn_cursor_close(cursor);
    mn_view_end(view);
    assert_int_equal(forest_check(w->store, true), 0);
}

/* Bytes that the newest version uses, and the file's size. */
static uint64_t used_bytes(struct world *w, uint64_t *file_bytes)
{
    struct mn_store_stats stats;

    assert_int_equal(mn_store_stat(w->store, &stats), MN_OK);
    *file_bytes = stats.file_bytes;
    return (stats.page_count - stats.free_pages - stats.pending_pages) * stats.page_size;
}

/* The file that a bulk load of the same rows makes. */
static uint64_t loaded_bytes(const struct world *w)
{
    struct world to = {.store = store_open(NULL), .scale = w->scale};
    struct mn_view *view;
    struct mn_bulk *bulk;
    uint64_t file_bytes, used;

    assert_int_equal(mn_write_begin(to.store, 0, &view), MN_OK);
    assert_int_equal(mn_tree_create(view, &to.tree), MN_OK);
    assert_int_equal(mn_bulk_begin(view, to.tree, &bulk), MN_OK);
    for (uint32_t at = 0; at < w->scale->keys; at++) {
        uint8_t key[8], value[VALUE_LEAST + VALUE_SPREAD];

        if (w->lengths[at] == 0) continue;
        mn_put_u64_be(key, at);
        value_fill(value, w->seeds[at], w->lengths[at]);
        assert_int_equal(mn_bulk_add(bulk, mn_bytes_of(key, 8), mn_bytes_of(value, w->lengths[at])),
                         MN_OK);
    }
    assert_int_equal(mn_bulk_end(bulk), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    used = used_bytes(&to, &file_bytes);
    assert_int_equal(mn_store_close(to.store), MN_OK);
    return used;
}

struct extremes {
    uint64_t file_most;
    double worst; /* file over what it may be */
};

/* Commits; every few of them the file is measured against live data and `saw`. */
static struct extremes commits(struct world *w, uint32_t count, uint64_t saw)
{
    struct extremes e = {0};

    for (uint32_t c = 0; c < count; c++) {
        struct mn_view *view;
        uint64_t live, file;
        double ratio;

        assert_int_equal(mn_write_begin(w->store, 0, &view), MN_OK);
        for (uint32_t i = 0; i < w->scale->per_commit; i++) change(w, view);
        assert_int_equal(mn_write_commit(view, NULL), MN_OK);
        if (c % w->scale->sample && c + 1 < count) continue;
        live = used_bytes(w, &file);
        ratio = (double)(file - slack_bytes()) / (double)(live + saw);
        if (ratio > e.worst) e.worst = ratio;
        if (file > e.file_most) e.file_most = file;
    }
    return e;
}

/* First while a reader holds what compacting would free, then without it. */
static void compacted(struct world *w, uint64_t loaded)
{
    struct mn_compact_result result;
    struct mn_view *reader;
    uint64_t live, file, before;

    used_bytes(w, &before);
    assert_int_equal(mn_view_begin_read(w->store, &reader), MN_OK);
    assert_int_equal(mn_tree_compact(w->store, NULL, NULL, &result), MN_OK);
    live = used_bytes(w, &file);
    printf("compacted while held: live %llu, file %llu -> %llu, %llu pages written, held by %llu\n",
           (unsigned long long)live, (unsigned long long)result.before_bytes,
           (unsigned long long)result.after_bytes, (unsigned long long)result.pages,
           (unsigned long long)result.held);
    assert_true(result.held == mn_view_version(reader));
    assert_true(file <= before + (4 << 20));
    mn_view_end(reader);
    assert_int_equal(mn_tree_compact(w->store, NULL, NULL, &result), MN_OK);
    live = used_bytes(w, &file);
    printf("compacted: live %llu, file %llu, %.3f of the load; %llu pages written\n",
           (unsigned long long)live, (unsigned long long)file, (double)file / (double)loaded,
           (unsigned long long)result.pages);
    assert_int_equal(result.held, 0);
    assert_true(file == result.after_bytes);
    assert_true(file <= loaded / 10 * 11);
    rows_equal(w);
}

static void held_and_released(struct world *w)
{
    struct mn_view *reader;
    struct extremes held;
    uint64_t saw, file, live, loaded;

    (void)commits(w, w->scale->before, 0);
    saw = used_bytes(w, &file);
    assert_int_equal(mn_view_begin_read(w->store, &reader), MN_OK);
    printf("before: %llu used, file %llu\n", (unsigned long long)saw, (unsigned long long)file);
    held = commits(w, w->scale->held, saw);
    live = used_bytes(w, &file);
    printf("held for %u commits: live %llu, saw %llu, file %llu, most %llu, %.3f of live + saw\n",
           w->scale->held, (unsigned long long)live, (unsigned long long)saw,
           (unsigned long long)file, (unsigned long long)held.file_most, held.worst);
    mn_view_end(reader);
    (void)commits(w, w->scale->after, saw);
    live = used_bytes(w, &file);
    loaded = loaded_bytes(w);
    printf("released, %u commits later: live %llu, file %llu; loaded at once %llu: file %.3f, live "
           "%.3f of it; %llu rows\n",
           w->scale->after, (unsigned long long)live, (unsigned long long)file,
           (unsigned long long)loaded, (double)file / (double)loaded, (double)live / (double)loaded,
           (unsigned long long)w->rows);
    rows_equal(w);
    compacted(w, loaded);
    assert_true(held.worst <= 1.1);
    assert_true(file <= loaded / 2 * 3 + slack_bytes());
}

static void world_open(struct world *w, struct mn_os *os, const struct scale *scale)
{
    struct mn_view *view;

    *w = (struct world){.store = store_open(os), .random = test_seed() * 31 + 7, .scale = scale};
    w->lengths = calloc(scale->keys, sizeof *w->lengths);
    w->seeds = calloc(scale->keys, sizeof *w->seeds);
    assert_true(w->lengths && w->seeds);
    assert_int_equal(mn_write_begin(w->store, 0, &view), MN_OK);
    assert_int_equal(mn_tree_create(view, &w->tree), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

static void world_close(struct world *w)
{
    rows_equal(w);
    assert_int_equal(mn_store_close(w->store), MN_OK);
    free(w->lengths);
    free(w->seeds);
}

static void a_held_version_costs_one_copy(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL, test_is_deep() ? &deep : &quick);
    held_and_released(&w);
    world_close(&w);
}

/*
 * Commits of one row want their nodes side by side and leave free pages behind for it, but no more
 * than a quarter of the file stays free, log and checkpoints included; what merging leaves free at
 * once goes by and by.
 */
static void commits_of_a_row_leave_a_quarter_free(void **state)
{
    static const struct scale large = {60000, 1, 200000, 0, 0, 1000};
    static const struct scale small = {20000, 1, 20000, 0, 0, 100};
    struct mn_store_stats stats;
    uint64_t most = 0, file;
    struct world w;

    (void)state;
    world_open(&w, NULL, test_is_deep() ? &large : &small);
    (void)commits(&w, w.scale->before, 0);
    for (uint32_t i = 0; i < w.scale->before; i += w.scale->sample) {
        (void)commits(&w, w.scale->sample, 0);
        assert_int_equal(mn_store_stat(w.store, &stats), MN_OK);
        if (stats.free_pages > most) most = stats.free_pages;
    }
    assert_true(stats.free_pages <= stats.page_count / 4 + 64);
    printf("%u commits of a row: live %llu, file %llu, at most %llu pages free\n", w.scale->before,
           (unsigned long long)used_bytes(&w, &file), (unsigned long long)file,
           (unsigned long long)most);
    world_close(&w);
}

/* Nor do they leave more in a file that was closed: what is free is counted anew there, from the
 * log. */
static void an_opened_file_leaves_a_quarter_free(void **state)
{
    static const struct scale rows = {20000, 1, 4000, 0, 0, 100};
    struct scale filled = {20000, 30000, 1, 0, 0, 1};
    struct mn_store_stats stats;
    struct mn_os *os = mn_machine_new(test_seed(), 16 << 20);
    struct world w;
    uint64_t file;

    (void)state;
    assert_non_null(os);
    world_open(&w, os, &filled);
    (void)commits(&w, filled.before, 0);
    assert_int_equal(mn_store_close(w.store), MN_OK);
    w.store = store_open(os);
    w.scale = &rows;
    (void)commits(&w, rows.before, 0);
    assert_int_equal(mn_store_stat(w.store, &stats), MN_OK);
    printf("%u commits of a row after opening: live %llu, file %llu, %llu of %llu pages free\n",
           rows.before, (unsigned long long)used_bytes(&w, &file), (unsigned long long)file,
           (unsigned long long)stats.free_pages, (unsigned long long)stats.page_count);
    assert_true(stats.free_pages <= stats.page_count / 4 + 64);
    world_close(&w);
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_version_costs_one_copy),
        cmocka_unit_test(commits_of_a_row_leave_a_quarter_free),
        cmocka_unit_test(an_opened_file_leaves_a_quarter_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
