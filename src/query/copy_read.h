/*
 * copy_read: what the readers of the formats share.
 */
#ifndef MN_QUERY_COPY_READ_H
#define MN_QUERY_COPY_READ_H

#include "query/copy.h"
#include "query/copy_input.h"

/* Puts "file line 12, column name: " before the error just recorded; column may be NULL. */
enum mn_status mn_copy_locate(const struct mn_copy_reader *reader, const char *column);

/* Records that nothing but the row just read is bad, so that the caller may go on behind it. */
enum mn_status mn_copy_row_failed(struct mn_copy_reader *reader, const char *column);

/* The column of that name among the spec's, UINT32_MAX: none. Names compare without regard to ASCII
 * case only where no exact one is there. */
uint32_t mn_copy_find_column(const struct mn_copy_spec *spec, const char *name, size_t length);

/* "no column "nmae" in data/x.csv's target", with a hint. */
enum mn_status mn_copy_unknown_column(const struct mn_copy_reader *reader, const char *name,
                                      size_t length);

/* The formats; each allocates a reader whose first member is the struct mn_copy_reader. */
enum mn_status mn_copy_csv_open(const struct mn_copy_spec *spec, struct mn_copy_reader **reader);
enum mn_status mn_copy_ndjson_open(const struct mn_copy_spec *spec, struct mn_copy_reader **reader);
enum mn_status mn_copy_npy_open(const struct mn_copy_spec *spec, struct mn_copy_reader **reader);
enum mn_status mn_copy_fvecs_open(const struct mn_copy_spec *spec, struct mn_copy_reader **reader);

#endif
