/*
 * Tests of base/buf and base/status: bytes that grow, and the record of an error.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "support/test.h"

#include <string.h>

static void bytes_come_back_in_order(void **state)
{
    struct mn_buf buf = {0};

    (void)state;
    for (int i = 0; i < 10000; i++) assert_int_equal(mn_buf_byte(&buf, (uint8_t)i), MN_OK);
    assert_int_equal(mn_buf_text(&buf, "tail"), MN_OK);
    assert_int_equal(mn_buf_append(&buf, NULL, 0), MN_OK);
    assert_int_equal(buf.len, 10004);
    for (size_t i = 0; i < 10000; i++) assert_int_equal(buf.data[i], (uint8_t)i);
    assert_memory_equal(buf.data + 10000, "tail", 4);
    mn_buf_release(&buf);
    assert_null(buf.data);
}

static void printf_appends_text_of_any_length(void **state)
{
    struct mn_buf buf = {0};
    char line[700];

    (void)state;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    assert_int_equal(mn_buf_printf(&buf, "%d-%s|", 42, line), MN_OK);
    assert_int_equal(mn_buf_printf(&buf, "%s", ""), MN_OK);
    assert_int_equal(buf.len, 3 + 699 + 1);
    assert_memory_equal(buf.data, "42-xxx", 6);
    assert_int_equal(buf.data[buf.len - 1], '|');
    mn_buf_release(&buf);
}

static bool refuse(void *context, size_t size_bytes)
{
    (void)context, (void)size_bytes;
    return false;
}

static void no_memory_keeps_what_was_there(void **state)
{
    struct mn_buf buf = {0};

    (void)state;
    assert_int_equal(mn_buf_text(&buf, "kept"), MN_OK);
    mn_alloc_set_hook(refuse, NULL);
    assert_int_equal(mn_buf_reserve(&buf, 1000), MN_NOMEM);
    assert_int_equal(mn_buf_printf(&buf, "%1000d", 1), MN_NOMEM);
    mn_alloc_set_hook(NULL, NULL);
    assert_int_equal(mn_buf_reserve(&buf, SIZE_MAX), MN_NOMEM);
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.data, "kept", 4);
    mn_buf_release(&buf);
}

static void error_keeps_code_message_place_and_hint(void **state)
{
    const struct mn_error *error = mn_error_last();

    (void)state;
    assert_int_equal(mn_fail_at(MN_SCHEMA, 7, 3, "no table %s", "foo"), MN_SCHEMA);
    assert_int_equal(mn_hint("did you mean %s?", "fob"), MN_SCHEMA);
    assert_int_equal(mn_place(1, 1), MN_SCHEMA); /* it has one already */
    assert_int_equal(error->code, MN_SCHEMA);
    assert_string_equal(error->message, "no table foo");
    assert_string_equal(error->hint, "did you mean fob?");
    assert_int_equal(error->offset, 7);
    assert_int_equal(error->length, 3);

    assert_int_equal(mn_fail(MN_CORRUPT, "page %d", 9), MN_CORRUPT);
    assert_string_equal(error->hint, "");
    assert_int_equal(error->offset, -1);
    assert_int_equal(mn_place(5, 2), MN_CORRUPT);
    assert_int_equal(error->offset, 5);

    mn_error_clear();
    assert_int_equal(error->code, MN_OK);
    assert_string_equal(error->message, "");
}

static void long_message_is_cut_not_spilled(void **state)
{
    char text[2 * MN_MESSAGE_BYTES];

    (void)state;
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mn_fail(MN_ERROR, "%s", text);
    mn_hint("%s", text);
    assert_int_equal(strlen(mn_error_last()->message), MN_MESSAGE_BYTES - 1);
    assert_int_equal(strlen(mn_error_last()->hint), MN_HINT_BYTES - 1);
}

static void every_code_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(mn_status_name(MN_OK), "MN_OK");
    assert_string_equal(mn_status_name(MN_CORRUPT), "MN_CORRUPT");
    assert_string_equal(mn_status_name(MN_UNCERTAIN), "MN_UNCERTAIN");
    assert_string_equal(mn_status_name((enum mn_status)26), "MN_UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_in_order),
        cmocka_unit_test(printf_appends_text_of_any_length),
        cmocka_unit_test(no_memory_keeps_what_was_there),
        cmocka_unit_test(error_keeps_code_message_place_and_hint),
        cmocka_unit_test(long_message_is_cut_not_spilled),
        cmocka_unit_test(every_code_has_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
