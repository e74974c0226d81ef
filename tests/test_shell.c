/*
 * Tests of the shell: arguments, scripts, modes, exit statuses, dump.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/copy_case.h"
#include "support/process.h"
#include "support/test.h"

enum { ARGUMENTS = 16 };

static const char *folder;

/* A new folder for each test. */
static int folder_new(void **state)
{
    (void)state;
    folder = test_folder();
    return folder ? 0 : -1;
}

/* The shell with these arguments, NULL behind the last, and this text as standard input. */
static const struct process_result *shell(const char *input, ...)
{
    const char *argv[ARGUMENTS] = {test_shell()};
    va_list args;

    va_start(args, input);
    for (int i = 1; i < ARGUMENTS - 1; i++) {
        argv[i] = va_arg(args, const char *);
        if (!argv[i]) break;
    }
    va_end(args);
    return process_run(argv, folder, input);
}

static void expect(const struct process_result *r, int status, const char *out, const char *err)
{
    if (r->status != status || strcmp(r->out, out) != 0 || strcmp(r->err, err) != 0) {
        fail_msg("status %d, not %d; out:\n%s---- not\n%s---- err:\n%s---- not\n%s", r->status,
                 status, r->out, out, r->err, err);
    }
}

static void file(const char *name, const char *text)
{
    char path[512];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static bool exists(const char *name)
{
    char path[512];
    struct stat info;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &info) == 0;
}

#define TABLE \
    "CREATE TABLE t (id INT PRIMARY KEY, body TEXT, x FLOAT, at TIMESTAMP, e VECTOR(5));" \
    "INSERT INTO t VALUES (1, 'caf\xc3\xa9, \"x\"', 0.5, '2026-11-20', '[0.12, -0.4, 3, 4, 5]')," \
    "(20, NULL, NULL, NULL, NULL);"

static void statements_come_from_arguments_scripts_and_input(void **state)
{
    (void)state;
    expect(shell(NULL, "a.mneme", "--mode", "csv", "SELECT 1 AS a; SELECT 2 AS b", "SELECT 3 AS c",
                 NULL),
           0, "a\n1\nb\n2\nc\n3\n", "");
    assert_true(exists("a.mneme"));
    file("s.sql",
         "-- a comment; with a semicolon\nSELECT 'a;b' AS \"x;y\";\n.mode tsv\nSELECT 2 AS n");
    expect(shell(NULL, "--mode=csv", "-c", "SELECT 1 AS a", "-f", "s.sql", "-c", "SELECT 3 AS z",
                 NULL),
           0, "a\n1\nx;y\na;b\nn\n2\nz\n3\n", "");
    expect(shell("SELECT 1 AS a;\nSELECT\n2 AS b;", "--mode", "csv", NULL), 0, "a\n1\nb\n2\n", "");
    expect(shell("SELECT 7 AS a", "--mode", "csv", "-f", "-", NULL), 0, "a\n7\n", "");
    expect(shell(NULL, ":memory:", "SELECT 1 AS a", "-c", "SELECT 2 AS b", "SELECT 3 AS c",
                 "--mode", "csv", NULL),
           0, "a\n1\nb\n2\nc\n3\n", "");
    expect(shell("", NULL), 0, "", "");
    expect(shell("/* nothing */ -- at all", NULL), 0, "", "");
}

