/*
 * Tests of README.md and docs/API.md: their programs are what a stranger compiles first, so they
 * are compiled and run here.
 *
 * The first block of C that is a whole program is built against the installed header and library,
 * static and shared, as C11 and as C++17, by the system's compiler, and must print what the page
 * says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

enum { TEXT_BYTES = 65536 };

static char text[TEXT_BYTES], folder[1024];

static char *block_after(char *from, const char *fence, const char **end)
{
    char *start = strstr(from, fence);

    assert_non_null(start);
    start = strchr(start, '\n') + 1;
    *end = strstr(start, "\n```");
    assert_non_null(*end);
    return start;
}

static void file_write(const char *name, const char *bytes, size_t size)
{
    char path[2048];
    FILE *out;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static void file_read(const char *path, char *into)
{
    FILE *in = fopen(path, "r");
    size_t got;

    assert_non_null(in);
    got = fread(into, 1, TEXT_BYTES - 1, in);
    into[got] = '\0';
    fclose(in);
}

/* Compiles and runs the program in the folder; its output must be the README's. */
static void program_prints(const char *compile, const char *expected)
{
    static char got[TEXT_BYTES];
    char command[4096], path[2048];

    snprintf(command, sizeof command, "cd %s && rm -f robot.mneme program && %s", folder, compile);
    if (system(command) != 0) fail_msg("cannot compile: %s", compile);
    snprintf(command, sizeof command, "cd %s && ./program >out.txt 2>&1", folder);
    if (system(command) != 0) fail_msg("the program fails; built by %s", compile);
    snprintf(path, sizeof path, "%s/out.txt", folder);
    file_read(path, got);
    assert_string_equal(got, expected);
}

/* The block of C that begins by including the header, and what is said to be printed. */
static void page_program_prints_what_it_says(const char *page)
{
    static const char *const languages[] = {"-x c -std=c11 program.c",
                                            "-x c++ -std=c++17 program.c"};
    const char *prefix = getenv("MNEME_TEST_PREFIX"), *end;
    char expected[4096], compile[4096], *block;

    assert_non_null(prefix);
    snprintf(folder, sizeof folder, "%s", test_folder());
    file_read(test_source(page), text);
    block = strstr(text, "```c\n#include <mneme.h>\n");
    assert_non_null(block);
    block = block_after(block, "```c\n", &end);
    file_write("program.c", block, (size_t)(end + 1 - block));
    block = block_after(strstr(block, "It prints"), "```\n", &end);
    snprintf(expected, sizeof expected, "%.*s\n", (int)(end - block), block);
    for (size_t i = 0; i < 2; i++) {
        snprintf(
            compile, sizeof compile,
            "clang-14 -Wall -Werror %s -I%s/include -x none %s/lib/libmneme.a -lm -ldl -lpthread"
            " -o program",
            languages[i], prefix, prefix);
        program_prints(compile, expected);
        snprintf(compile, sizeof compile,
                 "clang-14 -Wall -Werror %s -I%s/include -x none -L%s/lib -lmneme -Wl,-rpath,%s/lib"
                 " -o program",
                 languages[i], prefix, prefix, prefix);
        program_prints(compile, expected);
    }
}

static void readme_program_compiles_and_prints_what_it_says(void **state)
{
    (void)state;
    page_program_prints_what_it_says("README.md");
}

static void crash_example_compiles_and_prints_what_it_says(void **state)
{
    (void)state;
    page_program_prints_what_it_says("docs/API.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readme_program_compiles_and_prints_what_it_says),
        cmocka_unit_test(crash_example_compiles_and_prints_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
