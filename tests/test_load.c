/*
 * Tests of index/load and index/build: many rows at once are the same as the same rows one by one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/key.h"
#include "index/build.h"
#include "index/check.h"
#include "index/index.h"
#include "index/relation/edge.h"
#include "index/row.h"
#include "os/sim.h"
#include "store/store.h"
#include "support/base.h"
#include "support/test.h"

enum { ID, CODE, NOTE, VECTOR, COLUMNS };

static const struct mn_column thing_columns[] = {
    {.name = "id", .kind = {.type = MN_TYPE_INT}},
    {.name = "code", .kind = {.type = MN_TYPE_TEXT}, .not_null = true},
    {.name = "note", .kind = {.type = MN_TYPE_INT}},
    {.name = "v", .kind = {.type = MN_TYPE_VECTOR, .dims = 5}},
};
static const struct mn_index_column on_id[] = {{ID, 0}}, on_code[] = {{CODE, 0}};
static const struct mn_index_column on_note[] = {{NOTE, MN_KEY_DESC}};
static const struct mn_key_def unique_code[] = {{NULL, 1, on_code}};

struct base {
    struct mn_os *os; /* a simulated machine, where the database has a file; else NULL */
    struct mn_store *store;
    struct mn_view *view;
    const struct mn_schema *schema;
    const struct mn_table *thing, *near;
};

static struct mn_store *store_on(struct mn_os *os)
{
    struct mn_store_options options = {.path = "load.mn",
                                       .os = os,
                                       .flags = MN_STORE_CREATE,
                                       .page_size = 1024,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store;

    assert_int_equal(mn_store_open(&options, &store), MN_OK);
    return store;
}

/* thing: an INT key and a UNIQUE code, or the code as its key and hidden row ids. */
static void base_make(struct base *base, struct mn_os *os, bool hidden)
{
    struct mn_table_def def = {.name = "thing",
                               .column_count = COLUMNS,
                               .columns = thing_columns,
                               .primary = {NULL, 1, hidden ? on_code : on_id},
                               .unique_count = hidden ? 0 : 1,
                               .uniques = unique_code};
    struct mn_index_def note = {.name = "thing_note",
                                .table = "thing",
                                .kind = MN_INDEX_BTREE,
                                .column_count = 1,
                                .columns = on_note};
    struct mn_relation_def near = {.from = "thing", .to = "thing", .table = {.name = "near"}};

    base->os = os;
    base->store = os ? store_on(os) : test_base_open(1024);
    assert_int_equal(mn_write_begin(base->store, 0, &base->view), MN_OK);
    assert_int_equal(mn_schema_create_table(base->view, &def, NULL), MN_OK);
    assert_int_equal(mn_index_create(base->view, &note), MN_OK);
    assert_int_equal(mn_schema_create_relation(base->view, &near, NULL), MN_OK);
    base->schema = test_schema(base->view);
    base->thing = test_table(base->schema, "thing");
    base->near = test_table(base->schema, "near");
}

/* In memory. */
static void base_open(struct base *base, bool hidden)
{
    base_make(base, NULL, hidden);
}

static void base_close(struct base *base)
{
    mn_schema_unref(base->schema);
    mn_write_abort(base->view);
    assert_int_equal(mn_store_close(base->store), MN_OK);
    if (base->os) mn_machine_free(base->os);
}

struct thing {
    int64_t id; /* INT64_MIN: left out */
    char code[16];
    int note;
    float v[5];
};

static void thing_values(const struct thing *thing, struct mn_value *values)
{
    values[ID] = thing->id == INT64_MIN ? mn_null() : mn_int(thing->id);
    values[CODE] = mn_text(thing->code, strlen(thing->code));
    values[NOTE] = thing->note < 0 ? mn_null() : mn_int(thing->note);
    values[VECTOR] = thing->v[0] < 0 ? mn_null() : mn_vector(thing->v, 5);
}

static struct thing thing_draw(uint64_t *random, int64_t id, unsigned number)
{
    struct thing thing = {.id = id, .note = (int)(test_random(random) >> 40 & 63) - 5};