static void modes_show_the_same_rows(void **state)
{
    static const char *const modes[][2] = {
        {"box", "┌────┬───────────┬──────┬─────────────────────────────┬────────────────────┐\n"
                "│ id │ body      │ x    │ at                          │ e                  │\n"
                "├────┼───────────┼──────┼─────────────────────────────┼────────────────────┤\n"
                "│  1 │ café, \"x\" │  0.5 │ 2026-11-20T00:00:00.000000Z │ [0.12, -0.40, … 5] │\n"
                "│ 20 │ NULL      │ NULL │ NULL                        │ NULL               │\n"
                "└────┴───────────┴──────┴─────────────────────────────┴────────────────────┘\n"},
        {"csv", "id,body,x,at,e\n1,\"café, \"\"x\"\"\",0.5,2026-11-20T00:00:00.000000Z,"
                "\"[0.12,-0.4,3,4,5]\"\n20,,,,\n"},
        {"tsv", "id\tbody\tx\tat\te\n1\tcafé, \"x\"\t0.5\t2026-11-20T00:00:00.000000Z\t"
                "[0.12,-0.4,3,4,5]\n20\t\t\t\t\n"},
        {"json", "[{\"id\":1,\"body\":\"café, \\\"x\\\"\",\"x\":0.5,"
                 "\"at\":\"2026-11-20T00:00:00.000000Z\",\"e\":[0.12,-0.4,3,4,5]},\n"
                 " {\"id\":20,\"body\":null,\"x\":null,\"at\":null,\"e\":null}]\n"},
        {"ndjson", "{\"id\":1,\"body\":\"café, \\\"x\\\"\",\"x\":0.5,"
                   "\"at\":\"2026-11-20T00:00:00.000000Z\",\"e\":[0.12,-0.4,3,4,5]}\n"
                   "{\"id\":20,\"body\":null,\"x\":null,\"at\":null,\"e\":null}\n"},
        {"list", "id|body|x|at|e\n1|café, \"x\"|0.5|2026-11-20T00:00:00.000000Z|"
                 "[0.12,-0.4,3,4,5]\n20|NULL|NULL|NULL|NULL\n"},
        {"line", "  id = 1\nbody = café, \"x\"\n   x = 0.5\n"
                 "  at = 2026-11-20T00:00:00.000000Z\n   e = [0.12,-0.4,3,4,5]\n\n"
                 "  id = 20\nbody = NULL\n   x = NULL\n  at = NULL\n   e = NULL\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        expect(shell(TABLE "SELECT * FROM t ORDER BY id", "--mode", modes[i][0], NULL), 0,
               modes[i][1], "");
    }
}

static void frames_of_ascii_and_markdown(void **state)
{
    (void)state;
    expect(shell("SELECT 1 AS n, 'a|b' AS s", "--mode", "table", NULL), 0,
           "+---+-----+\n| n | s   |\n+---+-----+\n| 1 | a|b |\n+---+-----+\n", "");
    expect(shell("SELECT 1 AS n, 'a|b' AS s", "--mode", "markdown", NULL), 0,
           "| n | s    |\n|--:|------|\n| 1 | a\\|b |\n", "");
    expect(shell("SELECT 'l\nm' AS s", "--mode", "table", "--no-header", NULL), 0,
           "+-----+\n| l↵m |\n+-----+\n", "");
    expect(shell("SELECT '日本' AS s, 1 AS n", NULL), 0,
           "┌──────┬───┐\n│ s    │ n │\n├──────┼───┤\n│ 日本 │ 1 │\n└──────┴───┘\n", "");
    expect(shell("SELECT NULL AS s", "--mode", "csv", "--null", "nil", NULL), 0, "s\nnil\n", "");
    expect(shell("SELECT '' AS s", "--mode", "csv", NULL), 0, "s\n\"\"\n", "");
    expect(shell("SELECT 1 AS n WHERE FALSE", "--mode", "json", NULL), 0, "[]\n", "");
    assert_null(strstr(shell(TABLE "EXPLAIN SELECT id FROM t", NULL)->out, "│"));
}

static void exit_status_says_what_went_wrong(void **state)
{
    const struct process_result *r;

    (void)state;
    assert_int_equal(shell("SELECT nothing", NULL)->status, 1);
    assert_int_equal(shell(NULL, "--mode", "xml", NULL)->status, 2);
    assert_int_equal(shell(NULL, "--frob", NULL)->status, 2);
    assert_int_equal(shell(NULL, "-c", NULL)->status, 2);
    assert_int_equal(shell(NULL, "check", NULL)->status, 2);
    assert_int_equal(shell(NULL, "--param", "x", "-c", "SELECT 1", NULL)->status, 2);
    r = shell(NULL, "diff", "a", "1", "2", NULL);
    expect(r, 2, "", "mneme: diff FILE V1 V2 comes later\n");
    r = shell(NULL, "backup", "a", "b", "--since", "7", NULL);
    expect(r, 2, "", "mneme: backup FILE TO --since VERSION comes later\n");
    assert_int_equal(shell("SELECT 1", "--readonly", "none.mneme", NULL)->status, 3);
    assert_false(exists("none.mneme"));
    file("text.mneme",
         "this is no database, but it is long enough to be looked at as if it were one\n");
    assert_int_equal(shell("SELECT 1", "text.mneme", NULL)->status, 3);
    assert_int_equal(shell(NULL, "check", "text.mneme", NULL)->status, 3);
    assert_int_equal(shell(NULL, "none/none.mneme", "SELECT 1", NULL)->status, 3);
    r = shell(NULL, "--version", NULL);
    assert_int_equal(r->status, 0);
    assert_memory_equal(r->out, "mneme ", 6);
    assert_non_null(strstr(shell(NULL, "--help", NULL)->out, "usage: mneme [FILE]"));
}

