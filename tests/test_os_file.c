/*
 * Tests of os/file: both machines keep the promises of the seam, and the simulated one breaks only
 * what a real one may break.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "os/sim.h"
#include "support/status.h"
#include "support/test.h"

struct machine {
    struct mn_os *os;
    char path[512];
};

static void machines(struct machine all[2])
{
    all[0].os = mn_os_posix();
    snprintf(all[0].path, sizeof all[0].path, "%s/file", test_folder());
    all[1].os = mn_machine_new(1, 0);
    snprintf(all[1].path, sizeof all[1].path, "file");
}

static struct mn_file *create(const struct machine *on)
{
    struct mn_file *file;

    ok(on->os->ops->create(on->os, on->path, &file));
    return file;
}

static struct mn_file *open_again(const struct machine *on, unsigned flags)
{
    struct mn_file *file;

    ok(on->os->ops->open(on->os, on->path, flags, &file));
    return file;
}

static void a_new_file_has_no_name_until_it_is_published(void **state)
{
    struct machine all[2];

    (void)state;
    machines(all);
    for (int m = 0; m < 2; m++) {
        const struct machine *on = &all[m];
        struct mn_file *first = create(on), *second = create(on), *none;

        assert_int_equal(on->os->ops->open(on->os, on->path, 0, &none), MN_NOTFOUND);
        ok(mn_file_write(first, 0, "one", 3));
        ok(mn_file_write(second, 0, "two", 3));
        ok(first->ops->sync(first));
        ok(first->ops->publish(first));
        assert_int_equal(second->ops->publish(second), MN_EXISTS);
        second->ops->close(second);
        first->ops->close(first);
        first = open_again(on, MN_OPEN_READONLY);
        char text[4] = {0};
        ok(mn_file_read(first, text, (struct mn_range){0, 3}, "text"));
        assert_string_equal(text, "one");
        assert_int_equal(mn_file_read(first, text, (struct mn_range){1, 3}, "text"), MN_CORRUPT);
        assert_int_not_equal(mn_file_write(first, 0, "x", 1), MN_OK);
        first->ops->close(first);
    }
    mn_machine_free(all[1].os);
}

static void writes_are_seen_by_reads_map_and_device(void **state)
{
    struct machine all[2];

    (void)state;
    machines(all);
    for (int m = 0; m < 2; m++) {
        struct mn_file *file = create(&all[m]);
        static uint8_t page[8192], back[8192];
        struct mn_slice slices[3] = {{page, 100}, {page + 100, 4000}, {page + 4100, 4092}};
        const uint8_t *map;
        uint64_t reserved, size;
        size_t got;

        for (size_t i = 0; i < sizeof page; i++) page[i] = (uint8_t)(i * 7);
        ok(file->ops->publish(file));
        ok(file->ops->map(file, 1 << 24, &map, &reserved));
        assert_non_null(map);
        ok(file->ops->resize(file, 65536));
        ok(file->ops->size(file, &size));
        assert_int_equal(size, 65536);
        assert_int_equal(map[65535], 0);
        ok(file->ops->pwritev(file, 12288, slices, 3));
        assert_memory_equal(map + 12288, page, sizeof page);
        ok(file->ops->pread(file, back, (struct mn_range){12288, 8192}, &got));
        assert_memory_equal(back, page, sizeof page);
        memset(back, 0, sizeof back);
        ok(file->ops->read_device(file, back, (struct mn_range){12288, 8192}, &got));
        assert_int_equal(got, 8192);
        assert_memory_equal(back, page, sizeof page);
        ok(file->ops->read_device(file, back, (struct mn_range){61440, 8192}, &got));
        assert_int_equal(got, 4096);
        file->ops->drop_cached(file, (struct mn_range){12288, 8192});
        assert_memory_equal(map + 12288, page, sizeof page);
        ok(file->ops->resize(file, 8192));
        ok(file->ops->pread(file, back, (struct mn_range){8192, 10}, &got));
        assert_int_equal(got, 0);
        file->ops->close(file);
    }
    mn_machine_free(all[1].os);
}

/* 1: the file system has promised blocks in this range that were never written; 0: none; -1: it
 * does not tell. */
