/*
 * Tests of what settling costs: a writer is killed at each call that a commit makes of the machine,
 * on a file of 4 GiB, and the next opener is watched at the seam.
 *
 * The table of functions of the real file is patched, so that every call can be counted, and so
 * that the writer can end itself by SIGKILL before a chosen one. While the file is made, growth is
 * not allocated and zeros are not written: it holds 4 GiB of runs, their checksums in the branches
 * above them, and takes a few megabytes of the disk.
 *
 *   (C1) opening after a kill reads at most 1 MiB of pages from the device, and what proves that
 *        the page cache shows the same, at most 1 MiB more; besides them the fixed pages only;
 *   (C2) it writes the notice and nothing else;
 *   (C3) it does not depend on the size of the file.
 *
 * The processor time from the return of the first sync to the notice is printed, not judged.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "btree/tree.h"
#include "store/meta.h"
#include "support/test.h"

#define RUN_BYTES (UINT64_C(32) << 20)
#define FILE_BYTES (UINT64_C(4) << 30)

enum {
    PAGE = 4096,
    SMALL_BYTES = 40,
    MEBI_BYTES = 1000 << 10,
    LARGE_BYTES = 3 << 20,
    NOTICE_BYTES = 32
};
enum { RING_BYTES_MAX = 128 << 10 };
enum { ROUNDS = 9, EVENTS_MAX = 200, DEVICE = 0, CACHE = 1, WAYS = 2 };
enum kind { SUPERBLOCK, NOTICE, RING, PAGES, KINDS };

static const char *const kind_names[KINDS] = {"superblock", "notice", "ring", "pages"};

/* What was asked of the machine since the counters were cleared. */
struct counts {
    uint64_t read[WAYS][KINDS], written[KINDS];
    uint64_t calls;
    int64_t settled_us; /* of the processor, from the first sync to the notice; -1: no notice yet */
};

static struct counts counts;
static int64_t sync_at_us;
static uint64_t die_at; /* the call before which the process ends; 0: none */
static bool sparse;     /* the file is being made */
static char path[512];
static struct mn_os machine;
static struct mn_os_ops machine_ops;
static struct mn_file_ops patched;
static const struct mn_file_ops *real;

/* ---- the seam ---- */

static int64_t processor_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void call(void)
{
    counts.calls++;
    if (counts.calls == die_at) raise(SIGKILL);
}

static enum kind kind_of(uint64_t offset)
{
    if (offset < MN_SUPERBLOCK_BYTES) return SUPERBLOCK;
    if (offset / PAGE == mn_meta_notice_at(PAGE) / PAGE) return NOTICE;
    /* Between the first and the last slot lie wings: read with the ring, in one piece. */
    return offset < mn_meta_slot_at(PAGE, 1) + MN_META_BYTES ? RING : PAGES;
}

static void count(uint64_t *by_kind, struct mn_range at)
{
    for (uint64_t i = 0; i < at.length;) {
        uint64_t step = PAGE - (at.start + i) % PAGE;

        if (step > at.length - i) step = at.length - i;
        by_kind[kind_of(at.start + i)] += step;
        i += step;
    }
}

static enum mn_status counted_pread(struct mn_file *file, void *bytes, struct mn_range at,
                                    size_t *got)
{
    call();
    count(counts.read[CACHE], at);
    return real->pread(file, bytes, at, got);
}

static enum mn_status counted_device(struct mn_file *file, void *bytes, struct mn_range at,
                                     size_t *got)
{
    call();
    count(counts.read[DEVICE], at);
    return real->read_device(file, bytes, at, got);
}

static bool all_zero(const struct mn_slice *slices, size_t slice_count)
{
    for (size_t i = 0; i < slice_count; i++) {
        const uint8_t *bytes = slices[i].data;

        if (slices[i].size_bytes < PAGE || bytes[0]) return false;
        if (memcmp(bytes, bytes + 1, slices[i].size_bytes - 1) != 0) return false;
    }
    return true;
}

