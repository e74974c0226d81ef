/*
 * copy_case: a file of COPY read or written without a table around it.
 */
#ifndef MN_TESTS_SUPPORT_COPY_CASE_H
#define MN_TESTS_SUPPORT_COPY_CASE_H

#include "query/copy.h"

enum { COPY_CASE_COLUMNS = 16 };

/* Columns "id INT, body TEXT, tags TEXT[], e VECTOR(3)" and options "header = off, null = NA". */
struct copy_case {
    struct mn_copy_column columns[COPY_CASE_COLUMNS];
    char names[COPY_CASE_COLUMNS][32];
    char words[256]; /* the options' texts lie here */
    struct mn_copy_options options;
    struct mn_copy_spec spec;
};

/* Fails the test where columns or options are not what they should be. */
void copy_case_make(struct copy_case *c, const char *path, const char *columns, const char *options,
                    bool reading);
/* The options alone; the status of the first that is refused, or of finish. */
enum mn_status copy_case_options(struct copy_case *c, const char *path, const char *options,
                                 bool reading);

/* One folder for all files of the program. */
const char *copy_case_folder(void);

/* A file of that folder. Static path. */
const char *copy_case_file(const char *name, const void *bytes, size_t length);

/* Reads the whole file: a line a row, values by | as texts; NULL is "NULL", what is not given is
 * "-". An error ends it with a line "error: message"; with skip it goes on where it can. Freed by
 * the caller. */
char *copy_case_read(struct copy_case *c, bool skip);

#endif