    snprintf(thing.code, sizeof thing.code, "c%05u", number * 7919 % 100003);
    for (int i = 0; i < 5; i++) thing.v[i] = (float)((test_random(random) >> 40 & 63) + 1);
    if ((test_random(random) >> 40 & 7) == 0) thing.v[0] = -1;
    return thing;
}

/* Every row, column by column, the same in both; and both sound. */
static void bases_are_equal(struct base *a, struct base *b)
{
    struct mn_scan_options options[2] = {{.table = a->thing}, {.table = b->thing}};
    struct mn_index_scan *scans[2];
    struct mn_check_counts counts[2];
    bool found[2];

    test_rows_are_sound(a->view, &counts[0]);
    test_rows_are_sound(b->view, &counts[1]);
    assert_memory_equal(&counts[0], &counts[1], sizeof counts[0]);
    assert_int_equal(mn_index_scan_open(a->view, &options[0], &scans[0]), MN_OK);
    assert_int_equal(mn_index_scan_open(b->view, &options[1], &scans[1]), MN_OK);
    for (;;) {
        struct mn_row rows[2];

        for (int i = 0; i < 2; i++) {
            assert_int_equal(mn_index_scan_next(scans[i], &rows[i].id, &rows[i].record, &found[i]),
                             MN_OK);
        }
        assert_int_equal(found[0], found[1]);
        if (!found[0]) break;
        assert_true(rows[0].id == rows[1].id);
        for (uint32_t column = 0; column < COLUMNS; column++) {
            struct mn_value x, y;

            assert_int_equal(mn_row_column(a->view, a->thing, &rows[0], column, &x), MN_OK);
            assert_int_equal(mn_row_column(b->view, b->thing, &rows[1], column, &y), MN_OK);
            assert_int_equal(mn_value_order(&x, &y), 0);
        }
    }
    mn_index_scan_close(scans[0]);
    mn_index_scan_close(scans[1]);
}

static void rows_insert(struct base *base, const struct thing *things, int count)
{
    struct mn_value values[COLUMNS];
    int64_t id;

    for (int i = 0; i < count; i++) {
        thing_values(&things[i], values);
        assert_int_equal(mn_row_insert(base->view, base->thing, values, &id), MN_OK);
    }
}

static void rows_load(struct base *base, const struct thing *things, int count,
                      uint64_t memory_bytes)
{
    struct mn_value values[COLUMNS];
    struct mn_rows *load;
    uint64_t failed;
    int64_t id;

    assert_int_equal(mn_rows_begin(base->view, base->thing, memory_bytes, &load), MN_OK);
    for (int i = 0; i < count; i++) {
        thing_values(&things[i], values);
        assert_int_equal(mn_rows_add(load, values, &id), MN_OK);
    }
    if (mn_rows_end(load, &failed) != MN_OK) fail_msg("%s", mn_error_last()->message);
}

/* Ids ascending, in any order, and left out; into an empty table and then into the full one. With
 * memory for all rows, for some, and for none, without a file for the others and with one. */
static void loading_is_the_same_as_inserting(void **state)
{
    enum { COUNT = 700 };
    static const uint64_t memory[] = {1 << 20, 4096, 0, 4096, 0};
    struct thing *things = calloc(COUNT, sizeof *things);
    uint64_t random = test_seed();

    (void)state;
    assert_non_null(things);
    for (int mode = 0; mode < 40; mode++) {
        bool hidden = mode & 4;
        uint64_t bytes = memory[mode / 8];
        struct base loaded, inserted;

        for (int i = 0; i < COUNT; i++) {
            int64_t id = i;

            if ((mode & 3) == 1) id = (i * 337) % 1009 - 100;
            if ((mode & 3) == 2) id = INT64_MIN;
            if ((mode & 3) == 3) id = i % 3 ? INT64_MIN : i * 3;
            if (hidden && id == INT64_MIN) id = 5;
            things[i] = thing_draw(&random, id, (unsigned)i);
        }
        base_make(&loaded, mode < 24 ? NULL : mn_machine_new(random, 0), hidden);
        base_open(&inserted, hidden);
        rows_load(&loaded, things, 0, bytes);
        rows_load(&loaded, things, COUNT / 2, bytes);
        rows_load(&loaded, things + COUNT / 2, COUNT - COUNT / 2, bytes);
        rows_insert(&inserted, things, COUNT);
        bases_are_equal(&loaded, &inserted);
        base_close(&loaded);
        base_close(&inserted);
    }
    free(things);
}

/* A duplicate is found wherever its twin is, and the row that brought it is named: at the end, or,
 * where memory is short, while later rows are added. */
static void duplicates_are_named(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int mode = 0; mode < 8; mode++) {
        struct thing things[20];
        struct mn_value values[COLUMNS];
        struct mn_rows *load;
        struct base base;
        struct mn_check_counts counts;
        uint32_t savepoint;
        uint64_t failed = 0;
        int64_t id;
        bool code = mode & 1, stored = mode & 2, early = mode & 4;
        int twin = stored ? 1 : 4, first = stored ? 3 : 0, i;

        for (i = 0; i < 20; i++) things[i] = thing_draw(&random, i, (unsigned)i);
        if (code) memcpy(things[13].code, things[twin].code, sizeof things[twin].code);
        if (!code) things[13].id = twin;
        base_open(&base, false);
        if (stored) rows_insert(&base, things, 3);
        assert_int_equal(mn_savepoint_begin(base.view, &savepoint), MN_OK);
        assert_int_equal(mn_rows_begin(base.view, base.thing, early ? 200 : 1 << 20, &load), MN_OK);
        for (i = first; i < 20; i++) {
            thing_values(&things[i], values);
            if (mn_rows_add(load, values, &id) != MN_OK) break;
        }
        if (early) {
            assert_true(i >= 13 && i < 20);
            failed = mn_rows_failed(load);
            mn_rows_abort(load);
        } else {
            assert_int_equal(i, 20);
            assert_int_equal(mn_rows_end(load, &failed), MN_CONSTRAINT);
        }
        assert_non_null(
            strstr(mn_error_last()->message, code ? "thing has code = c" : "thing has id = "));
        assert_int_equal(failed, 13 - first);
        mn_savepoint_rollback(base.view, savepoint);
        test_rows_are_sound(base.view, &counts);
        assert_int_equal(counts.rows, first);
        base_close(&base);
    }
}

