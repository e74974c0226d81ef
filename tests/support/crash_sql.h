/*
 * crash_sql.h: what layers of statements share, between crash_sql.c and crash_vectors.c.
 */
#ifndef MN_TESTS_SUPPORT_CRASH_SQL_H
#define MN_TESTS_SUPPORT_CRASH_SQL_H

#include "support/crash.h"

enum mn_status sql_open(const struct place *place, struct handle *handle);
void sql_close(struct handle *handle);
enum mn_status sql_begin(struct handle *handle);
enum mn_status sql_savepoint(struct handle *handle);
void sql_rollback(struct handle *handle);
void sql_release(struct handle *handle);
enum mn_status sql_commit(struct handle *handle);
void sql_abort(struct handle *handle);
enum mn_status sql_check(struct handle *handle, uint32_t count[10], char *text, size_t size);

#endif
