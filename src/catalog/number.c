/*
 * number: INT and FLOAT to text and back, the same in every locale.
 *
 * A FLOAT prints as the fewest digits that read back as the same bits. Most doubles that people
 * write are m / 10^k with m below 2^53: then the division is exact where reading the text would be,
 * and the least such k gives the digits. All others go through the C library.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/number.h"
#include "catalog/value.h"

enum { EXACT_POWER_MAX = 22, DIGITS_MAX = 17, ERROR_TEXT_MAX = 40 };

/* Powers of ten that a double holds exactly. */
static const double power_of_ten[EXACT_POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* ---- reading ---- */

static int shown(size_t length)
{
    return length > ERROR_TEXT_MAX ? ERROR_TEXT_MAX : (int)length;
}

static enum mn_status number_status(enum mn_number answer, const char *what, const char *text,
                                    size_t length)
{
    if (answer == MN_NUMBER_OK) return MN_OK;
    if (answer == MN_NUMBER_RANGE) {
        return mn_fail(MN_RANGE, "'%.*s' is beyond %s", shown(length), text, what);
    }
    return mn_fail(MN_TYPE, "'%.*s' is no %s", shown(length), text, what);
}

enum mn_status mn_int_parse(const char *text, size_t length, int64_t *i)
{
    return number_status(mn_number_int(text, length, i), "INT", text, length);
}

enum mn_status mn_float_parse(const char *text, size_t length, double *f)
{
    return number_status(mn_number_double(text, length, f), "FLOAT", text, length);
}

enum mn_status mn_float_to_int(double f, int64_t *i)
{
    double whole = rint(f); /* the default rounding mode is half to even */

    if (isnan(f)) return mn_fail(MN_RANGE, "NaN is no INT");
    if (!(whole >= -0x1p63 && whole < 0x1p63)) {
        char text[32];

        mn_float_format(f, text);
        return mn_fail(MN_RANGE, "%s is beyond INT", text);
    }
    *i = (int64_t)whole;
    return MN_OK;
}

/* ---- writing ---- */

/* digits d1 d2 d3 ... mean d1.d2d3... times 10 to the exponent */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int count, exponent;
};

static void decimal_strip(struct decimal *decimal)
{
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0') decimal->count--;
}

static void decimal_from_int(struct decimal *decimal, uint64_t m, int decimals)
{
    char reversed[20];
    int count = 0;

    for (; m; m /= 10) reversed[count++] = (char)('0' + m % 10);
    MN_ASSERT(count >= 1 && count <= DIGITS_MAX);
    for (int i = 0; i < count; i++) decimal->digits[i] = reversed[count - 1 - i];
    decimal->count = count;
    decimal->exponent = count - 1 - decimals;
    decimal_strip(decimal);
}

/* True where the digits read back as f; `single` reads an f32. */
static bool reads_back(double read, double f, bool single)
{
    return single ? (float)read == (float)f : read == f;
}

static bool decimal_short(double f, bool single, struct decimal *decimal)
{
    for (int k = 0; k <= EXACT_POWER_MAX; k++) {
        double scaled = f * power_of_ten[k];
        uint64_t m;

        if (scaled >= 0x1p53) return false;
        m = (uint64_t)(scaled + 0.5);
        if (m && reads_back((double)m / power_of_ten[k], f, single)) {
            decimal_from_int(decimal, m, k);
            return true;
        }
    }
    return false;
}

/* The C library's digits, without trust in its decimal point. */
static void decimal_print(struct decimal *decimal, int count, double f)
{
    char text[40];
    const char *at = text;

    snprintf(text, sizeof text, "%.*e", count - 1, f);
    decimal->count = 0;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') decimal->digits[decimal->count++] = *at;
    }
    decimal->exponent = atoi(at + 1);
}

static char *int_put(char *to, int value)
{
    char reversed[12];
    int count = 0;

    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) *to++ = reversed[--count];
    return to;
}

static bool decimal_reads_back(const struct decimal *decimal, double f, bool single)
{
    int exponent = decimal->exponent - decimal->count + 1;
    char text[40], *to = text;
    double read;

    memcpy(to, decimal->digits, (size_t)decimal->count);
    to += decimal->count;
    *to++ = 'e';
    if (exponent < 0) *to++ = '-';
    to = int_put(to, exponent < 0 ? -exponent : exponent);
    return mn_number_double(text, (size_t)(to - text), &read) == MN_NUMBER_OK &&
           reads_back(read, f, single);
}

/* The next decimal above, of as many digits: at a power of two the nearest one may lie below f,
 * where doubles are twice as dense, and not read back where the next one does. */
static bool decimal_step(struct decimal *decimal)
{
    for (int i = decimal->count - 1; i >= 0; i--) {
        if (decimal->digits[i] != '9') {
            decimal->digits[i]++;
            return true;
        }
        decimal->digits[i] = '0';
    }
    return false;
}

static void decimal_find(double f, bool single, struct decimal *decimal)
{
    int most = single ? 9 : DIGITS_MAX;

    if (decimal_short(f, single, decimal)) return;
    for (int count = single || f < 0x1p-1022 ? 1 : 15; count < most; count++) {
        decimal_print(decimal, count, f);
        if (decimal_reads_back(decimal, f, single) ||
            (decimal_step(decimal) && decimal_reads_back(decimal, f, single))) {
            decimal_strip(decimal);
            return;
        }
    }
    decimal_print(decimal, most, f);
    decimal_strip(decimal);
}

static char *bytes_put(char *to, const char *bytes, int count)
{
    memcpy(to, bytes, (size_t)count);
    return to + count;
}

static char *zeros_put(char *to, int count)
{
    memset(to, '0', (size_t)count);
    return to + count;
}

/* Positional from 0.00001 to 10^16, else 1.5e+300. */
static size_t decimal_write(const struct decimal *decimal, bool negative, char text[32])
{
    const char *digits = decimal->digits;
    int n = decimal->count, e = decimal->exponent;
    char *to = text;

    if (negative) *to++ = '-';
    if (e < -5 || e > 15) {
        *to++ = digits[0];
        if (n > 1) *to++ = '.';
        to = bytes_put(to, digits + 1, n - 1);
        *to++ = 'e';
        *to++ = e < 0 ? '-' : '+';
        if (e > -10 && e < 10) *to++ = '0';
        to = int_put(to, e < 0 ? -e : e);
    } else if (e < 0) {
        to = bytes_put(to, "0.", 2);
        to = zeros_put(to, -e - 1);
        to = bytes_put(to, digits, n);
    } else if (n <= e + 1) {
        to = bytes_put(to, digits, n);
        to = zeros_put(to, e + 1 - n);
        to = bytes_put(to, ".0", 2);
    } else {
        to = bytes_put(to, digits, e + 1);
        *to++ = '.';
        to = bytes_put(to, digits + e + 1, n - e - 1);
    }
    *to = '\0';
    return (size_t)(to - text);
}

static size_t number_format(double f, bool single, char text[32])
{
    struct decimal decimal;

    if (isnan(f)) return (size_t)snprintf(text, 32, "NaN");
    if (isinf(f)) return (size_t)snprintf(text, 32, f < 0 ? "-Infinity" : "Infinity");
    if (f == 0) return (size_t)snprintf(text, 32, signbit(f) ? "-0.0" : "0.0");
    decimal_find(fabs(f), single, &decimal);
    return decimal_write(&decimal, f < 0, text);
}

size_t mn_float_format(double f, char text[32])
{
    return number_format(f, false, text);
}

size_t mn_float32_format(float f, char text[32])
{
    return number_format((double)f, true, text);
}
