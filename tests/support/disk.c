/*
 * disk: the file, and what is done to it again and again.
 */
#include "support/disk.h"

#include <string.h>

#include "os/sim.h"
#include "support/status.h"
#include "support/test.h"

enum mn_status disk_try_open(struct mn_os *os, unsigned flags, struct mn_store **store)
{
    struct mn_store_options options = {.path = "test",
                                       .flags = flags,
                                       .busy_ms = 5,
                                       .grow_bytes = 16 << 10,
                                       .cut_commits = 2,
                                       .os = os,
                                       .hooks = raw_hooks};

    return mn_store_open(&options, store);
}

struct mn_store *disk_open(struct mn_os *os, unsigned flags)
{
    struct mn_store *store;

    ok(disk_try_open(os, flags, &store));
    return store;
}

void disk_commit(struct mn_store *store, unsigned leaf, uint64_t value)
{
    struct mn_view *view;

    ok(mn_write_begin(store, 0, &view));
    ok(raw_set(view, leaf, value));
    ok(mn_write_commit(view, NULL));
}

struct mn_os *disk_new(struct raw_model *model)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct mn_store *store = disk_open(os, MN_STORE_CREATE);
    struct mn_view *view;

    memset(model, 0, sizeof *model);
    for (unsigned i = 0; i < 6; i++) {
        disk_commit(store, i, i + 1);
        model->leaf[i] = i + 1;
    }
    ok(mn_write_begin(store, 0, &view));
    ok(raw_set_run(view, 1, 77, 9000));
    ok(mn_write_commit(view, NULL));
    model->run[1] = 77;
    model->run_bytes[1] = 9000;
    ok(mn_store_close(store));
    return os;
}

void disk_expect(struct mn_store *store, const struct raw_model *model)
{
    struct mn_view *view;

    ok(mn_view_begin_read(store, &view));
    assert_true(raw_equals(view, model));
    mn_view_end(view);
}