static void edges_are_loaded(void **state)
{
    struct thing things[50];
    uint64_t random = test_seed(), failed, degree;
    struct mn_value ends[2];
    struct mn_check_counts counts;
    struct mn_rows *load;
    struct base base;
    uint32_t savepoint;
    int64_t id;

    (void)state;
    for (int i = 0; i < 50; i++) things[i] = thing_draw(&random, i, (unsigned)i);
    base_open(&base, true);
    rows_load(&base, things, 50, 1 << 20);
    assert_int_equal(mn_rows_begin(base.view, base.near, 1 << 20, &load), MN_OK);
    for (int i = 0; i < 50; i++) {
        for (int k = 1; k <= i % 7; k++) {
            const char *src = things[49 - i].code, *dst = things[(i + k * 11) % 50].code;

            ends[0] = mn_text(src, strlen(src));
            ends[1] = mn_text(dst, strlen(dst));
            assert_int_equal(mn_rows_add(load, ends, &id), MN_OK);
        }
    }
    assert_int_equal(mn_rows_end(load, &failed), MN_OK);
    test_rows_are_sound(base.view, &counts);
    assert_int_equal(counts.edges, 21 * 7 + 0);
    assert_int_equal(mn_edge_degree(base.view, base.near, MN_EDGE_OUT, 50 - 6, &degree), MN_OK);
    assert_int_equal(degree, 6);

    for (int twice = 0; twice < 2; twice++) {
        const char *src = things[twice ? 48 : 49].code, *dst = things[twice ? 12 : 3].code;

        assert_int_equal(mn_savepoint_begin(base.view, &savepoint), MN_OK);
        assert_int_equal(mn_rows_begin(base.view, base.near, 1 << 20, &load), MN_OK);
        ends[0] = mn_text(src, strlen(src));
        ends[1] = mn_text(dst, strlen(dst));
        assert_int_equal(mn_rows_add(load, ends, &id), MN_OK);
        if (!twice) assert_int_equal(mn_rows_add(load, ends, &id), MN_OK);
        assert_int_equal(mn_rows_end(load, &failed), MN_CONSTRAINT);
        assert_non_null(strstr(mn_error_last()->message, "near has (src, dst) = (c"));
        assert_int_equal(failed, twice ? 0 : 1);
        mn_savepoint_rollback(base.view, savepoint);
    }
    ends[1] = mn_text("nobody", 6);
    assert_int_equal(mn_rows_begin(base.view, base.near, 1 << 20, &load), MN_OK);
    assert_int_equal(mn_rows_add(load, ends, &id), MN_CONSTRAINT);
    assert_string_equal(mn_error_last()->message, "no row nobody in thing (dst of near)");
    mn_rows_abort(load);
    base_close(&base);
}

