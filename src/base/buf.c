/*
 * buf: bytes that grow by half.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void mn_buf_release(struct mn_buf *buf)
{
    mn_dealloc(buf->data);
    *buf = (struct mn_buf){0};
}

enum mn_status mn_buf_reserve(struct mn_buf *buf, size_t more_bytes)
{
    if (more_bytes > SIZE_MAX - buf->len) return mn_fail_nomem();
    if (!mn_grow(&buf->data, &buf->capacity, buf->len + more_bytes, 1)) return mn_fail_nomem();
    return MN_OK;
}

enum mn_status mn_buf_append(struct mn_buf *buf, const void *bytes, size_t size_bytes)
{
    enum mn_status status = mn_buf_reserve(buf, size_bytes);

    if (status != MN_OK) return status;
    if (size_bytes) memcpy(buf->data + buf->len, bytes, size_bytes);
    buf->len += size_bytes;
    return MN_OK;
}

enum mn_status mn_buf_byte(struct mn_buf *buf, uint8_t byte)
{
    return mn_buf_append(buf, &byte, 1);
}

enum mn_status mn_buf_text(struct mn_buf *buf, const char *text)
{
    return mn_buf_append(buf, text, strlen(text));
}

enum mn_status mn_buf_printf(struct mn_buf *buf, const char *format, ...)
{
    va_list args, again;
    enum mn_status status;
    int need;

    va_start(args, format);
    va_copy(again, args);
    need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need < 0) {
        va_end(again);
        return mn_fail(MN_ERROR, "cannot format text");
    }
    status = mn_buf_reserve(buf, (size_t)need + 1);
    if (status == MN_OK) {
        vsnprintf((char *)buf->data + buf->len, (size_t)need + 1, format, again);
        buf->len += (size_t)need;
    }
    va_end(again);
    return status;
}
