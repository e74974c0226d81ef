/*
 * Tests of tool/symbols.sh: libraries that break one of its rules each, made by clang.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { OUTPUT_BYTES = 8192, COMMAND_BYTES = 8192 };

/* Declared over two lines, as long declarations are. */
#define HEADER "MN_API void\\nmn_free(void *p);\\nMN_API const char *mn_name(void);\\n"

static char output[OUTPUT_BYTES];

static int command_run(const char *command)
{
    FILE *file = popen(command, "r");

    assert_non_null(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    return WEXITSTATUS(pclose(file));
}

/* Builds a library of `room` (not os) and `os` sources, and asks the script about it. */
static int symbols_run(const char *room, const char *os)
{
    const char *folder = test_folder();
    char command[COMMAND_BYTES];
    int status;

    snprintf(command, sizeof command,
             "exec 2>&1; set -e; cd %s; printf '%%s' '%s' >room.c; printf '%%s' '%s' >os.c;"
             "clang-14 -w -O1 -fPIC -fvisibility=hidden -D_GNU_SOURCE -c room.c os.c;"
             "ar rc all.a room.o os.o; ar rc rest.a room.o; clang-14 -shared -o all.so room.o os.o",
             folder, room, os);
    status = command_run(command);
    if (status != 0) fail_msg("cannot build the planted library: %s", output);
    snprintf(command, sizeof command,
             "cd %s; printf '#define MN_API\\n" HEADER "' >mneme.h;"
             "/bin/sh %s mneme.h all.a all.so rest.a 2>&1",
             folder, test_source("src/tool/symbols.sh"));
    return command_run(command);
}

#define API "__attribute__((visibility(\"default\"))) "
#define NAME API "const char *mn_name(void) { return 0; }"
#define GOOD NAME API "void mn_free(void *p) {} int mn_inner(int a) { return a; }"

static void clean_library_passes(void **state)
{
    (void)state;
    if (symbols_run(GOOD, "#include <fcntl.h>\nint mn_file(void) { return open(\"a\", 0); }")) {
        fail_msg("%s", output);
    }
}

static void foreign_name_is_found(void **state)
{
    (void)state;
    assert_int_equal(symbols_run(GOOD " int helper(int a) { return a; }", "int mn_os;"), 1);
    assert_non_null(strstr(output, "without mn_"));
    assert_non_null(strstr(output, "helper"));
    assert_int_equal(symbols_run(GOOD " void *malloc(unsigned long n) { return 0; }", "int mn_os;"),
                     1);
    assert_non_null(strstr(output, "malloc"));
}

static void undeclared_export_is_found(void **state)
{
    (void)state;
    assert_int_equal(symbols_run(GOOD API " int mn_secret(void) { return 1; }", "int mn_os;"), 1);
    assert_non_null(strstr(output, "exports what mneme.h does not"));
    assert_non_null(strstr(output, "mn_secret"));
}

static void declared_function_that_is_absent_is_found(void **state)
{
    (void)state;
    assert_int_equal(symbols_run(NAME, "int mn_os;"), 1);
    assert_non_null(strstr(output, "declares what no library exports"));
    assert_non_null(strstr(output, "mn_free"));
    assert_null(strstr(output, "mn_name"));
}

static void used_name_that_is_absent_is_found(void **state)
{
    (void)state;
    assert_int_equal(symbols_run(GOOD " int mn_x(void) { return mn_absent(); }", "int mn_os;"), 1);
    assert_non_null(strstr(output, "lacks names it uses"));
    assert_non_null(strstr(output, "mn_absent"));
}

static void system_call_outside_os_is_found(void **state)
{
    static const char *const calls[] = {
        "#include <fcntl.h>\nint mn_x(void) { return open(\"a\", 0); }",
        "#include <unistd.h>\nlong mn_x(int f, void *p) { return pread(f, p, 1, 0); }",
        "#include <unistd.h>\nint mn_x(int f) { return fdatasync(f); }",
        "#include <sys/mman.h>\nvoid *mn_x(void) { return mmap(0, 1, 1, 1, 1, 0); }",
        "#include <time.h>\nint mn_x(struct timespec *t) { return clock_gettime(0, t); }",
        "#include <stdio.h>\nvoid *mn_x(void) { return fopen(\"a\", \"r\"); }",
        "#include <unistd.h>\nlong mn_x(void) { return syscall(1); }",
        "#include <stdlib.h>\nvoid mn_x(void) { exit(1); }",
        "#include <unistd.h>\nlong mn_x(int f, void *p) { return pwrite64(f, p, 1, 0); }",
    };
    char room[1024];

    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        snprintf(room, sizeof room, "%s\n" GOOD, calls[i]);
        if (symbols_run(room, "int mn_os;") != 1 || !strstr(output, "outside src/os")) {
            fail_msg("not found: %s: %s", calls[i], output);
        }
    }
}

/* A function that is not static in a file of one level, as a shared inline function would be. */
static void second_name_of_a_kernel_is_found(void **state)
{
    const char *folder = test_folder();
    char command[COMMAND_BYTES];

    (void)state;
    for (int planted = 0; planted < 2; planted++) {
        snprintf(command, sizeof command,
                 "exec 2>&1; cd %s; echo '%s int mn_kernels_avx2[2] = {1};' >kernel_avx2.c;"
                 "clang-14 -O1 -fPIC -c kernel_avx2.c; rm -f all.a; ar rc all.a kernel_avx2.o;"
                 "echo 'static int a;' | clang-14 -w -shared -fPIC -x c -o all.so -;"
                 "/bin/sh %s /dev/null all.a all.so all.a",
                 folder, planted ? "__attribute__((weak)) int mn_min(int a) { return a; }" : "",
                 test_source("src/tool/symbols.sh"));
        assert_int_equal(command_run(command), planted);
    }
    assert_non_null(strstr(output, "avx2 mn_min"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_library_passes),
        cmocka_unit_test(foreign_name_is_found),
        cmocka_unit_test(undeclared_export_is_found),
        cmocka_unit_test(declared_function_that_is_absent_is_found),
        cmocka_unit_test(used_name_that_is_absent_is_found),
        cmocka_unit_test(system_call_outside_os_is_found),
        cmocka_unit_test(second_name_of_a_kernel_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
