/*
 * text: UTF-8, and its case.
 */
#include "catalog/text.h"

/* Bytes of the code point at `at`, 0 where it is not UTF-8 (overlong, surrogate, past U+10FFFF,
 * cut). */
static size_t utf8_length(const uint8_t *at, const uint8_t *end)
{
    size_t room = (size_t)(end - at);
    uint8_t a = at[0], b = room > 1 ? at[1] : 0;

    if (a < 0x80) return 1;
    if (a < 0xc2 || a > 0xf4 || (b & 0xc0) != 0x80) return 0;
    if (a < 0xe0) return 2;
    if (room < 3 || (at[2] & 0xc0) != 0x80) return 0;
    if (a < 0xf0) return (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ? 0 : 3;
    if (room < 4 || (at[3] & 0xc0) != 0x80) return 0;
    return (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f) ? 0 : 4;
}

/* A high bit where one of the eight bytes is NUL or not ASCII. */
static inline uint64_t strange_bytes(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return (word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080);
}

enum { LANES = 16 };
typedef int8_t lanes __attribute__((vector_size(LANES)));

/* Is one of the bytes NUL or not ASCII: below 1, as a signed number? */
static inline bool lanes_are_strange(const uint8_t *at, size_t count)
{
    lanes strange = {0};
    uint64_t words[2];

    for (size_t i = 0; i < count; i++) {
        lanes bytes;

        memcpy(&bytes, at + LANES * i, sizeof bytes);
        strange |= bytes < 1;
    }
    memcpy(words, &strange, sizeof words);
    return (words[0] | words[1]) != 0;
}

/* Some bytes at once, while they are ASCII and none is NUL. */
static size_t ascii_run(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *begin = at;

    while (end - at >= 4 * LANES && !lanes_are_strange(at, 4)) at += 4 * LANES;
    while (end - at >= LANES && !lanes_are_strange(at, 1)) at += LANES;
    while (end - at >= 8 && strange_bytes(at) == 0) at += 8;
    /* The rest once more with what was before it. */
    if (end - at < 8 && end - begin >= 8 && strange_bytes(end - 8) == 0) at = end;
    return (size_t)(at - begin);
}

/* All of a short text at once, its end twice: there is nothing to find out but in the rare case. */
static bool is_plain(const uint8_t *at, size_t length)
{
    if (length >= 4 * LANES) {
        for (size_t i = 0; i + 4 * LANES < length; i += 4 * LANES) {
            if (lanes_are_strange(at + i, 4)) return false;
        }
        return !lanes_are_strange(at + length - 4 * LANES, 4);
    }
    if (length < LANES) return false;
    for (size_t i = 0; i + LANES < length; i += LANES) {
        if (lanes_are_strange(at + i, 1)) return false;
    }
    return !lanes_are_strange(at + length - LANES, 1);
}

bool mn_utf8_check(const char *text, size_t length, size_t *bad)
{
    const uint8_t *begin = (const uint8_t *)text, *at = begin, *end = begin + length;

    if (is_plain(begin, length)) return true;

    while (at < end) {
        size_t n = ascii_run(at, end);

        if (n == 0) n = *at ? utf8_length(at, end) : 0;
        if (n == 0) {
            *bad = (size_t)(at - begin);
            return false;
        }
        at += n;
    }
    return true;
}

size_t mn_utf8_decode(const char *text, const char *end, uint32_t *c)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t n = utf8_length(at, (const uint8_t *)end);

    switch (n) {
    case 2: *c = (uint32_t)(at[0] & 0x1f) << 6 | (at[1] & 0x3f); return 2;
    case 3:
        *c = (uint32_t)(at[0] & 0x0f) << 12 | (uint32_t)(at[1] & 0x3f) << 6 | (at[2] & 0x3f);
        return 3;
    case 4:
        *c = (uint32_t)(at[0] & 0x07) << 18 | (uint32_t)(at[1] & 0x3f) << 12 |
             (uint32_t)(at[2] & 0x3f) << 6 | (at[3] & 0x3f);
        return 4;
    default: *c = at[0]; return 1;
    }
}

size_t mn_utf8_encode(uint32_t c, char bytes[4])
{
    uint8_t *at = (uint8_t *)bytes;

    if (c < 0x80) {
        at[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        at[0] = (uint8_t)(0xc0 | c >> 6);
        at[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        at[0] = (uint8_t)(0xe0 | c >> 12);
        at[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        at[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    at[0] = (uint8_t)(0xf0 | (c >> 18 & 0x07));
    at[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    at[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    at[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

size_t mn_utf8_count(const char *text, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++) count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

size_t mn_utf8_offset(const char *text, size_t length, size_t n)
{
    size_t i = 0;

    for (; i < length; i++) {
        if (((uint8_t)text[i] & 0xc0) != 0x80 && n-- == 0) break;
    }
    return i;
}

enum mn_status mn_text_map(const char *text, size_t length, uint32_t (*map)(uint32_t),
                           struct mn_buf *out)
{
    const char *at = text, *end = text + length;
    enum mn_status status = mn_buf_reserve(out, length);

    while (status == MN_OK && at < end) {
        char bytes[4];
        uint32_t c;

        at += mn_utf8_decode(at, end, &c);
        status = mn_buf_append(out, bytes, mn_utf8_encode(map(c), bytes));
    }
    return status;
}
