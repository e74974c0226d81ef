/*
 * arena: memory of one statement, given back as a whole.
 *
 * Chunks double from 4 KiB to 1 MiB; larger requests get a chunk of their own. A mark remembers a
 * point to which the arena can be rewound, so that a row's scratch memory costs nothing.
 */
#ifndef MN_BASE_ARENA_H
#define MN_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct mn_arena_chunk;

struct mn_arena {
    struct mn_arena_chunk *chunk; /* the newest; older ones are linked from it */
    size_t total_bytes;           /* of all chunks */
    size_t limit_bytes;           /* 0: none; a request past it fails */
};

struct mn_arena_mark {
    struct mn_arena_chunk *chunk;
    size_t used;
};

void mn_arena_init(struct mn_arena *arena, size_t limit_bytes);
void mn_arena_release(struct mn_arena *arena); /* back to the state after init */

/* Aligned to 16 bytes. NULL: no memory or over the limit. */
void *mn_arena_alloc(struct mn_arena *arena, size_t size_bytes);
void *mn_arena_zalloc(struct mn_arena *arena, size_t size_bytes);
void *mn_arena_copy(struct mn_arena *arena, const void *bytes, size_t size_bytes);
/* A copy with a NUL behind it. */
char *mn_arena_text(struct mn_arena *arena, const char *text, size_t length);

struct mn_arena_mark mn_arena_mark(const struct mn_arena *arena);
void mn_arena_rewind(struct mn_arena *arena, struct mn_arena_mark mark);

#endif
