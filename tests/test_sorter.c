/*
 * Tests of index/sorter and index/spill: entries that wait in a file are brought into the tree as
 * those that wait in memory, and whatever the file's machine refuses is told.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "index/sorter.h"
#include "os/sim.h"
#include "os/sim_inode.h"
#include "store/store.h"
#include "support/test.h"

enum { KEY_MOST = 48, VALUE_MOST = 200000 };
enum keys { ROW_IDS, WORDS, ALIKE, KEY_KINDS };

/* What the model knows of an entry. */
struct thing {
    uint8_t key[KEY_MOST];
    size_t key_bytes, value_bytes;
    uint32_t number; /* the value follows from it */
};

struct world {
    struct mn_os *os;
    struct mn_store *store;
    struct mn_view *view;
    uint64_t tree;
    const struct mn_watch *watch; /* of sorters */
};

static void world_open(struct world *world, struct mn_os *os, const char *path)
{
    struct mn_store_options options = {.path = path,
                                       .os = os,
                                       .flags = MN_STORE_CREATE,
                                       .page_size = 1024,
                                       .hooks = mn_tree_hooks()};

    world->os = os;
    world->watch = NULL;
    if (mn_store_open(&options, &world->store) != MN_OK) {
        fail_msg("%s", mn_error_last()->message);
    }
    assert_int_equal(mn_write_begin(world->store, 0, &world->view), MN_OK);
    assert_int_equal(mn_tree_create(world->view, &world->tree), MN_OK);
}

/* On a machine of its own. */
static void world_make(struct world *world)
{
    struct mn_os *os = mn_machine_new(test_seed(), UINT64_C(256) << 20);

    assert_non_null(os);
    world_open(world, os, "s.mn");
}

static void world_close(struct world *world)
{
    mn_write_abort(world->view);
    assert_int_equal(mn_store_close(world->store), MN_OK);
    if (world->os) mn_machine_free(world->os);
}

