/*
 * views: one store in memory for a group of tests, and views of it.
 */
#ifndef MN_TESTS_SUPPORT_VIEWS_H
#define MN_TESTS_SUPPORT_VIEWS_H

#include "btree/tree.h"
#include "store/store.h"

/* Set-up and tear-down of a group. */
int views_open(void **state);
int views_close(void **state);

/* To be ended by mn_write_commit, and by mn_view_end. */
struct mn_view *views_write(void);
struct mn_view *views_read(void);

#endif
