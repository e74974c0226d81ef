/*
 * pair: a database of mneme and one of SQLite, side by side.
 */
#ifndef MN_BENCH_SUPPORT_PAIR_H
#define MN_BENCH_SUPPORT_PAIR_H

#include <sqlite3.h>

#include "mneme.h"

extern mn_db *db;
extern sqlite3 *lite;

/* End the program with the message of the database unless the call succeeded. */
void must(int status);
void lite_must(int status);

#endif
