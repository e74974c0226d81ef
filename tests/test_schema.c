/*
 * Tests of catalog/schema: what is created is there, in order, and what is refused leaves nothing.
 */
#include "catalog/schema.h"

#include <stdio.h>
#include <string.h>

#include "store/store.h"
#include "support/base.h"
#include "support/test.h"

static const struct mn_column memory_columns[] = {
    {.name = "id", .kind = {.type = MN_TYPE_UUID}, .default_text = "uuid7()"},
    {.name = "agent", .kind = {.type = MN_TYPE_TEXT}, .not_null = true},
    {.name = "at", .kind = {.type = MN_TYPE_TIMESTAMP}},
    {.name = "tags", .kind = {.type = MN_TYPE_LIST, .elem = MN_TYPE_TEXT}},
    {.name = "meta", .kind = {.type = MN_TYPE_JSON}},
    {.name = "embedding", .kind = {.type = MN_TYPE_VECTOR, .dims = 384}},
};
static const struct mn_index_column key_column[] = {{0, MN_KEY_ASC}};
static const struct mn_index_column agent_at[] = {{1, MN_KEY_ASC}, {2, MN_KEY_DESC}};
static const struct mn_check checks[] = {{"named", "agent <> ''"}, {NULL, "at IS NOT NULL"}};
static const struct mn_key_def uniques[] = {{NULL, 2, agent_at}};
static const struct mn_option options[] = {
    {"time", {.type = MN_TYPE_TEXT, .size = 2, .p = "at"}},
    {"keep", {.type = MN_TYPE_INT, .i = -7}},
    {"rate", {.type = MN_TYPE_FLOAT, .f = 0.5}},
    {"on", {.type = MN_TYPE_BOOL, .b = true}},
    {"bare", {.type = MN_TYPE_NULL}},
};

static const struct mn_table_def memory = {
    .name = "memory",
    .column_count = 6,
    .columns = memory_columns,
    .primary = {NULL, 1, key_column},
    .unique_count = 1,
    .uniques = uniques,
    .check_count = 2,
    .checks = checks,
    .option_count = 5,
    .options = options,
};

static const struct mn_column number_columns[] = {
    {.name = "n", .kind = {.type = MN_TYPE_INT}},
    {.name = "label", .kind = {.type = MN_TYPE_TEXT}},
};
static const struct mn_table_def number = {.name = "number",
                                           .column_count = 2,
                                           .columns = number_columns,
                                           .primary = {NULL, 1, key_column}};
static const struct mn_table_def plain = {
    .name = "plain", .column_count = 2, .columns = number_columns};

static struct mn_store *store;
static struct mn_view *view;

static int base_open(void **state)
{
    (void)state;
    store = test_base_open(512);
    return mn_write_begin(store, 0, &view) == MN_OK ? 0 : -1;
}

static int base_close(void **state)
{
    (void)state;
    mn_write_abort(view);
    return mn_store_close(store) == MN_OK ? 0 : -1;
}

static struct mn_relation_def relation(const char *name, const char *from, const char *to)
{
    static const struct mn_column weight[] = {
        {.name = "weight", .kind = {.type = MN_TYPE_FLOAT}, .default_text = "1.0"}};

    return (struct mn_relation_def){
        .from = from, .to = to, .table = {.name = name, .column_count = 1, .columns = weight}};
}

