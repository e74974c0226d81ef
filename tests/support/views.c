/*
 * views: one store in memory, for tests of what lies above trees.
 */
#include "support/views.h"

#include "support/test.h"

static struct mn_store *store;

int views_open(void **state)
{
    struct mn_store_options options = {.flags = MN_STORE_CREATE, .hooks = mn_tree_hooks()};

    (void)state;
    return mn_store_open(&options, &store) == MN_OK ? 0 : -1;
}

int views_close(void **state)
{
    (void)state;
    return mn_store_close(store) == MN_OK ? 0 : -1;
}

struct mn_view *views_write(void)
{
    struct mn_view *view;

    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    return view;
}

struct mn_view *views_read(void)
{
    struct mn_view *view;

    assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
    return view;
}
