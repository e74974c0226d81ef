/*
 * pair: a database of mneme and one of SQLite, side by side.
 */
#include "support/pair.h"

#include <stdio.h>
#include <stdlib.h>

mn_db *db;
sqlite3 *lite;

void must(int status)
{
    if (status == MN_OK || status == MN_ROW || status == MN_DONE) return;
    fprintf(stderr, "mneme: %s\n", mn_errmsg(db));
    exit(1);
}

void lite_must(int status)
{
    if (status == SQLITE_OK || status == SQLITE_ROW || status == SQLITE_DONE) return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(lite));
    exit(1);
}