static void a_table_is_kept_as_it_was_defined(void **state)
{
    const struct mn_schema *schema;
    const struct mn_table *table;
    const struct mn_value *option;
    uint64_t id;

    (void)state;
    assert_int_equal(mn_schema_create_table(view, &memory, &id), MN_OK);
    schema = test_schema(view);
    table = test_table(schema, "memory");
    assert_ptr_equal(mn_schema_table_by_id(schema, id), table);
    assert_int_equal(table->column_count, 6);
    for (int i = 0; i < 6; i++) {
        const struct mn_column *column = &table->columns[i], *want = &memory_columns[i];

        assert_string_equal(column->name, want->name);
        assert_int_equal(column->kind.type, want->kind.type);
        assert_int_equal(column->kind.elem, want->kind.elem);
        assert_int_equal(column->kind.dims, want->kind.dims);
        assert_int_equal(column->not_null, want->not_null || i == 0);
        assert_int_equal(column->primary, i == 0);
        assert_int_equal(column->slab_tree != 0, i == 5);
        if (want->default_text) assert_string_equal(column->default_text, want->default_text);
    }
    assert_int_equal(table->row_id_column, -1);
    assert_int_equal(table->index_count, 2);
    assert_ptr_equal(table->primary, &table->indexes[0]);
    assert_string_equal(table->indexes[0].name, "memory_pkey");
    assert_string_equal(table->indexes[1].name, "memory_agent_at_key");
    assert_true(table->indexes[1].unique && table->indexes[1].constraint);
    assert_int_equal(table->indexes[1].columns[1].order, MN_KEY_DESC);
    assert_ptr_equal(table->indexes[1].table, table);
    assert_string_equal(table->checks[0].name, "named");
    assert_null(table->checks[1].name);
    assert_string_equal(table->checks[1].text, "at IS NOT NULL");
    option = mn_table_option(table, "time");
    assert_non_null(option);
    assert_memory_equal(option->p, "at", 2);
    assert_int_equal(mn_table_option(table, "keep")->i, -7);
    assert_true(mn_table_option(table, "rate")->f == 0.5);
    assert_true(mn_table_option(table, "on")->b);
    assert_true(mn_is_null(mn_table_option(table, "bare")));
    assert_null(mn_table_option(table, "other"));
    assert_int_equal(mn_table_column(table, "tags", 4), 3);
    assert_int_equal(mn_table_column(table, "Tags", 4), -1);
    assert_ptr_equal(mn_schema_index(schema, "memory_pkey", 11), table->primary);
    mn_schema_unref(schema);
}

static void the_row_id_is_an_int_primary_key(void **state)
{
    const struct mn_schema *schema;
    struct mn_kind kind;

    (void)state;
    assert_int_equal(mn_schema_create_table(view, &number, NULL), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &plain, NULL), MN_OK);
    schema = test_schema(view);
    assert_int_equal(test_table(schema, "number")->row_id_column, 0);
    assert_int_equal(test_table(schema, "number")->index_count, 0);
    assert_true(test_table(schema, "number")->columns[0].not_null);
    assert_int_equal(test_table(schema, "plain")->row_id_column, -1);
    assert_true(mn_table_end_kind(test_table(schema, "plain"), &kind));
    assert_int_equal(kind.type, MN_TYPE_INT);
    mn_schema_unref(schema);
}

static void relations_are_linked_to_their_ends(void **state)
{
    const struct mn_schema *schema;
    const struct mn_table *from, *to, *edge;
    struct mn_relation_def about = relation("about", "memory", "number");
    struct mn_relation_def next = relation("next", "memory", "memory");

    (void)state;
    next.multi = true;
    assert_int_equal(mn_schema_create_table(view, &memory, NULL), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &number, NULL), MN_OK);
    assert_int_equal(mn_schema_create_relation(view, &next, NULL), MN_OK);
    assert_int_equal(mn_schema_create_relation(view, &about, NULL), MN_OK);
    schema = test_schema(view);
    from = test_table(schema, "memory");
    to = test_table(schema, "number");
    edge = test_table(schema, "about");
    assert_true(edge->relation);
    assert_false(edge->multi);
    assert_true(test_table(schema, "next")->multi);
    assert_ptr_equal(edge->from, from);
    assert_ptr_equal(edge->to, to);
    assert_string_equal(edge->columns[0].name, "src");
    assert_int_equal(edge->columns[0].kind.type, MN_TYPE_UUID);
    assert_int_equal(edge->columns[1].kind.type, MN_TYPE_INT);
    assert_string_equal(edge->columns[2].name, "weight");
    assert_int_equal(from->out_count, 2);
    assert_ptr_equal(from->out[0], edge);
    assert_int_equal(from->in_count, 1);
    assert_int_equal(to->in_count, 1);
    assert_int_equal(to->out_count, 0);
    mn_schema_unref(schema);

    assert_int_equal(mn_schema_drop_table(view, "memory", false), MN_CONSTRAINT);
    assert_non_null(strstr(mn_error_last()->message, "about, next"));
    assert_int_equal(mn_schema_drop_table(view, "memory", true), MN_OK);
    schema = test_schema(view);
    assert_int_equal(schema->table_count, 1);
    assert_int_equal(test_table(schema, "number")->in_count, 0);
    mn_schema_unref(schema);
}

