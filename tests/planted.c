/*
 * planted: switches on one planted bug after the other, and lets the crash explorer look for it.
 *
 *   planted [--seconds N] [--seed N] [--only NAME] [--shape NAME] [--replay TOKEN] [--without
 * INVARIANT] [UNIT-TEST...]
 *
 * For each bug: what found it (shape, seed of the workload, state, invariant), how long that took,
 * and the first of the unit tests, given as programs, that fails with it. Asked last is the one
 * that holds, made small, what the explorer found before. Then, for each invariant, a bug that is
 * missed as soon as that one check is off. It ends with 0 when every bug was found.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/plant.h"
#include "support/crash.h"
#include "support/test.h"

enum {
    JOBS = 4,
    LARGE_ROUND = 4,
    FULL_ROUND = 4,
    UNIT_SECONDS = 30, /* of processor time; most take less than 1 */
    UNIT_WAIT = 120,
    INVARIANTS = 10,
    TRIES_OFF = 20
};

static const struct {
    const char *name, *rule;
} plants[] = {{"", ""},
#define PLANT_TEXT(name, rule) {#name, rule},
              MN_PLANTS(PLANT_TEXT)
#undef PLANT_TEXT
};

/* What the explorer found before. */
static const char explored[] = "test_store_power";

/* What one child found; shared with the parent. */
struct hit {
    uint64_t seed, n;
    double seconds;
    char token[TOKEN_BYTES];
    struct finding finding;
    const char *shape;
    int unit; /* the first unit test that fails, from 1 */
    bool over;
};

struct row {
    int plant;
    bool caught;
    char how[16]; /* the invariant, or how the process died */
    struct hit found;
    const char *unit; /* the first unit test that fails, NULL: none does */
    bool explored;    /* it is the one of what the explorer found before */
};

struct options {
    double seconds;
    uint64_t seed;
    int only;
    const char *shape, *replay;
    uint32_t checks;
    char **units;
    int unit_count;
};

static double processor_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- looking for one ---- */

/* Shapes take turns; those of long workloads not in each round. */
static const struct shape *turn(const struct options *options, uint64_t n, uint64_t *number)
{
    const struct shape *shape = &shapes[n % shape_count];

    *number = n / shape_count;
    for (uint32_t i = 0; options->shape && i < shape_count; i++) {
        if (strcmp(options->shape, shapes[i].name) == 0) {
            *number = n;
            return &shapes[i];
        }
    }
    if (strcmp(shape->name, "over 1 MiB") == 0 && *number % LARGE_ROUND != 0) return NULL;
    if (*number % shape->rounds != shape->rounds - 1) return NULL;
    return shape;
}

static bool look_at(struct explorer *x, const struct workload *workload, struct hit *found)
{
    found->seed = workload->seed;
    workload_print(workload, found->token);
    memset(x->tally, 0, sizeof *x->tally);
    if (crash_explore(x, workload)) return false;
    found->finding = x->finding;
    return true;
}

/* What failed once, or found a planted bug late. */
static bool look_at_list(struct explorer *x, const char *list, struct hit *found)
{
    FILE *file = fopen(test_source(list), "r");
    char line[TOKEN_BYTES + 2];
    struct workload workload;
    bool hit = false;

    found->shape = "a kept workload";
    while (file && !hit && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || !workload_parse(line, &workload)) continue;
        hit = look_at(x, &workload, found);
    }
    if (file) fclose(file);
    return hit;
}

static void look(const struct options *options, int plant, uint32_t checks, struct hit *found)
{
    struct tally tally = {0};
    struct explorer x = {.checks = checks, .effort = 4, .tally = &tally};
    struct rlimit limit = {(rlim_t)options->seconds * 2, (rlim_t)options->seconds * 2 + 5};
    bool hit = false;

    setrlimit(RLIMIT_CPU, &limit); /* a bug may be an endless loop */
    mn_planted = plant;
    if (options->replay) {
        struct workload workload;

        found->shape = "the given workload";
        hit = !workload_parse(options->replay, &workload) || look_at(&x, &workload, found);
    }
    for (uint64_t n = 0; !hit && !options->replay && processor_seconds() < options->seconds; n++) {
        struct workload workload;
        const struct shape *shape = turn(options, n, &found->n);

        if (!shape) continue;
        found->shape = shape->name;
        shape_workload(shape, options->seed, found->n, &workload);
        x.effort = found->n % FULL_ROUND == FULL_ROUND - 1 ? 4 : 1;
        x.lean = n < shape_count; /* the first round is a quick one */
        hit = look_at(&x, &workload, found);
        if (hit || n + 1 != shape_count) continue;
        x.effort = 4;
        x.lean = false;
        hit = look_at_list(&x, "tests/data/planted_workloads.txt", found) ||
              look_at_list(&x, "tests/data/crash_regressions.txt", found);
    }
    found->seconds = processor_seconds();
    found->over = true;
    _exit(0);
}

