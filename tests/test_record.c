/*
 * Tests of catalog/record: columns come back one by one, and no bytes lead outside.
 */
#include "catalog/record.h"

#include <math.h>

#include "support/test.h"
#include "support/values.h"

enum { COLUMNS_MOST = 40 };

static const struct mn_kind kinds[] = {
    {.type = MN_TYPE_BOOL},
    {.type = MN_TYPE_INT},
    {.type = MN_TYPE_FLOAT},
    {.type = MN_TYPE_TEXT},
    {.type = MN_TYPE_BLOB},
    {.type = MN_TYPE_TIMESTAMP},
    {.type = MN_TYPE_DURATION},
    {.type = MN_TYPE_UUID},
    {.type = MN_TYPE_JSON},
    {.type = MN_TYPE_VECTOR, .dims = 3},
    {.type = MN_TYPE_LIST, .elem = MN_TYPE_INT},
    {.type = MN_TYPE_LIST, .elem = MN_TYPE_TEXT},
};

struct row {
    struct mn_arena arena;
    uint32_t n;
    int row_id_column;
    enum mn_record_form form;
    struct mn_kind kinds[COLUMNS_MOST];
    struct mn_value values[COLUMNS_MOST];
    struct mn_buf record;
};

static void row_open(struct row *row, uint64_t *random)
{
    memset(row, 0, sizeof *row);
    mn_arena_init(&row->arena, 0);
    row->n = (uint32_t)(test_random(random) % COLUMNS_MOST);
    row->row_id_column = -1;
    row->form = test_random(random) >> 40 & 1 ? MN_RECORD_ANY : MN_RECORD_FULL;
    for (uint32_t i = 0; i < row->n; i++) {
        row->kinds[i] = kinds[(test_random(random) >> 30) % (sizeof kinds / sizeof kinds[0])];
        row->values[i] = test_value(&row->arena, &row->kinds[i], true, random);
        if (row->kinds[i].type == MN_TYPE_INT && (test_random(random) >> 30 & 7) == 0) {
            row->row_id_column = (int)i;
            row->values[i] = mn_int(7);
        }
    }
    assert_int_equal(
        mn_record_encode(row->values, row->n, row->row_id_column, row->form, &row->record), MN_OK);
}

static void row_close(struct row *row)
{
    mn_arena_release(&row->arena);
    mn_buf_release(&row->record);
}

static void values_equal(const struct mn_value *a, const struct mn_value *b)
{
    assert_int_equal(a->type, b->type);
    if (a->type == MN_TYPE_FLOAT) {
        assert_memory_equal(&a->f, &b->f,
                            sizeof a->f); /* the sign of zero and the bits of NaN too */
    } else if (a->type == MN_TYPE_VECTOR) {
        assert_null(b->p);
        assert_int_equal(a->size, b->size);
    } else {
        assert_int_equal(mn_value_order(a, b), 0);
    }
}

static void columns_come_back_one_by_one(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int round = 0; round < 10000; round++) {
        struct row row;

        row_open(&row, &random);
        assert_int_equal(mn_record_columns(row.record.data, row.record.len), row.n);
        assert_int_equal(
            mn_record_check(row.record.data, row.record.len, row.kinds, row.n, row.row_id_column),
            MN_OK);
        for (uint32_t i = 0; i < row.n; i++) {
            struct mn_value back;
            bool absent = true;

            if ((int)i == row.row_id_column) continue;
            assert_int_equal(
                mn_record_get(row.record.data, row.record.len, i, &row.kinds[i], &back, &absent),
                MN_OK);
            assert_false(absent);
            values_equal(&row.values[i], &back);
        }
        row_close(&row);
    }
}

/* The short way writes the same bytes, and nothing around them. */
static void short_records_are_the_same(void **state)
{
    uint64_t random = test_seed();
    unsigned shorts = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct mn_record_shape shape;
        struct mn_record_short brief;
        struct mn_record_rows one;
        struct row row;
        uint8_t bytes[600];
        size_t body;

        row_open(&row, &random);
        if (round % 2) { /* few columns: most of the others are not short */
            row.n = row.n % 9;
            if (row.row_id_column >= (int)row.n) row.row_id_column = -1;
            row.record.len = 0;
            assert_int_equal(
                mn_record_encode(row.values, row.n, row.row_id_column, row.form, &row.record),
                MN_OK);
        }
        assert_int_equal(mn_record_measure(row.values, row.n, row.row_id_column, row.form, &shape),
                         MN_OK);
        body = row.n ? shape.ends[row.n - 1] : 0;
        one = (struct mn_record_rows){row.values, 1, row.n, row.row_id_column, row.form};
        if (mn_record_short_measure(&one, &brief)) {
            assert_int_equal(brief.size_bytes, row.record.len);
            memset(bytes, 0xA5, sizeof bytes);
            mn_record_short_write(row.values, &brief, bytes + 8);
            assert_memory_equal(bytes + 8, row.record.data, row.record.len);
            for (size_t i = 0; i < 8; i++) assert_int_equal(bytes[i], 0xA5);
            for (size_t i = 8 + row.record.len; i < sizeof bytes; i++) {
                assert_int_equal(bytes[i], 0xA5);
            }
            assert_true(row.n > 0 && row.n <= MN_SHORT_COLUMNS_MAX && body <= 255);
            shorts++;
        } else {
            assert_true(row.n > MN_SHORT_COLUMNS_MAX || row.n == 0 || body > 255);
        }
        row_close(&row);
    }
    assert_true(shorts > 2000);
}

