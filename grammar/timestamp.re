/*
 * timestamp: the texts of timestamps, durations and intervals.
 */
#include "catalog/scan.h"

#include <string.h>

/*!re2c
    re2c:flags:input = custom;
    re2c:api:style = free-form;
    re2c:define:YYCTYPE = "unsigned char";
    re2c:define:YYPEEK = "(at < end ? (unsigned char)*at : 0)";
    re2c:define:YYSKIP = "if (at < end) at++;";
    re2c:define:YYBACKUP = "mark = at;";
    re2c:define:YYRESTORE = "at = mark;";
    re2c:define:YYSTAGP = "@@{tag} = at;";
    re2c:define:YYSTAGN = "@@{tag} = NULL;";
    re2c:yyfill:enable = 0;
    re2c:flags:tags = 1;
    digit = [0-9];
    two   = digit digit;
*/

bool mn_timestamp_scan(const char *text, size_t length, struct mn_timestamp_parts *parts)
{
    const char *at = text, *end = text + length, *mark = text;
    const char *day, *time, *seconds, *fraction, *fraction_end, *zone;
    /*!stags:re2c format = "const char *@@ = NULL;"; */

    /*!re2c
        "-"? digit{4,6} "-" two "-" @day two
            ( ([Tt] | " "+) @time two ":" two
                ( ":" @seconds two ([.,] @fraction digit+ @fraction_end)? )?
                ( " "* @zone ([Zz] | 'utc' | [-+] two (":"? two)?) )?
            )?                      { goto found; }
        *                           { return false; }
    */
found:
    if (at != end) return false;
    *parts = (struct mn_timestamp_parts){.day = day,
                                         .time = time,
                                         .seconds = seconds,
                                         .fraction = fraction,
                                         .fraction_end = fraction_end,
                                         .zone = zone};
    return true;
}

enum mn_duration_token mn_duration_scan(const char **cursor, const char *end)
{
    const char *at = *cursor, *mark = at;

    /*!re2c
        digit+                      { return *cursor = at, MN_DURATION_NUMBER; }
        " "+                        { return *cursor = at, MN_DURATION_BLANK; }
        [-+]                        { return *cursor = at, MN_DURATION_SIGN; }
        digit+ [.,] digit*          { return *cursor = at, MN_DURATION_FRACTION; }
        'w'                         { return *cursor = at, MN_DURATION_W; }
        'd'                         { return *cursor = at, MN_DURATION_D; }
        'h'                         { return *cursor = at, MN_DURATION_H; }
        'm'                         { return *cursor = at, MN_DURATION_M; }
        's'                         { return *cursor = at, MN_DURATION_S; }
        'ms'                        { return *cursor = at, MN_DURATION_MS; }
        'us' | "\xc2\xb5s" | "\xce\xbcs" { return *cursor = at, MN_DURATION_US; }
        'week' 's'?                    { return *cursor = at, MN_DURATION_WEEKS; }
        'day' 's'?                     { return *cursor = at, MN_DURATION_DAYS; }
        'hour' 's'?                    { return *cursor = at, MN_DURATION_HOURS; }
        'minute' 's'? | 'min' 's'?        { return *cursor = at, MN_DURATION_MINUTES; }
        'second' 's'? | 'sec' 's'?        { return *cursor = at, MN_DURATION_SECONDS; }
        'millisecond' 's'?             { return *cursor = at, MN_DURATION_MILLISECONDS; }
        'microsecond' 's'?             { return *cursor = at, MN_DURATION_MICROSECONDS; }
        'month' 's'? | 'mon' 's'? | 'year' 's'? | 'y' { return *cursor = at, MN_DURATION_CALENDAR; }
        *                           { return at == *cursor ? MN_DURATION_END : MN_DURATION_BAD; }
    */
}
