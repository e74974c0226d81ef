/*
 * Tests of mn_load_batch: rows given as columns are the rows given one by one, whatever shortcut
 * their types and the table allow, and the first wrong one is named.
 */
#include <stdio.h>
#include <string.h>

#include "support/api.h"
#include "support/test.h"

enum { ROWS = 3000, TEXT_MOST = 2000 };

static const char setup[] = "CREATE TABLE one (id INT PRIMARY KEY, body TEXT, n INT);"
                            "CREATE TABLE two (id INT PRIMARY KEY, body TEXT, n INT)";

/* Rows as columns. */
static int64_t ids[ROWS], numbers[ROWS];
static const void *texts[ROWS];
static uint32_t lengths[ROWS];
static uint8_t nulls[ROWS];
static char bytes[TEXT_MOST + 1];

static mn_array columns[3];

/* Texts of every length that a record treats differently: none, short, over 255, over a cell. */
static void rows_make(uint64_t seed, bool with_nulls)
{
    uint64_t random = seed;

    memset(bytes, 'x', TEXT_MOST);
    for (int i = 0; i < ROWS; i++) {
        uint64_t r = test_random(&random) >> 20;

        ids[i] = i * 3 - 500;
        numbers[i] = (int64_t)(r * r) >> (r % 60);
        texts[i] = bytes + r % 50;
        lengths[i] = (uint32_t)(r % 40 == 0 ? 200 + r % 1700 : r % 110);
        nulls[i] = with_nulls && r % 7 == 0;
    }
    columns[0] =
        (mn_array){.size = sizeof *columns, .type = MN_TYPE_INT, .values = ids, .stride = 8};
    columns[1] = (mn_array){
        .size = sizeof *columns, .type = MN_TYPE_TEXT, .pointers = texts, .lengths = lengths};
    columns[2] =
        (mn_array){.size = sizeof *columns, .type = MN_TYPE_INT, .values = numbers, .stride = 8};
    if (with_nulls) columns[2].nulls = nulls;
}

static mn_load *load_begin(mn_db *db, const char *table)
{
    mn_load *load;

    api_expect(db, mn_load_begin(db, table, NULL, 0, &load), MN_OK);
    return load;
}

static void row_load(mn_db *db, mn_load *load, int i)
{
    mn_datum values[3] = {api_of_int(ids[i]),
                          {.type = MN_TYPE_TEXT, .length = lengths[i], .as.p = texts[i]},
                          nulls[i] ? api_null() : api_of_int(numbers[i])};

    api_expect(db, mn_load_row(load, values), MN_OK);
}

static int batch_load(mn_load *load, size_t rows)
{
    mn_batch batch = {.size = sizeof batch, .rows = rows, .count = 3, .columns = columns};

    return mn_load_batch(load, &batch);
}

/* All rows one by one, or as one batch. */
static void rows_load(mn_db *db)
{
    mn_load *load = load_begin(db, "one");

    for (int i = 0; i < ROWS; i++) row_load(db, load, i);
    api_expect(db, mn_load_end(load, 1), MN_OK);
}

static void columns_load(mn_db *db, const char *table)
{
    mn_load *load = load_begin(db, table);

    api_expect(db, batch_load(load, ROWS), MN_OK);
    api_expect(db, mn_load_end(load, 1), MN_OK);
}

static void both_are_the_same(mn_db *db)
{
    assert_int_equal(api_int(db, "SELECT count(*) FROM one"), ROWS);
    assert_int_equal(api_int(db, "SELECT count(*) FROM two"), ROWS);
    assert_int_equal(api_int(db, "SELECT count(*) FROM one a JOIN two b ON a.id = b.id WHERE"
                                 " a.body = b.body AND (a.n = b.n OR a.n IS NULL AND b.n IS NULL)"),
                     ROWS);
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
}

static void batches_are_the_rows(void **state)
{
    (void)state;
    for (int with_nulls = 0; with_nulls < 2; with_nulls++) {
        mn_db *db = api_open(setup);

        rows_make(test_seed() + (uint64_t)with_nulls, with_nulls);
        rows_load(db);
        columns_load(db, "two");
        both_are_the_same(db);
        assert_int_equal(mn_close(db), MN_OK);
    }
}

/* Ids that go back are sorted, from wherever in a batch they do. */
static void ids_may_go_back(void **state)
{
    mn_db *db = api_open(setup);

    (void)state;
    rows_make(test_seed(), false);
    columns_load(db, "one");
    for (int i = 1700; i < ROWS; i++) {
        int j = 1700 + (i * 7 + 3) % (ROWS - 1700);
        int64_t id = ids[i], number = numbers[i];
        const void *text = texts[i];
        uint32_t length = lengths[i];

        ids[i] = ids[j], numbers[i] = numbers[j], texts[i] = texts[j], lengths[i] = lengths[j];
        ids[j] = id, numbers[j] = number, texts[j] = text, lengths[j] = length;
    }
    columns_load(db, "two");
    both_are_the_same(db);
    assert_int_equal(mn_close(db), MN_OK);
}

/* The first wrong row ends the load, and is named with its column. */
static void the_wrong_row_is_named(void **state)
{
    static const char bad[] = "a\xff";

    (void)state;
    for (int at = 0; at < 200; at += 33) {
        mn_db *db = api_open(setup);
        char wanted[60];
        mn_load *load;

        rows_make(test_seed(), false);
        texts[at] = bad;
        lengths[at] = 2;
        texts[at + 5] = NULL; /* so is a later one */
        load = load_begin(db, "two");
        api_expect(db, batch_load(load, 400), MN_TYPE);
        snprintf(wanted, sizeof wanted, "row %d of the load: body: byte 1 is not UTF-8", at);
        assert_non_null(strstr(mn_errmsg(db), wanted));
        api_expect(db, batch_load(load, 1), MN_TYPE); /* told again */
        api_expect(db, mn_load_end(load, 1), MN_TYPE);
        assert_int_equal(api_int(db, "SELECT count(*) FROM two"), 0);
        assert_int_equal(mn_close(db), MN_OK);
    }
}

static void the_same_id_twice_is_named(void **state)
{
    mn_db *db = api_open(setup);
    mn_load *load;

    (void)state;
    rows_make(test_seed(), false);
    ids[1234] = ids[1233];
    load = load_begin(db, "two");
    api_expect(db, batch_load(load, ROWS), MN_OK); /* sorted at the end */
    api_expect(db, mn_load_end(load, 1), MN_CONSTRAINT);
    assert_non_null(strstr(mn_errmsg(db), "row 1234 of the load"));
    assert_int_equal(api_int(db, "SELECT count(*) FROM two"), 0);
    assert_int_equal(mn_close(db), MN_OK);
}

/* Past the greatest id nothing comes that counts on; the ends of the range are ordinary. */
static void ids_at_the_ends_are_ordinary(void **state)
{
    mn_db *db = api_open(setup);

    (void)state;
    rows_make(test_seed(), false);
    ids[0] = INT64_MIN;
    ids[ROWS - 2] = INT64_MAX - 1;
    ids[ROWS - 1] = INT64_MAX;
    rows_load(db);
    columns_load(db, "two");
    both_are_the_same(db);
    assert_int_equal(mn_close(db), MN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_the_rows),
        cmocka_unit_test(ids_may_go_back),
        cmocka_unit_test(the_wrong_row_is_named),
        cmocka_unit_test(the_same_id_twice_is_named),
        cmocka_unit_test(ids_at_the_ends_are_ordinary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
