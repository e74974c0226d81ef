/*
 * copy_case: a file of COPY read or written without a table around it.
 */
#include "support/copy_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

const char *copy_case_folder(void)
{
    static const char *folder;

    if (!folder) folder = test_folder();
    return folder;
}

static void column_make(struct copy_case *c, const char *text)
{
    struct mn_copy_column *column = &c->columns[c->spec.column_count];
    char *name = c->names[c->spec.column_count++], type[32];
    unsigned dims = 0;
    struct mn_kind kind;

    assert_int_equal(sscanf(text, " %31s %31s", name, type), 2);
    char *paren = strchr(type, '('), *bracket = strchr(type, '[');
    if (paren) {
        assert_int_equal(sscanf(paren, "(%u)", &dims), 1);
        *paren = '\0';
    }
    if (bracket) *bracket = '\0';
    assert_true(mn_kind_find(type, strlen(type), &kind));
    column->name = name;
    column->type = bracket ? MN_TYPE_LIST : kind.type;
    column->elem = bracket ? kind.type : 0;
    column->dims = dims;
}

static enum mn_status option_make(struct copy_case *c, char *text)
{
    struct mn_copy_option option = {.kind = MN_COPY_OPTION_BARE};
    char *equals = strchr(text, '=');

    text += strspn(text, " ");
    if (equals) {
        char *value = equals + 1 + strspn(equals + 1, " "), *end = NULL;
        *equals = '\0';
        option.kind = MN_COPY_OPTION_WORD;
        if (*value == '\'') {
            option.kind = MN_COPY_OPTION_TEXT;
            value++;
            value[strcspn(value, "'")] = '\0';
        }
        option.text = value;
        option.number = strtoll(value, &end, 10);
        if (*value && !*end && option.kind == MN_COPY_OPTION_WORD) option.kind = MN_COPY_OPTION_INT;
    }
    text[strcspn(text, " ")] = '\0';
    option.name = text;
    return mn_copy_option_set(&c->options, &option);
}

enum mn_status copy_case_options(struct copy_case *c, const char *path, const char *options,
                                 bool reading)
{
    char *state = NULL;

    mn_copy_options_init(&c->options);
    (void)snprintf(c->words, sizeof c->words, "%s", options);
    for (char *o = strtok_r(c->words, ",", &state); o; o = strtok_r(NULL, ",", &state)) {
        enum mn_status status = option_make(c, o);
        if (status) return status;
    }
    return mn_copy_options_finish(&c->options, path, reading);
}

void copy_case_make(struct copy_case *c, const char *path, const char *columns, const char *options,
                    bool reading)
{
    char text[256], *state = NULL;

    memset(c, 0, sizeof *c);
    (void)snprintf(text, sizeof text, "%s", columns);
    for (char *o = strtok_r(text, ",", &state); o; o = strtok_r(NULL, ",", &state)) {
        column_make(c, o);
    }
    c->spec.path = path;
    c->spec.options = &c->options;
    c->spec.columns = c->columns;
    if (copy_case_options(c, path, options, reading) != MN_OK) {
        fail_msg("options %s: %s", options, mn_error_last()->message);
    }
}

const char *copy_case_file(const char *name, const void *bytes, size_t length)
{
    static char path[512];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", copy_case_folder(), name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void row_print(const struct copy_case *c, const struct mn_copy_row *row, struct mn_buf *out)
{
    for (uint32_t i = 0; i < c->spec.column_count; i++) {
        if (i > 0) assert_int_equal(mn_buf_byte(out, '|'), MN_OK);
        if (!row->given[i]) {
            assert_int_equal(row->values[i].type, MN_TYPE_NULL);
            assert_int_equal(mn_buf_byte(out, '-'), MN_OK);
        } else if (mn_is_null(&row->values[i])) {
            assert_int_equal(mn_buf_text(out, "NULL"), MN_OK);
        } else {
            assert_int_equal(row->values[i].type, c->columns[i].type);
            assert_int_equal(mn_value_format(&row->values[i], out), MN_OK);
        }
    }
    assert_int_equal(mn_buf_byte(out, '\n'), MN_OK);
}

static void error_print(const struct copy_case *c, struct mn_buf *out)
{
    const char *message = mn_error_last()->message;
    size_t folder = strlen(copy_case_folder()) + 1;

    /* Messages name the file by its whole path; the tests know only its name. */
    if (strncmp(message, c->spec.path, folder) == 0) message += folder;
    assert_int_equal(mn_buf_printf(out, "error: %s\n", message), MN_OK);
}

char *copy_case_read(struct copy_case *c, bool skip)
{
    struct mn_value values[COPY_CASE_COLUMNS];
    bool given[COPY_CASE_COLUMNS];
    struct mn_copy_row row = {.values = values, .given = given};
    struct mn_copy_reader *reader = NULL;
    struct mn_arena arena;
    struct mn_buf out = {0};
    enum mn_status status = mn_copy_reader_open(&c->spec, &reader);

    mn_arena_init(&arena, 0);
    struct mn_arena_mark mark = mn_arena_mark(&arena);
    if (status) error_print(c, &out);
    while (!status) {
        mn_arena_rewind(&arena, mark);
        status = reader->next(reader, &arena, &row);
        if (status) {
            error_print(c, &out);
            if (skip && reader->row_only) status = MN_OK;
            continue;
        }
        if (reader->ended) break;
        row_print(c, &row, &out);
    }
    mn_copy_reader_close(reader);
    mn_arena_release(&arena);
    assert_int_equal(mn_buf_byte(&out, 0), MN_OK);
    char *text = strdup((const char *)out.data);
    mn_buf_release(&out);
    return text;
}
