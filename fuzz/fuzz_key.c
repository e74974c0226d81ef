/*
 * fuzz_key: keys, records, lists and JSON from any bytes.
 *
 * The first byte says what the rest is read as, the second the order of a key. What a key gives is
 * encoded again and must come out as the same bytes (floats apart: not every NaN is the one that is
 * written); a record and a list stay inside their bytes; JSON that is accepted has one canonical
 * form, which is JSON again and its own canonical form.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/json.h"
#include "catalog/key.h"
#include "catalog/list.h"
#include "catalog/record.h"
#include "fuzz.h"

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
    {.type = MN_TYPE_LIST, .elem = MN_TYPE_BLOB},
    {.type = MN_TYPE_JSON},
    {.type = MN_TYPE_VECTOR, .dims = 4},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], KEY_KINDS = KINDS - 2 };

static void key_read(const uint8_t *data, size_t size, const struct mn_kind *kind, unsigned order)
{
    const uint8_t *at = data, *skip = data, *end = data + size;
    struct mn_arena arena;

    mn_arena_init(&arena, 0);
    while (at < end) {
        const uint8_t *begin = at;
        struct mn_buf again = {0};
        struct mn_value value;

        if (mn_key_decode(&at, end, kind, order, &arena, &value) != MN_OK) break;
        if (!mn_key_skip(&skip, end, kind, order) || skip != at) abort();
        if (mn_key_append(&again, &value, order) == MN_OK && value.type != MN_TYPE_FLOAT &&
            (again.len != (size_t)(at - begin) || memcmp(again.data, begin, again.len) != 0)) {
            abort();
        }
        mn_buf_release(&again);
    }
    mn_arena_release(&arena);
}

static void value_use(const struct mn_value *value)
{
    struct mn_buf text = {0};
    uint64_t hash;

    if (value->type == MN_TYPE_VECTOR) return;
    mn_value_format(value, &text);
    if (value->type != MN_TYPE_JSON) mn_value_format_json(value, &text);
    mn_value_hash(value, 1, &hash);
    mn_buf_release(&text);
}

static void record_read(const uint8_t *data, size_t size, unsigned shift)
{
    struct mn_kind columns[KINDS];

    for (unsigned i = 0; i < KINDS; i++) columns[i] = kinds[(i + shift) % KINDS];
    mn_record_check(data, size, columns, KINDS, -1);
    for (unsigned i = 0; i < KINDS; i++) {
        struct mn_value value;

        if (mn_record_get(data, size, i, &columns[i], &value, NULL) == MN_OK) value_use(&value);
    }
}

static void json_read(const uint8_t *data, size_t size)
{
    struct mn_buf first = {0}, second = {0};

    if (mn_json_check((const char *)data, size) == MN_OK) {
        if (mn_json_canonical((const char *)data, size, &first) != MN_OK) abort();
        if (mn_json_check((const char *)first.data, first.len) != MN_OK) abort();
        if (mn_json_canonical((const char *)first.data, first.len, &second) != MN_OK) abort();
        if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0) abort();
    }
    mn_buf_release(&first);
    mn_buf_release(&second);
}

/* A text that is read as a value is written as a text that is read as the same value. */
static void text_read(const uint8_t *data, size_t size, const struct mn_kind *kind)
{
    struct mn_arena arena;
    struct mn_buf text = {0};
    struct mn_value value, back;

    mn_arena_init(&arena, 0);
    if (mn_value_parse(kind, (const char *)data, size, &arena, &value) == MN_OK) {
        if (mn_value_format(&value, &text) != MN_OK) abort();
        if (mn_value_parse(kind, text.data ? (const char *)text.data : "", text.len, &arena,
                           &back) != MN_OK) {
            abort();
        }
        if (mn_value_order(&value, &back) != 0) abort();
    }
    mn_buf_release(&text);
    mn_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mn_kind kind;

    if (size < 3) return 0;
    kind = kinds[(data[1] >> 2) % KEY_KINDS];
    switch (data[0] % 4) {
    case 0: key_read(data + 2, size - 2, &kind, data[1] & 3); break;
    case 1: record_read(data + 2, size - 2, data[1]); break;
    case 2: json_read(data + 2, size - 2); break;
    default:
        kind = kinds[data[1] % KINDS];
        kind.dims = 0;
        text_read(data + 2, size - 2, &kind);
        break;
    }
    return 0;
}
