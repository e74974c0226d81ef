/*
 * Tests of store/wing: a process that is killed while it writes a commit's last piece leaves no
 * slot without the pages beside it, where others could take them for lost by the device.
 */
#include <stdio.h>
#include <string.h>

#include "btree/tree.h"
#include "store/inside.h"
#include "support/status.h"
#include "support/test.h"

enum { ROUNDS = 12, BEFORE = 3 };

static const struct mn_file_ops *real;
static struct mn_file_ops dying;
static struct mn_store *dying_store;
static bool armed, dead;
static int cuts;

static enum mn_status gone(void)
{
    return mn_fail(MN_IOERR, "the process is dead");
}

static bool ends_a_slot(uint64_t end)
{
    for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
        if (end == mn_slot_offset(dying_store, i) + MN_SLOT_BYTES) return true;
    }
    return false;
}

/* The process dies as soon as its slot is written, and before anything behind it in the same call
 * is. */
static enum mn_status pwritev_until_slot(struct mn_file *file, uint64_t offset,
                                         const struct mn_slice *slices, size_t count)
{
    uint64_t end = offset;

    if (dead) return gone();
    for (size_t i = 0; i < count && armed; i++) {
        end += slices[i].size_bytes;
        if (!ends_a_slot(end)) continue;
        ok(real->pwritev(file, offset, slices, i + 1));
        cuts += i + 1 < count;
        dead = true;
        return gone();
    }
    return real->pwritev(file, offset, slices, count);
}

static enum mn_status sync_unless_dead(struct mn_file *file)
{
    return dead ? gone() : real->sync(file);
}

static struct mn_store *lazy_open(const char *path)
{
    struct mn_store_options options = {.path = path,
                                       .flags = MN_STORE_CREATE,
                                       .sync = MN_STORE_LAZY,
                                       .busy_ms = 1000,
                                       .hooks = mn_tree_hooks()};
    struct mn_store *store;

    ok(mn_store_open(&options, &store));
    store->lazy_us = INT64_MAX / 4; /* no checkpoint for the time that passed */
    return store;
}

static enum mn_status put(struct mn_store *store, uint64_t tree, uint8_t key, uint8_t value)
{
    struct mn_view *view;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return status;
    status = mn_tree_put(view, tree, mn_bytes_of(&key, 1), mn_bytes_of(&value, 1), MN_PUT_UPSERT);
    if (!status) return mn_write_commit(view, NULL);
    mn_write_abort(view);
    return status;
}

static uint8_t value_of(struct mn_store *store, uint64_t tree, uint8_t key)
{
    struct mn_bytes value;
    struct mn_view *view;
    bool found;
    uint8_t byte;

    ok(mn_view_begin_read(store, &view));
    ok(mn_tree_get(view, tree, mn_bytes_of(&key, 1), &value, &found));
    assert_true(found && value.len == 1);
    byte = value.data[0];
    mn_view_end(view);
    return byte;
}

static void a_killed_lazy_writer_stops_nobody(void **state)
{
    static char path[512];
    struct mn_store *other;
    struct mn_view *view;
    uint64_t tree;

    (void)state;
    snprintf(path, sizeof path, "%s/file", test_folder());
    other = lazy_open(path);
    ok(mn_write_begin(other, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_write_commit(view, NULL));
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t last = (uint8_t)(2 * round + 1), value;

        for (int i = 0; i < BEFORE + round % 4; i++) ok(put(other, tree, 2, (uint8_t)i));
        ok(put(other, tree, 1, last));
        dying_store = lazy_open(path);
        real = dying_store->file->ops;
        dying = *real;
        dying.pwritev = pwritev_until_slot;
        dying.sync = sync_unless_dead;
        dying_store->file->ops = &dying;
        armed = true;
        assert_int_not_equal(put(dying_store, tree, 1, (uint8_t)(last + 1)), MN_OK);
        assert_true(dead);
        ok(put(other, tree, 3, (uint8_t)round));
        value = value_of(other, tree, 1);
        assert_true(value == last || value == last + 1);
        armed = dead = false;
        dying_store->file->ops = real;
        (void)mn_store_close(dying_store);
        assert_int_equal(value_of(other, tree, 1), value);
        assert_int_equal(value_of(other, tree, 3), round);
    }
    printf("%d of %d deaths left pages behind the slot unwritten\n", cuts, ROUNDS);
    ok(mn_store_close(other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_lazy_writer_stops_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
