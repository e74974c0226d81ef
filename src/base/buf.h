/*
 * buf: bytes that grow.
 */
#ifndef MN_BASE_BUF_H
#define MN_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mn_buf {
    uint8_t *data;
    size_t len, capacity;
};

void mn_buf_release(struct mn_buf *buf); /* a zeroed struct is an empty buffer */
enum mn_status mn_buf_reserve(struct mn_buf *buf, size_t more_bytes);
enum mn_status mn_buf_append(struct mn_buf *buf, const void *bytes, size_t size_bytes);
enum mn_status mn_buf_byte(struct mn_buf *buf, uint8_t byte);
enum mn_status mn_buf_text(struct mn_buf *buf, const char *text);
enum mn_status mn_buf_printf(struct mn_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
