/*
 * Tests of query/copy_csv: comma- and tab-separated files.
 */
#include "query/copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/copy_case.h"
#include "support/test.h"

/* Reads `text` as a file of that name and compares what comes with `expected`. */
static void expect(const char *name, const char *columns, const char *options, const char *text,
                   const char *expected)
{
    struct copy_case c;

    copy_case_make(&c, copy_case_file(name, text, strlen(text)), columns, options, true);
    char *got = copy_case_read(&c, false);
    assert_string_equal(got, expected);
    free(got);
}

static void header_names_columns_in_any_order(void **state)
{
    (void)state;
    expect("t.csv", "id INT, body TEXT, x FLOAT", "", "x,id,body\n0.5,1,one\n,2,\"\"\n",
           "1|one|0.5\n2||NULL\n");
    expect("t.csv", "id INT, body TEXT", "", "ID,Body\n1,one\n", "1|one\n");
    expect("t.csv", "id INT, body TEXT", "", "id\n1\n2\n", "1|-\n2|-\n");
    expect("t.csv", "id INT", "", "id\n", "");
}

static void fields_go_by_position_without_a_header(void **state)
{
    (void)state;
    expect("t.csv", "id INT, body TEXT", "header = off", "1,one\n2,two", "1|one\n2|two\n");
    expect("t.tsv", "id INT, body TEXT", "", "1\tsay \"hi\", he\n2\t\n",
           "1|say \"hi\", he\n2|NULL\n");
    expect("t.tsv", "id INT, body TEXT", "header", "body\tid\none\t1\n", "1|one\n");
    expect("t.csv", "id INT, body TEXT", "header = off, delimiter = ';'", "1;a,b\n", "1|a,b\n");
}

static void quotes_hold_delimiters_line_ends_and_quotes(void **state)
{
    (void)state;
    expect("t.csv", "id INT, body TEXT", "",
           "id,body\n1,\"a,b\"\n2,\"two\nlines\"\n3,\"\"\"q\"\"\"\n",
           "1|a,b\n2|two\nlines\n3|\"q\"\n");
    expect("t.tsv", "id INT, body TEXT", "quote", "1\t\"a\tb\"\n", "1|a\tb\n");
    expect("t.csv", "id INT, body TEXT", "quote = '|'", "id,body\n1,|a,\"b\"|\n", "1|a,\"b\"\n");
    expect("t.csv", "id INT, body TEXT", "quote = off", "id,body\n1,\"a\"\n", "1|\"a\"\n");
}

static void line_ends_of_every_system(void **state)
{
    (void)state;
    expect("t.csv", "id INT, body TEXT", "", "\xef\xbb\xbfid,body\r\n1,one\r\n2,\"two\"\r\n",
           "1|one\n2|two\n");
    expect("t.csv", "id INT, body TEXT", "", "id,body\n\n1,a\rb\n\n", "1|a\rb\n");
    expect("t.csv", "body TEXT", "", "body\n\na\n", "NULL\na\n");
}

static void null_text_is_the_users(void **state)
{
    (void)state;
    expect("t.csv", "a TEXT, b INT", "null = 'NA'", "a,b\nNA,NA\n\"NA\",1\n,2\n",
           "NULL|NULL\nNA|1\n|2\n");
}

static void every_type_is_read(void **state)
{
    (void)state;
    expect("t.csv", "a BOOL, b INT, c FLOAT, d TEXT, e BLOB, f DURATION, g UUID", "header = off",
           "true,-9223372036854775808,1e3,x,\\x00ff,1h30m,"
           "00112233-4455-6677-8899-aabbccddeeff\n",
           "true|-9223372036854775808|1000.0|x|\\x00ff|1h30m|"
           "00112233-4455-6677-8899-aabbccddeeff\n");
    expect("t.csv", "a VECTOR(3), b TEXT[], c JSON, d INT[]", "header = off",
           "\"[1, -0.5,2e1]\",\"[\"\"x\"\",\"\"y, z\"\",null]\",\"{\"\"k\"\": [1]}\",\"[1,2]\"\n",
           "[1,-0.5,20]|[\"x\",\"y, z\",null]|{\"k\": [1]}|[1,2]\n");
    expect("t.csv", "a TIMESTAMP", "header = off",
           "2026-11-20T01:02:03Z\n2026-11-20 01:02:03.5\n2026-11-20\n",
           "2026-11-20T01:02:03.000000Z\n2026-11-20T01:02:03.500000Z\n"
           "2026-11-20T00:00:00.000000Z\n");
}

