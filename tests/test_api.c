/*
 * The public header's promises about statements, values, transactions and misuse.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "mneme.h"
#include "support/test.h"

static mn_db *memory_open(const char *script)
{
    mn_db *db;
    int code;

    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    code = mn_exec(db, script, NULL, NULL);
    if (code != MN_OK) print_error("%s\n", mn_errmsg(db));
    assert_int_equal(code, MN_OK);
    return db;
}

static mn_stmt *prepare(mn_db *db, const char *sql)
{
    mn_stmt *stmt;
    int code = mn_prepare(db, sql, MN_ALL, &stmt, NULL);

    if (code != MN_OK) print_error("%s: %s\n", sql, mn_errmsg(db));
    assert_int_equal(code, MN_OK);
    assert_non_null(stmt);
    return stmt;
}

static int64_t int_of(mn_db *db, const char *sql)
{
    mn_stmt *stmt = prepare(db, sql);
    int64_t answer;

    assert_int_equal(mn_step(stmt), MN_ROW);
    answer = mn_col_int(stmt, 0);
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    return answer;
}

static void values_come_back_as_they_were_bound(void **state)
{
    static const float vector[3] = {1, -2.5f, 3e8f};
    static const uint8_t uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    mn_db *db = memory_open("CREATE TABLE t (b BOOL, i INT, f FLOAT, s TEXT, x BLOB, at TIMESTAMP,"
                            "d DURATION, u UUID, v VECTOR(3), j JSON)");
    mn_stmt *stmt = prepare(db, "INSERT INTO t VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)");
    size_t size;

    (void)state;
    assert_int_equal(mn_param_count(stmt), 10);
    assert_int_equal(mn_bind_bool(stmt, 1, 1), MN_OK);
    assert_int_equal(mn_bind_int(stmt, 2, INT64_MIN), MN_OK);
    assert_int_equal(mn_bind_float(stmt, 3, 0.1), MN_OK);
    assert_int_equal(mn_bind_text(stmt, 4, "h\xc3\xa9llo", MN_ALL, MN_COPY), MN_OK);
    assert_int_equal(mn_bind_blob(stmt, 5, "a\0b", 3, MN_COPY), MN_OK);
    assert_int_equal(mn_bind_time(stmt, 6, 1234567), MN_OK);
    assert_int_equal(mn_bind_duration(stmt, 7, -5), MN_OK);
    assert_int_equal(mn_bind_uuid(stmt, 8, uuid), MN_OK);
    assert_int_equal(mn_bind_vector(stmt, 9, vector, 3, MN_STATIC), MN_OK);
    assert_int_equal(mn_bind_json(stmt, 10, "{\"a\":[1]}", MN_ALL, MN_STATIC), MN_OK);
    assert_int_equal(mn_step(stmt), MN_DONE);
    assert_int_equal(mn_changes(db), 1);
    mn_finalize(stmt);

    stmt = prepare(db, "SELECT * FROM t");
    assert_int_equal(mn_readonly(stmt), 1);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_count(stmt), 10);
    assert_string_equal(mn_col_name(stmt, 5), "at");
    assert_int_equal(mn_col_bool(stmt, 0), 1);
    assert_int_equal(mn_col_int(stmt, 1), INT64_MIN);
    assert_true(mn_col_float(stmt, 2) == 0.1);
    assert_string_equal(mn_col_text(stmt, 3, &size), "h\xc3\xa9llo");
    assert_int_equal(size, 6);
    assert_memory_equal(mn_col_blob(stmt, 4, &size), "a\0b", 3);
    assert_int_equal(size, 3);
    assert_int_equal(mn_col_time(stmt, 5), 1234567);
    assert_string_equal(mn_col_text(stmt, 5, NULL), "1970-01-01T00:00:01.234567Z");
    assert_int_equal(mn_col_duration(stmt, 6), -5);
    assert_memory_equal(mn_col_uuid(stmt, 7), uuid, 16);
    assert_memory_equal(mn_col_vector(stmt, 8, &size), vector, sizeof vector);
    assert_int_equal(size, 3);
    assert_int_equal(mn_col_type(stmt, 9), MN_TYPE_JSON);
    assert_null(mn_col_text(stmt, 99, &size));
    assert_int_equal(size, 0);
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void misuse_is_answered_not_crashed(void **state)
{
    mn_db *db = memory_open("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    const char *tail;
    mn_stmt *stmt;

    (void)state;
    assert_int_equal(mn_prepare(NULL, "SELECT 1", MN_ALL, &stmt, NULL), MN_MISUSE);
    assert_null(stmt);
    assert_int_equal(mn_prepare(db, NULL, MN_ALL, &stmt, NULL), MN_MISUSE);
    assert_int_equal(mn_prepare(db, "SELECT 1", MN_ALL, NULL, NULL), MN_MISUSE);
    assert_int_equal(mn_step(NULL), MN_MISUSE);
    assert_int_equal(mn_reset(NULL), MN_MISUSE);
    assert_int_equal(mn_finalize(NULL), MN_OK);
    assert_int_equal(mn_close(NULL), MN_OK);
    assert_int_equal(mn_bind_int(NULL, 1, 1), MN_MISUSE);
    assert_int_equal(mn_exec(db, NULL, NULL, NULL), MN_MISUSE);
    assert_int_equal(mn_begin(db, 77), MN_MISUSE);
    assert_int_equal(mn_col_count(NULL), 0);
    assert_int_equal(mn_col_int(NULL, 0), 0);
    assert_int_equal(mn_commit(db), MN_ERROR);

    assert_int_equal(mn_prepare(db, "  -- nothing\n ; ", MN_ALL, &stmt, &tail), MN_OK);
    assert_null(stmt);
    stmt = prepare(db, "SELECT id FROM t WHERE id >= ?");
    assert_int_equal(mn_step(stmt), MN_MISUSE); /* nothing is bound */
    assert_int_equal(mn_bind_int(stmt, 0, 1), MN_MISUSE);
    assert_int_equal(mn_bind_int(stmt, 2, 1), MN_MISUSE);
    assert_int_equal(mn_bind_text(stmt, 1, "1", MN_ALL, MN_COPY), MN_TYPE);
    assert_int_equal(mn_bind_text(stmt, 1, "\xff", 1, MN_COPY), MN_TYPE);
    assert_int_equal(mn_bind_int(stmt, 1, 1), MN_OK);
    assert_null(mn_row_json(stmt));
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_bind_int(stmt, 1, 2), MN_MISUSE); /* while it runs */
    assert_int_equal(mn_close(db), MN_MISUSE);
    assert_int_equal(mn_reset(stmt), MN_OK);
    assert_int_equal(mn_bind_int(stmt, 1, 2), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), 2);
    assert_int_equal(mn_step(stmt), MN_DONE);
    assert_int_equal(mn_errcode(db), MN_OK);
    assert_string_equal(mn_errmsg(db), "");
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

