/*
 * Tests of btree/bulk: entries of every shape, appended in pieces, against the list they came from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btree/node.h"
#include "os/sim.h"
#include "support/forest.h"
#include "support/status.h"
#include "support/test.h"

enum { KEY_MOST = 3000, VALUE_MOST = 6000 };

/* How keys and values are drawn. */
struct shape {
    const char *name;
    size_t prefix_bytes;                   /* that all keys begin with */
    uint32_t keys_long, values_long, runs; /* of 1,000: those that do not fit into a cell */
    size_t value_bytes;                    /* the others have fewer */
    bool fixed;                            /* keys are of 8 bytes behind the prefix */
};

static const struct shape shapes[] = {
    {"numbers", 0, 0, 0, 0, 100, true},
    {"numbers without values", 0, 0, 0, 0, 1, true},
    {"keys of any length", 0, 0, 0, 0, 30, false},
    {"a long prefix", 90, 0, 0, 0, 4, true},
    {"a prefix of most of a cell", 70, 0, 5, 0, 2, false},
    {"some long keys", 0, 30, 0, 0, 50, false},
    {"some long values", 3, 0, 30, 0, 60, true},
    {"runs among them", 2, 0, 0, 200, 20, true},
    {"all kinds", 5, 10, 10, 20, 90, false},
};

/* The number n as a key; a longer key begins with it, so order is the order of numbers. */
static struct mn_bytes key_draw(const struct shape *shape, uint64_t n, uint8_t *bytes)
{
    uint64_t random = n * 77 + 1;
    size_t length = shape->prefix_bytes + 8;

    memset(bytes, 'p', KEY_MOST);
    mn_put_u64_be(bytes + shape->prefix_bytes, n);
    if (!shape->fixed) length += test_random(&random) % 12;
    if (test_random(&random) % 1000 < shape->keys_long) length = KEY_MOST - n % 100;
    return mn_bytes_of(bytes, length);
}

static struct mn_bytes value_draw(const struct shape *shape, uint64_t n, uint8_t *bytes)
{
    uint64_t random = n * 13 + 5;
    size_t length = test_random(&random) % shape->value_bytes;

    if (test_random(&random) % 1000 < shape->values_long) length = VALUE_MOST - n % 1000;
    memset(bytes, (int)(n % 251), VALUE_MOST);
    return mn_bytes_of(bytes, length);
}

static bool is_run(const struct shape *shape, uint64_t n)
{
    uint64_t random = n * 3 + 11;

    return test_random(&random) % 1000 < shape->runs;
}

static size_t run_bytes(uint64_t n)
{
    return 600 + n % 500;
}

static void entry_add(struct mn_bulk *bulk, const struct shape *shape, uint64_t n)
{
    static uint8_t key_room[KEY_MOST], value_room[VALUE_MOST];
    struct mn_bytes key = key_draw(shape, n, key_room), value = value_draw(shape, n, value_room);
    uint8_t *run;

    if (!is_run(shape, n)) {
        uint8_t *room = n % 3 == 1 ? mn_bulk_room(bulk, key, value.len) : NULL;

        if (n % 3 == 2 && key.len == 8) {
            room = mn_bulk_number(bulk, mn_get_u64_be(key.data), value.len);
        }
        if (room && value.len) memcpy(room, value.data, value.len);
        if (!room) ok(mn_bulk_add(bulk, key, value));
        return;
    }
    ok(mn_bulk_add_run(bulk, key, mn_bytes_of("run", 3), run_bytes(n), &run));
    memset(run, (int)(n % 253), run_bytes(n));
}

static void entry_compare(const struct shape *shape, uint64_t n, const struct mn_item *item)
{
    static uint8_t key_room[KEY_MOST], value_room[VALUE_MOST];
    struct mn_bytes key = key_draw(shape, n, key_room), value = value_draw(shape, n, value_room);

    assert_int_equal(item->key.len, key.len);
    assert_memory_equal(item->key.data, key.data, key.len);
    if (is_run(shape, n)) value = mn_bytes_of("run", 3);
    assert_int_equal(item->value.len, value.len);
    if (value.len) assert_memory_equal(item->value.data, value.data, value.len);
    if (!is_run(shape, n)) return;
    assert_int_equal(item->run.len, run_bytes(n));
    assert_int_equal(item->run.data[item->run.len - 1], n % 253);
}