static void columns_past_the_end_are_absent(void **state)
{
    struct mn_value value = mn_int(5), back;
    struct mn_kind kind = {.type = MN_TYPE_INT};

    (void)state;
    for (int form = MN_RECORD_FULL; form <= MN_RECORD_ANY; form++) {
        struct mn_buf record = {0};
        bool absent = false;

        assert_int_equal(mn_record_encode(&value, 1, -1, (enum mn_record_form)form, &record),
                         MN_OK);
        assert_int_equal(mn_record_get(record.data, record.len, 1, &kind, &back, &absent), MN_OK);
        assert_true(absent);
        assert_true(mn_is_null(&back));
        mn_buf_release(&record);
    }
}

/* Offsets of one, two and four bytes, and the limit on the number of columns. */
static void large_columns_take_wider_offsets(void **state)
{
    static const size_t sizes[] = {1, 255, 256, 65535, 65536, 1000000};
    struct mn_kind kind = {.type = MN_TYPE_TEXT};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = test_malloc(sizes[i]);
        struct mn_value values[2] = {mn_text(text, sizes[i]), mn_text("end", 3)}, back;

        memset(text, 'x', sizes[i]);
        for (int form = MN_RECORD_FULL; form <= MN_RECORD_ANY; form++) {
            struct mn_buf record = {0};

            assert_int_equal(mn_record_encode(values, 2, -1, (enum mn_record_form)form, &record),
                             MN_OK);
            assert_int_equal((record.data[0] & 3) == 3, form == MN_RECORD_ANY && sizes[i] < 256);
            assert_int_equal(mn_record_get(record.data, record.len, 0, &kind, &back, NULL), MN_OK);
            assert_int_equal(mn_value_order(&values[0], &back), 0);
            assert_int_equal(mn_record_get(record.data, record.len, 1, &kind, &back, NULL), MN_OK);
            assert_int_equal(mn_value_order(&values[1], &back), 0);
            mn_buf_release(&record);
        }
        test_free(text);
    }
    {
        static struct mn_value values[MN_COLUMNS_MAX + 1];
        struct mn_buf record = {0};

        assert_int_equal(mn_record_encode(values, MN_COLUMNS_MAX, -1, MN_RECORD_ANY, &record),
                         MN_OK);
        assert_int_equal(mn_record_encode(values, MN_COLUMNS_MAX + 1, -1, MN_RECORD_ANY, &record),
                         MN_TOOBIG);
        for (uint32_t n = 31; n <= 32; n++) { /* the most columns of a brief record, and one more */
            record.len = 0;
            assert_int_equal(mn_record_encode(values, n, -1, MN_RECORD_ANY, &record), MN_OK);
            assert_int_equal(mn_record_columns(record.data, record.len), n);
            assert_int_equal((record.data[0] & 3) == 3, n == 31);
        }
        mn_buf_release(&record);
    }
}

static void damaged_records_stay_inside(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct row row;
        uint8_t *copy;
        size_t size;

        row_open(&row, &random);
        size = round % 3 ? row.record.len : (size_t)(test_random(&random) % (row.record.len + 1));
        copy = test_malloc(size + (size == 0));
        memcpy(copy, row.record.data, size);
        for (int n = 0; size && n < 3; n++) {
            copy[test_random(&random) % (n ? size : (size < 12 ? size : 12))] =
                (uint8_t)(test_random(&random) >> 30);
        }
        for (uint32_t i = 0; i < row.n; i++) {
            struct mn_value back;
            enum mn_status status = mn_record_get(copy, size, i, &row.kinds[i], &back, NULL);

            assert_true(status == MN_OK || status == MN_CORRUPT);
            if (status != MN_OK || !mn_type_has_bytes(back.type) || !back.p || !back.size) continue;
            assert_true((const uint8_t *)back.p >= copy);
            assert_true((const uint8_t *)back.p + back.size <= copy + size);
        }
        mn_record_check(copy, size, row.kinds, row.n, row.row_id_column);
        test_free(copy);
        row_close(&row);
    }
}

static void check_refuses_bad_contents(void **state)
{
    struct mn_kind kind = {.type = MN_TYPE_TEXT};
    struct mn_value value = mn_text("\xff", 1);
    struct mn_buf record = {0};

    (void)state;
    assert_int_equal(mn_record_encode(&value, 1, -1, MN_RECORD_ANY, &record), MN_OK);
    assert_int_equal(mn_record_check(record.data, record.len, &kind, 1, -1), MN_CORRUPT);
    assert_int_equal(mn_record_check(record.data, record.len, &kind, 0, -1), MN_CORRUPT);
    record.len = 0;
    value = mn_text("good", 4);
    assert_int_equal(mn_record_encode(&value, 1, -1, MN_RECORD_ANY, &record), MN_OK);
    assert_int_equal(mn_record_check(record.data, record.len, &kind, 1, -1), MN_OK);
    kind.type = MN_TYPE_JSON;
    assert_int_equal(mn_record_check(record.data, record.len, &kind, 1, -1), MN_CORRUPT);
    mn_buf_release(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_come_back_one_by_one),
        cmocka_unit_test(short_records_are_the_same),
        cmocka_unit_test(columns_past_the_end_are_absent),
        cmocka_unit_test(large_columns_take_wider_offsets),
        cmocka_unit_test(damaged_records_stay_inside),
        cmocka_unit_test(check_refuses_bad_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
