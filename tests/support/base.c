/*
 * base: a small database for tests.
 */
#include "support/base.h"

#include <string.h>

#include "index/check.h"
#include "store/inside.h"
#include "support/test.h"

struct mn_store *test_base_open(uint32_t page_size)
{
    struct mn_store_options options = {
        .flags = MN_STORE_CREATE, .page_size = page_size, .hooks = mn_tree_hooks()};
    struct mn_store *store;

    if (mn_store_open(&options, &store) != MN_OK) fail_msg("%s", mn_error_last()->message);
    return store;
}

struct mn_store *test_base_open_sparse(uint32_t page_size)
{
    struct mn_store *store = test_base_open(page_size);

    store->superblock.incompatible &= ~(uint64_t)MN_FEATURE_DENSE;
    return store;
}

struct mn_store *test_base_open_long(uint32_t page_size)
{
    struct mn_store *store = test_base_open(page_size);

    store->superblock.incompatible &= ~(uint64_t)MN_FEATURE_SHORT;
    return store;
}

const struct mn_schema *test_schema(struct mn_view *view)
{
    const struct mn_schema *schema;

    if (mn_schema_load(view, &schema) != MN_OK) fail_msg("%s", mn_error_last()->message);
    return schema;
}

const struct mn_table *test_table(const struct mn_schema *schema, const char *name)
{
    const struct mn_table *table = mn_schema_table(schema, name, strlen(name));

    assert_non_null(table);
    return table;
}

static enum mn_status problem_print(void *context, const struct mn_check_problem *problem)
{
    (void)context;
    print_error("%s %s row %lld: %s\n", problem->table, problem->index ? problem->index : "",
                (long long)problem->row_id, problem->message);
    return MN_OK;
}

void test_rows_are_sound(struct mn_view *view, struct mn_check_counts *counts)
{
    const struct mn_check_options options = {.report = problem_print};
    uint64_t problems;

    assert_int_equal(mn_rows_check(view, &options, counts, &problems), MN_OK);
    assert_int_equal(problems, 0);
}
