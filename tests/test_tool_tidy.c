/*
 * Tests of tool/tidy: a clean tree passes, and each rule is broken once by a planted file.
 */
#include "support/test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { OUTPUT_BYTES = 4096 };

#define TOP "/*\n * room: planted.\n */\n"

static char tidy[PATH_MAX];
static char output[OUTPUT_BYTES];

static void file_write(const char *folder, const char *path, const char *text)
{
    char full[PATH_MAX];
    FILE *file;

    snprintf(full, sizeof full, "%s/%s", folder, path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0777);
        *slash = '/';
    }
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* Runs tidy in the folder; what it says is left in output. */
static int tidy_run(const char *folder, const char *files)
{
    char command[3 * PATH_MAX];
    size_t got;
    FILE *pipe;

    snprintf(command, sizeof command, "cd %s && %s exceptions %s 2>&1", folder, tidy, files);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    got = fread(output, 1, sizeof output - 1, pipe);
    output[got] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

/* One file with one violation: tidy must fail and name file and rule. */
static void expect_rule(const char *path, const char *text, const char *rule)
{
    const char *folder = test_folder();

    file_write(folder, "exceptions", "# none\n");
    file_write(folder, path, text);
    if (tidy_run(folder, path) != 1 || !strstr(output, rule) || !strstr(output, path)) {
        fail_msg("%s: expected \"%s\", tidy said: %s", path, rule, output);
    }
}

static void expect_clean(const char *path, const char *text)
{
    const char *folder = test_folder();

    file_write(folder, "exceptions", "# none\n");
    file_write(folder, path, text);
    if (tidy_run(folder, path) != 0) fail_msg("%s: tidy said: %s", path, output);
}

/* count lines of x; a function when it has a head. */
static char *lines(const char *head, const char *line, int count, const char *tail)
{
    char *text = malloc(strlen(head) + strlen(line) * (size_t)count + strlen(tail) + 1), *at = text;

    assert_non_null(text);
    at = stpcpy(at, head);
    for (int i = 0; i < count; i++) at = stpcpy(at, line);
    strcpy(at, tail);
    return text;
}

static void clean_files_pass(void **state)
{
    (void)state;
    expect_clean("src/store/a.c", TOP "#include \"base/hash.h\"\n#include \"store/b.h\"\n");
    expect_clean("src/api/a.c", TOP "#include \"query/plan.h\"\n");
    expect_clean("tests/test_a.c", TOP "#include \"query/plan.h\"\n");
    expect_clean("src/shell/a.c", TOP "#include \"mneme.h\"\n");
    expect_clean("grammar/token.re", TOP "#include \"query/parse.h\"\n");
    expect_clean("build.zig", "//! The build.\n");
    expect_clean("zigw", "#!/bin/sh\n");
}

static void text_rules_bite(void **state)
{
    char *wide = lines(TOP "/* ", "x", 98, " */\n");

    (void)state;
    expect_rule("src/base/a.c", wide, "line over 100 columns");
    expect_rule("src/base/a.c", TOP "\tint a;\n", "tab");
    expect_rule("src/base/a.c", TOP "int a; \n", "trailing space");
    expect_rule("src/base/a.c", TOP "int a;\r\n", "trailing space");
    expect_rule("src/base/a.c", TOP "int a;", "no newline at the end");
    expect_rule("src/base/a.c", "", "empty file");
    expect_rule("src/base/a.c", TOP "/* TODO: later */\n", "banned word");
    expect_rule("grammar/a.re", TOP "/* FIXME */\n", "banned word");
    expect_rule("fuzz/run.sh", "#!/bin/sh\n# XXX\n", "banned word");
    expect_rule("src/base/a.c", TOP "/* enough for now */\n", "banned word");
    expect_rule("src/base/a.c", TOP "/* see /home/me/notes */\n", "path of a machine");
    expect_clean("src/base/a.c", TOP "int mastodon_TODOS;\n");
    free(wide);
}

static void width_counts_characters_not_bytes(void **state)
{
    char *wide = lines(TOP "/* ", "\xC3\xA9", 94, " */\n");

    (void)state;
    expect_clean("src/base/a.c", wide);
    free(wide);
}

static void top_comment_is_required(void **state)
{
    static const char rule[] = "no comment at the top";

    (void)state;
    expect_rule("src/base/a.c", "int a;\n", rule);
    expect_rule("src/base/a.h", "#ifndef A\n#endif\n", rule);
    expect_rule("grammar/a.re", "int a;\n", rule);
    expect_rule("grammar/query.y", "%name mn_parse\n", rule);
    expect_rule("build.zig", "const a = 1;\n", rule);
    expect_rule("src/tool/a.sh", "echo\n", rule);
}

static void layers_hold(void **state)
{
    static const char *const layers[] = {"base",    "os",    "store", "btree",
                                         "catalog", "index", "query", "api"};
    char path[64], text[128];

    (void)state;
    for (size_t from = 0; from < 8; from++) {
        for (size_t to = 0; to < 8; to++) {
            snprintf(path, sizeof path, "src/%s/deep/a.c", layers[from]);
            snprintf(text, sizeof text, TOP "#  include \"%s/b.h\"\n", layers[to]);
            if (to > from)
                expect_rule(path, text, "reaches up a layer");
            else
                expect_clean(path, text);
        }
        snprintf(text, sizeof text, TOP "#include \"shell/b.h\"\n");
        expect_rule(path, text, "reaches up to the shell");
    }
}

static void other_includes_are_held(void **state)
{
    (void)state;
    expect_rule("src/store/a.c", TOP "#include \"../os/file.h\"\n", "climbs by ../");
    expect_rule("src/shell/a.c", TOP "#include \"base/buf.h\"\n", "sees mneme.h only");
    expect_rule("bench/bench_a.c", TOP "#include \"store/page.h\"\n", "sees mneme.h only");
    expect_clean("bench/bench_a.c", TOP "#include \"mneme.h\"\n#include \"support/b.h\"\n");
    expect_rule("include/mneme.h", TOP "#include \"base/buf.h\"\n", "public header includes");
    expect_rule("grammar/token.re", TOP "#include \"api/db.h\"\n", "reaches up a layer");
    expect_rule("grammar/timestamp.re", TOP "#include \"query/ast.h\"\n", "reaches up a layer");
}

static void sizes_are_held(void **state)
{
    char *file = lines(TOP, "int a;\n", 798, ""), *half = lines(TOP, "int a;\n", 500, "");
    char *good = lines(TOP, "int a;\n", 797, "");
    char *function = lines(TOP "int long_one(void)\n{\n", "    a();\n", 71, "}\n");
    char *short_one = lines(TOP "int short_one(void)\n{\n", "    a();\n", 70, "}\n");
    const char *folder = test_folder();

    (void)state;
    expect_rule("src/base/a.c", file, "file over 800 lines");
    expect_rule("src/base/a.c", function, "function over 70 lines");
    expect_clean("src/base/a.c", short_one);

    file_write(folder, "exceptions", "# none\n");
    file_write(folder, "src/base/a.c", good); /* long, but the median is not */
    file_write(folder, "src/base/b.c", TOP);
    file_write(folder, "src/base/c.c", TOP);
    assert_int_equal(tidy_run(folder, "src/base/a.c src/base/b.c src/base/c.c"), 0);
    file_write(folder, "src/base/b.c", half);
    assert_int_equal(tidy_run(folder, "src/base/a.c src/base/b.c src/base/c.c"), 1);
    assert_string_equal(output, "all files:0: median over 500 lines\n");
    free(file), free(half), free(good), free(function), free(short_one);
}

static void exceptions_are_few_and_needed(void **state)
{
    char *function =
        lines(TOP "static int\nlong_one(int a,\n         int b)\n{\n", "    a();\n", 71, "}\n");
    const char *folder = test_folder();

    (void)state;
    file_write(folder, "src/base/a.c", function);
    file_write(folder, "exceptions", "src/base/a.c long_one one table, read from top to bottom\n");
    assert_int_equal(tidy_run(folder, "src/base/a.c"), 0);

    file_write(folder, "exceptions", "src/base/a.c long_one\n");
    assert_int_equal(tidy_run(folder, "src/base/a.c"), 1);
    assert_non_null(strstr(output, "file function reason"));

    file_write(folder, "exceptions", "src/base/a.c other_one a reason\n");
    assert_int_equal(tidy_run(folder, "src/base/a.c"), 1);
    assert_non_null(strstr(output, "an exception that nothing needs"));

    file_write(folder, "exceptions", "a a r\nb b r\nc c r\nd d r\ne e r\nf f r\n");
    assert_int_equal(tidy_run(folder, "src/base/a.c"), 1);
    assert_non_null(strstr(output, "more than 5 exceptions"));
    free(function);
}

static void missing_file_is_an_error(void **state)
{
    const char *folder = test_folder();

    (void)state;
    file_write(folder, "exceptions", "# none\n");
    assert_int_equal(tidy_run(folder, "src/base/absent.c"), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_files_pass),
        cmocka_unit_test(text_rules_bite),
        cmocka_unit_test(width_counts_characters_not_bytes),
        cmocka_unit_test(top_comment_is_required),
        cmocka_unit_test(layers_hold),
        cmocka_unit_test(other_includes_are_held),
        cmocka_unit_test(sizes_are_held),
        cmocka_unit_test(exceptions_are_few_and_needed),
        cmocka_unit_test(missing_file_is_an_error),
    };

    if (argc < 2 || !realpath(argv[1], tidy)) {
        fprintf(stderr, "usage: %s TIDY\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
