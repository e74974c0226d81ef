/*
 * Tests of query/copy_ndjson: files with one JSON object a line.
 */
#include "query/copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/copy_case.h"
#include "support/test.h"

static void expect(const char *columns, const char *options, const char *text, const char *expected)
{
    struct copy_case c;

    copy_case_make(&c, copy_case_file("t.ndjson", text, strlen(text)), columns, options, true);
    char *got = copy_case_read(&c, true);
    assert_string_equal(got, expected);
    free(got);
}

static void keys_name_columns_in_any_order(void **state)
{
    (void)state;
    expect("id INT, body TEXT, x FLOAT", "",
           "{\"id\":1,\"body\":\"a\",\"x\":1}\n\n  { \"x\" : 2.5 , \"id\" : 2 }\r\n"
           "{\"body\":\"c\",\"x\":null,\"id\":3}\n{}",
           "1|a|1.0\n2|-|2.5\n3|c|-\n-|-|-\n");
    expect("id INT", "", "", "");
    expect("id INT", "", "\xef\xbb\xbf{\"id\":1}", "1\n");
    expect("id INT, body TEXT", "", "{\"ID\":1,\"b\\u006fdy\":\"x\"}\n", "1|x\n");
}

static void every_type_is_read(void **state)
{
    (void)state;
    expect("a BOOL, b INT, c FLOAT, d TEXT, e BLOB, f DURATION, g UUID", "",
           "{\"a\":false,\"b\":-7,\"c\":-0.5e-3,\"d\":\"x\",\"e\":\"AP8=\",\"f\":\"2d\","
           "\"g\":\"00112233-4455-6677-8899-aabbccddeeff\"}\n",
           "false|-7|-0.0005|x|\\x00ff|2d|00112233-4455-6677-8899-aabbccddeeff\n");
    expect("a VECTOR(2), b TEXT[], c JSON, d FLOAT[], e JSON", "",
           "{\"a\":[1, 2.5],\"b\":[\"x\",null,\"y\\n\"],\"c\":{\"k\":[1,{\"l\":null}]},"
           "\"d\":[1,0.5],\"e\":\"s\"}\n",
           "[1,2.5]|[\"x\",null,\"y\\n\"]|{\"k\":[1,{\"l\":null}]}|[1.0,0.5]|\"s\"\n");
    expect("a TIMESTAMP", "time_unit = s", "{\"a\":1.5}\n{\"a\":\"2026-11-20\"}\n",
           "1970-01-01T00:00:01.500000Z\n2026-11-20T00:00:00.000000Z\n");
    expect("a FLOAT", "", "{\"a\":\"NaN\"}\n{\"a\":\"-Infinity\"}\n", "NaN\n-Infinity\n");
    expect("a INT[]", "", "{\"a\":[]}\n", "[]\n");
}

static void strings_are_unescaped(void **state)
{
    (void)state;
    expect("a TEXT", "", "{\"a\":\"q\\\"b\\\\s\\/t\\tn\\nu\\u00e9\\ud83d\\ude00\"}\n",
           "q\"b\\s/t\tn\nu\xc3\xa9\xf0\x9f\x98\x80\n");
    expect("a TEXT", "", "{\"a\":\"\\ud83d\"}\n{\"a\":\"\\u0000\"}\n{\"a\":\"\\udc00x\"}\n",
           "error: t.ndjson line 1, column a: the text has a \\u escape of no character\n"
           "error: t.ndjson line 2, column a: the text has a \\u escape of no character\n"
           "error: t.ndjson line 3, column a: the text has a \\u escape of no character\n");
    expect("a TEXT", "", "{\"a\":\"\xc3(\"}\n",
           "error: t.ndjson line 1, column a: byte 0xc3 at offset 0 of the text is not UTF-8\n");
}

static void unknown_keys_are_errors_unless_ignored(void **state)
{
    (void)state;
    expect("id INT", "", "{\"id\":1,\"idd\":2}\n{\"id\":3}\n",
           "error: t.ndjson line 1: no column is called \"idd\"\n3\n");
    expect("id INT", "ignore_unknown",
           "{\"x\":{\"a\":[1,[],{\"b\":null}],\"c\":\"}\"},\"id\":1,\"y\":[]}\n", "1\n");
    expect("id INT", "ignore_unknown", "{\"x\":[1,}],\"id\":1}\n{\"id\":2}\n",
           "error: t.ndjson line 1: '}' is not JSON here\n2\n");
}