/* `open` times, then `inside`, then `close` times. */
static char *nested(char open, const char *inside, char close, size_t times)
{
    size_t length = strlen(inside);
    char *text = malloc(16 + 2 * times + length);

    assert_non_null(text);
    memcpy(text, "SELECT ", 7);
    memset(text + 7, open, times);
    memcpy(text + 7 + times, inside, length);
    memset(text + 7 + times + length, close, times);
    text[7 + 2 * times + length] = '\0';
    return text;
}

static void limits_of_text_hold(void **state)
{
    mn_db *db = memory_open("");
    size_t size = 10 << 20;
    char *text = malloc(size + 64);
    mn_stmt *stmt;

    (void)state;
    assert_non_null(text);
    memcpy(text, "SELECT '", 8);
    memset(text + 8, 'x', size);
    memcpy(text + 8 + size, "'", 2);
    assert_int_equal(mn_prepare(db, text, MN_ALL, &stmt, NULL), MN_TOOBIG);
    assert_null(stmt);
    free(text);
    assert_int_equal(int_of(db, "SELECT 1"), 1);

    text = nested('(', "1", ')', 1000);
    assert_int_equal(mn_prepare(db, text, MN_ALL, &stmt, NULL), MN_TOOBIG);
    free(text);
    text = nested('(', "1", ')', 90);
    assert_int_equal(int_of(db, text), 1);
    free(text);
    text = nested('[', "1", ']', 1000);
    assert_int_equal(mn_prepare(db, text, MN_ALL, &stmt, NULL), MN_TOOBIG);
    free(text);
    text = nested('-', "1", ' ', 100);
    assert_true(mn_prepare(db, text, MN_ALL, &stmt, NULL) != MN_NOMEM);
    mn_finalize(stmt);
    free(text);
    assert_int_equal(int_of(db, "SELECT 1"), 1);
    assert_int_equal(mn_close(db), MN_OK);
}

