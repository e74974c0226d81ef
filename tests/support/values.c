/*
 * values: random values for tests.
 */
#include "support/values.h"

#include <math.h>

#include "catalog/list.h"
#include "support/test.h"

static int64_t random_int(uint64_t *random)
{
    uint64_t word = test_random(random);

    switch (word >> 60 & 3) {
    case 0: return (int64_t)(word & 7) - 3;
    case 1: return (int64_t)(word & 0xffff) - 0x8000;
    case 2: return (int64_t)((UINT64_C(1) << (word >> 8 & 63)) - (word & 1));
    default: return (int64_t)test_random(random);
    }
}

static double random_float(uint64_t *random)
{
    static const double odd[] = {0.0,   -0.0, (double)NAN, (double)INFINITY, -(double)INFINITY,
                                 1e-310};
    uint64_t word = test_random(random);
    double f;

    switch (word >> 60 & 3) {
    case 0: return odd[(word >> 8) % 6];
    case 1: return (double)random_int(random);
    case 2: return (double)(int64_t)(word & 63) / 8 - 4;
    default:
        word = test_random(random);
        memcpy(&f, &word, sizeof f);
        return f;
    }
}

static struct mn_value random_bytes(struct mn_arena *arena, uint8_t type, uint64_t *random)
{
    static const char *const pieces[] = {"a", "b", "\x7f", "\xc3\xa9", "\xf0\x9f\x98\x80", "ab"};
    uint64_t word = test_random(random);
    size_t count = word >> 50 & 7, size = 0;
    char *bytes;

    if ((word & 63) == 0) count += 40;
    bytes = mn_arena_alloc(arena, count * 4);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++) {
        word = test_random(random);
        if (type == MN_TYPE_BLOB) {
            bytes[size++] = "\x00\x01\xff\xfe"[word >> 20 & 3];
        } else {
            const char *piece = pieces[(word >> 20) % 6];

            memcpy(bytes + size, piece, strlen(piece));
            size += strlen(piece);
        }
    }
    return mn_bytes_value((enum mn_type)type, bytes, size);
}

static struct mn_value random_list(struct mn_arena *arena, const struct mn_kind *kind, bool nulls,
                                   uint64_t *random)
{
    struct mn_kind elem = {.type = kind->elem};
    struct mn_value values[4], list;
    uint32_t count = (uint32_t)(test_random(random) >> 30 & 3);

    for (uint32_t i = 0; i < count; i++) values[i] = test_value(arena, &elem, nulls, random);
    assert_int_equal(mn_list_make(arena, kind->elem, values, count, &list), MN_OK);
    return list;
}

struct mn_value test_value(struct mn_arena *arena, const struct mn_kind *kind, bool nulls,
                           uint64_t *random)
{
    static const char *const jsons[] = {"1", "1.0", "{\"a\": 1}", "[1, null]", "\"x\"", "null"};
    struct mn_value value = {.type = kind->type};
    float *elements;

    if (nulls && (test_random(random) >> 40 & 7) == 0) return mn_null();
    switch ((enum mn_type)kind->type) {
    case MN_TYPE_NULL: break;
    case MN_TYPE_BOOL: value.b = test_random(random) >> 40 & 1; break;
    case MN_TYPE_INT:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION: value.i = random_int(random); break;
    case MN_TYPE_FLOAT: value.f = random_float(random); break;
    case MN_TYPE_UUID:
        for (int i = 0; i < 16; i++) value.uuid[i] = test_random(random) >> 40 & 1 ? 0xff : 0;
        break;
    case MN_TYPE_TEXT:
    case MN_TYPE_BLOB: return random_bytes(arena, kind->type, random);
    case MN_TYPE_JSON:
        value.p = jsons[(test_random(random) >> 20) % 6];
        value.size = (uint32_t)strlen(value.p);
        break;
    case MN_TYPE_LIST: return random_list(arena, kind, nulls, random);
    case MN_TYPE_VECTOR:
        elements = mn_arena_alloc(arena, kind->dims * sizeof *elements);
        assert_non_null(elements);
        for (uint32_t i = 0; i < kind->dims; i++) {
            elements[i] = (float)((int)(test_random(random) >> 40 & 31) - 15) / 4;
        }
        return mn_vector(elements, kind->dims);
    }
    return value;
}