static enum mn_status counted_pwritev(struct mn_file *file, uint64_t offset,
                                      const struct mn_slice *slices, size_t slice_count)
{
    struct mn_range at = {offset, 0};

    call();
    for (size_t i = 0; i < slice_count; i++) at.length += slices[i].size_bytes;
    count(counts.written, at);
    if (kind_of(offset) == NOTICE && counts.settled_us < 0) {
        counts.settled_us = processor_us() - sync_at_us;
    }
    /* Nothing is ever freed while the file is made: what was not written reads as zeros. */
    if (sparse && at.length >= 1 << 20 && all_zero(slices, slice_count)) return MN_OK;
    return real->pwritev(file, offset, slices, slice_count);
}

static enum mn_status counted_sync(struct mn_file *file)
{
    enum mn_status status;

    call();
    status = real->sync(file);
    if (counts.settled_us < 0) sync_at_us = processor_us();
    return status;
}

static enum mn_status counted_resize(struct mn_file *file, uint64_t size_bytes)
{
    call();
    if (!sparse) return real->resize(file, size_bytes);
    return truncate(path, (off_t)size_bytes) == 0 ? MN_OK : mn_fail(MN_IOERR, "cannot truncate");
}

static enum mn_status patched_open(struct mn_os *os, const char *name, unsigned flags,
                                   struct mn_file **out)
{
    enum mn_status status = mn_os_posix()->ops->open(os, name, flags, out);

    if (status) return status;
    real = (*out)->ops;
    patched = *real;
    patched.pread = counted_pread;
    patched.read_device = counted_device;
    patched.pwritev = counted_pwritev;
    patched.sync = counted_sync;
    patched.resize = counted_resize;
    (*out)->ops = &patched;
    return MN_OK;
}

/* ---- the file ---- */

static struct mn_store *file_open(unsigned flags)
{
    struct mn_store_options options = {
        .path = path, .flags = flags, .hooks = mn_tree_hooks(), .os = &machine};
    struct mn_store *store;
    enum mn_status status = mn_store_open(&options, &store);

    if (status) fprintf(stderr, "open: %s\n", mn_error_last()->message);
    return status ? NULL : store;
}

/* One commit that puts a run of that many bytes, zeros or not, under a number. */
static void run_commit(struct mn_store *store, uint64_t tree, uint32_t number, uint64_t bytes)
{
    uint8_t key[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                      (uint8_t)number};
    uint8_t *run;
    struct mn_view *view;

    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    assert_int_equal(
        mn_tree_put_run(view, tree, mn_bytes_of(key, 4), mn_bytes_of("r", 1), bytes, &run), MN_OK);
    if (!sparse) memset(run, (int)(number % 250) + 1, bytes);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
}

static uint64_t file_make(void)
{
    struct mn_store *store;
    struct mn_view *view;
    struct mn_store_stats stats;
    uint64_t tree;

    machine_ops = *mn_os_posix()->ops;
    machine_ops.open = patched_open;
    machine.ops = &machine_ops;
    snprintf(path, sizeof path, "%s/settle.mneme", test_folder());
    store = file_open(MN_STORE_CREATE);
    assert_non_null(store);
    assert_int_equal(mn_store_close(store), MN_OK);
    sparse = true;
    store = file_open(0);
    assert_non_null(store);
    assert_int_equal(mn_write_begin(store, 0, &view), MN_OK);
    assert_int_equal(mn_tree_create(view, &tree), MN_OK);
    assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    for (uint32_t i = 0; i < FILE_BYTES / RUN_BYTES; i++) run_commit(store, tree, i, RUN_BYTES);
    sparse = false;
    /* What commits reuse later, and room in front of the end. */
    for (uint32_t i = 0; i < 8; i++) run_commit(store, tree, 1000 + i, MEBI_BYTES);
    assert_int_equal(mn_store_stat(store, &stats), MN_OK);
    assert_true(stats.page_count * PAGE > FILE_BYTES);
    assert_int_equal(mn_store_close(store), MN_OK);
    return tree;
}

