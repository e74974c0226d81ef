/*
 * driver: the deterministic stand-in for libFuzzer.
 *
 *     fuzz_<subject> CORPUS SEED RUNS
 *
 * Replays every file of the folder CORPUS, then RUNS inputs made from SEED: most are files of the
 * corpus with a few changes, some are new bytes. The same seed gives the same inputs. When an input
 * brings the program down, its file or its number is the last line printed.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum { SIZE_MAX_BYTES = 64 << 10, FILES_MAX = 20000, NAME_BYTES = 512, FRESH_BYTES = 256 };

/* Absent in most targets. */
#pragma weak LLVMFuzzerCustomMutator

struct input {
    char name[NAME_BYTES];
    uint8_t *data;
    size_t size;
};

static struct input *files;
static size_t file_count;
static uint64_t random_state;
static char current[NAME_BYTES + 64]; /* what is running, for the handler of deadly signals */

static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static size_t random_below(size_t limit)
{
    return limit ? (size_t)(random_next() % limit) : 0;
}

static void die(const char *what, const char *name)
{
    fprintf(stderr, "driver: %s %s: %s\n", what, name, strerror(errno));
    exit(2);
}

static void on_deadly_signal(int number)
{
    static const char text[] = "\nbrought down by ";

    signal(number, SIG_DFL);
    if (write(2, text, sizeof text - 1) > 0 && write(2, current, strlen(current)) > 0 &&
        write(2, "\n", 1) > 0) {
        raise(number);
    }
    _exit(2);
}

static void file_read(const char *folder, const char *name)
{
    char path[2 * NAME_BYTES];
    struct input *file = &files[file_count];
    FILE *in;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    in = fopen(path, "rb");
    if (!in) die("cannot open", path);
    snprintf(file->name, sizeof file->name, "%s", name);
    fseek(in, 0, SEEK_END);
    file->size = (size_t)ftell(in);
    rewind(in);
    file->data = malloc(file->size + 1);
    if (!file->data || fread(file->data, 1, file->size, in) != file->size) die("cannot read", path);
    fclose(in);
    file_count++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

static void corpus_read(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    files = calloc(FILES_MAX, sizeof *files);
    if (!files) die("no memory for", folder);
    if (!dir) {
        if (errno == ENOENT) return; /* a target may begin without one */
        die("cannot open", folder);
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || file_count == FILES_MAX) continue;
        file_read(folder, entry->d_name);
    }
    closedir(dir);
    qsort(files, file_count, sizeof *files, by_name);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max)
{
    static const uint64_t edges[] = {0,          1,         0x7f,       0x80,
                                     0xff,       0x7fff,    0xffff,     0x7fffffff,
                                     0xffffffff, INT64_MAX, UINT64_MAX, UINT64_C(1) << 47};
    size_t at = random_below(size + 1), len = random_below(8) + 1;

    switch (size == 0 ? 0 : random_below(6)) {
    case 0: /* insert */
        if (len > size_max - size) len = size_max - size;
        memmove(data + at + len, data + at, size - at);
        for (size_t i = 0; i < len; i++) data[at + i] = (uint8_t)random_next();
        return size + len;
    case 1: /* remove */
        if (len > size - at) len = size - at;
        memmove(data + at, data + at + len, size - at - len);
        return size - len;
    case 2: /* one bit */ data[at % size] ^= (uint8_t)(1u << random_below(8)); return size;
    case 3: /* one byte */ data[at % size] = (uint8_t)random_next(); return size;
    case 4: /* a number at the edge of its range */
        if (len > size - at) len = size - at;
        memcpy(data + at, &edges[random_below(sizeof edges / sizeof edges[0])], len);
        return size;
    default: /* a stretch copied from elsewhere */
        if (len > size - at) len = size - at;
        memmove(data + at, data + random_below(size - len + 1), len);
        return size;
    }
}

static size_t input_make(uint8_t *data)
{
    size_t size = 0, changes;

    if (file_count > 0 && random_below(8) != 0) {
        const struct input *from = &files[random_below(file_count)];

        size = from->size < SIZE_MAX_BYTES ? from->size : SIZE_MAX_BYTES;
        if (size) memcpy(data, from->data, size);
    } else {
        size = random_below(FRESH_BYTES);
        for (size_t i = 0; i < size; i++) data[i] = (uint8_t)random_next();
    }
    for (changes = random_below(5) + 1; changes > 0; changes--) {
        if (LLVMFuzzerCustomMutator) {
            size = LLVMFuzzerCustomMutator(data, size, SIZE_MAX_BYTES, (unsigned)random_next());
        } else {
            size = LLVMFuzzerMutate(data, size, SIZE_MAX_BYTES);
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    uint64_t seed, runs;
    uint8_t *data = malloc(SIZE_MAX_BYTES);

    if (argc != 4 || !data) {
        fprintf(stderr, "usage: %s CORPUS SEED RUNS\n", argv[0]);
        return 2;
    }
    seed = strtoull(argv[2], NULL, 0);
    runs = strtoull(argv[3], NULL, 0);
    signal(SIGABRT, on_deadly_signal);
    signal(SIGSEGV, on_deadly_signal);
    signal(SIGBUS, on_deadly_signal);
    signal(SIGILL, on_deadly_signal);
    signal(SIGFPE, on_deadly_signal);
    corpus_read(argv[1]);
    for (size_t i = 0; i < file_count; i++) {
        snprintf(current, sizeof current, "corpus file %s", files[i].name);
        LLVMFuzzerTestOneInput(files[i].data, files[i].size);
    }
    for (uint64_t run = 0; run < runs; run++) {
        uint8_t *exact; /* a block of just this size, so that a sanitizer sees reads past its end */
        size_t size;

        random_state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + run * 2 + 1;
        random_next();
        size = input_make(data);
        exact = malloc(size ? size : 1);
        if (!exact) die("no memory for", "an input");
        memcpy(exact, data, size);
        snprintf(current, sizeof current, "seed %llu, run %llu", (unsigned long long)seed,
                 (unsigned long long)run);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    printf("%zu corpus files and %llu inputs of seed %llu: no finding\n", file_count,
           (unsigned long long)runs, (unsigned long long)seed);
    for (size_t i = 0; i < file_count; i++) free(files[i].data);
    free(files);
    free(data);
    return 0;
}
