/*
 * runner: runs the test programs of the build and counts what they found.
 *
 *     runner LOGS JOBS SECONDS -- NAME PROGRAM ARGUMENT... -- NAME PROGRAM ...
 *
 * Each program writes into LOGS/NAME.log. A program that prints cmocka's lines counts as that many
 * tests; any other counts as one, passed when it exits with 0. One that dies, or that runs longer
 * than SECONDS, counts as a failed test and its log is shown. At most JOBS run at once; those whose
 * name ends with _alone measure time, so they run one by one after all others.
 *
 * LOGS/counts holds "NAME passed failed skipped" for each, for whoever adds them up.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROGRAMS_MAX = 512, PATH_BYTES = 4096, LINE_BYTES = 1024, SHOWN_LINES = 60 };

struct counts {
    int passed, failed, skipped;
};

struct program {
    const char *name;
    char **argv;
    pid_t pid; /* 0: not started, -1: over */
    double started;
    bool killed;
};

struct run {
    const char *logs;
    int jobs;
    double seconds;
    struct program programs[PROGRAMS_MAX];
    int count;
    struct counts sum;
    FILE *counts_file;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void log_path(const struct run *run, const struct program *p, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s.log", run->logs, p->name);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "git_lua/vector 200 of 200": a sum that a test reports, worth showing when all is well. */
static bool line_is_sum(const char *line)
{
    const char *of = strstr(line, " of ");

    return of && line[0] != '[' && of > line && of[-1] >= '0' && of[-1] <= '9' && of[4] >= '0' &&
           of[4] <= '9' && strlen(line) < 100;
}

enum summary { ABSENT, UNFINISHED, FINISHED };

/* Counts one log, and says whether cmocka wrote it, and to its end. */
static enum summary log_count(FILE *log, struct counts *counts)
{
    char line[LINE_BYTES];
    bool finished = false, cmocka = false;

    while (fgets(line, sizeof line, log)) {
        if (starts_with(line, "[==========] Running")) {
            cmocka = true;
            finished = false;
        } else if (starts_with(line, "[==========]")) {
            finished = true; /* the summary repeats the failed names */
        } else if (!finished && starts_with(line, "[       OK ]")) {
            counts->passed++;
        } else if (!finished && starts_with(line, "[  SKIPPED ]")) {
            counts->skipped++;
        } else if (!finished &&
                   (starts_with(line, "[  FAILED  ]") || starts_with(line, "[  ERROR   ] Test"))) {
            counts->failed++;
        } else if (line_is_sum(line)) {
            printf("  %s", line);
        }
    }
    if (!cmocka) return ABSENT;
    return finished ? FINISHED : UNFINISHED;
}

static void log_show(FILE *log)
{
    char line[LINE_BYTES];
    long lines = 0, at = 0;

    rewind(log);
    while (fgets(line, sizeof line, log)) lines++;
    rewind(log);
    while (fgets(line, sizeof line, log)) {
        if (at++ >= lines - SHOWN_LINES) printf("    | %s", line);
    }
}

static void program_finish(struct run *run, struct program *p, int status)
{
    struct counts c = {0, 0, 0};
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    enum summary summary;
    char path[PATH_BYTES];
    FILE *log;

    log_path(run, p, path);
    log = fopen(path, "r");
    summary = log ? log_count(log, &c) : ABSENT;
    if (summary == ABSENT && clean) c.passed++;
    /* Died, or left in the middle, or every test passed and yet the program says no. */
    if (summary == UNFINISHED || (!clean && c.failed == 0)) c.failed++;
    printf("%s %-36s %4d passed", c.failed ? "FAIL" : "ok  ", p->name, c.passed);
    if (c.failed) printf(", %d failed", c.failed);
    if (c.skipped) printf(", %d skipped", c.skipped);
    printf("  %.1f s\n", now() - p->started);
    if (c.failed) {
        if (p->killed)
            printf("    killed after %.0f s\n", run->seconds);
        else if (WIFSIGNALED(status))
            printf("    died of signal %d\n", WTERMSIG(status));
        if (log) log_show(log);
        printf("    whole log: %s\n", path);
    }
    if (log) fclose(log);
    fflush(stdout);
    fprintf(run->counts_file, "%s %d %d %d\n", p->name, c.passed, c.failed, c.skipped);
    run->sum.passed += c.passed;
    run->sum.failed += c.failed;
    run->sum.skipped += c.skipped;
    p->pid = -1;
}

/* Starts a program in a process group of its own, so that a timeout reaches its children too. */
static void program_start(const struct run *run, struct program *p)
{
    char path[PATH_BYTES];

    log_path(run, p, path);
    fflush(NULL);
    p->started = now();
    p->pid = fork();
    if (p->pid < 0) {
        perror("runner: fork");
        exit(2);
    }
    if (p->pid > 0) {
        setpgid(p->pid, p->pid);
        return;
    }
    setpgid(0, 0);
    int log = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), null = open("/dev/null", O_RDONLY);

    if (log < 0 || null < 0) _exit(126);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    execv(p->argv[0], p->argv);
    dprintf(2, "cannot run %s: %s\n", p->argv[0], strerror(errno));
    _exit(127);
}

/* Waits a moment for any program; true when one ended. */
static bool run_reap(struct run *run)
{
    bool ended = false;

    for (int i = 0; i < run->count; i++) {
        struct program *p = &run->programs[i];
        int status;

        if (p->pid <= 0) continue;
        if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
            kill(-p->pid, SIGKILL); /* children that it left behind */
            program_finish(run, p, status);
            ended = true;
        } else if (!p->killed && now() - p->started > run->seconds) {
            kill(-p->pid, SIGKILL);
            p->killed = true;
        }
    }
    return ended;
}

