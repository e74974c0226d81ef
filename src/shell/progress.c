/*
 * progress: a line on standard error after half a second, only on a terminal.
 */
#include <time.h>
#include <unistd.h>

#include "shell.h"

enum { SILENT_MS = 500, EVERY_MS = 100 };

static struct timespec began;
static bool shown;

static int64_t elapsed_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
}

int progress_count(void *context, uint64_t done, uint64_t total)
{
    int64_t ms = elapsed_ms();

    (void)context;
    if (shell_interrupted) return 1;
    if (ms < SILENT_MS || !isatty(STDERR_FILENO)) return 0;
    shown = true;
    if (total > 0) {
        fprintf(stderr, "\r\033[K%3.0f %%  %.1f s", 100.0 * (double)done / (double)total,
                (double)ms / 1000);
    } else if (done > 0) {
        fprintf(stderr, "\r\033[K%llu  %.1f s", (unsigned long long)done, (double)ms / 1000);
    } else {
        fprintf(stderr, "\r\033[K%.1f s", (double)ms / 1000);
    }
    fflush(stderr);
    return 0;
}

void progress_attach(struct shell *shell)
{
    if (isatty(STDERR_FILENO)) mn_progress(shell->db, progress_count, NULL, EVERY_MS);
}

/* Neither begin nor end calls the library: what it last failed with must stay readable. */
void progress_begin(void)
{
    clock_gettime(CLOCK_MONOTONIC, &began);
    shown = false;
}

void progress_end(void)
{
    if (shown) fprintf(stderr, "\r\033[K");
    shown = false;
}