static void indexes_come_and_go(void **state)
{
    struct mn_index_column embedding[] = {{5, MN_KEY_ASC}};
    struct mn_option metric[] = {{"metric", {.type = MN_TYPE_TEXT, .size = 2, .p = "l2"}}};
    struct mn_index_def vector = {.name = "memory_vec",
                                  .table = "memory",
                                  .kind = MN_INDEX_VECTOR,
                                  .column_count = 1,
                                  .columns = embedding,
                                  .option_count = 1,
                                  .options = metric};
    struct mn_index_def tree = {
        .table = "memory", .kind = MN_INDEX_BTREE, .column_count = 2, .columns = agent_at};
    const struct mn_schema *schema;

    (void)state;
    assert_int_equal(mn_schema_create_table(view, &memory, NULL), MN_OK);
    assert_int_equal(mn_schema_create_index(view, &vector, NULL), MN_OK);
    assert_int_equal(mn_schema_create_index(view, &vector, NULL), MN_EXISTS);
    assert_int_equal(mn_schema_create_index(view, &tree, NULL), MN_OK);
    assert_int_equal(mn_schema_create_index(view, &tree, NULL), MN_OK);
    schema = test_schema(view);
    assert_int_equal(test_table(schema, "memory")->index_count, 5);
    assert_non_null(mn_schema_index(schema, "memory_agent_at_idx", 19));
    assert_non_null(mn_schema_index(schema, "memory_agent_at_idx1", 20));
    assert_memory_equal(mn_index_option(mn_schema_index(schema, "memory_vec", 10), "metric")->p,
                        "l2", 2);
    mn_schema_unref(schema);
    assert_int_equal(mn_schema_drop_index(view, "memory_agent_at_idx"), MN_OK);
    assert_int_equal(mn_schema_drop_index(view, "memory_agent_at_idx"), MN_SCHEMA);
    assert_int_equal(mn_schema_drop_index(view, "memory_pkey"), MN_CONSTRAINT);
    schema = test_schema(view);
    assert_null(mn_schema_index(schema, "memory_agent_at_idx", 19));
    assert_non_null(mn_schema_index(schema, "memory_agent_at_idx1", 20));
    mn_schema_unref(schema);
}