static void quiet(void)
{
    int nowhere = open("/dev/null", O_WRONLY);

    dup2(nowhere, 1);
    dup2(nowhere, 2);
}

static pid_t look_start(const struct options *options, int plant, uint32_t checks,
                        struct hit *found)
{
    pid_t pid;

    memset(found, 0, sizeof *found);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        quiet();
        look(options, plant, checks, found);
    }
    if (pid < 0) abort();
    return pid;
}

/* How the child ended; a process that dies or never ends is found as well. */
static bool look_end(pid_t pid, const struct hit *found, char how[16])
{
    int status = 0;

    how[0] = 0;
    if (waitpid(pid, &status, 0) != pid) abort();
    if (found->finding.invariant) {
        snprintf(how, 16, "I%d", found->finding.invariant);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
        snprintf(how, 16, "endless");
    } else if (WIFSIGNALED(status)) {
        snprintf(how, 16, "signal %d", WTERMSIG(status));
    }
    return how[0] != 0;
}

/* ---- unit tests ---- */

static bool unit_fails(const char *program, int plant)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        struct rlimit limit = {UNIT_SECONDS, UNIT_SECONDS + 5};
        char number[16];

        setrlimit(RLIMIT_CPU, &limit);
        snprintf(number, sizeof number, "%d", plant);
        setenv("MNEME_PLANT", number, 1);
        quiet();
        alarm(UNIT_WAIT);
        execl(program, program, (char *)NULL);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *unit_name(const char *program)
{
    const char *name = strrchr(program, '/');

    return name ? name + 1 : program;
}

/* The quickest first, for most bugs that unit tests see are seen by several; what the explorer
 * found before at the end. False: one fails as it is. */
static bool units_sort(const struct options *options)
{
    double *seconds = calloc((size_t)options->unit_count + 1, sizeof *seconds);
    bool good = seconds != NULL;

    for (int i = 0; good && i < options->unit_count; i++) {
        char *unit = options->units[i];
        double start = now_seconds(), took;
        int at = i;

        good = !unit_fails(unit, MN_PLANT_NONE);
        if (!good) printf("%s fails without a bug\n", unit);
        took = now_seconds() - start;
        if (strcmp(unit_name(unit), explored) == 0) took += (double)UNIT_WAIT;
        for (; at > 0 && seconds[at - 1] > took; at--) {
            seconds[at] = seconds[at - 1];
            options->units[at] = options->units[at - 1];
        }
        seconds[at] = took;
        options->units[at] = unit;
    }
    free(seconds);
    return good;
}

static pid_t units_start(const struct options *options, int plant, struct hit *found)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid != 0) return pid;
    for (int i = 0; i < options->unit_count && !found->unit; i++) {
        if (unit_fails(options->units[i], plant)) found->unit = i + 1;
    }
    _exit(0);
}

static const char *units_end(const struct options *options, pid_t pid, const struct hit *found)
{
    if (pid < 0 || waitpid(pid, NULL, 0) != pid) abort();
    if (!found->unit) return NULL;
    return unit_name(options->units[found->unit - 1]);
}

/* ---- the table ---- */

static void row_print(const struct row *row, bool units)
{
    const struct hit *found = &row->found;

    if (row->caught) {
        printf("%3d %-24s %-8s %6.2f s  %-19s seed %-9" PRIu64 " state %-7" PRIu64 " %s\n",
               row->plant, plants[row->plant].name, row->how, found->seconds, found->shape,
               found->seed, found->finding.state,
               !units      ? ""
               : row->unit ? row->unit
                           : "invisible");
    } else {
        printf("%3d %-24s MISSED   %6.2f s\n", row->plant, plants[row->plant].name, found->seconds);
    }
    printf("      %s\n", plants[row->plant].rule);
    if (found->finding.text[0])
        printf("      found: %s\n      --only %s --replay %s\n", found->finding.text,
               plants[row->plant].name, found->token);
    fflush(stdout);
}

