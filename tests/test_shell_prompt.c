/*
 * Tests of the shell at a terminal: keys typed, and what appears.
 */
#include <stdio.h>
#include <string.h>

#include "support/process.h"
#include "support/test.h"

static struct process_terminal t;

static void prompt_open(void)
{
    const char *const argv[] = {test_shell(), ":memory:", NULL};

    process_terminal_open(&t, argv, test_folder());
    process_terminal_expect(&t, "mneme> ");
}

static void statements_go_on_until_their_semicolon(void **state)
{
    (void)state;
    prompt_open();
    process_terminal_type(&t, "SELECT 1 AS one,\r");
    process_terminal_expect(&t, "   ...> ");
    process_terminal_type(&t, "'a;b' AS two;\r");
    process_terminal_expect(&t, "│ one │ two │");
    process_terminal_expect(&t, "(1 row)");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "BEGIN;\r");
    process_terminal_expect(&t, "mneme*> ");
    process_terminal_type(&t, "ROLLBACK;\r");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, ".quit\r");
    assert_int_equal(process_terminal_close(&t), 0);
}

static void failures_do_not_end_the_shell(void **state)
{
    (void)state;
    prompt_open();
    process_terminal_type(&t, "SELECT nothing;\r");
    process_terminal_expect(&t, "error[schema]");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "SELECT 5 + 6 AS n;\r");
    process_terminal_expect(&t, "│ 11 │");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "\x04");
    assert_int_equal(process_terminal_close(&t), 0);
}

static void history_comes_back_by_the_arrow(void **state)
{
    (void)state;
    prompt_open();
    process_terminal_type(&t, "SELECT 40 + 2 AS n;\r");
    process_terminal_expect(&t, "│ 42 │");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "\033[A");
    process_terminal_expect(&t, "SELECT 40 + 2 AS n;");
    process_terminal_type(&t, "\r");
    process_terminal_expect(&t, "│ 42 │");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, ".quit\r");
    assert_int_equal(process_terminal_close(&t), 0);
}

static void tab_completes_words_tables_and_columns(void **state)
{
    (void)state;
    prompt_open();
    process_terminal_type(&t, "CREATE TABLE observation (importance INT PRIMARY KEY);\r");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "INSERT INTO obs\t");
    process_terminal_expect(&t, "ervation ");
    process_terminal_type(&t, "VAL\t (7);\r");
    process_terminal_expect(&t, "(1 row changed)");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "SELECT * FROM observation WHERE imp\t");
    process_terminal_expect(&t, "ortance ");
    process_terminal_type(&t, "= 7;\r");
    process_terminal_expect(&t, "(1 row)");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, ".quit\r");
    assert_int_equal(process_terminal_close(&t), 0);
}

/* Ctrl-C ends the statement that runs, and at the prompt what was typed; never the shell. */
static void interrupts_end_the_statement_only(void **state)
{
    (void)state;
    prompt_open();
    process_terminal_type(&t, "SELECT count(*) FROM generate_series(1, 100000) a, "
                              "generate_series(1, 100000) b;\r");
    process_terminal_expect(&t, " s"); /* the progress line, after half a second */
    process_terminal_type(&t, "\x03");
    process_terminal_expect(&t, "error[interrupt]");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "SELECT half a statem");
    process_terminal_expect(&t, "statem");
    process_terminal_type(&t, "\x03");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, "SELECT 20 + 3 AS n, 'é日' AS s;\r");
    process_terminal_expect(&t, "│ 23 │ é日 │");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, ".quit\r");
    assert_int_equal(process_terminal_close(&t), 0);
}

/* Without a prompt Ctrl-C ends the shell, and the exit status says so. */
static void an_interrupted_script_exits_with_130(void **state)
{
    const char *const argv[] = {test_shell(),
                                ":memory:",
                                "SELECT 1 AS begun",
                                "SELECT count(*) FROM generate_series(1, 100000) a, "
                                "generate_series(1, 100000) b",
                                "SELECT 2 AS never",
                                NULL};

    (void)state;
    process_terminal_open(&t, argv, test_folder());
    process_terminal_expect(&t, " s");
    process_terminal_type(&t, "\x03");
    process_terminal_expect(&t, "error[interrupt]");
    assert_int_equal(process_terminal_close(&t), 130);
    assert_null(strstr(t.seen, "never"));
}

/* One shell holds the writer's place; another waits for it, and says that it was busy. */
static void a_second_writer_exits_with_4(void **state)
{
    const char *folder = test_folder();
    const char *const first[] = {test_shell(), "busy.mneme", NULL};
    const char *const second[] = {test_shell(), "busy.mneme", "INSERT INTO t VALUES (1)", NULL};

    (void)state;
    process_terminal_open(&t, first, folder);
    process_terminal_type(&t, "CREATE TABLE t (id INT); BEGIN WRITE;\r");
    process_terminal_expect(&t, "mneme*> ");
    const struct process_result *r = process_run(second, folder, NULL);
    assert_int_equal(r->status, 4);
    assert_memory_equal(r->err, "error[busy]: ", 13);
    process_terminal_type(&t, "ROLLBACK;\r");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, ".quit\r");
    assert_int_equal(process_terminal_close(&t), 0);
}

static void boxes_fit_the_terminal(void **state)
{
    char sql[256] = "SELECT '";

    (void)state;
    prompt_open();
    memset(sql + strlen(sql), 'x', 200);
    strcat(sql, "' AS wide, 1 AS n;\r");
    process_terminal_type(&t, sql);
    process_terminal_expect(&t, "x… │ 1 │\r\n");
    process_terminal_expect(&t, "mneme> ");
    process_terminal_type(&t, ".quit\r");
    assert_int_equal(process_terminal_close(&t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_go_on_until_their_semicolon),
        cmocka_unit_test(failures_do_not_end_the_shell),
        cmocka_unit_test(history_comes_back_by_the_arrow),
        cmocka_unit_test(tab_completes_words_tables_and_columns),
        cmocka_unit_test(interrupts_end_the_statement_only),
        cmocka_unit_test(an_interrupted_script_exits_with_130),
        cmocka_unit_test(a_second_writer_exits_with_4),
        cmocka_unit_test(boxes_fit_the_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