static void an_error_has_its_place_in_the_whole_text(void **state)
{
    mn_db *db = memory_open("");
    const char *sql = "SELECT 1; SELECT 2;  SELECT nope";

    (void)state;
    assert_int_equal(mn_exec(db, sql, NULL, NULL), MN_SCHEMA);
    assert_int_equal(mn_error_offset(db), 28);
    assert_int_equal(mn_error_length(db), 4);
    assert_non_null(strstr(mn_error_json(db), "\"code\":\"MN_SCHEMA\""));
    assert_non_null(strstr(mn_error_json(db), "\"offset\":28"));
    assert_int_equal(mn_close(db), MN_OK);
}

static void an_open_select_keeps_its_moment(void **state)
{
    mn_db *db = memory_open("CREATE TABLE t (id INT PRIMARY KEY);"
                            "INSERT INTO t SELECT g FROM generate_series(1, 1000) g");
    mn_stmt *stmt = prepare(db, "SELECT id FROM t");
    int64_t sum = 0;

    (void)state;
    assert_int_equal(mn_step(stmt), MN_ROW);
    sum += mn_col_int(stmt, 0);
    assert_int_equal(
        mn_exec(db, "DELETE FROM t WHERE id > 10; INSERT INTO t VALUES (5000)", NULL, NULL), MN_OK);
    while (mn_step(stmt) == MN_ROW) sum += mn_col_int(stmt, 0);
    assert_int_equal(sum, 500500);
    assert_int_equal(mn_step(stmt), MN_ROW); /* once more, of now */
    mn_reset(stmt);

    assert_int_equal(mn_begin(db, MN_BEGIN_READ), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_commit(db), MN_OK);
    assert_int_equal(mn_exec(db, "DELETE FROM t", NULL, NULL), MN_OK);
    sum = mn_col_int(stmt, 0);
    while (mn_step(stmt) == MN_ROW) sum += mn_col_int(stmt, 0);
    assert_int_equal(sum, 5055);

    assert_int_equal(mn_exec(db, "INSERT INTO t VALUES (1), (2), (3)", NULL, NULL), MN_OK);
    assert_int_equal(mn_begin(db, MN_BEGIN_WRITE), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW); /* inside a writer: all rows are kept at once */
    assert_int_equal(mn_exec(db, "DELETE FROM t", NULL, NULL), MN_OK);
    assert_int_equal(mn_rollback(db), MN_OK);
    sum = mn_col_int(stmt, 0);
    while (mn_step(stmt) == MN_ROW) sum += mn_col_int(stmt, 0);
    assert_int_equal(sum, 6);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void a_statement_follows_the_schema(void **state)
{
    mn_db *db = memory_open("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)");
    mn_stmt *stmt = prepare(db, "SELECT * FROM t WHERE a >= $low");

    (void)state;
    assert_int_equal(mn_bind_int(stmt, 1, 0), MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    mn_reset(stmt);
    assert_int_equal(mn_exec(db,
                             "DROP TABLE t; CREATE TABLE t (b TEXT, a FLOAT);"
                             "INSERT INTO t VALUES ('x', 2.5)",
                             NULL, NULL),
                     MN_OK);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_count(stmt), 2);
    assert_string_equal(mn_col_text(stmt, 0, NULL), "x");
    mn_reset(stmt);
    assert_int_equal(mn_exec(db, "DROP TABLE t", NULL, NULL), MN_OK);
    assert_int_equal(mn_step(stmt), MN_SCHEMA);
    assert_int_equal(mn_exec(db, "CREATE TABLE t (a INT)", NULL, NULL), MN_OK);
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void memory_is_limited(void **state)
{
    mn_db *db = memory_open("CREATE TABLE t (a INT, b TEXT); PRAGMA memory_limit = 200000;"
                            "INSERT INTO t VALUES (1, 'x')");

    (void)state;
    assert_int_equal(mn_exec(db,
                             "SELECT g, g || 'text' FROM generate_series(1, 100000) g ORDER BY 2",
                             NULL, NULL),
                     MN_NOMEM);
    assert_true(strlen(mn_error_hint(db)) > 0);
    assert_int_equal(mn_exec(db,
                             "SELECT g % 50000, count(*) FROM generate_series(1, 100000) g "
                             "GROUP BY 1",
                             NULL, NULL),
                     MN_NOMEM);
    assert_int_equal(int_of(db, "SELECT count(*) FROM generate_series(1, 100000) g"), 100000);
    assert_int_equal(mn_exec(db,
                             "SELECT g || 'text' FROM generate_series(1, 100000) g ORDER BY 1 "
                             "LIMIT 10",
                             NULL, NULL),
                     MN_OK);
    assert_int_equal(int_of(db, "SELECT a FROM t"), 1);
    assert_int_equal(mn_close(db), MN_OK);
}

static void threads_are_allowed_by_number(void **state)
{
    mn_db *db = memory_open("");

    (void)state;
    assert_int_equal(int_of(db, "PRAGMA threads"), 0); /* none unasked */
    assert_int_equal(mn_exec(db, "PRAGMA threads = 64", NULL, NULL), MN_OK);
    assert_int_equal(int_of(db, "PRAGMA threads"), 64);
    assert_int_equal(mn_exec(db, "PRAGMA threads = 65", NULL, NULL), MN_RANGE);
    assert_int_equal(mn_exec(db, "PRAGMA threads = -1", NULL, NULL), MN_RANGE);
    assert_int_equal(mn_exec(db, "PRAGMA threads = 'all'", NULL, NULL), MN_TYPE);
    assert_int_equal(int_of(db, "PRAGMA threads"), 64);
    assert_int_equal(mn_exec(db, "PRAGMA threads = 0", NULL, NULL), MN_OK);
    assert_int_equal(int_of(db, "PRAGMA threads"), 0);
    assert_int_equal(mn_close(db), MN_OK);
}

static int stop_soon(void *context, uint64_t done, uint64_t total)
{
    int *calls = context;

    (void)done;
    (void)total;
    return ++*calls >= 3;
}

static int stop_at_once(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return 1;
}

static bool largest_keep(void *context, size_t size_bytes)
{
    size_t *largest = context;

    if (size_bytes > *largest) *largest = size_bytes;
    return true;
}

/* The largest piece of memory that the statement asks for. */
static size_t largest_of(mn_db *db, const char *sql)
{
    size_t largest = 0;
    int code;

    mn_alloc_set_hook(largest_keep, &largest);
    code = mn_exec(db, sql, NULL, NULL);
    mn_alloc_set_hook(NULL, NULL);
    assert_int_equal(code, MN_OK);
    return largest;
}

/* An index over many rows: it can be ended, and then is not there; in little memory it is merged in
 * parts, and two rows of one key are still found. */
static void index_build(mn_db *db)
{
    mn_stmt *stmt;

    assert_int_equal(mn_exec(db,
                             "CREATE TABLE t (a INT, b INT); INSERT INTO t "
                             "SELECT g, g * 7919 % 100003 FROM generate_series(1, 100000) g",
                             NULL, NULL),
                     MN_OK);
    assert_int_equal(mn_progress(db, stop_at_once, NULL, 1), MN_OK);
    assert_int_equal(mn_exec(db, "CREATE INDEX i ON t (b)", NULL, NULL), MN_INTERRUPT);
    assert_int_equal(mn_progress(db, NULL, NULL, 0), MN_OK);
    assert_int_equal(mn_exec(db, "DROP INDEX i", NULL, NULL), MN_SCHEMA);
    assert_true(largest_of(db, "CREATE UNIQUE INDEX i ON t (b)") > 1 << 20); /* all at once */
    assert_int_equal(mn_exec(db, "DROP INDEX i; PRAGMA memory_limit = 65536", NULL, NULL), MN_OK);
    assert_true(largest_of(db, "CREATE UNIQUE INDEX i ON t (b)") < 1 << 19);
    assert_int_equal(int_of(db, "SELECT count(*) FROM t WHERE b BETWEEN 500 AND 999"), 500);
    assert_int_equal(int_of(db, "SELECT a FROM t WHERE b = 7919"), 1);
    assert_int_equal(mn_exec(db, "DROP INDEX i; UPDATE t SET b = 7919 WHERE a = 99999", NULL, NULL),
                     MN_OK);
    assert_int_equal(mn_exec(db, "CREATE UNIQUE INDEX i ON t (b)", NULL, NULL), MN_CONSTRAINT);
    assert_non_null(strstr(mn_errmsg(db), "7919"));
    assert_int_equal(int_of(db, "SELECT count(*) FROM t WHERE b = 7919"), 2);
    stmt = prepare(db, "PRAGMA integrity_check");
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_string_equal(mn_col_text(stmt, 0, NULL), "ok");
    assert_int_equal(mn_step(stmt), MN_DONE);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

/* In memory parts go into the tree, of a file they wait in another. */
static void an_index_is_built_in_the_memory_there_is(void **state)
{
    char path[512];
    mn_db *db;

    (void)state;
    index_build(memory_open(""));
    snprintf(path, sizeof path, "%s/index.mn", test_folder());
    assert_int_equal(mn_open(path, MN_CREATE, &db), MN_OK);
    index_build(db);
}

static void *interrupt_later(void *context)
{
    usleep(50000);
    mn_interrupt(context);
    return NULL;
}

static void what_runs_long_can_be_ended(void **state)
{
    static const char endless[] = "SELECT count(*) FROM generate_series(1, 1000000000) a, "
                                  "generate_series(1, 1000000000) b";
    mn_db *db = memory_open("");
    pthread_t thread;
    int calls = 0;

    (void)state;
    assert_int_equal(mn_progress(db, stop_soon, &calls, 5), MN_OK);
    assert_int_equal(mn_exec(db, endless, NULL, NULL), MN_INTERRUPT);
    assert_int_equal(calls, 3);
    assert_int_equal(mn_progress(db, NULL, NULL, 0), MN_OK);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_later, db), 0);
    assert_int_equal(mn_exec(db, endless, NULL, NULL), MN_INTERRUPT);
    pthread_join(thread, NULL);
    assert_int_equal(int_of(db, "SELECT 1"), 1);
    mn_interrupt(db); /* ends nothing that comes later */
    assert_int_equal(int_of(db, "SELECT 1"), 1);
    assert_int_equal(mn_close(db), MN_OK);
}

static void explain_names_the_operators(void **state)
{
    mn_db *db = memory_open("CREATE TABLE t (id INT PRIMARY KEY, a INT);"
                            "INSERT INTO t SELECT g, g FROM generate_series(1, 100) g");
    mn_stmt *stmt = prepare(db, "SELECT count(*) FROM t WHERE a > 50");
    char *plan = mn_explain(stmt, 0);

    (void)state;
    assert_non_null(strstr(plan, "HashAggregate"));
    assert_non_null(strstr(plan, "TableScan t filtered"));
    mn_free(plan);
    plan = mn_explain(stmt, 1);
    assert_non_null(strstr(plan, "got 50"));
    mn_free(plan);
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), 50);
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

