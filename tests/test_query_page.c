/*
 * docs/LANGUAGE.md is true: its examples run, in order, on one database; those marked `error` fail
 * with a place, those marked `later` answer MN_UNSUPPORTED; and it lists every function.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mneme.h"
#include "query/agg_state.h"
#include "query/func.h"
#include "support/test.h"

static char *page_read(void)
{
    FILE *file = fopen(test_source("docs/LANGUAGE.md"), "rb");
    char *text;
    size_t length;

    assert_non_null(file);
    text = malloc(1 << 20);
    assert_non_null(text);
    length = fread(text, 1, (1 << 20) - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

/* Runs one statement to its end; answers its status, and where the next one begins. */
static int statement_run(mn_db *db, const char *sql, size_t length, const char **tail)
{
    mn_stmt *stmt;
    int status = mn_prepare(db, sql, length, &stmt, tail);

    if (status != MN_OK || !stmt) return status;
    while ((status = mn_step(stmt)) == MN_ROW) {
        char *row = mn_row_json(stmt);

        assert_non_null(row);
        mn_free(row);
    }
    status = status == MN_DONE ? MN_OK : status;
    mn_finalize(stmt);
    return status;
}

enum expected { RUNS, FAILS, COMES_LATER };

static void statement_check(mn_db *db, enum expected expected, int status, const char *sql)
{
    int shown = (int)strcspn(sql, ";");

    if (expected == RUNS && status != MN_OK) {
        fail_msg("%.*s\n%s (%s)", shown, sql, mn_errmsg(db), mn_error_hint(db));
    }
    if (expected == COMES_LATER && status != MN_UNSUPPORTED) {
        fail_msg("%.*s\nanswers %d %s", shown, sql, status, mn_errmsg(db));
    }
    if (expected == FAILS && status == MN_OK) fail_msg("%.*s\nruns", shown, sql);
    if (expected != RUNS && status != MN_CONSTRAINT) assert_true(mn_error_offset(db) >= 0);
}

static int block_run(mn_db *db, enum expected expected, const char *at, const char *end)
{
    int count = 0;

    while (at < end) {
        const char *tail = end, *next = memchr(at, ';', (size_t)(end - at));
        int status;

        while (at < end && (*at == '\n' || *at == ' ')) at++;
        if (at == end) break;
        status = statement_run(db, at, (size_t)(end - at), &tail);
        statement_check(db, expected, status, at);
        at = status == MN_OK || !next ? tail : next + 1;
        count++;
    }
    return count;
}

static void examples_of_the_page_run(void **state)
{
    char *page = page_read();
    const char *at = page;
    mn_db *db;
    int count = 0;

    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    while ((at = strstr(at, "\n```sql")) != NULL) {
        const char *kind = at + 7, *begin = strchr(kind, '\n'), *end = strstr(begin, "\n```");
        enum expected expected = strncmp(kind, " error", 6) == 0   ? FAILS
                                 : strncmp(kind, " later", 6) == 0 ? COMES_LATER
                                                                   : RUNS;

        assert_non_null(end);
        count += block_run(db, expected, begin + 1, end);
        at = end + 4;
    }
    assert_true(count > 60);
    assert_int_equal(mn_close(db), MN_OK);
    free(page);
}

static void every_function_is_in_the_page(void **state)
{
    char *page = page_read(), row[500];
    const struct mn_func *func;
    const struct mn_agg *agg;

    (void)state;
    for (uint32_t i = 0; (func = mn_func_at(i)) != NULL; i++) {
        snprintf(row, sizeof row, "| `%s` | %s |\n", func->usage, func->what);
        if (!strstr(page, row)) fail_msg("docs/LANGUAGE.md lacks %s", row);
    }
    for (uint32_t i = 0; (agg = mn_agg_at(i)) != NULL; i++) {
        snprintf(row, sizeof row, "| `%s` | %s |\n", agg->usage, agg->doc);
        if (!strstr(page, row)) fail_msg("docs/LANGUAGE.md lacks %s", row);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_page_run),
        cmocka_unit_test(every_function_is_in_the_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
