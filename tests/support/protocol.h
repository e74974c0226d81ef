/*
 * protocol: small simulated processes that open one file, read, write and close, and the judge who
 * looks at it in the end. Each configuration is a subject for support/explore.h.
 *
 * Scripts are words, a process each: what it does and how often.
 *
 *   W  opens, reads, changes and commits     R  opens, looks twice at each snapshot
 *   A  the same, and aborts                  V  a reader whose descriptor cannot write
 *   T  a reading thread of the process of the word before
 *   S  opens, and makes durable what was committed
 *
 * c behind it: the file is made if it is not there; u: pages are read as copies, never mapped; l
 * and o: its commits are lazy, or never synced; d: behind every second commit it makes them
 * durable; w: behind the first it waits until the processes of the words behind it are over.
 */
#ifndef MN_TESTS_SUPPORT_PROTOCOL_H
#define MN_TESTS_SUPPORT_PROTOCOL_H

#include "support/explore.h"

struct config {
    const char *name;
    uint32_t page_size;
    unsigned before; /* commits in the file when it begins; 0: there is no file */
    uint64_t grow;   /* smallest step of growth, 0: all that will be needed */
    unsigned cut; /* commits after which the file may be cut; then every third has a long value */
    uint64_t log; /* a longer log makes a checkpoint of the space map; 0: as usual */
    const char *first, *later; /* scripts until the power goes, and after each time it did */
    struct budget usual, deep;
};

extern const struct config protocol_configs[];
extern const unsigned protocol_config_count;

/* Does a script commit before it is durable? */
bool protocol_is_weak(const struct config *config);

/* Once for a program. */
void protocol_init(void);
/* Makes the file that the configuration begins with, if that was not made yet. */
struct subject protocol_subject(const struct config *config, bool deep);

#endif
