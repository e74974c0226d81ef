/*
 * bench_ann: the index over vectors beside hnswlib, usearch, FAISS and sqlite-vec, on real vectors.
 *
 *     D/bin/python bench/ann_data.py CACHE                     once: packages, sets, truth
 *     MNEME_BENCH_ANN=CACHE MNEME_BENCH_PYTHON=D/bin/python \
 *         ./zigw build bench -Dtest-filter=bench_ann -- [quick] [rounds=N] [out=FOLDER]
 *             [percent=P] [peer=NAME] [SECTION ...]
 *
 * D is a virtual environment with bench/ann_requirements.txt. Without sections all of them run; a
 * word takes those whose names begin with it. Tables and pictures go to FOLDER, else to
 * CACHE/results. quick takes smaller sets, fewer points and one round: to develop with, not to
 * tell. Rounds are five where nothing else is said at the head of a section. percent and peer
 * leave filters of other widths and other peers out, as in `percent=1 peer=FAISS-flat filter` or
 * `peer=FAISS-IVF-PQ4 knn`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { ROUNDS = 5 };

struct ann_run ann_run = {.rounds = ROUNDS};

static const struct section {
    const char *name, *source;
    void (*run)(struct ann_set *set);
    const char *about;
} sections[] = {
    {"knn_glove", "glove", ann_knn, "recall against speed, words"},
    {"knn_fashion", "fashion", ann_knn, "recall against speed, images"},
    {"exact_glove", "glove", ann_exact, "the exact nearest, words"},
    {"exact_fashion", "fashion", ann_exact, "the exact nearest, images"},
    {"build_glove", "glove", ann_build, "a durable build, words"},
    {"build_fashion", "fashion", ann_build, "a durable build, images"},
    {"filter_glove", "glove", ann_filter, "the nearest of the rows that pass"},
    {"cover", "glove", ann_cover, "a filter by covered columns"},
    {"inserts", "glove", ann_inserts, "durable commits of one row, and what they take"},
    {"batches", "fashion", ann_batches, "durable batches of 1,000 rows"},
    {"size_glove", "glove", ann_size, "bytes of the index, words"},
    {"size_fashion", "fashion", ann_size, "bytes of the index, images"},
    {"churn", "glove", ann_churn, "recall after many deletes and inserts"},
    {"open", "glove", ann_open_first, "a new process and its first answer"},
    {"memory", "glove", ann_memory_use, "memory of a build and of queries"},
};
enum { SECTIONS = sizeof sections / sizeof sections[0] };

/* No word names a section: all are wanted. */
static bool section_wanted(const struct section *section, int argc, char **argv)
{
    bool named = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "quick") == 0 || strchr(argv[i], '=')) continue;
        if (strncmp(section->name, argv[i], strlen(argv[i])) == 0) return true;
        named = true;
    }
    return !named;
}

static void word_read(const char *word)
{
    bool known = false;

    if (strcmp(word, "quick") == 0) {
        ann_run.quick = true;
        ann_run.rounds = 1;
    } else if (strncmp(word, "rounds=", 7) == 0) {
        ann_run.rounds = atoi(word + 7);
        bench_must(ann_run.rounds >= 1 && ann_run.rounds <= ANN_ROUNDS_MAX, word);
    } else if (strncmp(word, "percent=", 8) == 0) {
        ann_run.percent = atof(word + 8);
        bench_must(ann_run.percent > 0, word);
    } else if (strncmp(word, "peer=", 5) == 0) {
        ann_run.peer = word + 5;
    } else if (strncmp(word, "out=", 4) == 0) {
        ann_run.results = word + 4;
    } else {
        for (int i = 0; i < SECTIONS; i++) {
            known = known || strncmp(sections[i].name, word, strlen(word)) == 0;
        }
        bench_must(known, word);
    }
}

/* What the kernels may choose from; MNEME_KERNEL pins one. */
static void instructions_print(void)
{
    static const char *const names[] = {"avx2",        "fma",   "avx512f", "avx512bw",
                                        "avx512_vnni", "asimd", "asimddp"};
    const char *pinned = getenv("MNEME_KERNEL");
    char line[8192], word[64];
    FILE *in = fopen("/proc/cpuinfo", "r");

    printf("instruction sets:");
    while (in && fgets(line, sizeof line, in)) {
        if (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0) continue;
        line[strcspn(line, "\n")] = ' ';
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            snprintf(word, sizeof word, " %s ", names[i]);
            if (strstr(line, word)) printf(" %s", names[i]);
        }
        break;
    }
    if (in) fclose(in);
    printf("; MNEME_KERNEL: %s\n", pinned ? pinned : "not set, the best is taken");
}

static void sections_run(int argc, char **argv)
{
    double began = bench_now_s(), last = began;

    for (int i = 0; i < SECTIONS; i++) {
        struct ann_set *set;

        if (!section_wanted(&sections[i], argc, argv)) continue;
        if (!(set = ann_set_get(sections[i].source))) continue;
        printf("\n%s: %s%s\n\n", sections[i].name, sections[i].about,
               ann_run.quick ? " (quick form)" : "");
        ann_report_begin(sections[i].name);
        sections[i].run(set);
        ann_report_end();
        printf("%s took %.0f s\n", sections[i].name, bench_now_s() - last);
        last = bench_now_s();
    }
    printf("\nthe whole took %.0f s\n", last - began);
}

int main(int argc, char **argv)
{
    char results[600];

    if (argc > 2 && strcmp(argv[1], "child") == 0) {
        bool opens = strcmp(argv[2], "open") == 0;

        return opens ? ann_child_open(argc - 3, argv + 3) : ann_child_memory(argc - 3, argv + 3);
    }
    ann_run.data = getenv("MNEME_BENCH_ANN");
    if (!ann_run.data) {
        printf("left out: MNEME_BENCH_ANN names no folder of bench/ann_data.py\n");
        return 0;
    }
    snprintf(results, sizeof results, "%s/results", ann_run.data);
    ann_run.results = results;
    for (int i = 1; i < argc; i++) word_read(argv[i]);
    bench_must(mkdir(ann_run.results, 0777) == 0 || errno == EEXIST, ann_run.results);
    bench_machine_print(bench_folder());
    instructions_print();
    printf("mneme %s; peers beside it in rounds that alternate: %d\n", mn_version(),
           ann_run.rounds);
    if (!ann_peers_start()) return 1;
    sections_run(argc, argv);
    return 0;
}