static int thing_order(const void *a, const void *b)
{
    const struct thing *x = a, *y = b;
    size_t least = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
    int order = memcmp(x->key, y->key, least);

    return order ? order : (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
}

static struct thing thing_draw(uint64_t *random, enum keys kind, uint32_t number)
{
    struct thing thing = {.number = number, .key_bytes = 8};
    uint64_t word = test_random(random);

    thing.value_bytes = (test_random(random) >> 20) % 300;
    if (number % 500 == 7) thing.value_bytes = VALUE_MOST - number;
    for (int i = 0; i < 8; i++) thing.key[i] = (uint8_t)(word >> (8 * i));
    if (kind == ROW_IDS) return thing;
    if (kind == ALIKE) memset(thing.key, 0, 8); /* zeros, and keys that end among them */
    thing.key_bytes = 5 + (test_random(random) >> 20) % (KEY_MOST - 8);
    for (size_t i = 8; i < thing.key_bytes; i++) thing.key[i] = kind == ALIKE ? 0 : 'x';
    if (kind == ALIKE) thing.key_bytes = 5 + number % 3;
    for (int i = 0; i < 3; i++) {
        thing.key[thing.key_bytes++] = (uint8_t)(number >> (16 - 8 * i));
    }
    return thing;
}

static void value_make(const struct thing *thing, uint8_t *value)
{
    for (size_t i = 0; i < thing->value_bytes; i++) {
        value[i] = (uint8_t)(thing->number * 31 + i * 7 + (i >> 8));
    }
}

static enum mn_status thing_add(struct mn_sorter *sorter, const struct thing *thing)
{
    struct mn_sorted sorted = {.key = {thing->key, thing->key_bytes},
                               .value = {NULL, thing->value_bytes},
                               .row = thing->number};
    uint8_t *at = mn_sorter_room(sorter, &sorted);

    if (!at) return MN_NOMEM;
    value_make(thing, at);
    return MN_OK;
}

/* Entries, with a spill whenever more than `each` of them wait. */
static enum mn_status things_sort(struct world *world, const struct thing *things, size_t count,
                                  size_t each, uint64_t memory_bytes)
{
    struct mn_sorter sorter = {.tree = world->tree, .watch = world->watch};
    struct mn_clash clash;
    enum mn_status status = MN_OK;

    for (size_t i = 0; status == MN_OK && i < count; i++) {
        status = thing_add(&sorter, &things[i]);
        if (status == MN_OK && i % each == each - 1) {
            status = mn_sorter_spill(&sorter, world->view, memory_bytes, &clash);
            if (status == MN_OK) assert_int_equal(mn_sorter_bytes(&sorter), 0);
        }
    }
    if (status == MN_OK) status = mn_sorter_flush(&sorter, world->view, &clash);
    if (status == MN_OK) assert_true(mn_sorter_is_empty(&sorter));
    mn_sorter_release(&sorter);
    return status;
}

/* The tree has these, which are put in order, and nothing else. */
static void tree_expect(struct world *world, struct thing *things, size_t count)
{
    static uint8_t value[VALUE_MOST];
    struct mn_cursor *cursor;
    bool found;

    qsort(things, count, sizeof *things, thing_order);
    assert_int_equal(mn_cursor_open(world->view, world->tree, &cursor), MN_OK);
    assert_int_equal(mn_cursor_first(cursor, &found), MN_OK);
    for (size_t i = 0; i < count; i++) {
        struct mn_bytes got;
        struct mn_item item;

        assert_true(found);
        assert_int_equal(mn_cursor_item(cursor, &item), MN_OK);
        assert_int_equal(item.key.len, things[i].key_bytes);
        assert_memory_equal(item.key.data, things[i].key, item.key.len);
        got = item.run.len ? item.run : item.value;
        value_make(&things[i], value);
        assert_int_equal(got.len, things[i].value_bytes);
        assert_memory_equal(got.data, value, got.len);
        assert_int_equal(mn_cursor_next(cursor, &found), MN_OK);
    }
    assert_false(found);
    mn_cursor_close(cursor);
}

/* Runs of one entry and of many, fewer and more than are merged at once; into an empty tree, and
 * among what is there. */
static void spilled_entries_are_all_there(void **state)
{
    enum { COUNT = 1500 };
    static const size_t each[] = {1, 3, 100, COUNT};
    struct thing *things = calloc(COUNT, sizeof *things);
    uint64_t random = test_seed();

    (void)state;
    assert_non_null(things);
    for (int kind = 0; kind < KEY_KINDS; kind++) {
        for (size_t k = 0; k < sizeof each / sizeof *each; k++) {
            for (size_t first = 0; first <= COUNT / 3; first += COUNT / 3) {
                struct world world;

                world_make(&world);
                for (uint32_t i = 0; i < COUNT; i++) {
                    things[i] = thing_draw(&random, (enum keys)kind, i);
                }
                assert_int_equal(things_sort(&world, things, first, COUNT, 0), MN_OK);
                assert_int_equal(things_sort(&world, things + first, COUNT - first, each[k],
                                             k == 2 ? 1 << 20 : 0),
                                 MN_OK);
                tree_expect(&world, things, COUNT);
                world_close(&world);
            }
        }
    }
    free(things);
}

/* ---- twins ---- */

/* Entry `twin` has the key, or the unique bytes, of entry 5; both may be in the file, or one in
 * the tree. The row that came later is named. */
static void twins_are_named(void **state)
{
    enum { COUNT = 60, TWIN = 41 };
    uint64_t random = test_seed();

    (void)state;
    for (int mode = 0; mode < 12; mode++) {
        bool part = mode & 1, stored = mode & 2;
        size_t each = mode / 4 == 0 ? 1 : mode / 4 == 1 ? 7 : COUNT;
        struct mn_sorter sorter;
        struct mn_clash clash = {.row = 0};
        struct thing things[COUNT];
        struct world world;
        enum mn_status status = MN_OK;

        world_make(&world);
        sorter = (struct mn_sorter){.tree = world.tree};
        for (uint32_t i = 0; i < COUNT; i++) {
            things[i] = thing_draw(&random, ROW_IDS, i);
            if (part) things[i].key[6] = 0;
            if (part) things[i].key[7] = (uint8_t)i; /* as the row id of an edge */
        }
        memcpy(things[TWIN].key, things[5].key, part ? 6 : 8);
        for (size_t i = 0; status == MN_OK && i < COUNT; i++) {
            struct mn_sorted sorted = {
                .key = {things[i].key, 8}, .row = i, .unique_bytes = part ? 6 : 8};

            assert_int_equal(mn_sorter_add(&sorter, &sorted), MN_OK);
            if (stored && i == 20) status = mn_sorter_flush(&sorter, world.view, &clash);
            if (i % each == each - 1) status = mn_sorter_spill(&sorter, world.view, 0, &clash);
        }
        assert_int_equal(status, MN_OK);
        assert_int_equal(mn_sorter_flush(&sorter, world.view, &clash), MN_EXISTS);
        assert_int_equal(clash.row, TWIN);
        assert_int_equal(clash.key.len, 8);
        assert_memory_equal(clash.key.data, things[TWIN].key, 8);
        mn_sorter_release(&sorter);
        world_close(&world);
    }
}

/* The twin stands in another run than the entry before it, of which the block that is at an end
 * there is read no more: 324 bytes an entry, 202 a block. */
static void twins_at_the_end_of_a_block_are_named(void **state)
{
    enum { COUNT = 640, VALUE = 300, FIRST = 198, LAST = 207 };
    static const uint8_t value[VALUE];
    int block = 0;

    (void)state;
    for (int at = FIRST; block < 2; at++) {
        struct mn_sorter sorter;
        struct mn_clash clash = {.row = 0};
        struct world world;
        uint8_t key[8] = {0};
        struct mn_sorted sorted = {{key, sizeof key}, {value, VALUE}, sizeof key, 0};

        world_make(&world);
        sorter = (struct mn_sorter){.tree = world.tree};
        for (int i = 0; i < COUNT; i++) {
            key[6] = (uint8_t)(i >> 8);
            key[7] = (uint8_t)i;
            sorted.row = (uint64_t)i;
            assert_int_equal(mn_sorter_add(&sorter, &sorted), MN_OK);
        }
        assert_int_equal(mn_sorter_spill(&sorter, world.view, 0, &clash), MN_OK);
        key[6] = (uint8_t)((at + block * 202) >> 8);
        key[7] = (uint8_t)(at + block * 202);
        sorted.row = COUNT;
        assert_int_equal(mn_sorter_add(&sorter, &sorted), MN_OK);
        assert_int_equal(mn_sorter_flush(&sorter, world.view, &clash), MN_EXISTS);
        assert_int_equal(clash.row, COUNT);
        assert_memory_equal(clash.key.data, key, sizeof key);
        mn_sorter_release(&sorter);
        world_close(&world);
        if (at == LAST) {
            block++;
            at = FIRST - 1;
        }
    }
}

/* ---- what is written ---- */

static enum mn_sim_fault written_count(void *context, const struct mn_sim_event *event)
{
    uint64_t *written = context;

    if (!event->inode->named && event->op == MN_SIM_WRITE) *written += event->size_bytes;
    return MN_SIM_PASS;
}

/* 1,500 runs, of which 16 are merged at once: each entry is written once for each of three levels,
 * and some once more. */
static void runs_are_joined_by_levels(void **state)
{
    enum { COUNT = 1500 };
    struct thing *things = calloc(COUNT, sizeof *things);
    struct world world;
    uint64_t random = test_seed(), written = 0, bytes = 0;

    (void)state;
    assert_non_null(things);
    for (uint32_t i = 0; i < COUNT; i++) {
        things[i] = thing_draw(&random, ROW_IDS, i);
        things[i].value_bytes = 100;
        bytes += 8 + 8 + 8 + 100;
    }
    world_make(&world);
    mn_sim_set_hook(world.os, written_count, &written);
    assert_int_equal(things_sort(&world, things, COUNT, 1, 0), MN_OK);
    mn_sim_set_hook(world.os, NULL, NULL);
    tree_expect(&world, things, COUNT);
    assert_in_range(written, bytes, 4 * bytes);
    world_close(&world);
    free(things);
}

/* ---- a machine that refuses ---- */

struct refusal {
    uint64_t at, seen; /* the call on the nameless file that is refused */
    enum mn_sim_fault fault;
};

static enum mn_sim_fault refuse(void *context, const struct mn_sim_event *event)
{
    struct refusal *refusal = context;

    if (event->inode->named) return MN_SIM_PASS;
    if (refusal->fault != MN_SIM_EIO && event->op != MN_SIM_WRITE) return MN_SIM_PASS;
    return ++refusal->seen == refusal->at ? refusal->fault : MN_SIM_PASS;
}

/* Each write and read of the file fails in each way; the savepoint takes all back, and the same
 * work succeeds. */
static void what_the_file_refuses_is_told(void **state)
{
    enum { COUNT = 150 };
    static const enum mn_sim_fault faults[] = {MN_SIM_EIO, MN_SIM_FULL, MN_SIM_SHORT};
    struct thing things[COUNT];
    uint64_t random = test_seed(), refused = 0;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) things[i] = thing_draw(&random, WORDS, i);
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        struct refusal refusal = {.fault = faults[f]};

        do {
            struct world world;
            uint32_t savepoint;
            enum mn_status status;

            refusal.at++;
            refusal.seen = 0;
            world_make(&world);
            assert_int_equal(mn_savepoint_begin(world.view, &savepoint), MN_OK);
            mn_sim_set_hook(world.os, refuse, &refusal);
            status = things_sort(&world, things, COUNT, 4, 0);
            mn_sim_set_hook(world.os, NULL, NULL);
            if (refusal.seen < refusal.at) {
                assert_int_equal(status, MN_OK);
            } else {
                assert_int_equal(status, faults[f] == MN_SIM_FULL ? MN_FULL : MN_IOERR);
                if (status == MN_FULL)
                    assert_non_null(strstr(mn_error_last()->hint, "memory_limit"));
                mn_savepoint_rollback(world.view, savepoint);
                assert_int_equal(things_sort(&world, things, COUNT, 4, 0), MN_OK);
                refused++;
            }
            tree_expect(&world, things, COUNT);
            world_close(&world);
        } while (refusal.seen >= refusal.at);
    }
    assert_true(refused > 100);
}

