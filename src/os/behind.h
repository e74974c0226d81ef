/*
 * behind: a thread that does pieces of work in order, while its owner makes the next ones.
 *
 *   (B1) one owner gives pieces and takes them back, the oldest first; what a piece names is the
 *        thread's from give to take
 *   (B2) after a piece that failed the thread does no further one: each of the rest fails too
 *
 * In a forked child there is no such thread: there mn_behind_stop frees the memory and no more.
 */
#ifndef MN_OS_BEHIND_H
#define MN_OS_BEHIND_H

#include <stdbool.h>

struct mn_behind;

enum { MN_BEHIND_MAX = 8 }; /* pieces that may be given and not yet taken */

/* True: done. */
typedef bool (*mn_behind_fn)(void *piece);

/* NULL: no memory or no thread to be had; the owner does the work himself. */
struct mn_behind *mn_behind_start(mn_behind_fn work);
void mn_behind_give(struct mn_behind *behind, void *piece);
/* Waits for the oldest piece. False: it, and all behind it, are the owner's to do. */
bool mn_behind_take(struct mn_behind *behind);
/* Ends the thread after the pieces given; NULL is nothing. */
void mn_behind_stop(struct mn_behind *behind, bool forked);

#endif