static void a_failure_stops_unless_told(void **state)
{
    const struct process_result *r;

    (void)state;
    r = shell("SELECT 1 AS a;\nSELECT no;\nSELECT 2 AS b;", "--mode", "csv", NULL);
    assert_int_equal(r->status, 1);
    assert_string_equal(r->out, "a\n1\n");
    r = shell("SELECT 1 AS a;\nSELECT no;\nSELECT 2 AS b;", "--mode", "csv", "--no-bail", NULL);
    assert_int_equal(r->status, 1);
    assert_string_equal(r->out, "a\n1\nb\n2\n");
    r = shell(
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)",
        "kept.mneme", NULL);
    assert_int_equal(r->status, 1);
    expect(shell("SELECT * FROM t", "--mode", "csv", "kept.mneme", NULL), 0, "id\n1\n", "");
}

static void errors_stand_below_their_place(void **state)
{
    const struct process_result *r;

    (void)state;
    file("e.sql", "SELECT 1;\n\n  SELECT id\nFROM  nowhere\nWHERE 1 = 1;\n");
    r = shell(NULL, "-f", "e.sql", NULL);
    assert_non_null(strstr(r->err, "error[schema]: "));
    assert_non_null(
        strstr(r->err, "\n  --> e.sql:4:7\n  4 | FROM  nowhere\n    |       ^^^^^^^\n"));
    r = shell(NULL, ":memory:", "SELEC 1", NULL);
    assert_memory_equal(r->err, "error[syntax]: ", 15);
    assert_non_null(strstr(r->err, "\n  1 | SELEC 1\n    | ^^^^^\n  = "));
    r = shell("SELECT 'é' AS a, nowhere", "--color", "always", NULL);
    assert_non_null(strstr(r->err, "\033[1;31merror[schema]"));
    r = shell(NULL, ":memory:", "SELECT 'open", NULL);
    assert_int_equal(r->status, 1);
    assert_memory_equal(r->err, "error[syntax]: ", 15);
}

static void parameters_are_values_of_the_language(void **state)
{
    static const uint8_t fvecs[] = {2, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0,   64,
                                    2, 0, 0, 0, 0, 0, 64,  64, 0, 0, 128, 64};
    char path[512];
    FILE *out;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/v.fvecs", folder);
    out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(fvecs, 1, sizeof fvecs, out);
    fclose(out);
    expect(shell(NULL, ":memory:", "--mode", "list", "--no-header", "--param", "a=42", "--param",
                 "b='it''s'", "--param", "c=1h30m", "SELECT $a + 1, $b || '!', $c", NULL),
           0, "43|it's!|1h30m\n", "");
    expect(
        shell(
            "CREATE TABLE t (id INT PRIMARY KEY, e VECTOR(2)); INSERT INTO t VALUES (1, '[3,4]'), "
            "(2, '[0,0]'); SELECT id, distance FROM t NEAREST 1 BY e TO $q METRIC l2;"
            ".param q [0, 1]\nSELECT id FROM t NEAREST 1 BY e TO $q METRIC l2;",
            "--mode", "list", "--no-header", "--param", "q=@v.fvecs:1", NULL),
        0, "1|0.0\n2\n", "");
    assert_int_equal(shell("SELECT 1", "--param", "q=@v.fvecs:2", NULL)->status, 2);
    assert_int_equal(shell("SELECT 1", "--param", "q=abc", NULL)->status, 2);
    assert_int_equal(shell("SELECT $q", NULL)->status, 1);
}

