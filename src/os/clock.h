/*
 * clock: the machine's time and chance, for rooms that need no file.
 */
#ifndef MN_OS_CLOCK_H
#define MN_OS_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

int64_t mn_clock_wall_us(void); /* microseconds since 1970-01-01T00:00:00Z */
int64_t mn_clock_tick_us(void); /* monotonic, from an arbitrary start */
void mn_clock_sleep_us(int64_t us);

/* From the system's generator. */
enum mn_status mn_random_bytes(void *bytes, size_t size_bytes);

#endif
