/*
 * base: a small database for tests of rows and what is above them.
 */
#ifndef MN_TESTS_SUPPORT_BASE_H
#define MN_TESTS_SUPPORT_BASE_H

#include "btree/tree.h"
#include "catalog/schema.h"

/* A new database in memory. */
struct mn_store *test_base_open(uint32_t page_size);
/* One whose file does not allow dense leaves and brief records. */
struct mn_store *test_base_open_sparse(uint32_t page_size);

/* One whose file does not allow short branches. */
struct mn_store *test_base_open_long(uint32_t page_size);

/* The schema as this view has it; mn_schema_unref gives it back. */
const struct mn_schema *test_schema(struct mn_view *view);

/* A table or relation that must be there. */
const struct mn_table *test_table(const struct mn_schema *schema, const char *name);

/* Fails the test unless every row, index, vector and edge is where it should be; gives the counts.
 */
struct mn_check_counts;
void test_rows_are_sound(struct mn_view *view, struct mn_check_counts *counts);

#endif
