/*
 * peer: one Python process that holds the peers, asked by lines.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { ANSWER_BYTES = 65536 };

static FILE *to, *from;
static char found_path[600];
static double extra;

static void python_exec(int in, int out)
{
    const char *python = getenv("MNEME_BENCH_PYTHON");

    dup2(in, 0);
    dup2(out, 1);
    /* These make some builds of OpenBLAS compute with kernels of another processor. */
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OPENBLAS_L2_SIZE");
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (!python) python = "python3";
    execlp(python, python, "bench/ann_peers.py", ann_run.data, found_path, (char *)NULL);
    _exit(127);
}

bool ann_peers_start(void)
{
    int asked[2], answered[2];
    char line[64];

    if (to) return true;
    snprintf(found_path, sizeof found_path, "%s", bench_path("found"));
    bench_must(pipe(asked) == 0 && pipe(answered) == 0, "making pipes");
    fflush(stdout);
    if (fork() == 0) {
        close(asked[1]);
        close(answered[0]);
        python_exec(asked[0], answered[1]);
    }
    close(asked[0]);
    close(answered[1]);
    to = fdopen(asked[1], "w");
    from = fdopen(answered[0], "r");
    if (to && from && fgets(line, sizeof line, from) && strcmp(line, "ok ready\n") == 0) {
        return true;
    }
    printf("no peers here; they are Python packages:\n"
           "    python3 -m venv D && D/bin/pip install -r bench/ann_requirements.txt\n"
           "    MNEME_BENCH_PYTHON=D/bin/python ./zigw build bench -Dtest-filter=bench_ann\n");
    return false;
}

static const char *answer_take(const char *question)
{
    static char answer[ANSWER_BYTES];
    size_t length;

    fflush(to);
    if (!fgets(answer, sizeof answer, from)) answer[0] = 0;
    length = strcspn(answer, "\n");
    if (strncmp(answer, "ok ", 3) != 0 || answer[length] != '\n') {
        fprintf(stderr, "bench: peers: %s: %s\n", question, answer[0] ? answer : "gone");
        exit(1);
    }
    answer[length] = 0;
    return answer + 3;
}

static const char *ask(const char *format, va_list list)
{
    char question[2000];

    vsnprintf(question, sizeof question, format, list);
    fprintf(to, "%s\n", question);
    return answer_take(question);
}

const char *ann_peers_ask(const char *format, ...)
{
    const char *answer;
    va_list list;

    va_start(list, format);
    answer = ask(format, list);
    va_end(list);
    return answer;
}

double ann_peers_search(int32_t *ids, size_t count, const char *format, ...)
{
    double seconds;
    va_list list;
    FILE *file;
    char *rest;

    va_start(list, format);
    seconds = strtod(ask(format, list), &rest);
    extra = strtod(rest, NULL);
    va_end(list);
    file = fopen(found_path, "rb");
    bench_must(file && fread(ids, sizeof *ids * ANN_K, count, file) == count,
               "reading what a peer found");
    fclose(file);
    return seconds;
}

double ann_peers_extra(void)
{
    return extra;
}

void ann_peers_use(const struct ann_set *set)
{
    static const struct ann_set *used;
    size_t rows = 0, dims = 0, queries = 0;

    if (used == set) return;
    used = set;
    sscanf(ann_peers_ask("set %s", set->name), "%zu %zu %zu", &rows, &dims, &queries);
    bench_must(rows == set->rows && dims == set->dims && queries == set->queries,
               "both sides have the same set");
}