static enum mn_status no_scratch(struct mn_os *os, const char *path, struct mn_file **out)
{
    (void)os;
    *out = NULL;
    return mn_fail(MN_READONLY_DB, "cannot create a file in the folder of %s", path);
}

/* Where nobody may write in the folder, entries go into the tree in parts. */
static void a_folder_may_be_closed(void **state)
{
    enum { COUNT = 150 };
    struct thing things[COUNT];
    struct mn_os_ops closed;
    struct world world;
    uint64_t random = test_seed();

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) things[i] = thing_draw(&random, WORDS, i);
    world_make(&world);
    closed = *world.os->ops;
    closed.scratch = no_scratch;
    world.os->ops = &closed;
    assert_int_equal(things_sort(&world, things, COUNT, 20, 0), MN_OK);
    tree_expect(&world, things, COUNT);
    world_close(&world);
}

/* ---- whoever waits ---- */

struct patience {
    uint64_t at, asked; /* the question that ends the work */
};

static enum mn_status patience_ask(void *context)
{
    struct patience *patience = context;

    return ++patience->asked == patience->at ? mn_fail(MN_INTERRUPT, "enough") : MN_OK;
}

/* Of entries that wait in memory, in runs, and in runs that are joined first; into an empty tree,
 * and among what is there. Whichever question ends the work, it is taken back and done again. */
