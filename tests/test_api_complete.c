/*
 * Tests of mn_complete: the words that may stand at a place.
 */
#include <string.h>

#include "mneme.h"
#include "support/test.h"

struct seek {
    const char *word;
    int found, seen;
};

static int word_seek(void *context, const char *word)
{
    struct seek *seek = context;

    seek->seen++;
    if (strcmp(word, seek->word) == 0) seek->found++;
    return 0;
}

static int word_end(void *context, const char *word)
{
    struct seek *seek = context;

    (void)word;
    return ++seek->seen == 3;
}

static int offers(mn_db *db, const char *sql, const char *word)
{
    struct seek seek = {word, 0, 0};

    assert_int_equal(mn_complete(db, sql, MN_ALL, word_seek, &seek), MN_OK);
    return seek.found;
}

static void words_are_those_of_the_place(void **state)
{
    struct seek seek = {"", 0, 0};
    mn_db *db;

    (void)state;
    assert_int_equal(mn_open(NULL, MN_MEMORY, &db), MN_OK);
    assert_int_equal(offers(db, "", "SELECT"), 1);
    assert_int_equal(offers(db, "", "WHERE"), 0);
    assert_int_equal(offers(db, "SELECT id FROM memory ", "NEAREST"), 1);
    assert_int_equal(offers(db, "SELECT id FROM memory NEA", "NEAREST"), 1);
    assert_int_equal(offers(db, "SELECT tim", "time_bucket"), 1);
    assert_int_equal(offers(db, "SELECT ", "median"), 1);
    assert_int_equal(offers(db, "CREATE TABLE t (a ", "VECTOR"), 1);
    assert_int_equal(offers(db, "SELECT ) ", "FROM"), 0);
    assert_int_equal(offers(db, "SELECT 1; DROP ", "RELATION"), 1);
    assert_int_equal(mn_complete(db, "SELECT 1 ZZZ", 9, word_seek, &seek), MN_OK);
    assert_true(seek.seen > 0);
    seek.seen = 0;
    assert_int_equal(mn_complete(db, "SELECT ", MN_ALL, word_end, &seek), MN_OK);
    assert_int_equal(seek.seen, 3);
    assert_int_equal(mn_complete(db, NULL, 0, word_end, &seek), MN_MISUSE);
    assert_int_equal(mn_complete(NULL, "", 0, word_end, &seek), MN_MISUSE);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_are_those_of_the_place)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
