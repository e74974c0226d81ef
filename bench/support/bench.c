/*
 * bench: the clock, the rounds and the table.
 */
#include "support/bench.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 512, SYNC_BLOCKS = 64, SYNC_TRIES = 300 };
enum { TMPFS_MAGIC_NUMBER = 0x01021994 };
static const long ramfs_magic = 0x858458f6L;

double bench_now_s(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

uint64_t bench_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

void bench_must(bool condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

static char folder[PATH_BYTES];

static int entry_remove(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st, (void)flag, (void)walk;
    remove(path);
    return 0;
}

static void folder_remove(void)
{
    nftw(folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

const char *bench_folder(void)
{
    const char *root = getenv("MNEME_BENCH_FOLDER");

    if (folder[0]) return folder;
    snprintf(folder, sizeof folder, "%s/mneme-bench-XXXXXX", root ? root : "/var/tmp");
    bench_must(mkdtemp(folder) != NULL, "making a folder");
    atexit(folder_remove);
    return folder;
}

const char *bench_path(const char *name)
{
    static char paths[4][PATH_BYTES * 2];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", bench_folder(), name);
    return path;
}

uint64_t bench_file_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static double sync_us(const char *in)
{
    static char block[16384];
    char path[PATH_BYTES * 2];
    double start;
    int fd;

    snprintf(path, sizeof path, "%s/sync", in);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    bench_must(fd >= 0, "opening a file");
    for (int i = 0; i < SYNC_BLOCKS; i++) {
        bench_must(pwrite(fd, block, sizeof block, i * (off_t)sizeof block) > 0, "writing");
    }
    fsync(fd);
    start = bench_now_s();
    for (int i = 0; i < SYNC_TRIES; i++) {
        off_t at = i % SYNC_BLOCKS * (off_t)sizeof block;

        bench_must(pwrite(fd, block, sizeof block, at) > 0, "writing");
        fdatasync(fd);
    }
    start = (bench_now_s() - start) / (double)SYNC_TRIES * 1e6;
    close(fd);
    unlink(path);
    return start;
}

static void processor_print(void)
{
    char line[256], *name;
    FILE *in = fopen("/proc/cpuinfo", "r");

    while (in && fgets(line, sizeof line, in)) {
        if (strncmp(line, "model name", 10) != 0 || !(name = strchr(line, ':'))) continue;
        printf("processor: %s", name + 2);
        break;
    }
    if (in) fclose(in);
}

/* The name of the file system and its device, as the kernel lists the mount of that device number;
 * of several the last, which lies over the others. */
static void device_print(const char *in)
{
    char line[1024], name[128] = "unknown", device[256] = "unknown";
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    struct stat st;

    bench_must(stat(in, &st) == 0, "asking for the device");
    while (mounts && fgets(line, sizeof line, mounts)) {
        unsigned major_number, minor_number;
        const char *rest = strstr(line, " - ");

        if (!rest || sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) != 2) continue;
        if (makedev(major_number, minor_number) != st.st_dev) continue;
        sscanf(rest, " - %127s %255s", name, device);
    }
    if (mounts) fclose(mounts);
    printf("file system %s on %s", name, device);
}

void bench_machine_print(const char *in)
{
    struct statfs fs;
    struct utsname system;

    bench_must(statfs(in, &fs) == 0, "asking for the file system");
    if (fs.f_type == TMPFS_MAGIC_NUMBER || (long)fs.f_type == ramfs_magic) {
        fprintf(stderr, "bench: %s is in memory; set MNEME_BENCH_FOLDER to a disk\n", in);
        exit(1);
    }
    uname(&system);
    processor_print();
    printf("system: %s %s, %ld processors\n", system.sysname, system.release,
           sysconf(_SC_NPROCESSORS_ONLN));
    device_print(in);
    printf("; one fdatasync of 16 KiB over written blocks: %.0f us\n\n", sync_us(in));
}

static int double_compare(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

struct figures {
    double median, low, high;
};

static struct figures figures_of(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, double_compare);
    return (struct figures){values[count / 2], values[0], values[count - 1]};
}

void bench_head_print(void)
{
    printf("%-34s %-10s %14s %26s %8s %6s\n", "work", "unit", "mneme", "peer", "ratio", "bar");
}

static void line_print(const struct bench_row *row, struct figures a, struct figures b,
                       const char *peer)
{
    double ratio = row->fewer_is_better ? b.median / a.median : a.median / b.median;
    char bar[32] = "-";

    if (row->bar > 0) snprintf(bar, sizeof bar, "%.2f", row->bar);
    printf("%-34s %-10s %14.1f %14.1f %-11s %7.2fx %6s%s\n", row->work, row->unit, a.median,
           b.median, peer, ratio, bar, row->bar > 0 && ratio < row->bar ? "  MISSED" : "");
    printf("%45s %6.1f - %6.1f %8.1f - %6.1f\n", "spread", a.low, a.high, b.low, b.high);
    fflush(stdout);
}

void bench_row_print(const struct bench_row *row, double mneme, double peer)
{
    struct figures a = {mneme, mneme, mneme}, b = {peer, peer, peer};

    line_print(row, a, b, row->engines[1].name);
}

static double round_run(const struct bench_row *row, const struct bench_engine *engine, int round)
{
    double start, seconds;
    uint64_t operations;

    if (engine->prepare) engine->prepare(engine->context, round);
    start = bench_now_s();
    operations = engine->work(engine->context, round);
    seconds = bench_now_s() - start;
    return row->fewer_is_better ? seconds * 1e6 / (double)operations : (double)operations / seconds;
}

void bench_row_run(const struct bench_row *row)
{
    double values[BENCH_ENGINES][BENCH_ROUNDS];
    struct figures mneme;
    int engines = 0;

    while (engines < BENCH_ENGINES && row->engines[engines].name) engines++;
    for (int round = 0; round < BENCH_ROUNDS; round++) {
        for (int e = 0; e < engines; e++) {
            values[e][round] = round_run(row, &row->engines[e], round);
        }
    }
    mneme = figures_of(values[0], BENCH_ROUNDS);
    for (int e = 1; e < engines; e++) {
        line_print(row, mneme, figures_of(values[e], BENCH_ROUNDS), row->engines[e].name);
    }
}
