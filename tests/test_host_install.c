/*
 * Tests of what is installed: header, libraries and mneme.pc serve a program outside the tree.
 *
 * Programs are compiled by the system's compiler, not by Zig, against the install prefix only: as
 * C11 and as C++17, with the static and with the shared library, found by pkg-config.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { TEXT_BYTES = 64 << 10, COMMAND_BYTES = 4096 };

static char output[TEXT_BYTES];

static const char *const languages[] = {"clang-14 -x c -std=c11", "clang++-14 -x c++ -std=c++17"};

/* A database in use, and whose malloc the program has meanwhile. */
static const char program[] =
    "#ifndef _GNU_SOURCE\n"
    "#define _GNU_SOURCE\n"
    "#endif\n"
    "#include <mneme.h>\n"
    "#include <dlfcn.h>\n"
    "#include <stdio.h>\n"
    "#include <string.h>\n"
    "int main(void)\n"
    "{\n"
    "    mn_db *db;\n"
    "    Dl_info info;\n"
    "    int opened = mn_open(NULL, MN_MEMORY, &db);\n"
    "    int filled = mn_exec(db, \"CREATE TABLE t (a INT); INSERT INTO t VALUES (1)\", NULL, "
    "NULL);\n"
    "    int mimalloc = dlopen(\"libmimalloc.so.2\", RTLD_NOW | RTLD_NOLOAD) != NULL;\n"
    "    int libc = dladdr(dlsym(RTLD_DEFAULT, \"malloc\"), &info) && strstr(info.dli_fname, "
    "\"libc.so\");\n"
    "    printf(\"opened %d, filled %d, mimalloc %d, libc %d, closed %d\\n\", opened, filled,\n"
    "           mimalloc, libc, mn_close(db));\n"
    "    return 0;\n"
    "}\n";

static int command_run(const char *command)
{
    FILE *file = popen(command, "r");

    assert_non_null(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    return WEXITSTATUS(pclose(file));
}

static void text_write(const char *folder, const char *name, const char *text)
{
    char path[COMMAND_BYTES];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Compiles folder/program.c with one library and runs it in the folder. */
static void program_run(const char *folder, const char *language, bool is_static)
{
    static const char *const links[] = {
        "$(pkg-config --libs mneme) -Wl,-rpath,$(pkg-config --variable=libdir mneme)",
        "$(pkg-config --static --libs mneme |"
        " sed \"s|-lmneme|$(pkg-config --variable=libdir mneme)/libmneme.a|\")",
    };
    char command[COMMAND_BYTES];

    snprintf(
        command, sizeof command,
        "exec 2>&1; set -e; export PKG_CONFIG_PATH=%s/lib/pkgconfig; cd %s; rm -f program *.mneme;"
        "%s -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags mneme) -o program program.c"
        " -x none %s; ./program",
        test_prefix(), folder, language, links[is_static]);
    if (command_run(command) != 0) fail_msg("%s, %s: %s", language, links[is_static], output);
}

static void every_way_of_linking_works_and_keeps_malloc(void **state)
{
    const char *folder = test_folder();

    (void)state;
    text_write(folder, "program.c", program);
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++) {
        for (int is_static = 0; is_static < 2; is_static++) {
            program_run(folder, languages[i], is_static);
            assert_string_equal(output, "opened 0, filled 0, mimalloc 1, libc 1, closed 0\n");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_of_linking_works_and_keeps_malloc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