static void entries_are(struct mn_view *view, uint64_t tree, const struct shape *shape,
                        uint64_t count)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    uint64_t n = 0, entries;
    bool found;

    ok(mn_tree_count(view, tree, &entries));
    assert_int_equal(entries, count);
    ok(mn_cursor_open(view, tree, &cursor));
    for (ok(mn_cursor_first(cursor, &found)); found; ok(mn_cursor_next(cursor, &found))) {
        ok(mn_cursor_item(cursor, &item));
        entry_compare(shape, n++, &item);
    }
    assert_int_equal(n, count);
    mn_cursor_close(cursor);
}

/* A bulk of up to `most` entries from `from` on, beside which another tree may change. */
static uint64_t bulk_once(struct mn_view *view, const uint64_t trees[2], const struct shape *shape,
                          uint64_t from, uint64_t *seed)
{
    uint64_t count = test_random(seed) % (test_random(seed) % 3 ? 3000 : 40);
    bool beside = test_random(seed) % 3 == 0;
    struct mn_bulk *bulk;
    uint8_t value[90] = {0}, key[8];

    ok(mn_bulk_begin(view, trees[0], &bulk));
    for (uint64_t n = from; n < from + count; n++) {
        entry_add(bulk, shape, n);
        if (!beside || test_random(seed) % 4) continue;
        mn_put_u64_be(key, test_random(seed) % 5000);
        ok(mn_tree_put(view, trees[1], mn_bytes_of(key, 8), mn_bytes_of(value, 90), 0));
    }
    ok(mn_bulk_end(bulk));
    return from + count;
}

static void shape_try(const struct shape *shape, uint32_t page_size, uint64_t *seed)
{
    struct mn_store_options options = {.flags = MN_STORE_CREATE,
                                       .page_size = page_size,
                                       .dirty_limit_bytes = (uint64_t)page_size * 100,
                                       .hooks = mn_tree_hooks()};
    uint64_t trees[2], count = 0;
    struct mn_store *store;
    struct mn_view *view;

    ok(mn_store_open(&options, &store));
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &trees[0]));
    ok(mn_tree_create(view, &trees[1]));
    for (int piece = 0; piece < 6; piece++) {
        count = bulk_once(view, trees, shape, count, seed);
        entries_are(view, trees[0], shape, count);
        if (piece % 2 == 0) continue;
        ok(mn_write_commit(view, NULL));
        ok(mn_write_begin(store, 0, &view));
    }
    ok(mn_write_commit(view, NULL));
    ok(mn_view_begin_read(store, &view));
    entries_are(view, trees[0], shape, count);
    mn_view_end(view);
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_store_close(store));
}

static void holds_what_was_appended(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        shape_try(&shapes[i], 512, &seed);
        shape_try(&shapes[i], 4096, &seed);
    }
    shape_try(&shapes[8], 65536, &seed);
}

/* Leaves of a bulk build are full, whatever prefix their keys share. */
static void leaves_are_full(void **state)
{
    static const struct shape of[] = {{"numbers", 0, 0, 0, 0, 100, true},
                                      {"a long prefix", 90, 0, 0, 0, 100, true}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct mn_store_options options = {.flags = MN_STORE_CREATE, .hooks = mn_tree_hooks()};
        struct mn_store_stats stats;
        struct mn_store *store;
        struct mn_bulk *bulk;
        struct mn_view *view;
        uint64_t tree, bytes = 0;

        ok(mn_store_open(&options, &store));
        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &tree));
        ok(mn_bulk_begin(view, tree, &bulk));
        for (uint64_t n = 0; n < 20000; n++) {
            static uint8_t room[VALUE_MOST];

            entry_add(bulk, &of[i], n);
            bytes += value_draw(&of[i], n, room).len + 2 + 2 + 8; /* a suffix of two bytes */
        }
        ok(mn_bulk_end(bulk));
        ok(mn_write_commit(view, NULL));
        ok(mn_store_stat(store, &stats));
        assert_true((stats.page_count - stats.free_pages) * 4096 < bytes * 103 / 100 + 40 * 4096);
        assert_int_equal(forest_check(store, true), 0);
        ok(mn_store_close(store));
    }
}