/* Each of these is refused with its code and changes nothing. */
static void wrong_definitions_are_refused(void **state)
{
    struct mn_column columns[3] = {{.name = "a", .kind = {.type = MN_TYPE_INT}},
                                   {.name = "b", .kind = {.type = MN_TYPE_JSON}},
                                   {.name = "a", .kind = {.type = MN_TYPE_INT}}};
    struct mn_index_column twice[] = {{0, 0}, {0, 0}}, json[] = {{1, 0}};
    struct mn_table_def def = {.name = "t", .column_count = 3, .columns = columns};
    char name[MN_NAME_BYTES_MAX + 2];
    struct mn_relation_def lost = relation("lost", "nowhere", "nowhere");
    uint64_t before, after;
    uint32_t savepoint;

    (void)state;
    assert_int_equal(mn_schema_create_table(view, &number, NULL), MN_OK);
    assert_int_equal(mn_schema_stamp(view, &before), MN_OK);
    assert_int_equal(mn_savepoint_begin(view, &savepoint), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_SCHEMA);
    def.column_count = 0;
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_SCHEMA);
    def.column_count = 2;
    columns[1].kind = (struct mn_kind){.type = MN_TYPE_VECTOR};
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_RANGE);
    columns[1].kind.dims = MN_VECTOR_DIMS_LIMIT + 1;
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_RANGE);
    columns[1].kind = (struct mn_kind){.type = MN_TYPE_LIST, .elem = MN_TYPE_VECTOR};
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_SCHEMA);
    columns[1].kind = (struct mn_kind){.type = MN_TYPE_JSON};
    def.primary = (struct mn_key_def){NULL, 1, json};
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_SCHEMA);
    def.primary = (struct mn_key_def){NULL, 2, twice};
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_SCHEMA);
    def.primary.column_count = 0;
    memset(name, 'x', sizeof name);
    name[MN_NAME_BYTES_MAX + 1] = '\0';
    def.name = name;
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_TOOBIG);
    def.name = "number";
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_EXISTS);
    assert_int_equal(mn_schema_create_relation(view, &lost, NULL), MN_SCHEMA);
    mn_savepoint_rollback(view, savepoint);
    assert_int_equal(mn_schema_stamp(view, &after), MN_OK);
    assert_true(before == after);
    name[MN_NAME_BYTES_MAX] = '\0';
    def.name = name;
    assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_OK);
}

/* The cache gives the same snapshot for the same catalogue, another for another, and the first
 * again after a rollback. */
static void snapshots_follow_the_stamp(void **state)
{
    struct mn_schema_cache *cache;
    const struct mn_schema *first, *again, *second, *third;
    uint32_t savepoint;

    (void)state;
    assert_int_equal(mn_schema_cache_new(&cache), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &number, NULL), MN_OK);
    assert_int_equal(mn_schema_get(cache, view, &first), MN_OK);
    assert_int_equal(mn_schema_get(cache, view, &again), MN_OK);
    assert_ptr_equal(first, again);
    assert_int_equal(mn_savepoint_begin(view, &savepoint), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &plain, NULL), MN_OK);
    assert_int_equal(mn_schema_get(cache, view, &second), MN_OK);
    assert_ptr_not_equal(first, second);
    assert_true(first->stamp != second->stamp);
    assert_int_equal(first->table_count, 1);
    assert_int_equal(second->table_count, 2);
    mn_savepoint_rollback(view, savepoint);
    assert_int_equal(mn_schema_get(cache, view, &third), MN_OK);
    assert_ptr_equal(first, third);
    for (int i = 0; i < 10; i++) {
        const struct mn_schema *next;
        char name[16];
        struct mn_table_def def = plain;

        snprintf(name, sizeof name, "t%d", i);
        def.name = name;
        assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_OK);
        assert_int_equal(mn_schema_get(cache, view, &next), MN_OK);
        assert_int_equal(next->table_count, 2 + i);
        mn_schema_unref(next);
    }
    mn_schema_cache_free(cache);
    assert_int_equal(second->table_count, 2); /* still counted here */
    mn_schema_unref(first);
    mn_schema_unref(again);
    mn_schema_unref(second);
    mn_schema_unref(third);
}

static void settings_are_kept(void **state)
{
    struct mn_arena arena;
    struct mn_value value = mn_int(42), back;

    (void)state;
    mn_arena_init(&arena, 0);
    assert_int_equal(mn_setting_get(view, "user_version", &arena, &back), MN_OK);
    assert_true(mn_is_null(&back));
    assert_int_equal(mn_setting_put(view, "user_version", &value), MN_OK);
    value = mn_text("hello", 5);
    assert_int_equal(mn_setting_put(view, "note", &value), MN_OK);
    assert_int_equal(mn_setting_get(view, "user_version", &arena, &back), MN_OK);
    assert_int_equal(back.i, 42);
    assert_int_equal(mn_setting_get(view, "note", &arena, &back), MN_OK);
    assert_memory_equal(back.p, "hello", 5);
    mn_arena_release(&arena);
}

