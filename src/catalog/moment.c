/*
 * moment: timestamps and durations as text.
 */
#include <inttypes.h>
#include <stdio.h>

#include "catalog/scan.h"
#include "catalog/value.h"

enum { ERROR_TEXT_MAX = 40 };

static const int64_t us_per_second = 1000000, us_per_day = INT64_C(86400000000);

static int shown(size_t length)
{
    return length > ERROR_TEXT_MAX ? ERROR_TEXT_MAX : (int)length;
}

/* ---- the calendar: proleptic Gregorian, days since 1970-01-01 ---- */

/* Years begin in March here, so that the leap day is the last of its year. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;

    *day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

static int month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* ---- timestamps ---- */

static int two_digits(const char *at)
{
    return (at[0] - '0') * 10 + at[1] - '0';
}

static int64_t year_read(const char *at, const char *end)
{
    bool negative = *at == '-';
    int64_t year = 0;

    for (at += negative; at < end; at++) year = year * 10 + (*at - '0');
    return negative ? -year : year;
}

/* Digits after the point as microseconds; more than six round, half up. */
static int64_t fraction_read(const char *at, const char *end)
{
    int64_t us = 0;
    int digits = 0;

    for (; at < end && digits < 6; at++, digits++) us = us * 10 + (*at - '0');
    for (; digits < 6; digits++) us *= 10;
    return us + (at < end && *at >= '5');
}

/* Minutes east of UTC; false: out of range. */
static bool zone_read(const char *zone, const char *end, int *minutes)
{
    int hours, rest = 0;

    *minutes = 0;
    if (*zone != '+' && *zone != '-') return true;
    hours = two_digits(zone + 1);
    if (end - zone > 3) rest = two_digits(end - 2);
    *minutes = (hours * 60 + rest) * (*zone == '-' ? -1 : 1);
    return hours <= 15 && rest <= 59;
}

enum mn_status mn_timestamp_parse(const char *text, size_t length, int64_t *us)
{
    struct mn_timestamp_parts parts;
    int64_t year, days, sum;
    int month, day, hour = 0, minute = 0, second = 0, zone = 0;

    if (!mn_timestamp_scan(text, length, &parts)) {
        mn_fail(MN_TYPE, "'%.*s' is no TIMESTAMP", shown(length), text);
        return mn_hint("write 2026-11-20, 2026-11-20T08:30:00Z or 2026-11-20 08:30:00.5+01:00");
    }
    year = year_read(text, parts.day - 4);
    month = two_digits(parts.day - 3);
    day = two_digits(parts.day);
    if (parts.time) {
        hour = two_digits(parts.time);
        minute = two_digits(parts.time + 3);
    }
    if (parts.seconds) second = two_digits(parts.seconds);
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month)) {
        return mn_fail(MN_RANGE, "'%.*s': there is no such day", shown(length), text);
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return mn_fail(MN_RANGE, "'%.*s': the time of day ends at 23:59:59.999999", shown(length),
                       text);
    }
    if (parts.zone && !zone_read(parts.zone, text + length, &zone)) {
        return mn_fail(MN_RANGE, "'%.*s': no zone is that far from UTC", shown(length), text);
    }
    sum = ((hour * 60 + minute - zone) * INT64_C(60) + second) * us_per_second;
    if (parts.fraction) sum += fraction_read(parts.fraction, parts.fraction_end);
    days = days_from_date(year, month, day);
    if (days < 0) { /* the first day of all begins before INT64_MIN */
        days++;
        sum -= us_per_day;
    }
    if (__builtin_mul_overflow(days, us_per_day, us) || __builtin_add_overflow(*us, sum, us)) {
        return mn_fail(MN_RANGE, "'%.*s' is beyond TIMESTAMP", shown(length), text);
    }
    return MN_OK;
}

size_t mn_timestamp_format(int64_t us, char text[MN_TIMESTAMP_TEXT])
{
    int64_t days = us / us_per_day, rest = us % us_per_day, year;
    int month, day, length;

    if (rest < 0) {
        rest += us_per_day;
        days--;
    }
    date_from_days(days, &year, &month, &day);
    length = snprintf(text, MN_TIMESTAMP_TEXT, "%s%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%06dZ",
                      year < 0 ? "-" : "", year < 0 ? -year : year, month, day,
                      (int)(rest / (3600 * us_per_second)), (int)(rest / (60 * us_per_second) % 60),
                      (int)(rest / us_per_second % 60), (int)(rest % us_per_second));
    return (size_t)length;
}

/* ---- durations ---- */

