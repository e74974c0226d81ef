/*
 * Statements and what they answer: tests/statements/NAME.sql beside NAME.out, in memory and in a
 * file.
 *
 *   SELECT 1;                  one statement after the other; a row is a line of JSON,
 *   --$ q vector 1 0.5         a failure its code, place, message and hint
 *   SELECT $q;                 --$ lines give parameters their values until the next --$ of that
 * name
 *
 * MNEME_GOLDEN_WRITE=1 in the environment writes the .out files anew, for a reader to check.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "support/test.h"

enum { TEXT_BYTES = 1 << 20, PARAMS_MAX = 16, VECTOR_MAX = 1024 };

struct param {
    char name[64], type[16], value[4096];
};

static struct param params[PARAMS_MAX];
static int param_count;

struct text {
    char *bytes;
    size_t length;
};

static void say(struct text *out, const char *bytes, size_t length)
{
    assert_true(out->length + length + 1 < TEXT_BYTES);
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
    out->bytes[out->length] = '\0';
}

static void say_text(struct text *out, const char *text)
{
    say(out, text, strlen(text));
}

/* --$ NAME TYPE VALUE */
static void param_read(const char *line, size_t length)
{
    struct param read = {{0}, {0}, {0}};
    char copy[4400];
    int at;

    assert_true(length < sizeof copy);
    memcpy(copy, line, length);
    copy[length] = '\0';
    assert_true(sscanf(copy, "--$ %63s %15s %4095[^\n]", read.name, read.type, read.value) >= 2);
    for (at = 0; at < param_count && strcmp(params[at].name, read.name) != 0; at++) continue;
    assert_true(at < PARAMS_MAX);
    params[at] = read;
    if (at == param_count) param_count++;
}

static int param_bind(mn_stmt *stmt, int index, const struct param *param)
{
    static float vector[VECTOR_MAX];
    size_t dims = 0;
    char *at = (char *)(uintptr_t)param->value;

    if (strcmp(param->type, "null") == 0) return mn_bind_null(stmt, index);
    if (strcmp(param->type, "int") == 0) return mn_bind_int(stmt, index, atoll(at));
    if (strcmp(param->type, "float") == 0) return mn_bind_float(stmt, index, strtod(at, NULL));
    if (strcmp(param->type, "bool") == 0) return mn_bind_bool(stmt, index, *at == 't');
    if (strcmp(param->type, "text") == 0) return mn_bind_text(stmt, index, at, MN_ALL, MN_COPY);
    if (strcmp(param->type, "json") == 0) return mn_bind_json(stmt, index, at, MN_ALL, MN_COPY);
    assert_string_equal(param->type, "vector");
    while (*at && dims < VECTOR_MAX) {
        vector[dims++] = strtof(at, &at);
        while (*at == ' ') at++;
    }
    return mn_bind_vector(stmt, index, vector, dims, MN_COPY);
}

static void fail_say(struct text *out, mn_db *db)
{
    static const char *const codes[] = {
        "MN_OK",       "MN_ROW",     "MN_DONE",   "MN_WAIT",        "MN_ERROR",
        "MN_SYNTAX",   "MN_SCHEMA",  "MN_TYPE",   "MN_RANGE",       "MN_CONSTRAINT",
        "MN_NOTFOUND", "MN_EXISTS",  "MN_BUSY",   "MN_READONLY_DB", "MN_IOERR",
        "MN_FULL",     "MN_CORRUPT", "MN_NOTADB", "MN_NOMEM",       "MN_INTERRUPT",
        "MN_MISUSE",   "MN_GONE",    "MN_TOOBIG", "MN_VERSION",     "MN_UNSUPPORTED",
        "MN_UNCERTAIN"};
    char place[64];

    say_text(out, "! ");
    say_text(out, codes[mn_errcode(db)]);
    if (mn_error_offset(db) >= 0) {
        snprintf(place, sizeof place, " at %d+%d", mn_error_offset(db), mn_error_length(db));
        say_text(out, place);
    }
    say_text(out, ": ");
    say_text(out, mn_errmsg(db));
    if (mn_error_hint(db)[0]) {
        say_text(out, "\n! hint: ");
        say_text(out, mn_error_hint(db));
    }
    say_text(out, "\n");
}

static void statement_run(mn_db *db, mn_stmt *stmt, struct text *out)
{
    bool fine = true;
    char count[64];
    int code;

    for (int i = 0; i < param_count && fine; i++) {
        int index = mn_param_index(stmt, params[i].name);

        if (index > 0) fine = param_bind(stmt, index, &params[i]) == MN_OK;
    }
    if (!fine) {
        fail_say(out, db);
        return;
    }
    while ((code = mn_step(stmt)) == MN_ROW) {
        char *row = mn_row_json(stmt);

        assert_non_null(row);
        say_text(out, row);
        say_text(out, "\n");
        mn_free(row);
    }
    if (code != MN_DONE) {
        fail_say(out, db);
    } else if (!mn_readonly(stmt) && mn_changes(db) > 0) {
        snprintf(count, sizeof count, "(%lld changed)\n", (long long)mn_changes(db));
        say_text(out, count);
    }
}

