/*
 * number: decimal text to numbers, exactly and without the process's locale.
 *
 * Nearly all floats in files have at most 19 digits and a small exponent. Those take one
 * multiplication or division by an exact power of ten (W. D. Clinger, How to read floating point
 * numbers accurately, 1990): in double where both operands are exact, else with the 64 bits of an
 * x87 register, where the result is kept unless it lies too near a tie to round twice. The rest
 * goes to strtod.
 */
#include "base/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DIGITS_MAX = 19,        /* of a decimal that always fits 64 bits */
    EXPONENT_MAX = 1000000, /* beyond it a decimal exponent changes nothing any more */
    SHORT_BYTES = 128       /* texts up to here are copied on the stack for strtod */
};

struct decimal {
    uint64_t digits;  /* the first DIGITS_MAX significant digits */
    int32_t exponent; /* of ten */
    bool negative;
    bool more; /* further digits that are not all zero */
};

enum mn_number mn_number_int(const void *text, size_t length, int64_t *value)
{
    const uint8_t *at = text, *end = at + length;
    bool negative = at < end && *at == '-';
    uint64_t sum = 0;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    bool over = false;

    if (at < end && (*at == '-' || *at == '+')) at++;
    if (at == end) return MN_NUMBER_BAD;
    for (; at < end; at++) {
        uint64_t digit = (uint64_t)*at - '0';
        if (digit > 9) return MN_NUMBER_BAD;
        if (sum > (limit - digit) / 10) over = true;
        sum = sum * 10 + digit;
    }
    if (over) return MN_NUMBER_RANGE;
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return MN_NUMBER_OK;
}

static const uint8_t *digits_take(const uint8_t *at, const uint8_t *end, struct decimal *d,
                                  int *seen)
{
    for (; at < end && (uint8_t)(*at - '0') <= 9; at++) {
        if (d->digits == 0 && *at == '0') continue;
        if (*seen < DIGITS_MAX) {
            d->digits = d->digits * 10 + (uint64_t)(*at - '0');
        } else {
            d->more = d->more || *at != '0';
        }
        if (*seen < EXPONENT_MAX) ++*seen;
    }
    return at;
}

static bool exponent_take(const uint8_t *at, const uint8_t *end, int64_t *exponent)
{
    bool negative = at < end && *at == '-';

    *exponent = 0;
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (at == end) return false;
    for (; at < end; at++) {
        if ((uint8_t)(*at - '0') > 9) return false;
        if (*exponent < EXPONENT_MAX) *exponent = *exponent * 10 + (*at - '0');
    }
    if (negative) *exponent = -*exponent;
    return true;
}

/* False: not a number of the grammar. */
static bool decimal_parse(const uint8_t *at, const uint8_t *end, struct decimal *d)
{
    int seen = 0;
    int64_t exponent = 0;

    *d = (struct decimal){.negative = at < end && *at == '-'};
    if (at < end && (*at == '-' || *at == '+')) at++;
    const uint8_t *whole = at;
    at = digits_take(at, end, d, &seen);
    size_t places = (size_t)(at - whole);
    int64_t shift = seen > DIGITS_MAX ? seen - DIGITS_MAX : 0;
    if (at < end && *at == '.') {
        const uint8_t *fraction = ++at;
        at = digits_take(at, end, d, &seen);
        places += (size_t)(at - fraction);
        /* Digits that were dropped count for the whole part only. */
        int64_t kept_shift = seen > DIGITS_MAX ? seen - DIGITS_MAX : 0;
        shift = kept_shift - (int64_t)(at - fraction);
    }
    if (places == 0) return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        if (!exponent_take(at + 1, end, &exponent)) return false;
        at = end;
    }
    exponent += shift;
    if (exponent > EXPONENT_MAX) exponent = EXPONENT_MAX;
    if (exponent < -EXPONENT_MAX) exponent = -EXPONENT_MAX;
    d->exponent = (int32_t)exponent;
    return at == end;
}

static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Both operands are exact doubles, so the one operation rounds correctly. */
static bool decimal_to_double_exact(const struct decimal *d, double *value)
{
    if (d->more || d->digits > (UINT64_C(1) << 53) || d->exponent > 22 || d->exponent < -22) {
        return false;
    }
    double result = (double)d->digits;
    if (d->exponent < 0) {
        result /= exact_powers[-d->exponent];
    } else {
        result *= exact_powers[d->exponent];
    }
    *value = d->negative ? -result : result;
    return true;
}