static int promised(const struct machine *on, uint64_t from, uint64_t length)
{
    union {
        struct fiemap map;
        uint8_t room[sizeof(struct fiemap) + 64 * sizeof(struct fiemap_extent)];
    } ask = {.map = {.fm_start = from, .fm_length = length, .fm_extent_count = 64}};
    int fd = open(on->path, O_RDONLY), answer;

    assert_true(fd >= 0);
    answer = ioctl(fd, FS_IOC_FIEMAP, &ask.map) == 0 ? 0 : -1;
    close(fd);
    for (uint32_t i = 0; answer >= 0 && i < ask.map.fm_mapped_extents; i++) {
        if (ask.map.fm_extents[i].fe_flags & FIEMAP_EXTENT_UNWRITTEN) answer = 1;
    }
    return answer;
}

/* What lies before and behind it stays, also where it was not synced and waits in the page cache.
 */
static void written_in_advance(const struct machine *on, struct mn_file *file, const uint8_t *map,
                               uint64_t from, uint64_t length)
{
    static uint8_t bytes[1 << 20], zeros[1 << 20];
    size_t got;
    int before;

    ok(mn_file_write(file, from + 10, "in the way", 10));
    ok(file->ops->sync(file));
    before = promised(on, from, length);
    print_message("promised blocks are %s\n", before < 0 ? "not told" : before ? "told" : "none");
    ok(mn_file_write(file, from - 5, "left\1", 5));
    ok(mn_file_write(file, from + length, "right", 5));
    ok(mn_file_write(file, from + 5000, "in the way, unsynced", 20));
    file->ops->prewrite(file, (struct mn_range){from, length});
    ok(file->ops->pread(file, bytes, (struct mn_range){0, sizeof bytes}, &got));
    assert_int_equal(got, sizeof bytes);
    assert_memory_equal(bytes + from, zeros, length);
    assert_memory_equal(bytes + from - 5, "left\1", 5);
    assert_memory_equal(bytes + from + length, "right", 5);
    assert_memory_equal(map, bytes, sizeof bytes);
    ok(file->ops->sync(file));
    /* The blocks are written ones now; those behind are not, where the file system tells. */
    assert_true(promised(on, from, length) <= 0);
    assert_int_equal(promised(on, from + length + (64 << 10), 64 << 10), before);
    ok(file->ops->read_device(file, bytes, (struct mn_range){0, sizeof bytes}, &got));
    assert_memory_equal(map, bytes, sizeof bytes);
}

static void blocks_written_in_advance_are_data_and_zeros(void **state)
{
    enum { SIZE = 1 << 20, FROM = 300 << 10, LENGTH = 200 << 10 };
    static uint8_t bytes[5];
    struct machine all[2];
    struct mn_file *file, *reader;
    const uint8_t *map;
    uint64_t size, reserved;

    (void)state;
    machines(all);
    file = create(&all[0]);
    ok(file->ops->publish(file));
    ok(file->ops->resize(file, SIZE));
    ok(file->ops->map(file, SIZE, &map, &reserved));
    written_in_advance(&all[0], file, map, FROM, LENGTH);
    written_in_advance(&all[0], file, map, FROM + 2 * LENGTH + 512, LENGTH / 2);
    ok(file->ops->size(file, &size));
    assert_int_equal(size, SIZE);

    /* Advice: a descriptor that cannot write changes nothing, and goes on. */
    reader = open_again(&all[0], MN_OPEN_READONLY);
    reader->ops->prewrite(reader, (struct mn_range){FROM + LENGTH, 4096});
    ok(mn_file_read(reader, bytes, (struct mn_range){FROM + LENGTH, 5}, "text"));
    assert_memory_equal(bytes, "right", 5);
    reader->ops->close(reader);
    file->ops->close(file);
    mn_machine_free(all[1].os);
}

