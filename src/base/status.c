/*
 * status: the thread's error record.
 */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local struct mn_error last = {.offset = -1};

static enum mn_status record(enum mn_status code, const char *format, va_list args)
{
    last.code = code;
    last.offset = -1;
    last.length = 0;
    last.hint[0] = '\0';
    vsnprintf(last.message, sizeof last.message, format, args);
    return code;
}

enum mn_status mn_fail(enum mn_status code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record(code, format, args);
    va_end(args);
    return code;
}

enum mn_status mn_fail_at(enum mn_status code, int64_t offset, int64_t length, const char *format,
                          ...)
{
    va_list args;

    va_start(args, format);
    record(code, format, args);
    va_end(args);
    last.offset = (int32_t)offset;
    last.length = (int32_t)length;
    return code;
}

enum mn_status mn_hint(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(last.hint, sizeof last.hint, format, args);
    va_end(args);
    return last.code;
}

enum mn_status mn_place(int64_t offset, int64_t length)
{
    if (last.offset < 0) {
        last.offset = (int32_t)offset;
        last.length = (int32_t)length;
    }
    return last.code;
}

enum mn_status mn_fail_nomem(void)
{
    return mn_fail(MN_NOMEM, "out of memory");
}

struct mn_error *mn_error_last(void)
{
    return &last;
}

void mn_error_clear(void)
{
    /* Most often there is nothing; every call of the header asks twice. */
    if (last.code == MN_OK && last.hint[0] == '\0' && last.offset == -1) return;
    last.code = MN_OK;
    last.offset = -1;
    last.length = 0;
    last.message[0] = '\0';
    last.hint[0] = '\0';
}

const char *mn_status_name(enum mn_status code)
{
    static const char *const names[] = {
        "MN_OK",       "MN_ROW",     "MN_DONE",   "MN_WAIT",        "MN_ERROR",
        "MN_SYNTAX",   "MN_SCHEMA",  "MN_TYPE",   "MN_RANGE",       "MN_CONSTRAINT",
        "MN_NOTFOUND", "MN_EXISTS",  "MN_BUSY",   "MN_READONLY_DB", "MN_IOERR",
        "MN_FULL",     "MN_CORRUPT", "MN_NOTADB", "MN_NOMEM",       "MN_INTERRUPT",
        "MN_MISUSE",   "MN_GONE",    "MN_TOOBIG", "MN_VERSION",     "MN_UNSUPPORTED",
        "MN_UNCERTAIN"};

    if ((unsigned)code >= sizeof names / sizeof names[0]) return "MN_UNKNOWN";
    return names[code];
}