/* A machine whose files count what is written to them, and what in advance. */
static struct {
    struct mn_os *os;
    struct mn_os_ops os_ops;
    const struct mn_os_ops *os_real;
    struct mn_file_ops file_ops;
    const struct mn_file_ops *file_real;
    uint64_t written, in_advance;
} counting;

static enum mn_status counting_pwritev(struct mn_file *file, uint64_t offset,
                                       const struct mn_slice *slices, size_t count)
{
    for (size_t i = 0; i < count; i++) counting.written += slices[i].size_bytes;
    return counting.file_real->pwritev(file, offset, slices, count);
}

static void counting_prewrite(struct mn_file *file, struct mn_range at)
{
    (void)file;
    counting.in_advance += at.length;
}

static enum mn_status counted(enum mn_status status, struct mn_file **out)
{
    struct mn_file *file = *out;

    if (status != MN_OK) return status;
    counting.file_real = file->ops;
    counting.file_ops = *file->ops;
    counting.file_ops.pwritev = counting_pwritev;
    counting.file_ops.prewrite = counting_prewrite;
    file->ops = &counting.file_ops;
    return MN_OK;
}

static enum mn_status counting_create(struct mn_os *os, const char *path, struct mn_file **out)
{
    return counted(counting.os_real->create(os, path, out), out);
}

static enum mn_status counting_open(struct mn_os *os, const char *path, unsigned flags,
                                    struct mn_file **out)
{
    return counted(counting.os_real->open(os, path, flags, out), out);
}

/* Small commits get their blocks written in advance, once; a load must not write all of its own
 * twice. */
static void blocks_are_written_once(void **state)
{
    static const struct shape of = {"numbers", 0, 0, 0, 0, 100, true};
    struct mn_store_options options = {
        .path = "once", .flags = MN_STORE_CREATE, .hooks = mn_tree_hooks()};
    struct mn_store_stats stats;
    struct mn_store *store;
    struct mn_bulk *bulk;
    struct mn_view *view;
    uint64_t tree;

    (void)state;
    counting.os = options.os = mn_machine_new(test_seed(), 0);
    counting.os_real = counting.os->ops;
    counting.os_ops = *counting.os_real;
    counting.os_ops.create = counting_create;
    counting.os_ops.open = counting_open;
    counting.os->ops = &counting.os_ops;
    ok(mn_store_open(&options, &store));
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_bulk_begin(view, tree, &bulk));
    for (uint64_t n = 0; n < 200000; n++) entry_add(bulk, &of, n);
    ok(mn_bulk_end(bulk));
    ok(mn_write_commit(view, NULL));
    ok(mn_store_stat(store, &stats));
    assert_true(stats.page_count > 2000);
    assert_true(counting.written > stats.page_count / 2 * 4096);
    assert_true(counting.written < stats.page_count * 4096 * 5 / 4);
    assert_true(counting.in_advance <= 1 << 20);
    ok(mn_store_close(store));
    mn_machine_free(counting.os);
}

/* One write fails while it is armed. */
static enum mn_sim_fault write_fails(void *context, const struct mn_sim_event *event)
{
    bool *armed = context;

    if (event->op != MN_SIM_WRITE || !*armed) return MN_SIM_PASS;
    *armed = false;
    return MN_SIM_FULL;
}

/* Entries into a second tree until a write of theirs fails. */
static void bulk_fails(struct mn_view *view, uint64_t tree, const struct shape *shape)
{
    static uint8_t key_room[KEY_MOST], value_room[VALUE_MOST];
    enum mn_status status = MN_OK, ended;
    struct mn_bulk *bulk;

    ok(mn_bulk_begin(view, tree, &bulk));
    for (uint64_t n = 0; n < 100000 && !status; n++) {
        struct mn_bytes key = key_draw(shape, n, key_room);

        status = mn_bulk_add(bulk, key, value_draw(shape, n, value_room));
    }
    ended = mn_bulk_end(bulk);
    assert_int_equal(status ? status : ended, MN_FULL);
}