/* An index made afterwards is the same as one that was there from the beginning. */
static void an_index_is_filled_from_the_rows(void **state)
{
    static const struct mn_index_column columns[] = {{NOTE, 0}, {CODE, MN_KEY_DESC}};
    struct mn_index_def def = {.name = "late",
                               .table = "thing",
                               .kind = MN_INDEX_BTREE,
                               .column_count = 2,
                               .columns = columns};
    struct mn_index_def unique = {.name = "only",
                                  .table = "thing",
                                  .kind = MN_INDEX_BTREE,
                                  .unique = true,
                                  .column_count = 1,
                                  .columns = columns};
    uint64_t random = test_seed();
    struct mn_check_counts counts;
    struct thing things[300];
    uint32_t savepoint;
    struct base base;

    (void)state;
    base_open(&base, false);
    for (int i = 0; i < 300; i++) things[i] = thing_draw(&random, i, (unsigned)i);
    rows_insert(&base, things, 300);
    assert_int_equal(mn_index_create(base.view, &def), MN_OK);
    test_rows_are_sound(base.view, &counts);
    assert_int_equal(counts.index_entries, 900);
    assert_int_equal(mn_savepoint_begin(base.view, &savepoint), MN_OK);
    assert_int_equal(mn_index_create(base.view, &unique), MN_CONSTRAINT);
    assert_non_null(strstr(mn_error_last()->message, "thing has note = "));
    mn_savepoint_rollback(base.view, savepoint);
    test_rows_are_sound(base.view, &counts);
    assert_int_equal(counts.index_entries, 900);
    base_close(&base);
}

/* Hidden ids go on behind what was deleted; an INT PRIMARY KEY takes the greatest plus one. */
static void hidden_ids_are_never_used_twice(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int hidden = 0; hidden < 2; hidden++) {
        struct mn_value values[COLUMNS];
        struct base base;
        struct thing thing;
        int64_t id = 0;

        base_open(&base, hidden);
        for (unsigned i = 1; i <= 5; i++) {
            struct mn_row_delete options = {.row_id = i};
            bool found;

            thing = thing_draw(&random, hidden ? 9 : INT64_MIN, i);
            thing_values(&thing, values);
            assert_int_equal(mn_row_insert(base.view, base.thing, values, &id), MN_OK);
            assert_true(id == (hidden ? (int64_t)i : 1));
            options.row_id = id;
            assert_int_equal(mn_row_delete(base.view, base.thing, &options, NULL, &found), MN_OK);
            assert_true(found);
        }
        thing = thing_draw(&random, hidden ? 9 : INT64_MAX, 77);
        rows_load(&base, &thing, 1, 1 << 20);
        thing = thing_draw(&random, hidden ? 9 : INT64_MIN, 78);
        thing_values(&thing, values);
        assert_int_equal(mn_row_insert(base.view, base.thing, values, &id),
                         hidden ? MN_OK : MN_FULL);
        if (hidden) assert_true(id == 7);
        base_close(&base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_is_the_same_as_inserting),
        cmocka_unit_test(duplicates_are_named),
        cmocka_unit_test(edges_are_loaded),
        cmocka_unit_test(an_index_is_filled_from_the_rows),
        cmocka_unit_test(hidden_ids_are_never_used_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
