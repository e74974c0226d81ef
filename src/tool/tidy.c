/*
 * tidy: the style rules that a machine can hold.
 *
 *     tidy EXCEPTIONS FILE...
 *
 * Reads the files, named from the root of the source tree, and reports as `file:line: rule`:
 *
 *   every file      width, tabs, trailing space, last newline, length, banned words, paths of a
 *                   machine, and a comment at the top that says what room this is
 *   C and headers   includes: a room of src/<layer> sees its own layer and those below it; the
 *                   shell and the benches see mneme.h only; nobody climbs by "../"
 *   C               functions over 70 lines, but for the few in EXCEPTIONS: "file function reason"
 *
 * A rule that no planted violation can break is no rule: tests/test_tool_tidy.c plants them all.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS_MAX = 100,
    FUNCTION_LINES_MAX = 70,
    FILE_LINES_MAX = 800,
    MEDIAN_LINES_MAX = 500,
    EXCEPTIONS_MAX = 5,
    FILES_MAX = 4096,
    TEXT_BYTES = 512
};

/* Lowest first: a file in src/<layer>/ may include its own layer and those before it. */
static const char *const layers[] = {"base",    "os",    "store", "btree",
                                     "catalog", "index", "query", "api"};
enum { LAYER_COUNT = sizeof layers / sizeof layers[0] };

/* A scanner of grammar/ is a file of the layer that calls it; those not named here are query's. */
static const struct {
    const char *stem, *layer;
} scanners[] = {{"timestamp", "catalog"}, {"value", "catalog"}, {"json", "catalog"}};

/* Neither this file, which names them, nor its test, which plants them, is asked about these. */
static const char *const banned[] = {"TODO",          "FIXME",  "XXX", "HACK", "not implemented",
                                     "unimplemented", "for now"};
static const char *const machine_paths[] = {"/home/", "/root/", "/Users/", "/work/"};
static const char *const namers[] = {"src/tool/tidy.c", "tests/test_tool_tidy.c"};

struct exception {
    char file[TEXT_BYTES], function[TEXT_BYTES];
    bool used;
};

static struct exception exceptions[EXCEPTIONS_MAX + 1];
static int exception_count;
static int errors;

/* One file as it is read line by line. */
struct reader {
    const char *path;
    int line;
    int layer;                    /* index in layers, or -1 */
    int body;                     /* line of the opening brace of a function, or 0 */
    char declaration[TEXT_BYTES]; /* the last line that began in column 0 and had a parenthesis */
};

static void report(const char *file, int line, const char *rule)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, rule);
    errors++;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), tail = strlen(suffix);

    return len >= tail && strcmp(text + len - tail, suffix) == 0;
}

static bool is_c(const char *path)
{
    return ends_with(path, ".c") || ends_with(path, ".h");
}

static int layer_of(const char *path)
{
    for (int i = 0; i < LAYER_COUNT; i++) {
        size_t len = strlen(layers[i]);

        if (strncmp(path, layers[i], len) == 0 && path[len] == '/') return i;
    }
    return -1;
}

static int layer_of_file(const char *path)
{
    if (starts_with(path, "src/")) return layer_of(path + 4);
    if (!starts_with(path, "grammar/")) return -1;
    for (size_t i = 0; i < sizeof scanners / sizeof scanners[0]; i++) {
        size_t len = strlen(scanners[i].stem);

        if (strncmp(path + 8, scanners[i].stem, len) == 0 && path[8 + len] == '.') {
            char layer[32];

            snprintf(layer, sizeof layer, "%s/", scanners[i].layer);
            return layer_of(layer);
        }
    }
    return layer_of("query/");
}

/* True when word stands in text with no letter, digit or underscore on either side. */
static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        unsigned char before = at > text ? (unsigned char)at[-1] : ' ';
        unsigned char after = (unsigned char)at[len];

        if (!isalnum(before) && before != '_' && !isalnum(after) && after != '_') return true;
    }
    return false;
}

