/*
 * Golden files of the parser: what a user writes (golden/user.sql), and what he gets wrong
 * (golden/mistakes.sql) with the code, place, message and hint of each in golden/mistakes.out.
 *
 * A line `--# name` begins statements that parse, `--! name` some of which the last does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "query/parse.h"
#include "support/test.h"

static char *file_read(const char *name, size_t *length)
{
    FILE *file = fopen(test_source(name), "rb");
    char *text;
    long size;

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = malloc((size_t)size + 1);
    assert_non_null(text);
    *length = fread(text, 1, (size_t)size, file);
    text[*length] = '\0';
    fclose(file);
    return text;
}

/* Where the next label begins, the end of the text if there is none. */
static const char *section_end(const char *at)
{
    for (; *at; at++) {
        if (at[0] == '\n' && at[1] == '-' && at[2] == '-' && (at[3] == '#' || at[3] == '!')) {
            return at + 1;
        }
    }
    return at;
}

/* Parses statements until one fails or the text ends. */
static enum mn_status section_parse(const char *text, const char *end, const char **failed)
{
    enum mn_status status = MN_OK;

    while (status == MN_OK && text < end) {
        struct mn_arena arena;
        struct mn_statement *statement;
        const char *tail;

        mn_arena_init(&arena, 0);
        status = mn_parse(&arena, text, (size_t)(end - text), &statement, &tail);
        *failed = text;
        assert_true(tail >= text && tail <= end);
        if (status == MN_OK && statement) {
            assert_true(text + statement->span.offset + statement->span.length <= tail);
        }
        assert_true(status == MN_OK || !statement);
        mn_arena_release(&arena);
        text = tail;
    }
    return status;
}

static void error_write(struct mn_buf *out, const char *label, size_t label_length,
                        const char *text)
{
    const struct mn_error *error = mn_error_last();

    mn_buf_printf(out, "%.*s: %s: %s\n", (int)label_length, label, mn_status_name(error->code),
                  error->message);
    if (error->offset >= 0) mn_buf_printf(out, "  %.*s\n", error->length, text + error->offset);
    if (error->hint[0]) mn_buf_printf(out, "  = %s\n", error->hint);
}

/* Runs all sections of a file; what fails is written to `out`. */
static void file_run(const char *name, struct mn_buf *out)
{
    size_t length;
    char *text = file_read(name, &length);
    const char *at = text;
    int wrong = 0, sections = 0;

    while (*at) {
        const char *label = at + 4, *line_end = strchr(at, '\n');
        bool must_fail = at[2] == '!';
        const char *end = section_end(line_end), *failed = NULL;
        size_t label_length = (size_t)(line_end - label);
        enum mn_status status = section_parse(line_end + 1, end, &failed);

        sections++;
        if ((status != MN_OK) != must_fail) {
            printf("%s: %.*s: %s\n", name, (int)label_length, label,
                   status == MN_OK ? "accepted" : mn_error_last()->message);
            wrong++;
        }
        if (status != MN_OK) error_write(out, label, label_length, failed);
        at = end;
    }
    assert_int_equal(wrong, 0);
    assert_true(sections > 30);
    free(text);
}

static void what_users_write_parses(void **state)
{
    struct mn_buf out = {0};

    (void)state;
    file_run("tests/golden/user.sql", &out);
    mn_buf_release(&out);
}

static void mistakes_get_their_hints(void **state)
{
    struct mn_buf out = {0};
    size_t length;
    char *wanted = file_read("tests/golden/mistakes.out", &length);

    (void)state;
    file_run("tests/golden/mistakes.sql", &out);
    if (out.len != length || memcmp(out.data, wanted, length) != 0) {
        char path[512];
        FILE *file;

        snprintf(path, sizeof path, "%s/mistakes.out", test_folder());
        file = fopen(path, "wb");
        assert_non_null(file);
        fwrite(out.data, 1, out.len, file);
        fclose(file);
        printf("%.*s\n", (int)out.len, (const char *)out.data);
        fail_msg("tests/golden/mistakes.out differs from what is printed above");
    }
    mn_buf_release(&out);
    free(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_users_write_parses),
        cmocka_unit_test(mistakes_get_their_hints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
