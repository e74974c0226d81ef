/*
 * ddl_text: the CREATE statement that would make a table, relation or index as it is.
 *
 * tables(), indexes() and relations() show it, and the shell's dump is made of it.
 */
#ifndef MN_QUERY_DDL_TEXT_H
#define MN_QUERY_DDL_TEXT_H

#include "catalog/schema.h"

/* Appends a name as the language reads it back: bare where that is possible, else in quotes. */
enum mn_status mn_ddl_name(const char *name, struct mn_buf *out);

/* CREATE TABLE or CREATE RELATION, without a semicolon and without its other indexes. */
enum mn_status mn_ddl_table(const struct mn_table *table, struct mn_buf *out);

/* CREATE INDEX. Of an index that a constraint made: nothing, the table's text has it. */
enum mn_status mn_ddl_index(const struct mn_index *index, struct mn_buf *out);

#endif