static bool is_alone(const struct program *p)
{
    size_t len = strlen(p->name);

    return len > 6 && strcmp(p->name + len - 6, "_alone") == 0;
}

static void run_group(struct run *run, bool alone)
{
    int running = 0, next = 0, jobs = alone ? 1 : run->jobs;

    for (;;) {
        while (next < run->count && running < jobs) {
            if (is_alone(&run->programs[next]) == alone) {
                program_start(run, &run->programs[next]);
                running++;
            }
            next++;
        }
        if (running == 0) return;
        if (!run_reap(run)) nanosleep(&(struct timespec){0, 5000000}, NULL);
        running = 0;
        for (int i = 0; i < run->count; i++) running += run->programs[i].pid > 0;
    }
}

/* Makes a folder and those above it. */
static void folder_make(const char *path)
{
    char part[PATH_BYTES];

    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0777);
        *slash = '/';
    }
    mkdir(part, 0777);
}

static void run_parse(struct run *run, int argc, char **argv)
{
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0) continue;
        argv[i] = NULL; /* ends the arguments of the program before */
        if (i + 2 >= argc || run->count == PROGRAMS_MAX) {
            fprintf(stderr, "runner: no program after --, or more than %d\n", PROGRAMS_MAX);
            exit(2);
        }
        run->programs[run->count].name = argv[i + 1];
        run->programs[run->count].argv = &argv[i + 2];
        run->count++;
        i += 2;
    }
}

int main(int argc, char **argv)
{
    static struct run run;
    char path[PATH_BYTES];

    if (argc < 5) {
        fprintf(stderr, "usage: runner LOGS JOBS SECONDS -- NAME PROGRAM ARGUMENT... -- ...\n");
        return 2;
    }
    run.logs = argv[1];
    run.jobs = atoi(argv[2]);
    run.seconds = atof(argv[3]);
    if (run.jobs <= 0) run.jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
    run_parse(&run, argc, argv);
    folder_make(run.logs);
    snprintf(path, sizeof path, "%s/counts", run.logs);
    run.counts_file = fopen(path, "w");
    if (!run.counts_file) {
        fprintf(stderr, "runner: cannot write %s: %s\n", path, strerror(errno));
        return 2;
    }
    run_group(&run, false);
    run_group(&run, true);
    fclose(run.counts_file);
    printf("%d programs: %d passed, %d failed, %d skipped\n", run.count, run.sum.passed,
           run.sum.failed, run.sum.skipped);
    return run.sum.failed || run.count == 0;
}