static const struct {
    const char *name;
    int64_t us;
} units[] = {
    {"w", INT64_C(604800000000)}, {"d", INT64_C(86400000000)}, {"h", INT64_C(3600000000)},
    {"m", INT64_C(60000000)},     {"s", INT64_C(1000000)},     {"ms", INT64_C(1000)},
    {"us", INT64_C(1)},
};

enum { UNITS = sizeof units / sizeof units[0] };

/* The place of a unit's token in the table, or -1. */
static int unit_find(enum mn_duration_token token, bool names)
{
    if (token >= MN_DURATION_W && token <= MN_DURATION_US) return (int)(token - MN_DURATION_W);
    if (names && token >= MN_DURATION_WEEKS && token <= MN_DURATION_MICROSECONDS) {
        return (int)(token - MN_DURATION_WEEKS);
    }
    return -1;
}

static enum mn_status duration_wrong(const char *text, size_t length, enum mn_duration_token token)
{
    mn_fail(MN_TYPE, "'%.*s' is no DURATION", shown(length), text);
    if (token == MN_DURATION_CALENDAR) return mn_hint("months and years differ; write 30d or 365d");
    return mn_hint("write whole numbers with w d h m s ms us, largest first, as in 1h30m");
}

/* One number with its unit; *last is the unit before, UNITS nothing. */
struct duration_reader {
    const char *text, *at, *end;
    size_t length;
    bool names;     /* full names and blanks are accepted */
    int last;       /* the unit before, -1 at first */
    uint64_t total; /* magnitude */
};

static enum mn_duration_token token_next(struct duration_reader *reader)
{
    enum mn_duration_token token = mn_duration_scan(&reader->at, reader->end);

    while (reader->names && token == MN_DURATION_BLANK) {
        token = mn_duration_scan(&reader->at, reader->end);
    }
    return token;
}

static enum mn_status duration_term(struct duration_reader *reader, const char *number)
{
    const char *number_end = reader->at;
    enum mn_duration_token token = token_next(reader);
    int unit = unit_find(token, reader->names);
    uint64_t n = 0, us;

    if (unit < 0 || unit <= reader->last) {
        return duration_wrong(reader->text, reader->length, token);
    }
    for (; number < number_end; number++) {
        if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
            __builtin_add_overflow(n, (uint64_t)(*number - '0'), &n)) {
            n = UINT64_MAX;
            break;
        }
    }
    if (__builtin_mul_overflow(n, (uint64_t)units[unit].us, &us) ||
        __builtin_add_overflow(reader->total, us, &reader->total)) {
        return mn_fail(MN_RANGE, "'%.*s' is beyond DURATION", shown(reader->length), reader->text);
    }
    reader->last = unit;
    return MN_OK;
}

static enum mn_status duration_parse(const char *text, size_t length, bool names, int64_t *us)
{
    struct duration_reader reader = {.text = text,
                                     .at = text,
                                     .end = text + length,
                                     .length = length,
                                     .names = names,
                                     .last = -1};
    enum mn_duration_token token = token_next(&reader);
    bool negative = token == MN_DURATION_SIGN && reader.at[-1] == '-';

    if (token == MN_DURATION_SIGN) token = token_next(&reader);
    while (token == MN_DURATION_NUMBER) {
        const char *number = reader.at;
        enum mn_status status;

        while (number > text && number[-1] >= '0' && number[-1] <= '9') number--;
        status = duration_term(&reader, number);
        if (status != MN_OK) return status;
        token = token_next(&reader);
    }
    if (token != MN_DURATION_END || reader.last < 0) return duration_wrong(text, length, token);
    if (reader.total > (uint64_t)INT64_MAX + negative) {
        return mn_fail(MN_RANGE, "'%.*s' is beyond DURATION", shown(length), text);
    }
    *us = (int64_t)(negative ? 0 - reader.total : reader.total);
    return MN_OK;
}

enum mn_status mn_duration_parse(const char *text, size_t length, int64_t *us)
{
    return duration_parse(text, length, false, us);
}

enum mn_status mn_interval_parse(const char *text, size_t length, int64_t *us)
{
    return duration_parse(text, length, true, us);
}

/* Days are the largest unit: 7d, not 1w. */
size_t mn_duration_format(int64_t us, char text[MN_DURATION_TEXT])
{
    uint64_t rest = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    size_t length = 0;

    if (us == 0) return (size_t)snprintf(text, MN_DURATION_TEXT, "0s");
    if (us < 0) text[length++] = '-';
    for (int i = 1; i < UNITS; i++) {
        uint64_t n = rest / (uint64_t)units[i].us;

        rest %= (uint64_t)units[i].us;
        if (n == 0) continue;
        length += (size_t)snprintf(text + length, MN_DURATION_TEXT - length, "%" PRIu64 "%s", n,
                                   units[i].name);
    }
    return length;
}