static void commands_work_in_scripts(void **state)
{
    const struct process_result *r;

    (void)state;
    file("in.csv", "id,body\n5,five\n6,six\n");
    file("bad.csv", "id\n1\nx\ny\n");
    expect(
        shell("CREATE TABLE t (id INT PRIMARY KEY);\n.import bad.csv t errors = skip\n", NULL), 0,
        "",
        "note: COPY left out 2 bad rows, the first: bad.csv line 3, column id: 'x' is not INT\n");
    r = shell("CREATE TABLE t (id INT PRIMARY KEY, body TEXT);\n"
              "CREATE TABLE u (id INT PRIMARY KEY); CREATE RELATION r FROM t TO u;\n"
              "CREATE INDEX t_body ON t (body);\n"
              ".import in.csv t\n.mode csv\n.tables\n.tables t\n.relations\n.indexes t\n.export "
              "out.tsv t\n"
              ".export q.csv SELECT id FROM t WHERE id > 5\n",
              NULL);
    expect(r, 0,
           "name,rows\nt,2\nu,0\nname,rows\nt,2\nname,from,to,multi,rows\nr,t,u,false,0\n"
           "name,table,method,unique,columns,entries\nt_body,t,btree,false,body,2\n",
           "");
    assert_true(exists("out.tsv") && exists("q.csv"));
    r = shell(".schema\nCREATE TABLE t (id INT PRIMARY KEY, body TEXT NOT NULL DEFAULT "
              "'x');\n.schema t\n",
              NULL);
    assert_int_equal(r->status, 0);
    assert_non_null(strstr(r->out, "CREATE TABLE t ("));
    assert_non_null(strstr(r->out, "body TEXT NOT NULL DEFAULT 'x'"));
    assert_int_equal(shell(".nonsense\n", NULL)->status, 1);
    assert_int_equal(shell(".mode xml\n", NULL)->status, 1);
    assert_non_null(strstr(shell(".help copy\n", NULL)->out, "COPY t "));
    file("r.sql", "SELECT 1 AS a;\n.quit\nSELECT 2 AS b;\n");
    expect(shell(".read r.sql\nSELECT 3 AS c;\n", "--mode", "csv", NULL), 0, "a\n1\n", "");
    file("loop.sql", ".read loop.sql\n");
    assert_int_equal(shell(".read loop.sql\n", NULL)->status, 1);
    r = shell("SELECT 1;\n", "--timer", NULL);
    assert_memory_equal(r->err, "time: ", 6);
}

static const char dumped[] =
    "CREATE TABLE \"odd name\" (id INT PRIMARY KEY, \"select\" TEXT DEFAULT 'a''b', f FLOAT, z "
    "BLOB,"
    " at TIMESTAMP, d DURATION, u UUID, e VECTOR(3), j JSON, l TEXT[], n INT[], b BOOL,"
    " CHECK (f > -1e300), UNIQUE (\"select\", b));"
    "INSERT INTO \"odd name\" VALUES (-9223372036854775807 - 1, 'q''\n;--', 0.1, x'00ff',"
    " '1969-12-31T23:59:59.999999Z', -90m, '00112233-4455-6677-8899-aabbccddeeff',"
    " '[0.1,-2,3e-30]', '{\"a\": [1.50]}', ['x', NULL, 'y''z'], [1, -2], true),"
    " (3, 'NaN', 'NaN'::FLOAT, x'', NULL, NULL, NULL, NULL, 'null', [], NULL, false),"
    " (4, NULL, 1e300, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);"
    "CREATE TABLE hidden (body TEXT); INSERT INTO hidden VALUES ('a'), ('b'), ('c');"
    "DELETE FROM hidden WHERE body = 'a';"
    "CREATE RELATION knows FROM hidden TO \"odd name\" (w FLOAT DEFAULT 1.0) WITH (multi);"
    "INSERT INTO knows (src, dst, w) VALUES (2, 3, 0.5), (3, 4, 2), (3, 4, 2);"
    "CREATE INDEX by_f ON \"odd name\" (f DESC, b); PRAGMA user_version = 7;";

