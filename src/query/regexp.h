/*
 * regexp: regular expressions in time linear in the text.
 *
 *   . [a-z] [^a-z] \d \w \s \D \W \S \b ^ $ | ( ) (?: ) * + ? {n} {n,} {n,m}, and (?i) at the begin
 *
 * The pattern becomes a small program whose threads run over the text side by side (Thompson), so
 * there is no backtracking and no pattern that hangs. There are no groups to read and no
 * references.
 */
#ifndef MN_QUERY_REGEXP_H
#define MN_QUERY_REGEXP_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

struct mn_regexp;

enum { MN_REGEXP_PROGRAM_MAX = 10000, MN_REGEXP_NESTING_MAX = 100 };

/* Compiles into the arena. MN_ERROR with what is wrong; MN_TOOBIG: the program is too long. */
enum mn_status mn_regexp_new(struct mn_arena *arena, const char *pattern, size_t length,
                             struct mn_regexp **regexp);

/* True where the pattern matches anywhere in the text. */
enum mn_status mn_regexp_match(const struct mn_regexp *regexp, const char *text, size_t length,
                               bool *match);

#endif