static void vectors_are_not_copied_on_their_way_out(void **state)
{
    mn_db *db = memory_open("CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(64));");
    mn_stmt *stmt = prepare(db, "INSERT INTO t VALUES ($1, $2)");
    const float *first, *again;
    float v[64] = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        v[0] = (float)i;
        assert_int_equal(mn_bind_int(stmt, 1, i), MN_OK);
        assert_int_equal(mn_bind_vector(stmt, 2, v, 64, MN_STATIC), MN_OK);
        assert_int_equal(mn_step(stmt), MN_DONE);
        mn_reset(stmt);
    }
    mn_finalize(stmt);
    stmt = prepare(db, "SELECT v FROM t WHERE id = 42");
    assert_int_equal(mn_step(stmt), MN_ROW);
    first = mn_col_vector(stmt, 0, NULL);
    assert_true(first[0] == 42);
    mn_reset(stmt);
    assert_int_equal(mn_step(stmt), MN_ROW);
    again = mn_col_vector(stmt, 0, NULL);
    assert_ptr_equal(first, again); /* it lies where the page lies */
    mn_finalize(stmt);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_come_back_as_they_were_bound),
                                       cmocka_unit_test(misuse_is_answered_not_crashed),
                                       cmocka_unit_test(limits_of_text_hold),
                                       cmocka_unit_test(an_error_has_its_place_in_the_whole_text),
                                       cmocka_unit_test(an_open_select_keeps_its_moment),
                                       cmocka_unit_test(a_statement_follows_the_schema),
                                       cmocka_unit_test(memory_is_limited),
                                       cmocka_unit_test(threads_are_allowed_by_number),
                                       cmocka_unit_test(what_runs_long_can_be_ended),
                                       cmocka_unit_test(an_index_is_built_in_the_memory_there_is),
                                       cmocka_unit_test(explain_names_the_operators),
                                       cmocka_unit_test(vectors_are_not_copied_on_their_way_out)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