/*
 * Pages of one statement wait to be written when a write of the next one fails. That one is rolled
 * back; the pages that waited belong to the transaction, which is committed.
 */
static void failed_write_loses_no_page_of_others(void **state)
{
    static const struct shape of = {"numbers", 0, 0, 0, 0, 100, true};
    struct mn_store_options options = {
        .path = "lost", .flags = MN_STORE_CREATE, .hooks = mn_tree_hooks()};
    uint64_t trees[2], first = 700;
    struct mn_store *store;
    struct mn_bulk *bulk;
    struct mn_view *view;
    bool armed = false;
    uint32_t savepoint;

    (void)state;
    options.os = mn_machine_new(test_seed(), 0);
    mn_sim_set_hook(options.os, write_fails, &armed);
    ok(mn_store_open(&options, &store));
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &trees[0]));
    ok(mn_tree_create(view, &trees[1]));
    ok(mn_bulk_begin(view, trees[0], &bulk));
    for (uint64_t n = 0; n < first; n++) entry_add(bulk, &of, n);
    ok(mn_bulk_end(bulk));
    ok(mn_savepoint_begin(view, &savepoint));
    armed = true;
    bulk_fails(view, trees[1], &of);
    assert_false(armed);
    mn_savepoint_rollback(view, savepoint);
    ok(mn_write_commit(view, NULL));
    ok(mn_view_begin_read(store, &view));
    entries_are(view, trees[0], &of, first);
    entries_are(view, trees[1], &of, 0);
    mn_view_end(view);
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_store_close(store));
    options.flags = 0;
    ok(mn_store_open(&options, &store));
    assert_int_equal(forest_check(store, true), 0);
    ok(mn_store_close(store));
    mn_machine_free(options.os);
}

/* What mn_bulk_number does not take is left to mn_bulk_add, with nothing done. */
static void a_number_has_its_place_or_none(void **state)
{
    struct mn_store_options options = {
        .path = "numbers", .flags = MN_STORE_CREATE, .hooks = mn_tree_hooks()};
    struct mn_bytes value = mn_bytes_of("value", 5);
    struct mn_numbered down[] = {{.key = 8, .value_bytes = 5}, {.key = 8, .value_bytes = 5}};
    uint8_t key[8], *at;
    struct mn_store *store;
    struct mn_bulk *bulk;
    struct mn_view *view;
    uint32_t savepoint;
    uint64_t tree;

    (void)state;
    options.os = mn_machine_new(test_seed(), 0);
    ok(mn_store_open(&options, &store));
    ok(mn_write_begin(store, 0, &view));
    ok(mn_tree_create(view, &tree));
    ok(mn_savepoint_begin(view, &savepoint));
    ok(mn_bulk_begin(view, tree, &bulk));
    assert_null(mn_bulk_number(bulk, 5, value.len)); /* no leaf is begun */
    mn_put_u64_be(key, 5);
    ok(mn_bulk_add(bulk, mn_bytes_of(key, 8), value));
    assert_null(mn_bulk_number(bulk, 5, value.len));
    assert_null(mn_bulk_number(bulk, 4, value.len));
    assert_null(mn_bulk_number(bulk, 6, mn_node_inline_max(mn_view_page_size(view)) + 1));
    assert_null(mn_bulk_number(bulk, UINT64_C(1) << 40, value.len)); /* another leaf's */
    at = mn_bulk_number(bulk, 6, value.len);
    assert_non_null(at);
    memcpy(at, value.data, value.len);
    assert_int_equal(mn_bulk_numbers(bulk, down, 2), 1); /* the second does not ascend */
    memcpy(down[0].at, value.data, value.len);
    mn_savepoint_rollback(view, savepoint);
    down[0].key = down[1].key = 9;
    assert_int_equal(mn_bulk_numbers(bulk, down, 1), 0);
    assert_null(mn_bulk_number(bulk, 9, value.len));
    mn_put_u64_be(key, 9);
    assert_int_equal(mn_bulk_add(bulk, mn_bytes_of(key, 8), value), MN_MISUSE);
    assert_int_equal(mn_bulk_end(bulk), MN_MISUSE);
    mn_write_abort(view);
    ok(mn_store_close(store));
    mn_machine_free(options.os);
}