static void types_are_not_guessed(void **state)
{
    (void)state;
    expect("a INT", "", "{\"a\":\"1\"}\n{\"a\":1.0}\n{\"a\":true}\n{\"a\":[1]}\n",
           "error: t.ndjson line 1, column a: \"1\" is not INT\n"
           "error: t.ndjson line 2, column a: 1.0 is not INT\n"
           "error: t.ndjson line 3, column a: true is not INT\n"
           "error: t.ndjson line 4, column a: [ is not INT\n");
    expect("a TEXT", "", "{\"a\":1}\n", "error: t.ndjson line 1, column a: 1 is not TEXT\n");
    expect("a FLOAT", "", "{\"a\":\"1.5\"}\n",
           "error: t.ndjson line 1, column a: \"1.5\" is not FLOAT\n");
    expect("a VECTOR(2)", "", "{\"a\":[1]}\n{\"a\":[1,2,3]}\n{\"a\":[1,null]}\n{\"a\":[1,]}\n",
           "error: t.ndjson line 1, column a: a vector of 1 values is not VECTOR(2)\n"
           "error: t.ndjson line 2, column a: a vector of 3 values is not VECTOR(2)\n"
           "error: t.ndjson line 3, column a: value 2 of the vector, 'null', is not a number\n"
           "error: t.ndjson line 4, column a: a comma stands before the closing bracket\n");
    expect("a BLOB", "", "{\"a\":\"A\"}\n{\"a\":\"!!==\"}\n",
           "error: t.ndjson line 1, column a: \"A\" is not BLOB\n"
           "error: t.ndjson line 2, column a: \"!!==\" is not BLOB\n");
    expect("a TIMESTAMP", "", "{\"a\":5}\n",
           "error: t.ndjson line 1, column a: the number 5 is not TIMESTAMP\n");
}

static void what_is_no_json_is_named_by_line(void **state)
{
    (void)state;
    expect("a INT", "",
           "1\n[1]\n{\"a\":1\n{\"a\" 1}\n{a:1}\n{\"a\":1,}\n{\"a\":1}x\n{\"a\":01}\n"
           "{\"a\":tru}\n{\"a\":\"x\n{\"a\":9}\n",
           "error: t.ndjson line 1: '1' stands where { is expected\n"
           "error: t.ndjson line 2: '[' stands where { is expected\n"
           "error: t.ndjson line 3: the line ends where a comma or } is expected\n"
           "error: t.ndjson line 4: '1' stands where a colon is expected\n"
           "error: t.ndjson line 5: 'a' stands where a key is expected\n"
           "error: t.ndjson line 6: '}' stands where a key is expected\n"
           "error: t.ndjson line 7: 'x' stands where the end of the line is expected\n"
           "error: t.ndjson line 8, column a: '01' is not JSON here\n"
           "error: t.ndjson line 9, column a: 'tru' is not JSON here\n"
           "error: t.ndjson line 10, column a: the line ends inside a string\n9\n");
}

static void deep_nesting_is_bounded(void **state)
{
    struct mn_buf text = {0};

    (void)state;
    assert_int_equal(mn_buf_text(&text, "{\"x\":"), MN_OK);
    for (int i = 0; i < 100000; i++) assert_int_equal(mn_buf_byte(&text, '['), MN_OK);
    assert_int_equal(mn_buf_byte(&text, 0), MN_OK);
    expect("id INT", "ignore_unknown", (const char *)text.data,
           "error: t.ndjson line 1: JSON nested deeper than 100\n");
    mn_buf_release(&text);
}

static void a_zero_byte_is_refused(void **state)
{
    static const char text[] = "{\"a\":1}\0\n{\"a\":2}\n";
    struct copy_case c;

    (void)state;
    copy_case_make(&c, copy_case_file("t.ndjson", text, sizeof text - 1), "a INT", "", true);
    char *got = copy_case_read(&c, true);
    assert_string_equal(got, "error: t.ndjson line 1: a zero byte stands in the text\n2\n");
    free(got);
}

/* Lines of random length, so that the end of a block falls everywhere. */
static void blocks_end_anywhere(void **state)
{
    struct mn_buf file = {0}, expected = {0};
    uint64_t seed = test_seed();
    struct copy_case c;

    (void)state;
    for (int row = 0; file.len < 3000000; row++) {
        size_t length = (size_t)(test_random(&seed) % (row % 100 == 0 ? 300000 : 300));
        assert_int_equal(
            mn_buf_printf(&file, "{\"id\":%d,\"a\":\"%0*d\"}\n", row, (int)length + 1, 7), MN_OK);
        assert_int_equal(mn_buf_printf(&expected, "%d|%0*d\n", row, (int)length + 1, 7), MN_OK);
    }
    assert_int_equal(mn_buf_byte(&expected, 0), MN_OK);
    copy_case_make(&c, copy_case_file("big.ndjson", file.data, file.len), "id INT, a TEXT", "",
                   true);
    char *got = copy_case_read(&c, false);
    assert_true(strcmp(got, (const char *)expected.data) == 0);
    free(got);
    mn_buf_release(&file);
    mn_buf_release(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_name_columns_in_any_order),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(unknown_keys_are_errors_unless_ignored),
        cmocka_unit_test(types_are_not_guessed),
        cmocka_unit_test(what_is_no_json_is_named_by_line),
        cmocka_unit_test(deep_nesting_is_bounded),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(blocks_end_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
