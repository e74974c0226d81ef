/*
 * Tests of index/check: each kind of damage below the rows is seen and named.
 */
#include "index/check.h"

#include <string.h>

#include "index/build.h"
#include "index/index.h"
#include "index/row.h"
#include "index/vector/cover.h"
#include "store/store.h"
#include "support/base.h"
#include "support/test.h"

static const struct mn_column columns[] = {
    {.name = "id", .kind = {.type = MN_TYPE_INT}},
    {.name = "name", .kind = {.type = MN_TYPE_TEXT}},
    {.name = "at", .kind = {.type = MN_TYPE_TIMESTAMP}, .not_null = true},
    {.name = "v", .kind = {.type = MN_TYPE_VECTOR, .dims = 3}},
};
static const struct mn_index_column on_id[] = {{0, 0}}, on_name[] = {{1, 0}}, on_at[] = {{2, 0}};
static const struct mn_key_def unique_name[] = {{NULL, 1, on_name}};
static const struct mn_table_def item_def = {.name = "item",
                                             .column_count = 4,
                                             .columns = columns,
                                             .primary = {NULL, 1, on_id},
                                             .unique_count = 1,
                                             .uniques = unique_name};
static const struct mn_index_def at_def = {.name = "item_at",
                                           .table = "item",
                                           .kind = MN_INDEX_BTREE,
                                           .column_count = 1,
                                           .columns = on_at};
static const struct mn_relation_def link_def = {
    .from = "item", .to = "item", .table = {.name = "link"}};

static struct mn_store *store;
static struct mn_view *view;
static const struct mn_schema *schema;
static const struct mn_table *item, *relation;

/* Three rows and an edge. */
static int base_open(void **state)
{
    struct mn_value values[4], ends[2] = {mn_int(1), mn_int(2)};
    static const float vector[3] = {1, 2, 3};
    int64_t id;

    (void)state;
    store = test_base_open(4096);
    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &item_def, NULL), MN_OK);
    assert_int_equal(mn_index_create(view, &at_def), MN_OK);
    assert_int_equal(mn_schema_create_relation(view, &link_def, NULL), MN_OK);
    schema = test_schema(view);
    item = test_table(schema, "item");
    relation = test_table(schema, "link");
    for (int i = 1; i <= 3; i++) {
        values[0] = mn_int(i);
        values[1] = mn_text(&"abc"[i - 1], 1);
        values[2] = mn_timestamp(i);
        values[3] = mn_vector(vector, 3);
        assert_int_equal(mn_row_insert(view, item, values, &id), MN_OK);
    }
    assert_int_equal(mn_row_insert(view, relation, ends, &id), MN_OK);
    return 0;
}

static int base_close(void **state)
{
    (void)state;
    mn_schema_unref(schema);
    mn_write_abort(view);
    return mn_store_close(store) == MN_OK ? 0 : -1;
}

/* What the check said last, and how often it said anything. */
struct said {
    char table[32], index[32], message[128];
    int64_t row_id;
    bool has_row;
};

static enum mn_status problem_keep(void *context, const struct mn_check_problem *problem)
{
    struct said *said = context;

    if (said->table[0]) return MN_OK; /* the first */
    strncpy(said->table, problem->table, sizeof said->table - 1);
    strncpy(said->index, problem->index ? problem->index : "", sizeof said->index - 1);
    strncpy(said->message, problem->message, sizeof said->message - 1);
    said->row_id = problem->row_id;
    said->has_row = problem->has_row;
    return MN_OK;
}

static uint64_t problems_now(struct said *said)
{
    struct mn_check_options options = {problem_keep, said};
    struct mn_check_counts counts;
    uint64_t problems;

    memset(said, 0, sizeof *said);
    assert_int_equal(mn_rows_check(view, &options, &counts, &problems), MN_OK);
    return problems;
}

static uint32_t damage_begin(void)
{
    uint32_t savepoint;

    assert_int_equal(mn_savepoint_begin(view, &savepoint), MN_OK);
    return savepoint;
}

static void damage_end(uint32_t savepoint)
{
    struct said said;

    mn_savepoint_rollback(view, savepoint);
    mn_savepoint_release(view, savepoint);
    assert_int_equal(problems_now(&said), 0);
}

