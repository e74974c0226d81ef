/*
 * process: another program run by a test, with what it said and how it ended.
 */
#ifndef MN_TESTS_SUPPORT_PROCESS_H
#define MN_TESTS_SUPPORT_PROCESS_H

#include <stddef.h>

enum { PROCESS_TEXT_BYTES = 1 << 20 };

struct process_result {
    int status; /* exit status; 128 + signal when a signal ended it */
    char out[PROCESS_TEXT_BYTES];
    char err[PROCESS_TEXT_BYTES];
};

/* Runs argv (NULL behind the last) in a folder with this text as standard input. Static result. */
const struct process_result *process_run(const char *const *argv, const char *folder,
                                         const char *input);

/* A program at a terminal of 80 columns. */
struct process_terminal {
    int fd, pid;
    char seen[PROCESS_TEXT_BYTES]; /* everything it has written */
    size_t length, matched;        /* bytes seen, and those that expect has gone by */
};

void process_terminal_open(struct process_terminal *t, const char *const *argv, const char *folder);
void process_terminal_type(struct process_terminal *t, const char *keys);
/* Waits until `text` comes behind what was matched before; fails the test after 10 seconds. */
void process_terminal_expect(struct process_terminal *t, const char *text);
int process_terminal_close(struct process_terminal *t); /* waits for its end: as status above */

#endif