static size_t columns(const char *text)
{
    size_t count = 0;

    for (; *text; text++) count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

static void check_line(const struct reader *r, const char *text)
{
    size_t len = strlen(text);

    if (columns(text) > COLUMNS_MAX) report(r->path, r->line, "line over 100 columns");
    if (strchr(text, '\t')) report(r->path, r->line, "tab");
    if (len > 0 && isspace((unsigned char)text[len - 1])) {
        report(r->path, r->line, "trailing space");
    }
    for (size_t i = 0; i < sizeof namers / sizeof namers[0]; i++) {
        if (strcmp(r->path, namers[i]) == 0) return;
    }
    for (size_t i = 0; i < sizeof banned / sizeof banned[0]; i++) {
        if (has_word(text, banned[i])) report(r->path, r->line, "banned word");
    }
    for (size_t i = 0; i < sizeof machine_paths / sizeof machine_paths[0]; i++) {
        if (strstr(text, machine_paths[i])) report(r->path, r->line, "path of a machine");
    }
}

/* The first line opens the comment that says what the room is. */
static void check_top(const struct reader *r, const char *text)
{
    bool good = true;

    if (is_c(r->path) || ends_with(r->path, ".re") || ends_with(r->path, ".y")) {
        good = strcmp(text, "/*") == 0 || starts_with(text, "/* ");
    } else if (ends_with(r->path, ".zig")) {
        good = starts_with(text, "//!");
    } else if (ends_with(r->path, ".sh") || ends_with(r->path, "zigw")) {
        good = starts_with(text, "#!");
    }
    if (!good) report(r->path, 1, "no comment at the top that says what room this is");
}

static bool exists_beside(const char *path, const char *header)
{
    char full[2 * TEXT_BYTES];
    const char *slash = strrchr(path, '/');
    FILE *file;

    snprintf(full, sizeof full, "%.*s/%s", (int)(slash - path), path, header);
    file = fopen(full, "r");
    if (file) fclose(file);
    return file != NULL;
}

static void check_include(const struct reader *r, const char *text)
{
    char header[256];

    if (sscanf(text, " # include \"%255[^\"]\"", header) != 1) return;
    if (strstr(header, "../")) report(r->path, r->line, "include climbs by ../");
    if (starts_with(r->path, "include/")) {
        report(r->path, r->line, "the public header includes a file of ours");
    } else if (starts_with(r->path, "bench/") && layer_of(header) >= 0) {
        report(r->path, r->line, "a bench sees mneme.h only");
    } else if (starts_with(r->path, "src/shell/")) {
        if (strcmp(header, "mneme.h") != 0 && !exists_beside(r->path, header)) {
            report(r->path, r->line, "the shell sees mneme.h only");
        }
    } else if (r->layer >= 0 && layer_of(header) > r->layer) {
        report(r->path, r->line, "include reaches up a layer");
    } else if (r->layer >= 0 && starts_with(header, "shell/")) {
        report(r->path, r->line, "include reaches up to the shell");
    }
}

/* "static int page_read(" -> page_read */
static void function_name(const char *declaration, char name[TEXT_BYTES])
{
    const char *end = strchr(declaration, '('), *start;

    name[0] = '\0';
    if (!end) return;
    for (start = end; start > declaration; start--) {
        if (!isalnum((unsigned char)start[-1]) && start[-1] != '_') break;
    }
    snprintf(name, TEXT_BYTES, "%.*s", (int)(end - start), start);
}

static void check_function(struct reader *r, const char *text)
{
    char name[TEXT_BYTES];

    if (text[0] == '{' && text[1] == '\0')
        r->body = r->line;
    else if (text[0] == '}' && r->body) {
        int lines = r->line - r->body - 1;

        r->body = 0;
        if (lines <= FUNCTION_LINES_MAX) return;
        function_name(r->declaration, name);
        for (int i = 0; i < exception_count; i++) {
            if (strcmp(exceptions[i].file, r->path) == 0 &&
                strcmp(exceptions[i].function, name) == 0) {
                exceptions[i].used = true;
                return;
            }
        }
        report(r->path, r->line - lines, "function over 70 lines");
    } else if (!r->body && (isalpha((unsigned char)text[0]) || text[0] == '_') &&
               strchr(text, '(')) {
        snprintf(r->declaration, sizeof r->declaration, "%s", text);
    }
}

/* Checks one file and answers its number of lines. */
static int check_file(const char *path)
{
    struct reader r = {.path = path, .layer = layer_of_file(path)};
    char *text = NULL;
    size_t room = 0;
    ssize_t len;
    FILE *in = fopen(path, "r");

    if (!in) {
        report(path, 0, strerror(errno));
        return 0;
    }
    while ((len = getline(&text, &room, in)) >= 0) {
        r.line++;
        if (len > 0 && text[len - 1] == '\n')
            text[len - 1] = '\0';
        else
            report(path, r.line, "no newline at the end of the file");
        if (r.line == 1) check_top(&r, text);
        check_line(&r, text);
        if (is_c(path) || starts_with(path, "grammar/")) check_include(&r, text);
        if (ends_with(path, ".c")) check_function(&r, text);
    }
    if (r.line > FILE_LINES_MAX) report(path, r.line, "file over 800 lines");
    if (r.line == 0) report(path, 0, "empty file");
    free(text);
    fclose(in);
    return r.line;
}

static int by_size(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void exceptions_read(const char *path)
{
    char text[3 * TEXT_BYTES], reason[TEXT_BYTES];
    int line = 0;
    FILE *in = fopen(path, "r");

    if (!in) {
        report(path, 0, strerror(errno));
        return;
    }
    while (fgets(text, sizeof text, in)) {
        struct exception *e = &exceptions[exception_count];

        line++;
        if (text[0] == '#' || text[0] == '\n') continue;
        if (exception_count == EXCEPTIONS_MAX) {
            report(path, line, "more than 5 exceptions");
            break;
        }
        reason[0] = '\0';
        if (sscanf(text, "%511s %511s %511[^\n]", e->file, e->function, reason) != 3) {
            report(path, line, "an exception is: file function reason");
            continue;
        }
        exception_count++;
    }
    fclose(in);
}

int main(int argc, char **argv)
{
    static int sizes[FILES_MAX];
    int count = argc - 2;

    if (argc < 3 || count > FILES_MAX) {
        fprintf(stderr, "usage: tidy EXCEPTIONS FILE... (at most %d)\n", FILES_MAX);
        return 2;
    }
    exceptions_read(argv[1]);
    for (int i = 0; i < count; i++) sizes[i] = check_file(argv[i + 2]);
    qsort(sizes, (size_t)count, sizeof sizes[0], by_size);
    if (sizes[count / 2] > MEDIAN_LINES_MAX) report("all files", 0, "median over 500 lines");
    for (int i = 0; i < exception_count; i++) {
        if (!exceptions[i].used) report(argv[1], 0, "an exception that nothing needs");
    }
    return errors ? 1 : 0;
}
