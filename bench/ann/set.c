/*
 * set: vectors, queries and truth from the files of bench/ann_data.py.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ann/ann.h"
#include "support/bench.h"

void *ann_memory(size_t size_bytes)
{
    void *memory = malloc(size_bytes ? size_bytes : 1);

    bench_must(memory != NULL, "asking for memory");
    return memory;
}

static void path_in(char *path, size_t size, const struct ann_set *set, const char *file)
{
    snprintf(path, size, "%s/%s/%s", ann_run.data, set->name, file);
}

static size_t file_size(FILE *file)
{
    long size = -1;

    if (fseek(file, 0, SEEK_END) == 0) size = ftell(file);
    bench_must(size >= 0, "measuring a file");
    rewind(file);
    return (size_t)size;
}

/* Rows of dims (i32) and so many f32. */
static float *fvecs_read(const struct ann_set *set, const char *name, size_t *rows, size_t *dims)
{
    char path[600];
    int32_t first;
    FILE *file;
    float *values;

    path_in(path, sizeof path, set, name);
    file = fopen(path, "rb");
    bench_must(file != NULL, path);
    bench_must(fread(&first, sizeof first, 1, file) == 1 && first > 0 && first <= MN_VECTOR_MAX,
               path);
    *dims = (size_t)first;
    *rows = file_size(file) / ((*dims + 1) * sizeof(float));
    values = ann_memory(*rows * *dims * sizeof(float));
    for (size_t i = 0; i < *rows; i++) {
        bench_must(fread(&first, sizeof first, 1, file) == 1 && (size_t)first == *dims &&
                       fread(values + i * *dims, sizeof(float), *dims, file) == *dims,
                   path);
    }
    fclose(file);
    return values;
}

static void *plain_read(const struct ann_set *set, const char *name, size_t size_bytes)
{
    char path[600];
    void *bytes = ann_memory(size_bytes);
    FILE *file;

    path_in(path, sizeof path, set, name);
    file = fopen(path, "rb");
    bench_must(file && file_size(file) == size_bytes && fread(bytes, size_bytes, 1, file) == 1,
               path);
    fclose(file);
    return bytes;
}

struct ann_truth ann_truth_read(const char *path, size_t queries)
{
    struct ann_truth truth = {.queries = queries};
    size_t count = queries * ANN_TRUTH;
    FILE *file = fopen(path, "rb");

    truth.ids = ann_memory(count * sizeof *truth.ids);
    truth.distances = ann_memory(count * sizeof *truth.distances);
    bench_must(file && fread(truth.ids, sizeof *truth.ids, count, file) == count &&
                   fread(truth.distances, sizeof *truth.distances, count, file) == count,
               path);
    fclose(file);
    return truth;
}

void ann_truth_free(struct ann_truth *truth)
{
    free(truth->ids);
    free(truth->distances);
    *truth = (struct ann_truth){0};
}

static void set_read(struct ann_set *set)
{
    size_t dims;

    set->base = fvecs_read(set, "base.fvecs", &set->rows, &set->dims);
    set->query = fvecs_read(set, "queries.fvecs", &set->queries, &dims);
    bench_must(dims == set->dims, "base and queries have the same dimensions");
    set->columns = plain_read(set, "rows.i32", set->rows * 2 * sizeof(int32_t));
    set->truth.queries = set->queries;
    set->truth.ids = plain_read(set, "truth.i32", set->queries * ANN_TRUTH * sizeof(int32_t));
    set->truth.distances = plain_read(set, "truth.f64", set->queries * ANN_TRUTH * sizeof(double));
}

struct ann_set *ann_set_get(const char *source)
{
    static struct ann_set sets[] = {
        {.name = "glove", .metric = "cosine", .title = "GloVe"},
        {.name = "glove_quick", .metric = "cosine", .title = "GloVe, part"},
        {.name = "fashion", .metric = "l2", .title = "Fashion-MNIST"},
        {.name = "fashion_quick", .metric = "l2", .title = "Fashion-MNIST, part"},
    };
    char path[600];
    FILE *file;

    for (size_t i = ann_run.quick; i < sizeof sets / sizeof sets[0]; i += 2) {
        if (strncmp(sets[i].name, source, strlen(source)) != 0) continue;
        path_in(path, sizeof path, &sets[i], "truth.i32");
        if (!(file = fopen(path, "rb"))) {
            printf("%s is not there: python3 bench/ann_data.py %s %s\n", path, ann_run.data,
                   sets[i].name);
            return NULL;
        }
        fclose(file);
        if (!sets[i].base) set_read(&sets[i]);
        return &sets[i];
    }
    bench_must(false, "finding a set");
    return NULL;
}

/* Rows as near as the last of the best ANN_K are as good; truth has some more to know them. */
static size_t query_hits(const int32_t *truth, const double *distances, const int32_t *ids,
                         size_t wanted)
{
    double last = wanted ? distances[wanted - 1] : 0, slack = fabs(last) * 1e-9 + 1e-12;
    size_t hits = 0;

    for (size_t i = 0; i < ANN_K; i++) {
        for (size_t j = 0; j < ANN_TRUTH && ids[i] >= 0; j++) {
            if (truth[j] == ids[i]) {
                hits += truth[j] >= 0 && distances[j] <= last + slack;
                break;
            }
        }
    }
    return hits < wanted ? hits : wanted;
}

double ann_recall(const struct ann_truth *truth, size_t from, size_t count, const int32_t *ids)
{
    size_t hits = 0, wanted = 0;

    bench_must(from + count <= truth->queries, "the truth knows the queries");
    for (size_t i = 0; i < count; i++) {
        const int32_t *true_ids = truth->ids + (from + i) * ANN_TRUTH;
        size_t want = 0;

        while (want < ANN_K && true_ids[want] >= 0) want++;
        wanted += want;
        hits +=
            query_hits(true_ids, truth->distances + (from + i) * ANN_TRUTH, ids + i * ANN_K, want);
    }
    return wanted ? (double)hits / (double)wanted : 1;
}