static void merging_can_be_ended(void **state)
{
    enum { COUNT = 3000, FIRST = 1000, LEAST = (COUNT - FIRST) / MN_ENTRIES_BETWEEN_TICKS };
    static const size_t each[] = {COUNT, 500, 20};
    static struct thing things[COUNT];
    uint64_t random = test_seed();

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) things[i] = thing_draw(&random, WORDS, i % 400 + 8);
    for (size_t mode = 0; mode < 6; mode++) {
        struct patience patience = {0, 0};
        const struct mn_watch watch = {patience_ask, &patience};
        bool among = mode & 1;

        do {
            struct world world;
            uint32_t savepoint;
            enum mn_status status;

            patience = (struct patience){patience.at + 1, 0};
            for (uint32_t i = 0; i < COUNT; i++) things[i].key[0] = among || i >= FIRST ? 9 : 5;
            world_make(&world);
            assert_int_equal(things_sort(&world, things, FIRST, COUNT, 0), MN_OK);
            world.watch = &watch;
            assert_int_equal(mn_savepoint_begin(world.view, &savepoint), MN_OK);
            status = things_sort(&world, things + FIRST, COUNT - FIRST, each[mode / 2], 0);
            assert_int_equal(status, patience.asked < patience.at ? MN_OK : MN_INTERRUPT);
            if (status == MN_INTERRUPT) {
                assert_int_equal(patience.asked, patience.at);
                mn_savepoint_rollback(world.view, savepoint);
                status = things_sort(&world, things + FIRST, COUNT - FIRST, each[mode / 2], 0);
                assert_int_equal(status, MN_OK);
            }
            tree_expect(&world, things, COUNT);
            world_close(&world);
        } while (patience.asked >= patience.at);
        assert_true(patience.asked >= LEAST + (mode / 2 == 2)); /* joining asks too */
    }
}

/* ---- memory ---- */

struct shortage {
    uint64_t at, seen;
};

static bool allocation_allowed(void *context, size_t size_bytes)
{
    struct shortage *shortage = context;

    (void)size_bytes;
    return ++shortage->seen != shortage->at;
}

