/*
 * func_time: moments and durations, in microseconds since 1970-01-01T00:00:00Z.
 */
#include <math.h>

#include "query/func.h"

static const int64_t second_us = 1000000, day_us = INT64_C(86400000000);
/* Buckets are counted from Monday 2000-01-03T00:00:00Z, so that weeks begin on Mondays. */
static const int64_t bucket_origin_us = INT64_C(946857600000000);

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t quotient = a / b;

    return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

static enum mn_status out_of_range(void)
{
    return mn_fail(MN_RANGE, "the moment is outside of what a TIMESTAMP holds");
}

/* Days since 1970-01-01 to a date of the Gregorian calendar, by the arithmetic of eras of 400
 * years. */
struct date {
    int64_t year;
    int32_t month, day; /* from 1 */
};

static struct date date_of(int64_t days)
{
    int64_t shifted = days + 719468, era = floor_div(shifted, 146097);
    int64_t in_era = shifted - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153;
    struct date date = {.day = (int32_t)(in_year - (153 * month + 2) / 5 + 1)};

    date.month = (int32_t)(month < 10 ? month + 3 : month - 9);
    date.year = year + era * 400 + (date.month <= 2);
    return date;
}

static int64_t days_of(struct date date)
{
    int64_t year = date.year - (date.month <= 2), era = floor_div(year, 400);
    int64_t in_era = year - era * 400;
    int64_t in_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static enum mn_status call_now(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                               struct mn_value *out)
{
    (void)a, (void)n;
    *out = mn_timestamp(eval->now_us);
    return MN_OK;
}

static enum mn_status call_bucket(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                  struct mn_value *out)
{
    int64_t width = a[0].i, origin = n > 2 ? a[2].i : bucket_origin_us, since, start;

    (void)eval;
    if (width <= 0) return mn_fail(MN_RANGE, "time_bucket: the width must be above zero");
    if (__builtin_sub_overflow(a[1].i, origin, &since)) return out_of_range();
    if (__builtin_mul_overflow(floor_div(since, width), width, &start)) return out_of_range();
    if (__builtin_add_overflow(start, origin, &start)) return out_of_range();
    *out = mn_timestamp(start);
    return MN_OK;
}

/* -- parts ------------------------------------------------------------------------------------- */

enum part {
    PART_MICROSECONDS,
    PART_MILLISECONDS,
    PART_SECOND,
    PART_MINUTE,
    PART_HOUR,
    PART_DAY,
    PART_WEEK,
    PART_MONTH,
    PART_QUARTER,
    PART_YEAR,
    PART_DOW,
    PART_DOY,
    PART_EPOCH,
    PART_COUNT
};

static const char *const part_names[PART_COUNT] = {
    "microseconds", "milliseconds", "second", "minute", "hour", "day",  "week",
    "month",        "quarter",      "year",   "dow",    "doy",  "epoch"};

static enum mn_status part_parse(const struct mn_value *text, enum part *part)
{
    const char *name = text->p;

    for (int i = 0; i < PART_COUNT; i++) {
        size_t length = strlen(part_names[i]), k = 0;

        while (k < length && k < text->size && (name[k] | 0x20) == part_names[i][k]) k++;
        if (k != length) continue;
        /* The plural is the same part. */
        if (text->size == length || (text->size == length + 1 && (name[length] | 0x20) == 's')) {
            *part = (enum part)i;
            return MN_OK;
        }
    }
    mn_fail(MN_ERROR, "no part of a time is called '%.*s'",
            (int)(text->size < 40 ? text->size : 40), name);
    return mn_hint("microseconds, milliseconds, second, minute, hour, day, week, month, quarter, "
                   "year, dow, doy, epoch");
}

static int64_t unit_us(enum part part)
{
    switch (part) {
    case PART_MICROSECONDS: return 1;
    case PART_MILLISECONDS: return 1000;
    case PART_SECOND: return second_us;
    case PART_MINUTE: return 60 * second_us;
    case PART_HOUR: return 3600 * second_us;
    case PART_DAY: return day_us;
    case PART_WEEK: return 7 * day_us;
    case PART_MONTH:
    case PART_QUARTER:
    case PART_YEAR:
    case PART_DOW:
    case PART_DOY:
    case PART_EPOCH:
    case PART_COUNT: break;
    }
    return 0;
}

static enum mn_status call_trunc(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    enum part part;
    struct date date;
    int64_t unit, origin, start;
    enum mn_status status = part_parse(&a[0], &part);

    (void)n, (void)eval;
    if (status != MN_OK) return status;
    unit = unit_us(part);
    if (unit > 0) {
        origin = part == PART_WEEK ? bucket_origin_us : 0;
        if (__builtin_sub_overflow(a[1].i, origin, &start)) return out_of_range();
        if (__builtin_mul_overflow(floor_div(start, unit), unit, &start)) return out_of_range();
        *out = mn_timestamp(start + origin);
        return MN_OK;
    }
    if (part != PART_MONTH && part != PART_QUARTER && part != PART_YEAR) {
        return mn_fail(MN_ERROR, "date_trunc cannot cut to %s", part_names[part]);
    }
    date = date_of(floor_div(a[1].i, day_us));
    date.day = 1;
    if (part == PART_QUARTER) date.month = (date.month - 1) / 3 * 3 + 1;
    if (part == PART_YEAR) date.month = 1;
    if (__builtin_mul_overflow(days_of(date), day_us, &start)) return out_of_range();
    *out = mn_timestamp(start);
    return MN_OK;
}

/* The week of ISO 8601: the one that holds the year's first Thursday is week 1. */
static int64_t iso_week(int64_t days)
{
    int64_t from_monday = days + 3 - floor_div(days + 3, 7) * 7; /* 1970-01-01 was a Thursday */
    int64_t thursday = days - from_monday + 3;
    struct date first = date_of(thursday);

    first.month = first.day = 1;
    return (thursday - days_of(first)) / 7 + 1;
}

static double part_of(enum part part, int64_t us)
{
    int64_t days = floor_div(us, day_us), in_day = us - days * day_us;
    struct date date = date_of(days), first = date;

    first.month = first.day = 1;
    switch (part) {
    case PART_MICROSECONDS: return (double)(in_day % (60 * second_us));
    case PART_MILLISECONDS: return (double)(in_day % (60 * second_us)) / 1e3;
    case PART_SECOND: return (double)(in_day % (60 * second_us)) / 1e6;
    case PART_MINUTE: return (double)(in_day / (60 * second_us) % 60);
    case PART_HOUR: return (double)(in_day / (3600 * second_us));
    case PART_DAY: return date.day;
    case PART_WEEK: return (double)iso_week(days);
    case PART_MONTH: return date.month;
    case PART_QUARTER: return (date.month - 1) / 3 + 1;
    case PART_YEAR: return (double)date.year;
    case PART_DOW: return (double)(days + 4 - floor_div(days + 4, 7) * 7); /* Sunday is 0 */
    case PART_DOY: return (double)(days - days_of(first) + 1);
    case PART_EPOCH:
    case PART_COUNT: break;
    }
    return (double)us / 1e6;
}

static enum mn_status call_part(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                struct mn_value *out)
{
    enum part part;
    enum mn_status status = part_parse(&a[0], &part);

    (void)n, (void)eval;
    if (status == MN_OK) *out = mn_float(part_of(part, a[1].i));
    return status;
}

/* -- arithmetic -------------------------------------------------------------------------------- */

static enum mn_status call_age(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                               struct mn_value *out)
{
    int64_t later = n > 1 ? a[0].i : eval->now_us, earlier = n > 1 ? a[1].i : a[0].i, age;

    if (__builtin_sub_overflow(later, earlier, &age)) return out_of_range();
    *out = mn_duration(age);
    return MN_OK;
}

static enum mn_status call_add(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                               struct mn_value *out)
{
    int64_t sum;

    (void)n, (void)eval;
    if (__builtin_add_overflow(a[0].i, a[1].i, &sum)) return out_of_range();
    *out = mn_timestamp(sum);
    return MN_OK;
}

static enum mn_status call_epoch(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    (void)n, (void)eval;
    *out = mn_float((double)a[0].i / 1e6);
    return MN_OK;
}

static enum mn_status call_to_timestamp(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                        struct mn_value *out)
{
    double us = nearbyint(a[0].f * 1e6);

    (void)n, (void)eval;
    if (!(us >= -9.2e18 && us <= 9.2e18)) return out_of_range();
    *out = mn_timestamp((int64_t)us);
    return MN_OK;
}

static enum mn_status call_to_timestamp_int(const struct mn_value *a, uint32_t n,
                                            struct mn_eval *eval, struct mn_value *out)
{
    int64_t us;

    (void)n, (void)eval;
    if (__builtin_mul_overflow(a[0].i, second_us, &us)) return out_of_range();
    *out = mn_timestamp(us);
    return MN_OK;
}

/* 0.5 to the power of age / half-life; what lies in the future has not decayed. */
static enum mn_status call_decay(const struct mn_value *a, uint32_t n, struct mn_eval *eval,
                                 struct mn_value *out)
{
    double age = (double)(n > 2 ? a[2].i : eval->now_us) - (double)a[0].i;

    if (a[1].i <= 0) return mn_fail(MN_RANGE, "decay: the half-life must be above zero");
    *out = mn_float(age <= 0 ? 1.0 : exp2(-age / (double)a[1].i));
    return MN_OK;
}

enum {
    T = MN_TYPE_TIMESTAMP,
    D = MN_TYPE_DURATION,
    F = MN_TYPE_FLOAT,
    I = MN_TYPE_INT,
    X = MN_TYPE_TEXT
};

const struct mn_func mn_funcs_time[] = {
    {"now", 0, 0, {0}, T, 0, 0, call_now, "now()", "the time at which the statement began"},
    {"time_bucket",
     2,
     3,
     {D, T, T},
     T,
     0,
     0,
     call_bucket,
     "time_bucket(width, at [, origin])",
     "the start of the bucket that holds a time; buckets count from Monday 2000-01-03"},
    {"date_bin",
     2,
     3,
     {D, T, T},
     T,
     0,
     0,
     call_bucket,
     "date_bin(width, at [, origin])",
     "as time_bucket"},
    {"date_trunc",
     2,
     2,
     {X, T},
     T,
     0,
     0,
     call_trunc,
     "date_trunc(part, at)",
     "a time cut to a part: 'hour', 'day', 'week', 'month', 'year', ..."},
    {"date_part",
     2,
     2,
     {X, T},
     F,
     0,
     0,
     call_part,
     "date_part(part, at)",
     "a part of a time: 'hour', 'dow' (Sunday is 0), 'doy', 'week', 'epoch', ..."},
    {"age",
     1,
     2,
     {T, T},
     D,
     0,
     0,
     call_age,
     "age([later,] at)",
     "how long ago; with two times, the first less the second"},
    {"date_add", 2, 2, {T, D}, T, 0, 0, call_add, "date_add(at, duration)", "as at + duration"},
    {"epoch", 1, 1, {T}, F, 0, 0, call_epoch, "epoch(at)", "seconds since 1970"},
    {"epoch", 1, 1, {D}, F, 0, 0, call_epoch, "epoch(duration)", "seconds"},
    {"to_timestamp",
     1,
     1,
     {I},
     T,
     0,
     0,
     call_to_timestamp_int,
     "to_timestamp(seconds)",
     "the time that many seconds after 1970"},
    {"to_timestamp",
     1,
     1,
     {F},
     T,
     0,
     0,
     call_to_timestamp,
     "to_timestamp(seconds)",
     "the time that many seconds after 1970"},
    {"decay",
     2,
     3,
     {T, D, T},
     F,
     0,
     0,
     call_decay,
     "decay(at, half_life [, now])",
     "0.5 to the power of age / half_life; 1 for times to come"},
    {0}};