/* Bytes of a catalogue entry changed at random: a schema that is sound, or MN_CORRUPT. */
static void damaged_catalogues_are_refused(void **state)
{
    struct mn_relation_def about = relation("about", "memory", "number");
    uint64_t random = test_seed();
    struct mn_cursor *cursor;
    struct mn_item item;
    uint8_t keys[3][16], bytes[3][1024];
    size_t key_lengths[3], lengths[3];
    int count = 0, refused = 0;
    bool found;

    (void)state;
    assert_int_equal(mn_schema_create_table(view, &memory, NULL), MN_OK);
    assert_int_equal(mn_schema_create_table(view, &number, NULL), MN_OK);
    assert_int_equal(mn_schema_create_relation(view, &about, NULL), MN_OK);
    assert_int_equal(mn_cursor_open(view, MN_TREE_CATALOGUE, &cursor), MN_OK);
    assert_int_equal(mn_cursor_first(cursor, &found), MN_OK);
    for (; found; assert_int_equal(mn_cursor_next(cursor, &found), MN_OK)) {
        struct mn_bytes value;

        assert_int_equal(mn_cursor_item(cursor, &item), MN_OK);
        if (item.key.data[0] != 2) continue;
        value = item.run.len ? item.run : item.value;
        memcpy(keys[count], item.key.data, key_lengths[count] = item.key.len);
        memcpy(bytes[count], value.data, lengths[count] = value.len);
        count++;
    }
    mn_cursor_close(cursor);
    assert_int_equal(count, 3);
    for (int round = 0; round < 5000; round++) {
        int which = round % 3;
        uint8_t copy[1024];
        size_t size = lengths[which];
        const struct mn_schema *schema;
        enum mn_status status;

        memcpy(copy, bytes[which], size);
        if (round % 5 == 0) size = test_random(&random) % size;
        for (int n = 0; size && n < 2; n++) {
            copy[test_random(&random) % size] = (uint8_t)(test_random(&random) >> 40);
        }
        assert_int_equal(mn_tree_put(view, MN_TREE_CATALOGUE,
                                     mn_bytes_of(keys[which], key_lengths[which]),
                                     mn_bytes_of(copy, size), MN_PUT_UPSERT),
                         MN_OK);
        status = mn_schema_load(view, &schema);
        assert_true(status == MN_OK || status == MN_CORRUPT);
        refused += status == MN_CORRUPT;
        if (status == MN_OK) mn_schema_unref(schema);
        assert_int_equal(mn_tree_put(view, MN_TREE_CATALOGUE,
                                     mn_bytes_of(keys[which], key_lengths[which]),
                                     mn_bytes_of(bytes[which], lengths[which]), MN_PUT_UPSERT),
                         MN_OK);
    }
    assert_true(refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_is_kept_as_it_was_defined, base_open, base_close),
        cmocka_unit_test_setup_teardown(the_row_id_is_an_int_primary_key, base_open, base_close),
        cmocka_unit_test_setup_teardown(relations_are_linked_to_their_ends, base_open, base_close),
        cmocka_unit_test_setup_teardown(indexes_come_and_go, base_open, base_close),
        cmocka_unit_test_setup_teardown(wrong_definitions_are_refused, base_open, base_close),
        cmocka_unit_test_setup_teardown(snapshots_follow_the_stamp, base_open, base_close),
        cmocka_unit_test_setup_teardown(settings_are_kept, base_open, base_close),
        cmocka_unit_test_setup_teardown(damaged_catalogues_are_refused, base_open, base_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