#if LDBL_MANT_DIG == 64
/*
 * 19 digits and powers up to 1e27 are exact in 64 bits. The operation's error is at most half a
 * unit of the 64th bit, so rounding again to 53 bits is right unless the 11 bits dropped are within
 * one of a tie.
 */
static bool decimal_to_double_extended(const struct decimal *d, double *value)
{
    int power = d->exponent < 0 ? -d->exponent : d->exponent;
    long double ten = 1e22L;
    uint64_t mantissa;

    if (d->more || d->digits == 0 || power > 27) return false;
    ten = power <= 22 ? (long double)exact_powers[power]
                      : 1e22L * (long double)exact_powers[power - 22];
    long double result =
        d->exponent < 0 ? (long double)d->digits / ten : (long double)d->digits * ten;
    memcpy(&mantissa, &result, sizeof mantissa); /* the low 8 bytes are the mantissa */
    uint64_t dropped = mantissa & 0x7ff;
    if (dropped >= 0x3ff && dropped <= 0x401) return false;
    *value = (double)(d->negative ? -result : result);
    return true;
}
#else
static bool decimal_to_double_extended(const struct decimal *d, double *value)
{
    (void)d;
    (void)value;
    return false;
}
#endif

static locale_t c_locale(void)
{
    static locale_t made;
    locale_t have = __atomic_load_n(&made, __ATOMIC_ACQUIRE);

    if (have) return have;
    locale_t fresh = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!fresh) return (locale_t)0;
    if (!__atomic_compare_exchange_n(&made, &have, fresh, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        freelocale(fresh);
        return have;
    }
    return fresh;
}

/* The text is known to be a number; strtod needs a zero behind it. */
static enum mn_number slow_parse(const void *text, size_t length, double *wide, float *narrow)
{
    char room[SHORT_BYTES];
    char *copy = length < sizeof room ? room : malloc(length + 1);
    locale_t locale = c_locale();

    if (!copy || !locale) {
        if (copy != room) free(copy);
        return MN_NUMBER_BAD;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    bool finite;
    if (wide) {
        *wide = strtod_l(copy, NULL, locale);
        finite = isfinite(*wide);
    } else {
        *narrow = strtof_l(copy, NULL, locale);
        finite = isfinite(*narrow);
    }
    if (copy != room) free(copy);
    return finite ? MN_NUMBER_OK : MN_NUMBER_RANGE;
}

static bool special_parse(const char *text, size_t length, double *value)
{
    bool negative = length > 0 && text[0] == '-';

    if (length > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        length--;
    }
    if (length == 3 && strncasecmp(text, "nan", 3) == 0) {
        *value = (double)NAN;
        return true;
    }
    if ((length == 3 && strncasecmp(text, "inf", 3) == 0) ||
        (length == 8 && strncasecmp(text, "infinity", 8) == 0)) {
        *value = negative ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    return false;
}

enum mn_number mn_number_double(const void *text, size_t length, double *value)
{
    const uint8_t *at = text;
    struct decimal decimal;

    if (!decimal_parse(at, at + length, &decimal)) {
        return special_parse(text, length, value) ? MN_NUMBER_OK : MN_NUMBER_BAD;
    }
    if (decimal_to_double_exact(&decimal, value)) return MN_NUMBER_OK;
    if (decimal_to_double_extended(&decimal, value)) return MN_NUMBER_OK;
    return slow_parse(text, length, value, NULL);
}

/* Rounding a double again is right unless it lies within one of a tie between two floats. */
static bool double_to_float_safe(double value, float *out)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    uint64_t dropped = bits & 0x1fffffff;
    if (dropped >= 0x0fffffff && dropped <= 0x10000001) return false;
    double size = fabs(value);
    if (size != 0 && (size < (double)FLT_MIN || size > (double)FLT_MAX)) return false;
    *out = (float)value;
    return true;
}

enum mn_number mn_number_float(const void *text, size_t length, float *value)
{
    const uint8_t *at = text;
    struct decimal decimal;
    double wide = 0;

    if (!decimal_parse(at, at + length, &decimal)) {
        if (!special_parse(text, length, &wide)) return MN_NUMBER_BAD;
        *value = (float)wide;
        return MN_NUMBER_OK;
    }
    if ((decimal_to_double_exact(&decimal, &wide) || decimal_to_double_extended(&decimal, &wide)) &&
        double_to_float_safe(wide, value)) {
        return MN_NUMBER_OK;
    }
    return slow_parse(text, length, NULL, value);
}