/* Blanks, and lines of the runner's own. */
static const char *statement_skip(const char *at, const char *end)
{
    for (;;) {
        const char *line;

        while (at < end && (*at == '\n' || *at == ' ')) at++;
        if (end - at < 2 || memcmp(at, "--", 2) != 0) return at;
        line = memchr(at, '\n', (size_t)(end - at));
        if (!line) line = end;
        if (end - at > 2 && at[2] == '$') param_read(at, (size_t)(line - at));
        at = line;
    }
}

/* Behind the semicolon that ends a line. */
static const char *statement_end(const char *at, const char *end)
{
    const char *semicolon = strstr(at, ";\n");

    return semicolon ? semicolon + 1 : end;
}

static void script_run(mn_db *db, const char *script, size_t length, struct text *out)
{
    const char *at = script, *end = script + length;

    param_count = 0;
    out->length = 0;
    while ((at = statement_skip(at, end)) < end) {
        const char *behind = statement_end(at, end), *tail;
        mn_stmt *stmt;

        say(out, at, (size_t)(behind - at));
        say_text(out, "\n");
        if (mn_prepare(db, at, (size_t)(behind - at), &stmt, &tail) != MN_OK) {
            fail_say(out, db);
        } else if (stmt) {
            statement_run(db, stmt, out);
        }
        mn_finalize(stmt);
        say_text(out, "\n");
        at = behind;
    }
}

static void file_read(const char *path, struct text *out)
{
    FILE *file = fopen(path, "rb");

    out->length = 0;
    if (file) {
        out->length = fread(out->bytes, 1, TEXT_BYTES - 1, file);
        fclose(file);
    }
    out->bytes[out->length] = '\0';
}

/* Says where two texts part, since cmocka would print both. */
static void same_check(const char *name, const char *where, const struct text *got,
                       const struct text *wanted)
{
    size_t line = 1, at = 0, begin = 0;

    while (at < got->length && at < wanted->length && got->bytes[at] == wanted->bytes[at]) {
        if (got->bytes[at++] == '\n') {
            line++;
            begin = at;
        }
    }
    if (at == got->length && at == wanted->length) return;
    print_error("%s (%s), line %zu of its .out\n  wanted: %.200s\n  got:    %.200s\n", name, where,
                line, wanted->bytes + begin, got->bytes + begin);
    fail();
}

static void golden_run(const char *name, struct text *script, struct text *got, struct text *wanted)
{
    char path[4096], out[4096];
    mn_db *db;
    int code;

    snprintf(path, sizeof path, "%s/%s.sql", test_source("tests/statements"), name);
    file_read(path, script);
    assert_true(script->length > 0);
    snprintf(out, sizeof out, "%s/%s.out", test_source("tests/statements"), name);
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    script_run(db, script->bytes, script->length, got);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
    if (getenv("MNEME_GOLDEN_WRITE")) {
        FILE *file = fopen(out, "wb");

        assert_non_null(file);
        fwrite(got->bytes, 1, got->length, file);
        fclose(file);
    }
    file_read(out, wanted);
    same_check(name, "in memory", got, wanted);

    snprintf(path, sizeof path, "%s/%s.mneme", test_folder(), name);
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    script_run(db, script->bytes, script->length, got);
    same_check(name, "in a file", got, wanted);
    code = mn_check(db, NULL, NULL);
    assert_int_equal(code, MN_OK);
    assert_int_equal(mn_close(db), MN_OK);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void every_script_answers_as_written(void **state)
{
    struct text script = {malloc(TEXT_BYTES), 0}, got = {malloc(TEXT_BYTES), 0};
    struct text wanted = {malloc(TEXT_BYTES), 0};
    char *names[256];
    size_t count = 0;
    DIR *folder = opendir(test_source("tests/statements"));
    struct dirent *entry;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL && count < 256) {
        size_t length = strlen(entry->d_name);

        if (length < 5 || strcmp(entry->d_name + length - 4, ".sql") != 0) continue;
        names[count] = strdup(entry->d_name);
        names[count++][length - 4] = '\0';
    }
    closedir(folder);
    assert_true(count > 0);
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count; i++) {
        golden_run(names[i], &script, &got, &wanted);
        free(names[i]);
    }
    free(script.bytes);
    free(got.bytes);
    free(wanted.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_script_answers_as_written)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
