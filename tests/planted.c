/*
 * planted: switches on one planted bug after the other, and lets the crash explorer look for it.
 *
 *   planted [--seconds N] [--seed N] [--only NAME] [--shape NAME] [--replay TOKEN] [--without
 * INVARIANT] [UNIT-TEST...]
 *
 * For each bug: what found it (shape, seed of the workload, state, invariant), how long that took,
 * and the first of the unit tests, given as programs, that fails with it. A test that does not come
 * to the bug when none is on is not asked, unless it has processes or threads. Asked last is the
 * one that holds, made small, what the explorer found before. Then, for each invariant, a bug that
 * is missed as soon as that one check is off. It ends with 0 when every bug was found.
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
    ENDLESS = 6,       /* times what a search may take, that is with all that was kept behind it */
    UNIT_SECONDS = 10, /* of processor time, and five times what it takes without a bug */
    UNIT_WAIT = 60,    /* the same of the clock */
    UNITS_MAX = 64,
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

/* A unit test as it is without a bug. */
struct unit {
    const char *program, *name;
    double seconds, processor;
    unsigned char *met; /* MN_PLANT_END bytes: which bugs it comes to */
    bool wild;          /* it has processes or threads, which come to more at times */
    int seen;           /* bugs that it saw; shared by all processes */
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
        bool quick = line[0] == '~'; /* there are many ways to cut this one, and few will do */

        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || !workload_parse(line + quick, &workload)) continue;
        x->effort = quick ? 1 : 4;
        /* To check one of its states takes long. */
        x->lean = workload.layer == &layer_vectors || workload.layer == &layer_defs;
        hit = look_at(x, &workload, found);
    }
    if (file) fclose(file);
    return hit;
}

/* What is found without the bug too says nothing about it. */
static bool is_real(const struct explorer *x, const struct hit *found)
{
    struct tally tally = {0};
    struct explorer clean = {
        .checks = x->checks, .effort = x->effort, .lean = x->lean, .tally = &tally};
    struct workload workload;

    mn_planted = MN_PLANT_NONE;
    return workload_parse(found->token, &workload) && crash_explore(&clean, &workload);
}