static void a_sync_that_was_begun_is_ended_by_the_sync(void **state)
{
    static uint8_t page[8192], back[8192];
    struct machine all[2];
    struct mn_file *file, *reader;
    size_t got;

    (void)state;
    machines(all);
    for (size_t i = 0; i < sizeof page; i++) page[i] = (uint8_t)(i * 11);
    file = create(&all[0]);
    ok(file->ops->publish(file));
    ok(file->ops->resize(file, 65536));
    for (int round = 0; round < 3; round++) { /* what is written meanwhile is not lost either */
        page[0] = (uint8_t)round;
        ok(mn_file_write(file, 4096, page, sizeof page));
        file->ops->begin_sync(file, (struct mn_range){4096, sizeof page});
        page[100] = (uint8_t)(round + 1);
        ok(mn_file_write(file, 4096, page, sizeof page));
        ok(file->ops->sync(file));
        ok(file->ops->read_device(file, back, (struct mn_range){4096, sizeof page}, &got));
        assert_int_equal(got, sizeof page);
        assert_memory_equal(back, page, sizeof page);
    }
    /* Advice: past the end, and of a descriptor that cannot write. */
    file->ops->begin_sync(file, (struct mn_range){1 << 20, 4096});
    reader = open_again(&all[0], MN_OPEN_READONLY);
    reader->ops->begin_sync(reader, (struct mn_range){4096, 4096});
    reader->ops->close(reader);
    ok(file->ops->sync(file));
    file->ops->close(file);
    mn_machine_free(all[1].os);
}

static void locks_exclude_other_handles_only(void **state)
{
    struct machine all[2];

    (void)state;
    machines(all);
    for (int m = 0; m < 2; m++) {
        struct mn_range one = {UINT64_C(1) << 62, 1}, seven = {(UINT64_C(1) << 62) + 7, 1};
        struct mn_range pins = {UINT64_C(1) << 62, 0}, found;
        struct mn_file *first = create(&all[m]), *second;
        enum mn_lock held;

        ok(first->ops->publish(first));
        second = open_again(&all[m], 0);
        ok(first->ops->lock(first, one, MN_LOCK_EXCLUSIVE, 0));
        ok(first->ops->lock(first, one, MN_LOCK_EXCLUSIVE, 0));
        assert_int_equal(second->ops->lock(second, one, MN_LOCK_SHARED, 0), MN_BUSY);
        assert_int_equal(second->ops->lock(second, one, MN_LOCK_SHARED, 3000), MN_BUSY);
        ok(first->ops->lock(first, one, MN_LOCK_SHARED, 0));
        ok(second->ops->lock(second, one, MN_LOCK_SHARED, 0));
        assert_int_equal(first->ops->lock(first, one, MN_LOCK_EXCLUSIVE, 0), MN_BUSY);
        ok(first->ops->lock(first, one, MN_LOCK_NONE, 0));
        ok(second->ops->lock(second, seven, MN_LOCK_SHARED, 0));
        /* One's own locks are not answered; of others' any one is. */
        ok(second->ops->lock_query(second, pins, MN_LOCK_EXCLUSIVE, &found, &held));
        assert_int_equal(held, MN_LOCK_NONE);
        ok(first->ops->lock_query(first, pins, MN_LOCK_EXCLUSIVE, &found, &held));
        assert_int_equal(held, MN_LOCK_SHARED);
        assert_true(found.start == one.start || found.start == seven.start);
        second->ops->close(second);
        ok(first->ops->lock(first, one, MN_LOCK_EXCLUSIVE, 0));
        first->ops->close(first);
    }
    mn_machine_free(all[1].os);
}

/* A map that a child inherits must not keep the locks of its dead parent: here, of a closed handle.
 */
static void a_child_keeps_no_lock_alive(void **state)
{
    struct machine all[2];
    struct mn_range byte = {UINT64_C(1) << 61, 1};
    struct mn_file *file, *second;
    const uint8_t *map;
    uint64_t reserved, size;
    int ends[2], how;
    pid_t child;

    (void)state;
    machines(all);
    file = create(&all[0]);
    ok(file->ops->publish(file));
    ok(file->ops->map(file, 1 << 24, &map, &reserved));
    ok(file->ops->lock(file, byte, MN_LOCK_EXCLUSIVE, 0));
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        char one;
        bool refused = file->forked && file->ops->sync(file) == MN_MISUSE;

        file->ops->prewrite(file, (struct mn_range){0, 4096}); /* advice does nothing here */
        file->ops->begin_sync(file, (struct mn_range){0, 4096});
        close(ends[1]);
        _exit(read(ends[0], &one, 1) == 0 && refused ? 0 : 1);
    }
    file->ops->close(file);
    second = open_again(&all[0], 0);
    ok(second->ops->lock(second, byte, MN_LOCK_EXCLUSIVE, 200000));
    close(ends[1]);
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    ok(second->ops->size(second, &size));
    assert_int_equal(size, 0);
    second->ops->close(second);
    close(ends[0]);
    mn_machine_free(all[1].os);
}

/* ---- the simulated disk ---- */

