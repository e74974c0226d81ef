/*
 * floor: writes and syncs of a commit, by themselves.
 */
#include "support/floor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/bench.h"

enum { CHUNK = 1 << 16, RUN = 2 * FLOOR_PAGE, ROOTS = 4 * FLOOR_PAGE };

static int file_make(const char *name, uint64_t size_bytes)
{
    int fd = open(bench_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char *chunk = malloc(CHUNK);

    bench_must(chunk && fd >= 0, "a file of the floor");
    memset(chunk, 1, CHUNK);
    for (uint64_t at = 0; at + CHUNK <= size_bytes; at += CHUNK) {
        bench_must(pwrite(fd, chunk, CHUNK, (off_t)at) == CHUNK, "the floor");
    }
    bench_must(fdatasync(fd) == 0, "the floor's sync");
    free(chunk);
    return fd;
}

void floor_open(struct floor_file *file, uint64_t size_bytes)
{
    *file = (struct floor_file){file_make("floor", size_bytes),
                                size_bytes / CHUNK * CHUNK / FLOOR_PAGE, 5};
}

void floor_commit(struct floor_file *file)
{
    static const char bytes[ROOTS];
    uint64_t page = 16 + bench_random(&file->random) % (file->pages - 32);
    off_t roots = bench_random(&file->random) % 2 ? 8 * FLOOR_PAGE : 12 * FLOOR_PAGE;

    bench_must(pwrite(file->fd, bytes, RUN, (off_t)(page * FLOOR_PAGE)) == RUN &&
                   pwrite(file->fd, bytes, ROOTS, roots) == ROOTS && fdatasync(file->fd) == 0,
               "a write of the floor");
}

static int page_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

double floor_strewn(struct floor_file *file, uint64_t pages, uint64_t span)
{
    static const char bytes[FLOOR_PAGE];
    uint64_t *list = malloc(pages * sizeof *list);
    uint64_t first = bench_random(&file->random) % (file->pages - span + 1);
    double start;

    bench_must(list != NULL, "memory for the floor");
    for (uint64_t i = 0; i < pages; i++) list[i] = first + bench_random(&file->random) % span;
    qsort(list, pages, sizeof *list, page_compare);
    start = bench_now_s();
    for (uint64_t i = 0; i < pages; i++) {
        bench_must(pwrite(file->fd, bytes, FLOOR_PAGE, (off_t)(list[i] * FLOOR_PAGE)) == FLOOR_PAGE,
                   "a write of the floor");
    }
    bench_must(fdatasync(file->fd) == 0, "the floor's sync");
    free(list);
    return bench_now_s() - start;
}

void floor_close(struct floor_file *file)
{
    close(file->fd);
    unlink(bench_path("floor"));
}

void floor_warm(uint64_t size_bytes)
{
    close(file_make("blocks", size_bytes));
    unlink(bench_path("blocks"));
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double floor_median(double *list, size_t count)
{
    qsort(list, count, sizeof *list, double_compare);
    return list[count / 2];
}
