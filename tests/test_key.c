/*
 * Tests of catalog/key: the bytes of keys stand in the order of their values, and give them back.
 */
#include "catalog/key.h"

#include <math.h>

#include "catalog/list.h"
#include "support/test.h"
#include "support/values.h"

enum { COLUMNS = 3 };

static const struct mn_kind kinds[] = {
    {.type = MN_TYPE_BOOL},
    {.type = MN_TYPE_INT},
    {.type = MN_TYPE_FLOAT},
    {.type = MN_TYPE_TEXT},
    {.type = MN_TYPE_BLOB},
    {.type = MN_TYPE_TIMESTAMP},
    {.type = MN_TYPE_DURATION},
    {.type = MN_TYPE_UUID},
    {.type = MN_TYPE_LIST, .elem = MN_TYPE_INT},
    {.type = MN_TYPE_LIST, .elem = MN_TYPE_TEXT},
    {.type = MN_TYPE_LIST, .elem = MN_TYPE_BLOB},
};

/* The order of one column as the language says it, NULLs placed apart from ASC and DESC. */
static int column_order(const struct mn_value *a, const struct mn_value *b, unsigned order)
{
    int result;

    if (mn_is_null(a) || mn_is_null(b)) {
        result = mn_is_null(a) - mn_is_null(b);
        return order & MN_KEY_NULLS_FIRST ? -result : result;
    }
    result = mn_value_order(a, b);
    return order & MN_KEY_DESC ? -result : result;
}

static int tuple_order(const struct mn_value *a, const struct mn_value *b, const unsigned *orders)
{
    for (int i = 0; i < COLUMNS; i++) {
        int order = column_order(&a[i], &b[i], orders[i]);

        if (order) return order;
    }
    return 0;
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static int key_order(const struct mn_buf *a, const struct mn_buf *b)
{
    int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

    return order ? sign(order) : (a->len > b->len) - (a->len < b->len);
}

static void tuple_decodes(const struct mn_buf *key, const struct mn_value *values,
                          const struct mn_kind *kind, const unsigned *orders,
                          struct mn_arena *arena)
{
    const uint8_t *at = key->data, *skip = at, *end = at + key->len;

    for (int i = 0; i < COLUMNS; i++) {
        struct mn_value back;

        assert_int_equal(mn_key_decode(&at, end, &kind[i], orders[i], arena, &back), MN_OK);
        assert_int_equal(back.type, values[i].type);
        assert_int_equal(mn_value_order(&back, &values[i]), 0);
        assert_true(mn_key_skip(&skip, end, &kind[i], orders[i]));
        assert_ptr_equal(skip, at);
    }
    assert_ptr_equal(at, end);
}

static void keys_stand_in_the_order_of_values(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int round = 0; round < 60000; round++) {
        struct mn_arena arena;
        struct mn_kind kind[COLUMNS];
        struct mn_value a[COLUMNS], b[COLUMNS];
        unsigned orders[COLUMNS];
        struct mn_buf x = {0}, y = {0};
        int want;

        mn_arena_init(&arena, 0);
        for (int i = 0; i < COLUMNS; i++) {
            kind[i] = kinds[(test_random(&random) >> 30) % (sizeof kinds / sizeof kinds[0])];
            orders[i] = (unsigned)(test_random(&random) >> 30) & 3;
            a[i] = test_value(&arena, &kind[i], true, &random);
            b[i] =
                test_random(&random) >> 60 & 1 ? a[i] : test_value(&arena, &kind[i], true, &random);
            assert_int_equal(mn_key_append(&x, &a[i], orders[i]), MN_OK);
            assert_int_equal(mn_key_append(&y, &b[i], orders[i]), MN_OK);
        }
        want = tuple_order(a, b, orders);
        if (key_order(&x, &y) != want) {
            fail_msg("round %d of seed %llu", round, (unsigned long long)test_seed());
        }
        tuple_decodes(&x, a, kind, orders, &arena);
        mn_buf_release(&x);
        mn_buf_release(&y);
        mn_arena_release(&arena);
    }
}