static void look(const struct options *options, int plant, uint32_t checks, struct hit *found)
{
    struct tally tally = {0};
    struct explorer x = {.checks = checks, .effort = 4, .tally = &tally};
    struct rlimit limit = {(rlim_t)options->seconds * ENDLESS,
                           (rlim_t)options->seconds * ENDLESS + 5};
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
        const struct shape *shape;

        if (n == shape_count) { /* behind the first round */
            x.effort = 4;
            x.lean = false;
            hit = look_at_list(&x, "tests/data/planted_workloads.txt", found) ||
                  look_at_list(&x, "tests/data/crash_regressions.txt", found);
            if (hit) break;
        }
        shape = turn(options, n, &found->n);
        if (!shape) continue;
        found->shape = shape->name;
        shape_workload(shape, options->seed, found->n, &workload);
        x.effort = found->n % FULL_ROUND == FULL_ROUND - 1 ? 4 : 1;
        x.lean = n < shape_count; /* the first round is a quick one */
        hit = look_at(&x, &workload, found);
    }
    found->seconds = processor_seconds();
    if (found->finding.invariant && !is_real(&x, found)) found->finding.invariant = 0;
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
static bool look_judge(int status, const struct hit *found, char how[16])
{
    how[0] = 0;
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

static double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double children_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* met: a file for the bugs that it comes to; -1: nobody asks. */
static bool unit_fails(const struct unit *unit, int plant, int met)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        rlim_t seconds = UNIT_SECONDS + (rlim_t)(5 * unit->processor);
        struct rlimit limit = {seconds, seconds + 5};
        char number[16];

        setrlimit(RLIMIT_CPU, &limit);
        snprintf(number, sizeof number, "%d", plant);
        setenv("MNEME_PLANT", number, 1);
        snprintf(number, sizeof number, "%d", met);
        if (met >= 0) setenv("MNEME_PLANTS_MET", number, 1);
        quiet();
        alarm(UNIT_WAIT + (unsigned)(5 * unit->seconds));
        execl(unit->program, unit->program, (char *)NULL);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* Runs it without a bug: what it takes, and which bugs it comes to. */
static bool unit_measure(struct unit *unit)
{
    FILE *file = tmpfile();
    double start = now_seconds(), before = children_seconds();
    void *met = MAP_FAILED;
    bool good;

    if (file && ftruncate(fileno(file), MN_PLANT_END) == 0) {
        met = mmap(NULL, MN_PLANT_END, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    }
    if (met == MAP_FAILED) abort();
    unit->met = met;
    unit->processor = UNIT_WAIT; /* no limit but a wide one */
    unit->seconds = UNIT_WAIT;
    good = !unit_fails(unit, MN_PLANT_NONE, fileno(file));
    unit->processor = children_seconds() - before;
    unit->seconds = now_seconds() - start;
    fclose(file);
    if (!good) printf("%s fails without a bug\n", unit->program);
    return good;
}

static bool unit_may_see(const struct unit *unit, int plant)
{
    return unit->wild || unit->met[plant];
}

/* False: one fails as it is. */
static bool units_measure(const struct options *options, struct unit *units)
{
    double seconds = 0;
    int pairs = 0;

    if (options->unit_count > UNITS_MAX) abort();
    for (int i = 0; i < options->unit_count; i++) {
        struct unit *unit = &units[i];
        const char *name = strrchr(options->units[i], '/');

        unit->program = options->units[i];
        unit->name = name ? name + 1 : unit->program;
        unit->wild = strstr(unit->name, "process") || strstr(unit->name, "threads");
        if (!unit_measure(unit)) return false;
        seconds += unit->processor;
        for (int plant = 1; plant < MN_PLANT_END; plant++) pairs += unit_may_see(unit, plant);
    }
    if (options->unit_count == 0) return true;
    printf("%d unit tests of %.0f s of processors; %d of %d times one of them comes to a bug\n",
           options->unit_count, seconds, pairs, options->unit_count * (MN_PLANT_END - 1));
    return true;
}

/* Those first that saw most bugs for their time; what the explorer found before at the end. */
static double unit_worth(const struct unit *unit)
{
    double seen = (double)__atomic_load_n(&unit->seen, __ATOMIC_RELAXED);

    if (strcmp(unit->name, explored) == 0) return 0;
    return (seen + 0.5) / (unit->processor + 0.05);
}

/* The first that fails, 0: none does. */
static int units_ask(struct unit *units, int count, int plant)
{
    bool asked[UNITS_MAX] = {false};

    for (;;) {
        int best = -1;

        for (int i = 0; i < count; i++) {
            if (asked[i] || !unit_may_see(&units[i], plant)) continue;
            if (best < 0 || unit_worth(&units[i]) > unit_worth(&units[best])) best = i;
        }
        if (best < 0) return 0;
        asked[best] = true;
        if (!unit_fails(&units[best], plant, -1)) continue;
        __atomic_fetch_add(&units[best].seen, 1, __ATOMIC_RELAXED);
        return best + 1;
    }
}

static pid_t units_start(const struct options *options, struct unit *units, int plant,
                         struct hit *found)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid != 0) return pid;
    found->unit = units_ask(units, options->unit_count, plant);
    found->over = true;
    _exit(0);
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

struct run {
    const struct options *options;
    struct row *rows;
    struct hit *shared; /* one a bug */
    struct unit *units;
    bool asking; /* the unit tests */
};

static void one_end(struct run *run, int plant, int status)
{
    struct row *row = &run->rows[plant];
    bool units = run->options->unit_count > 0;

    if (run->asking) {
        int unit = run->shared[plant].unit;

        if (!run->shared[plant].over) abort();
        if (unit) row->unit = run->units[unit - 1].name;
        row->explored = row->unit && strcmp(row->unit, explored) == 0;
    } else {
        row->plant = plant;
        row->caught = look_judge(status, &run->shared[plant], row->how);
        row->found = run->shared[plant];
        run->shared[plant].over = false;
    }
    if (run->asking == units) row_print(row, units);
}

/* All bugs, JOBS of them at once. */
static void rows_run(struct run *run, int first, int end)
{
    const struct options *options = run->options;
    pid_t pids[MN_PLANT_END] = {0};
    int next = first, running = 0;

    while (next < end || running > 0) {
        int status = 0;
        pid_t pid;

        if (next < end && running < JOBS) {
            struct hit *found = &run->shared[next];

            pids[next] = run->asking ? units_start(options, run->units, next, found)
                                     : look_start(options, next, options->checks, found);
            next++;
            running++;
            continue;
        }
        pid = waitpid(-1, &status, 0);
        if (pid < 0) abort();
        for (int plant = first; plant < next; plant++) {
            if (pids[plant] != pid) continue;
            pids[plant] = 0;
            running--;
            one_end(run, plant, status);
        }
    }
}

/* A bug that this check alone sees. */
static bool check_off(const struct options *options, const struct row *rows, int invariant,
                      struct hit *shared)
{
    char how[16];
    int tries = 0;

    for (int plant = 1; plant < MN_PLANT_END && tries < TRIES_OFF; plant++) {
        int status = 0;
        pid_t pid;

        if (!rows[plant].caught || rows[plant].found.finding.invariant != invariant) continue;
        tries++;
        pid = look_start(options, plant, CHECKS_ALL & ~(1u << invariant), shared);
        if (waitpid(pid, &status, 0) != pid) abort();
        if (look_judge(status, shared, how)) continue;
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

static void sums_print(const struct options *options, const struct row *rows, int shown)
{
    int caught = 0, invisible = 0, known = 0;

    for (int i = 1; i < MN_PLANT_END; i++) {
        caught += rows[i].caught;
        invisible += rows[i].caught && !rows[i].unit;
        known += rows[i].caught && rows[i].explored;
    }
    printf("%d of %d planted bugs found", caught, MN_PLANT_END - 1);
    if (options->unit_count) {
        printf(", %d of them invisible to all unit tests, %d more but for %s", invisible, known,
               explored);
    }
    printf("; %d of %d checks are needed\n", shown, INVARIANTS - 1);
}

static void *shared_memory(size_t size_bytes)
{
    void *memory =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) abort();
    return memory;
}

int main(int argc, char **argv)
{
    struct options options = {.seconds = 10, .seed = 1, .checks = CHECKS_ALL};
    struct run run = {.options = &options,
                      .rows = calloc(MN_PLANT_END, sizeof *run.rows),
                      .shared = shared_memory(MN_PLANT_END * sizeof *run.shared),
                      .units = shared_memory(UNITS_MAX * sizeof *run.units)};
    int first = 1, end = MN_PLANT_END, shown = 0, missed = 0;

    if (!run.rows) return 2;
    options_read(argc, argv, &options);
    if (options.only == 0) {
        fprintf(stderr, "there is no such planted bug\n");
        return 2;
    }
    if (options.only > 0) first = options.only, end = first + 1;
    if (!units_measure(&options, run.units)) return 2;
    rows_run(&run, first, end);
    run.asking = true;
    if (options.unit_count) rows_run(&run, first, end);
    for (int i = first; i < end; i++) missed += !run.rows[i].caught;
    if (options.only > 0) return missed != 0;
    for (int n = 1; n < INVARIANTS; n++) shown += check_off(&options, run.rows, n, run.shared);
    sums_print(&options, run.rows, shown);
    return missed != 0;
}