static void first_key(uint64_t tree, uint8_t key[100], size_t *size)
{
    struct mn_cursor *cursor;
    struct mn_item entry;
    bool found;

    assert_int_equal(mn_cursor_open(view, tree, &cursor), MN_OK);
    assert_int_equal(mn_cursor_first(cursor, &found), MN_OK);
    assert_true(found);
    assert_int_equal(mn_cursor_item(cursor, &entry), MN_OK);
    assert_true(entry.key.len <= 100);
    memcpy(key, entry.key.data, *size = entry.key.len);
    mn_cursor_close(cursor);
}

static void what_is_missing_is_named(void **state)
{
    const struct {
        uint64_t tree;
        const char *table, *index, *message;
    } known[] = {{item->indexes[0].tree, "item", "item_name_key", "the row has no entry"},
                 {item->indexes[1].tree, "item", "item_at", "the row has no entry"},
                 {item->columns[3].slab_tree, "item", "v", "the row has lost its vector"},
                 {relation->forward_tree, "link", "forward", "the edge is not in the tree"},
                 {relation->backward_tree, "link", "backward", "the edge is not in the tree"},
                 {relation->tree, "link", "forward", "1 entries where 0 rows have one"}};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t savepoint = damage_begin();
        uint8_t key[100];
        struct said said;
        size_t size;

        first_key(known[i].tree, key, &size);
        assert_int_equal(mn_tree_delete(view, known[i].tree, mn_bytes_of(key, size), NULL), MN_OK);
        assert_true(problems_now(&said) > 0);
        assert_string_equal(said.table, known[i].table);
        assert_string_equal(said.index, known[i].index);
        assert_string_equal(said.message, known[i].message);
        if (i < 5) assert_true(said.has_row && said.row_id == 1);
        damage_end(savepoint);
    }
}

static void what_is_too_much_is_named(void **state)
{
    static const uint8_t edge[24] = {0x80, 0, 0, 0, 0, 0, 0, 9};
    struct said said;
    uint32_t savepoint = damage_begin();

    (void)state;
    assert_int_equal(
        mn_tree_put(view, item->indexes[1].tree, mn_bytes_of(edge, 24), mn_bytes_of("", 0), 0),
        MN_OK);
    assert_int_equal(problems_now(&said), 1);
    assert_string_equal(said.index, "item_at");
    assert_string_equal(said.message, "4 entries where 3 rows have one");
    damage_end(savepoint);

    savepoint = damage_begin();
    assert_int_equal(
        mn_tree_put(view, relation->backward_tree, mn_bytes_of(edge, 24), mn_bytes_of("", 0), 0),
        MN_OK);
    assert_int_equal(problems_now(&said), 1);
    assert_string_equal(said.index, "backward");
    damage_end(savepoint);
}

/* A record whose bytes are not one, and an end that is not there. */
static void damaged_rows_are_named(void **state)
{
    uint32_t savepoint = damage_begin();
    uint8_t key[100];
    struct said said;
    size_t size;

    (void)state;
    first_key(item->tree, key, &size);
    assert_int_equal(mn_tree_put(view, item->tree, mn_bytes_of(key, size), mn_bytes_of("??", 2), 0),
                     MN_OK);
    assert_true(problems_now(&said) > 0);
    assert_string_equal(said.table, "item");
    assert_true(said.has_row && said.row_id == 1);
    damage_end(savepoint);

    savepoint = damage_begin();
    assert_int_equal(mn_tree_delete(view, item->tree, mn_bytes_of(key, size), NULL), MN_OK);
    assert_true(problems_now(&said) > 2); /* the entries of indexes, the vector, the edge's end */
    damage_end(savepoint);
}

/* A tree that no table names is space that nobody can give back. */
static void trees_without_a_table_are_named(void **state)
{
    uint32_t savepoint = damage_begin();
    struct said said;
    uint64_t tree;

    (void)state;
    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    assert_int_equal(mn_tree_put(view, tree, mn_bytes_of("k", 1), mn_bytes_of("v", 1), 0), MN_OK);
    assert_int_equal(problems_now(&said), 1);
    assert_non_null(strstr(said.message, "belongs to no table"));
    damage_end(savepoint);
}

