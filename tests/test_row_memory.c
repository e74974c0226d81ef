/*
 * Tests of catalog and index where memory runs out: whichever allocation fails, the answer is
 * MN_NOMEM, the savepoint takes everything back, and the same work succeeds afterwards.
 */
#include <string.h>

#include "base/alloc.h"
#include "index/build.h"
#include "index/check.h"
#include "index/index.h"
#include "index/relation/edge.h"
#include "index/row.h"
#include "store/store.h"
#include "support/base.h"
#include "support/test.h"

static int64_t allocations_left = -1; /* -1: no limit */

static bool allocation_allowed(void *context, size_t size_bytes)
{
    (void)context, (void)size_bytes;
    if (allocations_left < 0) return true;
    if (allocations_left == 0) return false;
    allocations_left--;
    return true;
}

static const struct mn_column columns[] = {
    {.name = "code", .kind = {.type = MN_TYPE_TEXT}},
    {.name = "at", .kind = {.type = MN_TYPE_TIMESTAMP}},
    {.name = "v", .kind = {.type = MN_TYPE_VECTOR, .dims = 4}},
};
static const struct mn_index_column on_code[] = {{0, 0}}, on_at[] = {{1, MN_KEY_DESC}};
static const struct mn_table_def place = {
    .name = "place", .column_count = 3, .columns = columns, .primary = {NULL, 1, on_code}};
static const struct mn_index_def by_at = {.name = "place_at",
                                          .table = "place",
                                          .kind = MN_INDEX_BTREE,
                                          .column_count = 1,
                                          .columns = on_at};
static const struct mn_relation_def door = {
    .from = "place", .to = "place", .table = {.name = "door"}};
static const float vectors[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static enum mn_status rows_work(struct mn_view *view, const struct mn_schema *schema)
{
    const struct mn_table *table = mn_schema_table(schema, "place", 5);
    const struct mn_table *doors = mn_schema_table(schema, "door", 4);
    struct mn_value a[3] = {mn_text("a", 1), mn_timestamp(1), mn_vector(vectors, 4)};
    struct mn_value b[3] = {mn_text("b", 1), mn_null(), mn_vector(vectors + 4, 4)};
    struct mn_value ends[2] = {mn_text("a", 1), mn_text("b", 1)};
    struct mn_row_update update = {.values = b};
    struct mn_row_delete delete = {.row_id = 2};
    int64_t first, second, edge;
    bool found;
    enum mn_status status = mn_row_insert(view, table, a, &first);

    if (status == MN_OK) status = mn_row_insert(view, table, b, &second);
    if (status == MN_OK) status = mn_row_insert(view, doors, ends, &edge);
    b[1] = mn_timestamp(7);
    update.row_id = 2;
    if (status == MN_OK) status = mn_row_update(view, table, &update, NULL);
    if (status == MN_OK) status = mn_row_delete(view, table, &delete, NULL, &found);
    return status;
}

static enum mn_status load_work(struct mn_view *view, const struct mn_schema *schema)
{
    const struct mn_table *table = mn_schema_table(schema, "place", 5);
    struct mn_rows *load;
    enum mn_status status = mn_rows_begin(view, table, 1 << 20, &load), ended;

    if (status != MN_OK) return status;
    for (int i = 0; status == MN_OK && i < 40; i++) {
        char code[2] = {(char)('c' + i % 20), (char)('a' + i / 20)};
        struct mn_value values[3] = {mn_text(code, 2), mn_timestamp(40 - i), mn_vector(vectors, 4)};
        int64_t id;

        status = mn_rows_add(load, values, &id);
    }
    if (status != MN_OK) {
        mn_rows_abort(load);
        return status;
    }
    ended = mn_rows_end(load, NULL);
    return ended;
}

static enum mn_status scan_work(struct mn_view *view, const struct mn_schema *schema)
{
    const struct mn_index *index = mn_schema_index(schema, "place_at", 8);
    struct mn_value low = mn_timestamp(3);
    struct mn_index_range range = {.low = &low};
    struct mn_key_range keys = {.empty = false};
    struct mn_scan_options options = {.table = index->table, .index = index, .keys = &keys};
    struct mn_index_scan *scan = NULL;
    bool found = true;
    int64_t id;
    enum mn_status status = mn_index_range_keys(index->table, index, &range, &keys);

    if (status == MN_OK) status = mn_index_scan_open(view, &options, &scan);
    while (status == MN_OK && found) status = mn_index_scan_next(scan, &id, NULL, &found);
    mn_index_scan_close(scan);
    mn_key_range_release(&keys);
    return status;
}

static enum mn_status whole_work(struct mn_view *view)
{
    const struct mn_schema *schema = NULL;
    enum mn_status status = mn_schema_create_table(view, &place, NULL);

    if (status == MN_OK) status = mn_schema_create_relation(view, &door, NULL);
    if (status == MN_OK) status = mn_index_create(view, &by_at);
    if (status == MN_OK) status = mn_schema_load(view, &schema);
    if (status == MN_OK) status = rows_work(view, schema);
    if (status == MN_OK) status = load_work(view, schema);
    if (status == MN_OK) status = scan_work(view, schema);
    mn_schema_unref(schema);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    struct mn_store *store = test_base_open(512);
    struct mn_view *view;
    struct mn_check_counts counts;
    enum mn_status status = MN_NOMEM;
    int failures = 0;

    (void)state;
    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    mn_alloc_set_hook(allocation_allowed, NULL);
    for (int n = 0; status != MN_OK; n++) {
        uint32_t savepoint;

        assert_int_equal(mn_savepoint_begin(view, &savepoint), MN_OK);
        allocations_left = n;
        status = whole_work(view);
        allocations_left = -1;
        if (status != MN_OK) {
            if (status != MN_NOMEM) fail_msg("%d: %s", n, mn_error_last()->message);
            mn_savepoint_rollback(view, savepoint);
            failures++;
        }
        mn_savepoint_release(view, savepoint);
        test_rows_are_sound(view, &counts);
        assert_int_equal(counts.rows, status == MN_OK ? 41 : 0);
    }
    mn_alloc_set_hook(NULL, NULL);
    assert_true(failures > 100);
    mn_write_abort(view);
    assert_int_equal(mn_store_close(store), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