static int rows_run(const struct options *options, struct row *rows, struct hit *shared)
{
    int missed = 0, first = options->only > 0 ? options->only : 1;
    int end = options->only > 0 ? options->only + 1 : MN_PLANT_END;

    for (int at = first; at < end; at += JOBS) {
        pid_t pids[JOBS];

        for (int j = 0; j < JOBS && at + j < end; j++) {
            pids[j] = look_start(options, at + j, options->checks, &shared[j]);
        }
        for (int j = 0; j < JOBS && at + j < end; j++) {
            struct row *row = &rows[at + j];

            row->plant = at + j;
            row->caught = look_end(pids[j], &shared[j], row->how);
            row->found = shared[j];
            missed += !row->caught;
            pids[j] = options->unit_count ? units_start(options, at + j, &shared[j]) : 0;
        }
        for (int j = 0; j < JOBS && at + j < end; j++) {
            if (pids[j]) rows[at + j].unit = units_end(options, pids[j], &shared[j]);
            rows[at + j].explored = rows[at + j].unit && !strcmp(rows[at + j].unit, explored);
            row_print(&rows[at + j], options->unit_count > 0);
        }
    }
    return missed;
}

/* A bug that this check alone sees. */
static bool check_off(const struct options *options, const struct row *rows, int invariant,
                      struct hit *shared)
{
    char how[16];
    int tries = 0;

    for (int plant = 1; plant < MN_PLANT_END && tries < TRIES_OFF; plant++) {
        pid_t pid;

        if (!rows[plant].caught || rows[plant].found.finding.invariant != invariant) continue;
        tries++;
        pid = look_start(options, plant, CHECKS_ALL & ~(1u << invariant), shared);
        if (look_end(pid, shared, how)) continue;
        printf("without the check of I%d: %d %s is missed in %.1f s\n", invariant, plant,
               plants[plant].name, shared->seconds);
        return true;
    }
    printf("without the check of I%d: nothing is missed (%d tried)\n", invariant, tries);
    return false;
}

/* 0: there is no such bug. */
static int plant_number(const char *name)
{
    for (int i = 1; i < MN_PLANT_END; i++) {
        if (strcmp(plants[i].name, name) == 0) return i;
    }
    return 0;
}

static void options_read(int argc, char **argv, struct options *options)
{
    int i = 1;

    options->only = -1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        const char *value = argv[i + 1];

        if (strcmp(argv[i], "--seconds") == 0) options->seconds = strtod(value, NULL);
        if (strcmp(argv[i], "--seed") == 0) options->seed = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--only") == 0) options->only = plant_number(value);
        if (strcmp(argv[i], "--shape") == 0) options->shape = value;
        if (strcmp(argv[i], "--replay") == 0) options->replay = value;
        if (strcmp(argv[i], "--without") == 0) options->checks &= ~(1u << strtol(value, NULL, 10));
    }
    options->units = argv + i;
    options->unit_count = argc - i;
}

int main(int argc, char **argv)
{
    struct options options = {.seconds = 10, .seed = 1, .checks = CHECKS_ALL};
    struct row *rows = calloc(MN_PLANT_END, sizeof *rows);
    struct hit *shared = mmap(NULL, JOBS * sizeof *shared, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int missed, invisible = 0, known = 0, shown = 0;

    if (!rows || shared == MAP_FAILED) return 2;
    options_read(argc, argv, &options);
    if (options.only == 0) {
        fprintf(stderr, "there is no such planted bug\n");
        return 2;
    }
    if (!units_sort(&options)) return 2;
    missed = rows_run(&options, rows, shared);
    if (options.only > 0) return missed != 0;
    for (int i = 1; i < MN_PLANT_END; i++) {
        invisible += rows[i].caught && !rows[i].unit;
        known += rows[i].caught && rows[i].explored;
    }
    for (int n = 1; n < INVARIANTS; n++) shown += check_off(&options, rows, n, shared);
    printf("%d of %d planted bugs found", MN_PLANT_END - 1 - missed, MN_PLANT_END - 1);
    if (options.unit_count) {
        printf(", %d of them invisible to all unit tests, %d more but for %s", invisible, known,
               explored);
    }
    printf("; %d of %d checks are needed\n", shown, INVARIANTS - 1);
    return missed != 0;
}
