/*
 * status: how a failure travels from the place that knows it to the handle that reports it.
 *
 * The place that knows the fact calls mn_fail once; everyone above returns the code unchanged. The
 * message lies in a record of the calling thread until the API copies it to the handle, so no layer
 * needs an error parameter and none can lose the first message.
 */
#ifndef MN_BASE_STATUS_H
#define MN_BASE_STATUS_H

#include <stdint.h>

#include "mneme.h"

enum { MN_MESSAGE_BYTES = 512, MN_HINT_BYTES = 256 };

struct mn_error {
    enum mn_status code;
    int32_t offset; /* byte in the statement's text, or -1 */
    int32_t length; /* bytes marked there */
    char message[MN_MESSAGE_BYTES];
    char hint[MN_HINT_BYTES]; /* empty: none */
};

/* Records code and message for this thread, without place or hint, and returns code. */
enum mn_status mn_fail(enum mn_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with a place: length bytes at offset in the statement's text. */
enum mn_status mn_fail_at(enum mn_status code, int64_t offset, int64_t length, const char *format,
                          ...) __attribute__((format(printf, 4, 5)));

/* Adds a hint to the error just recorded; returns its code. */
enum mn_status mn_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Gives the error just recorded a place if it has none; returns its code. */
enum mn_status mn_place(int64_t offset, int64_t length);

/* No memory: the one message that many places share. */
enum mn_status mn_fail_nomem(void);

/* The calling thread's record; never NULL. */
struct mn_error *mn_error_last(void);
void mn_error_clear(void);

/* The name of a code as the header spells it, "MN_CORRUPT". */
const char *mn_status_name(enum mn_status code);

#endif