/* Salvage would take what the second copy says: dropped tables, or columns of before. */
static void copies_of_definitions_are_compared(void **state)
{
    uint32_t savepoint = damage_begin();
    uint8_t key[100];
    struct said said;
    size_t size;

    (void)state;
    first_key(MN_TREE_SPARE, key, &size);
    assert_int_equal(
        mn_tree_put(view, MN_TREE_SPARE, mn_bytes_of(key, size), mn_bytes_of("another", 7), 0),
        MN_OK);
    assert_int_equal(problems_now(&said), 1);
    assert_non_null(strstr(said.message, "another definition than the catalogue"));
    key[size - 1] ^= 0x7F;
    assert_int_equal(
        mn_tree_put(view, MN_TREE_SPARE, mn_bytes_of(key, size), mn_bytes_of("dropped", 7), 0),
        MN_OK);
    assert_int_equal(problems_now(&said), 2);
    damage_end(savepoint);
}

/* A value of a covered column that is not the row's, one that is missing, and one too many. */
static void covered_values_are_compared(void **state)
{
    static const struct mn_index_column on_v[] = {{3, 0}};
    static const uint32_t covers[] = {2, 0};
    static const struct mn_index_def def = {.name = "item_v",
                                            .table = "item",
                                            .kind = MN_INDEX_VECTOR,
                                            .column_count = 1,
                                            .columns = on_v,
                                            .cover_count = 2,
                                            .covers = covers,
                                            .timed = true};
    uint32_t whole = damage_begin(), savepoint;
    const struct mn_schema *with;
    const struct mn_index *index = NULL;
    struct mn_value values[4];
    struct mn_index_entry entry = {values, 2};
    struct said said;

    (void)state;
    assert_int_equal(mn_index_create(view, &def), MN_OK);
    with = test_schema(view);
    for (uint32_t i = 0; i < test_table(with, "item")->index_count; i++) {
        if (test_table(with, "item")->indexes[i].kind != MN_INDEX_VECTOR) continue;
        index = &test_table(with, "item")->indexes[i];
    }
    assert_non_null(index);
    assert_true(index->timed && index->cover_count == 2);
    assert_int_equal(problems_now(&said), 0);

    for (int i = 0; i < 3; i++) {
        savepoint = damage_begin();
        values[0] = i == 0 ? mn_int(7) : mn_int(2);
        values[2] = i == 0 ? mn_timestamp(2) : i == 1 ? mn_null() : mn_timestamp(3);
        assert_int_equal(mn_cover_put(view, index, &entry), MN_OK);
        assert_int_equal(problems_now(&said), 1);
        assert_string_equal(said.index, "item_v");
        assert_string_equal(said.message, "a covered value is not that of the row");
        assert_true(said.has_row && said.row_id == 2);
        mn_savepoint_rollback(view, savepoint);
        mn_savepoint_release(view, savepoint);
    }

    savepoint = damage_begin();
    assert_int_equal(mn_cover_delete(view, index, 2), MN_OK);
    assert_int_equal(problems_now(&said), 2);
    assert_string_equal(said.message, "the row has a code and no covered values");
    assert_true(said.has_row && said.row_id == 2);
    mn_savepoint_rollback(view, savepoint);
    mn_savepoint_release(view, savepoint);

    savepoint = damage_begin();
    entry.row_id = 9;
    assert_int_equal(mn_cover_put(view, index, &entry), MN_OK);
    assert_int_equal(problems_now(&said), 1);
    assert_string_equal(said.message, "covered values of 4 rows where 3 have a code");
    mn_savepoint_rollback(view, savepoint);
    mn_savepoint_release(view, savepoint);
    mn_schema_unref(with);
    damage_end(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(what_is_too_much_is_named),
        cmocka_unit_test(damaged_rows_are_named),
        cmocka_unit_test(trees_without_a_table_are_named),
        cmocka_unit_test(copies_of_definitions_are_compared),
        cmocka_unit_test(covered_values_are_compared),
    };

    return cmocka_run_group_tests(tests, base_open, base_close);
}
