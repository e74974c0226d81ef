/*
 * clock: the machine's time and chance.
 */
#include "os/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t mn_clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t mn_clock_tick_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void mn_clock_sleep_us(int64_t us)
{
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    while (us > 0 && nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

enum mn_status mn_random_bytes(void *bytes, size_t size_bytes)
{
    uint8_t *at = bytes;

    while (size_bytes > 0) {
        ssize_t got = getrandom(at, size_bytes, 0);

        if (got < 0) {
            if (errno == EINTR) continue;
            return mn_fail(MN_IOERR, "no random bytes from the system: %s", strerror(errno));
        }
        at += got;
        size_bytes -= (size_t)got;
    }
    return MN_OK;
}