enum { MANY = 20000, TOGETHER = 16 };

/* Ascending, in steps that leave a leaf's keys most of their bytes in common, and now and then not.
 */
static void numbers_draw(struct mn_numbered *numbers, uint64_t *seed)
{
    uint64_t key = 0;

    for (size_t i = 0; i < MANY; i++) {
        uint64_t drawn = test_random(seed);

        key += 1 + (drawn % 2000 == 0 ? drawn >> 34 : drawn >> (drawn % 50 == 0 ? 52 : 60));
        numbers[i].key = key;
        numbers[i].value_bytes = (uint32_t)(test_random(seed) % (drawn % 100 == 0 ? 120 : 40));
    }
}

static struct mn_bytes number_value(const struct mn_numbered *number, uint8_t *room)
{
    memset(room, (int)(number->key % 251), number->value_bytes);
    return mn_bytes_of(room, number->value_bytes);
}

/* By several at once, and by mn_bulk_add what is left. How many had places. */
static size_t numbers_add(struct mn_bulk *bulk, struct mn_numbered *numbers, uint64_t *seed)
{
    size_t i = 0, placed = 0;
    uint8_t key[8], room[128];

    while (i < MANY) {
        size_t count = 1 + test_random(seed) % TOGETHER, taken;

        if (count > MANY - i) count = MANY - i;
        taken = mn_bulk_numbers(bulk, numbers + i, count);
        assert_true(taken <= count);
        for (size_t k = 0; k < taken; k++) {
            struct mn_bytes value = number_value(&numbers[i + k], room);

            if (value.len) memcpy(numbers[i + k].at, value.data, value.len);
        }
        placed += taken;
        i += taken;
        if (taken == count) continue;
        mn_put_u64_be(key, numbers[i].key);
        ok(mn_bulk_add(bulk, mn_bytes_of(key, 8), number_value(&numbers[i], room)));
        i++;
    }
    return placed;
}

static void numbers_go_together(void **state)
{
    static struct mn_numbered numbers[MANY];
    static const uint32_t pages[] = {512, 4096, 8192};
    uint64_t seed = test_seed();

    (void)state;
    for (size_t p = 0; p < sizeof pages / sizeof *pages; p++) {
        struct mn_store_options options = {
            .flags = MN_STORE_CREATE, .page_size = pages[p], .hooks = mn_tree_hooks()};
        struct mn_cursor *cursor;
        struct mn_store *store;
        struct mn_bulk *bulk;
        struct mn_view *view;
        uint8_t room[128];
        uint64_t tree;
        bool found;

        numbers_draw(numbers, &seed);
        ok(mn_store_open(&options, &store));
        ok(mn_write_begin(store, 0, &view));
        ok(mn_tree_create(view, &tree));
        ok(mn_bulk_begin(view, tree, &bulk));
        assert_true(numbers_add(bulk, numbers, &seed) > MANY / 2);
        ok(mn_bulk_end(bulk));
        ok(mn_write_commit(view, NULL));
        assert_int_equal(forest_check(store, true), 0);
        ok(mn_view_begin_read(store, &view));
        ok(mn_cursor_open(view, tree, &cursor));
        ok(mn_cursor_first(cursor, &found));
        for (size_t i = 0; i < MANY; i++) {
            struct mn_bytes value = number_value(&numbers[i], room);
            struct mn_item item;

            assert_true(found);
            ok(mn_cursor_item(cursor, &item));
            assert_int_equal(item.key.len, 8);
            assert_true(mn_get_u64_be(item.key.data) == numbers[i].key);
            assert_int_equal(item.value.len, value.len);
            assert_memory_equal(item.value.data, value.data, value.len);
            ok(mn_cursor_next(cursor, &found));
        }
        assert_false(found);
        mn_cursor_close(cursor);
        mn_view_end(view);
        ok(mn_store_close(store));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_has_its_place_or_none),
        cmocka_unit_test(numbers_go_together),
        cmocka_unit_test(holds_what_was_appended),
        cmocka_unit_test(leaves_are_full),
        cmocka_unit_test(blocks_are_written_once),
        cmocka_unit_test(failed_write_loses_no_page_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