static void unsynced_writes_may_be_lost_and_synced_ones_not(void **state)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct machine on = {.os = os, .path = "file"};
    struct mn_file *file = create(&on);
    uint8_t bytes[3 * 4096];
    unsigned seen = 0;

    (void)state;
    memset(bytes, 1, sizeof bytes);
    ok(mn_file_write(file, 0, bytes, sizeof bytes));
    ok(file->ops->publish(file));
    ok(file->ops->sync(file));
    memset(bytes, 2, sizeof bytes);
    ok(mn_file_write(file, 0, bytes, sizeof bytes));
    assert_int_equal(mn_sim_pending(os, "file"), 3);
    for (uint64_t keep = 0; keep < 8; keep++) {
        struct mn_sim_loss loss = {.keep = keep};
        struct mn_os *after = mn_sim_crash(os, &loss);

        assert_non_null(after);
        for (uint64_t p = 0; p < 3; p++) {
            uint8_t byte;

            ok(mn_sim_peek(after, "file", p * 4096 + 17, &byte, 1));
            assert_int_equal(byte, keep >> p & 1 ? 2 : 1);
        }
        mn_machine_free(after);
    }
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct mn_sim_loss loss = {.tear = MN_SIM_TEAR_512, .torn = 1, .seed = seed};
        struct mn_os *after = mn_sim_crash(os, &loss);

        for (unsigned s = 0; s < 8; s++) {
            uint8_t first, last;

            ok(mn_sim_peek(after, "file", 4096 + s * 512, &first, 1));
            ok(mn_sim_peek(after, "file", 4096 + s * 512 + 511, &last, 1));
            assert_int_equal(first, last);
            seen |= 1u << first;
        }
        mn_machine_free(after);
    }
    assert_int_equal(seen, 6); /* both old and new sectors were met */
    file->ops->close(file);
    mn_machine_free(os);
}

static enum mn_sim_fault sync_fails(void *context, const struct mn_sim_event *event)
{
    (void)context;
    return event->op == MN_SIM_SYNC ? MN_SIM_EIO : MN_SIM_PASS;
}

static void a_failed_sync_lies_until_the_cache_is_dropped(void **state)
{
    struct mn_os *os = mn_machine_new(1, 0);
    struct machine on = {.os = os, .path = "file"};
    struct mn_file *file = create(&on);
    enum { PIECES = 32 };
    static uint8_t bytes[PIECES * 4096], device[PIECES * 4096];
    unsigned lost = 0;
    size_t got;

    (void)state;
    ok(mn_file_write(file, 0, bytes, sizeof bytes));
    ok(file->ops->publish(file));
    ok(file->ops->sync(file));
    memset(bytes, 9, sizeof bytes);
    ok(mn_file_write(file, 0, bytes, sizeof bytes));
    mn_sim_set_hook(os, sync_fails, NULL);
    assert_int_equal(file->ops->sync(file), MN_IOERR);
    mn_sim_set_hook(os, NULL, NULL);
    ok(file->ops->sync(file)); /* the second one says all is well */
    ok(file->ops->read_device(file, device, (struct mn_range){0, sizeof device}, &got));
    for (size_t p = 0; p < PIECES; p++) lost += device[p * 4096] != 9;
    assert_true(lost > 0 && lost < PIECES);
    ok(file->ops->pread(file, bytes, (struct mn_range){0, sizeof bytes}, &got));
    for (size_t p = 0; p < PIECES; p++) assert_int_equal(bytes[p * 4096], 9);
    file->ops->drop_cached(file, (struct mn_range){0, sizeof bytes});
    ok(file->ops->pread(file, bytes, (struct mn_range){0, sizeof bytes}, &got));
    assert_memory_equal(bytes, device, sizeof bytes);
    file->ops->close(file);
    mn_machine_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_has_no_name_until_it_is_published),
        cmocka_unit_test(writes_are_seen_by_reads_map_and_device),
        cmocka_unit_test(blocks_written_in_advance_are_data_and_zeros),
        cmocka_unit_test(a_sync_that_was_begun_is_ended_by_the_sync),
        cmocka_unit_test(locks_exclude_other_handles_only),
        cmocka_unit_test(a_child_keeps_no_lock_alive),
        cmocka_unit_test(unsynced_writes_may_be_lost_and_synced_ones_not),
        cmocka_unit_test(a_failed_sync_lies_until_the_cache_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