static void integers_become_times_only_with_a_unit(void **state)
{
    (void)state;
    expect("t.csv", "a TIMESTAMP", "time_unit = s", "a\n743865480\n-1\n1.5\n",
           "1993-07-28T13:18:00.000000Z\n1969-12-31T23:59:59.000000Z\n"
           "1970-01-01T00:00:01.500000Z\n");
    expect("t.tsv", "a TIMESTAMP", "time_unit = ns", "1311868163869700000\n1499\n1500\n-1500\n",
           "2011-07-28T15:49:23.869700Z\n1970-01-01T00:00:00.000001Z\n"
           "1970-01-01T00:00:00.000002Z\n1969-12-31T23:59:59.999999Z\n");
    expect("t.csv", "a TIMESTAMP", "time_unit = ms", "a\n1.5\n", "1970-01-01T00:00:00.001500Z\n");
    expect("t.csv", "a TIMESTAMP", "", "a\n743865480\n",
           "error: t.csv line 2, column a: the number 743865480 is not TIMESTAMP\n");
    expect("t.csv", "a TIMESTAMP", "time_unit = s", "a\n9223372036854775807\n",
           "error: t.csv line 2, column a: 9223372036854775807 is out of range for TIMESTAMP\n");
}

static void bad_rows_are_named_by_line_column_and_value(void **state)
{
    (void)state;
    expect("t.csv", "id INT, body TEXT", "", "id,body\n1,\"a\nb\"\nx,c\n",
           "1|a\nb\nerror: t.csv line 4, column id: 'x' is not INT\n");
    expect("t.csv", "id INT", "", "id\n9223372036854775808\n",
           "error: t.csv line 2, column id: 9223372036854775808 is out of range for INT\n");
    expect("t.csv", "id INT, body TEXT", "", "id,body\n1,a,b\n",
           "error: t.csv line 2: the row has 3 fields, not 2\n");
    expect("t.tsv", "id INT, body TEXT", "", "1\ta\n2\n",
           "1|a\nerror: t.tsv line 2: the row has 1 field, not 2\n");
    expect("t.csv", "id INT, body TEXT", "", "id,body\n1,a\"b\n",
           "error: t.csv line 2: a quote stands inside an unquoted field\n");
    expect("t.csv", "id INT, body TEXT", "", "id,body\n1,\"a\"b\n",
           "error: t.csv line 2: text stands between a closing quote and the delimiter\n");
    expect("t.csv", "id INT, body TEXT", "", "id,body\n1,a\n2,\"b\n",
           "1|a\nerror: t.csv line 3: a quote is opened and never closed\n");
    expect(
        "t.csv", "body TEXT", "",
        "body\nok\nb\xff"
        "d\n",
        "ok\nerror: t.csv line 3, column body: byte 0xff at offset 1 of the text is not UTF-8\n");
    expect("t.csv", "e VECTOR(3)", "header = off", "\"[1,2]\"\n",
           "error: t.csv line 1, column e: a vector of 2 values is not VECTOR(3)\n");
    expect("t.csv", "e VECTOR(2)", "header = off", "\"[1,x]\"\n",
           "error: t.csv line 1, column e: value 2 of the vector, 'x', is not a number\n");
    expect("t.csv", "e VECTOR(2)", "header = off", "\"[1,1e99]\"\n",
           "error: t.csv line 1, column e: value 2 of the vector is beyond f32\n");
}

static void header_must_fit(void **state)
{
    struct copy_case c;

    (void)state;
    expect("t.csv", "id INT, body TEXT", "", "id,bdoy\n1,a\n",
           "error: t.csv line 1: no column is called \"bdoy\"\n");
    expect("t.csv", "id INT, body TEXT", "ignore_unknown", "id,x\n1,a\n", "1|-\n");
    expect("t.csv", "id INT, body TEXT", "", "id,id\n1,2\n",
           "error: t.csv line 1: the header names column id twice\n");
    expect("t.csv", "id INT", "", "", "error: t.csv line 1: the header is missing\n");
    copy_case_make(&c, copy_case_file("t.csv", "id\n1\n", 5), "id INT, body TEXT", "", true);
    c.spec.listed = true;
    char *got = copy_case_read(&c, false);
    assert_string_equal(got, "error: t.csv line 1: the header has no column body\n");
    free(got);
}

static void a_zero_byte_is_refused(void **state)
{
    struct copy_case c;

    (void)state;
    copy_case_make(&c, copy_case_file("t.csv", "id\n1\n2\0\n3\n", 10), "id TEXT", "", true);
    char *got = copy_case_read(&c, true);
    assert_string_equal(got, "1\nerror: t.csv line 3: a zero byte stands in the text\n3\n");
    free(got);
}

static void reading_goes_on_behind_a_bad_row(void **state)
{
    static const char text[] = "id,body\nx,a\n2,b\"\n3,\"c\"d\n4\n5,e\n";
    struct copy_case c;

    (void)state;
    copy_case_make(&c, copy_case_file("t.csv", text, strlen(text)), "id INT, body TEXT", "", true);
    char *got = copy_case_read(&c, true);
    assert_string_equal(got, "error: t.csv line 2, column id: 'x' is not INT\n"
                             "error: t.csv line 3: a quote stands inside an unquoted field\n"
                             "error: t.csv line 4: text stands between a closing quote and the "
                             "delimiter\n"
                             "error: t.csv line 5: the row has 1 field, not 2\n5|e\n");
    free(got);
}

