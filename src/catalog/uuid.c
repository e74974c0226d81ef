/*
 * uuid: texts of uuids, and the making of version 7.
 */
#include <pthread.h>
#include <stdio.h>

#include "catalog/value.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

enum mn_status mn_uuid_parse(const char *text, size_t length, uint8_t uuid[16])
{
    const char *at = text, *end = text + length;
    size_t n = 0;

    if (length >= 2 && *at == '{' && end[-1] == '}') {
        at++;
        end--;
    }
    while (at < end && n < 16) {
        int high = hex_digit(at[0]), low = end - at > 1 ? hex_digit(at[1]) : -1;

        if (high < 0 || low < 0) break;
        uuid[n++] = (uint8_t)(high << 4 | low);
        at += 2;
        if (at < end && *at == '-' && n % 2 == 0 && n < 16) at++;
    }
    if (n == 16 && at == end) return MN_OK;
    mn_fail(MN_TYPE, "'%.*s' is no UUID", length > 40 ? 40 : (int)length, text);
    return mn_hint("a uuid is 32 hex digits: 00000000-0000-0000-0000-000000000000");
}

size_t mn_uuid_format(const uint8_t uuid[16], char text[MN_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    size_t length = 0;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text[length++] = '-';
        text[length++] = digits[uuid[i] >> 4];
        text[length++] = digits[uuid[i] & 15];
    }
    text[length] = '\0';
    return length;
}

/*
 * 48 bits of milliseconds | version | 12 bits of counter | variant | 62 random bits. Within one
 * millisecond the counter goes up from a random start below half of its range; when it is spent the
 * time is taken one millisecond ahead of the clock. A clock that goes back is not followed.
 */
static pthread_mutex_t uuid7_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t uuid7_ms, uuid7_counter;

enum mn_status mn_uuid7(int64_t now_us, const uint8_t random[10], uint8_t uuid[16])
{
    uint64_t ms, counter, start = ((uint64_t)random[0] << 8 | random[1]) & 0x7ff;

    if (now_us < 0) return mn_fail(MN_RANGE, "uuid7() needs a clock past 1970");
    pthread_mutex_lock(&uuid7_lock);
    if ((uint64_t)now_us / 1000 > uuid7_ms) {
        uuid7_ms = (uint64_t)now_us / 1000;
        uuid7_counter = start;
    } else if (++uuid7_counter > 0xfff) {
        uuid7_ms++;
        uuid7_counter = start;
    }
    ms = uuid7_ms;
    counter = uuid7_counter;
    pthread_mutex_unlock(&uuid7_lock);

    for (int i = 0; i < 6; i++) uuid[i] = (uint8_t)(ms >> (40 - 8 * i));
    uuid[6] = (uint8_t)(0x70 | counter >> 8);
    uuid[7] = (uint8_t)counter;
    memcpy(uuid + 8, random + 2, 8);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    return MN_OK;
}