static void a_dump_makes_an_equal_database(void **state)
{
    static char first[65536], second[65536];
    const struct process_result *r;

    (void)state;
    expect(shell(dumped, "one.mneme", NULL), 0, "", "");
    r = shell(NULL, "dump", "one.mneme", NULL);
    assert_int_equal(r->status, 0);
    assert_string_equal(r->err, "");
    (void)snprintf(first, sizeof first, "%s", r->out);
    expect(shell(first, "two.mneme", NULL), 0, "", "");
    r = shell(NULL, "dump", "two.mneme", NULL);
    (void)snprintf(second, sizeof second, "%s", r->out);
    assert_string_equal(first, second);
    r = shell("SELECT * FROM \"odd name\" ORDER BY id; SELECT h.body, k.dst, k.w FROM hidden h "
              "JOIN knows "
              "k ON k.src = h.rowid ORDER BY 1, 2, 3",
              "--mode", "ndjson", "one.mneme", NULL);
    (void)snprintf(first, sizeof first, "%s", r->out);
    r = shell("SELECT * FROM \"odd name\" ORDER BY id; SELECT h.body, k.dst, k.w FROM hidden h "
              "JOIN knows "
              "k ON k.src = h.rowid ORDER BY 1, 2, 3",
              "--mode", "ndjson", "two.mneme", NULL);
    assert_string_equal(r->out, first);
    assert_non_null(strstr(first, "{\"body\":\"c\",\"dst\":4,\"w\":2.0}"));
    expect(shell(NULL, "check", "two.mneme", NULL), 0, "ok\n", "");
}

static void files_may_be_pipes(void **state)
{
    (void)state;
    expect(shell("id,body\n1,one\n2,two\n", "p.mneme", "-c",
                 "CREATE TABLE t (id INT PRIMARY KEY, body TEXT)", "-c",
                 "COPY t FROM '/dev/stdin' WITH (format = csv)", "-c",
                 "COPY t TO '/dev/stdout' WITH (format = ndjson)", NULL),
           0, "{\"id\":1,\"body\":\"one\"}\n{\"id\":2,\"body\":\"two\"}\n", "");
    const struct process_result *r =
        shell("3,x\n", "--readonly", "p.mneme", "-c",
              "COPY t FROM '/dev/stdin' WITH (format = csv, header = off)", NULL);
    assert_int_equal(r->status, 1);
    assert_memory_equal(r->err, "error[readonly]: ", 17);
    expect(shell("SELECT count(*) AS n FROM t", "--mode", "csv", "p.mneme", NULL), 0, "n\n2\n", "");
}

static void tools_work_on_files(void **state)
{
    const struct process_result *r;

    (void)state;
    expect(shell(TABLE, "a.mneme", NULL), 0, "", "");
    expect(shell(NULL, "check", "a.mneme", NULL), 0, "ok\n", "");
    r = shell(NULL, "stat", "a.mneme", NULL);
    assert_int_equal(r->status, 0);
    assert_non_null(strstr(r->out, "rows             2\n"));
    expect(shell(NULL, "backup", "a.mneme", "b.mneme", NULL), 0, "", "");
    expect(shell("SELECT count(*) AS n FROM t", "--mode", "csv", "b.mneme", NULL), 0, "n\n2\n", "");
    expect(shell(NULL, "restore", "b.mneme", "c.mneme", NULL), 0, "", "");
    expect(shell("SELECT count(*) AS n FROM t", "--mode", "csv", "c.mneme", NULL), 0, "n\n2\n", "");
    expect(shell("CREATE TABLE w (e VECTOR(2)); CREATE INDEX near ON w (e) USING vector;"
                 "INSERT INTO w VALUES ([1, 0]), ([1, 1]), ([0, 1])",
                 "b.mneme", NULL),
           0, "", "");
    r = shell(NULL, "stat", "b.mneme", NULL);
    assert_int_equal(r->status, 0);
    assert_non_null(strstr(r->out, "\nvector index near on w (e), cosine\nrows             3\n"));
    assert_non_null(strstr(r->out, "\nrows of a list   3 least, 3.0 mean, 3 most\n"));
    assert_non_null(strstr(r->out, "\nrecall@10        1.000, of 3 rows against all 3 vectors\n"));
    assert_int_equal(shell(NULL, "restore", "b.mneme", "a.mneme", NULL)->status, 3);
    assert_int_equal(shell(NULL, "backup", "a.mneme", "b.mneme", NULL)->status, 3);
}

#define TEST(name) cmocka_unit_test_setup(name, folder_new)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(statements_come_from_arguments_scripts_and_input),
        TEST(modes_show_the_same_rows),
        TEST(frames_of_ascii_and_markdown),
        TEST(exit_status_says_what_went_wrong),
        TEST(a_failure_stops_unless_told),
        TEST(errors_stand_below_their_place),
        TEST(parameters_are_values_of_the_language),
        TEST(commands_work_in_scripts),
        TEST(a_dump_makes_an_equal_database),
        TEST(files_may_be_pipes),
        TEST(tools_work_on_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
