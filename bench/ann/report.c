/*
 * report: medians, and tables that are printed and kept.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ann/ann.h"
#include "support/bench.h"

static FILE *kept;

static int double_compare(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

struct ann_figures ann_figures_of(const double *values, int count)
{
    double sorted[ANN_ROUNDS_MAX];

    bench_must(count > 0 && count <= ANN_ROUNDS_MAX, "counting rounds");
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, double_compare);
    return (struct ann_figures){sorted[count / 2], sorted[0], sorted[count - 1]};
}

void ann_report_begin(const char *section)
{
    char path[600];

    snprintf(path, sizeof path, "%s/ann_%s.md", ann_run.results, section);
    kept = fopen(path, "w");
    bench_must(kept != NULL, path);
}

void ann_say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    fflush(stdout);
    if (!kept) return;
    va_start(list, format);
    vfprintf(kept, format, list);
    va_end(list);
}

void ann_report_end(void)
{
    if (kept) fclose(kept);
    kept = NULL;
}

const char *ann_verdict(double ratio, double bar)
{
    static char texts[4][64];
    static unsigned next;
    char *text = texts[next++ % 4];

    if (bar > 0) {
        snprintf(text, sizeof texts[0], "%.2f | %.2g | %s", ratio, bar,
                 ratio >= bar ? "reached" : "missed");
    } else {
        snprintf(text, sizeof texts[0], "%.2f | - | ", ratio);
    }
    return text;
}
