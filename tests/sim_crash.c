/*
 * The crash explorer: workloads by shape and seed, every crash state of each opened and judged.
 *
 *   sim_crash                         the regressions and a short walk: what a test run does
 *   sim_crash --seconds N             so many of processor time in each of --workers N processes
 * (2) sim_crash --replay TOKEN          one workload, as a failure prints it
 *   --seed N --shape NAME --effort N    from where, which shape only, how many states a position
 *
 * A failure prints one line that replays it, and the same shrunk as far as it goes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/crash.h"
#include "support/test.h"

enum { WORKERS_MAX = 16, HASHED = 60, TEST_SECONDS = 4, REPLAY_SECONDS = 120 };

/* What a worker tells its parent, also when it dies. */
struct report {
    struct tally tallies[SHAPES_MAX];
    struct tally sequences;
    uint64_t sequence_count, workloads, log_hash;
    double seconds; /* of its processor */
    char token[TOKEN_BYTES];
    struct finding finding;
    bool done;
};

struct options {
    double seconds;
    uint32_t workers, effort;
    uint64_t seed;
    const char *shape, *replay;
};

static double clock_read(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- one worker ---- */

static bool workload_run(struct explorer *x, struct report *report, const struct workload *workload,
                         struct tally *tally)
{
    workload_print(workload, report->token);
    x->tally = tally;
    x->log_hash = 1;
    if (!crash_explore(x, workload)) {
        report->finding = x->finding;
        return false;
    }
    report->workloads++;
    return true;
}

static const struct shape *shape_of(const struct options *options, uint64_t n, uint32_t *number)
{
    uint64_t all = 0, round;

    for (uint32_t i = 0; i < shape_count; i++) {
        all += shapes[i].weight;
        *number = i;
        if (options->shape && strcmp(options->shape, shapes[i].name) == 0) return &shapes[i];
    }
    round = n / all;
    n %= all;
    for (uint32_t i = 0; i < shape_count; i++) {
        *number = i;
        if (n < shapes[i].weight) break;
        n -= shapes[i].weight;
    }
    if (round % shapes[*number].rounds != 0) *number = 0;
    return &shapes[*number];
}

static void worker_run(const struct options *options, uint32_t number, struct report *report)
{
    struct explorer x = {.checks = CHECKS_ALL, .effort = options->effort};
    bool sequences = !options->shape, good = true;

    for (uint64_t n = number; good && report->seconds < options->seconds; n += options->workers) {
        struct workload workload;
        uint32_t which;
        const struct shape *shape = shape_of(options, n, &which);

        shape_workload(shape, options->seed, n, &workload);
        good = workload_run(&x, report, &workload, &report->tallies[which]);
        if (n < HASHED) report->log_hash += x.log_hash * (2 * n + 1);
        report->seconds = clock_read(CLOCK_PROCESS_CPUTIME_ID);
        if (!good || !sequences) continue;
        sequences = shape_sequence(n, &workload);
        if (!sequences) continue;
        x.effort = 1;
        good = workload_run(&x, report, &workload, &report->sequences);
        x.effort = options->effort;
        if (good) report->sequence_count++;
    }
    report->done = good;
    explorer_free(&x);
}

/* Runs one workload in a process of its own: 0 good, else what was found. */
static int workload_try(const struct workload *workload, uint32_t effort, struct report *report)
{
    int status;
    pid_t pid;

    memset(report, 0, sizeof *report);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        struct explorer x = {.checks = CHECKS_ALL, .effort = effort};

        alarm(REPLAY_SECONDS);
        report->done = workload_run(&x, report, workload, &report->sequences);
        _exit(report->done ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
    if (report->done) return 0;
    return report->finding.invariant ? report->finding.invariant : 99;
}

/* ---- failures ---- */

/* Leaves out what may be left out: the same invariant must break still. */
static void shrink(struct workload *workload, uint32_t effort, struct report *report)
{
    int found = workload_try(workload, effort, report);
    bool smaller = found != 0;

    while (smaller) {
        smaller = false;
        for (uint32_t i = 0; i < workload->op_count; i++) {
            struct workload less = *workload;

            less.op_count--;
            memmove(&less.ops[i], &less.ops[i + 1], (less.op_count - i) * sizeof *less.ops);
            if (workload_try(&less, effort, report) != found) continue;
            *workload = less;
            smaller = true;
            break;
        }
    }
}

static void failure_print(const struct report *report, int status)
{
    printf("FAILED --replay %s\n", report->token);
    if (report->finding.invariant) {
        printf("  I%d, %s, after %" PRIu64 " states: %s\n", report->finding.invariant,
               kind_names[report->finding.kind], report->finding.state, report->finding.text);
    } else {
        printf("  the process ended by signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
}

static void failure_shrink(const struct report *failed, uint32_t effort, struct report *report)
{
    struct workload workload;

    if (!workload_parse(failed->token, &workload)) return;
    shrink(&workload, effort, report);
    workload_print(&workload, report->token);
    printf("  shrunk to %u operations: --replay %s\n", workload.op_count, report->token);
}

/* ---- the table ---- */

static void tally_add(struct tally *to, const struct tally *from)
{
    to->raw += from->raw;
    to->distinct += from->distinct;
    to->opened += from->opened;
    to->commits += from->commits;
    to->moving += from->moving;
    to->moving_distinct += from->moving_distinct;
    for (int i = 0; i < KINDS; i++) to->kinds[i] += from->kinds[i];
    for (int i = 0; i < OUTCOMES; i++) to->outcomes[i] += from->outcomes[i];
}

static void row_print(const char *name, const struct tally *tally)
{
    printf("%-22s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %9" PRIu64 "\n", name, tally->raw,
           tally->distinct, tally->opened, tally->commits);
}

static void table_print(struct report *reports, const struct options *options, double seconds)
{
    struct tally all = {0}, sequences = {0};
    uint64_t workloads = 0, sequence_count = 0, log_hash = 0;
    double processor = 0;

    printf("%-22s %10s %10s %10s %9s\n", "shape", "raw", "distinct", "opened", "commits");
    for (uint32_t i = 0; i < shape_count; i++) {
        struct tally one = {0};

        for (uint32_t w = 0; w < options->workers; w++) tally_add(&one, &reports[w].tallies[i]);
        if (one.raw) row_print(shapes[i].name, &one);
        tally_add(&all, &one);
    }
    for (uint32_t w = 0; w < options->workers; w++) {
        tally_add(&sequences, &reports[w].sequences);
        workloads += reports[w].workloads;
        sequence_count += reports[w].sequence_count;
        log_hash += reports[w].log_hash;
        processor += reports[w].seconds;
    }
    if (sequences.raw) row_print("all short sequences", &sequences);
    tally_add(&all, &sequences);
    row_print("all", &all);
    printf("by fault:  ");
    for (int i = 0; i < KINDS; i++)
        printf(" %s %" PRIu64 "%s", kind_names[i], all.kinds[i], i + 1 < KINDS ? "," : "\n");
    printf("by outcome: on A %" PRIu64 ", on I %" PRIu64 ", on an older one %" PRIu64
           ", refused %" PRIu64 "\n",
           all.outcomes[OUT_A], all.outcomes[OUT_I], all.outcomes[OUT_OLDER],
           all.outcomes[OUT_REFUSED]);
    printf("clusters of vectors being cut or merged: %" PRIu64 " states, %" PRIu64 " distinct\n",
           all.moving, all.moving_distinct);
    printf("%" PRIu64 " workloads, %" PRIu64 " of them short sequences; seed %" PRIu64
           ", log hash of the first %d: %016" PRIx64 "; %.1f s of processors in %.1f s\n",
           workloads, sequence_count, options->seed, HASHED, log_hash, processor, seconds);
}

/* ---- runs ---- */

static int explore_all(const struct options *options, struct report *reports)
{
    pid_t pids[WORKERS_MAX];
    double start = clock_read(CLOCK_MONOTONIC);
    int bad = 0;

    fflush(NULL);
    for (uint32_t w = 0; w < options->workers; w++) {
        pids[w] = fork();
        if (pids[w] < 0) abort();
        if (pids[w] == 0) {
            worker_run(options, w, &reports[w]);
            _exit(reports[w].done ? 0 : 1);
        }
    }
    for (uint32_t w = 0; w < options->workers; w++) {
        int status = 0;

        if (waitpid(pids[w], &status, 0) != pids[w]) abort();
        if (reports[w].done) continue;
        bad++;
        failure_print(&reports[w], status);
        failure_shrink(&reports[w], options->effort, &reports[WORKERS_MAX]);
    }
    table_print(reports, options, clock_read(CLOCK_MONOTONIC) - start);
    printf("%d bad\n", bad);
    return bad;
}

static int replay(const char *token, uint32_t effort, struct report *report)
{
    struct workload workload;

    if (!workload_parse(token, &workload)) {
        printf("not a token: %s\n", token);
        return 1;
    }
    if (workload_try(&workload, effort, report) == 0) {
        printf("good: %" PRIu64 " states, %s\n", report->sequences.raw, token);
        return 0;
    }
    failure_print(report, 0);
    return 1;
}

/* Every token that ever failed, or shows a planted bug, must be good. Lines that begin with # say
 * what each was. */
static int list_replay(const char *name, uint32_t effort, struct report *report)
{
    FILE *file = fopen(test_source(name), "r");
    char line[TOKEN_BYTES + 2];
    int bad = 0, count = 0;

    if (!file) {
        printf("there is no %s\n", name);
        return 1;
    }
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || line[0] == 0) continue;
        bad += replay(line + (line[0] == '~'), effort, report); /* planted.c: quick ones */
        count++;
    }
    fclose(file);
    printf("%d of %s, %d bad\n", count, name, bad);
    return bad;
}

static int regressions(uint32_t effort, struct report *report)
{
    return list_replay("tests/data/crash_regressions.txt", effort, report) +
           list_replay("tests/data/planted_workloads.txt", effort, report) +
           list_replay("tests/data/vector_workloads.txt", effort, report);
}

static bool options_read(int argc, char **argv, struct options *options)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];

        if (strcmp(argv[i], "--seconds") == 0) {
            options->seconds = strtod(value, NULL);
        } else if (strcmp(argv[i], "--workers") == 0) {
            options->workers = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            options->seed = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--effort") == 0) {
            options->effort = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--shape") == 0) {
            options->shape = value;
        } else if (strcmp(argv[i], "--replay") == 0) {
            options->replay = value;
        } else {
            return false;
        }
    }
    return argc % 2 == 1 && options->workers > 0 && options->workers <= WORKERS_MAX;
}

int main(int argc, char **argv)
{
    struct options options = {.workers = 2, .effort = 4, .seed = test_seed()};
    struct report *reports = mmap(NULL, (WORKERS_MAX + 1) * sizeof *reports, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int bad = 0;

    if (reports == MAP_FAILED || !options_read(argc, argv, &options)) {
        fprintf(stderr, "usage: see the head of tests/sim_crash.c\n");
        return 2;
    }
    if (options.replay) return replay(options.replay, options.effort, &reports[WORKERS_MAX]) != 0;
    if (options.seconds == 0) {
        options.seconds = test_is_deep() ? 60 : TEST_SECONDS;
        bad = regressions(options.effort, &reports[WORKERS_MAX]);
    }
    return bad + explore_all(&options, reports) != 0;
}