/* ---- a kill, and the opener behind it ---- */

/* False: the commit was over before that call. */
static bool killed_at(uint64_t at, uint64_t tree, uint64_t bytes)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct mn_store *store = file_open(0);

        if (!store) _exit(9);
        run_commit(store, tree, 2000, bytes + at % 2 * PAGE); /* the place of another before it */
        memset(&counts, 0, sizeof counts);
        die_at = at;
        run_commit(store, tree, 3000, bytes + at % 2 * PAGE);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void opener_is_bounded(void)
{
    struct mn_store *store;

    memset(&counts, 0, sizeof counts);
    counts.settled_us = -1;
    store = file_open(0);
    assert_non_null(store);
    for (int way = 0; way < WAYS; way++) {
        assert_in_range(counts.read[way][PAGES], 0, 1 << 20);
        assert_in_range(counts.read[way][RING], 0, RING_BYTES_MAX);
        assert_in_range(counts.read[way][SUPERBLOCK], 0, 2 * PAGE);
        assert_in_range(counts.read[way][NOTICE], 0, 2 * PAGE);
    }
    assert_true(counts.written[NOTICE] == NOTICE_BYTES);
    assert_true(counts.written[SUPERBLOCK] + counts.written[RING] + counts.written[PAGES] == 0);
    assert_true(counts.settled_us >= 0);
    assert_int_equal(mn_store_close(store), MN_OK);
}

static void worst_take(struct counts *worst)
{
    for (int way = 0; way < WAYS; way++) {
        for (int k = 0; k < KINDS; k++) {
            if (worst->read[way][k] < counts.read[way][k]) {
                worst->read[way][k] = counts.read[way][k];
            }
        }
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The same kill again and again: the commit is whole, its pages are read and compared. */
static void time_told(const char *what, uint64_t tree, uint64_t bytes, uint64_t at)
{
    int64_t us[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        assert_true(killed_at(at, tree, bytes));
        opener_is_bounded();
        us[i] = counts.settled_us;
    }
    qsort(us, ROUNDS, sizeof *us, by_value);
    printf("settle: %s: processor time from the sync to the notice, %d times: %" PRId64
           " to %" PRId64 " us, median %" PRId64 "\n",
           what, ROUNDS, us[0], us[ROUNDS - 1], us[ROUNDS / 2]);
}

static unsigned commits_killed(const char *what, uint64_t tree, uint64_t bytes)
{
    struct counts worst = {0};
    unsigned kills = 0;

    for (uint64_t at = 1; at < EVENTS_MAX && killed_at(at, tree, bytes); at++, kills++) {
        opener_is_bounded();
        worst_take(&worst);
    }
    printf("settle: %s: %u kills; read at most", what, kills);
    for (int k = 0; k < KINDS; k++) {
        printf(" %s %" PRIu64 " + %" PRIu64, kind_names[k], worst.read[DEVICE][k],
               worst.read[CACHE][k]);
    }
    printf(" bytes (device + cache)\n");
    time_told(what, tree, bytes, kills);
    return kills;
}

static void settling_is_bounded_whatever_the_size(void **state)
{
    uint64_t tree = file_make();
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    printf("settle: a file of %" PRIu64 " bytes, of which %" PRIu64 " are on the disk\n",
           (uint64_t)st.st_size, (uint64_t)st.st_blocks * 512);
    assert_true((uint64_t)st.st_size >= FILE_BYTES);
    assert_true(commits_killed("small commits", tree, SMALL_BYTES) >= 3);
    assert_true(commits_killed("commits of 1 MiB", tree, MEBI_BYTES) >= 3);
    assert_true(commits_killed("commits of 3 MiB", tree, LARGE_BYTES) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settling_is_bounded_whatever_the_size),
    };

    return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
