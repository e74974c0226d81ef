/*
 * Tests of the forms of records: a file that allows brief ones gets them by every way a row takes,
 * and one that does not gets none.
 */
#include <string.h>

#include "api/handle.h"
#include "index/row.h"
#include "mneme.h"
#include "store/inside.h"
#include "support/base.h"
#include "support/test.h"

enum { ROWS = 300 };

static mn_db *db;

static void must(int status)
{
    if (status != MN_OK) fail_msg("%d: %s", status, mn_errmsg(db));
}

static void batch_load(int64_t first)
{
    int64_t keys[ROWS];
    const void *texts[ROWS];
    uint32_t lengths[ROWS];
    mn_array columns[2] = {
        {.size = sizeof(mn_array), .type = MN_TYPE_INT, .values = keys, .stride = 8},
        {.size = sizeof(mn_array), .type = MN_TYPE_TEXT, .pointers = texts, .lengths = lengths}};
    mn_batch batch = {.size = sizeof batch, .rows = ROWS, .count = 2, .columns = columns};
    mn_load *load;

    for (int i = 0; i < ROWS; i++) {
        keys[i] = first + i;
        texts[i] = "loaded";
        lengths[i] = (uint32_t)i % 7;
    }
    must(mn_load_begin(db, "t", NULL, 0, &load));
    must(mn_load_batch(load, &batch));
    must(mn_load_end(load, 1));
}

static void records_are(bool brief)
{
    const struct mn_schema *schema;
    struct mn_view *view;
    const struct mn_table *table;
    uint64_t rows;

    must((int)mn_view_begin_read(db->store, &view));
    schema = test_schema(view);
    table = test_table(schema, "t");
    must((int)mn_tree_count(view, table->tree, &rows));
    assert_int_equal(rows, 3 * ROWS);
    for (int64_t id = 0; id < 3 * ROWS; id++) {
        struct mn_bytes record;
        bool found;

        must((int)mn_row_get(view, table, id, &record, &found));
        assert_true(found);
        assert_int_equal((record.data[0] & 3) == 3, brief);
    }
    mn_schema_unref(schema);
    mn_view_end(view);
}

static void written(bool brief)
{
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    if (!brief) db->store->superblock.incompatible &= ~(uint64_t)MN_FEATURE_DENSE;
    must(mn_exec(db, "CREATE TABLE t (id INT PRIMARY KEY, body TEXT)", NULL, NULL));
    must(mn_exec(db, "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(0, 299) g(i)", NULL,
                 NULL));
    batch_load(ROWS);
    must(mn_exec(db,
                 "INSERT INTO t SELECT i, NULL FROM generate_series(600, 899) g(i);"
                 "UPDATE t SET body = body || ' again' WHERE id % 5 = 0",
                 NULL, NULL));
    records_are(brief);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    must(mn_close(db));
}

static void new_files_have_brief_records(void **state)
{
    (void)state;
    written(true);
}

static void older_files_have_none(void **state)
{
    (void)state;
    written(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_files_have_brief_records),
        cmocka_unit_test(older_files_have_none),
    };

    return cmocka_run_group_tests_name("record forms", tests, NULL, NULL);
}
