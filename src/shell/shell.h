/*
 * shell: what the rooms of the shell share.
 *
 *   main      arguments and what they ask for           run       statements, scripts, parameters
 * bound edit      the prompt: lines, history, completion    command   words that begin with a dot
 *   output    rows in every mode but tables             table     box, table and markdown
 *   error     failures with a caret                     dump      a script that makes the database
 * anew param     values for $name                          tool      check, stat, backup, restore
 *
 * The shell knows the library by mneme.h alone. Results go to standard output; failures, progress
 * and times to standard error.
 */
#ifndef MN_SHELL_H
#define MN_SHELL_H

#include <signal.h>
#include <stdio.h>

#include "mneme.h"

enum {
    EXIT_STATEMENT = 1, /* a statement failed */
    EXIT_USAGE = 2,
    EXIT_FILE = 3, /* the file cannot be opened, or is damaged */
    EXIT_BUSY = 4,
    EXIT_INTERRUPTED = 130
};

enum shell_mode {
    MODE_BOX,
    MODE_TABLE,
    MODE_CSV,
    MODE_TSV,
    MODE_JSON,
    MODE_NDJSON,
    MODE_MARKDOWN,
    MODE_LINE,
    MODE_LIST,
    MODE_COUNT
};

/* A value for $name, as the language wrote it. */
struct shell_param {
    char *name;
    char *written; /* what the user gave, for .param */
    int type;      /* enum mn_type */
    union {
        int64_t i; /* BOOL, INT, TIMESTAMP, DURATION */
        double f;
        uint8_t uuid[16];
    };
    void *bytes; /* TEXT, BLOB, JSON, VECTOR */
    size_t size; /* bytes, or dimensions */
};

struct shell {
    mn_db *db;
    const char *path; /* NULL: a database in memory */
    enum shell_mode mode;
    bool header;
    const char *null_text;
    bool timer;
    bool bail;
    bool prompt;     /* a person types */
    bool color;      /* of standard error */
    bool quit;       /* .quit was said */
    int exit_status; /* the first failure's */
    int depth;       /* of .read in .read */
    struct shell_param *params;
    size_t param_count;
    FILE *out;
};

/* Where a piece of text comes from: for messages. */
struct shell_source {
    const char *name; /* NULL: typed, or an argument */
    size_t line;      /* of the text's first byte, from 1 */
};

/* Set by Ctrl-C, which also interrupts the statement that runs. Cleared before each statement. */
extern volatile sig_atomic_t shell_interrupted;

/* main */
void shell_fail(struct shell *shell, int exit_status); /* keeps the first */
int shell_exit_status_of(int code);                    /* of an enum mn_status */
void shell_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* run: true when all went well. A text may hold many statements and commands. */
bool run_text(struct shell *shell, const char *text, size_t length, struct shell_source source);
bool run_file(struct shell *shell, const char *path); /* "-": standard input */
/* Runs one statement and calls row for each row; true when all went well. */
bool run_query(struct shell *shell, const char *sql, bool (*row)(void *, mn_stmt *), void *context);
/* Where the first statement of a text ends, behind its semicolon; 0: it is not complete. Blank text
 * and comments alone are complete. */
size_t run_statement_end(const char *text, size_t length);

/* output: rows in the shell's mode. */
struct output;
struct output *output_begin(struct shell *shell, mn_stmt *stmt);
bool output_row(struct output *output, mn_stmt *stmt);
void output_end(struct output *output, bool complete); /* frees; false: a failure came between */
bool output_mode_find(const char *name, enum shell_mode *mode);
const char *output_mode_name(enum shell_mode mode);

/* table: rows in columns, collected until their widths are known. */
struct table;
struct table *table_new(struct shell *shell, mn_stmt *stmt);
bool table_row(struct table *table, mn_stmt *stmt);
void table_end(struct table *table);

/* width: columns of a terminal that UTF-8 text takes. */
size_t width_of(const char *text, size_t length);
/* Bytes of the longest beginning of the text that takes at most `columns`. */
size_t width_cut(const char *text, size_t length, size_t columns);
size_t width_terminal(FILE *file); /* 0: not a terminal */

/* error */
void error_show(struct shell *shell, const char *text, size_t length, struct shell_source source);
void error_say(struct shell *shell, int code, const char *message, const char *hint);

/* progress: a line on standard error after half a second, only on a terminal. */
void progress_attach(struct shell *shell); /* once, to an opened handle */
void progress_begin(void);
void progress_end(void);
int progress_count(void *context, uint64_t done, uint64_t total); /* an mn_progress_fn */

/* param */
bool param_set(struct shell *shell, const char *name, const char *value);
bool param_bind(struct shell *shell, mn_stmt *stmt);
void param_list(struct shell *shell);
void param_clear(struct shell *shell);
/* Row `row` of a .npy or .fvecs file; gives back dims floats to be freed, or NULL with a message.
 */
float *param_vector_read(const char *path, uint64_t row, size_t *dims);

/* command: one line that begins with a dot or backslash. */
bool command_run(struct shell *shell, const char *line, struct shell_source source);
const char *command_name(size_t index); /* NULL behind the last */

/* edit */
int edit_prompt(struct shell *shell);

/* complete: `typed` is what stands above the line that is edited. */
bool complete_word(struct shell *shell, void *edit_line, const char *typed, size_t typed_length);

/* dump */
bool dump_database(struct shell *shell, FILE *out);
/* Appends a name in quotes. */
void dump_name(FILE *out, const char *name);

/* tool: subcommands; they return the exit status. */
int tool_check(struct shell *shell);
int tool_stat(struct shell *shell);
int tool_backup(struct shell *shell, const char *to);
int tool_restore(struct shell *shell, const char *from, const char *to);
int tool_compact(struct shell *shell);
int tool_recover(struct shell *shell, const char *from, const char *to);

#endif
