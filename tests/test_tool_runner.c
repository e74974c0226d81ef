/*
 * Tests of tool/runner: what a failing, dying, hanging or lying program counts as.
 */
#include "support/test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { OUTPUT_BYTES = 8192 };

static char runner[PATH_MAX];
static char output[OUTPUT_BYTES];
static char counts[OUTPUT_BYTES];

/* Runs one shell program under the runner; output and counts are left behind. */
static int run(const char *program)
{
    const char *folder = test_folder();
    char command[3 * PATH_MAX];
    FILE *file;

    snprintf(command, sizeof command, "%s %s/logs 2 1 -- planted /bin/sh -c '%s' 2>&1", runner,
             folder, program);
    file = popen(command, "r");
    assert_non_null(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    int status = WEXITSTATUS(pclose(file));

    snprintf(command, sizeof command, "%s/logs/counts", folder);
    file = fopen(command, "r");
    assert_non_null(file);
    counts[fread(counts, 1, sizeof counts - 1, file)] = '\0';
    fclose(file);
    return status;
}

#define RUNNING "echo \"[==========] Running 3 test(s).\";"
#define OK "echo \"[       OK ] a\";"
#define BAD "echo \"[  FAILED  ] b\";"
#define SKIPPED "echo \"[  SKIPPED ] c\";"
#define DONE "echo \"[==========] 3 test(s) run.\";"

static void tests_are_counted(void **state)
{
    (void)state;
    assert_int_equal(run(RUNNING OK OK SKIPPED DONE "echo \"data/vector 20 of 20\""), 0);
    assert_string_equal(counts, "planted 2 0 1\n");
    assert_non_null(strstr(output, "data/vector 20 of 20"));
    assert_non_null(strstr(output, "1 programs: 2 passed, 0 failed, 1 skipped"));
}

static void failed_test_is_counted_once(void **state)
{
    (void)state; /* the summary repeats its name */
    assert_int_equal(run(RUNNING OK BAD DONE BAD "exit 1"), 1);
    assert_string_equal(counts, "planted 1 1 0\n");
    assert_non_null(strstr(output, "[  FAILED  ] b"));
}

static void death_in_the_middle_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(run(RUNNING OK "kill -SEGV $$"), 1);
    assert_string_equal(counts, "planted 1 1 0\n");
    assert_non_null(strstr(output, "died of signal 11"));
}

static void silent_early_exit_is_a_failure(void **state)
{
    (void)state; /* exit(0) from inside a test must not pass for a finished run */
    assert_int_equal(run(RUNNING OK "exit 0"), 1);
    assert_string_equal(counts, "planted 1 1 0\n");
}

static void bad_status_after_good_tests_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(run(RUNNING OK DONE "exit 3"), 1);
    assert_string_equal(counts, "planted 1 1 0\n");
}

static void hanging_program_is_killed(void **state)
{
    (void)state;
    assert_int_equal(run("sleep 60 & sleep 60"), 1);
    assert_string_equal(counts, "planted 0 1 0\n");
    assert_non_null(strstr(output, "killed after 1 s"));
}

static void plain_program_counts_by_its_status(void **state)
{
    (void)state;
    assert_int_equal(run("exit 0"), 0);
    assert_string_equal(counts, "planted 1 0 0\n");
    assert_int_equal(run("exit 1"), 1);
    assert_string_equal(counts, "planted 0 1 0\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tests_are_counted),
        cmocka_unit_test(failed_test_is_counted_once),
        cmocka_unit_test(death_in_the_middle_is_a_failure),
        cmocka_unit_test(silent_early_exit_is_a_failure),
        cmocka_unit_test(bad_status_after_good_tests_is_a_failure),
        cmocka_unit_test(hanging_program_is_killed),
        cmocka_unit_test(plain_program_counts_by_its_status),
    };

    if (argc < 2 || !realpath(argv[1], runner)) {
        fprintf(stderr, "usage: %s RUNNER\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