/* Row ids behind a key change nothing in the order of the keys before them. */
static void row_ids_order_as_numbers(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t a = (int64_t)test_random(&random) >> (i % 60);
        int64_t b = (int64_t)test_random(&random) >> (i % 57);
        uint8_t x[MN_ROW_ID_BYTES], y[MN_ROW_ID_BYTES];

        mn_row_id_put(x, a);
        mn_row_id_put(y, b);
        assert_int_equal(sign(memcmp(x, y, sizeof x)), (a > b) - (a < b));
        assert_true(mn_row_id_get(x) == a);
    }
}

static void keys_end_at_their_limit(void **state)
{
    static uint8_t bytes[MN_KEY_BYTES_MAX];
    struct mn_buf key = {0};
    struct mn_value value = mn_bytes_value(MN_TYPE_BLOB, bytes, MN_KEY_BYTES_MAX - 3);

    (void)state;
    memset(bytes, 1, sizeof bytes);
    assert_int_equal(mn_key_append(&key, &value, MN_KEY_ASC), MN_OK);
    assert_int_equal(key.len, MN_KEY_BYTES_MAX);
    value = mn_null();
    assert_int_equal(mn_key_append(&key, &value, MN_KEY_ASC), MN_TOOBIG);
    assert_int_equal(key.len, MN_KEY_BYTES_MAX);
    key.len = 0;
    bytes[7] = 0;
    value = mn_bytes_value(MN_TYPE_BLOB, bytes, MN_KEY_BYTES_MAX - 3);
    assert_int_equal(mn_key_append(&key, &value, MN_KEY_ASC), MN_TOOBIG);
    assert_int_equal(key.len, 0);
    value.type = MN_TYPE_JSON;
    assert_int_equal(mn_key_append(&key, &value, MN_KEY_ASC), MN_TYPE);
    mn_buf_release(&key);
}

static void successor_ends_a_prefix(void **state)
{
    static const uint8_t bytes[] = {1, 2, 0xff, 0xff};
    struct mn_buf key = {0};

    (void)state;
    assert_int_equal(mn_buf_append(&key, bytes, 4), MN_OK);
    assert_true(mn_key_successor(&key));
    assert_int_equal(key.len, 2);
    assert_int_equal(key.data[1], 3);
    key.len = 0;
    assert_int_equal(mn_buf_append(&key, bytes + 2, 2), MN_OK);
    assert_false(mn_key_successor(&key));
    mn_buf_release(&key);
}

/* Damaged and random bytes decode to something or to MN_CORRUPT, and nothing outside is read. */
static void damaged_keys_are_refused(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (int round = 0; round < 60000; round++) {
        const struct mn_kind *kind = &kinds[(unsigned)round % (sizeof kinds / sizeof kinds[0])];
        unsigned order = (unsigned)(test_random(&random) >> 30) & 3;
        struct mn_arena arena;
        struct mn_buf key = {0};
        struct mn_value value, back;
        const uint8_t *at, *end;
        uint8_t *copy;
        enum mn_status status;
        size_t size;

        mn_arena_init(&arena, 0);
        value = test_value(&arena, kind, true, &random);
        assert_int_equal(mn_key_append(&key, &value, order), MN_OK);
        size = test_random(&random) % (key.len + 1);
        copy = test_malloc(size + 1);
        memcpy(copy, key.data, size);
        if (size) copy[test_random(&random) % size] ^= (uint8_t)(test_random(&random) >> 30);
        at = copy;
        end = copy + size;
        status = mn_key_decode(&at, end, kind, order, &arena, &back);
        assert_true(status == MN_OK || status == MN_CORRUPT);
        if (status == MN_OK) {
            const uint8_t *skip = copy;

            assert_true(at <= end);
            assert_true(mn_key_skip(&skip, end, kind, order));
            assert_ptr_equal(skip, at);
        }
        test_free(copy);
        mn_buf_release(&key);
        mn_arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_stand_in_the_order_of_values),
        cmocka_unit_test(row_ids_order_as_numbers),
        cmocka_unit_test(keys_end_at_their_limit),
        cmocka_unit_test(successor_ends_a_prefix),
        cmocka_unit_test(damaged_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