static void memory_may_run_out(void **state)
{
    enum { COUNT = 60 };
    struct thing things[COUNT];
    struct shortage shortage = {0, 0};
    uint64_t random = test_seed();

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) things[i] = thing_draw(&random, WORDS, i);
    do {
        struct world world;
        uint32_t savepoint;
        enum mn_status status;

        shortage.at++;
        shortage.seen = 0;
        world_make(&world);
        assert_int_equal(mn_savepoint_begin(world.view, &savepoint), MN_OK);
        mn_alloc_set_hook(allocation_allowed, &shortage);
        status = things_sort(&world, things, COUNT, 2, 0);
        mn_alloc_set_hook(NULL, NULL);
        assert_true(status == MN_OK || status == MN_NOMEM);
        if (status == MN_NOMEM) {
            mn_savepoint_rollback(world.view, savepoint);
            assert_int_equal(things_sort(&world, things, COUNT, 2, 0), MN_OK);
        }
        tree_expect(&world, things, COUNT);
        world_close(&world);
    } while (shortage.seen >= shortage.at);
    assert_true(shortage.at > 200);
}

/* ---- a real file ---- */

/* The descriptor of the file that has no name. */
static int nameless_find(const char *folder)
{
    char path[64], target[512];

    for (int fd = 3; fd < 256; fd++) {
        ssize_t length;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        length = readlink(path, target, sizeof target - 1);
        if (length <= 0) continue;
        target[length] = '\0';
        if (strncmp(target, folder, strlen(folder)) == 0 && strstr(target, "(deleted)")) return fd;
    }
    return -1;
}

static size_t names_count(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir)) count++;
    closedir(dir);
    return count - 2;
}

/* The folder's own rights; root, whom none bind, is somebody else meanwhile. */
static void a_real_folder_may_be_closed(void **state)
{
    enum { COUNT = 150, NOBODY = 65534 };
    struct thing things[COUNT];
    const char *folder = test_folder();
    char path[512];
    struct mn_file *file;
    struct world world;
    uint64_t random = test_seed();
    enum mn_status status;
    bool root = geteuid() == 0;

    (void)state;
    snprintf(path, sizeof path, "%s/closed.mn", folder);
    for (uint32_t i = 0; i < COUNT; i++) things[i] = thing_draw(&random, WORDS, i);
    world_open(&world, NULL, path);
    assert_int_equal(chmod(folder, 0555), 0);
    if (root) assert_int_equal(seteuid(NOBODY), 0);
    assert_int_equal(mn_store_scratch(world.store, &file), MN_READONLY_DB);
    status = things_sort(&world, things, COUNT, 20, 0);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(status, MN_OK);
    tree_expect(&world, things, COUNT);
    world_close(&world);
}

/* The file has no name beside the database's; a byte of it that another one wrote is noticed. */
static void a_changed_byte_is_noticed(void **state)
{
    enum { COUNT = 400 };
    static struct thing things[COUNT];
    const char *folder = test_folder();
    char path[512];
    uint64_t random = test_seed();

    (void)state;
    snprintf(path, sizeof path, "%s/s.mn", folder);
    for (uint32_t i = 0; i < COUNT; i++) things[i] = thing_draw(&random, WORDS, i);
    for (int changed = 0; changed < 2; changed++) {
        struct mn_sorter sorter;
        struct mn_clash clash;
        struct world world;
        uint8_t byte;
        int fd;

        world_open(&world, NULL, path);
        sorter = (struct mn_sorter){.tree = world.tree};
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(thing_add(&sorter, &things[i]), MN_OK);
            if (i % 100 < 99) continue;
            assert_int_equal(mn_sorter_spill(&sorter, world.view, 0, &clash), MN_OK);
        }
        assert_int_equal(names_count(folder), 1);
        fd = nameless_find(folder);
        assert_true(fd > 0);
        assert_int_equal(pread(fd, &byte, 1, 70000), 1);
        byte ^= 4;
        if (changed) assert_int_equal(pwrite(fd, &byte, 1, 70000), 1);
        assert_int_equal(mn_sorter_flush(&sorter, world.view, &clash), changed ? MN_IOERR : MN_OK);
        mn_sorter_release(&sorter);
        assert_int_equal(nameless_find(folder), -1);
        if (!changed) tree_expect(&world, things, COUNT);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spilled_entries_are_all_there),
        cmocka_unit_test(twins_are_named),
        cmocka_unit_test(twins_at_the_end_of_a_block_are_named),
        cmocka_unit_test(runs_are_joined_by_levels),
        cmocka_unit_test(what_the_file_refuses_is_told),
        cmocka_unit_test(a_folder_may_be_closed),
        cmocka_unit_test(merging_can_be_ended),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(a_real_folder_may_be_closed),
        cmocka_unit_test(a_changed_byte_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
