/*
 * arena: chunks of memory in a list, newest first.
 */
#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { CHUNK_MIN_BYTES = 4096, CHUNK_MAX_BYTES = 1 << 20, ALIGN_BYTES = 16 };

struct mn_arena_chunk {
    struct mn_arena_chunk *older;
    size_t size, used; /* of the bytes behind this header */
};

static uint8_t *chunk_bytes(struct mn_arena_chunk *chunk)
{
    return (uint8_t *)chunk + (sizeof *chunk + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

void mn_arena_init(struct mn_arena *arena, size_t limit_bytes)
{
    *arena = (struct mn_arena){.limit_bytes = limit_bytes};
}

static void chunk_drop(struct mn_arena *arena)
{
    struct mn_arena_chunk *chunk = arena->chunk;

    arena->chunk = chunk->older;
    arena->total_bytes -= chunk->size;
    mn_dealloc(chunk);
}

void mn_arena_release(struct mn_arena *arena)
{
    while (arena->chunk) chunk_drop(arena);
}

static bool chunk_add(struct mn_arena *arena, size_t need)
{
    size_t size = arena->chunk ? arena->chunk->size * 2 : CHUNK_MIN_BYTES;
    struct mn_arena_chunk *chunk;

    if (size > CHUNK_MAX_BYTES) size = CHUNK_MAX_BYTES;
    if (size < need) size = need;
    if (arena->limit_bytes) {
        size_t left = arena->limit_bytes - arena->total_bytes;

        if (need > left) return false;
        if (size > left) size = left;
    }
    chunk = mn_alloc(size + sizeof *chunk + ALIGN_BYTES);
    if (!chunk) return false;
    chunk->older = arena->chunk;
    chunk->size = size;
    chunk->used = 0;
    arena->chunk = chunk;
    arena->total_bytes += size;
    return true;
}

void *mn_arena_alloc(struct mn_arena *arena, size_t size_bytes)
{
    size_t size;
    uint8_t *memory;

    if (size_bytes > SIZE_MAX / 2) return NULL;
    size = (size_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (!arena->chunk || arena->chunk->size - arena->chunk->used < size) {
        if (!chunk_add(arena, size)) return NULL;
    }
    memory = chunk_bytes(arena->chunk) + arena->chunk->used;
    arena->chunk->used += size;
    return memory;
}

void *mn_arena_zalloc(struct mn_arena *arena, size_t size_bytes)
{
    void *memory = mn_arena_alloc(arena, size_bytes);

    if (memory) memset(memory, 0, size_bytes);
    return memory;
}

void *mn_arena_copy(struct mn_arena *arena, const void *bytes, size_t size_bytes)
{
    void *memory = mn_arena_alloc(arena, size_bytes);

    if (memory && size_bytes) memcpy(memory, bytes, size_bytes);
    return memory;
}

char *mn_arena_text(struct mn_arena *arena, const char *text, size_t length)
{
    char *memory = mn_arena_alloc(arena, length + 1);

    if (!memory) return NULL;
    if (length) memcpy(memory, text, length);
    memory[length] = '\0';
    return memory;
}

struct mn_arena_mark mn_arena_mark(const struct mn_arena *arena)
{
    return (struct mn_arena_mark){arena->chunk, arena->chunk ? arena->chunk->used : 0};
}

void mn_arena_rewind(struct mn_arena *arena, struct mn_arena_mark mark)
{
    while (arena->chunk != mark.chunk) {
        MN_ASSERT(arena->chunk);
        chunk_drop(arena);
    }
    if (arena->chunk) arena->chunk->used = mark.used;
}
