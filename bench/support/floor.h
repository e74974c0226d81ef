/*
 * floor: what the device takes for the writes of a commit, without a database.
 *
 * The file is as large as the one that it stands beside, and every block of it was written before.
 */
#ifndef MN_BENCH_SUPPORT_FLOOR_H
#define MN_BENCH_SUPPORT_FLOOR_H

#include <stddef.h>
#include <stdint.h>

struct floor_file {
    int fd;
    uint64_t pages, random; /* pages of FLOOR_PAGE bytes; the state of bench_random */
};

enum { FLOOR_PAGE = 4096 };

void floor_open(struct floor_file *file, uint64_t size_bytes);
/* What a commit of one row asks of the device: leaf and parent side by side somewhere, roots, slot
 * and notice at one of two places near the beginning, one fdatasync. */
void floor_commit(struct floor_file *file);
/* Single pages in the order of the file, strewn at random over `span` pages of it, and one
 * fdatasync. The time in seconds. */
double floor_strewn(struct floor_file *file, uint64_t pages, uint64_t span);
void floor_close(struct floor_file *file);

/* So many bytes are written, synced and removed: blocks that the device has never written before
 * take several times as long, whichever engine comes first to them. */
void floor_warm(uint64_t size_bytes);

/* Of `count` values, which are sorted by it. */
double floor_median(double *list, size_t count);

#endif
