/*
 * api: what tests of the public header write again and again.
 */
#ifndef MN_TESTS_SUPPORT_API_H
#define MN_TESTS_SUPPORT_API_H

#include "mneme.h"

/* A database in memory after a script. */
mn_db *api_open(const char *script);
mn_stmt *api_prepare(mn_db *db, const char *sql);
/* The first column of the only row. */
int64_t api_int(mn_db *db, const char *sql);
/* Runs a script that must succeed. */
void api_exec(mn_db *db, const char *sql);
/* Fails the test, with the message of the handle, where code is not wanted. */
void api_expect(mn_db *db, int code, int wanted);

/* Calls `work` with its first, second, ... allocation failing until none fails: it must answer
 * MN_OK or MN_NOMEM, and `settle` puts things right after each. Returns how many failed. */
uint64_t api_starve(int (*work)(void *context), void (*settle)(void *context, int code),
                    void *context);
/* The same with every `step`th of them, from the first on. */
uint64_t api_starve_some(uint64_t step, int (*work)(void *context),
                         void (*settle)(void *context, int code), void *context);

/* Values, for arrays of mn_datum. */
mn_datum api_null(void);
mn_datum api_of_int(int64_t i);
mn_datum api_of_float(double f);
mn_datum api_of_text(const char *text);

#endif