/* Rows of random length, so that every kind of byte meets the end of a block. */
static void blocks_end_anywhere(void **state)
{
    struct mn_buf file = {0}, expected = {0};
    uint64_t seed = test_seed();
    struct copy_case c;

    (void)state;
    assert_int_equal(mn_buf_text(&file, "id,body\r\n"), MN_OK);
    for (int row = 0; file.len < 3000000; row++) {
        size_t length = (size_t)(test_random(&seed) % (row % 100 == 0 ? 20000 : 60));
        assert_int_equal(mn_buf_printf(&file, "%d,\"", row), MN_OK);
        assert_int_equal(mn_buf_printf(&expected, "%d|", row), MN_OK);
        for (size_t i = 0; i < length; i++) {
            uint8_t byte = (uint8_t) "ab,\"\n\r;x"[test_random(&seed) % 8];
            if (byte == '"') assert_int_equal(mn_buf_byte(&file, '"'), MN_OK);
            assert_int_equal(mn_buf_byte(&file, byte), MN_OK);
            assert_int_equal(mn_buf_byte(&expected, byte), MN_OK);
        }
        assert_int_equal(mn_buf_text(&file, row % 3 ? "\"\n" : "\"\r\n"), MN_OK);
        assert_int_equal(mn_buf_byte(&expected, '\n'), MN_OK);
    }
    assert_int_equal(mn_buf_byte(&expected, 0), MN_OK);
    copy_case_make(&c, copy_case_file("big.csv", file.data, file.len), "id INT, body TEXT", "",
                   true);
    char *got = copy_case_read(&c, false);
    if (strcmp(got, (const char *)expected.data) != 0)
        fail_msg("rows differ, seed %llu", (unsigned long long)test_seed());
    free(got);
    mn_buf_release(&file);
    mn_buf_release(&expected);
}

static void options_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        const char *path, *options;
        bool reading;
        enum mn_status status;
    } cases[] = {
        {"t.csv", "colour = red", true, MN_SCHEMA},
        {"t.csv", "format = xml", true, MN_TYPE},
        {"t.xml", "", true, MN_ERROR},
        {"t.csv", "delimiter = 'ab'", true, MN_TYPE},
        {"t.csv", "delimiter = '\"'", true, MN_ERROR},
        {"t.csv", "time_unit = hours", true, MN_TYPE},
        {"t.csv", "max_errors = 3", true, MN_ERROR},
        {"t.csv", "errors = skip, max_errors = 3", true, MN_OK},
        {"t.csv", "errors = skip", false, MN_ERROR},
        {"t.csv", "upsert", false, MN_ERROR},
        {"t.csv", "match_order", true, MN_ERROR},
        {"t.npy", "match_order", true, MN_OK},
        {"t.npy", "match_column = vec", true, MN_OK},
        {"t.npy", "match_column = vec, match_order", true, MN_ERROR},
        {"t.npy", "header", true, MN_ERROR},
        {"t.npy", "type = f16", false, MN_OK},
        {"t.npy", "type = f16", true, MN_ERROR},
        {"t.ndjson", "delimiter = ';'", true, MN_ERROR},
        {"t.jsonl", "", true, MN_OK},
        {"t.anything", "format = tsv", true, MN_OK},
    };
    struct copy_case c;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum mn_status status =
            copy_case_options(&c, cases[i].path, cases[i].options, cases[i].reading);
        if (status != cases[i].status) {
            fail_msg("%s %s: %d, not %d", cases[i].path, cases[i].options, status, cases[i].status);
        }
    }
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct copy_case c;

    (void)state;
    copy_case_make(&c, "/nowhere/t.csv", "id INT", "", true);
    char *got = copy_case_read(&c, false);
    assert_string_equal(got, "error: cannot open /nowhere/t.csv: No such file or directory\n");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_names_columns_in_any_order),
        cmocka_unit_test(fields_go_by_position_without_a_header),
        cmocka_unit_test(quotes_hold_delimiters_line_ends_and_quotes),
        cmocka_unit_test(line_ends_of_every_system),
        cmocka_unit_test(null_text_is_the_users),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(integers_become_times_only_with_a_unit),
        cmocka_unit_test(bad_rows_are_named_by_line_column_and_value),
        cmocka_unit_test(header_must_fit),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(reading_goes_on_behind_a_bad_row),
        cmocka_unit_test(blocks_end_anywhere),
        cmocka_unit_test(options_that_do_not_fit_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
